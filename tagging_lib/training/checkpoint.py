"""The state of a training between two epochs, as tensors and JSON in one file."""

from __future__ import annotations

import hashlib
import json
import logging
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from tagging_lib import files

logger = logging.getLogger(__name__)


def save(
    folder: Path,
    module: nn.Module,
    optimizer: torch.optim.Optimizer,
    schedule: Any,
    best: dict[str, Tensor],
    facts: dict[str, Any],
) -> None:
    """Replace the checkpoint in `folder`: network, optimiser, schedule, the best epoch's weights, and JSON facts."""
    tensors = {f"module/{name}": tensor for name, tensor in module.state_dict().items()}
    tensors |= {f"best/{name}": tensor for name, tensor in best.items()}
    state = optimizer.state_dict()
    scalars: dict[str, dict[str, Any]] = {}
    for index, entries in state["state"].items():
        for name, value in entries.items():
            if isinstance(value, Tensor):
                tensors[f"optimizer/{index}/{name}"] = value
            else:
                scalars.setdefault(str(index), {})[name] = value
    kept = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    description = facts | {
        "groups": state["param_groups"],
        "scalars": scalars,
        "schedule": {k: v for k, v in schedule.state_dict().items() if _is_plain(v)},
        "digest": _digest(kept),
    }
    with files.replacing(folder / "checkpoint.safetensors") as temporary:
        save_file(kept, str(temporary), metadata={"checkpoint": json.dumps(description)})


def load(
    folder: Path, module: nn.Module, optimizer: torch.optim.Optimizer, schedule: Any, same: dict[str, Any]
) -> tuple[dict, dict] | None:
    """Restore what `save` kept and return (best weights, facts); None, and nothing changed, without such a checkpoint.

    A damaged file, and one whose facts differ from `same` (it is of another training), are set aside with a warning.
    """
    path = folder / "checkpoint.safetensors"
    if not path.exists():
        return None
    try:
        with safe_open(str(path), framework="pt") as stored:
            description = json.loads(stored.metadata()["checkpoint"])
            tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
        if _digest(tensors) != description["digest"]:
            raise ValueError("checksum")
        for name, value in same.items():
            if description[name] != value:
                raise ValueError(f"it is of a training with another {name}")
        held = _part(tensors, "module/")
        shapes = {name: tensor.shape for name, tensor in module.state_dict().items()}
        if {name: tensor.shape for name, tensor in held.items()} != shapes:
            raise ValueError("it is of another network")
    except (SafetensorError, ValueError, KeyError, TypeError, OSError) as error:
        logger.warning("%s cannot be used (%s): set aside, training starts over", path, error)
        path.replace(path.with_suffix(".damaged"))
        return None
    module.load_state_dict(held)
    state: dict[int, dict] = {int(index): dict(entries) for index, entries in description["scalars"].items()}
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    for name, tensor in _part(tensors, "optimizer/").items():
        index, entry = name.split("/")
        parameter = parameters[int(index)]
        if tensor.shape == parameter.shape:
            # In the parameter's own memory format: fused optimisers go through memory and do not look at strides.
            tensor = torch.empty_like(parameter, dtype=tensor.dtype, device="cpu", requires_grad=False).copy_(tensor)
        state.setdefault(int(index), {})[entry] = tensor
    for group in description["groups"]:
        if "betas" in group:
            group["betas"] = tuple(group["betas"])
    optimizer.load_state_dict({"state": state, "param_groups": description["groups"]})
    schedule.load_state_dict(schedule.state_dict() | description["schedule"])
    return _part(tensors, "best/"), description


def _is_plain(value: Any) -> bool:
    return isinstance(value, bool | int | float | str | type(None)) or (
        isinstance(value, list) and all(_is_plain(entry) for entry in value)
    )


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _digest(tensors: dict[str, Tensor]) -> str:
    hashed = hashlib.sha256()
    for name in sorted(tensors):
        hashed.update(name.encode())
        hashed.update(tensors[name].contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return hashed.hexdigest()
