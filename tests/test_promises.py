"""What thresholds promise and deliver: no photo is scored at thresholds that it helped to choose."""

from __future__ import annotations

import numpy as np
import pytest

from tagging_lib.evaluation import calibration, metrics, promises, thresholds


def noise(photos: int = 60, labels: int = 8, seed: int = 0):
    """Probabilities that say nothing about the targets: whatever tuning finds in them is chance."""
    random = np.random.default_rng(seed)
    return (random.random((photos, labels)) < 0.2).astype(np.uint8), random.random((photos, labels)).astype(np.float32)


def signal(photos: int = 400, labels: int = 4, seed: int = 0):
    """Calibrated probabilities and targets drawn by them."""
    random = np.random.default_rng(seed)
    true = random.beta(0.5, 1.5, (photos, labels))
    return (random.random(true.shape) < true).astype(np.uint8), true.astype(np.float32)


def test_each_photo_is_left_out_of_the_choice_of_its_own_thresholds():
    targets, probabilities = noise(photos=23)
    probabilities[:, 0] = np.linspace(0.01, 0.99, 23)  # tells the photos apart
    seen = []

    def choose(chosen_targets, chosen):
        rows = np.searchsorted(probabilities[:, 0], chosen[:, 0])
        np.testing.assert_array_equal(chosen_targets, targets[rows])
        seen.append(set(rows.tolist()))
        return np.full(8, len(seen) / 100)  # one answer for each choice

    monitored = np.full_like(probabilities, 0.0)
    monitored[:, 0] = probabilities[:, 0]
    given = promises.cross_fit(targets, monitored, choose, folds=4, repeats=3)
    assert given.shape == (3, 23, 8) and len(seen) == 12
    for repeat in range(3):
        left_out = [set(range(23)) - rows for rows in seen[4 * repeat : 4 * repeat + 4]]
        assert sorted(row for rows in left_out for row in rows) == list(range(23))
        for place, rows in enumerate(left_out):
            threshold = (4 * repeat + place + 1) / 100
            for row in rows:
                assert given[repeat, row, 0] == (probabilities[row, 0] >= np.float32(threshold))


def test_cross_fitting_predicts_new_photos_where_the_promise_is_too_good():
    kept = []
    for seed in range(8):
        targets, probabilities = noise(seed=seed)
        chosen = thresholds.per_label_exact(targets, probabilities)
        promised = metrics.score(targets, thresholds.apply(probabilities, chosen))["macro_f1"]
        given = promises.cross_fit(targets, probabilities, thresholds.per_label_exact, repeats=2)
        predicted = np.mean([metrics.score(targets, answer)["macro_f1"] for answer in given])
        new_targets, new = noise(photos=2000, seed=1000 + seed)
        delivered = metrics.score(new_targets, thresholds.apply(new, chosen))["macro_f1"]
        kept.append((promised, predicted, delivered))
    promised, predicted, delivered = np.mean(kept, axis=0)
    assert promised > delivered + 0.06
    assert predicted == pytest.approx(delivered, abs=0.04)


@pytest.mark.parametrize("name", sorted(promises.RULES))
def test_every_rule_gives_a_threshold_a_label_even_on_degenerate_photos(name):
    choose = promises.RULES[name].choose
    targets, probabilities = signal()
    for some in (slice(None), slice(0, 2), slice(0, 1)):
        found = choose(targets[some], probabilities[some])
        assert found.shape == (4,) and np.isfinite(found).all()
    assert np.isfinite(choose(np.zeros_like(targets), probabilities)).all()
    assert np.isfinite(choose(np.ones_like(targets), probabilities)).all()
    assert choose(targets[:, :1], probabilities[:, :1]).shape == (1,)


def test_half_the_best_f1_is_the_best_threshold_of_calibrated_probabilities():
    targets, probabilities = signal(photos=20_000)
    found = promises.half_optimum(targets, probabilities)
    _, best = thresholds.exact(targets, probabilities)
    np.testing.assert_allclose(found, best / 2, atol=0.02)
    assert metrics.score(targets, thresholds.apply(probabilities, found))["micro_f1"] == pytest.approx(best, abs=0.002)


def test_half_the_best_f1_does_not_mind_how_labels_were_distorted():
    targets, probabilities = signal(photos=5000)
    distorted = calibration.weighted(probabilities, [1, 5, 20, 100]).astype(np.float32)
    given = thresholds.apply(distorted, promises.half_optimum(targets, distorted))
    _, best = thresholds.exact(targets, probabilities)
    _, one_for_all = thresholds.exact(targets, distorted)
    f1 = metrics.score(targets, given)["micro_f1"]
    assert f1 == pytest.approx(best, abs=0.005) and f1 > one_for_all + 0.02


def test_the_table_of_promises_by_its_parts():
    validation, test = signal(seed=1, photos=150), signal(seed=2, photos=200)
    rules = {name: promises.RULES[name] for name in ("grid", "exact", "label")}
    table = promises.compare(validation, test, rules, resamples=200)
    assert len(table) == 3 * 3 * 2 and (table.low <= table.f1).all() and (table.f1 <= table.high).all()
    line = table.set_index(["rule", "average", "stage"])
    for name, rule in rules.items():
        chosen = rule.choose(*validation)
        for average in ("micro", "macro"):
            for stage, (targets, probabilities) in (("promised", validation), ("delivered", test)):
                expected = metrics.score(targets, thresholds.apply(probabilities, chosen))[f"{average}_f1"]
                assert line.f1[name, average, stage] == pytest.approx(expected)
            again = promises.cross_fit(*validation, rule.choose)
            expected = np.mean([metrics.score(validation[0], answer)[f"{average}_f1"] for answer in again])
            assert line.f1[name, average, "predicted"] == pytest.approx(expected)
    for average, stage in (("micro", "promised"), ("macro", "delivered")):
        base, gain = line.f1["grid", average, stage], line.gain["label", average, stage]
        assert gain == pytest.approx(line.f1["label", average, stage] - base)
    assert (line.gain.loc["grid"] == 0).all()
    tested = table.p_holm.notna()
    assert set(table.stage[tested]) == {"delivered"} and set(table.rule[tested]) == {"exact", "label"}


def test_too_few_photos_have_gains_but_no_intervals():
    rules = {name: promises.RULES[name] for name in ("grid", "exact")}
    table = promises.compare(signal(seed=1, photos=150), signal(seed=2, photos=12), rules, resamples=50)
    few = table.stage == "delivered"
    bounds = table[["low", "high", "gain_low", "gain_high"]]
    assert bounds[few].isna().all(axis=None) and bounds[~few].notna().all(axis=None)
    assert table[["f1", "gain"]].notna().all(axis=None)


def test_nothing_is_chosen_on_test():
    validation, test = signal(seed=1, photos=80), signal(seed=2, photos=80)
    rules = {name: promises.RULES[name] for name in ("grid", "label")}
    table = promises.compare(validation, test, rules, resamples=50)
    other = promises.compare(validation, (1 - test[0], test[1]), rules, resamples=50)
    kept = table.stage != "delivered"
    assert table[kept].equals(other[kept]) and not table[~kept].equals(other[~kept])


def test_one_photo_cannot_be_cross_fitted():
    targets, probabilities = noise(photos=1)
    with pytest.raises(ValueError, match="1 photos"):
        promises.cross_fit(targets, probabilities, promises.on_grid)
