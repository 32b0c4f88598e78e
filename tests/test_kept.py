"""Answers on disk: found whole by name and key, and published in half precision without a label changing."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tagging_lib.evaluation import thresholds
from tagging_lib.runs import kept

PROBABILITIES = np.random.default_rng(0).random((40, 3), dtype=np.float32)


def keep(outputs, key="k"):
    history = pd.DataFrame({"epoch": [1, 2], "train_loss": [0.5, 0.25]})
    return kept.keep(outputs, "row", key, {"probabilities": {"test": PROBABILITIES}}, {"seconds": 1.5}, history)


def test_what_was_kept_is_found_by_name_and_key(tmp_path):
    keep(tmp_path)
    found = kept.find(tmp_path, "row", "k")
    assert found is not None and found.facts["seconds"] == 1.5 and not found.published
    np.testing.assert_array_equal(found.arrays()["test"], PROBABILITIES)
    assert found.history.train_loss.tolist() == [0.5, 0.25]
    assert kept.find(tmp_path, "row", "another") is None and not kept.is_there(tmp_path, "row", "another")


@pytest.mark.parametrize("file", ["probabilities.npz", "history.csv", "result.json"])
def test_damaged_answers_are_set_aside_and_not_found(tmp_path, file):
    path = keep(tmp_path).folder / file
    path.write_bytes(path.read_bytes()[:-3] + b"xyz")
    assert kept.find(tmp_path, "row", "k") is None
    assert (path.parent / "result.damaged").exists() and not kept.is_there(tmp_path, "row", "k")


def test_published_answers_are_found_where_runs_has_none_and_are_never_changed(tmp_path):
    kept.publish(keep(tmp_path), kept.published_folder(tmp_path) / "row" / "p")
    found = kept.find(tmp_path, "row", "p")
    assert found is not None and found.published and found.facts["seconds"] == 1.5
    assert found.arrays()["test"].dtype == np.float32
    np.testing.assert_allclose(found.arrays()["test"], PROBABILITIES, atol=5e-4)
    assert found.history.train_loss.tolist() == [0.5, 0.25]
    damaged = found.folder / "probabilities.npz"
    damaged.write_bytes(b"damaged")
    assert kept.find(tmp_path, "row", "p") is None and (found.folder / "result.json").exists()


def test_a_published_copy_names_no_folder_of_the_machine_and_keeps_labels_as_they_are(tmp_path):
    facts = {"weights": "DenseNet-169, ImageNet-1k", "experiment": {"weights": "/home/me/photos/w.pth", "title": "/w.pth"}}
    facts |= {"parts": [{"weights": "/home/me/v.pth", "labels": ["/m/0dgw9r", "sea"]}]}
    kept.publish(kept.keep(tmp_path, "row", "k", {}, facts), tmp_path / "copy")
    published = kept.read(tmp_path / "copy").facts
    assert published["weights"] == facts["weights"] and published["experiment"] == {"weights": "w.pth", "title": "/w.pth"}
    assert published["parts"] == [{"weights": "v.pth", "labels": ["/m/0dgw9r", "sea"]}]


def test_publishing_a_published_copy_changes_nothing(tmp_path):
    first, second = (kept.published_folder(tmp_path) / "row" / key for key in ("p", "q"))
    kept.publish(keep(tmp_path), first)
    kept.publish(kept.find(tmp_path, "row", "p"), second)
    for path in first.iterdir():
        assert (second / path.name).read_bytes() == path.read_bytes(), path.name


NEAR = st.builds(
    lambda edge, steps: float(np.clip(np.float32(edge) + np.float32(steps) * np.float32(2**-20), 0, 1)),
    st.sampled_from(thresholds.FINE_GRID.tolist() + [0.0, 1.0]),
    st.integers(-600, 600),
)


@settings(max_examples=200, deadline=None)
@given(arrays(np.float32, (7, 3), elements=NEAR))
def test_half_precision_meets_the_same_thresholds(probabilities):
    half = kept.halved(probabilities)
    assert half.dtype == np.float16 and np.abs(half.astype(np.float32) - probabilities).max() < 5e-4
    for grid in (thresholds.GRID, thresholds.FINE_GRID):
        for threshold in grid:
            np.testing.assert_array_equal(
                thresholds.apply(half.astype(np.float32), threshold), thresholds.apply(probabilities, threshold)
            )


def test_plain_rounding_would_change_a_label():
    exact = np.array([[0.4]], dtype=np.float32)
    assert thresholds.apply(exact.astype(np.float16).astype(np.float32), 0.4) != thresholds.apply(exact, 0.4)
    assert thresholds.apply(kept.halved(exact).astype(np.float32), 0.4) == thresholds.apply(exact, 0.4)


def test_truth_stays_as_it_is():
    truth = np.array([[1, 0]], dtype=np.uint8)
    assert kept.halved(truth) is truth


def test_an_archive_of_something_else_than_arrays_is_damage(tmp_path):
    import zipfile

    folder = keep(tmp_path).folder
    with zipfile.ZipFile(folder / "probabilities.npz", "w") as archive:
        archive.writestr("test", "no array")
    with pytest.raises(ValueError, match="something else than arrays"):
        kept.Kept(folder, {}).arrays()
