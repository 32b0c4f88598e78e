"""A model folder made whole: all of the network in one file, which timm opens too, and a card that says how it is used."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import Tensor

from tagging_lib import files
from tagging_lib.inference import folder, timm_format
from tagging_lib.models.tagger import Tagger
from tagging_lib.runs import kept

logger = logging.getLogger(__name__)
CONFIG, CARD = "config.json", "README.md"
MOST_LABELS = 40  # that a card names
FRONT_MATTER = ["---", "library_name: timm", "pipeline_tag: image-classification", "tags:", "- multi-label", "---", ""]
# Where the page lies is not written into it, since folders are moved.
USAGE = """
With this folder as `FOLDER`:

```sh
tagging predict FOLDER PHOTOS
```

```python
import tagging_lib
model = tagging_lib.load("FOLDER")
table = model.predict(paths)
```
"""
IN_TIMM = """
It opens in timm too (in versions that know `local-dir:`), where it gives logits; `torch.sigmoid` makes probabilities of them:

```python
import timm
network = timm.create_model("local-dir:FOLDER", pretrained=True).eval()
transform = timm.data.create_transform(**timm.data.resolve_model_data_config(network))
logits = network(transform(photo)[None])
```
"""


def complete(model: Path, card: Sequence[str] = ()) -> str:
    """Make the folder of a run whole; nothing, or why timm does not open it: then only its card is written.

    Args:
        card: what the page says of this model beside what it says of every one, as lines of Markdown.

    Raises:
        TaggingError: it is no folder of a run with its network.
    """
    with files.locked(model, f"{model}: another process is busy with it; waiting"):
        return _complete(model, card)


def _complete(model: Path, card: Sequence[str]) -> str:
    run = kept.read(model)
    whole = run.facts.get(kept.WHOLE)
    if whole and (model / CONFIG).exists() and whole["sha256"] == _digest(model / kept.MODEL):
        return ""
    if whole:  # a file of it is damaged or gone, while what was trained is there
        run = kept.Kept(model, run.facts | {kept.WHOLE: {}})
        files.write_sealed(model / kept.SUMMARY, run.facts)
    tagger, described = folder.load(model)
    try:
        state, spec, config = timm_format.to_timm(tagger, described["network"])
    except timm_format.NotInTimmError as error:
        _write_card(model, described, card, str(error))
        return str(error)

    def write_model(target: Path) -> tuple[str, dict[str, Any]]:
        digest = _write(target, state, spec)
        files.write_json(target / CONFIG, config | {"threshold": described["threshold"]})
        return digest, spec

    kept.make_whole(run, write_model)
    _write_card(model, described, card)
    return ""


def write(model: Path, tagger: Tagger, described: dict[str, Any], card: Sequence[str] = ()) -> dict[str, Any]:
    """Write a network that belongs to no run as a whole model folder; its description, with network and sha256 as written.

    Where timm has no such network the log says why, and the tensors have the names of this library.

    Args:
        described: the model's title, labels, threshold and network.
    """
    reason = ""
    try:
        state, spec, config = timm_format.to_timm(tagger, described["network"])
        files.write_json(model / CONFIG, config | {"threshold": described["threshold"]})
    except timm_format.NotInTimmError as error:
        spec, reason = described["network"] | {"complete": True}, str(error)
        state = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tagger.state_dict().items()}
        logger.info("%s does not open in timm: %s", model, reason)
        with suppress(FileNotFoundError):
            (model / CONFIG).unlink()
    written = described | {"network": spec, "sha256": _write(model, state, spec)}
    _write_card(model, described, card, reason)
    files.write_json(model / folder.SUMMARY, written)
    return written


def _write(model: Path, state: dict[str, Tensor], spec: dict[str, Any]) -> str:
    """Write the network's file; its SHA-256."""
    with files.replacing(model / kept.MODEL) as temporary:
        save_file(state, str(temporary), metadata={"format": "pt", "tagging": json.dumps(spec)})
        _order_header(temporary)
    return files.sha256(model / kept.MODEL)


def _order_header(path: Path) -> None:
    """Sort the metadata of a safetensors file, which come in another order each time: the same network, the same bytes."""
    with open(path, "r+b") as stream:
        length = int.from_bytes(stream.read(8), "little")
        header = json.loads(stream.read(length))
        header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
        ordered = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
        assert len(ordered) <= length, "the same content, in another order"
        stream.seek(8)
        stream.write(ordered.ljust(length))


def _digest(path: Path) -> str:
    return files.sha256(path) if path.exists() else ""


def _write_card(model: Path, described: dict[str, Any], card: Sequence[str], not_in_timm: str = "") -> None:
    labels, network = described["labels"], described["network"]
    more = f" and {len(labels) - MOST_LABELS} more" if len(labels) > MOST_LABELS else ""
    lines = [
        *([] if not_in_timm else FRONT_MATTER),
        f"# {described['title']}",
        "",
        f"Tags photos with {len(labels)} labels: {', '.join(labels[:MOST_LABELS])}{more}.",
        "",
        f"- Network `{network['network']}`, input {network['side']}×{network['side']} px, trained part: {network['trained']}.",
        *card,
        f"- A label is given where its probability is at least {described['threshold']:.2f}.",
    ]
    gendered = sorted({"male", "female"} & set(labels))
    if gendered:
        lines.append(
            f"- The labels {' and '.join(gendered)} say what annotators saw in a photo. They say nothing about how a person "
            "identifies, and must not be used to decide anything about people."
        )
    last = f"\nIt does not open in timm: {not_in_timm}.\n" if not_in_timm else IN_TIMM
    files.write_text(model / CARD, "\n".join(lines) + "\n" + USAGE + last)
