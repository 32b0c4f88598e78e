"""How many test photos have been seen before, and what they do to a score."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from conftest import draw_corpus, trained_row

from tagging_lib.evaluation import metrics
from tagging_lib.study import leaks
from tagging_lib.study.opening import open_study


@pytest.fixture
def doubled(tmp_path):
    """60 photos, of which the last ten are the first ten again, with their labels."""
    folder = draw_corpus(tmp_path / "doubled", photos=60)
    for number in range(1, 11):
        shutil.copy(folder / "images" / f"im{number}.png", folder / "images" / f"im{number + 50}.png")
    return folder


def opened(folder, tmp_path, monkeypatch, read: str):
    monkeypatch.chdir(tmp_path)
    return open_study(CORPUS=str(folder), PROFILE="quick", DEVICE="cpu", READ=read)


def test_twins_stay_together_unless_asked_otherwise(doubled, tmp_path, monkeypatch):
    kept = leaks.counted(opened(doubled, tmp_path, monkeypatch, ""))
    assert kept.groups.tolist() == [10, 10] and kept.photos.tolist() == [20, 20]
    assert kept.with_twin[0] == 0 and kept.with_twin[1] > 0
    plain = opened(doubled, tmp_path, monkeypatch, "groups=none")
    left = leaks.counted(plain)
    assert left.with_twin.tolist() == [kept.with_twin[1]] * 2
    twin_of = {row: (row + 50 if row < 10 else row - 50) for row in (*range(10), *range(50, 60))}
    expected = sum(twin_of.get(row) is not None and twin_of[row] not in plain.split.test for row in plain.split.test.tolist())
    assert left.with_twin[0] == expected and left.share[0] == expected / 12


def test_the_score_without_twins_is_that_of_the_other_photos(doubled, tmp_path, monkeypatch):
    study = opened(doubled, tmp_path, monkeypatch, "groups=none")
    result = trained_row(study, "constant")
    table = leaks.scored(study, result)
    others = np.isin(np.arange(60) % 50, np.concatenate([study.split.train, study.split.validation]) % 50)
    unseen = [place for place, row in enumerate(study.split.test) if not ((row < 10 or row >= 50) and others[row])]
    assert table.photos.tolist() == [12, len(unseen)] and len(unseen) < 12
    for line, places in zip(table.itertuples(), (slice(None), unseen), strict=True):
        expected = metrics.score(study.truth("test")[places], result.predictions("test")[places])["micro_f1"]
        assert line.micro_f1 == expected


def test_other_splits_keep_twins_together_too(doubled, tmp_path, monkeypatch):
    study = opened(doubled, tmp_path, monkeypatch, "")
    for seed in range(40, 60):
        part = np.empty(60, dtype=object)
        for name in ("train", "validation", "test"):
            part[getattr(study.on_split(seed).split, name)] = name
        assert (part[:10] == part[50:]).all()
