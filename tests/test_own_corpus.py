"""Photos of one's own, labels that nothing can learn, no weights but those of the installation: the study ends all the same."""

from __future__ import annotations

import numpy as np
import pandas as pd
from PIL import Image

from tagging_lib.workflow import notebooks

LABELS = ("someone there", "été", "a & b")


def draw(folder, photos=60):
    random = np.random.default_rng(5)
    folder.mkdir()
    lines = ["photo,labels"]
    for number in range(photos):
        pixels = random.integers(0, 256, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((40 + number % 7, 36)).save(folder / f"foto {number}.png")
        lines.append(f"foto {number}.png,{';'.join(label for label in LABELS if random.random() < 0.4)}")
    (folder / "photos.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def test_all_seven_notebooks_finish_with_the_weights_that_come_with_the_installation(tmp_path, monkeypatch):
    corpus = draw(tmp_path / "mine")
    monkeypatch.chdir(tmp_path)
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # nobody listens there
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    notebooks.run_notebooks({"CORPUS": str(corpus), "PROFILE": "cpu", "TEST_PHOTOS": str(corpus), "DEVICE": "cpu"})
    tables = tmp_path / "outputs" / "work" / "tables"
    finished = set(pd.read_csv(tables / "05_every_row.csv").row.dropna())
    assert finished == {"constant", "lite0_head", "lite0_head_224", "lite2_head_224"}
    left_out = pd.read_csv(tables / "03_left_out.csv")
    assert len(left_out) > 10 and left_out.reason.str.contains("cannot be downloaded").any()
    predicted = pd.read_csv(tmp_path / "outputs" / "final" / "predictions.csv")
    assert list(predicted.columns) == ["photo", "labels", *sorted(LABELS)] and len(predicted) == 60
