"""From probabilities to labels: a label is given where its probability is at least (`>=`) the threshold."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

GRID = np.round(np.arange(0.05, 0.96, 0.05), 2)  # the original's
FINE_GRID = np.round(np.arange(0.01, 1.0, 0.01), 2)


def apply(probabilities: np.ndarray, threshold: float | np.ndarray) -> np.ndarray:
    """uint8 (N, L): 1 where the probability is at least the threshold, one for all labels or one each (L,)."""
    return (probabilities >= _comparable(threshold, probabilities)).astype(np.uint8)


def _comparable(threshold: float | np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """The threshold in the probabilities' own precision: 0.3 as float32 is not below 0.3 as float64."""
    whole = not np.issubdtype(probabilities.dtype, np.floating)  # 0.5 as an integer would be 0, which all reach
    return np.asarray(threshold, dtype=np.float64 if whole else probabilities.dtype)


def _counts(targets: np.ndarray, probabilities: np.ndarray, grid: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """Hits and given labels at each threshold of the grid, and how many labels are true."""
    edges = _comparable(grid, probabilities)
    flat, true = probabilities.ravel(), targets.ravel().astype(bool)
    hits = np.sort(flat[true])
    every = np.sort(flat)
    return (
        len(hits) - np.searchsorted(hits, edges, side="left"),
        len(every) - np.searchsorted(every, edges, side="left"),
        int(true.sum()),
    )


def sweep(targets: np.ndarray, probabilities: np.ndarray, grid: np.ndarray = GRID) -> pd.DataFrame:
    """Micro scores at each threshold: columns threshold, f1, precision, recall (0 where nothing is given or true)."""
    import pandas as pd

    hits, given, true = _counts(targets, probabilities, grid)
    return pd.DataFrame(
        {
            "threshold": grid,
            "f1": 2 * hits / np.maximum(given + true, 1),
            "precision": hits / np.maximum(given, 1),
            "recall": hits / max(true, 1),
        }
    )


def best_on_grid(targets: np.ndarray, probabilities: np.ndarray, grid: np.ndarray = GRID) -> float:
    """The threshold of the grid with the highest micro-F1; among equals the one in their middle."""
    f1 = sweep(targets, probabilities, grid).f1.to_numpy()
    equals = np.flatnonzero(f1 >= f1.max() - 1e-12)
    return float(grid[equals[len(equals) // 2]])


def exact(targets: np.ndarray, probabilities: np.ndarray) -> tuple[float, float]:
    """The probability at which a threshold gives the highest micro-F1 of all thresholds, and that F1.

    Without a true label no threshold is better than another: (1.0, 0.0).
    """
    flat, true = probabilities.ravel(), targets.ravel().astype(bool)
    if not true.any():
        return 1.0, 0.0
    order = np.argsort(-flat, kind="stable")
    hits = np.cumsum(true[order])
    f1 = 2 * hits / (np.arange(1, len(flat) + 1) + true.sum())
    # A threshold cannot fall between two equal probabilities.
    last_of_ties = np.append(flat[order][:-1] != flat[order][1:], True)
    best = int(np.where(last_of_ties, f1, -1).argmax())
    return float(flat[order][best]), float(f1[best])


def per_label_exact(targets: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """The exact threshold of each label by itself, float64 (L,); 1.0 for a label without a positive."""
    columns = range(targets.shape[1])
    return np.array([exact(targets[:, [i]], probabilities[:, [i]])[0] for i in columns])
