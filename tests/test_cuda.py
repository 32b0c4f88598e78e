"""Tests marked `cuda`, and the rule in conftest.py that skips them elsewhere."""

from __future__ import annotations

import pytest
import torch

from tagging_lib.models import zoo
from tests import conftest


class Item:
    """What the rule asks of a test."""

    def __init__(self, *markers: str):
        self.markers = markers

    def get_closest_marker(self, name: str) -> str | None:
        return name if name in self.markers else None


def test_a_marked_test_is_skipped_with_the_reason_only_where_there_is_no_device(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    conftest.pytest_runtest_setup(Item("parametrize"))
    with pytest.raises(pytest.skip.Exception, match="no CUDA device"):
        conftest.pytest_runtest_setup(Item("cuda"))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    conftest.pytest_runtest_setup(Item("cuda"))


@pytest.mark.cuda
def test_a_network_answers_on_cuda_in_float32_and_near_what_it_answers_on_the_cpu(float32):
    tagger = zoo.build("resnet18", 5, side=32, seed=3).eval()
    photos = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        here = tagger(photos)
        there = tagger.to("cuda")(photos.to("cuda"))
    assert there.device.type == "cuda" and there.dtype == torch.float32
    torch.testing.assert_close(there.cpu(), here, atol=0.05 * float(here.abs().max()), rtol=0)
