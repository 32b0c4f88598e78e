"""People: busts and full figures of women, men and babies below the heads of `faces`."""

from __future__ import annotations

import numpy as np

from tagging_lib.sample.canvas import curve, mix
from tagging_lib.sample.faces import DARK, WHITE, Person, head
from tagging_lib.sample.solids import Frame, Look, Pattern, Solids, rotation


def _garment(who: Person) -> Pattern:
    """The pattern of a top in the coordinates of the chest's ellipsoid."""

    def pattern(own: np.ndarray, paint: np.ndarray) -> np.ndarray:
        x, y, front = own[..., 0], own[..., 1], own[..., 2] > 0
        out = np.broadcast_to(paint, own.shape)
        if who.top == "suit":
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
        suit: Look = {"mottle": 0.12, "bump": 0.15}
        frame.ball((0, 1.95, -0.1), (0.95, 1.25, 0.8), who.cloth, pattern=_garment(who), **suit)
        for side in (-1, 1):
            frame.rod((side * 0.75, 1.4, 0), 0.34, (side * 1.2, 2.2, 0.4), 0.3, who.cloth, **suit)
            frame.ball((side * 1.22, 2.45, 0.5), 0.27, who.skin)
        head(frame.inner((0, 0, 0), 1.0, turn), who)
        return
    trunk, frame = frame, frame.inner((0, -0.3, 0))
    female = who.sex == "female"
    wide, slope = (1.45, 2.05) if female else (1.85, 2.0)
    bare = who.top == "straps"
    look: Look = {"mottle": 0.12, "bump": 0.25}
    frame.ball((0, 3.0, -0.35), (wide, 1.55, 0.85), who.cloth, pattern=_garment(who), **look)
    arm = who.skin if bare else who.cloth
    for side in (-1, 1):
        frame.rod((0, 1.5, -0.4), 0.34, (side * wide * 0.82, slope + 0.1, -0.4), 0.36, arm, **look)
        frame.rod((side * wide * 0.86, slope + 0.25, -0.35), 0.42, (side * wide * 1.02, 4.6, -0.2), 0.4, arm, **look)
        if female:
            frame.ball((side * 0.5, 3.15, 0.05), (0.6, 0.62, 0.5), who.cloth, **look)
    if who.top in ("plain", "stripes"):
        frame.ball((0, 1.78, -0.2), (0.62, 0.3, 0.52), who.cloth * 0.85, **look)
        frame.ball((0, 1.66, -0.08), (0.44, 0.34, 0.46), who.skin)
    elif who.top == "suit":
        for side in (-1, 1):
            frame.rod((side * 0.42, 1.5, -0.05), 0.13, (side * 0.16, 1.95, 0.3), 0.08, WHITE * 0.9)
    elif who.top == "hood":
        frame.ball((0, 1.4, -0.45), (1.0, 0.55, 0.6), who.cloth * 0.8, **look)
        frame.ball((0, 1.75, -0.1), (0.72, 0.36, 0.6), who.cloth, **look)
    head(trunk.inner((0, 0, 0), 1.0, turn), who)


def figure(
    solids: Solids, who: Person, x: float, feet: float, height: float, z: float, yaw: float, rng: np.random.Generator
) -> None:
    """A whole person standing, walking or waving, feet at (x, feet); a baby sits."""
    if who.baby:
        scale = height / 4.2
        frame = Frame(solids, np.array([x, feet - 3.2 * scale, z]), scale, rotation(yaw=yaw))
        for side in (-1, 1):
            frame.rod((side * 0.5, 2.8, 0.1), 0.42, (side * 1.15, 2.95, 0.9), 0.34, who.legs + 0.1)
            frame.ball((side * 1.3, 2.85, 1.1), (0.25, 0.3, 0.25), who.skin)
        bust(frame, who, rotation(rng.normal(0, 0.1), 0, rng.normal(0, 0.2)))
        return
    scale, female = height / 14.6, who.sex == "female"
    turn = rotation(roll=rng.normal(0, 0.03), yaw=yaw)
    frame = Frame(solids, np.array([x, feet - 13.6 * scale, z]), scale, turn)
    look: Look = {"mottle": 0.12, "bump": 0.2}
    bare = who.top == "straps"
    pose = str(rng.choice(["stand", "walk", "wave", "cheer"], p=(0.42, 0.36, 0.14, 0.08)))
    stride = rng.uniform(0.8, 1.7) if pose == "walk" else 0.15
    wide = 1.15 if female else 1.45
    skirt_end = rng.uniform(7.6, 11.5)
    for side in (-1, 1):
        leg = who.skin if who.skirt else who.legs
        shift = side * stride
        frame.rod((side * 0.5, 6.3, 0), 0.6, (side * 0.5 + shift * 0.3, 9.7, shift * 0.7 + 0.2), 0.42, leg, **look)
        frame.rod(
            (side * 0.5 + shift * 0.3, 9.7, shift * 0.7 + 0.2), 0.42, (side * 0.5 + shift * 0.5, 12.9, shift), 0.26, leg, **look
        )
        frame.ball((side * 0.52 + shift * 0.5, 13.35, shift + 0.35), (0.32, 0.28, 0.7), DARK * 2)
        up = pose == "cheer" or (pose == "wave" and side > 0)
        elbow = (side * (wide + 0.75), 1.3, 0.1) if up else (side * (wide + 0.45), 4.5, -shift * 0.4)
        hand = (side * (wide + 0.5), -0.9, 0.3) if up else (side * (wide + 0.35), 6.5, 0.5 - shift * 0.8)
        sleeve = who.skin if bare else who.cloth
        frame.rod((side * (wide - 0.15), 2.3, 0), 0.42, elbow, 0.32, sleeve, **look)
        frame.rod(elbow, 0.31, hand, 0.22, sleeve if who.top in ("suit", "hood") else who.skin, **look)
        frame.ball(hand, 0.28, who.skin)
    frame.ball((0, 3.3, 0), (wide, 1.75, 0.8), who.cloth, pattern=_garment(who), **look)
    frame.ball((0, 4.9, 0), (0.85 if female else 1.15, 1.5, 0.7), who.cloth, **look)
    frame.ball((0, 6.1, 0), (1.12, 0.95, 0.8), who.cloth if who.skirt else who.legs, **look)
    if who.skirt:
        swing = rng.normal(0, 0.25)
        shape = [
            (-0.8, 4.9),
            (0.8, 4.9),
            (1.2, 6.5),
            (1.6 + swing, skirt_end),
            (0, skirt_end + 0.3),
            (-1.6 + swing, skirt_end),
            (-1.2, 6.5),
        ]
        flat = curve([(x + scale * px, float(frame.origin[1]) + scale * py) for px, py in shape])
        solids.slab(flat, float(z + 0.9 * scale), who.cloth, bevel=0.9 * scale, **look)
    head(frame.inner((0, 0.35, 0), 1.12, rotation(rng.normal(0, 0.08), rng.normal(0, 0.08), rng.normal(0, 0.25))), who)
