"""Every figure of the study by name: each is a function that returns a `Figure` and leaves saving to its caller."""

from __future__ import annotations

from tagging_lib.report.figures.corpus import channel_histograms, pos_weights, split_balance
from tagging_lib.report.figures.errors import (
    attribution_gallery,
    confused_labels,
    corrections,
    error_groups,
    label_sizes,
    suspect_gallery,
)
from tagging_lib.report.figures.labels import cooccurrence, labels_per_photo, photos_per_label
from tagging_lib.report.figures.photos import augmentation_gallery, label_gallery, photo_grid, photos_by_label
from tagging_lib.report.figures.scores import confusion_grid, forest, per_label_bars
from tagging_lib.report.figures.story import story
from tagging_lib.report.figures.style import Sheet, label_color, label_colors
from tagging_lib.report.figures.thresholds import promises, reliability_by_label
from tagging_lib.report.figures.training import learning_curves, overfitting, threshold_curves

__all__ = [
    "Sheet",
    "attribution_gallery",
    "augmentation_gallery",
    "channel_histograms",
    "confused_labels",
    "confusion_grid",
    "cooccurrence",
    "corrections",
    "error_groups",
    "forest",
    "label_color",
    "label_colors",
    "label_gallery",
    "label_sizes",
    "labels_per_photo",
    "learning_curves",
    "overfitting",
    "per_label_bars",
    "photo_grid",
    "photos_by_label",
    "photos_per_label",
    "pos_weights",
    "promises",
    "reliability_by_label",
    "split_balance",
    "story",
    "suspect_gallery",
    "threshold_curves",
]
