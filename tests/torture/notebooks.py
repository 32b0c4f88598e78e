"""Notebooks that raise, die or hang, each of the seven: named with its cell, no report that looks finished, and continued.

The notebooks are the project's own in everything but their computations: titles, prose, parameters, tags and cell ids stay,
and each other code cell writes a small figure or table instead of training.
"""

from __future__ import annotations

import io
import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np

from tests.torture.harness import Trials, answer_of, expect, in_child

CELL_TIMEOUT = 3.0  # seconds
FAULTS = {
    "exception": ["raise ValueError('broken <b>badly</b>\\nover two lines')", "1 / 0", "absent", "raise SystemExit(3)"],
    "dead kernel": [
        "import os; os._exit(0)",
        "import os; os._exit(7)",
        "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
    ],
    "hang": [
        "import time; time.sleep(1e6)",
        "import threading; lock = threading.Lock(); lock.acquire(); lock.acquire()",
        "import select; select.select([], [], [])",
        "import subprocess; subprocess.run(['sleep', '1000'])",
        "while True: pass",
    ],
}
# Writes its seed into a figure's file, a table and an output, so that a page tells of which run it is.
STANDS_IN = """
from pathlib import Path
work = Path(OUTPUTS) / "work"
for kind, name in (("figures", "{name}.png"), ("tables", "{name}.csv")):
    (work / kind).mkdir(parents=True, exist_ok=True)
    (work / kind / name).write_text(f"seed {{SEED}}\\n")
with open(Path(OUTPUTS) / "ran.txt", "a") as stream:
    print("{name}", SEED, file=stream)
print("this is the run of seed", SEED)
"""
MAKES = {
    "05_threshold_search": '(work / "thresholds.json").write_text("{}")',
    "07_final_model": '(Path(OUTPUTS) / "final").mkdir(exist_ok=True); (Path(OUTPUTS) / "final" / "model.json").write_text("{}")',
}


def run(trials: Trials) -> None:
    """Every fault in every notebook, with and without a report of before."""
    from tagging_lib.workflow import sources

    names = sources.names()
    every = [(name, fault) for name in names for fault in FAULTS]
    if trials.size == "short":  # one notebook of the middle, so that pages stand before and after it
        every = [(names[3], fault) for fault in FAULTS]
    with trials.workplace() as before:
        _copies(before, names if trials.size != "short" else names[2:5])
        code, told = _call(before, 1)
        expect(code == 0, f"the notebooks do not run: {told}")
        for number, (name, fault) in enumerate(every * trials.count(1, 1, 5)):
            with trials.trial(f"{fault} in {name}") as random, trials.workplace() as folder:
                shutil.copytree(before, folder, dirs_exist_ok=True)
                if number % 3 == 2:
                    shutil.rmtree(folder / "outputs" / "report")
                if trials.size == "default":
                    _only_neighbours(folder, name)
                _trial(folder, name, fault, random)


def _only_neighbours(folder: Path, name: str) -> None:
    """Keep the notebook, the one before and the one behind, so that a trial takes seconds; the older report stays whole."""
    chosen = sorted(path.stem for path in (folder / "notebooks").glob("*.ipynb"))
    at = chosen.index(name)
    for other in set(chosen) - set(chosen[max(0, at - 1) : at + 2]):
        (folder / "notebooks" / f"{other}.ipynb").unlink()
        for suffix in (".ipynb", ".json"):
            (folder / "outputs" / "work" / other).with_suffix(suffix).unlink()


def _trial(folder: Path, name: str, fault: str, random: np.random.Generator) -> None:
    """A run of seed 2 over one of seed 1 that fails in the notebook, `tagging report` on what is left, and the next call."""
    outputs = folder / "outputs"
    chosen = sorted(path.stem for path in (folder / "notebooks").glob("*.ipynb"))
    source = str(random.choice(FAULTS[fault]))
    at = _inject(folder / "notebooks" / f"{name}.ipynb", source, random)
    old, before = (outputs / "report" / "index.html").exists(), _content(outputs / "report")
    code, told = _call(folder, 2)
    last = told.strip().splitlines()[-1]
    expect(code == 2, f"exit code {code}: {told}")
    expect(last.startswith(f"tagging: {name}.ipynb, cell {at}: "), f"the message does not name notebook and cell {at}: {told}")
    words = {"exception": "Error|SystemExit", "dead kernel": "its process ended", "hang": "it hung"}[fault]
    expect(re.search(words, last) and "Traceback" not in told, f"the message does not say what happened: {told}")
    expect(not (outputs / "work" / f"{name}.json").exists(), "the failed notebook passes for finished")
    if old:
        expect(_content(outputs / "report") == before, "the report of before was changed")
    else:
        expect(not (outputs / "report").exists(), "there is a report")

    # What is finished may be rendered, says that it is not all, and holds nothing of the older run.
    first = chosen.index(name) == 0
    rendered = in_child(lambda: _rendered(folder))
    if first:
        expect(rendered.clear and name in rendered.error, f"no clear error but {rendered.kind}: {rendered.error}")
    else:
        pages = answer_of(rendered)
        expect(set(pages) == {*chosen[: chosen.index(name)], "index"}, f"the report's pages are {sorted(pages)}")
        expect('id="unfinished"' in pages["index"] and f"{name}.ipynb, cell {at}" in pages["index"], "the index tells nothing")
        _of_seed_2(outputs, pages)

    # The next call runs what is missing and nothing else.
    (outputs / "ran.txt").unlink(missing_ok=True)
    _repair(folder / "notebooks" / f"{name}.ipynb", source)
    code, told = _call(folder, 2)
    expect(code == 0, f"the next call ended with {code}: {told}")
    ran = [line.split()[0] for line in (outputs / "ran.txt").read_text().splitlines()]
    expect(ran == chosen[chosen.index(name) :], f"the next call ran {ran}")
    pages = {path.stem: path.read_text() for path in (outputs / "report").glob("*.html")}
    expect(set(pages) == {*chosen, "index"}, f"the report's pages are {sorted(pages)}")
    expect(not any('id="unfinished"' in page or 'id="stale"' in page for page in pages.values()), "it says that it is unfinished")
    _of_seed_2(outputs, pages)
    expect(not list((outputs / "work").glob("*.failed.ipynb")), "the failed copy is still there")
    expect(not list((outputs / "work").glob("*.running.ipynb")), "the running copy is still there")


def _of_seed_2(outputs: Path, pages: dict[str, str]) -> None:
    for name, page in pages.items():
        expect("run of seed 1" not in page, f"{name} is of the older run")
        expect(name == "index" or "run of seed 2" in page, f"{name} is of no run")
    for path in [*(outputs / "report" / "figures").iterdir(), *(outputs / "report" / "tables").iterdir()]:
        expect(path.read_text() == "seed 2\n", f"{path.name} is of the older run")
    manifest = json.loads((outputs / "report" / "manifest.json").read_text())
    expect(manifest["parameters"]["SEED"] == 2, "the manifest is of the older run")


def _copies(folder: Path, names: list[str]) -> None:
    """The notebooks with cheap cells."""
    import nbformat

    from tagging_lib.workflow import sources

    (folder / "notebooks").mkdir()
    for name in names:
        notebook = nbformat.read(sources.FOLDER / f"{name}.ipynb", as_version=4)
        for cell in notebook.cells:
            if cell.cell_type == "code" and "parameters" not in cell.metadata.get("tags", []):
                cell.source = f"# {cell.id}\nNone"
        first = next(cell for cell in notebook.cells if cell.id == "study")
        first.source = STANDS_IN.format(name=name) + MAKES.get(name, "")
        nbformat.write(notebook, folder / "notebooks" / f"{name}.ipynb")


def _inject(path: Path, source: str, random: np.random.Generator) -> int:
    """Put the faulty cell somewhere behind the parameters, and return its number, from 1."""
    import nbformat

    notebook = nbformat.read(path, as_version=4)
    start = next(i for i, cell in enumerate(notebook.cells) if "parameters" in cell.metadata.get("tags", []))
    at = int(random.integers(start + 1, len(notebook.cells) + 1))
    notebook.cells.insert(at, nbformat.v4.new_code_cell(source, id="fault"))
    nbformat.write(notebook, path)
    return at + 1


def _repair(path: Path, source: str) -> None:
    import nbformat

    notebook = nbformat.read(path, as_version=4)
    notebook.cells = [cell for cell in notebook.cells if cell.source != source]
    nbformat.write(notebook, path)


def _call(folder: Path, seed: int) -> tuple[int, str]:
    """Exit code and standard error of `tagging study`."""

    def work() -> tuple[int, str]:
        import os

        import psutil

        from tagging_lib import cli
        from tagging_lib.workflow import notebooks, sources, watchdog

        os.chdir(folder)
        notebooks.FOLDER = sources.FOLDER = folder / "notebooks"
        watchdog.BUSY_FACTOR = 2
        sys.stderr = io.StringIO()
        sys.argv = ["tagging", "study", "--profile", "quick", "--seed", str(seed), "--cell-timeout", str(CELL_TIMEOUT)]
        try:
            cli.main()
            code = 0
        except SystemExit as ended:
            code = int(ended.code or 0)
        alive = [process.name() for process in psutil.Process().children(recursive=True) if process.status() != "zombie"]
        if alive:
            return -1, f"processes are left: {alive}"
        return code, sys.stderr.getvalue()

    code, told = answer_of(in_child(work, timeout=300))
    return code, told


def _rendered(folder: Path) -> dict[str, Any]:
    """What `tagging report` makes of what is there."""
    import os

    from tagging_lib.workflow import publish

    os.chdir(folder)
    index = publish.build_report(Path("outputs"))
    return {path.stem: path.read_text() for path in index.parent.glob("*.html")}


def _content(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
