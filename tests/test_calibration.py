"""Calibration against scikit-learn, known distributions and arithmetic by hand."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
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


@pytest.mark.parametrize("gap", [1e-2, 1e-3, 3e-4])
@pytest.mark.parametrize("kind", calibration.KINDS)
@pytest.mark.filterwarnings("error")
def test_a_separable_label_has_a_steep_line_and_finite_probabilities_to_both_ends(kind, gap):
    """exp(x) ÷ (1 + exp(x)) was nan from log-odds of 710 on, which a probability of 1 then has."""
    targets = np.array([[0]] * 10 + [[1]] * 10, dtype=np.uint8)
    probabilities = np.where(targets, 0.5 + gap / 2, 0.5 - gap / 2)
    calibrated = calibration.fit(kind, targets, probabilities)
    found = calibrated(np.array([[0.0], [0.5 - gap / 2], [0.5 + gap / 2], [1.0]])).ravel()
    # Platt's smoothed targets: 1 of 12 and 11 of 12.
    ends = {"platt": (1 / 12, 11 / 12)}.get(kind, (0, 1))
    np.testing.assert_allclose(found, [0, *ends, 1], atol=0.01)


@pytest.mark.filterwarnings("error")
def test_the_line_before_calibration_is_right_at_0_and_1_too():
    """At threshold 0 every label is given and at 1 none, since calibrated probabilities lie between."""
    line = calibration.OddsLine(np.array([0.02, 1.0, 5000.0, 0.0]), np.array([3.0, 0.0, -40.0, 1.0]))
    probabilities = np.tile(np.array([0.0, 1e-9, 0.4, 0.5, 0.6, 1 - 1e-9, 1.0])[:, None], (1, 4))
    after = line(probabilities)
    assert (after > 0).all() and (after < 1).all()
    for threshold in (0.0, 1e-12, 0.3, 0.7, 1 - 1e-12, 1.0):
        np.testing.assert_array_equal(probabilities >= line.before(threshold), after >= threshold, str(threshold))


@pytest.mark.filterwarnings("error")
def test_the_temperature_of_a_few_answers_by_hand():
    # Four answers at log-odds of log 4 are right and one is wrong: a slope of 1, at which 4 of 5 are.
    targets, probabilities = np.array([[1, 1, 1, 0, 0]]), np.array([[0.8, 0.8, 0.8, 0.8, 0.2]])
    np.testing.assert_allclose(calibration.temperature(targets, probabilities).slope, 1)
    squared = odds(probabilities) ** 2 / (1 + odds(probabilities) ** 2)
    np.testing.assert_allclose(calibration.temperature(targets, squared).slope, 0.5)
    # Of two that are surely absent one is there: neither way is likelier. scikit-learn's solver gave up with a warning.
    lost = calibration.temperature(np.array([[1, 0, 1]]), np.array([[0.5, 0, 0]], dtype=np.float32))
    np.testing.assert_array_equal(lost.slope, 1)


# Constant, certain, all but equal and far apart: what networks say of labels that they know by heart, or not at all.
VALUES = (0.0, 1e-12, 0.2, 0.5, 0.5 + 1e-9, 0.5 + 1e-4, 0.8, 1 - 1e-12, 1.0)


@st.composite
def small_answers(draw) -> tuple[np.ndarray, np.ndarray]:
    shape = draw(st.tuples(st.integers(1, 6), st.integers(1, 3)))
    targets = draw(arrays.arrays(np.uint8, shape, elements=st.integers(0, 1)))
    probabilities = draw(arrays.arrays(np.float64, shape, elements=st.sampled_from(VALUES)))
    return targets, probabilities.astype(draw(st.sampled_from([np.float32, np.float64])))


@pytest.mark.parametrize("kind", calibration.KINDS)
@settings(max_examples=40, deadline=None)
@given(small_answers(), st.randoms(use_true_random=False))
@pytest.mark.filterwarnings("error")
def test_any_calibration_is_finite_rising_and_blind_to_the_order_of_photos(kind, pair, random):
    targets, probabilities = pair
    calibrated = calibration.fit(kind, targets, probabilities)
    found = calibrated(np.tile(np.array(VALUES)[:, None], (1, targets.shape[1])))
    assert np.isfinite(found).all() and (found >= 0).all() and (found <= 1).all()
    assert (np.diff(found, axis=0) >= -1e-12).all()
    rows = random.sample(range(len(targets)), len(targets))
    again = calibration.fit(kind, targets[rows], probabilities[rows])
    np.testing.assert_allclose(again(probabilities), calibrated(probabilities), atol=1e-4)


@settings(max_examples=40, deadline=None)
@given(small_answers())
def test_any_brier_score_is_scikit_learns_and_errors_lie_between_0_and_1(pair):
    targets, probabilities = pair
    columns = zip(targets.T, probabilities.T.astype(float), strict=True)
    expected = [brier_score_loss(true, column, pos_label=1) for true, column in columns]
    np.testing.assert_allclose(calibration.brier(targets, probabilities), expected, atol=1e-12)
    chance = calibration.error_by_chance(probabilities, draws=3)
    for error in (calibration.expected_calibration_error(targets, probabilities), chance):
        assert (error >= 0).all() and (error <= 1 + 1e-12).all()


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(VALUES), st.floats(1e-6, 1e6))
def test_pos_weight_never_leaves_the_scale_and_leaves_its_ends_alone(p, w):
    found = calibration.weighted(np.array([[p, 0.0, 1.0]]), np.array([w, w, w]))
    assert 0 <= found[0, 0] <= 1 and found[0, 1:].tolist() == [0, 1]
    assert (found[0, 0] >= p) == (w >= 1) or found[0, 0] == pytest.approx(p)


def test_a_calibration_of_no_labels_has_none():
    nothing = np.zeros((3, 0))
    for kind in calibration.KINDS:
        assert calibration.fit(kind, nothing, nothing)(nothing).shape == (3, 0)


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
