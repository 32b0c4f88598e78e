"""Probable label errors: folds, out-of-fold probabilities, cleanlab's list, and the score after corrections by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tagging_lib.evaluation import label_errors, metrics


def noisy(seed: int = 0, photos: int = 600, labels: int = 4, wrong: int = 24):
    """Truth, annotations with `wrong` of them turned round, and sound probabilities of the truth."""
    random = np.random.default_rng(seed)
    truth = (random.random((photos, labels)) < [0.2, 0.3, 0.4, 0.5]).astype(np.uint8)
    places = random.choice(truth.size, wrong, replace=False)
    annotated = truth.copy()
    annotated.ravel()[places] ^= 1
    usual = np.where(truth, 0.8, 0.08)
    probabilities = np.clip(usual + random.normal(scale=0.05, size=truth.shape), 0.001, 0.999)
    return truth, annotated, probabilities.astype(np.float32)


def test_turned_annotations_are_found_and_come_first():
    truth, annotated, probabilities = noisy()
    found = label_errors.suspects(annotated, probabilities)
    wrong = {(row, column) for row, column in zip(*np.nonzero(truth != annotated), strict=True)}
    listed = list(zip(found.place, found.column, strict=True))
    assert len(wrong & set(listed)) >= 0.8 * len(wrong)
    assert len(wrong & set(listed[: len(wrong)])) >= 0.8 * len(wrong)
    assert found.score.is_monotonic_increasing and found.score.between(0, 1).all()
    assert (found.given == annotated[found.place, found.column]).all()
    np.testing.assert_allclose(found.probability, probabilities[found.place, found.column])


def test_a_rare_label_does_not_fill_the_top_of_the_list():
    """No network is sure of a rare label: its photos would come first if probabilities were taken as they are."""
    random = np.random.default_rng(1)
    targets = np.zeros((1000, 2), dtype=np.uint8)
    targets[:20, 0] = targets[:500, 1] = 1
    probabilities = np.empty((1000, 2))
    probabilities[:, 0] = random.uniform(0.01, 0.03, 1000)
    probabilities[:20, 0] = random.uniform(0.02, 0.2, 20)
    probabilities[:, 1] = np.where(targets[:, 1], 0.95, 0.05) + random.normal(scale=0.01, size=1000)
    probabilities[999, 1] = 0.97  # annotated as absent
    found = label_errors.suspects(targets, probabilities)
    assert (found.place[0], found.column[0], found.given[0]) == (999, 1, 0)


def test_clean_annotations_have_next_to_no_suspects():
    truth, _, probabilities = noisy(wrong=0)
    assert len(label_errors.suspects(truth, probabilities)) <= 2


@pytest.mark.parametrize("fill", [0, 1])
def test_labels_that_all_or_no_photos_carry_have_no_suspects(fill):
    _, annotated, probabilities = noisy()
    annotated[:, 1] = fill
    found = label_errors.suspects(annotated, probabilities)
    assert len(found) and 1 not in set(found.column)
    assert label_errors.suspects(np.full((9, 2), fill, dtype=np.uint8), np.full((9, 2), 0.3)).empty


def test_a_single_positive_is_no_reason_to_stop():
    _, annotated, probabilities = noisy()
    annotated[:, 0] = 0
    annotated[5, 0] = 1
    found = label_errors.suspects(annotated, probabilities)
    assert {1, 2, 3} <= set(found.column), "the other labels' errors are found as before"


@pytest.mark.parametrize(
    ("targets", "probabilities", "named"),
    [
        (np.zeros((3, 2)), np.zeros((3, 1)), r"\(3, 1\)"),
        (np.full((3, 2), 2), np.zeros((3, 2)), "other than 0 and 1"),
        (np.zeros((3, 2)), np.full((3, 2), 1.5), r"\[0, 1\]"),
        (np.zeros((3, 2)), np.full((3, 2), np.nan), r"\[0, 1\]"),
    ],
)
def test_wrong_input_is_named(targets, probabilities, named):
    with pytest.raises(ValueError, match=named):
        label_errors.suspects(targets, probabilities)


def test_folds_share_out_the_photos_and_the_rare_labels():
    targets = np.zeros((100, 2), dtype=np.uint8)
    targets[:10, 0] = targets[5:60, 1] = 1
    fold_of = label_errors.folds(targets, 5, seed=3)
    assert sorted(set(fold_of)) == [0, 1, 2, 3, 4]
    assert (np.bincount(fold_of) >= 17).all() and (np.bincount(fold_of) <= 23).all()
    assert (np.bincount(fold_of[:10], minlength=5) == 2).all()
    np.testing.assert_array_equal(fold_of, label_errors.folds(targets, 5, seed=3))
    for count in (1, 101):
        with pytest.raises(ValueError, match=str(count)):
            label_errors.folds(targets, count)


def test_photos_of_one_group_share_a_fold():
    targets = (np.random.default_rng(0).random((100, 3)) < 0.3).astype(np.uint8)
    groups = np.arange(100) // 2 * 2  # pairs of twins
    alone, together = label_errors.folds(targets, 5), label_errors.folds(targets, 5, groups=groups)
    assert (alone[::2] != alone[1::2]).any()
    assert (together[::2] == together[1::2]).all()
    assert sorted(set(together)) == [0, 1, 2, 3, 4]
    np.testing.assert_array_equal(label_errors.folds(targets, 5, groups=np.arange(100)), alone)


def test_no_photo_is_predicted_by_a_model_that_has_seen_it():
    fold_of = np.array([0, 1, 2, 0, 1, 2, 0])
    calls = []

    def fit_predict(train, held_out):
        calls.append((set(train.tolist()), set(held_out.tolist())))
        return np.stack([held_out, held_out * 10], axis=1)

    found = label_errors.out_of_fold(fold_of, fit_predict, 2)
    np.testing.assert_array_equal(found, np.stack([np.arange(7), np.arange(7) * 10], axis=1))
    assert all(not seen & unseen and seen | unseen == set(range(7)) for seen, unseen in calls) and len(calls) == 3


def test_correcting_turns_the_listed_annotations_and_leaves_the_study_alone():
    targets = np.array([[1, 0], [0, 0], [1, 1]], dtype=np.uint8)
    found = pd.DataFrame({"place": [0, 2], "column": [1, 0]})
    before = targets.copy()
    np.testing.assert_array_equal(label_errors.corrected(targets, found), [[1, 1], [0, 0], [0, 1]])
    np.testing.assert_array_equal(targets, before)


def test_f1_after_correction_is_that_of_the_corrected_truth():
    random = np.random.default_rng(5)
    targets, given = ((random.random((200, 3)) < 0.3).astype(np.uint8) for _ in range(2))
    places = random.permutation(600)[:60]
    found = pd.DataFrame({"place": places // 3, "column": places % 3})
    table = label_errors.f1_after_correction(targets, given, found, [0, 5, 30, 60, 1000], draws=20)
    assert table.corrected.tolist() == [0, 5, 30, 60]
    for k, score in zip(table.corrected, table.suspects, strict=True):
        expected = metrics.score(label_errors.corrected(targets, found.head(k)), given)["micro_f1"]
        assert score == pytest.approx(expected)
    start = table.iloc[0]
    assert start.random == start.random_errors == pytest.approx(start.suspects)


def test_the_two_baselines_bracket_a_perfect_list():
    """Errors settled for the answers raise F1, annotations turned blindly lower it where labels are rare."""
    random = np.random.default_rng(6)
    targets = (random.random((400, 5)) < 0.1).astype(np.uint8)
    given = np.where(random.random(targets.shape) < 0.9, targets, 1 - targets).astype(np.uint8)
    rows, columns = np.nonzero(targets != given)
    found = pd.DataFrame({"place": rows, "column": columns}).sample(frac=1, random_state=0)
    last = label_errors.f1_after_correction(targets, given, found, [len(found)], draws=20).iloc[-1]
    assert last.suspects == pytest.approx(1) and last.random_errors == pytest.approx(1)
    assert last.random_high < metrics.score(targets, given)["micro_f1"] < last.suspects
    assert last.random_low <= last.random <= last.random_high


def test_without_suspects_nothing_changes():
    targets = np.eye(3, dtype=np.uint8)
    table = label_errors.f1_after_correction(targets, targets, pd.DataFrame({"place": [], "column": []}), [0, 10])
    assert table.corrected.tolist() == [0] and table.suspects.tolist() == [1.0]
