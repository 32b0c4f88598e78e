"""Test-time augmentation: a row that answers for each photo as it is and for its mirror image, and takes the mean."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Sequence

import numpy as np
import pandas as pd
from torch import Tensor, nn

from tagging_lib import declared
from tagging_lib.evaluation import ensemble
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
        same = {"row": result.key, "code": declared.versions(declared.MIRRORED)}
        name, key = f"{result.name}-mirrored", digest_of(same)
        mirrored = kept.find(study.outputs, name, key)
        if mirrored is None:
            if not result.has_network:
                logger.warning("%s: left out, its network is not at hand", result.name)
                continue
            mirrored = kept.keep(study.outputs, name, key, {"probabilities": _both(result)}, same)
        study.note(name, key)
        title = f"{result.title}, test-time flipping"
        found.append(dataclasses.replace(result, experiment=dataclasses.replace(result.experiment, title=title), kept=mirrored))
    return found


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
