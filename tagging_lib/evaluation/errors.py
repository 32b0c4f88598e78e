"""Which photos go wrong, and how."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tagging_lib.evaluation import metrics

if TYPE_CHECKING:
    import pandas as pd

KINDS = ("tp", "fp", "fn", "tn")
NO_LABEL = "no label"
# Pairs that should not stand together, and labels that should not stand alone, where a corpus has them.
EXCLUSIVE = (("female", "male"), ("river", "sea"))
IMPLIED = (("baby", "people"), ("portrait", "people"), ("female", "people"), ("male", "people"))


def most_confident(
    targets: np.ndarray, probabilities: np.ndarray, label: int, kind: str, n: int, *, threshold: float = 0.5
) -> np.ndarray:
    """Rows of at most `n` photos that are tp, fp, fn or tn of the label with this index, the surest first, int64.

    A positive (`>=` threshold) is the surer the higher its probability, a negative the lower; equals by row.

    Raises:
        ValueError: `kind` is none of the four.
    """
    if kind not in KINDS:
        raise ValueError(f"kind is {kind!r}: must be one of {KINDS}")
    column = probabilities[:, label]
    given = column >= np.asarray(threshold, dtype=column.dtype)
    right = targets[:, label].astype(bool) == given
    rows = np.flatnonzero((given == (kind[1] == "p")) & (right == (kind[0] == "t")))
    order = np.argsort(-column[rows] if kind[1] == "p" else column[rows], kind="stable")
    return rows[order[:n]]


def contradictions(answers: np.ndarray, labels: tuple[str, ...]) -> pd.DataFrame:
    """How many photos carry labels that exclude each other, or lack one that another implies: contradiction, photos.

    `answers` is 0/1 (N, L), predictions or truth; rules whose labels the corpus lacks are left out. A photo may show a
    man and a woman, or a river's mouth, so the truth has some too: compare the two counts.
    """
    import pandas as pd

    column = {label: answers[:, index].astype(bool) for index, label in enumerate(labels)}
    found = [(f"{a} and {b}", int((column[a] & column[b]).sum())) for a, b in EXCLUSIVE if {a, b} <= column.keys()]
    found += [(f"{a} without {b}", int((column[a] & ~column[b]).sum())) for a, b in IMPLIED if {a, b} <= column.keys()]
    return pd.DataFrame(found, columns=["contradiction", "photos"])


def confused_labels(targets: np.ndarray, predictions: np.ndarray, labels: tuple[str, ...]) -> pd.DataFrame:
    """Of the photos on which the row's label was missed, the share to which the column's label was wrongly given.

    Float (L + 1, L + 1) in [0, 1], *no label* last in both: as a row the unlabelled photos that were given something,
    as a column the photos that were given nothing though they carry a label. Shares of a row may add up to more than 1,
    or to less. A row without a miss is nan.
    """
    import pandas as pd

    true, given = metrics.checked(targets, predictions)
    true, given = (np.hstack([answer, ~answer.any(axis=1, keepdims=True)]) for answer in (true, given))
    missed, wrong = (true & ~given).astype(float), (given & ~true).astype(float)
    counts = missed.sum(axis=0)[:, None]
    together = missed.T @ wrong
    shares = np.divide(together, counts, out=np.full_like(together, np.nan), where=counts > 0)
    names = [*labels, NO_LABEL]
    return pd.DataFrame(shares, index=names, columns=names)


def error_rates_by(groups: np.ndarray, targets: np.ndarray, predictions: np.ndarray) -> pd.DataFrame:
    """One line a group of photos, in ascending order: group, photos, micro_f1, wrong_photos, false_positives, false_negatives.

    `groups` gives each photo's group, (N,); a missing one is a group too, last. wrong_photos is the share of photos
    whose labels are not exactly right, the last two are labels wrongly given and missed per photo. micro_f1 is nan in a
    group without a true or a given label, such as unlabelled photos rightly left alone.
    """
    import pandas as pd

    found = []
    members = pd.Series(np.arange(len(targets))).groupby(pd.Series(groups).reset_index(drop=True), dropna=False, observed=True)
    for group, rows in members:
        true, given = metrics.checked(targets[rows.to_numpy()], predictions[rows.to_numpy()])
        scored = metrics.score(true, given)
        wrongly, missed = ((given & ~true).sum() / len(rows), (true & ~given).sum() / len(rows))
        found.append((group, len(rows), scored["micro_f1"], 1 - scored["subset_accuracy"], wrongly, missed))
    columns = ["group", "photos", "micro_f1", "wrong_photos", "false_positives", "false_negatives"]
    return pd.DataFrame(found, columns=columns)
