"""Probabilities against a network worked out by hand, and the constant answer against trying every set of labels."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from torch import nn

from tagging_lib.errors import TaggingError
from tagging_lib.evaluation import metrics
from tagging_lib.models.baselines import constant_answer
from tagging_lib.models.predict import predict


class Rows:
    """Rows of a matrix as batches, in the way of the training batches."""

    def __init__(self, rows, size=3):
        self.rows, self.size = torch.as_tensor(rows, dtype=torch.float32), size

    def plain(self, indices):
        for start in range(0, len(indices), self.size):
            x = self.rows[indices[start : start + self.size]]
            yield x, torch.zeros(len(x), 2)


def test_probabilities_are_the_sigmoid_of_the_logits_applied_once_in_the_order_asked_for():
    logits = np.linspace(-6, 6, 20).reshape(10, 2)
    indices = np.array([9, 0, 4, 4, 7, 1, 3])
    found = predict(nn.Identity(), Rows(logits), indices)
    assert found.dtype == np.float32 and found.shape == (7, 2)
    np.testing.assert_allclose(found, 1 / (1 + np.exp(-logits[indices])), rtol=1e-6)


def test_prediction_switches_dropout_off_and_keeps_batchnorm_statistics():
    module = nn.Sequential(nn.BatchNorm1d(2), nn.Dropout(0.5)).train()
    rows = Rows(np.random.default_rng(0).normal(size=(12, 2)))
    first, second = (predict(module, rows, np.arange(12)) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert int(module[0].num_batches_tracked) == 0
    # In evaluation mode a photo's answer does not depend on its batch.
    np.testing.assert_array_equal(predict(module, rows, np.array([5])), first[[5]])


def test_half_precision_logits_give_float32_and_extreme_logits_stay_within_0_and_1():
    class Half(nn.Module):
        def forward(self, x):
            return x.to(torch.bfloat16)

    found = predict(Half(), Rows([[-1e30, 1e30], [-np.inf, np.inf]]), np.arange(2))
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, [[0, 1], [0, 1]])


def test_nan_is_an_error_that_counts_the_photos():
    with pytest.raises(TaggingError, match="nan for 2 of 4 photos"):
        predict(nn.Identity(), Rows([[0, 0], [np.nan, 0], [1, 1], [0, np.nan]]), np.arange(4))


def test_no_photos_is_an_error():
    with pytest.raises(ValueError, match="indices is empty"):
        predict(nn.Identity(), Rows([[0, 0]]), np.array([], dtype=int))


@pytest.mark.parametrize("seed", range(5))
def test_the_constant_answer_is_the_best_of_all_sets_of_labels(seed):
    random = np.random.default_rng(seed)
    targets = (random.random((50, 6)) < random.random(6) ** 2).astype(np.uint8)
    answer = constant_answer(targets, 50)
    assert answer.shape == (50, 6) and answer.dtype == np.float32 and (answer == answer[0]).all()
    every = [np.tile(np.array(bits, dtype=np.uint8), (50, 1)) for bits in itertools.product((0, 1), repeat=6)]
    best = max(metrics.score(targets, one)["micro_f1"] for one in every)
    assert metrics.score(targets, answer.astype(np.uint8))["micro_f1"] == pytest.approx(best)


def test_the_constant_answer_is_one_label_where_one_dominates_and_none_where_none_is_true():
    targets = np.zeros((10, 3), dtype=np.uint8)
    assert constant_answer(targets, 4).tolist() == [[0, 0, 0]] * 4
    targets[:6, 1] = 1
    targets[0, 2] = 1
    assert constant_answer(targets, 2).tolist() == [[0, 1, 0]] * 2


def test_always_answering_people_scores_what_the_original_study_lost_to(reference_predictions):
    truth = metrics.read_savetxt(reference_predictions / "resnet152.truth.txt")
    people = np.zeros_like(truth)
    people[:, 9] = 1
    assert round(metrics.score(truth, people)["micro_f1"], 3) == 0.316
    constant = constant_answer(truth, len(truth)).astype(np.uint8)
    floor = metrics.score(truth, constant)["micro_f1"]
    assert floor >= 0.3155
    assert (
        floor
        > metrics.score(
            metrics.read_savetxt(reference_predictions / "ffn1.truth.txt"),
            metrics.read_savetxt(reference_predictions / "ffn1.pred.txt"),
        )["micro_f1"]
    )
