"""Losses against the formulas of their papers, worked out in numpy at double precision."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tagging_lib.training import losses


def entries(seed: int = 0):
    random = np.random.default_rng(seed)
    return random.normal(scale=3, size=(7, 4)), (random.random((7, 4)) < 0.3).astype(float)


def by_hand(name: str, logits: np.ndarray, targets: np.ndarray, weight: np.ndarray) -> float:
    p = 1 / (1 + np.exp(-logits))
    if name == "bce":
        on, off = -np.log(p), -np.log(1 - p)
    elif name == "focal":  # Lin et al. 2017, equation 4 with gamma 2
        on, off = -((1 - p) ** 2) * np.log(p), -(p**2) * np.log(1 - p)
    else:  # Ridnik et al. 2021, equations 4 to 7 with the gammas 1 and 4 and the margin 0.05
        moved = np.maximum(p - 0.05, 0)
        on, off = -(1 - p) * np.log(p), -(moved**4) * np.log(1 - moved)
    return float((targets * weight * on + (1 - targets) * off).mean())


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", ["bce", "focal", "asymmetric"])
def test_value_is_that_of_the_formula(name, weighted):
    logits, targets = entries()
    weight = np.array([209.5, 2.16, 1.0, 8.0]) if weighted else np.ones(4)
    loss = losses.build(name, torch.tensor(weight) if weighted else None)
    assert float(loss(torch.tensor(logits), torch.tensor(targets))) == pytest.approx(by_hand(name, logits, targets, weight))


def test_bce_takes_logits_and_not_probabilities():
    """The original's validation loss was fed with probabilities: at a probability of 1/2 it said 0.974 for no, not 0.693."""
    loss = losses.build("bce", None)
    assert float(loss(torch.zeros(3, 2), torch.zeros(3, 2))) == pytest.approx(np.log(2))


@pytest.mark.parametrize("name", ["bce", "focal", "asymmetric"])
def test_extreme_logits_give_finite_losses_and_gradients(name):
    logits = torch.tensor([[90.0, -90.0], [-90.0, 90.0], [0.0, 0.0]], requires_grad=True)
    value = losses.build(name, torch.tensor([209.5, 1.0]))(logits, torch.tensor([[0.0, 1.0], [0.0, 1.0], [1.0, 0.0]]))
    value.backward()
    assert torch.isfinite(value) and torch.isfinite(logits.grad).all()


@pytest.mark.parametrize("name", ["focal", "asymmetric"])
def test_easy_entries_count_less_than_under_bce(name):
    targets = torch.zeros(1, 2)
    share = {}
    for which in (name, "bce"):
        loss = losses.build(which, None)
        share[which] = float(loss(torch.full((1, 2), -3.0), targets) / loss(torch.full((1, 2), 1.0), targets))
    assert share[name] < 0.2 * share["bce"]
