"""A matrix of labels against labels: shaded cells, with their numbers where those fit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import seaborn
from matplotlib.colors import PowerNorm
from matplotlib.ticker import FuncFormatter

from tagging_lib.report.figures.style import EMPTY, QUIET, SHADES, SMALL, Sheet, bare, clean, name, percent, readable_on, sheet

NUMBERED = 16  # labels: with more, numbers of SMALL points would not fit into the cells


def matrix(
    values: np.ndarray,
    labels: Sequence[str],
    title: str,
    subtitle: str = "",
    *,
    shares: bool,
    diagonal: Sequence[str] = (),
    rows: str = "",
) -> Sheet:
    """Cells (L, L) of counts, or of shares in [0, 1] written as percentages; nan is left empty.

    The diagonal has no shade; `diagonal` (L,) is what is written there. `rows` says what the rows are.
    """
    values = np.where(np.eye(len(labels), dtype=bool), np.nan, np.asarray(values, dtype=float))
    side, numbered = len(labels), len(labels) <= NUMBERED
    cell = min(0.62, 7.3 / side)
    figure = sheet(title, 0.95 + max(cell * (0.62 if numbered else 1) * side, 1.2), subtitle)
    axes = figure.add_subplot()
    highest = 1.0 if shares else max(float(np.nanmax(values, initial=0)), 1.0)
    numbers = np.round(100 * values if shares else values)
    seaborn.heatmap(
        values,
        ax=axes,
        cmap=SHADES.with_extremes(bad=EMPTY),
        norm=PowerNorm(0.5, vmin=0, vmax=highest),  # counts of a few and of thousands stay apart
        linewidths=0.8,
        annot=np.vectorize(lambda number: f"{number:,.0f}" if number else "·")(numbers) if numbered else None,
        fmt="",
        annot_kws={"size": SMALL},
        cbar=not numbered,
        cbar_kws={"shrink": 0.6, "aspect": 30, "pad": 0.02},
        xticklabels=[name(label) for label in labels],
        yticklabels=[name(label) for label in labels],
    )
    if numbered:
        fills = axes.collections[0].get_facecolor()[np.isfinite(values).ravel()]
        for text, fill in zip(axes.texts, fills, strict=True):
            text.set_color(readable_on(fill[:3]))
        for place, total in enumerate(diagonal):
            axes.text(place + 0.5, place + 0.5, total, ha="center", va="center", size=SMALL, color=QUIET)
    else:
        scale = figure.axes[1].yaxis
        scale.set_major_formatter(FuncFormatter(lambda value, _: percent(value) if shares else f"{value:,.0f}"))
    axes.xaxis.tick_top()
    axes.tick_params("x", rotation=90 if cell < 0.5 or max(len(clean(label)) for label in labels) > 8 else 0)
    axes.tick_params("y", rotation=0)
    axes.set_ylabel(rows)
    axes.set_xlabel("numbers are percentages" if numbered and shares else "")
    bare(axes)
    return figure
