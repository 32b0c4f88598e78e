"""What is trained and what stays: frozen means the parameters *and* the statistics of batch norms."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from tagging_lib.errors import TaggingError

if TYPE_CHECKING:
    from tagging_lib.models.zoo import Tagger

TRAINED = ("all", "last-stage", "head", "none")
BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)
LAST_STAGES = ("layer4", "features.denseblock4", "features.norm5", "conv_head", "bn2", "norm", "norm_head", "head_norm")


def freeze(tagger: Tagger, trained: str) -> Tagger:
    """Leave only the named part trainable.

    Raises:
        TaggingError: an unknown part, or a last stage that this network has no name for.
    """
    if trained not in TRAINED:
        raise TaggingError(f"trained part is {trained!r}: choose one of {', '.join(TRAINED)}")
    tagger.trained = trained
    tagger.requires_grad_(trained == "all")
    if trained in ("head", "last-stage"):
        tagger.head.requires_grad_(True)
    if trained == "last-stage":
        for stage in last_stage(tagger.backbone):
            stage.requires_grad_(True)
    tagger.train(tagger.training)
    return tagger


def last_stage(backbone: nn.Module) -> list[nn.Module]:
    """The modules of the deepest stage: residual stage 4, dense block 4, the last of timm's stages or blocks.

    Raises:
        TaggingError: the network has none of these.
    """
    network = getattr(backbone, "network", backbone)
    found = [module for name, module in network.named_modules() if name in LAST_STAGES]
    for name in ("stages", "blocks"):
        stages = getattr(network, name, None)
        if isinstance(stages, nn.Sequential | nn.ModuleList):
            found.append(stages[-1])
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
