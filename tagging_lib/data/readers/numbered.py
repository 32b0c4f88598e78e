"""The course's layout: `images/im<N>.<ext>` with `annotations/<label>.txt`, one photo number a line."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tagging_lib.data.readers.photos import NUMBER, NUMBERED, SUFFIXES, suffix_of
from tagging_lib.data.readers.reading import Problem, Reading, ReadOptions, no_file
from tagging_lib.errors import TaggingError


def recognises(root: Path, options: ReadOptions) -> bool:
    """Whether there is a folder `annotations` of text files, or of nothing yet; other layouts have one of other files."""
    folder = root / "annotations"
    if not folder.is_dir():
        return False
    suffixes = {suffix_of(entry.name) for entry in os.scandir(folder)}
    return ".txt" in suffixes or not suffixes - {""}


def read(root: Path, options: ReadOptions) -> Reading:
    """Photos of `images/` and labels of `annotations/`, with every problem met.

    A line that is no number, and a number without a photo, are fatal: either may stand for a photo that would lose its
    label, and a corpus of several zips of which one was forgotten looks just so. A number given twice counts once.

    Raises:
        TaggingError: there is no photo, or no label file.
    """
    problems: list[Problem] = []
    if not (root / "annotations").is_dir():
        raise TaggingError(f"{root} holds no folder annotations: add it, with one file <label>.txt for each label")
    by_number, broken = _numbered_photos(root / "images", problems)
    if not by_number:
        raise TaggingError(f"{root / 'images'} holds no photos im<N>.<ext>: put the corpus' photos there")
    numbers = np.array(sorted(by_number), dtype=np.int64)
    row_of = {int(number): row for row, number in enumerate(numbers)}
    paths = _label_files(root / "annotations", problems)
    if not paths:
        raise TaggingError(f"{root / 'annotations'} holds no <label>.txt: add one file of photo numbers for each label")
    targets = np.zeros((len(numbers), len(paths)), dtype=np.uint8)
    for column, path in enumerate(paths.values()):
        problems += _read_label_file(path, targets[:, column], row_of, broken)
    photos = tuple(by_number[int(number)] for number in numbers)
    return Reading(tuple(paths), photos, numbers, targets, tuple(problems), "numbered photos with a file for each label")


def _numbered_photos(images: Path, problems: list[Problem]) -> tuple[dict[int, str], set[int]]:
    """Photos by number, and the numbers of entries that are named like photos and are no files."""
    by_number: dict[int, str] = {}
    broken: set[int] = set()
    entries = sorted(os.scandir(images), key=lambda entry: entry.name) if images.is_dir() else []
    for entry in entries:
        if entry.name.startswith("."):
            continue
        where = f"images/{entry.name}"
        stem, suffix = os.path.splitext(entry.name)
        match = NUMBERED.fullmatch(stem)
        if not match or suffix.lower() not in SUFFIXES:
            problems.append(Problem(where, "is no photo im<N>.<ext>", "it is passed over"))
        elif not entry.is_file():
            problems.append(no_file(where, Path(entry.path)))
            broken.add(int(match[1]))
        elif (number := int(match[1])) in by_number:
            problems.append(Problem(where, f"is photo {number} again, beside {by_number[number]}", "delete one", True))
        else:
            by_number[number] = where
    return by_number, broken - by_number.keys()


def _label_files(folder: Path, problems: list[Problem]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir(), key=lambda path: (path.stem, path.name)):
        where = f"annotations/{path.name}"
        if path.name.startswith("."):
            continue
        if path.suffix.lower() != ".txt" or not path.is_file():
            problems.append(Problem(where, "is no <label>.txt", "it is passed over"))
        elif path.stem in found:
            fix = f"join it with {found[path.stem].name}"
            problems.append(Problem(where, f"is the label {path.stem} again", fix, True))
        else:
            found[path.stem] = path
    return found


def _read_label_file(
    path: Path, targets: np.ndarray, row_of: dict[int, int], broken: set[int]
) -> Iterator[Problem]:
    """Set the label's column (N,) in place; yield what is wrong with the file."""
    where = f"annotations/{path.name}"
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        yield Problem(where, "is not UTF-8 text", "save it as plain text, one photo number a line", True)
        return
    except OSError as error:
        yield Problem(where, f"cannot be read ({error.strerror})", "make it readable", True)
        return
    absent: list[tuple[str, int]] = []
    for line, written in enumerate(text.split("\n"), start=1):
        entry = written.strip()
        if not entry:
            continue
        if not NUMBER.fullmatch(entry):
            yield Problem(f"{where} line {line}", f"{entry[:40]!r} is no photo number", "correct or remove it", True)
        elif int(entry) in broken:
            continue
        elif int(entry) not in row_of:
            absent.append((entry, line))
        elif targets[row_of[int(entry)]]:
            yield Problem(f"{where} line {line}", f"photo {entry} is listed twice", "it counts once")
        else:
            targets[row_of[int(entry)]] = 1
    if absent:
        # One problem for all of them: a forgotten zip would make thousands.
        entry, line = absent[0]
        more = f", nor for {len(absent) - 1} further lines of this file" if len(absent) > 1 else ""
        yield Problem(
            f"{where} line {line}", f"there is no photo im{entry}{more}", "add the photos or remove the lines", True
        )
    if not targets.any():
        yield Problem(where, "the label has no photo", "its scores will be undefined")
