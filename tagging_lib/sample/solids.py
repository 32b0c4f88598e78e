"""Solid bodies seen from straight ahead: exact ellipsoids, tapered rods and rounded slabs with depth, light and shadow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypedDict, Unpack

import numpy as np

from tagging_lib.sample.canvas import Canvas, blur, dot, mix

Point = np.ndarray | tuple[float, float, float]
Pattern = Callable[[np.ndarray, np.ndarray], np.ndarray]
EMPTY = np.float32(-9)
SHADOW_STEPS = (0.012, 0.024, 0.04, 0.065, 0.1, 0.15)  # how far towards the light something may stand in the way


class Look(TypedDict, total=False):
    """A body's surface: shine, strength of colour and relief of its texture (0 none), and which texture."""

    gloss: float
    mottle: float
    bump: float
    grain: str


def rgb(red: float, green: float, blue: float) -> np.ndarray:
    """A linear colour, float32 (3,)."""
    return np.array([red, green, blue], np.float32)


@dataclass
class Light:
    """A distant lamp and what the surroundings send back.

    Attributes:
        towards: direction to the lamp (x right, y down, z to the viewer); normalised when used.
        key: its colour; sky, ground: ambient light from above and from below; rim: strength of the light around edges.
    """

    towards: tuple[float, float, float] = (-0.5, -0.6, 0.6)
    key: np.ndarray = field(default_factory=lambda: rgb(1.0, 0.95, 0.88))
    sky: np.ndarray = field(default_factory=lambda: rgb(0.40, 0.46, 0.55))
    ground: np.ndarray = field(default_factory=lambda: rgb(0.20, 0.18, 0.15))
    rim: float = 0.25


def from_above(rng: np.random.Generator) -> tuple[float, float, float]:
    """A direction to a lamp above the viewer, to the left or to the right."""
    return float(rng.choice([-1.0, 1.0]) * rng.uniform(0.25, 0.8)), -rng.uniform(0.3, 0.8), rng.uniform(0.35, 0.8)


def rotation(roll: float = 0, pitch: float = 0, yaw: float = 0) -> np.ndarray:
    """3×3: first yaw (about the vertical; positive turns the front to the right), then pitch (nod), then roll (clockwise)."""
    c, s = np.cos([roll, pitch, yaw]), np.sin([roll, pitch, yaw])
    about_z = np.array([[c[0], -s[0], 0], [s[0], c[0], 0], [0, 0, 1]])
    about_x = np.array([[1, 0, 0], [0, c[1], s[1]], [0, -s[1], c[1]]])
    about_y = np.array([[c[2], 0, s[2]], [0, 1, 0], [-s[2], 0, c[2]]])
    return about_z @ about_x @ about_y


def _times(x: np.ndarray, y: np.ndarray, z: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Points (h, w) in three planes times a 3×3 matrix, (h, w, 3); see `dot` for why not `@`."""
    return np.stack([x * column[0] + y * column[1] + z * column[2] for column in matrix.T], -1)


class Solids:
    """Bodies that hide and shade one another, to be laid over a canvas together."""

    def __init__(self, canvas: Canvas) -> None:
        size = canvas.size
        self.canvas = canvas
        self.albedo = np.zeros((size, size, 3), np.float32)
        self.normal = np.zeros((size, size, 3), np.float32)
        self.depth = np.full((size, size), EMPTY)
        self.gloss = np.zeros((size, size), np.float32)
        self._fields: dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]] = {}
        self._bounds = (size, size, 0, 0)

    def grain(self, name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """A texture in [-1, 1] and its slopes along x and y, each (size, size): leaves, fur, hair or cloth."""
        if name not in self._fields:
            cells, octaves, stretch = {
                "leaves": (40, 2, (1, 1)),
                "fur": (46, 2, (1.8, 0.8)),
                "hair": (60, 2, (7, 0.8)),
                "cloth": (9, 3, (1.6, 1)),
            }[name]
            values = self.canvas.noise(cells, octaves, stretch) * 2 - 1
            down, right = np.gradient(values)
            self._fields[name] = values, right * 8, down * 8
        return self._fields[name]

    def _part(self, x: float, y: float, width: float, height: float) -> tuple[slice, slice]:
        """The pixels that a body may cover; it may be none."""
        part = rows, columns = self.canvas.around(x, y, width, height)
        top, left, bottom, right = self._bounds
        self._bounds = (min(top, rows.start), min(left, columns.start), max(bottom, rows.stop), max(right, columns.stop))
        return part

    def _write(
        self,
        part: tuple[slice, slice],
        inside: np.ndarray,
        z: np.ndarray,
        normal: np.ndarray,
        paint: np.ndarray,
        gloss: float = 0.0,
        mottle: float = 0.0,
        bump: float = 0.0,
        grain: str = "cloth",
    ) -> None:
        seen = inside & (z > self.depth[part])
        if not seen.any():
            return
        normal = normal / np.maximum(np.sqrt(np.einsum("ijk,ijk->ij", normal, normal)), np.float32(1e-6))[..., None]
        if mottle or bump:
            values, right, down = self.grain(grain)
            if mottle:
                paint = paint * np.maximum(1 + np.float32(mottle) * values[part], np.float32(0.05))[..., None]
            if bump:
                normal[..., 0] -= np.float32(bump) * right[part]
                normal[..., 1] -= np.float32(bump) * down[part]
                normal /= np.sqrt(np.einsum("ijk,ijk->ij", normal, normal) + np.float32(1e-6))[..., None]
        np.copyto(self.depth[part], z, where=seen)
        np.copyto(self.gloss[part], np.float32(gloss), where=seen)
        np.copyto(self.normal[part], normal, where=seen[..., None], casting="same_kind")
        np.copyto(self.albedo[part], paint, where=seen[..., None], casting="same_kind")

    def ball(
        self,
        at: Point,
        radii: Point,
        paint: np.ndarray,
        *,
        turn: np.ndarray | None = None,
        ragged: float = 0.0,
        keep: Callable[[np.ndarray], np.ndarray] | None = None,
        pattern: Pattern | None = None,
        **look: Unpack[Look],
    ) -> None:
        """An ellipsoid turned by a 3×3 rotation.

        `keep` and `pattern` get its own coordinates, float (h, w, 3) with 1 at the surface: the first says which part of
        it is there, the second repaints it. `ragged` > 0 frays the outline. `look`: gloss, mottle, bump, grain.
        """
        turn = np.eye(3) if turn is None else turn
        radius = np.maximum(np.asarray(radii, float), 1e-4)
        spread = (turn * radius**2) @ turn.T
        part = self._part(at[0], at[1], np.sqrt(spread[0, 0]), np.sqrt(spread[1, 1]))
        form = ((turn / radius**2) @ turn.T).astype(np.float32)
        dx, dy = self.canvas.x[part] - np.float32(at[0]), self.canvas.y[part] - np.float32(at[1])
        # form · (dx, dy, z)² = 1, solved for the z nearer to the viewer.
        half = (form[0, 2] * dx + form[1, 2] * dy) / form[2, 2]
        rest = (form[0, 0] * dx * dx + 2 * form[0, 1] * dx * dy + form[1, 1] * dy * dy - 1) / form[2, 2]
        under = half * half - rest
        z = -half + np.sqrt(np.maximum(under, 0))
        inside = under > 0
        if ragged:
            # `under` is z's radius² at the pixel: compare with the most it can be.
            inside &= under * form[2, 2] > np.float32(ragged) * (0.5 + 0.7 * self.grain(look.get("grain", "leaves"))[0][part])
        if keep is not None or pattern is not None:
            own = _times(dx, dy, z, (turn / radius).astype(np.float32))
            if keep is not None:
                inside &= keep(own)
            if pattern is not None:
                paint = pattern(own, paint)
        self._write(part, inside, z + np.float32(at[2]), _times(dx, dy, z, form), paint, **look)

    def rod(self, start: Point, radius: float, end: Point, end_radius: float, paint: np.ndarray, **look: Unpack[Look]) -> None:
        """A limb from one ball to another, its radius changing evenly. `look`: gloss, mottle, bump, grain."""
        a, b = np.asarray(start, np.float32), np.asarray(end, np.float32)
        radius, end_radius = float(radius), float(end_radius)  # NumPy's doubles would turn every array into doubles
        widest = max(radius, end_radius)
        middle, reach = (a + b) / 2, np.abs(a - b) / 2 + widest
        part = self._part(middle[0], middle[1], reach[0], reach[1])
        along = b - a
        dx, dy = self.canvas.x[part] - a[0], self.canvas.y[part] - a[1]
        t = np.clip((dx * along[0] + dy * along[1]) / max(float(along[0] ** 2 + along[1] ** 2), 1e-8), 0, 1)
        r = radius + np.float32(end_radius - radius) * t
        ex, ey = dx - t * along[0], dy - t * along[1]
        under = r * r - ex * ex - ey * ey
        height = np.sqrt(np.maximum(under, 0))
        self._write(part, under > 0, a[2] + t * along[2] + height, np.stack([ex, ey, height], -1), paint, **look)

    def slab(
        self,
        points: np.ndarray | Sequence[tuple[float, float]],
        z: float,
        paint: np.ndarray,
        bevel: float = 0.02,
        **look: Unpack[Look],
    ) -> None:
        """A flat shape with rounded edges; `bevel` is their width."""
        outline = np.asarray(points, float)
        low, high = outline.min(0), outline.max(0)
        middle, half = (low + high) / 2, (high - low) / 2 + 2 / self.canvas.size
        part = self._part(middle[0], middle[1], half[0], half[1])
        mask = self.canvas.polygon(outline)[part]
        height = np.pad(mask, 1)
        for sigma in (bevel * 0.25, bevel):
            height = blur(height, sigma * self.canvas.size) * np.pad(mask, 1)
        slopes = np.array(np.gradient(height * np.float32(2 * bevel * self.canvas.size)))[:, 1:-1, 1:-1]
        normal = np.stack([-slopes[1], -slopes[0], np.ones_like(mask)], -1)
        self._write(part, mask > 0.5, np.float32(z) + np.float32(bevel) * height[1:-1, 1:-1], normal, paint, **look)

    def lay(self, light: Light) -> None:
        """Light the bodies and lay them over the canvas."""
        size, (top, left, bottom, right) = self.canvas.size, self._bounds
        if top >= bottom or left >= right:
            return
        part = np.s_[top:bottom, left:right]
        depth, normal, albedo = self.depth[part], self.normal[part], self.albedo[part]
        cover = (depth > EMPTY).astype(np.float32)
        to = np.asarray(light.towards, np.float32)
        to = to / np.linalg.norm(to)
        shade = np.zeros_like(depth)
        rows, columns = np.arange(depth.shape[0])[:, None], np.arange(depth.shape[1])[None, :]
        for step in SHADOW_STEPS:
            row = np.clip(rows + round(float(to[1]) * step * size), 0, depth.shape[0] - 1)
            column = np.clip(columns + round(float(to[0]) * step * size), 0, depth.shape[1] - 1)
            over = depth[row, column] - depth - to[2] * np.float32(step)
            np.maximum(shade, np.clip(over / (0.35 * step), 0, 1), out=shade)
        shade = blur(shade, 0.006 * size)
        mean = blur(np.where(cover > 0, depth, 0), 0.03 * size) / np.maximum(blur(cover, 0.03 * size), 0.05)
        hidden = np.clip((mean - depth) * 5, 0, 0.6) * cover
        facing = np.clip((dot(normal, to) + 0.18) / 1.18, 0, 1) * (1 - 0.85 * shade)
        halfway = to + np.array([0, 0, 1], np.float32)
        shine = np.clip(dot(normal, halfway / np.linalg.norm(halfway)), 0, 1) ** np.float32(28) * self.gloss[part] * (1 - shade)
        upwards = (0.5 - 0.5 * normal[..., 1])[..., None]
        around = light.ground + (light.sky - light.ground) * upwards
        steep = np.clip(1 - normal[..., 2], 0, 1)
        edge = steep * steep * steep * np.clip(0.4 - normal[..., 1], 0, 1) * light.rim
        rgb = albedo * (light.key * facing[..., None] + around * (1 - hidden)[..., None])
        rgb = rgb + light.key * shine[..., None] * 0.9 + light.sky * (edge + 0.12 * self.gloss[part])[..., None]
        self.canvas.rgb[part] = mix(self.canvas.rgb[part], rgb, cover)


@dataclass
class Frame:
    """A body's own coordinates: parts are placed in them, and turn, grow and move together."""

    solids: Solids
    origin: np.ndarray
    scale: float
    turn: np.ndarray = field(default_factory=lambda: np.eye(3))

    def at(self, x: float, y: float, z: float = 0.0) -> np.ndarray:
        """Where a point of the body lies in the picture."""
        return self.origin + self.scale * (self.turn @ np.array([x, y, z]))

    def inner(self, at: tuple[float, float, float], scale: float = 1.0, turn: np.ndarray | None = None) -> Frame:
        """A frame that hangs on this one."""
        return Frame(self.solids, self.at(*at), self.scale * scale, self.turn if turn is None else self.turn @ turn)

    def ball(self, at: Point, radii: Point | float, paint: np.ndarray, *, turn: np.ndarray | None = None, **more: Any) -> None:
        """See `Solids.ball`; a single radius gives a sphere."""
        sizes = np.broadcast_to(np.asarray(radii, float), 3) * self.scale
        self.solids.ball(self.at(*at), sizes, paint, turn=self.turn if turn is None else self.turn @ turn, **more)

    def rod(self, start: Point, radius: float, end: Point, end_radius: float, paint: np.ndarray, **look: Unpack[Look]) -> None:
        """See `Solids.rod`."""
        self.solids.rod(self.at(*start), radius * self.scale, self.at(*end), end_radius * self.scale, paint, **look)

    def slab(
        self, points: Sequence[tuple[float, float]], depth: float, paint: np.ndarray, bevel: float, **look: Unpack[Look]
    ) -> None:
        """See `Solids.slab`; `points` lie in the frame's x, y plane."""
        flat = [tuple(self.at(x, y)[:2]) for x, y in points]
        self.solids.slab(flat, self.origin[2] + depth * self.scale, paint, bevel * self.scale, **look)
