"""A final model as ONNX, for programs without torch, checked against PyTorch before it is kept."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np

from tagging_lib import files
from tagging_lib.errors import TaggingError
from tagging_lib.inference import folder

TOLERANCE = 1e-3  # of a logit, between ONNX Runtime and PyTorch, both in float32
CHECKED = (1, 3)  # photos at a time; more than one number shows that the batch's size is free


def export(model: Path, target: Path | None = None) -> Path:
    """Write the model of a folder as ONNX (`model.onnx` in it by default) and return the file.

    Its input `photos` is float32 (N, 3, S, S), RGB in [0, 1]; the normalisation is inside. Its output `logits` is float32
    (N, L). The file's metadata hold `labels` (JSON), `side` (S, in px) and `boundary`: a label is given from that logit on.

    Raises:
        TaggingError: the packages of the extra `onnx` are missing, the folder holds no model, or ONNX Runtime answers
            otherwise than PyTorch.
    """
    try:
        import onnx
        import onnxruntime
        import onnxscript  # noqa: F401 - what torch exports with
    except ImportError as error:
        raise TaggingError(f"ONNX needs the package {error.name}: pip install onnx onnxscript onnxruntime") from error
    import torch

    tagger, described = folder.load(model)
    spec, target = described["network"], target or model / "model.onnx"
    network, side = _plain(tagger, spec["preprocessing"]), spec["side"]
    example = torch.rand(2, 3, side, side, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode(False), torch.no_grad():
        program = torch.onnx.export(
            network,
            (example,),
            input_names=["photos"],
            output_names=["logits"],
            dynamic_shapes=({0: torch.export.Dim("photos_at_once", min=1)},),
            dynamo=True,
            verbose=False,
        )
    assert program is not None  # only the older exporter returns nothing
    written = program.model_proto
    threshold = float(described["threshold"])
    boundary = math.log(threshold / (1 - threshold)) if 0 < threshold < 1 else math.copysign(math.inf, threshold - 0.5)
    for name, value in (("labels", json.dumps(described["labels"])), ("side", str(side)), ("boundary", repr(boundary))):
        entry = written.metadata_props.add()
        entry.key, entry.value = name, value
    with files.replacing(target) as temporary:
        onnx.save(written, str(temporary))
        session = onnxruntime.InferenceSession(str(temporary), providers=["CPUExecutionProvider"])
        for count in CHECKED:
            photos = torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(count))
            (found,) = session.run(["logits"], {"photos": photos.numpy()})
            with torch.inference_mode():
                apart = float(np.abs(found - network(photos).numpy()).max())
            if not apart <= TOLERANCE:
                raise TaggingError(f"ONNX Runtime answers {apart:.2g} apart from PyTorch for {model}: it was not written")
    return target


def _plain(tagger, preprocessing: dict):
    """Photos in [0, 1] to logits, all in float32, whatever the processor has."""
    import torch
    from torch import nn

    class Plain(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.backbone, self.head = tagger.backbone, tagger.head
            for name in ("mean", "std"):
                self.register_buffer(name, torch.tensor(preprocessing[name]).view(1, 3, 1, 1))

        def forward(self, photos):
            return self.head(self.backbone((photos - self.mean) / self.std))

    return Plain().eval()
