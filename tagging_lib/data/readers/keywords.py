"""Keywords in the photos, or in XMP files beside them, as photo managers write them."""

from __future__ import annotations

from pathlib import Path

from tagging_lib.data.metadata.keywords import read_keywords
from tagging_lib.data.readers.photos import photos_below
from tagging_lib.data.readers.reading import READ, Problem, Problems, Reading, ReadOptions, Written, reading_of
from tagging_lib.errors import TaggingError

LOOKED_AT = 300  # photos, spread over all, in which to look for a first keyword


def recognises(root: Path, options: ReadOptions) -> bool:
    """Whether one of the photos carries a keyword."""
    names = photos_below(root)
    return any(map(_has_keyword, (root / name for name in names[:: -(-len(names) // LOOKED_AT) or 1])))


def _has_keyword(path: Path) -> bool:
    try:
        return bool(read_keywords(path).keywords)
    except TaggingError:
        return False


def read(root: Path, options: ReadOptions) -> Reading:
    """Photos with their keywords; one without any has no label.

    Raises:
        TaggingError: there are no photos.
    """
    names = photos_below(root)
    if not names:
        raise TaggingError(f"{root} holds no photos: put photos with keywords there")
    problems = Problems()
    carried: dict[str, set[str]] = {}
    for name in names:
        try:
            found = read_keywords(root / name, options.hierarchy, given=options.given == READ)
        except TaggingError as error:
            what, _, fix = str(error).removeprefix(f"{root / name}").lstrip(": ").rpartition(": ")
            problems.append(Problem(name, what or str(error), fix or "replace or remove it", True, broken=True))
            continue
        carried[name] = set(found.keywords)
        if found.guessed:
            told = f"{found.guessed[0]!r} was given by a model of ours, and is no label"
            problems.add("given", Problem(name, told, f"say --read given={READ} where somebody has looked through them"))
        for what in found.problems:
            told = what.removeprefix(f"{root / name}: ").replace(f"{root}/", "")
            problems.add("keywords", Problem(name, told, "mend it in the program that wrote it"))
    if not any(carried.values()):
        problems.append(Problem(root.name, "no photo has a keyword", "give them keywords, or choose another --layout", True))
    return reading_of(
        carried,
        problems=problems.told(),
        read_as=f"keywords in the photos, of a hierarchy {options.hierarchy}",
        written=Written.ENTRIES,
    )
