"""`python -m benchmarks rivals`: the same photos, split, network and weights through what people would use instead.

Each contender is one fresh process, from photos on disk to probabilities of validation and test, one after the other on the
same machine. Its threshold is chosen on validation, by the library's own search for all of them.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
import venv
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from benchmarks import timing
from tagging_lib import files
from tagging_lib.data.corpus import Corpus
from tagging_lib.evaluation import metrics, thresholds, uncertainty
from tagging_lib.runs import kept
from tagging_lib.runs.setting import PARTS
from tagging_lib.study.opening import open_study, paths_of

ROOT = Path(__file__).resolve().parents[1]
NEEDED = "fastai>=2.8,<3"
ROW, NETWORK, SIDE = "densenet169_head", "densenet169", 128
OURS, FASTAI, PLAIN = "tagging", "fastai", "plain"
TITLES = {
    OURS: f"tagging train {ROW}",
    FASTAI: "fastai vision_learner, frozen, fit_one_cycle",
    PLAIN: "torchvision + scikit-learn",
}
TARGET = 0.08  # of fastai's time to the same micro-F1


def main(arguments: list[str] | None = None) -> int:
    """Measure, print the table, write JSON if asked to; the exit code is 0 whether or not the target is met."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks rivals", description=__doc__)
    parser.add_argument("--corpus", required=True, help="as tagging takes it: a folder, a zip, or zips joined by commas")
    parser.add_argument("--weights", type=Path, required=True, help=f"folder with ImageNet weights of {NETWORK}")
    parser.add_argument("--photos", type=int, default=5000, help="the first so many of the corpus")
    parser.add_argument("--epochs", type=int, default=8, help="of fastai's head")
    parser.add_argument("--environment", type=Path, help="folder of fastai's own environment, made where there is none")
    parser.add_argument("--contenders", default=",".join(TITLES), help="which, joined by commas")
    parser.add_argument("--json", type=Path, help="file for everything that was measured")
    asked = parser.parse_args(arguments)
    names = asked.contenders.split(",")
    if unknown := [name for name in names if name not in TITLES]:
        parser.error(f"no contender is called {', '.join(unknown)}: choose from {', '.join(TITLES)}")
    with tempfile.TemporaryDirectory(prefix="rivals-") as folder:
        scratch = Path(folder)
        job = prepare(scratch, asked.corpus, asked.weights, asked.photos, asked.epochs)
        python = Path(sys.executable)
        if FASTAI in names:
            python = environment(asked.environment or scratch / "environment")
        found = [measured(name, job, scratch, asked.weights, python) for name in names]
    if asked.json:
        files.write_json(asked.json, {"machine": files.describe_machine(), "photos": asked.photos, "contenders": found})
    sys.stdout.write(table(found) + "\n")
    return 0


def prepare(scratch: Path, corpus: str, weights: Path, photos: int, epochs: int) -> dict[str, Any]:
    """A corpus of the first photos in `scratch/corpus`, and what every contender is told of it, also as `scratch/job.json`."""
    whole = Corpus.open(paths_of(corpus), data_dir=scratch / "unpacked")
    folder = scratch / "corpus"
    folder.mkdir()
    rows = range(min(photos, len(whole)))
    names = [f"{row + 1:06}{whole.path(row).suffix}" for row in rows]
    with open(folder / "photos.csv", "w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["photo", "labels"])
        for row, name in zip(rows, names, strict=True):
            os.link(whole.path(row), folder / name)
            writer.writerow([name, json.dumps(whole.label_names(row))])
    # The split is the study's; its folders are not those of our own contender, which starts from nothing.
    study = open_study(CORPUS=str(folder), PROFILE="cpu", DEVICE="cpu", DATA=str(scratch / "looked-at"), record=False)
    part_of = np.empty(len(study.corpus), dtype=object)
    for part in PARTS:
        part_of[study.indices(part)] = part
    job = {
        "photos": [str(study.corpus.path(row)) for row in range(len(study.corpus))],
        "labels": list(study.labels),
        "targets": study.targets.tolist(),
        "parts": part_of.tolist(),
        "network": NETWORK,
        "weights": str(next(weights.glob(f"{NETWORK}.*safetensors"))),
        "side": SIDE,
        "epochs": epochs,
        "seed": 42,
        "cores": len(os.sched_getaffinity(0)),
    }
    (scratch / "job.json").write_text(json.dumps(job), encoding="utf-8")
    return job


def environment(folder: Path) -> Path:
    """The Python of an environment with fastai that borrows every other package from the present one."""
    python = folder / "bin" / "python"
    if not python.exists():
        sys.stderr.write(f"installing {NEEDED} into {folder} (minutes, once)\n")
        venv.create(folder, with_pip=True)
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        borrowed = [path for path in sys.path if path.endswith("site-packages")]
        (folder / "lib" / version / "site-packages" / "borrowed.pth").write_text("\n".join(borrowed) + "\n")
        subprocess.run([python, "-m", "pip", "install", "--quiet", NEEDED], check=True)
    return python


def measured(name: str, job: dict[str, Any], scratch: Path, weights: Path, python: Path) -> dict[str, Any]:
    """The contender in a fresh process: what it took, and how well it answers."""
    sys.stderr.write(f"{TITLES[name]} …\n")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    if name == OURS:
        options = ["--corpus", scratch / "corpus", "--profile", "cpu", "--weights", weights.resolve(), "--device", "cpu"]
        places = ["--outputs", scratch / "outputs", "--data", scratch / "data"]
        command = [sys.executable, "-m", "tagging_lib.cli", "train", ROW, *options, *places]
    else:
        command = [python if name == FASTAI else sys.executable, "-m", "benchmarks.contenders", name, scratch / "job.json"]
    with open(scratch / f"{name}.log", "w", encoding="utf-8") as log:
        process = subprocess.Popen(list(map(str, command)), cwd=ROOT, stdout=log, stderr=log)
        peak = _Peak(process.pid)
        code = process.wait()
    seconds, memory = time.perf_counter() - started, peak.read()
    if code:
        raise RuntimeError(f"{name} ended with exit code {code}:\n{(scratch / f'{name}.log').read_text()[-2000:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    if name == OURS:
        answers = dict(kept.read(kept.run_folder(ROW, scratch / "outputs")).arrays())
    else:
        answers = dict(np.load(scratch / f"{name}.npz"))
    measured_by = {"contender": name, "seconds": seconds, "processor_seconds": spent, "peak_mib": memory / 2**20}
    return measured_by | _score(job, answers)


def _score(job: dict[str, Any], answers: dict[str, np.ndarray]) -> dict[str, Any]:
    targets, parts = np.array(job["targets"], dtype=np.uint8), np.array(job["parts"])
    threshold = thresholds.best_on_grid(targets[parts == "validation"], answers["validation"])
    truth, given = targets[parts == "test"], thresholds.apply(answers["test"], threshold)
    score = metrics.score(truth, given)
    low, high = uncertainty.bootstrap_interval(truth, given)
    return {"micro_f1": score["micro_f1"], "low": low, "high": high, "macro_f1": score["macro_f1"], "threshold": threshold}


class _Peak:
    """The most memory that a process and its children hold together, shared pages counted once, looked at twice a second.

    A look walks through all their pages, and holds them up meanwhile: with large processes it is rarer, so that it costs them
    no more than a fiftieth of their time.
    """

    def __init__(self, pid: int):
        self._process, self._peak = psutil.Process(pid), 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        took = 0.0
        while not self._ended.wait(max(0.5, 50 * took)):
            held, begun = 0, time.perf_counter()
            try:
                for process in (self._process, *self._process.children(recursive=True)):
                    held += process.memory_full_info().pss
            except psutil.Error:
                continue
            finally:
                took = time.perf_counter() - begun
            self._peak = max(self._peak, held)

    def read(self) -> int:
        """Bytes."""
        self._ended.set()
        self._thread.join()
        return self._peak


def table(found: list[dict[str, Any]]) -> str:
    """One line a contender, and what ours took of fastai's time to the same micro-F1."""
    width = max(map(len, TITLES.values()))
    lines = [f"{'':{width}}  seconds  processor s  peak MiB  micro-F1 [95 %]        macro-F1"]
    for line in found:
        f1 = f"{line['micro_f1']:.3f} [{line['low']:.3f}, {line['high']:.3f}]"
        told = f"{line['seconds']:7.0f}  {line['processor_seconds']:11.0f}  {line['peak_mib']:8.0f}"
        lines.append(f"{TITLES[line['contender']]:{width}}  {told}  {f1}  {line['macro_f1']:8.3f}")
    by_name = {line["contender"]: line for line in found}
    if OURS in by_name and FASTAI in by_name:
        ours, theirs = by_name[OURS], by_name[FASTAI]
        value = ours["seconds"] / theirs["seconds"]
        reached = ours["micro_f1"] >= theirs["micro_f1"]
        note = "" if reached else f"with {ours['micro_f1'] - theirs['micro_f1']:+.3f} micro-F1: not the same score"
        row = timing.Row("time to the same micro-F1 ÷ fastai's", value, (value, value), TARGET, note=note)
        lines += ["", timing.table([row], judged=reached)]
    return "\n".join(lines)
