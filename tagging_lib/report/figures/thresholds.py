"""Figures of thresholds and probabilities: what tuning promises and delivers, and what a probability is worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from tagging_lib.evaluation import calibration
from tagging_lib.report.figures.style import (
    CORRECT_COLOR,
    INK,
    PAGE_WIDTH,
    PART_COLORS,
    QUIET,
    RULE,
    SMALL,
    WRONG_COLOR,
    Sheet,
    and_more,
    bare,
    name,
    nothing_to_show,
    page_width,
    percent,
    sheet,
    styled,
)

if TYPE_CHECKING:
    import pandas as pd

# What is drawn of each stage: marker, colour, and whether it is filled.
STAGES = {
    "promised": ("o", PART_COLORS["validation"], False, "promised: chosen and scored on validation"),
    "predicted": ("D", PART_COLORS["validation"], True, "predicted: cross-fitted on validation"),
    "delivered": ("s", PART_COLORS["test"], True, "delivered: on test"),
}
AVERAGE_NAMES = {"micro": "micro-F1", "macro": "macro-F1"}
CURVE_COLUMNS, CURVE_LABELS = 5, 25
CURVE_STYLES = (("o", WRONG_COLOR), ("s", CORRECT_COLOR), ("^", INK))


@styled
def promises(table: pd.DataFrame, title: str | None = None) -> Sheet:
    """Gain in F1 of each rule over the first one as promised, predicted and delivered, with intervals, micro and macro.

    Columns: rule, title, average, stage, gain, gain_low, gain_high, as `evaluation.promises.compare` makes them.
    """
    reference = table.rule.iloc[0] if len(table) else ""
    others = list(dict.fromkeys(table.rule[table.rule != reference]))
    if not others:
        return nothing_to_show(title or "There is one rule and nothing to compare it with", "Rules appear here as lines.")
    first = table.title.iloc[0]
    averages = [average for average in AVERAGE_NAMES if (table.average == average).any()]
    figure = sheet(
        title or _promise_message(table, reference),
        0.75 + 0.62 * len(others),
        f"Gain in F1 over one threshold for all labels ({first}), with paired 95 % bootstrap intervals",
    )
    grid = figure.subplots(1, len(averages), squeeze=False, sharey=True)[0]
    for axes, average in zip(grid, averages, strict=True):
        axes.axvline(0, color=INK, linewidth=1)
        for position, (stage, (marker, color, filled, _)) in enumerate(STAGES.items()):
            some = table[(table.average == average) & (table.stage == stage)].set_index("rule").loc[others]
            places = np.arange(len(others)) + 0.22 * (position - 1)
            axes.hlines(places, some.gain_low, some.gain_high, color=color, linewidth=1.6)
            face = color if filled else "white"
            axes.scatter(some.gain, places, 38, marker=marker, facecolors=face, edgecolors=color, linewidths=1.5, zorder=3)
        axes.set_title(AVERAGE_NAMES[average])
        axes.set_xlabel("gain in F1")
        axes.locator_params(axis="x", nbins=6)
        step = float(np.diff(axes.get_xticks()[:2])[0])
        digits = max(2, -int(np.floor(np.log10(step) + 1e-9)) + (f"{step:.1e}"[2] != "0"))
        axes.xaxis.set_major_formatter(
            FuncFormatter(lambda value, _, digits=digits: f"{value:+.{digits}f}" if round(value, digits) else "0")
        )
        axes.grid(axis="x")
        bare(axes)
    titles = table.drop_duplicates("rule").set_index("rule").title
    grid[0].set_yticks(range(len(others)), [name(titles[rule], 40) for rule in others])
    grid[0].set_ylim(len(others) - 0.5, -0.5)
    for marker, color, filled, text in STAGES.values():
        face = color if filled else "white"
        grid[0].plot([], [], marker, color=color, markerfacecolor=face, markersize=6, label=text)
    figure.legend(*grid[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def _promise_message(table: pd.DataFrame, reference: str) -> str:
    micro = table[(table.rule != reference) & (table.average == table.average.iloc[0])].set_index(["rule", "stage"])
    promised = micro.gain.xs("promised", level="stage")
    if promised.isna().all():
        return "No threshold can be scored: no label is true"
    best = promised.idxmax()
    delivered = micro.loc[(best, "delivered")]
    text = f"“{delivered.title}” promises {promised[best]:+.3f} {AVERAGE_NAMES[table.average.iloc[0]]}"
    if not np.isfinite(delivered.gain):
        return text
    told = delivered.gain_low > 0 or delivered.gain_high < 0
    return f"{text} and delivers {delivered.gain:+.3f}" + ("" if told else ", no more than chance")


@styled
def reliability_by_label(
    targets: np.ndarray, probabilities: Mapping[str, np.ndarray], labels: Sequence[str], title: str | None = None
) -> Sheet:
    """How often each label is there against the probability it was given, with binomial intervals; one axes a label.

    `probabilities` are up to three sets (N, L) by name, drawn over one another. Of more than 25 labels the most frequent
    are shown; one without a positive is left out.
    """
    targets = np.asarray(targets)
    positives = targets.sum(axis=0, dtype=np.int64) if len(targets) else np.zeros(0)
    shown = [int(i) for i in np.argsort(-positives, kind="stable")[:CURVE_LABELS] if positives[i]]
    if not probabilities:
        return nothing_to_show(title or "There are no probabilities to judge", "No row of this kind is finished.")
    if not shown:
        return nothing_to_show(title or "No label has a photo to judge its probabilities by", "No label is annotated.")
    errors = {key: calibration.expected_calibration_error(targets, values) for key, values in probabilities.items()}
    columns = max(1, round(CURVE_COLUMNS * page_width() / PAGE_WIDTH))
    rows = -(-len(shown) // columns)
    subtitle = f"Bars: 95 % binomial intervals of the share, in {calibration.BINS} equal bins of probability"
    others = int((positives > 0).sum()) - len(shown)
    if others:
        subtitle += and_more(others, f"on {positives[shown].min():,} photos each at most")
    figure = sheet(title or _calibration_message(errors, positives > 0), 0.8 + 1.85 * rows, subtitle)
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).ravel()
    for axes, label in zip(grid, sorted(shown), strict=False):
        axes.plot([0, 1], [0, 1], color=RULE, linewidth=1.5, zorder=0)
        for (key, values), (marker, color) in zip(probabilities.items(), CURVE_STYLES, strict=False):
            _curve(axes, calibration.reliability(targets[:, label], values[:, label]), marker, color, key)
        axes.set_title(f"{name(labels[label], 16)}  (n={positives[label]:,})", size=SMALL)
        axes.set_xlim(-0.03, 1.03)
        axes.set_ylim(-0.03, 1.03)
        axes.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
        axes.set_yticks([0, 0.5, 1], ["0", "0.5", "1"])
        bare(axes)
    for axes in grid[len(shown) :]:
        axes.set_axis_off()
    grid[columns * (rows - 1)].set_xlabel("predicted probability", size=SMALL)
    figure.supylabel("share of photos that carry the label", size=SMALL, color=QUIET)
    figure.legend(*grid[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def _curve(axes: Axes, table: pd.DataFrame, marker: str, color: str, key: str) -> None:
    axes.vlines(table.probability, table.low, table.high, color=color, linewidth=1.2, alpha=0.6)
    axes.plot(table.probability, table.share, marker, linestyle="-", color=color, markersize=4, linewidth=1.2, label=name(key))


def _calibration_message(errors: Mapping[str, np.ndarray], known: np.ndarray) -> str:
    means = {key: float(values[known].mean()) for key, values in errors.items()}
    keys = list(means)
    message = f"The mean calibration error is {percent(means[keys[0]])} {keys[0]}"
    return message + "".join(f", {percent(means[key])} {key}" for key in keys[1:])
