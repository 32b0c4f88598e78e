"""The front page: what was found comes first, the whole table last, and its script only sorts and copies."""

from __future__ import annotations

import re

import browser
import pandas as pd
import pytest

from tagging_lib.report.embedding import hash_of
from tagging_lib.report.pages import index
from tagging_lib.workflow import publish
from tests.test_render import code, finish, picture, read, shown

ROWS = {
    "row": ["constant", "a <b>", "b", "head", None],
    "title": ["Constant answer", "Row <b>A</b>", "Row B", "Head", "Mean of the best 3"],
    "group": ["Baselines", "Baselines", "Baselines", "Transfer learning", "Ensembles"],
    "micro_f1": [0.321, 0.245, 0.552, 0.766, 0.801],
    "low": [0.3, 0.2, 0.5, 0.7, 0.79],
    "high": [0.33, 0.3, 0.6, 0.8, 0.81],
    "letters": ["", "a", "b", "c", None],
    "seconds": [0.0, 2542.0, 61.0, 7384.0, None],
}


@pytest.fixture
def outputs(tmp_path, monkeypatch):
    """A report of two chapters, the second with all that the front page asks for."""
    monkeypatch.chdir(tmp_path)
    outputs = tmp_path / "outputs"
    points = shown(text_markdown="- The *first* point.\n- Another one.")
    finish(outputs, "01_first", code("c", points, tags=["conclusions"]))
    finish(
        outputs,
        "05_threshold_search",
        code("s", shown(text_markdown="**Corpus** tiny"), tags=["study"]),
        code("k", picture("A key figure", saved_as="05_key"), tags=["key-figure"]),
        code("t", picture("The story", saved_as="05_story"), tags=["story"]),
        code("a", shown(text_markdown="We ask. It is 0.801 \\[0.790, 0.810\\]."), tags=["abstract"]),
        code("f", shown(text_markdown="What *matters* here."), tags=["finding"]),
        code("c", points, tags=["conclusions"]),
        files_made=["work/figures/05_key.png", "work/figures/05_story.png", "work/tables/05_every_row.csv"],
        started="2026-01-02T00:00:00+00:00",
    )
    pd.DataFrame(ROWS).to_csv(outputs / "work" / "tables" / "05_every_row.csv", index=False)
    publish.build_report(outputs)
    return outputs


def test_what_was_found_comes_first_and_the_whole_table_last(outputs):
    html, _ = read(outputs, "index.html")
    order = ["We ask. It is 0.801 [0.790, 0.810].", "05_story.png", "The <em>first</em> point.", "What <em>matters</em> here."]
    order += ['id="rows"', "<details class=\"figures\">", "05_key.png", 'id="run"', "<strong>Corpus</strong>"]
    places = [html.index(text) for text in order]
    assert places == sorted(places)
    assert "Another one" not in html


def test_a_chapter_opens_with_its_finding(outputs):
    for page, finding in (("01_first", "The <em>first</em> point."), ("05_threshold_search", "What <em>matters</em> here.")):
        html, _ = read(outputs, f"{page}.html")
        assert re.search(rf'<p class="question">[^<]+</p>\s*<p class="finding">{finding}</p>', html)


def test_every_row_stands_in_its_group_with_its_command(outputs):
    html, _ = read(outputs, "index.html")
    table = html[html.index('<table class="headline every-row">') : html.index("</table>")]
    assert re.findall(r'scope="rowgroup"[^>]*>([^<]+)<', table) == ["Baselines", "Transfer learning", "Ensembles"]
    commands = re.findall(r"<code>(.*?)</code>", table)
    options = "--corpus &#39;my corpus&#39; --profile quick"
    assert commands[1] == f"tagging train &#39;a &lt;b&gt;&#39; {options}" and commands[3] == f"tagging train head {options}"
    assert commands[4] == f"./run_all.sh {options} --only 03"
    assert "Row &lt;b&gt;A&lt;/b&gt;" in table and "0.801 [0.790, 0.810]" in table and "42 min 22 s" in table


def test_one_script_runs_on_the_front_page_and_none_on_the_others(outputs):
    html, structure = read(outputs, "index.html")
    (script,) = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    assert f"script-src {hash_of(script)};" in structure.all("meta")[2]["content"]
    assert "fetch(" not in script and "innerHTML" not in script
    html, structure = read(outputs, "01_first.html")
    assert "<script" not in html and "script-src" not in structure.all("meta")[2]["content"]


def test_without_a_chapter_that_sums_up_the_page_says_what_ran_and_shows_the_last_table(outputs):
    table = "<table><tbody><tr><td>0.759</td></tr></tbody></table>"
    finish(
        outputs,
        "05_threshold_search",
        code("s", shown(text_markdown="**Corpus** tiny"), tags=["study"]),
        code("h", shown(text_html=table), tags=["headline"]),
        started="2026-01-02T00:00:00+00:00",
    )
    publish.build_report(outputs)
    html, _ = read(outputs, "index.html")
    assert html.index("Which networks") < html.index("<strong>Corpus</strong>") < html.index("0.759")
    assert "<script" not in html and "Abstract" not in html and index.every_row(outputs / "none.csv", {}) is None


@pytest.fixture
def page(outputs, tmp_path):
    if browser.find() is None:
        pytest.skip(f"no {', '.join(browser.NAMES)} on PATH")
    running = browser.Browser(tmp_path / "browser")
    yield running.tab((outputs / "report" / "index.html").as_uri())
    running.close()


def test_a_click_on_a_head_sorts_the_rows_of_each_group_and_a_button_copies_a_command(page):
    def titles(head):
        page.evaluate(f"[...document.querySelectorAll('.every-row thead button')].find(b => b.textContent === {head!r}).click()")
        return page.evaluate("[...document.querySelectorAll('.every-row tbody tr:not(.group) th')].map(c => c.textContent)")

    assert titles("Micro-F1 [95 %]") == ["Row B", "Constant answer", "Row <b>A</b>", "Head", "Mean of the best 3"]
    assert titles("Micro-F1 [95 %]")[:3] == ["Row <b>A</b>", "Constant answer", "Row B"]
    assert titles("Time")[:3] == ["Row <b>A</b>", "Row B", "Constant answer"], "minutes are more than seconds"
    assert titles("Row")[:3] == ["Constant answer", "Row <b>A</b>", "Row B"]
    assert titles("Group")[:3] == ["Row B", "Row <b>A</b>", "Constant answer"], "what has no value comes last"
    assert page.evaluate("document.querySelector('.every-row [aria-sort]').textContent") == "Group"
    page.evaluate("navigator.clipboard.writeText = async (text) => { window.copied = text; }")
    page.evaluate("document.querySelector('.every-row td.command button').click()")
    assert page.evaluate("window.copied").startswith("tagging train ")
