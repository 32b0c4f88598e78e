"""Files made of boxes: HEIC and AVIF (ISO/IEC 23008-12), JPEG 2000 (ISO/IEC 15444-1) and JPEG XL (ISO/IEC 18181-2)."""

from __future__ import annotations

from collections.abc import Iterator

from tagging_lib.data.metadata import iptc, tiff
from tagging_lib.data.metadata.blocks import MAX_BLOCK, Blocks, BrokenError, Source

XMP_UUID = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
IPTC_UUID = bytes.fromhex("33c7a4d2b81d4723a0baf1a3e097ad38")
EXIF_UUID = b"JpgTiffExif->JP2"
PHOTOSHOP_UUID = bytes.fromhex("2c4c0100850440b9a03e562148d6dfeb")


def read(source: Source, blocks: Blocks) -> None:
    """Add what the file's boxes hold to `blocks`.

    Raises:
        BrokenError: a box goes beyond the end; what came before it is kept.
    """
    for kind, start, end in _boxes(source, 0, source.size):
        if kind == b"uuid":
            _read_uuid(source, start, end, blocks)
        elif kind == b"xml ":
            content = source.read(start, end - start)
            if b"adobe:ns:meta" in content or b"22-rdf-syntax-ns" in content:  # JPEG 2000 puts other XML there too
                blocks.add("xmp", content)
        elif kind == b"Exif":
            tiff.read_exif(_behind_offset(source.read(start, end - start)), blocks)
        elif kind == b"brob":
            packed = source.read(start, 4)
            if packed in (b"xml ", b"Exif"):
                blocks.report(f"{packed.decode().strip()} is compressed by Brotli, which is not read")
        elif kind == b"meta":
            _read_items(source, start + 4, end, blocks)


def _boxes(source: Source, place: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Kind, start and end of the content of each box in a stretch of the file."""
    while place + 8 <= end:
        length, kind = source.numbers(place, ">I")[0], source.read(place + 4, 4)
        start = place + 8
        if length == 1:
            (length,) = source.numbers(start, ">Q")
            start += 8
        following = end if length == 0 else place + length
        if following < start or following > end:
            raise BrokenError(f"the box at byte {place} does not fit")
        yield kind, start, following
        place = following


def _read_uuid(source: Source, start: int, end: int, blocks: Blocks) -> None:
    if end - start < 16:
        raise BrokenError(f"the box at byte {start} has no name")
    name = source.read(start, 16)
    if name not in (XMP_UUID, IPTC_UUID, EXIF_UUID, PHOTOSHOP_UUID):
        return
    content = source.read(start + 16, end - start - 16)
    if name == XMP_UUID:
        blocks.add("xmp", content)
    elif name == IPTC_UUID:
        blocks.add("iptc", content)
    elif name == EXIF_UUID:
        tiff.read_exif(content, blocks)
    else:
        iptc.read_resources(content, blocks)


def _behind_offset(content: bytes) -> bytes:
    """EXIF behind the four bytes that say how far its TIFF header lies from them."""
    return content[4 + int.from_bytes(content[:4], "big") :]


def _read_items(source: Source, start: int, end: int, blocks: Blocks) -> None:
    """XMP and EXIF among the items of a `meta` box: `iinf` says what an item is, `iloc` where it lies."""
    kinds: dict[int, bytes] = {}
    places: dict[int, tuple[int, list[tuple[int, int]]]] = {}
    data = start
    for kind, first, last in _boxes(source, start, end):
        if kind == b"iinf":
            kinds = dict(_item_kinds(source, first, last))
        elif kind == b"iloc":
            places = dict(_item_places(Source.of(source.read(first, last - first))))
        elif kind == b"idat":
            data = first
    for item, kind in kinds.items():
        method, extents = places.get(item, (0, []))
        base = data if method else 0
        if len(extents) == 1 and extents[0][1] == 0:  # the rest of the file
            extents = [(extents[0][0], source.size - base - extents[0][0])]
        if method > 1 or sum(length for _, length in extents) > MAX_BLOCK:
            blocks.report("an item of metadata is stored in a way that is not read")
            continue
        content = b"".join(source.read(base + offset, length) for offset, length in extents)
        if kind == b"Exif":
            tiff.read_exif(_behind_offset(content), blocks)
        else:
            blocks.add("xmp", content)


def _item_kinds(source: Source, start: int, end: int) -> Iterator[tuple[int, bytes]]:
    """Number and kind of the items that are EXIF or XMP."""
    (version,) = source.numbers(start, ">B")
    for kind, first, last in _boxes(source, start + (6 if version == 0 else 8), end):
        if kind != b"infe":
            continue
        content = Source.of(source.read(first, last - first))
        (version,) = content.numbers(0, ">B")
        (item,) = content.numbers(4, ">H" if version == 2 else ">I")
        place = 8 if version == 2 else 10
        name = content.read(place, 4)
        if name == b"Exif" or (name == b"mime" and b"application/rdf+xml" in content.read(place + 4, content.size - place - 4)):
            yield item, name


def _item_places(content: Source) -> Iterator[tuple[int, tuple[int, list[tuple[int, int]]]]]:
    """Number of each item, how it is stored, and offset and length of its parts."""
    version, sizes, more = content.numbers(0, ">B3xBB")
    offset_size, length_size, base_size, index_size = sizes >> 4, sizes & 15, more >> 4, more & 15 if version else 0
    wide = ">I" if version == 2 else ">H"
    (count,) = content.numbers(6, wide)
    place = 10 if version == 2 else 8

    def take(size: int) -> int:
        nonlocal place
        place += size
        return int.from_bytes(content.read(place - size, size), "big")

    for _ in range(count):
        item = take(4 if version == 2 else 2)
        method = take(2) & 15 if version else 0
        take(2)  # which file: 0 is this one
        base = take(base_size)
        extents = []
        for _ in range(take(2)):
            take(index_size)
            offset = take(offset_size)
            extents.append((base + offset, take(length_size)))
        yield item, (method, extents)
