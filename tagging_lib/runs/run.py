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
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import pandas as pd

from tagging_lib import files
from tagging_lib.errors import TaggingError
from tagging_lib.evaluation import metrics, thresholds, uncertainty
from tagging_lib.runs.compute import compute
from tagging_lib.runs.rows import Experiment, SelfTrained
from tagging_lib.runs.setting import ROW_CODE, SELF_TRAINED_CODE, Setting, code_digest, indices_digest, versions

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
        return self._stored()

    def _stored(self) -> dict[str, np.ndarray]:
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
        return metrics.ratio_of_f1(kept.train_f1, kept.validation_f1)

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
    source, settings = weights_source(experiment, setting), ""
    if Path(source).is_file():
        from tagging_lib.models import weights

        beside, stat = weights.beside(Path(source)), Path(source).stat()
        settings = files.sha256(beside) if beside.exists() else ""
        source = _file_digest(Path(source), stat.st_size, stat.st_mtime_ns)
    described = dataclasses.asdict(experiment)
    # How a row is called in tables does not change what it computes.
    for label in ("title", "group", "needs_gpu", "overnight", "toy"):
        described.pop(label)
    code: tuple[str, ...] = ROW_CODE
    more: dict[str, Any] = {}
    if isinstance(experiment, SelfTrained):
        described["teachers"] = [key(teacher, setting) for teacher in experiment.teachers]
        more["unlabelled"] = setting.unlabelled and setting.unlabelled.photos.fingerprint
        code = (*ROW_CODE, *SELF_TRAINED_CODE)
    parts = {
        "experiment": described,
        "corpus": setting.corpus.fingerprint,
        "pixels": setting.pixels_digest,
        "split": setting.split.fingerprint,
        "train": indices_digest(setting.indices("train")),
        "train_limit": setting.train_limit,
        "weights": source,
        "weights_settings": settings,
        "device": setting.device.split(":")[0],
        "code": code_digest(code),
        "versions": versions(),
    } | more
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:16]


def folder_of(experiment: Experiment, setting: Setting) -> Path:
    """Where the row's result is kept, whether it is there or not."""
    return setting.outputs / "runs" / experiment.name / key(experiment, setting)


def is_finished(experiment: Experiment, setting: Setting) -> bool:
    """Whether its folder holds a result, which has not been checked yet."""
    # Without any result of the row no key is asked for: it may take the digest of every photo.
    anything = (setting.outputs / "runs" / experiment.name).exists()
    return anything and (folder_of(experiment, setting) / "result.json").exists()


def run(experiment: Experiment, setting: Setting) -> Result:
    """The row's result, from its folder when that holds one for the same key, otherwise trained now.

    An interrupted run goes on at its last finished epoch.

    Raises:
        WeightsUnavailable: the row starts from weights that are out of reach.
    """
    folder = folder_of(experiment, setting)
    stored = _load(experiment, setting, folder)
    if stored is None:
        with _alone(experiment, folder):
            # While this process waited, another may have finished the row.
            stored = _load(experiment, setting, folder)
            if stored is None:
                return _run(experiment, setting, folder)
    logger.info("%s: result from %s", experiment.name, folder)
    return stored


@contextmanager
def _alone(experiment: Experiment, folder: Path) -> Iterator[None]:
    try:
        with files.locked(folder, f"{experiment.name}: another process runs this row; waiting for its result"):
            yield
    except OSError as error:
        told = files.storage_error(error)
        if told is None:
            raise
        raise told from error


def _run(experiment: Experiment, setting: Setting, folder: Path) -> Result:
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
    """The result in the folder when it is there and sound; a damaged one is set aside."""
    summary = folder / "result.json"
    if not summary.exists():
        return None
    try:
        details = files.read_sealed(summary)
        for name, digest in details["files"].items():
            if files.sha256(folder / name) != digest:
                raise ValueError(f"the checksum of {name} differs")
        if "model_bytes" in details and (folder / "model.safetensors").stat().st_size != details["model_bytes"]:
            raise ValueError("model.safetensors has another size")
        history = pd.read_csv(folder / "history.csv")
        result = Result(experiment, setting, folder, history, details["seconds"], details)
        for part in ("validation", "test"):
            if result.probabilities(part).shape != setting.truth(part).shape:
                raise ValueError(f"its {part} probabilities have another shape")
    except (TaggingError, ValueError, KeyError, TypeError, OSError, BadZipFile) as error:
        files.set_aside(summary, error)
        return None
    return result


def verified_model(result: Result) -> Path:
    """The row's model file, whole: a damaged or missing one is set aside, and the row runs again for it."""
    for _ in range(2):
        found = files.sha256(result.model_file) if result.model_file.exists() else "no file"
        if found == result.details["model_sha256"] and _is_safetensors(result.model_file):
            return result.model_file
        files.set_aside(result.folder / "result.json", f"the checksum of {result.model_file.name} differs, or it is no model")
        result = run(result.experiment, result.setting)
    raise TaggingError(f"{result.model_file} cannot be read back as it was written: check the disk")


def _is_safetensors(path: Path) -> bool:
    """Whether its head describes tensors that it holds: a checksum alone may come from whoever changed the file."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), framework="pt") as stored:
            return stored.keys() is not None
    except SafetensorError:
        return False


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
    # The truth lies beside the probabilities, so that a folder can be scored and drawn without its corpus.
    truth = {part: setting.truth(part) for part in probabilities}
    for name, arrays in (("probabilities.npz", probabilities), ("truth.npz", truth)):
        with files.replacing(folder / name) as temporary, open(temporary, "wb") as stream:
            np.savez_compressed(stream, **arrays)
    frame = pd.DataFrame(history, columns=list(HISTORY_COLUMNS))
    files.write_text(folder / "history.csv", frame.to_csv(index=False))
    kept = [name for name in ("probabilities.npz", "truth.npz", "history.csv") if (folder / name).exists()]
    details |= {
        "experiment": dataclasses.asdict(experiment),
        "corpus": setting.corpus.fingerprint,
        "labels": list(setting.corpus.labels),
        "environment": files.describe_machine() | versions() | {"device": _device_name(setting.device)},
        # The model is checked where it is loaded: hashing gigabytes for a table would make every second run slow.
        "files": {name: files.sha256(folder / name) for name in kept},
    }
    files.write_sealed(folder / "result.json", details)


def _device_name(device: str) -> str:
    if device.startswith("cuda"):
        import torch

        return torch.cuda.get_device_name(device)
    return "cpu"


def _compute(experiment: Experiment, setting: Setting, folder: Path):
    from tagging_lib.models import hardware

    source = weights_source(experiment, setting)
    hardware.prepare(setting.device.split(":")[0])  # before a frozen part sees its first photo, not only before training
    try:
        if not isinstance(experiment, SelfTrained):
            return compute(experiment, setting, source, folder)
        from tagging_lib.runs import pseudo

        answers = [
            pseudo.ask(teacher, setting, weights_source(teacher, setting), verified_model(run(teacher, setting)))
            for teacher in experiment.teachers
        ]
        return pseudo.compute(experiment, setting, answers, source, folder)
    except (MemoryError, RuntimeError) as error:
        if not _is_out_of_memory(error):
            raise
        fix = f"lower its batch size ({experiment.recipe.batch_size}) or side ({experiment.side} px), or free some memory"
        what = (str(error) or type(error).__name__).splitlines()[0]
        raise TaggingError(f"row {experiment.name} does not fit into the memory of {setting.device} ({what}): {fix}") from error


def _is_out_of_memory(error: BaseException) -> bool:
    """torch has a class for devices alone; on the CPU it raises RuntimeError, with the system's words."""
    import torch

    words = ("allocate memory", "out of memory", "bad_alloc", "CUDA error: out of")
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or any(word in str(error) for word in words)
