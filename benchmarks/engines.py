"""Ways to look faster on one core: torch as it is, in bfloat16, compiled; ONNX Runtime, and that in 8 bits with what these cost.

    python -m benchmarks.engines                    processor time a photo, by network
    python -m benchmarks.engines --corpus CORPUS    and the F1 of a head on each way's features of Lite0

Photos are drawn, unless a corpus is given: 8 bits need some to learn the range of each activation.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch

from benchmarks import material, references, timing
from tagging_lib.data import pixels, splits
from tagging_lib.data.corpus import Corpus
from tagging_lib.evaluation import metrics, thresholds
from tagging_lib.models import engine, predict, weights, zoo
from tagging_lib.models.device import cast_once, has_units, mixed
from tagging_lib.training import fit
from tagging_lib.training.batches import FeatureBatches, PhotoBatches
from tagging_lib.training.recipe import HEAD_RECIPE
from tagging_lib.training.standardise import Standardised, moments

NETWORKS = (
    "timm:tf_efficientnet_lite0", "timm:tf_efficientnet_lite2", "timm:mobilenetv1_100",
    "densenet169", "resnet50", "timm:vit_small_patch16_224",
)  # fmt: skip
LITE0 = "timm:tf_efficientnet_lite0"
SIDE, BATCH, CALIBRATION = 224, 16, 8  # px, photos, batches
Look = Callable[[torch.Tensor], torch.Tensor]


def ways(network: torch.nn.Module, seen: list[torch.Tensor]) -> Iterator[tuple[str, Look | None]]:
    """Each way by name; None where it cannot be had for this network or on this machine."""
    yield "torch", network
    yield "torch, bfloat16", _in_bfloat16(network) if has_units("cpu") else None
    yield "torch.compile", _compiled(network, seen[0])
    fast = engine.Compiled(network)
    fast(seen[0])
    yield "ONNX Runtime", fast if fast._session is not None else None
    yield "ONNX Runtime, 8 bits", _in_8_bits(network, seen)


def _compiled(network: torch.nn.Module, photos: torch.Tensor) -> Look | None:
    import torch._inductor.config as inductor

    inductor.freezing = True
    found = torch.compile(network)
    try:
        with torch.no_grad():  # freezing does not know tensors of inference mode
            found(photos.clone())
    except Exception as error:  # no compiler on this machine, above all
        sys.stderr.write(f"torch.compile: {type(error).__name__}\n")
        return None

    def look(given: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            return found(given)

    return look


def _in_bfloat16(network: torch.nn.Module) -> Look:
    rounded = cast_once(network, "cpu")

    def look(photos: torch.Tensor) -> torch.Tensor:
        with mixed("cpu"):
            return rounded(photos).float()

    return look


def _in_8_bits(network: torch.nn.Module, seen: list[torch.Tensor]) -> Look | None:
    """Weights and activations as 8-bit integers, their ranges from the photos `seen` (static quantisation)."""
    from onnxruntime import quantization

    class Seen(quantization.CalibrationDataReader):
        def __init__(self) -> None:
            self.left = iter(seen)

        def get_next(self):
            batch = next(self.left, None)
            return None if batch is None else {"photos": batch.contiguous().numpy()}

    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch)
        try:
            engine.write(network, torch.randn(seen[0].shape), path / "plain.onnx")
            quantization.quant_pre_process(str(path / "plain.onnx"), str(path / "ready.onnx"), skip_symbolic_shape=True)
            quantization.quantize_static(
                str(path / "ready.onnx"),
                str(path / "small.onnx"),
                Seen(),
                per_channel=True,
                reduce_range=True,  # sums of two products of 8 bits overflow 16 bits on processors without VNNI
            )
            session = engine.opened(path / "small.onnx")
        except Exception as error:
            sys.stderr.write(f"8 bits: {type(error).__name__}: {str(error)[:100]}\n")
            return None
    return partial(engine.run, session)


def speeds(networks: tuple[str, ...], side: int, repeats: int) -> list[str]:
    """A line for each network and way."""
    lines = []
    for name in networks:
        network = material.tagger(name, side, "cpu").backbone.eval()
        seen = [references.random_batch(BATCH, side, 1, "cpu")[0] for _ in range(2)]
        plain = 0.0
        for way, look in ways(network, seen):
            if look is None:
                lines.append(f"{name.removeprefix('timm:'):22} {way:22} not to be had")
                continue
            measured = timing.seconds(way, partial(look, seen[0]), target=None, repeats=repeats)
            took = (measured.cpu_value or 0.0) * 1000 / BATCH
            plain = plain or took
            lines.append(f"{name.removeprefix('timm:'):22} {way:22} {took:7.1f} ms a photo  {took / plain:5.2f} ×")
            sys.stderr.write(lines[-1] + "\n")
    return lines


def costs(corpus: Path, photos: int, side: int) -> list[str]:
    """Test micro-F1 of a head on Lite0's features, however they are computed, and how far these are apart from torch's."""
    found = Corpus.open(corpus)
    part = splits.split(found, 42)
    chosen = {name: getattr(part, name)[: photos * share // 10] for name, share in (("train", 6), ("validation", 2), ("test", 2))}
    everything = np.concatenate(list(chosen.values()))
    with tempfile.TemporaryDirectory() as scratch:
        decoded = pixels.load(found, pixels.SIDE, cache_dir=Path(scratch))
        tagger = zoo.build(LITE0, len(found.labels), weights=str(weights.find_installed(LITE0)), side=side)
        tagger.eval().to(memory_format=torch.channels_last)
        assert tagger.preprocessing is not None
        batches = PhotoBatches(decoded, found.targets, tagger.preprocessing, side=side)
        seen = [x.clone() for x, _ in batches.plain(chosen["train"][: BATCH * CALIBRATION])]
        lines, plain = [], np.empty(0)
        for way, look in ways(tagger.backbone, seen):
            if look is None:
                continue
            features = np.zeros((len(found), tagger.n_features), dtype=np.float32)
            features[everything] = np.concatenate([look(x).numpy() for x, _ in batches.plain(everything)])
            plain = plain if plain.size else features
            apart = float(np.abs(features - plain).max() / np.abs(plain).max())
            lines.append(f"{way:22} micro-F1 {_score(features, found, chosen):.4f}, features apart by {apart:.1e}")
            sys.stderr.write(lines[-1] + "\n")
    return lines


def _score(features: np.ndarray, found: Corpus, chosen: dict[str, np.ndarray]) -> float:
    batches = FeatureBatches([features], found.targets, batch_size=HEAD_RECIPE.batch_size)
    torch.manual_seed(42)
    with torch.inference_mode(False):
        head = Standardised(torch.nn.Linear(features.shape[1], len(found.labels)), *moments(batches, chosen["train"]))
        fit.fit(head, batches, chosen["train"], chosen["validation"], HEAD_RECIPE, pos_weight=None)
    answered = {name: predict.predict(head, batches, chosen[name]) for name in ("validation", "test")}
    threshold, _ = thresholds.exact(found.targets[chosen["validation"]], answered["validation"])
    return metrics.score(found.targets[chosen["test"]], answered["test"] >= threshold)["micro_f1"]


@torch.inference_mode()
def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.engines", description=__doc__)
    parser.add_argument("--corpus", type=Path)
    parser.add_argument("--photos", type=int, default=5_000)
    parser.add_argument("--toy", action="store_true")
    asked = parser.parse_args(arguments)
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", tempfile.mkdtemp())
    torch.set_num_threads(1)
    side = 64 if asked.toy else SIDE
    lines = costs(asked.corpus, asked.photos, side) if asked.corpus else speeds(NETWORKS[: 1 if asked.toy else None], side, 5)
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
