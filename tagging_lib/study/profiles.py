"""How much of the study runs: at toy scale, without a GPU, or all of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from tagging_lib.data.corpus import SAMPLE
from tagging_lib.data.pixels import SIDE
from tagging_lib.errors import TaggingError
from tagging_lib.models.device import kind_of
from tagging_lib.runs import quick
from tagging_lib.runs.experiment import NONE, Experiment, SelfTrained
from tagging_lib.runs.original import ORIGINAL, has_its_labels
from tagging_lib.runs.run import is_finished
from tagging_lib.runs.setting import Setting

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
        return quick.scaled(experiment) if self.toy else experiment

    def refusal(self, experiment: Experiment, setting: Setting) -> LeftOut | None:
        """Why the row is left out, or None for one that runs, or need not run because it is finished."""
        if self.toy and not experiment.toy:
            return NO_TOY_SCALE
        if isinstance(experiment, SelfTrained) and setting.unlabelled is None:
            return NO_UNLABELLED
        found = self._too_much(experiment, setting)
        return None if found is None or is_finished(experiment, setting) else found

    def _too_much(self, experiment: Experiment, setting: Setting) -> LeftOut | None:
        """Why the row is not trained by a study, though it may be read where it is finished."""
        if experiment.side > MOST_ENLARGED * max(setting.native_side, SIDE):
            reason = f"looks at {experiment.side} px, and the photos of this corpus have {setting.native_side} px"
            return LeftOut(reason, "take the row of the same network at a smaller side")
        if experiment.needs_gpu and not self.gpu:
            return TOO_SLOW
        same = "--corpus, --test-photos, --weights and --profile"
        how = f"run `tagging train {experiment.name}` with the same {same}, then this again"
        if experiment.overnight and not self.overnight:
            return LeftOut("takes an hour or so without a CUDA device", how)
        from_scratch = experiment.name in ORIGINAL and experiment.weights == NONE
        if from_scratch and not self.toy and not self.gpu and not has_its_labels(setting.corpus.labels):
            return LeftOut("reproduces the original study, on whose corpus alone it runs by itself", how)
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
