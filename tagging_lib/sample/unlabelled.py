"""Photos that carry none of the labels, some of them easily mistaken: a cat, balloons, leaves, a clear sky, a house."""

from __future__ import annotations

import numpy as np

from tagging_lib.sample.animals import dog
from tagging_lib.sample.canvas import Canvas, blur, colour, mix, near, smoothstep
from tagging_lib.sample.cars import RUBBER, STEEL
from tagging_lib.sample.landscapes import landscape
from tagging_lib.sample.rooms import furniture, out_of_focus, room
from tagging_lib.sample.skies import sky
from tagging_lib.sample.solids import Frame, Light, Solids, rotation
from tagging_lib.sample.towns import house, street

KINDS = {
    "room": 0.14, "meal": 0.15, "surface": 0.19, "thing": 0.18, "blur": 0.04,
    "land": 0.14, "cat": 0.06, "house": 0.06, "street": 0.04,
}  # fmt: skip
FOODS = ((0.07, 0.7, 0.45), (0.12, 0.6, 0.9), (0.02, 0.85, 0.75), (0.26, 0.75, 0.5), (0.1, 0.25, 0.92), (0.06, 0.8, 0.7))


def something_else(canvas: Canvas) -> None:
    """Paint one of the kinds of `KINDS`, by its share."""
    rng = canvas.rng
    kind = str(rng.choice(list(KINDS), p=list(KINDS.values())))
    if kind == "room":
        furniture(canvas, room(canvas))
    elif kind == "meal":
        _meal(canvas)
    elif kind == "surface":
        _surface(canvas)
    elif kind == "thing":
        _thing(canvas, room(canvas) if rng.random() < 0.5 else out_of_focus(canvas))
    elif kind == "blur":
        out_of_focus(canvas)
    elif kind == "land":
        landscape(canvas, (), rng.uniform(0.35, 0.8))
    elif kind == "street":
        street(canvas, rng.uniform(0.6, 0.9), night=False)
    elif kind == "house":
        light, _ = sky(canvas, 0.9, clouds=False, night=False)
        for _ in range(int(rng.integers(1, 4))):
            left = rng.uniform(-0.2, 0.6)
            house(canvas, left, rng.uniform(0, 0.4), left + rng.uniform(0.3, 0.8), 1.1, light, night=False)
    else:
        light = room(canvas) if rng.random() < 0.6 else out_of_focus(canvas, hue=0.27)
        solids, close = Solids(canvas), rng.random() < 0.6
        x, y, size = rng.normal(0.5, 0.08), rng.uniform(0.38, 0.5), rng.uniform(0.18, 0.27)
        dog(solids, x, y if close else 0.62, size if close else size * 0.85, 0, close=close, cat=True)
        solids.lay(light)


def _meal(canvas: Canvas) -> None:
    """A plate on a table, from above, with heaps of food on it."""
    rng = canvas.rng
    light = room(canvas)
    wood = near(rng, 0.07, 0.5, 0.5) * (0.7 + 0.5 * canvas.noise(5, 4, (0.25, 6)))[..., None]
    cloth = near(rng, rng.random(), 0.3, 0.85) * (0.86 + 0.14 * (np.sin(canvas.x * 60) * np.sin(canvas.y * 60) > 0))[..., None]
    canvas.rgb = (wood if rng.random() < 0.5 else cloth) * (light.key * 0.6 + light.sky)
    x, y, radius, squash = rng.normal(0.5, 0.06), rng.normal(0.52, 0.06), rng.uniform(0.28, 0.46), rng.uniform(0.6, 1)
    canvas.shadow(x - light.towards[0] * 0.06, y + 0.05, radius * 1.12, radius * squash * 1.12, 0.6)
    solids, tilt = Solids(canvas), rotation(pitch=-np.arccos(squash))
    china = near(rng, rng.choice([0.1, 0.58, 0.03]), rng.uniform(0, 0.2), 0.93)
    solids.ball((x, y, 0), (radius, radius, radius * 0.12), china, turn=tilt, gloss=0.4)
    solids.ball((x, y, 0.09 * radius), (radius * 0.72, radius * 0.72, radius * 0.06), china * 0.93, turn=tilt, gloss=0.3)
    for _ in range(int(rng.integers(2, 5))):
        hue, size, (cx, cy) = FOODS[rng.choice(6)], rng.uniform(0.1, 0.24) * radius, rng.normal(0, 0.25, 2) * radius
        for dx, dy in rng.normal(0, 0.16, (int(rng.integers(3, 14)), 2)) * radius:
            at, radii = (x + cx + dx, y + (cy + dy) * squash, radius * 0.16), size * rng.uniform(0.6, 1.3, 3)
            turn = rotation(*rng.uniform(0, 3, 3))
            solids.ball(at, radii, near(rng, *hue), turn=turn, gloss=0.35, mottle=0.35, bump=0.3, grain="cloth")
    for side in (-1, 1) if rng.random() < 0.6 else ():
        px = x + side * radius * 1.15
        solids.rod((px, y + radius * 0.8, 0.02), 0.015, (px, y - radius * 0.4, 0.02), 0.011, STEEL, gloss=1.0)
        solids.ball((px, y - radius * 0.55, 0.02), (0.032, 0.09, 0.012), STEEL, gloss=1.0)
    solids.lay(light)


def _surface(canvas: Canvas) -> None:
    """A wall, a cloth or foliage straight on: bricks, tiles, stripes, planks, stone or leaves."""
    rng = canvas.rng
    kind = str(rng.choice(["bricks", "tiles", "stripes", "planks", "stone", "leaves"]))
    if kind == "leaves":
        canvas.rgb[:] = near(rng, 0.28, 0.6, 0.12)
        solids, green, drop = Solids(canvas), near(rng, rng.uniform(0.2, 0.36), 0.6, 0.45), rng.uniform(0.05, 0.11)
        for k in range(46):
            turn = rotation(rng.uniform(0, 6), *rng.normal(0, 0.5, 2))
            at, radii = (rng.random(), rng.random(), k * 0.004), (drop * 1.5, drop * 0.6, 0.02)
            solids.ball(at, radii, green * rng.uniform(0.6, 1.3), turn=turn, gloss=0.3, mottle=0.2, grain="hair")
        solids.lay(Light())
        return
    angle, count, rough = rng.normal(0, 0.25), rng.uniform(4, 12), canvas.noise(16, 4)
    u = (canvas.x - 0.5) * np.cos(angle) - (canvas.y - 0.5) * np.sin(angle)
    v = (canvas.x - 0.5) * np.sin(angle) + (canvas.y - 0.5) * np.cos(angle)
    base, other = near(rng, rng.random(), rng.uniform(0.1, 0.6), rng.uniform(0.4, 0.9)), near(rng, rng.random(), 0.4, 0.5)
    height = rough * 0.12
    if kind in ("bricks", "tiles"):
        ratio = 2.2 if kind == "bricks" else 1.0
        row = np.floor(v * count)
        column = u * count / ratio + (0.5 * (row % 2) if kind == "bricks" else 0)
        edge = np.minimum(0.5 - np.abs(column % 1 - 0.5), (0.5 - np.abs(v * count % 1 - 0.5)) / ratio)
        face = smoothstep(0.02, 0.07, edge)
        shade = rng.random(4096).astype(np.float32)[(row * 57 + np.floor(column) * 131).astype(int) % 4096]
        tone = mix(other * 0.6, (near(rng, 0.03, 0.6, 0.6) if kind == "bricks" else base) * (0.65 + 0.6 * shade)[..., None], face)
        height = height + face * 0.3
    elif kind == "stripes":
        tone = mix(base, other, smoothstep(-0.2, 0.2, np.sin(u * count * 5 + rough)))
    elif kind == "planks":
        tone = near(rng, 0.07, rng.uniform(0.1, 0.55), 0.55) * (0.6 + 0.5 * canvas.noise(5, 4, (6, 0.3)))[..., None]
        height = height + smoothstep(0, 0.06, 0.5 - np.abs(u * count % 1 - 0.5))
    else:
        tone, height = base * (0.5 + 0.8 * rough)[..., None], rough * 1.2
    down, right = np.gradient(blur(height, 1.0) * np.float32(14))
    direction = rng.uniform(0, 6.3)
    lit = 0.75 + 0.5 * np.clip(np.cos(direction) * right + np.sin(direction) * down, -1, 1)
    fall = 1.1 - 0.7 * np.hypot(canvas.x - rng.random(), canvas.y - rng.random())
    canvas.rgb = (tone * (lit * fall)[..., None]).astype(np.float32)


def _thing(canvas: Canvas, light: Light) -> None:
    """One object that fills the picture: a bicycle, a clock, balloons or an umbrella."""
    rng, solids = canvas.rng, Solids(canvas)
    tone, other = near(rng, rng.random(), rng.uniform(0.4, 0.85), rng.uniform(0.4, 0.9)), near(rng, rng.random(), 0.5, 0.9)
    x, y, size = rng.normal(0.5, 0.06), rng.normal(0.52, 0.05), rng.uniform(0.26, 0.42)
    frame = Frame(solids, np.array([x, y, 0.2]), size, rotation(rng.normal(0, 0.12), 0, rng.normal(0, 0.3)))
    canvas.shadow(x - light.towards[0] * 0.08, y + 0.05, size * 1.1, size * 1.1, 0.3)
    kind = str(rng.choice(["bicycle", "clock", "balloons", "umbrella"]))
    if kind == "bicycle":
        back, crank, seat, fork, front = (-0.62, 0.4), (-0.08, 0.45), (-0.26, -0.25), (0.42, -0.25), (0.62, 0.4)
        for hub in (back, front):
            frame.ball((*hub, 0), (0.46, 0.46, 0.05), RUBBER, keep=lambda own: own[..., 0] ** 2 + own[..., 1] ** 2 > 0.8)
            for angle in np.arange(10) * np.pi / 5:
                frame.rod((*hub, 0), 0.006, (hub[0] + 0.42 * np.cos(angle), 0.4 + 0.42 * np.sin(angle), 0), 0.006, STEEL)
        for one, end in ((back, crank), (back, seat), (crank, seat), (crank, fork), (seat, fork), (fork, front)):
            frame.rod((*one, 0.03), 0.032, (*end, 0.03), 0.032, tone, gloss=0.7)
        frame.ball((-0.3, -0.36, 0.05), (0.19, 0.05, 0.1), RUBBER, gloss=0.3)
        frame.rod((*fork, 0.03), 0.025, (0.38, -0.5, 0.03), 0.025, STEEL, gloss=0.9)
        frame.rod((0.38, -0.5, 0.03), 0.03, (0.58, -0.48, 0.15), 0.03, RUBBER)
    elif kind == "clock":
        frame.ball((0, 0, -0.1), (0.95, 0.95, 0.22), tone, gloss=0.6)
        frame.ball((0, 0, 0.05), (0.82, 0.82, 0.1), colour(0.12, 0.06, 0.95))
        for hour in range(12):
            c, s = np.cos(hour * np.pi / 6), np.sin(hour * np.pi / 6)
            frame.rod((0.6 * c, 0.6 * s, 0.14), 0.025, (0.7 * c, 0.7 * s, 0.12), 0.025, RUBBER)
        for reach, angle in zip((0.35, 0.6), rng.uniform(0, 6.28, 2), strict=True):
            frame.rod((0, 0, 0.17), 0.035, (reach * np.cos(angle), reach * np.sin(angle), 0.17), 0.02, RUBBER)
    elif kind == "balloons":
        for k in range(int(rng.integers(2, 7))):
            px, py = rng.uniform(-0.9, 0.9), rng.uniform(-0.8, 0.2)
            frame.rod((px, py + 0.35, -0.2), 0.008, (0, 1.6, -0.2), 0.008, STEEL)
            frame.ball((px, py, 0.1 * k), (0.3, 0.37, 0.3), near(rng, rng.random(), 0.75, 0.9), gloss=0.8)
    else:

        def striped(own: np.ndarray, paint: np.ndarray) -> np.ndarray:
            return mix(paint, other, (np.sin(np.arctan2(own[..., 0], own[..., 2]) * 8) > 0) * 1.0)

        frame.rod((0, -0.3, -0.1), 0.025, (0, 1.0, -0.1), 0.025, STEEL, gloss=0.6)
        frame.ball((0, 0, 0), (1.0, 0.8, 0.9), tone, keep=lambda own: own[..., 1] < -0.15, pattern=striped)
    solids.lay(light)
