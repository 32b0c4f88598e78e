"""Which labels can be relied on when they are given without anyone looking at them.

A label counts as reliable where the lower end of the Wilson 95 % interval (Wilson, JASA 1927) of its precision on test is
at least 2/3. Two thirds is where mending by hand still pays: whoever goes through the tags takes away one of three at
most, less work than giving the two others. The lower end and not the precision itself, because a label that was right
three times of three may well be one that is right half the time. Wilson's interval holds its level for few photos and for
shares near 1, where the usual one becomes a point (Brown, Cai & DasGupta, Statistical Science 2001).

How many of a label's photos are found is another question, which recall answers: a reliable label may be given seldom.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from tagging_lib.evaluation import metrics

if TYPE_CHECKING:
    import pandas as pd

LEAST_PRECISION = 2 / 3
Z = 1.959963984540054  # of the normal distribution, two-sided 95 %
# With fewer even a label that is right each time stays below: n ÷ (n + z²) is the lower end of n of n.
FEWEST = math.ceil(LEAST_PRECISION * Z**2 / (1 - LEAST_PRECISION))
RELIABLE, UNRELIABLE, TOO_FEW = "reliable", "unreliable", "too few photos"


def wilson(hits: np.ndarray, n: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both ends of the Wilson 95 % interval of the shares hits ÷ n, float64 of their shape; nan where n is 0.

    >>> [round(float(end), 3) for end in wilson(np.array(8), np.array(8))]
    [0.676, 1.0]
    """
    hits, n = np.asarray(hits, dtype=float), np.asarray(n, dtype=float)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(n > 0, hits / n, np.nan)
        middle = (share + Z**2 / (2 * n)) / (1 + Z**2 / n)
        half = Z / (1 + Z**2 / n) * np.sqrt(share * (1 - share) / n + Z**2 / (4 * n**2))
    return np.clip(middle - half, 0, 1), np.clip(middle + half, 0, 1)


def judge(targets: np.ndarray, predictions: np.ndarray, labels: tuple[str, ...]) -> pd.DataFrame:
    """One line a label, in their order: label, support and predicted (photos), precision, low, high, recall, f1, verdict.

    low and high are the Wilson interval of precision; what is undefined is nan. The verdict is `RELIABLE`, `UNRELIABLE`, or
    `TOO_FEW` where fewer than `FEWEST` photos carry the label and none can tell.
    """
    table = metrics.per_label(targets, predictions, list(labels))
    hits = (targets.astype(bool) & predictions.astype(bool)).sum(axis=0)
    table["precision"] = metrics.ratio(hits, table.predicted)  # `per_label` has 0 where nothing was given
    table["low"], table["high"] = wilson(hits, table.predicted.to_numpy())
    few = (table.support < FEWEST) & (table.predicted < FEWEST)
    verdicts = np.where(few, TOO_FEW, np.where(table.low >= LEAST_PRECISION, RELIABLE, UNRELIABLE))
    table["verdict"] = verdicts
    return table[["label", "support", "predicted", "precision", "low", "high", "recall", "f1", "verdict"]]
