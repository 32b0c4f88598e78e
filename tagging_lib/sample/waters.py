"""Water and its shores: the sea with breakers, boats and a beach, and rivers between their banks."""

from __future__ import annotations

import numpy as np

from tagging_lib.sample.backdrops import project
from tagging_lib.sample.canvas import Canvas, mix, near, smoothstep
from tagging_lib.sample.solids import Light


def water(canvas: Canvas, mask: np.ndarray, horizon: float, light: Light, *, tint: np.ndarray, rough: float) -> None:
    """Water where `mask` says: what stands above the horizon mirrored with ripples, deeper in colour towards the viewer."""
    rng, size = canvas.rng, canvas.size
    ripple = project(canvas, canvas.noise(20, 4, (1, 3.2)), horizon, rng.uniform(1.2, 2.2)) - 0.5
    below = np.clip(canvas.y - horizon, 0, 1)
    row = (horizon - below * 0.85 + ripple * rough * (0.02 + 0.35 * below)) * size
    column = np.arange(size)[None, :] + ripple * rough * 0.05 * size
    mirror = canvas.rgb[np.clip(row, 0, max(1, int(horizon * size) - 1)).astype(int), np.clip(column, 0, size - 1).astype(int)]
    share = np.clip(0.8 - 1.1 * below - 0.5 * rough * ripple, 0.12, 0.85)
    out = mix(tint * (light.key * 0.45 + light.sky) * (1 + 1.2 * rough * ripple)[..., None], mirror * 0.92, share)
    sun = np.exp(-(((canvas.x - 0.5 - light.towards[0] * 0.45) / (0.05 + 0.35 * below)) ** 2))
    out = out + light.key * (1.6 * smoothstep(0.2, 0.34, ripple) * sun * min(1.0, 0.5 + rough))[..., None]
    canvas.paint(mask, np.maximum(out, 0))


def sea(canvas: Canvas, horizon: float, light: Light, *, beach: bool) -> None:
    """Open water to the horizon, with breakers, and now and then a beach in front."""
    rng = canvas.rng
    tint = near(rng, rng.uniform(0.48, 0.6), 0.7, 0.5)
    water(canvas, smoothstep(horizon - 0.001, horizon + 0.003, canvas.y), horizon, light, tint=tint, rough=rng.uniform(0.4, 1.2))
    crest = project(canvas, canvas.noise(10, 4, (1, 5)), horizon, rng.uniform(1, 2))
    start = rng.uniform(0.58, 0.76)
    canvas.paint(0.85 * smoothstep(start, start + 0.14, crest) * (canvas.y > horizon + 0.015), light.key * 0.8 + light.sky * 0.45)
    for _ in range(int(rng.choice([0, 1, 2], p=(0.65, 0.25, 0.1)))):
        _boat(canvas, rng.uniform(0.1, 0.9), horizon + rng.uniform(0.0, 0.05), rng.uniform(0.03, 0.12), light)
    if beach:
        wave = (canvas.noise(3, 3)[canvas.size // 2][None, :] - 0.5) * 0.12
        shore = horizon + rng.uniform(0.25, 0.75) * (1 - horizon) + wave + (canvas.x - 0.5) * rng.normal(0, 0.35)
        sand = (
            near(rng, 0.1, 0.36, 0.85)
            * (0.85 + 0.25 * canvas.noise(40, 3, (0.6, 1)))[..., None]
            * (light.key * 0.55 + light.sky * 0.6)
        )
        wet = smoothstep(0.09, 0.02, canvas.y - shore)
        canvas.paint(smoothstep(0.0, 0.008, canvas.y - shore), mix(sand, sand * 0.45 + light.sky * 0.12, wet))
        foam = np.exp(-(((canvas.y - shore) / 0.016) ** 2)) * (0.45 + 0.6 * canvas.noise(30, 3))
        canvas.paint(np.clip(foam, 0, 0.95), light.key * 0.7 + light.sky * 0.5)


def _boat(canvas: Canvas, x: float, y: float, size: float, light: Light) -> None:
    """A sailing boat far out."""
    sail = near(canvas.rng, canvas.rng.choice([0.1, 0.0, 0.6]), 0.15, 0.95) * (light.key * 0.7 + light.sky * 0.4)
    canvas.paint(canvas.polygon([(x, y - 1.5 * size), (x, y - 0.15 * size), (x + 0.7 * size, y - 0.15 * size)]), sail)
    canvas.paint(
        canvas.polygon(
            [(x - 0.05 * size, y - 1.2 * size), (x - 0.05 * size, y - 0.15 * size), (x - 0.45 * size, y - 0.15 * size)]
        ),
        sail * 0.8,
    )
    hull = [
        (x - 0.6 * size, y - 0.1 * size),
        (x + 0.8 * size, y - 0.1 * size),
        (x + 0.55 * size, y + 0.15 * size),
        (x - 0.45 * size, y + 0.15 * size),
    ]
    canvas.paint(canvas.polygon(hull), sail * 0.25)


def river(canvas: Canvas, horizon: float, light: Light) -> None:
    """A winding band of water from the horizon to the viewer, banks on both sides."""
    rng = canvas.rng
    below = np.clip((canvas.y - horizon) / (1 - horizon), 0, 1)
    bend = (
        0.5
        + rng.normal(0, 0.08)
        + rng.normal(0, 0.16) * np.sin(rng.uniform(2, 5) * below**0.6 + rng.uniform(0, 6))
        + rng.normal(0, 0.12) * below
    )
    half = 0.015 + rng.uniform(0.22, 0.42) * below ** rng.uniform(0.8, 1.3)
    ragged = (canvas.noise(18, 3) - 0.5) * 0.1 * (0.15 + below)
    inside = half - np.abs(canvas.x - bend) + ragged
    bank = near(rng, 0.1, 0.35, 0.55) * (0.7 + 0.5 * canvas.noise(40, 2))[..., None] * (light.key * 0.5 + light.sky * 0.6)
    canvas.paint(0.85 * smoothstep(-0.09 * below - 0.004, -0.01 * below, inside) * (canvas.y > horizon), bank)
    mask = smoothstep(0.0, 0.012, inside) * (canvas.y > horizon + 0.003)
    tint = near(rng, rng.uniform(0.3, 0.55), 0.5, 0.36)
    water(canvas, mask, horizon, light, tint=tint, rough=rng.uniform(0.2, 0.8))
