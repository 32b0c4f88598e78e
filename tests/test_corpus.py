"""A corpus is read right or refused in one line; no label ever changes silently."""

from __future__ import annotations

import os
import zipfile
from dataclasses import FrozenInstanceError
from pathlib import Path

import numpy as np
import pytest
from conftest import SHARED, draw_corpus
from PIL import Image

from tagging_lib import files
from tagging_lib.data.corpus import Corpus, Problem, check, open_photos
from tagging_lib.errors import TaggingError

REAL = ",".join(str(SHARED / "corpus" / f"course-corpus-{part}.zip") for part in (1, 2, 3))


def photo(path, grey=128):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8), (grey, grey, grey)).save(path)


def numbered(root, numbers, **labels):
    for number in numbers:
        photo(root / "images" / f"im{number}.png", number)
    (root / "annotations").mkdir(parents=True)
    for label, text in labels.items():
        (root / "annotations" / f"{label}.txt").write_text(text, newline="")
    return root


def table(root, text, photos=("a.png", "b.png", "c.png"), name="tags.csv", encoding="utf-8"):
    for path in photos:
        photo(root / path)
    (root / name).write_text(text, encoding=encoding, newline="")
    return root


def zipped(folder, path, below=""):
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                archive.write(file, below + file.relative_to(folder).as_posix())
    return path


# Photos and label files


def test_photos_in_order_of_number_labels_in_order_of_the_alphabet(tmp_path):
    corpus = Corpus.open(numbered(tmp_path, [10, 9, 2], b="9\n", a="2\n10\n"))
    assert corpus.labels == ("a", "b") and corpus.photos == (
        "images/im2.png",
        "images/im9.png",
        "images/im10.png",
    )
    assert corpus.numbers.tolist() == [2, 9, 10] and corpus.numbers.dtype == np.int64
    assert corpus.targets.tolist() == [[1, 0], [0, 1], [1, 0]] and corpus.targets.dtype == np.uint8
    assert len(corpus) == 3 and corpus.problems == () and corpus.name == tmp_path.name
    assert corpus.label_names(1) == ["b"] and corpus.path(0) == tmp_path / "images" / "im2.png"
    with pytest.raises(FrozenInstanceError):
        corpus.name = "other"


def test_labels_are_sorted_by_name_without_suffix_and_any_case_of_suffix_counts(tmp_path):
    root = numbered(tmp_path, [1], **{"a b": "1\n", "a": "1\n"})
    (root / "annotations" / "Z.TXT").write_text("1\n")
    assert Corpus.open(root).labels == ("Z", "a", "a b")


@pytest.mark.parametrize("text", ["1\r\n3\r\n", "\ufeff1\n3\n", "\n 1 \n\n\t3\n\n", "1\r3", "01\n003"])
def test_line_ends_byte_order_marks_blanks_and_leading_zeros(tmp_path, text):
    assert Corpus.open(numbered(tmp_path, [1, 2, 3], red=text)).targets[:, 0].tolist() == [1, 0, 1]


@pytest.mark.parametrize("entry", ["two", "2 3", "2,3", "-2", "2.0", "im2", "²", "٣", "2\x0c3", "9" * 5000])
def test_a_line_that_is_no_number_is_named_with_file_and_line(tmp_path, entry):
    root = numbered(tmp_path, [1, 2, 3], red=f"1\n{entry}\n")
    with pytest.raises(TaggingError, match=r"annotations/red\.txt line 2: .* is no photo number") as caught:
        Corpus.open(root)
    assert "\n" not in str(caught.value)


def test_numbers_without_a_photo_are_fatal_and_one_problem_a_file(tmp_path):
    root = numbered(tmp_path, [1], red="1\n7\n8\n9\n", blue="1\n")
    with pytest.raises(
        TaggingError, match=r"red\.txt line 2: there is no photo im7, nor for 2 further lines"
    ):
        Corpus.open(root)
    assert sum(problem.fatal for problem in check(root)) == 1


def test_a_number_given_twice_counts_once_and_is_noted(tmp_path):
    corpus = Corpus.open(numbered(tmp_path, [1, 2], red="2\n2\n"))
    assert corpus.targets[:, 0].tolist() == [0, 1]
    (problem,) = corpus.problems
    assert not problem.fatal and problem.where == "annotations/red.txt line 2"


def test_an_empty_label_is_kept_and_noted(tmp_path):
    corpus = Corpus.open(numbered(tmp_path, [1, 2], red="1\n", blue=""))
    assert corpus.labels == ("blue", "red") and corpus.targets[:, 0].tolist() == [0, 0]
    assert [(p.where, p.fatal) for p in corpus.problems] == [("annotations/blue.txt", False)]


def test_text_that_is_no_utf8_and_a_label_twice_are_fatal(tmp_path):
    root = numbered(tmp_path / "a", [1], red="1\n")
    (root / "annotations" / "blue.txt").write_bytes(b"\xff\xfe1\0\n\0")
    with pytest.raises(TaggingError, match=r"blue\.txt: is not UTF-8"):
        Corpus.open(root)
    root = numbered(tmp_path / "b", [1], red="1\n")
    (root / "annotations" / "red.TXT").write_text("")
    with pytest.raises(TaggingError, match="is the label red again"):
        Corpus.open(root)


def test_strays_are_noted_hidden_files_are_not(tmp_path):
    root = numbered(tmp_path, [1], red="1\n")
    for name in (
        "images/notes.txt",
        "images/cat.png",
        "images/im5.nef",
        "annotations/red.bak",
        "images/.hidden",
    ):
        (root / name).write_text("x")
    corpus = Corpus.open(root)
    assert len(corpus) == 1 and not any(problem.fatal for problem in corpus.problems)
    strays = [
        "images/cat.png",
        "images/im5.nef",
        "images/notes.txt",
        "annotations/red.bak",
    ]
    assert [problem.where for problem in corpus.problems] == [*strays, tmp_path.name]
    assert "photos of formats that are not read: 1 (1 .nef), first 'images/im5.nef'" in str(corpus.problems[-1])


@pytest.mark.parametrize("twin", ["im1.jpg", "im01.png"])
def test_two_files_of_one_photo_are_fatal(tmp_path, twin):
    root = numbered(tmp_path, [1], red="1\n")
    photo(root / "images" / twin)
    with pytest.raises(TaggingError, match="is photo 1 again"):
        Corpus.open(root)


@pytest.mark.parametrize("missing", ["images", "annotations", "both", "folder"])
def test_what_is_no_corpus_is_said(tmp_path, missing):
    root = tmp_path / "corpus"
    if missing != "folder":
        root.mkdir()
        (root / "images").mkdir()
        if missing in ("images", "annotations"):
            (root / "annotations").mkdir()
        if missing == "annotations":
            photo(root / "images" / "im1.png")
    with pytest.raises(TaggingError, match="corpus"):
        Corpus.open(root)


def test_a_problem_is_one_printable_line():
    line = str(Problem("a\nb.txt line 2", "it is\x1b[31m odd", "mend it", True))
    assert line == "error: a b.txt line 2: it is [31m odd; mend it"


# CSV


def test_a_csv_names_photos_by_path_or_unique_name(tmp_path):
    text = "photo,labels\nx/10.png,dog; cat ;\n9.png,\n./y/a.png,cat\ny\\b.png,dog;dog\n"
    corpus = Corpus.open(table(tmp_path, text, ("x/10.png", "x/9.png", "y/a.png", "y/b.png")))
    assert corpus.labels == ("cat", "dog") and corpus.photos == ("x/9.png", "x/10.png", "y/a.png", "y/b.png")
    assert corpus.targets.tolist() == [[0, 0], [1, 1], [1, 0], [0, 1]] and corpus.numbers.tolist() == [
        1,
        2,
        3,
        4,
    ]
    assert corpus.problems == ()


def test_a_csv_with_byte_order_mark_capitals_blank_lines_quotes_and_more_columns(tmp_path):
    text = (
        '\r\n Photo ,author, LABELS\r\n\r\n"a.png","Me, myself",rot;blau\r\nb.png,,grün\r\n,,\r\nc.png,,\r\n'
    )
    corpus = Corpus.open(table(tmp_path, text, encoding="utf-8-sig"))
    assert corpus.labels == ("blau", "grün", "rot") and corpus.targets.tolist() == [
        [1, 0, 1],
        [0, 1, 0],
        [0, 0, 0],
    ]


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("photo,labels\na.png,dog,cat\n", "line 2: has 3 fields"),  # the label cat would be lost
        ("photo,labels\na.png,dog\nb.png\n", "line 3: has 1 fields"),
        ("photo,labels\na.png,dog\n,cat\n", "line 3"),
        ("photo,labels\na.png,dog\nz.png,dog\n", "line 3: 'z.png' is no photo here"),
        ("photo,labels\na.png,dog\nx/b.png,dog\n", "line 3: 'x/b.png' is no photo here"),
        ("photo,labels\na.png,dog\na.png,cat\n", "line 3: 'a.png' has other labels"),
        ("photo,labels\na.png,\n", "no photo has a label"),
        ("photo,labels\n", "no photo has a label"),
        ("bild;worte\na.png;dog\n", "line 1: the columns are 'bild;worte'"),
        ("photo,labels,labels\na.png,dog,cat\n", "once each"),
        ('photo,labels\n"a.png,dog\n', "no valid CSV"),
        ("", "line 1: the columns are ''"),
    ],
)
def test_a_csv_that_could_cost_a_label_is_refused(tmp_path, text, named):
    with pytest.raises(TaggingError) as caught:
        Corpus.open(table(tmp_path, text))
    assert named in str(caught.value) and "tags.csv" in str(caught.value)


def test_a_csv_name_in_two_folders_is_refused_and_a_text_of_another_encoding_too(tmp_path):
    root = table(tmp_path / "a", "photo,labels\na.png,dog\n", ("x/a.png", "y/a.png"))
    with pytest.raises(TaggingError, match=r"'a\.png' could be 2 photos"):
        Corpus.open(root)
    root = table(tmp_path / "b", "photo,labels\na.png,grün\n", encoding="latin-1")
    with pytest.raises(TaggingError, match="not UTF-8"):
        Corpus.open(root)


def test_unlisted_photos_and_repeated_lines_are_noted(tmp_path):
    corpus = Corpus.open(table(tmp_path, "photo,labels\na.png,dog;cat\na.png,cat;dog\n"))
    assert corpus.photos == ("a.png",) and [problem.fatal for problem in corpus.problems] == [False, False]
    assert "listed twice" in str(corpus.problems[0]) and "photos that are not listed: 2" in str(corpus.problems[1])


def test_of_several_csv_files_the_fitting_one_is_read(tmp_path):
    root = table(tmp_path, "photo,labels\na.png,dog\n")
    (root / "cameras.csv").write_text("camera,lens\n")
    assert Corpus.open(root).labels == ("dog",)
    (root / "more.CSV").write_text("photo,labels\n")
    with pytest.raises(TaggingError, match=r"several tables .*more\.CSV, tags\.csv"):
        Corpus.open(root)


# Zips


def test_a_folder_its_zip_and_its_parts_are_the_same_corpus(tiny_corpus, tmp_path):
    folder = Corpus.open(tiny_corpus)
    whole = zipped(tiny_corpus, tmp_path / "whole.zip", below="wrapped/")
    first, second = tmp_path / "part 1.zip", tmp_path / "part 2.zip"
    zipped(tiny_corpus, first)
    with (
        zipfile.ZipFile(first) as source,
        zipfile.ZipFile(second, "w") as images,
        zipfile.ZipFile(tmp_path / "part 3.zip", "w") as rest,
    ):
        for name in source.namelist():
            (images if name.startswith("images/") else rest).writestr(name, source.read(name))
    data = tmp_path / "data"
    ways = [whole, str(whole), [second, tmp_path / "part 3.zip"], f"{second}, {tmp_path / 'part 3.zip'},"]
    for way in ways:
        corpus = Corpus.open(way, data_dir=data)
        assert corpus.photos == folder.photos and corpus.fingerprint == folder.fingerprint
        np.testing.assert_array_equal(corpus.targets, folder.targets)
    assert len([path for path in data.iterdir() if not path.name.startswith(".")]) == 2  # each unpacked once


def test_a_forgotten_part_is_said(tiny_corpus, tmp_path):
    (tiny_corpus / "images" / "im1.png").unlink()
    (tiny_corpus / "annotations" / "red.txt").write_text("1\n2\n")
    with pytest.raises(TaggingError, match="there is no photo im1"):
        Corpus.open(zipped(tiny_corpus, tmp_path / "a.zip"), data_dir=tmp_path / "data")


@pytest.mark.parametrize("path", ["nowhere", "nowhere.zip,elsewhere.zip", "", [], "a.tar"])
def test_paths_that_lead_nowhere(tmp_path, monkeypatch, path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.tar").write_text("")
    with pytest.raises(TaggingError, match="corpus"):
        Corpus.open(path)


# Fingerprint


def test_the_fingerprint_follows_labels_names_and_bytes_and_nothing_else(tmp_path):
    root = draw_corpus(tmp_path / "a", photos=12)
    first = Corpus.open(root).fingerprint
    assert len(first) == 16 and int(first, 16) >= 0
    moved = root.rename(tmp_path / "b")
    os.utime(moved / "images" / "im1.png")
    assert Corpus.open(moved, name="other").fingerprint == first
    seen = {first}
    (moved / "annotations" / "red.txt").rename(moved / "annotations" / "rot.txt")
    seen.add(Corpus.open(moved).fingerprint)
    with open(moved / "annotations" / "blue.txt", "a") as stream:
        stream.write("5\n")  # every fifth photo has no label
    seen.add(Corpus.open(moved).fingerprint)
    photo(moved / "images" / "im1.png")
    seen.add(Corpus.open(moved).fingerprint)
    (moved / "images" / "im1.png").rename(moved / "images" / "im01.png")
    seen.add(Corpus.open(moved).fingerprint)
    assert len(seen) == 5


def test_photo_bytes_are_read_once(tiny_corpus, monkeypatch):
    first = Corpus.open(tiny_corpus).fingerprint
    with monkeypatch.context() as patched:
        patched.setattr(files, "sha256", lambda path: pytest.fail("read again"))
        assert Corpus.open(tiny_corpus).fingerprint == first
    (tiny_corpus.parent / f".{tiny_corpus.name}.digest.json").write_text("[rubbish")
    assert Corpus.open(tiny_corpus).fingerprint == first


def test_a_photo_that_went_away_is_named(tiny_corpus):
    corpus = Corpus.open(tiny_corpus)
    corpus.path(3).unlink()
    with pytest.raises(TaggingError, match=corpus.photos[3]):
        _ = corpus.fingerprint


# Photos without labels, and check


def test_unlabelled_photos_in_natural_order(tmp_path):
    for name in ("im10.png", "im9.JPG", "sub/im2.webp", ".hidden.png"):
        photo(tmp_path / "photos" / name)
    (tmp_path / "photos" / "notes.txt").write_text("x")
    corpus = open_photos(tmp_path / "photos")
    assert corpus.photos == ("im9.JPG", "im10.png", "sub/im2.webp") and corpus.numbers.tolist() == [9, 10, 2]
    assert corpus.labels == () and corpus.targets.shape == (3, 0) and corpus.label_names(0) == []
    photo(tmp_path / "photos" / "holiday.png")
    assert open_photos(tmp_path / "photos").numbers.tolist() == [1, 2, 3, 4]
    inside = open_photos(
        zipped(tmp_path / "photos", tmp_path / "p.zip", "images/"), data_dir=tmp_path / "data"
    )
    assert [path.removeprefix("images/") for path in inside.photos] == list(
        open_photos(tmp_path / "photos").photos
    )


def test_a_folder_without_photos_is_said(tmp_path):
    with pytest.raises(TaggingError, match="holds no photos"):
        open_photos(tmp_path)


def test_check_lists_everything_with_the_photos_that_do_not_decode(tiny_corpus):
    assert check(tiny_corpus) == []
    (tiny_corpus / "images" / "im3.png").write_bytes(b"rubbish")
    with open(tiny_corpus / "annotations" / "red.txt", "a") as stream:
        stream.write("five\n")
    found = check(tiny_corpus)
    assert [(problem.where.split()[0], problem.fatal) for problem in found] == [
        ("annotations/red.txt", True),
        ("images/im3.png", True),
    ]
    assert (
        str(found[1])
        == "error: images/im3.png: is no photo of a format that is read here; replace or remove it"
    )


# The real corpus


COUNTS = {
    "baby": 95, "bird": 360, "car": 319, "clouds": 1095, "dog": 448, "female": 3227, "flower": 761, "male": 2979,
    "night": 598, "people": 6403, "portrait": 3121, "river": 120, "sea": 173, "tree": 525,
}  # fmt: skip


@pytest.mark.skipif(not (SHARED / "corpus").exists(), reason="the course corpus is not part of the project")
def test_the_course_corpus_has_its_published_counts():
    # In the project's own data folder, where it is unpacked once: a temporary one would cost 10 s each time.
    corpus = Corpus.open(REAL, data_dir=Path(__file__).resolve().parents[1] / "data")
    assert dict(zip(corpus.labels, corpus.targets.sum(axis=0).tolist(), strict=True)) == COUNTS
    assert corpus.numbers.tolist() == list(range(1, 20001)) and corpus.problems == ()
    assert (corpus.targets.sum(axis=1) == 0).sum() == 9824


def break_photos(root):
    """Photo 1 becomes a dead link, photo 2 a folder, photo 3 is cut off, photo 4 is empty."""
    for number in (1, 2, 3, 4):
        photo = root / "images" / f"im{number}.png"
        content = photo.read_bytes()
        photo.unlink()
        if number == 1:
            photo.symlink_to(root / "nowhere.png")
        elif number == 2:
            photo.mkdir()
        else:
            photo.write_bytes(content[: len(content) // 2 if number == 3 else 0])
    return root


def test_broken_photos_stop_a_corpus_unless_they_are_skipped(tiny_corpus, tmp_path):
    whole = Corpus.open(tiny_corpus)
    break_photos(tiny_corpus)
    with pytest.raises(TaggingError, match=r"images/im1\.png: is a link that leads nowhere.* 1 more"):
        Corpus.open(tiny_corpus)
    for _ in range(2):  # the second time by the note of the first
        corpus = Corpus.open(tiny_corpus, data_dir=tmp_path / "data", skip_broken=True)
        assert corpus.numbers.tolist() == whole.numbers[4:].tolist() and corpus.labels == whole.labels
        np.testing.assert_array_equal(corpus.targets, whole.targets[4:])
        assert [problem.where for problem in corpus.left_out] == [f"images/im{number}.png" for number in (1, 2, 3, 4)]
    assert list((tmp_path / "data" / "cache").glob("*.broken.json"))


def test_check_names_broken_photos_and_skipping_makes_them_notes(tiny_corpus):
    break_photos(tiny_corpus)
    assert sum(problem.fatal for problem in check(tiny_corpus)) == 4
    skipped = check(tiny_corpus, skip_broken=True)
    assert len(skipped) == 4 and not any(problem.fatal for problem in skipped)


def test_broken_photos_of_a_table_are_named_and_skipped(tmp_path):
    photo(tmp_path / "a.png")
    (tmp_path / "b.png").mkdir()
    (tmp_path / "labels.csv").write_text("photo,labels\na.png,red\nb.png,blue\n")
    with pytest.raises(TaggingError, match=r"b\.png: is a folder"):
        Corpus.open(tmp_path)
    corpus = Corpus.open(tmp_path, data_dir=tmp_path / "data", skip_broken=True)
    assert corpus.photos == ("a.png",)


def test_nothing_left_is_an_error(tiny_corpus, tmp_path):
    for path in (tiny_corpus / "images").iterdir():
        path.write_bytes(b"")
    with pytest.raises(TaggingError, match="no photo can be read"):
        Corpus.open(tiny_corpus, data_dir=tmp_path, skip_broken=True)
