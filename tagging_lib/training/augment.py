"""The original's augmentation and random crops, for a whole batch on the device, each photo with its own draw.

The original's five transforms and the crop are each applied to a photo with probability 0.5; greyscale and perspective then
draw once more by their own probability. Flip, rotation, perspective and crop become one homography and one resampling per
photo, after the colours.
The original flipped, turned, changed colours, and then changed the perspective, so two things differ: it resampled
twice, which blurs a little more, and its contrast saw the black corners that the turn leaves.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from tagging_lib.errors import TaggingError

ORIGINAL, NONE = "original", "none"  # policies; others are transforms joined by "+"
ORIGINAL_TRANSFORMS = ("flip", "rotation", "color", "greyscale", "perspective")
TRANSFORMS = (*ORIGINAL_TRANSFORMS, "crop")
APPLIED = 0.5  # probability of each transform
WITHIN = {"greyscale": 0.1, "perspective": 0.5}  # and of the transform's own draw, once applied
DEGREES = 10.0
JITTER = 0.3  # brightness, contrast, saturation within 1 ± 0.3; hue within ± 0.3 of a turn
DISTORTION = 0.5
LEAST_AREA = 0.35  # of the photo that a crop keeps, before it is enlarged again
STRETCH = 4 / 3  # most that a crop stretches one side against the other
CPU_CHUNK = 16  # photos changed at a time on the CPU, so that what lies between two steps stays in its cache
LUMA = (0.2989, 0.587, 0.114)  # ITU-R 601, as Pillow and torchvision


def transforms_of(policy: str) -> tuple[str, ...]:
    """Names of the transforms in a policy: `original` is its five, `none` is empty, others are joined by `+`.

    Raises:
        TaggingError: an unknown transform.
    """
    if policy == ORIGINAL:
        return ORIGINAL_TRANSFORMS
    if policy == NONE:
        return ()
    names = tuple(policy.split("+"))
    for name in names:
        if name not in TRANSFORMS:
            raise TaggingError(f"augmentation {name!r} is unknown: join some of {', '.join(TRANSFORMS)} by +")
    return names


def augment(images: Tensor, policy: str, generator: torch.Generator) -> Tensor:
    """Images float (B, 3, S, S) in [0, 1], each changed by its own draw from `generator` (a CPU generator)."""
    return augment_(images.clone(), policy, generator)


def augment_(images: Tensor, policy: str, generator: torch.Generator, part: slice = slice(None)) -> Tensor:
    """`augment` in place, for a batch that nobody else needs; photos outside of `part` have their draws and stay as they are."""
    names = transforms_of(policy)
    # The crop came later: policies without it draw as they did, so that rows trained before stay what they were.
    drawn = TRANSFORMS if "crop" in names else ORIGINAL_TRANSFORMS
    draws = {name: torch.rand(len(images), generator=generator) for name in drawn}
    wanted = torch.zeros(len(images), dtype=torch.bool)
    wanted[part] = True
    chosen = {name: (draws[name] < APPLIED * WITHIN.get(name, 1.0)) & wanted for name in names}
    return _apply(images, chosen, generator)


def apply_one(name: str, images: Tensor, generator: torch.Generator) -> Tensor:
    """One transform on every image, with its strength drawn per image; what the gallery shows."""
    transforms_of(name)
    return _apply(images.clone(), {name: torch.ones(len(images), dtype=torch.bool)}, generator)


def _apply(images: Tensor, chosen: dict[str, Tensor], generator: torch.Generator) -> Tensor:
    """The chosen transforms of each photo, in place. Every strength is drawn, wanted or not, so that draws never shift."""
    count, side, device = len(images), images.shape[-1], images.device
    flip, rotation, perspective, color, grey, crop = (
        chosen.get(name, torch.zeros(count, dtype=torch.bool))
        for name in ("flip", "rotation", "perspective", "color", "greyscale", "crop")
    )
    maps = torch.eye(3, dtype=torch.float64).repeat(count, 1, 1)
    maps[flip, 0, 0] = -1
    angles, corners = draw_angles(count, generator), draw_corners(count, side, generator)
    maps[rotation] = maps[rotation] @ rotations(angles[rotation])
    maps[perspective] = maps[perspective] @ perspectives(corners[perspective], side)
    factors, order = draw_jitter(count, generator)
    maps[crop] = maps[crop] @ crops(draw_boxes(count, generator)[crop])
    bent = rotation | perspective | crop
    size = CPU_CHUNK if device.type == "cpu" else max(1, count)

    def change(step: Callable[..., Tensor], rows: Tensor, *parameters: Tensor) -> None:
        for part in rows.nonzero().squeeze(1).split(size):
            where = sent(part, device)
            images[where] = step(images[where].contiguous(), *(values[part] for values in parameters))

    change(jitter, color, factors, order)
    change(greyscale, grey)
    change(lambda photos: photos.flip(-1), flip & ~bent)
    change(warp, bent, maps)
    return images


def sent(drawn: Tensor, device: torch.device) -> Tensor:
    """What was drawn, on the photos' device. From pinned memory: from any other the host waits until it has arrived."""
    return (drawn.pin_memory() if device.type == "cuda" else drawn).to(device, non_blocking=True)


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


def draw_boxes(count: int, generator: torch.Generator) -> Tensor:
    """What crops keep, as centre and half sides (x, y, half width, half height) in [-1, 1]², float64 (count, 4).

    Area, and the logarithm of the sides' ratio, are uniform, and the box lies anywhere within the photo (Szegedy et al., CVPR
    2015), but no side is longer than the photo's.
    """
    area, ratio, x, y = torch.rand(4, count, generator=generator, dtype=torch.float64)
    area = LEAST_AREA + (1 - LEAST_AREA) * area
    ratio = STRETCH ** (2 * ratio - 1)
    half = torch.stack([(area * ratio).sqrt(), (area / ratio).sqrt()], 1).clamp_(max=1)
    centre = (2 * torch.stack([x, y], 1) - 1) * (1 - half)
    return torch.cat([centre, half], 1)


def crops(boxes: Tensor) -> Tensor:
    """Homographies (B, 3, 3) that enlarge each box (B, 4) of `draw_boxes` to the whole photo."""
    maps = torch.zeros(len(boxes), 3, 3, dtype=torch.float64)
    maps[:, :2, 2] = boxes[:, :2]
    maps[:, 0, 0], maps[:, 1, 1], maps[:, 2, 2] = boxes[:, 2], boxes[:, 3], 1
    return maps


def warp(images: Tensor, maps: Tensor) -> Tensor:
    """Images (B, 3, S, S) resampled bilinearly through homographies (B, 3, 3); outside of the photo is black."""
    side = images.shape[-1]
    maps = sent(maps.float(), images.device)[..., None]
    centres = (2 * torch.arange(side, device=images.device) + 1) / side - 1
    # Row i of a homography is a sum of one term per column of the photo and one per row of it.
    across = maps[:, :, 0] * centres
    down = maps[:, :, 1] * centres + maps[:, :, 2]
    scale = (down[:, 2, :, None] + across[:, 2, None]).reciprocal_()
    grid = images.new_empty(len(images), side, side, 2)
    for axis in range(2):
        torch.mul(down[:, axis, :, None] + across[:, axis, None], scale, out=grid[..., axis])
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
    for turn in order.t().tolist():
        for which in set(turn):
            rows = torch.tensor([row for row, step in enumerate(turn) if step == which])
            chosen = sent(factors[rows, which].view(-1, 1, 1, 1), images.device)
            rows = sent(rows, images.device)
            images[rows] = steps[which](images[rows], chosen)
    return images


def luma(images: Tensor) -> Tensor:
    """Brightness of each pixel, (B, 1, S, S)."""
    red, green, blue = images.split(1, dim=1)
    return red.mul(LUMA[0]).add_(green, alpha=LUMA[1]).add_(blue, alpha=LUMA[2])


def greyscale(images: Tensor) -> Tensor:
    """The photo's luma in all three channels."""
    return luma(images).expand_as(images)


def adjust_brightness(images: Tensor, factor: Tensor) -> Tensor:
    """Towards black, or brighter, by a factor (B, 1, 1, 1)."""
    return images.mul(factor).clamp_(0, 1)


def adjust_contrast(images: Tensor, factor: Tensor) -> Tensor:
    """Away from, or towards, the photo's mean luma."""
    grey = luma(images).mean((1, 2, 3), keepdim=True)
    return images.mul(factor).add_(grey * (1 - factor)).clamp_(0, 1)


def adjust_saturation(images: Tensor, factor: Tensor) -> Tensor:
    """Away from, or towards, each pixel's luma."""
    return images.mul(factor).add_(luma(images).mul_(1 - factor)).clamp_(0, 1)


def adjust_hue(images: Tensor, turn: Tensor) -> Tensor:
    """Hue turned by `turn` of a full circle in HSV, value and saturation kept."""
    red, green, blue = images.split(1, dim=1)
    highest = torch.maximum(torch.maximum(red, green), blue)
    spread = highest - torch.minimum(torch.minimum(red, green), blue)
    some = spread.clamp(min=1e-12)  # a grey pixel has no hue, and no spread to colour it with
    after_blue = torch.where(green == highest, (blue - red).add_(some, alpha=2), (red - green).add_(some, alpha=4))
    hue = torch.where(red == highest, green - blue, after_blue).div_(some).div_(6).add_(turn)
    turned = torch.empty_like(images)
    # A channel is a trapezoid of the hue, the same for all three but for where it starts.
    for channel, offset in enumerate((5 / 6, 3 / 6, 1 / 6)):
        place = hue + offset
        place.sub_(place.floor()).mul_(6)
        place = torch.minimum(place, 4 - place).clamp_(0, 1)
        torch.addcmul(highest, place, spread, value=-1, out=turned[:, channel : channel + 1])
    return turned
