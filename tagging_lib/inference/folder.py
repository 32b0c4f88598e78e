"""A model folder: a network with the labels that it gives, as it is kept on disk.

The final model's folder holds the whole network, and so does that of a run that `tagging train` has made whole (`whole`).
That of another run holds what was trained, and builds upon the pretrained weights that the row started from.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file

from tagging_lib import files
from tagging_lib.errors import TaggingError
from tagging_lib.evaluation import thresholds
from tagging_lib.inference import timm_format
from tagging_lib.models import zoo
from tagging_lib.models.tagger import Tagger
from tagging_lib.runs import kept, trainer

SUMMARY = "model.json"
GIVE = "give the folder of a trained row or of a final model, such as outputs/final"


def find(model: str | Path, outputs: Path = Path("outputs")) -> Path:
    """The model folder that a user means: a folder, `final`, or a row by its name or folder, of which the latest run is taken.

    Raises:
        TaggingError: there is none; the message says which there are.
    """
    path = Path(model).expanduser()
    for folder in (path, outputs / model):
        if any((folder / name).exists() for name in (SUMMARY, kept.SUMMARY)):
            return folder
    if path.is_dir():
        runs = [found for found in path.glob(f"*/{kept.SUMMARY}") if (found.parent / "truth.npz").exists()]
        if not runs:
            raise TaggingError(f"{path} holds neither {SUMMARY} nor {kept.SUMMARY}: {GIVE}")
        return max(runs, key=lambda found: found.stat().st_mtime_ns).parent
    return kept.run_folder(model, outputs)


def load(model: Path) -> tuple[Tagger, dict[str, Any]]:
    """The network of a model folder, in eval mode on the CPU, and its description: labels, threshold, network, sha256.

    Raises:
        TaggingError: a file is missing, damaged, or not a model of this library.
        WeightsUnavailable: a run's pretrained weights are out of reach.
    """
    described, file = _described(model)
    if not (sound := _is_sound(described, file)):
        described, file = _described(model)  # it may have been made whole meanwhile
        sound = _is_sound(described, file)
    if not file.exists():
        raise TaggingError(f"{file} is missing: {GIVE}")
    if not sound:
        raise TaggingError(f"{file} is damaged (its checksum is not the one beside it): train it again")
    try:
        with safe_open(str(file), framework="pt") as stored:
            spec = json.loads(stored.metadata()["tagging"])
        network, count = spec["network"], len(described["labels"])
        same = {"dropout": spec["dropout"], "side": spec["side"]}
        if spec["complete"]:
            tagger = zoo.rebuild(network, count, options=spec["options"], **same)
        else:
            source, seed = spec["weights"], spec.get("seed", 0)  # what is frozen may be drawn
            tagger = zoo.build(network, count, weights=source, trained=spec["trained"], seed=seed, **same)
        if spec.get("names") == timm_format.NAMES:
            tagger.load_state_dict(timm_format.from_timm(load_file(str(file)), tagger))
        else:
            trainer.load_state(tagger, file, complete=spec["complete"])
    except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise TaggingError(f"{file} is no model of this library ({error}): train it again") from error
    return tagger.eval(), described


def _is_sound(described: dict[str, Any], file: Path) -> bool:
    return file.exists() and described.get("sha256") == files.sha256(file)


def _described(model: Path) -> tuple[dict[str, Any], Path]:
    """What the folder says of its model, and the model's file."""
    if (model / kept.SUMMARY).exists():
        run = kept.read(model)
        threshold = thresholds.best_on_grid(run.arrays("truth")["validation"], run.arrays()["validation"])
        facts, whole = run.facts, run.facts.get(kept.WHOLE)
        described = {
            "row": facts["experiment"]["name"],
            "title": facts["experiment"]["title"],
            "labels": facts["labels"],
            "threshold": threshold,
            "network": whole["network"] if whole else facts.get("model_spec"),
            "sha256": whole["sha256"] if whole else facts.get("model_sha256"),
        }
        return described, model / kept.MODEL if whole else kept.model_file(model, facts)
    if not (model / SUMMARY).exists():
        raise TaggingError(f"{model / SUMMARY} is missing: {GIVE}")
    described = files.read_json(model / SUMMARY)
    if not isinstance(described, dict):
        raise TaggingError(f"{model / SUMMARY} describes no model: train it again")
    return described, model / kept.MODEL
