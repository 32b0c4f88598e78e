"""Tags in the XMP file beside a photo: written where programs look, merged, taken away again, and nothing else touched."""

import difflib
import errno
import json
import os
import random
import shutil
import subprocess
from pathlib import Path

import pytest
from PIL import Image
from test_keywords import CATEGORIES, REAL, bag, jpeg, packet

from tagging_lib import atomic
from tagging_lib.data.metadata.keywords import read_keywords
from tagging_lib.errors import TaggingError
from tagging_lib.inference.xmp import Change, write_sidecar, write_sidecars

EXIFTOOL = pytest.mark.skipif(
    shutil.which("exiftool") is None, reason="exiftool is not installed (Debian: libimage-exiftool-perl)"
)
RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo.jpg"
    Image.new("RGB", (8, 8), "red").save(path)
    return path


def beside(photo):
    return photo.with_name(photo.name + ".xmp")


def fields(photo):
    """Flat keywords, Lightroom's paths and digiKam's, as the reader finds them."""
    found = read_keywords(photo).fields
    return [list(found.get(name, ())) for name in ("dc_subject", "lr_hierarchical", "digikam_tagslist")]


def state(folder):
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in sorted(folder.iterdir())}


def test_tags_come_back(photo):
    change = write_sidecar(photo, ["beach", "Straße & <Sand>", "nature|sea", "beach"])
    assert change == Change(photo, beside(photo), True, ("beach", "Straße & <Sand>", "nature|sea"), (), True)
    assert fields(photo) == [
        ["beach", "Straße & <Sand>", "sea"],
        ["beach", "Straße & <Sand>", "nature|sea"],
        ["beach", "Straße & <Sand>", "nature/sea"],
    ]
    assert beside(photo).read_text(encoding="utf-8").count("<rdf:Bag>") == 4
    assert read_keywords(photo).keywords == ("beach", "Straße & <Sand>", "sea")
    assert str(change) == f"{beside(photo)}: +beach, +Straße & <Sand>, +nature|sea (new)"


def test_a_prefix_puts_them_under_one_branch(photo):
    write_sidecar(photo, ["beach", "nature|sea"], prefix="auto")
    branch = [["beach", "sea"], ["auto|beach", "auto|nature|sea"], ["auto/beach", "auto/nature/sea"]]
    assert fields(photo) == branch
    change = write_sidecar(photo, ["beach"])  # the branch is given up
    assert (change.added, change.removed) == (("beach",), ("auto|beach", "auto|nature|sea"))
    assert fields(photo) == [["beach"]] * 3


def test_a_slash_within_a_tag_does_not_part_it(photo):
    write_sidecar(photo, ["b/w"], prefix="auto")
    assert read_keywords(photo).keywords == ("b/w",)
    assert read_keywords(photo, "path").keywords == ("auto|b/w",)  # digiKam's list too, where a slash parts levels
    assert not write_sidecar(photo, ["b/w"], prefix="auto").written


@pytest.mark.parametrize("tags", [["beach", "sea"], []])
def test_a_second_run_touches_nothing(photo, tags):
    write_sidecar(photo, tags, prefix="auto")
    before = state(photo.parent)
    assert len(before) == (2 if tags else 1)  # no tags, no file
    change = write_sidecar(photo, reversed(tags), prefix="auto")
    assert not change.written and str(change).endswith("unchanged")
    assert state(photo.parent) == before


def test_a_dry_run_tells_and_writes_nothing(photo):
    told = write_sidecar(photo, ["beach"], dry_run=True)
    assert [path.name for path in photo.parent.iterdir()] == ["photo.jpg"]
    assert write_sidecar(photo, ["beach"]) == told
    before = state(photo.parent)
    told = write_sidecar(photo, ["sea"], dry_run=True)
    assert (told.added, told.removed, told.written, told.new) == (("sea",), ("beach",), True, False)
    assert state(photo.parent) == before


def test_tags_of_an_earlier_run_go_and_those_of_the_user_stay(photo):
    beside(photo).write_text(packet(bag("dc:subject", "mine", "beach"), bag("lr:hierarchicalSubject", "mine", "Holidays|beach")))
    write_sidecar(photo, ["beach", "sea"])
    assert fields(photo) == [["mine", "beach", "sea"], ["mine", "Holidays|beach", "beach", "sea"], ["beach", "sea"]]
    change = write_sidecar(photo, ["sky"])
    assert (change.added, change.removed) == (("sky",), ("beach", "sea"))
    assert fields(photo) == [["mine", "beach", "sky"], ["mine", "Holidays|beach", "sky"], ["sky"]]
    given = read_keywords(photo).fields["given"]  # whoever trains on keywords can tell ours from the user's
    assert set(given) == {"dc:subject=sky", "lr:hierarchicalSubject=sky", "digiKam:TagsList=sky"}
    write_sidecar(photo, [])
    assert fields(photo) == [["mine", "beach"], ["mine", "Holidays|beach"], []]


OWN = {  # keywords of the user's, as programs leave them beside the photo; `beach` among them, which a model finds, too
    "Lightroom": [bag("dc:subject", "Nature", "beach"), bag("lr:hierarchicalSubject", "Nature|beach")],
    "flat alone": [bag("dc:subject", "beach", "Kiel")],
    "tree alone": [bag("lr:hierarchicalSubject", "beach", "Places|Kiel")],
    "Immich": [bag("digiKam:TagsList", "beach", "Places/Kiel", kind="Seq")],
    "digiKam": [
        bag("digiKam:TagsList", "Places/Kiel", "beach", kind="Seq"),
        bag("lr:hierarchicalSubject", "Places|Kiel", "beach"),
        bag("MicrosoftPhoto:LastKeywordXMP", "Places/Kiel", "beach"),
        bag("mediapro:CatalogSets", "Places|Kiel", "beach"),
        bag("dc:subject", "Kiel", "beach"),
    ],
    "ACDSee": [CATEGORIES, bag("acdsee:keywords", "beach")],
    "another": [bag("dc:subject", "dog")],
    "none": [],
}


@pytest.mark.parametrize("prefix", ["", "auto"])
@pytest.mark.parametrize("program", OWN)
def test_the_users_keywords_are_labels_whatever_a_model_gave_beside_them(photo, program, prefix):
    beside(photo).write_text(packet(*OWN[program]))
    before = {hierarchy: set(read_keywords(photo, hierarchy).keywords) for hierarchy in ("leaf", "path")}
    write_sidecar(photo, ["beach", "sky", "Kiel"], prefix=prefix)
    assert "sky" in read_keywords(photo).keywords
    assert {hierarchy: set(read_keywords(photo, hierarchy, given=False).keywords) for hierarchy in before} == before


def test_a_flat_tag_stays_while_a_path_of_the_user_needs_it(photo):
    write_sidecar(photo, ["beach", "b/w"])
    text = beside(photo).read_text(encoding="utf-8")
    sorted_in = "<rdf:li>beach</rdf:li><rdf:li>Holidays|beach</rdf:li><rdf:li>Styles|b/w</rdf:li>"
    beside(photo).write_text(text.replace("<rdf:li>beach</rdf:li>", sorted_in, 1), encoding="utf-8")
    write_sidecar(photo, ["sky"])
    assert fields(photo) == [["beach", "b/w", "sky"], ["Holidays|beach", "Styles|b/w", "sky"], ["sky"]]
    write_sidecar(photo, [])
    assert fields(photo)[0] == ["beach", "b/w"]  # the user's by now


def test_a_tag_that_is_there_in_other_letters_is_not_given_twice(photo):
    beside(photo).write_text(packet(bag("dc:subject", " Cafe\u0301 ")), encoding="utf-8")
    write_sidecar(photo, ["Café"])
    assert fields(photo) == [["Café"]] * 3
    write_sidecar(photo, [])
    assert fields(photo) == [["Café"], [], []]


def test_a_new_file_begins_with_the_keywords_of_the_photo(tmp_path):
    """Immich, digiKam and darktable read the file in the place of the photo's own keywords, which would be gone."""
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(jpeg(text=packet(bag("dc:subject", "Kiel", "mine"), bag("lr:hierarchicalSubject", "Places|Kiel"))))
    change = write_sidecar(photo, ["sea", "mine"])
    assert change.added == ("sea",)
    assert fields(photo) == [["Kiel", "mine", "sea"], ["Places|Kiel", "mine", "sea"], ["Places/Kiel", "mine", "sea"]]
    write_sidecar(photo, [])
    assert fields(photo) == [["Kiel", "mine"], ["Places|Kiel", "mine"], ["Places/Kiel", "mine"]]


def test_without_the_suffix(photo):
    (photo.parent / "photo.XMP").write_text(packet(bag("dc:subject", "mine")))
    change = write_sidecar(photo, ["sea"], without_suffix=True)
    assert change.sidecar.name == "photo.XMP" and not change.new
    assert read_keywords(photo).keywords == ("mine", "sea")
    change = write_sidecar(photo, ["sky"])  # both files are there from now on, and the longer name counts
    assert change.sidecar.name == "photo.jpg.xmp"
    assert read_keywords(photo).keywords == ("mine", "sea", "sky")


# --- What is there stays --------------------------------------------------------------------------------------------------

DARKTABLE = """<?xml version="1.0" encoding="UTF-8"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="XMP Core 4.4.0-Exiv2">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about=""
    xmlns:darktable="http://darktable.sf.net/"
   darktable:history_end="2">
   <darktable:history>
    <rdf:Seq>
     <rdf:li
      darktable:operation="flip"
      darktable:params="ffffffff"/>
    </rdf:Seq>
   </darktable:history>
   <!-- a comment -->
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
"""
BARE = {
    "darktable": DARKTABLE,
    "no blanks": packet("<dc:title>x</dc:title>"),
    "attributes": packet(attributes=" dc:format='image/jpeg'  pdf:Keywords=\"&#xE9;\""),
    "an empty description": packet().replace("></rdf:Description>", "/>"),
    "another resource": packet().replace('rdf:about=""', 'rdf:about="uuid:&quot;1&quot;"'),
    "other prefixes": packet("<dc:title>x</dc:title>").replace("rdf:", "r:").replace(":rdf=", ":r="),
    "no descriptions": f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="{RDF}"></rdf:RDF></x:xmpmeta>\n\n',
    "garbage behind": DARKTABLE + "\0\0garbage",
}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("form", BARE)
def test_every_other_byte_stays(form, newline, encoding, photo):
    before = BARE[form].replace("\ufeff", "").replace("\n", newline).encode(encoding)
    beside(photo).write_bytes(before)
    write_sidecar(photo, ["beach", "€"], prefix="auto")
    assert fields(photo) == [["beach", "€"], ["auto|beach", "auto|€"], ["auto/beach", "auto/€"]]
    assert is_inserted(before, beside(photo).read_bytes())
    assert not write_sidecar(photo, ["beach", "€"], prefix="auto").written
    write_sidecar(photo, ["sea"])
    assert fields(photo) == [["sea"]] * 3
    write_sidecar(photo, [])
    assert fields(photo) == [[], [], []] and is_inserted(before, beside(photo).read_bytes())


def is_inserted(before, after):
    """Whether all that was there is there, in one or two pieces with something between them."""

    def shared(one, other):
        return next((place for place, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), len(one))

    return len(after) > len(before) and shared(before, after) + shared(before[::-1], after[::-1]) >= len(before)


@pytest.mark.parametrize("encoding", ["iso-8859-1", "windows-1252"])
def test_a_declared_encoding_is_kept(encoding, photo):
    before = f'<?xml version="1.0" encoding="{encoding}"?>{packet("<dc:title>Müller</dc:title>")}'.replace("\ufeff", "").encode(
        encoding
    )
    beside(photo).write_bytes(before)
    write_sidecar(photo, ["łąka", "Straße"])
    assert is_inserted(before, beside(photo).read_bytes())
    assert fields(photo) == [["łąka", "Straße"]] * 3


def test_empty_rdf_is_opened(photo):
    beside(photo).write_text(f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><r:RDF xmlns:r="{RDF}" /></x:xmpmeta>')
    write_sidecar(photo, ["beach"])
    assert fields(photo) == [["beach"]] * 3


LIGHTROOM = packet(
    "\n  <dc:subject>\n   <rdf:Bag>\n    <rdf:li>mine</rdf:li>\n    <rdf:li>old</rdf:li>\n   </rdf:Bag>\n  </dc:subject>",
    bag("digiKam:TagsList", "mine", "old", kind="Seq"),
    "<lr:hierarchicalSubject><rdf:Bag/></lr:hierarchicalSubject>",
    "<dc:title>x</dc:title>",
)


def test_arrays_that_are_there_are_changed_in_place(photo):
    beside(photo).write_text(LIGHTROOM, encoding="utf-8")
    write_sidecar(photo, ["sea"])
    text = beside(photo).read_text(encoding="utf-8")
    assert "\n    <rdf:li>old</rdf:li>\n    <rdf:li>sea</rdf:li>\n   </rdf:Bag>" in text
    assert "<rdf:Seq><rdf:li>mine</rdf:li><rdf:li>old</rdf:li><rdf:li>sea</rdf:li></rdf:Seq>" in text
    lost = [line for line in difflib.ndiff(LIGHTROOM.split(">"), text.split(">")) if line.startswith("- ")]
    assert [line.split("<")[1] for line in lost] == ["lr:hierarchicalSubject", "rdf:Bag/", "/lr:hierarchicalSubject"]
    write_sidecar(photo, [])
    assert fields(photo) == [["mine", "old"], [], ["mine", "old"]]


SHORT = {
    "a text": packet("<dc:subject>mine</dc:subject><dc:title>x</dc:title>"),
    "an attribute": packet("<dc:title>x</dc:title>", attributes=" pdf:subject='other' dc:subject='mi&#x6e;e'"),
    "twice": packet(bag("dc:subject", "mine"), bag("dc:subject", "mine"), "<dc:title>x</dc:title>"),
    "an empty array": packet(bag("dc:subject"), "<dc:title>x</dc:title>", "<dc:subject>mine</dc:subject>"),
    "a qualified item": packet('<dc:subject><rdf:Bag><rdf:li rdf:parseType="Resource"><rdf:value>mine</rdf:value>'
        "<dc:title>x</dc:title></rdf:li></rdf:Bag></dc:subject>"),
    "in languages": packet('<dc:subject><rdf:Alt><rdf:li xml:lang="x-default">mine</rdf:li></rdf:Alt></dc:subject>'
        "<dc:title>x</dc:title>"),
    "a named node": packet('<dc:subject rdf:nodeID="n"/><dc:title>x</dc:title>').replace(
        "</rdf:RDF>", '<rdf:Bag rdf:nodeID="n"><rdf:li>mine</rdf:li></rdf:Bag></rdf:RDF>'),
}  # fmt: skip


@pytest.mark.parametrize("form", SHORT)
def test_other_forms_keep_their_values(form, photo):
    beside(photo).write_text(SHORT[form], encoding="utf-8")
    write_sidecar(photo, ["sea"])
    text = beside(photo).read_text(encoding="utf-8")
    assert set(fields(photo)[0]) == {"mine", "sea"} and ">x</dc:title>" in text
    assert form != "an attribute" or " pdf:subject='other'" in text
    write_sidecar(photo, [])
    assert set(fields(photo)[0]) == {"mine"}


def test_a_form_that_cannot_be_changed_safely_is_an_error_and_nothing_is_written(photo):
    same = " xmlns:a='urn:a/' a:subject='mine' dc:subject='mine'"
    languages = (
        '<dc:subject><rdf:Alt><rdf:li xml:lang="de">Meer</rdf:li><rdf:li xml:lang="fr">mer</rdf:li></rdf:Alt></dc:subject>'
    )
    for text in (packet(attributes=same), packet(languages)):
        beside(photo).write_text(text, encoding="utf-8")
        before = state(photo.parent)
        with pytest.raises(TaggingError, match=r"photo\.jpg\.xmp.*nothing was written"):
            write_sidecar(photo, ["sea"])
        assert state(photo.parent) == before


DAMAGED = {
    "empty": b"",
    "zeros": bytes(30),
    "cut": packet(bag("dc:subject", "mine"))[:-90].encode(),
    "no XMP": b"<html></html>",
    "another file": b"\xff\xd8\xff\xe0",
    "entities": b'<!DOCTYPE x [<!ENTITY a "b">]>' + packet().replace("\ufeff", "").encode(),
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_damaged_file_is_named_and_nothing_is_written(damage, photo):
    other = photo.with_name("first.jpg")
    shutil.copy(photo, other)
    beside(photo).write_bytes(DAMAGED[damage])
    before = state(photo.parent)
    with pytest.raises(TaggingError, match=r"photo\.jpg\.xmp"):
        write_sidecar(photo, ["sea"])
    with pytest.raises(TaggingError, match=r"photo\.jpg\.xmp"):
        write_sidecars([other, photo], [["sea"], ["sea"]])
    assert state(photo.parent) == before
    broken: list[str] = []
    (change,) = write_sidecars([photo, other], [["sea"], ["sea"]], broken=broken)
    assert change.photo == other and change.added == ("sea",) and beside(other).exists()
    assert len(broken) == 1 and str(beside(photo)) in broken[0] and beside(photo).read_bytes() == DAMAGED[damage]


def test_what_cannot_be_written_is_an_error(photo, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    with pytest.raises(TaggingError, match=r"missing\.jpg is no file"):
        write_sidecar(photo.with_name("missing.jpg"), ["sea"])
    for tag in ("", " ", "a||b", "a|", "a\x07b", "\ud800"):
        with pytest.raises(TaggingError, match=r"photo\.jpg: the tag"):
            write_sidecar(photo, ["sea", tag])
    beside(photo).mkdir()
    with pytest.raises(TaggingError, match=r"photo\.jpg\.xmp cannot be read"):
        write_sidecar(photo, ["sea"])
    beside(photo).rmdir()
    monkeypatch.setattr(atomic.tempfile, "mkdtemp", refuse)  # a read-only folder, which root would not notice
    with pytest.raises(TaggingError, match=r"photo\.jpg\.xmp cannot be written \(Permission denied\)"):
        write_sidecar(photo, ["sea"])
    assert [path.name for path in photo.parent.iterdir()] == ["photo.jpg"]


def test_permissions_and_links_stay(photo):
    elsewhere = photo.parent / "elsewhere.xmp"
    elsewhere.write_text(packet())
    elsewhere.chmod(0o600)
    beside(photo).symlink_to(elsewhere)
    write_sidecar(photo, ["sea"])
    assert beside(photo).is_symlink() and elsewhere.stat().st_mode & 0o777 == 0o600
    assert read_keywords(photo).keywords == ("sea",)


# --- Many photos ----------------------------------------------------------------------------------------------------------


def test_many_photos(tmp_path):
    photos = []
    for name in ("2004/IMG_0015.JPG", "2006/IMG_0015.JPG", "2006/other.png"):
        photos.append(tmp_path / name)
        photos[-1].parent.mkdir(exist_ok=True)
        Image.new("RGB", (8, 8)).save(photos[-1])
    told = write_sidecars(photos, [["beach"], ["sea"], []], prefix="auto", dry_run=True)
    assert sorted(tmp_path.rglob("*.xmp")) == []
    assert write_sidecars(photos, [["beach"], ["sea"], []], prefix="auto") == told
    assert [change.added for change in told] == [("auto|beach",), ("auto|sea",), ()]
    assert [read_keywords(photo).keywords for photo in photos] == [("beach",), ("sea",), ()]
    with pytest.raises(ValueError, match="zip"):
        write_sidecars(photos, [["beach"]])


def test_photos_that_share_a_file_must_agree(tmp_path):
    photos = [tmp_path / "IMG.jpg", tmp_path / "IMG.CR2"]
    for photo in photos:
        Image.new("RGB", (8, 8)).save(photo, "JPEG")
    with pytest.raises(TaggingError, match=r"IMG\.jpg and .*IMG\.CR2 share IMG\.xmp"):
        write_sidecars(photos, [["beach"], ["beach", "sea"]], without_suffix=True)
    assert not (tmp_path / "IMG.xmp").exists()
    (change,) = write_sidecars(photos, [["beach", "sea"], ["sea", "beach"]], without_suffix=True)
    assert change.sidecar == tmp_path / "IMG.xmp" and change.added == ("beach", "sea")
    assert len(write_sidecars(photos, [["beach"], ["beach", "sea"]])) == 2  # IMG.jpg.xmp and IMG.CR2.xmp


def test_any_sequence_of_runs_keeps_what_the_user_gave(photo):
    """Random runs over random files: what the user gave stays, what is given is there, and a second run changes nothing."""
    words = ["sea", "sky", "Straße", "a&b", "nature|sea", "nature|sky", "b/w", "Be\u0301"]
    for trial in range(60):
        chance = random.Random(trial)
        users = [word for word in words if chance.random() < 0.3]
        names = ("dc:subject", "lr:hierarchicalSubject", "digiKam:TagsList")
        mine = {name: [word.replace("&", "&amp;") for word in users if "|" not in word or name[0] == "l"] for name in names}
        mine["digiKam:TagsList"] = [word.replace("/", "\u2215") for word in mine["digiKam:TagsList"]]
        properties = [
            bag(name, *values, kind=chance.choice(["Bag", "Seq"])) for name, values in mine.items() if chance.random() < 0.7
        ]
        beside(photo).write_text(packet(*properties), encoding="utf-8")
        before = [set(found) for found in fields(photo)]
        for _ in range(4):
            given, prefix = [word for word in words if chance.random() < 0.4], chance.choice(["", "auto", "ai|auto"])
            write_sidecar(photo, given, prefix=prefix)
            now = [set(found) for found in fields(photo)]
            assert all(old <= new for old, new in zip(before, now, strict=True))
            paths = {f"{prefix}|{word}" if prefix else word for word in given}
            assert {path.replace("e\u0301", "é") for path in paths} <= now[1]
            assert not write_sidecar(photo, given, prefix=prefix).written
        write_sidecar(photo, [])
        after = [set(found) for found in fields(photo)]
        # A flat tag that a path of the user needs has become the user's.
        needed = {level for path in before[1] for level in path.split("|")}
        needed |= {level.replace("\u2215", "/") for path in before[2] for level in path.split("/")}
        assert after[1:] == before[1:] and before[0] <= after[0] <= before[0] | needed


# --- Other programs -------------------------------------------------------------------------------------------------------


def exiftool(*arguments):
    done = subprocess.run(["exiftool", *map(str, arguments)], capture_output=True, text=True, check=True)
    assert "Warning" not in done.stderr + done.stdout
    return done.stdout


@EXIFTOOL
@pytest.mark.parametrize("form", ["none", "Lightroom", *BARE, *SHORT])
def test_exiftool_reads_what_is_written(form, photo):
    text = {"Lightroom": LIGHTROOM, **BARE, **SHORT}.get(form)
    if text:
        beside(photo).write_text(text, encoding="utf-8")
    for _ in range(2):
        write_sidecar(photo, ["beach", "Straße & <Sand>"], prefix="auto")
    names = ("XMP-dc:Subject", "XMP-lr:HierarchicalSubject", "XMP-digiKam:TagsList")
    (read,) = json.loads(exiftool("-json", "-struct", *(f"-{name}" for name in names), beside(photo)))
    flat, paths, slashes = (read[name.split(":")[1]] for name in names)
    assert flat[-2:] == ["beach", "Straße & <Sand>"]
    assert paths[-2:] == ["auto|beach", "auto|Straße & <Sand>"] and slashes[-2:] == ["auto/beach", "auto/Straße & <Sand>"]


@EXIFTOOL
def test_tags_are_taken_away_from_a_file_that_another_program_has_rewritten(photo):
    write_sidecar(photo, ["beach", "sea"], prefix="auto")
    exiftool("-q", "-overwrite_original", "-XMP-dc:Subject+=mine", "-XMP-lr:HierarchicalSubject=", "-XMP:Rating=4", beside(photo))
    write_sidecar(photo, ["sky"], prefix="auto")
    assert fields(photo) == [["mine", "sky"], ["auto|sky"], ["auto/sky"]]
    assert exiftool("-s3", "-XMP:Rating", beside(photo)).strip() == "4"


def real_sidecars():
    return sorted(REAL.rglob("*.xmp")) or [pytest.param(None, marks=pytest.mark.skip(reason=f"{REAL} is not at hand"))]


@EXIFTOOL
@pytest.mark.parametrize("path", real_sidecars(), ids=lambda path: Path(path).name if path else "none")
def test_real_files_keep_everything_else(path, photo):
    def rest():
        """All that exiftool sees of the file but our own properties."""
        (read,) = json.loads(exiftool("-json", "-struct", "-G1", "-XMP:all", "--XMP-tagging:all", beside(photo)))
        names = ("SourceFile", "XMP-dc:Subject", "XMP-lr:HierarchicalSubject", "XMP-digiKam:TagsList")
        return {name: value for name, value in read.items() if name not in names}

    shutil.copyfile(path, beside(photo))
    before, own = rest(), fields(photo)
    write_sidecar(photo, ["a tag of ours"], prefix="auto")
    assert rest() == before
    assert fields(photo)[0] == own[0] + ["a tag of ours"]
    write_sidecar(photo, [])
    assert rest() == before and fields(photo) == own
