"""Figures of one run from its folder alone."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zlib

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tagging_lib import files
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


def media_box(path):
    """Width and height of a PDF's first page, in mm."""
    found = re.search(rb"/MediaBox \[ 0 0 ([\d.]+) ([\d.]+) \]", path.read_bytes())
    return [float(number) / 72 * 25.4 for number in found.groups()]


@pytest.mark.parametrize("width", [85.0, 180.0])
def test_pdf_has_the_width_of_a_column_with_readable_letters_in_fonts_of_its_own(run, tmp_path, width):
    written = export.export_figures(run.folder, tmp_path / "out", ["pdf", "png", "svg"], width)
    assert len(written) == 12 and min(one.letters for one in written) >= export.SMALLEST_LETTERS
    for one in written:
        if one.path.suffix == ".pdf":
            assert media_box(one.path)[0] == pytest.approx(width, abs=0.01)
            content = one.path.read_bytes()
            assert b"/FontFile2" in content and b"/Type3" not in content, "fonts are embedded as TrueType"
        elif one.path.suffix == ".png":
            with Image.open(one.path) as picture:
                assert picture.width / 300 * 25.4 == pytest.approx(width, abs=0.2)
        else:
            size = re.search(r'<svg [^>]*?width="([\d.]+)pt"', one.path.read_text(), re.DOTALL)
            assert float(size[1]) / 72 * 25.4 == pytest.approx(width, abs=0.2)


def test_letters_are_as_large_as_is_said(run, tmp_path):
    """The page is scaled by one matrix; what the figure calls 9 points is 9 times that many."""
    (one,) = [w for w in export.export_figures(run.folder, tmp_path, ["pdf"], 85.0) if "confusion" in w.path.name]
    stream = re.search(rb"FlateDecode[^>]*>>\s*stream\r?\n(.*?)\r?\nendstream", one.path.read_bytes(), re.DOTALL)
    content = zlib.decompress(stream[1])
    scale = float(re.search(rb"([\d.]+) 0 0 [\d.]+ 0 0 cm", content)[1])
    sizes = {float(size) for size in re.findall(rb"/F\S+ ([\d.]+) Tf", content)}
    assert min(sizes) * scale == pytest.approx(one.letters, abs=0.01) and one.letters >= 6


def a_report(run, outputs):
    """What a study leaves of its best row and of one table, and a figure that is a picture alone."""
    work = outputs / "work"
    (work / "figures").mkdir(parents=True, exist_ok=True)
    (work / "tables").mkdir(exist_ok=True)
    for name in ("06_confusion", "02_forest", "06_gallery"):
        Image.new("RGB", (1425, 300), "red").save(work / "figures" / f"{name}.png")
        (work / "figures" / f"{name}.svg").write_text('<?xml?><svg height="100pt" width="684pt" viewBox="0 0 684 100"><g/></svg>')
    scores = {"row": ["constant", "ffn1"], "title": ["Constant answer", "FFN"], "micro_f1": [0.3, 0.6], "letters": ["a", None]}
    pd.DataFrame(scores | {"low": [0.2, 0.5], "high": [0.4, 0.7]}).to_csv(work / "tables" / "02_headline.csv", index=False)
    pd.DataFrame({"row": ["ffn1"]}).to_csv(work / "tables" / "05_chosen.csv", index=False)
    files.write_json(work / "thresholds.json", {"rows": {"ffn1": {"key": run.key, "threshold": 0.5}}})


def test_figures_of_the_report_are_drawn_anew_where_their_numbers_are_kept(run, tmp_path):
    a_report(run, tmp_path / "outputs")
    asked = ["--figure", "06_confusion", "--figure", "02_forest", "--format", "svg", "--format", "pdf", "--width", "85"]
    shown = tagging("export-figures", *asked, cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    folder = tmp_path / "outputs" / "figures"
    assert {path.name for path in folder.iterdir()} == {f"{n}.{k}" for n in ("06_confusion", "02_forest") for k in ("svg", "pdf")}
    counts = [text for text in re.findall("<!-- (.*?) -->", (folder / "06_confusion.svg").read_text()) if text.isdigit()]
    cells = metrics.unlabelled_confusion(run.setting.truth("test"), run.predictions("test"))
    assert counts[-4:] == [str(cells[cell]) for cell in ("tn", "fp", "fn", "tp")]
    forest = (folder / "02_forest.svg").read_text()
    assert "0.600  [0.500, 0.700]" in forest and "nan" not in forest
    assert "smallest letters are 3.2 pt high: --width 161 gives 6" in shown.stderr, "rows' names take a page"


def test_a_figure_without_numbers_is_the_report_s_picture_at_that_width(run, tmp_path):
    a_report(run, tmp_path / "outputs")
    written = export.export_named("06_gallery", tmp_path / "outputs", tmp_path / "out", ["png", "svg", "pdf"], 180.0)
    png, svg, pdf = (one.path for one in written)
    with Image.open(png) as picture:
        assert picture.size == (1425, 300) and picture.info["dpi"][0] == pytest.approx(1425 / 180 * 25.4, rel=0.01)
        assert picture.getpixel((5, 5)) == (255, 0, 0)
    assert 'viewBox="0 0 684 100"' in svg.read_text()
    assert float(re.search(r'width="([\d.]+)pt"', svg.read_text())[1]) == pytest.approx(180 / 25.4 * 72, rel=1e-4)
    assert float(re.search(rb"/MediaBox \[ 0 0 ([\d.]+)", pdf.read_bytes())[1]) == pytest.approx(180 / 25.4 * 72, rel=0.01)


def test_wrong_names_and_formats_are_told_with_what_there_is(run, tmp_path):
    a_report(run, tmp_path / "outputs")
    for asked, told in (
        (["--figure", "06_nothing"], "06_nothing: choose one of 02_forest, 06_confusion, 06_gallery"),
        (["ffn1", "--format", "eps"], "'eps': choose png, svg, pdf"),
        ([], "either a run or, with --figure"),
        (["ffn1", "--figure", "06_confusion"], "either a run or, with --figure"),
    ):
        shown = tagging("export-figures", *asked, cwd=tmp_path)
        assert shown.returncode == 2 and told in shown.stderr and len(shown.stderr.strip().splitlines()) == 1
    with pytest.raises(TaggingError, match=r"run \./run_all\.sh first"):
        export.export_named("06_confusion", tmp_path / "absent", tmp_path)
