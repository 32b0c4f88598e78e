"""A miniature of both published archives behind a local server that knows ranges and can break off."""

import hashlib
import io
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from PIL import Image

from tagging_lib.data import mirflickr
from tagging_lib.data.corpus import Corpus
from tagging_lib.errors import TaggingError


def miniature() -> dict[str, bytes]:
    random = np.random.default_rng(3)
    photos, annotations = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(photos, "w") as archive:
        archive.writestr("mirflickr/doc/README.txt", "not a photo")
        for number in (1, 2, 3, 10, 11, 12):
            width, height = (200, 140) if number % 2 else (140, 200)
            noise = random.integers(0, 60, (height, width, 3), dtype=np.uint8)
            noise[..., number % 3] += 180
            encoded = io.BytesIO()
            Image.fromarray(noise).save(encoded, "JPEG")
            archive.writestr(f"mirflickr/im{number}.jpg", encoded.getvalue())
            archive.writestr(f"mirflickr/meta/tags/tags{number}.txt", "holiday")
    with zipfile.ZipFile(annotations, "w") as archive:
        archive.writestr("README.txt", "about")
        archive.writestr("sea.txt", "1\n2\n3\n10\n11\n12\n")  # the generous annotation, not used
        archive.writestr("sea_r1.txt", "2\r\n10\r\n12\r\n")
        archive.writestr("dog_r1.txt", "11\n1\n\n")
        archive.writestr("night.txt", "1\n")  # a label without a strict annotation is no label of the study
    return {mirflickr.PHOTOS: photos.getvalue(), mirflickr.ANNOTATIONS: annotations.getvalue()}


class Publisher:
    """Serves files; `breaks` holds, per file, after how many bytes each of the next answers breaks off."""

    def __init__(self, files: dict[str, bytes]):
        self.files, self.breaks, self.ranges, self.requests = files, {}, True, []
        publisher = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                name = self.path.rsplit("/", 1)[-1]
                asked = self.headers.get("Range")
                publisher.requests.append((name, asked))
                body = publisher.files.get(name)
                if body is None:
                    return self.send_error(404)
                start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and publisher.ranges else 0
                if start >= len(body):
                    self.send_response(416)
                    self.send_header("Content-Range", f"bytes */{len(body)}")
                    self.send_header("Content-Length", "0")
                    return self.end_headers()
                self.send_response(206 if start else 200)
                if start:
                    self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
                self.send_header("Content-Length", str(len(body) - start))
                self.end_headers()
                left = publisher.breaks.get(name) or [len(body)]
                self.wfile.write(body[start : start + left.pop(0)])

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/v3b"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def md5(self) -> str:
        return hashlib.md5(self.files[mirflickr.PHOTOS]).hexdigest()


@pytest.fixture
def publisher():
    made = Publisher(miniature())
    yield made
    made.server.shutdown()
    made.server.server_close()


def prepare(publisher, folder, **changes):
    arguments = {"base_url": publisher.url, "photos_md5": publisher.md5, "study_photos": 10, "pause": 0.0} | changes
    return mirflickr.prepare(folder, **arguments)


def test_both_parts_become_corpora_with_the_strict_labels(publisher, tmp_path):
    study = Corpus.open(prepare(publisher, tmp_path))
    assert study.labels == ("dog", "sea")
    assert study.numbers.tolist() == [1, 2, 3, 10]
    assert study.targets.tolist() == [[1, 0], [0, 1], [0, 0], [0, 1]]
    test = Corpus.open(tmp_path / "mirflickr25k-test")
    assert test.numbers.tolist() == [11, 12]
    assert test.targets.tolist() == [[1, 0], [0, 1]]
    with Image.open(study.path(1)) as image:
        assert image.size == (128, 128)
        red, green, blue = np.asarray(image).reshape(-1, 3).mean(axis=0)
    assert blue > 150 > 80 > max(red, green)  # photo 2 keeps its colour
    names = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    assert not any(".part" in name or ".original" in name for name in names)


def test_a_second_call_asks_nobody(publisher, tmp_path):
    prepare(publisher, tmp_path)
    publisher.requests.clear()
    assert prepare(publisher, tmp_path) == tmp_path / "mirflickr25k"
    assert publisher.requests == []


def test_a_broken_connection_is_continued_by_range(publisher, tmp_path):
    publisher.breaks[mirflickr.PHOTOS] = [1000, 2500]
    assert len(Corpus.open(prepare(publisher, tmp_path))) == 4
    asked = [wanted for name, wanted in publisher.requests if name == mirflickr.PHOTOS]
    assert asked == [None, "bytes=1000-", "bytes=3500-"]


def test_a_server_without_ranges_starts_over(publisher, tmp_path):
    publisher.breaks[mirflickr.PHOTOS] = [1000]
    publisher.ranges = False
    assert len(Corpus.open(prepare(publisher, tmp_path))) == 4


def test_a_later_call_continues_and_a_whole_part_is_accepted(publisher, tmp_path):
    body = publisher.files[mirflickr.PHOTOS]
    downloads = tmp_path / "downloads"
    downloads.mkdir()
    (downloads / f"{mirflickr.PHOTOS}.part").write_bytes(body)  # stopped between last byte and renaming
    (downloads / f"{mirflickr.ANNOTATIONS}.part").write_bytes(publisher.files[mirflickr.ANNOTATIONS][:50])
    prepare(publisher, tmp_path)
    assert (mirflickr.ANNOTATIONS, "bytes=50-") in publisher.requests
    assert (mirflickr.PHOTOS, f"bytes={len(body)}-") in publisher.requests


def test_a_part_of_something_longer_is_dropped(publisher, tmp_path):
    target = tmp_path / mirflickr.PHOTOS
    target.with_name(target.name + ".part").write_bytes(b"x" * 10_000_000)
    mirflickr.download(f"{publisher.url}/{mirflickr.PHOTOS}", target, md5=publisher.md5, pause=0)
    assert target.read_bytes() == publisher.files[mirflickr.PHOTOS]


def test_a_wrong_checksum_is_refused_and_deleted(publisher, tmp_path):
    with pytest.raises(TaggingError, match="MD5"):
        prepare(publisher, tmp_path, photos_md5="0" * 32)
    assert not (tmp_path / "downloads" / mirflickr.PHOTOS).exists()
    assert not (tmp_path / "mirflickr25k").exists()


def test_giving_up_names_the_way_on_and_keeps_what_came(publisher, tmp_path):
    publisher.breaks[mirflickr.PHOTOS] = [1000] + [0] * 20
    with pytest.raises(TaggingError, match=r"broke off at 1,000 bytes.*again"):
        prepare(publisher, tmp_path)
    assert (tmp_path / "downloads" / f"{mirflickr.PHOTOS}.part").stat().st_size == 1000


def test_an_absent_file_and_an_absent_server_are_one_line(publisher, tmp_path):
    with pytest.raises(TaggingError, match="404"):
        mirflickr.download(f"{publisher.url}/elsewhere.zip", tmp_path / "elsewhere.zip", pause=0)
    with pytest.raises(TaggingError, match=r"put nothing\.zip into"):
        mirflickr.download("http://127.0.0.1:9/nothing.zip", tmp_path / "nothing.zip", pause=0)


@pytest.mark.parametrize("line", ["seven", "99"])
def test_an_annotation_of_no_photo_is_never_passed_over(publisher, tmp_path, line):
    changed = io.BytesIO()
    with zipfile.ZipFile(changed, "w") as archive:
        archive.writestr("sea_r1.txt", f"1\n{line}\n")
    publisher.files[mirflickr.ANNOTATIONS] = changed.getvalue()
    with pytest.raises(TaggingError, match=rf"sea_r1.txt line 2: '{line}'"):
        prepare(publisher, tmp_path)
    assert not (tmp_path / "mirflickr25k").exists()


def test_the_published_address_and_checksum():
    assert mirflickr.PUBLISHER.startswith("https://press.liacs.nl/mirflickr/")
    assert mirflickr.PHOTOS_MD5 == "a23d0a8564ee84cda5622a6c2f947785"


def test_a_flipped_byte_never_gets_the_final_name_even_without_a_published_checksum(tmp_path):
    import io
    import urllib.parse
    import zipfile

    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("a.txt", "abcdefgh" * 50)
    served = tmp_path / "served.zip"
    served.write_bytes(stream.getvalue().replace(b"abcdefgh", b"abcdefgx", 1))
    url = urllib.parse.urljoin("file:", str(served))
    with pytest.raises(TaggingError, match=r"a\.txt.*is damaged; it is deleted"):
        mirflickr.download(url, tmp_path / "got.zip", pause=0.0)
    assert [path.name for path in tmp_path.iterdir()] == ["served.zip"]
