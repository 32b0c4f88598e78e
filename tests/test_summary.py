"""What the study found: rows chosen on validation, rehearsals never, and an abstract whose numbers are those of its tables."""

from __future__ import annotations

import dataclasses
import re
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from tagging_lib.data.corrections import NONE
from tagging_lib.evaluation import metrics, thresholds, uncertainty
from tagging_lib.report import abstract, figures, tables
from tagging_lib.runs import original, rows
from tagging_lib.study import compare, summary

RANDOM = np.random.default_rng(5)
TRUTH = {part: (RANDOM.random((400, 4)) < 0.3).astype(np.uint8) for part in ("validation", "test")}
# Noise of each row's probabilities on validation and on test: on test another row is always better than the one to be chosen.
NOISE = {
    "constant": (3.0, 3.0),
    "ffn1": (1.5, 1.5),
    "ffn2": (1.6, 1.0),
    "resnet18_scratch": (0.8, 0.8),
    "resnet18_scratch_patient": (0.5, 0.6),
    "densenet169_head": (0.34, 0.3),
    "densenet169_head_focal": (0.9, 0.9),
    "densenet169_head_224": (0.3, 0.36),
    "densenet169_stage_224": (0.22, 0.27),
    "resnet50": (0.05, 0.05),  # a rehearsal
}
LABELS = tuple(original.LABELS[:4])


def result(name: str, rehearsal: bool = False) -> SimpleNamespace:
    given = {}
    for part, noise in zip(TRUTH, NOISE[name], strict=True):
        drawn = np.random.default_rng([len(name), len(part)]).normal(scale=noise, size=TRUTH[part].shape)
        given[part] = np.clip(0.3 + 0.4 * TRUTH[part] + drawn, 0, 1).astype(np.float32)
    threshold = thresholds.best_on_grid(TRUTH["validation"], given["validation"])
    answers = {part: thresholds.apply(values, threshold) for part, values in given.items()}
    title = f"{rows.find(name).title} (rehearsal)" if rehearsal else rows.find(name).title
    return SimpleNamespace(
        name=name,
        title=title,
        experiment=dataclasses.replace(rows.find(name), rehearsal=rehearsal, title=title),
        details={"weights": "w", "photos_side": 128, "train_seconds": 60.0, "feature_seconds": 0.0},
        history=pd.DataFrame({"epoch": [1, 2]}),
        ratio_of_f1=1.0,
        seconds=60.0,
        threshold=threshold,
        interval=uncertainty.bootstrap_interval(TRUTH["test"], answers["test"]),
        probabilities=given.__getitem__,
        predictions=answers.__getitem__,
        score=lambda part: metrics.score(TRUTH[part], answers[part]),
    )


def study(names, *, rehearsed=(), labels=LABELS, photos=1200) -> SimpleNamespace:
    results = {name: result(name, name in rehearsed) for name in names}

    def finished(asked=None):
        return [results[name] for name in results if asked is None or name in asked]

    corpus = SimpleNamespace(name="c", fingerprint="f", labels=labels, left_out=(), photos=(), corrections=NONE, __len__=None)
    corpus = type("Corpus", (), {**vars(corpus), "__len__": lambda self: photos})()
    made = SimpleNamespace(
        corpus=corpus,
        labels=labels,
        profile=SimpleNamespace(name="cpu", toy=bool(rehearsed)),
        setting=SimpleNamespace(device="cpu", weights_folder=None),
        split=SimpleNamespace(rule="random", seed=42, fingerprint="s", train=(), validation=(), test=()),
        seed=42,
        seeds=[42],
        n_seeds=1,
        truth=TRUTH.__getitem__,
        indices=lambda part: np.arange(400),
        groups=lambda part: None,
        finished=finished,
        trainings=lambda row: [row],
        other_trainings=lambda rows: [],
        rows=lambda group=None: [row.name for row in rows.ROWS if group in (None, row.group)],
    )
    made.on_split = lambda seed: SimpleNamespace(
        seed=seed, split=SimpleNamespace(fingerprint=f"s{seed}"), finished=lambda names: []
    )
    return made


REAL = [name for name in NOISE if name != "resnet50"]


@pytest.fixture(scope="module")
def found():
    return summary.find(study(REAL))


def test_each_line_is_the_best_of_its_kind_on_validation_whatever_the_test_part_says(found):
    story = found.story.set_index("what")
    assert story.row.to_dict() == {
        "Constant answer": "constant",
        "Best of the original's baselines": "ffn1",
        "Best from scratch": "resnet18_scratch_patient",
        "New head on a frozen network": "densenet169_head_224",
        "Best single network, last stage trained": "densenet169_stage_224",
        "Best ensemble": "",
    }
    by_row = found.every_row.set_index("row")
    assert by_row.micro_f1["ffn2"] > by_row.micro_f1["ffn1"]
    assert by_row.micro_f1["densenet169_head"] > by_row.micro_f1["densenet169_head_224"]
    for line in found.story[found.story.row != ""].itertuples():
        assert (line.micro_f1, line.low, line.high) == tuple(by_row.loc[line.row, ["micro_f1", "low", "high"]])


def test_the_ensemble_is_the_one_that_validation_prefers(found):
    joined = found.ensembles
    chosen = found.story.set_index("what").loc["Best ensemble"]
    assert chosen.validation_f1 == joined.validation_f1.max() and chosen.title == joined.ensemble[joined.validation_f1.idxmax()]
    assert chosen.micro_f1 == joined.micro_f1[joined.validation_f1.idxmax()]


def test_a_row_that_is_best_in_two_ways_stands_once(found):
    alone = summary.find(study(["constant", "ffn1"])).story
    assert alone.what.tolist() == ["Constant answer", "Best single network, best of the original's baselines, best from scratch"]


def test_every_row_stands_in_its_group_best_first_with_the_ensembles_last(found):
    table = found.every_row
    assert [*dict.fromkeys(table.group), compare.REHEARSALS] == list(compare.GROUPS) and len(table) == len(REAL) + 4
    assert all(lines.micro_f1.is_monotonic_decreasing for _, lines in table.groupby("group"))
    groups = table.set_index("row").group
    assert groups["ffn1"] == compare.ORIGINALS and groups["densenet169_head_focal"] == compare.CHANGES


def test_a_rehearsal_is_in_the_table_and_never_a_finding():
    found = summary.find(study(NOISE, rehearsed={"resnet50", "densenet169_head_focal"}))
    assert found.every_row.micro_f1.max() == found.every_row.set_index("row").micro_f1["resnet50"]
    last = found.every_row[-2:]
    assert set(last.row) == {"resnet50", "densenet169_head_focal"} and set(last.group) == {compare.REHEARSALS}
    assert (found.every_row.group == compare.REHEARSALS).sum() == 2
    assert "resnet50" not in found.story.row.tolist() and not found.ensembles.members.str.contains("rehearsal").any()
    assert found.changes.empty or not found.changes.row.str.contains("rehearsal").any()
    text = abstract.write(found)
    assert "2 of them rehearsals with random weights" in text and text.startswith("**This is a run at toy scale")
    assert "ResNet-50" not in text
    only = summary.find(study(["constant", "resnet50"], rehearsed={"resnet50"}))
    assert "more than a rehearsal" in abstract.write(only)


def test_the_original_stands_beside_its_own_corpus_alone(found):
    assert summary.REPORTED not in found.story.what.tolist() and "riginal reported" not in abstract.write(found)
    theirs = summary.find(study(REAL, labels=original.LABELS, photos=20_000))
    line = theirs.story.set_index("what").loc[summary.REPORTED]
    assert line.micro_f1 == 0.759 and np.isnan(line.low) and line.row == ""
    assert theirs.reproduced.reported.tolist() == [0.245, 0.269]
    text = abstract.write(theirs)
    constant = theirs.story.micro_f1[0]
    below = sum(score.f1 < constant for score in original.ORIGINAL.values())
    assert "The original reported 0.759 for ResNet-152, without an interval" in text
    assert f"{below} of its 12 rows lie below the constant answer" in text
    assert not original.is_its_corpus(original.LABELS, 1200) and not original.is_its_corpus(("cat",), 20_000)


def test_each_number_of_the_abstract_is_one_of_the_tables(found):
    text = abstract.write(found).replace("\\", "")
    known = {tables.interval(*line) for line in found.story[["micro_f1", "low", "high"]].to_numpy()}
    quoted = set(re.findall(r"(?<![+-])\d\.\d{3} \[\d\.\d{3}, \d\.\d{3}\]", text))
    baseline = tables.interval(*found.story.loc[1, ["micro_f1", "low", "high"]])
    assert quoted == known - {baseline}, "all but the original's baseline"
    joined = summary.best_ensemble(found.ensembles)
    assert tables.interval(joined.difference, joined.difference_low, joined.difference_high, sign="+") in text
    counted = found.changes.verdict.value_counts()
    assert f"significantly worse: {counted.get('worse', 'none')}" in text
    assert "focal loss" in text and "30 epochs" in text
    assert "1,200 photos with 4 labels" in text and f"{len(REAL)} of {len(rows.ROWS)} rows ran here" in text


def test_the_figure_says_what_the_table_says(found):
    figure = figures.story(found.story)
    drawn = " ".join(text.get_text() for text in figure.findobj(match=lambda artist: hasattr(artist, "get_text")))
    for line in found.story.itertuples():
        assert f"{line.micro_f1:.3f}  [{line.low:.3f}, {line.high:.3f}]" in drawn and line.title in drawn
    assert figure.heading.startswith(("The best ensemble reaches", found.story.title[4])) and "original" not in figure.heading
    theirs = summary.find(study(REAL, labels=original.LABELS, photos=20_000)).story
    assert "the original 0.759" in figures.story(theirs).heading
    assert "No row" in figures.story(theirs.head(0)).heading
