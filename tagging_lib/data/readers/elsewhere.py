"""Files that speak of the photos of a folder and that no reader takes: folder names would be made labels in their place."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path, PurePosixPath

from tagging_lib.data.readers.columns import SAMPLE_ROWS
from tagging_lib.data.readers.photos import PhotoFinder, files_below, head_of, natural, of_no_account, suffix_of
from tagging_lib.data.readers.rows import PARQUET, TEXT, load
from tagging_lib.errors import TaggingError

TEXTS = (".json", ".ndjson", ".xml", ".manifest", ".lst", ".txt", ".yaml", ".yml")
SHEETS = (".xlsx", ".xls", ".ods")
COLUMNS = "photo,labels, or say --read photo_column=NAME and --read label_column=NAME"
MAKE = "make of it a CSV with the columns photo,labels"
LOOKED_AT, HEAD = 50, 200_000  # files of each kind, bytes of each


def speaking_of_photos(root: Path, names: Collection[str]) -> str | None:
    """The first such file and what to do with it: a table, list or export whose entries name photos, or a spreadsheet.

    A list that says nothing of a photo but the folder it lies in is none of them.
    """
    found = sorted((name for name in files_below(root) if not of_no_account(PurePosixPath(name).name)), key=natural)
    sheets = [name for name in found if suffix_of(name) in SHEETS]
    if sheets:
        return f"{sheets[0]} is a spreadsheet, which is not read: save it as CSV"
    finder = PhotoFinder(root)
    by_name = {PurePosixPath(name).name: PurePosixPath(name).parent.name for name in names}
    for name in [name for name in found if suffix_of(name) in TEXT + PARQUET][:LOOKED_AT]:
        listed = suffix_of(name) in TEXT and _names_one(_head(root / name), by_name, listed=True)
        if _table_says_more(root / name, finder) or listed:
            return f"{name} names photos of this folder and is not read: say --read table={name} and name its columns {COLUMNS}"
    stems = {name.rpartition(".")[0] for name in names}
    for name in [name for name in found if suffix_of(name) in TEXTS][:LOOKED_AT]:
        if suffix_of(name) == ".txt" and name.rpartition(".")[0] in stems:
            return f"{name} is called like a photo and is not read: {MAKE}"
        if _names_one(_head(root / name), by_name, listed=suffix_of(name) == ".txt"):
            return f"{name} names photos of this folder and is not read: {MAKE}"
    return None


def _head(path: Path) -> str:
    return head_of(path, HEAD).decode("utf-8", "replace")


def _names_one(text: str, by_name: dict[str, str], listed: bool) -> bool:
    """Whether a photo's name stands in the text; in a list (`listed`), otherwise than behind its folder's."""
    lines = text.splitlines() if listed else [text]
    for name, folder in list(by_name.items())[:SAMPLE_ROWS]:
        for line in lines:
            if name in line and not (listed and f"{folder}/{name}" in line):
                return True
    return False


def _table_says_more(path: Path, finder: PhotoFinder) -> bool:
    """Whether a column names photos, and the other columns do not just repeat their folders."""
    try:
        table = load(path, "")
    except TaggingError:
        return False  # told by whoever reads tables
    for place in range(len(table.header)):
        more = False
        for row in table.rows[:SAMPLE_ROWS]:
            written = str(row[place]).strip() if place < len(row) else ""
            bare = PurePosixPath(written.replace("\\", "/")).name
            photos = (finder.find(written) or finder.find(bare)) if bare else []
            if len(photos) == 1:
                others = [str(value).strip() for other, value in enumerate(row) if other != place]
                more |= bool(others) and PurePosixPath(photos[0]).parent.name not in others
        if more:
            return True
    return False
