"""Figures of errors: any label set, words where there is nothing to draw, pixels where they should be."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tagging_lib.evaluation import errors, label_errors
from tagging_lib.report import figures
from tagging_lib.report.figures import errors as figures_errors
from tests.test_figures import answers, label_names, png, strict, texts

__all__ = ["strict"]  # warnings of matplotlib are errors here, too


@pytest.mark.parametrize("count", [1, 2, 14, 60])
def test_any_number_of_labels_with_any_names(count):
    targets, predictions = answers(count)
    labels = tuple(label_names(count))
    confused = errors.confused_labels(targets, predictions, labels)
    sizes = errors.errors_by_size(np.arange(count) * 7, targets, predictions, labels)
    groups = {"labels $x$": errors.error_rates_by(targets.sum(axis=1), targets, predictions)}
    missed = (targets > predictions).sum(axis=0)
    for figure in (figures.confused_labels(confused, missed), figures.label_sizes(sizes), figures.error_groups(groups)):
        assert np.asarray(png(figure).convert("L")).std() > 1
        assert figure.heading


def test_names_of_points_cover_no_point_and_no_other_name():
    photos, f1 = [186, 190, 221, 215, 258, 56, 3813], [0.80, 0.79, 0.80, 0.78, 0.83, 0.5, 0.89]
    figure = figures.label_sizes(pd.DataFrame({"label": list("abcdefg"), "train_photos": photos, "f1": f1}))
    figure.draw_without_rendering()
    axes = figure.axes[0]
    boxes = [text.get_window_extent() for text in axes.texts]
    points = axes.transData.transform(np.column_stack([photos, f1]))
    assert len(boxes) == len(photos)
    assert not any(one.overlaps(other) for place, one in enumerate(boxes) for other in boxes[place + 1 :])
    assert not any(box.contains(*point) for box in boxes for point in points)


def test_the_matrix_names_its_largest_share_and_writes_percentages():
    shares = pd.DataFrame([[np.nan, 0.47, 0.1], [0.0, np.nan, 0.9], [0.2, 0.1, np.nan]])
    shares.index = shares.columns = ["cat", "dog", "no label"]
    figure = figures.confused_labels(shares, np.array([17, 4]))
    assert figure.heading == "Where “cat” is missed, “dog” is wrongly given on 47 % of 17 photos"
    assert {"47", "10", "90", "20", "·"} <= set(texts(figure))


def test_no_miss_and_no_group_are_said_in_words():
    targets = np.eye(3, dtype=np.uint8)
    nothing = errors.confused_labels(targets, targets, ("a", "b", "c"))
    assert "No label was missed" in figures.confused_labels(nothing, np.zeros(3, dtype=int)).heading
    dark = np.zeros((4, 2), dtype=np.uint8)
    groups = {"kind": errors.error_rates_by(np.zeros(4), dark, dark)}
    assert "No group" in figures.error_groups(groups).heading
    empty = pd.DataFrame({"corrected": [0], "suspects": [0.5]})
    assert "no suspected" in figures.corrections(empty).heading


def test_groups_without_a_hit_get_words_and_no_dot():
    table = pd.DataFrame(
        {"group": [0, 1], "photos": [9, 5], "micro_f1": [0.0, 0.8], "low": [0, 0.7], "high": [0, 0.9], "wrong_photos": [0.1, 1]}
    )
    figure = figures.error_groups({"labels": table})
    shown = texts(figure)
    assert "no label to find, or none found" in shown and "10 %" in shown and "100 %" in shown
    assert sum(line.get_marker() == "o" for line in figure.axes[0].lines) == 1


def test_corrections_draw_the_three_curves_with_their_last_values_in_the_title():
    random = np.random.default_rng(0)
    targets, given = ((random.random((100, 4)) < 0.3).astype(np.uint8) for _ in range(2))
    places = random.permutation(400)[:50]
    found = pd.DataFrame({"place": places // 4, "column": places % 4})
    table = label_errors.f1_after_correction(targets, given, found, [0, 20, 50], draws=10)
    figure = figures.corrections(table)
    assert f"to {table.suspects.iloc[-1]:.3f}" in figure.heading and "50 suspects" in figure.heading
    assert len(figure.axes[0].lines) == 3 and len(figure.axes[0].collections) == 2


def test_the_gallery_says_what_is_annotated_and_what_the_network_says():
    pixels = np.random.default_rng(0).integers(0, 255, (5, 16, 16, 3), dtype=np.uint8)
    found = pd.DataFrame(
        {"rank": [1, 2], "index": [4, 0], "label": ["$cat", "dog"], "given": [0, 1], "probability": [0.98, 0.01]}
    )
    figure = figures.suspect_gallery(pixels, found)
    shown = " ".join(texts(figure))
    assert r"1 · not \$cat" in shown and "network: 0.980" in shown and "2 · dog" in shown
    assert figure.heading == "2 suspected annotations: 1 may be missing, 1 may be wrong"
    assert "There is no such photo" in " ".join(texts(figures.suspect_gallery(pixels, found.head(0))))


def test_the_overlay_is_orange_for_and_blue_against_and_grey_where_nothing_speaks():
    photo = np.full((8, 8, 3), 128, dtype=np.uint8)
    heat = np.zeros((8, 8), dtype=np.float32)
    heat[:3], heat[5:] = 1, -1
    shown = figures_errors.overlaid(photo, heat).astype(int)
    red, blue = shown[..., 0], shown[..., 2]
    assert (red[0] > blue[0] + 50).all() and (blue[7] > red[7] + 50).all()
    assert (shown[4] == 128).all()
    assert figures_errors.overlaid(photo, np.ones((2, 2))).shape == (8, 8, 3)  # a map of another side is fitted


def test_each_photo_stands_beside_its_map():
    pixels = np.random.default_rng(0).integers(0, 255, (4, 16, 16, 3), dtype=np.uint8)
    heat = np.zeros((2, 16, 16), dtype=np.float32)
    figure = figures.attribution_gallery(pixels, [3, 1], heat, ["a\n0.9", "b\n0.8"], "Grad-CAM", "Two errors")
    images = figure.findobj(lambda artist: type(artist).__name__ == "AxesImage")
    assert len(images) == 4
    np.testing.assert_array_equal(images[0].get_array(), pixels[3])
    np.testing.assert_array_equal(images[2].get_array(), pixels[1])
    assert texts(figure).count("Grad-CAM") == 2
    assert "no error" in figures.attribution_gallery(pixels, [], heat, [], "Grad-CAM").heading
