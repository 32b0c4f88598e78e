"""The fields of a photo, or of an XMP file, in which programs keep keywords, as they stand there."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator

from tagging_lib.data.metadata import iptc, xmp
from tagging_lib.data.metadata.blocks import Blocks, BrokenError

LEVELS = "|"  # between the levels of a path, as Lightroom writes it
SUBJECT = "http://purl.org/dc/elements/1.1/ subject"
HIERARCHICAL_SUBJECT = "http://ns.adobe.com/lightroom/1.0/ hierarchicalSubject"
TAGS_LIST = "http://www.digikam.org/ns/1.0/ TagsList"
GIVEN = "urn:tagging-lib:xmp/1.0/ given"  # tags of ours, as `tagging_lib.inference.xmp` notes them: `dc:subject=beach`
ACDSEE = "http://ns.acdsee.com/iptc/1.0/ "
MWG = "http://www.metadataworkinggroup.com/schemas/keywords/ "
# Field and property of XMP.
PROPERTIES = (
    ("dc_subject", SUBJECT),
    ("lr_hierarchical", HIERARCHICAL_SUBJECT),
    ("digikam_tagslist", TAGS_LIST),
    ("microsoft", "http://ns.microsoft.com/photo/1.0/ LastKeywordXMP"),
    ("microsoft", "http://ns.microsoft.com/photo/1.0 LastKeywordXMP"),  # both are about
    ("mediapro", "http://ns.iview-multimedia.com/mediapro/1.0/ CatalogSets"),
    ("mediapro", "http://ns.microsoft.com/expressionmedia/1.0/ CatalogSets"),
    ("acdsee_flat", ACDSEE + "keywords"),
    ("given", GIVEN),
    ("sidecar_for", "http://ns.adobe.com/photoshop/1.0/ SidecarForExtension"),
    ("pdf_keywords", "http://ns.adobe.com/pdf/1.3/ Keywords"),
)
WANTED = frozenset([*(name for _, name in PROPERTIES), MWG + "Keywords", ACDSEE + "categories"])
MAX_LENGTH, MAX_KEYWORDS, MAX_PACKETS = 1000, 10_000, 8  # letters of a keyword, keywords of a field, packets of a file


def fields_of(blocks: Blocks, *, strict: bool) -> dict[str, list[str]]:
    """Keywords by field, trees as the paths of their nodes (`Places|Kiel`); what is wrong is added to the blocks' problems.

    Raises:
        BrokenError: with `strict`, where XMP is none or damaged.
    """
    fields: dict[str, list[str]] = {}
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
            _add_packet(xmp.parse(packet, WANTED), blocks, fields)
        except BrokenError as error:
            if strict:
                raise
            blocks.report(str(error))
    for value in blocks.xp_keywords:
        text = value[: len(value) // 2 * 2].decode("utf-16-le", "replace").split("\0")[0]
        fields["xp_keywords"] = _clean(text.split(";"), blocks)
    return fields


def _add_packet(packet: xmp.Packet, blocks: Blocks, fields: dict[str, list[str]]) -> None:
    """Add a packet's keywords; a later packet's field takes the place of an earlier one's."""
    for field, name in PROPERTIES:
        if found := _clean(packet.values(name), blocks):
            fields[field] = found
    for element in packet.properties(MWG + "Keywords"):
        fields["mwg_hierarchy"] = _clean(_mwg_paths(packet, element, ""), blocks)
    for text in packet.texts(ACDSEE + "categories"):
        fields["acdsee"] = _clean(_acdsee_paths(text, blocks), blocks)


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
