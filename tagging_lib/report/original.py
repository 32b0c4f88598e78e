"""The original, recomputed: the tables of the original report from its published predictions, with intervals and tests.

The predictions are not part of the project. `write` makes the page's content from a folder of them, numbers only, so
that it can be published; the renderer adds the page to the report when the content is there.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tagging_lib import files
from tagging_lib.errors import TaggingError
from tagging_lib.evaluation import claims, errors, metrics, uncertainty
from tagging_lib.models.tagger import Trained
from tagging_lib.report import figures, tables
from tagging_lib.runs import rows
from tagging_lib.runs.original import ORIGINAL

NAME = "original"
TITLE = "The original, recomputed"
TRUTH, ANSWERS = ".truth.txt", ".pred.txt"
DETAILED = "resnet152"  # the row that the report looks at label by label
LEVEL = 0.05
# What the original report printed: precision, recall, F1 and number of photos by label, and its averages.
PRINTED = {
    "baby": (0.54, 0.67, 0.60, 21),
    "bird": (0.68, 0.75, 0.71, 72),
    "car": (0.66, 0.81, 0.73, 58),
    "clouds": (0.67, 0.85, 0.75, 200),
    "dog": (0.69, 0.74, 0.71, 94),
    "female": (0.69, 0.75, 0.72, 631),
    "flower": (0.71, 0.80, 0.75, 145),
    "male": (0.60, 0.69, 0.64, 595),
    "night": (0.55, 0.69, 0.62, 118),
    "people": (0.88, 0.84, 0.86, 1262),
    "portrait": (0.77, 0.86, 0.81, 644),
    "river": (0.33, 0.48, 0.39, 27),
    "sea": (0.52, 0.68, 0.59, 37),
    "tree": (0.63, 0.72, 0.67, 93),
}
PRINTED_AVERAGES = {
    "micro": (0.73, 0.79, 0.76),
    "macro": (0.64, 0.74, 0.68),
    "weighted": (0.74, 0.79, 0.76),
    "samples": (0.37, 0.38, 0.37),
}
LABELS = tuple(PRINTED)
# Scores that the report's text names, which its own table contradicts: label, score, value.
IN_WORDS = (
    ("river", "f1", 0.33),
    ("sea", "f1", 0.54),
    ("sea", "precision", 0.70),
    ("sea", "recall", 0.43),
    ("baby", "f1", 0.65),
    ("people", "f1", 0.88),
    ("female", "f1", 0.75),
    ("male", "f1", 0.67),
)


@dataclass(frozen=True, eq=False)
class Answered:
    """One row's truth and predictions, 0/1 (N, L), in the order of its own files."""

    name: str
    targets: np.ndarray
    predictions: np.ndarray

    @property
    def title(self) -> str:
        return rows.BY_NAME[self.name].title if self.name in rows.BY_NAME else self.name


def read(folder: Path) -> list[Answered]:
    """The rows in a folder of pairs `<row>.truth.txt` and `<row>.pred.txt`, in the order of the study's rows.

    Raises:
        TaggingError: there is no pair, one lacks its other half, or a matrix is not (N, 14) of 0 and 1.
    """
    names = sorted(path.name.removesuffix(TRUTH) for path in folder.glob(f"*{TRUTH}"))
    if not names:
        raise TaggingError(f"{folder} holds no *{TRUTH}: give the folder of the original's predictions")
    found = []
    for name in names:
        targets, predictions = (metrics.read_savetxt(folder / f"{name}{ending}") for ending in (TRUTH, ANSWERS))
        if targets.shape != predictions.shape or targets.shape[1] != len(LABELS):
            shapes = f"{targets.shape} and {predictions.shape}"
            raise TaggingError(f"{folder / name}{TRUTH} and {ANSWERS} are {shapes}: both must be (N, {len(LABELS)})")
        found.append(Answered(name, targets, predictions))
    order = list(rows.BY_NAME)
    return sorted(found, key=lambda row: (order.index(row.name) if row.name in order else len(order), row.name))


def scores(answered: list[Answered]) -> pd.DataFrame:
    """One line a row, and one of the constant answer: micro scores with the interval of F1 beside the printed ones."""
    lines: list[dict[str, Any]] = []
    always = max(answered, key=lambda row: len(row.targets))
    constant = np.zeros_like(always.targets)
    constant[:, always.targets.sum(axis=0).argmax()] = 1
    for row in [*answered, Answered("constant", always.targets, constant)]:
        found = metrics.score(row.targets, row.predictions)
        low, high = uncertainty.bootstrap_interval(row.targets, row.predictions)
        printed = ORIGINAL.get(row.name)
        trained = rows.BY_NAME[row.name].trained if row.name in rows.BY_NAME else Trained.ALL
        line: dict[str, Any] = {"row": row.name, "title": row.title, "trained": trained}
        line |= {"micro_f1": found["micro_f1"], "low": low, "high": high}
        for name in ("f1", "precision", "recall"):
            line |= {name: found[f"micro_{name}"], f"printed_{name}": getattr(printed, name) if printed else float("nan")}
        agrees = printed and all(
            abs(line[name] - line[f"printed_{name}"]) < 0.0005 + 1e-9 for name in ("f1", "precision", "recall")
        )
        lines.append(line | {"agrees": "" if not printed else "yes" if agrees else "no"})
    return pd.DataFrame(lines)


def aligned(first: np.ndarray, second: np.ndarray, seed: int = 0) -> np.ndarray | None:
    """Rows of `second` (N, L) in an order in which it equals `first` (N, L), int64 (N,); None where there is no such order.

    Equal files keep their order. Otherwise photos with the same labels are paired at random.
    """
    if first.shape != second.shape:
        return None
    if np.array_equal(first, second):
        return np.arange(len(first))
    random = np.random.default_rng(seed)
    orders = []
    for part in (first, second):
        shuffled = random.permutation(len(part))
        orders.append(shuffled[np.lexsort(part[shuffled].T)])
    order = np.empty(len(first), dtype=np.int64)
    order[orders[0]] = orders[1]
    return order if np.array_equal(first, second[order]) else None


def differences(answered: list[Answered]) -> pd.DataFrame:
    """Each pair of rows on the same photos: row, against, difference, low, high, p, p_holm, verdict; pairs of other photos are
    left out."""
    lines = []
    for one, other in combinations(answered, 2):
        order = aligned(one.targets, other.targets)
        if order is not None:
            test = uncertainty.paired_difference(one.targets, one.predictions, other.predictions[order])
            lines.append([one.title, other.title, test["difference"], test["low"], test["high"], test["p"]])
    table = pd.DataFrame(lines, columns=["row", "against", "difference", "low", "high", "p"])
    table["p_holm"] = uncertainty.holm(table.p.to_numpy(dtype=float))
    better = np.where(table.difference > 0, "better", "worse")
    table["verdict"] = np.where(table.p_holm < LEVEL, better, "indistinguishable")
    return table


def by_label(row: Answered) -> pd.DataFrame:
    """Scores of each label with the interval of F1, beside the printed ones."""
    table = metrics.per_label(row.targets, row.predictions, LABELS).drop(columns="predicted")
    table["low"], table["high"] = uncertainty.label_intervals(row.targets, row.predictions).T
    printed = pd.DataFrame([PRINTED[label] for label in LABELS], columns=["precision", "recall", "f1", "support"])
    agrees = np.ones(len(LABELS), dtype=bool)
    for name in ("precision", "recall", "f1", "support"):
        table[f"printed_{name}"] = printed[name]
        agrees &= (table[name] - printed[name]).abs() < 0.005 + 1e-9
    table["agrees"] = np.where(agrees, "yes", "no")
    return table


def averages(row: Answered) -> pd.DataFrame:
    """Averages over labels as computed and as printed: average, precision, recall, f1 and the three printed ones."""
    found = metrics.score(row.targets, row.predictions)
    lines = [
        [name, *(found[f"{name}_{score}"] for score in ("precision", "recall", "f1")), *printed]
        for name, printed in PRINTED_AVERAGES.items()
    ]
    names = ["average", "precision", "recall", "f1", "printed_precision", "printed_recall", "printed_f1"]
    return pd.DataFrame(lines, columns=names)


def in_words(table: pd.DataFrame) -> pd.DataFrame:
    """Scores that the report's text names beside those of its table and those computed: label, score, in_text, in_table,
    computed, and for F1 whether the text's value lies in the interval."""
    lines = []
    by_name = table.set_index("label")
    for label, score, value in IN_WORDS:
        line = by_name.loc[label]
        inside = ("yes" if line.low <= value <= line.high else "no") if score == "f1" else tables.UNDEFINED
        lines.append([label, score, value, line[f"printed_{score}"], line[score], inside])
    return pd.DataFrame(lines, columns=["label", "score", "in_text", "in_table", "computed", "text_in_interval"])


def unlabelled(answered: list[Answered]) -> pd.DataFrame:
    """The class *no label* of each row: row, tn, fp, fn, tp (photos)."""
    return pd.DataFrame([{"row": row.title} | metrics.unlabelled_confusion(row.targets, row.predictions) for row in answered])


def against_themselves(answered: list[Answered]) -> pd.DataFrame:
    """Photos with a contradiction in the truth and in each row's answers."""
    table = errors.contradictions(answered[0].targets, LABELS).rename(columns={"photos": "in_truth"})
    for row in answered:
        table[row.title] = errors.contradictions(row.predictions, LABELS).photos
    return table


def write(folder: Path, outputs: Path) -> Path:
    """Compute everything from the predictions in `folder` and write `work/original.json` with its figures and tables.

    Returns the path of the JSON, which is the page's content.

    Raises:
        TaggingError: as `read`.
    """
    from tagging_lib.report.pages import original_page

    answered = read(folder)
    detailed = next((row for row in answered if row.name == DETAILED), None)
    made: dict[str, pd.DataFrame] = {"rows": scores(answered), "differences": differences(answered)}
    drawn = {"forest": figures.forest(made["rows"].rename(columns={"printed_f1": "original_f1"}))}
    if detailed is not None:
        made["labels"] = by_label(detailed)
        made["averages"] = averages(detailed)
        made["words"] = in_words(made["labels"])
        sizes = detailed.targets.sum(axis=0)
        made["claims"] = claims.check(detailed.targets, detailed.predictions, LABELS, sizes)
        drawn["confusion"] = figures.confusion_grid(detailed.targets, detailed.predictions, LABELS)
    made["unlabelled"] = unlabelled(answered)
    made["contradictions"] = against_themselves(answered)
    work = outputs / "work"
    for part in ("figures", "tables"):
        (work / part).mkdir(parents=True, exist_ok=True)
    for name, table in made.items():
        text = io.StringIO()
        table.to_csv(text, index=False)
        files.write_text(work / "tables" / f"{NAME}_{name}.csv", text.getvalue())
    for name, figure in drawn.items():
        for suffix in ("png", "svg"):
            with files.replacing(work / "figures" / f"{NAME}_{name}.{suffix}") as temporary:
                figure.savefig(temporary, format=suffix, bbox_inches="tight", dpi=150)
    same_order = all(np.array_equal(answered[0].targets, row.targets) for row in answered)
    content = original_page.content(made, drawn, photos=len(answered[0].targets), same_order=same_order)
    files.write_json(work / f"{NAME}.json", content)
    return work / f"{NAME}.json"
