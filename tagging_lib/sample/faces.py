"""Heads of women, men and babies, and how a person looks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tagging_lib.sample.canvas import colour, mix, near
from tagging_lib.sample.solids import Frame, Look

SKINS = ((0.055, 0.26, 0.95), (0.06, 0.34, 0.88), (0.065, 0.42, 0.78), (0.06, 0.47, 0.60), (0.06, 0.48, 0.44))
HAIRS = ((0.07, 0.6, 0.12), (0.07, 0.6, 0.28), (0.08, 0.62, 0.45), (0.11, 0.55, 0.78), (0.04, 0.75, 0.50), (0.1, 0.05, 0.62))
DARK, WHITE = colour(0.07, 0.4, 0.08), colour(0.1, 0.03, 0.95)


@dataclass
class Person:
    """How somebody looks; drawn from chance by `somebody`.

    Attributes:
        sex: "female", "male", or "hidden" for one who cannot be told.
        hair: long, bob, bun, short, cropped or bald.
        top: plain, suit, stripes, straps or hood.
        skirt: whether the legs are bare below one.
        smile: from -0.2 to 1.
    """

    sex: str
    baby: bool
    skin: np.ndarray
    hair_colour: np.ndarray
    hair: str
    beard: bool
    dark_glasses: bool
    hat: bool
    top: str
    cloth: np.ndarray
    second: np.ndarray
    legs: np.ndarray
    skirt: bool
    lips: np.ndarray
    smile: float
    eye: np.ndarray


def somebody(rng: np.random.Generator, sex: str, *, baby: bool = False) -> Person:
    """A person of the given sex with a look drawn from chance; some women wear short hair, some men wear it long."""
    skin = near(rng, *SKINS[rng.choice(5, p=(0.3, 0.28, 0.18, 0.13, 0.11))], spread=0.5)
    female, hidden = sex == "female", sex == "hidden"
    hair = rng.choice(
        ["long", "bob", "bun", "short", "cropped", "bald"], p=_shares(female, (50, 20, 22, 8, 0, 0), (4, 0, 0, 58, 26, 12))
    )
    top = rng.choice(["plain", "straps", "stripes", "suit"], p=_shares(female, (34, 44, 14, 8), (50, 0, 18, 32)))
    hue = rng.random() if female or rng.random() < 0.35 else rng.normal(0.6, 0.05)
    return Person(
        sex=sex,
        baby=baby,
        skin=skin,
        hair_colour=near(rng, *HAIRS[rng.choice(6, p=(0.26, 0.24, 0.17, 0.16, 0.08, 0.09))], spread=0.7),
        hair="bald" if baby else str(hair),
        beard=sex == "male" and not baby and rng.random() < 0.35,
        dark_glasses=hidden or (not baby and rng.random() < 0.1),
        hat=not baby and rng.random() < (0.8 if hidden else 0.1),
        top="hood" if hidden else "plain" if baby else str(top),
        cloth=colour(hue, rng.uniform(0.05, 0.7 if female else 0.5), rng.uniform(0.25, 0.95 if female else 0.75)),
        second=colour(rng.random(), rng.uniform(0, 0.7), rng.uniform(0.4, 1)),
        legs=near(rng, 0.6, rng.uniform(0.05, 0.6), rng.uniform(0.15, 0.6)),
        skirt=female and rng.random() < 0.6,
        lips=near(rng, 0.98, 0.62, 0.72) if female else mix(skin, colour(0.0, 0.55, 0.55), 0.45),
        smile=rng.uniform(-0.2, 1.0),
        eye=near(rng, *((0.07, 0.6, 0.3), (0.58, 0.5, 0.6), (0.3, 0.35, 0.45))[rng.choice(3, p=(0.6, 0.27, 0.13))]),
    )


def _shares(female: bool, of_women: tuple[int, ...], of_men: tuple[int, ...]) -> np.ndarray:
    return np.array(of_women if female else of_men) / 100


def head(frame: Frame, who: Person) -> None:
    """A head whose half height is 1, its middle at the frame's origin, looking towards +z; fine parts only where they show."""
    female, skin = who.sex == "female", who.skin
    look: Look = {"gloss": 0.07, "mottle": 0.03}
    if who.baby:
        frame.ball((0, -0.12, -0.05), 0.86, skin, **look)
        frame.ball((0, 0.36, 0.1), (0.72, 0.56, 0.66), skin, **look)
        for side in (-1, 1):
            frame.ball((side * 0.38, 0.42, 0.36), 0.33, mix(skin, colour(0.0, 0.6, 0.75), 0.16), **look)
    else:
        wide = 0.52 if female else 0.6
        frame.rod((0, 0.5, -0.15), 0.33 if female else 0.44, (0, 1.7, -0.3), 0.36 if female else 0.5, skin, **look)
        for t in np.linspace(0, 1, 13):  # from brow to jaw without a crease
            radii = (0.74 + (wide - 0.74) * t, 0.86 - 0.22 * t, 0.84 - 0.2 * t)
            frame.ball((0, -0.12 + 0.44 * t, -0.05 + 0.15 * t), radii, skin, **look)
        frame.ball((0, 0.8, 0.4), (0.17 if female else 0.26, 0.15, 0.2), skin, **look)
    for side in (-1, 1):
        frame.ball((side * 0.77, 0.06, -0.08), (0.1, 0.2, 0.16), skin)
    if who.beard:
        _beard(frame, who.hair_colour * 0.85)
    _eyes(frame, who)
    _nose_and_mouth(frame, who)
    _hair(frame, who)
    if who.hat:
        felt: Look = {"mottle": 0.2, "bump": 0.2}
        frame.ball((0, -0.3, -0.06), (0.86, 0.86, 0.96), who.second * 0.7, keep=lambda own: own[..., 1] < -0.18, **felt)
        frame.ball((0, -0.46, -0.04), (0.86, 0.13, 0.98), who.second * 0.56, **felt)


def _eyes(frame: Frame, who: Person) -> None:
    female, baby = who.sex == "female", who.baby
    level, apart, z = (0.08, 0.32, 0.03) if baby else (-0.05, 0.29, 0)
    tall = 1.35 if baby else 1.12 if female else 0.85
    for side in (-1, 1):
        x = side * apart
        if who.dark_glasses:
            frame.ball((x, -0.03, 0.76), (0.26, 0.19, 0.14), DARK * 0.3, gloss=0.9)
            frame.rod((side * 0.7, -0.08, 0.5), 0.03, (side * 0.3, -0.1, 0.82), 0.03, DARK)
        elif frame.scale > 0.03:
            frame.ball((x, level, 0.62 + z), (0.155, 0.085 * tall, 0.15), WHITE, gloss=0.3)
            frame.ball((x, level, 0.68 + z), (0.075, 0.075 * tall, 0.11), who.eye)
            frame.ball((x, level, 0.70 + z), (0.038, 0.04 * tall, 0.105), DARK * 0.3, gloss=0.5)
            frame.ball((x - 0.03, level - 0.035, 0.79 + z), 0.018, WHITE * 1.6)
            lash, thick = (DARK, 0.03) if female else (who.skin * 0.35, 0.02)
            frame.rod((x - side * 0.14, level - 0.05 * tall, 0.74 + z), thick, (x, level - 0.1 * tall, 0.77 + z), thick, lash)
            frame.rod((x, level - 0.1 * tall, 0.77 + z), thick, (x + side * 0.16, level - 0.05, 0.66 + z), thick, lash)
        else:
            frame.ball((x, level, 0.66 + z), (0.13, 0.09, 0.14), who.skin * 0.14)
        if not baby:
            arch, brow = (0.3, 0.026) if female else (0.24, 0.048)
            frame.rod((side * 0.13, -arch + 0.02, 0.76), brow, (side * 0.46, -arch, 0.63), brow * 0.6, who.hair_colour * 0.5)


def _nose_and_mouth(frame: Frame, who: Person) -> None:
    if who.baby:
        frame.ball((0, 0.34, 0.74), (0.09, 0.07, 0.09), who.skin * 0.97, gloss=0.1)
        frame.ball((0, 0.58, 0.66), (0.15, 0.06, 0.08), who.lips * 0.75)
        if who.smile > 0.75:  # a dummy
            frame.ball((0, 0.58, 0.72), (0.26, 0.2, 0.07), who.second, gloss=0.4)
        return
    female = who.sex == "female"
    bridge, thick = (0.055, 0.045) if female else (0.075, 0.03)
    frame.rod((0, -0.08, 0.74), bridge, (0, 0.24, 0.86), bridge * 1.6, who.skin, gloss=0.12)
    up = 0.08 * who.smile
    for side in (-1, 1):
        frame.rod((0, 0.475, 0.73), thick, (side * 0.22, 0.5 - up, 0.67), thick * 0.6, who.lips * 0.8)
        frame.rod((0, 0.54, 0.71), thick * 1.2, (side * 0.2, 0.51 - up, 0.67), thick * 0.5, who.lips, gloss=0.25 * female)


def _beard(frame: Frame, tone: np.ndarray) -> None:
    look: Look = {"mottle": 0.35, "bump": 0.2, "grain": "fur"}

    def chin(own: np.ndarray) -> np.ndarray:
        mouth = (own[..., 0] / 0.42) ** 2 + ((own[..., 1] - 0.28) / 0.2) ** 2 < 1
        return (own[..., 1] > 0.12 - 0.55 * own[..., 0] ** 2 - 0.4 * (own[..., 2] < 0.35)) & ~mouth

    frame.ball((0, 0.33, 0.11), (0.67, 0.74, 0.74), tone, keep=chin, **look)
    frame.ball((0, 0.84, 0.42), (0.3, 0.19, 0.24), tone, **look)
    for side in (-1, 1):
        frame.rod((0, 0.4, 0.8), 0.06, (side * 0.26, 0.47, 0.62), 0.045, tone, **look)


def _hair(frame: Frame, who: Person) -> None:
    tone, style = who.hair_colour, who.hair
    look: Look = {"mottle": 0.42, "bump": 0.35, "grain": "hair", "gloss": 0.16}
    if who.baby:
        downy = mix(tone, who.skin, 0.35)
        frame.ball((0, -0.2, -0.1), (0.89, 0.86, 0.9), downy, keep=lambda o: (o[..., 1] < -0.52) | (o[..., 2] < -0.25), **look)
    if style == "bald":
        return
    nape = 0.3 if style in ("short", "cropped") else 0.6

    def scalp(own: np.ndarray) -> np.ndarray:
        x, y, z = own[..., 0], own[..., 1], own[..., 2]
        # Above a hairline that falls towards the temples, and behind the ears down to the nape.
        return (y < -0.58 + 0.6 * x**2) | ((z < 0.05 - 0.3 * (y > 0)) & (y < nape))

    thick = 0.04 if style == "cropped" else 0.1
    frame.ball((0, -0.16, -0.1), (0.76 + thick, 0.87 + thick, 0.9 + thick), tone, keep=scalp, **look)
    if style in ("long", "bob"):
        end = 0.72 if style == "bob" else 1.75
        frame.ball((0, 0.3, -0.5), (0.84, end, 0.4), tone * 0.7, **look)
        for side in (-1, 1):
            frame.rod((side * 0.66, -0.3, -0.12), 0.24, (side * 0.74, end * 0.6, -0.05), 0.26, tone, **look)
            frame.rod((side * 0.74, end * 0.6, -0.05), 0.26, (side * 0.7, end, 0.12), 0.16, tone, **look)
    elif style == "bun":
        frame.ball((0, -1.12, -0.35), (0.36, 0.32, 0.36), tone, **look)
    if who.sex == "female" and style != "long":
        for side in (-1, 1):  # earrings
            frame.ball((side * 0.82, 0.34, -0.05), 0.065, colour(0.13, 0.6, 0.9), gloss=1.0)
