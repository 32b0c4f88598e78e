"""The README's results section, written from a rendered report so that no number in it was typed."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from tagging_lib import files
from tagging_lib.errors import TaggingError
from tagging_lib.report import abstract, tables

BEGIN, END = "<!-- results:begin -->", "<!-- results:end -->"
STORY, HEADLINE = "05_story.csv", "05_headline.csv"  # a report made before the first was has the second alone
COLUMNS = ("Row", "Micro-F1 [95 %]", "Original F1", "Precision", "Recall", "Macro-F1", "Threshold", "Time", "Seeds")
# Tables of chapter 3 that follow, where the report has them: what is said of each, and its columns.
SPLITS = (
    "03_splits.csv",
    "Mean ± standard deviation over splits of the corpus, each of them trained from its own seed:",
    ["row", "seeds", "micro-F1 ± sd", "macro-F1 ± sd"],
)
MIRRORED = (
    "03_mirror_over_splits.csv",
    "With test-time flipping, the mean of the answers to a photo and to its mirror image; the difference is to the row without:",
    ["row", "seeds", "micro-F1 ± sd", "macro-F1 ± sd", "difference ± sd"],
)
JOINED = (
    "03_ensembles_over_splits.csv",
    "Of the rows that are finished on each of these splits, chosen, weighted and joined on the validation part of each:",
    ["ensemble", "seeds", "micro-F1 ± sd", "macro-F1 ± sd"],
)
ENSEMBLES = (
    "03_ensembles.csv",
    "Rows joined, chosen and weighted on validation, against the row that is best there:",
    ["ensemble", "micro-F1 [95 %]", "macro-F1", "difference [95 %]", "p (Holm)", "verdict", "members"],
)


def results(report: Path) -> str:
    """Markdown: what was run on what, the rows that matter in the report of this folder, and means over splits.

    A report that does not sum up what it found gives its headline table and its ensembles instead.

    Raises:
        TaggingError: the folder holds no complete report.
    """
    found = report / "tables"
    summed_up = (found / STORY).exists()
    if not (summed_up or (found / HEADLINE).exists()) or not (report / "manifest.json").exists():
        raise TaggingError(f"{report} holds no report with {STORY}: run ./run_all.sh first")
    manifest = files.read_json(report / "manifest.json")
    study, machine = manifest["study"], manifest["machine"]
    if summed_up:
        shown = abstract.table(pd.read_csv(found / STORY)).frame
        rows = " Each row is the best of its kind on validation; the report has all of them."
    else:
        formatted = tables.headline(pd.read_csv(found / HEADLINE).sort_values("micro_f1", ascending=False)).frame
        shown, rows = formatted[[column for column in COLUMNS if column in formatted]], ""
    facts = [
        f"{study['photos']:,} photos with {len(study['labels'])} labels",
        f"{study['split']['rule']} split, seed {manifest['parameters']['SEED']}",
        f"profile `{study['profile']}` on {study['device']}",
        f"{machine['processor']}, {machine['cores']} cores",
        f"torch {manifest['versions']['torch']}",
        f"rendered {manifest['rendered'][:10]}",
    ]
    parts = [
        f"Printed by `{manifest['command']}` ({'; '.join(facts)}). Scores are on the test part at the threshold with the best "
        f"validation F1; in brackets 95 % bootstrap intervals over test photos.{rows}",
        tables.to_markdown(shown),
    ]
    for name, told, columns in (SPLITS, MIRRORED, JOINED) if summed_up else (SPLITS, MIRRORED, JOINED, ENSEMBLES):
        further = found / name
        frame = tables.scores(pd.read_csv(further)) if further.exists() else pd.DataFrame()
        if len(frame):
            parts += [told, tables.to_markdown(frame[columns])]
    return "\n\n".join(part.strip() for part in parts) + "\n"


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
