"""Batches made on the device from photos, or from features, that lie in memory."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from tagging_lib.models.preprocessing import Preprocessing
from tagging_lib.training.augment import augment_, transforms_of

EVALUATION_BATCH = {"cpu": 16, "cuda": 512}  # photos of 128 px at a time, fewer of larger ones; on the CPU wider batches
# outgrow what the allocator reuses: DenseNet-169 ran at 70 photos a second in 16s, 43 in 128s, on two cores
SHUFFLE, AUGMENT, VIEW = range(3)  # what a seed is derived for


def derived_seed(*parts: int) -> int:
    """A 63-bit seed from integers such as (seed, epoch, step); equal parts give equal seeds, others unrelated ones."""
    # Their number is hashed too: a SeedSequence pads with zeros, so (1,) and (1, 0) would be one.
    return int(np.random.SeedSequence((len(parts), *parts)).generate_state(1, np.uint64)[0] >> np.uint64(1))


def _generator(*parts: int) -> torch.Generator:
    return torch.Generator().manual_seed(derived_seed(*parts))


def shuffled(indices: np.ndarray, seed: int, epoch: int) -> np.ndarray:
    """The same photos in the order of an epoch."""
    return indices[torch.randperm(len(indices), generator=_generator(seed, epoch, SHUFFLE)).numpy()]


class PhotoBatches:
    """Batches of normalised photos float32 (B, 3, S, S), channels last, with their targets float32 (B, L).

    Args:
        pixels: uint8 (N, S0, S0, 3); copied to a CUDA device once, read in place on the CPU.
        targets: uint8 (N, L).
        side: S; photos of another side are resized on the device (bicubic, antialiased when shrunk).
        augmentation: a policy of `augment`, for training batches only.
    """

    def __init__(
        self,
        pixels: np.ndarray,
        targets: np.ndarray,
        preprocessing: Preprocessing,
        *,
        side: int,
        device: str = "cpu",
        batch_size: int = 64,
        augmentation: str = "none",
        seed: int = 42,
    ):
        transforms_of(augmentation)
        self.preprocessing = preprocessing
        self.side, self.device, self.batch_size = side, device, batch_size
        self.augmentation, self.seed = augmentation, seed
        self.evaluation_batch = max(1, EVALUATION_BATCH[device.split(":")[0]] * 128**2 // side**2)
        self._pixels = pixels if device == "cpu" else torch.from_numpy(np.ascontiguousarray(pixels)).to(device)
        self._targets = torch.as_tensor(targets, dtype=torch.float32, device=device)
        self._mean = torch.tensor(preprocessing.mean, device=device).view(1, 3, 1, 1)
        self._std = torch.tensor(preprocessing.std, device=device).view(1, 3, 1, 1)

    def train(self, indices: np.ndarray, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        """An epoch: every photo once, in the epoch's order, augmented. The draws depend on (seed, epoch, step) alone."""
        order = shuffled(indices, self.seed, epoch)
        for step, start in enumerate(range(0, len(order), self.batch_size)):
            rows = order[start : start + self.batch_size]
            yield self._photos(rows, (epoch, step)), self._targets[self._index(rows)]

    def plain(self, indices: np.ndarray) -> Iterator[tuple[Tensor, Tensor]]:
        """Every photo once, in the given order, as it is."""
        for start in range(0, len(indices), self.evaluation_batch):
            rows = indices[start : start + self.evaluation_batch]
            yield self._photos(rows, None), self._targets[self._index(rows)]

    def augmented(self, indices: np.ndarray, view: int) -> Iterator[Tensor]:
        """Every photo once, in the given order, with the augmentation of one numbered view."""
        for step, start in enumerate(range(0, len(indices), self.evaluation_batch)):
            yield self._photos(indices[start : start + self.evaluation_batch], (view, step))

    def _index(self, rows: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(rows)).to(self.device)

    def _photos(self, rows: np.ndarray, draw: tuple[int, int] | None) -> Tensor:
        if isinstance(self._pixels, np.ndarray):
            gathered = torch.from_numpy(self._pixels[rows])
        else:
            gathered = self._pixels[self._index(rows)]
        images = gathered.permute(0, 3, 1, 2).float().div_(255)
        if draw is not None and self.augmentation != "none":
            images = augment_(images, self.augmentation, _generator(self.seed, *draw, AUGMENT))
        side = images.shape[-1]
        if side != self.side:
            images = F.interpolate(
                images, (self.side, self.side), mode="bicubic", antialias=self.side < side, align_corners=False
            ).clamp_(0, 1)
        images = images.sub_(self._mean).div_(self._std)
        return images.contiguous(memory_format=torch.channels_last)


class FeatureBatches:
    """Batches of features float32 (B, F) that a frozen backbone has computed, with their targets float32 (B, L).

    Args:
        features: float32 (V, N, F); view 0 shows the plain photos, the others augmented ones.
    """

    def __init__(
        self, features: np.ndarray, targets: np.ndarray, *, device: str = "cpu", batch_size: int = 64, seed: int = 42
    ):
        self.device, self.batch_size, self.seed = device, batch_size, seed
        self._features = torch.from_numpy(np.asarray(features)).to(device)
        self._targets = torch.as_tensor(targets, dtype=torch.float32, device=device)

    def train(self, indices: np.ndarray, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        """An epoch: every photo once, in the epoch's order, each in a view drawn for it."""
        rows = torch.from_numpy(shuffled(indices, self.seed, epoch)).to(self.device)
        views = torch.randint(len(self._features), rows.shape, generator=_generator(self.seed, epoch, VIEW))
        views = views.to(self.device)
        for start in range(0, len(rows), self.batch_size):
            batch = slice(start, start + self.batch_size)
            yield self._features[views[batch], rows[batch]], self._targets[rows[batch]]

    def plain(self, indices: np.ndarray, batch_size: int = 4096) -> Iterator[tuple[Tensor, Tensor]]:
        """Every photo once, in the given order, as it is."""
        rows = torch.from_numpy(np.ascontiguousarray(indices)).to(self.device)
        for batch in rows.split(batch_size):
            yield self._features[0, batch], self._targets[batch]
