"""Two and three processes train as one does; they end together, and one of them writes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from safetensors.torch import load_file

from tagging_lib.models import ranks
from tests import ranked
from tests.conftest import draw_corpus

ROOT = Path(__file__).resolve().parents[1]
ENOUGH = 300  # seconds, on a machine that does many other things
LAUNCHER = (sys.executable, "-m", "torch.distributed.run", "--standalone")


def environment() -> dict[str, str]:
    return os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}


def launch(count: int, *module: str) -> subprocess.CompletedProcess:
    command = [*LAUNCHER, f"--nproc-per-node={count}", "-m", *module]
    return subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=ENOUGH)


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[int, Path]:
    """What one process, two and three left, by their number."""
    found = {count: tmp_path_factory.mktemp(f"ranks{count}") for count in (1, 2, 3)}
    ranked.work(found[1])
    for count in (2, 3):
        done = launch(count, "tests.ranked", str(found[count]))
        assert done.returncode == 0, done.stderr
    return found


def test_a_rank_that_ends_says_all_it_had_to_say_and_skips_what_may_abort():
    code = """
import atexit, sys
from tagging_lib.models import ranks
class Aborts:
    def __del__(self): sys.__stdout__.write("taken down")
kept = Aborts()
atexit.register(lambda: print("bye"))
print("done")
ranks.end()
"""
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=ENOUGH)
    assert (done.returncode, done.stdout.split(), done.stderr) == (0, ["done", "bye"], "")


def told(folder: Path, rank: int) -> dict:
    return json.loads((folder / f"told-{rank}.json").read_text())


@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("name", ranked.RECIPES)
def test_ranks_learn_what_one_process_learns(folders, count, name):
    one = load_file(str(folders[1] / f"{name}-0.safetensors"))
    start = ranked.network().state_dict()
    moved = max(float((tensor - start[key]).abs().max()) for key, tensor in one.items() if key.endswith("weight"))
    assert moved > 0.01
    for rank in range(count):
        found = load_file(str(folders[count] / f"{name}-{rank}.safetensors"))
        for key, tensor in one.items():
            assert np.allclose(found[key].numpy(), tensor.numpy(), rtol=1e-3, atol=2e-5), key
        for mine, theirs in zip(told(folders[count], rank)["history"][name], told(folders[1], 0)["history"][name], strict=True):
            assert mine == pytest.approx(theirs, rel=1e-4)


@pytest.mark.parametrize("count", [2, 3])
def test_all_ranks_hold_the_same_bits(folders, count):
    for name in ranked.RECIPES:
        first = load_file(str(folders[count] / f"{name}-0.safetensors"))
        for rank in range(1, count):
            other = load_file(str(folders[count] / f"{name}-{rank}.safetensors"))
            assert all(bool((other[key] == tensor).all()) for key, tensor in first.items())


@pytest.mark.parametrize("count", [1, 2, 3])
def test_every_photo_is_judged_once(folders, count):
    """The classic fault: a sampler that pads counts 21 photos as 22."""
    wanted = np.load(folders[1] / "answers-0.npy", allow_pickle=False)
    assert wanted.shape == (ranked.ASKED, ranked.LABELS)
    seen = sorted(photo for rank in range(count) for photo in told(folders[count], rank)["seen"])
    assert seen == sorted([0, *range(ranked.ASKED)])  # and photo 0 once more, asked for alone
    for rank in range(count):
        assert np.array_equal(np.load(folders[count] / f"answers-{rank}.npy", allow_pickle=False), wanted)
        alone = [np.load(folders[number] / f"one-{one}.npy", allow_pickle=False) for number, one in ((count, rank), (1, 0))]
        assert np.array_equal(*alone)


@pytest.mark.parametrize("count", [2, 3])
def test_rank_0_goes_first_and_decides(folders, count):
    assert (folders[count] / "order.txt").read_text().split()[0] == "0"
    for rank in range(count):
        assert told(folders[count], rank)["lines"] == count
        assert told(folders[count], rank)["agreed"] == [True, False]


def test_one_process_does_everything_itself():
    assert (ranks.world(), ranks.rank(), ranks.is_writer()) == (1, 0, True)
    assert ranks.part(7) == ranks.blocks(7, 4) == slice(0, 7)
    assert ranks.own("cuda:1") == "cuda:1" and ranks.agreed(False) is False and ranks.may_tell()
    assert ranks.lost(RuntimeError("gloo: connection closed")) is None


@pytest.mark.parametrize(("count", "size", "world"), [(21, 4, 2), (21, 4, 3), (1, 4, 3), (0, 4, 2), (1001, 16, 3), (8, 3, 5)])
def test_parts_and_blocks_cover_everything_once(monkeypatch, count, size, world):
    parts, blocks = [], []
    for rank in range(world):
        monkeypatch.setattr(ranks, "_group", ranks._Group(None, rank, world))
        parts += range(count)[ranks.part(count)]
        mine = ranks.blocks(count, size)
        blocks += range(count)[mine]
        assert mine.start % size == 0
    assert parts == blocks == list(range(count))


def test_a_rank_takes_the_card_of_its_number(monkeypatch):
    monkeypatch.setattr(ranks, "_group", ranks._Group(None, 5, 8))
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    taken = []
    monkeypatch.setattr("torch.cuda.set_device", taken.append)
    assert (ranks.own("cpu"), ranks.own("cuda"), taken) == ("cpu", "cuda:1", [1])
    with pytest.raises(ranks.TaggingError, match=r"cuda:0.*choose cuda or auto"):
        ranks.own("cuda:0")
    monkeypatch.setenv("LOCAL_RANK", "2")
    with pytest.raises(ranks.TaggingError, match="--nproc-per-node 2"):
        ranks.own("cuda")


# ------------------------------------------------------------------------------------------------- the command


TRAIN = ("train", "resnet18_scratch", "--profile", "quick", "--set", "side=32", "--set", "recipe.epochs=5")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    return draw_corpus(tmp_path_factory.mktemp("several") / "tiny", photos=105)


def options(corpus: Path, outputs: Path) -> list[str]:
    return [*TRAIN, "--corpus", str(corpus), "--data", str(corpus.parent / "data"), "--outputs", str(outputs)]


def probabilities(outputs: Path) -> dict[str, np.ndarray]:
    (found,) = outputs.glob("runs/*/*/probabilities.npz")
    with np.load(found, allow_pickle=False) as stored:
        return {part: stored[part] for part in stored.files}


def own_lines(text: str) -> list[str]:
    """What the ranks said that torchrun does not say."""
    return [line for line in text.splitlines() if line.startswith("tagging: ")]


def test_a_killed_rank_ends_all_and_the_next_call_goes_on_to_the_same_bits(corpus, tmp_path):
    whole = launch(2, "tagging_lib", *options(corpus, tmp_path / "whole"))
    assert whole.returncode == 0, whole.stderr
    assert whole.stdout.count("test micro-F1") == 1
    assert whole.stderr.count("epoch 5/5") == 1  # rank 0 alone tells
    assert json.loads(next((tmp_path / "whole").glob("runs/*/*/result.json")).read_text())["ranks"] == 2
    # One process, such as a notebook's, takes what several have trained; another number of them starts anew.
    alone = [sys.executable, "-m", "tagging_lib", *options(corpus, tmp_path / "whole")]
    told = subprocess.run(alone, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=ENOUGH)
    assert told.returncode == 0 and "result from" in told.stderr and "epoch 1/" not in told.stderr, told.stderr

    command = [*LAUNCHER, "--nproc-per-node=2", "-m", "tagging_lib", *options(corpus, tmp_path / "killed")]
    running = subprocess.Popen(command, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert running.stderr is not None
    said = ""
    while "epoch 2/5" not in said:
        line = running.stderr.readline()
        assert line, said
        said += line
    (second,) = (p for p in psutil.Process(running.pid).children() if p.environ().get("RANK") == "1")
    second.kill()
    killed = time.monotonic()
    said += running.communicate(timeout=ENOUGH)[1]
    assert time.monotonic() - killed < 60  # nobody waits for a rank that is gone: it takes seconds, on an idle machine
    assert running.returncode != 0
    assert len(own_lines(said)) == 1, said
    assert re.search(rf"rank 1 \(process {second.pid}\) ended", own_lines(said)[0])
    assert not list((tmp_path / "killed").glob("runs/*/*/result.json"))

    again = launch(2, "tagging_lib", *options(corpus, tmp_path / "killed"))
    assert again.returncode == 0 and re.search(r"continuing after epoch \d of 5", again.stderr), again.stderr
    wanted, found = probabilities(tmp_path / "whole"), probabilities(tmp_path / "killed")
    assert set(wanted) == {"validation", "test"}
    assert all(np.array_equal(found[part], wanted[part]) for part in wanted)


def test_a_mistake_is_told_once(corpus, tmp_path):
    done = launch(2, "tagging_lib", "train", "nonsense", *options(corpus, tmp_path / "none")[2:])
    assert done.returncode != 0
    assert len(own_lines(done.stderr)) == 1 and "nonsense" in own_lines(done.stderr)[0]
    assert "tagging_lib/" not in done.stderr  # no stack trace of ours
