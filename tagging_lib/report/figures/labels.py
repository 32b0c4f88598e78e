"""Figures of a corpus' labels: how many photos carry each, how many a photo carries, which appear together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.colors import PowerNorm
from matplotlib.ticker import FuncFormatter, MaxNLocator, PercentFormatter

from tagging_lib.report.figures.style import (
    EMPTY,
    QUIET,
    SHADES,
    SMALL,
    UNLABELLED_COLOR,
    Page,
    bare,
    clean,
    label_colors,
    name,
    nothing_to_show,
    page,
    percent,
    quoted,
    readable_on,
    row_height,
    styled,
)

LEGIBLE_MATRIX = 44  # labels: with more, their names at SMALL points would not fit beside a matrix of page width
NUMBERED_MATRIX = 16  # labels: with more, numbers of SMALL points would not fit into the cells
THOUSANDS = FuncFormatter(lambda value, _: f"{value:,.0f}")


@styled
def photos_per_label(targets: np.ndarray, labels: Sequence[str]) -> Page:
    """Bars of how many photos carry each label, and how many carry none, from targets (N, L) of 0 and 1."""
    photos = len(targets)
    counts = np.asarray(targets).sum(axis=0, dtype=np.int64)
    if not photos or not len(labels):
        return nothing_to_show("There are no labelled photos to count", f"{photos:,} photos, {len(labels)} labels.")
    unlabelled = int((~np.asarray(targets).any(axis=1)).sum())
    order = np.argsort(-counts, kind="stable")
    most, least = order[0], order[-1]
    title = f"{quoted(labels[most])} is on {percent(counts[most] / photos)} of the photos"
    if len(labels) > 1:
        title += f", {quoted(labels[least])} on {counts[least]:,} of {photos:,}"
        if counts[least]:
            title += f": one label is {counts[most] / counts[least]:,.0f} times as frequent as the other"
    colors = label_colors(labels)
    bars = [(clean(labels[i]), int(counts[i]), colors[labels[i]]) for i in order]
    bars.append(("no label", unlabelled, UNLABELLED_COLOR))
    figure = page(
        title,
        0.55 + row_height(len(bars)) * len(bars),
        "Photos that carry the label, and share of all photos",
    )
    axes = figure.add_subplot()
    _bars(axes, bars, [f"{count:,}  ({percent(count / photos)})" for _, count, _ in bars])
    return figure


def _bars(axes: Any, bars: Sequence[tuple[str, float, str]], notes: Sequence[str]) -> None:
    places = np.arange(len(bars))
    values = np.array([value for _, value, _ in bars], dtype=float)
    axes.barh(places, values, height=0.72, color=[color for *_, color in bars])
    reach = float(values.max(initial=0)) or 1.0
    for place, value, note in zip(places, values, notes, strict=True):
        axes.text(value + 0.008 * reach, place, note, va="center", size=SMALL)
    axes.set_yticks(places, [name(text) for text, *_ in bars])
    axes.set_ylim(len(bars) - 0.4, -0.6)
    axes.set_xlim(0, 1.17 * reach)
    axes.set_xticks([])
    bare(axes, keep="left")


@styled
def labels_per_photo(targets: np.ndarray) -> Page:
    """Columns of how many photos carry 0, 1, 2 … labels, from targets (N, L) of 0 and 1."""
    carried = np.asarray(targets).sum(axis=1, dtype=np.int64)
    if not len(carried):
        return nothing_to_show("There are no photos to count", "The corpus is empty.")
    counts = np.bincount(carried)
    labelled = carried[carried > 0]
    title = f"{percent(counts[0] / len(carried))} of the photos carry no label"
    if len(labelled):
        title += f"; those that do carry {labelled.mean():.1f} on average, and {labelled.max()} at most"
    figure = page(title, 3.0)
    axes = figure.add_subplot()
    axes.bar(np.arange(len(counts)), counts, width=0.74, color=[UNLABELLED_COLOR, *["#0f619c"] * (len(counts) - 1)])
    if len(counts) <= 20:
        for number, count in enumerate(counts):
            text = f"{count:,}\n{percent(count / len(carried))}"
            axes.annotate(text, (number, count), (0, 3), textcoords="offset points", ha="center", size=SMALL)
        axes.set_xticks(range(len(counts)))
    else:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_ylim(0, 1.17 * counts.max())
    axes.set_yticks([])
    axes.set_xlabel("labels on the photo")
    bare(axes, keep="bottom")
    return figure


@styled
def cooccurrence(matrix: np.ndarray, labels: Sequence[str], title: str | None = None) -> Page:
    """Labels that appear together: a matrix (L, L) of counts (integers) or of shares P(column | row) (floats).

    Shares may be nan, for a label without photos. Of a large label set, the labels seen most with others are shown.
    """
    matrix = np.asarray(matrix)
    shares = np.issubdtype(matrix.dtype, np.floating)
    values = matrix.astype(float)
    np.fill_diagonal(values, np.nan)
    if len(labels) < 2 or not np.isfinite(values).any():
        return nothing_to_show(title or "No labels to be seen together", "This needs photos of two labels.")
    subtitle = (
        "Share of the row's photos that carry the column's label too"
        if shares
        else "Photos that carry both labels; on the diagonal, all photos of the label"
    )
    row, column = divmod(int(np.nanargmax(values)), values.shape[1])
    if title is None:
        one, other, top = quoted(labels[row]), quoted(labels[column]), values[row, column]
        title = (
            f"Of the photos with {one}, {percent(top)} show {other} too"
            if shares
            else f"{one} and {other} meet most often: on {top:,.0f} photos"
        )
    chosen = list(range(len(labels)))
    if len(labels) > LEGIBLE_MATRIX:
        chosen = sorted(np.argsort(-np.nansum(values, axis=0), kind="stable")[:LEGIBLE_MATRIX].tolist())
        subtitle += f". The {LEGIBLE_MATRIX} of {len(labels)} labels that stand most beside others"
    values, diagonal = values[np.ix_(chosen, chosen)], np.diag(matrix)[chosen]
    return _matrix(values, diagonal, [labels[i] for i in chosen], shares, title, subtitle)


def _matrix(values: np.ndarray, diagonal: np.ndarray, labels: list[str], shares: bool, title: str, subtitle: str) -> Page:
    side = len(labels)
    numbered = side <= NUMBERED_MATRIX
    cell = min(0.62, 7.3 / side)
    figure = page(title, 0.95 + max(cell * (0.62 if numbered else 1) * side, 1.2), subtitle)
    axes = figure.add_subplot()
    highest = 1.0 if shares else max(float(np.nanmax(values)), 1.0)
    norm = PowerNorm(0.5, vmin=0, vmax=highest)  # counts of a few and of thousands stay apart
    colors = SHADES.with_extremes(bad=EMPTY)
    picture = axes.pcolormesh(np.ma.masked_invalid(values), cmap=colors, norm=norm, edgecolor="white", linewidth=0.8)
    axes.set_facecolor(EMPTY)
    axes.invert_yaxis()
    if numbered:
        for row in range(side):
            for column in range(side):
                value = diagonal[row] if row == column else values[row, column]
                if np.isfinite(value) and not (shares and row == column):
                    text = (f"{100 * value:.0f}" if shares else f"{value:,.0f}") if value else "·"
                    ink = QUIET if row == column else readable_on(colors(norm(value)))
                    axes.text(column + 0.5, row + 0.5, text, ha="center", va="center", size=SMALL, color=ink)
    places = np.arange(side) + 0.5
    steep = cell < 0.5 or max(len(clean(label)) for label in labels) > 8
    axes.set_xticks(places, [name(label) for label in labels], rotation=90 if steep else 0)
    axes.set_yticks(places, [name(label) for label in labels])
    axes.xaxis.tick_top()
    bare(axes)
    if not numbered:
        scale = figure.colorbar(picture, ax=axes, shrink=0.6, aspect=30, pad=0.02)
        scale.outline.set_visible(False)  # type: ignore[operator]
        if shares:
            scale.ax.yaxis.set_major_formatter(PercentFormatter(1))
        else:
            scale.ax.yaxis.set_major_formatter(THOUSANDS)
    elif shares:
        axes.set_xlabel("numbers are percentages")
    return figure
