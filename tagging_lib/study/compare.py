"""Finished rows side by side: the headline table, and which of two rows is better by a paired test on the same photos.

Nothing here trains: what is not finished is not in a table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from tagging_lib.evaluation import grouping, uncertainty
from tagging_lib.models.tagger import Trained
from tagging_lib.runs.experiment import Experiment
from tagging_lib.runs.original import ORIGINAL, has_its_labels
from tagging_lib.runs.result import Result
from tagging_lib.study.study import Study
from tagging_lib.training import augment

HEADLINE = [
    *("row", "title", "group", "network", "weights", "trained", "augmentation", "epochs", "side", "photos_side", "framing"),
    *("micro_f1", "low", "high", "letters", "f1_sd"),
    *("seeds", "precision", "recall", "macro_f1", "ratio_of_f1", "seconds", "train_seconds", "feature_seconds", "threshold"),
    *("original_f1", "original_precision", "original_recall", "original_ratio_of_f1", "original_seconds"),
]
# Groups of rows in tables, in this order.
GROUPS = BASELINES, ORIGINALS, TRANSFER, CHANGES, ENSEMBLES, REHEARSALS = (
    "Baselines",
    "The original's rows",
    "Transfer learning",
    "One thing changed",
    "Ensembles",
    "Rehearsals, with random weights",
)
DIFFERENCES = ["row", "against", "difference", "low", "high", "seeds", "p", "p_holm", "verdict"]
SPLITS = ["row", "seeds", "micro_f1", "micro_sd", "lowest", "highest", "macro_f1", "macro_sd"]
PAIRS = ["row", "against", "seeds", "difference", "sd", "lowest_difference", "highest_difference"]
OTHER_SPLITS = 4  # seeds after the study's own that are looked for
LEVEL = grouping.LEVEL
BETTER, WORSE, INDISTINGUISHABLE = VERDICTS = ("better", "worse", "indistinguishable")


def headline(study: Study, names: Sequence[str]) -> pd.DataFrame:
    """One line a finished row: test micro-F1 with its interval, beside the original's where the labels are those of its corpus.

    micro_f1 is the mean over the seeds, and so is what low and high are the interval of; two rows without a letter in
    common in `letters` differ significantly. The other scores are those of the first seed. Rehearsals stand last.
    """
    results = sorted(study.finished(names), key=lambda result: result.experiment.rehearsal)
    given, together = [answers(study, result) for result in results], study.groups("test")
    letters = grouping.groups(study.truth("test"), given, together=together)
    lines = [_headline_line(study, result, shared) for result, shared in zip(results, letters, strict=True)]
    return pd.DataFrame(lines, columns=HEADLINE)


def group_of(experiment: Experiment) -> str:
    """The group of `GROUPS` in which tables show a row; ensembles are none."""
    if experiment.rehearsal:
        return REHEARSALS
    if experiment.name in ORIGINAL:
        return ORIGINALS
    return {"baselines": BASELINES, "transfer": TRANSFER}.get(experiment.group, CHANGES)


def _headline_line(study: Study, result: Result, letters: str) -> dict[str, Any]:
    experiment, score = result.experiment, result.score("test")
    printed = ORIGINAL.get(result.name) if has_its_labels(study.labels) else None
    trainings = study.trainings(result)
    f1, f1_sd = uncertainty.over_seeds([training.score("test")["micro_f1"] for training in trainings])
    interval = result.interval
    if len(trainings) > 1:
        together = study.groups("test")
        interval = uncertainty.bootstrap_interval(study.truth("test"), answers(study, result), groups=together)
    line = {
        "row": result.name,
        "title": result.title,
        "group": group_of(experiment),
        "network": experiment.network,
        "weights": result.details["weights"],
        "trained": str(experiment.trained),
        "augmentation": augment.NONE if experiment.trained == Trained.NONE else experiment.recipe.augmentation,
        "epochs": int(result.history.epoch.max()) if len(result.history) else 0,
        "side": experiment.side,
        "photos_side": result.details["photos_side"],
        "framing": str(experiment.framing),
        "micro_f1": f1,
        "low": interval[0],
        "high": interval[1],
        "letters": letters,
        "f1_sd": f1_sd,
        "seeds": len(trainings),
        "precision": score["micro_precision"],
        "recall": score["micro_recall"],
        "macro_f1": score["macro_f1"],
        "ratio_of_f1": result.ratio_of_f1,
        "seconds": result.seconds,
        "train_seconds": result.details["train_seconds"],
        "feature_seconds": result.details["feature_seconds"],
        "threshold": result.threshold,
    }
    for name in ("f1", "precision", "recall", "ratio_of_f1", "seconds"):
        line[f"original_{name}"] = getattr(printed, name, None) or float("nan")
    return line


def verdict(difference: float, p: float) -> str:
    """`better` or `worse` where p is below the level, else `indistinguishable`."""
    if p >= LEVEL:
        return INDISTINGUISHABLE
    return BETTER if difference > 0 else WORSE


def judge(
    truth: np.ndarray, pairs: Sequence[tuple[np.ndarray, np.ndarray]], groups: uncertainty.Groups = None
) -> list[dict[str, Any]]:
    """For each pair of answers whether the first is better: difference, low, high and p of a paired test, p_holm, verdict.

    Answers are uint8 (N, L), or (K, N, L) of K trainings whose mean is judged. Holm's rule corrects for the number of pairs.
    """
    tests = [uncertainty.paired_difference(truth, first, second, groups=groups) for first, second in pairs]
    corrected = uncertainty.holm(np.array([test["p"] for test in tests]))
    return [
        test | {"p_holm": float(p_holm), "verdict": verdict(test["difference"], p_holm)}
        for test, p_holm in zip(tests, corrected, strict=True)
    ]


def answers(study: Study, result: Result) -> np.ndarray:
    """Test predictions of all trainings of a row, each at its own threshold, uint8 (K, N, L)."""
    return np.stack([training.predictions("test") for training in study.trainings(result)])


def differences(study: Study, pairs: Sequence[tuple[str, str]]) -> pd.DataFrame:
    """Test micro-F1 of the first row of each pair minus that of the second, on the photos of the test part.

    Columns: titles of both rows, difference with its 95 % bootstrap interval, the seeds whose mean it is, p, p after
    Holm's correction for the number of pairs, and the verdict (`better`, `worse`, `indistinguishable`). Pairs with a row
    that is not finished are left out; without any the table is empty.
    """
    found = {result.name: result for result in study.finished(_names(pairs))}
    finished = [(found[first], found[second]) for first, second in pairs if first in found and second in found]
    given = {result.name: answers(study, result) for pair in finished for result in pair}
    compared = [(given[first.name], given[second.name]) for first, second in finished]
    judged = judge(study.truth("test"), compared, study.groups("test"))
    lines = [
        test | {"row": first.title, "against": second.title, "seeds": max(len(given[row.name]) for row in (first, second))}
        for (first, second), test in zip(finished, judged, strict=True)
    ]
    return pd.DataFrame(lines, columns=DIFFERENCES)


def over_splits(study: Study, names: Sequence[str] | None = None) -> pd.DataFrame:
    """Rows that are finished on other splits of the corpus too: mean and standard deviation of their test scores.

    Each split is divided and trained from its own seed, and thresholds come from its own validation part; `tagging train
    ROW --seed SEED` makes such results. Columns: title, seeds, micro_f1 with its sd, its lowest and highest value,
    macro_f1 with its sd. Without such rows the table is empty.
    """
    finished = {seeded.seed: results for seeded, results in on_splits(study, names)}
    lines = []
    for name, first in finished[study.seed].items():
        found = {seed: results[name].score("test") for seed, results in finished.items() if name in results}
        if len(found) > 1 and not first.experiment.is_constant:
            lines.append([first.title, *spread(found)])
    return pd.DataFrame(lines, columns=SPLITS).sort_values("micro_f1", ascending=False, ignore_index=True)


def spread(scores: Mapping[int, Mapping[str, float]]) -> list[Any]:
    """The columns of `SPLITS` behind the first, from the scores (`micro_f1`, `macro_f1`) on the split of each seed."""
    micro, macro = ([score[average] for score in scores.values()] for average in ("micro_f1", "macro_f1"))
    return [", ".join(map(str, scores)), *uncertainty.over_seeds(micro), min(micro), max(micro), *uncertainty.over_seeds(macro)]


def differences_over_splits(study: Study, pairs: Sequence[tuple[str, str]]) -> pd.DataFrame:
    """Pairs of rows that are finished on other splits too: test micro-F1 of the first minus that of the second on each split.

    Columns: titles of both rows, seeds, mean difference, its standard deviation, lowest and highest one. No p-value: the
    splits divide the same photos, so that their differences are not independent. Without such pairs the table is empty.
    """
    finished = {seeded.seed: results for seeded, results in on_splits(study, _names(pairs))}
    lines = []
    for first, second in pairs:
        both = {seed: (rows[first], rows[second]) for seed, rows in finished.items() if first in rows and second in rows}
        if study.seed not in both or len(both) < 2:
            continue
        gained = [ours.score("test")["micro_f1"] - theirs.score("test")["micro_f1"] for ours, theirs in both.values()]
        titles = [result.title for result in both[study.seed]]
        lines.append([*titles, ", ".join(map(str, both)), *uncertainty.over_seeds(gained), min(gained), max(gained)])
    return pd.DataFrame(lines, columns=PAIRS)


def _names(pairs: Sequence[tuple[str, str]]) -> list[str]:
    return list(dict.fromkeys(name for pair in pairs for name in pair))


def on_splits(study: Study, names: Sequence[str] | None = None) -> list[tuple[Study, dict[str, Result]]]:
    """The study, and the same on the splits of the seeds after its own, each split once, with the finished rows by name.

    Of a corpus that gives all three parts every seed has the same.
    """
    studies = [study, *(study.on_split(study.seed + step) for step in range(1, OTHER_SPLITS + 1))]
    first = {seeded.split.fingerprint: seeded for seeded in reversed(studies)}
    apart = [seeded for seeded in studies if first[seeded.split.fingerprint] is seeded]
    return [(seeded, {result.name: result for result in seeded.finished(names)}) for seeded in apart]
