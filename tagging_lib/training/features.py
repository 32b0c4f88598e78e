"""Features of a frozen backbone, computed once."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import torch

from tagging_lib import files
from tagging_lib.errors import TaggingError
from tagging_lib.models.zoo import Tagger
from tagging_lib.progress import progress
from tagging_lib.training.batches import PhotoBatches

logger = logging.getLogger(__name__)


def plain(tagger: Tagger, photos: PhotoBatches, indices: np.ndarray, n_photos: int) -> np.ndarray:
    """Features float32 (1, n_photos, F) of the photos at `indices`, as they are; rows of other photos are zero."""
    found = np.zeros((1, n_photos, tagger.n_features), dtype=np.float32)
    batches = (x for x, _ in photos.plain(indices))
    _fill(tagger, batches, indices, found[0])
    return found


def augmented(tagger: Tagger, photos: PhotoBatches, indices: np.ndarray, plain_view: np.ndarray, views: int) -> np.ndarray:
    """`plain_view` (1, N, F) with augmented views of the photos at `indices` after it: float32 (views, N, F).

    Rows of other photos repeat the plain view.
    """
    found = np.repeat(plain_view, views, axis=0)
    for view in range(1, views):
        _fill(tagger, photos.augmented(indices, view), indices, found[view])
    return found


def _fill(tagger: Tagger, batches, indices: np.ndarray, into: np.ndarray) -> None:
    tagger.eval()
    done = 0
    with torch.inference_mode():
        for x in progress(batches, "batches of frozen features"):
            into[indices[done : done + len(x)]] = tagger.backbone(x).float().cpu().numpy()
            done += len(x)


def cached(path: Path, compute) -> np.ndarray:
    """The array in `path`, or what `compute()` returns, which is kept there; a damaged file is set aside."""
    note = path.with_suffix(".json")
    if path.exists() and note.exists():
        try:
            if files.read_json(note)["sha256"] == files.sha256(path):
                # Copy on write: torch warns of arrays that it may not write to.
                return np.load(path, mmap_mode="c", allow_pickle=False)
        except (TaggingError, ValueError, OSError, KeyError, TypeError):
            pass
        logger.warning("%s is damaged: set aside and computed again", path)
        path.replace(path.with_suffix(".damaged"))
    array = compute()
    with files.replacing(path) as temporary, open(temporary, "wb") as stream:
        np.save(stream, array, allow_pickle=False)
    files.write_json(note, {"sha256": files.sha256(path)})
    return array
