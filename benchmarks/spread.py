"""Rows on a Ray cluster of two nodes of this machine: what a second one brings, and what the death of one costs.

They run when they are asked for by name: `python -m benchmarks ray-predict ray-deaths`.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks import material, nodes
from benchmarks.timing import Row, ratio

ROOT = Path(__file__).parents[1]
ANSWERS = ("predictions.csv", "predictions.txt")
OF_A_ROW = ("probabilities.npz", "truth.npz", "model.safetensors")
STUDIED = ("constant", "ffn1", "cnn", "resnet18_scratch")
SEED = 0
Opened = Callable[[], AbstractContextManager[nodes.Nodes]]


@dataclass(frozen=True)
class Scale:
    photos: int = 20_000
    side: int = 128  # px
    network: str = "timm:mobilenetv1_100"
    shard: int = 1024  # photos
    deaths: int = 20
    deaths_photos: int = 6_000
    studied: int = 300  # photos of the study's corpus
    repeats: int = 3


TOY = Scale(photos=64, side=32, network="ffn1", shard=16, deaths=1, deaths_photos=320, studied=60, repeats=1)


def tagging(*words: object, cwd: Path, cores: int = 1) -> None:
    """A `tagging` command on so many cores, with as many threads.

    Raises:
        subprocess.CalledProcessError: it failed; its output is on standard error.
    """
    python(["-m", "tagging_lib.cli", *map(str, words)], cwd, cores)


def python(words: list[str], cwd: Path, cores: int) -> None:
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    environment = os.environ | nodes.SETTINGS | {"PYTHONPATH": path, "OMP_NUM_THREADS": str(cores)}

    def confined() -> None:
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])

    done = subprocess.run([sys.executable, *words], cwd=cwd, env=environment, capture_output=True, text=True, preexec_fn=confined)
    if done.returncode:
        sys.stderr.write(done.stdout + done.stderr)
        done.check_returncode()


def predict(scale: Scale, scratch: Path, opened: Opened = nodes.cluster) -> list[Row]:
    """`tagging predict` by two Ray workers of one core ÷ by one process of one core, each a fresh process."""
    model = material.model_folder(scratch / "model", scale.network, scale.side)
    material.photos(scratch / "photos", scale.photos, scale.side)
    call = ("predict", model, "photos", "--shard-photos", scale.shard, "--device", "cpu", "--fresh")
    network, begun = scale.network.removeprefix("timm:"), time.perf_counter()
    with opened() as found:
        up = time.perf_counter() - begun
        return [
            Row("start of a Ray cluster of two nodes", up, (up, up), None, unit="s"),
            ratio(
                f"predict of {scale.photos} photos, {network}: two Ray workers of one core ÷ one process of one core",
                partial(tagging, *call, "--out", "spread", "--ray", found.address, "--cores", 1, cwd=scratch, cores=2),
                partial(tagging, *call, "--out", "alone", cwd=scratch),
                target=0.56,
                repeats=scale.repeats,
                note=f"shards of {scale.shard}",
            ),
        ]


def deaths(scale: Scale, scratch: Path, opened: Opened = nodes.cluster) -> list[Row]:
    """Of how many deaths of one of two nodes, at random moments, a predict and a study come out with the bytes of one machine."""
    drawn = random.Random(SEED)
    model = material.model_folder(scratch / "model", "ffn1", 32)
    material.photos(scratch / "photos", scale.deaths_photos, 32)
    _corpus(scratch / "corpus", scale.studied)

    def predicted(out: str, *more: object) -> None:
        tagging("predict", model, "photos", "--shard-photos", 16, "--device", "cpu", "--out", out, *more, cwd=scratch, cores=2)

    def studied(out: str, address: str = "") -> None:
        # Alone with as many threads as on a node: another number of them rounds otherwise when it trains.
        python(["-m", "benchmarks.spread", out, address], scratch, 2 if address else 1)

    def tags(out: str) -> list[bytes]:
        return [(scratch / out / name).read_bytes() for name in ANSWERS]

    def results(out: str) -> dict[str, bytes]:
        found = {}
        for path in sorted((scratch / out / "runs").glob("*/*/*")):
            if path.name in OF_A_ROW:
                found[f"{path.parent.parent.name}/{path.name}"] = path.read_bytes()
        return found

    works: tuple[tuple[str, Callable, Callable], ...] = (
        ("predict", lambda out, address: predicted(out, "--ray", address, "--cores", 1), tags),
        ("study", studied, results),
    )
    predicted("predict-alone")
    studied("study-alone")
    rows = []
    with opened() as found:
        for name, work, read in works:
            whole, begun = read(f"{name}-alone"), time.monotonic()
            work(f"{name}-undisturbed", found.address)
            took = time.monotonic() - begun
            same = 0
            for trial in range(scale.deaths):
                victim = found.others[-1] if found.others else found.add()
                death = threading.Timer(drawn.uniform(0, took), found.kill, [victim])
                death.start()
                try:
                    work(f"{name}-{trial}", found.address)
                    same += read(f"{name}-{trial}") == whole
                except subprocess.CalledProcessError:
                    pass
                death.join()
            told = f"{name}: one of two Ray nodes killed at a random moment; same bytes as one machine"
            note = f"of {scale.deaths}, seed {SEED}, within {took:.0f} s"
            rows.append(Row(told, same, (same, same), scale.deaths, unit="times", at_least=True, note=note))
    return rows


def _corpus(folder: Path, photos: int) -> None:
    """Photos with labels that can be learnt: each brightens a channel."""
    (folder / "images").mkdir(parents=True)
    (folder / "annotations").mkdir()
    draw = np.random.default_rng(0)
    given = draw.random((photos, 3)) < 0.4
    for number, labels in enumerate(given, start=1):
        image = draw.integers(0, 70, (32, 32, 3), dtype=np.uint8) + (150 * labels).astype(np.uint8)
        Image.fromarray(image).save(folder / "images" / f"im{number}.png")
    for channel, label in enumerate(("red", "green", "blue")):
        numbers = np.flatnonzero(given[:, channel]) + 1
        (folder / "annotations" / f"{label}.txt").write_text("".join(f"{number}\n" for number in numbers))


def study(outputs: str, address: str) -> None:
    """Train some rows at toy scale by `tagging train`, on the cluster, or here without an address."""
    from tagging_lib import cli
    from tagging_lib.study.opening import as_options
    from tagging_lib.workflow.cluster import connected
    from tagging_lib.workflow.spread import train_rows

    parameters = {"CORPUS": "corpus", "PROFILE": "quick", "DEVICE": "cpu", "OUTPUTS": outputs}
    if not address:
        for name in STUDIED:
            cli.app(["train", name, *as_options(parameters)], standalone_mode=False)
        return
    with connected(address) as cluster:
        failed = train_rows(parameters, cluster, 1, STUDIED)
    if failed:
        sys.exit(json.dumps(failed))


ROWS = {"ray-predict": predict, "ray-deaths": deaths}

if __name__ == "__main__":
    study(sys.argv[1], sys.argv[2])
