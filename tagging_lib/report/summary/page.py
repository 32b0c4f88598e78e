"""What became of one training, on one page: against the constant answer, label by label, with its surest errors.

The page loads nothing and runs nothing: its style and its photos lie in it, and a policy lets the browser use no more.
"""

from __future__ import annotations

import base64
import hashlib
import io
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from tagging_lib.data.corpus import Corpus
from tagging_lib.data.decoding import GREY, Framing, decode
from tagging_lib.data.readers.reading import as_words
from tagging_lib.evaluation import errors, metrics, reliance, uncertainty
from tagging_lib.models.baselines import constant_answer
from tagging_lib.report import tables
from tagging_lib.report.figures import style
from tagging_lib.runs.result import Result

HERE = Path(__file__).resolve().parent
FILE = "summary.html"
ERRORS, OF_EACH_LABEL = 9, 2  # photos of each kind
SIDE, QUALITY = 160, 55  # of a photo's longer edge in px, and of WebP: some 4 kB
MOST_NAMED = 12  # labels that a sentence names
GROUPS = (
    (reliance.RELIABLE, "Reliable"),
    (reliance.UNRELIABLE, "Not reliable"),
    (reliance.TOO_FEW, "Too few photos to tell"),
)


@dataclass(frozen=True)
class Error:
    """A photo that was answered wrongly, as the page shows it."""

    photo: str
    label: str
    probability: float
    labels: list[str]
    given: list[str]
    image: str


def page(result: Result, *, corpus: str = "", read: str = "", folder: str = "", not_in_timm: str = "", toy: bool = False) -> str:
    """The page of a finished row, as HTML.

    Args:
        corpus, read: as the user gave them, for commands to copy.
        folder: of the model, as commands take it; the run's own when it is empty.
        not_in_timm: why timm does not open the folder; empty where it does.
        toy: the row was trained at toy scale.
    """
    from markupsafe import Markup

    from tagging_lib.report import templates

    style_sheet = "".join(path.read_text(encoding="utf-8") for path in (templates.STYLE_SHEET, HERE / "summary.css"))
    digest = base64.b64encode(hashlib.sha256(style_sheet.encode()).digest()).decode()
    setting, truth = result.setting, result.setting.truth("test")
    given = result.predictions("test")
    labels = reliance.judge(truth, given, setting.corpus.labels)
    labels["train"] = setting.truth("train").sum(axis=0, dtype=np.int64)
    folder = folder or str(result.folder)
    return (
        templates.environment()
        .get_template("summary.html.j2")
        .render(
            style=Markup(style_sheet),
            policy=f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'",
            title=result.title,
            corpus_name=setting.corpus.name,
            toy=toy,
            facts=_facts(result),
            scores=_scores(result),
            verdict=_verdict(truth, given, _constant(result), setting.groups("test")),
            groups=_groups(labels),
            others=_others(labels),
            named={name: style.listed(_most_first(labels, name), MOST_NAMED) for name, _ in GROUPS},
            counts={name: int((labels.verdict == name).sum()) for name, _ in GROUPS},
            n_labels=len(labels),
            n_test=len(truth),
            fewest=reliance.FEWEST,
            wrongly=_errors(result, "fp"),
            missed=_errors(result, "fn"),
            commands=_commands(folder, corpus, read),
            folder=folder,
            not_in_timm=not_in_timm,
            number=tables.number,
            interval=tables.interval,
        )
    )


def _constant(result: Result) -> np.ndarray:
    """The best answer that looks at no photo, uint8 (n, L) for the test part."""
    return constant_answer(result.setting.truth("train"), len(result.setting.indices("test"))).astype(np.uint8)


def _facts(result: Result) -> dict[str, str]:
    setting, experiment, details = result.setting, result.experiment, result.details
    corpus, environment = setting.corpus, details["environment"]
    parts = ", ".join(f"{len(setting.indices(part)):,} {part}" for part in ("train", "validation", "test"))
    machine = f"{environment['processor']}, {environment['cores']} cores"
    read_as = f", read as {corpus.read_as}" if corpus.read_as else ""
    return {
        "Photos": f"{len(corpus):,} of {corpus.name} with {len(corpus.labels):,} labels{read_as}",
        "Parts": f"{parts}; {setting.split.rule} split, seed {setting.split.seed}",
        "Network": f"{experiment.network.removeprefix('timm:')}, {details['weights']}",
        "Trained": f"{experiment.trained.replace('-', ' ')}, best epoch {details['best_epoch']} of {len(result.history)}",
        "Looks at": f"{experiment.side} × {experiment.side} px, photos {FRAMINGS[Framing(experiment.framing)]}",
        "Threshold": f"{result.threshold:.2f}, the best on validation by micro-F1",
        "Time": f"{tables.duration(result.seconds)} on {environment['device'] if environment['device'] != 'cpu' else machine}",
    }


FRAMINGS = {Framing.WHOLE: "resized whole", Framing.CROP: "cut to their central square", Framing.PAD: "padded to squares"}


def _scores(result: Result) -> list[dict[str, Any]]:
    truth, constant, groups = result.setting.truth("test"), _constant(result), result.setting.groups("test")
    answered = [result.setting.corpus.labels[place] for place in np.flatnonzero(constant[0])] if len(constant) else []
    always = f"Constant answer: {style.listed(answered, 3) if answered else 'no label'}"
    rows = (("This model", result.predictions("test"), result.interval), (always, constant, None))
    return [
        {"title": title, "bounds": bounds or uncertainty.bootstrap_interval(truth, given, groups=groups)}
        | metrics.score(truth, given)
        for title, given, bounds in rows
    ]


def _verdict(truth: np.ndarray, given: np.ndarray, constant: np.ndarray, groups: np.ndarray | None) -> str:
    """Whether the model is better than the constant answer, in a sentence."""
    found = uncertainty.paired_difference(truth, given, constant, groups=groups)
    told = tables.interval(found["difference"], found["low"], found["high"], sign="+")
    if not np.isfinite(found["low"]):
        return "There are too few test photos to say whether it is better than the constant answer."
    if found["low"] > 0:
        return f"It is better than the constant answer by {told} micro-F1."
    return f"There is no significant difference to the constant answer ({told} micro-F1): do not use it."


def _most_first(labels: pd.DataFrame, verdict: str) -> list[str]:
    return labels[labels.verdict == verdict].sort_values(["support", "train"], ascending=False, kind="stable").label.tolist()


def _shown(labels: pd.DataFrame) -> np.ndarray:
    """Which labels have a line of their own, bool (L,): the most frequent."""
    places, _ = style.most_frequent((labels.support + labels.train).to_numpy())
    return np.isin(np.arange(len(labels)), places)


def _groups(labels: pd.DataFrame) -> list[tuple[str, list[dict[str, Any]]]]:
    shown = labels[_shown(labels)].sort_values(["support", "train"], ascending=False, kind="stable")
    found = [(title, shown[shown.verdict == verdict].to_dict("records")) for verdict, title in GROUPS]
    return [(title, rows) for title, rows in found if rows]


def _others(labels: pd.DataFrame) -> str:
    """A sentence about the labels without a line."""
    rest = labels[~_shown(labels)]
    if rest.empty:
        return ""
    counts = ", ".join(f"{n:,} {title.lower()}" for verdict, title in GROUPS if (n := int((rest.verdict == verdict).sum())))
    most = int((rest.support + rest.train).max())
    return f"{len(rest):,} more labels, on {most:,} photos of training and test at most, are not listed: {counts}."


def _errors(result: Result, kind: str) -> list[Error]:
    corpus, truth = result.setting.corpus, result.setting.truth("test")
    found = errors.surest_errors(
        truth, result.probabilities("test"), kind, ERRORS, threshold=result.threshold, of_each_label=OF_EACH_LABEL
    )
    indices, given = result.setting.indices("test"), result.predictions("test")

    def names(row: np.ndarray) -> list[str]:
        return [corpus.labels[place] for place in np.flatnonzero(row)]

    return [
        Error(
            corpus.photos[indices[place]],
            corpus.labels[column],
            probability,
            names(truth[place]),
            names(given[place]),
            _thumbnail(corpus, int(indices[place])),
        )
        for place, column, probability in found.itertuples(index=False)
    ]


def _thumbnail(corpus: Corpus, index: int) -> str:
    """All of the photo as WebP in base64."""
    square = decode(corpus.path(index), SIDE, Framing.PAD)
    inside = (square != np.array(GREY, dtype=np.uint8)).any(axis=2)
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    if len(rows):
        square = square[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(square)).save(buffer, "WEBP", quality=QUALITY, method=4)
    return base64.b64encode(buffer.getvalue()).decode("ascii")


def _commands(folder: str, corpus: str, read: str) -> dict[str, str]:
    model = shlex.quote(folder)
    given = f" --corpus {shlex.quote(corpus)}" if corpus else ""
    given += f" {shlex.join(as_words(read))}" if read else ""
    return {
        "predict": f"tagging predict {model} more-photos --out tagged",
        "xmp": f"tagging predict {model} more-photos --xmp --dry-run\ntagging predict {model} more-photos --xmp",
        "python": f'import tagging_lib\nmodel = tagging_lib.load({folder!r})\ntable = model.predict("more-photos")',
        "timm": f"network = timm.create_model({f'local-dir:{folder}'!r}, pretrained=True)",
        "study": f"./run_all.sh{given}",
        "again": f"tagging train{given}",
    }
