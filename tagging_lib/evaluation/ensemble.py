"""Several networks as one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def mean_probability(probabilities: Sequence[np.ndarray]) -> np.ndarray:
    """Mean of several (N, L) probabilities, float32 (N, L)."""
    return np.stack(probabilities).mean(axis=0, dtype=np.float64).astype(np.float32)


def majority_vote(predictions: Sequence[np.ndarray]) -> np.ndarray:
    """Labels that more than half of the answers give, uint8 (N, L); half of an even number is not enough."""
    return (2 * np.stack(predictions).sum(axis=0, dtype=np.int64) > len(predictions)).astype(np.uint8)
