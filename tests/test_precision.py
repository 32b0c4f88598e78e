"""Half precision in the backbone alone: the head answers in float32, and close to what the plain network answers."""

from __future__ import annotations

import contextlib

import pytest
import torch

from tagging_lib.models import device, zoo
from tagging_lib.models import tagger as taggers
from tagging_lib.runs import key
from tagging_lib.runs import run as runs
from tagging_lib.study.opening import open_study
from tests.conftest import processor


def half(kind: str):
    return torch.autocast(kind, torch.bfloat16)


@pytest.mark.parametrize("name", ["resnet18", "cnn"])
def test_the_logits_are_float32_and_near_those_of_full_precision(name, monkeypatch):
    tagger = zoo.build(name, 5, side=32, seed=3).eval().to(memory_format=torch.channels_last)
    photos = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    seen: list[torch.dtype] = []
    tagger.backbone.register_forward_hook(lambda _, __, found: seen.append(found.dtype))
    with torch.no_grad():
        monkeypatch.setattr(taggers, "mixed", lambda kind: contextlib.nullcontext())
        plain = tagger(photos)
        monkeypatch.setattr(taggers, "mixed", half)
        found = tagger(photos)
    assert found.dtype == plain.dtype == torch.float32
    assert not torch.equal(found, plain)
    torch.testing.assert_close(found, plain, atol=0.02 * float(plain.abs().max()), rtol=0)
    assert seen == [torch.float32, torch.bfloat16]


@pytest.mark.parametrize("name", ["ffn1", "ffn2"])
def test_dense_networks_stay_in_float32(name, monkeypatch):
    """Their first product in bfloat16 ended the process: 49,152 inputs for 32 photos, an epoch's last batch."""
    monkeypatch.setattr(taggers, "mixed", half)
    tagger = zoo.build(name, 5, side=128, seed=3).train()
    seen: list[torch.dtype] = []
    tagger.backbone.register_forward_hook(lambda _, __, found: seen.append(found.dtype))
    tagger(torch.randn(32, 3, 128, 128)).sum().backward()
    assert seen == [torch.float32]


def test_gradients_and_weights_stay_float32(monkeypatch):
    monkeypatch.setattr(taggers, "mixed", half)
    tagger = zoo.build("resnet18", 5, side=32, seed=3)
    tagger(torch.randn(4, 3, 32, 32)).sum().backward()
    assert {p.grad.dtype for p in tagger.parameters()} == {torch.float32}


@pytest.mark.parametrize("matrices, vectors", [(False, False), (False, True), (True, True)])
def test_a_processor_without_units_for_it_computes_in_float32(matrices, vectors, monkeypatch):
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: matrices)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: vectors)
    with device.mixed("cpu"):
        product = torch.ones(2, 2) @ torch.ones(2, 2)
    assert product.dtype == (torch.bfloat16 if vectors else torch.float32)


@pytest.mark.parametrize("name", ["resnet18", "timm:mobilenetv1_100", "timm:nf_resnet26"])
def test_weights_rounded_once_give_the_same_bits_and_leave_the_network_alone(name, monkeypatch):
    processor(monkeypatch, units=True)
    tagger = zoo.build(name, 5, side=32, seed=3).train()
    before = {key: tensor.clone() for key, tensor in tagger.state_dict().items()}
    photos = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    fast = tagger.for_inference()
    with torch.inference_mode():
        assert torch.equal(fast(photos), tagger.eval()(photos))
    assert {key: tensor.dtype for key, tensor in tagger.state_dict().items()} == {k: t.dtype for k, t in before.items()}
    assert all(torch.equal(tensor, before[key]) for key, tensor in tagger.state_dict().items())
    rounded = sum(parameter.dtype == torch.bfloat16 for parameter in fast.parameters())
    inner = 0 < rounded < len(list(fast.parameters()))
    assert inner if name != "timm:nf_resnet26" else rounded == 0, "its convolutions make their weights from others"
    shared = {id(parameter) for parameter in tagger.parameters()}
    assert all(id(p) in shared for p in fast.parameters() if p.dtype == torch.float32), "only what is rounded is copied"


def test_without_units_nothing_is_rounded(monkeypatch):
    processor(monkeypatch, units=False)
    layer = torch.nn.Conv2d(1, 1, 1)
    assert device.cast_once(layer, "cpu") is layer


def test_a_row_that_another_kind_of_processor_finished_is_not_trained_again(tiny_corpus, tmp_path, monkeypatch):
    """Rows of one report come from several sessions and nodes, whose processors differ."""
    monkeypatch.chdir(tmp_path)
    study = open_study(CORPUS=str(tiny_corpus), PROFILE="quick", DEVICE="cpu")
    row = study.row("lite0_head")
    processor(monkeypatch, units=False)
    trained, without = runs.run(row, study.setting), list(key.keys(row, study.setting))
    processor(monkeypatch, units=True)
    found, with_units = runs.run(row, study.setting), list(key.keys(row, study.setting))
    assert found.folder == trained.folder and found.key == trained.key == without[0]
    assert with_units[:2] == without[1::-1] and len(with_units) == len(set(with_units))


def test_a_row_is_found_by_the_keys_that_its_teachers_have_on_another_processor(tiny_corpus, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    study = open_study(CORPUS=str(tiny_corpus), PROFILE="quick", DEVICE="cpu")
    row = study.row("mobilenetv1_stage_224_pseudo")
    processor(monkeypatch, units=True)
    own = key.key(row, study.setting)
    processor(monkeypatch, units=False)
    assert key.key(row, study.setting) != own and own in list(key.keys(row, study.setting))
