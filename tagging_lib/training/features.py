"""What the frozen part of a network makes of each photo, computed once and kept as arrays on disk, one for each view."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from torch import Tensor, nn

from tagging_lib.errors import TaggingError
from tagging_lib.models import device as devices
from tagging_lib.models import engine
from tagging_lib.progress import progress

HALF = 65504.0  # the largest float16


def write(
    path: Path,
    frozen: nn.Module,
    photos: Iterable[Tensor],
    indices: np.ndarray,
    n_photos: int,
    others: np.ndarray | None = None,
) -> None:
    """Write what `frozen` gives for photos to a `.npy` file, the rows in the photos' places.

    Features are kept as float32 (n_photos, F), activations as float16 (n_photos, H, W, C). Rows of photos that are not in
    `indices` are those of `others`, or zero.

    Args:
        photos: batches (B, 3, S, S) of the photos at `indices`, in that order.
        indices: at least one.

    Raises:
        TaggingError: an activation is beyond what float16 can hold.
    """
    device = devices.of(frozen)
    looking = engine.ready(frozen, device, len(indices))

    def look(x: Tensor) -> Tensor:
        with devices.mixed(device):
            found = looking(x).float()
        if found.ndim > 2:
            if not bool(found.abs().max() <= HALF):
                raise TaggingError(f"an activation of {type(frozen).__name__} is beyond {HALF:.0f}: set views to 0")
            found = found.half()
        # Channels last, as they are computed and as they will be read.
        return found.permute(0, 2, 3, 1) if found.ndim == 4 else found

    array: np.memmap | None = None
    done = 0
    for found in devices.each(look, progress(photos, "batches through the frozen part"), device):
        block = found.cpu().numpy()
        if array is None:
            array = reserved(path, (n_photos, *block.shape[1:]), block.dtype)
            if others is not None:
                array[:] = others
        array[indices[done : done + len(block)]] = block
        done += len(block)
    if array is None:
        raise ValueError("indices is empty: there is nothing to compute")
    array.flush()


def reserved(path: Path, shape: tuple[int, ...], dtype: np.dtype) -> np.memmap:
    """A new array of zeros in a file whose room on the disk is taken, so that a full disk is an error here, not a crash."""
    array = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)
    if hasattr(os, "posix_fallocate"):
        with open(path, "r+b") as stream:
            os.posix_fallocate(stream.fileno(), 0, path.stat().st_size)
    return array
