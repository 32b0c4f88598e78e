"""One finished notebook as the HTML of one page. What comes from a corpus is escaped: only this module makes markup.

Raw HTML in markdown is shown as text; HTML outputs (tables) keep a short list of tags. A notebook speaks to the report
through tags on its cells: `headline` (the table on the index), `conclusions`, `key-figure` (figures on the index) and
`study` (what was run on what).
"""

from __future__ import annotations

import ast
import base64
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
TEXT_TAGS = {"a", "abbr", "b", "br", "code", "div", "em", "i", "p", "small", "span", "strong", "sub", "sup"}
ATTRIBUTES = ["class", "colspan", "rowspan", "scope", "title"]
WITHHELD = Markup('<p class="withheld">{} left out of this copy of the report.</p>\n')
CHECKED = Markup('<p class="checked">{} when this page was made; the code beside this line says what {} about.</p>\n')
NOTEBOOK_LINK = re.compile(r"^(?:\./)?([0-9]{2}_\w+)\.ipynb(#.*)?$")


@dataclass(eq=False)
class Page:
    """A notebook ready for the templates; all `Markup` is safe HTML."""

    name: str
    title: str
    question: Markup
    body: Markup
    sections: list[tuple[str, str]]
    tagged: dict[str, Markup]
    key_figures: list[dict[str, Any]]
    record: dict[str, Any] = field(default_factory=dict)
    command: str = ""

    @property
    def number(self) -> int:
        return int(self.name.split("_")[0])

    @property
    def conclusions(self) -> Markup:
        return self.tagged.get("conclusions", Markup())

    @property
    def date(self) -> str:
        return self.record.get("started", "at an unknown time").replace("T", " ").replace("+00:00", " UTC")

    @property
    def duration(self) -> str:
        seconds = float(self.record.get("seconds", 0))
        return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


class _Prose(mistune.HTMLRenderer):
    """Markdown to HTML: raw HTML shown as text, headings with anchors, images from the report's folder alone."""

    def __init__(self) -> None:
        super().__init__(escape=True)
        self.sections: list[tuple[str, str]] = []
        self._anchors: dict[str, int] = {}

    def heading(self, text: str, level: int, **attrs: Any) -> str:
        plain = Markup(text).striptags()
        anchor = re.sub(r"[^\w]+", "-", plain.lower()).strip("-") or "section"
        self._anchors[anchor] = self._anchors.get(anchor, 0) + 1
        if self._anchors[anchor] > 1:
            anchor += f"-{self._anchors[anchor]}"
        if level == 2:
            self.sections.append((anchor, plain))
        return f'<h{level} id="{escape(anchor)}">{text}</h{level}>\n'

    def link(self, text: str, url: str, title: str | None = None) -> str:
        notebook = NOTEBOOK_LINK.match(url)
        return super().link(text, f"{notebook[1]}.html{notebook[2] or ''}" if notebook else url, title)

    def image(self, text: str, url: str, title: str | None = None) -> str:
        local = url.startswith("data:image/") or not re.match(r"^([A-Za-z][\w+.-]*:|/|\\)", url)
        return f'<img src="{escape(url)}" alt="{escape(text)}">' if local else str(escape(text))


class _Reader:
    """Walks through one notebook's cells, numbering figures and tables as it meets them."""

    def __init__(self, number: int, made: list[str], photos: bool) -> None:
        self.number = number
        self.photos = photos
        # A figure is saved as PNG and as SVG under one name, which stands once here.
        self.made = {
            folder: list(dict.fromkeys(Path(path).stem for path in made if f"/{folder}/" in path))
            for folder in ("figures", "tables")
        }
        self.count = {"Figure": 0, "Table": 0}
        self.prose = _Prose()
        self._markdown = mistune.create_markdown(renderer=self.prose, plugins=["table", "strikethrough"])

    def markdown(self, text: str) -> Markup:
        html = str(self._markdown(text))
        html = html.replace("<table>", _open_scroll() + "<table>").replace("</table>", "</table></div>")
        return Markup(html)

    def figure(self, content: Markup, kind: str, files: Markup) -> Markup:
        self.count[kind] += 1
        label = Markup("{} {}.{}").format(kind, self.number, self.count[kind])
        css = "table" if kind == "Table" else "image"
        figure = Markup('<figure class="{}">{}<figcaption>{}{}</figcaption></figure>\n')
        return figure.format(css, content, label, files)

    def withheld(self, output: dict[str, Any]) -> bool:
        """Whether an image stays out of a report without photos: it shows some, or does not say that it shows none."""
        return not self.photos and output["metadata"].get("image/png", {}).get("photos") is not False

    def outputs(self, cell: Any) -> Iterator[Markup]:
        outputs = [_merged(output) for output in cell.get("outputs", [])]
        images = [output for output in outputs if _image(output) is not None]
        tables = [output for output in outputs if _image(output) is None and "text/html" in output["data"]]
        links = {
            id(output): _file_link(name, folder)
            for kind, folder, found in (("save_figure", "figures", images), ("save_table", "tables", tables))
            for output, name in zip(found, saved_names(cell.source, kind, self.made[folder], len(found)), strict=False)
        }
        log = "".join(output["text"] for output in outputs if output["text"])
        withheld = sum(map(self.withheld, images))
        if withheld:
            yield WITHHELD.format("A figure of photos is" if withheld == 1 else f"{withheld} figures of photos are")
        for output in outputs:
            data, image = output["data"], _image(output)
            if image is not None and self.withheld(output):
                continue
            if image is not None:
                yield self.figure(image, "Figure", links.get(id(output), Markup()))
            elif "text/html" in data and ROWLESS.search(_joined(data["text/html"])):
                continue  # the text beside it says why there is nothing
            elif "text/html" in data:
                content = Markup(_open_scroll() + "{}</div>").format(clean_html(_joined(data["text/html"])))
                yield self.figure(content, "Table", links.get(id(output), Markup()))
            elif "text/markdown" in data:
                yield self.markdown(_joined(data["text/markdown"]))
            elif "text/plain" in data:
                yield Markup("<pre>{}</pre>\n").format(ANSI.sub("", _joined(data["text/plain"])))
        if log.strip():
            lines = ANSI.sub("", log).rstrip().splitlines()
            counted = "1 line" if len(lines) == 1 else f"{len(lines)} lines"
            yield Markup('<details class="log"><summary>log, {}</summary><pre>{}</pre></details>\n').format(
                counted, "\n".join(lines)
            )


def read(path: Path, record: dict[str, Any] | None = None, *, photos: bool = True) -> Page:
    """The page of a finished notebook; `record` is what `notebooks.read_record` says about it.

    `photos=False` puts a note in the place of every figure that may show photos of the corpus.
    """
    record = record or {}
    notebook = nbformat.read(path, as_version=4)
    # In the order in which the notebook wrote them, which is that in which it shows them.
    made = sorted(record.get("files", []), key=lambda file: _written(path.parents[1] / file))
    reader = _Reader(int(path.stem.split("_")[0]), made, photos)
    body: list[Markup] = []
    tagged: dict[str, Markup] = {}
    key_figures: list[dict[str, Any]] = []
    title, question = path.stem, Markup()
    for position, cell in enumerate(notebook.cells):
        tags = cell.metadata.get("tags", [])
        if cell.cell_type == "markdown":
            source = cell.source
            if position == 0 and source.startswith("# "):
                heading, _, source = source.partition("\n")
                title = re.sub(r"^\d+\s*[·.:]\s*", "", heading[2:].strip())
                first = source.strip().split("\n\n")[0].strip()
                question = Markup(reader.markdown(first).striptags())
                source = source.replace(first, "", 1)
                body.append(Markup('<p class="question">{}</p>\n').format(question))
            body.append(reader.markdown(source))
        elif cell.cell_type == "code":
            outputs = list(reader.outputs(cell)) or _checked(cell)
            body += [*outputs, _code(cell, tags)]
            for tag in tags:
                tagged[tag] = tagged.get(tag, Markup()) + Markup().join(
                    part for part in outputs if not part.startswith('<details class="log">')
                )
            if "key-figure" in tags:
                key_figures += _key_figures(cell, reader)
    return Page(path.stem, title, question, Markup().join(body), reader.prose.sections, tagged, key_figures, record)


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


def _written(path: Path) -> int:
    return path.stat().st_mtime_ns if path.exists() else 0


def saved_names(source: str, function: str, made: list[str], count: int) -> list[str]:
    """Names under which a cell's code saved its `count` outputs through `function`; empty where they cannot be told.

    A name written as an f-string, in a loop, stands for all names in `made` that fit it, in their order there.
    """
    try:
        calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    except SyntaxError:  # a magic command
        return []
    found: list[str] = []
    for call in sorted(calls, key=lambda call: (call.lineno, call.col_offset)):
        if not isinstance(call.func, ast.Attribute) or call.func.attr != function or len(call.args) < 2:
            continue
        name = call.args[1]
        if isinstance(name, ast.Constant) and name.value in made:
            found.append(str(name.value))
        elif isinstance(name, ast.JoinedStr):
            parts = [re.escape(str(v.value)) if isinstance(v, ast.Constant) else ".+" for v in name.values]
            found += [known for known in made if re.fullmatch("".join(parts), known)]
    return found if len(found) == count else []


def clean_html(html: str) -> Markup:
    """An output's tables and text, without scripts, styles, links, images or anything else that could load something."""
    import bleach

    html = re.sub(r"<(style|script)\b.*?</\1\s*>", "", html, flags=re.DOTALL | re.IGNORECASE)
    return Markup(bleach.clean(html, tags=TABLE_TAGS | TEXT_TAGS, attributes=ATTRIBUTES, strip=True, strip_comments=True))


def _merged(output: Any) -> dict[str, Any]:
    if output.output_type == "stream":
        return {"data": {}, "metadata": {}, "text": _joined(output.text)}
    if output.output_type == "error":
        return {"data": {"text/plain": "\n".join(output.traceback)}, "metadata": {}, "text": ""}
    return {"data": output.data, "metadata": output.get("metadata", {}), "text": ""}


def _image(output: dict[str, Any]) -> Markup | None:
    for kind in ("image/png", "image/jpeg", "image/svg+xml"):
        if kind in output["data"]:
            content = _joined(output["data"][kind])
            if kind == "image/svg+xml":
                content = base64.b64encode(content.encode()).decode()
            about = output["metadata"].get(kind, {})
            width = Markup(' width="{}"').format(int(about["width"])) if "width" in about else Markup()
            source = f"data:{kind};base64,{''.join(content.split())}"
            return Markup('<img src="{}" alt="{}"{}>').format(source, about.get("alt", "Figure"), width)
    return None


def _key_figures(cell: Any, reader: _Reader) -> list[dict[str, Any]]:
    images = [output for output in map(_merged, cell.get("outputs", [])) if _image(output) is not None]
    names = saved_names(cell.source, "save_figure", reader.made["figures"], len(images))
    found = []
    for output, name in zip(images, names, strict=False):
        if reader.withheld(output):
            continue
        about = output["metadata"].get("image/png", {})
        found.append({"name": name, "alt": about.get("alt", name), "width": about.get("width")})
    return found


def _file_link(name: str, folder: str) -> Markup:
    suffixes = ("png", "svg") if folder == "figures" else ("csv",)
    links = [Markup('<a href="{}/{}.{}">{}</a>').format(folder, name, suffix, suffix.upper()) for suffix in suffixes]
    return Markup(" · <code>{}</code> · ").format(name) + Markup(" · ").join(links)


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


def _open_scroll() -> str:
    return '<div class="scroll" tabindex="0" role="region" aria-label="Table">'


def _joined(text: str | list[str]) -> str:
    return text if isinstance(text, str) else "".join(text)
