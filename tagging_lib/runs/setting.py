"""What rows are run on, and what can change their outcome."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import numpy as np

from tagging_lib import files
from tagging_lib.data import pixels, statistics
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
        """SHA-256 of the decoded photos: from the note that their cache keeps, else of the bytes."""
        file = getattr(self.pixels, "filename", None)
        if file is not None and Path(file).with_suffix(".json").exists():
            return files.read_json(Path(file).with_suffix(".json"))["sha256"]
        return hashlib.sha256(np.ascontiguousarray(self.pixels).tobytes()).hexdigest()

    @cached_property
    def channel_statistics(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation of each colour channel over the training part, on [0, 1] pixels."""
        return statistics.channel_statistics(self.pixels, self.indices("train"))


def indices_digest(indices: np.ndarray) -> str:
    """SHA-256 of which photos these are."""
    return hashlib.sha256(indices.astype("<i8").tobytes()).hexdigest()


# The library code between a photo and its probability, and the part of it that makes frozen features. What only reads
# a corpus or scores an answer is not in it: its outcome is in the key, or computed anew each time.
ROW_CODE = (
    "models/*",
    "training/*",
    "data/statistics.py",
    "runs/compute.py",
    "runs/trainer.py",
)
SELF_TRAINED_CODE = ("runs/pseudo.py", "evaluation/ensemble.py")  # in the keys of rows that learn without labels too
FEATURE_CODE = ("models/*", *(f"training/{name}.py" for name in ("augment", "batches", "features", "store")))


@cache
def code_digest(patterns: tuple[str, ...]) -> str:
    """SHA-256 of the library files that match the patterns."""
    package = Path(__file__).resolve().parents[1]
    digest = hashlib.sha256()
    for pattern in patterns:
        for source in sorted(package.glob(pattern)):
            if source.suffix in (".py", ".json"):
                digest.update(source.name.encode() + source.read_bytes())
    return digest.hexdigest()


def versions() -> dict[str, str]:
    """The versions that can change a result."""
    from importlib.metadata import version

    return {name: version(name) for name in ("torch", "torchvision", "timm", "numpy", "pillow")}
