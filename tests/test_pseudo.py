"""Rows that learn from unlabelled photos too: what they see, who labels it, and when they are another row."""

from __future__ import annotations

import dataclasses
import shutil

import numpy as np
import pandas as pd
import pytest
import torch

from tagging_lib.errors import TaggingError
from tagging_lib.models.preprocessing import IMAGENET
from tagging_lib.runs import pseudo, quick, rows, trainer
from tagging_lib.runs import run as runs
from tagging_lib.runs.key import key
from tagging_lib.study import chosen, final, profiles, study
from tagging_lib.study.opening import open_study
from tagging_lib.training.batches import FeatureBatches, PhotoBatches
from tests.conftest import trained_row

ROW = "mobilenetv1_head_pseudo"


@pytest.fixture(autouse=True)
def row(monkeypatch):
    """A self-trained row that takes seconds, with a teacher of another kind."""
    made = rows._self_trained(rows.find("mobilenetv1_head"), rows.find("ffn1"))
    monkeypatch.setitem(rows.BY_NAME, ROW, made)
    return made


@pytest.fixture
def opened(tiny_corpus, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return open_study(CORPUS=str(tiny_corpus), PROFILE="quick", DEVICE="cpu", TEST_PHOTOS=str(tiny_corpus / "images"))


def batches_of(kind, n, size, targets):
    if kind == "features":
        return FeatureBatches([np.arange(n * 4, dtype=np.float32).reshape(n, 4)], targets, batch_size=size)
    pixels = np.arange(n, dtype=np.uint8).reshape(n, 1, 1, 1) * np.ones((8, 8, 3), dtype=np.uint8)
    return PhotoBatches(pixels, targets, IMAGENET, side=8, batch_size=size)


@pytest.mark.parametrize("kind", ["features", "photos"])
@pytest.mark.parametrize(("labelled", "others"), [(20, 9), (20, 29), (21, 1), (3, 25), (20, 20)])
def test_an_epoch_shows_every_photo_of_both_kinds_once(kind, labelled, others):
    ours = batches_of(kind, 30, 4, np.repeat(np.arange(30, dtype=np.float32)[:, None], 2, axis=1))
    theirs = batches_of(kind, others, 4, 0.25 + np.repeat(np.arange(others, dtype=np.float32)[:, None], 2, axis=1))
    joined = pseudo.Joined(ours, theirs, np.arange(others))
    batches = [(x.clone(), y.clone()) for x, y in joined.train(np.arange(labelled), 1)]
    assert len(batches) == -(-labelled // 4) and joined.batch_size == 4, "the labelled photos make the epoch"
    seen = torch.cat([y[:, 0] for _, y in batches]).numpy()
    assert sorted(seen) == sorted([*range(labelled), *(0.25 + np.arange(others))])
    sizes = [int((y[:, 0] % 1 == 0.25).sum()) for _, y in batches]
    assert sizes == sorted(sizes, reverse=True) and sizes[0] == -(-others // len(batches)), "the unlabelled ones lie among them"
    halves = [next(iter(half.plain(np.arange(1)))) for half in (ours, theirs)]
    firsts = {float(y[0, 0]): x[0] for x, y in halves}
    for x, y in zip(torch.cat([x for x, _ in batches]), torch.cat([y for _, y in batches]), strict=True):
        if float(y[0]) in firsts:
            torch.testing.assert_close(x, firsts[float(y[0])])
    judged = torch.cat([y[:, 0] for _, y in joined.plain(np.arange(labelled))])
    assert judged.tolist() == list(range(labelled)), "only labelled photos are judged"


def test_the_teachers_say_of_an_unlabelled_photo_what_they_say_of_it_in_the_corpus(opened):
    for name in ("ffn1", "mobilenetv1_head"):  # one with the corpus' own colours, one with cached features
        teacher = trained_row(opened, name)
        said = pseudo.ask(teacher.experiment, opened.setting, "none", runs._model(teacher))
        assert said.dtype == np.float32 and said.shape == (len(opened.corpus), 3)
        for part in ("validation", "test"):
            np.testing.assert_allclose(said[opened.indices(part)], teacher.probabilities(part), atol=2e-3)


def test_what_the_teachers_say_is_learnt(opened, monkeypatch):
    told = []

    def learnt(share: float) -> float:
        with monkeypatch.context() as patch:
            answer = np.full((len(opened.corpus), 3), share, dtype=np.float32)
            patch.setattr(pseudo, "ask", lambda *_: answer)
            patch.setattr(trainer, "fit", lambda *args, **more: told.append(args[1]) or fit(*args, **more))
            shutil.rmtree(opened.outputs / "runs" / ROW, ignore_errors=True)
            return float(runs.run(opened.row(ROW), opened.setting).probabilities("test").mean())

    fit = trainer.fit
    low, high = learnt(0.0), learnt(1.0)
    assert low + 0.1 < high
    assert [isinstance(batches, pseudo.Joined) for batches in told] == [False, True, True], "its teacher learns once"


def test_it_is_kept_like_any_row_and_knows_how_much_it_saw(opened, monkeypatch):
    result = trained_row(opened, ROW)
    assert result.title == "MobileNet-V1, head only, pseudo-labels (rehearsal)"
    assert result.details["unlabelled_photos"] == len(opened.corpus)
    assert trained_row(opened, "ffn1").folder.exists(), "its teacher is kept too"
    monkeypatch.setattr(runs, "_compute", lambda *_: pytest.fail("a row was run a second time"))
    again = open_study(
        CORPUS=str(opened.corpus.root), PROFILE="quick", DEVICE="cpu", TEST_PHOTOS=str(opened.corpus.root / "images")
    )
    assert np.array_equal(trained_row(again, ROW).probabilities("test"), result.probabilities("test"))


def test_an_interrupted_training_ends_in_the_same_bits(opened, monkeypatch):
    whole = trained_row(opened, ROW)
    shutil.rmtree(whole.folder)
    from tagging_lib.training import checkpoint

    save, saved = checkpoint.save, []

    def killed(*args, **more):
        save(*args, **more)
        saved.append(1)
        if len(saved) == 3:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "save", killed)
        with pytest.raises(KeyboardInterrupt):
            runs.run(opened.row(ROW), opened.setting)
    assert (whole.folder / "checkpoint").exists()
    resumed = runs.run(opened.row(ROW), opened.setting)
    assert np.array_equal(resumed.probabilities("test"), whole.probabilities("test"))


def test_its_key_hangs_on_teachers_and_photos_and_no_other_rows_does(opened, tmp_path):
    row, plain = opened.row(ROW), opened.row("ffn1")
    before = key(row, opened.setting)
    slower = dataclasses.replace(plain, recipe=dataclasses.replace(plain.recipe, learning_rate=0.02))
    assert key(dataclasses.replace(row, teachers=(slower,)), opened.setting) != before
    assert key(dataclasses.replace(row, teachers=(plain, plain)), opened.setting) != before
    renamed = dataclasses.replace(row, teachers=(dataclasses.replace(plain, title="another title"),))
    assert key(renamed, opened.setting) == before
    fewer = tmp_path / "fewer"
    shutil.copytree(opened.corpus.root / "images", fewer)
    (fewer / "im7.png").unlink()
    other = open_study(CORPUS=str(opened.corpus.root), PROFILE="quick", DEVICE="cpu", TEST_PHOTOS=str(fewer)).setting
    without = dataclasses.replace(opened.setting, unlabelled=None)
    assert len({key(row, setting) for setting in (opened.setting, other, without)}) == 3
    assert len({key(plain, setting) for setting in (opened.setting, other, without)}) == 1


def test_another_seed_is_another_training_of_its_teachers_too(row):
    moved = row.with_seed(7)
    assert moved.recipe.seed == 7 and [teacher.recipe.seed for teacher in moved.teachers] == [7]
    toy = quick.scaled(moved)
    assert [teacher.side for teacher in toy.teachers] == [quick.SIDE] and toy.teachers[0] == quick.scaled(moved.teachers[0])


def test_without_unlabelled_photos_it_is_left_out_with_the_remedy(opened, monkeypatch):
    alone = open_study(CORPUS=str(opened.corpus.root), PROFILE="quick", DEVICE="cpu")
    assert alone.run([ROW]) == []
    assert alone.left_out.iloc[0].tolist()[1:] == list(profiles.NO_UNLABELLED)
    with pytest.raises(TaggingError, match="--test-photos"):
        trained_row(alone, ROW)


def test_no_photo_is_read_for_a_row_that_nobody_has_trained(opened, monkeypatch):
    monkeypatch.setattr(runs, "key", lambda *_: pytest.fail("the digest of every photo was taken"))
    assert opened.finished([ROW]) == []


@pytest.mark.parametrize("row", [row for row in rows.ROWS if isinstance(row, rows.SelfTrained)], ids=lambda row: row.name)
def test_the_studys_own_differ_from_their_base_in_the_teachers_alone(row):
    base = rows.find(row.name.removesuffix("_pseudo"))
    differing = {field.name for field in dataclasses.fields(base) if getattr(row, field.name) != getattr(base, field.name)}
    assert differing == {"name", "title"} and row.teachers and (row.name, base.name) in rows.ABLATIONS
    assert all(teacher == rows.find(teacher.name) for teacher in row.teachers)


def test_the_final_model_says_that_it_has_seen_them(opened, monkeypatch):
    result = trained_row(opened, ROW)
    chosen.save(opened, pd.DataFrame({"row": [ROW], "threshold": [0.5]}))
    monkeypatch.setattr(study.Study, "best", lambda _: result)
    described = final.train(opened)
    assert described["row"] == ROW and described["unlabelled_photos"] == len(opened.corpus)
    card = (opened.outputs / "final" / "README.md").read_text(encoding="utf-8")
    assert f"It has also seen {len(opened.corpus)} photos without labels" in card
    monkeypatch.setattr(study.Study, "best", lambda _: trained_row(opened, "ffn1"))
    assert final.train(opened)["unlabelled_photos"] == 0
    assert "photos without labels" not in (opened.outputs / "final" / "README.md").read_text(encoding="utf-8")
