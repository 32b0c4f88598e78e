"""Where weights come from: files beside which lies how to use them, a publisher's server, and nothing that could run code."""

from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest
import torch
import torchvision
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
    with pytest.raises(WeightsUnavailable, match=r"resnet34\.safetensors.*put mobilenetv1_100\.safetensors there"):
        weights.resolve("timm:mobilenetv1_100", tmp_path)
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
    with pytest.raises(WeightsUnavailable, match=r"--weights a folder that holds densenet169\.pth"):
        weights.resolve("densenet169", "imagenet")
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
