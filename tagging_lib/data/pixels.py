"""Photos decoded once, into a memory-mapped array that every row of the study shares."""

from __future__ import annotations

import logging
import os
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from tagging_lib import files
from tagging_lib.data.corpus import Corpus
from tagging_lib.errors import TaggingError
from tagging_lib.progress import progress

logger = logging.getLogger(__name__)
MAX_PIXELS = 200_000_000  # a photo beyond this is a mistake or a bomb
CHUNK = 256  # photos decoded between two writes: bounds the memory


def decode(path: Path, side: int) -> np.ndarray:
    """The photo as uint8 RGB (side, side, 3): upright by its EXIF tag, its central square, transparency over white.

    Photos are shrunk with Lanczos and enlarged bicubically; one that has the size already keeps its pixels.

    Raises:
        TaggingError: the file is no photo, damaged, or too large; the message names it.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of odd metadata that does not concern the pixels
            with Image.open(path) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise TaggingError(f"{path} has {image.width}×{image.height} pixels: make it smaller")
                image.draft("RGB", (2 * side, 2 * side))
                upright = ImageOps.exif_transpose(image)
                upright.load()
                rgb = _to_rgb(upright)
    except TaggingError:
        raise
    except Exception as error:  # decoders raise OSError, ValueError, SyntaxError, struct.error and more
        raise TaggingError(f"{path} cannot be decoded ({type(error).__name__}: {error}): replace or remove it") from error
    return np.asarray(_square(rgb, side))


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I") or image.mode == "F":
        values = np.asarray(image, dtype=np.float64)
        # 16-bit greyscale uses its whole range; other depths are scaled by what they hold.
        top = 65535.0 if image.mode.startswith("I") and values.max(initial=0) > 255 else max(255.0, values.max(initial=1))
        return Image.fromarray((values / top * 255).round().clip(0, 255).astype(np.uint8)).convert("RGB")
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


def load(corpus: Corpus, side: int = 128, *, cache_dir: Path, workers: int | None = None) -> np.ndarray:
    """All photos of the corpus as a read-only memory map, uint8 (N, side, side, 3).

    They are decoded once, in parallel, into `cache_dir`, under the corpus' fingerprint.

    Raises:
        TaggingError: a photo cannot be decoded; nothing is kept then.
    """
    shape = (len(corpus), side, side, 3)
    target = Path(cache_dir) / f"{corpus.name}-{corpus.fingerprint}-{side}.npy"
    mapped = _open_cache(target, shape)
    if mapped is not None:
        return mapped
    workers = workers or os.cpu_count() or 1
    logger.info("decoding %d photos to %d px with %d workers", len(corpus), side, workers)
    with files.replacing(target) as temporary:
        array = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.uint8, shape=shape)
        with ThreadPoolExecutor(workers) as pool:
            for start in progress(range(0, len(corpus), CHUNK), "decoding photos"):
                rows = range(start, min(start + CHUNK, len(corpus)))
                array[rows.start : rows.stop] = list(pool.map(lambda i: decode(corpus.path(i), side), rows))
        array.flush()
        del array
    files.write_json(target.with_suffix(".json"), {"shape": list(shape), "bytes": target.stat().st_size})
    mapped = _open_cache(target, shape)
    if mapped is None:
        raise OSError(f"{target} cannot be read back: check the disk")
    return mapped


def _open_cache(path: Path, shape: tuple[int, ...]) -> np.ndarray | None:
    note = path.with_suffix(".json")
    if not path.exists() or not note.exists():
        return None
    try:
        described = files.read_json(note)
        array = np.load(path, mmap_mode="r", allow_pickle=False)
        if array.shape == shape and array.dtype == np.uint8 and described["bytes"] == path.stat().st_size:
            return array
    except (ValueError, OSError, KeyError, TaggingError):
        pass
    logger.warning("%s is damaged: set aside, the photos are decoded again", path)
    path.replace(path.with_suffix(".damaged"))
    return None
