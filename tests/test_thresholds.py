"""Thresholds: the boundary, the grid, and the exact search against trying every probability."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.special import logit
from scipy.stats import binomtest
from sklearn.metrics import f1_score, precision_recall_curve, precision_score, recall_score

from tagging_lib.evaluation import metrics, thresholds


def random_probabilities(seed: int, photos: int = 60, labels: int = 4, decimals: int | None = None):
    random = np.random.default_rng(seed)
    targets = (random.random((photos, labels)) < 0.3).astype(np.uint8)
    probabilities = np.clip(0.25 * targets + 0.75 * random.random((photos, labels)), 0, 1)
    if decimals is not None:
        probabilities = np.round(probabilities, decimals)
    return targets, probabilities.astype(np.float32)


# The ends, the grid's own values and their neighbours, so that boundaries and ties are drawn often.
VALUES = (0.0, 1e-9, 0.05, 0.3, float(np.float32(0.3)), 0.5, 0.65, 0.95, 1 - 1e-9, 1.0)


@st.composite
def small_answers(draw) -> tuple[np.ndarray, np.ndarray]:
    """Targets and probabilities of a few photos in either precision, with absent labels among them."""
    shape = draw(st.tuples(st.integers(1, 6), st.integers(1, 3)))
    targets = draw(arrays.arrays(np.uint8, shape, elements=st.integers(0, 1)))
    probabilities = draw(arrays.arrays(np.float64, shape, elements=st.sampled_from(VALUES)))
    return targets, probabilities.astype(draw(st.sampled_from([np.float32, np.float64])))


def micro(targets, predictions) -> float:
    return f1_score(targets.ravel(), predictions.ravel(), zero_division=0)


@settings(max_examples=20, deadline=None)
@given(small_answers())
def test_any_sweep_is_scikit_learns_and_recall_never_rises_with_the_threshold(pair):
    targets, probabilities = pair
    grid = np.array([0.0, *thresholds.GRID, 1.0])
    table = thresholds.sweep(targets, probabilities, grid)
    answers = [thresholds.apply(probabilities, value).ravel() for value in grid]
    for name, scorer in (("f1", f1_score), ("precision", precision_score), ("recall", recall_score)):
        expected = [scorer(targets.ravel(), answer, zero_division=0) for answer in answers]
        np.testing.assert_allclose(table[name], expected)
    assert (np.diff(table.recall) <= 0).all() and table.recall[0] == targets.any()
    assert answers[0].all() and (answers[-1] == (probabilities.ravel() == 1)).all()


@settings(max_examples=60, deadline=None)
@given(small_answers(), st.randoms(use_true_random=False))
def test_the_best_of_the_grid_is_the_middle_of_the_best_whatever_the_order_of_photos(pair, random):
    targets, probabilities = pair
    f1 = [micro(targets, thresholds.apply(probabilities, value)) for value in thresholds.GRID]
    best = [value for value, score in zip(thresholds.GRID, f1, strict=True) if score >= max(f1) - 1e-12]
    assert thresholds.best_on_grid(targets, probabilities) == best[len(best) // 2]
    rows = random.sample(range(len(targets)), len(targets))
    assert thresholds.best_on_grid(targets[rows], probabilities[rows]) == best[len(best) // 2]


@settings(max_examples=60, deadline=None)
@given(small_answers(), st.randoms(use_true_random=False))
def test_exact_thresholds_are_the_best_of_all_whatever_the_order_of_photos(pair, random):
    targets, probabilities = pair
    threshold, f1 = thresholds.exact(targets, probabilities)
    if targets.any():
        assert f1 == pytest.approx(micro(targets, thresholds.apply(probabilities, threshold)))
        assert f1 == pytest.approx(max(micro(targets, probabilities >= value) for value in np.unique(probabilities)))
    else:
        assert (threshold, f1) == (1.0, 0.0)
    together = micro(targets, thresholds.apply(probabilities, thresholds.per_label_micro(targets, probabilities)))
    columns = [np.append(np.unique(column), 2.0) for column in probabilities.T]
    every = [micro(targets, thresholds.apply(probabilities, np.array(chosen))) for chosen in itertools.product(*columns)]
    assert together == pytest.approx(max(every))
    rows = random.sample(range(len(targets)), len(targets))
    for rule in (thresholds.per_label_exact, thresholds.per_label_micro, lambda *parts: thresholds.exact(*parts)[0]):
        np.testing.assert_array_equal(rule(targets[rows], probabilities[rows]), rule(targets, probabilities))


@settings(max_examples=40, deadline=None)
@given(small_answers())
@pytest.mark.filterwarnings("error")
def test_shrunken_thresholds_lie_between_their_ends(pair):
    targets, probabilities = pair
    own, common = thresholds.per_label_micro(targets, probabilities), thresholds.exact(targets, probabilities)[0]
    low, high = np.minimum(own, common), np.maximum(own, common)
    sets = thresholds._shrunken_by((0.0, 3.0, np.inf), targets, probabilities)
    for found in (thresholds.shrunken(targets, probabilities), *sets):
        assert (found >= np.minimum(low, 1 - 1e-6) - 1e-12).all() and (found <= np.maximum(high, 1e-6) + 1e-12).all()


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_between_two_thresholds_at_an_end_lies_that_end(value):
    """Log-odds have no end, but a label given from 0 on must not be lost at 0.000001, nor one from 1 on be given before."""
    targets = np.array([[1], [1], [1], [0]], dtype=np.uint8)
    (found,) = thresholds._shrunken_by((3.0,), targets, np.full((4, 1), value))
    assert found.tolist() == [value]


def test_the_exact_search_ranks_answers_of_whole_numbers():
    for dtype in (np.uint8, bool):
        answers = np.array([[0, 1], [1, 0]], dtype=dtype)
        assert thresholds.exact(answers.astype(int), answers) == (1.0, 1.0)
        found = thresholds.per_label_micro(answers.astype(int), answers)
        assert thresholds.apply(answers, found).tolist() == answers.astype(int).tolist()
        never = thresholds.per_label_micro(np.zeros((2, 2)), answers)
        assert not thresholds.apply(answers, never).any()


def test_without_photos_every_search_ends_at_one():
    targets, probabilities = np.zeros((0, 3), dtype=np.uint8), np.zeros((0, 3), dtype=np.float32)
    assert thresholds.exact(targets, probabilities) == (1.0, 0.0)
    for rule in (thresholds.per_label_exact, thresholds.per_label_micro, thresholds.shrunken):
        assert rule(targets, probabilities).tolist() == [1.0, 1.0, 1.0]


def test_the_grid_is_the_originals():
    assert thresholds.GRID.tolist() == [round(0.05 * step, 2) for step in range(1, 20)]


def test_a_probability_equal_to_the_threshold_gives_the_label_in_either_precision():
    for dtype in (np.float32, np.float64):
        probabilities = thresholds.GRID.astype(dtype)[None, :]
        assert (thresholds.apply(probabilities, thresholds.GRID) == 1).all()
        assert (thresholds.apply(np.nextafter(probabilities, dtype(0)), thresholds.GRID) == 0).all()


def test_threshold_zero_gives_every_label_and_one_only_the_certain():
    probabilities = np.array([[0.0, 0.5, 1.0]], dtype=np.float32)
    assert thresholds.apply(probabilities, 0.0).tolist() == [[1, 1, 1]]
    found = thresholds.apply(probabilities, 1.0)
    assert found.tolist() == [[0, 0, 1]] and found.dtype == np.uint8


def test_a_threshold_for_each_label_applies_to_its_column():
    probabilities = np.full((2, 3), 0.5, dtype=np.float32)
    assert thresholds.apply(probabilities, np.array([0.4, 0.5, 0.6])).tolist() == [[1, 1, 0]] * 2


def test_answers_of_whole_numbers_survive_a_threshold():
    answers = np.array([[0, 1]], dtype=np.uint8)
    assert thresholds.apply(answers, 0.5).tolist() == [[0, 1]]
    assert thresholds.sweep(np.array([[0, 1]]), answers).f1.tolist() == [1.0] * len(thresholds.GRID)


@pytest.mark.parametrize("seed, decimals", [(0, None), (1, 1), (2, 2), (3, 2)])
def test_a_sweep_equals_scikit_learn_at_each_threshold(seed, decimals):
    targets, probabilities = random_probabilities(seed, decimals=decimals)
    table = thresholds.sweep(targets, probabilities)
    assert table.threshold.tolist() == thresholds.GRID.tolist()
    for line in table.itertuples():
        given = thresholds.apply(probabilities, line.threshold)
        for name, scorer in (("f1", f1_score), ("precision", precision_score), ("recall", recall_score)):
            assert getattr(line, name) == pytest.approx(scorer(targets, given, average="micro", zero_division=0))


def test_best_on_grid_is_the_grids_maximum_and_the_middle_of_equals():
    targets, probabilities = random_probabilities(5)
    table = thresholds.sweep(targets, probabilities)
    best = thresholds.best_on_grid(targets, probabilities)
    assert best in thresholds.GRID
    assert table.f1[table.threshold == best].item() == table.f1.max()
    # Everything true at 0.9 and everything false at 0.1: all of 0.15 … 0.90 is perfect, 0.55 in the middle.
    clear = np.where(targets == 1, 0.9, 0.1).astype(np.float32)
    assert thresholds.best_on_grid(targets, clear) == 0.55


@pytest.mark.parametrize("seed, decimals", [(0, None), (1, None), (2, 1), (3, 2), (4, 1)])
def test_the_exact_threshold_beats_every_other_and_its_f1_is_what_applying_it_gives(seed, decimals):
    targets, probabilities = random_probabilities(seed, decimals=decimals)
    threshold, f1 = thresholds.exact(targets, probabilities)
    assert metrics.score(targets, thresholds.apply(probabilities, threshold))["micro_f1"] == pytest.approx(f1)
    every = [f1_score(targets, probabilities >= value, average="micro") for value in np.unique(probabilities)]
    assert f1 == pytest.approx(max(every))
    precision, recall, _ = precision_recall_curve(targets.ravel(), probabilities.ravel())
    assert f1 == pytest.approx(np.nanmax(2 * precision * recall / np.maximum(precision + recall, 1e-12)))
    assert f1 >= thresholds.sweep(targets, probabilities, thresholds.FINE_GRID).f1.max() - 1e-12


def test_the_exact_threshold_does_not_split_equal_probabilities():
    targets, probabilities = np.array([[1], [0], [0], [0]]), np.full((4, 1), 0.5, dtype=np.float32)
    assert thresholds.exact(targets, probabilities) == (0.5, pytest.approx(0.4))


def test_without_a_positive_nothing_is_found_and_nothing_breaks():
    targets, probabilities = np.zeros((6, 2), dtype=np.uint8), np.full((6, 2), 0.7, dtype=np.float32)
    assert thresholds.exact(targets, probabilities) == (1.0, 0.0)
    assert (thresholds.sweep(targets, probabilities)[["f1", "precision", "recall"]] == 0).all(axis=None)
    assert thresholds.best_on_grid(targets, probabilities) in thresholds.GRID


def test_thresholds_per_label_are_each_columns_own_optimum():
    targets, probabilities = random_probabilities(8)
    targets[:, 3] = 0
    found = thresholds.per_label_exact(targets, probabilities)
    assert found.shape == (4,) and found[3] == 1.0
    given = thresholds.apply(probabilities, found)
    for label in range(3):
        every = [f1_score(targets[:, label], probabilities[:, label] >= v) for v in np.unique(probabilities[:, label])]
        assert f1_score(targets[:, label], given[:, label]) == pytest.approx(max(every))
    assert not given[:, 3].any()


@pytest.mark.parametrize("seed, decimals", [(0, None), (1, 1), (2, 1), (3, 2)])
def test_per_label_micro_beats_every_combination_of_thresholds(seed, decimals):
    targets, probabilities = random_probabilities(seed, photos=8, labels=3, decimals=decimals)
    found = thresholds.per_label_micro(targets, probabilities)
    given = thresholds.apply(probabilities, found)
    every = [np.append(np.unique(probabilities[:, label]), 2.0) for label in range(3)]
    best = max(
        f1_score(targets, thresholds.apply(probabilities, np.array(chosen)), average="micro", zero_division=0)
        for chosen in itertools.product(*every)
    )
    assert f1_score(targets, given, average="micro") == pytest.approx(best)


def test_per_label_micro_is_at_least_as_good_as_one_threshold_and_as_each_labels_own():
    for seed in range(5):
        targets, probabilities = random_probabilities(seed, photos=200, labels=6)
        micro = metrics.score(targets, thresholds.apply(probabilities, thresholds.per_label_micro(targets, probabilities)))
        own = metrics.score(targets, thresholds.apply(probabilities, thresholds.per_label_exact(targets, probabilities)))
        assert micro["micro_f1"] >= thresholds.exact(targets, probabilities)[1] - 1e-12
        assert micro["micro_f1"] >= own["micro_f1"] - 1e-12
        assert own["macro_f1"] >= micro["macro_f1"] - 1e-12


def test_a_label_that_does_not_pay_is_never_given_even_at_probability_one():
    targets = np.array([[1, 0], [1, 0], [1, 0], [0, 0]], dtype=np.uint8)
    probabilities = np.array([[0.9, 1.0], [0.8, 1.0], [0.7, 0.3], [0.1, 0.2]], dtype=np.float32)
    found = thresholds.per_label_micro(targets, probabilities)
    assert not thresholds.apply(probabilities, found)[:, 1].any()
    assert thresholds.apply(probabilities, found)[:, 0].tolist() == [1, 1, 1, 0]
    nothing = thresholds.per_label_micro(np.zeros_like(targets), probabilities)
    assert not thresholds.apply(probabilities, nothing).any()


def test_shrinking_goes_from_each_labels_own_threshold_to_the_common_one_and_rare_labels_go_first():
    targets, probabilities = random_probabilities(4, photos=300, labels=3)
    targets[20:, 2] = 0  # a rare label
    own, common = thresholds.per_label_micro(targets, probabilities), thresholds.exact(targets, probabilities)[0]
    sets = thresholds._shrunken_by(thresholds.STRENGTHS, targets, probabilities)
    np.testing.assert_array_equal(sets[0], own)
    np.testing.assert_allclose(sets[-1], common)
    way = [np.abs(logit(found) - logit(common)) / np.abs(logit(own) - logit(common)) for found in sets[1:-1]]
    assert (np.diff(way, axis=0) < 0).all()
    positives = targets.sum(axis=0)
    np.testing.assert_allclose(way[2], positives / (positives + 30))


def test_shrinking_ends_at_the_common_threshold_where_labels_are_alike_and_does_not_where_they_are_not():
    alike = [random_probabilities(seed, photos=150, labels=4) for seed in range(6)]
    ends = [np.ptp(thresholds.shrunken(*pair)) for pair in alike]
    owns = [np.ptp(thresholds.per_label_micro(*pair)) for pair in alike]
    assert np.mean(ends) < 0.5 * np.mean(owns)
    targets, _ = random_probabilities(1, photos=600, labels=2)
    probabilities = 0.4 * targets + 0.6 * np.random.default_rng(0).random(targets.shape)
    probabilities[:, 1] = probabilities[:, 1] ** 4
    found, own = thresholds.shrunken(targets, probabilities), thresholds.per_label_micro(targets, probabilities)
    assert own[0] - own[1] > 0.2
    np.testing.assert_allclose(found, own, rtol=0.2)


def test_shrinking_survives_empty_and_single_photos_and_labels_without_a_positive():
    targets, probabilities = random_probabilities(2, photos=40)
    targets[:, 1] = 0
    found = thresholds.shrunken(targets, probabilities)
    assert found[1] == pytest.approx(thresholds.exact(targets, probabilities)[0])
    for photos in (1, 2):
        assert thresholds.shrunken(targets[:photos], probabilities[:photos]).shape == (4,)
    assert np.isfinite(thresholds.shrunken(np.zeros_like(targets), probabilities)).all()


def test_a_promised_precision_by_hand():
    """22 photos without an error promise 0.9 with a confidence of 0.9: 0.9 to the 22nd is 0.098, to the 21st 0.109."""
    sure = np.linspace(1, 0.5, 30)
    right = np.ones(30, dtype=np.uint8)
    assert thresholds.at_precision(right[:22, None], sure[:22, None], 0.9)[0] == sure[21]
    assert thresholds.at_precision(right[:21, None], sure[:21, None], 0.9)[0] == np.inf
    # 0.8 to the 11th is 0.086, to the 10th 0.107.
    assert thresholds.at_precision(right[:11, None], sure[:11, None], 0.8)[0] == sure[10]
    assert thresholds.at_precision(right[:10, None], sure[:10, None], 0.8)[0] == np.inf
    # An error at the top must be made good by photos below it: the threshold goes down until enough are right.
    first_wrong = np.concatenate([[0], right, right, right])[:, None]
    falling = np.linspace(1, 0.1, 91)[:, None]
    assert thresholds.at_precision(first_wrong, falling, 0.9)[0] == falling[-1, 0]
    # A two-sided interval of 0.8 has the lower end of a one-sided one of 0.9.
    enough = next(n for n in range(2, 91) if binomtest(n - 1, n).proportion_ci(0.8, "exact").low >= 0.9)
    assert 22 < enough < 91
    assert np.isfinite(thresholds.at_precision(first_wrong[:enough], falling[:enough], 0.9)[0])
    assert np.isinf(thresholds.at_precision(first_wrong[: enough - 1], falling[: enough - 1], 0.9)[0])


def test_a_promised_precision_never_parts_equal_probabilities_and_skips_labels_without_a_positive():
    targets = np.column_stack([np.r_[np.ones(30), np.zeros(30)], np.zeros(60)]).astype(np.uint8)
    tied = np.column_stack([np.full(60, 0.7), np.linspace(0, 1, 60)]).astype(np.float32)
    assert thresholds.at_precision(targets, tied, 0.9).tolist() == [np.inf, np.inf]
    tied[:30, 0] = 0.8
    found = thresholds.at_precision(targets, tied, 0.9)
    assert thresholds.apply(tied, found).sum(axis=0).tolist() == [30, 0]
    assert thresholds.at_precision(targets[:0], tied[:0], 0.9).tolist() == [np.inf, np.inf]


def test_a_promise_is_kept_on_other_photos_where_the_precision_as_counted_is_not():
    """Labels by chance alone, true with probability p: over many draws the delivered precision is the mean p above."""
    random, kept, counted = np.random.default_rng(0), [], []
    for _ in range(40):
        probabilities = random.random((300, 1))
        targets = (random.random((300, 1)) < probabilities).astype(np.uint8)
        promised = thresholds.at_precision(targets, probabilities, 0.8)[0]
        order = np.argsort(-probabilities[:, 0])
        precision = np.cumsum(targets[order, 0]) / np.arange(1, 301)
        lucky = probabilities[order[np.flatnonzero(precision >= 0.8)[-1]], 0]
        kept.append((1 + promised) / 2 >= 0.8)
        counted.append((1 + lucky) / 2 >= 0.8)
    assert np.mean(kept) >= 0.8 > 0.6 > np.mean(counted)
