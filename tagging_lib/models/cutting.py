"""A network cut in two at the entrance of its last stages: a trunk that stays as it is, and the rest, which is trained."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from tagging_lib.errors import TaggingError
from tagging_lib.models.device import shared_tensors
from tagging_lib.models.tagger import STAGES, Tagger, last_stages

TOLERANCE = 1e-3  # of the largest feature, between the whole network and its two parts one after the other


class _ReachedError(Exception):
    def __init__(self, activations: Any):
        super().__init__("the last stages")
        self.activations = activations


class Trunk(nn.Module):
    """Photos (B, 3, S, S) → what enters the backbone's last stages, such as (B, C, H, W). It stays in evaluation mode.

    Its modules are copies, which share all their tensors with those of `backbone`.

    Args:
        stages: how many stages lie behind it.
    """

    def __init__(self, backbone: nn.Module, stages: int = 1):
        super().__init__()
        self.backbone = copy.deepcopy(backbone, shared_tensors(backbone)).eval()
        for stage in last_stages(self.backbone, stages):
            stage.register_forward_pre_hook(_stop)

    def train(self, mode: bool = True) -> Trunk:
        return super().train(False)

    def forward(self, photos: Tensor) -> Tensor:
        try:
            self.backbone(photos)
        except _ReachedError as reached:
            (activations,) = reached.activations
            return activations
        raise ValueError(f"{type(self.backbone).__name__} never enters its last stages")


def _stop(module: nn.Module, inputs: tuple) -> None:
    raise _ReachedError(inputs)


def cut(tagger: Tagger, side: int) -> tuple[Trunk, Tagger]:
    """The trunk, and a tagger that takes the trunk's activations instead of photos; what is trained lies behind the cut.

    Both share all their tensors with `tagger`: what the second learns, `tagger` has learnt.

    Raises:
        TaggingError: the network is not a chain at this place, so that the two parts together do not give what it gives.
    """
    trunk = Trunk(tagger.backbone, STAGES.get(tagger.trained, 1))
    rest = copy.deepcopy(tagger, shared_tensors(tagger))
    was_training = tagger.training
    device = next(tagger.parameters()).device
    # Two photos that differ, from no random state.
    sample = torch.linspace(-2, 2, 2 * 3 * side * side, device=device).view(2, 3, side, side).sin()
    try:
        with torch.inference_mode():
            for name in _before_the_cut(trunk, sample):
                parent, _, child = name.rpartition(".")
                setattr(rest.backbone.get_submodule(parent), child, nn.Identity())
            whole, parts = tagger.eval().backbone(sample), rest.eval().backbone(trunk(sample))
        agree = bool((whole - parts).abs().max() <= TOLERANCE * whole.abs().max())
    except (ValueError, TypeError, RuntimeError, AttributeError):
        agree = False
    tagger.train(was_training)
    if not agree:
        told = "this network cannot be cut before its last stages"
        raise TaggingError(f"{tagger.description}: {told}: set views to 0 for this row")
    return trunk, rest.train(was_training)


def _before_the_cut(trunk: Trunk, sample: Tensor) -> list[str]:
    """Names of the backbone's modules that have done their work before the last stages begin, the outermost of each."""
    finished: set[str] = set()
    hooks = [
        module.register_forward_hook(lambda *_, name=name: finished.add(name))
        for name, module in trunk.backbone.named_modules()
        if name
    ]
    try:
        trunk(sample)
    finally:
        for hook in hooks:
            hook.remove()
    return [name for name in sorted(finished) if name.rpartition(".")[0] not in finished]
