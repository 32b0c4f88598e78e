"""Exact resume: a training killed at a random step ends, when it is continued, in the bits of one that was never killed."""

from __future__ import annotations

import dataclasses
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np

from tests.torture import pipeline
from tests.torture.harness import Trials, answer_of, expect, in_child

EPOCHS = 5


def run(trials: Trials) -> None:
    """Kill, continue, compare; each variant's uninterrupted training is made once."""
    variants = _variants()
    with trials.workplace() as folder:
        pipeline.corpus_at(folder)
        answer_of(in_child(lambda: pipeline.open_setting(folder) and None))
        straight: dict[int, dict] = {}
        for number in range(trials.count(4, 50, 300)):
            with trials.trial("resume") as random, trials.workplace() as checkpoint:
                chosen = int(random.integers(len(variants)))
                if chosen not in straight:
                    straight[chosen] = answer_of(in_child(lambda row=variants[chosen]: train(folder, row, None)))
                kills = int(random.integers(1, 4))
                for _ in range(kills):
                    epoch, step = int(random.integers(1, EPOCHS + 1)), int(random.integers(3))
                    work = _killed_at(folder, variants[chosen], checkpoint, epoch, step)
                    ended = in_child(work)
                    expect(ended.code in (-signal.SIGKILL, 0), f"the killed child ended with {ended.code}: {ended.error}")
                ended = in_child(lambda c=checkpoint, row=variants[chosen]: train(folder, row, c))
                found = answer_of(ended)
                for name, value in straight[chosen].items():
                    expect(found[name] == value, f"{variants[chosen].name}: {name} differs after {kills} kills ({number})")


def _variants() -> list:
    """Every optimiser, schedule and trained part, dropout, both kinds of batches, and early stopping."""
    from tagging_lib.training.recipe import Recipe

    baseline, head, stage = pipeline.rows()

    def variant(row, name: str, *, dropout: float = 0.0, views: int | None = None, **recipe: Any):
        asked = {"epochs": EPOCHS, "batch_size": 8, "learning_rate": 0.02} | recipe
        given = row.views if views is None else views
        return dataclasses.replace(row, name=name, dropout=dropout, views=given, recipe=Recipe(**asked))

    return [
        variant(baseline, "original", augmentation="original"),
        variant(baseline, "adamw", optimizer="adamw", schedule="cosine", weight_decay=0.05, keep="last"),
        variant(baseline, "patience", patience=2, schedule="constant", loss="focal"),
        variant(head, "features", optimizer="adamw", dropout=0.3, augmentation="none", views=1),
        variant(head, "views", schedule="cosine", augmentation="flip", views=3),
        variant(head, "frozen", views=0, augmentation="flip", dropout=0.5),
        variant(stage, "stage", augmentation="none", dropout=0.5, loss="asymmetric"),
        variant(stage, "whole", augmentation="none")
        if stage.trained == "all"
        else variant(dataclasses.replace(stage, trained="all"), "whole", augmentation="flip", optimizer="adamw"),
    ]


def train(folder: Path, row, checkpoint: Path | None) -> dict[str, Any]:
    """Train the row and return digests of all that must not differ; checks that what is frozen has stayed."""
    from tagging_lib.models import predict
    from tagging_lib.runs import trainer
    from tagging_lib.training import fit as fitting

    setting = pipeline.open_setting(folder)
    trained = trainer.prepare(row, setting, "none")
    before = {name: pipeline.digest(t.numpy()) for name, t in trained.tagger.state_dict().items()}
    made: list = []
    original = fitting._optimizer

    def remembered(*arguments):
        made.append(original(*arguments))
        return made[-1]

    fitting._optimizer = remembered
    history = fitting.fit(
        trained.module,
        trained.batches,
        setting.indices("train"),
        setting.indices("validation"),
        row.recipe,
        pos_weight=trainer.positive_weight(row, setting),
        checkpoint=checkpoint,
    )
    after = {name: pipeline.digest(t.numpy()) for name, t in trained.tagger.state_dict().items()}
    if row.trained in ("head", "last-stage"):
        learning = {name for name, parameter in trained.tagger.named_parameters() if parameter.requires_grad}
        prefixes = {name.rsplit(".", 1)[0] for name in learning}
        frozen = [name for name in after if name.rsplit(".", 1)[0] not in prefixes]
        moved = [name for name in frozen if after[name] != before[name]]
        expect(frozen and not moved, f"frozen parts have moved: {moved[:3]}")
    probabilities = predict.predict(trained.module, trained.batches, np.arange(len(setting.corpus)))
    entries = [{name: float(value).hex() for name, value in e.items() if not name.endswith("seconds")} for e in history.epochs]
    return {
        "weights": after,
        "optimizer": _optimizer_digest(made[0]),
        "history": entries,
        "best_epoch": history.best_epoch,
        "predictions": pipeline.digest(probabilities),
    }


def _optimizer_digest(optimizer) -> Any:
    import torch

    state = optimizer.state_dict()
    tensors = {
        f"{index}/{name}": pipeline.digest(value.numpy()) if isinstance(value, torch.Tensor) else repr(value)
        for index, entries in state["state"].items()
        for name, value in entries.items()
    }
    groups = [{name: repr(value) for name, value in group.items()} for group in state["param_groups"]]
    return {"tensors": tensors, "groups": groups}


def _killed_at(folder: Path, row, checkpoint: Path, epoch: int, step: int):
    """A training that kills itself before a step of an epoch, or, at step 0, after the epoch's checkpoint is kept."""

    def work() -> Any:
        from tagging_lib.training import fit as fitting
        from tagging_lib.training.batches import FeatureBatches, PhotoBatches

        if step == 0:
            keep = fitting.checkpoints.save

            def save(*arguments: Any) -> None:
                keep(*arguments)
                if len(arguments[-1]["history"]) == epoch:
                    os.kill(os.getpid(), signal.SIGKILL)

            fitting.checkpoints.save = save
        for kind in (PhotoBatches, FeatureBatches):
            kind.train = _dying(kind.train, epoch, step)
        return train(folder, row, checkpoint)

    return work


def _dying(original, epoch: int, step: int):
    def batches(self, indices, at: int):
        for number, batch in enumerate(original(self, indices, at)):
            if at == epoch and step and number >= step - 1:
                os.kill(os.getpid(), signal.SIGKILL)
            yield batch

    return batches
