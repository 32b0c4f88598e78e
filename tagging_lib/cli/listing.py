"""The command that lists a study's rows, and what is to be typed for those that are missing."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

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
    Seeds,
    Separator,
    SkipBroken,
    SplitRule,
    TestPhotos,
    Weights,
    parameters_of,
    reading,
)


@app.command()
def rows(
    missing: Annotated[bool, typer.Option("--missing", help="Print a command for each row that is still to be trained.")] = False,
    wave: Annotated[
        int,
        typer.Option(
            "--wave", min=0, help="With --missing: 1 for rows that wait for no other missing one, 2 for those after them …"
        ),
    ] = 0,
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
    min_photos: MinPhotos = 0,
    groups: Groups = "",
    read: Read = None,
    corrections: Corrections = "",
    data: DataFolder = Path("data"),
    skip_broken: SkipBroken = False,
) -> None:
    """List the rows of the study: finished, missing, or left out and why; with --missing, the commands that train them.

    `--device cuda` need not be here: it speaks of the machines that the commands are for.
    """
    from tagging_lib.study import plan
    from tagging_lib.study.opening import open_study

    parameters = parameters_of(
        corpus=corpus,
        test_photos=test_photos,
        profile=profile,
        weights=weights,
        outputs=outputs,
        device=device,
        seed=seed,
        seeds=seeds,
        split=split,
        read=reading(layout, separator, relabel, min_photos, read, groups, corrections),
        data=data,
        skip_broken=skip_broken,
    )
    study = open_study(**parameters, record=False, here=False)
    parameters["DEVICE"] = study.setting.device  # a command must not mean something else on a machine with another device
    planned = plan.plan(study)
    if missing or wave:
        for each in plan.missing(planned, wave):
            say(shlex.join(["tagging", *plan.command(each, parameters)]))
        return
    names = [each.experiment.name + (f" (training {each.training})" if each.training > 1 else "") for each in planned]
    for name, each in zip(names, planned, strict=True):
        why = f": {each.left_out.reason}" if each.left_out else ""
        say(f"{name:{max(map(len, names))}}  {each.state:8}  {each.experiment.title}{why}")
