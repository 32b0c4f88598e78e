"""Photos of every kind become the same canonical array, once, and a broken one is named."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from PIL import Image

from tagging_lib import files
from tagging_lib.data import decoding, pixels
from tagging_lib.data.corpus import Corpus, open_photos
from tagging_lib.errors import TaggingError


@pytest.fixture
def random_rgb():
    return np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)


def test_a_photo_of_the_right_size_keeps_its_pixels(tmp_path, random_rgb):
    Image.fromarray(random_rgb).save(tmp_path / "a.png")
    decoded = pixels.decode(tmp_path / "a.png", 16)
    assert decoded.dtype == np.uint8
    np.testing.assert_array_equal(decoded, random_rgb)


def test_the_central_square_is_taken(tmp_path):
    wide = np.zeros((20, 60, 3), dtype=np.uint8)
    wide[:, 20:40] = 200
    Image.fromarray(wide).save(tmp_path / "wide.png")
    Image.fromarray(wide.transpose(1, 0, 2)).save(tmp_path / "tall.png")
    for name in ("wide.png", "tall.png"):
        np.testing.assert_array_equal(pixels.decode(tmp_path / name, 20), 200)


@pytest.mark.parametrize("side", [8, 40])
def test_sizes_change_as_pillow_changes_them(tmp_path, random_rgb, side):
    Image.fromarray(random_rgb).save(tmp_path / "a.png")
    method = Image.Resampling.LANCZOS if side < 16 else Image.Resampling.BICUBIC
    expected = np.asarray(Image.fromarray(random_rgb).resize((side, side), method))
    np.testing.assert_array_equal(pixels.decode(tmp_path / "a.png", side), expected)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_exif_orientation_stands_upright(tmp_path, random_rgb, orientation):
    # Oracle, from the EXIF table: where row 0 and column 0 of the stored pixels lie in the upright photo.
    flipped = {
        1: random_rgb, 2: random_rgb[:, ::-1], 3: random_rgb[::-1, ::-1], 4: random_rgb[::-1],
        5: random_rgb.transpose(1, 0, 2), 6: np.rot90(random_rgb, -1), 7: random_rgb[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(random_rgb),
    }  # fmt: skip
    exif = Image.Exif()
    exif[decoding.ORIENTATION] = orientation
    Image.fromarray(random_rgb).save(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(pixels.decode(tmp_path / "a.png", 16), flipped[orientation])


def test_damaged_metadata_does_not_cost_the_photo(tmp_path, random_rgb):
    Image.fromarray(random_rgb).save(tmp_path / "a.png", exif=b"Exif\0\0rubbish")
    np.testing.assert_array_equal(pixels.decode(tmp_path / "a.png", 16), random_rgb)


def test_greyscale_of_8_and_16_bits_gives_the_same_photo(tmp_path):
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16)
    Image.fromarray(grey).save(tmp_path / "8.png")
    for suffix in ("png", "tif"):
        Image.fromarray(grey.astype(np.uint16) * 257).save(tmp_path / f"16.{suffix}")
        np.testing.assert_array_equal(
            pixels.decode(tmp_path / f"16.{suffix}", 16), pixels.decode(tmp_path / "8.png", 16)
        )
    np.testing.assert_array_equal(pixels.decode(tmp_path / "8.png", 16)[..., 2], grey)


def test_a_dark_16_bit_photo_stays_dark(tmp_path):
    Image.fromarray(np.full((16, 16), 200, dtype=np.uint16)).save(tmp_path / "a.png")
    assert pixels.decode(tmp_path / "a.png", 16).max() == 1  # 200 of 65,535


@pytest.mark.parametrize(
    ("values", "expected"), [([0.0, 1.0], [0, 255]), ([0.0, 255.0], [0, 255]), ([np.nan, 51.0], [0, 51])]
)
def test_floating_point_photos(tmp_path, values, expected):
    grey = np.repeat(np.array(values, dtype=np.float32), 8)[None].repeat(16, axis=0)
    Image.fromarray(grey).save(tmp_path / "a.tif")
    decoded = pixels.decode(tmp_path / "a.tif", 16)
    assert [decoded[0, 0, 0], decoded[0, 15, 0]] == expected


def test_transparency_lies_over_white(tmp_path):
    rgba = np.zeros((16, 16, 4), dtype=np.uint8)
    rgba[:, 8:] = (10, 20, 30, 255)
    Image.fromarray(rgba).save(tmp_path / "a.png")
    decoded = pixels.decode(tmp_path / "a.png", 16)
    np.testing.assert_array_equal(decoded[:, :8], 255)
    np.testing.assert_array_equal(decoded[:, 8:], np.broadcast_to([10, 20, 30], (16, 8, 3)))


def test_a_palette_with_a_transparent_colour(tmp_path):
    image = Image.new("P", (16, 16), 0)
    image.putpalette([0, 0, 0, 200, 100, 50])
    image.paste(1, (8, 0, 16, 16))
    image.save(tmp_path / "a.gif", transparency=0)
    decoded = pixels.decode(tmp_path / "a.gif", 16)
    assert decoded[0, 0].tolist() == [255, 255, 255] and decoded[0, 15].tolist() == [200, 100, 50]


@pytest.mark.parametrize(
    ("mode", "suffix"),
    [("CMYK", "jpg"), ("L", "jpg"), ("1", "png"), ("LA", "png"), ("LAB", "tif"), ("YCbCr", "tif")],
)
def test_every_mode_becomes_rgb(tmp_path, mode, suffix):
    white = {
        "CMYK": (0, 0, 0, 0),
        "L": 255,
        "1": 1,
        "LA": (255, 255),
        "LAB": (255, 128, 128),
        "YCbCr": (255, 128, 128),
    }
    Image.new(mode, (40, 30), white[mode]).save(tmp_path / f"a.{suffix}")
    decoded = pixels.decode(tmp_path / f"a.{suffix}", 16)
    assert decoded.shape == (16, 16, 3) and decoded.min() >= 250


@pytest.mark.parametrize("content", [b"", b"no photo", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"])
def test_what_is_no_photo_is_named(tmp_path, content):
    (tmp_path / "im1.jpg").write_bytes(content)
    with pytest.raises(TaggingError, match=r"im1\.jpg is no photo"):
        pixels.decode(tmp_path / "im1.jpg", 16)


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
def test_a_truncated_photo_is_named(tmp_path, suffix):
    path = tmp_path / f"im1.{suffix}"
    Image.fromarray(np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(TaggingError, match=rf"im1\.{suffix} cannot be decoded .*replace or remove it"):
        pixels.decode(path, 16)


def test_a_giant_is_refused_before_it_is_decoded(tmp_path, monkeypatch):
    Image.new("RGB", (40, 40)).save(tmp_path / "im1.png")
    monkeypatch.setattr(decoding, "MAX_PIXELS", 1000)
    with pytest.raises(TaggingError, match=r"im1\.png has 40×40 pixels"):
        pixels.decode(tmp_path / "im1.png", 16)


def test_load_is_decode_of_every_photo_whatever_the_number_of_workers(tiny_corpus, tmp_path, monkeypatch):
    monkeypatch.setattr(pixels, "CHUNK", 7)  # 60 photos: the last block is short
    corpus = Corpus.open(tiny_corpus)
    expected = np.stack([pixels.decode(corpus.path(index), 24) for index in range(len(corpus))])
    for workers in (1, 3):
        loaded = pixels.load(corpus, 24, cache_dir=tmp_path / str(workers), workers=workers)
        assert isinstance(loaded, np.memmap) and not loaded.flags.writeable
        np.testing.assert_array_equal(loaded, expected)


def test_blocks_are_the_photos_in_order_and_a_broken_one_is_named(tiny_corpus, tmp_path, monkeypatch):
    monkeypatch.setattr(pixels, "CHUNK", 7)  # 60 photos: the last block is short
    corpus = Corpus.open(tiny_corpus)
    found = list(pixels.blocks(corpus, 24, workers=3))
    assert [len(block) for block in found] == [7] * 8 + [4]
    np.testing.assert_array_equal(np.concatenate(found), pixels.load(corpus, 24, cache_dir=tmp_path))
    (tiny_corpus / "images" / "im20.png").write_bytes(b"rubbish")
    with pytest.raises(TaggingError, match=r"im20\.png"):
        list(pixels.blocks(corpus, 24))


def test_photos_are_decoded_once_for_each_side(tiny_corpus, tmp_path, monkeypatch):
    corpus = Corpus.open(tiny_corpus)
    pixels.load(corpus, 24, cache_dir=tmp_path)
    monkeypatch.setattr(pixels, "decode", lambda *_: pytest.fail("decoded again"))
    assert pixels.load(corpus, 24, cache_dir=tmp_path).shape == (60, 24, 24, 3)
    with pytest.raises(BaseException, match="decoded again"):
        pixels.load(corpus, 16, cache_dir=tmp_path)


def test_a_broken_photo_is_named_and_nothing_is_kept(tiny_corpus, tmp_path):
    (tiny_corpus / "images" / "im7.png").write_bytes(b"rubbish")
    with pytest.raises(TaggingError, match=r"im7\.png"):
        pixels.load(Corpus.open(tiny_corpus), 16, cache_dir=tmp_path / "cache")
    assert not list((tmp_path / "cache").iterdir())


@pytest.mark.parametrize("damage", ["flip a bit", "cut", "empty", "note without checksum", "note is no JSON"])
def test_a_damaged_cache_is_set_aside_and_made_again(tiny_corpus, tmp_path, caplog, damage):
    corpus = Corpus.open(tiny_corpus)
    expected = np.array(pixels.load(corpus, 16, cache_dir=tmp_path / "cache"))
    (cache,) = (tmp_path / "cache").glob("*.npy")
    raw = bytearray(cache.read_bytes())
    if damage == "flip a bit":
        raw[-5] ^= 1
        cache.write_bytes(raw)
    elif damage == "cut":
        cache.write_bytes(raw[:-5])
    elif damage == "empty":
        cache.write_bytes(b"")
    elif damage == "note without checksum":
        files.write_json(cache.with_suffix(".json"), {"shape": list(expected.shape)})
    else:
        cache.with_suffix(".json").write_text("{")
    np.testing.assert_array_equal(pixels.load(corpus, 16, cache_dir=tmp_path / "cache"), expected)
    assert "damaged" in caplog.text and cache.with_suffix(".damaged").exists()
    caplog.clear()
    pixels.load(corpus, 16, cache_dir=tmp_path / "cache")
    assert not caplog.text


def test_a_copied_cache_is_accepted_by_its_checksum(tiny_corpus, tmp_path, monkeypatch):
    corpus = Corpus.open(tiny_corpus)
    expected = np.array(pixels.load(corpus, 16, cache_dir=tmp_path))
    (cache,) = tmp_path.glob("*.npy")
    cache.write_bytes(cache.read_bytes())
    monkeypatch.setattr(pixels, "decode", lambda *_: pytest.fail("decoded again"))
    np.testing.assert_array_equal(pixels.load(corpus, 16, cache_dir=tmp_path), expected)


def test_warning_filters_are_left_as_they_were(tiny_corpus, tmp_path):
    before = list(warnings.filters)
    pixels.load(Corpus.open(tiny_corpus), 16, cache_dir=tmp_path, workers=4)
    assert list(warnings.filters) == before


def test_a_full_disk_is_said_beforehand(tiny_corpus, tmp_path, monkeypatch):
    monkeypatch.setattr(pixels.shutil, "disk_usage", lambda _: pixels.shutil._ntuple_diskusage(10, 8, 2))
    with pytest.raises(TaggingError, match="make room"):
        pixels.load(Corpus.open(tiny_corpus), 16, cache_dir=tmp_path)


# ---------------------------------------------------------------------------- sides and framings


def stripes(width, height):
    """Red on the left half, green on the right half."""
    image = np.zeros((height, width, 3), dtype=np.uint8)
    image[:, : width // 2, 0], image[:, width // 2 :, 1] = 255, 255
    return image


def corpus_of(folder, *sizes):
    (folder / "images").mkdir(parents=True)
    for number, (width, height) in enumerate(sizes):
        Image.fromarray(stripes(width, height)).save(folder / "images" / f"p{number}.png")
    return open_photos(folder)


@pytest.mark.parametrize(("width", "height"), [(400, 200), (200, 400)])
def test_the_whole_photo_its_central_square_or_all_of_it_between_bars(tmp_path, width, height):
    path = tmp_path / "p.png"
    Image.fromarray(stripes(width, height)).save(path)
    whole, crop, pad = (decoding.decode(path, 64, framing).astype(int) for framing in decoding.Framing)
    for shown in (whole, crop):
        assert (shown[:, :30, 0] > 250).all() and (shown[:, 34:, 1] > 250).all()
    bar = slice(0, 15)
    grey = pad[bar] if width > height else pad[:, bar]
    np.testing.assert_allclose(grey.reshape(-1, 3), [decoding.GREY] * (15 * 64), atol=1)
    assert (pad[32, 40:44, 1] > 250).all() and (pad[32, 20:24, 0] > 250).all(), "the photo lies between them"


def test_whole_and_crop_differ_where_the_edges_differ(tmp_path):
    image = stripes(400, 100)
    image[:, :100] = 255
    Image.fromarray(image).save(tmp_path / "p.png")
    whole, crop = (decoding.decode(tmp_path / "p.png", 64, framing) for framing in ("whole", "crop"))
    assert (whole[:, :14] > 250).all() and not (crop[:, :14, 2] > 5).any(), "the white edge is beyond the central square"


@pytest.mark.parametrize("framing", list(decoding.Framing))
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_framing_turns_a_photo_as_exif_says(tmp_path, framing, orientation):
    upright = Image.fromarray(stripes(300, 200))
    stored = upright if orientation == 1 else upright.transpose(BACK[orientation])
    exif = Image.Exif()
    exif[decoding.ORIENTATION] = orientation
    stored.save(tmp_path / "turned.png", exif=exif)
    upright.save(tmp_path / "upright.png")
    turned, plain = (decoding.decode(tmp_path / name, 48, framing).astype(int) for name in ("turned.png", "upright.png"))
    np.testing.assert_allclose(turned, plain, atol=3)


QUARTERS = {Image.Transpose.ROTATE_90: Image.Transpose.ROTATE_270, Image.Transpose.ROTATE_270: Image.Transpose.ROTATE_90}
BACK = {orientation: QUARTERS.get(turn, turn) for orientation, turn in decoding.UPRIGHT.items()}


@pytest.mark.parametrize(
    ("sizes", "wanted", "kept"),
    [
        ([(128, 128)] * 2, 224, 128),  # the course corpus: enlarged on the device
        ([(560, 830), (90, 70)], 224, 224),
        ([(560, 830)], 96, 128),
        ([(300, 200)], 384, 200),
        ([(32, 32)], 64, 128),
    ],
)
def test_photos_are_kept_at_the_side_that_is_looked_at_and_never_beyond_their_own(tmp_path, sizes, wanted, kept):
    decoded = pixels.Decoded(corpus_of(tmp_path / "c", *sizes), tmp_path / "cache")
    assert decoded.kept_side(wanted) == kept
    assert decoded.at(wanted, decoding.Framing.WHOLE).shape == (len(sizes), kept, kept, 3)


def test_square_photos_are_kept_once_whatever_the_framing(tmp_path):
    square = pixels.Decoded(corpus_of(tmp_path / "c", (200, 200)), tmp_path / "cache")
    assert {square.at(128, framing).filename for framing in decoding.Framing} == {square.at(128, "crop").filename}
    oblong = pixels.Decoded(corpus_of(tmp_path / "d", (200, 100)), tmp_path / "cache")
    assert len({oblong.at(128, framing).filename for framing in decoding.Framing}) == 3


def test_photos_of_another_corpus_are_kept_like_the_first_ones(tmp_path):
    small = pixels.Decoded(corpus_of(tmp_path / "c", (150, 160)), tmp_path / "cache")
    large = pixels.Decoded(corpus_of(tmp_path / "d", (900, 900)), tmp_path / "cache", like=small)
    assert large.at(224, decoding.Framing.WHOLE).shape == (1, 150, 150, 3)
