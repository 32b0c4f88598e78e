"""Half precision where the processor has it and accuracy does not pay for it."""

from __future__ import annotations

import copy
from contextlib import AbstractContextManager, nullcontext
from typing import TypeVar

import torch
from torch import nn

Module = TypeVar("Module", bound=nn.Module)


def mixed(device: str) -> AbstractContextManager:
    """Convolutions and matrix products in bfloat16 on CUDA, and on CPUs with matrix units for it; float32 elsewhere.

    bfloat16 has float32's range, so that no loss scaling is needed; weights, sums and losses stay float32, and so does
    the head (`Tagger.forward`).
    """
    return torch.autocast(torch.device(device).type, torch.bfloat16) if _has_units(device) else nullcontext()


def cast_once(module: Module, device: str) -> Module:
    """A copy that gives the same bits under `mixed`, with the weights that it would round anew for each batch rounded now.

    All other tensors are those of `module`. It is for looking, not for training.
    """
    if not _has_units(device):
        return module
    tensors: dict[int, torch.Tensor] = {id(tensor): tensor for tensor in (*module.parameters(), *module.buffers())}
    for part in module.modules():
        if type(part) in (nn.Conv2d, nn.Linear):  # not their subclasses, which may compute something from their weights
            for parameter in part.parameters(recurse=False):
                tensors[id(parameter)] = nn.Parameter(parameter.detach().bfloat16(), requires_grad=False)
    return copy.deepcopy(module, tensors)


def _has_units(device: str) -> bool:
    cuda = torch.device(device).type == "cuda"
    return torch.cuda.is_bf16_supported() if cuda else torch.cpu._is_amx_tile_supported()
