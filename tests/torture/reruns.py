"""Three fresh processes, the same bits; and an order of photos that no number of workers or threads changes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.torture import pipeline
from tests.torture.harness import Failed, Trials, answer_of, expect, in_child

ROOT = Path(__file__).resolve().parents[2]
PROCESSES = 3


def run(trials: Trials) -> None:
    """On the CPU, and on CUDA where there is one."""
    import torch

    for number in range(trials.count(1, 3, 20)):
        with trials.trial(f"fresh processes {number}"):
            _fresh(trials, "cpu", 2 if trials.size == "short" else PROCESSES)
    if torch.cuda.is_available():
        with trials.trial("fresh processes on cuda"):
            _fresh(trials, "cuda", PROCESSES)
    else:
        trials.skip("reruns on CUDA: torch finds no CUDA device here")
    with trials.workplace() as folder:
        pipeline.corpus_at(folder)
        for workers in (1, 2, 5):
            with trials.trial(f"{workers} decoding workers"):
                found = answer_of(in_child(lambda w=workers, f=folder: _decoded(f, w)))
                expect(found == answer_of(in_child(lambda f=folder: _decoded(f, 3))), "other pixels")
        orders = {}
        for threads in (1, 2, 4):
            with trials.trial(f"{threads} threads"):
                orders[threads] = answer_of(in_child(lambda t=threads, f=folder: _order(f, t)))
                expect(orders[threads] == orders[1], "another order, or other draws")


def _fresh(trials: Trials, device: str, processes: int) -> None:
    """Whole studies in folders of their own, by interpreters started anew."""
    found = []
    for _ in range(processes):
        with trials.workplace() as folder:
            ended = subprocess.run(
                [sys.executable, "-m", "tests.torture.reruns", str(folder), device],
                cwd=ROOT,
                env=os.environ | {"OMP_NUM_THREADS": "1", "CUBLAS_WORKSPACE_CONFIG": ":4096:8", "PYTHONHASHSEED": "random"},
                capture_output=True,
                text=True,
                timeout=600,
            )
            if ended.returncode:
                raise Failed(f"the process ended with {ended.returncode}: {ended.stderr[-500:]}")
            found.append(json.loads(ended.stdout.splitlines()[-1]))
    for other in found[1:]:
        for name, value in found[0].items():
            expect(other[name] == value, f"{name} differs between fresh processes")


def _decoded(folder: Path, workers: int) -> str:
    from tagging_lib.data import pixels
    from tagging_lib.data.corpus import Corpus

    corpus = Corpus.open(folder / "tiny")
    return pipeline.digest(pixels.load(corpus, 16, cache_dir=folder / f"cache-{workers}", workers=workers))


def _order(folder: Path, threads: int) -> list[Any]:
    """Which photos the batches of two epochs hold, and, to a tolerance that arithmetic in other orders needs, their pixels."""
    import torch

    from tagging_lib.models.preprocessing import IMAGENET
    from tagging_lib.training.batches import PhotoBatches

    torch.set_num_threads(threads)
    setting = pipeline.open_setting(folder)
    batches = PhotoBatches(
        setting.pixels, setting.corpus.targets, IMAGENET, side=16, batch_size=8, augmentation="original", seed=5
    )
    told: list[Any] = []
    for epoch in (1, 2):
        for x, y in batches.train(setting.indices("train"), epoch):
            told.append([y.int().tolist(), [round(float(value), 3) for value in x.mean(dim=(1, 2, 3))]])
    return told


def main(folder: Path, device: str) -> dict[str, Any]:
    """One study in this process."""
    import torch

    torch.set_num_threads(1)
    if device == "cuda":
        torch.use_deterministic_algorithms(True)
    pipeline.corpus_at(folder)
    setting = pipeline.open_setting(folder, device)
    from tagging_lib.runs import run as runs

    return {row.name: pipeline.outcome(runs.run(row, setting)) for row in pipeline.rows()}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(Path(sys.argv[1]), sys.argv[2])) + "\n")
