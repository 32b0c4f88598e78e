"""A row of the report's table as data: what is trained, from what, and how."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Self

from tagging_lib.data.decoding import Framing
from tagging_lib.models.baselines import CONSTANT
from tagging_lib.models.tagger import Trained
from tagging_lib.training.recipe import Recipe

NONE, IMAGENET = "none", "imagenet"  # weights that a row starts from


@dataclass(frozen=True)
class Experiment:
    """One row: what is trained, from what, and how.

    Attributes:
        name: the row's name in tables, folders and on the command line.
        network: `constant`, or a name that `models.zoo.build` knows.
        weights: `imagenet` or `none`; `imagenet` is taken from the study's weights folder when that holds the network.
        trained: what of the network is trained.
        side: pixels along the photo's edge at the network's input.
        framing: how a photo that is not square becomes one.
        views: copies of each training photo in the feature cache of a `head` row (1: the plain photo alone);
            0 runs the frozen backbone anew at each step instead.
        needs_gpu: too slow for the `cpu` profile; left out there, with that reason.
        overnight: a matter of an hour on two cores; in the `cpu` profile it is read where `tagging train` has finished it,
            and otherwise left out.
        toy: has a toy scale of its own. A network that takes photos of one size only has none, nor has a row that differs
            from another one in what that scale takes away, or in its network's depth alone; `quick` leaves them out.
        rehearsal: runs with random weights in the place of pretrained ones, to show that it runs.
    """

    name: str
    title: str
    group: str
    network: str
    weights: str = NONE
    trained: Trained = Trained.ALL
    dropout: float = 0.0
    side: int = 128
    framing: Framing = Framing.CROP
    views: int = 0
    recipe: Recipe = field(default=Recipe())
    needs_gpu: bool = False
    overnight: bool = False
    toy: bool = True
    rehearsal: bool = False

    @property
    def is_constant(self) -> bool:
        """Whether it is the answer that looks at no photo."""
        return self.network == CONSTANT

    @property
    def is_frozen(self) -> bool:
        """Whether the backbone stays as it is and its features are computed once."""
        return self.trained == Trained.HEAD and self.views >= 1

    def with_seed(self, seed: int) -> Self:
        """The same row trained from another seed."""
        return dataclasses.replace(self, recipe=dataclasses.replace(self.recipe, seed=seed))


@dataclass(frozen=True)
class SelfTrained(Experiment):
    """A row that also learns from the study's unlabelled photos, which carry the mean probabilities of its teachers.

    Attributes:
        teachers: rows that are trained first, from the same seed and the same labelled photos.
    """

    teachers: tuple[Experiment, ...] = ()

    def with_seed(self, seed: int) -> Self:
        return dataclasses.replace(super().with_seed(seed), teachers=tuple(teacher.with_seed(seed) for teacher in self.teachers))
