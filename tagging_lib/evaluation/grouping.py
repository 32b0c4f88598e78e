"""Which rows are indistinguishable, as a compact letter display (Piepho, J. Comput. Graph. Stat. 2004)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from string import ascii_lowercase

import numpy as np

from tagging_lib.evaluation import uncertainty

LEVEL = 0.05
# A permutation test never falls below 1 / (resamples + 1): with the correction for many pairs, that has to stay well
# below the level, or no number of photos could tell two rows apart.
RESAMPLES_PER_PAIR = round(2 / LEVEL)


def groups(
    targets: np.ndarray,
    predictions: Sequence[np.ndarray],
    level: float = LEVEL,
    seed: int = 0,
    together: uncertainty.Groups = None,
) -> list[str]:
    """Letters of each row: two rows without a letter in common differ in micro-F1, at `level` over all pairs together.

    `predictions` holds each row's 0/1 (N, L), or (K, N, L) of K trainings. The tests are paired on the same photos and
    corrected by Holm. `a` is in the best row; a row without an F1 has no letter. `together` are groups of photos.
    """
    counts = [np.asarray(answer) for answer in predictions]
    averaged = [uncertainty.mean_f1(targets, answer) for answer in counts]
    scored = [i for i in np.argsort(np.negative(averaged), kind="stable") if np.isfinite(averaged[i])]
    first, second = np.triu_indices(len(scored), 1)
    resamples = max(uncertainty.RESAMPLES, RESAMPLES_PER_PAIR * len(first))
    p = uncertainty.pairwise_p(targets, [counts[i] for i in scored], resamples, seed, together)
    different = np.zeros_like(p, dtype=bool)
    different[first, second] = uncertainty.holm(p[first, second]) < level
    letters = compact_letters(different | different.T)
    found = [""] * len(counts)
    for row, text in zip(scored, letters, strict=True):
        found[row] = text
    return found


def compact_letters(different: np.ndarray) -> list[str]:
    """Letters so that two rows share one exactly if they do not differ; bool (rows, rows), symmetric, best row first.

    >>> compact_letters(np.array([[0, 0, 1], [0, 0, 0], [1, 0, 0]], dtype=bool))
    ['a', 'ab', 'b']
    """
    rows = len(different)
    together = [frozenset(range(rows))] if rows else []
    for i, j in zip(*np.nonzero(np.triu(different)), strict=True):
        split = [part for members in together for part in ((members - {i}, members - {j}) if {i, j} <= members else (members,))]
        # Absorb: what lies within another set says nothing of its own.
        unique = list(dict.fromkeys(split))
        together = [part for part in unique if not any(part < other for other in unique)]
    together.sort(key=sorted)
    for members in list(together):
        others = [other for other in together if other is not members]
        pairs = [(i, j) for i in members for j in members if i <= j]
        if all(any(i in other and j in other for other in others) for i, j in pairs):
            together = others
    return ["".join(letter(place) for place, members in enumerate(together) if row in members) for row in range(rows)]


def alike(first: str, second: str) -> bool:
    """Whether two rows share a letter.

    >>> alike("ab", "bc"), alike("a", "a1")
    (True, False)
    """
    one, other = (set(re.findall("[a-z][0-9]*", letters)) for letters in (first, second))
    return bool(one & other)


def letter(place: int) -> str:
    """a, b … z, then a1, b1 …"""
    around, index = divmod(place, len(ascii_lowercase))
    return ascii_lowercase[index] + (str(around) if around else "")
