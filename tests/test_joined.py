"""Several backbones as one row: what each sees, where their weights come from, and what is kept of them."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

import tagging_lib
from tagging_lib.errors import TaggingError, WeightsUnavailable
from tagging_lib.inference import timm_format
from tagging_lib.models import attribution, engine, joined, zoo
from tagging_lib.models.preprocessing import Preprocessing
from tagging_lib.runs import key, rows
from tagging_lib.runs import run as runs
from tagging_lib.study.opening import open_study
from tests.conftest import draw_corpus

BOTH = "resnet18+timm:resnet10t"
OWN = {
    "resnet18": Preprocessing((0.4, 0.5, 0.6), (0.2, 0.3, 0.4), 32),
    "timm:resnet10t": Preprocessing((0.5, 0.5, 0.5), (0.5, 0.5, 0.5), 32),
}


@pytest.fixture
def weights_folder(tmp_path):
    """A folder with weights of two networks, drawn, each with a mean and a spread of its own."""
    folder = tmp_path / "weights"
    folder.mkdir()
    for seed, (network, preprocessing) in enumerate(OWN.items()):
        backbone = zoo.build(network, 1, seed=seed).backbone
        state = getattr(backbone, "network", backbone).state_dict()
        path = folder / f"{network.removeprefix('timm:')}.safetensors"
        save_file({name: tensor.contiguous() for name, tensor in state.items()}, str(path))
        path.with_suffix(".json").write_text(json.dumps({"network": network} | dataclasses.asdict(preprocessing)))
    return folder


def normalised(photos: torch.Tensor, preprocessing: Preprocessing) -> torch.Tensor:
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (preprocessing.mean, preprocessing.std))
    return (photos - mean) / std


def test_each_backbone_sees_the_photos_as_its_own_weights_demand(weights_folder):
    photos = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    tagger = zoo.build(BOTH, 3, weights=str(weights_folder), trained="head", side=32).eval()
    assert tagger.preprocessing == OWN["resnet18"], "photos come as the first demands"
    alone = [zoo.build(name, 3, weights=str(weights_folder), side=32).eval() for name in OWN]
    assert tagger.n_features == sum(each.n_features for each in alone)
    with torch.inference_mode():
        seen = [each.features(normalised(photos, each.preprocessing)) for each in alone]
        found = tagger.features(normalised(photos, OWN["resnet18"]))
    torch.testing.assert_close(found, torch.cat(seen, dim=1), atol=1e-4, rtol=1e-4)
    untold = torch.cat([each.features(normalised(photos, OWN["resnet18"])) for each in alone], dim=1)
    assert (found - untold).abs().max() > 0.01, "the second would see others by the first's mean and spread"


def test_a_joined_row_shares_the_features_of_single_rows_and_its_model_needs_no_study(weights_folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    corpus = draw_corpus(tmp_path / "corpus")
    study = open_study(str(corpus), "cpu", DEVICE="cpu", WEIGHTS=str(weights_folder))
    row = dataclasses.replace(rows.find("resnet34_head"), name="both", network=BOTH, side=32)
    for network in OWN:
        runs.run(dataclasses.replace(row, name=network[-8:], network=network), study.setting)
    features = tmp_path / "outputs" / "cache" / "features"
    alone = {path: path.stat().st_mtime_ns for path in features.glob("*.npy")}
    result = runs.run(row, study.setting)
    after = {path: path.stat().st_mtime_ns for path in features.glob("*.npy")}
    assert len(after) == 3 and alone.items() < after.items(), "no network looked at the photos again"
    (beside,) = after.keys() - alone.keys()
    np.testing.assert_array_equal(
        np.sort(np.load(beside)), np.sort(np.concatenate([np.load(path) for path in alone], axis=1)), "all features, once each"
    )
    spent = [json.loads(path.with_suffix(".json").read_text()) for path in after]
    assert result.details["feature_seconds"] == pytest.approx(sum(note["seconds"] for note in spent))

    model = tagging_lib.load(result.folder)
    path = tmp_path / "photo.png"
    where = int(study.setting.indices("test")[0])
    Image.fromarray(np.asarray(study.setting.pixels_for(row)[where])).save(path)
    given = model.predict([path])
    np.testing.assert_allclose(given[list(model.labels)].to_numpy()[0], result.probabilities("test")[0], atol=1e-3)


def test_the_key_of_a_joined_row_changes_with_the_weights_of_any_of_its_networks(weights_folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    corpus = draw_corpus(tmp_path / "corpus")
    study = open_study(str(corpus), "cpu", DEVICE="cpu", WEIGHTS=str(weights_folder))
    row = dataclasses.replace(rows.find("resnet34_head"), name="both", network=BOTH, side=32)
    source = key.weights_source(row, study.setting)
    assert source.split(os.pathsep) == [str(weights_folder / f"{name}.safetensors") for name in ("resnet18", "resnet10t")]
    before = key.key(row, study.setting)
    save_file({"another": torch.zeros(1)}, str(weights_folder / "resnet10t.safetensors"))
    assert key.key(row, study.setting) != before
    assert key.at_hand(study.setting)(row)
    (weights_folder / "resnet10t.safetensors").unlink()
    assert not key.at_hand(study.setting)(row), "one of two is not at hand"


def test_what_cannot_be_joined_is_told(weights_folder, tmp_path):
    with pytest.raises(TaggingError, match="ffn1 has no features to join"):
        zoo.build("resnet18+ffn1", 3)
    with pytest.raises(TaggingError, match="no network is called 'resnet19'"):
        zoo.build("resnet18+resnet19", 3)
    with pytest.raises(TaggingError, match="no path may hold"):
        zoo.build(BOTH, 3, weights=os.pathsep.join(["a", "b", "c"]))
    with pytest.raises(TaggingError, match="no last stage by a known name"):
        zoo.build(BOTH, 3, trained="last-stage")
    shutil.move(weights_folder / "resnet18.safetensors", tmp_path / "elsewhere")
    with pytest.raises(WeightsUnavailable, match="has no weights for resnet18"):
        zoo.build(BOTH, 3, weights=str(weights_folder))
    with pytest.raises(timm_format.NotInTimmError, match="several networks"):
        timm_format.architecture(BOTH)


def test_where_joined_networks_see_a_label_is_asked_at_the_pixels_and_not_of_one_of_them():
    tagger = zoo.build(BOTH, 3, trained="head", side=64)
    photos = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    _, how = attribution.attribution(tagger, photos, torch.tensor([0]))
    assert how == attribution.GRADIENT


def test_random_weights_are_joined_without_other_preparation_than_the_corpus_own(float32):
    tagger = zoo.build(BOTH, 3)
    assert tagger.preprocessing is None
    assert isinstance(tagger.backbone, joined.Joined) and len(set(tagger.backbone.preprocessings)) == 1
    photos = torch.rand(1, 3, 32, 32)
    with torch.inference_mode():
        first, second = (part(photos) for part in tagger.eval().backbone.backbones)
        torch.testing.assert_close(tagger.features(photos), torch.cat([first, second], dim=1))


def test_onnx_runtime_looks_with_both_as_torch_does(float32):
    pytest.importorskip("onnxruntime")
    backbone = zoo.build(BOTH, 3, trained="head", side=64).backbone.eval()
    photos = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    compiled = engine.Compiled(backbone)
    with torch.inference_mode():
        found, expected = compiled(photos), backbone(photos)
    assert compiled._session is not None
    torch.testing.assert_close(found, expected, atol=engine.TOLERANCE * float(expected.abs().max()), rtol=0)
