"""Where a corpus lies that is given by name or path; the only place that knows of the drawn sample."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from tagging_lib.data import archives
from tagging_lib.data.readers.photos import only_folder
from tagging_lib.errors import TaggingError

SAMPLE = "sample"
SAMPLE_PHOTOS, SAMPLE_SEED = 1200, 0
SAMPLE_TEST = "sample-test"  # its unlabelled photos
SAMPLE_TEST_PHOTOS, SAMPLE_TEST_SEED = 200, 1
MIRFLICKR = "mirflickr25k"
KNOWN = "give sample, mirflickr25k, a folder or zips"
MEANING = frozenset(("images", "annotations", "labels", "imagesets"))  # folders that belong to a layout


def locate(path: str | Path | Sequence[str | Path], data_dir: Path) -> Path:
    """The folder of a corpus; the sample is drawn, MIRFLICKR downloaded and zips unpacked where that is still to do."""
    if path == SAMPLE:
        from tagging_lib.sample import corpus as sample

        folder = data_dir / f"sample-{SAMPLE_PHOTOS}-{SAMPLE_SEED}"
        return folder if folder.exists() else sample.draw(folder, photos=SAMPLE_PHOTOS, seed=SAMPLE_SEED)
    if path == SAMPLE_TEST:
        from tagging_lib.sample import corpus as sample

        folder = data_dir / f"{SAMPLE_TEST}-{SAMPLE_TEST_PHOTOS}-{SAMPLE_TEST_SEED}"
        return folder if folder.exists() else sample.draw_test(folder, photos=SAMPLE_TEST_PHOTOS, seed=SAMPLE_TEST_SEED)
    if path == MIRFLICKR:
        from tagging_lib.data import mirflickr

        return mirflickr.prepare(data_dir)
    if isinstance(path, str):
        # A folder's name may hold a comma; only what is no path by itself is taken apart.
        parts = [path] if os.path.exists(path) else [part.strip() for part in path.split(",") if part.strip()]
        paths = [Path(part).expanduser() for part in parts]
    elif isinstance(path, Path):
        paths = [path]
    else:
        paths = [Path(part) for part in path]
    if not paths:
        raise TaggingError(f"no corpus is given: {KNOWN}")
    for part in paths:
        if not part.exists():
            raise TaggingError(f"corpus {part} does not exist: {KNOWN}")
    if len(paths) == 1 and paths[0].is_dir():
        return paths[0].resolve()
    for part in paths:
        if part.suffix.lower() != ".zip":
            raise TaggingError(f"corpus {part} is neither a folder nor a zip: give one folder, or one or more zips")
    folder = archives.unpack(paths, data_dir / f"{paths[0].stem}-{archives.digest(paths)}")
    return _descend(folder)


def _descend(folder: Path) -> Path:
    """The folder itself, or the only one in it (zips often wrap everything in one)."""
    inside = only_folder(folder)
    return inside if inside is not None and inside.name.lower() not in MEANING else folder
