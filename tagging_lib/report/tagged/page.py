"""Tagged photos to look through: one HTML page with thumbnails, a filter by label and a slider for the threshold.

The page loads nothing, as the error explorer does, whose grid and style it shares. It holds at most `MOST` photos, however
many were tagged, and says what it leaves out.
"""

from __future__ import annotations

import io
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup
from PIL import Image

from tagging_lib import files
from tagging_lib.data.decoding import GREY, BrokenPhotoError, Framing, decode_or_fault
from tagging_lib.inference import shards
from tagging_lib.inference.giving import Giving
from tagging_lib.inference.places import Photo
from tagging_lib.report import templates
from tagging_lib.report.embedding import base64_of, json_of, policy
from tagging_lib.report.figures import style

HERE = Path(__file__).resolve().parent
FILE = "predictions.html"
SHARED = HERE.parent / "explorer"
STYLES = (templates.STYLE_SHEET, SHARED / "explorer.css", HERE / "tagged.css")
SCRIPTS = (SHARED / "explorer_model.js", SHARED / "explorer_grid.js", HERE / "tagged.js")
MOST = 2000  # photos of a page
MOST_PROBABILITIES = 4_000_000  # of a page, 21 MB: of a thousand labels and more fewer photos are shown
SIDE, QUALITY = 160, 65  # of a thumbnail's longer edge in px, of its WebP: some 5 kB a photo
BLOCK = '<script type="{type}" id="{id}">{text}</script>'


@dataclass(frozen=True)
class Shown:
    """A page that was written, with so many photos."""

    path: Path
    photos: int


@dataclass
class _Chosen:
    """Photos chosen by lot from a stream: of each label so many that are given it, and of all photos enough for the rest.

    A lot is drawn for each photo by its place in the list, so that the same list always gives the same page.
    """

    most: int
    labels: int
    lots: dict[int, list[tuple[float, int]]] = field(default_factory=dict)  # by label, -1 for all photos
    photos: dict[int, tuple[Photo, np.ndarray]] = field(default_factory=dict)
    seen: int = 0

    def add(self, first: int, photos: list[Photo], probabilities: np.ndarray, given: np.ndarray) -> None:
        """Photos that follow one another from the place `first` on."""
        drawn = np.random.default_rng((0, first)).random(len(photos))
        of_each = max(1, self.most // (2 * self.labels))
        for label in range(-1, self.labels):
            candidates = np.arange(len(photos)) if label < 0 else np.flatnonzero(given[:, label])
            lowest = candidates[np.argsort(drawn[candidates], kind="stable")[: self.most if label < 0 else of_each]]
            before = self.lots.get(label, [])
            for place in lowest.tolist():
                self.photos[first + place] = (photos[place], probabilities[place].copy())  # not the whole shard
            merged = sorted([*before, *((float(drawn[place]), first + place) for place in lowest.tolist())])
            self.lots[label] = merged[: self.most if label < 0 else of_each]
        wanted = {place for lots in self.lots.values() for _, place in lots}
        self.photos = {place: entry for place, entry in self.photos.items() if place in wanted}
        self.seen += len(photos)

    def taken(self) -> list[tuple[Photo, np.ndarray]]:
        """The photos of the page, in the list's order."""
        of_labels = dict.fromkeys(place for label, lots in self.lots.items() if label >= 0 for _, place in lots)
        every = dict.fromkeys([*of_labels, *(place for _, place in self.lots.get(-1, []))])
        return [self.photos[place] for place in sorted(list(every)[: self.most])]


def write(plan: shards.Plan, giving: Giving, out: Path, most: int = MOST) -> Shown:
    """Write `predictions.html` into the folder `out`: the answers of a plan whose shards are finished.

    Raises:
        TaggingError: a shard is missing or damaged, or the disk is full.
    """
    width = len(giving.labels)
    chosen = _Chosen(max(1, min(most, MOST_PROBABILITIES // max(1, width))), width)
    for answers in shards.read(plan):
        sound = np.array([not what for what in answers.broken], dtype=bool)
        found = answers.probabilities[sound][:, giving.columns]
        photos = [answers.photos[place] for place in np.flatnonzero(sound)]
        chosen.add(answers.first, photos, found, giving.given(found))
    taken = chosen.taken()
    thumbnails = _thumbnails([photo for photo, _ in taken])
    data = _data(taken, giving, _about(len(taken), chosen.seen, thumbnails.count("")))
    files.write_text(out / FILE, to_html(data, thumbnails))
    return Shown(out / FILE, len(taken))


def _about(shown: int, seen: int, lost: int) -> str:
    about = f"{seen:,} tagged photos."
    if shown < seen:
        about = (
            f"{shown:,} of {seen:,} tagged photos, chosen by lot: of each label some that are given it, then any. "
            f"{seen - shown:,} are left out, so counts are those of the photos shown."
        )
    return about + (f" {lost:,} can no longer be opened." if lost else "")


def _data(taken: list[tuple[Photo, np.ndarray]], giving: Giving, about: str) -> dict[str, Any]:
    colors = style.label_colors(giving.labels)
    # A browser compares 64-bit numbers: the threshold in the probabilities' own precision, as `thresholds.apply` has it.
    met = giving.thresholds.astype(np.float32).astype(float)
    probabilities = np.array([line for _, line in taken], dtype="<f4")
    return {
        "about": about,
        "labels": giving.labels,
        "colors": [colors[label] for label in giving.labels],
        "thresholds": [value if np.isfinite(value) else None for value in met.tolist()],
        "names": [photo.name for photo, _ in taken],
        "probabilities": base64_of(probabilities.tobytes()),
    }


def to_html(data: dict[str, Any], thumbnails: list[str]) -> str:
    """The page around its data and its photos, base64 WebP each, empty for one that cannot be shown."""
    style_sheet, script = ("".join(path.read_text(encoding="utf-8") for path in paths) for paths in (STYLES, SCRIPTS))
    blocks = {
        "data": BLOCK.format(type="application/json", id="data", text=json_of(data)),
        "photos": BLOCK.format(type="text/plain", id="photos", text="\n".join(thumbnails)),
    }
    return (
        templates.environment()
        .get_template("tagged.html.j2")
        .render(
            style=Markup(style_sheet),
            script=Markup(script),
            policy=policy(style_sheet, script),
            blocks={name: Markup(text) for name, text in blocks.items()},
        )
    )


def _thumbnails(photos: list[Photo]) -> list[str]:
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # Pillow's coders release the interpreter's lock
        return list(pool.map(_thumbnail, photos))


def _thumbnail(photo: Photo) -> str:
    """All of the photo, as base64 WebP; empty where it can no longer be opened."""
    try:
        image = Image.fromarray(_without_bars(decode_or_fault(photo.source(), SIDE, Framing.PAD)))
    except BrokenPhotoError:
        return ""
    content = io.BytesIO()
    image.save(content, "WEBP", quality=QUALITY, method=2)
    return base64_of(content.getvalue())


def _without_bars(square: np.ndarray) -> np.ndarray:
    """The photo between the bars of `Framing.PAD`; all of it where it is nothing but of their colour."""
    inside = (square != np.array(GREY, dtype=np.uint8)).any(axis=2)
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    if not len(rows):
        return square
    return np.ascontiguousarray(square[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])
