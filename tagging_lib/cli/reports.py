"""Commands about scores and reports, and the study itself."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Annotated, Any

import typer

from tagging_lib.cli.app import app, say
from tagging_lib.cli.options import (
    Cores,
    Corpus_,
    Corrections,
    DataFolder,
    Device,
    Groups,
    Layout,
    MinPhotos,
    Outputs,
    Photos,
    Profile,
    Ray,
    Read,
    Relabel,
    Seed,
    Seeds,
    Separator,
    SkipBroken,
    SplitRule,
    TestPhotos,
    Weights,
    parameters_of,
    reading,
)
from tagging_lib.errors import TaggingError


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


def _without_nan(value: Any) -> Any:
    """The same with None, JSON's null, for what is undefined."""
    if isinstance(value, dict):
        return {name: _without_nan(entry) for name, entry in value.items()}
    return None if isinstance(value, float) and math.isnan(value) else value


@app.command()
def report(
    outputs: Outputs = "outputs",
    photos: Photos = True,
    readme: Annotated[Path | None, typer.Option("--readme", help="Put the rows that matter into this file, too.")] = None,
) -> None:
    """Render outputs/report/ anew from the notebooks that have run."""
    from tagging_lib.report.pages import readme as readme_section
    from tagging_lib.workflow import publish

    index = publish.build_report(Path(outputs), photos=photos)
    say(f"report: {index}")
    if readme is not None:
        readme_section.fill(readme, index.parent)
        say(f"results: {readme}")


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
    seeds: Seeds = 1,
    split: SplitRule = "random",
    layout: Layout = "",
    separator: Separator = "",
    relabel: Relabel = "",
    corrections: Corrections = "",
    min_photos: MinPhotos = 0,
    groups: Groups = "",
    read: Read = None,
    only: Annotated[str, typer.Option("--only", help="Notebooks to run, such as 03,05.")] = "",
    fresh: Annotated[bool, typer.Option("--fresh", help="Run notebooks again that have already finished.")] = False,
    cell_timeout: Annotated[
        float, typer.Option("--cell-timeout", min=0, help="Seconds without a sign of life after which a cell has hung; 0: never.")
    ] = 900.0,
    photos: Photos = True,
    data: DataFolder = Path("data"),
    skip_broken: SkipBroken = False,
    ray: Ray = "",
    cores: Cores = 0,
) -> None:
    """Run the seven notebooks and render outputs/report/ (what run_all.sh does); with --ray, rows are trained on a cluster."""
    from tagging_lib.study.opening import placed
    from tagging_lib.workflow import notebooks, publish

    parameters = parameters_of(
        corpus=corpus,
        profile=profile,
        seed=seed,
        seeds=seeds,
        device=device,
        weights=weights,
        outputs=outputs,
        data=data,
        test_photos=test_photos,
        split=split,
        skip_broken=skip_broken,
        read=reading(layout, separator, relabel, min_photos, read, groups, corrections),
    )
    chosen = [part.strip() for part in only.split(",") if part.strip()] or None
    if ray:
        from tagging_lib.workflow import spread
        from tagging_lib.workflow.cluster import connected

        more = ["--only", only] * bool(only) + ["--fresh"] * fresh + ["--no-photos"] * (not photos)
        with connected(ray) as cluster:
            spread.train_rows(parameters, cluster, cores)
            if not spread.is_here(parameters, cluster):
                spread.run_notebooks(parameters, cluster, [*more, "--cell-timeout", str(cell_timeout)], cores)
                say(f"report: {placed(outputs) / 'report' / 'index.html'}")
                return
    notebooks.run_notebooks(parameters, only=chosen, outputs=Path(outputs), fresh=fresh, cell_timeout=cell_timeout)
    say(f"report: {publish.build_report(Path(outputs), photos=photos)}")
