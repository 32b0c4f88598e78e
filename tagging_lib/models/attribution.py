"""Where in a photo a network sees a label: Grad-CAM, or the gradient at the pixels where there is no feature map."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tagging_lib.models import joined

GRAD_CAM, GRADIENT = "Grad-CAM", "gradient at the pixels"


def attribution(tagger: nn.Module, photos: Tensor, columns: Tensor) -> tuple[np.ndarray, str]:
    """What in each photo speaks for its label and what against: float32 (N, S, S) in [-1, 1], and the name of the method.

    `photos` (N, 3, S, S) are normalised as the network expects, `columns` (N,) names one label each. Networks whose last
    map is one of channels over places get Grad-CAM of it (Selvaraju et al., ICCV 2017): the mean gradient of the
    logit weighs the channels. Where the sum is negative the place speaks against the label; the paper cuts that off, but
    of a missed label little else is left. Others (multilayer perceptrons, transformers) get the largest absolute
    gradient over the colour channels (Simonyan et al. 2014), which has no sign. Each photo's largest absolute value is 1;
    where nothing speaks either way all is 0. The network is left in evaluation mode and its parameters' gradients as
    they were.

    Raises:
        ValueError: `columns` is not one label per photo.
    """
    if columns.shape != photos.shape[:1]:
        raise ValueError(f"columns {tuple(columns.shape)} must be (N,) for photos {tuple(photos.shape)}")
    tagger.eval()
    layer = _last_map(tagger, photos[:1])
    if layer is None:
        inputs = photos.detach().clone().requires_grad_()
        (gradient,) = torch.autograd.grad(_chosen(tagger(inputs), columns), inputs)
        return _scaled(gradient.abs().amax(dim=1), photos.shape[-1]), GRADIENT
    kept: list[Tensor] = []

    def keep(_module: nn.Module, _inputs: object, output: Tensor) -> Tensor:
        # A frozen backbone's map has no gradient unless it is asked for; a copy, as the next layer may write in place.
        kept.append(output if output.requires_grad else output.detach().requires_grad_())
        return kept[-1].clone()

    handle = layer.register_forward_hook(keep)
    try:
        with torch.enable_grad():
            chosen = _chosen(tagger(photos), columns)
    finally:
        handle.remove()
    (gradient,) = torch.autograd.grad(chosen, kept[-1])
    weights = gradient.mean(dim=(2, 3), keepdim=True)
    return _scaled((weights * kept[-1].detach()).sum(dim=1), photos.shape[-1]), GRAD_CAM


def _chosen(logits: Tensor, columns: Tensor) -> Tensor:
    # One photo's logit does not depend on another photo, so the sum gives each photo its own gradient.
    return logits.gather(1, columns.view(-1, 1).to(logits.device)).sum()


def _last_map(tagger: nn.Module, photo: Tensor) -> nn.Module | None:
    """The module that puts out the last map (1, C, H, W) with more than one place, None where something of another form
    follows it before the features are flat: tokens mix places, so that an earlier map is not where the label was seen."""
    backbone = getattr(tagger, "backbone", tagger)
    if len(joined.parts(backbone)) > 1:
        return None  # a map of one of them would leave out what the others see
    order: list[tuple[nn.Module, tuple[int, ...]]] = []
    handles = [
        module.register_forward_hook(
            lambda module, _, output: order.append((module, tuple(output.shape))) if isinstance(output, Tensor) else None
        )
        for module in backbone.modules()
    ]
    try:
        with torch.no_grad():
            tagger(photo)
    finally:
        for handle in handles:
            handle.remove()
    for module, shape in reversed(order):
        if len(shape) == 4 and shape[2] == shape[3]:
            if shape[2] > 1:
                return module
        elif len(shape) != 2:
            return None
    return None


def _scaled(heat: Tensor, side: int) -> np.ndarray:
    """(N, h, w) at the photo's side and with a largest absolute value of 1, float32."""
    heat = F.interpolate(heat[:, None].float(), (side, side), mode="bilinear", align_corners=False)[:, 0]
    highest = heat.abs().flatten(1).amax(dim=1).view(-1, 1, 1)
    return torch.where(highest > 0, heat / highest.clamp(min=torch.finfo(heat.dtype).tiny), 0).detach().cpu().numpy()
