"""The report from tiny finished notebooks: complete, escaped, self-contained, and swapped in whole."""

import base64
import json
import re
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import nbformat
import pandas as pd
import pytest
from IPython.core.formatters import DisplayFormatter

from tagging_lib import files
from tagging_lib.errors import TaggingError
from tagging_lib.report import figures, tables
from tagging_lib.report.pages import render
from tagging_lib.study.opening import open_study
from tagging_lib.study.study import write_figure
from tagging_lib.workflow import publish, records

PIXEL = base64.b64encode(b"\x89PNG not really, but the report does not look inside").decode()
EVIL = "<script>alert(1)</script><img src=http://evil.example/x.png>"
PARAMETERS = {"CORPUS": "my corpus", "PROFILE": "quick", "SEED": 42}


def code(source, *outputs, tags=()):
    cell = nbformat.v4.new_code_cell(source, metadata={"tags": list(tags)})
    cell.outputs = [nbformat.from_dict(output) for output in outputs]
    return cell


def shown(metadata=None, **data):
    data = {kind.replace("_", "/", 1): value for kind, value in data.items()}
    return {"output_type": "display_data", "data": data, "metadata": metadata or {}}


def picture(alt="Bars of something", **about):
    return shown({"image/png": {"width": 600, "alt": alt} | about}, image_png=PIXEL, text_plain="<Figure>")


def displayed(thing):
    """The output that a notebook keeps of a displayed object."""
    data, metadata = DisplayFormatter().format(thing)
    written = {kind: base64.b64encode(value).decode() if isinstance(value, bytes) else value for kind, value in data.items()}
    return {"output_type": "display_data", "data": written, "metadata": metadata}


def finish(
    outputs, name, *cells, files_made=(), title=None, asked="", parameters=PARAMETERS, started="2026-01-01T00:00:00+00:00"
):
    """A finished notebook with its record, as the runner leaves them."""
    work = outputs / "work"
    (work / "figures").mkdir(parents=True, exist_ok=True)
    (work / "tables").mkdir(exist_ok=True)
    for made in files_made:
        (outputs / made).write_text("content")
    heading = f"# {int(name[:2])} · {title or name}"
    first = nbformat.v4.new_markdown_cell(f"{heading}\n\nWhat is *the* question?{asked}\n\n- one point")
    nbformat.write(nbformat.v4.new_notebook(cells=[first, *cells]), work / f"{name}.ipynb")
    record = {"key": "k", "parameters": parameters, "started": started, "seconds": 3.2, "files": list(files_made)}
    files.write_json(work / f"{name}.json", record)


@pytest.fixture
def outputs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path / "outputs"


class Structure(HTMLParser):
    """Tags with attributes, and whether every tag is closed in order."""

    VOID = frozenset({"meta", "link", "img", "br", "hr", "col"})

    def __init__(self, html):
        super().__init__()
        self.tags, self.open = [], []
        self.feed(html)
        assert not self.open, self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, (tag, self.getpos())

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


def read(outputs, page):
    html = (outputs / "report" / page).read_text(encoding="utf-8")
    return html, Structure(html)


@pytest.fixture
def report(outputs):
    """A report of two chapters that uses everything a notebook can say to it."""
    finish(
        outputs,
        "01_first",
        code("STUDY = 1", shown(text_markdown="> **Toy scale**\n\n**Corpus** `tiny`"), tags=["study"]),
        nbformat.v4.new_markdown_cell("## A section\n\nSee [the next](02_second.ipynb#a-section).\n\n|a|b|\n|-|-|\n|1|2|"),
        code(
            'S.save_figure(draw(), "01_bars")',
            {"output_type": "stream", "name": "stderr", "text": "epoch 1\nepoch 2 \x1b[31mred\x1b[0m\n"},
            picture(saved_as="01_bars"),
            tags=["key-figure"],
        ),
        code(
            'for i in "ab":\n    show(S.save_figure(draw(i), f"01_each_{i}"))',
            picture("first", saved_as="01_each_a"),
            picture("second", saved_as="01_each_b"),
        ),
        code("Markdown('- done')", shown(text_markdown="- all is *well*"), tags=["conclusions"]),
        files_made=[f"work/figures/01_{n}.{s}" for n in ("bars", "each_a", "each_b") for s in ("png", "svg")],
    )
    table = "<table><thead><tr><th>row</th></tr></thead><tbody><tr><td>0.759 [0.746, 0.770]</td></tr></tbody></table>"
    finish(
        outputs,
        "02_second",
        nbformat.v4.new_markdown_cell("## A section\n\n## A section\n\n## A section 2"),
        code(
            'T.numbers(S.save_table(t, "02_scores"))',
            shown({"text/html": {"saved_as": "02_scores"}}, text_html=table, text_plain="t"),
            tags=["headline"],
        ),
        files_made=["work/tables/02_scores.csv"],
        started="2026-01-02T00:00:00+00:00",
    )
    files.write_json(outputs / "work" / "study.json", {"fingerprint": "abc"})
    index = publish.build_report(outputs)
    assert index == outputs / "report" / "index.html"
    return outputs


def test_the_report_holds_pages_figures_tables_and_a_manifest(report):
    found = sorted(p.relative_to(report / "report").as_posix() for p in (report / "report").rglob("*") if p.is_file())
    assert found == [
        "01_first.html",
        "02_second.html",
        *(f"figures/01_{name}.{suffix}" for name in ("bars", "each_a", "each_b") for suffix in ("png", "svg")),
        "index.html",
        "manifest.json",
        "page.css",
        "tables/02_scores.csv",
    ]
    manifest = json.loads((report / "report" / "manifest.json").read_text())
    assert manifest["study"] == {"fingerprint": "abc"} and manifest["parameters"] == PARAMETERS
    assert manifest["notebooks"]["02_second"]["seconds"] == 3.2
    assert manifest["files"]["tables/02_scores.csv"] == files.sha256(report / "work" / "tables" / "02_scores.csv")
    assert manifest["versions"]["numpy"] and manifest["machine"]["cores"] >= 1


def test_every_link_inside_the_report_leads_somewhere(report):
    folder = report / "report"
    for page in ("index.html", "01_first.html", "02_second.html"):
        _, structure = read(report, page)
        anchors = {attributes["id"] for _, attributes in structure.tags if "id" in attributes}
        for link in structure.all("a"):
            target, _, anchor = link["href"].partition("#")
            if target:
                assert (folder / target).exists(), (page, target)
                anchors_there = re.findall(r'id="([^"]+)"', (folder / target).read_text()) if anchor else []
                assert not anchor or anchor in anchors_there
            else:
                assert anchor in anchors
        assert len(anchors) == len([a for _, a in structure.tags if "id" in a]), "anchors are unique"


def test_nothing_is_loaded_from_elsewhere_and_nothing_runs(report):
    for page in ("index.html", "01_first.html", "02_second.html"):
        html, structure = read(report, page)
        assert not structure.all("script") and not structure.all("iframe")
        assert [link["href"] for link in structure.all("link")] == ["page.css"]
        for image in structure.all("img"):
            assert image["src"].startswith(("data:image/", "figures/")) and image["alt"]
        assert "default-src 'none'" in structure.all("meta")[2]["content"]
        assert not re.search(r'(src|href)="(https?:)?//', html)
        assert not any("style" in attributes for _, attributes in structure.tags)
    assert "url(" not in (report / "report" / "page.css").read_text()
    assert "@import" not in (report / "report" / "page.css").read_text()


def test_a_page_reads_like_one(report):
    html, structure = read(report, "01_first.html")
    assert html.count("<h1") == 1 and "<h1>first</h1>" not in html and "<h1>01_first</h1>" in html
    assert '<p class="question">What is the question?</p>' in html
    assert 'href="02_second.html#a-section"' in html, "links to notebooks become links to pages"
    assert "Figure 1.1" in html and 'href="figures/01_bars.svg"' in html
    assert html.index('alt="first"') < html.index("figures/01_each_a.png") < html.index('alt="second"')
    assert structure.all("img")[0]["width"] == "600"
    assert "epoch 2 red" in html and "\x1b" not in html and "log, 2 lines" in html
    assert "<Figure>" not in html and "&lt;Figure&gt;" not in html
    assert "run 2026-01-01 00:00:00 UTC in 3 s" in html
    assert "./run_all.sh --corpus &#39;my corpus&#39; --profile quick --only 01" in html
    tables = [i for i, (tag, _) in enumerate(structure.tags) if tag == "table"]
    assert tables and all("scroll" in structure.tags[i - 1][1].get("class", "") for i in tables)
    assert structure.all("a")[-1]["href"] == "02_second.html"


def test_the_index_gathers_what_notebooks_tag(report):
    html, structure = read(report, "index.html")
    assert "0.759 [0.746, 0.770]" in html and "all is <em>well</em>" in html
    assert [image["src"] for image in structure.all("img")] == ["figures/01_bars.png"]
    assert "unfinished" not in html and "stale" not in html
    # The newest page tells what was run on what; the second has no `study` cell.
    assert "Toy scale" not in html
    finish(report, "02_second", code("S", shown(text_markdown="**Toy scale**"), tags=["study"]), started="2027")
    publish.build_report(report)
    assert "<strong>Toy scale</strong>" in read(report, "index.html")[0]


def test_words_of_a_corpus_stay_words_wherever_they_come_from(outputs):
    cell = nbformat.v4.new_markdown_cell(f"## {EVIL}\n\n{EVIL} [x](javascript:alert(1)) ![y](http://evil.example/y.png)")
    finish(
        outputs,
        "01_first",
        cell,
        code("a", shown(text_markdown=f"`{EVIL}` and {EVIL}"), tags=["study", "conclusions"]),
        code("b", shown(text_html=f"<table><tr><td onclick='x()'>{EVIL}</td></tr></table>"), tags=["headline"]),
        code("c", shown(text_plain=EVIL)),
        code("d", {"output_type": "stream", "name": "stdout", "text": EVIL}),
        code(f"# {EVIL}", picture(alt=f'" onerror="alert(1)">{EVIL}')),
        code("f", shown({"image/png": {"saved_as": EVIL}}, image_png=PIXEL)),
        code("g", shown(**{"image/svg+xml": f"<svg>{EVIL}</svg>"}, text_plain="x")),
        title=EVIL,
        asked=EVIL,
        parameters={"CORPUS": EVIL},
    )
    publish.build_report(outputs)
    for page in ("index.html", "01_first.html"):
        html, structure = read(outputs, page)
        assert "<script" not in html and "alert(1)" in html
        assert all(re.match(r"data:image/(png|svg\+xml);base64,", image["src"]) for image in structure.all("img"))
        assert not any(name.startswith("on") for _, attributes in structure.tags for name in attributes)
        assert not any(link["href"].startswith(("javascript:", "http")) for link in structure.all("a"))


def test_only_finished_notebooks_and_their_own_files_are_shown(report):
    work = report / "work"
    (work / "figures" / "03_of_another_run.png").write_text("old")
    (work / "03_third.failed.ipynb").write_text("{")
    (work / "04_fourth.ipynb").write_text("{")
    publish.build_report(report)
    assert not list((report / "report").rglob("03_*")) and not list((report / "report").rglob("04_*"))
    assert "Not run yet" in read(report, "index.html")[0]


def test_chapters_are_counted_where_all_up_to_the_last_are_there(report):
    assert "Chapter 2 of 2<" in read(report, "02_second.html")[0]
    (report / "work" / "01_first.ipynb").unlink()
    publish.build_report(report)
    assert "Chapter 2<" in read(report, "02_second.html")[0]


def test_pages_of_an_older_run_are_named_and_not_shown(report):
    finish(report, "01_first", parameters=PARAMETERS | {"SEED": 7})
    publish.build_report(report)
    assert not (report / "report" / "01_first.html").exists() and not list((report / "report" / "figures").iterdir())
    html = read(report, "index.html")[0]
    assert "belongs to another run: 01_first." in html and "./run_all.sh --corpus &#39;my corpus&#39; --profile quick" in html
    assert "01_first" not in html.partition("Not run yet")[2]


def test_a_run_that_has_not_ended_says_so_until_it_has(report):
    published = {path: path.read_bytes() for path in report.glob("report/**/*") if path.is_file()}
    records.begin(report, None, PARAMETERS)
    assert {path: path.read_bytes() for path in report.glob("report/**/*") if path.is_file()} == published, "written once"
    publish.build_report(report)
    assert "This run has not finished: it was interrupted." in read(report, "index.html")[0]
    records.fail(report, "02_second.ipynb, cell 3: <b>")
    publish.build_report(report)
    assert "This run has not finished: 02_second.ipynb, cell 3: &lt;b&gt;." in read(report, "index.html")[0]
    records.finish(report)
    publish.build_report(report)
    assert "unfinished" not in read(report, "index.html")[0]
    records.begin(report, None, PARAMETERS | {"SEED": 7})
    with pytest.raises(TaggingError, match="no finished notebook of the run that began last"):
        publish.build_report(report)


def test_the_manifest_tells_of_the_study_of_its_pages(report):
    record = records.read_record(report, "02_second")
    files.write_json(report / "work" / "02_second.json", record | {"study": {"fingerprint": "of its run"}})
    files.write_json(report / "work" / "study.json", {"fingerprint": "of a run that failed since"})
    publish.build_report(report)
    assert json.loads((report / "report" / "manifest.json").read_text())["study"] == {"fingerprint": "of its run"}


def test_the_old_report_stays_until_the_new_one_is_whole(report, monkeypatch):
    (report / "report" / "mark").write_text("old")
    monkeypatch.setattr(render, "_manifest", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        publish.build_report(report)
    assert (report / "report" / "mark").exists() and (report / "report" / "index.html").exists()
    monkeypatch.undo()
    monkeypatch.chdir(report.parent)
    publish.build_report(report)
    assert not (report / "report" / "mark").exists()
    assert not list(report.glob(".*")), "nothing temporary is left"


def test_without_a_finished_notebook_it_says_what_to_run(outputs):
    with pytest.raises(TaggingError, match=r"run \./run_all\.sh first"):
        publish.build_report(outputs)


def captions(outputs, page="01_first.html"):
    found = re.findall(r"<figcaption>(.*?)</figcaption>", read(outputs, page)[0])
    return [re.sub(r"<[^>]+>", "", caption) for caption in found]


def test_captions_name_the_files_of_what_is_shown_whatever_the_code_that_saved_it(outputs, tiny_corpus):
    study = open_study(CORPUS=str(tiny_corpus), PROFILE="quick", DEVICE="cpu")
    bars = [figures.pos_weights(["a", "b"], [1.0, weight]) for weight in (2.0, 3.0, 4.0, 5.0)]
    for number, figure in enumerate(bars[:3]):
        assert study.save_figure(figure, f"01_bars_{number}") is figure
    table = pd.DataFrame({"label": list("abc"), "f1": [0.1, 0.2, 0.3], "photos": [1, 2, 3]})
    assert study.save_table(table, "01_scores") is table
    study.save_table(pd.DataFrame({"row": ["a"]}), "01_never_shown")
    in_a_loop = code("for name, figure in drawn:\n    display(S.save_figure(figure, name))", *map(displayed, bars[:2]))
    saved_and_not = code("display(saved, not_saved)", displayed(bars[2]), displayed(bars[3]), tags=["key-figure"])
    in_parts = [tables.numbers(part) for part in (table.head(2), table.drop(columns="photos"), table[table.f1 > 0.1])]
    unsaved = tables.numbers(pd.DataFrame({"label": ["a"]}))
    made = [path.relative_to(outputs).as_posix() for path in (outputs / "work").rglob("01_*.*")]
    finish(outputs, "01_first", in_a_loop, saved_and_not, code("t", *map(displayed, [*in_parts, unsaved])))
    record = files.read_json(outputs / "work" / "01_first.json")
    files.write_json(outputs / "work" / "01_first.json", record | {"files": made})
    publish.build_report(outputs)
    assert captions(outputs) == [
        *(f"Figure 1.{number + 1} · 01_bars_{number} · PNG · SVG" for number in range(3)),
        "Figure 1.4",
        *(f"Table 1.{number} · 01_scores · CSV" for number in (1, 2, 3)),
        "Table 1.4",
    ]
    assert [image["src"] for image in read(outputs, "index.html")[1].all("img")] == ["figures/01_bars_2.png"]


def test_a_name_without_its_file_is_no_link(outputs):
    made = ["work/figures/01_half.png"]
    cell = code("a", picture(saved_as="01_gone"), picture(saved_as="01_half"), picture(saved_as=""), tags=["key-figure"])
    finish(outputs, "01_first", cell, files_made=made)
    publish.build_report(outputs)
    assert captions(outputs) == ["Figure 1.1", "Figure 1.2 · 01_half · PNG", "Figure 1.3"]
    assert [image["src"] for image in read(outputs, "index.html")[1].all("img")] == ["figures/01_half.png"]


def test_a_report_without_photos_keeps_only_figures_that_say_they_show_none(outputs):
    """What may show a photo stays out, in the page as in the folder; figures of numbers stay."""
    import numpy as np
    from PIL import Image

    photos = np.random.default_rng(0).integers(0, 256, (3, 16, 16, 3), dtype=np.uint8)
    drawn = {"01_photos": figures.photo_grid(photos, [0, 1, 2]), "01_numbers": figures.pos_weights(["a", "b"], [1.0, 2.0])}
    cells = []
    for name, figure in drawn.items():
        figure.saved_as = name
        cells.append(code("S.save_figure(draw(), name)", displayed(figure), tags=["key-figure"]))
    cells.append(code("mine.plot()", shown({}, image_png=PIXEL)))
    finish(outputs, "01_first", *cells)
    made = [path for name, figure in drawn.items() for path in write_figure(figure, outputs / "work" / "figures" / name)]
    record = files.read_json(outputs / "work" / "01_first.json")
    relative = [path.relative_to(outputs).as_posix() for path in made]
    files.write_json(outputs / "work" / "01_first.json", record | {"files": relative})

    publish.build_report(outputs)
    html, whole = read(outputs, "01_first.html")
    assert len(whole.all("img")) == 3 and len(list((outputs / "report" / "figures").iterdir())) == 4

    publish.build_report(outputs, photos=False)
    html, page = read(outputs, "01_first.html")
    assert len(page.all("img")) == 1 and html.count('class="withheld"') == 2
    assert sorted(p.name for p in (outputs / "report" / "figures").iterdir()) == ["01_numbers.png", "01_numbers.svg"]
    (whole_figure,) = [path for path in made if path.name == "01_numbers.png"]
    with Image.open(outputs / "report" / "figures" / "01_numbers.png") as small, Image.open(whole_figure) as full:
        assert small.mode == "P" and small.size == full.size
        assert np.abs(np.asarray(small.convert("RGB"), int) - np.asarray(full.convert("RGB"), int)).mean() < 1
    assert PIXEL not in html
    assert [image["src"] for image in read(outputs, "index.html")[1].all("img")] == ["figures/01_numbers.png"]


def test_the_commit_is_marked_when_code_differs_from_it_and_not_for_another_report(tmp_path, monkeypatch):
    def git(*arguments):
        subprocess.run(["git", "-C", tmp_path, "-c", "user.name=a", "-c", "user.email=a@b", *arguments], check=True)

    for name in ("library/code.py", "outputs/report/index.html"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text("before")
    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "all")
    monkeypatch.setattr(render, "HERE", tmp_path / "library")
    clean = render._commit()
    assert clean and len(clean) == 40
    (tmp_path / "outputs" / "report" / "index.html").write_text("another run")
    assert render._commit() == clean
    (tmp_path / "library" / "code.py").write_text("after")
    assert render._commit() == clean + " with local changes"


def test_a_published_report_calls_files_by_their_names(monkeypatch):
    monkeypatch.setattr(render, "PROJECT", Path("/home/someone/study"))
    parameters = {"CORPUS": "/home/someone/photos/a.zip,/home/someone/photos/b.zip", "OUTPUTS": "/scratch/out", "WEIGHTS": "w"}
    text = 'from "/scratch/out/runs/x", (/home/someone/study/notebooks/1.ipynb) --corpus /home/someone/photos/a.zip,b '
    text += "/scratch/outer/y"
    expected = 'from "out/runs/x", (notebooks/1.ipynb) --corpus a.zip,b outer/y'
    assert render.without_places(text, parameters) == expected
    assert render.without_places("iVBORw0K/scratch/out/AA==", parameters) == "iVBORw0K/scratch/out/AA=="
    assert render.without_places("/ and /x", {"CORPUS": "/a.zip"}) == "/ and /x"
    log = 'a\nDownloading: &#34;https://weights.example/x.pth&#34; to /root/x.pth\nb'
    assert render.without_places(log, {}) == "a\nb"
    assert render.without_places("<pre>Downloading: x\nb</pre>", {}) == "<pre>b</pre>"
    # The last line of a log ends what stands around the log, too.
    assert render.without_places("<pre>a\nDownloading: x</pre></details>\n<p>b</p>", {}) == "<pre>a\n</pre></details>\n<p>b</p>"


def test_a_table_without_rows_is_not_shown_and_takes_no_number(outputs):
    nothing, some = (displayed(tables.numbers(pd.DataFrame({"row": rows}))) for rows in ([], ["a"]))
    one_line = {"output_type": "stream", "name": "stderr", "text": "epoch 1\n"}
    cells = [code("a", nothing), code("b", one_line, some)]
    finish(outputs, "01_first", *cells)
    publish.build_report(outputs)
    html = (outputs / "report" / "01_first.html").read_text()
    assert html.count("<table") == 1 and "Table 1.1" in html and "Table 1.2" not in html
    assert "log, 1 line<" in html


def test_figures_that_are_left_out_together_leave_one_sentence(outputs):
    finish(outputs, "01_first", code("for i in range(3):\n    show(i)", picture(), picture(), picture()))
    publish.build_report(outputs, photos=False)
    html, _ = read(outputs, "01_first.html")
    assert html.count('class="withheld"') == 1 and "3 figures of photos are left out of this copy" in html


@pytest.mark.parametrize(
    ("source", "ran", "said"),
    [
        ("assert a\nassert b, 'text'", True, "All 2 checks held"),
        ("if a:\n    assert b", True, "1 check held"),
        ("assert a", False, None),
        ("a = 1", True, None),
        ("%timeit a", True, None),
    ],
)
def test_checks_that_held_are_told_where_they_have_run(outputs, source, ran, said):
    cell = code(source)
    cell.execution_count = 3 if ran else None
    finish(outputs, "01_first", cell)
    publish.build_report(outputs)
    html, _ = read(outputs, "01_first.html")
    assert ('class="checked"' in html) == (said is not None) and (said or "") in html
