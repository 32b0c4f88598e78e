"""Figures made of photos: grids, one line of photos per label or transform, galleries of right and wrong answers."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.image import AxesImage

from tagging_lib.report.figures.style import (
    CORRECT_COLOR,
    LINE_SPACING,
    MOST_LABELS,
    PAGE_WIDTH,
    QUIET,
    SMALL,
    WRONG_COLOR,
    Sheet,
    canvas,
    clean,
    label_colors,
    listed,
    nothing_to_show,
    quoted,
    sheet,
    styled,
    written,
)

MARGIN, GAP = 0.06, 0.08  # inches
LINE_HEIGHT = SMALL * LINE_SPACING / 72
CHARACTERS_PER_INCH = 12.5  # of SMALL type
CAPTION_LINES = 3


def as_image(picture: Any) -> np.ndarray:
    """A picture as uint8 (S, S, 3), from uint8 or floats of [0, 1], channels first or last, an array or a tensor."""
    if hasattr(picture, "detach"):
        picture = picture.detach().cpu().numpy()
    picture = np.asarray(picture)
    if picture.shape[0] == 3 and picture.shape[-1] != 3:
        picture = np.moveaxis(picture, 0, -1)
    if picture.dtype != np.uint8:
        picture = np.round(np.clip(np.nan_to_num(picture.astype(float)), 0, 1) * 255).astype(np.uint8)
    return picture


def _image(axes: Any, picture: np.ndarray, extent: tuple[float, float, float, float]) -> AxesImage:
    image = AxesImage(axes, extent=extent, origin="upper")
    image.set_data(picture)
    axes.figure.shows_photos = True
    return image


def _place(axes: Any, picture: np.ndarray, left: float, top: float, size: float, edge: str | None = None) -> None:
    axes.add_image(_image(axes, picture, (left, left + size, top + size, top)))
    if edge:
        axes.plot([left, left + size], [top + size + 0.025] * 2, color=edge, linewidth=3, solid_capstyle="butt")


@styled
def photo_grid(
    pixels: np.ndarray,
    indices: Sequence[int] | np.ndarray,
    captions: Sequence[str] | None = None,
    title: str = "",
    columns: int = 6,
    subtitle: str = "",
    edges: Sequence[str] | None = None,
) -> Sheet:
    """The photos at `indices` of uint8 pixels (N, S, S, 3) in rows of `columns`.

    `captions` go below the photos, `edges` are colours of a line under each; an empty selection says so.
    """
    if not len(indices):
        return nothing_to_show(title or "No photos", "There is no such photo.")
    size = (PAGE_WIDTH - 2 * MARGIN - (columns - 1) * GAP) / columns
    wide = max(int(size * CHARACTERS_PER_INCH), 8)
    texts = [_wrapped(caption, wide) for caption in captions] if captions is not None else []
    tops, height = [], 0.02
    for start in range(0, len(indices), columns):
        tops.append(height)
        lines = max((len(text) for text in texts[start : start + columns]), default=0)
        height += size + GAP + (lines * LINE_HEIGHT + 0.06 if lines else 0)
    figure = sheet(title, height, subtitle)
    axes = canvas(figure, height)
    for number, index in enumerate(indices):
        left, top = MARGIN + number % columns * (size + GAP), tops[number // columns]
        _place(axes, as_image(pixels[index]), left, top, size, edges[number] if edges else None)
        for line, text in enumerate(texts[number] if texts else []):
            axes.text(
                left,
                top + size + 0.04 + (line + 0.85) * LINE_HEIGHT,
                written(text),
                size=SMALL,
                va="baseline",
            )
    return figure


def _wrapped(caption: str, width: int) -> list[str]:
    lines = [line for part in str(caption).split("\n") for line in textwrap.wrap(clean(part, 400), width)]
    return lines if len(lines) <= CAPTION_LINES else [*lines[: CAPTION_LINES - 1], clean(lines[CAPTION_LINES - 1] + "…", width)]


def _rows(
    rows: Mapping[str, Sequence[np.ndarray]],
    title: str,
    subtitle: str,
    colors: Mapping[str, str],
    captions: Mapping[str, Sequence[str]] | None = None,
) -> Sheet:
    """One line of pictures per entry, its name on the left beside a stroke of its colour."""
    columns = max((len(pictures) for pictures in rows.values()), default=0)
    if not columns:
        return nothing_to_show(title, "There is no such photo.")
    names = [textwrap.wrap(clean(row, 40), 15)[:3] for row in rows]
    name_width = 0.2 + max(len(line) for lines in names for line in lines) * 0.082
    size = min((PAGE_WIDTH - 2 * MARGIN - name_width - (columns - 1) * GAP) / columns, 1.5)
    step = size + GAP
    row_step = step + (LINE_HEIGHT if captions else 0)
    height = row_step * len(rows) + 0.02
    figure = sheet(title, height, subtitle)
    axes = canvas(figure, height)
    for number, (row, lines) in enumerate(zip(rows, names, strict=True)):
        top = 0.02 + number * row_step
        if row in colors:
            axes.plot(
                [MARGIN + 0.03] * 2,
                [top + 0.02, top + size - 0.02],
                color=colors[row],
                linewidth=4,
                solid_capstyle="butt",
            )
        text = written("\n".join(lines))
        axes.text(MARGIN + 0.13, top + size / 2, text, size=SMALL, va="center", linespacing=LINE_SPACING)
        if not len(rows[row]):
            axes.text(MARGIN + name_width, top + size / 2, "no photo", size=SMALL, color=QUIET, va="center")
        for place, picture in enumerate(rows[row]):
            left = MARGIN + name_width + place * step
            _place(axes, picture, left, top, size)
            if captions:
                text = written(clean(captions[row][place]))
                axes.text(left, top + size + 0.9 * LINE_HEIGHT, text, size=SMALL, color=QUIET, va="baseline")
    return figure


@styled
def photos_by_label(
    pixels: np.ndarray,
    indices_by_label: Mapping[str, Sequence[int]],
    title: str | None = None,
    subtitle: str = "",
) -> Sheet:
    """One line of photos per label: rows of uint8 pixels (N, S, S, 3) for each label; at most 40 labels are drawn."""
    chosen = list(indices_by_label)[:MOST_LABELS]
    if len(indices_by_label) > MOST_LABELS:
        subtitle = f"{subtitle}{'. ' if subtitle else ''}The first {MOST_LABELS} of {len(indices_by_label)} labels"
    rows = {label: [as_image(pixels[i]) for i in indices_by_label[label]] for label in chosen}
    title = title or f"What the labels look like: {listed([clean(label) for label in chosen], 4)}"
    return _rows(rows, title, subtitle, label_colors(list(indices_by_label)))


@styled
def augmentation_gallery(images_by_name: Mapping[str, Any], title: str | None = None, subtitle: str = "") -> Sheet:
    """One line of pictures per name: sequences of pictures of any form that `as_image` takes."""
    rows = {row: [as_image(picture) for picture in pictures] for row, pictures in images_by_name.items()}
    if title is None:
        drawn = [clean(row) for row in rows if row != "original"]
        title = f"The labels stay true while the pixels change: {listed(drawn, 7)}"
    return _rows(rows, title, subtitle, {})


def _confident(probabilities: np.ndarray, kind: str) -> np.ndarray:
    return np.argsort(-probabilities if kind.endswith("positives") else probabilities, kind="stable")


@styled
def label_gallery(
    pixels: np.ndarray,
    indices: np.ndarray,
    truth: np.ndarray,
    probabilities: np.ndarray,
    threshold: float,
    label: str,
    photos: int = 6,
) -> Sheet:
    """The four kinds of answer for one label, a line each, most confident first.

    `truth` (n,) of 0 and 1 and `probabilities` (n,) in [0, 1] belong to the rows `indices` (n,) of uint8 pixels
    (N, S, S, 3). A label is given at a probability of at least `threshold`.
    """
    indices, truth, probabilities = (
        np.asarray(indices),
        np.asarray(truth).astype(bool),
        np.asarray(probabilities),
    )
    given = probabilities >= threshold
    members = {
        "true positives": truth & given,
        "false positives": ~truth & given,
        "false negatives": truth & ~given,
        "true negatives": ~truth & ~given,
    }
    rows, colors, captions = {}, {}, {}
    for kind, member in members.items():
        found = np.flatnonzero(member)
        chosen = found[_confident(probabilities[found], kind)][:photos]
        row = f"{len(found):,} {kind}"
        rows[row] = [as_image(pixels[i]) for i in indices[chosen]]
        captions[row] = [f"{probability:.3f}" for probability in probabilities[chosen]]
        colors[row] = CORRECT_COLOR if kind.startswith("true") else WRONG_COLOR
    hit, missed, wrong = (int(members[k].sum()) for k in ("true positives", "false negatives", "false positives"))
    title = f"{quoted(label)}: {hit:,} of {hit + missed:,} photos found, {wrong:,} said in error"
    subtitle = f"Most confident answers first, with their probability; the label is given from {threshold:.2f} on"
    return _rows(rows, title, subtitle, colors, captions)
