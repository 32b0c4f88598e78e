"""Rows gathered on the device, or read ahead from a memory map, against plain indexing."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch

from tagging_lib.models.preprocessing import IMAGENET
from tagging_lib.training import store as module
from tagging_lib.training.batches import FeatureBatches, PhotoBatches
from tagging_lib.training.store import Store

N = 23
ROWS = np.random.default_rng(0).permutation(N)[:20]


def arrays(views: int, shape: tuple[int, ...] = (3, 2), dtype=np.float32) -> list[np.ndarray]:
    random = np.random.default_rng(1)
    return [random.integers(0, 255, (N, *shape)).astype(dtype) for _ in range(views)]


def stores(given: list[np.ndarray]) -> dict[str, Store]:
    """The same rows from where they are, and as they lie on a device that has room."""
    resident = Store(given)
    resident._resident = module._copied(given, torch.device("cpu"))
    return {"read ahead": Store(given), "resident": resident}


@pytest.mark.parametrize("where", ["read ahead", "resident"])
@pytest.mark.parametrize("dtype", [np.uint8, np.float16, np.float32])
@pytest.mark.parametrize("size", [1, 6, 20, 64])
def test_rows_come_in_the_given_order(where, dtype, size):
    (array,) = arrays(1, dtype=dtype)
    batches = list(stores([array])[where].batches(ROWS, size))
    assert [len(rows) for rows, _ in batches] == [len(ROWS[start : start + size]) for start in range(0, 20, size)]
    np.testing.assert_array_equal(torch.cat([rows for rows, _ in batches]).numpy(), ROWS)
    found = torch.cat([data for _, data in batches]).numpy()
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, array[ROWS])


@pytest.mark.parametrize("where", ["read ahead", "resident"])
def test_each_row_comes_in_its_view(where):
    given = arrays(3)
    views = np.random.default_rng(2).integers(0, 3, len(ROWS))
    found = torch.cat([data for _, data in stores(given)[where].batches(ROWS, 7, views)]).numpy()
    np.testing.assert_array_equal(found, np.stack(given)[views, ROWS])


@pytest.mark.parametrize("where", ["read ahead", "resident"])
def test_no_rows_give_no_batches(where):
    assert list(stores(arrays(1))[where].batches(ROWS[:0], 4)) == []


def test_a_memory_map_is_read_batch_by_batch_and_never_written(tmp_path, monkeypatch):
    (array,) = arrays(1, dtype=np.uint8)
    np.save(tmp_path / "rows.npy", array)
    asked: list[int] = []
    take = np.take
    monkeypatch.setattr(np, "take", lambda source, rows, **kw: asked.append(len(rows)) or take(source, rows, **kw))
    batches = Store([np.load(tmp_path / "rows.npy", mmap_mode="r")]).batches(ROWS, 2)
    _, data = next(batches)
    assert sum(asked) <= 2 * (module.READ_AHEAD + 1)
    data.zero_()
    batches.close()
    np.testing.assert_array_equal(np.load(tmp_path / "rows.npy"), array)


def test_an_epoch_that_is_left_early_leaves_no_thread():
    before = threading.active_count()
    batches = Store(arrays(1)).batches(ROWS, 2)
    next(batches)
    batches.close()
    assert threading.active_count() == before


def test_an_error_while_reading_ahead_reaches_the_caller():
    with pytest.raises(IndexError, match="out of bounds"):
        list(Store(arrays(1)).batches(np.array([0, N]), 1))


@pytest.mark.parametrize(("free", "resident"), [(10**9, True), (1000, False)])
def test_what_does_not_fit_is_streamed(free, resident, monkeypatch):
    """`meta` stands for a device other than the CPU."""
    monkeypatch.setattr(module, "_free", lambda device: free)
    monkeypatch.setattr(module, "_copied", lambda views, device: torch.zeros(1))
    given = arrays(2, shape=(16,))  # 2 × 23 × 64 bytes
    assert (Store(given, "meta")._resident is not None) is resident


@pytest.mark.parametrize("chunk", [1, 100, 1 << 20])
def test_copying_in_pieces_copies_everything(chunk, monkeypatch):
    monkeypatch.setattr(module, "COPIED", chunk)
    given = arrays(2)
    np.testing.assert_array_equal(module._copied(given, torch.device("cpu")).numpy(), np.stack(given))


def test_photos_and_features_are_the_same_from_both_places():
    pixels = arrays(1, shape=(8, 8, 3), dtype=np.uint8)
    targets = np.random.default_rng(3).integers(0, 2, (N, 2)).astype(np.uint8)
    features = arrays(2, shape=(5,))
    makers = (
        lambda: PhotoBatches(pixels[0], targets, IMAGENET, side=8, batch_size=6, augmentation="original"),
        lambda: FeatureBatches(features, targets, batch_size=6),
    )
    for make, attribute in zip(makers, ("_pixels", "_views"), strict=True):
        ahead, resident = make(), make()
        kept = getattr(resident, attribute)
        kept._resident = module._copied(kept._host, torch.device("cpu"))
        for one, other in zip(ahead.train(ROWS, 3), resident.train(ROWS, 3), strict=True):
            assert torch.equal(one[0], other[0]) and torch.equal(one[1], other[1])
        for one, other in zip(ahead.plain(ROWS), resident.plain(ROWS), strict=True):
            assert torch.equal(one[0], other[0]) and torch.equal(one[1], other[1])
