"""The notebooks as they lie in git, and the runner on tiny notebooks of its own."""

import ast
import inspect
import json
import logging

import nbformat
import papermill
import pytest

from tagging_lib import files
from tagging_lib.errors import TaggingError
from tagging_lib.runs import kept
from tagging_lib.workflow import keys, notebooks, sources

MOST_LINES = 15
NAMES = [
    "01_label_statistics",
    "02_baselines",
    "03_transfer_learning",
    "04_augmentation",
    "05_threshold_search",
    "06_error_analysis",
    "07_final_model",
]


def cells_of(name, kind="code"):
    notebook = nbformat.read(sources.FOLDER / f"{name}.ipynb", as_version=4)
    return [cell for cell in notebook.cells if cell.cell_type == kind]


def test_the_seven_notebooks_are_found_in_order():
    assert sources.names() == NAMES


@pytest.mark.parametrize("name", NAMES)
class TestStructure:
    def test_valid_with_ids_and_without_outputs(self, name):
        raw = json.loads((sources.FOLDER / f"{name}.ipynb").read_text(encoding="utf-8"))
        assert (raw["nbformat"], raw["nbformat_minor"]) == (4, 5)
        nbformat.validate(raw)
        ids = [cell["id"] for cell in raw["cells"]]
        assert len(set(ids)) == len(ids)
        assert raw["metadata"]["kernelspec"]["name"] == "python3"
        for cell in raw["cells"]:
            assert cell.get("outputs", []) == [] and cell.get("execution_count") is None

    def test_cells_are_short_and_define_nothing(self, name):
        for cell in cells_of(name):
            assert len(cell.source.splitlines()) <= MOST_LINES, cell.id
            for node in ast.walk(ast.parse(cell.source)):
                assert not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda), cell.id

    def test_papermill_knows_every_parameter(self, name):
        """An equals sign in a comment is too much for it."""
        path = sources.FOLDER / f"{name}.ipynb"
        assert list(papermill.inspect_notebook(str(path))) == list(sources.default_parameters(path))

    def test_prose_comes_first_then_imports_parameters_and_study(self, name):
        notebook = nbformat.read(sources.FOLDER / f"{name}.ipynb", as_version=4)
        assert [cell.id for cell in notebook.cells[:4]] == ["title", "imports", "parameters", "study"]
        title, question = notebook.cells[0].source.split("\n\n")[:2]
        assert title.startswith(f"# {int(name[:2])} · ")
        assert question.endswith("?") and "\n" not in question
        imported = [
            node
            for cell in cells_of(name)[1:]
            for node in ast.walk(ast.parse(cell.source))
            if isinstance(node, ast.Import | ast.ImportFrom)
        ]
        assert not imported

    def test_parameters_are_those_of_open_study(self, name):
        from tagging_lib.study.opening import open_study

        known = inspect.signature(open_study).parameters
        asked = {name: known[name].default for name in known if known[name].kind is not inspect.Parameter.KEYWORD_ONLY}
        assert sources.default_parameters(sources.FOLDER / f"{name}.ipynb") == asked
        opened = next(cell.source for cell in cells_of(name) if cell.id == "study")
        call = ast.parse(opened).body[0].value
        assert [argument.id for argument in call.args] == list(asked)

    def test_prose_quotes_no_score_of_its_own_rows(self, name):
        # Three decimals in fixed prose may only be the original report's.
        from tagging_lib.runs.original import ORIGINAL

        known = {f"{value:.3f}" for score in ORIGINAL.values() for value in (score.f1, score.precision, score.recall)}
        known |= {"0.754"}  # the original's score of a model on photos that it was trained on
        for cell in cells_of(name, "markdown"):
            quoted = {word.strip(".,;:()") for word in cell.source.split()}
            quoted = {word for word in quoted if len(word) == 5 and word.startswith("0.") and word[2:].isdigit()}
            assert quoted <= known, (cell.id, quoted - known)

    def test_only_05_writes_thresholds_and_results_are_saved_under_its_number(self, name):
        number, saved = name[:2], 0
        for cell in cells_of(name):
            if number != "05":
                assert "chosen.save(" not in cell.source
            for call in (node for node in ast.walk(ast.parse(cell.source)) if isinstance(node, ast.Call)):
                if getattr(call.func, "attr", "") in ("save_figure", "save_table"):
                    named = call.args[1].values[0] if isinstance(call.args[1], ast.JoinedStr) else call.args[1]
                    assert named.value.startswith(f"{number}_")
                    saved += 1
        assert saved >= 3

    def test_the_end_concludes(self, name):
        conclusions = [cell for cell in cells_of(name) if "conclusions" in cell.metadata.get("tags", [])]
        assert len(conclusions) == 1
        assert conclusions[0].source.count("\n- ") == 3 and "{" in conclusions[0].source
        assert any("assert " in cell.source for cell in cells_of(name))
        last = nbformat.read(sources.FOLDER / f"{name}.ipynb", as_version=4).cells[-1]
        assert "**Limitation.**" in last.source and ".ipynb)" in last.source


def test_links_between_notebooks_lead_somewhere():
    import re

    texts = [cell.source for name in NAMES for cell in cells_of(name, "markdown")]
    targets = [target for text in texts for target in re.findall(r"\]\(([^)]+\.ipynb)\)", text)]
    assert len(targets) > len(NAMES) and [target for target in targets if not (sources.FOLDER / target).exists()] == []


# ------------------------------------------------------------------ runner

PARAMETERS = 'CORPUS = "sample"\nSEED = 42\nOUTPUTS = "outputs"'
SAVE = """from pathlib import Path
Path(OUTPUTS, "work", "figures").mkdir(parents=True, exist_ok=True)
Path(OUTPUTS, "work", "figures", "{name}.png").write_text(str(SEED))
with open("runs.txt", "a") as log: log.write("{name}\\n")"""


def write_notebook(folder, name, *sources, parameters=PARAMETERS):
    cells = [nbformat.v4.new_markdown_cell(f"# {name[:2]} · {name}\n\nWhat is it?", id="title")]
    cells.append(nbformat.v4.new_code_cell(parameters, id="parameters", metadata={"tags": ["parameters"]}))
    cells += [nbformat.v4.new_code_cell(source, id=f"cell-{i}") for i, source in enumerate(sources)]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    folder.mkdir(exist_ok=True)
    nbformat.write(
        nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel, "language_info": {"name": "python"}}),
        folder / f"{name}.ipynb",
    )


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A working directory with two tiny notebooks."""
    monkeypatch.chdir(tmp_path)
    for name in ("01_first", "02_second"):
        write_notebook(tmp_path / "nb", name, SAVE.format(name=name))
    return tmp_path


def runs(project):
    return (project / "runs.txt").read_text().split() if (project / "runs.txt").exists() else []


def test_runs_in_order_then_continues_where_it_left_off(project):
    copies = notebooks.run_notebooks({"SEED": 7}, folder=project / "nb")
    assert [copy.name for copy in copies] == ["01_first.ipynb", "02_second.ipynb"]
    assert runs(project) == ["01_first", "02_second"]
    record = notebooks.read_record(project / "outputs", "01_first")
    assert record["parameters"] == {"CORPUS": "sample", "SEED": 7, "OUTPUTS": "outputs"}
    assert record["files"] == ["work/figures/01_first.png"]
    assert not list((project / "outputs" / "work").glob("*running*"))

    notebooks.run_notebooks({"SEED": 7}, folder=project / "nb")
    assert len(runs(project)) == 2, "nothing changed, nothing ran"

    write_notebook(project / "nb", "02_second", SAVE.format(name="02_second"), "1 + 1")
    (project / "outputs" / "work" / "figures" / "01_first.png").unlink()
    notebooks.run_notebooks({"SEED": 7}, folder=project / "nb")
    assert runs(project)[2:] == ["01_first", "02_second"], "a lost figure and a changed cell run again"


def test_stops_at_the_first_failure_and_names_notebook_cell_and_error(project):
    write_notebook(project / "nb", "02_second", "1 + 1", "raise ValueError('broken\\nbadly')", SAVE.format(name="x"))
    write_notebook(project / "nb", "03_third", SAVE.format(name="03_third"))
    with pytest.raises(TaggingError, match=r"02_second\.ipynb, cell 4: ValueError: broken \(see .*failed\.ipynb\)"):
        notebooks.run_notebooks({"SEED": 7}, folder=project / "nb")
    assert runs(project) == ["01_first"]
    assert notebooks.read_record(project / "outputs", "02_second") is None

    write_notebook(project / "nb", "02_second", SAVE.format(name="02_second"))
    notebooks.run_notebooks({"SEED": 7}, folder=project / "nb")
    assert runs(project) == ["01_first", "02_second", "03_third"]
    assert not list((project / "outputs" / "work").glob("*failed*"))


def test_a_users_mistake_is_told_without_its_class(project):
    write_notebook(project / "nb", "01_first", "from tagging_lib.errors import TaggingError\nraise TaggingError('run 05 first')")
    with pytest.raises(TaggingError, match=r"^01_first\.ipynb, cell 3: run 05 first"):
        notebooks.run_notebooks({}, only=["1"], folder=project / "nb")


def test_a_process_that_dies_is_named(project):
    write_notebook(project / "nb", "01_first", "import os\nos._exit(9)")
    with pytest.raises(TaggingError, match=r"01_first\.ipynb, cell 3: its process ended .*failed\.ipynb"):
        notebooks.run_notebooks({}, only=["01"], folder=project / "nb")


@pytest.mark.parametrize(
    ("parameters", "named"),
    [({"COLOUR": "red"}, "no parameter 'COLOUR'"), ({"SEED": "42"}, "SEED .* must be of type int")],
)
def test_unknown_and_mistyped_parameters_are_refused_before_anything_runs(project, parameters, named):
    with pytest.raises(TaggingError, match=named):
        notebooks.run_notebooks(parameters, folder=project / "nb")
    assert runs(project) == []


def test_parameter_cells_hold_literals_only(project):
    write_notebook(project / "nb", "01_first", parameters="SEED = 6 * 7")
    with pytest.raises(TaggingError, match="line 1"):
        sources.default_parameters(project / "nb" / "01_first.ipynb")


def test_choose_understands_numbers_and_names_and_keeps_the_order():
    assert sources.choose(["5", "03"]) == ["03_transfer_learning", "05_threshold_search"]
    assert sources.choose(["07_final_model"]) == ["07_final_model"]
    with pytest.raises(TaggingError, match="'9'"):
        sources.choose(["9"])


def test_the_key_follows_parameters_input_files_and_what_a_notebook_builds_on(project):
    source, outputs = project / "nb" / "05_threshold_search.ipynb", project / "outputs"
    write_notebook(project / "nb", "05_threshold_search", "1")
    (project / "corpus").mkdir()
    parameters = {"CORPUS": "corpus"}
    before = keys.key(source, parameters, outputs)
    assert keys.key(source, parameters, outputs) == before
    assert keys.key(source, parameters | {"SEED": 1}, outputs) != before
    files.write_json(outputs / "work" / "03_transfer_learning.json", {"key": "new"})
    after = keys.key(source, parameters, outputs)
    assert after != before
    (project / "corpus" / "im1.jpg").write_bytes(b"photo")
    later = keys.key(source, parameters, outputs)
    assert later != after
    row = kept.keep(outputs, "mobilenetv1_head", "of seed 43", {}, {})
    assert keys.key(source, parameters, outputs) == later, "rows that notebooks ask for themselves"
    kept.mark_apart(row)
    assert keys.key(source, parameters, outputs) != later, "rows that `tagging train` has made"


def test_a_damaged_record_means_that_the_notebook_runs_again(project, caplog):
    (project / "outputs" / "work").mkdir(parents=True)
    (project / "outputs" / "work" / "01_first.json").write_text("{")
    with caplog.at_level(logging.WARNING):
        assert not notebooks.is_finished(project / "outputs", "01_first", "any")
    assert "damaged" in caplog.text
