"""How a row becomes the final model: the ways in which it may learn from the photos that chose it and judged it."""

from __future__ import annotations

import dataclasses
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np

from tagging_lib.data.splits import Split
from tagging_lib.models.tagger import Trained
from tagging_lib.runs import trainer
from tagging_lib.runs.experiment import Experiment
from tagging_lib.runs.setting import PARTS, Setting
from tagging_lib.training.fit import fit

NOBODY = np.empty(0, dtype=np.int64)


class Finish(StrEnum):
    """What becomes of a row when all choices are made, the cheapest first."""

    AS_IT_IS = "as-it-is"
    CONTINUED = "continued"
    CONTINUED_PLAIN = "continued-without-average"
    RETRAINED = "retrained"


TITLES = {
    Finish.AS_IT_IS: "as it is",
    Finish.CONTINUED: "continued on validation, then on test",
    Finish.CONTINUED_PLAIN: "continued so, weights not averaged",
    Finish.RETRAINED: "trained anew on all photos",
}


def finishes(experiment: Experiment) -> list[Finish]:
    """Those that make a difference to the row, the cheapest first."""
    if experiment.trained == Trained.NONE:
        return [Finish.AS_IT_IS]
    return [finish for finish in Finish if finish != Finish.CONTINUED_PLAIN or experiment.recipe.ema]


def finish(
    how: Finish, training: trainer.Training, experiment: Experiment, setting: Setting, epochs: int, checkpoint: Path
) -> dict[str, dict[str, float]]:
    """Let the network learn as `how` says; the photos, training loss and seconds of its last epoch by what it learnt from.

    A continuation takes one epoch on validation and one on test, each with a fresh one-cycle schedule. Trained anew, the
    row takes its own recipe on the photos of all parts, for `epochs`, at whose end its schedule then is.

    Args:
        training: the row as it had learnt from the training part; to be trained anew, as it was before its first step.
        epochs: how many the row's training took to the epoch that was kept.
        checkpoint: where a training anew goes on when it was interrupted.
    """
    # On more photos `least_steps` would take other epochs than those that were chosen.
    recipe = dataclasses.replace(experiment.recipe, epochs=epochs, least_steps=0, keep="last", patience=None)
    if how == Finish.AS_IT_IS:
        return {}
    if how == Finish.RETRAINED:
        everything = on_all(setting)
        again = dataclasses.replace(experiment, recipe=recipe)
        trainer.learn(training, again, everything, training.batches, checkpoint)
        return {"all": _last_epoch(training, len(everything.indices("train")))}
    recipe = dataclasses.replace(recipe, epochs=1, schedule="one-cycle")
    if how == Finish.CONTINUED_PLAIN:
        recipe = dataclasses.replace(recipe, ema=0.0)
    learnt = {}
    for part in trainer.ANSWERED:
        with trainer.standardised(training, setting.indices("train")):
            training.history = fit(
                training.module,
                training.batches,
                setting.indices(part),
                NOBODY,
                recipe,
                pos_weight=trainer.positive_weight(experiment, setting),
                device=setting.device,
            )
        learnt[part] = _last_epoch(training, len(setting.indices(part)))
    return learnt


def looked_at(how: Finish, setting: Setting, epochs: int) -> int:
    """How many times a photo is learnt from."""
    train, *others = (len(setting.indices(part)) for part in PARTS)
    return {Finish.AS_IT_IS: 0, Finish.RETRAINED: epochs * (train + sum(others))}.get(how, sum(others))


def on_all(setting: Setting) -> Setting:
    """The setting with the photos of all parts as its training part, and nothing to choose or to judge by."""
    every = np.sort(np.concatenate([setting.indices(part) for part in PARTS]))
    split = Split(every, NOBODY, NOBODY, setting.split.rule, setting.split.seed)
    return dataclasses.replace(setting, split=split, train_limit=None)


def _last_epoch(training: trainer.Training, photos: int) -> dict[str, Any]:
    history = training.history
    return {"photos": photos, "train_loss": history.epochs[-1]["train_loss"], "seconds": history.seconds}
