"""Which photos belong together, so that no part of a split holds what another one has seen: twins, or groups of the user's."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path, PurePosixPath
from typing import Protocol

import numpy as np
from PIL import Image

from tagging_lib.data import arrays
from tagging_lib.data.readers.reading import GROUPINGS
from tagging_lib.progress import progress

FOUND, FOLDER, NONE = GROUPINGS
# Twins have perceptual hashes (pHash, 64 bits) at most this many bits apart, and grey thumbnails of 32 px with at least this
# correlation. On the 20,000 photos of the original's corpus that gives six pairs, all of them one picture twice or taken a
# moment later; the next pair (10 bits, 0.90) is one mountain at two times of day. Of 1,000 of these photos saved again,
# shrunk, in other light, in grey or with 2 % cut off, 99 to 100 % are found, of those with 5 % cut off 84 %, of mirrored
# ones none.
BITS, CORRELATION = 8, 0.85
THUMBNAIL = 32  # px
BLOCK = 4096  # photos whose neighbours are looked for at a time: bounds the memory


class Photos(Protocol):
    """What is grouped: a `Corpus`, of which this module needs no more than this."""

    @property
    def photos(self) -> Sequence[str]: ...
    @property
    def groups(self) -> Sequence[str]: ...


def together(corpus: Photos, rule: str, pixels: np.ndarray, cache: Path | None = None) -> np.ndarray:
    """For each photo the row of the first one that it belongs to, int64 (N,); a photo by itself has its own row.

    Args:
        rule: `found` looks for twins, `folder` takes the photos of a folder together, `none` nothing; any other value stands
            for the corpus' own groups, in which photos without one are by themselves.
        pixels: uint8 (N, S, S, 3), S a multiple of 32.
        cache: where hashes are kept; in the folder of a cached `pixels` by default.
    """
    if rule == FOUND:
        return twins(pixels, cache)
    rows = np.arange(len(corpus.photos), dtype=np.int64)
    if rule == NONE:
        return rows
    names = [str(PurePosixPath(photo).parent) for photo in corpus.photos] if rule == FOLDER else corpus.groups
    first: dict[str, int] = {}
    return np.array([first.setdefault(name, row) if name else row for row, name in enumerate(names)], dtype=np.int64)


def twins(pixels: np.ndarray, cache: Path | None = None) -> np.ndarray:
    """As `together` gives it, for photos with the same picture; twins of twins are twins.

    Source: Zauner, Implementation and Benchmarking of Perceptual Image Hash Functions, 2010 (pHash).
    """
    from scipy.sparse import csr_matrix
    from scipy.sparse.csgraph import connected_components
    from sklearn.neighbors import NearestNeighbors

    if not len(pixels):
        return np.empty(0, dtype=np.int64)
    seen = _seen(pixels, cache)
    bits, thumbnails = seen[:, :64].astype(np.float32), seen[:, 64:].astype(np.float32)
    thumbnails -= thumbnails.mean(axis=1, keepdims=True)
    length = np.linalg.norm(thumbnails, axis=1, keepdims=True)
    thumbnails /= np.where(length > 0, length, 1)
    # The squared distance of two rows of 0 and 1 is the number of bits in which they differ.
    neighbours = NearestNeighbors(radius=float(np.sqrt(BITS + 0.5)), algorithm="brute").fit(bits)
    pairs: list[np.ndarray] = []
    for start in range(0, len(bits), BLOCK):
        near = neighbours.radius_neighbors(bits[start : start + BLOCK], return_distance=False)
        for row, others in enumerate(near, start):
            others = others[others > row]
            alike = others[thumbnails[others] @ thumbnails[row] >= CORRELATION]
            # Photos of one colour have no correlation: of these only equal ones are twins.
            flat = [other for other in others if not length[row] and np.array_equal(seen[other], seen[row])]
            pairs += [np.array([[row, other]]) for other in (*alike, *flat)]
    joined = np.concatenate([np.empty((0, 2), dtype=np.int64), *pairs])
    graph = csr_matrix((np.ones(len(joined)), (joined[:, 0], joined[:, 1])), shape=(len(bits), len(bits)))
    _, group = connected_components(graph, directed=False)
    _, first = np.unique(group, return_index=True)
    return first[group].astype(np.int64)


def with_twin_in(groups: np.ndarray, rows: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Which of the photos at `rows` belong to a group that has a photo among `others`, bool (n,)."""
    return np.isin(groups[rows], groups[others])


def _seen(pixels: np.ndarray, cache: Path | None) -> np.ndarray:
    """The 64 bits of each photo's hash, then its grey thumbnail, uint8 (N, 64 + 32 · 32)."""
    file = getattr(pixels, "filename", None)
    folder = Path(file).parent / "hashes" if cache is None and file is not None else cache
    if folder is None:
        return _look(pixels)
    path = folder / f"{arrays.digest(pixels)[:16]}-phash{version('imagehash')}.npy"

    def write(target: Path) -> None:
        with open(target, "wb") as stream:
            np.save(stream, _look(pixels))

    return arrays.cached(path, write, (len(pixels), 64 + THUMBNAIL * THUMBNAIL))


def _look(pixels: np.ndarray) -> np.ndarray:
    import imagehash

    found = np.empty((len(pixels), 64 + THUMBNAIL * THUMBNAIL), dtype=np.uint8)
    for row in progress(range(len(pixels)), f"looking for twins among {len(pixels)} photos"):
        grey = Image.fromarray(pixels[row]).convert("L")
        found[row, :64] = imagehash.phash(grey).hash.ravel()
        found[row, 64:] = np.asarray(grey.resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX)).ravel()
    return found
