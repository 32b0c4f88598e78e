"""Photos decoded once, into a memory-mapped array that every row of the study shares."""

from __future__ import annotations

import functools
import hashlib
import io
import logging
import os
import shutil
import warnings
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from PIL import Image, ImageCms

from tagging_lib import files
from tagging_lib.errors import TaggingError
from tagging_lib.progress import progress

logger = logging.getLogger(__name__)
MAX_PIXELS = 200_000_000  # a photo beyond this is a mistake or a bomb
CHUNK = 256  # photos decoded between two writes: bounds the memory
# The formats of `annotations.SUFFIXES`: a suffix proves nothing, and some formats (PostScript) run programs.
# fmt: off
FORMATS = (
    "JPEG", "PNG", "WEBP", "AVIF", "GIF", "BMP", "DIB", "TIFF", "PPM", "JPEG2000", "TGA", "ICO", "ICNS", "PCX", "SGI",
    "QOI", "DDS", "PSD", "XBM", "XPM",
)
# fmt: on
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


class _BrokenPhotoError(Exception):
    """What is wrong with a photo, without its path."""


class Photos(Protocol):
    """What is decoded: a `Corpus`, of which this module needs no more than this."""

    @property
    def name(self) -> str: ...
    @property
    def fingerprint(self) -> str: ...
    def __len__(self) -> int: ...
    def path(self, index: int) -> Path: ...


def decode(path: Path, side: int) -> np.ndarray:
    """The photo as uint8 RGB (side, side, 3): upright by its EXIF tag, its central square, transparency over white.

    Photos are shrunk with Lanczos and enlarged bicubically; one that has the size already keeps its pixels. Of several
    frames the first is taken. Colour profiles are not applied.

    Raises:
        TaggingError: the file is no photo, damaged, or too large; the message names it.
    """
    try:
        return _decode(path, side)
    except _BrokenPhotoError as error:
        raise TaggingError(f"{path} {error}: replace or remove it") from error


def undecodable(corpus: Photos, workers: int | None = None) -> list[tuple[int, str]]:
    """Index of each photo that cannot be decoded, with what is wrong with it."""

    def fault(index: int) -> str:
        try:
            _decode(corpus.path(index), 32)
        except _BrokenPhotoError as error:
            return str(error)
        return ""

    with _pool(workers) as pool:
        faults = progress(pool.map(fault, range(len(corpus))), "checking photos", total=len(corpus))
        return [(index, what) for index, what in enumerate(faults) if what]


def _decode(path: Path, side: int) -> np.ndarray:
    try:
        with Image.open(path, formats=_formats()) as image:
            if image.width * image.height > MAX_PIXELS:
                raise _BrokenPhotoError(f"has {image.width}×{image.height} pixels, over {MAX_PIXELS // 10**6} million")
            image.draft("RGB", (2 * side, 2 * side))
            image.load()
            square = _square(_to_rgb(image), side)
            turn = UPRIGHT.get(_orientation(image) or 1)
            return np.asarray(square if turn is None else square.transpose(turn))
    except _BrokenPhotoError:
        raise
    except Image.UnidentifiedImageError as error:  # its own text repeats the path
        raise _BrokenPhotoError("is no photo of a format that is read here") from error
    except Exception as error:  # decoders raise OSError, ValueError, SyntaxError, struct.error and more
        what = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise _BrokenPhotoError(f"cannot be decoded ({what})") from error


@functools.cache
def _formats() -> list[str]:
    Image.init()
    return [name for name in FORMATS if name in Image.OPEN]  # older Pillows lack some


def _orientation(image: Image.Image) -> int | None:
    try:
        return image.getexif().get(ORIENTATION)
    except Exception:  # damaged metadata of a photo whose pixels are sound
        return None


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I") or image.mode == "F":
        values = np.nan_to_num(np.asarray(image, dtype=np.float64), posinf=0.0, neginf=0.0)
        highest = values.max(initial=0)
        if image.mode.startswith("I;16") or image.format == "PNG":
            top = 65535.0
        else:  # 32 bits say nothing about the range in use: it is the smallest usual one that holds the values
            top = next((top for top in (1.0, 255.0, 65535.0) if highest <= top), highest)
        return Image.fromarray((values / top * 255).round().clip(0, 255).astype(np.uint8)).convert("RGB")
    if image.mode == "LAB":
        profiles = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        return ImageCms.profileToProfile(image, *profiles, outputMode="RGB") or image
    if "A" in image.getbands() or "transparency" in image.info:
        rgba = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")
    return image.convert("RGB")


def _square(image: Image.Image, side: int) -> Image.Image:
    if image.size == (side, side):
        return image
    edge = min(image.size)
    left, top = (image.width - edge) / 2, (image.height - edge) / 2
    method = Image.Resampling.LANCZOS if edge > side else Image.Resampling.BICUBIC
    return image.resize((side, side), method, box=(left, top, left + edge, top + edge))


@contextmanager
def _pool(workers: int | None) -> Iterator[ThreadPoolExecutor]:
    """Threads suffice: Pillow's decoders release the interpreter's lock, and nothing has to be copied to them."""
    if workers is None:
        workers = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    # Here and not around each photo: warning filters belong to the whole process, so threads would mix them up.
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="PIL")  # odd metadata, which does not concern the pixels
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        with ThreadPoolExecutor(workers) as pool:
            try:
                yield pool
            finally:
                pool.shutdown(cancel_futures=True)


def load(corpus: Photos, side: int = 128, *, cache_dir: Path, workers: int | None = None) -> np.memmap:
    """All photos of the corpus as a read-only memory map, uint8 (N, side, side, 3).

    They are decoded once, in parallel, into `cache_dir`, under the corpus' fingerprint. A damaged cache is set aside as
    `<name>.damaged`, and made again.

    Raises:
        TaggingError: a photo cannot be decoded, and nothing is kept then; or the disk is too full.
    """
    shape = (len(corpus), side, side, 3)
    target = Path(cache_dir) / f"{corpus.name}-{corpus.fingerprint}-{side}.npy"
    mapped = _open_cache(target, shape)
    if mapped is not None:
        return mapped
    target.parent.mkdir(parents=True, exist_ok=True)
    needed, free = int(np.prod(shape)), shutil.disk_usage(target.parent).free
    if needed > free:
        raise TaggingError(f"{cache_dir} has {free >> 20} MiB left, {needed >> 20} are needed for photos: make room")
    hashed = hashlib.sha256()
    with files.replacing(target) as temporary, open(temporary, "wb") as stream, _pool(workers) as pool:
        # Written rather than mapped: a disk that fills up then raises an error instead of killing the process.
        for block in _blocks(corpus, side, shape, pool):
            hashed.update(block)
            stream.write(block)
    _write_note(target, shape, hashed.hexdigest())
    mapped = _open_cache(target, shape)
    if mapped is None:
        raise TaggingError(f"{target} cannot be read back: check the disk")
    return mapped


def _blocks(corpus: Photos, side: int, shape: tuple[int, ...], pool: ThreadPoolExecutor) -> Iterator[bytes]:
    """The bytes of the .npy file: its header, then the photos."""

    def submit(start: int) -> list[Future[np.ndarray]]:
        rows = range(start, min(start + CHUNK, len(corpus)))
        return [pool.submit(decode, corpus.path(index), side) for index in rows]

    header = io.BytesIO()
    description: dict[str, Any] = {"descr": "|u1", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(header, description)
    yield header.getvalue()
    upcoming = submit(0)
    for start in progress(range(0, len(corpus), CHUNK), f"decoding {len(corpus)} photos, blocks of {CHUNK}"):
        current, upcoming = upcoming, submit(start + CHUNK)  # decoded while the current block is written
        yield b"".join(future.result().tobytes() for future in current)


def _write_note(target: Path, shape: tuple[int, ...], digest: str) -> None:
    stat = target.stat()
    note = {"shape": list(shape), "bytes": stat.st_size, "mtime_ns": stat.st_mtime_ns, "sha256": digest}
    files.write_json(target.with_suffix(".json"), note)


def _open_cache(path: Path, shape: tuple[int, ...]) -> np.memmap | None:
    """The cache when it is there and sound: untouched since it was written, or with the same checksum all the same."""
    note = path.with_suffix(".json")
    if not path.exists() or not note.exists():
        return None
    try:
        described, stat = files.read_json(note), path.stat()
        mapped = np.load(path, mmap_mode="r", allow_pickle=False)
        if mapped.shape == shape and mapped.dtype == np.uint8 and described["bytes"] == stat.st_size:
            if described["mtime_ns"] == stat.st_mtime_ns:
                return mapped
            if described["sha256"] == files.sha256(path):  # copied or touched
                _write_note(path, shape, described["sha256"])
                return mapped
    except (ValueError, OSError, EOFError, KeyError, TypeError, TaggingError):
        pass
    logger.warning("%s is damaged: set aside, the photos are decoded again", path)
    path.replace(path.with_suffix(".damaged"))
    return None
