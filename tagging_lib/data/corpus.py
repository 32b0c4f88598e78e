"""A corpus: photos, labels, and which photo carries which label.

Two layouts are read: `images/im<N>.<ext>` with `annotations/<label>.txt` (one photo number a line), and a folder with a
CSV of the columns `photo,labels` (labels separated by `;`). Either may lie in a zip, or in several over one another.
"""

from __future__ import annotations

import csv
import hashlib
import os
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from tagging_lib import files
from tagging_lib.data import archives
from tagging_lib.errors import TaggingError

SUFFIXES = frozenset([".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".ppm", ".pgm", ".jp2", ".avif"])
NUMBERED = re.compile(r"im(\d+)$")
NUMBER = re.compile(r"[0-9]+")
SAMPLE = "sample"
SAMPLE_PHOTOS, SAMPLE_SEED = 1200, 0
SAMPLE_TEST_PHOTOS, SAMPLE_TEST_SEED = 200, 1
MIRFLICKR = "mirflickr25k"


@dataclass(frozen=True)
class Problem:
    """Something in a corpus that is not as it should be; a fatal one stops the study."""

    where: str
    what: str
    fix: str
    fatal: bool = False

    def __str__(self) -> str:
        return f"{'error' if self.fatal else 'note'}: {self.where}: {self.what}; {self.fix}"


@dataclass(frozen=True, eq=False)
class Corpus:
    """Photos with their labels, in ascending order of photo number.

    Attributes:
        labels: alphabetical.
        photos: paths relative to `root`, with `/`.
        numbers: int64 (N,): the N of `im<N>`, or 1, 2, 3 … for a corpus with a CSV.
        targets: uint8 (N, L), 1 where the photo carries the label.
    """

    name: str
    root: Path
    labels: tuple[str, ...]
    photos: tuple[str, ...]
    numbers: np.ndarray
    targets: np.ndarray
    problems: tuple[Problem, ...] = ()

    @classmethod
    def open(cls, path: str | Path | Sequence[str | Path], *, data_dir: Path = Path("data")) -> Corpus:
        """The corpus at a path: `sample`, `mirflickr25k`, a folder, a zip, or several zips (a list, or joined by `,`).

        Zips are unpacked once, into `data_dir`.

        Raises:
            TaggingError: there is no corpus, or it has a fatal problem; the message names file, line and remedy.
        """
        corpus = read(locate(path, Path(data_dir)))
        fatal = [problem for problem in corpus.problems if problem.fatal]
        if fatal:
            more = f" (and {len(fatal) - 1} more: run `tagging check`)" if len(fatal) > 1 else ""
            raise TaggingError(f"{fatal[0].where}: {fatal[0].what}; {fatal[0].fix}{more}")
        return corpus

    def __len__(self) -> int:
        return len(self.photos)

    def path(self, index: int) -> Path:
        """Where the photo lies."""
        return self.root / self.photos[index]

    def label_names(self, index: int) -> list[str]:
        """Labels of one photo."""
        return [self.labels[column] for column in np.flatnonzero(self.targets[index])]

    @cached_property
    def fingerprint(self) -> str:
        """16 hexadecimal digits that change with any label, photo name or photo byte.

        The photos' digest is kept beside the corpus folder under their names, sizes and times, so that it is read once.
        """
        hashed = hashlib.sha256()
        for label in self.labels:
            hashed.update(f"{label}\n".encode())
        hashed.update(np.ascontiguousarray(self.targets).tobytes() + self._photo_digest().encode())
        return hashed.hexdigest()[:16]

    def _photo_digest(self) -> str:
        listing = hashlib.sha256()
        for photo in self.photos:
            stat = os.stat(self.root / photo)
            listing.update(f"{photo}\0{stat.st_size}\0{stat.st_mtime_ns}\n".encode())
        store = self.root.parent / f".{self.root.name}.digest.json"
        try:
            known = files.read_json(store)
            if known.get("listing") == listing.hexdigest():
                return known["photos"]
        except (OSError, TaggingError, AttributeError, KeyError):
            pass  # absent or unreadable: hash again
        content = hashlib.sha256()
        for photo in self.photos:
            content.update(photo.encode() + b"\0" + bytes.fromhex(files.sha256(self.root / photo)))
        with suppress(OSError):  # a read-only corpus is hashed anew each time
            files.write_json(store, {"listing": listing.hexdigest(), "photos": content.hexdigest()})
        return content.hexdigest()


def locate(path: str | Path | Sequence[str | Path], data_dir: Path) -> Path:
    """The folder of a corpus; the sample is drawn, MIRFLICKR downloaded and zips unpacked when that was not done yet."""
    if path == SAMPLE:
        from tagging_lib.data import sample

        folder = data_dir / f"sample-{SAMPLE_PHOTOS}-{SAMPLE_SEED}"
        return folder if folder.exists() else sample.draw(folder, photos=SAMPLE_PHOTOS, seed=SAMPLE_SEED)
    if path == MIRFLICKR:
        from tagging_lib.data import mirflickr

        return mirflickr.prepare(data_dir)
    if isinstance(path, str):
        # A folder's name may hold a comma; only what is no path by itself is taken apart.
        paths = [Path(path)] if Path(path).exists() else [Path(part.strip()) for part in path.split(",")]
    elif isinstance(path, Path):
        paths = [path]
    else:
        paths = [Path(part) for part in path]
    for part in paths:
        if not part.exists():
            raise TaggingError(f"corpus {part} does not exist: give sample, mirflickr25k, a folder or zips")
    if len(paths) == 1 and paths[0].is_dir():
        return paths[0].resolve()
    for part in paths:
        if part.suffix.lower() != ".zip":
            raise TaggingError(f"corpus {part} is not a zip: several paths must all be zips, laid over one another")
    folder = archives.unpack(paths, data_dir / f"{paths[0].stem}-{archives.digest(paths)}")
    return _descend(folder)


def _descend(folder: Path) -> Path:
    """The folder itself, or the only one in it (zips often wrap everything in one)."""
    inside = [entry for entry in folder.iterdir() if not entry.name.startswith(".")]
    if len(inside) == 1 and inside[0].is_dir() and inside[0].name not in ("images", "annotations"):
        return inside[0]
    return folder


def read(root: Path) -> Corpus:
    """The corpus in a folder with all its problems, fatal ones included.

    Raises:
        TaggingError: it has no photos, or neither annotations nor a CSV.
    """
    if (root / "annotations").is_dir():
        return _read_annotations(root)
    tables = sorted(path for path in root.glob("*.csv") if not path.name.startswith("."))
    if len(tables) == 1:
        return _read_csv(root, tables[0])
    if tables:
        raise TaggingError(f"{root} holds {len(tables)} CSV files: keep the one with the columns photo,labels")
    raise TaggingError(f"{root} holds neither annotations/<label>.txt nor a CSV with the columns photo,labels: add one")


def open_photos(path: str | Path, *, data_dir: Path = Path("data")) -> Corpus:
    """Photos without labels (L = 0): a folder or zip of any Pillow format, with or without `images/`, natural order.

    Raises:
        TaggingError: there are no photos.
    """
    root = locate(path, Path(data_dir))
    names = sorted(_photos_below(root), key=_natural)
    if not names:
        raise TaggingError(f"{root} holds no photos ({', '.join(sorted(SUFFIXES))}): give a folder or zip of photos")
    matches = [NUMBERED.search(Path(name).stem) for name in names]
    numbers = [int(match[1]) if match else index + 1 for index, match in enumerate(matches)]
    shape = (len(names), 0)
    return Corpus(root.name, root, (), tuple(names), np.array(numbers), np.zeros(shape, dtype=np.uint8))


def check(path: str | Path, *, data_dir: Path = Path("data")) -> list[Problem]:
    """Every problem of a corpus; each photo is decoded.

    Raises:
        TaggingError: there is no corpus to check.
    """
    from concurrent.futures import ThreadPoolExecutor

    from tagging_lib.data import pixels

    corpus = read(locate(path, data_dir))

    def decode(index: int) -> Problem | None:
        try:
            pixels.decode(corpus.path(index), 32)
        except TaggingError as error:
            return Problem(corpus.photos[index], str(error).removeprefix(f"{corpus.path(index)} "), "", fatal=True)
        return None

    with ThreadPoolExecutor() as pool:
        broken = [problem for problem in pool.map(decode, range(len(corpus))) if problem]
    return [*corpus.problems, *broken]


def _natural(name: str) -> list:
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.split(r"(\d+)", name)]


def _photos_below(root: Path) -> list[str]:
    found = []
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name != "__MACOSX")
        relative = Path(folder).relative_to(root)
        found += [(relative / n).as_posix() for n in names if Path(n).suffix.lower() in SUFFIXES and n[0] != "."]
    return found


def _read_annotations(root: Path) -> Corpus:
    problems: list[Problem] = []
    by_number: dict[int, str] = {}
    images = root / "images"
    for name in sorted(os.listdir(images)) if images.is_dir() else []:
        stem, suffix = os.path.splitext(name)
        match = NUMBERED.match(stem)
        if name.startswith("."):
            continue
        if suffix.lower() not in SUFFIXES or not match:
            problems.append(Problem(f"images/{name}", "is no photo im<N>.<ext>", "it is passed over"))
        elif int(match[1]) in by_number:
            problems.append(
                Problem(f"images/{name}", f"is photo {match[1]} again, beside {by_number[int(match[1])]}", "delete one", True)
            )
        else:
            by_number[int(match[1])] = f"images/{name}"
    if not by_number:
        raise TaggingError(f"{images} holds no photos im<N>.<ext>: put the corpus' photos there")
    numbers = np.array(sorted(by_number), dtype=np.int64)
    row_of = {int(number): row for row, number in enumerate(numbers)}
    paths = sorted(p for p in (root / "annotations").glob("*.txt") if not p.name.startswith("."))
    if not paths:
        raise TaggingError(f"{root / 'annotations'} holds no <label>.txt: add one file of photo numbers for each label")
    labels = tuple(path.stem for path in paths)
    targets = np.zeros((len(numbers), len(labels)), dtype=np.uint8)
    for column, path in enumerate(paths):
        _read_label_file(path, column, targets, row_of, problems)
    photos = tuple(by_number[int(number)] for number in numbers)
    return Corpus(root.name, root, labels, photos, numbers, targets, tuple(problems))


def _read_label_file(path: Path, column: int, targets: np.ndarray, row_of: dict, problems: list[Problem]) -> None:
    where = f"annotations/{path.name}"
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        problems.append(Problem(where, "is not UTF-8 text", "save it as plain text, one photo number a line", True))
        return
    for line, written in enumerate(text.splitlines(), start=1):
        entry = written.strip()
        if not entry:
            continue
        place = f"{where} line {line}"
        if not NUMBER.fullmatch(entry):
            problems.append(Problem(place, f"{entry[:40]!r} is no photo number", "correct or remove the line", True))
        elif int(entry) not in row_of:
            problems.append(Problem(place, f"there is no photo {entry}", "add the photo or remove the line", True))
        elif targets[row_of[int(entry)], column]:
            problems.append(Problem(place, f"photo {entry} is listed twice", "it counts once"))
        else:
            targets[row_of[int(entry)], column] = 1
    if not targets[:, column].any():
        problems.append(Problem(where, "the label has no photo", "its scores will be undefined"))


def _read_csv(root: Path, table: Path) -> Corpus:
    problems: list[Problem] = []
    names = sorted(_photos_below(root), key=_natural)
    if not names:
        raise TaggingError(f"{root} holds no photos: put them beside {table.name}")
    exact = set(names)
    by_base: dict[str, list[str]] = {}
    for name in names:
        by_base.setdefault(Path(name).name, []).append(name)
    given: dict[str, set[str]] = {}
    try:
        with open(table, encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream, skipinitialspace=True)
            header = [(field or "").strip().lower() for field in reader.fieldnames or []]
            if not {"photo", "labels"} <= set(header):
                raise TaggingError(f"{table} line 1: the columns are {header}: they must include photo and labels")
            reader.fieldnames = header
            for entry in reader:
                photo, where = (entry["photo"] or "").strip(), f"{table.name} line {reader.line_num}"
                if not photo:
                    continue
                candidates = [photo] if photo in exact else by_base.get(Path(photo).name, [])
                if len(candidates) != 1:
                    what = "is no photo here" if not candidates else f"could be {len(candidates)} photos"
                    problems.append(Problem(where, f"{photo!r} {what}", "correct the name (path from the CSV's folder)", True))
                elif candidates[0] in given:
                    problems.append(Problem(where, f"{photo!r} is listed twice", "join its labels in one line", True))
                else:
                    labels = (entry["labels"] or "").split(";")
                    given[candidates[0]] = {label.strip() for label in labels if label.strip()}
    except UnicodeDecodeError as error:
        raise TaggingError(f"{table} is not UTF-8 text ({error.reason}): save it as UTF-8") from error
    unlisted = len(names) - len(given)
    if unlisted:
        problems.append(Problem(table.name, f"{unlisted} photos are not listed", "they are passed over"))
    photos = tuple(name for name in names if name in given)
    labels = tuple(sorted(set().union(*given.values()) if given else ()))
    if not labels:
        problems.append(Problem(table.name, "no photo has a label", "fill the column labels, separated by ;", True))
    targets = np.array([[label in given[photo] for label in labels] for photo in photos], dtype=np.uint8)
    numbers = np.arange(1, len(photos) + 1)
    return Corpus(root.name, root, labels, photos, numbers, targets.reshape(len(photos), len(labels)), tuple(problems))
