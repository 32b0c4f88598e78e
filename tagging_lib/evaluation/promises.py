"""What a way of choosing thresholds promises, what cross-fitting predicts of it, and what it delivers.

Chosen and scored on the same photos, a more flexible rule always looks better. Cross-fitting scores each photo at
thresholds that were chosen without it, and so predicts what other photos will see.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tagging_lib.evaluation import calibration, metrics, thresholds, uncertainty

if TYPE_CHECKING:
    import pandas as pd

FOLDS, REPEATS = 5, 5


@dataclass(frozen=True)
class Rule:
    """`choose` makes thresholds (L,) of targets and probabilities, both (N, L)."""

    title: str
    choose: Callable[[np.ndarray, np.ndarray], np.ndarray]


def on_grid(targets: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """The original's rule: one threshold of 0.05, 0.10 … 0.95 for all labels, by micro-F1."""
    return np.full(targets.shape[1], thresholds.best_on_grid(targets, probabilities))


def exact(targets: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """The best of all single thresholds, by micro-F1."""
    return np.full(targets.shape[1], thresholds.exact(targets, probabilities)[0])


def half_optimum(targets: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Probabilities calibrated label by label, then given from half the best F1 on (Lipton, Elkan & Naryanaswamy, ECML 2014).

    With true probabilities the labels that maximise F1 are those above half the F1 so reached. The best F1 is the one
    that the calibrated probabilities themselves expect. Returned are the thresholds before calibration.
    """
    line = calibration.platt(targets, probabilities)
    calibrated = np.sort(line(probabilities).ravel())[::-1]
    expected = metrics.f1(np.cumsum(calibrated), np.arange(1, calibrated.size + 1) + calibrated.sum())
    return line.before(float(expected.max()) / 2)


RULES: Mapping[str, Rule] = {
    "grid": Rule("one for all, from the grid", on_grid),
    "exact": Rule("one for all, exact", exact),
    "label": Rule("one each, for the label's own F1", thresholds.per_label_exact),
    "micro": Rule("one each, for micro-F1", thresholds.per_label_micro),
    "shrunken": Rule("one each, shrunk to one for all", thresholds.shrunken),
    "half": Rule("calibrated, half the best F1", half_optimum),
}
STAGES = ("promised", "predicted", "delivered")


def cross_fit(
    targets: np.ndarray,
    probabilities: np.ndarray,
    choose: Callable[[np.ndarray, np.ndarray], np.ndarray],
    folds: int = FOLDS,
    repeats: int = REPEATS,
    seed: int = 0,
) -> np.ndarray:
    """Answers to every photo at thresholds chosen on the folds without it, uint8 (repeats, N, L).

    Each repeat deals the photos anew; the F1 of one repeat is that of all its photos, not a mean over folds.

    Raises:
        ValueError: there are fewer than two photos.
    """
    from sklearn.model_selection import KFold

    if len(targets) < 2:
        raise ValueError(f"{len(targets)} photos cannot be cross-fitted: at least two are needed")
    given = np.zeros((repeats, *targets.shape), dtype=np.uint8)
    for repeat in range(repeats):
        dealt = KFold(min(folds, len(targets)), shuffle=True, random_state=seed + repeat).split(targets)
        for chosen_on, left_out in dealt:
            found = choose(targets[chosen_on], probabilities[chosen_on])
            given[repeat, left_out] = thresholds.apply(probabilities[left_out], found)
    return given


def compare(
    validation: tuple[np.ndarray, np.ndarray],
    test: tuple[np.ndarray, np.ndarray],
    rules: Mapping[str, Rule] = RULES,
    resamples: int = uncertainty.RESAMPLES,
    seed: int = 0,
) -> pd.DataFrame:
    """F1 of each rule as promised, predicted and delivered, and its gain over the first rule.

    `validation` and `test` are targets and probabilities. One line a rule, average (micro, macro) and stage: *promised*
    is the F1 on the photos of validation that the thresholds were chosen on, *predicted* that of `cross_fit`, *delivered*
    that on test of the thresholds chosen on all of validation. Columns: rule, title, average, stage, f1, low, high, gain,
    gain_low, gain_high, p_holm; gains are paired on the same photos. p_holm is the permutation test of a delivered gain,
    corrected for the number of rules; nan elsewhere, as are the intervals of too few photos (`uncertainty.ENOUGH`).
    Nothing is chosen on test.
    """
    import pandas as pd

    answers: dict[str, dict[str, np.ndarray]] = {stage: {} for stage in STAGES}
    for name, rule in rules.items():
        chosen = rule.choose(*validation)
        answers["promised"][name] = thresholds.apply(validation[1], chosen)
        answers["predicted"][name] = cross_fit(*validation, rule.choose, seed=seed)
        answers["delivered"][name] = thresholds.apply(test[1], chosen)
    lines = [
        (name, rules[name].title, average, stage, *scores)
        for average in uncertainty.AVERAGES
        for stage, given in answers.items()
        for name, scores in _scored((test if stage == "delivered" else validation)[0], given, average, resamples, seed)
    ]
    names = ["rule", "title", "average", "stage", "f1", "low", "high", "gain", "gain_low", "gain_high", "p_holm"]
    table = pd.DataFrame(lines, columns=names)
    reference = next(iter(rules))
    for average in uncertainty.AVERAGES:
        tested = table.index[(table.average == average) & (table.stage == "delivered") & (table.rule != reference)]
        base = answers["delivered"][reference]
        p = [
            uncertainty.paired_p(test[0], answers["delivered"][name], base, resamples, seed, average)
            for name in table.rule[tested]
        ]
        table.loc[tested, "p_holm"] = uncertainty.holm(np.array(p))
    return table


def _scored(
    targets: np.ndarray, given: Mapping[str, np.ndarray], average: str, resamples: int, seed: int
) -> Iterator[tuple[str, tuple[float, ...]]]:
    """Each rule's F1 and its gain over the first rule, both with intervals, and a place for p."""
    f1 = {name: uncertainty.mean_f1(targets, answer, average) for name, answer in given.items()}
    drawn = {name: uncertainty.resampled_f1(targets, answer, resamples, seed, average) for name, answer in given.items()}
    reference = next(iter(given))
    for name, answer in given.items():
        gain, bounds = drawn[name] - drawn[reference], [uncertainty.UNDEFINED] * 2
        if uncertainty.enough(targets, answer, given[reference]):
            bounds = [uncertainty.bounds(values) for values in (drawn[name], gain)]
        yield name, (f1[name], *bounds[0], f1[name] - f1[reference], *bounds[1], float("nan"))
