"""The rows that need a GPU. They run on any device, so that they can be rehearsed at toy scale without one."""

from __future__ import annotations

import dataclasses
import json
import logging
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch

from benchmarks import material, references
from benchmarks.timing import Row, ratio, seconds
from tagging_lib.models import device as devices
from tagging_lib.models.preprocessing import IMAGENET
from tagging_lib.report import tables
from tagging_lib.runs import rows
from tagging_lib.training import fit
from tagging_lib.training.batches import PhotoBatches
from tagging_lib.training.recipe import Recipe

NOBODY = np.empty(0, dtype=np.int64)


@dataclass(frozen=True)
class Scale:
    """How much each row works: photos, except for px, epochs and repetitions."""

    side: int = 128  # px
    corpus: int = 20_000
    epochs: tuple[tuple[str, int, float], ...] = (  # network, batch, target
        ("resnet152", 256, 1.03),
        ("resnet18", 256, 1.10),
        ("resnet152", 64, 1.10),
    )
    recipe_network: str = "resnet152"
    recipe_epochs: int = 25
    original_photos: int = 1_536  # of which the original's way trains, on top of a third of them to validate
    repeats: int = 5


TOY = Scale(
    side=32, corpus=60, epochs=(("resnet18", 16, 1.10),), recipe_network="resnet18", recipe_epochs=1,
    original_photos=24, repeats=1,
)  # fmt: skip


def _sgd(tagger: torch.nn.Module, device: str) -> torch.optim.Optimizer:
    fused = device.startswith("cuda")
    return torch.optim.SGD(tagger.parameters(), lr=1e-4, momentum=0.9, nesterov=True, fused=fused)


def epochs(scale: Scale, scratch: Path, device: str) -> list[Row]:
    """Training epochs with the full augmentation ÷ forward, backward and step alone, in the same precision and layout."""
    setting = material.setting(scratch, scale.corpus, scale.side, device)
    devices.prepare(devices.kind_of(device))
    found = []
    for network, batch_size, target in scale.epochs:
        tagger = material.tagger(network, scale.side, device)
        train = setting.indices("train")
        train = train[: len(train) // batch_size * batch_size]  # whole batches, as in the pure loop
        batches = PhotoBatches(
            setting.pixels,
            setting.corpus.targets,
            IMAGENET,
            side=scale.side,
            device=device,
            batch_size=batch_size,
            augmentation="original",
        )
        recipe = Recipe(epochs=1, batch_size=batch_size, pos_weight=False, monitor_photos=1, keep="last")
        steps = len(train) // batch_size

        batch = references.random_batch(batch_size, scale.side, len(material.LABELS), device)
        found.append(
            ratio(
                f"epoch ÷ pure loop, {network}, batch {batch_size}",
                partial(fit.fit, tagger, batches, train, NOBODY, recipe, pos_weight=None, device=device),
                partial(references.pure_loop, tagger, _sgd(tagger, device), *batch, steps),
                target=target,
                repeats=scale.repeats,
                device=device,
                note=f"{steps} steps",
            )
        )
        del tagger, batches, batch
        if device.startswith("cuda"):
            torch.cuda.empty_cache()
    return found


def whole_recipe(scale: Scale, scratch: Path, device: str) -> list[Row]:
    """The original's recipe in a fresh process, from the decoded corpus to the test report."""
    material.setting(scratch, scale.corpus, scale.side, device)  # decoded here, so that the cache is warm there
    material.weights(scratch / "weights", scale.recipe_network)
    arguments = [str(scratch), str(scale.corpus), str(scale.side), device, scale.recipe_network, str(scale.recipe_epochs)]
    command = [sys.executable, "-m", "benchmarks.cuda", *arguments]
    parts: dict[str, float] = {}

    def process() -> None:
        done = subprocess.run(command, check=True, cwd=Path(__file__).parents[1], stdout=subprocess.PIPE, text=True)
        parts.update(json.loads(done.stdout))

    row = seconds(
        f"the original's recipe for {scale.recipe_network} from a fresh process, {scale.recipe_epochs} epochs",
        process,
        target=90,
        repeats=1,
        device=device,
    )
    row.cpu_value = None  # it is the other process' time that counts
    row.note = "validation each epoch, checkpoints, threshold search, test report: " + ", ".join(
        f"{name} {value:.1f} s" for name, value in parts.items()
    )
    return [row]


def run_recipe(scratch: Path, corpus: int, side: int, device: str, network: str, epochs: int) -> dict[str, float]:
    """What the fresh process does; seconds of its parts."""
    from tagging_lib.runs.run import run

    started = time.perf_counter()
    setting = material.setting(scratch, corpus, side, device)
    opened = time.perf_counter()
    recipe = dataclasses.replace(rows.ORIGINAL_RECIPE, epochs=epochs)
    row = rows.Experiment("benchmark", "Benchmark", "transfer", network, weights="imagenet", side=side, recipe=recipe)
    result = run(row, setting)
    scores, interval = result.score(), result.interval
    told = tables.interval(scores["micro_f1"], *interval)
    logging.getLogger(__name__).info("threshold %.2f, micro-F1 %s", result.threshold, told)
    ended = time.perf_counter()
    epochs_alone = float(result.history.seconds.sum())
    return {"corpus opened": opened - started, "epochs": epochs_alone, "all but imports": ended - started}


def originals_way(scale: Scale, scratch: Path, device: str) -> list[Row]:
    """An epoch the original's way ÷ ours on the same photos: training, and training and validation parts evaluated."""
    setting = material.setting(scratch, scale.corpus, scale.side, device)
    train = setting.indices("train")[: scale.original_photos]
    validation = setting.indices("validation")[: scale.original_photos // 3]
    ours_tagger, theirs_tagger = (material.tagger(scale.recipe_network, scale.side, device) for _ in range(2))
    # Without the tagger around them nothing chooses half precision.
    original = torch.nn.Sequential(theirs_tagger.backbone, theirs_tagger.head).to(memory_format=torch.contiguous_format)
    batches = PhotoBatches(
        setting.pixels, setting.corpus.targets, IMAGENET, side=scale.side, device=device, augmentation="original"
    )
    recipe = Recipe(epochs=1, pos_weight=False, monitor_photos=len(train), keep="last")
    theirs_train, theirs_validation = (
        references.OriginalPhotos(
            [setting.corpus.path(row) for row in part.tolist()], setting.corpus.targets[part], augment=augment
        )
        for part, augment in ((train, True), (validation, False))
    )
    optimizer = torch.optim.SGD(original.parameters(), lr=1e-4, momentum=0.9, nesterov=True)
    row = ratio(
        f"the original's way ÷ ours, an epoch of {scale.recipe_network}",
        partial(fit.fit, ours_tagger, batches, train, validation, recipe, pos_weight=None, device=device),
        partial(references.originals_epoch, original, optimizer, theirs_train, theirs_validation, device),
        target=10,
        repeats=min(3, scale.repeats),
        device=device,
        inverse=True,
    )
    # So that 25 epochs the original's way need not be waited for.
    whole = statistics.median(row.reference) / len(train) * len(setting.indices("train")) * scale.recipe_epochs
    row.note = (
        f"{len(train)} photos trained and evaluated, {len(validation)} validated; its {scale.recipe_epochs} epochs of all "
        f"{len(setting.indices('train'))} would take {whole:,.0f} s"
    )
    return [row]


ROWS = {"cuda-epoch": epochs, "cuda-recipe": whole_recipe, "cuda-original": originals_way}

if __name__ == "__main__":
    where, corpus_size, side, device, network, epoch_count = sys.argv[1:]
    parts = run_recipe(Path(where), int(corpus_size), int(side), device, network, int(epoch_count))
    sys.stdout.write(json.dumps(parts))
