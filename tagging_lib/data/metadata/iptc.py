"""IPTC-IIM keywords (2:25) with their charset (1:90), and the Photoshop image resources in which they lie.

IPTC-NAA Information Interchange Model 4.2, chapters 1.6, 5 and 6; Adobe Photoshop File Formats, "Image Resource Blocks".
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from tagging_lib.data.metadata import tiff
from tagging_lib.data.metadata.blocks import Blocks, BrokenError, Source

RESOURCE_SIGNATURES = (b"8BIM", b"PHUT", b"AgHg", b"DCSR", b"MeSa")
IPTC_RESOURCE, EXIF_RESOURCE, XMP_RESOURCE, DIGEST_RESOURCE = 0x0404, 0x0422, 0x0424, 0x0425
CHARSET, KEYWORDS = (1, 90), (2, 25)
MAX_KEYWORD = 64  # bytes that the model allows a keyword: longer ones were cut by the program that wrote them
# ISO 2022 escapes: those of UTF-8 levels 1 to 3, and those that put a part of ISO 8859 into G1 or G2.
UTF8 = {b"\x1b%G", b"\x1b%/G", b"\x1b%/H", b"\x1b%/I"}
ISO_8859 = {b"A": 1, b"B": 2, b"C": 3, b"D": 4, b"L": 5, b"G": 6, b"F": 7, b"H": 8, b"M": 9, b"V": 10, b"Y": 13, b"b": 15}


def read_resources(data: bytes, blocks: Blocks) -> None:
    """Add what Photoshop's image resources hold to `blocks`.

    Raises:
        BrokenError: a resource goes beyond the end; those before it are kept.
    """
    source, place = Source.of(data), 0
    while place + 12 <= len(data):
        if data[place : place + 4] not in RESOURCE_SIGNATURES:
            if data[place : place + 1] != b"\0":
                raise BrokenError(f"no Photoshop resource at byte {place} of the resources")
            place += 1  # padded to an even length, which some programs forget and some overdo
            continue
        kind, name_length = source.numbers(place + 4, ">HB")
        start = place + 6 + (name_length + 2) // 2 * 2
        (length,) = source.numbers(start, ">I")
        _keep(kind, source.read(start + 4, length), blocks)
        place = start + 4 + length


def _keep(kind: int, content: bytes, blocks: Blocks) -> None:
    if kind == IPTC_RESOURCE:
        blocks.add("iptc", content)
    elif kind == XMP_RESOURCE:
        blocks.add("xmp", content)
    elif kind == EXIF_RESOURCE:
        tiff.read_exif(content, blocks)
    elif kind == DIGEST_RESOURCE:
        blocks.digest = content


def datasets(record: bytes) -> Iterator[tuple[tuple[int, int], bytes]]:
    """Number (record, dataset) and content of each dataset, until the record ends or no dataset begins.

    Raises:
        BrokenError: a dataset goes beyond the end.
    """
    source, place = Source.of(record), 0
    while record[place : place + 1] == b"\x1c":
        number, dataset, length = source.numbers(place + 1, ">BBH")
        place += 5
        if length & 0x8000:  # the length's own length
            wide = length & 0x7FFF
            length = int.from_bytes(source.read(place, wide), "big")
            place += wide
        yield (number, dataset), source.read(place, length)
        place += length


def keywords(record: bytes) -> tuple[list[str], str]:
    """Keywords of a record, and what is wrong with it (empty: nothing); those before the fault are given."""
    charset, found, problem = b"", [], ""
    try:
        for number, content in datasets(_upright(record)):
            if number == CHARSET:
                charset = content
            elif number == KEYWORDS:
                found.append(content.rstrip(b"\0"))
    except BrokenError as error:
        problem = f"IPTC is cut short ({error})"
    return _decode(found, charset), problem


def unchanged(record: bytes, digest: bytes) -> bool:
    """Whether the record is the one of which the digest was taken, padded or not."""
    return digest in (hashlib.md5(record).digest(), hashlib.md5(record.rstrip(b"\0")).digest())


def _upright(record: bytes) -> bytes:
    """The record with the bytes of each four in their order: TIFF of the other endianness that calls them LONG swaps them."""
    if record[:1] != b"\x1c" and record[3:4] == b"\x1c":
        record = record[: len(record) // 4 * 4]
        return b"".join(record[place : place + 4][::-1] for place in range(0, len(record), 4))
    return record.lstrip(b"\0")


def _decode(found: list[bytes], charset: bytes) -> list[str]:
    """Texts by the charset's mark; without one all are UTF-8 if all can be, otherwise Windows' Latin-1."""
    charset = charset.strip(b"\0 ")
    part = ISO_8859.get(charset[2:]) if charset[:1] == b"\x1b" and charset[1:2] in (b"-", b".", b"/") else None
    if part is not None:
        return [content.decode("cp1252" if part == 1 else f"iso8859_{part}", "replace") for content in found]
    texts = [_utf8(content) for content in found]
    if charset in UTF8:
        return [_latin1(content) if text is None else text for content, text in zip(found, texts, strict=True)]
    sure = [text for text in texts if text is not None]
    return sure if len(sure) == len(found) else [_latin1(content) for content in found]


def _utf8(content: bytes) -> str | None:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        # A program that cuts at 64 bytes cuts letters of several bytes in two.
        if error.reason == "unexpected end of data" and len(content) == MAX_KEYWORD:
            return content[: error.start].decode()
        return None


def _latin1(content: bytes) -> str:
    """Latin-1 as Windows extends it; by the standard where a byte means nothing to Windows."""
    try:
        return content.decode("cp1252")
    except UnicodeDecodeError:
        return content.decode("latin-1")
