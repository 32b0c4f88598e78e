"""What a page that loads nothing carries in itself: data that cannot become markup, and a policy that lets nothing else run."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any


def json_of(value: Any) -> str:
    """JSON that cannot end the script element it stands in."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


def base64_of(content: bytes) -> str:
    """Base64 text."""
    return base64.b64encode(content).decode("ascii")


def policy(style: str, script: str) -> str:
    """The Content-Security-Policy of a page with this one style sheet, this one script, and images that lie in it."""
    return (
        f"default-src 'none'; img-src data:; style-src {_hash(style)}; script-src {_hash(script)}; "
        "base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64_of(hashlib.sha256(text.encode()).digest())}'"
