"""One training: from an experiment to a network that has learnt it, and back from a saved model to that network."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from tagging_lib import files
from tagging_lib.data import statistics
from tagging_lib.errors import TaggingError
from tagging_lib.models import cutting, freezing, zoo
from tagging_lib.models.preprocessing import Preprocessing
from tagging_lib.runs.rows import Experiment
from tagging_lib.runs.setting import FEATURE_CODE, Setting, code_digest, indices_digest, versions
from tagging_lib.training import features, standardise
from tagging_lib.training.batches import FeatureBatches, PhotoBatches
from tagging_lib.training.fit import History, fit


@dataclass(eq=False)
class Trained:
    """A network with the batches that feed it.

    Attributes:
        tagger: the whole network; what is saved.
        module: the part that was trained, which shares its tensors: the network, its end behind the cut, or its head.
        batches: what `module` takes: photos, or activations or features that the frozen part has computed once.
    """

    tagger: zoo.Tagger
    module: nn.Module
    batches: PhotoBatches | FeatureBatches
    history: History
    spec: dict[str, Any]
    preprocessing: Preprocessing


def prepare(experiment: Experiment, setting: Setting, source: str) -> Trained:
    """The row's network before its first step, on the device, with its batches (frozen parts computed, or from cache).

    Raises:
        TaggingError: the row wants cached activations of a network that cannot be cut before its last stage.
    """
    recipe = experiment.recipe
    tagger = zoo.build(
        experiment.network,
        len(setting.corpus.labels),
        weights=source,
        trained=experiment.trained,
        dropout=experiment.dropout,
        side=experiment.side,
        seed=recipe.seed,
    )
    preprocessing = tagger.preprocessing or corpus_preprocessing(setting)
    tagger.to(setting.device).to(memory_format=torch.channels_last)
    photos = PhotoBatches(
        setting.pixels,
        setting.corpus.targets,
        preprocessing,
        side=experiment.side,
        device=setting.device,
        batch_size=recipe.batch_size,
        augmentation=recipe.augmentation,
        seed=recipe.seed,
    )
    batches: PhotoBatches | FeatureBatches = photos
    module: nn.Module = tagger
    if experiment.trained in ("head", "last-stage") and experiment.views >= 1:
        if experiment.trained == "head":
            frozen, module = tagger.backbone, tagger.head
        else:
            frozen, module = cutting.cut(tagger, experiment.side)
        batches = FeatureBatches(
            _views(experiment, setting, source, frozen, photos),
            setting.corpus.targets,
            device=setting.device,
            batch_size=recipe.batch_size,
            seed=recipe.seed,
        )
    spec = {
        "network": experiment.network,
        "weights": source,
        "trained": experiment.trained,
        "dropout": experiment.dropout,
        "side": experiment.side,
        "preprocessing": dataclasses.asdict(preprocessing),
        "options": tagger.options,
        "labels": list(setting.corpus.labels),
        "seed": recipe.seed,
    }
    return Trained(tagger, module, batches, History([], 0, 0.0), spec, preprocessing)


def corpus_preprocessing(setting: Setting) -> Preprocessing:
    """The corpus' own channel statistics, for networks from scratch."""
    mean, std = (values.tolist() for values in setting.channel_statistics)
    return Preprocessing((mean[0], mean[1], mean[2]), (std[0], std[1], std[2]))


def train(experiment: Experiment, setting: Setting, source: str, checkpoint: Path) -> Trained:
    """Train the row; it continues from `checkpoint` when that holds an interrupted run.

    Raises:
        WeightsUnavailable: `source` is `imagenet` and cannot be reached.
    """
    trained = prepare(experiment, setting, source)
    if experiment.trained != "none":
        weight = positive_weight(experiment, setting)
        with standardised(trained, setting.indices("train"), log_odds(setting.truth("train"), weight)):
            trained.history = fit(
                trained.module,
                trained.batches,
                setting.indices("train"),
                setting.indices("validation"),
                experiment.recipe,
                pos_weight=weight,
                device=setting.device,
                checkpoint=checkpoint,
            )
    return trained


@contextmanager
def standardised(trained: Trained, train: np.ndarray, start: torch.Tensor | None = None) -> Iterator[None]:
    """While it lasts, a head on cached features sees them standardised by the photos at `train`; afterwards as they are.

    With `start` (L,), the head starts by giving these logits to a photo of mean features.
    """
    head = trained.module
    if not isinstance(trained.batches, FeatureBatches) or trained.spec["trained"] != "head":
        yield
        return
    trained.module = scaled = standardise.Standardised(head, *standardise.moments(trained.batches, train))
    if start is not None:
        scaled.start_at(start)
    try:
        yield
    finally:
        trained.module = scaled.fold()


def log_odds(targets: np.ndarray, weight: torch.Tensor | None = None) -> torch.Tensor:
    """Log of positives ÷ negatives of each label, float32 (L,), both counted half a photo higher so that it is finite.

    A loss that counts positives `weight` (L,) times sees the odds that many times higher.
    """
    positives = targets.sum(axis=0, dtype=np.int64)
    found = torch.as_tensor(np.log((positives + 0.5) / (len(targets) - positives + 0.5)), dtype=torch.float32)
    return found if weight is None else found + weight.log()


def positive_weight(experiment: Experiment, setting: Setting) -> torch.Tensor | None:
    """The loss' weight of positives per label, float32 (L,) from the training part, or None when the recipe has none."""
    if not experiment.recipe.pos_weight:
        return None
    return torch.as_tensor(statistics.pos_weight(setting.truth("train")))


def _views(experiment: Experiment, setting: Setting, source: str, frozen: nn.Module, photos: PhotoBatches) -> list[np.ndarray]:
    """What the frozen part makes of the photos, an array (N, ...) for each view, from the cache.

    The plain view serves every row that freezes the same part of the network, whatever the split; an augmented one every
    row that augments the same training photos alike. Other photos stand in it as they are.
    """
    described = {
        "network": experiment.network,
        "part": experiment.trained,
        "weights": source,
        "tensors": _state_digest(frozen),
        "side": experiment.side,
        "pixels": setting.pixels_digest,
        "device": setting.device.split(":")[0],
        "preprocessing": dataclasses.asdict(photos.preprocessing),
        "code": code_digest(FEATURE_CODE),
        "versions": versions(),
    }
    name = experiment.network.replace("timm:", "").replace("/", "_")
    everything = np.unique(np.concatenate([setting.indices(part) for part in ("train", "validation", "test")]))
    count, training = len(setting.corpus), setting.indices("train")

    def path(view: int) -> Path:
        drawn: dict[str, Any] = {"photos": indices_digest(training if view else everything)}
        if view:
            drawn |= {"augmentation": photos.augmentation, "view": view, "seed": photos.seed}
        digest = hashlib.sha256(json.dumps(described | drawn, sort_keys=True).encode()).hexdigest()[:16]
        return setting.outputs / "cache" / "features" / f"{name}-{experiment.side}-{digest}.npy"

    def plain(target: Path) -> None:
        features.write(target, frozen, (x for x, _ in photos.plain(everything)), everything, count)

    views: list[np.ndarray] = [features.cached(path(0), plain)]
    for view in range(1, experiment.views):

        def augmented(target: Path, view: int = view) -> None:
            features.write(target, frozen, photos.augmented(training, view), training, count, others=views[0])

        views.append(features.cached(path(view), augmented))
    return views


def _state_digest(module: nn.Module) -> str:
    digest = hashlib.sha256()
    for name, tensor in module.state_dict().items():
        digest.update(name.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def save_model(trained: Trained, path: Path, *, complete: bool = False) -> None:
    """Write what was trained (everything with `complete`) as safetensors, with the network's description inside."""
    parameters = set(map(id, freezing.trainable_parameters(trained.tagger)))
    whole = complete or trained.spec["trained"] in ("all", "last-stage")
    names = {name for name, parameter in trained.tagger.named_parameters() if id(parameter) in parameters}
    names |= {name for name in trained.tagger.state_dict() if name.startswith("head.")}
    state = {
        name: tensor.detach().cpu().contiguous().clone()
        for name, tensor in trained.tagger.state_dict().items()
        if whole or name in names
    }
    spec = trained.spec | {"complete": whole}
    with files.replacing(path) as temporary:
        save_file(state, str(temporary), metadata={"tagging": json.dumps(spec)})


def load_state(tagger: zoo.Tagger, path: Path, *, complete: bool) -> None:
    """Put the tensors of a file written by `save_model` into the network.

    Raises:
        TaggingError: the file misses tensors of the network, or holds others.
    """
    missing, unexpected = tagger.load_state_dict(load_file(str(path)), strict=False)
    if unexpected or (complete and missing):
        raise TaggingError(f"{path} does not fit {type(tagger.backbone).__name__}: {(missing + unexpected)[:3]}")
