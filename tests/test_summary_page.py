"""The page of one training: every number from its arrays by scikit-learn, nothing active, small with hundreds of labels."""

from __future__ import annotations

import base64
import hashlib
import io
import re
import shutil

import browser
import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import f1_score
from typer.testing import CliRunner

from tagging_lib import cli
from tagging_lib.data.corpus import Corpus
from tagging_lib.data.splits import split
from tagging_lib.report.summary import page
from tagging_lib.runs import kept, rows
from tagging_lib.runs.kept import Kept
from tagging_lib.runs.result import Result
from tagging_lib.runs.setting import Setting
from tagging_lib.study.opening import open_study
from tests.conftest import trained_row

EVIL = "<script>alert(1)</script>"
ENVIRONMENT = {"processor": "a processor", "cores": 2, "device": "cpu"}


class Answers(Kept):
    """A row's answers in memory."""

    def arrays(self, name="probabilities"):
        return self.facts[name]

    @property
    def history(self):
        import pandas as pd

        return pd.DataFrame({"epoch": range(1, 6)})


@pytest.fixture
def photos(tmp_path):
    """Photos of 90 × 60 px, each of a shade of its own; call it with a number, and labels for each."""

    def draw(labels, targets):
        names = [f"{'a & <b>' if number % 9 == 0 else 'photo'} {number}.png" for number in range(len(targets))]
        for number, name in enumerate(names):
            Image.new("RGB", (90, 60), (number % 250, 90, 30)).save(tmp_path / name)
        return Corpus("my photos", tmp_path, labels, tuple(names), np.arange(len(names)) + 1, targets, read_as="made up")

    return draw


def finished(corpus, probabilities, outputs):
    """A finished row of these probabilities (N, L) of all photos."""
    pixels = np.zeros((len(corpus), 4, 4, 3), np.uint8)
    setting = Setting(corpus, pixels, split(corpus), "cpu", outputs)
    parts = {part: probabilities[setting.indices(part)] for part in ("validation", "test")}
    facts = {"weights": EVIL, "best_epoch": 3, "train_seconds": 65.0, "feature_seconds": 5.0, "environment": ENVIRONMENT}
    return Result(rows.find("lite0_head"), setting, "key", Answers(outputs / "run", facts | {"probabilities": parts}))


@pytest.fixture
def result(photos, tmp_path):
    random = np.random.default_rng(2)
    targets = np.zeros((400, 5), np.uint8)
    for column, share in enumerate((0.5, 0.3, 0.3, 0.02, 0.0)):
        targets[:, column] = random.random(400) < share
    noise = np.array([0.15, 0.15, 0.9, 0.15, 0.15])  # the third label is guessed
    probabilities = np.clip(0.1 + 0.8 * targets + noise * random.standard_normal(targets.shape), 0.001, 0.999)
    corpus = photos(("dog", EVIL, "guessed", "rare", "never"), targets)
    return finished(corpus, probabilities.astype(np.float32), tmp_path)


def text_of(html):
    return " ".join(re.sub("<[^>]+>", " ", html.split("<body", 1)[1]).split())


def test_scores_are_those_of_scikit_learn(result):
    html = page.page(result)
    truth, given = result.setting.truth("test"), result.predictions("test")
    table = html.split("<tbody>")[1].split("</tbody>")[0]
    (model, constant) = (re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in table.split("</tr>")[:2])
    assert model[1].startswith(f"{f1_score(truth, given, average='micro'):.3f} [")
    defined = truth.any(axis=0)
    assert model[2] == f"{f1_score(truth[:, defined], given[:, defined], average='macro'):.3f}"
    always = np.zeros_like(truth)
    always[:, :2] = 1  # by hand: on training photos these two give the best F1
    assert constant[0] == "Constant answer: dog and &lt;script&gt;alert(1)&lt;/script&gt;"
    assert constant[1].startswith(f"{f1_score(truth, always, average='micro'):.3f} [")
    assert "It is better than the constant answer by +" in html


def test_labels_stand_under_what_can_be_said_of_them(result):
    html = page.page(result)
    found = {}
    for group in html.split('<tbody class="group')[1:]:
        heading, *labels = re.findall(r'<th scope="row(?:group)?"[^>]*>(.*?)</th>', group.split("</tbody>")[0])
        found[heading] = labels
    assert sorted(found.pop("Reliable")) == ["&lt;script&gt;alert(1)&lt;/script&gt;", "dog"]
    assert found == {"Not reliable": ["guessed"], "Too few photos to tell": ["rare", "never"]}
    assert "2 of 5 labels can be relied on" in text_of(html)


def test_the_surest_errors_are_shown_with_their_photos(result):
    html = page.page(result)
    truth, probabilities = result.setting.truth("test"), result.probabilities("test")
    wrong = np.where(truth == 0, probabilities, -1)
    place, column = np.unravel_index(wrong.argmax(), wrong.shape)
    index = result.setting.indices("test")[place]
    first = html.split('<ul class="shots">')[1].split("</li>")[0]
    label = result.setting.corpus.labels[column]
    assert f"<strong>{label}</strong> {wrong.max():.2f}" in first
    name = result.setting.corpus.photos[index].replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    assert f'alt="{name}"' in first
    image = Image.open(io.BytesIO(base64.b64decode(re.findall("base64,([^\"]+)", first)[0])))
    assert image.size == (160, 107) or image.size == (160, 106)  # all of 90 × 60, without the bars
    assert abs(np.asarray(image.convert("RGB"))[50, 80].astype(int) - [index % 250, 90, 30]).max() < 12
    assert html.count("<img ") <= 2 * page.ERRORS


def test_nothing_in_it_is_active_and_it_loads_nothing(result):
    html = page.page(result, corpus=f"my {EVIL}", not_in_timm=EVIL)
    assert "<script" not in html and "http" not in html.split("</head>")[1] and 'style="' not in html
    policy = re.search('content="(default-src[^"]*)"', html)[1].replace("&#39;", "'")
    style = re.search("<style>(.*?)</style>", html, re.S)[1]
    assert "default-src 'none'; img-src data:;" in policy
    assert f"'sha256-{base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()}'" in policy


def test_commands_can_be_copied(result):
    html = page.page(result, corpus="my photos", read="layout=table hierarchy=path", folder="out puts/runs/x")
    text = text_of(html).replace("&#39;", "'").replace("&#34;", '"')
    assert "tagging predict 'out puts/runs/x' more-photos --out tagged" in text
    assert "tagging train --corpus 'my photos' --layout table --read hierarchy=path" in text
    assert "./run_all.sh --corpus 'my photos' --layout table --read hierarchy=path" in text
    assert "timm.create_model('local-dir:out puts/runs/x', pretrained=True)" in text
    assert "does not open in timm: no such network." in text_of(page.page(result, not_in_timm="no such network"))


def test_hundreds_of_labels_show_the_most_frequent_and_count_the_others(photos, tmp_path):
    random = np.random.default_rng(1)
    labels = tuple(f"label {number:03d} {'x' * 30}" for number in range(300))
    targets = (random.random((500, 300)) < np.linspace(0.4, 0.004, 300)).astype(np.uint8)
    probabilities = np.clip(0.1 + 0.8 * targets + 0.1 * random.standard_normal(targets.shape), 0.001, 0.999)
    html = page.page(finished(photos(labels, targets), probabilities.astype(np.float32), tmp_path))
    listed = re.findall(r'<th scope="row">(label[^<]*)</th>', html)
    counts = targets[split(photos(labels, targets)).train].sum(axis=0)
    assert len(listed) == 40 and min(counts[labels.index(label)] for label in listed) > np.median(counts)
    others = re.search(r"260 more labels, on (\d+) photos of training and test at most, are not listed: (.*?)\.<", html)
    assert sum(int(number) for number in re.findall(r"(\d+) ", others[2])) == 260
    assert len(html) < 250_000


def test_a_model_that_knows_nothing_is_told_not_to_be_used(photos, tmp_path):
    random = np.random.default_rng(0)
    targets = (random.random((400, 2)) < 0.5).astype(np.uint8)
    html = page.page(finished(photos(("a", "b"), targets), np.full((400, 2), 0.6, np.float32), tmp_path))
    assert "no significant difference" in html and "None of its 2 labels can be relied on" in text_of(html)


def test_the_command_writes_the_page_and_says_where(tiny_corpus, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    asked = ["train", "lite0_head", "--corpus", "tiny", "--profile", "quick", "--device", "cpu"]
    shown = CliRunner().invoke(cli.app, asked)
    assert shown.exit_code == 0, shown.output
    (path,) = re.findall("summary: (.*)", shown.output)
    html = (tmp_path / path).read_text(encoding="utf-8")
    assert "Toy scale" in html and "./run_all.sh --corpus tiny" in html and "local-dir:outputs/runs/lite0_head/" in html
    assert (tmp_path / path).with_name("config.json").exists()
    # Rows of notebooks keep small files.
    other = trained_row(open_study(CORPUS="tiny", PROFILE="quick", DEVICE="cpu"), "lite0_head_224")
    assert {"summary.html", "config.json", "README.md"}.isdisjoint(path.name for path in other.folder.iterdir())
    assert other.model_file.name == "model.safetensors" and other.model_file.stat().st_size < 100_000
    baseline = CliRunner().invoke(cli.app, ["train", "ffn1", *asked[2:]])
    assert baseline.exit_code == 0 and "does not open there: timm has no network ffn1" in baseline.output


def test_a_row_of_which_a_report_carries_the_answers_alone_is_trained(tiny_corpus, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    study = open_study(CORPUS="tiny", PROFILE="quick", DEVICE="cpu")
    first = trained_row(study, "lite0_head")
    kept.publish(first.kept, kept.published_folder(study.outputs) / first.name / first.key)
    shutil.rmtree(study.outputs / "runs")
    assert not trained_row(study, "lite0_head").has_network, "the study needs no more than the answers"
    shown = CliRunner().invoke(cli.app, ["train", "lite0_head", "--corpus", "tiny", "--profile", "quick", "--device", "cpu"])
    assert shown.exit_code == 0 and "summary: " in shown.output, shown.output
    assert trained_row(study, "lite0_head").has_network


@pytest.mark.skipif(browser.find() is None, reason="no Chromium is installed")
@pytest.mark.parametrize("width", [1280, 420])
def test_a_browser_shows_it_without_a_complaint_and_without_scrolling_sideways(result, tmp_path, width):
    html = page.page(result, folder="outputs/runs/lite0_head_224/0123456789abcdef")
    (tmp_path / "summary.html").write_text(html, encoding="utf-8")
    opened = browser.Browser(tmp_path / "browser")
    try:
        tab = opened.tab((tmp_path / "summary.html").as_uri(), width=width)
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
        assert tab.evaluate("[...document.images].every(image => image.complete && image.naturalWidth > 0)")
        assert tab.evaluate("[...document.querySelectorAll('.scroll')].every(one => one.scrollWidth <= one.clientWidth)")
        light = tab.evaluate("getComputedStyle(document.body).backgroundColor")
        tab.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark"}])
        dark = tab.evaluate("[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]")
        assert light == "rgb(255, 255, 255)" and dark == ["rgb(21, 25, 29)", "rgb(228, 231, 234)"]
        assert tab.events("Log.entryAdded") == [] and tab.events("Runtime.exceptionThrown") == []
    finally:
        opened.close()
