"""The sample corpus: drawn alike everywhere, in the proportions of the study corpus, whole or not at all."""

import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from tagging_lib.data import corpus
from tagging_lib.errors import TaggingError
from tagging_lib.sample import corpus as sample

PHOTOS = 120


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    return sample.draw(tmp_path_factory.mktemp("sample") / "drawn", photos=PHOTOS, seed=3, side=24)


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def pixels(folder, number):
    return np.asarray(Image.open(folder / "images" / f"im{number}.jpg"), float)


def counts(deck):
    return {label: sum(label in labels for labels in deck) for label in sample.LABELS}


def test_the_folder_is_a_corpus_without_problems(drawn):
    assert not [problem for problem in corpus.check(drawn) if problem.fatal or problem.wrong]
    opened = corpus.Corpus.open(drawn)
    assert len(opened) == PHOTOS
    assert opened.labels == sample.LABELS
    assert len(sample.LABELS) == 14
    deck = sample.plan(PHOTOS, 3)
    assert [tuple(opened.label_names(row)) for row in range(PHOTOS)] == [tuple(sorted(labels)) for labels in deck]
    assert {Image.open(opened.path(row)).size for row in range(PHOTOS)} == {(24, 24)}
    assert not [entry for entry in drawn.parent.iterdir() if entry != drawn]


def test_the_seed_alone_decides_every_byte_however_many_processes_draw(drawn, tmp_path, monkeypatch):
    def draw(name, workers, seed=3):
        monkeypatch.setattr(sample, "WORKERS", workers)
        return contents(sample.draw(tmp_path / name, photos=12, seed=seed, side=16))

    monkeypatch.setattr(sample, "FEW", 2)
    monkeypatch.setattr(sample.os, "sched_getaffinity", lambda _: {0, 1, 2}, raising=False)
    alone = draw("alone", 1)
    assert draw("together", 3) == alone
    assert draw("other", 1, seed=4) != alone
    # A helper that dies leaves its share to this process.
    monkeypatch.setattr(sample.sys, "executable", "/bin/false")
    assert draw("helpless", 3) == alone
    # Photo 7 depends on the seed, its number and its labels, not on how many photos there are.
    sample.paint_photo(tmp_path / "7.jpg", sample.plan(PHOTOS, 3)[6], 3, 7, 24)
    assert (tmp_path / "7.jpg").read_bytes() == (drawn / "images" / "im7.jpg").read_bytes()


def test_helpers_draw_their_share(tmp_path, monkeypatch):
    painted = []
    monkeypatch.setattr(sample, "FEW", 2)
    monkeypatch.setattr(sample, "WORKERS", 2)
    monkeypatch.setattr(sample.os, "sched_getaffinity", lambda _: {0, 1}, raising=False)
    monkeypatch.setattr(sample, "paint_photo", lambda path, labels, seed, number, side: painted.append(number))
    drawn = sample.draw(tmp_path / "drawn", photos=6, side=16)
    assert painted == [1, 3, 5]
    assert sorted(path.name for path in (drawn / "images").iterdir()) == ["im2.jpg", "im4.jpg", "im6.jpg"]


@pytest.mark.parametrize("how", ["script", "standard input"])
def test_it_draws_for_a_program_without_a_main_guard(how, tmp_path):
    # A helper process that runs its parent's script again would draw, fail or never end.
    program = (
        "from tagging_lib.sample import corpus as sample\nsample.FEW = 2\n"
        f"sample.draw({str(tmp_path / 'drawn')!r}, photos=4, side=16)\n"
    )
    (tmp_path / "program.py").write_text(program)
    argument = "-" if how == "standard input" else str(tmp_path / "program.py")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    subprocess.run([sys.executable, argument], input=program.encode(), env=environment, check=True, timeout=120)
    assert len(list((tmp_path / "drawn" / "images").iterdir())) == 4


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("photos", [160, 1200])
def test_labels_keep_the_proportions_of_the_study_corpus(photos, seed):
    deck = sample.plan(photos, seed)
    assert len(deck) == photos
    having = counts(deck)
    assert min(having.values()) >= int(photos * sample.RARE_SHARE) >= 1
    assert 0.42 < sum(not labels for labels in deck) / photos < 0.5
    # The five commonest labels of the study corpus, whose shares are far above the raised ones.
    study = sum(sample.LABEL_SETS.values())
    for label in ("people", "portrait", "female", "male", "clouds"):
        share = sum(count for labels, count in sample.LABEL_SETS.items() if label in labels) / study
        assert having[label] / photos == pytest.approx(share, abs=0.03)


def test_labels_imply_one_another_as_in_the_study_corpus():
    persons = [labels for labels in sample.plan(1200, 0) if {"baby", "portrait", "female", "male"} & set(labels)]
    assert len(persons) > 100 and all("people" in labels for labels in persons)


def test_another_seed_puts_the_labels_elsewhere():
    assert sample.plan(300, 0) == sample.plan(300, 0)
    assert sample.plan(300, 0) != sample.plan(300, 1)


def test_a_corpus_of_few_photos_is_still_one(tmp_path):
    assert len(sample.plan(1, 0)) == 1
    assert len(list((sample.draw(tmp_path / "one", photos=1, side=16) / "images").iterdir())) == 1


def test_night_is_dark_and_some_photos_are_grey(drawn):
    deck = sample.plan(PHOTOS, 3)
    nights = [number for number, labels in enumerate(deck, 1) if "night" in labels]
    dark = [pixels(drawn, number).mean() for number in nights]
    light = [pixels(drawn, number).mean() for number, labels in enumerate(deck, 1) if "night" not in labels]
    assert np.median(dark) < 0.6 * np.median(light)
    grey = sum(np.ptp(pixels(drawn, number), axis=2).max() <= 8 for number in range(1, PHOTOS + 1))
    assert 0.01 * PHOTOS < grey < 0.15 * PHOTOS


@pytest.mark.parametrize("label", sample.LABELS)
def test_each_label_changes_the_picture(label, tmp_path):
    # Drawn twice from the same chance, once with the label and once without.
    fitting = min((labels for labels in sample.LABEL_SETS if label in labels), key=len)
    without = tuple(other for other in fitting if other != label)
    for name, labels in (("with", fitting), ("without", without)):
        sample.paint_photo(tmp_path / f"{name}.jpg", labels, 5, 1, 32)
    first, second = (np.asarray(Image.open(tmp_path / f"{name}.jpg"), float) for name in ("with", "without"))
    assert np.abs(first - second).mean() > 2


def test_a_folder_with_something_in_it_is_refused(tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("keep")
    with pytest.raises(TaggingError, match="exists already"):
        sample.draw(tmp_path / "full", photos=2, side=16)
    assert contents(tmp_path) == {"full/mine.txt": b"keep"}
    (tmp_path / "file").write_text("keep")
    with pytest.raises(TaggingError, match="exists already"):
        sample.draw(tmp_path / "file", photos=2, side=16)
    (tmp_path / "empty").mkdir()
    assert len(corpus.Corpus.open(sample.draw(tmp_path / "empty", photos=2, seed=1, side=16))) == 2


@pytest.mark.parametrize(("photos", "seed", "side"), [(0, 0, 128), (5, -1, 128), (5, 0, 8), (5, 0, 17)])
def test_arguments_that_make_no_corpus_are_refused(photos, seed, side, tmp_path):
    with pytest.raises(TaggingError, match="cannot be drawn"):
        sample.draw(tmp_path / "drawn", photos=photos, seed=seed, side=side)


def test_nothing_is_left_when_it_fails_midway(tmp_path, monkeypatch):
    def fail_at_three(path, labels, seed, number, side):
        path.write_bytes(b"half")
        if number == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(sample, "paint_photo", fail_at_three)
    (tmp_path / "empty").mkdir()
    for name, photos in (("new", 10), ("empty", 10), ("with-helpers", 60)):
        with pytest.raises(KeyboardInterrupt):
            sample.draw(tmp_path / name, photos=photos, side=16)
    assert [path.name for path in tmp_path.rglob("*")] == ["empty"]


def test_test_photos_come_without_annotations(tmp_path):
    drawn = sample.draw_test(tmp_path / "test", photos=3, side=16)
    assert sorted(contents(drawn)) == ["images/im1.jpg", "images/im2.jpg", "images/im3.jpg"]
    assert len(corpus.open_photos(drawn)) == 3


def test_what_is_learnt_on_some_photos_is_found_on_others(tmp_path):
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score

    photos, learnt = 240, 160
    folder = sample.draw(tmp_path / "drawn", photos=photos, seed=0, side=32)
    seen = np.array([pixels(folder, number)[::4, ::4].ravel() / 255 for number in range(1, photos + 1)])
    deck = sample.plan(photos, 0)
    for label in ("portrait", "night"):
        true = np.array([label in labels for labels in deck])
        given = LogisticRegression(C=0.01, max_iter=500).fit(seen[:learnt], true[:learnt]).predict_proba(seen[learnt:])[:, 1]
        assert roc_auc_score(true[learnt:], given) > 0.65, label  # 0.5 is what a constant answer has
