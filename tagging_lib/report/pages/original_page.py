"""The page *The original, recomputed*: its content as data, from tables of numbers, and its HTML from that content."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import mistune
import pandas as pd
from markupsafe import Markup

from tagging_lib import files
from tagging_lib.errors import TaggingError
from tagging_lib.report import tables
from tagging_lib.report.figures import style
from tagging_lib.report.pages import notebook
from tagging_lib.report.templates import environment

FILE = "original.html"
CONTENT = "original.json"


def content(made: dict[str, pd.DataFrame], drawn: dict[str, style.Sheet], *, photos: int, same_order: bool) -> dict[str, Any]:
    """What the page shows, in order: headings, sentences in Markdown computed from the tables, tables and figures."""
    blocks: list[dict[str, Any]] = []

    def heading(text: str) -> None:
        blocks.append({"kind": "heading", "text": text, "anchor": notebook.anchor(text)})

    def say(text: str) -> None:
        blocks.append({"kind": "text", "text": text})

    def show(name: str, caption: str, frame: pd.DataFrame | None = None) -> None:
        table = tables.scores(made[name] if frame is None else frame)
        blocks.append({"kind": "table", "name": f"original_{name}", "html": tables.to_html(table, caption)})

    def draw(name: str) -> None:
        figure = drawn[name]
        width = round(figure.get_figwidth() * style.CSS_PIXELS_PER_INCH)
        blocks.append({"kind": "figure", "name": f"original_{name}", "alt": figure.heading, "width": width})

    rows = made["rows"]
    printed = rows[rows.agrees != ""]
    agree = int((printed.agrees == "yes").sum())
    heading("The table of rows")
    say(
        f"Of the {len(printed)} rows whose predictions are at hand, {agree} give the printed F1, precision and recall to the "
        f"third decimal, on {photos:,} test photos. The report prints no interval; here each F1 has its 95 % bootstrap interval "
        "over photos."
    )
    draw("forest")
    show("rows", "Micro scores on the test photos", _beside(rows, ["title"], ["f1", "precision", "recall"], 3))
    constant = rows[rows.row == "constant"].iloc[0]
    below = rows[(rows.micro_f1 < constant.micro_f1)].title
    say(
        f"Always giving the most frequent label scores {constant.micro_f1:.3f}. "
        + (f"Below that lies {', '.join(below)}." if len(below) else "No row lies below that.")
    )
    _differences(made["differences"], same_order, heading, say, show)
    if "labels" in made:
        _labels(made, heading, say, show, draw)
    heading("Photos without a label")
    say("The class *no label*: a true positive is a photo without a label that was given none.")
    show("unlabelled", "Photos by whether they carry a label and were given one")
    heading("Contradictions")
    say(
        "Labels belong to photos and not to persons: a woman beside a man is no contradiction. What the answers have beyond the "
        "truth is their own."
    )
    show("contradictions", "Photos with labels that exclude each other, or without one that another implies")
    if "claims" in made:
        heading("What the report said about its errors")
        say(
            "Each explanation as a sentence that a number can contradict, tested at the 5 % level. The sizes of the labels are "
            "those of the test set, as the training set's are not published for each label."
        )
        show("claims", "Claims of the report, checked")
    names = sorted(f"work/{folder}/original_{name}.{suffix}" for folder, part, suffixes in (
        ("tables", made, ("csv",)), ("figures", drawn, ("png", "svg"))) for name in part for suffix in suffixes)  # fmt: skip
    return {"made": datetime.now(UTC).isoformat(timespec="seconds"), "files": names, "blocks": blocks}


def _beside(table: pd.DataFrame, first: list[str], scores: list[str], digits: int) -> pd.DataFrame:
    """Columns for reading: the scores, F1 with its interval, and the printed ones together in one column."""
    shown = table[first].rename(columns={"title": "row"})
    intervals = table[["f1", "low", "high"]].itertuples(index=False)
    shown["F1 [95 %]"] = [tables.interval(*line) for line in intervals]
    for name in scores[1:]:
        shown[name] = table[name]
    printed = table[[f"printed_{name}" for name in scores]].itertuples(index=False)
    known = [[tables.number(value, digits) for value in line] for line in printed]
    shown["printed F1, precision, recall"] = [", ".join(line) if set(line) != {tables.UNDEFINED} else "" for line in known]
    shown["agrees"] = table.agrees
    return shown


def _differences(table: pd.DataFrame, same_order: bool, heading, say, show) -> None:
    heading("Which rows differ")
    apart = int((table.verdict != "indistinguishable").sum())
    text = f"Of {len(table)} pairs, {apart} differ significantly at the 5 % level after Holm's correction. "
    if not same_order:
        text += (
            "The files list the same label sets in different orders, and nothing in them names a photo: line 1 of two files is "
            "not one photo. Photos are therefore paired by chance among those with the same labels. The test is then one of the "
            "hypothesis that both rows answer photos of the same labels alike, and less sharp than with the photos themselves."
        )
    say(text)
    show("differences", "Difference in micro-F1 with its 95 % interval, permutation test")


def _labels(made: dict[str, pd.DataFrame], heading, say, show, draw) -> None:
    labels, words = made["labels"], made["words"]
    heading("Label by label")
    agree = int((labels.agrees == "yes").sum())
    widest = labels.loc[(labels.high - labels.low).idxmax()]
    say(
        f"For {agree} of {len(labels)} labels all four printed numbers are right. The interval is widest for *{widest.label}*, "
        f"on {widest.support:,} photos: {tables.interval(widest.f1, widest.low, widest.high)}."
    )
    show("labels", "ResNet-152 by label", _beside(labels, ["label", "support"], ["f1", "precision", "recall"], 2))
    show("averages", "Averages over labels and photos")
    draw("confusion")
    apart = words[(words.in_text - words.in_table).abs() > 0.005]
    heading("Where the text contradicts the table")
    sea = labels.set_index("label").loc["sea"]
    text = f"{len(apart)} of the {len(words)} scores by label that the report's text names differ from its own table"
    if agree == len(labels):
        text += ", which the predictions reproduce; the text seems to describe another evaluation"
    if sea.precision < sea.recall:
        text += (
            ". It says of *sea* that precision exceeds recall, and advises a lower threshold; on the test photos precision is "
        )
        text += f"{sea.precision:.3f} and recall {sea.recall:.3f}, so that the advice would go the wrong way"
    say(text + ".")
    show("words", "Scores named in the text")


def read(outputs: Path) -> dict[str, Any] | None:
    """The content that `tagging original` has written, None where it has not.

    Raises:
        TaggingError: the file is damaged.
    """
    path = outputs / "work" / CONTENT
    if not path.exists():
        return None
    found = files.read_json(path)
    if not isinstance(found, dict) or not {"made", "files", "blocks"} <= found.keys():
        raise TaggingError(f"{path} is not what tagging original writes: run it again")
    return found


def html(found: dict[str, Any], pages: list[notebook.Page], *, explorer: bool) -> str:
    """The page; `pages` are the report's chapters, for the links on top."""
    prose = mistune.create_markdown(escape=True)
    blocks, numbers = [], {"table": 0, "figure": 0}
    for block in found["blocks"]:
        made: dict[str, Any] = dict(block)
        if block["kind"] == "text":
            made["html"] = Markup(prose(block["text"]))
        elif block["kind"] == "table":
            made["html"] = notebook.clean_html(block["html"])
        if block["kind"] in numbers:
            numbers[block["kind"]] += 1
            made["number"] = numbers[block["kind"]]
        blocks.append(made)
    template = environment().get_template("original.html.j2")
    return template.render(blocks=blocks, pages=pages, current="original", explorer=explorer, original=True, made=found["made"])


def summary(found: dict[str, Any]) -> str:
    """The first sentences of the page, for the report's index."""
    return next((block["text"] for block in found["blocks"] if block["kind"] == "text"), "")
