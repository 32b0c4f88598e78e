"""Labels and file names that want to be markup, shown as text by every page of a real study in a real browser."""

from __future__ import annotations

import csv
import io
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np

from tests import browser
from tests.torture.harness import Trials, answer_of, expect, in_child

LABELS = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '" onmouseover="alert(1)" x="',
    "'-alert(1)-'",
    "</script><svg onload=alert(1)>",
    "</title></style><iframe src=javascript:alert(1)>",
    "{{ 7*7 }}{% raw %}",
    "[x](javascript:alert(1))",
    "![x](http://127.0.0.1:9/x.png)",
    "$\\frac{$ a$",
    "**b** `c` _d_ |e|",
    "&lt &amp &#60b",
    "--><b>",
    "_hidden",
    "{x} %s",
)
# A slash ends a file's name, so that a closing tag needs a folder.
FILES = (
    "<script>alert(2)<",
    "</script><img src=x onerror=alert(2)>",
    '" onerror="alert(2)',
    "`](javascript:alert(2))",
    "{{7*7}}",
    "$x$_y^",
    "a|b`c",
    "--><b>",
    "'&#60;b&#62;",
)
# What a page may not hold if everything of a corpus has stayed text.
FORBIDDEN = """(() => {
  const found = [];
  for (const e of document.querySelectorAll('*')) {
    for (const a of e.attributes) {
      if (/^on/i.test(a.name)) found.push(e.tagName + ' ' + a.name);
      if (/^(href|src|action|formaction|data|xlink:href)$/i.test(a.name) && /^\\s*(javascript|https?):/i.test(a.value))
        found.push(e.tagName + ' ' + a.value);
    }
    if (/^(iframe|object|embed|base|applet|frame)$/i.test(e.tagName)) found.push(e.tagName);
    if (/^script$/i.test(e.tagName) && !e.type && /alert\\([12]\\)/.test(e.textContent)) found.push('script');
    if (/^img$/i.test(e.tagName) && e.getAttribute('src') === 'x') found.push('img');
  }
  if (document.body && [...document.querySelectorAll('svg')].some(e => document.documentElement !== e)) found.push('svg');
  return found;
})()"""


def run(trials: Trials) -> None:
    """The label statistics alone, or all seven notebooks; their pages, figures and the explorer, in Chromium."""
    if browser.find() is None:
        trials.skip(f"no {', '.join(browser.NAMES)} on PATH")
        return
    with trials.workplace() as folder:
        names = _draw(folder / "corpus", 96)
        only = "" if trials.size == "long" else "01"
        answer_of(in_child(lambda: _study(folder, only), timeout=3000))
        report = folder / "outputs" / "report"
        running = browser.Browser(folder / "browser")
        try:
            with trials.trial("what must not be is found where it is"):
                page = folder / "control.html"
                page.write_text("<p onclick=''>a</p><img src=x onerror=\"window.sang = 1\"><a href='javascript:1'>b</a>")
                tab = running.tab(page.as_uri())
                tab.settle()
                expect(tab.evaluate("window.sang") == 1, "the control page's script did not run")
                expect(len(tab.evaluate(FORBIDDEN)) >= 4, "what is forbidden was not found")
            for page in sorted(report.glob("*.html")):
                with trials.trial(page.name):
                    _looked_at(running, page)
            figures = sorted((report / "figures").glob("*.svg"))
            for page in figures[: trials.count(2, 100, 1000)]:
                with trials.trial(f"figures/{page.name}"):
                    _looked_at(running, page)
            _words(trials, running, report)
            _explorer(trials, running, report / "explorer.html", names)
        finally:
            running.close()


def _looked_at(running: browser.Browser, page: Path) -> None:
    tab = running.tab(page.as_uri())
    try:
        tab.settle()
        found = tab.evaluate(FORBIDDEN)
        expect(not found, f"the corpus' words became markup: {found}")
        _quiet(tab)
    finally:
        tab.close()


def _quiet(tab: browser.Tab) -> None:
    """Nothing was blocked either: the page's policy is the second wall, not the first."""
    for event in ("Page.javascriptDialogOpening", "Runtime.exceptionThrown", "Log.entryAdded"):
        expect(not tab.events(event), f"{event}: {tab.events(event)}")
    asked = [event["request"]["url"] for event in tab.events("Network.requestWillBeSent")]
    expect(all(url.startswith(("file:", "data:", "blob:")) for url in asked), f"the page asks for {asked}")


def _words(trials: Trials, running: browser.Browser, report: Path) -> None:
    """Each label stands on the page of label statistics, letter for letter."""
    tab = running.tab((report / "01_label_statistics.html").as_uri())
    text = tab.evaluate("[...document.querySelectorAll('td, th')].map(e => e.textContent.trim())")
    prose = tab.evaluate("[...document.querySelectorAll('#content p, #content li')].map(e => e.textContent).join('\\n')")
    tab.close()
    for label in LABELS:
        with trials.trial(f"label {label} in a table"):
            expect(label in text, "it does not stand in a table as it is written")
    named = [label for label in LABELS if label in prose]
    with trials.trial("labels in sentences"):
        expect(named, "no sentence names a label as it is written")
    trials.notes.append(f"{len(named)} of {len(LABELS)} labels are named in sentences of the first page")


def _explorer(trials: Trials, running: browser.Browser, page: Path, names: list[str]) -> None:
    """Labels and names in the explorer, which makes its elements by script: filters, photos, the opened photo, the export."""
    if not page.exists():
        page = page.with_name("explorer.html")
        page.write_text(_written(page.parents[2]), encoding="utf-8")
    tab = running.tab(page.as_uri(), height=1600)
    with trials.trial("labels of the explorer"):
        listed = tab.evaluate("[...document.querySelectorAll('.labels label')].map(e => e.textContent)")
        for label in LABELS:
            expect(any(label in text for text in listed), f"{label} is not listed as it is written: {listed}")
    for place, label in enumerate(LABELS[: trials.count(3, len(LABELS), len(LABELS))]):
        with trials.trial(f"explorer, {label}"):
            tab.click(f'.labels label:has([value="{place}"])')
            tab.settle()
            expect(not tab.evaluate(FORBIDDEN), f"markup: {tab.evaluate(FORBIDDEN)}")
            _quiet(tab)
    with trials.trial("file names of the explorer"):
        tab.click('.labels label:has([value="-1"])')
        shown = tab.evaluate("[...document.querySelectorAll('#grid *')].filter(e => !e.children.length).map(e => e.textContent)")
        shown += tab.evaluate("[...document.querySelectorAll('#grid *')].map(e => e.title || e.alt || '').filter(Boolean)")
        table = list(csv.DictReader(io.StringIO(tab.download("#export").decode("utf-8-sig"))))
        expect(table and {row["photo"] for row in table} <= set(names), "the export names other photos")
        expect(shown, "the explorer shows no photo")
    with trials.trial("an opened photo"):
        tab.click("[data-place='0']")
        tab.settle()
        opened = tab.evaluate("document.querySelector('dialog').textContent")
        expect(tab.evaluate("document.querySelector('dialog').open"), "no photo opened")
        expect(any(name in opened for name in names), f"its name is not shown as it is written: {opened[:300]}")
        expect(not tab.evaluate(FORBIDDEN), f"markup: {tab.evaluate(FORBIDDEN)}")
        _quiet(tab)
    tab.close()


def _written(folder: Path) -> str:
    """The explorer of the constant row, where notebook 06 has not written one of its own."""

    def work() -> str:
        from tagging_lib.report.explorer import page as explorer

        os.chdir(folder)
        from tagging_lib.study.opening import open_study

        opened = open_study(CORPUS="corpus", PROFILE="quick", DEVICE="cpu", READ="separator=';'")
        return explorer.explore(opened, opened.run(["constant"])).html

    return answer_of(in_child(work))


def _study(folder: Path, only: str) -> Any:
    from tagging_lib import cli

    os.chdir(folder)
    # Stated, because labels with brackets and braces would be suspected of being lists.
    sys.argv = ["tagging", "study", "--corpus", "corpus", "--separator", ";", "--profile", "quick", "--only", only]
    cli.app(standalone_mode=False)
    return sorted(path.name for path in (folder / "outputs" / "report").iterdir())


def _draw(folder: Path, count: int) -> list[str]:
    """A corpus with a CSV, in which each label brightens a channel; returns the photos' names."""
    from PIL import Image

    random = np.random.default_rng(11)
    rows = []
    for number in range(count):
        name = f"{FILES[number % len(FILES)]}{number}.png".replace("</", "<i>/")
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        image, carried = random.integers(0, 70, (24, 24, 3), dtype=np.uint8), []
        for place, label in enumerate(LABELS):
            if number % 6 and random.random() < 0.25:
                image[..., place % 3] += 20
                carried.append(label)
        Image.fromarray(image).save(path)
        rows.append((path.relative_to(folder).as_posix(), ";".join(carried)))
    with open(folder / "photos.csv", "w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["photo", "labels"])
        writer.writerows(rows)
    return [name for name, _ in rows]
