"""Looking faster than torch does: networks with batch norms through ONNX Runtime, on CPUs without units for bfloat16.

ONNX Runtime folds a batch norm and the activation behind it into the convolution before them, and keeps data in the order in
which its convolutions read them. Lite0's features cost a third of the processor's time so; networks without batch norms,
transformers above all, gain nothing (`python -m benchmarks.engines`). It is for looking alone: nothing is trained here.
"""

from __future__ import annotations

import logging
import tempfile
import threading
import warnings
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch
from torch import Tensor, nn

from tagging_lib.models.device import cast_once, has_units, kind_of, of
from tagging_lib.models.tagger import Tagger

logger = logging.getLogger(__name__)
TOLERANCE = 1e-4  # of the largest feature, between ONNX Runtime and torch
OPSET = 17
WORTH = 512  # photos that compiling a network, which takes one second to eight, pays for
TORCH = "torch"
TURN = threading.Lock()  # an exporter has state of the process


def name(device: str) -> str:
    """What networks with batch norms are looked at with on a device, such as `torch` or `onnxruntime 1.32.0`."""
    return names(device)[0]


def names(device: str) -> list[str]:
    """`name` of this machine, then what it may be on others with such a device."""
    found = _installed() if kind_of(device) == "cpu" else ""
    every = [TORCH, f"onnxruntime {found}"] if found else [TORCH]
    return every if has_units(device) else every[::-1]


def ready(module: nn.Module, device: str, photos: int) -> nn.Module:
    """A module that gives what `module` gives, the fastest way that this device has for so many photos; they share what they can.

    It is for looking: it stays in evaluation mode and has no gradients. Features of ONNX Runtime are those of torch but for
    `TOLERANCE`; everything else gives the same bits.
    """
    module = cast_once(module.eval(), device)
    return Compiled(module) if photos >= WORTH and name(device) != TORCH and _gains(module) else module


def _gains(module: nn.Module) -> bool:
    parts = list(module.modules())
    # VGG's pooling to 7×7 px has no counterpart in ONNX.
    pooled = any(isinstance(part, nn.AdaptiveAvgPool2d) and part.output_size not in (1, (1, 1)) for part in parts)
    return not pooled and any(isinstance(part, nn.BatchNorm2d) for part in parts)


def for_inference(tagger: Tagger, photos: int) -> Tagger:
    """As `Tagger.for_inference`, with a backbone that is `ready` for so many photos."""
    found = tagger.for_inference()
    if tagger.in_mixed_precision:  # the others are dense networks, which gain nothing
        found.backbone = ready(found.backbone, of(tagger), photos)
    return found


class Compiled(nn.Module):
    """A network on the CPU that ONNX Runtime runs, compiled for the first photos' shape, whatever their number.

    Photos float32 (N, 3, S, S) → what `network` makes of them. Photos of another shape, and networks that ONNX Runtime
    answers otherwise or not at all, go through torch.
    """

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network
        self._shape, self._session = torch.Size(), None

    def forward(self, photos: Tensor) -> Tensor:
        with TURN:
            if not self._shape:
                self._shape, self._session = photos.shape[1:], _session(self.network, photos)
        if self._session is None or photos.shape[1:] != self._shape:
            return self.network(photos)
        return run(self._session, photos)


def write(network: nn.Module, example: Tensor, path: Path) -> None:
    """Write a network in evaluation mode as ONNX, for any number of photos of the example's shape (N, 3, S, S).

    Raises:
        Exception: whatever the exporter stumbles over.
    """
    # What torch.export writes takes a minute for DenseNet-169 and a package more; a trace takes seconds.
    with torch.inference_mode(False), torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            (example.clone(),),
            path,
            input_names=["photos"],
            output_names=["features"],
            dynamic_axes={"photos": {0: "n"}, "features": {0: "n"}},
            opset_version=OPSET,
            dynamo=False,
        )


def _session(network: nn.Module, photos: Tensor):
    """The network in ONNX Runtime, or None where that cannot be."""
    example = torch.linspace(-2, 2, 2 * photos[0].numel()).view(2, *photos.shape[1:]).sin()
    try:
        with tempfile.TemporaryDirectory() as scratch:
            written = Path(scratch) / "network.onnx"
            write(network, example, written)
            session = opened(written)
        with torch.inference_mode():
            expected, found = network(example), run(session, example)
        apart = float((found - expected).abs().max() / expected.abs().max().clamp(min=1e-12))
    except Exception as error:  # whatever an exporter, or another version of it, stumbles over
        logger.debug("%s stays in torch: %s", type(network).__name__, str(error).partition("\n")[0])
        return None
    if not apart <= TOLERANCE:
        logger.debug("%s stays in torch: ONNX Runtime answers %.2g apart", type(network).__name__, apart)
        return None
    return session


def opened(path: Path):
    """A session of ONNX Runtime with the network that `write` has written, on one core of the CPU."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1  # `device.each` gives each core its own photos
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def run(session, photos: Tensor) -> Tensor:
    """What a session makes of photos float32 (N, 3, S, S)."""
    (found,) = session.run(None, {"photos": photos.contiguous().numpy()})
    return torch.from_numpy(found)


@cache
def _installed() -> str:
    try:
        return version("onnxruntime")
    except PackageNotFoundError:
        return ""
