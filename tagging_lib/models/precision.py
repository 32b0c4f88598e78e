"""Half precision where the processor has it and accuracy does not pay for it."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch


def mixed(device: str) -> AbstractContextManager:
    """Convolutions and matrix products in bfloat16 on CUDA, and on CPUs with matrix units for it; float32 elsewhere.

    bfloat16 has float32's range, so that no loss scaling is needed; weights, sums and losses stay float32, and so do the
    the head (`Tagger.forward`).
    """
    kind = device.split(":")[0]
    has_units = torch.cuda.is_bf16_supported() if kind == "cuda" else torch.cpu._is_amx_tile_supported()
    return torch.autocast(kind, torch.bfloat16) if has_units else nullcontext()
