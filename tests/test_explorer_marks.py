"""Label errors marked in the explorer, in a real browser: by keyboard, kept, exported, and laid over the corpus again."""

from __future__ import annotations

import csv
import io
import json

import browser
import numpy as np
import pandas as pd
import pytest
from test_explorer import EVIL, LABELS, answers, count, every, made_corpus, photos_of
from typer.testing import CliRunner

from tagging_lib import cli
from tagging_lib.data.corpus import Corpus, ReadOptions
from tagging_lib.report.explorer import page as explorer
from tagging_lib.study import review
from tagging_lib.study.opening import open_study
from tests.conftest import draw_corpus, trained_row

N = 60
# Photo (its place) and label (its column), the most suspicious first; two photos have two of them.
SUSPECTS = [(7, 2), (3, 0), (7, 4), (21, 1), (3, 3)]
FOCUS = "document.activeElement"
LEAVING = "(e => { dispatchEvent(e); return e.defaultPrevented; })(new Event('beforeunload', {cancelable: true}))"  # warned?
REFUSING = "Object.defineProperty(window, 'localStorage', {get() { throw new DOMException('refused', 'SecurityError'); }});"


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    if browser.find() is None:
        pytest.skip(f"no {', '.join(browser.NAMES)} on PATH")
    running = browser.Browser(tmp_path_factory.mktemp("browser"))
    yield running
    running.close()


@pytest.fixture(scope="module")
def corpus():
    return made_corpus(N // 2, share=0.4)


@pytest.fixture
def html(corpus):
    rows = [explorer.Answers("first", "First row", answers(corpus.targets, 1), 0.3)]
    return explorer.write(corpus, np.arange(N), rows, photos_of(N), suspects=SUSPECTS)


@pytest.fixture
def file(html, tmp_path):
    path = tmp_path / "explorer.html"
    path.write_text(html, encoding="utf-8")
    return path.as_uri()


@pytest.fixture
def tab(chromium, file):
    opened = chromium.tab(file)
    opened.evaluate("localStorage.clear()")
    opened.go(file)
    yield opened
    assert opened.events("Runtime.exceptionThrown") == [] and opened.events("Log.entryAdded") == []
    opened.close()


def text(tab, selector):
    return tab.evaluate(f"document.querySelector({json.dumps(selector)}).innerText.replace(/\\s+/g, ' ').trim()")


def here(tab):
    return tab.evaluate("document.querySelector('#photo li.here .name').textContent")


def lines(content):
    return list(csv.DictReader(io.StringIO(content.decode())))


def export(tab, who="Ann"):
    tab.click("#export-marks")
    if tab.evaluate("document.getElementById('who').open"):
        tab.type(who)
        tab.press("Enter")
    return lines(tab.downloaded())


def test_suspects_are_marked_by_keyboard_and_exported_as_what_is_true(tab, corpus):
    assert text(tab, "#progress").startswith("0 of 5 suspected labels marked")
    assert tab.evaluate("document.getElementById('export-marks').disabled")
    tab.evaluate("document.getElementById('start').focus()")
    tab.press("Enter")
    assert count(tab) == 3, "the photos with suspects, the most suspicious first"
    assert "im26" in text(tab, "#photo-title") and here(tab) == LABELS[2]
    tab.press("w")
    assert here(tab) == LABELS[4], "on to the next suspect of the photo"
    tab.press("u")
    assert text(tab, "#told").endswith("All labels of this photo are marked.")
    tab.press("ArrowRight")
    assert here(tab) == LABELS[0]
    tab.press("ArrowDown")
    assert here(tab) == LABELS[3]
    tab.press("R")
    tab.press("Escape")
    assert text(tab, "#progress") == "3 of 5 suspected labels marked: 1 right, 1 wrong, 1 unsure"
    found = export(tab)
    names = corpus.photos
    truth = {(p, c): int(corpus.targets[p, c]) for p, c in SUSPECTS}
    assert [(line["photo"], line["label"], line["value"]) for line in found] == [
        (names[3], LABELS[3], str(truth[3, 3])),
        (names[7], LABELS[2], str(1 - truth[7, 2])),
        (names[7], LABELS[4], "unsure"),
    ], "no more than was marked"
    assert {line["who"] for line in found} == {"Ann"}
    assert all(pd.Timestamp(line["when"]).tzinfo is not None for line in found)
    assert [line["who"] for line in export(tab, "never asked")] == ["Ann"] * 3, "asked once"


def test_the_page_says_which_keys_there_are_and_tells_what_they_did(tab):
    tab.click("#start")
    assert text(tab, "#photo .check .key").startswith("R right W wrong U unsure ↑↓ label ←→ photo")
    live = "document.getElementById('told')"
    assert tab.evaluate(f"{live}.getAttribute('aria-live')") == "polite"
    tab.evaluate(f"window.before = {live}")
    tab.press("w")
    assert "“dog”: wrong. 1 left on this photo." in text(tab, "#told")
    assert tab.evaluate(f"window.before === {live} && document.getElementById('photo').contains({live})")
    pressed = every(tab, "#photo .verdicts button", "[e.dataset.verdict, e.getAttribute('aria-pressed')]")
    assert pressed[:3] == [["right", "false"], ["wrong", "true"], ["unsure", "false"]]
    assert tab.evaluate("document.querySelector('#photo li.here').getAttribute('aria-current')") == "true"
    groups = every(tab, "#photo .verdicts", "e.getAttribute('aria-label')")
    assert all("annotated “" in group for group in groups) and len(groups) == 2


def test_buttons_do_the_same_and_keep_the_focus_and_a_mark_is_taken_back(tab):
    tab.click("#start")
    tab.click("#photo [data-label='4'][data-verdict='wrong']")
    assert tab.evaluate(f"[{FOCUS}.dataset.label, {FOCUS}.dataset.verdict, {FOCUS}.ariaPressed]") == ["4", "wrong", "true"]
    tab.press("Enter")
    assert tab.evaluate(f"[{FOCUS}.dataset.label, {FOCUS}.ariaPressed]") == ["4", "false"], "taken back"
    assert text(tab, "#told").split(": ")[1].startswith("not marked")
    tab.press("w", ctrl=True)
    assert text(tab, "#photo .check .progress").startswith("0 of 5"), "what belongs to the browser marks nothing"
    tab.press("u")
    tab.press("r")
    tab.press("Escape")
    assert text(tab, "#progress").endswith("1 right, 0 wrong, 1 unsure")


def test_any_label_can_be_marked_and_letters_in_a_list_mark_nothing(tab, corpus):
    tab.click("[data-place='0']")
    tab.choose("#photo .check select", str(LABELS.index("river")))
    assert here(tab) == "river"
    tab.evaluate("document.querySelector('#photo .check select').focus()")
    tab.press("w")
    tab.press("Escape")
    assert text(tab, "#progress").startswith("0 of 5")
    tab.click("[data-place='0']")
    tab.choose("#photo .check select", str(LABELS.index("river")))
    tab.press("w")
    if tab.evaluate("document.getElementById('photo').open"):
        tab.press("Escape")
    assert "and 1 more" in text(tab, "#progress")
    (line,) = export(tab)
    row = corpus.photos.index(line["photo"])
    assert line["label"] == "river" and int(line["value"]) == 1 - corpus.targets[row, LABELS.index("river")]


def test_photos_are_asked_for_by_what_is_marked_and_tiles_show_it(tab):
    tab.choose("[name=check]", "suspected")
    assert count(tab) == 3
    tab.choose("#sort", "suspicion")
    tiles = every(tab, ".tile", "e.innerText.replace(/\\s+/g, ' ')")
    assert ["2 ?" in tile for tile in tiles] == [True, True, False] and "im26" in tiles[0] and "im14" in tiles[1]
    assert "suspected" in tab.evaluate("document.querySelector('.tile').getAttribute('aria-label')")
    tab.choose("[name=check]", "open")
    tab.click("[data-place='0']")
    for key in "wr":
        tab.press(key)
    tab.press("ArrowRight")
    assert "im14" in text(tab, "#photo-title"), "the list stays while the photo is open"
    tab.press("Escape")
    assert count(tab) == 2 and tab.evaluate(f"{FOCUS}.getAttribute('role')") == "gridcell"
    tab.choose("[name=check]", "marked")
    assert count(tab) == 1 and "✓" in text(tab, ".tile")
    assert "check=marked" in tab.evaluate("location.hash")


def test_marks_outlive_the_page_and_two_tabs_do_not_overwrite_each_other(tab, chromium, file):
    tab.click("#start")
    tab.press("w")
    other = chromium.tab(file)
    assert text(other, "#progress").startswith("1 of 5")
    tab.call("Page.bringToFront")  # a hidden tab draws nothing
    tab.press("u")
    other.call("Page.bringToFront")
    other.click("#start")
    other.press("ArrowRight")
    other.press("r")
    other.press("Escape")
    assert text(other, "#progress") == "3 of 5 suspected labels marked: 1 right, 1 wrong, 1 unsure"
    other.close()
    tab.call("Page.bringToFront")
    tab.go(file)
    assert text(tab, "#progress").startswith("3 of 5") and text(tab, "#unkept") == ""
    assert tab.evaluate(LEAVING) is False


def test_marks_of_other_annotations_are_none_of_this_page(tab, chromium, corpus, tmp_path):
    tab.click("#start")
    tab.press("w")
    mended = corpus.targets.copy()
    mended[7, 2] = 1 - mended[7, 2]
    after = Corpus(corpus.name, None, corpus.labels, corpus.photos, corpus.numbers, mended)
    path = tmp_path / "after.html"
    path.write_text(explorer.write(after, np.arange(N), [], suspects=SUSPECTS), encoding="utf-8")
    other = chromium.tab(path.as_uri())
    assert text(other, "#progress").startswith("0 of 5")
    other.close()


def test_a_browser_that_keeps_nothing_is_told_and_warned_of(chromium, file):
    tab = chromium.tab(file, before=REFUSING)
    assert "export before you close it" in text(tab, "#unkept")
    assert tab.evaluate(LEAVING) is False, "nothing would be lost"
    tab.click("#start")
    tab.press("w")
    assert here(tab) == LABELS[4] and tab.evaluate(LEAVING) is True
    tab.press("Escape")
    assert [line["who"] for line in export(tab, "Bob")] == ["Bob"]
    assert tab.evaluate(LEAVING) is False
    assert tab.events("Runtime.exceptionThrown") == []
    tab.close()


@pytest.mark.parametrize("kept", ["[]", "7", "{\"marks\": {\"0:99\": [\"wrong\", \"\"], \"x\": [\"right\", 1]}}", "{broken"])
def test_what_the_browser_kept_may_be_anything(tab, file, kept):
    tab.evaluate(f"localStorage.setItem(explorer.study.marks.key, {json.dumps(kept)})")
    tab.go(file)
    assert text(tab, "#progress").startswith("0 of 5")


def test_words_of_the_corpus_stay_text_in_the_panel_and_survive_the_export(tab, corpus):
    tab.click("#start")
    tab.press("ArrowRight")
    assert here(tab) == EVIL and tab.evaluate("document.querySelectorAll('#photo script').length") == 0
    tab.press("u")
    tab.press("Escape")
    (line,) = export(tab, 'Ann, "A"')
    assert line["label"] == EVIL and line["who"] == 'Ann, "A"' and line["photo"] == corpus.photos[3]


def test_a_page_without_suspects_offers_what_was_answered_otherwise(chromium, corpus, tmp_path):
    probabilities = corpus.targets.astype(float)
    probabilities[0] = 1 - probabilities[0]
    path = tmp_path / "explorer.html"
    rows = [explorer.Answers("r", "R", probabilities, 0.5)]
    path.write_text(explorer.write(corpus, np.arange(N), rows), encoding="utf-8")
    tab = chromium.tab(path.as_uri())
    tab.evaluate("localStorage.clear()")
    tab.go(path.as_uri())
    assert tab.evaluate("document.getElementById('start').hidden") and text(tab, "#progress").startswith("0 labels marked")
    assert every(tab, "[name=check] option", "e.value") == ["", "marked"]
    tab.choose("#sort", "wrong")
    tab.click("[data-place='0']")
    assert len(every(tab, "#photo .check li", "1")) == len(LABELS)
    tab.press("ArrowRight")
    assert every(tab, "#photo .check li", "1") == []
    assert tab.events("Runtime.exceptionThrown") == []
    tab.close()


@pytest.mark.parametrize("width", [420, 1280])
def test_nothing_sticks_out(tab, width):
    tab.resize(width, 800)
    tab.settle()
    assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
    tab.click("#start")
    tab.press("w")
    inside = "d.scrollWidth <= d.clientWidth && d.getBoundingClientRect().right <= innerWidth"
    assert tab.evaluate(f"(d => {inside})(document.getElementById('photo'))")
    tab.press("Escape")
    tab.click("#export-marks")
    assert tab.evaluate(f"(d => d.open && {inside})(document.getElementById('who'))")


# ------------------------------------------------------------------ the round trip


def test_from_a_study_by_keyboard_into_check(chromium, tmp_path, monkeypatch):
    """A toy study's suspects are marked by keyboard; `check --corrections` reads the labels as they were marked."""
    monkeypatch.chdir(tmp_path)
    root = draw_corpus(tmp_path / "tiny", photos=200)
    listed_red = {int(number) for number in (root / "annotations" / "red.txt").read_text().split()}
    mistaken = listed_red ^ {*range(5, 45, 5), *range(101, 141, 5)}  # annotations turned round for confident learning to find
    (root / "annotations" / "red.txt").write_text("".join(f"{number}\n" for number in sorted(mistaken)))
    study = open_study("tiny", "quick", DEVICE="cpu")
    result = trained_row(study, "lite0_head")
    found = review.suspects(study, review.unseen(study))
    assert (found.part == "test").sum() > 2, "fewer would not be a trial"
    made = explorer.explore(study, [result], suspects=found)
    study.save_page(made.html, "explorer")
    tab = chromium.tab((study.outputs / "work" / "explorer.html").resolve().as_uri())
    tab.evaluate("localStorage.clear()")
    tab.evaluate("document.getElementById('start').focus()")
    tab.press("Enter")
    listed = found[found.part == "test"]
    marked: dict[tuple[str, str], str] = {}
    keys = iter("wru" * len(listed))
    for photo in listed.photo.drop_duplicates():
        title = text(tab, "#photo .path")
        assert title == photo, "the most suspicious first"
        for label in listed.label[listed.photo == photo]:
            assert here(tab) == label
            marked[photo, label] = key = next(keys)
            tab.press(key)
        tab.press("ArrowRight")
    tab.press("Escape")
    tab.click("#export-marks")
    tab.type("Ann")
    tab.press("Enter")
    (tmp_path / "corrections.csv").write_bytes(tab.downloaded())
    assert tab.events("Runtime.exceptionThrown") == []
    tab.close()

    asked = ["check", "tiny", "--data", "data", "--json", "--photos"]
    before = json.loads(CliRunner().invoke(cli.app, asked).output)
    after = json.loads(CliRunner().invoke(cli.app, [*asked, "--corrections", "corrections.csv"]).output)
    turned = {
        (old["photo"], label)
        for old, new in zip(before["photos"], after["photos"], strict=True)
        for label in set(old["labels"]) ^ set(new["labels"])
    }
    assert turned == {place for place, key in marked.items() if key == "w"} and turned
    counts = {name: after["corrections"][name] for name in ("changed", "confirmed", "unsure")}
    keys_pressed = list(marked.values())
    assert counts == {"changed": len(turned), "confirmed": keys_pressed.count("r"), "unsure": keys_pressed.count("u")}
    assert after["corrections"]["who"] == ["Ann"] and after["corrections"]["changed_by_part"] == {"test": len(turned)}
    again = open_study("tiny", "quick", DEVICE="cpu", READ="corrections=corrections.csv")
    assert again.corpus.fingerprint != study.corpus.fingerprint
    laid_over = Corpus.open(root, options=ReadOptions(corrections=tmp_path / "corrections.csv"))
    assert laid_over.fingerprint == again.corpus.fingerprint
