"""Every row of the benchmarks runs, at toy scale: those for the CPU, and those for CUDA rehearsed without one."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch

from benchmarks import cpu, cuda, engines, growth, labelling, references, timing
from benchmarks.__main__ import main
from tagging_lib.data import pixels
from tagging_lib.errors import TaggingError
from tagging_lib.evaluation import acquisition
from tagging_lib.models import engine
from tagging_lib.models.device import has_units
from tagging_lib.study.opening import open_study

# By hand, so that a row cannot disappear from the tables and from this list at once.
WANTED = (
    "epoch ÷ pure loop, ResNet-18, 32 px, full augmentation",
    "40 photos to the cache ÷ plain decode",
    "frozen features ÷ bare forward, resnet18",
    "2 epochs of a head on cached features, 200 photos",
    "last stage: epoch on cached activations ÷ through the trunk, ResNet-18",
    "predict on 30 JPEGs ÷ (plain decode + bare forward), resnet18",
    "import tagging_lib",
    "tagging --help",
    "decoding to the cache: seconds a photo",
    "decoding to the cache: peak memory",
    "an augmented epoch: seconds a photo",
    "an augmented epoch: peak memory",
    "frozen features: seconds a photo",
    "frozen features: peak memory",
    "predict: seconds a photo",
    "predict: peak memory",
    "two ranks of one core ÷ one rank of one core, ResNet-18 epoch",
    "ranks 1, 2, 3 on 21 test photos: share of confusion counts that are the same",
    "predict on originals of 0.0192 megapixels at 32 px, resnet18: seconds a photo",
    "predict on originals of 0.0192 megapixels at 32 px, resnet18: peak memory, 2 times the photos ÷ once",
    "predict of 40 photos through a manifest: memory ÷ that of 20",
    "epoch ÷ pure loop, resnet18, batch 16",
    "the original's recipe for resnet18 from a fresh process, 1 epochs",
    "the original's way ÷ ours, an epoch of resnet18",
)


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    """What the toy form wrote."""
    path = tmp_path_factory.mktemp("toy") / "toy.json"
    assert main(["--toy", "--json", str(path)]) == 0
    return json.loads(path.read_text(encoding="utf-8"))


def test_every_row_is_there_and_measured(toy):
    names = [row["name"] for row in toy["rows"]]
    assert [wanted for wanted in WANTED if not any(name.startswith(wanted) for name in names)] == []
    assert len(names) == len(WANTED)
    assert all(math.isfinite(row["value"]) and row["value"] > 0 for row in toy["rows"])
    assert all(row["spread"][0] <= row["value"] <= row["spread"][1] for row in toy["rows"])


def test_the_json_says_where_it_was_measured(toy):
    assert toy["machine"]["cores"] >= 1 and toy["versions"]["torch"] == torch.__version__.split("+")[0] and toy["commit"]
    assert toy["rows asked"] == [*cpu.ROWS, *cuda.ROWS] and toy["toy"] and toy["failed"] == []


def test_the_targets_are_those_of_the_issue():
    """At full scale; the rows for the CPU carry theirs in the code that the toy form runs."""
    assert cuda.Scale().epochs == (("resnet152", 256, 1.03), ("resnet18", 256, 1.10), ("resnet152", 64, 1.10))
    assert (cuda.Scale().recipe_network, cuda.Scale().recipe_epochs, cuda.Scale().corpus) == ("resnet152", 25, 20_000)
    scale = cpu.Scale()
    assert (scale.side, scale.decoded, scale.head_photos, scale.head_epochs, scale.predicted) == (128, 20_000, 12_000, 25, 5_000)
    assert (scale.growth_factors, scale.judged) == ((1, 5, 25), 1_001) and cpu.MILLION == (10_000, 1_000_000)
    assert (scale.original_size, scale.original_sides) == ((4_000, 3_000), (128, 224, 384))
    assert min(scale.originals) > pixels.CHUNK  # fewer photos would not fill the blocks, so that memory grew with them


def test_the_rows_carry_their_targets(toy):
    targets = [row["target"] for row in toy["rows"]]
    growing = [*[cpu.GROWTH] * 8, 0.58, 1.0, None, cpu.GROWTH, 1.1]
    predict = cpu.PREDICT[has_units("cpu")]
    assert targets == [1.10, 1.3, 1.05, 10, None, predict, 0.5, 0.5, *growing, 1.10, 90, 10]
    assert cpu.PREDICT == {False: 0.75, True: 1.1}
    light = {"timm:tf_efficientnet_lite0", "timm:tf_efficientnet_lite2", "timm:mobilenetv1_100"}
    assert cpu.FEATURES[False] == dict.fromkeys(light, 0.65) | {"densenet169": 0.85, "resnet50": 0.9}
    assert cpu.FEATURES[True] == dict.fromkeys(light, 0.95)
    assert {network for network, _, _ in cpu.Scale().networks} == set(cpu.FEATURES[False])


def test_a_missed_target_is_said_and_is_no_failure(monkeypatch, capsys):
    monkeypatch.setattr(cpu, "ROWS", {"import": lambda scale, scratch: [timing.Row("slow", 2.0, (1.9, 2.1), 1.1)]})
    assert main(["import"]) == 0
    assert "MISSED: slow" in capsys.readouterr().out


def test_a_row_that_fails_leaves_the_others_and_an_exit_code(monkeypatch, capsys):
    def fails(scale, scratch):
        raise RuntimeError("no such row")

    fine = timing.Row("fine", 1.0, (1.0, 1.0), 1.1)
    monkeypatch.setattr(cpu, "ROWS", {"head": fails, "import": lambda scale, scratch: [fine]})
    assert main(["head", "import"]) == 1
    shown = capsys.readouterr().out
    assert "fine" in shown and "FAILED: head" in shown and "MISSED" not in shown


def test_an_unknown_row_and_an_absent_device_are_named(monkeypatch, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["epok"])
    assert "epok" in capsys.readouterr().err
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert main(["--device", "cuda"]) == 2
    assert "no CUDA device" in capsys.readouterr().err


def test_a_ratio_is_the_median_of_pairs(monkeypatch):
    clock = iter([3.0, 1.0, 4.0, 2.0, 10.0, 2.0])  # ours, reference; reference last is measured first in the second turn
    monkeypatch.setattr(timing, "_timed", lambda work, device: (next(clock),) * 2)
    row = timing.ratio("r", lambda: None, lambda: None, target=2.5, repeats=3)
    assert row.ours == [3.0, 2.0, 10.0] and row.reference == [1.0, 4.0, 2.0]
    assert row.value == 3.0 and row.spread == (0.5, 5.0) and row.met is False


def test_memory_is_measured_in_a_process_of_its_own(tmp_path):
    growth.lay(tmp_path, growth.WARM, 32)
    found = growth.measure_alone("decoding to the cache", tmp_path, growth.WARM)
    assert found["seconds"] > 0 and found["resident"] > 50


def test_the_originals_way_is_float32_throughout(monkeypatch):
    seen = []

    class Spy(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(1, 14)

        def forward(self, photos):
            answer = self.layer(photos.mean((1, 2, 3))[:, None])
            seen.append((answer.dtype, torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32))
            return answer

    photos = [(torch.zeros(3, 8, 8), torch.zeros(14))] * 3
    module = Spy()
    torch.set_float32_matmul_precision("high")
    try:
        references.originals_epoch(module, torch.optim.SGD(module.parameters(), lr=0.1), photos, photos[:1], "cpu")
        assert torch.get_float32_matmul_precision() == "high"
    finally:
        torch.set_float32_matmul_precision("highest")
    assert set(seen) == {(torch.float32, "highest", False)} and len(seen) == 3  # trained, evaluated, validated


def test_engines_compares_ways_to_look(monkeypatch, capsys):
    monkeypatch.setattr(engines, "_compiled", lambda *_: None)  # half a minute, where there is a compiler
    assert engines.main(["--toy"]) == 0
    torch_line, half, compiled, fast, small = capsys.readouterr().out.splitlines()
    assert "bfloat16" in half and half.endswith("×" if has_units("cpu") else "not to be had")
    assert torch_line.endswith("1.00 ×") and compiled.endswith("not to be had")
    assert "ONNX Runtime " in fast and fast.endswith("×") and "8 bits" in small and small.endswith("×")


def test_labelling_compares_what_is_suggested_with_chance(tiny_corpus, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    asked = [str(tiny_corpus), "--row", "lite0_head", "--start", "8", "--photos", "4", "--rounds", "1", "--seeds", "42"]
    assert labelling.main(asked) == 0
    heading, before, after = capsys.readouterr().out.splitlines()
    assert "lite0_head, mean of 1 splits" in heading and before.startswith("     8 photos") and after.startswith("    12 photos")
    assert "+0.0000 (+0.0000 – +0.0000)" in before, "both begin with the same photos"
    opened = labelling.Labelling(open_study(str(tiny_corpus), "cpu", DEVICE="cpu").setting, "lite0_head", 42)
    pool = opened.setting.indices("train")[8:]
    opened.learn(opened.setting.indices("train")[:8])
    unsure = acquisition.uncertainty(opened.answer(pool))
    wanted = opened.suggested(pool, 3)
    assert wanted[0] == pool[np.argmax(unsure)] and len(set(wanted)) == 3 and set(wanted) <= set(pool)
    with pytest.raises(TaggingError, match="choose a row of a head"):
        labelling.Labelling(opened.setting, "ffn1", 42)


def test_engines_tells_what_each_way_costs(tiny_corpus, monkeypatch, capsys):
    monkeypatch.setattr(engines, "_compiled", lambda *_: None)
    assert engines.main(["--toy", "--photos", "60", "--corpus", str(tiny_corpus)]) == 0
    plain, *half, fast, small = (line.rpartition(" ") for line in capsys.readouterr().out.splitlines())
    assert len(half) == has_units("cpu") and all(engine.TOLERANCE < float(line[2]) < 0.1 for line in half)
    assert plain[0].startswith("torch") and float(plain[2]) == 0
    assert fast[0].startswith("ONNX Runtime ") and 0 < float(fast[2]) <= engine.TOLERANCE < float(small[2])
