"""Each of these was silent once: `check` said "no problem found", and a study trained on labels that nobody meant."""

from __future__ import annotations

import unicodedata

import numpy as np
import pytest
from PIL import Image

from tagging_lib.data import quality
from tagging_lib.data.corpus import Corpus, ReadOptions, check, inspect, open_photos
from tagging_lib.data.readers.reading import Written

NFC, NFD = (unicodedata.normalize(form, "bé") for form in ("NFC", "NFD"))


def corpus_at(root, *labels_of_photos, header="photo,labels"):
    """A table of photos that all differ, one for each cell of labels."""
    root.mkdir(exist_ok=True)
    lines = [header]
    for number, labels in enumerate(labels_of_photos):
        pixels = np.random.default_rng(number).integers(0, 256, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(root / f"{number}.png")
        lines.append(f'{number}.png,"{labels}"')
    (root / "tags.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return root


def warned(root, **options):
    return [problem.what for problem in inspect(root, options=ReadOptions(**options)).problems if problem.wrong]


def test_a_sound_corpus_has_no_problem(tmp_path):
    root = corpus_at(tmp_path, *["sea;hot dog", "dog;sea", "dog;hot dog"] * 3)
    assert check(root) == [] and inspect(root).sound and inspect(root).fixes == ()


# Twins


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (("Beach", "beach", "beach"), "differ in nothing but case: 'beach' (on 2) and 'Beach' (on 1)"),
        ((NFC, NFD, NFD), r"accents are written (composed or decomposed): 'be\u0301' (on 2) and 'b\xe9' (on 1)"),
        (("sea side", "sea  side"), "nothing but blanks: 'sea  side' (on 1) and 'sea side' (on 1)"),
        (("sea side", "sea\u00a0side"), "nothing but blanks"),
        (("sea side", "sea\u200b side"), "nothing but blanks"),
    ],
)
def test_twins_are_named_once_with_their_numbers(tmp_path, labels, said):
    (what,) = warned(corpus_at(tmp_path, *labels))
    assert said in what
    assert not inspect(tmp_path).sound


def test_twins_do_not_stop_a_study_and_are_in_its_log(tmp_path, caplog):
    root = corpus_at(tmp_path, "Beach", "beach")
    assert Corpus.open(root).labels == ("Beach", "beach")
    assert "warning: labels: differ in nothing but case" in caplog.text


def test_twins_of_a_label_file_are_named_too(tmp_path):
    for number in (1, 2):
        (tmp_path / "images").mkdir(exist_ok=True)
        Image.new("RGB", (8, 8), (number * 80, 0, 0)).save(tmp_path / "images" / f"im{number}.png")
    (tmp_path / "annotations").mkdir()
    for number, name in enumerate(("Sky", "sky"), start=1):
        (tmp_path / "annotations" / f"{name}.txt").write_text(f"{number}\n")
    assert warned(tmp_path) == ["differ in nothing but case: 'Sky' (on 1) and 'sky' (on 1)"]


def test_plurals_are_a_note(tmp_path):
    root = corpus_at(tmp_path, *["beach", "beaches", "city", "cities", "dog", "dogs", "bus", "glass"] * 3)
    (note,) = check(root)
    assert not note.fatal and not note.wrong
    assert "once in the plural: 'beach' (on 3) and 'beaches' (on 3); 'city'" in note.what
    assert quality.plurals({"bus": 1, "buses": 2, "a": 1, "as": 1}) == [["bus", "buses"]]


# No values


@pytest.mark.parametrize("value", ["nan", "None", "NULL", "-", "N/A", "NaN"])
def test_what_stands_for_no_value_is_named(tmp_path, value):
    root = corpus_at(tmp_path, *["sea", value] * 3)
    assert warned(root) == [f"stand for no value: '{value}' (on 3)"]


# Separators


def test_labels_that_hold_a_separator_of_other_rows():
    counts = {"sea|holiday": 1, "sea": 5, "dog, cat": 1, "cat": 2, "['sun'": 1, "clear primary": 1, "clear": 2, "primary": 2}
    expected = {"sea|holiday": "|", "dog, cat": ",", "['sun'": ",", "clear primary": " "}
    assert quality.suspected_joins(counts, Written.CELLS) == expected
    assert quality.suspected_joins(counts, Written.NAMES) == {}
    sound = {"hot dog": 3, "dog": 2, "Smith, John": 1, "AC|DC": 1, "new york": 1, "new jersey": 2}
    assert quality.suspected_joins(sound, Written.CELLS) == {}


def test_parts_that_come_back_under_other_separators_are_suspicious():
    counts = {"sea|holiday": 1, "sea, holiday": 1, "sea#holiday": 1}
    assert quality.suspected_joins(counts, Written.CELLS) == {"sea|holiday": "|", "sea, holiday": ",", "sea#holiday": "#"}


def test_tags_that_a_program_writes_for_itself_are_named_and_left_out_by_a_rule(tmp_path):
    root = corpus_at(tmp_path / "corpus", *["changed;sea", "darktable|format|jpg;sea", "darktable|exported"] * 3)
    (what,) = warned(root)
    said = "'darktable|exported' (on 3); 'darktable|format|jpg' (on 3); 'changed' (on 3)"
    assert what == f"are what a program notes for itself: {said}"
    (tmp_path / "rules.csv").write_text("label,becomes\ndarktable|*,\nchanged,\n")
    corpus = Corpus.open(root, options=ReadOptions(relabel=tmp_path / "rules.csv"))
    assert corpus.labels == ("sea",) and corpus.problems == ()
    assert {fix.label: fix.becomes for fix in inspect(root).fixes} == {
        "changed": "",
        "darktable|exported": "",
        "darktable|format|jpg": "",
    }
    sound = corpus_at(tmp_path / "sound", *["changed;sea"] * 3)
    assert warned(sound) == []


def test_levels_of_a_path_are_no_separators():
    counts = {"Places|Kiel": 2, "Places|Rome": 1, "Places": 3}
    assert set(quality.suspected_joins(counts, Written.ENTRIES)) == {"Places|Kiel", "Places|Rome"}
    assert quality.suspected_joins(counts, Written.ENTRIES, paths=True) == {}


def test_joined_labels_stop_where_the_separator_was_guessed_and_warn_where_labels_were_listed():
    counts = {"sea|dog": 1, "sea": 3}
    (guessed,), (listed,) = (quality.label_problems(counts, kind) for kind in (Written.CELLS, Written.ENTRIES))
    assert guessed.fatal and not guessed.wrong and not listed.fatal and listed.wrong


# Rare labels


def test_labels_on_few_photos_are_counted(tmp_path):
    root = corpus_at(tmp_path, "sea;blow_down", "sea", "sea", "sea;dog", "dog")
    (note,) = check(root)
    assert not note.fatal and note.what == "on fewer than 3 photos, 2 of 3: 'blow_down', 'dog'"


def test_min_photos_leaves_rare_labels_out_and_says_which(tmp_path):
    root = corpus_at(tmp_path, "sea;blow_down", "sea", "sea", "sea;dog", "dog")
    before = Corpus.open(root)
    corpus = Corpus.open(root, options=ReadOptions(min_photos=2))
    assert corpus.labels == ("dog", "sea") and corpus.labels_left_out == ("blow_down",) and len(corpus) == 5
    assert corpus.targets.tolist() == [[0, 1], [0, 1], [0, 1], [1, 1], [1, 0]] and corpus.targets.dtype == np.uint8
    assert "on fewer than 2 photos, 1 of 3: 'blow_down'; they are left out" in str(corpus.problems[0])
    assert corpus.fingerprint != before.fingerprint
    assert inspect(root, options=ReadOptions(min_photos=2)).as_json()["labels_left_out"] == ["blow_down"]


# The same photo twice


def test_the_same_photo_with_other_labels_is_a_warning_with_the_same_labels_a_note(tmp_path):
    root = corpus_at(tmp_path, *["sea", "dog", "cat"] * 3)
    (root / "1.png").write_bytes((root / "0.png").read_bytes())
    (root / "5.png").write_bytes((root / "2.png").read_bytes())
    differing, alike = check(root)
    assert differing.wrong and differing.what.endswith("with other labels: 1, such as 0.png [sea] and 1.png [dog]")
    assert not alike.wrong and alike.what == "photos that are there several times: 1, such as 2.png and 5.png"


# Formats that are not read


def test_photos_of_other_formats_are_named_with_their_count(tmp_path, caplog):
    root = corpus_at(tmp_path, *["sea", "dog"] * 3)
    for name in ("c.NEF", "sub/d.nef", "e.CR3"):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_bytes(b"raw")
    said = "photos of formats that are not read: 3 (2 .nef, 1 .cr3), first 'c.NEF'"
    assert [problem.what for problem in check(root)] == [said]
    assert [problem.what for problem in Corpus.open(root).problems] == [said]
    unlabelled = open_photos(root)
    assert [problem.what for problem in unlabelled.problems] == [said] and said in caplog.text and len(unlabelled) == 6


# Fixes


def test_fixes_join_twins_into_the_most_frequent_and_follow_chains():
    counts = {"Beach": 5, "beach": 2, "Beaches": 1, "beaches": 1, "nan": 4, "sea|dog": 1, "sea": 2, "dog": 9, NFC: 1, NFD: 3}
    fixes = {fix.label: fix.becomes for fix in quality.fixes(counts, Written.CELLS)}
    assert fixes == {"beach": "Beach", "Beaches": "Beach", "beaches": "Beach", "nan": "", "sea|dog": "sea;dog", NFC: NFD}
    assert quality.fixes({"sea": 1, "hot dog": 2}, Written.CELLS) == []
