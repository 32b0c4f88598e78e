"""What lies behind: skies with and without clouds, hills, ground, streets, rooms and blurred light."""

from __future__ import annotations

import numpy as np

from tagging_lib.sample.canvas import Canvas, blur, colour, mix, near, smoothstep
from tagging_lib.sample.solids import Light

# zenith, horizon, lamp (hue, saturation, value each), how often
DAYS = (
    ((0.590, 0.66, 0.72), (0.56, 0.22, 0.95), (0.11, 0.10, 1.0), 0.36),
    ((0.605, 0.80, 0.52), (0.57, 0.38, 0.88), (0.10, 0.14, 1.0), 0.20),
    ((0.570, 0.28, 0.80), (0.10, 0.14, 0.96), (0.10, 0.20, 0.95), 0.20),
    ((0.640, 0.42, 0.50), (0.07, 0.52, 1.0), (0.06, 0.45, 1.0), 0.17),
    ((0.780, 0.35, 0.45), (0.03, 0.55, 0.95), (0.03, 0.50, 0.95), 0.07),
)
NIGHT_KEY = (0.10, 0.50, 0.75)


def project(canvas: Canvas, field: np.ndarray, horizon: float, scale: float = 1.0, rows: slice = slice(None)) -> np.ndarray:
    """A texture (h, w) laid on the plane that meets the horizon, seen at the pixels of `rows`: it shrinks towards it."""
    from scipy import ndimage

    distance = 0.12 / (np.abs(canvas.y[rows] - horizon) + 0.025)
    size = field.shape[0]
    across = ((canvas.x[rows] - 0.5) * distance * scale * 0.7 + 0.5) * size
    return ndimage.map_coordinates(field, [distance * scale * 0.35 * size, across], order=1, mode="mirror").astype(np.float32)


def sky(canvas: Canvas, horizon: float, *, clouds: bool, night: bool) -> tuple[Light, np.ndarray]:
    """Fill the picture with sky; returns the light that goes with it and the colour of distant haze (3,)."""
    rng = canvas.rng
    day = DAYS[rng.choice(len(DAYS), p=[d[3] for d in DAYS])]
    zenith, low, lamp = (near(rng, *hsv, spread=0.6) for hsv in day[:3])
    side, height = rng.choice([-1.0, 1.0]) * rng.uniform(0.25, 0.8), rng.uniform(0.35, 0.8)
    if night:
        zenith, low = (
            near(rng, 0.63, 0.75, 0.13, 0.5),
            near(rng, *((0.07, 0.55, 0.3) if rng.random() < 0.45 else (0.62, 0.6, 0.26)), spread=0.5),
        )
        light = Light((side, -height, 0.7), colour(*NIGHT_KEY) * 0.6, colour(0.62, 0.5, 0.26), colour(0.08, 0.4, 0.16), 0.5)
    else:
        light = Light(
            (side, -height, rng.uniform(0.35, 0.8)), lamp * 1.05, mix(zenith, low, 0.5) * 0.55 + 0.1, colour(0.1, 0.3, 0.48), 0.3
        )
    up = np.clip((horizon - canvas.y) / max(horizon, 0.2), 0, 1)
    canvas.rgb = mix(low, zenith, up ** np.float32(0.75)).astype(np.float32)
    warmth = np.exp(-(((canvas.x - 0.5 - side * 0.5) / 0.5) ** 2) - (up / 0.5) ** 2)
    canvas.rgb += lamp * (0.04 if night else 0.22) * warmth[..., None]
    if night:
        _stars(canvas, horizon)
    if clouds:
        _clouds(canvas, horizon, light, low, night)
    elif rng.random() < 0.25 and not night:  # a veil too thin to be called a cloud
        canvas.paint(0.14 * canvas.noise(3, 3, (1, 3)) * up, low)
    return light, mix(low, zenith, 0.12)


def _stars(canvas: Canvas, horizon: float) -> None:
    rng = canvas.rng
    for _ in range(int(rng.integers(0, 45))):
        canvas.disc(rng.random(), horizon * rng.random(), 0.0022, colour(0.6, 0.1, 1) * rng.uniform(0.15, 0.8), 0.002)
    if rng.random() < 0.35:
        x, y, radius = rng.uniform(0.1, 0.9), horizon * rng.uniform(0.12, 0.6), rng.uniform(0.02, 0.06)
        canvas.glow(x, y, radius * 3.5, colour(0.12, 0.2, 0.42))
        canvas.disc(x, y, radius, colour(0.13, 0.12, 1) * 1.5 * (0.75 + 0.35 * float(rng.random())))


def _clouds(canvas: Canvas, horizon: float, light: Light, low: np.ndarray, night: bool) -> None:
    rng = canvas.rng
    kind = str(rng.choice(["cumulus", "field", "streaks", "storm"], p=(0.4, 0.28, 0.14, 0.18)))
    amount = canvas.noise(rng.uniform(3, 6), 6)
    if kind == "field":
        amount = 0.7 * project(canvas, canvas.noise(5, 5), horizon, rng.uniform(0.8, 1.6)) + 0.3 * amount
    elif kind == "streaks":
        amount = 0.75 * canvas.noise(rng.uniform(5, 9), 4, (1, rng.uniform(3, 6))) + 0.25 * amount
    elif kind == "cumulus":
        heap = np.zeros_like(amount)
        for _ in range(int(rng.integers(2, 6))):
            x, base, wide = rng.random(), horizon * rng.uniform(0.3, 0.95), rng.uniform(0.12, 0.36)
            rise = wide * rng.uniform(0.4, 0.8)
            dy = base - canvas.y
            body = np.exp(-(((canvas.x - x) / wide) ** 2) - np.where(dy > 0, dy / rise, dy / (0.12 * rise)) ** 2)
            np.maximum(heap, body, out=heap)
        amount = 0.62 * heap + 0.42 * amount
    threshold = {"storm": 0.18, "cumulus": 0.44, "field": 0.44, "streaks": 0.48}[kind] + rng.uniform(-0.05, 0.04)
    soft = {"cumulus": 0.2, "field": 0.28, "streaks": 0.4, "storm": 0.5}[kind]
    cover = smoothstep(threshold, threshold + soft, amount)
    shift = max(2, int(0.025 * canvas.size))
    # The cover a little way towards the lamp; the border is repeated, not wrapped round to the other side.
    sideways = -shift if light.towards[0] > 0 else shift
    ticks = np.arange(canvas.size)
    rows, columns = (np.clip(ticks - step, 0, canvas.size - 1) for step in (shift, sideways))
    towards = blur(amount, 2.0)[np.ix_(rows, columns)]
    lit = np.clip(0.62 + 3.0 * (amount - towards) + 0.25 * (1 - cover), 0, 1)
    bright = (light.key * 0.75 + 0.45) if not night else low * 1.5 + 0.01
    dark = mix(low, light.sky, 0.5) * (0.34 if kind == "storm" else 0.62)
    canvas.paint(cover * (0.96 if kind != "streaks" else 0.85), mix(dark, bright, lit))


def hills(canvas: Canvas, horizon: float, haze: np.ndarray, *, kind: str, light: Light) -> None:
    """Ridges behind one another that end at the horizon; `kind` is green, blue, dry or snow (mountains)."""
    rng = canvas.rng
    layers = int(rng.integers(1, 4))
    tones = {"green": (0.27, 0.5, 0.42), "blue": (0.58, 0.35, 0.5), "dry": (0.09, 0.45, 0.6), "snow": (0.62, 0.14, 0.5)}
    for layer in range(layers):
        distance = 1 - (layer + 1) / (layers + 0.6)
        rough = 6 if kind == "snow" else 3
        ridge = canvas.noise(rough, 5 if kind == "snow" else 3)[canvas.size // 2]
        height = rng.uniform(0.05, 0.14) * (2.0 if kind == "snow" else 1) * (0.6 + distance)
        top = horizon - height * ridge[None, :] + 0.012
        mask = ((canvas.y > top) & (canvas.y < horizon + 0.02)).astype(np.float32)
        texture = canvas.noise(24, 3, (0.6, 1))
        tone = near(rng, *tones[kind]) * (0.45 + 0.8 * texture)[..., None]
        if kind == "snow":
            altitude = (horizon - canvas.y) / height
            snow = smoothstep(0.3, 0.55, altitude + 0.9 * (canvas.noise(26, 3, (1.8, 1)) - 0.5))
            shaded = 0.7 + 0.3 * smoothstep(0.35, 0.65, canvas.noise(12, 3, (2, 1)))
            tone = mix(tone, colour(0.6, 0.06, 1.0) * shaded[..., None], snow)
        tone = tone * (light.key * 0.55 + light.sky * 0.7)
        canvas.paint(mask, mix(tone, haze, 0.25 + 0.5 * distance))


def ground(canvas: Canvas, horizon: float, light: Light, haze: np.ndarray, kind: str) -> None:
    """A plane from the horizon to the lower edge: grass, sand, snow, earth or asphalt."""
    rng = canvas.rng
    hue = {
        "grass": (0.24, 0.6, 0.48),
        "sand": (0.1, 0.35, 0.82),
        "snow": (0.58, 0.02, 0.97),
        "earth": (0.07, 0.45, 0.45),
        "asphalt": (0.6, 0.04, 0.42),
    }
    base = near(rng, *hue[kind])
    rows = slice(int(np.clip((horizon - 0.01) * canvas.size, 0, canvas.size - 1)), None)
    y = canvas.y[rows]
    texture = project(canvas, canvas.noise(12, 5), horizon, rng.uniform(0.8, 1.6), rows)
    contrast = {"grass": 1.0, "sand": 0.3, "snow": 0.3, "earth": 0.8, "asphalt": 0.3}[kind]
    tone = base * (1 - contrast / 2 + contrast * texture)[..., None]
    if kind == "grass":
        tone = mix(tone, near(rng, 0.17, 0.5, 0.6), 0.6 * project(canvas, canvas.noise(4, 3), horizon, 1.0, rows))
        blades = canvas.noise(50, 2, (4, 0.8))[rows] - 0.5
        tone = tone * (1 + 1.1 * blades * np.clip((y - horizon) * 2.5, 0, 1))[..., None]
    tone = np.maximum(tone, 0) * (light.key * max(0.25, -light.towards[1]) + light.sky * 0.8)
    fog = np.exp(-np.clip(y - horizon, 0, 1) * 9) * 0.55
    cover = smoothstep(horizon - 0.002, horizon + 0.004, y)
    canvas.rgb[rows] = mix(canvas.rgb[rows], mix(tone, haze, fog), cover)
    if kind in ("grass", "earth", "sand"):
        _scatter(canvas, horizon, dark=0.75 if kind == "grass" else 0.95, frayed=0.25 if kind == "sand" else 0.7)


def _scatter(canvas: Canvas, horizon: float, *, dark: float, frayed: float) -> None:
    """Stones and tufts, smaller towards the horizon, as darker spots of the ground's own tone."""
    rng = canvas.rng
    for nearness in np.sort(rng.uniform(0.05, 1, int(rng.integers(0, 26)))):
        x, y, size = rng.random(), horizon + (1.02 - horizon) * nearness, (0.006 + 0.03 * nearness) * rng.uniform(0.5, 1.3)
        part = canvas.around(x, y, 1.8 * size, size)
        mound = 1 - ((canvas.x[part] - x) / (1.8 * size)) ** 2 - ((canvas.y[part] - y) / size) ** 2
        lit = 0.5 + 0.6 * np.clip((y - canvas.y[part]) / size + 0.4, 0, 1)
        clear = 1 - 0.7 * np.exp(-9 * (y - horizon))  # haze pales what is far
        canvas.rgb[part] *= (1 - clear * smoothstep(0.0, frayed, mound) * (1 - lit * dark))[..., None]


def street(canvas: Canvas, horizon: float, light: Light, *, night: bool) -> None:
    """House fronts above a pavement and a road; at night their windows shine."""
    rng = canvas.rng
    left = -rng.uniform(0, 0.2)
    while left < 1:
        right, top = left + rng.uniform(0.18, 0.5), rng.uniform(-0.25, horizon * 0.55)
        front = near(rng, rng.choice([0.04, 0.08, 0.11, 0.6, 0.95]), rng.uniform(0.05, 0.5), rng.uniform(0.4, 0.9))
        facade(canvas, left, top, right, horizon + 0.03, front, light, night=night)
        left = right
    ground(canvas, horizon + 0.03, light, canvas.rgb[int(horizon * canvas.size)].mean(0), "asphalt")
    canvas.box(0, horizon + 0.03, 1, horizon + 0.075, (light.key * 0.4 + light.sky * 0.6) * 0.3)
    if night:
        for _ in range(int(rng.integers(3, 9))):
            x, y = rng.random(), rng.uniform(horizon * 0.25, horizon)
            lamp = colour(rng.choice([0.09, 0.1, 0.0, 0.4, 0.13, 0.85]), rng.uniform(0.3, 0.8), 1)
            canvas.glow(x, y, rng.uniform(0.05, 0.14), lamp * 0.4)
            canvas.disc(x, y, rng.uniform(0.006, 0.014), lamp * 3)
            streak = (
                np.exp(-(((canvas.x - x) / 0.02) ** 2))
                * smoothstep(horizon, horizon + 0.1, canvas.y)
                * smoothstep(1.1, 0.6, canvas.y)
            )
            canvas.rgb += lamp * (0.25 * streak * canvas.noise(20, 2, (0.5, 2)))[..., None]


def facade(
    canvas: Canvas, left: float, top: float, right: float, bottom: float, front: np.ndarray, light: Light, *, night: bool
) -> None:
    """One house front with rows of windows."""
    rng = canvas.rng
    lit = light.key * 0.45 + light.sky * 0.7
    canvas.box(left, top, right, bottom, front * lit)
    canvas.box(right - 0.012, top, right, bottom, front * lit * 0.6)
    canvas.box(left, top, right, top + 0.015, front * lit * 1.3)
    columns, storey = max(2, round((right - left) / rng.uniform(0.06, 0.12))), rng.uniform(0.1, 0.17)
    pitch, share = (right - left) / columns, rng.uniform(0.45, 0.7)
    y = top + 0.05
    while y + storey * 0.7 < bottom - 0.02:
        for column in range(columns):
            x = left + pitch * (column + 0.5 - share / 2)
            bright = night and rng.random() < 0.45
            pane = (
                colour(rng.choice([0.1, 0.12, 0.14]), rng.uniform(0.3, 0.7), 1) * rng.uniform(0.5, 1.6)
                if bright
                else light.sky * rng.uniform(0.1, 0.55)
            )
            canvas.box(x - 0.005, y - 0.005, x + pitch * share + 0.005, y + storey * 0.66, front * lit * 1.35)
            canvas.box(x, y, x + pitch * share, y + storey * 0.62, pane)
        y += storey


def room(canvas: Canvas, *, night: bool = False) -> Light:
    """A wall and a floor lit from a window or a lamp; returns the light for what stands in the room."""
    rng = canvas.rng
    side = rng.choice([-1.0, 1.0])
    wall = near(rng, rng.choice([0.08, 0.11, 0.14, 0.3, 0.55, 0.6, 0.95]), rng.uniform(0.03, 0.45), rng.uniform(0.5, 0.95))
    lamp = near(rng, *((0.09, 0.35, 1.0) if rng.random() < 0.55 else (0.58, 0.08, 1.0)), spread=0.4)
    light = Light(
        (side * rng.uniform(0.3, 0.8), -rng.uniform(0.3, 0.7), rng.uniform(0.4, 0.8)),
        lamp * 0.95,
        wall * 0.25 + 0.16,
        wall * 0.18 + 0.06,
        0.2,
    )
    if night:
        light = light.dimmed(0.4)
    fall = np.exp(-(((canvas.x - 0.5 - side * 0.45) / 0.75) ** 2) - ((canvas.y - 0.25) / 0.8) ** 2)
    paper = 1 + 0.05 * (canvas.noise(30, 2) - 0.5)
    if rng.random() < 0.2:
        paper = paper * (1 + 0.08 * np.sign(np.sin(canvas.x * rng.uniform(30, 90))))
    canvas.rgb = (wall * lamp * (0.3 + 0.75 * fall * paper)[..., None] * (0.4 if night else 1)).astype(np.float32)
    floor = rng.uniform(0.68, 0.9)
    if rng.random() < 0.6:
        wood = near(rng, 0.07, 0.5, 0.5) * (0.8 + 0.4 * project(canvas, canvas.noise(8, 3, (5, 0.6)), floor - 0.2))[..., None]
        canvas.paint((canvas.y > floor).astype(np.float32), wood * lamp * (0.35 + 0.6 * fall)[..., None] * (0.4 if night else 1))
        canvas.box(0, floor - 0.02, 1, floor, canvas.rgb[0, 0] * 1.2)
    return light


def bokeh(canvas: Canvas, *, night: bool, hue: float | None = None) -> Light:
    """Somewhere far out of focus: soft patches and discs of light; a hue of 0.25 makes it leaves."""
    rng = canvas.rng
    base = rng.random() if hue is None else hue
    rgb = np.zeros_like(canvas.rgb)
    for shift in (0.0, rng.normal(0, 0.06), rng.normal(0, 0.12)):
        patch = smoothstep(0.25, 0.75, canvas.noise(rng.uniform(2, 5), 2))
        rgb = mix(rgb, near(rng, base + shift, rng.uniform(0.15, 0.6), rng.uniform(0.25, 0.85)), patch)
    canvas.rgb = (rgb + 0.02) * np.float32(0.10 if night else 0.75)
    for _ in range(int(rng.integers(3, 18)) if night or rng.random() < 0.5 else 0):
        spot = colour(rng.choice([0.09, 0.12, 0.0, 0.55, 0.3]) if night else base + rng.normal(0, 0.05), rng.uniform(0.1, 0.7), 1)
        x, y, radius = rng.random(), rng.random() * 0.8, rng.uniform(0.015, 0.06)
        part = canvas.around(x, y, radius, radius)
        distance = np.hypot(canvas.x[part] - x, canvas.y[part] - y)
        canvas.rgb[part] += spot * (rng.uniform(0.1, 0.55) * (1 - smoothstep(radius * 0.85, radius, distance)))[..., None]
    light = Light((rng.choice([-1.0, 1.0]) * rng.uniform(0.3, 0.8), -rng.uniform(0.3, 0.7), rng.uniform(0.35, 0.8)), rim=0.6)
    return (
        Light(light.towards, colour(*NIGHT_KEY) * 0.7, colour(0.62, 0.4, 0.28), colour(0.08, 0.4, 0.15), 0.8) if night else light
    )
