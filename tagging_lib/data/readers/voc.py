"""Pascal VOC: `ImageSets/Main/<label>_<set>.txt` with 1, 0 or −1 for each photo, or XML with the objects of a photo.

0 means "difficult" (VOC 2007 development kit, section 4.1): the photo shows the label, though it is hard to see, so that it
carries it here. The same objects are in the XML files.
"""

from __future__ import annotations

import re
from pathlib import Path

from tagging_lib.data.readers import documents
from tagging_lib.data.readers.photos import PhotoFinder, files_below, head_of, natural, suffix_of
from tagging_lib.data.readers.reading import Problem, Problems, Reading, ReadOptions, part_of, photo_named, reading_of, unlisted
from tagging_lib.errors import TaggingError

MAIN = "ImageSets/Main"
SETS = ("train", "val", "trainval", "test")
SHOWN = {"1": True, "0": True, "-1": False}
HEAD = 4096  # bytes in which an annotation's root element stands


def recognises(root: Path, options: ReadOptions) -> bool:
    """Whether there are label files in `ImageSets/Main`, or XML files of annotations."""
    return bool(_label_files(root)) or bool(_xml_files(root, most=1))


def read(root: Path, options: ReadOptions) -> Reading:
    """Photos and labels by the label files; where there is none, by the XML files. The parts are the lists of the sets.

    Raises:
        TaggingError: there is neither, or an XML file is not readable.
    """
    label_files = _label_files(root)
    finder, problems = PhotoFinder(root), Problems()
    sets = _sets(root, set(label_files), finder)
    if label_files:
        carried, labels = _by_label_files(root, label_files, finder, problems)
        _add_objects(root, set().union(*(photos for _, photos in sets)), carried, finder, problems)
        read_as = f"voc {label_files[0].parent.relative_to(root).as_posix()}: a file for each label"
    else:
        xml_files = _xml_files(root)
        if not xml_files:
            raise TaggingError(f"{root} holds neither {MAIN}/<label>_<set>.txt nor XML annotations: export Pascal VOC into it")
        carried, labels = _by_xml(root, xml_files, finder, problems), set()
        read_as = f"voc: objects of {len(xml_files)} XML files"
    if not any(carried.values()):
        problems.append(Problem(root.name, "no photo has a label", "export the annotations too", True))
    problems += unlisted(finder, carried)
    return reading_of(carried, problems=problems.told(), read_as=read_as, labels=labels, parts=_parts(sets))


def _lists(root: Path) -> list[Path]:
    """The text files of `ImageSets/Main`, which may lie in folders such as `VOCdevkit/VOC2012`."""
    names = [name for name in files_below(root) if f"/{name}".rpartition("/")[0].endswith(f"/{MAIN}") and name.endswith(".txt")]
    return [root / name for name in sorted(names, key=natural)]


def _label_files(root: Path) -> list[Path]:
    """The lists that are named after a label and a set: a usual one, or one that has a list by itself (`default.txt`)."""
    lists = _lists(root)
    sets = {*SETS, *(path.stem for path in lists)}
    return [path for path in lists if path.stem.rpartition("_")[0] and path.stem.rpartition("_")[2] in sets]


def _xml_files(root: Path, most: int | None = None) -> list[Path]:
    """XML files whose root element is `annotation`, in natural order; with `most` no more than that are looked for."""
    found = []
    for name in sorted((name for name in files_below(root) if suffix_of(name) == ".xml"), key=natural):
        if re.search(rb"<annotation[\s>]", head_of(root / name, HEAD)):
            found.append(root / name)
        if len(found) == most:
            break
    return found


def _by_label_files(
    root: Path, paths: list[Path], finder: PhotoFinder, problems: Problems
) -> tuple[dict[str, set[str]], set[str]]:
    carried: dict[str, set[str]] = {}
    said: dict[tuple[str, str], tuple[bool, str]] = {}
    difficult = 0
    for path in paths:
        label = path.stem.rpartition("_")[0]
        for line, fields in _lines(path):
            where = f"{path.relative_to(root).as_posix()} line {line}"
            if len(fields) != 2 or fields[1] not in SHOWN:
                what = f"{' '.join(fields)[:40]!r} is no photo with 1, 0 or -1"
                problems.add("line", Problem(where, what, "correct or remove the line", True))
                continue
            photo = photo_named(finder, fields[0], _images_beside(root, path.parent.parent), where, problems)
            if photo is None:
                continue
            shown = SHOWN[fields[1]]
            difficult += fields[1] == "0"
            earlier, place = said.setdefault((photo, label), (shown, where))
            if earlier != shown:
                what = f"{fields[0]} has another value in {place}"
                problems.add("other", Problem(where, what, "give both the same", True))
            carried.setdefault(photo, set()).update({label} if shown else ())
    if difficult:
        what = f"lines with the value 0, which means difficult: {difficult}"
        problems.append(Problem(MAIN, what, "their photos carry the label"))
    return carried, {path.stem.rpartition("_")[0] for path in paths}


def _sets(root: Path, label_files: set[Path], finder: PhotoFinder) -> list[tuple[str, list[str]]]:
    """The name of each set, such as `train`, and the photos in its list."""
    found = []
    for path in _lists(root):
        if path not in label_files:
            below = _images_beside(root, path.parent.parent)
            meant = (finder.find(fields[0], below) for _, fields in _lines(path))
            found.append((path.stem, [photos[0] for photos in meant if len(photos) == 1]))
    return found


def _add_objects(
    root: Path, in_sets: set[str], carried: dict[str, set[str]], finder: PhotoFinder, problems: Problems
) -> None:
    """Where sets have photos of which no label's file speaks, these files hold tags of some: objects are in XML then."""
    if in_sets <= carried.keys():
        return
    objects = _by_xml(root, _xml_files(root), finder, problems)
    for photo in sorted(in_sets | (carried.keys() & objects.keys()), key=natural):
        carried.setdefault(photo, set()).update(objects.get(photo, ()))


def _images_beside(root: Path, folder: Path) -> str:
    """`JPEGImages` beside a folder, else the folder: masks in `SegmentationClass` have the photos' names."""
    images = folder.parent / "JPEGImages"
    found = images if folder != root and images.is_dir() else folder
    return found.relative_to(root).as_posix().removeprefix(".")


def _lines(path: Path) -> list[tuple[int, list[str]]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (UnicodeDecodeError, OSError) as error:
        raise TaggingError(f"{path} cannot be read as UTF-8 text ({error}): save it so") from error
    return [(line, entry.split()) for line, entry in enumerate(text.splitlines(), start=1) if entry.strip()]


def _by_xml(root: Path, paths: list[Path], finder: PhotoFinder, problems: Problems) -> dict[str, set[str]]:
    carried: dict[str, set[str]] = {}
    for path in paths:
        entries = documents.texts(path)
        where = path.relative_to(root).as_posix()
        below = _images_beside(root, path.parent)
        written = next((text for names, text in entries if names == ("annotation", "filename")), "")
        # Tools forget to rename inside the file: the photo of the file's own name counts before the one that it names.
        own = finder.find(path.stem, below)
        photo = own[0] if len(own) == 1 else photo_named(finder, written or path.stem, below, where, problems)
        if photo is None:
            continue
        found = _objects(entries)
        if "" in found:
            problems.add("name", Problem(where, "an object has no name", "give it one, or remove it", True))
        if carried.setdefault(photo, found - {""}) != found - {""}:
            problems.add("again", Problem(where, f"{photo!r} has other objects in another file", "keep one file", True))
    return carried


def _objects(entries: list[tuple[tuple[str, ...], str]]) -> set[str]:
    """The names of the objects, without those that LabelMe keeps as deleted."""
    found: set[str] = set()
    name, deleted = None, False
    for names, text in entries:
        if names == ("annotation", "object", "name"):
            name = text
        elif names == ("annotation", "object", "deleted"):
            deleted = text == "1"
        elif names == ("annotation", "object"):
            found |= set() if name is None or deleted else {name}
            name, deleted = None, False
    return found


def _parts(sets: list[tuple[str, list[str]]]) -> dict[str, str | None] | None:
    """The part of each photo by the sets train, val and test; trainval says nothing."""
    parts: dict[str, str | None] = {}
    for name, photos in sets:
        part = part_of(name)
        for photo in photos if part else ():
            parts.setdefault(photo, part)
    return parts or None
