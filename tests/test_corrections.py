"""Corrections: what people said of single labels, laid over any corpus, told of, and never applied in silence."""

from __future__ import annotations

import json
import re

import numpy as np
import pandas as pd
import pytest
from test_quality import corpus_at
from typer.testing import CliRunner

from tagging_lib import cli
from tagging_lib.cli.options import reading
from tagging_lib.data import pixels, splits
from tagging_lib.data.corpus import Corpus, ReadOptions
from tagging_lib.data.readers.reading import options_of
from tagging_lib.errors import TaggingError
from tagging_lib.study import describe
from tagging_lib.study.opening import open_study
from tagging_lib.workflow import keys
from tests.conftest import draw_corpus, trained_row

HEAD = "photo,label,value,who,when"


def written(path, *lines, header=HEAD):
    path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return path


def opened(root, corrections, **options):
    return Corpus.open(root, options=ReadOptions(corrections=corrections, **options))


def labels_of(corpus):
    return [corpus.label_names(row) for row in range(len(corpus))]


@pytest.fixture
def root(tmp_path):
    return corpus_at(tmp_path / "corpus", "sea", "dog;sea", "", "dog")


def test_labels_become_what_was_said_and_nothing_else_does(root, tmp_path):
    said = ["0.png,sea,0,ann,", "2.png,dog,1,ann,", "1.png,sea,1,bob,", "3.png,dog,0,ann,", "3.png,dog,unsure,ann,2026-02-01"]
    path = written(tmp_path / "c.csv", *said[:3], "3.png,sea,Unsure,ann,")
    corpus = opened(root, path)
    assert labels_of(corpus) == [[], ["dog", "sea"], ["dog"], ["dog"]]
    found = corpus.corrections
    assert [(entry.photo, entry.label, entry.value) for entry in found.changed] == [("0.png", "sea", 0), ("2.png", "dog", 1)]
    assert [entry.who for entry in found.confirmed] == ["bob"] and [entry.label for entry in found.unsure] == ["sea"]
    assert found.files == ("c.csv",)
    assert labels_of(corpus.as_read) == labels_of(Corpus.open(root))


def test_the_fingerprint_follows_the_labels_and_not_the_file(root, tmp_path):
    plain = Corpus.open(root)
    changed = opened(root, written(tmp_path / "a.csv", "0.png,sea,0,,"))
    confirmed = opened(root, written(tmp_path / "b.csv", "0.png,sea,1,ann,2026-01-01", "2.png,sea,unsure,,"))
    assert changed.fingerprint != plain.fingerprint == confirmed.fingerprint == changed.as_read.fingerprint
    assert len(confirmed.corrections.confirmed) == len(confirmed.corrections.unsure) == 1
    again = opened(root, written(tmp_path / "c.csv", "0.png,sea,0,bob,2026-03-03"))
    assert again.fingerprint == changed.fingerprint


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["9.png,sea,1,,"], r"c\.csv line 2: '9\.png' is no photo here"),
        (["0.png,sea,1,,", "0.png,Sea,1,,"], r"c\.csv line 3: the corpus has no label 'Sea': it is called 'sea'"),
        (["0.png,cat,1,,"], r"c\.csv line 2: the corpus has no label 'cat': write labels as"),
        (["0.png,sea,yes,,"], r"c\.csv line 2: value is 'yes': write 1 \(present\), 0 \(absent\) or unsure"),
        (["0.png,sea,,,"], r"c\.csv line 2: value is ''"),
        (["0.png,hot dog, big,1,,"], r"c\.csv line 2: has 6 fields where the header has 5: put a name with a comma into"),
        (["0.png,sea,1,,", "1.png,sea,1,,", "0.png,sea,0,,"], r"4: 'sea' on 0\.png is absent, and present in .*line 2: keep"),
        (["0.png,sea,1,,2026-01-01", "0.png,sea,0,,"], "line 3: 'sea' on"),
        (["0.png,sea,1,,2026-01-01", "0.png,sea,0,,2026-01-01T00:00:00Z"], "line 3: 'sea' on"),
        (["0.png,sea,1,,monday", "0.png,sea,0,,tuesday"], "write into when which is later"),
        (["0.png,sea,unsure,,", "0.png,sea,0,,"], "is absent, and unsure in"),
    ],
)
def test_what_cannot_be_laid_over_the_corpus_is_one_line_with_file_and_line(root, tmp_path, lines, said):
    with pytest.raises(TaggingError, match=said) as caught:
        opened(root, written(tmp_path / "c.csv", *lines))
    assert "\n" not in str(caught.value) and str(tmp_path) in str(caught.value)


@pytest.mark.parametrize("header", ["photo,value,who", "image,label,value", "photo,label,says"])
def test_columns_have_their_names(root, tmp_path, header):
    with pytest.raises(TaggingError, match=r"c\.csv line 1: the columns are .*: name them photo,label,value,who,when"):
        opened(root, written(tmp_path / "c.csv", header=header))
    with pytest.raises(TaggingError, match=r"nowhere\.csv does not exist"):
        opened(root, tmp_path / "nowhere.csv")


@pytest.mark.parametrize(
    ("first", "second", "sea"),
    [
        ("1,ann,2026-01-01T10:00:00Z", "0,bob,2026-01-01T10:00:01Z", False),
        ("0,ann,2026-01-02", "1,bob,2026-01-01T23:59:59Z", False),
        ("0,ann,2026-01-01T12:00:00+02:00", "1,bob,2026-01-01T11:00:00Z", True),
        ("0,ann,2026-01-01", "unsure,ann,2026-01-02", True),  # taken back
        ("unsure,ann,2026-01-01", "0,ann,2026-01-02", False),
    ],
)
def test_of_two_lines_about_the_same_the_later_counts_wherever_it_stands(root, tmp_path, first, second, sea):
    for number, lines in enumerate([(first, second), (second, first)]):
        path = written(tmp_path / f"{number}.csv", *(f"0.png,sea,{line}" for line in lines))
        assert opened(root, path).label_names(0) == (["sea"] if sea else [])


def test_several_files_are_one_and_the_same_photo_by_another_name_is_the_same(root, tmp_path):
    first, second = written(tmp_path / "a.csv", "0.png,sea,0,ann,2026-01-01"), tmp_path / "b.csv"
    written(second, "0,sea,1,bob,2026-01-02", "2,sea,1,,", header=HEAD.replace("value", "verdict"))
    corpus = opened(root, f"{first}, {second}")
    assert labels_of(corpus) == [["sea"], ["dog", "sea"], ["sea"], ["dog"]] and corpus.corrections.files == ("a.csv", "b.csv")
    written(second, "0,sea,1,bob,")
    with pytest.raises(TaggingError, match=r"b\.csv line 2: 'sea' on 0\.png is present, and absent in .*a\.csv line 2"):
        opened(root, (first, second))
    odd = written(tmp_path / "a,b.csv", "0.png,sea,0,,")
    assert opened(root, str(odd)).label_names(0) == []


def test_corrections_name_labels_as_the_table_of_labels_leaves_them_and_count_before_rare_ones_go(root, tmp_path):
    table = tmp_path / "labels.csv"
    table.write_text("label,becomes\nsea,ocean\n")
    path = written(tmp_path / "c.csv", "3.png,ocean,1,,", "0.png,dog,0,,")
    corpus = opened(root, path, relabel=table, min_photos=3)
    assert corpus.counts == {"ocean": 3} and len(corpus.corrections.changed) == 1
    assert corpus.corrections.confirmed == (), "of a label that is left out nothing is told"
    with pytest.raises(TaggingError, match="no label 'sea'"):
        opened(root, written(tmp_path / "c.csv", "3.png,sea,1,,"), relabel=table)


def test_a_label_that_lost_its_last_photo_is_told_and_one_that_gained_its_first_is_not(tmp_path):
    root = tmp_path / "corpus"
    draw_corpus(root, photos=12)
    (root / "annotations" / "red.txt").write_text("")
    (root / "annotations" / "blue.txt").write_text("1\n")
    corpus = opened(root, written(tmp_path / "c.csv", "images/im2.png,red,1,,", "images/im1.png,blue,0,,"))
    (problem,) = [problem for problem in corpus.problems if "no photo carries it" in problem.what]
    assert "blue" in problem.where and "red" not in problem.where


def test_broken_photos_take_their_corrections_along(root, tmp_path):
    (root / "0.png").write_bytes(b"broken")
    path = written(tmp_path / "c.csv", "0.png,sea,0,,", "2.png,sea,1,,")
    corpus = Corpus.open(root, data_dir=tmp_path / "data", options=ReadOptions(corrections=path, skip_broken=True))
    assert [entry.photo for entry in corpus.corrections.changed] == ["2.png"]
    assert corpus.as_read.targets.sum() == corpus.targets.sum() - 1


def test_no_photo_changes_its_part_and_no_photo_is_decoded_again(tmp_path):
    root = draw_corpus(tmp_path / "tiny", photos=60)
    plain = Corpus.open(root)
    turned = [f"{plain.photos[row]},red,{1 - plain.targets[row, 2]},," for row in range(0, 60, 2)]
    corpus = opened(root, written(tmp_path / "c.csv", *turned))
    assert corpus.targets.sum() != plain.targets.sum()
    for rule in ("random", "stratified"):
        assert splits.split(corpus, rule=rule).fingerprint == splits.split(plain, rule=rule).fingerprint
    kept = pixels.Decoded(corpus.as_read, tmp_path / "cache").at(128, "crop").filename
    assert pixels.Decoded(plain, tmp_path / "cache").at(128, "crop").filename == kept


@pytest.mark.parametrize("layout", ["table", "numbered", "folders"])
def test_a_file_of_corrections_among_the_photos_is_no_table_of_labels(tmp_path, layout):
    root = tmp_path / "corpus"
    if layout == "table":
        corpus_at(root, "sea", "dog")
    elif layout == "numbered":
        draw_corpus(root, photos=12)
    else:
        photos = corpus_at(tmp_path / "photos", "sea", "dog")
        for number, name in enumerate(("cat", "dog")):
            (root / name).mkdir(parents=True)
            (photos / f"{number}.png").rename(root / name / "x.png")
    before = Corpus.open(root)
    path = written(root / "corrections.csv", f"{before.photos[0]},dog,unsure,ann,2026-01-01")
    after = Corpus.open(root)
    assert after.layout == layout and after.fingerprint == before.fingerprint
    assert any("corrections.csv: is a file of corrections, which is not applied" in str(problem) for problem in after.problems)
    if layout != "numbered":
        assert not any("not applied" in problem.what for problem in opened(root, path).problems)


# ------------------------------------------------------------------ the commands


def study_with_corrections(tmp_path, monkeypatch):
    """A study, what was said of it, and the options that lay it over: a change in each part, two in test."""
    monkeypatch.chdir(tmp_path)
    root = draw_corpus(tmp_path / "tiny", photos=60)
    plain = Corpus.open(root)
    split = splits.split(plain)
    rows = [split.train[0], split.validation[0], split.test[0], split.test[1]]
    said = [f"{plain.photos[row]},red,{1 - plain.targets[row, 2]},Ann `x`,2026-05-0{i + 1}" for i, row in enumerate(rows)]
    row = split.train[1]
    said += [f"{plain.photos[row]},blue,{plain.targets[row, 0]},bob,", f"{plain.photos[row]},green,unsure,bob,"]
    written(tmp_path / "my corrections.csv", *said)
    return plain, reading("", "", "", 0, None, corrections="my corrections.csv"), rows


def test_check_tells_how_many_of_which_parts(tmp_path, monkeypatch):
    plain, _, rows = study_with_corrections(tmp_path, monkeypatch)
    asked = ["check", "tiny", "--data", "data", "--corrections", "my corrections.csv"]
    shown = CliRunner().invoke(cli.app, asked)
    assert shown.exit_code == 0, shown.output
    told = "4 labels of 4 photos corrected (1 train, 1 validation, 2 test), 1 confirmed, 1 unsure"
    assert f"corrections: {told}; my corrections.csv by Ann `x`, bob. Scores on the corrected test photos" in shown.output
    assert "are not comparable with earlier ones." in shown.output
    answer = json.loads(CliRunner().invoke(cli.app, [*asked, "--json", "--photos"]).output)
    assert answer["corrections"]["changed_by_part"] == {"test": 2, "train": 1, "validation": 1}
    assert answer["corrections"]["who"] == ["Ann `x`", "bob"] and answer["corrections"]["changed"] == 4
    now = [set(line["labels"]) for line in answer["photos"]]
    before = [set(plain.label_names(row)) for row in range(60)]
    assert {row for row in range(60) if now[row] != before[row]} == set(rows)
    assert all(now[row] ^ before[row] == {"red"} for row in rows)
    other = CliRunner().invoke(cli.app, [*asked, "--seed", "3"])
    counts = re.search(r"\((\d+) train, (\d+) validation, (\d+) test\)", other.output).groups()
    parts = splits.part_of_photos(splits.split(plain, 3), plain)
    assert [int(count) for count in counts] == [
        sum(parts[plain.photos[row]] == part for row in rows) for part in ("train", "validation", "test")
    ]


def test_a_study_says_it_in_its_banner_and_keeps_a_table(tmp_path, monkeypatch):
    plain, read, _ = study_with_corrections(tmp_path, monkeypatch)
    study = open_study("tiny", "quick", DEVICE="cpu", READ=read)
    banner = describe.banner(study)
    assert "**Corrected** 4 labels of 4 photos corrected" not in banner, "said once"
    assert "**Corrections** 4 labels of 4 photos corrected (1 train, 1 validation, 2 test), 1 confirmed, 1 unsure" in banner
    assert "`` Ann `x` ``" in banner and "not comparable" in banner
    assert describe.facts(study)["corrections"]["changed_by_part"]["test"] == 2
    table = pd.read_csv("outputs/work/tables/corrections.csv")
    assert table.groupby("became").size().to_dict() == {"changed": 4, "confirmed": 1, "unsure": 1}
    assert sorted(table.part[table.became == "changed"]) == ["test", "test", "train", "validation"]
    np.testing.assert_array_equal(study.split.test, splits.split(plain).test)
    assert "Corrections" not in describe.banner(open_study("tiny", "quick", DEVICE="cpu"))


def test_a_row_is_trained_on_the_corrected_labels_and_scored_on_them(tmp_path, monkeypatch):
    _, read, rows = study_with_corrections(tmp_path, monkeypatch)
    before = trained_row(open_study("tiny", "quick", DEVICE="cpu"), "constant")
    study = open_study("tiny", "quick", DEVICE="cpu", READ=read)
    after = trained_row(study, "constant")
    assert after.key != before.key
    changed = (after.kept.arrays("truth")["test"] != before.kept.arrays("truth")["test"]).nonzero()[0]
    assert study.indices("test")[changed].tolist() == sorted(rows[2:])


def test_a_row_trained_by_itself_tells_its_corrections(tmp_path, monkeypatch, caplog):
    _, read, _ = study_with_corrections(tmp_path, monkeypatch)
    with caplog.at_level("INFO"):
        open_study("tiny", "quick", DEVICE="cpu", READ=read, record=False)
    assert "4 labels of 4 photos corrected (1 train, 1 validation, 2 test)" in caplog.text


def test_a_notebook_runs_again_when_the_file_of_corrections_changes(tmp_path, monkeypatch):
    _, read, _ = study_with_corrections(tmp_path, monkeypatch)
    assert options_of(read).corrections == "my corrections.csv"
    first = keys._state_of(keys._inputs({"READ": read})["CORRECTIONS"])
    assert len(first) == 1 and first[0][0].endswith("my corrections.csv")
    with open("my corrections.csv", "a") as stream:
        stream.write("images/im1.png,red,1,,2027-01-01\n")
    assert keys._state_of(keys._inputs({"READ": read})["CORRECTIONS"]) != first


def test_prepare_reads_as_it_is_told(tmp_path, monkeypatch):
    study_with_corrections(tmp_path, monkeypatch)
    options = ["--data", "data", "--corrections", "my corrections.csv", "--min-photos", "1"]
    shown = CliRunner().invoke(cli.app, ["prepare", "tiny", *options])
    assert shown.exit_code == 0 and "60 photos, 3 labels" in shown.output
    with pytest.raises(TaggingError, match="layout is 'heap'"):
        CliRunner().invoke(cli.app, ["prepare", "tiny", "--layout", "heap"], catch_exceptions=False)
