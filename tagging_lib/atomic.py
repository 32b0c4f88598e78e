"""Files and folders that are either the old one or the new one, whole, whenever the process is killed.

What is written lies in a hidden folder beside its target until it is flushed, and is renamed then. The hidden folder is
locked while its writer lives; what a killed writer left is removed by the next one in the same folder.
"""

from __future__ import annotations

import ctypes
import errno
import hashlib
import logging
import os
import platform
import re
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tagging_lib.errors import TaggingError

try:
    import fcntl
except ImportError:  # Windows: no locks, so that leftovers stay and two processes may do the same work twice
    fcntl = None  # type: ignore[assignment]

logger = logging.getLogger(__name__)
REMEDIES = {
    errno.ENOSPC: "make room on that disk, or choose another folder",
    errno.EDQUOT: "make room in your quota, or choose another folder",
    errno.EFBIG: "raise the limit on file sizes (ulimit -f), or choose another folder",
    errno.EROFS: "the disk is read-only: choose another folder",
    errno.EACCES: "make it writable, or choose another folder",
    errno.EPERM: "make it writable, or choose another folder",
    errno.EIO: "check the disk",
}
WRITING = ".writing-"
MACHINE = hashlib.sha256(platform.node().encode()).hexdigest()[:8]
LEFTOVER = re.compile(r"\..+" + re.escape(WRITING) + r"(?:(?P<machine>[0-9a-f]{8})-)?\w{8}")
ABANDONED = 7 * 24 * 3600.0  # seconds after which another machine's leftovers have no writer any more
REMINDER = 60.0  # seconds
AT_FDCWD, RENAME_EXCHANGE = -100, 2  # linux/fcntl.h, linux/fs.h


@contextmanager
def _beside(path: Path) -> Iterator[Path]:
    """An empty folder beside `path` to build in, locked while it lasts and gone afterwards; storage errors become ours."""
    building, lock = None, -1
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep(path)
        building, lock = _building(path)
        yield building
    except Exception as error:
        told = storage_error(error, path)
        if told is None:
            raise
        raise told from error
    finally:
        if building is not None:
            shutil.rmtree(building, ignore_errors=True)
        if lock >= 0:
            os.close(lock)


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path with the target's name; on success flush it to disk and rename it over `path`.

    Raises:
        TaggingError: the disk is full, read-only or out of reach; the old file stays, and nothing partial.
    """
    path = Path(path)
    with _beside(path) as building:
        temporary = building / path.name
        yield temporary
        # Some writers make private files; what the study writes is as readable as anything else the user writes.
        temporary.chmod(_usual_mode(building))
        _flush(temporary)
        os.replace(temporary, path)
        _flush(path.parent)


@contextmanager
def replacing_folder(path: Path, *, keep: bool = False) -> Iterator[Path]:
    """Yield a temporary folder; on success flush it to disk and put it in the place of `path`.

    With `keep` a folder that is there by then stays: another process was faster, with the same content.

    Raises:
        TaggingError: the disk is full, read-only or out of reach; the old folder stays, and nothing partial.
    """
    with _beside(path) as building:
        inside = building / path.name
        inside.mkdir()
        yield inside
        if hasattr(os, "sync"):
            os.sync()  # one flush for all files: the name must not outlive a power cut that the content did not
        if not (keep and path.exists()):
            _put_in_place(inside, path)


def _put_in_place(new: Path, path: Path) -> None:
    """Rename `new` to `path`; where an old folder is, the two change places in one step if the system can do that."""
    if not path.exists():
        new.rename(path)
        return
    with suppress(AttributeError, OSError):
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.renameat2(AT_FDCWD, os.fsencode(new), AT_FDCWD, os.fsencode(path), RENAME_EXCHANGE) == 0:
            return
    aside = new.with_name(new.name + ".old")
    path.rename(aside)
    try:
        new.rename(path)
    except OSError:
        aside.rename(path)
        raise


def make_folder(path: Path) -> None:
    """Make the folder and those above it, where they are not there yet.

    Raises:
        TaggingError: the disk is full, read-only or out of reach.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        told = storage_error(error, path)
        if told is None:
            raise
        raise told from error


def storage_error(error: BaseException, path: str | Path | None = None) -> TaggingError | None:
    """One line for an error of the disk (full, read-only, no permission …); None for any other error."""
    number = error.errno if isinstance(error, OSError) else None
    # Rust libraries such as safetensors have exceptions of their own, with the system's number in their text.
    if number is None and (told := re.search(r"os error (\d+)|code: (\d+)", str(error))):
        number = int(told[1] or told[2])
    if number not in REMEDIES:
        return None
    where = path if path is not None else getattr(error, "filename", None) or "a file"
    return TaggingError(f"{where} cannot be written ({os.strerror(number)}): {REMEDIES[number]}")


def _usual_mode(folder: Path) -> int:
    """The mode of a file that this process makes there; asking for the umask would set it for all threads meanwhile."""
    probe = folder / ".mode"
    descriptor = os.open(probe, os.O_CREAT | os.O_WRONLY, 0o666)
    try:
        return stat.S_IMODE(os.fstat(descriptor).st_mode)
    finally:
        os.close(descriptor)
        probe.unlink()


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EBADF, errno.EACCES):  # not every file system flushes a folder
            raise
    finally:
        os.close(descriptor)


def _building(path: Path) -> tuple[Path, int]:
    """A new hidden folder beside the target, and its lock: some writers (safetensors) make temporary files of their own."""
    while True:
        building = Path(tempfile.mkdtemp(prefix=f".{path.name}{WRITING}{MACHINE}-", dir=path.parent))
        with suppress(FileNotFoundError, BlockingIOError):  # swept away before it was locked: make another
            lock = _lock_folder(building)
            if building.exists():
                return building, lock
            if lock >= 0:
                os.close(lock)


def _lock_folder(folder: Path) -> int:
    """The descriptor of the locked folder, -1 where folders cannot be locked.

    Raises:
        BlockingIOError: another process holds it.
    """
    if fcntl is None:
        return -1
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise
    except OSError:
        os.close(descriptor)
        return -1
    return descriptor


def _sweep(path: Path) -> None:
    """Remove what killed writers left beside the target; a living writer's folder is locked.

    Not every file system tells one machine of another one's locks: what another one writes is left alone for a week.
    """
    for entry in os.scandir(path.parent):
        found = LEFTOVER.fullmatch(entry.name)
        if found and entry.is_dir(follow_symlinks=False):
            with suppress(OSError):
                if found["machine"] not in (None, MACHINE) and time.time() - entry.stat().st_mtime < ABANDONED:
                    continue
                lock = _lock_folder(Path(entry.path))
                if lock >= 0:
                    shutil.rmtree(entry.path, ignore_errors=True)
                    os.close(lock)


@contextmanager
def locked(folder: Path, waiting: str) -> Iterator[None]:
    """Hold the folder for this process alone, which makes it; another process's turn comes when this one is done or dead.

    `waiting` is logged when another process holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if fcntl is None:
        yield
        return
    with open(folder / "lock", "a") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _wait(stream.fileno(), waiting)
        except OSError as error:  # some network file systems know no locks; files are whole all the same
            logger.warning("%s cannot be locked (%s): do not run the same row twice at once", folder, error.strerror)
        yield


def _wait(descriptor: int, waiting: str) -> None:
    """Wait for the lock, and say so from time to time: whoever says nothing for long passes for hanging."""
    told = -REMINDER
    while True:
        if time.monotonic() - told >= REMINDER:
            logger.info("%s", waiting)
            told = time.monotonic()
        with suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        time.sleep(0.1)
