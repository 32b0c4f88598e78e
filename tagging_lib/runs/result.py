"""What a row gave. Probabilities stay; every score is computed from them when asked."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tagging_lib.evaluation import metrics, thresholds, uncertainty
from tagging_lib.runs.experiment import Experiment
from tagging_lib.runs.kept import Kept, model_file
from tagging_lib.runs.setting import Setting


@dataclass(frozen=True, eq=False)
class Result:
    """A finished row on its setting.

    Attributes:
        key: what it was found by.
        kept: its answers on disk, and what is known of how they came about.
    """

    experiment: Experiment
    setting: Setting
    key: str
    kept: Kept

    @property
    def name(self) -> str:
        return self.experiment.name

    @property
    def title(self) -> str:
        return self.experiment.title

    @property
    def folder(self) -> Path:
        return self.kept.folder

    @property
    def details(self) -> dict[str, Any]:
        """What was kept with the answers: weights, environment, seconds …"""
        return self.kept.facts

    @property
    def seconds(self) -> float:
        """What the row costs whoever has nothing yet: training, interrupted parts too, and the features of a frozen part."""
        return self.details["train_seconds"] + self.details["feature_seconds"]

    @cached_property
    def history(self) -> pd.DataFrame:
        """One line an epoch; empty without training."""
        return self.kept.history

    @cached_property
    def _probabilities(self) -> dict[str, np.ndarray]:
        return self.kept.arrays()

    def probabilities(self, part: str) -> np.ndarray:
        """float32 (n, L) in [0, 1] for `validation` or `test`."""
        return self._probabilities[part]

    @cached_property
    def threshold(self) -> float:
        """The threshold on the original's grid with the best micro-F1 on validation."""
        return thresholds.best_on_grid(self.setting.truth("validation"), self.probabilities("validation"))

    def predictions(self, part: str, threshold: float | np.ndarray | None = None) -> np.ndarray:
        """uint8 (n, L): 1 where the probability is at least the threshold (the row's own when none is given)."""
        return thresholds.apply(self.probabilities(part), self.threshold if threshold is None else threshold)

    def score(self, part: str = "test") -> dict[str, float]:
        """`metrics.score` of a part at the row's own threshold."""
        return metrics.score(self.setting.truth(part), self.predictions(part))

    @cached_property
    def interval(self) -> tuple[float, float]:
        """95 % bootstrap interval of the test micro-F1."""
        return uncertainty.bootstrap_interval(
            self.setting.truth("test"), self.predictions("test"), groups=self.setting.groups("test")
        )

    @property
    def ratio_of_f1(self) -> float:
        """Train F1 ÷ validation F1 at the kept epoch, the original's measure of overfitting; nan without training."""
        if self.history.empty:
            return float("nan")
        best = self.history[self.history.epoch == self.details["best_epoch"]].iloc[0]
        return metrics.ratio_of_f1(best.train_f1, best.validation_f1)

    @property
    def has_network(self) -> bool:
        """Whether its network is at hand; a constant answer and a published row have none."""
        return "model_sha256" in self.details and not self.kept.published

    @property
    def model_file(self) -> Path:
        return model_file(self.folder, self.details)
