"""The recipe's defaults are the original's, and a wrong value is refused by name."""

from __future__ import annotations

import dataclasses

import pytest

from tagging_lib.errors import TaggingError
from tagging_lib.training.recipe import Recipe


def test_defaults_are_the_original_recipe():
    recipe = Recipe()
    assert (recipe.epochs, recipe.batch_size, recipe.learning_rate) == (25, 64, 0.01)
    assert (recipe.optimizer, recipe.schedule, recipe.momentum) == ("sgd", "one-cycle", (0.5, 0.95))
    assert (recipe.loss, recipe.pos_weight, recipe.augmentation) == ("bce", True, "original")
    assert (recipe.monitor_threshold, recipe.seed) == (0.75, 42)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("optimizer", "sgdd"),
        ("schedule", "onecycle"),
        ("loss", "mse"),
        ("keep", "first"),
        ("epochs", 0),
        ("batch_size", 0),
        ("learning_rate", -0.1),
        ("patience", 0),
        ("monitor_photos", 0),
        ("monitor_threshold", 0.0),
        ("monitor_threshold", 1.0),
        ("momentum", (0.95, 0.5)),
        ("mixup", -0.1),
        ("ema", 1.0),
        ("backbone_rate", 0.0),
        ("head_epochs", -1),
        ("least_steps", -1),
    ],
)
def test_a_wrong_value_is_refused_by_name(field, value):
    with pytest.raises(TaggingError, match=field) as raised:
        Recipe(**{field: value})
    assert "\n" not in str(raised.value)


def test_it_cannot_change_after_it_was_hashed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Recipe().epochs = 3  # type: ignore[misc]


def test_a_small_corpus_has_more_epochs_where_the_recipe_asks_for_steps():
    recipe = Recipe(epochs=4, batch_size=64, least_steps=600)
    assert recipe.for_photos(12_000).epochs == 4, "187 steps an epoch"
    assert recipe.for_photos(1_258).epochs == 32, "19 full steps an epoch: 31 epochs are 589 steps"
    assert recipe.for_photos(10).epochs == 600, "one step an epoch"
    assert Recipe(epochs=4).for_photos(1_258).epochs == 4
