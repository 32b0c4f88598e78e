"""How far a score could be from what other photos would have given."""

from __future__ import annotations

import numpy as np

RESAMPLES = 10_000
CHUNK = 500  # resamples at a time


def _photo_counts(targets: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    """2·TP and 2·TP + FP + FN of each photo, float32 (N, 2): all that micro-F1 needs of it."""
    true, given = targets.astype(bool), predictions.astype(bool)
    doubled = 2 * (true & given).sum(axis=1)
    return np.stack([doubled, true.sum(axis=1) + given.sum(axis=1)], axis=1).astype(np.float32)


def _resampled(counts: np.ndarray, resamples: int, seed: int) -> np.ndarray:
    """Sums of `counts` (N, K) over photos drawn with replacement, float64 (resamples, K)."""
    random = np.random.default_rng(seed)
    n = len(counts)
    sums = np.empty((resamples, counts.shape[1]))
    for start in range(0, resamples, CHUNK):
        size = min(CHUNK, resamples - start)
        drawn = random.integers(0, n, (size, n)) + n * np.arange(size)[:, None]
        times = np.bincount(drawn.ravel(), minlength=size * n).reshape(size, n).astype(np.float32)
        sums[start : start + size] = times @ counts
    return sums


def _ratio(sums: np.ndarray) -> np.ndarray:
    return np.divide(sums[..., 0], sums[..., 1], out=np.zeros(sums.shape[:-1]), where=sums[..., 1] > 0)


def bootstrap_interval(
    targets: np.ndarray, predictions: np.ndarray, resamples: int = RESAMPLES, seed: int = 0, level: float = 0.95
) -> tuple[float, float]:
    """Percentile bootstrap interval of micro-F1 over photos (Efron & Tibshirani 1993, ch. 13); nan without photos."""
    if len(targets) == 0:
        return float("nan"), float("nan")
    f1 = _ratio(_resampled(_photo_counts(targets, predictions), resamples, seed))
    low, high = np.quantile(f1, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def paired_difference(
    targets: np.ndarray,
    predictions_a: np.ndarray,
    predictions_b: np.ndarray,
    resamples: int = RESAMPLES,
    seed: int = 0,
    level: float = 0.95,
) -> dict[str, float]:
    """Micro-F1 of a minus that of b on the same photos: difference, low, high, p.

    The interval resamples photos, both answers together. p is that of a permutation test which swaps the two answers
    photo by photo: the share of swaps with a difference at least as large, the observed one counted in (Phipson & Smyth
    2010).
    """
    a, b = _photo_counts(targets, predictions_a), _photo_counts(targets, predictions_b)
    sums = _resampled(np.hstack([a, b]), resamples, seed)
    differences = _ratio(sums[:, :2]) - _ratio(sums[:, 2:])
    observed = float(_ratio(a.sum(axis=0, dtype=float)) - _ratio(b.sum(axis=0, dtype=float)))
    random = np.random.default_rng(seed + 1)
    total, change = a.sum(axis=0, dtype=float), b - a
    extreme = 0
    for start in range(0, resamples, CHUNK):
        swapped = random.integers(0, 2, (min(CHUNK, resamples - start), len(a)), dtype=np.int8).astype(np.float32)
        moved = swapped @ change
        swap_difference = _ratio(total + moved) - _ratio(b.sum(axis=0, dtype=float) - moved)
        extreme += int((np.abs(swap_difference) >= abs(observed) - 1e-12).sum())
    low, high = np.quantile(differences, [(1 - level) / 2, (1 + level) / 2])
    return {"difference": observed, "low": float(low), "high": float(high), "p": (extreme + 1) / (resamples + 1)}


def holm(p_values: np.ndarray) -> np.ndarray:
    """p-values corrected for their number (Holm 1979), in the given order, float64."""
    p_values = np.asarray(p_values, dtype=float)
    order = np.argsort(p_values)
    stepped = np.maximum.accumulate(p_values[order] * np.arange(len(p_values), 0, -1))
    corrected = np.empty_like(p_values)
    corrected[order] = np.minimum(stepped, 1)
    return corrected
