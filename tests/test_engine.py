"""Networks looked at through ONNX Runtime answer as torch does, on the processors where that is faster, and nowhere else."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch

from benchmarks import material
from tagging_lib.inference.looking import Looker
from tagging_lib.models import cutting, device, engine, zoo
from tests.conftest import processor

SIDE, MANY = 64, engine.WORTH


@pytest.fixture
def plain_cpu(monkeypatch):
    """A processor without units for bfloat16."""
    processor(monkeypatch, units=False)


def tagger(network="resnet18", **options):
    """With statistics that are not those of a fresh batch norm, so that folding them in matters."""
    built = zoo.build(network, 3, side=SIDE, seed=1, **options)
    draw = torch.Generator().manual_seed(2)
    for module in built.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.copy_(torch.randn(module.num_features, generator=draw) / 10)
            module.running_var.copy_(torch.rand(module.num_features, generator=draw) + 0.5)
    return built.eval().to(memory_format=torch.channels_last)


def photos(count=5, side=SIDE):
    drawn = torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(3))
    return drawn.contiguous(memory_format=torch.channels_last)


def looked(module, seen):
    with torch.inference_mode():
        return module(seen)


@pytest.mark.parametrize("network", ["resnet18", "timm:mobilenetv1_100", "timm:tf_efficientnet_lite0", "densenet169"])
def test_features_are_those_of_torch_for_any_number_of_photos(network, plain_cpu):
    backbone = tagger(network).backbone
    fast = engine.ready(backbone, "cpu", MANY)
    for count in (5, 1, 8):
        expected, found = looked(backbone, photos(count)), looked(fast, photos(count))
        assert fast._session is not None and found.dtype == torch.float32
        assert float((found - expected).abs().max()) <= engine.TOLERANCE * float(expected.abs().max())
    assert not torch.equal(found, expected), "it went through torch"


def test_a_trunk_gives_the_activations_that_torch_gives(plain_cpu):
    trunk, _ = cutting.cut(tagger(trained="last-stage"), SIDE)
    fast = engine.ready(trunk, "cpu", MANY)
    expected, found = looked(trunk, photos()), looked(fast, photos())
    assert fast._session is not None and found.shape == expected.shape
    assert float((found - expected).abs().max()) <= engine.TOLERANCE * float(expected.abs().max())


def test_photos_of_another_size_go_through_torch(plain_cpu):
    backbone = tagger().backbone
    fast = engine.ready(backbone, "cpu", MANY)
    looked(fast, photos())
    assert torch.equal(looked(fast, photos(side=96)), looked(backbone, photos(side=96)))


@pytest.mark.parametrize("network", ["vgg16_bn", "timm:vit_tiny_patch16_224", "ffn1"])
def test_networks_that_gain_nothing_stay_in_torch(network, plain_cpu, capfd):
    backbone = zoo.build(network, 3, side=224).eval().backbone
    assert engine.ready(backbone, "cpu", MANY) is backbone
    assert capfd.readouterr() == ("", "")


def test_an_answer_too_far_from_torchs_is_not_taken(plain_cpu, monkeypatch):
    backbone = tagger().backbone
    run = engine.run
    monkeypatch.setattr(engine, "run", lambda session, seen: run(session, seen) * (1 + 3 * engine.TOLERANCE))
    fast = engine.ready(backbone, "cpu", MANY)
    assert torch.equal(looked(fast, photos()), looked(backbone, photos())) and fast._session is None


def test_an_exporter_that_fails_leaves_torch(plain_cpu, monkeypatch):
    def broken(*_, **__):
        raise RuntimeError("no such operator\nand a page of graph")

    monkeypatch.setattr(torch.onnx, "export", broken)
    backbone = tagger().backbone
    assert torch.equal(looked(engine.ready(backbone, "cpu", MANY), photos()), looked(backbone, photos()))


def test_the_engine_by_device_processor_and_what_is_installed(monkeypatch):
    for units, installed, kind, expected in (
        (False, "1.2.3", "cpu", "onnxruntime 1.2.3"),
        (True, "1.2.3", "cpu", "torch"),
        (False, "", "cpu", "torch"),
        (False, "1.2.3", "cuda", "torch"),
    ):
        monkeypatch.setattr(engine, "has_units", lambda _, units=units: units)
        monkeypatch.setattr(engine, "_installed", lambda installed=installed: installed)
        assert engine.name(kind) == expected


def test_several_threads_share_one_compilation(plain_cpu, monkeypatch):
    made, session = [], engine._session
    monkeypatch.setattr(engine, "_session", lambda *given: made.append(threading.get_ident()) or session(*given))
    fast = engine.ready(tagger().backbone, "cpu", MANY)
    found = list(device.each(fast, [photos()] * 6, "cpu"))
    assert len(made) == 1 and all(torch.equal(found[0], one) for one in found)


def test_a_model_folder_answers_through_it_what_torch_answers(tmp_path, plain_cpu):
    material.model_folder(tmp_path / "model", "resnet18", 32)
    decoded = np.random.default_rng(0).integers(0, 256, (7, 128, 128, 3), dtype=np.uint8)
    looker = Looker(tmp_path / "model")
    plain = looker.of_pixels(decoded)
    looker.expect(MANY)
    fast = looker.of_pixels(decoded)
    assert looker._looking.backbone._session is not None and not np.array_equal(fast, plain)
    np.testing.assert_allclose(fast, plain, atol=1e-5)
    compiled = looker._looking
    looker.expect(MANY)
    assert looker._looking is compiled, "once is enough"
    looker.expect(MANY - 1)
    assert np.array_equal(looker.of_pixels(decoded), plain)


def test_few_photos_are_not_worth_compiling(plain_cpu):
    backbone = tagger().backbone
    assert engine.ready(backbone, "cpu", MANY - 1) is backbone


@pytest.mark.parametrize("units", [True, False])
def test_dense_networks_answer_as_they_are(units, monkeypatch):
    processor(monkeypatch, units=units)
    built = zoo.build("ffn1", 3, side=SIDE, seed=1).eval()
    with torch.inference_mode():
        assert torch.equal(engine.for_inference(built, MANY)(photos()), built(photos()))
