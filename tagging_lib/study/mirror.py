"""Test-time augmentation: a row that answers for each photo as it is and for its mirror image, and takes the mean."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from torch import Tensor, nn

from tagging_lib import declared
from tagging_lib.evaluation import ensemble, uncertainty
from tagging_lib.models import engine, predict
from tagging_lib.models.tagger import Tagger
from tagging_lib.runs import kept, trainer
from tagging_lib.runs.key import digest_of
from tagging_lib.runs.result import Result
from tagging_lib.runs.run import reopened
from tagging_lib.study import compare
from tagging_lib.study.study import Study

logger = logging.getLogger(__name__)
COLUMNS = ["row", "plain_f1", "mirrored_f1", "difference", "low", "high", "p", "p_holm", "verdict"]


def look(study: Study, results: Sequence[Result]) -> list[Result]:
    """The same rows with the mean of both answers, in place of those whose network is at hand or whose answers are kept.

    What the networks say of the mirror images is computed once and kept beside the rows.
    """
    found = []
    for result in results:
        mirrored = kept.find(study.outputs, *_place(result))
        if mirrored is None:
            if not result.has_network:
                logger.warning("%s: left out, its network is not at hand", result.name)
                continue
            mirrored = kept.keep(study.outputs, *_place(result), {"probabilities": _both(result)}, _made_of(result))
        found.append(_flipped(study, result, mirrored))
    return found


def over_splits(study: Study, names: Sequence[str]) -> pd.DataFrame:
    """Rows with mirror images on each split where such answers are kept: mean and spread of their scores, and what they gain.

    Columns as of `compare.over_splits`, then test micro-F1 minus that without mirror images: its mean, standard deviation,
    lowest and highest value. Nothing is looked at. Without a row on two splits the table is empty.
    """
    found: dict[str, dict[int, tuple[Result, Result]]] = {}
    for seeded, results in compare.on_splits(study, names):
        for name, plain in results.items():
            mirrored = kept.find(seeded.outputs, *_place(plain))
            if mirrored is not None:
                found.setdefault(name, {})[seeded.seed] = (_flipped(seeded, plain, mirrored), plain)
    lines = []
    for pairs in found.values():
        if len(pairs) > 1:
            gained = [_micro_f1(mirrored) - _micro_f1(plain) for mirrored, plain in pairs.values()]
            scores = compare.spread({seed: mirrored.score("test") for seed, (mirrored, _) in pairs.items()})
            title = next(iter(pairs.values()))[0].title
            lines.append([title, *scores, *uncertainty.over_seeds(gained), min(gained), max(gained)])
    return pd.DataFrame(lines, columns=[*compare.SPLITS, *compare.PAIRS[-4:]])


def gains(study: Study, results: Sequence[Result], mirrored: Sequence[Result]) -> pd.DataFrame:
    """Test micro-F1 of each row with and without mirror images, each at its own threshold from validation, one row a line.

    `mirrored` are the rows of `results` that `look` gave. `difference` has its paired interval and p, which Holm's rule
    corrects for the number of rows.
    """
    plain = {result.key: result for result in results}
    pairs = [(second, plain[second.key]) for second in mirrored]
    answers = [(ours.predictions("test"), theirs.predictions("test")) for ours, theirs in pairs]
    judged = compare.judge(study.truth("test"), answers, study.groups("test"))
    lines = [
        test | {"row": first.title, "plain_f1": _micro_f1(first), "mirrored_f1": _micro_f1(second)}
        for (second, first), test in zip(pairs, judged, strict=True)
    ]
    return pd.DataFrame(lines, columns=COLUMNS)


def _flipped(study: Study, result: Result, mirrored: kept.Kept) -> Result:
    """The row with these answers to photos and mirror images, which the study notes that it uses."""
    study.note(*_place(result))
    experiment = dataclasses.replace(result.experiment, title=f"{result.title}, test-time flipping")
    return dataclasses.replace(result, experiment=experiment, kept=mirrored)


def _place(result: Result) -> tuple[str, str]:
    return f"{result.name}-mirrored", digest_of(_made_of(result))


def _made_of(result: Result) -> dict[str, Any]:
    return {"row": result.key, "code": declared.versions(declared.MIRRORED)}


def _both(result: Result) -> dict[str, np.ndarray]:
    """Mean probabilities float32 (n, L) of photos and mirror images, by part."""
    training = reopened(result, cached=False)
    logger.info("%s: looking at %s photos in the mirror", result.name, " and ".join(trainer.ANSWERED))
    count = sum(len(result.setting.indices(part)) for part in trainer.ANSWERED)
    module = _Reflecting(training.tagger, count)
    reflected = {
        part: predict.predict(module, training.batches, result.setting.indices(part)) for part in trainer.ANSWERED
    }
    return {part: ensemble.mean_probability([result.probabilities(part), found]) for part, found in reflected.items()}


class _Reflecting(nn.Module):
    """Mirror images of photos (N, 3, S, S) → logits (N, L)."""

    def __init__(self, tagger: Tagger, photos: int) -> None:
        super().__init__()
        self.tagger = engine.for_inference(tagger, photos)

    def forward(self, photos: Tensor) -> Tensor:
        return self.tagger(photos.flip(-1))


def _micro_f1(result: Result) -> float:
    return result.score("test")["micro_f1"]
