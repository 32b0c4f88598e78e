"""Model folders: a run's folder and the final model's answer as the row itself did."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors.torch import save_file
from typer.testing import CliRunner

from tagging_lib import cli, files
from tagging_lib.data.corpus import open_photos
from tagging_lib.data.metadata.keywords import read_keywords
from tagging_lib.errors import TaggingError
from tagging_lib.evaluation import thresholds
from tagging_lib.inference import folder, predict
from tagging_lib.models import zoo
from tagging_lib.study.opening import open_study
from tests.conftest import trained_row


@pytest.fixture
def opened(tiny_corpus, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return open_study(CORPUS=str(tiny_corpus), PROFILE="quick", DEVICE="cpu")


@pytest.mark.parametrize("name", ["ffn1", "lite0_head", "mobilenetv1_stage_224"])
def test_the_folder_of_a_run_tags_the_test_photos_as_the_row_did(opened, name):
    result = trained_row(opened, name)
    photos = open_photos(opened.corpus.root / "images")
    found, described = predict.probabilities(result.folder, photos)
    np.testing.assert_allclose(found[opened.indices("test")], result.probabilities("test"), atol=2e-3)
    assert described["labels"] == list(opened.labels) and described["threshold"] == result.threshold


def test_the_command_takes_a_row_by_name(opened):
    result = trained_row(opened, "ffn1")
    photos = str(opened.corpus.root / "images")
    shown = CliRunner().invoke(cli.app, ["predict", "ffn1", photos, "--out", "tagged", "--device", "cpu"])
    assert shown.exit_code == 0, shown.output
    given = np.loadtxt("tagged/predictions.txt", dtype=int)
    np.testing.assert_array_equal(given[opened.indices("test")], result.predictions("test"))


def test_two_folders_of_one_name_get_predictions_of_their_own(opened, tmp_path):
    trained_row(opened, "ffn1")
    for place, numbers in (("2004", (1, 2)), ("2006", (3, 4, 5))):
        (tmp_path / place / "trip").mkdir(parents=True)
        for number in numbers:
            photo = (opened.corpus.root / "images" / f"im{number}.png").read_bytes()
            (tmp_path / place / "trip" / f"im{number}.png").write_bytes(photo)
    asked = ["predict", "ffn1", "2004/trip", "2006/trip", "--out", "tagged", "--device", "cpu"]
    shown = CliRunner().invoke(cli.app, asked)
    assert shown.exit_code == 0, shown.output
    counts = [len(np.loadtxt(f"tagged/{name}/predictions.txt", dtype=int, ndmin=2)) for name in ("trip", "trip-2")]
    assert counts == [2, 3]


def test_labels_made_of_the_written_probabilities_are_the_written_labels(opened, tmp_path):
    labels = list(opened.labels)
    threshold = float(np.float32(0.30000001))
    found = np.array([[np.nextafter(np.float32(threshold), 0), np.float32(threshold), 1]], dtype=np.float32)
    photos = open_photos(opened.corpus.root / "images")
    one = type(photos)(photos.name, photos.root, (), photos.photos[:1], photos.numbers[:1], photos.targets[:1])
    described = {"labels": labels, "threshold": threshold, "sha256": ""}
    predict.write(predict.tagged(one, found, described), described, tmp_path / "out")
    read = pd.read_csv(tmp_path / "out" / "predictions.csv")
    made = (read[labels].to_numpy(dtype=np.float32) >= np.float32(threshold)).astype(int)
    assert made.tolist() == [[0, 1, 1]] == np.loadtxt(tmp_path / "out" / "predictions.txt", dtype=int, ndmin=2).tolist()


@pytest.mark.parametrize("damage", ["model.safetensors", "result.json"])
def test_a_damaged_folder_is_named(opened, damage):
    result = trained_row(opened, "ffn1")
    path = result.folder / damage
    path.write_bytes(path.read_bytes()[:-9] + b"damaged!}")
    with pytest.raises(TaggingError, match=str(result.folder)):
        folder.load(result.folder)


def test_other_pretrained_weights_than_those_of_the_training_are_refused(tiny_corpus, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    weights = tmp_path / "weights" / "resnet34.safetensors"
    weights.parent.mkdir()
    for seed in (1, 2):
        state = zoo.build("resnet34", 1, seed=seed).backbone.state_dict()
        save_file({name: tensor.contiguous() for name, tensor in state.items()}, str(weights))
        if seed == 1:
            study = open_study(CORPUS=str(tiny_corpus), PROFILE="cpu", DEVICE="cpu", WEIGHTS=str(weights.parent))
            (result,) = study.run(["resnet34_head"])
            folder.load(result.folder)
    with pytest.raises(TaggingError, match="pretrained weights are others than those that it was trained on"):
        folder.load(result.folder)


def test_a_row_without_a_network_is_no_model(opened):
    with pytest.raises(TaggingError, match=r"model\.safetensors is missing"):
        folder.load(trained_row(opened, "constant").folder)


def test_tags_go_beside_the_photos_and_a_second_run_changes_nothing(opened, tmp_path):
    trained_row(opened, "ffn1")
    copies = tmp_path / "copies"
    shutil.copytree(opened.corpus.root / "images", copies)
    before = {path.name: path.read_bytes() for path in copies.iterdir()}
    command = ["predict", "ffn1", str(copies), "--out", "tagged", "--device", "cpu", "--xmp", "--prefix", "auto"]
    dry = CliRunner().invoke(cli.app, [*command, "--dry-run"])
    assert dry.exit_code == 0 and "files would change" in dry.output and not list(copies.glob("*.xmp"))
    first = CliRunner().invoke(cli.app, command)
    assert first.exit_code == 0, first.output
    table = pd.read_csv("tagged/predictions.csv").fillna("")
    for line in table.itertuples():
        given = read_keywords(copies / line.photo).keywords
        assert sorted(given) == sorted(filter(None, line.labels.split(";")))
    assert {path.name: path.read_bytes() for path in copies.iterdir() if path.suffix != ".xmp"} == before
    second = CliRunner().invoke(cli.app, command)
    assert f"xmp: 0 of {len(table)} files written" in second.output
    cut = min(copies.glob("*.xmp"))
    cut.write_bytes(cut.read_bytes()[:-90])
    refused = CliRunner().invoke(cli.app, command)
    assert refused.exit_code and cut.name in str(refused.exception)
    skipped = CliRunner().invoke(cli.app, [*command, "--skip-broken"])
    assert skipped.exit_code == 0 and f"xmp: 0 of {len(table) - 1} files written" in skipped.output
    assert "xmp: 1 files are passed over" in skipped.output and cut.name in skipped.output


def test_a_threshold_of_ones_own_and_one_that_is_none(opened):
    trained_row(opened, "ffn1")
    photos = str(opened.corpus.root / "images")
    shown = CliRunner().invoke(cli.app, ["predict", "ffn1", photos, "--out", "t", "--device", "cpu", "--threshold", "1.0"])
    assert shown.exit_code == 0 and not np.loadtxt("t/predictions.txt").any()
    with pytest.raises(TaggingError, match=r"threshold is 1\.5"):
        predict.predict_photos(opened.result("ffn1").folder, open_photos(photos), outputs=Path("t"), threshold=1.5)


def test_whatever_names_a_model_finds_its_folder(opened, tmp_path):
    result = trained_row(opened, "ffn1")
    names = ["ffn1", result.folder, str(result.folder), result.folder.parent, "outputs/runs/ffn1"]
    assert [folder.find(name).resolve() for name in names] == [result.folder] * len(names)
    (tmp_path / "outputs" / "final").mkdir()
    files.write_json(tmp_path / "outputs" / "final" / "model.json", {})
    assert folder.find("final") == folder.find("outputs/final") == Path("outputs/final")
    (tmp_path / "other" / "final").mkdir(parents=True)
    with pytest.raises(TaggingError, match="holds neither"):
        folder.find("other/final")
    with pytest.raises(TaggingError, match=r"nothing is neither .* ffn1$"):
        folder.find("nothing", Path("outputs"))


def test_the_frozen_part_of_random_weights_is_drawn_again_as_it_was(opened):
    """A rehearsal's backbone comes from the row's seed, and its folder holds the head alone."""
    result = trained_row(opened, "densenet169_head")
    photos = open_photos(opened.corpus.root / "images")
    found, _ = predict.probabilities(result.folder, photos)
    np.testing.assert_allclose(found[opened.indices("test")], result.probabilities("test"), atol=2e-3)


def test_labels_by_a_promised_precision_from_the_command(opened):
    """The thresholds come from the row's own validation photos, and `--min-photos` from its training photos."""
    result = trained_row(opened, "ffn1")
    photos = str(opened.corpus.root / "images")
    command = ["predict", "ffn1", photos, "--out", "t", "--device", "cpu"]
    shown = CliRunner().invoke(cli.app, [*command, "--precision", "0.3"])
    assert shown.exit_code == 0, shown.output
    chosen = thresholds.at_precision(opened.truth("validation"), result.probabilities("validation"), 0.3)
    assert np.isfinite(chosen).any()
    expected = thresholds.apply(pd.read_csv("t/predictions.csv")[list(opened.labels)].to_numpy(np.float32), chosen)
    np.testing.assert_array_equal(np.loadtxt("t/predictions.txt", dtype=int), expected)
    counts = dict(zip(opened.labels, opened.truth("train").sum(axis=0).tolist(), strict=True))
    assert result.details["train_photos"] == counts and len(set(counts.values())) > 1
    shown = CliRunner().invoke(cli.app, [*command, "--min-photos", str(max(counts.values()))])
    assert shown.exit_code == 0, shown.output
    left = [label for label, count in counts.items() if count == max(counts.values())]
    assert pd.read_csv("t/predictions.csv").columns.tolist() == ["photo", "labels", *left]
