"""What the library's own work costs as a corpus grows, each measured in a process of its own:
`python -m benchmarks.growth WHAT FOLDER PHOTOS [REPEATED]`.

The network is the smallest there is, so that nothing hides behind it; originals of a camera have a network of their own.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import material
from tagging_lib.data import pixels
from tagging_lib.data.corpus import open_photos
from tagging_lib.inference.predict import predict_photos
from tagging_lib.models.preprocessing import IMAGENET
from tagging_lib.training import features, fit
from tagging_lib.training.batches import PhotoBatches
from tagging_lib.training.recipe import Recipe

NETWORK = "ffn1"
WARM = 16  # photos of the unmeasured first run, which loads whatever is loaded once in a process
REPEATED = 4_000  # photos: smaller corpora are measured several times, until they are as many
SAMPLED = 0.005  # seconds between two looks at the memory


def lay(folder: Path, count: int, side: int) -> Path:
    """A folder of `count` photos, with their decoded pixels in a memory map and a model; made once."""
    made = folder / str(count)
    if not made.exists():
        material.photos(made / "images", count, side)
        array = np.lib.format.open_memmap(made / "pixels.npy", mode="w+", dtype=np.uint8, shape=(count, side, side, 3))
        some = np.random.default_rng(0).integers(0, 256, (min(count, material.UNIQUE), side, side, 3), dtype=np.uint8)
        for start in range(0, count, len(some)):
            array[start : start + len(some)] = some[: count - start]
        array.flush()
        material.model_folder(made / "model", NETWORK, side)
    return made


def lay_originals(folder: Path, count: int, drawn: Sequence[Path], side: int, network: str) -> Path:
    """A folder of `count` photos, links to those that are drawn, with a model that looks at `side` px; made once."""
    made = folder / str(count)
    if not made.exists():
        (made / "images").mkdir(parents=True)
        for number in range(count):
            os.link(drawn[number % len(drawn)], made / "images" / f"im{number + 1}.jpg")
        material.model_folder(made / "model", network, side, kept_side=side)
    return made


def decoding(made: Path, scratch: Path) -> None:
    """JPEG files to the cache."""
    photos = open_photos(made / "images")
    pixels.load(photos, _pixels(made).shape[1], cache_dir=scratch)


def epoch(made: Path, scratch: Path) -> None:
    """An epoch with the full augmentation, streamed from the memory map."""
    batches, side = _batches(made, "original")
    recipe = Recipe(epochs=1, pos_weight=False, monitor_photos=1, keep="last")
    nobody = np.empty(0, dtype=np.int64)
    fit.fit(material.tagger(NETWORK, side, "cpu"), batches, np.arange(len(_pixels(made))), nobody, recipe, pos_weight=None)


def frozen_features(made: Path, scratch: Path) -> None:
    """Features of every photo, written to disk."""
    batches, side = _batches(made, "none")
    everything = np.arange(len(_pixels(made)))
    backbone = material.tagger(NETWORK, side, "cpu", trained="head").backbone
    features.write(scratch / "features.npy", backbone, (x for x, _ in batches.plain(everything)), everything, len(everything))


def predicting(made: Path, scratch: Path) -> None:
    """JPEG files to a CSV of tags."""
    predict_photos(made / "model", open_photos(made / "images"), outputs=scratch)


KINDS: dict[str, Callable[[Path, Path], None]] = {
    "decoding to the cache": decoding,
    "an augmented epoch": epoch,
    "frozen features": frozen_features,
    "predict": predicting,
}


def _pixels(made: Path) -> np.ndarray:
    return np.load(made / "pixels.npy", mmap_mode="r", allow_pickle=False)


def _batches(made: Path, augmentation: str) -> tuple[PhotoBatches, int]:
    found = _pixels(made)
    side = found.shape[1]
    targets = np.zeros((len(found), len(material.LABELS)), dtype=np.uint8)
    return PhotoBatches(found, targets, IMAGENET, side=side, augmentation=augmentation), side


def measure(kind: str, folder: Path, count: int, repeated: int = REPEATED) -> dict[str, float]:
    """Seconds and processor seconds (medians), and the highest memory in MiB: `private`, which is the process' own, and
    `resident`, which counts pages of mapped files that the system may take back at any time.

    Args:
        repeated: photos until which it is done again.
    """
    work, scratch = KINDS[kind], folder / "scratch"

    def once(photos: int) -> tuple[float, float]:
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir()
        wall, cpu = time.perf_counter(), time.process_time()
        work(folder / str(photos), scratch)
        return time.perf_counter() - wall, time.process_time() - cpu

    once(WARM)
    highest, done = [private_memory()], threading.Event()

    def watch() -> None:
        while not done.wait(SAMPLED):
            highest.append(max(highest.pop(), private_memory()))

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        times = [once(count) for _ in range(max(1, min(5, repeated // count)))]
    finally:
        done.set()
        watching.join()
        shutil.rmtree(scratch, ignore_errors=True)
    wall, cpu = (statistics.median(values) for values in zip(*times, strict=True))
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)
    return {"seconds": wall, "cpu": cpu, "private": highest[0], "resident": resident}


def private_memory() -> float:
    """MiB that belong to this process alone; 0 where the system does not tell."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("RssAnon")), 0.0)


def measure_alone(kind: str, folder: Path, count: int, repeated: int = REPEATED) -> dict[str, Any]:
    """`measure` in a fresh process."""
    command = [sys.executable, "-m", "benchmarks.growth", kind, str(folder), str(count), str(repeated)]
    done = subprocess.run(command, check=True, cwd=Path(__file__).parents[1], stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(measure(sys.argv[1], Path(sys.argv[2]), *map(int, sys.argv[3:]))))
