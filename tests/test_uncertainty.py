"""Intervals and tests against slow loops, known distributions and scipy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from tagging_lib.evaluation import metrics, uncertainty


def loop_f1(targets: np.ndarray, predictions: np.ndarray) -> float:
    """Micro-F1 by the book, not by the library."""
    true, given = targets == 1, predictions == 1
    precision, recall = (true & given).sum() / given.sum(), (true & given).sum() / true.sum()
    return 2 * precision * recall / (precision + recall)


def random_answers(seed: int, photos: int = 150, labels: int = 5, wrong: tuple[float, ...] = (0.15,)):
    random = np.random.default_rng(seed)
    targets = (random.random((photos, labels)) < 0.3).astype(np.uint8)
    answers = [np.where(random.random(targets.shape) < share, 1 - targets, targets).astype(np.uint8) for share in wrong]
    return targets, *answers


def test_the_interval_is_that_of_a_loop_over_resampled_photos():
    targets, predictions = random_answers(0, photos=60)
    random = np.random.default_rng(99)
    slow = []
    for _ in range(1500):
        rows = random.integers(0, 60, 60)
        slow.append(loop_f1(targets[rows], predictions[rows]))
    expected = np.quantile(slow, [0.025, 0.975])
    # Both are drawn: 1,500 resamples leave the ends uncertain by about a tenth of the interval's width.
    found = uncertainty.bootstrap_interval(targets, predictions)
    np.testing.assert_allclose(found, expected, atol=0.1 * (expected[1] - expected[0]))


def test_resampled_sums_are_those_of_whole_photos_drawn_with_replacement():
    counts = np.array([[1, 0, 0], [0, 10, 0], [0, 0, 100]], dtype=np.float32)
    sums = np.concatenate(list(uncertainty._resampled(counts, 4000, seed=3)))
    assert len(np.unique(sums, axis=0)) == 10  # of three photos: 3 + 2 + 1 out of 5 over 3
    times = sums / [1, 10, 100]
    assert (times.sum(axis=1) == 3).all() and (times == times.round()).all()
    np.testing.assert_allclose(times.mean(axis=0), 1, atol=0.06)
    np.testing.assert_allclose(times.var(axis=0), 3 * (1 / 3) * (2 / 3), atol=0.06)


def test_the_interval_of_one_label_that_every_photo_carries_matches_the_binomial():
    # With one label true everywhere F1 is 2h/(1+h), h the share of hits: an increasing function of a binomial share.
    targets = np.ones((400, 1), dtype=np.uint8)
    predictions = np.zeros_like(targets)
    predictions[:300] = 1
    share = stats.binom.ppf([0.025, 0.975], 400, 0.75) / 400
    found = uncertainty.bootstrap_interval(targets, predictions)
    np.testing.assert_allclose(found, 2 * share / (1 + share), atol=0.003)


def test_the_interval_covers_the_true_score_about_as_often_as_it_says():
    covered, population = 0, random_answers(5, photos=20_000)
    true = metrics.score(*population)["micro_f1"]
    random = np.random.default_rng(1)
    for seed in range(200):
        rows = random.integers(0, 20_000, 150)
        low, high = uncertainty.bootstrap_interval(population[0][rows], population[1][rows], resamples=400, seed=seed)
        covered += low <= true <= high
    assert 0.89 <= covered / 200 <= 0.99  # 0.95 give or take four standard errors


def test_the_interval_is_the_same_for_the_same_seed_and_wider_for_a_higher_level():
    targets, predictions = random_answers(2)
    first = uncertainty.bootstrap_interval(targets, predictions, resamples=500)
    assert first == uncertainty.bootstrap_interval(targets, predictions, resamples=500)
    assert first != uncertainty.bootstrap_interval(targets, predictions, resamples=500, seed=1)
    wider = uncertainty.bootstrap_interval(targets, predictions, resamples=500, level=0.99)
    assert wider[0] < first[0] < metrics.score(targets, predictions)["micro_f1"] < first[1] < wider[1]


def test_memory_limits_the_chunk_but_not_the_result_s_size(monkeypatch):
    targets, predictions = random_answers(2)
    whole = uncertainty.bootstrap_interval(targets, predictions)
    monkeypatch.setattr(uncertainty, "AT_ONCE", 1)  # one resample at a time
    np.testing.assert_allclose(uncertainty.bootstrap_interval(targets, predictions, resamples=3000), whole, atol=0.004)


def test_many_labels_are_summed_some_resamples_at_a_time_to_the_same_bits(monkeypatch):
    targets, predictions = random_answers(2)
    whole = uncertainty.resampled_f1(targets, predictions, average="macro")
    sizes, drawn = [], list(uncertainty._chunks(uncertainty.RESAMPLES, len(targets)))

    def watched(counts, averages):
        sizes.append(counts.nbytes)
        return f1(counts, averages)

    f1 = uncertainty._f1
    monkeypatch.setattr(uncertainty, "_f1", watched)
    monkeypatch.setattr(uncertainty, "_chunks", lambda *_: iter(drawn))  # as many draws at a time, so that they are the same
    monkeypatch.setattr(uncertainty, "AT_ONCE", 5_000)
    np.testing.assert_array_equal(uncertainty.resampled_f1(targets, predictions, average="macro"), whole)
    assert len(sizes) > 10 and max(sizes) <= 8 * 5_000


def test_groups_are_drawn_and_swapped_as_a_whole():
    """Ten copies of each photo tell no more than the photo."""
    targets, first, second = random_answers(9, photos=60, wrong=(0.1, 0.25))
    copies, groups = np.repeat(np.arange(60), 10), np.repeat(np.arange(60) * 10, 10)
    shuffled = np.random.default_rng(0).permutation(len(copies))
    copies, groups = copies[shuffled], groups[shuffled]
    many = [answer[copies] for answer in (targets, first, second)]
    alone, together = uncertainty.bootstrap_interval(targets, first), uncertainty.bootstrap_interval(*many[:2], groups=groups)
    assert together == pytest.approx(alone) and np.diff(uncertainty.bootstrap_interval(*many[:2])) < np.diff(alone) / 2
    once = uncertainty.paired_difference(targets, first, second)
    assert uncertainty.paired_difference(*many, groups=groups) == pytest.approx(once)
    p = uncertainty.pairwise_p(many[0], many[1:], groups=groups)
    np.testing.assert_array_equal(p, uncertainty.pairwise_p(targets, [first, second]))
    assert not uncertainty.enough(many[0][:250], groups=np.sort(groups)[:250])


def test_degenerate_input_gives_nan_or_a_point():
    nothing = np.zeros((uncertainty.ENOUGH, 3), dtype=np.uint8)
    assert np.isnan(uncertainty.bootstrap_interval(nothing[:0], nothing[:0])).all()
    assert np.isnan(uncertainty.bootstrap_interval(nothing, nothing)).all()
    ones = np.ones_like(nothing)
    assert uncertainty.bootstrap_interval(ones, ones) == (1.0, 1.0)
    assert uncertainty.bootstrap_interval(ones, nothing) == (0.0, 0.0)
    found = uncertainty.paired_difference(nothing, nothing, nothing)
    assert np.isnan(found["difference"]) and found["p"] == 1.0


def test_resamples_without_any_label_are_passed_over():
    # One labelled photo among four: about a third of the resamples draw none and have no F1.
    targets = np.zeros((4, 2), dtype=np.uint8)
    targets[0, 0] = 1
    values = uncertainty.resampled_f1(targets, targets)
    assert np.isnan(values).mean() == pytest.approx((3 / 4) ** 4, abs=0.02)
    assert uncertainty.bounds(values) == (1.0, 1.0)


# Share of the photos that each label of the original's test part is on.
FREQUENT = np.array([21, 72, 58, 200, 94, 631, 145, 595, 118, 1262, 644, 27, 37, 93]) / 4000


def labelled(targets: np.ndarray, predictions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Hits and marks of the photos that F1 looks at."""
    hits, marks = (targets & predictions).sum(axis=1), targets.sum(axis=1) + predictions.sum(axis=1)
    return hits[marks > 0].astype(float), marks[marks > 0].astype(float)


def population(missed: float, wrong: float, photos: int = 200_000) -> tuple[np.ndarray, np.ndarray]:
    """Photos of which half are unlabelled, with labels as frequent as the original's, that a network misses and invents."""
    random = np.random.default_rng(0)
    targets = (random.random((photos, len(FREQUENT))) < 2 * FREQUENT) & (random.random((photos, 1)) < 0.5)
    found, invented = random.random(targets.shape) >= missed, random.random(targets.shape) < wrong * FREQUENT
    return labelled(targets, np.where(targets, found, invented))


def coverage(hits: np.ndarray, marks: np.ndarray, photos: int, draws: int = 2000, resamples: int = 600) -> float:
    """How often the percentile bootstrap over so many labelled photos covers the micro-F1 of all, written out anew."""
    random, truth, covered = np.random.default_rng(1), 2 * hits.sum() / marks.sum(), 0
    for _ in range(draws):
        rows = random.integers(0, len(hits), photos)
        times = random.multinomial(photos, np.full(photos, 1 / photos), resamples)
        low, high = np.quantile(2 * (times @ hits[rows]) / (times @ marks[rows]), [0.025, 0.975])
        covered += low <= truth <= high
    return covered / draws


@pytest.mark.parametrize(("missed", "wrong"), [(0.21, 0.27), (0.1, 0.1), (0.03, 0.03)])
def test_enough_photos_for_an_interval_are_those_of_which_it_covers_the_truth(missed, wrong):
    """The table in the docstring of `uncertainty`, with fewer draws; 0.87 is 0.89 less two standard errors of 600."""
    people = population(missed, wrong)
    assert coverage(*people, uncertainty.ENOUGH, draws=600) > 0.87
    if missed < 0.05:
        assert coverage(*people, 10, draws=600) < 0.75


def test_an_interval_of_too_few_photos_is_undefined_and_unlabelled_photos_do_not_count():
    targets, a, b = random_answers(3, photos=200, wrong=(0.02, 0.3))
    a, b = a & targets, b & targets  # nothing is given where nothing is true
    rows = np.flatnonzero(targets.any(axis=1))
    few, just = rows[: uncertainty.ENOUGH - 1], rows[: uncertainty.ENOUGH]
    for chosen, known in ((few, False), (just, True)):
        true, one, other = targets[chosen], a[chosen], b[chosen]
        padded = [np.vstack([part, np.zeros((500, 5), dtype=np.uint8)]) for part in (true, one, other)]
        for parts in ((true, one, other), padded):
            assert np.isfinite(uncertainty.bootstrap_interval(parts[0], parts[1], 200)).all() == known
            assert np.isfinite(uncertainty.bootstrap_interval(parts[0], np.stack(parts[1:]), 200)).all() == known
            found = uncertainty.paired_difference(*parts, resamples=200)
            assert np.isfinite([found["low"], found["high"]]).all() == known
            # What the photos at hand say stays, and a test by permutation holds for any number of them.
            assert found["difference"] == pytest.approx(loop_f1(true, one) - loop_f1(true, other)) and found["p"] < 0.05
    given = np.zeros_like(targets[few])
    given[0, 0] = 1
    unlabelled = np.vstack([targets[few], np.zeros((1, 5), dtype=np.uint8)])
    assert uncertainty.enough(unlabelled, np.vstack([given, np.ones((1, 5), dtype=np.uint8)])), "a given label counts too"
    assert uncertainty.enough(unlabelled, unlabelled) is False


def test_a_label_on_too_few_photos_has_no_interval():
    targets, predictions = random_answers(3, photos=300, labels=2)
    targets[:, 0] = predictions[:, 0] = 0
    targets[: uncertainty.ENOUGH, 0] = 1
    assert np.isfinite(uncertainty.label_intervals(targets, predictions, 200)).all()
    targets[0, 0] = 0
    found = uncertainty.label_intervals(targets, predictions, 200)
    assert np.isnan(found[0]).all() and np.isfinite(found[1]).all()


def test_answers_for_other_photos_are_refused():
    targets, a, b = random_answers(0, wrong=(0.1, 0.1))
    with pytest.raises(ValueError, match="must both be"):
        uncertainty.paired_difference(targets, a, b[:-1])
    with pytest.raises(ValueError, match="predictions hold"):
        uncertainty.bootstrap_interval(targets, np.full(targets.shape, 0.3))


def test_the_same_answers_do_not_differ():
    targets, a = random_answers(0)
    assert uncertainty.paired_difference(targets, a, a) == {"difference": 0.0, "low": 0.0, "high": 0.0, "p": 1.0}


def test_a_difference_is_that_of_the_scores_and_turns_its_sign():
    targets, a, b = random_answers(1, wrong=(0.05, 0.2))
    found, turned = uncertainty.paired_difference(targets, a, b), uncertainty.paired_difference(targets, b, a)
    expected = metrics.score(targets, a)["micro_f1"] - metrics.score(targets, b)["micro_f1"]
    assert found["difference"] == pytest.approx(expected) == pytest.approx(-turned["difference"])
    assert (found["low"], found["high"]) == pytest.approx((-turned["high"], -turned["low"]))
    assert 0 < found["low"] < expected < found["high"]
    assert found["p"] < 0.001


def test_p_is_that_of_all_swaps_where_they_can_be_counted():
    targets, a, b = random_answers(4, photos=10, labels=3, wrong=(0.05, 0.3))
    observed = abs(metrics.score(targets, a)["micro_f1"] - metrics.score(targets, b)["micro_f1"])
    extreme = 0
    for bits in range(2**10):
        swap = (bits >> np.arange(10) & 1).astype(bool)[:, None]
        one, other = np.where(swap, b, a), np.where(swap, a, b)
        difference = loop_f1(targets, one) - loop_f1(targets, other)
        extreme += abs(difference) >= observed - 1e-12
    assert uncertainty.paired_difference(targets, a, b)["p"] == pytest.approx(extreme / 2**10, abs=0.02)


def test_p_is_uniform_where_two_rows_are_equally_good():
    found = []
    for seed in range(150):
        found.append(uncertainty.paired_difference(*random_answers(seed, wrong=(0.15, 0.15)), resamples=300, seed=seed)["p"])
    assert stats.kstest(found, "uniform").pvalue > 0.001
    assert np.mean(np.array(found) < 0.05) < 0.13


def test_answers_on_the_same_photos_tell_rows_apart_that_intervals_do_not():
    random = np.random.default_rng(0)
    targets, a = random_answers(7, photos=1000)
    b = np.where((random.random(a.shape) < 0.02) & (a == targets), 1 - a, a).astype(np.uint8)  # a, a little worse
    interval_a, interval_b = (uncertainty.bootstrap_interval(targets, answer) for answer in (a, b))
    assert interval_b[1] > interval_a[0]
    assert uncertainty.paired_difference(targets, a, b)["low"] > 0


def loop_macro(targets: np.ndarray, predictions: np.ndarray) -> float:
    return metrics.score(targets, predictions)["macro_f1"]


def test_the_macro_interval_is_that_of_a_loop_in_which_labels_without_a_positive_are_left_out():
    targets, predictions = random_answers(3, photos=50, labels=4)
    targets[:, 0] = 0
    targets[:2, 0] = 1  # absent from about one resample in seven
    random = np.random.default_rng(5)
    slow = []
    for _ in range(1500):
        rows = random.integers(0, 50, 50)
        slow.append(loop_macro(targets[rows], predictions[rows]))
    expected = np.quantile(slow, [0.025, 0.975])
    found = uncertainty.bootstrap_interval(targets, predictions, average="macro")
    np.testing.assert_allclose(found, expected, atol=0.1 * (expected[1] - expected[0]))
    assert uncertainty.mean_f1(targets, predictions, "macro") == pytest.approx(loop_macro(targets, predictions))


def test_intervals_of_labels_are_those_of_each_label_by_itself():
    targets, predictions = random_answers(6, photos=150, labels=4)
    targets[:, 2] = 0
    found = uncertainty.label_intervals(targets, predictions, resamples=500)
    assert found.shape == (4, 2) and np.isnan(found[2]).all()
    for label in (0, 1, 3):
        alone = uncertainty.bootstrap_interval(targets[:, [label]], predictions[:, [label]], resamples=500, average="macro")
        assert tuple(found[label]) == pytest.approx(alone)
    assert np.isnan(uncertainty.label_intervals(targets[:0], predictions[:0])).all()


def test_several_trainings_score_as_their_mean_and_are_resampled_together():
    targets, a, b = random_answers(8, wrong=(0.1, 0.2))
    both = np.stack([a, b])
    scores = [metrics.score(targets, answer)["micro_f1"] for answer in both]
    assert uncertainty.mean_f1(targets, both) == pytest.approx(np.mean(scores))
    random = np.random.default_rng(2)
    slow = []
    for _ in range(1500):
        rows = random.integers(0, len(targets), len(targets))
        slow.append((loop_f1(targets[rows], a[rows]) + loop_f1(targets[rows], b[rows])) / 2)
    expected = np.quantile(slow, [0.025, 0.975])
    found = uncertainty.bootstrap_interval(targets, both)
    np.testing.assert_allclose(found, expected, atol=0.1 * (expected[1] - expected[0]))
    again = uncertainty.bootstrap_interval(targets, np.stack([a, a]), resamples=500)
    assert again == pytest.approx(uncertainty.bootstrap_interval(targets, a, resamples=500))


def test_several_trainings_are_paired_one_by_one_or_with_a_single_answer():
    targets, a, b, c = random_answers(9, wrong=(0.1, 0.1, 0.3))
    found = uncertainty.paired_difference(targets, np.stack([a, b]), np.stack([c, c]), resamples=500)
    assert found == uncertainty.paired_difference(targets, np.stack([a, b]), c, resamples=500)
    expected = np.mean([loop_f1(targets, a), loop_f1(targets, b)]) - loop_f1(targets, c)
    assert found["difference"] == pytest.approx(expected) and found["p"] < 0.01
    assert uncertainty.paired_difference(targets, np.stack([a, b]), np.stack([c, c, a]), resamples=500) == found
    pairwise = uncertainty.pairwise_p(targets, [np.stack([a, b]), np.stack([c, c, a]), c], resamples=500)
    assert pairwise[0, 1] == pairwise[0, 2] == found["p"], "a training that one row alone has is compared with nothing"


def test_all_pairs_together_have_the_p_of_each_pair_by_itself():
    targets, *answers = random_answers(10, photos=60, wrong=(0.1, 0.12, 0.2))
    found = uncertainty.pairwise_p(targets, answers, resamples=800)
    assert (np.diag(found) == 1).all() and (found == found.T).all()
    for i, j in ((0, 1), (0, 2), (1, 2)):
        alone = uncertainty.paired_difference(targets, answers[i], answers[j], resamples=800)["p"]
        assert found[i, j] == pytest.approx(alone)
    nothing = np.zeros((4, 2), dtype=np.uint8)
    assert (uncertainty.pairwise_p(nothing, [nothing, nothing]) == 1).all()


def test_the_macro_difference_is_tested_on_macro_scores():
    targets, a = random_answers(12, photos=400, labels=4, wrong=(0.1,))
    rare = np.zeros((400, 1), dtype=np.uint8)
    rare[:12] = 1
    targets, b = np.hstack([targets, rare]), np.hstack([a, rare])  # b finds the rare label, a never does
    a = np.hstack([a, 0 * rare])
    micro, macro = (uncertainty.paired_difference(targets, b, a, 500, average=average) for average in ("micro", "macro"))
    assert macro["difference"] == pytest.approx(loop_macro(targets, b) - loop_macro(targets, a)) == pytest.approx(0.2)
    assert micro["difference"] == pytest.approx(loop_f1(targets, b) - loop_f1(targets, a)) and micro["difference"] < 0.05
    assert macro["p"] < 0.01 and macro["low"] > 0.1
    with pytest.raises(ValueError, match="'samples'"):
        uncertainty.paired_difference(targets, a, b, average="samples")


def test_resampled_values_of_two_answers_are_paired():
    targets, a, b = random_answers(1, wrong=(0.05, 0.2))
    one, other = (uncertainty.resampled_f1(targets, answer, resamples=300) for answer in (a, b))
    found = uncertainty.paired_difference(targets, a, b, resamples=300)
    assert uncertainty.bounds(one - other) == (found["low"], found["high"])
    apart = uncertainty.resampled_f1(targets, b, resamples=300, seed=1)
    assert np.std(one - other) < 0.95 * np.std(one - apart)
    assert (uncertainty.resampled_f1(targets, a, 300) == one).all()
    assert uncertainty.paired_p(targets, a, b, resamples=300) == found["p"]


def test_mean_and_spread_over_seeds_by_hand():
    assert uncertainty.over_seeds([0.70, 0.74, 0.72]) == pytest.approx((0.72, 0.02))
    mean, spread = uncertainty.over_seeds([0.7])
    assert mean == 0.7 and np.isnan(spread)
    assert np.isnan(uncertainty.over_seeds([])).all()


def test_holm_by_hand():
    # Sorted 0.01, 0.02, 0.03, 0.04 times 4, 3, 2, 1 = 0.04, 0.06, 0.06, 0.04, never falling: 0.04, 0.06, 0.06, 0.06.
    np.testing.assert_allclose(uncertainty.holm(np.array([0.04, 0.01, 0.03, 0.02])), [0.06, 0.04, 0.06, 0.06])
    np.testing.assert_allclose(uncertainty.holm(np.array([0.9, 0.8])), [1.0, 1.0])
    assert uncertainty.holm(np.array([0.03])).tolist() == [0.03]
    assert uncertainty.holm(np.array([])).shape == (0,)


def test_the_original_best_row_has_the_interval_that_the_study_names(reference_predictions):
    targets, predictions = (metrics.read_savetxt(reference_predictions / f"resnet152.{kind}.txt") for kind in ("truth", "pred"))
    low, high = uncertainty.bootstrap_interval(targets, predictions)
    assert (low, high) == (pytest.approx(0.746, abs=0.0015), pytest.approx(0.770, abs=0.0015))


def test_the_original_files_list_the_same_photos_in_different_orders_and_cannot_be_paired(reference_predictions):
    """Each file of truths has the same rows, shuffled: only its own prediction file belongs to it, row by row."""
    rows = ("resnet152", "vgg16", "ffn1", "resnet50_noaug")
    truths = {row: metrics.read_savetxt(reference_predictions / f"{row}.truth.txt") for row in rows}
    assert len({tuple(np.sort(truth @ (1 << np.arange(14)))) for truth in truths.values()}) == 1
    assert not any((truths["resnet152"] == truths[row]).all() for row in rows[1:])
