"""Every photo once, normalised and resized as the weights demand, and every draw from (seed, epoch, step)."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from PIL import Image

from tagging_lib.errors import TaggingError
from tagging_lib.models.preprocessing import IMAGENET, Preprocessing
from tagging_lib.training.batches import FeatureBatches, PhotoBatches, derived_seed

PLAIN = Preprocessing((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
N, L, SIDE = 41, 3, 16


def photo_batches(**changes) -> PhotoBatches:
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (N, SIDE, SIDE, 3), dtype=np.uint8)
    # The photo's number is written into its first pixel, and into its targets, so that both can be recognised.
    pixels[:, 0, 0, 0] = np.arange(N)
    targets = (np.arange(N)[:, None] >> np.arange(L)) & 1
    settings = {"preprocessing": PLAIN, "side": SIDE, "batch_size": 8} | changes
    return PhotoBatches(pixels, targets.astype(np.uint8), **settings)


def numbers(x: torch.Tensor) -> list[int]:
    return (x[:, 0, 0, 0] * 255).round().int().tolist()


def test_an_epoch_has_every_photo_once_with_its_own_targets():
    indices = np.arange(3, N)
    seen = []
    for x, y in photo_batches().train(indices, epoch=1):
        assert x.dtype == y.dtype == torch.float32 and x.shape[1:] == (3, SIDE, SIDE)
        assert x.is_contiguous(memory_format=torch.channels_last)
        assert y.tolist() == [[float(number >> bit & 1) for bit in range(L)] for number in numbers(x)]
        seen.append(numbers(x))
    assert [len(batch) for batch in seen] == [8, 8, 8, 8, 6]
    flat = [number for batch in seen for number in batch]
    assert sorted(flat) == indices.tolist() and flat != sorted(flat)


def test_plain_keeps_the_given_order_and_is_never_augmented():
    indices = np.array([5, 2, 40, 11])
    batches = photo_batches(augmentation="original")
    x = torch.cat([x for x, _ in batches.plain(indices)])
    assert numbers(x) == indices.tolist()
    assert torch.equal(x, torch.cat([x for x, _ in photo_batches().plain(indices)]))


def test_evaluation_batches_of_any_size_give_the_same_photos(monkeypatch):
    indices = np.arange(N)
    found = []
    for size in (1, 7, 64):
        batches = photo_batches()
        batches.evaluation_batch = size
        found.append(torch.cat([x for x, _ in batches.plain(indices)]))
    assert torch.equal(found[0], found[1]) and torch.equal(found[0], found[2])


def test_an_epoch_can_be_drawn_again_and_differs_from_the_next():
    def epoch(batches, number):
        return torch.cat([x for x, _ in batches.train(np.arange(N), number)])

    batches = photo_batches(augmentation="original")
    first = epoch(batches, 1)
    epoch(batches, 2)
    torch.rand(3)
    assert torch.equal(first, epoch(batches, 1))
    assert torch.equal(first, epoch(photo_batches(augmentation="original"), 1))
    assert not torch.equal(first, epoch(batches, 2))
    assert not torch.equal(first, epoch(photo_batches(augmentation="original", seed=1), 1))


def test_seeds_of_different_parts_differ():
    seeds = {derived_seed(*parts) for parts in [(1,), (1, 0), (1, 0, 0), (0, 1), (1, 1), (1, 0, 1), (10,), (1, 0, 0, 1)]}
    assert len(seeds) == 8


def test_normalisation_is_last_and_by_channel():
    x, _ = next(photo_batches(preprocessing=IMAGENET).plain(np.arange(4)))
    raw, _ = next(photo_batches().plain(np.arange(4)))
    for channel in range(3):
        expected = (raw[:, channel] - IMAGENET.mean[channel]) / IMAGENET.std[channel]
        torch.testing.assert_close(x[:, channel], expected)


@pytest.mark.parametrize("side", [9, 40])
def test_resizing_is_pillows_bicubic(side):
    pixels = np.asarray(
        Image.effect_mandelbrot((SIDE, SIDE), (-2, -1.5, 1, 1.5), 60).convert("RGB"), dtype=np.uint8
    )[None]
    batches = PhotoBatches(pixels, np.zeros((1, 1), np.uint8), PLAIN, side=side)
    x, _ = next(batches.plain(np.arange(1)))
    assert x.shape == (1, 3, side, side) and float(x.min()) >= 0 and float(x.max()) <= 1
    if side < SIDE:  # enlarging uses another cubic (a = -0.75) than Pillow's (a = -0.5)
        pillow = np.asarray(Image.fromarray(pixels[0]).resize((side, side), Image.Resampling.BICUBIC), dtype=float) / 255
        assert np.abs(x[0].permute(1, 2, 0).numpy() - pillow).max() < 0.02


def test_a_read_only_map_is_read_and_never_written(tmp_path):
    path = tmp_path / "pixels.npy"
    np.save(path, np.full((6, SIDE, SIDE, 3), 200, dtype=np.uint8))
    stored = np.load(path, mmap_mode="r")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        batches = PhotoBatches(stored, np.zeros((6, 2), np.uint8), PLAIN, side=SIDE, augmentation="original")
        list(batches.train(np.arange(6), 1))
    assert (np.load(path) == 200).all()


def test_an_unknown_augmentation_is_refused_before_training():
    with pytest.raises(TaggingError, match="mixup"):
        photo_batches(augmentation="mixup")


def feature_batches(views: int = 3, **changes) -> FeatureBatches:
    view, photo = np.meshgrid(np.arange(views), np.arange(N), indexing="ij")
    features = np.stack([view, photo], -1).astype(np.float32)
    targets = (np.arange(N)[:, None] >> np.arange(L)) & 1
    return FeatureBatches(features, targets.astype(np.uint8), batch_size=8, **changes)


def test_features_come_once_an_epoch_each_in_a_view_of_its_own():
    counts = np.zeros(3, dtype=int)
    for epoch in range(1, 41):
        rows = []
        for x, y in feature_batches().train(np.arange(N), epoch):
            assert y[:, 0].tolist() == (x[:, 1] % 2).tolist()
            rows += x[:, 1].int().tolist()
            counts += np.bincount(x[:, 0].int().numpy(), minlength=3)
        assert sorted(rows) == list(range(N))
    assert np.abs(counts / counts.sum() - 1 / 3).max() < 4 * (2 / 9 / counts.sum()) ** 0.5


def test_photos_without_an_augmented_view_are_seen_plain_and_the_others_as_before():
    batches, plain = feature_batches(), np.arange(0, N, 3)
    before = torch.cat([x for x, _ in batches.train(np.arange(N), 1)])
    batches.as_they_are = plain
    after = torch.cat([x for x, _ in batches.train(np.arange(N), 1)])
    among = np.isin(after[:, 1].numpy(), plain)
    assert before[among, 0].max() == 2 and after[among, 0].max() == 0
    assert torch.equal(after[~among], before[~among])


def test_features_of_an_epoch_can_be_drawn_again():
    def epoch(batches, number):
        return torch.cat([x for x, _ in batches.train(np.arange(N), number)])

    assert torch.equal(epoch(feature_batches(), 4), epoch(feature_batches(), 4))
    assert not torch.equal(epoch(feature_batches(), 4), epoch(feature_batches(), 5))
    assert not torch.equal(epoch(feature_batches(), 4), epoch(feature_batches(seed=1), 4))


def test_plain_features_are_those_of_view_0_in_the_given_order():
    indices = np.array([7, 0, 33])
    x, y = next(feature_batches().plain(indices))
    assert x.tolist() == [[0.0, 7.0], [0.0, 0.0], [0.0, 33.0]] and y[:, 0].tolist() == [1.0, 0.0, 1.0]
