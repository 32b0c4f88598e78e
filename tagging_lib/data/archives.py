"""Zips unpacked once and safely: nothing outside the target folder, nothing partial, no bombs."""

from __future__ import annotations

import hashlib
import logging
import lzma
import re
import shutil
import stat
import struct
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from tagging_lib import files
from tagging_lib.errors import TaggingError

logger = logging.getLogger(__name__)
MAX_MEMBERS = 2_000_000
MAX_UNPACKED_BYTES = 200 * 1024**3
# Photos hardly compress; text compresses about tenfold. A hundredfold is a bomb.
MAX_RATIO = 100
SMALL = 1 << 20  # bytes: below this a member cannot do harm, whatever its ratio
IGNORED = frozenset(("__MACOSX", ".DS_Store", "Thumbs.db"))
DRIVE = re.compile(r"[A-Za-z]:")
DAMAGE = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, RuntimeError, struct.error)


def digest(zips: Sequence[Path]) -> str:
    """12 hexadecimal digits that change with any member's name, size or checksum (read from the zips' index)."""
    hashed = hashlib.sha256()
    for path in zips:
        for member in _members(path):
            hashed.update(f"{member.filename}\0{member.file_size}\0{member.CRC}\n".encode())
    return hashed.hexdigest()[:12]


def unpack(zips: Sequence[Path], into: Path) -> Path:
    """Lay the zips over one another in the new folder `into`, which appears whole or not at all.

    A folder that is already there is complete and is kept.

    Raises:
        TaggingError: a zip is damaged or encrypted, or a member is a link, lies outside the folder, stands twice in one
            zip, or unpacks to far more than it holds, or than the disk can take; the message names zip and member.
    """
    if into.exists():
        return into
    files.make_folder(into.parent)
    needed, free = sum(m.file_size for path in zips for m in _members(path)), shutil.disk_usage(into.parent).free
    if needed > free:
        raise TaggingError(f"{into.parent} has {free >> 20} MiB left, {needed >> 20} are needed to unpack: make room")
    with files.replacing_folder(into, keep=True) as building:
        for path in zips:
            _unpack_one(path, building)
    return into


def _members(path: Path) -> list[zipfile.ZipInfo]:
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.infolist()
    except (*DAMAGE, OSError, ValueError) as error:
        raise TaggingError(f"{path} is not a readable zip ({_short(error)}): download or copy it again") from error


def _short(error: BaseException) -> str:
    """Its text in one line; zipfile quotes whatever stands where a name should."""
    text = " ".join(str(error).split())
    return text if len(text) <= 100 else text[:100] + " …"


def _unpack_one(path: Path, folder: Path) -> None:
    members = [member for member in _members(path) if not IGNORED.intersection(_inside(member).parts)]
    _refuse_hostile(path, members)
    logger.info("unpacking %s: %d files", path.name, len(members))
    with zipfile.ZipFile(path) as archive:
        for member in members:
            if member.is_dir():
                continue
            target = folder / _inside(member)
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(member) as source, open(target, "wb") as stream:
                    shutil.copyfileobj(source, stream, 1 << 20)
            except DAMAGE as error:
                raise TaggingError(f"{path}: {member.filename!r} is damaged ({_short(error)}): download it again") from error
            except OSError as error:  # a file where another member needs a folder, a name too long, a full disk
                raise TaggingError(
                    f"{path}: {member.filename!r} cannot be written ({error.strerror}): unpack it yourself"
                ) from error


def _inside(member: zipfile.ZipInfo) -> PurePosixPath:
    """Where the member goes; some Windows tools write backslashes against the format's rules."""
    return PurePosixPath(member.filename.replace("\\", "/"))


def _refuse_hostile(path: Path, members: list[zipfile.ZipInfo]) -> None:
    if len(members) > MAX_MEMBERS or sum(m.file_size for m in members) > MAX_UNPACKED_BYTES:
        raise TaggingError(f"{path} unpacks to more than this library accepts: unpack it yourself and give the folder")
    # Members that share their compressed bytes (an overlapping bomb) hold more of them together than the file does.
    if sum(m.compress_size for m in members) > path.stat().st_size:
        raise TaggingError(f"{path} holds members that overlap: do not trust this zip")
    if sum(m.file_size for m in members) > MAX_RATIO * path.stat().st_size + SMALL:
        raise TaggingError(f"{path} unpacks to more than {MAX_RATIO} times its size: do not trust this zip")
    seen = set()
    for member in members:
        name = _inside(member)
        where = f"{path}: {member.filename!r}"
        if name.is_absolute() or ".." in name.parts or DRIVE.match(name.as_posix()):
            raise TaggingError(f"{where} lies outside the archive: do not trust this zip")
        kind = stat.S_IFMT(member.external_attr >> 16)
        if kind == stat.S_IFLNK:
            raise TaggingError(f"{where} is a link: do not trust this zip")
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise TaggingError(f"{where} is a device or a pipe: do not trust this zip")
        if member.flag_bits & 1:
            raise TaggingError(f"{where} is encrypted: unpack it yourself and give the folder")
        if member.file_size > SMALL and member.file_size > MAX_RATIO * max(1, member.compress_size):
            raise TaggingError(f"{where} unpacks to {MAX_RATIO} times its size: do not trust this zip")
        if name in seen:
            raise TaggingError(f"{where} stands twice in the zip: remove one of them")
        seen.add(name)
