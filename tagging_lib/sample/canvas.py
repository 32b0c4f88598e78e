"""The picture under way: linear light, noise, blur, and the camera that turns it into a photo.

Positions are fractions of the picture's side: x to the right, y down, z towards the viewer. Colours are linear light,
float32, 1.0 for a white wall in full light; brighter is allowed until the camera develops it.
"""

from __future__ import annotations

import colorsys
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

OVERSAMPLING = 2  # pixels drawn for each pixel of the photo, along each axis; `develop` halves
GAMMA = 2.2
LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # Rec. 601


def colour(hue: float, saturation: float, value: float) -> np.ndarray:
    """Linear RGB, float32 (3,), of a display colour given as hue, saturation and value in [0, 1]; the hue wraps."""
    display = colorsys.hsv_to_rgb(hue % 1.0, float(np.clip(saturation, 0, 1)), float(np.clip(value, 0, 1)))
    return np.asarray(display, np.float32) ** GAMMA


def near(rng: np.random.Generator, hue: float, saturation: float, value: float, spread: float = 1.0) -> np.ndarray:
    """A linear colour close to the one given; `spread` 0 gives that colour."""
    h, s, v = rng.normal(0, spread, 3) * (0.015, 0.06, 0.06)
    return colour(hue + h, saturation + s, value + v)


def mix(a: np.ndarray, b: np.ndarray, share: np.ndarray | float) -> np.ndarray:
    """`a` where `share` is 0, `b` where it is 1; a share of shape (H, W) mixes colours pixel by pixel."""
    weight = np.asarray(share, np.float32)
    if weight.ndim == 2:
        weight = weight[..., None]
    out = (b - a) * weight
    out += a
    return out


def dot(vectors: np.ndarray, by: np.ndarray) -> np.ndarray:
    """Scalar product of each (…, 3) with (3,). Not by `@`: its last bits change with the number of BLAS threads."""
    return vectors[..., 0] * by[0] + vectors[..., 1] * by[1] + vectors[..., 2] * by[2]


def smoothstep(low: float | np.ndarray, high: float | np.ndarray, values: np.ndarray) -> np.ndarray:
    """0 up to `low`, 1 from `high`, a smooth ramp between."""
    t = np.clip((values - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def _resized(plane: np.ndarray, rows: int, columns: int) -> np.ndarray:
    return np.asarray(Image.fromarray(plane).resize((columns, rows), Image.Resampling.BICUBIC))


def blur(image: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian blur of an (H, W) or (H, W, C) picture, `sigma` in drawn pixels; a wide one is done on a quarter of the size."""
    from scipy import ndimage

    if sigma < 0.3:
        return image
    if sigma >= 4 and image.shape[0] % 4 == 0 == image.shape[1] % 4:
        return _enlarge(blur(halved(halved(image)), sigma / 4))
    for axis in (0, 1):
        image = ndimage.gaussian_filter1d(image, sigma, axis, mode="nearest", truncate=2.5)
    return image


def halved(image: np.ndarray) -> np.ndarray:
    """The picture, (H, W) or (H, W, C) with even H and W, at half its size."""
    rows = image[0::2] + image[1::2]
    return (rows[:, 0::2] + rows[:, 1::2]) * np.float32(0.25)


def _enlarge(image: np.ndarray) -> np.ndarray:
    """The picture at four times its size."""
    if image.ndim == 3:
        return np.stack([_enlarge(np.ascontiguousarray(plane)) for plane in np.moveaxis(image, -1, 0)], -1)
    return _resized(image, 4 * image.shape[0], 4 * image.shape[1])


def curve(points: Sequence[tuple[float, float]], steps: int = 6) -> np.ndarray:
    """A closed Catmull-Rom curve through the points, float (len(points) * steps, 2)."""
    p = np.asarray(points, float)
    before, after, later = np.roll(p, 1, 0), np.roll(p, -1, 0), np.roll(p, -2, 0)
    t = np.linspace(0, 1, steps, endpoint=False)[None, :, None]
    a, b, c, d = (q[:, None, :] for q in (before, p, after, later))
    out = b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)))
    return out.reshape(-1, 2)


class Canvas:
    """A picture of linear light with its own pixel coordinates and random draws.

    Attributes:
        rgb: float32 (size, size, 3), what has been painted so far, far things first.
        x, y: float32 (size, size), pixel centres as fractions of the side.
        rng: every decision of this photo comes from it.
    """

    def __init__(self, side: int, rng: np.random.Generator) -> None:
        self.size = side * OVERSAMPLING
        self.rng = rng
        ticks = (np.arange(self.size, dtype=np.float32) + 0.5) / self.size
        self.x, self.y = np.meshgrid(ticks, ticks)
        self.rgb = np.zeros((self.size, self.size, 3), np.float32)

    def around(self, x: float, y: float, width: float, height: float) -> tuple[slice, slice]:
        """The pixels within `width` and `height` of a point, those outside the picture left out; it may be empty."""
        x0, x1 = (int(np.clip(np.floor(v * self.size), 0, self.size)) for v in (x - width, x + width + 2 / self.size))
        y0, y1 = (int(np.clip(np.floor(v * self.size), 0, self.size)) for v in (y - height, y + height + 2 / self.size))
        return slice(y0, y1), slice(x0, x1)

    def noise(self, cells: float = 4, octaves: int = 4, stretch: tuple[float, float] = (1, 1)) -> np.ndarray:
        """Fractal value noise in [0, 1], float32 (size, size); `stretch` (vertical, horizontal) > 1 makes longer features."""
        total = np.zeros((2, 2), np.float32)
        for octave in range(octaves):
            # Each octave is added on its own coarse grid: only the sum is enlarged to the full size.
            rows, columns = (min(max(2, round(cells * 2**octave / s)) + 1, self.size) for s in stretch)
            total = _resized(total, rows, columns) + self.rng.random((rows, columns), np.float32) * np.float32(0.5**octave)
            if max(rows, columns) == self.size:
                break
        total = _resized(total, self.size, self.size)
        low, high = total.min(), total.max()
        return (total - low) / max(high - low, np.float32(1e-6))

    def polygon(self, points: np.ndarray | Sequence[tuple[float, float]]) -> np.ndarray:
        """Coverage of a polygon, float32 (size, size), 0 or 1."""
        mask = Image.new("L", (self.size, self.size))
        ImageDraw.Draw(mask).polygon([(float(x) * self.size, float(y) * self.size) for x, y in points], fill=255)
        return np.asarray(mask, np.float32) / 255

    def paint(self, mask: np.ndarray, paint: np.ndarray) -> None:
        """Lay a colour, (3,) or (H, W, 3), over the picture where `mask` (H, W) in [0, 1] says."""
        self.rgb = mix(self.rgb, paint, mask)

    def box(self, left: float, top: float, right: float, bottom: float, paint: np.ndarray, opacity: float = 1) -> None:
        """Fill an upright rectangle."""
        x0, y0, x1, y1 = (int(np.clip(round(v * self.size), 0, self.size)) for v in (left, top, right, bottom))
        self.rgb[y0:y1, x0:x1] = self.rgb[y0:y1, x0:x1] * (1 - opacity) + np.asarray(paint, np.float32) * opacity

    def glow(self, x: float, y: float, radius: float, light: np.ndarray) -> None:
        """Add light that falls off around a point."""
        part = self.around(x, y, 2.6 * radius, 2.6 * radius)  # beyond, less than a 500th is left
        distance2 = (self.x[part] - x) ** 2 + (self.y[part] - y) ** 2
        self.rgb[part] += light * np.exp(-distance2 / (radius * radius))[..., None]

    def disc(self, x: float, y: float, radius: float, light: np.ndarray, edge: float = 0.004) -> None:
        """Paint a disc over the picture; it may be brighter than white."""
        part = self.around(x, y, radius + edge, radius + edge)
        distance = np.hypot(self.x[part] - x, self.y[part] - y)
        self.rgb[part] = mix(self.rgb[part], light, 1 - smoothstep(radius - edge, radius + edge, distance))

    def lamp(self, x: float, y: float, radius: float) -> None:
        """A lamp that shines in the dark: a bright disc in a glow, warm mostly."""
        light = colour(self.rng.choice([0.09, 0.11, 0.14, 0.0, 0.55]), self.rng.uniform(0.3, 0.8), 1)
        self.glow(x, y, radius * 8, light * 0.45)
        self.disc(x, y, radius, light * 2.5)

    def shadow(self, x: float, y: float, width: float, height: float, strength: float) -> None:
        """Darken a soft ellipse: where something stands on the ground."""
        part = self.around(x, y, 2 * width, 2 * height)
        distance2 = ((self.x[part] - x) / width) ** 2 + ((self.y[part] - y) / height) ** 2
        self.rgb[part] *= (1 - strength * np.exp(-1.5 * distance2))[..., None]


def develop(canvas: Canvas, side: int, *, night: bool, grey: bool) -> np.ndarray:
    """The photo, uint8 (side, side, 3): bloom, exposure, vignette, tone curve, colour, focus, grain."""
    rng, rgb = canvas.rng, np.maximum(canvas.rgb, 0)
    bloom = halved(halved(np.clip(rgb - 0.9, 0, 4)))
    rgb = rgb + _enlarge(0.4 * blur(bloom, 0.006 * canvas.size))
    # Lights far brighter than white would leave jagged edges where pixels are averaged before the tone curve.
    rgb = halved(np.minimum(rgb, 2.5))
    # An exposure meter, half trusting: night stays dark, snow stays bright.
    metered = (0.075 if night else 0.27) / max(float(rgb.mean()), 0.02)
    rgb *= float(np.clip(metered**0.6, 0.5, 2.4)) * np.exp(rng.normal(0, 0.14)) * (1 + rng.normal(0, 0.035, 3))
    ticks = (np.arange(side, dtype=np.float32) + 0.5) / side - 0.5
    rgb *= (1 - rng.uniform(0, 0.9) * (ticks[:, None] ** 2 + ticks**2))[..., None]
    # Filmic curve (Narkowicz 2015, ACES approximation).
    rgb = rgb * (2.51 * rgb * 0.75 + 0.03) * 0.75 / (0.5625 * 2.43 * rgb * rgb + 0.59 * 0.75 * rgb + 0.14)
    display = np.clip(rgb, 0, 1) ** np.float32(1 / GAMMA)
    luminance = dot(display, LUMA)[..., None]
    display = mix(luminance, display, 0.0 if grey else rng.uniform(0.8, 1.18))
    display = blur((display - 0.5) * rng.uniform(0.92, 1.14) + 0.5, max(0.0, rng.normal(0.3, 0.25)))
    strength = abs(rng.normal(0, 0.006)) + (0.012 if night else 0.003)
    display = display + strength * rng.standard_normal((side, side, 1 if grey else 3), np.float32)
    return np.rint(np.clip(display, 0, 1) * 255).astype(np.uint8)
