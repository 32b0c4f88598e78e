"""Uncertainty against scipy, and the greedy choice of unlike photos against a plain search."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from scipy.stats import entropy

from tagging_lib.evaluation import acquisition


def test_the_entropy_is_that_of_scipy():
    p = np.random.default_rng(0).random((50, 7)).astype(np.float32)
    p[0, :2] = 0, 1
    expected = entropy(np.stack([p, 1 - p]).astype(np.float64), base=2, axis=0)
    np.testing.assert_allclose(acquisition.binary_entropy(p), expected, atol=1e-6)
    np.testing.assert_allclose(acquisition.uncertainty(p), expected.mean(axis=1), atol=1e-6)
    assert acquisition.uncertainty(np.zeros((3, 0))).tolist() == [0, 0, 0]


@pytest.mark.parametrize("seed", range(3))
def test_each_photo_is_the_farthest_from_those_before_it(seed):
    features = np.random.default_rng(seed).normal(size=(60, 5))
    order, distances = acquisition.farthest_first(features, 12)
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    apart = cdist(unit, unit)
    assert order[0] == 0 and np.isnan(distances[0]) and len(set(order.tolist())) == 12
    for step in range(1, 12):
        nearest = apart[:, order[:step]].min(axis=1)
        assert order[step] == nearest.argmax()
        assert distances[step] == pytest.approx(nearest.max())


def test_copies_come_last_and_none_comes_twice():
    features = np.repeat(np.eye(3), 4, axis=0)
    order, distances = acquisition.farthest_first(features, 20)
    assert sorted(order.tolist()) == list(range(12)) and set((order[:3] // 4).tolist()) == {0, 1, 2}
    np.testing.assert_allclose(distances[1:3], np.sqrt(2))
    np.testing.assert_allclose(distances[3:], 0)


def test_length_does_not_count_and_features_of_nothing_are_no_error():
    order, distances = acquisition.farthest_first(np.array([[1.0, 0], [9, 0], [0, 1], [0, 0]]), 4)
    assert order.tolist() == [0, 2, 3, 1] or order.tolist() == [0, 2, 1, 3] or distances[-1] == 0
    assert np.isfinite(distances[1:]).all()
    assert acquisition.farthest_first(np.zeros((0, 3)), 5)[0].tolist() == []


@pytest.mark.parametrize(("wanted", "photos", "pool"), [(100, 100_000, 1000), (100, 600, 300), (100, 150, 100), (100, 40, 40)])
def test_the_pool_is_ten_times_as_large_and_at_most_half_of_all(wanted, photos, pool):
    assert acquisition.pool_size(wanted, photos) == pool
