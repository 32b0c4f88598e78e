"""Each transform against torchvision's with the same parameters, and how often and how strongly each is drawn."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torchvision.transforms.v2 import functional as reference
from torchvision.transforms.v2.functional import InterpolationMode

from tagging_lib.errors import TaggingError
from tagging_lib.training import augment as module
from tagging_lib.training.augment import TRANSFORMS, apply_one, augment, transforms_of

SIDE = 32
MANY = 6000


def photos(count: int = 8, side: int = SIDE, seed: int = 0) -> torch.Tensor:
    """Smooth colour fields with a grey and a black patch, so that hue, edges and undefined hues all occur."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.rand(count, 3, 5, 5, generator=generator)
    images = torch.nn.functional.interpolate(images, (side, side), mode="bilinear", align_corners=True)
    images[:, :, :6, :6] = 0.5
    images[:, :, -6:, -6:] = 0
    return images


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


# --------------------------------------------------- the same parameters, the same image


@pytest.mark.parametrize("side", [32, 33])
@pytest.mark.parametrize("degrees", [-10.0, -3.3, 0.0, 7.5])
def test_rotation_is_torchvisions(degrees, side):
    images = photos(3, side)
    ours = module.warp(images, module.rotations(torch.full((3,), degrees, dtype=torch.float64)))
    theirs = reference.rotate(images, degrees, interpolation=InterpolationMode.BILINEAR)
    torch.testing.assert_close(ours, theirs, atol=2e-4, rtol=0)


@pytest.mark.parametrize("side", [32, 33])
def test_perspective_is_torchvisions(side):
    images = photos(6, side)
    corners = module.draw_corners(6, side, generator(3))
    ours = module.warp(images, module.perspectives(corners, side))
    last = side - 1
    start = [[0, 0], [last, 0], [last, last], [0, last]]
    for image, warped, ends in zip(images, ours, corners.long().tolist(), strict=True):
        theirs = reference.perspective(image, start, ends, interpolation=InterpolationMode.BILINEAR)
        # Their solver works in float32: a hundredth of a pixel at an edge.
        torch.testing.assert_close(warped, theirs, atol=5e-3, rtol=0)


@pytest.mark.parametrize("box", [(0, 0, 32, 32), (3, 5, 20, 25), (12, 0, 20, 16)])
def test_crop_is_torchvisions(box):
    images = photos(3)
    left, top, width, height = box
    centre, half = (2 * (left + width / 2) / SIDE - 1, 2 * (top + height / 2) / SIDE - 1), (width / SIDE, height / SIDE)
    ours = module.warp(images, module.crops(torch.tensor([[*centre, *half]] * 3, dtype=torch.float64)))
    theirs = reference.resized_crop(images, top, left, height, width, [SIDE, SIDE], antialias=False)
    # At a crop's border theirs repeats its last pixel, where ours sees the photo's next one.
    torch.testing.assert_close(ours[..., 1:-1, 1:-1], theirs[..., 1:-1, 1:-1], atol=1e-5, rtol=0)


def test_flip_rotation_and_perspective_in_one_resampling_follow_the_original_order():
    """On a wide smooth gradient, where blurring twice changes nothing, one resampling equals the three in sequence."""
    side = 64
    across = torch.linspace(0.2, 0.8, side)
    images = torch.stack([across.expand(side, side), across.view(-1, 1).expand(side, side), across.outer(across)])[None]
    corners = module.draw_corners(1, side, generator(5))
    angle = torch.tensor([8.0], dtype=torch.float64)
    mirror = torch.diag(torch.tensor([-1.0, 1.0, 1.0], dtype=torch.float64))
    ours = module.warp(images, mirror @ module.rotations(angle) @ module.perspectives(corners, side))
    last = side - 1
    start = [[0, 0], [last, 0], [last, last], [0, last]]
    theirs = reference.rotate(reference.horizontal_flip(images), 8.0, interpolation=InterpolationMode.BILINEAR)
    theirs = reference.perspective(theirs, start, corners[0].long().tolist(), interpolation=InterpolationMode.BILINEAR)
    inside = theirs > 0.15
    inside = torch.nn.functional.avg_pool2d(inside.float(), 7, 1, 3) > 0.999
    assert inside.float().mean() > 0.3
    torch.testing.assert_close(ours[inside], theirs[inside], atol=5e-3, rtol=0)


@pytest.mark.parametrize(
    ("ours", "theirs", "factors"),
    [
        (module.adjust_brightness, reference.adjust_brightness, (0.7, 0.9, 1.3)),
        (module.adjust_contrast, reference.adjust_contrast, (0.7, 1.0, 1.3)),
        (module.adjust_saturation, reference.adjust_saturation, (0.7, 1.1, 1.3)),
        (module.adjust_hue, reference.adjust_hue, (-0.3, -0.05, 0.0, 0.3)),
    ],
)
def test_colour_steps_are_torchvisions(ours, theirs, factors):
    for factor in factors:
        images = photos(4, seed=1)
        torch.testing.assert_close(
            ours(images, torch.full((4, 1, 1, 1), factor)), theirs(images, factor), atol=2e-5, rtol=0, msg=str(factor)
        )


def test_greyscale_is_torchvisions():
    images = photos()
    torch.testing.assert_close(
        module.greyscale(images), reference.rgb_to_grayscale(images, num_output_channels=3), atol=1e-6, rtol=0
    )


def test_each_photo_is_jittered_by_its_own_factors_in_its_own_order():
    images = photos(24, seed=2)
    factors, order = module.draw_jitter(24, generator(9))
    steps = (
        reference.adjust_brightness,
        reference.adjust_contrast,
        reference.adjust_saturation,
        reference.adjust_hue,
    )
    ours = module.jitter(images, factors, order)
    for image, jittered, own, turns in zip(images, ours, factors.tolist(), order.tolist(), strict=True):
        for which in turns:
            image = steps[which](image, own[which])
        torch.testing.assert_close(jittered, image, atol=5e-5, rtol=0)
    assert len({tuple(turns) for turns in order.tolist()}) > 8


# ------------------------------------------------------------------ how it is drawn


def close(found: float, expected: float, count: int) -> bool:
    """Within four and a half standard deviations of a share of `count` draws."""
    return abs(found - expected) < 4.5 * (expected * (1 - expected) / count) ** 0.5


def marked(count: int) -> torch.Tensor:
    """Small photos on which each transform leaves a trace: not symmetric, not grey, no black."""
    return photos(1, 16, seed=4).clamp(0.2, 0.9).expand(count, 3, 16, 16)


@pytest.mark.parametrize(
    ("name", "probability"),
    [("flip", 0.5), ("rotation", 0.5), ("color", 0.5), ("greyscale", 0.05), ("perspective", 0.25), ("crop", 0.5)],
)
def test_each_transform_is_applied_as_often_as_it_says(name, probability):
    images = marked(MANY)
    changed = (augment(images, name, generator(1)) - images).abs().amax((1, 2, 3)) > 1e-4
    # A perspective whose four corners all draw a shift of 0 pixels, one in 5**8, would leave no trace: far below the bounds.
    assert close(float(changed.float().mean()), probability, MANY)


def test_the_policy_draws_its_transforms_independently():
    images = marked(MANY)
    changed = augment(images, "original", generator(2))
    untouched = ((changed - images).abs().amax((1, 2, 3)) < 1e-6).float().mean()
    assert close(float(untouched), 0.5 * 0.5 * 0.5 * 0.95 * 0.75, MANY)
    grey = ((changed[:, 0] - changed[:, 1]).abs().amax((1, 2)) < 1e-6).float().mean()
    assert close(float(grey), 0.05, MANY)
    only_flipped = ((changed - images.flip(-1)).abs().amax((1, 2, 3)) < 1e-6).float().mean()
    assert close(float(only_flipped), 0.5 * 0.5 * 0.5 * 0.95 * 0.75, MANY)


def test_strengths_are_uniform_over_the_original_ranges():
    angles = module.draw_angles(MANY, generator(3)).numpy()
    factors, order = module.draw_jitter(MANY, generator(4))
    ranges = [(angles, -10, 10), *((factors[:, i].numpy(), 0.7, 1.3) for i in range(3)), (factors[:, 3].numpy(), -0.3, 0.3)]
    from scipy.stats import chisquare, kstest

    for drawn, low, high in ranges:
        assert drawn.min() >= low and drawn.max() <= high
        assert kstest((drawn - low) / (high - low), "uniform").pvalue > 1e-4
    _, counts = np.unique(order.numpy() @ np.array([64, 16, 4, 1]), return_counts=True)
    assert len(counts) == 24 and chisquare(counts).pvalue > 1e-4


def test_corners_move_inwards_by_whole_pixels_up_to_a_quarter_of_the_side():
    side = 20
    corners = module.draw_corners(MANY, side, generator(5))
    fixed = torch.tensor([[0, 0], [19, 0], [19, 19], [0, 19]])
    inwards = (corners - fixed) * torch.tensor([[1, 1], [-1, 1], [-1, -1], [1, -1]])
    values, counts = inwards.unique(return_counts=True)
    assert values.tolist() == [0, 1, 2, 3, 4, 5]
    from scipy.stats import chisquare

    assert chisquare(counts.numpy()).pvalue > 1e-4


def test_crops_lie_within_the_photo_and_keep_a_uniform_share_of_it():
    from scipy.stats import kstest

    x, y, width, height = module.draw_boxes(MANY, generator(6)).numpy().T
    for centre, half in ((x, width), (y, height)):
        assert half.max() <= 1 and (np.abs(centre) + half).max() <= 1 + 1e-12
        free = half < 0.95
        assert kstest(centre[free] / (1 - half[free]) / 2 + 0.5, "uniform").pvalue > 1e-4
    inside = (width < 1) & (height < 1)
    area, ratio = (width * height)[inside], (width / height)[inside]
    assert area.min() >= 0.35 and ratio.min() >= 3 / 4 and ratio.max() <= 4 / 3
    small = area < 0.75  # no side is cut short, whatever the ratio
    assert kstest((area[small] - 0.35) / 0.4, "uniform").pvalue > 1e-4
    assert kstest(np.log(ratio[small]) / np.log(4 / 3) / 2 + 0.5, "uniform").pvalue > 1e-4


# ------------------------------------------------------------------ what else must hold


def test_results_are_photos_and_the_input_stays():
    images = photos(64)
    before = images.clone()
    changed = augment(images, "original", generator(6))
    assert changed.shape == images.shape and changed.dtype == torch.float32
    assert float(changed.min()) >= 0 and float(changed.max()) <= 1
    torch.testing.assert_close(images, before, atol=0, rtol=0)


def test_the_generator_alone_decides():
    images = photos(32)
    torch.manual_seed(1)
    first = augment(images, "original", generator(7))
    torch.manual_seed(2)
    assert torch.equal(first, augment(images, "original", generator(7)))
    assert not torch.equal(first, augment(images, "original", generator(8)))


def test_photos_of_one_batch_do_not_share_a_draw():
    same = photos(1).expand(64, 3, SIDE, SIDE)
    for name in ("rotation", "color", "perspective", "crop"):
        assert len({image.numpy().tobytes() for image in apply_one(name, same, generator(1))}) > 60, name


@pytest.mark.parametrize("name", TRANSFORMS)
def test_the_gallery_shows_a_transform_on_every_photo(name):
    images = marked(16)
    assert ((apply_one(name, images, generator(2)) - images).abs().amax((1, 2, 3)) > 1e-4).all()


def test_none_changes_nothing_and_an_empty_batch_is_one():
    images = photos()
    assert torch.equal(augment(images, "none", generator()), images)
    assert augment(images[:0], "original", generator()).shape == (0, 3, SIDE, SIDE)


def test_policies_are_parsed_and_unknown_ones_named():
    assert transforms_of("original") == TRANSFORMS[:5] and transforms_of("none") == ()
    assert transforms_of("flip+color") == ("flip", "color")
    for wrong in ("mixup", "flip+", "flip+mixup", ""):
        with pytest.raises(TaggingError, match=r"augmentation .* is unknown"):
            transforms_of(wrong)


def test_the_perspective_comes_after_the_colours():
    """What it leaves outside of the photo stays black, as in the original, however contrast and hue change."""
    images = torch.full((1, 3, 64, 64), 0.5).repeat(40, 1, 1, 1)
    chosen = {name: torch.ones(40, dtype=torch.bool) for name in ("color", "perspective")}
    changed = module._apply(images, chosen, generator(11))
    outside = (changed == 0).all(1).float().mean((1, 2))
    assert ((outside > 0.05).float().mean() > 0.8) and float(changed.amax((1, 2, 3)).min()) > 0.3
