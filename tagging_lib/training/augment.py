"""The original's augmentation, for a whole batch on the device, each photo with its own draw.

Five transforms, each applied to a photo with probability 0.5; greyscale and perspective then draw once more by their
own probability. Flip, rotation and perspective become one homography and one resampling per photo, after the colours.
The original flipped, turned, changed colours, and then changed the perspective, so two things differ: it resampled
twice, which blurs a little more, and its contrast saw the black corners that the turn leaves.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from tagging_lib.errors import TaggingError

TRANSFORMS = ("flip", "rotation", "color", "greyscale", "perspective")
APPLIED = 0.5  # probability of each transform
WITHIN = {"greyscale": 0.1, "perspective": 0.5}  # and of the transform's own draw, once applied
DEGREES = 10.0
JITTER = 0.3  # brightness, contrast, saturation within 1 ± 0.3; hue within ± 0.3 of a turn
DISTORTION = 0.5
LUMA = (0.2989, 0.587, 0.114)  # ITU-R 601, as Pillow and torchvision


def transforms_of(policy: str) -> tuple[str, ...]:
    """Names of the transforms in a policy: `original` is all five, `none` is empty, others are joined by `+`.

    Raises:
        TaggingError: an unknown transform.
    """
    if policy == "original":
        return TRANSFORMS
    if policy == "none":
        return ()
    names = tuple(policy.split("+"))
    for name in names:
        if name not in TRANSFORMS:
            raise TaggingError(f"augmentation {name!r} is unknown: join some of {', '.join(TRANSFORMS)} by +")
    return names


def augment(images: Tensor, policy: str, generator: torch.Generator) -> Tensor:
    """Images float (B, 3, S, S) in [0, 1], each changed by its own draw from `generator` (a CPU generator)."""
    names = transforms_of(policy)
    chosen = {}
    for name in TRANSFORMS:
        drawn = torch.rand(len(images), generator=generator)
        if name in names:
            chosen[name] = drawn < APPLIED * WITHIN.get(name, 1.0)
    return _apply(images, chosen, generator)


def apply_one(name: str, images: Tensor, generator: torch.Generator) -> Tensor:
    """One transform on every image, with its strength drawn per image; what the gallery shows."""
    transforms_of(name)
    return _apply(images, {name: torch.ones(len(images), dtype=torch.bool)}, generator)


def _apply(images: Tensor, chosen: dict[str, Tensor], generator: torch.Generator) -> Tensor:
    count, side = len(images), images.shape[-1]
    device = images.device
    none = torch.zeros(count, dtype=torch.bool)
    flip, rotation, perspective = (chosen.get(name, none) for name in ("flip", "rotation", "perspective"))
    bent = rotation | perspective
    mirrored = flip & ~bent
    images = images.clone()
    if "color" in chosen and chosen["color"].any():
        rows = chosen["color"].nonzero().squeeze(1)
        factors, order = draw_jitter(len(rows), generator)
        images[rows.to(device)] = jitter(images[rows.to(device)], factors.to(device), order)
    if "greyscale" in chosen and chosen["greyscale"].any():
        rows = chosen["greyscale"].nonzero().squeeze(1).to(device)
        images[rows] = greyscale(images[rows])
    if mirrored.any():
        rows = mirrored.nonzero().squeeze(1).to(device)
        images[rows] = images[rows].flip(-1)
    if bent.any():
        maps = torch.eye(3, dtype=torch.float64).expand(count, 3, 3).clone()
        maps[flip, 0, 0] = -1
        maps[rotation] = maps[rotation] @ rotations(draw_angles(int(rotation.sum()), generator))
        maps[perspective] = maps[perspective] @ perspectives(draw_corners(int(perspective.sum()), side, generator), side)
        rows = bent.nonzero().squeeze(1)
        images[rows.to(device)] = warp(images[rows.to(device)], maps[rows])
    return images


# ---------------------------------------------------------------- geometry


def draw_angles(count: int, generator: torch.Generator) -> Tensor:
    """Angles within ± 10°, in degrees, float64 (count,)."""
    return (torch.rand(count, generator=generator, dtype=torch.float64) * 2 - 1) * DEGREES


def draw_corners(count: int, side: int, generator: torch.Generator) -> Tensor:
    """Where the photo's corners move to, in pixels, float64 (count, 4, 2), clockwise from the top left.

    Each moves inwards by up to half the distortion times half the side, as torchvision's RandomPerspective.
    """
    reach = int(DISTORTION * (side // 2)) + 1
    shift = (torch.rand(count, 4, 2, generator=generator, dtype=torch.float64) * reach).floor()
    last = side - 1
    corners = torch.tensor([[0, 0], [last, 0], [last, last], [0, last]], dtype=torch.float64)
    inwards = torch.tensor([[1, 1], [-1, 1], [-1, -1], [1, -1]], dtype=torch.float64)
    return corners + inwards * shift


def rotations(degrees: Tensor) -> Tensor:
    """Homographies (B, 3, 3) that take an output position in [-1, 1]² to its input position, counter-clockwise turn."""
    angle = degrees * math.pi / 180
    maps = torch.zeros(len(degrees), 3, 3, dtype=torch.float64)
    maps[:, 0, 0] = maps[:, 1, 1] = angle.cos()
    maps[:, 0, 1], maps[:, 1, 0] = -angle.sin(), angle.sin()
    maps[:, 2, 2] = 1
    return maps


def perspectives(corners: Tensor, side: int) -> Tensor:
    """Homographies (B, 3, 3) that take output positions in [-1, 1]² to input positions, corners (B, 4, 2) in pixels."""
    if len(corners) == 0:
        return torch.zeros(0, 3, 3, dtype=torch.float64)
    # Torchvision reads the corners as positions from the photo's edge, not as pixel centres; so do we.
    moved = 2 * corners / side - 1
    last = side - 1
    fixed = 2 * torch.tensor([[0, 0], [last, 0], [last, last], [0, last]], dtype=torch.float64) / side - 1
    equations = torch.zeros(len(corners), 8, 8, dtype=torch.float64)
    right = fixed.reshape(1, 8).expand(len(corners), 8)
    x, y = moved[..., 0], moved[..., 1]
    for axis in range(2):
        rows = slice(axis, 8, 2)
        equations[:, rows, 3 * axis] = x
        equations[:, rows, 3 * axis + 1] = y
        equations[:, rows, 3 * axis + 2] = 1
        equations[:, rows, 6] = -x * fixed[:, axis]
        equations[:, rows, 7] = -y * fixed[:, axis]
    solved = torch.linalg.solve(equations, right)
    return torch.cat([solved, torch.ones(len(corners), 1, dtype=torch.float64)], 1).reshape(-1, 3, 3)


def warp(images: Tensor, maps: Tensor) -> Tensor:
    """Images (B, 3, S, S) resampled bilinearly through homographies (B, 3, 3); outside of the photo is black."""
    side = images.shape[-1]
    maps = maps.to(images.device, torch.float32)
    centres = (2 * torch.arange(side, device=images.device) + 1) / side - 1
    y, x = torch.meshgrid(centres, centres, indexing="ij")
    positions = torch.stack([x, y, torch.ones_like(x)], -1).reshape(1, -1, 3) @ maps.transpose(1, 2)
    grid = (positions[..., :2] / positions[..., 2:]).reshape(len(images), side, side, 2)
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


# ------------------------------------------------------------------ colour


def draw_jitter(count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Factors (count, 4) of brightness, contrast, saturation and hue, and each photo's order of the four (count, 4)."""
    factors = (torch.rand(count, 4, generator=generator) * 2 - 1) * JITTER
    factors[:, :3] += 1
    order = torch.rand(count, 4, generator=generator).argsort(1)
    return factors, order


def jitter(images: Tensor, factors: Tensor, order: Tensor) -> Tensor:
    """Brightness, contrast, saturation and hue changed by `factors` (B, 4), in each photo's own `order` (B, 4)."""
    steps = (adjust_brightness, adjust_contrast, adjust_saturation, adjust_hue)
    images = images.clone()
    for turn in range(4):
        for which, step in enumerate(steps):
            rows = (order[:, turn] == which).nonzero().squeeze(1).to(images.device)
            if len(rows):
                images[rows] = step(images[rows], factors[rows, which].view(-1, 1, 1, 1))
    return images


def luma(images: Tensor) -> Tensor:
    """Brightness of each pixel, (B, 1, S, S)."""
    return LUMA[0] * images[:, :1] + LUMA[1] * images[:, 1:2] + LUMA[2] * images[:, 2:]


def greyscale(images: Tensor) -> Tensor:
    """The photo's luma in all three channels."""
    return luma(images).expand_as(images)


def adjust_brightness(images: Tensor, factor: Tensor) -> Tensor:
    return (images * factor).clamp(0, 1)


def adjust_contrast(images: Tensor, factor: Tensor) -> Tensor:
    """Away from, or towards, the photo's mean luma."""
    grey = luma(images).mean((1, 2, 3), keepdim=True)
    return (grey + (images - grey) * factor).clamp(0, 1)


def adjust_saturation(images: Tensor, factor: Tensor) -> Tensor:
    """Away from, or towards, each pixel's luma."""
    grey = luma(images)
    return (grey + (images - grey) * factor).clamp(0, 1)


def adjust_hue(images: Tensor, turn: Tensor) -> Tensor:
    """Hue turned by `turn` of a full circle in HSV, value and saturation kept."""
    highest, lowest = images.amax(1, keepdim=True), images.amin(1, keepdim=True)
    spread = highest - lowest
    safe = torch.where(spread > 0, spread, 1.0)
    red, green, blue = images.unbind(1)
    top, wide = highest.squeeze(1), safe.squeeze(1)
    hue = torch.where(
        red == top, (green - blue) / wide, torch.where(green == top, 2 + (blue - red) / wide, 4 + (red - green) / wide)
    )
    hue = hue.unsqueeze(1) + 6 * turn
    # Each channel is a trapezoid of the hue; no case distinction is needed (the channel's distance from its own sector).
    offsets = torch.tensor([5.0, 3.0, 1.0], device=images.device).view(1, 3, 1, 1)
    place = (offsets + hue) % 6
    return highest - spread * torch.minimum(place, 4 - place).clamp(0, 1)
