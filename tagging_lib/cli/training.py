"""The command that trains a model."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tagging_lib.cli.app import app, say
from tagging_lib.cli.options import (
    Corpus_,
    Corrections,
    DataFolder,
    Device,
    Groups,
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

if TYPE_CHECKING:
    from tagging_lib.runs.result import Result


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
    corrections: Corrections = "",
    min_photos: MinPhotos = 0,
    groups: Groups = "",
    read: Read = None,
    changes: Annotated[
        list[str] | None, typer.Option("--set", help="A changed value: side=224, recipe.epochs=40, trained=head; repeatable.")
    ] = None,
    data: DataFolder = Path("data"),
    skip_broken: SkipBroken = False,
) -> None:
    """Train one row of the study and print its test score; its folder becomes a model that `tagging predict` and timm take.

    The page summary.html in it says how good the model is, which labels can be relied on, and what to do next.
    """
    from tagging_lib.models import ranks
    from tagging_lib.report import tables
    from tagging_lib.runs import rows
    from tagging_lib.runs.changes import change
    from tagging_lib.runs.kept import mark_apart
    from tagging_lib.runs.key import at_hand
    from tagging_lib.runs.run import run
    from tagging_lib.study.opening import open_study

    asked = reading(layout, separator, relabel, min_photos, read, groups, corrections)
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
        READ=asked,
        record=False,
    )
    chosen = rows.find(row) if row else rows.recommended(study.setting.native_side, at_hand(study.setting))
    experiment = study.profile.scaled(chosen.with_seed(seed + training - 1))
    result = run(change(experiment, changes or []), study.setting, own=True)  # whoever trains wants the network
    writer = ranks.is_writer()
    ranks.leave()  # what follows is for one, which waits for nobody
    if not writer:
        return
    mark_apart(result.kept)
    score = result.score("test")
    say(
        f"{result.title}: test micro-F1 {tables.interval(score['micro_f1'], *result.interval)}, "
        f"macro-F1 {tables.number(score['macro_f1'])}, threshold {result.threshold:.2f}, {tables.duration(result.seconds)}; "
        f"{result.folder}"
    )
    if result.has_network:
        _finish(result, corpus, asked, study.profile.toy)


def _finish(result: Result, corpus: str, read: str, toy: bool) -> None:
    """Make the row's folder whole, and write its page."""
    from tagging_lib import files
    from tagging_lib.inference import whole
    from tagging_lib.report import tables
    from tagging_lib.report.summary import page

    setting, score = result.setting, result.score("test")
    learnt, tested = (len(setting.indices(part)) for part in ("train", "test"))
    card = [
        f"- Corpus `{setting.corpus.name}`, fingerprint `{setting.corpus.fingerprint}`, {learnt:,} photos trained on.",
        f"- Micro-F1 {tables.interval(score['micro_f1'], *result.interval)} on {tested:,} test photos; `{page.FILE}` has more.",
    ]
    not_in_timm = whole.complete(result.folder, card)
    if not_in_timm:
        say(f"timm: {result.folder} does not open there: {not_in_timm}")
    shown = Path(os.path.relpath(result.folder)) if result.folder.is_relative_to(Path.cwd()) else result.folder
    html = page.page(result, corpus=corpus, read=read, folder=str(shown), not_in_timm=not_in_timm, toy=toy)
    files.write_text(result.folder / page.FILE, html)
    say(f"summary: {shown / page.FILE}")
