"""Scores of multi-label answers: pure functions of targets and predictions, both 0/1 and (N, L), or of probabilities.

What cannot be scored is nan and counted, never averaged in as zero: a label without a positive, a photo without a label.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from tagging_lib import files
from tagging_lib.errors import TaggingError

if TYPE_CHECKING:
    import pandas as pd


def checked(targets: np.ndarray, predictions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both as bool (N, L).

    Raises:
        ValueError: the shapes differ or are not (N, L), or a value is neither 0 nor 1.
    """
    if targets.shape != predictions.shape or targets.ndim != 2:
        raise ValueError(f"targets {targets.shape} and predictions {predictions.shape} must both be (N, L)")
    for name, values in (("targets", targets), ("predictions", predictions)):
        # A probability of 0.1 would otherwise count as a given label.
        if values.dtype != bool and not ((values == 0) | (values == 1)).all():
            raise ValueError(f"{name} hold values other than 0 and 1: apply a threshold first")
    return targets.astype(bool), predictions.astype(bool)


def ratio(part: ArrayLike, whole: ArrayLike) -> np.ndarray:
    """part ÷ whole, element by element, float64; nan where the whole is 0."""
    part, whole = np.broadcast_arrays(np.asarray(part, dtype=float), np.asarray(whole, dtype=float))
    return np.divide(part, whole, out=np.full(whole.shape, np.nan), where=whole > 0)


def f1(hits: ArrayLike, marks: ArrayLike) -> np.ndarray:
    """F1 from counts, float64 of their shape: 2 · hits ÷ marks (van Rijsbergen, *Information Retrieval*, 1979, ch. 7).

    Hits are labels both true and given, marks the true labels plus the given ones. nan where there is no mark.

    >>> float(f1(2, 3 + 2))
    0.8
    """
    return ratio(2 * np.asarray(hits, dtype=float), marks)


def label_f1(hits: ArrayLike, marks: ArrayLike, true: ArrayLike) -> np.ndarray:
    """`f1` of single labels, float64: nan for a label that is never true, though it may have been given."""
    return np.where(np.asarray(true) > 0, f1(hits, marks), np.nan)


def _scores(tp: np.ndarray, fp: np.ndarray, fn: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """F1, precision and recall from counts; 0 where nothing was given, nan where nothing was true."""
    precision, recall = ratio(tp, tp + fp), ratio(tp, tp + fn)
    return label_f1(tp, 2 * tp + fp + fn, tp + fn), np.where(np.isnan(recall), np.nan, np.nan_to_num(precision)), recall


def label_confusion(targets: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    """True negatives, false positives, false negatives, true positives of each label, int64 (L, 4)."""
    true, given = checked(targets, predictions)
    cells = [(~true & ~given), (~true & given), (true & ~given), (true & given)]
    return np.stack([cell.sum(axis=0) for cell in cells], axis=1).astype(np.int64)


def unlabelled_confusion(targets: np.ndarray, predictions: np.ndarray) -> dict[str, int]:
    """tn, fp, fn, tp of the class *no label*: positive where a photo carries none."""
    true, given = checked(targets, predictions)
    counts = label_confusion(np.asarray(~true.any(axis=1, keepdims=True)), np.asarray(~given.any(axis=1, keepdims=True)))[0]
    return dict(zip(("tn", "fp", "fn", "tp"), map(int, counts), strict=True))


def score(targets: np.ndarray, predictions: np.ndarray) -> dict[str, float]:
    """{micro, macro, weighted, samples, unlabelled}_{f1, precision, recall}, subset_accuracy, hamming_loss, undefined_labels.

    A label without a positive is undefined: it is counted in `undefined_labels` and left out of the macro mean; where
    it is given nonetheless it still costs micro precision. Where no label is true at all, macro and weighted are nan,
    and micro too unless one was given, which is 0. `unlabelled` is the class *no label*, nan where every photo has
    one. A photo without a true or a given label counts as 0 in the mean over samples, as in scikit-learn, so that
    unlabelled photos cap that mean.

    Raises:
        ValueError: the shapes differ, or a value is neither 0 nor 1.
    """
    true, given = checked(targets, predictions)
    _, fp, fn, tp = label_confusion(targets, predictions).T
    support = tp + fn
    found: dict[str, float] = {}
    micro = _scores(tp.sum(), fp.sum(), fn.sum())
    if fp.any():
        micro = (np.nan_to_num(micro[0]), np.nan_to_num(micro[1]), np.nan_to_num(micro[2]))
    labels = _scores(tp, fp, fn)
    hit = (true & given).sum(axis=1)
    samples = _scores(hit, (~true & given).sum(axis=1), (true & ~given).sum(axis=1))
    silent = unlabelled_confusion(targets, predictions)
    unlabelled = _scores(*(np.asarray(silent[cell]) for cell in ("tp", "fp", "fn")))
    defined = support > 0
    for index, name in enumerate(("f1", "precision", "recall")):
        found[f"micro_{name}"] = float(micro[index])
        found[f"macro_{name}"] = float(labels[index][defined].mean()) if defined.any() else float("nan")
        weighted = np.nan_to_num(labels[index]) @ support
        found[f"weighted_{name}"] = float(weighted / support.sum()) if support.sum() else float("nan")
        found[f"samples_{name}"] = float(np.nan_to_num(samples[index]).mean()) if len(true) else float("nan")
        found[f"unlabelled_{name}"] = float(unlabelled[index])
    found["subset_accuracy"] = float((true == given).all(axis=1).mean()) if len(true) else float("nan")
    found["hamming_loss"] = float((true != given).mean()) if true.size else float("nan")
    found["undefined_labels"] = int((~defined).sum())
    return found


def per_label(targets: np.ndarray, predictions: np.ndarray, labels: list[str] | tuple[str, ...]) -> pd.DataFrame:
    """One line a label: label, precision, recall, f1, support (photos), predicted (photos).

    The first three are nan for a label without a positive, whether it was given or not.
    """
    import pandas as pd

    _, fp, fn, tp = label_confusion(targets, predictions).T
    scores, precision, recall = _scores(tp, fp, fn)
    columns = {"label": list(labels), "precision": precision, "recall": recall, "f1": scores}
    return pd.DataFrame(columns | {"support": tp + fn, "predicted": tp + fp})


def average_precision(targets: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Average precision of each label, float64 (L,), ties together as in scikit-learn; nan without a positive."""
    from sklearn.metrics import average_precision_score

    return np.array(
        [
            average_precision_score(targets[:, label], probabilities[:, label]) if targets[:, label].any() else np.nan
            for label in range(targets.shape[1])
        ]
    )


def mean_average_precision(targets: np.ndarray, probabilities: np.ndarray) -> float:
    """Mean of the defined labels' average precisions; nan when none is."""
    values = average_precision(targets, probabilities)
    return float(np.nanmean(values)) if np.isfinite(values).any() else float("nan")


def ranking(targets: np.ndarray, probabilities: np.ndarray) -> dict[str, float]:
    """How well probabilities are ordered: mean_average_precision, undefined_labels, ranking_loss, coverage, unranked_photos.

    The mean average precision orders photos within each label, over the labels with a positive; the others are counted
    in `undefined_labels`. The ranking loss is the share of a photo's pairs of a true and an absent label in the wrong
    order, a tie as wrong; `coverage` how many of its most probable labels must be given to reach all true ones (Tsoumakas,
    Katakis & Vlahavas 2010). Both are means over photos: the loss over those with a true and an absent label, coverage
    over those with a true label, while the photos without a true label, for which scikit-learn averages in a 0, are
    counted in `unranked_photos`. A mean over nothing is nan.
    """
    from sklearn.metrics import label_ranking_loss

    true, _ = checked(targets, targets)
    if true.shape != probabilities.shape:
        raise ValueError(f"targets {true.shape} and probabilities {probabilities.shape} must both be (N, L)")
    some, mixed = true.any(axis=1), true.any(axis=1) & ~true.all(axis=1)
    lowest = np.where(true, probabilities, np.inf).min(axis=1, initial=np.inf)
    needed = (probabilities >= lowest[:, None]).sum(axis=1)[some]
    return {
        "mean_average_precision": mean_average_precision(targets, probabilities),
        "undefined_labels": int((~true.any(axis=0)).sum()),
        "ranking_loss": float(label_ranking_loss(true[mixed], probabilities[mixed])) if mixed.any() else float("nan"),
        "coverage": float(needed.mean()) if some.any() else float("nan"),
        "unranked_photos": int((~some).sum()),
    }


def ratio_of_f1(train_f1: float, validation_f1: float) -> float:
    """Train F1 ÷ validation F1, the original's measure of overfitting: above 1 where training photos score better.

    nan where one of them is undefined, or nothing on validation is right.
    """
    return float(train_f1 / validation_f1) if validation_f1 > 0 else float("nan")


def read_savetxt(path: str | Path) -> np.ndarray:
    """A 0/1 matrix written by `numpy.savetxt`, uint8 (N, L).

    Raises:
        TaggingError: the file is absent or holds anything but 0 and 1 in rows of equal length.
    """
    import warnings

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # an empty file only warns
            values = np.loadtxt(path, ndmin=2)
    except (OSError, ValueError, UserWarning) as error:
        raise TaggingError(f"{path} cannot be read as a 0/1 matrix ({error}): write it with numpy.savetxt") from error
    if not np.isin(values, (0, 1)).all():
        raise TaggingError(f"{path} holds values other than 0 and 1: apply the threshold before scoring")
    return values.astype(np.uint8)


def write_savetxt(path: str | Path, predictions: np.ndarray) -> None:
    """Write a 0/1 matrix as `numpy.savetxt(fmt="%d")` does, one photo a line.

    Raises:
        ValueError: a value is neither 0 nor 1; "%d" would cut a probability down to 0.
    """
    if not np.isin(predictions, (0, 1)).all():
        raise ValueError("predictions hold values other than 0 and 1: apply a threshold first")
    text = io.StringIO()
    np.savetxt(text, predictions, fmt="%d")
    files.write_text(path, text.getvalue())
