"""Which labels a user wants to be given, and from which probability on: the model's threshold, one's own, or a promise."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tagging_lib.errors import TaggingError
from tagging_lib.evaluation import thresholds
from tagging_lib.runs import kept

logger = logging.getLogger(__name__)
NEVER = float("inf")  # the threshold of a label that is not given
TRAIN_PHOTOS = "train_photos"  # how the facts of a run call the number of training photos of each label


@dataclass(frozen=True)
class Giving:
    """From probabilities to labels.

    Attributes:
        labels: those that are answered about.
        columns: their places among the model's labels.
        threshold: one for all, or float64 (L,) with one for each of `labels`; infinite for one that is never given.
    """

    labels: list[str]
    columns: np.ndarray
    threshold: float | np.ndarray

    def given(self, probabilities: np.ndarray) -> np.ndarray:
        """uint8 (N, L) of probabilities (N, L) of `labels`."""
        return thresholds.apply(probabilities, self.threshold)

    @property
    def thresholds(self) -> np.ndarray:
        """One for each label, float64 (L,)."""
        return np.broadcast_to(np.asarray(self.threshold, dtype=np.float64), len(self.labels))


def as_described(described: Mapping[str, Any]) -> Giving:
    """As the model itself gives its labels."""
    labels = list(described["labels"])
    return Giving(labels, np.arange(len(labels)), described["threshold"])


def choose(
    model: Path,
    described: Mapping[str, Any],
    *,
    threshold: float | None = None,
    precision: float | None = None,
    min_photos: int = 0,
) -> Giving:
    """As a user wants labels to be given; labels that cannot be are named in the log.

    Args:
        model: the model's folder, which is asked about validation and training photos where that is needed.
        threshold: of all labels, in place of the model's own.
        precision: the least share of right ones among the photos that are given a label, as `thresholds.at_precision`
            promises it by the validation photos.
        min_photos: leave out labels with fewer training photos.

    Raises:
        TaggingError: a value is out of its range, both `threshold` and `precision` are given, or the folder does not hold
            what has to be known.
    """
    if threshold is not None and precision is not None:
        raise TaggingError("--threshold and --precision both say from when on a label is given: choose one of them")
    if threshold is not None and not 0 < threshold <= 1:
        raise TaggingError(f"threshold is {threshold}: choose a probability above 0 and at most 1")
    if precision is not None and not 0 < precision < 1:
        raise TaggingError(f"precision is {precision}: choose a share above 0 and below 1, such as 0.9")
    given = as_described(described)
    labels, used = given.labels, np.ones(len(given.labels), dtype=bool)
    if min_photos:
        counts = _train_photos(model, labels)
        used = counts >= min_photos
        _tell(f"left out, on fewer than {min_photos} training photos", labels, ~used)
        if not used.any():
            raise TaggingError(f"no label has {min_photos} training photos, the most is {counts.max()}: lower --min-photos")
    found: float | np.ndarray = described["threshold"] if threshold is None else threshold
    if precision is not None:
        targets, probabilities = _validation(model)
        found = thresholds.at_precision(targets, probabilities, precision)
        _tell(
            f"never given, because validation does not promise a precision of {precision:g} of them",
            labels,
            used & np.isinf(found),
        )
        if np.isinf(found[used]).all():
            raise TaggingError(f"no label reaches a precision of {precision:g} on validation: lower --precision")
    columns = np.flatnonzero(used)
    if isinstance(found, np.ndarray):
        found = found[columns]
    return Giving([labels[column] for column in columns], columns, found)


def _tell(what: str, labels: list[str], which: np.ndarray) -> None:
    named = [labels[place] for place in np.flatnonzero(which)]
    if named:
        logger.warning("%d of %d labels are %s: %s", len(named), len(labels), what, ", ".join(named))


def _validation(model: Path) -> tuple[np.ndarray, np.ndarray]:
    if not (model / kept.SUMMARY).exists():
        raise TaggingError(f"{model} holds no validation answers, which --precision needs: give the folder or name of a row")
    run = kept.read(model)
    return run.arrays("truth")["validation"], run.arrays()["validation"]


def _train_photos(model: Path, labels: list[str]) -> np.ndarray:
    facts = kept.read(model).facts if (model / kept.SUMMARY).exists() else {}
    if TRAIN_PHOTOS not in facts:
        raise TaggingError(f"{model} does not say how many training photos its labels have: leave out --min-photos")
    return np.array([facts[TRAIN_PHOTOS][label] for label in labels])
