"""Commands that write a model or its figures for other programs."""

from __future__ import annotations

import logging
import math
from pathlib import Path
from typing import Annotated

import typer

from tagging_lib.cli.app import app, say
from tagging_lib.cli.options import Outputs
from tagging_lib.errors import TaggingError

logger = logging.getLogger(__name__)


@app.command(name="export-onnx")
def export_onnx(
    model: Annotated[str, typer.Argument(help="outputs/final, the folder of a run, or a row's name.", show_default=False)],
    out: Annotated[Path | None, typer.Option("--out", help="The file to write; model.onnx in the folder by default.")] = None,
    outputs: Outputs = "outputs",
) -> None:
    """Write a model as ONNX, checked against PyTorch."""
    from tagging_lib.inference import folder, onnx_export

    say(f"onnx: {onnx_export.export(folder.find(model, Path(outputs)), out)}")


@app.command(name="export-figures")
def export_figures(
    run: Annotated[
        str, typer.Argument(help="A folder outputs/runs/<row>/<key>, or a row's name: its own figures.", show_default=False)
    ] = "",
    figure: Annotated[
        list[str] | None, typer.Option("--figure", help="A figure of the report by its name, such as 06_confusion; repeatable.")
    ] = None,
    kinds: Annotated[
        list[str] | None, typer.Option("--format", help="png, svg or pdf; repeatable. PNG and SVG by default.")
    ] = None,
    width: Annotated[
        float | None, typer.Option(min=40, max=500, help="Width in mm: 85 is a column of a journal, 180 both.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for the figures; by default the run's own, or figures/ in --outputs.")
    ] = None,
    outputs: Outputs = "outputs",
) -> None:
    """Write a run's confusion matrix, threshold curves, scores per label and calibration, or figures of the report by name."""
    from tagging_lib.report import export
    from tagging_lib.runs import kept

    if bool(run) == bool(figure):
        raise TaggingError("name either a run or, with --figure, figures of the report")
    formats = export.checked(kinds or ["png", "svg"])
    if run:
        written = export.export_figures(kept.run_folder(run, Path(outputs)), out, formats, width)
    else:
        target = Path(outputs) / "figures" if out is None else out
        written = [
            one for name in figure or () for one in export.export_named(name, Path(outputs), target, formats, width)
        ]
    for one in written:
        say(str(one.path))
    letters = min(one.letters for one in written)
    if letters < export.SMALLEST_LETTERS:
        wide = math.ceil((width or 0) * export.SMALLEST_LETTERS / letters)
        logger.warning("the smallest letters are %.1f pt high: --width %d gives 6", letters, wide)
