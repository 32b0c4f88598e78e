"""Three lines of Python: what they give is what the row answered, and what is wrong is said."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import tagging_lib
from tagging_lib.inference import folder
from tagging_lib.study.opening import open_study
from tests.conftest import trained_row


@pytest.fixture
def opened(tiny_corpus, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return open_study(CORPUS=str(tiny_corpus), PROFILE="quick", DEVICE="cpu")


def test_three_lines_give_what_the_row_answered(opened, float32):
    result = trained_row(opened, "lite0_head")
    model = tagging_lib.load("lite0_head", device="cpu")
    paths = [opened.corpus.path(index) for index in opened.indices("test")]
    table = model.predict(paths)
    assert list(table.columns) == ["photo", "labels", *opened.labels] == ["photo", "labels", *model.labels]
    np.testing.assert_allclose(table[list(model.labels)].to_numpy(), result.probabilities("test"), atol=1e-4)
    assert table.photo.tolist() == [str(path) for path in paths]
    expected = result.predictions("test").astype(bool)
    names = [";".join(label for label, given in zip(opened.labels, row, strict=True) if given) for row in expected]
    assert table.labels.tolist() == names and model.threshold == result.threshold
    assert [";".join(tags) for tags in table.attrs["tags"]] == names
    # From last to first, one of them as text, and twice.
    again = model.predict([str(paths[3]), paths[0], paths[3]])
    np.testing.assert_allclose(again.iloc[:, 2:].to_numpy(float), table.iloc[[3, 0, 3], 2:].to_numpy(float), atol=1e-6)
    assert model.predict(paths, threshold=1.0).labels.eq("").all()


def test_a_folder_one_photo_and_none(opened):
    trained_row(opened, "ffn1")
    model = tagging_lib.load(opened.result("ffn1").folder)
    of_folder = model.predict(opened.corpus.root / "images")
    assert len(of_folder) == 60 and of_folder.photo[0] == "im1.png" and of_folder.photo[10] == "im11.png"
    of_one = model.predict(opened.corpus.root / "images" / "im11.png")
    np.testing.assert_allclose(of_one.iloc[:, 2:].to_numpy(float), of_folder.iloc[[10], 2:].to_numpy(float), atol=1e-6)
    nothing = model.predict([])
    assert len(nothing) == 0 and list(nothing.columns) == list(of_folder.columns)


def test_the_network_is_loaded_once(opened, monkeypatch):
    trained_row(opened, "ffn1")
    model = tagging_lib.load("ffn1")
    monkeypatch.setattr(folder, "load", lambda *_: pytest.fail("loaded again"))
    for _ in range(2):
        model.predict([opened.corpus.path(0)])


def test_mistakes_are_told_with_the_name_of_what_is_wrong(opened, tmp_path):
    trained_row(opened, "ffn1")
    model, good = tagging_lib.load("ffn1"), opened.corpus.path(0)
    (tmp_path / "torn.jpg").write_bytes(b"\xff\xd8\xff" + bytes(50))
    cases = {
        r"torn\.jpg": [good, tmp_path / "torn.jpg"],
        r"gone\.jpg does not exist": [good, "gone.jpg"],
        "is no file": [good, tmp_path],
        "holds no photos": opened.outputs / "runs",
    }
    for told, photos in cases.items():
        with pytest.raises(tagging_lib.TaggingError, match=told):
            model.predict(photos)
    with pytest.raises(tagging_lib.TaggingError, match=r"threshold is 1\.5"):
        model.predict([good], threshold=1.5)
    with pytest.raises(tagging_lib.TaggingError, match="nowhere"):
        tagging_lib.load("nowhere")


def test_the_public_names_cost_nothing_until_they_are_asked_for():
    heavy = ("torch", "numpy", "pandas", "timm", "typer", "PIL")
    code = (
        f"import sys, tagging_lib\nprint([name for name in {heavy} if name in sys.modules], tagging_lib.TaggingError.__name__)\n"
        f"from tagging_lib import *\nprint(load.__module__, open_study.__module__, {heavy[0]!r} in sys.modules)"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.splitlines() == ["[] TaggingError", "tagging_lib.inference.model tagging_lib.study.opening True"]


def test_every_public_name_is_there_and_explained():
    assert set(tagging_lib.__all__) <= set(dir(tagging_lib))
    for name in tagging_lib.__all__:
        assert getattr(tagging_lib, name) is not None and name in str(tagging_lib.__doc__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        tagging_lib.nothing  # noqa: B018
