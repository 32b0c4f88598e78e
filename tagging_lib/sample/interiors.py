"""Pictures without a label, indoors and close up: meals, still lifes, furniture, patterned surfaces, single objects."""

from __future__ import annotations

import numpy as np

from tagging_lib.sample.canvas import Canvas, blur, colour, curve, mix, near, smoothstep
from tagging_lib.sample.objects import RUBBER, STEEL, bottle, cup, fruit, teddy
from tagging_lib.sample.solids import Frame, Light, Look, Solids, rotation


def table_top(canvas: Canvas, edge: float, light: Light) -> None:
    """A table's surface from `edge` down: wood, cloth or stone."""
    rng = canvas.rng
    kind = rng.choice(3)
    if kind == 0:
        tone = near(rng, 0.07, 0.5, 0.5) * (0.7 + 0.5 * canvas.noise(5, 4, (0.25, 6)))[..., None]
    elif kind == 1:
        check = np.sin(canvas.x * 60) * np.sin(canvas.y * 60) > 0 if rng.random() < 0.4 else canvas.noise(40, 1) > 0.5
        tone = near(rng, rng.random(), 0.3, 0.85) * (0.86 + 0.14 * check)[..., None]
    else:
        tone = near(rng, rng.choice([0.1, 0.6]), 0.08, rng.uniform(0.4, 0.9)) * (0.8 + 0.3 * canvas.noise(9, 5))[..., None]
    fall = 1.1 - 0.5 * np.abs(canvas.x - 0.5 - light.towards[0] * 0.4)
    canvas.paint((canvas.y > edge).astype(np.float32), tone * (light.key * 0.6 + light.sky) * fall[..., None])


def meal(canvas: Canvas, light: Light) -> None:
    """A plate from above with heaps of food on it."""
    rng = canvas.rng
    table_top(canvas, -1, light)
    x, y, radius, squash = rng.normal(0.5, 0.06), rng.normal(0.52, 0.06), rng.uniform(0.28, 0.46), rng.uniform(0.6, 1)
    canvas.shadow(x - light.towards[0] * 0.06, y + 0.05, radius * 1.12, radius * squash * 1.12, 0.6)
    solids = Solids(canvas)
    tilt = rotation(pitch=-np.arccos(squash))
    china = near(rng, rng.choice([0.1, 0.58, 0.03]), rng.uniform(0, 0.2), 0.93)
    solids.ball((x, y, 0), (radius, radius, radius * 0.12), china, turn=tilt, gloss=0.4)
    solids.ball((x, y, 0.09 * radius), (radius * 0.72, radius * 0.72, radius * 0.06), china * 0.93, turn=tilt, gloss=0.3)
    foods = ((0.07, 0.7, 0.45), (0.12, 0.6, 0.9), (0.02, 0.85, 0.75), (0.26, 0.75, 0.5), (0.1, 0.25, 0.92), (0.06, 0.8, 0.7))
    for _ in range(int(rng.integers(2, 5))):
        hue, size, many = foods[rng.choice(6)], rng.uniform(0.1, 0.24) * radius, int(rng.integers(3, 14))
        cx, cy = rng.normal(0, 0.25, 2) * radius
        for _ in range(many):
            px, py = x + cx + rng.normal(0, 0.16) * radius, y + (cy + rng.normal(0, 0.16) * radius) * squash
            solids.ball(
                (px, py, radius * 0.16),
                size * rng.uniform(0.6, 1.3, 3),
                near(rng, *hue),
                turn=rotation(*rng.uniform(0, 3, 3)),
                gloss=0.35,
                mottle=0.35,
                bump=0.3,
                grain="stone",
            )
    if rng.random() < 0.6:
        for side in (-1, 1):
            px = x + side * radius * 1.15
            solids.rod((px, y + radius * 0.8, 0.02), 0.015, (px, y - radius * 0.4, 0.02), 0.011, STEEL, gloss=1.0)
            solids.ball((px, y - radius * 0.55, 0.02), (0.032, 0.09, 0.012), STEEL, gloss=1.0)
    solids.lay(light)


def still_life(canvas: Canvas, light: Light, edge: float) -> None:
    """Bottles, cups, fruit, books, balls and a toy now and then on a table."""
    rng = canvas.rng
    table_top(canvas, edge, light)
    solids = Solids(canvas)
    for _ in range(int(rng.integers(2, 7))):
        x, y = rng.uniform(0.1, 0.9), rng.uniform(edge + 0.06, 0.93)
        size = (0.26 + 0.34 * (y - edge)) * rng.uniform(0.8, 1.5)
        frame = Frame(solids, np.array([x, y, y]), size, rotation(yaw=rng.normal(0, 0.5)))
        canvas.shadow(x - light.towards[0] * 0.3 * size, y, 0.4 * size, 0.09 * size, 0.6)
        kind = rng.choice(6, p=(0.22, 0.2, 0.28, 0.14, 0.08, 0.08))
        if kind == 0:
            bottle(frame.inner((0, 0, 0), 1.3), near(rng, rng.choice([0.3, 0.1, 0.6, 0.0]), 0.6, rng.uniform(0.2, 0.6)))
        elif kind == 1:
            cup(frame.inner((0, 0, 0), 0.6), near(rng, rng.random(), rng.uniform(0, 0.7), 0.85))
        elif kind == 2:
            for k in range(int(rng.integers(1, 4))):
                fruit(frame.inner((0.42 * k - 0.3, rng.uniform(-0.1, 0.1), 0.05 * k), 0.85), rng)
        elif kind == 3:
            for k in range(int(rng.integers(1, 6))):
                low, wide, cover = y - 0.09 * k * size, rng.uniform(0.38, 0.52) * size, near(rng, rng.random(), 0.6, 0.6)
                solids.slab(
                    [(x - wide, low - 0.09 * size), (x + wide, low - 0.09 * size), (x + wide, low), (x - wide, low)],
                    y,
                    cover,
                    bevel=0.02 * size,
                )
        elif kind == 4:
            frame.ball(
                (0, -0.4, 0),
                0.4,
                near(rng, rng.random(), 0.8, 0.8),
                gloss=0.4,
                pattern=lambda own, tone: tone * (0.6 + 0.5 * (np.sin(own[..., :1] * 7) > 0)),
            )
        else:
            teddy(frame.inner((0, 0, 0), 0.45), rng)
    solids.lay(light)


def furniture(canvas: Canvas, light: Light) -> None:
    """Pictures, a window, a lamp, a sofa or a shelf in a room."""
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
        canvas.box(x, 0.3, x + wide, 0.315, light.key * 0.7)
    solids, cloth = Solids(canvas), near(rng, rng.random(), rng.uniform(0.1, 0.6), rng.uniform(0.3, 0.8))
    kind = rng.choice(["sofa", "shelf", "lamp", "chair"], p=(0.35, 0.2, 0.25, 0.2))
    x, y = rng.uniform(0.3, 0.7), rng.uniform(0.84, 1.0)
    canvas.shadow(x, y, 0.4, 0.06, 0.5)
    look: Look = {"mottle": 0.15, "bump": 0.2}
    if kind == "sofa":
        solids.ball((x, y - 0.28, -0.2), (0.36, 0.18, 0.1), cloth * 0.85, **look)
        for side in (-1, 1):
            solids.ball((x + side * 0.16, y - 0.16, 0), (0.18, 0.07, 0.15), cloth, **look)
            solids.rod((x + side * 0.37, y - 0.06, 0), 0.07, (x + side * 0.37, y - 0.2, 0), 0.075, cloth * 0.9, **look)
            solids.ball(
                (x + side * 0.17, y - 0.27, 0.05),
                (0.1, 0.09, 0.05),
                near(rng, rng.random(), 0.5, 0.8),
                turn=rotation(side * 0.3),
                **look,
            )
        solids.ball((x, y - 0.06, -0.02), (0.36, 0.08, 0.15), cloth * 0.8, **look)
    elif kind == "shelf":
        for row in range(4):
            low, left = 0.22 + 0.2 * row, x - 0.26
            while left < x + 0.24:
                wide, high = rng.uniform(0.02, 0.05), rng.uniform(0.1, 0.16)
                solids.slab(
                    [(left, low - high), (left + wide, low - high), (left + wide, low), (left, low)],
                    0,
                    near(rng, rng.random(), 0.5, 0.5),
                    bevel=0.008,
                )
                left += wide + 0.003
            solids.slab(
                [(x - 0.3, low), (x + 0.3, low), (x + 0.3, low + 0.025), (x - 0.3, low + 0.025)],
                0.02,
                near(rng, 0.07, 0.5, 0.4),
                bevel=0.008,
            )
    elif kind == "lamp":
        solids.rod((x, y, 0), 0.012, (x, y - 0.5, 0), 0.012, STEEL, gloss=0.8)
        solids.ball((x, y, 0), (0.1, 0.02, 0.06), STEEL, gloss=0.6)
        solids.slab(
            [(x - 0.07, y - 0.7), (x + 0.07, y - 0.7), (x + 0.14, y - 0.5), (x - 0.14, y - 0.5)],
            0.02,
            colour(0.11, 0.4, 1) * 1.8,
            bevel=0.04,
        )
        canvas.glow(x, y - 0.6, 0.25, colour(0.09, 0.5, 0.6))
    else:
        wood = near(rng, 0.07, 0.5, 0.45)
        for px in (-0.15, 0.15):
            solids.rod((x + px, y, 0.1), 0.016, (x + px, y - 0.26, 0.1), 0.018, wood)
            solids.rod((x + px * 0.9, y - 0.05, -0.1), 0.015, (x + px * 0.9, y - 0.62, -0.1), 0.016, wood)
        solids.ball((x, y - 0.28, 0), (0.18, 0.035, 0.15), cloth, **look)
        for rung in (0.42, 0.52, 0.6):
            solids.rod((x - 0.14, y - rung, -0.1), 0.016, (x + 0.14, y - rung, -0.1), 0.016, wood)
    solids.lay(light)


def surface(canvas: Canvas) -> None:
    """A wall, a cloth or a pavement straight on: bricks, tiles, stripes, planks, weave, stone, foliage or plain paper."""
    rng = canvas.rng
    kind = str(rng.choice(["bricks", "tiles", "stripes", "planks", "stone", "leaves", "swirl", "keys"]))
    angle = rng.normal(0, 0.25)
    u = (canvas.x - 0.5) * np.cos(angle) - (canvas.y - 0.5) * np.sin(angle)
    v = (canvas.x - 0.5) * np.sin(angle) + (canvas.y - 0.5) * np.cos(angle)
    count, rough = rng.uniform(4, 12), canvas.noise(16, 4)
    base, other = near(rng, rng.random(), rng.uniform(0.1, 0.6), rng.uniform(0.4, 0.9)), near(rng, rng.random(), 0.4, 0.5)
    height = rough * 0.12
    if kind in ("bricks", "tiles", "keys"):
        if kind == "bricks":
            base, other = near(rng, 0.03, 0.6, 0.6), near(rng, 0.1, 0.1, 0.7)
        ratio = 2.2 if kind == "bricks" else 1.0
        row = np.floor(v * count)
        column = u * count / ratio + (0.5 * (row % 2) if kind == "bricks" else 0)
        edge = np.minimum(0.5 - np.abs(column % 1 - 0.5), (0.5 - np.abs(v * count % 1 - 0.5)) / ratio)
        face = smoothstep(0.02, 0.07 if kind != "keys" else 0.16, edge)
        shade = rng.random(4096).astype(np.float32)[(row * 57 + np.floor(column) * 131).astype(int) % 4096]
        tone = mix(other * 0.6, base * (0.65 + 0.6 * shade)[..., None], face)
        height = height + face * 0.3
    elif kind == "stripes":
        tone = mix(base, other, smoothstep(-0.2, 0.2, np.sin(u * count * 5 + rough)))
        height = height + 0.2 * np.sin(canvas.noise(2, 2) * 20)
    elif kind == "planks":
        base = near(rng, 0.07, rng.uniform(0.1, 0.55), 0.55)
        tone = base * (0.6 + 0.5 * canvas.noise(5, 4, (6, 0.3)) + 0.15 * np.sin(np.floor(u * count) * 9))[..., None]
        height = height + smoothstep(0, 0.06, 0.5 - np.abs(u * count % 1 - 0.5))
    elif kind == "stone":
        tone = base * (0.5 + 0.8 * rough)[..., None]
        height = rough * 1.2
    elif kind == "leaves":
        canvas.rgb[:] = near(rng, 0.28, 0.6, 0.12)
        solids, light = Solids(canvas), Light()
        green, drop = near(rng, rng.uniform(0.2, 0.36), 0.6, 0.45), rng.uniform(0.05, 0.11)
        for k in range(46):
            px, py, roll = rng.random(), rng.random(), rng.uniform(0, 6)
            solids.ball(
                (px, py, k * 0.004),
                (drop * 1.5, drop * 0.6, 0.02),
                green * rng.uniform(0.6, 1.3),
                turn=rotation(roll, rng.normal(0, 0.5), rng.normal(0, 0.5)),
                gloss=0.3,
                mottle=0.2,
                grain="hair",
            )
        solids.lay(light, defocus=rng.choice([0, 0.006]))
        return
    else:
        tone = mix(base, other, 0.5 + 0.5 * np.sin(canvas.noise(2.5, 3) * rng.uniform(8, 30)))
    down, right = np.gradient(blur(height, 1.0) * np.float32(14))
    direction = rng.uniform(0, 6.3)
    lit = 0.75 + 0.5 * np.clip(np.cos(direction) * right + np.sin(direction) * down, -1, 1)
    fall = 1.1 - 0.7 * np.hypot(canvas.x - rng.random(), canvas.y - rng.random())
    canvas.rgb = (tone * (lit * fall)[..., None]).astype(np.float32)


def single(canvas: Canvas, light: Light) -> None:
    """One object that fills the picture: a bicycle, a clock, a butterfly, balloons, an umbrella or a guitar."""
    rng = canvas.rng
    solids, tone = Solids(canvas), near(canvas.rng, canvas.rng.random(), rng.uniform(0.4, 0.85), rng.uniform(0.4, 0.9))
    x, y, size = rng.normal(0.5, 0.06), rng.normal(0.52, 0.05), rng.uniform(0.26, 0.42)
    frame = Frame(solids, np.array([x, y, 0.2]), size, rotation(rng.normal(0, 0.12), 0, rng.normal(0, 0.3)))
    kind = str(rng.choice(["bicycle", "clock", "butterfly", "balloons", "umbrella", "guitar"]))
    if kind == "bicycle":
        for px in (-0.62, 0.62):
            for spoke in range(10):
                angle = spoke * 0.6283
                frame.rod((px, 0.4, 0), 0.006, (px + 0.42 * np.cos(angle), 0.4 + 0.42 * np.sin(angle), 0), 0.006, STEEL)
            frame.ball((px, 0.4, 0), (0.46, 0.46, 0.05), RUBBER, keep=lambda own: own[..., 0] ** 2 + own[..., 1] ** 2 > 0.8)
        joints = {
            "back": (-0.62, 0.4),
            "crank": (-0.08, 0.45),
            "seat": (-0.26, -0.25),
            "head": (0.42, -0.25),
            "fork": (0.62, 0.4),
        }
        for a, b in (
            ("back", "crank"),
            ("back", "seat"),
            ("crank", "seat"),
            ("crank", "head"),
            ("seat", "head"),
            ("head", "fork"),
        ):
            frame.rod((*joints[a], 0.03), 0.032, (*joints[b], 0.03), 0.032, tone, gloss=0.7)
        frame.ball((-0.3, -0.36, 0.05), (0.19, 0.05, 0.1), RUBBER, gloss=0.3)
        frame.rod((0.42, -0.25, 0.03), 0.025, (0.38, -0.5, 0.03), 0.025, STEEL, gloss=0.9)
        frame.rod((0.38, -0.5, 0.03), 0.03, (0.58, -0.48, 0.15), 0.03, RUBBER)
    elif kind == "clock":
        frame.ball((0, 0, -0.1), (0.95, 0.95, 0.22), tone, gloss=0.6)
        frame.ball((0, 0, 0.05), (0.82, 0.82, 0.1), colour(0.12, 0.06, 0.95))
        for hour in range(12):
            c, s = np.cos(hour * np.pi / 6), np.sin(hour * np.pi / 6)
            frame.rod((0.6 * c, 0.6 * s, 0.14), 0.025, (0.7 * c, 0.7 * s, 0.12), 0.025, RUBBER)
        for reach in (0.35, 0.6):
            angle = rng.uniform(0, 6.28)
            frame.rod((0, 0, 0.17), 0.035, (reach * np.cos(angle), reach * np.sin(angle), 0.17), 0.02, RUBBER)
    elif kind == "butterfly":
        spots = near(rng, rng.random(), 0.7, 0.9)

        def wing(own: np.ndarray, paint: np.ndarray) -> np.ndarray:
            dotted = mix(paint, spots, (np.sin(own[..., 0] * 9) * np.sin(own[..., 1] * 9) > 0.5) * 1.0)
            return mix(dotted, RUBBER * 0.5, ((own[..., :2] ** 2).sum(-1) > 0.72) * 1.0)

        for side in (-1, 1):
            for py, reach, roll in ((-0.3, 0.55, -0.5), (0.32, 0.42, 0.6)):
                frame.ball(
                    (side * reach * 0.85, py, 0), (reach, reach * 0.68, 0.05), tone, turn=rotation(side * roll, 0, side * 0.3),
                    pattern=wing,
                )  # fmt: skip
            frame.rod((0, -0.5, 0.1), 0.015, (side * 0.25, -0.95, 0.1), 0.015, RUBBER)
        frame.rod((0, -0.45, 0.1), 0.07, (0, 0.55, 0.1), 0.04, RUBBER, mottle=0.4, grain="fur")
    elif kind == "balloons":
        for k in range(int(rng.integers(2, 7))):
            px, py = rng.uniform(-0.9, 0.9), rng.uniform(-0.8, 0.2)
            frame.rod((px, py + 0.35, -0.2), 0.008, (0, 1.6, -0.2), 0.008, STEEL)
            frame.ball((px, py, 0.1 * k), (0.3, 0.37, 0.3), near(rng, rng.random(), 0.75, 0.9), gloss=0.8)
    elif kind == "umbrella":
        frame.rod((0, -0.3, -0.1), 0.025, (0, 1.0, -0.1), 0.025, STEEL, gloss=0.6)
        other = near(rng, rng.random(), 0.5, 0.9)
        frame.ball(
            (0, 0, 0), (1.0, 0.8, 0.9), tone, keep=lambda own: own[..., 1] < -0.12 - 0.1 * np.cos(own[..., 0] * 14),
            pattern=lambda own, paint: mix(paint, other, (np.sin(np.arctan2(own[..., 0], own[..., 2]) * 8) > 0) * 1.0),
        )  # fmt: skip
    else:
        wood = near(rng, 0.07, 0.75, 0.6)
        shape = [
            (0, -0.15),
            (0.34, -0.1),
            (0.3, 0.25),
            (0.5, 0.6),
            (0.3, 1.0),
            (-0.3, 1.0),
            (-0.5, 0.6),
            (-0.3, 0.25),
            (-0.34, -0.1),
        ]
        solids.slab(
            curve(frame.flat(shape)),
            0.2,
            wood,
            bevel=0.05 * size,
            gloss=0.4,
            mottle=0.15,
            grain="hair",
        )
        frame.ball((0, 0.3, 0.06), (0.17, 0.17, 0.03), RUBBER)
        frame.rod((0, 0.3, 0.08), 0.06, (0, -1.2, 0.08), 0.05, wood * 0.4)
        frame.ball((0, -1.3, 0.08), (0.1, 0.18, 0.05), wood * 0.3)
        frame.ball((0, 0.72, 0.08), (0.18, 0.04, 0.04), RUBBER)
    canvas.shadow(x - light.towards[0] * 0.08, y + 0.05, size * 1.1, size * 1.1, 0.3)
    solids.lay(light)
