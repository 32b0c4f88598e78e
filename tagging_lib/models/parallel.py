"""Batches of photos looked at by all cores of a processor at once, one batch a core."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import torch

Batch = TypeVar("Batch")
Answer = TypeVar("Answer")
AHEAD = 2  # batches for each thread that are under way or wait to be taken


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
        with turn:
            taken = next(numbered, None)
        return None if taken is None else (taken[0], without_gradients(taken[1]))

    with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        try:
            waiting: deque[Future[tuple[int, Answer] | None]] = deque(pool.submit(take) for _ in range(AHEAD * threads))
            early: dict[int, Answer] = {}
            expected = 0
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
            pool.shutdown(cancel_futures=True)
            torch.set_num_threads(threads)  # the threads' own setting is also what later threads would begin with
