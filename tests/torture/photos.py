"""Mutated photos: each becomes the right RGB array or a named problem, within 300 MB of memory and 1 s of the processor."""

from __future__ import annotations

import os
import re
import struct
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tests.torture.harness import Failed, Trials, answer_of, damage, expect, in_child

SIDE = 32
MOST_MEGABYTES, MOST_SECONDS = 300, 1.0
BATCH = 100  # photos a child


def run(trials: Trials) -> None:
    """Small files of every kind, giants, and studies of corpora with broken photos."""
    with trials.workplace() as folder:
        _small(trials, folder, trials.count(200, 2000, 20000))
        _giants(trials, folder)
    for _ in range(trials.count(1, 4, 20)):
        _studies(trials)


# ------------------------------------------------------------------ small files


def _scene(random: np.random.Generator) -> np.ndarray:
    """A photo uint8 (64, 64, 3) of few colours, which a palette can hold exactly."""
    colours = random.integers(0, 256, (12, 3), dtype=np.uint8)
    return colours[random.integers(12, size=(8, 8))].repeat(8, axis=0).repeat(8, axis=1)


def _kinds() -> dict[str, Callable[[Path, np.ndarray, np.random.Generator], tuple[Path, np.ndarray | None, int]]]:
    """Writers: each makes a file and says what must come out (None: array or problem) and how far a value may be off."""
    from PIL import Image

    def save(path: Path, image, **options: Any) -> Path:
        image.save(path, **options)
        return path

    def lossless(suffix: str, **options: Any):
        return lambda f, rgb, _: (save(f / f"im1.{suffix}", Image.fromarray(rgb), **options), rgb, 0)

    def wrong_extension(folder: Path, rgb: np.ndarray, random: np.random.Generator):
        path = save(folder / "im1.png", Image.fromarray(rgb))
        return path.rename(folder / f"im1.{random.choice(['jpg', 'gif', 'tif', 'webp', 'bmp'])}"), rgb, 0

    def cmyk(folder: Path, rgb: np.ndarray, _):
        return save(folder / "im1.tif", Image.fromarray(rgb).convert("CMYK")), rgb, 2

    def cmyk_jpeg(folder: Path, rgb: np.ndarray, _):
        return save(folder / "im1.jpg", Image.fromarray(rgb).convert("CMYK"), quality=95), None, 0

    def jpeg(folder: Path, rgb: np.ndarray, random: np.random.Generator):
        smooth = np.full_like(rgb, int(random.integers(256)))
        return save(folder / "im1.jpg", Image.fromarray(smooth), quality=95), smooth, 2

    def sixteen_bits(folder: Path, rgb: np.ndarray, random: np.random.Generator):
        grey = rgb[..., 0]
        path = save(folder / f"im1.{random.choice(['png', 'tif'])}", Image.fromarray(grey.astype(np.uint16) * 257))
        return path, np.repeat(grey[..., None], 3, axis=2), 0

    def palette(folder: Path, rgb: np.ndarray, random: np.random.Generator):
        return save(folder / f"im1.{random.choice(['png', 'gif'])}", Image.fromarray(rgb).quantize(64)), rgb, 0

    def alpha(folder: Path, rgb: np.ndarray, random: np.random.Generator):
        opacity = random.integers(0, 2, (8, 8), dtype=np.uint8).repeat(8, 0).repeat(8, 1) * 255
        rgba = np.dstack([rgb, opacity])
        path = save(folder / f"im1.{random.choice(['png', 'tif'])}", Image.fromarray(rgba))
        return path, np.where(opacity[..., None] > 0, rgb, 255).astype(np.uint8), 0

    def animated(folder: Path, rgb: np.ndarray, random: np.random.Generator):
        frames = [Image.fromarray(rgb), Image.fromarray(255 - rgb)]
        suffix, options = [("png", {}), ("webp", {"lossless": True}), ("tif", {})][int(random.integers(3))]
        return save(folder / f"im1.{suffix}", frames[0], save_all=True, append_images=frames[1:], **options), rgb, 0

    def turned(folder: Path, rgb: np.ndarray, random: np.random.Generator):
        exif, turns = Image.Exif(), {3: 2, 6: 3, 8: 1}
        exif[0x0112] = orientation = int(random.choice([3, 6, 8]))
        path = save(folder / "im1.png", Image.fromarray(rgb), exif=exif)
        return path, np.rot90(rgb, turns[orientation]), 0

    def grey(folder: Path, rgb: np.ndarray, _):
        return save(folder / "im1.png", Image.fromarray(rgb[..., 1])), np.repeat(rgb[..., 1:2], 3, axis=2), 0

    return {
        "png": lossless("png"),
        "bmp": lossless("bmp"),
        "tif": lossless("tif", compression="tiff_lzw"),
        "webp": lossless("webp", lossless=True),
        "ppm": lossless("ppm"),
        "tga": lossless("tga"),
        "wrong extension": wrong_extension,
        "cmyk": cmyk,
        "cmyk jpeg": cmyk_jpeg,
        "jpeg": jpeg,
        "16 bits": sixteen_bits,
        "palette": palette,
        "alpha": alpha,
        "animated": animated,
        "turned": turned,
        "grey": grey,
    }


def _no_photo(folder: Path, how: str, random: np.random.Generator) -> Path:
    path = folder / "im1.jpg"
    if how == "folder":
        path.mkdir()
    elif how == "link to nowhere":
        path.symlink_to(folder / "absent.jpg")
    elif how == "link to itself":
        path.symlink_to(path)
    elif how == "pipe":
        os.mkfifo(path)
    elif how == "text":
        path.write_text("<html>404 not found</html>")
    elif how == "noise":
        path.write_bytes(random.bytes(int(random.integers(1, 5000))))
    elif how == "postscript":
        path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 99 99\nshowpage\n")
    elif how == "size that lies":
        path.write_bytes(_png(int(random.integers(10_000, 2**31)), int(random.integers(10_000, 2**31)), b""))
    elif how == "gif that lies":
        path.write_bytes(
            b"GIF89a" + struct.pack("<HH", 65535, 65535) + b"\x80\0\0" + b"\0" * 6 + b",\0\0\0\0\xff\xff\xff\xff\0\x02\0;"
        )
    elif how == "text bomb":
        inflated = zlib.compress(b"a" * 90_000_000, 9)
        path.write_bytes(_png(8, 8, _chunk(b"zTXt", b"k\0\0" + inflated)))
    else:
        path.touch()
    return path


NO_PHOTOS = (
    "zero bytes", "folder", "link to nowhere", "link to itself", "pipe", "text", "noise", "postscript", "size that lies",
    "gif that lies", "text bomb",
)  # fmt: skip


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _png(width: int, height: int, more: bytes) -> bytes:
    header = _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + more + _chunk(b"IDAT", zlib.compress(b"\0")) + _chunk(b"IEND", b"")


def _small(trials: Trials, folder: Path, count: int) -> None:
    """A child makes and decodes a batch, and tells of each photo what it was, whether it held, its time and its memory."""
    for start in range(0, count, BATCH):
        numbers = range(start, min(start + BATCH, count))
        with trials.workplace() as place:
            told = answer_of(in_child(lambda p=place, n=numbers: [_one(p, trials.seed, i) for i in n], timeout=600))
        for name, problem in told:
            with trials.trial(name):
                expect(not problem, problem)


def _one(folder: Path, seed: int, number: int) -> tuple[str, str]:
    """What was decoded, and what was wrong with the answer ("": nothing)."""
    random = np.random.default_rng([seed, 6, number])
    inside = folder / str(number)
    inside.mkdir()
    kinds = _kinds()
    mutation = str(random.choice(["none", "truncated", "flipped", "flipped", "no photo"]))
    if mutation == "no photo":
        kind = NO_PHOTOS[int(random.integers(len(NO_PHOTOS)))]
        path, expected, tolerance = _no_photo(inside, kind, random), None, 0
    else:
        kind = list(kinds)[int(random.integers(len(kinds)))]
        path, expected, tolerance = kinds[kind](inside, _scene(random), random)
        if mutation != "none":
            content = path.read_bytes()
            for _ in range(int(random.integers(1, 9))):
                content = damage(content, mutation, random)
            path.write_bytes(content)
            expected = None
    name = f"{kind}, {mutation} ({number})"
    try:
        return name, _looked_at(path, expected, tolerance, must_fail=mutation == "no photo" and kind != "text bomb")
    except Exception as error:
        return name, f"{type(error).__name__}: {error}"


def _looked_at(path: Path, expected: np.ndarray | None, tolerance: int, must_fail: bool) -> str:
    from tagging_lib.data import decoding
    from tagging_lib.errors import TaggingError

    side = expected.shape[0] if expected is not None else SIDE
    before, started = _memory(reset=True), time.process_time()
    decoded, problem = None, ""
    try:
        decoded = decoding.decode(path, side)
    except TaggingError as error:
        problem = str(error)
    seconds, megabytes = time.process_time() - started, _memory() - before
    if seconds > MOST_SECONDS:
        return f"took {seconds:.2f} s"
    if megabytes > MOST_MEGABYTES:
        return f"took {megabytes:.0f} MB"
    if decoded is None:
        if expected is not None:
            return f"is sound, and was refused: {problem}"
        return "" if str(path) in problem and "\n" not in problem else f"the problem does not name the file: {problem!r}"
    if must_fail:
        return "is no photo, and became one"
    if decoded.shape != (side, side, 3) or decoded.dtype != np.uint8:
        return f"became {decoded.dtype} {decoded.shape}"
    if expected is not None and np.abs(decoded.astype(int) - expected).max() > tolerance:
        return f"is off by {np.abs(decoded.astype(int) - expected).max()}"
    return ""


def _memory(reset: bool = False) -> float:
    """The most memory in MB that this process has held since the last reset."""
    if reset:
        Path("/proc/self/clear_refs").write_text("5")
    return int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1]) / 1024  # type: ignore[index]


# ------------------------------------------------------------------------ giants


def _giants(trials: Trials, folder: Path) -> None:
    """The largest files that are read, and larger ones that are refused, of every format that has a limit of its own."""
    from PIL import Image

    from tagging_lib.data import decoding

    def square(pixels: float) -> tuple[int, int]:
        edge = int(pixels**0.5)
        return edge, edge

    flat = {"RGB": (90, 120, 30), "RGBA": (90, 120, 30, 200), "L": 77, "P": 3, "I;16": 20_000, "F": 0.5, "CMYK": (1, 2, 3, 4)}
    cases = [("png", "PNG", mode, decoding.MAX_PIXELS) for mode in ("RGB", "RGBA", "L", "P", "I;16")]
    cases += [("tif", "TIFF", mode, decoding.MAX_PIXELS) for mode in ("F", "CMYK")]
    cases += [
        (suffix, name, "RGB", decoding.MAX_PIXELS_OF[name])
        for suffix, name in (("webp", "WEBP"), ("jp2", "JPEG2000"), ("jpg", "JPEG"))
    ]
    if trials.size == "short":
        cases = cases[1:2]
    before = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = None
    for suffix, name, mode, most in cases:
        for factor in (0.98, 1.1):
            with trials.trial(f"giant {name} {mode} of {factor * most / 1e6:.0f} million pixels"):
                path = folder / f"giant.{suffix}"

                def make(path: Path = path, mode: str = mode, size: tuple[int, int] = square(factor * most)) -> None:
                    Image.new(mode, size, flat[mode]).save(path)

                def look(path: Path = path, fails: bool = factor > 1) -> str:
                    Image.MAX_IMAGE_PIXELS = before
                    return _looked_at(path, None, 0, must_fail=fails)

                answer_of(in_child(make))
                problem = answer_of(in_child(look))
                path.unlink()
                expect(not problem, problem)
    Image.MAX_IMAGE_PIXELS = before


# ----------------------------------------------------------------------- studies


def _studies(trials: Trials) -> None:
    """Without the option a broken photo stops the study before it trains; with it, the report lists what is left out."""
    with trials.trial("study with broken photos") as random, trials.workplace() as folder:
        from tests.conftest import draw_corpus

        draw_corpus(folder / "tiny", photos=30, side=16)
        chosen = sorted(int(n) for n in random.choice(np.arange(1, 31), 5, replace=False))
        for how, number in zip(("truncated", "emptied", "noise", "folder", "link"), chosen, strict=True):
            path = folder / "tiny" / "images" / f"im{number}.png"
            content = path.read_bytes()
            path.unlink()
            if how == "folder":
                path.mkdir()
            elif how == "link":
                path.symlink_to("nowhere.png")
            else:
                path.write_bytes(damage(content[:-20], how, random))

        def study(*options: str) -> None:
            import sys

            from tagging_lib import cli

            os.chdir(folder)
            sys.argv = ["tagging", "train", "constant", "--corpus", "tiny", "--profile", "quick", *options]
            cli.app(standalone_mode=False)

        ended = in_child(study)
        expect(ended.clear, f"no clear error but {ended.kind}: {ended.error}")
        expect(not list((folder / "outputs").rglob("runs")), "it trained on a broken corpus")
        answer_of(in_child(lambda: study("--skip-broken")))
        banner = answer_of(in_child(lambda: _banner(folder)))
        listed = (folder / "outputs" / "work" / "tables" / "left_out_photos.csv").read_text()
        for number in chosen:
            if f"im{number}.png" not in listed:
                raise Failed(f"im{number}.png is not listed:\n{listed}")
        expect(len(listed.splitlines()) == 6, f"other photos are left out: {listed}")
        expect(all(f"im{number}.png" in banner for number in chosen), f"the banner does not list them: {banner}")


def _banner(folder: Path) -> str:

    os.chdir(folder)
    from tagging_lib.study.describe import banner
    from tagging_lib.study.opening import open_study

    return banner(open_study(CORPUS="tiny", PROFILE="quick", DEVICE="cpu", SKIP_BROKEN=True))
