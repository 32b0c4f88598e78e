"""From a network to probabilities. The sigmoid happens here and nowhere else."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from tagging_lib.errors import TaggingError
from tagging_lib.models import device
from tagging_lib.models.tagger import Tagger


def predict(module: nn.Module, batches, indices: np.ndarray) -> np.ndarray:
    """Probabilities float32 (n, L) in [0, 1] of the photos at `indices`, in that order, without augmentation.

    `batches.plain(indices)` yields (x, targets) on the module's device; the module returns logits and is left in
    evaluation mode.

    Raises:
        ValueError: there are no photos, so that L is unknown.
        TaggingError: a probability is nan, which no threshold can judge.
    """
    if len(indices) == 0:
        raise ValueError("indices is empty: there is nothing to predict")
    module.eval()
    looking = module.for_inference() if isinstance(module, Tagger) else module

    def look(batch: tuple[Tensor, Tensor]) -> Tensor:
        return torch.sigmoid(looking(batch[0]).float())

    found = list(device.each(look, batches.plain(indices), device.of(module)))
    probabilities = torch.cat(found).cpu().numpy()  # fetched once: a fetch for each batch would make the device wait
    if np.isnan(probabilities).any():
        broken = int(np.isnan(probabilities).any(axis=1).sum())
        raise TaggingError(f"the network gives nan for {broken} of {len(indices)} photos: train it anew, more slowly")
    return probabilities
