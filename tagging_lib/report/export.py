"""The figures of one run, drawn from its folder alone: no notebook, no corpus, no network."""

from __future__ import annotations

from pathlib import Path

from tagging_lib.evaluation import calibration, metrics, thresholds
from tagging_lib.report import figures
from tagging_lib.runs import kept
from tagging_lib.study.study import write_figure


def export_figures(folder: Path, out: Path | None = None) -> list[Path]:
    """Write a run's confusion grid, threshold curves, scores per label and reliability as PNG and SVG; their paths.

    The threshold is the best of the original's grid on validation, as in the study; all but the curves show the test
    part. `out` is the run's own folder `figures` when none is given.

    Raises:
        TaggingError: a file of the folder is missing or damaged.
    """
    run = kept.read(folder)
    labels, row = run.facts["labels"], run.facts["experiment"]["name"]
    probabilities, truth = run.arrays(), run.arrays("truth")
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
