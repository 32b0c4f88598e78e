"""From a row to its result, computed once.

`run` trains an experiment on a corpus and keeps what came out under `outputs/runs/<name>/<key>/`. The key changes with all
that could change the outcome, so a second run costs nothing and a changed anything runs again.
"""

from __future__ import annotations

import dataclasses
import logging
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import torch
from safetensors import SafetensorError, safe_open

from tagging_lib import files
from tagging_lib.errors import RowUnavailable, TaggingError
from tagging_lib.models import device, ranks
from tagging_lib.runs import kept, pseudo, trainer
from tagging_lib.runs.experiment import Experiment, SelfTrained
from tagging_lib.runs.key import key, keys, versions, weights_source
from tagging_lib.runs.result import Result
from tagging_lib.runs.setting import Setting

logger = logging.getLogger(__name__)
HISTORY = ("epoch", "learning_rate", "train_loss", "train_f1", "validation_loss", "validation_f1", "seconds", "processor_seconds")


def is_finished(experiment: Experiment, setting: Setting) -> bool:
    """Whether there is a result of the row, which has not been checked yet."""
    # Without any result of the row no key is asked for: it may take the digest of every photo.
    places = (setting.outputs / "runs" / experiment.name, kept.published_folder(setting.outputs) / experiment.name)
    if not any(place.exists() for place in places):
        return False
    return any(kept.is_there(setting.outputs, experiment.name, identity) for identity in keys(experiment, setting))


def run(experiment: Experiment, setting: Setting, *, own: bool = False) -> Result:
    """The row's result, from where it is kept when it is there for the same key, otherwise trained now.

    An interrupted run goes on at its last finished epoch. Several ranks (`models.ranks`) do what rank 0 finds to be done.

    Args:
        own: as `kept.find` takes it; the result then has the row's network.

    Raises:
        RowUnavailable: its weights are out of reach, it does not fit into memory, or its training diverges.
    """
    found = _found(experiment, setting, own)
    if found is None:
        with _alone(experiment, setting):
            # While this process waited, another may have finished the row.
            found = _found(experiment, setting, own)
            if found is None:
                return _run(experiment, setting)
    logger.info("%s: result from %s", experiment.name, found.folder)
    return found


def _found(experiment: Experiment, setting: Setting, own: bool) -> Result | None:
    """`opened`, alike on all ranks."""
    with ranks.in_turn():
        found = opened(experiment, setting, own=own)
    if ranks.agreed(found is not None):
        if found is None:
            raise TaggingError(f"rank {ranks.rank()} does not see what rank 0 keeps in {setting.outputs}: let all see one folder")
        return found
    return None


def opened(experiment: Experiment, setting: Setting, *, own: bool = False) -> Result | None:
    """The row's result when it is there and sound; a damaged one is set aside. `own` is as `kept.find` takes it."""
    for identity in keys(experiment, setting):
        found = kept.find(setting.outputs, experiment.name, identity, own=own)
        if found is not None:
            break
    else:
        return None
    result = Result(experiment, setting, identity, found)
    try:
        shapes = {part: result.probabilities(part).shape for part in trainer.ANSWERED}
        if shapes != {part: setting.truth(part).shape for part in trainer.ANSWERED}:
            raise ValueError(f"its probabilities have other shapes: {shapes}")
        if tuple(result.history.columns) != HISTORY:
            raise ValueError("its history has other columns")
    except kept.DAMAGE as error:
        if not found.published:
            files.set_aside(found.folder / kept.SUMMARY, error)
        return None
    return result


def reopened(result: Result, *, cached: bool = True) -> trainer.Training:
    """The row's network as it was when it had learnt, with the batches that feed it; a damaged model is trained again.

    Args:
        cached: False feeds the whole network with photos, whatever of it was trained.

    Raises:
        TaggingError: the row has no network at hand.
    """
    experiment, setting = result.experiment, result.setting
    device.prepare(device.kind_of(setting.device))
    model = _model(result)
    return trainer.prepare(experiment, setting, weights_source(experiment, setting), learnt=model, cached=cached)


def _model(result: Result) -> Path:
    """The row's model file, whole."""
    if result.kept.published:
        raise TaggingError(
            f"row {result.name} is here as a report's published answers, without its network: run `tagging train {result.name}`"
        )
    if not result.has_network:
        raise TaggingError(f"row {result.name} has no network that could look at a photo: choose a trained row")
    for _ in range(2):
        # What is at hand may be older than the folder, which another process has made whole since.
        result = opened(result.experiment, result.setting, own=True) or result
        digest = files.sha256(result.model_file) if result.model_file.exists() else "no file"
        if digest == result.details["model_sha256"] and _is_safetensors(result.model_file):
            return result.model_file
        why = f"the checksum of {result.model_file.name} differs, or it is no model"
        files.set_aside(result.folder / kept.SUMMARY, why)
        result = run(result.experiment, result.setting, own=True)
    raise TaggingError(f"{result.model_file} cannot be read back as it was written: check the disk")


def _is_safetensors(path: Path) -> bool:
    """Whether its head describes tensors that it holds: a checksum alone may come from whoever changed the file."""
    try:
        with safe_open(str(path), framework="pt") as stored:
            return stored.keys() is not None
    except SafetensorError:
        return False


@contextmanager
def _alone(experiment: Experiment, setting: Setting) -> Iterator[None]:
    if not ranks.is_writer():  # rank 0 holds the lock for all; the next `in_turn` waits until it does
        yield
        return
    folder = kept.folder_of(setting.outputs, experiment.name, key(experiment, setting))
    try:
        with files.locked(folder, f"{experiment.name}: another process runs this row; waiting for its result"):
            yield
    except OSError as error:
        told = files.storage_error(error)
        if told is None:
            raise
        raise told from error


def _run(experiment: Experiment, setting: Setting) -> Result:
    identity = key(experiment, setting)
    folder = kept.folder_of(setting.outputs, experiment.name, identity)
    logger.info("%s: running, results go to %s", experiment.name, folder)
    started = time.perf_counter()
    outcome = _compute(experiment, setting, folder)
    with ranks.in_turn():
        found = _keep(experiment, setting, outcome, started) if ranks.is_writer() else None
    if found is None and (found := kept.find(setting.outputs, experiment.name, identity)) is None:
        raise TaggingError(f"rank {ranks.rank()} does not see what rank 0 keeps in {setting.outputs}: let all see one folder")
    return Result(experiment, setting, identity, found)


def _keep(experiment: Experiment, setting: Setting, outcome: trainer.Outcome, started: float) -> kept.Kept:
    identity = key(experiment, setting)
    facts = outcome.facts | {
        "seconds": time.perf_counter() - started,
        "experiment": dataclasses.asdict(experiment),
        "corpus": setting.corpus.fingerprint,
        "labels": list(setting.corpus.labels),
        "train_photos": dict(zip(setting.corpus.labels, setting.truth("train").sum(axis=0).tolist(), strict=True)),
        "photos_side": int(setting.pixels_for(experiment).shape[1]),
        "environment": files.describe_machine() | versions() | {"device": _device_name(setting.device)},
    }
    if ranks.world() > 1:
        facts["ranks"] = ranks.world()
    # The truth lies beside the probabilities, so that a folder can be scored and drawn without its corpus.
    truth = {part: setting.truth(part) for part in outcome.probabilities}
    arrays = {"probabilities": outcome.probabilities, "truth": truth}
    history = pd.DataFrame(outcome.epochs, columns=list(HISTORY))
    found = kept.keep(setting.outputs, experiment.name, identity, arrays, facts, history)
    shutil.rmtree(found.folder / "checkpoint", ignore_errors=True)
    return found


def _compute(experiment: Experiment, setting: Setting, folder: Path) -> trainer.Outcome:
    source = weights_source(experiment, setting)
    device.prepare(device.kind_of(setting.device))  # before a frozen part sees its first photo, not only before training
    try:
        if not isinstance(experiment, SelfTrained):
            return trainer.compute(experiment, setting, source, folder)
        asked = [run(teacher, setting) for teacher in experiment.teachers]
        for teacher in asked:
            if teacher.kept.published:
                reason = f"its teacher {teacher.name} is here as a report's published answers, without its network"
                raise RowUnavailable(reason, f"run `tagging train {teacher.name}`")
        answers = [
            pseudo.ask(teacher.experiment, setting, weights_source(teacher.experiment, setting), _model(teacher))
            for teacher in asked
        ]
        outcome = trainer.compute(experiment, setting, source, folder, pseudo.joined(experiment, setting, source, answers))
        learnt = {"unlabelled_photos": len(answers[0]), "teachers": {teacher.name: teacher.key for teacher in asked}}
        return dataclasses.replace(outcome, facts=outcome.facts | learnt)
    except (MemoryError, RuntimeError) as error:
        if not _is_out_of_memory(error):
            raise
        remedy = f"lower its batch size ({experiment.recipe.batch_size}) or side ({experiment.side} px), or free some memory"
        what = (str(error) or type(error).__name__).splitlines()[0]
        reason = f"row {experiment.name} does not fit into the memory of {setting.device} ({what})"
        raise RowUnavailable(reason, remedy) from error
    except FloatingPointError as error:
        remedy = f"lower its learning rate ({experiment.recipe.learning_rate:.2g})"
        raise RowUnavailable(f"row {experiment.name} diverges ({error})", remedy) from error


def _device_name(name: str) -> str:
    return torch.cuda.get_device_name(name) if device.kind_of(name) == "cuda" else "cpu"


def _is_out_of_memory(error: BaseException) -> bool:
    """torch has a class for devices alone; on the CPU it raises RuntimeError, with the system's words."""
    words = ("allocate memory", "out of memory", "bad_alloc", "CUDA error: out of")
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or any(word in str(error) for word in words)
