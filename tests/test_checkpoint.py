"""A checkpoint gives back every bit it kept, and a damaged or foreign one changes nothing."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from safetensors import safe_open
from torch import nn

from tagging_lib.training import checkpoint

SAME = {"recipe": {"epochs": 3}, "photos": 8}


def parts(optimizer: str = "sgd", seed: int = 0):
    torch.manual_seed(seed)
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(64, 2))
    module = module.to(memory_format=torch.channels_last)
    if optimizer == "sgd":
        chosen: torch.optim.Optimizer = torch.optim.SGD(module.parameters(), lr=0.1, momentum=0.9, nesterov=True)
    else:
        chosen = torch.optim.AdamW(module.parameters(), lr=0.1)
    schedule = torch.optim.lr_scheduler.OneCycleLR(chosen, max_lr=0.1, total_steps=9, cycle_momentum=optimizer == "sgd")
    return module, chosen, schedule


def step(module, optimizer, schedule, seed: int):
    generator = torch.Generator().manual_seed(seed)
    module.train()
    optimizer.zero_grad()
    module(torch.rand(8, 3, 6, 6, generator=generator)).square().mean().backward()
    optimizer.step()
    schedule.step()


def bits(value):
    """Tensors and floats as bytes, all the way down, so that equal means equal to the last bit."""
    if isinstance(value, torch.Tensor):
        return value.detach().contiguous().numpy().tobytes()
    if isinstance(value, dict):
        return {name: bits(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [bits(entry) for entry in value]
    return np.float64(value).tobytes() if isinstance(value, float) else value


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_everything_comes_back_to_the_last_bit_and_goes_on_alike(optimizer, tmp_path):
    kept = parts(optimizer)
    for seed in range(4):
        step(*kept, seed)
    best = {name: tensor + 1 for name, tensor in kept[0].state_dict().items()}
    facts = SAME | {"history": [{"epoch": 1, "loss": 0.1 + 0.2}], "best_epoch": 1, "best_f1": 1 / 3}
    checkpoint.save(tmp_path, *kept, best, facts)

    fresh = parts(optimizer, seed=1)
    found_best, found_facts = checkpoint.load(tmp_path, *fresh, SAME)
    assert bits(found_best) == bits(best)
    assert bits({name: found_facts[name] for name in facts}) == bits(facts)
    for _ in range(2):
        assert bits(fresh[0].state_dict()) == bits(kept[0].state_dict())
        assert bits(fresh[1].state_dict()) == bits(kept[1].state_dict())
        assert bits(fresh[2].get_last_lr()) == bits(kept[2].get_last_lr())
        step(*kept, 9)
        step(*fresh, 9)


def test_an_absent_one_is_none(tmp_path):
    assert checkpoint.load(tmp_path / "nowhere", *parts(), SAME) is None


def flipped(content: bytes) -> bytes:
    return content[:-3] + bytes([content[-3] ^ 1]) + content[-2:]


@pytest.mark.parametrize(
    "damage", [flipped, lambda content: content[: len(content) // 2], lambda _: b"", lambda _: b"\xff" * 64]
)
def test_a_damaged_one_is_set_aside_with_a_warning(damage, tmp_path, caplog):
    checkpoint.save(tmp_path, *parts(), {}, SAME)
    path = tmp_path / "checkpoint.safetensors"
    broken = damage(path.read_bytes())
    path.write_bytes(broken)
    untouched = parts(seed=1)
    before = bits(untouched[0].state_dict())
    assert checkpoint.load(tmp_path, *untouched, SAME) is None
    assert bits(untouched[0].state_dict()) == before
    assert str(path) in caplog.text and not path.exists()
    assert path.with_suffix(".damaged").read_bytes() == broken


def test_one_of_another_training_changes_nothing(tmp_path, caplog):
    checkpoint.save(tmp_path, *parts(), {}, SAME)
    other = parts(seed=1)
    before = bits(other[0].state_dict())
    assert checkpoint.load(tmp_path, *other, SAME | {"photos": 9}) is None
    assert bits(other[0].state_dict()) == before and "another photos" in caplog.text


def test_one_of_another_network_changes_nothing(tmp_path, caplog):
    checkpoint.save(tmp_path, *parts(), {}, SAME)
    module = nn.Linear(3, 2)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.1, total_steps=9, cycle_momentum=False)
    assert checkpoint.load(tmp_path, module, optimizer, schedule, SAME) is None
    assert "another network" in caplog.text


def test_it_is_one_file_of_tensors_and_json(tmp_path):
    checkpoint.save(tmp_path, *parts(), {}, SAME)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.safetensors"]
    with safe_open(str(tmp_path / "checkpoint.safetensors"), framework="pt") as stored:
        assert json.loads(stored.metadata()["checkpoint"])["recipe"] == SAME["recipe"]


def test_a_failed_write_leaves_the_last_one_whole(tmp_path, monkeypatch):
    checkpoint.save(tmp_path, *parts(), {}, SAME)
    before = (tmp_path / "checkpoint.safetensors").read_bytes()

    def fails(*_, **__):
        raise OSError("No space left on device")

    monkeypatch.setattr(checkpoint, "save_file", fails)
    with pytest.raises(OSError, match="No space"):
        checkpoint.save(tmp_path, *parts(seed=1), {}, SAME)
    assert (tmp_path / "checkpoint.safetensors").read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1
