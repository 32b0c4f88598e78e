"""Which photos train, which choose, which judge: the three parts of a corpus."""

from __future__ import annotations

import csv
import hashlib
import io
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from tagging_lib import files
from tagging_lib.data.corpus import Corpus
from tagging_lib.errors import TaggingError

RULES = ("random", "stratified", "given")
PARTS = ("train", "validation", "test")


@dataclass(frozen=True, eq=False)
class Split:
    """Row indices of the three parts, each int64 and ascending; together they are all photos, none twice.

    Attributes:
        groups: int64 (N,), as `twins.together` gives them, where photos were kept together.
    """

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    rule: str
    seed: int
    groups: np.ndarray | None = None

    @cached_property
    def fingerprint(self) -> str:
        """16 hexadecimal digits over the three parts."""
        hashed = hashlib.sha256()
        for part in PARTS:
            hashed.update(getattr(self, part).astype("<i8").tobytes() + b"|")
        return hashed.hexdigest()[:16]


def split(
    corpus: Corpus,
    seed: int = 42,
    rule: str = "random",
    fractions: tuple[float, float, float] = (0.6, 0.2, 0.2),
    groups: np.ndarray | None = None,
) -> Split:
    """Divide the photos, which are in ascending order of their number whatever the file system's order.

    `random` is the original's rule; `stratified` keeps each label's share equal in the parts (Sechidis et al., ECML 2011);
    `given` takes the corpus' own parts, and draws one that it lacks from those that train.

    Args:
        groups: int64 (N,), as `twins.together` gives them: photos of one group come into one part. Without groups of more than
            one photo the split is the same as without any. Parts that a corpus gives stay as they are.

    Raises:
        TaggingError: an unknown rule, or a corpus too small for three parts.
    """
    if rule not in RULES:
        raise TaggingError(f"split rule is {rule!r}: choose {', '.join(RULES)}")
    n = len(corpus)
    sizes = [round(n * fraction) for fraction in fractions[:2]]
    if n < 5:
        raise TaggingError(f"{corpus.name} has {n} photos: a split needs at least 5")
    together = np.arange(n) if groups is None else groups
    if rule == "given":
        parts = _given(corpus, seed, fractions, together)
    elif rule == "random":
        parts = cut(np.random.default_rng(seed).permutation(n), sizes, together)
    else:
        # By the labels as read: a correction moves no photo into another part.
        parts = _stratified(corpus.as_read.targets, seed, fractions)
        if groups is not None:
            parts = _joined(parts, groups)
    if not all(map(len, parts)):
        fix = "say --groups none, or give smaller groups"
        raise TaggingError(f"{corpus.name}: groups leave a part of the split without photos: {fix}")
    train, validation, test = (np.sort(part).astype(np.int64) for part in parts)
    return Split(train, validation, test, rule, seed, groups)


def cut(order: np.ndarray, sizes: list[int], groups: np.ndarray) -> list[np.ndarray]:
    """The photos in the order drawn, each with its group behind it, cut where the parts are full; no group is cut.

    Args:
        order: places in the corpus, int64 (n,).
        sizes: photos of each part but the last.
        groups: int64 (N,), of all photos of the corpus, as `twins.together` gives them.
    """
    drawn = groups[order]
    _, first, group = np.unique(drawn, return_index=True, return_inverse=True)
    start = first[group.ravel()]  # where the first photo of the same group was drawn
    arranged = np.lexsort((np.arange(len(order)), start))
    order, start = order[arranged], start[arranged]
    begins = np.searchsorted(start, start)  # where the group begins in the new order
    part_of = np.searchsorted(np.cumsum(sizes), begins, side="right")
    return [order[part_of == part] for part in range(len(sizes) + 1)]


def _joined(parts: list[np.ndarray], groups: np.ndarray) -> list[np.ndarray]:
    """The same parts, with each group in the part of its first photo."""
    part_of = np.empty(len(groups), dtype=np.int64)
    for part, rows in enumerate(parts):
        part_of[rows] = part
    part_of = part_of[groups]
    return [np.flatnonzero(part_of == part) for part in range(len(PARTS))]


def _given(corpus: Corpus, seed: int, fractions: tuple[float, float, float], groups: np.ndarray) -> list[np.ndarray]:
    """The corpus' own parts; photos without one train, and a part that it lacks is drawn from those that train.

    Groups are drawn as a whole, and none of which a photo lies in a part that the corpus gives.
    """
    if not any(corpus.parts):
        raise TaggingError(f"{corpus.name} does not say which photos train and which test: choose random or stratified")
    part_of = np.array([part or "train" for part in corpus.parts], dtype=object)
    order, size = np.random.default_rng(seed).permutation(len(corpus)), len(corpus)
    for part, fraction in zip(PARTS[1:], fractions[1:], strict=True):
        if not (part_of == part).any():
            free = order[(part_of[order] == "train") & ~np.isin(groups[order], groups[part_of != "train"])]
            part_of[cut(free, [round(size * fraction)], groups)[0]] = part
    found = [np.flatnonzero(part_of == part) for part in PARTS]
    for part, places in zip(PARTS, found, strict=True):
        if not len(places):
            raise TaggingError(f"{corpus.name} leaves no photo for {part}: choose random or stratified")
    return found


def _stratified(targets: np.ndarray, seed: int, fractions: tuple[float, float, float]) -> list[np.ndarray]:
    from iterstrat.ml_stratifiers import MultilabelStratifiedShuffleSplit

    # The unlabelled photos are a stratum of their own.
    strata = np.column_stack([targets, ~targets.any(axis=1)]).astype(int)
    everything = np.zeros((len(strata), 1))
    first = MultilabelStratifiedShuffleSplit(1, test_size=1 - fractions[0], random_state=seed)
    train, rest = next(first.split(everything, strata))
    second = MultilabelStratifiedShuffleSplit(1, test_size=fractions[2] / (1 - fractions[0]), random_state=seed)
    validation, test = next(second.split(everything[rest], strata[rest]))
    return [train, rest[validation], rest[test]]


def part_of_photos(split: Split, corpus: Corpus) -> dict[str, str]:
    """`train`, `validation` or `test` for each photo's path."""
    return {corpus.photos[row]: part for part in PARTS for row in getattr(split, part)}


def write_csv(split: Split, corpus: Corpus, path: Path) -> None:
    """One line a photo: its path and the part it belongs to."""
    part_of = part_of_photos(split, corpus)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["photo", "part"])
    writer.writerows((photo, part_of[photo]) for photo in corpus.photos)
    files.write_text(path, text.getvalue())


def read_csv(path: Path, corpus: Corpus, *, rule: str = "file", seed: int = 0) -> Split:
    """The split that `write_csv` wrote.

    Raises:
        TaggingError: it names other photos than the corpus has, or unknown parts.
    """
    with open(path, encoding="utf-8", newline="") as stream:
        part_of = {entry["photo"]: entry["part"] for entry in csv.DictReader(stream)}
    if set(part_of) != set(corpus.photos) or not set(part_of.values()) <= set(PARTS):
        raise TaggingError(f"{path} does not describe the photos of {corpus.name}: make the split again")
    rows = {part: [i for i, photo in enumerate(corpus.photos) if part_of[photo] == part] for part in PARTS}
    return Split(**{part: np.array(rows[part], dtype=np.int64) for part in PARTS}, rule=rule, seed=seed)
