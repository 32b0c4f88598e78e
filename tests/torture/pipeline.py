"""A whole study in a second: corpus, cache, split, rows of every kind, a figure, a table, a notebook's page, the report."""

from __future__ import annotations

import contextlib
import encodings
import hashlib
import importlib
import pkgutil
from pathlib import Path
from typing import Any

import numpy as np

SIDE = 16  # pixels
PHOTOS = 40
NETWORK = "timm:test_resnet"


def import_everything() -> None:
    """What a child would import; without a step of training, which would start threads that a fork does not copy."""
    import matplotlib
    import torch

    matplotlib.use("Agg")
    import matplotlib.pyplot
    import pandas
    import timm  # noqa: F401

    # Children that become another user may not be allowed to read the interpreter's own files any more.
    for module in pkgutil.iter_modules(encodings.__path__, "encodings."):
        with contextlib.suppress(ImportError):  # some are of other systems
            importlib.import_module(module.name)
    import tagging_lib
    from tagging_lib import declared
    from tagging_lib.models import zoo

    for module in pkgutil.walk_packages(tagging_lib.__path__, "tagging_lib."):
        importlib.import_module(module.name)
    declared.versions(declared.ROWS)  # kept by every child, so that nobody who edits the library meanwhile disturbs the trials
    torch.set_num_threads(1)
    torch.set_num_interop_threads(1)
    zoo.build(NETWORK, 3, side=32)
    # The first figure and the first table read fonts and formats.
    figure = matplotlib.pyplot.figure()
    figure.savefig("/dev/null", format="png")
    matplotlib.pyplot.close(figure)
    pandas.DataFrame({"a": [1.5]}).to_csv()


def corpus_at(folder: Path) -> Path:
    """The tiny corpus, drawn anew: its name is part of what caches are called."""
    from tests.conftest import draw_corpus

    return folder / "tiny" if (folder / "tiny").exists() else draw_corpus(folder / "tiny", photos=PHOTOS, side=SIDE)


def open_setting(folder: Path, device: str = "cpu", **changes: Any):
    from tagging_lib.data import pixels, splits
    from tagging_lib.data.corpus import Corpus
    from tagging_lib.runs.setting import Setting

    corpus = Corpus.open(folder / "tiny")
    given = {
        "corpus": corpus,
        "pixels": pixels.load(corpus, SIDE, cache_dir=folder / "data" / "cache"),
        "split": splits.split(corpus, seed=42),
        "device": device,
        "outputs": folder / "outputs",
    }
    return Setting(**(given | changes))


def rows() -> list:
    """A baseline with batch norm, a head on cached augmented features, and a last stage above a frozen backbone."""
    from tagging_lib.runs.rows import Experiment
    from tagging_lib.training.recipe import Recipe

    def recipe(**changes: Any) -> Recipe:
        return Recipe(**({"epochs": 3, "batch_size": 8, "learning_rate": 0.05, "augmentation": "flip"} | changes))

    return [
        Experiment("baseline", "Baseline", "baselines", "ffn1", side=SIDE, recipe=recipe()),
        Experiment("head", "Head", "transfer", NETWORK, trained="head", side=32, views=2, recipe=recipe(optimizer="adamw")),
        Experiment(
            "stage",
            "Last stage",
            "transfer",
            NETWORK,
            trained="last-stage",
            dropout=0.5,
            side=32,
            recipe=recipe(augmentation="none", epochs=2),
        ),
    ]


def digest(array: np.ndarray) -> str:
    array = np.ascontiguousarray(array)
    return hashlib.sha256(f"{array.dtype}{array.shape}".encode() + array.tobytes()).hexdigest()


def outcome(result) -> dict[str, Any]:
    """What must be the same bits again: probabilities, the model, and the history but for its seconds."""
    from tagging_lib import files
    from tagging_lib.runs import run

    return {
        "validation": digest(result.probabilities("validation")),
        "test": digest(result.probabilities("test")),
        "truth validation": digest(result.setting.truth("validation")),
        "truth test": digest(result.setting.truth("test")),
        "model": files.sha256(run._model(result)),
        "history": result.history.drop(columns=["seconds", "processor_seconds"]).to_csv(index=False),
    }


def everything(folder: Path) -> dict[str, Any]:
    """Do all that a study does to files, or continue it, and return what came out."""
    from matplotlib.figure import Figure

    from tagging_lib import files
    from tagging_lib.data import splits
    from tagging_lib.runs import run
    from tagging_lib.study.profiles import QUICK
    from tagging_lib.study.study import Study
    from tagging_lib.workflow import publish

    setting = open_setting(folder)
    study = Study(setting, QUICK, 42)
    splits.write_csv(setting.split, setting.corpus, study.work / "tables" / "split.csv")
    results = [run.run(row, setting) for row in rows()]
    found = {result.name: outcome(result) for result in results}
    figure = Figure(figsize=(2, 1))
    figure.add_subplot().plot(results[0].history.train_loss)
    study.save_figure(figure, "01_loss")
    study.save_table(results[0].history.drop(columns=["seconds", "processor_seconds"]), "01_history")
    finish_notebook(study.outputs)
    index = publish.build_report(study.outputs)
    found["pixels"] = digest(setting.pixels)
    found["table"] = (index.parent / "tables" / "01_history.csv").read_text()
    found["page"] = (index.parent / "01_tiny.html").exists()
    files.write_json(folder / "outputs" / "done.json", found)
    return found


def finish_notebook(outputs: Path) -> None:
    """A finished notebook and its record, as the runner leaves them."""
    import nbformat

    from tagging_lib import files

    cells = [nbformat.v4.new_markdown_cell("# 1 · Tiny\n\nWhat?"), nbformat.v4.new_code_cell('S.save_figure(f, "01_loss")')]
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number}"
    files.write_text(outputs / "work" / "01_tiny.ipynb", nbformat.writes(nbformat.v4.new_notebook(cells=cells)))
    made = ["work/figures/01_loss.png", "work/figures/01_loss.svg", "work/tables/01_history.csv"]
    files.write_json(
        outputs / "work" / "01_tiny.json",
        {"key": "k", "parameters": {"SEED": 42}, "started": "2026-01-01T00:00:00+00:00", "seconds": 1.0, "files": made},
    )
