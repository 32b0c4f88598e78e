"""Which photos go wrong, and how: confident errors, contradictions, labels taken for one another, groups of photos."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from tagging_lib.evaluation import metrics, uncertainty

if TYPE_CHECKING:
    import pandas as pd

KINDS = ("tp", "fp", "fn", "tn")
NO_LABEL = "no label"
# Labels that should not stand together, and labels that should not stand alone, where a corpus has them. A portrait
# mostly shows one person: there male and female together come nearest to one person being called both.
EXCLUSIVE = (("female", "male"), ("female", "male", "portrait"), ("river", "sea"))
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


def surest_errors(
    targets: np.ndarray, probabilities: np.ndarray, kind: str, n: int, *, threshold: float = 0.5, of_each_label: int = 2
) -> pd.DataFrame:
    """At most `n` wrong answers of the kind `fp` or `fn`, the surest first: place, column, probability.

    Each photo comes once, each label at most `of_each_label` times, so that neither fills the list.

    Raises:
        ValueError: another `kind`.
    """
    import pandas as pd

    if kind not in ("fp", "fn"):
        raise ValueError(f"kind is {kind!r}: must be fp or fn")
    found = [
        (row, column, float(probabilities[row, column]))
        for column in range(targets.shape[1])
        # A photo may be taken by a label of which it is the surer error, so more are looked at.
        for row in most_confident(targets, probabilities, column, kind, of_each_label * targets.shape[1], threshold=threshold)
    ]
    table = pd.DataFrame(found, columns=["place", "column", "probability"])
    table = table.sort_values("probability", ascending=kind == "fn", kind="stable").drop_duplicates("place")
    return table.groupby("column", sort=False).head(of_each_label).head(n).reset_index(drop=True)


def contradictions(answers: np.ndarray, labels: tuple[str, ...]) -> pd.DataFrame:
    """How many photos carry labels that exclude each other, or lack one that another implies: contradiction, photos.

    `answers` is 0/1 (N, L), predictions or truth; rules whose labels the corpus lacks are left out. Labels belong to
    photos and not to persons: a man beside a woman counts as *female and male* just as one person called both does, so
    the truth has contradictions too, and only the difference between the two counts speaks about the network.
    """
    import pandas as pd

    column = {label: answers[:, index].astype(bool) for index, label in enumerate(labels)}
    found = [
        (" and ".join(rule), int(np.logical_and.reduce([column[label] for label in rule]).sum()))
        for rule in EXCLUSIVE
        if set(rule) <= column.keys()
    ]
    found += [(f"{a} without {b}", int((column[a] & ~column[b]).sum())) for a, b in IMPLIED if {a, b} <= column.keys()]
    return pd.DataFrame(found, columns=["contradiction", "photos"])


def contradictions_compared(targets: np.ndarray, predictions: np.ndarray, labels: tuple[str, ...]) -> pd.DataFrame:
    """Contradictions in both: contradiction, in_truth, in_predictions (photos), ratio (nan where the truth has none)."""
    true, given = (contradictions(answers, labels) for answers in (targets, predictions))
    table = true.rename(columns={"photos": "in_truth"})
    table["in_predictions"] = given.photos
    table["ratio"] = table.in_predictions / table.in_truth.where(table.in_truth > 0)
    return table


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
    shares = metrics.ratio(missed.T @ wrong, missed.sum(axis=0)[:, None])
    names = [*labels, NO_LABEL]
    return pd.DataFrame(shares, index=names, columns=names)


def taken_for(targets: np.ndarray, predictions: np.ndarray, labels: tuple[str, ...]) -> pd.DataFrame:
    """Which label is given where another one is missed, more often than where that one is found; the surest pairs first.

    Looks at photos that carry the one label and lack the other. Columns: missed, given, photos (missed the one and
    wrongly gave the other), share (of the photos on which the one was missed), share_when_found (of those on which it was
    found; nan without any), p of Fisher's exact test that the first share is the larger, p_holm after correction for
    the number of pairs. Both shares are of photos that show the one label, so a pair does not stand out merely because
    its labels are seen together.
    """
    import pandas as pd
    from scipy.stats import hypergeom

    true, given = metrics.checked(targets, predictions)
    wrong, absent = (given & ~true).astype(float), (~true).astype(float)
    missed, hit = (true & ~given).astype(float), (true & given).astype(float)
    n_missed, n_found = missed.T @ absent, hit.T @ absent  # photos, label of the row x label of the column
    k_missed, k_found = missed.T @ wrong, hit.T @ wrong
    one, other = np.nonzero((n_missed > 0) & ~np.eye(len(labels), dtype=bool))
    n, m, k, rest = (counts[one, other].astype(int) for counts in (n_missed, n_found, k_missed, k_found))
    table = pd.DataFrame(
        {
            "missed": [labels[place] for place in one],
            "given": [labels[place] for place in other],
            "photos": k,
            "share": k / n,
            "share_when_found": metrics.ratio(rest, m),
            # One-sided Fisher is the upper tail of the hypergeometric distribution.
            "p": hypergeom.sf(k - 1, n + m, k + rest, n),
        }
    )
    table["p_holm"] = uncertainty.holm(table.p.to_numpy(dtype=float))
    return table.sort_values(["p", "photos"], ascending=[True, False], kind="stable").reset_index(drop=True)


def errors_by_size(sizes: np.ndarray, targets: np.ndarray, predictions: np.ndarray, labels: tuple[str, ...]) -> pd.DataFrame:
    """One line a label, the smallest first: label, train_photos, support, f1, missed (share of its photos), wrong (share
    of the photos that were given it); nan where undefined. `sizes` (L,) counts the label's photos in training.
    """
    table = metrics.per_label(targets, predictions, list(labels))
    table["train_photos"] = np.asarray(sizes, dtype=np.int64)
    table["missed"], table["wrong"] = 1 - table.recall, 1 - table.precision
    table.loc[table.support == 0, "missed"] = np.nan
    table.loc[table.predicted == 0, "wrong"] = np.nan
    table = table.sort_values("train_photos", kind="stable").reset_index(drop=True)
    return table[["label", "train_photos", "support", "f1", "missed", "wrong"]]


def brightness_groups(pixels: np.ndarray, indices: np.ndarray, groups: int = 5) -> pd.Categorical:
    """Each photo's place among equally large groups, from dark to bright: ordered categories that name their bounds.

    `pixels` uint8 (N, S, S, 3); brightness is the mean luma of ITU-R BT.601 in [0, 255]. Photos of equal brightness share
    a group, so that there may be fewer.
    """
    import pandas as pd

    weights = np.array([0.299, 0.587, 0.114])
    # One photo at a time: the pixels lie in a memory-mapped file.
    luma = np.array([pixels[index].mean(axis=(0, 1)) @ weights for index in indices])
    if not len(luma):
        return pd.Categorical([], ordered=True)
    edges = np.unique(np.quantile(luma, np.linspace(0, 1, groups + 1)))
    if len(edges) < 2:
        return pd.Categorical([f"{luma[0]:.0f}"] * len(luma), ordered=True)
    names = [f"{low:.0f} to {high:.0f}" for low, high in pairwise(edges)]
    place = np.clip(np.searchsorted(edges, luma, side="right") - 1, 0, len(names) - 1)
    unique = [f"{name} ({number})" if names.count(name) > 1 else name for number, name in enumerate(names, start=1)]
    return pd.Categorical.from_codes(place, unique, ordered=True)


def error_rates_by(groups: np.ndarray, targets: np.ndarray, predictions: np.ndarray) -> pd.DataFrame:
    """One line a group of photos, in ascending order: group, photos, micro_f1 with its 95 % interval low and high,
    wrong_photos, false_positives, false_negatives.

    `groups` gives each photo's group, (N,); a missing one is a group too, last. wrong_photos is the share of photos
    whose labels are not exactly right, the last two are labels wrongly given and missed per photo. micro_f1 is nan in a
    group without a true or a given label, such as unlabelled photos rightly left alone, and so are low and high in one
    with few (`uncertainty.ENOUGH`).
    """
    import pandas as pd

    found = []
    members = pd.Series(np.arange(len(targets))).groupby(pd.Series(groups).reset_index(drop=True), dropna=False, observed=True)
    for group, rows in members:
        true, given = metrics.checked(targets[rows.to_numpy()], predictions[rows.to_numpy()])
        scored = metrics.score(true, given)
        wrongly, missed = ((given & ~true).sum() / len(rows), (true & ~given).sum() / len(rows))
        bounds = uncertainty.bootstrap_interval(true, given)
        found.append((group, len(rows), scored["micro_f1"], *bounds, 1 - scored["subset_accuracy"], wrongly, missed))
    columns = ["group", "photos", "micro_f1", "low", "high", "wrong_photos", "false_positives", "false_negatives"]
    return pd.DataFrame(found, columns=columns)
