"""Standardised features change how a head is learnt, never what it answers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from tagging_lib.runs.trainer import log_odds
from tagging_lib.training.batches import FeatureBatches
from tagging_lib.training.standardise import SMALLEST_SPREAD, Standardised, moments

RANDOM = np.random.default_rng(0)
SPREADS = np.array([0.01, 1.0, 40.0, 5.0], dtype=np.float32)
FEATURES = (RANDOM.normal(size=(90, 4)) * SPREADS + [3, -2, 500, 0]).astype(np.float32)


def head() -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(nn.Dropout(0.0), nn.Linear(4, 3))


def batches() -> FeatureBatches:
    return FeatureBatches([FEATURES], np.zeros((90, 3), np.uint8))


def test_moments_are_those_of_the_photos_asked_for():
    chosen = np.arange(10, 70)
    mean, std = moments(batches(), chosen)
    np.testing.assert_allclose(mean, FEATURES[chosen].mean(0), rtol=1e-5, atol=1e-5)
    expected = FEATURES[chosen].astype(float).std(0)
    np.testing.assert_allclose(std, np.maximum(expected, SMALLEST_SPREAD * expected.mean()), rtol=1e-4)
    assert std[0] > 5 * expected[0], "a feature that hardly moves keeps a floor under its spread"


def test_features_that_never_move_stay_finite():
    still = FeatureBatches([np.full((20, 4), 7, np.float32)], np.zeros((20, 3), np.uint8))
    mean, std = moments(still, np.arange(20))
    answer = Standardised(head(), mean, std)(torch.full((2, 4), 7.0))
    assert torch.isfinite(answer).all()


@pytest.mark.parametrize("plain", [head(), nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3))])
def test_wrapping_and_folding_change_no_answer(plain):
    x = torch.from_numpy(FEATURES)
    before = plain.eval()(x).detach()
    wrapped = Standardised(plain, *moments(batches(), np.arange(90))).eval()
    torch.testing.assert_close(wrapped(x), before, rtol=1e-3, atol=1e-2)
    with torch.no_grad():
        for parameter in wrapped.parameters():
            parameter += 0.1
    learnt = wrapped(x).detach()
    assert not torch.allclose(learnt, before, atol=0.1)
    assert wrapped.fold() is plain
    torch.testing.assert_close(plain(x), learnt, rtol=1e-3, atol=1e-2)


def test_steps_are_taken_on_features_of_one_spread():
    wrapped = Standardised(head(), *moments(batches(), np.arange(90)))
    wrapped(torch.from_numpy(FEATURES)).square().mean().backward()
    sizes = wrapped.head[1].weight.grad.abs().mean(0)
    assert sizes[1:].max() < 20 * sizes[1:].min(), "spreads of 1, 5 and 40 weigh alike"


def test_a_head_starts_where_it_is_told_to():
    wrapped = Standardised(head(), *moments(batches(), np.arange(90)))
    start = torch.tensor([-3.0, 0.0, 2.0])
    wrapped.start_at(start)
    torch.testing.assert_close(wrapped(wrapped.mean[None])[0], start)
    torch.testing.assert_close(wrapped.fold()(wrapped.mean[None])[0], start, rtol=1e-3, atol=1e-2)


def test_log_odds_are_finite_for_labels_on_no_photo_and_on_all():
    targets = np.array([[0, 1, 1], [0, 1, 0], [0, 1, 0], [0, 1, 0]], dtype=np.uint8)
    expected = np.log([0.5 / 4.5, 4.5 / 0.5, 1.5 / 3.5])
    np.testing.assert_allclose(log_odds(targets), expected, rtol=1e-6)
    weight = torch.tensor([1.0, 0.1, 7 / 3])
    np.testing.assert_allclose(log_odds(targets, weight), expected + np.log(weight.numpy()), rtol=1e-5, atol=1e-6)
