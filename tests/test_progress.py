"""How far a loop is: a bar where somebody looks, one line where nobody does, and the items themselves in any case."""

from __future__ import annotations

import io
import logging
import os
import sys

import nbformat
import pytest
from nbclient import NotebookClient
from test_notebooks import write_notebook

from tagging_lib.progress import FRONTEND, in_jupyter, progress
from tagging_lib.workflow import notebooks

WIDGET = "application/vnd.jupyter.widget-view+json"
LOOP = """import logging
from tagging_lib.progress import progress
logging.basicConfig(level="INFO", format="%(message)s", force=True)
assert sum(progress(range(5), "looking")) == 10"""
HUB = "from huggingface_hub.utils import tqdm\nassert len(list(tqdm(range(3), desc='downloading'))) == 3"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_shows_a_bar(monkeypatch, caplog):
    monkeypatch.setattr(sys, "stderr", Terminal())
    with caplog.at_level(logging.INFO):
        assert list(progress((n for n in "abc"), "looking", total=3)) == ["a", "b", "c"]
        assert "looking" in sys.stderr.getvalue() and "/3" in sys.stderr.getvalue()
    assert not caplog.records


def test_a_file_gets_one_line_at_the_end(monkeypatch, caplog, capsys):
    monkeypatch.setenv(FRONTEND, "x.ipynb")
    assert not in_jupyter(), "a program that a notebook starts is no notebook"
    with caplog.at_level(logging.INFO):
        steps = progress(range(3), "looking")
        assert next(steps) == 0 and not caplog.records
        assert list(steps) == [1, 2]
    assert [record.getMessage()[:18] for record in caplog.records] == ["looking: 3 done in"]
    assert list(progress([], "nothing")) == [] and capsys.readouterr().err == ""


def outputs_of(notebook) -> tuple[str, bool]:
    """What the cells wrote, and whether they drew a widget."""
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    return "".join(output.get("text", "") for output in outputs), any(WIDGET in output.get("data", {}) for output in outputs)


@pytest.mark.parametrize("live", [True, False], ids=["JupyterLab", "headless"])
def test_a_notebook_draws_a_bar_only_where_a_frontend_is_open(live, monkeypatch):
    """Jupyter's server marks the kernels that it starts for a browser; papermill and nbconvert start others."""
    monkeypatch.delenv(FRONTEND, raising=False)
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(LOOP)])
    marked = {**os.environ, FRONTEND: "notebook.ipynb"} if live else dict(os.environ)
    quiet = ["--IPKernelApp.log_level=40"]  # its warnings about its own sockets
    NotebookClient(notebook, kernel_name="python3", extra_arguments=quiet).execute(env=marked)
    text, drew = outputs_of(notebook)
    assert drew == live and "IProgress" not in text
    assert text.count("\n") == (0 if live else 1) and text.startswith("looking: 5 done in") == (not live)


def test_the_study_draws_no_bar_even_when_a_notebook_starts_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(FRONTEND, "notebook.ipynb")
    write_notebook(tmp_path / "nb", "01_first", LOOP, HUB)
    (finished,) = notebooks.run_notebooks({}, folder=tmp_path / "nb")
    text, drew = outputs_of(nbformat.read(finished, as_version=4))
    assert not drew and text.startswith("looking: 5 done in") and text.count("\n") == 1
    assert os.environ[FRONTEND] == "notebook.ipynb", "the notebook itself keeps its bars"
