"""Networks by name: their shapes, their first weights, and which files fit them."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import save_file

from tagging_lib.errors import TaggingError
from tagging_lib.models import zoo

SMALL = ("ffn1", "ffn2", "cnn", "resnet18", "densenet169", "timm:mobilenetv1_100", "timm:resnet10t")


def same(first, second) -> bool:
    ours, theirs = first.state_dict(), second.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("side", [64, 96])
def test_photos_become_a_logit_for_each_label(name, side):
    tagger = zoo.build(name, 5, side=side).eval()
    with torch.inference_mode():
        features, logits = tagger.backbone(torch.randn(2, 3, side, side)), tagger(torch.randn(2, 3, side, side))
    assert features.shape == (2, tagger.n_features) and logits.shape == (2, 5) and logits.dtype == torch.float32
    assert tagger.description == "none" and tagger.preprocessing is None


def test_vgg_takes_photos_of_any_side():
    with torch.device("meta"):
        tagger = zoo.build("vgg16", 5)
        for side in (96, 160):
            assert tagger.head(tagger.backbone(torch.zeros(1, 3, side, side))).shape == (1, 5)
    assert tagger.n_features == 512 * 7 * 7 and [tagger.head[i].out_features for i in (0, 2, 5)] == [4096, 2048, 5]


@pytest.mark.parametrize("name", ["cnn", "resnet18", "timm:mobilenetv1_100"])
def test_a_seed_draws_the_same_network_and_disturbs_no_other_draw(name):
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first, again, other = (zoo.build(name, 3, side=32, seed=seed) for seed in (7, 7, 8))
    assert torch.equal(torch.get_rng_state(), before)
    assert same(first, again) and not same(first, other)


@pytest.mark.parametrize(
    ("name", "problem"), [("resnet19", "choose one of .*resnet18"), ("timm:no_such_net", r"timm has no network 'no_such_net'")]
)
def test_an_unknown_name_is_told_with_a_remedy(name, problem):
    with pytest.raises(TaggingError, match=problem):
        zoo.build(name, 3)


@pytest.fixture
def published(tmp_path):
    """A backbone's file with a classifier for 1,000 classes, as publishers give it."""
    classifier = {"fc.weight": torch.ones(1000, 512), "fc.bias": torch.ones(1000)}
    state = zoo.build("resnet18", 3, seed=5).backbone.state_dict() | classifier
    path = tmp_path / "resnet18.safetensors"

    def write(**changes) -> str:
        given = {name: tensor for name, tensor in (state | changes).items() if tensor is not None}
        save_file({name: tensor.clone() for name, tensor in given.items()}, str(path))
        return str(path)

    return write


def test_weights_go_into_the_backbone_and_the_head_is_new(published):
    pretrained = zoo.build("resnet18", 3, weights=published(), seed=9)
    assert same(pretrained.backbone, zoo.build("resnet18", 3, seed=5).backbone)
    assert not same(pretrained.head, zoo.build("resnet18", 3, seed=5).head)
    assert pretrained.preprocessing.mean[0] == 0.485


@pytest.mark.parametrize(
    "change", [{"conv1.weight": torch.zeros(64, 3, 3, 3)}, {"layer5.weight": torch.zeros(3)}], ids=["other shape", "other layer"]
)
def test_weights_of_another_network_are_refused_with_what_differs(published, change):
    with pytest.raises(TaggingError, match=rf"do not fit resnet18: {next(iter(change))}"):
        zoo.build("resnet18", 3, weights=published(**change))


def test_a_tensor_that_the_file_lacks_stays_random_and_is_named(published, caplog):
    tagger = zoo.build("resnet18", 3, weights=published(**{"layer1.0.bn1.bias": None}), seed=9)
    assert "lack 1 tensors, which stay random: layer1.0.bn1.bias" in caplog.text
    assert torch.equal(tagger.backbone.layer1[0].bn1.bias, zoo.build("resnet18", 3, seed=9).backbone.layer1[0].bn1.bias)


def test_a_layer_that_a_file_is_known_to_lack_is_left_out_and_stays_so_in_the_saved_model(tmp_path, caplog):
    told = {"absent": ["layer1.0.bn1"], "batch_norm_eps": 0.125, "options": {"output_stride": 8}}
    (tmp_path / "resnet10t.json").write_text(json.dumps(told))
    state = {
        name: tensor
        for name, tensor in zoo.build("timm:resnet10t", 3).backbone.network.state_dict().items()
        if not name.startswith("layer1.0.bn1")
    }
    save_file(state, str(tmp_path / "resnet10t.safetensors"))
    built = zoo.build("timm:resnet10t", 3, weights=str(tmp_path))
    assert "lack layer1.0.bn1" in caplog.text
    again = zoo.rebuild("timm:resnet10t", 3, options=built.options)
    for tagger in (built, again):
        network = tagger.backbone.network
        assert isinstance(network.layer1[0].bn1, torch.nn.Identity)
        assert {module.eps for module in network.modules() if isinstance(module, torch.nn.BatchNorm2d)} == {0.125}
        assert network.layer4[0].conv1.stride == (1, 1)
    again.load_state_dict(built.state_dict())
    photos = torch.randn(2, 3, 64, 64)
    with torch.inference_mode():
        assert torch.equal(built.eval()(photos), again.eval()(photos))


def test_for_inference_shares_the_weights_and_leaves_the_network_for_training(float32):
    tagger = zoo.build("resnet18", 3, seed=2).train()
    looking = tagger.for_inference()
    photos = torch.randn(2, 3, 64, 64)
    with torch.inference_mode():
        assert torch.equal(looking(photos), tagger.eval()(photos))
        tagger.head[1].bias += 1
        assert torch.equal(looking(photos), tagger(photos)), "what is learnt later is seen too"
    assert set(map(id, looking.parameters())) == set(map(id, tagger.parameters()))
