"""The package reads in the order in which a photo travels; these tests hold the order and the few things never done."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

import tagging_lib

PACKAGE = Path(tagging_lib.__file__).parent
ROOT = PACKAGE.parent
# Modules in the package's own folder (errors, files, progress) are the ground that every station stands on.
ROAD = ("ground", "sample", "data", "models", "training", "evaluation", "runs", "inference", "study", "report", "workflow", "cli")
SOURCES = {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in PACKAGE.rglob("*.py")}
TREES = {module: ast.parse(path.read_text(encoding="utf-8")) for module, path in SOURCES.items()}


def station(module: str) -> int:
    parts = module.split(".")
    if parts[1:] == ["__main__"]:  # `python -m tagging_lib`, the command itself
        return ROAD.index("cli")
    return ROAD.index(parts[1]) if len(parts) > 1 and parts[1] in ROAD else 0


def imports(tree: ast.AST, known=SOURCES) -> list[tuple[str, int]]:
    """Modules of the package that the code imports anywhere, in functions and for types alone too, with the line."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(alias.name, node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: relative import"
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                found.append((name if name in known else str(node.module), node.lineno))
    return [(name, line) for name, line in found if name.split(".")[0] == "tagging_lib"]


def circle(graph: dict[str, set[str]]) -> list[str]:
    """Modules along one circle of imports, or an empty list."""
    finished: set[str] = set()

    def visit(module: str, path: list[str]) -> list[str]:
        if module in path:
            return path[path.index(module) :] + [module]
        if module in finished:
            return []
        for following in sorted(graph.get(module, ())):
            if found := visit(following, [*path, module]):
                return found
        finished.add(module)
        return []

    return next((found for module in sorted(graph) if (found := visit(module, []))), [])


def code_of(notebook: Path) -> str:
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    lines = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code").splitlines()
    return "\n".join(line for line in lines if not line.lstrip().startswith(("%", "!")))


def everything() -> dict[str, ast.AST]:
    notebooks = {path.name: ast.parse(code_of(path)) for path in sorted((ROOT / "notebooks").glob("*.ipynb"))}
    return TREES | notebooks


def test_every_folder_is_a_station():
    assert {path.name for path in PACKAGE.iterdir() if path.is_dir() and path.name != "__pycache__"} == set(ROAD[1:])


@pytest.mark.parametrize("module", sorted(SOURCES))
def test_imports_point_back_along_the_road(module):
    forward = [
        f"line {line}: {imported}" for imported, line in imports(TREES[module]) if station(imported) > station(module)
    ]
    assert not forward, f"{module} imports from a later station: {forward}"


def test_there_is_no_circle():
    graph = {module: {name for name, _ in imports(tree) if name in SOURCES} for module, tree in TREES.items()}
    assert circle(graph) == []


def test_the_finders_find():
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    assert circle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []
    hidden = "def f():\n from tagging_lib.data import corpus\nif TYPE_CHECKING:\n import tagging_lib.cli"
    assert imports(ast.parse(hidden)) == [("tagging_lib.data.corpus", 2), ("tagging_lib.cli", 4)]
    assert station("tagging_lib.files") < station("tagging_lib.data.corpus") < station("tagging_lib.cli")


def names_used(tree: ast.AST) -> set[str]:
    used = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            used.add(node.id)
        elif isinstance(node, ast.Attribute):
            used.add(node.attr)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            used |= {part for alias in node.names for part in alias.name.split(".")}
            used |= set((getattr(node, "module", None) or "").split("."))
    return used


def test_the_sigmoid_happens_in_one_place():
    """The original put probabilities into a loss that expects logits, because each place applied its own sigmoid.

    `expit` is the same function: calibration and thresholds, which see probabilities alone, come back by it from their own
    log-odds, and neither imports what could hand them a network's logits.
    """
    used = {name: names_used(tree) for name, tree in everything().items()}
    assert {name for name, names in used.items() if names & {"sigmoid", "sigmoid_", "Sigmoid"}} == {"tagging_lib.models.predict"}
    from_log_odds = {"tagging_lib.evaluation.calibration", "tagging_lib.evaluation.thresholds"}
    assert {name for name, names in used.items() if "expit" in names} == from_log_odds
    assert not any("torch" in used[name] for name in from_log_odds)
    assert {station(module) for name in from_log_odds for module, _ in imports(TREES[name])} == {ROAD.index("evaluation")}


def test_nothing_is_pickled():
    """The original saved whole models with pickle, which runs whatever a file holds."""
    banned = {"pickle", "cloudpickle", "dill", "joblib", "shelve", "read_pickle", "to_pickle"}
    problems = [f"{name}: {used & banned}" for name, tree in everything().items() if (used := names_used(tree)) & banned]
    demanded = {"torch.load": ("weights_only", True), "np.load": ("allow_pickle", False), "numpy.load": ("allow_pickle", False)}
    for name, tree in everything().items():
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
            called = ast.unparse(call.func)
            if called in ("torch.save", "np.save_pickle"):
                problems.append(f"{name} line {call.lineno}: {called}")
            if called in demanded:
                argument, value = demanded[called]
                given = [key.value.value for key in call.keywords if key.arg == argument and isinstance(key.value, ast.Constant)]
                if given != [value]:
                    problems.append(f"{name} line {call.lineno}: {called} without {argument}={value}")
    assert not problems


def test_the_library_does_not_print():
    def printing(tree):
        return any(isinstance(n, ast.Call) and isinstance(n.func, ast.Name) and n.func.id == "print" for n in ast.walk(tree))

    assert [module for module, tree in TREES.items() if printing(tree)] == []


def test_modules_stay_small():
    lines = {module: len(path.read_text(encoding="utf-8").splitlines()) for module, path in SOURCES.items()}
    assert {module: count for module, count in lines.items() if count > 350} == {}


def test_the_study_knows_none_of_its_askers():
    askers = {f"tagging_lib.study.{name}" for name in ("compare", "ensembles", "mirror", "review", "final", "chosen")}
    for module in ("study", "profiles", "opening", "describe"):
        known = {name for name, _ in imports(TREES[f"tagging_lib.study.{module}"])}
        assert not known & askers and not any(name.startswith("tagging_lib.report") for name in known)


def test_reading_a_corpus_imports_nothing_heavy():
    modules = ", ".join(module for module in sorted(SOURCES) if module.startswith("tagging_lib.data."))
    heavy = ("torch", "sklearn", "scipy", "pandas", "matplotlib", "timm")
    code = f"import sys, {modules}; print([name for name in {heavy} if name in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert shown.stdout.strip() == "[]"
