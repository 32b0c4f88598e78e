"""Finished rows joined into one answer, and whether that is better than the best of them alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from tagging_lib.evaluation import ensemble, metrics, thresholds, uncertainty
from tagging_lib.runs.result import Result
from tagging_lib.study import compare
from tagging_lib.study.study import Study

MEMBERS = 3  # as the original meant to
CANDIDATES = 8  # rows that the greedy choice may take
COLUMNS = [
    *("ensemble", "members", "threshold", "validation_f1", "micro_f1", "low", "high", "macro_f1"),
    *("difference", "difference_low", "difference_high", "p", "p_holm", "verdict"),
]


def best_rows(results: Sequence[Result], most: int) -> list[Result]:
    """The rows with the highest micro-F1 on validation, best first; a constant answer is not among them."""
    usable = [result for result in results if not result.experiment.is_constant]
    return sorted(usable, key=lambda result: -result.score("validation")["micro_f1"])[:most]


def join(study: Study, results: Sequence[Result]) -> pd.DataFrame:
    """Ensembles of the best rows on validation, one a line, each against its best member on the test photos.

    The original's idea, a majority vote of the best three; the mean of their probabilities; their mean weighted label by
    label; and a greedy choice among the best eight. Weights, choice and threshold come from validation, on which
    `validation_f1` tells which ensemble to take. `difference` is test
    micro-F1 minus that of the best member on validation, with its paired interval and p, which Holm's rule corrects for the
    number of ensembles. With fewer than two rows the table is empty.
    """
    candidates = best_rows(results, CANDIDATES)
    three = candidates[:MEMBERS]
    if len(three) < 2:
        return pd.DataFrame(columns=COLUMNS)
    truth = {part: study.truth(part) for part in ("validation", "test")}

    def given(rows: Sequence[Result], part: str) -> list[np.ndarray]:
        return [row.probabilities(part) for row in rows]

    weights = ensemble.weights_by_label(truth["validation"], given(three, "validation"))
    picked = [candidates[i] for i in ensemble.greedy(truth["validation"], given(candidates, "validation"))]
    joined = {
        f"Mean of the best {len(three)}": (three, lambda part: ensemble.mean_probability(given(three, part))),
        f"Mean of the best {len(three)}, weighted by label": (
            three,
            lambda part: ensemble.weighted_probability(given(three, part), weights),
        ),
        "Mean of a greedy choice": (picked, lambda part: ensemble.mean_probability(given(picked, part))),
    }
    votes = {part: ensemble.majority_vote([row.predictions(part) for row in three]) for part in truth}
    answers = {f"Majority vote of the best {len(three)}": (three, float("nan"), votes)}
    for name, (members, probabilities) in joined.items():
        threshold = thresholds.best_on_grid(truth["validation"], probabilities("validation"))
        answers[name] = (members, threshold, {part: thresholds.apply(probabilities(part), threshold) for part in truth})
    alone = candidates[0].predictions("test")
    together = study.groups("test")
    judged = compare.judge(truth["test"], [(answer["test"], alone) for _, _, answer in answers.values()], together)
    lines = []
    for (name, (members, threshold, answer)), test in zip(answers.items(), judged, strict=True):
        score = metrics.score(truth["test"], answer["test"])
        interval = uncertainty.bootstrap_interval(truth["test"], answer["test"], groups=together)
        on_validation = metrics.score(truth["validation"], answer["validation"])["micro_f1"]
        counted = {row.title: members.count(row) for row in members}
        titles = "; ".join(title if count == 1 else f"{title} (×{count})" for title, count in counted.items())
        compared = [test[column] for column in ("difference", "low", "high", "p", "p_holm", "verdict")]
        lines.append([name, titles, threshold, on_validation, score["micro_f1"], *interval, score["macro_f1"], *compared])
    return pd.DataFrame(lines, columns=COLUMNS)


def over_splits(study: Study, names: Sequence[str]) -> pd.DataFrame:
    """`join` on each split of the corpus where any of these rows is finished; the columns of `compare.over_splits`.

    Of the rows those are taken that are finished on all of these splits; members, weights and threshold are chosen on the
    validation part of each. With fewer than two splits or rows the table is empty.
    """
    finished = [(seeded, found) for seeded, found in compare.on_splits(study, names) if found]
    shared = [name for name in names if all(name in found for _, found in finished)]
    scores: dict[str, dict[int, pd.Series]] = {}
    for seeded, found in finished if len(finished) > 1 else []:
        for _, line in join(seeded, [found[name] for name in shared]).iterrows():
            scores.setdefault(line.ensemble, {})[seeded.seed] = line
    return pd.DataFrame([[name, *compare.spread(by_seed)] for name, by_seed in scores.items()], columns=compare.SPLITS)
