"""The seven notebooks, run headless by papermill in their order, each once for the same input.

A finished notebook lies in `outputs/work/<name>.ipynb`; beside it `<name>.json` says from what it came (`key`), how
long it took and which figures and tables it wrote. The key hashes all that could change the page, so that the next
call continues behind the last finished notebook and a changed anything runs again.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tagging_lib import files
from tagging_lib.errors import TaggingError
from tagging_lib.study.opening import project_folder
from tagging_lib.workflow import records
from tagging_lib.workflow.keys import built_on, key, run_key
from tagging_lib.workflow.records import read_record
from tagging_lib.workflow.sources import FOLDER, choose, default_parameters

logger = logging.getLogger(__name__)
# Files beside figures and tables without which a notebook that made them is not finished, from the outputs folder.
MAKES = {"05_threshold_search": ("work/thresholds.json",), "07_final_model": ("final/model.json",)}
USER_ERRORS = ("TaggingError", "RowUnavailable", "WeightsUnavailable")  # told without their class
CELL_TIMEOUT = 900.0  # seconds without a sign of life after which a cell has hung


def run_notebooks(
    parameters: dict[str, Any],
    only: Sequence[str] | None = None,
    outputs: Path = Path("outputs"),
    fresh: bool = False,
    folder: Path | None = None,
    cell_timeout: float = CELL_TIMEOUT,
) -> list[Path]:
    """Run what is not finished yet and return the finished copies, in order.

    Args:
        parameters: values for the notebooks' parameter cells; the others keep their defaults.
        only: numbers or names of the notebooks to run, None for all.
        outputs: relative to the folder that the notebooks' own paths start from.
        fresh: run notebooks that are finished once more; the rows they ask for still come from their cache.
        cell_timeout: seconds after which a cell that wrote nothing and did nothing is ended, 0 for never; one that keeps
            the processor busy may stay silent `watchdog.BUSY_FACTOR` times as long.

    Raises:
        TaggingError: a parameter is unknown or of the wrong type, or a notebook failed; it names notebook, cell and
            error.
    """
    folder = FOLDER if folder is None else folder
    outputs = project_folder() / outputs
    chosen = choose(only, folder)
    for name in chosen:
        _check(parameters, folder / f"{name}.ipynb")
    begun = False
    finished = []
    for position, name in enumerate(chosen, start=1):
        source, copy = folder / f"{name}.ipynb", outputs / "work" / f"{name}.ipynb"
        wanted = key(source, parameters, outputs)
        if not fresh and is_finished(outputs, name, wanted):
            logger.info("[%d/%d] %s: finished before", position, len(chosen), name)
        else:
            if not begun:
                records.begin(outputs, run_key(source, parameters), default_parameters(source) | parameters)
                begun = True
            logger.info("[%d/%d] %s: running", position, len(chosen), name)
            try:
                _run(source, outputs, parameters, wanted, cwd=project_folder(), patience=cell_timeout)
            except TaggingError as error:
                records.fail(outputs, str(error))
                raise
            record = files.read_json(copy.with_suffix(".json"))
            logger.info("[%d/%d] %s: finished in %.0f s", position, len(chosen), name, record["seconds"])
        finished.append(copy)
    if not begun:  # all of it ran before; what else ran since is not what the report shall show
        records.begin(outputs, run_key(source, parameters), default_parameters(source) | parameters)
    records.finish(outputs)
    return finished


def _check(parameters: dict[str, Any], path: Path) -> None:
    known = default_parameters(path)
    for name, value in parameters.items():
        if name not in known:
            raise TaggingError(f"{path.stem} has no parameter {name!r}: it knows {', '.join(known)}")
        if type(value) is not type(known[name]):
            kind = type(known[name]).__name__
            raise TaggingError(f"parameter {name} of {path.stem} is {value!r}: must be of type {kind}")


def is_finished(outputs: Path, name: str, wanted: str) -> bool:
    """Whether the notebook came out of the input that `wanted` is the key of, and all it made is still there."""
    record = read_record(outputs, name)
    if record is None or record["key"] != wanted:
        return False
    made = [f"work/{name}.ipynb", *record["files"], *record["made"]]
    return all((outputs / path).exists() for path in made)


def _snapshot(outputs: Path) -> dict[str, tuple[int, int]]:
    found = {}
    work = outputs / "work"
    for path in sorted([*(work / "figures").glob("*"), *(work / "tables").glob("*"), *work.glob("explorer.html")]):
        stat = path.stat()
        found[path.relative_to(outputs).as_posix()] = (stat.st_ino, stat.st_mtime_ns)
    return found


def _run(source: Path, outputs: Path, parameters: dict[str, Any], wanted: str, cwd: Path, patience: float) -> None:
    import papermill
    from papermill.exceptions import PapermillExecutionError

    from tagging_lib.workflow import watchdog

    logging.getLogger("papermill").setLevel(logging.WARNING)
    finished = outputs / "work" / source.name
    finished.parent.mkdir(parents=True, exist_ok=True)
    # An older copy would pass for this one's result if the run stopped half-way.
    for stale in (finished.with_suffix(".json"), finished.with_suffix(".failed.ipynb")):
        stale.unlink(missing_ok=True)
    running = finished.with_suffix(".running.ipynb")
    run, built = run_key(source, parameters), built_on(source, outputs)
    before, started, clock = _snapshot(outputs), datetime.now(UTC), time.perf_counter()
    try:
        papermill.execute_notebook(
            source,
            running,
            parameters=parameters,
            cwd=cwd,
            engine_name=watchdog.NAME,
            patience=patience,
            progress_bar=sys.stderr.isatty(),
            stdout_file=sys.stderr,
            stderr_file=sys.stderr,
            # Its warnings about its own sockets would stand between the lines about training.
            extra_arguments=["--IPKernelApp.log_level=40"],
        )
    except PapermillExecutionError as error:
        reason = (error.evalue.strip() or "no message").splitlines()[0]
        named = "" if error.ename in USER_ERRORS else f"{error.ename}: "
        raise _failure(source, running, error, named + reason) from error
    except watchdog.CellStopped as error:
        remedy = "; if it was at work, raise --cell-timeout" if "hung" in str(error) else ""
        raise _failure(source, running, error, f"{error}{remedy}") from error
    except RuntimeError as error:  # between two cells, or before the first
        told = (str(error).strip() or "no message").splitlines()[0]
        raise TaggingError(f"{source.name}: its process ended or did not start ({told}; see {running})") from error
    running.replace(finished)
    produced = [path for path, state in _snapshot(outputs).items() if before.get(path) != state]
    record = {
        "key": wanted,
        "parameters": default_parameters(source) | parameters,
        "started": started.isoformat(timespec="seconds"),
        "seconds": round(time.perf_counter() - clock, 1),
        "files": produced,
        "made": [path for path in MAKES.get(source.stem, ()) if (outputs / path).exists()],
        "run": run,
        "builds_on": built,
        "study": files.read_json(study) if (study := outputs / "work" / "study.json").exists() else {},
        "rows": files.read_json(rows) if (rows := outputs / "work" / "rows.json").exists() else [],
    }
    files.write_json(finished.with_suffix(".json"), record)


def _failure(source: Path, running: Path, error: Any, reason: str) -> TaggingError:
    """The error that names notebook and cell; the copy so far is kept beside the finished ones, under `.failed`."""
    failed = running.with_name(f"{source.stem}.failed.ipynb")
    running.replace(failed)
    return TaggingError(f"{source.name}, cell {_cell_number(source, error)}: {reason} (see {failed})")


def _cell_number(source: Path, error: Any) -> int:
    """The failing cell counted from 1 in the notebook as its author sees it: papermill adds cells to the copy."""
    import nbformat

    cells = nbformat.read(source, as_version=4).cells
    same = [i for i, cell in enumerate(cells) if cell.source == error.source]
    return 1 + min(same, key=lambda i: abs(i - error.cell_index), default=error.cell_index)
