"""Large arrays on disk, made once: written whole, opened as memory maps, with a note by which damage is noticed."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tagging_lib import files
from tagging_lib.errors import TaggingError

COST = ("seconds", "processor_seconds")


def cached(path: Path, make: Callable[[Path], str | None], shape: tuple[int, ...]) -> np.memmap:
    """The array in `path` (.npy) as a read-only memory map; where there is none, `make(temporary)` writes it first.

    An array that was changed since, or that is no array of that shape, is set aside as `<name>.damaged` and made again. One
    that was only copied or touched, so that its time differs, is known by its checksum.

    Args:
        make: returns the SHA-256 of what it wrote where it knows it, else None.
        shape: of the array, or of its first dimensions.

    Raises:
        TaggingError: the disk gives back something else than was written to it.
    """
    found = _opened(path, shape)
    if found is None:
        started, worked = time.perf_counter(), time.process_time()
        with files.replacing(path) as temporary:
            digest = make(temporary)
        spent = {"seconds": time.perf_counter() - started, "processor_seconds": time.process_time() - worked}
        _write_note(path, digest or files.sha256(path), spent)
        found = _opened(path, shape)
        if found is None:
            raise TaggingError(f"{path} cannot be read back: check the disk")
    return found


def digest(array: np.ndarray) -> str:
    """SHA-256 of a cached array: from its note, so that nothing is read; of any other array, of its bytes."""
    note = _note_of(array)
    return note["sha256"] if note else files.sha256_of(np.ascontiguousarray(array).data)


def cost(array: np.ndarray) -> dict[str, float]:
    """What it took to make a cached array, whenever that was: seconds of the clock, and processor_seconds of all cores."""
    note = _note_of(array)
    return {name: note.get(name, float("nan")) for name in COST}


def _note_of(array: np.ndarray) -> dict[str, Any]:
    file = getattr(array, "filename", None)
    return files.read_sealed(_note(Path(file))) if file is not None and _note(Path(file)).exists() else {}


def _opened(path: Path, shape: tuple[int, ...]) -> np.memmap | None:
    if not path.exists() or not _note(path).exists():
        return None
    try:
        described, stat = files.read_sealed(_note(path)), path.stat()
        if described["bytes"] != stat.st_size:
            raise ValueError("its size differs")
        if described["mtime_ns"] != stat.st_mtime_ns:
            if described["sha256"] != files.sha256(path):
                raise ValueError("its checksum differs")
            _write_note(path, described["sha256"], {name: described[name] for name in COST})
        found = np.load(path, mmap_mode="r", allow_pickle=False)
        if not isinstance(found, np.memmap) or found.shape[: len(shape)] != shape:
            raise ValueError("it is no array of the right shape")
        return found
    except (TaggingError, ValueError, OSError, EOFError, KeyError, TypeError) as error:
        files.set_aside(path, error)
        return None


def _note(path: Path) -> Path:
    return path.with_suffix(".json")


def _write_note(path: Path, digest: str, spent: dict[str, float]) -> None:
    stat = path.stat()
    files.write_sealed(_note(path), {"bytes": stat.st_size, "mtime_ns": stat.st_mtime_ns, "sha256": digest} | spent)
