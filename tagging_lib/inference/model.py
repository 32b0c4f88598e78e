"""A model in memory, for whoever tags photos from Python."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tagging_lib.data.corpus import Corpus, open_photos
from tagging_lib.errors import TaggingError
from tagging_lib.inference import folder, predict
from tagging_lib.inference.looking import Looker
from tagging_lib.models import device as devices


@dataclass(frozen=True, eq=False)
class Model:
    """A network that stays loaded, with what it needs to tag photos.

    Attributes:
        looker: the network on its device.
    """

    looker: Looker

    @property
    def folder(self) -> Path:
        """Where it came from."""
        return self.looker.model

    @property
    def description(self) -> dict[str, Any]:
        """What the folder says of it: row, title, labels, threshold, network, sha256."""
        return self.looker.described

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels that it knows, in the order of the table's columns."""
        return tuple(self.description["labels"])

    @property
    def threshold(self) -> float:
        """The probability from which it gives a label."""
        return float(self.description["threshold"])

    def predict(self, photos: str | Path | Iterable[str | Path], *, threshold: float | None = None) -> pd.DataFrame:
        """A table with a line for each photo: photo, labels (joined by `;`), and a column of probabilities for each label.

        Photos are called as they were given, those of a folder by their paths in it. The table's `attrs["tags"]` has the
        labels as lists, since a label may hold a `;`. No photos give an empty table.

        Args:
            photos: paths of photos in any format that is read, or one folder of them.
            threshold: of all labels, in place of the model's own.

        Raises:
            TaggingError: a photo is not there or broken, which is named; or the threshold is not in (0, 1].
        """
        if threshold is not None and not 0 < threshold <= 1:
            raise TaggingError(f"threshold is {threshold}: choose a probability above 0 and at most 1")
        opened = _opened(photos)
        self.looker.expect(len(opened))
        found = self.looker.of_photos(opened) if len(opened) else np.zeros((0, len(self.labels)), dtype=np.float32)
        described = self.description if threshold is None else self.description | {"threshold": threshold}
        return predict.tagged(opened, found, described)


def load(model: str | Path, *, outputs: str | Path = "outputs", device: str = "auto") -> Model:
    """The model in a folder, ready to tag photos.

    Args:
        model: a model folder, or the name of a row or run under `outputs`, as `tagging predict` takes it.
        device: auto, cpu or cuda.

    Raises:
        TaggingError: there is no such model, or it is damaged.
    """
    return Model(Looker(folder.find(model, Path(outputs)), devices.choose(device)))


def _opened(photos: str | Path | Iterable[str | Path]) -> Corpus:
    if isinstance(photos, str | Path):
        if Path(photos).is_dir():
            return open_photos(photos)
        photos = [photos]
    names = tuple(str(photo) for photo in photos)
    for name in names:
        if not Path(name).is_file():
            raise TaggingError(f"{name} {'is no file' if Path(name).exists() else 'does not exist'}: give paths of photos")
    numbers, targets = np.arange(1, len(names) + 1, dtype=np.int64), np.zeros((len(names), 0), dtype=np.uint8)
    return Corpus("photos", Path(), (), names, numbers, targets)
