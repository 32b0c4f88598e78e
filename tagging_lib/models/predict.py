"""From a network to probabilities. The sigmoid happens here and nowhere else."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from tagging_lib.errors import TaggingError
from tagging_lib.models import parallel
from tagging_lib.models.zoo import Tagger


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
    device = next((tensor.device.type for tensor in module.parameters()), "cpu")

    def look(batch: tuple[Tensor, Tensor]) -> Tensor:
        return torch.sigmoid(looking(batch[0]).float())

    found = list(parallel.each(look, batches.plain(indices), device))
    probabilities = torch.cat(found).cpu().numpy()  # fetched once: a fetch for each batch would make the device wait
    if np.isnan(probabilities).any():
        broken = int(np.isnan(probabilities).any(axis=1).sum())
        raise TaggingError(f"the network gives nan for {broken} of {len(indices)} photos: train it anew, more slowly")
    return probabilities


def predict_constant(train_targets: np.ndarray, n: int) -> np.ndarray:
    """The same answer for `n` photos, float32 (n, L) of 0 and 1: the labels that maximise micro-F1 on the training part.

    The best set of k labels is that of the k most frequent ones, so L answers are tried; without a positive the answer
    is no label.
    """
    counts = train_targets.sum(axis=0, dtype=np.int64)
    if not counts.any():
        return np.zeros((n, len(counts)), dtype=np.float32)
    order = np.argsort(-counts, kind="stable")
    sizes = np.arange(1, len(counts) + 1)
    f1 = 2 * np.cumsum(counts[order]) / (sizes * len(train_targets) + counts.sum())
    answer = np.zeros(len(counts), dtype=np.float32)
    answer[order[: int(f1.argmax()) + 1]] = 1
    return np.tile(answer, (n, 1))
