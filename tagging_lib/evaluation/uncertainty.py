"""How far a score could be from what other photos would have given."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tagging_lib.evaluation import metrics

RESAMPLES = 10_000
AT_ONCE = 2_000_000  # draws held in memory together: 500 resamples of 4,000 photos, about 40 MB


def _photo_counts(targets: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    """2·TP and 2·TP + FP + FN of each photo, float32 (N, 2): all that micro-F1 needs of it."""
    true, given = metrics.checked(targets, predictions)
    doubled = 2 * (true & given).sum(axis=1)
    return np.stack([doubled, true.sum(axis=1) + given.sum(axis=1)], axis=1).astype(np.float32)


def _chunks(resamples: int, n: int) -> Iterator[tuple[int, int]]:
    """First resample and number of resamples of each chunk."""
    most = max(1, AT_ONCE // n)
    return ((start, min(most, resamples - start)) for start in range(0, resamples, most))


def _resampled(counts: np.ndarray, resamples: int, seed: int) -> np.ndarray:
    """Sums of `counts` (N, K) over N photos drawn with replacement, float64 (resamples, K).

    One matrix product a chunk; float32 holds these whole numbers exactly up to 2²⁴.
    """
    random = np.random.default_rng(seed)
    n = len(counts)
    sums = np.empty((resamples, counts.shape[1]))
    for start, size in _chunks(resamples, n):
        drawn = random.integers(0, n, (size, n)) + n * np.arange(size)[:, None]
        times = np.bincount(drawn.ravel(), minlength=size * n).reshape(size, n).astype(np.float32)
        sums[start : start + size] = times @ counts
    return sums


def _ratio(sums: np.ndarray) -> np.ndarray:
    return np.divide(sums[..., 0], sums[..., 1], out=np.full(sums.shape[:-1], np.nan), where=sums[..., 1] > 0)


def _bounds(values: np.ndarray, level: float) -> tuple[float, float]:
    """The middle `level` of the values; a resample without any label has no F1 and is passed over."""
    values = values[~np.isnan(values)]
    if not len(values):
        return float("nan"), float("nan")
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def bootstrap_interval(
    targets: np.ndarray, predictions: np.ndarray, resamples: int = RESAMPLES, seed: int = 0, level: float = 0.95
) -> tuple[float, float]:
    """Percentile bootstrap interval of micro-F1 over photos (Efron & Tibshirani 1993, ch. 13).

    (nan, nan) without photos, and where no label is true or given.
    """
    if len(targets) == 0:
        return float("nan"), float("nan")
    return _bounds(_ratio(_resampled(_photo_counts(targets, predictions), resamples, seed)), level)


def paired_difference(
    targets: np.ndarray,
    predictions_a: np.ndarray,
    predictions_b: np.ndarray,
    resamples: int = RESAMPLES,
    seed: int = 0,
    level: float = 0.95,
) -> dict[str, float]:
    """Micro-F1 of a minus that of b on the same photos in the same order: difference, low, high, p.

    The interval resamples photos, both answers together. p is that of a permutation test which swaps the two answers
    photo by photo: the share of swaps with a difference at least as large, the observed one counted in (Phipson & Smyth
    2010). Without photos, or where one of the two has no F1, the first three are nan and p is 1.
    """
    a, b = _photo_counts(targets, predictions_a), _photo_counts(targets, predictions_b)
    total_a, total_b, change = a.sum(axis=0, dtype=float), b.sum(axis=0, dtype=float), b - a
    observed = float(_ratio(total_a) - _ratio(total_b))
    if np.isnan(observed):
        return {"difference": observed, "low": observed, "high": observed, "p": 1.0}
    sums = _resampled(np.hstack([a, b]), resamples, seed)
    low, high = _bounds(_ratio(sums[:, :2]) - _ratio(sums[:, 2:]), level)
    random = np.random.default_rng(seed + 1)
    extreme = 0
    for _, size in _chunks(resamples, len(a)):
        moved = random.integers(0, 2, (size, len(a)), dtype=np.int8).astype(np.float32) @ change
        swapped = _ratio(total_a + moved) - _ratio(total_b - moved)
        extreme += int((np.abs(swapped) >= abs(observed) - 1e-12).sum())
    return {"difference": observed, "low": low, "high": high, "p": (extreme + 1) / (resamples + 1)}


def holm(p_values: np.ndarray) -> np.ndarray:
    """p-values corrected for their number (Holm 1979), in the given order, float64."""
    p_values = np.asarray(p_values, dtype=float)
    order = np.argsort(p_values)
    stepped = np.maximum.accumulate(p_values[order] * np.arange(len(p_values), 0, -1))
    corrected = np.empty_like(p_values)
    corrected[order] = np.minimum(stepped, 1)
    return corrected
