"""From a set of labels to a photo: what stands where, before which backdrop, in which light."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from tagging_lib.sample import backdrops, faces, interiors, landscapes, objects, people, things
from tagging_lib.sample.canvas import Canvas, blur, develop, near, smoothstep
from tagging_lib.sample.solids import Frame, Light, Solids, rotation
from tagging_lib.sample.unlabelled import something_else

GREY_SHARE = 0.055
PERSONAL = frozenset({"people", "portrait", "female", "male", "baby"})


def photograph(labels: Collection[str], rng: np.random.Generator, side: int) -> np.ndarray:
    """A photo, uint8 (side, side, 3), in which exactly these labels are to be seen; none gives a photo of something else."""
    canvas, wanted = Canvas(side, rng), frozenset(labels)
    night = "night" in wanted
    grey = rng.random() < GREY_SHARE
    if not wanted:
        something_else(canvas)
    elif "portrait" in wanted:
        _portrait(canvas, wanted)
    else:
        _scene(canvas, wanted)
    return develop(canvas, side, night=night, grey=grey)


def _portrait(canvas: Canvas, wanted: Collection[str]) -> None:
    """One or two people close up, the rest of the labels behind or beside them."""
    rng, night = canvas.rng, "night" in wanted
    outdoors = {"clouds", "sea", "river", "tree", "car"} & set(wanted)
    if outdoors:
        light, defocus = _setting(canvas, wanted, rng.uniform(0.55, 0.8)), rng.uniform(0, 0.008)
    elif rng.random() < 0.45 or night:
        light, defocus = backdrops.bokeh(canvas, night=night, hue=0.27 if rng.random() < 0.3 else None), 0.012
    else:
        light, defocus = backdrops.room(canvas), rng.uniform(0, 0.02)
        if rng.random() < 0.4:
            interiors.furniture(canvas, light)
    canvas.rgb = blur(canvas.rgb, defocus * canvas.size)
    cast = _cast(wanted, rng, few=True)
    solids = Solids(canvas)
    beside = {"dog", "bird", "flower"} & set(wanted)
    crowd = len(cast) + bool(beside)
    size = (
        (rng.uniform(0.3, 0.4) if rng.random() < 0.14 and len(cast) == 1 else rng.uniform(0.17, 0.29))
        / (1 + 0.42 * (crowd - 1))
        * (1.12 if crowd == 2 else 1)
    )
    spots = np.linspace(0, 1, crowd + 2)[1:-1] if crowd > 1 else [rng.normal(0.5, 0.07)]
    for k, who in enumerate(cast):
        scale = size * rng.uniform(0.94, 1.06) * (0.72 if who.baby and crowd > 1 else 0.95 if who.baby else 1)
        y = rng.uniform(0.36, 0.5) + (0.14 if who.baby and crowd > 1 else 0)
        lean, towards = rng.normal(0, 0.07), (0.5 - spots[k]) * 0.8 * (crowd > 1)
        frame = Frame(solids, np.array([spots[k], y, 0.1 * k]), scale, rotation(lean, 0, rng.normal(0, 0.3) + towards))
        look = rotation(rng.normal(0, 0.1), rng.normal(0, 0.1), rng.normal(0, 0.3))
        people.bust(frame, who, look)
    if beside:
        _beside(solids, sorted(beside), float(spots[-1]), size, rng)
    solids.lay(light)
    if rng.random() < 0.1:  # something near the lens
        canvas.paint(
            0.8 * smoothstep(0.6, 0.95, canvas.noise(2, 1)) * smoothstep(0.55, 1.0, canvas.y), near(rng, rng.random(), 0.4, 0.4)
        )


def _beside(solids: Solids, kinds: list[str], x: float, size: float, rng: np.random.Generator) -> None:
    if "dog" in kinds:
        things.dog(solids, x, rng.uniform(0.5, 0.65), size * 0.85, 0.3, rng, close=True)
    if "bird" in kinds:
        things.bird(solids, x, rng.uniform(0.45, 0.7), size * 0.95, 0.5, rng, flying=False)
    if "flower" in kinds:
        for k in range(int(rng.integers(2, 5))):
            things.flower(
                solids,
                x + rng.normal(0, 0.09),
                rng.uniform(0.55, 0.85),
                size * rng.uniform(0.45, 0.7),
                0.6 + 0.1 * k,
                rng,
                stem=0.4,
            )


def _cast(wanted: Collection[str], rng: np.random.Generator, *, few: bool) -> list[faces.Person]:
    """Who is in the picture; nobody of a sex that the labels do not name can be told."""
    cast = [faces.somebody(rng, "female" if "female" in wanted else "male", baby=True)] if "baby" in wanted else []
    adults = [sex for sex in ("female", "male") if sex in wanted]
    if "baby" in wanted and few and len(adults) == 1 and rng.random() < 0.45:
        adults = []
    if not cast and not adults:
        adults = ["hidden"] * (1 if few else int(rng.integers(1, 6)))
    elif not few:
        adults += [str(rng.choice(adults)) for _ in range(int(rng.choice([0, 1, 2, 3], p=(0.5, 0.25, 0.15, 0.1)))) if adults]
    cast += [faces.somebody(rng, sex) for sex in adults]
    order = rng.permutation(len(cast))
    return [cast[k] for k in order]


def _setting(canvas: Canvas, wanted: Collection[str], horizon: float) -> Light:
    """The place: landscape, street, room or blur, with trees and a car where the labels ask for them."""
    rng, night = canvas.rng, "night" in wanted
    natural = {"clouds", "sea", "river", "tree"} & set(wanted)
    roll = rng.random()
    personal = bool(PERSONAL & set(wanted))
    if natural:
        light, haze = landscapes.landscape(canvas, wanted, horizon)
    elif night and roll < 0.35 and "car" not in wanted:
        light, haze = backdrops.bokeh(canvas, night=True), np.zeros(3, np.float32)
    elif roll < (0.6 if "car" in wanted or night else 0.42) and ("car" in wanted or personal or night):
        light, haze = backdrops.sky(canvas, horizon, clouds=False, night=night)
        backdrops.street(canvas, horizon, light, night=night)
    elif personal and roll < 0.7 and not night and "car" not in wanted:
        light, haze = backdrops.room(canvas), np.zeros(3, np.float32)
        if rng.random() < 0.5:
            interiors.furniture(canvas, light)
    else:
        light, haze = landscapes.landscape(canvas, wanted, horizon)
    if "tree" in wanted:
        landscapes.trees(canvas, wanted, light, haze, horizon)
    return light


def _scene(canvas: Canvas, wanted: Collection[str]) -> None:
    """Anything but a portrait: a place, and in it those whom the labels name."""
    rng, night = canvas.rng, "night" in wanted
    subjects = set(wanted) - {"night", "clouds", "sea", "river", "tree"}
    if set(wanted) == {"flower"} and rng.random() < 0.75:
        _flowers(canvas)
        return
    close_dog = subjects == {"dog"} and rng.random() < 0.5
    if wanted == {"night"} and rng.random() < 0.6:
        landscapes.skyline(canvas)
        return
    # Clouds need room; without them the horizon may lie anywhere.
    airy = "clouds" in wanted and not subjects
    horizon = rng.uniform(0.5, 0.68 if {"sea", "river"} & set(wanted) else 0.92) if airy else rng.uniform(0.38, 0.68)
    if subjects == {"bird"} and not {"clouds", "sea", "river", "tree", "night"} & set(wanted):
        _bird_alone(canvas)
        return
    if close_dog and len(wanted) == 1:
        light = (
            backdrops.room(canvas)
            if rng.random() < 0.4
            else backdrops.bokeh(canvas, night=False, hue=0.27 if rng.random() < 0.6 else None)
        )
    else:
        light = _setting(canvas, wanted, horizon)
    if not subjects:
        return
    canvas.rgb = blur(canvas.rgb, max(0.0, rng.normal(0.001, 0.003)) * canvas.size)
    solids = Solids(canvas)
    if close_dog:
        things.dog(solids, rng.normal(0.5, 0.08), rng.uniform(0.34, 0.48), rng.uniform(0.18, 0.27), 0, rng, close=True)
        solids.lay(light)
        return
    floor = rng.uniform(max(horizon + 0.12, 0.7), 0.95)
    if "car" in subjects:
        size = rng.uniform(0.26, 0.44)
        x, road = rng.normal(0.5, 0.12), floor + rng.uniform(-0.04, 0.02)
        canvas.shadow(x, road, size * 1.05, 0.05, 0.75)
        objects.car(solids, x, road, size, 5, rng, night=night)
    if PERSONAL & subjects:
        # People stand behind a car, which hides no more than their legs.
        _group(canvas, solids, wanted, floor - 0.06 if "car" in subjects else floor, light)
    if "dog" in subjects:
        size = rng.uniform(0.13, 0.24) if subjects == {"dog"} else rng.uniform(0.09, 0.14)
        x, y = rng.uniform(0.3, 0.7), floor - size * rng.uniform(0.9, 1.1) + 0.03
        canvas.shadow(x, y + size * 1.15, size * 1.3, size * 0.2, 0.6)
        things.dog(solids, x, y, size, 1.2, rng, close=False)
    if "bird" in subjects:
        count = int(rng.choice([1, 2, 4], p=(0.7, 0.2, 0.1)))
        for x in _apart(rng, count):
            flying = rng.random() < 0.6
            y = rng.uniform(0.12, 0.45) if flying else floor - 0.05
            things.bird(solids, x, y, min(rng.uniform(0.1, 0.22), 0.5 / count), 2, rng, flying=flying)
    if "flower" in subjects:
        for k in range(int(rng.integers(3, 9))):
            things.flower(
                solids, rng.uniform(0.03, 0.97), rng.uniform(0.62, 0.92), rng.uniform(0.05, 0.12), 2 + 0.1 * k, rng, stem=0.4
            )
    solids.lay(light)


def _group(canvas: Canvas, solids: Solids, wanted: Collection[str], floor: float, light: Light) -> None:
    """Whole or half figures of those whom the labels name, side by side."""
    rng = canvas.rng
    cast = _cast(wanted, rng, few=False)
    half = rng.random() < 0.3 and len(cast) <= 2 and "car" not in wanted
    count = len(cast)
    height = rng.uniform(1.1, 1.7) if half else rng.uniform(0.5, 0.86) if count < 4 else rng.uniform(0.35, 0.6)
    gap = min(0.9 / count, height * rng.uniform(0.3, 0.5))
    left = rng.uniform(0.1, max(0.11, 0.9 - gap * (count - 1))) if count > 1 else rng.normal(0.5, 0.15)
    for k, who in enumerate(cast):
        tall = height * (0.4 if who.baby else 0.93 if who.sex == "female" else 1.0) * rng.uniform(0.95, 1.05)
        feet = 0.2 + tall * 0.95 if half else floor + rng.normal(0, 0.015)
        tall = min(tall, feet - 0.05)
        x = left + gap * k + rng.normal(0, 0.012)
        canvas.shadow(x - light.towards[0] * 0.05, feet, 0.12 * tall, 0.025, 0.6)
        back = who.sex == "hidden" and rng.random() < 0.6
        yaw = (np.pi if back else 0) + rng.normal(0, 0.45)
        people.figure(
            solids, who, float(x), float(feet), float(tall), 0.12 * float(rng.permutation(count)[0]) + 0.3 * k, float(yaw), rng
        )


def _apart(rng: np.random.Generator, count: int) -> list[float]:
    """`count` places across the picture that do not meet, from left to right."""
    return [float((k + rng.uniform(0.3, 0.7)) / count) if count > 1 else rng.uniform(0.25, 0.75) for k in range(count)]


def _flowers(canvas: Canvas) -> None:
    """Flowers from near, the rest a blur."""
    rng = canvas.rng
    light = backdrops.bokeh(canvas, night=False, hue=rng.choice([0.26, 0.3, 0.22, rng.random()]))
    count = int(rng.choice([1, 2, 4, 9], p=(0.5, 0.2, 0.18, 0.12)))
    if count > 1:
        behind = Solids(canvas)
        for _ in range(3):
            things.flower(behind, rng.random(), rng.uniform(0.3, 0.9), rng.uniform(0.06, 0.14), 0, rng)
        behind.lay(light.dimmed(0.8), defocus=rng.uniform(0.01, 0.03))
    solids = Solids(canvas)
    for k in range(count):
        x, y = (rng.normal(0.5, 0.1), rng.normal(0.46, 0.08)) if count == 1 else rng.uniform(0.12, 0.88, 2)
        radius = rng.uniform(0.24, 0.44) if count == 1 else rng.uniform(0.1, 0.24)
        things.flower(solids, float(x), float(y), float(radius), 0.3 * k, rng)
    solids.lay(light)


def _bird_alone(canvas: Canvas) -> None:
    rng = canvas.rng
    solids = Solids(canvas)
    size = rng.uniform(0.15, 0.32)
    x, y = rng.normal(0.5, 0.1), rng.normal(0.47, 0.07)
    kind = rng.choice(["sky", "branch", "ground"], p=(0.35, 0.4, 0.25))
    if kind == "sky":
        light, _ = backdrops.sky(canvas, 1.1, clouds=False, night=False)
        if rng.random() < 0.8:
            things.bird(solids, x, y, size, 0, rng, flying=True)
        else:
            for place in _apart(rng, 3):
                things.bird(solids, place, rng.uniform(0.2, 0.8), 0.14, 0, rng, flying=True)
    else:
        if kind == "branch":
            light = backdrops.bokeh(canvas, night=False, hue=rng.choice([0.27, 0.58, 0.1]))
            foot, drop = y + 0.64 * size, rng.normal(0, 0.08)
            solids.rod(
                (-0.05, foot - drop, -0.2),
                0.03,
                (1.05, foot + drop, -0.2),
                0.02,
                near(rng, 0.07, 0.4, 0.3),
                mottle=0.5,
                bump=0.4,
                grain="hair",
            )
        else:
            light, haze = backdrops.sky(canvas, 0.2, clouds=False, night=False)
            backdrops.ground(canvas, rng.uniform(0.1, 0.3), light, haze, str(rng.choice(["grass", "sand", "earth", "snow"])))
            canvas.rgb = blur(canvas.rgb, 0.006 * canvas.size)
            canvas.shadow(x, y + 0.65 * size, size * 0.7, 0.03, 0.6)
        things.bird(solids, float(x), float(y), float(size), 0, rng, flying=False)
    solids.lay(light)
