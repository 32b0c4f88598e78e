"""Answers as files for other programs, written shard by shard, so that no number of photos is too large."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import pandas as pd

from tagging_lib import files
from tagging_lib.errors import TaggingError
from tagging_lib.inference.giving import Giving

LABELS_SEPARATOR = ";"
FORMATS = ("csv", "jsonl", "parquet")
MATRIX, BROKEN, SIDECARS = "predictions.txt", "broken.csv", "sidecars"
Write = Callable[[list[str], np.ndarray, np.ndarray], None]  # names, probabilities (n, L), given (n, L)


def tags_of(given: np.ndarray, labels: list[str]) -> list[list[str]]:
    """The labels of each photo, from a 0/1 matrix (n, L)."""
    return [[labels[place] for place in np.flatnonzero(line)] for line in given]


def table_of(names: Iterable[str], tags: Iterable[list[str]], probabilities: np.ndarray, labels: list[str]) -> pd.DataFrame:
    """The columns photo, labels (joined by `;`), and a probability for each label."""
    first = pd.DataFrame({"photo": list(names), "labels": [LABELS_SEPARATOR.join(given) for given in tags]})
    return pd.concat([first, pd.DataFrame(probabilities, columns=labels)], axis="columns")


def file_of(outputs: Path, kind: str) -> Path:
    """Where the answers of a format are written."""
    return outputs / f"predictions.{kind}"


def check_format(kind: str) -> None:
    """Raise TaggingError where there is no such format."""
    if kind not in FORMATS:
        raise TaggingError(f"format is {kind!r}: choose {', '.join(FORMATS)}")


@contextmanager
def answers(outputs: Path, giving: Giving, kind: str = "csv") -> Iterator[Write]:
    """Yield a function that takes the answers to some photos, in order; the files appear whole when it is left without error.

    `csv` writes `predictions.csv` and `predictions.txt` (0/1, one photo a line), `jsonl` and `parquet` a file of that kind.
    Probabilities have as many digits as they need: labels made of them are the labels that are written.

    Raises:
        TaggingError: there is no such format, or the disk is full.
    """
    check_format(kind)
    files.make_folder(outputs)
    with ExitStack() as stack:
        temporary = stack.enter_context(files.replacing(file_of(outputs, kind)))
        if kind == "csv":
            matrix = stack.enter_context(files.replacing(outputs / MATRIX))
            table = stack.enter_context(open(temporary, "w", encoding="utf-8", newline=""))
            yield _csv(table, stack.enter_context(open(matrix, "w", encoding="utf-8")), giving.labels)
        elif kind == "jsonl":
            yield _json_lines(stack.enter_context(open(temporary, "w", encoding="utf-8")), giving.labels)
        else:
            yield _parquet(temporary, giving.labels, stack)


def _csv(table: TextIO, matrix: TextIO, labels: list[str]) -> Write:
    def write(names: list[str], probabilities: np.ndarray, given: np.ndarray) -> None:
        part = table_of(names, tags_of(given, labels), probabilities, labels)
        part.to_csv(table, index=False, header=table.tell() == 0, quoting=csv.QUOTE_MINIMAL)
        np.savetxt(matrix, given, fmt="%d")

    return write


def _json_lines(stream: TextIO, labels: list[str]) -> Write:
    def write(names: list[str], probabilities: np.ndarray, given: np.ndarray) -> None:
        for name, line, tags in zip(names, probabilities, tags_of(given, labels), strict=True):
            told = {"photo": name, "labels": tags, "probabilities": shown(labels, line)}
            stream.write(json.dumps(told, ensure_ascii=False) + "\n")

    return write


def _parquet(target: Path, labels: list[str], stack: ExitStack) -> Write:
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = [f"{label} (probability)" if label in ("photo", "labels") else label for label in labels]
    schema = pa.schema(
        [("photo", pa.string()), ("labels", pa.list_(pa.string())), *((column, pa.float32()) for column in columns)]
    )
    writer = stack.enter_context(pq.ParquetWriter(target, schema))

    def write(names: list[str], probabilities: np.ndarray, given: np.ndarray) -> None:
        arrays = [pa.array(names, pa.string()), pa.array(tags_of(given, labels), pa.list_(pa.string()))]
        arrays += [pa.array(np.ascontiguousarray(probabilities[:, place]), pa.float32()) for place in range(len(labels))]
        writer.write_table(pa.Table.from_arrays(arrays, schema=schema))

    return write


def shown(labels: list[str], line: np.ndarray) -> dict[str, float]:
    """Probabilities of one photo, each by the fewest digits that mean the same float32."""
    return {label: float(str(value)) for label, value in zip(labels, line, strict=True)}


def write_sidecars(
    outputs: Path, names: list[str], probabilities: np.ndarray, given: np.ndarray, giving: Giving, model_sha256: str
) -> None:
    """`sidecars/<photo>.json` for each photo: its labels, all probabilities, threshold (one for all, or by label) and model."""
    threshold: Any = giving.threshold
    if isinstance(threshold, np.ndarray):
        threshold = {label: value for label, value in zip(giving.labels, threshold.tolist(), strict=True) if np.isfinite(value)}
    about = {"threshold": threshold, "model_sha256": model_sha256}
    for name, line, tags in zip(names, probabilities, tags_of(given, giving.labels), strict=True):
        told = {"photo": name, "labels": tags, "probabilities": shown(giving.labels, line)}
        files.write_json(outputs / SIDECARS / f"{name}.json", told | about)


@contextmanager
def broken(outputs: Path) -> Iterator[Callable[[Iterable[tuple[str, str]]], None]]:
    """Yield a function that takes names of photos that were left out, with the reasons: `broken.csv`."""
    files.make_folder(outputs)
    with files.replacing(outputs / BROKEN) as temporary, open(temporary, "w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["photo", "reason"])
        yield writer.writerows
