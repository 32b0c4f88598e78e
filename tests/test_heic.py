"""HEIC photos: decoded, turned once, and bounded as all others are; PNG photos with large profiles."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from conftest import SHARED
from PIL import Image

from tagging_lib.data import decoding, pixels
from tagging_lib.data.corpus import open_photos
from tagging_lib.errors import TaggingError

REAL = SHARED / "reference" / "keywords" / "controls-without-keywords"
QUARTERS = (np.array([[200, 40, 40], [40, 200, 40]]), np.array([[40, 40, 200], [200, 200, 200]]))  # red, green; blue, white


def draw(path, orientation=None, side=64):
    """Four coloured quarters, red at the top left; with an orientation in EXIF they are meant to be turned."""
    import pillow_heif

    pillow_heif.register_heif_opener()
    pixels = np.array(QUARTERS, dtype=np.uint8).repeat(side // 2, axis=0).repeat(side // 2, axis=1)
    exif = Image.Exif()
    if orientation:
        exif[decoding.ORIENTATION] = orientation
    Image.fromarray(pixels).save(path, format="HEIF", quality=95, exif=exif)
    return pixels


def let_the_container_turn(path, quarter_turns):
    """Give the file a property `irot`: the old table of properties becomes free space, a new one stands at the end."""
    raw = bytearray(path.read_bytes())
    start = raw.index(b"meta") - 4
    size = int.from_bytes(raw[start : start + 4], "big")
    meta = bytearray(raw[start : start + size])
    raw[start + 4 : start + 8] = b"free"
    place = meta.index(b"ipma") + 4  # version and flags, number of entries, then item, number of properties, properties
    assert meta[place + 3] & 1 == 0 and int.from_bytes(meta[place + 4 : place + 8], "big") == 1
    count = meta.index(b"ipma") + 14
    properties = meta.index(b"ipco") + 4
    number = 1
    while meta[properties + 4 : properties + 8] != b"ipma":
        properties += int.from_bytes(meta[properties : properties + 4], "big")
        number += 1
    end_of_list = count + 1 + meta[count]
    meta[end_of_list:end_of_list] = bytes([0x80 | number])
    meta[count] += 1
    meta[properties:properties] = b"\0\0\0\x09irot" + bytes([quarter_turns])
    for box, grown in ((b"ipco", 9), (b"iprp", 10), (b"ipma", 1)):
        head = meta.index(box) - 4
        meta[head : head + 4] = (int.from_bytes(meta[head : head + 4], "big") + grown).to_bytes(4, "big")
    meta[:4] = len(meta).to_bytes(4, "big")
    path.write_bytes(raw + meta)


@pytest.mark.parametrize("suffix", [".heic", ".HEIC", ".heif"])
def test_heic_is_found_and_decoded(tmp_path, suffix):
    drawn = draw(tmp_path / f"a{suffix}")
    corpus = open_photos(tmp_path)
    assert corpus.photos == (f"a{suffix}",)
    decoded = pixels.decode(corpus.path(0), 64).astype(int)
    assert abs(decoded - drawn).mean() < 8


@pytest.mark.parametrize("orientation", range(1, 9))
def test_heic_stands_upright_by_exif_as_a_png_of_the_same_tag(tmp_path, orientation):
    drawn = draw(tmp_path / "a.heic", orientation)
    exif = Image.Exif()
    exif[decoding.ORIENTATION] = orientation
    Image.fromarray(drawn).save(tmp_path / "a.png", exif=exif)
    by_container, by_exif = (pixels.decode(tmp_path / name, 64).astype(int) for name in ("a.heic", "a.png"))
    assert abs(by_container - by_exif).mean() < 8


def test_heic_that_its_container_turns_is_not_turned_again_by_exif(tmp_path):
    drawn = draw(tmp_path / "a.heic", orientation=6)
    let_the_container_turn(tmp_path / "a.heic", quarter_turns=3)  # anticlockwise: what orientation 6 says, too
    upright = pixels.decode(tmp_path / "a.heic", 64).astype(int)
    assert abs(upright - np.rot90(drawn, -1)).mean() < 8


def test_a_giant_and_a_damaged_heic_are_refused(tmp_path, monkeypatch):
    draw(tmp_path / "a.heic")
    monkeypatch.setitem(decoding.MAX_PIXELS_OF, "HEIF", 1000)
    with pytest.raises(TaggingError, match="64×64 pixels"):
        pixels.decode(tmp_path / "a.heic", 8)
    whole = (tmp_path / "a.heic").read_bytes()
    for content in (whole[: len(whole) // 2], whole[:20], b"\0\0\0\0meta", whole[:40] + b"\xff" * 100):
        (tmp_path / "b.heic").write_bytes(content)
        with pytest.raises(TaggingError, match=r"b\.heic"):
            pixels.decode(tmp_path / "b.heic", 8)


@pytest.mark.skipif(not REAL.exists(), reason="the reference photos are not part of the project")
def test_photos_of_telephones_are_upright():
    for name in ("IMG_2682.heic", "iphone_7.heic"):
        assert pixels.decode(REAL / name, 64).shape == (64, 64, 3)
    castle = pixels.decode(REAL / "iphone_7.heic", 64).astype(int)  # turned by EXIF alone
    assert castle[:10].mean() > castle[-10:].mean() + 30  # the sky is at the top


@pytest.mark.parametrize("error", [ImportError("failed to map segment from shared object"), MemoryError()])
def test_a_library_that_finds_no_memory_is_no_photos_fault(tmp_path, monkeypatch, error):
    def fails():
        raise error

    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    monkeypatch.setattr(decoding, "_formats", fails)
    with pytest.raises(TaggingError, match="no memory is left"):
        decoding.decode(tmp_path / "a.png", 8)


def test_a_decoder_that_is_missing_is_no_photos_fault(tmp_path, monkeypatch):
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    decoding._formats.cache_clear()
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "pillow_heif", None)
        with pytest.raises(TaggingError, match="the decoder of HEIC is missing"):
            decoding.decode(tmp_path / "a.png", 8)
    decoding._formats.cache_clear()
    assert decoding.decode(tmp_path / "a.png", 8).shape == (8, 8, 3)


def test_a_png_with_a_large_profile_is_decoded_and_a_bomb_is_not(tmp_path):
    drawn = np.array(QUARTERS, dtype=np.uint8)
    Image.fromarray(drawn).save(tmp_path / "a.png", icc_profile=bytes(4 << 20))
    np.testing.assert_array_equal(pixels.decode(tmp_path / "a.png", 2), drawn)
    Image.fromarray(drawn).save(tmp_path / "b.png", icc_profile=bytes(decoding.MAX_PNG_CHUNK + 1))
    with pytest.raises(TaggingError, match=r"b\.png cannot be decoded"):
        pixels.decode(tmp_path / "b.png", 2)
