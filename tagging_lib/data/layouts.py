"""Which layout a folder has: each reader says whether it recognises it, and more than one is never settled by guessing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import ModuleType

from tagging_lib.data.readers import (
    coco,
    folders,
    imagefolder,
    keywords,
    label_studio,
    numbered,
    table,
    voc,
    yolo,
)
from tagging_lib.data.readers.elsewhere import speaking_of_photos
from tagging_lib.data.readers.photos import only_folder, photos_below, unread_below
from tagging_lib.data.readers.reading import GROUPINGS, LAYOUTS, Problem, Reading, ReadOptions
from tagging_lib.errors import TaggingError

READERS: dict[str, ModuleType] = dict(
    zip(LAYOUTS, (numbered, table, imagefolder, folders, coco, voc, yolo, label_studio, keywords), strict=True)
)
# Photos lie in folders, and carry keywords, in other layouts too: these two are asked when there is no file of labels.
IMPLICIT = ("folders", "keywords")


def read(root: Path, options: ReadOptions) -> tuple[str, Reading]:
    """The name of the layout, and what its reader says of the folder.

    Raises:
        TaggingError: no layout fits, or several; the message says which, and how to force one.
    """
    layout = options.layout or find(root, options)
    reading: Reading = READERS[layout].read(root, options)
    if options.groups not in GROUPINGS and not reading.groups:
        choices = ", ".join(GROUPINGS)
        raise TaggingError(f"groups is {options.groups!r}: photos read as {layout} have no such column: choose {choices}")
    if left := [] if options.corrections else table.corrections_in(root):
        idle = Problem(left[0].name, "is a file of corrections, which is not applied", "give it as --corrections, or ignore this")
        reading = replace(reading, problems=(*reading.problems, idle))
    if layout == "table" and not options.table and (samples := table.submissions_in(root)):
        what = "shows how answers are written, and holds no labels"
        sample = Problem(samples[0].name, what, "say --read table=NAME if it does")
        reading = replace(reading, problems=(*reading.problems, sample))
    unread = unread_below(root)
    if unread:
        passed_over = Problem(root.name, unread, "convert them to JPEG or TIFF; until then they are passed over")
        reading = replace(reading, problems=(*reading.problems, passed_over))
    return layout, reading


def find(root: Path, options: ReadOptions) -> str:
    """The only layout that fits."""
    asked = ("table",) if options.table else tuple(name for name in LAYOUTS if name not in IMPLICIT)
    fitting = [name for name in asked if READERS[name].recognises(root, options)]
    if not fitting:
        # A table that cannot be read must not make its photos' folders the labels.
        if faults := table.fitting_tables(root, options)[1]:
            raise faults[0]
        fitting = [name for name in IMPLICIT if READERS[name].recognises(root, options)]
        if "folders" in fitting:
            _refuse_what_lies_elsewhere(root, options)
    if len(fitting) > 1:
        choices = " or ".join(f"--layout {name}" for name in fitting)
        raise TaggingError(f"{root} can be read as {' and as '.join(fitting)}: say {choices}")
    if not fitting:
        raise _nothing_found(root, options)
    return fitting[0]


def _refuse_what_lies_elsewhere(root: Path, options: ReadOptions) -> None:
    """Folders' names are no labels where others lie there that are not read.

    Raises:
        TaggingError: they do; it says where.
    """
    if inside := only_folder(root):
        explicit = (name for name in LAYOUTS if name not in IMPLICIT)
        if any(READERS[name].recognises(inside, options) for name in explicit):
            raise TaggingError(f"{root} holds nothing but the folder {inside.name}: give {inside}")
    if what := speaking_of_photos(root):
        raise TaggingError(f"{root}: {what}; or say --layout folders if the folders' names are the labels")


def _nothing_found(root: Path, options: ReadOptions) -> TaggingError:
    if table.candidates(root, options):
        return table.nothing_fits(root, options)
    photos = photos_below(root)
    if not photos:
        return TaggingError(f"{root} holds no photos: give a folder or zip of photos with their labels")
    if inside := only_folder(root):
        return TaggingError(f"{root} holds nothing but the folder {inside.name}: give {inside}")
    folders_of = folders.label_folders(photos)
    outside = [name for name, path in folders_of.items() if not path]
    if outside and len({path for path in folders_of.values() if path}) > 1:
        what = f"photos that lie in no label's folder: {len(outside)}, first {outside[0]!r}"
        return TaggingError(f"{root}: {what}: say --layout folders to pass them over, or move them into one")
    if said := speaking_of_photos(root):
        return TaggingError(f"{root}: {said}")
    ways = "a CSV with the columns photo,labels, or a folder for each label"
    return TaggingError(f"{root} holds photos, but no labels in a layout that is read here: add {ways}")
