"""From a set of labels to a photo: what stands where, before which backdrop, in which light."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from tagging_lib.sample.animals import bird, dog
from tagging_lib.sample.canvas import Canvas, blur, develop, near
from tagging_lib.sample.cars import car
from tagging_lib.sample.faces import Person, somebody
from tagging_lib.sample.landscapes import landscape
from tagging_lib.sample.people import bust, figure
from tagging_lib.sample.plants import flower
from tagging_lib.sample.rooms import furniture, out_of_focus, room
from tagging_lib.sample.skies import sky
from tagging_lib.sample.solids import Frame, Light, Solids, rotation
from tagging_lib.sample.towns import city_at_night, street
from tagging_lib.sample.unlabelled import something_else

GREY_SHARE = 0.055


def photograph(labels: Collection[str], rng: np.random.Generator, side: int) -> np.ndarray:
    """A photo, uint8 (side, side, 3), in which exactly these labels are to be seen; none gives a photo of something else."""
    canvas, wanted = Canvas(side, rng), frozenset(labels)
    grey, near_by = rng.random() < GREY_SHARE, rng.random() < 0.6
    if not wanted:
        something_else(canvas)
    elif "portrait" in wanted:
        _portrait(canvas, wanted)
    elif wanted == {"night"} and near_by:
        city_at_night(canvas)
    elif wanted == {"flower"} and near_by:
        _flowers(canvas)
    elif wanted == {"bird"} and near_by:
        _bird(canvas)
    elif wanted == {"dog"} and near_by:
        light = room(canvas) if rng.random() < 0.4 else out_of_focus(canvas, hue=0.27)
        solids = Solids(canvas)
        dog(solids, rng.normal(0.5, 0.08), rng.uniform(0.34, 0.48), rng.uniform(0.18, 0.27), 0, close=True)
        solids.lay(light)
    else:
        _scene(canvas, wanted)
    return develop(canvas, side, night="night" in wanted, grey=grey)


def _cast(wanted: Collection[str], rng: np.random.Generator, *, most: int) -> list[Person]:
    """Who is in the picture, `most` adults or as many as there are labels; nobody of a sex without its label can be told."""
    sexes = [sex for sex in ("female", "male") if sex in wanted]
    babies = [somebody(rng, "female" if "female" in wanted else "male", baby=True)] if "baby" in wanted else []
    if babies and len(sexes) == 1 and rng.random() < 0.45:
        sexes = []
    elif not sexes and not babies:
        sexes = ["hidden"]
    extra = int(rng.integers(0, max(most - len(sexes), 0) + 1)) if sexes and rng.random() < 0.5 else 0
    people = [*babies, *(somebody(rng, sex) for sex in [*sexes, *rng.choice(sexes or [""], extra)])]
    return [people[k] for k in rng.permutation(len(people))]


def _portrait(canvas: Canvas, wanted: Collection[str]) -> None:
    """One or two people close up."""
    rng = canvas.rng
    if rng.random() < 0.45 or "night" in wanted:
        light = out_of_focus(canvas, night="night" in wanted, hue=0.27 if rng.random() < 0.3 else None)
    else:
        light = room(canvas)
        if rng.random() < 0.4:
            furniture(canvas, light)
        canvas.rgb = blur(canvas.rgb, rng.uniform(0, 0.02) * canvas.size)
    cast, solids = _cast(wanted, rng, most=1), Solids(canvas)
    several = len(cast) > 1
    size = rng.uniform(0.15, 0.21) if several else rng.uniform(0.17, 0.36)
    for k, who in enumerate(cast):
        x = (k + 1) / (len(cast) + 1) if several else rng.normal(0.5, 0.07)
        scale, y = size * rng.uniform(0.94, 1.06), rng.uniform(0.36, 0.5)
        if who.baby and several:
            scale, y = scale * 0.75, y + 0.14
        yaw = rng.normal(0, 0.3) + (0.5 - x) * 0.8 * several
        frame = Frame(solids, np.array([x, y, 0.1 * k]), scale, rotation(rng.normal(0, 0.07), 0, yaw))
        bust(frame, who, rotation(rng.normal(0, 0.1), rng.normal(0, 0.1), rng.normal(0, 0.3)))
    solids.lay(light)


def _scene(canvas: Canvas, wanted: Collection[str]) -> None:
    """Anything but a close-up: a place, and in it what the labels name."""
    rng, night = canvas.rng, "night" in wanted
    personal = "people" in wanted
    horizon = rng.uniform(0.38, 0.68) if personal or "clouds" not in wanted else rng.uniform(0.5, 0.75)
    light = _place(canvas, wanted, horizon)
    canvas.rgb = blur(canvas.rgb, max(0.0, rng.normal(0.001, 0.003)) * canvas.size)
    solids, floor = Solids(canvas), rng.uniform(max(horizon + 0.12, 0.7), 0.95)
    if "car" in wanted:
        x, size = rng.normal(0.5, 0.12), rng.uniform(0.26, 0.44)
        canvas.shadow(x, floor, size * 1.05, 0.05, 0.75)
        car(solids, x, floor, size, 5, night=night)
    if personal:
        _group(canvas, solids, wanted, floor - 0.06 if "car" in wanted else floor)
    if "dog" in wanted:
        x, size = rng.uniform(0.3, 0.7), rng.uniform(0.09, 0.14) if personal else rng.uniform(0.13, 0.24)
        canvas.shadow(x, floor + 0.1 * size, size * 1.3, size * 0.2, 0.6)
        dog(solids, x, floor - size, size, 1.2, close=False)
    if "bird" in wanted:
        for k in range(count := int(rng.choice([1, 2, 4], p=(0.7, 0.2, 0.1)))):
            x, flying = (k + rng.uniform(0.3, 0.7)) / count, rng.random() < 0.6
            y = rng.uniform(0.12, 0.45) if flying else floor - 0.05
            bird(solids, x, y, min(rng.uniform(0.1, 0.22), 0.5 / count), 2, flying=flying)
    if "flower" in wanted:
        for k in range(int(rng.integers(3, 9))):
            x, y = rng.uniform(0.03, 0.97), rng.uniform(0.62, 0.92)
            flower(solids, x, y, rng.uniform(0.05, 0.12), 2 + 0.1 * k, stem=0.4)
    solids.lay(light)


def _place(canvas: Canvas, wanted: Collection[str], horizon: float) -> Light:
    """Landscape, street, room or blur; returns the light."""
    rng, night = canvas.rng, "night" in wanted
    indoors, roll = "people" in wanted and "car" not in wanted, rng.random()
    if not {"clouds", "sea", "river", "tree"} & set(wanted):
        if night and indoors and roll < 0.35:
            return out_of_focus(canvas, night=True)
        if roll < 0.6 if "car" in wanted or night else indoors and roll < 0.4:
            return street(canvas, horizon, night=night)
        if indoors and not night and roll < 0.7:
            light = room(canvas)
            if rng.random() < 0.5:
                furniture(canvas, light)
            return light
    return landscape(canvas, wanted, horizon)


def _group(canvas: Canvas, solids: Solids, wanted: Collection[str], floor: float) -> None:
    """Whole figures of those whom the labels name, side by side."""
    rng = canvas.rng
    cast = _cast(wanted, rng, most=5)
    height = rng.uniform(0.5, 0.86) if len(cast) < 4 else rng.uniform(0.35, 0.6)
    gap = min(0.9 / len(cast), height * rng.uniform(0.3, 0.5))
    left = rng.normal(0.5, 0.12) - gap * (len(cast) - 1) / 2
    for k, who in enumerate(cast):
        feet = floor + rng.normal(0, 0.015)
        tall = height * (0.4 if who.baby else 0.93 if who.sex == "female" else 1.0) * rng.uniform(0.95, 1.05)
        tall, x = min(tall, feet - 0.05), left + gap * k
        canvas.shadow(x, feet, 0.12 * tall, 0.025, 0.6)
        away = np.pi if who.sex == "hidden" and rng.random() < 0.6 else 0
        figure(solids, who, x, feet, tall, 0.3 * k, away + rng.normal(0, 0.45))


def _flowers(canvas: Canvas) -> None:
    """One flower or several from near, the rest a blur."""
    rng = canvas.rng
    light = out_of_focus(canvas, hue=rng.choice([0.26, 0.3, 0.22, rng.random()]))
    solids, count = Solids(canvas), int(rng.choice([1, 2, 4, 9], p=(0.5, 0.2, 0.18, 0.12)))
    for k in range(count):
        x, y = (rng.normal(0.5, 0.1), rng.normal(0.46, 0.08)) if count == 1 else rng.uniform(0.12, 0.88, 2)
        flower(solids, x, y, rng.uniform(0.24, 0.44) if count == 1 else rng.uniform(0.1, 0.24), 0.3 * k)
    solids.lay(light)


def _bird(canvas: Canvas) -> None:
    """A bird in the sky or on a branch."""
    rng, solids = canvas.rng, Solids(canvas)
    x, y, size, flying = rng.normal(0.5, 0.1), rng.normal(0.47, 0.07), rng.uniform(0.15, 0.32), rng.random() < 0.4
    if flying:
        light, _ = sky(canvas, 1.1, clouds=False, night=False)
    else:
        light = out_of_focus(canvas, hue=rng.choice([0.27, 0.58, 0.1]))
        foot, drop, bark = y + 0.64 * size, rng.normal(0, 0.08), near(rng, 0.07, 0.4, 0.3)
        solids.rod((-0.05, foot - drop, -0.2), 0.03, (1.05, foot + drop, -0.2), 0.02, bark, mottle=0.5, bump=0.4, grain="hair")
    bird(solids, x, y, size, 0, flying=flying)
    solids.lay(light)
