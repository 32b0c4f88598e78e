"""Two ranks against one, each on one core; `python -m benchmarks.several` is what each rank does, started by torchrun."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from benchmarks import material
from benchmarks.timing import Row
from tagging_lib import files
from tagging_lib.models import ranks
from tagging_lib.models.preprocessing import IMAGENET
from tagging_lib.runs import trainer
from tagging_lib.training import fit
from tagging_lib.training.batches import PhotoBatches
from tagging_lib.training.recipe import Recipe

WORLDS = (1, 2, 3)
NOBODY = np.empty(0, dtype=np.int64)


def rows(side: int, steps: int, batch_size: int, asked: int, repeats: int, scratch: Path) -> list[Row]:
    """An epoch of ResNet-18 by two ranks ÷ by one, and whether one, two and three count the same hits."""
    found: dict[int, list[dict[str, Any]]] = {world: [] for world in WORLDS}
    for turn in range(repeats):
        for world in WORLDS if turn == 0 else WORLDS[:2]:
            target = scratch / f"{world}-{turn}.json"
            given = (f"--{name}={value}" for name, value in (("side", side), ("steps", steps), ("batch-size", batch_size)))
            _launch(world, *given, f"--asked={asked if turn == 0 else 0}", str(target))
            found[world].append(json.loads(target.read_text()))
    two, one = ([each["seconds"] for each in found[world]] for world in (2, 1))
    ratios = [a / b for a, b in zip(two, one, strict=True)]
    counts = [np.array(found[world][0]["counts"]) for world in WORLDS]
    same = float(np.mean([counts[0] == other for other in counts[1:]]))
    return [
        Row(
            "two ranks of one core ÷ one rank of one core, ResNet-18 epoch",
            statistics.median(ratios),
            (min(ratios), max(ratios)),
            0.58,
            ours=two,
            reference=one,
            note=f"{steps} steps of {batch_size}, {side} px, full augmentation, start of the processes apart",
        ),
        Row(
            f"ranks 1, 2, 3 on {asked:,} test photos: share of confusion counts that are the same",
            same,
            (same, same),
            1.0,
            unit="",
            at_least=True,
            note=f"hits, false and missed tags, rightly none, of {counts[0].shape[1]} labels",
        ),
    ]


def _launch(world: int, *arguments: str) -> None:
    torchrun = ("-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={world}") if world > 1 else ()
    root = Path(__file__).resolve().parents[1]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(root)}
    command = [sys.executable, *torchrun, "-m", "benchmarks.several", *arguments]
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed: {done.stderr[-2000:]}")


def work(side: int, steps: int, batch_size: int, asked: int) -> dict[str, Any]:
    """Seconds of an epoch after one that warms up, and the counts (4, L) of `asked` photos at the threshold 0.5."""
    photos = max(steps * batch_size, asked)
    random = np.random.default_rng(0)
    targets = (random.random((photos, len(material.LABELS))) < 0.3).astype(np.uint8)
    pixels = random.integers(0, 256, (photos, side, side, 3), dtype=np.uint8)
    batches = PhotoBatches(pixels, targets, IMAGENET, side=side, batch_size=batch_size, augmentation="original")
    tagger = material.tagger("resnet18", side, "cpu")
    tests = np.arange(asked)
    counts = np.zeros((4, len(material.LABELS)), dtype=np.int64)
    if asked:
        answers = trainer.answer(SimpleNamespace(module=tagger, batches=batches), tests, len(material.LABELS))  # type: ignore[arg-type]
        said, true = answers >= np.median(answers, axis=0), targets[tests] == 1
        counts = np.stack([(said & true).sum(0), (said & ~true).sum(0), (~said & true).sum(0), (~said & ~true).sum(0)])
    recipe = Recipe(epochs=2, batch_size=batch_size, pos_weight=False, monitor_photos=1, keep="last")
    history = fit.fit(tagger, batches, np.arange(steps * batch_size), NOBODY, recipe, pos_weight=None)
    return {"seconds": history.epochs[1]["seconds"], "counts": counts.tolist()}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.several")
    for name in ("side", "steps", "batch-size", "asked"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("target", type=Path)
    told = parser.parse_args()
    torch.set_num_threads(1)
    if "RANK" in os.environ:
        ranks.join()
    measured = work(told.side, told.steps, told.batch_size, told.asked)
    if ranks.is_writer():
        files.write_json(told.target, measured)
    ranks.leave()
