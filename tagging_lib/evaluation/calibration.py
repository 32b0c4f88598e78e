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
TINY = 1e-7  # of probability: odds of exactly 0 or 1 have no logarithm


@dataclass(frozen=True, eq=False)
class OddsLine:
    """Log-odds times `slope` plus `intercept`, each (L,), slopes not negative: more probable stays more probable."""

    slope: np.ndarray
    intercept: np.ndarray

    def __call__(self, probabilities: np.ndarray) -> np.ndarray:
        """Calibrated probabilities, float64 (N, L) in (0, 1)."""
        odds = np.exp(self.slope * _log_odds(probabilities) + self.intercept)
        return odds / (1 + odds)

    def before(self, threshold: float) -> np.ndarray:
        """The thresholds before calibration that give the same labels as `threshold` after it, float64 (L,) in [0, 1].

        A label whose slope is 0 is always or never given; never is the number above 1.
        """
        line = float(_log_odds(np.array(threshold)))
        flat = self.slope == 0
        with np.errstate(over="ignore"):
            odds = np.exp((line - self.intercept) / np.where(flat, 1, self.slope))
            found = 1 / (1 + 1 / np.maximum(odds, np.finfo(float).tiny))
        never = np.nextafter(np.float32(1), np.float32(2))
        return np.where(flat, np.where(self.intercept >= line, 0.0, never), found)


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
    """One slope, 1 ÷ temperature, for all labels."""
    x, y = _log_odds(probabilities).reshape(-1, 1), targets.ravel().astype(float)
    slope = _logistic(x, y, fit_intercept=False)[0] if 0 < y.sum() < len(y) else 1.0
    labels = targets.shape[1]
    # A network that orders worse than chance would be turned round.
    return OddsLine(np.full(labels, slope if slope > 0 else 1.0), np.zeros(labels))


def platt(targets: np.ndarray, probabilities: np.ndarray) -> OddsLine:
    """A slope and an intercept for each label, with Platt's smoothed targets: they stay finite for a label without a positive."""
    lines = []
    for y, x in zip(targets.T.astype(float), _log_odds(probabilities).T, strict=True):
        positives, negatives = y.sum(), len(y) - y.sum()
        smoothed = np.where(y == 1, (positives + 1) / (positives + 2), 1 / (negatives + 2))
        slope, intercept = _logistic(x[:, None], smoothed)
        # Where a label is ordered worse than chance, how frequent it is says more.
        lines.append((slope, intercept) if slope > 0 else (0.0, float(_log_odds(smoothed.mean()))))
    slope, intercept = np.array(lines).T
    return OddsLine(slope, intercept)


def _logistic(x: np.ndarray, shares: np.ndarray, fit_intercept: bool = True) -> tuple[float, float]:
    """Slope and intercept of an unpenalised logistic regression on targets that may lie between 0 and 1.

    Slope 0 where x (N, 1) is the same everywhere and can say nothing.
    """
    from sklearn.linear_model import LogisticRegression

    middle, spread = float(x.mean()) if fit_intercept else 0.0, float(x.std())
    if spread < FLAT:
        return 0.0, float(_log_odds(shares.mean()))
    x = (x - middle) / spread
    model = LogisticRegression(C=np.inf, fit_intercept=fit_intercept, solver="newton-cholesky", max_iter=1000)
    sides, y = np.concatenate([x, x]), np.repeat([1, 0], len(x))
    model.fit(sides, y, sample_weight=np.concatenate([shares, 1 - shares]))
    slope = float(model.coef_[0, 0]) / spread
    return slope, float(model.intercept_[0]) - slope * middle if fit_intercept else 0.0


def _isotonic(targets: np.ndarray, probabilities: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    from sklearn.isotonic import IsotonicRegression

    models = [
        IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit(column.astype(float), true.astype(float))
        for true, column in zip(targets.T, probabilities.T, strict=True)
    ]

    def calibrated(values: np.ndarray) -> np.ndarray:
        return np.column_stack([model.predict(column.astype(float)) for model, column in zip(models, values.T, strict=True)])

    return calibrated


def weighted(probabilities: np.ndarray, pos_weight: np.ndarray) -> np.ndarray:
    """What training with `pos_weight` w makes of true probabilities p: w·p ÷ (1 + (w - 1)·p), float64 (N, L).

    A loss that counts positives w times is least where the odds are w times the true ones (Elkan, IJCAI 2001, theorem 2).
    """
    w = np.asarray(pos_weight, dtype=float)
    return w * probabilities / (1 + (w - 1) * np.asarray(probabilities, dtype=float))


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
