"""MIRFLICKR-25000 from its publisher, brought into the form that the course used.

M. J. Huiskes, M. S. Lew: The MIR Flickr Retrieval Evaluation, ACM MIR 2008. The annotations whose names end in `_r1` are
the strict ones: the label is a prominent part of the photo.
"""

from __future__ import annotations

import hashlib
import http.client
import logging
import re
import time
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath

from tagging_lib import files
from tagging_lib.errors import TaggingError
from tagging_lib.progress import progress

logger = logging.getLogger(__name__)
PUBLISHER = "https://press.liacs.nl/mirflickr/mirflickr25k.v3b"
PHOTOS, ANNOTATIONS = "mirflickr25k.zip", "mirflickr25k_annotations_v080.zip"
PHOTOS_MD5 = "a23d0a8564ee84cda5622a6c2f947785"  # the publisher gives none for the annotations; their zip has its own CRCs
STUDY_PHOTOS = 20_000  # the photos after these are the course's official test photos
SIDE = 128  # pixels
STRICT = re.compile(r"(.+)_r1\.txt$")
PHOTO = re.compile(r"im(\d+)\.jpe?g$", re.IGNORECASE)
MAX_PHOTO_BYTES = 64 << 20
CHUNK = 1 << 20  # bytes
ATTEMPTS = 5  # in a row that bring nothing new
TIMEOUT = 60  # seconds without a byte


class _Interrupted(Exception):
    """The connection failed or broke; what arrived is kept."""


def prepare(
    data_dir: Path,
    *,
    base_url: str = PUBLISHER,
    photos_md5: str = PHOTOS_MD5,
    study_photos: int = STUDY_PHOTOS,
    pause: float = 1.0,
) -> Path:
    """The study's folder corpus `data_dir/mirflickr25k`: photos 1–20,000; the rest lies in `mirflickr25k-test`, labelled too.

    Each photo is its central square at 128 px. The two archives (3.1 GB) are downloaded into `data_dir/downloads` unless
    they lie there; an interrupted download continues where it stopped. `pause` is the first wait in seconds before
    another attempt.

    Raises:
        TaggingError: the publisher is out of reach, or an archive is not what was published.
    """
    data_dir = Path(data_dir)
    study, test = data_dir / "mirflickr25k", data_dir / "mirflickr25k-test"
    if study.is_dir() and test.is_dir():
        return study
    downloads = data_dir / "downloads"
    annotations = download(f"{base_url}/{ANNOTATIONS}", downloads / ANNOTATIONS, pause=pause)
    photos = download(f"{base_url}/{PHOTOS}", downloads / PHOTOS, md5=photos_md5, pause=pause)
    members = _photo_members(photos)
    labels = _strict_labels(annotations, known=members.keys())
    for folder, wanted in (
        (test, {n: m for n, m in members.items() if n > study_photos}),
        (study, {n: m for n, m in members.items() if n <= study_photos}),
    ):
        if not folder.is_dir():
            _build(folder, photos, wanted, labels)
    return study


def download(url: str, target: Path, *, md5: str | None = None, pause: float = 1.0) -> Path:
    """Fetch a zip to `target` unless it is there; bytes wait in `<target>.part`, from which the next attempt continues.

    Raises:
        TaggingError: out of reach, refused, or the file's checksum is not `md5` (it is deleted then).
    """
    by_hand = f"run the same command again to continue, or put {target.name} into {target.parent} yourself"
    if not target.exists():
        files.make_folder(target.parent)
        part = target.with_name(target.name + ".part")
        failures = 0
        while True:
            before = _size(part)
            try:
                _fetch(url, part)
                break
            except _Interrupted as error:
                failures = 0 if _size(part) > before else failures + 1
                if failures == ATTEMPTS:
                    raise TaggingError(f"{url} broke off at {_size(part):,} bytes ({error}): {by_hand}") from error
                logger.warning("%s: %s; continuing at %d bytes", target.name, error, _size(part))
                time.sleep(min(30.0, pause * 2**failures))
            except urllib.error.HTTPError as error:
                raise TaggingError(f"{url} answers {error.code} {error.reason}: {by_hand}") from error
        # Before it gets its name: whatever lies under that is whole, even when the process is killed here.
        _verify(part, md5, url, by_hand)
        part.replace(target)
    elif md5 is not None:
        _verify(target, md5, url, by_hand)
    return target


def _verify(path: Path, md5: str | None, url: str, by_hand: str) -> None:
    """Delete a file that is not the published one; without a published checksum, one whose own checksums do not fit."""
    if md5 is not None:
        with open(path, "rb") as stream:
            found = hashlib.file_digest(stream, "md5").hexdigest()
        if found != md5:
            path.unlink()
            raise TaggingError(f"{path} has MD5 {found}, published is {md5}; it is deleted: run the same command again")
    try:
        with zipfile.ZipFile(path) as archive:
            # Where the whole is known to be right, its members are.
            damaged = archive.testzip() if md5 is None else None
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, OSError, ValueError) as error:
        path.unlink()
        raise TaggingError(f"{url} brought no zip ({error}); it is deleted: {by_hand}") from error
    if damaged is not None:
        path.unlink()
        raise TaggingError(f"{url} brought a zip in which {damaged!r} is damaged; it is deleted: {by_hand}")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _fetch(url: str, part: Path) -> None:
    """Append to `part` what it lacks; returns when it is whole."""
    have = _size(part)
    # Compressed transfer would make the byte positions meaningless.
    headers = {"User-Agent": "tagging-lib", "Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    try:
        response = urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code == 416 and error.headers.get("Content-Range", "") == f"bytes */{have}":
            return  # nothing is missing: the last attempt ended between the last byte and the renaming
        if error.code == 416:
            part.unlink()
            raise _Interrupted("what was there does not belong to this file, starting over") from error
        if error.code >= 500 or error.code == 429:
            raise _Interrupted(f"{error.code} {error.reason}") from error
        raise
    except (OSError, http.client.HTTPException) as error:
        raise _Interrupted(str(getattr(error, "reason", error)) or type(error).__name__) from error
    with response:
        continued = response.status == 206 and response.headers.get("Content-Range", "").startswith(f"bytes {have}-")
        start = have if continued else 0  # a server without ranges sends the whole file again
        length = response.headers.get("Content-Length")
        total = start + int(length) if length else None
        if not have:
            logger.info("downloading %s%s", url, f", {total / 1e6:.1f} MB" if total else "")
        steps = -(-int(length) // CHUNK) if length else None
        with open(part, "ab" if continued else "wb") as stream:
            for chunk in progress(_chunks(response), f"{part.stem} (MiB)", total=steps):
                stream.write(chunk)
    if total is not None and _size(part) < total:
        raise _Interrupted(f"the connection closed with {total - _size(part):,} bytes missing")


def _chunks(response: http.client.HTTPResponse) -> Iterator[bytes]:
    while True:
        try:
            chunk = response.read(CHUNK)
        except (OSError, http.client.HTTPException) as error:
            raise _Interrupted(str(error) or type(error).__name__) from error
        if not chunk:
            return
        yield chunk


def _photo_members(archive: Path) -> dict[int, str]:
    """Name in the archive of each photo, by its number, ascending."""
    found = {}
    with zipfile.ZipFile(archive) as opened:
        for member in opened.infolist():
            match = PHOTO.fullmatch(PurePosixPath(member.filename).name)
            if match and "__MACOSX" not in member.filename:
                if member.file_size > MAX_PHOTO_BYTES:
                    raise TaggingError(f"{archive}: {member.filename} is too large for a photo: download the archive again")
                found[int(match[1])] = member.filename
    if not found:
        raise TaggingError(f"{archive} holds no photos im<N>.jpg: delete it and run the same command again")
    return dict(sorted(found.items()))


def _strict_labels(archive: Path, known) -> dict[str, list[int]]:
    """Photo numbers of each label, ascending, from the `_r1` annotations."""
    labels: dict[str, list[int]] = {}
    try:
        with zipfile.ZipFile(archive) as opened:
            for name in sorted(opened.namelist()):
                match = STRICT.fullmatch(PurePosixPath(name).name)
                if not match or "__MACOSX" in name:
                    continue
                numbers = set()
                for line, entry in enumerate(opened.read(name).decode("utf-8-sig").split("\n"), start=1):
                    entry = entry.strip()
                    if entry and not (entry.isdecimal() and int(entry) in known):
                        raise TaggingError(f"{archive}: {name} line {line}: {entry[:40]!r} is no photo: download it again")
                    if entry:
                        numbers.add(int(entry))
                labels[match[1]] = sorted(numbers)
    except (zipfile.BadZipFile, zlib.error, UnicodeDecodeError) as error:
        raise TaggingError(f"{archive} is damaged ({error}): delete it and run the same command again") from error
    if not labels:
        raise TaggingError(f"{archive} holds no <label>_r1.txt: delete it and run the same command again")
    return labels


def _build(folder: Path, archive: Path, members: dict[int, str], labels: dict[str, list[int]]) -> None:
    """Write a folder corpus; it appears whole or not at all."""
    with files.replacing_folder(folder, keep=True) as building:
        (building / "images").mkdir()
        (building / "annotations").mkdir()
        with zipfile.ZipFile(archive) as opened, ThreadPoolExecutor() as pool:
            jobs = pool.map(lambda item: _shrink(opened, item[1], building / "images" / f"im{item[0]}.jpg"), members.items())
            for _ in progress(jobs, f"{folder.name}: photos", total=len(members)):
                pass
        for label, numbers in labels.items():
            text = "".join(f"{number}\n" for number in numbers if number in members)
            (building / "annotations" / f"{label}.txt").write_text(text, encoding="utf-8")


def _shrink(archive: zipfile.ZipFile, member: str, target: Path) -> None:
    from PIL import Image

    from tagging_lib.data import decoding

    raw = target.with_name(target.name + ".original")
    try:
        raw.write_bytes(archive.read(member))
        # Quality 95 without chroma subsampling is invisible at this size and a quarter of a PNG.
        Image.fromarray(decoding.decode(raw, SIDE)).save(target, "JPEG", quality=95, subsampling=0)
    except (zipfile.BadZipFile, zlib.error) as error:
        raise TaggingError(f"{archive.filename}: {member} is damaged ({error}): delete it and run again") from error
    finally:
        raw.unlink(missing_ok=True)
