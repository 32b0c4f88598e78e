"""The `tagging` command. Heavy imports wait until the command that needs them runs."""

from __future__ import annotations

import json
import logging
import math
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from tagging_lib import __version__
from tagging_lib.atomic import storage_error
from tagging_lib.errors import TaggingError

app = typer.Typer(
    help="Multi-label photo tagging: draw, check and prepare corpora; train, predict and score; run the study.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

DataFolder = Annotated[Path, typer.Option("--data", help="Folder for unpacked corpora and decoded photos.")]
CorpusPath = Annotated[
    str,
    typer.Argument(help="sample, mirflickr25k, a folder, a zip, or several zips joined by commas.", show_default=False),
]
Corpus_ = Annotated[
    str, typer.Option("--corpus", help="sample, mirflickr25k, a folder, a zip, or several zips joined by commas.")
]
Profile = Annotated[str, typer.Option("--profile", help="auto, quick, cpu or full.")]
Weights = Annotated[str, typer.Option("--weights", help="Folder with local weights files (*.safetensors, *.pth).")]
Outputs = Annotated[str, typer.Option("--outputs", help="Folder for runs and the report.")]
Device = Annotated[str, typer.Option("--device", help="auto, cpu or cuda.")]
TestPhotos = Annotated[str, typer.Option("--test-photos", help="Folder or zip of unlabelled photos.")]
Photos = Annotated[
    bool, typer.Option("--photos/--no-photos", help="Without photos of the corpus the report can be published.")
]
SkipBroken = Annotated[
    bool, typer.Option("--skip-broken", help="Go on without photos that cannot be decoded; the report lists them.")
]
SplitRule = Annotated[str, typer.Option("--split", help="random or stratified.")]
Seed = Annotated[int, typer.Option("--seed", help="Seed of the split and of the first training.")]


def say(text: str) -> None:
    """What a command answers goes to standard output; progress and warnings go to standard error."""
    sys.stdout.write(text + "\n")


def _version(asked: bool) -> None:
    if asked:
        say(f"tagging {__version__}")
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)


@app.command()
def sample(
    folder: Annotated[Path, typer.Argument(help="Folder to make; it must not exist yet.", show_default=False)],
    photos: Annotated[int, typer.Option(min=1, help="How many photos to draw.")] = 1200,
    seed: Annotated[int, typer.Option(help="Another seed draws another corpus.")] = 0,
) -> None:
    """Draw the sample corpus: scenes in which the 14 labels of the study can be seen."""
    from tagging_lib.sample import corpus as drawing

    say(f"drew {photos} photos into {drawing.draw(folder, photos=photos, seed=seed)}")


@app.command()
def check(corpus: CorpusPath, data: DataFolder = Path("data"), skip_broken: SkipBroken = False) -> None:
    """List every problem of a corpus, photo by photo; exits 1 when one of them would stop the study."""
    from tagging_lib.data.corpus import check as find_problems

    problems = find_problems(corpus, data_dir=data, skip_broken=skip_broken)
    for problem in problems:
        say(str(problem))
    fatal = sum(problem.fatal for problem in problems)
    say(f"{len(problems)} problems, {fatal} of them stop the study" if problems else "no problem found")
    if fatal:
        raise typer.Exit(1)


@app.command()
def prepare(
    corpus: CorpusPath,
    side: Annotated[int, typer.Option(min=8, help="Pixels along the edge of the decoded photos.")] = 128,
    data: DataFolder = Path("data"),
    skip_broken: SkipBroken = False,
) -> None:
    """Unpack or download a corpus and decode its photos once, so that everything later starts at once."""
    from tagging_lib.data import pixels
    from tagging_lib.data.corpus import Corpus

    opened = Corpus.open(corpus, data_dir=data, skip_broken=skip_broken)
    decoded = pixels.load(opened, side, cache_dir=data / "cache")
    say(f"{opened.name}: {len(opened)} photos, {len(opened.labels)} labels, {decoded.nbytes / 1e6:.0f} MB decoded")


@app.command()
def train(
    row: Annotated[str, typer.Argument(help="A row of the study, or timm:<network>.", show_default=False)],
    corpus: Corpus_ = "sample",
    test_photos: TestPhotos = "",
    profile: Profile = "auto",
    weights: Weights = "",
    outputs: Outputs = "outputs",
    device: Device = "auto",
    seed: Seed = 42,
    training: Annotated[int, typer.Option("--training", min=1, help="Which training of the row, each from its own seed.")] = 1,
    split: SplitRule = "random",
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
        record=False,
    )
    experiment = study.profile.scaled(rows.find(row).with_seed(seed + training - 1))
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
    sidecars: Annotated[bool, typer.Option("--sidecars", help="Write a JSON for each photo, too.")] = False,
    device: Device = "auto",
    outputs: Outputs = "outputs",
    data: DataFolder = Path("data"),
) -> None:
    """Tag photos with a trained model: a CSV with names and probabilities, and a 0/1 text file."""
    from tagging_lib.data.corpus import open_photos
    from tagging_lib.inference.predict import predict_photos
    from tagging_lib.models.device import choose
    from tagging_lib.runs import kept

    folder = Path(model) if (Path(model) / "model.json").exists() else kept.run_folder(model, Path(outputs))
    taken: dict[str, int] = {}
    for path in photos:
        opened = open_photos(path, data_dir=data)
        taken[opened.name] = taken.get(opened.name, 0) + 1
        again = f"-{taken[opened.name]}" if taken[opened.name] > 1 else ""  # folders of one name, in different places
        target = out if len(photos) == 1 else out / f"{opened.name}{again}"
        table = predict_photos(
            folder, opened, outputs=target, device=choose(device), sidecars=sidecars
        )
        say(f"{len(table)} photos tagged: {target / 'predictions.csv'}, {target / 'predictions.txt'}")


def _without_nan(value: Any) -> Any:
    """The same with None, JSON's null, for what is undefined."""
    if isinstance(value, dict):
        return {name: _without_nan(entry) for name, entry in value.items()}
    return None if isinstance(value, float) and math.isnan(value) else value


@app.command()
def score(
    truth: Annotated[Path, typer.Argument(help="0/1 matrix, numpy.savetxt format.", show_default=False)],
    predictions: Annotated[list[Path], typer.Argument(help="0/1 matrices to score.", show_default=False)],
    report: Annotated[bool, typer.Option("--report", help="Scores per label too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Score predictions against the truth: micro F1, precision and recall of each file, and their mean."""
    from tagging_lib.evaluation import metrics
    from tagging_lib.report import tables

    targets = metrics.read_savetxt(truth)
    names = ("f1", "precision", "recall")
    scores, per_label = {}, {}
    for path in predictions:
        predicted = metrics.read_savetxt(path)
        if predicted.shape != targets.shape:
            raise TaggingError(f"{path} has shape {predicted.shape}, {truth} has {targets.shape}: they must be equal")
        full = metrics.score(targets, predicted)
        scores[str(path)] = {name: full[f"micro_{name}"] for name in names}
        per_label[str(path)] = metrics.per_label(targets, predicted, [str(i) for i in range(targets.shape[1])])
    mean = {name: sum(s[name] for s in scores.values()) / len(scores) for name in names}
    if as_json:
        answer: dict = {"scores": scores, "mean": mean}
        if report:
            answer["per_label"] = {path: json.loads(t.to_json(orient="records")) for path, t in per_label.items()}
        say(json.dumps(_without_nan(answer), indent=1, allow_nan=False))
        return
    for name, values in (scores | {"mean": mean}).items() if len(scores) > 1 else scores.items():
        say(f"{name}: {tables.f1_with_parts(values['f1'], values['precision'], values['recall'])}")
        if report and name in per_label:
            say(tables.to_markdown(per_label[name]))


@app.command()
def report(
    outputs: Outputs = "outputs",
    photos: Photos = True,
    readme: Annotated[Path | None, typer.Option("--readme", help="Put the headline table into this file, too.")] = None,
) -> None:
    """Render outputs/report/ anew from the notebooks that have run."""
    from tagging_lib.report.pages import readme as readme_section
    from tagging_lib.workflow import publish

    index = publish.build_report(Path(outputs), photos=photos)
    say(f"report: {index}")
    if readme is not None:
        readme_section.fill(readme, index.parent)
        say(f"results: {readme}")


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


@app.command(name="export-onnx")
def export_onnx(
    model: Annotated[Path, typer.Argument(help="A model folder, such as outputs/final.", show_default=False)],
    out: Annotated[Path | None, typer.Option("--out", help="The file to write; model.onnx in the folder by default.")] = None,
) -> None:
    """Write a final model as ONNX, checked against PyTorch."""
    from tagging_lib.inference import onnx_export

    say(f"onnx: {onnx_export.export(model, out)}")


@app.command()
def original(
    folder: Annotated[Path, typer.Argument(help="Folder of <row>.truth.txt and <row>.pred.txt.", show_default=False)],
    outputs: Outputs = "outputs",
) -> None:
    """Recompute the original report from its published predictions; `tagging report` then adds the page."""
    from tagging_lib.report import original as recomputed

    say(f"original: {recomputed.write(folder, Path(outputs))}")


@app.command(name="study")
def run_study(
    corpus: Corpus_ = "sample",
    test_photos: TestPhotos = "",
    profile: Profile = "auto",
    weights: Weights = "",
    outputs: Outputs = "outputs",
    device: Device = "auto",
    seed: Seed = 42,
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="Trainings of each row, each from its own seed.")] = 1,
    split: SplitRule = "random",
    only: Annotated[str, typer.Option("--only", help="Notebooks to run, such as 03,05.")] = "",
    fresh: Annotated[bool, typer.Option("--fresh", help="Run notebooks again that have already finished.")] = False,
    cell_timeout: Annotated[
        float, typer.Option("--cell-timeout", min=0, help="Seconds without a sign of life after which a cell has hung; 0: never.")
    ] = 900.0,
    photos: Photos = True,
    data: DataFolder = Path("data"),
    skip_broken: SkipBroken = False,
) -> None:
    """Run the seven notebooks and render outputs/report/ (what run_all.sh does)."""
    from tagging_lib.workflow import notebooks, publish

    parameters = {
        "CORPUS": corpus,
        "PROFILE": profile,
        "SEED": seed,
        "SEEDS": seeds,
        "DEVICE": device,
        "WEIGHTS": weights,
        "OUTPUTS": outputs,
        "DATA": str(data),
        "TEST_PHOTOS": test_photos,
        "SPLIT": split,
        "SKIP_BROKEN": skip_broken,
    }
    chosen = [part.strip() for part in only.split(",") if part.strip()] or None
    notebooks.run_notebooks(parameters, only=chosen, outputs=Path(outputs), fresh=fresh, cell_timeout=cell_timeout)
    say(f"report: {publish.build_report(Path(outputs), photos=photos)}")


def main() -> None:
    """Entry point: a user's mistake is one line on standard error and exit code 2."""
    try:
        app()
    except TaggingError as error:
        sys.stderr.write(f"tagging: {error}\n")
        sys.exit(2)
    except OSError as error:
        told = storage_error(error)
        if told is None:
            raise
        sys.stderr.write(f"tagging: {told}\n")
        sys.exit(2)
    except KeyboardInterrupt:
        sys.stderr.write("tagging: interrupted; the next call continues where this one stopped\n")
        sys.exit(130)


if __name__ == "__main__":
    main()
