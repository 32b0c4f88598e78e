"""Bytes read from a photo that promises nothing: where a length lies, the read ends in one kind of error."""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass, field
from typing import BinaryIO

# What a photo's metadata may take at most: the largest seen are some 10 MB, depth maps in XMP among them.
MAX_BLOCK = 32 * 2**20  # bytes in one piece
MAX_BYTES = 2 * MAX_BLOCK  # of one file in all
MAX_PROBLEMS = 10
MAX_READS = 2_000_000  # pieces of one file: 2 s in the worst case


class BrokenError(Exception):
    """What is wrong inside a photo's metadata, without its path."""


class Source:
    """A file, or bytes, read at stated places within bounds."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._reads = self._bytes = 0
        self.size = stream.seek(0, io.SEEK_END)

    @classmethod
    def of(cls, data: bytes) -> Source:
        return cls(io.BytesIO(data))

    def read(self, offset: int, length: int) -> bytes:
        """`length` bytes from `offset` on.

        Raises:
            BrokenError: they are not all there, or are more than a photo's metadata can be.
        """
        self._reads += 1
        if self._reads > MAX_READS:
            raise BrokenError("it has more parts than a photo has")
        if length > MAX_BLOCK:
            raise BrokenError(f"the part at byte {offset} claims {length} bytes, over {MAX_BLOCK}")
        if offset < 0 or length < 0 or offset + length > self.size:
            raise BrokenError(f"the part at byte {offset} goes beyond the end")
        self.spend(length)
        self._stream.seek(offset)
        return self._stream.read(length)

    def spend(self, length: int) -> None:
        """Count bytes that were read, or unpacked from what was read.

        Raises:
            BrokenError: the file has given more than a photo's metadata can be.
        """
        self._bytes += length
        if self._bytes > MAX_BYTES:
            raise BrokenError(f"its metadata takes more than {MAX_BYTES} bytes")

    def numbers(self, offset: int, form: str) -> tuple[int, ...]:
        """The integers of the `struct` format at `offset`.

        Raises:
            BrokenError: as `read`.
        """
        return struct.unpack(form, self.read(offset, struct.calcsize(form)))


@dataclass
class Blocks:
    """What of a photo may hold keywords, as it stands in the file.

    Attributes:
        xmp: XMP packets in the order of the file.
        iptc: IPTC-IIM records.
        xp_keywords: values of Windows' EXIF tag, UTF-16.
        digest: MD5 that Photoshop kept of the IPTC record when it last wrote XMP (image resource 1061); empty: none.
        problems: what could not be read.
    """

    xmp: list[bytes] = field(default_factory=list)
    iptc: list[bytes] = field(default_factory=list)
    xp_keywords: list[bytes] = field(default_factory=list)
    digest: bytes = b""
    problems: list[str] = field(default_factory=list)
    _bytes: int = 0

    def add(self, kind: str, content: bytes) -> None:
        """Keep one more block of the kind (`xmp`, `iptc`, `xp_keywords`).

        Raises:
            BrokenError: together they are more than a photo's metadata can be.
        """
        self._bytes += len(content)
        if self._bytes > MAX_BLOCK:
            raise BrokenError(f"its metadata takes more than {MAX_BLOCK} bytes")
        getattr(self, kind).append(content)

    def report(self, problem: str) -> None:
        """Note what could not be read, once; the first few tell enough."""
        if problem not in self.problems and len(self.problems) < MAX_PROBLEMS:
            self.problems.append(problem)
