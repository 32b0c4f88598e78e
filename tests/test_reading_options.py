"""How a corpus is read, from the command line and from a notebook's parameter: one line of name=value words."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from tagging_lib import cli
from tagging_lib.cli.options import reading
from tagging_lib.data import splits
from tagging_lib.data.corpus import Corpus
from tagging_lib.data.readers.reading import ReadOptions, options_of
from tagging_lib.errors import TaggingError
from tagging_lib.study.opening import open_study


def corpus(folder, text, photos=12):
    folder.mkdir()
    for number in range(photos):
        color = np.full((16, 16, 3), 20 * number, dtype=np.uint8)
        Image.fromarray(color).save(folder / f"p{number}.png")
    (folder / "photos.csv").write_text(text)
    return folder


def test_options_survive_the_way_to_a_notebook_and_back():
    line = reading("table", "|", "my labels.csv", 3, ["photo_column=the file", "hierarchy=path label_column=tags"])
    expected = ReadOptions("table", "", "the file", "tags", "|", "path", "my labels.csv", 3)
    assert options_of(line) == expected
    assert options_of(reading("", "", "", 0, [line])) == expected, "as the report's command gives it back"
    assert reading("", "", "", 0, None) == "" and options_of("") == ReadOptions()


@pytest.mark.parametrize("wrong", ["layout", "colour=red", "layout=heap", "min_photos=few", "table='my"])
def test_what_says_nothing_of_reading_is_named(wrong):
    with pytest.raises(TaggingError, match=wrong.split("=")[0]):
        options_of(wrong)


def test_check_tells_the_layout_finds_the_separator_and_writes_fixes(tmp_path):
    lines = [f"p{number}.png,{'Beach' if number % 2 else 'beach'}{'|sea' if number % 3 else ''}\n" for number in range(12)]
    folder = corpus(tmp_path / "c", "photo,labels\n" + "".join(lines))
    run = CliRunner().invoke
    shown = run(cli.app, ["check", str(folder), "--data", str(tmp_path), "--fix", str(tmp_path / "fix.csv")])
    assert shown.exit_code == 1 and "read as: " in shown.output and "Beach" in shown.output
    assert "label,becomes" in (tmp_path / "fix.csv").read_text()
    assert "warning" in shown.output and "nothing stops the study" in shown.output
    told = run(cli.app, ["check", str(folder), "--data", str(tmp_path), "--json", "--photos"])
    answer = json.loads(told.output)
    assert answer["layout"] == "table" and answer["labels"] == {"Beach": 6, "beach": 6, "sea": 8}
    assert answer["photos"][1]["labels"] == ["Beach", "sea"]
    (tmp_path / "names.csv").write_text("label,becomes\nBeach,beach\n")
    mended = run(cli.app, ["check", str(folder), "--data", str(tmp_path), "--json", "--relabel", str(tmp_path / "names.csv")])
    assert json.loads(mended.output)["labels"] == {"beach": 12, "sea": 8}


def test_a_study_reads_as_it_is_told(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lines = "".join(f"p{number}.png,{'a;b' if number < 5 else 'a'}\n" for number in range(12))
    corpus(tmp_path / "c", "photo,labels\n" + lines)
    assert open_study("c", "quick", DEVICE="cpu", READ="min_photos=6").labels == ("a",)
    assert open_study("c", "quick", DEVICE="cpu").labels == ("a", "b")


def test_a_given_split_is_taken_and_a_part_that_lacks_is_drawn_from_those_that_train(tmp_path):
    parts = ["train"] * 8 + ["test"] * 4
    lines = "".join(f"p{number}.png,a,{part}\n" for number, part in enumerate(parts))
    found = Corpus.open(corpus(tmp_path / "c", "photo,labels,split\n" + lines))
    split = splits.split(found, seed=1, rule="given")
    assert [found.parts[place] for place in split.test] == ["test"] * 4
    assert len(split.validation) == 2 and {found.parts[place] for place in split.validation} == {"train"}
    assert sorted([*split.train, *split.validation, *split.test]) == list(range(12))
    plain = Corpus.open(corpus(tmp_path / "d", "photo,labels\n" + "".join(f"p{number}.png,a\n" for number in range(12))))
    with pytest.raises(TaggingError, match="does not say which photos train"):
        splits.split(plain, rule="given")
