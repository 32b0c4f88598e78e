"""A folder for each label; a photo that lies in several of them is one photo with several labels."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from tagging_lib.data.readers.levels import labels_of_path, refuse_leaves_of_one_name
from tagging_lib.data.readers.photos import photos_below, same_content
from tagging_lib.data.readers.reading import (
    TRAIN,
    Problem,
    Problems,
    Reading,
    ReadOptions,
    no_file,
    part_of,
    reading_of,
)
from tagging_lib.errors import TaggingError

CONTAINERS = frozenset(("images", "imgs", "photos", "pictures", "data", "jpegimages", "dataset"))  # folders that are no label


def recognises(root: Path, options: ReadOptions) -> bool:
    """Whether all photos lie in at least two folders that may be labels."""
    paths = label_folders(photos_below(root)).values()
    return len(set(paths)) > 1 and all(paths)


def label_folders(names: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """The folders of each photo that are labels: without train, valid, test, `images`, and those that all photos share.

    >>> label_folders(["set/train/cat/1.jpg", "set/test/dog/2.jpg", "set/test/3.jpg"])
    {'set/train/cat/1.jpg': ('cat',), 'set/test/dog/2.jpg': ('dog',), 'set/test/3.jpg': ()}
    """
    left = {name: PurePosixPath(name).parts[:-1] for name in names}
    while any(left.values()):
        tops = {folders[0] for folders in left.values() if folders}
        passed = {top for top in tops if part_of(top) or top.lower() in CONTAINERS}
        # A vehicle beside others.
        if len(passed) == 1 and len(tops) > 1 and all(len(folders) < 2 for folders in left.values() if folders[:1] == (*passed,)):
            passed -= {top for top in passed if part_of(top) == TRAIN and top.lower() == TRAIN}
        deeper = [len(folders) > 1 for folders in left.values() if folders]
        # What wraps all of them, or seg_train and seg_test.
        if not passed and (all(deeper) if len(tops) == 1 else any(deeper) and all(map(_holds_part, tops))):
            passed = tops
        if not passed:
            break
        left = {name: folders[1:] if folders and folders[0] in passed else folders for name, folders in left.items()}
    if left and all(len(folders) > 1 and part_of(folders[-1]) for folders in left.values()):  # cat/train, cat/test
        return {name: folders[:-1] for name, folders in left.items()}
    return left


def _holds_part(folder: str) -> bool:
    return any(part_of(word) or word == "pred" for word in re.findall("[a-z]+", folder.lower()))


def read(root: Path, options: ReadOptions) -> Reading:
    """Photos with the folders that they lie in as labels; of folders in folders, as the option `hierarchy` says.

    Photos of the same bytes in several folders are one, under the first path.

    Raises:
        TaggingError: there are no photos in subfolders.
    """
    names = photos_below(root)
    folders_of = label_folders(names)
    labelled = [name for name in names if folders_of[name]]
    if not labelled:
        raise TaggingError(f"{root} holds no photos in folders: make a folder for each label")
    problems = Problems()
    for name in set(names) - set(labelled):
        problems.add("outside", Problem(name, "lies in no label's folder", "it is passed over"))
    unusable = [name for name in labelled if not (root / name).is_file()]
    problems += [no_file(name, root / name) for name in unusable]
    usable = [name for name in labelled if name not in set(unusable)]
    carried = {name: labels_of_path(folders_of[name], options.hierarchy) for name in usable}
    refuse_leaves_of_one_name((folders_of[name] for name in usable), options.hierarchy, problems, "folders")
    merged = 0
    for first, *others in same_content(root, usable):
        for other in others:
            carried[first] |= carried.pop(other)
            merged += 1
    told = f"; a photo in several folders counts once, with all its labels (here {merged})" if merged else ""
    return reading_of(carried, problems=problems.told(), read_as=f"folders: a folder for each label{told}")
