"""What is suspicious about the labels of a corpus, and a table of what they might become; nothing is changed here."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from tagging_lib.data.readers.cells import BLANKS, OTHERS, UNUSUAL, USUAL, in_words, parts_of
from tagging_lib.data.readers.photos import composed, same_content
from tagging_lib.data.readers.reading import Problem, Written, quoted

NO_VALUES = frozenset(
    ("nan", "none", "null", "nil", "na", "n/a", "#n/a", "<na>", "-", "--", "?", "(none)", "undefined")
    + ("unlabeled", "unlabelled", "_unlabeled", "_unlabelled", "no label", "no labels")
)
OF_PROGRAMS = re.compile(r"darktable([|/].*)?$|_?digikam_|(colou?r|pick) label|geo:(lat|lon|alt)=|geotagged$", re.IGNORECASE)
OF_DARKTABLE = frozenset(("changed", "exported"))
SHOWN = 5  # cases of a problem
FEW = 3  # photos: with fewer a label cannot be in all three parts of a split
LEVELS = "|"
MEND = "write a table of labels with `tagging check --fix`, edit it, and pass it as --relabel"
SEPARATORS = (USUAL, *OTHERS)


class Fix(NamedTuple):
    """What a label might become, for the user to judge."""

    label: str
    becomes: str
    why: str


def label_problems(
    counts: Mapping[str, int], written: Written, *, confirmed: Collection[str] = (), paths: bool = False
) -> list[Problem]:
    """Labels that are probably not what their author meant.

    Args:
        counts: photos of each label.
        confirmed: labels that the user has said are right.
        paths: whether `|` stands between the levels of a label.
    """
    doubtful = [label for label in counts if label not in confirmed]
    found = []
    joined = suspected_joins(counts, written, paths=paths)
    if told := [f"{label!r} by {in_words(joined[label])}" for label in doubtful if label in joined]:
        shown = ", ".join(told[:5]) + (f" and {len(told) - 5} more" if len(told) > 5 else "")
        what = f"may be several, separated otherwise than the rest: {shown}"
        fatal = written is Written.CELLS
        fix = f"{'say --separator, or ' if fatal else ''}{MEND}; a label that becomes itself there is right"
        found.append(Problem("labels", what, fix, fatal, wrong=not fatal))
    if empty := [label for label in doubtful if label.lower() in NO_VALUES]:
        found.append(_about(counts, [[label] for label in empty], "stand for no value"))
    if tools := [label for label in _of_programs(counts) if label not in confirmed]:
        found.append(_about(counts, [[label] for label in tools], "are what a program notes for itself"))
    for name, key in TWINS.items():
        groups = _twins(counts, key, confirmed)
        if groups:
            found.append(_about(counts, groups, f"differ in nothing but {name}", shown=ascii if key is composed else repr))
    return found


def label_notes(counts: Mapping[str, int]) -> list[Problem]:
    """Labels of which a user should know: in the plural beside the singular, and on few photos."""
    found = []
    if pairs := plurals(counts):
        found.append(_about(counts, pairs, "may be the same, once in the plural", wrong=False))
    if rare := [label for label, count in counts.items() if 0 < count < FEW]:
        what = f"on fewer than {FEW} photos, {len(rare)} of {len(counts)}: {quoted(rare)}"
        fix = "they cannot be in every part of a split: leave them out with --min-photos, or label more photos"
        found.append(Problem("labels", what, fix))
    return found


def _about(
    counts: Mapping[str, int],
    groups: Sequence[Sequence[str]],
    what: str,
    wrong: bool = True,
    shown: Callable[[str], str] = repr,
) -> Problem:
    """One problem for groups of labels, the first of them with their numbers of photos."""
    told = [" and ".join(f"{shown(label)} (on {counts[label]})" for label in group) for group in groups[:SHOWN]]
    more = f"; and {len(groups) - SHOWN} more" if len(groups) > SHOWN else ""
    return Problem("labels", f"{what}: {'; '.join(told)}{more}", MEND, wrong=wrong)


def _of_programs(counts: Collection[str]) -> list[str]:
    """Labels that photo managers write for themselves; `changed` only counts beside others of darktable."""
    found = [label for label in counts if OF_PROGRAMS.match(label)]
    beside = any(label.startswith("darktable") for label in found)
    return found + [label for label in counts if beside and label in OF_DARKTABLE]


def suspected_joins(counts: Collection[str], written: Written, *, paths: bool = False) -> dict[str, str]:
    """The separator at which each suspicious label might be taken apart.

    Suspicious is a label of which a part is a label too, or a part of another such label; of words between blanks, and of parts
    between signs that names have too (`AC/DC`), all must be labels: `hot dog` is usual beside `dog`. A label in brackets always
    is.
    """
    if written is Written.NAMES:
        return {}
    known = {_folded(label) for label in counts}
    parts = {
        (label, separator): [_folded(part) for part in parts_of(label, separator)]
        for separator in SEPARATORS
        for label in counts
        if separator in label and not (paths and separator == LEVELS)
    }
    holders: dict[str, set[str]] = {}
    for (label, _), each in parts.items():
        for part in each:
            holders.setdefault(part, set()).add(label)
    found: dict[str, str] = {}
    for (label, separator), each in parts.items():
        if len(each) > 1 and any(part in known or len(holders[part]) > 1 for part in each):
            found.setdefault(label, separator)
    for label in counts:
        words = [_folded(word) for word in parts_of(label, BLANKS)]
        if len(words) > 1 and all(word in known for word in words):
            found.setdefault(label, BLANKS)
        for sign in UNUSUAL:
            if sign in label and len(each := parts_of(label, sign)) > 1 and all(_folded(part) in known for part in each):
                found.setdefault(label, sign)
        if label[:1] in ("[", "{") or label[-1:] in ("]", "}"):
            found.setdefault(label, ",")
    return found


def _folded(label: str) -> str:
    return composed(label).casefold()


def _without_blanks(label: str) -> str:
    """The label with single blanks; letters without a width, and blanks that do not break, are blanks or nothing."""
    shown = "".join(letter for letter in label if unicodedata.category(letter) != "Cf")
    return re.sub(r"[\s_]+", " ", shown).strip()


# What twins differ in, and what is the same of them; each kind leaves out the pairs of the kinds before it.
TWINS: dict[str, Callable[[str], str]] = {
    "how accents are written (composed or decomposed)": composed,
    "blanks": lambda label: _without_blanks(composed(label)),
    "case": lambda label: _without_blanks(composed(label)).casefold(),
}


def _twins(counts: Mapping[str, int], key: Callable[[str], str], confirmed: Collection[str] = ()) -> list[list[str]]:
    """Groups of labels with the same key, the most frequent first; those that an earlier kind of twins joins count as one."""
    groups: dict[str, list[str]] = {}
    for label in counts:
        groups.setdefault(key(label), []).append(label)
    kinds = list(TWINS.values())
    earlier = kinds[: kinds.index(key)]
    found = []
    for group in groups.values():
        apart = {earlier[-1](label) for label in group} if earlier else set(group)
        if len(apart) > 1 and not set(group) <= set(confirmed):
            found.append(_ranked(group, counts))
    return found


def _ranked(labels: Iterable[str], counts: Mapping[str, int]) -> list[str]:
    """The most frequent first."""
    return sorted(labels, key=lambda label: (-counts[label], label))


def plurals(counts: Mapping[str, int]) -> list[list[str]]:
    """Pairs of labels of which one looks like the other's plural in English."""
    by_key = {_folded(label): label for label in reversed(_ranked(counts, counts))}
    found = []
    for key, label in sorted(by_key.items()):
        ends = [f"{key}s", f"{key}es"] + ([f"{key[:-1]}ies"] if key.endswith("y") else [])
        found += [[label, by_key[end]] for end in ends if end in by_key and len(key) > 2]
    return found


def fixes(counts: Mapping[str, int], written: Written, *, paths: bool = False) -> list[Fix]:
    """A line for each suspicious label: of twins all become the most frequent, what stands for no value becomes nothing."""
    found: dict[str, Fix] = {}
    for label, separator in suspected_joins(counts, written, paths=paths).items():
        bare = re.sub(r"""^[\[{(]|[\]})]$|['"]""", "", label) if separator == "," else label
        found[label] = Fix(label, USUAL.join(parts_of(bare, separator)), f"several labels, separated by {in_words(separator)}?")
    for label in counts:
        if label.lower() in NO_VALUES:
            found[label] = Fix(label, "", "no value?")
    found |= {label: Fix(label, "", "a program's own?") for label in _of_programs(counts)}
    for name, key in reversed(TWINS.items()):  # the widest groups first: one label for all of them
        for first, *others in _twins(counts, key):
            found |= {label: Fix(label, first, f"differs in {name}?") for label in others if label not in found}
    for pair in plurals(counts):
        first, second = _ranked(pair, counts)
        found.setdefault(second, Fix(second, first, "plural?"))
    return [found[label]._replace(becomes=_end(label, found)) for label in sorted(found)]


def _end(label: str, found: Mapping[str, Fix]) -> str:
    """Where a chain of fixes ends: `Beaches` becomes `beaches`, which becomes `beach`."""
    becomes = found[label].becomes
    return _end(becomes, found) if becomes in found and becomes != label else becomes


def same_photos(root: Path, photos: Sequence[str], labels: Callable[[int], Iterable[str]]) -> list[Problem]:
    """Photos of the same bytes: a warning where their labels differ, a note where they do not."""
    row_of = {photo: row for row, photo in enumerate(photos)}
    alike: list[tuple[list[str], dict[str, list[str]]]] = []
    unlike: list[tuple[list[str], dict[str, list[str]]]] = []
    for group in same_content(root, photos):
        carried = {photo: sorted(labels(row_of[photo])) for photo in group}
        (alike if len({tuple(names) for names in carried.values()}) == 1 else unlike).append((group, carried))
    found = []
    if unlike:
        (first, *others), carried = unlike[0]
        other = next(photo for photo in others if carried[photo] != carried[first])
        shown = f"{first} [{', '.join(carried[first])}] and {other} [{', '.join(carried[other])}]"
        what = f"photos that are there several times, with other labels: {len(unlike)}, such as {shown}"
        found.append(Problem(first, what, "keep one of each, with the right labels", wrong=True))
    if alike:
        first, second, *_ = alike[0][0]
        what = f"photos that are there several times: {len(alike)}, such as {first} and {second}"
        found.append(Problem(first, what, "keep one of each"))
    return found
