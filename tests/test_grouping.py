"""Groups of rows: two rows share a letter exactly if they are not told apart."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tagging_lib.evaluation import grouping, uncertainty


def matrix(rows: int, pairs) -> np.ndarray:
    found = np.zeros((rows, rows), dtype=bool)
    for i, j in pairs:
        found[i, j] = found[j, i] = True
    return found


@pytest.mark.parametrize(
    ("rows", "pairs", "letters"),
    [
        (0, [], []),
        (1, [], ["a"]),
        (3, [], ["a", "a", "a"]),
        (3, [(0, 1), (0, 2), (1, 2)], ["a", "b", "c"]),
        (3, [(0, 2)], ["a", "ab", "b"]),
        (4, [(0, 2), (0, 3), (1, 3)], ["a", "ab", "bc", "c"]),
    ],
)
def test_letters_by_hand(rows, pairs, letters):
    assert grouping.compact_letters(matrix(rows, pairs)) == letters


@settings(max_examples=80, deadline=None)
@given(st.integers(2, 8), st.integers(0, 2**28 - 1))
def test_two_rows_share_a_letter_exactly_if_they_do_not_differ(rows, bits):
    pairs = [pair for place, pair in enumerate(zip(*np.triu_indices(rows, 1), strict=True)) if bits >> place & 1]
    different = matrix(rows, pairs)
    letters = grouping.compact_letters(different)
    for i in range(rows):
        assert letters[i]
        assert all(grouping.alike(letters[i], letters[j]) == (i == j or not different[i, j]) for j in range(rows))


def test_letters_go_on_after_z():
    assert [grouping.letter(place) for place in (0, 25, 26, 53)] == ["a", "z", "a1", "b2"]
    assert grouping.alike("ab1", "b1c") and not grouping.alike("a", "a1") and not grouping.alike("", "")


def answers(shares, photos=400, labels=5):
    random = np.random.default_rng(0)
    targets = (random.random((photos, labels)) < 0.3).astype(np.uint8)
    return targets, [targets ^ (random.random(targets.shape) < share).astype(np.uint8) for share in shares]


def test_rows_that_differ_stand_apart_and_the_best_has_the_first_letter():
    targets, (bad, good, like, worst) = answers((0.2, 0.03, 0.03, 0.4))
    assert grouping.groups(targets, [bad, good, like, worst]) == ["b", "a", "a", "c"]
    assert grouping.groups(targets, [good]) == ["a"] and grouping.groups(targets, []) == []


def test_the_same_row_twice_is_one_group_and_a_row_without_f1_has_none():
    targets, (row,) = answers((0.1,))
    assert grouping.groups(targets, [row, row.copy()]) == ["a", "a"]
    nothing = np.zeros((4, 2), dtype=np.uint8)
    assert grouping.groups(nothing, [nothing, np.ones_like(nothing)]) == ["", "a"]


def test_rows_of_several_trainings_stand_beside_a_single_answer():
    targets, (one, two, constant) = answers((0.05, 0.05, 0.35))
    assert grouping.groups(targets, [np.stack([one, two]), constant[None]]) == ["a", "b"]


def test_many_pairs_do_not_put_significance_out_of_reach(monkeypatch):
    """With R swaps p is never below 1 / (R + 1); Holm multiplies it by the number of pairs."""
    monkeypatch.setattr(uncertainty, "RESAMPLES", 20)
    targets, rows = answers(np.linspace(0.02, 0.45, 6))
    assert len(set(grouping.groups(targets, rows))) == 6


def test_equally_good_rows_are_rarely_told_apart():
    wrong = 0
    for seed in range(40):
        random = np.random.default_rng(seed)
        targets = (random.random((80, 3)) < 0.3).astype(np.uint8)
        rows = [targets ^ (random.random(targets.shape) < 0.15).astype(np.uint8) for _ in range(4)]
        wrong += len(set("".join(grouping.groups(targets, rows, seed=seed)))) > 1
    assert wrong <= 6  # 5 % of 40 is 2; seven or more happen once in 300 times
