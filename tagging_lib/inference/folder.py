"""A model folder: a network with the labels that it gives, as it is kept on disk."""

from __future__ import annotations

import json
from pathlib import Path

from tagging_lib import files
from tagging_lib.errors import TaggingError


def load(model: Path):
    """The network of a model folder, in eval mode on the CPU, and its description.

    Raises:
        TaggingError: a file is missing, damaged, or not a model of this library.
    """
    from safetensors import SafetensorError, safe_open

    from tagging_lib.models import zoo
    from tagging_lib.runs import trainer

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
