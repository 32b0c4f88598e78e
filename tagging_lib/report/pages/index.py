"""The report's front page: abstract, one figure, a sentence from each chapter, and every row with its command at the end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from markupsafe import Markup

from tagging_lib.report import tables
from tagging_lib.report.embedding import hash_of
from tagging_lib.report.pages import commands
from tagging_lib.report.pages.notebook import Page
from tagging_lib.report.templates import environment

HERE = Path(__file__).resolve().parent
EVERY_ROW = "05_every_row"
LEFT_OUT = ["original_seconds", "trained"]  # so that the table fits a page of 1280 px; chapters and CSV have them
POLICY = (
    "default-src 'none'; img-src 'self' file: data:; style-src 'self' file:; script-src {}; base-uri 'none'; form-action 'none'"
)


@dataclass(frozen=True)
class About:
    """What a front page says besides what its chapters do.

    Attributes:
        original: the first sentences of the page about the original, empty without it.
        unfinished, stale, missing: as `render.State` has them; `missing` are chapters that have not run.
    """

    command: str
    date: str
    commit: str | None
    unfinished: str = ""
    stale: Sequence[str] = ()
    missing: Sequence[str] = ()
    explorer: bool = False
    original: str = ""


def html(pages: Sequence[Page], about: About, saved: Path) -> str:
    """The page; `saved` is the folder of the report's tables."""
    newest = max(pages, key=lambda page: page.record["started"])
    table = every_row(saved / f"{EVERY_ROW}.csv", newest.record["parameters"])
    script = (HERE / "index.js").read_text(encoding="utf-8")
    return (
        environment()
        .get_template("index.html.j2")
        .render(
            pages=pages,
            current=None,
            about=about,
            explorer=about.explorer,
            original=about.original,
            banner=newest.tagged.get("study", ""),
            abstract=_latest(pages, "abstract"),
            every_row=table,
            headline=_latest(pages, "headline"),
            story=_figures(pages, "story"),
            figures=_figures(pages, "key-figure"),
            script=Markup(script) if table else "",
            policy=POLICY.format(hash_of(script)) if table else "",
        )
    )


def every_row(path: Path, parameters: dict[str, Any]) -> dict[str, Any] | None:
    """The table of all rows: columns, and groups of rows, each with its cells and its command; None where it is not saved."""
    if not path.exists():
        return None
    table = pd.read_csv(path, dtype={"row": str, "letters": str}, keep_default_na=True)
    shown = tables.headline(table.assign(letters=table.letters.fillna("")).drop(columns=LEFT_OUT, errors="ignore"))
    right = tables.right_aligned(shown.frame)
    columns = [{"title": title, "kind": "number" if number else "text"} for title, number in zip(shown.frame, right, strict=True)]
    joined = commands.study(parameters, 3)
    rows = [
        {
            "cells": [{"text": text, "kind": column["kind"]} for text, column in zip(texts, columns, strict=True)],
            "command": commands.train(parameters, row) if isinstance(row, str) and row else joined,
            "short": "train" if isinstance(row, str) and row else "chapter 3",
        }
        for texts, row in zip(shown.frame.itertuples(index=False, name=None), table.row, strict=True)
    ]
    groups = [{"name": name, "rows": members} for name, members in tables.grouped(rows, shown.groups)]
    return {"name": path.stem, "columns": columns, "groups": groups, "rows": len(rows)}


def _latest(pages: Sequence[Page], tag: str) -> Markup | None:
    """What the last chapter with this tag has put out."""
    return next((page.tagged[tag] for page in reversed(pages) if page.tagged.get(tag)), None)


def _figures(pages: Sequence[Page], tag: str) -> list[dict[str, Any]]:
    return [figure | {"page": page} for page in pages for figure in page.figures.get(tag, ())]
