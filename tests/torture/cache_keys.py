"""The key of a row: anything that could change its result misses, nothing else does, and two processes share one run."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np

from tests.torture import pipeline
from tests.torture.harness import Ended, Failed, Trials, answer_of, expect, in_child

# How a row is called in tables does not change what it computes; the stored result takes the new words.
WORDS = ("title", "group", "needs_gpu", "overnight", "toy", "rehearsal")
HIT_SECONDS = 0.5
# Library files that a row passes through, whose outcome is in its key by value or that decide nothing about it.
BY_VALUE = {
    "atomic.py",
    "declared.py",
    "files.py",
    "progress.py",
    "data/arrays.py",
    "data/corpus.py",
    "data/pixels.py",
    "data/splits.py",
    "evaluation/thresholds.py",
    "runs/experiment.py",
    "runs/kept.py",
    "runs/key.py",
    "runs/result.py",
    "runs/rows.py",
    "runs/run.py",
    "runs/setting.py",
}


def run(trials: Trials) -> None:
    """Hits, misses by field, label, pixel, split, code and version, and two processes at once."""
    with trials.workplace() as folder:
        pipeline.corpus_at(folder)
        answer_of(in_child(lambda: pipeline.everything(folder) and None))
        _hits(trials, folder)
        _fields(trials, folder)
        _inputs(trials, folder)
        _code(trials, folder)
    _together(trials)


def _key(folder: Path, row=None, **changes: Any) -> str:
    from tagging_lib.runs.key import key

    return key(row or pipeline.rows()[0], pipeline.open_setting(folder, **changes))


def _hits(trials: Trials, folder: Path) -> None:
    """The same row in a new process is found, within half a second, and trains nothing."""

    def again(row) -> float:
        from tagging_lib.runs import run as runs

        setting = pipeline.open_setting(folder)
        runs._compute = lambda *_: (_ for _ in ()).throw(Failed("the row ran again"))
        # The best of three: the time is the library's, not that of whatever else the machine does.
        seconds = []
        for _ in range(3):
            started = time.perf_counter()
            runs.run(row, setting)
            seconds.append(time.perf_counter() - started)
        return min(seconds)

    for row in pipeline.rows() * trials.count(1, 7, 34):
        with trials.trial(f"hit {row.name}"):
            seconds = answer_of(in_child(lambda r=row: again(r)))
            expect(seconds <= HIT_SECONDS, f"a stored result took {seconds:.2f} s")


def _other(name: str, value: Any) -> Any:
    """Another valid value of a field."""
    choices = {
        "network": "ffn2",
        "weights": "imagenet",
        "trained": "none",
        "optimizer": "adamw",
        "schedule": "cosine",
        "loss": "focal",
        "augmentation": "rotation",
        "keep": "last",
        "momentum": (0.4, 0.9),
        "patience": 7,
    }
    if name in choices:
        return choices[name]
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, float):
        return value * 0.5 + 0.01
    return value + "_other"


def _fields(trials: Trials, folder: Path) -> None:
    row = pipeline.rows()[0]
    changed = {
        f.name: dataclasses.replace(row, **{f.name: _other(f.name, getattr(row, f.name))})
        for f in dataclasses.fields(row)
        if f.name != "recipe"
    }
    for f in dataclasses.fields(row.recipe):
        recipe = dataclasses.replace(row.recipe, **{f.name: _other(f.name, getattr(row.recipe, f.name))})
        changed[f"recipe.{f.name}"] = dataclasses.replace(row, recipe=recipe)

    def keys() -> dict[str, str]:
        return {"": _key(folder, row)} | {name: _key(folder, other) for name, other in changed.items()}

    found = answer_of(in_child(keys))
    for name in changed:
        with trials.trial(f"field {name}"):
            if name in WORDS:
                expect(found[name] == found[""], f"{name} is only a word, and yet the row would run again")
            else:
                expect(found[name] != found[""], f"{name} changed and the key did not")
    with trials.trial("two changed fields"):
        others = [key for name, key in found.items() if name not in WORDS]
        expect(len(set(others)) == len(others), "two different rows share a key")


def _inputs(trials: Trials, folder: Path) -> None:
    """One label, one pixel, the split, the photos that train, weights and what lies beside them, a version."""
    from PIL import Image

    original = answer_of(in_child(lambda: _key(folder)))

    def label(copy: Path, random: np.random.Generator) -> str:
        path = sorted((copy / "tiny" / "annotations").iterdir())[int(random.integers(3))]
        lines = path.read_text().split()
        path.write_text("".join(f"{line}\n" for i, line in enumerate(lines) if i != int(random.integers(len(lines)))))
        if path.read_text().split() == lines:
            path.write_text("".join(f"{line}\n" for line in lines[1:]))
        return _key(copy)

    def pixel(copy: Path, random: np.random.Generator) -> str:
        path = sorted((copy / "tiny" / "images").iterdir())[int(random.integers(pipeline.PHOTOS))]
        stat = path.stat()
        with Image.open(path) as image:
            values = np.array(image)
        at = tuple(int(random.integers(size)) for size in values.shape)
        values[at] ^= 1
        Image.fromarray(values).save(path)
        # Whoever edits a photo and puts its time back still changes its size or its time of writing.
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
        return _key(copy)

    def name_of_photo(copy: Path, random: np.random.Generator) -> str:
        path = copy / "tiny" / "images" / f"im{int(random.integers(1, pipeline.PHOTOS))}.png"
        path.rename(path.with_suffix(".PNG"))
        return _key(copy)

    def name_of_label(copy: Path, random: np.random.Generator) -> str:
        (copy / "tiny" / "annotations" / "red.txt").rename(copy / "tiny" / "annotations" / "rot.txt")
        return _key(copy)

    def split(copy: Path, random: np.random.Generator) -> str:
        from tagging_lib.data import splits

        setting = pipeline.open_setting(copy)
        moved = int(random.integers(len(setting.split.train)))
        train = np.delete(setting.split.train, moved)
        validation = np.sort(np.append(setting.split.validation, setting.split.train[moved]))
        return _key(copy, split=splits.Split(train, validation, setting.split.test, "random", 42))

    def limit(copy: Path, random: np.random.Generator) -> str:
        return _key(copy, train_limit=int(random.integers(5, 20)))

    def version(copy: Path, random: np.random.Generator) -> str:
        from tagging_lib.runs import key

        before, changed = key.version, str(random.choice(["torch", "torchvision", "timm", "numpy", "pillow"]))
        key.version = lambda name: before(name) + ".post1" if name == changed else before(name)  # type: ignore
        return _key(copy)

    changes = (label, pixel, name_of_photo, name_of_label, split, limit, version)
    for change in changes:
        for _ in range(trials.count(1, 6, 60)):
            with trials.trial(change.__name__.replace("_", " ")) as random, trials.workplace() as copy:
                shutil.copytree(folder / "tiny", copy / "tiny")
                shutil.copy2(folder / ".tiny.digest.json", copy / ".tiny.digest.json")
                expect(answer_of(in_child(lambda c=copy: _key(c))) == original, "an unchanged copy misses")
                found = answer_of(in_child(lambda c=copy, r=random, w=change: w(c, r)))
                expect(found != original, "the key did not change")
    for change in ("weights", "settings beside weights"):
        with trials.trial(change), trials.workplace() as copy:
            _weights(folder, copy, change)


def _weights(folder: Path, copy: Path, change: str) -> None:
    import torch
    from safetensors.torch import save_file

    row = dataclasses.replace(pipeline.rows()[1], weights="imagenet")

    def key() -> str:
        return _key(folder, row, weights_folder=copy)

    weights, beside = copy / "test_resnet.safetensors", copy / "test_resnet.json"
    save_file({"a": torch.zeros(3)}, str(weights))
    beside.write_text(json.dumps({"side": 64}))
    before = answer_of(in_child(key))
    expect(answer_of(in_child(key)) == before, "unchanged weights miss")
    if change == "weights":
        save_file({"a": torch.ones(3)}, str(weights))
    else:
        beside.write_text(json.dumps({"side": 96}))
    expect(answer_of(in_child(key)) != before, "the key did not change")


def _code(trials: Trials, folder: Path) -> None:
    """Every library file that runs between a photo and its probability is in the key."""
    import tagging_lib

    package = Path(tagging_lib.__file__).parent

    def visited() -> list[str]:
        """Files of functions that run while rows are computed."""
        import sys

        from tagging_lib.runs import run as runs

        setting, seen = pipeline.open_setting(folder), set()

        def watch(frame, event, _) -> None:
            if event == "call" and frame.f_code.co_filename.startswith(str(package)):
                seen.add(Path(frame.f_code.co_filename).relative_to(package).as_posix())

        sys.setprofile(watch)
        for row in pipeline.rows():
            shutil.rmtree(setting.outputs, ignore_errors=True)
            runs.run(row, setting)
        sys.setprofile(None)
        return sorted(seen)

    def key_after(change: str) -> str:
        from tagging_lib import declared

        known = declared._declared()
        entry = known["training/fit.py"]
        if change == "version":
            known["training/fit.py"] = entry | {"version": entry["version"] + 1}
        elif change == "digest":
            known["training/fit.py"] = entry | {"digest": "of the same code, laid out anew"}
        return _key(folder)

    with trials.workplace() as copy:
        shutil.copytree(folder, copy, dirs_exist_ok=True)
        used = answer_of(in_child(visited))
    with trials.trial("no file was watched in vain"):
        expect({"training/fit.py", "models/zoo.py", "models/predict.py"} <= set(used), f"only {used} were seen")
    from tagging_lib import declared

    shaping = declared.versions((*declared.ROWS, *declared.JOINED, *declared.SEVERAL_RANKS))
    for name in used:
        if name not in BY_VALUE:
            with trials.trial(f"code {name}"):
                expect(name in shaping, f"{name} runs in a row and declares no version")
    as_it_is = answer_of(in_child(lambda: key_after("nothing")))
    for change in ("version", "digest"):
        with trials.trial(f"another {change}"):
            found = answer_of(in_child(lambda c=change: key_after(c)))
            expect((found != as_it_is) == (change == "version"), f"another {change}: {as_it_is} became {found}")


def _together(trials: Trials) -> None:
    """Two processes ask for the same rows at once: both get the same bits, and one of them trains."""
    for _ in range(trials.count(1, 10, 100)):
        with trials.trial("two at once") as random, trials.workplace() as folder:
            pipeline.corpus_at(folder)
            delay = float(random.uniform(0, 0.3))

            def work(wait: float, folder: Path = folder) -> dict:
                from tagging_lib.runs import run as runs

                time.sleep(wait)
                setting, ran = pipeline.open_setting(folder), []
                compute = runs._compute
                runs._compute = lambda row, *rest: ran.append(row.name) or compute(row, *rest)
                found = {row.name: pipeline.outcome(runs.run(row, setting)) for row in pipeline.rows()}
                return {"ran": ran, "found": found}

            first, second = _both(lambda work=work: work(0.0), lambda work=work, d=delay: work(d))
            one, two = answer_of(first), answer_of(second)
            expect(one["found"] == two["found"], "the two got different results")
            ran = sorted(one["ran"] + two["ran"])
            expect(ran == sorted(row.name for row in pipeline.rows()), f"rows ran {ran}")
            expect("damaged" not in first.log + second.log, "one damaged what the other wrote")


def _both(first, second) -> list[Ended]:
    """Two children of one child, which is the one that may have threads."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(in_child, (first, second)))
