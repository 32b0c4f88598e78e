"""A papermill engine that knows which cell ended the notebook's process, and that ends a cell which hangs.

A long cell is no hanging cell: the original's protocol trains for hours. Hanging is to write nothing and to do nothing:
the notebook's process and those that it started use no processor and move no bytes.
"""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import suppress
from typing import Any

import psutil
from nbclient.exceptions import DeadKernelError
from nbclient.util import run_sync
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import NBClientEngine, papermill_engines

from tagging_lib.progress import FRONTEND

NAME = "watched"
BUSY_FACTOR = 24  # a cell that keeps the processor busy may stay silent that many times as long
IDLE_SHARE = 0.01  # of one core; a kernel that waits uses 0.0001
BYTES_LIKE_A_SECOND = 1e6  # of the processor: a slow download uses hardly any


class CellStopped(Exception):
    """A cell's process ended or was ended; the message says how.

    Attributes:
        source: the cell's code.
        cell_index: its place in the running notebook, from 0.
    """

    def __init__(self, message: str, source: str, cell_index: int) -> None:
        super().__init__(message)
        self.source = source
        self.cell_index = cell_index


class Client(PapermillNotebookClient):
    """Runs cells, and kills the notebook's process when one of them hangs."""

    patience = 0.0  # seconds without a sign of life after which a cell has hung; 0: it may take for ever

    async def async_execute_cell(self, cell: Any, cell_index: int, *args: Any, **options: Any) -> Any:
        self._heard, self._hung = True, ""
        watching = asyncio.ensure_future(self._watch()) if self.patience > 0 else None
        try:
            return await super().async_execute_cell(cell, cell_index, *args, **options)
        except DeadKernelError as error:
            ended = self._hung or "its process ended without a word, most often for want of memory"
            raise CellStopped(ended, cell.source, cell_index) from error
        finally:
            if watching is not None:
                watching.cancel()

    execute_cell = run_sync(async_execute_cell)

    def process_message(self, *args: Any, **options: Any) -> Any:
        self._heard = True
        return super().process_message(*args, **options)

    async def _watch(self) -> None:
        """Return when the cell has hung and its process is killed, which ends the cell's execution."""
        family = _family(getattr(getattr(self.km, "provisioner", None), "pid", None))
        tick = max(0.1, min(5.0, self.patience / 20))
        looked, done, silent, idle = time.monotonic(), _work(family()), 0.0, 0.0
        while family():
            await asyncio.sleep(tick)
            now, work = time.monotonic(), _work(family())
            # Neither a machine that slept nor a process that somebody has stopped for a while has hung.
            passed = 0.0 if _is_stopped(family()) else min(now - looked, 2 * tick)
            silent, idle = (0.0, 0.0) if self._heard else (silent + passed, idle + passed)
            if work - done > IDLE_SHARE * (now - looked):
                idle = 0.0
            looked, done, self._heard = now, work, False
            if idle >= self.patience:
                self._hung = f"it hung: it wrote nothing and did nothing for {_span(idle)}"
            elif silent >= BUSY_FACTOR * self.patience:
                self._hung = f"it hung: it wrote nothing for {_span(silent)}, although it kept the processor busy"
            if self._hung:
                for process in reversed(family()):
                    with suppress(psutil.Error):
                        process.kill()
                return


class Engine(NBClientEngine):
    """papermill's own engine with the client above."""

    @classmethod
    def execute_managed_notebook(
        cls,
        nb_man: Any,
        kernel_name: str,
        log_output: bool = False,
        stdout_file: Any = None,
        stderr_file: Any = None,
        start_timeout: int = 60,
        execution_timeout: int | None = None,
        patience: float = 0.0,
        **kwargs: Any,
    ) -> Any:
        kwargs.pop("input_path", None)
        client = Client(
            nb_man,
            startup_timeout=start_timeout,
            kernel_name=kernel_name,
            log_output=log_output,
            stdout_file=stdout_file,
            stderr_file=stderr_file,
            **kwargs,
        )
        client.patience = patience
        return client.execute(env=_unwatched())


papermill_engines.register(NAME, Engine)


def _unwatched() -> dict[str, str]:
    """The environment of a notebook that nobody looks at: neither we nor the hub's client shall draw bars into the report."""
    # A study that is started from a notebook has the mark of that notebook's frontend.
    return {name: value for name, value in os.environ.items() if name != FRONTEND} | {"HF_HUB_DISABLE_PROGRESS_BARS": "1"}


def _family(pid: int | None):
    """A function that lists the process and all that it started; none where there is no such process."""

    def listed() -> list[psutil.Process]:
        try:
            root = psutil.Process(pid)
            return [root, *root.children(recursive=True)] if pid else []
        except psutil.Error:
            return []

    return listed


def _is_stopped(family: list[psutil.Process]) -> bool:
    with suppress(psutil.Error, IndexError):
        return family[0].status() == psutil.STATUS_STOPPED
    return False


def _work(processes: list[psutil.Process]) -> float:
    """Processor seconds that the processes have used, and the bytes that they have read and written as seconds."""
    total = 0.0
    for process in processes:
        with suppress(psutil.Error):
            times = process.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system + getattr(times, "iowait", 0.0)
            if hasattr(process, "io_counters"):  # not on macOS
                counted = process.io_counters()
                moved = [getattr(counted, f"{kind}_chars", getattr(counted, f"{kind}_bytes")) for kind in ("read", "write")]
                total += sum(moved) / BYTES_LIKE_A_SECOND
    return total


def _span(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
