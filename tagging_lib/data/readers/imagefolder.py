"""Hugging Face's `imagefolder`: photos, and beside them `metadata.jsonl` (or `.csv`, `.parquet`) with their `file_name`."""

from __future__ import annotations

from pathlib import Path

from tagging_lib.data.readers.columns import plain
from tagging_lib.data.readers.photos import PhotoFinder, files_below, natural, suffix_of
from tagging_lib.data.readers.reading import Reading, ReadOptions
from tagging_lib.data.readers.rows import PARQUET, TEXT, load
from tagging_lib.data.readers.table import METADATA, fitting_tables, read_tables
from tagging_lib.errors import TaggingError

FILE_NAME = "file_name"


def recognises(root: Path, options: ReadOptions) -> bool:
    """Whether there are tables `metadata`; what is in them is for `read` to judge."""
    return bool(metadata_below(root))


def metadata_below(root: Path) -> list[Path]:
    """Tables named `metadata` in the folder or its subfolders."""
    names = (name for name in files_below(root) if suffix_of(name) in TEXT + PARQUET and Path(name).stem.lower() == METADATA)
    return [root / name for name in sorted(names, key=natural)]


def read(root: Path, options: ReadOptions) -> Reading:
    """Photos and labels by the tables `metadata`, whose `file_name` is a path from the table's own folder.

    Raises:
        TaggingError: there are no photos or no such table, or one is not readable or has no labels.
    """
    paths = metadata_below(root)
    if not paths:
        raise TaggingError(f"{root} holds no metadata.jsonl or metadata.csv: add one, with file_name and a list of labels")
    finder = PhotoFinder(root)
    fitting, faults = fitting_tables(root, options, finder, paths)
    if faults:
        raise faults[0]
    if len(fitting) < len(paths):
        path = next(path for path in paths if path not in [table.path for table, _ in fitting])
        header = load(path).header
        lacks = "labels" if FILE_NAME in map(plain, header) else FILE_NAME
        raise TaggingError(
            f"{path} line 1: the columns are {','.join(header)[:80]!r}, without {lacks}: add it, or say --read label_column=NAME"
        )
    return read_tables(root, fitting, options, finder, "imagefolder")
