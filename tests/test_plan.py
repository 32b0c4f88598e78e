"""What is still to be trained, and in what order; the commands that are printed do it."""

import os
import shlex
import subprocess
import sys

import pytest

from tagging_lib.runs import rows
from tagging_lib.study import plan
from tagging_lib.study.opening import as_options, open_study
from tests.conftest import draw_corpus


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    draw_corpus(tmp_path / "my photos")
    draw_corpus(tmp_path / "others", photos=8)
    return tmp_path


def planned(**parameters):
    asked = {"CORPUS": "my photos", "PROFILE": "quick", "DEVICE": "cpu"} | parameters
    return {each.identity: each for each in plan.plan(open_study(**asked, record=False))}


def test_every_row_is_finished_missing_or_left_out(place):
    open_study(CORPUS="my photos", PROFILE="quick", DEVICE="cpu").run(["constant", "ffn1"])
    found = planned()
    assert [name for name, _ in found] == [row.name for row in rows.ROWS]
    states = {name: each.state for (name, _), each in found.items()}
    assert {name for name, state in states.items() if state == "finished"} == {"constant", "ffn1"}
    assert states["ffn2"] == "missing"
    assert states["lite2_head_384"] == "left out" and "toy scale" in found["lite2_head_384", 1].left_out.reason
    assert states["mobilenetv1_stage_224_pseudo"] == "left out", "there are no unlabelled photos"


def test_a_damaged_result_is_missing(place):
    (result,) = open_study(CORPUS="my photos", PROFILE="quick", DEVICE="cpu").run(["constant"])
    assert planned()["constant", 1].state == "finished"
    (result.folder / "probabilities.npz").write_bytes(b"damaged")
    assert planned()["constant", 1].state == "missing"


def test_pupils_wait_for_teachers_and_one_row_looks_for_those_that_see_the_same(place):
    found = planned(TEST_PHOTOS="others/images", SEEDS=2)
    assert ("constant", 2) not in found and found["ffn1", 2].experiment.recipe.seed == 43
    pupil, teacher = found["densenet169_stage_224_pseudo", 2], found["densenet169_stage_224", 2]
    assert {("densenet169_stage_224", 2), ("mobilenetv1_stage_224", 2)} <= set(pupil.after)
    assert found["densenet169_head_focal", 1].after == (("densenet169_head", 1),)
    assert found["densenet169_head", 1].wave == 1 and found["densenet169_head_focal", 1].wave == 2
    assert found["densenet169", 1].after == (), "what trains the whole network reads no features"
    for each in found.values():
        assert all(found[other].wave < each.wave for other in each.after)
    assert pupil.wave > teacher.wave


def test_who_waits_for_finished_rows_waits_for_none(place):
    before = planned()
    assert before["resnet34_head", 1].wave == 1
    recipe = [name for name, each in before.items() if each.after == (("mobilenetv1_head", 1),)]
    assert ("mobilenetv1_head_dropout", 1) in recipe
    open_study(CORPUS="my photos", PROFILE="quick", DEVICE="cpu").run(["mobilenetv1_head"])
    after = planned()
    assert {after[name].wave for name in recipe} == {1}, "their features are there"


def test_missing_rows_come_wave_after_wave(place):
    found = planned(TEST_PHOTOS="others/images").values()
    waves = [each.wave for each in plan.missing(found)]
    assert waves == sorted(waves) and waves[0] == 1 and waves[-1] >= 2
    assert plan.missing(found, 2) == [each for each in plan.missing(found) if each.wave == 2]


def test_options_at_their_defaults_are_not_written():
    assert as_options({"CORPUS": "sample", "SEED": 43, "SKIP_BROKEN": True, "READ": "a=1 b=2"}) == [
        *("--seed", "43"),
        *("--skip-broken", "--read", "a=1 b=2"),
    ]


def test_how_a_corpus_is_read_is_written_as_it_is_typed():
    given = "relabel='my labels.csv' min_photos=3 table=tags.csv separator='|'"
    words = as_options({"READ": given})
    assert words == ["--relabel", "my labels.csv", "--min-photos", "3", "--separator", "|", "--read", "table=tags.csv"]


def test_a_printed_command_trains_its_row(place):
    def tagging(words: str) -> str:
        words = words.replace("tagging", f"{sys.executable} -m tagging_lib.cli", 1)
        done = subprocess.run(words, shell=True, capture_output=True, text=True, check=True, env=os.environ)
        return done.stdout

    options = "--corpus 'my photos' --profile quick --device cpu --seed 5 --layout numbered"
    lines = tagging(f"tagging rows --missing {options} --seeds 2").splitlines()
    (command,) = [line for line in lines if shlex.split(line)[:3] == ["tagging", "train", "ffn1"] and "--training" in line]
    assert sorted(shlex.split(command)[3:]) == sorted(shlex.split(f"{options} --training 2"))
    tagging(command)
    lines = tagging(f"tagging rows {options} --seeds 2").splitlines()
    states = {line.split("  ")[0].strip(): line for line in lines}
    assert "finished" in states["ffn1 (training 2)"] and "missing" in states["ffn1"]
