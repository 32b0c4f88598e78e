"""TIFF, BigTIFF and EXIF: the four tags of the first directory that hold keywords (TIFF 6.0; Windows' XP tags)."""

from __future__ import annotations

from collections.abc import Callable

from tagging_lib.data.metadata.blocks import Blocks, BrokenError, Source

XMP, IPTC, RESOURCES, XP_KEYWORDS = 700, 33723, 34377, 0x9C9E
SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}  # bytes by type
# The last four are raw photos of Panasonic and Olympus.
MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+", b"IIU\0", b"IIRO", b"IIRS", b"MMOR")


def read_exif(content: bytes, blocks: Blocks) -> None:
    """Add what EXIF within another format holds to `blocks`; damage is one of its problems."""
    try:
        read(Source.of(content.removeprefix(b"Exif\0\0")), blocks)
    except BrokenError as error:
        blocks.report(f"EXIF cannot be read ({error})")


def read(source: Source, blocks: Blocks, resources: Callable[[bytes, Blocks], None] | None = None) -> None:
    """Add what the first directory holds to `blocks`; `resources` reads Photoshop's resources, where they may be.

    Raises:
        BrokenError: the file is no TIFF, or its directory is not inside it.
    """
    magic = source.read(0, 4)
    if magic not in MAGIC:
        raise BrokenError("EXIF or TIFF has no header")
    order, big = "<" if magic[:2] == b"II" else ">", b"+" in magic[2:]
    (start,) = source.numbers(8, order + "Q") if big else source.numbers(4, order + "I")
    (count,) = source.numbers(start, order + ("Q" if big else "H"))
    form, width = ("HHQ8s", 20) if big else ("HHI4s", 12)
    source.read(start + (8 if big else 2), count * width)  # all of it is there
    for number in range(count):
        place = start + (8 if big else 2) + number * width
        tag, kind, length = source.numbers(place, order + form[:-2])
        if tag not in (XMP, IPTC, RESOURCES, XP_KEYWORDS):
            continue
        length *= SIZES.get(kind, 1)
        inline, offset_form = (8, "Q") if big else (4, "I")
        place += width - inline
        if length > inline:
            (place,) = source.numbers(place, order + offset_form)
        try:
            _keep(tag, source.read(place, length), blocks, resources)
        except BrokenError as error:
            blocks.report(f"tag {tag} cannot be read ({error})")


def _keep(tag: int, content: bytes, blocks: Blocks, resources: Callable[[bytes, Blocks], None] | None) -> None:
    if tag == XMP:
        blocks.add("xmp", content)
    elif tag == IPTC:
        blocks.add("iptc", content)
    elif tag == XP_KEYWORDS:
        blocks.add("xp_keywords", content)
    elif resources is not None:
        resources(content, blocks)
