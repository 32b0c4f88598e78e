"""Where a photo file keeps its metadata: JPEG, PNG, WebP, GIF, PSD, TIFF, the formats made of boxes, and XMP by itself."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from tagging_lib.data.metadata import boxes, iptc, tiff
from tagging_lib.data.metadata.blocks import MAX_BLOCK, Blocks, BrokenError, Source
from tagging_lib.errors import TaggingError

EXIF_HEADER, XMP_HEADER = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0"
EXTENSION_HEADER = b"http://ns.adobe.com/xmp/extension/\0"
RESOURCES_HEADERS = (b"Photoshop 3.0\0", b"Adobe_Photoshop2.5:")
XMP_NAME, PROFILE_NAME = b"XML:com.adobe.xmp", b"Raw profile type "
FOTOSTATION = 0xA1B2C3D4
GIF_TRAILER = 258  # bytes behind XMP in a GIF that lead any reader of sub-blocks to their end
PLAIN = ("BMP", "DIB", "PPM", "TGA", "PCX", "SGI", "QOI", "DDS", "XBM", "XPM")  # photos, but nowhere to put keywords


def read_blocks(path: Path) -> Blocks:
    """What of the file may hold keywords, by its content, whatever its suffix; damage is among the problems.

    Raises:
        TaggingError: the file cannot be read, or is neither a photo nor XMP.
    """
    if not path.is_file():  # a pipe would be waited for
        raise TaggingError(f"{path} {'is no file' if path.exists() else 'leads nowhere'}: its keywords cannot be read")
    blocks = Blocks()
    try:
        with path.open("rb") as stream:
            source = Source(stream)
            read = _reader(source.read(0, min(32, source.size)))
            if read is not None:
                try:
                    read(source, blocks)
                except BrokenError as error:
                    blocks.report(str(error))
                return blocks
    except OSError as error:
        raise TaggingError(f"{path} cannot be read ({error.strerror}): check the file and its permissions") from error
    if not _is_plain_photo(path):
        raise TaggingError(f"{path} is no photo of a format whose keywords are read: replace or remove it")
    return blocks


def _reader(head: bytes) -> Callable[[Source, Blocks], None] | None:
    if head.startswith(b"\xff\xd8"):
        return _read_jpeg
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return _read_png
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return _read_webp
    if head[:6] in (b"GIF87a", b"GIF89a"):
        return _read_gif
    if head[:4] == b"8BPS":
        return _read_psd
    if head[:4] in tiff.MAGIC:
        return lambda source, blocks: tiff.read(source, blocks, iptc.read_resources)
    if head[4:8] in (b"ftyp", b"jP  ", b"JXL "):
        return boxes.read
    if head.removeprefix(b"\xef\xbb\xbf").replace(b"\0", b"").lstrip(b"\xff\xfe \t\r\n").startswith(b"<"):
        return lambda source, blocks: blocks.add("xmp", source.read(0, source.size))
    return None


def _is_plain_photo(path: Path) -> bool:
    Image.init()
    try:
        with Image.open(path, formats=[name for name in PLAIN if name in Image.OPEN]):
            return True
    except Exception:  # decoders raise OSError, ValueError, SyntaxError, struct.error and more
        return False


def _read_jpeg(source: Source, blocks: Blocks) -> None:
    """ITU-T T.81, annex B; XMP specification part 3, section 1.1.3."""
    resources, extensions, place = [], [], 2
    try:
        while place + 4 <= source.size:
            mark, marker = source.numbers(place, ">BB")
            if mark == 0xFF and marker == 0xFF:  # filled up
                place += 1
                continue
            if marker in (0xD9, 0xDA):
                break
            if mark != 0xFF or marker in (0x00, 0x01) or 0xD0 <= marker <= 0xD8:
                raise BrokenError(f"no JPEG segment at byte {place}")
            (length,) = source.numbers(place + 2, ">H")
            if length < 2:
                raise BrokenError(f"the JPEG segment at byte {place} has no length")
            if marker in (0xE1, 0xED):
                content = source.read(place + 4, length - 2)
                if content.startswith(EXIF_HEADER):
                    tiff.read_exif(content, blocks)
                elif content.startswith(XMP_HEADER):
                    blocks.add("xmp", content[len(XMP_HEADER) :])
                elif content.startswith(EXTENSION_HEADER):
                    extensions.append(content[len(EXTENSION_HEADER) :])
                elif header := next((header for header in RESOURCES_HEADERS if content.startswith(header)), b""):
                    resources.append(content[len(header) :])
            place += 2 + length
    finally:  # a damaged file keeps what came before the damage
        _read_resources(b"".join(resources), blocks)
        _add_extension(extensions, blocks)
        if not blocks.iptc:
            _read_trailers(source, blocks)


def _read_resources(content: bytes, blocks: Blocks) -> None:
    try:
        iptc.read_resources(content, blocks)
    except BrokenError as error:
        blocks.report(f"Photoshop's resources cannot be read whole ({error})")


def _add_extension(extensions: list[bytes], blocks: Blocks) -> None:
    """Add the extended XMP that the main packet names by its MD5, if all of it is there."""
    for name in {part[:32] for part in extensions}:
        if not any(name in packet for packet in blocks.xmp):
            continue
        parts = sorted({(int.from_bytes(part[36:40], "big"), part[40:]) for part in extensions if part[:32] == name})
        packet = b"".join(content for _, content in parts)
        if hashlib.md5(packet).hexdigest().upper().encode() == name.upper():
            blocks.add("xmp", packet)
        else:
            blocks.report("extended XMP is not whole")


def _read_trailers(source: Source, blocks: Blocks) -> None:
    """IPTC behind the photo, where AFCP and FotoStation put it."""
    end = source.size
    while end > 12:
        kind, length, mark = source.numbers(end - 10, ">HII")
        signature, start = source.read(end - 12, 4), 0
        if mark == FOTOSTATION and 10 <= length <= end:
            if kind == 1:
                blocks.add("iptc", source.read(end - length, length - 10))
            end -= length
        elif signature in (b"AXS!", b"AXS*"):
            order = ">" if signature == b"AXS!" else "<"
            (start,) = source.numbers(end - 8, order + "I")
            (count,) = source.numbers(start + 6, order + "H")
            for entry in range(count):
                place = start + 12 + 12 * entry
                size, offset = source.numbers(place + 4, order + "II")
                if source.read(place, 4) == b"IPTC":
                    blocks.add("iptc", source.read(offset, size))
            return
        else:
            return


def _read_png(source: Source, blocks: Blocks) -> None:
    """PNG specification, section 5.3; XMP in iTXt, and profiles in hexadecimal as ImageMagick and GIMP write them."""
    place = 8
    while place + 12 <= source.size:
        (length,) = source.numbers(place, ">I")
        kind = source.read(place + 4, 4)
        if kind == b"eXIf":
            tiff.read_exif(source.read(place + 8, length), blocks)
        elif kind in (b"iTXt", b"tEXt", b"zTXt"):
            name, _, content = source.read(place + 8, length).partition(b"\0")
            if name == XMP_NAME or name.startswith(PROFILE_NAME):
                text = _text(source, kind, content)
                if name == XMP_NAME:
                    blocks.add("xmp", text)
                else:
                    _read_profile(name.removeprefix(PROFILE_NAME), text, blocks)
        elif kind == b"IEND":
            break
        place += 12 + length


def _text(source: Source, kind: bytes, content: bytes) -> bytes:
    """The text of a chunk behind its name: in iTXt behind a flag, a method, the language and the translated name."""
    if kind == b"iTXt":
        text = content[2:].split(b"\0", 2)[-1]
        return _unpack(source, text) if content[:1] == b"\1" else text
    return _unpack(source, content[1:]) if kind == b"zTXt" else content


def _unpack(source: Source, content: bytes) -> bytes:
    unpacking = zlib.decompressobj()
    try:
        unpacked = unpacking.decompress(content, MAX_BLOCK)
    except zlib.error as error:
        raise BrokenError(f"compressed text cannot be unpacked ({error})") from error
    if unpacking.unconsumed_tail:
        raise BrokenError(f"compressed text is longer than {MAX_BLOCK} bytes")
    source.spend(len(unpacked))
    return unpacked


def _read_profile(name: bytes, text: bytes, blocks: Blocks) -> None:
    """A profile: its name and length in lines of their own, then bytes in hexadecimal."""
    try:
        content = bytes.fromhex(text.strip().split(b"\n", 2)[2].decode("ascii"))
    except (ValueError, IndexError):
        blocks.report(f"the profile {name.decode('latin-1')!r} is not hexadecimal")
        return
    content = content.removeprefix(XMP_HEADER)
    if content.startswith(b"\x1c"):
        blocks.add("iptc", content)
    elif content.startswith((EXIF_HEADER, *tiff.MAGIC)):
        tiff.read_exif(content, blocks)
    elif name in (b"iptc", b"8bim"):
        _read_resources(content.removeprefix(RESOURCES_HEADERS[0]), blocks)
    elif name in (b"xmp", b"APP1"):
        blocks.add("xmp", content)


def _read_webp(source: Source, blocks: Blocks) -> None:
    """RFC 9649, section 2.7."""
    place = 12
    while place + 8 <= source.size:
        (length,) = source.numbers(place + 4, "<I")
        kind = source.read(place, 4)
        if kind in (b"XMP ", b"XMP\0"):  # early programs wrote the second
            blocks.add("xmp", source.read(place + 8, length))
        elif kind == b"EXIF":
            tiff.read_exif(source.read(place + 8, length), blocks)
        place += 8 + length + length % 2


def _read_gif(source: Source, blocks: Blocks) -> None:
    """GIF89a; XMP specification part 3, section 1.1.2: XMP lies bare in an application extension, before its trailer."""
    (flags,) = source.numbers(10, ">B")
    place = 13 + (3 << (flags & 7) + 1 if flags & 0x80 else 0)
    while place + 1 < source.size:
        (kind,) = source.numbers(place, ">B")
        if kind == 0x21:
            place += 2
        elif kind == 0x2C:
            (flags,) = source.numbers(place + 9, ">B")
            place += 11 + (3 << (flags & 7) + 1 if flags & 0x80 else 0)
        elif kind == 0x3B:
            break
        else:
            raise BrokenError(f"no GIF block at byte {place}")
        start = place
        while length := source.numbers(place, ">B")[0]:
            place += 1 + length
        place += 1
        if kind == 0x21 and place - start > 12 + GIF_TRAILER and source.read(start, 12) == b"\x0bXMP DataXMP":
            blocks.add("xmp", source.read(start + 12, place - start - 12 - GIF_TRAILER))


def _read_psd(source: Source, blocks: Blocks) -> None:
    (colours,) = source.numbers(26, ">I")
    (length,) = source.numbers(30 + colours, ">I")
    iptc.read_resources(source.read(34 + colours, length), blocks)
