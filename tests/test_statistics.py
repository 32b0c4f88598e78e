import logging

import numpy as np
import pytest

from tagging_lib.data import statistics
from tagging_lib.data.splits import Split

TARGETS = np.array([[1, 1, 0], [1, 0, 0], [1, 1, 0], [0, 0, 0]], dtype=np.uint8)


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(0, 256, (1100, 4, 4, 3), dtype=np.uint8)


def test_channel_statistics_are_numpys(pixels):
    chosen = np.arange(0, 1100, 2)  # more than one chunk
    mean, std = statistics.channel_statistics(pixels, chosen)
    scaled = pixels[chosen] / 255
    assert mean == pytest.approx(scaled.mean(axis=(0, 1, 2)), abs=1e-12)
    assert std == pytest.approx(scaled.std(axis=(0, 1, 2)), abs=1e-12)


def test_channel_statistics_see_only_the_chosen_photos(pixels):
    """The original took them from all photos, test included."""
    changed = pixels.copy()
    changed[800:] = 255
    before = statistics.channel_statistics(pixels, np.arange(800))
    after = statistics.channel_statistics(changed, np.arange(800))
    assert np.array_equal(before, after)


def test_one_colour_has_no_deviation():
    mean, std = statistics.channel_statistics(np.full((3, 2, 2, 3), 51, dtype=np.uint8), np.arange(3))
    assert mean == pytest.approx([0.2] * 3) and std == pytest.approx([0] * 3)


def test_pos_weight_by_hand(caplog):
    with caplog.at_level(logging.WARNING):
        weights = statistics.pos_weight(TARGETS)
    assert weights.dtype == np.float32
    assert weights.tolist() == pytest.approx([1 / 3, 1.0, 1.0])  # the third label has no photo
    assert caplog.messages[0].endswith(": label 3")


def test_pos_weight_of_a_label_that_every_photo_carries_stays_positive():
    assert statistics.pos_weight(np.ones((5, 1), dtype=np.uint8)).tolist() == [1.0]


def test_counts_by_hand():
    assert statistics.label_counts(TARGETS).tolist() == [3, 2, 0]
    assert statistics.labels_per_photo(TARGETS).tolist() == [2, 1, 2, 0]
    assert statistics.cooccurrence(TARGETS).tolist() == [[3, 2, 0], [2, 2, 0], [0, 0, 0]]


def test_counts_beyond_255_do_not_wrap():
    many = np.ones((1000, 2), dtype=np.uint8)
    assert statistics.label_counts(many).tolist() == [1000, 1000]
    assert statistics.cooccurrence(many).tolist() == [[1000, 1000]] * 2
    assert statistics.labels_per_photo(np.ones((1, 300), dtype=np.uint8)).tolist() == [300]


def test_conditional_reads_column_given_row():
    shares = statistics.conditional(TARGETS)
    assert shares[0].tolist() == pytest.approx([1, 2 / 3, 0])
    assert shares[1].tolist() == pytest.approx([1, 1, 0])
    assert np.isnan(shares[2]).all()


def test_split_balance_by_hand():
    split = Split(np.array([0, 1]), np.array([2]), np.array([3]), "random", 0)
    table = statistics.split_balance(split, TARGETS, ("a", "b", "c")).set_index("label")
    assert table.loc["a"].tolist() == [1.0, 1.0, 0.0]
    assert table.loc["b"].tolist() == [0.5, 1.0, 0.0]
    assert table.loc["no label"].tolist() == [0.0, 0.0, 1.0]


def test_greyscale_is_told_from_colour(pixels):
    mixed = pixels[:600].copy()
    mixed[1] = mixed[1][..., :1]
    mixed[550] = mixed[550][..., :1]
    assert np.flatnonzero(statistics.is_greyscale(mixed, np.arange(600))).tolist() == [1, 550]
    assert statistics.is_greyscale(mixed, np.array([1, 2])).tolist() == [True, False]
    assert statistics.is_greyscale(mixed, np.zeros(0, dtype=np.int64)).shape == (0,)


def test_labels_without_a_weight_are_named(caplog):
    statistics.pos_weight(np.array([[1, 0, 1], [1, 0, 0]], dtype=np.uint8), ["été", "sea", "dog"])
    assert caplog.messages == ["on no photo, or on every one, so that they get no weight in the loss: été, sea"]
