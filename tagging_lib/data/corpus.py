"""A corpus: photos, labels, and which photo carries which label.

It is opened from a folder, a zip, or several zips laid over one another, whatever the layout.
"""

from __future__ import annotations

import hashlib
import logging
import os
import stat as stat_module
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from tagging_lib import files
from tagging_lib.data import layouts, quality, relabel
from tagging_lib.data.locate import MIRFLICKR, SAMPLE, SAMPLE_TEST, locate
from tagging_lib.data.readers.photos import NUMBERED, photos_below, unread_below
from tagging_lib.data.readers.reading import AS_FOUND, LAYOUTS, Problem, ReadOptions, Written
from tagging_lib.errors import TaggingError

__all__ = [
    "LAYOUTS",
    "MIRFLICKR",
    "SAMPLE",
    "SAMPLE_TEST",
    "Corpus",
    "Inspection",
    "Problem",
    "ReadOptions",
    "check",
    "inspect",
    "open_photos",
]
logger = logging.getLogger(__name__)
Given = str | Path | Sequence[str | Path]


@dataclass(frozen=True, eq=False)
class Corpus:
    """Photos with their labels, in ascending order of photo number.

    Attributes:
        labels: alphabetical.
        photos: paths relative to `root`, with `/`.
        numbers: int64 (N,): the N of `im<N>`, or 1, 2, 3 … for a corpus with a CSV.
        targets: uint8 (N, L), 1 where the photo carries the label.
        layout, read_as: the layout's name, and how it was read in words; both are empty for photos without labels.
        parts: `train`, `validation`, `test` or None of each photo, where the corpus says it; else empty.
        groups: of each photo as the corpus names it, where a column of groups was asked for; else empty.
        written: how the labels stood there.
        labels_left_out: labels on fewer photos than `min_photos`.
    """

    name: str
    root: Path
    labels: tuple[str, ...]
    photos: tuple[str, ...]
    numbers: np.ndarray
    targets: np.ndarray
    problems: tuple[Problem, ...] = ()
    layout: str = ""
    read_as: str = ""
    parts: tuple[str | None, ...] = ()
    written: Written = Written.NAMES
    labels_left_out: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()

    @classmethod
    def open(
        cls,
        path: Given,
        *,
        data_dir: Path = Path("data"),
        name: str | None = None,
        skip_broken: bool = False,
        options: ReadOptions = AS_FOUND,
    ) -> Corpus:
        """The corpus at a path: `sample`, `mirflickr25k`, a folder, a zip, or several zips (a list, or joined by `,`).

        Zips are unpacked once, into `data_dir`. The corpus is called `name`, else as its folder is. With `skip_broken`
        every photo is decoded, and the corpus is without those that cannot be; they are among its problems.

        Raises:
            TaggingError: there is no corpus, or it has a fatal problem; the message names file, line and remedy.
        """
        options = options.skipping(skip_broken)
        corpus = _opened(path, Path(data_dir), name, options)
        fatal = [problem for problem in corpus.problems if problem.fatal and not (options.skip_broken and problem.broken)]
        if fatal:
            more = f" (and {len(fatal) - 1} more: run `tagging check`)" if len(fatal) > 1 else ""
            raise TaggingError(f"{corpus.root}: {str(fatal[0]).removeprefix('error: ')}{more}")
        for problem in corpus.problems:
            if problem.wrong:
                logger.warning("%s: %s", corpus.name, problem)
        return without_broken(corpus, data_dir=Path(data_dir)) if options.skip_broken else corpus

    def __len__(self) -> int:
        return len(self.photos)

    def path(self, index: int) -> Path:
        """Where the photo lies."""
        return self.root / self.photos[index]

    def label_names(self, index: int) -> list[str]:
        """Labels of one photo."""
        return [self.labels[column] for column in np.flatnonzero(self.targets[index])]

    @property
    def counts(self) -> dict[str, int]:
        """Number of photos of each label."""
        return dict(zip(self.labels, self.targets.sum(axis=0, dtype=np.int64).tolist(), strict=True))

    @property
    def left_out(self) -> tuple[Problem, ...]:
        """The broken photos, when the corpus was opened to go on without them."""
        return tuple(problem for problem in self.problems if problem.broken)

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
            try:
                stat = os.stat(f"{self.root}/{photo}")
            except OSError as error:
                raise TaggingError(f"{self.root}/{photo} cannot be read ({error.strerror}): restore it") from error
            if not stat_module.S_ISREG(stat.st_mode):
                raise TaggingError(f"{self.root}/{photo} is no file: replace or remove it")
            listing.update(f"{photo}\0{stat.st_size}\0{stat.st_mtime_ns}\n".encode())
        store = self.root.parent / f".{self.root.name}.digest.json"
        try:
            known = files.read_sealed(store)
            if known["listing"] == listing.hexdigest():
                return known["photos"]
        except (OSError, TaggingError, KeyError):
            pass  # absent or unreadable: hash again
        content = hashlib.sha256()
        for photo in self.photos:
            try:
                digest = files.sha256(self.root / photo)
            except OSError as error:
                raise TaggingError(f"{self.root}/{photo} cannot be read ({error.strerror}): restore it") from error
            content.update(photo.encode() + b"\0" + bytes.fromhex(digest))
        with suppress(TaggingError, OSError):  # beside a read-only corpus nothing is kept: it is hashed anew each time
            files.write_sealed(store, {"listing": listing.hexdigest(), "photos": content.hexdigest()})
        return content.hexdigest()


def _opened(path: Given, data_dir: Path, name: str | None, options: ReadOptions) -> Corpus:
    """The corpus with all its problems, fatal ones included.

    Raises:
        TaggingError: there is no corpus.
    """
    root = locate(path, data_dir)
    layout, reading = layouts.read(root, options)
    confirmed: Collection[str] = ()
    if options.relabel:
        table = relabel.read_table(options.relabel)
        reading, confirmed = relabel.apply(reading, table), table.confirmed
    reading, rare = relabel.without_rare(reading, options.min_photos)
    corpus = Corpus(
        name or root.name,
        root,
        reading.labels,
        reading.photos,
        reading.numbers,
        reading.targets,
        reading.problems,
        layout,
        reading.read_as,
        reading.parts,
        reading.written,
        rare,
        reading.groups,
    )
    doubtful = quality.label_problems(
        corpus.counts, reading.written, confirmed=confirmed, paths=options.hierarchy != "leaf"
    )
    return replace(corpus, problems=(*corpus.problems, *doubtful))


def without_broken(corpus: Corpus, *, data_dir: Path) -> Corpus:
    """The corpus without the photos that cannot be decoded, which are added to its problems.

    Which they are is kept in `data_dir/cache`, so that the photos are tried once.

    Raises:
        TaggingError: no photo is left.
    """
    unreadable = {row: "cannot be read" for row in range(len(corpus)) if not os.access(corpus.path(row), os.R_OK)}
    corpus = _without(corpus, unreadable)
    note = data_dir / "cache" / f"{corpus.name}-{corpus.fingerprint}.broken.json"
    try:
        found = {int(row): str(what) for row, what in files.read_sealed(note)["broken"]}
    except (OSError, TaggingError, KeyError):
        from tagging_lib.data import pixels

        found = dict(pixels.undecodable(corpus))
        files.write_sealed(note, {"broken": list(found.items())})
    return _without(corpus, found)


def _without(corpus: Corpus, broken: dict[int, str]) -> Corpus:
    if not broken:
        return corpus
    kept = np.array([row for row in range(len(corpus)) if row not in broken], dtype=np.int64)
    if len(kept) == 0:
        raise TaggingError(f"{corpus.root}: no photo can be read, first {corpus.photos[0]}, which {broken[0]}")
    added = [Problem(corpus.photos[row], what, "replace or remove it", True, broken=True) for row, what in broken.items()]
    return replace(
        corpus,
        photos=tuple(corpus.photos[row] for row in kept),
        numbers=corpus.numbers[kept],
        targets=corpus.targets[kept],
        parts=tuple(corpus.parts[row] for row in kept) if corpus.parts else (),
        groups=tuple(corpus.groups[row] for row in kept) if corpus.groups else (),
        problems=(*corpus.problems, *added),
    )


def open_photos(path: Given, *, data_dir: Path = Path("data"), skip_broken: bool = False) -> Corpus:
    """Photos without labels (L = 0): a folder or zip of any format that is read, with or without `images/`, in natural order.

    Their numbers are the N of `im<N>` where each photo has its own, otherwise 1, 2, 3 … Photos of other formats are one
    problem, with their count, and a warning in the log.

    Raises:
        TaggingError: there are no photos.
    """
    root = locate(path, Path(data_dir))
    names, unread = photos_below(root), unread_below(root)
    if not names:
        told = f"; {unread}" if unread else ""
        raise TaggingError(f"{root} holds no photos{told}: give a folder or zip of photos (jpg, heic, png, tif …)")
    if unread:
        logger.warning("%s: %s: convert them to JPEG or TIFF to have them tagged", root, unread)
    problems = (Problem(root.name, unread, "convert them to JPEG or TIFF; until then they are passed over"),) if unread else ()
    matches = [NUMBERED.fullmatch(Path(name).stem) for name in names]
    numbers = [int(match[1]) for match in matches if match]
    if len(set(numbers)) < len(names):
        numbers = list(range(1, len(names) + 1))
    targets = np.zeros((len(names), 0), dtype=np.uint8)
    corpus = Corpus(root.name, root, (), tuple(names), np.array(numbers, dtype=np.int64), targets, problems)
    return without_broken(corpus, data_dir=Path(data_dir)) if skip_broken else corpus


def check(
    path: Given, *, data_dir: Path = Path("data"), skip_broken: bool = False, options: ReadOptions = AS_FOUND
) -> list[Problem]:
    """Every problem of a corpus; each photo is decoded. With `skip_broken` broken photos are left out and stop nothing.

    Raises:
        TaggingError: there is no corpus to check.
    """
    return list(inspect(path, data_dir=data_dir, options=options.skipping(skip_broken)).problems)


def inspect(path: Given, *, data_dir: Path = Path("data"), options: ReadOptions = AS_FOUND) -> Inspection:
    """A corpus as it is read, with every problem: of its files, its photos, and its labels.

    Raises:
        TaggingError: there is no corpus to check.
    """
    from tagging_lib.data import pixels

    corpus = _opened(path, Path(data_dir), None, options)
    broken = [
        Problem(corpus.photos[row], what, "replace or remove it", True, broken=True)
        for row, what in pixels.undecodable(corpus)
    ]
    alike = quality.same_photos(corpus.root, corpus.photos, corpus.label_names)
    found = [*corpus.problems, *broken, *alike, *quality.label_notes(corpus.counts)]
    if options.skip_broken:
        found = [replace(p, fatal=False, fix="it is left out") if p.broken else p for p in found]
    fixes = quality.fixes(corpus.counts, corpus.written, paths=options.hierarchy != "leaf")
    return Inspection(corpus, tuple(found), tuple(fixes))


@dataclass(frozen=True, eq=False)
class Inspection:
    """What `tagging check` tells of a corpus.

    Attributes:
        problems: all of them, in the order of the layout's files, the photos, the labels.
        fixes: what suspicious labels might become, for the table of `--fix`.
    """

    corpus: Corpus
    problems: tuple[Problem, ...]
    fixes: tuple[quality.Fix, ...]

    @property
    def sound(self) -> bool:
        """Whether nothing stops a study, and no label is suspicious."""
        return not any(problem.fatal or problem.wrong for problem in self.problems)

    def write_fixes(self, path: str | Path) -> None:
        """The table (label, becomes, why) that a user edits and passes back as `relabel`."""
        relabel.write_table(path, self.fixes)

    def as_json(self, *, photos: bool = False) -> dict[str, Any]:
        """The layout, labels with their numbers of photos, and problems; with `photos` each photo with its labels as read."""
        corpus = self.corpus
        told: dict[str, Any] = {
            "corpus": corpus.name,
            "layout": corpus.layout,
            "read_as": corpus.read_as,
            "number_of_photos": len(corpus),
            "labels": corpus.counts,
            "labels_left_out": list(corpus.labels_left_out),
            "parts": dict(Counter(part for part in corpus.parts if part)),
            "sound": self.sound,
            "problems": [
                {"level": p.level, "where": p.where, "what": p.what, "fix": p.fix, "broken": p.broken} for p in self.problems
            ],
        }
        if photos:
            told["photos"] = list(self.photo_lines())
        return told

    def photo_lines(self) -> Iterator[dict[str, Any]]:
        """Each photo with its labels, and its part of a given split where the corpus has one."""
        corpus = self.corpus
        for row, photo in enumerate(corpus.photos):
            line: dict[str, Any] = {"photo": photo, "labels": corpus.label_names(row)}
            yield line | ({"part": corpus.parts[row]} if corpus.parts else {})
