"""A model folder: a network with the labels that it gives, as it is kept on disk.

The final model's folder holds the whole network. That of a run holds what was trained, and builds upon the pretrained
weights that the row started from.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from tagging_lib import files
from tagging_lib.errors import TaggingError
from tagging_lib.evaluation import thresholds
from tagging_lib.models import zoo
from tagging_lib.models.tagger import Tagger
from tagging_lib.runs import kept, trainer

SUMMARY = "model.json"
GIVE = "give the folder of a trained row or of a final model, such as outputs/final"


def load(model: Path) -> tuple[Tagger, dict[str, Any]]:
    """The network of a model folder, in eval mode on the CPU, and its description: labels, threshold, network, sha256.

    Raises:
        TaggingError: a file is missing, damaged, or not a model of this library.
        WeightsUnavailable: a run's pretrained weights are out of reach.
    """
    described = _described(model)
    file = model / kept.MODEL
    if not file.exists():
        raise TaggingError(f"{file} is missing: {GIVE}")
    if described.get("sha256") != files.sha256(file):
        raise TaggingError(f"{file} is damaged (its checksum is not the one beside it): train it again")
    try:
        with safe_open(str(file), framework="pt") as stored:
            spec = json.loads(stored.metadata()["tagging"])
        network, count = spec["network"], len(described["labels"])
        same = {"dropout": spec["dropout"], "side": spec["side"]}
        if spec["complete"]:
            tagger = zoo.rebuild(network, count, options=spec["options"], **same)
        else:
            tagger = zoo.build(network, count, weights=spec["weights"], trained=spec["trained"], **same)
        trainer.load_state(tagger, file, complete=spec["complete"])
    except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise TaggingError(f"{file} is no model of this library ({error}): train it again") from error
    return tagger.eval(), described


def _described(model: Path) -> dict[str, Any]:
    if (model / kept.SUMMARY).exists():
        run = kept.read(model)
        threshold = thresholds.best_on_grid(run.arrays("truth")["validation"], run.arrays()["validation"])
        facts = run.facts
        return {
            "row": facts["experiment"]["name"],
            "title": facts["experiment"]["title"],
            "labels": facts["labels"],
            "threshold": threshold,
            "network": facts.get("model_spec"),
            "sha256": facts.get("model_sha256"),
        }
    if not (model / SUMMARY).exists():
        raise TaggingError(f"{model / SUMMARY} is missing: {GIVE}")
    described = files.read_json(model / SUMMARY)
    if not isinstance(described, dict):
        raise TaggingError(f"{model / SUMMARY} describes no model: train it again")
    return described
