"""One helper for progress: a live bar on a terminal, one log line at the end elsewhere (papermill, files)."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

logger = logging.getLogger(__name__)
Item = TypeVar("Item")


def progress(iterable: Iterable[Item], description: str, total: int | None = None) -> Iterator[Item]:
    """Iterate over `iterable` and show how far it is; `total` counts its items where `len` cannot."""
    if sys.stderr.isatty():
        from tqdm import tqdm

        yield from tqdm(iterable, desc=description, total=total, leave=False)
        return
    started, count = time.perf_counter(), 0
    for item in iterable:
        yield item
        count += 1
    logger.info("%s: %d done in %.1f s", description, count, time.perf_counter() - started)
