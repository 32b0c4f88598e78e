"""Which photos go wrong, and how."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

KINDS = ("tp", "fp", "fn", "tn")
# Pairs that should not stand together, and labels that should not stand alone, where a corpus has them.
EXCLUSIVE = (("female", "male"), ("river", "sea"))
IMPLIED = (("baby", "people"), ("portrait", "people"), ("female", "people"), ("male", "people"))


def most_confident(
    targets: np.ndarray, probabilities: np.ndarray, threshold: float, label: int, kind: str, n: int
) -> np.ndarray:
    """Rows of the photos that are true or false positives or negatives of a label, the surest answers first, int64."""
    if kind not in KINDS:
        raise ValueError(f"kind is {kind!r}: must be one of {KINDS}")
    column = probabilities[:, label]
    given = column >= np.asarray(threshold, dtype=column.dtype)
    right = targets[:, label].astype(bool) == given
    rows = np.flatnonzero((given == (kind[1] == "p")) & (right == (kind[0] == "t")))
    order = np.argsort(-column[rows] if kind[1] == "p" else column[rows], kind="stable")
    return rows[order[:n]]


def contradictions(answers: np.ndarray, labels: tuple[str, ...]) -> pd.DataFrame:
    """How many photos carry labels that exclude each other, or lack one that another implies: contradiction, photos."""
    import pandas as pd

    column = {label: answers[:, index].astype(bool) for index, label in enumerate(labels)}
    found = [(f"{a} and {b}", int((column[a] & column[b]).sum())) for a, b in EXCLUSIVE if {a, b} <= column.keys()]
    found += [
        (f"{a} without {b}", int((column[a] & ~column[b]).sum())) for a, b in IMPLIED if {a, b} <= column.keys()
    ]
    return pd.DataFrame(found, columns=["contradiction", "photos"])


def confused_labels(targets: np.ndarray, predictions: np.ndarray, labels: tuple[str, ...]) -> pd.DataFrame:
    """Share of the photos that lack the row's label although they carry it, to which the column's label is wrongly given.

    Rows are missed labels, columns wrongly given ones with *no label* last (nothing given at all); nan without a miss.
    """
    import pandas as pd

    missed = (targets.astype(bool) & ~predictions.astype(bool)).astype(float)
    wrong = (predictions.astype(bool) & ~targets.astype(bool)).astype(float)
    nothing = (~predictions.any(axis=1)).astype(float)[:, None]
    counts = missed.sum(axis=0)[:, None]
    together = missed.T @ np.hstack([wrong, nothing])
    shares = np.divide(together, counts, out=np.full_like(together, np.nan), where=counts > 0)
    return pd.DataFrame(shares, index=list(labels), columns=[*labels, "no label"])


def error_rates_by(groups: np.ndarray, targets: np.ndarray, predictions: np.ndarray) -> pd.DataFrame:
    """Micro-F1 and the share of wrong photos in each group of photos: group, photos, micro_f1, wrong_photos."""
    import pandas as pd

    from tagging_lib.evaluation import metrics

    found = []
    for group in pd.unique(pd.Series(groups).sort_values()):
        rows = groups == group
        scored = metrics.score(targets[rows], predictions[rows])
        found.append((group, int(rows.sum()), scored["micro_f1"], 1 - scored["subset_accuracy"]))
    return pd.DataFrame(found, columns=["group", "photos", "micro_f1", "wrong_photos"])
