"""The study on a tiny corpus: rows run once, results are found again, and nothing is chosen on test."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest

from tagging_lib.errors import TaggingError
from tagging_lib.models import preprocessing
from tagging_lib.runs import rows, trainer
from tagging_lib.runs import run as runs
from tagging_lib.study import compare, study


@pytest.fixture
def opened(tiny_corpus, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return study.open(CORPUS=str(tiny_corpus), PROFILE="quick", DEVICE="cpu")


def test_ffn_learns_the_tiny_corpus_and_the_result_is_found_again(opened, monkeypatch):
    result = opened.result("ffn1")
    assert result.probabilities("test").shape == opened.truth("test").shape
    assert len(result.history) == rows.QUICK_EPOCHS["baselines"]
    again = study.open(CORPUS=str(opened.corpus.root), PROFILE="quick", DEVICE="cpu")
    monkeypatch.setattr(runs, "_compute", lambda *_: pytest.fail("the row ran a second time"))
    second = again.result("ffn1")
    np.testing.assert_array_equal(second.probabilities("test"), result.probabilities("test"))
    assert second.score() == result.score()


def test_a_damaged_result_is_computed_again(opened):
    result = opened.result("constant")
    (result.folder / "probabilities.npz").write_bytes(b"damaged")
    repaired = runs.run(opened.row("constant"), opened.setting)
    np.testing.assert_array_equal(repaired.probabilities("test"), result.probabilities("test"))


def test_the_key_changes_with_the_row_and_with_one_label(opened):
    row = opened.row("ffn1")
    before = runs.key(row, opened.setting)
    assert runs.key(row.with_seed(43), opened.setting) != before
    annotations = opened.corpus.root / "annotations" / "red.txt"
    annotations.write_text("".join(annotations.read_text().splitlines(keepends=True)[1:]))
    changed = study.open(CORPUS=str(opened.corpus.root), PROFILE="quick", DEVICE="cpu")
    assert runs.key(row, changed.setting) != before


def test_statistics_come_from_the_training_part_alone(opened):
    train = opened.targets[opened.split.train]
    expected = (len(train) - train.sum(0)) / train.sum(0)
    np.testing.assert_allclose(opened.pos_weight, expected, rtol=1e-6)
    used = opened.pixels[opened.split.train].reshape(-1, 3) / 255
    np.testing.assert_allclose(opened.mean, used.mean(0), rtol=1e-5)


def test_the_threshold_does_not_look_at_test_labels(opened):
    result = opened.result("ffn1")
    before = result.threshold
    opened.corpus.targets[opened.split.test] ^= 1
    del result.__dict__["threshold"]
    assert result.threshold == before


def test_head_rows_train_on_features_and_leave_the_backbone_alone(opened):
    result = opened.result("mobilenetv1_head")
    assert result.details["model_spec"]["trained"] == "head"
    from safetensors import safe_open

    with safe_open(str(result.model_file), framework="pt") as stored:
        assert all(name.startswith("head.") for name in stored.keys())  # noqa: SIM118


def test_another_split_reads_the_same_plain_features_and_augments_its_own_training_photos(tiny_corpus, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    recipe = dataclasses.replace(rows.HEAD_RECIPE, augmentation="flip", epochs=1, batch_size=16)
    row = dataclasses.replace(rows.quick(rows.find("resnet34_head")), side=32, views=2, recipe=recipe)
    # As with pretrained weights, which bring their own: without them channel statistics are those of the training part.
    monkeypatch.setattr(trainer, "corpus_preprocessing", lambda _: preprocessing.IMAGENET)

    def cached(seed: int) -> set[str]:
        runs.run(row, study.open(str(tiny_corpus), "cpu", SEED=seed, DEVICE="cpu").setting)
        return {path.name for path in (tmp_path / "outputs" / "cache" / "features").glob("*.npy")}

    first = cached(42)
    both = cached(43)
    assert len(first) == 2 and len(both) == 3, "a plain view for both, an augmented one for each"


def test_one_row_trained_by_itself_does_not_change_what_the_report_says_was_studied(opened):
    work = opened.outputs / "work"
    before = {path: path.read_bytes() for path in work.rglob("*") if path.is_file()}
    assert {path.name for path in before} == {"split.csv", "study.json"}
    study.open(CORPUS=str(opened.corpus.root), PROFILE="quick", SEED=43, DEVICE="cpu", record=False).result("constant")
    assert {path: path.read_bytes() for path in work.rglob("*") if path.is_file()} == before


def test_other_trainings_are_those_on_the_same_split_that_are_finished(opened, monkeypatch):
    results = opened.results(["constant", "ffn1"])
    assert opened.other_trainings(results) == []
    again = opened.result("ffn1", seed=44)
    opened.on_split(43).result("ffn1")
    monkeypatch.setattr(runs, "_compute", lambda *_: pytest.fail("a row was run"))
    (found,) = opened.other_trainings(results)
    assert found.folder == again.folder and found.title == "Feed forward, 1 layer, from seed 44"
    assert not np.array_equal(found.probabilities("test"), results[1].probabilities("test"))


def test_other_splits_give_mean_and_spread_of_what_is_finished_and_run_nothing(opened, monkeypatch):
    opened.results(["constant", "ffn1", "ffn2"])
    assert compare.over_splits(opened).empty
    other = opened.on_split(44)
    again = study.open(CORPUS=str(opened.corpus.root), PROFILE="quick", SEED=44, DEVICE="cpu")
    assert other.split.fingerprint == again.split.fingerprint != opened.split.fingerprint
    other.results(["constant", "ffn1"])
    monkeypatch.setattr(runs, "_compute", lambda *_: pytest.fail("a row was run"))
    table = compare.over_splits(opened)
    assert table.row.tolist() == [opened.result("ffn1").title] and table.seeds.tolist() == ["42, 44"]
    both = [opened.result("ffn1").score()["micro_f1"], other.result("ffn1").score()["micro_f1"]]
    assert table.micro_f1[0] == pytest.approx(np.mean(both)) and table.micro_sd[0] == pytest.approx(np.std(both, ddof=1))
    assert (table.lowest[0], table.highest[0]) == (min(both), max(both))


def test_pairs_of_rows_are_compared_on_every_split_where_both_are_finished(opened, monkeypatch):
    opened.results(["ffn1", "ffn2", "cnn"])
    others = [opened.on_split(seed) for seed in (43, 45)]
    for other, names in zip(others, (["ffn1", "ffn2"], ["ffn1", "ffn2", "cnn"]), strict=True):
        other.results(names)
    monkeypatch.setattr(runs, "_compute", lambda *_: pytest.fail("a row was run"))
    table = compare.pairs_over_splits(opened, [("ffn1", "ffn2"), ("cnn", "ffn2"), ("ffn2", "resnet34_head")])
    assert table.seeds.tolist() == ["42, 43, 45", "42, 45"]
    gained = [each.result("ffn1").score()["micro_f1"] - each.result("ffn2").score()["micro_f1"] for each in (opened, *others)]
    assert table.difference[0] == pytest.approx(np.mean(gained)) and table.sd[0] == pytest.approx(np.std(gained, ddof=1))
    assert (table.lowest_difference[0], table.highest_difference[0]) == (min(gained), max(gained))
    assert compare.pairs_over_splits(opened, [("ffn1", "vgg16")]).empty, "vgg16 is finished nowhere"


def test_rows_without_their_weights_are_left_out_with_the_reason(tiny_corpus, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    opened = study.open(CORPUS=str(tiny_corpus), PROFILE="cpu", DEVICE="cpu", WEIGHTS="empty")
    assert opened.results(["resnet152"]) == []
    assert opened.left_out.row.tolist() == ["ResNet-152"]
    assert "CUDA" in opened.left_out["how to get it"][0]


def test_a_row_of_an_hour_is_read_where_it_is_finished_and_named_where_not(tiny_corpus, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    short = dataclasses.replace(rows.find("resnet18_scratch"), side=32, recipe=dataclasses.replace(rows.SCRATCH_RECIPE, epochs=1))
    monkeypatch.setitem(rows.BY_NAME, short.name, short)
    opened = study.open(CORPUS=str(tiny_corpus), PROFILE="cpu", DEVICE="cpu")
    assert opened.results([short.name]) == []
    assert f"tagging train {short.name}" in opened.left_out["how to get it"][0]
    opened.result(short.name)
    again = study.open(CORPUS=str(tiny_corpus), PROFILE="cpu", DEVICE="cpu")
    assert [result.name for result in again.results([short.name])] == [short.name]
    assert again.left_out.empty


def test_headline_stands_beside_the_original(opened):
    table = opened.headline(["constant", "ffn1"])
    assert table.original_f1.tolist()[1] == 0.245 and np.isnan(table.original_f1[0])
    assert (table.low <= table.micro_f1).all() and (table.micro_f1 <= table.high).all()


def test_final_model_needs_thresholds_and_tags_a_folder(opened, tmp_path):
    opened.result("ffn1")
    with pytest.raises(TaggingError, match="05_threshold_search"):
        opened.final_model()
    opened.save_thresholds(pd.DataFrame({"row": ["ffn1"], "threshold": [0.4]}))
    described = opened.final_model()
    assert described["row"] == "ffn1" and described["threshold"] == 0.4
    assert not any("f1" in name for name in described["history"]["test"])
    from tagging_lib.data.corpus import open_photos
    from tagging_lib.inference.predict import predict_photos

    photos = open_photos(opened.corpus.root / "images", data_dir=tmp_path / "data")
    table = predict_photos(
        opened.outputs / "final", photos, cache_dir=tmp_path / "data" / "cache", outputs=tmp_path / "out"
    )
    written = np.loadtxt(tmp_path / "out" / "predictions.txt", dtype=int)
    np.testing.assert_array_equal(written, (table[list(opened.labels)].to_numpy() >= 0.4).astype(int))
    cached = set((tmp_path / "data" / "cache").iterdir())
    streamed = predict_photos(opened.outputs / "final", photos, outputs=tmp_path / "streamed", sidecars=True)
    told = [json.loads((tmp_path / "streamed" / "sidecars" / f"{photo}.json").read_text()) for photo in photos.photos]
    assert [";".join(each["labels"]) for each in told] == table.labels.tolist()
    assert told[0]["probabilities"] == pytest.approx(table.loc[0, list(opened.labels)].to_dict(), abs=1e-5)
    assert told[0]["threshold"] == 0.4
    pd.testing.assert_frame_equal(streamed, table, atol=1e-5)
    assert set((tmp_path / "data" / "cache").iterdir()) == cached


@pytest.mark.parametrize(
    ("parameters", "named"),
    [({"PROFILE": "fast"}, "fast"), ({"DEVICE": "tpu"}, "tpu"), ({"WEIGHTS": "nowhere"}, "nowhere")],
)
def test_wrong_parameters_are_named(tiny_corpus, tmp_path, monkeypatch, parameters, named):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(TaggingError, match=named):
        study.open(CORPUS=str(tiny_corpus), **parameters)
