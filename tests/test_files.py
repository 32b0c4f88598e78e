import os

import pytest

from tagging_lib import files
from tagging_lib.errors import TaggingError


def test_replacing_keeps_the_old_file_when_the_writer_fails(tmp_path):
    target = tmp_path / "a.txt"
    files.write_text(target, "old")
    with pytest.raises(RuntimeError), files.replacing(target) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_replaced_file_has_the_usual_permissions(tmp_path):
    umask = os.umask(0o022)
    try:
        files.write_json(tmp_path / "a.json", {"ä": 1})
    finally:
        os.umask(umask)
    assert (tmp_path / "a.json").stat().st_mode & 0o777 == 0o644
    assert files.read_json(tmp_path / "a.json") == {"ä": 1}


def test_broken_json_is_a_named_error(tmp_path):
    (tmp_path / "a.json").write_text("{")
    with pytest.raises(TaggingError, match=r"a\.json"):
        files.read_json(tmp_path / "a.json")
