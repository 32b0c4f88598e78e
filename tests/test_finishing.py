"""What each way of finishing a row does to its network."""

import copy
import dataclasses

import numpy as np
import pytest
import torch

from tagging_lib.models.tagger import Trained
from tagging_lib.runs import rows, trainer
from tagging_lib.runs.run import reopened
from tagging_lib.study.finishing import Finish, finish, finishes, looked_at, on_all
from tagging_lib.study.opening import open_study
from tests.conftest import trained_row


@pytest.fixture
def opened(tiny_corpus, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return open_study(CORPUS=str(tiny_corpus), PROFILE="quick", DEVICE="cpu")


def averaged(row, ema=0.998):
    return dataclasses.replace(row, recipe=dataclasses.replace(row.recipe, ema=ema))


def test_a_row_has_the_ways_that_make_a_difference_to_it():
    head = rows.find("lite0_head_224")
    assert finishes(head) == [Finish.AS_IT_IS, Finish.CONTINUED, Finish.RETRAINED]
    assert finishes(averaged(head)) == list(Finish)
    assert finishes(dataclasses.replace(averaged(head), trained=Trained.NONE)) == [Finish.AS_IT_IS]


def test_averaged_weights_hardly_move_in_one_epoch_and_plain_ones_do(opened, tmp_path):
    experiment = averaged(opened.row("ffn1"))
    result = trained_row(opened, "ffn1")
    moved = {}
    for how in (Finish.AS_IT_IS, Finish.CONTINUED, Finish.CONTINUED_PLAIN):
        training = reopened(result)
        before = copy.deepcopy(training.tagger.state_dict())
        told = finish(how, training, experiment, opened.setting, 3, tmp_path)
        after = training.tagger.state_dict()
        moved[how] = sum(float((after[name] - before[name]).abs().sum()) for name in before)
        parts = [] if how == Finish.AS_IT_IS else ["validation", "test"]
        assert list(told) == parts and [told[part]["photos"] for part in parts] == [12] * len(parts)
    assert moved[Finish.AS_IT_IS] == 0
    # One step of 12 photos a part keeps 0.998 of the weights.
    assert 0 < moved[Finish.CONTINUED] < 0.02 * moved[Finish.CONTINUED_PLAIN]


def test_trained_anew_it_takes_all_photos_and_the_epochs_of_the_row(opened, tmp_path, monkeypatch):
    seen = []

    def spy(module, batches, train, validation, recipe, **settings):
        seen.append((train.tolist(), len(validation), recipe, settings["pos_weight"]))
        return trainer.History([{"train_loss": 0.0, "seconds": 1.0}], 1, 1.0)

    monkeypatch.setattr(trainer, "fit", spy)
    row = averaged(opened.row("ffn1"))
    experiment = dataclasses.replace(row, recipe=dataclasses.replace(row.recipe, least_steps=100, patience=2))
    training = trainer.prepare(experiment, opened.setting, "none")
    assert list(finish(Finish.RETRAINED, training, experiment, opened.setting, 3, tmp_path)) == ["all"]
    ((train, judged, recipe, weight),) = seen
    assert train == list(range(60)) and judged == 0
    assert recipe == dataclasses.replace(row.recipe, epochs=3, keep="last")
    positives = opened.targets.sum(axis=0)
    assert torch.allclose(weight, torch.as_tensor((60 - positives) / positives, dtype=torch.float32))


def test_all_parts_together_are_each_photo_once_also_where_training_is_limited(opened):
    limited = dataclasses.replace(opened.setting, train_limit=10)
    every = on_all(limited)
    assert len(limited.indices("train")) == 10 and len(every.indices("train")) == 10 + 12 + 12
    assert len(np.unique(every.indices("train"))) == 34
    assert not len(every.indices("validation")) and not len(every.indices("test"))


def test_a_way_costs_as_many_looks_as_photos_and_epochs(opened):
    assert [looked_at(how, opened.setting, 5) for how in Finish] == [0, 24, 24, 5 * 60]
