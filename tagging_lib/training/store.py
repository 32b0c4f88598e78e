"""Rows of arrays, gathered batch by batch on the device that trains."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

SHARE_OF_DEVICE = 0.5  # of its free memory; the rest is for the network and its activations
READ_AHEAD = 2  # batches
COPIED = 1 << 28  # bytes copied to a device at a time, so that the host's memory never holds the whole array


class Store:
    """Rows of V views of the same N things, each view an array (N, ...) of the same shape and type.

    Where they fit into the device's memory they are copied there once, and gathered there without waiting for the host.
    Otherwise, and on the CPU, they stay where they are, which may be a memory map far larger than memory: a thread
    gathers the next batches while the present one is used.
    """

    def __init__(self, views: Sequence[np.ndarray], device: str = "cpu"):
        self.device = torch.device(device)
        self.n_views = len(views)
        self._host = [np.asarray(view) for view in views]
        self._resident: Tensor | None = None
        if self.device.type != "cpu" and sum(view.nbytes for view in views) <= SHARE_OF_DEVICE * _free(self.device):
            self._resident = _copied(self._host, self.device)

    def batches(self, rows: np.ndarray, size: int, views: np.ndarray | None = None) -> Iterator[tuple[Tensor, Tensor]]:
        """For each `size` of `rows`: their numbers int64 (B,) and their data (B, ...), both on the device.

        Args:
            views: int64, the view that is taken of each row; None takes the first of all.
        """
        if self._resident is None:
            yield from self._read_ahead(rows, size, np.zeros_like(rows) if views is None else views)
            return
        numbers = self._sent(torch.from_numpy(np.array(rows)))  # once an epoch, not once a batch
        chosen = None if views is None else self._sent(torch.from_numpy(views))
        for start in range(0, len(rows), size):
            part = numbers[start : start + size]
            view = 0 if chosen is None else chosen[start : start + size]
            yield part, self._resident[view, part]

    def _read_ahead(self, rows: np.ndarray, size: int, views: np.ndarray) -> Iterator[tuple[Tensor, Tensor]]:
        waiting: deque[Future[tuple[Tensor, Tensor]]] = deque()
        with ThreadPoolExecutor(1) as reader:
            for start in range(0, len(rows), size):
                batch = slice(start, start + size)
                waiting.append(reader.submit(self._gather, rows[batch], views[batch]))
                if len(waiting) > READ_AHEAD:
                    yield self._received(waiting.popleft())
            while waiting:
                yield self._received(waiting.popleft())

    def _gather(self, rows: np.ndarray, views: np.ndarray) -> tuple[Tensor, Tensor]:
        # By numpy, which lets go of the interpreter's lock and starts no team of threads of its own beside torch's.
        if self.n_views == 1:
            data = np.take(self._host[0], rows, axis=0)
        else:
            data = np.empty((len(rows), *self._host[0].shape[1:]), dtype=self._host[0].dtype)
            for view in range(self.n_views):
                data[views == view] = self._host[view][rows[views == view]]
        found = torch.from_numpy(np.array(rows)), torch.from_numpy(data)
        return (found[0].pin_memory(), found[1].pin_memory()) if self.device.type == "cuda" else found

    def _received(self, batch: Future[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
        rows, data = batch.result()
        return self._sent(rows), self._sent(data)

    def _sent(self, tensor: Tensor) -> Tensor:
        return tensor.to(self.device, non_blocking=True)


def _free(device: torch.device) -> int:
    """Bytes that are free on the device."""
    if device.type == "cuda":
        # What torch has reserved and does not use is free as well.
        return torch.cuda.mem_get_info(device)[0] + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return 0


def _copied(views: list[np.ndarray], device: torch.device) -> Tensor:
    kind = torch.from_numpy(np.empty(0, dtype=views[0].dtype)).dtype
    copied = torch.empty((len(views), *views[0].shape), dtype=kind, device=device)
    step = max(1, COPIED // max(1, views[0][:1].nbytes))
    for view, array in enumerate(views):
        for start in range(0, len(array), step):
            copied[view, start : start + step] = torch.from_numpy(np.array(array[start : start + step]))
    return copied
