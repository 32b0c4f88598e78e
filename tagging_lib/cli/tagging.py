"""The commands that tag photos."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tagging_lib.cli.app import app, say
from tagging_lib.cli.options import Cores, DataFolder, Device, Outputs, Ray
from tagging_lib.errors import TaggingError

if TYPE_CHECKING:
    from tagging_lib.inference.giving import Giving
    from tagging_lib.inference.shards import Plan
    from tagging_lib.inference.sources import Source

Threshold = Annotated[float | None, typer.Option("--threshold", help="Probability from which a label is given, not the model's.")]
Precision = Annotated[
    float | None,
    typer.Option("--precision", help="Give each label from where validation promises this share of right ones, such as 0.9."),
]
MinTrained = Annotated[int, typer.Option("--min-photos", min=0, help="Leave out labels with fewer training photos.")]
Format = Annotated[str, typer.Option("--format", help="csv (with a 0/1 text file), jsonl or parquet.")]
Page = Annotated[bool, typer.Option("--page", help="Write predictions.html, too: photos with their tags, to look through.")]
Broken = Annotated[
    bool, typer.Option("--skip-broken", help="Go on without photos that cannot be decoded (see broken.csv) and broken XMP files.")
]


@app.command()
def predict(
    model: Annotated[str, typer.Argument(help="outputs/final, the folder of a run, or a row's name.", show_default=False)],
    photos: Annotated[
        list[str],
        typer.Argument(
            help="Folders or zips of photos, photos, tar files, or manifests (txt, csv, jsonl, parquet) of paths and URLs.",
            show_default=False,
        ),
    ],
    out: Annotated[Path, typer.Option("--out", help="Folder for predictions.csv and predictions.txt.")] = Path("."),
    threshold: Threshold = None,
    precision: Precision = None,
    min_photos: MinTrained = 0,
    format: Format = "csv",
    page: Page = False,
    sidecars: Annotated[bool, typer.Option("--sidecars", help="Write a JSON for each photo, too.")] = False,
    xmp: Annotated[
        bool, typer.Option("--xmp", help="Write the tags to photo.jpg.xmp beside each photo, which photo programs read.")
    ] = False,
    prefix: Annotated[str, typer.Option(help="With --xmp: a branch for the tags; auto gives auto|beach.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="With --xmp: show the changes and write none.")] = False,
    skip_broken: Broken = False,
    shard: Annotated[
        str, typer.Option("--shard", help="A share of the work, such as 2/8; `tagging merge OUT` joins them all.")
    ] = "",
    shard_photos: Annotated[int, typer.Option("--shard-photos", min=1, help="Photos that are tagged and kept at a time.")] = 4096,
    fresh: Annotated[bool, typer.Option("--fresh", help="Look at all photos again, whatever answers are in OUT.")] = False,
    device: Device = "auto",
    outputs: Outputs = "outputs",
    data: DataFolder = Path("data"),
    ray: Ray = "",
    cores: Cores = 0,
) -> None:
    """Tag photos with a trained model: a CSV with names and probabilities, a 0/1 text file, and more if asked for.

    No photo is ever written to. A second run with --xmp takes away tags that an earlier one gave, and no others. Answers are kept
    in OUT/shards as they come: a call that was killed continues, one with another threshold looks at no photo again.
    """
    from tagging_lib.inference import folder as folders
    from tagging_lib.inference import predict as predicting
    from tagging_lib.inference import shards
    from tagging_lib.inference.giving import choose
    from tagging_lib.inference.looking import Looker
    from tagging_lib.inference.sources import open_sources
    from tagging_lib.inference.writing import check_format
    from tagging_lib.models import device as devices

    check_format(format)
    share = shards.share_of(shard) if shard else (1, 1)
    if shard and (page or xmp or sidecars):
        raise TaggingError("--shard tags a share of the photos: write files about all of them by `tagging merge` afterwards")
    if shard and ray:
        raise TaggingError("--shard and --ray are two ways to share out the work: give one of them")
    found = open_sources(photos, data)
    for source in found:
        _refuse_beside(source, xmp=xmp, sidecars=sidecars)
    folder = folders.find(model, Path(outputs))
    looker = Looker(folder, "cpu" if ray else devices.choose(device))
    wanted = choose(folder, looker.described, threshold=threshold, precision=precision, min_photos=min_photos)
    targets = _targets(found, out)
    if ray:
        from tagging_lib.workflow import spread
        from tagging_lib.workflow.cluster import connected

        pairs = list(zip(found, targets, strict=True))
        plans = [predicting.plan(looker, *pair, shard_photos=shard_photos, fresh=fresh) for pair in pairs]
        asked = spread.Shares(folder, tuple(photos), out, shard_photos, device, data, skip_broken)
        if any(predicting.is_unfinished(plan, source) for plan, source in zip(plans, found, strict=True)):
            with connected(ray) as cluster:
                spread.tag(asked, plans, cluster, cores)
        fresh = False
    for source, target in zip(found, targets, strict=True):
        plan = predicting.tag(
            looker, source, target, share=share, shard_photos=shard_photos, skip_broken=skip_broken, fresh=fresh
        )
        if shard:
            say(f"share {shard} of {plan.photos} photos tagged: join the shares by `tagging merge {target}` when all are there")
            continue
        _write(plan, wanted, target, format, skip_broken=skip_broken, page=page, sidecars=sidecars)
        if xmp and source.root is not None:
            _write_xmp(plan, wanted, source.root, prefix, dry_run, skip_broken)


@app.command()
def merge(
    out: Annotated[Path, typer.Argument(help="The folder that `tagging predict --out` was given.", show_default=False)],
    threshold: Threshold = None,
    precision: Precision = None,
    min_photos: MinTrained = 0,
    format: Format = "csv",
    page: Page = False,
    skip_broken: Broken = False,
    model: Annotated[
        Path | None, typer.Option("--model", help="The model's folder, for --precision and --min-photos, where it has moved.")
    ] = None,
) -> None:
    """Join the shards that `tagging predict` left, whoever made them; every photo must be there exactly once."""
    from tagging_lib.inference import shards
    from tagging_lib.inference.giving import choose

    plan = shards.find(out)
    folder = model or plan.model
    wanted = choose(folder, plan.described, threshold=threshold, precision=precision, min_photos=min_photos)
    _write(plan, wanted, out, format, skip_broken=skip_broken, page=page)


def _refuse_beside(source: Source, *, xmp: bool, sidecars: bool) -> None:
    """Files beside photos need a folder; those by their names need names without surprises."""
    if xmp and source.kind != "folder":
        raise TaggingError(f"{source.given} is no folder: --xmp writes beside photos, so give the folder that holds them")
    if sidecars and source.root is None:
        raise TaggingError(f"{source.given} is neither a folder nor a zip, which --sidecars needs: --format jsonl says the same")


def _targets(found: list[Source], out: Path) -> list[Path]:
    """A folder of answers for each source; several of one name get numbers."""
    taken: dict[str, int] = {}
    targets = []
    for source in found:
        taken[source.name] = taken.get(source.name, 0) + 1
        again = f"-{taken[source.name]}" if taken[source.name] > 1 else ""
        targets.append(out if len(found) == 1 else out / f"{source.name}{again}")
    return targets


def _write(
    plan: Plan, wanted: Giving, target: Path, format: str, *, skip_broken: bool, page: bool = False, sidecars: bool = False
) -> None:
    from tagging_lib.inference import predict as predicting
    from tagging_lib.inference import writing

    written = predicting.write_plan(plan, wanted, target, kind=format, skip_broken=skip_broken, sidecars=sidecars)
    made = [writing.file_of(target, format)] + ([target / writing.MATRIX] if format == "csv" else [])
    say(f"{written.photos} photos tagged: {', '.join(map(str, made))}")
    if written.broken:
        say(f"{written.broken} photos cannot be decoded: {target / writing.BROKEN}")
    if page:
        from tagging_lib.report.tagged import page as tagged_page

        shown = tagged_page.write(plan, wanted, target)
        say(f"{shown.photos} of them to look through: {shown.path}")


def _write_xmp(plan: Plan, wanted: Giving, root: Path, prefix: str, dry_run: bool, skip_broken: bool) -> None:
    from tagging_lib.inference.predict import tags_of_plan
    from tagging_lib.inference.xmp import write_sidecars

    changed = every = 0
    broken: list[str] | None = None
    for only_looking in (True, False)[: 1 if dry_run else 2]:  # all files are looked at before the first is written
        changed = every = 0
        broken = [] if skip_broken else None
        for names, tags in tags_of_plan(plan, wanted):
            places = [root / name for name in names]
            changes = write_sidecars(places, tags, prefix=prefix, dry_run=only_looking, broken=broken)
            changed += sum(change.written for change in changes)
            every += len(changes)
            for change in changes if dry_run else ():
                if change.written:
                    say(str(change))
    say(f"xmp: {changed} of {every} files {'would change' if dry_run else 'written'}")
    if broken:
        say(f"xmp: {len(broken)} files are passed over as they are, first {broken[0]}")
