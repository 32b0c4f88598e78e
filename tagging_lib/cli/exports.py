"""Commands that write a model or its figures for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tagging_lib.cli.app import app, say
from tagging_lib.cli.options import Outputs


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
    run: Annotated[str, typer.Argument(help="A folder outputs/runs/<row>/<key>, or a row's name.", show_default=False)],
    out: Annotated[Path | None, typer.Option("--out", help="Folder for the figures; the run's own by default.")] = None,
    outputs: Outputs = "outputs",
) -> None:
    """Write a run's confusion matrix, threshold curves, scores per label and calibration as PNG and SVG."""
    from tagging_lib.report import export
    from tagging_lib.runs import kept

    for path in export.export_figures(kept.run_folder(run, Path(outputs)), out):
        say(str(path))
