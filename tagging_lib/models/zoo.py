"""Networks by name, each cut in two: a backbone that sees, and a head that names what it saw."""

from __future__ import annotations

import logging
from dataclasses import asdict, replace
from typing import Any

import torch
from torch import Tensor, nn

from tagging_lib.errors import TaggingError
from tagging_lib.models import joined
from tagging_lib.models.baselines import BASELINES
from tagging_lib.models.preprocessing import IMAGENET, Preprocessing
from tagging_lib.models.tagger import BATCH_NORMS, Tagger, Trained, freeze
from tagging_lib.models.weights import NONE, Weights, resolve

logger = logging.getLogger(__name__)
RESNETS = ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152")
VGGS = ("vgg16", "vgg16_bn")
NETWORKS = (*BASELINES, *VGGS, *RESNETS, "densenet169")
JOINED = "joined"  # the options of each network, where a name joins several
VGG_GRID = 7  # VGG's classifier sees 512 channels on a 7×7 grid
VGG_HIDDEN = (4096, 2048)


class _Timm(nn.Module):
    """A timm network without its classifier, its features pooled to (N, F)."""

    def __init__(self, name: str, options: dict[str, Any], absent: tuple[str, ...]):
        super().__init__()
        import timm

        try:
            self.network = timm.create_model(name, pretrained=False, num_classes=0, **options)
        except RuntimeError as error:
            raise TaggingError(f"timm has no network {name!r} ({error}): see timm.list_models()") from error
        for layer in absent:
            # The weights file lacks this layer: it is left out, since what it would be is not known.
            *parents, last = layer.split(".")
            setattr(self.network.get_submodule(".".join(parents)), last, nn.Identity())

    def forward(self, photos: Tensor) -> Tensor:
        return self.network(photos)


def build(
    name: str,
    n_labels: int,
    *,
    weights: str = "none",
    trained: str = Trained.ALL,
    dropout: float = 0.0,
    side: int = 128,
    seed: int = 0,
) -> Tagger:
    """A network with a new head of `n_labels` logits; a name such as `resnet50+densenet169` joins the features of several.

    New layers, and the backbone too without weights, are drawn from `seed`; the global random state is untouched.

    Args:
        weights: `none`, `imagenet`, or the path of a local weights file or folder; of joined networks also one of these each,
            between `os.pathsep`.
        trained: `all`, `last-two-stages`, `last-stage`, `head` or `none`; the rest is frozen, parameters and batch norms.
        dropout: probability with which a feature is dropped before the (last) linear layer of the head.
        side: input px; only the baselines' layer sizes depend on it.

    Raises:
        TaggingError: an unknown name, or weights that do not fit.
        WeightsUnavailable: the weights are out of reach.
    """
    names = joined.names(name)
    found = [
        NONE if each in BASELINES else resolve(each, source)
        for each, source in zip(names, joined.sources(weights, len(names)), strict=True)
    ]
    options = _options(found[0])
    if len(names) > 1:
        usual = found[0].preprocessing or IMAGENET
        options = {JOINED: [_options(each) | {"preprocessing": asdict(each.preprocessing or usual)} for each in found]}
    whole = replace(found[0], description=joined.BETWEEN.join(each.description for each in found))
    tagger = _assemble(name, n_labels, whole, options, dropout, side, seed)
    for each, backbone, own in zip(names, joined.parts(tagger.backbone), found, strict=True):
        if own.state is not None:
            _load(backbone, own, each)
    freeze(tagger, trained)
    return tagger


def _options(found: Weights) -> dict[str, Any]:
    """What of a network's shape comes with its weights."""
    return {"timm": found.options, "absent": list(found.absent), "batch_norm_eps": found.batch_norm_eps}


def rebuild(name: str, n_labels: int, *, options: dict[str, Any], dropout: float = 0.0, side: int = 128) -> Tagger:
    """The same network without its weights, from the `options` of an earlier one; for loading a saved model."""
    return _assemble(name, n_labels, NONE, options, dropout, side, seed=0)


def _assemble(name, n_labels, resolved: Weights, options: dict, dropout: float, side: int, seed: int) -> Tagger:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        backbone, n_features = _joined(name, side, options) if JOINED in options else _backbone(name, side, options)
        head = _vgg_head(n_features, n_labels, dropout) if name in VGGS else _linear_head(n_features, n_labels, dropout)
    return Tagger(backbone, head, n_features, resolved, options)


def _joined(name: str, side: int, options: dict) -> tuple[nn.Module, int]:
    names = joined.names(name)
    if alone := [each for each in names if each in BASELINES]:
        raise TaggingError(f"{name}: {alone[0]} has no features to join with others': choose pretrained networks")
    found = [_backbone(each, side, own) for each, own in zip(names, options[JOINED], strict=True)]
    prepared = [Preprocessing(**own["preprocessing"]) for own in options[JOINED]]
    return joined.Joined([backbone for backbone, _ in found], prepared), sum(count for _, count in found)


def _backbone(name: str, side: int, options: dict) -> tuple[nn.Module, int]:
    backbone, n_features = _bare(name, side, options)
    if options["batch_norm_eps"] is not None:
        for module in backbone.modules():
            if isinstance(module, BATCH_NORMS):
                module.eps = options["batch_norm_eps"]
    return backbone, n_features


def _bare(name: str, side: int, options: dict) -> tuple[nn.Module, int]:
    if name in BASELINES:
        return BASELINES[name](side)
    if name.startswith("timm:"):
        timm_network = _Timm(name.removeprefix("timm:"), options["timm"], tuple(options["absent"]))
        return timm_network, _count_features(timm_network, side)
    if name not in NETWORKS:
        choices = f"one of {', '.join(NETWORKS)}, timm:<name>, or several of them between +"
        raise TaggingError(f"no network is called {name!r}: choose {choices}")
    from torchvision import models

    network: Any = getattr(models, name)(weights=None)
    if name in RESNETS:
        n_features = network.fc.in_features
        network.fc = nn.Identity()
        return network, n_features
    if name == "densenet169":
        n_features = network.classifier.in_features
        network.classifier = nn.Identity()
        return network, n_features
    pooled = nn.Sequential()
    pooled.features = network.features
    pooled.pool = nn.AdaptiveAvgPool2d(VGG_GRID)
    pooled.flatten = nn.Flatten()
    return pooled, 512 * VGG_GRID**2


def _count_features(network: nn.Module, side: int) -> int:
    was_training = network.training
    network.eval()
    with torch.inference_mode():
        n_features = network(torch.zeros(1, 3, side, side)).shape[1]
    network.train(was_training)
    return n_features


def _linear_head(n_features: int, n_labels: int, dropout: float) -> nn.Module:
    return nn.Sequential(nn.Dropout(dropout), nn.Linear(n_features, n_labels))


def _vgg_head(n_features: int, n_labels: int, dropout: float) -> nn.Module:
    first, second = VGG_HIDDEN
    return nn.Sequential(
        nn.Linear(n_features, first),
        nn.ReLU(),
        nn.Linear(first, second),
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.Linear(second, n_labels),
    )


def _load(backbone: nn.Module, weights: Weights, name: str) -> None:
    assert weights.state is not None
    target = backbone.network if isinstance(backbone, _Timm) else backbone
    own = target.state_dict()
    # A published classifier is no part of the backbone; its layers end the file of every family.
    classifier = ("fc.", "classifier.", "head.")
    state = {key: value for key, value in weights.state.items() if key in own or not key.startswith(classifier)}
    mismatched = [key for key, value in state.items() if key in own and own[key].shape != value.shape]
    unexpected = [key for key in state if key not in own]
    if mismatched or unexpected:
        raise TaggingError(
            f"weights {weights.description} do not fit {name}: {', '.join((mismatched + unexpected)[:4])}; "
            "give the file of this very network"
        )
    missing = [key for key in own if key not in state and not key.endswith("num_batches_tracked")]
    if weights.absent:
        logger.warning("%s: the weights lack %s; these layers are left out", name, ", ".join(weights.absent))
    if missing:
        logger.warning("%s: the weights lack %d tensors, which stay random: %s", name, len(missing), ", ".join(missing[:8]))
    target.load_state_dict(state, strict=False)
