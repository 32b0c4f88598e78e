"""XML read without what makes it dangerous: a document that declares a type or entities is refused."""

from __future__ import annotations

from pathlib import Path
from xml.parsers import expat

from tagging_lib.errors import TaggingError

MAX_DEPTH = 50


def texts(path: Path) -> list[tuple[tuple[str, ...], str]]:
    """The names from the root down to each element, and the element's own text, in the order in which elements end.

    Raises:
        TaggingError: it is no XML, or declares a document type or entities; the message names file and line.
    """
    found: list[tuple[tuple[str, ...], str]] = []
    names: list[str] = []
    held: list[list[str]] = []
    parser = expat.ParserCreate()
    parser.buffer_text = True

    def start(name: str, _: dict[str, str]) -> None:
        if len(names) >= MAX_DEPTH:
            raise ValueError(f"has more than {MAX_DEPTH} elements inside each other")
        names.append(name)
        held.append([])

    def end(_: str) -> None:
        found.append((tuple(names), "".join(held.pop()).strip()))
        names.pop()

    def text(data: str) -> None:
        held[-1].append(data)

    def refuse(*_: object) -> None:
        raise ValueError("declares a document type or entities, which are refused")

    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = start, end, text
    parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = refuse
    try:
        parser.Parse(path.read_bytes(), True)
    except ValueError as error:
        raise TaggingError(f"{path} line {parser.CurrentLineNumber}: {error}: export it again") from error
    except expat.ExpatError as error:
        raise TaggingError(f"{path} line {error.lineno}: is no valid XML ({error}): export it again") from error
    except OSError as error:
        raise TaggingError(f"{path} cannot be read ({error.strerror}): make it readable") from error
    return found
