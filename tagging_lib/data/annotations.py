"""The two ways in which a corpus says which photo carries which label; no label is ever changed silently.

Either `images/im<N>.<ext>` with `annotations/<label>.txt` (one photo number a line), or a folder of photos with a CSV
of the columns `photo,labels` (labels separated by `;`).
"""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np

from tagging_lib.errors import TaggingError

# Pillow reads these by itself. PostScript is missing on purpose: it would run Ghostscript on a stranger's file.
# fmt: off
SUFFIXES = frozenset((
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".webp", ".avif", ".gif", ".bmp", ".dib", ".tif", ".tiff",
    ".ppm", ".pgm", ".pbm", ".pnm", ".jp2", ".j2k", ".jpx", ".tga", ".pcx", ".sgi", ".rgb", ".qoi",
    ".dds", ".psd", ".xbm", ".xpm",
))
# fmt: on
# 18 digits fit into int64; "[0-9]" because "\d" also means the digits of other scripts.
NUMBERED = re.compile(r"im([0-9]{1,18})")
NUMBER = re.compile(r"[0-9]{1,18}")


@dataclass(frozen=True)
class Problem:
    """Something in a corpus that is not as it should be; a fatal one stops the study.

    A broken one is a photo that cannot be used: with `--skip-broken` the study goes on without it.
    """

    where: str
    what: str
    fix: str
    fatal: bool = False
    broken: bool = False

    def __str__(self) -> str:
        line = f"{'error' if self.fatal else 'note'}: {self.where}: {self.what}; {self.fix}"
        return "".join(letter if letter.isprintable() else " " for letter in line)


class Reading(NamedTuple):
    """What a folder holds; the fields are those of `Corpus`."""

    labels: tuple[str, ...]
    photos: tuple[str, ...]
    numbers: np.ndarray
    targets: np.ndarray
    problems: tuple[Problem, ...]


def natural(name: str) -> list[tuple[int, int, str]]:
    """A sort key that puts photo 9 before photo 10."""
    return [(0, int(part), part) if NUMBER.fullmatch(part) else (1, 0, part) for part in re.split(r"([0-9]+)", name)]


def photos_below(root: Path) -> list[str]:
    """Photos in a folder and its subfolders, relative to it with `/`, in natural order, without hidden ones."""
    found = []
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if not name.startswith(".") and name != "__MACOSX"]
        relative = Path(folder).relative_to(root)
        found += [(relative / n).as_posix() for n in names if Path(n).suffix.lower() in SUFFIXES and n[0] != "."]
    return sorted(found, key=natural)


def read_label_files(root: Path) -> Reading:
    """Photos of `images/` and labels of `annotations/`, with every problem met.

    A line that is no number, and a number without a photo, are fatal: either may stand for a photo that would lose its
    label, and a corpus of several zips of which one was forgotten looks just so. A number given twice counts once.

    Raises:
        TaggingError: there is no photo, or no label file.
    """
    problems: list[Problem] = []
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
    return Reading(tuple(paths), photos, numbers, targets, tuple(problems))


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
            problems.append(_no_file(where, Path(entry.path)))
            broken.add(int(match[1]))
        elif (number := int(match[1])) in by_number:
            problems.append(Problem(where, f"is photo {number} again, beside {by_number[number]}", "delete one", True))
        else:
            by_number[number] = where
    return by_number, broken - by_number.keys()


def _no_file(where: str, path: Path) -> Problem:
    what = "is a folder" if path.is_dir() else "is no file" if path.exists() else "is a link that leads nowhere"
    return Problem(where, what, "replace or remove it", True, broken=True)


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


def find_table(root: Path) -> Path | None:
    """The folder's CSV with the columns photo and labels; None when it has no CSV.

    Raises:
        TaggingError: no CSV there has these columns, or several have.
    """
    tables = sorted(path for path in root.iterdir() if path.suffix.lower() == ".csv" and not path.name.startswith("."))
    if not tables:
        return None
    fitting = [path for path in tables if {"photo", "labels"} <= set(_header(path))]
    if len(fitting) > 1:
        names = ", ".join(path.name for path in fitting)
        raise TaggingError(f"{root} holds several CSV files with the columns photo,labels ({names}): keep one")
    if not fitting:
        header = ",".join(_header(tables[0]))[:80]
        raise TaggingError(f"{tables[0]} line 1: the columns are {header!r}: name them photo,labels, with a comma")
    return fitting[0]


def _rows(table: Path) -> Iterator[tuple[int, list[str]]]:
    """Line number and fields of each row that is not blank, the header first."""
    reader = None
    try:
        with open(table, encoding="utf-8-sig", newline="") as stream:
            reader = csv.reader(stream, skipinitialspace=True, strict=True)
            for fields in reader:
                if any(field.strip() for field in fields):
                    yield reader.line_num, [field.strip() for field in fields]
    except UnicodeDecodeError as error:
        raise TaggingError(f"{table} is not UTF-8 text ({error.reason}): save it as UTF-8") from error
    except csv.Error as error:
        line = reader.line_num if reader else 1
        raise TaggingError(f"{table} line {line}: is no valid CSV ({error}): correct the line") from error
    except OSError as error:
        raise TaggingError(f"{table} cannot be read ({error.strerror}): make it readable") from error


def _header(table: Path) -> list[str]:
    return [field.lower() for field in next(_rows(table), (0, []))[1]]


def read_table(root: Path, table: Path) -> Reading:
    """Photos and labels by a CSV whose photos are paths from the folder or, without a folder, unique file names.

    Photos that the CSV does not list are passed over. A row that does not fit the header is fatal: a label separated by
    a comma instead of `;` would be lost.

    Raises:
        TaggingError: there are no photos, or the CSV is not readable.
    """
    problems: list[Problem] = []
    names = photos_below(root)
    if not names:
        raise TaggingError(f"{root} holds no photos: put them beside {table.name}")
    by_base: dict[str, list[str]] = {}
    for name in names:
        by_base.setdefault(PurePosixPath(name).name, []).append(name)
    exact = set(names)
    given: dict[str, set[str]] = {}
    header = _header(table)
    if header.count("photo") != 1 or header.count("labels") != 1:
        raise TaggingError(f"{table} line 1: the columns are {','.join(header)!r}: give photo and labels once each")
    rows = _rows(table)
    next(rows)
    for line, fields in rows:
        where = f"{table.name} line {line}"
        if len(fields) != len(header):
            what = f"has {len(fields)} fields where the header has {len(header)}"
            fix = "separate labels by ; and end the line of an unlabelled photo with a comma"
            problems.append(Problem(where, what, fix, True))
            continue
        written = fields[header.index("photo")]
        carried = {label.strip() for label in fields[header.index("labels")].split(";")} - {""}
        photo = PurePosixPath(written.replace("\\", "/")).as_posix()
        # Only a bare file name may be looked for elsewhere: cats/1.jpg is not dogs/1.jpg.
        candidates = [photo] if photo in exact else by_base.get(photo, [])
        if not candidates and os.path.lexists(root / photo) and Path(photo).suffix.lower() in SUFFIXES:
            problems.append(_no_file(photo, root / photo))
        elif len(candidates) != 1:
            what = f"could be {len(candidates)} photos" if candidates else "is no photo here"
            problems.append(Problem(where, f"{written!r} {what}", "give its path from the folder of the CSV", True))
        elif (name := candidates[0]) not in given:
            given[name] = carried
        elif given[name] == carried:
            problems.append(Problem(where, f"{written!r} is listed twice", "it counts once"))
        else:
            problems.append(Problem(where, f"{written!r} has other labels in another line", "join them in one", True))
    photos = tuple(name for name in names if name in given)
    if len(photos) < len(names):
        first = next(name for name in names if name not in given)
        what = f"{len(names) - len(photos)} photos are not listed, first {first!r}"
        problems.append(Problem(table.name, what, "they are passed over"))
    labels = tuple(sorted(set().union(*given.values())))
    if not labels:
        problems.append(Problem(table.name, "no photo has a label", "fill the column labels, separated by ;", True))
    targets = np.array([[label in given[photo] for label in labels] for photo in photos], dtype=np.uint8)
    numbers = np.arange(1, len(photos) + 1, dtype=np.int64)
    return Reading(labels, photos, numbers, targets.reshape(len(photos), len(labels)), tuple(problems))
