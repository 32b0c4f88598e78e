"""How far a score could be from what other photos, or another training, would have given.

Everywhere `predictions` are 0/1, (N, L) of one training or (K, N, L) of K trainings of one row; the score of several is
the mean of their F1. `average` is `micro`, or `macro` over the labels with a positive.

No interval is given of fewer than `ENOUGH` photos with a true or a given label, the only ones that F1 looks at: there the
percentile bootstrap is too narrow, down to [1, 1] of two photos that are both right. Share of 95 % intervals that cover
the micro-F1 of the population, counted by `coverage` in tests/test_uncertainty.py (2,000 draws, seed 1):

    photos with a label               10     15     20     30     50    100
    the original's ResNet-152      0.910  0.927  0.936  0.937  0.948  0.947
    the original's FFN-1           0.826  0.863  0.880  0.910  0.927  0.939
    drawn photos, micro-F1 0.91    0.889  0.910  0.932  0.935  0.944  0.948
    drawn photos, micro-F1 0.97    0.699  0.832  0.898  0.891  0.921  0.939
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np

from tagging_lib.evaluation import metrics

Groups = np.ndarray | None  # int64 (N,): photos of one group, such as a photographer's, are drawn and swapped together
RESAMPLES = 10_000
AT_ONCE = 2_000_000  # draws, or their sums, held in memory together: 500 resamples of 4,000 photos
AVERAGES = ("micro", "macro")
ENOUGH = 30  # photos with a true or a given label
UNDEFINED = float("nan"), float("nan")


def _photo_counts(targets: np.ndarray, predictions: np.ndarray, average: str) -> np.ndarray:
    """All that F1 needs of each photo, float32 (K, N, C): hits and marks (`metrics.f1`), for macro of each label, and its truth.

    Raises:
        ValueError: the shapes differ, a value is neither 0 nor 1, or the average is unknown.
    """
    if average not in AVERAGES:
        raise ValueError(f"average is {average!r}: must be one of {AVERAGES}")
    several = predictions if predictions.ndim == 3 else predictions[None]
    if not len(several):
        raise ValueError("predictions hold no training: give (N, L), or (K, N, L) with K of at least 1")
    found = []
    for answer in several:
        true, given = metrics.checked(targets, answer)
        hits, marks = (true & given).astype(np.float32), true.astype(np.float32) + given
        found.append(
            np.stack([hits.sum(axis=1), marks.sum(axis=1)], axis=1)
            if average == "micro"
            else np.hstack([hits, marks, true.astype(np.float32)])
        )
    return np.stack(found).astype(np.float32)


def _drawn_together(counts: np.ndarray, groups: Groups) -> np.ndarray:
    """The counts (K, N, C) of photos that are drawn as one: sums over each group, (K, number of groups, C)."""
    if groups is None:
        return counts
    several, place = np.unique(groups, return_inverse=True)
    if len(several) == len(groups):
        return counts  # in their own order, so that the same photos are drawn as without groups
    order = np.argsort(place, kind="stable")
    return np.add.reduceat(counts[:, order], np.flatnonzero(np.diff(place[order], prepend=-1)), axis=1)


def _f1(sums: np.ndarray, average: str) -> np.ndarray:
    """F1 from sums (..., K, C) of `_photo_counts`, the mean of the K; nan where none is defined."""
    if average == "micro":
        return metrics.f1(sums[..., 0], sums[..., 1]).mean(axis=-1)
    hits, marks, true = np.split(sums, 3, axis=-1)
    labels = metrics.label_f1(hits, marks, true)
    return metrics.ratio(np.nan_to_num(labels).sum(axis=-1), (true > 0).sum(axis=-1)).mean(axis=-1)


def enough(targets: np.ndarray, *predictions: np.ndarray, groups: Groups = None) -> bool:
    """Whether at least `ENOUGH` photos, of different groups, carry a true label, or one that any of the answers gives."""
    looked_at = np.any(targets, axis=1)
    for answer in predictions:
        looked_at = looked_at | np.any(answer if answer.ndim == 3 else answer[None], axis=(0, 2))
    return int(looked_at.sum() if groups is None else len(np.unique(groups[looked_at]))) >= ENOUGH


def _chunks(resamples: int, n: int) -> Iterator[tuple[int, int]]:
    """First resample and number of resamples of each chunk."""
    most = max(1, AT_ONCE // n)
    return ((start, min(most, resamples - start)) for start in range(0, resamples, most))


@lru_cache(maxsize=40)  # 80 MB: the draws for 4,000 photos, which serve every row and every pair of rows
def _drawn(n: int, start: int, size: int, seed: int) -> np.ndarray:
    """How often each of n photos is in each of `size` resamples, uint16 (size, n)."""
    places = np.random.default_rng((seed, start)).integers(0, n, (size, n), dtype=np.int32)
    places += n * np.arange(size, dtype=np.int32)[:, None]
    return np.bincount(places.ravel(), minlength=size * n).reshape(size, n).astype(np.uint16)


def _resampled(counts: np.ndarray, resamples: int, seed: int) -> Iterator[np.ndarray]:
    """Sums of `counts` (N, C) over N photos drawn with replacement, float64 (·, C), some resamples at a time.

    float32 holds these whole numbers exactly up to 2²⁴.
    """
    n, width = counts.shape
    most = max(1, AT_ONCE // max(1, width))
    for start, size in _chunks(resamples, n):
        drawn = _drawn(n, start, size, seed)
        for first in range(0, size, most):
            yield (drawn[first : first + most].astype(np.float32) @ counts).astype(np.float64)


def resampled_f1(
    targets: np.ndarray,
    predictions: np.ndarray,
    resamples: int = RESAMPLES,
    seed: int = 0,
    average: str = "micro",
    groups: Groups = None,
) -> np.ndarray:
    """F1 in each resample of the photos, float64 (resamples,); nan in one without any label, or without photos.

    The same seed draws the same photos, so that values of two answers are paired. With `groups` whole groups are drawn
    (Field & Welsh 2007): photos of one group are no independent witnesses.
    """
    if len(targets) == 0:
        return np.full(resamples, np.nan)
    counts = _drawn_together(_photo_counts(targets, predictions, average), groups)
    trainings, n, width = counts.shape
    flat = counts.transpose(1, 0, 2).reshape(n, trainings * width)
    sums = _resampled(flat, resamples, seed)
    return np.concatenate([_f1(some.reshape(-1, trainings, width), average) for some in sums])


def bounds(values: np.ndarray, level: float = 0.95) -> tuple[float, float]:
    """The ends of the middle `level` of resampled values; nan is passed over, and both are nan without another value."""
    values = values[~np.isnan(values)]
    if not len(values):
        return UNDEFINED
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def mean_f1(targets: np.ndarray, predictions: np.ndarray, average: str = "micro") -> float:
    """F1 of one training, or the mean of several; nan without photos, and where no label is true or given."""
    if len(targets) == 0:
        return float("nan")
    return float(_f1(_photo_counts(targets, predictions, average).sum(axis=1, dtype=float), average))


def bootstrap_interval(
    targets: np.ndarray,
    predictions: np.ndarray,
    resamples: int = RESAMPLES,
    seed: int = 0,
    level: float = 0.95,
    average: str = "micro",
    groups: Groups = None,
) -> tuple[float, float]:
    """Percentile bootstrap interval of F1 over photos (Efron & Tibshirani 1993, ch. 13).

    (nan, nan) where too few photos have a true or a given label (`ENOUGH`). Of several trainings it is the interval of
    their mean on other photos; how trainings differ is what `over_seeds` says.
    """
    values = resampled_f1(targets, predictions, resamples, seed, average, groups)
    return bounds(values, level) if enough(targets, predictions, groups=groups) else UNDEFINED


def label_intervals(
    targets: np.ndarray, predictions: np.ndarray, resamples: int = RESAMPLES, seed: int = 0, level: float = 0.95
) -> np.ndarray:
    """Bootstrap interval of each label's F1 of one training (N, L), float64 (L, 2).

    nan for a label without a positive, and for one that too few photos carry or were given (`ENOUGH`).
    """
    if len(targets) == 0:
        return np.full((targets.shape[1], 2), np.nan)
    (counts,) = _photo_counts(targets, predictions, "macro")
    f1 = np.concatenate([metrics.label_f1(*np.split(some, 3, axis=1)) for some in _resampled(counts, resamples, seed)])
    known = [enough(targets[:, [label]], predictions[:, [label]]) for label in range(targets.shape[1])]
    return np.array([bounds(column, level) if k else UNDEFINED for column, k in zip(f1.T, known, strict=True)]).reshape(-1, 2)


def paired_difference(
    targets: np.ndarray,
    predictions_a: np.ndarray,
    predictions_b: np.ndarray,
    resamples: int = RESAMPLES,
    seed: int = 0,
    level: float = 0.95,
    average: str = "micro",
    groups: Groups = None,
) -> dict[str, float]:
    """F1 of a minus that of b on the same photos in the same order: difference, low, high, p.

    The interval resamples photos, both answers together; it is nan where too few photos have a true or a given label
    (`ENOUGH`), while p, that of `paired_p`, holds for any number of photos. Without photos, or where one of the two has
    no F1, the first three are nan and p is 1. Of several trainings each the first ones count that both have.
    """
    predictions_a, predictions_b = _in_common((predictions_a, predictions_b))
    a, b = (resampled_f1(targets, answer, resamples, seed, average, groups) for answer in (predictions_a, predictions_b))
    difference = mean_f1(targets, predictions_a, average) - mean_f1(targets, predictions_b, average)
    known = np.isfinite(difference) and enough(targets, predictions_a, predictions_b, groups=groups)
    low, high = bounds(a - b, level) if known else UNDEFINED
    p = paired_p(targets, predictions_a, predictions_b, resamples, seed, average, groups)
    return {"difference": difference, "low": low, "high": high, "p": p}


def paired_p(
    targets: np.ndarray,
    predictions_a: np.ndarray,
    predictions_b: np.ndarray,
    resamples: int = RESAMPLES,
    seed: int = 0,
    average: str = "micro",
    groups: Groups = None,
) -> float:
    """p of the permutation test that swaps the two answers photo by photo, all trainings of a photo together.

    It is the share of swaps with a difference in F1 at least as large, the observed one counted in (Phipson & Smyth
    2010); 1 without photos, or where one of the two has no F1.

    Raises:
        ValueError: the shapes differ in more than the number of trainings.
    """
    answers = (predictions_a, predictions_b)
    a, b = _paired([_drawn_together(_photo_counts(targets, answer, average), groups) for answer in answers])
    scores = [_f1(counts.sum(axis=1, dtype=float), average) for counts in (a, b)]
    return float(_swap_test([(a, b)], resamples, seed, average)[0]) if np.isfinite(scores).all() else 1.0


def pairwise_p(
    targets: np.ndarray,
    predictions: Sequence[np.ndarray],
    resamples: int = RESAMPLES,
    seed: int = 0,
    groups: Groups = None,
) -> np.ndarray:
    """p of the permutation test on micro-F1 between any two rows, symmetric float64 (rows, rows) with 1 on the diagonal.

    All pairs share the swaps, so that many rows cost little more than two: each p by itself is that of
    `paired_p`, and Holm's correction does not ask for independent tests.
    """
    counts = _paired([_drawn_together(_photo_counts(targets, answer, "micro"), groups) for answer in predictions])
    found = np.ones((len(counts), len(counts)))
    scored = [i for i, count in enumerate(counts) if np.isfinite(_f1(count.sum(axis=1, dtype=float), "micro"))]
    pairs = [(i, j) for place, i in enumerate(scored) for j in scored[place + 1 :]]
    tested = _swap_test([(counts[i], counts[j]) for i, j in pairs], resamples, seed, "micro")
    for (i, j), p in zip(pairs, tested, strict=True):
        found[i, j] = found[j, i] = p
    return found


def _paired(counts: list[np.ndarray]) -> list[np.ndarray]:
    """Counts with as many trainings each: a swap exchanges training for training, and a constant answer has only one."""
    counts = _in_common(counts)
    most = max(map(len, counts), default=1)
    return [np.broadcast_to(count, (most, *count.shape[1:])) for count in counts]


def _in_common(answers: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Of several answers (K, N, ·) the first trainings that all have: some of a row may have failed. One stands for all."""
    several = [len(answer) for answer in answers if answer.ndim == 3 and len(answer) > 1]
    return [answer[: min(several)] if answer.ndim == 3 and several else answer for answer in answers]


def _swap_test(pairs: list[tuple[np.ndarray, np.ndarray]], resamples: int, seed: int, average: str) -> np.ndarray:
    """p of each pair of counts (K, N, C), all under the same swaps, float64 (pairs,)."""
    if not pairs:
        return np.zeros(0)
    trainings, n, width = pairs[0][0].shape
    # What a photo's swap takes from one side and gives to the other, pairs side by side: (N, pairs · K · C).
    change = np.concatenate([(b - a).transpose(1, 0, 2).reshape(n, -1) for a, b in pairs], axis=1)
    totals = np.array([[side.sum(axis=1, dtype=float) for side in pair] for pair in pairs])  # (pairs, 2, K, C)
    observed = np.abs(_f1(totals[:, 0], average) - _f1(totals[:, 1], average))
    extreme = np.zeros(len(pairs), dtype=np.int64)
    random = np.random.default_rng(seed + 1)
    for _, size in _chunks(resamples, n):
        swaps = random.integers(0, 2, (size, n), dtype=np.int8).astype(np.float32)
        moved = (swaps @ change).reshape(size, len(pairs), trainings, width)
        swapped = _f1(totals[:, 0] + moved, average) - _f1(totals[:, 1] - moved, average)
        extreme += (np.abs(swapped) >= observed - 1e-12).sum(axis=0)
    return (extreme + 1) / (resamples + 1)


def holm(p_values: np.ndarray) -> np.ndarray:
    """p-values corrected for their number (Holm 1979), in the given order, float64."""
    p_values = np.asarray(p_values, dtype=float)
    order = np.argsort(p_values)
    stepped = np.maximum.accumulate(p_values[order] * np.arange(len(p_values), 0, -1))
    corrected = np.empty_like(p_values)
    corrected[order] = np.minimum(stepped, 1)
    return corrected


def over_seeds(values: Sequence[float]) -> tuple[float, float]:
    """Mean of a score over trainings and its sample standard deviation; one training has none, nan."""
    if not len(values):
        return float("nan"), float("nan")
    return float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else float("nan")
