"""The thresholds that notebook 05 chooses and the later notebooks use: each belongs to one result on one split."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from tagging_lib import files
from tagging_lib.errors import TaggingError
from tagging_lib.study.study import Study

NOTEBOOK = "05_threshold_search"


def path(study: Study) -> Path:
    """The file that holds them."""
    return study.work / "thresholds.json"


def save(study: Study, table: pd.DataFrame) -> None:
    """Keep the chosen thresholds (columns row, threshold), one for each finished row."""
    chosen = {
        str(line.row): {"key": study.result(str(line.row)).key, "threshold": float(line.threshold)}
        for line in table.itertuples()
    }
    files.write_json(path(study), _owner(study) | {"rows": chosen})


def load(study: Study) -> dict[str, float]:
    """The kept thresholds by row name; those of results that have been replaced since are not among them.

    Raises:
        TaggingError: there are none for this corpus and split; it names the notebook to run.
    """
    if not path(study).exists():
        raise TaggingError(f"{path(study)} is missing: run notebook {NOTEBOOK} first")
    stored = files.read_json(path(study))
    if not _owner(study).items() <= stored.items():
        raise TaggingError(
            f"{path(study)} belongs to another corpus or split (seed {stored.get('seed')}): run notebook {NOTEBOOK} with seed "
            f"{study.seed} on this corpus first"
        )
    keys = {result.name: result.key for result in study.finished(list(stored["rows"]))}
    return {name: kept["threshold"] for name, kept in stored["rows"].items() if keys.get(name) == kept["key"]}


def _owner(study: Study) -> dict[str, str | int]:
    return {"corpus": study.corpus.fingerprint, "split": study.split.fingerprint, "seed": study.seed}
