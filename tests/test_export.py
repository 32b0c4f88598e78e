"""Figures of one run from its folder alone."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from tagging_lib.errors import TaggingError
from tagging_lib.evaluation import metrics
from tagging_lib.report import export
from tagging_lib.runs import kept
from tagging_lib.study.opening import open_study
from tests.conftest import trained_row


def tagging(*arguments, cwd):
    return subprocess.run([sys.executable, "-m", "tagging_lib.cli", *arguments], cwd=cwd, capture_output=True, text=True)


@pytest.fixture
def run(tiny_corpus, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    opened = open_study(CORPUS=str(tiny_corpus), PROFILE="quick", DEVICE="cpu")
    return trained_row(opened, "ffn1")


def test_a_row_s_figures_are_written_and_say_what_its_predictions_say(run, tmp_path):
    shown = tagging("export-figures", "ffn1", cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    paths = [tmp_path / line for line in shown.stdout.split()]
    names = {f"ffn1_{name}.{kind}" for name in ("confusion", "thresholds", "per_label", "reliability") for kind in ("png", "svg")}
    assert {path.name for path in paths} == names and {path.parent for path in paths} == {run.folder / "figures"}
    for path in paths:
        if path.suffix == ".png":
            assert np.asarray(Image.open(path).convert("L")).std() > 1
    # Matplotlib keeps what it draws as outlines as a comment beside them.
    curves, confusion = (
        re.findall("<!-- (.*?) -->", (run.folder / "figures" / f"ffn1_{name}.svg").read_text())
        for name in ("thresholds", "confusion")
    )
    assert any(text.startswith(f"Threshold {run.threshold:.2f} gives F1") for text in curves)
    cells = [
        metrics.unlabelled_confusion(run.setting.truth("test"), run.predictions("test"))[cell]
        for cell in ("tn", "fp", "fn", "tp")
    ]
    counts = [text for text in confusion if text.isdigit()]
    assert counts[-4:] == [str(count) for count in cells]


def test_a_folder_can_be_given_and_figures_can_go_elsewhere_without_the_corpus(run, tmp_path):
    moved = tmp_path / "moved"
    shutil.copytree(run.folder, moved)
    shutil.rmtree(tmp_path / "outputs")
    shutil.rmtree(tmp_path / "tiny")
    written = export.export_figures(kept.run_folder(moved, tmp_path / "outputs"), tmp_path / "elsewhere")
    paths = [one.path for one in written]
    assert len(paths) == 8 and all(path.parent == tmp_path / "elsewhere" and path.stat().st_size for path in paths)


def test_the_latest_of_several_runs_of_a_row_is_taken(tmp_path):
    for age, key in enumerate(("new", "old")):
        folder = tmp_path / "runs" / "ffn1" / key
        folder.mkdir(parents=True)
        (folder / "result.json").write_text("{}")
        (folder / "truth.npz").touch()
        os.utime(folder / "result.json", (1000 - age, 1000 - age))
    assert kept.run_folder("ffn1", tmp_path).name == "new"


def test_mistakes_are_told_in_one_line(run, tmp_path):
    with pytest.raises(TaggingError, match=r"nothing is neither .* ffn1$"):
        kept.run_folder("nothing", tmp_path / "outputs")
    with pytest.raises(TaggingError, match="tagging train"):
        kept.run_folder("ffn1", tmp_path / "absent")
    shown = tagging("export-figures", "nothing", cwd=tmp_path)
    assert shown.returncode == 2 and len(shown.stderr.strip().splitlines()) == 1
    (run.folder / "truth.npz").write_bytes(b"damaged")
    with pytest.raises(TaggingError, match=r"the checksum of truth\.npz differs"):
        export.export_figures(run.folder)
