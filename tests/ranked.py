"""What each rank does in `test_ranks.py`: `torchrun -m tests.ranked FOLDER`; without torchrun it is what they must equal."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn

from tagging_lib.models import ranks, together
from tagging_lib.models.preprocessing import IMAGENET
from tagging_lib.runs import trainer
from tagging_lib.runs.pseudo import Joined
from tagging_lib.training.batches import FeatureBatches, PhotoBatches
from tagging_lib.training.fit import fit
from tagging_lib.training.recipe import Recipe

PHOTOS, SIDE, LABELS = 90, 16, 3
TRAIN = np.arange(68)  # three steps of 22 and one of 2: fewer than three ranks
VALIDATION = np.arange(68, 90)
ASKED = 21
RECIPE = Recipe(epochs=2, batch_size=22, learning_rate=0.05, pos_weight=False, monitor_threshold=0.4, keep="last")
RECIPES = {
    "original": dataclasses.replace(RECIPE, augmentation="original"),
    "mixup": dataclasses.replace(RECIPE, mixup=0.4, optimizer="adamw", learning_rate=0.01, ema=0.5),
    "joined": RECIPE,
    "features": dataclasses.replace(RECIPE, loss="asymmetric"),
}


class Network(nn.Module):
    """Batch norms over areas and over photos alone, and weights that the answer does not depend on."""

    def __init__(self):
        super().__init__()
        # No bias before a batch norm: its gradient is rounding alone, which AdamW would blow up to whole steps.
        convolutions = (nn.Conv2d(3, 8, 3, 2, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten())
        self.used = nn.Sequential(*convolutions, nn.Linear(32, 8, bias=False))
        self.used.extend([nn.BatchNorm1d(8, momentum=0.3), nn.Linear(8, LABELS)])
        self.unused = nn.Linear(3, 3)

    def forward(self, x):
        return self.used(x)


def network() -> nn.Module:
    torch.manual_seed(5)
    return Network().to(memory_format=torch.channels_last)


def material(name: str):
    random = np.random.default_rng(2)
    pixels = random.integers(0, 256, (PHOTOS, SIDE, SIDE, 3), dtype=np.uint8)
    targets = (random.random((PHOTOS, LABELS)) < 0.3).astype(np.uint8)
    if name == "features":
        return FeatureBatches([random.normal(size=(PHOTOS, 4, 4, 3)).astype(np.float16)] * 2, targets, batch_size=22)
    photos = PhotoBatches(pixels, targets, IMAGENET, side=SIDE, batch_size=22, augmentation=RECIPES[name].augmentation)
    photos.evaluation_batch = 4
    if name != "joined":
        return photos
    others = PhotoBatches(pixels[::-1].copy(), targets[::-1].copy(), IMAGENET, side=SIDE + 2)
    others.side = SIDE
    return Joined(photos, others, np.arange(31))


def work(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    told: dict = {"history": {}, "shares": {}}
    for name, recipe in RECIPES.items():
        module = network()
        history = fit(module, material(name), TRAIN, VALIDATION, recipe, pos_weight=torch.tensor([1.0, 2.0, 3.0]))
        told["history"][name] = [{key: value for key, value in entry.items() if "seconds" not in key} for entry in history.epochs]
        state = {key: tensor.contiguous() for key, tensor in module.state_dict().items()}
        save_file(state, str(folder / f"{name}-{ranks.rank()}.safetensors"))

    # Rank 0 alone has what the others then find; nobody is ahead.
    with ranks.in_turn(), open(folder / "order.txt", "a") as stream:
        stream.write(f"{ranks.rank()}\n")
    told["lines"] = len((folder / "order.txt").read_text().split())
    told["agreed"] = [ranks.agreed(ranks.rank() == 0), ranks.agreed(ranks.rank() == 1)]

    batches, module = material("original"), network()
    training = SimpleNamespace(module=module, batches=batches)
    asked = np.arange(ASKED)
    seen = []
    look = batches.plain
    batches.plain = lambda indices: (seen.extend(indices.tolist()), look(indices))[1]  # type: ignore[method-assign]
    np.save(folder / f"answers-{ranks.rank()}.npy", trainer.answer(training, asked, LABELS))
    np.save(folder / f"one-{ranks.rank()}.npy", trainer.answer(training, asked[:1], LABELS))
    told["seen"] = seen
    (folder / f"told-{ranks.rank()}.json").write_text(json.dumps(told))
    assert isinstance(together.wrapped(nn.Flatten()), nn.Flatten)  # nothing in it learns


if __name__ == "__main__":
    torch.set_num_threads(1)
    ranks.join()
    work(Path(sys.argv[1]))
    ranks.end()
