"""Whether a probability of 0.3 is right three times in ten, and how to make it so.

A calibration is fitted on one part (validation) and judged on another. All but the isotonic one move log-odds along a
straight line, which is a power and a factor on the odds: probabilities go in and come out, no logit is needed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

BINS = 10
KINDS = ("temperature", "platt", "isotonic")
FLAT = 1e-4  # of log-odds: less than this apart, probabilities are the same number but for rounding
STILL = 1e-6  # of the mean log-likelihood: a slope that raises it by less per unit is no better than none
TINY = 1e-7  # of probability: odds of exactly 0 or 1 have no logarithm
OPEN = np.finfo(float).tiny, 1 - np.finfo(float).epsneg  # the first and the last number between 0 and 1


@dataclass(frozen=True, eq=False)
class OddsLine:
    """Log-odds times `slope` plus `intercept`, each (L,), slopes not negative: more probable stays more probable."""

    slope: np.ndarray
    intercept: np.ndarray

    def __call__(self, probabilities: np.ndarray) -> np.ndarray:
        """Calibrated probabilities, float64 (N, L) in (0, 1), however steep the line."""
        from scipy.special import expit

        return np.clip(expit(self.slope * _log_odds(probabilities) + self.intercept), *OPEN)

    def before(self, threshold: float) -> np.ndarray:
        """The thresholds before calibration that give the same labels as `threshold` after it, float64 (L,) in [0, 1].

        A label that is always given gets 0, one that is never given, as at the threshold 1, the number above 1.
        """
        from scipy.special import expit, logit

        line, flat = logit(float(threshold)), self.slope == 0
        with np.errstate(over="ignore"):  # a line that is all but flat
            log_odds = (line - self.intercept) / np.where(flat, 1, self.slope)
        log_odds = np.where(flat, np.where(self.intercept >= line, -np.inf, np.inf), log_odds)
        # Nothing lies further out than the log-odds of a probability of 0 or 1.
        lowest, highest = _log_odds(np.array([0.0, 1.0]))
        never = np.nextafter(np.float32(1), np.float32(2))
        return np.where(log_odds <= lowest, 0.0, np.where(log_odds > highest, never, expit(log_odds)))


def _log_odds(probabilities: np.ndarray) -> np.ndarray:
    from scipy.special import logit

    return logit(np.clip(np.asarray(probabilities, dtype=float), TINY, 1 - TINY))


def fit(kind: str, targets: np.ndarray, probabilities: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """A function from probabilities (n, L) to calibrated ones, float64 (n, L), fitted on targets (N, L).

    `temperature` divides the log-odds of all labels by one number (Guo et al., ICML 2017), `platt` gives each label its
    own line (Platt 1999), `isotonic` its own rising steps (Zadrozny & Elkan, KDD 2002). A label without a positive comes
    out near zero, whatever was predicted.

    Raises:
        ValueError: the kind is unknown, the shapes differ, or there are no photos.
    """
    if kind not in KINDS:
        raise ValueError(f"kind is {kind!r}: must be one of {KINDS}")
    if targets.shape != probabilities.shape or targets.ndim != 2 or not len(targets):
        raise ValueError(f"targets {targets.shape} and probabilities {probabilities.shape} must both be (N, L), N above 0")
    if kind == "temperature":
        return temperature(targets, probabilities)
    return platt(targets, probabilities) if kind == "platt" else _isotonic(targets, probabilities)


def temperature(targets: np.ndarray, probabilities: np.ndarray) -> OddsLine:
    """The most likely slope, 1 ÷ temperature, one for all labels.

    Where 0.5 separates the targets, the steeper the likelier: it is a slope from which on the likelihood all but stands
    still. 1 without a positive or a negative, and for a network that would be turned round.
    """
    from scipy.optimize import brentq
    from scipy.special import expit

    x, y = _log_odds(probabilities).ravel(), targets.ravel().astype(float)

    def rise(slope: float) -> float:
        """By how much the mean log-likelihood rises with the slope; the steeper, the less."""
        return float(x @ (y - expit(slope * x))) / len(y)

    slope = 1.0
    if 0 < y.sum() < len(y) and rise(0.0) > 0:
        while rise(slope) > STILL:
            slope *= 2
        slope = brentq(rise, 0.0, slope) if rise(slope) < 0 else slope
    return OddsLine(np.full(targets.shape[1], slope), np.zeros(targets.shape[1]))


def platt(targets: np.ndarray, probabilities: np.ndarray) -> OddsLine:
    """A slope and an intercept for each label, with Platt's smoothed targets: they stay finite for a label without a positive."""
    lines = []
    for y, x in zip(targets.T.astype(float), _log_odds(probabilities).T, strict=True):
        positives, negatives = y.sum(), len(y) - y.sum()
        smoothed = np.where(y == 1, (positives + 1) / (positives + 2), 1 / (negatives + 2))
        lines.append(_logistic(x, smoothed))
    slopes, intercepts = np.array(lines).reshape(-1, 2).T
    return OddsLine(slopes, intercepts)


def _logistic(x: np.ndarray, shares: np.ndarray) -> tuple[float, float]:
    """Slope and intercept of an unpenalised logistic regression of x (N,) on targets that may lie between 0 and 1.

    Slope 0, which leaves their mean, where x is the same everywhere, or orders them no better than chance.
    """
    from sklearn.linear_model import LogisticRegression

    middle, spread = float(x.mean()), float(x.std())
    x = (x - middle) / max(spread, FLAT)
    # The likelihood rises from slope 0 by this, and falls from there where it is negative.
    if spread < FLAT or x @ shares < STILL * len(x):
        return 0.0, float(_log_odds(shares.mean()))
    model = LogisticRegression(C=np.inf, solver="newton-cholesky", max_iter=1000)
    sides, y = np.concatenate([x, x])[:, None], np.repeat([1, 0], len(x))
    model.fit(sides, y, sample_weight=np.concatenate([shares, 1 - shares]))
    slope = float(model.coef_[0, 0]) / spread
    return slope, float(model.intercept_[0]) - slope * middle


def _isotonic(targets: np.ndarray, probabilities: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    from sklearn.isotonic import IsotonicRegression

    models = [
        IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit(column.astype(float), true.astype(float))
        for true, column in zip(targets.T, probabilities.T, strict=True)
    ]

    def calibrated(values: np.ndarray) -> np.ndarray:
        found = np.empty(values.shape)
        for place, model in enumerate(models):
            found[:, place] = model.predict(values[:, place].astype(float))
        return found

    return calibrated


def weighted(probabilities: np.ndarray, pos_weight: np.ndarray) -> np.ndarray:
    """What training with `pos_weight` w, above 0, makes of true probabilities p: w·p ÷ (1 - p + w·p), float64 (N, L).

    A loss that counts positives w times is least where the odds are w times the true ones (Elkan, IJCAI 2001, theorem 2).
    """
    p = np.asarray(probabilities, dtype=float)
    positive = np.asarray(pos_weight, dtype=float) * p
    return positive / (1 - p + positive)


def unweighted(probabilities: np.ndarray, pos_weight: np.ndarray) -> np.ndarray:
    """The inverse of `weighted`: the odds of a row trained with `pos_weight`, divided by it."""
    return weighted(probabilities, 1 / np.asarray(pos_weight, dtype=float))


def reliability(targets: np.ndarray, probabilities: np.ndarray, bins: int = BINS, level: float = 0.95) -> pd.DataFrame:
    """One line for each of the equal bins that hold a probability: probability (mean), share (true), low, high, photos.

    Of one label, targets and probabilities (N,). low and high are Wilson's binomial interval of the share.
    """
    import pandas as pd
    from scipy.stats import binomtest

    size, said, true = (column[:, 0] for column in _binned(targets[:, None], probabilities[:, None], bins))
    used = np.flatnonzero(size)
    bounds = [binomtest(int(true[i]), int(size[i])).proportion_ci(level, "wilson") for i in used]
    return pd.DataFrame(
        {
            "probability": said[used] / size[used],
            "share": true[used] / size[used],
            "low": [bound.low for bound in bounds],
            "high": [bound.high for bound in bounds],
            "photos": size[used].astype(int),
        }
    )


def expected_calibration_error(targets: np.ndarray, probabilities: np.ndarray, bins: int = BINS) -> np.ndarray:
    """Mean distance between probability and share of true labels over equal bins, weighted by photos (Naeini, Cooper &
    Hauskrecht, AAAI 2015), of each label: float64 (L,) in [0, 1]; nan without photos."""
    if not len(targets):
        return np.full(targets.shape[1], np.nan)
    _, said, true = _binned(targets, probabilities, bins)
    return np.abs(said - true).sum(axis=0) / len(targets)


def error_by_chance(probabilities: np.ndarray, bins: int = BINS, draws: int = 200, seed: int = 0) -> np.ndarray:
    """The calibration error that perfectly calibrated probabilities would show on as many photos, float64 (L,).

    It is above zero because shares of few photos scatter: an error near this number is none.
    """
    random = np.random.default_rng(seed)
    drawn = [random.random(probabilities.shape) < probabilities for _ in range(draws)]
    return np.mean([expected_calibration_error(truth, probabilities, bins) for truth in drawn], axis=0)


def brier(targets: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Mean squared distance between probability and truth of each label, float64 (L,); nan without photos."""
    if not len(targets):
        return np.full(targets.shape[1], np.nan)
    return ((np.asarray(probabilities, dtype=float) - targets) ** 2).mean(axis=0)


def _binned(targets: np.ndarray, probabilities: np.ndarray, bins: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Photos, sum of probabilities and positives in each bin of each label, float64 (bins, L)."""
    labels = targets.shape[1]
    values = np.asarray(probabilities, dtype=float)
    member = np.clip((values * bins).astype(int), 0, bins - 1) * labels + np.arange(labels)
    sums = [
        np.bincount(member.ravel(), weight, minlength=bins * labels).reshape(bins, labels)
        for weight in (None, values.ravel(), targets.ravel().astype(float))
    ]
    return sums[0].astype(float), sums[1], sums[2]
