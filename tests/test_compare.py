"""Comparisons of rows: the pairs that could run, tested on the same photos, with the verdict after correction."""

from types import SimpleNamespace

import numpy as np
import pytest

from tagging_lib.evaluation import grouping, metrics
from tagging_lib.study.compare import DIFFERENCES, INDISTINGUISHABLE, answers, differences

TRUTH = (np.random.default_rng(0).random((300, 5)) < 0.3).astype(np.uint8)


def noisy(share, seed):
    """The truth with a share of its entries turned over."""
    return TRUTH ^ (np.random.default_rng(seed).random(TRUTH.shape) < share).astype(np.uint8)


@pytest.fixture
def study():
    answers = {"good": noisy(0.02, 1), "like": noisy(0.02, 2), "bad": noisy(0.3, 3)}
    results = {name: a_result(name, given) for name, given in answers.items()}
    return a_study(results)


def a_result(name, given):
    return SimpleNamespace(
        name=name, title=name.title(), predictions=lambda part: given, experiment=SimpleNamespace(is_constant=name == "constant")
    )


def a_study(results, others=None):
    """A study whose rows have the given results from the first seed, and those in `others` from further ones."""
    return SimpleNamespace(
        truth=lambda part: TRUTH,
        groups=lambda part: None,
        finished=lambda names: [results[name] for name in names if name in results],
        trainings=lambda result: [result, *(other for (name, _), other in (others or {}).items() if name == result.name)],
    )


def letters(study, names):
    return grouping.groups(TRUTH, [answers(study, result) for result in study.finished(names)])


def test_better_worse_and_indistinguishable(study):
    table = differences(study, [("good", "bad"), ("bad", "good"), ("good", "like")])
    assert list(table.columns) == DIFFERENCES
    assert table.verdict.tolist() == ["better", "worse", INDISTINGUISHABLE]
    assert table.row.tolist() == ["Good", "Bad", "Good"] and table.against.tolist() == ["Bad", "Good", "Like"]
    assert table.difference[0] == -table.difference[1] > 0.2
    assert (table.low <= table.difference).all() and (table.difference <= table.high).all()


def test_p_is_corrected_for_the_number_of_pairs(study):
    alone = differences(study, [("good", "bad")])
    assert alone.p_holm[0] == alone.p[0]
    both = differences(study, [("good", "bad"), ("like", "bad")])
    assert both.p_holm.min() == pytest.approx(2 * alone.p[0], rel=0.5)


def test_pairs_of_rows_that_are_not_finished_are_left_out(study):
    assert differences(study, [("good", "absent")]).empty
    assert list(differences(study, []).columns) == DIFFERENCES


def test_with_several_seeds_the_mean_over_them_is_compared():
    results = {"a": a_result("a", noisy(0.02, 1)), "b": a_result("b", noisy(0.02, 2))}
    others = {("a", 43): a_result("a", noisy(0.3, 3)), ("b", 43): a_result("b", noisy(0.02, 4))}
    assert differences(a_study(results), [("a", "b")]).verdict[0] == INDISTINGUISHABLE
    table = differences(a_study(results, others), [("a", "b")])
    assert table.seeds[0] == 2 and table.verdict[0] == "worse"
    f1 = {
        name: np.mean(
            [metrics.score(TRUTH, result.predictions("test"))["micro_f1"] for result in (results[name], others[name, 43])]
        )
        for name in ("a", "b")
    }
    assert table.difference[0] == pytest.approx(f1["a"] - f1["b"])


def test_the_constant_answer_has_one_training_and_stands_beside_rows_with_several():
    results = {"a": a_result("a", noisy(0.1, 1)), "constant": a_result("constant", np.ones_like(TRUTH))}
    study = a_study(results, {("a", 43): a_result("a", noisy(0.1, 2))})
    assert [len(answers(study, result)) for result in results.values()] == [2, 1]
    assert differences(study, [("a", "constant")]).verdict[0] == "better"
    assert letters(study, ["a", "constant"]) == ["a", "b"]


def test_indistinguishable_rows_share_a_letter(study):
    assert letters(study, ["bad", "good", "like"]) == ["b", "a", "a"]
