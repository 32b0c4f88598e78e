"""The page of tagged photos: what it holds and leaves out, and in a real browser its slider and filters against numpy."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
from pathlib import Path

import browser
import numpy as np
import pytest
from PIL import Image

from tagging_lib.evaluation import thresholds
from tagging_lib.inference import shards
from tagging_lib.inference.giving import NEVER, Giving
from tagging_lib.inference.places import Photo
from tagging_lib.report.tagged import page

EVIL = "</script><script>alert(1)</script>"
LABELS = ["beach", EVIL, "dog", "never"]
N, L = 150, len(LABELS)
PLAN = shards.Plan(Path("shards"), "", Path("model"), {"labels": LABELS, "sha256": ""}, N, "", 60)
OWN = Giving(LABELS, np.arange(L), np.array([0.5, 0.3, 0.7, NEVER]))


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """150 photos in three shards, each wider than high, of a colour that says which it is; the fourth is broken."""
    root, random = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    found = np.round(random.random((N, L)), 2).astype(np.float32)  # many are equal, some lie on a threshold
    for place in range(N):
        Image.new("RGB", (90, 60), (place, 100, 200)).save(root / f"im{place}.png")
    photos = [Photo(f"{EVIL if place == 9 else 'trip'}/im{place}.png", str(root / f"im{place}.png")) for place in range(N)]
    broken = ["" if place != 3 else "is no file" for place in range(N)]
    return [
        shards.Answers(first, photos[first : first + 60], broken[first : first + 60], found[first : first + 60])
        for first in range(0, N, 60)
    ]


@pytest.fixture
def write(answers, monkeypatch, tmp_path):
    monkeypatch.setattr(page.shards, "read", lambda plan: iter(answers))

    def written(giving=OWN, most=page.MOST):
        shown = page.write(PLAN, giving, tmp_path, most)
        return shown, shown.path.read_text(encoding="utf-8")

    return written


def data_of(html):
    return json.loads(re.search(r'<script type="application/json" id="data">([^<]*)</script>', html)[1])


def thumbnails_of(html):
    return re.search(r'<script type="text/plain" id="photos">([^<]*)</script>', html)[1].split("\n")


def sound(answers):
    return np.delete(np.concatenate([each.probabilities for each in answers]), 3, axis=0)


def values_of(data):
    return np.frombuffer(base64.b64decode(data["probabilities"]), "<f4").reshape(-1, len(data["labels"]))


def test_the_page_holds_what_was_tagged_and_its_photos_whole(write, answers):
    shown, html = write()
    data = data_of(html)
    assert shown.photos == N - 1 and data["about"] == "149 tagged photos." and data["labels"] == LABELS
    np.testing.assert_array_equal(values_of(data), sound(answers))
    assert data["thresholds"] == [0.5, float(np.float32(0.3)), float(np.float32(0.7)), None]
    assert "trip/im3.png" not in data["names"] and data["names"][3] == "trip/im4.png"
    images = [Image.open(io.BytesIO(base64.b64decode(text))) for text in thumbnails_of(html)]
    assert len(images) == N - 1 and {image.size for image in images} == {(160, 107)}, "without the bars of its square"
    assert abs(np.asarray(images[100].convert("RGB"))[50, 80, 0] - 101.0) < 5


def test_of_too_many_photos_each_label_keeps_some_and_the_page_says_what_it_leaves_out(write, answers):
    shown, html = write(most=16)
    data = data_of(html)
    assert shown.photos == len(data["names"]) == len(thumbnails_of(html)) == 16
    assert data["about"].startswith("16 of 149 tagged photos, chosen by lot") and "133 are left out" in data["about"]
    given = thresholds.apply(values_of(data), OWN.threshold)
    assert (given.sum(axis=0)[:3] >= 2).all() and given[:, 3].sum() == 0
    every = [photo.name for each in answers for photo in each.photos]
    assert [every.index(name) for name in data["names"]] == sorted(every.index(name) for name in data["names"])
    assert write(most=16)[1] == html, "by lot, but always the same"
    line = np.concatenate([each.probabilities for each in answers])[every.index(data["names"][0])]
    np.testing.assert_array_equal(values_of(data)[0], line)


def test_labels_that_are_left_out_are_not_in_the_page(write, answers):
    _, html = write(Giving(["dog"], np.array([2]), 0.7))
    data = data_of(html)
    assert data["labels"] == ["dog"] and data["thresholds"] == [float(np.float32(0.7))]
    np.testing.assert_array_equal(values_of(data)[:, 0], sound(answers)[:, 2])


def test_a_photo_that_is_gone_leaves_its_place_empty(answers, monkeypatch, tmp_path):
    lost = [Photo("gone.png", str(tmp_path / "gone.png")), *answers[0].photos[1:]]
    left = shards.Answers(0, lost, answers[0].broken, answers[0].probabilities)
    monkeypatch.setattr(page.shards, "read", lambda plan: iter([left]))
    html = page.write(PLAN, OWN, tmp_path).path.read_text(encoding="utf-8")
    assert thumbnails_of(html)[0] == "" and "1 can no longer be opened" in data_of(html)["about"]


def test_nothing_of_a_photo_becomes_markup_and_nothing_foreign_may_run(write):
    _, html = write()
    assert EVIL not in html
    outside = re.sub(r'<script type="[^"]+" id="\w+">[^<]*</script>', "", html)
    scripts, styles = (re.findall(rf"<{kind}>(.*?)</{kind}>", outside, re.DOTALL) for kind in ("script", "style"))
    assert len(scripts) == len(styles) == 1 and "alert" not in outside
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', html)[1].replace("&#39;", "'")
    for kind, text in (("script", scripts[0]), ("style", styles[0])):
        assert f"{kind}-src 'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" in policy
    assert policy.startswith("default-src 'none'; img-src data:;") and "unsafe" not in policy
    assert not re.search(r"https?://|url\(|@import|innerHTML", outside)


def test_a_photo_of_nothing_but_the_bars_colour_stays_whole():
    square = np.full((8, 8, 3), page.GREY, dtype=np.uint8)
    assert page._without_bars(square).shape == (8, 8, 3)
    square[2:6, 1:] = 7
    assert page._without_bars(square).shape == (4, 7, 3)


# --------------------------------------------------------------------- in a browser


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    if browser.find() is None:
        pytest.skip(f"no {', '.join(browser.NAMES)} on PATH: the page is tested without a browser alone")
    running = browser.Browser(tmp_path_factory.mktemp("browser"))
    yield running
    running.close()


@pytest.fixture
def tab(chromium, write):
    opened = chromium.tab(write()[0].path.as_uri())
    yield opened
    assert opened.events("Runtime.exceptionThrown") == [] and opened.events("Log.entryAdded") == []
    opened.close()


def counts(tab):
    """By label, -1 for all photos and -2 for those without one, what the list of labels says."""
    told = tab.evaluate(
        "[...document.querySelectorAll('.labels label')].map(e => [e.querySelector('input').value, e.lastChild.textContent])"
    )
    return {int(label): count for label, count in told}


def expected_counts(found, threshold):
    given = thresholds.apply(found, threshold)
    never = np.isinf(np.broadcast_to(threshold, found.shape[1]))
    labels = {label: "never" if never[label] else str(given[:, label].sum()) for label in range(found.shape[1])}
    return labels | {-1: str(len(found)), -2: str((~given.any(axis=1)).sum())}


def shown_photos(tab):
    return tab.evaluate("page.photos.map(photo => page.tagged.names[photo])")


def slide(tab, value):
    tab.evaluate(
        f"(() => {{ const e = document.getElementById('threshold'); e.value = '{value}';"
        "e.dispatchEvent(new Event('input', {bubbles: true})); })()"
    )
    tab.settle()


def test_the_slider_gives_labels_as_numpy_does(tab, answers):
    found = sound(answers)
    assert counts(tab) == expected_counts(found, OWN.threshold)
    assert tab.evaluate("document.getElementById('value').textContent") == "each label's own"
    for value in (0.3, 0.01, 0.58, 1):
        slide(tab, value)
        assert counts(tab) == expected_counts(found, value)
        assert tab.evaluate("document.getElementById('value').textContent") == f"{value:.2f}"
    tab.click("#reset")
    assert counts(tab) == expected_counts(found, OWN.threshold)


@pytest.mark.parametrize("label", [0, 1, -2])
def test_a_label_shows_its_photos_by_probability(tab, answers, label):
    found, names = sound(answers), [photo.name for each in answers for photo in each.photos]
    del names[3]
    slide(tab, 0.6)
    tab.click(f".labels input[value='{label}'] ~ .text")
    given = thresholds.apply(found, 0.6).astype(bool)
    fits = np.flatnonzero(given[:, label] if label >= 0 else ~given.any(axis=1))
    key = found[fits, label] if label >= 0 else found[fits].max(axis=1)
    assert shown_photos(tab) == [names[place] for place in fits[np.lexsort((fits, -key))]]
    tab.click("#direction")
    assert shown_photos(tab) == [names[place] for place in fits[np.lexsort((fits, key))]]
    assert tab.evaluate("document.getElementById('count').textContent") == f"{len(fits)} of 149 photos"
    tab.fill("#find", "im14")
    assert shown_photos(tab) == [names[place] for place in fits[np.lexsort((fits, key))] if "im14" in names[place]]


def test_a_photo_opens_by_keyboard_with_its_numbers(tab, answers):
    tab.click(".labels input[value='2'] ~ .text")
    first, second = shown_photos(tab)[:2]
    tab.evaluate("page.grid.focus(0)")
    tab.press("Enter")
    title = "document.getElementById('photo-title').textContent"
    assert tab.evaluate(title) == first.rpartition("/")[2]
    cells = "[0, 2].map(place => e.children[place].textContent)"
    rows = tab.evaluate(f"[...document.querySelectorAll('.bars tr')].map(e => {cells})")
    names = [photo.name for each in answers for photo in each.photos]
    line = np.concatenate([each.probabilities for each in answers])[names.index(first)]
    assert rows == [[LABELS[label], f"{line[label]:.2f}"] for label in np.argsort(-line, kind="stable")]
    assert tab.evaluate("document.querySelectorAll('#photo .threshold').length") == 3, "a label that is never given has no line"
    tab.press("ArrowRight")
    assert tab.evaluate(title) == second.rpartition("/")[2]
    tab.press("Escape")
    assert tab.evaluate("document.activeElement.dataset.place") == "1"


def test_where_nothing_fits_the_page_says_so(tab):
    tab.fill("#find", "no such photo")
    assert shown_photos(tab) == [] and tab.evaluate("document.getElementById('empty').checkVisibility()")
    tab.fill("#find", "")
    assert not tab.evaluate("document.getElementById('empty').checkVisibility()")
    assert tab.evaluate("document.querySelectorAll('.tile img').length") > 5
