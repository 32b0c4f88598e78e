"""Small things that several tests need: a tiny corpus on disk, and the real files when they are at hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

SHARED = Path(__file__).resolve().parents[2] / "shared"


LONG = ("test_torture", "test_own_corpus", "test_benchmarks", "test_ranks", "test_cluster")  # minutes each


def pytest_collection_modifyitems(items):
    """The longest files come first, so that with several processes none of them is what all others wait for."""
    items.sort(key=lambda item: item.path.stem not in LONG)


def pytest_runtest_setup(item):
    """Tests marked `cuda` are skipped where torch finds no CUDA device."""
    if item.get_closest_marker("cuda"):
        import torch

        if not torch.cuda.is_available():
            pytest.skip("torch finds no CUDA device")


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    import torch

    torch.set_num_threads(1)


def processor(monkeypatch, *, units: bool):
    """Let this machine's CPU have units for bfloat16, or none."""
    import torch

    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: units)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)


@pytest.fixture
def float32(monkeypatch):
    """Every layer in float32 on any machine, for tests that compare values more closely than bfloat16 can hold."""
    processor(monkeypatch, units=False)


def draw_corpus(folder: Path, photos: int = 60, labels: tuple[str, ...] = ("blue", "green", "red"), side: int = 32):
    """A folder corpus in which each label brightens one colour channel, with one photo in five unlabelled."""
    random = np.random.default_rng(7)
    (folder / "images").mkdir(parents=True)
    (folder / "annotations").mkdir()
    members: dict[str, list[int]] = {label: [] for label in labels}
    for number in range(1, photos + 1):
        image = random.integers(0, 70, (side, side, 3), dtype=np.uint8)
        for channel, label in enumerate(labels):
            if number % 5 and random.random() < 0.4:
                image[..., channel % 3] += 150
                members[label].append(number)
        Image.fromarray(image).save(folder / "images" / f"im{number}.png")
    for label, numbers in members.items():
        (folder / "annotations" / f"{label}.txt").write_text("".join(f"{number}\n" for number in numbers))
    return folder


@pytest.fixture
def tiny_corpus(tmp_path):
    return draw_corpus(tmp_path / "tiny")


@pytest.fixture
def corpus_with_intervals(tmp_path):
    """Large enough that the scores of its test part have an interval."""
    return draw_corpus(tmp_path / "tiny", photos=300)


@pytest.fixture
def reference_predictions():
    folder = SHARED / "reference" / "predictions"
    if not folder.exists():
        pytest.skip(f"{folder} is not at hand: the original's predictions are not part of the project")
    return folder


def trained_row(study, name: str, seed: int | None = None):
    """The row's result; it is trained where it is not finished."""
    from tagging_lib.runs.run import run

    return run(study.row(name, seed), study.setting)
