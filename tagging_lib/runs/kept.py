"""Answers on disk: arrays with the facts about them, whole or not at all, found again by a name and a key.

They lie in `outputs/runs/<name>/<key>/`, rows with their networks beside them. A published report carries the answers alone
in `outputs/report/rows/<name>/<key>/`, in half precision, some 150 KB a row; where the key fits, these count as finished.
"""

from __future__ import annotations

import io
import logging
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import pandas as pd

from tagging_lib import files
from tagging_lib.errors import TaggingError
from tagging_lib.evaluation import thresholds

logger = logging.getLogger(__name__)
SUMMARY, HISTORY, MODEL = "result.json", "history.csv", "model.safetensors"
# A folder may be made whole: then `MODEL` is all of the network, `TRAINED` what the row has trained, and the fact `WHOLE`
# holds the sha256 and the network of the former, or nothing while it is being written.
TRAINED, WHOLE = "trained.safetensors", "whole"
DAMAGE = (TaggingError, ValueError, KeyError, TypeError, AttributeError, OSError, BadZipFile)
APART = "apart"  # a file beside a row that was trained by itself, which a finished notebook has not seen yet


@dataclass(frozen=True, eq=False)
class Kept:
    """Answers that were found whole.

    Attributes:
        facts: what was kept with them.
        published: they are a report's copy in half precision, without a network.
    """

    folder: Path
    facts: dict[str, Any]
    published: bool = False

    def arrays(self, name: str = "probabilities") -> dict[str, np.ndarray]:
        """The arrays of `<name>.npz`; published probabilities come back as float32."""
        with np.load(self.folder / f"{name}.npz", allow_pickle=False) as stored:
            found = {part: stored[part] for part in stored.files}
        if not all(isinstance(array, np.ndarray) for array in found.values()):
            raise ValueError(f"{name}.npz holds something else than arrays")
        return {part: array.astype(np.float32) if array.dtype == np.float16 else array for part, array in found.items()}

    @property
    def history(self) -> pd.DataFrame:
        """One line an epoch; empty without training."""
        return pd.read_csv(self.folder / HISTORY)


def folder_of(outputs: Path, name: str, key: str) -> Path:
    """Where answers are kept, whether they are there or not."""
    return outputs / "runs" / name / key


def published_folder(outputs: Path) -> Path:
    """Where a report keeps the answers that it was made from."""
    return outputs / "report" / "rows"


def is_there(outputs: Path, name: str, key: str) -> bool:
    """Whether there are such answers, unchecked."""
    return any((folder / SUMMARY).exists() for folder, _ in _places(outputs, name, key))


def find(outputs: Path, name: str, key: str, *, own: bool = False) -> Kept | None:
    """The answers of that name and key, or None. Damaged ones of `runs` are set aside; a report is never changed.

    Args:
        own: those that a report carries, without a network, do not count.
    """
    for folder, published in _places(outputs, name, key):
        if (own and published) or not (folder / SUMMARY).exists():
            continue
        try:
            return Kept(folder, _checked(folder, published), published)
        except DAMAGE as error:
            if published:
                logger.warning("%s is damaged (%s): passed over", folder, error)
            else:
                files.set_aside(folder / SUMMARY, error)
    return None


def _checked(folder: Path, published: bool) -> dict[str, Any]:
    """The facts in a folder whose files are what they were."""
    facts = files.read_sealed(folder / SUMMARY)
    for file, digest in facts["files"].items():
        if files.sha256(folder / file) != digest:
            raise ValueError(f"the checksum of {file} differs")
    model = model_file(folder, facts)
    if "model_bytes" in facts and not published and _size(model) != facts["model_bytes"]:
        raise ValueError(f"{model.name} has another size")
    return facts


def model_file(folder: Path, facts: Mapping[str, Any]) -> Path:
    """The file of what a row has trained, in the folder with these facts."""
    return folder / (TRAINED if WHOLE in facts else MODEL)


def run_folder(run: str | Path, outputs: Path) -> Path:
    """The folder of a run: `run` itself when it is one, else the latest finished one of the row with that name.

    Raises:
        TaggingError: there is no such folder with a result.
    """
    if (Path(run) / SUMMARY).exists():
        return Path(run)
    finished = [path for path in (outputs / "runs").glob(f"*/*/{SUMMARY}") if (path.parent / "truth.npz").exists()]
    of_row = [path for path in finished if path.parent.parent.name == str(run)]
    if not of_row:
        known = sorted({path.parent.parent.name for path in finished})
        rows = f"choose one of {', '.join(known)}" if known else "run `tagging train` first"
        raise TaggingError(f"{run} is neither a run's folder nor a row with a result under {outputs / 'runs'}: {rows}")
    return max(of_row, key=lambda path: path.stat().st_mtime_ns).parent


def read(folder: Path) -> Kept:
    """The answers in the folder of a run.

    Raises:
        TaggingError: a file is missing or damaged.
    """
    published = not any((folder / name).exists() for name in (MODEL, TRAINED))
    try:
        return Kept(folder, _checked(folder, published), published)
    except DAMAGE as error:
        raise TaggingError(f"{folder} cannot be used ({error}): run its row again (tagging train)") from error


def keep(
    outputs: Path,
    name: str,
    key: str,
    arrays: Mapping[str, Mapping[str, np.ndarray]],
    facts: Mapping[str, Any],
    history: pd.DataFrame | None = None,
) -> Kept:
    """Keep arrays, by file and by part, with facts in JSON; what was kept under the same name and key is replaced."""
    folder = folder_of(outputs, name, key)
    written = _write(folder, arrays, history)
    files.write_sealed(folder / SUMMARY, {**facts, "files": {file: files.sha256(folder / file) for file in written}})
    found = find(outputs, name, key)
    if found is None:
        raise OSError(f"what was just written to {folder} cannot be read back: check the disk")
    return found


def make_whole(kept: Kept, write: Callable[[Path], tuple[str, dict[str, Any]]]) -> Kept:
    """The same answers, with all of the network in `MODEL`; whoever is interrupted leaves a folder that is sound.

    Args:
        write: writes `MODEL` into the folder and returns its SHA-256 and the network's description.
    """
    if WHOLE not in kept.facts:
        with files.replacing(kept.folder / TRAINED) as temporary:
            shutil.copyfile(kept.folder / MODEL, temporary)
    files.write_sealed(kept.folder / SUMMARY, kept.facts | {WHOLE: {}})
    digest, network = write(kept.folder)
    facts = kept.facts | {WHOLE: {"sha256": digest, "network": network}}
    files.write_sealed(kept.folder / SUMMARY, facts)
    return Kept(kept.folder, facts)


def mark_apart(kept: Kept) -> None:
    """Note that the row was asked for by itself and not by a notebook, so that notebooks look at their rows again."""
    if not kept.published:
        (kept.folder / APART).touch()


def trained_apart(outputs: Path) -> list[str]:
    """Names and keys of the rows that were asked for by themselves."""
    return sorted(path.parent.relative_to(outputs).as_posix() for path in (outputs / "runs").glob(f"*/*/{APART}"))


def publish(kept: Kept, target: Path) -> None:
    """Write a copy of the answers to the folder `target`: in half precision, without a network and without a machine's paths."""
    names = sorted(Path(file).stem for file in kept.facts["files"] if file.endswith(".npz"))
    arrays = {name: {part: halved(array) for part, array in kept.arrays(name).items()} for name in names}
    written = _write(target, arrays, kept.history if HISTORY in kept.facts["files"] else None)
    files.write_sealed(
        target / SUMMARY, _without_folders(kept.facts) | {"files": {file: files.sha256(target / file) for file in written}}
    )


def _without_folders(facts: Any) -> Any:
    """The facts with the names alone of weights that came from files; labels, which may begin with a slash, stay."""
    if isinstance(facts, list):
        return [_without_folders(value) for value in facts]
    if not isinstance(facts, dict):
        return facts
    found = {name: _without_folders(value) for name, value in facts.items()}
    weights = facts.get("weights")
    return found | ({"weights": Path(weights).name} if isinstance(weights, str) and Path(weights).is_absolute() else {})


def halved(array: np.ndarray) -> np.ndarray:
    """Float32 probabilities as float16, each on its own side of every threshold of the fine grid; others as they are.

    Rounding alone would make 0.39990 of a probability of 0.4, which then no longer meets the threshold 0.4.
    """
    if array.dtype != np.float32:
        return array
    grid = np.asarray(thresholds.FINE_GRID, dtype=np.float32)
    half, met = array.astype(np.float16), np.searchsorted(grid, array, side="right")
    for wrong, towards in ((np.greater, -np.inf), (np.less, np.inf)):
        moved = wrong(np.searchsorted(grid, half.astype(np.float32), side="right"), met)
        half[moved] = np.nextafter(half[moved], np.float16(towards))
    return half


def _places(outputs: Path, name: str, key: str) -> list[tuple[Path, bool]]:
    return [(folder_of(outputs, name, key), False), (published_folder(outputs) / name / key, True)]


def _write(folder: Path, arrays: Mapping[str, Mapping[str, np.ndarray]], history: pd.DataFrame | None) -> list[str]:
    files.make_folder(folder)
    for name, parts in arrays.items():
        packed = io.BytesIO()
        np.savez_compressed(packed, **parts)  # type: ignore[arg-type]
        with files.replacing(folder / f"{name}.npz") as temporary:
            temporary.write_bytes(packed.getvalue())
    if history is not None:
        files.write_text(folder / HISTORY, history.to_csv(index=False))
    return [*(f"{name}.npz" for name in arrays), *([HISTORY] if history is not None else [])]


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else -1
