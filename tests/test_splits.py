import numpy as np
import pytest
from conftest import draw_corpus

from tagging_lib.data import splits
from tagging_lib.data.corpus import Corpus
from tagging_lib.errors import TaggingError


def corpus_of(targets: np.ndarray, tmp_path) -> Corpus:
    n, labels = targets.shape
    photos = tuple(f"images/im{i + 1}.jpg" for i in range(n))
    names = tuple(f"label{i:02d}" for i in range(labels))
    return Corpus("made", tmp_path, names, photos, np.arange(1, n + 1), targets.astype(np.uint8))


@pytest.fixture
def rare(tmp_path):
    """2,000 photos, 5 labels from rare (1 %) to common, most photos of the last two labels alone."""
    shares = np.array([0.01, 0.03, 0.1, 0.2, 0.3])
    return corpus_of(np.random.default_rng(1).random((2000, 5)) < shares, tmp_path)


@pytest.mark.parametrize("rule", ["random", "stratified"])
def test_every_photo_is_in_one_part(rare, rule):
    made = splits.split(rare, rule=rule)
    parts = [made.train, made.validation, made.test]
    assert all(part.dtype == np.int64 and (np.diff(part) > 0).all() for part in parts)
    assert np.array_equal(np.sort(np.concatenate(parts)), np.arange(2000))
    assert [len(part) for part in parts] == pytest.approx([1200, 400, 400], abs=0 if rule == "random" else 60)


def test_the_original_sizes(tmp_path):
    made = splits.split(corpus_of(np.zeros((20_000, 1)), tmp_path))
    assert (len(made.train), len(made.validation), len(made.test)) == (12_000, 4_000, 4_000)


@pytest.mark.parametrize("rule", ["random", "stratified"])
def test_the_seed_decides_and_nothing_else(rare, rule):
    again = splits.split(rare, seed=42, rule=rule)
    np.random.default_rng().random()
    assert splits.split(rare, seed=42, rule=rule).fingerprint == again.fingerprint
    assert splits.split(rare, seed=43, rule=rule).fingerprint != again.fingerprint


def test_the_order_of_the_directory_does_not_matter(tmp_path, monkeypatch):
    """The original's split changed with the directory listing's order."""
    import os

    folder = draw_corpus(tmp_path / "c", photos=30)
    before = Corpus.open(folder)
    listing = os.listdir
    monkeypatch.setattr(os, "listdir", lambda path: sorted(listing(path), reverse=True))
    after = Corpus.open(folder)
    first, second = splits.split(before), splits.split(after)
    assert [before.photos[i] for i in first.test] == [after.photos[i] for i in second.test]
    assert first.fingerprint == second.fingerprint


def test_stratified_keeps_the_share_of_rare_labels_and_of_no_label(rare):
    unlabelled = ~rare.targets.any(axis=1)
    strata = np.column_stack([rare.targets, unlabelled])

    def worst(rule: str) -> float:
        deviations = []
        for seed in range(3):
            made = splits.split(rare, seed=seed, rule=rule)
            shares = [strata[part].mean(axis=0) for part in (made.train, made.validation, made.test)]
            deviations.append(np.abs(np.array(shares) / strata.mean(axis=0) - 1).max())
        return float(np.mean(deviations))

    # One photo more or less of the rarest label is a quarter of a small part of its 20.
    assert worst("stratified") < 0.25 and worst("stratified") < worst("random") / 2


def test_written_and_read_again_it_is_the_same(rare, tmp_path):
    made = splits.split(rare)
    splits.write_csv(made, rare, tmp_path / "split.csv")
    lines = (tmp_path / "split.csv").read_text().splitlines()
    assert lines[0] == "photo,part" and len(lines) == 2001
    assert splits.read_csv(tmp_path / "split.csv", rare).fingerprint == made.fingerprint


def test_a_file_of_another_corpus_is_refused(rare, tmp_path):
    other = corpus_of(np.zeros((10, 2)), tmp_path)
    splits.write_csv(splits.split(other), other, tmp_path / "split.csv")
    with pytest.raises(TaggingError, match=r"split\.csv"):
        splits.read_csv(tmp_path / "split.csv", rare)


def test_mistakes_are_named(rare, tmp_path):
    with pytest.raises(TaggingError, match=r"'sorted'.*random, stratified, given"):
        splits.split(rare, rule="sorted")
    with pytest.raises(TaggingError, match="at least 5"):
        splits.split(corpus_of(np.zeros((4, 2)), tmp_path))
