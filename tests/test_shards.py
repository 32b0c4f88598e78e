"""Photos tagged in shards: killed and continued, shared out and joined, from any source, always the same bytes."""

from __future__ import annotations

import itertools
import os
import random
import signal
import subprocess
import sys
import tarfile
import time
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from benchmarks import material
from tagging_lib import cli
from tagging_lib.data.corpus import open_photos
from tagging_lib.errors import TaggingError
from tagging_lib.inference import predict, shards, sources
from tagging_lib.inference.looking import Looker
from tests.conftest import draw_corpus

PHOTOS, SHARD = 120, 16  # as many as the network looks at together, so that no bit depends on the shards
MADE = ("predictions.csv", "predictions.txt")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return material.model_folder(tmp_path_factory.mktemp("model") / "model", "ffn1", 32)


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return draw_corpus(tmp_path_factory.mktemp("photos") / "corpus", photos=PHOTOS) / "images"


@pytest.fixture(scope="module")
def expected(model, photos, tmp_path_factory):
    """The bytes that one table of all photos is written as."""
    out = tmp_path_factory.mktemp("expected")
    predict.predict_photos(model, open_photos(photos), outputs=out)
    return written(out)


def written(out, names=MADE):
    return [(out / name).read_bytes() for name in names]


def tagging(*arguments, code=0):
    shown = CliRunner().invoke(cli.app, list(map(str, arguments)))
    if code == 0:
        assert shown.exit_code == 0, f"{shown.output}{shown.exception!r}"
    else:
        assert isinstance(shown.exception, TaggingError), shown.output
        return str(shown.exception)
    return shown.output


def predicted(model, given, out, *more, code=0):
    return tagging("predict", model, given, "--out", out, "--device", "cpu", *more, code=code)


@pytest.mark.parametrize("size", [SHARD, 3 * SHARD, PHOTOS, 4096])
def test_shards_of_any_size_give_the_bytes_of_one_table(model, photos, tmp_path, expected, size):
    predicted(model, photos, tmp_path, "--shard-photos", size)
    assert written(tmp_path) == expected


@pytest.mark.parametrize("kind", ["zip", "tar", "manifest"])
def test_every_source_gives_the_same_answers(model, photos, tmp_path, expected, kind):
    names = [path.name for path in (photos / name for name in open_photos(photos).photos)]
    given = photos.parent / "list.txt"
    if kind == "zip":
        given = tmp_path / "photos.zip"
        with zipfile.ZipFile(given, "w") as archive:
            for name in names:
                archive.write(photos / name, name)
    elif kind == "tar":
        given = tmp_path / "photos.tar"
        with tarfile.open(given, "w") as archive:
            for name in names:
                archive.add(photos / name, name)
    else:
        given = photos / "list.txt"
        given.write_text("\n".join(names))
    predicted(model, given, tmp_path / "out", "--shard-photos", SHARD, "--data", tmp_path / "data")
    assert written(tmp_path / "out") == expected


def test_shares_joined_are_what_one_process_makes(model, photos, tmp_path, expected):
    for share in (3, 1):
        told = predicted(model, photos, tmp_path, "--shard-photos", SHARD, "--shard", f"{share}/3")
        assert f"tagging merge {tmp_path}" in told and not (tmp_path / MADE[0]).exists()
    refused = tagging("merge", tmp_path, code=2)
    assert "3 of 8 shards are missing (number 1, 4, 7)" in refused and not (tmp_path / MADE[0]).exists()
    predicted(model, photos, tmp_path, "--shard-photos", SHARD, "--shard", "2/3")
    tagging("merge", tmp_path)
    assert written(tmp_path) == expected


def test_a_killed_run_continues_to_the_same_bytes(model, photos, tmp_path, expected):
    """Killed at a moment of its own in each trial, which ends in one process that is left in peace."""
    moments = random.Random(0)
    command = [sys.executable, "-m", "tagging_lib.cli", "predict", str(model), str(photos), "--out", str(tmp_path)]
    command += ["--shard-photos", str(SHARD), "--device", "cpu"]
    seen: list[int] = []
    for _ in range(3):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        before, more = len(finished(tmp_path)), moments.randrange(1, 3)
        while process.poll() is None and len(finished(tmp_path)) < before + more:
            time.sleep(0.001)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        seen.append(len(finished(tmp_path)))
    assert 0 < seen[0] < seen[1] < seen[2] < 8, "each was killed in the middle, and none began anew"
    kept = {path: path.stat().st_mtime_ns for path in finished(tmp_path)}
    predicted(model, photos, tmp_path, "--shard-photos", SHARD)
    assert written(tmp_path) == expected
    assert all(path.stat().st_mtime_ns == time_ns for path, time_ns in kept.items())
    assert {path.name for path in tmp_path.iterdir()} == {*MADE, "shards"}


def finished(out):
    return sorted((out / "shards").glob("shard-*.parquet"))


def test_a_second_call_looks_at_no_photo_and_takes_another_threshold(model, photos, tmp_path, expected, monkeypatch):
    predicted(model, photos, tmp_path)
    monkeypatch.setattr(Looker, "of_photos", lambda *_: pytest.fail("a photo was looked at"))
    predicted(model, photos, tmp_path, "--threshold", "0.00001")
    table = pd.read_csv(tmp_path / MADE[0])
    assert (table.labels.str.split(";").map(len) == len(material.LABELS)).all()
    tagging("merge", tmp_path)
    assert written(tmp_path) == expected


def test_a_photo_that_has_changed_is_looked_at_again(model, tmp_path):
    corpus = draw_corpus(tmp_path / "corpus", photos=40) / "images"
    predicted(model, corpus, tmp_path / "out", "--shard-photos", SHARD)
    before = {path: path.stat().st_mtime_ns for path in finished(tmp_path / "out")}
    (corpus / "im29.png").write_bytes((corpus / "im3.png").read_bytes())
    predicted(model, corpus, tmp_path / "out", "--shard-photos", SHARD)
    changed = [path.name for path, moment in before.items() if path.stat().st_mtime_ns != moment]
    assert changed == ["shard-00001-of-00003.parquet"]
    table = pd.read_csv(tmp_path / "out" / MADE[0]).set_index("photo").drop(columns="labels")
    np.testing.assert_allclose(table.loc["im29.png"], table.loc["im3.png"], rtol=1e-5)


@pytest.mark.parametrize("other", ["model", "photos", "size"])
def test_answers_of_another_plan_are_never_mixed(model, photos, tmp_path, other, monkeypatch):
    out = tmp_path / "out"
    predicted(model, photos, out, "--shard-photos", SHARD, "--shard", "1/2")
    second = {"model": model, "photos": photos, "size": SHARD}
    if other == "model":
        second["model"], said = material.model_folder(tmp_path / "m", "ffn1", 16), "of another model"
    elif other == "photos":
        second["photos"], said = draw_corpus(tmp_path / "c", photos=119) / "images", "to other photos"
    else:
        second["size"], said = 5, "in shards of 16 photos"
    asked = (second["model"], second["photos"], out, "--shard-photos", second["size"])
    refused = predicted(*asked, code=2)
    assert said in refused and "4 of 8 shards" in refused and "--fresh" in refused
    predicted(*asked, "--fresh")
    fresh = written(out)
    predicted(second["model"], second["photos"], tmp_path / "alone", "--shard-photos", second["size"])
    assert fresh == written(tmp_path / "alone")
    predicted(model, photos, out, "--shard-photos", SHARD)  # what is finished is replaced, as results are
    assert len(finished(out)) == 8


def test_fresh_looks_again_where_answers_have_lost_their_plan(model, photos, tmp_path):
    predicted(model, photos, tmp_path, "--shard-photos", SHARD)
    kept = {path: path.stat().st_mtime_ns for path in finished(tmp_path)}
    (tmp_path / "shards" / "plan.json").unlink()
    predicted(model, photos, tmp_path, "--shard-photos", SHARD)
    assert all(path.stat().st_mtime_ns == moment for path, moment in kept.items())
    (tmp_path / "shards" / "plan.json").unlink()
    predicted(model, photos, tmp_path, "--shard-photos", SHARD, "--fresh")
    assert all(path.stat().st_mtime_ns != moment for path, moment in kept.items())


def test_a_damaged_or_foreign_shard_is_found(model, photos, tmp_path, expected):
    predicted(model, photos, tmp_path, "--shard-photos", SHARD)
    first, second, third = finished(tmp_path)[:3]
    content = third.read_bytes()
    third.write_bytes(second.read_bytes())
    assert "it holds another shard" in tagging("merge", tmp_path, code=2)
    at = content.rindex(b"PAR1", 0, 100) + 200  # in the first page
    third.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
    assert str(third) in tagging("merge", tmp_path, code=2), "a page's checksum differs"
    first.write_bytes(first.read_bytes()[:100])
    third.unlink()
    predicted(model, photos, tmp_path, "--shard-photos", SHARD)
    assert written(tmp_path) == expected and first.with_suffix(".damaged").exists()


def test_a_list_that_names_a_photo_twice_answers_it_twice(model, photos, tmp_path):
    names = list(itertools.islice(itertools.cycle(["im1.png", "im2.png", "im1.png"]), 100))
    (photos / "twice.csv").write_text("photo\n" + "\n".join(names))
    predicted(model, photos / "twice.csv", tmp_path, "--shard-photos", SHARD)
    assert pd.read_csv(tmp_path / MADE[0]).photo.tolist() == names
    (photos / "twice.csv").unlink()


@pytest.mark.parametrize("share", ["0/3", "4/3", "1", "1/0", "a/b"])
def test_a_share_that_is_none_is_named(share):
    with pytest.raises(TaggingError, match=f"--shard is '{share}'"):
        shards.share_of(share)


def test_broken_photos_are_named_or_left_out_and_listed(model, tmp_path):
    corpus = draw_corpus(tmp_path / "corpus", photos=20) / "images"
    predicted(model, corpus, tmp_path / "whole", "--shard-photos", SHARD)
    (corpus / "im4.png").write_bytes(b"no photo")
    (corpus / "im12.png").write_bytes((corpus / "im12.png").read_bytes()[:200])
    out = tmp_path / "out"
    refused = predicted(model, corpus, out, "--shard-photos", SHARD, code=2)
    assert f"{corpus / 'im4.png'} is no photo of a format that is read here" in refused and "--skip-broken" in refused
    told = predicted(model, corpus, out, "--shard-photos", SHARD, "--skip-broken")
    assert "18 photos tagged" in told and "2 photos cannot be decoded" in told
    broken = pd.read_csv(out / "broken.csv")
    assert broken.photo.tolist() == ["im4.png", "im12.png"] and broken.reason[1].startswith("cannot be decoded (")
    left = pd.read_csv(tmp_path / "whole" / MADE[0])
    left = left[~left.photo.isin(broken.photo)].reset_index(drop=True)
    pd.testing.assert_frame_equal(pd.read_csv(out / MADE[0]), left)
    refused = predicted(model, corpus, out, "--shard-photos", SHARD, code=2)
    assert "im4.png is no photo" in refused, "not left out silently because an earlier call was told to"
    (tmp_path / "raw.txt").write_text("a.cr2\n")
    (tmp_path / "a.cr2").write_bytes(b"II*\0")
    refused = predicted(model, tmp_path / "raw.txt", tmp_path / "raw", "--skip-broken", code=2)
    assert "none of 1 photos can be decoded" in refused and "(.cr2): convert it" in refused


def test_the_formats_say_the_same(model, photos, tmp_path):
    predicted(model, photos, tmp_path, "--shard-photos", SHARD)
    table = pd.read_csv(tmp_path / MADE[0], keep_default_na=False)
    labels = list(table.columns[2:])
    for kind in ("jsonl", "parquet"):
        assert f"predictions.{kind}" in tagging("merge", tmp_path, "--format", kind)
    lines = pd.read_json(tmp_path / "predictions.jsonl", lines=True)
    assert lines.photo.tolist() == table.photo.tolist() and lines.labels.map(";".join).tolist() == table.labels.tolist()
    found = pd.DataFrame(lines.probabilities.tolist())[labels]
    np.testing.assert_array_equal(found.to_numpy(dtype=np.float32), table[labels].to_numpy(dtype=np.float32))
    read = pq.read_table(tmp_path / "predictions.parquet")
    assert read.column_names == ["photo", "labels", *labels] and read["labels"].to_pylist() == lines.labels.tolist()
    np.testing.assert_array_equal(read.to_pandas()[labels].to_numpy(), table[labels].to_numpy(dtype=np.float32))
    assert "format is 'xls': choose csv, jsonl, parquet" in tagging("merge", tmp_path, "--format", "xls", code=2)


def test_one_shard_is_a_unit_of_its_own(model, photos, tmp_path):
    """A model folder, photos, a file: nothing else is needed where it is made."""
    (source,) = sources.open_sources([photos], tmp_path)
    looker = Looker(model)
    plan = shards.begin(tmp_path, looker, source.photos(), shard_photos=SHARD)
    made = list(shards.shards_of(source.photos(), SHARD))
    for shard in reversed(made):
        assert shards.tag(plan, shard, Looker(model)).is_file()
    answers = list(shards.read(plan))
    assert [photo.name for each in answers for photo in each.photos] == list(open_photos(photos).photos)
    found = np.concatenate([each.probabilities for each in answers])
    np.testing.assert_array_equal(found, looker.of_photos(open_photos(photos)))
    assert list(shards.unfinished(plan, source.photos())) == []


def test_sidecars_and_xmp_need_names_below_a_folder(model, photos, tmp_path):
    (tmp_path / "list.txt").write_text(f"{photos}/im1.png\n")
    assert "--format jsonl" in predicted(model, tmp_path / "list.txt", tmp_path / "out", "--sidecars", code=2)
    assert "is no folder" in predicted(model, tmp_path / "list.txt", tmp_path / "out", "--xmp", code=2)
    assert "tagging merge" in predicted(model, photos, tmp_path / "out", "--shard", "1/2", "--xmp", code=2)
    assert not Path(f"{photos}/im1.png.json").exists() and not (tmp_path / "out").exists()
