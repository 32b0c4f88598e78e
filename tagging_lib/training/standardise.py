"""A linear head on features of a frozen backbone, trained where it converges: on features of mean 0 and spread 1."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

SMALLEST_SPREAD = 0.01  # of the mean one: features that hardly ever move are not blown up


def moments(batches, indices: np.ndarray) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation (F,) of each feature over the photos at `indices`, as they are, float32."""
    count, total, squares = 0, torch.zeros(()), torch.zeros(())
    for x, _ in batches.plain(indices):
        x = x.double()
        count, total, squares = count + len(x), total + x.sum(0), squares + x.square().sum(0)
    mean = total / count
    std = (squares / count - mean.square()).clamp(min=0).sqrt()
    floor = SMALLEST_SPREAD * std.mean()
    return mean.float(), torch.where(std > floor, std, floor.clamp(min=1e-12)).float()


class Standardised(nn.Module):
    """The head behind a standardisation of its features (N, F), which its first linear layer takes back.

    It answers what the head answered, `fold` gives a head that answers what this one does, and both share their tensors.
    Only the steps of an optimiser differ: features of spread 0.01 and of 40 are learnt from alike.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, head: nn.Module, mean: Tensor, std: Tensor):
        super().__init__()
        self.head = head
        self.register_buffer("mean", mean)
        self.register_buffer("std", std)
        first = self._first()
        with torch.no_grad():
            first.bias.add_(first.weight @ mean)
            first.weight.mul_(std)

    def start_at(self, logits: Tensor) -> None:
        """Make these (L,) the answer to mean features: a head that starts at the labels' log odds need not learn them."""
        last = [module for module in self.head.modules() if isinstance(module, nn.Linear)][-1]
        with torch.no_grad():
            last.bias.copy_(logits)

    def forward(self, features: Tensor) -> Tensor:
        return self.head((features - self.mean) / self.std)

    def fold(self) -> nn.Module:
        """The head alone, for features as they are."""
        first = self._first()
        with torch.no_grad():
            first.weight.div_(self.std)
            first.bias.sub_(first.weight @ self.mean)
        return self.head

    def _first(self) -> nn.Linear:
        return next(module for module in self.head.modules() if isinstance(module, nn.Linear))
