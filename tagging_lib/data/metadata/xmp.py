"""XMP as a tree of its properties, each with its place in the text (ISO 16684-1); nothing of XML that can do harm.

Entities and document types are refused, so that no text grows and no other file is read. Depth and number of elements are
bounded. Of all properties only those asked for are kept.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from itertools import chain, islice
from xml.parsers import expat

from tagging_lib.data.metadata.blocks import BrokenError

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns# "
LANGUAGE = "http://www.w3.org/XML/1998/namespace lang"
CONTAINERS = (RDF + "Bag", RDF + "Seq", RDF + "Alt")
MAX_ELEMENTS, MAX_DEPTH = 200_000, 100
MAX_VALUES = 10_000  # of one property
MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
BARE = ((b"<\0\0\0", "utf-32-le"), (b"\0\0\0<", "utf-32-be"), (b"<\0", "utf-16-le"), (b"\0<", "utf-16-be"))
DECLARED = re.compile(rb"""<\?xml[^>]{0,80}?\sencoding\s*=\s*["'](iso-8859-\d+|windows-125\d|us-ascii)["']""", re.IGNORECASE)
START_TAG = re.compile(rb"""<[^\s"'<>/]+(?:\s+[^\s"'<>=]+\s*=\s*(?:"[^"]*"|'[^']*'))*\s*/?>""")
BLANKS = b" \t\r\n\0"
CONTROLS = bytes(32 if byte < 32 and byte not in b"\t\r\n" else byte for byte in range(256))


@dataclass(slots=True, eq=False)
class Element:
    """An element: its name is the namespace, a blank and the local name; places are bytes of the packet's text.

    Attributes:
        start, end: where it begins, and one past its end.
        opened: one past its start tag; the same as `end` where it is empty and has no end tag.
        closing: where its end tag begins.
    """

    name: str
    attributes: dict[str, str]
    start: int
    opened: int = 0
    closing: int = 0
    end: int = 0
    text: str = ""
    children: list[Element] = field(default_factory=list)


@dataclass(frozen=True)
class Packet:
    """A packet of XMP.

    Attributes:
        text: all of it, in UTF-8 without a byte order mark; `encoded` gives the bytes of a file.
        mark: the byte order mark it began with.
        encoding: what it was encoded in.
        rdf: the element `rdf:RDF`; its children are the resources that the packet describes, and theirs the properties.
        nodes: the resources that have a name, by it.
    """

    text: bytes
    mark: bytes
    encoding: str
    rdf: Element
    nodes: dict[str, Element]

    def encoded(self, text: bytes) -> bytes:
        """A text in the packet's own encoding; what that lacks is written as a number."""
        return self.mark + text.decode().encode(self.encoding, "xmlcharrefreplace")

    def properties(self, name: str) -> Iterator[Element]:
        """The elements of a property, in order."""
        return (child for resource in self.rdf.children for child in resource.children if child.name == name)

    def values(self, name: str) -> list[str]:
        """The values of a property, whether an array, a text or an attribute; those of every element of that name."""
        long = (self.value(item) for element in self.properties(name) for item in self.items(element))
        return list(islice(chain(self._short(name), long), MAX_VALUES))

    def texts(self, name: str) -> list[str]:
        """The values of a property that holds one text, attribute or element, blanks kept."""
        return [*self._short(name), *(element.text for element in self.properties(name))]

    def _short(self, name: str) -> Iterator[str]:
        return (resource.attributes[name] for resource in self.rdf.children if name in resource.attributes)

    def items(self, element: Element) -> list[Element]:
        """The items of an array, in one language where it offers several; the element itself where it is no array."""
        array = self.array(element)
        if array is None:
            return [element]
        if array.name == RDF + "Alt":
            plain = [item for item in array.children if item.attributes.get(LANGUAGE, "x-default") == "x-default"]
            return plain or array.children[:1]
        return array.children

    def array(self, element: Element) -> Element | None:
        """The `rdf:Bag`, `rdf:Seq` or `rdf:Alt` of a property; None where its value is no array."""
        element = self._resolved(element)
        return element if element.name in CONTAINERS else next((c for c in element.children if c.name in CONTAINERS), None)

    def value(self, item: Element) -> str:
        """The text of a property or item, which may be qualified (`rdf:value`) or a reference."""
        item = self._resolved(item)
        for inner in [item, *(child for child in item.children if child.name == RDF + "Description")]:
            if RDF + "value" in inner.attributes:
                return inner.attributes[RDF + "value"]
            for child in inner.children:
                if child.name == RDF + "value":
                    return child.text
        return item.text if item.text.strip() else item.attributes.get(RDF + "resource", "")

    def _resolved(self, element: Element) -> Element:
        """The node that the element refers to, or itself."""
        return self.nodes.get(element.attributes.get(RDF + "nodeID", ""), element)


def parse(data: bytes, wanted: Collection[str]) -> Packet:
    """The packet, with its wanted properties.

    Raises:
        BrokenError: it is no XMP, or XML that is not well-formed or may do harm.
    """
    text, mark, encoding = _decode(data)
    reader = _Reader(text.encode(), wanted)
    if reader.rdf is None:
        raise BrokenError("no XMP is in it")
    nodes = {name: resource for resource in reader.rdf.children if (name := resource.attributes.get(RDF + "nodeID"))}
    return Packet(reader.data, mark, encoding, reader.rdf, nodes)


def parse_plain(text: str) -> Element:
    """The root of a small piece of XML, everything kept.

    Raises:
        BrokenError: it is not well-formed, or may do harm.
    """
    root = _Reader(text.encode(), None).root
    if root is None:
        raise BrokenError("XML without an element")
    return root


def _decode(data: bytes) -> tuple[str, bytes, str]:
    """Text, byte order mark and encoding. XMP is UTF-8, whatever some programs put into it: Latin-1 then."""
    mark, encoding = next(((mark, name) for mark, name in MARKS if data.startswith(mark)), (b"", ""))
    data = data[len(mark) :]
    if not encoding:
        head = data[:64].lstrip(b" \t\r\n")
        encoding = next((name for start, name in BARE if head.startswith(start)), "")
    if not encoding:
        declared = DECLARED.match(data)
        encoding = declared[1].decode().lower() if declared else "utf-8"
    candidates = (encoding,) if encoding.startswith(("utf-16", "utf-32")) else (encoding, "cp1252", "latin-1")
    for candidate in candidates:
        try:
            return data.decode(candidate), mark, candidate
        except (UnicodeDecodeError, LookupError):
            continue
    raise BrokenError(f"XMP is not in {encoding}, as it says")


class _Reader:
    """Expat, with handlers that keep the wanted properties and refuse what may do harm. Without `wanted` all is kept."""

    def __init__(self, data: bytes, wanted: Collection[str] | None) -> None:
        self.data = data
        self.rdf: Element | None = None
        self.root: Element | None = None
        self._wanted = wanted
        self._open: list[Element | None] = []  # None: an element that is not kept
        self._texts: list[list[str]] = []
        self._elements = 0
        # XML has no place for control characters, but some programs copy them from IPTC.
        clean = data.translate(CONTROLS).rstrip(BLANKS)
        self._skipped = len(clean) - len(clean.lstrip(BLANKS))
        self._parser = expat.ParserCreate("utf-8", " ")
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text
        self._parser.StartDoctypeDeclHandler = self._refuse  # entities are declared nowhere else
        try:
            self._parser.Parse(clean[self._skipped :], True)
        except expat.ExpatError as error:
            if self.rdf is not None and self.rdf.end:  # whatever follows is not XMP
                return
            raise BrokenError(f"XMP is not well-formed ({error})") from error

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._elements += 1
        if self._elements > MAX_ELEMENTS or len(self._open) >= MAX_DEPTH:
            raise BrokenError(f"XMP has over {MAX_ELEMENTS} elements, or more than {MAX_DEPTH} inside each other")
        above = self._open[-1] if self._open else None
        kept = None
        if self._wanted is None or name == RDF + "RDF" or self._is_kept(name, above):
            start = self._parser.CurrentByteIndex + self._skipped
            kept = Element(name, attributes, start)
            tag = START_TAG.match(self.data, start)
            kept.opened = kept.closing = tag.end() if tag else start
            if self.root is None:
                self.root = kept
            if self.rdf is None and name == RDF + "RDF":
                self.rdf = kept
            elif above is not None:
                above.children.append(kept)
        self._open.append(kept)
        self._texts.append([])

    def _is_kept(self, name: str, above: Element | None) -> bool:
        if above is None or self._wanted is None:
            return False
        if above is self.rdf or name in self._wanted:
            return True
        # Within a property that is kept, and within a node that a property may refer to, all is.
        depth = self._open.index(self.rdf)
        node = self._open[depth + 1]
        return len(self._open) > depth + 2 or (node is not None and RDF + "nodeID" in node.attributes)

    def _end(self, name: str) -> None:
        element, texts = self._open.pop(), self._texts.pop()
        if element is not None:
            element.text = "".join(texts)
            if self.data[element.opened - 2 : element.opened] == b"/>":
                element.end = element.closing = element.opened
            else:
                element.closing = self._parser.CurrentByteIndex + self._skipped
                element.end = self.data.index(b">", element.closing) + 1

    def _text(self, text: str) -> None:
        if self._open and self._open[-1] is not None:
            self._texts[-1].append(text)

    def _refuse(self, *_: object) -> None:
        raise BrokenError("XMP declares a document type, which is refused as it may hold entities")
