"""Which columns of a table hold the photo, its labels and its part of the split."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tagging_lib.data.readers.photos import SUFFIXES, suffix_of
from tagging_lib.data.readers.reading import GROUPINGS, TEST, TRAIN, VALIDATION, ReadOptions, part_of
from tagging_lib.errors import TaggingError

# Numbers that may be a photo's name, or anything's.
ID_NAMES = ("image_id", "photo_id", "img_id", "imageid", "id", "uuid")
PHOTO_NAMES = (
    *("photo", "image", "file", "filename", "file_name", "fname", "image_name", "photo_name", "img_name"),
    *("image_file", "photo_file", "path", "filepath", "file_path", "image_path", "img_path", "photo_path"),
    *("img", "picture", "pic", "source_file"),
    *("image_url", "photo_url", "image_link", "image_uri", "url", "uri"),
    *ID_NAMES,
)
# These names and ends promise several labels a cell, those of `LABEL_NAMES` one.
LABELS_NAMES = (
    *("labels", "tags", "keywords", "categories", "classes", "attributes", "genres", "subjects", "concepts"),
    "attribute_ids",
)
LABELS_ENDS = ("_labels", "_tags", "_keywords", "_categories")  # Finding Labels
PHOTO_WORDS = frozenset(("image", "photo", "picture", "file", "filename", "img"))  # Image Index
LABEL_NAMES = (
    *("label", "tag", "keyword", "category", "class", "class_name", "species", "target"),
    *("labelname", "label_name", "genre", "choice"),
)
SPLIT_NAMES = ("split", "ml_use", "is_valid", "is_test", "subset", "partition", "part", "dataset", "set", "phase")
# What is written beside columns of 0 and 1, in numbers too; never a label.
BOOKKEEPING = frozenset(
    (
        *("is_valid", "is_test", "is_train", "is_val", "fold", "folds", "kfold", "k_fold"),
        *("num_labels", "n_labels", "num_tags", "n_tags"),
    )
)
BINARY = {"0": 0, "1": 1, "0.0": 0, "1.0": 1, "false": 0, "true": 1, "no": 0, "yes": 1}
OBJECTS = frozenset(("xmin", "x_min", "bbox", "confidence"))  # columns of tables with a line for each object or label
INDEX = re.compile(r"\s*$|unnamed", re.IGNORECASE)  # how pandas writes a column of row numbers
SAMPLE_ROWS = 200
Find = Callable[[str], Sequence[str]]


@dataclass(frozen=True)
class Columns:
    """Positions of the columns; several label columns hold 0 and 1.

    Attributes:
        several: a cell may hold several labels, by the column's name.
        signed: 1 and -1 stand for 1 and 0.
        long: a photo has a line for each of its labels, or of its objects.
        sure: where that is so, a column of how sure a label is; 0 says that the photo lacks it.
    """

    photo: int
    labels: tuple[int, ...]
    one_hot: bool
    split: int | None = None
    group: int | None = None
    several: bool = True
    passed_over: tuple[str, ...] = ()
    signed: bool = False
    long: bool = False
    sure: int | None = None


def plain(name: str) -> str:
    """A column's name in lower case, with `_` for what stands between words.

    >>> plain(" Image-Name"), plain("labels")
    ('image_name', 'labels')
    """
    return re.sub(r"[\s\-.]+", "_", name.strip().lower())


def binary(value: object) -> int | None:
    """0 or 1 for what stands for them in a one-hot column; None for anything else."""
    return BINARY.get(str(value).strip().lower())


def find_columns(
    table: Path, header: Sequence[str], rows: Sequence[Sequence[object]], options: ReadOptions, find: Find
) -> Columns | None:
    """The columns by their names, or as the options name them; None where the table is not one of photos and labels.

    Of several columns that could name the photo, it is the one whose values name most photos, as `find` finds them.

    Raises:
        TaggingError: an option names a column that is not there, or several columns could hold the labels.
    """
    names = [plain(name) for name in header]
    photo = _photo(table, names, rows, options, find)
    if photo is None:
        return None
    if suffix_of(header[photo]) in SUFFIXES and len(find(header[photo])) == 1:
        what = f"names the photo {header[photo]!r}, so that the table has no heading"
        raise TaggingError(f"{table} line 1: {what}: put a line such as photo,labels above it")
    split = next((names.index(name) for name in SPLIT_NAMES if names.count(name) == 1 and _is_split(name, names, rows)), None)
    group = None if options.groups in GROUPINGS else _named(table, names, options.groups, "column of groups")
    if options.label_column:
        asked = options.label_column
        written = [asked] if plain(asked) in names else asked.split(",")
        wanted = [_named(table, names, name, "label column") for name in written]
        return Columns(photo, tuple(wanted), len(wanted) > 1, split, group, names[wanted[0]] not in LABEL_NAMES)
    known = [place for place, name in enumerate(names) if name in (*LABELS_NAMES, *LABEL_NAMES) and place != photo]
    exact = [place for place in known if names[place] == "labels"]
    ends = (place for place, name in enumerate(names) if name.endswith(LABELS_ENDS) and name not in BOOKKEEPING)
    known = exact or known or [place for place in ends if place != photo]
    if len({names[place] for place in known}) < len(known) or names.count(names[photo]) > 1:
        raise TaggingError(f"{table} line 1: the columns are {','.join(header)!r}: give {names[photo]} and labels once each")
    if len(known) == 1:
        known += _more_of(names, known[0], photo)
    if len(known) > 1:
        listed = " and ".join(header[place] for place in known)
        raise TaggingError(f"{table} line 1: the columns {listed} could hold the labels: name one with --read label_column=NAME")
    places = [place for place, name in enumerate(header) if place not in (photo, split, group) and not INDEX.match(name)]
    columns = {place: [row[place] for row in rows if len(row) == len(header)] for place in places}
    binary_places = [place for place in places if names[place] not in BOOKKEEPING and _is_binary(columns[place])]
    # One of several columns of 0 and 1 is a label, even if it is called `target`.
    if known and not (known[0] in binary_places and len(binary_places) > 1):
        single = names[known[0]] in LABEL_NAMES
        sure = names.index("confidence") if "confidence" in names else None
        long = single and not OBJECTS.isdisjoint(names)
        like = [place for place in places if names[place] in (*LABELS_NAMES, *LABEL_NAMES) or place in binary_places]
        others = tuple(header[place] for place in like if place != known[0] and not long)
        return Columns(photo, (known[0],), False, split, group, not single, others, long=long, sure=sure if long else None)
    if not binary_places:
        return None
    if len(binary_places) < len(places) and (len(binary_places) == 1 or 2 * len(binary_places) < len(places)):
        what = f"only {', '.join(header[place] for place in binary_places)} of the columns {', '.join(header)} are of 0 and 1"
        fix = "name those of labels with --read label_column=NAME, several joined by commas"
        raise TaggingError(f"{table} line 1: {what}: {fix}")
    labels = [header[place] for place in binary_places]
    if again := [label for label in labels if labels.count(label) > 1]:
        raise TaggingError(f"{table} line 1: the label {again[0]!r} has several columns: keep one, or name them apart")
    passed_over = tuple(header[place] for place in places if place not in binary_places)
    values = {str(value).strip() for place in binary_places for value in columns[place]}
    return Columns(
        photo, tuple(binary_places), True, split, group, passed_over=passed_over, signed="-1" in values and values <= {"1", "-1"}
    )


def _more_of(names: list[str], known: int, photo: int) -> list[int]:
    """Columns that hold labels beside the known one by their names: `label.1` or `label_2`, and `primary_label`."""
    base = re.sub(r"s?_?[0-9]*$", "", names[known])
    kin = re.compile(rf"{re.escape(base)}s?_?[0-9]+")
    stem = re.match(r"secondary_(.+?)s?$", names[known])
    return [
        place
        for place, name in enumerate(names)
        if place not in (known, photo) and (kin.fullmatch(name) or (stem and name == f"primary_{stem[1]}"))
    ]


def _photo(
    table: Path, names: list[str], rows: Sequence[Sequence[object]], options: ReadOptions, find: Find
) -> int | None:
    if options.photo_column:
        return _named(table, names, options.photo_column, "photo column")

    def hits(place: int) -> int:
        return sum(len(find(str(row[place]))) == 1 for row in rows[:SAMPLE_ROWS] if place < len(row))

    known = [names.index(name) for name in PHOTO_NAMES if name in names]
    files = [place for place in range(len(names)) if _holds_file_names(rows, place)]
    if files and known and all(names[place] in ID_NAMES for place in known if place not in files):
        known = [place for place in known if place in files] or files
    if not known:  # a name that only sounds like one must prove it
        known = [place for place, name in enumerate(names) if PHOTO_WORDS & set(name.split("_")) and hits(place)]
    if len(known) < 2:
        return known[0] if known else None
    return max(known, key=hits)  # the first of equals, in the order of the names


def _holds_file_names(rows: Sequence[Sequence[object]], place: int) -> bool:
    """Whether most values end as names of photos do, behind whatever path or address."""
    values = [str(row[place]).partition("?")[0] for row in rows[:SAMPLE_ROWS] if place < len(row)]
    return 2 * sum(suffix_of(value) in SUFFIXES for value in values) > len(values)


def _named(table: Path, names: list[str], wanted: str, what: str) -> int:
    if names.count(plain(wanted)) != 1:
        raise TaggingError(f"{table} line 1: has no {what} {wanted.strip()!r}: its columns are {', '.join(names)}")
    return names.index(plain(wanted))


def _is_split(name: str, names: list[str], rows: Sequence[Sequence[object]]) -> bool:
    """A column of a plain name, such as `set`, must hold parts; `split` and its like may hold what it wants."""
    values = {str(row[names.index(name)]).strip() for row in rows if len(row) == len(names)}
    if name in ("ml_use", "is_valid", "is_test") or (name == "split" and any(given_part(name, value) for value in values)):
        return True
    return bool(values) and all(given_part(name, value) for value in values if value)


def given_part(column: str, value: object) -> str | None:
    """The part of a split that the value of a split column means; None for any other value."""
    if column in ("is_valid", "is_test"):
        known = binary(value)
        return None if known is None else (TRAIN, VALIDATION if column == "is_valid" else TEST)[known]
    return part_of(str(value))


def _is_binary(values: Sequence[object]) -> bool:
    """Whether the column is of 0 and 1 by what it holds.

    A stray value, a blank, a share or a cross is a problem for the reader to name, not another sort of column.
    """
    written = [text for value in values if value is not None and (text := str(value).strip().lower())]
    known = sum(binary(text) is not None for text in written)
    return 2 * known > len(written) or (bool(written) and all(map(_stands_for_binary, written)))


def _stands_for_binary(text: str) -> bool:
    try:
        return -1 <= float(text) <= 1
    except ValueError:
        return text in ("x", "y", "n", "✓", "✔") or binary(text) is not None
