"""Which pages belong to one run."""

import logging

from test_render import finish

from tagging_lib import files
from tagging_lib.workflow import records

PARAMETERS = {"SEED": 1}


def made(outputs, name, key, run="r", parameters=PARAMETERS, **more):
    finish(outputs, name, parameters=parameters)
    record = records.read_record(outputs, name)
    files.write_json(outputs / "work" / f"{name}.json", record | {"key": key, "run": run} | more)


def shown(outputs):
    current = records.current(outputs)
    return sorted(current.records), current.stale


def test_nothing_has_run(tmp_path):
    assert records.current(tmp_path) == records.Current({})
    records.fail(tmp_path, "nothing has begun, so that nothing can stop")
    assert not (tmp_path / "work").exists()


def test_the_run_that_began_last_decides_not_the_newest_page(tmp_path):
    made(tmp_path, "01_a", "1")
    made(tmp_path, "02_b", "2", run="s", parameters={"SEED": 2})
    records.begin(tmp_path, "r", PARAMETERS)
    assert shown(tmp_path) == (["01_a"], ["02_b"])
    records.begin(tmp_path, "s", {"SEED": 2})
    assert shown(tmp_path) == (["02_b"], ["01_a"])
    records.begin(tmp_path, "other code", PARAMETERS)
    assert shown(tmp_path) == ([], ["01_a", "02_b"])


def test_what_builds_on_a_result_that_has_changed_is_stale_and_so_is_what_builds_on_that(tmp_path):
    made(tmp_path, "01_a", "1")
    made(tmp_path, "02_b", "2", builds_on={"01_a": "1", "00_never_ran": None})
    made(tmp_path, "03_c", "3", builds_on={"02_b": "2"})
    assert shown(tmp_path) == (["01_a", "02_b", "03_c"], [])
    made(tmp_path, "01_a", "changed")
    assert shown(tmp_path) == (["01_a"], ["02_b", "03_c"])
    (tmp_path / "work" / "01_a.json").unlink()
    assert shown(tmp_path) == ([], ["02_b", "03_c"])


def test_a_damaged_note_of_the_run_is_no_obstacle(tmp_path, caplog):
    made(tmp_path, "01_a", "1")
    (tmp_path / "work" / "run.json").write_text("{")
    with caplog.at_level(logging.WARNING):
        assert shown(tmp_path) == (["01_a"], [])
    assert "run.json is damaged" in caplog.text
