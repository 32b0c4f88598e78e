"""A backbone with a head, and what of it is trained: frozen means the parameters *and* the statistics of batch norms."""

from __future__ import annotations

import copy
from contextlib import nullcontext
from enum import StrEnum
from typing import Any

from torch import Tensor, nn

from tagging_lib.errors import TaggingError
from tagging_lib.models.device import cast_once, mixed
from tagging_lib.models.preprocessing import Preprocessing
from tagging_lib.models.weights import Weights


class Trained(StrEnum):
    """What of a network is trained; with `NONE` it answers as it was built."""

    ALL = "all"
    LAST_TWO_STAGES = "last-two-stages"
    LAST_STAGE = "last-stage"
    HEAD = "head"
    NONE = "none"


BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)
STAGES = {Trained.LAST_STAGE: 1, Trained.LAST_TWO_STAGES: 2}  # how many stages are trained; a trunk before them stays as it is
# Names of the modules of the last stage, and of the one before it.
LAST = ("layer4", "features.denseblock4", "features.norm5", "conv_head", "bn2", "norm", "norm_head", "head_norm")
BEFORE_LAST = ("layer3", "features.denseblock3", "features.transition3")


class Tagger(nn.Module):
    """Photos (N, 3, S, S) → logits (N, L); `backbone` gives features (N, F) and `head` the logits.

    Frozen parts stay in evaluation mode whatever `train` is told, so that their batch norms keep their statistics.
    """

    def __init__(self, backbone: nn.Module, head: nn.Module, n_features: int, weights: Weights, options: dict[str, Any]):
        super().__init__()
        self.backbone = backbone
        self.head = head
        self.n_features = n_features
        self.preprocessing: Preprocessing | None = weights.preprocessing
        self.description = weights.description
        self.options = options
        self.trained = Trained.ALL
        # oneDNN divides by zero when it plans the product of 49,152 inputs and 32 photos in bfloat16 on processors with
        # 2 MiB of second-level cache, which ends the process (torch 2.15). Dense networks gain little from it anyway.
        self.in_mixed_precision = not any(isinstance(module, nn.Flatten) for module in list(backbone.children())[:1])

    def forward(self, photos: Tensor) -> Tensor:
        return self.head(self.features(photos))

    def features(self, photos: Tensor) -> Tensor:
        """What the backbone sees, float32 (N, F)."""
        # Half precision is enough to see, not to answer: its logits would lie on a coarse grid.
        with mixed(photos.device.type) if self.in_mixed_precision else nullcontext():
            found = self.backbone(photos)
        return found.float()

    def for_inference(self) -> Tagger:
        """A copy in evaluation mode that answers the same and faster, and shares what it can; it is not for training."""
        found = copy.copy(self.eval())
        found._modules = dict(self._modules)
        if self.in_mixed_precision:
            found.backbone = cast_once(self.backbone, str(next(self.parameters()).device))
        return found

    def train(self, mode: bool = True) -> Tagger:
        super().train(mode)
        if mode:
            keep_frozen_in_eval(self)
        return self


def freeze(tagger: Tagger, trained: str) -> Tagger:
    """Leave only the named part trainable.

    Raises:
        TaggingError: an unknown part, or stages that this network has no name for.
    """
    if trained not in list(Trained):
        raise TaggingError(f"trained part is {trained!r}: choose one of {', '.join(Trained)}")
    tagger.trained = Trained(trained)
    tagger.requires_grad_(trained == Trained.ALL)
    if trained in (Trained.HEAD, *STAGES):
        tagger.head.requires_grad_(True)
    if trained in STAGES:
        for stage in last_stages(tagger.backbone, STAGES[tagger.trained]):
            stage.requires_grad_(True)
    tagger.train(tagger.training)
    return tagger


def last_stages(backbone: nn.Module, count: int = 1) -> list[nn.Module]:
    """The modules of the deepest stages, one or two: residual stage 4, dense block 4, the last of timm's stages or blocks.

    Raises:
        TaggingError: the network has none of these.
    """
    network = getattr(backbone, "network", backbone)
    named = LAST if count == 1 else (*LAST, *BEFORE_LAST)
    found = [module for name, module in network.named_modules() if name in named]
    for name in ("stages", "blocks"):
        stages = getattr(network, name, None)
        if isinstance(stages, nn.Sequential | nn.ModuleList):
            found.extend(stages[-count:])
    if not any(sum(1 for _ in module.parameters()) > 2 for module in found):
        raise TaggingError(f"{type(network).__name__} has no last stage by a known name: train its head or all of it")
    return found


def keep_frozen_in_eval(tagger: Tagger) -> None:
    """Put batch norms without a trainable parameter, and wholly frozen parts however deep, into evaluation mode."""
    for module in tagger.modules():
        parameters = list(module.parameters())
        if (parameters or isinstance(module, BATCH_NORMS)) and not any(p.requires_grad for p in parameters):
            module.eval()


def trainable_parameters(tagger: nn.Module) -> list[nn.Parameter]:
    """Parameters that an optimiser may change, in the network's order."""
    return [parameter for parameter in tagger.parameters() if parameter.requires_grad]
