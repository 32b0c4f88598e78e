"""Figures of a corpus' labels: how many photos carry each, how many a photo carries, which appear together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.ticker import MaxNLocator

from tagging_lib.report.figures.matrix import matrix as draw_matrix
from tagging_lib.report.figures.style import (
    ROW_HEIGHT,
    SMALL,
    UNLABELLED_COLOR,
    Sheet,
    and_more,
    bare,
    label_colors,
    most_frequent,
    name,
    nothing_to_show,
    percent,
    quoted,
    sheet,
    styled,
)

LABELLED_COLOR = "#0f619c"


@styled
def photos_per_label(targets: np.ndarray, labels: Sequence[str]) -> Sheet:
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
    shown, others = most_frequent(counts)
    colors = label_colors(labels)
    figure = sheet(title, 0.55 + ROW_HEIGHT * (len(shown) + 1), f"Photos with the label, and their share{others}")
    axes = figure.add_subplot()
    values = [*counts[shown].tolist(), unlabelled]
    bars = axes.barh(range(len(values)), values, 0.72, color=[*(colors[labels[i]] for i in shown), UNLABELLED_COLOR])
    axes.bar_label(bars, [f"{count:,}  ({percent(count / photos)})" for count in values], padding=4, size=SMALL)
    axes.set_yticks(range(len(values)), [*(name(labels[i]) for i in shown), "no label"])
    axes.set_ylim(len(values) - 0.4, -0.6)
    axes.set_xlim(0, 1.17 * (max(values) or 1))
    axes.set_xticks([])
    bare(axes, keep="left")
    return figure


@styled
def labels_per_photo(targets: np.ndarray) -> Sheet:
    """Columns of how many photos carry 0, 1, 2 … labels, from targets (N, L) of 0 and 1."""
    carried = np.asarray(targets).sum(axis=1, dtype=np.int64)
    if not len(carried):
        return nothing_to_show("There are no photos to count", "The corpus is empty.")
    counts = np.bincount(carried)
    labelled = carried[carried > 0]
    title = f"{percent(counts[0] / len(carried))} of the photos carry no label"
    if len(labelled):
        title += f"; those that do carry {labelled.mean():.1f} on average, and {labelled.max()} at most"
    figure = sheet(title, 3.0)
    axes = figure.add_subplot()
    bars = axes.bar(range(len(counts)), counts, 0.74, color=[UNLABELLED_COLOR, *[LABELLED_COLOR] * (len(counts) - 1)])
    if len(counts) <= 20:
        texts = [f"{count:,}\n{percent(count / len(carried))}" for count in counts]
        axes.bar_label(bars, texts, padding=3, size=SMALL)
        axes.set_xticks(range(len(counts)))
    else:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_ylim(0, 1.17 * counts.max())
    axes.set_yticks([])
    axes.set_xlabel("labels on the photo")
    bare(axes, keep="bottom")
    return figure


@styled
def cooccurrence(matrix: np.ndarray, labels: Sequence[str], title: str | None = None) -> Sheet:
    """Labels that appear together: a matrix (L, L) of counts (integers) or of shares P(column | row) (floats).

    Shares may be nan, for a label without photos. Of a large label set the most frequent labels are shown, or, of shares,
    the labels seen most with others.
    """
    matrix = np.asarray(matrix)
    shares = np.issubdtype(matrix.dtype, np.floating)
    values = np.where(np.eye(len(matrix), dtype=bool), np.nan, matrix.astype(float))
    if shares:
        subtitle = "Share of the row's photos that carry the column's label too"
        chosen, _ = most_frequent(np.nansum(values, axis=0))
        others = and_more(len(labels) - len(chosen), "that are seen less with others")
    else:
        subtitle = "Photos that carry both labels; on the diagonal, all photos of the label"
        chosen, others = most_frequent(np.diag(matrix))
    chosen = np.sort(chosen)
    values, names = values[np.ix_(chosen, chosen)], [labels[i] for i in chosen]
    if not np.isfinite(values).any():
        return nothing_to_show(title or "No labels to be seen together", "This needs photos of two labels.")
    if title is None:
        row, column = divmod(int(np.nanargmax(values)), len(names))
        one, other, top = quoted(names[row]), quoted(names[column]), values[row, column]
        title = (
            f"Of the photos with {one}, {percent(top)} show {other} too"
            if shares
            else f"{one} and {other} meet most often: on {top:,.0f} photos"
        )
    totals = () if shares else [f"{count:,}" if count else "·" for count in np.diag(matrix)[chosen]]
    return draw_matrix(values, names, title, subtitle + others, shares=shares, diagonal=totals)
