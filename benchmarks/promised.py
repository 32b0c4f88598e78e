"""How a precision promised by validation is kept on test, with the interval and without: `python -m benchmarks.promised RUN…`,
each the folder of a run.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from tagging_lib.evaluation import thresholds
from tagging_lib.runs import kept

PRECISIONS = (0.8, 0.9)


def as_counted(targets: np.ndarray, probabilities: np.ndarray, precision: float) -> np.ndarray:
    """The lowest threshold of each label that has the precision on these photos, however few; infinite without one."""
    found = np.full(targets.shape[1], np.inf)
    for label in range(targets.shape[1]):
        for edge in np.unique(probabilities[:, label])[::-1]:
            given = probabilities[:, label] >= edge
            if targets[given, label].mean() >= precision:
                found[label] = edge
    return found


def kept_on_test(folder: Path) -> list[str]:
    """One line for each precision and way to promise it."""
    run = kept.read(folder)
    truth, found = run.arrays("truth"), run.arrays()
    lines = []
    for precision in PRECISIONS:
        for name, choose in {"as counted": as_counted, "with the interval": thresholds.at_precision}.items():
            chosen = choose(truth["validation"], found["validation"], precision)
            given = thresholds.apply(found["test"], chosen)
            hits, marks = (given & truth["test"]).sum(axis=0), given.sum(axis=0)
            some = marks > 0
            reached = int((hits[some] / marks[some] >= precision).sum())
            recall = hits.sum() / truth["test"].sum()
            promised = f"promised for {np.isfinite(chosen).sum()} of {len(chosen)} labels"
            delivered = f"reached on test by {reached} of the {some.sum()} that are given there"
            scores = f"precision {hits.sum() / marks.sum():.3f}, recall {recall:.3f}"
            lines.append(f"{precision:.1f} {name:17}: {promised}, {delivered}; {scores}")
    return lines


if __name__ == "__main__":
    for folder in sys.argv[1:]:
        sys.stdout.write("\n".join([folder, *kept_on_test(Path(folder))]) + "\n")
