"""A loaded model that looks at photos, wherever they lie."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
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
from tagging_lib.models.tagger import Tagger
from tagging_lib.training.batches import FeatureBatches, PhotoBatches


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
        self._tagger = self._looking = tagger.to(device).to(memory_format=torch.channels_last).eval()

    @property
    def labels(self) -> list[str]:
        return self.described["labels"]

    def expect(self, photos: int) -> None:
        """Make the network ready for so many photos: those that are looked at then have answers of one kind, block by block."""
        self._looking = self._ready if photos >= engine.WORTH else self._tagger

    @cached_property
    def _ready(self) -> Tagger:
        """Made once, however often many photos come."""
        return engine.for_inference(self._tagger, engine.WORTH)

    def of_pixels(self, decoded: np.ndarray) -> np.ndarray:
        """Probabilities float32 (n, L) of decoded photos, uint8 (n, `side`, `side`, 3)."""
        return predict.predict(self._looking, self._batches(decoded), np.arange(len(decoded)))

    def features_of_pixels(self, decoded: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What the backbone sees in decoded photos, float32 (n, F), and the probabilities of `of_pixels`."""
        every, tagger = np.arange(len(decoded)), self._looking
        looked = devices.each(lambda batch: tagger.features(batch[0]), self._batches(decoded).plain(every), self.device)
        seen = torch.cat(list(looked)).cpu().numpy()
        answered = predict.predict(tagger.head, FeatureBatches([seen], self._nothing(seen), device=self.device), every)
        return seen, answered

    def _batches(self, decoded: np.ndarray) -> PhotoBatches:
        side = self._spec["side"]
        return PhotoBatches(decoded, self._nothing(decoded), self._preprocessing, side=side, device=self.device)

    def _nothing(self, photos: np.ndarray) -> np.ndarray:
        """Targets of photos whose labels nobody knows."""
        return np.zeros((len(photos), len(self.labels)), dtype=np.uint8)

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
