"""A published report carries the answers that it was made from, and is made again from them alone."""

from __future__ import annotations

import shutil

import pytest

from tagging_lib import files
from tagging_lib.runs import kept
from tagging_lib.runs import run as runs
from tagging_lib.study import compare
from tagging_lib.study.opening import open_study
from tagging_lib.workflow import publish
from tests.test_render import finish


@pytest.fixture
def opened(tiny_corpus, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return open_study(CORPUS=str(tiny_corpus), PROFILE="quick", DEVICE="cpu")


def record_rows(outputs, rows):
    finish(outputs, "01_first")
    path = outputs / "work" / "01_first.json"
    files.write_json(path, files.read_json(path) | {"rows": rows})


def test_the_ledger_lists_what_was_opened_once(opened):
    opened.run(["constant", "ffn1"])
    opened.finished(["ffn1"])
    keys = [[result.name, result.key] for result in opened.finished(["constant", "ffn1"])]
    assert files.read_json(opened.ledger) == keys
    again = open_study(CORPUS=str(opened.corpus.root), PROFILE="quick", DEVICE="cpu")
    assert files.read_json(again.ledger) == [], "each notebook begins its own list"


def test_a_report_is_made_again_from_its_answers_alone(opened, monkeypatch):
    opened.run(["constant", "ffn1"])
    table = compare.headline(opened, ["constant", "ffn1"])
    record_rows(opened.outputs, files.read_json(opened.ledger))
    publish.build_report(opened.outputs)
    carried = kept.published_folder(opened.outputs)
    assert sorted(path.parent.name for path in carried.glob("*/*")) == ["constant", "ffn1"]
    assert not list(carried.rglob("*.safetensors"))

    shutil.rmtree(opened.outputs / "runs")
    monkeypatch.setattr(runs, "_compute", lambda *_: pytest.fail("a row was trained"))
    again = open_study(CORPUS=str(opened.corpus.root), PROFILE="quick", DEVICE="cpu")
    again.run(["constant", "ffn1"])
    assert compare.headline(again, ["constant", "ffn1"]).equals(table)
    before = {path.relative_to(carried): path.read_bytes() for path in carried.rglob("*.*")}
    publish.build_report(opened.outputs)
    assert {path.relative_to(carried): path.read_bytes() for path in carried.rglob("*.*")} == before


def test_answers_that_are_gone_are_named(opened, caplog):
    record_rows(opened.outputs, [["ffn1", "0123"]])
    publish.build_report(opened.outputs)
    assert "answers ffn1/0123 are gone" in caplog.text
