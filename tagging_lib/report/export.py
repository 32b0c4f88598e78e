"""Figures for print: those of one run, drawn from its folder alone, and those of a report by their names.

Where the numbers of a figure are kept, it is drawn anew for the width that is asked for; of any other one the picture that
the report holds is brought to that width.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from PIL import Image

from tagging_lib import files
from tagging_lib.errors import TaggingError
from tagging_lib.evaluation import calibration, metrics, thresholds
from tagging_lib.report import figures
from tagging_lib.report.figures import paper, style
from tagging_lib.runs import kept
from tagging_lib.study.compare import ENSEMBLES

SMALLEST_LETTERS = 6.0  # points, what journals ask for
# What of the best row the report's chapters draw, by the figure's name.
OF_BEST_ROW = {
    "05_thresholds": "thresholds",
    "05_reliability": "reliability",
    "06_confusion": "confusion",
    "06_per_label": "per_label",
}
# Figures that are drawn from one table: its name, and how. Long names stand beside these, so that they need a page's width.
OF_TABLE: dict[str, tuple[str, Callable[[pd.DataFrame], style.Sheet]]] = {
    "01_split_balance": ("01_split_balance", figures.split_balance),
    "01_pos_weight": ("01_pos_weight", lambda table: figures.pos_weights(table.label.astype(str), table.pos_weight.to_numpy())),
    "02_forest": ("02_headline", figures.forest),
    "03_forest": ("03_headline", figures.forest),
    "05_forest": ("05_every_row", lambda table: figures.forest(table[table.group != ENSEMBLES])),
    "05_promises": ("05_promises", figures.promises),
    "05_story": ("05_story", figures.story),
    "06_correction": ("06_correction", figures.corrections),
    "06_label_sizes": ("06_label_sizes", figures.label_sizes),
}


@dataclass(frozen=True)
class Written:
    """A file of a figure, and how large its smallest letters are, in points."""

    path: Path
    letters: float


def export_figures(
    folder: Path, out: Path | None = None, formats: Sequence[str] = ("png", "svg"), width: float | None = None
) -> list[Written]:
    """Write a run's confusion grid, threshold curves, scores per label and reliability.

    The threshold is the best of the original's grid on validation, as in the study; all but the curves show the test
    part. `out` is the run's own folder `figures` when none is given; `width` is in mm, a page of the report by default.

    Raises:
        TaggingError: a file of the folder is missing or damaged.
    """
    run = kept.read(folder)
    target, row = folder / "figures" if out is None else out, run.facts["experiment"]["name"]
    return [
        written
        for name, draw in _of_run(run).items()
        for written in _write(draw, target / f"{row}_{name}", formats, width, column=True)
    ]


def export_named(
    name: str, outputs: Path, out: Path, formats: Sequence[str] = ("png", "svg"), width: float | None = None
) -> list[Written]:
    """Write the figure that the report in `outputs` calls so into the folder `out`.

    Raises:
        TaggingError: the report has no such figure.
    """
    known = sorted({path.stem for folder in _places(outputs, "figures") for path in folder.glob("*.png")})
    if name not in known:
        choice = f"choose one of {', '.join(known)}" if known else "run ./run_all.sh first"
        raise TaggingError(f"no figure of {outputs / 'report'} is called {name}: {choice}")
    if name in OF_BEST_ROW:
        best = _best_row(outputs)
        if best is not None:
            return _write(_of_run(best)[OF_BEST_ROW[name]], out / name, formats, width, column=True)
    if name in OF_TABLE:
        table, draw = OF_TABLE[name]
        saved = _first(outputs, "tables", f"{table}.csv")
        if saved is not None:
            read = pd.read_csv(saved).pipe(_texts)
            return _write(lambda: draw(read), out / name, formats, width)
    return [_copied(outputs, name, out / f"{name}.{kind}", width) for kind in formats]


def _of_run(run: kept.Kept) -> dict[str, Callable[[], style.Sheet]]:
    labels = run.facts["labels"]
    probabilities, truth = run.arrays(), run.arrays("truth")
    on_validation, on_test = ((truth[part], probabilities[part]) for part in ("validation", "test"))
    chosen = thresholds.best_on_grid(*on_validation)
    coarse, fine = (thresholds.sweep(*on_validation, grid=grid) for grid in (thresholds.GRID, thresholds.FINE_GRID))
    predictions = thresholds.apply(on_test[1], chosen)

    def reliability() -> style.Sheet:
        compared = {"as predicted": on_test[1], "after Platt's calibration": calibration.platt(*on_validation)(on_test[1])}
        return figures.reliability_by_label(on_test[0], compared, labels)

    return {
        "confusion": lambda: figures.confusion_grid(on_test[0], predictions, labels),
        "thresholds": lambda: figures.threshold_curves(coarse, fine, chosen),
        "per_label": lambda: figures.per_label_bars(metrics.per_label(on_test[0], predictions, labels)),
        "reliability": reliability,
    }


def _best_row(outputs: Path) -> kept.Kept | None:
    """The answers of the row that chapter 5 found best on validation, where they and its truth are kept."""
    table, stored = _first(outputs, "tables", "05_chosen.csv"), outputs / "work" / "thresholds.json"
    if table is None or not stored.exists():
        return None
    name = str(pd.read_csv(table).row.iloc[0])
    key = files.read_json(stored)["rows"].get(name, {}).get("key")
    found = kept.find(outputs, name, key) if key else None
    return found if found is not None and (found.folder / "truth.npz").exists() else None


def _write(
    draw: Callable[[], style.Sheet], path: Path, formats: Sequence[str], width: float | None, *, column: bool = False
) -> list[Written]:
    """The figure as `path` with each format's suffix.

    One that may stand in a `column` is drawn on a narrower page, so that its letters stay readable; any other one is made
    smaller with all that is in it.
    """
    inches = style.PAGE_WIDTH if width is None else width / paper.MM_PER_INCH
    page = min(style.PAGE_WIDTH, inches * style.SMALL / SMALLEST_LETTERS / 1.03) if column else style.PAGE_WIDTH
    page = max(page, inches) if column else page
    with style.narrow(page):
        figure = draw()
    scale = inches / page
    written = []
    for kind in formats:
        with files.replacing(path.parent / f"{path.name}.{kind}") as temporary:
            paper.write(figure, temporary, kind, scale)
        written.append(Written(path.parent / f"{path.name}.{kind}", style.SMALL * scale))
    return written


def _copied(outputs: Path, name: str, target: Path, width: float | None) -> Written:
    """The report's own picture at that width; a PDF holds it as PNG."""
    kind = target.suffix[1:]
    source = _first(outputs, "figures", f"{name}.{'svg' if kind == 'svg' else 'png'}")
    if source is None:
        raise TaggingError(f"the report in {outputs} keeps {name} without photos alone: run ./run_all.sh with photos")
    inches = style.PAGE_WIDTH if width is None else width / paper.MM_PER_INCH
    with files.replacing(target) as temporary:
        if kind == "svg":
            shutil.copyfile(source, temporary)
            paper.resize_svg(temporary, inches / style.PAGE_WIDTH)
        else:
            with Image.open(source) as picture:
                dots = picture.width / inches
                picture.convert("RGB").save(temporary, format=kind, dpi=(dots, dots), resolution=dots)
    return Written(target, style.SMALL * inches / style.PAGE_WIDTH)


def _texts(table: pd.DataFrame) -> pd.DataFrame:
    """A table read from a file with its names as the texts that they were: an empty one is no missing number."""
    known = {"row", "title", "what", "group", "letters", "label"} & set(table)
    return table.assign(**{column: table[column].fillna("").astype(str) for column in known})


def _places(outputs: Path, part: str) -> list[Path]:
    return [outputs / folder / part for folder in ("work", "report")]


def _first(outputs: Path, part: str, file: str) -> Path | None:
    return next((folder / file for folder in _places(outputs, part) if (folder / file).exists()), None)


def checked(formats: Sequence[str]) -> list[str]:
    """The formats, each once.

    Raises:
        TaggingError: one is unknown.
    """
    for kind in formats:
        if not re.fullmatch("|".join(paper.FORMATS), kind):
            raise TaggingError(f"no figure is written as {kind!r}: choose {', '.join(paper.FORMATS)}")
    return list(dict.fromkeys(formats))
