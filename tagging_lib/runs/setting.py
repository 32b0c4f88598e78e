"""What rows are run on, and what can change their outcome."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from tagging_lib import files
from tagging_lib.data import arrays, pixels, statistics
from tagging_lib.data.corpus import Corpus
from tagging_lib.data.decoding import Framing
from tagging_lib.data.pixels import Decoded
from tagging_lib.data.splits import Split
from tagging_lib.runs.experiment import Experiment

PARTS = ("train", "validation", "test")


@dataclass(frozen=True, eq=False)
class Unlabelled:
    """Photos without labels (L = 0), decoded when they are first asked for and kept in `cache_dir`."""

    photos: Corpus
    cache_dir: Path

    @cached_property
    def pixels(self) -> np.ndarray:
        """uint8 (M, S, S, 3), as they are shown."""
        return pixels.Decoded(self.photos, self.cache_dir).at(pixels.SIDE, Framing.PAD)


@dataclass(frozen=True, eq=False)
class Setting:
    """All that a row is run on: the corpus with its decoded photos, the split, and the machine's device.

    Attributes:
        pixels: uint8 (N, S, S, 3), the central squares at the original's side.
        decoded: the photos at other sides; None where `pixels` serve every row.
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
    decoded: Decoded | None = None

    def pixels_for(self, experiment: Experiment) -> np.ndarray:
        """The photos as the row's network takes them, uint8 (N, K, K, 3); K is less than the row's side where the photos are."""
        return self._at(experiment.side, experiment.framing)

    @property
    def shown(self) -> np.ndarray:
        """The photos as people look at them, all of each, uint8 (N, S, S, 3)."""
        return self._at(pixels.SIDE, Framing.PAD)

    @property
    def native_side(self) -> int:
        """The side that the photos have by themselves, in px."""
        return self.decoded.native_side if self.decoded else self.pixels.shape[1]

    def _at(self, side: int, framing: Framing) -> np.ndarray:
        if self.decoded is None or (self.decoded.kept_side(side), self.decoded.framing(framing)) == (pixels.SIDE, Framing.CROP):
            return self.pixels
        return self.decoded.at(side, framing)

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

    def groups(self, part: str) -> np.ndarray | None:
        """The group of each photo of `part`, int64 (n,); None where the split has none."""
        return None if self.split.groups is None else self.split.groups[self.indices(part)]

    def pixels_digest(self, experiment: Experiment) -> str:
        """SHA-256 of the decoded photos as the row takes them."""
        return arrays.digest(self.pixels_for(experiment))

    @cached_property
    def channel_statistics(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation of each colour channel over the training part, on [0, 1] pixels."""
        return statistics.channel_statistics(self.pixels, self.indices("train"))


def indices_digest(indices: np.ndarray) -> str:
    """SHA-256 of which photos these are."""
    return files.sha256_of(indices.astype("<i8").tobytes())
