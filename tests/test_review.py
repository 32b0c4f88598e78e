"""A finished row asked again, on a tiny corpus: out-of-fold probabilities, suspects, attribution."""

from __future__ import annotations

import dataclasses
import logging
from types import SimpleNamespace

import numpy as np
import pytest

from tagging_lib.evaluation import label_errors
from tagging_lib.study import review
from tagging_lib.study.opening import open_study
from tagging_lib.training import fit
from tests.conftest import draw_corpus, trained_row


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        found = open_study(CORPUS=str(draw_corpus(folder / "c", photos=80)), PROFILE="quick", DEVICE="cpu")
        trained_row(found, "ffn1")
        yield found


def test_without_a_frozen_backbone_validation_and_test_are_asked(opened):
    asked = review.unseen(opened)
    best = opened.best()
    expected = np.concatenate([best.probabilities("validation"), best.probabilities("test")])
    np.testing.assert_array_equal(asked.probabilities, expected)
    assert asked.indices.tolist() == [*opened.indices("validation"), *opened.indices("test")]
    assert asked.title == best.title and "validation and test" in asked.how


def test_every_photo_is_left_out_once_and_none_teaches_its_own_answer(opened, monkeypatch):
    trained_row(opened, "mobilenetv1_head")
    seen = []
    learn = fit.fit

    def watched(module, batches, train, validation, recipe, **options):
        seen.append(train)
        assert len(validation) == 0 and recipe.keep == "last"
        return learn(module, batches, train, validation, recipe, **options)

    monkeypatch.setattr(fit, "fit", watched)
    fold_of = label_errors.folds(opened.targets, 4, opened.seed)
    asked = review.unseen(opened, 4)
    assert asked.indices.tolist() == list(range(80)) and "4 folds" in asked.how
    assert asked.probabilities.shape == opened.targets.shape and np.isfinite(asked.probabilities).all()
    assert len(seen) == 4
    for number, train in enumerate(seen):
        assert set(train.tolist()) == set(np.flatnonzero(fold_of != number).tolist())


def test_heads_out_of_fold_learn_for_as_many_steps_as_the_row(opened, monkeypatch):
    row = trained_row(opened, "mobilenetv1_head")
    recipe = dataclasses.replace(row.experiment.recipe, least_steps=40, epochs=2, batch_size=8)
    asked = dataclasses.replace(row, experiment=dataclasses.replace(row.experiment, recipe=recipe))
    seen = []
    monkeypatch.setattr(fit, "fit", lambda module, batches, train, validation, recipe, **_: seen.append(recipe))
    review._Heads(opened, asked).fit_predict(np.arange(40), np.arange(40, 50))
    assert [each.epochs for each in seen] == [8], "40 steps of five batches an epoch"


def test_a_photo_and_its_twin_are_left_out_together(opened, monkeypatch):
    groups, asked = np.arange(80) // 4 * 4, []
    together = dataclasses.replace(opened.split, groups=groups)
    shared = {name: getattr(opened, name) for name in ("targets", "seed", "labels", "indices")}

    def fit_predict(train, held_out):
        asked.append(held_out)
        return np.zeros((len(held_out), len(opened.labels)))

    monkeypatch.setattr(review, "_Heads", lambda study, row: SimpleNamespace(fit_predict=fit_predict))
    review._out_of_fold(SimpleNamespace(split=together, **shared), SimpleNamespace(name="row"), 4)
    assert len(asked) == 4
    assert all(set(groups[held_out]).isdisjoint(groups[other]) for held_out in asked for other in asked if other is not held_out)


def test_the_folds_start_from_the_same_head_and_say_little(opened, caplog):
    trained_row(opened, "mobilenetv1_head")
    row = opened.result("mobilenetv1_head")
    with caplog.at_level(logging.INFO):
        first = review._out_of_fold(opened, row, 3)
    assert not [record for record in caplog.records if "epoch" in record.message]
    assert fit.logger.level == logging.NOTSET
    np.testing.assert_array_equal(first, review._out_of_fold(opened, row, 3))


def test_out_of_fold_answers_are_kept(opened, monkeypatch):
    trained_row(opened, "mobilenetv1_head")
    first = review.unseen(opened, 3)
    monkeypatch.setattr(review, "_out_of_fold", lambda *_: pytest.fail("it was trained a second time"))
    np.testing.assert_array_equal(review.unseen(opened, 3).probabilities, first.probabilities)


def test_suspects_are_named_by_photo_part_and_label_and_no_label_is_changed(opened):
    before = opened.targets.copy()
    asked = review.Unseen(np.arange(80), np.where(opened.targets, 0.9, 0.1), "sure", "by heart")
    probabilities = asked.probabilities.copy()
    photo = int(opened.indices("test")[3])
    probabilities[photo, 1] = 0.99 - 0.98 * opened.targets[photo, 1]
    asked = review.Unseen(asked.indices, probabilities, asked.title, asked.how)
    found = review.suspects(opened, asked)
    first = found.iloc[0]
    assert (first["rank"], first.photo, first.label, first.part) == (1, opened.corpus.photos[photo], opened.labels[1], "test")
    assert first.given == opened.targets[photo, 1] and first.probability == pytest.approx(probabilities[photo, 1])
    inside = review.in_part(opened, found, "test")
    assert inside.place.iloc[0] == 3 and inside.part.eq("test").all()
    np.testing.assert_array_equal(opened.targets, before)


@pytest.mark.parametrize("row", ["ffn1", "mobilenetv1_head"])
def test_attribution_is_of_the_network_that_was_trained(opened, row, monkeypatch):
    result = trained_row(opened, row)
    indices, columns = opened.indices("test")[:3], np.array([0, 2, 1])
    heat, method = review.attribution(opened, result, indices, columns)
    side = result.experiment.side
    assert heat.shape == (3, side, side) and method
    from tagging_lib.models import attribution

    kept = []
    monkeypatch.setattr(
        attribution, "attribution", lambda tagger, photos, wanted: (kept.append((tagger, photos)), heat)[1:] + ("",)
    )
    review.attribution(opened, result, indices, columns)
    import torch

    with torch.no_grad():
        logits = kept[0][0].eval()(kept[0][1])
    np.testing.assert_allclose(torch.sigmoid(logits), result.probabilities("test")[:3], atol=2e-3)


def test_photos_are_asked_in_batches_and_come_back_in_order(opened, monkeypatch):
    result = trained_row(opened, "ffn1")
    indices, columns = opened.indices("test")[:5], np.array([0, 1, 2, 0, 1])
    whole, _ = review.attribution(opened, result, indices, columns)
    monkeypatch.setattr(review, "BATCH", 2)
    parts, _ = review.attribution(opened, result, indices, columns)
    np.testing.assert_allclose(parts, whole, atol=1e-5)
    with pytest.raises(ValueError, match="no photo"):
        review.attribution(opened, result, np.array([], dtype=int), np.array([], dtype=int))
