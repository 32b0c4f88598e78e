"""Where a photo lies that is to be tagged: a file, a part of a tar file, or behind a URL that fsspec opens."""

from __future__ import annotations

import io
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

from tagging_lib.data.decoding import BrokenPhotoError
from tagging_lib.data.readers.photos import UNREAD, suffix_of
from tagging_lib.errors import TaggingError

MOST_BYTES = 1 << 29  # of a photo that is read whole before it is decoded


@dataclass(frozen=True, slots=True)
class Photo:
    """One photo.

    Attributes:
        name: as the answers call it.
        place: a path, or a URL of fsspec.
        start, size: of a part of the file at that place, in bytes; -1 where the photo is the whole file.
    """

    name: str
    place: str
    start: int = -1
    size: int = -1

    def __str__(self) -> str:
        return self.place if self.start < 0 else f"{self.place}: {self.name}"

    def source(self) -> Path | Photo:
        """What `decoding.decode` takes.

        Raises:
            BrokenPhotoError: see `read`.
        """
        plain = self.start < 0 and not is_url(self.place) and suffix_of(self.place) not in UNREAD
        return Path(self.place) if plain else self

    def read(self) -> bytes:
        """The bytes of its file.

        Raises:
            BrokenPhotoError: it is of a format that is not read, too large, or out of reach.
        """
        if (suffix := suffix_of(self.name)) in UNREAD:
            raise BrokenPhotoError(f"is of a format that is not read here ({suffix}): convert it to JPEG or TIFF")
        try:
            with opened(self.place) as stream:
                if self.start >= 0:
                    stream.seek(self.start)
                wanted = MOST_BYTES + 1 if self.start < 0 else min(self.size, MOST_BYTES + 1)
                content = stream.read(wanted)
        except TaggingError as error:
            raise BrokenPhotoError(f"is out of reach ({error})") from error
        except Exception as error:  # each of fsspec's file systems has exceptions of its own
            raise BrokenPhotoError(f"cannot be read ({told(error)})") from error
        if len(content) > MOST_BYTES:
            raise BrokenPhotoError(f"takes more than {MOST_BYTES >> 20} MiB")
        if self.start >= 0 and len(content) < self.size:
            raise BrokenPhotoError("is cut off at the end of its file")
        return content

    @property
    def state(self) -> str:
        """Size and time of its file, which change when it is replaced; empty behind a URL, or where there is no file."""
        if not is_url(self.place):
            with suppress(OSError):
                found = os.stat(self.place)
                return f"{found.st_size} {found.st_mtime_ns}"
        return ""


def is_url(place: str) -> bool:
    """Whether the place is a URL of fsspec rather than a path."""
    return "://" in place


def opened(place: str) -> BinaryIO:
    """The file there, to read from.

    Raises:
        TaggingError: nothing can be opened there; the message names it.
    """
    try:
        if not is_url(place):
            return open(place, "rb")
        filesystem, path = _filesystem(place)
        return cast(BinaryIO, filesystem.open(path, "rb"))
    except TaggingError:
        raise
    except FileNotFoundError as error:
        raise TaggingError(f"{place} does not exist: check the path") from error
    except Exception as error:  # each of fsspec's file systems has exceptions of its own
        raise TaggingError(f"{place} cannot be read ({told(error)}): check the path and its permissions") from error


def head(place: str, size: int) -> bytes:
    """The first bytes of the file there.

    Raises:
        TaggingError: as `opened`.
    """
    with opened(place) as stream:
        return stream.read(size)


def beside(manifest: str, written: str) -> str:
    """The place that a path means which is written in a manifest: relative to it, absolute, or a URL."""
    if is_url(written) or os.path.isabs(written):
        return written
    above = manifest.rpartition("/")[0] if is_url(manifest) else os.path.dirname(os.path.abspath(manifest))
    return f"{above}/{written}"


def text_of(stream: BinaryIO) -> io.TextIOWrapper:
    """The stream as UTF-8, without the mark that Excel puts in front, line ends as they are."""
    return io.TextIOWrapper(stream, encoding="utf-8-sig", newline="")


def told(error: BaseException) -> str:
    """What an exception says, in one short line."""
    text = " ".join(str(getattr(error, "strerror", None) or error or type(error).__name__).split())
    return text if len(text) <= 120 else text[:120] + " …"


def _filesystem(url: str) -> tuple[Any, str]:
    import fsspec

    try:
        return fsspec.core.url_to_fs(url)
    except ImportError as error:
        raise TaggingError(f"{url} needs a package that is not installed ({told(error)})") from error
    except ValueError as error:  # a protocol that nobody knows
        raise TaggingError(f"{url}: {told(error)}: give a path, or a URL that fsspec knows") from error
