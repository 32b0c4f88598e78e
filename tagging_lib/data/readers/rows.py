"""The rows of a table file: CSV, TSV, JSON Lines, Parquet."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tagging_lib.data.readers.columns import PHOTO_NAMES, plain
from tagging_lib.data.readers.photos import suffix_of
from tagging_lib.errors import TaggingError

TEXT = (".csv", ".tsv", ".jsonl", ".ndjson")
PARQUET = (".parquet", ".pq")
DELIMITERS = (",", ";", "\t")


@dataclass(frozen=True)
class Table:
    """A table as it stands in its file.

    Attributes:
        header: names of the columns, without blanks around.
        lines: line number of each row; in a Parquet file its number.
        rows: the values of each; text in CSV, without blanks around. None where a line of JSON lacks the field.
    """

    path: Path
    header: list[str]
    lines: list[int]
    rows: list[list[Any]]

    def where(self, row: int) -> str:
        """File and line of a row."""
        return f"{self.path.name} line {self.lines[row]}"


def load(path: Path, photo_column: str = "") -> Table:
    """The table in a file; `photo_column` helps to find out how its fields are separated.

    Raises:
        TaggingError: it cannot be read; the message names file and line.
    """
    suffix = suffix_of(path.name)
    if suffix in PARQUET:
        return _parquet(path)
    try:
        if suffix in (".jsonl", ".ndjson"):
            return _json_lines(path)
        lines = list(_csv(path, _delimiter(path, photo_column)))
    except UnicodeDecodeError as error:
        raise TaggingError(f"{path} is not UTF-8 text ({error.reason}): save it as UTF-8") from error
    except OSError as error:
        raise TaggingError(f"{path} cannot be read ({error.strerror}): make it readable") from error
    header = lines[0][1] if lines else []
    return Table(path, header, [line for line, _ in lines[1:]], [fields for _, fields in lines[1:]])


def _delimiter(path: Path, photo_column: str) -> str:
    """The sign between fields: the one that gives the header most columns, one of them named like a photo's."""
    if suffix_of(path.name) == ".tsv":
        return "\t"
    with open(path, encoding="utf-8-sig", newline="") as stream:
        first = next((line for line in stream if line.strip()), "").strip()
    if first.lower().startswith("sep=") and first[4:5] in DELIMITERS:
        return first[4:5]  # how Excel is told
    best, most = ",", 1
    for delimiter in DELIMITERS:
        header = [plain(name.strip().strip('"')) for name in first.split(delimiter)]
        if len(header) > most and {plain(photo_column), *PHOTO_NAMES} & set(header):
            best, most = delimiter, len(header)
    return best


def _csv(path: Path, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Line number and fields of each row that is not blank, the header first."""
    reader = None
    try:
        with open(path, encoding="utf-8-sig", newline="") as stream:
            reader = csv.reader(stream, delimiter=delimiter, skipinitialspace=True, strict=True)
            for fields in reader:
                shown = [field.strip() for field in fields]
                if any(shown) and not (reader.line_num == 1 and shown[0].lower().startswith("sep=")):
                    yield reader.line_num, shown
    except csv.Error as error:
        line = reader.line_num if reader else 1
        raise TaggingError(f"{path} line {line}: is no valid CSV ({error}): correct the line") from error


def _json_lines(path: Path) -> Table:
    lines, objects = [], []
    with open(path, encoding="utf-8-sig") as stream:
        for line, text in enumerate(stream, start=1):
            if not text.strip():
                continue
            try:
                value = json.loads(text)
            except (ValueError, RecursionError) as error:
                raise TaggingError(f"{path} line {line}: is no valid JSON ({error}): correct the line") from error
            if not isinstance(value, dict):
                raise TaggingError(f"{path} line {line}: is no JSON object with named fields: correct the line")
            lines.append(line)
            objects.append(value)
    return _of_objects(path, lines, objects)


def _of_objects(path: Path, lines: list[int], objects: Sequence[dict[str, Any]]) -> Table:
    header = list(dict.fromkeys(name for entry in objects for name in entry))
    return Table(path, header, lines, [[entry.get(name) for name in header] for entry in objects])


def _parquet(path: Path) -> Table:
    import pyarrow.parquet

    try:
        objects = pyarrow.parquet.read_table(path).to_pylist()
    except Exception as error:  # pyarrow has a dozen kinds of its own
        raise TaggingError(f"{path} is no readable Parquet file ({str(error)[:100]!r}): write it again") from error
    return _of_objects(path, list(range(1, len(objects) + 1)), objects)
