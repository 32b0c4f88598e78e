"""The ten places where the original study misleads, each with tests that fail when the defect is put back."""

from __future__ import annotations

import ast
import dataclasses
import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import MagicMock

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import f1_score, log_loss, precision_score, recall_score
from torch import nn
from typer.testing import CliRunner

from tagging_lib import cli
from tagging_lib.data import splits, statistics
from tagging_lib.data.corpus import Corpus
from tagging_lib.evaluation import metrics
from tagging_lib.models import zoo
from tagging_lib.report import figures, tables
from tagging_lib.runs import original, rows, trainer
from tagging_lib.runs.original import ORIGINAL
from tagging_lib.runs.trainer import compute
from tagging_lib.study import chosen, compare, final
from tagging_lib.study.finishing import Finish
from tagging_lib.study.opening import open_study
from tagging_lib.training.batches import FeatureBatches
from tagging_lib.training.fit import fit
from tagging_lib.training.recipe import Recipe
from tagging_lib.workflow import sources
from tests.conftest import draw_corpus, trained_row

# The headings are numbered as the original's defects.


# ------------------------------------------------------------------------------------------------ 1: frozen layers


@pytest.mark.parametrize("name", ["resnet18", "vgg16_bn", "timm:mobilenetv1_100"])
def test_frozen_means_the_parameters_and_the_statistics(name):
    tagger = zoo.build(name, 2, trained="head", side=32)
    assert not any(parameter.requires_grad for parameter in tagger.backbone.parameters())
    assert all(parameter.requires_grad for parameter in tagger.head.parameters())
    before = {key: value.clone() for key, value in tagger.backbone.state_dict().items()}
    optimizer = torch.optim.SGD([p for p in tagger.parameters() if p.requires_grad], lr=0.1)
    tagger.train()
    tagger(torch.randn(4, 3, 32, 32)).sum().backward()
    optimizer.step()
    assert all(torch.equal(value, before[key]) for key, value in tagger.backbone.state_dict().items())


def test_rows_say_which_of_them_are_full_fine_tunes():
    for name in ("resnet34", "resnet50", "resnet101", "resnet152"):
        assert rows.find(name).trained == "all"
        assert rows.find(f"{name}_head").trained == "head" and "head only" in rows.find(f"{name}_head").title
    assert rows.find("vgg16").trained == rows.find("vgg16_bn").trained == "head"


# ---------------------------------------------------------------------------------------------------- 2: dropout


@pytest.mark.parametrize("name", ["resnet18", "vgg16", "timm:mobilenetv1_100", "ffn1"])
def test_a_row_with_dropout_drops(name):
    assert rows.find("resnet50_noaug_dropout").dropout == rows.find("mobilenetv1_head_dropout").dropout == 0.5
    answers = {}
    for dropout in (0.0, 0.5):
        head = zoo.build(name, 3, trained="head", dropout=dropout, side=32).head.train()
        features = torch.rand(2, next(layer.in_features for layer in head if isinstance(layer, nn.Linear)))
        with torch.no_grad():
            answers[dropout] = (head(features), head(features), head.eval()(features), head(features))
    assert torch.equal(*answers[0.0][:2])
    assert not torch.equal(*answers[0.5][:2])  # two draws
    assert torch.equal(*answers[0.5][2:])  # none when it predicts


@pytest.mark.parametrize("name", ["resnet50_noaug_dropout", "mobilenetv1_head_dropout"])
def test_a_training_of_the_row_drops_at_every_step_and_never_when_it_is_watched(name, tmp_path, monkeypatch):
    """From the row's name to each step of its training: a dropout that is passed on nowhere, or put to sleep, is none."""
    monkeypatch.chdir(tmp_path)
    opened = open_study(CORPUS=str(draw_corpus(tmp_path / "c", photos=40)), PROFILE="quick", DEVICE="cpu")
    row = opened.row(name)
    network = "resnet18" if row.trained == "all" else row.network  # as the row, but small
    row = dataclasses.replace(row, network=network, side=32, recipe=dataclasses.replace(row.recipe, epochs=2))
    prepare, entered, shares = trainer.prepare, [], {"training": [], "watching": []}

    def watched(*args):
        trained = prepare(*args)
        head = trained.tagger.head
        last = [layer for layer in head if isinstance(layer, nn.Linear)][-1]
        head.register_forward_pre_hook(lambda _, inputs: entered.append(inputs[0]))

        def compare(_, inputs):
            features = entered.pop()
            lost = ((inputs[0] == 0) & (features != 0)).sum() / (features != 0).sum()
            shares["watching" if torch.is_inference_mode_enabled() else "training"].append(float(lost))

        last.register_forward_pre_hook(compare)
        return trained

    monkeypatch.setattr(trainer, "prepare", watched)
    compute(row, opened.setting, "none", tmp_path)
    assert len(shares["training"]) >= 2 and all(0.3 < share < 0.7 for share in shares["training"])
    assert len(shares["watching"]) >= 4 and not any(shares["watching"])


# ----------------------------------------------------------------------- 3, 4, 6: what is monitored, and how

N, L = 130, 3
TRAIN, VALIDATION = np.arange(100), np.arange(100, N)
RECIPE = Recipe(epochs=3, batch_size=16, learning_rate=0.05, monitor_photos=24, pos_weight=False, monitor_threshold=0.4)


class Watched(FeatureBatches):
    """Batches that note which photos were asked for, and plain ones in uneven parts."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.evaluation_batch = 7
        self.asked: list[tuple[str, np.ndarray]] = []

    def train(self, indices, epoch):
        self.asked.append(("augmented", indices))
        return super().train(indices, epoch)

    def plain(self, indices):
        self.asked.append(("plain", indices))
        return super().plain(indices)


@pytest.fixture(scope="module")
def trained():
    random = np.random.default_rng(3)
    targets = (random.random((N, L)) < [0.15, 0.4, 0.6]).astype(np.uint8)
    plain = (targets + random.normal(scale=0.7, size=(N, L))).astype(np.float32)
    views = np.stack([plain, plain + 9])  # the second view stands for an augmented one
    torch.manual_seed(0)
    module, batches = nn.Linear(L, L), Watched(views, targets, batch_size=RECIPE.batch_size, seed=1)
    history = fit(module, batches, TRAIN, VALIDATION, RECIPE, pos_weight=None)
    last = history.epochs[history.best_epoch - 1]  # the weights that are kept
    with torch.no_grad():
        probabilities = torch.sigmoid(module(torch.from_numpy(plain[VALIDATION]))).double().numpy()
    return targets[VALIDATION], probabilities, last, batches


def test_the_validation_loss_is_that_of_the_probabilities(trained):
    truth, probabilities, last, _ = trained
    expected = np.mean([log_loss(truth[:, label], probabilities[:, label], labels=[0, 1]) for label in range(L)])
    assert last["validation_loss"] == pytest.approx(expected, rel=1e-5)
    twice = 1 / (1 + np.exp(-probabilities))  # what the original computed
    original = np.mean([log_loss(truth[:, label], twice[:, label], labels=[0, 1]) for label in range(L)])
    assert abs(original - expected) > 0.01


def test_validation_f1_is_that_of_the_set(trained):
    truth, probabilities, last, _ = trained
    given = (probabilities >= RECIPE.monitor_threshold).astype(int)
    expected = f1_score(truth, given, average="micro")
    assert last["validation_f1"] == pytest.approx(expected, abs=1e-6)
    batches = [f1_score(truth[i : i + 7], given[i : i + 7], average="micro") for i in range(0, len(truth), 7)]
    assert abs(np.mean(batches) - expected) > 1e-3  # the two can be told apart here


def test_monitoring_sees_few_training_photos_and_sees_them_as_they_are(trained):
    *_, batches = trained
    augmented = [indices for kind, indices in batches.asked if kind == "augmented"]
    plain = [indices for kind, indices in batches.asked if kind == "plain"]
    assert [len(indices) for indices in augmented] == [len(TRAIN)] * RECIPE.epochs  # once an epoch, to train
    assert [len(indices) for indices in plain] == [RECIPE.monitor_photos, len(VALIDATION)] * RECIPE.epochs


# ----------------------------------------------------------------------------------------- 5: splits and statistics


def test_the_split_does_not_follow_the_order_of_the_directory(tmp_path, monkeypatch):
    folder = draw_corpus(tmp_path / "c", photos=30)
    before = Corpus.open(folder)
    parts = splits.split(before)
    for name in ("listdir", "scandir"):
        listing = getattr(os, name)

        class Turned(list):
            """The entries in the other order, which may be asked for in a `with`, and one by one, as those of scandir are."""

            def __next__(self):
                if not self:
                    raise StopIteration
                return self.pop(0)

            def __enter__(self):
                return self

            def __exit__(self, *_):
                return None

            def close(self):
                return None

        monkeypatch.setattr(
            os, name, lambda *where, listing=listing, kind=Turned: kind(sorted(listing(*where), key=str, reverse=True))
        )
    after = Corpus.open(folder)
    again = splits.split(after)
    assert [before.photos[i] for i in parts.test] == [after.photos[i] for i in again.test]
    assert parts.fingerprint == again.fingerprint


def test_nothing_learnt_in_training_sees_the_test_part(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    opened = open_study(CORPUS=str(draw_corpus(tmp_path / "c")), PROFILE="quick", DEVICE="cpu")
    (weight, mean), expected = _learnt(opened), statistics.pos_weight(opened.targets[opened.indices("train")])
    np.testing.assert_array_equal(weight, expected)
    again = open_study(CORPUS=str(tmp_path / "c"), PROFILE="quick", DEVICE="cpu")
    hidden = np.concatenate([again.indices("validation"), again.indices("test")])
    again.corpus.targets[hidden] ^= 1
    blackened = np.array(again.pixels)
    blackened[hidden] = 0
    object.__setattr__(again.setting, "pixels", blackened)
    for found, before in zip(_learnt(again), (weight, mean), strict=True):
        np.testing.assert_array_equal(found, before)


def _learnt(study):
    return trainer.positive_weight(study.row("ffn1"), study.setting), trainer.corpus_preprocessing(study.setting).mean


@pytest.mark.parametrize("name", ["constant", "ffn1"])
def test_a_row_answers_alike_whatever_the_test_photos_are(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    draw_corpus(tmp_path / "c")
    answers = []
    for other in (False, True):
        opened = open_study(CORPUS=str(tmp_path / "c"), PROFILE="quick", DEVICE="cpu")
        if other:
            hidden = opened.indices("test")
            opened.corpus.targets[hidden] = [1, 0, 0]  # by which the best constant answer changes, too
            blackened = np.array(opened.pixels)
            blackened[hidden] = 0
            object.__setattr__(opened.setting, "pixels", blackened)
        outcome = compute(opened.row(name), opened.setting, "none", tmp_path / f"run{other}")
        answers.append(outcome.probabilities["validation"])
    np.testing.assert_array_equal(*answers)


# ------------------------------------------------------------------------- 7, 9: the constant line and the intervals


@pytest.fixture(scope="module")
def headline(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        opened = open_study(CORPUS=str(draw_corpus(folder / "c", photos=300)), PROFILE="quick", DEVICE="cpu")
        names = [name for name in opened.rows("baselines") if name in ("constant", "ffn1", "ffn2")]
        opened.run(names)
        return compare.headline(opened, names)


def test_the_constant_answer_stands_in_the_table_and_the_figure(headline):
    assert rows.ROWS[0].name == "constant" and rows.ROWS[0].group == "baselines"
    assert "constant" in headline.row.tolist()
    assert "Constant answer" in tables.headline(headline).frame["Row"].tolist()
    figure = figures.forest(headline)
    assert "constant answer" in [text.get_text() for legend in figure.legends for text in legend.get_texts()]


def test_the_original_stands_beside_rows_of_a_corpus_with_its_labels_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    opened = open_study(CORPUS=str(draw_corpus(tmp_path / "c")), PROFILE="quick", DEVICE="cpu")
    trained_row(opened, "ffn1")
    assert np.isnan(compare.headline(opened, ["ffn1"]).original_f1[0])
    monkeypatch.setattr(original, "LABELS", tuple(opened.labels))
    assert compare.headline(opened, ["ffn1"]).original_f1[0] == ORIGINAL["ffn1"].f1


def test_every_score_of_the_headline_has_its_interval(headline):
    assert len(headline) == 3
    assert (headline.low <= headline.micro_f1).all() and (headline.micro_f1 <= headline.high).all()
    constant = headline.set_index("row").loc["constant"]  # the others know this corpus by heart
    assert constant.low < constant.micro_f1 < constant.high
    shown = tables.headline(headline).frame["Micro-F1 [95 %]"]
    assert shown.str.match(r"\d\.\d{3} \[\d\.\d{3}, \d\.\d{3}\]$").all()


def test_every_table_of_rows_in_the_notebooks_has_the_constant_answer():
    """The cells that make the tables, run on a study that only notes which rows it is asked for."""
    tables_found = 0
    for notebook in sorted(sources.FOLDER.glob("*.ipynb")):
        asked: list[list[str]] = []

        def found(names):
            return [SimpleNamespace(name=name, title=name, history=[1] * (name != "constant")) for name in names]

        study = MagicMock(run=found)
        study.rows = lambda group=None: [row.name for row in rows.ROWS if group in (None, row.group)]
        compare = MagicMock(headline=lambda _, names, asked=asked: asked.append(list(names)) or MagicMock())
        cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
        code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
        space = {name: MagicMock() for name in ("figures", "tables", "display", "Markdown")}
        space |= {"STUDY": study, "compare": compare}
        for source in code:
            if "compare.headline(" in source or ("STUDY.run(" in source and "results" in source):
                exec(source, space)
        assert all("constant" in names for names in asked), notebook.name
        tables_found += len(asked)
    assert tables_found >= 4


def test_the_command_prints_the_interval_beside_the_score(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    draw_corpus(tmp_path / "c", photos=300)
    shown = CliRunner().invoke(cli.app, ["train", "constant", "--corpus", "c", "--profile", "quick", "--device", "cpu"])
    low, f1, high = (float(re.search(r"micro-F1 (\S+) \[(\S+), (\S+)\]", shown.output)[i]) for i in (2, 1, 3))
    assert low < f1 < high


# ------------------------------------------------------------------------------------- 8: the final model's score


def test_the_final_model_tells_no_score(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    opened = open_study(CORPUS=str(draw_corpus(tmp_path / "c")), PROFILE="quick", DEVICE="cpu")
    trained_row(opened, "ffn1")
    chosen.save(opened, pd.DataFrame({"row": ["ffn1"], "threshold": [0.4]}))

    def keys(value):
        return {str(k) for k in value} | {k for v in value.values() for k in keys(v)} if isinstance(value, dict) else set()

    described = final.train(opened, SimpleNamespace(best=Finish.RETRAINED))
    told = keys(described)
    assert "history" in told and not [key for key in told if "f1" in key or "score" in key or "precision" in key]
    card = (opened.outputs / "final" / "README.md").read_text(encoding="utf-8")
    assert "No test score can be given" in card
    score = opened.best().score("test")["micro_f1"]
    assert f"{score:.3f}" not in card
    assert not re.findall(r"\b[01]\.\d{3}", card)  # a score is written so

    def numbers(value, key=""):
        if isinstance(value, dict):
            return {name for k, v in value.items() for name in numbers(v, k)}
        if isinstance(value, list | tuple):
            return {name for v in value for name in numbers(v, key)}
        return {key} if isinstance(value, int | float) and not isinstance(value, bool) else set()

    # Whatever it is called, a number that is none of these may be a score.
    counted = {"unlabelled_photos", "photos"}
    known = {"threshold", "train_loss", "seconds", "dropout", "side", "kept_side", "mean", "std", "seed"}
    assert numbers(described) <= counted | known


def test_the_notebook_of_the_final_model_scores_only_the_row_before_it():
    cells = json.loads((sources.FOLDER / "07_final_model.ipynb").read_text(encoding="utf-8"))["cells"]
    code = ast.parse("\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"))
    used = [node for node in ast.walk(code) if isinstance(node, ast.Attribute)]
    asked = {ast.unparse(node.value) for node in used if node.attr in ("score", "interval")}
    assert asked - {"tables"} == {"based_on"}
    assert not {node.attr for node in used} & {"truth", "probabilities", "predictions", "headline"}
    assert "metrics" not in {node.id for node in ast.walk(code) if isinstance(node, ast.Name)}


# ------------------------------------------------------------------------------------ 10: names of truth and answers


def test_truth_and_predictions_are_not_exchanged(tmp_path):
    truth = np.array([[1, 1], [1, 0], [1, 1], [0, 1]])
    given = np.array([[1, 0], [0, 0], [1, 0], [0, 0]])  # nothing wrong, much missed
    metrics.write_savetxt(tmp_path / "truth.txt", truth)
    metrics.write_savetxt(tmp_path / "given.txt", given)
    shown = subprocess.run(
        [sys.executable, "-m", "tagging_lib.cli", "score", "truth.txt", "given.txt"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[1])},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "precision 1.000, recall 0.333" in shown.stdout


def test_a_run_keeps_and_scores_truth_and_answers_under_their_own_names(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    opened = open_study(CORPUS=str(draw_corpus(tmp_path / "c")), PROFILE="quick", DEVICE="cpu")
    result = trained_row(opened, "constant")
    for part in ("validation", "test"):
        truth = opened.targets[getattr(opened.split, part)]
        with np.load(result.folder / "truth.npz", allow_pickle=False) as kept:
            np.testing.assert_array_equal(kept[part], truth)
        with np.load(result.folder / "probabilities.npz", allow_pickle=False) as kept:
            assert (kept[part] == kept[part][0]).all()  # the same answer for every photo
            given = kept[part].astype(int)
        precision, recall = (score(truth, given, average="micro") for score in (precision_score, recall_score))
        assert abs(precision - recall) > 0.05  # the two can be told apart here
        found = result.score(part)
        assert (found["micro_precision"], found["micro_recall"]) == pytest.approx((precision, recall))
    line = compare.headline(opened, ["constant"]).iloc[0]
    assert (line.precision, line.recall) == pytest.approx((precision, recall))


def test_no_file_of_a_run_is_a_pickle(tmp_path, monkeypatch):
    """Whatever writes it, under whatever name: torch and numpy put pickles into zips, others begin with the protocol."""
    monkeypatch.chdir(tmp_path)
    opened = open_study(CORPUS=str(draw_corpus(tmp_path / "c")), PROFILE="quick", DEVICE="cpu")
    compute(opened.row("ffn1"), opened.setting, "none", tmp_path / "outputs" / "runs" / "x")  # its checkpoint stays
    trained_row(opened, "mobilenetv1_head")
    chosen.save(opened, pd.DataFrame({"row": ["mobilenetv1_head"], "threshold": [0.4]}))
    final.train(opened)
    written = [path for path in (tmp_path / "outputs").rglob("*") if path.is_file()]
    assert {"checkpoint.safetensors", "model.safetensors", "probabilities.npz"} <= {path.name for path in written}
    for path in written:
        assert path.suffix not in (".pt", ".pth", ".pkl", ".pickle", ".joblib"), path
        assert not re.match(rb"\x80[\x02-\x05]", path.read_bytes()[:2]), path
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as inside:
                assert not [name for name in inside.namelist() if name.endswith(".pkl")], path
