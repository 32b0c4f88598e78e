"""Keywords in a photo, whatever program wrote them, and in the XMP file beside it.

Where the same keywords stand in several places, the rules of the Metadata Working Group decide (Guidelines for Handling
Image Metadata 2.0, section 5.3, and "Reconciling"): XMP counts before IPTC, unless the digest that Photoshop keeps of the
IPTC record shows that a program that knows no XMP has changed it since.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from tagging_lib.data.metadata import iptc
from tagging_lib.data.metadata.blocks import BrokenError
from tagging_lib.data.metadata.containers import read_blocks
from tagging_lib.data.metadata.fields import LEVELS, fields_of
from tagging_lib.errors import TaggingError

HIERARCHIES = ("leaf", "path", "all")
FRACTION_SLASH = "\u2215"  # what `tagging_lib.inference.xmp` writes for a slash where a slash parts levels
SUBJECT, LIGHTROOM = "dc_subject", "lr_hierarchical"
# Fields that hold paths, in this order, and what parts their levels.
HIERARCHICAL = {
    LIGHTROOM: LEVELS,
    "digikam_tagslist": "/",
    "microsoft": "/",
    "mediapro": LEVELS,
    "mwg_hierarchy": LEVELS,
    "acdsee": LEVELS,
}
# The property to which a model of ours may have given a keyword, as the notes in `given` name it: `dc:subject=beach`.
NOTED = {SUBJECT: "dc:subject=", LIGHTROOM: "lr:hierarchicalSubject=", "digikam_tagslist": "digiKam:TagsList="}
SUFFIXES = {".jpe": ".jpeg", ".jpg": ".jpeg", ".tif": ".tiff", ".heif": ".heic"}  # of one format each


@dataclass(frozen=True)
class Keywords:
    """Keywords of a photo.

    Attributes:
        keywords: what counts, in the order of the file, each once, NFC.
        fields: all that was found, by field (`iptc`, `dc_subject`, `lr_hierarchical`, `digikam_tagslist`, `xp_keywords`, …), as
            written but for blanks; a field with nothing is left out. `given` tells which tags a model of ours gave.
        source: the file that they are from: the photo, or an XMP file beside it.
        problems: what could not be read or contradicts, each in a line that names the file.
        guessed: keywords and paths that a model of ours gave, and that were left out for that.
    """

    keywords: tuple[str, ...]
    fields: dict[str, tuple[str, ...]]
    source: Path
    problems: tuple[str, ...]
    guessed: tuple[str, ...] = ()

def read_keywords(path: Path, hierarchy: str = "leaf", *, sidecars: bool = True, given: bool = True) -> Keywords:
    """The keywords of a photo, or of an XMP file itself.

    With `sidecars` the XMP files beside the photo are read too. The first with a keyword counts: `photo.jpg.xmp`, then
    `photo.xmp`, then the photo itself, because programs write the file beside the photo in order not to touch the photo.
    A `photo.xmp` that says of itself that it belongs to a file of another format (to the raw one of a pair) comes last.

    Args:
        hierarchy: `leaf` gives keywords as the flat fields have them (`Kiel`), or the last levels where there are only
            hierarchical ones; `path` gives whole paths (`Places|Europe|Kiel`), and the flat keywords that are no level of
            any; `all` gives both.
        given: count those that a model of ours gave, as `tagging_lib.inference.xmp` notes them.

    Raises:
        TaggingError: a file is no photo and no XMP, or cannot be read; it names the file.
        ValueError: no such hierarchy.
    """
    if hierarchy not in HIERARCHIES:
        raise ValueError(f"hierarchy {hierarchy!r}: choose from {', '.join(HIERARCHIES)}")
    beside = [_read_file(file, hierarchy, given) for file in (sidecars_of(path) if sidecars else ())]
    photo = _read_file(path, hierarchy, given)
    own = [*(one for one in beside if not _of_another(one, path)), photo]
    read = [*own, *(one for one in beside if _of_another(one, path))]
    used = next((one for one in read if one.keywords), photo)
    problems = [problem for one in read for problem in one.problems]
    for other in own:
        if other.keywords and set(other.keywords) != set(used.keywords):
            problems.append(f"{other.source} has other keywords than {used.source.name}, which counts")
    guessed = _once(keyword for one in read for keyword in one.guessed)
    return Keywords(used.keywords, used.fields, used.source, tuple(problems), guessed)


def sidecars_of(photo: Path) -> list[Path]:
    """The XMP files that lie beside a photo, `photo.jpg.xmp` before `photo.xmp`; none for an XMP file.

    One whose name differs in case counts where it is no other file's: folders come from systems that take no notice of case.
    """
    if photo.suffix.lower() == ".xmp":
        return []
    xmp_files, names = _beside(photo.parent)
    found: list[Path] = []
    for name in (photo.name, photo.stem):
        exact = [photo.with_name(name + suffix) for suffix in (".xmp", ".XMP")]
        like = [place for place in xmp_files.get(name.casefold(), ()) if place.stem == name or place.stem not in names]
        for place in (*exact, *like):
            # Where case does not count, both names are one file.
            if place.is_file() and not any(place.samefile(other) for other in found):
                found.append(place)
    return found


def _beside(folder: Path) -> tuple[dict[str, list[Path]], frozenset[str]]:
    try:
        return _listed(folder, folder.stat().st_mtime_ns)
    except OSError:
        return {}, frozenset()


@lru_cache(maxsize=16)
def _listed(folder: Path, changed: int) -> tuple[dict[str, list[Path]], frozenset[str]]:
    """XMP files of a folder by the name that they stand beside, in small letters; names of others, with and without suffix."""
    xmp_files: dict[str, list[Path]] = {}
    names = set()
    for place in sorted(folder.iterdir()):
        if place.suffix.lower() == ".xmp":
            xmp_files.setdefault(place.stem.casefold(), []).append(place)
        else:
            names |= {place.name, place.stem}
    return xmp_files, frozenset(names)


def _of_another(sidecar: Keywords, photo: Path) -> bool:
    """Whether `photo.xmp` says that it belongs to a file with another suffix, as Lightroom's and Camera Raw's do."""
    told = [f".{suffix.lower()}" for suffix in sidecar.fields.get("sidecar_for", ())]
    if sidecar.source.stem.casefold() == photo.name.casefold():
        return False
    return bool(told) and SUFFIXES.get(told[0], told[0]) != SUFFIXES.get(photo.suffix.lower(), photo.suffix.lower())


def _read_file(path: Path, hierarchy: str, given: bool) -> Keywords:
    blocks = read_blocks(path)
    try:
        fields = fields_of(blocks, strict=path.suffix.lower() == ".xmp")
    except BrokenError as error:
        raise TaggingError(f"{path}: {error}: restore or remove it") from error
    shown = {name: tuple(found) for name, found in fields.items() if found}
    guessed = () if given else _take_out_given(fields)
    paths = _once(_paths(fields))
    newer = bool(blocks.digest) and not any(iptc.unchanged(record, blocks.digest) for record in blocks.iptc)
    flat = _flat(fields, paths, iptc_counts=newer)
    if newer and fields.get("iptc"):  # what was removed from it since has not gone from XMP
        paths = tuple(path for path in paths if _leaf(path) in flat)
    known = {part for one in paths for part in (one.replace(LEVELS, "/"), *one.split(LEVELS))}
    whole = [*paths, *(keyword for keyword in flat if keyword not in known)]
    chosen = {"leaf": flat, "path": whole, "all": [*flat, *whole]}[hierarchy]
    problems = tuple(f"{path}: {problem}" for problem in blocks.problems)
    return Keywords(_once(chosen), shown, path, problems, guessed)


def _take_out_given(fields: dict[str, list[str]]) -> tuple[str, ...]:
    """Take what a model of ours gave out of the very properties it was given to; says which keywords and paths these were.

    A flat keyword stays where a path of the user's ends with it.
    """
    notes = fields.get("given", ())
    given = {field: {note.removeprefix(mark) for note in notes if note.startswith(mark)} for field, mark in NOTED.items()}
    trees = {field: [path for path in fields.get(field, ()) if path not in given[field]] for field in NOTED.keys() - {SUBJECT}}
    left = set(_paths(trees))
    given[SUBJECT] -= {_leaf(path) for path in left}
    taken = [keyword for field in (SUBJECT, LIGHTROOM) for keyword in fields.get(field, ()) if keyword in given[field]]
    fields |= trees | {SUBJECT: [keyword for keyword in fields.get(SUBJECT, ()) if keyword not in given[SUBJECT]]}
    # digiKam copies paths into fields of other programs, ours among them.
    for field in HIERARCHICAL.keys() - NOTED.keys():
        fields[field] = [path for path in fields.get(field, ()) if _path(path, field) not in given[LIGHTROOM] - left]
    return _once(taken)


def _paths(fields: dict[str, list[str]]) -> Iterator[str]:
    """The paths of all hierarchical fields, levels parted by `|`; where a slash may part levels or not, another field tells."""
    slashed = [field for field, separator in HIERARCHICAL.items() if separator == "/"]
    others = (_path(keyword, field) for field in HIERARCHICAL.keys() - slashed for keyword in fields.get(field, ()))
    known = {path.replace(LEVELS, "/") for path in others}
    subject = set(fields.get(SUBJECT, ()))
    for field in HIERARCHICAL:
        for keyword in fields.get(field, ()):
            if field in slashed and keyword.replace(FRACTION_SLASH, "/") in known:
                continue
            # Windows' note of what it wrote stays when another program changes the keywords.
            if field == "microsoft" and subject and subject.isdisjoint((keyword, keyword.rpartition("/")[2])):
                continue
            if path := _path(keyword, field):
                yield path


def _path(keyword: str, field: str) -> str:
    separator = HIERARCHICAL[field]
    path = LEVELS.join(level.strip() for level in keyword.split(separator) if level.strip())
    return path.replace(FRACTION_SLASH, "/") if separator == "/" else path


def _leaf(path: str) -> str:
    return path.rsplit(LEVELS, 1)[-1]


def _once(found: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(found))


def _flat(fields: dict[str, list[str]], paths: Collection[str], *, iptc_counts: bool) -> list[str]:
    """The flat keywords that count; the last levels of the paths where there are none."""
    leaves = [_leaf(path) for path in paths]
    record, subject = fields.get("iptc", []), fields.get(SUBJECT, [])
    subject = _parted(subject, [record, leaves, fields.get("xp_keywords", [])])
    if record and (iptc_counts or not subject):
        return [_uncut(keyword, subject) for keyword in record]
    pdf = [part.strip() for text in fields.get("pdf_keywords", []) for part in re.split("[;,]", text)]
    # ACDSee's keywords and its categories are two lists of their own, of which neither repeats the other.
    for found in (subject, [*fields.get("acdsee_flat", []), *leaves], fields.get("xp_keywords", [])):
        if found:
            return [_leaf(keyword) if keyword in paths else keyword for keyword in found]
    return [keyword for keyword in pdf if keyword]


def _parted(subject: list[str], others: list[list[str]]) -> list[str]:
    """A single keyword that holds all of them, as GIMP writes, parted where another field shows that its parts are keywords."""
    for separator in ",;":
        parts = [part.strip() for part in subject[0].split(separator)] if len(subject) == 1 else []
        if len(parts) > 1 and any(other and set(other) <= set(parts) for other in others):
            return [part for part in parts if part]
    return subject


def _uncut(keyword: str, subject: list[str]) -> str:
    """The keyword as XMP has it where IPTC had no room for all of it."""
    if len(keyword.encode()) < iptc.MAX_KEYWORD - 3:  # a letter of four bytes may be missing
        return keyword
    return next((whole for whole in subject if whole.startswith(keyword)), keyword)
