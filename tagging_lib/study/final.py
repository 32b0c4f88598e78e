"""The final model: the best row continued on validation and test, as a folder that tags any photo."""

from __future__ import annotations

import dataclasses
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tagging_lib import declared, files
from tagging_lib.errors import TaggingError
from tagging_lib.inference import predict, whole
from tagging_lib.runs import kept, trainer
from tagging_lib.runs.key import digest_of
from tagging_lib.runs.result import Result
from tagging_lib.runs.run import reopened
from tagging_lib.study import chosen
from tagging_lib.study.study import Study
from tagging_lib.training.fit import fit

logger = logging.getLogger(__name__)
NAME, TAGGED = "final", "final-test-photos"  # of the kept answers


def folder(study: Study) -> Path:
    """Where the study's final model lies."""
    return study.outputs / "final"


def train(study: Study) -> dict[str, Any]:
    """Continue the best row for one epoch on validation and one on test, each with a fresh one-cycle schedule.

    Returns the model's description, as kept in `model.json`: row, labels, threshold, training losses of both
    continuations. It holds no test score, because the test photos have become training photos. A study whose rows are
    published answers gives the published description.

    Raises:
        TaggingError: notebook 05 has not run, or neither the row's network nor the description is at hand.
    """
    best = study.best()
    threshold = chosen.load(study).get(best.name, best.threshold)
    key = digest_of({"row": best.key, "threshold": threshold, "code": declared.versions(declared.FINAL)})
    found = kept.find(study.outputs, NAME, key)
    if found is None or not (found.published or _is_whole(study, found.facts)):
        found = kept.keep(study.outputs, NAME, key, {}, _train(study, best, threshold))
    study.note(NAME, key)
    return found.facts | {"key": key}


def _is_whole(study: Study, described: dict[str, Any]) -> bool:
    model = folder(study) / "model.safetensors"
    return (folder(study) / "model.json").exists() and model.exists() and files.sha256(model) == described["sha256"]


def _train(study: Study, best: Result, threshold: float) -> dict[str, Any]:
    training = reopened(best)
    recipe = dataclasses.replace(best.experiment.recipe, epochs=1, keep="last", patience=None, schedule="one-cycle")
    history = {}
    for part in ("validation", "test"):
        with trainer.standardised(training, study.indices("train")):
            continued = fit(
                training.module,
                training.batches,
                study.indices(part),
                np.empty(0, dtype=np.int64),
                recipe,
                pos_weight=trainer.positive_weight(best.experiment, study.setting),
                device=study.setting.device,
            )
        history[part] = {name: continued.epochs[-1][name] for name in ("train_loss", "seconds")}
    described = {
        "row": best.name,
        "title": best.title,
        "labels": list(study.labels),
        "threshold": threshold,
        "corpus": study.corpus.name,
        "fingerprint": study.corpus.fingerprint,
        "based_on": best.details["model_sha256"],
        "unlabelled_photos": best.details.get("unlabelled_photos", 0),
        "history": history,
        "network": training.spec,
    }
    return whole.write(folder(study), training.tagger, described, _card(described))


def tag_test_photos(study: Study, described: dict[str, Any]) -> pd.DataFrame | None:
    """The final model's answers to the unlabelled test photos, also written to files; None without photos.

    Args:
        described: what `train` returned.

    Raises:
        TaggingError: neither the model nor its kept answers to these photos are at hand.
    """
    if study.unlabelled is None:
        return None
    photos = study.unlabelled.photos
    key = digest_of({"model": described["key"], "photos": photos.fingerprint})
    found = kept.find(study.outputs, TAGGED, key)
    if found is None:
        if not _is_whole(study, described):
            raise TaggingError(f"{folder(study)} holds no final model: run `tagging train {described['row']}`, then this again")
        answers, _ = predict.probabilities(
            folder(study), photos, cache_dir=study.unlabelled.cache_dir, device=study.setting.device
        )
        found = kept.keep(study.outputs, TAGGED, key, {"probabilities": {"photos": answers}}, {"model": described["key"]})
    study.note(TAGGED, key)
    return predict.write(predict.tagged(photos, found.arrays()["photos"], described), described, folder(study))


def _card(described: dict[str, Any]) -> list[str]:
    lines = [
        f"- Corpus `{described['corpus']}`, fingerprint `{described['fingerprint']}`: all its photos were trained on, the",
        "  validation and test parts in one last epoch each. No test score can be given for this model; the report's",
        f"  table has that of the row it continues, `{described['row']}`.",
    ]
    if described["unlabelled_photos"]:
        lines.append(
            f"- It has also seen {described['unlabelled_photos']:,} photos without labels, with what other networks said of them "
            "in the place of labels."
        )
    return lines
