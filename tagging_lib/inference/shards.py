"""Photos tagged shard by shard, so that any number of them can be, by any number of processes, any of which may die.

A shard is some thousand photos that follow one another in the list, and one Parquet file of their probabilities, which
appears whole. What is finished is what is there. `plan.json` beside the files says which model looked at which photos:
files of another plan are never mixed with them.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import logging
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from PIL import __version__ as pillow_version

from tagging_lib import declared, files
from tagging_lib.errors import TaggingError
from tagging_lib.inference.looking import Looker, Places
from tagging_lib.inference.places import Photo, told
from tagging_lib.runs.key import digest_of

logger = logging.getLogger(__name__)
FOLDER, PLAN = "shards", "plan.json"
PHOTOS = 4096  # of a shard
FACTS = b"tagging"  # under which a shard's file says what it holds
DAMAGE = (pa.ArrowException, OSError, ValueError, KeyError, TypeError)
SHARE = re.compile(r"([0-9]+)/([0-9]+)")


@dataclass(frozen=True)
class Shard:
    """Photos that follow one another in the list, from the place `first` on."""

    index: int
    first: int
    photos: tuple[Photo, ...]

    @property
    def state(self) -> str:
        """A digest of the files' sizes and times, as far as they are files here."""
        return hashlib.sha256("\n".join(photo.state for photo in self.photos).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Answers:
    """A finished shard: its photos, and probabilities float32 (n, L); `broken` says of each what was wrong, or is empty."""

    first: int
    photos: list[Photo]
    broken: list[str]
    probabilities: np.ndarray


@dataclass(frozen=True)
class Plan:
    """What the files in a folder are about.

    Attributes:
        folder: that holds them.
        model: the model folder, as it was given.
        described: the model's labels, threshold and checksum.
        identity: 16 hexadecimal digits that change with the model, the names of the photos, their order and number, the
            size of a shard, and whatever else changes a probability; not with thresholds.
    """

    folder: Path
    identity: str
    model: Path
    described: dict[str, Any]
    photos: int
    listing: str
    shard_photos: int

    @property
    def shards(self) -> int:
        """How many there are."""
        return -(-self.photos // self.shard_photos)

    def file(self, index: int) -> Path:
        """Of one shard."""
        return self.folder / f"shard-{index:05d}-of-{self.shards:05d}.parquet"

    def missing(self) -> list[int]:
        """Shards without a file."""
        return [index for index in range(self.shards) if not self.file(index).exists()]


def share_of(text: str) -> tuple[int, int]:
    """Which of how many shares of the work is meant by `2/8`.

    Raises:
        TaggingError: it is no share.
    """
    match = SHARE.fullmatch(text.strip())
    if match is None or not 1 <= int(match[1]) <= int(match[2]):
        raise TaggingError(f"--shard is {text!r}: give the share and how many there are, such as 2/8")
    return int(match[1]), int(match[2])


def begin(
    out: Path,
    looker: Looker,
    photos: Iterable[Photo],
    *,
    given: str = "the list",
    shard_photos: int = PHOTOS,
    fresh: bool = False,
) -> Plan:
    """The plan of the work in the folder `out`, which is made where there is none; the photos are listed for it once.

    Answers of another plan that are finished are replaced, as a second call replaces its results.

    Args:
        given: what the photos come from, for errors.
        fresh: replace those that are not finished, too.

    Raises:
        TaggingError: there are no photos; or the folder holds unfinished answers of another plan, which it names.
    """
    hashed, count = hashlib.sha256(), 0
    for photo in photos:
        try:
            hashed.update(f"{photo.name}\0".encode())
            photo.place.encode()
        except UnicodeEncodeError as error:
            raise TaggingError(f"{photo.place!r}: its name is not UTF-8, which no table could hold: rename it") from error
        count += 1
    if not count:
        raise TaggingError(f"{given} holds no photos: there is nothing to tag")
    facts = {
        "model": {name: looker.described.get(name) for name in ("row", "sha256", "labels")},
        "photos": count,
        "listing": hashed.hexdigest(),
        "shard_photos": shard_photos,
        "code": declared.versions((*declared.DECODING, *declared.NETWORKS)),
        "versions": {"torch": torch.__version__, "pillow": pillow_version},
    }
    folder = out / FOLDER
    with files.locked(folder, f"{folder}: another process plans its work; waiting for it"):
        if (folder / PLAN).exists():
            _refuse_other(folder, facts, fresh)
        elif fresh:
            _drop(folder)
        described = {name: value for name, value in looker.described.items() if name != "network"}
        wanted = facts | {"folder": str(looker.model.absolute()), "described": described}
        if not (folder / PLAN).exists() or files.read_sealed(folder / PLAN) != json.loads(json.dumps(wanted)):
            files.write_sealed(folder / PLAN, wanted)  # a model's threshold may have changed, which concerns no probability
    return find(out)


def find(out: Path) -> Plan:
    """The plan in the folder `out`.

    Raises:
        TaggingError: there is none, or it is damaged.
    """
    path = out / FOLDER / PLAN
    if not path.exists():
        raise TaggingError(f"{path} does not exist: give the folder that `tagging predict --out` was given")
    return _plan(path.parent, files.read_sealed(path))


def _plan(folder: Path, kept: dict[str, Any]) -> Plan:
    facts = {name: value for name, value in kept.items() if name not in ("folder", "described")}
    counted = {name: kept[name] for name in ("photos", "listing", "shard_photos")}
    return Plan(folder, digest_of(facts), Path(kept["folder"]), kept["described"], **counted)


def _refuse_other(folder: Path, facts: dict[str, Any], fresh: bool) -> None:
    """Make room for another plan, where that loses nothing that is wanted."""
    kept = files.read_sealed(folder / PLAN)
    other = [name for name, value in json.loads(json.dumps(facts)).items() if kept.get(name) != value]
    if not other and not fresh:
        return
    plan = _plan(folder, kept)
    missing = len(plan.missing())
    if other and missing and not fresh:
        words = {
            "model": f"of another model ({kept['model']['row']})",
            "photos": "to other photos",
            "listing": "to other photos",
            "shard_photos": f"in shards of {plan.shard_photos} photos",
            "versions": "by other versions of torch or Pillow",
        }
        what = " and ".join(dict.fromkeys(words.get(name, "by another version of this library") for name in other))
        done = f"{plan.shards - missing} of {plan.shards} shards"
        raise TaggingError(f"{folder} holds unfinished answers {what} ({done}): give another --out, or --fresh to drop them")
    logger.info("%s: answers of an earlier call are replaced", folder)
    _drop(folder)


def _drop(folder: Path) -> None:
    (folder / PLAN).unlink(missing_ok=True)  # first, so that no file is taken for one of the new plan
    for path in folder.glob("shard-*.parquet"):
        path.unlink(missing_ok=True)


def shards_of(photos: Iterable[Photo], shard_photos: int) -> Iterator[Shard]:
    """The photos in shards, of which one is held at a time."""
    listed = iter(photos)
    for index in itertools.count():
        taken = tuple(itertools.islice(listed, shard_photos))
        if not taken:
            return
        yield Shard(index, index * shard_photos, taken)


def unfinished(plan: Plan, photos: Iterable[Photo], share: tuple[int, int] = (1, 1)) -> Iterator[Shard]:
    """Shards of a share of the work that have no file, a damaged one, or one of photos that have changed since."""
    which, of = share
    for shard in shards_of(photos, plan.shard_photos):
        if shard.index % of == which - 1 and not _is_finished(plan, shard):
            yield shard


def _is_finished(plan: Plan, shard: Shard) -> bool:
    path = plan.file(shard.index)
    if not path.exists():
        return False
    try:
        facts = _facts(pq.read_schema(path))
    except DAMAGE as error:
        files.set_aside(path, told(error))
        return False
    if facts == _facts_of(plan, shard):
        return True
    logger.info("%s: photos have changed since: they are tagged again", path.name)
    return False


def tag(plan: Plan, shard: Shard, looker: Looker, *, skip_broken: bool = False) -> Path:
    """Tag the photos of a shard; its file, which appears whole.

    Raises:
        TaggingError: a photo cannot be decoded, unless `skip_broken` has it noted in the file; or the disk is full.
    """
    broken: dict[int, str] | None = {} if skip_broken else None
    found = looker.of_photos(Places(shard.photos), broken)
    places = range(len(shard.photos))
    columns = {
        "photo": pa.array([photo.name for photo in shard.photos], pa.string()),
        "place": pa.array([photo.place for photo in shard.photos], pa.string()),
        "start": pa.array([photo.start for photo in shard.photos], pa.int64()),
        "size": pa.array([photo.size for photo in shard.photos], pa.int64()),
        "broken": pa.array([(broken or {}).get(place, "") for place in places], pa.string()),
        "probabilities": pa.FixedSizeListArray.from_arrays(pa.array(found.ravel(), pa.float32()), found.shape[1]),
    }
    table = pa.table(columns).replace_schema_metadata({FACTS: json.dumps(_facts_of(plan, shard)).encode()})
    target = plan.file(shard.index)
    with files.replacing(target) as temporary:
        pq.write_table(table, temporary, write_page_checksum=True)
    return target


def read(plan: Plan) -> Iterator[Answers]:
    """Every shard in order, of which one is held at a time; after the last one it is known that each photo came once.

    Raises:
        TaggingError: a shard is missing, damaged or of another plan; or their photos are not those of the list.
    """
    missing = plan.missing()
    if missing:
        first = ", ".join(map(str, missing[:5])) + (" …" if len(missing) > 5 else "")
        raise TaggingError(
            f"{plan.folder}: {len(missing)} of {plan.shards} shards are missing (number {first}): "
            "run `tagging predict` again as before, which makes those alone"
        )
    hashed, count = hashlib.sha256(), 0
    for index in range(plan.shards):
        answers = _read(plan, index)
        if answers.first != count:
            raise TaggingError(f"{plan.file(index)} begins at photo {answers.first}, not {count}: delete it, then predict again")
        for photo in answers.photos:
            hashed.update(f"{photo.name}\0".encode())
        count += len(answers.photos)
        yield answers
    if (count, hashed.hexdigest()) != (plan.photos, plan.listing):
        raise TaggingError(f"{plan.folder}: the photos of its shards are not those that were listed: predict again with --fresh")


def _read(plan: Plan, index: int) -> Answers:
    path = plan.file(index)
    try:
        table = pq.read_table(path, page_checksum_verification=True)
        facts = _facts(table.schema)
        if (facts["plan"], facts["shard"]) != (plan.identity, index):
            raise ValueError("it holds another shard, or belongs to another plan")
        columns = [table[name].to_pylist() for name in ("photo", "place", "start", "size")]
        photos = [Photo(*values) for values in zip(*columns, strict=True)]
        found = table["probabilities"].combine_chunks().flatten().to_numpy().reshape(len(photos), len(plan.described["labels"]))
        return Answers(facts["first"], photos, table["broken"].to_pylist(), found)
    except DAMAGE as error:
        raise TaggingError(f"{path} is damaged ({told(error)}): delete it, then predict again, which makes it alone") from error


def _facts(schema: pa.Schema) -> dict[str, Any]:
    return json.loads((schema.metadata or {})[FACTS])


def _facts_of(plan: Plan, shard: Shard) -> dict[str, Any]:
    return {"plan": plan.identity, "shard": shard.index, "first": shard.first, "state": shard.state}
