"""Which photos to label next: those that a model is unsure of, and unlike one another by what its backbone sees."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from tagging_lib import files
from tagging_lib.data import pixels
from tagging_lib.data.corpus import Corpus
from tagging_lib.errors import TaggingError
from tagging_lib.evaluation import acquisition, thresholds
from tagging_lib.inference.looking import Looker

FILE = "suggestions.csv"
SEPARATOR = ";"
UNSURE_LABELS = 3  # named for each photo
COLUMNS = ["rank", "photo", "uncertainty", "distance", "labels", "unsure"]


def suggest(model: Path, photos: Corpus, count: int, *, device: str = "cpu") -> pd.DataFrame:
    """The photos to label next, the first to be labelled first; any number of them from the front is a good choice.

    Columns: rank from 1, photo, uncertainty (bits in [0, 1], the mean entropy of the labels), distance to the nearest photo
    before (in [0, 2], between features; nan for the first), labels that the model would give, and `unsure`, the labels
    that it is least sure of with their probabilities. `attrs["places"]` are the photos' places in `photos`.

    The most uncertain photos make a pool (`acquisition.pool_size`), out of which unlike ones are taken
    (`acquisition.farthest_first`). Photos are looked at once, and of those outside the pool nothing is kept.

    Raises:
        TaggingError: the folder holds no whole model, or `count` is less than 1.
    """
    if count < 1:
        raise TaggingError(f"photos is {count}: ask for 1 or more")
    looker = Looker(model, device)
    labels, described = looker.labels, looker.described
    size = acquisition.pool_size(count, len(photos))
    places, unsure = np.empty(0, dtype=np.int64), np.empty(0)
    features, found = np.empty((0, 0), dtype=np.float32), np.empty((0, len(labels)), dtype=np.float32)
    done = 0
    looker.expect(len(photos))
    for block in pixels.blocks(photos, looker.side, looker.framing):
        seen, answered = looker.features_of_pixels(block)
        places = np.concatenate([places, np.arange(done, done + len(answered))])
        unsure = np.concatenate([unsure, acquisition.uncertainty(answered)])
        features = np.concatenate([features, seen]) if len(features) else seen
        found = np.concatenate([found, answered])
        done += len(answered)
        kept = np.argsort(-unsure, kind="stable")[:size]
        places, unsure, features, found = places[kept], unsure[kept], features[kept], found[kept]
    order, distances = acquisition.farthest_first(features, count)
    given = thresholds.apply(found[order], described["threshold"])
    table = pd.DataFrame(
        {
            "rank": np.arange(1, len(order) + 1),
            "photo": [photos.photos[place] for place in places[order]],
            "uncertainty": unsure[order],
            "distance": distances,
            "labels": [SEPARATOR.join(labels[column] for column in np.flatnonzero(answer)) for answer in given],
            "unsure": [_least_sure(labels, line) for line in found[order]],
        },
        columns=COLUMNS,
    )
    table.attrs["places"] = places[order]
    return table


def _least_sure(labels: list[str], probabilities: np.ndarray) -> str:
    places = np.argsort(-acquisition.binary_entropy(probabilities), kind="stable")[:UNSURE_LABELS]
    return SEPARATOR.join(f"{labels[place]} {probabilities[place]:.2f}" for place in places)


def write(table: pd.DataFrame, path: Path) -> None:
    """Write the table as CSV."""
    text = io.StringIO()
    table.to_csv(text, index=False, float_format="%.4f")
    files.write_text(path, text.getvalue())


def chosen(photos: Corpus, table: pd.DataFrame) -> Corpus:
    """The suggested photos alone, in their order."""
    places = table.attrs["places"]
    names = tuple(photos.photos[place] for place in places)
    return replace(photos, photos=names, numbers=photos.numbers[places], targets=photos.targets[places])
