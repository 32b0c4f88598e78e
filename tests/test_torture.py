"""The short form of `python -m tests.torture`: each trial of what may go wrong a few times, in one process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.torture import ITEMS

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def tallies(tmp_path_factory):
    kept = tmp_path_factory.mktemp("torture") / "tallies.json"
    ended = subprocess.run(
        [sys.executable, "-m", "tests.torture", "--short", "--json", str(kept)],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert kept.exists(), ended.stderr
    return {tally["item"]: tally for tally in json.loads(kept.read_text())} | {"": ended.returncode}


@pytest.mark.parametrize("item", ITEMS.values())
def test_item(tallies, item):
    tally = tallies[item]
    assert tally["failures"] == [], f"seed {tally['seed']}"
    if not tally["trials"]:
        pytest.skip(f"{item} could not be tried here: {tally['skipped']}")
    assert tally["passed"] == tally["trials"]


def test_the_command_ends_well(tallies):
    assert tallies[""] == 0
