"""Photos of anyone, tagged by the model in a folder."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pandas as pd

from tagging_lib import files
from tagging_lib.data import pixels
from tagging_lib.data.corpus import Corpus
from tagging_lib.inference import folder

LABELS_SEPARATOR = ";"


def predict_photos(
    model: Path,
    photos: Corpus,
    *,
    outputs: Path,
    cache_dir: Path | None = None,
    device: str = "cpu",
    sidecars: bool = False,
) -> pd.DataFrame:
    """Tag photos with the model in a folder, and write `predictions.csv` and `predictions.txt` (0/1, one photo a line).

    Returns a table with the columns photo, labels (joined by `;`), and one probability per label, in the photos' order.

    Args:
        cache_dir: where the decoded photos are kept, for whoever shows them afterwards. Without it nothing is kept, and
            the memory that they take does not grow with their number.
        sidecars: write `sidecars/<photo>.json` for each photo too: its labels, all probabilities, threshold and model.

    Raises:
        TaggingError: the folder holds no whole model.
    """
    import torch

    from tagging_lib.evaluation import metrics, thresholds
    from tagging_lib.models import hardware, predict
    from tagging_lib.models.preprocessing import Preprocessing
    from tagging_lib.training.batches import PhotoBatches

    tagger, described = folder.load(model)
    spec = described["network"]
    labels = described["labels"]
    kept = spec["preprocessing"]
    preprocessing = Preprocessing(tuple(kept["mean"]), tuple(kept["std"]), kept["side"])
    hardware.prepare(device.split(":")[0])
    tagger.to(device).to(memory_format=torch.channels_last)

    def probabilities_of(decoded: np.ndarray) -> np.ndarray:
        nothing = np.zeros((len(decoded), len(labels)), dtype=np.uint8)
        batches = PhotoBatches(decoded, nothing, preprocessing, side=spec["side"], device=device)
        return predict.predict(tagger, batches, np.arange(len(decoded)))

    blocks = pixels.blocks(photos) if cache_dir is None else [pixels.load(photos, cache_dir=cache_dir)]
    probabilities = np.concatenate([probabilities_of(block) for block in blocks])
    given = thresholds.apply(probabilities, described["threshold"])
    table = pd.DataFrame(
        {
            "photo": photos.photos,
            "labels": [LABELS_SEPARATOR.join(labels[i] for i in np.flatnonzero(row)) for row in given],
        }
    )
    for column, label in enumerate(labels):
        table[label] = np.round(probabilities[:, column], 6)
    files.make_folder(outputs)
    text = io.StringIO()
    table.to_csv(text, index=False, quoting=csv.QUOTE_MINIMAL)
    files.write_text(outputs / "predictions.csv", text.getvalue())
    metrics.write_savetxt(outputs / "predictions.txt", given)
    if sidecars:
        about = {"threshold": described["threshold"], "model_sha256": described["sha256"]}
        for photo, row, line in zip(photos.photos, given, table[labels].to_dict("records"), strict=True):
            told = {"photo": photo, "labels": [labels[i] for i in np.flatnonzero(row)], "probabilities": line}
            files.write_json(outputs / "sidecars" / f"{photo}.json", told | about)
    return table
