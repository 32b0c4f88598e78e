"""What a row computes: this module stands in the row's key, the storing of the result around it does not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tagging_lib import files
from tagging_lib.runs.rows import Experiment
from tagging_lib.runs.setting import Setting


def compute(
    experiment: Experiment, setting: Setting, source: str, folder: Path
) -> tuple[dict[str, np.ndarray], list[dict[str, float]], dict[str, Any]]:
    """Probabilities float32 (n, L) by part, one entry of history an epoch, and the details that are kept beside them.

    The model goes to `folder/model.safetensors`; an interrupted training goes on from `folder/checkpoint`.

    Args:
        source: where the weights come from, as `weights.resolve` takes it.
    """
    from tagging_lib.models import predict

    if experiment.network == "constant":
        answer = {
            part: predict.predict_constant(setting.truth("train"), len(setting.indices(part)))
            for part in ("validation", "test")
        }
        return answer, [], {"best_epoch": 0, "weights": "none", "train_seconds": 0.0}

    from tagging_lib.runs import trainer

    trained = trainer.train(experiment, setting, source, checkpoint=folder / "checkpoint")
    probabilities = {
        part: predict.predict(trained.module, trained.batches, setting.indices(part)) for part in ("validation", "test")
    }
    model = folder / "model.safetensors"
    trainer.save_model(trained, model)
    details = {
        "best_epoch": trained.history.best_epoch,
        "weights": trained.tagger.description,
        "train_seconds": trained.history.seconds,
        "model_spec": trained.spec,
        "model_sha256": files.sha256(model),
        "model_bytes": model.stat().st_size,
    }
    return probabilities, trained.history.epochs, details
