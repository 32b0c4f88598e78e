"""Learning from photos that nobody has labelled: other rows say what is on them (pseudo-labels, Lee 2013, left soft)."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from tagging_lib.data import pixels
from tagging_lib.data.decoding import Framing
from tagging_lib.data.splits import Split
from tagging_lib.errors import TaggingError
from tagging_lib.evaluation import ensemble
from tagging_lib.models import predict, ranks
from tagging_lib.runs import trainer
from tagging_lib.runs.experiment import Experiment
from tagging_lib.runs.setting import Setting
from tagging_lib.training.batches import Part
from tagging_lib.training.fit import Batches


@dataclass(eq=False)
class Joined:
    """Batches of labelled photos, each with its share of unlabelled ones; what is judged are labelled ones alone.

    Attributes:
        rows: int64, the unlabelled photos, each of which is seen once an epoch.
        batch_size: of the labelled photos, whose number makes an epoch.
    """

    labelled: Batches
    unlabelled: Batches
    rows: np.ndarray
    batch_size: int = field(init=False)
    evaluation_batch: int = field(init=False)

    def __post_init__(self) -> None:
        self.batch_size, self.evaluation_batch = self.labelled.batch_size, self.labelled.evaluation_batch

    def train(self, indices: np.ndarray, epoch: int, part: Part | None = None) -> Iterator[tuple[Tensor, Tensor]]:
        """An epoch: every photo of both kinds once; `part` of each kind, where only a part is made."""
        steps = -(-len(indices) // self.batch_size)
        self.unlabelled.batch_size = -(-len(self.rows) // steps)
        parts = () if part is None else (part,)
        others = self.unlabelled.train(self.rows, epoch, *parts)
        for ours, theirs in itertools.zip_longest(self.labelled.train(indices, epoch, *parts), others):
            yield ours if theirs is None else (torch.cat([ours[0], theirs[0]]), torch.cat([ours[1], theirs[1]]))

    def plain(self, indices: np.ndarray) -> Iterator[tuple[Tensor, Tensor]]:
        """Labelled photos once, in the given order, as they are."""
        return self.labelled.plain(indices)


@dataclass(frozen=True, eq=False)
class _AllForTraining(Setting):
    colors: tuple[np.ndarray, np.ndarray] | None = None

    @cached_property
    def channel_statistics(self) -> tuple[np.ndarray, np.ndarray]:
        assert self.colors is not None
        return self.colors


@ranks.in_turn()
def unlabelled(setting: Setting, targets: np.ndarray | None = None) -> Setting:
    """The unlabelled photos as a corpus of training photos, their colours normalised as those of the labelled ones.

    Args:
        targets: float32 (M, L) in [0, 1]; zeros where nobody has been asked yet.

    Raises:
        TaggingError: the setting has no unlabelled photos.
    """
    if setting.unlabelled is None:
        raise TaggingError("there are no unlabelled photos to learn from: name a folder or zip of them with --test-photos")
    photos, labels, none = setting.unlabelled.photos, setting.corpus.labels, np.empty(0, dtype=np.int64)
    if targets is None:
        targets = np.zeros((len(photos), len(labels)), dtype=np.float32)
    decoded = pixels.Decoded(photos, setting.unlabelled.cache_dir, like=setting.decoded)
    return _AllForTraining(
        corpus=dataclasses.replace(photos, labels=labels, targets=targets),
        pixels=decoded.at(pixels.SIDE, Framing.CROP),
        decoded=decoded,
        split=Split(np.arange(len(photos)), none, none, setting.split.rule, setting.split.seed),
        device=setting.device,
        outputs=setting.outputs,
        weights_folder=setting.weights_folder,
        colors=setting.channel_statistics,
    )


def ask(teacher: Experiment, setting: Setting, source: str, model: Path) -> np.ndarray:
    """Probabilities float32 (M, L) that a finished row gives to the unlabelled photos of the setting.

    Args:
        source: where the row's weights come from; `model` is what it has learnt.
    """
    asked = unlabelled(setting)
    training = trainer.prepare(dataclasses.replace(teacher, views=min(1, teacher.views)), asked, source, learnt=model)
    return predict.predict(training.module, training.batches, asked.indices("train"))


def joined(
    experiment: Experiment, setting: Setting, source: str, answers: Sequence[np.ndarray]
) -> Callable[[trainer.Training], Joined]:
    """For `trainer.compute`: the labelled photos together with the unlabelled ones, which carry the mean of `answers` (M, L)."""
    others = unlabelled(setting, ensemble.mean_probability(answers))

    def join(training: trainer.Training) -> Joined:
        return Joined(training.batches, trainer.prepare(experiment, others, source).batches, others.indices("train"))

    return join
