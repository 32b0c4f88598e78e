"""What every network has to beat: a constant answer, and the original's three networks from scratch, in its layer sizes."""

from __future__ import annotations

import numpy as np
from torch import nn

CONSTANT = "constant"  # the name of the answer that looks at no photo
CHANNELS = 3
CNN_CHANNELS = (16, 64, 392)


def ffn1(side: int) -> tuple[nn.Module, int]:
    """Flatten → BN → linear 128 → ReLU → BN; (backbone, its 128 features)."""
    inputs = CHANNELS * side * side
    return (
        nn.Sequential(
            nn.Flatten(), nn.BatchNorm1d(inputs), nn.Linear(inputs, 128), nn.ReLU(), nn.BatchNorm1d(128)
        ),
        128,
    )


def ffn2(side: int) -> tuple[nn.Module, int]:
    """Flatten → BN → linear 512 → ReLU → BN → linear 256 → ReLU → BN; (backbone, its 256 features)."""
    inputs = CHANNELS * side * side
    layers = [nn.Flatten(), nn.BatchNorm1d(inputs)]
    for size_in, size_out in ((inputs, 512), (512, 256)):
        layers += [nn.Linear(size_in, size_out), nn.ReLU(), nn.BatchNorm1d(size_out)]
    return nn.Sequential(*layers), 256


def cnn(side: int) -> tuple[nn.Module, int]:
    """Three blocks of conv 3×3 → ReLU → max-pool 2 → dropout 0.5; (backbone, its 392·(side/8)² features)."""
    layers: list[nn.Module] = []
    for size_in, size_out in zip((CHANNELS, *CNN_CHANNELS), CNN_CHANNELS, strict=False):
        layers += [nn.Conv2d(size_in, size_out, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.5)]
    return nn.Sequential(*layers, nn.Flatten()), CNN_CHANNELS[-1] * (side // 8) ** 2


BASELINES = {"ffn1": ffn1, "ffn2": ffn2, "cnn": cnn}


def constant_answer(train_targets: np.ndarray, n: int) -> np.ndarray:
    """The same answer for `n` photos, float32 (n, L) of 0 and 1: the labels that maximise micro-F1 on the training part.

    The best set of k labels is that of the k most frequent ones, so L answers are tried; without a positive the answer
    is no label.
    """
    counts = train_targets.sum(axis=0, dtype=np.int64)
    if not counts.any():
        return np.zeros((n, len(counts)), dtype=np.float32)
    order = np.argsort(-counts, kind="stable")
    sizes = np.arange(1, len(counts) + 1)
    f1 = 2 * np.cumsum(counts[order]) / (sizes * len(train_targets) + counts.sum())
    answer = np.zeros(len(counts), dtype=np.float32)
    answer[order[: int(f1.argmax()) + 1]] = 1
    return np.tile(answer, (n, 1))
