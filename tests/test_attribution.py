"""Grad-CAM on networks small enough to know the answer, and on each kind that the study uses."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from tagging_lib.models import zoo
from tagging_lib.models.attribution import GRAD_CAM, GRADIENT, attribution


class Corner(nn.Module):
    """Two labels: red light anywhere speaks for the first and against the second, by a linear head on mean features."""

    def __init__(self):
        super().__init__()
        self.backbone = nn.Sequential(nn.AvgPool2d(4), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.head = nn.Linear(3, 2, bias=False)
        self.head.weight.data = torch.tensor([[1.0, 0, 0], [-1.0, 0, 0]])

    def forward(self, photos):
        return self.head(self.backbone(photos))


def test_the_lit_corner_speaks_for_the_one_label_and_against_the_other():
    photos = torch.zeros(2, 3, 16, 16)
    photos[:, 0, :4, 12:] = 1  # upper right
    heat, method = attribution(Corner(), photos, torch.tensor([0, 1]))
    assert method == GRAD_CAM and heat.shape == (2, 16, 16) and heat.dtype == np.float32
    assert heat[0][0, 15] == pytest.approx(1) and heat[0].max() == 1
    assert np.allclose(heat[0][8:], 0) and np.allclose(heat[0][:, :8], 0)
    np.testing.assert_allclose(heat[1], -heat[0], atol=1e-6)


def test_the_map_is_the_one_of_the_paper():
    """Weights by hand: with a linear head on means, the gradient of a channel is its weight over the number of places."""
    torch.manual_seed(0)
    features = nn.Sequential(nn.Conv2d(3, 5, 3, padding=1), nn.ReLU(inplace=True))
    tagger = nn.Module()
    tagger.backbone = nn.Sequential(*features, nn.AdaptiveAvgPool2d(1), nn.Flatten())
    tagger.head = nn.Linear(5, 2)
    tagger.forward = lambda photos: tagger.head(tagger.backbone(photos))
    photos = torch.randn(3, 3, 8, 8)
    columns = torch.tensor([0, 1, 1])
    heat, _ = attribution(tagger, photos, columns)
    with torch.no_grad():
        expected = torch.einsum("nc,nchw->nhw", tagger.head.weight[columns], features(photos))
    expected /= expected.abs().flatten(1).amax(1).view(-1, 1, 1)
    np.testing.assert_allclose(heat, expected.numpy(), atol=1e-5)


def test_a_photo_that_says_nothing_is_dark():
    heat, _ = attribution(Corner(), torch.zeros(1, 3, 16, 16), torch.tensor([0]))
    assert (heat == 0).all()


@pytest.mark.parametrize(
    ("name", "method"),
    [
        ("ffn1", GRADIENT),
        ("cnn", GRAD_CAM),
        ("resnet18", GRAD_CAM),
        ("timm:mobilenetv1_100", GRAD_CAM),
        ("timm:test_vit", GRADIENT),
    ],
)
@pytest.mark.parametrize("trained", ["head", "all"])
def test_every_kind_of_network_answers_frozen_or_not_and_is_left_as_it_was(name, method, trained):
    side = 160 if "vit" in name else 64
    tagger = zoo.build(name, 3, trained=trained, side=side)
    before = {key: value.clone() for key, value in tagger.state_dict().items()}
    random = torch.Generator().manual_seed(0)
    photos = torch.randn(2, 3, side, side, generator=random)
    with torch.no_grad():
        answers = tagger.eval()(photos)
    heat, found = attribution(tagger, photos, torch.tensor([2, 0]))
    assert found == method and heat.shape == (2, side, side)
    assert np.isfinite(heat).all() and np.abs(heat).max(axis=(1, 2)) == pytest.approx([1, 1])
    assert all(parameter.grad is None for parameter in tagger.parameters())
    assert all(torch.equal(value, before[key]) for key, value in tagger.state_dict().items())
    with torch.no_grad():
        assert torch.equal(tagger(photos), answers)  # no hook stays behind


def test_each_photo_has_its_own_map():
    tagger = zoo.build("resnet18", 2, trained="head")
    photos = torch.randn(3, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    together, _ = attribution(tagger, photos, torch.tensor([0, 1, 0]))
    alone, _ = attribution(tagger, photos[1:2], torch.tensor([1]))
    np.testing.assert_allclose(together[1], alone[0], atol=1e-4)


def test_one_label_per_photo():
    with pytest.raises(ValueError, match=r"\(2,\)"):
        attribution(Corner(), torch.zeros(3, 3, 16, 16), torch.tensor([0, 1]))
