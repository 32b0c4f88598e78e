"""The study on a tiny corpus: rows run once, results are found again, and nothing is chosen on test."""

import dataclasses
import json
import shutil
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from tagging_lib import files
from tagging_lib.data import splits
from tagging_lib.errors import TaggingError, WeightsUnavailable
from tagging_lib.inference import folder
from tagging_lib.models import preprocessing, zoo
from tagging_lib.runs import kept, original, quick, rows, trainer
from tagging_lib.runs import key as keys
from tagging_lib.runs import run as runs
from tagging_lib.runs.key import key
from tagging_lib.runs.original import LABELS
from tagging_lib.study import chosen, compare, ensembles, final, opening, profiles, rehearsal
from tagging_lib.study.finishing import Finish
from tagging_lib.study.opening import open_study
from tagging_lib.training.recipe import HEAD_RECIPE
from tests.conftest import trained_row


@pytest.fixture
def opened(tiny_corpus, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return open_study(CORPUS=str(tiny_corpus), PROFILE="quick", DEVICE="cpu")


def test_ffn_learns_the_tiny_corpus_and_the_result_is_found_again(opened, monkeypatch):
    result = trained_row(opened, "ffn1")
    assert result.probabilities("test").shape == opened.truth("test").shape
    assert len(result.history) == quick.EPOCHS["baselines"]
    again = open_study(CORPUS=str(opened.corpus.root), PROFILE="quick", DEVICE="cpu")
    monkeypatch.setattr(runs, "_compute", lambda *_: pytest.fail("the row ran a second time"))
    second = trained_row(again, "ffn1")
    np.testing.assert_array_equal(second.probabilities("test"), result.probabilities("test"))
    assert second.score() == result.score()


def test_a_damaged_result_is_computed_again(opened):
    result = trained_row(opened, "constant")
    (result.folder / "probabilities.npz").write_bytes(b"damaged")
    repaired = runs.run(opened.row("constant"), opened.setting)
    np.testing.assert_array_equal(repaired.probabilities("test"), result.probabilities("test"))


def test_the_key_changes_with_the_row_and_with_one_label(opened):
    row = opened.row("ffn1")
    before = key(row, opened.setting)
    assert key(row.with_seed(43), opened.setting) != before
    annotations = opened.corpus.root / "annotations" / "red.txt"
    annotations.write_text("".join(annotations.read_text().splitlines(keepends=True)[1:]))
    changed = open_study(CORPUS=str(opened.corpus.root), PROFILE="quick", DEVICE="cpu")
    assert key(row, changed.setting) != before


@pytest.mark.parametrize("later", ["head_epochs", "least_steps"])
def test_a_value_that_recipes_gained_later_is_in_the_key_of_rows_that_use_it(opened, monkeypatch, later):
    row = opened.row("ffn1")
    described = []
    monkeypatch.setattr(keys, "digest_of", lambda parts: described.append(parts["experiment"]["recipe"]) or "")
    key(row, opened.setting)
    key(dataclasses.replace(row, recipe=dataclasses.replace(row.recipe, **{later: 2})), opened.setting)
    assert later not in described[0] and described[1] == described[0] | {later: 2}


def test_statistics_come_from_the_training_part_alone(opened):
    train = opened.targets[opened.split.train]
    expected = (len(train) - train.sum(0)) / train.sum(0)
    weight = trainer.positive_weight(rows.find("ffn1"), opened.setting)
    np.testing.assert_allclose(weight, expected, rtol=1e-6)
    used = opened.pixels[opened.split.train].reshape(-1, 3) / 255
    np.testing.assert_allclose(opened.setting.channel_statistics[0], used.mean(0), rtol=1e-5)


def test_the_threshold_does_not_look_at_test_labels(opened):
    result = trained_row(opened, "ffn1")
    before = result.threshold
    opened.corpus.targets[opened.split.test] ^= 1
    del result.__dict__["threshold"]
    assert result.threshold == before


def test_head_rows_train_on_features_and_leave_the_backbone_alone(opened):
    result = trained_row(opened, "mobilenetv1_head")
    assert result.details["model_spec"]["trained"] == "head"
    from safetensors import safe_open

    with safe_open(str(result.model_file), framework="pt") as stored:
        assert all(name.startswith("head.") for name in stored.keys())  # noqa: SIM118


def test_a_head_that_learns_first_is_the_head_that_learns_alone(opened, float32):
    alone = dataclasses.replace(quick.scaled(rows.find("resnet34_head")), side=32, recipe=HEAD_RECIPE)
    still = dataclasses.replace(HEAD_RECIPE, epochs=1, learning_rate=1e-12, batch_size=16, weight_decay=0.0)
    first = dataclasses.replace(still, head_epochs=HEAD_RECIPE.epochs)
    learnt, after, untold = (
        runs.run(dataclasses.replace(alone, name=name, views=views, recipe=recipe), opened.setting)
        for name, views, recipe in (("alone", 1, HEAD_RECIPE), ("first", 0, first), ("untold", 0, still))
    )
    expected = learnt.probabilities("test")
    np.testing.assert_allclose(after.probabilities("test"), expected, atol=1e-4)
    assert np.abs(untold.probabilities("test") - expected).max() > 0.05
    assert after.details["train_seconds"] > after.history.seconds.sum(), "the head's time counts"


def test_another_split_reads_the_same_plain_features_and_augments_its_own_training_photos(tiny_corpus, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    recipe = dataclasses.replace(HEAD_RECIPE, augmentation="flip", epochs=1, batch_size=16)
    row = dataclasses.replace(quick.scaled(rows.find("resnet34_head")), side=32, views=2, recipe=recipe)
    # As with pretrained weights, which bring their own: without them channel statistics are those of the training part.
    monkeypatch.setattr(trainer, "corpus_preprocessing", lambda _: preprocessing.IMAGENET)

    def cached(seed: int) -> set[str]:
        runs.run(row, open_study(str(tiny_corpus), "cpu", SEED=seed, DEVICE="cpu").setting)
        return {path.name for path in (tmp_path / "outputs" / "cache" / "features").glob("*.npy")}

    first = cached(42)
    both = cached(43)
    assert len(first) == 2 and len(both) == 3, "a plain view for both, an augmented one for each"


def test_one_row_trained_by_itself_does_not_change_what_the_report_says_was_studied(opened):
    work = opened.outputs / "work"
    before = {path: path.read_bytes() for path in work.rglob("*") if path.is_file()}
    assert {path.name for path in before} == {"rows.json", "split.csv", "study.json"}
    open_study(CORPUS=str(opened.corpus.root), PROFILE="quick", SEED=43, DEVICE="cpu", record=False).run(["constant"])
    assert {path: path.read_bytes() for path in work.rglob("*") if path.is_file()} == before


def test_other_trainings_are_those_on_the_same_split_that_are_finished(opened, monkeypatch):
    results = opened.run(["constant", "ffn1"])
    assert opened.other_trainings(results) == []
    again = trained_row(opened, "ffn1", seed=44)
    opened.on_split(43).run(["ffn1"])
    monkeypatch.setattr(runs, "_compute", lambda *_: pytest.fail("a row was run"))
    (found,) = opened.other_trainings(results)
    assert found.folder == again.folder and found.title == "Feed forward, 1 layer, from seed 44"
    assert not np.array_equal(found.probabilities("test"), results[1].probabilities("test"))


def test_other_splits_give_mean_and_spread_of_what_is_finished_and_run_nothing(opened, monkeypatch):
    opened.run(["constant", "ffn1", "ffn2"])
    assert compare.over_splits(opened).empty
    other = opened.on_split(44)
    again = open_study(CORPUS=str(opened.corpus.root), PROFILE="quick", SEED=44, DEVICE="cpu")
    assert other.split.fingerprint == again.split.fingerprint != opened.split.fingerprint
    other.run(["constant", "ffn1"])
    monkeypatch.setattr(runs, "_compute", lambda *_: pytest.fail("a row was run"))
    table = compare.over_splits(opened)
    assert table.row.tolist() == [trained_row(opened, "ffn1").title] and table.seeds.tolist() == ["42, 44"]
    both = [trained_row(opened, "ffn1").score()["micro_f1"], trained_row(other, "ffn1").score()["micro_f1"]]
    assert table.micro_f1[0] == pytest.approx(np.mean(both)) and table.micro_sd[0] == pytest.approx(np.std(both, ddof=1))
    assert (table.lowest[0], table.highest[0]) == (min(both), max(both))


def test_pairs_of_rows_are_compared_on_every_split_where_both_are_finished(opened, monkeypatch):
    opened.run(["ffn1", "ffn2", "cnn"])
    others = [opened.on_split(seed) for seed in (43, 45)]
    for other, names in zip(others, (["ffn1", "ffn2"], ["ffn1", "ffn2", "cnn"]), strict=True):
        other.run(names)
    monkeypatch.setattr(runs, "_compute", lambda *_: pytest.fail("a row was run"))
    table = compare.differences_over_splits(opened, [("ffn1", "ffn2"), ("cnn", "ffn2"), ("ffn2", "resnet34_head")])
    assert table.seeds.tolist() == ["42, 43, 45", "42, 45"]
    first, second = (
        [trained_row(each, name).score()["micro_f1"] for each in (opened, *others)] for name in ("ffn1", "ffn2")
    )
    gained = np.subtract(first, second)
    assert table.difference[0] == pytest.approx(np.mean(gained)) and table.sd[0] == pytest.approx(np.std(gained, ddof=1))
    assert (table.lowest_difference[0], table.highest_difference[0]) == (min(gained), max(gained))
    assert compare.differences_over_splits(opened, [("ffn1", "vgg16")]).empty, "vgg16 is finished nowhere"


def test_ensembles_are_joined_anew_on_every_split_from_the_rows_that_all_of_them_have(opened, monkeypatch):
    opened.run(["ffn1", "ffn2", "cnn"])
    names = ["ffn1", "ffn2", "cnn", "vgg16"]
    assert ensembles.over_splits(opened, names).empty, "one split"
    other = opened.on_split(44)
    other.run(["ffn1", "ffn2"])
    monkeypatch.setattr(runs, "_compute", lambda *_: pytest.fail("a row was run"))
    table = ensembles.over_splits(opened, names)
    each = [ensembles.join(study, [trained_row(study, name) for name in ("ffn1", "ffn2")]) for study in (opened, other)]
    assert table.row.tolist() == each[0].ensemble.tolist() and set(table.seeds) == {"42, 44"}
    for score in ("micro", "macro"):
        both = np.array([joined[f"{score}_f1"] for joined in each])
        np.testing.assert_allclose(table[f"{score}_f1"], both.mean(axis=0))
        np.testing.assert_allclose(table[f"{score}_sd"], both.std(axis=0, ddof=1))
    assert ensembles.over_splits(opened, ["ffn1", "vgg16"]).empty, "one row"


@pytest.fixture
def on_cpu(tiny_corpus, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return open_study(CORPUS=str(tiny_corpus), PROFILE="cpu", DEVICE="cpu")


def test_rows_without_their_weights_are_left_out_with_reason_and_remedy(on_cpu, monkeypatch):
    def out_of_reach(*_):
        raise WeightsUnavailable("ImageNet weights: of resnet34 are out of reach", "put them there: in a folder")

    monkeypatch.setattr(zoo, "resolve", out_of_reach)
    assert on_cpu.run(["resnet34_head"]) == []
    assert on_cpu.left_out.iloc[0].tolist() == [
        "ResNet-34, head only",
        "ImageNet weights: of resnet34 are out of reach",
        "put them there: in a folder",
    ]


def test_rows_for_a_gpu_are_left_out_without_one(on_cpu):
    assert on_cpu.run(["resnet152"]) == []
    assert on_cpu.left_out.iloc[0].tolist() == ["ResNet-152", *profiles.TOO_SLOW]


def test_the_originals_networks_from_scratch_are_left_to_whoever_asks_for_them(on_cpu):
    assert on_cpu.run(["ffn1"]) == []
    assert "reproduces the original study" in on_cpu.left_out.reason[0]
    assert "`tagging train ffn1`" in on_cpu.left_out["how to get it"][0]
    labels = np.zeros((len(on_cpu.corpus), len(LABELS)), dtype=np.uint8)
    originals = dataclasses.replace(on_cpu.setting, corpus=dataclasses.replace(on_cpu.corpus, labels=LABELS, targets=labels))
    assert profiles.CPU.refusal(on_cpu.row("ffn1"), originals) is None


def test_a_row_that_looks_at_much_more_than_the_photos_have_is_left_out(on_cpu):
    assert on_cpu.run(["lite0_head_384"]) == []
    assert on_cpu.left_out.reason[0] == "looks at 384 px, and the photos of this corpus have 32 px"


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (FloatingPointError("the loss of epoch 1 is nan"), "row ffn1 diverges (the loss of epoch 1 is nan)"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "row ffn1 does not fit into the memory of cpu"),
    ],
)
def test_a_row_that_fails_is_left_out_and_the_others_run(opened, monkeypatch, error, reason):
    def fails(experiment, *rest):
        if experiment.name == "ffn1":
            raise error
        return compute(experiment, *rest)

    compute = trainer.compute
    monkeypatch.setattr(trainer, "compute", fails)
    assert [result.name for result in opened.run(["ffn1", "constant"])] == ["constant"]
    assert opened.left_out.row.tolist() == ["Feed forward, 1 layer"]
    assert opened.left_out.reason[0].startswith(reason) and "lower its" in opened.left_out["how to get it"][0]


def test_a_row_that_fails_from_a_later_seed_is_told_and_keeps_the_trainings_that_it_has(opened, monkeypatch, caplog):
    def fails(experiment, *rest):
        if (experiment.name, experiment.recipe.seed) == ("ffn1", 44):
            raise FloatingPointError("the loss of epoch 1 is nan")
        return compute(experiment, *rest)

    compute = trainer.compute
    monkeypatch.setattr(trainer, "compute", fails)
    several = dataclasses.replace(opened, n_seeds=3)
    assert [result.name for result in several.run(["ffn1", "ffn2", "constant"])] == ["ffn1", "ffn2", "constant"]
    assert several.left_out.empty and "ffn1 is not trained from seed 44: row ffn1 diverges" in caplog.text
    assert [len(several.trainings(several.result(name))) for name in ("ffn1", "ffn2", "constant")] == [2, 3, 1]
    table = compare.differences(several, [("ffn1", "ffn2")])
    assert len(table) == 1 and np.isfinite(table.p[0])
    assert compare.headline(several, ["constant", "ffn1", "ffn2"]).seeds.tolist() == [1, 2, 3]


def test_of_a_corpus_that_gives_all_parts_there_is_one_split(opened, monkeypatch):
    parts = tuple(next(part for part in splits.PARTS if row in opened.indices(part)) for row in range(len(opened.corpus)))
    setting = dataclasses.replace(opened.setting, corpus=dataclasses.replace(opened.corpus, parts=parts))
    given = dataclasses.replace(opened, setting=dataclasses.replace(setting, split=splits.split(setting.corpus, rule="given")))
    given.run(["ffn1"])
    given.on_split(43).run(["ffn1"])
    assert compare.over_splits(given).empty and compare.differences_over_splits(given, [("ffn1", "ffn1")]).empty


def test_tables_read_what_is_finished_and_train_nothing(opened, monkeypatch):
    monkeypatch.setattr(runs, "_compute", lambda *_: pytest.fail("a table trained a row"))
    assert compare.headline(opened, ["constant", "ffn1"]).empty
    assert compare.differences(opened, [("ffn1", "constant")]).empty
    with pytest.raises(TaggingError, match="row ffn1 is not finished"):
        opened.result("ffn1")


def test_a_row_of_an_hour_is_read_where_it_is_finished_and_named_where_not(tiny_corpus, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    short = dataclasses.replace(rows.find("resnet18_scratch"), side=32, recipe=dataclasses.replace(rows.SCRATCH_RECIPE, epochs=1))
    monkeypatch.setitem(rows.BY_NAME, short.name, short)
    opened = open_study(CORPUS=str(tiny_corpus), PROFILE="cpu", DEVICE="cpu")
    assert opened.run([short.name]) == []
    assert f"tagging train {short.name}" in opened.left_out["how to get it"][0]
    trained_row(opened, short.name)
    again = open_study(CORPUS=str(tiny_corpus), PROFILE="cpu", DEVICE="cpu")
    assert [result.name for result in again.run([short.name])] == [short.name]
    assert again.left_out.empty


def test_headline_stands_beside_the_original(corpus_with_intervals, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    opened = open_study(CORPUS=str(corpus_with_intervals), PROFILE="quick", DEVICE="cpu")
    monkeypatch.setattr(original, "LABELS", tuple(opened.labels))  # as on the original's corpus
    opened.run(["constant", "ffn1"])
    table = compare.headline(opened, ["constant", "ffn1"])
    assert table.original_f1.tolist()[1] == 0.245 and np.isnan(table.original_f1[0])
    assert (table.low <= table.micro_f1).all() and (table.micro_f1 <= table.high).all()


def test_final_model_needs_thresholds_and_tags_a_folder(opened, tmp_path):
    trained_row(opened, "ffn1")
    with pytest.raises(TaggingError, match="05_threshold_search"):
        final.train(opened)
    chosen.save(opened, pd.DataFrame({"row": ["ffn1"], "threshold": [0.4]}))
    described = final.train(opened)
    assert described["row"] == "ffn1" and described["threshold"] == 0.4
    assert described["finish"] == rehearsal.rehearse(opened, opened.best()).best
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


@pytest.mark.parametrize("how", list(Finish))
def test_the_final_model_is_finished_as_the_rehearsal_says(opened, how):
    result = trained_row(opened, "ffn1")
    chosen.save(opened, pd.DataFrame({"row": ["ffn1"], "threshold": [0.4]}))
    described = final.train(opened, SimpleNamespace(best=how))
    learnt = {part: told["photos"] for part, told in described["history"].items()}
    continued = {"validation": 12, "test": 12}
    assert learnt == {Finish.AS_IT_IS: {}, Finish.RETRAINED: {"all": 60}}.get(how, continued)
    tagger, _ = folder.load(opened.outputs / "final")
    same = [torch.equal(a, b) for a, b in zip(tagger.parameters(), runs.reopened(result).tagger.parameters(), strict=True)]
    assert all(same) == (how == Finish.AS_IT_IS)
    card = (opened.outputs / "final" / "README.md").read_text(encoding="utf-8")
    assert ("No test score can be given" in card) == (how != Finish.AS_IT_IS)
    assert not list((opened.outputs / "runs" / "final").rglob("checkpoint"))
    other = Finish.RETRAINED if how == Finish.AS_IT_IS else Finish.AS_IT_IS
    assert final.train(opened, SimpleNamespace(best=other))["sha256"] != described["sha256"]


@pytest.mark.parametrize(
    ("parameters", "named"),
    [({"PROFILE": "fast"}, "fast"), ({"DEVICE": "tpu"}, "tpu"), ({"WEIGHTS": "nowhere"}, "nowhere")],
)
def test_wrong_parameters_are_named(tiny_corpus, tmp_path, monkeypatch, parameters, named):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(TaggingError, match=named):
        open_study(CORPUS=str(tiny_corpus), **parameters)


def test_thresholds_belong_to_a_result_on_a_split(opened):
    trained_row(opened, "ffn1")
    chosen.save(opened, pd.DataFrame({"row": ["ffn1"], "threshold": [0.4]}))
    assert chosen.load(opened) == {"ffn1": 0.4}
    other = open_study(CORPUS=str(opened.corpus.root), PROFILE="quick", SEED=43, DEVICE="cpu")
    with pytest.raises(TaggingError, match=r"another corpus or split \(seed 42\): run notebook 05_threshold_search with seed 43"):
        chosen.load(other)
    stored = files.read_json(chosen.path(opened))
    stored["rows"]["ffn1"]["key"] = "of the row before it was trained anew"
    files.write_json(chosen.path(opened), stored)
    assert chosen.load(opened) == {}


def test_published_answers_count_as_finished_for_everything_but_the_network(opened, monkeypatch):
    result, final_model = _published(opened)
    history = result.history
    monkeypatch.setattr(runs, "_compute", lambda *_: pytest.fail("a row was trained"))
    monkeypatch.setattr(final, "_train", lambda *_: pytest.fail("the final model was trained"))
    shutil.rmtree(opened.outputs / "runs")
    shutil.rmtree(opened.outputs / "final")
    root = str(opened.corpus.root)
    again = open_study(CORPUS=root, PROFILE="quick", DEVICE="cpu", TEST_PHOTOS=f"{root}/images")
    (read,) = again.run(["ffn1"])
    assert read.kept.published and not read.has_network and read.key == result.key
    assert read.score("test") == result.score("test") and read.threshold == result.threshold
    pd.testing.assert_frame_equal(read.history, history)
    np.testing.assert_allclose(read.probabilities("test"), result.probabilities("test"), atol=5e-4)
    with pytest.raises(TaggingError, match="without its network: run `tagging train ffn1`"):
        runs.reopened(read)
    described = final.train(again)
    assert described == final_model[0]
    assert final.tag_test_photos(again, described).labels.tolist() == final_model[1].labels.tolist()


def test_with_the_network_at_hand_a_published_final_model_is_made_for_real(opened):
    _published(opened)
    shutil.rmtree(opened.outputs / "final")
    shutil.rmtree(opened.outputs / "runs" / "final")
    final.train(opened)
    assert (opened.outputs / "final" / "model.safetensors").exists()


def _published(study):
    """A row and a final model, and a report's copy of their answers."""
    study = dataclasses.replace(study, setting=dataclasses.replace(study.setting, unlabelled=opening._unlabelled(
        str(study.corpus.root / "images"), str(study.corpus.root), study.outputs.parent / "data", False
    )))
    result = trained_row(study, "ffn1")
    study.finished(["ffn1"])
    chosen.save(study, pd.DataFrame({"row": ["ffn1"], "threshold": [result.threshold]}))
    described = final.train(study)
    tagged = final.tag_test_photos(study, described)
    for place in files.read_json(study.ledger):
        kept.publish(kept.find(study.outputs, *place), kept.published_folder(study.outputs).joinpath(*place))
    return result, (described, tagged)


def test_the_constant_answer_is_there_without_being_asked_for_first(opened):
    assert opened.finished(["constant"]) == []
    assert opened.result("constant").experiment.is_constant
    with pytest.raises(TaggingError, match="row ffn1 is not finished"):
        opened.result("ffn1")
