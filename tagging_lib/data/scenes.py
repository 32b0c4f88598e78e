"""The sample corpus' drawings: light, land, water, things and people on a canvas twice as fine as the photo.

Coordinates run from 0 to 1 across the photo; every drawing takes its own random generator, so that a photo depends on
its number alone.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

Colour = tuple[float, float, float]
SKINS = ((255, 224, 196), (241, 194, 150), (224, 172, 120), (172, 115, 70), (120, 76, 46), (86, 54, 36))
HAIRS = ((40, 28, 22), (86, 52, 28), (140, 90, 44), (206, 164, 92), (90, 88, 90), (24, 20, 24), (150, 56, 30))
CLOTHES = (
    (186, 48, 52),
    (40, 84, 150),
    (44, 110, 84),
    (226, 188, 70),
    (110, 70, 130),
    (236, 232, 224),
    (50, 52, 60),
    (220, 120, 60),
)


def noise(random: np.random.Generator, side: int, coarse: int, octaves: int = 4) -> np.ndarray:
    """Smooth random field float (side, side) in [0, 1]: sums of enlarged random grids, each twice as fine."""
    field = np.zeros((side, side), dtype=np.float32)
    for octave in range(octaves):
        cells = min(side, coarse * 2**octave)
        grid = Image.fromarray((random.random((cells, cells)) * 255).astype(np.uint8))
        field += np.asarray(grid.resize((side, side), Image.Resampling.BICUBIC), dtype=np.float32) / 2**octave
    return (field - field.min()) / (field.max() - field.min() + 1e-6)


def _mix(a: Colour, b: Colour, t: float) -> tuple[int, int, int]:
    return tuple(round(x + (y - x) * t) for x, y in zip(a, b, strict=True))  # type: ignore[return-value]


class Canvas:
    """A picture being painted, RGB, `side` pixels across."""

    def __init__(self, side: int, random: np.random.Generator):
        self.side, self.random = side, random
        self.image = Image.new("RGB", (side, side))
        self.draw = ImageDraw.Draw(self.image)

    def gradient(self, top: Colour, bottom: Colour, start: float = 0.0, end: float = 1.0) -> None:
        """Fill from `start` to `end` of the height, from one colour to the other."""
        first, last = round(start * self.side), round(end * self.side)
        if last <= first:
            return
        t = np.linspace(0, 1, last - first)[:, None, None]
        band = (np.asarray(top) * (1 - t) + np.asarray(bottom) * t).clip(0, 255).astype(np.uint8)
        self.image.paste(Image.fromarray(np.repeat(band, self.side, axis=1)), (0, first))

    def texture(self, coarse: int, strength: float, start: float = 0.0, end: float = 1.0) -> None:
        """Lighten and darken a band by a random field."""
        first, last = round(start * self.side), round(end * self.side)
        pixels = np.asarray(self.image).astype(np.float32)
        field = (noise(self.random, self.side, coarse) - 0.5) * 2 * strength
        pixels[first:last] += field[first:last, :, None]
        self.image.paste(Image.fromarray(pixels.clip(0, 255).astype(np.uint8)))

    def blend(self, colour: Colour, mask: np.ndarray) -> None:
        """Paint a colour through a mask float (side, side) in [0, 1]."""
        layer = Image.new("RGB", self.image.size, _mix(colour, colour, 0))
        self.image.paste(layer, (0, 0), Image.fromarray((mask.clip(0, 1) * 255).astype(np.uint8)))

    def ellipse(self, x: float, y: float, rx: float, ry: float, colour: Colour) -> None:
        s = self.side
        self.draw.ellipse([(x - rx) * s, (y - ry) * s, (x + rx) * s, (y + ry) * s], fill=_mix(colour, colour, 0))

    def polygon(self, points: list[tuple[float, float]], colour: Colour) -> None:
        self.draw.polygon([(x * self.side, y * self.side) for x, y in points], fill=_mix(colour, colour, 0))

    def line(self, points: list[tuple[float, float]], colour: Colour, width: float) -> None:
        scaled = [(x * self.side, y * self.side) for x, y in points]
        self.draw.line(scaled, fill=_mix(colour, colour, 0), width=max(1, round(width * self.side)), joint="curve")

    def ball(self, x: float, y: float, rx: float, ry: float, colour: Colour, steps: int = 7) -> None:
        """An ellipse lit from the upper left."""
        dark, light = _mix(colour, (20, 16, 24), 0.35), _mix(colour, (255, 250, 235), 0.3)
        for step in range(steps):
            t = step / (steps - 1)
            shade = _mix(dark, colour, 2 * t) if t < 0.5 else _mix(colour, light, 2 * t - 1)
            shrink = 1 - 0.75 * t
            self.ellipse(x - 0.22 * rx * t, y - 0.26 * ry * t, rx * shrink, ry * shrink, shade)


# -------------------------------------------------------------------- backdrops


def sky(canvas: Canvas, horizon: float) -> None:
    """A clear sky of some hour of the day."""
    tops = [((70, 130, 205), (190, 220, 240)), ((110, 160, 210), (230, 226, 214)), ((96, 110, 160), (246, 190, 140))]
    top, bottom = tops[canvas.random.choice(3, p=[0.5, 0.3, 0.2])]
    canvas.gradient(top, bottom, 0, horizon)
    if canvas.random.random() < 0.2:
        canvas.ball(canvas.random.uniform(0.1, 0.9), canvas.random.uniform(0.05, 0.3), 0.05, 0.05, (255, 240, 200))


def clouds(canvas: Canvas, horizon: float) -> None:
    """Heaps of cloud with a shaded underside."""
    field = noise(canvas.random, canvas.side, 3, 5)
    rows = np.linspace(0, 1, canvas.side)[:, None]
    fade = np.clip((horizon - rows) / (0.35 * horizon), 0, 1)
    mask = np.clip((field - canvas.random.uniform(0.42, 0.52)) * 6, 0, 1) * fade
    under = np.roll(mask, canvas.side // 30, axis=0)
    canvas.blend((150, 158, 172), np.minimum(under, fade) * 0.8)
    canvas.blend((252, 250, 246), mask * 0.95)


def hills(canvas: Canvas, horizon: float, ground: Colour) -> None:
    """Receding ranges, each darker than the one behind, and a foreground."""
    xs = np.linspace(0, 1, 48)
    for layer in range(canvas.random.integers(1, 4)):
        base = horizon + 0.03 * layer
        ridge = base - 0.1 * (1 - layer / 4) * np.interp(xs, np.linspace(0, 1, 7), canvas.random.random(7))
        tint = _mix((150, 170, 190), ground, 0.35 + 0.2 * layer)
        canvas.polygon([(0, 1.0), *zip(xs, ridge, strict=True), (1, 1.0)], tint)
    canvas.gradient(_mix(ground, (255, 255, 230), 0.15), _mix(ground, (10, 14, 10), 0.35), horizon + 0.05, 1)
    canvas.texture(24, 22, horizon + 0.05, 1)


def sea(canvas: Canvas, horizon: float) -> None:
    """Open water to the horizon, with waves that grow towards the viewer, sometimes a beach."""
    random = canvas.random
    canvas.gradient((90, 150, 190), (16, 70, 120), horizon, 1)
    for _ in range(90):
        depth = random.random() ** 1.6
        y = horizon + 0.01 + (0.98 - horizon) * depth
        x, length = random.random(), 0.02 + 0.16 * depth
        canvas.line([(x, y), (x + length / 2, y - 0.008 * depth), (x + length, y)], (196, 222, 232), 0.002 + 0.006 * depth)
    if random.random() < 0.5:
        xs = np.linspace(0, 1, 20)
        shore = random.uniform(0.78, 0.9) + 0.03 * np.sin(xs * random.uniform(4, 9) + random.random() * 6)
        canvas.polygon([(0, 1), *zip(xs, shore - 0.02, strict=True), (1, 1)], (236, 240, 236))
        canvas.polygon([(0, 1), *zip(xs, shore, strict=True), (1, 1)], (220, 196, 150))


def river(canvas: Canvas, horizon: float) -> None:
    """Water winding through land towards the viewer, with its banks."""
    random = canvas.random
    t = np.linspace(0, 1, 40)
    middle = random.uniform(0.35, 0.65) + 0.16 * np.sin(t * random.uniform(3, 6) + random.random() * 6) * (1 - 0.5 * t)
    width = 0.015 + random.uniform(0.2, 0.34) * t**1.5
    y = horizon + 0.05 + (0.98 - horizon) * t
    for grow, colour in ((0.03, (96, 84, 58)), (0.0, (84, 132, 150)), (-0.03, (120, 168, 184))):
        half = np.maximum(width + grow * t, 0.002)
        left, right = list(zip(middle - half, y, strict=True)), list(zip(middle + half, y, strict=True))
        canvas.polygon([*left, *right[::-1]], colour)
    for _ in range(25):
        step = int(random.integers(8, 40))
        x = middle[step] + width[step] * random.uniform(-0.7, 0.5)
        canvas.line([(x, y[step]), (x + 0.06 * t[step], y[step])], (200, 224, 230), 0.004)


def tree(canvas: Canvas, x: float, ground: float, height: float) -> None:
    """A leafy tree or a fir."""
    random = canvas.random
    trunk = _mix((92, 64, 42), (60, 44, 34), random.random())
    top = ground - height
    canvas.polygon(
        [(x - 0.05 * height, ground), (x - 0.02 * height, top), (x + 0.02 * height, top), (x + 0.05 * height, ground)], trunk
    )
    leaf = ((58, 110, 44), (84, 130, 50), (40, 84, 48), (168, 110, 40))[random.integers(4)]
    if random.random() < 0.3:
        for tier in range(5):
            y, half = top + tier * height * 0.17, height * (0.1 + 0.065 * tier)
            canvas.polygon(
                [(x, y - 0.1 * height), (x - half, y + 0.2 * height), (x + half, y + 0.2 * height)],
                _mix(leaf, (16, 40, 30), 0.5 - 0.08 * tier),
            )
        return
    for _ in range(70):
        angle, radius = random.uniform(0, 2 * np.pi), np.sqrt(random.random()) * 0.36 * height
        lx, ly = x + radius * np.cos(angle), top + 0.22 * height + 0.8 * radius * np.sin(angle)
        light = 0.5 - (lx - x + ly - top) / height
        size = random.uniform(0.04, 0.09) * height
        canvas.ellipse(
            lx,
            ly,
            size,
            size * 0.85,
            _mix(_mix(leaf, (14, 30, 14), 0.45), _mix(leaf, (236, 240, 150), 0.4), np.clip(light, 0, 1)),
        )


# ----------------------------------------------------------------------- things


def flower(canvas: Canvas, x: float, y: float, size: float) -> None:
    """A blossom with a stem and leaves."""
    random = canvas.random
    petal = ((222, 60, 90), (240, 200, 60), (190, 110, 210), (250, 240, 240), (240, 130, 60), (100, 110, 220))[random.integers(6)]
    canvas.line([(x, y), (x + random.uniform(-0.08, 0.08), min(1.0, y + 2.4 * size))], (60, 116, 50), 0.05 * size + 0.006)
    canvas.ellipse(x + 0.3 * size, y + 1.5 * size, 0.35 * size, 0.12 * size, (70, 130, 56))
    count, turn = int(random.integers(5, 12)), random.random()
    for ring, shrink in ((0, 1.0), (1, 0.68)):
        for index in range(count):
            angle = 2 * np.pi * (index + turn + 0.5 * ring) / count
            px, py = x + 0.55 * size * shrink * np.cos(angle), y + 0.55 * size * shrink * np.sin(angle)
            canvas.ball(px, py, 0.36 * size * shrink, 0.36 * size * shrink, _mix(petal, (60, 10, 30), 0.22 - 0.2 * ring), 5)
    canvas.ball(x, y, 0.24 * size, 0.24 * size, (232, 176, 50))


def bird(canvas: Canvas, x: float, y: float, size: float) -> None:
    """A bird perched on a branch, or in flight."""
    random = canvas.random
    coat = ((80, 84, 96), (170, 70, 44), (50, 100, 170), (240, 236, 226), (210, 170, 60), (60, 48, 42))[random.integers(6)]
    side = random.choice([-1, 1])
    if random.random() < 0.4:
        for wing in (-1, 1):
            canvas.polygon(
                [
                    (x, y),
                    (x + wing * 0.5 * size, y - 0.7 * size),
                    (x + wing * 1.25 * size, y - 0.35 * size),
                    (x + wing * 0.5 * size, y - 0.1 * size),
                ],
                _mix(coat, (20, 20, 30), 0.25),
            )
        canvas.ball(x, y, 0.24 * size, 0.42 * size, coat)
        canvas.ball(x, y - 0.5 * size, 0.17 * size, 0.17 * size, coat)
        canvas.polygon(
            [(x - 0.05 * size, y - 0.64 * size), (x + 0.05 * size, y - 0.64 * size), (x, y - 0.84 * size)], (230, 160, 40)
        )
        return
    canvas.line([(0, y + 0.62 * size), (1, y + random.uniform(0.4, 0.8) * size)], (90, 66, 46), 0.05)
    canvas.polygon(
        [
            (x - side * 0.4 * size, y),
            (x - side * 1.2 * size, y + 0.55 * size),
            (x - side * 0.95 * size, y + 0.68 * size),
            (x - side * 0.1 * size, y + 0.4 * size),
        ],
        _mix(coat, (20, 20, 30), 0.35),
    )
    canvas.ball(x, y, 0.58 * size, 0.46 * size, coat)
    canvas.ball(x + side * 0.42 * size, y - 0.42 * size, 0.3 * size, 0.28 * size, coat)
    canvas.polygon(
        [
            (x + side * 0.66 * size, y - 0.5 * size),
            (x + side * 0.66 * size, y - 0.34 * size),
            (x + side * 0.96 * size, y - 0.4 * size),
        ],
        (230, 160, 40),
    )
    canvas.ellipse(x + side * 0.5 * size, y - 0.48 * size, 0.045 * size, 0.05 * size, (16, 14, 16))
    canvas.ball(x - side * 0.15 * size, y + 0.02 * size, 0.4 * size, 0.24 * size, _mix(coat, (20, 20, 30), 0.3), 4)


def dog(canvas: Canvas, x: float, y: float, size: float) -> None:
    """A dog, standing sideways or as a head close up."""
    random = canvas.random
    coat = ((150, 100, 56), (206, 166, 110), (60, 48, 42), (232, 226, 214), (110, 104, 102))[random.integers(5)]
    dark = _mix(coat, (20, 14, 10), 0.4)
    side = random.choice([-1, 1])
    head_x, head_y, head = x, y, 0.75 * size
    if random.random() < 0.65:
        for leg in (-0.6, -0.4, 0.35, 0.55):
            canvas.line([(x + leg * size, y + 0.1 * size), (x + leg * size, y + 0.95 * size)], dark, 0.14 * size)
        canvas.line([(x - side * 0.75 * size, y - 0.1 * size), (x - side * 1.15 * size, y - 0.6 * size)], coat, 0.1 * size)
        canvas.ball(x, y, 0.85 * size, 0.36 * size, coat)
        head_x, head_y, head = x + side * 0.85 * size, y - 0.45 * size, 0.4 * size
    for ear in (-1, 1):
        canvas.ball(head_x + ear * 0.78 * head, head_y + 0.05 * head, 0.26 * head, 0.55 * head, dark, 4)
    canvas.ball(head_x, head_y, 0.75 * head, 0.75 * head, coat)
    canvas.ball(head_x, head_y + 0.38 * head, 0.42 * head, 0.34 * head, _mix(coat, (255, 250, 240), 0.4))
    canvas.ellipse(head_x, head_y + 0.24 * head, 0.14 * head, 0.1 * head, (24, 18, 18))
    for eye in (-1, 1):
        canvas.ellipse(head_x + eye * 0.3 * head, head_y - 0.12 * head, 0.09 * head, 0.1 * head, (24, 16, 14))
    canvas.ellipse(head_x, head_y + 0.62 * head, 0.1 * head, 0.13 * head, (216, 96, 104))


def car(canvas: Canvas, x: float, y: float, size: float) -> None:
    """A car from the side."""
    paint = CLOTHES[canvas.random.integers(len(CLOTHES))]
    canvas.ellipse(x, y + 0.36 * size, 1.1 * size, 0.09 * size, (30, 30, 34))
    roof = canvas.random.uniform(0.42, 0.6)
    canvas.polygon(
        [(x - 0.66 * size, y), (x - 0.4 * size, y - roof * size), (x + 0.3 * size, y - roof * size), (x + 0.66 * size, y)],
        _mix(paint, (10, 10, 14), 0.2),
    )
    canvas.polygon(
        [
            (x - 0.56 * size, y - 0.02 * size),
            (x - 0.36 * size, y - (roof - 0.07) * size),
            (x - 0.06 * size, y - (roof - 0.07) * size),
            (x - 0.06 * size, y - 0.02 * size),
        ],
        (176, 206, 222),
    )
    canvas.polygon(
        [
            (x, y - 0.02 * size),
            (x, y - (roof - 0.07) * size),
            (x + 0.27 * size, y - (roof - 0.07) * size),
            (x + 0.55 * size, y - 0.02 * size),
        ],
        (150, 186, 206),
    )
    body = [x - 1.0 * size, y - 0.04 * size, x + 1.02 * size, y + 0.3 * size]
    canvas.draw.rounded_rectangle([v * canvas.side for v in body], radius=0.12 * size * canvas.side, fill=_mix(paint, paint, 0))
    canvas.line(
        [(x - 0.95 * size, y + 0.02 * size), (x + 0.95 * size, y + 0.02 * size)], _mix(paint, (255, 255, 255), 0.55), 0.02
    )
    for wheel in (-0.58, 0.6):
        canvas.ball(x + wheel * size, y + 0.3 * size, 0.2 * size, 0.2 * size, (34, 34, 38))
        canvas.ball(x + wheel * size, y + 0.3 * size, 0.1 * size, 0.1 * size, (190, 192, 198))
    canvas.ellipse(x + 0.95 * size, y + 0.06 * size, 0.06 * size, 0.05 * size, (250, 240, 190))


# ----------------------------------------------------------------------- people


def person(canvas: Canvas, x: float, y: float, head: float, kind: str) -> None:
    """A person with the head's centre at (x, y) and its half height `head`; kind is female, male or baby."""
    random = canvas.random
    skin, hair = SKINS[random.integers(len(SKINS))], HAIRS[random.integers(len(HAIRS))]
    cloth = CLOTHES[random.integers(len(CLOTHES))]
    wide = 0.8 if kind != "baby" else 0.95
    if kind == "female":  # long hair, behind neck and shoulders
        canvas.ball(x, y + 0.4 * head, random.uniform(1.0, 1.15) * head, random.uniform(1.3, 2.0) * head, hair, 4)
    if kind == "baby":
        canvas.ball(x, y + 2.0 * head, 1.25 * head, 1.15 * head, _mix(cloth, (255, 255, 255), 0.6))
        for arm in (-1, 1):
            canvas.ball(x + arm * 1.15 * head, y + 1.5 * head, 0.32 * head, 0.32 * head, skin, 4)
    else:
        shoulders = (1.55 if kind == "female" else 2.0) * head
        waist = (0.85 if kind == "female" else 1.5) * head
        hem = (1.9 if kind == "female" else 1.4) * head
        if y + 7 * head < 1.15:
            for leg in (-0.45, 0.45):
                canvas.line(
                    [(x + leg * head, y + 4.5 * head), (x + leg * head, y + 7.6 * head)],
                    _mix(skin if kind == "female" else (44, 48, 66), (0, 0, 0), 0.15),
                    0.6 * head,
                )
        canvas.polygon(
            [
                (x - shoulders, y + 1.75 * head),
                (x - waist, y + 3.4 * head),
                (x - hem, y + 5.4 * head),
                (x + hem, y + 5.4 * head),
                (x + waist, y + 3.4 * head),
                (x + shoulders, y + 1.75 * head),
            ],
            cloth,
        )
        canvas.polygon(
            [
                (x + 0.1 * head, y + 1.5 * head),
                (x + 0.3 * waist, y + 3.4 * head),
                (x + hem, y + 5.4 * head),
                (x + waist, y + 3.4 * head),
                (x + shoulders, y + 1.75 * head),
            ],
            _mix(cloth, (14, 12, 20), 0.22),
        )
        canvas.ball(x, y + 1.85 * head, shoulders, 0.55 * head, cloth, 4)
        for arm in (-1, 1):
            canvas.line(
                [(x + arm * 0.92 * shoulders, y + 1.9 * head), (x + arm * (shoulders + 0.25 * head), y + 4.3 * head)],
                _mix(cloth, skin, 0.3 if kind == "male" else 0.8),
                0.5 * head,
            )
        canvas.line([(x, y + 0.6 * head), (x, y + 1.6 * head)], _mix(skin, (40, 20, 16), 0.18), 0.62 * head)
    canvas.ball(x, y, wide * head, head, skin)
    if kind == "female":
        canvas.polygon(
            [
                (x - 0.88 * head, y + 0.5 * head),
                (x - 0.84 * head, y - 0.6 * head),
                (x - 0.4 * head, y - 1.08 * head),
                (x + 0.3 * head, y - 1.1 * head),
                (x + 0.84 * head, y - 0.6 * head),
                (x + 0.88 * head, y + 0.5 * head),
                (x + 0.66 * head, y - 0.3 * head),
                (x + 0.1 * head, y - 0.72 * head),
                (x - 0.62 * head, y - 0.4 * head),
            ],
            hair,
        )
    elif kind == "male":
        if random.random() < 0.85:
            canvas.polygon(
                [
                    (x - 0.84 * head, y - 0.1 * head),
                    (x - 0.78 * head, y - 0.8 * head),
                    (x, y - 1.16 * head),
                    (x + 0.78 * head, y - 0.8 * head),
                    (x + 0.84 * head, y - 0.1 * head),
                    (x + 0.6 * head, y - 0.52 * head),
                    (x - 0.6 * head, y - 0.52 * head),
                ],
                hair,
            )
        if random.random() < 0.45:
            canvas.ball(x, y + 0.68 * head, 0.52 * head, 0.36 * head, hair, 3)
    else:
        canvas.line([(x, y - 0.95 * head), (x + 0.12 * head, y - 1.12 * head)], hair, 0.08 * head)
    for eye in (-1, 1):
        ex, ey, size = x + eye * 0.33 * head, y - 0.06 * head, (0.13 if kind != "baby" else 0.17) * head
        canvas.ellipse(ex, ey, size, 0.62 * size, (246, 244, 240))
        canvas.ellipse(ex, ey, 0.52 * size, 0.6 * size, (40, 30, 26))
        canvas.line(
            [(ex - 0.16 * head, ey - 0.2 * head), (ex + 0.16 * head, ey - 0.22 * head)],
            _mix(hair, skin, 0.2),
            0.07 * head if kind == "male" else 0.04 * head,
        )
    canvas.line(
        [(x, y), (x + 0.06 * head, y + 0.24 * head), (x - 0.04 * head, y + 0.26 * head)],
        _mix(skin, (70, 24, 20), 0.35),
        0.05 * head,
    )
    mouth = (196, 60, 76) if kind == "female" else (170, 90, 84)
    canvas.line(
        [(x - 0.24 * head, y + 0.5 * head), (x, y + 0.57 * head), (x + 0.24 * head, y + 0.5 * head)],
        mouth,
        (0.12 if kind == "female" else 0.07) * head,
    )


# ------------------------------------------------------------------- unlabelled


def interior(canvas: Canvas) -> None:
    random = canvas.random
    wall = CLOTHES[random.integers(len(CLOTHES))]
    canvas.gradient(_mix(wall, (240, 230, 214), 0.75), _mix(wall, (150, 140, 130), 0.6), 0, 0.72)
    canvas.gradient((136, 98, 66), (78, 54, 38), 0.72, 1)
    x = random.uniform(0.1, 0.6)
    canvas.polygon([(x, 0.12), (x + 0.28, 0.12), (x + 0.28, 0.46), (x, 0.46)], (236, 236, 226))
    canvas.polygon(
        [(x + 0.02, 0.14), (x + 0.26, 0.14), (x + 0.26, 0.44), (x + 0.02, 0.44)], CLOTHES[random.integers(len(CLOTHES))]
    )
    left, colour = random.uniform(0.05, 0.45), CLOTHES[random.integers(len(CLOTHES))]
    for box, dark in (((left, 0.55, left + 0.5, 0.78), 0.0), ((left - 0.03, 0.68, left + 0.53, 0.88), 0.15)):
        area = [v * canvas.side for v in box]
        canvas.draw.rounded_rectangle(area, radius=0.03 * canvas.side, fill=_mix(colour, (20, 16, 20), dark))


def meal(canvas: Canvas) -> None:
    random = canvas.random
    table = ((122, 84, 56), (214, 206, 190), (64, 70, 82), (160, 60, 54))[random.integers(4)]
    canvas.gradient(_mix(table, (255, 255, 255), 0.12), _mix(table, (0, 0, 0), 0.25))
    canvas.texture(6, 16)
    for _ in range(random.integers(1, 3)):
        x, y, r = random.uniform(0.3, 0.7), random.uniform(0.35, 0.7), random.uniform(0.2, 0.34)
        canvas.ellipse(x + 0.02, y + 0.03, r, 0.8 * r, _mix(table, (0, 0, 0), 0.5))
        canvas.ball(x, y, r, 0.8 * r, (226, 226, 228))
        for _ in range(random.integers(5, 14)):
            food = ((200, 60, 40), (110, 150, 50), (230, 180, 80), (140, 80, 40), (240, 226, 190))[random.integers(5)]
            angle, d = random.uniform(0, 6.28), random.uniform(0, 0.5 * r)
            canvas.ball(
                x + d * np.cos(angle),
                y + 0.8 * d * np.sin(angle),
                random.uniform(0.02, 0.07),
                random.uniform(0.02, 0.06),
                food,
                5,
            )


def building(canvas: Canvas) -> None:
    random = canvas.random
    sky(canvas, 1.0)
    x = -0.05
    while x < 1.0:
        width, top = random.uniform(0.2, 0.5), random.uniform(0.05, 0.5)
        wall = ((170, 120, 90), (196, 188, 176), (120, 128, 140), (150, 80, 66))[random.integers(4)]
        canvas.polygon([(x, top), (x + width, top), (x + width, 1), (x, 1)], wall)
        glass, step = _mix((90, 110, 130), (230, 220, 180), random.random()), random.uniform(0.07, 0.11)
        for wx in np.arange(x + 0.03, x + width - 0.05, step):
            for wy in np.arange(top + 0.04, 0.95, step * 1.3):
                canvas.polygon(
                    [(wx, wy), (wx + 0.6 * step, wy), (wx + 0.6 * step, wy + 0.8 * step), (wx, wy + 0.8 * step)], glass
                )
        x += width + random.uniform(0, 0.04)


def abstract(canvas: Canvas) -> None:
    random = canvas.random
    a, b = (CLOTHES[i] for i in random.choice(len(CLOTHES), 2, replace=False))
    field = noise(random, canvas.side, int(random.integers(2, 7)), 5)
    if random.random() < 0.5:
        field = 0.5 + 0.5 * np.sin(field * random.uniform(10, 30))
    canvas.gradient(a, _mix(a, (20, 20, 30), 0.4))
    canvas.blend(b, field)


def still_life(canvas: Canvas) -> None:
    random = canvas.random
    interior(canvas)
    canvas.gradient((150, 116, 80), (92, 66, 46), 0.66, 1)
    for _ in range(random.integers(2, 6)):
        x, y, colour = random.uniform(0.12, 0.88), random.uniform(0.6, 0.82), CLOTHES[random.integers(len(CLOTHES))]
        if random.random() < 0.5:
            canvas.ball(x, y, 0.09, 0.09, colour)
        else:
            w, h = random.uniform(0.04, 0.1), random.uniform(0.15, 0.4)
            canvas.polygon([(x - w, y + 0.05), (x - w, y - h), (x + w, y - h), (x + w, y + 0.05)], colour)
            canvas.polygon(
                [(x + 0.3 * w, y + 0.05), (x + 0.3 * w, y - h), (x + w, y - h), (x + w, y + 0.05)], _mix(colour, (0, 0, 0), 0.3)
            )


def bare_land(canvas: Canvas) -> None:
    horizon = canvas.random.uniform(0.35, 0.65)
    sky(canvas, horizon + 0.1)
    hills(canvas, horizon, ((110, 130, 70), (190, 160, 110), (150, 120, 96), (210, 214, 220))[canvas.random.integers(4)])


def city_night(canvas: Canvas) -> None:
    """Lit windows and lamps under a dark sky."""
    random = canvas.random
    canvas.gradient((8, 10, 28), (50, 40, 66))
    x = -0.05
    while x < 1.0:
        width, top = random.uniform(0.1, 0.26), random.uniform(0.2, 0.65)
        canvas.polygon([(x, top), (x + width, top), (x + width, 1), (x, 1)], (16, 16, 26))
        for wx in np.arange(x + 0.015, x + width - 0.02, 0.035):
            for wy in np.arange(top + 0.03, 0.92, 0.05):
                if random.random() < 0.4:
                    canvas.polygon(
                        [(wx, wy), (wx + 0.018, wy), (wx + 0.018, wy + 0.026), (wx, wy + 0.026)],
                        _mix((255, 220, 130), (255, 170, 80), random.random()),
                    )
        x += width
    if random.random() < 0.4:
        canvas.ball(random.uniform(0.1, 0.9), 0.12, 0.05, 0.05, (240, 236, 214))


UNLABELLED: tuple[Callable[[Canvas], None], ...] = (interior, meal, building, abstract, still_life, bare_land)


def darken(image: Image.Image, random: np.random.Generator) -> Image.Image:
    """The same scene by night: dim, bluish, with a few lamps."""
    pixels = np.asarray(image).astype(np.float32) * np.array([0.2, 0.22, 0.36]) + np.array([2, 3, 12])
    side = image.width
    ys, xs = np.mgrid[0:side, 0:side] / side
    for _ in range(random.integers(2, 5)):
        x, y = random.random(), random.uniform(0.05, 0.6)
        glow = np.exp(-((xs - x) ** 2 + (ys - y) ** 2) / 0.006)[..., None]
        pixels += glow * np.array([255, 205, 120])
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def develop(image: Image.Image, side: int, random: np.random.Generator) -> Image.Image:
    """What a camera does to a scene: focus, exposure, white balance, vignette, grain; shrunk to `side`."""
    if random.random() < 0.2:
        image = image.filter(ImageFilter.GaussianBlur(random.uniform(0.5, 2.2)))
    pixels = np.asarray(image.resize((side, side), Image.Resampling.LANCZOS)).astype(np.float32)
    pixels = (255 * (pixels / 255) ** random.uniform(0.75, 1.3) * random.uniform(0.85, 1.12)).astype(np.float64)
    pixels *= 1 + random.uniform(-0.08, 0.08, 3)
    ys, xs = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]
    pixels *= (1 - random.uniform(0, 0.3) * (xs**2 + ys**2) / 2)[..., None]
    pixels += random.normal(0, random.uniform(2, 9), pixels.shape)
    if random.random() < 0.05:
        pixels = np.repeat((pixels @ np.array([0.299, 0.587, 0.114]))[..., None], 3, axis=2)
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
