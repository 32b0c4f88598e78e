"""The report's templates, with everything escaped that is not marked as safe."""

from __future__ import annotations

import base64
import functools
import hashlib
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

HERE = Path(__file__).resolve().parent
STYLE_SHEET = HERE / "page.css"


@functools.cache
def environment() -> Environment:
    """Templates of the report; a name that a template does not know is an error."""
    return Environment(
        loader=FileSystemLoader([HERE, HERE / "pages", HERE / "explorer"]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def hash_of(text: str) -> str:
    """The text's hash as a content security policy names it, so that a page runs this script, or takes this style, alone."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
