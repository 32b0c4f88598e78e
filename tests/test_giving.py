"""Which labels are given: by the model's threshold, by one's own, by a promised precision, by training photos."""

from __future__ import annotations

import numpy as np
import pytest

from tagging_lib import files
from tagging_lib.errors import TaggingError
from tagging_lib.evaluation import thresholds
from tagging_lib.inference import giving
from tagging_lib.runs import kept

LABELS = ["beach", "dog", "rare"]
DESCRIBED = {"labels": LABELS, "threshold": 0.4}


@pytest.fixture
def run(tmp_path):
    """A run with 40 validation photos: `beach` is right down to 0.5, `dog` at half of the photos, `rare` on two."""
    falling = np.linspace(1, 0.01, 40, dtype=np.float32)
    targets = np.zeros((40, 3), dtype=np.uint8)
    targets[:25, 0], targets[::2, 1], targets[:2, 2] = 1, 1, 1
    arrays = {"probabilities": {"validation": np.repeat(falling[:, None], 3, axis=1)}, "truth": {"validation": targets}}
    facts = {"labels": LABELS, "train_photos": {"beach": 100, "dog": 20, "rare": 3}}
    return kept.keep(tmp_path, "row", "key", arrays, facts).folder


def test_the_models_threshold_and_ones_own(run):
    assert giving.choose(run, DESCRIBED).threshold == 0.4
    found = giving.choose(run, DESCRIBED, threshold=0.7)
    assert found.threshold == 0.7 and found.labels == LABELS
    assert found.given(np.array([[0.69, 0.7, 0.71]], dtype=np.float32)).tolist() == [[0, 1, 1]]
    assert found.thresholds.tolist() == [0.7] * 3


def test_a_promised_precision_gives_each_label_its_threshold_and_names_those_without(run, caplog):
    found = giving.choose(run, DESCRIBED, precision=0.9)
    falling = np.linspace(1, 0.01, 40, dtype=np.float32)
    # 25 of 25 are right; one more error leaves 25 of 26, whose lower end (0.858) is below 0.9.
    assert found.thresholds.tolist() == [float(falling[24]), np.inf, np.inf]
    assert "2 of 3 labels are never given" in caplog.text and "dog, rare" in caplog.text and "beach" not in caplog.text
    given = found.given(np.ones((1, 3), dtype=np.float32))
    assert given.tolist() == [[1, 0, 0]], "never, not even at 1"
    with pytest.raises(TaggingError, match=r"no label reaches a precision of 0\.99"):
        giving.choose(run, DESCRIBED, precision=0.99)


def test_labels_on_few_training_photos_are_left_out_and_named(run, caplog):
    found = giving.choose(run, DESCRIBED, min_photos=20)
    assert found.labels == ["beach", "dog"] and found.columns.tolist() == [0, 1]
    assert "1 of 3 labels are left out, on fewer than 20 training photos: rare" in caplog.text
    found = giving.choose(run, DESCRIBED, min_photos=20, precision=0.9)
    assert found.labels == ["beach", "dog"] and np.isinf(found.thresholds).tolist() == [False, True]
    with pytest.raises(TaggingError, match="no label has 101 training photos, the most is 100"):
        giving.choose(run, DESCRIBED, min_photos=101)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"threshold": 0.5, "precision": 0.9}, "choose one of them"),
        ({"threshold": 0.0}, "threshold is 0"),
        ({"threshold": 1.5}, "threshold is 1.5"),
        ({"precision": 1.0}, "precision is 1.0"),
        ({"precision": 90.0}, "precision is 90.0"),
    ],
)
def test_values_out_of_range_are_named(run, asked, said):
    with pytest.raises(TaggingError, match=said):
        giving.choose(run, DESCRIBED, **asked)


def test_a_folder_that_does_not_know_says_so_in_one_line(tmp_path, run):
    files.write_json(tmp_path / "final" / "model.json", DESCRIBED)
    with pytest.raises(TaggingError, match=r"holds no validation answers, which --precision needs"):
        giving.choose(tmp_path / "final", DESCRIBED, precision=0.9)
    with pytest.raises(TaggingError, match="does not say how many training photos"):
        giving.choose(tmp_path / "final", DESCRIBED, min_photos=2)
    old = kept.keep(tmp_path, "old", "key", {"truth": {"validation": np.ones((1, 3), np.uint8)}}, {"labels": LABELS})
    with pytest.raises(TaggingError, match="does not say how many training photos"):
        giving.choose(old.folder, DESCRIBED, min_photos=2)
    assert thresholds.CONFIDENCE == 0.9
