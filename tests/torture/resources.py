"""Full disk, read-only folder, no permission, no memory, no GPU: one clear error each, and no partial file."""

from __future__ import annotations

import dataclasses
import os
import resource
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tests.torture import pipeline
from tests.torture.harness import Failed, Trials, answer_of, expect, in_child
from tests.torture.kills import whole

NOBODY = 65534


def run(trials: Trials) -> None:
    """Each shortage at several places of a run."""
    with trials.workplace() as straight:
        pipeline.corpus_at(straight)
        reference = answer_of(in_child(lambda: pipeline.everything(straight)))
        _full_disk(trials, straight, reference)
        _read_only(trials, straight)
        _no_permission(trials, reference)
        _no_memory(trials, straight)
        _no_gpu(trials, straight)


def _may_mount() -> bool:
    return os.geteuid() == 0 and shutil.which("mount") is not None


@contextmanager
def _disk(folder: Path, options: str) -> Iterator[Path]:
    """A small disk in memory."""
    place = folder / "disk"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)], check=True, capture_output=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True, capture_output=True)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _full_disk(trials: Trials, straight: Path, reference: dict[str, Any]) -> None:
    if not _may_mount():
        trials.skip("full disk: only root may mount a small disk here")
        return
    needed = _size(straight)
    for _ in range(trials.count(3, 40, 400)):
        with trials.trial("full disk") as random, trials.workplace() as folder:
            kilobytes = int(random.uniform(0.05, 0.95) * needed / 1024)
            try:
                disk = _disk(folder, f"size={kilobytes}k")
                place = disk.__enter__()
            except subprocess.CalledProcessError as error:
                trials.skip(f"full disk: no small disk could be mounted ({error.stderr!r})")
                return
            try:
                (folder / "tiny").mkdir()
                shutil.copytree(straight / "tiny", folder / "tiny", dirs_exist_ok=True)
                for name in ("data", "outputs"):
                    (place / name).mkdir()
                    (folder / name).symlink_to(place / name)
                ended = in_child(lambda f=folder: pipeline.everything(f))
                expect(ended.clear, f"no clear error but {ended.code} {ended.kind}: {ended.error}")
                expect("make room" in ended.error, f"the error does not say what to do: {ended.error}")
                hidden = [path for path in place.rglob(".*") if path.name != ".tiny.digest.json"]
                expect(not hidden, f"partial files are left: {hidden}")
                whole(place, reference)
                subprocess.run(
                    ["mount", "-o", "remount,size=64m", str(place)], check=True, capture_output=True
                )  # somebody made room
                again = answer_of(in_child(lambda f=folder: pipeline.everything(f)))
                expect(again == reference, "after room was made the run ended in other results")
            finally:
                disk.__exit__(None, None, None)


def _read_only(trials: Trials, straight: Path) -> None:
    if not _may_mount():
        trials.skip("read-only disk: only root may mount one here")
        return
    for name in ("outputs", "data"):
        with trials.trial(f"read-only {name}"), trials.workplace() as folder, _disk(folder, "size=1m") as place:
            shutil.copytree(straight / "tiny", folder / "tiny")
            subprocess.run(["mount", "-o", "remount,ro", str(place)], check=True, capture_output=True)
            (folder / name).symlink_to(place)
            ended = in_child(lambda f=folder: pipeline.everything(f))
            expect(ended.clear, f"no clear error but {ended.kind}: {ended.error}")
            expect("read-only" in ended.error.lower(), f"the error does not say why: {ended.error}")
    with trials.trial("read-only corpus"), trials.workplace() as folder, _disk(folder, "size=1m") as place:
        shutil.copytree(straight / "tiny", place / "tiny")
        subprocess.run(["mount", "-o", "remount,ro", str(place)], check=True, capture_output=True)
        (folder / "tiny").symlink_to(place / "tiny")
        answer_of(in_child(lambda f=folder: pipeline.everything(f)))  # a corpus is only read


def _no_permission(trials: Trials, reference: dict[str, Any]) -> None:
    if os.geteuid() != 0:
        trials.skip("no permission: only root may become another user here")
        return

    def as_nobody(work: Callable[[], Any]) -> Callable[[], Any]:
        def run() -> Any:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            return work()

        return run

    for name in ("outputs", "data", "outputs/runs", "outputs/work"):
        with trials.trial(f"{name} belongs to another"), trials.workplace() as folder:
            _open_to_all(folder)
            pipeline.corpus_at(folder)
            (folder / name).mkdir(parents=True)
            for path in [folder, *folder.rglob("*")]:
                if path != folder / name:
                    os.chown(path, NOBODY, NOBODY)
            ended = in_child(as_nobody(lambda f=folder: pipeline.everything(f)))
            expect(ended.clear, f"no clear error but {ended.kind}: {ended.error}")
            expect("Permission denied" in ended.error and name in ended.error, f"the error does not say where: {ended.error}")
            expect(not list((folder / name).iterdir()), "something was written")
            shutil.rmtree(folder / name)
            expect(answer_of(in_child(as_nobody(lambda f=folder: pipeline.everything(f)))) == reference, "other results")
    for name in ("photo", "label file"):
        with trials.trial(f"{name} belongs to another"), trials.workplace() as folder:
            _open_to_all(folder)
            corpus = pipeline.corpus_at(folder)
            for path in [folder, *folder.rglob("*")]:
                os.chown(path, NOBODY, NOBODY)
            secret = corpus / ("images/im3.png" if name == "photo" else "annotations/red.txt")
            os.chown(secret, 0, 0)
            secret.chmod(0o600)
            ended = in_child(as_nobody(lambda f=folder: pipeline.everything(f)))
            expect(ended.clear and secret.name in ended.error, f"no clear error but {ended.kind}: {ended.error}")


def _open_to_all(folder: Path) -> None:
    """Temporary folders are private; another user must be able to reach what lies below."""
    for path in (folder, folder.parent):
        path.chmod(0o755)


def _no_memory(trials: Trials, straight: Path) -> None:
    """Little room for addresses is left when a row begins, by how much is drawn."""
    greedy = dataclasses.replace(
        pipeline.rows()[0], name="greedy", side=256, recipe=dataclasses.replace(pipeline.rows()[0].recipe, batch_size=40)
    )
    for _ in range(trials.count(2, 20, 200)):
        with trials.trial("no memory") as random, trials.workplace() as folder:
            shutil.copytree(straight, folder, dirs_exist_ok=True)
            megabytes = int(random.integers(1, 60))

            def work(folder: Path = folder, megabytes: int = megabytes) -> None:
                from tagging_lib.runs import run as runs

                setting = pipeline.open_setting(folder)
                from tagging_lib.runs.key import key

                key(greedy, setting)
                used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
                before = resource.getrlimit(resource.RLIMIT_AS)
                resource.setrlimit(resource.RLIMIT_AS, (used + megabytes * 2**20, before[1]))
                try:
                    runs.run(greedy, setting)
                finally:
                    resource.setrlimit(resource.RLIMIT_AS, before)

            ended = in_child(work)
            expect(ended.clear and "memory" in ended.error, f"{megabytes} MB: no clear error but {ended.kind}: {ended.error}")
            left = [p.name for p in (folder / "outputs" / "runs" / "greedy").rglob("*") if p.is_file() and p.name != "lock"]
            expect(not left, f"partial files are left: {left}")
    with trials.trial("no memory to decode"), trials.workplace() as folder:
        from PIL import Image

        Image.new("RGB", (4900, 4900)).save(folder / "im1.png")

        def decode(folder: Path = folder) -> None:
            import ctypes

            from tagging_lib.data import decoding

            with suppress(AttributeError):
                ctypes.CDLL(None).malloc_trim(0)  # what was freed before would be room enough
            used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
            before = resource.getrlimit(resource.RLIMIT_AS)
            resource.setrlimit(resource.RLIMIT_AS, (used + 2**24, before[1]))
            try:
                decoding.decode(folder / "im1.png", 32)
            finally:
                resource.setrlimit(resource.RLIMIT_AS, before)

        ended = in_child(decode)
        expect(ended.clear and "memory" in ended.error, f"no clear error but {ended.kind}: {ended.error}")
        expect("replace" not in ended.error, "the photo is blamed for the want of memory")


def _no_gpu(trials: Trials, straight: Path) -> None:
    import torch

    def asked() -> None:
        from tagging_lib.models import device

        device.choose("cuda")

    def full() -> None:
        from tagging_lib.runs import run as runs

        setting = pipeline.open_setting(straight, "cuda" if torch.cuda.is_available() else "cpu")
        if torch.cuda.is_available():
            torch.cuda.set_per_process_memory_fraction(1e-6)
        else:  # what torch raises where a device is full, at the first step
            from tagging_lib.training import fit as fitting

            def raises(*_: Any) -> None:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nOf the allocated memory …")

            fitting._train_epoch = raises
        runs.run(dataclasses.replace(pipeline.rows()[0], name="greedy", dropout=0.1), setting)

    with trials.trial("no GPU"):
        if torch.cuda.is_available():
            trials.notes.append("there is a GPU: that one is asked for in vain could not be tried")
        else:
            ended = in_child(asked)
            expect(ended.clear and "CUDA" in ended.error, f"no clear error but {ended.kind}: {ended.error}")
    with trials.trial("no memory on the GPU"):
        ended = in_child(full)
        if not (ended.clear and "batch size" in ended.error):
            raise Failed(f"no clear error but {ended.kind}: {ended.error}")
