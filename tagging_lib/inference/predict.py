"""Photos of anyone, tagged by the model in a folder."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from tagging_lib import files
from tagging_lib.data import pixels
from tagging_lib.data.corpus import Corpus
from tagging_lib.data.decoding import Framing
from tagging_lib.errors import TaggingError
from tagging_lib.evaluation import metrics, thresholds
from tagging_lib.inference import folder
from tagging_lib.models import device as devices
from tagging_lib.models import predict
from tagging_lib.models.preprocessing import Preprocessing
from tagging_lib.training.batches import PhotoBatches

LABELS_SEPARATOR = ";"


def predict_photos(
    model: Path,
    photos: Corpus,
    *,
    outputs: Path,
    threshold: float | None = None,
    cache_dir: Path | None = None,
    device: str = "cpu",
    sidecars: bool = False,
) -> pd.DataFrame:
    """Tag photos with the model in a folder, and write what `write` writes; the table that `tagged` makes.

    Args:
        threshold: of all labels, in place of the model's own.
        cache_dir: as `probabilities` takes it.

    Raises:
        TaggingError: the folder holds no whole model, or the threshold is not in (0, 1].
    """
    if threshold is not None and not 0 < threshold <= 1:
        raise TaggingError(f"threshold is {threshold}: choose a probability above 0 and at most 1")
    found, described = probabilities(model, photos, cache_dir=cache_dir, device=device)
    if threshold is not None:
        described = described | {"threshold": threshold}
    return write(tagged(photos, found, described), described, outputs, sidecars=sidecars)


def probabilities(
    model: Path, photos: Corpus, *, cache_dir: Path | None = None, device: str = "cpu"
) -> tuple[np.ndarray, dict[str, Any]]:
    """Probabilities float32 (N, L) of the photos, and the description of the model in the folder.

    Args:
        cache_dir: where the decoded photos are kept, for whoever shows them afterwards. Without it nothing is kept, and
            the memory that they take does not grow with their number.

    Raises:
        TaggingError: the folder holds no whole model.
    """
    tagger, described = folder.load(model)
    spec, stored = described["network"], described["network"]["preprocessing"]
    preprocessing = Preprocessing(tuple(stored["mean"]), tuple(stored["std"]), stored["side"])
    devices.prepare(devices.kind_of(device))
    tagger.to(device).to(memory_format=torch.channels_last)

    def answer(decoded: np.ndarray) -> np.ndarray:
        nothing = np.zeros((len(decoded), len(described["labels"])), dtype=np.uint8)
        batches = PhotoBatches(decoded, nothing, preprocessing, side=spec["side"], device=device)
        return predict.predict(tagger, batches, np.arange(len(decoded)))

    side, framing = spec["kept_side"], Framing(spec["framing"])
    if cache_dir is None:
        blocks = pixels.blocks(photos, side, framing)
    else:
        blocks = iter([pixels.load(photos, side, framing, cache_dir=cache_dir)])
    return np.concatenate([answer(block) for block in blocks]), described


def tagged(photos: Corpus, found: np.ndarray, described: Mapping[str, Any]) -> pd.DataFrame:
    """A table with the columns photo, labels (joined by `;`), and one probability per label, in the photos' order.

    Args:
        found: probabilities float32 (N, L).
        described: the model's labels and threshold.
    """
    labels = described["labels"]
    given = thresholds.apply(found, described["threshold"])
    tags = [[labels[place] for place in np.flatnonzero(answer)] for answer in given]
    names = pd.DataFrame({"photo": photos.photos, "labels": list(map(LABELS_SEPARATOR.join, tags))})
    table = pd.concat([names, pd.DataFrame(found, columns=labels)], axis="columns")
    table.attrs["tags"] = tags  # a label may hold the separator
    return table


def write(table: pd.DataFrame, described: Mapping[str, Any], outputs: Path, *, sidecars: bool = False) -> pd.DataFrame:
    """Write `predictions.csv` and `predictions.txt` (0/1, one photo a line) into the folder `outputs`, and return the table.

    Probabilities have as many digits as they need: labels made of them are the labels in the table.

    Args:
        sidecars: write `sidecars/<photo>.json` for each photo too: its labels, all probabilities, threshold and model.
    """
    labels, text = described["labels"], io.StringIO()
    table.to_csv(text, index=False, quoting=csv.QUOTE_MINIMAL)
    files.make_folder(outputs)
    files.write_text(outputs / "predictions.csv", text.getvalue())
    found = table.iloc[:, 2:].to_numpy(dtype=np.float32)
    given = thresholds.apply(found, described["threshold"])
    metrics.write_savetxt(outputs / "predictions.txt", given)
    if sidecars:
        about = {"threshold": described["threshold"], "model_sha256": described["sha256"]}
        for photo, answer, line in zip(table.photo, given, found, strict=True):
            shown = {label: float(str(value)) for label, value in zip(labels, line, strict=True)}
            told = {"photo": photo, "labels": [labels[place] for place in np.flatnonzero(answer)], "probabilities": shown}
            files.write_json(outputs / "sidecars" / f"{photo}.json", told | about)
    return table
