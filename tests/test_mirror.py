"""A second look in the mirror: the mean of both answers, kept, and judged against the plain row."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from tagging_lib.errors import TaggingError
from tagging_lib.study import mirror, study


@pytest.fixture
def opened(tiny_corpus, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return study.open(CORPUS=str(tiny_corpus), PROFILE="quick", DEVICE="cpu")


@pytest.mark.parametrize("name", ["ffn1", "mobilenetv1_head"])
def test_a_photo_that_lies_mirrored_is_seen_as_it_was(opened, name):
    result = opened.result(name)
    turned = dataclasses.replace(result.setting, pixels=np.ascontiguousarray(result.setting.pixels[:, :, ::-1]))
    found = mirror.look(dataclasses.replace(result, setting=turned))
    for part in ("validation", "test"):
        np.testing.assert_allclose(found[part], result.probabilities(part), atol=2e-3)
        assert not np.allclose(mirror.look(result)[part], result.probabilities(part), atol=2e-3)


def test_it_answers_the_mean_of_both_and_keeps_it(opened, monkeypatch):
    result = opened.result("ffn1")
    twice = mirror.mirrored(result)
    assert twice.title != result.title
    seen = mirror.look(result)
    for part in ("validation", "test"):
        mean = (seen[part] + result.probabilities(part)) / 2
        np.testing.assert_allclose(twice.probabilities(part), mean, atol=1e-6)
    kept = result.folder / "mirrored.npz"
    with monkeypatch.context() as patch:
        patch.setattr(mirror, "look", lambda _: pytest.fail("it looked a second time"))
        assert np.array_equal(mirror.mirrored(result).probabilities("test"), twice.probabilities("test"))
    kept.write_bytes(kept.read_bytes()[:-40])
    assert np.array_equal(mirror.mirrored(result).probabilities("test"), twice.probabilities("test"))


def test_an_answer_of_another_model_is_not_taken(opened, monkeypatch):
    result = opened.result("ffn1")
    mirror.mirrored(result).probabilities("test")
    other = dataclasses.replace(result, details=result.details | {"model_sha256": "0" * 64})
    nothing = {part: np.zeros_like(result.probabilities(part)) for part in ("validation", "test")}
    monkeypatch.setattr(mirror, "look", lambda _: nothing)
    np.testing.assert_allclose(mirror.mirrored(other).probabilities("test"), result.probabilities("test") / 2)


def test_gains_are_differences_of_scores_at_each_ones_threshold(opened):
    results = opened.results(["ffn1", "mobilenetv1_head"])
    table = mirror.gains(opened, results)
    assert list(table.columns) == mirror.COLUMNS and table.row.tolist() == [result.title for result in results]
    for line, result in zip(table.itertuples(), results, strict=True):
        assert line.plain_f1 == result.score("test")["micro_f1"]
        assert line.mirrored_f1 == mirror.mirrored(result).score("test")["micro_f1"]
        assert line.difference == pytest.approx(line.mirrored_f1 - line.plain_f1)
        assert line.low <= line.difference <= line.high and line.p <= line.p_holm
    assert mirror.gains(opened, []).empty


def test_a_row_without_a_network_cannot_look(opened):
    with pytest.raises(TaggingError, match="no network"):
        mirror.mirrored(opened.result("constant"))
