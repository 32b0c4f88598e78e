"""Commands about corpora: draw, check, prepare."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tagging_lib.cli.app import app, say
from tagging_lib.cli.options import (
    CorpusPath,
    Corrections,
    DataFolder,
    Layout,
    MinPhotos,
    Read,
    Relabel,
    Seed,
    Separator,
    SkipBroken,
    SplitRule,
    reading,
)
from tagging_lib.errors import TaggingError

if TYPE_CHECKING:
    from tagging_lib.data.corpus import Corpus


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
def check(
    corpus: CorpusPath,
    layout: Layout = "",
    separator: Separator = "",
    relabel: Relabel = "",
    corrections: Corrections = "",
    min_photos: MinPhotos = 0,
    read: Read = None,
    fix: Annotated[Path | None, typer.Option("--fix", help="Write suspicious labels to a table, for --relabel.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print layout, labels with counts and problems as JSON.")] = False,
    photos: Annotated[bool, typer.Option("--photos", help="As JSON, with each photo and its labels as read.")] = False,
    split: SplitRule = "random",
    seed: Seed = 42,
    data: DataFolder = Path("data"),
    skip_broken: SkipBroken = False,
) -> None:
    """Say how a corpus is read, and list every problem; exits 1 where labels would be wrong or the study would stop."""
    from tagging_lib.data import splits
    from tagging_lib.data.corpus import inspect
    from tagging_lib.data.readers.reading import Problem, options_of

    asked = options_of(reading(layout, separator, relabel, min_photos, read, corrections=corrections)).skipping(skip_broken)
    found = inspect(corpus, data_dir=data, options=asked)
    try:
        splits.split(found.corpus, seed, split)
    except TaggingError as error:
        stops = Problem("--split", str(error), f"a study with --split {split} stops there", fatal=True)
        found = replace(found, problems=(*found.problems, stops))
    if fix is not None:
        found.write_fixes(fix)
    if as_json or photos:
        answer = found.as_json(photos=photos)
        if found.corpus.corrections:
            answer["corrections"] = found.corpus.corrections.as_json(_part_of(found.corpus, split, seed, asked.groups, data))
        say(json.dumps(answer, indent=1, ensure_ascii=False))
    else:
        say(f"read as: {found.corpus.read_as}; {len(found.corpus)} photos, {len(found.corpus.labels)} labels")
        if found.corpus.corrections:
            say(f"corrections: {found.corpus.corrections.sentence(_part_of(found.corpus, split, seed, asked.groups, data))}")
        for problem in found.problems:
            say(str(problem))
        counted = Counter(problem.level for problem in found.problems)
        told = ", ".join(f"{count} {level}{'s' if count > 1 else ''}" for level, count in counted.items())
        verdict = "errors stop the study" if counted["error"] else "nothing stops the study"
        if not (found.sound or counted["error"]):
            verdict += ", but it would learn from labels that are wrong"
        say(f"{told}; {verdict}" if told else "no problem found")
        if fix is not None:
            say(
                f"{len(found.fixes)} suspicious labels: {fix}"
                if found.fixes
                else f"no suspicious label; {fix} holds its heading alone"
            )
    if not found.sound:
        raise typer.Exit(1)


def _part_of(corpus: Corpus, rule: str, seed: int, groups: str, data: Path) -> dict[str, str]:
    """The part of each photo in the split of a study; nothing of a corpus that no study could split as it is."""
    from tagging_lib.data import pixels, splits, twins
    from tagging_lib.data.decoding import Framing

    try:
        shown = pixels.Decoded(corpus.as_read, data / "cache").at(pixels.SIDE, Framing.CROP)
        together = twins.together(corpus, groups, shown)
        return splits.part_of_photos(splits.split(corpus, seed, rule, groups=together), corpus)
    except TaggingError:
        return {}  # broken photos, say, which the answer names anyway


@app.command()
def prepare(
    corpus: CorpusPath,
    layout: Layout = "",
    separator: Separator = "",
    relabel: Relabel = "",
    corrections: Corrections = "",
    min_photos: MinPhotos = 0,
    read: Read = None,
    side: Annotated[int, typer.Option(min=8, help="Pixels along the edge of the decoded photos.")] = 128,
    data: DataFolder = Path("data"),
    skip_broken: SkipBroken = False,
) -> None:
    """Unpack or download a corpus and decode its photos once, so that everything later starts at once."""
    from tagging_lib.data import pixels
    from tagging_lib.data.corpus import Corpus
    from tagging_lib.data.readers.reading import options_of

    asked = options_of(reading(layout, separator, relabel, min_photos, read, corrections=corrections))
    opened = Corpus.open(corpus, data_dir=data, skip_broken=skip_broken, options=asked)
    decoded = pixels.load(opened.as_read, side, cache_dir=data / "cache")
    say(f"{opened.name}: {len(opened)} photos, {len(opened.labels)} labels, {decoded.nbytes / 1e6:.0f} MB decoded")
