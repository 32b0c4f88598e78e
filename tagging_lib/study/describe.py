"""What is studied and how, in words for a page and as facts for a report's manifest."""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import pandas as pd

from tagging_lib import files
from tagging_lib.data.corpus import Corpus
from tagging_lib.data.splits import part_of_photos
from tagging_lib.runs.setting import PARTS
from tagging_lib.study.study import Study

NAMED_PHOTOS = 20  # left-out photos named in the banner; all of them are in a table
TOY = (
    "> **Toy scale: shows that it works, not how well.** Few photos and few epochs; rows marked *rehearsal* have random "
    "weights and look at 64 px.\n\n"
)


def banner(study: Study) -> str:
    """Markdown: corpus, split, profile, device and versions; in the quick profile the warning that it is a toy."""
    train, validation, test = (len(study.indices(part)) for part in PARTS)
    lines = [
        f"**Corpus** `{study.corpus.name}`, {len(study.corpus):,} photos, {len(study.labels)} labels, "
        f"fingerprint `{study.corpus.fingerprint}`",
        f"**Split** {study.split.rule}, seed {study.seed}: {train:,} train, {validation:,} validation, {test:,} test",
        f"**Profile** {study.profile.name} on {study.setting.device}, {files.describe_machine()['processor']}, "
        f"torch {version('torch')}",
    ]
    left_out = left_out_photos(study.corpus)
    if len(left_out):
        first = "; ".join(f"{_as_code(line.photo)} {line.problem}" for line in left_out[:NAMED_PHOTOS].itertuples())
        more = f"; and {len(left_out) - NAMED_PHOTOS} more" if len(left_out) > NAMED_PHOTOS else ""
        lines.append(f"**Left out** {len(left_out)} broken photos: {first}{more}")
    if study.corpus.corrections:
        lines.append(f"**Corrections** {corrected(study, _as_code)}")
    return (TOY if study.profile.toy else "") + "  \n".join(lines)


def facts(study: Study) -> dict[str, Any]:
    """What is studied and how, as JSON."""
    return {
        "corpus": study.corpus.name,
        "fingerprint": study.corpus.fingerprint,
        "photos": len(study.corpus),
        "left_out_photos": len(study.corpus.left_out),
        "labels": list(study.labels),
        "corrections": study.corpus.corrections.as_json(part_of_photos(study.split, study.corpus)),
        "split": {
            "rule": study.split.rule,
            "seed": study.split.seed,
            "fingerprint": study.split.fingerprint,
            "photos": {part: len(study.indices(part)) for part in PARTS},
        },
        "profile": study.profile.name,
        "device": study.setting.device,
        "seeds": study.seeds,
        "weights": study.setting.weights_folder.name if study.setting.weights_folder else None,
    }


def left_out_photos(corpus: Corpus) -> pd.DataFrame:
    """Broken photos that the study goes on without: photo, problem."""
    return pd.DataFrame([(problem.where, problem.what) for problem in corpus.left_out], columns=["photo", "problem"])


def corrected(study: Study, shown: Callable[[str], str] = str) -> str:
    """In words how many labels of which parts follow corrections; `shown` says how names of files and people are written."""
    return study.corpus.corrections.sentence(part_of_photos(study.split, study.corpus), shown)


def corrections_table(study: Study) -> pd.DataFrame:
    """Every correction: photo, part, label, value (1, 0 or unsure), what became of it, who, when."""
    part_of = part_of_photos(study.split, study.corpus)
    return pd.DataFrame(
        [
            (entry.photo, part_of[entry.photo], entry.label, entry.said, became, entry.who, entry.when)
            for became, entries in study.corpus.corrections.every.items()
            for entry in entries
        ],
        columns=["photo", "part", "label", "value", "became", "who", "when"],
    )


def _as_code(name: str) -> str:
    """A file's name as Markdown code, whatever letters it has."""
    fence = "`" * (1 + max((len(found) for found in re.findall("`+", name)), default=0))
    return f"{fence} {name} {fence}" if "`" in name else f"`{name}`"
