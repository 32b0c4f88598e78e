"""The final model: the best row, finished in the way that brings most, as a folder that tags any photo."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from typing import Any

import pandas as pd

from tagging_lib import declared, files
from tagging_lib.errors import TaggingError
from tagging_lib.inference import predict, whole
from tagging_lib.models import device
from tagging_lib.runs import kept, trainer
from tagging_lib.runs.key import digest_of, weights_source
from tagging_lib.runs.result import Result
from tagging_lib.runs.run import reopened
from tagging_lib.study import chosen
from tagging_lib.study.finishing import TITLES, Finish, finish
from tagging_lib.study.rehearsal import Rehearsal, rehearse
from tagging_lib.study.study import Study

logger = logging.getLogger(__name__)
NAME, TAGGED = "final", "final-test-photos"  # of the kept answers


def folder(study: Study) -> Path:
    """Where the study's final model lies."""
    return study.outputs / "final"


def train(study: Study, rehearsed: Rehearsal | None = None) -> dict[str, Any]:
    """Finish the best row in the way that a rehearsal found best (`rehearsal.rehearse`), on all photos where it trains on.

    Returns the model's description, as kept in `model.json`: row, labels, threshold, how it was finished, and photos and
    training losses of what it learnt from then. It holds no test score, because the test photos may have become training
    photos. A study whose rows are published answers gives the published description.

    Args:
        rehearsed: of the best row; found or made when it is not given.

    Raises:
        TaggingError: notebook 05 has not run, or neither the row's network nor the description is at hand.
    """
    best = study.best()
    threshold = chosen.load(study).get(best.name, best.threshold)
    how = (rehearsed or rehearse(study, best)).best
    key = digest_of({"row": best.key, "threshold": threshold, "finish": how, "code": declared.versions(declared.FINAL)})
    found = kept.find(study.outputs, NAME, key, own=best.has_network)
    if found is None or not (found.published or _is_whole(study, found.facts)):
        at = kept.folder_of(study.outputs, NAME, key) / "checkpoint"
        found = kept.keep(study.outputs, NAME, key, {}, _train(study, best, threshold, how, at))
        shutil.rmtree(at, ignore_errors=True)
    study.note(NAME, key)
    return found.facts | {"key": key}


def _is_whole(study: Study, described: dict[str, Any]) -> bool:
    model = folder(study) / "model.safetensors"
    return (folder(study) / "model.json").exists() and model.exists() and files.sha256(model) == described["sha256"]


def _train(study: Study, best: Result, threshold: float, how: Finish, checkpoint: Path) -> dict[str, Any]:
    experiment, setting = best.experiment, study.setting
    if how == Finish.RETRAINED:
        device.prepare(device.kind_of(setting.device))
        training = trainer.prepare(experiment, setting, weights_source(experiment, setting))
    else:
        training = reopened(best)
    history = finish(how, training, experiment, setting, best.details["best_epoch"], checkpoint)
    described = {
        "row": best.name,
        "title": best.title,
        "labels": list(study.labels),
        "threshold": threshold,
        "corpus": study.corpus.name,
        "fingerprint": study.corpus.fingerprint,
        "based_on": best.details["model_sha256"],
        "unlabelled_photos": best.details.get("unlabelled_photos", 0),
        "finish": how,
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


def _finished(described: dict[str, Any]) -> str:
    how = Finish(described["finish"])
    if how == Finish.AS_IT_IS:
        return "as it is: it learnt from the training part, and the report's table has its test score."
    return (
        f"{TITLES[how]}: it has seen all photos of the corpus.\n  No test score can be given for this model; the report's table "
        "has that of the row."
    )


def _card(described: dict[str, Any]) -> list[str]:
    lines = [
        f"- Corpus `{described['corpus']}`, fingerprint `{described['fingerprint']}`.",
        f"- Row `{described['row']}`, {_finished(described)}",
    ]
    if described["unlabelled_photos"]:
        lines.append(
            f"- It has also seen {described['unlabelled_photos']:,} photos without labels, with what other networks said of them "
            "in the place of labels."
        )
    return lines
