"""A finished figure as a file of any size: drawn on its page and made smaller with all that is in it, letters too."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.backends import backend_pdf

from tagging_lib.report.figures.style import Sheet

FORMATS = ("png", "svg", "pdf")
MM_PER_INCH = 25.4
DPI = 300  # of PNG, at its final size


class _Scaled(backend_pdf.PdfPages):
    """A PDF whose one page is `scale` times as wide and high as the figure."""

    _file: Any

    def __init__(self, path: Path, scale: float) -> None:
        super().__init__(path)
        self.scale = scale

    def _ensure_file(self) -> backend_pdf.PdfFile:
        if self._file is None:
            self._file = _ScaledFile(self._filename, {"CreationDate": None}, self.scale)
        return self._file


class _ScaledFile(backend_pdf.PdfFile):
    def __init__(self, path: Path, metadata: dict, scale: float) -> None:
        super().__init__(path, metadata=metadata)
        self.scale = scale

    def newPage(self, width: float, height: float) -> None:
        super().newPage(width * self.scale, height * self.scale)
        self.output(self.scale, 0, 0, self.scale, 0, 0, backend_pdf.Op.concat_matrix)


def write(figure: Sheet, path: Path, kind: str, scale: float = 1.0) -> None:
    """Write the figure as `png`, `svg` or `pdf`, `scale` times as large as it is drawn; PDF embeds its fonts as TrueType."""
    if kind == "pdf":
        # Fonts are written when the file is closed, after the figure has been saved.
        with mpl.rc_context({"pdf.fonttype": 42}), _Scaled(path, scale) as pages:
            figure.savefig(pages, format="pdf")
        return
    figure.savefig(path, format=kind, dpi=DPI * scale if kind == "png" else "figure")
    if kind == "svg":
        resize_svg(path, scale)


def resize_svg(path: Path, scale: float) -> None:
    """Make the picture `scale` times as large: its size changes, and what is drawn in it stays."""
    text = path.read_text(encoding="utf-8")
    head, body = text[: (end := text.index(">", text.index("<svg")))], text[end:]
    head = re.sub(r'\b(width|height)="([\d.]+)pt"', lambda found: f'{found[1]}="{float(found[2]) * scale:.4f}pt"', head)
    path.write_text(head + body, encoding="utf-8")
