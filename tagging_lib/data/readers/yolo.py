"""YOLO labels: a text file for each photo, a line `class x y width height` for each object, and the names of the classes."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from tagging_lib.data.readers.names import read_names
from tagging_lib.data.readers.photos import NUMBER, SUFFIXES, PhotoFinder, files_below, head_of, natural, suffix_of
from tagging_lib.data.readers.reading import Problem, Problems, Reading, ReadOptions, part_of, reading_of
from tagging_lib.errors import TaggingError

IMAGES, LABELS = "images", "labels"
LISTS = frozenset(("classes.txt", "labels.txt", "names.txt", "obj.names"))
YAML = (".yaml", ".yml")
LEAST_FIELDS = 5
HEAD = 1 << 20  # bytes of a YAML file in which names are looked for


def recognises(root: Path, options: ReadOptions) -> bool:
    """Whether a label file lies where one belongs and has a line as it should be, or names of classes lie beside."""
    names = list(files_below(root))
    held = [root / place for place in label_files(names).values()]
    return bool(held) and (bool(names_files(root, names)) or any(_has_a_box(path) for path in held[:100]))


def label_files(names: Iterable[str]) -> dict[str, str]:
    """The label file of each photo that has one: in `labels` instead of `images`, or beside the photo."""
    names = list(names)
    texts = {name for name in names if name.endswith(".txt") and PurePosixPath(name).name not in LISTS}
    found = {}
    for name in names if texts else ():
        place = next((place for place in places_of(name) if place in texts), None) if suffix_of(name) in SUFFIXES else None
        if place is not None:
            found[name] = place
    return found


def places_of(photo: str) -> list[str]:
    """Where the label file of a photo may lie.

    >>> places_of("train/images/a.jpg")
    ['train/labels/a.txt', 'train/images/a.txt']
    """
    path = PurePosixPath(photo).with_suffix(".txt")
    parts = list(path.parts)
    if IMAGES not in parts[:-1]:
        return [str(path)]
    last = len(parts) - 2 - parts[-2::-1].index(IMAGES)
    return [str(PurePosixPath(*parts[:last], LABELS, *parts[last + 1 :])), str(path)]


def names_files(root: Path, names: Iterable[str]) -> list[Path]:
    """Files that name the classes: a YAML file with `names`, `classes.txt`, `obj.names` and their like."""
    found = []
    for name in sorted(names, key=natural):
        path = root / name
        listed = path.name in LISTS or suffix_of(name) == ".names"
        if listed or (suffix_of(name) in YAML and re.search(rb"^names\s*:", head_of(path, HEAD), re.MULTILINE)):
            found.append(path)
    return found


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise TaggingError(f"{path} is not UTF-8 text ({error.reason}): save it as UTF-8") from error
    except OSError as error:
        raise TaggingError(f"{path} cannot be read ({error.strerror}): make it readable") from error


def _has_a_box(path: Path) -> bool:
    try:
        fields = _text(path).split("\n", 1)[0].split()
    except TaggingError:
        return False
    return len(fields) >= LEAST_FIELDS and NUMBER.fullmatch(fields[0]) is not None and all(map(_is_number, fields))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def read(root: Path, options: ReadOptions) -> Reading:
    """Photos with the names of the classes in their label files; a photo without a file or a line has no label.

    Raises:
        TaggingError: there are no photos, no label files, or no names of the classes, or several that differ.
    """
    names = list(files_below(root))
    finder, held = PhotoFinder(root), label_files(names)
    if not finder.names or not held:
        raise TaggingError(f"{root} holds no photos with label files: put them into {IMAGES}/ and {LABELS}/")
    classes, source = _classes(root, names)
    problems = Problems()
    carried = {photo: _labels(root, held[photo], classes, problems) if photo in held else set() for photo in finder.names}
    without = [photo for photo in finder.names if photo not in held]
    if without:
        what = f"photos without a label file: {len(without)}, first {without[0]!r}"
        problems.append(Problem(LABELS, what, "they are read as photos that carry no label"))
    used = set(held.values())
    for name in sorted(names, key=natural):
        stray = suffix_of(name) == ".txt" and LABELS in PurePosixPath(name).parts[:-1] and PurePosixPath(name).name not in LISTS
        if stray and name not in used:
            problems.add("stray", Problem(name, "there is no photo of this name", "add the photo or remove the file", True))
    if not any(carried.values()):
        problems.append(Problem(LABELS, "no photo has a label", "export the labels too", True))
    return reading_of(
        carried,
        problems=problems.told(),
        read_as=f"yolo: a file for each photo, names from {source}",
        labels=classes.values(),
        parts=_parts(root, names, finder),
    )


def _parts(root: Path, names: Iterable[str], finder: PhotoFinder) -> dict[str, str | None] | None:
    """The part of each photo by the lists of paths that Darknet and Ultralytics take: `train.txt`, `val.txt`, `test.txt`."""
    parts: dict[str, str | None] = {}
    for name in sorted(names, key=natural):
        path = PurePosixPath(name)
        part = part_of(path.stem)
        if part is not None and suffix_of(name) == ".txt" and LABELS not in path.parts:
            lines = [line for line in _text(root / name).splitlines() if suffix_of(line.strip()) in SUFFIXES]
            finder.learn(lines)
            for line in lines:
                found = finder.meant(line) or finder.meant(line.partition("/")[2])  # Darknet's start one folder above
                if len(found) == 1:
                    parts.setdefault(found[0], part)
    return parts if len(set(parts.values())) > 1 else None


def _classes(root: Path, names: Iterable[str]) -> tuple[dict[int, str], str]:
    paths = names_files(root, names)
    if not paths:
        raise TaggingError(f"{root} names no classes: add classes.txt, one name a line, or data.yaml with names")
    found = [read_names(path, _text(path)) for path in paths]
    differing = [path for path, classes in zip(paths, found, strict=True) if classes != found[0]]
    if differing:
        raise TaggingError(f"{paths[0]} and {differing[0]} name other classes: keep one of them")
    again = [name for name in found[0].values() if list(found[0].values()).count(name) > 1]
    if again:
        raise TaggingError(f"{paths[0]} names two classes {again[0]!r}: name them apart")
    return found[0], paths[0].relative_to(root).as_posix()


def _labels(root: Path, place: str, classes: dict[int, str], problems: Problems) -> set[str]:
    found = set()
    for line, text in enumerate(_text(root / place).split("\n"), start=1):
        fields = text.split()
        if not fields:
            continue
        where = f"{place} line {line}"
        if len(fields) < LEAST_FIELDS or not NUMBER.fullmatch(fields[0]) or not all(map(_is_number, fields)):
            what = f"{text.strip()[:40]!r} is no line of class x y width height"
            problems.add("line", Problem(where, what, "correct or remove it", True))
        elif int(fields[0]) not in classes:
            what = f"there is no name of class {fields[0]}"
            problems.add("class", Problem(where, what, "add it to the names of the classes", True))
        else:
            found.add(classes[int(fields[0])])
    return found
