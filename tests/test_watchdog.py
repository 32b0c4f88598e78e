"""Cells that hang are ended; cells that work, however quietly, are not."""

import os
import time

import psutil
import pytest
from test_notebooks import write_notebook

from tagging_lib.errors import TaggingError
from tagging_lib.workflow import notebooks, watchdog

PATIENCE = 2.5  # seconds: on a crowded machine a process may get nothing of the processor for one or two
WORK = "import time\nend = time.process_time() + 4\nwhile time.process_time() < end: pass"
TALK = "import time\nfor i in range(9): print(i, flush=True); time.sleep(0.5)"
CHILD = "import subprocess, sys\nsubprocess.run([sys.executable, '-c', " + repr(WORK) + "])"
WRITE = """import time
with open('slow', 'wb', buffering=0) as stream:
    for _ in range(45): stream.write(bytes(100_000)); time.sleep(0.1)"""
STOP = """import os, signal, subprocess
resumes = subprocess.Popen(["sh", "-c", f"sleep 5; kill -CONT {os.getpid()}"])
os.kill(os.getpid(), signal.SIGSTOP)
resumes.wait()"""


def call(folder, source, patience=PATIENCE):
    write_notebook(folder / "nb", "01_first", source)
    return notebooks.run_notebooks({}, folder=folder / "nb", cell_timeout=patience)


@pytest.fixture(autouse=True)
def in_its_own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    "source", ["import time; time.sleep(1e6)", "import subprocess; subprocess.run(['sleep', '1000'])"], ids=["sleeps", "waits"]
)
def test_a_cell_that_neither_says_nor_does_anything_is_ended_with_all_that_it_started(tmp_path, source):
    before = {process.pid for process in psutil.Process().children(recursive=True)}
    with pytest.raises(TaggingError, match=r"01_first\.ipynb, cell 3: it hung: it wrote nothing and did .*--cell-timeout"):
        call(tmp_path, source)
    assert {process.pid for process in psutil.Process().children(recursive=True)} <= before
    assert (tmp_path / "outputs" / "work" / "01_first.failed.ipynb").exists()


@pytest.mark.parametrize("source", [WORK, TALK, CHILD, WRITE, STOP], ids=["works", "talks", "child", "writes", "stopped"])
def test_a_slow_cell_is_left_alone(tmp_path, source):
    assert call(tmp_path, source)


def test_a_cell_may_work_in_silence_for_long_but_not_for_ever(tmp_path, monkeypatch):
    monkeypatch.setattr(watchdog, "BUSY_FACTOR", 2)
    with pytest.raises(TaggingError, match=r"it wrote nothing for [0-9]+ s, although it kept the processor busy"):
        call(tmp_path, "while True: pass")


def test_without_patience_nothing_is_ended(tmp_path):
    assert call(tmp_path, "import time; time.sleep(2)", patience=0)


def test_work_counts_processes_that_have_ended():
    family = watchdog._family(os.getpid())
    before = watchdog._work(family())
    end = time.process_time() + 0.2
    while time.process_time() < end:
        pass
    assert watchdog._work(family()) >= before + 0.1
    assert watchdog._family(None)() == [] and watchdog._work([]) == 0
