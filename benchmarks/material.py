"""Photos and corpora to measure with, drawn anew so that a benchmark needs nothing but the repository."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn

from tagging_lib import files
from tagging_lib.data import pixels, splits
from tagging_lib.data.corpus import Corpus
from tagging_lib.models import zoo
from tagging_lib.models.preprocessing import IMAGENET
from tagging_lib.runs import trainer
from tagging_lib.runs.setting import Setting
from tagging_lib.training.fit import History

UNIQUE = 500  # photos that are drawn; more of them repeat these
LABELS = tuple(f"label{number:02}" for number in range(14))


def photos(folder: Path, count: int, size: int | tuple[int, int] = 128) -> list[Path]:
    """`count` JPEG files of about the size of the corpus' (8 kB at 128 px): soft shapes under some grain.

    Args:
        size: width and height in px, or both.
    """
    folder.mkdir(parents=True)
    width, height = size if isinstance(size, tuple) else (size, size)
    random = np.random.default_rng(0)
    paths = [folder / f"im{number}.jpg" for number in range(1, count + 1)]
    for number, path in enumerate(paths):
        if number >= UNIQUE:
            os.link(paths[number % UNIQUE], path)
            continue
        coarse = Image.fromarray(random.integers(0, 256, (9, 9, 3), dtype=np.uint8))
        soft = coarse.resize((width, height), Image.Resampling.BICUBIC)
        grain = random.normal(scale=9, size=(height, width, 1))
        Image.fromarray((np.asarray(soft) + grain).clip(0, 255).astype(np.uint8)).save(path, quality=90)
    return paths


def corpus(folder: Path, count: int, side: int = 128) -> Corpus:
    """A corpus of `count` such photos with 14 labels, drawn at random."""
    photos(folder / "images", count, side)
    (folder / "annotations").mkdir()
    random = np.random.default_rng(1)
    for label in LABELS:
        chosen = np.flatnonzero(random.random(count) < 0.1) + 1
        (folder / "annotations" / f"{label}.txt").write_text("".join(f"{number}\n" for number in chosen))
    return Corpus.open(folder, data_dir=folder.parent)


def setting(scratch: Path, count: int, side: int, device: str) -> Setting:
    """The corpus decoded and split, with outputs in `scratch`."""
    folder = scratch / f"corpus-{count}-{side}"
    found = corpus(folder, count, side) if not folder.exists() else Corpus.open(folder, data_dir=scratch)
    decoded = pixels.load(found, side, cache_dir=scratch / "cache")
    weights_folder = scratch / "weights" if (scratch / "weights").exists() else None
    return Setting(found, decoded, splits.split(found, 42), device, scratch / "outputs", weights_folder)


def tagger(network: str, side: int, device: str, trained: str = "all") -> zoo.Tagger:
    """A network with random weights, laid out as the library does: what it computes does not change how long it takes."""
    built = zoo.build(network, len(LABELS), trained=trained, side=side)
    return built.to(device).to(memory_format=torch.channels_last)


def weights(folder: Path, network: str) -> Path:
    """A folder of local weights for a network, drawn at random, in which `weights.find_local` finds them."""
    folder.mkdir()
    state = {name: tensor.contiguous() for name, tensor in zoo.build(network, 1).backbone.state_dict().items()}
    save_file(state, str(folder / f"{network}.safetensors"))
    files.write_json(folder / f"{network}.json", dataclasses.asdict(IMAGENET))
    return folder


def model_folder(folder: Path, network: str, side: int, kept_side: int = pixels.SIDE) -> Path:
    """A folder as `final.train` leaves it, with a network of random weights."""
    folder.mkdir(parents=True)
    built = tagger(network, side, "cpu")
    spec = {
        "network": network,
        "trained": "all",
        "dropout": 0.0,
        "side": side,
        "kept_side": kept_side,
        "framing": "crop",
        "preprocessing": dataclasses.asdict(IMAGENET),
        "options": built.options,
        "labels": list(LABELS),
    }
    module: nn.Module = built
    none = None
    kept = trainer.Training(built, module, none, History([], 0, 0.0), spec, IMAGENET, {})  # type: ignore[arg-type]
    trainer.save_model(kept, folder / "model.safetensors", complete=True)
    described = {"labels": list(LABELS), "threshold": 0.5, "network": spec}
    files.write_json(folder / "model.json", described | {"sha256": files.sha256(folder / "model.safetensors")})
    return folder
