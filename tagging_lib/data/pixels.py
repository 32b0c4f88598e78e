"""Photos decoded once, into a memory-mapped array that every row of the study shares."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import warnings
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from PIL import Image
from PIL import __version__ as pillow_version

from tagging_lib import declared, files
from tagging_lib.data import arrays
from tagging_lib.data.decoding import BrokenPhotoError, Framing, Stored, decode, decode_or_fault, size_of
from tagging_lib.errors import TaggingError
from tagging_lib.progress import progress

SIDE = 128  # px: the least at which photos are kept, the original's; networks that look at less get them shrunk on the device
CHUNK = 256  # photos decoded between two writes: bounds the memory
TASK = 16  # of them decoded by a thread at a time: asking it for each one would cost a tenth of the decoding


class Listed(Protocol):
    """Photos in an order, wherever each of them lies."""

    def __len__(self) -> int: ...
    def path(self, index: int) -> Path | Stored: ...


class Photos(Protocol):
    """What is decoded and kept: a `Corpus`, of which this module needs no more than this."""

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


def load(
    corpus: Photos, side: int = SIDE, framing: Framing = Framing.CROP, *, cache_dir: Path, workers: int | None = None
) -> np.memmap:
    """All photos of the corpus as a read-only memory map, uint8 (N, side, side, 3).

    They are decoded once, in parallel, into `cache_dir`, under a name that changes with the corpus' fingerprint and the
    versions of the decoder and of Pillow.

    Raises:
        TaggingError: a photo cannot be decoded, and nothing is kept then; or the disk is too full.
    """
    shape = (len(corpus), side, side, 3)
    decoder = ".".join(str(version) for version in declared.versions(declared.DECODING).values())
    shown = f"{side}-{framing}-decoder{decoder}-pillow{pillow_version}"
    target = Path(cache_dir) / f"{corpus.name}-{corpus.fingerprint}-{shown}.npy"

    def decode_all(path: Path) -> str:
        needed, free = int(np.prod(shape)), shutil.disk_usage(path.parent).free
        if needed > free:
            raise TaggingError(f"{cache_dir} has {free >> 20} MiB left, {needed >> 20} are needed for photos: make room")
        hashed = hashlib.sha256()
        # Written rather than mapped: a disk that fills up then raises an error instead of killing the process.
        with open(path, "wb") as stream:
            decoded = (block.data.cast("B") for block in blocks(corpus, side, framing, workers=workers))
            for part in chain([memoryview(_header(shape))], decoded):
                hashed.update(part)
                stream.write(part)
        return hashed.hexdigest()

    return arrays.cached(target, decode_all, shape)


def blocks(
    corpus: Listed,
    side: int = SIDE,
    framing: Framing = Framing.CROP,
    *,
    workers: int | None = None,
    broken: dict[int, str] | None = None,
) -> Iterator[np.ndarray]:
    """The photos in order, decoded in parallel, uint8 (n, side, side, 3) with n ≤ `CHUNK` at a time; nothing is kept.

    The next block is decoded while the present one is used.

    Args:
        broken: gets the index of each photo that cannot be decoded, with what is wrong with it; in its place is a black one.

    Raises:
        TaggingError: a photo cannot be decoded, and `broken` is not given.
    """
    with _pool(workers) as pool:

        def submit(start: int) -> tuple[np.ndarray, list[Future[None]]]:
            block = np.empty((max(0, min(CHUNK, len(corpus) - start)), side, side, 3), dtype=np.uint8)

            def fill(places: range) -> None:
                for place in places:
                    photo = corpus.path(start + place)
                    if broken is None:
                        block[place] = decode(photo, side, framing)
                        continue
                    try:
                        block[place] = decode_or_fault(photo, side, framing)
                    except BrokenPhotoError as error:
                        broken[start + place], block[place] = str(error), 0

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


class Decoded:
    """The photos of a corpus, decoded at whichever side a network looks at, and kept.

    They are kept at no less than `SIDE`, and at no more than the corpus' own photos have: what they lack is enlarged on the
    device.

    Args:
        like: decoded photos of another corpus, with which these share the side.
    """

    def __init__(self, corpus: Photos, cache_dir: Path, like: Decoded | None = None):
        self.corpus, self.cache_dir, self._like = corpus, Path(cache_dir), like

    def at(self, side: int, framing: Framing) -> np.memmap:
        """Read-only uint8 (N, K, K, 3), K as `kept_side` gives it."""
        framing = self.framing(framing)
        return load(self.corpus, self.kept_side(side), framing, cache_dir=self.cache_dir)

    def kept_side(self, side: int) -> int:
        """The side at which photos are kept for a network that looks at `side`, in px."""
        return max(SIDE, min(side, self.native_side))

    def framing(self, framing: Framing) -> Framing:
        """The same framing, or the central square where all photos are square, so that every framing gives the same pixels."""
        return Framing.CROP if self.are_square else framing

    @property
    def native_side(self) -> int:
        """The longest of the photos' shorter edges, in px."""
        return self._like.native_side if self._like else self._extent["native_side"]

    @property
    def are_square(self) -> bool:
        """Whether all photos are square."""
        return bool(self._extent["square"])

    @cached_property
    def _extent(self) -> dict[str, int]:
        note = self.cache_dir / f"{self.corpus.name}-{self.corpus.fingerprint}.sizes.json"
        try:
            return files.read_sealed(note)
        except (OSError, TaggingError):
            pass  # not looked at yet
        with _pool(None) as pool:
            sizes = np.array(list(pool.map(lambda index: size_of(self.corpus.path(index)), range(len(self.corpus)))))
        found = {"native_side": int(sizes.min(axis=1).max()), "square": int((sizes[:, 0] == sizes[:, 1]).all())}
        files.write_sealed(note, found)
        return found
