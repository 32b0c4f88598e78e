"""What goes to a cluster: a study's rows, as `tagging rows --missing` prints them, and shares of photos to tag."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tagging_lib import files
from tagging_lib.errors import TaggingError
from tagging_lib.inference.shards import Plan
from tagging_lib.models import device as devices
from tagging_lib.runs.key import key, versions
from tagging_lib.study import failed, plan
from tagging_lib.study.opening import as_options, open_study, paths_of, placed, project_folder
from tagging_lib.study.profiles import LeftOut
from tagging_lib.study.study import Study
from tagging_lib.workflow.cluster import Cluster, Job

logger = logging.getLogger(__name__)
SHARES = 8  # of the photos for each command that the cluster has room for, where there are many, so that none waits long
WORTH = 16  # shards: what a share must hold to be worth another start of a process


def device_of(parameters: dict[str, Any], cluster: Cluster) -> str:
    """The kind of device that the study's rows run on: the one asked for, else the cluster's best."""
    asked = str(parameters.get("DEVICE", "auto"))
    if asked != "auto":
        return devices.kind_of(asked)
    return "cuda" if cluster.has_gpus else "cpu"


def train_rows(
    parameters: dict[str, Any], cluster: Cluster, cores: int = 0, only: Collection[str] | None = None
) -> dict[str, str]:
    """Train what the study's notebooks will ask for and is not finished; the last words of those that failed, by name.

    These are noted for the notebooks, which leave them out.

    Args:
        only: names of rows, None for all.

    Raises:
        TaggingError: a parameter is wrong, the corpus cannot be used, or a node of the cluster does not see it.
    """
    parameters = parameters | {"DEVICE": device_of(parameters, cluster)}
    study = open_study(**parameters, record=False, here=False)
    asked = [each for each in plan.plan(study) if only is None or each.experiment.name in only]
    todo = {_name(each.identity): each for each in plan.missing(asked)}
    if not todo:
        logger.info("every row is finished")
        failed.write(study.outputs, {})
        return {}
    needs = cluster.needs(cuda=parameters["DEVICE"] == "cuda", jobs=len(todo), cores=cores)
    named = [path for name in ("CORPUS", "TEST_PHOTOS", "WEIGHTS") for path in paths_of(str(parameters.get(name, "")))]
    there = [str(path) for path in named if path.exists()]
    cluster.check(project_folder().absolute(), study.outputs, [*there, str(parameters.get("DATA", "data"))], versions())
    each_gets = f"{'a GPU and ' if needs.gpus else ''}{needs.cores} cores"
    logger.info("%d rows go to a cluster of %d nodes, %s each", len(todo), len(cluster.nodes()), each_gets)
    jobs = [
        Job(name, tuple(plan.command(each, parameters)), log_of(study, name), tuple(map(_name, each.after)))
        for name, each in todo.items()
    ]
    found = cluster.run(jobs, project_folder().absolute(), needs)
    noted = {}
    for name, told in found.items():
        row, log = todo[name].experiment, log_of(study, name)
        remedy = f"see {log}, then run `tagging train {row.name}`, or all with --ray again"
        noted[row.name, key(row, study.setting)] = LeftOut(f"failed on the cluster: {told}", remedy)
    failed.write(study.outputs, noted)
    return found


def is_here(parameters: dict[str, Any], cluster: Cluster) -> bool:
    """Whether this machine has the kind of device that the rows ran on, so that notebooks find their results."""
    try:
        return devices.kind_of(devices.choose(str(parameters.get("DEVICE", "auto")))) == device_of(parameters, cluster)
    except TaggingError:
        return False


def run_notebooks(parameters: dict[str, Any], cluster: Cluster, more: Sequence[str], cores: int = 0) -> None:
    """Run the notebooks as one more command on the cluster.

    Raises:
        TaggingError: they failed.
    """
    device = device_of(parameters, cluster)
    log = (placed(str(parameters.get("OUTPUTS", "outputs"))) / "work" / "logs" / "notebooks.log").absolute()
    logger.info("notebooks run on the cluster, where a device of the kind %s is; what they say: %s", device, log)
    job = Job("notebooks", ("study", *as_options(parameters | {"DEVICE": device}), *more), log)
    needs = cluster.needs(cuda=device == "cuda", jobs=1, cores=cores)
    for told in cluster.run([job], project_folder().absolute(), needs).values():
        raise TaggingError(f"{told} (see {log})")


@dataclass(frozen=True)
class Shares:
    """What `tagging predict` was asked for, as far as its shares need to know."""

    model: Path
    photos: tuple[str, ...]
    out: Path
    shard_photos: int
    device: str
    data: Path
    skip_broken: bool

    def words(self, share: int, of: int, device: str) -> tuple[str, ...]:
        """Of the command for one share, behind `tagging`."""
        options = ["--out", self.out, "--shard", f"{share}/{of}", "--shard-photos", self.shard_photos, "--device", device]
        options += ["--data", self.data, *["--skip-broken"] * self.skip_broken]
        return ("predict", *map(str, [*options, "--", self.model, *self.photos]))


def tag(asked: Shares, plans: Sequence[Plan], cluster: Cluster, cores: int = 0) -> None:
    """Tag the photos of these plans on the cluster, in shares; what is finished is kept, whatever becomes of the others.

    Raises:
        TaggingError: a share failed, or a node does not see what it needs.
    """
    device = device_of({"DEVICE": asked.device}, cluster)
    most = max(plan.shards for plan in plans)
    needs = cluster.needs(cuda=device == "cuda", jobs=most, cores=cores)
    workers = cluster.room(needs)
    shares = min(most, workers * min(SHARES, max(1, most // (workers * WORTH))))
    here = Path.cwd().absolute()
    local = [path for path in asked.photos if Path(path).exists()]
    files.make_folder(asked.out)
    cluster.check(here, asked.out, [str(asked.model), *local], versions())
    log = asked.out.absolute() / "shards" / "logs"
    jobs = [
        Job(f"share {number} of {shares}", asked.words(number, shares, device), log / f"share-{number}-of-{shares}.log")
        for number in range(1, shares + 1)
    ]
    every = sum(plan.shards for plan in plans)
    logger.info("%d shards go to a cluster of %d nodes in %d shares", every, len(cluster.nodes()), shares)
    for name, told in cluster.run(jobs, here, needs).items():
        raise TaggingError(f"{name} failed: {told} (see {log}); call again to go on with what is missing")


def log_of(study: Study, name: str) -> Path:
    """What a row's command says on its node."""
    return (study.work / "logs" / f"{name}.log").absolute()


def _name(identity: tuple[str, int]) -> str:
    name, training = identity
    return name if training == 1 else f"{name}-training{training}"
