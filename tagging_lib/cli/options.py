"""Options that several commands take, each under one name with one help text."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated, Any

import typer

from tagging_lib.data.readers.reading import OWN_OPTIONS

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
Device = Annotated[str, typer.Option("--device", help="auto, cpu, cuda, or one of several: cuda:1.")]
TestPhotos = Annotated[str, typer.Option("--test-photos", help="Folder or zip of unlabelled photos.")]
Photos = Annotated[bool, typer.Option("--photos/--no-photos", help="Without photos of the corpus the report can be published.")]
SkipBroken = Annotated[
    bool, typer.Option("--skip-broken", help="Go on without photos that cannot be decoded; the report lists them.")
]
SplitRule = Annotated[str, typer.Option("--split", help="random, stratified, or given by the corpus.")]
Seed = Annotated[int, typer.Option("--seed", help="Seed of the split and of the first training.")]
Seeds = Annotated[int, typer.Option("--seeds", min=1, help="Trainings of each row, each from its own seed.")]
Ray = Annotated[
    str,
    typer.Option("--ray", help="A Ray cluster: auto, local, ray://HOST:PORT or HOST:PORT; its nodes must see the same files."),
]
Cores = Annotated[int, typer.Option("--cores", min=0, help="With --ray: cores of each command; 0 shares them out.")]
Layout = Annotated[str, typer.Option("--layout", help="How the corpus is laid out; found by itself where one layout fits.")]
Separator = Annotated[str, typer.Option("--separator", help="What stands between the labels of a cell of a table.")]
Relabel = Annotated[str, typer.Option("--relabel", help="A CSV of the columns label, becomes; `check --fix` writes one.")]
Corrections = Annotated[
    str, typer.Option("--corrections", help="What the error explorer exported: a CSV, or several joined by commas.")
]
MinPhotos = Annotated[int, typer.Option("--min-photos", min=0, help="Leave out labels on fewer photos.")]
Groups = Annotated[
    str, typer.Option("--groups", help="What stays in one part of the split: found (twins; the default), folder, none, a column.")
]
Read = Annotated[
    list[str] | None,
    typer.Option("--read", help="How a corpus is read, as name=value: photo_column, label_column, hierarchy, table …"),
]


def reading(
    layout: str,
    separator: str,
    relabel: str,
    min_photos: int,
    more: list[str] | None,
    groups: str = "",
    corrections: str = "",
) -> str:
    """What was asked of reading, in one line as notebooks take it: name=value words, quoted as in a shell."""
    given = dict(zip(OWN_OPTIONS, (layout, separator, relabel, corrections, str(min_photos or ""), groups), strict=True))
    words = []
    for line in more or ():  # one pair, whatever its value holds, or several as a report's command has them
        several = shlex.split(line)
        words += several if all("=" in word for word in several) else [line]
    return shlex.join([*(f"{name}={value}" for name, value in given.items() if value), *words])


def parameters_of(**options: Any) -> dict[str, Any]:
    """Options of a command as notebooks name them."""
    return {name.upper(): str(value) if isinstance(value, Path) else value for name, value in options.items()}
