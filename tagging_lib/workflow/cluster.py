"""Commands on a Ray cluster: each runs on a node that has the cores or the GPU for it, and on another one if its node dies.

A command is what one machine would run, and its result is files in a folder that all nodes share. So nothing is sent back but
how it ended, and whatever dies has lost only time: the row goes on at its last epoch.
"""

from __future__ import annotations

import ctypes
import logging
import math
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from tagging_lib import declared, files
from tagging_lib.errors import TaggingError

logger = logging.getLogger(__name__)
LOCAL = "local"
INSTALL = "pip install 'ray[client]'"
DEATHS = 10  # of its nodes that a command survives
KILLS = 2  # times that a command may be killed on a node that lives, most often for want of memory
REMINDER = 60.0  # seconds
PARENT_DIES = 1  # PR_SET_PDEATHSIG in linux/prctl.h
PACKAGES = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Job:
    """A command.

    Attributes:
        words: behind `tagging`.
        log: what it says goes there, behind what an earlier one said.
        after: names of jobs that end before it begins, well or not.
    """

    name: str
    words: tuple[str, ...]
    log: Path
    after: tuple[str, ...] = ()


@dataclass(frozen=True)
class Needs:
    """What each command gets."""

    cores: int
    gpus: int = 0


@contextmanager
def connected(address: str) -> Iterator[Cluster]:
    """The cluster at `auto`, `local` (this machine alone), `ray://host:port` or `host:port`, for as long as it is used.

    Raises:
        TaggingError: Ray is not installed, no cluster is there, or it runs other versions.
    """
    try:
        import ray
    except ImportError as error:
        raise TaggingError(f"--ray needs Ray, which is not installed: {INSTALL}, here and on every node") from error
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # a cluster that we start sends nothing to Ray's makers
    quiet: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
    try:
        if address == LOCAL:
            ray.init(address=LOCAL, include_dashboard=False, **quiet)
        else:
            ray.init(address=address, **quiet)
    except (ConnectionError, RuntimeError, ValueError, TimeoutError, AssertionError) as error:
        told = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise TaggingError(f"--ray {address}: no cluster answers there ({told}): start one (ray start --head)") from error
    try:
        yield Cluster()
    finally:
        ray.shutdown()


class Cluster:
    """A cluster that this process is connected to."""

    def nodes(self) -> list[dict[str, Any]]:
        """Nodes that live, as Ray describes them."""
        import ray

        return [node for node in ray.nodes() if node["Alive"]]

    @property
    def has_gpus(self) -> bool:
        return any(node["Resources"].get("GPU", 0) >= 1 for node in self.nodes())

    def needs(self, *, cuda: bool, jobs: int, cores: int = 0) -> Needs:
        """What each of so many jobs gets: a GPU with its share of the cores, or cores so that all nodes have work.

        Args:
            cores: as many, instead.

        Raises:
            TaggingError: no node has that.
        """
        fitting = [node["Resources"] for node in self.nodes() if not cuda or node["Resources"].get("GPU", 0) >= 1]
        most = max((int(of.get("CPU", 0)) for of in fitting), default=0)
        if cuda and not fitting:
            raise TaggingError("no node of the cluster has a GPU: choose --device cpu, or add such nodes")
        if max(cores, 1) > most:
            raise TaggingError(f"no node of the cluster has {max(cores, 1)} cores: the largest has {most}")
        if cuda:
            share = min(int(of.get("CPU", 0)) // int(of["GPU"]) for of in fitting)
        else:
            every = [int(of["CPU"]) for of in fitting if of.get("CPU", 0) >= 1]
            share = min(min(every), sum(every) // max(1, jobs))
        return Needs(cores or max(1, share), int(cuda))

    def room(self, needs: Needs) -> int:
        """How many commands with such needs run at once, at least 1."""
        of = [node["Resources"] for node in self.nodes()]
        each = [min(r.get("CPU", 0) // needs.cores, r.get("GPU", 0) // needs.gpus if needs.gpus else math.inf) for r in of]
        return max(1, int(sum(each)))

    def check(self, folder: Path, shared: Path, paths: Collection[str], versions: Mapping[str, str]) -> None:
        """Every node has this library in this version, and sees the same files; one that dies meanwhile is nobody's fault.

        Args:
            folder: that commands start in.
            shared: a folder in which a file is left for the nodes to find.
            paths: files and folders that must be there, from `folder` on.
            versions: of libraries, which the nodes must have, too.

        Raises:
            TaggingError: one does not; it says which, and what to do.
        """
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        token = uuid.uuid4().hex
        mark = shared.absolute() / f".seen-by-nodes-{token[:8]}"
        files.write_text(mark, token)
        seen = {str(mark): token} | dict.fromkeys(paths, "")
        try:
            look = ray.remote(num_cpus=0, max_retries=1)(_lacks)
            asked = {}
            for node in self.nodes():
                where = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
                asked[look.options(scheduling_strategy=where).remote(str(folder), seen, dict(versions), _declared())] = node
            for reference, node in asked.items():
                name = node["NodeManagerHostname"] or node["NodeManagerAddress"]
                try:
                    lacks = ray.get(reference)
                except ray.exceptions.RayError as error:
                    lacks = _words(error)
                    if node["NodeID"] not in {living["NodeID"] for living in self.nodes()}:
                        logger.warning("node %s of the cluster has died; the others go on", name)
                        lacks = ""
                if lacks:
                    raise TaggingError(f"node {name} of the cluster {lacks}")
        finally:
            mark.unlink(missing_ok=True)

    def run(self, jobs: Sequence[Job], folder: Path, needs: Needs) -> dict[str, str]:
        """Run the jobs in `folder`, as many at a time as there is room for; the last words of those that failed, by name.

        Whatever a job ends in, the others run.
        """
        import ray

        execute = ray.remote(num_cpus=needs.cores, num_gpus=needs.gpus, max_retries=0)(_execute)
        waiting, running, deaths = list(jobs), {}, dict.fromkeys((job.name for job in jobs), 0)
        kills, failed, ended = dict.fromkeys(deaths, 0), {}, set[str]()
        known, reminded = set(deaths), time.monotonic()

        def start(job: Job) -> None:
            running[execute.remote(list(job.words), str(folder), str(job.log), needs.cores)] = job

        while waiting or running:
            for job in [job for job in waiting if not (set(job.after) & known) - ended]:
                waiting.remove(job)
                start(job)
            done, _ = ray.wait(list(running), num_returns=1, timeout=REMINDER)
            for reference in done:
                job = running.pop(reference)
                code, told, lost = _ended(reference)
                deaths[job.name] += lost
                kills[job.name] += code < 0 and not lost
                if code < 0 and deaths[job.name] <= DEATHS and kills[job.name] < KILLS:
                    logger.warning("%s: %s; it goes on elsewhere", job.name, told)
                    start(job)
                    continue
                ended.add(job.name)
                if code:
                    failed[job.name] = told
                logger.info("[%d/%d] %s: %s", len(ended), len(jobs), job.name, f"failed: {told}" if code else "finished")
            if time.monotonic() - reminded >= REMINDER:
                reminded = time.monotonic()
                counted = len(ended), len(jobs), len(running), len(waiting)
                logger.info("%d of %d ended, %d with the cluster, %d wait for others", *counted)
        return failed


def _ended(reference: Any) -> tuple[int, str, bool]:
    """Exit code, last words, and whether its node is the one that ended it; a code below 0 means that it was killed."""
    import ray

    try:
        code, told = ray.get(reference)
        return code, told, False
    except ray.exceptions.RayTaskError as error:
        return 1, _words(error), False
    except ray.exceptions.OutOfMemoryError:
        return -signal.SIGKILL, "its node ran out of memory", False
    except ray.exceptions.RayError as error:
        return -signal.SIGKILL, f"its node died ({type(error).__name__})", True


def _words(error: BaseException) -> str:
    """What a node's error says, in a line."""
    cause = getattr(error, "cause", None) or error
    last = (str(cause).strip() or type(cause).__name__).splitlines()[-1].strip()
    if "No module named" in str(cause):
        return f"lacks the library ({last}): install it there, or start its Ray in an environment that has it"
    return f"cannot run commands ({last})"


# What follows runs on the nodes.


def _execute(words: Sequence[str], folder: str, log: str, threads: int) -> tuple[int, str]:
    """Exit code and last words of the command, which ends with this process, whichever way that ends."""
    if not os.path.isdir(folder):
        return 2, f"{folder} is not on node {os.uname().nodename}: put the study into a folder that all nodes share"
    limits = {f"{library}_NUM_THREADS": str(threads) for library in ("OMP", "MKL", "OPENBLAS")}
    path = os.pathsep.join(filter(None, (str(PACKAGES), os.environ.get("PYTHONPATH"))))
    Path(log).parent.mkdir(parents=True, exist_ok=True)
    with open(log, "ab") as stream:
        begin = stream.tell()
        command = [sys.executable, "-m", "tagging_lib.cli", *words]
        environment = os.environ | limits | {"PYTHONPATH": path}
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, preexec_fn=_ends_with_us
        )
        try:
            code = process.wait()
        finally:
            process.kill()
    with open(log, "rb") as written:
        written.seek(begin)
        said = written.read().decode(errors="replace").strip().splitlines()
    if code < 0:
        with suppress(ValueError):
            return code, f"it was killed ({signal.Signals(-code).name}), most often for want of memory"
    return code, said[-1].removeprefix("tagging: ") if said else f"it ended with exit code {code} and said nothing"


try:
    _prctl: Any = ctypes.CDLL(None).prctl
except (AttributeError, OSError, TypeError):  # not Linux: Ray ends what a node's processes have started, as far as it can
    _prctl = None


def _ends_with_us() -> None:
    """A command that outlived its node's process would run a second time beside the one that takes its place."""
    if _prctl is not None:
        _prctl(PARENT_DIES, signal.SIGKILL)


def _lacks(folder: str, seen: Mapping[str, str], versions: Mapping[str, str], code: Mapping[str, int]) -> str:
    """What this node lacks, in words; nothing where it lacks nothing."""
    share = "put it into a folder that all nodes share, under the same path"
    if not os.path.isdir(folder):
        return f"does not see {folder}: {share}"
    for path, content in seen.items():
        place = Path(folder) / path
        if content and not (place.is_file() and place.read_text(encoding="utf-8") == content):
            return f"does not see {place.parent} as it is here: {share}"
        if not place.exists():
            return f"does not see {place}: {share}"
    for name, wanted in versions.items():
        try:
            found = metadata.version(name)
        except metadata.PackageNotFoundError:
            return f"has no {name}: install requirements.lock there, too"
        if found != wanted:
            return f"has {name} {found}, here is {wanted}, so that results would not be found again: install the same versions"
    return "" if _declared() == code else "has another version of this library: install the same one there"


def _declared() -> dict[str, int]:
    return declared.versions(["*"])

