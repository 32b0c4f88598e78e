"""Tables as people read them: three decimals, scores with their intervals, times in minutes; as HTML and as Markdown."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import numpy as np
import pandas as pd

R = TypeVar("R")
UNDEFINED = "–"
MOST_ROWS = 12  # a longer table is shown in groups of rows, or folded
NOTHING_TO_FIND = "undefined (no label to find)"
NO_INTERVAL = "(too few photos for an interval)"
MARKDOWN_SIGNS = re.compile(r"([\\`*_{}\[\]#|$~!<>&])")
# Scores that stand in one column with the bounds or the deviation that follow them.
SPREADS = {
    ("difference", "low", "high"),
    ("difference", "difference_low", "difference_high"),
    ("difference", "sd"),
    ("f1", "low", "high"),
    ("micro_f1", "low", "high"),
    ("micro_f1", "micro_sd"),
    ("macro_f1", "macro_sd"),
}
NUMBER = re.compile(
    r"^[-−+<]?\s*[\d.,]+(\s*(%|s|min|h|px|M)\b.*)?(\s*\[.*\])?(\s*±.*)?" + rf"(\s*{re.escape(NO_INTERVAL)})?$"
)


def number(value: Any, digits: int = 3) -> str:
    """A number as text: counts with separators, others with `digits` decimals, a dash where there is none."""
    if value is None or value is pd.NA or (isinstance(value, (float, np.floating)) and not np.isfinite(value)):
        return UNDEFINED
    if isinstance(value, (bool, np.bool_)):
        return "yes" if value else "no"
    if isinstance(value, (int, np.integer)):
        return f"{value:,}"
    return f"{value:z.{digits}f}"  # z: nothing is a little less than zero


def interval(value: float, low: float, high: float, digits: int = 3, sign: str = "") -> str:
    """A score with its interval; with `sign` "+" a difference with its own, and a dash where there is none.

    >>> interval(0.7591, 0.7463, 0.7704), interval(0.0041, -0.0021, 0.009, sign="+")
    ('0.759 [0.746, 0.770]', '+0.004 [-0.002, +0.009]')
    >>> interval(0.8, float("nan"), float("nan"))
    '0.800 (too few photos for an interval)'
    """
    if not np.isfinite(value):
        return UNDEFINED if sign else NOTHING_TO_FIND
    if not (np.isfinite(low) and np.isfinite(high)):
        return f"{value:{sign}z.{digits}f} {NO_INTERVAL}"
    return f"{value:{sign}z.{digits}f} [{low:{sign}z.{digits}f}, {high:{sign}z.{digits}f}]"


def spread(mean: float, deviation: float, digits: int = 3, sign: str = "") -> str:
    """A mean with its standard deviation, which a single value has not.

    >>> spread(0.797, 0.0041), spread(0.797, float("nan"))
    ('0.797 ± 0.004', '0.797')
    """
    if not np.isfinite(mean):
        return UNDEFINED
    return f"{mean:{sign}z.{digits}f}" + (f" ± {number(float(deviation), digits)}" if np.isfinite(deviation) else "")


def f1_with_parts(f1: float, precision: float, recall: float) -> str:
    """The three as a sentence says them, or that there was nothing to find.

    >>> f1_with_parts(0.8, 1, 2 / 3), f1_with_parts(*[float("nan")] * 3)
    ('F1 0.800, precision 1.000, recall 0.667', 'F1, precision and recall undefined (no label to find)')
    """
    if not np.isfinite(f1):
        return f"F1, precision and recall {NOTHING_TO_FIND}"
    return f"F1 {f1:.3f}, precision {precision:.3f}, recall {recall:.3f}"


def duration(seconds: float | None) -> str:
    """Seconds as people say them.

    >>> duration(2542), duration(4.25), duration(7384), duration(None)
    ('42 min 22 s', '4.2 s', '2 h 3 min', '–')
    """
    if seconds is None or not np.isfinite(seconds):
        return UNDEFINED
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60} min"


@dataclass(frozen=True, eq=False)
class Table:
    """A table of finished texts that Jupyter shows as HTML, with `caption` above it; `kind` is its class for style sheets.

    `groups`, where given, is the group of each row, which a table of more than `MOST_ROWS` rows is shown in.
    `frame.attrs["saved_as"]`, where it is there, names the CSV file, which a report's page links to; `Study.save_table`
    sets it, and a selection of a saved table (rows, columns) keeps it.
    """

    frame: pd.DataFrame
    caption: str = ""
    kind: str = ""
    groups: Sequence[str] = ()

    def _repr_html_(self) -> tuple[str, dict[str, Any]]:
        return to_html(self.frame, self.caption, self.kind, self.groups), {"saved_as": self.frame.attrs.get("saved_as", "")}

    def _repr_markdown_(self) -> str:
        return to_markdown(self.frame)

    def __str__(self) -> str:
        return to_markdown(self.frame)


def numbers(table: pd.DataFrame, caption: str = "", digits: int = 3) -> Table:
    """The table as `scores` formats it, ready to be shown by a notebook."""
    return Table(scores(table, digits), caption)


def scores(table: pd.DataFrame, digits: int = 3) -> pd.DataFrame:
    """The same table as texts: numbers by `number`, columns of seconds by `duration`, of p-values by `p_value`.

    A score and the bounds of its 95 % interval, or its standard deviation, become one column (`SPREADS`), a difference with
    its sign. Thresholds have as many decimals as the original's grid. Names of columns lose their underscores.
    """
    formatted = {}
    names = list(map(str, table.columns))
    while names:
        columns = next((found for found in (tuple(names[:3]), tuple(names[:2])) if found in SPREADS), (names[0],))
        del names[: len(columns)]
        column, title = columns[0], _title(columns[0])
        written: Callable[..., str] = lambda value: _text(value, digits)  # noqa: E731
        if len(columns) > 1:
            written, title = (interval, f"{title} [95 %]") if len(columns) == 3 else (spread, f"{title} ± sd")
            written = partial(written, digits=digits, sign="+" if column == "difference" else "")
        elif column.split("_")[-1] == "seconds" and pd.api.types.is_numeric_dtype(table[column]):
            written = duration
        elif column.split("_")[0] == "p" and pd.api.types.is_float_dtype(table[column]):
            written = p_value
        elif column == "threshold":
            written = threshold
        elif column.split("_")[-1] == "difference":
            written = difference
        formatted[title] = [written(*values) for values in zip(*(table[name] for name in columns), strict=True)]
    return _finished(formatted, table)


def _finished(texts: Mapping[str, list[str]], table: pd.DataFrame) -> pd.DataFrame:
    """Columns of texts with the attributes of the table that they are made of."""
    return pd.DataFrame(texts, dtype=object).__finalize__(table)


def _title(column: str) -> str:
    if column == "p_holm":
        return "p (Holm)"
    title = column.replace("_seconds", "_time").replace("seconds", "time").replace("_", " ")
    return re.sub(r"\bf1\b", "F1", re.sub(r"\b(micro|macro) f1\b", r"\1-F1", title))


def p_value(p: float) -> str:
    """A p-value with three decimals, never as zero."""
    return "< 0.001" if 0 <= p < 0.0005 else number(float(p))


def difference(value: float) -> str:
    """A difference of scores with its sign."""
    return f"{value:+z.3f}" if np.isfinite(value) else UNDEFINED


def threshold(value: float) -> str:
    """A threshold of the grid, or of a row."""
    return number(value, 2)


def _text(value: Any, digits: int) -> str:
    return value if isinstance(value, str) else number(value, digits) if np.isscalar(value) or value is None else str(value)


def headline(table: pd.DataFrame, caption: str = "") -> Table:
    """The study's headline table: each row's micro-F1 with its interval, beside the original's values.

    Rows that share a letter under *Group* are indistinguishable by a paired test, corrected for all pairs of rows.
    Columns that are absent, or hold nothing in any row, are left out; rows keep their order, and a column `group` groups them.
    """
    columns: dict[str, list[str]] = {"Row": [str(title) for title in table["title"]]}
    if {"micro_f1", "low", "high"} <= set(table):
        columns["Micro-F1 [95 %]"] = [interval(*row) for row in table[["micro_f1", "low", "high"]].itertuples(index=False)]
    columns |= _written(
        table,
        ("Group", "letters", lambda letters: letters or UNDEFINED),
        ("Original F1", "original_f1", number),
        ("Precision", "precision", number),
        ("Recall", "recall", number),
        ("Macro-F1", "macro_f1", number),
        ("Threshold", "threshold", threshold),
        ("Time", "seconds", duration),
        ("Original time", "original_seconds", duration),
        ("Trained", "trained", str),
    )
    if "seeds" in table and (table["seeds"] > 1).any():
        spread = table["f1_sd"] if "f1_sd" in table else [float("nan")] * len(table)
        pairs = zip(table["seeds"], spread, strict=True)
        columns["Seeds"] = [f"{int(seeds)} (± {number(sd)})" if seeds > 1 else "1" for seeds, sd in pairs]
    return Table(_finished(columns, table), caption, "headline", list(table["group"]) if "group" in table else ())


def details(table: pd.DataFrame, caption: str = "") -> Table:
    """What the rows of a headline table consist of, what they cost, and their degree of overfitting (1 = none).

    *Looks at* is the side to which photos are brought, and in brackets the one at which they are kept, where it is another.
    """
    columns = _written(
        table.assign(looks_at=_sides(table)),
        ("Row", "title", str),
        ("Weights", "weights", _weights),
        ("Trained", "trained", str),
        ("Augmentation", "augmentation", str),
        ("Epochs", "epochs", lambda value: number(int(value))),
        ("Micro-F1", "micro_f1", number),
        ("F1 train ÷ validation", "ratio_of_f1", number),
        ("Original ratio", "original_ratio_of_f1", number),
        ("Looks at", "looks_at", str),
        ("Made square", "framing", str),
        ("Training time", "train_seconds", duration),
        ("Features", "feature_seconds", duration),
        ("Original time", "original_seconds", duration),
    )
    return Table(_finished(columns, table), caption, "headline", list(table["group"]) if "group" in table else ())


def _sides(table: pd.DataFrame) -> list[str | None]:
    if not {"side", "photos_side"} <= set(table):
        return [None] * len(table)
    pairs = table[["side", "photos_side"]].astype(float).itertuples(index=False)
    return [f"{side:.0f} px" + (f" ({kept:.0f})" if kept != side else "") for side, kept in pairs]


def _weights(description: str) -> str:
    """What weights are, `DenseNet-169, ImageNet-1k (package …)`, without the network, which the row names, and the package."""
    each = [part.rpartition(", ")[2] for part in re.sub(r" \(package [^)]*\)", "", description).split("+")]
    return " + ".join(dict.fromkeys(each))


def _written(table: pd.DataFrame, *columns: tuple[str, str, Callable[[Any], str]]) -> dict[str, list[str]]:
    """Columns as title, name and how a value is written; those that are absent, or hold nothing in any row, are left out."""
    return {
        title: [write(value) if pd.notna(value) else UNDEFINED for value in table[column]]
        for title, column, write in columns
        if column in table and table[column].notna().any()
    }


def left_out(table: pd.DataFrame, caption: str = "Rows that were asked for and did not run") -> Table:
    """Rows left out (columns row, reason, how to get it), together where they share both; one line when every row ran."""
    every = pd.DataFrame({"row": ["none"], "reason": ["every row of this profile ran"], "how to get it": [UNDEFINED]})
    by_reason = (table if len(table) else every).groupby(["reason", "how to get it"], sort=False, dropna=False)
    together = by_reason["row"].agg("; ".join).reset_index().__finalize__(table)
    return Table(scores(together[["row", "reason", "how to get it"]]), caption)


def to_html(table: pd.DataFrame, caption: str = "", kind: str = "", groups: Sequence[str] = ()) -> str:
    """The table as HTML without its index; every text is escaped; numbers are aligned right, texts left.

    Cells carry the classes `number` and `text`, for a page whose policy forbids inline styles. A table of more than
    `MOST_ROWS` rows is shown in groups, where `groups` has several, one for each row, and otherwise folded.
    """
    right = right_aligned(table)
    heads = "".join(_cell("th", column, right[i], ' scope="col"') for i, column in enumerate(table.columns))
    opened = f'<table class="{html.escape(kind)}">' if kind else "<table>"
    lines = [opened, f"<caption>{html.escape(caption)}</caption>" if caption else "", f"<thead><tr>{heads}</tr></thead>"]
    rows = []
    for first, *rest in _texts(table):
        cells = [_cell("th", first, right[0], ' scope="row"')]
        cells += [_cell("td", text, right[i]) for i, text in enumerate(rest, start=1)]
        rows.append(f"<tr>{''.join(cells)}</tr>")
    long = len(rows) > MOST_ROWS
    apart = long and len(set(groups)) > 1
    for group, members in grouped(rows, groups if apart else ()):
        named = f'<th scope="rowgroup" class="text" colspan="{table.shape[1]}">{html.escape(group)}</th>'
        lines += ["<tbody>", f'<tr class="group">{named}</tr>' if group else "", *members, "</tbody>"]
    lines.append("</table>")
    if long and not apart:
        lines = ['<details class="rows">', f"<summary>Table of {len(rows):,} rows</summary>", *lines, "</details>"]
    return "\n".join(filter(None, lines))


def grouped(rows: Sequence[R], groups: Sequence[str]) -> list[tuple[str, list[R]]]:
    """The rows by their groups, in the order in which these first appear; all in one without a name where none is given.

    >>> grouped([1, 2, 3], ["a", "b", "a"]), grouped([1, 2], ())
    ([('a', [1, 3]), ('b', [2])], [('', [1, 2])])
    """
    found: dict[str, list[R]] = {} if groups else {"": list(rows)}
    for row, group in zip(rows, groups, strict=False):
        found.setdefault(group, []).append(row)
    return list(found.items())


def _cell(tag: str, text: object, right: bool, scope: str = "") -> str:
    kind, side = ("number", "right") if right else ("text", "left")
    return f'<{tag}{scope} class="{kind}" style="text-align: {side}">{html.escape(str(text))}</{tag}>'


def to_markdown(table: pd.DataFrame) -> str:
    """The table as a Markdown pipe table without its index; a corpus' own signs do not become markup."""
    right = right_aligned(table)
    rows = [[escape_markdown(column) for column in table.columns]]
    rows += [[escape_markdown(text) for text in row] for row in _texts(table)]
    widths = [max(3, *(len(row[i]) for row in rows)) for i in range(len(table.columns))]
    rule = [("-" * (width - 1) + ":") if aligned else "-" * width for width, aligned in zip(widths, right, strict=True)]
    lines = [rows[0], rule, *rows[1:]]
    return "\n".join(f"| {' | '.join(_padded(line, widths, right))} |" for line in lines) + "\n"


def _padded(line: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> list[str]:
    return [text.rjust(width) if r else text.ljust(width) for text, width, r in zip(line, widths, right, strict=True)]


def escape_markdown(text: object) -> str:
    """The text as Markdown shows it literally, on one line, wherever it stands: no markup, no HTML, no mathematics."""
    single = " ".join(str(text).split())
    return MARKDOWN_SIGNS.sub(r"\\\1", single)


def _texts(table: pd.DataFrame) -> list[list[str]]:
    return [[_text(value, 3) for value in row] for row in table.itertuples(index=False, name=None)]


def right_aligned(table: pd.DataFrame) -> list[bool]:
    """Which columns hold numbers, or texts that begin as numbers do, and nothing else but dashes."""
    found = []
    for position in range(table.shape[1]):
        texts = [_text(value, 3) for value in table.iloc[:, position]]
        known = [text for text in texts if text != UNDEFINED]
        found.append(bool(known) and all(NUMBER.match(text) for text in known))
    return found
