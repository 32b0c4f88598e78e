"""Which of two rows is better, by a paired test on the same test photos, and which rows cannot be told apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tagging_lib.evaluation import grouping, uncertainty

if TYPE_CHECKING:
    from tagging_lib.runs.run import Result
    from tagging_lib.study.study import Study

COLUMNS = ["row", "against", "difference", "low", "high", "seeds", "p", "p_holm", "verdict"]
SPLIT_COLUMNS = ["row", "seeds", "micro_f1", "micro_sd", "lowest", "highest", "macro_f1", "macro_sd"]
PAIR_COLUMNS = ["row", "against", "seeds", "difference", "sd", "lowest_difference", "highest_difference"]
OTHER_SPLITS = 4  # seeds after the study's own that are looked for
LEVEL = grouping.LEVEL


def verdict(difference: float, p: float) -> str:
    """`better` or `worse` where p is below the level, else `not told apart`."""
    if p >= LEVEL:
        return "not told apart"
    return "better" if difference > 0 else "worse"


def judge(truth: np.ndarray, pairs: Sequence[tuple[np.ndarray, np.ndarray]]) -> list[dict[str, Any]]:
    """For each pair of answers whether the first is better: difference, low, high and p of a paired test, p_holm, verdict.

    Answers are uint8 (N, L), or (K, N, L) of K trainings whose mean is judged. Holm's rule corrects for the number of pairs.
    """
    tests = [uncertainty.paired_difference(truth, first, second) for first, second in pairs]
    corrected = uncertainty.holm(np.array([test["p"] for test in tests]))
    return [
        test | {"p_holm": float(p_holm), "verdict": verdict(test["difference"], p_holm)}
        for test, p_holm in zip(tests, corrected, strict=True)
    ]


def trainings(study: Study, result: Result) -> list[Result]:
    """The row's result from each seed of the study, the given one first; a constant answer has only one."""
    if result.experiment.network == "constant":
        return [result]
    return [result, *(study.result(result.name, seed) for seed in study.seeds[1:])]


def answers(study: Study, result: Result) -> np.ndarray:
    """Test predictions of all trainings of a row, each at its own threshold, uint8 (K, N, L)."""
    return np.stack([training.predictions("test") for training in trainings(study, result)])


def compare(study: Study, pairs: Sequence[tuple[str, str]]) -> pd.DataFrame:
    """Test micro-F1 of the first row of each pair minus that of the second, on the photos of the test part.

    Columns: titles of both rows, difference with its 95 % bootstrap interval, the seeds whose mean it is, p, p after
    Holm's correction for the number of pairs, and the verdict (`better`, `worse`, `not told apart`). Pairs with a row
    that this profile cannot run are left out; without any the table is empty.
    """
    names = list(dict.fromkeys(name for pair in pairs for name in pair))
    found = {result.name: result for result in study.results(names)}
    kept = [(found[first], found[second]) for first, second in pairs if first in found and second in found]
    given = {result.name: answers(study, result) for pair in kept for result in pair}
    judged = judge(study.truth("test"), [(given[first.name], given[second.name]) for first, second in kept])
    lines = [
        test | {"row": first.title, "against": second.title, "seeds": max(len(given[row.name]) for row in (first, second))}
        for (first, second), test in zip(kept, judged, strict=True)
    ]
    return pd.DataFrame(lines, columns=COLUMNS)


def groups(study: Study, results: Sequence[Result]) -> list[str]:
    """Letters of each row by `grouping.groups`: rows that share one are not told apart on the test part."""
    return grouping.groups(study.truth("test"), [answers(study, result) for result in results])


def over_splits(study: Study, names: list[str] | None = None) -> pd.DataFrame:
    """Rows that are finished on other splits of the corpus too: mean and standard deviation of their test scores.

    Each split is divided and trained from its own seed, and thresholds come from its own validation part. Nothing is run
    here: `tagging train ROW --seed SEED` does. Columns: title, seeds, micro_f1 with its sd, its lowest and highest value,
    macro_f1 with its sd. Without such rows the table is empty.
    """
    finished = _on_splits(study, names)
    lines = []
    for name, first in finished[study.seed].items():
        found = {seed: results[name].score("test") for seed, results in finished.items() if name in results}
        if len(found) < 2 or first.experiment.network == "constant":
            continue
        micro, macro = ([score[average] for score in found.values()] for average in ("micro_f1", "macro_f1"))
        (micro_mean, micro_sd), (macro_mean, macro_sd) = uncertainty.over_seeds(micro), uncertainty.over_seeds(macro)
        seeds = ", ".join(map(str, found))
        lines.append([first.title, seeds, micro_mean, micro_sd, min(micro), max(micro), macro_mean, macro_sd])
    return pd.DataFrame(lines, columns=SPLIT_COLUMNS).sort_values("micro_f1", ascending=False, ignore_index=True)


def pairs_over_splits(study: Study, pairs: Sequence[tuple[str, str]]) -> pd.DataFrame:
    """Pairs of rows that are finished on other splits too: test micro-F1 of the first minus that of the second on each split.

    Columns: titles of both rows, seeds, mean difference, its standard deviation, lowest and highest one. No p-value: the
    splits divide the same photos, so that their differences are not independent. Nothing is run here; without such pairs
    the table is empty.
    """
    finished = _on_splits(study, list(dict.fromkeys(name for pair in pairs for name in pair)))
    lines = []
    for first, second in pairs:
        both = {seed: (rows[first], rows[second]) for seed, rows in finished.items() if first in rows and second in rows}
        if study.seed not in both or len(both) < 2:
            continue
        gained = [ours.score("test")["micro_f1"] - theirs.score("test")["micro_f1"] for ours, theirs in both.values()]
        titles = [result.title for result in both[study.seed]]
        lines.append([*titles, ", ".join(map(str, both)), *uncertainty.over_seeds(gained), min(gained), max(gained)])
    return pd.DataFrame(lines, columns=PAIR_COLUMNS)


def _on_splits(study: Study, names: list[str] | None) -> dict[int, dict[str, Result]]:
    """By seed and row what is finished on the study's own split and on those of the seeds after it."""
    studies = [study, *(study.on_split(study.seed + step) for step in range(1, OTHER_SPLITS + 1))]
    return {seeded.seed: {result.name: result for result in seeded.finished(names)} for seeded in studies}
