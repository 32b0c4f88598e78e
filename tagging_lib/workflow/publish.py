"""The report of what has run: the pages of the run that began last."""

from __future__ import annotations

from pathlib import Path

from tagging_lib.errors import TaggingError
from tagging_lib.report.pages import render
from tagging_lib.study.opening import project_folder
from tagging_lib.workflow import records, sources


def build_report(outputs: Path = Path("outputs"), *, photos: bool = True) -> Path:
    """Render the notebooks that have finished under `outputs/work/` and return the report's `index.html`.

    `photos=False` leaves out every figure that may show photos of the corpus, and the photos of the error explorer; all
    numbers stay.

    Raises:
        TaggingError: no notebook has finished there.
    """
    outputs = project_folder() / outputs
    current = records.current(outputs)
    if not current.records:
        why = f" of the run that began last ({current.unfinished})" if current.unfinished else ""
        raise TaggingError(f"{outputs / 'work'} holds no finished notebook{why}: run ./run_all.sh first")
    try:
        expected = sources.names()
    except TaggingError:  # an installed library without its clone still renders what there is
        expected = []
    answers = sorted({(name, key) for record in current.records.values() for name, key in record.get("rows", ())})
    state = render.State(current.unfinished, current.stale, expected, answers)
    return render.write(outputs, current.records, state, photos=photos)
