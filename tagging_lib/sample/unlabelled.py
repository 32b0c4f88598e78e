"""Photos that carry none of the labels, some of them easily mistaken: a cat, a toy, leaves, a clear sky, a dark room."""

from __future__ import annotations

from tagging_lib.sample import backdrops, interiors, things
from tagging_lib.sample.canvas import Canvas, blur, mix, near
from tagging_lib.sample.landscapes import landscape
from tagging_lib.sample.solids import Solids

KINDS = {
    "room": 0.13, "meal": 0.11, "still": 0.15, "surface": 0.14, "single": 0.13, "blur": 0.04,
    "land": 0.11, "cat": 0.06, "house": 0.06, "street": 0.04, "dark": 0.03,
}  # fmt: skip


def something_else(canvas: Canvas) -> None:
    """Paint one of the kinds of `KINDS`, by its share."""
    rng = canvas.rng
    kind = str(rng.choice(list(KINDS), p=list(KINDS.values())))
    if kind in ("room", "dark"):
        light = backdrops.room(canvas, night=kind == "dark")
        interiors.furniture(canvas, light)
    elif kind == "meal":
        interiors.meal(canvas, backdrops.room(canvas))
    elif kind == "still":
        light = backdrops.room(canvas) if rng.random() < 0.6 else backdrops.bokeh(canvas, night=False)
        canvas.rgb = blur(canvas.rgb, 0.008 * canvas.size)
        interiors.still_life(canvas, light, rng.uniform(0.4, 0.7))
    elif kind == "surface":
        interiors.surface(canvas)
    elif kind == "single":
        light = backdrops.room(canvas) if rng.random() < 0.5 else backdrops.bokeh(canvas, night=False)
        interiors.single(canvas, light)
    elif kind == "blur":
        backdrops.bokeh(canvas, night=False)
    elif kind == "land":
        landscape(canvas, (), rng.uniform(0.35, 0.8))
    elif kind == "cat":
        light = backdrops.room(canvas) if rng.random() < 0.6 else backdrops.bokeh(canvas, night=False, hue=0.27)
        solids, close = Solids(canvas), rng.random() < 0.6
        x, y, size = rng.normal(0.5, 0.08), rng.uniform(0.38, 0.5), rng.uniform(0.18, 0.27)
        things.dog(solids, x, y if close else 0.62, size if close else size * 0.85, 0, rng, close=close, cat=True)
        solids.lay(light)
    else:
        horizon = rng.uniform(0.6, 0.9)
        light, _ = backdrops.sky(canvas, horizon, clouds=False, night=False)
        if kind == "street":
            backdrops.street(canvas, horizon, light, night=False)
        for _ in range(int(rng.integers(1, 4)) if kind == "house" else 0):
            left, wide = rng.uniform(-0.2, 0.6), rng.uniform(0.3, 0.8)
            front = near(rng, rng.choice([0.04, 0.09, 0.6]), rng.uniform(0.05, 0.4), rng.uniform(0.4, 0.9))
            backdrops.facade(canvas, left, rng.uniform(0, 0.4), left + wide, 1.1, mix(front, light.sky, 0.1), light, night=False)
