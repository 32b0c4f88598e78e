"""Rows that failed on a cluster: notebooks leave them out with the reason, instead of training them where the notebook runs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tagging_lib import files
from tagging_lib.errors import TaggingError
from tagging_lib.study.profiles import LeftOut


def path(outputs: Path) -> Path:
    """The file that holds them."""
    return outputs / "work" / "failed_rows.json"


def write(outputs: Path, failed: Mapping[tuple[str, str], LeftOut]) -> None:
    """Keep these, by name and key of the row, in the place of all earlier ones."""
    if failed:
        files.write_json(path(outputs), {f"{name}/{key}": list(why) for (name, key), why in failed.items()})
    else:
        path(outputs).unlink(missing_ok=True)


def read(outputs: Path) -> dict[str, LeftOut]:
    """Why rows were not finished, by `<row>/<key>`; empty without such rows."""
    try:
        kept = files.read_json(path(outputs)) if path(outputs).exists() else {}
        return {str(name): LeftOut(str(reason), str(remedy)) for name, (reason, remedy) in kept.items()}
    except (TaggingError, AttributeError, TypeError, ValueError):
        return {}  # they are tried once more
