"""Figures of scores: right and wrong answers per label, and rows side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from tagging_lib.evaluation import grouping
from tagging_lib.report.figures.style import (
    BODY,
    CORRECT_COLOR,
    EMPTY,
    INK,
    QUIET,
    ROW_HEIGHT,
    SMALL,
    TRAINED_COLORS,
    UNLABELLED_COLOR,
    WRONG_COLOR,
    Sheet,
    bare,
    canvas,
    clean,
    label_colors,
    most_frequent,
    name,
    nothing_to_show,
    page_width,
    percent,
    quoted,
    readable_on,
    sheet,
    styled,
    tint,
    wrapped,
)

TRAINED_MARKERS = {"all": "o", "last-two-stages": "v", "last-stage": "^", "head": "s", "none": "D"}
TRAINED_NAMES = {
    "all": "all trained",
    "last-two-stages": "last two stages trained",
    "last-stage": "last stage trained",
    "head": "head trained",
    "none": "untrained",
}
CONSTANT = "constant"
NAME_WIDTH = 42  # characters on a line of a row's name
GRID_WIDTH, GRID_STEP, CELL_WIDTH, CELL_HEIGHT, SIDE_WIDTH = 1.6, 1.78, 0.65, 0.57, 0.6  # inches


@styled
def confusion_grid(targets: np.ndarray, predictions: np.ndarray, labels: Sequence[str], title: str | None = None) -> Sheet:
    """One 2×2 table per label, and one for `unlabelled`, with photos and their share; from 0 and 1 of shape (N, L).

    In `unlabelled` the positive answer is that a photo has no label. The shade is the share within the row: of the
    photos that carry the label, or that do not.
    """
    targets, predictions = np.asarray(targets).astype(bool), np.asarray(predictions).astype(bool)
    photos = len(targets)
    if not photos:
        return nothing_to_show("There are no answers to compare with the truth", "The part is empty.")
    chosen, others = most_frequent(targets.sum(axis=0))
    chosen, by_label = np.sort(chosen), label_colors(labels)
    truth = np.column_stack([targets[:, chosen], ~targets.any(axis=1)])
    given = np.column_stack([predictions[:, chosen], ~predictions.any(axis=1)])
    names = [*(str(labels[i]) for i in chosen), "unlabelled"]
    colors = [*(by_label[labels[i]] for i in chosen), UNLABELLED_COLOR]
    hits, support = (truth & given).sum(axis=0), truth.sum(axis=0)
    if title is None:
        recall = np.divide(hits, support, out=np.full(len(names), np.nan), where=support > 0)[:-1]
        title = f"No label is annotated on these {photos:,} photos"
        if np.isfinite(recall).any():
            low, high = int(np.nanargmin(recall)), int(np.nanargmax(recall))
            title = f"{quoted(names[high])} is found on {percent(recall[high])} of its photos"
            if low != high:
                title += f", {quoted(names[low])} on {percent(recall[low])}"
    subtitle = f"{photos:,} photos; percentages of them all; darker: a larger share of the row. Blue answers are right{others}"
    columns = max(1, int(page_width() // GRID_WIDTH))
    step = page_width() / columns
    cell = min(CELL_WIDTH, (step - SIDE_WIDTH) / 2)  # beside the names of the rows
    height = 0.1 + GRID_STEP * -(-len(names) // columns)
    figure = sheet(title, height, subtitle)
    axes = canvas(figure, height)
    outcomes = [~truth & ~given, ~truth & given, truth & ~given, truth & given]
    counts = np.stack([outcome.sum(axis=0) for outcome in outcomes], axis=1).reshape(-1, 2, 2)
    for place, (label, color) in enumerate(zip(names, colors, strict=True)):
        down, across = divmod(place, columns)
        _two_by_two(axes, counts[place], label, color, step * (across + 1) - 2 * cell - 0.07, 0.55 + GRID_STEP * down, cell)
    return figure


def _two_by_two(axes: Axes, counts: np.ndarray, label: str, color: str, left: float, top: float, width: float) -> None:
    """One table, its cells' upper left corner at (left, top), all in inches; rows are the truth, columns the answers."""
    for row, column in np.ndindex(2, 2):
        share = counts[row, column] / max(counts[row].sum(), 1)
        fill = tint(CORRECT_COLOR if row == column else WRONG_COLOR, 0.06 + 0.9 * share)
        x, y = left + width * column, top + CELL_HEIGHT * row
        axes.add_patch(Rectangle((x, y), width - 0.03, CELL_HEIGHT - 0.03, facecolor=fill))
        common: dict[str, Any] = {"ha": "center", "va": "baseline", "color": readable_on(fill)}
        middle = x + width / 2 - 0.015
        axes.text(middle, y + 0.225, f"{counts[row, column]:,}", size=BODY, weight="bold", **common)
        axes.text(middle, y + 0.42, percent(counts[row, column] / counts.sum()), size=SMALL, **common)
    axes.text(left, top - 0.28, name(label, 20), size=BODY, weight="bold", va="baseline")
    axes.plot([left, left + 2 * width - 0.03], [top - 0.225] * 2, color=color, linewidth=3, solid_capstyle="butt")
    for side, text in enumerate(("not said", "said")):
        middle = left + width * (side + 0.5) - 0.015
        axes.text(middle, top - 0.05, text, ha="center", va="baseline", size=SMALL, color=QUIET)
    for side, text in enumerate(("absent", "there")):
        middle = top + CELL_HEIGHT * (side + 0.5) - 0.015
        axes.text(left - 0.05, middle, text, ha="right", va="center", size=SMALL, color=QUIET)


@styled
def per_label_bars(table: pd.DataFrame, title: str | None = None) -> Sheet:
    """F1 of each label between its precision and its recall, best first.

    Columns: label, precision, recall, f1, support; nan where a score is undefined.
    """
    if not len(table):
        return nothing_to_show("There are no labels to score", "The report is empty.")
    colors = label_colors(list(table.label))
    chosen, others = most_frequent(table.support.to_numpy())
    table = table.iloc[np.sort(chosen)].sort_values("f1", ascending=False, na_position="last", kind="stable")
    known = table.dropna(subset="f1")
    if title is None:
        title = "No label can be scored on these photos"
        if len(known):
            title = f"F1 is {known.f1.iloc[0]:.2f} for {quoted(known.label.iloc[0])}"
            if len(known) > 1:
                title += f" and {known.f1.iloc[-1]:.2f} for {quoted(known.label.iloc[-1])}"
    subtitle = f"Per label: F1 between precision and recall; n is the photos that carry it{others}"
    figure = sheet(title, 0.9 + ROW_HEIGHT * len(table), subtitle)
    axes = figure.add_subplot()
    shades = np.array([colors[label] for label in table.label])
    places, f1 = np.arange(len(table)), table.f1.to_numpy(dtype=float)
    ends = table[["precision", "recall", "f1"]].to_numpy(dtype=float)
    drawn = np.isfinite(f1)
    low, high = np.nanmin(ends[drawn], axis=1), np.nanmax(ends[drawn], axis=1)
    axes.hlines(places[drawn], low, high, colors=[tint(shade, 0.45) for shade in shades[drawn]], linewidth=3, zorder=1)
    for metric, marker in (("precision", "<"), ("recall", ">")):
        values = table[metric].to_numpy(dtype=float)[drawn]
        axes.scatter(
            values, places[drawn], 49, marker=marker, facecolors="white", edgecolors=shades[drawn], linewidths=1.5, zorder=2
        )
    axes.scatter(f1[drawn], places[drawn], 56, color=shades[drawn], zorder=3)
    for place, value in enumerate(f1):
        if np.isfinite(value):
            axes.annotate(f"{value:.3f}", (1.01, place), xycoords=("axes fraction", "data"), va="center", size=SMALL)
        else:
            said = f"given to {table.predicted.iloc[place]:,.0f}" if "predicted" in table else "not scored"
            axes.text(0.01, place, f"no photo carries it; {said}", va="center", size=SMALL, color=QUIET)
    axes.set_yticks(range(len(table)), [f"{name(row.label)}  (n={row.support:,.0f})" for row in table.itertuples()])
    axes.set_ylim(len(table) - 0.4, -0.6)
    axes.set_xlim(-0.01, 1.01)
    axes.set_xticks(np.linspace(0, 1, 6))
    axes.grid(axis="x")
    axes.set_xlabel("score")
    for marker, text, face in (
        ("o", "F1 (number on the right)", QUIET),
        ("<", "precision", "white"),
        (">", "recall", "white"),
    ):
        axes.plot([], [], marker, color=QUIET, markerfacecolor=face, markersize=7, label=text)
    figure.legend(loc="outside lower center", ncols=3)
    bare(axes)
    return figure


@styled
def forest(headline: pd.DataFrame, title: str | None = None) -> Sheet:
    """Test micro-F1 of every row with its 95 % interval, best first, beside the original's value and the constant line.

    Columns: title (or row), micro_f1, low, high; used when present: row, network, trained, original_f1, and groups,
    whose letters stand beside the scores: rows that share one are indistinguishable.
    """
    table = headline.dropna(subset="micro_f1").sort_values("micro_f1", ascending=False, kind="stable").reset_index(drop=True)
    if not len(table):
        return nothing_to_show(title or "No row is finished", "Rows appear here once they have run.")
    column = {key: table[key] if key in table else [None] * len(table) for key in ("row", "network", "trained", "original_f1")}
    titles = table["title"] if "title" in table else table["row"]
    letters = table["letters"].fillna("").astype(str) if "letters" in table else pd.Series([""] * len(table))
    constants = [i for i in range(len(table)) if CONSTANT in (column["row"][i], column["network"][i])]
    floor = float(table.micro_f1[constants[0]]) if constants else None
    banded = len(table) > 1 and bool(np.isfinite([table.low[0], table.high[0]]).all())
    subtitle = "Test micro-F1 with its 95 % interval from resampled photos" + (
        "; shaded: the best row's interval" if banded else ""
    )
    if letters.any():
        subtitle += "; rows that share a letter are indistinguishable"
    figure = sheet(title or _forest_message(table, titles, letters, floor), 0.95 + 0.33 * len(table), subtitle)
    axes = figure.add_subplot()
    if banded:
        axes.axvspan(table.low[0], table.high[0], color=EMPTY, linewidth=0, zorder=0)
    if floor is not None:
        axes.axvline(floor, color=INK, linewidth=1, linestyle=(0, (1, 2)), zorder=1)
    seen = []
    for place in range(len(table)):
        trained = "none" if place in constants else column["trained"][place]
        trained = trained if trained in TRAINED_MARKERS else "all"
        color, value = TRAINED_COLORS[trained], table.micro_f1[place]
        seen.append(trained)
        if np.isfinite([table.low[place], table.high[place]]).all():
            axes.plot([table.low[place], table.high[place]], [place, place], color=color, linewidth=2.2, zorder=2)
            text = f"{value:.3f}  [{table.low[place]:.3f}, {table.high[place]:.3f}]"
        else:
            text = f"{value:.3f}"
        axes.plot(value, place, TRAINED_MARKERS[trained], color=color, markersize=7, zorder=3)
        original = column["original_f1"][place]
        if original is not None and np.isfinite(original):
            axes.plot(
                original,
                place - 0.33,
                "v",
                markerfacecolor="white",
                markeredgecolor=INK,
                markersize=6,
                zorder=4,
            )
        text += f"  {letters[place]}" if letters[place] else ""
        axes.annotate(text, (1.015, place), xycoords=("axes fraction", "data"), va="center", size=SMALL)
    axes.set_yticks(range(len(table)), [wrapped(text, NAME_WIDTH) for text in titles])
    axes.set_ylim(len(table) - 0.4, -0.7)
    axes.set_xlim(left=0)
    axes.xaxis.set_major_locator(MaxNLocator(9))
    axes.grid(axis="x")
    axes.set_xlabel("micro-F1")
    for trained in [key for key in TRAINED_MARKERS if key in seen]:
        text = TRAINED_NAMES[trained]
        axes.plot([], [], TRAINED_MARKERS[trained], color=TRAINED_COLORS[trained], markersize=7, label=text)
    if any(value is not None and np.isfinite(value) for value in column["original_f1"]):
        axes.plot([], [], "v", markerfacecolor="white", markeredgecolor=INK, markersize=6, label="original report")
    if floor is not None:
        axes.plot([], [], color=INK, linewidth=1, linestyle=(0, (1, 2)), label="constant answer")
    figure.legend(loc="outside lower center", ncols=6, columnspacing=1.4, handletextpad=0.5, handlelength=1.5)
    bare(axes)
    return figure


def _forest_message(table: pd.DataFrame, titles: Any, letters: pd.Series, floor: float | None) -> str:
    message = f"{clean(titles[0], 2 * NAME_WIDTH)} scores best, with F1 {table.micro_f1[0]:.3f}"
    overlapping = int((table.high[1:] >= table.low[0]).sum())
    alike = sum(grouping.alike(letters[0], other) for other in letters[1:])
    if letters[0]:
        if alike:
            message += f"; {alike} other row{'s' if alike > 1 else ''} {'are' if alike > 1 else 'is'} indistinguishable from it"
        elif len(table) > 1:
            message += ", significantly better than every other row"
    elif overlapping:
        message += f"; the intervals of {overlapping} other row{'s' if overlapping > 1 else ''} overlap its own"
    below = int((table.micro_f1 < floor).sum()) if floor is not None else 0
    if below:
        message += f"; {below} row{'s' if below > 1 else ''} {'score' if below > 1 else 'scores'} below a constant answer"
    return message
