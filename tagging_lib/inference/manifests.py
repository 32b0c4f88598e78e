"""Lists of photos: one path a line, or the column of a table; read as a stream."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from typing import Any

from tagging_lib.data.readers.columns import PHOTO_NAMES, plain
from tagging_lib.data.readers.photos import SUFFIXES as PHOTO_SUFFIXES
from tagging_lib.data.readers.photos import suffix_of
from tagging_lib.data.readers.rows import DELIMITERS, PARQUET
from tagging_lib.errors import TaggingError
from tagging_lib.inference import places
from tagging_lib.inference.places import Photo

TABLES, LINES = (".csv", ".tsv"), (".jsonl", ".ndjson")
SUFFIXES = (".txt", ".lst", ".list", *TABLES, *LINES, *PARQUET)
FIRST = ("photo", "path", "file_name")  # before the other names that a photo's column has elsewhere
URLS = ("url", "uri", "image_url", "photo_url")
NAMES = (*FIRST, *URLS, *(name for name in PHOTO_NAMES if name not in (*FIRST, *URLS)))
ROWS = 4096  # of a Parquet file at a time


def photos(manifest: str) -> Iterator[Photo]:
    """The photos that a manifest lists, in its order, under the names by which it does; empty lines are passed over.

    Paths are relative to the manifest, absolute, or URLs.

    Raises:
        TaggingError: the manifest cannot be read, or has no column of photos; the message names file and line.
    """
    suffix = suffix_of(manifest)
    if suffix in PARQUET or places.head(manifest, 4) == b"PAR1":
        found = _parquet(manifest)
    else:
        found = {**dict.fromkeys(TABLES, _table), **dict.fromkeys(LINES, _json_lines)}.get(suffix, _lines)(manifest)
    try:
        for written in found:
            if written:
                yield Photo(written, places.beside(manifest, written))
    except UnicodeDecodeError as error:
        raise TaggingError(f"{manifest} is not UTF-8 text ({error.reason}): save it as UTF-8") from error
    except OSError as error:
        raise TaggingError(f"{manifest} cannot be read ({places.told(error)}): check the file") from error


def _lines(manifest: str) -> Iterator[str]:
    with places.text_of(places.opened(manifest)) as stream:
        for line in stream:
            yield line.strip()


def _table(manifest: str) -> Iterator[str]:
    with places.text_of(places.opened(manifest)) as stream:
        first = next((line for line in stream if line.strip()), "")
        delimiter = max(DELIMITERS, key=first.count) if suffix_of(manifest) != ".tsv" else "\t"
        header = next(csv.reader([first], delimiter=delimiter), [])
        if len(header) == 1 and suffix_of(header[0]) in PHOTO_SUFFIXES:
            raise TaggingError(f"{manifest} line 1: {header[0]!r} is a photo and no heading: put `photo` above it")
        column = _column(manifest, header)
        try:
            for row in csv.reader(stream, delimiter=delimiter, strict=True):
                yield row[column].strip() if column < len(row) else ""
        except csv.Error as error:
            raise TaggingError(f"{manifest} is no readable table ({error}): correct it") from error


def _json_lines(manifest: str) -> Iterator[str]:
    with places.text_of(places.opened(manifest)) as stream:
        for number, line in enumerate(stream, start=1):
            if not line.strip():
                continue
            try:
                entry = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise TaggingError(f"{manifest} line {number}: is no valid JSON ({error}): correct the line") from error
            if not isinstance(entry, dict):
                raise TaggingError(f"{manifest} line {number}: is no JSON object with named fields: correct the line")
            names = list(entry)
            yield _text(manifest, number, entry[names[_column(f"{manifest} line {number}", names)]])


def _parquet(manifest: str) -> Iterator[str]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with places.opened(manifest) as stream:
        try:
            table = pq.ParquetFile(stream)
            names = table.schema_arrow.names
        except (pa.ArrowException, OSError, ValueError) as error:
            raise TaggingError(f"{manifest} is no readable Parquet file ({places.told(error)}): write it again") from error
        column, number = names[_column(manifest, names)], 0
        try:
            for batch in table.iter_batches(ROWS, columns=[column]):
                for value in batch.column(0).to_pylist():
                    number += 1
                    yield _text(manifest, number, value)
        except (pa.ArrowException, ValueError) as error:
            raise TaggingError(f"{manifest} is a damaged Parquet file ({places.told(error)}): write it again") from error


def _column(where: str, header: Sequence[str]) -> int:
    """The place of the column of photos."""
    names = [plain(name) for name in header]
    for name in NAMES:
        if names.count(name) == 1:
            return names.index(name)
    shown = ", ".join(header)[:80]
    raise TaggingError(f"{where}: the columns are {shown!r}: name the one of the photos photo, path or file_name")


def _text(manifest: str, number: int, value: Any) -> str:
    if isinstance(value, dict):  # how Hugging Face's tables hold an image
        value = value.get("path")
    if value is not None and not isinstance(value, str):
        raise TaggingError(f"{manifest} row {number}: {value!r} is no path: write one")
    return (value or "").strip()
