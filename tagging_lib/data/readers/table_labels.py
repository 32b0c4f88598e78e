"""The labels of a table's rows: in the cells of one column, or in a column of 0 and 1 for each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tagging_lib.data.readers import cells
from tagging_lib.data.readers.columns import Columns, binary, plain
from tagging_lib.data.readers.reading import Problem, Problems, ReadOptions, Written
from tagging_lib.data.readers.rows import Table


def texts_in(tables: Sequence[tuple[Table, Columns]], table: Table, columns: Columns) -> list[str]:
    """The cells of the labels' column in this table and, because one hand wrote them, in all others that have it."""
    name = plain(table.header[columns.labels[0]])
    return [
        cells.unescaped(fields[of.labels[0]]).strip()
        for other, of in tables
        if not of.one_hot and plain(other.header[of.labels[0]]) == name
        for fields in other.rows
        if len(fields) == len(other.header) and isinstance(fields[of.labels[0]], str)
    ]


def labels_in(
    table: Table, columns: Columns, options: ReadOptions, problems: Problems, texts: list[str]
) -> tuple[Callable[[int], set[str] | None], str, Written]:
    """A function that gives the labels of a row, or None where it names a problem; how they stand there, in words and kind."""
    if columns.one_hot:
        return (
            lambda row: _one_hot(table, columns, row, problems),
            f"a column of 0 and 1 for each of {len(columns.labels)} labels",
            Written.NAMES,
        )
    (place,) = columns.labels
    column = table.header[place]
    every = "a line for each label of a photo, in " if columns.long else ""
    separator, suspicion = cells.separator_of(texts, options.separator, several=columns.several)
    if suspicion is not None:
        problems.append(_suspicious(table, place, suspicion))
    if cells.are_vectors(fields[place] for fields in table.rows if len(fields) == len(table.header)):
        what = f"column {column} holds rows of 0 and 1 in place of labels"
        problems.append(Problem(table.where(0), what, "write a column for each label, or the labels' names", True))

    def labels_of(row: int) -> set[str] | None:
        value: Any = table.rows[row][place]
        try:
            if isinstance(value, str):
                read = value if separator in (cells.LISTS, cells.CHOICES) else cells.unescaped(value)
                if read != value:
                    what = f"column {column}: {value[:60]!r} is written as in HTML"
                    problems.add("html", Problem(table.where(row), what, f"it is read as {read[:60]!r}"))
                return set(cells.labels_of(read.strip(), separator))
            single = isinstance(value, int) and not isinstance(value, bool)
            return set(cells.entries_of([value] if single else value))
        except ValueError as error:
            what = f"column {column}: {str(value)[:60]!r} {error}"
            problems.add("list", Problem(table.where(row), what, "write it like the other rows", True))
            return None

    if not texts or separator in (cells.LISTS, cells.CHOICES):
        return labels_of, f"lists of labels in {column}", Written.ENTRIES
    # A separator that the user states may be right of most cells and wrong of some.
    kind = Written.NAMES if separator == cells.WHOLE else Written.ENTRIES if options.separator else Written.CELLS
    if separator == cells.WHOLE or not any(separator in text for text in texts):
        return labels_of, f"{every}{column}" if every else f"one label a cell of {column}", kind
    return labels_of, f"labels in {column} separated by {cells.in_words(separator)}", kind


def _suspicious(table: Table, place: int, suspicion: cells.Suspicion) -> Problem:
    whole = (row for row, fields in enumerate(table.rows) if len(fields) == len(table.header))
    row = next((row for row in whole if str(table.rows[row][place]).strip() == suspicion.cell), 0)  # or it is another table's
    where, shown = f"{table.where(row)} column {table.header[place]}", repr(suspicion.cell[:60])
    if suspicion.separator == cells.LISTS:
        return Problem(where, f"{shown} looks like a list, other rows do not", "write the labels of all rows in one way", True)
    what = f"{shown} may be several labels separated by {cells.in_words(suspicion.separator)}"
    fix = f"say --separator {cells.as_option(suspicion.separator)}, or --separator {cells.WHOLE} if a cell is one label"
    return Problem(where, what, fix, True)


def is_zero(value: object) -> bool:
    try:
        return float(str(value)) == 0
    except ValueError:
        return False


def _one_hot(table: Table, columns: Columns, row: int, problems: Problems) -> set[str] | None:
    found = set()
    for place in columns.labels:
        written = table.rows[row][place]
        value = 0 if columns.signed and str(written).strip() == "-1" else binary(written)
        if value is None:
            what = f"column {table.header[place]}: {str(table.rows[row][place])[:40]!r} is neither 0 nor 1"
            problems.add("binary", Problem(table.where(row), what, "write 0 or 1", True))
            return None
        if value:
            found.add(table.header[place])
    return found
