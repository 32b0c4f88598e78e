"""The final model: the best row continued on validation and test, as a folder that tags any photo."""

from __future__ import annotations

import dataclasses
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tagging_lib import files

if TYPE_CHECKING:
    from tagging_lib.study.study import Study

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

    from tagging_lib.runs import trainer
    from tagging_lib.runs.run import verified_model, weights_source
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
