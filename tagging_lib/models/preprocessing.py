"""What a network's weights expect of a photo."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Preprocessing:
    """Channel mean and standard deviation on [0, 1] RGB pixels; `side` is what the weights were trained at, in px."""

    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    side: int | None = None


IMAGENET = Preprocessing((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), 224)
