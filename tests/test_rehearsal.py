"""Ways of finishing a row, judged on photos of the training part that none of them has seen."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.metrics import f1_score

from tagging_lib.data import splits
from tagging_lib.models.tagger import Trained
from tagging_lib.runs.experiment import SelfTrained
from tagging_lib.runs.setting import PARTS
from tagging_lib.study import rehearsal
from tagging_lib.study.finishing import Finish, finishes
from tagging_lib.study.opening import open_study
from tagging_lib.study.rehearsal import Rehearsal, divided, rehearse
from tests.conftest import trained_row


@pytest.fixture
def opened(tiny_corpus, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return open_study(CORPUS=str(tiny_corpus), PROFILE="quick", DEVICE="cpu")


def given(wrong: dict[Finish, float], photos: int = 400) -> Rehearsal:
    """Answers of which these shares are wrong, the worse wrong wherever the better is."""
    random = np.random.default_rng(0)
    truth, luck = (random.random((photos, 3)) < 0.4).astype(np.uint8), random.random((photos, 3))
    answers = {way: np.where(luck < share, 1 - truth, truth).astype(np.uint8) for way, share in wrong.items()}
    return Rehearsal(truth, answers, {way: 1.0 for way in wrong}, 2.0, 5)


def test_the_row_stays_as_it_is_unless_a_way_is_better():
    assert given({Finish.AS_IT_IS: 0.2, Finish.CONTINUED: 0.2, Finish.RETRAINED: 0.199}).best == Finish.AS_IT_IS
    assert given({Finish.AS_IT_IS: 0.1, Finish.CONTINUED: 0.2, Finish.RETRAINED: 0.3}).best == Finish.AS_IT_IS
    assert given({Finish.AS_IT_IS: 0.2, Finish.CONTINUED: 0.3, Finish.RETRAINED: 0.1}).best == Finish.RETRAINED


def test_of_ways_that_are_not_told_apart_the_cheapest_is_kept():
    assert given({Finish.AS_IT_IS: 0.3, Finish.CONTINUED: 0.101, Finish.RETRAINED: 0.1}).best == Finish.CONTINUED
    assert given({Finish.AS_IT_IS: 0.3, Finish.CONTINUED: 0.2, Finish.RETRAINED: 0.1}).best == Finish.RETRAINED


def test_the_table_holds_scores_and_differences_to_the_row_as_it_is():
    found = given({Finish.AS_IT_IS: 0.2, Finish.CONTINUED: 0.3, Finish.RETRAINED: 0.1})
    table = found.table().set_index("finish")
    expected = {way: f1_score(found.truth, answer, average="micro") for way, answer in found.answers.items()}
    assert table.micro_f1.to_dict() == pytest.approx(expected)
    assert (table.low < table.micro_f1).all() and (table.micro_f1 < table.high).all()
    assert np.isnan(table.difference["as-it-is"]) and table.verdict.tolist() == ["", "worse", "better"]
    assert table.difference["retrained"] == pytest.approx(expected["retrained"] - expected["as-it-is"])
    assert 0 < table.difference_low["retrained"] < table.difference["retrained"] < table.difference_high["retrained"]
    assert table.kept.tolist() == [False, False, True]


def test_without_a_rehearsal_the_row_stays_as_it_is():
    nothing = Rehearsal(np.zeros((0, 3), dtype=np.uint8), reason="why")
    assert nothing.best == Finish.AS_IT_IS and nothing.table().empty


def test_each_study_in_small_lies_inside_the_training_part_in_the_same_proportions(opened):
    small_ones, train = divided(opened), opened.indices("train")
    assert len(small_ones) == rehearsal.FOLDS
    assert sorted(np.concatenate([held_out for _, held_out in small_ones])) == train.tolist()
    for small, held_out in small_ones:
        parts = [small.indices(part) for part in ("train", "validation", "test")]
        assert sorted(np.concatenate([*parts, held_out])) == train.tolist()
        # 36 photos: 28 or 29 without a fold, of which 60, 20 and 20 %.
        assert [len(part) for part in parts] in ([17, 6, 6], [17, 6, 5], [17, 5, 6])
    other = dataclasses.replace(opened, seed=43)
    assert not np.array_equal(divided(other)[0][1], small_ones[0][1])


def test_photos_that_the_split_keeps_together_are_never_on_both_sides(opened):
    groups = np.arange(60) // 4 * 4
    split = splits.split(opened.corpus, groups=groups)
    grouped = dataclasses.replace(opened, setting=dataclasses.replace(opened.setting, split=split))
    for small, held_out in divided(grouped):
        parts = [set(groups[small.indices(part)]) for part in PARTS] + [set(groups[held_out])]
        assert all(parts) and sum(map(len, parts)) == len(set.union(*parts))
    one = dataclasses.replace(split, groups=np.zeros(60, dtype=np.int64))
    together = dataclasses.replace(opened, setting=dataclasses.replace(opened.setting, split=one))
    assert "too large to hold some out" in rehearse(together, trained_row(opened, "ffn1")).reason


def probabilities(row, targets):
    setting = dataclasses.replace(row.setting, corpus=dataclasses.replace(row.setting.corpus, targets=targets))
    study = SimpleNamespace(setting=setting, seed=42, indices=setting.indices, split=setting.split)
    turned = dataclasses.replace(row, setting=setting)
    arrays, _ = rehearsal._rehearsed(turned, divided(study)[:1], setting.outputs / "checkpoint")
    return arrays["probabilities"] | arrays["choosing"]


@pytest.mark.parametrize("name", ["ffn1", "mobilenetv1_head"])
def test_labels_of_held_out_photos_and_of_validation_and_test_make_no_difference(opened, name):
    row = trained_row(opened, name)
    plain = probabilities(row, opened.targets)
    assert set(plain) == {*finishes(row.experiment), "0"}
    (small, held_out), *_ = divided(opened)
    unseen = np.setdiff1d(np.arange(len(opened.targets)), np.concatenate([small.indices(part) for part in PARTS]))
    assert set(held_out) < set(unseen) and set(opened.indices("test")) < set(unseen)
    turned = opened.targets.copy()
    turned[unseen] = 1 - turned[unseen]
    for way, found in probabilities(row, turned).items():
        np.testing.assert_array_equal(found, plain[way])
    turned[small.indices("test")] = 1 - turned[small.indices("test")]
    again = probabilities(row, turned)
    changed = {way for way in plain if not np.array_equal(again[way], plain[way])}
    assert changed == {Finish.CONTINUED, Finish.RETRAINED}


def test_folds_are_held_out_in_turn_where_features_are_cached_and_what_is_kept_is_not_done_again(opened, monkeypatch):
    row = trained_row(opened, "mobilenetv1_head")
    first = rehearse(opened, row)
    assert first.folds == rehearsal.FOLDS and len(first.truth) == len(opened.indices("train")) and not first.reason
    assert {way: answer.shape for way, answer in first.answers.items()} == dict.fromkeys(finishes(row.experiment), (36, 3))
    monkeypatch.setattr(rehearsal, "_rehearsed", lambda *_: pytest.fail("it was rehearsed a second time"))
    again = rehearse(opened, row)
    assert again.best == first.best and again.cost == first.cost and again.seconds == first.seconds
    np.testing.assert_array_equal(again.truth, first.truth)
    for way in first.answers:
        np.testing.assert_array_equal(again.answers[way], first.answers[way])
    assert any(name == "mobilenetv1_head-rehearsal" for name, _ in opened._noted)


def test_a_whole_network_is_rehearsed_once_for_a_cost_by_hand(opened):
    found = rehearse(opened, trained_row(opened, "ffn1"))
    # 5 epochs of 36 photos; in small 5 of 17, a continuation of 11 and, trained anew, 5 of 28.
    assert found.folds == 1 and found.cost == pytest.approx((5 * 17 + 11 + 5 * 28) / (5 * 36))
    assert found.photos == 8


def test_a_row_that_takes_at_least_so_many_steps_costs_more_epochs_on_fewer_photos(opened):
    row = trained_row(opened, "ffn1")
    steps = dataclasses.replace(row.experiment.recipe, batch_size=8, least_steps=24)
    asked = dataclasses.replace(row, experiment=dataclasses.replace(row.experiment, recipe=steps))
    # 24 steps are 6 epochs of 36 photos in batches of 8, and 12 of 17; the row took 5.
    assert rehearsal._cost(asked, divided(opened)[:1]) == pytest.approx((10 * 17 + 11 + 10 * 28) / (5 * 36))


def test_what_cannot_be_rehearsed_says_why(opened, monkeypatch):
    row = trained_row(opened, "ffn1")
    monkeypatch.setattr(rehearsal, "MOST", 1.0)
    assert "1.3 times as many photos as its own training, and 1.0 times is the limit" in rehearse(opened, row).reason
    values = {field.name: getattr(row.experiment, field.name) for field in dataclasses.fields(row.experiment)}
    self_trained = dataclasses.replace(row, experiment=SelfTrained(**values), key="other")
    assert "unlabelled photos" in rehearse(opened, self_trained).reason
    untrained = dataclasses.replace(row, experiment=dataclasses.replace(row.experiment, trained=Trained.NONE), key="other")
    assert "nothing of it is trained" in rehearse(opened, untrained).reason
    few = dataclasses.replace(opened, setting=dataclasses.replace(opened.setting, train_limit=29))
    assert "29 training photos are too few" in rehearse(few, dataclasses.replace(row, key="other")).reason


def test_a_training_that_diverges_is_told_and_leaves_the_row_as_it_is(opened, monkeypatch):
    row = trained_row(opened, "ffn1")

    def diverges(*_):
        raise FloatingPointError("the loss of epoch 1 is nan")

    monkeypatch.setattr(rehearsal.trainer, "learn", diverges)
    found = rehearse(opened, row)
    assert "diverges (the loss of epoch 1 is nan)" in found.reason and found.best == Finish.AS_IT_IS
