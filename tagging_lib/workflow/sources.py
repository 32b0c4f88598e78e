"""The notebooks of the project, in their order, with the parameters that each of them takes."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nbformat

from tagging_lib.errors import TaggingError

PACKAGE = Path(__file__).resolve().parents[1]
FOLDER = PACKAGE.parent / "notebooks"


def names(folder: Path | None = None) -> list[str]:
    """The notebooks' names in the order in which they run, without `.ipynb`.

    Raises:
        TaggingError: the folder holds no notebook.
    """
    folder = FOLDER if folder is None else folder
    found = sorted(path.stem for path in folder.glob("[0-9][0-9]_*.ipynb"))
    if not found:
        raise TaggingError(f"{folder} holds no notebook: run from a clone of the project (pip install -e .)")
    return found


def choose(only: Sequence[str] | None, folder: Path | None = None) -> list[str]:
    """The notebooks meant by numbers (`3`, `03`) or names; all of them for None. They keep their order.

    Raises:
        TaggingError: one of `only` is no notebook.
    """
    every = names(folder)
    if only is None:
        return every
    chosen = set()
    for asked in only:
        matches = {name for name in every if name == asked or name.split("_")[0] == asked.zfill(2)}
        if not matches:
            raise TaggingError(f"no notebook is called {asked!r}: choose among {', '.join(every)}, or their numbers")
        chosen |= matches
    return [name for name in every if name in chosen]


def default_parameters(path: Path) -> dict[str, Any]:
    """The values in the cell tagged `parameters`, by name.

    Raises:
        TaggingError: the notebook has no such cell, or something else than `NAME = literal` stands in it.
    """
    notebook = nbformat.read(path, as_version=4)
    cells = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    if len(cells) != 1:
        raise TaggingError(f"{path} has {len(cells)} cells tagged 'parameters': it must have one")
    found = {}
    for statement in ast.parse(cells[0].source).body:
        try:
            if not isinstance(statement, ast.Assign) or not isinstance(statement.targets[0], ast.Name):
                raise ValueError
            found[statement.targets[0].id] = ast.literal_eval(statement.value)
        except ValueError as error:
            raise TaggingError(f"{path}, cell 'parameters', line {statement.lineno}: must be NAME = literal") from error
    return found
