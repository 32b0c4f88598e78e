"""Tags into the XMP file beside a photo, where photo managers look for them; the photo itself is never written.

Flat keywords go to `dc:subject`, paths to `lr:hierarchicalSubject` and `digiKam:TagsList`: Lightroom, darktable and Windows
read the first two, digiKam and Immich the last. What a run adds it notes in `tagging:given`, so that a later run takes
away tags of ours only. All other bytes of a file that is there stay as they are.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tagging_lib.data.metadata import xmp
from tagging_lib.data.metadata.blocks import MAX_BLOCK, BrokenError
from tagging_lib.data.metadata.fields import GIVEN, HIERARCHICAL_SUBJECT, LEVELS, SUBJECT, TAGS_LIST
from tagging_lib.data.metadata.keywords import FRACTION_SLASH, read_keywords
from tagging_lib.errors import TaggingError
from tagging_lib.files import replacing, storage_error
from tagging_lib.inference.xmp_edit import Edit, key

FLAT, PATHS, TAGS, NOTE = "dc:subject", "lr:hierarchicalSubject", "digiKam:TagsList", "tagging:given"
# Paths before flat keywords, because a flat one stays while a path needs it.
PROPERTIES = {
    PATHS: HIERARCHICAL_SUBJECT,
    TAGS: TAGS_LIST,
    FLAT: SUBJECT,
    NOTE: GIVEN,
}
NEW = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="w"?>
"""


@dataclass(frozen=True)
class Change:
    """What a run does, or would do, to the XMP file beside a photo.

    Attributes:
        new: the file was not there.
        added: tags that at least one property lacked, as paths (`auto|beach`).
        removed: tags of an earlier run that are not given any more, as paths.
        written: the file's content changes; False leaves its time alone.
    """

    photo: Path
    sidecar: Path
    new: bool
    added: tuple[str, ...]
    removed: tuple[str, ...]
    written: bool

    def __str__(self) -> str:
        told = [*(f"+{tag}" for tag in self.added), *(f"-{tag}" for tag in self.removed)]
        return f"{self.sidecar}: {', '.join(told) or 'unchanged'}{' (new)' if self.new and self.written else ''}"


def write_sidecar(
    photo: Path, tags: Iterable[str], *, prefix: str = "", without_suffix: bool = False, dry_run: bool = False
) -> Change:
    """Write a photo's tags into `photo.jpg.xmp` and say what changed; nothing is written where nothing changes.

    Tags that an earlier run gave and this one does not are taken away; every other tag stays. A tag that is given again comes
    back where somebody took it away by hand. A new file begins with the
    keywords of the photo, and of another XMP file beside it: programs that read the file read it in their place.

    Args:
        tags: `beach`, or a path `nature|beach`, of which the flat field gets the last level.
        prefix: a branch for them (`auto` gives the path `auto|beach`, the flat keyword stays `beach`).
        without_suffix: write `photo.xmp`, as Lightroom does for raw photos.
        dry_run: write nothing.

    Raises:
        TaggingError: the photo is not there; a tag is empty or holds control characters; the file that is there is no XMP or
            cannot be read; it cannot be written. Nothing is written then.
    """
    change, content = _plan(photo, tags, prefix, without_suffix)
    if content is not None and not dry_run:
        _write(change.sidecar, content)
    return change


def write_sidecars(
    photos: Sequence[Path],
    tags: Sequence[Iterable[str]],
    *,
    prefix: str = "",
    without_suffix: bool = False,
    dry_run: bool = False,
    broken: list[str] | None = None,
) -> list[Change]:
    """As `write_sidecar` for each photo with its tags; one change for each XMP file, in the photos' order.

    All files are looked at before the first is written.

    Args:
        broken: gains what is wrong with each file that cannot be changed, which then stays as it is and is in no change.

    Raises:
        TaggingError: as `write_sidecar`, unless there is a `broken`; or two photos share a file (`IMG.jpg` and `IMG.CR2`
            share `IMG.xmp`) and have different tags.
    """
    todo: dict[Path, tuple[Path, list[str]]] = {}
    for photo, given in zip(photos, tags, strict=True):
        sidecar, own = _sidecar(photo, without_suffix), list(given)
        other, theirs = todo.setdefault(sidecar, (photo, own))
        if set(theirs) != set(own):
            raise TaggingError(f"{other} and {photo} share {sidecar.name} but have different tags: leave one of them out")
    changes = []
    for sidecar, (photo, own) in list(todo.items()):
        try:
            changes.append(_plan(photo, own, prefix, without_suffix)[0])
        except TaggingError as error:
            if broken is None:
                raise
            broken.append(str(error))
            del todo[sidecar]
    if dry_run:
        return changes
    return [write_sidecar(photo, own, prefix=prefix, without_suffix=without_suffix) for photo, own in todo.values()]


def _sidecar(photo: Path, without_suffix: bool) -> Path:
    name = photo.stem if without_suffix else photo.name
    places = [photo.with_name(name + suffix) for suffix in (".xmp", ".XMP")]
    return next((place for place in places if place.exists()), places[0])


def _plan(photo: Path, tags: Iterable[str], prefix: str, without_suffix: bool) -> tuple[Change, bytes | None]:
    """The change, and the file's content after it; None where it stays."""
    if not photo.is_file():
        raise TaggingError(f"{photo} is no file: tags are written beside a photo that is there")
    wanted = _wanted(photo, tags, prefix)
    sidecar = _sidecar(photo, without_suffix)
    new = not sidecar.exists()
    if new and not wanted:
        return Change(photo, sidecar, True, (), (), False), None
    try:
        edit = Edit(xmp.parse(NEW.encode() if new else _read(sidecar), PROPERTIES.values()), PROPERTIES)
        found = _own_keywords(photo) if new else {name: edit.values(name) for name in (PATHS, TAGS, FLAT)}
        ours = _by_property(edit.values(NOTE))
        added, removed = _merge(edit, found, ours, wanted, new=new)
        content = edit.result()
    except BrokenError as error:
        raise TaggingError(f"{sidecar}: {error}: restore or remove it; nothing was written") from error
    return Change(photo, sidecar, new, added, removed, content is not None), content


def _wanted(photo: Path, tags: Iterable[str], prefix: str) -> dict[str, dict[str, str]]:
    """The value in each property for each tag, by its path."""
    wanted = {}
    for tag in tags:
        levels = [key(level) for level in (f"{prefix}{LEVELS}{tag}" if prefix else tag).split(LEVELS)]
        if not all(levels) or any(unicodedata.category(letter) in ("Cc", "Cs") for level in levels for letter in level):
            raise TaggingError(f"{photo}: the tag {tag!r} has an empty level or control characters, which XMP cannot hold")
        path = LEVELS.join(levels)
        wanted[path] = {PATHS: path, TAGS: _slashes(levels), FLAT: levels[-1]}
    return wanted


def _read(sidecar: Path) -> bytes:
    try:
        if sidecar.stat().st_size > MAX_BLOCK:
            raise BrokenError(f"it takes more than {MAX_BLOCK} bytes")
        return sidecar.read_bytes()
    except OSError as error:
        raise TaggingError(f"{sidecar} cannot be read ({error.strerror}): check the file and its permissions") from error


def _own_keywords(photo: Path) -> dict[str, list[str]]:
    """The values for a new file that the keywords of the photo, and of other files beside it, give."""
    paths = read_keywords(photo, "path").keywords
    return {
        PATHS: list(paths),
        TAGS: [_slashes(path.split(LEVELS)) for path in paths],
        FLAT: list(read_keywords(photo).keywords),
    }


def _by_property(given: Iterable[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for item in given:
        name, _, value = item.partition("=")
        found.setdefault(name, []).append(value)
    return found


def _merge(
    edit: Edit, found: dict[str, list[str]], ours: dict[str, list[str]], wanted: dict[str, dict[str, str]], *, new: bool
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Change the properties and note what is ours; the paths added and removed."""
    added: set[str] = set()
    removed: list[str] = []
    noted: list[str] = []
    needed: set[str] = set()  # levels of the paths that stay
    for name, before in found.items():
        after = dict.fromkeys(values[name] for values in wanted.values())
        mine = set(ours.get(name, ())) & set(before)
        gone = [value for value in before if value in mine and value not in after and not (name == FLAT and value in needed)]
        extra = [value for value in after if value not in before]
        edit.change(name, before + extra if new else extra, gone)
        noted += [f"{name}={value}" for value in after if value in extra or value in mine]
        added |= {path for path, values in wanted.items() if values[name] in extra}
        needed |= {level for value in before if value not in gone for level in _levels(name, value)}
        leaves = {path.rsplit(LEVELS, 1)[-1] for path in removed}
        removed += [value for value in gone if name == PATHS or (name == FLAT and value not in leaves)]
    now, then = dict.fromkeys(noted), [f"{name}={value}" for name, values in ours.items() for value in values]
    edit.change(NOTE, [note for note in now if note not in then], [note for note in then if note not in now])
    return tuple(path for path in wanted if path in added), tuple(removed)


def _levels(name: str, value: str) -> list[str]:
    return [level.replace(FRACTION_SLASH, "/") for level in value.split("/" if name == TAGS else LEVELS)]


def _slashes(levels: Iterable[str]) -> str:
    """A path as digiKam writes it; a slash within a level would part it."""
    return "/".join(level.replace("/", FRACTION_SLASH) for level in levels)


def _write(sidecar: Path, content: bytes) -> None:
    place = sidecar.resolve()  # a link stays one
    mode = place.stat().st_mode if place.exists() else None
    try:
        with replacing(place) as temporary:
            temporary.write_bytes(content)
        if mode is not None:
            with suppress(PermissionError):
                place.chmod(mode)
    except OSError as error:
        raise storage_error(error, sidecar) or TaggingError(f"{sidecar} cannot be written ({error.strerror})") from error
