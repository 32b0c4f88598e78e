"""Counts of labels and of colours."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from tagging_lib.data.splits import PARTS, Split

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger(__name__)
CHUNK = 512  # photos at a time


def channel_statistics(pixels: np.ndarray, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation (3,) float64 of each channel, pixels scaled to [0, 1], over the photos at `indices`."""
    total, squares, count = np.zeros(3), np.zeros(3), 0
    for start in range(0, len(indices), CHUNK):
        values = pixels[indices[start : start + CHUNK]].reshape(-1, 3)
        # A histogram is exact and far cheaper than arithmetic on every pixel.
        for channel in range(3):
            histogram = np.bincount(values[:, channel], minlength=256)
            total[channel] += histogram @ np.arange(256)
            squares[channel] += histogram @ np.arange(256) ** 2
        count += len(values)
    mean = total / count
    return mean / 255, np.sqrt(np.maximum(squares / count - mean**2, 0)) / 255


def pos_weight(targets: np.ndarray, labels: Sequence[str] = ()) -> np.ndarray:
    """Negatives ÷ positives of each label, float32 (L,).

    A label without a positive cannot be weighted and gets 1, with a warning; so does one that every photo carries.

    Args:
        labels: their names, for the warning.
    """
    positives = label_counts(targets)
    negatives = len(targets) - positives
    defined = (positives > 0) & (negatives > 0)
    if not defined.all():
        names = [labels[column] if labels else f"label {column + 1}" for column in np.flatnonzero(~defined).tolist()]
        logger.warning("on no photo, or on every one, so that they get no weight in the loss: %s", ", ".join(names))
    return np.where(defined, negatives / np.maximum(positives, 1), 1).astype(np.float32)


def label_counts(targets: np.ndarray) -> np.ndarray:
    """Photos of each label, int64 (L,)."""
    return targets.sum(axis=0, dtype=np.int64)


def labels_per_photo(targets: np.ndarray) -> np.ndarray:
    """Labels of each photo, int64 (N,)."""
    return targets.sum(axis=1, dtype=np.int64)


def cooccurrence(targets: np.ndarray) -> np.ndarray:
    """Photos that carry both labels, int64 (L, L); the diagonal counts each label."""
    wide = targets.astype(np.int64)
    return wide.T @ wide


def conditional(targets: np.ndarray) -> np.ndarray:
    """Share of the row's photos that carry the column's label, float64 (L, L); nan for a label without photos."""
    counts = cooccurrence(targets).astype(float)
    own = np.diag(counts)[:, None]
    return np.divide(counts, own, out=np.full_like(counts, np.nan), where=own > 0)


def split_balance(split: Split, targets: np.ndarray, labels: tuple[str, ...]) -> pd.DataFrame:
    """Share of photos with each label, and without any, in the three parts; columns label, train, validation, test."""
    import pandas as pd

    table: dict[str, list] = {"label": [*labels, "no label"]}
    for part in PARTS:
        chosen = targets[getattr(split, part)]
        table[part] = [*chosen.mean(axis=0), float((~chosen.any(axis=1)).mean())]
    return pd.DataFrame(table)


def is_greyscale(pixels: np.ndarray, indices: np.ndarray, tolerance: int = 4) -> np.ndarray:
    """Whether the channels of each photo differ by at most `tolerance` of 255 on average, bool (n,)."""
    found = []
    for start in range(0, len(indices), CHUNK):
        values = pixels[indices[start : start + CHUNK]].astype(np.int16)
        found.append((values.max(axis=3) - values.min(axis=3)).mean(axis=(1, 2)) <= tolerance)
    return np.concatenate(found) if found else np.zeros(0, dtype=bool)
