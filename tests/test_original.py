"""The original, recomputed: from made-up files, from the real ones where they are at hand, and as a page of the report."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

from tagging_lib import files
from tagging_lib.errors import TaggingError
from tagging_lib.evaluation import metrics, uncertainty
from tagging_lib.report import original
from tagging_lib.report.pages import original_page
from tagging_lib.runs.original import ORIGINAL
from tagging_lib.workflow import publish
from tests.test_render import code as cell
from tests.test_render import finish, picture


def draw(folder, *names, photos: int = 80, shuffle: bool = False):
    """Pairs of files in which each row knows the truth but for one answer in ten."""
    random = np.random.default_rng(0)
    folder.mkdir(exist_ok=True)
    truth = (random.random((photos, 14)) < 0.3).astype(np.uint8)
    for name in names:
        given = np.where(random.random(truth.shape) < 0.9, truth, 1 - truth).astype(np.uint8)
        order = random.permutation(photos) if shuffle else np.arange(photos)
        metrics.write_savetxt(folder / f"{name}.truth.txt", truth[order])
        metrics.write_savetxt(folder / f"{name}.pred.txt", given[order])
    return folder


def test_rows_are_read_in_the_order_of_the_study(tmp_path):
    found = original.read(draw(tmp_path / "p", "my_own", "resnet152", "ffn1"))
    assert [row.name for row in found] == ["ffn1", "resnet152", "my_own"]
    assert [row.title for row in found] == ["Feed forward, 1 layer", "ResNet-152", "my_own"]


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (lambda folder: [path.unlink() for path in folder.iterdir()], "holds no"),
        (lambda folder: (folder / "ffn1.pred.txt").unlink(), "ffn1.pred.txt"),
        (lambda folder: (folder / "ffn1.pred.txt").write_text("0 1\n1 0\n"), r"\(2, 2\)"),
        (lambda folder: (folder / "ffn1.truth.txt").write_text("0.5 1\n"), "0 and 1"),
    ],
)
def test_what_is_no_folder_of_predictions_is_named(tmp_path, spoil, named):
    folder = draw(tmp_path / "p", "ffn1")
    spoil(folder)
    with pytest.raises(TaggingError, match=named):
        original.read(folder)


def test_scores_say_whether_they_agree_with_the_printed_ones(tmp_path):
    answered = original.read(draw(tmp_path / "p", "ffn1", "my_own"))
    table = original.scores(answered).set_index("row")
    assert table.agrees.to_dict() == {"ffn1": "no", "my_own": "", "constant": ""}
    expected = metrics.score(answered[0].targets, answered[0].predictions)
    assert table.loc["ffn1", ["f1", "precision", "recall"]].tolist() == [
        expected[f"micro_{n}"] for n in ("f1", "precision", "recall")
    ]
    assert (table.low < table.micro_f1).all() and (table.micro_f1 < table.high).all()


def test_truth_and_answers_exchanged_would_be_noticed(reference_predictions, tmp_path):
    """The original's files carried each other's names: precision and recall trade places, and F1 does not show it."""
    for kind, other in (("truth", "pred"), ("pred", "truth")):
        content = (reference_predictions / f"resnet152.{kind}.txt").read_bytes()
        (tmp_path / f"resnet152.{other}.txt").write_bytes(content)
    line = original.scores(original.read(tmp_path)).iloc[0]
    assert line.f1 == pytest.approx(line.printed_f1, abs=5e-4) and line.agrees == "no"


class TestAligned:
    def test_equal_files_keep_their_order(self):
        truth = np.zeros((5, 3), dtype=np.uint8)  # any order would do, and only one is right
        assert original.aligned(truth, truth.copy()).tolist() == [0, 1, 2, 3, 4]

    def test_shuffled_files_are_brought_to_equal_truth_each_photo_once(self):
        random = np.random.default_rng(1)
        first = (random.random((200, 4)) < 0.3).astype(np.uint8)
        second = first[random.permutation(200)]
        order = original.aligned(first, second)
        np.testing.assert_array_equal(second[order], first)
        assert sorted(order) == list(range(200))

    def test_chance_pairs_photos_with_the_same_labels(self):
        first, second = np.zeros((50, 2), dtype=np.uint8), np.zeros((50, 2), dtype=np.uint8)
        first[0], second[-1] = 1, 1
        orders = [original.aligned(first, second, seed).tolist() for seed in (0, 1)]
        assert orders[0] != orders[1] and orders[0][0] == orders[1][0] == 49

    def test_other_photos_cannot_be_paired(self):
        truth = np.eye(3, dtype=np.uint8)
        assert original.aligned(truth, truth[:2]) is None
        assert original.aligned(truth, np.ones_like(truth)) is None


def test_differences_on_files_in_one_order_are_those_of_paired_photos(tmp_path):
    first, second = original.read(draw(tmp_path / "p", "resnet34", "resnet50"))
    line = original.differences([first, second]).iloc[0]
    expected = uncertainty.paired_difference(first.targets, first.predictions, second.predictions)
    assert line[["difference", "low", "high", "p"]].tolist() == list(expected.values())


def test_pairs_of_other_photos_are_left_out(tmp_path):
    one = original.read(draw(tmp_path / "p", "resnet34"))[0]
    other = original.Answered("resnet50", 1 - one.targets, one.predictions)
    assert original.differences([one, other]).empty


def test_the_printed_numbers_are_the_reports(reference_predictions):
    """As they stand in the report's text, where spaces and line breaks come as they may."""
    report = (reference_predictions.parent / "report.txt").read_text(encoding="utf-8")
    words = report.split()
    flat = " ".join(words)
    for number, (precision, recall, f1, support) in enumerate(original.PRINTED.values()):
        assert f"{number} {precision:.2f} {recall:.2f} {f1:.2f} {support}" in flat, number
    for average, values in original.PRINTED_AVERAGES.items():
        assert f"{average} avg {' '.join(f'{value:.2f}' for value in values)}" in flat
    assert "river (0.33), sea (0.54) and baby (0.65)" in flat
    assert "(precision 0.70, recall 0.43)" in flat
    assert "people (0.88) was much higher than for female (0.75) and male (0.67)" in flat
    assert list(original.PRINTED) == sorted(original.PRINTED) == list(original.LABELS)


@pytest.fixture(scope="module")
def recomputed(tmp_path_factory):
    from tests.conftest import SHARED

    folder = SHARED / "reference" / "predictions"
    if not folder.exists():
        pytest.skip(f"{folder} is not at hand: the original's predictions are not part of the project")
    outputs = tmp_path_factory.mktemp("outputs")
    original.write(folder, outputs)
    return outputs


def table(outputs, name) -> pd.DataFrame:
    return pd.read_csv(outputs / "work" / "tables" / f"original_{name}.csv")


def test_every_printed_number_comes_out(recomputed):
    found = table(recomputed, "rows").set_index("row")
    assert found.agrees.drop("constant").eq("yes").all() and len(found) == 5
    assert found.micro_f1["constant"] == pytest.approx(0.316, abs=5e-4)
    assert table(recomputed, "labels").agrees.eq("yes").all()
    averages = table(recomputed, "averages")
    for name in ("precision", "recall", "f1"):
        np.testing.assert_allclose(averages[name], averages[f"printed_{name}"], atol=0.0050001)
    line = table(recomputed, "unlabelled").set_index("row").loc["ResNet-152"]
    assert line.tolist() == [1724, 261, 349, 1666]


def test_the_interval_of_the_best_row_is_the_one_that_the_study_names(recomputed):
    best = table(recomputed, "rows").set_index("row").loc["resnet152"]
    assert (best.low, best.high) == pytest.approx((0.746, 0.770), abs=0.0015)


def test_only_the_two_best_rows_are_not_told_apart(recomputed):
    found = table(recomputed, "differences")
    assert len(found) == 6
    alike = found[found.verdict == "indistinguishable"]
    assert alike[["row", "against"]].values.tolist() == [["ResNet-152", "ResNet-50, no augmentation"]]


def test_how_chance_pairs_the_photos_does_not_decide(recomputed, reference_predictions):
    answered = {row.name: row for row in original.read(reference_predictions)}
    one, other = answered["resnet152"], answered["resnet50_noaug"]
    found = []
    for seed in range(4):
        order = original.aligned(one.targets, other.targets, seed)
        found.append(uncertainty.paired_p(one.targets, one.predictions, other.predictions[order], resamples=2000))
    assert min(found) > 0.1


def test_the_text_of_the_report_contradicts_its_table(recomputed):
    words = table(recomputed, "words")
    assert ((words.in_text - words.in_table).abs() > 0.02).all() and len(words) == 8
    assert ((words.computed - words.in_table).abs() < 0.0051).all()


def test_the_page_is_in_the_report_only_when_it_was_made(recomputed, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    outputs = tmp_path / "outputs"
    finish(outputs, "01_first", cell("x = 1", picture()))
    index = publish.build_report(outputs)
    assert not (index.parent / original_page.FILE).exists()
    assert "original.html" not in index.read_text(encoding="utf-8")
    import shutil

    shutil.copytree(recomputed / "work", outputs / "work", dirs_exist_ok=True)
    index = publish.build_report(outputs)
    assert 'href="original.html"' in index.read_text(encoding="utf-8")
    assert 'href="original.html"' in (index.parent / "01_first.html").read_text(encoding="utf-8")
    page = (index.parent / original_page.FILE).read_text(encoding="utf-8")
    assert "0.759 [0.747, 0.770]" in page and "indistinguishable" in page
    for kind, name in re.findall(r'(?:href|src)="(figures|tables)/([^"]+)"', page):
        assert (index.parent / kind / name).is_file(), name
    assert "<script" not in page and "data:image" not in page
    manifest = files.read_json(index.parent / "manifest.json")
    assert "tables/original_rows.csv" in manifest["files"] and "figures/original_forest.png" in manifest["files"]


def test_the_page_can_be_published(recomputed):
    """Numbers only: no photo, no line of a prediction file, no path of the machine it was made on."""
    text = (recomputed / "work" / "original.json").read_text(encoding="utf-8")
    assert "/reference/" not in text and str(recomputed) not in text
    assert not re.search(r"(?:[01] ){13}[01]", text)


def test_a_row_that_the_report_does_not_print_needs_no_detail(tmp_path):
    path = original.write(draw(tmp_path / "p", "my_own", shuffle=True), tmp_path / "outputs")
    content = files.read_json(path)
    shown = {block["name"] for block in content["blocks"] if "name" in block}
    assert "original_labels" not in shown and "original_rows" in shown
    assert all((tmp_path / "outputs" / name).is_file() for name in content["files"])


def test_shuffled_files_are_said_to_be_so(tmp_path):
    said = []
    for shuffle in (False, True):
        folder = draw(tmp_path / str(shuffle), "resnet34", "resnet50", shuffle=shuffle)
        content = files.read_json(original.write(folder, tmp_path / f"out-{shuffle}"))
        said.append("line 1 of two files is not one photo" in " ".join(b.get("text", "") for b in content["blocks"]))
    assert said == [False, True]


def test_a_damaged_content_is_an_error_that_names_the_command(tmp_path):
    (tmp_path / "work").mkdir()
    files.write_json(tmp_path / "work" / "original.json", {"other": 1})
    with pytest.raises(TaggingError, match="tagging original"):
        original_page.read(tmp_path)
    assert original_page.read(tmp_path / "elsewhere") is None


def test_names_of_the_printed_rows_are_the_studys():
    assert original.DETAILED in ORIGINAL


def test_the_command_writes_the_content_and_a_mistake_is_one_line(tmp_path):
    import subprocess
    import sys

    draw(tmp_path / "p", "ffn1")
    for folder, code in (("p", 0), ("nowhere", 2)):
        done = subprocess.run(
            [sys.executable, "-m", "tagging_lib.cli", "original", folder, "--outputs", "out"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
        assert done.returncode == code, done.stderr
        said = done.stdout if code == 0 else done.stderr
        assert len(said.strip().splitlines()) == 1 and ("original.json" in said if code == 0 else "nowhere" in said)
    assert (tmp_path / "out" / "work" / "original.json").is_file()
