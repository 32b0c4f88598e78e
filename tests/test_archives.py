"""Zips: the good ones unpack whole, each hostile or damaged one ends in one line and leaves nothing behind."""

from __future__ import annotations

import stat
import zipfile

import pytest

from tagging_lib.data import archives
from tagging_lib.errors import TaggingError


def make_zip(path, members, compression=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return path


def test_zips_lie_over_one_another_and_the_later_one_wins(tmp_path):
    first = make_zip(tmp_path / "a.zip", [("images/im1.png", "one"), ("annotations/red.txt", "1\n")])
    second = make_zip(tmp_path / "b.zip", [("images/im2.png", "two"), ("images/im1.png", "newer")])
    folder = archives.unpack([first, second], tmp_path / "out" / "corpus")
    found = {
        path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()
    }
    assert found == {"images/im1.png": "newer", "images/im2.png": "two", "annotations/red.txt": "1\n"}


def test_a_folder_that_is_there_is_kept(tmp_path):
    path = make_zip(tmp_path / "a.zip", [("x.txt", "1")])
    folder = archives.unpack([path], tmp_path / "out")
    (folder / "x.txt").write_text("mine")
    assert (archives.unpack([path], folder) / "x.txt").read_text() == "mine"


def test_leftovers_of_operating_systems_are_passed_over(tmp_path):
    members = [
        ("__MACOSX/images/._im1.png", "x"),
        ("images/.DS_Store", "x"),
        ("Thumbs.db", "x"),
        ("images/im1.png", "1"),
    ]
    folder = archives.unpack([make_zip(tmp_path / "a.zip", members)], tmp_path / "out")
    assert [path.name for path in folder.rglob("*") if path.is_file()] == ["im1.png"]


def test_backslashes_are_folders(tmp_path):
    folder = archives.unpack([make_zip(tmp_path / "a.zip", [("images\\im1.png", "1")])], tmp_path / "out")
    assert (folder / "images" / "im1.png").is_file()


def test_the_digest_changes_with_content_and_not_with_the_place(tmp_path):
    one = make_zip(tmp_path / "a.zip", [("x.txt", "1")])
    same = make_zip(tmp_path / "b.zip", [("x.txt", "1")])
    other = make_zip(tmp_path / "c.zip", [("x.txt", "2")])
    assert archives.digest([one]) == archives.digest([same])
    assert len({archives.digest(zips) for zips in ([one], [other], [one, other], [other, one])}) == 4


@pytest.mark.parametrize(
    "name",
    [
        "../evil.txt",
        "images/../../evil.txt",
        "/evil.txt",
        "C:/evil.txt",
        "..\\evil.txt",
        "images\\..\\..\\evil.txt",
    ],
)
def test_members_outside_the_folder_are_refused(tmp_path, name):
    path = make_zip(tmp_path / "a.zip", [("good.txt", "1"), (name, "x")])
    with pytest.raises(TaggingError, match=r"a\.zip.*outside"):
        archives.unpack([path], tmp_path / "out" / "corpus")
    assert not list(tmp_path.rglob("evil.txt")) and not list((tmp_path / "out").iterdir())


def test_links_are_refused(tmp_path):
    link = zipfile.ZipInfo("images/im1.png")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with pytest.raises(TaggingError, match="link"):
        archives.unpack([make_zip(tmp_path / "a.zip", [(link, "/etc/passwd")])], tmp_path / "out")


@pytest.mark.parametrize("kind", [stat.S_IFCHR, stat.S_IFIFO])
def test_devices_and_pipes_are_refused(tmp_path, kind):
    member = zipfile.ZipInfo("images/im1.png")
    member.external_attr = (kind | 0o666) << 16
    with pytest.raises(TaggingError, match="device or a pipe"):
        archives.unpack([make_zip(tmp_path / "a.zip", [(member, "")])], tmp_path / "out")


def test_bombs_are_refused(tmp_path):
    path = make_zip(tmp_path / "a.zip", [("big.txt", b"0" * (8 << 20))])
    with pytest.raises(TaggingError, match="times its size"):
        archives.unpack([path], tmp_path / "out")
    many = make_zip(tmp_path / "b.zip", [(f"{number}.txt", b"0" * (900 << 10)) for number in range(20)])
    with pytest.raises(TaggingError, match="times its size"):
        archives.unpack([many], tmp_path / "out")


def test_members_that_share_their_bytes_are_refused(tmp_path, monkeypatch):
    path = make_zip(tmp_path / "a.zip", [("one.txt", bytes(range(256)) * 40)], zipfile.ZIP_STORED)
    member = archives._members(path)[0]
    twin = zipfile.ZipInfo("two.txt")
    twin.compress_size, twin.file_size = member.compress_size, member.file_size
    monkeypatch.setattr(archives, "_members", lambda _: [member, twin])
    with pytest.raises(TaggingError, match="overlap"):
        archives.unpack([path], tmp_path / "out")


def test_a_member_that_stands_twice_is_refused(tmp_path):
    with pytest.warns(UserWarning, match="Duplicate"):
        path = make_zip(tmp_path / "a.zip", [("x.txt", "1"), ("x.txt", "2")])
    with pytest.raises(TaggingError, match="twice"):
        archives.unpack([path], tmp_path / "out")


def test_a_file_where_a_folder_is_needed_is_one_line(tmp_path):
    path = make_zip(tmp_path / "a.zip", [("images", "1"), ("images/im1.png", "2")])
    with pytest.raises(TaggingError, match=r"images/im1\.png.*cannot be written"):
        archives.unpack([path], tmp_path / "out")


def test_damage_is_named_and_leaves_nothing(tmp_path):
    path = make_zip(
        tmp_path / "a.zip", [("one.txt", "1" * 50), ("two.txt", "abcdefgh" * 50)], zipfile.ZIP_STORED
    )
    raw = bytearray(path.read_bytes())
    raw[raw.index(b"abcdefgh") + 40] ^= 255
    path.write_bytes(raw)
    with pytest.raises(TaggingError, match=r"two\.txt.*damaged"):
        archives.unpack([path], tmp_path / "out" / "corpus")
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize("content", [b"", b"no zip at all", b"PK\x03\x04" + b"\0" * 60])
def test_what_is_no_zip_is_named(tmp_path, content):
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(TaggingError, match=r"a\.zip is not a readable zip"):
        archives.digest([tmp_path / "a.zip"])


def test_an_encrypted_member_is_refused(tmp_path):
    path = make_zip(tmp_path / "a.zip", [("x.txt", "1")])
    raw = bytearray(path.read_bytes())
    raw[raw.index(b"PK\x01\x02") + 8] |= 1  # general purpose flag, bit 0, in the central directory
    path.write_bytes(raw)
    with pytest.raises(TaggingError, match="encrypted"):
        archives.unpack([path], tmp_path / "out")


def test_a_full_disk_is_said_beforehand(tmp_path, monkeypatch):
    path = make_zip(tmp_path / "a.zip", [("x.txt", "12345")])
    monkeypatch.setattr(archives.shutil, "disk_usage", lambda _: archives.shutil._ntuple_diskusage(10, 8, 2))
    with pytest.raises(TaggingError, match="make room"):
        archives.unpack([path], tmp_path / "out" / "corpus")
