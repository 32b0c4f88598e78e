"""Wilson's interval against scipy, and verdicts on both sides of each boundary."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from tagging_lib.evaluation import reliance
from tagging_lib.evaluation.reliance import FEWEST, RELIABLE, TOO_FEW, UNRELIABLE


@pytest.mark.parametrize("n", [1, 7, 8, 40, 1000])
def test_the_interval_is_that_of_scipy(n):
    hits = np.arange(0, n + 1, max(1, n // 9))
    low, high = reliance.wilson(hits, np.full(len(hits), n))
    expected = [binomtest(int(hit), n).proportion_ci(0.95, method="wilson") for hit in hits]
    np.testing.assert_allclose(low, [interval.low for interval in expected], atol=1e-12)
    np.testing.assert_allclose(high, [interval.high for interval in expected], atol=1e-12)


def test_nothing_given_has_no_interval():
    assert np.isnan(reliance.wilson(np.array([0]), np.array([0]))).all()


def test_the_fewest_are_those_that_could_show_it():
    assert reliance.wilson(np.array(FEWEST), np.array(FEWEST))[0] >= 2 / 3
    assert reliance.wilson(np.array(FEWEST - 1), np.array(FEWEST - 1))[0] < 2 / 3
    assert FEWEST == 8


def column(true, given, both, n=200):
    """A label of which so many photos carry it, were given it, and both."""
    targets, predictions = np.zeros((n, 1), np.uint8), np.zeros((n, 1), np.uint8)
    targets[:true] = 1
    predictions[true - both : true - both + given] = 1
    return targets, predictions


CASES = {
    "all right": (8, 8, 8, RELIABLE),
    "one fewer": (7, 7, 7, TOO_FEW),
    "rare, and given often": (3, 40, 3, UNRELIABLE),
    "just": (60, 50, 40, RELIABLE),  # Wilson's low is 0.6696
    "just not": (60, 50, 39, UNRELIABLE),  # 0.6477
    "never given": (60, 0, 0, UNRELIABLE),
    "never true, never given": (0, 0, 0, TOO_FEW),
    "seldom given, each time right": (60, 5, 5, UNRELIABLE),
    "found by half, always right": (60, 30, 30, RELIABLE),
}


def test_verdicts_on_both_sides():
    pairs = [column(*case[:3]) for case in CASES.values()]
    targets, predictions = (np.hstack(side) for side in zip(*pairs, strict=True))
    table = reliance.judge(targets, predictions, tuple(CASES))
    assert dict(zip(table.label, table.verdict, strict=True)) == {name: case[3] for name, case in CASES.items()}
    assert table.support.tolist() == [case[0] for case in CASES.values()]
    assert np.isnan(table.precision[table.predicted == 0]).all()
    shown = table.set_index("label").loc["just"]
    assert (shown.precision, shown.recall) == (40 / 50, 40 / 60) and round(shown.low, 4) == 0.6696
