"""What people have said of single labels on single photos, laid over a corpus as it is read.

The error explorer exports such a file: a CSV with the columns photo, label, value, who and when. `value` is 1 (the photo
carries the label), 0 (it does not) or `unsure`, which is remembered and changes nothing. It says what is true and not what
was wrong, so that laying the same file over a corpus twice, or over one that was mended meanwhile, does no harm.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from tagging_lib.data.readers.photos import PhotoFinder
from tagging_lib.data.readers.reading import Problems, Reading, photo_named, unused
from tagging_lib.data.readers.rows import load
from tagging_lib.errors import TaggingError

COLUMNS = ("photo", "label", "value")
VALUE_NAMES = ("value", "verdict")
UNSURE = "unsure"
VALUES = {"1": 1, "0": 0, UNSURE: None}
IN_WORDS = {1: "present", 0: "absent", None: UNSURE}


@dataclass(frozen=True)
class Correction:
    """What somebody said of one label on one photo.

    Attributes:
        value: 1 the photo carries the label, 0 it does not, None unsure.
        where: file and line.
    """

    photo: str
    label: str
    value: int | None
    who: str = ""
    when: str = ""
    where: str = ""

    @property
    def said(self) -> str:
        """The value as it is written: 1, 0 or unsure."""
        return UNSURE if self.value is None else str(self.value)


@dataclass(frozen=True)
class Corrections:
    """What became of a corpus' corrections.

    Attributes:
        files: names of the files.
        changed: those that differ from the corpus as it was read.
        confirmed: those that agree with it.
        unsure: those that decide nothing.
    """

    files: tuple[str, ...] = ()
    changed: tuple[Correction, ...] = ()
    confirmed: tuple[Correction, ...] = ()
    unsure: tuple[Correction, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.files)

    @property
    def every(self) -> dict[str, tuple[Correction, ...]]:
        """By what became of them: changed, confirmed, unsure."""
        return {"changed": self.changed, "confirmed": self.confirmed, "unsure": self.unsure}

    def on(self, photos: Collection[str], labels: Collection[str]) -> Corrections:
        """Those on photos and labels that are left in a corpus."""
        photos, labels = set(photos), set(labels)
        changed, confirmed, unsure = (
            tuple(entry for entry in entries if entry.photo in photos and entry.label in labels)
            for entries in self.every.values()
        )
        return Corrections(self.files, changed, confirmed, unsure)

    def sentence(self, part_of: Mapping[str, str], shown: Callable[[str], str] = str) -> str:
        """In words how many labels of which parts were corrected, by whom, and what that means for scores.

        Args:
            part_of: the part of each photo; empty where it is not known.
            shown: how names of files and people are written.
        """
        photos = len({entry.photo for entry in self.changed})
        told = f"{_counted(len(self.changed), 'label')} of {_counted(photos, 'photo')} corrected"
        counts = Counter(part_of[entry.photo] for entry in self.changed if entry.photo in part_of)
        if counts:
            told += f" ({', '.join(f'{counts[part]} {part}' for part in ('train', 'validation', 'test'))})"
        told += f", {len(self.confirmed)} confirmed, {len(self.unsure)} unsure; {', '.join(map(shown, self.files))}"
        people = sorted({entry.who for entries in self.every.values() for entry in entries if entry.who})
        told += f" by {', '.join(map(shown, people))}." if people else "."
        if counts["test"]:
            told += " Scores on the corrected test photos are not comparable with earlier ones."
        return told

    def as_json(self, part_of: Mapping[str, str]) -> dict[str, object]:
        """The same as numbers."""
        counts = Counter(part_of[entry.photo] for entry in self.changed if entry.photo in part_of)
        numbers = {name: len(entries) for name, entries in self.every.items()}
        people = sorted({entry.who for entries in self.every.values() for entry in entries if entry.who})
        return {"files": list(self.files), **numbers, "changed_by_part": dict(sorted(counts.items())), "who": people}


NONE = Corrections()


def paths_of(given: str | Path | Sequence[Path]) -> list[Path]:
    """The files that are meant: one, a list, or several joined by commas; a name that holds a comma is one file."""
    if isinstance(given, Path):
        return [given]
    if not isinstance(given, str):
        return [Path(path) for path in given]
    parts = [given] if os.path.exists(Path(given).expanduser()) else [part.strip() for part in given.split(",")]
    return [Path(part).expanduser() for part in parts if part]


def read(path: Path) -> list[Correction]:
    """The lines of a file, with photos and labels as they stand there.

    Raises:
        TaggingError: it is not readable, or holds another value than 1, 0 and unsure; the message names file and line.
    """
    if not path.is_file():
        raise TaggingError(f"{path} does not exist: give a CSV with the columns photo,label,value, as the error explorer exports")
    table = load(path, COLUMNS[0])
    header = [name.lower() for name in table.header]
    value = next((name for name in VALUE_NAMES if name in header), None)
    if value is None or not set(COLUMNS[:2]) <= set(header):
        raise TaggingError(f"{path} line 1: the columns are {','.join(header)[:80]!r}: name them photo,label,value,who,when")
    found = []
    for row, fields in enumerate(table.rows):
        where = f"{path} line {table.lines[row]}"
        if len(fields) != len(header):
            what = f"has {len(fields)} fields where the header has {len(header)}"
            raise TaggingError(f"{where}: {what}: put a name with a comma into quotes")
        line = {name: "" if field is None else str(field) for name, field in zip(header, fields, strict=True)}
        if line[value].lower() not in VALUES:
            raise TaggingError(f"{where}: {value} is {line[value]!r}: write 1 (present), 0 (absent) or unsure")
        said = VALUES[line[value].lower()]
        found.append(Correction(line["photo"], line["label"], said, line.get("who", ""), line.get("when", ""), where))
    return found


def apply(reading: Reading, root: Path, given: str | Path | Sequence[Path]) -> tuple[Reading, Corrections]:
    """The reading with its labels corrected, and what became of each correction.

    Of several lines about one label on one photo the one with the latest `when` counts, `unsure` included. `when` is a time
    in ISO 8601, of UTC where it names no zone.

    Raises:
        TaggingError: a photo or label is not in the corpus, or lines contradict one another and `when` does not say which
            is the later; the message names file and line.
    """
    paths = paths_of(given)
    latest: dict[tuple[str, str], Correction] = {}
    find = _finder(reading, root)
    for path in paths:
        for line in read(path):
            if line.label not in reading.labels:
                raise TaggingError(f"{line.where}: the corpus has no label {line.label!r}{_hint(line.label, reading.labels)}")
            entry = replace(line, photo=find(line))
            place = (entry.photo, entry.label)
            latest[place] = _later(latest[place], entry) if place in latest else entry
    row_of = {photo: row for row, photo in enumerate(reading.photos)}
    column_of = {label: column for column, label in enumerate(reading.labels)}
    targets = reading.targets.copy()
    became: dict[str, list[Correction]] = {"changed": [], "confirmed": [], "unsure": []}
    for entry in latest.values():
        row, column = row_of[entry.photo], column_of[entry.label]
        if entry.value is None:
            became["unsure"].append(entry)
        else:
            became["confirmed" if targets[row, column] == entry.value else "changed"].append(entry)
            targets[row, column] = entry.value
    before = unused(reading.labels, reading.targets)
    problems = (*(problem for problem in reading.problems if problem not in before), *unused(reading.labels, targets))
    corrections = Corrections(tuple(path.name for path in paths), *(tuple(entries) for entries in became.values()))
    return replace(reading, targets=targets, problems=problems), corrections


def _finder(reading: Reading, root: Path) -> Callable[[Correction], str]:
    """A function that gives the photo of the corpus that a line means."""
    photos, finder = set(reading.photos), PhotoFinder(root)

    def find(line: Correction) -> str:
        if line.photo in photos:
            return line.photo
        problems = Problems()
        found = photo_named(finder, line.photo, "", line.where, problems)
        if problems:
            raise TaggingError(str(problems[0]).removeprefix("error: "))
        if found not in photos:
            raise TaggingError(f"{line.where}: the corpus says nothing of the photo {line.photo!r}: leave the line out")
        return str(found)

    return find


def _later(first: Correction, second: Correction) -> Correction:
    """Of two lines about the same the one that counts."""
    times = [_instant(entry.when) for entry in (first, second)]
    known = [time for time in times if time is not None]
    if len(known) == 2 and known[0] != known[1]:
        return first if known[0] > known[1] else second
    if first.value == second.value:
        return first if times[1] is None else second
    what = f"{second.label!r} on {second.photo} is {IN_WORDS[second.value]}, and {IN_WORDS[first.value]} in {first.where}"
    raise TaggingError(f"{second.where}: {what}: keep one, or write into when which is later (2026-05-31T18:30:00Z)")


def _instant(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _hint(label: str, labels: Iterable[str]) -> str:
    alike = [known for known in labels if known.casefold() == label.casefold()]
    return f": it is called {alike[0]!r}" if alike else ": write labels as `tagging check --json` shows them"


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def as_read(targets: np.ndarray, photos: Sequence[str], labels: Sequence[str], corrections: Corrections) -> np.ndarray:
    """The targets (N, L) with the corrections undone."""
    row_of = {photo: row for row, photo in enumerate(photos)}
    column_of = {label: column for column, label in enumerate(labels)}
    found = targets.copy()
    for entry in corrections.changed:
        found[row_of[entry.photo], column_of[entry.label]] = 1 - int(entry.value or 0)
    return found
