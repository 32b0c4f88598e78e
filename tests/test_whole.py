"""Folders made whole: timm opens them by itself and answers as the row did, and the row stays what it was."""

from __future__ import annotations

import dataclasses
import json
import shutil
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest
import timm
import torch
from PIL import Image
from safetensors import safe_open

from tagging_lib import files
from tagging_lib.data.corpus import open_photos
from tagging_lib.data.decoding import Framing
from tagging_lib.errors import TaggingError
from tagging_lib.inference import folder, predict, whole
from tagging_lib.models import weights
from tagging_lib.runs import kept, run
from tagging_lib.study import chosen, final
from tagging_lib.study.opening import open_study
from tests.conftest import trained_row

pytestmark = pytest.mark.usefixtures("float32")


@pytest.fixture
def opened(tiny_corpus, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return open_study(CORPUS=str(tiny_corpus), PROFILE="quick", DEVICE="cpu")


@pytest.mark.parametrize("name", ["lite0_head", "mobilenetv1_stage_224", "densenet169_head"])
def test_timm_answers_as_the_row_did(opened, name):
    result = trained_row(opened, name)
    before = result.probabilities("test")
    assert whole.complete(result.folder, ["- Something of its own."]) == ""
    network = timm.create_model(f"local-dir:{result.folder}", pretrained=True).eval()
    tagger, described = folder.load(result.folder)
    random = torch.randn(2, 3, described["network"]["side"], described["network"]["side"])
    with torch.inference_mode():
        torch.testing.assert_close(network(random), tagger.head(tagger.backbone(random)), rtol=1e-4, atol=1e-5)
    found, _ = predict.probabilities(result.folder, open_photos(opened.corpus.root / "images"))
    np.testing.assert_allclose(found[opened.indices("test")], before, atol=1e-4)
    assert described["labels"] == list(opened.labels) and described["threshold"] == result.threshold
    card = (result.folder / "README.md").read_text(encoding="utf-8")
    assert "- Something of its own." in card and "local-dir:FOLDER" in card and "blue, green, red" in card


@pytest.mark.parametrize("framing", ["whole", "crop"])
def test_timm_prepares_photo_files_as_the_row_does(opened, tmp_path, framing):
    """Of photos that are larger than what the network looks at, both see the same pixels."""
    random = np.random.default_rng(3)
    (tmp_path / "large").mkdir()
    for number in range(40):
        pixels = random.integers(0, 256, (5, 7, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((288, 192), Image.Resampling.BICUBIC).save(tmp_path / "large" / f"{number}.png")
    listed = "".join(f"{number}.png,{'a' if number % 3 else 'b'}\n" for number in range(40))
    (tmp_path / "large" / "photos.csv").write_text(f"photo,labels\n{listed}")
    study = open_study(CORPUS=str(tmp_path / "large"), PROFILE="quick", DEVICE="cpu")
    result = run.run(dataclasses.replace(study.row("lite0_head"), framing=Framing(framing)), study.setting)
    whole.complete(result.folder)
    network = timm.create_model(f"local-dir:{result.folder}", pretrained=True).eval()
    transform = timm.data.create_transform(**timm.data.resolve_model_data_config(network))
    photos = [Image.open(study.corpus.path(index)).convert("RGB") for index in study.indices("test")]
    with torch.inference_mode():
        logits = network(torch.stack([transform(photo) for photo in photos])).numpy()
    expected = result.probabilities("test")
    np.testing.assert_allclose(logits, np.log(expected / (1 - expected)), atol=0.02)
    assert expected.std() > 0.02


def test_a_whole_folder_needs_nothing_but_itself(opened, tmp_path, monkeypatch):
    result = trained_row(opened, "lite0_head")
    found, _ = predict.probabilities(result.folder, open_photos(opened.corpus.root / "images"))
    whole.complete(result.folder)
    moved = tmp_path / "elsewhere"
    shutil.move(result.folder, moved)
    monkeypatch.setattr(weights, "resolve", lambda *_: pytest.fail("asked for pretrained weights"))
    monkeypatch.setattr("tagging_lib.models.zoo.resolve", weights.resolve)
    again, _ = predict.probabilities(moved, open_photos(opened.corpus.root / "images"))
    np.testing.assert_allclose(again, found, atol=1e-5)


def test_the_row_is_still_found_and_its_network_opened_again(opened):
    result = trained_row(opened, "lite0_head")
    sizes = result.model_file.stat().st_size
    whole.complete(result.folder)
    again = run.opened(result.experiment, opened.setting)
    assert again is not None and again.model_file.name == "trained.safetensors" and again.model_file.stat().st_size == sizes
    training = run.reopened(again)
    with safe_open(str(again.model_file), framework="pt") as stored:
        torch.testing.assert_close(training.tagger.state_dict()["head.1.weight"], stored.get_tensor("head.1.weight"))
    assert kept.find(opened.outputs, result.name, result.key) is not None


def test_a_second_time_writes_nothing_and_a_damaged_file_is_mended(opened):
    result = trained_row(opened, "lite0_head")
    whole.complete(result.folder)
    times = {path.name: path.stat().st_mtime_ns for path in result.folder.iterdir()}
    whole.complete(result.folder)
    assert {path.name: path.stat().st_mtime_ns for path in result.folder.iterdir()} == times
    content = (result.folder / "model.safetensors").read_bytes()
    (result.folder / "model.safetensors").write_bytes(content[:-9] + b"damaged!}")
    with pytest.raises(TaggingError, match="damaged"):
        folder.load(result.folder)
    whole.complete(result.folder)
    folder.load(result.folder)
    assert (result.folder / "model.safetensors").stat().st_size == len(content)


def test_one_that_is_cut_off_leaves_the_model_that_there_was(opened, monkeypatch):
    result = trained_row(opened, "lite0_head")
    found, _ = predict.probabilities(result.folder, open_photos(opened.corpus.root / "images"))

    def cut_off(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(whole, "_write", cut_off)
    with pytest.raises(KeyboardInterrupt):
        whole.complete(result.folder)
    again, _ = predict.probabilities(result.folder, open_photos(opened.corpus.root / "images"))
    np.testing.assert_array_equal(again, found)
    assert run.opened(result.experiment, opened.setting) is not None
    monkeypatch.undo()
    monkeypatch.chdir(opened.outputs.parent)
    assert whole.complete(result.folder) == "" and (result.folder / "config.json").exists()


def test_a_network_that_timm_does_not_have_stays_a_model_folder(opened):
    result = trained_row(opened, "ffn1")
    before = {path.name: path.read_bytes() for path in result.folder.iterdir()}
    assert whole.complete(result.folder) == "timm has no network ffn1"
    after = {path.name: path.read_bytes() for path in result.folder.iterdir()}
    assert "does not open in timm: timm has no network ffn1." in after.pop("README.md").decode()
    assert after == before
    with pytest.raises(TaggingError, match=r"model\.safetensors is missing"):
        whole.complete(trained_row(opened, "constant").folder)


@pytest.mark.parametrize("name", ["lite0_head", "ffn1"])
def test_the_final_model_opens_in_timm_where_its_row_does(opened, name):
    trained_row(opened, name)
    chosen.save(opened, pd.DataFrame({"row": [name], "threshold": [0.35]}))
    described = final.train(opened)
    model = opened.outputs / "final"
    tagger, again = folder.load(model)
    assert again == {key: value for key, value in described.items() if key not in ("key", "files")}
    assert (model / "config.json").exists() == (name == "lite0_head")
    if name == "lite0_head":
        side = described["network"]["side"]
        random = torch.randn(2, 3, side, side)
        network = timm.create_model(f"local-dir:{model}", pretrained=True).eval()
        with torch.inference_mode():
            torch.testing.assert_close(network(random), tagger.head(tagger.backbone(random)), rtol=1e-4, atol=1e-5)
        assert json.loads((model / "config.json").read_text())["threshold"] == described["threshold"]


def test_the_same_network_is_the_same_bytes(tmp_path):
    """safetensors writes metadata in an order of chance."""
    state = {"layer.weight": torch.arange(6.0).reshape(2, 3)}
    assert len({whole._write(tmp_path, state, {"network": "größer", "n": number // 99}) for number in range(20)}) == 1
    with safe_open(tmp_path / kept.MODEL, "pt") as stored:
        assert stored.metadata() == {"format": "pt", "tagging": json.dumps({"network": "größer", "n": 0})}
        assert torch.equal(stored.get_tensor("layer.weight"), state["layer.weight"])


def test_a_result_that_was_opened_before_its_folder_was_made_whole_keeps_its_network(opened):
    """As a notebook holds it, while the same row is trained from a terminal."""
    result = trained_row(opened, "lite0_head")
    assert kept.WHOLE not in result.details
    whole.complete(result.folder)
    before = {path.name: path.read_bytes() for path in result.folder.iterdir() if path.is_file()}
    training = run.reopened(result)
    assert training.spec["labels"] == list(opened.labels)
    assert {path.name: path.read_bytes() for path in result.folder.iterdir() if path.is_file()} == before


def test_two_processes_that_make_a_folder_whole_take_turns(opened, caplog):
    result = trained_row(opened, "lite0_head")
    with ThreadPoolExecutor(1) as other:
        with files.locked(result.folder, "not said"), caplog.at_level("INFO"):
            waiting = other.submit(whole.complete, result.folder)
            deadline = time.monotonic() + 20
            while "another process is busy with it" not in caplog.text and time.monotonic() < deadline:
                time.sleep(0.05)
            assert not waiting.done() and kept.WHOLE not in kept.read(result.folder).facts
        assert waiting.result() == ""
    assert kept.read(result.folder).facts[kept.WHOLE]["sha256"]
