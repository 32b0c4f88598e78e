"""A loaded model that looks at photos, wherever they lie."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tagging_lib.data import pixels
from tagging_lib.data.decoding import Framing, Stored
from tagging_lib.inference import folder
from tagging_lib.inference.places import Photo
from tagging_lib.models import device as devices
from tagging_lib.models import engine, predict
from tagging_lib.models.preprocessing import Preprocessing
from tagging_lib.training.batches import PhotoBatches


class Looker:
    """The network in a model folder, on its device.

    Attributes:
        described: labels, threshold, network and checksum of the model.

    Raises:
        TaggingError: the folder holds no whole model.
    """

    def __init__(self, model: Path, device: str = "cpu"):
        self.model, self.device = Path(model), device
        tagger, self.described = folder.load(model)
        self._spec: dict[str, Any] = self.described["network"]
        stored = self._spec["preprocessing"]
        self._preprocessing = Preprocessing(tuple(stored["mean"]), tuple(stored["std"]), stored["side"])
        self.side, self.framing = self._spec["kept_side"], Framing(self._spec["framing"])
        devices.prepare(devices.kind_of(device))
        self._tagger = engine.for_inference(tagger.to(device).to(memory_format=torch.channels_last))

    @property
    def labels(self) -> list[str]:
        return self.described["labels"]

    def of_pixels(self, decoded: np.ndarray) -> np.ndarray:
        """Probabilities float32 (n, L) of decoded photos, uint8 (n, `side`, `side`, 3)."""
        nothing = np.zeros((len(decoded), len(self.labels)), dtype=np.uint8)
        batches = PhotoBatches(decoded, nothing, self._preprocessing, side=self._spec["side"], device=self.device)
        return predict.predict(self._tagger, batches, np.arange(len(decoded)))

    def of_photos(self, photos: pixels.Listed, broken: dict[int, str] | None = None) -> np.ndarray:
        """Probabilities float32 (N, L) of photos, which are decoded as they are needed; what `broken` is says `pixels.blocks`.

        Raises:
            TaggingError: a photo cannot be decoded, and `broken` is not given.
        """
        return np.concatenate(
            [self.of_pixels(block) for block in pixels.blocks(photos, self.side, self.framing, broken=broken)]
        )


class Places:
    """Photos at their places, as `pixels.blocks` takes them."""

    def __init__(self, photos: Sequence[Photo]):
        self._photos = photos

    def __len__(self) -> int:
        return len(self._photos)

    def path(self, index: int) -> Path | Stored:
        return self._photos[index].source()
