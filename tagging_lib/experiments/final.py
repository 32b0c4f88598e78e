"""The final model: the best row continued on validation and test, as a folder that tags any photo."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tagging_lib import files
from tagging_lib.data import pixels
from tagging_lib.data.corpus import Corpus
from tagging_lib.errors import TaggingError

if TYPE_CHECKING:
    from tagging_lib.experiments.study import Study

logger = logging.getLogger(__name__)
LABELS_SEPARATOR = ";"


def folder(study: Study) -> Path:
    """Where the study's final model lies."""
    return study.outputs / "final"


def train(study: Study) -> dict[str, Any]:
    """Continue the best row for one epoch on validation and one on test, each with a fresh one-cycle schedule.

    Returns the model's description, as kept in `model.json`: row, labels, threshold, training losses of both
    continuations. It holds no test score, because the test photos have become training photos.
    """
    from safetensors.torch import load_file

    from tagging_lib.experiments import trainer
    from tagging_lib.experiments.run import verified_model, weights_source
    from tagging_lib.training.fit import fit

    best = study.best()
    thresholds = study.require_thresholds()
    described = {
        "row": best.name,
        "title": best.title,
        "labels": list(study.labels),
        "threshold": thresholds.get(best.name, best.threshold),
        "corpus": study.corpus.name,
        "fingerprint": study.corpus.fingerprint,
        "based_on": best.details["model_sha256"],
        "unlabelled_photos": best.details.get("unlabelled_photos", 0),
    }
    model_file, model_json = folder(study) / "model.safetensors", folder(study) / "model.json"
    if model_json.exists() and model_file.exists():
        stored = files.read_json(model_json)
        if described.items() <= stored.items() and stored["sha256"] == files.sha256(model_file):
            return stored
    row_model = verified_model(best)
    source = weights_source(best.experiment, study.setting)
    trained = trainer.prepare(best.experiment, study.setting, source)
    trained.tagger.load_state_dict(load_file(str(row_model)), strict=False)
    recipe = dataclasses.replace(best.experiment.recipe, epochs=1, keep="last", patience=None, schedule="one-cycle")
    history = {}
    for part in ("validation", "test"):
        with trainer.standardised(trained, study.indices("train")):
            continued = fit(
                trained.module,
                trained.batches,
                study.indices(part),
                np.empty(0, dtype=np.int64),
                recipe,
                pos_weight=trainer.positive_weight(best.experiment, study.setting),
                device=study.device,
            )
        history[part] = {name: continued.epochs[-1][name] for name in ("train_loss", "seconds")}
    trainer.save_model(trained, model_file, complete=True)
    described |= {"history": history, "network": trained.spec, "sha256": files.sha256(model_file)}
    files.write_text(folder(study) / "README.md", _card(described))
    files.write_json(model_json, described)
    return described


def _card(described: dict[str, Any]) -> str:
    network = described["network"]
    lines = [
        f"# {described['title']}",
        "",
        f"Tags photos with {len(described['labels'])} labels: {', '.join(described['labels'])}.",
        "",
        f"- Network `{network['network']}`, input {network['side']}×{network['side']} px, trained part: {network['trained']}.",
        f"- Corpus `{described['corpus']}`, fingerprint `{described['fingerprint']}`: all its photos were trained on, the",
        "  validation and test parts in one last epoch each. No test score can be given for this model; the report's",
        f"  table has that of the row it continues, `{described['row']}`.",
        f"- A label is given where its probability is at least {described['threshold']:.2f}.",
        "- `tagging predict <this folder> <folder of photos>` applies it.",
    ]
    if described["unlabelled_photos"]:
        lines.append(
            f"- It has also seen {described['unlabelled_photos']:,} photos without labels, with what other networks said of them "
            "in the place of labels."
        )
    gendered = sorted({"male", "female"} & set(described["labels"]))
    if gendered:
        lines.append(
            f"- The labels {' and '.join(gendered)} say what annotators saw in a photo. They say nothing about how a person "
            "identifies, and must not be used to decide anything about people."
        )
    return "\n".join(lines) + "\n"


def predict_folder(
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

    from tagging_lib.evaluation import metrics, predict, thresholds
    from tagging_lib.models.preprocessing import Preprocessing
    from tagging_lib.training import hardware
    from tagging_lib.training.batches import PhotoBatches

    tagger, described = load(model)
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


def load(model: Path):
    """The network of a model folder, in eval mode on the CPU, and its description.

    Raises:
        TaggingError: a file is missing, damaged, or not a model of this library.
    """
    from safetensors import SafetensorError, safe_open

    from tagging_lib.experiments import trainer
    from tagging_lib.models import zoo

    model_json, model_file = model / "model.json", model / "model.safetensors"
    for path in (model_json, model_file):
        if not path.exists():
            raise TaggingError(f"{path} is missing: give the folder of a final model, such as outputs/final")
    described = files.read_json(model_json)
    if not isinstance(described, dict) or described.get("sha256") != files.sha256(model_file):
        raise TaggingError(f"{model_file} is damaged (its checksum is not the one in model.json): train it again")
    try:
        with safe_open(str(model_file), framework="pt") as stored:
            spec = json.loads(stored.metadata()["tagging"])
        labels, options = described["labels"], spec["options"]
        tagger = zoo.rebuild(spec["network"], len(labels), options=options, dropout=spec["dropout"], side=spec["side"])
        trainer.load_state(tagger, model_file, complete=True)
    except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise TaggingError(f"{model_file} is no model of this library ({error}): train it again") from error
    return tagger.eval(), described
