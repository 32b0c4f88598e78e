"""Rows joined: chosen on validation, judged on test against the best member alone."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.metrics import f1_score

from tagging_lib.evaluation import thresholds
from tagging_lib.study import ensembles

RANDOM = np.random.default_rng(3)
TRUTH = {part: (RANDOM.random((500, 4)) < 0.3).astype(np.uint8) for part in ("validation", "test")}


def row(name: str, noise: float) -> SimpleNamespace:
    given = {
        part: np.clip(0.3 + 0.4 * truth + RANDOM.normal(scale=noise, size=truth.shape), 0, 1).astype(np.float32)
        for part, truth in TRUTH.items()
    }
    threshold = thresholds.best_on_grid(TRUTH["validation"], given["validation"])
    answers = {part: thresholds.apply(values, threshold) for part, values in given.items()}
    f1 = {part: f1_score(TRUTH[part], answers[part], average="micro") for part in TRUTH}
    return SimpleNamespace(
        name=name,
        title=name.title(),
        experiment=SimpleNamespace(is_constant=name == "constant"),
        probabilities=given.__getitem__,
        predictions=answers.__getitem__,
        score=lambda part: {"micro_f1": f1[part]},
    )


@pytest.fixture(scope="module")
def study():
    return SimpleNamespace(truth=TRUTH.__getitem__, groups=lambda part: None)


@pytest.fixture(scope="module")
def rows():
    return [row("weak", 0.8), row("good", 0.3), row("fair", 0.32), row("like", 0.31), row("constant", 0.01)]


def test_three_unrelated_rows_together_beat_the_best_of_them(study, rows):
    table = ensembles.join(study, rows)
    assert list(table.columns) == ensembles.COLUMNS and len(table) == 4
    mean = table[table.ensemble == "Mean of the best 3"].iloc[0]
    assert set(mean.members.split("; ")) == {"Good", "Fair", "Like"}
    assert mean.verdict == "better" and mean.difference_low > 0 and mean.p_holm >= mean.p
    assert (table.low <= table.micro_f1).all() and (table.micro_f1 <= table.high).all()


def test_a_vote_is_what_two_of_three_say(study, rows):
    votes = sum(r.predictions("test").astype(int) for r in rows[1:4]) >= 2
    table = ensembles.join(study, rows).set_index("ensemble")
    assert table.micro_f1["Majority vote of the best 3"] == pytest.approx(f1_score(TRUTH["test"], votes, average="micro"))


def test_nothing_is_chosen_on_test(study, rows):
    other = SimpleNamespace(truth=lambda part: TRUTH[part] if part == "validation" else 1 - TRUTH[part], groups=lambda part: None)
    before, after = (ensembles.join(each, rows) for each in (study, other))
    assert before.members.tolist() == after.members.tolist()
    np.testing.assert_array_equal(before.threshold, after.threshold)


def test_one_row_is_no_ensemble(study, rows):
    table = ensembles.join(study, rows[1:2])
    assert table.empty and list(table.columns) == ensembles.COLUMNS
