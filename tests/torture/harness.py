"""Trials with seeds, counted; and children forked from a process that has already imported everything."""

from __future__ import annotations

import json
import logging
import os
import select
import shutil
import signal
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

SIZES = ("short", "default", "long")
KEPT_FAILURES = 20  # descriptions; the count goes on


class Failed(AssertionError):
    """A trial did not hold what it promises."""


@dataclass
class Trials:
    """The tally of one item. A trial that raises has failed; the others go on."""

    item: str
    size: str
    seed: int
    folder: Path
    trials: int = 0
    passed: int = 0
    failures: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    started: float = field(default_factory=time.perf_counter)

    def count(self, short: int, default: int, long: int) -> int:
        """How many trials of a kind this size makes."""
        return {"short": short, "default": default, "long": long}[self.size]

    @contextmanager
    def trial(self, name: str) -> Iterator[np.random.Generator]:
        """One trial with its own random generator, from (seed, number): a failing one can be run alone."""
        number = self.trials
        self.trials += 1
        try:
            yield np.random.default_rng([self.seed, number])
            self.passed += 1
        except Exception as error:
            where = traceback.extract_tb(error.__traceback__)[-1]
            told = f"trial {number} ({name}): {type(error).__name__}: {error} [{Path(where.filename).name}:{where.lineno}]"
            if len(self.failures) < KEPT_FAILURES:
                self.failures.append(told)

    def play(self, run: Callable[[Trials], None]) -> None:
        """All trials of an item; where their preparation fails, that is a failed trial, and the other items go on."""
        try:
            run(self)
        except Exception as error:
            self.trials += 1
            self.failures.append(f"preparing its trials: {type(error).__name__}: {error}")

    def skip(self, reason: str) -> None:
        self.skipped.append(reason)

    @contextmanager
    def workplace(self) -> Iterator[Path]:
        """An empty folder that is gone afterwards."""
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


@dataclass
class Ended:
    """How a child ended: its exit code (negative: the signal), its answer, its log, and its error in one line."""

    code: int
    answer: Any
    log: str
    error: str
    kind: str
    seconds: float

    @property
    def clear(self) -> bool:
        """It ended with one line for the user: a `TaggingError` without line breaks."""
        ours = self.kind in ("TaggingError", "RowUnavailable", "WeightsUnavailable")
        return ours and "\n" not in self.error and len(self.error) < 500


def in_child(work: Callable[[], Any], *, kill_after: float | None = None, timeout: float = 120.0) -> Ended:
    """Run `work` in a forked child and return its JSON answer; SIGKILL it after `kill_after` seconds.

    Raises:
        Failed: the child ran into `timeout`.
    """
    reading, writing = os.pipe()
    started = time.perf_counter()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        _child(work, writing)
    os.close(writing)
    if kill_after is not None:
        timer = threading.Timer(kill_after, _kill, [pid])
        timer.start()
    content = b""
    late = False
    with os.fdopen(reading, "rb", buffering=0) as stream:
        while True:
            ready, _, _ = select.select([stream], [], [], max(0.0, started + timeout - time.perf_counter()))
            if not ready:
                late = True
                _kill(pid)
                break
            piece = stream.read(1 << 16)
            if not piece:
                break
            content += piece
    _, status = os.waitpid(pid, 0)
    if kill_after is not None:
        timer.cancel()
        timer.join()
    if late:
        raise Failed(f"the child was still running after {timeout:.0f} s")
    # A killed child may have written half its answer.
    told = json.loads(content) if os.waitstatus_to_exitcode(status) in (0, 1) else {}
    return Ended(
        os.waitstatus_to_exitcode(status),
        told.get("answer"),
        told.get("log", ""),
        told.get("error", ""),
        told.get("kind", ""),
        time.perf_counter() - started,
    )


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


class _Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


def _child(work: Callable[[], Any], writing: int) -> None:
    quiet = os.open(os.devnull, os.O_WRONLY)  # decoders in C and worn warnings would stand between the table's rows
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    lines = _Lines()
    root = logging.getLogger()
    root.handlers = [lines]
    root.setLevel(logging.INFO)
    told: dict[str, Any] = {}
    code = 1
    try:
        told["answer"] = work()
        code = 0
    except BaseException as error:
        told["error"], told["kind"] = str(error), type(error).__name__
        told["trace"] = traceback.format_exc()
    told["log"] = "\n".join(lines.lines)
    content = json.dumps(told, default=str).encode()
    while content:
        content = content[os.write(writing, content) :]
    os._exit(code)


def answer_of(ended: Ended) -> Any:
    """The child's answer.

    Raises:
        Failed: it did not end well.
    """
    if ended.code != 0:
        raise Failed(f"the child ended with {ended.code}: {ended.kind}: {ended.error}")
    return ended.answer


def expect(truth: Any, what: str) -> None:
    if not truth:
        raise Failed(what)


def files_below(folder: Path) -> dict[str, bytes]:
    """Every regular file's bytes by its path from the folder."""
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def damage(content: bytes, how: str, random: np.random.Generator) -> bytes:
    """The bytes with one bit flipped, cut off, emptied, or replaced by noise."""
    if how == "flipped" and content:
        at = int(random.integers(len(content)))
        return content[:at] + bytes([content[at] ^ (1 << int(random.integers(8)))]) + content[at + 1 :]
    if how == "truncated" and content:
        return content[: int(random.integers(len(content)))]
    return random.bytes(max(1, len(content))) if how == "noise" else b""
