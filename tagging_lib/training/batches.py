"""Batches made on the device from photos, or from features, that lie in memory."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from tagging_lib.models.device import kind_of
from tagging_lib.models.preprocessing import Preprocessing
from tagging_lib.training.augment import NONE, augment_, transforms_of
from tagging_lib.training.store import Store

# Photos at a time up to that side in px, fewer of larger ones. On the CPU what lies between two layers must stay small:
# on one core MobileNet-V1 looked at 346 photos of 128 px a second in 16s and at 280 in 64s, at 110 and 87 of 224 px.
EVALUATION_BATCH = {"cpu": (16, 224), "cuda": (512, 128)}
EVALUATION_BYTES = {"cpu": 1 << 22, "cuda": 1 << 28}  # of features or activations at a time
SHUFFLE, AUGMENT, VIEW = range(3)  # what a seed is derived for
Part = Callable[[int], slice]  # which photos of a batch of so many are made


def _whole(count: int) -> slice:
    return slice(0, count)


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
        pixels: uint8 (N, S0, S0, 3); copied once to a CUDA device that has room, else read in place (`Store`).
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
        augmentation: str = NONE,
        seed: int = 42,
    ):
        transforms_of(augmentation)
        self.preprocessing = preprocessing
        self.side, self.device, self.batch_size = side, device, batch_size
        self.augmentation, self.seed = augmentation, seed
        most, widest = EVALUATION_BATCH[kind_of(device)]
        self.evaluation_batch = max(1, most * widest**2 // max(side, widest) ** 2)
        self._pixels = Store([pixels], device)
        self._targets = torch.as_tensor(targets, dtype=torch.float32, device=device)
        self._scale, self._shift = _as_factors(preprocessing, device)

    def prepared_as(self, preprocessing: Preprocessing) -> PhotoBatches:
        """The same photos, of which none is copied, as other weights demand them."""
        found = copy.copy(self)
        found.preprocessing = preprocessing
        found._scale, found._shift = _as_factors(preprocessing, self.device)
        return found

    def train(self, indices: np.ndarray, epoch: int, part: Part = _whole) -> Iterator[tuple[Tensor, Tensor]]:
        """An epoch: every photo once, in the epoch's order, augmented. The draws depend on (seed, epoch, step) alone.

        Args:
            part: of each batch only these photos are made, as they are in the whole batch.
        """
        order = shuffled(indices, self.seed, epoch)
        for step, (rows, pixels) in enumerate(self._pixels.batches(order, self.batch_size)):
            chosen = part(len(rows))
            yield self._photos(pixels, (epoch, step), chosen), self._targets[rows[chosen]]

    def plain(self, indices: np.ndarray) -> Iterator[tuple[Tensor, Tensor]]:
        """Every photo once, in the given order, as it is."""
        for rows, pixels in self._pixels.batches(indices, self.evaluation_batch):
            yield self._photos(pixels, None), self._targets[rows]

    def augmented(self, indices: np.ndarray, view: int) -> Iterator[Tensor]:
        """Every photo once, in the given order, with the augmentation of one numbered view."""
        for step, (_, pixels) in enumerate(self._pixels.batches(indices, self.evaluation_batch)):
            yield self._photos(pixels, (view, step))

    def _photos(self, pixels: Tensor, draw: tuple[int, int] | None, part: slice = slice(None)) -> Tensor:
        photos = pixels.permute(0, 3, 1, 2)  # a view: pixels lie channels last already
        draw = None if self.augmentation == NONE else draw
        if len(photos[part]) == 0:
            return photos.new_zeros((0, 3, self.side, self.side), dtype=torch.float32)
        if draw is None:
            photos = photos[part]
        if draw is None and photos.shape[-1] == self.side:
            return torch.addcmul(self._shift, photos, self._scale)
        images = photos.float().div_(255)
        if draw is not None:
            images = augment_(images, self.augmentation, _generator(self.seed, *draw, AUGMENT), part)[part]
        side = images.shape[-1]
        if side != self.side:
            images = F.interpolate(
                images, (self.side, self.side), mode="bicubic", antialias=self.side < side, align_corners=False
            ).clamp_(0, 1)
        images = torch.addcmul(self._shift, images, 255 * self._scale)
        return images.contiguous(memory_format=torch.channels_last)


def _as_factors(preprocessing: Preprocessing, device: str) -> tuple[Tensor, Tensor]:
    """Scale and shift (1, 3, 1, 1) that pixels of 0 to 255 take."""
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (preprocessing.mean, preprocessing.std))
    return (1 / (255 * std)).to(device), (-mean / std).to(device)


class FeatureBatches:
    """Batches of what a frozen part of a network has computed, float32, with the targets float32 (B, L).

    Args:
        views: arrays (N, F) of features, or (N, H, W, C) of activations, in float32 or float16; the first shows the plain
            photos, the others augmented ones. Activations come as (B, C, H, W), channels last.

    Attributes:
        as_they_are: int64, photos that no augmented view shows: training sees them plain too.
    """

    def __init__(
        self,
        views: Sequence[np.ndarray],
        targets: np.ndarray,
        *,
        device: str = "cpu",
        batch_size: int = 64,
        seed: int = 42,
    ):
        self.device, self.batch_size, self.seed = device, batch_size, seed
        row = max(1, int(np.prod(views[0].shape[1:]))) * 4
        self.evaluation_batch = max(1, EVALUATION_BYTES[kind_of(device)] // row)
        self.as_they_are = np.empty(0, dtype=np.int64)
        self._views = Store(views, device)
        self._targets = torch.as_tensor(targets, dtype=torch.float32, device=device)

    def train(self, indices: np.ndarray, epoch: int, part: Part = _whole) -> Iterator[tuple[Tensor, Tensor]]:
        """An epoch: every photo once, in the epoch's order, each in a view drawn for it; `part` as in `PhotoBatches`."""
        order = shuffled(indices, self.seed, epoch)
        views = torch.randint(self._views.n_views, order.shape, generator=_generator(self.seed, epoch, VIEW)).numpy()
        views[np.isin(order, self.as_they_are)] = 0
        for rows, data in self._views.batches(order, self.batch_size, views):
            chosen = part(len(rows))
            yield _as_input(data[chosen]), self._targets[rows[chosen]]

    def plain(self, indices: np.ndarray) -> Iterator[tuple[Tensor, Tensor]]:
        """Every photo once, in the given order, as it is."""
        for rows, data in self._views.batches(indices, self.evaluation_batch):
            yield _as_input(data), self._targets[rows]


def _as_input(data: Tensor) -> Tensor:
    return (data.permute(0, 3, 1, 2) if data.ndim == 4 else data).float()
