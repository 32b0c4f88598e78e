"""Several networks as one."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np

from tagging_lib.evaluation import metrics, thresholds

STEPS = 4  # weights of members are multiples of a quarter


def mean_probability(probabilities: Sequence[np.ndarray]) -> np.ndarray:
    """Mean of several (N, L) probabilities, float32 (N, L)."""
    return np.stack(probabilities).mean(axis=0, dtype=np.float64).astype(np.float32)


def majority_vote(predictions: Sequence[np.ndarray]) -> np.ndarray:
    """Labels that more than half of the answers give, uint8 (N, L); half of an even number is not enough."""
    return (2 * np.stack(predictions).sum(axis=0, dtype=np.int64) > len(predictions)).astype(np.uint8)


def weighted_probability(probabilities: Sequence[np.ndarray], weights: np.ndarray) -> np.ndarray:
    """Mean of M probabilities (N, L), each label's by its own weights (M, L), float32 (N, L)."""
    return np.einsum("mnl,ml->nl", np.stack(probabilities), weights, dtype=np.float64).astype(np.float32)


def weights_by_label(targets: np.ndarray, probabilities: Sequence[np.ndarray]) -> np.ndarray:
    """Weights (M, L) of M members, summing to 1 for each label, with the best average precision of each label.

    All weights in quarters are tried; of equals those nearest to equal weights are taken. A label without a positive gets
    equal weights.
    """
    members = len(probabilities)
    grid = np.array([w for w in product(range(STEPS + 1), repeat=members) if sum(w) == STEPS]) / STEPS
    equal = np.full(members, 1 / members)
    grid = np.vstack([equal, grid[np.argsort(((grid - equal) ** 2).sum(axis=1), kind="stable")]])
    found = np.tile(equal[:, None], targets.shape[1])
    stacked = np.stack(probabilities)
    for column in np.flatnonzero(targets.any(axis=0)):
        scores = [metrics.average_precision(targets[:, [column]], (stacked[:, :, [column]].T @ w).T)[0] for w in grid]
        found[:, column] = grid[int(np.argmax(scores))]
    return found


def greedy(targets: np.ndarray, probabilities: Sequence[np.ndarray], rounds: int = 10) -> list[int]:
    """Members, with repetition, whose mean probability has the best micro-F1 (Caruana et al., ICML 2004).

    Each round adds the member that helps most, at the best threshold of the grid; what is returned is the best of all
    rounds, the shortest of equals.
    """
    chosen: list[int] = []
    best: tuple[float, list[int]] = (-1.0, [])
    total = np.zeros_like(probabilities[0], dtype=np.float64)
    for _ in range(rounds):
        means = [((total + given) / (len(chosen) + 1)).astype(np.float32) for given in probabilities]
        scores = [float(thresholds.sweep(targets, mean).f1.max()) for mean in means]
        chosen.append(int(np.argmax(scores)))
        total += probabilities[chosen[-1]]
        if max(scores) > best[0]:
            best = (max(scores), list(chosen))
    return best[1]
