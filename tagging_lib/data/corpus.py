"""A corpus: photos, labels, and which photo carries which label.

It is opened from a folder, a zip, or several zips laid over one another; `annotations` reads the two layouts.
"""

from __future__ import annotations

import hashlib
import os
import stat as stat_module
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from tagging_lib import files
from tagging_lib.data import archives
from tagging_lib.data.annotations import NUMBERED, Problem, find_table, photos_below, read_label_files, read_table
from tagging_lib.errors import TaggingError

__all__ = ["Corpus", "Problem", "check", "open_photos"]
SAMPLE = "sample"
SAMPLE_PHOTOS, SAMPLE_SEED = 1200, 0
SAMPLE_TEST = "sample-test"  # its unlabelled photos
SAMPLE_TEST_PHOTOS, SAMPLE_TEST_SEED = 200, 1
MIRFLICKR = "mirflickr25k"


@dataclass(frozen=True, eq=False)
class Corpus:
    """Photos with their labels, in ascending order of photo number.

    Attributes:
        labels: alphabetical.
        photos: paths relative to `root`, with `/`.
        numbers: int64 (N,): the N of `im<N>`, or 1, 2, 3 … for a corpus with a CSV.
        targets: uint8 (N, L), 1 where the photo carries the label.
    """

    name: str
    root: Path
    labels: tuple[str, ...]
    photos: tuple[str, ...]
    numbers: np.ndarray
    targets: np.ndarray
    problems: tuple[Problem, ...] = ()

    @classmethod
    def open(
        cls,
        path: str | Path | Sequence[str | Path],
        *,
        data_dir: Path = Path("data"),
        name: str | None = None,
        skip_broken: bool = False,
    ) -> Corpus:
        """The corpus at a path: `sample`, `mirflickr25k`, a folder, a zip, or several zips (a list, or joined by `,`).

        Zips are unpacked once, into `data_dir`. The corpus is called `name`, else as its folder is. With `skip_broken`
        every photo is decoded, and the corpus is without those that cannot be; they are among its problems.

        Raises:
            TaggingError: there is no corpus, or it has a fatal problem; the message names file, line and remedy.
        """
        corpus = read(locate(path, Path(data_dir)), name)
        fatal = [problem for problem in corpus.problems if problem.fatal and not (skip_broken and problem.broken)]
        if fatal:
            more = f" (and {len(fatal) - 1} more: run `tagging check`)" if len(fatal) > 1 else ""
            raise TaggingError(f"{corpus.root}: {str(fatal[0]).removeprefix('error: ')}{more}")
        return without_broken(corpus, data_dir=Path(data_dir)) if skip_broken else corpus

    def __len__(self) -> int:
        return len(self.photos)

    def path(self, index: int) -> Path:
        """Where the photo lies."""
        return self.root / self.photos[index]

    def label_names(self, index: int) -> list[str]:
        """Labels of one photo."""
        return [self.labels[column] for column in np.flatnonzero(self.targets[index])]

    @property
    def left_out(self) -> tuple[Problem, ...]:
        """The broken photos, when the corpus was opened to go on without them."""
        return tuple(problem for problem in self.problems if problem.broken)

    @cached_property
    def fingerprint(self) -> str:
        """16 hexadecimal digits that change with any label, photo name or photo byte.

        The photos' digest is kept beside the corpus folder under their names, sizes and times, so that it is read once.
        """
        hashed = hashlib.sha256()
        for label in self.labels:
            hashed.update(f"{label}\n".encode())
        hashed.update(np.ascontiguousarray(self.targets).tobytes() + self._photo_digest().encode())
        return hashed.hexdigest()[:16]

    def _photo_digest(self) -> str:
        listing = hashlib.sha256()
        for photo in self.photos:
            try:
                stat = os.stat(f"{self.root}/{photo}")
            except OSError as error:
                raise TaggingError(f"{self.root}/{photo} cannot be read ({error.strerror}): restore it") from error
            if not stat_module.S_ISREG(stat.st_mode):
                raise TaggingError(f"{self.root}/{photo} is no file: replace or remove it")
            listing.update(f"{photo}\0{stat.st_size}\0{stat.st_mtime_ns}\n".encode())
        store = self.root.parent / f".{self.root.name}.digest.json"
        try:
            known = files.read_sealed(store)
            if known["listing"] == listing.hexdigest():
                return known["photos"]
        except (OSError, TaggingError, KeyError):
            pass  # absent or unreadable: hash again
        content = hashlib.sha256()
        for photo in self.photos:
            try:
                digest = files.sha256(self.root / photo)
            except OSError as error:
                raise TaggingError(f"{self.root}/{photo} cannot be read ({error.strerror}): restore it") from error
            content.update(photo.encode() + b"\0" + bytes.fromhex(digest))
        with suppress(TaggingError, OSError):  # beside a read-only corpus nothing is kept: it is hashed anew each time
            files.write_sealed(store, {"listing": listing.hexdigest(), "photos": content.hexdigest()})
        return content.hexdigest()


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
        raise TaggingError("no corpus is given: give sample, mirflickr25k, a folder or zips")
    for part in paths:
        if not part.exists():
            raise TaggingError(f"corpus {part} does not exist: give sample, mirflickr25k, a folder or zips")
    if len(paths) == 1 and paths[0].is_dir():
        return paths[0].resolve()
    for part in paths:
        if part.suffix.lower() != ".zip":
            raise TaggingError(f"corpus {part} is neither a folder nor a zip: give one folder, or one or more zips")
    folder = archives.unpack(paths, data_dir / f"{paths[0].stem}-{archives.digest(paths)}")
    return _descend(folder)


def _descend(folder: Path) -> Path:
    """The folder itself, or the only one in it (zips often wrap everything in one)."""
    inside = [entry for entry in folder.iterdir() if not entry.name.startswith(".")]
    if len(inside) == 1 and inside[0].is_dir() and inside[0].name not in ("images", "annotations"):
        return inside[0]
    return folder


def read(root: Path, name: str | None = None) -> Corpus:
    """The corpus in a folder with all its problems, fatal ones included.

    Raises:
        TaggingError: it has no photos, or neither annotations nor a CSV.
    """
    if (root / "annotations").is_dir():
        return Corpus(name or root.name, root, *read_label_files(root))
    table = find_table(root)
    if table is None:
        raise TaggingError(f"{root} holds neither annotations/<label>.txt nor a CSV of columns photo,labels: add one")
    return Corpus(name or root.name, root, *read_table(root, table))


def without_broken(corpus: Corpus, *, data_dir: Path) -> Corpus:
    """The corpus without the photos that cannot be decoded, which are added to its problems.

    Which they are is kept in `data_dir/cache`, so that the photos are tried once.

    Raises:
        TaggingError: no photo is left.
    """
    unreadable = {row: "cannot be read" for row in range(len(corpus)) if not os.access(corpus.path(row), os.R_OK)}
    corpus = _without(corpus, unreadable)
    note = data_dir / "cache" / f"{corpus.name}-{corpus.fingerprint}.broken.json"
    try:
        found = {int(row): str(what) for row, what in files.read_sealed(note)["broken"]}
    except (OSError, TaggingError, KeyError):
        from tagging_lib.data import pixels

        found = dict(pixels.undecodable(corpus))
        files.write_sealed(note, {"broken": list(found.items())})
    return _without(corpus, found)


def _without(corpus: Corpus, broken: dict[int, str]) -> Corpus:
    if not broken:
        return corpus
    kept = np.array([row for row in range(len(corpus)) if row not in broken], dtype=np.int64)
    if len(kept) == 0:
        raise TaggingError(f"{corpus.root}: no photo can be read, first {corpus.photos[0]}, which {broken[0]}")
    added = [Problem(corpus.photos[row], what, "replace or remove it", True, broken=True) for row, what in broken.items()]
    return replace(
        corpus,
        photos=tuple(corpus.photos[row] for row in kept),
        numbers=corpus.numbers[kept],
        targets=corpus.targets[kept],
        problems=(*corpus.problems, *added),
    )


def open_photos(
    path: str | Path | Sequence[str | Path], *, data_dir: Path = Path("data"), skip_broken: bool = False
) -> Corpus:
    """Photos without labels (L = 0): a folder or zip of any Pillow format, with or without `images/`, in natural order.

    Their numbers are the N of `im<N>` where each photo has its own, otherwise 1, 2, 3 …

    Raises:
        TaggingError: there are no photos.
    """
    root = locate(path, Path(data_dir))
    names = photos_below(root)
    if not names:
        raise TaggingError(f"{root} holds no photos: give a folder or zip of photos (jpg, png, webp, tif …)")
    matches = [NUMBERED.fullmatch(Path(name).stem) for name in names]
    numbers = [int(match[1]) for match in matches if match]
    if len(set(numbers)) < len(names):
        numbers = list(range(1, len(names) + 1))
    targets = np.zeros((len(names), 0), dtype=np.uint8)
    corpus = Corpus(root.name, root, (), tuple(names), np.array(numbers, dtype=np.int64), targets)
    return without_broken(corpus, data_dir=Path(data_dir)) if skip_broken else corpus


def check(
    path: str | Path | Sequence[str | Path], *, data_dir: Path = Path("data"), skip_broken: bool = False
) -> list[Problem]:
    """Every problem of a corpus; each photo is decoded. With `skip_broken` broken photos are left out and stop nothing.

    Raises:
        TaggingError: there is no corpus to check.
    """
    from tagging_lib.data import pixels

    corpus = read(locate(path, Path(data_dir)))
    broken = [
        Problem(corpus.photos[row], what, "replace or remove it", True, broken=True)
        for row, what in pixels.undecodable(corpus)
    ]
    found = [*corpus.problems, *broken]
    if not skip_broken:
        return found
    return [replace(p, fatal=False, fix="it is left out") if p.broken else p for p in found]
