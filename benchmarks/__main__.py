"""`python -m benchmarks [rows…] [--device cpu|cuda] [--toy] [--million] [--json FILE]`: measure, print the table, write JSON.

`python -m benchmarks rivals …` compares with what people would use instead (`rivals.py`)."""

from __future__ import annotations

import argparse
import logging
import os
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any

import torch

from benchmarks import cpu, cuda, spread, timing
from tagging_lib import files
from tagging_lib.runs.key import versions

TITLE = "How near tagging_lib comes to what the hardware allows: ours ÷ reference, measured in turn in one process."
TOY_TITLE = "Toy scale: this shows that every row runs. Its numbers say nothing, and no target is judged."

ROWS = (*cpu.ROWS, *cuda.ROWS)
ROWS_HELP = f"{', '.join(ROWS)}; all that the device needs when left out; by name alone: {', '.join(spread.ROWS)}"


def main(arguments: list[str] | None = None) -> int:
    """The exit code: 1 when a row failed to run, 2 for a wrong call, else 0, whether or not its target is met."""
    given = sys.argv[1:] if arguments is None else arguments
    if given[:1] == ["rivals"]:
        from benchmarks import rivals

        return rivals.main(given[1:])
    parser = _parser()
    asked = parser.parse_args(given)
    known = (*ROWS, *spread.ROWS)
    if unknown := [name for name in asked.rows if name not in known]:
        parser.error(f"no row is called {', '.join(unknown)}: choose from {', '.join(known)}")
    if asked.device == "cuda" and not torch.cuda.is_available():
        sys.stderr.write("benchmarks: torch finds no CUDA device: leave --device out, or add --toy to rehearse on the CPU\n")
        return 2
    names = asked.rows or _names(asked.device, asked.toy)
    logging.disable(logging.INFO)  # the library's progress, an epoch a line
    started, found, failed = time.perf_counter(), [], []

    def about() -> dict[str, Any]:
        took = round(time.perf_counter() - started)
        return describe(asked.device) | {"rows asked": names, "toy": asked.toy, "seconds": took}

    with tempfile.TemporaryDirectory(prefix="benchmarks-") as scratch:
        for name in names:
            sys.stderr.write(f"{name} …\n")
            try:
                rows = _measure(name, asked.device, asked.toy, Path(scratch) / name, million=asked.million)
                sys.stderr.write(timing.table(rows, judged=not asked.toy) + "\n")
                found += rows
            except Exception:
                traceback.print_exc()
                failed.append(name)
            if asked.json:  # after each row, so that an interruption costs no more than one
                files.write_json(asked.json, about() | {"rows": [row.described() for row in found], "failed": failed})
    logging.disable(logging.NOTSET)
    sys.stdout.write(report(about(), found, failed))
    return 1 if failed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=TITLE)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=ROWS_HELP)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--toy", action="store_true", help="seconds instead of minutes; rehearses the rows for CUDA, too")
    parser.add_argument("--million", action="store_true", help="the row manifest with 1,000,000 photos, which take long")
    parser.add_argument("--json", type=Path, help="file for everything that was measured")
    return parser


def _names(device: str, toy: bool) -> list[str]:
    if device == "cuda":
        return list(cuda.ROWS)
    return list(ROWS) if toy else list(cpu.ROWS)


def _measure(name: str, device: str, toy: bool, scratch: Path, *, million: bool = False) -> list[timing.Row]:
    scratch.mkdir()
    if name in cpu.ROWS:
        scale = cpu.Scale(listed=cpu.MILLION) if million else cpu.Scale()
        return cpu.ROWS[name](cpu.TOY if toy else scale, scratch)
    if name in spread.ROWS:
        return spread.ROWS[name](spread.TOY if toy else spread.Scale(), scratch)
    return cuda.ROWS[name](cuda.TOY if toy else cuda.Scale(), scratch, device)


def describe(device: str) -> dict[str, Any]:
    """Machine, versions and commit."""
    machine = files.describe_machine() | {"threads": torch.get_num_threads()}
    if hasattr(os, "sysconf"):
        machine["memory_gib"] = round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    if hasattr(os, "getloadavg"):
        machine["load"] = round(os.getloadavg()[0], 1)  # of the last minute: what else the machine was doing
    if device == "cuda":
        machine["gpu"] = torch.cuda.get_device_name()
    return {"machine": machine, "versions": versions(), "commit": _commit()}


def _commit() -> str:
    """The short commit, `+` when files differ from it; `unknown` outside of a checkout."""

    def git(*command: str) -> str:
        done = subprocess.run(["git", *command], cwd=Path(__file__).parent, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    try:
        changed = git("status", "--porcelain", "--untracked-files=no", "--", "../tagging_lib", ".")
        return git("rev-parse", "--short", "HEAD") + ("+" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def report(about: dict[str, Any], rows: list[timing.Row], failed: list[str]) -> str:
    """What is printed."""
    machine = about["machine"]
    where = machine.get("gpu", machine["processor"])
    lines = [
        TOY_TITLE if about["toy"] else TITLE,
        f"{where}, {machine['threads']} threads, {machine.get('memory_gib', '?')} GiB, "
        f"load at the end {machine.get('load', '?')}; "
        f"{', '.join(f'{name} {version}' for name, version in about['versions'].items())}; "
        f"commit {about['commit']}; {about['seconds']} s in all",
        "",
        timing.table(rows, judged=not about["toy"]),
    ]
    missed = [] if about["toy"] else [row.name for row in rows if row.met is False]
    lines += ["", *(f"MISSED: {name}" for name in missed), *(f"FAILED: {name}" for name in failed)]
    return "\n".join(lines).rstrip() + "\n"


if __name__ == "__main__":
    sys.exit(main())
