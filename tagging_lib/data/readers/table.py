"""A folder of photos with a table of their labels: one column of labels, or a column of 0 and 1 for each label."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import partial
from itertools import product
from pathlib import Path

from tagging_lib.data.readers.columns import Columns, find_columns, given_part, plain
from tagging_lib.data.readers.photos import PhotoFinder, suffix_of
from tagging_lib.data.readers.reading import (
    Problem,
    Problems,
    Reading,
    ReadOptions,
    Written,
    part_of,
    photo_named,
    reading_of,
    unlisted,
)
from tagging_lib.data.readers.rows import CORRECTIONS, PARQUET, TEXT, Table, load
from tagging_lib.data.readers.table_labels import is_zero, labels_in, texts_in
from tagging_lib.errors import TaggingError

METADATA = "metadata"  # tables of this name are Hugging Face's
SUBMISSION = "sample_submission"  # and those whose name begins so show what answers to Kaggle look like, and are no labels


def recognises(root: Path, options: ReadOptions) -> bool:
    """Whether a table with columns of photos and labels lies in the folder, or one in each of train, valid, test."""
    return bool(fitting_tables(root, options)[0])


def read(root: Path, options: ReadOptions) -> Reading:
    """Photos and labels by the table.

    Photos that it does not list are passed over. A row that does not fit the header is fatal: a label separated by the sign
    that separates fields would be lost.

    Raises:
        TaggingError: there are no photos, no table, several tables, or one that is not readable.
    """
    finder = PhotoFinder(root)
    fitting, faults = fitting_tables(root, options, finder)
    if not fitting:
        raise faults[0] if faults else nothing_fits(root, options)
    beside = [table for table, _ in fitting if table.path.parent == root]
    if len(beside) > 1 and len({_part_of_table(table) for table in beside} - {None}) < len(beside):
        names = ", ".join(table.path.name for table in beside)
        what = f"holds several tables of photos and labels ({names})"
        raise TaggingError(f"{root} {what}: name one with --read table=NAME, or keep one")
    return read_tables(root, fitting, options, finder, "table")


def _part_of_table(table: Table) -> str | None:
    """The part that a word of the file's name means: `train_labels.csv`."""
    return next(filter(None, map(part_of, re.findall(r"[a-z]+", table.path.stem.lower()))), None)


def candidates(root: Path, options: ReadOptions) -> list[Path]:
    """Tables in the folder, then those in folders that are named like parts of a split."""
    if options.table:
        if not (root / options.table).is_file():
            raise TaggingError(f"{root / options.table} does not exist: give the table's name, as it is in {root}")
        return [root / options.table]
    folders = [root, *sorted(path for path in root.iterdir() if path.is_dir() and part_of(path.name))]
    return [
        path
        for folder in folders
        for path in sorted(folder.iterdir())
        if suffix_of(path.name) in TEXT + PARQUET and path.is_file() and _may_hold_labels(path.stem.lower())
    ]


def _may_hold_labels(stem: str) -> bool:
    return stem != METADATA and not stem.startswith((SUBMISSION, "."))


def _by_folder(root: Path, paths: Sequence[Path]) -> list[Sequence[Path]]:
    """Those of the folder itself, then the others."""
    return [[path for path in paths if (path.parent == root) is here] for here in (True, False)]


def submissions_in(root: Path) -> list[Path]:
    """Files in the folder that show what answers to Kaggle look like."""
    return sorted(path for path in root.iterdir() if path.stem.lower().startswith(SUBMISSION))


def fitting_tables(
    root: Path, options: ReadOptions, finder: PhotoFinder | None = None, paths: Sequence[Path] | None = None
) -> tuple[list[tuple[Table, Columns]], list[TaggingError]]:
    """The tables of photos and labels, with their columns, and what kept others from being read.

    Parquet files are only opened where no table of text fits, and folders of parts where none of the folder itself does.
    """
    groups = [paths] if paths is not None else _by_folder(root, candidates(root, options))
    fitting: list[tuple[Table, Columns]] = []
    faults: list[TaggingError] = []
    for group, suffixes in product(groups, (TEXT, PARQUET)):
        if fitting or (faults and group is not groups[0]):
            break
        for path in group:
            if suffix_of(path.name) not in suffixes and not options.table:
                continue
            try:
                table = load(path, options.photo_column)
                if table.holds_corrections and not options.table:
                    continue
                finder = finder or PhotoFinder(root)
                find = partial(finder.meant, below=_photos_of(root, table))
                columns = find_columns(table.path, table.header, table.rows, options, find)
            except TaggingError as error:
                faults.append(error)
                continue
            if columns is not None:
                fitting.append((table, columns))
    return fitting, faults


def corrections_in(root: Path) -> list[Path]:
    """Files in the folder as the error explorer exports them."""
    found = []
    for path in sorted(root.glob("*.csv")):
        with suppress(TaggingError, OSError):  # a damaged table is named by whoever needs it
            with open(path, encoding="utf-8-sig", errors="replace") as stream:
                first = stream.readline().lower()
            if all(name in first for name in CORRECTIONS) and load(path).holds_corrections:
                found.append(path)
    return found


def nothing_fits(root: Path, options: ReadOptions) -> TaggingError:
    """What to say where no table fits."""
    paths = candidates(root, options)
    if not paths:
        return TaggingError(f"{root} holds no table of photos and labels: add a CSV with the columns photo,labels")
    header = ",".join(load(paths[0], options.photo_column).header)[:80]
    fix = "name them photo,labels, or say --read photo_column=NAME and --read label_column=NAME"
    return TaggingError(f"{paths[0]} line 1: the columns are {header!r}: {fix}")


def _below(root: Path, table: Table) -> str:
    below = table.path.parent.relative_to(root).as_posix()
    return "" if below == "." else below


def _photos_of(root: Path, table: Table) -> str:
    """The folder whose photos the table's names mean first: its own, or the one called as its part is (`train.csv`, `train/`)."""
    part = _part_of_table(table)
    if table.path.parent != root or part is None:
        return _below(root, table)
    named = [path.name for path in root.iterdir() if path.is_dir() and part_of(path.name) == part]
    return named[0] if len(named) == 1 else ""


def read_tables(
    root: Path, tables: Sequence[tuple[Table, Columns]], options: ReadOptions, finder: PhotoFinder, layout: str
) -> Reading:
    """Photos and labels by one or more tables.

    Raises:
        TaggingError: the folder holds no photos.
    """
    if not finder.names:
        raise TaggingError(f"{root} holds no photos: put them beside {tables[0][0].path.name}")
    problems = Problems()
    carried: dict[str, set[str]] = {}
    parts: dict[str, str | None] = {}
    groups: dict[str, str] = {}
    labels: list[str] = []
    ways, written = [], Written.NAMES
    for table, columns in tables:
        labels_of, way, kind = labels_in(table, columns, options, problems, texts_in(tables, table, columns))
        written = kind if written is Written.NAMES else written
        ways.append((f"{_below(root, table)}/".lstrip("/") + table.path.name, f"photos by {table.header[columns.photo]}, {way}"))
        if columns.one_hot:
            labels += [table.header[place] for place in columns.labels]
        if columns.passed_over:
            names = ", ".join(columns.passed_over)
            what = "are not read as labels" if columns.one_hot else "may hold labels, too"
            problems.append(Problem(table.path.name, f"columns that {what} ({names})", "they are passed over"))
        part = _part_of_table(table) if len(tables) > 1 else None
        for photo, row in _photos(table, columns, finder, _photos_of(root, table), problems):
            found = labels_of(row)
            if found is None:
                continue
            if columns.sure is not None and is_zero(table.rows[row][columns.sure]):
                found = set()
            if photo not in carried:
                carried[photo] = found
            elif columns.long:
                carried[photo] |= found
            elif carried[photo] == found:
                problems.add("twice", Problem(table.where(row), f"{photo!r} is listed twice", "it counts once"))
            else:
                what = f"{photo!r} has other labels in another line"
                problems.add("other", Problem(table.where(row), what, "join them in one", True))
            if columns.group is not None:
                value = table.rows[row][columns.group]
                groups[photo] = "" if value is None else str(value).strip()
            given = part if columns.split is None else _part(table, columns, row, problems)
            if parts.setdefault(photo, given) != given:
                what = f"{photo!r} is in another part of the split, too"
                problems.add("parts", Problem(table.where(row), what, "its first part counts", wrong=True))
    names = ", ".join(table.path.name for table, _ in tables[:1])
    problems += unlisted(finder, carried, names)
    if not any(carried.values()):
        problems.append(Problem(names, "no photo has a label", "fill the column labels, separated by ;", True))
    files = ", ".join(name for name, _ in ways)
    return reading_of(
        carried,
        problems=problems.told(),
        read_as=f"{layout} {files}: {ways[0][1]}",
        labels=labels,
        written=written,
        parts=parts if any(parts.values()) else None,
        groups=groups,
    )


def _photos(
    table: Table, columns: Columns, finder: PhotoFinder, below: str, problems: Problems
) -> Iterator[tuple[str, int]]:
    """The photo of each row with the row's number; rows that name none are problems."""
    finder.learn((str(fields[columns.photo]) for fields in table.rows if len(fields) == len(table.header)), below)
    for row, fields in enumerate(table.rows):
        where = table.where(row)
        if len(fields) != len(table.header):
            what = f"has {len(fields)} fields where the header has {len(table.header)}"
            fix = "separate labels by ; and end the line of an unlabelled photo with a comma"
            problems.add("fields", Problem(where, what, fix, True))
            continue
        name = fields[columns.photo]
        photo = photo_named(finder, "" if name is None else str(name), below, where, problems)
        if photo is not None:
            yield photo, row


def _part(table: Table, columns: Columns, row: int, problems: Problems) -> str | None:
    column, value = table.header[columns.split or 0], table.rows[row][columns.split or 0]
    part = given_part(plain(column), value)
    if part is None and str(value or "").strip():
        what = f"column {column}: {str(value)[:40]!r} is no part of a split"
        problems.add("part", Problem(table.where(row), what, "write train, validation or test there"))
    return part
