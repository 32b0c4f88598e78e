"""Whatever the labels and names, a corpus written as some tool would write it is read as it was, or refused: never otherwise."""

from __future__ import annotations

import csv
import io
import json
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tagging_lib.data import layouts
from tagging_lib.data.readers.columns import SPLIT_NAMES, plain
from tagging_lib.data.readers.reading import ReadOptions
from tagging_lib.errors import TaggingError

WORDS = (
    *("sea", "beach", "hot dog", "dog", "Smith, John", "a|b", "a", "b", "it's", '"x"', "été", "日本"),
    *("#1", "[x]", "0", "1", "a;b", "x\\y", "target", "photo"),
)
labels = st.one_of(
    st.sampled_from(WORDS),
    st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp")), min_size=1, max_size=6)
    .map(str.strip)
    .filter(bool),
)
corpora = st.dictionaries(
    st.sampled_from(["a.jpg", "b 1.png", "sub/c.jpg", "sub/d.é.webp", "10.jpg", "9.jpg"]),
    st.sets(labels, max_size=4),
    min_size=1,
    max_size=5,
)


def cells(root, corpus, separator):
    text = io.StringIO()
    csv.writer(text).writerows([("photo", "labels"), *((name, separator.join(sorted(ls))) for name, ls in corpus.items())])
    (root / "tags.csv").write_text(text.getvalue(), encoding="utf-8", newline="")


def lists(root, corpus, write):
    text = io.StringIO()
    csv.writer(text).writerows([("photo", "labels"), *((name, write(sorted(ls))) for name, ls in corpus.items())])
    (root / "tags.csv").write_text(text.getvalue(), encoding="utf-8", newline="")


def one_hot(root, corpus):
    names = [*sorted(set().union(*corpus.values())), "on no photo"]
    text = io.StringIO()
    rows = [(name, *(int(label in ls) for label in names)) for name, ls in corpus.items()]
    csv.writer(text).writerows([("photo", *names), *rows])
    (root / "tags.csv").write_text(text.getvalue(), encoding="utf-8", newline="")


def json_lines(root, corpus):
    lines = (json.dumps({"file_name": name, "labels": sorted(ls)}) for name, ls in corpus.items())
    (root / "metadata.jsonl").write_text("\n".join(lines), encoding="utf-8")


def coco(root, corpus):
    names = sorted(set().union(*corpus.values()))
    content = {
        "images": [{"id": number, "file_name": name} for number, name in enumerate(corpus)],
        "annotations": [
            {"image_id": number, "category_id": names.index(label)} for number, ls in enumerate(corpus.values()) for label in ls
        ],
        "categories": [{"id": number, "name": name} for number, name in enumerate(names)],
    }
    (root / "labels.json").write_text(json.dumps(content), encoding="utf-8")


def yolo(root, corpus):
    names = sorted(set().union(*corpus.values()))
    (root / "data.yaml").write_text("names: " + json.dumps(names, ensure_ascii=False) + "\n", encoding="utf-8")
    for name, ls in corpus.items():
        lines = "".join(f"{names.index(label)} 0.5 0.5 0.1 0.1\n" for label in sorted(ls))
        (root / name).with_suffix(".txt").write_text(lines, encoding="utf-8")


def label_studio(root, corpus):
    tasks = [
        {
            "id": number,
            "data": {"image": name},
            "annotations": [{"result": [{"type": "choices", "from_name": "tags", "value": {"choices": sorted(ls)}}]}],
        }
        for number, (name, ls) in enumerate(corpus.items())
    ]
    (root / "export.json").write_text(json.dumps(tasks), encoding="utf-8")


def voc(root, corpus):
    from xml.sax.saxutils import escape

    for name, ls in corpus.items():
        inside = "".join(f"<object><name>{escape(label)}</name></object>" for label in sorted(ls))
        text = f"<annotation><filename>{escape(Path(name).name)}</filename>{inside}</annotation>"
        (root / name).with_suffix(".xml").write_text(text, encoding="utf-8")


WAYS = {
    "cells ;": lambda root, corpus: cells(root, corpus, ";"),
    "cells |": lambda root, corpus: cells(root, corpus, "|"),
    "cells ,": lambda root, corpus: cells(root, corpus, ","),
    "cells blank": lambda root, corpus: cells(root, corpus, " "),
    "lists of Python": lambda root, corpus: lists(root, corpus, repr),
    "lists of JSON": lambda root, corpus: lists(root, corpus, json.dumps),
    "one-hot": one_hot,
    "imagefolder": json_lines,
    "coco": coco,
    "yolo": yolo,
    "label-studio": label_studio,
    "voc": voc,
}
SIGNS = {"cells ;": ";", "cells |": "|", "cells ,": ",", "cells blank": " "}
MUST_BE_READ = ("imagefolder", "coco", "label-studio", "lists of JSON", "voc")


@contextmanager
def folder_of(corpus):
    """A folder in which the photos of the corpus lie, as empty files."""
    root = Path(tempfile.mkdtemp(prefix="roundtrip-"))
    try:
        for name in corpus:
            (root / name).parent.mkdir(exist_ok=True)
            (root / name).touch()
        yield root
    finally:
        shutil.rmtree(root)


@pytest.mark.parametrize("way", WAYS)
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), database=None, derandomize=True)
@given(corpus=corpora)
def test_what_is_read_is_what_was_written(way, corpus):
    sign = SIGNS.get(way)
    if sign:  # a label that holds the separator cannot be written in this way
        corpus = {name: {label for label in ls if sign not in label} for name, ls in corpus.items()}
    if way == "one-hot":  # nor can a column that is called like that of the split
        corpus = {name: {label for label in ls if plain(label) not in SPLIT_NAMES} for name, ls in corpus.items()}
    with folder_of(corpus) as root:
        WAYS[way](root, corpus)
        # `;` is the usual one; which other sign is meant is only sure where it is stated.
        for options in [ReadOptions()] * (sign in (None, ";")) + [ReadOptions(separator=sign)] * bool(sign):
            refused = ""
            try:
                _, reading = layouts.read(root, options)
                refused = next((str(problem) for problem in reading.problems if problem.fatal), "")
            except TaggingError as error:
                refused = str(error)
            if not refused:
                found = {
                    photo: {label for label, given in zip(reading.labels, row, strict=True) if given}
                    for photo, row in zip(reading.photos, reading.targets, strict=True)
                }
                assert found == corpus
        if any(corpus.values()) and (sign or way in MUST_BE_READ):
            assert not refused, refused


SIGNS_OF_DAMAGE = (b"null", b"[]", b"{}", b'""', b"-1", b"1e999", b",", b"\n", b'"', b"'", b";", b"\0", b"\xff", b"[", b"<!")
places = st.tuples(st.floats(0, 1), st.integers(0, 6), st.sampled_from(SIGNS_OF_DAMAGE))


@pytest.mark.parametrize("way", WAYS)
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), database=None, derandomize=True)
@given(corpus=corpora, damage=st.lists(places, min_size=1, max_size=3))
def test_damage_ends_in_a_reading_or_in_one_line(way, corpus, damage):
    with folder_of(corpus) as root:
        WAYS[way](root, corpus)
        written = max((path for path in root.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)
        content = written.read_bytes()
        for place, cut, bytes_there in damage:
            start = int(place * len(content))
            content = content[:start] + bytes_there + content[start + cut :]
        written.write_bytes(content)
        try:
            layouts.read(root, ReadOptions())
        except TaggingError as error:
            assert str(root) in str(error) and "\n" not in str(error)
