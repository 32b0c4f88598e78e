"""COCO instances: JSON of images, categories and annotations; a photo carries the categories of its annotations."""

from __future__ import annotations

import json
import re
from pathlib import Path, PurePath, PurePosixPath
from typing import Any

from tagging_lib.data.readers.photos import PhotoFinder, files_below, natural, suffix_of
from tagging_lib.data.readers.reading import Problem, Problems, Reading, ReadOptions, part_of, photo_named, reading_of, unlisted
from tagging_lib.errors import TaggingError

KEYS = ("images", "annotations", "categories")
INSTANCES = "instances"  # COCO's own files; its others repeat the photos with what is not their labels
REPEATED = ("person_keypoints", "captions", "stuff", "panoptic", "densepose", "image_info")
HEAD = 1 << 20  # bytes in which a file's first keys stand


def recognises(root: Path, options: ReadOptions) -> bool:
    """Whether there is a JSON file with images, annotations and categories."""
    return bool(files_of(root))


def files_of(root: Path) -> list[Path]:
    """The files with the three keys; beside one named `instances…`, none of those that repeat its photos."""
    found = [root / name for name in sorted(files_below(root), key=natural) if suffix_of(name) == ".json" and _fits(root / name)]
    if any(path.name.startswith(INSTANCES) for path in found):
        found = [path for path in found if not path.name.startswith(REPEATED)]
    return found


def _fits(path: Path) -> bool:
    """By its text alone where the file is small; where it is large, by its head and its end."""
    try:
        with open(path, "rb") as stream:
            text = stream.read(HEAD)
            stream.seek(max(0, path.stat().st_size - HEAD))
            text += stream.read(HEAD)
    except OSError:
        return False
    if text.lstrip()[:1] != b"{":
        return False
    seen = sum(f'"{key}"'.encode() in text for key in KEYS)
    return seen == len(KEYS) or (path.stat().st_size > 2 * HEAD and seen > 1)


def read(root: Path, options: ReadOptions) -> Reading:
    """Photos of `images` with the names of the categories of their annotations; a photo without any has no label.

    The part of a photo is in the name of its file (`instances_train2017.json`), or of its folder.

    Raises:
        TaggingError: there is no such file, or one is not as it should be; the message names file and field.
    """
    paths = files_of(root)
    if not paths:
        raise TaggingError(f"{root} holds no JSON with {', '.join(KEYS)}: export COCO instances into it")
    finder, problems = PhotoFinder(root), Problems()
    carried: dict[str, set[str]] = {}
    parts: dict[str, str | None] = {}
    labels: set[str] = set()
    for path in paths:
        content = _load(path)
        labels_of = _labels_by_image(path, content, labels, problems)
        below = _folder_of_photos(root, path, finder)
        part = _part(path.relative_to(root))
        for place, image in enumerate(content["images"]):
            where = f"{path.name} images[{place}]"
            name = _field(path, image, "file_name", f"images[{place}]")
            photo = photo_named(finder, str(name), below, where, problems)
            if photo is not None:
                found = set(labels_of.get(_field(path, image, "id", f"images[{place}]"), ()))
                if found and carried.get(photo, found) != found:
                    fix = "they are joined; remove a file that is out of date"
                    problems.add("joined", Problem(where, f"{photo!r} has other labels in another place", fix))
                carried.setdefault(photo, set()).update(found)
                if parts.setdefault(photo, part) != part:
                    what = f"{photo!r} is in another part of the split, too"
                    problems.add("parts", Problem(where, what, "its first part counts"))
    if not any(carried.values()):
        problems.append(Problem(paths[0].name, "no photo has an annotation", "export the annotations too", True))
    problems += unlisted(finder, carried)
    return reading_of(
        carried,
        problems=problems.told(),
        read_as=f"coco {', '.join(path.relative_to(root).as_posix() for path in paths)}: categories of each photo's annotations",
        labels=labels,
        parts=parts if len(set(parts.values()) - {None}) > 1 else None,
    )


def _folder_of_photos(root: Path, path: Path, finder: PhotoFinder) -> str:
    """The folder from which names start: one called as the file's part (`train2017`) is, else the file's own."""
    folders = {folder for name in finder.names for folder in PurePosixPath(name).parents}
    own = path.parent.relative_to(root).as_posix()
    for subset in (path.stem.partition("_")[2], path.stem):
        named = [str(folder) for folder in folders if subset and folder.name == subset]
        if len(named) == 1:
            return named[0]
    return "" if own == "." else own


def _part(path: PurePath) -> str | None:
    """The part that a word of the file's name means, or the name of its folder."""
    words = re.findall(r"[a-z]+", path.stem.lower()) + [folder.lower() for folder in path.parts[-2::-1]]
    return next(filter(None, map(part_of, words)), None)


def _load(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise TaggingError(f"{path} is not valid JSON ({error}): export it again") from error
    except OSError as error:
        raise TaggingError(f"{path} cannot be read ({error.strerror}): make it readable") from error
    for key in KEYS:
        if not isinstance(content, dict) or not isinstance(content.get(key), list):
            raise TaggingError(f"{path}: {key} is no list: export COCO instances again")
    return content


def _field(path: Path, entry: Any, field: str, where: str) -> Any:
    if not isinstance(entry, dict) or not isinstance(entry.get(field), str | int):
        raise TaggingError(f"{path}: {where} has no {field}: export it again")
    return entry[field]


def _labels_by_image(path: Path, content: dict[str, Any], labels: set[str], problems: Problems) -> dict[Any, set[str]]:
    """Names of the categories of each image's annotations; `labels` gains the names of all categories."""
    names: dict[Any, str] = {}
    for place, category in enumerate(content["categories"]):
        name = str(_field(path, category, "name", f"categories[{place}]")).strip()
        number = _field(path, category, "id", f"categories[{place}]")
        if names.setdefault(number, name) != name:
            raise TaggingError(f"{path}: categories[{place}] has the id {number} of {names[number]!r}: give each its own")
    labels |= set(names.values())
    known = {_field(path, image, "id", f"images[{place}]") for place, image in enumerate(content["images"])}
    found: dict[Any, set[str]] = {}
    for place, annotation in enumerate(content["annotations"]):
        where = f"annotations[{place}]"
        number, category = (_field(path, annotation, field, where) for field in ("image_id", "category_id"))
        if category not in names:
            what = f"there is no category {category}"
            problems.add("category", Problem(f"{path.name} {where}", what, "add it to categories", True))
        elif number not in known:
            what = f"there is no image {number}"
            problems.add("image", Problem(f"{path.name} {where}", what, "add it to images, or remove the annotation", True))
        else:
            found.setdefault(number, set()).add(names[category])
    return found
