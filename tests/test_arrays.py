"""Arrays made once: found again, made anew when damaged, and never half there."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from tagging_lib import files
from tagging_lib.data import arrays
from tagging_lib.errors import TaggingError


def maker(array: np.ndarray, calls: list):
    def make(path):
        calls.append(1)
        np.save(path, array)

    return make


def test_the_cache_computes_once(tmp_path):
    path, calls = tmp_path / "deep" / "features.npy", []
    expected = np.arange(12, dtype=np.float32).reshape(4, 3)
    first = arrays.cached(path, maker(expected, calls), (4, 3))
    second = arrays.cached(path, maker(expected, calls), (4, 3))
    assert len(calls) == 1
    np.testing.assert_array_equal(first, expected)
    np.testing.assert_array_equal(first, second)


def test_a_copied_cache_is_recognised_by_its_checksum(tmp_path):
    path, calls = tmp_path / "features.npy", []
    make = maker(np.ones((4, 3), np.float32), calls)
    arrays.cached(path, make, (4,))
    path.touch()
    arrays.cached(path, make, (4,))
    assert len(calls) == 1


@pytest.mark.parametrize("name", ["features.npy", "features.json"])
@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"{}"])
def test_a_damaged_cache_is_set_aside_and_computed_again(name, content, tmp_path, caplog):
    path, calls = tmp_path / "features.npy", []
    expected = np.ones((4, 3), dtype=np.float32)
    make = maker(expected, calls)
    arrays.cached(path, make, (4,))
    (tmp_path / name).write_bytes(content)
    np.testing.assert_array_equal(arrays.cached(path, make, (4,)), expected)
    assert "damaged" in caplog.text and len(calls) == 2
    caplog.clear()
    np.testing.assert_array_equal(arrays.cached(path, make, (4,)), expected)
    assert not caplog.text and len(calls) == 2


def test_a_writing_that_fails_leaves_nothing(tmp_path):
    def fail(path):
        path.write_bytes(b"half")
        raise TaggingError("the power is gone")

    with pytest.raises(TaggingError, match="power"):
        arrays.cached(tmp_path / "features.npy", fail, (4,))
    assert [entry for entry in tmp_path.rglob("*") if entry.is_file()] == []


def test_an_array_of_another_shape_under_a_true_checksum_is_set_aside(tmp_path, caplog):
    path, calls = tmp_path / "features.npy", []
    arrays.cached(path, maker(np.ones((5, 3), dtype=np.float32), calls), (5,))
    found = arrays.cached(path, maker(np.ones((4, 3), dtype=np.float32), calls), (4,))
    assert found.shape == (4, 3) and len(calls) == 2 and "no array of the right shape" in caplog.text


def test_the_digest_is_that_of_the_file_where_there_is_one_and_of_the_bytes_elsewhere(tmp_path):
    array = np.arange(12, dtype=np.uint8).reshape(4, 3)
    assert arrays.digest(array) == hashlib.sha256(bytes(range(12))).hexdigest()
    kept = arrays.cached(tmp_path / "a.npy", maker(array, []), (4, 3))
    assert arrays.digest(kept) == files.sha256(tmp_path / "a.npy")
