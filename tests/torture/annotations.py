"""Generated annotations, well-formed and not: the canonical result or a named error, and never another label.

The oracle reads the same bytes by rules written down here a second time, without the library.
"""

from __future__ import annotations

import csv
import io
import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from tests.torture.harness import Trials, answer_of, expect, in_child

BATCH = 250  # cases a child
NAMES = ("sky", "Ä ö", "日本語", "a,b", "a;b", "<b>", "$HOME", "it's", '"quoted"', "a.b", "-rf", "CON", "🙂", "%s", "{x}", "a b")


def run(trials: Trials) -> None:
    """Folders with label files, tables, and what follows from labels that nobody or everybody has."""
    accepted, count = 0, trials.count(200, 5000, 50_000)
    for start in range(0, count, BATCH):
        size = min(BATCH, count - start)
        with trials.workplace() as folder:
            told = answer_of(in_child(lambda f=folder, n=size, s=start: _cases(f, n, trials.seed + s), timeout=900))
        for name, sound, problem in told:
            accepted += sound
            with trials.trial(name):
                expect(not problem, problem)
    with trials.trial("the cases are of both sorts"):
        expect(0.1 * count < accepted < 0.9 * count, f"{accepted} of {count} were sound")
    trials.notes.append(f"{accepted} of {count} generated annotations were sound, the others had to be refused")
    _numbers(trials)


def _cases(folder: Path, count: int, seed: int) -> list[tuple[str, bool, str]]:
    """Draw and look at cases; hypothesis draws, and shrinks nothing, because a case costs little to read."""
    import hypothesis
    from hypothesis import strategies as st

    told: list[tuple[str, bool, str]] = []
    entry = st.one_of(
        st.integers(1, 12).map(str),
        st.integers(1, 8).map(str),
        st.integers(1, 8).map(lambda n: f"{n:04d}"),
        st.sampled_from(
            ["", " ", "\t", "0", "13", "99", "-1", "+2", "1.0", "1e1", "٣", "１", "x", "1 2", "1,2", "\ufeff1", "1" * 30]
        ),
    )
    wrapped = st.tuples(st.sampled_from(["", "", "", " ", "\t", "\u00a0"]), entry, st.sampled_from(["", "", "", " ", "\t"]))
    sound = st.tuples(st.integers(1, 8), st.integers(0, 3), st.sampled_from(["", "", " ", "\t"]))
    clean = st.lists(sound.map(lambda t: f"{t[2]}{t[0]:0{t[1] + 1}d}{t[2]}"), max_size=10)
    files = st.one_of(clean, clean, clean, st.lists(wrapped.map("".join), max_size=10))
    encoding = st.sampled_from([*["utf-8"] * 9, *["utf-8-sig"] * 4, "utf-16", "latin-1"])
    newline = st.sampled_from(["\n", "\n", "\r\n", "\n\n", "\r"])
    label = st.one_of(
        st.sampled_from(NAMES),
        st.sampled_from(NAMES),
        st.text(st.characters(exclude_characters="/\0", codec="utf-8"), min_size=1, max_size=8),
    )
    strays = st.lists(
        st.sampled_from([".DS_Store", "Thumbs.db", "notes.md", "._sky.txt", ".hidden.txt", "sky.TXT", "sky.txt~"]), max_size=2
    )
    folders = st.fixed_dictionaries(
        {
            "labels": st.dictionaries(label, st.tuples(files, encoding, newline, st.booleans()), max_size=6),
            "strays": strays,
            "photos": st.one_of(st.just(set(range(1, 9))), st.just(set(range(1, 9))), st.sets(st.integers(1, 8), max_size=8)),
        }
    )
    cell = st.one_of(
        st.sampled_from(["sky", "sea", "日本;<i>", " sky ", "sky;sea", "sky;;sea", ";", "", "sky;sky", "日本", "a b", "<i>"])
    )
    known = st.sampled_from(["a.png", "sub/b.png", "b.png", "c.png", ".\\a.png", " a.png", "sub\\b.png"])
    photo = st.one_of(known, known, known, st.sampled_from(["absent.png", "c.PNG", "", "../a.png", "d/c.png"]))
    row = st.tuples(photo, cell, st.sampled_from([False] * 19 + [True]))
    rows = st.one_of(
        st.tuples(st.permutations(["a.png", "b.png", "c.png"]), st.lists(cell, min_size=3, max_size=3)).map(
            lambda drawn: [(name, labels, False) for name, labels in zip(*drawn, strict=True)]
        ),
        st.lists(row, max_size=5),
    )
    tables = st.fixed_dictionaries(
        {
            "rows": rows,
            "header": st.sampled_from(
                [*["photo,labels"] * 5, "Photo, Labels", "labels,photo", "photo,labels,more", "photo;labels", "photo"]
            ),
            "encoding": st.sampled_from([*["utf-8"] * 5, "utf-8-sig", "utf-8-sig", "utf-16"]),
            "newline": st.sampled_from(["\n", "\r\n"]),
        }
    )

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(st.one_of(folders, tables))
    def look(case: dict[str, Any]) -> None:
        place = folder / "case"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        kind = "label files" if "labels" in case else "table"
        try:
            sound, problem = _label_files(place, case) if "labels" in case else _table(place, case)
        except Exception as error:
            sound, problem = False, f"{type(error).__name__}: {error}"
        told.append((kind, sound, f"{problem}: {case!r}" if problem else ""))

    look()
    return told[:count]


def _compare(place: Path, expected: dict[str, set[str]] | None, labels: set[str]) -> str:
    """`expected`: labels by photo, None where an error must come. Returns what is wrong."""
    from tagging_lib.data.corpus import Corpus
    from tagging_lib.errors import TaggingError

    try:
        corpus = Corpus.open(place)
    except TaggingError as error:
        told = str(error)
        if "\n" in told or str(place) not in told:
            return f"the error names no place, or has several lines: {told!r}"
        return "" if expected is None else f"is sound, and was refused: {told}"
    if expected is None:
        return "has a fault, and was accepted"
    found = {photo: set(corpus.label_names(row)) for row, photo in enumerate(corpus.photos)}
    if found != expected:
        return f"other labels: {found} instead of {expected}"
    return "" if set(corpus.labels) == labels and list(corpus.labels) == sorted(corpus.labels) else f"labels are {corpus.labels}"


def _label_files(place: Path, case: dict[str, Any]) -> tuple[bool, str]:
    images, notes = place / "images", place / "annotations"
    images.mkdir()
    notes.mkdir()
    for number in case["photos"]:
        (images / f"im{number}.png").touch()
    (images / ".DS_Store").touch()
    expected: dict[str, set[str]] | None = {f"images/im{number}.png": set() for number in case["photos"]}
    labels: set[str] = set()
    stems: set[str] = set()
    for stray in case["strays"]:
        (notes / stray).write_text("no annotations" if not stray.endswith("TXT") else "")
        if stray.endswith("TXT"):
            labels.add("sky")
            stems.add("sky")
    for label, (lines, encoding, newline, ends) in case["labels"].items():
        path = notes / f"{label}.txt"
        if path.exists():
            continue
        try:
            path.write_bytes((newline.join(lines) + newline * ends).encode(encoding, errors="replace"))
        except OSError:
            continue  # a name that this file system does not take
        if label.startswith("."):
            continue  # hidden
        stem = path.stem
        if stem in stems:
            expected = None
        stems.add(stem)
        labels.add(stem)
        numbers = _numbers_in(path.read_bytes(), case["photos"])
        if numbers is None or expected is None:
            expected = None
            continue
        for number in numbers:
            expected[f"images/im{number}.png"].add(stem)
    if not case["photos"] or not labels:
        expected = None
    return expected is not None, _compare(place, expected, labels)


def _numbers_in(content: bytes, known: set[int]) -> set[int] | None:
    """Photo numbers of a label file; None where a line is no number of a photo that is there."""
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        return None
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    found = set()
    for line in text.split("\n"):
        written = line.strip()
        if not written:
            continue
        if not (written.isascii() and written.isdigit() and int(written) in known):
            return None
        found.add(int(written))
    return found


def _table(place: Path, case: dict[str, Any]) -> tuple[bool, str]:
    photos = ["a.png", "c.png", "sub/b.png"]
    for photo in photos:
        path = place / photo
        path.parent.mkdir(exist_ok=True)
        path.touch()
    header = [field.strip().lower() for field in case["header"].split(",")]
    stream = io.StringIO()
    stream.write(case["header"] + case["newline"])
    writer = csv.writer(stream, lineterminator=case["newline"])
    expected: dict[str, set[str]] | None = {}
    for photo, cell, short in case["rows"]:
        values = {"photo": photo, "labels": cell, "more": "x"}
        fields = [values[name] for name in header if name in values]
        if short:
            fields = fields[:1]
        writer.writerow(fields)
        if expected is None or not any(field.strip() for field in fields):
            continue
        if len(fields) != len(header):
            expected = None
            continue
        written = photo.strip().replace("\\", "/").removeprefix("./")
        names = [known for known in photos if known == written or known.split("/")[-1] == written]
        carried = {label.strip() for label in cell.split(";")} - {""}
        if len(names) != 1 or expected.get(names[0], carried) != carried:
            expected = None
            continue
        expected[names[0]] = carried
    (place / "labels.csv").write_bytes(stream.getvalue().encode(case["encoding"]))
    labels = set().union(*expected.values()) if expected else set()
    if not labels or case["encoding"] == "utf-16" or not {"photo", "labels"} <= set(header):
        expected = None
    return expected is not None, _compare(place, expected, labels)


# ---------------------------------------------------------------- what follows


def _numbers(trials: Trials) -> None:
    """Loss, `pos_weight`, metrics and figures on odd targets are finite, or say that they are undefined."""
    shapes = [(20, 1), (20, 2), (40, 200)]
    for n, labels in shapes if trials.size != "short" else shapes[:2]:
        for how in ("random", "a label nobody has", "a label everybody has", "nothing", "everything"):
            with trials.trial(f"{how}, {labels} labels") as random:
                targets = _targets(how, n, labels, random)
                probabilities = random.random((n, labels)).astype(np.float32)
                problem = answer_of(in_child(lambda t=targets, p=probabilities: _finite_or_undefined(t, p)))
                expect(not problem, problem)


def _targets(how: str, n: int, labels: int, random: np.random.Generator) -> np.ndarray:
    targets = (random.random((n, labels)) < 0.3).astype(np.uint8)
    if how == "a label nobody has":
        targets[:, 0] = 0
    elif how == "a label everybody has":
        targets[:, 0] = 1
    elif how != "random":
        targets[:] = how == "everything"
    return targets


def _finite_or_undefined(targets: np.ndarray, probabilities: np.ndarray) -> str:
    import torch

    from tagging_lib.data import statistics
    from tagging_lib.evaluation import metrics, thresholds
    from tagging_lib.training import losses
    from tagging_lib.training.recipe import LOSSES

    weight = statistics.pos_weight(targets)
    if not (np.isfinite(weight).all() and (weight >= 0).all()):
        return f"pos_weight is {weight}"
    logits = torch.logit(torch.from_numpy(probabilities).clamp(1e-6, 1 - 1e-6)).requires_grad_()
    for name in LOSSES:
        for given in (None, torch.as_tensor(weight)):
            loss = losses.build(name, given)(logits, torch.from_numpy(targets).float())
            if not math.isfinite(float(loss)):
                return f"the loss {name} is {float(loss)}"
    threshold = thresholds.best_on_grid(targets, probabilities)
    answer = thresholds.apply(probabilities, threshold)
    for name, value in metrics.score(targets, answer).items():
        if not (math.isfinite(value) or math.isnan(value)) or (name.startswith("micro") and not 0 <= value <= 1):
            return f"{name} is {value}"
    table = metrics.per_label(targets, answer, [f"label {i}" for i in range(targets.shape[1])])
    values = table.select_dtypes("number").to_numpy(dtype=float)
    if np.isinf(values).any():
        return "a label's score is infinite"
    return _figures(targets, table)


def _figures(targets: np.ndarray, table) -> str:
    """The corpus' figures draw without a warning about numbers, and tables have a word for what is undefined."""
    import warnings

    from tagging_lib.data import statistics
    from tagging_lib.report import tables
    from tagging_lib.report.figures import corpus as figures_corpus
    from tagging_lib.report.figures import labels as figures_labels

    labels = [f"label {i}" for i in range(targets.shape[1])]
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        for figure in (
            figures_labels.photos_per_label(targets, labels),
            figures_labels.labels_per_photo(targets),
            figures_labels.cooccurrence(statistics.cooccurrence(targets), labels),
            figures_labels.cooccurrence(statistics.conditional(targets), labels),
            figures_corpus.pos_weights(labels, statistics.pos_weight(targets)),
        ):
            figure.savefig(io.BytesIO(), format="png", dpi=30)
    shown = tables.to_markdown(table)
    return "a table shows nan" if " nan " in shown else ""
