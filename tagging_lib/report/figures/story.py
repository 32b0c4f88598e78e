"""The figure on the report's front page: the rows that matter, from the constant answer to the best ensemble."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from tagging_lib.report.figures.style import (
    BODY,
    EMPTY,
    INK,
    QUIET,
    SMALL,
    TRAINED_COLORS,
    UNLABELLED_COLOR,
    WRONG_COLOR,
    Sheet,
    bare,
    clean,
    nothing_to_show,
    sheet,
    styled,
    written,
)

STEP = 0.5  # inches for one row
ENSEMBLE_COLOR = "#7a3e9d"
TITLE_WIDTH = 52  # characters of a row's title


@styled
def story(table: pd.DataFrame, title: str | None = None) -> Sheet:
    """Test micro-F1 of the rows that matter with their 95 % intervals, in the order of the table, beside the original's line.

    Columns as `study.summary.STORY`: what, row, title, group, trained, micro_f1, low, high. A line without an interval is
    the value that the original reported.
    """
    table = table.dropna(subset="micro_f1").reset_index(drop=True)
    if not len(table):
        return nothing_to_show(title or "No row is finished", "Rows appear here once they have run.")
    reported = ~np.isfinite(table.low.to_numpy(dtype=float)) & (table.row == "").to_numpy()
    constants = table[table.row == "constant"]
    subtitle = "Test micro-F1 with its 95 % interval; each row is the best of its kind on validation"
    figure = sheet(title or _message(table, reported), 0.55 + STEP * len(table), subtitle)
    axes = figure.add_subplot()
    for place, line in enumerate(table.itertuples()):
        color = _color(line, bool(reported[place]))
        known = bool(np.isfinite([line.low, line.high]).all())
        if reported[place]:
            axes.axvline(line.micro_f1, color=WRONG_COLOR, linewidth=1.3, linestyle="--", zorder=1)
            axes.plot(line.micro_f1, place, "v", markerfacecolor="white", markeredgecolor=color, markersize=8, zorder=4)
        else:
            axes.barh(place, line.micro_f1, 0.5, color=EMPTY, zorder=0)
            axes.plot(line.micro_f1, place, "o", color=color, markersize=8, zorder=3)
        if known:
            axes.plot([line.low, line.high], [place, place], color=color, linewidth=2.6, zorder=2)
        text = f"{line.micro_f1:.3f}" + (f"  [{line.low:.3f}, {line.high:.3f}]" if known else "")
        axes.annotate(text, (1.015, place), xycoords=("axes fraction", "data"), va="center", size=BODY)
        named: dict[str, Any] = {"ha": "right", "xycoords": ("axes fraction", "data"), "annotation_clip": False}
        alone = clean(line.title) == clean(line.what)
        axes.annotate(written(clean(line.what, TITLE_WIDTH)), (-0.015, place - (0 if alone else 0.17)), va="center", size=BODY,
                      weight="bold", **named)  # fmt: skip
        if not alone:
            axes.annotate(written(clean(line.title, TITLE_WIDTH)), (-0.015, place + 0.2), va="center", size=SMALL, color=QUIET,
                          **named)  # fmt: skip
    for constant in constants.micro_f1:
        axes.axvline(constant, color=INK, linewidth=1, linestyle=(0, (1, 2)), zorder=1)
    axes.set_yticks([])
    axes.set_ylim(len(table) - 0.45, -0.6)
    axes.set_xlim(0, max(0.05, 1.04 * float(np.nanmax(table[["micro_f1", "high"]].to_numpy(dtype=float)))))
    axes.grid(axis="x")
    axes.set_xlabel("micro-F1; dotted: the constant answer" + ("; dashed: the original's value" if reported.any() else ""))
    bare(axes)
    return figure


def _color(line: Any, reported: bool) -> str:
    if reported:
        return WRONG_COLOR
    if line.row == "":
        return ENSEMBLE_COLOR
    if line.row == "constant":
        return UNLABELLED_COLOR
    return TRAINED_COLORS.get(str(line.trained), INK)


def _message(table: pd.DataFrame, reported: np.ndarray) -> str:
    """The best line on validation against the original, where it is comparable, and the constant answer."""
    own = table[~reported]
    best = own.loc[own.validation_f1.idxmax()] if own.validation_f1.notna().any() else own.iloc[-1]
    against = [f"the original {value:.3f}" for value in table.micro_f1[reported]]
    against += [f"a constant answer {value:.3f}" for value in table.micro_f1[table.row == "constant"] if best.row != "constant"]
    message = f"{clean(best.title, 60) if best.row else 'The best ensemble'} reaches {best.micro_f1:.3f}"
    return message + (f", {' and '.join(against)}" if against else "")
