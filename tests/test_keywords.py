"""Keywords in photos and beside them: every trap drawn by code, and the real files of a dozen programs when they are at hand."""

import errno
import hashlib
import io
import json
import os
import random
import shutil
import struct
import subprocess
import zlib

import pytest
from conftest import SHARED
from PIL import Image, features

from tagging_lib.data.metadata import blocks, xmp
from tagging_lib.data.metadata.fields import SUBJECT, WANTED
from tagging_lib.data.metadata.keywords import read_keywords, sidecars_of
from tagging_lib.errors import TaggingError

REAL = SHARED / "reference" / "keywords"
FIELDS = ("iptc", "dc_subject", "lr_hierarchical", "digikam_tagslist", "mwg_hierarchy", "microsoft", "acdsee", "mediapro")
SPACES = {
    "dc": "http://purl.org/dc/elements/1.1/",
    "lr": "http://ns.adobe.com/lightroom/1.0/",
    "digiKam": "http://www.digikam.org/ns/1.0/",
    "mwg-kw": "http://www.metadataworkinggroup.com/schemas/keywords/",
    "MicrosoftPhoto": "http://ns.microsoft.com/photo/1.0/",
    "mediapro": "http://ns.iview-multimedia.com/mediapro/1.0/",
    "acdsee": "http://ns.acdsee.com/iptc/1.0/",
    "pdf": "http://ns.adobe.com/pdf/1.3/",
    "photoshop": "http://ns.adobe.com/photoshop/1.0/",
}
RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"


def bag(name, *keywords, kind="Bag"):
    items = "".join(f"<rdf:li>{keyword}</rdf:li>" for keyword in keywords)
    return f"<{name}><rdf:{kind}>{items}</rdf:{kind}></{name}>"


def packet(*properties, attributes=""):
    spaces = "".join(f' xmlns:{prefix}="{space}"' for prefix, space in SPACES.items())
    return (
        f'<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="{RDF}">'
        f'<rdf:Description rdf:about=""{spaces}{attributes}>{"".join(properties)}</rdf:Description></rdf:RDF></x:xmpmeta>'
        '<?xpacket end="w"?>'
    )


def record(*keywords, charset=b""):
    """An IPTC record; keywords as bytes."""
    mark = b"\x1c\x01\x5a" + struct.pack(">H", len(charset)) + charset if charset else b""
    return mark + b"".join(b"\x1c\x02\x19" + struct.pack(">H", len(keyword)) + keyword for keyword in keywords)


def resource(kind, content):
    return b"8BIM" + struct.pack(">HHI", kind, 0, len(content)) + content + b"\0" * (len(content) % 2)


def exif(xp_keywords, order="<"):
    """A TIFF header with one directory that holds Windows' tag."""
    value = xp_keywords.encode("utf-16-le") + b"\0\0"
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8)
    return head + struct.pack(order + "HHHIII", 1, 0x9C9E, 1, len(value), 26, 0) + value


def segment(marker, content):
    return b"\xff" + bytes([marker]) + struct.pack(">H", len(content) + 2) + content


def pixels(form):
    stream = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(stream, form)
    return stream.getvalue()


def jpeg(*, iptc=None, digest=None, text=None, xp=None, more=b""):
    """A photo with the metadata given, as programs put it into JPEG."""
    resources = (resource(0x0404, iptc) if iptc else b"") + (resource(0x0425, digest) if digest else b"")
    parts = segment(0xED, b"Photoshop 3.0\0" + resources) if resources else b""
    parts += segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + text.encode()) if text else b""
    parts += segment(0xE1, b"Exif\0\0" + exif(xp)) if xp else b""
    photo = pixels("JPEG")
    return photo[:2] + parts + more + photo[2:]


def png(*chunks):
    photo = pixels("PNG")
    made = b"".join(struct.pack(">I", len(c)) + kind + c + struct.pack(">I", zlib.crc32(kind + c)) for kind, c in chunks)
    return photo[:-12] + made + photo[-12:]


def profile(name, content):
    """Metadata in hexadecimal, as ImageMagick keeps it in PNG."""
    return f"Raw profile type {name}\0".encode(), f"\n{name}\n{len(content):8}\n{content.hex()}\n".encode()


def tiff(text, iptc):
    """A TIFF of metadata alone: XMP, and IPTC called LONG in the other byte order, as old Photoshops wrote it."""
    iptc += b"\0" * (-len(iptc) % 4)
    swapped = b"".join(iptc[place : place + 4][::-1] for place in range(0, len(iptc), 4))
    start = 8 + 2 + 2 * 12 + 4
    entries = struct.pack("<HHII", 700, 1, len(text), start) + struct.pack(
        "<HHII", 33723, 4, len(swapped) // 4, start + len(text)
    )
    return b"II*\0" + struct.pack("<IH", 8, 2) + entries + b"\0\0\0\0" + text + swapped


def gif(text):
    photo = pixels("GIF")
    trailer = b"\x01" + bytes(range(255, -1, -1)) + b"\0"
    return photo[:-1] + b"\x21\xff\x0bXMP DataXMP" + text + trailer + b"\x3b"


def psd(resources):
    return b"8BPS" + struct.pack(">H6xHIIHH", 1, 3, 8, 8, 8, 3) + struct.pack(">II", 0, len(resources)) + resources + bytes(200)


def box(kind, content):
    return struct.pack(">I", 8 + len(content)) + kind + content


def idat(text):
    """A HEIC whose XMP lies within its `meta` box."""
    kinds = box(b"iinf", b"\0\0\0\0\0\1" + box(b"infe", b"\2\0\0\0\0\1\0\0mime\0application/rdf+xml\0"))
    places = box(b"iloc", b"\1\0\0\0\x44\0\0\1" + struct.pack(">HHHHII", 1, 1, 0, 1, 0, len(text)))
    return box(b"ftyp", b"heic\0\0\0\0") + box(b"meta", bytes(4) + kinds + places + box(b"idat", text))


def open_ended(text):
    """A HEIC whose XMP reaches to the end of the file, which a length of 0 says."""
    photo = idat(b"")
    kept = photo.replace(struct.pack(">HHHHII", 1, 1, 0, 1, 0, 0), struct.pack(">HHHHII", 1, 0, 0, 1, len(photo) + 8, 0))
    return kept + struct.pack(">I4s", 0, b"mdat") + text


def heic(text, exif_block, *, wide=False):
    """A HEIC without pixels, its XMP in two parts and its EXIF as items of `mdat`, as iPhones and digiKam leave them."""
    data = text + struct.pack(">I", 6) + b"Exif\0\0" + exif_block
    half = len(text) // 2

    def entry(item, kind, more=b""):
        return box(b"infe", b"\x02\0\0\0" + struct.pack(">HH", item, 0) + kind + b"\0" + more)

    kinds = box(b"iinf", b"\0\0\0\0" + struct.pack(">H", 2) + entry(1, b"mime", b"application/rdf+xml\0") + entry(2, b"Exif"))

    def meta(start):
        parts = [[(0, half), (half, len(text) - half)], [(len(text), len(data) - len(text))]]
        places = b"\x01\0\0\0\x44\x40" + struct.pack(">H", 2)
        for item, extents in enumerate(parts, 1):
            places += struct.pack(">HHHIH", item, 0, 0, start, len(extents))
            places += b"".join(struct.pack(">II", *extent) for extent in extents)
        return box(b"meta", b"\0\0\0\0" + kinds + box(b"iloc", places))

    head = box(b"ftyp", b"heic\0\0\0\0mif1heic")
    opening = struct.pack(">I4sQ", 1, b"mdat", 16 + len(data)) if wide else struct.pack(">I4s", 8 + len(data), b"mdat")
    start = len(head) + len(meta(0)) + len(opening)
    return head + meta(start) + opening + data


def jp2(text, iptc):
    named = {"be7acfcb97a942e89c71999491e3afac": text, "33c7a4d2b81d4723a0baf1a3e097ad38": iptc}
    return box(b"jP  ", b"\r\n\x87\n") + b"".join(box(b"uuid", bytes.fromhex(name) + content) for name, content in named.items())


SEA = packet(bag("dc:subject", "sea", "Straße")).encode()
CONTAINERS = {
    "JPEG": jpeg(text=SEA.decode()),
    "PNG": png((b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + SEA)),
    "PNG, compressed": png((b"iTXt", b"XML:com.adobe.xmp\0\1\0en\0x\0" + zlib.compress(SEA))),
    "PNG, ImageMagick's profile": png((b"zTXt", profile("8bim", b"")[0] + b"\0" + zlib.compress(
        profile("8bim", resource(0x0404, record(b"sea", "Straße".encode())))[1]))),
    "PNG, profile named by two words": png((b"tEXt", b"Raw profile type iptc\0\nIPTC profile\n 30\n"
        + resource(0x0404, record(b"sea", "Straße".encode())).hex().encode())),
    "PNG, text": png((b"tEXt", b"XML:com.adobe.xmp\0" + SEA)),
    "PNG, EXIF": png((b"eXIf", exif("sea;Straße", ">"))),
    "WebP": b"RIFF" + struct.pack("<I", 12 + len(SEA)) + b"WEBPXMP " + struct.pack("<I", len(SEA)) + SEA,
    "WebP, early": b"RIFF" + struct.pack("<I", 12 + len(SEA)) + b"WEBPXMP\0" + struct.pack("<I", len(SEA)) + SEA,
    "TIFF": tiff(packet().encode(), record(b"sea", "Straße".encode())),
    "GIF": gif(SEA),
    "PSD": psd(resource(0x0404, record(b"sea", "Straße".encode())) + resource(0x0424, SEA)),
    "HEIC": heic(SEA, exif("old")),
    "HEIC, wide": heic(SEA, exif("old"), wide=True),
    "HEIC, EXIF": heic(packet().encode(), exif("sea;Straße")),
    "HEIC, idat": idat(SEA),
    "HEIC, to the end": open_ended(SEA),
    "JPEG, filled up": b"\xff\xd8\xff\xff" + jpeg(text=SEA.decode())[2:],
    "JPEG 2000": jp2(packet().encode(), record(b"sea", "Straße".encode())),
    "JPEG XL": box(b"JXL ", b"\r\n\x87\n") + box(b"xml ", SEA),
    "XMP": SEA,
    "XMP, UTF-16": SEA.decode().replace("\ufeff", "").encode("utf-16"),
    "XMP, UTF-16 without mark": SEA.decode().replace("\ufeff", "").encode("utf-16-be"),
    "XMP, UTF-32": SEA.decode().replace("\ufeff", "").encode("utf-32"),
    "XMP, Latin-1": b'<?xml version="1.0" encoding="ISO-8859-1"?>' + SEA.decode().replace("\ufeff", "").encode("latin-1"),
    "XMP, Latin-1 undeclared": SEA.decode().replace("\ufeff", "").encode("latin-1"),
}  # fmt: skip


def read(folder, content, hierarchy="leaf", name="photo.jpg"):
    path = folder / name
    path.write_bytes(content)
    return read_keywords(path, hierarchy)


@pytest.mark.parametrize("container", CONTAINERS)
def test_every_container_is_read(container, tmp_path):
    name = "photo.xmp" if container.startswith("XMP") else "photo.jpg"  # a suffix proves nothing
    found = read(tmp_path, CONTAINERS[container], name=name)
    assert (found.keywords, found.problems) == (("sea", "Straße"), ())


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow writes no AVIF")
def test_avif_as_pillow_writes_it(tmp_path):
    block = Image.Exif()
    block[0x9C9E] = "a;b".encode("utf-16-le")
    Image.new("RGB", (16, 16)).save(tmp_path / "photo.avif", xmp=SEA, exif=block)
    found = read_keywords(tmp_path / "photo.avif")
    assert found.fields == {"dc_subject": ("sea", "Straße"), "xp_keywords": ("a", "b")}


def test_a_photo_of_a_format_without_keywords_has_none_and_other_files_are_named(tmp_path):
    (tmp_path / "photo.bmp").write_bytes(pixels("BMP"))
    assert read_keywords(tmp_path / "photo.bmp").keywords == ()
    for name, content in {"zero.jpg": bytes(100), "empty.jpg": b"", "text.jpg": b"no photo"}.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(TaggingError, match=name):
            read_keywords(tmp_path / name)
    with pytest.raises(TaggingError, match=r"missing\.jpg leads nowhere"):
        read_keywords(tmp_path / "missing.jpg")
    with pytest.raises(TaggingError, match="is no file"):
        read_keywords(tmp_path)
    with pytest.raises(ValueError, match="leaf, path, all"):
        read_keywords(tmp_path / "photo.bmp", "tree")


# --- IPTC -----------------------------------------------------------------------------------------------------------------

LATIN = ["Straße", "Café", "sea"]
IPTC = {
    "UTF-8 declared": (record(*(k.encode() for k in LATIN), charset=b"\x1b%G"), LATIN),
    "UTF-8 undeclared": (record(*(k.encode() for k in LATIN)), LATIN),
    "Latin-1 undeclared": (record(*(k.encode("cp1252") for k in LATIN)), LATIN),
    "Latin-1 declared": (record(*(k.encode("cp1252") for k in LATIN), charset=b"\x1b.A"), LATIN),
    "Latin-1 that could be UTF-8": (record("Ã©".encode("cp1252"), charset=b"\x1b-A"), ["Ã©"]),
    "Latin-2 declared": (record("łąka".encode("iso8859_2"), charset=b"\x1b-B"), ["łąka"]),
    "Cyrillic declared": (record("море".encode("iso8859_5"), charset=b"\x1b-L"), ["море"]),
    "declared UTF-8, but Latin-1": (record("Café".encode("cp1252"), "Straße".encode(), charset=b"\x1b%G"), ["Café", "Straße"]),
    "one of several is no UTF-8": (record("Café".encode("cp1252"), "Ã©".encode("cp1252")), ["Café", "Ã©"]),
    "a letter cut in two at 64 bytes": (record(("x" * 63 + "é").encode()[:64]), ["x" * 63]),
    "padded": (record(b"sea\0\0", b"  holiday ", b"", b" \0") + b"\0\0\0", ["sea", "holiday"]),
    "twice": (record(b"sea", b"sky", b"sea"), ["sea", "sky"]),
    "composed and decomposed": (record("be\u0301".encode(), "bé".encode()), ["bé"]),
    "a semicolon inside": (record(b"sea; holiday", b"a,b"), ["sea; holiday", "a,b"]),
    "a length of its own": (b"\x1c\x02\x19\x80\x04\0\0\0\x03sea", ["sea"]),
}  # fmt: skip


@pytest.mark.parametrize("case", IPTC)
def test_iptc(case, tmp_path):
    content, expected = IPTC[case]
    assert list(read(tmp_path, jpeg(iptc=content)).keywords) == expected


def test_keywords_with_control_characters_are_left_out_and_named(tmp_path):
    found = read(tmp_path, jpeg(iptc=record(b"reagan\x1c\x02\x19\0\x06", b"ship", b"\x81\xe9")))
    assert found.keywords == ("ship",)
    assert len(found.problems) == 2 and "photo.jpg" in found.problems[0] and "control characters" in found.problems[0]


def test_iptc_cut_short_gives_what_came_before(tmp_path):
    found = read(tmp_path, jpeg(iptc=record(b"sea") + b"\x1c\x02\x19\0\x40too short"))
    assert found.keywords == ("sea",) and "cut short" in found.problems[0]


def test_iptc_split_over_segments_and_without_padding(tmp_path):
    whole = b"8BIM\x04\x25\x01x\0\0\0\x01z" + resource(0x0404, record(b"sea", b"x" * 41, b"sky"))  # an odd length, unpadded
    for place in (3, 20, 40):
        parts = segment(0xED, b"Photoshop 3.0\0" + whole[:place]) + segment(0xED, b"Photoshop 3.0\0" + whole[place:])
        assert read(tmp_path, jpeg(more=parts)).keywords == ("sea", "x" * 41, "sky")


def test_the_digest_decides_between_iptc_and_xmp(tmp_path):
    """Metadata Working Group: no digest, or one that fits, and XMP counts; one that does not, and IPTC was changed since."""
    old, text = record(b"old"), packet(bag("dc:subject", "new1", "new2"))
    fitting, other = hashlib.md5(old).digest(), hashlib.md5(b"other").digest()
    for digest, expected in ((None, ("new1", "new2")), (fitting, ("new1", "new2")), (other, ("old",))):
        assert read(tmp_path, jpeg(iptc=old, digest=digest, text=text)).keywords == expected
    assert read(tmp_path, jpeg(iptc=old + b"\0\0", digest=fitting, text=text)).keywords == ("new1", "new2")  # padded
    assert read(tmp_path, jpeg(iptc=old, digest=other, text=packet())).keywords == ("old",)
    assert read(tmp_path, jpeg(iptc=record(), digest=other, text=text)).keywords == ("new1", "new2")
    tree = packet(bag("dc:subject", "gone", "old"), bag("lr:hierarchicalSubject", "P|gone", "P|old"))
    assert read(tmp_path, jpeg(iptc=old, digest=other, text=tree), "path").keywords == ("P|old",)
    assert read(tmp_path, jpeg(iptc=old, digest=fitting, text=tree), "path").keywords == ("P|gone", "P|old")


def test_a_keyword_that_iptc_has_no_room_for_is_taken_from_xmp(tmp_path):
    long = "straights of magellan " * 4 + "end"
    content = jpeg(iptc=record(long.encode()[:64], b"ship"), digest=b"0" * 16, text=packet(bag("dc:subject", long, "shipyard")))
    assert read(tmp_path, content).keywords == (long, "ship")


def test_trailers_count_where_the_photo_has_no_iptc(tmp_path):
    photo, hidden = jpeg(), record(b"hidden")
    start = len(photo)
    directory = b"AXS!" + struct.pack(">HHI", 1, 1, 0) + b"IPTC" + struct.pack(">II", len(hidden), start + 24)
    afcp = directory + hidden + b"AXS!" + struct.pack(">II", start, 0)
    fotostation = hidden + struct.pack(">HII", 1, len(hidden) + 10, 0xA1B2C3D4)
    assert read(tmp_path, photo + afcp).keywords == ("hidden",)
    assert read(tmp_path, photo + fotostation).keywords == ("hidden",)
    assert read(tmp_path, photo + afcp + b"xx" + struct.pack(">HII", 4, 12, 0xA1B2C3D4)).keywords == ("hidden",)
    changed = jpeg(iptc=record(b"seen"), digest=hashlib.md5(hidden).digest(), text=packet(bag("dc:subject", "new")))
    assert read(tmp_path, changed + fotostation).keywords == ("seen",)


# --- XMP ------------------------------------------------------------------------------------------------------------------

NODE = f'<rdf:Bag rdf:nodeID="n"><rdf:li>sea</rdf:li><rdf:li>sky</rdf:li></rdf:Bag><rdf:Description xmlns:dc="{SPACES["dc"]}">'
XMP = {
    "Bag": packet(bag("dc:subject", "sea", "sky")),
    "Seq": packet(bag("dc:subject", "sea", "sky", kind="Seq")),
    "Alt": packet(bag("dc:subject", "sea", "sky", kind="Alt")),
    "attribute and element": packet(bag("dc:subject", "sky"), attributes=' dc:subject="sea"'),
    "texts": packet("<dc:subject>sea</dc:subject><dc:subject> sky\n</dc:subject>"),
    "several descriptions": packet(bag("dc:subject", "sea")).replace(
        "</rdf:RDF>", f'<rdf:Description xmlns:d="{SPACES["dc"]}">{bag("d:subject", "sky")}</rdf:Description></rdf:RDF>'
    ),
    "other prefixes": packet(bag("dc:subject", "sea", "sky")).replace("dc:", "purl:").replace(":dc=", ":purl=")
        .replace("rdf:", "r:").replace(":rdf=", ":r="),
    "no prefix": packet(f'<subject xmlns="{SPACES["dc"]}"><Bag xmlns="{RDF}"><li>sea</li><li>sky</li></Bag></subject>'),
    "qualified": packet('<dc:subject><rdf:Bag><rdf:li rdf:parseType="Resource"><rdf:value>sea</rdf:value>'
        '<dc:type>x</dc:type></rdf:li>'
        '<rdf:li><rdf:Description rdf:value="sky" dc:type="x"/></rdf:li></rdf:Bag></dc:subject>'),
    "a named node": packet().replace(
        "<rdf:Description", NODE + '<dc:subject rdf:nodeID="n"/></rdf:Description><rdf:Description', 1
    ),
    "languages": packet('<dc:subject><rdf:Alt><rdf:li xml:lang="x-default">sea</rdf:li><rdf:li xml:lang="de">Meer</rdf:li>'
        "<rdf:li>sky</rdf:li></rdf:Alt></dc:subject>"),
    "line breaks, blanks, twins and nothing": packet(bag("dc:subject", "\n  sea\n ", "sky", " ", "", "sea", "sky ")),
    "CDATA": packet(bag("dc:subject", "<![CDATA[sea]]>", "s<!-- no -->ky")),
    "in a structure it is not the photo's": packet(
        bag("dc:subject", "sea", "sky"),
        f'<dc:relation rdf:parseType="Resource">{bag("dc:subject", "of another photo")}</dc:relation>',
    ),
    "old element around it": packet(bag("dc:subject", "sea", "sky")).replace("x:xmpmeta", "x:xapmeta"),
    "bare RDF": packet(bag("dc:subject", "sea", "sky")).split('meta/">')[1].split("</x:")[0],
    "blanks before, garbage behind": "\n  " + packet(bag("dc:subject", "sea", "sky")) + "\0\0 garbage",
    "a control character": packet(bag("dc:subject", "sea", "sky"), "<dc:title>\x02</dc:title>"),
}  # fmt: skip


@pytest.mark.parametrize("form", XMP)
def test_every_form_of_rdf(form, tmp_path):
    found = read(tmp_path, jpeg(text=XMP[form]))
    assert (found.keywords, found.problems) == (("sea", "sky"), ())


def test_entities_of_xml_are_letters(tmp_path):
    assert read(tmp_path, jpeg(text=packet(bag("dc:subject", "&amp;-&amp;amp;-&#x26;", "a &lt; b")))).keywords == (
        "&-&amp;-&",
        "a < b",
    )


def test_the_first_record_with_keywords_counts(tmp_path):
    both = resource(0x0404, record(b"first")) + resource(0x0404, record(b"second"))
    for resources in (both, resource(0x0404, record()) + both):
        assert read(tmp_path, jpeg(more=segment(0xED, b"Photoshop 3.0\0" + resources))).keywords == ("first",)


def test_packets_beyond_the_eighth_are_left_out(tmp_path):
    parts = [segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + packet(bag("dc:subject", str(n))).encode()) for n in range(9)]
    found = read(tmp_path, jpeg(more=b"".join(parts)))
    assert found.keywords == ("7",) and "more than 8 packets" in found.problems[0]


def test_the_last_of_two_packets_counts(tmp_path):
    second = segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + packet(bag("dc:subject", "second")).encode())
    assert read(tmp_path, jpeg(text=packet(bag("dc:subject", "first")), more=second)).keywords == ("second",)
    tree = packet(bag("dc:subject", "second"), bag("lr:hierarchicalSubject", "P|second"))
    second = segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + tree.encode())
    first = packet(bag("dc:subject", "first"), bag("lr:hierarchicalSubject", "P|first"))
    assert read(tmp_path, jpeg(text=first, more=second), "path").keywords == ("P|second",)


def test_extended_xmp_is_put_together_if_it_is_whole(tmp_path):
    extension = packet(bag("dc:subject", "sea", "x" * 900, "sky")).encode()
    name = hashlib.md5(extension).hexdigest().upper()
    main = packet(attributes=f' xmlns:xmpNote="http://ns.adobe.com/xmp/note/" xmpNote:HasExtendedXMP="{name}"')

    def part(start, end, named=name):
        head = b"http://ns.adobe.com/xmp/extension/\0" + named.encode() + struct.pack(">II", len(extension), start)
        return segment(0xE1, head + extension[start:end])

    whole = [part(500, None), part(0, 500), part(0, 500)]  # in any order, one of them twice
    assert read(tmp_path, jpeg(text=main, more=b"".join(whole))).keywords == ("sea", "x" * 900, "sky")
    found = read(tmp_path, jpeg(text=main, more=whole[0]))
    assert found.keywords == () and "extended XMP is not whole" in found.problems[0]
    foreign = [part(0, 500, "0" * 32), part(500, None, "0" * 32)]
    assert read(tmp_path, jpeg(text=main, more=b"".join(foreign))).keywords == ()


LAUGHS = '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]>'
HARMFUL = {
    "entities": (packet(bag("dc:subject", "&b;")).replace("<x:xmpmeta", LAUGHS + "<x:xmpmeta"), "refused"),
    "a file": (
        packet(bag("dc:subject", "&b;")).replace(
            "<x:xmpmeta", '<!DOCTYPE x [<!ENTITY b SYSTEM "file:///etc/passwd">]><x:xmpmeta'
        ),
        "refused",
    ),
    "depth": (packet("<dc:subject>" * 5000 + "</dc:subject>" * 5000), "inside each other"),
    "elements": (packet("<dc:subject/>" * 200_001), "elements"),
    "damage": (packet(bag("dc:subject", "sea"))[:-150], "not well-formed"),
    "no XMP": ("<html></html>", "no XMP"),
    "nothing": ("", "not well-formed"),
}


@pytest.mark.parametrize("harm", HARMFUL)
def test_harmful_xmp_is_refused_and_the_rest_of_the_photo_read(harm, tmp_path):
    text, told = HARMFUL[harm]
    if len(text) < 60_000:
        found = read(tmp_path, jpeg(iptc=record(b"sky"), more=segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + text.encode())))
        assert found.keywords == ("sky",) and told in found.problems[0]
    with pytest.raises(TaggingError, match=f"photo.xmp.*({told}|no photo)"):
        read(tmp_path, text.encode(), name="photo.xmp")


def test_many_and_endless_keywords_are_bounded(tmp_path):
    many = read(tmp_path, packet(bag("dc:subject", *map(str, range(10_500)))).encode(), name="photo.xmp")
    assert len(many.keywords) == 10_000
    endless = read(tmp_path, packet(bag("dc:subject", "x" * 1001, "sea")).encode(), name="photo.xmp")
    assert endless.keywords == ("sea",) and "1000 letters" in endless.problems[0]
    opening = '<rdf:li rdf:parseType="Resource"><mwg-kw:Keyword>{}</mwg-kw:Keyword><mwg-kw:Children><rdf:Bag>'.format("k" * 900)
    tree = opening * 15 + "</rdf:Bag></mwg-kw:Children></rdf:li>" * 15
    text = packet(MWG_TREE.format(tree))
    found = read(tmp_path, text.encode(), "path", name="photo.xmp")
    assert found.keywords == ("k" * 900,) and len(found.problems) == 1
    node = packet(*['<dc:subject rdf:nodeID="n"/>'] * 200).replace(
        "<rdf:Description", "<rdf:Bag><rdf:li/></rdf:Bag><rdf:Description"
    )
    node = node.replace("<rdf:Bag>", '<rdf:Bag rdf:nodeID="n">' + "<rdf:li>sea</rdf:li>" * 200)
    assert len(xmp.parse(node.encode(), WANTED).values(SUBJECT)) == 10_000


# --- Hierarchies and joined keywords --------------------------------------------------------------------------------------

MWG_TREE = (
    '<mwg-kw:Keywords rdf:parseType="Resource"><mwg-kw:Hierarchy><rdf:Bag>{}</rdf:Bag></mwg-kw:Hierarchy></mwg-kw:Keywords>'
)
MWG = MWG_TREE.format(
    '<rdf:li rdf:parseType="Resource">'
    "<mwg-kw:Children><rdf:Bag><rdf:li mwg-kw:Keyword='Siamese'/></rdf:Bag></mwg-kw:Children><mwg-kw:Keyword>cat</mwg-kw:Keyword>"
    '</rdf:li><rdf:li><rdf:Description mwg-kw:Keyword="dog"/></rdf:li>'
)
ASSIGNED = (
    "&lt;Categories&gt;&lt;Category Assigned=&quot;0&quot;&gt;Places"
    "&lt;Category Assigned=&quot;1&quot;&gt;Kiel&lt;/Category&gt;&lt;/Category&gt;&lt;/Categories&gt;"
)
CATEGORIES = f"<acdsee:categories>{ASSIGNED}</acdsee:categories>"
TREES = {
    "Lightroom, paths alone": (
        [bag("lr:hierarchicalSubject", "Places|Europe|Kiel", "Nature|Sea")],
        ["Kiel", "Sea"],
        ["Places|Europe|Kiel", "Nature|Sea"],
    ),
    "Lightroom, flat fields hold every level": (
        [bag("dc:subject", "root", "1st", "2nd", "alone"), bag("lr:hierarchicalSubject", "root|1st|2nd")],
        ["root", "1st", "2nd", "alone"],
        ["root|1st|2nd", "alone"],
    ),
    "digiKam": (
        [
            bag("digiKam:TagsList", "Places/Kiel", "Sea", kind="Seq"),
            bag("lr:hierarchicalSubject", "Places|Kiel", "Sea"),
            bag("dc:subject", "Kiel", "Sea"),
        ],
        ["Kiel", "Sea"],
        ["Places|Kiel", "Sea"],
    ),
    "Windows": ([bag("MicrosoftPhoto:LastKeywordXMP", "Places/Kiel")], ["Kiel"], ["Places|Kiel"]),
    "iView": ([bag("mediapro:CatalogSets", "Places|Kiel")], ["Kiel"], ["Places|Kiel"]),
    "Metadata Working Group": ([MWG], ["cat", "Siamese", "dog"], ["cat", "cat|Siamese", "dog"]),
    "ACDSee": ([CATEGORIES], ["Kiel"], ["Places|Kiel"]),
    "ACDSee, keywords and categories": (
        [bag("acdsee:keywords", "sea", "dog"), CATEGORIES],
        ["sea", "dog", "Kiel"],
        ["Places|Kiel", "sea", "dog"],
    ),
    "a flat field with whole paths": (
        [bag("dc:subject", "Places|Kiel", "a|b"), bag("lr:hierarchicalSubject", "Places|Kiel")],
        ["Kiel", "a|b"],
        ["Places|Kiel", "a|b"],
    ),
    "Windows, both fields": (
        [bag("dc:subject", "Places/Kiel"), bag("MicrosoftPhoto:LastKeywordXMP", "Places/Kiel")],
        ["Places/Kiel"],
        ["Places|Kiel"],
    ),
    "Windows' note, keywords changed since": (
        [bag("dc:subject", "sea", "sky"), bag("MicrosoftPhoto:LastKeywordXMP", "removed", "Places/Kiel")],
        ["sea", "sky"],
        ["sea", "sky"],
    ),
    "a slash that parts no levels": (
        [bag("dc:subject", "AC/DC"), bag("lr:hierarchicalSubject", "Bands|AC/DC"), bag("digiKam:TagsList", "Bands/AC/DC")],
        ["AC/DC"],
        ["Bands|AC/DC"],
    ),
    "ACDSee, flat": ([bag("acdsee:keywords", "Kiel")], ["Kiel"], ["Kiel"]),
    "PDF": (["<pdf:Keywords>sea, Kiel; sky</pdf:Keywords>"], ["sea", "Kiel", "sky"], ["sea", "Kiel", "sky"]),
    "blanks between levels": ([bag("lr:hierarchicalSubject", " Places | Kiel |")], ["Kiel"], ["Places|Kiel"]),
}


@pytest.mark.parametrize("case", TREES)
def test_hierarchies(case, tmp_path):
    properties, leaves, paths = TREES[case]
    content = jpeg(text=packet(*properties))
    assert list(read(tmp_path, content).keywords) == leaves
    assert list(read(tmp_path, content, "path").keywords) == paths
    assert list(read(tmp_path, content, "all").keywords) == list(dict.fromkeys(leaves + paths))


def test_categories_of_acdsee_are_an_attribute_too(tmp_path):
    content = jpeg(text=packet(attributes=f' acdsee:categories="{ASSIGNED}"'))
    assert read(tmp_path, content).keywords == ("Kiel",) and read(tmp_path, content, "path").keywords == ("Places|Kiel",)


def test_keywords_joined_into_one_are_parted_where_another_field_shows_them(tmp_path):
    joined = packet(bag("dc:subject", "ship, nimitz-class, underway"))
    assert read(tmp_path, jpeg(text=joined, iptc=record(b"ship"))).keywords == ("ship", "nimitz-class", "underway")
    assert read(tmp_path, jpeg(text=joined, xp="underway;ship")).keywords == ("ship", "nimitz-class", "underway")
    assert read(tmp_path, jpeg(text=joined)).keywords == ("ship, nimitz-class, underway",)
    assert read(tmp_path, jpeg(text=joined, iptc=record(b"shi"))).keywords == ("ship, nimitz-class, underway",)
    kept = packet(bag("dc:subject", "sea; holiday", "a,b"))
    assert read(tmp_path, jpeg(text=kept, iptc=record(b"a"))).keywords == ("sea; holiday", "a,b")
    alone = packet(bag("dc:subject", "Paris, France"))
    assert read(tmp_path, jpeg(text=alone, iptc=record(b"Paris, France"))).keywords == ("Paris, France",)


def test_windows_keywords(tmp_path):
    assert read(tmp_path, jpeg(xp="sea;holiday; Straße ;;עברית (Hebrew)")).keywords == (
        "sea",
        "holiday",
        "Straße",
        "עברית (Hebrew)",
    )
    assert read(tmp_path, jpeg(xp="old", text=packet(bag("dc:subject", "new")))).keywords == ("new",)
    assert read(tmp_path, jpeg(xp="sea\0behind the end")).keywords == ("sea",)


# --- Sidecars -------------------------------------------------------------------------------------------------------------


def test_sidecars_count_before_the_photo_and_the_longer_name_first(tmp_path):
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(jpeg(text=packet(bag("dc:subject", "inside"))))
    assert read_keywords(photo).keywords == ("inside",) and sidecars_of(photo) == []
    short, long = tmp_path / "photo.xmp", tmp_path / "photo.jpg.xmp"
    short.write_text(packet(bag("dc:subject", "short")))
    found = read_keywords(photo)
    assert (found.keywords, found.source) == (("short",), short)
    assert found.problems == (f"{photo} has other keywords than photo.xmp, which counts",)
    long.write_text(packet(bag("dc:subject", "long")))
    assert sidecars_of(photo) == [long, short] and sidecars_of(long) == []
    assert read_keywords(photo).keywords == ("long",) and len(read_keywords(photo).problems) == 2
    assert read_keywords(photo, sidecars=False).keywords == ("inside",)
    long.write_text(packet())  # darktable's, say, with developing alone
    assert read_keywords(photo).keywords == ("short",)
    short.write_text(packet(bag("dc:subject", "inside")))
    assert read_keywords(photo).problems == ()


@pytest.mark.parametrize("name", ["IMG_1.jpg.xmp", "img_1.xmp", "IMG_1.Xmp", "img_1.JPG.XMP"])
def test_a_sidecar_from_a_system_that_takes_no_notice_of_case(name, tmp_path):
    photo = tmp_path / "IMG_1.JPG"
    photo.write_bytes(jpeg())
    (tmp_path / name).write_text(packet(bag("dc:subject", "sea")))
    assert read_keywords(photo).keywords == ("sea",)


def test_a_sidecar_that_is_another_photos_own_is_not_taken_for_its_case(tmp_path):
    for name in ("IMG_1.JPG", "img_1.jpg"):
        (tmp_path / name).write_bytes(jpeg())
    if len(list(tmp_path.iterdir())) == 1:
        pytest.skip("case does not count in this file system")
    (tmp_path / "img_1.jpg.xmp").write_text(packet(bag("dc:subject", "sea")))
    assert read_keywords(tmp_path / "img_1.jpg").keywords == ("sea",) and read_keywords(tmp_path / "IMG_1.JPG").keywords == ()


def test_the_sidecar_of_the_raw_photo_of_a_pair_comes_after_the_photos_own_keywords(tmp_path):
    photo, sidecar = tmp_path / "IMG.jpg", tmp_path / "IMG.xmp"
    photo.write_bytes(jpeg(text=packet(bag("dc:subject", "own"))))
    sidecar.write_text(packet(bag("dc:subject", "raw"), attributes=' photoshop:SidecarForExtension="CR2"'))
    found = read_keywords(photo)
    assert (found.keywords, found.source, found.problems) == (("own",), photo, ())
    photo.write_bytes(jpeg())
    assert read_keywords(photo).keywords == ("raw",)
    photo.write_bytes(jpeg(text=packet(bag("dc:subject", "own"))))
    for same in ("JPG", "jpeg"):
        sidecar.write_text(packet(bag("dc:subject", "raw"), attributes=f' photoshop:SidecarForExtension="{same}"'))
        assert read_keywords(photo).keywords == ("raw",)


def test_a_sidecar_in_capitals_is_found_once(tmp_path):
    (tmp_path / "IMG.JPG").write_bytes(jpeg())
    (tmp_path / "IMG.XMP").write_text(packet(bag("dc:subject", "sea")))
    assert sidecars_of(tmp_path / "IMG.JPG") == [tmp_path / "IMG.XMP"]
    os.link(tmp_path / "IMG.XMP", tmp_path / "IMG.xmp")  # one file of two names, as where case does not count
    assert sidecars_of(tmp_path / "IMG.JPG") == [tmp_path / "IMG.xmp"]
    assert read_keywords(tmp_path / "IMG.JPG").keywords == ("sea",)


@pytest.mark.parametrize("content", [b"", b"\0" * 50, b"<x:xmpmeta", jpeg(), packet()[:-80].encode()])
def test_a_damaged_sidecar_is_an_error_that_names_it(content, tmp_path):
    (tmp_path / "photo.jpg").write_bytes(jpeg(iptc=record(b"sea")))
    (tmp_path / "photo.jpg.xmp").write_bytes(content)
    with pytest.raises(TaggingError, match=r"photo\.jpg\.xmp"):
        read_keywords(tmp_path / "photo.jpg")


def test_a_file_without_permission_is_an_error_that_names_it(tmp_path, monkeypatch):
    def refuse(path, *arguments):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    (tmp_path / "photo.jpg").write_bytes(jpeg())
    monkeypatch.setattr(type(tmp_path), "open", refuse)  # root, who may run the tests, may read everything
    with pytest.raises(TaggingError, match=r"photo\.jpg cannot be read \(Permission denied\)"):
        read_keywords(tmp_path / "photo.jpg")


# --- Files that lie -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("container", CONTAINERS)
def test_fuzzed_files_give_keywords_or_one_kind_of_error(container, tmp_path):
    chance, whole = random.Random(container), CONTAINERS[container]
    path = tmp_path / "photo.jpg"
    for trial in range(150):
        content = bytearray(whole[: chance.randrange(len(whole))] if trial % 3 == 0 else whole)
        for _ in range(chance.randrange(8)):
            if content:
                content[chance.randrange(len(content))] = chance.choice((0, 1, 0x3C, 0x7F, 0x80, 0xFF, chance.randrange(256)))
        path.write_bytes(content)
        try:
            read_keywords(path, "all")
        except TaggingError as error:
            assert "photo.jpg" in str(error)


def test_lengths_are_not_believed(tmp_path):
    claims = {
        "TIFF": b"II*\0" + struct.pack("<IHHHII", 8, 1, 700, 1, 2**32 - 1, 8) + bytes(100),
        "TIFF, entries": b"II+\0\x08\0\0\0" + struct.pack("<QQ", 16, 2**60),
        "PNG": pixels("PNG")[:8] + struct.pack(">I", 2**32 - 1) + b"iTXt" + bytes(50),
        "PSD": psd(b"")[:30] + b"\xff" * 4 + bytes(50),
        "PSD, resource": psd(b"8BIM\x04\x04\0\0\xff\xff\xff\xff" + bytes(20)),
        "boxes": box(b"ftyp", b"heic\0\0\0\0") + struct.pack(">I4sQ", 1, b"meta", 2**63) + bytes(50),
        "boxes, no length": box(b"ftyp", b"heic\0\0\0\0") + struct.pack(">I4s", 4, b"meta") + bytes(50),
        "WebP": b"RIFF\0\0\0\0WEBPXMP \xff\xff\xff\xff" + bytes(20),
        "JPEG": b"\xff\xd8\xff\xe1\xff\xffExif",
        "JPEG, no length": b"\xff\xd8\xff\xe1\0\0" + bytes(100),
    }
    for name, content in claims.items():
        found = read(tmp_path, content)
        assert found.keywords == () and len(found.problems) == 1, name
        assert name != "boxes, no length" or "the box at byte 16 does not fit" in found.problems[0]


def test_small_files_do_not_grow(tmp_path, monkeypatch):
    """A zip bomb, a tag repeated 65,535 times over the same megabytes, and an item of one million parts."""
    bomb = zlib.compress(b" " * (blocks.MAX_BLOCK + 1))
    assert "longer than" in read(tmp_path, png((b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + bomb))).problems[0]
    half = zlib.compress(b" " * (blocks.MAX_BLOCK // 2 + 1))
    chunk = (b"zTXt", b"Raw profile type xmp\0\0" + half)
    assert "takes more than" in read(tmp_path, png(*[chunk] * 5)).problems[-1]
    entries = struct.pack("<HHII", 700, 1, 2**20, 8) * 65_535
    found = read(tmp_path, b"II*\0" + struct.pack("<IH", 8, 65_535) + entries + bytes(2**20))
    assert any("takes more than" in problem for problem in found.problems)
    overlapping = b"II*\0" + struct.pack("<IH", 8, 5000) + struct.pack("<HHII", 700, 1, 60_000, 0) * 5000 + bytes(50)
    found = read(tmp_path, jpeg(more=segment(0xE1, b"Exif\0\0" + overlapping) * 3))
    assert any(f"more than {blocks.MAX_BLOCK} bytes" in problem for problem in found.problems) and len(found.problems) <= 10
    monkeypatch.setattr(blocks, "MAX_READS", 1000)
    places = b"\x01\0\0\0\x00\x00" + struct.pack(">H", 1) + struct.pack(">HHHH", 1, 0, 0, 65_535)
    content = box(b"ftyp", b"heic\0\0\0\0") + box(b"meta", bytes(4) + box(b"iloc", places))
    assert "more parts" in read(tmp_path, content).problems[0]


def test_a_packet_knows_where_its_elements_stand():
    text = f'<x:xmpmeta xmlns:x="adobe:ns:meta/"> <r:RDF xmlns:r="{RDF}"><r:Description x:a=">"/>é<r:Description x:b="/>">'
    text += "<x:c>ü</x:c ><x:c/></r:Description></r:RDF></x:xmpmeta>"
    read = xmp.parse(text.encode("utf-16"), ["adobe:ns:meta/ c"])
    assert read.text.decode() == text and read.encoded(read.text) == text.encode("utf-16")
    first, second = read.rdf.children
    stretches = [read.text[one.start : one.end].decode() for one in (first, *second.children)]
    assert stretches == ['<r:Description x:a=">"/>', "<x:c>ü</x:c >", "<x:c/>"]
    assert read.text[second.opened : second.closing].decode() == "<x:c>ü</x:c ><x:c/>"


# --- Other programs -------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(shutil.which("exiftool") is None, reason="exiftool is not installed (Debian: libimage-exiftool-perl)")
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF", "GIF", "JPEG2000", "AVIF"])
def test_what_exiftool_writes_is_read(form, tmp_path):
    path = tmp_path / f"photo.{form.lower()}"
    try:
        path.write_bytes(pixels(form))
    except (KeyError, OSError):
        pytest.skip(f"this Pillow writes no {form}")
    values = {
        "XMP-dc:Subject": "sea#Straße#a;b, c",
        "XMP-lr:HierarchicalSubject": "Places|Kiel#Sea",
        "XMP-digiKam:TagsList": "Places/Kiel#Sea",
        "XMP-microsoft:LastKeywordXMP": "Places/Kiel",
    }
    options = [f"-{name}={value}" for name, value in values.items()]
    subprocess.run(["exiftool", "-q", "-m", "-overwrite_original", "-sep", "#", *options, path], check=True)
    found = read_keywords(path)
    assert found.keywords == ("sea", "Straße", "a;b, c") and found.problems == ()
    assert found.fields["lr_hierarchical"] == ("Places|Kiel", "Sea")
    assert found.fields["digikam_tagslist"] == ("Places/Kiel", "Sea")
    assert found.fields["microsoft"] == ("Places/Kiel",)


def real_files():
    if not REAL.exists():
        return [
            pytest.param(
                None, marks=pytest.mark.skip(reason=f"{REAL} is not at hand: the real files are not part of the project")
            )
        ]
    return [pytest.param(entry, id=entry["file"]) for entry in json.loads((REAL / "expected.json").read_text(encoding="utf-8"))]


# Fields that differ from exiftool's by intent: fuzzed letters are left out, a trailer is read, and UTF-8 is recognised.
OTHERWISE = ("broken/issue_ghsa_8949_hhfh_j7rj_poc.jp2", "exiftool/AFCP.jpg", "made-here/iptc-utf8-undeclared.jpg")


@pytest.mark.parametrize("entry", real_files())
def test_real_files(entry):
    path = REAL / entry["file"]
    if entry["file"] == "broken/broken image.JPG":  # nothing but zeros
        with pytest.raises(TaggingError, match="is no photo"):
            read_keywords(path)
        return
    found = read_keywords(path, sidecars=False)
    assert list(found.keywords) == entry["expected"]
    if entry["file"] not in OTHERWISE:
        assert {name: list(found.fields.get(name, ())) for name in FIELDS} == {name: entry[name] for name in FIELDS}
        windows = [part for text in entry["xp_keywords"] for part in text.split(";")]
        assert list(found.fields.get("xp_keywords", ())) == windows


def test_real_photos_with_their_sidecars():
    if not REAL.exists():
        pytest.skip(f"{REAL} is not at hand")
    expected = {
        "IMG_6253": ("Alvin the Squirrel", "USA", "Yosemite"),
        "IMG_6297": ("Alvin the Squirrel", "USA", "Yosemite"),
        "IMG_6455": ("Mono-tó", "USA"),
        "apple-test-2": ("Krokus", "Blume", "Schöne Wiese"),
    }
    assert {name: read_keywords(REAL / "made-here" / f"{name}.jpg").keywords for name in expected} == expected
