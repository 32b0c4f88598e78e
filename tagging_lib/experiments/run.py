"""From a row to its result, computed once.

`run` trains an experiment on a corpus and keeps what came out under `outputs/runs/<name>/<key>/`. The key hashes all
that could change the outcome, so a second run costs nothing and a changed anything runs again.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
import shutil
import time
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tagging_lib import files
from tagging_lib.evaluation import metrics, thresholds, uncertainty
from tagging_lib.experiments.rows import Experiment
from tagging_lib.experiments.setting import ROW_CODE, Setting, code_digest, versions

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Result:
    """What a row gave. Probabilities stay; every score is computed from them when asked."""

    experiment: Experiment
    setting: Setting
    folder: Path
    history: pd.DataFrame
    seconds: float
    details: dict[str, Any]

    @property
    def name(self) -> str:
        return self.experiment.name

    @property
    def title(self) -> str:
        return self.experiment.title

    @cached_property
    def _probabilities(self) -> dict[str, np.ndarray]:
        with np.load(self.folder / "probabilities.npz", allow_pickle=False) as stored:
            return {part: stored[part] for part in stored.files}

    def probabilities(self, part: str) -> np.ndarray:
        """float32 (n, L) in [0, 1] for `validation` or `test`."""
        return self._probabilities[part]

    def indices(self, part: str) -> np.ndarray:
        return self.setting.indices(part)

    @cached_property
    def threshold(self) -> float:
        """The threshold on the original's grid with the best micro-F1 on validation."""
        return thresholds.best_on_grid(self.setting.truth("validation"), self.probabilities("validation"))

    def predictions(self, part: str, threshold: float | np.ndarray | None = None) -> np.ndarray:
        """uint8 (n, L): 1 where the probability is at least the threshold (the row's own when none is given)."""
        return thresholds.apply(self.probabilities(part), self.threshold if threshold is None else threshold)

    def score(self, part: str = "test") -> dict[str, float]:
        return metrics.score(self.setting.truth(part), self.predictions(part))

    @cached_property
    def interval(self) -> tuple[float, float]:
        """95 % bootstrap interval of the test micro-F1."""
        return uncertainty.bootstrap_interval(self.setting.truth("test"), self.predictions("test"))

    @property
    def ratio_of_f1(self) -> float:
        """Train F1 ÷ validation F1 at the kept epoch, the original's measure of overfitting; nan without training."""
        if self.history.empty:
            return float("nan")
        kept = self.history[self.history.epoch == self.details["best_epoch"]].iloc[0]
        return float(kept.train_f1 / kept.validation_f1) if kept.validation_f1 > 0 else float("nan")

    @property
    def environment(self) -> dict[str, Any]:
        return self.details["environment"]

    @property
    def model_file(self) -> Path:
        return self.folder / "model.safetensors"


@cache
def _file_digest(path: Path, size: int, modified: int) -> str:
    return files.sha256(path)


def weights_source(experiment: Experiment, setting: Setting) -> str:
    """`none`, `imagenet`, or the weights folder when it holds the row's network."""
    from tagging_lib.models import weights

    if experiment.weights == "imagenet" and setting.weights_folder is not None:
        local = weights.find_local(experiment.network, setting.weights_folder)
        if local is not None:
            return str(local)
    return experiment.weights


def key(experiment: Experiment, setting: Setting) -> str:
    """16 hexadecimal digits that change with anything that could change the result."""
    source = weights_source(experiment, setting)
    if Path(source).is_file():
        stat = Path(source).stat()
        source = _file_digest(Path(source), stat.st_size, stat.st_mtime_ns)
    described = dataclasses.asdict(experiment)
    # How a row is called in tables does not change what it computes.
    for label in ("title", "group", "needs_gpu"):
        described.pop(label)
    parts = {
        "experiment": described,
        "corpus": setting.corpus.fingerprint,
        "pixels": setting.pixels_digest,
        "split": setting.split.fingerprint,
        "train_limit": setting.train_limit,
        "weights": source,
        "device": setting.device.split(":")[0],
        "code": code_digest(ROW_CODE),
        "versions": versions(),
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:16]


def run(experiment: Experiment, setting: Setting) -> Result:
    """The row's result, from its folder when that holds one for the same key, otherwise trained now.

    An interrupted run goes on at its last finished epoch.

    Raises:
        WeightsUnavailable: the row starts from weights that are out of reach.
    """
    folder = setting.outputs / "runs" / experiment.name / key(experiment, setting)
    stored = _load(experiment, setting, folder)
    if stored is not None:
        logger.info("%s: result from %s", experiment.name, folder)
        return stored
    folder.mkdir(parents=True, exist_ok=True)
    logger.info("%s: running, results go to %s", experiment.name, folder)
    started = time.perf_counter()
    probabilities, history, details = _compute(experiment, setting, folder)
    details |= {"seconds": time.perf_counter() - started}
    _save(experiment, setting, folder, probabilities, history, details)
    shutil.rmtree(folder / "checkpoint", ignore_errors=True)
    loaded = _load(experiment, setting, folder)
    if loaded is None:
        raise OSError(f"the result just written to {folder} cannot be read back: check the disk")
    return loaded


def _load(experiment: Experiment, setting: Setting, folder: Path) -> Result | None:
    summary = folder / "result.json"
    if not summary.exists():
        return None
    details = files.read_json(summary)
    for name, digest in details["files"].items():
        if not (folder / name).exists() or files.sha256(folder / name) != digest:
            logger.warning("%s: %s is damaged or missing: the row runs again", experiment.name, folder / name)
            summary.replace(summary.with_suffix(".damaged"))
            return None
    history = pd.read_csv(folder / "history.csv")
    return Result(experiment, setting, folder, history, details["seconds"], details)


HISTORY_COLUMNS = (
    "epoch",
    "learning_rate",
    "train_loss",
    "train_f1",
    "validation_loss",
    "validation_f1",
    "seconds",
)


def _save(experiment, setting, folder, probabilities, history, details) -> None:
    with files.replacing(folder / "probabilities.npz") as temporary, open(temporary, "wb") as stream:
        np.savez_compressed(stream, **probabilities)
    frame = pd.DataFrame(history, columns=list(HISTORY_COLUMNS))
    files.write_text(folder / "history.csv", frame.to_csv(index=False))
    kept = [name for name in ("probabilities.npz", "history.csv") if (folder / name).exists()]
    details |= {
        "experiment": dataclasses.asdict(experiment),
        "corpus": setting.corpus.fingerprint,
        "labels": list(setting.corpus.labels),
        "environment": files.describe_machine() | versions() | {"device": _device_name(setting.device)},
        # The model is checked where it is loaded: hashing gigabytes for a table would make every second run slow.
        "files": {name: files.sha256(folder / name) for name in kept},
    }
    files.write_json(folder / "result.json", details)


def _device_name(device: str) -> str:
    if device.startswith("cuda"):
        import torch

        return torch.cuda.get_device_name(device)
    return "cpu"


def _compute(experiment: Experiment, setting: Setting, folder: Path):
    from tagging_lib.evaluation import predict

    if experiment.network == "constant":
        answer = {
            part: predict.predict_constant(setting.truth("train"), len(setting.indices(part)))
            for part in ("validation", "test")
        }
        return answer, [], {"best_epoch": 0, "weights": "none", "train_seconds": 0.0}

    from tagging_lib.experiments import trainer

    trained = trainer.train(experiment, setting, weights_source(experiment, setting), checkpoint=folder / "checkpoint")
    probabilities = {
        part: predict.predict(trained.module, trained.batches, setting.indices(part)) for part in ("validation", "test")
    }
    trainer.save_model(trained, folder / "model.safetensors")
    details = {
        "best_epoch": trained.history.best_epoch,
        "weights": trained.tagger.description,
        "train_seconds": trained.history.seconds,
        "model_spec": trained.spec,
        "model_sha256": files.sha256(folder / "model.safetensors"),
    }
    return probabilities, trained.history.epochs, details
