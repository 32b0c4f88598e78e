"""Photos of anyone, tagged by the model in a folder.

`tag` is for any number of photos: it works in shards, continues where it was killed, and holds one shard at a time.
`predict_photos` and what it calls are for as many as fit into a table.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tagging_lib.data import pixels
from tagging_lib.data.corpus import Corpus
from tagging_lib.errors import TaggingError
from tagging_lib.inference import giving, shards, writing
from tagging_lib.inference.giving import Giving
from tagging_lib.inference.looking import Looker
from tagging_lib.inference.places import Photo
from tagging_lib.inference.shards import Answers, Plan
from tagging_lib.inference.sources import Source

logger = logging.getLogger(__name__)


def tag(
    looker: Looker,
    source: Source,
    out: Path,
    *,
    share: tuple[int, int] = (1, 1),
    shard_photos: int = shards.PHOTOS,
    skip_broken: bool = False,
    fresh: bool = False,
) -> Plan:
    """Tag the photos of a share of the shards that are not finished yet, into `out/shards/`.

    Args:
        share: which of how many.
        skip_broken: note photos that cannot be decoded, and go on.
        fresh: drop answers of another plan, though they are not finished.

    Raises:
        TaggingError: a photo cannot be decoded; or `out` holds unfinished answers of another model or to other photos.
    """
    begun = plan(looker, source, out, shard_photos=shard_photos, fresh=fresh)
    looker.expect(begun.photos)
    for shard in shards.unfinished(begun, source.photos(), share):
        if begun.shards > 1:
            logger.info("shard %d of %d", shard.index + 1, begun.shards)
        shards.tag(begun, shard, looker, skip_broken=skip_broken)
    return begun


def plan(looker: Looker, source: Source, out: Path, *, shard_photos: int = shards.PHOTOS, fresh: bool = False) -> Plan:
    """The work of tagging a source's photos into `out/shards/`, for `tag`, here or on other machines.

    Raises:
        TaggingError: as `shards.begin`.
    """
    return shards.begin(out, looker, source.photos(), given=source.given, shard_photos=shard_photos, fresh=fresh)


def is_unfinished(begun: Plan, source: Source) -> bool:
    """Whether shards of the source are still to be tagged."""
    return next(shards.unfinished(begun, source.photos()), None) is not None


@dataclass(frozen=True)
class Written:
    """What became of a plan's photos: how many were answered, and how many left out because they are broken."""

    photos: int
    broken: int


def write_plan(
    plan: Plan,
    chosen: Giving,
    out: Path,
    *,
    kind: str = "csv",
    skip_broken: bool = False,
    sidecars: bool = False,
) -> Written:
    """Write the finished shards of a plan as `writing.answers` does; nothing is written unless each photo is there once.

    Args:
        skip_broken: leave out broken photos, and list them in `broken.csv`.
        sidecars: as `writing.write_sidecars`; names must be paths below one folder.

    Raises:
        TaggingError: a shard is missing or damaged; a photo is broken, without `skip_broken`; or all are.
    """
    answered = left_out = 0
    first: list[tuple[Photo, str]] = []
    with ExitStack() as stack:
        write = stack.enter_context(writing.answers(out, chosen, kind))
        note = stack.enter_context(writing.broken(out)) if skip_broken else None
        for answers in shards.read(plan):
            broken = [(photo, what) for photo, what in zip(answers.photos, answers.broken, strict=True) if what]
            if note is not None:
                note((photo.name, what) for photo, what in broken)
            elif broken:
                raise TaggingError(f"{broken[0][0]} {broken[0][1]}: replace or remove it, or go on without it by --skip-broken")
            first = first or broken[:1]
            names, found = sound(answers)
            found = found[:, chosen.columns]
            given = chosen.given(found)
            write(names, found, given)
            if sidecars:
                writing.write_sidecars(out, names, found, given, chosen, plan.described["sha256"])
            answered, left_out = answered + len(names), left_out + len(broken)
        if not answered:
            raise TaggingError(f"none of {left_out} photos can be decoded, the first one: {first[0][0]} {first[0][1]}")
    return Written(answered, left_out)


def tags_of_plan(plan: Plan, chosen: Giving) -> Iterator[tuple[list[str], list[list[str]]]]:
    """Names of the photos and their labels, shard by shard, without broken ones."""
    for answers in shards.read(plan):
        names, found = sound(answers)
        yield names, writing.tags_of(chosen.given(found[:, chosen.columns]), chosen.labels)


def sound(answers: Answers) -> tuple[list[str], np.ndarray]:
    """Names and probabilities (n, L) of the photos that are not broken."""
    kept = np.array([not what for what in answers.broken], dtype=bool)
    return [answers.photos[place].name for place in np.flatnonzero(kept)], answers.probabilities[kept]


def predict_photos(
    model: Path,
    photos: Corpus,
    *,
    outputs: Path,
    threshold: float | None = None,
    cache_dir: Path | None = None,
    device: str = "cpu",
    sidecars: bool = False,
) -> pd.DataFrame:
    """Tag photos with the model in a folder, and write what `write` writes; the table that `tagged` makes.

    Args:
        threshold: of all labels, in place of the model's own.
        cache_dir: as `probabilities` takes it.

    Raises:
        TaggingError: the folder holds no whole model, or the threshold is not in (0, 1].
    """
    if threshold is not None and not 0 < threshold <= 1:
        raise TaggingError(f"threshold is {threshold}: choose a probability above 0 and at most 1")
    found, described = probabilities(model, photos, cache_dir=cache_dir, device=device)
    if threshold is not None:
        described = described | {"threshold": threshold}
    return write(tagged(photos, found, described), described, outputs, sidecars=sidecars)


def probabilities(
    model: Path, photos: Corpus, *, cache_dir: Path | None = None, device: str = "cpu"
) -> tuple[np.ndarray, dict[str, Any]]:
    """Probabilities float32 (N, L) of the photos, and the description of the model in the folder.

    Args:
        cache_dir: where the decoded photos are kept, for whoever shows them afterwards. Without it nothing is kept, and
            the memory that they take does not grow with their number.

    Raises:
        TaggingError: the folder holds no whole model.
    """
    looker = Looker(model, device)
    looker.expect(len(photos))
    if cache_dir is None:
        return looker.of_photos(photos), looker.described
    return looker.of_pixels(pixels.load(photos, looker.side, looker.framing, cache_dir=cache_dir)), looker.described


def tagged(photos: Corpus, found: np.ndarray, described: Mapping[str, Any]) -> pd.DataFrame:
    """A table with the columns photo, labels (joined by `;`), and one probability per label, in the photos' order.

    Args:
        found: probabilities float32 (N, L).
        described: the model's labels and threshold.
    """
    chosen = giving.as_described(described)
    tags = writing.tags_of(chosen.given(found), chosen.labels)
    table = writing.table_of(photos.photos, tags, found, chosen.labels)
    table.attrs["tags"] = tags  # a label may hold the separator
    return table


def write(table: pd.DataFrame, described: Mapping[str, Any], outputs: Path, *, sidecars: bool = False) -> pd.DataFrame:
    """Write `predictions.csv` and `predictions.txt` (0/1, one photo a line) into the folder `outputs`, and return the table.

    Probabilities have as many digits as they need: labels made of them are the labels in the table.

    Args:
        sidecars: write `sidecars/<photo>.json` for each photo too: its labels, all probabilities, threshold and model.
    """
    chosen = giving.as_described(described)
    names, found = table.photo.tolist(), table.iloc[:, 2:].to_numpy(dtype=np.float32)
    given = chosen.given(found)
    with writing.answers(outputs, chosen) as add:
        add(names, found, given)
    if sidecars:
        writing.write_sidecars(outputs, names, found, given, chosen, described["sha256"])
    return table
