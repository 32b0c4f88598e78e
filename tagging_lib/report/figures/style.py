"""One look for every figure: page, type, colours, and how a corpus' own words are written into a figure."""

from __future__ import annotations

import functools
import io
import math
import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import matplotlib as mpl
import numpy as np
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D

PHOTOS, NO_PHOTO = "shows photos of the corpus", "shows no photo"  # written into every saved figure
PAGE_WIDTH = 9.5  # inches
SCREEN_DPI = 144  # 1.5 device pixels for each pixel of a 9.5-inch page on screen
CSS_PIXELS_PER_INCH = 96
SMALL, BODY, TITLE = 9.0, 9.5, 13.0  # points; nothing in a figure is smaller than SMALL
LINE_SPACING = 1.3
ROW_HEIGHT = 0.27  # inches for one bar
MOST_LABELS = 40  # with more, a figure shows the most frequent and one line of its subtitle tells of the others

INK, QUIET, RULE, EMPTY = "#1f2933", "#5b6470", "#d5dae0", "#eef0f3"
UNLABELLED_COLOR = "#8a929c"
PART_COLORS = {"train": "#8a929c", "validation": "#d55e00", "test": "#0072b2"}
METRIC_COLORS = {"f1": INK, "precision": "#0072b2", "recall": "#d55e00"}
CHANNEL_COLORS = {"red": "#c8283c", "green": "#1b8a4b", "blue": "#2b5fc1"}
CORRECT_COLOR, WRONG_COLOR = "#0072b2", "#d55e00"
TRAINED_COLORS = {
    "all": "#0072b2",
    "last-two-stages": "#cc79a7",
    "last-stage": "#009e73",
    "head": "#d55e00",
    "none": UNLABELLED_COLOR,
}

# Okabe and Ito's hues that hold on white paper, then colours chosen one by one to lie as far as possible from the
# others in OKLab as seen with normal vision, protanopia, deuteranopia and tritanopia (simulated after Machado,
# Oliveira and Fernandes 2009). Names always stand beside colours, so a longer label set may reuse them.
LABEL_COLORS = (
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#6c0000", "#003078", "#d8b424",
    "#903c48", "#30a8fc", "#8460fc", "#9cc09c", "#185484", "#5400b4", "#006000",
)  # fmt: skip
SHADES = LinearSegmentedColormap.from_list("shades", ["#f4f7fa", "#b9d2e6", "#5b9bc8", "#0f619c", "#06305a"])

# Photos are tagged in every script; a family that is not installed is left out, as matplotlib warns about those.
FALLBACK_FAMILIES = (
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "PingFang SC",
    "Microsoft YaHei",
    "Noto Sans",
    "Noto Emoji",
)

_page_width: ContextVar[float] = ContextVar("page_width", default=PAGE_WIDTH)
P = ParamSpec("P")
R = TypeVar("R")


@functools.cache
def _families() -> tuple[str, ...]:
    installed = set(font_manager.get_font_names())
    return ("DejaVu Sans", *(family for family in FALLBACK_FAMILIES if family in installed))


def settings() -> Any:
    """Matplotlib settings of every figure, for `matplotlib.rc_context`."""
    window = {"backend", "backend_fallback", "interactive", "toolbar"}
    return {key: value for key, value in mpl.rcParamsDefault.items() if key not in window} | {
        "font.family": list(_families()),
        "font.size": BODY,
        "text.color": INK,
        "axes.labelcolor": QUIET,
        "axes.labelsize": BODY,
        "axes.titlesize": BODY,
        "axes.titleweight": "bold",
        "axes.titlelocation": "left",
        "axes.edgecolor": RULE,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": False,
        "axes.axisbelow": True,
        "grid.color": RULE,
        "grid.linewidth": 0.7,
        "xtick.color": RULE,
        "ytick.color": RULE,
        "xtick.labelcolor": INK,
        "ytick.labelcolor": INK,
        "xtick.labelsize": SMALL,
        "ytick.labelsize": SMALL,
        "legend.frameon": False,
        "legend.fontsize": SMALL,
        "lines.linewidth": 2.0,
        "lines.solid_capstyle": "round",
        "savefig.facecolor": "white",
        "figure.facecolor": "white",
    }


def page_width() -> float:
    """How wide figures are drawn, in inches: a page of the report, or less within `narrow`."""
    return _page_width.get()


@contextmanager
def narrow(width: float) -> Iterator[None]:
    """Draw figures on pages of this width in inches, for a journal's column."""
    before = _page_width.set(width)
    try:
        yield
    finally:
        _page_width.reset(before)


def styled(function: Callable[P, R]) -> Callable[P, R]:
    """Run a function that draws with the study's settings, leaving the caller's as they are."""

    @functools.wraps(function)
    def inner(*args: P.args, **kwargs: P.kwargs) -> R:
        with mpl.rc_context(settings()):
            return function(*args, **kwargs)

    return inner


class Sheet(Figure):
    """A figure of page width that Jupyter shows by itself: pyplot, and with it any global state, is not involved."""

    heading: str = ""
    shows_photos: bool = False  # photos are the corpus': a published report may have to do without them
    saved_as: str = ""  # the name of its files, which a report's page links to; `Study.save_figure` sets it

    def _repr_png_(self) -> tuple[bytes, dict[str, Any]]:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png", dpi=SCREEN_DPI)
        if not self.shows_photos:
            buffer = smaller(buffer)
        width = round(self.get_figwidth() * CSS_PIXELS_PER_INCH)
        about = {"width": width, "alt": self.heading, "photos": self.shows_photos, "saved_as": self.saved_as}
        return buffer.getvalue(), about

    def savefig(self, fname: Any, **kwargs: Any) -> None:
        """As `Figure.savefig`; equal figures give equal files, without a date or random ids, and PDF embeds its fonts."""
        with mpl.rc_context({"svg.hashsalt": "tagging", "pdf.fonttype": 42}):
            kind = kwargs.get("format") or str(fname).rpartition(".")[2]
            told = PHOTOS if self.shows_photos else NO_PHOTO
            metadata: dict[str, Any] = {"Title": self.heading, "Subject" if kind == "pdf" else "Description": told}
            if kind in ("svg", "pdf"):
                metadata["Date" if kind == "svg" else "CreationDate"] = None
            kwargs["metadata"] = metadata | (kwargs.get("metadata") or {})
            super().savefig(fname, **kwargs)


def smaller(png: Path | io.BytesIO) -> io.BytesIO:
    """A picture without photos as a PNG of 256 colours: a third of the bytes, and alike to the eye."""
    from PIL import Image

    reduced = io.BytesIO()
    with Image.open(png) as picture:
        told = {"dpi": picture.info["dpi"]} if "dpi" in picture.info else {}
        picture.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(reduced, format="PNG", optimize=True, **told)
    return reduced


def without_photos(file: Path) -> bool:
    """Whether a saved figure, PNG or SVG, says that it shows no photo; one that says nothing may show some."""
    if file.suffix == ".svg":
        return NO_PHOTO in file.read_text(encoding="utf-8")[:4000]
    from PIL import Image

    with Image.open(file) as image:
        return image.info.get("Description") == NO_PHOTO


def sheet(title: str, height: float, subtitle: str = "") -> Sheet:
    """An empty page with its message on top; `height` in inches is what remains for the axes below it."""
    width = page_width()
    lines = balanced(title, round(84 * width / PAGE_WIDTH)) or [""]
    below = balanced(subtitle, round(122 * width / PAGE_WIDTH))
    title_height = len(lines) * TITLE * LINE_SPACING / 72
    header = 0.06 + title_height + len(below) * BODY * LINE_SPACING / 72 + 0.14
    total = height + header
    layout = ConstrainedLayoutEngine(rect=(0, 0, 1, height / total), w_pad=0.06, h_pad=0.05)
    figure = Sheet(figsize=(width, total), layout=layout)
    figure.heading = title
    common: dict[str, Any] = {"ha": "left", "va": "top", "linespacing": LINE_SPACING * 0.92, "in_layout": True}
    left = 0.06 / width
    figure.text(left, 1 - 0.06 / total, written("\n".join(lines)), size=TITLE, weight="bold", **common)
    if below:
        top = 1 - (0.1 + title_height) / total
        figure.text(left, top, written("\n".join(below)), size=BODY, color=QUIET, **common)
    # Holds the page's width where a figure is saved with a tight bounding box.
    figure.add_artist(Line2D([0, 1], [1, 1], alpha=0))
    return figure


def canvas(figure: Sheet, height: float) -> Axes:
    """Axes that cover the page's lower `height` inches, measured in inches from their upper left corner.

    For figures of many small parts, which are placed here by arithmetic: one axes per part takes minutes.
    """
    axes = figure.add_axes((0, 0, 1, height / figure.get_figheight()))
    axes.set_axis_off()
    axes.set_xlim(0, page_width())
    axes.set_ylim(height, 0)
    axes.set_autoscale_on(False)
    figure.set_layout_engine("none")
    figure.suppressComposite = True  # each picture keeps its own pixels in SVG
    return axes


def balanced(text: str, width: int) -> list[str]:
    """Lines of at most `width` characters, as few as needed and about equally long: no last line of one word."""
    lines = textwrap.wrap(text, width)
    for narrower in range(width - 1, 20, -1):
        if len(lines) < 2 or len(shorter := textwrap.wrap(text, narrower)) > len(lines):
            break
        lines = shorter
    return lines


def written(text: str) -> str:
    """The text as matplotlib shows it literally: a dollar sign would otherwise open mathematics."""
    return text.replace("$", r"\$")


def clean(label: object, limit: int = 28) -> str:
    """A corpus' own word on one line of at most `limit` characters, without control characters."""
    text = " ".join("".join(c if c.isprintable() else " " for c in str(label)).split()) or "?"
    return text if len(text) <= limit else text[: limit - 1] + "…"


def name(label: object, limit: int = 28) -> str:
    """`clean` and `written`: a label ready for an axis."""
    return written(clean(label, limit))


def wrapped(label: object, width: int, lines: int = 2) -> str:
    """`name` on as many as `lines` lines of `width` characters."""
    text = clean(label, lines * width)
    fitting = balanced(text, width)
    if len(fitting) > lines:
        fitting = textwrap.wrap(text, width, max_lines=lines, placeholder="…")
    return written("\n".join(fitting))


def quoted(label: object, limit: int = 28) -> str:
    """A label within a sentence."""
    return f"“{clean(label, limit)}”"


def label_color(index: int) -> str:
    """The colour of the label at this place of the alphabetical label list, as hex; reused after 14 labels."""
    return LABEL_COLORS[index % len(LABEL_COLORS)]


def label_colors(labels: Sequence[str]) -> dict[str, str]:
    """The colour of each label by name, the same in whichever order the whole label set is given."""
    return {label: label_color(place) for place, label in enumerate(sorted(labels))}


def readable_on(color: Any) -> str:
    """Ink or white, whichever is read more easily on the colour (WCAG 2.2 contrast ratio)."""
    channels = np.array(to_rgb(color))
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    luminance = float(linear @ [0.2126, 0.7152, 0.0722])
    return "#ffffff" if 1.05 / (luminance + 0.05) > (luminance + 0.05) / 0.063 else INK


def tint(color: Any, strength: float) -> str:
    """The colour mixed with white: 0 is white, 1 the colour itself."""
    return to_hex(tuple(1 - strength * (1 - channel) for channel in to_rgb(color)))  # type: ignore[arg-type]


def listed(items: Sequence[str], limit: int = 3) -> str:
    """`a, b and c`, or `a, b and 4 more`."""
    items = list(items)
    if len(items) > limit:
        items = [*items[: limit - 1], f"{len(items) - limit + 1} more"]
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}" if items else ""


def most_frequent(counts: np.ndarray) -> tuple[np.ndarray, str]:
    """Places of the labels that a figure shows, by their counts of photos (L,), most frequent first.

    And the end of its subtitle: how many labels are left out, and how rare they are; empty where all are shown.
    """
    order = np.argsort(-np.asarray(counts, dtype=float), kind="stable")
    shown, others = order[:MOST_LABELS], order[MOST_LABELS:]
    most = f"{counts[others].max():,.0f}" if len(others) else ""
    return shown, and_more(len(others), "on no photo" if most == "0" else f"on {most} photos each at most")


def and_more(labels: int, what: str) -> str:
    """The end of a subtitle that tells of labels left out; empty where there are none."""
    return f"; and {labels:,} more label{'s' if labels > 1 else ''} {what}" if labels > 0 else ""


def percent(share: float) -> str:
    """A share of [0, 1] as a percentage, with a decimal only below 10 %; a dash where it is undefined."""
    if not math.isfinite(share):
        return "–"
    if 0 < share < 0.0005:
        return "< 0.1 %"
    return f"{100 * share:.1f} %" if 0 < share < 0.0995 else f"{100 * share:.0f} %"


def bare(axes: Axes, *, keep: str = "") -> None:
    """Take away spines and tick marks; `keep` names the spines that stay (`"bottom"`, `"left"`)."""
    for side, spine in axes.spines.items():
        spine.set_visible(side in keep.split())
    axes.tick_params(length=0)


def nothing_to_show(title: str, reason: str) -> Sheet:
    """A page that says why there is no figure, so that a report on a small corpus still tells its story."""
    figure = sheet(title, 0.5)
    axes = figure.add_subplot()
    axes.set_axis_off()
    axes.text(0, 0.5, written(reason), color=QUIET, va="center", transform=axes.transAxes)
    return figure
