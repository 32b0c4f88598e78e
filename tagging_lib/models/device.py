"""The device that a network runs on: which one, in what precision, on how many cores, and the settings of the process."""

from __future__ import annotations

import copy
import ctypes
import logging
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import TypeVar

import torch
from torch import Tensor, nn

from tagging_lib.errors import TaggingError

logger = logging.getLogger(__name__)
Module = TypeVar("Module", bound=nn.Module)
Batch = TypeVar("Batch")
Answer = TypeVar("Answer")
AHEAD = 2  # batches for each thread that are under way or wait to be taken
M_MMAP_THRESHOLD, M_TRIM_THRESHOLD = -3, -1  # mallopt(3)
KEPT = 1 << 30  # bytes


def choose(device: str) -> str:
    """`cpu`, `cuda` or `cuda:<number>`; `auto` takes CUDA where there is one.

    Raises:
        TaggingError: CUDA is asked for and absent, or the name is unknown.
    """
    kind, _, number = device.partition(":")
    if kind not in ("auto", "cpu", "cuda") or (number and not (kind == "cuda" and number.isdecimal())):
        raise TaggingError(f"device is {device!r}: choose auto, cpu, cuda or cuda:<number>")
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if kind == "auto":
        return "cuda" if count else "cpu"
    if kind == "cuda" and not count:
        raise TaggingError("device is cuda, but torch finds no CUDA device: choose auto or cpu")
    if number and int(number) >= count:
        raise TaggingError(f"device is {device}, but torch finds {count} CUDA devices: choose cuda:0 to cuda:{count - 1}")
    return device


def kind_of(device: str) -> str:
    """`cpu` or `cuda`, whichever of several it is."""
    return torch.device(device).type


def of(module: nn.Module) -> str:
    """The kind of device that holds the module's parameters; `cpu` for a module without any."""
    return next((parameter.device.type for parameter in module.parameters()), "cpu")


def shared_tensors(module: nn.Module) -> dict[int, Tensor]:
    """All tensors of the module by identity: the memo with which `copy.deepcopy` shares them instead of copying."""
    return {id(tensor): tensor for tensor in (*module.parameters(), *module.buffers())}


@cache
def prepare(kind: str) -> None:
    """Make the process ready to train and predict on `cpu` or `cuda`; it changes times alone. Once in a process is enough."""
    if kind == "cuda":
        torch.backends.cudnn.benchmark = True  # an epoch's batches have one shape, the last batch aside
        torch.set_float32_matmul_precision("high")  # TF32 for what bfloat16 leaves, such as VGG's head
        return
    # glibc hands large blocks back to the system when a layer's output dies, and takes fresh pages, which the system has
    # to clear, for the next layer. Keeping them makes a step of ResNet-18 7 % faster, of MobileNet-V1 20 %, on one core.
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # another C library
        return
    if not (mallopt(M_MMAP_THRESHOLD, KEPT) and mallopt(M_TRIM_THRESHOLD, KEPT)):
        logger.debug("this C library does not keep freed memory")


def mixed(device: str) -> AbstractContextManager:
    """Convolutions and matrix products in bfloat16 on CUDA, and on CPUs with units for it; float32 elsewhere.

    bfloat16 has float32's range, so that no loss scaling is needed; weights, sums and losses stay float32, and so does
    the head (`Tagger.forward`).
    """
    return torch.autocast(torch.device(device).type, torch.bfloat16) if has_units(device) else nullcontext()


def cast_once(module: Module, device: str) -> Module:
    """A copy that gives the same bits under `mixed`, with the weights that it would round anew for each batch rounded now.

    All other tensors are those of `module`. It is for looking, not for training.
    """
    if not has_units(device):
        return module
    tensors = shared_tensors(module)
    for part in module.modules():
        if type(part) in (nn.Conv2d, nn.Linear):  # not their subclasses, which may compute something from their weights
            for parameter in part.parameters(recurse=False):
                tensors[id(parameter)] = nn.Parameter(parameter.detach().bfloat16(), requires_grad=False)
    return copy.deepcopy(module, tensors)


def has_units(device: str) -> bool:
    """Whether the device multiplies bfloat16 faster than float32: CUDA by its own word, CPUs with AMX or AVX512-BF16."""
    if kind_of(device) == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    # On an AMD EPYC with AVX512-BF16 DenseNet-169 looks in 0.7 of the time that ONNX Runtime takes in float32, and a step
    # of its last stage takes 0.6 of float32's.
    return torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()


def each(work: Callable[[Batch], Answer], batches: Iterable[Batch], device: str) -> Iterator[Answer]:
    """`work(batch)` for each batch, in their order, without gradients.

    On the CPU each of torch's threads takes a batch of its own, where otherwise all of them would share the rows of one and
    wait for each other after every layer: DenseNet-169 is 15 % faster on two cores. An answer then does not depend on how
    many threads there are. `batches` is read by one thread at a time. Other devices take one batch after the other.
    """

    def without_gradients(batch: Batch) -> Answer:
        with torch.inference_mode():
            return work(batch)

    threads = torch.get_num_threads()
    if threads == 1 or torch.device(device).type != "cpu":
        yield from map(without_gradients, batches)
        return
    numbered, turn = enumerate(batches), threading.Lock()

    def take() -> tuple[int, Answer] | None:
        torch.set_num_threads(1)  # of this thread, which shares no work of its own
        with turn:
            taken = next(numbered, None)
        return None if taken is None else (taken[0], without_gradients(taken[1]))

    pool = _threads(threads)
    waiting: deque[Future[tuple[int, Answer] | None]] = deque(pool.submit(take) for _ in range(AHEAD * threads))
    early: dict[int, Answer] = {}
    expected = 0
    try:
        while waiting:
            answered = waiting.popleft().result()
            if answered is None:
                continue
            early[answered[0]] = answered[1]
            waiting.append(pool.submit(take))
            while expected in early:
                yield early.pop(expected)
                expected += 1
    finally:
        for future in waiting:
            future.cancel()
        wait(waiting)
        torch.set_num_threads(threads)  # the threads' own setting is also what later threads would begin with


@cache
def _threads(count: int) -> ThreadPoolExecutor:
    """Threads that stay: what a thread has freed, the next one would not find."""
    return ThreadPoolExecutor(count)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=lambda: _threads.cache_clear())  # threads do not live on in a fork
