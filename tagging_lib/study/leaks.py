"""Test photos that a network has seen under another name: how many the split leaves, and what they do to a score."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tagging_lib.data import splits, twins
from tagging_lib.evaluation import metrics, uncertainty
from tagging_lib.runs.result import Result
from tagging_lib.study.study import Study

COUNTED = ["split", "groups", "photos", "test_photos", "with_twin", "share"]
SCORED = ["test photos", "photos", "micro_f1", "low", "high"]


def groups(study: Study) -> np.ndarray:
    """Twins among the photos of the corpus, int64 (N,), as `twins.twins` finds them whatever the split took together."""
    return twins.twins(study.setting.pixels)


def counted(study: Study) -> pd.DataFrame:
    """Test photos with a twin in training or validation: by the study's own split, and by one that takes no notice of twins.

    Columns: split, groups (of at least two photos), photos (in such groups), test_photos, with_twin, share.
    """
    found = groups(study)
    sizes = np.bincount(found)
    blind = study.split if study.split.rule == "given" else splits.split(study.corpus, seed=study.seed, rule=study.split.rule)
    lines = []
    for name, split in (("this study's", study.split), ("without regard to twins", blind)):
        others = np.concatenate([split.train, split.validation])
        seen = int(twins.with_twin_in(found, split.test, others).sum())
        more_than_one = sizes[sizes > 1]
        lines.append([name, len(more_than_one), int(more_than_one.sum()), len(split.test), seen, seen / len(split.test)])
    return pd.DataFrame(lines, columns=COUNTED)


def scored(study: Study, result: Result) -> pd.DataFrame:
    """Test micro-F1 of a row with its 95 % interval, on all test photos and on those without a twin in training or validation."""
    others = np.concatenate([study.split.train, study.split.validation])
    found = groups(study)
    seen, alike = twins.with_twin_in(found, study.indices("test"), others), found[study.indices("test")]
    truth, given = study.truth("test"), result.predictions("test")
    lines = []
    for name, kept in (("all", np.ones(len(truth), dtype=bool)), ("without a twin in training or validation", ~seen)):
        score = metrics.score(truth[kept], given[kept])["micro_f1"]
        interval = uncertainty.bootstrap_interval(truth[kept], given[kept], groups=alike[kept])
        lines.append([name, int(kept.sum()), score, *interval])
    return pd.DataFrame(lines, columns=SCORED)
