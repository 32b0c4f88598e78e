"""What has run: a record for each finished notebook, and one for the run that began last.

Pages belong together when their notebooks ran on the same corpus with the same parameters, code and versions (`run`),
and each on the present results of those it builds on. A report holds the pages of the run that began last; older ones
are named, not shown.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tagging_lib import files
from tagging_lib.errors import TaggingError

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Current:
    """The pages that a report may show.

    Attributes:
        records: what is finished in the run that began last, by notebook.
        stale: notebooks whose last page came out of something else.
        unfinished: in one sentence why that run has not ended; empty when it has.
    """

    records: dict[str, dict[str, Any]]
    stale: list[str] = field(default_factory=list)
    unfinished: str = ""


def read_record(outputs: Path, name: str) -> dict[str, Any] | None:
    """What `<name>.json` says about a finished notebook: key, parameters, started, seconds, files …; None without one."""
    path = outputs / "work" / f"{name}.json"
    try:
        return files.read_json(path) if path.exists() else None
    except TaggingError:
        logger.warning("%s is damaged: the notebook runs again", path)
        return None


def begin(outputs: Path, run: str, parameters: dict[str, Any]) -> None:
    """Note that a run begins. The report of an earlier one stays as it was written until this one's takes its place."""
    started = datetime.now(UTC).isoformat(timespec="seconds")
    files.write_json(_path(outputs), {"run": run, "parameters": parameters, "started": started, "ended": False})


def finish(outputs: Path) -> None:
    """Note that the run has ended well."""
    _note(outputs, ended=True)


def fail(outputs: Path, why: str) -> None:
    """Note why the run has not ended."""
    _note(outputs, ended=False, why=why)


def _note(outputs: Path, **facts: Any) -> None:
    begun = _begun(outputs)
    if begun is not None:
        files.write_json(_path(outputs), begun | facts)


def current(outputs: Path) -> Current:
    """What a report may show: the pages of the run that began last; without a note of one, those of the newest page."""
    found = {}
    for path in sorted((outputs / "work").glob("[0-9][0-9]_*.ipynb")):
        record = read_record(outputs, path.stem)
        # `<name>.running.ipynb` and `<name>.failed.ipynb` have no record.
        if record is not None:
            found[path.stem] = record
    begun = _begun(outputs)
    newest = begun or max(found.values(), key=lambda record: record["started"], default=None)
    if newest is None:
        return Current({})
    outdated: set[str] = set()
    for name, record in found.items():
        built = record.get("builds_on", {}).items()
        if any(found.get(other, {}).get("key") != key or other in outdated for other, key in built):
            outdated.add(name)
    wanted = (newest.get("run"), newest["parameters"])
    shown = {
        name: record
        for name, record in found.items()
        if name not in outdated and (record.get("run"), record["parameters"]) == wanted
    }
    unfinished = ""
    if begun is not None and not begun["ended"]:
        unfinished = begun.get("why") or "it was interrupted"
    return Current(shown, [name for name in found if name not in shown], unfinished)


def _path(outputs: Path) -> Path:
    return outputs / "work" / "run.json"


def _begun(outputs: Path) -> dict[str, Any] | None:
    try:
        return files.read_json(_path(outputs)) if _path(outputs).exists() else None
    except TaggingError:
        logger.warning("%s is damaged: the report shows the pages that belong to the newest one", _path(outputs))
        return None
