import logging
import os
import threading

import pytest

from tagging_lib import atomic, files
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


def test_whoever_waits_for_a_lock_says_so_again_and_again(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(atomic, "REMINDER", 0.2)
    inside, done = threading.Event(), threading.Event()

    def hold():
        with files.locked(tmp_path, "unused"):
            inside.set()
            done.wait(30)

    holder = threading.Thread(target=hold)
    holder.start()
    assert inside.wait(30)
    threading.Timer(1.0, done.set).start()
    with caplog.at_level(logging.INFO), files.locked(tmp_path, "waiting for the row"):
        assert done.is_set()
    holder.join()
    assert caplog.messages.count("waiting for the row") >= 2 and "unused" not in caplog.messages


def test_writing_a_file_leaves_the_umask_of_the_process_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "umask", lambda _: pytest.fail("other threads would make files of that mode meanwhile"))
    files.write_text(tmp_path / "a.txt", "a")
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_leftovers_of_this_machine_are_swept_and_those_of_others_after_a_week(tmp_path):
    """Another machine may be writing there: not every file system tells of its locks."""
    old = atomic.time.time() - 2 * atomic.ABANDONED
    names = {"here": f".a.txt.writing-{atomic.MACHINE}-abcd1234", "there": ".a.txt.writing-00000000-abcd1234"}
    names |= {"long ago": ".a.txt.writing-00000000-wxyz6789", "before": ".a.txt.writing-abcd1234"}
    for name in names.values():
        (tmp_path / name).mkdir()
    os.utime(tmp_path / names["long ago"], (old, old))
    files.write_text(tmp_path / "b.txt", "b")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([names["there"], "b.txt"])
