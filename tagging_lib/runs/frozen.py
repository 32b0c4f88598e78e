"""What the frozen part of a row's network makes of the photos: features or activations, computed once for all rows."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from tagging_lib import declared
from tagging_lib.data import arrays
from tagging_lib.models import engine
from tagging_lib.models.device import kind_of
from tagging_lib.runs.experiment import Experiment
from tagging_lib.runs.key import digest_of, versions
from tagging_lib.runs.setting import PARTS, Setting, indices_digest
from tagging_lib.training import features
from tagging_lib.training.batches import PhotoBatches


def views(experiment: Experiment, setting: Setting, source: str, frozen: nn.Module, photos: PhotoBatches) -> list[np.ndarray]:
    """An array (N, ...) for each view of the photos, as `features.write` makes them, from the cache.

    The plain view serves every row that freezes the same part of the network, whatever the split; an augmented one every
    row that augments the same training photos alike. Other photos stand in it as they are.
    """
    described = {
        "network": experiment.network,
        "part": experiment.trained,
        "weights": source,
        "tensors": _state_digest(frozen),
        "side": experiment.side,
        "pixels": setting.pixels_digest(experiment),
        "device": kind_of(setting.device),
        "engine": engine.name(setting.device),
        "preprocessing": dataclasses.asdict(photos.preprocessing),
        "code": declared.versions(declared.FEATURES),
        "versions": versions(),
    }
    name = experiment.network.replace("timm:", "").replace("/", "_")
    everything = np.unique(np.concatenate([setting.indices(part) for part in PARTS]))
    count, training = len(setting.corpus), setting.indices("train")

    def path(view: int) -> Path:
        drawn: dict[str, Any] = {"photos": indices_digest(training if view else everything)}
        if view:
            drawn |= {"augmentation": photos.augmentation, "view": view, "seed": photos.seed}
        return setting.outputs / "cache" / "features" / f"{name}-{experiment.side}-{digest_of(described | drawn)}.npy"

    def plain(target: Path) -> None:
        features.write(target, frozen, (x for x, _ in photos.plain(everything)), everything, count)

    found: list[np.ndarray] = [arrays.cached(path(0), plain, (count,))]
    for view in range(1, experiment.views):

        def augmented(target: Path, view: int = view) -> None:
            features.write(target, frozen, photos.augmented(training, view), training, count, others=found[0])

        found.append(arrays.cached(path(view), augmented, (count,)))
    return found


def _state_digest(module: nn.Module) -> str:
    digest = hashlib.sha256()
    for name, tensor in module.state_dict().items():
        digest.update(name.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
