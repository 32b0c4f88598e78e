"""Figures of errors: labels taken for one another, groups of photos, probable label errors, where a network looked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np
import seaborn
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import Bbox

from tagging_lib.report.figures.matrix import matrix
from tagging_lib.report.figures.photos import photo_grid
from tagging_lib.report.figures.style import (
    CORRECT_COLOR,
    INK,
    MOST_LABELS,
    QUIET,
    SMALL,
    UNLABELLED_COLOR,
    WRONG_COLOR,
    Sheet,
    and_more,
    bare,
    clean,
    label_colors,
    name,
    nothing_to_show,
    percent,
    quoted,
    sheet,
    styled,
)

if TYPE_CHECKING:
    import pandas as pd

NAMED_POINTS = 16  # with more, their names would lie over one another
NAME_OFFSETS = ((7, 0), (-7, 0), (0, 8), (0, -8))  # points from a point to its name, in the order in which they are tried
HEAT_SHARE = 0.7  # of the overlay's colour where a place speaks loudest


@styled
def confused_labels(shares: pd.DataFrame, missed: np.ndarray, title: str | None = None) -> Sheet:
    """What was wrongly given (columns) on photos on which a label was missed (rows): shares in [0, 1], nan without a miss.

    Of a large label set those labels are shown that are confused on the most photos, because a share of one photo says
    nothing; the last row and column, *no label*, stay.

    Args:
        shares: `errors.confused_labels`, (L + 1, L + 1).
        missed: photos on which each label was missed, int (L,).
    """
    values = shares.to_numpy(dtype=float)
    if not np.isfinite(values).any():
        return nothing_to_show(title or "No label was missed", "There is no miss whose other answers could be shown.")
    photos = np.nan_to_num(values)[:-1, :-1] * missed[:, None]  # of each pair
    largest = np.maximum(photos.max(axis=0, initial=0), photos.max(axis=1, initial=0))
    chosen = np.sort(np.argsort(-largest, kind="stable")[:MOST_LABELS])
    if title is None:
        title = "Missed labels are not replaced by others"
        if photos.max(initial=0) > 0:
            row, column = divmod(int(photos.argmax()), len(photos))
            title = f"Where {quoted(shares.index[row])} is missed, {quoted(shares.columns[column])} is wrongly given on "
            title += f"{percent(values[row, column])} of {missed[row]:,} photos"
    subtitle = "Of the photos on which the row's label was missed, the share to which the column's was wrongly given"
    subtitle += and_more(len(photos) - len(chosen), "confused on no more photos")
    chosen = np.append(chosen, len(photos))
    return matrix(values[np.ix_(chosen, chosen)], shares.index[chosen].tolist(), title, subtitle, shares=True, rows="missed")


@styled
def error_groups(tables: Mapping[str, pd.DataFrame], title: str | None = None) -> Sheet:
    """Micro-F1 of groups of photos with 95 % intervals, one block a grouping.

    Each table has the columns group, photos, micro_f1, low, high, wrong_photos. A group without a hit, such as the photos
    without a label, gets words instead of a dot.
    """
    lines = [(kind, row) for kind, table in tables.items() for row in table.itertuples()]
    known = [(row.micro_f1, f"{kind}: {row.group}") for kind, row in lines if row.micro_f1 > 0]
    if not known:
        return nothing_to_show(title or "No group of photos has an F1", "No label is true or given.")
    if title is None:
        low, high = min(known), max(known)
        title = f"F1 is {high[0]:.2f} on photos of “{clean(high[1], 40)}”, {low[0]:.2f} on “{clean(low[1], 40)}”"
    subtitle = "Micro-F1 on the test photos of each group, with its 95 % interval; right: share of photos with an error"
    figure = sheet(title, 0.75 + 0.27 * len(lines) + 0.3 * len(tables), subtitle)
    axes = figure.add_subplot()
    place, ticks, names = 0.0, [], []
    for kind, table in tables.items():
        axes.text(0, place + 0.08, name(kind, 60), size=SMALL, weight="bold", va="center")
        place += 1
        for row in table.itertuples():
            if row.micro_f1 > 0:
                axes.plot([row.low, row.high], [place, place], color=CORRECT_COLOR, linewidth=2.2)
                axes.plot(row.micro_f1, place, "o", color=CORRECT_COLOR, markersize=7)
            else:
                axes.text(0.01, place, "no label to find, or none found", size=SMALL, color=QUIET, va="center")
            axes.annotate(percent(row.wrong_photos), (1.02, place), xycoords=("axes fraction", "data"), va="center", size=SMALL)
            ticks.append(place)
            names.append(f"{name(row.group)}  (n={row.photos:,})")
            place += 1
        place += 0.3
    axes.set_yticks(ticks, names)
    axes.set_ylim(place - 0.3, -0.6)
    axes.set_xlim(0, 1)
    axes.set_xlabel("micro-F1")
    axes.grid(axis="x")
    bare(axes)
    return figure


@styled
def label_sizes(table: pd.DataFrame, title: str | None = None) -> Sheet:
    """F1 of each label against its number of training photos; columns label, train_photos, f1 (nan is left out)."""
    known = table[np.isfinite(table.f1.astype(float)) & (table.train_photos > 0)]
    if not len(known):
        return nothing_to_show(title or "No label has an F1", "No label is both trained on and tested.")
    if title is None:
        first, last = known.iloc[0], known.iloc[-1]
        photos = "training photo" if first.train_photos == 1 else "training photos"
        title = f"{quoted(first.label)} has {first.train_photos:,} {photos} and F1 {first.f1:.2f}"
        if len(known) > 1:
            title += f", {quoted(last.label)} {last.train_photos:,} and {last.f1:.2f}"
    few = len(known) <= NAMED_POINTS
    figure = sheet(title, 3.4, "" if few else f"Each dot is one of {len(known):,} labels")
    axes = figure.add_subplot()
    colors = label_colors(list(table.label)) if few else dict.fromkeys(table.label, CORRECT_COLOR)
    seaborn.scatterplot(
        known,
        x="train_photos",
        y="f1",
        hue="label",
        palette=colors,
        s=64,
        linewidth=0,
        alpha=1 if few else 0.5,
        legend=False,
        ax=axes,
    )
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(mpl.ticker.FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.xaxis.set_minor_formatter(mpl.ticker.NullFormatter())
    axes.margins(x=0.12)
    axes.set_ylim(-0.03, 1.03)
    axes.set_xlabel("training photos with the label, log scale")
    axes.set_ylabel("F1")
    axes.grid()
    bare(axes)
    if few:
        _name_points(figure, axes, known)
    return figure


def _name_points(figure: Sheet, axes: Axes, known: pd.DataFrame) -> None:
    """A name at each point, on the side where it covers least of the other points and names."""
    figure.draw_without_rendering()  # settles where the points lie
    places = axes.transData.transform(known[["train_photos", "f1"]].to_numpy(dtype=float))
    taken = [Bbox.from_extents(*(place - 6), *(place + 6)) for place in places]
    for row in known.itertuples():
        written = [
            axes.annotate(
                name(row.label), (row.train_photos, row.f1), offset, textcoords="offset points", size=SMALL,
                ha={7: "left", -7: "right", 0: "center"}[offset[0]], va={8: "bottom", -8: "top", 0: "center"}[offset[1]],
            )
            for offset in NAME_OFFSETS
        ]  # fmt: skip
        boxes = [text.get_window_extent() for text in written]
        covered = [sum(box.overlaps(other) for other in taken) for box in boxes]
        best = int(np.argmin(covered))
        taken.append(boxes[best])
        for text in written[:best] + written[best + 1 :]:
            text.remove()


@styled
def corrections(table: pd.DataFrame, title: str | None = None) -> Sheet:
    """Micro-F1 if the first k suspected annotations were turned round, beside two baselines drawn by chance.

    Columns as `label_errors.f1_after_correction` gives them.
    """
    if len(table) < 2 or not np.isfinite(table.suspects).all():
        return nothing_to_show(title or "There are no suspected annotations to correct", "None was found on these photos.")
    first, last = table.iloc[0], table.iloc[-1]
    if title is None:
        title = f"Correcting {last.corrected:,.0f} suspects would move F1 from {first.suspects:.3f} to {last.suspects:.3f}, "
        title += f"settling as many errors by chance to {last.random_errors:.3f}"
    figure = sheet(
        title, 3.2, "Truth moved towards the answers raises F1 whoever is right: the dashed line. Bands: 95 % of the draws"
    )
    axes = figure.add_subplot()
    for column, color, dashes, text in (
        ("random_errors", WRONG_COLOR, (4, 2), "as many of the network's errors, by chance"),
        ("random", UNLABELLED_COLOR, (1, 1.5), "as many annotations, by chance"),
    ):
        axes.fill_between(table.corrected, table[f"{column}_low"], table[f"{column}_high"], color=color, alpha=0.2, linewidth=0)
        axes.plot(table.corrected, table[column], color=color, dashes=dashes, label=text)
    axes.plot(table.corrected, table.suspects, color=INK, marker="o", markersize=5, label="the most suspicious annotations")
    axes.set_xlabel("annotations of the test part turned round")
    axes.set_ylabel("micro-F1")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid()
    figure.legend(loc="outside lower center", ncols=3)
    bare(axes)
    return figure


@styled
def suspect_gallery(pixels: np.ndarray, found: pd.DataFrame, photos: int = 24, columns: int = 6) -> Sheet:
    """The photos of the most suspicious annotations, with what is annotated and what the network says.

    `found` has the columns index (row of uint8 pixels (N, S, S, 3)), label, given and probability, the most suspicious first.
    """
    shown = found.head(photos)
    captions = [
        f"{row.rank} · {'not ' if not row.given else ''}{clean(row.label, 20)}\nnetwork: {row.probability:.3f}"
        for row in shown.itertuples()
    ]
    more = int((found.given == 0).sum())
    title = f"{len(found):,} suspected annotations: {more:,} may be missing, {len(found) - more:,} may be wrong"
    subtitle = "Most suspicious first: the annotation, and the label's probability by a network that has not seen the photo"
    edges = [WRONG_COLOR if row.given else CORRECT_COLOR for row in shown.itertuples()]
    return photo_grid(pixels, shown["index"].to_numpy(dtype=int), captions, title, columns, subtitle, edges)


@styled
def attribution_gallery(
    pixels: np.ndarray,
    indices: Sequence[int] | np.ndarray,
    heat: np.ndarray,
    captions: Sequence[str],
    method: str,
    title: str = "",
    columns: int = 6,
) -> Sheet:
    """Each photo beside itself with the places marked that speak for the label, and against it.

    `heat` (n, S', S') in [-1, 1] belongs to the rows `indices` (n,) of uint8 pixels (N, S, S, 3).
    """
    if not len(indices):
        return nothing_to_show(title or "There is no error to look at", "No photo of this kind.")
    pairs: list[np.ndarray] = []
    texts: list[str] = []
    for index, places, caption in zip(indices, heat, captions, strict=True):
        pairs += [pixels[index], overlaid(pixels[index], places)]
        texts += [caption, method]
    subtitle = "Beside each photo what in it speaks for the label (orange) and what against (blue), each on a scale of its own"
    return photo_grid(np.stack(pairs), np.arange(len(pairs)), texts, title, columns, subtitle)


def overlaid(photo: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """The photo uint8 (S, S, 3) in grey under `heat` (S', S') in [-1, 1]: orange above 0, blue below."""
    from PIL import Image

    side = photo.shape[0]
    fitted = np.asarray(Image.fromarray(heat.astype(np.float32)).resize((side, side), Image.Resampling.BILINEAR))[..., None]
    color = np.where(fitted > 0, to_rgb(WRONG_COLOR), to_rgb(CORRECT_COLOR))
    grey = (photo @ np.array([0.299, 0.587, 0.114]) / 255)[..., None]
    strength = HEAT_SHARE * np.abs(fitted)
    return np.round(255 * np.clip((1 - strength) * grey + strength * color, 0, 1)).astype(np.uint8)
