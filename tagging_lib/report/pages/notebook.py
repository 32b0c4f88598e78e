"""One finished notebook as the HTML of one page. What comes from a corpus is escaped: only this module makes markup.

Raw HTML in markdown is shown as text; HTML outputs (tables) keep a short list of tags. A notebook speaks to the report
through tags on its cells: `abstract` and `story` (the figure below it) stand on the index, `key-figure` (folded there),
`every-row` or `headline` (tables there), `conclusions`, whose first is the page's finding unless a cell is tagged `finding`,
and `study` (what was run on what); and through the metadata of its outputs: `saved_as` (the name of a figure's or table's
files), `alt`, `width` and `photos` (whether an image shows any).
"""

from __future__ import annotations

import ast
import base64
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import mistune
import nbformat
from markupsafe import Markup, escape

ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
ROWLESS = re.compile(r"<tbody>\s*</tbody>")  # a table that holds nothing but its heads
TABLE_TAGS = {"table", "caption", "colgroup", "col", "thead", "tbody", "tfoot", "tr", "th", "td"}
TEXT_TAGS = {"a", "abbr", "b", "br", "code", "details", "div", "em", "i", "p", "small", "span", "strong", "sub", "summary", "sup"}
ATTRIBUTES = ["class", "colspan", "rowspan", "scope", "title"]
SCROLL = '<div class="scroll" tabindex="0" role="region" aria-label="Table">'
LOG = Markup('<details class="log"><summary>log, {}</summary><pre>{}</pre></details>\n')
WITHHELD = Markup('<p class="withheld">{} left out of this copy of the report.</p>\n')
CHECKED = Markup('<p class="checked">{} when this page was made; the code beside this line says what {} about.</p>\n')
KINDS = ("image/png", "image/jpeg", "image/svg+xml", "text/html", "text/markdown", "text/plain")  # the first is shown
SUFFIXES = {"figures": ("png", "svg"), "tables": ("csv",)}
FIRST_POINT = re.compile(r"<li>(?:<p>)?(.*?)(?:</p>|</li>)", re.DOTALL)
INLINE = re.compile(r"</?p>")
NOTEBOOK_LINK = re.compile(r"^(?:\./)?([0-9]{2}_\w+)\.ipynb(#.*)?$")


@dataclass(eq=False)
class Page:
    """A notebook ready for the templates; all `Markup` is safe HTML.

    Attributes:
        tagged: what the cells of each tag have put out.
        figures: those of the cells of each tag whose files the index can show: name, alt and width.
    """

    name: str
    title: str
    question: str
    body: Markup
    sections: list[tuple[str, str]]
    tagged: dict[str, Markup]
    figures: dict[str, list[dict[str, Any]]]
    record: dict[str, Any] = field(default_factory=dict)
    command: str = ""

    @property
    def number(self) -> int:
        return int(self.name.split("_")[0])

    @property
    def conclusions(self) -> Markup:
        return self.tagged.get("conclusions", Markup())

    @property
    def finding(self) -> Markup:
        """What the page found, in a sentence; empty where it concludes nothing."""
        if "finding" in self.tagged:
            return Markup(INLINE.sub("", self.tagged["finding"]).strip())
        first = FIRST_POINT.search(self.conclusions)
        return Markup(first[1].strip()) if first else Markup()

    @property
    def date(self) -> str:
        return self.record.get("started", "at an unknown time").replace("T", " ").replace("+00:00", " UTC")

    @property
    def duration(self) -> str:
        seconds = float(self.record.get("seconds", 0))
        return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def anchor(heading: str) -> str:
    """What a link to the heading ends in: its letters and digits, with hyphens between words."""
    return re.sub(r"\W+", "-", heading.lower()).strip("-") or "section"


class _Prose(mistune.HTMLRenderer):
    """Markdown to HTML: raw HTML shown as text, headings with anchors, images from the report's folder alone."""

    def __init__(self) -> None:
        super().__init__(escape=True)
        self.sections: list[tuple[str, str]] = []
        self._anchors: set[str] = set()

    def heading(self, text: str, level: int, **attrs: Any) -> str:
        plain = Markup(text).striptags()
        place = alone = anchor(plain)
        others = itertools.count(2)
        while place in self._anchors:
            place = f"{alone}-{next(others)}"
        self._anchors.add(place)
        if level == 2:
            self.sections.append((place, plain))
        return f'<h{level} id="{place}">{text}</h{level}>\n'

    def link(self, text: str, url: str, title: str | None = None) -> str:
        notebook = NOTEBOOK_LINK.match(url)
        return super().link(text, f"{notebook[1]}.html{notebook[2] or ''}" if notebook else url, title)

    def image(self, text: str, url: str, title: str | None = None) -> str:
        local = url.startswith("data:image/") or not re.match(r"^([A-Za-z][\w+.-]*:|/|\\)", url)
        return f'<img src="{escape(url)}" alt="{escape(text)}">' if local else str(escape(text))


@dataclass(frozen=True)
class _Output:
    """What a cell has put out: `content` is of this `kind`, one of `KINDS` or "log", and `about` what is said of it."""

    kind: str
    content: str
    about: dict[str, Any] = field(default_factory=dict)

    @property
    def is_image(self) -> bool:
        return self.kind.startswith("image/")

    @property
    def image(self) -> Markup:
        content = self.content.encode()
        encoded = base64.b64encode(content) if self.kind == "image/svg+xml" else b"".join(content.split())
        width = Markup(' width="{}"').format(int(self.about["width"])) if "width" in self.about else Markup()
        image = Markup('<img src="data:{};base64,{}" alt="{}"{}>')
        return image.format(self.kind, encoded.decode(), self.about.get("alt", "Figure"), width)


class _Reader:
    """Walks through one notebook's cells, numbering figures and tables as it meets them."""

    def __init__(self, number: int, made: set[str], photos: bool) -> None:
        self.number = number
        self.made = made
        self.photos = photos
        self.count = {"Figure": 0, "Table": 0}
        self.prose = _Prose()
        self._markdown = mistune.create_markdown(renderer=self.prose, plugins=["table", "strikethrough"])

    def markdown(self, text: str) -> Markup:
        html = str(self._markdown(text))
        return Markup(html.replace("<table>", SCROLL + "<table>").replace("</table>", "</table></div>"))

    def figure(self, content: Markup, kind: str, output: _Output) -> Markup:
        self.count[kind] += 1
        css, folder = ("table", "tables") if kind == "Table" else ("image", "figures")
        figure = Markup('<figure class="{}">{}<figcaption>{} {}.{}{}</figcaption></figure>\n')
        return figure.format(css, content, kind, self.number, self.count[kind], self.links(output, folder))

    def links(self, output: _Output, folder: str) -> Markup:
        """The name under which this is saved, and its files; nothing where it is not."""
        name = output.about.get("saved_as", "")
        paths = [(suffix, f"{folder}/{name}.{suffix}") for suffix in SUFFIXES[folder]]
        links = [Markup('<a href="{}">{}</a>').format(path, s.upper()) for s, path in paths if f"work/{path}" in self.made]
        return Markup(" · ").join(["", Markup("<code>{}</code>").format(name), *links]) if links else Markup()

    def withheld(self, output: _Output) -> bool:
        """Whether an image stays out of a report without photos: it shows some, or does not say that it shows none."""
        return output.is_image and not self.photos and output.about.get("photos") is not False

    def outputs(self, outputs: list[_Output]) -> Iterator[Markup]:
        withheld = sum(map(self.withheld, outputs))
        if withheld:
            yield WITHHELD.format("A figure of photos is" if withheld == 1 else f"{withheld} figures of photos are")
        for output in outputs:
            if output.is_image and not self.withheld(output):
                yield self.figure(output.image, "Figure", output)
            elif output.kind == "text/html" and not ROWLESS.search(output.content):  # the text beside it says why
                yield self.figure(Markup(SCROLL + "{}</div>").format(clean_html(output.content)), "Table", output)
            elif output.kind == "text/markdown":
                yield self.markdown(output.content)
            elif output.kind == "text/plain":
                yield Markup("<pre>{}</pre>\n").format(ANSI.sub("", output.content))
        log = "".join(output.content for output in outputs if output.kind == "log")
        if log.strip():
            lines = ANSI.sub("", log).rstrip().splitlines()
            counted = "1 line" if len(lines) == 1 else f"{len(lines)} lines"
            yield LOG.format(counted, "\n".join(lines))

    def files_of(self, outputs: list[_Output]) -> Iterator[dict[str, Any]]:
        """Name, text and width of the figures whose files the index can show."""
        for output in outputs:
            name = output.about.get("saved_as")
            if output.is_image and f"work/figures/{name}.png" in self.made and not self.withheld(output):
                yield {"name": name, "alt": output.about.get("alt", name), "width": output.about.get("width")}


def read(path: Path, record: dict[str, Any] | None = None, *, photos: bool = True) -> Page:
    """The page of a finished notebook; `record` is what `notebooks.read_record` says about it.

    `photos=False` puts a note in the place of every figure that may show photos of the corpus.
    """
    record = record or {}
    notebook = nbformat.read(path, as_version=4)
    reader = _Reader(int(path.stem.split("_")[0]), set(record.get("files", ())), photos)
    body: list[Markup] = []
    tagged: dict[str, Markup] = {}
    figures: dict[str, list[dict[str, Any]]] = {}
    title, question = path.stem, ""
    for position, cell in enumerate(notebook.cells):
        tags = cell.metadata.get("tags", [])
        if cell.cell_type == "markdown":
            source = cell.source
            if position == 0 and source.startswith("# "):
                heading, _, source = source.partition("\n")
                title = re.sub(r"^\d+\s*[·.:]\s*", "", heading[2:].strip())
                first = source.strip().split("\n\n")[0].strip()
                question = reader.markdown(first).striptags()
                source = source.replace(first, "", 1)
            body.append(reader.markdown(source))
        elif cell.cell_type == "code":
            found = [_output(output) for output in cell.outputs]
            outputs = list(reader.outputs(found)) or _checked(cell)
            body += [*outputs, _code(cell, tags)]
            for tag in tags:
                shown = (part for part in outputs if not part.startswith('<details class="log">'))
                tagged[tag] = tagged.get(tag, Markup()) + Markup().join(shown)
                figures.setdefault(tag, []).extend(reader.files_of(found))
    return Page(path.stem, title, question, Markup().join(body), reader.prose.sections, tagged, figures, record)


def _checked(cell: Any) -> list[Markup]:
    """A sentence for a cell that only asserts: it has run to its end, so all of it holds."""
    try:
        statements = list(ast.walk(ast.parse(cell.source)))
    except SyntaxError:  # a magic command
        return []
    claims = sum(isinstance(statement, ast.Assert) for statement in statements)
    if not claims or cell.get("execution_count") is None:
        return []
    return [CHECKED.format(*(("1 check held", "it is") if claims == 1 else (f"All {claims} checks held", "they are")))]


def clean_html(html: str) -> Markup:
    """An output's tables and text, without scripts, styles, links, images or anything else that could load something."""
    import bleach

    html = re.sub(r"<(style|script)\b.*?</\1\s*>", "", html, flags=re.DOTALL | re.IGNORECASE)
    return Markup(bleach.clean(html, tags=TABLE_TAGS | TEXT_TAGS, attributes=ATTRIBUTES, strip=True, strip_comments=True))


def _output(output: Any) -> _Output:
    if output.output_type == "stream":
        return _Output("log", output.text)
    if output.output_type == "error":
        return _Output("text/plain", "\n".join(output.traceback))
    kind = next((kind for kind in KINDS if kind in output.data), "")
    return _Output(kind, output.data.get(kind, ""), output.metadata.get(kind, {}))


def _code(cell: Any, tags: list[str]) -> Markup:
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import PythonLexer

    if not cell.source.strip():
        return Markup()
    names = {"parameters": "parameters: defaults", "injected-parameters": "parameters of this run"}
    summary = next((names[tag] for tag in tags if tag in names), "code")
    code = Markup(highlight(cell.source, PythonLexer(), HtmlFormatter(nowrap=True)))
    return Markup('<details class="code"><summary>{}</summary><pre><code>{}</code></pre></details>\n').format(summary, code)
