"""Values of a row changed from the command line: what is taken, what is refused and with which words."""

from __future__ import annotations

import dataclasses

import pytest

from tagging_lib.errors import TaggingError
from tagging_lib.models.tagger import Trained
from tagging_lib.runs import rows
from tagging_lib.runs.changes import change
from tagging_lib.training.recipe import HEAD_RECIPE

ROW = rows.find("mobilenetv1_head")


def test_values_of_the_row_and_of_its_recipe_are_changed_and_named():
    found = change(ROW, ["side=224", "recipe.epochs=40", "trained=last-stage", "recipe.learning_rate=1", "recipe.patience=None"])
    assert (found.side, found.trained, found.recipe.epochs, found.recipe.patience) == (224, Trained.LAST_STAGE, 40, None)
    assert found.recipe.learning_rate == 1.0 and isinstance(found.recipe.learning_rate, float)
    assert found.name == "mobilenetv1_head+side=224+epochs=40+trained=last-stage+learning_rate=1+patience=None"
    assert found.title == "MobileNet-V1, head only, side 224, epochs 40, trained last-stage, learning_rate 1, patience None"
    assert found.recipe.batch_size == rows.STAGE_RECIPE.batch_size
    assert change(ROW, ["side=224"]).recipe == ROW.recipe


def test_epochs_that_are_asked_for_are_not_made_more_by_the_steps_of_a_small_corpus():
    row = rows.find("lite2_densenet169_head_384")
    assert row.recipe.for_photos(100).epochs == 900
    assert change(row, ["recipe.epochs=3"]).recipe.for_photos(100).epochs == 3
    assert change(row, ["recipe.epochs=3", "recipe.least_steps=10"]).recipe.for_photos(100).epochs == 10


def test_other_kinds_of_values():
    settings = ("momentum=(0.5, 0.9)", "pos_weight=True", "augmentation=flip+color", "patience=3")
    found = change(ROW, [f"recipe.{setting}" for setting in settings])
    assert found.recipe.momentum == (0.5, 0.9) and found.recipe.pos_weight is True
    assert found.recipe.augmentation == "flip+color" and found.recipe.patience == 3
    assert "/" not in change(ROW, ["recipe.augmentation=../..", "dropout=0.5"]).name, "a name is a folder's name, too"


def test_another_trained_part_brings_the_recipe_of_such_rows():
    whole = rows.find("timm:resnet18").with_seed(7)
    head = change(whole, ["trained=head", "recipe.epochs=3"])
    assert head.recipe == dataclasses.replace(HEAD_RECIPE, epochs=3, seed=7) and head.views == 1
    assert change(whole, ["trained=last-stage", "views=2"]).views == 2
    assert change(head, ["trained=all"]).views == 0
    assert change(ROW, ["trained=head"]).recipe == ROW.recipe


def test_nothing_changed_is_the_row_itself():
    assert change(ROW, []) is ROW


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("sides=224", "no such field: choose one of network, weights, trained, dropout, side, framing, views, and recipe.epochs"),
        ("recipe.epoch=3", "no such field: choose one of recipe.epochs, recipe.batch_size"),
        ("name=mine", "no such field"),
        ("trained=some", "choose one of all, last-two-stages, last-stage, head, none"),
        ("side=large", "a value of the kind int"),
        ("side=1.5", "a value of the kind int"),
        ("recipe.pos_weight=1", "a value of the kind bool"),
        ("recipe.patience=soon", "a value of the kind int or None"),
        ("side", "write field=value"),
        ("recipe.optimizer=lion", "optimizer is 'lion': choose one of sgd, adamw"),
    ],
)
def test_what_there_is_not_is_refused_with_the_choices(setting, told):
    with pytest.raises(TaggingError, match=told.replace("(", r"\(")):
        change(ROW, [setting])
