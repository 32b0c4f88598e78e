"""The README's results section, written from a rendered report so that no number in it was typed."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from tagging_lib import files
from tagging_lib.errors import TaggingError
from tagging_lib.report import tables

BEGIN, END = "<!-- results:begin -->", "<!-- results:end -->"
HEADLINE = "05_headline.csv"
COLUMNS = ("Row", "Micro-F1 [95 %]", "Original F1", "Precision", "Recall", "Macro-F1", "Threshold", "Training time", "Seeds")


def results(report: Path) -> str:
    """Markdown: what was run on what, and the headline table of the report in this folder.

    Raises:
        TaggingError: the folder holds no complete report.
    """
    table = report / "tables" / HEADLINE
    if not table.exists() or not (report / "manifest.json").exists():
        raise TaggingError(f"{report} holds no report with {HEADLINE}: run ./run_all.sh first")
    manifest = files.read_json(report / "manifest.json")
    study, machine = manifest["study"], manifest["machine"]
    formatted = tables.headline(pd.read_csv(table).sort_values("micro_f1", ascending=False)).frame
    shown = formatted[[column for column in COLUMNS if column in formatted]]
    facts = [
        f"{study['photos']:,} photos with {len(study['labels'])} labels",
        f"{study['split']['rule']} split, seed {manifest['parameters']['SEED']}",
        f"profile `{study['profile']}` on {study['device']}",
        f"{machine['processor']}, {machine['cores']} cores",
        f"torch {manifest['versions']['torch']}",
        f"rendered {manifest['rendered'][:10]}",
    ]
    return (
        f"Printed by `{manifest['command']}` ({'; '.join(facts)}). Scores are on the test part at the threshold with the best "
        "validation F1; in brackets 95 % bootstrap intervals over test photos.\n\n" + tables.to_markdown(shown)
    )


def fill(readme: Path, report: Path) -> None:
    """Put `results(report)` between the two markers of the README.

    Raises:
        TaggingError: the file lacks the markers, or there is no report.
    """
    text = readme.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise TaggingError(f"{readme} lacks the lines {BEGIN} and {END}: put them where the results belong")
    files.write_text(readme, f"{before}{BEGIN}\n{results(report)}{END}{after}")
