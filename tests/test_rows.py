import dataclasses

import pytest

from tagging_lib.errors import TaggingError
from tagging_lib.models import weights
from tagging_lib.runs import quick, rows
from tagging_lib.runs.original import ORIGINAL

REPORTED = {
    *("ffn1", "ffn2", "cnn", "resnet152_plain", "vgg16", "vgg16_bn", "resnet34", "resnet50", "resnet101", "resnet152"),
    *("resnet50_noaug", "resnet50_noaug_dropout"),
}


def test_every_row_of_the_original_report_is_there():
    assert set(ORIGINAL) == REPORTED
    assert {"constant", "densenet169", *REPORTED} <= set(rows.BY_NAME)
    assert len(rows.BY_NAME) == len(rows.ROWS)


def test_original_rows_train_by_the_original_recipe():
    recipe = rows.find("resnet152").recipe
    assert (recipe.epochs, recipe.batch_size, recipe.learning_rate) == (25, 64, 0.01)
    assert (recipe.optimizer, recipe.schedule, recipe.pos_weight) == ("sgd", "one-cycle", True)
    assert (recipe.augmentation, recipe.monitor_threshold) == ("original", 0.75)


def test_the_original_fine_tuned_its_resnets_and_froze_only_vgg():
    assert {name: rows.find(name).trained for name in ("vgg16", "resnet34", "resnet152")} == {
        "vgg16": "head",
        "resnet34": "all",
        "resnet152": "all",
    }
    assert rows.find("resnet152_head").trained == "head"


def test_the_dropout_row_differs_from_its_baseline_in_dropout_alone():
    plain, dropout = rows.find("resnet50_noaug"), rows.find("resnet50_noaug_dropout")
    changed = {
        field.name
        for field in dataclasses.fields(plain)
        if getattr(plain, field.name) != getattr(dropout, field.name)
    }
    assert changed == {"name", "title", "group", "dropout"}
    assert dropout.dropout == 0.5


def test_any_timm_network_is_a_row_and_a_wrong_name_is_an_error():
    assert rows.find("timm:resnet10t").network == "timm:resnet10t"
    with pytest.raises(TaggingError, match="resnet51"):
        rows.find("resnet51")


def test_quick_rows_have_the_weights_that_come_with_the_installation_and_rehearse_the_others():
    kept = {row.name for row in map(quick.scaled, rows.ROWS) if row.weights == "imagenet"}
    assert {"lite0_head", "lite0_head_224"} <= kept
    for row in rows.ROWS:
        toy = quick.scaled(row)
        assert toy.recipe.for_photos(60).epochs == toy.recipe.epochs, "a toy learns for as long as it says"
        assert (toy.name in kept) == (row.trained == "head" and weights.find_installed(row.network) is not None)
        assert toy.rehearsal == ("rehearsal" in toy.title) == (row.weights == "imagenet" and toy.name not in kept)
        assert (toy.side == quick.SIDE) == (toy.name not in kept and not row.is_constant)
    assert quick.scaled(rows.find("vgg16")).recipe.epochs == quick.DEEP_EPOCHS < quick.HEAD_EPOCHS


@pytest.mark.parametrize(("changed", "base"), [pair for pair in rows.ABLATIONS if not pair[0].endswith("_pseudo")])
def test_an_ablation_changes_one_choice_of_its_recipe(changed, base):
    changed, base = rows.find(changed), rows.find(base)
    differing = {field.name for field in dataclasses.fields(base) if getattr(changed, field.name) != getattr(base, field.name)}
    # Augmented copies need views of their own; more epochs alone make no other row at toy scale.
    beside = {"augmentation": {"views"}, "epochs": {"toy"}}
    values = {name for name, value in dataclasses.asdict(changed.recipe).items() if getattr(base.recipe, name) != value}
    # Weighted positives move the probabilities, so that F1 is watched where the original watched it.
    (value,) = values - {"monitor_threshold"}
    assert {"name", "title", "recipe"} <= differing <= {"name", "title", "group", "recipe", *beside.get(value, ())}


def test_pairs_of_depths_are_one_network_at_one_size_of_which_more_is_trained():
    order = ["head", "last-stage", "all"]
    assert ("densenet169_stage_224", "densenet169_head_224") in rows.DEPTHS and ("resnet50", "resnet50_head") in rows.DEPTHS
    for deeper, base in (map(rows.find, pair) for pair in rows.DEPTHS):
        assert (deeper.network, deeper.side, deeper.weights) == (base.network, base.side, base.weights)
        assert order.index(deeper.trained) > order.index(base.trained)
    assert not any("pos_weight" in name or "pseudo" in name for pair in rows.DEPTHS for name in pair)


def test_sizes_pair_a_row_with_the_same_one_on_the_next_smaller_photos():
    assert ("densenet169_stage_288", "densenet169_stage_224") in rows.SIZES
    assert ("densenet169_stage_384", "densenet169_stage_288") in rows.SIZES
    for larger, smaller in (map(rows.find, pair) for pair in rows.SIZES):
        assert larger.side > smaller.side
        assert (larger.network, larger.trained) == (smaller.network, smaller.trained)
        between = [row.side for row in rows.ROWS if (row.network, row.trained) == (larger.network, larger.trained)]
        assert not any(smaller.side < side < larger.side for side in between)


def test_the_recommended_row_fits_the_photos_and_the_weights_at_hand():
    def lite0_alone(row):
        return row.network == rows.LITE0

    assert rows.recommended(550, lambda row: True).name == "lite2_head_384"
    assert rows.recommended(550, lite0_alone).name == "lite0_head_384"
    assert rows.recommended(128, lite0_alone).name == "lite0_head_224"
    assert rows.recommended(64, lambda row: False).name == "lite0_head_224", "the weights of this one come with the installation"
