"""Which photos lie in a folder, and which of them a name means that somebody wrote into a table."""

from __future__ import annotations

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import cached_property
from pathlib import Path, PurePosixPath
from urllib.parse import parse_qs, unquote, urlsplit

from tagging_lib import files

# Pillow reads these by itself, pillow-heif HEIC. PostScript is missing on purpose: it would run Ghostscript on a stranger's file.
# fmt: off
SUFFIXES = frozenset((
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".webp", ".avif", ".gif", ".bmp", ".dib", ".tif", ".tiff",
    ".ppm", ".pgm", ".pbm", ".pnm", ".jp2", ".j2k", ".jpx", ".tga", ".pcx", ".sgi", ".rgb", ".qoi",
    ".dds", ".psd", ".xbm", ".xpm", ".heic", ".heif", ".hif",
))
# Photos too, but not read here: cameras' raw formats, and what no decoder at hand knows.
UNREAD = frozenset((
    ".3fr", ".ari", ".arw", ".cr2", ".cr3", ".crw", ".dcr", ".dcs", ".dng", ".erf", ".fff", ".gpr", ".iiq", ".k25", ".kdc",
    ".mef", ".mos", ".mrw", ".nef", ".nrw", ".orf", ".ori", ".pef", ".ptx", ".raf", ".raw", ".rw2", ".rwl", ".rwz", ".sr2",
    ".srf", ".srw", ".x3f", ".jxl", ".jxr", ".exr", ".hdr", ".eps", ".svg", ".xcf", ".psb", ".djvu",
))
# fmt: on
# 18 digits fit into int64; "[0-9]" because "\d" also means the digits of other scripts.
NUMBERED = re.compile(r"im([0-9]{1,18})")
UPLOAD_PREFIX = re.compile(r"[0-9a-f]{8}-")  # what Label Studio puts before the names of uploaded photos
NUMBER = re.compile(r"[0-9]{1,18}")
OF_NO_ACCOUNT = re.compile(r"\.|__macosx$|thumbs\.db$|desktop\.ini$|(readme|licen[cs]e|copying)\b", re.IGNORECASE)


def of_no_account(name: str) -> bool:
    """Whether a file or folder is hidden, a system's own, or a text about the others.

    >>> [of_no_account(name) for name in ("__MACOSX", "README.roboflow.txt", "labels.csv")]
    [True, True, False]
    """
    return OF_NO_ACCOUNT.match(name) is not None


def only_folder(root: Path) -> Path | None:
    """The folder in which all of this one lies; None where there is something else that counts."""
    inside = [entry for entry in root.iterdir() if not of_no_account(entry.name)]
    return inside[0] if len(inside) == 1 and inside[0].is_dir() else None


def natural(name: str) -> list[tuple[int, int, str]]:
    """A sort key that puts photo 9 before photo 10."""
    return [(0, int(part), part) if NUMBER.fullmatch(part) else (1, 0, part) for part in re.split(r"([0-9]+)", name)]


def files_below(root: Path) -> Iterator[str]:
    """Files in a folder and its subfolders, linked ones too, relative to it with `/`, in no order, without hidden ones."""
    for folder, folders, names in os.walk(root, followlinks=True):
        folders[:] = [
            name for name in folders if not name.startswith(".") and name != "__MACOSX" and not leads_back(folder, name)
        ]
        relative = Path(folder).relative_to(root).as_posix()
        start = "" if relative == "." else f"{relative}/"  # text, because a path for each of a million photos takes its time
        yield from (start + name for name in names if name[0] != ".")


def leads_back(folder: str, name: str) -> bool:
    """Whether an entry of the folder is a link to it, or to one around it."""
    path = os.path.join(folder, name)
    return os.path.islink(path) and Path(path).resolve() in (here := Path(folder).resolve(), *here.parents)


def suffix_of(name: str) -> str:
    """The suffix in lower case, with its dot."""
    return os.path.splitext(name)[1].lower()


def photos_below(root: Path) -> list[str]:
    """Photos in a folder and its subfolders, relative to it with `/`, in natural order, without hidden ones."""
    return sorted((name for name in files_below(root) if suffix_of(name) in SUFFIXES), key=natural)


def unread_below(root: Path) -> str:
    """The photos of formats that are not read here, in words; empty where there are none."""
    found = sorted((name for name in files_below(root) if suffix_of(name) in UNREAD), key=natural)
    if not found:
        return ""
    kinds = ", ".join(f"{count} {suffix}" for suffix, count in Counter(map(suffix_of, found)).most_common())
    return f"photos of formats that are not read: {len(found)} ({kinds}), first {found[0]!r}"


def head_of(path: Path, size: int) -> bytes:
    """The first bytes of a file; none of one that cannot be read."""
    try:
        with open(path, "rb") as stream:
            return stream.read(size)
    except OSError:
        return b""


def composed(name: str) -> str:
    """The name in NFC: some systems and programs write é as one letter, others as two."""
    return unicodedata.normalize("NFC", name)


def parts_elsewhere(written: str) -> list[str]:
    """The folders and the name in an absolute path or an address, of a local storage (`?d=`) too; none of a relative path.

    >>> parts_elsewhere("s3://bucket/1.jpg"), parts_elsewhere("/data/local-files/?d=cats/1.jpg"), parts_elsewhere("cats/1.jpg")
    (['bucket', '1.jpg'], ['cats', '1.jpg'], [])
    """
    written = written.strip().replace("\\", "/")
    address = urlsplit(written) if "://" in written else None
    _, _, query = written.partition("?")
    path = parse_qs(query).get("d", [""])[0] if query else ""
    if path:
        return [part for part in PurePosixPath(path).parts if part != "/"]
    if address is not None:
        return [part for part in (address.netloc, *PurePosixPath(unquote(address.path)).parts) if part not in ("", "/")]
    absolute = written.startswith("/") or re.match("[A-Za-z]:", written)
    return [part for part in PurePosixPath(written).parts if part != "/"] if absolute else []


class PhotoFinder:
    """Finds the photo that a written name means: a path, a unique file name, either without its suffix."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._elsewhere: set[tuple[str, ...]] = set()  # folders of other machines that this one stands for

    @cached_property
    def names(self) -> list[str]:
        """All photos, in natural order."""
        return photos_below(self.root)

    @cached_property
    def _exact(self) -> set[str]:
        return set(self.names)

    @cached_property
    def _folders(self) -> set[str]:
        """Folders that hold photos, at whatever depth."""
        direct = {name.rpartition("/")[0] for name in self.names}
        return {str(above) for folder in direct for above in (PurePosixPath(folder), *PurePosixPath(folder).parents)} - {"."}

    @cached_property
    def _folder_names(self) -> set[str]:
        return {PurePosixPath(folder).name for folder in self._folders}

    @cached_property
    def _ways(self) -> tuple[dict[str, list[str]], ...]:
        """The photos by path, by name, by path without suffix, by name without suffix."""
        ways: tuple[dict[str, list[str]], ...] = ({}, {}, {}, {})
        for name in self.names:
            path = composed(name)
            bare = os.path.splitext(path)[0]
            for way, key in zip(ways, (path, path.rpartition("/")[2], bare, bare.rpartition("/")[2]), strict=True):
                way.setdefault(key, []).append(name)
        return ways

    def find(self, written: str, below: str = "") -> list[str]:
        """The photos that it may mean: one, several, or none.

        Only a bare name is looked for in other folders, and only where the table's own has no photos: cats/1.jpg is not
        dogs/1.jpg, and train/1.jpg not test/1.jpg. `below` is the folder of the table, from which its paths may start.
        """
        raw = str(PurePosixPath(written.strip().replace("\\", "/")))
        starts = [f"{below}/", ""] if below else [""]
        for start in starts:
            if start + raw in self._exact:  # also where two names differ in nothing but their way to write é
                return [start + raw]
        path = composed(raw)
        paths, names, bare_paths, bare_names = self._ways
        for by_path, by_name in ((paths, names), (bare_paths, bare_names)):
            for start in starts:
                if found := by_path.get(composed(start) + path):
                    return found
            if "/" not in path and (found := by_name.get(path)):
                beside = [name for name in found if name.startswith(starts[0])]
                if beside or below not in self._folders:
                    return beside or found
        return []

    def meant(self, written: str, below: str = "") -> list[str]:
        """As `find`; of the absolute path or address of another machine the longest end that is here counts.

        Its bare name alone does only where its folder is not here, and where `learn` has not found out what is.
        """
        if not written.strip() or (found := self.find(written, below)):
            return found if written.strip() else []
        parts = parts_elsewhere(written)
        if known := [place for place in self._elsewhere if tuple(parts[: len(place)]) == place]:
            return self.find("/".join(parts[len(max(known, key=len)) :]), below)
        here = len(parts) > 1 and parts[-2] in self._folder_names
        ends = ["/".join(parts[start:]) for start in range(len(parts) - here)]
        if "upload" in parts:
            ends.append(UPLOAD_PREFIX.sub("", parts[-1], count=1))
        return next(filter(None, (self.find(end, below) for end in ends)), [])

    def learn(self, written: Iterable[str], below: str = "") -> None:
        """Find out from all names of a file which folder of another machine this one is: cats/1.jpg is here or nowhere then."""
        for parts in map(parts_elsewhere, written):
            ends = (start for start in range(len(parts) - 1) if self.find("/".join(parts[start:]), below))
            if (start := next(ends, None)) is not None:
                self._elsewhere.add(tuple(parts[:start]))

    def lies_there(self, written: str, below: str = "") -> Path | None:
        """The entry of this name that is no photo that is read: a folder, a dead link, a raw photo. None where nothing is."""
        raw = PurePosixPath(written.strip().replace("\\", "/"))
        for start in (below, "") if not raw.is_absolute() and ".." not in raw.parts else ():
            path = self.root / start / raw
            if os.path.lexists(path) and suffix_of(path.name) in SUFFIXES | UNREAD:
                return path
        return None

    def hint(self, written: str) -> str:
        """The photo that only another case or suffix keeps from being found, in words; else empty."""
        path = PurePosixPath(composed(written.replace("\\", "/")).lower())
        for name in self.names:
            other = PurePosixPath(composed(name).lower())
            if other.name == path.name or (other.stem == path.stem and path.suffix in SUFFIXES):
                return f" (there is {name!r})"
        return ""


def same_content(root: Path, names: Iterable[str]) -> list[list[str]]:
    """Photos of the same bytes: groups of two or more, in the order of their first."""
    by_size: dict[int, list[str]] = {}
    groups: dict[str, list[str]] = {}
    for name in names:
        with suppress(OSError):  # a photo that cannot be read is named when it is decoded
            by_size.setdefault((root / name).stat().st_size, []).append(name)
    for alike in by_size.values():
        for name in alike if len(alike) > 1 else ():
            with suppress(OSError):
                groups.setdefault(files.sha256(root / name), []).append(name)
    return [group for group in groups.values() if len(group) > 1]
