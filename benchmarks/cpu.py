"""The rows that need no GPU."""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path

import numpy as np
import torch

from benchmarks import growth, manifest, material, references, several
from benchmarks.timing import Row, ratio, seconds
from tagging_lib.data import pixels
from tagging_lib.data.corpus import open_photos
from tagging_lib.inference.predict import predict_photos
from tagging_lib.models import engine
from tagging_lib.models.cutting import cut
from tagging_lib.models.device import has_units
from tagging_lib.models.preprocessing import IMAGENET
from tagging_lib.training import features, fit
from tagging_lib.training.batches import FeatureBatches, PhotoBatches
from tagging_lib.training.recipe import HEAD_RECIPE, Recipe

LIGHT = ("timm:tf_efficientnet_lite0", "timm:tf_efficientnet_lite2", "timm:mobilenetv1_100")
MILLION = (10_000, 1_000_000)  # photos of a manifest, with --million
GROWTH = 1.25  # at most, of time a photo and of peak memory, when the corpus grows 25-fold
# At most, of features ÷ bare forward: without matrix units for bfloat16, and with them.
FEATURES = {
    False: dict.fromkeys(LIGHT, 0.65) | {"densenet169": 0.85, "resnet50": 0.9},
    True: dict.fromkeys(LIGHT, 0.95),
}
PREDICT = {False: 0.75, True: 1.1}  # at most, of predict ÷ (plain decode + bare forward)
NOBODY = np.empty(0, dtype=np.int64)


@dataclass(frozen=True)
class Scale:
    """How much each row works. Photos, except for px and repetitions."""

    side: int = 128  # px
    steps: int = 12
    batch_size: int = 64
    decoded: int = 20_000
    head_photos: int = 12_000
    head_epochs: int = 25
    predicted: int = 5_000
    stage_photos: int = 256
    # Networks with a frozen part, px at which they look, and photos: seconds of each.
    networks: tuple[tuple[str, int, int], ...] = (
        ("timm:tf_efficientnet_lite0", 224, 2_048),
        ("timm:tf_efficientnet_lite2", 224, 2_048),
        ("timm:mobilenetv1_100", 224, 2_048),
        ("densenet169", 224, 768),
        ("resnet50", 224, 768),
    )
    predictor: str = "timm:mobilenetv1_100"
    growth: int = 160
    growth_factors: tuple[int, ...] = (1, 5, 25)
    judged: int = 1_001
    originals: tuple[int, int] = (600, 1800)  # more than `engine.WORTH`, so that both are looked at in the same way
    original_size: tuple[int, int] = (4_000, 3_000)  # px: 12 megapixels
    originals_drawn: int = 8  # the others are links to these
    original_sides: tuple[int, ...] = (128, 224, 384)  # px
    looker: str = "timm:tf_efficientnet_lite0"
    listed: tuple[int, int] = (10_000, 50_000)
    repeats: int = 3


TOY = Scale(
    side=32, steps=2, batch_size=8, decoded=40, head_photos=200, head_epochs=2, predicted=30, stage_photos=16,
    growth=16, growth_factors=(1, 5), listed=(20, 40), networks=(("resnet18", 32, 24),), predictor="resnet18", judged=21,
    repeats=1, originals=(16, 32), original_size=(160, 120), original_sides=(32,), looker="resnet18",
)  # fmt: skip


def pixels_and_targets(scale: Scale, photos: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    targets = (random.random((photos, len(material.LABELS))) < 0.1).astype(np.uint8)
    return random.integers(0, 256, (photos, scale.side, scale.side, 3), dtype=np.uint8), targets


def epoch(scale: Scale, scratch: Path) -> list[Row]:
    """A training epoch with the full augmentation ÷ forward, backward and step alone."""
    photos = scale.steps * scale.batch_size
    images, targets = pixels_and_targets(scale, photos)
    recipe = Recipe(epochs=1, batch_size=scale.batch_size, pos_weight=False, monitor_photos=1, keep="last")
    batches = PhotoBatches(images, targets, IMAGENET, side=scale.side, batch_size=scale.batch_size, augmentation="original")
    tagger = material.tagger("resnet18", scale.side, "cpu")
    optimizer = torch.optim.SGD(tagger.parameters(), lr=1e-4, momentum=0.9, nesterov=True)
    batch = references.random_batch(scale.batch_size, scale.side, len(material.LABELS), "cpu")
    return [
        ratio(
            f"epoch ÷ pure loop, ResNet-18, {scale.side} px, full augmentation",
            lambda: fit.fit(tagger, batches, np.arange(photos), NOBODY, recipe, pos_weight=None),
            lambda: references.pure_loop(tagger, optimizer, *batch, scale.steps),
            target=1.10,
            repeats=scale.repeats,
            note=f"{scale.steps} steps of {scale.batch_size}",
        )
    ]


def decoding(scale: Scale, scratch: Path) -> list[Row]:
    """From JPEG files to the cache ÷ decoding them, with the same number of workers."""
    paths = material.photos(scratch / "decoding" / "images", scale.decoded, scale.side)
    found = open_photos(scratch / "decoding")
    workers = torch.get_num_threads()
    cache = scratch / "decoding-cache"
    return [
        ratio(
            f"{scale.decoded} photos to the cache ÷ plain decode",
            lambda: pixels.load(found, scale.side, cache_dir=cache, workers=workers),
            lambda: references.plain_decode(paths, workers),
            target=1.3,
            repeats=scale.repeats,
            before=lambda: shutil.rmtree(cache, ignore_errors=True),
            note=f"{workers} workers",
        )
    ]


def frozen_features(scale: Scale, scratch: Path) -> list[Row]:
    """Features of a frozen backbone on disk ÷ its forward pass over as many photos in memory."""
    rows = []
    for network, side, photos in scale.networks:
        images, targets = pixels_and_targets(dataclasses.replace(scale, side=side), photos)
        batches = PhotoBatches(images, targets, IMAGENET, side=side)
        backbone = material.tagger(network, side, "cpu", trained="head").backbone
        batch, _ = references.random_batch(batches.evaluation_batch, side, 1, "cpu")
        everything = np.arange(photos)

        def ours(backbone=backbone, batches=batches, everything=everything) -> None:
            path = scratch / "features.npy"
            features.write(path, backbone, (x for x, _ in batches.plain(everything)), everything, len(everything))

        rows.append(
            ratio(
                f"frozen features ÷ bare forward, {network.removeprefix('timm:')}, {side} px",
                ours,
                partial(references.bare_forward, backbone, batch, photos),
                target=FEATURES[has_units("cpu")].get(network, 1.05),
                repeats=scale.repeats,
                note=f"{photos} photos in batches of {len(batch)}, {engine.name('cpu')}",
            )
        )
    return rows


def head(scale: Scale, scratch: Path) -> list[Row]:
    """Training a head on features that are there."""
    random = np.random.default_rng(0)
    total = scale.head_photos * 5 // 3
    found = random.normal(size=(total, 1024)).astype(np.float32)
    targets = (random.random((total, len(material.LABELS))) < 0.1).astype(np.uint8)
    recipe = dataclasses.replace(HEAD_RECIPE, epochs=scale.head_epochs)
    batches = FeatureBatches([found], targets, batch_size=recipe.batch_size)
    train, validation = np.arange(scale.head_photos), np.arange(scale.head_photos, total)
    return [
        seconds(
            f"{scale.head_epochs} epochs of a head on cached features, {scale.head_photos} photos",
            lambda: fit.fit(torch.nn.Linear(1024, len(material.LABELS)), batches, train, validation, recipe, pos_weight=None),
            target=10,
            repeats=scale.repeats,
            note="1,024 features, monitored each epoch",
        )
    ]


def last_stage(scale: Scale, scratch: Path) -> list[Row]:
    """An epoch of the last stage on cached activations, and through the frozen trunk at each step."""
    images, targets = pixels_and_targets(scale, scale.stage_photos)
    everything = np.arange(scale.stage_photos)
    recipe = Recipe(epochs=1, batch_size=scale.batch_size, pos_weight=False, monitor_photos=1, keep="last", augmentation="none")
    photos = PhotoBatches(images, targets, IMAGENET, side=scale.side, batch_size=scale.batch_size)
    tagger = material.tagger("resnet18", scale.side, "cpu", trained="last-stage")
    trunk, rest = cut(tagger, scale.side)
    path = scratch / "activations.npy"
    features.write(path, trunk, (x for x, _ in photos.plain(everything)), everything, len(everything))
    cached = FeatureBatches([np.load(path, mmap_mode="r", allow_pickle=False)], targets, batch_size=scale.batch_size)
    return [
        ratio(
            "last stage: epoch on cached activations ÷ through the trunk, ResNet-18",
            lambda: fit.fit(rest, cached, everything, NOBODY, recipe, pos_weight=None),
            lambda: fit.fit(tagger, photos, everything, NOBODY, recipe, pos_weight=None),
            target=None,
            repeats=scale.repeats,
            note=f"{scale.stage_photos} photos",
        )
    ]


def predicting(scale: Scale, scratch: Path) -> list[Row]:
    """`predict` from JPEG files to its CSV ÷ (decoding them + the network's forward pass over as many)."""
    paths = material.photos(scratch / "predicting" / "images", scale.predicted, pixels.SIDE)
    found = open_photos(scratch / "predicting")
    model = material.model_folder(scratch / "model", scale.predictor, scale.side)
    tagger = material.tagger(scale.predictor, scale.side, "cpu")
    size = PhotoBatches(np.zeros((1, 8, 8, 3), np.uint8), np.zeros((1, 1)), IMAGENET, side=scale.side).evaluation_batch
    batch, _ = references.random_batch(size, scale.side, 1, "cpu")
    folders = (scratch / f"predicted-{number}" for number in count())

    def ours() -> None:
        folder = next(folders)
        predict_photos(model, found, outputs=folder)

    def reference() -> None:
        references.plain_decode(paths, torch.get_num_threads())
        references.bare_forward(tagger, batch, len(paths))

    return [
        ratio(
            f"predict on {scale.predicted} JPEGs ÷ (plain decode + bare forward), {scale.predictor.removeprefix('timm:')}",
            ours,
            reference,
            target=PREDICT[has_units("cpu")],
            repeats=scale.repeats,
        )
    ]


def importing(scale: Scale, scratch: Path) -> list[Row]:
    """How long a fresh process takes to be ready to say something."""
    calls = {
        "import tagging_lib": "import tagging_lib",
        "tagging --help": "import sys; sys.argv = ['tagging', '--help']; from tagging_lib.cli import main; main()",
    }

    def process(code: str) -> None:
        subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)

    found = [
        seconds(name, partial(process, code), target=0.5, repeats=scale.repeats, note="a fresh Python included")
        for name, code in calls.items()
    ]
    for row in found:
        row.cpu_value = None  # it is the other process' time that counts
    return found


def growing(scale: Scale, scratch: Path) -> list[Row]:
    """Seconds a photo, and the process' own memory, when the corpus is 5 and 25 times as large ÷ as it is."""
    counts = [scale.growth * factor for factor in scale.growth_factors]
    for size in (growth.WARM, *counts):
        growth.lay(scratch, size, scale.side)
    rows = []
    for kind in growth.KINDS:
        if scale.growth < 100:  # toy: processes of their own would take longer than all other rows together
            found = [growth.measure(kind, scratch, size) for size in counts]
        else:
            found = [growth.measure_alone(kind, scratch, size) for size in counts]
        wall, cpu = (
            [one[clock] / factor / found[0][clock] for one, factor in zip(found, scale.growth_factors, strict=True)][1:]
            for clock in ("seconds", "cpu")
        )
        memory = [one["private"] / max(1.0, found[0]["private"]) for one in found[1:]]
        sizes = ", ".join(f"{size:,}" for size in counts)
        times = ", ".join(f"{one['seconds']:.2f}" for one in found)
        private, resident = (", ".join(f"{one[which]:.0f}" for one in found) for which in ("private", "resident"))
        rows += [
            Row(
                f"{kind}: seconds a photo, {scale.growth_factors[-1]} times the corpus ÷ once",
                wall[-1],
                (min(wall), max(wall)),
                GROWTH,
                cpu_value=cpu[-1],
                ours=[one["seconds"] for one in found],
                note=f"{sizes} photos: {times} s",
            ),
            Row(
                f"{kind}: peak memory, {scale.growth_factors[-1]} times the corpus ÷ once",
                memory[-1],
                (min(memory), max(memory)),
                GROWTH,
                ours=[one["private"] for one in found],
                note=f"{private} MiB; with pages of mapped files {resident}",
            ),
        ]
    return rows


def ranks(scale: Scale, scratch: Path) -> list[Row]:
    """Two processes that train one network together, against one; and what one, two and three of them count."""
    return several.rows(scale.side, scale.steps, scale.batch_size, scale.judged, scale.repeats, scratch)


def originals(scale: Scale, scratch: Path) -> list[Row]:
    """A camera's JPEGs to a CSV of tags: seconds a photo, and the process' own memory with more photos ÷ with few."""
    few, many = scale.originals
    megapixels = scale.original_size[0] * scale.original_size[1] / 1e6
    drawn = material.photos(scratch / "drawn", scale.originals_drawn, scale.original_size)
    rows = []
    for side in scale.original_sides:
        folder = scratch / str(side)
        for size in (growth.WARM, few, many):
            growth.lay_originals(folder, size, drawn, side, scale.looker)
        measure = growth.measure_alone if few > 100 else growth.measure
        found = [measure("predict", folder, size, 0) for size in (few, many)]
        wall, cpu = ([one[clock] / size for one, size in zip(found, (few, many), strict=True)] for clock in ("seconds", "cpu"))
        camera = open_photos(folder / str(few) / "images")
        decoded = seconds("", lambda camera=camera, side=side: sum(map(len, pixels.blocks(camera, side))), target=None, repeats=1)
        name = f"predict on originals of {megapixels:.3g} megapixels at {side} px, {scale.looker.removeprefix('timm:')}"
        memory = found[1]["private"] / max(1.0, found[0]["private"])
        rows += [
            Row(
                f"{name}: seconds a photo",
                wall[-1],
                (min(wall), max(wall)),
                None,
                unit="s",
                cpu_value=cpu[-1],
                ours=[one["seconds"] for one in found],
                note=f"{few:,}, {many:,} photos; decoding alone {decoded.value / few:.3f} s",
            ),
            Row(
                f"{name}: peak memory, {many // few} times the photos ÷ once",
                memory,
                (memory, memory),
                GROWTH,
                ours=[one["private"] for one in found],
                note=f"{found[0]['private']:.0f}, {found[1]['private']:.0f} MiB",
            ),
        ]
        shutil.rmtree(folder)
    return rows


def listing(scale: Scale, scratch: Path) -> list[Row]:
    """Memory of a process that tags a long manifest ÷ that of one with a short manifest."""
    few, many = scale.listed
    folder = manifest.lay(scratch / "manifest")
    measure = manifest.measure if few < growth.WARM * 10 else manifest.measure_alone  # toy: processes would take longer
    found = [measure(folder, size) for size in (few, many)]
    value = found[1]["private"] / max(1.0, found[0]["private"])
    memory, times = (" and ".join(f"{one[which]:.0f}" for one in found) for which in ("private", "seconds"))
    return [
        Row(
            f"predict of {many:,} photos through a manifest: memory ÷ that of {few:,}",
            value,
            (value, value),
            1.1,
            ours=[one["private"] for one in found],
            note=f"{memory} MiB, {times} s",
        )
    ]


ROWS = {
    "epoch": epoch,
    "decoding": decoding,
    "features": frozen_features,
    "head": head,
    "last-stage": last_stage,
    "predict": predicting,
    "import": importing,
    "growth": growing,
    "ranks": ranks,
    "originals": originals,
    "manifest": listing,
}
