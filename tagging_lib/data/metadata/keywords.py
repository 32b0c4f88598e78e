"""Keywords in a photo, whatever program wrote them, and in the XMP file beside it.

Where the same keywords stand in several places, the rules of the Metadata Working Group decide (Guidelines for Handling
Image Metadata 2.0, section 5.3, and "Reconciling"): XMP counts before IPTC, unless the digest that Photoshop keeps of the
IPTC record shows that a program that knows no XMP has changed it since.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tagging_lib.data.metadata import iptc, xmp
from tagging_lib.data.metadata.blocks import Blocks, BrokenError
from tagging_lib.data.metadata.containers import read_blocks
from tagging_lib.errors import TaggingError

HIERARCHIES = ("leaf", "path", "all")
LEVELS = "|"  # between the levels of a path, as Lightroom writes it
SUBJECT = "http://purl.org/dc/elements/1.1/ subject"
HIERARCHICAL_SUBJECT = "http://ns.adobe.com/lightroom/1.0/ hierarchicalSubject"
TAGS_LIST = "http://www.digikam.org/ns/1.0/ TagsList"
GIVEN = "urn:tagging-lib:xmp/1.0/ given"  # tags of ours, as `tagging_lib.inference.xmp` notes them: `dc:subject=beach`
OURS = ("dc:subject=", "lr:hierarchicalSubject=")  # of these two notes, all others repeat the second
ACDSEE = "http://ns.acdsee.com/iptc/1.0/ "
MWG = "http://www.metadataworkinggroup.com/schemas/keywords/ "
# Field, property of XMP, and what stands between levels (empty: the keywords are flat).
PROPERTIES = (
    ("dc_subject", SUBJECT, ""),
    ("lr_hierarchical", HIERARCHICAL_SUBJECT, "|"),
    ("digikam_tagslist", TAGS_LIST, "/"),
    ("microsoft", "http://ns.microsoft.com/photo/1.0/ LastKeywordXMP", "/"),
    ("microsoft", "http://ns.microsoft.com/photo/1.0 LastKeywordXMP", "/"),  # both are about
    ("mediapro", "http://ns.iview-multimedia.com/mediapro/1.0/ CatalogSets", "|"),
    ("mediapro", "http://ns.microsoft.com/expressionmedia/1.0/ CatalogSets", "|"),
    ("acdsee_flat", ACDSEE + "keywords", ""),
    ("given", GIVEN, ""),
    ("pdf_keywords", "http://ns.adobe.com/pdf/1.3/ Keywords", ""),
)
TREES = {MWG + "Keywords": "mwg_hierarchy", ACDSEE + "categories": "acdsee"}
WANTED = frozenset([name for _, name, _ in PROPERTIES]) | TREES.keys()
MAX_LENGTH, MAX_KEYWORDS, MAX_PACKETS = 1000, 10_000, 8  # letters of a keyword, keywords of a field, packets of a file
FRACTION_SLASH = "\u2215"  # what `tagging_lib.inference.xmp` writes for a slash where a slash parts levels


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
    files = [*sidecars_of(path), path] if sidecars else [path]
    read = [_read_file(file, hierarchy, given) for file in files]
    used = next((one for one in read if one.keywords), read[-1])
    problems = [problem for one in read for problem in one.problems]
    for other in read:
        if other.keywords and set(other.keywords) != set(used.keywords):
            problems.append(f"{other.source} has other keywords than {used.source.name}, which counts")
    guessed = _once(keyword for one in read for keyword in one.guessed)
    return Keywords(used.keywords, used.fields, used.source, tuple(problems), guessed)


def sidecars_of(photo: Path) -> list[Path]:
    """The XMP files that lie beside a photo, `photo.jpg.xmp` before `photo.xmp`; none for an XMP file."""
    if photo.suffix.lower() == ".xmp":
        return []
    found: list[Path] = []
    for name in (photo.name, photo.stem):
        for suffix in (".xmp", ".XMP"):
            place = photo.with_name(name + suffix)
            # Where case does not count, both names are one file.
            if place.is_file() and not any(place.samefile(other) for other in found):
                found.append(place)
    return found


def _read_file(path: Path, hierarchy: str, given: bool) -> Keywords:
    blocks = read_blocks(path)
    try:
        fields, paths = _fields(blocks, strict=path.suffix.lower() == ".xmp")
    except BrokenError as error:
        raise TaggingError(f"{path}: {error}: restore or remove it") from error
    shown = {name: tuple(found) for name, found in fields.items() if found}
    guessed: set[str] = set() if given else {note.partition("=")[2] for note in fields.get("given", ()) if note.startswith(OURS)}
    left_out = _once(keyword for keyword in (*fields.get("dc_subject", ()), *paths) if keyword in guessed)
    fields["dc_subject"] = [keyword for keyword in fields.get("dc_subject", ()) if keyword not in guessed]
    paths = [whole for whole in paths if whole not in guessed]
    newer = bool(blocks.digest) and not any(iptc.unchanged(record, blocks.digest) for record in blocks.iptc)
    flat = _flat(fields, paths, iptc_counts=newer)
    levels = {level for one in paths for level in one.split(LEVELS)}
    whole = [*paths, *(keyword for keyword in flat if keyword not in levels)]
    chosen = {"leaf": flat, "path": whole, "all": [*flat, *whole]}[hierarchy]
    problems = tuple(f"{path}: {problem}" for problem in blocks.problems)
    return Keywords(_once(chosen), shown, path, problems, left_out)


def _fields(blocks: Blocks, *, strict: bool) -> tuple[dict[str, list[str]], list[str]]:
    """Keywords by field, and the paths of all hierarchical fields; what is wrong is added to the blocks' problems.

    Raises:
        BrokenError: with `strict`, where XMP is none or damaged.
    """
    fields: dict[str, list[str]] = {}
    paths: list[str] = []
    for record in blocks.iptc:
        found, problem = iptc.keywords(record)
        fields["iptc"] = fields.get("iptc") or _clean(found, blocks)
        if problem:
            blocks.report(problem)
    if strict and not blocks.xmp:
        raise BrokenError("no XMP is in it")
    if len(blocks.xmp) > MAX_PACKETS:
        blocks.report(f"more than {MAX_PACKETS} packets of XMP: the rest is left out")
    for packet in blocks.xmp[:MAX_PACKETS]:
        try:
            _add_packet(xmp.parse(packet, WANTED), blocks, fields, paths)
        except BrokenError as error:
            if strict:
                raise
            blocks.report(str(error))
    for value in blocks.xp_keywords:
        text = value[: len(value) // 2 * 2].decode("utf-16-le", "replace").split("\0")[0]
        fields["xp_keywords"] = _clean(text.split(";"), blocks)
    return fields, list(_once(paths))


def _add_packet(packet: xmp.Packet, blocks: Blocks, fields: dict[str, list[str]], paths: list[str]) -> None:
    """Add a packet's keywords; a later packet's field takes the place of an earlier one's."""
    for field, name, separator in PROPERTIES:
        if found := _clean(packet.values(name), blocks):
            fields[field] = found
            paths += _paths(found, separator) if separator else []
    for name, field in TREES.items():
        for element in packet.properties(name):
            tree = _mwg_paths(packet, element, "") if field == "mwg_hierarchy" else _acdsee_paths(element.text, blocks)
            fields[field] = _clean(tree, blocks)
            paths += fields[field]


def _paths(found: list[str], separator: str) -> Iterator[str]:
    for keyword in found:
        levels = [level.strip() for level in keyword.split(separator)]
        if path := LEVELS.join(level for level in levels if level):
            yield path.replace(FRACTION_SLASH, "/") if separator == "/" else path


def _mwg_paths(packet: xmp.Packet, element: xmp.Element, above: str) -> Iterator[str]:
    """Each node of the tree of the Metadata Working Group, as attributes or elements: `Keyword` and `Children`."""
    name = element.attributes.get(MWG + "Keyword", "")
    below = []
    for child in element.children:
        if child.name == MWG + "Keyword":
            name = packet.value(child)
        elif child.name in (MWG + "Children", MWG + "Hierarchy", xmp.RDF + "Description", *xmp.CONTAINERS, xmp.RDF + "li"):
            below.append(child)
    path = above
    if name.strip():
        path = f"{above}{LEVELS}{name.strip()}" if above else name.strip()
        yield path
    if len(path) <= MAX_LENGTH:
        for child in below:
            yield from _mwg_paths(packet, child, path)


def _acdsee_paths(text: str, blocks: Blocks) -> Iterator[str]:
    """The assigned categories of ACDSee, which are XML within a text."""

    def walk(element: xmp.Element, above: str) -> Iterator[str]:
        name = element.text.strip()
        path = LEVELS.join(part for part in (above, name) if part)
        if name and element.attributes.get("Assigned") == "1":
            yield path
        if len(path) <= MAX_LENGTH:
            for child in element.children:
                yield from walk(child, path)

    try:
        yield from walk(xmp.parse_plain(text), "") if text.strip() else ()
    except BrokenError as error:
        blocks.report(f"ACDSee's categories: {error}")


def _clean(found: Iterable[str], blocks: Blocks) -> list[str]:
    """Keywords in NFC without outer blanks and line breaks; without those that are empty, endless or hold control characters."""
    kept: list[str] = []
    for keyword in found:
        keyword = unicodedata.normalize("NFC", keyword[: MAX_LENGTH + 1])
        keyword = re.sub(r"\s*[\r\n\t]\s*", " ", keyword).strip("\ufeff\0 ").strip()
        if len(keyword) > MAX_LENGTH:
            blocks.report(f"a keyword of over {MAX_LENGTH} letters is left out: {keyword[:40]!r}…")
        elif any(unicodedata.category(letter) == "Cc" for letter in keyword):
            blocks.report(f"a keyword with control characters is left out: {keyword[:40]!r}")
        elif len(kept) == MAX_KEYWORDS:
            blocks.report(f"more than {MAX_KEYWORDS} keywords: the rest is left out")
            break
        elif keyword:
            kept.append(keyword)
    return kept


def _once(found: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(found))


def _flat(fields: dict[str, list[str]], paths: list[str], *, iptc_counts: bool) -> list[str]:
    """The flat keywords that count; the last levels of the paths where there are none."""
    leaves = [path.rsplit(LEVELS, 1)[-1] for path in paths]
    record, subject = fields.get("iptc", []), fields.get("dc_subject", [])
    subject = _parted(subject, [record, leaves, fields.get("xp_keywords", [])])
    if record and (iptc_counts or not subject):
        return [_uncut(keyword, subject) for keyword in record]
    pdf = [part.strip() for text in fields.get("pdf_keywords", []) for part in re.split("[;,]", text)]
    for found in (subject, leaves, fields.get("acdsee_flat", []), fields.get("xp_keywords", [])):
        if found:
            return found
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
