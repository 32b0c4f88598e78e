"""Files that speak of the photos of a folder and that no reader takes: folder names would be made labels in their place."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from tagging_lib.data.readers.columns import SAMPLE_ROWS
from tagging_lib.data.readers.photos import PhotoFinder, files_below, head_of, natural, of_no_account, suffix_of
from tagging_lib.data.readers.reading import part_of
from tagging_lib.data.readers.rows import PARQUET, TEXT, load
from tagging_lib.errors import TaggingError

TEXTS = (".json", ".ndjson", ".xml", ".manifest", ".lst", ".txt", ".caption", ".yaml", ".yml")
BESIDE = (".txt", ".caption", ".json")  # what tools call like the photo
SHEETS = (".xlsx", ".xls", ".ods")
COLUMNS = "photo,labels, or say --read photo_column=NAME and --read label_column=NAME"
MAKE = "make of it a CSV with the columns photo,labels"
LOOKED_AT, HEAD = 50, 200_000  # files of each kind, bytes of each


def speaking_of_photos(root: Path) -> str | None:
    """The first such file and what to do with it: a table, list or export whose entries name photos, or a spreadsheet.

    A list that says nothing of a photo but the folder it lies in is none of them.
    """
    found = sorted((name for name in files_below(root) if not of_no_account(PurePosixPath(name).name)), key=natural)
    sheets = [name for name in found if suffix_of(name) in SHEETS]
    if sheets:
        return f"{sheets[0]} is a spreadsheet, which is not read: save it as CSV"
    finder = PhotoFinder(root)
    by_name = {PurePosixPath(name).name: PurePosixPath(name).parent.name for name in finder.names}
    for name in [name for name in found if suffix_of(name) in TEXT + PARQUET][:LOOKED_AT]:
        says_more = _table_says_more(root / name, finder)
        if says_more is None and suffix_of(name) in TEXT:
            says_more = _names_one(_head(root / name), by_name, listed=True)
        if says_more:
            return f"{name} names photos of this folder and is not read: say --read table={name} and name its columns {COLUMNS}"
    called = {*finder.names, *(name.rpartition(".")[0] for name in finder.names)}
    texts = [name for name in found if suffix_of(name) in TEXTS]
    for name in texts:
        if suffix_of(name) in BESIDE and name.rpartition(".")[0] in called:
            return f"{name} is called like a photo and is not read: {MAKE}"
    for name in _some_of_each_folder(texts)[:LOOKED_AT]:
        if _names_one(_head(root / name), by_name, listed=suffix_of(name) == ".txt"):
            return f"{name} names photos of this folder and is not read: {MAKE}"
    return None


def _some_of_each_folder(names: Iterable[str]) -> list[str]:
    """The first file of each folder, then the second of each: a folder with a file for each label hides none beside it."""
    seen: Counter[str] = Counter()
    placed = []
    for place, name in enumerate(names):
        folder = name.rpartition("/")[0]
        placed.append((seen[folder], place, name))
        seen[folder] += 1
    return [name for _, _, name in sorted(placed)]


def _head(path: Path) -> str:
    return head_of(path, HEAD).decode("utf-8", "replace")


def _names_one(text: str, by_name: dict[str, str], listed: bool) -> bool:
    """Whether a photo's name stands in the text; in a list (`listed`), with more than its folder, a part and numbers."""
    lines = text.splitlines() if listed else [text]
    for name, folder in list(by_name.items())[:SAMPLE_ROWS]:
        for line in lines:
            if name in line and not (listed and _repeats(line, folder, name)):
                return True
    return False


def _repeats(line: str, folder: str, name: str) -> bool:
    if f"{folder}/{name}" not in line:
        return False
    rest = re.sub(rf"[^\s,;\"']*{re.escape(folder)}/{re.escape(name)}", " ", line)
    words = {word.lower() for word in re.findall(r"[^\W\d_]+", rest)}
    return all(part_of(word) for word in words - set(re.findall(r"[^\W\d_]+", folder.lower())))


def _table_says_more(path: Path, finder: PhotoFinder) -> bool | None:
    """Whether a column names photos, and the other columns do not just repeat their folders; None where none does."""
    try:
        table = load(path, "")
    except TaggingError:
        return None
    if table.holds_corrections:
        return False
    named = None
    for place in range(len(table.header)):
        more = False
        for row in table.rows[:SAMPLE_ROWS]:
            photos = finder.meant(str(row[place]).strip()) if place < len(row) else []
            if len(photos) == 1:
                named = False
                others = [str(value).strip() for other, value in enumerate(row) if other != place]
                more |= bool(others) and PurePosixPath(photos[0]).parent.name not in others
        if more:
            return True
    return named
