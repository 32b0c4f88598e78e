"""From probabilities to labels: a label is given where its probability is at least (`>=`) the threshold."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tagging_lib.evaluation import metrics

if TYPE_CHECKING:
    import pandas as pd

GRID = np.round(np.arange(0.05, 0.96, 0.05), 2)  # the original's
FINE_GRID = np.round(np.arange(0.01, 1.0, 0.01), 2)
CONFIDENCE = 0.9  # of a promised precision, label by label


def apply(probabilities: np.ndarray, threshold: float | np.ndarray) -> np.ndarray:
    """uint8 (N, L): 1 where the probability is at least the threshold, one for all labels or one each (L,)."""
    return (probabilities >= _comparable(threshold, probabilities)).astype(np.uint8)


def _comparable(threshold: float | np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """The threshold in the probabilities' own precision: 0.3 as float32 is not below 0.3 as float64."""
    whole = not np.issubdtype(probabilities.dtype, np.floating)  # 0.5 as an integer would be 0, which all reach
    return np.asarray(threshold, dtype=np.float64 if whole else probabilities.dtype)


def _counts(targets: np.ndarray, probabilities: np.ndarray, grid: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """Hits and given labels at each threshold of the grid, and how many labels are true."""
    edges = _comparable(grid, probabilities)
    flat, true = probabilities.ravel(), targets.ravel().astype(bool)
    hits = np.sort(flat[true])
    every = np.sort(flat)
    return (
        len(hits) - np.searchsorted(hits, edges, side="left"),
        len(every) - np.searchsorted(every, edges, side="left"),
        int(true.sum()),
    )


def sweep(targets: np.ndarray, probabilities: np.ndarray, grid: np.ndarray = GRID) -> pd.DataFrame:
    """Micro scores at each threshold: columns threshold, f1, precision, recall (0 where nothing is given or true)."""
    import pandas as pd

    hits, given, true = _counts(targets, probabilities, grid)
    return pd.DataFrame(
        {
            "threshold": grid,
            "f1": np.nan_to_num(metrics.f1(hits, given + true)),
            "precision": np.nan_to_num(metrics.ratio(hits, given)),
            "recall": np.nan_to_num(metrics.ratio(hits, true)),
        }
    )


def best_on_grid(targets: np.ndarray, probabilities: np.ndarray, grid: np.ndarray = GRID) -> float:
    """The threshold of the grid with the highest micro-F1; among equals the one in their middle, the higher of two."""
    f1 = sweep(targets, probabilities, grid).f1.to_numpy()
    equals = np.flatnonzero(f1 >= f1.max() - 1e-12)
    return float(grid[equals[len(equals) // 2]])


def exact(targets: np.ndarray, probabilities: np.ndarray) -> tuple[float, float]:
    """The probability at which a threshold gives the highest micro-F1 of all thresholds, and that F1.

    Without a true label no threshold is better than another: (1.0, 0.0).
    """
    flat, true = probabilities.ravel(), targets.ravel().astype(bool)
    if not true.any():
        return 1.0, 0.0
    order = np.argsort(flat)[::-1]  # not of -flat: whole numbers without a sign wrap around
    hits = np.cumsum(true[order])
    f1 = metrics.f1(hits, np.arange(1, len(flat) + 1) + true.sum())
    # A threshold cannot fall between two equal probabilities.
    last_of_ties = np.append(flat[order][:-1] != flat[order][1:], True)
    best = int(np.where(last_of_ties, f1, -1).argmax())
    return float(flat[order][best]), float(f1[best])


def at_precision(targets: np.ndarray, probabilities: np.ndarray, precision: float, confidence: float = CONFIDENCE) -> np.ndarray:
    """The lowest threshold of each label that promises the precision, float64 (L,); infinite for a label that none does.

    A threshold promises it where the lower end of the one-sided Clopper-Pearson interval (Biometrika 1934) of its precision
    on these photos reaches it. Without a single error that takes ln(1 - confidence) / ln(precision) photos, 22 for 0.9. The
    precision as counted would take one photo, and promises too much: the threshold is the luckiest of many. Some of that
    luck is left, because the confidence is that of each threshold by itself: at 0.89 whatever the threshold, 0.9 is promised
    in 0.22 of draws of 1,000 photos, with a confidence of 0.9.

    >>> sure = np.linspace(1, 0.5, 22)[:, None]
    >>> at_precision(np.ones((22, 1)), sure, 0.9), at_precision(np.ones((21, 1)), sure[:21], 0.9)
    (array([0.5]), array([inf]))
    """
    from scipy.special import betaincinv

    found = np.full(targets.shape[1], np.inf)
    for label in range(targets.shape[1]):
        column = probabilities[:, label]
        order = np.argsort(column)[::-1]
        hits, given = np.cumsum(targets[order, label].astype(np.int64)), np.arange(1, len(column) + 1)
        # Without a hit nothing is promised; the inverse is not defined there.
        lowest = np.where(hits > 0, betaincinv(np.maximum(hits, 1), given - hits + 1, 1 - confidence), 0.0)
        last_of_ties = np.append(column[order][:-1] != column[order][1:], True)  # a threshold cannot fall between them
        promising = np.flatnonzero(last_of_ties[: len(column)] & (lowest >= precision))
        if len(promising):
            found[label] = float(column[order][promising[-1]])
    return found


def per_label_exact(targets: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """The threshold of each label with the best F1 of that label, float64 (L,): together they have the best macro-F1.

    1.0 for a label without a positive.
    """
    columns = range(targets.shape[1])
    return np.array([exact(targets[:, [i]], probabilities[:, [i]])[0] for i in columns])


def per_label_micro(targets: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """The thresholds, one for each label, with the best micro-F1 of all such sets, float64 (L,).

    A label that is better never given gets the number above its highest probability; without a true label all do, and
    without photos 1.0.
    Micro-F1 is a ratio of sums over labels, which Dinkelbach's iteration (Management Science 1967) turns into a search
    within each label: the best F1 so far is the price of a given label, and a label is given while that pays.
    """
    if not len(targets):
        return np.ones(targets.shape[1])
    columns = [_label_curve(targets[:, i].astype(bool), probabilities[:, i]) for i in range(targets.shape[1])]
    true, f1 = float(targets.sum(dtype=np.int64)), 0.0
    while True:
        best = [int((2 * hits - f1 * given).argmax()) for _, hits, given in columns]
        hit = sum(float(hits[at]) for at, (_, hits, _) in zip(best, columns, strict=True))
        given = sum(float(counts[at]) for at, (_, _, counts) in zip(best, columns, strict=True))
        found = float(np.nan_to_num(metrics.f1(hit, given + true)))
        if found <= f1:
            return np.array([float(edges[at]) for at, (edges, _, _) in zip(best, columns, strict=True)])
        f1 = found


def _label_curve(true: np.ndarray, column: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Every threshold that makes a difference to one label, highest first, with its hits and how often the label is given."""
    edges = _comparable(np.unique(column)[::-1], column)
    edges = np.concatenate([np.nextafter(edges[:1], np.asarray(np.inf, dtype=edges.dtype)), edges])
    hits, every = np.sort(column[true]), np.sort(column)
    return edges, len(hits) - np.searchsorted(hits, edges), len(every) - np.searchsorted(every, edges)


STRENGTHS = (0.0, 3.0, 10.0, 30.0, 100.0, 300.0, np.inf)  # positives
SHRINKING_FOLDS = 5


def shrunken(targets: np.ndarray, probabilities: np.ndarray, seed: int = 0) -> np.ndarray:
    """`per_label_micro` drawn towards the exact threshold for all labels, the more so the rarer the label, float64 (L,).

    A label with n positives keeps n ÷ (n + k) of its way from the one to the other, measured in log-odds. k, of
    `STRENGTHS`, is the one with the best micro-F1 on photos left out of the choice, the strongest among equals.
    """
    from sklearn.model_selection import KFold

    if len(targets) < 2:
        return np.full(targets.shape[1], exact(targets, probabilities)[0])
    kept = np.zeros((len(STRENGTHS), *targets.shape), dtype=np.uint8)
    for choose, leave in KFold(min(SHRINKING_FOLDS, len(targets)), shuffle=True, random_state=seed).split(targets):
        for place, sets in enumerate(_shrunken_by(STRENGTHS, targets[choose], probabilities[choose])):
            kept[place, leave] = apply(probabilities[leave], sets)
    true = targets.astype(bool)
    hits, marks = (true & (kept == 1)).sum(axis=(1, 2)), true.sum() + kept.sum(axis=(1, 2), dtype=np.int64)
    f1 = np.nan_to_num(metrics.f1(hits, marks))
    best = max(range(len(STRENGTHS)), key=lambda place: (f1[place], place))
    return _shrunken_by(STRENGTHS[best : best + 1], targets, probabilities)[0]


def _shrunken_by(strengths: tuple[float, ...], targets: np.ndarray, probabilities: np.ndarray) -> list[np.ndarray]:
    from scipy.special import expit, logit

    positives = targets.sum(axis=0, dtype=np.int64)
    own, common = per_label_micro(targets, probabilities), exact(targets, probabilities)[0]
    tiny = 1e-6  # of probability: log-odds have no end
    far, near = (logit(np.clip(value, tiny, 1 - tiny)) for value in (own, common))
    found = []
    for k in strengths:
        share = np.where(positives > 0, positives / np.maximum(positives + k, 1), 0) if np.isfinite(k) else np.zeros(len(own))
        # Two thresholds at 0 or 1, where log-odds have no end, still have themselves between them.
        between = np.where(own == common, common, expit(near + share * (far - near)))
        found.append(np.where(share == 1, own, np.where(share == 0, common, between)))
    return found
