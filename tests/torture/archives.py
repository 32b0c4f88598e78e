"""Hostile archives write nothing outside and nothing partial; broken downloads never leave a bad file under its name."""

from __future__ import annotations

import hashlib
import http.server
import io
import stat
import struct
import threading
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from tests.torture.harness import Ended, Trials, damage, expect, files_below, in_child

Members = list[tuple[str | zipfile.ZipInfo, bytes]]


def run(trials: Trials) -> None:
    """Each hostile archive, good ones with random damage, and a server that misbehaves."""
    for name, make in HOSTILE.items():
        with trials.trial(name) as random, trials.workplace() as folder:
            _refused(folder, make(random), name)
    for _ in range(trials.count(5, 100, 2000)):
        with trials.trial("damaged") as random, trials.workplace() as folder:
            how = str(random.choice(["flipped", "truncated", "noise"]))
            _damaged(folder, damage(_zip(_sound(random)), how, random))
    for number in range(trials.count(2, 40, 400)):
        with trials.trial("server") as random, trials.workplace() as folder:
            _download(folder, random, number)


# --------------------------------------------------------------------- archives


def _zip(members: Members, compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    import warnings

    stream = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(stream, "w", compression) as archive:
        warnings.simplefilter("ignore")  # about names that stand twice
        for name, content in members:
            archive.writestr(name, content)
    return stream.getvalue()


def _png(random: np.random.Generator) -> bytes:
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(random.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(stream, "PNG")
    return stream.getvalue()


def _sound(random: np.random.Generator) -> Members:
    photos: Members = [(f"images/im{number}.png", _png(random)) for number in range(1, 7)]
    return [*photos, ("annotations/red.txt", b"1\n2\n"), ("annotations/blue.txt", b"3\n")]


def _with(*members: tuple[str | zipfile.ZipInfo, bytes]) -> Callable[[np.random.Generator], bytes]:
    return lambda random: _zip([*_sound(random), *members])


def _special(kind: int, name: str = "images/im7.png") -> zipfile.ZipInfo:
    member = zipfile.ZipInfo(name)
    member.create_system = 3
    member.external_attr = (kind | 0o777) << 16
    return member


def _patched(change: Callable[[bytearray], None]) -> Callable[[np.random.Generator], bytes]:
    def make(random: np.random.Generator) -> bytes:
        raw = bytearray(_zip(_sound(random)))
        change(raw)
        return bytes(raw)

    return make


def _encrypt(raw: bytearray) -> None:
    raw[raw.index(b"PK\x01\x02") + 8] |= 1


def _rename_in_index_only(raw: bytearray) -> None:
    """The index says one name, the member another."""
    at = raw.rindex(b"annotations/red.txt")
    raw[at : at + 19] = b"../../../../red.txt"


def _overlap(random: np.random.Generator) -> bytes:
    """Many entries of the index lead to the same compressed bytes (Fifield, A better zip bomb, WOOT 2019)."""
    raw = _zip([("images/im1.bmp", bytes(900_000))])
    start = raw.index(b"PK\x01\x02")
    end = raw.index(b"PK\x05\x06")
    entry, entries = raw[start:end], b""
    for number in range(1, 200):
        name = f"images/im{number}.bmp".encode()
        entries += entry[:28] + struct.pack("<H", len(name)) + entry[30:46] + name
    tail = b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, 199, 199, len(entries), start, 0)
    return raw[:start] + entries + tail


def _lying_size(raw: bytearray) -> None:
    """The index says that a member is small; it is large."""
    at = raw.index(b"PK\x01\x02")
    struct.pack_into("<I", raw, at + 24, 10)


HOSTILE: dict[str, Callable[[np.random.Generator], bytes]] = {
    "absolute path": _with(("/tmp/torture-evil.txt", b"x")),
    "parent folder": _with(("../evil.txt", b"x")),
    "parent folder further in": _with(("images/../../../evil.txt", b"x")),
    "backslashes": _with(("..\\..\\evil.txt", b"x")),
    "drive": _with(("C:\\evil.txt", b"x")),
    "drive, relative": _with(("C:evil.txt", b"x")),
    "network share": _with(("\\\\server\\share\\evil.txt", b"x")),
    "link to a file": _with((_special(stat.S_IFLNK), b"/etc/passwd")),
    "link to a folder, and a file in it": _with((_special(stat.S_IFLNK, "out"), b"/tmp"), ("out/torture-evil.txt", b"x")),
    "device": _with((_special(stat.S_IFCHR), b"")),
    "pipe": _with((_special(stat.S_IFIFO), b"")),
    "one name twice": _with(("images/im1.png", b"another")),
    "one name twice, written differently": _with(("images//im1.png", b"another"), ("images/./im2.png", b"another")),
    "a file and a folder of one name": _with(("images/im1.png/im9.png", b"x")),
    "bomb": _with(("images/im9.bmp", bytes(300_000_000))),
    "bomb of many": lambda random: _zip([(f"images/im{n}.bmp", bytes(900_000)) for n in range(1, 300)]),
    "bomb of overlapping members": _overlap,
    "encrypted": _patched(_encrypt),
    "another name in the index": _patched(_rename_in_index_only),
    "size that lies": _patched(_lying_size),
    "truncated": lambda random: _zip(_sound(random))[:-60],
    "compressed twice": lambda random: zlib.compress(_zip(_sound(random))),
    "name with a zero": _patched(
        lambda raw: raw.__setitem__(slice(raw.rindex(b"red.txt"), raw.rindex(b"red.txt") + 7), b"r\0../xt")
    ),
    "name of 300 letters": _with(("images/" + "x" * 300 + ".png", b"x")),
}


def _open(folder: Path) -> Ended:
    def work() -> dict[str, list[str]]:
        from tagging_lib.data.corpus import Corpus

        corpus = Corpus.open(folder / "corpus.zip", data_dir=folder / "data")
        return {photo: corpus.label_names(row) for row, photo in enumerate(corpus.photos)}

    return in_child(work)


def _refused(folder: Path, content: bytes, name: str) -> None:
    inside = folder / "deep" / "deeper"
    inside.mkdir(parents=True)
    (inside / "corpus.zip").write_bytes(content)
    ended = _open(inside)
    expect(ended.clear, f"no clear error but {ended.code} {ended.kind}: {ended.error} {ended.answer}")
    expect(str(inside) in ended.error, f"the error names no file: {ended.error}")
    left = [p.relative_to(folder).as_posix() for p in folder.rglob("*") if not p.is_dir() and p.name != "corpus.zip"]
    expect(not left, f"{left} was written")
    expect(not list(Path("/tmp").glob("torture-evil*")), "a file was written outside")
    expect(not (inside / "data").exists() or not list((inside / "data").iterdir()), "something partial is left")


def _damaged(folder: Path, content: bytes) -> None:
    """Damage either does not matter or is an error; a photo never changes silently."""
    (folder / "corpus.zip").write_bytes(content)
    ended = _open(folder)
    found = files_below(folder / "data") if (folder / "data").exists() else {}
    if ended.code == 0:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:  # its reader checks each member's CRC
            whole = {member.filename: archive.read(member) for member in archive.infolist() if not member.is_dir()}
        expect({name.split("/", 1)[1]: data for name, data in found.items()} == whole, "other files than the zip's came out")
    else:
        expect(ended.clear, f"no clear error but {ended.kind}: {ended.error}")
        # A zip that is sound and no corpus stays unpacked, whole: its problem is in its content.
        hidden = [name for name in found if name.startswith(".")]
        expect(not hidden, f"something partial is left: {hidden}")


# -------------------------------------------------------------------- downloads


class _Server(http.server.BaseHTTPRequestHandler):
    """Serves one file, by a plan: each request takes the next misbehaviour."""

    content = b""
    plan: Iterator[str]
    random: np.random.Generator
    asked: list[int]

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        how = next(self.plan, "good")
        start = 0
        given = self.headers.get("Range", "")
        if given and how != "no ranges":
            start = int(given.removeprefix("bytes=").rstrip("-"))
        self.asked.append(start)
        if start >= len(self.content) > 0:
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(self.content)}")
            self.end_headers()
            return
        if how == "refuses":
            self.send_error(503)
            return
        rest = self.content[start:]
        if how == "flips a byte":
            rest = damage(rest, "flipped", self.random)
        length = len(rest)
        if how == "says too much":
            length += int(self.random.integers(1, 1000))
        elif how == "says too little":
            length = int(self.random.integers(1, len(rest) + 1))
        if how in ("breaks off", "says too little"):
            rest = rest[: int(self.random.integers(len(rest)))] if how == "breaks off" else rest[:length]
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(self.content) - 1}/{len(self.content)}")
        if how != "says nothing":
            self.send_header("Content-Length", str(length))
        self.end_headers()
        try:
            self.wfile.write(rest)
            self.wfile.flush()
        except OSError:
            pass
        self.close_connection = True


@contextmanager
def _serving(content: bytes, plan: list[str], random: np.random.Generator) -> Iterator[tuple[str, list[int]]]:
    asked: list[int] = []
    handler = type("Handler", (_Server,), {"content": content, "plan": iter(plan), "random": random, "asked": asked})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/file.zip", asked
        finally:
            server.shutdown()
            thread.join()


def _download(folder: Path, random: np.random.Generator, number: int) -> None:
    """A server that breaks off 20 times, then one that lies and flips; whatever is under the final name is the file."""
    from tagging_lib.data import mirflickr
    from tagging_lib.errors import TaggingError

    # Stored and of random bytes, so that no flip goes unnoticed by luck.
    content = _zip([(f"{n}.bin", random.bytes(20_000)) for n in range(5)], zipfile.ZIP_STORED)
    checksum = hashlib.md5(content).hexdigest()
    target = folder / "file.zip"
    lies = ["breaks off", "says too much", "says too little", "flips a byte", "refuses", "no ranges", "says nothing"]
    plan = ["breaks off"] * 20 if number % 2 == 0 else [str(random.choice(lies)) for _ in range(int(random.integers(1, 12)))]
    known = {"md5": checksum} if random.random() < 0.7 else {}
    with _serving(content, plan, random) as (url, asked):
        done = False
        for _ in range(30):
            try:
                mirflickr.download(url, target, pause=0.0, **known)
                done = True
                break
            except TaggingError as error:
                expect("\n" not in str(error), f"several lines: {error}")
                good = not target.exists() or target.read_bytes() == content
                expect(good, f"after the error {error} a bad file lies under the final name")
        expect(done, "good retries did not bring the file")
        expect(known == {} or target.read_bytes() == content, f"a bad file passed for good; plan {plan}")
        if not known:
            expect(_reads(target) == _reads(io.BytesIO(content)), f"a bad file passed for good; plan {plan}")
        if number % 2 == 0:
            expect(sorted(asked) == asked and asked[-1] > 0, f"retries did not resume: {asked}")
        expect([path.name for path in folder.iterdir()] == ["file.zip"], "something partial is left")


def _reads(archive) -> dict[str, bytes]:
    with zipfile.ZipFile(archive) as opened:
        return {name: opened.read(name) for name in opened.namelist()}
