"""Which photos to label next: how unsure an answer is, and which photos are unlike one another."""

from __future__ import annotations

import numpy as np

POOL = 10  # times as many photos as are asked for, among which unlike ones are looked for


def binary_entropy(probabilities: np.ndarray) -> np.ndarray:
    """Shannon's entropy in bits of each probability, float64 in [0, 1]: 1 at 0.5, 0 at 0 and 1.

    >>> binary_entropy(np.array([0.5, 0.0, 1.0])).tolist()
    [1.0, 0.0, 0.0]
    """
    p = np.asarray(probabilities, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        bits = -(p * np.log2(p) + (1 - p) * np.log2(1 - p))
    return np.where((p == 0) | (p == 1), 0.0, bits)


def uncertainty(probabilities: np.ndarray) -> np.ndarray:
    """The mean over the labels of `binary_entropy`, float64 (N,) in bits, of probabilities (N, L); 0 where L is 0.

    This is uncertainty sampling by entropy (Settles 2009, *Active Learning Literature Survey*, section 3.1), with each label
    a question of its own.
    """
    bits = binary_entropy(probabilities)
    return bits.mean(axis=1) if bits.shape[1] else np.zeros(len(bits))


def pool_size(wanted: int, n_photos: int) -> int:
    """How many of the most uncertain photos are looked at for unlike ones: `POOL` times as many as wanted, at most half of all.

    Unlike photos alone would be outliers, uncertain ones alone would be alike (Zhdanov 2019, *Diverse mini-batch active
    learning*, section 3, which filters by informativeness first too).
    """
    return min(n_photos, max(wanted, min(POOL * wanted, n_photos // 2)))


def farthest_first(features: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of `features` (n, F), each as far as possible from those before it, and these distances: int64 and float64 (count,).

    The first row comes first, with distance nan; of equally far ones the earlier row. Distances are between features scaled
    to length 1, in [0, 2]: the greedy solution of the k-center problem (Gonzalez 1985), which Sener & Savarese (2018, *Active
    learning for convolutional neural networks: a core-set approach*, algorithm 1) use on features. Any number of rows
    from the front covers the features about as well as so many can.
    """
    scaled = np.asarray(features, dtype=np.float64)
    scaled = scaled / np.maximum(np.linalg.norm(scaled, axis=1, keepdims=True), np.finfo(np.float64).tiny)
    count = min(count, len(scaled))
    order, distances = np.zeros(count, dtype=np.int64), np.full(count, np.nan)
    nearest = np.full(len(scaled), np.inf)
    for step in range(1, count):
        nearest = np.minimum(nearest, np.linalg.norm(scaled - scaled[order[step - 1]], axis=1))
        nearest[order[:step]] = -1  # not twice, even where all are alike
        order[step] = int(np.argmax(nearest))
        distances[step] = nearest[order[step]]
    return order, distances
