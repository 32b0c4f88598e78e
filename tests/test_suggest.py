"""What to label next: against a plain choice over all photos at once, from the command line, and as a page."""

from __future__ import annotations

import re

import browser
import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from scipy.stats import entropy
from typer.testing import CliRunner

from tagging_lib import cli
from tagging_lib.data import pixels
from tagging_lib.data.corpus import open_photos
from tagging_lib.errors import TaggingError
from tagging_lib.inference import folder, predict, suggest
from tagging_lib.report.suggestions import page
from tagging_lib.study.opening import open_study
from tagging_lib.training.batches import PhotoBatches, Preprocessing
from tests.conftest import trained_row


@pytest.fixture
def opened(tiny_corpus, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return open_study(CORPUS=str(tiny_corpus), PROFILE="quick", DEVICE="cpu")


def plainly(model, photos, count):
    """Places of the suggested photos, all at once: uncertain ones by scipy's entropy, unlike ones by a search."""
    answers, described = predict.probabilities(model, photos)
    p = answers.astype(np.float64)
    unsure = entropy(np.stack([p, 1 - p]), base=2, axis=0).mean(axis=1)
    pool = np.argsort(-unsure, kind="stable")[: min(10 * count, len(photos) // 2)]
    tagger, _ = folder.load(model)
    spec = described["network"]
    stored = spec["preprocessing"]
    preprocessing = Preprocessing(tuple(stored["mean"]), tuple(stored["std"]), stored["side"])
    decoded = np.concatenate(list(pixels.blocks(photos, spec["kept_side"], pixels.Framing(spec["framing"]))))
    batches = PhotoBatches(decoded, np.zeros((len(decoded), 1), dtype=np.uint8), preprocessing, side=spec["side"])
    with torch.inference_mode():
        seen = np.concatenate([tagger.backbone(x).float().numpy() for x, _ in batches.plain(pool)]).astype(np.float64)
    seen /= np.linalg.norm(seen, axis=1, keepdims=True)
    chosen = [0]
    while len(chosen) < count:
        apart = np.linalg.norm(seen[:, None] - seen[chosen][None], axis=2).min(axis=1)
        chosen.append(int(apart.argmax()))
    return pool[chosen], unsure[pool[chosen]]


@pytest.mark.parametrize("chunk", [256, 16])
def test_the_suggestions_are_those_of_a_plain_search_however_the_photos_come(opened, monkeypatch, chunk, float32):
    result = trained_row(opened, "lite0_head")
    photos = open_photos(opened.corpus.root / "images")
    places, unsure = plainly(result.folder, photos, 7)
    monkeypatch.setattr(pixels, "CHUNK", chunk)
    table = suggest.suggest(result.folder, photos, 7)
    assert table.photo.tolist() == [photos.photos[place] for place in places]
    np.testing.assert_allclose(table.uncertainty, unsure, atol=1e-4)
    assert table["rank"].tolist() == list(range(1, 8)) and table.attrs["places"].tolist() == places.tolist()
    assert (np.diff(table.distance[1:]) <= 1e-9).all(), "each next one is nearer to those before"


def test_labels_and_doubts_are_those_of_the_model(opened):
    result = trained_row(opened, "lite0_head")
    photos = open_photos(opened.corpus.root / "images")
    table = suggest.suggest(result.folder, photos, 5)
    answers, described = predict.probabilities(result.folder, photos)
    tagged = predict.tagged(photos, answers, described)
    for line, place in zip(table.itertuples(), table.attrs["places"], strict=True):
        assert line.labels == tagged["labels"][place]
        nearest = np.argsort(abs(answers[place] - 0.5))[:3]
        assert line.unsure.split(";") == [f"{described['labels'][i]} {answers[place][i]:.2f}" for i in nearest]


def test_more_than_there_are_are_all_of_them_and_none_is_a_mistake(opened):
    result = trained_row(opened, "ffn1")
    photos = open_photos(opened.corpus.root / "images")
    assert sorted(suggest.suggest(result.folder, photos, 500).photo) == sorted(photos.photos)
    with pytest.raises(TaggingError, match="photos is 0: ask for 1 or more"):
        suggest.suggest(result.folder, photos, 0)


def test_features_are_what_the_head_answers_from(opened):
    tagger, _ = folder.load(trained_row(opened, "lite0_head").folder)
    x = torch.rand(2, 3, 64, 64)
    with torch.inference_mode():
        features = tagger.features(x)
        assert features.shape == (2, tagger.n_features) and features.dtype == torch.float32
        torch.testing.assert_close(tagger.head(features), tagger(x))


def test_the_command_writes_a_table_and_a_page(opened, tmp_path):
    trained_row(opened, "ffn1")
    images = opened.corpus.root / "images"
    Image.open(images / "im1.png").save(images / "<b>&.png")
    (images / "im9.png").write_bytes(b"broken")
    asked = ["suggest", "ffn1", str(images), "--photos", "59", "--out", "next", "--device", "cpu"]
    with pytest.raises(TaggingError, match=r"im9\.png"):
        CliRunner().invoke(cli.app, asked, catch_exceptions=False)
    shown = CliRunner().invoke(cli.app, [*asked, "--skip-broken"])
    assert shown.exit_code == 0, shown.output
    assert "59 of 60 photos to label next: next/suggestions.csv, next/suggestions.html" in shown.output
    table = pd.read_csv("next/suggestions.csv", keep_default_na=False)
    assert list(table.columns) == suggest.COLUMNS and len(set(table.photo)) == 59 and "im9.png" not in set(table.photo)
    html = (tmp_path / "next" / "suggestions.html").read_text(encoding="utf-8")
    assert html.count("data:image/webp;base64,") == 59
    assert "<b>&.png" not in html and "<script" not in html and not re.search(r"https?://", html)
    if "<b>&.png" in set(table.photo):
        assert "&lt;b&gt;&amp;.png" in html
    ranks = [int(rank) for rank in re.findall(r'class="rank">(\d+)<', html)]
    assert ranks == list(range(1, 60))


@pytest.mark.parametrize("width", [420, 1280])
def test_the_page_shows_every_photo_and_nothing_sticks_out(opened, tmp_path, width):
    if browser.find() is None:
        pytest.skip("no browser")
    result = trained_row(opened, "ffn1")
    photos = open_photos(opened.corpus.root / "images")
    table = suggest.suggest(result.folder, photos, 12)
    page.write(table, suggest.chosen(photos, table), tmp_path / "s.html", model="ffn1", looked_at=len(photos))
    running = browser.Browser(tmp_path / "browser")
    tab = running.tab((tmp_path / "s.html").as_uri(), width=width)
    assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
    loaded = "Promise.all([...document.images].map(i => { i.loading = 'eager'; return i.decode(); }))"
    assert tab.evaluate(f"{loaded}.then(() => document.images.length)") == 12 and tab.events("Log.entryAdded") == []
    assert table.photo.tolist() == tab.evaluate("[...document.querySelectorAll('.name')].map(e => e.textContent)")
    running.close()


def test_a_page_of_very_many_names_what_it_leaves_out(opened, tmp_path, monkeypatch):
    result = trained_row(opened, "ffn1")
    photos = open_photos(opened.corpus.root / "images")
    table = suggest.suggest(result.folder, photos, 12)
    monkeypatch.setattr(page, "MOST", 5)
    page.write(table, suggest.chosen(photos, table), tmp_path / "s.html", model="ffn1", looked_at=len(photos))
    html = (tmp_path / "s.html").read_text(encoding="utf-8")
    assert html.count("data:image/webp") == 5 and "7 more are in the list alone" in html
