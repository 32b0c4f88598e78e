"""What people would use instead, each as its own documentation shows it: `python -m benchmarks.contenders NAME JOB.json`.

A job names photos with their labels and parts, a network of torchvision and a file of its weights. Each contender answers the
photos of validation and test; `rivals.py` starts it in a fresh process, scores the answers and measures the process.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torchvision
from PIL import Image
from safetensors.torch import load_file

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
ANSWERED = ("validation", "test")
BATCH = 64


def network(job: dict[str, Any]) -> torch.nn.Module:
    """torchvision's network with the weights of the job's file; its classifier stays as it was drawn."""
    built = getattr(torchvision.models, job["network"])(weights=None)
    state = load_file(job["weights"])
    missing, unexpected = built.load_state_dict(state, strict=False)
    if unexpected or any(not name.startswith(("classifier", "fc")) for name in missing):
        raise ValueError(f"{job['weights']} is not of {job['network']}: {(unexpected or missing)[:3]}")
    return built


class Photos(torch.utils.data.Dataset):
    """Photos of the job, float32 (3, S, S), normalised."""

    def __init__(self, job: dict[str, Any]):
        self.photos, self.side = job["photos"], job["side"]
        mean, std = (torch.tensor(values).view(3, 1, 1) for values in (MEAN, STD))
        self.mean, self.std = mean, std

    def __len__(self) -> int:
        return len(self.photos)

    def __getitem__(self, row: int) -> torch.Tensor:
        with Image.open(self.photos[row]) as opened:
            photo = opened.convert("RGB").resize((self.side, self.side), Image.Resampling.BICUBIC)
        return (torch.from_numpy(np.array(photo)).permute(2, 0, 1) / 255 - self.mean) / self.std


def plain(job: dict[str, Any]) -> dict[str, np.ndarray]:
    """Features of the frozen network, then scikit-learn: standardised, one logistic regression for each label."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    built = network(job).eval().to(memory_format=torch.channels_last)
    built.classifier = torch.nn.Identity()
    loader = torch.utils.data.DataLoader(Photos(job), batch_size=BATCH, num_workers=job["cores"])
    with torch.inference_mode():
        features = torch.cat([built(x.contiguous(memory_format=torch.channels_last)) for x in loader]).numpy()
    targets, parts = np.array(job["targets"]), np.array(job["parts"])
    model = make_pipeline(StandardScaler(), OneVsRestClassifier(LogisticRegression(max_iter=1000), n_jobs=job["cores"]))
    model.fit(features[parts == "train"], targets[parts == "train"])
    return {part: model.predict_proba(features[parts == part]) for part in ANSWERED}


def fastai(job: dict[str, Any]) -> dict[str, np.ndarray]:
    """`vision_learner`, its body frozen, then `fit_one_cycle`, with the augmentation that fastai proposes."""
    import pandas as pd
    from fastai.vision.all import (
        ColReader,
        ColSplitter,
        DataBlock,
        ImageBlock,
        MultiCategoryBlock,
        Normalize,
        Resize,
        aug_transforms,
        vision_learner,
    )

    targets, parts, labels = np.array(job["targets"]), np.array(job["parts"]), job["labels"]
    frame = pd.DataFrame({"photo": job["photos"], "part": parts})
    frame["labels"] = [";".join(labels[place] for place in np.flatnonzero(line)) for line in targets]
    frame["is_valid"] = frame.part == "validation"
    block = DataBlock(
        blocks=(ImageBlock, MultiCategoryBlock(vocab=labels)),
        get_x=ColReader("photo"),
        get_y=ColReader("labels", label_delim=";"),
        splitter=ColSplitter(),
        item_tfms=Resize(job["side"]),
        batch_tfms=[*aug_transforms(), Normalize.from_stats(MEAN, STD)],
    )
    workers = job["cores"]
    learning = frame[frame.part != "test"].reset_index(drop=True)
    loaders = block.dataloaders(learning, bs=BATCH, num_workers=workers)
    built = getattr(torchvision.models, job["network"])
    learner = vision_learner(loaders, built, pretrained=False, normalize=False, loss_func=torch.nn.BCEWithLogitsLoss())
    body = next(iter(learner.model[0].children()))  # with weights of the job's file in the place of a download's
    body.load_state_dict(network(job).features.state_dict())
    learner.freeze()
    with learner.no_bar(), learner.no_logging():
        learner.fit_one_cycle(job["epochs"])
        answers = {}
        for part in ANSWERED:
            asked = loaders.test_dl(frame[frame.part == part].reset_index(drop=True), bs=BATCH, num_workers=workers)
            answers[part] = learner.get_preds(dl=asked, act=torch.sigmoid)[0].numpy()
    return answers


CONTENDERS: dict[str, Callable[[dict[str, Any]], dict[str, np.ndarray]]] = {"fastai": fastai, "plain": plain}


def main(name: str, job_file: str) -> None:
    """Answer the job, and write the probabilities beside it as `NAME.npz`."""
    job = json.loads(Path(job_file).read_text(encoding="utf-8"))
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", job["cores"])))
    torch.manual_seed(job["seed"])
    np.savez(Path(job_file).with_name(f"{name}.npz"), **CONTENDERS[name](job))


if __name__ == "__main__":
    main(*sys.argv[1:])
