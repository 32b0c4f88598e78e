"""Losses of logits (N, L) against targets (N, L), each the mean over all entries."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor
from torch.nn import functional as F

FOCAL_GAMMA = 2.0
ASYMMETRIC_GAMMA_NEGATIVE, ASYMMETRIC_GAMMA_POSITIVE, ASYMMETRIC_MARGIN = 4.0, 1.0, 0.05


def build(name: str, pos_weight: Tensor | None) -> Callable[[Tensor, Tensor], Tensor]:
    """`bce`, `focal` (Lin et al., ICCV 2017) or `asymmetric` (Ridnik et al., ICCV 2021); `pos_weight` (L,) multiplies
    the loss of positives."""

    def bce(logits: Tensor, targets: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(logits, targets, pos_weight=pos_weight)

    def weighted(entries: Tensor, targets: Tensor) -> Tensor:
        return (entries if pos_weight is None else entries * (1 + (pos_weight - 1) * targets)).mean()

    def focal(logits: Tensor, targets: Tensor) -> Tensor:
        plain = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
        # exp(-loss) is the probability given to the right answer.
        return weighted((1 - (-plain).exp()).pow(FOCAL_GAMMA) * plain, targets)

    def asymmetric(logits: Tensor, targets: Tensor) -> Tensor:
        log_positive = F.logsigmoid(logits)
        positive = log_positive.exp()
        shifted = (positive - ASYMMETRIC_MARGIN).clamp(min=0)
        on = (1 - positive).pow(ASYMMETRIC_GAMMA_POSITIVE) * -log_positive
        off = shifted.pow(ASYMMETRIC_GAMMA_NEGATIVE) * -(1 - shifted).clamp(min=1e-8).log()
        return weighted(targets * on + (1 - targets) * off, targets)

    return {"bce": bce, "focal": focal, "asymmetric": asymmetric}[name]
