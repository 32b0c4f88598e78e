"""Several processes that train one network together, as `torchrun` starts them, one a device: each is a rank.

With one process, nothing here does or costs anything. What the host has to settle (whose turn it is, what rank 0 found)
goes through torchrun's store and waits as long as it takes; only sums of tensors go through torch.distributed, which ends
after `TIMEOUT` when a rank no longer answers.
"""

from __future__ import annotations

import atexit
import os
import re
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from types import FrameType
from typing import NoReturn

import numpy as np
import psutil
import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.rendezvous import rendezvous

from tagging_lib.errors import TaggingError

TIMEOUT = timedelta(minutes=15)  # for a sum; between two of them rank 0 may write a checkpoint
POLL = 0.05  # seconds
DYING = 5.0  # seconds that a process may take from closing its connections to its end
LOST = re.compile(r"gloo|nccl|connection (closed|reset|refused)|broken pipe|timed out waiting", re.IGNORECASE)  # as plain errors


class RankLost(TaggingError):
    """Another rank has ended, so that this one cannot go on."""


@dataclass
class _Group:
    """What this process knows of the others; `processes` are (host, process id) by rank, `turns` counts what was settled."""

    store: dist.Store
    rank: int
    world: int
    processes: list[tuple[str, int]] = field(default_factory=list)
    turns: int = 0


_group: _Group | None = None


def join() -> None:
    """Join the processes that torchrun has started, as its environment says. Once, before anything else here.

    Raises:
        TaggingError: torch has no way for them to talk.
    """
    global _group
    if not (dist.is_available() and dist.is_gloo_available()):
        raise TaggingError("this torch has no gloo, by which processes talk: install another build, or leave torchrun out")
    store, rank, world = next(iter(rendezvous("env://")))
    group = _Group(store, rank, world)
    store.set(f"process/{rank}", f"{socket.gethostname()} {os.getpid()}")
    for other in range(world):
        host, process = store.get(f"process/{other}").decode().split()  # waits until it is there
        group.processes.append((host, int(process)))
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() and dist.is_nccl_available() else "gloo"
    dist.init_process_group(backend, store=dist.PrefixStore("sums", store), rank=rank, world_size=world, timeout=TIMEOUT)
    _group = group
    signal.signal(signal.SIGTERM, _asked_to_end)


def leave() -> None:
    """Say goodbye, when nothing is left to be done together: from here on each is a process by itself."""
    global _group
    if _group is not None:
        _group = None
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        dist.destroy_process_group()


def end() -> NoReturn:
    """End this rank, whose work is done, without error.

    The interpreter is not taken down: gloo's threads outlive `destroy_process_group` where a network was wrapped, and one
    that then wants the interpreter's lock aborts the process, so that torchrun reports a failure (torch 2.15).
    """
    leave()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def world() -> int:
    """How many ranks train together; 1 for a process by itself."""
    return 1 if _group is None else _group.world


def rank() -> int:
    """The number of this one, from 0."""
    return 0 if _group is None else _group.rank


def is_writer() -> bool:
    """Whether this process writes results, checkpoints and caches: rank 0 alone."""
    return rank() == 0


def own(device: str) -> str:
    """The device of this rank, where all are asked for `device`: `cuda` becomes the `cuda:<number>` of its own.

    Raises:
        TaggingError: one card is named for all, or there are fewer cards than ranks on this machine.
    """
    if world() == 1 or not device.startswith("cuda"):
        return device
    local, count = int(os.environ.get("LOCAL_RANK", rank())), torch.cuda.device_count()
    if device != "cuda":
        raise TaggingError(f"device is {device}, but torchrun gives each of {world()} processes its own: choose cuda or auto")
    if local >= count:
        raise TaggingError(f"torchrun started more processes than there are CUDA devices here: give --nproc-per-node {count}")
    torch.cuda.set_device(local)
    return f"cuda:{local}"


# ------------------------------------------------------------- what is settled through the store, however long it takes


@contextmanager
def in_turn() -> Iterator[None]:
    """Rank 0 goes first; the others follow together and find what it has written; then all go on.

    However long it takes: nothing here has a time limit, and torchrun ends the others when one of them has died. Inside,
    no rank may wait for another one but by a further `in_turn`.
    """
    if _group is None:
        yield
        return
    turn = _next_turn(_group)
    if _group.rank:
        _wait(_group, f"{turn}/first", 1)
    yield
    _group.store.add(f"{turn}/others" if _group.rank else f"{turn}/first", 1)
    _wait(_group, f"{turn}/first", 1)
    _wait(_group, f"{turn}/others", _group.world - 1)


def agreed(value: bool) -> bool:
    """What rank 0 says, to all of them."""
    if _group is None:
        return value
    turn = _next_turn(_group)
    if _group.rank == 0:
        _group.store.add(f"{turn}/said", 2 if value else 1)
    return _wait(_group, f"{turn}/said", 1) == 2


def _next_turn(group: _Group) -> str:
    group.turns += 1
    return f"turn/{group.turns}"


def _wait(group: _Group, name: str, count: int) -> int:
    while (found := group.store.add(name, 0)) < count:
        time.sleep(POLL)
    return found


# ------------------------------------------------------------------------------------------- who does which photos


def part(count: int) -> slice:
    """Which of the `count` photos of a batch are this rank's; empty where there are fewer than ranks.

    >>> part(7)
    slice(0, 7, None)
    """
    return slice(count * rank() // world(), count * (rank() + 1) // world())


def blocks(count: int, size: int) -> slice:
    """Which of `count` photos this rank looks at: whole batches of `size`, so that each photo is seen beside the same ones."""
    mine = part(-(-count // size))
    return slice(mine.start * size, min(mine.stop * size, count))


@dataclass
class Part:
    """`part` for one step after the other, which also counts the photos of the whole step."""

    whole: int = 0

    def __call__(self, count: int) -> slice:
        self.whole += count
        return part(count)

    def taken(self) -> int:
        """The photos of the whole step, since this was last asked."""
        whole, self.whole = self.whole, 0
        return whole


def joined(own_rows: np.ndarray, place: slice, count: int) -> np.ndarray:
    """Rows (count, ...) from all ranks, each of which has those at its `place`; exact, and every row once."""
    if world() == 1:
        return own_rows
    every = np.zeros((count, *own_rows.shape[1:]), dtype=own_rows.dtype)
    every[place] = own_rows
    return summed(torch.from_numpy(every)).numpy()


def summed(tensor: Tensor) -> Tensor:
    """The sum over all ranks, in place; every rank gets the same bits."""
    if world() > 1:
        dist.all_reduce(tensor)
    return tensor


# ------------------------------------------------------------------------------------------------ when one ends


def may_tell() -> bool:
    """Whether this rank is the first to tell why all of them end: the user reads one line, not one from each."""
    if _group is None:
        return True
    try:
        return _group.store.add("told", 1) == 1
    except RuntimeError:  # the store went down with torchrun
        return True


def lost(error: BaseException) -> RankLost | None:
    """What to tell when a sum failed because another rank has ended; None for any other error."""
    if _group is None or not (isinstance(error, dist.DistError) or (isinstance(error, RuntimeError) and LOST.search(str(error)))):
        return None
    until = time.monotonic() + DYING
    while not (gone := _gone(_group)) and time.monotonic() < until:
        time.sleep(POLL)
    if gone:
        return RankLost(_ended(gone, _group))
    return RankLost(f"rank {_group.rank} no longer hears the others ({str(error).splitlines()[0][:200]}): start it again")


def _asked_to_end(_signal: int, _frame: FrameType | None) -> None:
    """torchrun ends the others when one has died."""
    assert _group is not None
    gone = _gone(_group)
    raise RankLost(_ended(gone, _group) if gone else f"rank {_group.rank} was asked to end (SIGTERM): start it again")


def _ended(gone: list[int], group: _Group) -> str:
    names = " and ".join(f"rank {number} (process {group.processes[number][1]})" for number in gone)
    return f"{names} ended, so the others stop: the same command goes on after the last finished epoch"


def _gone(group: _Group) -> list[int]:
    """Ranks on this machine whose processes have ended."""
    here = socket.gethostname()
    return [number for number, (host, process) in enumerate(group.processes) if host == here and not _lives(process)]


def _lives(process: int) -> bool:
    try:
        return psutil.Process(process).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
