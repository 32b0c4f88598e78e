"""A tagger as timm has it: its tensors under timm's names, and the `config.json` that timm and Hugging Face read.

What the tagger has beyond timm's network goes into its tensors: another epsilon of a batch norm into its variance, a
layer that was left out into one that changes nothing. Whether both give the same logits is tried each time.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from tagging_lib.data.decoding import Framing
from tagging_lib.errors import TaggingError
from tagging_lib.models import joined, zoo
from tagging_lib.models.baselines import BASELINES
from tagging_lib.models.tagger import BATCH_NORMS, Tagger

TIMM, NAMES = "timm:", "timm"  # before the name of a network; what a spec calls tensors under timm's names
TOLERANCE = 1e-4  # of a logit, or of the largest where that is above 1
CROP_MODES = {Framing.WHOLE: "squash", Framing.CROP: "center", Framing.PAD: "border"}
OF_THE_NETWORK = ("fixed_input_size", "first_conv", "classifier")  # what a config keeps of timm's own
HEAD, BACKBONE = "head.1.", "backbone."  # of a tagger's tensors


class NotInTimmError(TaggingError):
    """timm has no network that answers as this one; the message says why."""


def to_timm(tagger: Tagger, spec: Mapping[str, Any]) -> tuple[dict[str, Tensor], dict[str, Any], dict[str, Any]]:
    """The tensors under timm's names, the same network's spec as `zoo.rebuild` and `from_timm` take it, and the config.

    Args:
        spec: of the network, as `trainer.prepare` describes it.

    Raises:
        NotInTimmError: timm has no such network, or it answers otherwise.
    """
    import timm

    name = architecture(spec["network"])
    tagger = copy.deepcopy(tagger).cpu().eval()
    options, labels, side = dict(tagger.options["timm"]), list(spec["labels"]), int(spec["side"])
    with torch.random.fork_rng(devices=[]):
        network = timm.create_model(name, pretrained=False, num_classes=len(labels), **options).eval()
    state = _under_timms_names(tagger, network, spec["network"])
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        first = str(error).splitlines()[-1].strip()
        raise NotInTimmError(f"timm's {name} has other layers than {spec['network']} ({first})") from error
    photos = torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        ours, theirs = tagger.head(tagger.backbone(photos)), network(photos)
    apart = float((ours - theirs).abs().max())
    if not apart <= TOLERANCE * max(1.0, float(ours.abs().max())):
        raise NotInTimmError(f"timm's {name} answers {apart:.2g} apart from {spec['network']}")
    plain = {"network": TIMM + name, "options": {"timm": options, "absent": [], "batch_norm_eps": None}}
    return state, dict(spec) | plain | {"complete": True, "names": NAMES}, _config(network, name, spec, options)


def architecture(network: str) -> str:
    """timm's name of a network, without the tag of its weights.

    Raises:
        NotInTimmError: it has none.
    """
    if network in zoo.VGGS:
        raise NotInTimmError(f"{network} has a head of its own, of several layers, which timm's has not")
    if len(joined.names(network)) > 1:
        raise NotInTimmError(f"{network} is several networks, and timm's models are one each")
    if network in BASELINES:
        raise NotInTimmError(f"timm has no network {network}")
    return network.removeprefix(TIMM).partition(".")[0]


def from_timm(state: Mapping[str, Tensor], tagger: Tagger) -> dict[str, Tensor]:
    """Tensors under timm's names as those of the tagger, which `zoo.rebuild` has made of the spec by `to_timm`."""
    own = set(tagger.state_dict())
    inside = {name: tensor for name, tensor in state.items() if f"{BACKBONE}network.{name}" in own}
    head = {name.rpartition(".")[2]: tensor for name, tensor in state.items() if name not in inside}
    return {f"{BACKBONE}network.{name}": tensor for name, tensor in inside.items()} | {
        HEAD + name: tensor for name, tensor in head.items()
    }


def _under_timms_names(tagger: Tagger, network: nn.Module, name: str) -> dict[str, Tensor]:
    before = f"{BACKBONE}network." if name.startswith(TIMM) else BACKBONE
    own, state = tagger.state_dict(), {}
    for wanted in network.state_dict():
        if before + wanted in own:
            state[wanted] = own[before + wanted].clone()
    backbone: Any = getattr(tagger.backbone, "network", tagger.backbone)
    for place, module in network.named_modules():
        if any(place == layer or place.startswith(f"{layer}.") for layer in tagger.options["absent"]):
            state |= {f"{place}.{part}": value for part, value in _changes_nothing(module).items()}
        elif isinstance(module, BATCH_NORMS) and f"{place}.running_var" in state:
            # (x − mean) ÷ √(variance + ε) alone tells the variance from ε.
            state[f"{place}.running_var"] += backbone.get_submodule(place).eps - module.eps
    for wanted, like in network.state_dict().items():
        if wanted not in state:  # the classifier, or both of a network that has two and takes their mean
            state[wanted] = own.get(HEAD + wanted.rpartition(".")[2], like).clone()
    return {wanted: tensor.contiguous() for wanted, tensor in state.items()}


def _changes_nothing(module: nn.Module) -> dict[str, Tensor]:
    """Tensors with which a batch norm or a 1×1 convolution gives what it gets; of other modules none."""
    if isinstance(module, BATCH_NORMS):
        ones = torch.ones(module.num_features)
        return {"weight": ones, "bias": 0 * ones, "running_mean": 0 * ones, "running_var": ones - module.eps}
    if isinstance(module, nn.Conv2d) and module.kernel_size == (1, 1) and module.in_channels == module.weight.shape[1]:
        return {"weight": torch.eye(*module.weight.shape[:2])[:, :, None, None]}
    return {}


def _config(network: Any, name: str, spec: Mapping[str, Any], options: dict[str, Any]) -> dict[str, Any]:
    """`config.json`: how timm builds the network, and how photos must be prepared for it."""
    preprocessing, side, labels = spec["preprocessing"], spec["side"], list(spec["labels"])
    own = {key: network.pretrained_cfg[key] for key in OF_THE_NETWORK if network.pretrained_cfg.get(key) is not None}
    framing = Framing(spec.get("framing", Framing.WHOLE))
    prepared = {
        "input_size": [3, side, side],
        "mean": list(preprocessing["mean"]),
        "std": list(preprocessing["std"]),
        # Photos are shrunk with Lanczos when they are decoded; what is kept smaller is enlarged bicubically.
        "interpolation": "lanczos" if spec.get("kept_side", side) >= side else "bicubic",
        "crop_pct": 1.0,
        "crop_mode": CROP_MODES[framing],
        "num_classes": len(labels),
    }
    return {
        "architecture": name,
        "num_classes": len(labels),
        "num_features": int(network.num_features),
        "label_names": labels,
        "problem_type": "multi_label_classification",
        **({"model_args": options} if options else {}),
        "pretrained_cfg": own | prepared,
    }
