"""A study's rows on a Ray cluster of two nodes on this machine, one of which dies."""

import logging
import os
import threading
from contextlib import contextmanager, nullcontext

import pandas as pd
import pytest
from typer.testing import CliRunner

from benchmarks import material
from benchmarks import nodes as local
from benchmarks import spread as spreading
from tagging_lib import cli, files
from tagging_lib.errors import TaggingError
from tagging_lib.runs import kept
from tagging_lib.study import failed
from tagging_lib.study.opening import as_options, open_study
from tagging_lib.workflow import cluster as clusters
from tagging_lib.workflow import spread
from tagging_lib.workflow.cluster import Cluster, Job, Needs, connected
from tests.conftest import draw_corpus

SAME = ("probabilities.npz", "truth.npz", "model.safetensors")  # what no clock or machine has a part in


@pytest.fixture(scope="module")
def nodes():
    with local.cluster() as found:
        yield found


@pytest.fixture(scope="module")
def cluster(nodes):
    with connected(nodes.address) as found:
        yield found


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    draw_corpus(tmp_path / "corpus")
    (tmp_path / "data").mkdir()
    return tmp_path


PHOTOS = 1600
PARAMETERS = {"CORPUS": "corpus", "PROFILE": "quick", "DEVICE": "cpu"}


def contents(outputs, name):
    folder = kept.run_folder(name, outputs)
    return {file: (folder / file).read_bytes() for file in SAME if (folder / file).exists()}


def test_a_job_waits_for_others_and_what_fails_is_told(cluster, tmp_path):
    jobs = [
        Job("late", ("check", "nowhere"), tmp_path / "late.log", after=("early", "unknown")),
        Job("early", ("--version",), tmp_path / "early.log"),
    ]
    failures = cluster.run(jobs, tmp_path, Needs(1))
    assert list(failures) == ["late"] and failures["late"].startswith("corpus nowhere does not exist")
    assert (tmp_path / "early.log").read_text().startswith("tagging 0")
    assert (tmp_path / "early.log").stat().st_mtime_ns < (tmp_path / "late.log").stat().st_mtime_ns


def test_a_node_that_sees_or_has_something_else_is_named(cluster, tmp_path):
    cluster.check(tmp_path, tmp_path, [], {})
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(TaggingError, match=r"^node .* does not see .*nowhere: put it into a folder that all nodes share"):
        cluster.check(tmp_path, tmp_path, ["nowhere"], {})
    with pytest.raises(TaggingError, match=r"^node .* has torch .*, here is 0.1"):
        cluster.check(tmp_path, tmp_path, [], {"torch": "0.1"})


def test_a_node_that_dies_while_it_is_asked_stops_nothing(cluster, tmp_path, monkeypatch, caplog):
    living = cluster.nodes()
    dead = living[0] | {"NodeID": "a" * len(living[0]["NodeID"]), "NodeManagerHostname": "gone"}
    seen = iter([[*living, dead], living, living])
    monkeypatch.setattr(Cluster, "nodes", lambda self: next(seen))
    cluster.check(tmp_path, tmp_path, [], {})
    assert "node gone of the cluster has died; the others go on" in caplog.text


def test_what_each_job_gets(monkeypatch):
    def of(*nodes):
        monkeypatch.setattr(Cluster, "nodes", lambda self: [{"Resources": node} for node in nodes])
        return Cluster()

    small, large, card = {"CPU": 4.0}, {"CPU": 16.0}, {"CPU": 8.0, "GPU": 4.0}
    assert of(small, large).needs(cuda=False, jobs=2) == Needs(4), "no more than the smallest has"
    assert of(small, large).needs(cuda=False, jobs=9) == Needs(2)
    assert of(small, large).needs(cuda=False, jobs=99) == Needs(1)
    assert of(small, large).needs(cuda=False, jobs=2, cores=16) == Needs(16)
    assert of(small, card).needs(cuda=True, jobs=9) == Needs(2, 1)
    assert of(small, card).has_gpus and not of(small).has_gpus
    for nodes, asked in (((small,), {"cuda": True}), ((small, large), {"cuda": False, "cores": 17}), ((), {"cuda": False})):
        with pytest.raises(TaggingError, match="no node of the cluster has"):
            of(*nodes).needs(jobs=1, **asked)


def test_rows_on_a_cluster_have_the_bytes_of_rows_here_and_one_that_fails_is_left_out(cluster, place):
    three = ("constant", "ffn1", "ffn2")
    # The folder of the row's runs is a file, whoever runs it.
    files.write_text(place / "outputs" / "runs" / "ffn2", "in the way")
    failures = spread.train_rows(PARAMETERS, cluster, only=three)
    assert list(failures) == ["ffn2"]
    study = open_study(**PARAMETERS)
    (place / "outputs" / "runs" / "ffn2").unlink()
    assert [result.name for result in study.run(three)] == ["constant", "ffn1"]
    ((row, reason, remedy),) = study.left_out.itertuples(index=False)
    assert row == "Feed forward, 2 layers" and reason.startswith("failed on the cluster: ") and "tagging train ffn2" in remedy
    alone = open_study(**PARAMETERS, OUTPUTS="alone", record=False)
    alone.run(["constant", "ffn1"])
    for name in ("constant", "ffn1"):
        assert contents(place / "outputs", name) == contents(place / "alone", name)
    assert len(contents(place / "alone", "ffn1")) == 3
    assert spread.train_rows(PARAMETERS, cluster, only=three) == {}, "what failed is tried again, and nothing else"
    assert failed.read(place / "outputs") == {}
    assert [result.name for result in open_study(**PARAMETERS).run(["ffn2"])] == ["ffn2"]


DEATHS = pytest.mark.skipif(
    not os.environ.get("TAGGING_TEST_DEATHS"), reason="minutes, more on a busy machine: TAGGING_TEST_DEATHS=1 kills nodes"
)


@contextmanager
def dying(nodes, when):
    """The second of two nodes is killed once `when()` holds."""
    victim, over = nodes.others[-1] if nodes.others else nodes.add(), threading.Event()

    def kill():
        while not over.wait(0.05):
            if when():
                nodes.kill(victim)
                return

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        yield
    finally:
        over.set()
        killer.join()


@DEATHS
def test_a_row_whose_node_dies_goes_on_at_its_last_epoch(nodes, cluster, place, caplog):
    draw_corpus(place / "larger", photos=300)
    parameters = PARAMETERS | {"CORPUS": "larger"}
    two = ("resnet18_scratch", "cnn")
    caplog.set_level(logging.INFO)
    logs = [place / "outputs" / "work" / "logs" / f"{name}.log" for name in two]
    # One row on each node, each in the midst of its five epochs.
    with dying(nodes, lambda: all(log.exists() and "epoch 2/5" in log.read_text() for log in logs)):
        assert spread.train_rows(parameters, cluster, only=two) == {}
    assert "goes on elsewhere" in caplog.text
    assert any("continuing after epoch" in log.read_text() for log in logs)
    for name in two:
        shown = CliRunner().invoke(cli.app, ["train", name, *as_options(parameters | {"OUTPUTS": "alone"})])
        assert shown.exit_code == 0, shown.output
        assert contents(place / "outputs", name) == contents(place / "alone", name)


@DEATHS
def test_photos_are_tagged_once_each_though_a_node_dies(nodes, cluster, tmp_path, monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    monkeypatch.chdir(tmp_path)
    model = material.model_folder(tmp_path / "model", "ffn1", 32)
    material.photos(tmp_path / "photos", PHOTOS, 32)

    def predict(out, *more):
        options = ["--out", out, "--shard-photos", "16", "--device", "cpu", *more]
        shown = CliRunner().invoke(cli.app, ["predict", str(model), "photos", *options])
        assert shown.exit_code == 0, f"{shown.output}{shown.exception!r}"
        return [(tmp_path / out / name).read_bytes() for name in ("predictions.csv", "predictions.txt")]

    @contextmanager
    def this_one(address):
        yield cluster

    monkeypatch.setattr(clusters, "connected", this_one)
    alone = predict("alone")
    logs = tmp_path / "spread" / "shards" / "logs"
    with dying(nodes, lambda: [*logs.glob("*")] and all("shard" in log.read_text() for log in logs.glob("*"))):
        assert predict("spread", "--ray", "any") == alone
    assert "goes on elsewhere" in caplog.text
    names = pd.read_csv(tmp_path / "spread" / "predictions.csv").iloc[:, 0]
    assert len(names) == names.nunique() == PHOTOS
    assert len(list(logs.glob("*.log"))) == 6, "100 shards: three shares of at least 16 for each of two nodes"


@DEATHS
def test_the_benchmarks_run_at_toy_scale(nodes, tmp_path):
    for name in spreading.ROWS:
        (tmp_path / name).mkdir()
    started, predicted = spreading.predict(spreading.TOY, tmp_path / "ray-predict", lambda: nullcontext(nodes))
    assert started.unit == "s" and predicted.value > 0 and predicted.target == 0.56
    for row in spreading.deaths(spreading.TOY, tmp_path / "ray-deaths", lambda: nullcontext(nodes)):
        assert row.met and row.value == 1, row
    assert (spreading.Scale().photos, spreading.Scale().deaths) == (20_000, 20)


def test_where_no_cluster_is_one_line_says_so(monkeypatch):
    import ray

    def nobody(**options):
        raise ConnectionError("Could not find any running Ray instance.\nMore words.")

    monkeypatch.setattr(ray, "init", nobody)
    told = r"^--ray auto: no cluster answers there \(Could not find any running Ray instance.\)"
    with pytest.raises(TaggingError, match=told), connected("auto"):
        pass
