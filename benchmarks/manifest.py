"""What memory `predict` takes for a manifest of so many photos, the same files again and again, in a process of its own:
`python -m benchmarks.manifest FOLDER PHOTOS`.

The network is the smallest there is, and the photos are small, so that a million of them take minutes.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

from benchmarks import growth, material
from tagging_lib.inference import giving, predict, sources
from tagging_lib.inference.looking import Looker

SIDE, FILES = 64, 200  # px; photos that are there


def lay(folder: Path) -> Path:
    """A folder of some photos and a model; made once."""
    if not folder.exists():
        material.photos(folder / "images", FILES, SIDE)
        material.model_folder(folder / "model", growth.NETWORK, SIDE)
    return folder


def measure(folder: Path, count: int) -> dict[str, float]:
    """Seconds, and the highest memory in MiB that is the process' own, from the manifest to `predictions.csv`."""

    def once(photos: int) -> None:
        manifest, out = folder / f"{photos}.txt", folder / "out"
        with open(manifest, "w") as stream:
            stream.writelines(f"images/im{1 + number % FILES}.jpg\n" for number in range(photos))
        shutil.rmtree(out, ignore_errors=True)
        looker = Looker(folder / "model")
        (source,) = sources.open_sources([manifest])
        predict.write_plan(predict.tag(looker, source, out), giving.as_described(looker.described), out)

    once(growth.WARM)
    highest, done = [growth.private_memory()], threading.Event()

    def watch() -> None:
        while not done.wait(growth.SAMPLED):
            highest.append(max(highest.pop(), growth.private_memory()))

    watching, started = threading.Thread(target=watch), time.perf_counter()
    watching.start()
    try:
        once(count)
    finally:
        done.set()
        watching.join()
    return {"seconds": time.perf_counter() - started, "private": highest[0]}


def measure_alone(folder: Path, count: int) -> dict[str, float]:
    """`measure` in a fresh process."""
    command = [sys.executable, "-m", "benchmarks.manifest", str(folder), str(count)]
    done = subprocess.run(command, check=True, cwd=Path(__file__).parents[1], stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(measure(Path(sys.argv[1]), int(sys.argv[2]))))
