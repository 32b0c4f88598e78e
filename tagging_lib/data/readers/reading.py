"""What every reader is asked and what it answers: options, problems, and photos with their labels."""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from tagging_lib.data.readers.photos import UNREAD, PhotoFinder, natural, suffix_of
from tagging_lib.errors import TaggingError

LAYOUTS = ("numbered", "table", "imagefolder", "folders", "coco", "voc", "yolo", "label-studio", "keywords")
GROUPINGS = ("found", "folder", "none")  # of photos that stay in one part of a split; any other word names a column
HIERARCHIES = ("leaf", "path", "all")
TRAIN, VALIDATION, TEST = "train", "validation", "test"
PART_WORDS = {
    **dict.fromkeys(("train", "training"), TRAIN),
    **dict.fromkeys(("val", "valid", "validation", "validate", "dev", "eval"), VALIDATION),
    **dict.fromkeys(("test", "testing", "evaluation"), TEST),
}
PART = re.compile(rf"(?:obj_)?({'|'.join(PART_WORDS)})(?:[ _-]?(?:set|data|images|imgs|photos|pictures|20[0-9][0-9]))?")


@dataclass(frozen=True)
class Problem:
    """Something in a corpus that is not as it should be.

    Attributes:
        fatal: it stops the study.
        broken: it is a photo that cannot be used: with `--skip-broken` the study goes on without it.
        wrong: labels are probably not what their author meant; the study goes on, and `tagging check` exits 1.
    """

    where: str
    what: str
    fix: str
    fatal: bool = False
    broken: bool = False
    wrong: bool = False

    @property
    def level(self) -> str:
        """`error`, `warning` or `note`."""
        return "error" if self.fatal else "warning" if self.wrong else "note"

    def __str__(self) -> str:
        line = f"{self.level}: {self.where}: {self.what}; {self.fix}"
        return "".join(letter if letter.isprintable() else " " for letter in line)


def no_file(where: str, path: Path) -> Problem:
    """The problem of an entry that is named like a photo and cannot be used as one."""
    if path.is_dir():
        what, fix = "is a folder", "replace or remove it"
    elif suffix_of(path.name) in UNREAD:
        what, fix = f"is of a format that is not read ({suffix_of(path.name)})", "convert it to JPEG or TIFF, or remove it"
    else:
        what, fix = "is no file" if path.exists() else "is a link that leads nowhere", "replace or remove it"
    return Problem(where, what, fix, True, broken=True)


class Problems(list[Problem]):
    """Problems of which those of one sort become one, with the first case and their number: a forgotten zip makes thousands."""

    def __init__(self) -> None:
        super().__init__()
        self._sorts: dict[str, tuple[int, int]] = {}

    def add(self, sort: str, problem: Problem) -> None:
        """Append the problem, or count it among those of its sort."""
        place, count = self._sorts.setdefault(sort, (len(self), 0))
        if count == 0:
            self.append(problem)
        self._sorts[sort] = (place, count + 1)

    def told(self) -> tuple[Problem, ...]:
        """One problem of each sort."""
        told = list(self)
        for place, count in self._sorts.values():
            if count > 1:
                told[place] = replace(told[place], what=f"{told[place].what} (and {count - 1} more such cases)")
        return tuple(told)


def photo_named(finder: PhotoFinder, written: str, below: str, where: str, problems: Problems) -> str | None:
    """The photo that a name in a file means (`PhotoFinder.meant`); a name that means none, or several, is a fatal problem."""
    found = finder.meant(written, below)
    bare = PurePosixPath(written.replace("\\", "/"))
    name = bare.name if bare.is_absolute() or "://" in written else written
    if len(found) == 1:
        return found[0]
    if found:
        what = f"{written!r} could be {len(found)} photos ({found[0]}, {found[1]})"
        problems.add("several", Problem(where, what, "give its path from the folder of the corpus", True))
    elif name and (entry := finder.lies_there(name, below)):
        problems.append(no_file(entry.relative_to(finder.root).as_posix(), entry))
    else:
        what = f"{written!r} is no photo here{finder.hint(name)}"
        problems.add("none", Problem(where, what, "give its path from the folder of the corpus, or add the photo", True))
    return None


class Written(Enum):
    """How labels stand in a corpus, which says what may have gone wrong with them."""

    NAMES = "names of files, folders, columns or classes, or cells with a separator that the user stated"
    ENTRIES = "entries of lists, which somebody may have typed joined"
    CELLS = "text of cells, taken apart at a separator that was found"


LEAVE_OUT, READ = "leave-out", "read"
# What has an option of its own on the command line, in the order in which `cli.options.reading` writes it.
OWN_OPTIONS = ("layout", "separator", "relabel", "corrections", "min_photos", "groups")


@dataclass(frozen=True)
class ReadOptions:
    """How a corpus is to be read; nothing has to be given.

    Attributes:
        layout: one of `LAYOUTS`; empty: found.
        table: name of the table, where the folder holds several.
        photo_column, label_column: columns of a table; several label columns, joined by commas, are read as 0/1. In a Label
            Studio export `label_column` names the control.
        separator: what stands between the labels of a cell; `none`: a cell is one label; `tab`; empty: found.
        hierarchy: of keywords, folders in folders and taxonomies: `leaf`, `path` or `all`.
        relabel: a CSV with the columns label, becomes.
        corrections: CSVs with the columns photo, label, value, who, when: one, several joined by commas, or a list.
        min_photos: labels on fewer photos are left out; 0 keeps those without a photo too.
        skip_broken: photos that cannot be read are left out.
        groups: which photos stay in one part of a split: `found` (twins), `folder`, `none`, or a column of the table.
        given: keywords that a model of ours gave (`tagging predict --xmp`) are no labels (`leave-out`), or are (`read`).
    """

    layout: str = ""
    table: str = ""
    photo_column: str = ""
    label_column: str = ""
    separator: str = ""
    hierarchy: str = "leaf"
    relabel: str | Path = ""
    min_photos: int = 0
    skip_broken: bool = False
    groups: str = "found"
    corrections: str | Path | tuple[Path, ...] = ""
    given: str = LEAVE_OUT

    def __post_init__(self) -> None:
        if self.layout and self.layout not in LAYOUTS:
            raise TaggingError(f"layout is {self.layout!r}: choose {', '.join(LAYOUTS)}")
        if self.hierarchy not in HIERARCHIES:
            raise TaggingError(f"hierarchy is {self.hierarchy!r}: choose {', '.join(HIERARCHIES)}")
        if self.given not in (LEAVE_OUT, READ):
            raise TaggingError(f"given is {self.given!r}: choose {LEAVE_OUT} or {READ}")
        if not self.groups.strip():
            raise TaggingError("groups is empty: choose found, folder, none, or a column of the table")
        if self.min_photos < 0:
            raise TaggingError(f"min-photos is {self.min_photos}: give 0 or more")

    def skipping(self, skip_broken: bool) -> ReadOptions:
        """The same options, which leave broken photos out if these do or if it is asked for."""
        return replace(self, skip_broken=self.skip_broken or skip_broken)


AS_FOUND = ReadOptions()


@dataclass(frozen=True, eq=False)
class Reading:
    """What a folder holds.

    Attributes:
        labels: alphabetical.
        photos: paths relative to the folder, with `/`, in natural order.
        numbers: int64 (N,).
        targets: uint8 (N, L), 1 where the photo carries the label.
        read_as: the layout in words, with the files, columns and separator that were found.
        written: how the labels stand there.
        parts: `train`, `validation`, `test` or None for each photo, where the corpus says it; else empty.
        groups: what stands in the column of groups for each photo, where one is asked for; else empty.
    """

    labels: tuple[str, ...]
    photos: tuple[str, ...]
    numbers: np.ndarray
    targets: np.ndarray
    problems: tuple[Problem, ...]
    read_as: str
    written: Written = Written.NAMES
    parts: tuple[str | None, ...] = ()
    groups: tuple[str, ...] = ()


def reading_of(
    carried: Mapping[str, Collection[str]],
    *,
    problems: Iterable[Problem],
    read_as: str,
    labels: Iterable[str] = (),
    written: Written = Written.NAMES,
    parts: Mapping[str, str | None] | None = None,
    groups: Mapping[str, str] | None = None,
) -> Reading:
    """The reading of photos with the labels that each carries; `labels` are known ones that no photo needs to carry.

    Parts come from `parts`, else from folders train, valid, test.
    """
    photos = tuple(sorted(carried, key=natural))
    names = tuple(sorted(set(labels).union(*carried.values())))
    column_of = {label: column for column, label in enumerate(names)}
    targets = np.zeros((len(photos), len(names)), dtype=np.uint8)
    for row, photo in enumerate(photos):
        for label in carried[photo]:
            targets[row, column_of[label]] = 1
    given = tuple(parts.get(photo) for photo in photos) if parts else parts_by_folder(photos)
    return Reading(
        names,
        photos,
        np.arange(1, len(photos) + 1, dtype=np.int64),
        targets,
        (*problems, *unwritable((*photos, *names)), *unused(names, targets)),
        read_as,
        written,
        given if any(given) else (),
        tuple(groups.get(photo, "") for photo in photos) if groups else (),
    )


def unwritable(names: Iterable[str]) -> list[Problem]:
    """One problem for names that are no text in UTF-8, as old archives and disks leave them: no table could hold them."""
    found = [name for name in names if not name.isascii() and any("\ud800" <= letter <= "\udfff" for letter in name)]
    fix = "rename it (convmv -f latin1 -t utf-8 does so for a folder)"
    return [Problem(ascii(found[0]), f"is no name in UTF-8, nor are {len(found) - 1} others", fix, True)] if found else []


def unused(labels: tuple[str, ...], targets: np.ndarray) -> list[Problem]:
    """One problem for the labels that no photo carries."""
    empty = [label for label, count in zip(labels, targets.sum(axis=0), strict=True) if not count]
    return [Problem(quoted(empty), "no photo carries it", "its scores will be undefined")] if empty and len(targets) else []


def unlisted(finder: PhotoFinder, carried: Collection[str], where: str = "") -> list[Problem]:
    """One problem for the photos of which the corpus says nothing."""
    left = [name for name in finder.names if name not in carried]
    if not left:
        return []
    return [Problem(where or left[0], f"photos that are not listed: {len(left)}, first {left[0]!r}", "they are passed over")]


def part_of(word: str) -> str | None:
    """`train`, `validation` or `test` for the usual words of these; None for any other.

    >>> part_of("Valid"), part_of("train_images"), part_of("cats")
    ('validation', 'train', None)
    """
    found = PART.fullmatch(word.strip().lower())
    return PART_WORDS[found[1]] if found else None


def parts_by_folder(photos: Iterable[str]) -> tuple[str | None, ...]:
    """The part that a folder on a photo's path names; empty unless at least two parts have photos."""
    found = tuple(next(filter(None, map(part_of, PurePosixPath(photo).parts[:-1])), None) for photo in photos)
    return found if len(set(found) - {None}) > 1 else ()


def quoted(names: Iterable[str], most: int = 5) -> str:
    """The first names in quotes, and how many more there are.

    >>> quoted(["a", "b", "c"], most=2)
    "'a', 'b' and 1 more"
    """
    listed = list(names)
    more = f" and {len(listed) - most} more" if len(listed) > most else ""
    return ", ".join(repr(name) for name in listed[:most]) + more


def as_words(text: str) -> list[str]:
    """The same line as words of a command line, not quoted; `--read` has what has no option of its own.

    >>> as_words("layout=table relabel=names.csv table=tags.csv hierarchy=path")
    ['--layout', 'table', '--relabel', 'names.csv', '--read', 'table=tags.csv hierarchy=path']
    """
    found, others = [], []
    for word in shlex.split(text):
        name, _, value = word.partition("=")
        if name in OWN_OPTIONS:
            found += [f"--{name.replace('_', '-')}", value]
        else:
            others.append(word)
    return [*found, *(["--read", shlex.join(others)] if others else [])]


def options_of(text: str) -> ReadOptions:
    """Options from one line of name=value words, quoted as in a shell: `layout=table separator='|' min_photos=3`.

    Raises:
        TaggingError: a word is no such pair, or names no option.
    """
    given: dict[str, Any] = {}
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise TaggingError(f"{text!r} says nothing of reading ({error}): close the quote") from error
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or name not in ReadOptions.__dataclass_fields__:
            known = ", ".join(ReadOptions.__dataclass_fields__)
            raise TaggingError(f"{word!r} says nothing of reading: write name=value, with one of {known}")
        if name == "min_photos" and not value.isdecimal():
            raise TaggingError(f"min_photos is {value!r}: give 0 or more")
        given[name] = int(value) if name == "min_photos" else value == "True" if name == "skip_broken" else value
    return ReadOptions(**given)
