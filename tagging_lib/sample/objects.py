"""Made things one by one: cars, and what carries no label - bottles, cups, fruit, toys."""

from __future__ import annotations

from typing import Unpack

import numpy as np

from tagging_lib.sample.canvas import colour, curve, near
from tagging_lib.sample.solids import Frame, Look, Solids

Rng = np.random.Generator
RUBBER, STEEL, GLASS = colour(0.6, 0.1, 0.12), colour(0.6, 0.04, 0.72), colour(0.58, 0.3, 0.22)
# Outlines of the left side of a car whose front is at x = 1, length 2, road at y = 0: the body, then the windows.
BODIES: dict[str, tuple[list[tuple[float, float]], list[tuple[float, float]]]] = {
    "saloon": (
        [(-0.97, -0.15), (-0.98, -0.37), (-0.9, -0.42), (-0.62, -0.44), (-0.36, -0.66), (0.1, -0.67), (0.42, -0.45),
         (0.85, -0.38), (0.97, -0.32), (0.98, -0.15), (0.9, -0.1), (-0.9, -0.1)],
        [(-0.5, -0.45), (-0.32, -0.61), (0.08, -0.62), (0.34, -0.45)],
    ),
    "hatchback": (
        [(-0.88, -0.15), (-0.9, -0.42), (-0.76, -0.68), (-0.6, -0.72), (0.02, -0.72), (0.38, -0.48), (0.8, -0.41), (0.91, -0.33),
         (0.92, -0.15), (0.82, -0.1), (-0.8, -0.1)],
        [(-0.72, -0.48), (-0.62, -0.65), (0.0, -0.66), (0.29, -0.48)],
    ),
    "van": (
        [(-0.98, -0.15), (-0.99, -0.8), (-0.9, -0.88), (0.5, -0.88), (0.62, -0.82), (0.82, -0.52), (0.96, -0.44), (0.98, -0.15),
         (0.9, -0.1), (-0.9, -0.1)],
        [(-0.8, -0.54), (-0.8, -0.78), (0.48, -0.78), (0.66, -0.54)],
    ),
    "beetle": (
        [(-0.9, -0.15), (-0.88, -0.36), (-0.62, -0.55), (-0.3, -0.7), (0.08, -0.7), (0.36, -0.5), (0.68, -0.45), (0.88, -0.32),
         (0.9, -0.15), (0.8, -0.1), (-0.8, -0.1)],
        [(-0.44, -0.47), (-0.26, -0.64), (0.06, -0.64), (0.26, -0.47)],
    ),
}  # fmt: skip


def car(solids: Solids, x: float, road: float, size: float, z: float, rng: Rng, *, night: bool) -> None:
    """A car standing on the road, from the side or from the front; `size` is half its length; lamps are lit at night."""
    hue = (
        (0.0, 0.85, 0.75),
        (0.6, 0.75, 0.55),
        (0.6, 0.03, 0.9),
        (0.6, 0.05, 0.14),
        (0.6, 0.04, 0.6),
        (0.13, 0.8, 0.85),
        (0.38, 0.5, 0.4),
    )
    paint = near(rng, *hue[rng.choice(7)])
    lamp = colour(0.12, 0.12, 1) * (6 if night else 1)
    look: Look = {"gloss": 0.7}
    facing = rng.choice([-1, 1])
    frame = Frame(solids, np.array([x, road, z]), size, np.diag([facing, 1, 1]))

    def plate(
        points: list[tuple[float, float]],
        depth: float,
        tone: np.ndarray,
        bevel: float,
        *,
        smooth: bool = False,
        tilt: tuple[float, float] = (0, 0),
        **kind: Unpack[Look],
    ) -> None:
        flat = frame.flat(points)
        solids.slab(curve(flat, 4) if smooth else flat, z + depth * size, tone, bevel=bevel * size, tilt=tilt, **kind)

    if rng.random() < 0.38:
        high = rng.uniform(0.72, 0.95)
        for side in (-1, 1):
            frame.ball((side * 0.46, -0.13, 0), (0.13, 0.16, 0.1), RUBBER)
        plate(
            [
                (-0.6, -0.12),
                (-0.62, -0.45),
                (-0.5, -0.54),
                (-0.36, -high),
                (0.36, -high),
                (0.5, -0.54),
                (0.62, -0.45),
                (0.6, -0.12),
            ],
            0.0,
            paint,
            0.12,
            smooth=True,
            **look,
        )
        plate(
            [(-0.43, -0.55), (-0.31, -high + 0.07), (0.31, -high + 0.07), (0.43, -0.55)],
            0.14,
            GLASS,
            0.03,
            gloss=1.0,
        )
        plate([(-0.56, -0.5), (0.56, -0.5), (0.6, -0.4), (-0.6, -0.4)], 0.1, paint * 1.1, 0.06, tilt=(0, -0.5), **look)
        plate([(-0.3, -0.26), (-0.3, -0.36), (0.3, -0.36), (0.3, -0.26)], 0.15, RUBBER, 0.02, mottle=0.5, grain="hair")
        plate([(-0.56, -0.12), (-0.56, -0.2), (0.56, -0.2), (0.56, -0.12)], 0.13, RUBBER * 1.6, 0.05, smooth=True)
        plate([(-0.15, -0.15), (-0.15, -0.22), (0.15, -0.22), (0.15, -0.15)], 0.2, colour(0.14, 0.1, 0.95), 0.01)
        for side in (-1, 1):
            frame.ball((side * 0.45, -0.33, 0.16), (0.11, 0.075, 0.06), lamp, gloss=1.0)
            frame.ball((side * 0.66, -0.58, 0.05), (0.08, 0.05, 0.05), paint * 0.8, **look)
        return
    body, windows = BODIES[str(rng.choice(list(BODIES), p=(0.38, 0.32, 0.14, 0.16)))]
    plate(body, 0.0, paint, 0.13, smooth=True, **look)
    plate(windows, 0.15, GLASS, 0.02, gloss=1.0)
    middle, sill, roof = (windows[0][0] + windows[-1][0]) / 2, windows[0][1], windows[1][1]
    frame.rod((middle, sill, 0.17), 0.02, (middle, roof, 0.17), 0.02, paint * 0.9)
    frame.rod((middle - 0.02, -0.15, 0.14), 0.008, (middle - 0.02, sill, 0.15), 0.008, paint * 0.3)
    frame.rod((middle + 0.1, sill + 0.07, 0.15), 0.014, (middle + 0.2, sill + 0.07, 0.15), 0.014, STEEL, gloss=1.0)
    for px in (-0.56, 0.56):
        frame.ball((px, -0.17, 0.09), (0.215, 0.215, 0.06), RUBBER * 0.4)
        frame.ball((px, -0.165, 0.14), (0.17, 0.17, 0.07), RUBBER)
        frame.ball((px, -0.165, 0.18), (0.1, 0.1, 0.05), STEEL, gloss=0.9)
        for spoke in range(5):
            angle = spoke * 1.257 + x * 9
            frame.rod((px, -0.165, 0.21), 0.012, (px + 0.08 * np.cos(angle), -0.165 + 0.08 * np.sin(angle), 0.21), 0.012, RUBBER)
    front, back = max(body)[0], min(body)[0]
    frame.ball((front - 0.07, -0.29, 0.1), (0.06, 0.05, 0.07), lamp, gloss=1.0)
    frame.ball((back + 0.05, -0.3, 0.1), (0.04, 0.06, 0.07), colour(0, 0.9, 0.8) * (3 if night else 1))


def bottle(frame: Frame, tint: np.ndarray) -> None:
    """A bottle one unit high that stands at the frame's origin."""
    frame.rod((0, -0.1, 0), 0.14, (0, -0.5, 0), 0.14, tint, gloss=0.9)
    frame.rod((0, -0.5, 0), 0.135, (0, -0.72, 0), 0.045, tint, gloss=0.9)
    frame.rod((0, -0.7, 0), 0.045, (0, -0.98, 0), 0.045, tint, gloss=0.9)
    frame.ball((0, -0.34, 0.02), (0.143, 0.14, 0.143), colour(0.1, 0.2, 0.9), keep=lambda own: np.abs(own[..., 1]) < 0.8)


def cup(frame: Frame, tint: np.ndarray) -> None:
    """A cup one unit wide, seen a little from above."""
    frame.ball((0.55, -0.35, 0), (0.25, 0.25, 0.1), tint, keep=lambda own: own[..., 0] ** 2 + own[..., 1] ** 2 > 0.4)
    frame.rod((0, -0.2, 0), 0.34, (0, -0.58, 0), 0.45, tint, gloss=0.6)
    frame.ball((0, -0.74, 0.25), (0.46, 0.17, 0.25), tint * 1.05, gloss=0.5)
    frame.ball((0, -0.75, 0.36), (0.39, 0.13, 0.2), colour(0.06, 0.6, 0.22), gloss=0.8)


def fruit(frame: Frame, rng: Rng) -> None:
    """An apple, an orange, a lemon or a plum half a unit wide."""
    hue = ((0.0, 0.85, 0.75), (0.22, 0.7, 0.7), (0.08, 0.9, 0.95), (0.14, 0.85, 0.95), (0.85, 0.6, 0.35))[rng.choice(5)]
    frame.ball((0, -0.24, 0), (0.26, 0.25, 0.26), near(rng, *hue), gloss=0.5, mottle=0.12, bump=0.05)
    frame.rod((0, -0.46, 0.02), 0.02, (0.04, -0.58, 0.02), 0.015, colour(0.08, 0.6, 0.25))


def teddy(frame: Frame, rng: Rng) -> None:
    """A soft toy sitting at the frame's origin, two units high."""
    plush = near(rng, rng.choice([0.08, 0.1, 0.95, 0.55]), rng.uniform(0.2, 0.6), rng.uniform(0.45, 0.85))
    fur: Look = {"mottle": 0.3, "bump": 0.45, "grain": "fur"}
    frame.ball((0, -0.6, 0), (0.55, 0.62, 0.5), plush, **fur)
    for side in (-1, 1):
        frame.rod((side * 0.35, -0.2, 0.2), 0.22, (side * 0.62, -0.12, 0.6), 0.22, plush, **fur)
        frame.rod((side * 0.45, -0.9, 0), 0.2, (side * 0.75, -0.5, 0.35), 0.17, plush, **fur)
        frame.ball((side * 0.38, -1.9, -0.1), (0.2, 0.2, 0.12), plush, **fur)
    frame.ball((0, -1.5, 0), (0.52, 0.46, 0.46), plush, **fur)
    frame.ball((0, -1.38, 0.36), (0.25, 0.19, 0.22), plush * 1.25 + 0.05, **fur)
    frame.ball((0, -1.45, 0.57), (0.08, 0.06, 0.06), RUBBER, gloss=0.9)
    for side in (-1, 1):
        frame.ball((side * 0.2, -1.6, 0.42), 0.06, RUBBER * 0.4, gloss=1.0)
