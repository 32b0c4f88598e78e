"""Comparisons of rows: the pairs that could run, tested on the same photos, with the verdict after correction."""

from types import SimpleNamespace

import numpy as np
import pytest

from tagging_lib.experiments.compare import COLUMNS, compare

TRUTH = (np.random.default_rng(0).random((300, 5)) < 0.3).astype(np.uint8)


def noisy(share, seed):
    """The truth with a share of its entries turned over."""
    return TRUTH ^ (np.random.default_rng(seed).random(TRUTH.shape) < share).astype(np.uint8)


@pytest.fixture
def study():
    answers = {"good": noisy(0.02, 1), "like": noisy(0.02, 2), "bad": noisy(0.3, 3)}
    results = {
        name: SimpleNamespace(name=name, title=name.title(), predictions=lambda part, given=given: given)
        for name, given in answers.items()
    }
    return SimpleNamespace(truth=lambda part: TRUTH, results=lambda names: [results[name] for name in names if name in results])


def test_better_worse_and_not_told_apart(study):
    table = compare(study, [("good", "bad"), ("bad", "good"), ("good", "like")])
    assert list(table.columns) == COLUMNS
    assert table.verdict.tolist() == ["better", "worse", "not told apart"]
    assert table.row.tolist() == ["Good", "Bad", "Good"] and table.against.tolist() == ["Bad", "Good", "Like"]
    assert table.difference[0] == -table.difference[1] > 0.2
    assert (table.low <= table.difference).all() and (table.difference <= table.high).all()


def test_p_is_corrected_for_the_number_of_pairs(study):
    alone = compare(study, [("good", "bad")])
    assert alone.p_holm[0] == alone.p[0]
    both = compare(study, [("good", "bad"), ("like", "bad")])
    assert both.p_holm.min() == pytest.approx(2 * alone.p[0], rel=0.5)


def test_pairs_that_cannot_run_are_left_out(study):
    assert compare(study, [("good", "absent")]).empty
    assert list(compare(study, []).columns) == COLUMNS
