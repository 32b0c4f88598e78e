"""A training step that several ranks make together, and that is the step of one process up to rounding.

Gradients are averaged by torch's DistributedDataParallel. Batch norms that learn take the mean and variance of the whole
batch: torch's SyncBatchNorm does that on CUDA only, for its own classes only, and counts a photo that merely keeps an idle
rank busy.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from tagging_lib.models import ranks
from tagging_lib.models.tagger import trainable_parameters

# Statistics of batch norms are the same on all ranks already, and need not be sent before each step.
_KNOWN = inspect.signature(nn.parallel.DistributedDataParallel).parameters
BUFFERS = "forward_sync_buffers" if "forward_sync_buffers" in _KNOWN else "broadcast_buffers"  # its name until torch 2.14


def wrapped(module: nn.Module) -> nn.Module:
    """The module for an epoch of training steps; all ranks begin it with the weights of rank 0.

    It is wrapped anew for each epoch: after its first step torch arranges the gradients in another way, and three ranks or
    more would then sum them in another order than a training that goes on from a checkpoint.
    """
    if ranks.world() == 1 or not trainable_parameters(module):
        return module
    # A static graph may hold weights that the answer does not depend on: without gradients, they stay as they are.
    return nn.parallel.DistributedDataParallel(module, static_graph=True, **{BUFFERS: False})  # type: ignore[arg-type]


@contextmanager
def whole_batch_norms(*, idle: bool = False) -> Iterator[None]:
    """While it lasts, batch norms in training mode take mean and variance over the photos of all ranks.

    Args:
        idle: this rank has no photo of the batch, and runs one that does not count.
    """
    if ranks.world() == 1:
        yield
        return
    with _WholeBatch(idle):
        yield


class _WholeBatch(TorchFunctionMode):
    """`torch.nn.functional.batch_norm` over all ranks, whichever class of batch norm calls it (timm has its own)."""

    def __init__(self, idle: bool):
        super().__init__()
        self.idle = idle

    def __torch_function__(self, function, types, args=(), kwargs=None) -> Any:
        if function is F.batch_norm:
            return _batch_norm(self.idle, *args, **(kwargs or {}))
        return function(*args, **(kwargs or {}))


def _batch_norm(
    idle: bool,
    x: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    if not training:
        return F.batch_norm(x, running_mean, running_var, weight, bias, False, momentum, eps)
    mean, var, count = _moments(x.detach(), idle)
    if x.numel() // x.shape[1] < 2 and count < 2:  # the device is asked for a number in this case alone
        raise ValueError(f"a batch norm cannot learn from one value a channel (input {tuple(x.shape)}): take larger batches")
    if running_mean is not None and running_var is not None:
        running_mean.lerp_(mean, momentum)
        running_var.lerp_(var * (count / (count - 1)), momentum)
    weight = torch.ones_like(mean) if weight is None else weight
    bias = torch.zeros_like(mean) if bias is None else bias
    return _Normalise.apply(x, weight, bias, mean, var, count, eps, idle)


def _moments(x: Tensor, idle: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Mean, variance (C,) and the number of values, all float32, of the photos (B, C, ...) of all ranks."""
    channels = x.shape[1]
    nothing = torch.zeros(channels, device=x.device)  # moved by momentum 0; float32, so that the moments of bfloat16 are
    mean, var = torch.batch_norm_update_stats(x, nothing, nothing + 0, 0.0)
    every = torch.zeros(ranks.world(), 2 * channels + 1, dtype=torch.float64, device=x.device)
    if not idle:
        every[ranks.rank()] = torch.cat([mean, var, mean.new_full((1,), x.numel() // channels)])
    means, variances, counts = ranks.summed(every).split([channels, channels, 1], dim=1)
    total = counts.sum()
    mean = (counts * means).sum(0) / total
    var = (counts * (variances + (means - mean).square())).sum(0) / total  # Chan, Golub and LeVeque 1979
    return mean.float(), var.float(), total.float()


class _Normalise(torch.autograd.Function):
    """Normalisation by moments of the whole batch, through which the gradient flows as well (Ioffe and Szegedy, ICML 2015)."""

    @staticmethod
    def forward(ctx, x, weight, bias, mean, var, count, eps, idle):
        ctx.save_for_backward(x, weight, mean, var, count)
        ctx.eps, ctx.idle = eps, idle
        return torch.native_batch_norm(x, weight, bias, mean, var, False, 0.0, eps)[0]

    @staticmethod
    def backward(ctx, grad):
        x, weight, mean, var, count = ctx.saved_tensors
        # As for moments that are given: what is missing is that they depend on every photo of the batch.
        wanted = [True, True, True]
        found, of_weight, of_bias = torch.ops.aten.native_batch_norm_backward(
            grad, x, weight, mean, var, None, None, False, ctx.eps, wanted
        )
        both = torch.stack([of_weight, of_bias])
        sums = ranks.summed(0 * both if ctx.idle else both.clone()) / count
        if ctx.idle:  # no moment depends on a photo that does not count
            return torch.zeros_like(x), 0 * of_weight, 0 * of_bias, None, None, None, None, None
        scale = (var + ctx.eps).rsqrt()
        slope = weight * sums[0] * scale.square()
        shift = weight * sums[1] * scale - slope * mean
        shape = (1, -1, *[1] * (x.ndim - 2))
        found = found.float().sub_(shift.view(shape)).addcmul_(x.float(), slope.view(shape), value=-1).to(x.dtype)
        return found, of_weight, of_bias, None, None, None, None, None
