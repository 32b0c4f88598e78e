"""Figures of what training sees of a corpus: the split, the loss' weights, the colours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import seaborn
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator, PercentFormatter

from tagging_lib.report.figures.style import (
    CHANNEL_COLORS,
    MOST_LABELS,
    PART_COLORS,
    QUIET,
    ROW_HEIGHT,
    RULE,
    SMALL,
    Sheet,
    and_more,
    bare,
    label_colors,
    listed,
    name,
    nothing_to_show,
    percent,
    quoted,
    sheet,
    styled,
)

HISTOGRAM_PHOTOS = 2000


@styled
def split_balance(table: pd.DataFrame) -> Sheet:
    """Dots of the share of photos with each label in the parts, from columns label, train, validation, test."""
    parts = [part for part in PART_COLORS if part in table.columns]
    table = table.iloc[np.argsort(-table[parts].mean(axis=1).to_numpy(), kind="stable")]
    values = table[parts].to_numpy(dtype=float)
    if not len(table):
        return nothing_to_show("There are no labels to compare", "The split has no labels.")
    spread = values.max(axis=1) - values.min(axis=1)
    worst = int(np.nanargmax(spread)) if np.isfinite(spread).any() else 0
    title = f"No label's share differs by more than {100 * spread[worst]:.1f} points between the parts"
    subtitle = f"Share of photos with the label; the widest gap is at {quoted(table.label.iloc[worst])}"
    if len(table) > MOST_LABELS:
        rarest = f"with a share of {percent(np.nanmax(values[MOST_LABELS:]))} at most"
        subtitle += and_more(len(table) - MOST_LABELS, rarest)
        table, values = table.iloc[:MOST_LABELS], values[:MOST_LABELS]
    places = np.arange(len(table))
    figure = sheet(title, 1.0 + ROW_HEIGHT * len(table), subtitle)
    axes = figure.add_subplot()
    axes.hlines(places, values.min(axis=1), values.max(axis=1), color=RULE, linewidth=3)
    for part, marker in zip(parts, "os^", strict=False):
        color = PART_COLORS[part]
        axes.plot(table[part], places, marker, color=color, markersize=6, alpha=0.9, label=part, markeredgewidth=0)
    axes.set_yticks(places, [name(label) for label in table.label])
    axes.set_ylim(len(table) - 0.4, -0.6)
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    if low > 0 and high > 5 * low:  # equal gaps are equal ratios: a rare label's gap shows as a common one's does
        axes.set_xscale("log")
        axes.set_xlim(low / 1.2, min(high * 1.2, 1.1))
        _decimal_log_ticks(axes, low / 1.2, high)
        axes.set_xlabel("share of the part's photos (logarithmic)")
    else:
        axes.set_xlim(left=0)
        axes.set_xlabel("share of the part's photos")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:g} %"))
    axes.grid(axis="x")
    figure.legend(loc="outside lower center", ncols=len(parts))
    bare(axes)
    return figure


@styled
def pos_weights(labels: Sequence[str], weights: np.ndarray) -> Sheet:
    """Bars, on a logarithmic axis, of the weight (L,) that the loss gives to each label's positives."""
    weights = np.asarray(weights, dtype=float)
    if not len(labels):
        return nothing_to_show("There are no labels to weight", "The corpus has no labels.")
    order = np.argsort(-weights, kind="stable")
    first, last = order[0], order[-1]
    others, order = order[:-MOST_LABELS], order[-MOST_LABELS:]  # the most frequent labels weigh least
    title = f"To the loss, one photo with {quoted(labels[first])} weighs as much as {weights[first]:,.1f} without it"
    if len(labels) > 1:
        title += f"; one with {quoted(labels[last])} as {weights[last]:,.1f}"
    colors = label_colors(labels)
    subtitle = "Negatives ÷ positives among the training photos"
    if len(others):
        subtitle += and_more(len(others), f"with weights from {weights[others].min():,.1f}")
    figure = sheet(title, 0.75 + ROW_HEIGHT * len(order), subtitle)
    axes = figure.add_subplot()
    places = np.arange(len(order))
    floor, highest = min(1.0, float(weights[order].min()) / 1.3), float(weights[order].max())
    axes.hlines(places, floor, weights[order], color=RULE, linewidth=2)
    axes.scatter(weights[order], places, s=46, color=[colors[labels[i]] for i in order], zorder=3)
    for place, index in enumerate(order):
        text = f"{weights[index]:,.1f}"
        axes.annotate(text, (weights[index], place), (8, 0), textcoords="offset points", va="center", size=SMALL)
    axes.set_xscale("log")
    axes.set_xlim(floor, highest * 1.5)
    _decimal_log_ticks(axes, floor, highest)
    axes.set_yticks(places, [name(labels[i]) for i in order])
    axes.set_ylim(len(order) - 0.4, -0.6)
    axes.set_xlabel("weight of a positive (logarithmic)")
    bare(axes, keep="left")
    return figure


def _decimal_log_ticks(axes: Any, low: float, high: float) -> None:
    steps = [digit * 10.0**power for power in range(-6, 10) for digit in (1, 2, 5)]
    axes.xaxis.set_major_locator(FixedLocator([step for step in steps if low <= step <= high * 1.5]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    axes.xaxis.set_minor_locator(NullLocator())


@styled
def channel_histograms(pixels: np.ndarray, indices: np.ndarray, means: np.ndarray | None = None) -> Sheet:
    """Distribution of red, green and blue over the photos at `indices` of uint8 pixels (N, S, S, 3), with the means.

    Of more than 2,000 photos, 2,000 evenly spread ones are counted. `means` (3,) on [0, 1] are those of all photos; without
    them the means of the counted ones are shown.
    """
    indices = np.asarray(indices)
    if not len(indices):
        return nothing_to_show("There are no photos to count colours on", "The part is empty.")
    chosen = indices[np.linspace(0, len(indices) - 1, min(len(indices), HISTOGRAM_PHOTOS)).astype(int)]
    counts = np.zeros((3, 256))
    for photo in chosen:
        values = np.asarray(pixels[photo]).reshape(-1, 3)
        counts += [np.bincount(values[:, channel], minlength=256) for channel in range(3)]
    shares = counts / counts.sum(axis=1, keepdims=True)
    means = shares @ np.arange(256) / 255 if means is None else np.asarray(means)
    names = list(CHANNEL_COLORS)
    strongest, weakest = names[int(means.argmax())], names[int(means.argmin())]
    title = f"{strongest.capitalize()} is the strongest channel on average, {weakest} the weakest"
    if means.max() - means.min() < 0.005:
        title = "Red, green and blue are equally strong on average"
    sampled = f"{len(chosen):,} photos" + (f" spread evenly over {len(indices):,}" if len(chosen) < len(indices) else "")
    figure = sheet(title, 3.1, f"Share of pixels at each value of 0–255, over {sampled}; the first and last value apart")
    axes = figure.add_subplot()
    top = 1.25 * max(float(shares[:, 1:255].max()), 1e-4)
    curves = pd.DataFrame(shares[:, 1:255].T, index=np.arange(1, 255), columns=names)
    seaborn.lineplot(curves, palette=CHANNEL_COLORS, dashes=["", (4, 1.5), (1, 1.2)], linewidth=1.7, legend=False, ax=axes)
    for line, color_name, mean in zip(axes.lines, names, means, strict=True):
        line.set_label(f"{color_name}, mean {mean:.3f}")
        axes.axvline(255 * mean, color=line.get_color(), linestyle=line.get_linestyle(), linewidth=1, ymax=0.06)
    ends = [listed([f"{color_name} {percent(shares[i, end])}" for i, color_name in enumerate(names)]) for end in (0, 255)]
    axes.text(0.005, 0.97, f"at 0: {ends[0]}", transform=axes.transAxes, size=SMALL, color=QUIET, va="top")
    axes.text(0.995, 0.97, f"at 255: {ends[1]}", transform=axes.transAxes, size=SMALL, color=QUIET, va="top", ha="right")
    axes.set_xlim(0, 255)
    axes.set_ylim(0, top)
    axes.set_xticks([0, 51, 102, 153, 204, 255])
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=1))
    axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.set_xlabel("pixel value")
    axes.grid(axis="y")
    figure.legend(loc="outside lower center", ncols=3)
    bare(axes, keep="bottom")
    return figure
