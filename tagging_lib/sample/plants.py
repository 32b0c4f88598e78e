"""Trees and flowers."""

from __future__ import annotations

import numpy as np

from tagging_lib.sample.canvas import colour, near
from tagging_lib.sample.solids import Frame, Look, Solids, rotation

LEAVES: Look = {"mottle": 0.55, "bump": 0.5, "grain": "leaves"}
BARK: Look = {"mottle": 0.5, "bump": 0.4, "grain": "hair"}
CROWNS = ((0.25, 0.62, 0.42), (0.30, 0.6, 0.36), (0.2, 0.65, 0.5), (0.09, 0.8, 0.7), (0.95, 0.3, 0.9))  # the last in blossom


def tree(solids: Solids, x: float, base: float, height: float, z: float) -> None:
    """A tree that stands at (x, base): a broad crown or a conifer."""
    rng = solids.canvas.rng
    bark, frame = near(rng, 0.07, 0.45, 0.3), Frame(solids, np.array([x, base, z]), height)
    if rng.random() < 0.3:
        green, tiers = near(rng, 0.36, 0.55, 0.3), int(rng.integers(6, 9))
        frame.rod((0, 0.02, 0), 0.03, (0, -0.5, 0), 0.02, bark, **BARK)
        for t in np.arange(tiers) / tiers:
            wide = 0.25 * (1 - t) + 0.03
            for side in (-1, 0, 1):
                at, radii = (
                    (side * wide * 0.5, -0.14 - 0.74 * t, 0.06 * (side == 0)),
                    (wide * 0.75, 0.055 + 0.28 * wide, wide * 0.6),
                )
                frame.ball(at, radii, green, turn=rotation(roll=side * 0.35), ragged=0.55, **LEAVES)
        frame.rod((0, -0.75, 0), 0.06, (0, -0.98, 0), 0.008, green, **LEAVES)
        return
    trunk, fork = rng.uniform(0.025, 0.05), -rng.uniform(0.22, 0.4)
    frame.rod((0, 0.02, 0), trunk * 1.5, (rng.normal(0, 0.03), fork, 0), trunk, bark, **BARK)
    for side in (-1, 1):
        frame.rod((0, fork, 0), trunk * 0.85, (side * rng.uniform(0.05, 0.15), fork - 0.2, 0), trunk * 0.5, bark, **BARK)
    green = near(rng, *CROWNS[rng.choice(5, p=(0.37, 0.28, 0.17, 0.1, 0.08))])
    wide, low = rng.uniform(0.24, 0.42), rng.uniform(-0.4, -0.3)
    for k in range(int(rng.integers(26, 36))):
        angle, reach = rng.uniform(0, 2 * np.pi), rng.uniform(0.1, 1) ** 0.6
        px, py = wide * reach * np.cos(angle), -0.64 + 0.29 * reach * np.sin(angle)
        size = rng.uniform(0.12, 0.17) if k < 10 else rng.uniform(0.05, 0.11)
        tone = green * rng.uniform(0.75, 1.25)
        frame.ball((px, min(py, low), rng.uniform(-0.15, 0.2)), size, tone, ragged=rng.uniform(0.5, 0.9), **LEAVES)


def flower(solids: Solids, x: float, y: float, radius: float, z: float, stem: float = 0.6) -> None:
    """A flower that looks roughly at the viewer: daisy, rose or tulip, on a stem with leaves."""
    rng = solids.canvas.rng
    kind = str(rng.choice(["daisy", "rose", "tulip"], p=(0.5, 0.3, 0.2)))
    paint = near(rng, rng.choice([0.0, 0.03, 0.12, 0.15, 0.78, 0.88, 0.95]), rng.uniform(0.6, 0.95), rng.uniform(0.7, 1))
    if kind == "daisy" and rng.random() < 0.4:
        paint = near(rng, 0.13, 0.04, 0.97)
    green, lean = near(rng, 0.27, 0.65, 0.42), rng.normal(0, 0.15) * stem
    solids.rod((x, y, z - radius), radius * 0.09, (x + lean, y + stem, z - radius), radius * 0.1, green)
    for side in (-1, 1):
        foot = np.array([x + lean * 0.6 + side * radius * 0.7, y + stem * rng.uniform(0.35, 0.8), z - radius])
        solids.ball(foot, np.array([0.75, 0.2, 0.12]) * radius, green, turn=rotation(side * -0.6, 0.4), **LEAVES)
    turn = rotation(rng.uniform(0, 2), rng.normal(0, 0.4) - 0.15, rng.normal(0, 0.45))
    frame = Frame(solids, np.array([x, y, z]), radius, rotation(rng.normal(0, 0.15), 0.2) if kind == "tulip" else turn)

    def veined(own: np.ndarray, tone: np.ndarray) -> np.ndarray:
        return tone * (0.82 + 0.2 * own[..., :1] + 0.05 * np.sin(own[..., 1:2] * 22))

    if kind == "daisy":
        petals = int(rng.integers(9, 20))
        for angle in 2 * np.pi * np.arange(petals) / petals:
            tilt, tone = rotation(angle) @ rotation(yaw=rng.normal(0.15, 0.12)), paint * rng.uniform(0.88, 1.1)
            at, radii = (0.58 * np.cos(angle), 0.58 * np.sin(angle), 0.0), (0.46, 1.6 / petals + 0.02, 0.06)
            frame.ball(at, radii, tone, turn=tilt, pattern=veined)
        frame.ball((0, 0, 0.02), (0.27, 0.27, 0.17), colour(0.12, 0.9, 0.85), mottle=0.5, bump=0.8, grain="fur")
    elif kind == "tulip":
        for px, pz in ((-0.42, -0.2), (0.42, -0.2), (0, -0.35), (-0.24, 0.2), (0.26, 0.2), (0, 0.32)):
            tone = paint * rng.uniform(0.85, 1.1)
            frame.ball((px, 0, pz), (0.4, 0.9, 0.24), tone, turn=rotation(px * 0.35), mottle=0.12, grain="hair", gloss=0.15)
    else:
        for level, (reach, count, size) in enumerate(((0.62, 6, 0.5), (0.4, 5, 0.42), (0.2, 4, 0.3))):
            for angle in 2 * np.pi * (np.arange(count) + 0.5 * level) / count:
                cupped = rotation(angle) @ rotation(yaw=-0.5 - 0.25 * level)
                tone = paint * (1.1 - 0.14 * level) * rng.uniform(0.85, 1.1)
                at = (reach * np.cos(angle), reach * np.sin(angle), 0.16 * level)
                frame.ball(at, (size, size * 1.05, 0.13), tone, turn=cupped, pattern=veined)
        frame.ball((0, 0, 0.3), 0.17, paint * 0.6, mottle=0.4, bump=0.6, grain="fur")
