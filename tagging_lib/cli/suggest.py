"""The command that says which photos to label next."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tagging_lib.cli.app import app, say
from tagging_lib.cli.options import DataFolder, Device, Outputs, SkipBroken


@app.command()
def suggest(
    model: Annotated[str, typer.Argument(help="outputs/final, the folder of a run, or a row's name.", show_default=False)],
    photos: Annotated[Path, typer.Argument(help="Folder or zip of photos without labels.", show_default=False)],
    count: Annotated[int, typer.Option("--photos", min=1, help="How many to suggest.")] = 100,
    out: Annotated[Path, typer.Option("--out", help="Folder for suggestions.csv and suggestions.html.")] = Path("."),
    device: Device = "auto",
    outputs: Outputs = "outputs",
    data: DataFolder = Path("data"),
    skip_broken: SkipBroken = False,
) -> None:
    """Say which photos to label next: those that a model is unsure of, and unlike one another."""
    from tagging_lib import files
    from tagging_lib.data.corpus import open_photos
    from tagging_lib.inference import folder
    from tagging_lib.inference import suggest as suggesting
    from tagging_lib.models.device import choose
    from tagging_lib.report.suggestions import page

    opened = open_photos(photos, data_dir=data, skip_broken=skip_broken)
    table = suggesting.suggest(folder.find(model, Path(outputs)), opened, count, device=choose(device))
    files.make_folder(out)
    suggesting.write(table, out / suggesting.FILE)
    page.write(table, suggesting.chosen(opened, table), out / page.FILE, model=model, looked_at=len(opened))
    say(f"{len(table)} of {len(opened)} photos to label next: {out / suggesting.FILE}, {out / page.FILE}")
