"""Figures of training, epoch by epoch, and of the choice of one threshold."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from tagging_lib.report.figures.style import (
    EMPTY,
    INK,
    METRIC_COLORS,
    PART_COLORS,
    RULE,
    SMALL,
    Sheet,
    bare,
    clean,
    nothing_to_show,
    sheet,
    styled,
    wrapped,
)

if TYPE_CHECKING:
    import pandas as pd

CURVE_COLUMNS, CURVE_NAME_WIDTH = 3, 34  # panels side by side; characters on a line of a row's name above one
PLATEAU = 0.004  # F1: thresholds closer than this to the best one are called as good


@styled
def learning_curves(history: pd.DataFrame, title: str = "", constant_f1: float | None = None) -> Sheet:
    """Micro-F1 and loss of one row against the epoch; `title` names it.

    Columns: epoch, train_loss, train_f1, validation_loss, validation_f1. `constant_f1` is the constant answer's score.
    """
    if not len(history):
        return nothing_to_show(f"{clean(title, 60)}: no epoch was trained" if title else "No epoch was trained", "No history.")
    figure = sheet(_learning_message(history, title), 2.85, _against_constant(history, constant_f1))
    both = figure.subplots(1, 2)
    for axes, measure in zip(both, ("f1", "loss"), strict=True):
        _draw_curves(axes, history, measure, constant_f1 if measure == "f1" else None)
        axes.set_title({"f1": "micro-F1", "loss": "loss"}[measure])
        axes.set_xlabel("epoch")
    both[0].set_ylim(0, _f1_top(both[0]))
    handles, texts = both[0].get_legend_handles_labels()
    figure.legend(handles, texts, loc="outside lower center", ncols=len(texts))
    return figure


@styled
def overfitting(histories: Mapping[str, pd.DataFrame], constant_f1: float | None = None, title: str | None = None) -> Sheet:
    """Micro-F1 on training and validation photos against the epoch, a small panel for each row, all on one scale.

    Columns as for `learning_curves`; rows that trained no epoch are left out.
    """
    rows = {row: table for row, table in histories.items() if len(table)}
    if not rows:
        return nothing_to_show(title or "No epoch was trained", "No history.")
    columns = min(len(rows), CURVE_COLUMNS)
    lines = -(-len(rows) // columns)
    subtitle = "Micro-F1 at one fixed probability; the dot: the epoch that is kept"
    figure = sheet(title or _gap_message(rows), 1.75 * lines + 0.35, subtitle)
    grid = figure.subplots(lines, columns, squeeze=False, sharey=True)
    for axes in grid.flat[len(rows) :]:
        axes.set_axis_off()
    panels = grid.flat[: len(rows)]
    for axes, (row, table) in zip(panels, rows.items(), strict=True):
        _draw_curves(axes, table, "f1", constant_f1)
        axes.set_title(wrapped(row, CURVE_NAME_WIDTH), size=SMALL)
    for axes in panels[-columns:]:
        axes.set_xlabel("epoch")
    grid[0, 0].set_ylim(0, max(map(_f1_top, panels)))
    handles, texts = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles, texts, loc="outside lower center", ncols=len(texts))
    return figure


def _draw_curves(axes: Axes, table: pd.DataFrame, measure: str, constant_f1: float | None) -> None:
    best = _best_epoch(table)
    for part, style_ in (("train", "--"), ("validation", "-")):
        column = f"{part}_{measure}"
        if column in table:
            marker = "o" if len(table) < 3 else None
            axes.plot(table.epoch, table[column], style_, color=PART_COLORS[part], marker=marker, label=part)
    if best is not None:
        axes.axvline(table.epoch[best], color=RULE, linewidth=1, zorder=0)
        if measure == "f1":
            axes.plot(table.epoch[best], table.validation_f1[best], "o", color=PART_COLORS["validation"], markersize=6)
    if constant_f1 is not None:
        axes.axhline(constant_f1, color=INK, linewidth=1, linestyle=(0, (1, 2)), label="constant answer")
    axes.set_xlim(0.5, float(table.epoch.max()) + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True, min_n_ticks=1))  # one epoch has one tick
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.grid(axis="y")
    bare(axes, keep="bottom")


def _f1_top(axes: Axes) -> float:
    return min(1.0, 1.12 * max(axes.get_ylim()[1], 0.05))


def _best_epoch(table: pd.DataFrame) -> Any:
    scores = table.get("validation_f1")
    return scores.idxmax() if scores is not None and scores.notna().any() else None


def _learning_message(table: pd.DataFrame, title: str) -> str:
    best = _best_epoch(table)
    if best is None:
        return title or "Training, epoch by epoch"
    message = f"validation F1 peaks at {table.validation_f1[best]:.3f} in epoch {table.epoch[best]:g} of {table.epoch.max():g}"
    return f"{clean(title, 60)}: {message}" if title else message[0].upper() + message[1:]


def _against_constant(table: pd.DataFrame, constant_f1: float | None) -> str:
    best = _best_epoch(table)
    if best is None:
        return "No validation score was kept"
    if constant_f1 is None:
        return ""
    if table.validation_f1[best] < constant_f1:
        return f"Below a constant answer, which scores {constant_f1:.3f}"
    return f"A constant answer scores {constant_f1:.3f}"


def _gap_message(rows: Mapping[str, pd.DataFrame]) -> str:
    """Which row overfits most in the epoch that is kept, and which least."""
    kept = {row: table.loc[best] for row, table in rows.items() if (best := _best_epoch(table)) is not None}
    gaps = {row: float(epoch.train_f1 - epoch.validation_f1) for row, epoch in kept.items() if "train_f1" in epoch}
    if not gaps:
        return "Training, epoch by epoch"
    widest, narrowest = max(gaps, key=lambda row: gaps[row]), min(gaps, key=lambda row: gaps[row])
    message = f"Train minus validation F1 is {gaps[widest]:+.3f} for {clean(widest, 60)}"
    return message if widest == narrowest else f"{message}, {gaps[narrowest]:+.3f} for {clean(narrowest, 60)}"


@styled
def threshold_curves(sweep: pd.DataFrame, fine: pd.DataFrame | None = None, chosen: float | None = None) -> Sheet:
    """Micro-F1, precision and recall against the threshold: `sweep` on the grid as dots, `fine` as lines.

    Columns: threshold, f1, precision, recall. `chosen` is marked; without it, the best F1 of `sweep` is.
    """
    lines = sweep if fine is None or not len(fine) else fine
    f1 = sweep.f1.fillna(0)  # nothing said, nothing right
    best = f1.idxmax()
    chosen = float(sweep.threshold[best]) if chosen is None else float(chosen)
    good = sweep.threshold[f1 >= f1[best] - PLATEAU]
    at = sweep.iloc[int((sweep.threshold - chosen).abs().argmin())]
    title = f"Threshold {chosen:.2f} gives F1 {at.f1:.3f}"
    if len(good) > 1:
        title += f"; the grid's thresholds from {good.min():.2f} to {good.max():.2f} come within {PLATEAU} of the best"
        if len(good) < int(sweep.threshold.between(good.min(), good.max()).sum()):
            title = title.replace("the grid's thresholds", "thresholds")
    figure = sheet(title, 3.6, f"At {chosen:.2f}: precision {at.precision:.3f}, recall {at.recall:.3f}")
    axes = figure.add_subplot()
    axes.axvspan(good.min(), good.max(), color=EMPTY, linewidth=0, zorder=0)
    axes.axvline(chosen, color=INK, linewidth=1)
    ends: list[list[Any]] = []
    for metric, line in (("precision", "--"), ("recall", (0, (1, 1.2))), ("f1", "-")):
        color, text = METRIC_COLORS[metric], {"f1": "F1"}.get(metric, metric)
        axes.plot(
            lines.threshold,
            lines[metric],
            color=color,
            linestyle=line,
            linewidth=2.4 if metric == "f1" else 1.8,
        )
        axes.plot(sweep.threshold, sweep[metric], "o", color=color, markersize=4.5 if metric == "f1" else 3)
        known = lines[metric].dropna()
        if len(known):
            ends.append([float(known.iloc[-1]), text, color])
    ends.sort()
    for lower, upper in pairwise(ends):
        upper[0] = max(upper[0], lower[0] + 0.06)  # names at the lines' ends must not lie over one another
    for height, text, color in ends:
        axes.annotate(text, (1.01, height), xycoords=("axes fraction", "data"), color=color, weight="bold", va="center")
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1.02)
    axes.set_xticks(np.linspace(0, 1, 11))
    axes.set_xlabel("threshold: a label is given where its probability is at least this")
    axes.grid(axis="y")
    bare(axes, keep="bottom")
    return figure
