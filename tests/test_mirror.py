"""Test-time flipping: the mean of both answers, kept, and judged against the plain row."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from tagging_lib.study import mirror
from tagging_lib.study.opening import open_study
from tests.conftest import trained_row


@pytest.fixture
def opened(tiny_corpus, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return open_study(CORPUS=str(tiny_corpus), PROFILE="quick", DEVICE="cpu")


@pytest.mark.parametrize("name", ["ffn1", "mobilenetv1_head"])
def test_the_mean_of_a_photo_and_its_mirror_image_is_that_of_the_mirror_image_and_the_photo(opened, name):
    result = trained_row(opened, name)
    turned = dataclasses.replace(result.setting, pixels=np.ascontiguousarray(result.setting.pixels[:, :, ::-1]))
    of_photos, of_images = mirror._both(result), mirror._both(dataclasses.replace(result, setting=turned))
    for part in ("validation", "test"):
        plain = result.probabilities(part)
        reflected = 2 * of_photos[part] - plain
        np.testing.assert_allclose(of_images[part], plain, atol=2e-3)  # the mean of what it knows and of its own answer again
        assert not np.allclose(reflected, plain, atol=2e-3)


def test_it_is_computed_once_and_kept(opened, monkeypatch):
    result = trained_row(opened, "ffn1")
    (twice,) = mirror.look(opened, [result])
    assert twice.title != result.title and not twice.has_network
    np.testing.assert_array_equal(twice.probabilities("test"), mirror._both(result)["test"])
    kept = twice.folder / "probabilities.npz"
    with monkeypatch.context() as patch:
        patch.setattr(mirror, "_both", lambda _: pytest.fail("it looked a second time"))
        (again,) = mirror.look(opened, [result])
        assert np.array_equal(again.probabilities("test"), twice.probabilities("test"))
    kept.write_bytes(kept.read_bytes()[:-40])
    assert np.array_equal(mirror.look(opened, [result])[0].probabilities("test"), twice.probabilities("test"))


def test_an_answer_of_another_training_is_not_taken(opened):
    first, second = trained_row(opened, "ffn1"), trained_row(opened, "ffn1", seed=7)
    one, other = mirror.look(opened, [first, second])
    assert not np.array_equal(one.probabilities("test"), other.probabilities("test"))


def test_gains_are_differences_of_scores_at_each_ones_threshold(corpus_with_intervals, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    opened = open_study(CORPUS=str(corpus_with_intervals), PROFILE="quick", DEVICE="cpu")
    results = opened.run(["ffn1", "mobilenetv1_head"])
    twice = mirror.look(opened, results)
    table = mirror.gains(opened, results, twice)
    assert list(table.columns) == mirror.COLUMNS and table.row.tolist() == [result.title for result in results]
    for line, result, second in zip(table.itertuples(), results, twice, strict=True):
        assert line.plain_f1 == result.score("test")["micro_f1"]
        assert line.mirrored_f1 == second.score("test")["micro_f1"]
        assert line.difference == pytest.approx(line.mirrored_f1 - line.plain_f1)
        assert line.low <= line.difference <= line.high and line.p <= line.p_holm
    assert mirror.gains(opened, [], []).empty


def test_gains_on_other_splits_are_those_that_are_kept_and_nothing_is_looked_at(opened, monkeypatch):
    opened.run(["ffn1", "ffn2"])
    other = opened.on_split(opened.seed + 2)
    other.run(["ffn1", "ffn2"])
    names = ["ffn1", "ffn2"]
    assert mirror.over_splits(opened, names).empty
    both, gained = [], []
    for study in (opened, other):
        (twice,) = mirror.look(study, [trained_row(study, "ffn1")])
        both.append(twice.score("test"))
        gained.append(both[-1]["micro_f1"] - trained_row(study, "ffn1").score("test")["micro_f1"])
    mirror.look(opened, [trained_row(opened, "ffn2")])
    monkeypatch.setattr(mirror, "_both", lambda _: pytest.fail("it looked"))
    table = mirror.over_splits(opened, names)
    (line,) = table.itertuples()
    assert line.row == "Feed forward, 1 layer, test-time flipping"
    for score in ("micro_f1", "macro_f1"):
        assert getattr(line, score) == pytest.approx(np.mean([scores[score] for scores in both]))
    assert line.seeds == f"{opened.seed}, {other.seed}"
    assert line.difference == pytest.approx(np.mean(gained)) and line.sd == pytest.approx(np.std(gained, ddof=1))
    assert (line.lowest_difference, line.highest_difference) == (min(gained), max(gained))


def test_a_row_without_a_network_is_left_out_and_said_so(opened, caplog):
    assert mirror.look(opened, [trained_row(opened, "constant")]) == []
    assert "constant: left out, its network is not at hand" in caplog.text
