"""Scores against scikit-learn, arithmetic by hand, and the original study's own prediction files."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    coverage_error,
    hamming_loss,
    label_ranking_loss,
    multilabel_confusion_matrix,
    precision_recall_fscore_support,
)

from tagging_lib.errors import TaggingError
from tagging_lib.evaluation import metrics

AVERAGES = ("micro", "macro", "weighted", "samples")
NAMES = ("precision", "recall", "f1")

# F1, precision and recall of the original's table (report.txt).
ORIGINAL = {
    "resnet152": (0.759, 0.729, 0.791),
    "vgg16": (0.700, 0.626, 0.794),
    "ffn1": (0.245, 0.191, 0.341),
    "resnet50_noaug": (0.751, 0.783, 0.722),
}
# Its report per label: precision, recall, F1, support.
ORIGINAL_LABELS = """0.54 0.67 0.60 21 | 0.68 0.75 0.71 72 | 0.66 0.81 0.73 58 | 0.67 0.85 0.75 200 | 0.69 0.74 0.71 94
| 0.69 0.75 0.72 631 | 0.71 0.80 0.75 145 | 0.60 0.69 0.64 595 | 0.55 0.69 0.62 118 | 0.88 0.84 0.86 1262
| 0.77 0.86 0.81 644 | 0.33 0.48 0.39 27 | 0.52 0.68 0.59 37 | 0.63 0.72 0.67 93"""
ORIGINAL_MEANS = {"macro": (0.64, 0.74, 0.68), "weighted": (0.74, 0.79, 0.76), "samples": (0.37, 0.38, 0.37)}


def random_pair(seed: int, photos: int = 80, labels: int = 7) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    targets = (random.random((photos, labels)) < random.uniform(0.05, 0.6, labels)).astype(np.uint8)
    flipped = random.random((photos, labels)) < 0.2
    return targets, np.where(flipped, 1 - targets, targets).astype(np.uint8)


def sklearn_score(targets, predictions, average):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return precision_recall_fscore_support(targets, predictions, average=average, zero_division=0)[:3]


@pytest.mark.parametrize("seed", range(8))
def test_scores_equal_scikit_learn(seed):
    targets, predictions = random_pair(seed)
    found = metrics.score(targets, predictions)
    for average in AVERAGES:
        expected = sklearn_score(targets, predictions, average)
        assert [found[f"{average}_{name}"] for name in NAMES] == pytest.approx(expected, abs=1e-12)
    assert found["subset_accuracy"] == pytest.approx(accuracy_score(targets, predictions))
    assert found["hamming_loss"] == pytest.approx(hamming_loss(targets, predictions))
    assert found["undefined_labels"] == 0


@st.composite
def small_pairs(draw) -> tuple[np.ndarray, np.ndarray]:
    """Targets and predictions of a few photos, with absent labels and unlabelled photos among them."""
    shape = draw(st.tuples(st.integers(1, 6), st.integers(1, 4)))
    return tuple(draw(arrays.arrays(np.uint8, shape, elements=st.integers(0, 1))) for _ in range(2))


@settings(max_examples=80, deadline=None)
@given(small_pairs())
def test_any_scores_are_scikit_learns_where_it_defines_them(pair):
    targets, predictions = pair
    found = metrics.score(targets, predictions)
    flat = precision_recall_fscore_support(targets.ravel(), predictions.ravel(), average="binary", zero_division=0)[:3]
    micro = [found[f"micro_{name}"] for name in NAMES]
    assert np.isnan(micro).all() if not (targets.any() or predictions.any()) else micro == pytest.approx(flat)
    columns = [
        sklearn_score(true, answer, "binary") for true, answer in zip(targets.T, predictions.T, strict=True) if true.any()
    ]
    macro = [found[f"macro_{name}"] for name in NAMES]
    assert np.isnan(macro).all() if not columns else macro == pytest.approx(np.mean(columns, axis=0))
    assert found["undefined_labels"] == targets.shape[1] - len(columns)


@settings(max_examples=60, deadline=None)
@given(small_pairs(), st.randoms(use_true_random=False))
def test_scores_do_not_mind_the_order_of_photos_or_of_labels(pair, random):
    targets, predictions = pair
    rows, columns = (random.sample(range(size), size) for size in targets.shape)
    shuffled = [part[rows][:, columns] for part in (targets, predictions)]
    assert metrics.score(*shuffled) == pytest.approx(metrics.score(targets, predictions), nan_ok=True)
    before, after = metrics.label_confusion(targets, predictions), metrics.label_confusion(*shuffled)
    np.testing.assert_array_equal(after, before[columns])


@settings(max_examples=60, deadline=None)
@given(small_pairs(), st.data())
def test_any_average_precision_is_scikit_learns_and_depends_on_the_order_alone(pair, data):
    targets, _ = pair
    elements = st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0])
    probabilities = data.draw(arrays.arrays(np.float64, targets.shape, elements=elements))
    found = metrics.average_precision(targets, probabilities)
    for true, column, value in zip(targets.T, probabilities.T, found, strict=True):
        assert value == pytest.approx(average_precision_score(true, column)) if true.any() else np.isnan(value)
    np.testing.assert_array_equal(metrics.average_precision(targets, probabilities**2 / 2), found)


def test_f1_is_the_harmonic_mean_of_precision_and_recall_wherever_it_is_counted():
    hits, given_labels, true = np.array([3, 0, 0, 0]), np.array([4, 2, 0, 0]), np.array([6, 0, 5, 0])
    np.testing.assert_allclose(metrics.f1(hits, given_labels + true), [2 / (4 / 3 + 6 / 3), 0, 0, np.nan])
    np.testing.assert_allclose(metrics.label_f1(hits, given_labels + true, true), [0.6, np.nan, 0, np.nan])
    np.testing.assert_allclose(metrics.ratio(1, [[0], [4]]), [[np.nan], [0.25]])


@pytest.mark.parametrize("photos, labels", [(1, 1), (1, 5), (40, 1), (3, 60)])
def test_single_photos_and_single_labels_equal_scikit_learn_over_defined_labels(photos, labels):
    for seed in range(6):
        targets, predictions = random_pair(seed, photos, labels)
        targets[0, 0] = 1
        found = metrics.score(targets, predictions)
        defined = targets.any(axis=0)
        assert found["undefined_labels"] == (~defined).sum()
        # scikit-learn takes a single column for a binary problem: count with its confusion matrices instead.
        cells = multilabel_confusion_matrix(targets, predictions, labels=range(labels)) if labels > 1 else None
        if cells is not None:
            np.testing.assert_array_equal(metrics.label_confusion(targets, predictions), cells.reshape(labels, 4))
            expected = sklearn_score(targets[:, defined], predictions[:, defined], "macro") if defined.sum() > 1 else None
            if expected is not None:
                assert [found[f"macro_{name}"] for name in NAMES] == pytest.approx(expected)
        else:
            expected = sklearn_score(targets[:, 0], predictions[:, 0], "binary")
            assert [found[f"micro_{name}"] for name in NAMES] == pytest.approx(expected)
            assert [found[f"macro_{name}"] for name in NAMES] == pytest.approx(expected)


def test_a_label_without_a_positive_is_nan_and_counted_and_not_averaged_in_as_zero():
    targets = np.array([[1, 0, 0, 1], [1, 0, 0, 0], [0, 0, 0, 0]])
    predictions = np.array([[1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]])
    found = metrics.score(targets, predictions)
    assert found["undefined_labels"] == 2
    # First label 2·1 / (2·1 + 0 + 1) = 2/3, last one 0 (never found); the middle ones, given or not, are left out.
    assert found["macro_f1"] == pytest.approx((2 / 3 + 0) / 2)
    assert found["macro_recall"] == pytest.approx((1 / 2 + 0) / 2)
    assert found["macro_f1"] != pytest.approx(sklearn_score(targets, predictions, "macro")[2])
    table = metrics.per_label(targets, predictions, ["a", "b", "c", "d"]).set_index("label")
    assert table.loc[["b", "c"], ["precision", "recall", "f1"]].isna().all(axis=None)
    assert table.loc["d", "f1"] == 0
    assert table.support.tolist() == [2, 0, 0, 1] and table.predicted.tolist() == [1, 0, 1, 0]


def test_without_any_positive_only_micro_says_that_labels_were_given():
    found = metrics.score(np.zeros((3, 2)), np.array([[1, 0], [0, 0], [0, 0]]))
    assert [found[f"micro_{name}"] for name in NAMES] == [0, 0, 0]
    assert np.isnan([found[f"{average}_f1"] for average in ("macro", "weighted")]).all()


def test_a_label_without_positives_that_is_given_counts_as_wrong_and_pulls_micro_down():
    targets, predictions = random_pair(3)
    before = metrics.score(targets, predictions)["micro_f1"]
    wrong = np.hstack([predictions, np.ones((len(predictions), 1), dtype=np.uint8)])
    true = np.hstack([targets, np.zeros((len(targets), 1), dtype=np.uint8)])
    assert metrics.score(true, wrong)["micro_f1"] < before


def test_nothing_true_and_nothing_given_has_no_f1():
    found = metrics.score(np.zeros((4, 3)), np.zeros((4, 3)))
    assert found["unlabelled_f1"] == 1
    assert np.isnan([found[f"{average}_f1"] for average in ("micro", "macro", "weighted")]).all()
    assert found["undefined_labels"] == 3
    assert found["subset_accuracy"] == 1 and found["hamming_loss"] == 0


def test_no_photos_gives_nan_everywhere():
    found = metrics.score(np.zeros((0, 3)), np.zeros((0, 3)))
    assert found.pop("undefined_labels") == 3
    assert np.isnan(list(found.values())).all()


def test_everything_true_and_given_scores_one_and_nothing_given_scores_zero():
    ones = np.ones((5, 2), dtype=np.uint8)
    perfect, silent = metrics.score(ones, ones), metrics.score(ones, np.zeros_like(ones))
    assert np.isnan([perfect["unlabelled_f1"], silent["unlabelled_f1"]]).all()
    assert all(perfect[f"{average}_f1"] == 1 for average in AVERAGES)
    assert all(silent[f"{average}_{name}"] == 0 for average in AVERAGES for name in NAMES)


def test_the_f1_of_the_set_is_not_the_mean_of_the_f1_of_batches():
    """The original's defect 4: averaging over batches gave 0.778 where the set has 0.759."""
    targets = np.array([[1], [1], [1], [1], [1], [0]])
    predictions = np.array([[1], [1], [1], [1], [0], [1]])
    batches = [metrics.score(targets[part], predictions[part])["micro_f1"] for part in (slice(0, 4), slice(4, 6))]
    assert np.mean(batches) == 0.5
    assert metrics.score(targets, predictions)["micro_f1"] == pytest.approx(0.8)


@pytest.mark.parametrize("values", [np.array([[0.4, 0.6]]), np.array([[0, 2]]), np.array([[np.nan, 1.0]])])
def test_probabilities_are_refused_where_predictions_are_expected(values, tmp_path):
    with pytest.raises(ValueError, match="predictions hold values other than 0 and 1"):
        metrics.score(np.array([[0, 1]]), values)
    with pytest.raises(ValueError, match="targets hold"):
        metrics.score(values, np.array([[0, 1]]))
    with pytest.raises(ValueError, match="apply a threshold"):
        metrics.write_savetxt(tmp_path / "p.txt", values)
    assert not (tmp_path / "p.txt").exists()


def test_shapes_that_differ_are_refused_with_both_named():
    with pytest.raises(ValueError, match=r"\(3, 2\).*\(1, 2\)"):
        metrics.score(np.zeros((3, 2)), np.zeros((1, 2)))
    with pytest.raises(ValueError, match=r"\(3,\)"):
        metrics.label_confusion(np.zeros(3), np.zeros(3))


def test_the_confusion_of_labels_equals_scikit_learn():
    targets, predictions = random_pair(11)
    expected = multilabel_confusion_matrix(targets, predictions).reshape(-1, 4)
    found = metrics.label_confusion(targets, predictions)
    np.testing.assert_array_equal(found, expected)
    assert (found.sum(axis=1) == len(targets)).all()


def test_the_confusion_of_unlabelled_photos_by_hand():
    targets = np.array([[0, 0], [0, 0], [1, 0], [0, 1], [1, 1]])
    predictions = np.array([[0, 0], [1, 0], [0, 0], [1, 0], [1, 1]])
    assert metrics.unlabelled_confusion(targets, predictions) == {"tn": 2, "fp": 1, "fn": 1, "tp": 1}
    found = metrics.score(targets, predictions)
    assert [found[f"unlabelled_{name}"] for name in NAMES] == [0.5, 0.5, 0.5]


def test_the_scores_of_unlabelled_photos_equal_scikit_learn():
    targets, predictions = random_pair(4, photos=200, labels=3)
    expected = sklearn_score(~targets.any(axis=1), ~predictions.any(axis=1), "binary")
    found = metrics.score(targets, predictions)
    assert [found[f"unlabelled_{name}"] for name in NAMES] == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(4))
def test_average_precision_equals_scikit_learn_with_ties_and_is_nan_without_a_positive(seed):
    random = np.random.default_rng(seed)
    targets = (random.random((60, 4)) < 0.3).astype(np.uint8)
    targets[:, 2] = 0
    probabilities = np.round(random.random((60, 4)), 1).astype(np.float32)
    found = metrics.average_precision(targets, probabilities)
    assert np.isnan(found[2])
    kept = [0, 1, 3]
    expected = average_precision_score(targets[:, kept], probabilities[:, kept], average=None)
    np.testing.assert_allclose(found[kept], expected)
    assert metrics.mean_average_precision(targets, probabilities) == pytest.approx(expected.mean())


def test_mean_average_precision_without_any_positive_is_nan():
    assert np.isnan(metrics.mean_average_precision(np.zeros((5, 2)), np.full((5, 2), 0.5)))


@pytest.mark.parametrize("seed", range(6))
def test_ranking_equals_scikit_learn_where_every_photo_has_some_labels_and_lacks_some(seed):
    random = np.random.default_rng(seed)
    targets = (random.random((80, 6)) < 0.3).astype(np.uint8)
    targets = targets[targets.any(axis=1) & ~targets.all(axis=1)]
    probabilities = random.random(targets.shape).astype(np.float32)
    if seed % 2:
        probabilities = np.round(probabilities, 1)  # ties
    found = metrics.ranking(targets, probabilities)
    assert found["ranking_loss"] == pytest.approx(label_ranking_loss(targets, probabilities))
    assert found["coverage"] == pytest.approx(coverage_error(targets, probabilities))
    assert found["mean_average_precision"] == metrics.mean_average_precision(targets, probabilities)
    assert (found["unranked_photos"], found["undefined_labels"]) == (0, 0)


def test_ranking_by_hand_with_photos_that_cannot_be_ranked():
    targets = np.array([[1, 0, 0, 0], [1, 0, 1, 0], [0, 0, 0, 0], [1, 1, 1, 0]])
    probabilities = np.array([[0.5, 0.9, 0.5, 0.1], [0.9, 0.1, 0.8, 0.2], [0.9, 0.9, 0.9, 0.9], [0.3, 0.2, 0.1, 0.4]])
    found = metrics.ranking(targets, probabilities)
    # Photo 1: of three pairs 0.9 is above and 0.5 level, so 2/3. Photo 2: none. Photo 3 has no label. Photo 4: all three.
    assert found["ranking_loss"] == pytest.approx((2 / 3 + 0 + 1) / 3)
    assert found["coverage"] == pytest.approx((3 + 2 + 4) / 3)
    assert (found["unranked_photos"], found["undefined_labels"]) == (1, 1)
    # scikit-learn counts photo 3 as ranked without a mistake.
    assert label_ranking_loss(targets, probabilities) < found["ranking_loss"]


def test_ranking_of_nothing_of_everything_and_of_a_single_label():
    nothing = metrics.ranking(np.zeros((3, 2)), np.full((3, 2), 0.5))
    assert np.isnan([nothing[name] for name in ("mean_average_precision", "ranking_loss", "coverage")]).all()
    assert (nothing["unranked_photos"], nothing["undefined_labels"]) == (3, 2)
    everything = metrics.ranking(np.ones((3, 2)), np.full((3, 2), 0.5))
    assert np.isnan(everything["ranking_loss"]) and everything["coverage"] == 2
    assert metrics.ranking(np.array([[1], [0]]), np.array([[0.2], [0.4]]))["coverage"] == 1
    assert np.isnan(metrics.ranking(np.zeros((0, 2)), np.zeros((0, 2)))["coverage"])
    with pytest.raises(ValueError, match="must both be"):
        metrics.ranking(np.zeros((3, 2)), np.zeros((3, 1)))


def test_the_ratio_of_f1_is_train_over_validation():
    assert metrics.ratio_of_f1(0.9, 0.75) == pytest.approx(1.2)
    assert np.isnan([metrics.ratio_of_f1(0.9, 0.0), metrics.ratio_of_f1(0.9, float("nan"))]).all()


def test_files_survive_a_round_trip_and_are_what_savetxt_writes(tmp_path):
    _, predictions = random_pair(0)
    metrics.write_savetxt(tmp_path / "ours.txt", predictions)
    np.savetxt(tmp_path / "theirs.txt", predictions, fmt="%d")
    assert (tmp_path / "ours.txt").read_bytes() == (tmp_path / "theirs.txt").read_bytes()
    found = metrics.read_savetxt(tmp_path / "ours.txt")
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, predictions)


def test_files_of_one_photo_or_one_label_or_in_the_default_number_format_keep_their_shape(tmp_path):
    for shape in ((1, 5), (5, 1)):
        np.savetxt(tmp_path / "one.txt", np.ones(shape))
        assert metrics.read_savetxt(tmp_path / "one.txt").shape == shape


@pytest.mark.parametrize("text", ["", "0 1\n1\n", "0 0.5\n", "0 2\n", "nan 1\n", "yes no\n"])
def test_a_file_that_is_no_0_1_matrix_is_an_error_that_names_it(tmp_path, text):
    (tmp_path / "broken.txt").write_text(text)
    with pytest.raises(TaggingError, match=r"broken\.txt"):
        metrics.read_savetxt(tmp_path / "broken.txt")


def test_an_absent_file_is_an_error_that_names_it(tmp_path):
    with pytest.raises(TaggingError, match=r"absent\.txt"):
        metrics.read_savetxt(tmp_path / "absent.txt")


def read_pair(folder, row):
    return tuple(metrics.read_savetxt(folder / f"{row}.{kind}.txt") for kind in ("truth", "pred"))


@pytest.mark.parametrize("row", sorted(ORIGINAL))
def test_the_original_table_comes_out_to_three_decimals(reference_predictions, row):
    """Precision and recall also show that truth and prediction do not carry each other's names (defect 10)."""
    targets, predictions = read_pair(reference_predictions, row)
    assert targets.shape == predictions.shape == (4000, 14)
    found, exchanged = metrics.score(targets, predictions), metrics.score(predictions, targets)
    assert tuple(round(found[f"micro_{name}"], 3) for name in ("f1", "precision", "recall")) == ORIGINAL[row]
    assert round(exchanged["micro_f1"], 3) == ORIGINAL[row][0]
    assert (round(exchanged["micro_precision"], 3), round(exchanged["micro_recall"], 3)) == ORIGINAL[row][:0:-1]


def test_the_original_report_per_label_comes_out(reference_predictions):
    targets, predictions = read_pair(reference_predictions, "resnet152")
    table = metrics.per_label(targets, predictions, [str(i) for i in range(14)])
    # Formatted as scikit-learn's report does: 0.325 is printed as 0.33.
    lines = [f"{r.precision:.2f} {r.recall:.2f} {r.f1:.2f} {r.support}" for r in table.itertuples()]
    assert lines == [line.strip() for line in ORIGINAL_LABELS.split("|")]
    found = metrics.score(targets, predictions)
    for average, expected in ORIGINAL_MEANS.items():
        assert tuple(round(found[f"{average}_{name}"], 2) for name in NAMES) == expected


def test_the_original_confusion_of_unlabelled_photos_comes_out(reference_predictions):
    found = metrics.unlabelled_confusion(*read_pair(reference_predictions, "resnet152"))
    assert found == {"tn": 1724, "fp": 261, "fn": 349, "tp": 1666}


@pytest.mark.parametrize("row", sorted(ORIGINAL))
def test_the_original_files_score_as_in_scikit_learn(reference_predictions, row):
    targets, predictions = read_pair(reference_predictions, row)
    found = metrics.score(targets, predictions)
    for average in AVERAGES:
        expected = sklearn_score(targets, predictions, average)
        assert [found[f"{average}_{name}"] for name in NAMES] == pytest.approx(expected, abs=1e-12)
