"""Progress: a live bar on a terminal or in JupyterLab, one log line at the end elsewhere (papermill, files); and silence."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

logger = logging.getLogger(__name__)
Item = TypeVar("Item")
FRONTEND = "JPY_SESSION_NAME"  # Jupyter's server sets it for kernels that a browser looks at; papermill does not


def progress(iterable: Iterable[Item], description: str, total: int | None = None) -> Iterator[Item]:
    """Iterate over `iterable` and show how far it is; `total` counts its items where `len` cannot."""
    if sys.stderr.isatty() or in_jupyter():
        # In a kernel this is a widget. Imported where none is watched, it would only warn that IProgress was not found.
        from tqdm.auto import tqdm

        yield from tqdm(iterable, desc=description, total=total, leave=False)
        return
    started, count = time.perf_counter(), 0
    for item in iterable:
        yield item
        count += 1
    logger.info("%s: %d done in %.1f s", description, count, time.perf_counter() - started)


def in_jupyter() -> bool:
    """Whether this process is a notebook's, open in a Jupyter frontend: not one that papermill runs headless."""
    return "ipykernel.zmqshell" in sys.modules and FRONTEND in os.environ


@contextmanager
def quiet(talker: logging.Logger) -> Iterator[None]:
    """While it lasts, the logger tells nothing below a warning."""
    before = talker.level
    talker.setLevel(logging.WARNING)
    try:
        yield
    finally:
        talker.setLevel(before)
