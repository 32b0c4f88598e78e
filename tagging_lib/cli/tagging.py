"""The command that tags photos."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tagging_lib.cli.app import app, say
from tagging_lib.cli.options import DataFolder, Device, Outputs
from tagging_lib.errors import TaggingError


@app.command()
def predict(
    model: Annotated[str, typer.Argument(help="outputs/final, the folder of a run, or a row's name.", show_default=False)],
    photos: Annotated[list[Path], typer.Argument(help="Folders or zips of photos.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", help="Folder for predictions.csv and predictions.txt.")] = Path("."),
    threshold: Annotated[float | None, typer.Option(help="Probability from which a label is given, not the model's.")] = None,
    sidecars: Annotated[bool, typer.Option("--sidecars", help="Write a JSON for each photo, too.")] = False,
    xmp: Annotated[
        bool, typer.Option("--xmp", help="Write the tags to photo.jpg.xmp beside each photo, which photo programs read.")
    ] = False,
    prefix: Annotated[str, typer.Option(help="With --xmp: a branch for the tags; auto gives auto|beach.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="With --xmp: show the changes and write none.")] = False,
    device: Device = "auto",
    outputs: Outputs = "outputs",
    data: DataFolder = Path("data"),
) -> None:
    """Tag photos with a trained model: a CSV with names and probabilities, a 0/1 text file, and XMP files if asked for.

    No photo is ever written to. A second run with --xmp takes away tags that an earlier one gave, and no others.
    """
    from tagging_lib.data.corpus import open_photos
    from tagging_lib.inference.predict import predict_photos
    from tagging_lib.models.device import choose
    from tagging_lib.runs import kept

    for path in photos:
        if xmp and not path.is_dir():
            raise TaggingError(f"{path} is no folder: --xmp writes beside photos, so give the folder that holds them")
    folder = Path(model) if (Path(model) / "model.json").exists() else kept.run_folder(model, Path(outputs))
    taken: dict[str, int] = {}
    for path in photos:
        opened = open_photos(path, data_dir=data)
        taken[opened.name] = taken.get(opened.name, 0) + 1
        again = f"-{taken[opened.name]}" if taken[opened.name] > 1 else ""  # folders of one name, in different places
        target = out if len(photos) == 1 else out / f"{opened.name}{again}"
        table = predict_photos(folder, opened, outputs=target, threshold=threshold, device=choose(device), sidecars=sidecars)
        say(f"{len(table)} photos tagged: {target / 'predictions.csv'}, {target / 'predictions.txt'}")
        if xmp:
            _write_xmp([opened.root / photo for photo in opened.photos], table.attrs["tags"], prefix, dry_run)


def _write_xmp(photos: list[Path], tags: list[list[str]], prefix: str, dry_run: bool) -> None:
    from tagging_lib.inference.xmp import write_sidecars

    changes = write_sidecars(photos, tags, prefix=prefix, dry_run=dry_run)
    changed = [change for change in changes if change.written]
    for change in changed if dry_run else ():
        say(str(change))
    say(f"xmp: {len(changed)} of {len(changes)} files {'would change' if dry_run else 'written'}")
