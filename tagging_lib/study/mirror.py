"""A row that looks at each photo twice: as it is, and in the mirror."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tagging_lib import files
from tagging_lib.errors import TaggingError
from tagging_lib.evaluation import ensemble
from tagging_lib.runs.run import Result, verified_model, weights_source
from tagging_lib.study import compare

if TYPE_CHECKING:
    from tagging_lib.study.study import Study

logger = logging.getLogger(__name__)
COLUMNS = ["row", "plain_f1", "mirrored_f1", "difference", "low", "high", "p", "p_holm", "verdict"]
PARTS = ("validation", "test")


@dataclass(frozen=True, eq=False)
class Mirrored(Result):
    """A result whose probabilities are the means of those of each photo and of its mirror image.

    What the mirror images gave is kept in the row's folder.
    """

    @property
    def title(self) -> str:
        return f"{self.experiment.title}, and in the mirror"

    def _stored(self) -> dict[str, np.ndarray]:
        plain, reflected = super()._stored(), self._reflected()
        return {part: ensemble.mean_probability([plain[part], reflected[part]]) for part in PARTS}

    def _reflected(self) -> dict[str, np.ndarray]:
        path, note = self.folder / "mirrored.npz", self.folder / "mirrored.json"
        same = {"model_sha256": self.details["model_sha256"]}
        try:
            if files.read_sealed(note) == same | {"sha256": files.sha256(path)}:
                with np.load(path, allow_pickle=False) as stored:
                    return {part: stored[part] for part in PARTS}
        except (TaggingError, OSError, ValueError, KeyError):
            pass  # not there, or damaged: it is looked at again
        found = look(self)
        with files.replacing(path) as temporary, open(temporary, "wb") as stream:
            np.savez_compressed(stream, validation=found["validation"], test=found["test"])
        files.write_sealed(note, same | {"sha256": files.sha256(path)})
        return found


def mirrored(result: Result) -> Mirrored:
    """The same row, looking at each photo twice.

    Raises:
        TaggingError: the row has no network.
    """
    if "model_sha256" not in result.details:
        raise TaggingError(f"row {result.name} has no network that could look at a photo: choose a trained row")
    return Mirrored(**{field.name: getattr(result, field.name) for field in dataclasses.fields(Result)})


def look(result: Result) -> dict[str, np.ndarray]:
    """Probabilities float32 (n, L) that the row's network gives to the mirror images of validation and test photos."""
    import torch
    from torch import Tensor, nn

    from tagging_lib.models import hardware, predict, zoo
    from tagging_lib.models.preprocessing import Preprocessing
    from tagging_lib.runs import trainer
    from tagging_lib.training.batches import PhotoBatches

    experiment, setting = result.experiment, result.setting
    tagger = zoo.build(
        experiment.network,
        len(setting.corpus.labels),
        weights=weights_source(experiment, setting),
        trained=experiment.trained,
        dropout=experiment.dropout,
        side=experiment.side,
        seed=experiment.recipe.seed,
    )
    trainer.load_state(tagger, verified_model(result), complete=False)
    tagger.to(setting.device).to(memory_format=torch.channels_last)

    class Reflecting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.tagger = tagger.for_inference()

        def forward(self, photos: Tensor) -> Tensor:
            return self.tagger(photos.flip(-1))

    kept = result.details["model_spec"]["preprocessing"]
    photos = PhotoBatches(
        setting.pixels,
        setting.corpus.targets,
        Preprocessing(tuple(kept["mean"]), tuple(kept["std"]), kept["side"]),
        side=experiment.side,
        device=setting.device,
    )
    hardware.prepare(setting.device.split(":")[0])
    logger.info("%s: looking at %s photos in the mirror", result.name, " and ".join(PARTS))
    return {part: predict.predict(Reflecting(), photos, setting.indices(part)) for part in PARTS}


def gains(study: Study, results: Sequence[Result]) -> pd.DataFrame:
    """Test micro-F1 of each row with and without mirror images, each at its own threshold from validation, one row a line.

    `difference` has its paired interval and p, which Holm's rule corrects for the number of rows.
    """
    twice = [mirrored(result) for result in results]
    judged = compare.judge(
        study.truth("test"),
        [(second.predictions("test"), first.predictions("test")) for first, second in zip(results, twice, strict=True)],
    )
    lines = [
        test | {"row": first.title, "plain_f1": _micro_f1(first), "mirrored_f1": _micro_f1(second)}
        for first, second, test in zip(results, twice, judged, strict=True)
    ]
    return pd.DataFrame(lines, columns=COLUMNS)


def _micro_f1(result: Result) -> float:
    return result.score("test")["micro_f1"]
