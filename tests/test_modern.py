"""Networks of later years: each row's name, weights' tag and side fit together, shown with weights made on the spot."""

from __future__ import annotations

import pytest
import torch

from tagging_lib.models import weights, zoo
from tagging_lib.models.tagger import freeze, trainable_parameters
from tagging_lib.runs import rows
from tagging_lib.study import profiles
from tagging_lib.study.opening import open_study

MEANS = {"convnext_base": 0.485, "eva02_base": 0.481, "dinov3_base": 0.485, "siglip2_base": 0.5}


@pytest.fixture
def published(monkeypatch):
    """timm's download replaced by the random weights that it has drawn already; what it says of the file is its own."""
    from timm.models import _builder

    asked = []
    monkeypatch.setattr(_builder, "load_pretrained", lambda model, pretrained_cfg, **_: asked.append(pretrained_cfg))
    return asked


@pytest.mark.parametrize("name", rows.MODERN)
def test_weights_photo_size_and_preprocessing_fit_each_other(name, published):
    whole, head = rows.find(name), rows.find(f"{name}_head")
    assert (whole.network, whole.side) == (head.network, head.side) and head.trained == "head"
    found = weights.resolve(whole.network, "imagenet")
    (told,) = published
    assert told["tag"] == whole.network.rpartition(".")[2] and told["hf_hub_id"]
    assert found.preprocessing.side == whole.side
    assert found.preprocessing.mean[0] == pytest.approx(MEANS[name], abs=1e-3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(zoo, "resolve", lambda network, source: found)
        tagger = zoo.build(whole.network, 14, weights="imagenet", trained="head", side=whole.side)
    held = tagger.backbone.network.state_dict()
    assert all(torch.equal(tensor, held[key]) for key, tensor in found.state.items())
    with torch.inference_mode():
        logits = tagger.eval()(torch.zeros(1, 3, whole.side, whole.side))
    assert logits.shape == (1, 14) and bool(logits.isfinite().all())
    assert {id(p) for p in trainable_parameters(tagger)} == {id(p) for p in tagger.head.parameters()}
    freeze(tagger, "last-stage")
    trainable = sum(p.numel() for p in trainable_parameters(tagger))
    assert 0.02 < trainable / sum(p.numel() for p in tagger.parameters()) < 0.5


def test_they_have_no_toy_scale_and_are_left_out_with_the_reason(tiny_corpus, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for profile, reason in (("quick", profiles.NO_TOY_SCALE.reason), ("cpu", "too slow without a CUDA device")):
        opened = open_study(CORPUS=str(tiny_corpus), PROFILE=profile, DEVICE="cpu")
        assert opened.run(list(rows.MODERN)) == []
        assert set(opened.left_out.reason) == {reason} and len(opened.left_out) == len(rows.MODERN)
