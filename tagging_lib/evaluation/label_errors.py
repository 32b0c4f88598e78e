"""Annotations that are probably wrong, by confident learning, and what correcting them would do to a score.

Nothing here changes a label of the study: what is suspected is listed for people to look at.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from tagging_lib.evaluation import metrics

if TYPE_CHECKING:
    import pandas as pd

FOLDS = 5
COLUMNS = ["place", "column", "given", "probability", "score"]


def folds(targets: np.ndarray, n_folds: int = FOLDS, seed: int = 0, groups: np.ndarray | None = None) -> np.ndarray:
    """The fold of each photo, int64 (N,) of 0 … n_folds - 1; each label, and no label, spread evenly over them.

    Args:
        groups: int64 (N,), equal for photos that must share a fold, as twins must; None for no such photos. A group goes
            where its first photo does.

    Raises:
        ValueError: there are fewer photos than folds.
    """
    from iterstrat.ml_stratifiers import MultilabelStratifiedKFold

    if not 2 <= n_folds <= len(targets):
        raise ValueError(f"n_folds is {n_folds}: must lie between 2 and the number of photos, {len(targets)}")
    strata = np.column_stack([targets, ~np.asarray(targets).any(axis=1)]).astype(int)
    found = np.full(len(targets), -1, dtype=np.int64)
    splitter = MultilabelStratifiedKFold(n_splits=n_folds, shuffle=True, random_state=seed)
    for number, (_, held_out) in enumerate(splitter.split(np.zeros((len(targets), 1)), strata)):
        found[held_out] = number
    if groups is not None:
        _, first, group_of = np.unique(groups, return_index=True, return_inverse=True)
        found = found[first[group_of.ravel()]]
    return found


def out_of_fold(fold_of: np.ndarray, fit_predict: Callable[[np.ndarray, np.ndarray], np.ndarray], n_labels: int) -> np.ndarray:
    """Probabilities float32 (N, L), each photo's from a model that has not seen it.

    `fit_predict(train, held_out)` trains on the photos numbered `train` and returns (len(held_out), L).
    """
    probabilities = np.full((len(fold_of), n_labels), np.nan, dtype=np.float32)
    for number in np.unique(fold_of):
        held_out = np.flatnonzero(fold_of == number)
        probabilities[held_out] = fit_predict(np.flatnonzero(fold_of != number), held_out)
    return probabilities


def suspects(targets: np.ndarray, probabilities: np.ndarray) -> pd.DataFrame:
    """Annotations that are probably wrong, the most suspicious first.

    Columns: place and column of the annotation in `targets` 0/1 (N, L), given (0 or 1), probability of the label, score
    (cleanlab's quality of the annotation in [0, 1], low is suspicious). Whether an annotation is listed is decided label
    by label by confident learning (Northcutt, Jiang & Chuang 2021, *JAIR* 70), which estimates how many of each kind
    are wrong. The order is by normalised margin, with each probability set against what is usual for the label:
    otherwise every photo of a rare label, which no network is sure of, would come first. The probabilities must be of a
    model that has not seen the photo. Labels that all photos carry, or none, have no suspects.

    Raises:
        ValueError: the shapes differ, a target is neither 0 nor 1, or a probability lies outside [0, 1].
    """
    import pandas as pd

    with warnings.catch_warnings():
        # In a notebook its import of tqdm looks for a widget, which a page of the report would not show.
        warnings.filterwarnings("ignore", message="IProgress not found")
        from cleanlab.multilabel_classification.filter import find_multilabel_issues_per_class
        from cleanlab.multilabel_classification.rank import get_label_quality_scores_per_class

    if targets.shape != probabilities.shape or targets.ndim != 2:
        raise ValueError(f"targets {targets.shape} and probabilities {probabilities.shape} must both be (N, L)")
    if not np.isin(targets, (0, 1)).all():
        raise ValueError("targets hold values other than 0 and 1")
    if not ((probabilities >= 0) & (probabilities <= 1)).all():
        raise ValueError("probabilities must lie in [0, 1]")
    positives = targets.sum(axis=0, dtype=np.int64)
    usable = np.flatnonzero((positives > 0) & (positives < len(targets)))
    if not len(usable):
        return pd.DataFrame(columns=COLUMNS)
    chosen, values = targets[:, usable], probabilities[:, usable].astype(np.float64)
    members = [np.flatnonzero(photo).tolist() for photo in chosen]
    with warnings.catch_warnings():
        # It says that a label of few photos may hide more errors, which is so and needs no line a label.
        warnings.filterwarnings("ignore", message="May not flag all label issues")
        listed = find_multilabel_issues_per_class(members, values, n_jobs=1)
        scores = np.asarray(
            get_label_quality_scores_per_class(members, values, method="normalized_margin", adjust_pred_probs=True)
        )
    rows, columns = np.nonzero(listed)
    table = pd.DataFrame(
        {
            "place": rows,
            "column": usable[columns],
            "given": chosen[rows, columns].astype(int),
            "probability": values[rows, columns],
            "score": np.asarray(scores)[rows, columns],
        }
    )
    return table.sort_values(["score", "place", "column"], kind="stable").reset_index(drop=True)


def corrected(targets: np.ndarray, found: pd.DataFrame) -> np.ndarray:
    """A copy of `targets` (N, L) in which the annotations of `found` (columns place, column) are turned round."""
    changed = np.array(targets)
    rows, columns = found.place.to_numpy(dtype=int), found.column.to_numpy(dtype=int)
    changed[rows, columns] = 1 - changed[rows, columns]
    return changed


def f1_after_correction(
    targets: np.ndarray,
    predictions: np.ndarray,
    found: pd.DataFrame,
    counts: Sequence[int],
    *,
    draws: int = 200,
    seed: int = 0,
) -> pd.DataFrame:
    """Micro-F1 against the truth with the first `k` of `found` turned round, for each k of `counts`, beside chance.

    Columns: corrected (k, at most the number found), suspects, random and random_errors, the last two as the mean over
    `draws` with the bounds of the middle 95 % (`…_low`, `…_high`). *random* turns as many annotations round, as many
    there and as many absent, on photos drawn by chance: what looking without a hint would do if every look
    ended in a change. *random_errors* settles as many of the answers' own errors in their favour, drawn by chance: so
    much the score rises merely because truth moves towards the answers. Only what *suspects* has beyond it could be a
    finding about the labels, and even that needs eyes.
    """
    import pandas as pd

    true, given = metrics.checked(targets, predictions)
    flat_true, flat_given = true.ravel(), given.ravel()
    places = found.place.to_numpy(dtype=int) * targets.shape[1] + found.column.to_numpy(dtype=int)
    counts = sorted({min(k, len(places)) for k in counts})
    random = np.random.default_rng(seed)
    positive, negative = np.flatnonzero(flat_true), np.flatnonzero(~flat_true)
    wrong = np.flatnonzero(flat_true != flat_given)
    blind, mechanical = np.empty((draws, len(counts))), np.empty((draws, len(counts)))
    for draw in range(draws):
        removed, added = random.permutation(positive), random.permutation(negative)
        errors = random.permutation(wrong)
        for number, k in enumerate(counts):
            there = int(flat_true[places[:k]].sum())
            blind[draw, number] = _f1_turned(flat_true, flat_given, np.append(removed[:there], added[: k - there]))
            mechanical[draw, number] = _f1_turned(flat_true, flat_given, errors[:k])
    table = pd.DataFrame({"corrected": counts})
    table["suspects"] = [_f1_turned(flat_true, flat_given, places[:k]) for k in counts]
    for name, values in (("random", blind), ("random_errors", mechanical)):
        table[name] = values.mean(axis=0)
        table[f"{name}_low"], table[f"{name}_high"] = np.quantile(values, [0.025, 0.975], axis=0)
    return table


def _f1_turned(true: np.ndarray, given: np.ndarray, turned: np.ndarray) -> float:
    """Micro-F1 after the truth at the places `turned` is turned round; nan where nothing is true or given."""
    was, said = true[turned], given[turned]
    hits = (true & given).sum() + (said & ~was).sum() - (said & was).sum()
    return float(metrics.f1(hits, true.sum() + given.sum() + (~was).sum() - was.sum()))
