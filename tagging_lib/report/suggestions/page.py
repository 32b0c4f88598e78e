"""The photos to label next as one HTML page that loads nothing: each photo with what the model is unsure of."""

from __future__ import annotations

import io
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd
from markupsafe import Markup
from PIL import Image

from tagging_lib import files
from tagging_lib.data import pixels
from tagging_lib.data.corpus import Corpus
from tagging_lib.data.decoding import Framing
from tagging_lib.report import templates
from tagging_lib.report.embedding import base64_of, policy

HERE = Path(__file__).resolve().parent
FILE = "suggestions.html"
MOST = 1000  # photos of a page
SIDE, QUALITY = 240, 75  # of a photo in px, of its WebP


def write(table: pd.DataFrame, photos: Corpus, path: Path, *, model: str, looked_at: int) -> None:
    """Write the page of what `suggest` found; `photos` are the suggested ones alone, in their order.

    Args:
        model: its title or folder, for the page's first sentence.
        looked_at: photos among which these were chosen.
    """
    shown = islice((picture for block in pixels.blocks(photos, SIDE, Framing.PAD) for picture in block), MOST)
    entries = [
        {"line": line, "source": _source(picture), "unsure": line.unsure.split(";") if line.unsure else []}
        for line, picture in zip(table.head(MOST).itertuples(), shown, strict=True)
    ]
    sheet = "".join(file.read_text(encoding="utf-8") for file in (templates.STYLE_SHEET, HERE / "suggestions.css"))
    html = (
        templates.environment()
        .get_template("suggestions.html.j2")
        .render(
            style=Markup(sheet),
            policy=policy(sheet, ""),
            entries=entries,
            count=len(table),
            left_out=max(0, len(table) - MOST),
            looked_at=looked_at,
            folder=photos.name,
            model=model,
        )
    )
    files.write_text(path, html)


def _source(picture: np.ndarray) -> str:
    content = io.BytesIO()
    Image.fromarray(picture).save(content, "WEBP", quality=QUALITY, method=2)
    return f"data:image/webp;base64,{base64_of(content.getvalue())}"
