"""Pairs measured in turn in one process, so that whatever else the machine does strikes both alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import torch

Work = Callable[[], Any]


@dataclass
class Row:
    """One line of the table.

    Attributes:
        value: median over the repetitions; a ratio (ours ÷ reference of the same turn), or seconds where `unit` says so.
        spread: smallest and largest.
        target: what the value may be at most (at least, with `at_least`); None where the row only informs.
        ours, reference: wall-clock seconds of each repetition.
        cpu_value: the same median taken of processor time instead of wall-clock time, which other programs on the machine
            disturb less; None on a CUDA device, where it says nothing.
    """

    name: str
    value: float
    spread: tuple[float, float]
    target: float | None
    unit: str = "×"
    at_least: bool = False
    cpu_value: float | None = None
    ours: list[float] = field(default_factory=list)
    reference: list[float] = field(default_factory=list)
    note: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the median meets the target; None without one."""
        return self._meets(self.value)

    @property
    def met_by_processor(self) -> bool | None:
        """The same of processor time."""
        return None if self.cpu_value is None else self._meets(self.cpu_value)

    def _meets(self, value: float) -> bool | None:
        if self.target is None:
            return None
        return value >= self.target if self.at_least else value <= self.target

    def described(self) -> dict[str, Any]:
        return asdict(self) | {"met": self.met}


def ratio(
    name: str,
    ours: Work,
    reference: Work,
    *,
    target: float | None,
    repeats: int,
    device: str = "cpu",
    inverse: bool = False,
    before: Work = lambda: None,
    note: str = "",
) -> Row:
    """Seconds of `ours` ÷ seconds of `reference` (the other way round, and to be reached at least, with `inverse`).

    Both run once unmeasured, then `repeats` times in turn, each time the other one first. `before` runs unmeasured before
    each of them.
    """
    for work in (ours, reference):
        before()
        work()
    times: dict[int, list[tuple[float, float]]] = {0: [], 1: []}
    for turn in range(repeats):
        for which in (0, 1) if turn % 2 == 0 else (1, 0):
            before()
            times[which].append(_timed((ours, reference)[which], device))
    wall, cpu = ([_quotient(a[clock], b[clock], inverse) for a, b in zip(times[0], times[1], strict=True)] for clock in (0, 1))
    return Row(
        name,
        statistics.median(wall),
        (min(wall), max(wall)),
        target,
        at_least=inverse,
        cpu_value=statistics.median(cpu) if device == "cpu" else None,
        ours=[seconds for seconds, _ in times[0]],
        reference=[seconds for seconds, _ in times[1]],
        note=note,
    )


def seconds(name: str, work: Work, *, target: float | None, repeats: int, device: str = "cpu", note: str = "") -> Row:
    """Seconds of `work`, after one unmeasured run when it is repeated."""
    if repeats > 1:
        work()
    times = [_timed(work, device) for _ in range(repeats)]
    wall = [wall for wall, _ in times]
    cpu = statistics.median(cpu for _, cpu in times) if device == "cpu" else None
    return Row(name, statistics.median(wall), (min(wall), max(wall)), target, unit="s", cpu_value=cpu, ours=wall, note=note)


def _quotient(a: float, b: float, inverse: bool) -> float:
    return b / a if inverse else a / b


def _timed(work: Work, device: str) -> tuple[float, float]:
    _wait(device)
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    _wait(device)
    return time.perf_counter() - wall, time.process_time() - cpu


def _wait(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)


def table(rows: list[Row], judged: bool = True) -> str:
    """The rows as text, one a line; a missed target is no failure, but it is said."""
    width = max((len(row.name) for row in rows), default=0)
    lines = [f"{'':{width}}   median (spread)               processor   target"]
    for row in rows:
        low, high = row.spread
        cpu = "" if row.cpu_value is None else f"{row.cpu_value:.3g} {row.unit}"
        wanted = "" if row.target is None else f"{'≥' if row.at_least else '≤'} {row.target:g} {row.unit}"
        verdict = {None: "", True: "met", False: "MISSED"}[row.met if judged else None]
        if verdict == "MISSED" and row.met_by_processor:
            verdict = "MISSED (met by processor time)"
        measured = f"{row.value:7.3g} {row.unit} ({low:.3g} – {high:.3g})"
        lines.append(f"{row.name:{width}}  {measured:30}  {cpu:10}  {wanted:9} {verdict:6} {row.note}".rstrip())
    return "\n".join(lines)
