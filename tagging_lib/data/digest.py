"""A digest over the bytes of a corpus' photos, kept beside its folder so that they are read once."""

from __future__ import annotations

import hashlib
import os
import stat as stat_module
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from tagging_lib import files
from tagging_lib.errors import TaggingError


def of_photos(root: Path, photos: Sequence[str]) -> str:
    """64 hexadecimal digits that change with any photo's name or bytes, kept under names, sizes and times.

    Raises:
        TaggingError: a photo cannot be read.
    """
    listing = hashlib.sha256()
    for photo in photos:
        try:
            stat = os.stat(f"{root}/{photo}")
        except OSError as error:
            raise TaggingError(f"{root}/{photo} cannot be read ({error.strerror}): restore it") from error
        if not stat_module.S_ISREG(stat.st_mode):
            raise TaggingError(f"{root}/{photo} is no file: replace or remove it")
        listing.update(f"{photo}\0{stat.st_size}\0{stat.st_mtime_ns}\n".encode())
    store = root.parent / f".{root.name}.digest.json"
    try:
        known = files.read_sealed(store)
        if known["listing"] == listing.hexdigest():
            return known["photos"]
    except (OSError, TaggingError, KeyError):
        pass  # absent or unreadable: hash again
    content = hashlib.sha256()
    for photo in photos:
        try:
            digest = files.sha256(root / photo)
        except OSError as error:
            raise TaggingError(f"{root}/{photo} cannot be read ({error.strerror}): restore it") from error
        content.update(photo.encode() + b"\0" + bytes.fromhex(digest))
    with suppress(TaggingError, OSError):  # beside a read-only corpus nothing is kept: it is hashed anew each time
        files.write_sealed(store, {"listing": listing.hexdigest(), "photos": content.hexdigest()})
    return content.hexdigest()
