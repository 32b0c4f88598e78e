"""What a study has still to train, in what order, and the command that trains each row: for other machines to work through.

A row that learns from others' answers waits for these, and one whose frozen part looks at the photos as another missing
row's does waits for that one, so that they are looked at once. A row that does not wait comes to the same result: it
makes itself what it lacks.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tagging_lib.models.tagger import STAGES, Trained
from tagging_lib.runs.experiment import Experiment, SelfTrained
from tagging_lib.runs.run import is_finished, opened
from tagging_lib.study.opening import as_options
from tagging_lib.study.profiles import LeftOut
from tagging_lib.study.study import Study

NOT_OF_A_ROW = ("SEEDS",)  # parameters of a study that training one row does not take


@dataclass(frozen=True)
class Planned:
    """A training of a row.

    Attributes:
        training: which one of the row, from 1.
        left_out: why the study does not run it; None otherwise.
        after: names and trainings of missing rows that it waits for.
        wave: 1 for a missing row that waits for none, 2 for one that waits for such a row …; 0 where nothing is to be done.
    """

    experiment: Experiment
    training: int
    left_out: LeftOut | None = None
    after: tuple[tuple[str, int], ...] = ()
    wave: int = 0

    @property
    def identity(self) -> tuple[str, int]:
        return self.experiment.name, self.training

    @property
    def state(self) -> str:
        """`finished`, `missing` or `left out`."""
        return "left out" if self.left_out else "missing" if self.wave else "finished"


def plan(study: Study) -> list[Planned]:
    """Every training that the study's notebooks ask for, and what of it is there; nothing is trained."""
    found: dict[tuple[str, int], Planned] = {}
    missing: dict[tuple[str, int], Experiment] = {}
    for name in study.rows():
        seeds = study.seeds[:1] if study.row(name).is_constant else study.seeds
        for training, seed in enumerate(seeds, start=1):
            experiment = study.row(name, seed)
            left_out = study.profile.refusal(experiment, study.setting)
            found[name, training] = Planned(experiment, training, left_out)
            if left_out is None and not (is_finished(experiment, study.setting) and opened(experiment, study.setting)):
                missing[name, training] = experiment
    looked = {_looks(each.experiment) for identity, each in found.items() if not each.left_out and identity not in missing}
    waits = _waits(missing, looked)
    waves: dict[tuple[str, int], int] = {}

    def wave(identity: tuple[str, int]) -> int:
        if identity not in waves:
            waves[identity] = 1 + max(map(wave, waits[identity]), default=0)
        return waves[identity]

    for identity, experiment in missing.items():
        found[identity] = Planned(experiment, identity[1], None, waits[identity], wave(identity))
    return list(found.values())


def _looks(row: Experiment) -> tuple[Any, ...] | None:
    """What is the same for rows whose frozen part looks at the photos in one way; None for a row that keeps no features."""
    if row.views < 1 or row.trained not in (Trained.HEAD, *STAGES):
        return None
    return row.network, row.weights, row.trained, row.side, row.framing


def _waits(
    missing: Mapping[tuple[str, int], Experiment], looked: Collection[Any]
) -> dict[tuple[str, int], tuple[tuple[str, int], ...]]:
    """For each missing training those that it waits for; `looked` are the ways in which finished rows have looked."""
    first: dict[Any, tuple[str, int]] = {}
    waits = {}
    # Rows with teachers come last, so that none of them goes before one that teaches.
    for identity, row in sorted(missing.items(), key=lambda entry: isinstance(entry[1], SelfTrained)):
        after = [(teacher.name, identity[1]) for teacher in row.teachers] if isinstance(row, SelfTrained) else []
        way = _looks(row)
        if way is not None and way not in looked and first.setdefault(way, identity) != identity:
            after.append(first[way])
        waits[identity] = tuple(dict.fromkeys(other for other in after if other in missing))
    return waits


def command(planned: Planned, parameters: Mapping[str, Any]) -> list[str]:
    """The words behind `tagging` that train it, not quoted; `parameters` are the study's, options at their defaults aside."""
    again = ["--training", str(planned.training)] if planned.training > 1 else []
    return ["train", planned.experiment.name, *as_options(parameters, NOT_OF_A_ROW), *again]


def missing(planned: Iterable[Planned], wave: int = 0) -> list[Planned]:
    """What is to be trained, wave after wave; of one wave alone where its number is given."""
    return sorted((each for each in planned if each.wave and wave in (0, each.wave)), key=lambda each: each.wave)
