"""Figures of 300 labels: the most frequent are shown, and one line tells of the others."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tagging_lib.evaluation import errors
from tagging_lib.report import figures
from tagging_lib.report.figures import style
from tests.test_figures import png, report, strict, texts

__all__ = ["strict"]  # warnings of matplotlib are errors here, too

LABELS = [f"label {number:03}" for number in range(300)]
COUNTS = np.random.default_rng(0).permutation(np.arange(1, 301))  # photos with each label; 260 labels are on 1 to 260
FREQUENT = {LABELS[place] for place in np.argsort(-COUNTS)[:40]}
TARGETS = (np.arange(400)[:, None] < COUNTS).astype(np.uint8)
PREDICTIONS = np.roll(TARGETS, 3, axis=0)
TOGETHER = TARGETS.astype(int).T @ TARGETS.astype(int)
WEIGHTS = (400 - COUNTS) / COUNTS
BALANCE = pd.DataFrame({"label": LABELS, "train": COUNTS / 400, "validation": COUNTS / 400, "test": COUNTS / 400})


def sentence(figure) -> str:
    return " ".join(" ".join(texts(figure)).split())


def named(figure) -> set[str]:
    """The labels that stand beside an axis or above a table, without what follows their names."""
    return {text[:9] for text in texts(figure) if text.startswith("label ")}


@pytest.mark.parametrize(
    ("draw", "others"),
    [
        (lambda: figures.photos_per_label(TARGETS, LABELS), "and 260 more labels on 260 photos each at most"),
        (lambda: figures.cooccurrence(TOGETHER, LABELS), "and 260 more labels on 260 photos each at most"),
        (
            lambda: figures.cooccurrence(TOGETHER / np.diag(TOGETHER)[:, None], LABELS),
            "and 260 more labels that are seen less with others",
        ),
        (lambda: figures.split_balance(BALANCE), "and 260 more labels with a share of 65 % at most"),
        (lambda: figures.pos_weights(LABELS, WEIGHTS), "and 260 more labels with weights from 0.5"),
        (lambda: figures.confusion_grid(TARGETS, PREDICTIONS, LABELS), "and 260 more labels on 260 photos each at most"),
        (
            lambda: figures.per_label_bars(report(TARGETS, PREDICTIONS, LABELS)),
            "and 260 more labels on 260 photos each at most",
        ),
    ],
    ids=["photos_per_label", "cooccurrence", "shares", "split_balance", "pos_weights", "confusion_grid", "per_label_bars"],
)
def test_the_forty_most_frequent_labels_are_shown_and_the_others_summed_up(draw, others):
    figure = draw()
    assert others in sentence(figure)
    assert named(figure) == FREQUENT
    assert figure.get_figheight() < 20  # inches
    assert np.asarray(png(figure).convert("L")).std() > 1


def test_the_labels_confused_on_the_most_photos_are_shown_beside_no_label():
    shares, missed = np.full((301, 301), 0.1), np.full(300, 20)
    shares[7, 200] = 0.9
    shares[250, 251], missed[250] = 1.0, 1  # a share of one photo
    table = pd.DataFrame(shares, index=[*LABELS, "no label"], columns=[*LABELS, "no label"])
    figure = figures.confused_labels(table, missed)
    assert figure.heading == "Where “label 007” is missed, “label 200” is wrongly given on 90 % of 20 photos"
    assert {"label 007", "label 200"} < named(figure) and len(named(figure)) == 40 and "no label" in texts(figure)
    assert "label 250" not in named(figure)
    assert "and 260 more labels confused on no more photos" in sentence(figure)
    assert figure.get_figheight() < 10


def test_each_of_the_labels_is_a_dot_when_f1_is_set_against_photos():
    figure = figures.label_sizes(errors.errors_by_size(COUNTS, TARGETS, PREDICTIONS, tuple(LABELS)))
    assert "Each dot is one of 300 labels" in texts(figure)
    assert len(figure.axes[0].collections[0].get_offsets()) == 300 and not named(figure)
    assert len(np.unique(figure.axes[0].collections[0].get_facecolors(), axis=0)) == 1  # a colour for two labels says nothing


def test_the_most_frequent_labels_have_the_curves():
    figure = figures.reliability_by_label(TARGETS, {"given": np.full(TARGETS.shape, 0.5)}, LABELS)
    assert named(figure) == {LABELS[place] for place in np.argsort(-COUNTS)[:25]}
    assert "and 275 more labels on 276 photos each at most" in sentence(figure)


def test_photos_with_many_labels_are_counted():
    figure = figures.labels_per_photo(TARGETS)
    assert figure.heading.endswith("and 300 at most")
    assert len(figure.axes[0].patches) == 301
    assert [patch.get_height() for patch in figure.axes[0].patches[:3]] == [100, 1, 1]


def test_one_label_too_many_is_told_of_in_the_singular():
    shown, others = style.most_frequent(np.array([*range(2, 42), 0], dtype=np.uint64))  # whose negatives are not negative
    assert list(shown) == list(range(39, -1, -1)) and others == "; and 1 more label on no photo"
    assert style.most_frequent(np.arange(40))[1] == ""
