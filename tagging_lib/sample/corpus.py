"""The sample corpus: photo-like scenes drawn by code and seed, so that everything runs with no download.

Half of the photos carry no label; the rest carry label sets in the proportions of the MIRFLICKR-25K study corpus, with the
rare ones raised so that each label can be learnt and scored at all.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from tagging_lib import files
from tagging_lib.errors import TaggingError
from tagging_lib.progress import progress

logger = logging.getLogger(__name__)

QUALITY = 92  # JPEG
RARE_SHARE = 1 / 80  # of all photos: what each label has at least; 15 of 1,200
WORKERS = 2
FEW = 32  # photos not worth the start of a second process
# Photos of the 20,000 of the study corpus (MIRFLICKR-25K, relevant labels) that carry exactly these labels; sets of fewer
# than 20 photos are left out.
LABEL_SETS: dict[tuple[str, ...], int] = {
    (): 9824,
    ("female", "people", "portrait"): 1646,
    ("male", "people"): 1116,
    ("male", "people", "portrait"): 1019,
    ("female", "people"): 812,
    ("clouds",): 810,
    ("flower",): 696,
    ("people",): 645,
    ("night",): 467,
    ("dog",): 384,
    ("tree",): 359,
    ("female", "male", "people"): 319,
    ("bird",): 314,
    ("car",): 250,
    ("female", "male", "people", "portrait"): 233,
    ("sea",): 71,
    ("river",): 40,
    ("people", "portrait"): 61,
    ("clouds", "people"): 51,
    ("clouds", "tree"): 39,
    ("baby", "male", "people", "portrait"): 37,
    ("clouds", "male", "people"): 37,
    ("night", "people"): 37,
    ("clouds", "sea"): 34,
    ("male", "people", "sea"): 26,
    ("clouds", "river"): 24,
    ("baby", "people", "portrait"): 23,
    ("flower", "tree"): 23,
    ("night", "tree"): 22,
    ("male", "night", "people"): 21,
}
LABELS = tuple(sorted({label for labels in LABEL_SETS for label in labels}))


def plan(photos: int, seed: int) -> list[tuple[str, ...]]:
    """The label set of each photo, by number from 1: shares of `LABEL_SETS`, rare labels raised, in an order that the seed draws.

    Largest remainders make the counts whole; what a rare label lacks is then taken from the photos without a label, so a
    corpus of fewer than 80 photos may lack rare labels.
    """
    sets, weights = list(LABEL_SETS), np.array(list(LABEL_SETS.values()), float)
    wanted = weights / weights.sum() * photos
    counts = np.floor(wanted).astype(int)
    counts[np.argsort(counts - wanted, kind="stable")[: photos - counts.sum()]] += 1
    rng = np.random.default_rng([seed, 0])
    floor = int(photos * RARE_SHARE)
    for label in LABELS:
        having = np.array([label in labels for labels in sets])
        lacking = floor - int(counts[having].sum())
        if lacking > 0:
            extra = rng.choice(np.flatnonzero(having), lacking, p=weights[having] / weights[having].sum())
            np.add.at(counts, extra, 1)
            counts[0] -= lacking
    deck = [labels for labels, count in zip(sets, counts, strict=True) for _ in range(count)]
    return [deck[k] for k in rng.permutation(len(deck))]


def draw(folder: str | Path, photos: int = 1200, seed: int = 0, side: int = 128) -> Path:
    """The folder, with `images/im<N>.jpg` of side × side pixels and `annotations/<label>.txt`, N from 1.

    The same bytes for the same arguments and library versions, however many processes draw. The folder appears when it is
    complete, never half.

    Raises:
        TaggingError: the folder exists already, or the arguments make no corpus.
    """
    return _draw(Path(folder), photos, seed, side, labelled=True)


def draw_test(folder: str | Path, photos: int = 200, seed: int = 1, side: int = 128) -> Path:
    """The folder, with `images/im<N>.jpg` alone: photos like those of `draw`, their labels kept secret.

    Raises:
        TaggingError: as `draw`.
    """
    return _draw(Path(folder), photos, seed, side, labelled=False)


def _draw(folder: Path, photos: int, seed: int, side: int, *, labelled: bool) -> Path:
    if photos < 1 or side < 16 or side % 2 or seed < 0:
        raise TaggingError(
            f"a sample of {photos} photos of side {side} from seed {seed} cannot be drawn: "
            "give at least one photo, an even side from 16 and a seed from 0"
        )
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise TaggingError(f"{folder} exists already: name a new folder, or delete it to draw the sample again")
    with files.replacing_folder(folder) as building:
        (building / "images").mkdir()
        _paint(building / "images", photos, seed, side)
        if labelled:
            (building / "annotations").mkdir()
            deck = plan(photos, seed)
            for label in LABELS:
                lines = [f"{number}\n" for number, labels in enumerate(deck, 1) if label in labels]
                (building / "annotations" / f"{label}.txt").write_text("".join(lines), encoding="ascii")
    logger.info("%s: %d photos of %d pixels drawn from seed %d", folder, photos, side, seed)
    return folder


def _paint(images: Path, photos: int, seed: int, side: int) -> None:
    """Draw every photo; this process takes one share and helpers of its own making take the others.

    Helpers are plain interpreters: a fork of a process that has started threads (PyTorch's, a notebook's) may hang, and
    multiprocessing's spawn runs the caller's script once more, which fails without a main guard or from standard input.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    workers = min(WORKERS, cores) if photos > FEW and sys.executable else 1
    search = os.pathsep.join(entry or os.getcwd() for entry in sys.path)
    environment = {**os.environ, "PYTHONPATH": search, "PYTHONSAFEPATH": "1"}
    command = [sys.executable, "-m", __name__, str(images), str(photos), str(seed), str(side)]
    helpers = [
        subprocess.Popen([*command, str(first), str(workers)], env=environment, stderr=subprocess.DEVNULL)
        for first in range(1, workers)
    ]
    try:
        everything = progress(range(photos), "drawing the sample corpus")
        _paint_share(images, photos, seed, side, (index for index in everything if index % workers == 0))
        for first, helper in enumerate(helpers, 1):
            if helper.wait() != 0:
                # Killed, or not able to start: what is wrong, if anything, shows when its share is drawn here.
                _paint_share(images, photos, seed, side, range(first, photos, workers))
    finally:
        for helper in helpers:
            helper.kill()
            helper.wait()


def _paint_share(images: Path, photos: int, seed: int, side: int, indices: Iterable[int]) -> None:
    deck = plan(photos, seed)
    for index in indices:
        paint_photo(images / f"im{index + 1}.jpg", deck[index], seed, index + 1, side)


def paint_photo(path: Path, labels: Sequence[str], seed: int, number: int, side: int) -> None:
    """Draw photo `number` of the sample with these labels and save it."""
    from tagging_lib.sample.scenes import photograph

    pixels = photograph(labels, np.random.default_rng([seed, number]), side)
    Image.fromarray(pixels).save(path, quality=QUALITY, subsampling=0)


if __name__ == "__main__":  # a helper of `_paint`
    _photos, _seed, _side, _first, _workers = map(int, sys.argv[2:])
    _paint_share(Path(sys.argv[1]), _photos, _seed, _side, range(_first, _photos, _workers))
