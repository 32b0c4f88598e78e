"""The key of a result: what could change its outcome, as 16 hexadecimal digits."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tagging_lib import declared, files
from tagging_lib.models import engine, joined, ranks, weights
from tagging_lib.models.device import kind_of
from tagging_lib.runs.experiment import IMAGENET, NONE, Experiment, SelfTrained
from tagging_lib.runs.setting import Setting, indices_digest

LIBRARIES = ("torch", "torchvision", "timm", "numpy", "pillow")  # whose versions can change a result
LATER = ("head_epochs", "least_steps")  # values of a recipe that rows of before did without: 0 leaves their keys as they were
MOST_RANKS = 64  # whose results one process looks for
WORDS = ("title", "group", "needs_gpu", "overnight", "toy", "rehearsal")  # they change no result


def digest_of(parts: Mapping[str, Any]) -> str:
    """16 hexadecimal digits that change with any of the values, which JSON or `str` can write."""
    return files.sha256_of(json.dumps(parts, sort_keys=True, default=str).encode())[:16]


def versions() -> dict[str, str]:
    """The versions of the libraries that can change a result."""
    return {name: version(name) for name in LIBRARIES}


def weights_source(experiment: Experiment, setting: Setting) -> str:
    """`none`, `imagenet`, or the file of weights in the weights folder, else of an installed package.

    Joined networks have one of these each, as `joined.sources` takes them apart.
    """
    if experiment.weights != IMAGENET:
        return experiment.weights
    folder, found = setting.weights_folder, []
    for network in joined.names(experiment.network):
        local = weights.find_local(network, folder) if folder is not None else None
        found.append(str(local or weights.find_installed(network) or IMAGENET))
    return os.pathsep.join(found)


def _sources(experiment: Experiment, setting: Setting) -> list[str]:
    return joined.sources(weights_source(experiment, setting), len(joined.names(experiment.network)))


def at_hand(setting: Setting) -> Callable[[Experiment], bool]:
    """Whether a row's pretrained weights lie in the weights folder or came with a package, so that nothing is downloaded."""
    return lambda experiment: not {IMAGENET, NONE} & {*_sources(experiment, setting)}


def key(experiment: Experiment, setting: Setting) -> str:
    """The key of a row: experiment, corpus, split, decoded photos, weights, device, engine, code, libraries, ranks."""
    return _of_ranks(_parts(experiment, setting, engine.name(setting.device)), ranks.world())


def keys(experiment: Experiment, setting: Setting) -> Iterator[str]:
    """Keys under which a result of the row may be: its own, and for one process those of other processors and several ranks.

    These took the same steps up to rounding; among ranks it is the same number alone, which goes on bit by bit.
    """
    own, *others = engine.names(setting.device)
    parts = _parts(experiment, setting, own)
    yield _of_ranks(parts, ranks.world())
    if ranks.world() == 1:
        yield from (_of_ranks(_parts(experiment, setting, other), 1) for other in others)
        yield from (_of_ranks(parts, number) for number in range(2, MOST_RANKS + 1))


def _of_ranks(parts: dict[str, Any], number: int) -> str:
    if number == 1:
        return digest_of(parts)
    code = parts["code"] | declared.versions(declared.SEVERAL_RANKS)
    return digest_of(parts | {"code": code, "ranks": number})


def _parts(experiment: Experiment, setting: Setting, looked_with: str) -> dict[str, Any]:
    described = dataclasses.asdict(experiment)
    for word in WORDS:
        described.pop(word)
    described["recipe"] = {name: value for name, value in described["recipe"].items() if value or name not in LATER}
    code: tuple[str, ...] = declared.ROWS
    more: dict[str, Any] = {}
    if isinstance(experiment, SelfTrained):
        teachers = (_parts(teacher, setting, looked_with) for teacher in experiment.teachers)
        described["teachers"] = [_of_ranks(parts, ranks.world()) for parts in teachers]
        more["unlabelled"] = setting.unlabelled and setting.unlabelled.photos.fingerprint
        code = (*code, *declared.PSEUDO_LABELS)
    if len(joined.names(experiment.network)) > 1:
        code = (*code, *declared.JOINED)
    contents = [_content(Path(source)) if Path(source).is_file() else source for source in _sources(experiment, setting)]
    return more | {
        "experiment": described,
        "corpus": setting.corpus.fingerprint,
        "pixels": setting.pixels_digest(experiment),
        "split": setting.split.fingerprint,
        "train": indices_digest(setting.indices("train")),
        "train_limit": setting.train_limit,
        "weights": contents[0] if len(contents) == 1 else contents,
        "device": kind_of(setting.device),
        "engine": looked_with,
        "code": declared.versions(code),
        "versions": versions(),
    }


def _content(file: Path) -> list[str]:
    """Digests of a weights file and of the settings beside it."""
    beside, stat = weights.beside(file), file.stat()
    return [_file_digest(file, stat.st_size, stat.st_mtime_ns), files.sha256(beside) if beside.exists() else ""]


@cache
def _file_digest(path: Path, size: int, modified: int) -> str:
    return files.sha256(path)


