"""Landscapes under a sky: hills, ground, sea, rivers and trees."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from tagging_lib.sample.canvas import Canvas, mix, near, smoothstep
from tagging_lib.sample.plants import tree
from tagging_lib.sample.skies import sky
from tagging_lib.sample.solids import Light, Solids

# hue, saturation, value, and how strongly the ground's texture shows
GROUNDS = {
    "grass": ((0.24, 0.6, 0.48), 1.0), "sand": ((0.1, 0.35, 0.82), 0.3), "snow": ((0.58, 0.02, 0.97), 0.3),
    "earth": ((0.07, 0.45, 0.45), 0.8), "asphalt": ((0.6, 0.04, 0.42), 0.3),
}  # fmt: skip
HILLS = ((0.27, 0.5, 0.42), (0.58, 0.35, 0.5), (0.09, 0.45, 0.6), (0.62, 0.06, 0.85))


def project(canvas: Canvas, field: np.ndarray, horizon: float, scale: float = 1.0) -> np.ndarray:
    """A texture (h, w) laid on the plane that meets the horizon, float32 (size, size): it shrinks towards it."""
    from scipy import ndimage

    distance = 0.12 / (np.abs(canvas.y - horizon) + 0.025)
    across = ((canvas.x - 0.5) * distance * scale * 0.7 + 0.5) * len(field)
    return ndimage.map_coordinates(field, [distance * scale * 0.35 * len(field), across], order=1, mode="mirror")


def landscape(canvas: Canvas, wanted: Collection[str], horizon: float) -> Light:
    """Sky, hills, ground, water and trees as the labels ask; returns the light."""
    rng = canvas.rng
    light, haze = sky(canvas, horizon, clouds="clouds" in wanted, night="night" in wanted)
    if rng.random() < (0.35 if "sea" in wanted else 0.8):
        _hills(canvas, horizon, haze, light)
    if "sea" in wanted:
        _sea(canvas, horizon, light)
    else:
        kinds = ["grass", "sand", "snow", "earth"]
        ground(canvas, horizon, light, haze, "grass" if "river" in wanted else str(rng.choice(kinds, p=(0.62, 0.12, 0.1, 0.16))))
    if "river" in wanted:
        _river(canvas, horizon, light)
    if "night" in wanted:
        for _ in range(int(rng.integers(1, 14))):
            canvas.lamp(rng.random(), horizon - abs(rng.normal(0, 0.03)), rng.uniform(0.003, 0.009))
    if "tree" in wanted:
        _trees(canvas, light, horizon, aside=bool({"people", "river"} & set(wanted)))
    return light


def _hills(canvas: Canvas, horizon: float, haze: np.ndarray, light: Light) -> None:
    """Ridges behind one another that end at the horizon."""
    rng = canvas.rng
    hue, layers = HILLS[rng.choice(4, p=(0.42, 0.3, 0.14, 0.14))], int(rng.integers(1, 4))
    for layer in range(layers):
        distance = 1 - (layer + 1) / (layers + 0.6)
        height = rng.uniform(0.05, 0.2) * (0.6 + distance)
        top = horizon - height * canvas.noise(rng.uniform(3, 6), 4)[canvas.size // 2][None, :] + 0.012
        mask = ((canvas.y > top) & (canvas.y < horizon + 0.02)).astype(np.float32)
        tone = near(rng, *hue) * (0.45 + 0.8 * canvas.noise(24, 3, (0.6, 1)))[..., None] * (light.key * 0.55 + light.sky * 0.7)
        canvas.paint(mask, mix(tone, haze, 0.25 + 0.5 * distance))


def ground(canvas: Canvas, horizon: float, light: Light, haze: np.ndarray, kind: str) -> None:
    """A plane from the horizon to the lower edge, of one of the `GROUNDS`."""
    rng = canvas.rng
    hue, contrast = GROUNDS[kind]
    texture = project(canvas, canvas.noise(12, 5), horizon, rng.uniform(0.8, 1.6))
    tone = near(rng, *hue) * (1 - contrast / 2 + contrast * texture)[..., None]
    below = np.clip(canvas.y - horizon, 0, 1)
    if kind == "grass":
        tone = mix(tone, near(rng, 0.17, 0.5, 0.6), 0.6 * project(canvas, canvas.noise(4, 3), horizon))
        tone = tone * (1 + 1.1 * (canvas.noise(50, 2, (4, 0.8)) - 0.5) * np.clip(below * 2.5, 0, 1))[..., None]
    tone = np.maximum(tone, 0) * (light.key * max(0.25, -light.towards[1]) + light.sky * 0.8)
    canvas.paint(smoothstep(horizon - 0.002, horizon + 0.004, canvas.y), mix(tone, haze, np.exp(-below * 9) * 0.55))


def water(canvas: Canvas, mask: np.ndarray, horizon: float, light: Light, tint: np.ndarray) -> None:
    """Water where `mask` says: what stands above the horizon mirrored with ripples, deeper in colour towards the viewer."""
    rng, size = canvas.rng, canvas.size
    rough = rng.uniform(0.3, 1.2)
    ripple = project(canvas, canvas.noise(20, 4, (1, 3.2)), horizon, rng.uniform(1.2, 2.2)) - 0.5
    below = np.clip(canvas.y - horizon, 0, 1)
    row = (horizon - below * 0.85 + ripple * rough * (0.02 + 0.35 * below)) * size
    column = np.arange(size)[None, :] + ripple * rough * 0.05 * size
    mirror = canvas.rgb[np.clip(row, 0, max(1, int(horizon * size) - 1)).astype(int), np.clip(column, 0, size - 1).astype(int)]
    share = np.clip(0.8 - 1.1 * below - 0.5 * rough * ripple, 0.12, 0.85)
    out = mix(tint * (light.key * 0.45 + light.sky) * (1 + 1.2 * rough * ripple)[..., None], mirror * 0.92, share)
    sun = np.exp(-(((canvas.x - 0.5 - light.towards[0] * 0.45) / (0.05 + 0.35 * below)) ** 2))
    out = out + light.key * (1.6 * smoothstep(0.2, 0.34, ripple) * sun)[..., None]
    canvas.paint(mask, np.maximum(out, 0))


def _sea(canvas: Canvas, horizon: float, light: Light) -> None:
    """Open water to the horizon, with breakers, and mostly a beach in front."""
    rng, glare = canvas.rng, light.key * 0.75 + light.sky * 0.45
    tint = near(rng, rng.uniform(0.48, 0.6), 0.7, 0.5)
    water(canvas, smoothstep(horizon - 0.001, horizon + 0.003, canvas.y), horizon, light, tint)
    crest, start = project(canvas, canvas.noise(10, 4, (1, 5)), horizon, rng.uniform(1, 2)), rng.uniform(0.58, 0.76)
    canvas.paint(0.85 * smoothstep(start, start + 0.14, crest) * (canvas.y > horizon + 0.015), glare)
    if rng.random() < 0.65:
        wave = (canvas.noise(3, 3)[canvas.size // 2][None, :] - 0.5) * 0.12 + (canvas.x - 0.5) * rng.normal(0, 0.35)
        inland = canvas.y - horizon - rng.uniform(0.25, 0.75) * (1 - horizon) - wave
        grains = (0.85 + 0.25 * canvas.noise(40, 3, (0.6, 1)))[..., None]
        sand = near(rng, 0.1, 0.36, 0.85) * grains * (light.key * 0.55 + light.sky * 0.6)
        canvas.paint(smoothstep(0.0, 0.008, inland), mix(sand, sand * 0.45 + light.sky * 0.12, smoothstep(0.09, 0.02, inland)))
        canvas.paint(np.clip(np.exp(-((inland / 0.016) ** 2)) * (0.45 + 0.6 * canvas.noise(30, 3)), 0, 0.95), glare)


def _river(canvas: Canvas, horizon: float, light: Light) -> None:
    """A winding band of water from the horizon to the viewer, banks on both sides."""
    rng = canvas.rng
    below = np.clip((canvas.y - horizon) / (1 - horizon), 0, 1)
    winding = rng.uniform(0.08, 0.25) * np.sin(rng.uniform(2, 5) * below**0.6 + rng.uniform(0, 6))
    middle = 0.5 + rng.normal(0, 0.08) + winding + rng.normal(0, 0.12) * below
    half = 0.015 + rng.uniform(0.22, 0.42) * below ** rng.uniform(0.8, 1.3)
    inside = half - np.abs(canvas.x - middle) + (canvas.noise(18, 3) - 0.5) * 0.1 * (0.15 + below)
    bank = near(rng, 0.1, 0.35, 0.55) * (0.7 + 0.5 * canvas.noise(40, 2))[..., None] * (light.key * 0.5 + light.sky * 0.6)
    canvas.paint(0.85 * smoothstep(-0.09 * below - 0.004, -0.01 * below, inside) * (canvas.y > horizon), bank)
    mask = smoothstep(0.0, 0.012, inside) * (canvas.y > horizon + 0.003)
    water(canvas, mask, horizon, light, near(rng, rng.uniform(0.3, 0.55), 0.5, 0.36))


def _trees(canvas: Canvas, light: Light, horizon: float, *, aside: bool) -> None:
    """One to five trees behind one another; beside the middle where something else is to be seen there."""
    rng, solids = canvas.rng, Solids(canvas)
    count = int(rng.choice([1, 2, 3, 5], p=(0.45, 0.2, 0.2, 0.15)))
    for k, nearness in enumerate(np.sort(rng.uniform(0, 1, count))):
        base = horizon + 0.02 + (0.97 - horizon) * 0.75 * nearness
        height = max(min((0.34 + 0.55 * nearness) * rng.uniform(0.85, 1.2), base - 0.02), 0.3)
        x = rng.choice([rng.uniform(0.02, 0.26), rng.uniform(0.74, 0.98)]) if aside else rng.uniform(0.1, 0.9)
        canvas.shadow(x - light.towards[0] * 0.1, base, height * 0.4, 0.05, 0.5)
        tree(solids, x, base, height, float(k))
    solids.lay(light)
