"""Text, JSON that says when it has been damaged, checksums, and the machine in words."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import platform
from contextlib import suppress
from pathlib import Path
from typing import Any

from tagging_lib.atomic import locked, make_folder, replacing, replacing_folder, storage_error
from tagging_lib.errors import TaggingError

__all__ = [
    "describe_machine",
    "locked",
    "make_folder",
    "read_json",
    "read_sealed",
    "replacing",
    "replacing_folder",
    "set_aside",
    "sha256",
    "sha256_of",
    "storage_error",
    "write_json",
    "write_sealed",
    "write_text",
]
logger = logging.getLogger(__name__)
SEAL = "seal"


def set_aside(path: Path, why: object) -> None:
    """Rename a damaged file to `<name>.damaged`, for whoever wants to look at it, and say so."""
    logger.warning("%s is damaged (%s): set aside as .damaged, and made again", path, why)
    with suppress(FileNotFoundError):
        path.replace(path.with_suffix(".damaged"))


def write_text(path: str | Path, text: str) -> None:
    """Replace `path` with UTF-8 `text`."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | Path, value: Any) -> None:
    """Replace `path` with `value` as indented JSON, keys in their own order, newline at the end."""
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def read_json(path: str | Path) -> Any:
    """The value in a JSON file.

    Raises:
        TaggingError: the file is not valid JSON; it names the file.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise TaggingError(f"{path} is not valid JSON ({error}): delete it or restore it") from error


def write_sealed(path: str | Path, value: dict[str, Any]) -> None:
    """Replace `path` with `value` as JSON that carries its own checksum."""
    plain = json.loads(json.dumps({name: entry for name, entry in value.items() if name != SEAL}))
    write_json(path, plain | {SEAL: _seal(plain)})


def read_sealed(path: str | Path) -> dict[str, Any]:
    """What `write_sealed` kept.

    Raises:
        TaggingError: the file is no JSON, or has been changed since it was written; it names the file.
    """
    value = read_json(path)
    if not isinstance(value, dict) or value.pop(SEAL, None) != _seal(value):
        raise TaggingError(f"{path} was changed or damaged since it was written (its checksum differs): delete it")
    return value


def _seal(value: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def sha256(path: str | Path) -> str:
    """Hexadecimal SHA-256 of a file's bytes."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def sha256_of(content: Any) -> str:
    """Hexadecimal SHA-256 of bytes, or of a buffer."""
    return hashlib.sha256(content).hexdigest()


def describe_machine() -> dict[str, Any]:
    """The machine in words, for manifests: system, Python, processor name, number of usable cores."""
    processor = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        processor = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "system": platform.platform(),
        "python": platform.python_version(),
        "processor": processor,
        "cores": cores,
    }
