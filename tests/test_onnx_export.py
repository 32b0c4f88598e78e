"""A model that has become ONNX answers as it did, for any number of photos."""

from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pytest
import torch

from tagging_lib import files
from tagging_lib.errors import TaggingError
from tagging_lib.inference import folder as folders
from tagging_lib.inference import onnx_export
from tagging_lib.models import zoo
from tagging_lib.models.predict import predict
from tagging_lib.models.preprocessing import Preprocessing
from tagging_lib.runs import trainer
from tagging_lib.training.batches import PhotoBatches
from tagging_lib.training.fit import History

onnxruntime = pytest.importorskip("onnxruntime")
pytestmark = pytest.mark.usefixtures("float32")
PREPROCESSING, LABELS, SIDE = Preprocessing((0.4, 0.5, 0.6), (0.2, 0.3, 0.4), 32), ["cat", "sea; blue"], 32


def model_folder(folder, network):
    tagger = zoo.build(network, len(LABELS), side=SIDE, seed=3)
    spec = {"network": network, "trained": "all", "dropout": 0.0, "side": SIDE, "options": tagger.options, "labels": LABELS}
    spec["preprocessing"] = dataclasses.asdict(PREPROCESSING)
    kept = trainer.Training(tagger, tagger, None, History([], 0, 0.0), spec, PREPROCESSING, {})
    folder.mkdir()
    trainer.save_model(kept, folder / "model.safetensors", complete=True)
    described = {"labels": LABELS, "threshold": 0.4, "network": spec, "sha256": files.sha256(folder / "model.safetensors")}
    files.write_json(folder / "model.json", described)
    return folder


@pytest.mark.parametrize("network", ["resnet18", "timm:mobilenetv1_100"])
def test_it_answers_as_the_model_folder_does(network, tmp_path):
    folder = model_folder(tmp_path / "model", network)
    path = onnx_export.export(folder)
    assert path == folder / "model.onnx"
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    about = session.get_modelmeta().custom_metadata_map
    assert json.loads(about["labels"]) == LABELS and int(about["side"]) == SIDE
    pixels = np.random.default_rng(0).integers(0, 256, (5, SIDE, SIDE, 3), dtype=np.uint8)
    photos = (pixels.transpose(0, 3, 1, 2) / np.float32(255)).astype(np.float32)
    (logits,) = session.run(["logits"], {"photos": photos})
    tagger, described = folders.load(folder)
    expected = predict(tagger, PhotoBatches(pixels, np.zeros((5, 2), np.uint8), PREPROCESSING, side=SIDE), np.arange(5))
    np.testing.assert_allclose(1 / (1 + np.exp(-logits)), expected, atol=1e-4)
    assert float(about["boundary"]) == pytest.approx(math.log(0.4 / 0.6))
    assert described["threshold"] == 0.4


def test_a_file_that_answers_otherwise_is_not_kept(tmp_path, monkeypatch):
    folder = model_folder(tmp_path / "model", "resnet18")
    real = onnx_export._plain

    def skewed(*args):
        network = real(*args)
        forward, calls = network.forward, []

        def answer(photos):
            calls.append(photos.shape)
            return forward(photos) + (0 if torch.compiler.is_exporting() else 1)

        network.forward = answer
        return network

    monkeypatch.setattr(onnx_export, "_plain", skewed)
    with pytest.raises(TaggingError, match="apart from PyTorch"):
        onnx_export.export(folder)
    assert not list(folder.glob("*.onnx*"))


def test_a_folder_without_a_model_is_named(tmp_path):
    with pytest.raises(TaggingError, match=r"model\.json"):
        onnx_export.export(tmp_path)
