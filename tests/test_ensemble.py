"""Several answers as one, against counting by hand."""

from __future__ import annotations

import numpy as np
import pytest

from tagging_lib.evaluation import ensemble, thresholds


def test_the_mean_is_taken_photo_by_photo_and_label_by_label():
    random = np.random.default_rng(0)
    parts = [random.random((6, 3)).astype(np.float32) for _ in range(4)]
    found = ensemble.mean_probability(parts)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, sum(part.astype(float) for part in parts) / 4, rtol=1e-6)
    assert not np.allclose(found, parts[0])


def test_the_mean_of_one_is_itself_and_of_zeros_and_ones_stays_within_them():
    one = np.array([[0.0, 0.1, 1.0]], dtype=np.float32)
    np.testing.assert_array_equal(ensemble.mean_probability([one]), one)
    assert ensemble.mean_probability([one] * 7).max() <= 1 and ensemble.mean_probability([one] * 7).min() >= 0


def test_a_label_needs_more_than_half_of_the_votes():
    votes = [np.array([[1, 1, 1, 0]]), np.array([[1, 1, 0, 0]]), np.array([[1, 0, 0, 0]])]
    assert ensemble.majority_vote(votes).tolist() == [[1, 1, 0, 0]]
    assert ensemble.majority_vote(votes[:2]).tolist() == [[1, 1, 0, 0]]
    found = ensemble.majority_vote(votes[1:])
    assert found.tolist() == [[1, 0, 0, 0]], "a tie gives no label"
    assert found.dtype == np.uint8


def test_many_votes_do_not_overflow():
    assert ensemble.majority_vote([np.ones((1, 1), dtype=np.uint8)] * 300).tolist() == [[1]]


def test_answers_for_other_photos_or_none_at_all_are_refused():
    with pytest.raises(ValueError, match="same shape"):
        ensemble.mean_probability([np.zeros((2, 3)), np.zeros((3, 3))])
    with pytest.raises(ValueError, match="at least one"):
        ensemble.majority_vote([])


def test_weights_find_for_each_label_the_member_that_knows_it():
    random = np.random.default_rng(1)
    truth = (random.random((300, 3)) < 0.3).astype(np.uint8)
    truth[:, 2] = 0
    noise = [random.random((300, 3)).astype(np.float32) for _ in range(3)]
    noise[0][:, 0] = 0.9 * truth[:, 0] + 0.05
    noise[2][:, 1] = 0.9 * truth[:, 1] + 0.05
    weights = ensemble.weights_by_label(truth, noise)
    np.testing.assert_allclose(weights.sum(axis=0), 1)
    assert weights[:, 0].argmax() == 0 and weights[:, 1].argmax() == 2
    np.testing.assert_allclose(weights[:, 2], 1 / 3)
    joined = ensemble.weighted_probability(noise, weights)
    expected = sum(weights[member] * noise[member].astype(float) for member in range(3))
    np.testing.assert_allclose(joined, expected, rtol=1e-6)
    assert joined.dtype == np.float32


def test_the_greedy_choice_takes_what_helps_and_leaves_what_harms():
    random = np.random.default_rng(2)
    truth = (random.random((400, 4)) < 0.3).astype(np.uint8)

    def member(noise):
        return np.clip(truth * 0.5 + 0.25 + random.normal(scale=noise, size=truth.shape), 0, 1).astype(np.float32)

    good, other, useless = member(0.35), member(0.35), random.random(truth.shape).astype(np.float32)
    chosen = ensemble.greedy(truth, [useless, good, other])
    assert min(chosen.count(1), chosen.count(2)) > chosen.count(0)
    mean = ensemble.mean_probability([[useless, good, other][i] for i in chosen])
    alone = max(thresholds.sweep(truth, given).f1.max() for given in (useless, good, other))
    assert thresholds.sweep(truth, mean).f1.max() > alone
    assert ensemble.greedy(truth, [useless, truth.astype(np.float32)]) == [1], "the shortest of equals"
