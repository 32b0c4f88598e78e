"""Networks under timm's names: the same logits from timm itself, whatever distinguishes ours from its own."""

from __future__ import annotations

import dataclasses

import pytest
import timm
import torch
from torch import nn

from tagging_lib.data.decoding import Framing
from tagging_lib.inference import timm_format
from tagging_lib.models import zoo
from tagging_lib.models.preprocessing import IMAGENET
from tagging_lib.models.tagger import BATCH_NORMS

LABELS, SIDE = ["cat", "sea; blue", "été"], 64
pytestmark = pytest.mark.usefixtures("float32")


def built(network: str, side: int = SIDE, **given):
    """A tagger with statistics in its batch norms, and its spec."""
    tagger = zoo.build(network, len(LABELS), side=side, seed=4, **given)
    generator = torch.Generator().manual_seed(5)
    for module in tagger.modules():
        if isinstance(module, BATCH_NORMS):
            module.running_mean.normal_(0, 0.1, generator=generator)
            module.running_var.uniform_(0.01, 2, generator=generator)
    preprocessing = dataclasses.asdict(IMAGENET)
    spec = {"network": network, "labels": LABELS, "side": side, "preprocessing": preprocessing, "dropout": 0.5, "trained": "head"}
    return tagger.eval(), spec


def logits(tagger, side: int = SIDE):
    photos = torch.randn(3, 3, side, side, generator=torch.Generator().manual_seed(6))
    with torch.inference_mode():
        return photos, tagger.head(tagger.backbone(photos))


def by_timm(state, config):
    """timm's network of the config, with exactly these tensors."""
    args = config.get("model_args", {})
    network = timm.create_model(config["architecture"], num_classes=config["num_classes"], **args)
    network.load_state_dict(state)
    return network.eval()


@pytest.mark.parametrize(
    "network",
    [
        "resnet18",
        "densenet169",
        "timm:tf_efficientnet_lite0",
        "timm:mobilenetv3_small_050.lamb_in1k",
        "timm:convnext_atto",
        "timm:test_vit",
        "timm:deit_tiny_distilled_patch16_224",
    ],
)
def test_timm_gives_the_same_logits_and_so_does_the_way_back(network):
    side = {"timm:test_vit": 160, "timm:deit_tiny_distilled_patch16_224": 224}.get(network, SIDE)
    tagger, spec = built(network, side)
    state, plain, config = timm_format.to_timm(tagger, spec)
    photos, expected = logits(tagger, side)
    assert float(expected.std()) > 0
    with torch.inference_mode():
        torch.testing.assert_close(by_timm(state, config)(photos), expected, rtol=1e-4, atol=1e-5)
    again = zoo.rebuild(plain["network"], len(LABELS), options=plain["options"], side=side)
    again.load_state_dict(timm_format.from_timm(state, again))
    torch.testing.assert_close(logits(again.eval(), side)[1], expected, rtol=1e-4, atol=1e-5)


def test_another_epsilon_and_a_layer_left_out_become_tensors():
    """What sets the published MobileNet-V1 apart from timm's."""
    tagger, spec = built("timm:mobilenetv1_100")
    for module in tagger.backbone.modules():
        if isinstance(module, BATCH_NORMS):
            module.eps = 0.1
    tagger.options |= {"absent": ["blocks.4.1.conv_pw", "blocks.4.1.bn2"]}
    for layer in ("conv_pw", "bn2"):
        setattr(tagger.backbone.network.blocks[4][1], layer, nn.Identity())
    state, _, config = timm_format.to_timm(tagger, spec)
    photos, expected = logits(tagger)
    with torch.inference_mode():
        network = by_timm(state, config)
        torch.testing.assert_close(network(photos), expected, rtol=1e-4, atol=1e-5)
        for module in network.modules():
            if isinstance(module, BATCH_NORMS):
                module.running_var -= 0.05
        assert not torch.allclose(network(photos), expected, rtol=1e-2)


def test_what_it_reads_is_left_as_it_was():
    tagger, spec = built("timm:mobilenetv3_small_050")
    tagger.train()
    before = {name: tensor.clone() for name, tensor in tagger.state_dict().items()}
    random = torch.random.get_rng_state()
    state, _, _ = timm_format.to_timm(tagger, spec)
    for tensor in state.values():
        tensor.zero_()
    assert tagger.training and torch.equal(torch.random.get_rng_state(), random)
    assert all(torch.equal(tensor, before[name]) for name, tensor in tagger.state_dict().items())


@pytest.mark.parametrize(("network", "why"), [("vgg16", "a head of its own"), ("ffn1", "timm has no network ffn1")])
def test_networks_that_timm_does_not_know_say_so(network, why):
    tagger = nn.Module()  # never looked at
    with pytest.raises(timm_format.NotInTimmError, match=why):
        timm_format.to_timm(tagger, {"network": network, "labels": LABELS, "side": SIDE})


def test_a_network_that_answers_otherwise_is_refused():
    tagger, spec = built("resnet18")
    tagger.backbone.relu = nn.GELU()
    with pytest.raises(timm_format.NotInTimmError, match=r"timm's resnet18 answers .* apart"):
        timm_format.to_timm(tagger, spec)


@pytest.mark.parametrize(
    ("framing", "kept", "mode", "interpolation"),
    [
        (Framing.WHOLE, SIDE, "squash", "lanczos"),
        (Framing.CROP, 32, "center", "bicubic"),
        (Framing.PAD, 128, "border", "lanczos"),
    ],
)
def test_the_config_says_how_photos_are_prepared(framing, kept, mode, interpolation):
    tagger, spec = built("timm:tf_efficientnet_lite0")
    _, _, config = timm_format.to_timm(tagger, spec | {"framing": framing, "kept_side": kept})
    assert config["label_names"] == LABELS and config["num_classes"] == 3
    assert config["problem_type"] == "multi_label_classification"
    prepared = config["pretrained_cfg"]
    assert prepared["input_size"] == [3, SIDE, SIDE] and prepared["crop_pct"] == 1.0
    assert (prepared["mean"], prepared["std"]) == (list(IMAGENET.mean), list(IMAGENET.std))
    assert (prepared["crop_mode"], prepared["interpolation"]) == (mode, interpolation)
