"""The user's table of what labels become, and labels on too few photos; nothing else ever renames a label."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from tagging_lib import files
from tagging_lib.data.quality import Fix
from tagging_lib.data.readers.cells import USUAL, parts_of
from tagging_lib.data.readers.reading import Problem, Reading, quoted
from tagging_lib.data.readers.rows import load
from tagging_lib.errors import TaggingError

COLUMNS = ("label", "becomes")
ANY = "*"  # what follows does not count


@dataclass(frozen=True)
class Relabelling:
    """What each label of a table becomes: nothing, one label, or several."""

    path: Path
    becomes: Mapping[str, tuple[str, ...]]

    def of(self, label: str, labels: Collection[str] = ()) -> tuple[str, ...]:
        """What one label becomes: by its own line, else by the longest beginning with `*`, else itself.

        Blanks around a label do not count in the table, and a line that names one of `labels` stands for that one alone.
        """
        for written in (label, label.strip()):
            if written in self.becomes:
                return self.becomes[written]
        any_of = [key for key in self.becomes if key.endswith(ANY) and key not in labels]
        fitting = [key for key in any_of if label.startswith(key.removesuffix(ANY))]
        return self.becomes[max(fitting, key=len)] if fitting else (label,)

    @property
    def confirmed(self) -> frozenset[str]:
        """Labels that become themselves: the user has said that they are right."""
        return frozenset(label for label, targets in self.becomes.items() if targets == (label,))


def read_table(path: str | Path) -> Relabelling:
    """The table: a CSV with the columns label and becomes; further columns are for the reader alone.

    An empty `becomes` leaves the label out; several labels are separated by `;`; a label that becomes itself is confirmed. A
    label that ends in `*` stands for all that start so and have no line of their own (`darktable|*`).

    Raises:
        TaggingError: it is not readable, or says two things of one label; the message names file and line.
    """
    path = Path(path)
    if not path.is_file():
        raise TaggingError(f"{path} does not exist: give a CSV with the columns label,becomes (`tagging check --fix` writes one)")
    table = load(path, COLUMNS[0])
    header = [name.lower() for name in table.header]
    if not set(COLUMNS) <= set(header):
        raise TaggingError(f"{path} line 1: the columns are {','.join(header)[:80]!r}: name them label,becomes")
    places = [header.index(name) for name in COLUMNS]
    becomes: dict[str, tuple[str, ...]] = {}
    known = {fields[places[0]] for fields in table.rows if len(fields) == len(header)} - {""}
    for row, fields in enumerate(table.rows):
        if len(fields) != len(header):
            what = f"has {len(fields)} fields where the header has {len(header)}"
            raise TaggingError(f"{path} line {table.lines[row]}: {what}: put a label with a comma into quotes")
        label, target = (fields[place] for place in places)
        # A label that is there is taken whole, whatever signs are in it.
        targets = (target,) if target in known else tuple(parts_of(target, USUAL))
        if becomes.setdefault(label, targets) != targets:
            raise TaggingError(f"{path} line {table.lines[row]}: {label!r} becomes something else in an earlier line: keep one")
    return Relabelling(path, becomes)


def write_table(path: str | Path, fixes: Iterable[Fix]) -> None:
    """Write the columns label, becomes, why; `read_table` reads it back."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow((*COLUMNS, "why"))
    writer.writerows(fixes)
    files.write_text(path, text.getvalue())


def apply(reading: Reading, table: Relabelling) -> Reading:
    """The reading with the table's labels; a photo that carried one of several labels that are joined carries the joined one.

    Raises:
        TaggingError: no label is left.
    """
    becomes = {label: table.of(label, reading.labels) for label in reading.labels}
    labels = tuple(sorted({target for targets in becomes.values() for target in targets}))
    if reading.labels and not labels:
        raise TaggingError(f"{table.path} leaves no label: give the column becomes to those that you keep")
    column_of = {label: column for column, label in enumerate(labels)}
    targets = np.zeros((len(reading.photos), len(labels)), dtype=np.uint8)
    for column, label in enumerate(reading.labels):
        for target in becomes[label]:
            targets[:, column_of[target]] |= reading.targets[:, column]
    problems = list(reading.problems)
    known = {label.strip() for label in reading.labels}
    unknown = [label for label in table.becomes if label not in known and not label.endswith(ANY)]
    if unknown:
        what = f"the corpus has no label {quoted(unknown)}"
        problems.append(Problem(table.path.name, what, "write labels as `tagging check --json` shows them"))
    return replace(reading, labels=labels, targets=targets, problems=tuple(problems))


def without_rare(reading: Reading, min_photos: int) -> tuple[Reading, tuple[str, ...]]:
    """The reading without labels on fewer than `min_photos` photos, and these labels.

    Raises:
        TaggingError: no label is left.
    """
    counts = reading.targets.sum(axis=0)
    kept = [column for column, count in enumerate(counts) if count >= min_photos]
    rare = tuple(label for label, count in zip(reading.labels, counts, strict=True) if count < min_photos)
    if not rare:
        return reading, ()
    if not kept:
        raise TaggingError(f"no label is on {min_photos} photos, the most are {counts.max()}: lower --min-photos")
    what = f"on fewer than {min_photos} photos, {len(rare)} of {len(counts)}: {quoted(rare, most=20)}"
    problem = Problem("labels", what, "they are left out, as --min-photos asks")
    return (
        replace(
            reading,
            labels=tuple(reading.labels[column] for column in kept),
            targets=np.ascontiguousarray(reading.targets[:, kept]),
            problems=(*reading.problems, problem),
        ),
        rare,
    )
