"""How much of the study runs: at toy scale, without a GPU, or all of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from tagging_lib.data.corpus import SAMPLE
from tagging_lib.data.pixels import SIDE
from tagging_lib.errors import TaggingError
from tagging_lib.models.device import kind_of
from tagging_lib.runs import rows
from tagging_lib.runs.experiment import Experiment, SelfTrained

AUTO = "auto"
MOST_ENLARGED = 2  # times: what a row may see beyond the photos' own size


class LeftOut(NamedTuple):
    """Why a row does not run, and what to do about it."""

    reason: str
    remedy: str


NO_GPU = "run ./run_all.sh --profile full on a machine with a CUDA device"
NO_TOY_SCALE = LeftOut("has no toy scale of its own", NO_GPU)
TOO_SLOW = LeftOut("too slow without a CUDA device", NO_GPU)
NO_UNLABELLED = LeftOut("learns from unlabelled photos too, and there are none", "name some with --test-photos")


@dataclass(frozen=True)
class Profile:
    """Which rows run, and how.

    Attributes:
        train_photos: photos of the training part that are used; None uses all.
        toy: rows at toy scale, where they have one.
        gpu: rows run that only a GPU finishes in a bearable time.
        overnight: rows run that take an hour or so without a GPU; otherwise they are read where they are finished.
    """

    name: str
    train_photos: int | None = None
    toy: bool = False
    gpu: bool = True
    overnight: bool = True

    def scaled(self, experiment: Experiment) -> Experiment:
        """The row as this profile runs it."""
        return rows.quick(experiment) if self.toy else experiment

    def refusal(
        self, experiment: Experiment, *, unlabelled: bool, native_side: int, is_finished: Callable[[], bool]
    ) -> LeftOut | None:
        """Why the row is left out, or None for one that runs, or need not run because it is finished.

        Args:
            unlabelled: the study has unlabelled photos.
            native_side: of the corpus' photos, in px.
        """
        if self.toy and not experiment.toy:
            return NO_TOY_SCALE
        if isinstance(experiment, SelfTrained) and not unlabelled:
            return NO_UNLABELLED
        if experiment.side > MOST_ENLARGED * max(native_side, SIDE) and not is_finished():
            reason = f"looks at {experiment.side} px, and the photos of this corpus have {native_side} px"
            return LeftOut(reason, "take the row of the same network at a smaller side")
        too_slow = experiment.needs_gpu and not self.gpu
        if (too_slow or (experiment.overnight and not self.overnight)) and not is_finished():
            if too_slow:
                return TOO_SLOW
            same = "--corpus, --test-photos, --weights and --profile"
            how = f"run `tagging train {experiment.name}` with the same {same}, then this again"
            return LeftOut("takes an hour or so without a CUDA device", how)
        return None


QUICK = Profile("quick", train_photos=320, toy=True)
CPU = Profile("cpu", gpu=False, overnight=False)
FULL = Profile("full")
PROFILES = {profile.name: profile for profile in (QUICK, CPU, FULL)}


def choose(name: str, corpus: str, device: str) -> Profile:
    """The profile of that name; `auto` is quick for the sample corpus, full with CUDA, otherwise cpu.

    Raises:
        TaggingError: there is no such profile.
    """
    if name in PROFILES:
        return PROFILES[name]
    if name != AUTO:
        raise TaggingError(f"profile is {name!r}: choose one of {', '.join((AUTO, *PROFILES))}")
    if corpus == SAMPLE:
        return QUICK
    return FULL if kind_of(device) == "cuda" else CPU
