"""Whole landscapes, cities at night and trees, put together from sky, hills, ground and water."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from tagging_lib.sample import backdrops, things, waters
from tagging_lib.sample.canvas import Canvas, colour, near, smoothstep
from tagging_lib.sample.solids import Light, Solids


def landscape(canvas: Canvas, wanted: Collection[str], horizon: float) -> tuple[Light, np.ndarray]:
    """Sky, hills, ground and water as the labels ask; returns the light and the haze."""
    rng, night = canvas.rng, "night" in wanted
    light, haze = backdrops.sky(canvas, horizon, clouds="clouds" in wanted, night=night)
    if "sea" in wanted:
        if rng.random() < 0.35:
            backdrops.hills(canvas, horizon, haze, kind="blue", light=light)
        waters.sea(canvas, horizon, light, beach=rng.random() < 0.65)
        return light, haze
    kind = str(rng.choice(["green", "blue", "dry", "snow"], p=(0.42, 0.26, 0.14, 0.18)))
    if rng.random() < 0.8 or "river" in wanted:
        backdrops.hills(canvas, horizon, haze, kind=kind, light=light)
    surface = "grass" if "river" in wanted else str(rng.choice(["grass", "sand", "snow", "earth"], p=(0.62, 0.12, 0.1, 0.16)))
    backdrops.ground(canvas, horizon, light, haze, surface)
    if "river" in wanted:
        waters.river(canvas, horizon, light)
    if night:
        lamps(canvas, horizon)
    return light, haze


def lamps(canvas: Canvas, horizon: float) -> None:
    rng = canvas.rng
    for _ in range(int(rng.integers(1, 14))):
        x, y, warm = (
            rng.random(),
            horizon - abs(rng.normal(0, 0.03)),
            colour(rng.choice([0.09, 0.11, 0.14, 0.55]), rng.uniform(0.3, 0.7), 1),
        )
        canvas.glow(x, y, rng.uniform(0.02, 0.07), warm * 0.5)
        canvas.disc(x, y, rng.uniform(0.003, 0.009), warm * 2.5)


def skyline(canvas: Canvas) -> Light:
    """A city at night across dark water or roofs, or fireworks, or a long street of lamps."""
    rng = canvas.rng
    horizon = rng.uniform(0.6, 0.85)
    light, _ = backdrops.sky(canvas, horizon, clouds=False, night=True)
    kind = rng.choice(["towers", "fireworks", "trails"], p=(0.5, 0.22, 0.28))
    if kind != "trails":
        for _ in range(int(rng.integers(7, 16))):
            left, wide = rng.uniform(-0.1, 1), rng.uniform(0.06, 0.18)
            top = horizon - rng.uniform(0.06, 0.5 if kind == "towers" else 0.16)
            backdrops.facade(canvas, left, top, left + wide, horizon, near(rng, 0.62, 0.3, 0.3), light.dimmed(0.5), night=True)
        canvas.rgb[int(horizon * canvas.size) :] = 0.01
    else:
        backdrops.ground(canvas, horizon - 0.2, light, light.sky, "asphalt")
    for _ in range(int(rng.integers(1, 5)) if kind == "fireworks" else 0):
        x, y, reach, hue = rng.uniform(0.15, 0.85), rng.uniform(0.1, 0.45), rng.uniform(0.1, 0.28), rng.random()
        canvas.glow(x, y, reach, colour(hue, 0.6, 0.45))
        for angle in rng.uniform(0, 2 * np.pi, 46):
            for t in np.linspace(0.25, 1, 7) * rng.uniform(0.75, 1.05):
                canvas.disc(
                    x + reach * t * np.cos(angle),
                    y + reach * (t * np.sin(angle) + 0.18 * t * t),
                    0.003,
                    colour(hue + 0.05 * t, 0.6 * t, 1) * 2.2,
                    0.003,
                )
    if kind == "trails":
        point = rng.uniform(0.3, 0.7)
        for _ in range(int(rng.integers(8, 20))):
            foot, hue = rng.uniform(-0.4, 1.4), rng.choice([0.0, 0.1, 0.12])
            below = np.clip((canvas.y - horizon + 0.2) / (1.2 - horizon), 0, 1)
            middle = point + (foot - point) * below ** rng.uniform(0.9, 1.5)
            streak = np.exp(-(((canvas.x - middle) / (0.002 + 0.016 * below)) ** 2)) * (below > 0)
            canvas.rgb += colour(hue, 0.8, 1) * (1.6 * streak)[..., None]
        lamps(canvas, horizon - 0.2)
    else:
        shore = smoothstep(horizon - 0.001, horizon + 0.004, canvas.y)
        waters.water(canvas, shore, horizon, light, tint=colour(0.6, 0.6, 0.1), rough=rng.uniform(0.5, 1.4))
    return light


def trees(canvas: Canvas, wanted: Collection[str], light: Light, haze: np.ndarray, horizon: float) -> None:
    """One to five trees behind one another; beside the middle where something else is to be seen there."""
    rng = canvas.rng
    alone = not {"people", "bird", "river"} & set(wanted)
    kind = None if rng.random() < 0.6 else str(rng.choice(["broad", "conifer"]))
    count = int(rng.choice([1, 2, 3, 5], p=(0.45, 0.2, 0.2, 0.15)))
    places = np.sort(rng.uniform(0, 1, count))
    for k, nearness in enumerate(places):
        base = horizon + 0.02 + (0.97 - horizon) * 0.75 * nearness
        height = min((0.34 + 0.55 * nearness) * rng.uniform(0.85, 1.2), base - 0.02)
        if count == 1 and alone:
            x = rng.normal(0.5, 0.18)
        else:
            x = rng.uniform(0.02, 0.98) if alone else rng.choice([rng.uniform(0.02, 0.26), rng.uniform(0.74, 0.98)])
        solids = Solids(canvas)
        canvas.shadow(x - light.towards[0] * 0.1, base, height * 0.4, 0.05, 0.5)
        things.tree(solids, x, base, max(height, 0.3), float(k), rng, kind)
        solids.lay(light, haze=0.3 * (1 - nearness), haze_colour=haze)
