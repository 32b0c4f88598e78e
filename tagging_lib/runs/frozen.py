"""What the frozen part of a row's network makes of the photos: features or activations, computed once for all rows."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor, nn

from tagging_lib import declared
from tagging_lib.data import arrays
from tagging_lib.models import engine, joined
from tagging_lib.models.device import kind_of
from tagging_lib.runs.experiment import Experiment
from tagging_lib.runs.key import digest_of, versions
from tagging_lib.runs.setting import PARTS, Setting, indices_digest
from tagging_lib.training import features
from tagging_lib.training.batches import PhotoBatches

COPIED = 4096  # photos whose features are written at a time


def views(
    experiment: Experiment, setting: Setting, source: str, frozen: nn.Module, photos: PhotoBatches
) -> tuple[list[np.ndarray], dict[str, float]]:
    """An array (N, ...) for each view of the photos, as `features.write` makes them, from the cache, and what they cost to make.

    The plain view serves every row that freezes the same part of the network, whatever the split; an augmented one every
    row that augments the same training photos alike. Other photos stand in it as they are. Features of joined networks are
    those of each, which serve its own rows too, side by side.
    """
    backbones = joined.parts(frozen)
    if len(backbones) == 1:
        found = _views_of_one(experiment, setting, source, frozen, photos)
        return found, _cost(found)
    assert isinstance(frozen, joined.Joined)
    names, sources = joined.names(experiment.network), joined.sources(source, len(backbones))
    each = [
        _views_of_one(dataclasses.replace(experiment, network=name), setting, own, backbone, photos.prepared_as(preprocessing))
        for name, own, backbone, preprocessing in zip(names, sources, backbones, frozen.preprocessings, strict=True)
    ]
    beside: list[np.ndarray] = [_side_by_side(experiment, setting, parts) for parts in zip(*each, strict=True)]
    return beside, _cost([*itertools.chain.from_iterable(each), *beside])


def _cost(made: Sequence[np.ndarray]) -> dict[str, float]:
    costs = list(map(arrays.cost, made))
    return {name: sum(each[name] for each in costs) for name in arrays.COST}


def _side_by_side(experiment: Experiment, setting: Setting, parts: Sequence[np.ndarray]) -> np.memmap:
    """The same photos' features (N, F1), (N, F2), ... as one array (N, F1 + F2 + ...), from the cache."""
    described = {"parts": list(map(arrays.digest, parts)), "numpy": versions()["numpy"]}
    shape = (len(setting.corpus), sum(part.shape[1] for part in parts))

    def write(target: Path) -> None:
        array = features.reserved(target, shape, parts[0].dtype)
        for start in range(0, len(array), COPIED):
            array[start : start + COPIED] = np.concatenate([part[start : start + COPIED] for part in parts], axis=1)
        array.flush()

    return arrays.cached(_cache(experiment, setting, described), write, shape)


def _cache(experiment: Experiment, setting: Setting, described: dict[str, Any]) -> Path:
    name = experiment.network.replace("timm:", "").replace("/", "_")
    return setting.outputs / "cache" / "features" / f"{name}-{experiment.side}-{digest_of(described)}.npy"


def _views_of_one(
    experiment: Experiment, setting: Setting, source: str, frozen: nn.Module, photos: PhotoBatches
) -> list[np.ndarray]:
    described = {
        "network": experiment.network,
        "part": experiment.trained,
        "weights": source,
        "tensors": state_digest(frozen.state_dict()),
        "side": experiment.side,
        "pixels": setting.pixels_digest(experiment),
        "device": kind_of(setting.device),
        "engine": engine.name(setting.device),
        "preprocessing": dataclasses.asdict(photos.preprocessing),
        "code": declared.versions(declared.FEATURES),
        "versions": versions(),
    }
    everything = np.unique(np.concatenate([setting.indices(part) for part in PARTS]))
    count, training = len(setting.corpus), setting.indices("train")

    def path(view: int) -> Path:
        drawn: dict[str, Any] = {"photos": indices_digest(training if view else everything)}
        if view:
            drawn |= {"augmentation": photos.augmentation, "view": view, "seed": photos.seed}
        return _cache(experiment, setting, described | drawn)

    def plain(target: Path) -> None:
        features.write(target, frozen, (x for x, _ in photos.plain(everything)), everything, count)

    found: list[np.ndarray] = [arrays.cached(path(0), plain, (count,))]
    for view in range(1, experiment.views):

        def augmented(target: Path, view: int = view) -> None:
            features.write(target, frozen, photos.augmented(training, view), training, count, others=found[0])

        found.append(arrays.cached(path(view), augmented, (count,)))
    return found


def state_digest(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 of tensors and their names, in the given order."""
    digest = hashlib.sha256()
    for name, tensor in tensors.items():
        digest.update(name.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
