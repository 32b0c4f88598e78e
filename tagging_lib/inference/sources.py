"""What a user gives as photos: folders, zips, single files, manifests and tar files, each as a stream of photos.

Nothing here holds a list of all photos. A folder's names are held folder by folder, a zip is unpacked and is a folder then.
"""

from __future__ import annotations

import logging
import os
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from tagging_lib.data.corpus import open_photos
from tagging_lib.data.locate import locate
from tagging_lib.data.readers.photos import SUFFIXES, UNREAD, leads_back, natural, suffix_of, unread_below
from tagging_lib.errors import TaggingError
from tagging_lib.inference import manifests, places
from tagging_lib.inference.places import Photo

logger = logging.getLogger(__name__)
KINDS = "give folders or zips of photos, photos, a manifest (txt, csv, jsonl, parquet) or tar files"
CONVERT = "convert them to JPEG or TIFF to have them tagged"
BLOCK = 512  # bytes of a tar file's head, and of what it is padded to
MAGIC = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"\x28\xb5\x2f\xfd": "zstandard"}


@dataclass(frozen=True)
class Source:
    """Photos that belong together.

    Attributes:
        given: as the user wrote it; the first of several that belong together.
        name: short, for a folder of answers.
        kind: folder, zip, files, manifest or tar.
        photos: lists them in their order, each time anew.
        root: the folder that the names start from; None where photos have no common one.
    """

    given: str
    name: str
    kind: str
    photos: Callable[[], Iterator[Photo]]
    root: Path | None = None


def open_sources(given: Sequence[str | Path], data_dir: Path = Path("data")) -> list[Source]:
    """The sources that paths and URLs mean: one for each folder, zip and manifest, one for all tar files, one for all photos.

    What a path is says its content where it has one that tells, else its suffix.

    Raises:
        TaggingError: nothing is there, or nothing that can be read; the message names it.
    """
    found: list[Source] = []
    together: dict[str, list[str]] = {"tar": [], "files": []}
    for each in given:
        place = each if isinstance(each, str) and places.is_url(each) else os.path.expanduser(each)
        kind = kind_of(place)
        if kind in together:
            if not together[kind]:
                found.append(Source("", "", kind, lambda: iter(())))  # in its place among the others, filled in below
            together[kind].append(place)
        elif kind == "tars":
            inside = sorted((name for name in os.listdir(place) if suffix_of(name) == ".tar"), key=natural)
            found.append(_tars([os.path.join(place, name) for name in inside], _name(place)))
        elif kind == "manifest":
            found.append(Source(place, _name(place), kind, lambda place=place: manifests.photos(place)))  # type: ignore[misc]
        else:
            found.append(_folder(Path(place), kind, data_dir))
    return [_together(source.kind, together[source.kind]) if source.name == "" else source for source in found]


def kind_of(place: str) -> str:
    """folder, tars (a folder of them), zip, tar, manifest or files.

    Raises:
        TaggingError: nothing is there, or nothing that is read here.
    """
    suffix = suffix_of(place)
    if not places.is_url(place):
        if os.path.isdir(place):
            return "tars" if _holds_tars(place) else "folder"
        if not os.path.exists(place):
            raise TaggingError(f"{place} does not exist: {KINDS}")
        if not stat.S_ISREG(os.stat(place).st_mode):
            raise TaggingError(f"{place} is neither a file nor a folder: {KINDS}")
    if suffix in SUFFIXES:
        return "files"
    if suffix in UNREAD:
        raise TaggingError(f"{place} is a photo of a format that is not read ({suffix}): convert it to JPEG or TIFF")
    begins = places.head(place, BLOCK)
    for magic, name in MAGIC.items():
        if begins.startswith(magic):
            raise TaggingError(f"{place} is compressed ({name}): unpack it, and give the tar or the folder that comes out")
    if begins[257:262] == b"ustar" or (suffix == ".tar" and begins):
        return "tar"
    if suffix == ".zip" or (begins.startswith(b"PK") and not places.is_url(place) and zipfile.is_zipfile(place)):
        if places.is_url(place):
            raise TaggingError(f"{place} is a zip behind a URL: download it, or list its photos in a manifest")
        return "zip"
    if suffix in manifests.SUFFIXES or begins.startswith(b"PAR1") or _is_text(begins):
        return "manifest"
    raise TaggingError(f"{place} holds no photos and no list of photos: {KINDS}")


def walk(root: Path) -> Iterator[str]:
    """The photos of `readers.photos.photos_below` in the same order, of which one folder's names are held at a time."""

    def below(start: str) -> Iterator[str]:
        try:
            with os.scandir(root / start) as listed:
                entries = [(f"{entry.name}/" if entry.is_dir() else entry.name, entry.is_symlink()) for entry in listed]
        except OSError as error:
            raise TaggingError(f"{root / start} cannot be read ({error.strerror}): make it readable") from error
        # With its "/" a folder's name sorts as the paths of all photos in it do, since no other name begins alike.
        for name, linked in sorted(entries, key=lambda entry: natural(entry[0])):
            if name[0] == "." or name == "__MACOSX/":
                continue
            if name[-1] != "/":
                if suffix_of(name) in SUFFIXES:
                    yield start + name
            elif not (linked and leads_back(os.path.join(root, start), name[:-1])):
                yield from below(start + name)

    yield from below("")


def _folder(path: Path, kind: str, data_dir: Path) -> Source:
    root = locate(path, data_dir)
    if next(walk(root), None) is None:
        open_photos(root)  # says what is there instead
    if unread := unread_below(root):
        logger.warning("%s: %s: %s", root, unread, CONVERT)

    def photos() -> Iterator[Photo]:
        start = f"{root}/"
        for name in walk(root):
            yield Photo(name, start + name)

    return Source(str(path), root.name, kind, photos, root)


def _together(kind: str, given: list[str]) -> Source:
    if kind == "tar":
        return _tars(given, _name(given[0]) if len(given) == 1 else "tars")
    return Source(given[0], "photos", kind, lambda: (Photo(place, place) for place in given))


def _tars(given: list[str], name: str) -> Source:
    told: set[str] = set()

    def photos() -> Iterator[Photo]:
        for place in given:
            start = f"{_name(place)}/" if len(given) > 1 else ""
            unread: list[str] = []
            yield from _members(place, start, unread)
            if unread and place not in told:
                logger.warning("%s: %d photos of formats that are not read, first %r: %s", place, len(unread), unread[0], CONVERT)
                told.add(place)

    return Source(given[0], name, "tar", photos)


def _members(place: str, start: str, unread: list[str]) -> Iterator[Photo]:
    """The photos in a tar file; `start` comes before their names. `unread` gets those of formats that are not read."""
    damaged = f"{place} is a damaged tar file"
    with places.opened(place) as stream:
        try:
            with tarfile.open(fileobj=stream, mode="r:") as archive:
                while (member := archive.next()) is not None:
                    archive.members.clear()  # type: ignore[attr-defined]  # else the list of a million members would be held
                    suffix = suffix_of(member.name)
                    if suffix not in SUFFIXES | UNREAD or any(part[:1] == "." for part in PurePosixPath(member.name).parts):
                        continue
                    if suffix in UNREAD:
                        unread.append(member.name)
                    elif member.isreg() and not member.issparse():
                        yield Photo(start + member.name, place, member.offset_data, member.size)
                stream.seek(archive.offset)
                # tarfile takes a head that it cannot read for the end.
                if any(stream.read(BLOCK)):
                    raise TaggingError(f"{damaged} (behind byte {archive.offset}): copy it again")
        except (tarfile.TarError, OSError, ValueError, EOFError) as error:
            raise TaggingError(f"{damaged} ({places.told(error)}): copy it again") from error


def _holds_tars(folder: str) -> bool:
    """Whether it is tar files, and no photos, that lie in the folder."""
    tars = False
    with os.scandir(folder) as listed:
        for entry in listed:
            tars |= suffix_of(entry.name) == ".tar"
    return tars and next(walk(Path(folder)), None) is None


def _is_text(begins: bytes) -> bool:
    try:
        begins.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(begins) - 3:  # else a letter that the block cuts in two
            return False
    return bool(begins.strip()) and b"\0" not in begins


def _name(place: str) -> str:
    return PurePosixPath(place.rstrip("/").replace("\\", "/")).stem or "photos"
