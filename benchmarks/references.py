"""What the library is measured against, each as plain as it can be written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision import transforms

from tagging_lib.models.device import mixed


def random_batch(size: int, side: int, labels: int, device: str) -> tuple[Tensor, Tensor]:
    """Photos float32 (size, 3, side, side), channels last, and targets (size, labels), already on the device."""
    photos = torch.randn(size, 3, side, side, device=device).contiguous(memory_format=torch.channels_last)
    return photos, torch.randint(2, (size, labels), device=device).float()


def pure_loop(module: nn.Module, optimizer: torch.optim.Optimizer, photos: Tensor, targets: Tensor, steps: int) -> None:
    """Forward, backward, step: nothing else, and always on the same batch."""
    module.train()
    for _ in range(steps):
        optimizer.zero_grad(set_to_none=True)
        F.binary_cross_entropy_with_logits(module(photos), targets).backward()
        optimizer.step()


@torch.inference_mode()
def bare_forward(module: nn.Module, photos: Tensor, count: int) -> None:
    """Forward of `count` photos, in batches of as many as `photos` has, in the precision that the library takes there."""
    module.eval()
    full, rest = divmod(count, len(photos))
    with mixed(photos.device.type):
        for _ in range(full):
            module(photos)
        if rest:
            module(photos[:rest])


def plain_decode(paths: Sequence[Path], workers: int) -> None:
    """Every photo decoded to RGB by Pillow in `workers` threads, and forgotten."""

    def decode(path: Path) -> None:
        with Image.open(path) as image:
            np.asarray(image.convert("RGB"))

    with ThreadPoolExecutor(workers) as pool:
        for _ in pool.map(decode, paths):
            pass


class OriginalPhotos(torch.utils.data.Dataset):
    """Photos opened and changed one by one with Pillow, as the original did in its training process."""

    MEAN, STD = (0.43672, 0.40107, 0.36762), (0.30139, 0.28781, 0.29236)

    def __init__(self, paths: Sequence[Path], targets: np.ndarray, *, augment: bool):
        half = 0.5
        changes = [
            transforms.RandomApply([transforms.RandomHorizontalFlip(1.0)], half),
            transforms.RandomApply([transforms.RandomRotation(10)], half),
            transforms.RandomApply([transforms.ColorJitter(0.3, 0.3, 0.3, 0.3)], half),
            transforms.RandomApply([transforms.RandomGrayscale(0.1)], half),
            transforms.RandomApply([transforms.RandomPerspective(0.5, 0.5)], half),
        ]
        self.paths, self.targets = paths, torch.as_tensor(targets, dtype=torch.float32)
        last = [transforms.ToTensor(), transforms.Normalize(self.MEAN, self.STD)]
        self.transform = transforms.Compose([*(changes if augment else []), *last])

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        with Image.open(self.paths[index]) as image:
            return self.transform(image.convert("RGB")), self.targets[index]


@contextmanager
def single_precision() -> Iterator[None]:
    """float32 in every product, without the shortened TF32 that CUDA takes otherwise."""
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before[0])
        torch.backends.cudnn.allow_tf32 = before[1]


@single_precision()
def originals_epoch(
    module: nn.Module,
    optimizer: torch.optim.Optimizer,
    train: OriginalPhotos,
    validation: OriginalPhotos,
    device: str,
    batch_size: int = 64,
) -> None:
    """One epoch the original's way: float32, one process, and the training photos evaluated through their augmentation.

    `module` must not choose a precision by itself, as a `Tagger` does.
    """
    module.train()
    for photos, targets in torch.utils.data.DataLoader(train, batch_size, shuffle=True):
        optimizer.zero_grad()
        loss = F.binary_cross_entropy_with_logits(module(photos.to(device)), targets.to(device))
        loss.backward()
        optimizer.step()
        loss.item()
    module.eval()
    with torch.no_grad():
        for part in (train, validation):
            for photos, targets in torch.utils.data.DataLoader(part, batch_size):
                F.binary_cross_entropy_with_logits(module(photos.to(device)), targets.to(device)).item()
