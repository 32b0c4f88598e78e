"""The sample corpus: drawn scenes in which the study's 14 labels can be seen, with the real corpus' imbalance.

It stands in for photos where a first look, a test or a demonstration needs a corpus and none is at hand. Scores on it
say that the study works, not how well a network tags photos.
"""

from __future__ import annotations

import logging
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tagging_lib.data import scenes
from tagging_lib.errors import TaggingError
from tagging_lib.progress import progress

logger = logging.getLogger(__name__)
LABELS = (
    *("baby", "bird", "car", "clouds", "dog", "female", "flower", "male"),
    *("night", "people", "portrait", "river", "sea", "tree"),
)
SIDE = 128  # px
FINENESS = 2  # drawn this many times finer, then shrunk: smooth edges
JPEG_QUALITY = 92
# Shares of the real corpus, the rarest ones raised so that 1,200 photos show them.
SCENES = {"unlabelled": 0.46, "people": 0.32, "land": 0.085, "bird": 0.022, "car": 0.022, "dog": 0.026, "flower": 0.037}


def draw(folder: str | Path, photos: int = 1200, seed: int = 0, side: int = SIDE) -> Path:
    """Draw a corpus into the new folder: `images/im<N>.jpg` and `annotations/<label>.txt`. A photo depends on (seed, N).

    Raises:
        TaggingError: the folder is already there.
    """
    folder = Path(folder)
    building = _draw_images(folder, photos, seed, side)
    try:
        (building / "annotations").mkdir()
        members: dict[str, list[int]] = {label: [] for label in LABELS}
        for number in range(1, photos + 1):
            for label in plan(_random(seed, number))[1]:
                members[label].append(number)
        for label, numbers in members.items():
            (building / "annotations" / f"{label}.txt").write_text("".join(f"{number}\n" for number in numbers))
        building.rename(folder)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return folder


def draw_test(folder: str | Path, photos: int = 200, seed: int = 1, side: int = SIDE) -> Path:
    """Draw photos of the same kind without labels, as an official test set: `images/im<N>.jpg`."""
    folder = Path(folder)
    building = _draw_images(folder, photos, seed, side)
    try:
        building.rename(folder)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return folder


def _random(seed: int, number: int) -> np.random.Generator:
    return np.random.default_rng((seed, number))


def _draw_images(folder: Path, photos: int, seed: int, side: int) -> Path:
    from concurrent.futures import ThreadPoolExecutor

    if folder.exists():
        raise TaggingError(f"{folder} exists already: name a new folder, or remove it first")
    folder.parent.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    building.chmod(0o755)
    (building / "images").mkdir()

    def save(number: int) -> None:
        photo(seed, number, side).save(building / "images" / f"im{number}.jpg", quality=JPEG_QUALITY)

    try:
        with ThreadPoolExecutor() as pool:
            for _ in progress(pool.map(save, range(1, photos + 1)), "drawing photos", total=photos):
                pass
    except BaseException:
        shutil.rmtree(building, ignore_errors=True)
        raise
    return building


def plan(random: np.random.Generator) -> tuple[str, tuple[str, ...]]:
    """The kind of a photo's scene and its labels, in alphabetical order."""
    kinds = [*SCENES, "city"]
    kind = kinds[random.choice(len(kinds), p=[*SCENES.values(), 1 - sum(SCENES.values())])]
    labels: set[str] = set()
    if kind == "people":
        labels.add("people")
        labels |= {"portrait"} if random.random() < 0.5 else set()
        which = random.random()
        if which < 0.06:
            labels.add("baby")
        labels |= {"female"} if which < 0.54 else {"male"}
        if which > 0.9 or (which < 0.06 and random.random() < 0.4):
            labels |= {"female", "male"}
        if "portrait" not in labels and random.random() < 0.4:
            labels |= _outdoors(random)
    elif kind == "land":
        while not labels:
            labels = _outdoors(random)
    elif kind == "city":
        labels.add("night")
    elif kind != "unlabelled":
        labels.add(kind)
        if kind in ("car", "dog", "bird") and random.random() < 0.25:
            labels |= _outdoors(random) - {"sea", "river"}
    if kind in ("people", "land", "car") and random.random() < 0.06:
        labels.add("night")
        labels.discard("clouds")
    return kind, tuple(sorted(labels))


def _outdoors(random: np.random.Generator) -> set[str]:
    """Labels of an outdoor backdrop: clouds often, water sometimes, trees."""
    labels = {"clouds"} if random.random() < 0.6 else set()
    water = random.random()
    if water < 0.2:
        labels.add("sea")
    elif water < 0.36:
        labels.add("river")
    if "sea" not in labels and random.random() < 0.35:
        labels.add("tree")
    return labels


def photo(seed: int, number: int, side: int = SIDE):
    """Photo N of the corpus of that seed, a Pillow image of `side` px."""
    random = _random(seed, number)
    kind, labels = plan(random)
    canvas = scenes.Canvas(FINENESS * side, random)
    if kind == "city":
        scenes.city_night(canvas)
    elif kind == "unlabelled":
        scenes.UNLABELLED[random.integers(len(scenes.UNLABELLED))](canvas)
    else:
        _paint(canvas, kind, labels)
    image = canvas.image
    if "night" in labels and kind != "city":
        image = scenes.darken(image, random)
    return scenes.develop(image, side, random)


def _paint(canvas: scenes.Canvas, kind: str, labels: Sequence[str]) -> None:
    random = canvas.random
    outdoors = bool({"clouds", "sea", "river", "tree"} & set(labels)) or kind in ("land", "car")
    if outdoors or (kind in ("bird", "dog") and random.random() < 0.7):
        horizon = random.uniform(0.4, 0.62)
        scenes.sky(canvas, horizon + 0.12)
        if "clouds" in labels:
            scenes.clouds(canvas, horizon)
        if "sea" in labels:
            scenes.sea(canvas, horizon)
        else:
            ground = ((96, 124, 60), (120, 140, 74), (170, 150, 100))[random.integers(3)]
            scenes.hills(canvas, horizon, (104, 104, 108) if kind == "car" else ground)
            if "river" in labels:
                scenes.river(canvas, horizon)
        if "tree" in labels:
            for _ in range(random.integers(1, 4)):
                scenes.tree(canvas, random.uniform(0.08, 0.92), random.uniform(horizon + 0.1, 0.9), random.uniform(0.35, 0.7))
    elif kind == "flower":
        scenes.abstract(canvas) if random.random() < 0.3 else canvas.gradient((86, 120, 66), (30, 56, 34))
        canvas.texture(5, 26)
    else:
        (scenes.interior, scenes.abstract, scenes.building)[random.integers(3)](canvas)
    if kind == "people":
        _people(canvas, labels)
    elif kind == "flower":
        for _ in range(random.integers(1, 4)):
            scenes.flower(canvas, random.uniform(0.25, 0.75), random.uniform(0.25, 0.65), random.uniform(0.13, 0.3))
    elif kind == "bird":
        scenes.bird(canvas, random.uniform(0.3, 0.7), random.uniform(0.25, 0.55), random.uniform(0.12, 0.28))
    elif kind == "dog":
        scenes.dog(canvas, random.uniform(0.35, 0.65), random.uniform(0.5, 0.7), random.uniform(0.18, 0.3))
    elif kind == "car":
        scenes.car(canvas, random.uniform(0.35, 0.65), random.uniform(0.62, 0.78), random.uniform(0.22, 0.42))


def _people(canvas: scenes.Canvas, labels: Sequence[str]) -> None:
    random = canvas.random
    kinds = [kind for kind in ("female", "male", "baby") if kind in labels]
    if "portrait" in labels:
        size = random.uniform(0.2, 0.3) / len(kinds) ** 0.5
        for index, kind in enumerate(kinds):
            x = (index + 0.5) / len(kinds) + random.uniform(-0.06, 0.06)
            small = 0.7 if kind == "baby" else 1.0
            scenes.person(canvas, x, random.uniform(0.34, 0.44) + (0.12 if kind == "baby" else 0), size * small, kind)
        return
    kinds += [kinds[0]] * int(random.integers(0, 2))
    for index, kind in enumerate(kinds):
        x = (index + 0.5) / len(kinds) + random.uniform(-0.08, 0.08)
        size = random.uniform(0.055, 0.085) * (1.1 if kind == "baby" else 1.0)
        y = random.uniform(0.28, 0.4) + (0.3 if kind == "baby" else 0)
        scenes.person(canvas, x, y, size, kind)
