"""Arrays of an XMP packet changed in place: every byte that is not part of the change stays as it is."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from xml.sax.saxutils import escape, quoteattr

from tagging_lib.data.metadata import xmp
from tagging_lib.data.metadata.blocks import BrokenError

ATTRIBUTE = re.compile(rb"""\s+([^\s"'<>=]+)\s*=\s*("[^"]*"|'[^']*')""")
TAG_NAME = re.compile(rb"<(([^\s:/>]+:)?[^\s/>]+)")


def key(text: str) -> str:
    """A keyword as it is compared: composed letters, no outer blanks."""
    return unicodedata.normalize("NFC", text).strip()


class Edit:
    """Changes to a packet, collected, and made at once by `result`.

    Args:
        names: the properties that may be changed, by their names as written (`dc:subject`), with their names as
            `xmp.Element` has them. The last marks where those that are missing are written, and stays once it is there.
    """

    def __init__(self, packet: xmp.Packet, names: Mapping[str, str]) -> None:
        self._packet = packet
        self._names = names
        self._mark = list(names)[-1]
        self._cuts: list[tuple[int, int, bytes]] = []  # start, end, and what comes in their place
        self._missing: dict[str, list[str]] = {}
        self._after = {name: self.values(name) for name in names}
        self._newline = b"\r\n" if b"\r\n" in packet.text else b"\n"

    def values(self, name: str) -> list[str]:
        """The values that a property has in the packet."""
        return [value for text in self._packet.values(self._names[name]) if (value := key(text))]

    def change(self, name: str, added: Sequence[str], removed: Collection[str]) -> None:
        """Add values to a property at its end, and take others away.

        Raises:
            BrokenError: the property is written in a way that cannot be changed safely.
        """
        if not added and not removed:
            return
        after = self._after[name] = [value for value in self._after[name] if value not in removed] + list(added)
        elements = list(self._packet.properties(self._names[name]))
        short = [one for one in self._packet.rdf.children if self._names[name] in one.attributes]
        array = self._packet.array(elements[0]) if len(elements) == 1 and not short else None
        if array is not None and array.children and after:
            self._change_array(array, added, removed)
            return
        # Any other form (a text, an attribute, an empty array, twice) becomes one array.
        for element in elements:
            self._cut(element.start, element.end)
        for resource in short:
            self._cut_attribute(resource, self._names[name])
        if after or name == self._mark:
            self._missing[name] = after

    def result(self) -> bytes | None:
        """The bytes of the changed file; None where nothing changes.

        Raises:
            BrokenError: the changed packet does not read as it must.
        """
        if self._missing:
            self._add_missing()
        text = self._packet.text
        for start, end, instead in sorted(self._cuts, reverse=True):
            text = text[:start] + instead + text[end:]
        if text == self._packet.text:
            return None
        content = self._packet.encoded(text)
        read = xmp.parse(content, self._names.values())
        for name, after in self._after.items():
            if [key(value) for value in read.values(self._names[name]) if key(value)] != after:
                raise BrokenError(f"{name} is written in a way that cannot be changed")
        return content

    def _change_array(self, array: xmp.Element, added: Sequence[str], removed: Collection[str]) -> None:
        for item in array.children:
            if key(self._packet.value(item)) in removed:
                self._cut(item.start, item.end)
        last = array.children[-1]
        name = TAG_NAME.match(self._packet.text, array.start)
        tag = (name[2] if name and name[2] else b"") + b"li"
        blank = self._packet.text[self._blank_before(last.start) : last.start]
        lines = [blank + b"<" + tag + b">" + escape(value).encode() + b"</" + tag + b">" for value in added]
        self._cuts.append((last.end, last.end, b"".join(lines)))

    def _blank_before(self, place: int) -> int:
        return len(self._packet.text[:place].rstrip(b" \t\r\n"))

    def _cut(self, start: int, end: int) -> None:
        self._cuts.append((self._blank_before(start), end, b""))

    def _cut_attribute(self, resource: xmp.Element, name: str) -> None:
        local = name.rsplit(" ", 1)[-1].encode()
        value = key(resource.attributes[name])
        found = [
            attribute.span()
            for attribute in ATTRIBUTE.finditer(self._packet.text, resource.start, resource.opened)
            if attribute[1].rsplit(b":", 1)[-1] == local and key(html.unescape(attribute[2][1:-1].decode())) == value
        ]
        if len(found) != 1:
            raise BrokenError(f"{local.decode()} is an attribute that cannot be told from others")
        self._cuts.append((*found[0], b""))

    def _add_missing(self) -> None:
        """Write the properties that are missing in the place of the last, or in a new description at the end."""
        self._missing.setdefault(self._mark, self._after[self._mark])
        rdf, text = self._packet.rdf, self._packet.text
        name = TAG_NAME.match(text, rdf.start)
        rdf_name = name[1] if name else b"rdf:RDF"
        declared = "" if rdf_name == b"rdf:RDF" else f" xmlns:rdf={quoteattr(xmp.RDF.strip())}"
        spaces = {name: f" xmlns:{name.split(':')[0]}={quoteattr(self._names[name].split(' ')[0])}" for name in self._missing}
        if marked := next(self._packet.properties(self._names[self._mark]), None):
            place = self._blank_before(marked.start)
            indent = text[place : marked.start] or self._newline
            blocks = [self._element(name, indent, spaces[name] + declared) for name in self._missing]
            # The mark is written anew as a whole, whatever was to change in it.
            self._cuts = [cut for cut in self._cuts if cut[0] < place or cut[1] > marked.end]
            self._cuts.append((place, marked.end, b"".join(blocks)))
            return
        place = self._blank_before(rdf.closing)
        indent = (text[place : rdf.closing] or self._newline) + b" "
        about = next(
            (one.attributes.get(xmp.RDF + "about", "") for one in rdf.children if one.name == xmp.RDF + "Description"), ""
        )
        blocks = [self._element(name, indent + b" ", "") for name in self._missing]
        opening = f"<rdf:Description{declared} rdf:about={quoteattr(about)}{''.join(spaces.values())}>".encode()
        block = indent + opening + b"".join(blocks) + indent + b"</rdf:Description>"
        if rdf.opened < rdf.closing or text[rdf.opened - 2 : rdf.opened] != b"/>":
            self._cuts.append((place, place, block))
        else:  # <rdf:RDF/>
            self._cuts.append((rdf.opened - 2, rdf.opened, b">" + block + self._newline + b"</" + rdf_name + b">"))

    def _element(self, name: str, indent: bytes, spaces: str) -> bytes:
        lines = [f"<{name}{spaces}>".encode(), b" <rdf:Bag>"]
        lines += [f"  <rdf:li>{escape(value)}</rdf:li>".encode() for value in self._missing[name]]
        lines += [b" </rdf:Bag>", f"</{name}>".encode()]
        return b"".join(indent + line for line in lines)
