"""Features of a frozen backbone: each in its photo's row, kept once, and never silently wrong."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from torch import nn

from tagging_lib.data import arrays
from tagging_lib.errors import TaggingError
from tagging_lib.models.preprocessing import Preprocessing
from tagging_lib.training import features
from tagging_lib.training.batches import FeatureBatches, PhotoBatches

pytestmark = pytest.mark.usefixtures("float32")

N, SIDE = 37, 8


def backbone(*, flat: bool = True) -> nn.Sequential:
    """A backbone with what must not be active while features are taken: dropout, and batch norm statistics."""
    torch.manual_seed(3)
    layers = [nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5), nn.Dropout(0.5)]
    return nn.Sequential(*layers, *([nn.Flatten(), nn.Linear(180, 6)] if flat else [])).train()


def photos(augmentation: str = "original") -> PhotoBatches:
    pixels = np.random.default_rng(0).integers(0, 256, (N, SIDE, SIDE, 3), dtype=np.uint8)
    preprocessing = Preprocessing((0.4, 0.4, 0.4), (0.2, 0.2, 0.2))
    return PhotoBatches(pixels, np.zeros((N, 2), np.uint8), preprocessing, side=SIDE, augmentation=augmentation)


INDICES = np.array([1, 2, 5, *range(8, 33)])
OTHERS = np.setdiff1d(np.arange(N), INDICES)


def plain(folder, frozen, indices=INDICES, augmentation: str = "original") -> np.ndarray:
    path = folder / "plain.npy"
    features.write(path, frozen, (x for x, _ in photos(augmentation).plain(indices)), indices, N)
    return np.load(path)


def test_each_row_is_the_backbone_of_its_photo_in_eval_mode(tmp_path):
    frozen = backbone()
    found = plain(tmp_path, frozen)
    assert found.shape == (N, 6) and found.dtype == np.float32
    frozen.eval()
    for index in (1, 5, 20, 32):
        x, _ = next(photos().plain(np.array([index])))
        np.testing.assert_allclose(found[index], frozen(x)[0].detach().numpy(), atol=1e-5)
    assert (found[OTHERS] == 0).all()


def test_activations_are_kept_in_half_precision_channels_last_and_come_back_as_they_were(tmp_path):
    frozen = backbone(flat=False)
    found = plain(tmp_path, frozen)
    assert found.shape == (N, 6, 6, 5) and found.dtype == np.float16
    batches = FeatureBatches([found], np.zeros((N, 2), np.uint8))
    x, _ = next(batches.plain(INDICES[:9]))
    expected = frozen.eval()(next(photos().plain(INDICES[:9]))[0]).detach()
    assert x.dtype == torch.float32 and x.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(x, expected, atol=1e-3, rtol=1e-3)


def test_an_activation_beyond_half_precision_is_an_error(tmp_path):
    frozen = backbone(flat=False)
    with torch.no_grad():
        frozen[0].weight *= 1e7
    with pytest.raises(TaggingError, match="views to 0"):
        plain(tmp_path, frozen)


def test_taking_features_changes_no_statistics(tmp_path):
    frozen = backbone()
    before = frozen[1].running_mean.clone()
    plain(tmp_path, frozen)
    assert torch.equal(before, frozen[1].running_mean)


@pytest.mark.parametrize("flat", [True, False])
def test_an_augmented_view_differs_and_shows_other_photos_as_they_are(flat, tmp_path):
    frozen = backbone(flat=flat)
    zero = plain(tmp_path, frozen, np.arange(N))
    views = []
    for name, view in (("a", 1), ("b", 2), ("again", 1)):
        path = tmp_path / f"{name}.npy"
        features.write(path, frozen, photos().augmented(INDICES, view), INDICES, N, others=zero)
        views.append(np.load(path))
    first, second, again = views
    np.testing.assert_array_equal(first[OTHERS], zero[OTHERS])
    differs = np.abs(first[INDICES] - zero[INDICES]).reshape(len(INDICES), -1).max(1) > 1e-3
    assert differs.mean() > 0.7  # the policy leaves nine photos in a hundred as they are
    assert np.abs(first[INDICES] - second[INDICES]).max() > 1e-2
    np.testing.assert_array_equal(first, again)


def test_a_view_without_augmentation_is_the_plain_one(tmp_path):
    frozen = backbone()
    features.write(tmp_path / "view.npy", frozen, photos("none").augmented(np.arange(N), 1), np.arange(N), N)
    np.testing.assert_allclose(np.load(tmp_path / "view.npy"), plain(tmp_path, frozen, np.arange(N)), atol=1e-6)


def test_batches_read_the_cache_without_a_warning_and_never_write_it(tmp_path):
    path = tmp_path / "features.npy"
    array = arrays.cached(path, lambda target: np.save(target, np.ones((4, 3), dtype=np.float32)), (4,))
    content = path.read_bytes()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        batches = FeatureBatches([array], np.zeros((4, 2), np.uint8))
        for x, _ in batches.train(np.arange(4), 1):
            x.zero_()
    assert path.read_bytes() == content
