"""The command lines that make a page, or a row, again."""

from __future__ import annotations

import shlex
from typing import Any

from tagging_lib.study.opening import as_options


def study(parameters: dict[str, Any], number: int | None = None) -> str:
    """The command line that makes a page again; options at their defaults are not written."""
    return " ".join(["./run_all.sh", *_options(parameters), *([] if number is None else ["--only", f"{number:02d}"])])


def train(parameters: dict[str, Any], row: str) -> str:
    """The command line that trains a row as the study of these parameters has trained it."""
    return " ".join(["tagging train", shlex.quote(row), *_options(parameters | {"SEEDS": 1})])


def _options(parameters: dict[str, Any]) -> list[str]:
    return [shlex.quote(word) for word in as_options(parameters)]
