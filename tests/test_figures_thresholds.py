"""Figures of thresholds and probabilities: they say what the tables say, for any label set."""

from __future__ import annotations

import io
import warnings

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tagging_lib.evaluation import calibration
from tagging_lib.report import figures


@pytest.fixture(autouse=True)
def strict():
    """A warning of matplotlib (a glyph, a layout that collapsed) is a defect of the figure."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def pixels(figure) -> np.ndarray:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=30)
    return np.asarray(Image.open(buffer).convert("L"))


def table(gains=(0.02, 0.01, 0.003), low=0.004) -> pd.DataFrame:
    lines = [
        (rule, title, average, stage, gain if rule == "label" else 0.0, gain - low, gain + low)
        for average in ("micro", "macro")
        for stage, gain in zip(("promised", "predicted", "delivered"), gains, strict=True)
        for rule, title in (("grid", "one for all"), ("label", "one each, $x_1$"))
    ]
    return pd.DataFrame(lines, columns=["rule", "title", "average", "stage", "gain", "gain_low", "gain_high"])


def test_promises_show_each_gain_with_its_interval_and_say_what_is_left_of_it():
    figure = figures.promises(table())
    assert figure.heading == "“one each, $x_1$” promises +0.020 micro-F1 and delivers +0.003, no more than chance"
    assert figures.promises(table(low=0.001)).heading.endswith("delivers +0.003")
    for axes in figure.axes:
        points = [float(offset) for dots in axes.collections if hasattr(dots, "get_sizes") for offset in dots.get_offsets()[:, 0]]
        assert sorted(points) == [0.003, 0.01, 0.02]
        lines = [tuple(path.vertices[:, 0]) for bars in axes.collections for path in bars.get_paths() if len(path.vertices) == 2]
        np.testing.assert_allclose(sorted(lines), [(-0.001, 0.007), (0.006, 0.014), (0.016, 0.024)])
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["micro-F1", "macro-F1"]


@pytest.mark.parametrize("gains", [(np.nan,) * 3, (0.0, 0.0, 0.0), (1e-6, -1e-6, 2e-6), (0.4, -0.3, 0.2)])
def test_promises_of_any_size_are_drawn(gains):
    assert pixels(figures.promises(table(gains))).std() > 1
    assert pixels(figures.promises(table(gains).query("rule == 'grid'"))).std() > 1
    assert pixels(figures.promises(table().iloc[:0])).std() > 1


def drawn(labels: int, photos: int = 300):
    random = np.random.default_rng(0)
    true = random.random((photos, labels))
    return (random.random(true.shape) < true).astype(np.uint8), true


def test_reliability_shows_each_labels_curve_and_names_the_errors():
    targets, true = drawn(3)
    figure = figures.reliability_by_label(targets, {"as given": true, "$squared$": true**2}, ["a", "$b$", "c"])
    errors = [100 * calibration.expected_calibration_error(targets, values).mean() for values in (true, true**2)]
    assert figure.heading == f"The mean calibration error is {errors[0]:.1f} % as given, {errors[1]:.0f} % $squared$"
    for label, axes in enumerate(figure.axes[:3]):
        expected = calibration.reliability(targets[:, label], true[:, label])
        line = next(line for line in axes.lines if line.get_label() == "as given")
        np.testing.assert_allclose(line.get_ydata(), expected.share)
        assert axes.get_title(loc="left") == f"{('a', chr(92) + '$b' + chr(92) + '$', 'c')[label]}  (n={targets[:, label].sum()})"


@pytest.mark.parametrize("labels", [1, 5, 14, 60])
def test_reliability_of_any_number_of_labels_leaves_out_those_without_a_positive(labels):
    targets, true = drawn(labels, photos=60)
    targets[:, 0] = 0
    figure = figures.reliability_by_label(targets, {"given": true}, [f"label {i}" for i in range(labels)])
    assert pixels(figure).std() > 1
    shown = [axes for axes in figure.axes if axes.lines]
    assert len(shown) == min(labels - 1, 25)
    if labels == 60:
        texts = [text.get_text() for text in figure.findobj(mpl.text.Text)]
        assert any("and 34 more labels on" in " ".join(text.split()) for text in texts)


def test_nothing_to_judge_says_so():
    targets, true = drawn(2)
    for figure in (
        figures.reliability_by_label(targets, {}, ["a", "b"]),
        figures.reliability_by_label(np.zeros_like(targets), {"given": true}, ["a", "b"]),
        figures.reliability_by_label(targets[:0], {"given": true[:0]}, ["a", "b"]),
    ):
        assert figure.heading and pixels(figure).std() > 1


def headline(letters) -> pd.DataFrame:
    f1 = [0.75, 0.745, 0.3]
    rows = {"row": ["b", "a", "constant"], "title": ["B", "A", "Constant"], "micro_f1": f1, "letters": letters}
    return pd.DataFrame(rows | {"low": np.subtract(f1, 0.01), "high": np.add(f1, 0.01)})


def test_the_forest_shows_the_groups_and_its_title_follows_them():
    figure = figures.forest(headline(["a", "a", "b"]))
    texts = [text.get_text() for text in figure.findobj(mpl.text.Text)]
    assert "0.750  [0.740, 0.760]  a" in texts and "0.300  [0.290, 0.310]  b" in texts
    assert figure.heading == "B scores best, with F1 0.750; 1 other row is indistinguishable from it"
    alone = figures.forest(headline(["a", "b", "c"])).heading
    assert alone == "B scores best, with F1 0.750, significantly better than every other row"
    assert pixels(figures.forest(headline([None, None, None]))).std() > 1


def test_a_label_that_no_photo_carries_says_how_often_it_was_given():
    scores = {"label": ["x", "y"], "precision": [0.5, np.nan], "recall": [0.5, np.nan], "f1": [0.5, np.nan]}
    figure = figures.per_label_bars(pd.DataFrame(scores | {"support": [4, 0], "predicted": [4, 7]}))
    assert "no photo carries it; given to 7" in [text.get_text() for text in figure.findobj(mpl.text.Text)]
