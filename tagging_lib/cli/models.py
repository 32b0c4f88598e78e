"""Commands about models: train, predict, export."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tagging_lib.cli.app import app, say
from tagging_lib.cli.options import (
    Corpus_,
    DataFolder,
    Device,
    Layout,
    MinPhotos,
    Outputs,
    Profile,
    Read,
    Relabel,
    Seed,
    Separator,
    SkipBroken,
    SplitRule,
    TestPhotos,
    Weights,
    reading,
)
from tagging_lib.errors import TaggingError


@app.command()
def train(
    row: Annotated[
        str, typer.Argument(help="A row of the study, or timm:<network>; by default the one recommended.", show_default=False)
    ] = "",
    corpus: Corpus_ = "sample",
    test_photos: TestPhotos = "",
    profile: Profile = "auto",
    weights: Weights = "",
    outputs: Outputs = "outputs",
    device: Device = "auto",
    seed: Seed = 42,
    training: Annotated[int, typer.Option("--training", min=1, help="Which training of the row, each from its own seed.")] = 1,
    split: SplitRule = "random",
    layout: Layout = "",
    separator: Separator = "",
    relabel: Relabel = "",
    min_photos: MinPhotos = 0,
    read: Read = None,
    changes: Annotated[
        list[str] | None, typer.Option("--set", help="A changed value: side=224, recipe.epochs=40, trained=head; repeatable.")
    ] = None,
    data: DataFolder = Path("data"),
    skip_broken: SkipBroken = False,
) -> None:
    """Train one row of the study and print its test score."""
    from tagging_lib.report import tables
    from tagging_lib.runs import rows
    from tagging_lib.runs.changes import change
    from tagging_lib.runs.kept import mark_apart
    from tagging_lib.runs.key import at_hand
    from tagging_lib.runs.run import run
    from tagging_lib.study.opening import open_study

    study = open_study(
        CORPUS=corpus,
        PROFILE=profile,
        SEED=seed,
        DEVICE=device,
        WEIGHTS=weights,
        OUTPUTS=outputs,
        DATA=str(data),
        TEST_PHOTOS=test_photos,
        SPLIT=split,
        SKIP_BROKEN=skip_broken,
        READ=reading(layout, separator, relabel, min_photos, read),
        record=False,
    )
    chosen = rows.find(row) if row else rows.recommended(study.setting.native_side, at_hand(study.setting))
    experiment = study.profile.scaled(chosen.with_seed(seed + training - 1))
    result = run(change(experiment, changes or []), study.setting)
    mark_apart(result.kept)
    score = result.score("test")
    say(
        f"{result.title}: test micro-F1 {tables.interval(score['micro_f1'], *result.interval)}, "
        f"macro-F1 {tables.number(score['macro_f1'])}, threshold {result.threshold:.2f}, {tables.duration(result.seconds)}; "
        f"{result.folder}"
    )


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


@app.command(name="export-onnx")
def export_onnx(
    model: Annotated[Path, typer.Argument(help="A model folder, such as outputs/final.", show_default=False)],
    out: Annotated[Path | None, typer.Option("--out", help="The file to write; model.onnx in the folder by default.")] = None,
) -> None:
    """Write a final model as ONNX, checked against PyTorch."""
    from tagging_lib.inference import onnx_export

    say(f"onnx: {onnx_export.export(model, out)}")


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
