"""One training: from an experiment to a network that has learnt it, and back from a saved model to that network."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from tagging_lib import files
from tagging_lib.data import arrays, statistics
from tagging_lib.errors import TaggingError
from tagging_lib.models import cutting, device, engine, predict, ranks, zoo
from tagging_lib.models.baselines import constant_answer
from tagging_lib.models.preprocessing import Preprocessing
from tagging_lib.models.tagger import STAGES, Tagger, Trained, trainable_parameters
from tagging_lib.runs import frozen
from tagging_lib.runs.experiment import NONE, Experiment
from tagging_lib.runs.setting import Setting
from tagging_lib.training import standardise
from tagging_lib.training.batches import FeatureBatches, PhotoBatches
from tagging_lib.training.fit import Batches, History, fit
from tagging_lib.training.recipe import HEAD_RECIPE

ANSWERED = ("validation", "test")  # the parts that a row answers


@dataclass(eq=False)
class Training:
    """A network with the batches that feed it.

    Attributes:
        tagger: the whole network; what is saved.
        module: the part that is trained, which shares its tensors: the network, its end behind the cut, or its head.
        batches: what `module` takes: photos, or activations or features that the frozen part has computed once.
        feature_cost: what computing these took, as `arrays.cost` gives it, now or when another row did it.
    """

    tagger: Tagger
    module: nn.Module
    batches: PhotoBatches | FeatureBatches
    history: History
    spec: dict[str, Any]
    preprocessing: Preprocessing
    feature_cost: dict[str, float]


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a row gave: probabilities float32 (n, L) by part, one entry an epoch, and the facts that are kept with them."""

    probabilities: dict[str, np.ndarray]
    epochs: list[dict[str, float]]
    facts: dict[str, Any]


def compute(
    experiment: Experiment,
    setting: Setting,
    source: str,
    folder: Path,
    joined: Callable[[Training], Batches] | None = None,
) -> Outcome:
    """Train the row and let it answer. Its model goes to `folder/model.safetensors`.

    An interrupted training goes on from `folder/checkpoint`.

    Args:
        source: where the weights come from, as `weights.resolve` takes it.
        joined: makes of a training the batches that it learns from, where these are more than the labelled photos.

    Raises:
        WeightsUnavailable: `source` is `imagenet` and cannot be reached.
    """
    if experiment.is_constant:
        answers = {part: constant_answer(setting.truth("train"), len(setting.indices(part))) for part in ANSWERED}
        return Outcome(answers, [], {"best_epoch": 0, "weights": NONE, "train_seconds": 0.0, "feature_seconds": 0.0})
    training = prepare(experiment, setting, source)
    if experiment.trained != Trained.NONE:
        learn(training, experiment, setting, joined(training) if joined else training.batches, folder / "checkpoint")
    answers = {part: answer(training, setting.indices(part), setting.corpus.targets.shape[1]) for part in ANSWERED}
    if not ranks.is_writer():
        return Outcome(answers, training.history.epochs, {})
    model = folder / "model.safetensors"
    save_model(training, model)
    facts = {
        "best_epoch": training.history.best_epoch,
        "weights": training.tagger.description,
        "train_seconds": training.history.seconds,
        "train_processor_seconds": training.history.processor_seconds,
        **{f"feature_{name}": spent for name, spent in training.feature_cost.items()},
        "model_spec": training.spec,
        "model_sha256": files.sha256(model),
        "model_bytes": model.stat().st_size,
    }
    return Outcome(answers, training.history.epochs, facts)


def answer(training: Training, indices: np.ndarray, n_labels: int) -> np.ndarray:
    """Probabilities float32 (n, L) of the photos at `indices`; several ranks look at whole batches in turn, each photo once."""
    if ranks.world() == 1:
        return predict.predict(training.module, training.batches, indices)
    mine = ranks.blocks(len(indices), training.batches.evaluation_batch)
    found = np.zeros((0, n_labels), dtype=np.float32)
    if len(indices[mine]):
        found = predict.predict(training.module, training.batches, indices[mine])
    return ranks.joined(found, mine, len(indices))


@ranks.in_turn()
def prepare(
    experiment: Experiment, setting: Setting, source: str, *, learnt: Path | None = None, cached: bool = True
) -> Training:
    """The row's network on the device with its batches (frozen parts computed, or from cache), before its first step.

    Args:
        learnt: a file by `save_model`, whose tensors the network then has: the row as it was when it had learnt.
        cached: False feeds the whole network with photos, whatever of it is trained.

    Raises:
        TaggingError: the row wants cached activations of a network that cannot be cut before its last stage, or the file
            is not of this network.
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
    pixels = setting.pixels_for(experiment)
    photos = PhotoBatches(
        pixels,
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
    cost = dict.fromkeys(arrays.COST, 0.0)
    if cached and experiment.views >= 1 and experiment.trained in (Trained.HEAD, *STAGES):
        if experiment.trained == Trained.HEAD:
            before, module = tagger.backbone, tagger.head
        else:
            before, module = cutting.cut(tagger, experiment.side)
        views, cost = frozen.views(experiment, setting, source, before, photos)
        batches = FeatureBatches(
            views,
            setting.corpus.targets,
            device=setting.device,
            batch_size=recipe.batch_size,
            seed=recipe.seed,
        )
    if learnt is not None:
        load_state(tagger, learnt)
    spec = {
        "network": experiment.network,
        "weights": source,
        "trained": experiment.trained,
        "dropout": experiment.dropout,
        "side": experiment.side,
        "kept_side": pixels.shape[1],
        "framing": experiment.framing,
        "preprocessing": dataclasses.asdict(preprocessing),
        "options": tagger.options,
        "labels": list(setting.corpus.labels),
        "seed": recipe.seed,
    }
    return Training(tagger, module, batches, History([], 0, 0.0), spec, preprocessing, cost)


def corpus_preprocessing(setting: Setting) -> Preprocessing:
    """The corpus' own channel statistics, for networks from scratch."""
    mean, std = (values.tolist() for values in setting.channel_statistics)
    return Preprocessing((mean[0], mean[1], mean[2]), (std[0], std[1], std[2]))


def learn(training: Training, experiment: Experiment, setting: Setting, batches: Batches, checkpoint: Path) -> None:
    """Train on the training part as the row's recipe says; it continues from `checkpoint` where one was interrupted."""
    train, validation, weight = setting.indices("train"), setting.indices("validation"), positive_weight(experiment, setting)
    recipe, start = experiment.recipe.for_photos(len(train)), log_odds(setting.truth("train"), weight)
    first = learn_head(training, experiment, setting) if recipe.head_epochs else None
    with standardised(training, train, start):
        training.history = fit(
            training.module,
            batches,
            train,
            validation,
            recipe,
            pos_weight=weight,
            device=setting.device,
            checkpoint=checkpoint,
        )
    if first is not None:
        training.history.seconds += first.seconds
        training.history.processor_seconds += first.processor_seconds


def learn_head(training: Training, experiment: Experiment, setting: Setting) -> History:
    """Let the head learn alone, on what the backbone makes of the plain photos, and put it into the network."""
    module, train, validation = training.module, setting.indices("train"), setting.indices("validation")
    assert isinstance(module, Tagger)  # only a head has no backbone before it
    started, worked = time.perf_counter(), time.process_time()
    wanted = np.concatenate([train, validation])
    looking = engine.ready(module.backbone, device.of(module), len(wanted))

    def look(batch: tuple[Tensor, Tensor]) -> Tensor:
        with device.mixed(device.of(module)):
            return looking(batch[0]).float()

    mine = ranks.blocks(len(wanted), training.batches.evaluation_batch)
    looked = list(device.each(look, training.batches.plain(wanted[mine]), device.of(module)))
    found = torch.cat(looked).cpu().numpy() if looked else np.zeros((0, module.n_features), dtype=np.float32)
    features = np.zeros((len(setting.corpus), found.shape[1]), dtype=np.float32)
    features[wanted] = ranks.joined(found, mine, len(wanted))
    recipe = dataclasses.replace(HEAD_RECIPE, epochs=experiment.recipe.head_epochs, seed=experiment.recipe.seed)
    weight = positive_weight(experiment, setting)
    batches = FeatureBatches(
        [features], setting.corpus.targets, device=setting.device, batch_size=recipe.batch_size, seed=recipe.seed
    )
    scaled = standardise.Standardised(module.head, *standardise.moments(batches, train))
    scaled.start_at(log_odds(setting.truth("train"), weight))
    history = fit(scaled, batches, train, validation, recipe, pos_weight=weight, device=setting.device)
    scaled.fold()
    module.train()
    history.seconds, history.processor_seconds = time.perf_counter() - started, time.process_time() - worked
    return history


@contextmanager
def standardised(training: Training, train: np.ndarray, start: torch.Tensor | None = None) -> Iterator[None]:
    """While it lasts, a head on cached features sees them standardised by the photos at `train`; afterwards as they are.

    With `start` (L,), the head starts by giving these logits to a photo of mean features.
    """
    head = training.module
    if not isinstance(training.batches, FeatureBatches) or training.spec["trained"] != Trained.HEAD:
        yield
        return
    training.module = scaled = standardise.Standardised(head, *standardise.moments(training.batches, train))
    if start is not None:
        scaled.start_at(start)
    try:
        yield
    finally:
        training.module = scaled.fold()


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
    return torch.as_tensor(statistics.pos_weight(setting.truth("train"), setting.corpus.labels))


def save_model(training: Training, path: Path, *, complete: bool = False) -> None:
    """Write what was trained (everything with `complete`) as safetensors, with the network's description inside."""
    names, tensors = _learnt_names(training.tagger, complete), training.tagger.state_dict()
    state = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items() if name in names}
    spec = training.spec | {"complete": names == set(tensors), "rest_sha256": _digest_of_rest(tensors, names)}
    with files.replacing(path) as temporary:
        save_file(state, str(temporary), metadata={"tagging": json.dumps(spec)})


def load_state(tagger: Tagger, path: Path, *, complete: bool = False) -> None:
    """Put the tensors of a file by `save_model` into the network, which has been built as the one that was saved.

    Raises:
        TaggingError: the file lacks one of these tensors, or holds another one, or one of another shape; or those that it
            leaves out, pretrained ones, are not those that it was saved beside.
    """
    stored, own = load_file(str(path)), tagger.state_dict()
    wanted = _learnt_names(tagger, complete)
    wrong = sorted(wanted ^ set(stored)) or [name for name in sorted(wanted) if stored[name].shape != own[name].shape]
    if wrong:
        raise TaggingError(f"{path} does not fit {type(tagger.backbone).__name__}: {', '.join(wrong[:3])}")
    with safe_open(str(path), framework="pt") as opened:
        beside = json.loads((opened.metadata() or {}).get("tagging", "{}")).get("rest_sha256")
    if beside is not None and beside != _digest_of_rest(own, wanted):
        told = "its pretrained weights are others than those that it was trained on"
        raise TaggingError(f"{path}: {told} ({tagger.description}): put those back, or train it again")
    tagger.load_state_dict(stored, strict=False)


def _digest_of_rest(tensors: Mapping[str, Tensor], names: set[str]) -> str:
    return frozen.state_digest({name: tensor for name, tensor in tensors.items() if name not in names})


def _learnt_names(tagger: Tagger, complete: bool) -> set[str]:
    """Tensors that a model file holds: all of them, or the head and whatever else is trained where the rest stays as it came."""
    every = set(tagger.state_dict())
    if complete or tagger.trained in (Trained.ALL, *STAGES):  # batch norms of a trained part keep statistics, too
        return every
    trained = set(map(id, trainable_parameters(tagger)))
    return {name for name, tensor in tagger.named_parameters() if id(tensor) in trained} | {
        name for name in every if name.startswith("head.")
    }
