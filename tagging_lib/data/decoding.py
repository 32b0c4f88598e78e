"""One photo file as an array: upright, square, RGB, within bounds of memory and time whatever the file says of itself."""

from __future__ import annotations

import functools
import io
import math
import os
from enum import StrEnum
from pathlib import Path
from typing import Protocol

import numpy as np
from PIL import Image, ImageCms, ImageOps, PngImagePlugin

from tagging_lib.errors import TaggingError

# The formats of `readers.photos.SUFFIXES`: a suffix proves nothing, and some formats (PostScript) run programs.
# fmt: off
FORMATS = (
    "JPEG", "PNG", "WEBP", "AVIF", "GIF", "BMP", "DIB", "TIFF", "PPM", "JPEG2000", "TGA", "PCX", "SGI", "QOI", "DDS",
    "PSD", "XBM", "XPM", "HEIF",
)
# fmt: on
# Pixels beyond which a photo is a mistake or a bomb: each limit keeps the worst file near 1 s and 300 MB on one core.
MAX_PIXELS = 25_000_000  # a full-frame camera's 24 million fit
MAX_PIXELS_OF = {
    "JPEG": 200_000_000,  # decoded at a fraction of its size
    "WEBP": 16_000_000,  # its decoder holds three copies
    "AVIF": 16_000_000,
    "JPEG2000": 4_000_000,  # 230 ms a million pixels
    "HEIF": 50_000_000,  # 2 s and 400 MB: the largest photos of telephones
}
MAX_PIXELS_IN_PYTHON = 1_000_000  # formats that Pillow decodes in Python (QOI, plain PPM …) take a second for as many
MAX_META = 1 << 20  # bytes of a HEIC file's properties that are looked at
MAX_PNG_CHUNK = 16 << 20  # bytes of a PNG's text or colour profile, unpacked: Pillow refuses photos with profiles for printing
STRIP = 2_000_000  # pixels converted at a time
ORIENTATION = 0x0112  # EXIF 2.3, section 4.6.4: how the photo must be turned to stand upright
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class Framing(StrEnum):
    """How a photo becomes a square: all of it resized, its central square, or all of it between grey bars."""

    WHOLE = "whole"
    CROP = "crop"
    PAD = "pad"


GREY = (124, 116, 104)  # bars of padded photos: ImageNet's mean colour, so that a network sees nothing there


class BrokenPhotoError(Exception):
    """What is wrong with a photo, without its path."""


class Stored(Protocol):
    """A photo that is no file of its own, but lies in an archive or behind a URL; as text it says where."""

    def read(self) -> bytes:
        """The file's bytes; raises BrokenPhotoError where they cannot be had."""


def decode(path: Path | Stored, side: int, framing: Framing = Framing.CROP) -> np.ndarray:
    """The photo as uint8 RGB (side, side, 3): upright by its EXIF tag, made square by `framing`, transparency over white.

    Photos are shrunk with Lanczos and enlarged bicubically; one that has the size already keeps its pixels. Of several
    frames the first is taken. Colour profiles are not applied.

    Raises:
        TaggingError: the file is no photo, damaged, or too large; the message names it.
    """
    try:
        return decode_or_fault(path, side, framing)
    except BrokenPhotoError as error:
        raise TaggingError(f"{path} {error}: replace or remove it, or go on without it by --skip-broken") from error


def decode_or_fault(path: Path | Stored, side: int, framing: Framing = Framing.CROP) -> np.ndarray:
    """As `decode`.

    Raises:
        BrokenPhotoError: the photo cannot be used.
        TaggingError: no memory is left, which is not the photo's fault.
    """
    try:
        if isinstance(path, Path) and not path.is_file():  # a pipe would be waited for
            raise BrokenPhotoError("is no file" if path.exists() else "leads nowhere")
        content = path if isinstance(path, Path) else io.BytesIO(path.read())
        with Image.open(content, formats=_formats()) as image:
            _refuse_giants(image)
            image.draft("RGB", (2 * side, 2 * side))
            image.load()
            square = _square(_to_rgb(image, side), side, framing)
            turn = UPRIGHT.get(_orientation(image, content) or 1)
            return np.asarray(square if turn is None else square.transpose(turn))
    except (BrokenPhotoError, TaggingError):
        raise
    except (MemoryError, ImportError) as error:  # libraries that a decoder brings are loaded when they are first needed
        raise TaggingError(f"{path}: no memory is left to decode it: close other programs, then run again") from error
    except Image.UnidentifiedImageError as error:  # its own text repeats the path
        raise BrokenPhotoError("is no photo of a format that is read here") from error
    except Exception as error:  # decoders raise OSError, ValueError, SyntaxError, struct.error and more
        what = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise BrokenPhotoError(f"cannot be decoded ({what})".replace("\n", " ")) from error


@functools.cache
def _formats() -> list[str]:
    Image.init()
    try:
        import pillow_heif  # Pillow reads no HEIC by itself
    except ModuleNotFoundError as error:
        raise TaggingError(f"the decoder of HEIC is missing ({error}): install pillow-heif") from error

    pillow_heif.register_heif_opener()
    PngImagePlugin.MAX_TEXT_CHUNK = MAX_PNG_CHUNK
    return [name for name in FORMATS if name in Image.OPEN]  # older Pillows lack some


def _refuse_giants(image: Image.Image) -> None:
    limit = MAX_PIXELS_OF.get(image.format or "", MAX_PIXELS)
    if any(tile[0] in Image.DECODERS for tile in getattr(image, "tile", ())):
        limit = min(limit, MAX_PIXELS_IN_PYTHON)
    if image.width * image.height > limit:
        size = f"{image.width}×{image.height} pixels"
        raise BrokenPhotoError(f"has {size}, over {limit // 10**6} million, the most that is read of a {image.format}")


def _orientation(image: Image.Image, content: Path | io.BytesIO) -> int | None:
    """What is left to turn: HEIC photos come as their container turns them, and then their EXIF tag does not count."""
    try:
        if image.format == "HEIF":
            return None if _container_turns(content) else image.info.get("original_orientation")
        return image.getexif().get(ORIENTATION)
    except Exception:  # damaged metadata of a photo whose pixels are sound
        return None


def _container_turns(content: Path | io.BytesIO) -> bool:
    """Whether a HEIC file says by itself how it is turned or mirrored (ISO/IEC 23008-12, sections 6.5.10 and 6.5.12)."""
    with open(content, "rb") if isinstance(content, Path) else io.BytesIO(content.getvalue()) as stream:
        while len(head := stream.read(8)) == 8:
            size, kind = int.from_bytes(head[:4], "big"), head[4:]
            read = 8
            if size == 1:
                size, read = int.from_bytes(stream.read(8), "big"), 16
            if kind == b"meta":
                properties = stream.read(min(size, MAX_META))
                return b"irot" in properties or b"imir" in properties
            if size < read:  # to the end of the file, or damaged
                return False
            stream.seek(size - read, os.SEEK_CUR)
    return False


def _to_rgb(image: Image.Image, side: int) -> Image.Image:
    """The image in RGB; a large one is converted strip by strip, each shrunk to no less than twice `side` by averaging, to bound
    the memory.
    """
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    top = _top(image)
    if image.width * image.height <= STRIP:
        return _strip_to_rgb(image, top, 1)
    factor = max(1, min(image.size) // (2 * side))
    small = Image.new("RGB", (math.ceil(image.width / factor), math.ceil(image.height / factor)))
    rows = max(1, STRIP // image.width // factor) * factor
    for upper in range(0, image.height, rows):
        strip = image.crop((0, upper, image.width, min(upper + rows, image.height)))
        small.paste(_strip_to_rgb(strip, top, factor), (0, upper // factor))
    return small


def _strip_to_rgb(image: Image.Image, top: float, factor: int) -> Image.Image:
    """The strip in RGB, shrunk `factor` times by averaging."""
    if top:
        values = _finite(image)
        values *= 255 / top
        np.clip(np.rint(values, out=values), 0, 255, out=values)
        return Image.fromarray(values.astype(np.uint8)).reduce(factor).convert("RGB")
    if image.mode == "LAB":
        profiles = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        return (ImageCms.profileToProfile(image, *profiles, outputMode="RGB") or image).reduce(factor)
    if "A" in image.getbands() or "transparency" in image.info:
        # Averaging weights each colour by its opacity, so that it may come before the white.
        rgba = image.convert("RGBA").reduce(factor)
        return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")
    return image.convert("RGB").reduce(factor)


def _finite(image: Image.Image) -> np.ndarray:
    """Grey values float32 (H, W); what is no number, or infinite, is 0."""
    values = np.array(image, dtype=np.float32)
    if not np.isfinite(values.sum(dtype=np.float64)):
        np.nan_to_num(values, copy=False, posinf=0.0, neginf=0.0)
    return values


def _top(image: Image.Image) -> float:
    """The value that is white in an image of 16 or 32 bits; 0 for one of 8 bits."""
    if not (image.mode.startswith("I") or image.mode == "F"):
        return 0.0
    if image.mode.startswith("I;16") or image.format == "PNG":
        return 65535.0
    # 32 bits say nothing about the range in use: it is the smallest usual one that holds the values.
    rows = max(1, STRIP // image.width)
    highest = 0.0
    for upper in range(0, image.height, rows):
        strip = image.crop((0, upper, image.width, min(upper + rows, image.height)))
        highest = max(highest, float(_finite(strip).max(initial=0)))
    return next((top for top in (1.0, 255.0, 65535.0) if highest <= top), highest)


def _square(image: Image.Image, side: int, framing: Framing) -> Image.Image:
    if image.size == (side, side):
        return image
    width, height = image.size
    edge = max(image.size) if framing == Framing.PAD else min(image.size)
    method = Image.Resampling.LANCZOS if edge > side else Image.Resampling.BICUBIC
    if framing == Framing.WHOLE:
        return image.resize((side, side), method)
    if framing == Framing.PAD:
        return ImageOps.pad(image, (side, side), method, color=GREY)
    left, top = (width - edge) / 2, (height - edge) / 2
    return image.resize((side, side), method, box=(left, top, left + edge, top + edge))


def size_of(path: Path) -> tuple[int, int]:
    """Width and height of a photo in pixels, from its head alone; either may be the other where EXIF turns the photo.

    Raises:
        TaggingError: the file is no photo; the message names it.
    """
    try:
        with Image.open(path, formats=_formats()) as image:
            return image.size
    except Exception as error:  # decoders raise OSError, ValueError, SyntaxError, struct.error and more
        raise TaggingError(f"{path} is no photo of a format that is read here: replace or remove it") from error
