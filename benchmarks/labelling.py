"""Whether photos that `tagging suggest` names teach a head more than photos by chance, on a corpus whose labels are all known.

    python -m benchmarks.labelling CORPUS [--row lite2_head_384] [--start 200] [--photos 100] [--rounds 4] [--seeds 42,43,44]

A head learns from `start` training photos; in each round it asks for so many more, gets their labels, and learns anew. Features
are computed once. Thresholds are those of the whole validation part, which someone with so few labels would not have; both
ways have the same.
"""

from __future__ import annotations

import argparse
import copy
import dataclasses
import sys
import tempfile
from pathlib import Path

import numpy as np

from tagging_lib.errors import TaggingError
from tagging_lib.evaluation import acquisition, metrics, thresholds
from tagging_lib.models import predict
from tagging_lib.progress import quiet
from tagging_lib.runs import rows, trainer
from tagging_lib.runs.key import weights_source
from tagging_lib.runs.setting import Setting
from tagging_lib.study.opening import open_study
from tagging_lib.training import fit

CHANCE, SUGGESTED = "by chance", "as tagging suggest does"


class Labelling:
    """One row on one split, whose training photos get their labels little by little."""

    def __init__(self, setting: Setting, row: str, seed: int):
        self.setting, self.experiment = setting, rows.find(row).with_seed(seed)
        if not self.experiment.is_frozen:
            raise TaggingError(f"{row} has no features that are computed once: choose a row of a head: {rows.RECOMMENDED[0]}")
        self.training = trainer.prepare(self.experiment, setting, weights_source(self.experiment, setting))
        self.start = copy.deepcopy(self.training.module.state_dict())

    def learn(self, labelled: np.ndarray) -> tuple[float, float]:
        """Test micro-F1 and macro-F1 of a head that has learnt from these photos, int64 places in the corpus."""
        small = dataclasses.replace(self.setting, split=dataclasses.replace(self.setting.split, train=np.sort(labelled)))
        self.training.module.load_state_dict(self.start)
        with tempfile.TemporaryDirectory() as scratch, quiet(fit.logger):
            trainer.learn(self.training, self.experiment, small, self.training.batches, Path(scratch) / "checkpoint")
        threshold = thresholds.best_on_grid(small.truth("validation"), self.answer(small.indices("validation")))
        score = metrics.score(small.truth("test"), thresholds.apply(self.answer(small.indices("test")), threshold))
        return score["micro_f1"], score["macro_f1"]

    def answer(self, indices: np.ndarray) -> np.ndarray:
        """Probabilities float32 (n, L) by the head as it is."""
        return predict.predict(self.training.module, self.training.batches, indices)

    def suggested(self, pool: np.ndarray, count: int) -> np.ndarray:
        """The photos of `pool` that `tagging suggest` would name, the first to be labelled first."""
        unsure = np.argsort(-acquisition.uncertainty(self.answer(pool)), kind="stable")
        near = pool[unsure[: acquisition.pool_size(count, len(pool))]]
        features = np.concatenate([x.numpy() for x, _ in self.training.batches.plain(near)])
        return near[acquisition.farthest_first(features, count)[0]]


def course(labelling: Labelling, choice: str, start: int, photos: int, rounds: int, seed: int) -> list[tuple[float, float]]:
    """Micro-F1 and macro-F1 on test, from the first labelled photos and after each round."""
    random = np.random.default_rng(seed)
    order = random.permutation(labelling.setting.indices("train"))
    labelled, pool = order[:start], order[start:]
    scores = [labelling.learn(labelled)]
    for _ in range(rounds):
        wanted = random.choice(pool, photos, replace=False) if choice == CHANCE else labelling.suggested(pool, photos)
        labelled, pool = np.concatenate([labelled, wanted]), np.setdiff1d(pool, wanted)
        scores.append(labelling.learn(labelled))
    return scores


def compared(corpus: str, row: str, start: int, photos: int, rounds: int, seeds: list[int], **opened: str) -> list[str]:
    """One line for each number of labelled photos: both ways, and their difference over the splits."""
    found: dict[str, list] = {CHANCE: [], SUGGESTED: []}
    for seed in seeds:
        labelling = Labelling(open_study(corpus, "cpu", SEED=seed, DEVICE="cpu", **opened).setting, row, seed)
        for choice, courses in found.items():
            courses.append(course(labelling, choice, start, photos, rounds, seed))
    chance, suggested = (np.array(courses) for courses in found.values())  # (splits, rounds + 1, 2)
    lines = [f"{row}, mean of {len(seeds)} splits: test micro-F1 / macro-F1 {CHANCE}, {SUGGESTED}, difference (of the splits)"]
    for step in range(rounds + 1):
        (a, b), (c, d) = chance[:, step].mean(axis=0), suggested[:, step].mean(axis=0)
        apart = suggested[:, step, 0] - chance[:, step, 0]
        told = f"{c - a:+.4f} ({apart.min():+.4f} – {apart.max():+.4f}), macro {d - b:+.4f}"
        lines.append(f"{start + step * photos:6d} photos: {a:.4f} / {b:.4f}   {c:.4f} / {d:.4f}   {told}")
    return lines


def main(arguments: list[str]) -> int:
    """Measure what the command line asks for, and print it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.labelling", description=__doc__.partition("\n")[0])
    parser.add_argument("corpus", help="as tagging takes it: a folder, a zip, or zips joined by commas")
    parser.add_argument("--row", default=rows.RECOMMENDED[0], help="a frozen row")
    parser.add_argument("--start", type=int, default=200, help="photos that are labelled at first")
    parser.add_argument("--photos", type=int, default=100, help="of each round")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--seeds", default="42,43,44", help="of splits")
    parser.add_argument("--outputs", default="outputs", help="where features are kept")
    parser.add_argument("--data", default="data", help="where zips are unpacked")
    parser.add_argument("--weights", default="", help="folder with weights")
    asked = parser.parse_args(arguments)
    seeds = [int(seed) for seed in asked.seeds.split(",")]
    opened = {"OUTPUTS": asked.outputs, "DATA": asked.data, "WEIGHTS": asked.weights}
    lines = compared(asked.corpus, asked.row, asked.start, asked.photos, asked.rounds, seeds, **opened)
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
