"""People below their heads: busts and full figures of women, men and babies."""

from __future__ import annotations

import numpy as np

from tagging_lib.sample.canvas import mix
from tagging_lib.sample.faces import DARK, WHITE, Person, head
from tagging_lib.sample.solids import Frame, Look, Pattern, Solids, rotation

CLOTH: Look = {"mottle": 0.12, "bump": 0.25}


def _garment(who: Person) -> Pattern:
    """The pattern of a top in the coordinates of the chest's ellipsoid."""

    def pattern(own: np.ndarray, paint: np.ndarray) -> np.ndarray:
        x, y, front = own[..., 0], own[..., 1], own[..., 2] > 0
        out = np.broadcast_to(paint, own.shape)
        if who.top == "suit":  # with a shirt, and a tie on a man
            out = mix(out, WHITE * 0.9, ((np.abs(x) < 0.26 * (0.5 - y) - 0.06) & front).astype(np.float32))
            if who.sex == "male":
                out = mix(out, who.second * 0.7, ((np.abs(x) < 0.045 + 0.03 * y) & (y < 0.4) & front).astype(np.float32))
        elif who.top == "stripes":
            out = mix(out, who.second, (np.sin(y * 22) > 0).astype(np.float32))
        elif who.top == "straps":
            bare = (y < -0.42 + 0.5 * x * x) & ~((np.abs(np.abs(x) - 0.42) < 0.05) & (y > -0.9))
            out = mix(out, who.skin, bare.astype(np.float32))
        return out

    return pattern


def bust(frame: Frame, who: Person, turn: np.ndarray) -> None:
    """Head and shoulders in head units; the frame is the trunk's, `turn` is the head's own."""
    if who.baby:
        frame.ball((0, 1.95, -0.1), (0.95, 1.25, 0.8), who.cloth, **CLOTH)
        for side in (-1, 1):
            frame.rod((side * 0.75, 1.4, 0), 0.34, (side * 1.2, 2.2, 0.4), 0.3, who.cloth, **CLOTH)
            frame.ball((side * 1.22, 2.45, 0.5), 0.27, who.skin)
        head(frame.inner((0, 0, 0), 1.0, turn), who)
        return
    trunk, female = frame.inner((0, -0.3, 0)), who.sex == "female"
    wide = 1.45 if female else 1.85
    arm = who.skin if who.top == "straps" else who.cloth
    trunk.ball((0, 3.0, -0.35), (wide, 1.55, 0.85), who.cloth, pattern=_garment(who), **CLOTH)
    for side in (-1, 1):
        trunk.rod((0, 1.5, -0.4), 0.34, (side * wide * 0.82, 2.15, -0.4), 0.36, arm, **CLOTH)
        trunk.rod((side * wide * 0.86, 2.3, -0.35), 0.42, (side * wide * 1.02, 4.6, -0.2), 0.4, arm, **CLOTH)
        if female:
            trunk.ball((side * 0.5, 3.15, 0.05), (0.6, 0.62, 0.5), who.cloth, **CLOTH)
        if who.top == "suit":
            trunk.rod((side * 0.42, 1.5, -0.05), 0.13, (side * 0.16, 1.95, 0.3), 0.08, WHITE * 0.9)
    if who.top in ("plain", "stripes"):
        trunk.ball((0, 1.78, -0.2), (0.62, 0.3, 0.52), who.cloth * 0.85, **CLOTH)
        trunk.ball((0, 1.66, -0.08), (0.44, 0.34, 0.46), who.skin)
    elif who.top == "hood":
        trunk.ball((0, 1.4, -0.45), (1.0, 0.55, 0.6), who.cloth * 0.8, **CLOTH)
    head(frame.inner((0, 0, 0), 1.0, turn), who)


def figure(solids: Solids, who: Person, x: float, feet: float, height: float, z: float, yaw: float) -> None:
    """A whole person standing, walking or waving, feet at (x, feet); a baby sits."""
    rng = solids.canvas.rng
    if who.baby:
        scale = height / 4.2
        frame = Frame(solids, np.array([x, feet - 3.2 * scale, z]), scale, rotation(yaw=yaw))
        for side in (-1, 1):
            frame.rod((side * 0.5, 2.8, 0.1), 0.42, (side * 1.15, 2.95, 0.9), 0.34, who.legs + 0.1)
            frame.ball((side * 1.3, 2.85, 1.1), (0.25, 0.3, 0.25), who.skin)
        bust(frame, who, rotation(rng.normal(0, 0.1), 0, rng.normal(0, 0.2)))
        return
    scale, female = height / 14.6, who.sex == "female"
    frame = Frame(solids, np.array([x, feet - 13.6 * scale, z]), scale, rotation(rng.normal(0, 0.03), yaw=yaw))
    walking, waving, wide = rng.random() < 0.4, rng.random() < 0.2, 1.15 if female else 1.45
    stride = rng.uniform(0.8, 1.7) if walking else 0.15
    leg, sleeve = who.skin if who.skirt else who.legs, who.skin if who.top == "straps" else who.cloth
    for side in (-1, 1):
        shift = side * stride
        knee = (side * 0.5 + shift * 0.3, 9.7, shift * 0.7 + 0.2)
        frame.rod((side * 0.5, 6.3, 0), 0.6, knee, 0.42, leg, **CLOTH)
        frame.rod(knee, 0.42, (side * 0.5 + shift * 0.5, 12.9, shift), 0.26, leg, **CLOTH)
        frame.ball((side * 0.52 + shift * 0.5, 13.35, shift + 0.35), (0.32, 0.28, 0.7), DARK * 2)
        up = waving and side > 0
        elbow = (side * (wide + 0.75), 1.3, 0.1) if up else (side * (wide + 0.45), 4.5, -shift * 0.4)
        hand = (side * (wide + 0.5), -0.9, 0.3) if up else (side * (wide + 0.35), 6.5, 0.5 - shift * 0.8)
        frame.rod((side * (wide - 0.15), 2.3, 0), 0.42, elbow, 0.32, sleeve, **CLOTH)
        frame.rod(elbow, 0.31, hand, 0.22, sleeve if who.top in ("suit", "hood") else who.skin, **CLOTH)
        frame.ball(hand, 0.28, who.skin)
    frame.ball((0, 3.3, 0), (wide, 1.75, 0.8), who.cloth, pattern=_garment(who), **CLOTH)
    frame.ball((0, 4.9, 0), (0.85 if female else 1.15, 1.5, 0.7), who.cloth, **CLOTH)
    frame.ball((0, 6.1, 0), (1.12, 0.95, 0.8), who.cloth if who.skirt else who.legs, **CLOTH)
    if who.skirt:
        frame.rod((0, 5.8, 0.2), 1.0, (rng.normal(0, 0.2), rng.uniform(7.6, 10.5), 0.2), 1.7, who.cloth, **CLOTH)
    gaze = rotation(rng.normal(0, 0.08), rng.normal(0, 0.08), rng.normal(0, 0.25))
    head(frame.inner((0, 0.35, 0), 1.12, gaze), who)
