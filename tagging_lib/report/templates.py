"""The report's templates, with everything escaped that is not marked as safe."""

from __future__ import annotations

import functools
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

HERE = Path(__file__).resolve().parent
STYLE_SHEET = HERE / "page.css"


@functools.cache
def environment() -> Environment:
    """Templates of the report; a name that a template does not know is an error."""
    return Environment(
        loader=FileSystemLoader([HERE, *(HERE / name for name in ("pages", "explorer", "summary", "tagged"))]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
