"""The key of a notebook's page: what could change what it shows, as 16 hexadecimal digits."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import Any

import nbformat

from tagging_lib import declared
from tagging_lib.data.readers.reading import options_of
from tagging_lib.models import device
from tagging_lib.runs import kept
from tagging_lib.runs.key import digest_of, versions
from tagging_lib.study import failed
from tagging_lib.study.opening import paths_of
from tagging_lib.workflow.records import read_record
from tagging_lib.workflow.sources import PACKAGE, default_parameters

# What a notebook builds on: these finish first, and when one of them came out of other input it runs again.
BUILDS_ON = {
    "05_threshold_search": ("02_baselines", "03_transfer_learning", "04_augmentation"),
    "06_error_analysis": ("05_threshold_search",),
    "07_final_model": ("05_threshold_search",),
}
# How pages look does not change what the notebooks compute.
NOT_IN_KEY = ("cli/*", "report/pages/*", "workflow/*")


def key(source: Path, parameters: dict[str, Any], outputs: Path) -> str:
    """The key of one notebook's page."""
    notebook = nbformat.read(source, as_version=4)
    return digest_of(
        {
            "cells": [[cell.cell_type, cell.source] for cell in notebook.cells],
            "run": run_key(source, parameters),
            "trained_apart": kept.trained_apart(outputs),
            "failed": sorted(failed.read(outputs).items()),
            "builds_on": list(built_on(source, outputs).values()),
        }
    )


def run_key(source: Path, parameters: dict[str, Any]) -> str:
    """A key that is the same for all notebooks whose pages belong together."""
    return digest_of(
        {
            "parameters": default_parameters(source) | parameters,
            "code": _code_digest(),
            "device": device.choose(parameters.get("DEVICE", "auto")),
            "input": {name: _state_of(paths) for name, paths in _inputs(parameters).items()},
            "versions": versions(),
        }
    )


def built_on(source: Path, outputs: Path) -> dict[str, str | None]:
    """Keys of the present pages that the notebook builds on, by notebook."""
    found = {name: read_record(outputs, name) for name in BUILDS_ON.get(source.stem, ())}
    return {name: record["key"] if record else None for name, record in found.items()}


@cache
def _code_digest() -> str:
    """Changes with the code of the package and its data; not with comments, docstrings, or how pages look."""
    hashed = hashlib.sha256()
    for path in sorted([*PACKAGE.rglob("*.py"), *PACKAGE.rglob("*.json")]):
        relative = path.relative_to(PACKAGE)
        if path != declared.FILE and not any(relative.match(pattern) for pattern in NOT_IN_KEY):
            text = path.read_text(encoding="utf-8")
            hashed.update(f"{relative.as_posix()} {declared.digest(text) if path.suffix == '.py' else text}\0".encode())
    return hashed.hexdigest()


def _inputs(parameters: dict[str, Any]) -> dict[str, str]:
    """Parameters that name files; those that change labels are among them."""
    named = {name: parameters.get(name, "") for name in ("CORPUS", "WEIGHTS", "TEST_PHOTOS")}
    options = options_of(parameters.get("READ", ""))
    return named | {"RELABEL": str(options.relabel), "CORRECTIONS": str(options.corrections)}


def _state_of(paths: str) -> list[list[Any]]:
    """Name, size and time of change of every file under the paths; empty for names such as `sample`."""
    found: list[list[Any]] = []
    for root in paths_of(paths):
        below = sorted(root.rglob("*")) if root.is_dir() else [root]
        stats = [(path, path.stat()) for path in below if path.is_file()]
        found += [[str(path), stat.st_size, stat.st_mtime_ns] for path, stat in stats]
    return found
