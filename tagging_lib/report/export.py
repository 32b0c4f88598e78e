"""The figures of one run, drawn from its folder alone: no notebook, no corpus, no network."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from tagging_lib import files
from tagging_lib.errors import TaggingError
from tagging_lib.evaluation import calibration, metrics, thresholds
from tagging_lib.report import figures
from tagging_lib.study.study import write_figure


def find_run(run: str | Path, outputs: Path) -> Path:
    """The folder of a run: `run` itself when it is one, else the latest finished one of the row with that name.

    Raises:
        TaggingError: there is no such folder with a result.
    """
    folder = Path(run)
    if (folder / "result.json").exists():
        return folder
    runs = outputs / "runs"
    finished = sorted(
        (path for path in runs.glob("*/*/result.json") if path.parent.parent.name == str(run)),
        key=lambda path: path.stat().st_mtime_ns,
    )
    if not finished:
        known = sorted({path.parent.parent.name for path in runs.glob("*/*/result.json")})
        rows = f"choose one of {', '.join(known)}" if known else "run `tagging train` first"
        raise TaggingError(f"{run} is neither a run's folder nor a row with a result under {runs}: {rows}")
    return finished[-1].parent


def export_figures(folder: Path, out: Path | None = None) -> list[Path]:
    """Write a run's confusion grid, threshold curves, scores per label and reliability as PNG and SVG; their paths.

    The threshold is the best of the original's grid on validation, as in the study; all but the curves show the test
    part. `out` is the run's own folder `figures` when none is given.

    Raises:
        TaggingError: the folder's files are damaged, or from before runs kept their truth.
    """
    details = files.read_sealed(folder / "result.json")
    labels, row = details["labels"], details["experiment"]["name"]
    probabilities, truth = (_arrays(folder, name, details) for name in ("probabilities.npz", "truth.npz"))
    on_validation, on_test = ((truth[part], probabilities[part]) for part in ("validation", "test"))
    chosen = thresholds.best_on_grid(*on_validation)
    coarse, fine = (thresholds.sweep(*on_validation, grid=grid) for grid in (thresholds.GRID, thresholds.FINE_GRID))
    predictions = thresholds.apply(on_test[1], chosen)
    calibrated = calibration.platt(*on_validation)(on_test[1])
    drawn = {
        "confusion": figures.confusion_grid(on_test[0], predictions, labels),
        "thresholds": figures.threshold_curves(coarse, fine, chosen),
        "per_label": figures.per_label_bars(metrics.per_label(on_test[0], predictions, labels)),
        "reliability": figures.reliability_by_label(
            on_test[0], {"as predicted": on_test[1], "calibrated on validation": calibrated}, labels
        ),
    }
    target = folder / "figures" if out is None else out
    return [path for name, figure in drawn.items() for path in write_figure(figure, target / f"{row}_{name}")]


def _arrays(folder: Path, name: str, details: dict[str, Any]) -> dict[str, np.ndarray]:
    path = folder / name
    if name not in details["files"]:
        raise TaggingError(f"{folder} has no {name}: it was made by an older version; run its row again (tagging train)")
    if not path.exists() or files.sha256(path) != details["files"][name]:
        raise TaggingError(f"{path} is damaged or missing: run its row again (tagging train)")
    try:
        with np.load(path, allow_pickle=False) as stored:
            return {part: stored[part] for part in stored.files}
    except (ValueError, OSError, BadZipFile) as error:
        raise TaggingError(f"{path} cannot be read ({error}): run its row again (tagging train)") from error
