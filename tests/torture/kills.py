"""SIGKILL at random moments of a run, half of them inside a write: what is left is whole, and the next call continues.

Then damage: whatever file of a cache, checkpoint or result is flipped, cut or emptied is noticed, and made again.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from tests.torture import pipeline
from tests.torture.harness import Failed, Trials, answer_of, damage, expect, in_child

STAGES = ("before", "half", "written", "flushed", "renamed", "any moment")


def run(trials: Trials) -> None:
    """Random kills, kills inside writes, and damaged files."""
    with trials.workplace() as straight:
        pipeline.corpus_at(straight)
        ended = in_child(lambda: pipeline.everything(straight))
        reference, seconds = answer_of(ended), ended.seconds
        writes = len(answer_of(in_child(lambda: _count_writes(trials))))
        counted = trials.count(4, 200, 2000)
        inside = 0
        for number in range(counted):
            with trials.trial("kill") as random, trials.workplace() as folder:
                pipeline.corpus_at(folder)
                if random.random() < 0.5:  # older outputs lie there; their report must stay or be replaced, whole
                    _older_outputs(straight, folder)
                if number % 2:
                    at, stage = int(random.integers(writes)), str(random.choice(STAGES))
                    ended = in_child(lambda f=folder, a=at, s=stage, r=random: _killed_in_write(f, a, s, r))
                else:
                    ended = in_child(lambda f=folder: pipeline.everything(f), kill_after=float(random.uniform(0, 1.05 * seconds)))
                expect(ended.code in (0, -signal.SIGKILL), f"the child ended with {ended.code}: {ended.error}")
                inside += number % 2 and ended.code == -signal.SIGKILL
                whole(folder, reference)
                again = in_child(lambda f=folder: pipeline.everything(f))
                expect(answer_of(again) == reference, "the continued run ended in other results")
                expect("damaged" not in again.log, f"a kill damaged a file: {again.log}")
                # Who is killed between renaming a file and removing the folder that it was written in leaves that folder.
                left = [p for p in folder.rglob(".*") if p.name != ".tiny.digest.json" and any([p.is_file(), *p.rglob("*")])]
                expect(not left, f"the killed run left {left}")
        trials.notes.append(f"{inside} of {counted} kills struck inside one of the {writes} writes of a run")
        _damage(trials, straight, reference)


def _older_outputs(straight: Path, folder: Path) -> None:
    """A finished report and work folder of before, without the rows' results and caches."""
    for name in ("work", "report"):
        shutil.copytree(straight / "outputs" / name, folder / "outputs" / name)
    (folder / "outputs" / "report" / "old").write_text("of an older report")


@contextmanager
def hooked(hook) -> Iterator[None]:
    """Let `hook(original, path)`, a context manager, stand for every write of the library."""
    from tagging_lib import files

    before = files.replacing, files.replacing_folder
    files.replacing = lambda path: hook(before[0](path), Path(path))  # type: ignore[assignment]
    files.replacing_folder = lambda path, **options: hook(before[1](path, **options), Path(path))  # type: ignore[assignment]
    try:
        yield
    finally:
        files.replacing, files.replacing_folder = before


def _count_writes(trials: Trials) -> list[str]:
    seen: list[str] = []

    @contextmanager
    def counting(original, path: Path):
        seen.append(path.name)
        with original as temporary:
            yield temporary

    with trials.workplace() as folder, hooked(counting):
        pipeline.corpus_at(folder)
        pipeline.everything(folder)
    return seen


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(60)


def _killed_in_write(folder: Path, at: int, stage: str, random: np.random.Generator) -> Any:
    """A run that dies at the given stage of its write number `at`."""
    from tagging_lib import atomic

    seen = 0

    @contextmanager
    def dying(original, path: Path):
        nonlocal seen
        seen += 1
        if seen != at + 1:
            with original as temporary:
                yield temporary
            return
        if stage == "any moment":
            threading.Timer(float(random.exponential(0.002)), die).start()
        with original as temporary:
            if stage == "before":
                die()
            yield temporary
            if stage == "half":
                for part in [temporary] if temporary.is_file() else sorted(temporary.rglob("*.html")):
                    os.truncate(part, int(random.integers(part.stat().st_size + 1)))
            if stage in ("half", "written"):
                die()
            if stage == "flushed":
                os.replace = atomic._put_in_place = lambda *_: die()  # type: ignore[assignment]
            if stage == "renamed":
                shutil.rmtree = lambda *_, **__: die()  # type: ignore[assignment]

    with hooked(dying):
        return pipeline.everything(folder)


def whole(folder: Path, reference: dict[str, Any]) -> None:
    """Every file under its final name can be read, and says what the uninterrupted run's says.

    Raises:
        Failed: one does not.
    """
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.is_file() and not hidden:
            try:
                _look_at(path, reference)
            except Failed:
                raise
            except Exception as error:
                raise Failed(f"{path.relative_to(folder)} is torn: {type(error).__name__}: {error}") from error
    report = folder / "outputs" / "report"
    if report.exists():
        expect((report / "index.html").exists() and (report / "manifest.json").exists(), "the report is torn")
        for name, digest in json.loads((report / "manifest.json").read_text())["files"].items():
            from tagging_lib import files

            expect(files.sha256(report / name) == digest, f"report/{name} is not the report's own")


def _look_at(path: Path, reference: dict[str, Any]) -> None:
    import nbformat
    from PIL import Image
    from safetensors import safe_open

    from tagging_lib import files

    row = reference.get(path.parent.parent.name, {})
    if path.suffix == ".json":
        value = json.loads(path.read_text())
        if "seal" in value:
            files.read_sealed(path)
    elif path.suffix == ".npy":
        array = np.load(path, allow_pickle=False)
        expect(array.ndim != 4 or pipeline.digest(array) == reference["pixels"], f"{path.name} holds other pixels")
    elif path.suffix == ".npz":
        with np.load(path, allow_pickle=False) as stored:
            told = "truth " if path.name == "truth.npz" else ""
            for part in ("validation", "test"):
                expect(pipeline.digest(stored[part]) == row[told + part], f"{path} holds other values")
    elif path.name == "model.safetensors":
        expect(files.sha256(path) == row["model"], f"{path} is another model")
    elif path.suffix == ".safetensors":
        with safe_open(str(path), framework="pt") as stored:
            [stored.get_tensor(name) for name in stored.keys()]  # noqa: SIM118
    elif path.suffix == ".png":
        with Image.open(path) as image:
            image.load()
    elif path.suffix == ".html":
        expect(path.read_text().rstrip().endswith("</html>"), f"{path.name} is cut off")
    elif path.suffix == ".svg":
        expect(path.read_text().rstrip().endswith("</svg>"), f"{path.name} is cut off")
    elif path.suffix == ".ipynb":
        nbformat.read(path, as_version=4)
    elif path.suffix == ".csv":
        expect(path.read_text().endswith("\n"), f"{path.name} is cut off")


def _damage(trials: Trials, straight: Path, reference: dict[str, Any]) -> None:
    """Flip, cut, empty or scramble one file of what a run trusts, and run again."""
    for _ in range(trials.count(2, 60, 600)):
        with trials.trial("damage") as random, trials.workplace() as folder:
            shutil.copytree(straight, folder, dirs_exist_ok=True)
            if random.random() < 0.5:  # an interrupted run, with a checkpoint
                row = pipeline.rows()[0]
                _interrupted(folder, row.name)
            trusted = [
                path
                for path in sorted(folder.rglob("*"))
                if path.is_file()
                and path.name != "lock"
                and ("cache" in path.parts or "runs" in path.parts or path.name == ".tiny.digest.json")
            ]
            victim = trusted[int(random.integers(len(trusted)))]
            if "features" in victim.parts:  # features are read by a row that has no result yet
                shutil.rmtree(folder / "outputs" / "runs" / "head", ignore_errors=True)
            how = str(random.choice(["flipped", "truncated", "emptied", "noise"]))
            before = victim.read_bytes()
            broken = damage(before, how, random)
            victim.write_bytes(broken)
            again = in_child(lambda f=folder: pipeline.everything(f))
            expect(answer_of(again) == reference, f"{victim.name}, {how}: other results")
            if broken != before and victim.name != ".tiny.digest.json" and not _same_json(before, broken):
                told = "damaged" in again.log or "cannot be used" in again.log
                expect(told, f"{victim.relative_to(folder)}, {how}: no message")


def _same_json(before: bytes, after: bytes) -> bool:
    try:
        return json.loads(before) == json.loads(after)
    except ValueError:
        return False


def _interrupted(folder: Path, name: str) -> None:
    """Take the row's result away and stop its training after its first epoch."""
    for run_folder in (folder / "outputs" / "runs" / name).iterdir():
        shutil.rmtree(run_folder)

    def work() -> Any:
        from tagging_lib.training import fit as fitting

        keep = fitting.checkpoints.save

        def save(*arguments: Any) -> None:
            keep(*arguments)
            die()

        fitting.checkpoints.save = save
        return pipeline.everything(folder)

    ended = in_child(work)
    expect(ended.code == -signal.SIGKILL, "the training was not interrupted")
