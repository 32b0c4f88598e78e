"""The loop: it learns, monitors the whole set, keeps the best epoch, stops early, and resumes to the last bit."""

from __future__ import annotations

import dataclasses
import logging

import numpy as np
import pytest
import torch
from sklearn.metrics import f1_score
from torch import nn

from tagging_lib.models import zoo
from tagging_lib.models.preprocessing import Preprocessing
from tagging_lib.training import checkpoint as checkpoints
from tagging_lib.training import fit as module
from tagging_lib.training import losses
from tagging_lib.training.batches import FeatureBatches, PhotoBatches
from tagging_lib.training.fit import fit
from tagging_lib.training.recipe import Recipe

N, L, SIDE = 90, 3, 12
TRAIN, VALIDATION = np.arange(0, 61), np.arange(61, N)
RECIPE = Recipe(epochs=4, batch_size=16, learning_rate=0.05, monitor_threshold=0.6, monitor_photos=40, seed=5)


def data(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Photos whose channel is bright where its label is on."""
    random = np.random.default_rng(seed)
    targets = (random.random((N, L)) < 0.35).astype(np.uint8)
    pixels = random.integers(0, 110, (N, SIDE, SIDE, 3)) + 120 * targets[:, None, None, :]
    return pixels.astype(np.uint8), targets


def photo_batches(recipe: Recipe = RECIPE) -> PhotoBatches:
    pixels, targets = data()
    return PhotoBatches(
        pixels,
        targets,
        Preprocessing((0.4, 0.4, 0.4), (0.25, 0.25, 0.25)),
        side=SIDE,
        batch_size=recipe.batch_size,
        augmentation=recipe.augmentation,
        seed=recipe.seed,
    )


def feature_batches(recipe: Recipe = RECIPE, noise: float = 0.3) -> FeatureBatches:
    random = np.random.default_rng(1)
    targets = data()[1]
    features = np.stack([targets + random.normal(scale=noise, size=(N, L)) for _ in range(2)]).astype(np.float32)
    return FeatureBatches(features, targets, batch_size=recipe.batch_size, seed=recipe.seed)


def network() -> nn.Module:
    torch.manual_seed(0)
    parts = [nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Dropout(0.3), nn.AdaptiveAvgPool2d(2), nn.Flatten()]
    return nn.Sequential(*parts, nn.Linear(24, L)).to(memory_format=torch.channels_last)


def linear() -> nn.Module:
    torch.manual_seed(0)
    return nn.Linear(L, L)


def bits(module: nn.Module) -> dict[str, bytes]:
    return {name: tensor.contiguous().numpy().tobytes() for name, tensor in module.state_dict().items()}


def without_times(history) -> list[dict[str, float]]:
    return [{name: value for name, value in entry.items() if not name.endswith("seconds")} for entry in history.epochs]


class Recorder:
    """Batches that note which photos were asked for, in which manner."""

    def __init__(self, batches):
        self.batches, self.batch_size = batches, batches.batch_size
        self.plain_calls: list[np.ndarray] = []
        self.train_calls: list[int] = []

    def train(self, indices, epoch):
        self.train_calls.append(epoch)
        yield from self.batches.train(indices, epoch)

    def plain(self, indices):
        self.plain_calls.append(indices)
        yield from self.batches.plain(indices)


def run(module, batches, recipe, **settings):
    return fit(module, batches, TRAIN, VALIDATION, recipe, pos_weight=None, **settings)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_one_pass_of_the_optimiser_over_memory_is_the_plain_optimiser(optimizer, monkeypatch):
    """Fused optimisers do not look at strides, and the weights of convolutions lie channels last."""
    recipe = dataclasses.replace(RECIPE, epochs=2, optimizer=optimizer, learning_rate=0.01)
    fused, plain = network(), network()
    run(fused, photo_batches(recipe), recipe)
    for name in ("SGD", "AdamW"):
        original = getattr(torch.optim, name)
        patched = lambda *given, original=original, **settings: original(*given, **(settings | {"fused": False}))  # noqa: E731
        monkeypatch.setattr(torch.optim, name, patched)
    run(plain, photo_batches(recipe), recipe)
    for name, tensor in fused.state_dict().items():
        if name == "0.bias":  # batch norm takes it away again: its gradient is rounding, which Adam makes large
            continue
        torch.testing.assert_close(tensor, plain.state_dict()[name], rtol=1e-3, atol=1e-5)


# ----------------------------------------------------------------- what it learns and says


def test_it_learns_what_the_photos_show():
    recipe = dataclasses.replace(RECIPE, epochs=15, augmentation="flip", learning_rate=0.2)
    tagger = network()
    history = run(tagger, photo_batches(recipe), recipe)
    assert len(history.epochs) == 15 and not tagger.training
    assert history.epochs[-1]["train_loss"] < 0.5 * history.epochs[0]["train_loss"]
    assert max(entry["validation_f1"] for entry in history.epochs) > 0.9


@pytest.mark.parametrize("weighted", [False, True])
def test_losses_and_f1_are_those_of_the_whole_set_in_eval_mode_without_augmentation(weighted):
    recipe = dataclasses.replace(RECIPE, epochs=2, keep="last")
    weight = torch.tensor([5.0, 1.0, 2.0]) if weighted else None
    tagger, recorder = network(), Recorder(photo_batches())
    recorder.batches.evaluation_batch = 7  # uneven batches: a mean of their F1 would differ
    history = fit(tagger, recorder, TRAIN, VALIDATION, recipe, pos_weight=weight)
    pixels, targets = data()
    entry = history.epochs[-1]
    monitored = recorder.plain_calls[0]
    assert len(set(monitored.tolist())) == 40 and set(monitored) <= set(TRAIN)
    for part, indices in (("train", monitored), ("validation", VALIDATION)):
        x = (torch.from_numpy(pixels[indices]).permute(0, 3, 1, 2).float() / 255 - 0.4) / 0.25
        with torch.no_grad():
            logits = tagger(x)
        y = torch.from_numpy(targets[indices]).float()
        answer = torch.sigmoid(logits) >= recipe.monitor_threshold
        assert entry[f"{part}_f1"] == pytest.approx(f1_score(targets[indices], answer, average="micro"))
        assert entry[f"{part}_loss"] == pytest.approx(float(losses.build("bce", weight)(logits, y)), rel=1e-4)


def test_the_monitored_photos_stay_the_same_in_every_epoch():
    recorder = Recorder(feature_batches())
    run(linear(), recorder, RECIPE)
    asked = recorder.plain_calls
    assert len(asked) == 2 * RECIPE.epochs  # one pass over training photos for learning, none again for watching
    assert all(np.array_equal(asked[0], one) for one in asked[::2])
    assert all(np.array_equal(VALIDATION, one) for one in asked[1::2])


def test_a_logit_on_the_threshold_counts_as_given():
    class Fixed(nn.Module):
        def __init__(self):
            super().__init__()
            self.shift = nn.Parameter(torch.zeros(1))

        def forward(self, x):
            return x * 0 + self.shift * 0  # logit 0: probability 1/2

    recipe = dataclasses.replace(RECIPE, epochs=1, monitor_threshold=0.5)
    history = run(Fixed(), feature_batches(), recipe)
    truth = data()[1][VALIDATION]
    expected = f1_score(truth, np.ones_like(truth), average="micro")
    assert history.epochs[0]["validation_f1"] == pytest.approx(expected)


def test_one_log_line_an_epoch(caplog):
    with caplog.at_level(logging.INFO, logger="tagging_lib.training.fit"):
        run(linear(), feature_batches(), RECIPE)
    assert [record.message.split(":")[0] for record in caplog.records] == [f"epoch {k}/4" for k in range(1, 5)]


def test_a_training_of_many_epochs_tells_some_of_them_and_its_first_and_last(caplog):
    with caplog.at_level(logging.INFO, logger="tagging_lib.training.fit"):
        history = run(linear(), feature_batches(), dataclasses.replace(RECIPE, epochs=103))
    told = [int(record.message.split(":")[0].removeprefix("epoch ").removesuffix("/103")) for record in caplog.records]
    assert told == [1, *range(4, 101, 4), 103] and len(history.epochs) == 103


# ------------------------------------------------------------------- optimiser and schedule


def test_one_cycle_is_the_originals(monkeypatch):
    """Rate and momentum of every step are those of torch's own OneCycleLR over all steps, and momentum dips to the base."""
    seen = []
    plain_step = torch.optim.SGD.step

    def step(self, *args, **kwargs):
        group = self.param_groups[0]
        assert group["nesterov"] and group["weight_decay"] == 0
        seen.append((group["lr"], group["momentum"]))
        return plain_step(self, *args, **kwargs)

    monkeypatch.setattr(torch.optim.SGD, "step", step)
    run(linear(), feature_batches(), RECIPE)
    steps = RECIPE.epochs * 4  # 61 photos in batches of 16: three full ones, one of 13
    weight = nn.Parameter(torch.zeros(1))
    weight.grad = torch.zeros(1)
    twin = torch.optim.SGD([weight], lr=1, momentum=0.9)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        twin, max_lr=0.05, epochs=RECIPE.epochs, steps_per_epoch=4, base_momentum=0.5, max_momentum=0.95
    )
    expected = []
    for _ in range(steps):
        expected.append((twin.param_groups[0]["lr"], twin.param_groups[0]["momentum"]))
        plain_step(twin)
        schedule.step()
    np.testing.assert_allclose(seen, expected)
    momenta = [momentum for _, momentum in seen]
    assert momenta[0] == pytest.approx(0.95) and momenta[-1] == pytest.approx(0.95) and min(momenta) < 0.52
    assert int(np.argmin(momenta)) == int(np.argmax([rate for rate, _ in seen]))


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
@pytest.mark.parametrize("schedule", ["one-cycle", "cosine", "constant"])
def test_every_optimizer_learns_under_every_schedule(optimizer, schedule):
    recipe = dataclasses.replace(RECIPE, optimizer=optimizer, schedule=schedule, epochs=6, weight_decay=0.01)
    history = run(linear(), feature_batches(), recipe)
    assert history.epochs[-1]["train_loss"] < history.epochs[0]["train_loss"]
    rates = [entry["learning_rate"] for entry in history.epochs]
    assert len(set(rates)) == (1 if schedule == "constant" else 6)


@pytest.mark.parametrize(("photos", "batch_size", "epochs"), [(1, 16, 1), (2, 1, 1), (3, 2, 1), (40, 16, 1)])
def test_the_shortest_trainings_run(photos, batch_size, epochs):
    recipe = dataclasses.replace(RECIPE, epochs=epochs, batch_size=batch_size)
    history = fit(linear(), feature_batches(recipe), TRAIN[:photos], VALIDATION, recipe, pos_weight=None)
    assert len(history.epochs) == epochs


def test_a_loss_that_is_no_number_ends_in_an_error_that_says_so():
    recipe = dataclasses.replace(RECIPE, learning_rate=1e30)
    with pytest.raises(FloatingPointError, match="the loss of epoch 1 is"):
        run(network(), photo_batches(), recipe)


def test_the_last_short_batch_trains_and_a_lone_photo_is_left_out_only_under_batch_norm():
    assert module._steps(linear(), 61, 16) == 4
    assert module._steps(linear(), 65, 16) == 5
    assert module._steps(network(), 61, 16) == 4
    assert module._steps(network(), 65, 16) == 4
    frozen = network()
    frozen[1].requires_grad_(False)
    assert module._steps(frozen, 65, 16) == 5
    flat = nn.Sequential(nn.Linear(L, 4), nn.BatchNorm1d(4, affine=False), nn.Linear(4, L))
    recipe = dataclasses.replace(RECIPE, epochs=1, batch_size=12)  # 61 = 5 × 12 + 1
    assert len(run(flat, feature_batches(recipe), recipe).epochs) == 1


def test_what_is_frozen_stays_to_the_last_bit():
    tagger = network()
    tagger[0].requires_grad_(False)
    before = tagger[0].weight.clone()
    run(tagger, photo_batches(), RECIPE)
    assert torch.equal(before, tagger[0].weight)


# -------------------------------------------------------------------- which epoch is kept


def validation_scores(monkeypatch, scores: list[float], states: list[dict]):
    """Make validation say `scores`, epoch by epoch, and note the weights it saw."""
    calls = []

    def monitor(net, *_):
        calls.append(1)
        if len(calls) % 2:
            return 0.5, 0.5
        states.append(bits(net))
        return 0.5, scores[len(calls) // 2 - 1]

    monkeypatch.setattr(module, "_monitor", monitor)


def test_the_best_epoch_on_validation_is_kept(monkeypatch):
    states: list[dict] = []
    validation_scores(monkeypatch, [0.1, 0.8, 0.8, 0.3], states)
    tagger = linear()
    history = run(tagger, feature_batches(), RECIPE)
    assert history.best_epoch == 2 and len(history.epochs) == 4
    assert bits(tagger) == states[1] != states[3]


def test_or_the_last(monkeypatch):
    states: list[dict] = []
    validation_scores(monkeypatch, [0.1, 0.8, 0.8, 0.3], states)
    tagger = linear()
    history = run(tagger, feature_batches(), dataclasses.replace(RECIPE, keep="last"))
    assert history.best_epoch == 4 and bits(tagger) == states[3]


@pytest.mark.parametrize("keep", ["best", "last"])
def test_training_stops_after_patience_epochs_without_a_better_one(keep, monkeypatch):
    validation_scores(monkeypatch, [0.1, 0.2, 0.3, 0.3, 0.2, 0.9, 0.9, 0.9], [])
    recipe = dataclasses.replace(RECIPE, epochs=8, patience=2, keep=keep)
    history = run(linear(), feature_batches(), recipe)
    assert len(history.epochs) == 5 and history.best_epoch == {"best": 3, "last": 5}[keep]


def test_without_validation_photos_the_last_epoch_is_kept():
    history = fit(linear(), feature_batches(), TRAIN, TRAIN[:0], RECIPE, pos_weight=None)
    assert history.best_epoch == 4 and np.isnan(history.epochs[0]["validation_f1"])


# ------------------------------------------------------------------------------- resuming


class Interrupted(Exception):
    """What stands for a power cut."""


def interrupt(monkeypatch, epoch: int, *, midway: bool):
    """End the training right after the checkpoint of `epoch`, or in the middle of the epoch after it."""
    save = checkpoints.save

    def saved(*args):
        save(*args)
        if not midway and len(args[-1]["history"]) == epoch:
            raise Interrupted

    monkeypatch.setattr(checkpoints, "save", saved)
    if midway:
        train = PhotoBatches.train

        def cut(self, indices, number):
            for step, batch in enumerate(train(self, indices, number)):
                if number == epoch + 1 and step == 2:
                    raise Interrupted
                yield batch

        monkeypatch.setattr(PhotoBatches, "train", cut)


def frozen_network() -> nn.Module:
    tagger = network()
    tagger[0].requires_grad_(False)
    return tagger


@pytest.mark.parametrize("midway", [False, True])
@pytest.mark.parametrize("epoch", [1, 3])
@pytest.mark.parametrize(
    ("make", "changes"),
    [
        (network, {}),
        (network, {"optimizer": "adamw", "schedule": "cosine", "keep": "last", "learning_rate": 1e-3}),
        (frozen_network, {"loss": "focal", "patience": 3}),
        (network, {"ema": 0.8, "mixup": 0.4}),
    ],
)
def test_an_interrupted_training_ends_in_the_same_bits(make, changes, epoch, midway, tmp_path, monkeypatch):
    recipe = dataclasses.replace(RECIPE, **changes)
    whole, whole_history = make(), None
    whole_history = run(whole, photo_batches(recipe), recipe)
    with monkeypatch.context() as patch:
        interrupt(patch, epoch, midway=midway)
        with pytest.raises(Interrupted):
            run(make(), photo_batches(recipe), recipe, checkpoint=tmp_path)
    # Another process has another random state, and its network starts from other weights.
    resumed, recorder = make(), Recorder(photo_batches(recipe))
    torch.manual_seed(1234)
    with torch.no_grad():
        for parameter in resumed.parameters():
            parameter.add_(1)
    history = run(resumed, recorder, recipe, checkpoint=tmp_path)
    assert recorder.train_calls == list(range(epoch + 1, recipe.epochs + 1))
    assert without_times(history) == without_times(whole_history)
    assert history.best_epoch == whole_history.best_epoch
    assert bits(resumed) == bits(whole)


def test_a_training_is_repeatable_and_its_seed_matters():
    def trained(seed):
        recipe = dataclasses.replace(RECIPE, seed=seed)
        tagger = network()
        torch.manual_seed(np.random.randint(1000))
        run(tagger, photo_batches(recipe), recipe)
        return bits(tagger)

    assert trained(5) == trained(5) != trained(6)


def test_a_checkpoint_of_another_recipe_is_not_continued(tmp_path, monkeypatch, caplog):
    with monkeypatch.context() as patch:
        interrupt(patch, 2, midway=False)
        with pytest.raises(Interrupted):
            run(network(), photo_batches(), RECIPE, checkpoint=tmp_path)
    other = dataclasses.replace(RECIPE, learning_rate=0.01)
    continued, whole = network(), network()
    run(continued, photo_batches(), other, checkpoint=tmp_path)
    assert "another recipe" in caplog.text
    run(whole, photo_batches(), other)
    assert bits(continued) == bits(whole)


def test_checkpoints_that_take_long_are_written_less_often_and_still_resume_to_the_same_bits(tmp_path, monkeypatch):
    whole = network()
    run(whole, photo_batches(), RECIPE)
    monkeypatch.setattr(module, "CHEAP_CHECKPOINT", 1e-9)
    monkeypatch.setattr(module, "CHECKPOINT_SHARE", 0.0)
    saved: list[int] = []
    save = checkpoints.save
    with monkeypatch.context() as patch:
        interrupt(patch, 3, midway=True)
        patch.setattr(checkpoints, "save", lambda *args: saved.append(len(args[-1]["history"])) or save(*args))
        with pytest.raises(Interrupted):
            run(network(), photo_batches(), RECIPE, checkpoint=tmp_path)
    assert saved == [1]
    resumed, recorder = network(), Recorder(photo_batches())
    run(resumed, recorder, RECIPE, checkpoint=tmp_path)
    assert recorder.train_calls == [2, 3, 4] and bits(resumed) == bits(whole)


# ------------------------------------------------------------- averaged weights, mixed photos, slower backbones


@pytest.mark.parametrize("keep", ["best", "last"])
def test_averaged_weights_are_what_is_judged_and_kept(keep):
    recipe = dataclasses.replace(RECIPE, ema=0.9, keep=keep, augmentation="none")
    plain, averaged = network(), network()
    run(plain, photo_batches(recipe), dataclasses.replace(recipe, ema=0.0))
    history = run(averaged, photo_batches(recipe), recipe)
    assert bits(plain) != bits(averaged)
    batches, boundary = photo_batches(recipe), np.log(0.6 / 0.4)
    with torch.no_grad():
        answer = (torch.cat([averaged(x) for x, _ in batches.plain(VALIDATION)]) >= boundary).numpy()
    truth = data()[1][VALIDATION]
    kept = history.epochs[history.best_epoch - 1]["validation_f1"]
    assert kept == pytest.approx(f1_score(truth, answer, average="micro", zero_division=0), abs=1e-6)


def test_an_average_follows_by_its_share_and_copies_what_is_counted():
    average, ahead = network(), network()
    with torch.no_grad():
        for tensor in ahead.state_dict().values():
            tensor.copy_(torch.full_like(tensor, 8))
    before = {name: tensor.clone() for name, tensor in average.state_dict().items()}
    module._move_towards(average, ahead, 0.75)
    for name, tensor in average.state_dict().items():
        expected = 0.75 * before[name] + 0.25 * 8 if tensor.is_floating_point() else torch.tensor(8)
        torch.testing.assert_close(tensor, expected)


def test_mixing_mixes_photos_and_targets_by_the_same_share():
    recipe = dataclasses.replace(RECIPE, mixup=0.5)
    y = torch.eye(6)
    x = y.view(6, 6, 1, 1) * 2 + 1
    mixed_x, mixed_y = module._mixed(x, y, recipe, 1, 0)
    torch.testing.assert_close(mixed_x.view(6, 6), mixed_y * 2 + 1)
    torch.testing.assert_close(mixed_y.sum(1), torch.ones(6))
    assert not torch.equal(mixed_y, y) and set(mixed_y.unique().tolist()) - {0.0, 1.0}
    again, other = module._mixed(x, y, recipe, 1, 0), module._mixed(x, y, recipe, 1, 1)
    assert torch.equal(again[1], mixed_y) and not torch.equal(other[1], mixed_y)


def test_a_backbone_learns_at_its_share_of_the_rate():
    tagger = zoo.build("cnn", L, side=16)
    recipe = dataclasses.replace(RECIPE, backbone_rate=0.25)
    optimizer = module._optimizer(tagger, recipe)
    head, rest = optimizer.param_groups
    assert {id(p) for p in head["params"]} == {id(p) for p in tagger.head.parameters()}
    assert len(head["params"]) + len(rest["params"]) == len(list(tagger.parameters()))
    schedule = module._schedule(optimizer, recipe, steps=5)
    rates = []
    for _ in range(19):
        rates.append((head["lr"], rest["lr"]))
        optimizer.step()
        schedule.step()
    assert max(rate for rate, _ in rates) == pytest.approx(recipe.learning_rate, rel=0.1)
    assert all(slow == pytest.approx(fast / 4) for fast, slow in rates)
