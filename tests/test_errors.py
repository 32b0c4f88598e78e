"""Error analysis against a few photos counted by hand, and against loops."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tagging_lib.evaluation import errors, metrics

LABELS = ("baby", "female", "male", "people", "portrait", "river", "sea")


def answers(*photos: str) -> np.ndarray:
    return np.array([[label in photo.split() for label in LABELS] for photo in photos], dtype=np.uint8)


def test_contradictions_by_hand():
    given = answers("female male people", "baby", "male", "portrait people", "river sea", "river", "", "female male")
    found = errors.contradictions(given, LABELS).set_index("contradiction").photos.to_dict()
    assert found == {
        "female and male": 2,
        "female and male and portrait": 0,
        "river and sea": 1,
        "baby without people": 1,
        "portrait without people": 0,
        "female without people": 1,
        "male without people": 2,
    }


def test_contradictions_among_absent_labels_are_left_out():
    given = np.ones((3, 3), dtype=np.uint8)
    found = errors.contradictions(given, ("cat", "male", "people"))
    assert found.contradiction.tolist() == ["male without people"]
    assert errors.contradictions(given, ("a", "b", "c")).empty


def test_the_original_predictions_contradict_themselves_more_than_the_truth(reference_predictions):
    labels = [*"0123456789abcd"]
    for place, name in ((0, "baby"), (5, "female"), (7, "male"), (9, "people"), (10, "portrait"), (11, "river"), (12, "sea")):
        labels[place] = name
    truth, given = (metrics.read_savetxt(reference_predictions / f"resnet152.{kind}.txt") for kind in ("truth", "pred"))
    both = [errors.contradictions(a, tuple(labels)).set_index("contradiction").photos for a in (truth, given)]
    assert len(both[0]) == 7
    assert both[0]["female and male"] == (truth[:, 5] & truth[:, 7]).sum()
    assert both[1]["female and male"] > both[0]["female and male"] > 0


@pytest.fixture
def one_label():
    targets = np.array([[1], [0], [1], [0], [1], [0], [1]])
    probabilities = np.array([[0.9], [0.8], [0.2], [0.1], [0.95], [0.5], [0.4]], dtype=np.float32)
    return targets, probabilities


@pytest.mark.parametrize("kind, rows", [("tp", [4, 0]), ("fp", [1, 5]), ("fn", [2, 6]), ("tn", [3])])
def test_the_most_confident_come_first_and_the_four_kinds_share_all_photos(one_label, kind, rows):
    found = errors.most_confident(*one_label, 0, kind, 10)
    assert found.tolist() == rows
    assert errors.most_confident(*one_label, 0, kind, 1).tolist() == rows[:1]


def test_the_threshold_decides_what_is_positive(one_label):
    assert errors.most_confident(*one_label, 0, "fp", 10, threshold=0.1).tolist() == [1, 5, 3]
    assert errors.most_confident(*one_label, 0, "tn", 10, threshold=0.1).tolist() == []
    assert errors.most_confident(*one_label, 0, "fn", 10, threshold=0.95).tolist() == [2, 6, 0]


def test_only_the_column_asked_for_counts(one_label):
    targets, probabilities = (np.hstack([1 - part, part]) for part in one_label)
    assert errors.most_confident(targets, probabilities, 1, "tp", 9).tolist() == [4, 0]


def test_an_unknown_kind_is_an_error_that_names_it(one_label):
    with pytest.raises(ValueError, match="'wrong'"):
        errors.most_confident(*one_label, 0, "wrong", 3)


def test_confused_labels_by_hand():
    labels = ("river", "sea", "tree")
    targets = np.array([[1, 0, 0], [1, 0, 0], [1, 0, 0], [1, 0, 0], [0, 0, 0], [0, 0, 0], [0, 1, 0]])
    given = np.array([[0, 1, 0], [0, 1, 1], [0, 0, 0], [1, 0, 1], [0, 0, 1], [0, 0, 0], [0, 1, 0]])
    found = errors.confused_labels(targets, given, labels)
    assert list(found.index) == list(found.columns) == [*labels, "no label"]
    # River is missed three times: sea is given instead twice, tree once, nothing once.
    np.testing.assert_allclose(found.loc["river"], [0, 2 / 3, 1 / 3, 1 / 3])
    # One unlabelled photo of two is given something: a tree.
    np.testing.assert_allclose(found.loc["no label"], [0, 0, 1, 0])
    # Sea is never missed and tree never true: there is no share to give.
    assert found.loc[["sea", "tree"]].isna().all(axis=None)


def test_confused_labels_equal_a_loop_on_random_answers():
    random = np.random.default_rng(4)
    targets, given = (random.random((200, 4)) < 0.3).astype(np.uint8), (random.random((200, 4)) < 0.3).astype(np.uint8)
    found = errors.confused_labels(targets, given, ("a", "b", "c", "d")).to_numpy()
    for row in range(4):
        missed = [(t, g) for t, g in zip(targets, given, strict=True) if t[row] and not g[row]]
        expected = [np.mean([g[column] and not t[column] for t, g in missed]) for column in range(4)]
        expected.append(np.mean([not g.any() for _, g in missed]))
        np.testing.assert_allclose(found[row], expected)


def test_error_rates_by_group_by_hand():
    targets = np.array([[1, 0], [1, 1], [0, 0], [0, 0], [0, 1]])
    given = np.array([[1, 0], [1, 0], [0, 0], [0, 1], [1, 1]])
    found = errors.error_rates_by(np.array(["b", "b", "a", "c", "c"]), targets, given).set_index("group")
    assert found.index.tolist() == ["a", "b", "c"] and found.photos.tolist() == [1, 2, 2]
    # b: 2 hits, 1 missed of 3; c: 1 hit, 2 wrongly given; a: unlabelled and left alone, so without an F1.
    np.testing.assert_allclose(found.micro_f1, [np.nan, 4 / 5, 2 / 4])
    np.testing.assert_allclose(found.wrong_photos, [0, 0.5, 1])
    np.testing.assert_allclose(found.false_positives, [0, 0, 1])
    np.testing.assert_allclose(found.false_negatives, [0, 0.5, 0])
    assert found[["low", "high"]].isna().all(axis=None), "one or two photos have no interval"
    groups = np.repeat(["b", "b", "a", "c", "c"], 30)
    many = errors.error_rates_by(groups, np.repeat(targets, 30, axis=0), np.repeat(given, 30, axis=0)).set_index("group")
    np.testing.assert_allclose(many.micro_f1, found.micro_f1)
    assert many[["low", "high"]].loc["a"].isna().all()
    assert (many.low < many.micro_f1).loc[["b", "c"]].all() and (many.micro_f1 < many.high).loc[["b", "c"]].all()


def test_groups_keep_their_order_and_photos_without_a_group_are_not_lost():
    ones = np.ones((4, 1), dtype=np.uint8)
    ordered = pd.Categorical(["dark", "light", "dark", None], categories=["light", "dark"], ordered=True)
    found = errors.error_rates_by(ordered, ones, ones)
    assert found.photos.tolist() == [1, 2, 1] and found.group.tolist()[:2] == ["light", "dark"]
    numbered = errors.error_rates_by(pd.Series([1.0, np.nan, 1.0, 0.0], index=[9, 8, 7, 6]), ones, ones)
    assert numbered.photos.tolist() == [1, 2, 1] and numbered.photos.sum() == 4


def test_groups_by_number_of_labels_share_out_all_errors():
    random = np.random.default_rng(2)
    targets, given = (random.random((100, 5)) < 0.25).astype(np.uint8), (random.random((100, 5)) < 0.25).astype(np.uint8)
    found = errors.error_rates_by(targets.sum(axis=1), targets, given)
    assert found.group.is_monotonic_increasing and found.photos.sum() == 100
    wrong = ((found.false_positives + found.false_negatives) * found.photos).sum()
    assert wrong == pytest.approx((targets != given).sum())
    assert (found.wrong_photos * found.photos).sum() == pytest.approx(
        100 * (1 - metrics.score(targets, given)["subset_accuracy"])
    )


def test_contradictions_stand_beside_those_of_the_truth():
    true = answers("female male people", "baby people", "male people")
    given = answers("female male people portrait", "baby", "female male people")
    found = errors.contradictions_compared(true, given, LABELS).set_index("contradiction")
    assert found.loc["female and male"].tolist() == [1, 2, 2.0]
    assert found.loc["baby without people", ["in_truth", "in_predictions"]].tolist() == [0, 1]
    assert np.isnan(found.loc["baby without people", "ratio"])  # nothing to compare with
    assert found.loc["female and male and portrait", "in_predictions"] == 1
    assert errors.contradictions_compared(true, given, tuple("abcdefg")).empty


def swapped(photos: int = 300, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Answers in which the first label is given as the second on every other of its photos; the third is independent."""
    random = np.random.default_rng(seed)
    targets = np.zeros((photos, 3), dtype=np.uint8)
    targets[np.arange(photos), random.integers(0, 3, photos)] = 1
    given = targets.copy()
    turned = np.flatnonzero(targets[:, 0])[::2]
    given[turned] = [0, 1, 0]
    return targets, given


def test_a_label_that_replaces_another_is_the_first_pair_and_the_only_sure_one():
    targets, given = swapped()
    found = errors.taken_for(targets, given, ("a", "b", "c"))
    first = found.iloc[0]
    assert (first.missed, first.given) == ("a", "b")
    assert first.photos == (len(np.flatnonzero(targets[:, 0])) + 1) // 2
    assert first.share == 1 and first.share_when_found == 0
    assert first.p_holm < 0.001 and (found.p_holm[1:] > 0.05).all()
    assert set(found.missed) == {"a"}  # nothing else is missed


def test_a_label_given_beside_another_does_not_replace_it():
    """Given on all photos of the one label, missed or found: no sign of a mix-up."""
    targets, given = swapped()
    there = targets[:, 0].astype(bool)
    given[there, 1] = 1
    pair = errors.taken_for(targets, given, ("a", "b", "c")).set_index(["missed", "given"]).loc[("a", "b")]
    assert pair.share == pair.share_when_found == 1 and pair.p == pytest.approx(1)


def test_the_test_of_a_pair_is_fishers():
    from scipy.stats import fisher_exact

    random = np.random.default_rng(8)
    targets, given = ((random.random((150, 3)) < 0.4).astype(np.uint8) for _ in range(2))
    found = errors.taken_for(targets, given, ("a", "b", "c")).set_index(["missed", "given"])
    for one, other in ((0, 1), (2, 0)):
        shown = (targets[:, one] == 1) & (targets[:, other] == 0)
        missed, wrong = shown & (given[:, one] == 0), given[:, other] == 1
        table = [[(part & side).sum() for side in (wrong, ~wrong)] for part in (missed, shown & ~missed)]
        expected = fisher_exact(table, alternative="greater").pvalue
        assert found.loc[("abc"[one], "abc"[other])].p == pytest.approx(expected)


def test_without_a_miss_nothing_is_taken_for_anything():
    targets = np.eye(3, dtype=np.uint8)
    assert errors.taken_for(targets, targets, ("a", "b", "c")).empty


def test_the_surest_errors_come_once_a_photo_and_share_the_labels():
    targets = np.zeros((6, 2), dtype=np.uint8)
    probabilities = np.array([[0.99, 0.98], [0.97, 0.1], [0.96, 0.1], [0.95, 0.1], [0.2, 0.6], [0.1, 0.4]], dtype=np.float32)
    found = errors.surest_errors(targets, probabilities, "fp", 9)
    assert list(zip(found.place, found.column, strict=True)) == [(0, 0), (1, 0), (4, 1)]
    missed = errors.surest_errors(1 - targets, probabilities, "fn", 2)
    # Photo 1 is the surer error of its second label, photo 5 of its first.
    assert set(missed.place) <= {1, 2, 3, 5} and missed.probability.is_monotonic_increasing
    assert errors.surest_errors(targets, np.zeros((6, 2)), "fp", 9).empty
    with pytest.raises(ValueError, match="'tp'"):
        errors.surest_errors(targets, probabilities, "tp", 1)


def test_errors_by_size_start_with_the_smallest_label():
    targets = np.array([[1, 0, 0], [1, 1, 0], [0, 1, 0]])
    given = np.array([[1, 1, 0], [0, 1, 0], [0, 0, 0]])
    found = errors.errors_by_size(np.array([50, 7, 3]), targets, given, ("a", "b", "c")).set_index("label")
    assert found.index.tolist() == ["c", "b", "a"] and found.train_photos.tolist() == [3, 7, 50]
    np.testing.assert_allclose(found.loc["a", ["f1", "missed", "wrong"]].astype(float), [2 / 3, 1 / 2, 0])
    np.testing.assert_allclose(found.loc["b", ["f1", "missed", "wrong"]].astype(float), [1 / 2, 1 / 2, 1 / 2])
    assert found.loc["c", ["f1", "missed", "wrong"]].isna().all()


def test_brightness_goes_from_dark_to_bright_in_equal_groups():
    pixels = np.repeat(np.arange(0, 250, 10, dtype=np.uint8), 4 * 4 * 3).reshape(25, 4, 4, 3)
    indices = np.random.default_rng(0).permutation(25)
    groups = errors.brightness_groups(pixels, indices)
    assert list(groups.categories) == ["0 to 48", "48 to 96", "96 to 144", "144 to 192", "192 to 240"]
    assert np.bincount(groups.codes).tolist() == [5] * 5
    order = np.argsort(indices)
    assert (np.diff(groups.codes[order]) >= 0).all()


@pytest.mark.parametrize("photos", [0, 1, 7])
def test_brightness_of_no_photo_or_of_equal_ones(photos):
    groups = errors.brightness_groups(np.full((photos, 4, 4, 3), 90, dtype=np.uint8), np.arange(photos))
    assert len(groups) == photos and len(groups.categories) <= 1


def test_green_is_brighter_than_blue():
    pixels = np.zeros((2, 4, 4, 3), dtype=np.uint8)
    pixels[0, ..., 2] = pixels[1, ..., 1] = 200
    assert errors.brightness_groups(pixels, np.arange(2), groups=2).codes.tolist() == [0, 1]
