"""The error explorer: its data bit for bit, and in a real browser its filters, order, export and keyboard against pandas."""

import base64
import hashlib
import io
import json
import re

import browser
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from test_render import finish

from tagging_lib.data.corpus import Corpus
from tagging_lib.errors import TaggingError
from tagging_lib.evaluation import errors, thresholds
from tagging_lib.report.explorer import page as explorer
from tagging_lib.runs import kept
from tagging_lib.study.opening import open_study
from tagging_lib.workflow import publish
from tests.conftest import trained_row

EVIL = "<script>alert(1)</script>"
LABELS = (EVIL, 'a "quoted", name', "dog", "river", "sea")
N, L, SIDE = 1200, len(LABELS), 32
FULL = 4000  # photos of the original's test part


def made_corpus(n=N, labels=LABELS, seed=0, share=0.15):
    """Twice as many photos as are shown, so that a page that takes the wrong ones is found out."""
    random = np.random.default_rng(seed)
    targets = (random.random((2 * n, len(labels))) < share).astype(np.uint8)
    photos = tuple(f"images/{'</script><b>' if i % 7 == 0 else ''}im{3 * i + 5}.png" for i in range(2 * n))
    return Corpus("made", None, labels, photos, np.arange(2 * n, dtype=np.int64) * 3 + 5, targets)  # type: ignore[arg-type]


def answers(targets, seed, noise=0.25):
    """Probabilities that know something of the truth, in steps of 0.05: many are equal, some lie on the threshold."""
    random = np.random.default_rng(seed)
    blurred = np.clip(0.2 + 0.5 * targets + noise * random.standard_normal(targets.shape), 0, 1)
    return np.round(blurred * 20) / 20


def photos_of(n, side=SIDE):
    """Smooth photos whose first pixel tells their number."""
    shades = np.linspace(0, 1, side)[:, None, None] * np.array([60, 100, 140])
    base = (np.arange(n) % 100)[:, None, None, None] + shades[None].repeat(side, axis=2).reshape(1, side, side, 3)
    return base.astype(np.uint8)


@pytest.fixture(scope="module")
def corpus():
    return made_corpus()


@pytest.fixture(scope="module")
def indices():
    return np.arange(1, 2 * N, 2)


@pytest.fixture(scope="module")
def rows(corpus, indices):
    truth = corpus.targets[indices]
    return [
        explorer.Answers("first", "First <i>row</i>", answers(truth, 1).astype(np.float32), 0.3),
        explorer.Answers("second", "Second row", answers(truth, 2, 0.35), np.array([0.5, 0.4, 0.3, 0.25, 0.6])),
        explorer.Answers("third", "Third row", answers(truth, 3, 0.5).astype(np.float32), 0.5),
    ]


@pytest.fixture(scope="module")
def html(corpus, indices, rows):
    return explorer.write(corpus, indices, rows, photos_of(2 * N), about=f"Photos of {EVIL}")


def data_of(html):
    return json.loads(explorer.blocks(html)["study"])


def stored_probabilities(row):
    kind = {"float16": "<f2", "float32": "<f4", "float64": "<f8"}[row["type"]]
    return np.frombuffer(base64.b64decode(row["probabilities"]), dtype=kind).reshape(N, L)


# ------------------------------------------------------------------ without a browser


def test_the_data_in_the_page_are_those_that_went_in(html, corpus, indices, rows):
    data = data_of(html)
    assert data["labels"] == list(LABELS) and data["numbers"] == corpus.numbers[indices].tolist()
    assert data["names"] == [corpus.photos[index] for index in indices]
    packed = np.frombuffer(base64.b64decode(data["targets"]), dtype=np.uint8)
    truth = corpus.targets[indices]
    np.testing.assert_array_equal(np.unpackbits(packed, count=N * L).reshape(N, L), truth)
    for row, stored in zip(rows, data["rows"], strict=True):
        values = stored_probabilities(stored)
        np.testing.assert_array_equal(values, row.probabilities)
        # A browser compares 64-bit numbers.
        given = values.astype(np.float64) >= np.array(stored["thresholds"])
        np.testing.assert_array_equal(given, thresholds.apply(row.probabilities, row.threshold))
    assert [row["type"] for row in data["rows"]] == ["float32", "float64", "float32"]


def test_the_photos_in_the_page_are_those_of_the_part(html, indices):
    encoded = explorer.blocks(html)["photos"].split("\n")
    assert len(encoded) == N
    for place in (0, 17, N - 1):
        image = np.asarray(Image.open(io.BytesIO(base64.b64decode(encoded[place]))))
        expected = photos_of(2 * N)[indices[place]].astype(int)
        assert image.shape == (SIDE, SIDE, 3) and np.abs(image - expected).mean() < 4


def test_nothing_of_a_corpus_becomes_markup_and_nothing_foreign_may_run(html):
    assert EVIL not in html and "</script><b>" not in html and "<i>row" not in html
    outside = re.sub(r'<script type="[^"]+" id="\w+">[^<]*</script>', "", html)
    scripts = re.findall(r"<script>(.*?)</script>", outside, re.DOTALL)
    styles = re.findall(r"<style>(.*?)</style>", outside, re.DOTALL)
    assert len(scripts) == len(styles) == 1 and "alert" not in outside
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', html)[1].replace("&#39;", "'")
    for kind, text in (("script", scripts[0]), ("style", styles[0])):
        assert f"{kind}-src 'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" in policy
    assert policy.startswith("default-src 'none'; img-src data:;") and "unsafe" not in policy
    assert not re.search(r"https?://|src=|url\(|@import|innerHTML", outside.replace("src: this.images", ""))


def test_without_photos_the_numbers_stay_in_half_precision_and_no_picture_does(html):
    bare = explorer.to_html(explorer.blocks(html), photos=False)
    assert explorer.blocks(bare)["photos"] == "" < explorer.blocks(html)["photos"]
    exact, half = data_of(html), data_of(bare)
    assert {**exact, "rows": None} == {**half, "rows": None}
    for before, after in zip(exact["rows"], half["rows"], strict=True):
        wanted, values = (stored_probabilities(row) for row in (before, after))
        assert after["type"] == {"float32": "float16", "float64": "float64"}[before["type"]]
        np.testing.assert_allclose(values, wanted, rtol=2e-3, atol=1e-7)
        limits = np.array(after["thresholds"])
        np.testing.assert_array_equal(values.astype(np.float64) >= limits, wanted.astype(np.float64) >= limits)
    assert explorer.to_html(explorer.blocks(bare), photos=False) == bare, "publishing a page again changes nothing"
    assert explorer.to_html(explorer.blocks(html)) == html, "rendering a page again changes nothing"
    with pytest.raises(TaggingError, match="06_error_analysis"):
        explorer.blocks("<p>another page")


def test_wrong_answers_are_refused(corpus, indices):
    for probabilities, threshold, named in (
        (np.zeros((3, L)), 0.5, r"\(3, 5\): must be \(1200, 5\)"),
        (np.full((N, L), 1.5), 0.5, "leave"),
        (np.full((N, L), np.nan), 0.5, "leave"),
        (np.zeros((N, L)), np.array([0.5, 0.5]), "threshold"),
    ):
        with pytest.raises(ValueError, match=named):
            explorer.write(corpus, indices, [explorer.Answers("r", "r", probabilities, threshold)])


def test_a_page_that_grows_too_large_gives_up_rows_then_photos(corpus, indices, rows, monkeypatch, caplog):
    few, pixels = indices[:20], np.random.default_rng(0).integers(0, 255, (40, 128, 128, 3), dtype=np.uint8)
    short = [explorer.Answers(row.name, row.title, row.probabilities[: len(few)], row.threshold) for row in rows]
    whole = explorer.write(corpus, few, short, pixels)
    monkeypatch.setattr(explorer, "MOST_NUMBER_BYTES", 1)
    reduced = explorer.write(corpus, few, short, pixels)
    assert [row["name"] for row in data_of(reduced)["rows"]] == ["first"]
    assert "Second row, Third row" in data_of(reduced)["about"] and "Second row" in caplog.text
    monkeypatch.undo()
    numbers = len(explorer.blocks(whole)["study"])
    room = len(explorer.blocks(whole)["photos"])
    monkeypatch.setattr(explorer, "MOST_BYTES", numbers + room // 3)
    smaller = explorer.blocks(explorer.write(corpus, few, short, pixels))["photos"]
    assert 0 < len(smaller) <= room // 3
    assert Image.open(io.BytesIO(base64.b64decode(smaller.split("\n")[0]))).size < (128, 128)
    monkeypatch.setattr(explorer, "MOST_BYTES", numbers + 10)
    assert explorer.blocks(explorer.write(corpus, few, short, pixels))["photos"] == ""
    assert "numbers alone" in caplog.text


def test_a_study_writes_it_and_the_report_takes_what_belongs_to_it(tiny_corpus, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    opened = open_study(CORPUS=str(tiny_corpus), PROFILE="quick", DEVICE="cpu")
    result = trained_row(opened, "constant")
    made = explorer.explore(opened, [result], {"constant": 0.7})
    opened.save_page(made.html, "explorer")
    kept = (opened.outputs / "work" / "explorer.html").read_text(encoding="utf-8")
    data = data_of(kept)
    assert data["rows"][0]["thresholds"] == [float(np.float32(0.7))] * 3 and data["numbers"] == (opened.split.test + 1).tolist()
    assert "Toy scale" in data["about"]
    assert "[Open the error explorer](explorer.html): 12 test photos with the answers of 1 row" in made._repr_markdown_()
    assert len(data_of(explorer.explore(opened, photos=False).html)["rows"]) == 1, "all finished rows"

    finish(opened.outputs, "01_first")
    publish.build_report(opened.outputs)
    assert not (opened.outputs / "report" / "explorer.html").exists(), "a page that no notebook of this run made"
    assert "explorer" not in (opened.outputs / "report" / "index.html").read_text()

    finish(opened.outputs, "06_errors", files_made=["work/explorer.html"])
    (opened.outputs / "work" / "explorer.html").write_text(kept, encoding="utf-8")
    publish.build_report(opened.outputs)
    report = opened.outputs / "report"
    for page in ("index.html", "01_first.html", "06_errors.html"):
        assert 'href="explorer.html"' in (report / page).read_text(encoding="utf-8")
    shown = (report / "explorer.html").read_text(encoding="utf-8")
    assert 'href="06_errors.html"' in shown and explorer.blocks(shown) == explorer.blocks(kept)
    assert "explorer.html" in json.loads((report / "manifest.json").read_text())["files"]
    publish.build_report(opened.outputs, photos=False)
    assert explorer.blocks((report / "explorer.html").read_text())["photos"] == ""


# --------------------------------------------------------------------- in a browser


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    if browser.find() is None:
        pytest.skip(f"no {', '.join(browser.NAMES)} on PATH: the page is tested without a browser alone")
    running = browser.Browser(tmp_path_factory.mktemp("browser"))
    yield running
    running.close()


@pytest.fixture(scope="module")
def file(html, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "explorer.html"
    path.write_text(html, encoding="utf-8")
    return path.as_uri()


@pytest.fixture
def tab(chromium, file):
    opened = chromium.tab(file)
    yield opened
    assert opened.events("Runtime.exceptionThrown") == [] and opened.events("Log.entryAdded") == []
    opened.close()


@pytest.fixture
def frame(corpus, indices, rows):
    """The oracle: one line a photo, with what pandas and numpy make of the same arrays."""
    truth = corpus.targets[indices].astype(bool)
    table = pd.DataFrame({"number": corpus.numbers[indices], "photo": [corpus.photos[i] for i in indices]})
    table["unlabelled"] = ~truth.any(axis=1)
    for row in rows:
        given = thresholds.apply(row.probabilities, row.threshold).astype(bool)
        table[f"{row.name} wrong"] = (given != truth).sum(axis=1)
        table[f"{row.name} top"] = row.probabilities.max(axis=1)
        table[f"{row.name} silent"] = ~given.any(axis=1)
        for place, label in enumerate(LABELS):
            table[f"true {label}"] = truth[:, place]
            table[f"{row.name} gives {label}"] = given[:, place]
            table[f"{row.name} p {label}"] = row.probabilities[:, place]
    return table


def exported(tab):
    return pd.read_csv(io.BytesIO(tab.download("#export")), keep_default_na=False)


def every(tab, selector, expression):
    """What a JavaScript expression of `e` gives for each element."""
    return tab.evaluate(f"[...document.querySelectorAll({json.dumps(selector)})].map(e => {expression})")


def count(tab):
    return int(tab.evaluate("document.getElementById('count').textContent").split()[0].replace(",", ""))


def toggles(tab):
    texts = every(tab, ".toggle", "[e.querySelector('input').value, e.lastChild.textContent]")
    return {kind: int(text.replace(",", "")) for kind, text in texts}


def label_place(label):
    return {"any": -1, "none": -2}.get(label, LABELS.index(label) if label in LABELS else None)


def ask(tab, label=None, outcomes=(), bounds=(), against=None, where=None, find=None, row=None):
    if row:
        tab.choose("[name=row]", str(["first", "second", "third"].index(row)))
    if label:
        tab.click(f'.labels label:has([value="{label_place(label)}"])')
    for outcome in outcomes:
        tab.click(f".toggle.{outcome}")
    for name, value in zip(("from", "to"), bounds, strict=False):
        tab.fill(f"[name={name}]", value)
    if against:
        tab.choose("[name=other]", str(["first", "second", "third"].index(against)))
    if where:
        tab.choose("[name=difference]", where)
    if find is not None:
        tab.fill("[name=find]", find)


def outcome_of(frame, row, label):
    if label == "none":
        true, given = frame.unlabelled, frame[f"{row} silent"]
    else:
        true, given = frame[f"true {label}"], frame[f"{row} gives {label}"]
    return {"tp": true & given, "fp": ~true & given, "fn": true & ~given, "tn": ~true & ~given}


def any_outcome(frame, row, kind):
    return np.logical_or.reduce([outcome_of(frame, row, label)[kind] for label in LABELS])


@pytest.mark.parametrize("label", ["dog", EVIL, "none"])
def test_outcomes_of_a_label_are_counted_as_pandas_counts_them(tab, frame, label):
    ask(tab, label=label)
    expected = outcome_of(frame, "first", label)
    assert toggles(tab) == {kind: int(mask.sum()) for kind, mask in expected.items()} and count(tab) == N
    tab.click(".toggle.fp")
    assert count(tab) == expected["fp"].sum() > 0
    tab.click(".toggle.fn")
    assert count(tab) == (expected["fp"] | expected["fn"]).sum()
    assert set(exported(tab).number) == set(frame.number[expected["fp"] | expected["fn"]])
    assert toggles(tab) == {kind: int(mask.sum()) for kind, mask in expected.items()}, "counts are before the outcome"
    tab.click(".toggle.fp")
    assert count(tab) == expected["fn"].sum()
    tab.click(".toggle.fn")
    assert count(tab) == N, "none ticked is all of them"


def test_any_label_means_at_least_one(tab, frame):
    assert toggles(tab) == {kind: any_outcome(frame, "first", kind).sum() for kind in errors.KINDS}
    ask(tab, outcomes=["fn"])
    assert count(tab) == any_outcome(frame, "first", "fn").sum()
    listed = every(tab, ".labels label", "[...e.querySelectorAll('.count')].map(c => +c.textContent.replace(',', ''))")
    wanted = [[any_outcome(frame, "first", kind).sum() for kind in ("fp", "fn")]]
    wanted += [[outcome_of(frame, "first", label)[kind].sum() for kind in ("fp", "fn")] for label in ("none", *LABELS)]
    assert listed == wanted


@pytest.mark.parametrize("row", ["first", "second"])
def test_a_range_holds_its_bounds_in_either_precision(tab, frame, row):
    ask(tab, row=row, label="river", bounds=("0.3", "0.7"))
    inside = frame[f"{row} p river"].between(0.3, 0.7)
    assert (frame[f"{row} p river"] == 0.3).any() and (frame[f"{row} p river"] == 0.7).any()
    assert count(tab) == inside.sum()
    assert toggles(tab) == {kind: int((mask & inside).sum()) for kind, mask in outcome_of(frame, row, "river").items()}
    ask(tab, label="any", outcomes=["fp"])
    assert count(tab) == (frame[f"{row} top"].between(0.3, 0.7) & any_outcome(frame, row, "fp")).sum()
    tab.fill("[name=to]", "")
    tab.fill("[name=from]", "nonsense")
    assert count(tab) == any_outcome(frame, row, "fp").sum(), "what is no number sets no bound"


@pytest.mark.parametrize("where", ["differ", "better", "worse", "wrong"])
@pytest.mark.parametrize("label", ["sea", "any"])
def test_two_rows_are_compared_as_pandas_compares_them(tab, frame, label, where):
    ask(tab, label=label, against="second", where=where)
    labels = LABELS if label == "any" else [label]
    wrong = {
        row: sum((frame[f"{row} gives {i}"] != frame[f"true {i}"]).astype(int) for i in labels) for row in ("first", "second")
    }
    expected = {
        "differ": np.logical_or.reduce([frame[f"first gives {i}"] != frame[f"second gives {i}"] for i in labels]),
        "better": wrong["first"] < wrong["second"],
        "worse": wrong["first"] > wrong["second"],
        "wrong": (wrong["first"] > 0) & (wrong["second"] > 0),
    }[where]
    assert 0 < count(tab) == expected.sum() < N
    assert set(exported(tab).number) == set(frame.number[expected])


def ranked(frame, keys, descending):
    """Photo numbers as numpy orders them: equals in the corpus' order, undefined ones last."""
    keys = keys.to_numpy(dtype=float)
    return frame.number.to_numpy()[np.argsort(-keys if descending else keys, kind="stable")].tolist()


@pytest.mark.parametrize("sort", ["confidence", "probability", "wrong", "difference", "number"])
@pytest.mark.parametrize("label", ["dog", "any"])
def test_photos_stand_in_the_order_of_the_key(tab, frame, sort, label):
    ask(tab, label=label, against="third", where="differ")
    tab.choose("[name=other]", "2")
    tab.choose("#sort", sort)
    labels = LABELS if label == "any" else [label]
    frame = frame[np.logical_or.reduce([frame[f"first gives {i}"] != frame[f"third gives {i}"] for i in labels])]
    given = {i: frame[f"first p {i}"].astype(float) for i in labels}
    sure = {i: given[i].where(frame[f"first gives {i}"], 1 - given[i]) for i in labels}
    mistakes = pd.concat([sure[i].where(frame[f"first gives {i}"] != frame[f"true {i}"]) for i in labels], axis=1).max(axis=1)
    apart = pd.concat([(given[i] - frame[f"third p {i}"].astype(float)).abs() for i in labels], axis=1)
    keys = {
        "confidence": mistakes if label == "any" else sure[label],
        "probability": frame["first top"] if label == "any" else frame[f"first p {label}"],
        "wrong": frame["first wrong"],
        "difference": apart.max(axis=1),
        "number": frame.number,
    }[sort]
    assert exported(tab).number.tolist() == ranked(frame, keys, sort != "number")
    tab.click("#direction")
    assert exported(tab).number.tolist() == ranked(frame, keys, sort == "number")
    first = tab.evaluate("document.querySelector('[data-place=\"0\"] .name').textContent")
    assert first.endswith(f"im{ranked(frame, keys, sort == 'number')[0]}")


def test_the_surest_errors_are_those_of_the_library(tab, corpus, indices, rows):
    ask(tab, label="dog", outcomes=["fn"])
    expected = errors.most_confident(corpus.targets[indices], rows[0].probabilities, LABELS.index("dog"), "fn", N, threshold=0.3)
    assert exported(tab).number.tolist() == corpus.numbers[indices][expected].tolist()


def test_the_export_holds_what_is_shown_to_the_last_bit(tab, frame, corpus, indices, rows):
    ask(tab, label="sea", outcomes=["fp"], against="second", where="differ")
    table = exported(tab).set_index("number")
    assert 0 < len(table) == count(tab)
    expected = frame.set_index("number").loc[table.index]
    assert table.photo.tolist() == expected.photo.tolist()
    carried = [";".join(label for label in LABELS if line[f"true {label}"]) for _, line in expected.iterrows()]
    assert table["labels"].tolist() == carried
    for row in rows[:2]:
        given = [";".join(label for label in LABELS if line[f"{row.name} gives {label}"]) for _, line in expected.iterrows()]
        assert table[f"{row.name}: given"].tolist() == given
        assert table[f"{row.name}: wrong labels"].tolist() == expected[f"{row.name} wrong"].tolist()
        for label in LABELS:
            values = table[f"{row.name}: {label}"].to_numpy().astype(row.probabilities.dtype)
            np.testing.assert_array_equal(values, expected[f"{row.name} p {label}"].to_numpy())
    assert list(table.columns) == ["photo", "labels"] + [
        f"{row.name}: {column}" for row in rows[:2] for column in ("given", "wrong labels", *LABELS)
    ]


def test_numbers_that_need_all_their_digits_are_exported_whole(chromium, tmp_path):
    small = made_corpus(50, ("a", "b"))
    values = np.random.default_rng(5).random((50, 2)).astype(np.float32) ** 9
    path = tmp_path / "p.html"
    path.write_text(explorer.write(small, np.arange(50), [explorer.Answers("r", "r", values, 0.5)]), encoding="utf-8")
    tab = chromium.tab(path.as_uri())
    tab.choose("#sort", "number")
    table = exported(tab)
    np.testing.assert_array_equal(table[["r: a", "r: b"]].to_numpy().astype(np.float32), values)
    tab.close()


def test_half_precision_is_read_as_it_was_written(chromium, tmp_path):
    small = made_corpus(50, ("a", "b"))
    values = (np.random.default_rng(6).random((50, 2)) ** 9).astype(np.float32)
    values[:3] = [[0, 1], [2**-24, 2**-15], [0.5, 0.35]]  # both ends, numbers below the normal ones, one on its threshold
    rows = [explorer.Answers("r", "r", values, 0.35)]
    blocks = explorer.blocks(explorer.write(small, np.arange(50), rows))
    path = tmp_path / "p.html"
    path.write_text(explorer.to_html(blocks, photos=False), encoding="utf-8")
    tab = chromium.tab(path.as_uri())
    tab.choose("#sort", "number")
    table = exported(tab)
    np.testing.assert_array_equal(table[["r: a", "r: b"]].to_numpy().astype(np.float32), kept.halved(values).astype(np.float32))
    given = [";".join(np.array(["a", "b"])[answer]) for answer in values >= np.float32(0.35)]
    assert table["r: given"].tolist() == given
    tab.close()


def test_photos_are_found_by_number_and_by_name(tab, frame):
    wanted = frame.number.iloc[[3, 700, 12]].tolist()
    ask(tab, find=f"{wanted[0]}, {wanted[1]} {wanted[2]} 999999")
    assert set(exported(tab).number) == set(wanted)
    ask(tab, find="</SCRIPT>")
    assert count(tab) == frame.photo.str.contains("</script>").sum() > 0
    tab.click(".reset")
    assert count(tab) == N and tab.evaluate("document.querySelector('[name=find]').value") == ""


def test_the_keyboard_does_all_that_the_mouse_does(tab):
    focused = "document.activeElement"
    tab.evaluate("document.getElementById('export').focus()")
    tab.press("Tab")
    assert tab.evaluate(f"{focused}.dataset.place") == "0"
    columns = tab.evaluate("+document.getElementById('grid').getAttribute('aria-colcount')")
    steps = {"ArrowRight": 1, "ArrowDown": 1 + columns, "Home": columns, "End": 2 * columns - 1}
    steps |= {"ArrowLeft": 2 * columns - 2, "ArrowUp": columns - 2}
    for key, place in steps.items():
        tab.press(key)
        assert tab.evaluate(f"+{focused}.dataset.place") == place, key
    tab.press("End", ctrl=True)
    assert tab.evaluate(f"+{focused}.dataset.place") == N - 1
    tab.press("ArrowDown")
    tab.press("ArrowRight")
    assert tab.evaluate(f"+{focused}.dataset.place") == N - 1, "there is nothing behind the last"
    box = tab.evaluate(f"(r => [r.top, r.bottom, innerHeight])({focused}.getBoundingClientRect())")
    assert box[0] >= 0 and box[1] <= box[2], "the focus is in view"
    assert tab.evaluate(f"getComputedStyle({focused}).outlineStyle") == "solid"
    assert tab.evaluate("document.querySelectorAll('[role=gridcell]').length") < 150, "only what is in view exists"
    assert tab.evaluate("document.querySelectorAll('[role=gridcell][tabindex=\"0\"]').length") == 1
    tab.press("PageUp")
    tab.press("PageDown")
    assert tab.evaluate(f"+{focused}.dataset.place") == N - 1
    tab.press("Home", ctrl=True)
    tab.press("ArrowRight")
    tab.press("Enter")
    dialog = "document.getElementById('photo')"
    assert tab.evaluate(f"{dialog}.open && {dialog}.contains({focused})")
    assert f"2 of {N}" in tab.evaluate(f"{dialog}.textContent").replace(",", "")
    tab.press("ArrowRight")
    tab.press("ArrowRight")
    tab.press("ArrowLeft")
    assert f"3 of {N}" in tab.evaluate(f"{dialog}.textContent").replace(",", "")
    tab.press("Escape")
    assert not tab.evaluate(f"{dialog}.open") and tab.evaluate(f"+{focused}.dataset.place") == 2, "back where it was left"


def test_a_photo_opens_with_every_probability(tab, frame, rows):
    ask(tab, find=str(frame.number.iloc[5]), against="second")
    tab.choose("[name=difference]", "differ")
    tab.choose("[name=other]", "-1")
    tab.click("[data-place='0']")
    line = frame.iloc[5]
    parts = ["('th').title", "('.number').textContent", "('.fill').style.width", "('.threshold').style.left"]
    parts += ["('.annotated') !== null", "('.outcome').textContent"]
    shown = every(tab, ".bars tbody tr", f"[{', '.join(f'e.querySelector{part}' for part in parts)}]")
    assert [entry[0] for entry in shown] == list(LABELS)
    words = {"tp": "true positive", "fp": "false positive", "fn": "false negative", "tn": ""}
    for label, value, width, threshold, annotated, outcome in shown:
        assert float(value) == pytest.approx(line[f"first p {label}"], abs=6e-4) and threshold == "30%"
        assert float(width[:-1]) == pytest.approx(100 * line[f"first p {label}"], abs=1e-3)
        assert annotated == line[f"true {label}"]
        assert outcome == next(words[kind] for kind, mask in outcome_of(frame, "first", label).items() if mask.iloc[5])
    wrong = every(tab, ".rows tbody tr", "+e.lastChild.textContent")
    assert wrong == [line[f"{row.name} wrong"] for row in rows]
    measured = "i.decode().then(() => [i.naturalWidth, i.clientWidth > 300])"
    assert tab.evaluate(f"(i => {measured})(document.querySelector('#photo img'))") == [SIDE, True]


def test_words_of_the_corpus_are_shown_as_text(tab):
    assert EVIL in tab.evaluate("document.querySelector('.labels').innerText")
    assert EVIL in tab.evaluate("document.getElementById('about').innerText")
    assert "First <i>row</i>" in tab.evaluate("document.querySelector('[name=row]').innerText")
    tab.click("[data-place='0']")
    assert EVIL in tab.evaluate("document.getElementById('photo').innerText")
    assert tab.evaluate("document.querySelectorAll('#photo script, #photo b b, #grid script, form script').length") == 0
    assert tab.events("Page.javascriptDialogOpening") == []
    assert tab.evaluate("document.scripts.length") == 3


def test_the_page_asks_the_network_for_nothing(tab, file):
    ask(tab, label="dog", outcomes=["fp"])
    tab.click("[data-place='0']")
    asked = {event["request"]["url"] for event in tab.events("Network.requestWillBeSent")}
    assert {url for url in asked if not url.startswith("data:image/webp;base64,")} == {file}
    refused = tab.evaluate("fetch('data:,x').then(() => 'answered', () => 'refused')")
    assert refused == "refused", "its own policy forbids it"
    tab.browser.events.clear()


def test_the_address_says_what_is_asked_for(tab, chromium, file, frame):
    ask(tab, row="second", label=EVIL, outcomes=["fp", "fn"], bounds=("0.1",), against="third", where="worse")
    address, shown = tab.evaluate("location.href"), count(tab)
    again = chromium.tab(address)
    assert count(again) == shown < N and again.evaluate("document.querySelector('[name=row]').value") == "1"
    odd = "row=unknown&label=unknown&outcome=xx,tp&from=7&to=-3&against=__proto__&where=constructor&sort=no"
    again.evaluate(f"location.hash = '#{odd}'")
    again.settle()
    ask(again, row="first", label="any", outcomes=["fn"])
    assert count(again) == (any_outcome(frame, "first", "tp") | any_outcome(frame, "first", "fn")).sum(), "the known part stays"
    again.close()


@pytest.mark.parametrize("width", [420, 1280])
def test_nothing_sticks_out_of_a_narrow_or_a_wide_page(tab, width):
    tab.resize(width, 800)
    tab.settle()
    fits = "document.documentElement.scrollWidth <= innerWidth"
    assert tab.evaluate(fits)
    filters = "document.getElementById('filters')"
    assert tab.evaluate(f"{filters}.open") == (width == 1280)
    tab.evaluate(f"{filters}.open = true")
    assert tab.evaluate(fits)
    assert tab.evaluate("+document.getElementById('grid').getAttribute('aria-colcount')") == {420: 3, 1280: 6}[width]
    tab.evaluate("explorer.grid.focus(0)")
    tab.press("Enter")
    inside = "d.scrollWidth <= d.clientWidth && d.getBoundingClientRect().right <= innerWidth"
    assert tab.evaluate(f"(d => {inside})(document.getElementById('photo'))")


def test_photos_filtered_to_nothing_leave_a_sentence(tab):
    ask(tab, find="no such photo")
    assert count(tab) == 0 and tab.evaluate("document.getElementById('export').disabled")
    assert "No photo fits" in tab.evaluate("document.querySelector('main').innerText")
    assert toggles(tab) == dict.fromkeys(errors.KINDS, 0)
    tab.fill("[name=find]", "")
    assert count(tab) == N and tab.evaluate("document.querySelectorAll('.tile').length") > 0


@pytest.mark.parametrize(
    ("n", "labels", "row_count", "pixels"),
    [
        (0, ("a", "b"), 1, True),
        (7, ("only",), 1, True),
        (9, tuple(f"label {i:03d}" for i in range(200)), 2, False),
        (8, ("a", "b"), 0, True),
        (3, (), 1, True),
    ],
    ids=["no photos", "one label", "200 labels", "no rows", "no labels"],
)
def test_small_and_odd_studies_behave(chromium, tmp_path, n, labels, row_count, pixels):
    corpus = made_corpus(n, labels, share=0.4)
    indices = np.arange(n)
    made = [explorer.Answers(f"r{i}", f"Row {i}", answers(corpus.targets[indices], i), 0.5) for i in range(row_count)]
    path = tmp_path / "explorer.html"
    path.write_text(explorer.write(corpus, indices, made, photos_of(2 * n) if pixels else None), encoding="utf-8")
    tab = chromium.tab(path.as_uri())
    assert count(tab) == n and tab.evaluate("document.querySelectorAll('.labels label').length") == len(labels) + 2
    assert tab.evaluate("document.querySelectorAll('.tile').length") == n
    assert tab.evaluate("document.querySelectorAll('.tile img').length") == (n if pixels else 0)
    if labels:
        tab.click('.labels label:has([value="0"])')
        tab.click(".toggle.fn")
        given = thresholds.apply(made[0].probabilities, 0.5)[:, 0] if made else np.zeros(n)
        expected = (corpus.targets[indices, 0] == 1) & (given == 0)
        assert count(tab) == expected.sum()
        if expected.any():
            tab.click(".tile")
            assert tab.evaluate("document.querySelectorAll('.bars tbody tr').length") == (len(labels) if made else 0)
            tab.press("Escape")
            assert len(exported(tab)) == expected.sum()
    assert tab.events("Runtime.exceptionThrown") == [] and tab.events("Log.entryAdded") == []
    tab.close()


def test_4000_photos_of_full_size_open_and_the_time_is_written_down(chromium, tmp_path, record_testsuite_property):
    """Nothing here is timed by an assertion: the machine is shared. `--junitxml` shows what was measured."""
    corpus = made_corpus(FULL, tuple("abcdefghijklmn"))
    random = np.random.default_rng(0)
    noise = random.integers(0, 256, (40, 20, 20, 3), dtype=np.uint8)  # about as much detail as the real corpus' photos
    pictures = np.stack([np.asarray(Image.fromarray(picture).resize((128, 128), Image.Resampling.BICUBIC)) for picture in noise])
    made = [explorer.Answers(f"r{i}", f"Row {i}", random.random((FULL, 14), dtype=np.float32), 0.5) for i in range(6)]

    class Repeated:
        def __getitem__(self, index):
            return pictures[index % len(pictures)]

    html = explorer.write(corpus, np.arange(FULL), made, Repeated())
    assert 8e6 < len(html.encode()) < 40e6
    path = tmp_path / "explorer.html"
    path.write_text(html, encoding="utf-8")
    tab = chromium.tab(path.as_uri())
    assert count(tab) == FULL
    assert tab.evaluate("Promise.all([...document.querySelectorAll('.tile img')].map(i => i.decode())).then(() => true)")
    timing = tab.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd")
    record_testsuite_property("megabytes", round(len(html) / 1e6, 1))
    record_testsuite_property("milliseconds_to_open", round(timing))
    tab.close()
