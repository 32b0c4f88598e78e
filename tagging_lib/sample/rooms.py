"""Rooms, their furniture, and backdrops far out of focus."""

from __future__ import annotations

import numpy as np

from tagging_lib.sample.canvas import Canvas, colour, mix, near, smoothstep
from tagging_lib.sample.landscapes import project
from tagging_lib.sample.skies import NIGHT
from tagging_lib.sample.solids import Light, Look, Solids, from_above


def room(canvas: Canvas) -> Light:
    """A wall, and mostly a floor, lit from a window or a lamp; returns the light for what stands in the room."""
    rng = canvas.rng
    wall = near(rng, rng.choice([0.08, 0.11, 0.14, 0.3, 0.55, 0.6, 0.95]), rng.uniform(0.03, 0.45), rng.uniform(0.5, 0.95))
    lamp = near(rng, *((0.09, 0.35, 1.0) if rng.random() < 0.55 else (0.58, 0.08, 1.0)), spread=0.4)
    towards = from_above(rng)
    fall = np.exp(-(((canvas.x - 0.5 - np.sign(towards[0]) * 0.45) / 0.75) ** 2) - ((canvas.y - 0.25) / 0.8) ** 2)
    canvas.rgb = (wall * lamp * (0.3 + 0.75 * fall * (1 + 0.05 * canvas.noise(30, 2)))[..., None]).astype(np.float32)
    if rng.random() < 0.6:
        floor = rng.uniform(0.68, 0.9)
        wood = near(rng, 0.07, 0.5, 0.5) * (0.8 + 0.4 * project(canvas, canvas.noise(8, 3, (5, 0.6)), floor - 0.2))[..., None]
        canvas.paint((canvas.y > floor).astype(np.float32), wood * lamp * (0.35 + 0.6 * fall)[..., None])
        canvas.box(0, floor - 0.02, 1, floor, canvas.rgb[0, 0] * 1.2)
    return Light(towards, lamp * 0.95, wall * 0.25 + 0.16, wall * 0.18 + 0.06, 0.2)


def furniture(canvas: Canvas, light: Light) -> None:
    """Pictures and a window on the wall, a sofa in front."""
    rng = canvas.rng
    for _ in range(int(rng.integers(0, 4))):
        x, y, wide, high = rng.uniform(0, 0.8), rng.uniform(0.05, 0.4), *rng.uniform(0.1, 0.26, 2)
        canvas.box(x - 0.015, y - 0.015, x + wide + 0.015, y + high + 0.015, light.key * near(rng, 0.08, 0.4, 0.3) * 0.8)
        part = canvas.around(x + wide / 2, y + high / 2, wide / 2, high / 2)
        blot = smoothstep(0.35, 0.6, canvas.noise(4, 2)[part])
        inside = mix(near(rng, rng.random(), 0.4, 0.7), near(rng, rng.random(), 0.5, 0.4), blot)
        canvas.rgb[part] = inside * (light.key * 0.5 + light.sky * 0.4)
    if rng.random() < 0.35:
        x, wide = rng.uniform(0, 0.6), rng.uniform(0.22, 0.4)
        canvas.box(x, 0.06, x + wide, 0.56, colour(0.57, 0.06, 1) * 1.25)
        for k in (0.0, 0.5, 1.0):
            canvas.box(x + k * wide - 0.01, 0.06, x + k * wide + 0.01, 0.56, light.key * 0.7)
    if rng.random() < 0.6:
        solids, cloth = Solids(canvas), near(rng, rng.random(), rng.uniform(0.1, 0.6), rng.uniform(0.3, 0.8))
        x, y, look = rng.uniform(0.3, 0.7), rng.uniform(0.84, 1.0), Look(mottle=0.15, bump=0.2)
        canvas.shadow(x, y, 0.4, 0.06, 0.5)
        solids.ball((x, y - 0.28, -0.2), (0.36, 0.18, 0.1), cloth * 0.85, **look)
        solids.ball((x, y - 0.06, -0.02), (0.36, 0.08, 0.15), cloth * 0.8, **look)
        for side in (-1, 1):
            solids.ball((x + side * 0.16, y - 0.16, 0), (0.18, 0.07, 0.15), cloth, **look)
            solids.rod((x + side * 0.37, y - 0.06, 0), 0.07, (x + side * 0.37, y - 0.2, 0), 0.075, cloth * 0.9, **look)
            solids.ball((x + side * 0.17, y - 0.27, 0.05), (0.1, 0.09, 0.05), near(rng, rng.random(), 0.5, 0.8), **look)
        solids.lay(light)


def out_of_focus(canvas: Canvas, *, night: bool = False, hue: float | None = None) -> Light:
    """Soft patches and discs of light far behind; a hue of 0.27 makes it leaves."""
    rng = canvas.rng
    base = rng.random() if hue is None else hue
    rgb = np.zeros_like(canvas.rgb)
    for shift in (0.0, rng.normal(0, 0.06), rng.normal(0, 0.12)):
        patch = smoothstep(0.25, 0.75, canvas.noise(rng.uniform(2, 5), 2))
        rgb = mix(rgb, near(rng, base + shift, rng.uniform(0.15, 0.6), rng.uniform(0.25, 0.85)), patch)
    canvas.rgb = (rgb + 0.02) * np.float32(0.10 if night else 0.75)
    for _ in range(int(rng.integers(3, 18)) if night or rng.random() < 0.5 else 0):
        spot = colour(0.1 if night else base + rng.normal(0, 0.05), rng.uniform(0.1, 0.7), 1)
        canvas.disc(rng.random(), rng.random() * 0.8, rng.uniform(0.015, 0.06), spot * rng.uniform(0.2, 0.9), 0.006)
    return Light(from_above(rng), *NIGHT) if night else Light(from_above(rng), rim=0.6)
