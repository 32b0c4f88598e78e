"""What rows are run on, and what can change their outcome."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from tagging_lib import files
from tagging_lib.data import arrays, pixels, statistics
from tagging_lib.data.corpus import Corpus
from tagging_lib.data.splits import Split

PARTS = ("train", "validation", "test")


@dataclass(frozen=True, eq=False)
class Unlabelled:
    """Photos without labels (L = 0), decoded when they are first asked for and kept in `cache_dir`."""

    photos: Corpus
    cache_dir: Path

    @cached_property
    def pixels(self) -> np.ndarray:
        """uint8 (M, S, S, 3)."""
        return pixels.load(self.photos, cache_dir=self.cache_dir)


@dataclass(frozen=True, eq=False)
class Setting:
    """All that a row is run on: the corpus with its decoded photos, the split, and the machine's device.

    Attributes:
        pixels: uint8 (N, S, S, 3).
        train_limit: photos of the training part that are used, None for all (`quick` uses few).
        unlabelled: photos for rows that learn without labels too, None where the study has none.
    """

    corpus: Corpus
    pixels: np.ndarray
    split: Split
    device: str
    outputs: Path
    weights_folder: Path | None = None
    train_limit: int | None = None
    unlabelled: Unlabelled | None = None

    def indices(self, part: str) -> np.ndarray:
        """Row numbers of the photos in `part` of the split, int64, ascending."""
        if part not in PARTS:
            raise ValueError(f"part is {part!r}: must be one of {PARTS}")
        chosen = getattr(self.split, part)
        if part == "train" and self.train_limit is not None and len(chosen) > self.train_limit:
            keep = np.random.default_rng(self.split.seed).choice(len(chosen), self.train_limit, replace=False)
            chosen = chosen[np.sort(keep)]
        return chosen

    def truth(self, part: str) -> np.ndarray:
        """Targets of `part`, uint8 (n, L)."""
        return self.corpus.targets[self.indices(part)]

    @cached_property
    def pixels_digest(self) -> str:
        """SHA-256 of the decoded photos."""
        return arrays.digest(self.pixels)

    @cached_property
    def channel_statistics(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation of each colour channel over the training part, on [0, 1] pixels."""
        return statistics.channel_statistics(self.pixels, self.indices("train"))


def indices_digest(indices: np.ndarray) -> str:
    """SHA-256 of which photos these are."""
    return files.sha256_of(indices.astype("<i8").tobytes())
