"""Towns: house fronts along a street by day and by night, and cities across dark water."""

from __future__ import annotations

import numpy as np

from tagging_lib.sample.canvas import Canvas, colour, near, smoothstep
from tagging_lib.sample.landscapes import ground, water
from tagging_lib.sample.skies import sky
from tagging_lib.sample.solids import Light


def house(canvas: Canvas, left: float, top: float, right: float, bottom: float, light: Light, *, night: bool) -> None:
    """The front of a house with rows of windows, some of them lit at night."""
    rng = canvas.rng
    front = near(rng, rng.choice([0.04, 0.08, 0.11, 0.6, 0.95]), rng.uniform(0.05, 0.5), rng.uniform(0.4, 0.9))
    front = front * (light.key * 0.45 + light.sky * 0.7)
    canvas.box(left, top, right, bottom, front)
    canvas.box(right - 0.012, top, right, bottom, front * 0.6)
    canvas.box(left, top, right, top + 0.015, front * 1.3)
    columns, storey = max(2, round((right - left) / rng.uniform(0.06, 0.12))), rng.uniform(0.1, 0.17)
    pitch, share = (right - left) / columns, rng.uniform(0.45, 0.7)
    for y in np.arange(top + 0.05, bottom - 0.02 - storey * 0.7, storey):
        for x in left + pitch * (np.arange(columns) + 0.5 - share / 2):
            lit = night and rng.random() < 0.45
            pane = colour(0.12, rng.uniform(0.3, 0.7), 1) * rng.uniform(0.5, 1.6) if lit else light.sky * rng.uniform(0.1, 0.55)
            canvas.box(x - 0.005, y - 0.005, x + pitch * share + 0.005, y + storey * 0.66, front * 1.35)
            canvas.box(x, y, x + pitch * share, y + storey * 0.62, pane)


def street(canvas: Canvas, horizon: float, *, night: bool) -> Light:
    """Houses above a pavement and a road, with lamps at night; returns the light."""
    rng = canvas.rng
    light, _ = sky(canvas, horizon, clouds=False, night=night)
    left = -rng.uniform(0, 0.2)
    while left < 1:
        right = left + rng.uniform(0.18, 0.5)
        house(canvas, left, rng.uniform(-0.25, horizon * 0.55), right, horizon + 0.03, light, night=night)
        left = right
    ground(canvas, horizon + 0.03, light, canvas.rgb[int(horizon * canvas.size)].mean(0), "asphalt")
    canvas.box(0, horizon + 0.03, 1, horizon + 0.075, (light.key * 0.4 + light.sky * 0.6) * 0.3)
    for _ in range(int(rng.integers(3, 9)) if night else 0):
        x, warm = rng.random(), colour(rng.choice([0.09, 0.12]), 0.6, 1)
        canvas.lamp(x, rng.uniform(horizon * 0.25, horizon), rng.uniform(0.006, 0.014))
        reflected = smoothstep(horizon, horizon + 0.1, canvas.y) * smoothstep(1.1, 0.6, canvas.y) * canvas.noise(20, 2, (0.5, 2))
        canvas.rgb += warm * (0.25 * np.exp(-(((canvas.x - x) / 0.02) ** 2)) * reflected)[..., None]
    return light


def city_at_night(canvas: Canvas) -> None:
    """Towers with lit windows across dark water, now and then under fireworks."""
    rng = canvas.rng
    horizon = rng.uniform(0.6, 0.85)
    light, _ = sky(canvas, horizon, clouds=False, night=True)
    for _ in range(int(rng.integers(7, 16))):
        left, top = rng.uniform(-0.1, 1), horizon - rng.uniform(0.06, 0.45)
        house(canvas, left, top, left + rng.uniform(0.06, 0.18), horizon, light, night=True)
    canvas.rgb[int(horizon * canvas.size) :] = 0.01
    for _ in range(int(rng.integers(1, 5)) if rng.random() < 0.3 else 0):
        x, y, reach, hue = rng.uniform(0.15, 0.85), rng.uniform(0.1, 0.45), rng.uniform(0.1, 0.28), rng.random()
        canvas.glow(x, y, reach, colour(hue, 0.6, 0.45))
        for angle in rng.uniform(0, 2 * np.pi, 46):
            for t in np.linspace(0.25, 1, 7) * rng.uniform(0.75, 1.05):
                fallen = reach * (t * np.sin(angle) + 0.18 * t * t)
                canvas.disc(x + reach * t * np.cos(angle), y + fallen, 0.003, colour(hue + 0.05 * t, 0.6 * t, 1) * 2.2, 0.003)
    water(canvas, smoothstep(horizon - 0.001, horizon + 0.004, canvas.y), horizon, light, colour(0.6, 0.6, 0.1))
