"""Pickle canaries in every place where a file is loaded: none ever sings."""

from __future__ import annotations

import io
import json
import os
import pickle
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tests.torture import pipeline
from tests.torture.harness import Trials, answer_of, expect, in_child


class Canary:
    """Unpickling one makes a file."""

    def __init__(self, cage: Path) -> None:
        self.cage = cage

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.cage),)


def plain(cage: Path) -> bytes:
    return pickle.dumps(Canary(cage))


def beside_tensors(cage: Path) -> bytes:
    """What torch.save writes for a dictionary of tensors and one more thing."""
    import torch

    stream = io.BytesIO()
    torch.save({"weight": torch.zeros(2), "canary": Canary(cage)}, stream)
    return stream.getvalue()


def old_format(cage: Path) -> bytes:
    """torch.save before version 1.6: pickles one after the other."""
    import torch

    stream = io.BytesIO()
    torch.save({"canary": Canary(cage)}, stream, _use_new_zipfile_serialization=False)
    return stream.getvalue()


def array(cage: Path) -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.array([Canary(cage)], dtype=object), allow_pickle=True)
    return stream.getvalue()


def archive(cage: Path) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as opened:
        for name in ("validation.npy", "test.npy"):
            opened.writestr(name, array(cage))
    return stream.getvalue()


def named_pickle_archive(cage: Path) -> bytes:
    """A TorchScript-like archive."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as opened:
        opened.writestr("archive/data.pkl", plain(cage))
        opened.writestr("archive/version", "3\n")
        opened.writestr("archive/constants.pkl", plain(cage))
    return stream.getvalue()


FORMS: tuple[Callable[[Path], bytes], ...] = (plain, beside_tensors, old_format, array, archive, named_pickle_archive)


def run(trials: Trials) -> None:
    """Every form in every place: weights folder, run folder, model folder, caches."""
    with trials.workplace() as cage:
        with trials.trial("a canary can sing"):  # otherwise all that follows shows nothing
            pickle.loads(plain(cage / "sang"))
            expect((cage / "sang").is_dir(), "the canary makes no file")
        with trials.workplace() as folder:
            pipeline.corpus_at(folder)
            reference = answer_of(in_child(lambda: _everything(folder)))
            _weights(trials, folder, cage / "weights")
            _places(trials, folder, cage, reference)
            _model(trials, folder, cage)


def _everything(folder: Path) -> dict[str, Any]:
    return pipeline.everything(folder)


def _weights(trials: Trials, folder: Path, cage: Path) -> None:
    import dataclasses

    row = dataclasses.replace(pipeline.rows()[1], weights="imagenet")
    for suffix in (".pth", ".pt", ".safetensors") if trials.size != "short" else (".pth",):
        for form in FORMS:
            with trials.trial(f"weights {form.__name__} as {suffix}"), trials.workplace() as weights:
                (weights / f"test_resnet{suffix}").write_bytes(form(cage))

                def work(weights: Path = weights) -> None:
                    from tagging_lib.runs import run as runs

                    runs.run(row, pipeline.open_setting(folder, weights_folder=weights))

                ended = in_child(work)
                expect(not cage.exists(), "the canary sang")
                expect(ended.clear, f"no clear error but {ended.kind}: {ended.error}")
    with trials.trial("settings beside weights"), trials.workplace() as weights:
        shutil.copyfile("/dev/null", weights / "test_resnet.pth")
        (weights / "test_resnet.json").write_bytes(plain(cage))
        (weights / "test_resnet.pth").write_bytes(beside_tensors(cage))

        def work(weights: Path = weights) -> None:
            from tagging_lib.models import weights as loading

            loading.resolve("timm:test_resnet", weights)

        ended = in_child(work)
        expect(not cage.exists() and ended.clear, f"{ended.kind}: {ended.error}")


def _places(trials: Trials, folder: Path, cage: Path, reference: dict[str, Any]) -> None:
    """Every file that a second run reads; whoever can write there can also make the checksums fit."""
    read = [
        path.relative_to(folder)
        for path in sorted([*folder.rglob("*"), folder / ".tiny.digest.json"])
        if path.is_file() and path.name != "lock" and {"cache", "runs", ".tiny.digest.json"} & set(path.parts)
    ]
    first = next(path for path in read if path.name == "result.json")
    read.append(first.parent / "checkpoint" / "checkpoint.safetensors")
    every = [(relative, form, forged) for relative in read for form in FORMS for forged in (False, True)]
    if trials.size != "long":
        order = np.random.default_rng(trials.seed).permutation(len(every))[: trials.count(6, 60, 0)]
        every = [every[i] for i in order]
    for relative, form, forged in every:
        name = f"{form.__name__} as {relative}, checksums {'forged' if forged else 'as they were'}"
        if "features" in relative.parts and relative.suffix == ".npy" and forged and form is beside_tensors:
            trials.skip(f"{name}: an array of another shape ends in numpy's words, see tests/torture/README.md")
            continue
        with trials.trial(name), trials.workplace() as copy:
            shutil.copytree(folder, copy, dirs_exist_ok=True)
            victim, sang = copy / relative, cage / "place"
            if "features" in relative.parts:  # features are read by a row that has no result yet
                shutil.rmtree(copy / "outputs" / "runs" / "head")
            if victim.name.startswith("checkpoint"):
                shutil.rmtree(victim.parents[1])
                victim.parent.mkdir(parents=True)
            victim.write_bytes(form(sang))
            if forged:
                _forge(victim)
            ended = in_child(lambda c=copy: _everything(c))
            expect(not sang.exists(), "the canary sang")
            expect(answer_of(ended) == reference, "the run trusted it")


def _forge(victim: Path) -> None:
    """Make every checksum that is kept about the file fit it."""
    from tagging_lib import files

    digest, stat = files.sha256(victim), victim.stat()
    for note in victim.parent.glob("*.json"):
        if note == victim:
            continue
        described = json.loads(note.read_text())
        if victim.name in described.get("files", {}):
            described["files"][victim.name] = digest
        if victim.name == "model.safetensors" and "model_sha256" in described:
            described |= {"model_sha256": digest, "model_bytes": stat.st_size}
        if note.stem == victim.stem and "sha256" in described:
            described |= {"sha256": digest} | (
                {"bytes": stat.st_size, "mtime_ns": stat.st_mtime_ns} if "bytes" in described else {}
            )
        if "seal" in described:
            files.write_sealed(note, described)
        else:
            files.write_json(note, described)


def _model(trials: Trials, folder: Path, cage: Path) -> None:
    """A model folder from a stranger."""
    from tagging_lib import files

    for name in ("model.safetensors", "model.json"):
        for form in FORMS:
            with trials.trial(f"{form.__name__} as {name}"), trials.workplace() as model:
                content = form(cage / "model")
                (model / name).write_bytes(content)
                if name == "model.safetensors":
                    described = {"sha256": files.sha256(model / name), "labels": ["a"], "threshold": 0.5, "network": {}}
                    files.write_json(model / "model.json", described)
                else:
                    (model / "model.safetensors").write_bytes(content)

                def work(model: Path = model) -> None:
                    from tagging_lib.inference import folder

                    folder.load(model)

                ended = in_child(work)
                expect(not (cage / "model").exists(), "the canary sang")
                expect(ended.clear, f"no clear error but {ended.kind}: {ended.error}")
