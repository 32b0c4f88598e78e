"""Living things other than people: trees, flowers, birds, dogs and a cat that carries no label."""

from __future__ import annotations

import numpy as np

from tagging_lib.sample.canvas import colour, mix, near
from tagging_lib.sample.solids import Frame, Look, Solids, rotation

Rng = np.random.Generator
COATS = ((0.08, 0.6, 0.5), (0.1, 0.45, 0.78), (0.07, 0.55, 0.25), (0.08, 0.1, 0.12), (0.1, 0.06, 0.92), (0.6, 0.05, 0.5))
BLACK = colour(0.6, 0.2, 0.07)


def tree(solids: Solids, x: float, base: float, height: float, z: float, rng: Rng, kind: str | None = None) -> None:
    """A tree that stands at (x, base): broad, conifer, palm, blossom or bare."""
    kind = kind or str(rng.choice(["broad", "conifer", "palm", "bare", "blossom"], p=(0.5, 0.2, 0.08, 0.14, 0.08)))
    bark = near(rng, 0.07, 0.45, 0.3)
    frame = Frame(solids, np.array([x, base, z]), height)
    leaf: Look = {"mottle": 0.55, "bump": 0.5, "grain": "leaf"}
    if kind == "conifer":
        green = near(rng, 0.36, 0.55, 0.3)
        frame.rod((0, 0.02, 0), 0.03, (0, -0.5, 0), 0.02, bark, mottle=0.4, grain="hair")
        tiers = int(rng.integers(6, 9))
        for tier in range(tiers):
            t = tier / tiers
            wide = 0.25 * (1 - t) + 0.03
            for side in (-1, 0, 1):
                frame.ball(
                    (side * wide * 0.5, -0.14 - 0.74 * t, 0.06 * (side == 0)),
                    (wide * 0.75, 0.055 + 0.28 * wide, wide * 0.6),
                    green,
                    turn=rotation(roll=side * 0.35),
                    ragged=0.55,
                    **leaf,
                )
        frame.rod((0, -0.75, 0), 0.06, (0, -0.98, 0), 0.008, green, **leaf)
        return
    if kind == "palm":
        lean = rng.normal(0, 0.15)
        frame.rod((0, 0, 0), 0.03, (lean, -0.75, 0), 0.02, bark, mottle=0.5, grain="fur")
        green = near(rng, 0.28, 0.6, 0.42)
        for angle in np.linspace(-2.6, 2.6, 9) + rng.normal(0, 0.15, 9):
            end = (lean + 0.26 * np.sin(angle), -0.77 - 0.16 * np.cos(angle), 0.1 * np.cos(angle * 2))
            tip = (lean + 0.4 * np.sin(angle), end[1] + 0.13, end[2])
            frame.rod((lean, -0.76, 0.02), 0.02, end, 0.032, green, **leaf)
            frame.rod(end, 0.032, tip, 0.006, green, **leaf)
        return
    trunk = rng.uniform(0.025, 0.05)
    fork = -rng.uniform(0.22, 0.4)
    frame.rod((0, 0.02, 0), trunk * 1.5, (rng.normal(0, 0.03), fork, 0), trunk, bark, mottle=0.5, bump=0.4, grain="hair")
    _branches(frame, (0.0, fork, 0.0), 0.0, trunk * 0.85, 0.2, 4 if kind == "bare" else 2, bark, rng)
    if kind == "bare":
        return
    hue = (
        (0.95, 0.3, 0.9)
        if kind == "blossom"
        else ((0.25, 0.62, 0.42), (0.30, 0.6, 0.36), (0.2, 0.65, 0.5), (0.09, 0.8, 0.7))[rng.choice(4, p=(0.4, 0.3, 0.18, 0.12))]
    )
    green = near(rng, *hue)
    wide, low = rng.uniform(0.24, 0.42), rng.uniform(-0.4, -0.3)
    leaf["grain"] = "leaves"
    for k in range(int(rng.integers(26, 36))):
        angle, reach = rng.uniform(0, 2 * np.pi), rng.uniform(0.1, 1) ** 0.6
        px, py = wide * reach * np.cos(angle), -0.64 + 0.29 * reach * np.sin(angle)
        size = rng.uniform(0.12, 0.17) if k < 10 else rng.uniform(0.05, 0.11)
        tone = green * rng.uniform(0.75, 1.25)
        frame.ball((px, min(py, low), rng.uniform(-0.15, 0.2)), size, tone, ragged=rng.uniform(0.5, 0.9), **leaf)


def _branches(
    frame: Frame,
    at: tuple[float, float, float],
    angle: float,
    radius: float,
    length: float,
    depth: int,
    bark: np.ndarray,
    rng: Rng,
) -> None:
    for turn in (-1, 1) if depth < 4 else (-1, 0.2, 1):
        bend = angle + turn * rng.uniform(0.25, 0.65)
        end = (at[0] + length * np.sin(bend), at[1] - length * np.cos(bend), at[2] + rng.normal(0, 0.03))
        frame.rod(at, radius, end, radius * 0.6, bark, mottle=0.3, grain="hair")
        if depth > 1:
            _branches(frame, end, bend, radius * 0.6, length * 0.72, depth - 1, bark, rng)


def flower(solids: Solids, x: float, y: float, radius: float, z: float, rng: Rng, stem: float = 0.6) -> None:
    """A flower that looks roughly at the viewer: daisy, rose, tulip or poppy, on a stem with leaves."""
    kind = str(rng.choice(["daisy", "rose", "tulip", "poppy"], p=(0.42, 0.22, 0.18, 0.18)))
    hue = (rng.choice([0.0, 0.03, 0.12, 0.15, 0.78, 0.88, 0.95]), rng.uniform(0.6, 0.95), rng.uniform(0.7, 1))
    if kind == "daisy" and rng.random() < 0.45:
        hue = (0.13, 0.04, 0.97)
    paint, green = near(rng, *hue), near(rng, 0.27, 0.65, 0.42)
    lean = rng.normal(0, 0.15)
    solids.rod((x, y, z - radius), radius * 0.09, (x + lean * stem, y + stem, z - radius), radius * 0.1, green)
    for side in (-1, 1):
        foot = np.array([x + lean * stem * 0.6 + side * radius * 0.7, y + stem * rng.uniform(0.35, 0.8), z - radius])
        solids.ball(foot, np.array([0.75, 0.2, 0.12]) * radius, green, turn=rotation(side * -0.6, 0.4), mottle=0.25, grain="hair")
    turn = rotation(rng.uniform(0, 2), rng.normal(0, 0.4) - 0.15, rng.normal(0, 0.45))
    frame = Frame(solids, np.array([x, y, z]), radius, turn)

    def veined(own: np.ndarray, tone: np.ndarray) -> np.ndarray:
        return tone * (0.82 + 0.2 * own[..., :1] + 0.05 * np.sin(own[..., 1:2] * 22))

    if kind == "daisy":
        petals = int(rng.integers(9, 22))
        for row in range(1 + (petals > 14)):
            for k in range(petals):
                angle = 2 * np.pi * (k + row * 0.5) / petals + rng.normal(0, 0.04)
                roll = rotation(angle) @ rotation(yaw=rng.normal(0.15, 0.12))
                frame.ball(
                    (0.58 * np.cos(angle), 0.58 * np.sin(angle), -0.08 * row),
                    (0.46, 1.6 / petals + 0.02, 0.06),
                    paint * rng.uniform(0.88, 1.1),
                    turn=roll,
                    pattern=veined,
                    gloss=0.05,
                )
        heart = near(rng, *((0.12, 0.9, 0.85) if rng.random() < 0.7 else (0.07, 0.7, 0.25)))
        frame.ball((0, 0, 0.02), (0.27, 0.27, 0.17), heart, mottle=0.5, bump=0.8, grain="fur")
    elif kind == "tulip":
        cup = Frame(solids, np.array([x, y, z]), radius, rotation(rng.normal(0, 0.15), 0.2))
        for px, pz in ((-0.42, -0.2), (0.42, -0.2), (0, -0.35), (-0.24, 0.2), (0.26, 0.2), (0, 0.32)):
            cup.ball(
                (px, 0, pz),
                (0.4, 0.9, 0.24),
                paint * rng.uniform(0.85, 1.1),
                turn=rotation(px * 0.35),
                mottle=0.12,
                grain="hair",
                gloss=0.15,
            )
    else:
        rings = ((0.62, 6, 0.5), (0.4, 5, 0.42), (0.2, 4, 0.3)) if kind == "rose" else ((0.5, 5, 0.55),)
        for level, (reach, count, size) in enumerate(rings):
            for k in range(count):
                angle = 2 * np.pi * (k + 0.5 * level) / count + rng.normal(0, 0.1)
                tone = paint * (1.1 - 0.14 * level) * rng.uniform(0.85, 1.1)
                cupped = rotation(angle) @ rotation(yaw=-0.5 - 0.25 * level)
                frame.ball(
                    (reach * np.cos(angle), reach * np.sin(angle), 0.16 * level),
                    (size, size * 1.05, 0.13),
                    tone,
                    turn=cupped,
                    pattern=veined,
                    gloss=0.05,
                )
        core = paint * 0.6 if kind == "rose" else BLACK
        frame.ball((0, 0, 0.3 if kind == "rose" else 0.08), 0.17, core, mottle=0.4, bump=0.6, grain="fur")


def bird(solids: Solids, x: float, y: float, size: float, z: float, rng: Rng, *, flying: bool) -> None:
    """A bird in profile, perched with its feet near (x, y + 0.6 size), or flying with spread wings."""
    facing = rng.choice([-1, 1])
    back = near(
        rng,
        *(
            (0.58, 0.6, 0.6),
            (0.06, 0.6, 0.4),
            (0.0, 0.8, 0.7),
            (0.13, 0.75, 0.85),
            (0.6, 0.05, 0.3),
            (0.6, 0.03, 0.92),
            (0.3, 0.5, 0.5),
        )[rng.choice(7)],
    )
    belly = mix(back, near(rng, 0.09, rng.uniform(0.05, 0.6), 0.92), rng.uniform(0.4, 1))
    bill = near(rng, *((0.1, 0.8, 0.8), (0.05, 0.85, 0.8), (0.1, 0.2, 0.2))[rng.choice(3)])
    yaw = rng.normal(0, 0.35)
    # The body is made looking to the right (+x); the turn mirrors it.
    turn = rotation(rng.normal(0, 0.12), 0, yaw) @ np.diag([facing, 1, 1])
    frame = Frame(solids, np.array([x, y, z]), size, turn)
    down: Look = {"mottle": 0.25, "bump": 0.25, "grain": "fur"}

    def plumage(own: np.ndarray, paint: np.ndarray) -> np.ndarray:
        return mix(paint, belly, (own[..., 1] > 0.12 - 0.35 * own[..., 0]).astype(np.float32))

    tilt = 0.0 if flying else -rng.uniform(0.3, 0.75)
    body = frame.inner((0, 0, 0), 1, rotation(roll=tilt))
    body.ball((0, 0, 0), (0.5, 0.3, 0.28), back, pattern=plumage, **down)
    body.rod((-0.35, 0, 0), 0.15, (-0.95, 0.04, 0), 0.07, back * 0.7, **down)
    look_up = (0.45, -0.24, 0) if flying else (0.36, -0.42 - rng.uniform(0, 0.12), 0)
    frame.rod((0.25, -0.1, 0), 0.2, look_up, 0.17, belly if rng.random() < 0.5 else back, **down)
    head = frame.inner(look_up, 1, rotation(yaw=rng.normal(0, 0.3)))
    head.ball((0, 0, 0), (0.22, 0.2, 0.2), back, **down)
    head.rod((0.16, 0.03, 0), 0.06, (0.16 + rng.uniform(0.2, 0.42), 0.07, 0), 0.012, bill, gloss=0.3)
    head.ball((0.09, -0.04, 0.165), 0.045, BLACK * 0.5, gloss=1.0)
    head.ball((0.1, -0.055, 0.205), 0.014, colour(0, 0, 1) * 1.5)
    if flying:
        lift = rng.uniform(-0.9, -0.25)
        for depth, sweep in ((0.2, 1.0), (-0.2, 0.75)):
            rise = lift if depth > 0 else lift - 0.3
            tip = np.array([-0.55 * sweep, rise * 1.1 - 0.25, depth])
            elbow = np.array([0.1, rise * 0.65 - 0.1, depth * 1.3])
            shape = [
                (0.28, -0.05),
                (elbow[0] + 0.25, elbow[1] - 0.08),
                (tip[0] - 0.15, tip[1]),
                (tip[0] - 0.1, tip[1] + 0.14),
                (elbow[0] - 0.3, elbow[1] + 0.25),
                (-0.25, 0.03),
            ]
            solids.slab(
                frame.flat(shape),
                z + depth * size,
                back * (0.85 if depth > 0 else 0.6),
                bevel=0.06 * size,
                mottle=0.35,
                grain="hair",
            )
    else:
        body.ball((-0.14, -0.04, 0.17), (0.46, 0.2, 0.15), back * 0.75, turn=rotation(0.1), mottle=0.45, bump=0.5, grain="hair")
        for px in (0.0, 0.14):
            frame.rod((px, 0.22, 0.05), 0.03, (px + 0.02, 0.62, 0.08), 0.025, bill * 0.7)


def dog(solids: Solids, x: float, y: float, size: float, z: float, rng: Rng, *, close: bool, cat: bool = False) -> None:
    """A dog (or a cat): its head and chest from the front when `close`, otherwise the whole animal from the side.

    Close, (x, y) is the middle of the head and `size` its half height; otherwise the middle of the trunk and its half length.
    """
    coat = near(rng, *COATS[rng.choice(6, p=(0.24, 0.24, 0.18, 0.13, 0.13, 0.08))], spread=0.7)
    patch = coat if rng.random() < 0.4 else near(rng, *COATS[rng.choice(6)])
    fur: Look = {"mottle": 0.3, "bump": 0.35, "grain": "fur"}
    if close:
        frame = Frame(
            solids, np.array([x, y, z]), size, rotation(rng.normal(0, 0.15), rng.normal(0.05, 0.08), rng.normal(0, 0.35))
        )
        chest = Frame(solids, np.array([x + rng.normal(0, 0.2) * size, y, z - 0.4 * size]), size)
        chest.ball((0, 2.1, 0), (1.15, 1.6, 0.8), coat, **fur)
        chest.ball((0, 1.7, 0.35), (0.6, 1.0, 0.5), patch, **fur)
        for side in (-1, 1):
            chest.rod((side * 0.5, 1.9, 0.55), 0.34, (side * 0.55, 3.4, 0.9), 0.26, coat, **fur)
        muzzle(frame, coat, patch, rng, cat=cat)
        return
    facing = rng.choice([-1, 1])
    frame = Frame(solids, np.array([x, y, z]), size, rotation(0, 0, rng.normal(0, 0.4)) @ np.diag([facing, 1, 1]))
    slim, leg = rng.uniform(0.3, 0.42), rng.uniform(0.55, 0.95)
    frame.ball((0.5, 0.02, 0), (0.5, slim + 0.06, slim), patch, **fur)
    frame.ball((-0.1, 0, 0), (0.95, slim, slim * 0.9), coat, **fur)
    frame.ball((-0.7, 0, 0), (0.36, slim * 1.05, slim * 0.9), coat, **fur)
    gait = rng.uniform(0, 0.35)
    for px, depth, step in ((0.65, 0.2, gait), (0.6, -0.2, -gait), (-0.75, 0.2, -gait), (-0.7, -0.2, gait)):
        tone = coat if depth > 0 else coat * 0.75
        knee = (px - 0.08 + step * 0.4, slim * 0.6 + leg * 0.4, depth)
        frame.rod((px, slim * 0.3, depth), 0.19, knee, 0.12, tone, **fur)
        frame.rod(knee, 0.12, (px + step, slim * 0.6 + leg * 0.95, depth), 0.09, tone, **fur)
        frame.ball((px + step + 0.07, slim * 0.6 + leg, depth), (0.15, 0.08, 0.1), patch, **fur)
    up = rng.uniform(-0.7, 0.1)
    frame.rod((-0.98, -0.12, 0), 0.1, (-1.35, up - 0.1, 0), 0.08, coat, **fur)
    frame.rod((-1.35, up - 0.1, 0), 0.08, (-1.45, up - 0.5, 0), 0.04, coat, **fur)
    frame.rod((0.75, -0.1, 0), 0.26, (1.1, -0.55, 0.02), 0.22, coat, **fur)
    if rng.random() < 0.4:
        frame.ball((0.95, -0.36, 0.02), (0.3, 0.1, 0.28), near(rng, rng.random(), 0.8, 0.7), turn=rotation(0.9))
    gaze = rotation(0, 0.1, rng.uniform(0.2, 1.2) * facing)
    muzzle(Frame(solids, frame.at(1.2, -0.68, 0.15), size * 0.36, gaze), coat, patch, rng, cat=cat)


def muzzle(frame: Frame, coat: np.ndarray, patch: np.ndarray, rng: Rng, *, cat: bool) -> None:
    """The head of a dog or a cat, half height 1, looking to +z."""
    fur: Look = {"mottle": 0.3, "bump": 0.35, "grain": "fur"}
    eye = near(rng, *((0.25, 0.7, 0.75) if cat else (0.07, 0.7, 0.25)))
    if cat:

        def striped(own: np.ndarray, paint: np.ndarray) -> np.ndarray:
            return paint * (1 - 0.35 * (np.sin(own[..., :1] * 16) > 0.3) * (own[..., 1:2] < -0.1))

        frame.ball((0, 0, 0), (0.98, 0.82, 0.8), coat, pattern=striped, **fur)
        frame.ball((0, 0.34, 0.6), (0.4, 0.26, 0.3), mix(patch, colour(0.1, 0.05, 0.9), 0.5), **fur)
        for side in (-1, 1):
            frame.rod((side * 0.55, -0.45, 0), 0.4, (side * 0.78, -1.15, -0.1), 0.05, coat, **fur)
            frame.rod((side * 0.55, -0.5, 0.25), 0.22, (side * 0.74, -0.98, 0.1), 0.03, colour(0.0, 0.35, 0.7))
            frame.ball((side * 0.38, -0.08, 0.64), (0.19, 0.19, 0.15), eye, gloss=0.6)
            frame.ball((side * 0.38, -0.08, 0.71), (0.05, 0.16, 0.11), BLACK * 0.3, gloss=0.8)
            for k in range(3):
                frame.rod((side * 0.25, 0.34, 0.85), 0.012, (side * 1.25, 0.2 + 0.16 * k, 0.6), 0.008, colour(0, 0, 0.95))
        frame.ball((0, 0.2, 0.88), (0.11, 0.075, 0.08), colour(0.98, 0.4, 0.75))
        return
    long = rng.uniform(0.55, 1.0)
    frame.ball((0, -0.1, 0), (0.82, 0.82, 0.8), coat, **fur)
    if patch is not coat:
        frame.ball((0, -0.3, 0.3), (0.26, 0.7, 0.56), patch, **fur)
    frame.rod((0, 0.25, 0.45), 0.42, (0, 0.4, 0.45 + long), 0.3, patch, **fur)
    frame.rod((0, 0.55, 0.4), 0.3, (0, 0.66, 0.3 + long), 0.2, patch * 0.8, **fur)
    frame.ball((0, 0.24, 0.66 + long), (0.21, 0.15, 0.15), BLACK, gloss=0.9)
    if rng.random() < 0.45:
        frame.ball((0.04, 0.92, 0.4 + long * 0.8), (0.17, 0.36, 0.07), colour(0.97, 0.55, 0.85), gloss=0.4)
    prick = rng.random() < 0.3
    ear = coat * rng.uniform(0.55, 0.95)
    for side in (-1, 1):
        frame.ball((side * 0.34, -0.14, 0.66), (0.15, 0.15, 0.12), eye * 0.6, gloss=1.0)
        frame.ball((side * 0.34, -0.14, 0.73), 0.08, BLACK * 0.4, gloss=0.8)
        frame.ball((side * 0.34 - 0.05, -0.2, 0.8), 0.03, colour(0, 0, 1) * 1.5)
        if prick:
            frame.rod((side * 0.52, -0.6, -0.05), 0.3, (side * 0.72, -1.3, -0.05), 0.06, ear, **fur)
        else:
            frame.ball((side * 0.86, 0.05, 0.05), (0.27, 0.75, 0.3), ear, turn=rotation(roll=-side * 0.22), **fur)
