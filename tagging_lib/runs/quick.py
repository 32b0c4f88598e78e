"""A row at toy scale: what the profile `quick` changes in every row, so that all of them run in minutes on two cores.

Each page of such a report says so.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from tagging_lib.models import joined, weights
from tagging_lib.models.tagger import Trained
from tagging_lib.models.zoo import VGGS
from tagging_lib.runs.experiment import NONE, Experiment, SelfTrained

SIDE = 64
EPOCHS = {"baselines": 5}
DEEP_EPOCHS = 1
HEAD_EPOCHS = 10


def scaled(row: Experiment) -> Experiment:
    """The row at toy scale: a few epochs, 64 px, and random weights where the row asks for pretrained ones.

    A head on a network whose weights come with the installation keeps both, weights and size.
    """
    if row.is_constant:
        return row
    heads = row.trained == Trained.HEAD
    # VGG's head has 111 million weights: an epoch of it takes as long as one of a whole ResNet.
    epochs = HEAD_EPOCHS if heads and row.network not in VGGS else EPOCHS.get(row.group, DEEP_EPOCHS)
    recipe = dataclasses.replace(row.recipe, epochs=epochs, batch_size=32, least_steps=0)
    if heads and all(weights.find_installed(network) is not None for network in joined.names(row.network)):
        return dataclasses.replace(row, recipe=recipe)
    rehearsal = row.weights != NONE
    title = f"{row.title} (rehearsal)" if rehearsal else row.title
    views = max(1, row.views) if heads else 0
    more: dict[str, Any] = {"teachers": tuple(map(scaled, row.teachers))} if isinstance(row, SelfTrained) else {}
    more |= {"title": title, "side": SIDE, "views": views, "recipe": recipe, "rehearsal": rehearsal}
    return dataclasses.replace(row, weights=NONE, **more)
