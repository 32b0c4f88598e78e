"""Several backbones that look at the same photos, as one: their features stand one after the other before a common head."""

from __future__ import annotations

import os
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from tagging_lib.errors import TaggingError
from tagging_lib.models.preprocessing import Preprocessing

BETWEEN = "+"  # the names of the networks


class Joined(nn.Module):
    """Photos (N, 3, S, S), prepared for the first backbone, → the features of all (N, F1 + F2 + ...).

    Each of the others gets the photos as its own weights demand them.
    """

    def __init__(self, backbones: Sequence[nn.Module], preprocessings: Sequence[Preprocessing]):
        super().__init__()
        self.backbones = nn.ModuleList(backbones)
        self.preprocessings = tuple(preprocessings)
        for place, own in enumerate(preprocessings):
            for name, values in zip(("scale", "shift"), _from_one_to_another(preprocessings[0], own), strict=True):
                self.register_buffer(f"{name}{place}", values.view(1, 3, 1, 1), persistent=False)

    def forward(self, photos: Tensor) -> Tensor:
        return torch.cat([backbone(self._prepared(photos, place)) for place, backbone in enumerate(self.backbones)], dim=1)

    def _prepared(self, photos: Tensor, place: int) -> Tensor:
        if self.preprocessings[place] == self.preprocessings[0]:
            return photos
        return photos * getattr(self, f"scale{place}") + getattr(self, f"shift{place}")


def parts(backbone: nn.Module) -> list[nn.Module]:
    """The backbones that one joins; a single one is its own part."""
    return list(backbone.backbones) if isinstance(backbone, Joined) else [backbone]


def names(network: str) -> list[str]:
    """The networks that a name joins: one, for the name of a single network."""
    return network.split(BETWEEN)


def sources(source: str, count: int) -> list[str]:
    """Where the weights of so many networks come from: one source for all, or one each, between `os.pathsep`.

    >>> sources("imagenet", 2), sources(os.pathsep.join(["a.safetensors", "imagenet"]), 2)
    (['imagenet', 'imagenet'], ['a.safetensors', 'imagenet'])

    Raises:
        TaggingError: there are neither one nor so many.
    """
    found = source.split(os.pathsep) if count > 1 else [source]
    if len(found) not in (1, count):
        raise TaggingError(f"{source} is not one source of weights for each of {count} networks: no path may hold {os.pathsep!r}")
    return found * count if len(found) == 1 else found


def _from_one_to_another(given: Preprocessing, wanted: Preprocessing) -> tuple[Tensor, Tensor]:
    """Scale and shift, float32 (3,), that make of photos prepared the one way photos prepared the other way."""
    (mean, std), (own_mean, own_std) = (
        (torch.tensor(each.mean, dtype=torch.float64), torch.tensor(each.std, dtype=torch.float64)) for each in (given, wanted)
    )
    return (std / own_std).float(), ((mean - own_mean) / own_std).float()
