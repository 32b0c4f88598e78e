"""The error explorer: one HTML page in which a reader looks for photos by label, outcome, probability and disagreement.

The page loads nothing. Its style, its script, every number and every photo lie in it, and a policy with the hashes of
that style and that script lets the browser run nothing else. What comes from a corpus enters as JSON and reaches the
reader as text. Each photo is an image of its own, which a browser decodes when it comes into view: in sprite sheets, a
screen of photos sorted by an error lies scattered over all the sheets, and all of them would have to be decoded.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import logging
import os
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from tagging_lib.data.corpus import Corpus
from tagging_lib.errors import TaggingError
from tagging_lib.report import embedding
from tagging_lib.report.embedding import base64_of, json_of
from tagging_lib.report.figures import style
from tagging_lib.runs import kept
from tagging_lib.runs.result import Result
from tagging_lib.study.study import Study

logger = logging.getLogger(__name__)
HERE = Path(__file__).resolve().parent
FILE = "explorer.html"
SCRIPTS = tuple(
    f"explorer{part}.js" for part in ("_model", "_grid", "_marks", "_check", "_photo", "_filters", "")
)  # each uses those before it
# A page of this size still opens in a second or two. Numbers come first; photos are made smaller until they fit.
MOST_BYTES = 38_000_000
MOST_NUMBER_BYTES = 16_000_000
ENCODINGS = ((128, 80), (128, 60), (96, 60), (64, 60))  # side in pixels, WebP quality
SAMPLED = 100  # photos encoded to foretell the size of all
BLOCK = '<script type="{type}" id="{id}">{text}</script>'
MOST_ROWS = 5  # each adds 300 kB for 4,000 photos of 14 labels, half of it to a page without photos
BLOCKS = {"study": "application/json", "photos": "text/plain"}


@dataclass(frozen=True, eq=False)
class Answers:
    """One row's answers to the photos of a page.

    Attributes:
        name: unique among the rows; heads the columns of the exported CSV.
        probabilities: float (n, L) in [0, 1].
        threshold: one for all labels, or one each (L,); met by `>=`.
    """

    name: str
    title: str
    probabilities: np.ndarray
    threshold: float | np.ndarray


@dataclass(frozen=True, eq=False)
class Explorer:
    """A finished page; a notebook shows it as one sentence with a link."""

    html: str
    summary: str

    def _repr_markdown_(self) -> str:
        return self.summary

    def __repr__(self) -> str:
        return f"Explorer({len(self.html) / 1e6:.1f} MB)"


def explore(
    study: Study,
    results: Sequence[Result] | None = None,
    thresholds: dict[str, float] | None = None,
    *,
    part: str = "test",
    photos: bool = True,
    suspects: pd.DataFrame | None = None,
) -> Explorer:
    """The explorer of a part's photos with the answers of several rows, ready for `Study.save_page`.

    Args:
        results: rows in the order in which the page lists them; for None the finished ones that are best on validation,
            best first, `MOST_ROWS` at most.
        thresholds: by row name; a row without one is shown at its own.
        photos: False leaves the photos out, for publishing; the numbers stay.
        suspects: probable label errors of the corpus, the most suspicious first, with the columns index and column, as
            `review.suspects` gives them: what a reader is asked to mark.
    """
    if results is None:
        results = sorted(study.finished(), key=lambda result: -result.score("validation")["micro_f1"])[:MOST_ROWS]
    chosen = thresholds or {}
    rows = [
        Answers(result.name, result.title, result.probabilities(part), chosen.get(result.name, result.threshold))
        for result in results
    ]
    indices = study.indices(part)
    about = f"{len(indices):,} {part} photos of {study.corpus.name}"
    if study.profile.toy:
        about += ". Toy scale: shows that it works, not how well."
    pairs = [] if suspects is None else places_on_page(indices, suspects)
    page = write(study.corpus, indices, rows, study.shown if photos else None, about=about, suspects=pairs)
    counted = f"{len(indices):,} {part} photos with the answers of {len(rows)} row{'s' * (len(rows) != 1)}"
    if pairs:
        counted += f" and {len(pairs):,} suspected labels to mark"
    return Explorer(page, f"[Open the error explorer](explorer.html): {counted}, to filter, sort, look at and export.")


def places_on_page(indices: np.ndarray, suspects: pd.DataFrame) -> list[tuple[int, int]]:
    """Place among the photos at `indices`, and label's column, of each suspect that is on them, in the same order."""
    place_of = {int(index): place for place, index in enumerate(indices)}
    pairs = zip(suspects["index"].tolist(), suspects["column"].tolist(), strict=True)
    return [(place_of[index], column) for index, column in pairs if index in place_of]


def write(
    corpus: Corpus,
    indices: np.ndarray,
    rows: Sequence[Answers],
    pixels: np.ndarray | None = None,
    *,
    about: str = "",
    suspects: Sequence[tuple[int, int]] = (),
) -> str:
    """The page as HTML, its photos those at `indices` (n,) of the corpus.

    Args:
        rows: none gives a page of the truth alone. Where all would make the page too large the last ones are left out.
        pixels: uint8 (N, S, S, 3), every photo of the corpus; None for a page without photos.
        about: what is shown, in a sentence.
        suspects: photo (its place in `indices`) and label (its column) of annotations that may be wrong, the most
            suspicious first.

    Raises:
        ValueError: a row's probabilities are not (n, L) in [0, 1], or its threshold is neither one nor (L,).
    """
    study = _study(corpus, np.asarray(indices, dtype=np.int64), rows, about) | {"suspects": [list(pair) for pair in suspects]}
    text = json_of(study)
    encoded = [] if pixels is None else _encoded(pixels, indices, MOST_BYTES - len(text))
    return to_html({"study": text, "photos": "\n".join(encoded)})


def to_html(blocks: dict[str, str], pages: Sequence[Any] = (), *, photos: bool = True, original: bool = False) -> str:
    """The HTML around a page's data; `pages` are the report's other pages, for the links on top.

    The data of a page written before (`blocks`) come back in today's form. With `photos=False`, for publishing, they come
    without the photos, and single precision becomes half, as in the answers that a report carries.
    """
    from markupsafe import Markup

    from tagging_lib.report import templates

    style_sheet = "".join(path.read_text(encoding="utf-8") for path in (templates.STYLE_SHEET, HERE / "explorer.css"))
    script = "".join((HERE / name).read_text(encoding="utf-8") for name in SCRIPTS)
    texts = blocks if photos else {"study": _in_halves(blocks["study"]), "photos": ""}
    data = {id: Markup(BLOCK.format(type=kind, id=id, text=texts[id])) for id, kind in BLOCKS.items()}
    return (
        templates.environment()
        .get_template("explorer.html.j2")
        .render(
            style=Markup(style_sheet),
            script=Markup(script),
            policy=embedding.policy(style_sheet, script),
            data=data,
            pages=pages,
            current="explorer",
            explorer=True,
            original=original,
        )
    )


def blocks(html: str) -> dict[str, str]:
    """The data in a page, by the ids of its blocks.

    Raises:
        TaggingError: this is no page of the explorer.
    """
    found = {}
    for id, kind in BLOCKS.items():
        # No block holds a "<": JSON writes it as an escape, base64 does not know it.
        match = re.search(re.escape(BLOCK.format(type=kind, id=id, text="§")).replace("§", "([^<]*)"), html)
        if match is None:
            raise TaggingError(f"the error explorer lacks its block {id!r}: run notebook 06_error_analysis again")
        found[id] = match[1]
    return found


def _study(corpus: Corpus, indices: np.ndarray, rows: Sequence[Answers], about: str) -> dict[str, Any]:
    labels = list(corpus.labels)
    colors = style.label_colors(labels)
    described: list[dict[str, Any]] = []
    spent = 0
    for row in rows:
        entry = _row(row, (len(indices), len(labels)))
        spent += len(entry["probabilities"])
        if described and spent > MOST_NUMBER_BYTES:
            left_out = [other.title for other in rows[len(described) :]]
            logger.warning("error explorer: left out to keep the page small: %s", ", ".join(left_out))
            about += f" Left out to keep the page small: {', '.join(left_out)}."
            break
        described.append(entry)
    names, targets = [corpus.photos[index] for index in indices], np.packbits(corpus.targets[indices].astype(bool).ravel())
    return {
        "corpus": corpus.name,
        # Marks that a browser keeps belong to these annotations of these photos.
        "identity": hashlib.sha256(json.dumps([names, labels]).encode() + targets.tobytes()).hexdigest()[:16],
        "about": about,
        "labels": labels,
        "colors": [colors[label] for label in labels],
        "names": names,
        "numbers": corpus.numbers[indices].tolist(),
        "targets": base64_of(targets.tobytes()),
        "rows": described,
    }


def _row(row: Answers, shape: tuple[int, int]) -> dict[str, Any]:
    """A row as JSON: its probabilities bit for bit, its thresholds in their precision, as `thresholds.apply` compares."""
    probabilities = np.asarray(row.probabilities)
    if probabilities.shape != shape:
        raise ValueError(f"probabilities of {row.name} are {probabilities.shape}: must be {shape}, photos by labels")
    if not ((probabilities >= 0) & (probabilities <= 1)).all():
        raise ValueError(f"probabilities of {row.name} leave [0, 1]: apply the sigmoid first")
    kind = probabilities.dtype if probabilities.dtype in (np.float32, np.float16) else np.dtype(np.float64)
    if np.ndim(row.threshold) and np.shape(row.threshold) != shape[1:]:
        raise ValueError(f"threshold of {row.name} is {np.shape(row.threshold)}: must be one number, or {shape[1:]}")
    compared = np.broadcast_to(np.asarray(row.threshold, dtype=kind), shape[1:])
    stored = np.dtype("<f8" if kind == np.float64 else "<f4")
    return {
        "name": row.name,
        "title": row.title,
        "thresholds": compared.astype(float).tolist(),
        "type": stored.name,
        "probabilities": base64_of(np.ascontiguousarray(probabilities, dtype=stored).tobytes()),
    }


def _in_halves(text: str) -> str:
    """The data of a page with float32 probabilities as float16, wherever that leaves the row's answers as they are."""
    study = json.loads(text)
    for row in study["rows"]:
        if row["type"] == "float32":
            exact = np.frombuffer(base64.b64decode(row["probabilities"]), dtype="<f4").reshape(-1, len(study["labels"]))
            half = kept.halved(exact.astype(np.float32))
            if np.array_equal(exact >= row["thresholds"], half.astype(np.float32) >= row["thresholds"]):
                row |= {"type": "float16", "probabilities": base64_of(half.astype("<f2").tobytes())}
    return json_of(study)


def _encoded(pixels: np.ndarray, indices: np.ndarray, room: int) -> list[str]:
    """The photos as base64 WebP, in the first encoding with which all of them fit into `room` bytes; else none."""
    every = [int(index) for index in indices]
    if not every:
        return []
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # Pillow's encoder releases the interpreter's lock
        for side, quality in ENCODINGS:

            def encode(index: int, side: int = side, quality: int = quality) -> str:
                return _webp(pixels[index], side, quality)

            sample = list(pool.map(encode, every[:: max(1, len(every) // SAMPLED)]))
            if 1.1 * len(every) * sum(map(len, sample)) / len(sample) < room:
                encoded = list(pool.map(encode, every))
                if sum(map(len, encoded)) + len(encoded) <= room:
                    return encoded
    logger.warning("error explorer: %d photos are too many for one page, it shows numbers alone", len(every))
    return []


def _webp(picture: np.ndarray, side: int, quality: int) -> str:
    image = Image.fromarray(np.asarray(picture))
    if image.width > side:
        image = image.resize((side, side), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", quality=quality, method=2)
    return base64_of(buffer.getvalue())
