"""Which way of finishing the best row brings most? The whole procedure, rehearsed where its outcome can be judged.

The final model learns from every labelled photo, so that nothing is left to judge it by. Instead the study is repeated in
small inside its training part. A fold is held out; the rest is divided into training, validation and test photos in the
study's own proportions. The row is trained on the first and chooses its epoch and its threshold on the second. Each way of
finishing it then learns from the second and the third, and answers for the fold. Nothing is chosen on test.
"""

from __future__ import annotations

import copy
import dataclasses
import logging
import shutil
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tagging_lib import declared
from tagging_lib.data import splits
from tagging_lib.evaluation import thresholds, uncertainty
from tagging_lib.models import device, predict
from tagging_lib.models.tagger import Trained
from tagging_lib.progress import quiet
from tagging_lib.runs import kept, trainer
from tagging_lib.runs.experiment import SelfTrained
from tagging_lib.runs.key import digest_of, weights_source
from tagging_lib.runs.result import Result
from tagging_lib.runs.setting import PARTS, Setting, indices_digest
from tagging_lib.study import compare
from tagging_lib.study.finishing import TITLES, Finish, finish, finishes, looked_at
from tagging_lib.study.study import Study
from tagging_lib.training import fit
from tagging_lib.training.batches import FeatureBatches

logger = logging.getLogger(__name__)
FOLDS = 5  # of the training part; a frozen backbone's features cost nothing more, so that all of them are held out in turn
MOST = 3.0  # times the photos that the row's own training looked at: what a row without such features may cost
COLUMNS = [
    *("finish", "title", "micro_f1", "low", "high"),
    *("difference", "difference_low", "difference_high", "p", "p_holm", "verdict", "seconds", "kept"),
]


@dataclass(frozen=True, eq=False)
class Rehearsal:
    """What each way of finishing the row answers for photos that it has not seen.

    Attributes:
        truth: uint8 (n, L), of the photos that were held out.
        answers: by way, the cheapest first, uint8 (n, L); empty where nothing was rehearsed.
        seconds: what each took beyond the row's training, mean over the folds.
        cost: photos that all of it looked at ÷ those that the row's own training looked at.
        folds: how many were held out, each by itself.
        reason: why nothing was rehearsed.
        groups: int64 (n,), which of these photos belong together.
    """

    truth: np.ndarray
    answers: dict[Finish, np.ndarray] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    cost: float = 0.0
    folds: int = 0
    reason: str = ""
    groups: np.ndarray | None = None

    @property
    def photos(self) -> int:
        """How many were held out."""
        return len(self.truth)

    @property
    def best(self) -> Finish:
        """The way that is kept: the row as it is, unless one is better by a paired test.

        Among those that are, the cheapest that no paired test tells apart from the one with the highest F1. Holm's rule
        corrects for the number of tests.
        """
        ways = [way for way, test in self._against(Finish.AS_IT_IS).items() if test["verdict"] == compare.BETTER]
        if not ways:
            return Finish.AS_IT_IS
        highest = max(ways, key=lambda way: uncertainty.mean_f1(self.truth, self.answers[way]))
        tests = self._against(highest, ways)
        return next(way for way in ways if way == highest or tests[way]["verdict"] != compare.WORSE)

    def table(self) -> pd.DataFrame:
        """One line a way: micro-F1 on the held-out photos with its interval, its difference to the row as it is with a paired
        interval, p, Holm's p and verdict, seconds, and whether it is kept. Without a rehearsal it is empty."""
        if not self.answers:
            return pd.DataFrame(columns=COLUMNS)
        tests, best = self._against(Finish.AS_IT_IS), self.best
        nothing = dict.fromkeys(("difference", "low", "high", "p", "p_holm"), float("nan")) | {"verdict": ""}
        lines = []
        for way, answer in self.answers.items():
            test = tests.get(way, nothing)
            f1 = uncertainty.mean_f1(self.truth, answer)
            interval = uncertainty.bootstrap_interval(self.truth, answer, groups=self.groups)
            against = [test[name] for name in ("difference", "low", "high", "p", "p_holm", "verdict")]
            lines.append([str(way), TITLES[way], f1, *interval, *against, self.seconds[way], way == best])
        return pd.DataFrame(lines, columns=COLUMNS)

    def _against(self, base: Finish, ways: Sequence[Finish] | None = None) -> dict[Finish, dict[str, Any]]:
        """Tests of these ways, or of all, against another one."""
        asked = [way for way in self.answers if way != base and (ways is None or way in ways)]
        pairs = [(self.answers[way], self.answers[base]) for way in asked]
        return dict(zip(asked, compare.judge(self.truth, pairs, self.groups), strict=True))


def rehearse(study: Study, row: Result) -> Rehearsal:
    """Finish the row in each way on a part of the training photos and answer for the rest; what is kept is not done again.

    A row on a frozen backbone is rehearsed for each of the `FOLDS`, which its cached features make quick; any other one for
    the first, from its cached activations where it has such. What cannot be rehearsed, or would cost too much, says why.
    """
    folds = divided(study)[: FOLDS if row.experiment.is_frozen else 1]
    cost = _cost(row, folds)
    photos = [[*(indices_digest(small.indices(part)) for part in PARTS), indices_digest(held_out)] for small, held_out in folds]
    same = {"row": row.key, "photos": photos, "code": declared.versions(declared.FINAL)}
    name, key = f"{row.name}-rehearsal", digest_of(same)
    found = kept.find(study.outputs, name, key)
    if found is None:
        nothing = np.zeros((0, len(study.labels)), dtype=np.uint8)
        reason = _refusal(row, study, folds, cost)
        if reason:
            return Rehearsal(nothing, reason=reason)
        logger.info("%s: rehearsing how to finish it, %.1f times the photos of its own training", row.name, cost)
        try:
            arrays, seconds = _rehearsed(row, folds, kept.folder_of(study.outputs, name, key) / "checkpoint")
        except FloatingPointError as error:
            return Rehearsal(nothing, reason=f"its training on fewer photos diverges ({error})")
        found = kept.keep(study.outputs, name, key, arrays, same | {"cost": cost, "seconds": seconds})
    study.note(name, key)
    asked = np.concatenate([held_out for _, held_out in folds])
    truth, groups = study.targets[asked], None if study.split.groups is None else study.split.groups[asked]
    own, given = found.arrays("choosing"), found.arrays()
    chosen = [thresholds.best_on_grid(small.truth("validation"), own[str(i)]) for i, (small, _) in enumerate(folds)]
    each = np.repeat(chosen, [len(held_out) for _, held_out in folds])[:, None]  # (n, 1): each fold has a threshold of its own
    answers = {way: thresholds.apply(given[way], each) for way in finishes(row.experiment)}
    return Rehearsal(truth, answers, found.facts["seconds"], found.facts["cost"], len(folds), groups=groups)


def divided(study: Study) -> list[tuple[Setting, np.ndarray]]:
    """For each fold of the training part: the study in small that the others make, and the places of the fold's photos.

    Photos that the study's split keeps together stay together.
    """
    split = study.split
    groups = np.arange(len(study.targets)) if split.groups is None else split.groups
    counts = np.array([len(study.indices(part)) for part in PARTS])
    order = np.random.default_rng([study.seed, FOLDS]).permutation(study.indices("train"))
    folds = splits.cut(order, [len(fold) for fold in np.array_split(order, FOLDS)][:-1], groups)
    found = []
    for held_out in folds:
        rest = np.concatenate([other for other in folds if other is not held_out])
        sizes = np.diff(np.rint(counts.cumsum() / counts.sum() * len(rest)), prepend=0).astype(int)
        train, validation, test = map(np.sort, splits.cut(rest, sizes[:-1].tolist(), groups))
        small = splits.Split(train, validation, test, split.rule, split.seed, split.groups)
        found.append((dataclasses.replace(study.setting, split=small, train_limit=None), np.sort(held_out)))
    return found


def _cost(row: Result, folds: Sequence[tuple[Setting, np.ndarray]]) -> float:
    """Photos that the rehearsal looks at ÷ those that the row's own training looked at."""
    recipe, photos, taken = row.experiment.recipe, len(row.setting.indices("train")), max(1, len(row.history))
    looks = 0.0
    for small, _ in folds:
        fewer = len(small.indices("train"))
        epochs = round(taken * recipe.for_photos(fewer).epochs / recipe.for_photos(photos).epochs)
        looks += epochs * fewer + sum(looked_at(way, small, epochs) for way in finishes(row.experiment))
    return looks / (taken * max(1, photos))


def _refusal(row: Result, study: Study, folds: Sequence[tuple[Setting, np.ndarray]], cost: float) -> str:
    experiment = row.experiment
    if experiment.trained == Trained.NONE:
        return "nothing of it is trained"
    if isinstance(experiment, SelfTrained):
        return "it also learns from what other rows say of unlabelled photos, and these rows have seen the photos to be held out"
    if not row.has_network:
        return "its network is not at hand"
    if len(study.indices("train")) < uncertainty.ENOUGH:
        return f"its {len(study.indices('train'))} training photos are too few to hold some out"
    if not all(len(held_out) and all(len(small.indices(part)) for part in PARTS) for small, held_out in folds):
        return "the groups of photos that stay together are too large to hold some out"
    if not experiment.is_frozen and cost > MOST:
        return f"that would look at {cost:.1f} times as many photos as its own training, and {MOST} times is the limit"
    return ""


def _rehearsed(
    row: Result, folds: Sequence[tuple[Setting, np.ndarray]], checkpoint: Path
) -> tuple[dict[str, dict[str, np.ndarray]], dict[str, float]]:
    """Probabilities of each way for all held-out photos, those of the row by which it chooses its threshold, and seconds."""
    experiment, setting = row.experiment, row.setting
    device.prepare(device.kind_of(setting.device))
    training = trainer.prepare(experiment, setting, weights_source(experiment, setting))
    start = copy.deepcopy(training.tagger.state_dict())
    ways = finishes(experiment)
    choosing: dict[str, np.ndarray] = {}
    given: dict[Finish, list[np.ndarray]] = {way: [] for way in ways}
    seconds = dict.fromkeys(map(str, ways), 0.0)
    for number, (small, held_out) in enumerate(folds):
        # Lines of every epoch of many short trainings would hide what the page says.
        with quiet(fit.logger) if len(folds) > 1 else nullcontext():
            at = checkpoint / str(number)
            _forget_views(training, small)
            training.tagger.load_state_dict(start)
            trainer.learn(training, experiment, small, training.batches, at / "row")
            epochs, learnt = training.history.best_epoch, copy.deepcopy(training.tagger.state_dict())
            choosing[str(number)] = predict.predict(training.module, training.batches, small.indices("validation"))
            for way in ways:
                training.tagger.load_state_dict(start if way == Finish.RETRAINED else learnt)
                started = time.perf_counter()
                finish(way, training, experiment, small, epochs, at / way)
                seconds[way] += (time.perf_counter() - started) / len(folds)
                given[way].append(predict.predict(training.module, training.batches, held_out))
    shutil.rmtree(checkpoint, ignore_errors=True)
    return {"probabilities": {way: np.concatenate(found) for way, found in given.items()}, "choosing": choosing}, seconds


def _forget_views(training: trainer.Training, small: Setting) -> None:
    """Show the validation and test photos as they are, as those of the study: no augmented view is made of them."""
    if isinstance(training.batches, FeatureBatches):
        training.batches.as_they_are = np.concatenate([small.indices(part) for part in trainer.ANSWERED])
