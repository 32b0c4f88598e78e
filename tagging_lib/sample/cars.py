"""Cars, from the side and from the front."""

from __future__ import annotations

import numpy as np

from tagging_lib.sample.canvas import colour, curve, near
from tagging_lib.sample.solids import Frame, Solids

RUBBER, STEEL, GLASS = colour(0.6, 0.1, 0.12), colour(0.6, 0.04, 0.72), colour(0.58, 0.3, 0.22)
PAINTS = ((0.0, 0.85, 0.75), (0.6, 0.75, 0.55), (0.6, 0.03, 0.9), (0.6, 0.05, 0.14), (0.6, 0.04, 0.6), (0.13, 0.8, 0.85))
# Outlines of the left side of a car whose front is at x = 1, length 2, road at y = 0: the body, then the windows.
BODIES = (
    (
        [(-0.97, -0.15), (-0.98, -0.37), (-0.9, -0.42), (-0.62, -0.44), (-0.36, -0.66), (0.1, -0.67), (0.42, -0.45),
         (0.85, -0.38), (0.97, -0.32), (0.98, -0.15), (0.9, -0.1), (-0.9, -0.1)],
        [(-0.5, -0.45), (-0.32, -0.61), (0.08, -0.62), (0.34, -0.45)],
    ),
    (
        [(-0.88, -0.15), (-0.9, -0.42), (-0.76, -0.68), (-0.6, -0.72), (0.02, -0.72), (0.38, -0.48), (0.8, -0.41), (0.91, -0.33),
         (0.92, -0.15), (0.82, -0.1), (-0.8, -0.1)],
        [(-0.72, -0.48), (-0.62, -0.65), (0.0, -0.66), (0.29, -0.48)],
    ),
    (
        [(-0.98, -0.15), (-0.99, -0.8), (-0.9, -0.88), (0.5, -0.88), (0.62, -0.82), (0.82, -0.52), (0.96, -0.44), (0.98, -0.15),
         (0.9, -0.1), (-0.9, -0.1)],
        [(-0.8, -0.54), (-0.8, -0.78), (0.48, -0.78), (0.66, -0.54)],
    ),
)  # fmt: skip


def car(solids: Solids, x: float, road: float, size: float, z: float, *, night: bool) -> None:
    """A car standing on the road; `size` is half its length; its lamps are lit at night."""
    rng = solids.canvas.rng
    paint, lamp = near(rng, *PAINTS[rng.choice(6)]), colour(0.12, 0.12, 1) * (6 if night else 1)
    frame = Frame(solids, np.array([x, road, z]), size, np.diag([rng.choice([-1, 1]), 1, 1]))
    if rng.random() < 0.35:
        _front(frame, paint, lamp, rng.uniform(0.72, 0.95))
        return
    body, windows = BODIES[rng.choice(3, p=(0.42, 0.4, 0.18))]
    frame.slab(curve(body, 4).tolist(), 0.0, paint, 0.13, gloss=0.7)
    frame.slab(windows, 0.15, GLASS, 0.02, gloss=1.0)
    middle, sill, roof = (windows[0][0] + windows[-1][0]) / 2, windows[0][1], windows[1][1]
    frame.rod((middle, sill, 0.17), 0.02, (middle, roof, 0.17), 0.02, paint * 0.9)
    frame.rod((middle - 0.02, -0.15, 0.14), 0.008, (middle - 0.02, sill, 0.15), 0.008, paint * 0.3)
    for px in (-0.56, 0.56):
        frame.ball((px, -0.17, 0.09), (0.215, 0.215, 0.06), RUBBER * 0.4)
        frame.ball((px, -0.165, 0.14), (0.17, 0.17, 0.07), RUBBER)
        frame.ball((px, -0.165, 0.18), (0.1, 0.1, 0.05), STEEL, gloss=0.9)
    frame.ball((max(body)[0] - 0.07, -0.29, 0.1), (0.06, 0.05, 0.07), lamp, gloss=1.0)
    frame.ball((min(body)[0] + 0.05, -0.3, 0.1), (0.04, 0.06, 0.07), colour(0, 0.9, 0.8) * (3 if night else 1))


def _front(frame: Frame, paint: np.ndarray, lamp: np.ndarray, high: float) -> None:
    for side in (-1, 1):
        frame.ball((side * 0.46, -0.13, 0), (0.13, 0.16, 0.1), RUBBER)
    right = [(0.36, -high), (0.5, -0.54), (0.62, -0.45), (0.6, -0.12)]
    frame.slab(curve([*((-px, py) for px, py in right[::-1]), *right], 4).tolist(), 0.0, paint, 0.12, gloss=0.7)
    frame.slab([(-0.43, -0.55), (-0.31, 0.07 - high), (0.31, 0.07 - high), (0.43, -0.55)], 0.14, GLASS, 0.03, gloss=1.0)
    frame.slab([(-0.3, -0.26), (-0.3, -0.36), (0.3, -0.36), (0.3, -0.26)], 0.15, RUBBER, 0.02, mottle=0.5, grain="hair")
    frame.slab([(-0.56, -0.12), (-0.56, -0.2), (0.56, -0.2), (0.56, -0.12)], 0.13, RUBBER * 1.6, 0.05)
    frame.slab([(-0.15, -0.15), (-0.15, -0.22), (0.15, -0.22), (0.15, -0.15)], 0.2, colour(0.14, 0.1, 0.95), 0.01)
    for side in (-1, 1):
        frame.ball((side * 0.45, -0.33, 0.16), (0.11, 0.075, 0.06), lamp, gloss=1.0)
        frame.ball((side * 0.66, -0.58, 0.05), (0.08, 0.05, 0.05), paint * 0.8, gloss=0.7)
