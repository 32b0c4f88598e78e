"""Keys by declared versions: what changes them, what does not, and that no change goes by undecided."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tagging_lib import declared
from tagging_lib.errors import TaggingError
from tagging_lib.runs.run import run
from tagging_lib.study.opening import open_study

# Modules that run while a row is computed and decide nothing about it, or whose outcome is in its key by value.
BY_VALUE = {
    *("__init__.py", "atomic.py", "declared.py", "errors.py", "files.py", "progress.py"),
    *("data/arrays.py", "data/corpus.py", "data/splits.py", "evaluation/metrics.py", "evaluation/thresholds.py"),
    *("runs/experiment.py", "runs/kept.py", "runs/key.py", "runs/result.py", "runs/rows.py", "runs/run.py", "runs/setting.py"),
    *declared.JOINED,  # a single network is handed on as it is; where several are, it is in the key
    *declared.SEVERAL_RANKS,  # one process does nothing by them; with several, they are in the key
}


def test_every_change_has_been_decided():
    """After a change say `python -m tagging_lib.declared same MODULE`, or `differs MODULE` where results can differ."""
    undecided = declared.changed()
    assert not undecided, f"{undecided} changed: can results differ? Say `python -m tagging_lib.declared same|differs MODULE`"


def test_comments_docstrings_and_layout_are_no_change():
    plain = "def double(x):\n    return 2 * x\n"
    told = 'def double(\n    x,\n):\n    """Twice as much."""\n    # a comment\n    return 2 * x\n'
    assert declared.digest(told) == declared.digest(plain)


@pytest.mark.parametrize("changed", ["2 * x + 0", "3 * x", "2 * y", "x * 2", "2.0 * x", "'2' * x"])
def test_code_is_a_change(changed):
    assert declared.digest(f"def double(x):\n    return {changed}\n") != declared.digest("def double(x):\n    return 2 * x\n")


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package of one module whose code has been decided on."""
    (tmp_path / "training").mkdir()
    (tmp_path / "training" / "fit.py").write_text("RATE = 1\n")
    monkeypatch.setattr(declared, "PACKAGE", tmp_path)
    monkeypatch.setattr(declared, "FILE", tmp_path / "declared.json")
    declared._declared.cache_clear()
    declared.decide(["training/fit.py"], differs=True)
    yield tmp_path
    declared._declared.cache_clear()


def test_a_change_is_noticed_until_its_author_decides(package):
    assert declared.changed() == [] and declared.versions(declared.ROWS) == {"training/fit.py": 1}
    (package / "training" / "fit.py").write_text("RATE = 1  # a comment\n")
    assert declared.changed() == []
    (package / "training" / "fit.py").write_text("RATE = 2\n")
    assert declared.changed() == ["training/fit.py"]
    declared.decide(["training/fit.py"], differs=False)
    assert declared.changed() == [] and declared.versions(declared.ROWS) == {"training/fit.py": 1}
    (package / "training" / "fit.py").write_text("RATE = 3\n")
    declared.decide(["training/fit.py"], differs=True)
    assert declared.changed() == [] and declared.versions(declared.ROWS) == {"training/fit.py": 2}


def test_new_and_vanished_modules_are_changes(package):
    (package / "training" / "loss.py").write_text("GAMMA = 2\n")
    (package / "training" / "fit.py").unlink()
    assert declared.changed() == ["training/fit.py", "training/loss.py"]
    declared.decide(declared.changed(), differs=False)
    assert declared.changed() == [] and declared.versions(declared.ROWS) == {"training/loss.py": 1}
    with pytest.raises(TaggingError, match=r"training/loss\.py has not changed"):
        declared.decide(["training/loss.py"], differs=True)


def test_the_command_names_what_has_changed_and_takes_the_decision(package, capsys):
    (package / "training" / "fit.py").write_text("RATE = 2\n")
    assert declared._main([]) == 0 and "training/fit.py has changed: can results differ?" in capsys.readouterr().out
    assert declared._main(["differs", "training/fit.py"]) == 0 and declared.changed() == []
    assert declared._main(["perhaps"]) == 2 and "same MODULE" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["constant", "ffn1", "mobilenetv1_head", "mobilenetv1_stage_224"])
def test_all_code_that_a_row_runs_declares_a_version(name, tiny_corpus, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    study = open_study(CORPUS=str(tiny_corpus), PROFILE="quick", DEVICE="cpu")
    seen: set[str] = set()

    def watch(frame, event, _):
        path = Path(frame.f_code.co_filename)
        if event == "call" and declared.PACKAGE in path.parents:
            seen.add(path.relative_to(declared.PACKAGE).as_posix())

    row, setting = study.row(name), study.setting
    sys.setprofile(watch)
    try:
        run(row, setting)
    finally:
        sys.setprofile(None)
    assert "runs/trainer.py" in seen
    assert seen - BY_VALUE <= set(declared.versions((*declared.ROWS, *declared.DECODING)))


def test_the_key_of_a_row_changes_with_a_version_and_with_nothing_else_of_the_code(tiny_corpus, tmp_path, monkeypatch):
    from tagging_lib.runs.key import key

    monkeypatch.chdir(tmp_path)
    study = open_study(CORPUS=str(tiny_corpus), PROFILE="quick", DEVICE="cpu")
    row, known = study.row("ffn1"), declared._declared()
    before = key(row, study.setting)
    monkeypatch.setattr(declared, "_declared", lambda: known | {"training/fit.py": known["training/fit.py"] | {"digest": "new"}})
    assert key(row, study.setting) == before
    monkeypatch.setattr(declared, "_declared", lambda: known | {"training/fit.py": {"version": 99, "digest": "new"}})
    assert key(row, study.setting) != before
