"""The names of YOLO's classes: a text file of a name a line, or the entry `names` of a YAML file.

Of YAML this reads what the entry is written in, and refuses anything else: a list or a map, in brackets or a line each.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

from tagging_lib.errors import TaggingError

ENTRY = re.compile(r"""names\s*:\s*(.*)""")
NUMBERED = re.compile(r"""['"]?([0-9]+)['"]?\s*:\s+(.*)""")
# Only at the start of an entry: the apostrophe of a plain word (it's) opens nothing.
QUOTED = re.compile(r"""(?<![^\s\[{,:])(?:'(?:[^']|'')*'|"(?:[^"\\]|\\.)*")""")


def read_names(path: Path, text: str) -> dict[int, str]:
    """Name of each class by its number.

    Raises:
        TaggingError: the names are not written in a way that is read here; the message names file and line.
    """
    if path.suffix.lower() not in (".yaml", ".yml"):
        listed = [line.strip() for line in text.rstrip().splitlines()]
        if "" in listed:
            raise TaggingError(f"{path} line {listed.index('') + 1}: is empty: give a name, because each line is a class")
        return dict(enumerate(listed))
    lines = text.splitlines()
    start = next((place for place, line in enumerate(lines) if ENTRY.fullmatch(line.rstrip())), None)
    if start is None:
        raise TaggingError(f"{path} has no entry names: add one, such as names: ['sea', 'beach']")
    match = ENTRY.fullmatch(lines[start].rstrip())
    rest = _without_comment(match[1]) if match else ""
    try:
        if rest:
            return _in_brackets(" ".join([rest, *(_without_comment(line) for line in lines[start + 1 :])]))
        return _by_line(lines[start + 1 :])
    except ValueError as error:
        raise TaggingError(f"{path} line {start + 1}: names {error}: write them as names: ['sea', 'beach']") from error


def _without_comment(line: str) -> str:
    """The line up to a `#` that stands at its start or after a blank, outside quotes."""
    hidden = QUOTED.sub(lambda match: "x" * len(match[0]), line)
    comment = re.search(r"(^|\s)#", hidden)
    return (line[: comment.start()] if comment else line).strip()


def _in_brackets(text: str) -> dict[int, str]:
    closing = {"[": "]", "{": "}"}.get(text[0])
    if closing is None:
        raise ValueError("are neither in brackets nor a line each")
    hidden = QUOTED.sub(lambda match: "x" * len(match[0]), text)
    end = hidden.find(closing)
    if end < 0 or any(sign in hidden[1:end] for sign in "[{"):
        raise ValueError("are not closed, or lie in each other")
    edges = [0, *(place for place, sign in enumerate(hidden[:end]) if sign == ","), end]
    entries = [text[first + 1 : last].strip() for first, last in pairwise(edges)]
    if entries and not entries[-1]:
        entries.pop()  # after a last comma
    return dict(enumerate(map(_scalar, entries))) if closing == "]" else _numbered(entries)


def _by_line(lines: Iterable[str]) -> dict[int, str]:
    entries: list[str] = []
    for line in lines:
        shown = _without_comment(line)
        if not shown:
            continue
        if line[0] not in " \t-":
            break  # the next entry of the file
        entries.append(shown)
    if not entries:
        raise ValueError("are missing")
    if all(entry.startswith("- ") for entry in entries):
        return dict(enumerate(_scalar(entry[2:].strip()) for entry in entries))
    return _numbered(entries)


def _numbered(entries: Iterable[str]) -> dict[int, str]:
    found: dict[int, str] = {}
    for entry in entries:
        match = NUMBERED.fullmatch(entry)
        if match is None or int(match[1]) in found:
            raise ValueError(f"have an entry {entry[:40]!r} that is no number with a name")
        found[int(match[1])] = _scalar(match[2])
    return found


def _scalar(text: str) -> str:
    if text[:1] == "'" and QUOTED.fullmatch(text):
        name = text[1:-1].replace("''", "'")
    elif text[:1] == '"' and QUOTED.fullmatch(text):
        name = str(json.loads(text))
    elif text[:1] in tuple("'\"&*!|>%@`[{"):
        raise ValueError(f"have an entry {text[:40]!r}")
    else:
        name = text
    if not name.strip():
        raise ValueError("have an empty entry")
    return name.strip()
