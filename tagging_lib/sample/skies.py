"""Skies by day and by night, with and without clouds."""

from __future__ import annotations

import numpy as np

from tagging_lib.sample.canvas import Canvas, blur, colour, mix, near, smoothstep
from tagging_lib.sample.solids import Light, from_above

# zenith, horizon, sunlight (hue, saturation, value each), how often
DAYS = (
    ((0.590, 0.66, 0.72), (0.56, 0.22, 0.95), (0.11, 0.10, 1.0), 0.36),
    ((0.605, 0.80, 0.52), (0.57, 0.38, 0.88), (0.10, 0.14, 1.0), 0.20),
    ((0.570, 0.28, 0.80), (0.10, 0.14, 0.96), (0.10, 0.20, 0.95), 0.20),
    ((0.640, 0.42, 0.50), (0.07, 0.52, 1.0), (0.06, 0.45, 1.0), 0.17),
    ((0.780, 0.35, 0.45), (0.03, 0.55, 0.95), (0.03, 0.50, 0.95), 0.07),
)
# The colours of weak warm lamps under a blue sky: the lamps' own, from above, from below; and the light around edges.
NIGHT = (colour(0.10, 0.50, 0.75) * 0.65, colour(0.62, 0.45, 0.27), colour(0.08, 0.4, 0.15), 0.6)


def sky(canvas: Canvas, horizon: float, *, clouds: bool, night: bool) -> tuple[Light, np.ndarray]:
    """Fill the picture with sky; returns the light that goes with it and the colour of distant haze (3,)."""
    rng = canvas.rng
    *hues, _ = DAYS[rng.choice(len(DAYS), p=[day[3] for day in DAYS])]
    zenith, low, sun = (near(rng, *hue, spread=0.6) for hue in hues)
    towards = from_above(rng)
    light = Light(towards, sun * 1.05, mix(zenith, low, 0.5) * 0.55 + 0.1, colour(0.1, 0.3, 0.48), 0.3)
    if night:
        zenith, low = near(rng, 0.63, 0.75, 0.13, 0.5), near(rng, rng.choice([0.07, 0.62]), 0.57, 0.28, 0.5)
        light = Light(towards, *NIGHT)
    up = np.clip((horizon - canvas.y) / max(horizon, 0.2), 0, 1)
    canvas.rgb = mix(low, zenith, up ** np.float32(0.75)).astype(np.float32)
    warmth = np.exp(-(((canvas.x - 0.5 - towards[0] * 0.5) / 0.5) ** 2) - (up / 0.5) ** 2)
    canvas.rgb += sun * (0.04 if night else 0.22) * warmth[..., None]
    if night:
        _stars(canvas, horizon)
    if clouds:
        _clouds(canvas, horizon, light, low, night=night)
    return light, mix(low, zenith, 0.12)


def _stars(canvas: Canvas, horizon: float) -> None:
    """Stars, and now and then the moon."""
    rng = canvas.rng
    for _ in range(int(rng.integers(0, 45))):
        canvas.disc(rng.random(), horizon * rng.random(), 0.0022, colour(0.6, 0.1, 1) * rng.uniform(0.15, 0.8), 0.002)
    if rng.random() < 0.35:
        x, y, radius = rng.uniform(0.1, 0.9), horizon * rng.uniform(0.12, 0.6), rng.uniform(0.02, 0.06)
        canvas.glow(x, y, radius * 3.5, colour(0.12, 0.2, 0.42))
        canvas.disc(x, y, radius, colour(0.13, 0.12, 1) * 1.5)


def _clouds(canvas: Canvas, horizon: float, light: Light, low: np.ndarray, *, night: bool) -> None:
    """Heaps with flat bases, streaks, or a grey cover."""
    rng = canvas.rng
    kind = str(rng.choice(["heaps", "streaks", "cover"], p=(0.5, 0.25, 0.25)))
    amount = canvas.noise(rng.uniform(3, 6), 6)
    if kind == "streaks":
        amount = 0.75 * canvas.noise(rng.uniform(5, 9), 4, (1, rng.uniform(3, 6))) + 0.25 * amount
    elif kind == "heaps":
        heap = np.zeros_like(amount)
        for _ in range(int(rng.integers(2, 6))):
            x, base, wide = rng.random(), horizon * rng.uniform(0.3, 0.95), rng.uniform(0.12, 0.36)
            rise, above = wide * rng.uniform(0.4, 0.8), base - canvas.y
            flat = np.where(above > 0, above / rise, above / (0.12 * rise))
            np.maximum(heap, np.exp(-(((canvas.x - x) / wide) ** 2) - flat**2), out=heap)
        amount = 0.62 * heap + 0.42 * amount
    threshold, soft = {"heaps": (0.44, 0.2), "streaks": (0.48, 0.4), "cover": (0.18, 0.5)}[kind]
    threshold += rng.uniform(-0.05, 0.04)
    cover = smoothstep(threshold, threshold + soft, amount)
    # The amount a little way towards the sun; the border is repeated, not wrapped round to the other side.
    shift, ticks = max(2, int(0.025 * canvas.size)), np.arange(canvas.size)
    sideways = -shift if light.towards[0] > 0 else shift
    rows, columns = (np.clip(ticks - step, 0, canvas.size - 1) for step in (shift, sideways))
    lit = np.clip(0.62 + 3.0 * (amount - blur(amount, 2.0)[np.ix_(rows, columns)]) + 0.25 * (1 - cover), 0, 1)
    bright = low * 1.5 + 0.01 if night else light.key * 0.75 + 0.45
    canvas.paint(cover * 0.95, mix(mix(low, light.sky, 0.5) * (0.34 if kind == "cover" else 0.62), bright, lit))
