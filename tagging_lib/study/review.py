"""A finished row asked again: its head trained anew for photos it has not seen, its network asked where it looked."""

from __future__ import annotations

import copy
import dataclasses
import logging
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from tagging_lib import declared
from tagging_lib.data import statistics
from tagging_lib.evaluation import label_errors
from tagging_lib.models import attribution as attributions
from tagging_lib.models import predict
from tagging_lib.progress import quiet
from tagging_lib.runs import kept, trainer
from tagging_lib.runs.key import digest_of, weights_source
from tagging_lib.runs.result import Result
from tagging_lib.runs.run import reopened
from tagging_lib.runs.setting import PARTS
from tagging_lib.study.study import Study
from tagging_lib.training import fit

logger = logging.getLogger(__name__)
BATCH = 16  # photos at a time for attribution: gradients of a deep network take memory


@dataclass(frozen=True, eq=False)
class Unseen:
    """Probabilities float32 (n, L) of models that have not seen the photos, whose places in the corpus are `indices` (n,)."""

    indices: np.ndarray
    probabilities: np.ndarray
    title: str
    how: str


def unseen(study: Study, n_folds: int = label_errors.FOLDS) -> Unseen:
    """Out-of-fold probabilities of all photos from the best row with a frozen backbone, whose cached features make it quick.

    The head is trained `n_folds` times by the row's recipe, to its last epoch, photos that the split keeps together in one
    fold; the answers are kept. Without such a row, the best row's probabilities on validation and test.

    Raises:
        TaggingError: no trained row is finished.
    """
    frozen = [result for result in study.finished() if result.experiment.is_frozen]
    for row in sorted(frozen, key=lambda result: -result.score("validation")["micro_f1"]):
        same = {"row": row.key, "folds": n_folds, "seed": study.seed, "code": declared.versions(declared.OUT_OF_FOLD)}
        name, key = f"{row.name}-out-of-fold", digest_of(same)
        found = kept.find(study.outputs, name, key)
        if found is None and row.has_network:
            found = kept.keep(study.outputs, name, key, {"probabilities": {"all": _out_of_fold(study, row, n_folds)}}, same)
        if found is not None:
            study.note(name, key)
            return Unseen(_every(study), found.arrays()["all"], row.title, f"out of fold, {n_folds} folds")
    best = study.best()
    indices = np.concatenate([study.indices(part) for part in trainer.ANSWERED])
    probabilities = np.concatenate([best.probabilities(part) for part in trainer.ANSWERED])
    return Unseen(indices, probabilities, best.title, "on validation and test")


def _every(study: Study) -> np.ndarray:
    return np.sort(np.concatenate([study.indices(part) for part in PARTS]))


def _out_of_fold(study: Study, row: Result, n_folds: int) -> np.ndarray:
    indices = _every(study)
    together = None if study.split.groups is None else study.split.groups[indices]
    fold_of = label_errors.folds(study.targets[indices], n_folds, study.seed, together)
    heads = _Heads(study, row)
    logger.info("%s: %d heads, each for photos that it has not seen", row.name, n_folds)
    return label_errors.out_of_fold(
        fold_of, lambda train, held_out: heads.fit_predict(indices[train], indices[held_out]), len(study.labels)
    )


class _Heads:
    """A row's head, trained anew from its first state for each fold, on features that are read once."""

    def __init__(self, study: Study, row: Result):
        self.study = study
        # The last epoch is kept: choosing one would need labels of photos that the fold has not seen.
        self.recipe = dataclasses.replace(row.experiment.recipe, keep="last", patience=None)
        self.training = trainer.prepare(row.experiment, study.setting, weights_source(row.experiment, study.setting))
        self.start = copy.deepcopy(self.training.module.state_dict())

    def fit_predict(self, train: np.ndarray, held_out: np.ndarray) -> np.ndarray:
        """Probabilities float32 (n, L) of the photos `held_out` by a head trained on `train`, both places in the corpus."""
        training, batches = self.training, self.training.batches
        training.module.load_state_dict(self.start)
        targets, nothing = self.study.targets[train], np.empty(0, dtype=np.int64)
        weight = torch.as_tensor(statistics.pos_weight(targets, self.study.labels)) if self.recipe.pos_weight else None
        start = trainer.log_odds(targets, weight)
        with quiet(fit.logger), trainer.standardised(training, train, start):  # lines of each fold would hide what the page says
            device = self.study.setting.device
            recipe = self.recipe.for_photos(len(train))
            fit.fit(training.module, batches, train, nothing, recipe, pos_weight=weight, device=device)
        return predict.predict(training.module, batches, held_out)


def suspects(study: Study, asked: Unseen) -> pd.DataFrame:
    """Annotations that are probably wrong, the most suspicious first.

    Columns: rank, photo (its path), part of the split, label, given (1 annotated, 0 not), probability, score (low is
    suspicious), and index and column, its place in the corpus' targets.
    """
    found = label_errors.suspects(study.targets[asked.indices], asked.probabilities)
    part_of = np.full(len(study.corpus), "", dtype=object)
    for part in PARTS:
        part_of[study.indices(part)] = part
    index, column = asked.indices[found.place.astype(int)], found.column.to_numpy(dtype=int)
    return pd.DataFrame(
        {
            "rank": np.arange(1, len(found) + 1),
            "photo": [study.corpus.photos[place] for place in index],
            "part": part_of[index],
            "label": [study.labels[place] for place in column],
            "given": found.given.to_numpy(dtype=int),
            "probability": found.probability.to_numpy(dtype=float),
            "score": found.score.to_numpy(dtype=float),
            "index": index,
            "column": column,
        }
    )


def in_part(study: Study, found: pd.DataFrame, part: str) -> pd.DataFrame:
    """The suspects of one part, with `place` counted within it, as `label_errors.f1_after_correction` takes them."""
    chosen = found[found.part == part]
    return chosen.assign(place=np.searchsorted(study.indices(part), chosen["index"].to_numpy(dtype=int)))


def attribution(study: Study, result: Result, indices: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, str]:
    """What in the photo `indices[i]` speaks for the label `columns[i]`: float32 (n, S, S) in [-1, 1], and the method.

    S is the row's side, in px.

    Raises:
        ValueError: `indices` is empty.
        TaggingError: the row's network is not at hand.
    """
    if not len(indices):
        raise ValueError("indices is empty: there is no photo to look at")
    training = reopened(result, cached=False)
    found, method = [], ""
    for start in range(0, len(indices), BATCH):
        photos = np.asarray(indices[start : start + BATCH])
        wanted = torch.tensor(columns[start : start + BATCH].tolist())
        inputs = torch.cat([x for x, _ in training.batches.plain(photos)])
        heat, method = attributions.attribution(training.tagger, inputs, wanted)
        found.append(heat)
    return np.concatenate(found), method
