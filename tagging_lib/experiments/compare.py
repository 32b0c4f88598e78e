"""Which of two rows is better, by a paired test on the same test photos."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tagging_lib.evaluation import uncertainty

if TYPE_CHECKING:
    from tagging_lib.experiments.study import Study

COLUMNS = ["row", "against", "difference", "low", "high", "p", "p_holm", "verdict"]
LEVEL = 0.05


def compare(study: Study, pairs: Sequence[tuple[str, str]]) -> pd.DataFrame:
    """Test micro-F1 of the first row of each pair minus that of the second, on the photos of the test part.

    Columns: titles of both rows, difference with its 95 % bootstrap interval, p, p after Holm's correction for the
    number of pairs, and the verdict (`better`, `worse`, `not told apart`). Pairs with a row that this profile cannot
    run are left out; without any the table is empty.
    """
    names = list(dict.fromkeys(name for pair in pairs for name in pair))
    found = {result.name: result for result in study.results(names)}
    kept = [(found[first], found[second]) for first, second in pairs if first in found and second in found]
    truth = study.truth("test")
    tests = [
        uncertainty.paired_difference(truth, first.predictions("test"), second.predictions("test")) for first, second in kept
    ]
    corrected = uncertainty.holm(np.array([test["p"] for test in tests]))
    lines = []
    for (first, second), test, p_holm in zip(kept, tests, corrected, strict=True):
        verdict = "not told apart"
        if p_holm < LEVEL:
            verdict = "better" if test["difference"] > 0 else "worse"
        numbers = (test[name] for name in ("difference", "low", "high", "p"))
        lines.append([first.title, second.title, *numbers, float(p_holm), verdict])
    return pd.DataFrame(lines, columns=COLUMNS)
