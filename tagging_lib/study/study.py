"""What a notebook holds: a corpus under a profile, its split, its rows and their results, and where tables and figures go."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from tagging_lib import files
from tagging_lib.data import splits
from tagging_lib.data.corpus import Corpus
from tagging_lib.errors import RowUnavailable, TaggingError
from tagging_lib.models.tagger import Trained
from tagging_lib.runs import rows
from tagging_lib.runs.experiment import Experiment
from tagging_lib.runs.key import key
from tagging_lib.runs.result import Result
from tagging_lib.runs.run import is_finished, opened, run
from tagging_lib.runs.setting import Setting, Unlabelled
from tagging_lib.study import failed
from tagging_lib.study.profiles import LeftOut, Profile

logger = logging.getLogger(__name__)
OTHER_TRAININGS = 4  # seeds after the study's own that are looked for


@dataclass(eq=False)
class Study:
    """A corpus under a profile.

    `run` alone trains. Everything else reads what is finished.

    Attributes:
        seed: of the split and of the first training of each row.
        n_seeds: trainings of each row, from `seed` on.
        ledger: file that lists the answers which were opened, for a report to carry along; None lists none.
    """

    setting: Setting
    profile: Profile
    seed: int
    n_seeds: int = 1
    ledger: Path | None = None
    _left_out: dict[str, LeftOut] = field(default_factory=dict)
    _results: dict[tuple[str, int], Result] = field(default_factory=dict)
    _noted: set[tuple[str, str]] = field(default_factory=set)

    @property
    def corpus(self) -> Corpus:
        return self.setting.corpus

    @property
    def labels(self) -> tuple[str, ...]:
        return self.corpus.labels

    @property
    def targets(self) -> np.ndarray:
        """uint8 (N, L)."""
        return self.corpus.targets

    @property
    def pixels(self) -> np.ndarray:
        """The central squares of the photos, uint8 (N, S, S, 3)."""
        return self.setting.pixels

    @property
    def shown(self) -> np.ndarray:
        """The photos as people look at them, all of each, uint8 (N, S, S, 3)."""
        return self.setting.shown

    @property
    def unlabelled(self) -> Unlabelled | None:
        """The photos that nobody has labelled, where the study has such."""
        return self.setting.unlabelled

    @property
    def split(self) -> splits.Split:
        return self.setting.split

    @property
    def outputs(self) -> Path:
        return self.setting.outputs

    @property
    def seeds(self) -> list[int]:
        return [self.seed + step for step in range(self.n_seeds)]

    def truth(self, part: str) -> np.ndarray:
        """Targets of `train`, `validation` or `test`, uint8 (n, L)."""
        return self.setting.truth(part)

    def indices(self, part: str) -> np.ndarray:
        """Places in the corpus of the photos of a part, int64 (n,)."""
        return self.setting.indices(part)

    def groups(self, part: str) -> np.ndarray | None:
        """The group of each photo of a part, int64 (n,); None where the split has none."""
        return self.setting.groups(part)

    def on_split(self, seed: int) -> Study:
        """The same study with the photos divided anew, by the same rule from another seed."""
        other = splits.split(self.corpus, seed=seed, rule=self.split.rule, groups=self.split.groups)
        setting = dataclasses.replace(self.setting, split=other)
        return dataclasses.replace(self, setting=setting, seed=seed, _left_out={}, _results={})

    # ------------------------------------------------------------------ rows

    def row(self, name: str, seed: int | None = None) -> Experiment:
        """The row of that name, as this profile runs it."""
        return self.profile.scaled(rows.find(name).with_seed(self.seed if seed is None else seed))

    def rows(self, group: str | None = None) -> list[str]:
        """Names of the rows in a group (`baselines`, `transfer`, `augmentation`, `dropout`, `ablation`, `recipe`), or of all.

        Raises:
            TaggingError: there is no such group.
        """
        if group is not None and group not in rows.GROUPS:
            raise TaggingError(f"no group of rows is called {group!r}: choose one of {', '.join(rows.GROUPS)}")
        return [row.name for row in rows.ROWS if group in (None, row.group)]

    def run(self, names: Sequence[str]) -> list[Result]:
        """Results of these rows from the study's first seed; what is not finished is trained now, from every seed.

        Rows that cannot run are not among them but in `left_out`, with the reason. One that can from its first seeds alone
        is among them, with as many trainings, and the log says why.
        """
        found = []
        for name in names:
            seeds = self.seeds[:1] if self.row(name).is_constant else self.seeds
            for seed in seeds:
                result = self._run(self.row(name, seed))
                if isinstance(result, LeftOut):
                    if seed == self.seed:
                        self._left_out[name] = result
                    else:
                        logger.warning("%s is not trained from seed %d: %s; %s", name, seed, result.reason, result.remedy)
                    break
                if seed == self.seed:
                    found.append(result)
        return found

    def _run(self, row: Experiment) -> Result | LeftOut:
        left_out = self.profile.refusal(row, self.setting) or self._failed(row)
        if left_out is not None:
            return left_out
        try:
            return self._remembered(run(row, self.setting))
        except RowUnavailable as error:
            return LeftOut(error.reason, error.remedy)

    def _failed(self, row: Experiment) -> LeftOut | None:
        """Why a cluster could not train the row, where it could not and nobody has since."""
        known = failed.read(self.outputs)
        if not any(entry.startswith(f"{row.name}/") for entry in known) or is_finished(row, self.setting):
            return None
        return known.get(f"{row.name}/{key(row, self.setting)}")

    def finished(self, names: Sequence[str] | None = None, seed: int | None = None) -> list[Result]:
        """Results that are there, of these rows or of all; nothing is trained."""
        found = []
        for name in self.rows() if names is None else names:
            experiment = self.row(name, seed)
            identity = (name, experiment.recipe.seed)
            if identity not in self._results and is_finished(experiment, self.setting):
                result = opened(experiment, self.setting)
                if result is not None:
                    self._remembered(result)
            if identity in self._results:
                found.append(self._results[identity])
        return found

    def result(self, name: str, seed: int | None = None) -> Result:
        """A finished row's result, or the constant answer's, which looks at no photo and learns nothing.

        Raises:
            TaggingError: it is not finished.
        """
        for result in self.finished([name], seed):
            return result
        if self.row(name).is_constant:
            return self.run([name])[0]
        raise TaggingError(f"row {name} is not finished: run `tagging train {name}`, or the notebook that asks for it")

    def trainings(self, result: Result) -> list[Result]:
        """The row's result from each seed of the study as far as it is finished, the given one first."""
        seeds = [] if result.experiment.is_constant else self.seeds[1:]
        return [result, *(other for seed in seeds for other in self.finished([result.name], seed))]

    def other_trainings(self, results: Sequence[Result]) -> list[Result]:
        """The same rows from other seeds on the same split as far as they are finished, titled by their seed."""
        found = []
        for result in results:
            if result.experiment.trained != Trained.NONE:
                for seed in range(self.seed + 1, self.seed + 1 + OTHER_TRAININGS):
                    for other in self.finished([result.name], seed):
                        titled = dataclasses.replace(other.experiment, title=f"{other.title}, from seed {seed}")
                        found.append(dataclasses.replace(other, experiment=titled))
        return found

    def best(self) -> Result:
        """The finished row with the highest micro-F1 on validation; never chosen on test.

        Raises:
            TaggingError: no trained row is finished.
        """
        trained = [result for result in self.finished() if not result.experiment.is_constant]
        if not trained:
            raise TaggingError("no trained row is finished: run notebook 03_transfer_learning first")
        return max(trained, key=lambda result: result.score("validation")["micro_f1"])

    @property
    def left_out(self) -> pd.DataFrame:
        """Rows that were asked for and could not run: row, reason, how to get it."""
        entries = [(self.row(name).title, *left_out) for name, left_out in self._left_out.items()]
        return pd.DataFrame(entries, columns=["row", "reason", "how to get it"])

    def note(self, name: str, key: str) -> None:
        """List these kept answers in the ledger."""
        if (name, key) not in self._noted:
            self._noted.add((name, key))
            if self.ledger is not None:
                files.write_json(self.ledger, sorted(self._noted))

    def _remembered(self, result: Result) -> Result:
        self._results[result.name, result.experiment.recipe.seed] = result
        self.note(result.name, result.key)
        return result

    # ------------------------------------------------------- figures, tables

    @property
    def work(self) -> Path:
        """Where what the notebooks make lies until it is in a report."""
        return self.outputs / "work"

    def save_figure(self, figure: Figure, name: str) -> Figure:
        """Write the figure as PNG and SVG under its name, and return it for the notebook to show."""
        write_figure(figure, self.work / "figures" / name)
        figure.saved_as = name  # type: ignore[attr-defined]  # the report's page reads it from what is shown
        return figure

    def save_table(self, table: pd.DataFrame, name: str) -> pd.DataFrame:
        """Write the table as CSV under its name, and return it for the notebook to show."""
        files.write_text(self.work / "tables" / f"{name}.csv", table.to_csv(index=False))
        table.attrs["saved_as"] = name  # as `save_figure`; a selection of the table keeps it
        return table

    def save_page(self, html: str, name: str) -> None:
        """Write a page of HTML under its name, which the report then holds."""
        files.write_text(self.work / f"{name}.html", html)


def write_figure(figure: Figure, path: Path) -> list[Path]:
    """Write the figure as `path` with `.png` and with `.svg` added; the paths of both."""
    written = [path.parent / f"{path.name}.{suffix}" for suffix in ("png", "svg")]
    for target in written:
        with files.replacing(target) as temporary:
            figure.savefig(temporary, format=target.suffix[1:], bbox_inches="tight", dpi=150)
    return written
