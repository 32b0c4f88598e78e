"""What people would use instead gets the same photos and parts, and is scored alike; fastai itself is not installed for tests."""

from __future__ import annotations

import json

import numpy as np
import pytest
from conftest import draw_corpus
from sklearn.metrics import f1_score

from benchmarks import contenders, material, rivals


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rivals")
    return draw_corpus(folder / "tiny", photos=60), material.weights(folder / "weights", rivals.NETWORK)


def test_ours_and_scikit_learn_answer_the_same_photos(drawn, tmp_path, capsys):
    corpus, weights = drawn
    options = ["--corpus", str(corpus), "--weights", str(weights), "--photos", "50", "--json", str(tmp_path / "found.json")]
    assert rivals.main([*options, "--contenders", "tagging,plain"]) == 0
    shown = capsys.readouterr().out
    assert rivals.TITLES[rivals.OURS] in shown and rivals.TITLES[rivals.PLAIN] in shown
    found = json.loads((tmp_path / "found.json").read_text())["contenders"]
    assert [line["contender"] for line in found] == ["tagging", "plain"]
    for line in found:
        assert line["seconds"] > 0 and line["processor_seconds"] > 0 and line["peak_mib"] > 50
        assert 0.3 < line["micro_f1"] <= 1, "labels are colours, which random features show"


def test_a_job_holds_the_first_photos_with_their_labels_and_each_part(drawn, tmp_path):
    job = rivals.prepare(tmp_path, str(drawn[0]), drawn[1], photos=30, epochs=2)
    assert len(job["photos"]) == len(job["targets"]) == len(job["parts"]) == 30
    assert [job["parts"].count(part) for part in ("train", "validation", "test")] == [18, 6, 6]
    looked_at = contenders.Photos(job | {"side": 16})
    assert looked_at[3].shape == (3, 16, 16) and len(looked_at) == 30


def test_all_are_scored_at_the_threshold_that_is_best_on_validation():
    random = np.random.default_rng(3)
    targets = random.integers(0, 2, (400, 3))
    given = np.clip(0.3 * targets + 0.4 * random.random((400, 3)), 0, 1)
    parts = np.repeat(["validation", "test"], 200)
    job = {"targets": targets.tolist(), "parts": parts.tolist()}
    found = rivals._score(job, {part: given[parts == part] for part in ("validation", "test")})
    best = max(
        f1_score(targets[:200], given[:200] >= step / 100, average="micro") for step in range(5, 100, 5)
    )
    at = f1_score(targets[:200], given[:200] >= found["threshold"], average="micro")
    assert at == pytest.approx(best)
    assert found["micro_f1"] == pytest.approx(f1_score(targets[200:], given[200:] >= found["threshold"], average="micro"))
    assert found["low"] < found["micro_f1"] < found["high"]


@pytest.mark.parametrize(("f1", "said"), [(0.7, "met"), (0.5, "not the same score")])
def test_a_time_counts_as_won_only_with_the_same_score(f1, said):
    line = {"processor_seconds": 1.0, "peak_mib": 1.0, "low": 0.1, "high": 0.9, "macro_f1": 0.2}
    ours = line | {"contender": rivals.OURS, "seconds": 5.0, "micro_f1": f1}
    theirs = line | {"contender": rivals.FASTAI, "seconds": 100.0, "micro_f1": 0.6}
    shown = rivals.table([ours, theirs])
    assert said in shown.splitlines()[-1] and ("met" in shown.splitlines()[-1]) == (f1 == 0.7)
