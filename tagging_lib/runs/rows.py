"""The report's table as data: every row that the study can run, in one place.

A row is an `Experiment`; changing one value of it makes another experiment with results of its own.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from itertools import pairwise
from typing import Any

from tagging_lib.data.decoding import Framing
from tagging_lib.errors import TaggingError
from tagging_lib.models import joined
from tagging_lib.models.baselines import CONSTANT
from tagging_lib.models.tagger import STAGES, Trained
from tagging_lib.runs.experiment import IMAGENET, Experiment, SelfTrained
from tagging_lib.training import augment
from tagging_lib.training.recipe import HEAD_RECIPE, Recipe

ORIGINAL_RECIPE = Recipe()
NO_AUGMENTATION = dataclasses.replace(ORIGINAL_RECIPE, augmentation=augment.NONE)
# The last stage on cached activations: fewer epochs than a head, a slower backbone, and mixup against overfitting.
STAGE_RECIPE = Recipe(
    epochs=4,
    learning_rate=2e-3,
    backbone_rate=0.25,
    optimizer="adamw",
    weight_decay=0.05,
    mixup=0.2,
    ema=0.99,
    pos_weight=False,
    monitor_threshold=0.4,
)
RECIPES = {Trained.HEAD: HEAD_RECIPE} | dict.fromkeys(STAGES, STAGE_RECIPE)  # of what is trained on cached features
# MobileNet-V1's last stage is small and lacks a layer in the published file, so that it has more to learn.
LONG_STAGE_RECIPE = dataclasses.replace(STAGE_RECIPE, epochs=10)
# A whole pretrained network, on a CUDA device: its own rate far below the head's. Not tuned yet: no such device was at hand.
WHOLE_RECIPE = dataclasses.replace(STAGE_RECIPE, epochs=8, learning_rate=1e-3, backbone_rate=0.05, ema=0.998)
# From nothing: more regularisation than the original's, no weights of positives, and fewer epochs, which is what
# two cores do in an hour. Crops: after 30 epochs a test micro-F1 of 0.563 with them beside 0.552 with the original's transforms.
SCRATCH_RECIPE = Recipe(
    epochs=12,
    learning_rate=3e-3,
    optimizer="adamw",
    weight_decay=0.05,
    augmentation="flip+color+crop",
    mixup=0.2,
    ema=0.998,
    pos_weight=False,
    monitor_threshold=0.4,
)
PATIENT_SCRATCH_RECIPE = dataclasses.replace(SCRATCH_RECIPE, epochs=30)


def _fine_tune(name: str, title: str, network: str, group: str = "transfer", **changes) -> Experiment:
    return Experiment(name, title, group, network, weights=IMAGENET, needs_gpu=True, **changes)


def _head(name: str, title: str, network: str, group: str = "transfer", **changes) -> Experiment:
    given: dict[str, Any] = {"views": 1, "recipe": HEAD_RECIPE, "framing": Framing.WHOLE} | changes
    return Experiment(name, title, group, network, weights=IMAGENET, trained=Trained.HEAD, **given)


def _stage(
    name: str,
    title: str,
    network: str,
    views: int,
    group: str = "transfer",
    recipe: Recipe = STAGE_RECIPE,
    side: int = 224,
    toy: bool = True,
) -> Experiment:
    return Experiment(
        name,
        title,
        group,
        network,
        weights=IMAGENET,
        trained=Trained.LAST_STAGE,
        side=side,
        framing=Framing.WHOLE,
        views=views,
        recipe=recipe,
        overnight=True,
        toy=toy,
    )


def _self_trained(row: Experiment, *teachers: Experiment) -> SelfTrained:
    values = {field.name: getattr(row, field.name) for field in dataclasses.fields(row)}
    changed = {"name": f"{row.name}_pseudo", "title": f"{row.title}, pseudo-labels", "teachers": teachers}
    return SelfTrained(**(values | changed))


# Twice as many features learn for longer on few photos: on 1,258 street fashion photos a validation micro-F1 of 0.621 beside
# 0.618 after 20 epochs, mean of three splits.
JOINED_RECIPE = dataclasses.replace(HEAD_RECIPE, least_steps=900)

MOBILENET = "timm:mobilenetv1_100"
LITE0, LITE2 = "timm:tf_efficientnet_lite0", "timm:tf_efficientnet_lite2"
# Networks of later years by name of their rows: title, timm's name with the weights' tag, side in px that they were made for.
MODERN = {
    "convnext_base": ("ConvNeXt-B", "timm:convnext_base.fb_in22k_ft_in1k", 224),
    "eva02_base": ("EVA-02-B", "timm:eva02_base_patch14_224.mim_in22k", 224),
    "dinov3_base": ("DINOv3, ViT-B", "timm:vit_base_patch16_dinov3.lvd1689m", 256),
    "siglip2_base": ("SigLIP 2, ViT-B", "timm:vit_base_patch16_siglip_224.v2_webli", 224),
}
ABLATED = augment.TRANSFORMS

# A recipe with one value changed, by the end of the row's name: what the change is called in tables, and the recipe.
CHANGED_HEADS = {
    "no_mixup": ("no mixup", dataclasses.replace(HEAD_RECIPE, mixup=0.0)),
    "focal": ("focal loss", dataclasses.replace(HEAD_RECIPE, loss="focal")),
    "asymmetric": ("asymmetric loss", dataclasses.replace(HEAD_RECIPE, loss="asymmetric")),
    "pos_weight": ("weighted positives", dataclasses.replace(HEAD_RECIPE, pos_weight=True, monitor_threshold=0.75)),
}
CHANGED_STAGES = {
    "no_mixup": ("no mixup", dataclasses.replace(LONG_STAGE_RECIPE, mixup=0.0)),
    "no_ema": ("no averaged weights", dataclasses.replace(LONG_STAGE_RECIPE, ema=0.0)),
    "equal_rates": ("the backbone as fast as the head", dataclasses.replace(LONG_STAGE_RECIPE, backbone_rate=1.0)),
    "no_augmentation": ("no augmentation", dataclasses.replace(LONG_STAGE_RECIPE, augmentation=augment.NONE)),
}

MOBILENET_STAGE = _stage(
    "mobilenetv1_stage_224", "MobileNet-V1 at 224 px, last stage", MOBILENET, views=4, recipe=LONG_STAGE_RECIPE
)
DENSENET_STAGE = _stage("densenet169_stage_224", "DenseNet-169 at 224 px, last stage", "densenet169", views=2)

ROWS: tuple[Experiment, ...] = (
    Experiment("constant", "Constant answer", "baselines", CONSTANT, trained=Trained.NONE),
    Experiment("ffn1", "Feed forward, 1 layer", "baselines", "ffn1"),
    Experiment("ffn2", "Feed forward, 2 layers", "baselines", "ffn2"),
    Experiment("cnn", "Convolutional", "baselines", "cnn", needs_gpu=True),
    _fine_tune("resnet152_plain", "Plain ResNet-152", "resnet152", "baselines", trained=Trained.NONE, toy=False),
    _fine_tune("vgg16", "VGG16", "vgg16", trained=Trained.HEAD),
    _fine_tune("vgg16_bn", "VGG16 with BN", "vgg16_bn", trained=Trained.HEAD),
    _fine_tune("resnet34", "ResNet-34", "resnet34"),
    _fine_tune("resnet50", "ResNet-50", "resnet50"),
    _fine_tune("resnet101", "ResNet-101", "resnet101", toy=False),
    _fine_tune("resnet152", "ResNet-152", "resnet152", toy=False),
    _head("resnet34_head", "ResNet-34, head only", "resnet34"),
    _head("resnet50_head", "ResNet-50, head only", "resnet50"),
    _head("resnet101_head", "ResNet-101, head only", "resnet101", needs_gpu=True, toy=False),
    _head("resnet152_head", "ResNet-152, head only", "resnet152", needs_gpu=True, toy=False),
    _fine_tune("densenet169", "DenseNet-169", "densenet169"),
    _head("densenet169_head", "DenseNet-169, head only", "densenet169"),
    _head("lite0_head", "EfficientNet-Lite0, head only", LITE0),
    _head("lite0_head_224", "EfficientNet-Lite0 at 224 px, head only", LITE0, side=224),
    _head("lite0_head_384", "EfficientNet-Lite0 at 384 px, head only", LITE0, side=384),
    _head("lite2_head_224", "EfficientNet-Lite2 at 224 px, head only", LITE2, side=224, toy=False),
    _head("lite2_head_384", "EfficientNet-Lite2 at 384 px, head only", LITE2, side=384, toy=False),
    _head("mobilenetv1_head", "MobileNet-V1, head only", MOBILENET),
    _head(
        "mobilenetv1_head_pos_weight",
        "MobileNet-V1, head only, weighted positives",
        MOBILENET,
        recipe=CHANGED_HEADS["pos_weight"][1],
    ),
    _head("mobilenetv1_head_224", "MobileNet-V1 at 224 px, head only", MOBILENET, side=224),
    _fine_tune(
        "densenet169_224",
        "DenseNet-169 at 224 px",
        "densenet169",
        side=224,
        recipe=dataclasses.replace(WHOLE_RECIPE, epochs=12),
        toy=False,
    ),
    *(
        row
        for name, (title, network, side) in MODERN.items()
        for row in (
            _fine_tune(name, title, network, side=side, framing=Framing.WHOLE, recipe=WHOLE_RECIPE, toy=False),
            _head(f"{name}_head", f"{title}, head only", network, side=side, needs_gpu=True, toy=False),
        )
    ),
    _fine_tune("resnet50_noaug", "ResNet-50, no augmentation", "resnet50", "augmentation", recipe=NO_AUGMENTATION),
    _head(
        "mobilenetv1_head_aug",
        "MobileNet-V1, head only, augmented",
        MOBILENET,
        "augmentation",
        views=3,
        recipe=dataclasses.replace(HEAD_RECIPE, augmentation=augment.ORIGINAL),
    ),
    _fine_tune(
        "resnet50_noaug_dropout",
        "ResNet-50, no augmentation, dropout",
        "resnet50",
        "dropout",
        dropout=0.5,
        recipe=NO_AUGMENTATION,
    ),
    _head("mobilenetv1_head_dropout", "MobileNet-V1, head only, dropout", MOBILENET, "dropout", dropout=0.5),
    *(
        _head(
            f"mobilenetv1_head_{transform}",
            f"MobileNet-V1, head only, {transform} alone",
            MOBILENET,
            "ablation",
            views=2,
            recipe=dataclasses.replace(HEAD_RECIPE, augmentation=transform),
        )
        for transform in ABLATED
    ),
    Experiment(
        "resnet18_scratch",
        "ResNet-18 from scratch, 96 px",
        "baselines",
        "resnet18",
        side=96,
        recipe=SCRATCH_RECIPE,
        overnight=True,
    ),
    Experiment(
        "resnet18_scratch_patient",
        "ResNet-18 from scratch, 96 px, 30 epochs",
        "baselines",
        "resnet18",
        side=96,
        recipe=PATIENT_SCRATCH_RECIPE,
        overnight=True,
        toy=False,
    ),
    _head("densenet169_head_224", "DenseNet-169 at 224 px, head only", "densenet169", side=224, overnight=True),
    _head("densenet169_head_384", "DenseNet-169 at 384 px, head only", "densenet169", side=384, overnight=True, toy=False),
    # Two networks of different make err on different photos.
    *(
        _head(
            f"lite2_densenet169_head_{side}",
            f"EfficientNet-Lite2 and DenseNet-169 at {side} px, head only",
            joined.BETWEEN.join((LITE2, "densenet169")),
            side=side,
            recipe=JOINED_RECIPE,
            overnight=True,
            toy=False,
        )
        for side in (224, 384)
    ),
    _stage("lite2_stage_224", "EfficientNet-Lite2 at 224 px, last stage", LITE2, views=2, toy=False),
    *(
        _stage(f"{name}_stage_{side}", f"{title} at {side} px, last stage", network, views=2, side=side, toy=False)
        for side in (288, 384)
        for name, title, network in (("lite2", "EfficientNet-Lite2", LITE2), ("densenet169", "DenseNet-169", "densenet169"))
    ),
    MOBILENET_STAGE,
    DENSENET_STAGE,
    _self_trained(MOBILENET_STAGE, DENSENET_STAGE),
    _self_trained(DENSENET_STAGE, DENSENET_STAGE, MOBILENET_STAGE),
    *(
        _head(
            f"densenet169_head_{name}",
            f"DenseNet-169, head only, {title}",
            "densenet169",
            "recipe",
            recipe=recipe,
        )
        for name, (title, recipe) in CHANGED_HEADS.items()
    ),
    *(
        _stage(
            f"mobilenetv1_stage_224_{name}",
            f"MobileNet-V1 at 224 px, last stage, {title}",
            MOBILENET,
            views=1 if recipe.augmentation == augment.NONE else 4,
            group="recipe",
            recipe=recipe,
        )
        for name, (title, recipe) in CHANGED_STAGES.items()
    ),
)
# Pairs of a row with one value changed, and the row as it is; and of a row that learns without labels too, and without it.
ABLATIONS = (
    ("resnet18_scratch_patient", "resnet18_scratch"),
    *(
        (f"{base}_{name}", base)
        for base, changed in (("densenet169_head", CHANGED_HEADS), ("mobilenetv1_stage_224", CHANGED_STAGES))
        for name in changed
    ),
    *((row.name, row.name.removesuffix("_pseudo")) for row in ROWS if isinstance(row, SelfTrained)),
)

ABLATED_ROWS = [name for name, _ in ABLATIONS]


def _steps(same: Callable[[Experiment], object], order: Callable[[Experiment], int]) -> tuple[tuple[str, str], ...]:
    """Pairs of transfer rows that agree in `same`: one, and the next below it in `order`."""
    alike: dict[object, dict[int, str]] = {}
    for row in ROWS:
        if row.group == "transfer" and not isinstance(row, SelfTrained):
            alike.setdefault(same(row), {}).setdefault(order(row), row.name)
    return tuple(pair for found in alike.values() for pair in pairwise(found[place] for place in sorted(found, reverse=True)))


# Best first. Framing was chosen on validation: on street fashion photos of 550×830 px Lite2 at 384 px has 0.612 micro-F1
# with whole photos, 0.610 padded, 0.592 cropped (mean of splits 42–44).
RECOMMENDED = ("lite2_head_384", "lite0_head_384", "lite0_head_224")
DEPTHS = _steps(lambda row: (row.network, row.side), lambda row: -list(Trained).index(row.trained))  # more of it trained
SIZES = _steps(lambda row: (row.network, row.trained), lambda row: row.side)  # the same trained on larger photos
BY_NAME = {row.name: row for row in ROWS}
GROUPS = tuple(dict.fromkeys(row.group for row in ROWS))


def recommended(native_side: int, at_hand: Callable[[Experiment], bool]) -> Experiment:
    """The best row that takes minutes on two cores, for photos of that side in px and weights that need no download."""
    fitting = (row for name in RECOMMENDED if at_hand(row := find(name)) and row.side <= 2 * native_side)
    return next(fitting, find(RECOMMENDED[-1]))


def find(name: str) -> Experiment:
    """The row of that name; any network name (`timm:<name>` too) gives its full fine-tune by the original recipe.

    Raises:
        TaggingError: no row and no network has that name.
    """
    if name in BY_NAME:
        return BY_NAME[name]
    if name.startswith("timm:"):
        return _fine_tune(name.replace("timm:", "timm_").replace("/", "_"), name, name)
    raise TaggingError(f"no row is called {name!r}: choose one of {', '.join(BY_NAME)}, or timm:<network>")
