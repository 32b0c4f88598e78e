"""What is given as photos: the same photos by a folder, a zip, a manifest and a tar, and one line for what is none of these."""

from __future__ import annotations

import io
import json
import os
import shutil
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tagging_lib.data.decoding import BrokenPhotoError, decode
from tagging_lib.data.readers.photos import photos_below
from tagging_lib.errors import TaggingError
from tagging_lib.inference import sources
from tagging_lib.inference.places import Photo

NAMES = ["9.jpg", "10.png", "trip/b.jpg", "trip/2.jpg", "trip/a/1.webp", "trip-1.jpg", "trip.jpg"]


@pytest.fixture
def photos(tmp_path):
    """A folder of photos of one colour each, with what else lies among photos."""
    root = tmp_path / "photos"
    for place, name in enumerate(NAMES):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (20, 10), (place * 30, 100, 200)).save(root / name)
    (root / "notes.txt").write_text("no photo")
    (root / ".hidden.jpg").write_bytes(b"")
    return root


def listed(given, tmp_path):
    """All photos of one source, and the colour of each."""
    (source,) = sources.open_sources([given], tmp_path / "data")
    found = list(source.photos())
    assert found == list(source.photos()), "each time anew"
    return [photo.name for photo in found], [int(decode(photo.source(), 8)[4, 4, 0]) for photo in found]


def tar_of(root, target, names):
    with tarfile.open(target, "w") as archive:
        for name in names:
            archive.add(root / name, arcname=name)
    return target


def test_a_folder_a_zip_a_tar_and_manifests_list_the_same_photos(photos, tmp_path):
    names, colours = listed(photos, tmp_path)
    assert names == photos_below(photos) and sorted(names) == sorted(NAMES)
    assert names[:4] == ["9.jpg", "10.png", "trip-1.jpg", "trip.jpg"]
    assert [round(colour / 30) for colour in colours] == [NAMES.index(name) for name in names]
    with zipfile.ZipFile(tmp_path / "z.zip", "w") as archive:
        for name in reversed(names):
            archive.write(photos / name, f"wrapped/{name}")
    assert listed(tmp_path / "z.zip", tmp_path) == (names, colours)
    tar = tar_of(photos, tmp_path / "t.tar", [*names, "notes.txt", ".hidden.jpg"])
    assert listed(tar, tmp_path) == (names, colours)
    (photos / "list.txt").write_text("\ufeff" + "\r\n".join(names) + "\n\n", encoding="utf-8")
    assert listed(photos / "list.txt", tmp_path) == (names, colours)
    (tmp_path / "list.csv").write_text("id;file_name\n" + "".join(f"{i};photos/{name}\n" for i, name in enumerate(names)))
    assert listed(tmp_path / "list.csv", tmp_path) == ([f"photos/{name}" for name in names], colours)
    lines = [json.dumps({"path": str(photos / name)}) for name in names]
    (tmp_path / "list.jsonl").write_text("\n".join(lines))
    assert listed(tmp_path / "list.jsonl", tmp_path) == ([str(photos / name) for name in names], colours)
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    pq.write_table(pa.table({"n": range(len(names)), "photo": names}), photos / "list.parquet")
    assert listed(photos / "list.parquet", tmp_path) == (names, colours)


def test_urls_of_fsspec_are_opened(photos, tmp_path):
    import fsspec

    memory = fsspec.filesystem("memory")
    names, colours = listed(photos, tmp_path)
    for name in names:
        memory.pipe(f"/bucket/{name}", (photos / name).read_bytes())
    memory.pipe("/bucket/list.txt", "\n".join(names).encode())
    memory.pipe("/bucket/photos.tar", tar_of(photos, tmp_path / "t.tar", names).read_bytes())
    assert listed("memory://bucket/list.txt", tmp_path) == (names, colours)
    assert listed("memory://bucket/photos.tar", tmp_path) == (names, colours)
    urls = [f"memory://bucket/{names[0]}", (photos / names[1]).as_uri()]
    (tmp_path / "urls.txt").write_text("\n".join(urls))
    assert listed(tmp_path / "urls.txt", tmp_path) == (urls, colours[:2])
    missing = Photo("m", "memory://bucket/missing.jpg")
    with pytest.raises(BrokenPhotoError, match=r"out of reach \(memory://bucket/missing\.jpg does not exist"):
        missing.read()
    with pytest.raises(TaggingError, match="nosuch"):
        sources.open_sources(["nosuch://bucket/list.txt"], tmp_path)


def test_several_tars_are_one_source_and_single_photos_another(photos, tmp_path):
    shards = tmp_path / "shards"
    shards.mkdir()
    tar_of(photos, shards / "10.tar", ["9.jpg"])
    tar_of(photos, shards / "9.tar", ["9.jpg", "10.png"])
    expected = ["9/9.jpg", "9/10.png", "10/9.jpg"]
    assert listed(shards, tmp_path)[0] == expected
    found = sources.open_sources([shards / "9.tar", photos / "9.jpg", photos, shards / "10.tar", photos / "10.png"], tmp_path)
    assert [(source.kind, len(list(source.photos()))) for source in found] == [("tar", 3), ("files", 2), ("folder", 7)]
    assert [photo.name for photo in found[0].photos()] == expected
    assert found[2].root == photos and found[0].root is None


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("nothing", None, "does not exist"),
        ("a.tar.gz", b"\x1f\x8b\x08", r"is compressed \(gzip\)"),
        ("a.cr2", b"II*\0", r"format that is not read \(\.cr2\)"),
        ("a.bin", b"\0\1\2\xff" * 200, "holds no photos and no list"),
        ("a.csv", b"one,two\n1,2\n", r"a\.csv: the columns are 'one, two': name the one of the photos photo"),
        ("b.csv", b"beach.jpg\ncity.jpg\n", "line 1: 'beach.jpg' is a photo and no heading"),
        ("a.jsonl", b'{"photo": "a.jpg"}\n[1]\n', "line 2: is no JSON object"),
        ("b.jsonl", b'{"photo": 3}\n', "row 1: 3 is no path"),
        ("a.txt", b"caf\xe9.jpg\n" * 200, "not UTF-8|no list of photos"),
        ("a.parquet", b"PAR1 and more", "no readable Parquet file"),
        ("a.tar", b"\1" * 2000, "damaged tar"),
    ],
)
def test_what_is_none_of_these_is_one_line(tmp_path, name, content, said):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(TaggingError, match=said) as told:
        for source in sources.open_sources([path], tmp_path / "data"):
            list(source.photos())
    assert str(path) in str(told.value) and "\n" not in str(told.value)


@pytest.mark.parametrize("kept", [0.3, 0.6, 0.99])
def test_a_tar_that_is_cut_off_or_overwritten_is_an_error(photos, tmp_path, kept):
    tar = tar_of(photos, tmp_path / "t.tar", NAMES)
    content = tar.read_bytes()
    body = len(content.rstrip(b"\0"))
    tar.write_bytes(content[: int(body * kept)])
    (source,) = sources.open_sources([tar], tmp_path)
    with pytest.raises((TaggingError, BrokenPhotoError)):
        for photo in source.photos():
            photo.read()
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        second = archive.getmembers()[1].offset
    tar.write_bytes(content[:second] + b"\7" * 512 + content[second + 512 :])
    with pytest.raises(TaggingError, match="damaged tar file"):
        list(source.photos())


def test_a_raw_photo_in_a_manifest_says_so(tmp_path):
    (tmp_path / "a.NEF").write_bytes(b"II*\0")
    with pytest.raises(TaggingError, match=r"a\.NEF is of a format that is not read here \(\.nef\): convert it"):
        decode(Photo("a.NEF", str(tmp_path / "a.NEF")).source(), 8)


def test_a_photo_from_memory_is_decoded_as_from_its_file(photos, tmp_path):
    tar = tar_of(photos, tmp_path / "t.tar", NAMES)
    (source,) = sources.open_sources([tar], tmp_path)
    for photo in source.photos():
        np.testing.assert_array_equal(decode(photo.source(), 16), decode(photos / photo.name, 16))


NAME = st.text("ab1029-. ", min_size=1, max_size=4).filter(lambda name: name.strip(". ") == name)


@settings(max_examples=40, deadline=None)
@given(paths=st.sets(st.lists(NAME, min_size=1, max_size=3).map(tuple), max_size=12))
def test_a_walk_lists_as_the_sorted_list_does(tmp_path_factory, paths):
    root = tmp_path_factory.mktemp("walk")
    for parts in paths:
        target = root.joinpath(*parts[:-1], f"{parts[-1]}.jpg")
        if not any(parent.is_file() for parent in target.parents) and not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.touch()
    os.symlink(root, root / "loop")
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "linked.jpg").touch()
    os.symlink(elsewhere, root / "to-elsewhere")
    assert list(sources.walk(root)) == photos_below(root)
    shutil.rmtree(root)


def test_a_pipe_is_neither_a_file_nor_a_folder(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(TaggingError, match="neither a file nor a folder"):
        sources.open_sources([tmp_path / "pipe.jpg"], tmp_path)


def test_a_letter_across_the_end_of_the_block_is_still_text(tmp_path):
    text = "é" * 400 + ".jpg\n"
    (tmp_path / "list").write_bytes(b"x" + text.encode())
    (source,) = sources.open_sources([tmp_path / "list"], tmp_path)
    assert source.kind == "manifest" and [photo.name for photo in source.photos()] == ["x" + text.strip()]
    assert Path(next(source.photos()).place).parent == tmp_path
