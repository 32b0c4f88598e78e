"""Photos decoded once, into a memory-mapped array that every row of the study shares."""

from __future__ import annotations

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
from PIL import Image

from tagging_lib import files
from tagging_lib.data.decoding import BrokenPhotoError, decode, decode_or_fault
from tagging_lib.errors import TaggingError
from tagging_lib.progress import progress

logger = logging.getLogger(__name__)
SIDE = 128  # px: photos are kept at this side, as in the original; larger inputs are resized on the device
CHUNK = 256  # photos decoded between two writes: bounds the memory
TASK = 16  # of them decoded by a thread at a time: asking it for each one would cost a tenth of the decoding


class Photos(Protocol):
    """What is decoded: a `Corpus`, of which this module needs no more than this."""

    @property
    def name(self) -> str: ...
    @property
    def fingerprint(self) -> str: ...
    def __len__(self) -> int: ...
    def path(self, index: int) -> Path: ...


def undecodable(corpus: Photos, workers: int | None = None) -> list[tuple[int, str]]:
    """Index of each photo that cannot be decoded, with what is wrong with it."""

    def fault(index: int) -> str:
        try:
            decode_or_fault(corpus.path(index), 32)
        except BrokenPhotoError as error:
            return str(error)
        return ""

    with _pool(workers) as pool:
        faults = progress(pool.map(fault, range(len(corpus))), "checking photos", total=len(corpus))
        return [(index, what) for index, what in enumerate(faults) if what]


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


def load(corpus: Photos, side: int = SIDE, *, cache_dir: Path, workers: int | None = None) -> np.memmap:
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
    files.make_folder(target.parent)
    needed, free = int(np.prod(shape)), shutil.disk_usage(target.parent).free
    if needed > free:
        raise TaggingError(f"{cache_dir} has {free >> 20} MiB left, {needed >> 20} are needed for photos: make room")
    hashed = hashlib.sha256()
    with files.replacing(target) as temporary, open(temporary, "wb") as stream:
        # Written rather than mapped: a disk that fills up then raises an error instead of killing the process.
        hashed.update(header := _header(shape))
        stream.write(header)
        for block in blocks(corpus, side, workers=workers):
            raw = block.data.cast("B")
            hashed.update(raw)
            stream.write(raw)
    _write_note(target, shape, hashed.hexdigest())
    mapped = _open_cache(target, shape)
    if mapped is None:
        raise TaggingError(f"{target} cannot be read back: check the disk")
    return mapped


def blocks(corpus: Photos, side: int = SIDE, *, workers: int | None = None) -> Iterator[np.ndarray]:
    """The photos in order, decoded in parallel, uint8 (n, side, side, 3) with n ≤ `CHUNK` at a time; nothing is kept.

    The next block is decoded while the present one is used.

    Raises:
        TaggingError: a photo cannot be decoded.
    """
    with _pool(workers) as pool:

        def submit(start: int) -> tuple[np.ndarray, list[Future[None]]]:
            block = np.empty((max(0, min(CHUNK, len(corpus) - start)), side, side, 3), dtype=np.uint8)

            def fill(places: range) -> None:
                for place in places:
                    block[place] = decode(corpus.path(start + place), side)

            tasks = [range(first, min(first + TASK, len(block))) for first in range(0, len(block), TASK)]
            return block, [pool.submit(fill, places) for places in tasks]

        upcoming = submit(0)
        for start in progress(range(0, len(corpus), CHUNK), f"decoding {len(corpus)} photos, blocks of {CHUNK}"):
            (block, decoded), upcoming = upcoming, submit(start + CHUNK)
            for future in decoded:
                future.result()
            yield block


def _header(shape: tuple[int, ...]) -> bytes:
    """How a .npy file of uint8 begins."""
    header = io.BytesIO()
    description: dict[str, Any] = {"descr": "|u1", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(header, description)
    return header.getvalue()


def _write_note(target: Path, shape: tuple[int, ...], digest: str) -> None:
    stat = target.stat()
    note = {"shape": list(shape), "bytes": stat.st_size, "mtime_ns": stat.st_mtime_ns, "sha256": digest}
    files.write_sealed(target.with_suffix(".json"), note)


def _open_cache(path: Path, shape: tuple[int, ...]) -> np.memmap | None:
    """The cache when it is there and sound: untouched since it was written, or with the same checksum all the same."""
    note = path.with_suffix(".json")
    if not path.exists() or not note.exists():
        return None
    try:
        described, stat = files.read_sealed(note), path.stat()
        mapped = np.load(path, mmap_mode="r", allow_pickle=False)
        fits = isinstance(mapped, np.memmap) and mapped.shape == shape and mapped.dtype == np.uint8
        if fits and described["bytes"] == stat.st_size:
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
