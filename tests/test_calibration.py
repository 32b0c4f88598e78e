"""Calibration against scikit-learn, known distributions and arithmetic by hand."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy import stats
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss

from tagging_lib.evaluation import calibration


def odds(probabilities):
    return probabilities / (1 - probabilities)


def drawn(seed: int = 0, photos: int = 4000, labels: int = 3):
    """Targets drawn by their true probabilities, so that these are calibrated."""
    random = np.random.default_rng(seed)
    true = random.beta(0.6, 1.8, (photos, labels))
    return (random.random(true.shape) < true).astype(np.uint8), true


def test_reliability_is_scikit_learns_curve_with_wilsons_interval():
    targets, probabilities = drawn(photos=500, labels=1)
    table = calibration.reliability(targets[:, 0], probabilities[:, 0])
    share, mean = calibration_curve(targets[:, 0], probabilities[:, 0], n_bins=10)
    np.testing.assert_allclose(table.share, share)
    np.testing.assert_allclose(table.probability, mean)
    assert table.photos.sum() == 500
    line = table.iloc[0]
    z, n, p = stats.norm.ppf(0.975), line.photos, line.share
    middle, half = (p + z**2 / (2 * n)) / (1 + z**2 / n), z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    assert (line.low, line.high) == pytest.approx((middle - half, middle + half))


def test_the_ends_of_the_scale_belong_to_the_outer_bins_and_empty_bins_are_left_out():
    table = calibration.reliability(np.array([0, 1, 1]), np.array([0.0, 1.0, 0.95]))
    assert table.photos.tolist() == [1, 2] and table.share.tolist() == [0.0, 1.0]
    assert calibration.reliability(np.zeros(0), np.zeros(0)).empty


def test_the_calibration_error_by_hand():
    targets = np.array([[1, 0], [0, 0], [1, 0], [1, 0]])
    probabilities = np.array([[0.25, 0.5], [0.25, 0.5], [0.85, 0.5], [0.85, 0.5]])
    # First label: half of two photos at 0.25 (0.25 off), both at 0.85 (0.15 off); second label: all 0.5 off.
    assert calibration.expected_calibration_error(targets, probabilities) == pytest.approx([0.2, 0.5])
    assert np.isnan(calibration.expected_calibration_error(targets[:0], probabilities[:0])).all()


def test_the_brier_score_is_scikit_learns():
    targets, probabilities = drawn(1, photos=200)
    expected = [brier_score_loss(targets[:, label], probabilities[:, label]) for label in range(3)]
    assert calibration.brier(targets, probabilities) == pytest.approx(expected)
    assert np.isnan(calibration.brier(targets[:0], probabilities[:0])).all()


def test_calibrated_probabilities_have_the_error_of_chance_and_distorted_ones_more():
    targets, true = drawn(2)
    chance = calibration.error_by_chance(true)
    assert (np.abs(calibration.expected_calibration_error(targets, true) - chance) < 0.8 * chance).all()
    assert (calibration.expected_calibration_error(targets, true**0.5) > 5 * chance).all()
    assert (calibration.error_by_chance(true[:100]) > 2 * chance).all()


@pytest.mark.parametrize("kind", calibration.KINDS)
def test_a_calibration_repairs_what_was_distorted_on_photos_that_it_has_not_seen(kind):
    targets, true = drawn(3)
    distorted = odds(true) ** 2 / (1 + odds(true) ** 2)  # temperature 1/2, the same for all labels
    calibrated = calibration.fit(kind, targets[:2000], distorted[:2000])(distorted[2000:])
    before = calibration.expected_calibration_error(targets[2000:], distorted[2000:])
    after = calibration.expected_calibration_error(targets[2000:], calibrated)
    assert (after < 0.5 * before).all()
    assert (calibration.brier(targets[2000:], calibrated) < calibration.brier(targets[2000:], distorted[2000:])).all()
    assert calibrated.shape == (2000, 3) and (calibrated >= 0).all() and (calibrated <= 1).all()


def test_temperature_and_platt_find_the_line_that_was_applied():
    targets, true = drawn(4, photos=20_000)
    line = calibration.temperature(targets, odds(true) ** 2 / (1 + odds(true) ** 2))
    np.testing.assert_allclose(line.slope, 0.5, atol=0.02)
    assert (line.intercept == 0).all()
    shifted = calibration.weighted(true, [2.0, 5.0, 20.0])
    line = calibration.platt(targets, shifted)
    np.testing.assert_allclose(line.slope, 1, atol=0.05)
    np.testing.assert_allclose(line.intercept, -np.log([2, 5, 20]), atol=0.1)


def test_thresholds_before_calibration_give_the_labels_of_the_threshold_after_it():
    _, true = drawn(5, photos=300)
    line = calibration.OddsLine(np.array([0.5, 1.0, 2.0]), np.array([1.0, 0.0, -2.0]))
    after = line(true)
    for threshold in (0.05, 0.3, 0.8):
        np.testing.assert_array_equal(true >= line.before(threshold), after >= threshold)
    flat = calibration.OddsLine(np.zeros(2), np.array([-1.0, 1.0])).before(0.5)
    assert flat[1] == 0.0
    assert not (np.ones(1, dtype=np.float32) >= flat[0].astype(np.float32)).any()  # never, whatever the probability


def test_labels_without_a_positive_or_without_a_negative_or_in_the_wrong_order_stay_finite():
    random = np.random.default_rng(0)
    probabilities = random.random((200, 3)).astype(np.float32)
    probabilities[:2, 0] = 0, 1
    targets = np.zeros((200, 3), dtype=np.uint8)
    targets[:, 1] = 1
    targets[:, 2] = probabilities[:, 2] < 0.3
    for kind in calibration.KINDS:
        calibrated = calibration.fit(kind, targets, probabilities)(probabilities)
        assert np.isfinite(calibrated).all()
        if kind != "temperature":
            assert calibrated[:, 0].max() < 0.05 and calibrated[:, 1].min() > 0.95
    line = calibration.platt(targets, probabilities)
    assert (line.slope >= 0).all()
    np.testing.assert_allclose(line(probabilities)[:, 2], targets[:, 2].mean(), atol=0.02)
    nothing = np.zeros_like(targets)
    assert (calibration.temperature(nothing, probabilities).slope == 1).all()


def test_probabilities_that_are_all_but_the_same_become_the_share_without_a_warning():
    targets = np.array([[1, 0]] * 20 + [[0, 0]] * 60 + [[0, 1]] * 20)
    probabilities = 0.4 + 1e-7 * np.random.default_rng(0).random((100, 2))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for kind in ("platt", "isotonic"):
            np.testing.assert_allclose(calibration.fit(kind, targets, probabilities)(probabilities).mean(axis=0), 0.2, atol=0.01)
        assert (calibration.platt(targets, probabilities).slope == 0).all()


def test_pos_weight_moves_probabilities_as_the_formula_says_and_back():
    p, w = np.array([[0.1, 0.5], [0.0, 1.0]]), np.array([9.0, 3.0])
    np.testing.assert_allclose(calibration.weighted(p, w), [[0.9 / 1.8, 1.5 / 2], [0, 1]])
    np.testing.assert_allclose(calibration.unweighted(calibration.weighted(p, w), w), p, atol=1e-12)
    np.testing.assert_allclose(calibration.weighted(p, [1.0, 1.0]), p)


def test_training_with_pos_weight_really_does_that():
    """The study's own loss is least, for photos that look alike, where the formula says."""
    torch = pytest.importorskip("torch")
    from tagging_lib.training import losses

    targets = torch.zeros(1000, 1)
    targets[:120] = 1
    weight = torch.tensor([880 / 120])
    logit = torch.zeros(1, 1, requires_grad=True)
    optimizer = torch.optim.LBFGS([logit], max_iter=50)

    def closure():
        optimizer.zero_grad()
        loss = losses.build("bce", weight)(logit.expand(1000, 1), targets)
        loss.backward()
        return loss

    optimizer.step(closure)
    said = 1 / (1 + np.exp(-logit.detach().numpy()))
    np.testing.assert_allclose(said, calibration.weighted(np.array([[0.12]]), weight.numpy()), atol=1e-4)
    np.testing.assert_allclose(calibration.unweighted(said, weight.numpy()), [[0.12]], atol=1e-4)


@pytest.mark.parametrize(
    ("kind", "targets", "named"),
    [("beta", np.zeros((3, 2)), "'beta'"), ("platt", np.zeros((3, 1)), "must both be"), ("platt", np.zeros((0, 2)), "above 0")],
)
def test_wrong_calibrations_are_named(kind, targets, named):
    with pytest.raises(ValueError, match=named):
        calibration.fit(kind, targets, np.full((len(targets), 2), 0.5))
