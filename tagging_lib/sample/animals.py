"""Birds and dogs, and a cat that carries no label."""

from __future__ import annotations

import numpy as np

from tagging_lib.sample.canvas import colour, mix, near
from tagging_lib.sample.solids import Frame, Look, Solids, rotation

COATS = ((0.08, 0.6, 0.5), (0.1, 0.45, 0.78), (0.07, 0.55, 0.25), (0.08, 0.1, 0.12), (0.1, 0.06, 0.92), (0.6, 0.05, 0.5))
PLUMES = ((0.58, 0.6, 0.6), (0.06, 0.6, 0.4), (0.0, 0.8, 0.7), (0.13, 0.75, 0.85), (0.6, 0.05, 0.3), (0.6, 0.03, 0.92))
BLACK, SHINE = colour(0.6, 0.2, 0.07), colour(0, 0, 1) * 1.5
FUR: Look = {"mottle": 0.3, "bump": 0.35, "grain": "fur"}


def bird(solids: Solids, x: float, y: float, size: float, z: float, *, flying: bool) -> None:
    """A bird in profile, perched with its feet near (x, y + 0.6 size), or flying with spread wings."""
    rng = solids.canvas.rng
    back = near(rng, *PLUMES[rng.choice(6)])
    belly = mix(back, near(rng, 0.09, rng.uniform(0.05, 0.6), 0.92), rng.uniform(0.4, 1))
    bill = near(rng, rng.choice([0.05, 0.1]), 0.8, rng.uniform(0.2, 0.8))
    # The body is made looking to the right (+x); the turn mirrors it.
    turn = rotation(rng.normal(0, 0.12), 0, rng.normal(0, 0.35)) @ np.diag([rng.choice([-1, 1]), 1, 1])
    frame = Frame(solids, np.array([x, y, z]), size, turn)

    def plumage(own: np.ndarray, paint: np.ndarray) -> np.ndarray:
        return mix(paint, belly, (own[..., 1] > 0.12 - 0.35 * own[..., 0]).astype(np.float32))

    body = frame.inner((0, 0, 0), 1, rotation(roll=0.0 if flying else -rng.uniform(0.3, 0.75)))
    body.ball((0, 0, 0), (0.5, 0.3, 0.28), back, pattern=plumage, **FUR)
    body.rod((-0.35, 0, 0), 0.15, (-0.95, 0.04, 0), 0.07, back * 0.7, **FUR)
    top = (0.45, -0.24, 0.0) if flying else (0.36, -0.48, 0.0)
    frame.rod((0.25, -0.1, 0), 0.2, top, 0.17, belly if rng.random() < 0.5 else back, **FUR)
    head = frame.inner(top, 1, rotation(yaw=rng.normal(0, 0.3)))
    head.ball((0, 0, 0), (0.22, 0.2, 0.2), back, **FUR)
    head.rod((0.16, 0.03, 0), 0.06, (0.16 + rng.uniform(0.2, 0.42), 0.07, 0), 0.012, bill, gloss=0.3)
    head.ball((0.09, -0.04, 0.165), 0.045, BLACK * 0.5, gloss=1.0)
    head.ball((0.1, -0.055, 0.205), 0.014, SHINE)
    if flying:
        lift = rng.uniform(-0.9, -0.25)
        for depth, sweep, rise in ((0.2, 1.0, lift), (-0.2, 0.75, lift - 0.3)):
            tip_x, tip_y, elbow_x, elbow_y = -0.55 * sweep, rise * 1.1 - 0.25, 0.1, rise * 0.65 - 0.1
            leading = [(0.28, -0.05), (elbow_x + 0.25, elbow_y - 0.08), (tip_x - 0.15, tip_y)]
            trailing = [(tip_x - 0.1, tip_y + 0.14), (elbow_x - 0.3, elbow_y + 0.25), (-0.25, 0.03)]
            frame.slab([*leading, *trailing], depth, back * (0.85 if depth > 0 else 0.6), 0.06, mottle=0.35, grain="hair")
    else:
        body.ball((-0.14, -0.04, 0.17), (0.46, 0.2, 0.15), back * 0.75, turn=rotation(0.1), mottle=0.45, bump=0.5, grain="hair")
        for px in (0.0, 0.14):
            frame.rod((px, 0.22, 0.05), 0.03, (px + 0.02, 0.62, 0.08), 0.025, bill * 0.7)


def dog(solids: Solids, x: float, y: float, size: float, z: float, *, close: bool, cat: bool = False) -> None:
    """A dog (or a cat): its head and chest from the front when `close`, otherwise the whole animal from the side.

    Close, (x, y) is the middle of the head and `size` its half height; otherwise the middle of the trunk and its half length.
    """
    rng = solids.canvas.rng
    coat = near(rng, *COATS[rng.choice(6, p=(0.24, 0.24, 0.18, 0.13, 0.13, 0.08))], spread=0.7)
    patch = coat if rng.random() < 0.4 else near(rng, *COATS[rng.choice(6)])
    muzzle = _cat_head if cat else _dog_head
    if close:
        gaze = rotation(rng.normal(0, 0.15), rng.normal(0.05, 0.08), rng.normal(0, 0.35))
        chest = Frame(solids, np.array([x + rng.normal(0, 0.2) * size, y, z - 0.4 * size]), size)
        chest.ball((0, 2.1, 0), (1.15, 1.6, 0.8), coat, **FUR)
        chest.ball((0, 1.7, 0.35), (0.6, 1.0, 0.5), patch, **FUR)
        for side in (-1, 1):
            chest.rod((side * 0.5, 1.9, 0.55), 0.34, (side * 0.55, 3.4, 0.9), 0.26, coat, **FUR)
        muzzle(Frame(solids, np.array([x, y, z]), size, gaze), coat, patch)
        return
    facing = rng.choice([-1, 1])
    frame = Frame(solids, np.array([x, y, z]), size, rotation(0, 0, rng.normal(0, 0.4)) @ np.diag([facing, 1, 1]))
    slim, leg, gait, up = rng.uniform(0.3, 0.42), rng.uniform(0.55, 0.95), rng.uniform(0, 0.35), rng.uniform(-0.7, 0.1)
    frame.ball((0.5, 0.02, 0), (0.5, slim + 0.06, slim), patch, **FUR)
    frame.ball((-0.1, 0, 0), (0.95, slim, slim * 0.9), coat, **FUR)
    frame.ball((-0.7, 0, 0), (0.36, slim * 1.05, slim * 0.9), coat, **FUR)
    for px, depth, step in ((0.65, 0.2, gait), (0.6, -0.2, -gait), (-0.75, 0.2, -gait), (-0.7, -0.2, gait)):
        tone, knee = coat * (1 if depth > 0 else 0.75), (px - 0.08 + step * 0.4, slim * 0.6 + leg * 0.4, depth)
        frame.rod((px, slim * 0.3, depth), 0.19, knee, 0.12, tone, **FUR)
        frame.rod(knee, 0.12, (px + step, slim * 0.6 + leg * 0.95, depth), 0.09, tone, **FUR)
        frame.ball((px + step + 0.07, slim * 0.6 + leg, depth), (0.15, 0.08, 0.1), patch, **FUR)
    frame.rod((-0.98, -0.12, 0), 0.1, (-1.35, up - 0.1, 0), 0.08, coat, **FUR)
    frame.rod((-1.35, up - 0.1, 0), 0.08, (-1.45, up - 0.5, 0), 0.04, coat, **FUR)
    frame.rod((0.75, -0.1, 0), 0.26, (1.1, -0.55, 0.02), 0.22, coat, **FUR)
    gaze = rotation(0, 0.1, rng.uniform(0.2, 1.2) * facing)
    muzzle(Frame(solids, frame.at(1.2, -0.68, 0.15), size * 0.36, gaze), coat, patch)


def _dog_head(frame: Frame, coat: np.ndarray, patch: np.ndarray) -> None:
    """Half height 1, looking to +z: a long muzzle and ears that hang or stand."""
    rng = frame.solids.canvas.rng
    long, prick, ear = rng.uniform(0.55, 1.0), rng.random() < 0.3, coat * rng.uniform(0.55, 0.95)
    frame.ball((0, -0.1, 0), (0.82, 0.82, 0.8), coat, **FUR)
    frame.ball((0, -0.3, 0.3), (0.26, 0.7, 0.56), patch, **FUR)
    frame.rod((0, 0.25, 0.45), 0.42, (0, 0.4, 0.45 + long), 0.3, patch, **FUR)
    frame.rod((0, 0.55, 0.4), 0.3, (0, 0.66, 0.3 + long), 0.2, patch * 0.8, **FUR)
    frame.ball((0, 0.24, 0.66 + long), (0.21, 0.15, 0.15), BLACK, gloss=0.9)
    if rng.random() < 0.45:
        frame.ball((0.04, 0.92, 0.4 + long * 0.8), (0.17, 0.36, 0.07), colour(0.97, 0.55, 0.85), gloss=0.4)
    for side in (-1, 1):
        frame.ball((side * 0.34, -0.14, 0.66), (0.15, 0.15, 0.12), colour(0.07, 0.7, 0.2), gloss=1.0)
        frame.ball((side * 0.34, -0.14, 0.73), 0.08, BLACK * 0.4, gloss=0.8)
        frame.ball((side * 0.34 - 0.05, -0.2, 0.8), 0.03, SHINE)
        if prick:
            frame.rod((side * 0.52, -0.6, -0.05), 0.3, (side * 0.72, -1.3, -0.05), 0.06, ear, **FUR)
        else:
            frame.ball((side * 0.86, 0.05, 0.05), (0.27, 0.75, 0.3), ear, turn=rotation(roll=-side * 0.22), **FUR)


def _cat_head(frame: Frame, coat: np.ndarray, patch: np.ndarray) -> None:
    """Half height 1, looking to +z: striped, with pointed ears, slit pupils and whiskers."""
    eye = near(frame.solids.canvas.rng, 0.25, 0.7, 0.75)

    def striped(own: np.ndarray, paint: np.ndarray) -> np.ndarray:
        return paint * (1 - 0.35 * (np.sin(own[..., :1] * 16) > 0.3) * (own[..., 1:2] < -0.1))

    frame.ball((0, 0, 0), (0.98, 0.82, 0.8), coat, pattern=striped, **FUR)
    frame.ball((0, 0.34, 0.6), (0.4, 0.26, 0.3), mix(patch, colour(0.1, 0.05, 0.9), 0.5), **FUR)
    for side in (-1, 1):
        frame.rod((side * 0.55, -0.45, 0), 0.4, (side * 0.78, -1.15, -0.1), 0.05, coat, **FUR)
        frame.ball((side * 0.38, -0.08, 0.64), (0.19, 0.19, 0.15), eye, gloss=0.6)
        frame.ball((side * 0.38, -0.08, 0.71), (0.05, 0.16, 0.11), BLACK * 0.3, gloss=0.8)
        for k in range(3):
            frame.rod((side * 0.25, 0.34, 0.85), 0.012, (side * 1.25, 0.2 + 0.16 * k, 0.6), 0.008, SHINE)
    frame.ball((0, 0.2, 0.88), (0.11, 0.075, 0.08), colour(0.98, 0.4, 0.75))
