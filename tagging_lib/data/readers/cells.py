"""The labels in one cell of a table: at which separator they are taken apart, and when that is not safe to say.

A separator that is not stated is only believed when the cells confirm it: what it parts must come back in other cells.
Where they suggest one and do not confirm it, the reader says so instead of training on a label `sea|holiday`.
"""

from __future__ import annotations

import ast
import html
import io
import json
import re
import tokenize
import warnings
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

USUAL = ";"
OTHERS = ("|", ",", "#", "\t", "\n")
# Never believed by themselves: they are part of names (`AC/DC`, `black & white`), too.
UNUSUAL = ("/", "+", "&", "、", "，", "；", ":", "·", "~", "^", "\\", " and ", " - ")
BLANKS = " "
WHOLE = "none"  # a cell is one label
LISTS = "[]"
CHOICES = '{"choices"'  # as Label Studio's CSV has several; one stands by itself
STATED = {"tab": "\t", "newline": "\n", "space": " ", "blank": " ", "comma": ",", "semicolon": ";", "pipe": "|"}
IN_WORDS = {BLANKS: "blanks", "\t": "tabs", "\n": "line breaks", LISTS: "lists"}
NUMPY_LIST = re.compile(r"""\[\s*(?:'[^']*'|"[^"]*")(?:\s+(?:'[^']*'|"[^"]*"))+\s*\]""")
ENTITY = re.compile(r"&(?:#\d+|#x[0-9a-f]+|[a-z][a-z0-9]+);", re.IGNORECASE)
# Different cells of several words, before blanks are believed to separate labels: where all words are labels by themselves too,
# and where some are not.
FEW_CELLS, MANY_CELLS = 4, 8


@dataclass(frozen=True)
class Suspicion:
    """Cells that a separator may part, though that is not sure: one of them, and the separator."""

    cell: str
    separator: str


def in_words(separator: str) -> str:
    """How a separator is called in a message."""
    return IN_WORDS.get(separator, repr(separator))


def as_option(separator: str) -> str:
    """How a separator is written on the command line."""
    return next((word for word, sign in STATED.items() if sign == separator and sign in "\t\n"), f"'{separator}'")


def parts_of(cell: str, separator: str) -> list[str]:
    """What the separator parts, without blanks around and without empty parts, each once."""
    parts = re.split("[ \t\r\n]+", cell) if separator == BLANKS else [part.strip() for part in cell.split(separator)]
    return list(dict.fromkeys(part for part in parts if part))


def labels_of(cell: str, separator: str) -> list[str]:
    """The labels of a cell.

    Raises:
        ValueError: it should be a list and is none.
    """
    if separator == LISTS:
        return parse_list(cell) if cell else []
    if separator == CHOICES and cell.startswith(CHOICES):
        try:
            return entries_of(json.loads(cell)["choices"])
        except (ValueError, KeyError) as error:
            raise ValueError("is no list of choices") from error
    if separator in (CHOICES, WHOLE):
        return [cell] if cell else []
    return parts_of(cell, separator)


def unescaped(cell: str) -> str:
    """The cell with HTML's signs for letters resolved, whose semicolon parts no labels.

    >>> unescaped("black &amp; white;sea"), unescaped("R&B;dogs&cats;sea")
    ('black & white;sea', 'R&B;dogs&cats;sea')
    """
    return ENTITY.sub(lambda found: html.unescape(found[0]), cell)


def looks_like_list(cell: str) -> bool:
    """Whether the cell is in brackets."""
    return len(cell) > 1 and cell[0] + cell[-1] in ("[]", "()", "{}")


def parse_list(cell: str) -> list[str]:
    """The entries of a list as JSON, Python or NumPy writes it.

    >>> parse_list("['sea', 'holiday']"), parse_list('["sea"]'), parse_list("['sea' 'holiday']"), parse_list("[]")
    (['sea', 'holiday'], ['sea'], ['sea', 'holiday'], [])

    Raises:
        ValueError: it is no list of texts.
    """
    if NUMPY_LIST.fullmatch(cell):
        return entries_of([quoted[1:-1] for quoted in re.findall(r"""'[^']*'|"[^"]*\"""", cell)])
    try:
        return entries_of(json.loads(cell))
    except (ValueError, RecursionError):
        pass  # not JSON
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about a backslash, which stays as it is
            value = ast.literal_eval(cell)
        # Python joins 'sea' 'holiday' into one text without a word.
        texts = sum(token.type == tokenize.STRING for token in tokenize.generate_tokens(io.StringIO(cell).readline))
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError, tokenize.TokenError) as error:
        raise ValueError("is no list of texts") from error
    if isinstance(value, list | tuple | set) and texts == sum(isinstance(entry, str) for entry in value):
        return entries_of(list(value))
    raise ValueError("is no list of texts")


def entries_of(value: object) -> list[str]:
    """The labels in a list that a file holds as such; None gives none.

    Raises:
        ValueError: it is no list of texts or whole numbers.
    """
    if value is None:
        return []
    if not isinstance(value, list | tuple):
        raise ValueError("is no list of texts")
    if not all(isinstance(entry, str | int) and not isinstance(entry, bool) for entry in value):
        raise ValueError("is no list of texts")
    texts = (str(entry).strip() for entry in value)
    return list(dict.fromkeys(text for text in texts if text))


def are_vectors(values: Iterable[object]) -> bool:
    """Whether all cells are lists of 0 and 1 of one length, which tell of labels by their places.

    >>> are_vectors(["[0, 1]", "[1, 1]"]), are_vectors([[1, 0], [0, 1]]), are_vectors(["0 1 1", "1 0 0"]), are_vectors(["[1]"])
    (True, True, True, False)
    """
    lengths = set()
    for value in values:
        entries = re.findall(r"[^\s,\[\](){}'\"]+", value) if isinstance(value, str) else value
        if not isinstance(entries, list) or not {str(entry) for entry in entries} <= {"0", "1", "0.0", "1.0"}:
            return False
        lengths.add(len(entries))
    return len(lengths) == 1 and lengths.pop() > 1


def separator_of(cells: Iterable[str], stated: str = "", *, several: bool = True) -> tuple[str, Suspicion | None]:
    """The separator of a column, and a suspicion where the cells suggest another one that they do not confirm.

    Args:
        several: whether the column's name promises several labels a cell (`tags`), and not one (`class`).
    """
    if stated:
        return STATED.get(stated, stated), None
    cells = Counter(cell for cell in cells if cell)
    lists = [cell for cell in cells if looks_like_list(cell)]
    if lists and all(cell.startswith(CHOICES) for cell in lists):
        return CHOICES, None
    if lists:
        return LISTS if len(lists) == len(cells) else USUAL, None if len(lists) == len(cells) else Suspicion(lists[0], LISTS)
    holding = {sign: [cell for cell in cells if len(parts_of(cell, sign)) > 1] for sign in (USUAL, *OTHERS)}
    if any(USUAL in cell for cell in cells):
        return USUAL, None
    ranked = sorted(OTHERS, key=lambda sign: -len(holding[sign]))
    best, second = ranked[:2]
    if not holding[best]:
        return _blanks_or_none(list(cells), several)
    sure = len(holding[best]) > len(holding[second]) and confirmed(holding[best], cells, best)
    if several and sure:
        return best, None
    return USUAL, Suspicion(holding[best][0], best) if several or sure else None


def confirmed(holding: Sequence[str], cells: Collection[str], separator: str) -> bool:
    """Whether a part of one of the cells is a part of another cell too, or all of it."""
    count = Counter(part for cell in cells for part in parts_of(cell, separator))
    return any(count[part] > 1 for cell in holding for part in parts_of(cell, separator))


def _blanks_or_none(cells: list[str], several: bool) -> tuple[str, Suspicion | None]:
    """Of cells without any other separator. Names of several words (`golden retriever`) are what makes this hard."""
    words = {cell: parts_of(cell, BLANKS) for cell in cells}
    holding = [cell for cell in cells if len(words[cell]) > 1]
    if not holding:
        return USUAL, None
    if all(word.isdigit() for cell in cells for word in words[cell]):  # numbers of labels, of which no name has several
        return (BLANKS, None) if several else (USUAL, Suspicion(holding[0], BLANKS))
    count = Counter(word for cell in cells for word in words[cell])
    first = {words[cell][0] for cell in cells}
    later = {word for cell in cells for word in words[cell][1:]}
    lengths = {len(words[cell]) for cell in cells}
    alone = {cell for cell in cells if len(words[cell]) == 1}
    mixed = 2 * len(count) <= len(cells) and first & later and len(lengths) > 1
    if several and ((len(holding) >= MANY_CELLS and mixed) or (len(holding) >= FEW_CELLS and alone == set(count))):
        return BLANKS, None
    repeated = [cell for cell in holding if all(count[word] > 1 for word in words[cell])]
    suspect = next((cell for cell in holding if all(word in alone for word in words[cell])), None)
    if several and suspect is None:
        mostly = 2 * len(holding) > len(cells) and any(count[word] > 1 for cell in holding for word in words[cell])
        suspect = repeated[0] if repeated else holding[0] if mostly else None
    if suspect is None:
        return USUAL, None
    return USUAL, Suspicion(suspect, next((sign for sign in UNUSUAL if f" {sign.strip()} " in suspect), BLANKS))
