"""Metadata written by cameras, people and programs: fields, formats and writers, and invalid data."""

import datetime as dt
import struct
import unicodedata
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search.imaging import recognised
from search.metadata import PhotoMetadata, TakenFrom, from_name, from_takeout, from_xmp, merged, read_file
from search.metadata.dates import parsed, typed
from search.metadata.sidecar_names import Neighbours
from tests.pictures import encoded, gradient, photo
from tests.raw_files import raw
from tests.written_metadata import (
    WITH_EXIF,
    a_photo,
    alternatives,
    exif_block,
    iptc_block,
    jpeg_with,
    jpeg_with_iptc,
    listed,
    takeout,
    wall,
    xmp_packet,
)

CAMERA = {
    "t271": "NIKON CORPORATION",
    "t272": "NIKON D90",
    "e42036": "18-105mm f/3.5-5.6",
    "e37386": 35.0,
    "e33437": 2.8,
    "e33434": 0.004,
    "e34855": 400,
}
LIGHTROOM = xmp_packet(
    attributes='xmp:Rating="4" photoshop:DateCreated="2014-07-03T14:22:10.25+09:00"',
    elements=alternatives("dc:title", "Hafenfest")
    + alternatives("dc:description", "Boote im Hafen &lt;b&gt;")
    + listed("dc:subject", "hafen", "Boot, klein")
    + listed("dc:creator", "A. Author").replace("Bag", "Seq")
    + alternatives("dc:rights", "CC BY 4.0"),
)


def metadata_of(data: bytes) -> PhotoMetadata:
    return read_file(data, recognised(data)).said


@pytest.mark.parametrize("format", WITH_EXIF)
def test_camera_fields_are_read_in_each_format(format: str):
    block = exif_block(
        taken="2014:07:03 14:22:10",
        offset="+09:00",
        fraction="123",
        place=(-37.88, 127.73),
        t270="On the river",
        **CAMERA,
    )
    found = metadata_of(a_photo(format, exif=block))
    assert found.taken == wall(2014, 7, 3, 14, 22, 10, 123000)
    assert (found.offset, found.taken_from) == (540, TakenFrom.CAMERA)
    assert (found.camera, found.lens) == ("NIKON D90", "18-105mm f/3.5-5.6")
    assert (found.focal_length, found.aperture, found.iso) == (35, 2.8, 400)
    assert found.exposure == pytest.approx(0.004)
    assert (found.latitude, found.longitude) == pytest.approx((-37.88, 127.73), abs=1e-5)
    assert found.description == "On the river"


@pytest.mark.parametrize("format", WITH_EXIF)
def test_lightroom_metadata_is_read_in_each_format(format: str):
    found = metadata_of(a_photo(format, xmp=LIGHTROOM))
    assert (found.title, found.description) == ("Hafenfest", "Boote im Hafen <b>")
    assert found.keywords == ("hafen", "Boot klein")
    assert (found.author, found.licence, found.rating) == ("A. Author", "CC BY 4.0", 4)
    assert (found.taken, found.offset) == (wall(2014, 7, 3, 14, 22, 10, 250000), 540)


def test_a_digikam_sidecar_is_read():
    packet = xmp_packet(
        attributes='exif:DateTimeOriginal="2019-05-01T10:00:00" tiff:Make="FUJIFILM" tiff:Model="X100V"'
        ' exif:GPSLatitude="37,52.8N" exif:GPSLongitude="127,43.8W"',
        elements="<xmp:Rating>5</xmp:Rating>" + listed("digiKam:TagsList", "Reise/Berge", "Familie"),
    )
    found = from_xmp(packet, TakenFrom.SIDECAR)
    assert (found.keywords, found.rating, found.camera) == (("Berge", "Familie"), 5, "FUJIFILM X100V")
    assert (found.latitude, found.longitude) == pytest.approx((37.88, -127.73))
    assert (found.taken, found.taken_from) == (wall(2019, 5, 1, 10), TakenFrom.SIDECAR)


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
@pytest.mark.parametrize("mark", [b"\x1c\x01\x5a\x00\x03\x1b%G", b""])
def test_iptc_is_read_with_or_without_a_declared_encoding(encoding: str, mark: bytes):
    texts = {5: "Müller", 120: "Straße", 80: "É. Auteur", 116: "© Köln"}
    block = mark + iptc_block(
        *((number, text.encode(encoding)) for number, text in texts.items()),
        *((25, word.encode(encoding)) for word in ("größe", "meer")),
        (55, b"20140703"),
        (60, b"142210+0900"),
    )
    found = metadata_of(jpeg_with_iptc(block))
    assert (found.title, found.description, found.author, found.licence) == ("Müller", "Straße", "É. Auteur", "© Köln")
    assert found.keywords == ("größe", "meer")
    assert (found.taken, found.offset) == (wall(2014, 7, 3, 14, 22, 10), 540)


def test_windows_tags_and_user_comments_are_read():
    block = exif_block(
        t40094="가족;여행\0".encode("utf-16-le"),
        t40091="제목\0".encode("utf-16-le"),
        e37510=b"UNICODE\0" + "사용자 설명".encode("utf-16-be"),
    )
    found = metadata_of(a_photo(exif=block))
    assert (found.keywords, found.title) == (("가족", "여행"), "제목")
    assert found.description == "사용자 설명"


@pytest.mark.parametrize(
    "comment",
    [
        b"UNICODE " + "日本語".encode("utf-16-le"),
        b"JIS\0\0\0\0\0" + "日本語".encode("iso2022_jp"),
        b"JIS\0\0\0\0\0" + bytes(byte & 0x7F for byte in "日本語".encode("euc_jp")),
        b"ASCII   " + "日本語".encode(),
        "日本語".encode(),
    ],
)
def test_comments_are_read_in_each_encoding_whatever_is_declared(comment: bytes):
    assert metadata_of(a_photo(exif=exif_block(e37510=comment))).description == "日本語"
    assert metadata_of(a_photo(exif=exif_block(e37510=b"\x01\x02\xff\xfe" * 9))).description == ""


def test_utf_8_of_exif_3_is_read():
    """The field type 129, which no other reader here knows."""
    text = "강가에서".encode() + b"\0"
    entry = struct.pack("<HHII", 270, 129, len(text), 26)
    block = b"Exif\0\0II*\0" + struct.pack("<IH", 8, 1) + entry + bytes(4) + text
    assert metadata_of(jpeg_with((0xE1, block))).description == "강가에서"


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 2, 0, 1)])
def test_xmp_split_over_several_segments_is_read(order: tuple[int, ...]):
    more = xmp_packet(elements=alternatives("dc:description", "Far below") + f"<xmp:Label>{'y' * 150_000}</xmp:Label>")
    name = "0123456789ABCDEF0123456789ABCDEF"
    segments = [(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + xmp_packet(attributes=f'xmpNote:HasExtendedXMP="{name}"'))]
    for start in range(0, len(more), 60_000):
        head = name.encode() + struct.pack(">II", len(more), start)
        segments.append((0xE1, b"http://ns.adobe.com/xmp/extension/\0" + head + more[start : start + 60_000]))
    assert len(segments) == 4
    assert metadata_of(jpeg_with(*(segments[one] for one in order))).description == "Far below"
    another = (0xE1, segments[1][1].replace(name.encode(), b"F" * 32))
    assert metadata_of(jpeg_with(segments[0], another)).description == ""


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_a_description_is_read_as_utf_8_or_latin_1(encoding: str):
    assert metadata_of(a_photo(exif=exif_block(t270="Am Fluß".encode(encoding)))).description == "Am Fluß"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-32-le"])
def test_xmp_is_read_in_each_of_its_encodings(encoding: str):
    assert from_xmp(LIGHTROOM.decode().encode(encoding)).title == "Hafenfest"


def test_malformed_xmp_is_read_as_far_as_possible():
    packet = LIGHTROOM.replace(b"Boote", b"Boo\x08te").replace(b"begin=", b"begin=\xff=")
    assert from_xmp(packet).description == "Boote im Hafen <b>"


def test_lists_outside_the_description_are_read():
    bag = '<rdf:Bag rdf:nodeID="a"><rdf:li>hafen</rdf:li></rdf:Bag><rdf:Description rdf:about="" '
    packet = xmp_packet(elements='<dc:subject rdf:nodeID="a"/>').decode()
    assert from_xmp(packet.replace('<rdf:Description rdf:about="" ', bag).encode()).keywords == ("hafen",)


def test_xmp_is_read_in_all_serialisations_of_rdf():
    found = from_xmp(
        xmp_packet(
            attributes='windows:Rating="75"',
            elements="<dc:title rdf:parseType='Resource'><rdf:value>Hafen</rdf:value></dc:title>"
            "<dc:creator><rdf:Seq><rdf:li><rdf:Description rdf:value='Ada'/></rdf:li></rdf:Seq></dc:creator>"
            "<dc:description><rdf:Alt><rdf:li xml:lang='ko'>배</rdf:li><rdf:li xml:lang='x-default'>Boats</rdf:li>"
            "</rdf:Alt></dc:description><cc:license rdf:resource='https://creativecommons.org/licenses/by/4.0/'/>"
            + listed("windows:LastKeywordXMP", "Orte/Hamburg"),
        )
    )
    assert (found.title, found.author, found.description, found.rating) == ("Hafen", "Ada", "Boats", 4)
    assert (found.licence, found.keywords) == ("https://creativecommons.org/licenses/by/4.0/", ("Hamburg",))


def test_coordinates_of_xmp_may_have_a_separate_reference():
    sides = 'exif:GPSLatitude="33.5" exif:GPSLatitudeRef="S" exif:GPSLongitude="122.42" exif:GPSLongitudeRef="W"'
    found = from_xmp(xmp_packet(attributes=sides))
    assert (found.latitude, found.longitude) == (-33.5, -122.42)


def test_metadata_of_gif_and_jpeg_2000_is_read():
    trailer = bytes([1, *range(255, -1, -1), 0])
    gif = encoded(gradient(), "GIF")
    inside = gif[:-1] + b"!\xff\x0bXMP DataXMP" + LIGHTROOM + trailer + b";"
    assert metadata_of(inside).title == "Hafenfest"
    box = bytes.fromhex("be7acfcb97a942e89c71999491e3afac") + LIGHTROOM
    jp2 = encoded(gradient(), "JP2") + (8 + len(box)).to_bytes(4, "big") + b"uuid" + box
    assert metadata_of(jp2).rating == 4
    assert not read_file(jp2[:-10], "JP2").is_whole


def test_of_several_xmp_packets_in_a_heic_that_of_the_picture_is_read():
    """As phones write them, the first packet belongs to the depth map, an item of its own."""
    other = xmp_packet(elements=alternatives("dc:title", "Depth"))

    def box(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I4s", 8 + len(content), kind) + content

    items = [(1, b"hvc1", b""), (2, b"hvc1", b""), (3, b"mime", other), (4, b"mime", LIGHTROOM)]
    entries = b"".join(
        box(b"infe", b"\2\0\0\0" + struct.pack(">HH4s", number, 0, kind) + b"\0application/rdf+xml\0\0")
        for number, kind, _ in items
    )
    places, at = b"", 0
    for number, _, content in items:
        places += struct.pack(">HHHHII", number, 1, 0, 1, at, len(content))
        at += len(content)
    about = b"".join(box(b"cdsc", struct.pack(">HHH", item, 1, of)) for item, of in ((3, 2), (4, 1)))
    meta = [
        box(b"pitm", bytes(4) + struct.pack(">H", 1)),
        box(b"iinf", bytes(4) + struct.pack(">H", len(items)) + entries),
        box(b"iloc", b"\1\0\0\0\x44\0" + struct.pack(">H", len(items)) + places),
        box(b"iref", bytes(4) + about),
        box(b"idat", b"".join(content for *_, content in items)),
    ]
    data = box(b"ftyp", b"heic\0\0\0\0mif1heic") + box(b"meta", bytes(4) + b"".join(meta))
    assert read_file(data, "HEIF").said.title == "Hafenfest"


def test_xmp_precedes_iptc_and_iptc_precedes_exif():
    found = metadata_of(a_photo(exif=exif_block(t270="From EXIF", t315="Ada"), xmp=LIGHTROOM))
    assert (found.description, found.author) == ("Boote im Hafen <b>", "A. Author")


def test_a_default_description_of_a_camera_is_ignored():
    assert metadata_of(a_photo(exif=exif_block(t270="OLYMPUS DIGITAL CAMERA"))).description == ""


def test_texts_are_composed_and_without_control_characters():
    found = from_xmp(xmp_packet(elements=alternatives("dc:title", "Cafe\u0301 \u202egnp\u009b"), attributes=""))
    assert found.title == "Café gnp"


def test_text_chunks_of_a_png_are_read():
    from PIL.PngImagePlugin import PngInfo

    texts = PngInfo()
    texts.add_itxt("Title", "산")
    texts.add_text("Author", "Ada", zip=True)
    texts.add_text("Creation Time", "Wed, 4 May 2016 03:02:01 +0900")
    found = metadata_of(encoded(gradient(), "PNG", pnginfo=texts))
    assert (found.title, found.author) == ("산", "Ada")
    assert (found.taken, found.offset) == (wall(2016, 5, 4, 3, 2, 1), 540)


@pytest.mark.parametrize("format", ["JPEG", "WEBP", "TIFF", "RAW"])
def test_the_head_of_a_file_shows_whether_more_must_be_read(format: str):
    if format == "RAW":
        data = raw("CR2", photo()) + bytes(2000)
    elif format == "TIFF":  # its directory and the data it refers to precede the pixels
        data = exif_block(t272="X100V", e33437=2.8).removeprefix(b"Exif\0\0") + bytes(2000)
    else:
        data = a_photo(format, exif=exif_block(t272="X100V") if format == "JPEG" else b"") + bytes(2000)
    assert read_file(data[:-1000], format).is_whole
    assert not read_file(data[:12], format).is_whole


def test_compressed_xmp_is_unpacked_up_to_the_limit_only():
    packed = zlib.compress(b" " * 50_000_000)
    content = b"XML:com.adobe.xmp\0\1\0\0\0" + packed
    chunk = struct.pack(">I4s", len(content), b"iTXt") + content + bytes(4)
    plain = a_photo("PNG", exif=exif_block(t315="Ada"))
    assert metadata_of(plain[:33] + chunk + plain[33:]).author == "Ada"


# Dates


@pytest.mark.parametrize(
    "text",
    [
        "0000:00:00 00:00:00",
        "1970:01:01 00:00:00",
        "1970:01:01 09:00:00",
        "2002:12:08 12:00:00",
        "2000:01:01 00:00:00",
        "2999:01:01 00:00:00",
        "2014:13:03 14:22:10",
        "    :  :     :  :  ",
        "2014",
        "2014:07",
        "yesterday",
        "",
    ],
)
def test_an_invalid_date_is_ignored(text: str):
    assert parsed(text) is None
    assert metadata_of(a_photo(exif=exif_block(taken=text or " "))).taken is None


@pytest.mark.parametrize(
    ("text", "taken", "offset"),
    [
        ("2014:07:03 14:22:10", wall(2014, 7, 3, 14, 22, 10), None),
        ("2014-07-03T14:22:10Z", wall(2014, 7, 3, 14, 22, 10), 0),
        ("2014-07-03T14:22:10.5-03:30", wall(2014, 7, 3, 14, 22, 10, 500000), -210),
        ("2014: 7: 3 14:22:10", wall(2014, 7, 3, 14, 22, 10), None),
        ("2014:07:03 24:11:05", wall(2014, 7, 3, 0, 11, 5), None),
        ("2000:01:01 00:00:31", wall(2000, 1, 1, 0, 0, 31), None),
        ("1935-05-04", wall(1935, 5, 4), None),
    ],
)
def test_dates_are_read_as_programs_write_them(text: str, taken: dt.datetime, offset: int | None):
    assert parsed(text) == (taken, offset)


@pytest.mark.parametrize(
    ("name", "taken"),
    [
        ("20230714_093000.jpg", wall(2023, 7, 14, 9, 30)),
        ("IMG-20230714-WA0001.jpg", wall(2023, 7, 14)),
        ("Screenshot_2023-07-14-09-30-01-123_com.app.png", wall(2023, 7, 14, 9, 30, 1, 123000)),
        ("Screenshot 2023-07-14 at 09.30.01.png", wall(2023, 7, 14, 9, 30, 1)),
        ("WhatsApp Image 2023-07-14 at 09.30.01.jpeg", wall(2023, 7, 14, 9, 30, 1)),
        ("PXL_20230714_093000123.MP.jpg", wall(2023, 7, 14, 9, 30, 0, 123000)),
        ("KakaoTalk_20230714_093000123_01.jpg", wall(2023, 7, 14, 9, 30, 0, 123000)),
        ("mmexport1689327000123.jpg", wall(2023, 7, 14, 9, 30, 0, 123000)),
        ("folder/of/2021-01-02/IMG_3397.JPG", None),
        ("20231345_093000.jpg", None),
        ("DSC_0001.jpg", None),
        ("1234567890123456.jpg", None),
        ("99920230714.jpg", None),
    ],
)
def test_dates_in_file_names_are_read(name: str, taken: dt.datetime | None):
    found = from_name(name)
    assert found.taken == taken
    assert found.taken_from == (TakenFrom.NAME if taken else "")


def test_the_gps_time_gives_the_offset():
    block = exif_block(taken="2014:07:03 14:22:10", place=(37.88, 127.73))
    from PIL import Image

    exif = Image.Exif()
    exif.load(block)
    exif.get_ifd(0x8825).update({7: (5.0, 21.0, 40.0), 29: "2014:07:03"})
    found = metadata_of(a_photo(exif=exif.tobytes()))
    assert (found.taken, found.offset) == (wall(2014, 7, 3, 14, 22, 10), 540)


def test_alternative_exif_fields_of_cameras_are_read():
    found = metadata_of(
        a_photo(exif=exif_block(taken="2019:05:01 10:00:00", t18249=75, e37377=6.0, e42034=(18.0, 105.0, 3.5, 5.6)))
    )
    assert (found.rating, found.exposure, found.lens) == (4, 0.015625, "18-105mm f/3.5-5.6")
    assert metadata_of(a_photo(exif=exif_block(e42036="----"))).lens == ""
    xmp = 'exif:DateTimeOriginal="2019-05-01T10:00:00" exif:GPSTimeStamp="2019-05-01T08:00:03Z"'
    assert from_xmp(xmp_packet(attributes=xmp)).offset == 120


@pytest.mark.parametrize(
    ("text", "taken", "offset"),
    [
        ("2014-07-03T14:22:10+09:00", wall(2014, 7, 3, 14, 22, 10), 540),
        ("2014-07-03 14:22:10 UTC", wall(2014, 7, 3, 14, 22, 10), 0),
        ("2014:07:03 14:22", wall(2014, 7, 3, 14, 22), None),
        ("2014. 7. 3. 오후 2:22:10", wall(2014, 7, 3, 14, 22, 10), None),
        ("2014年7月3日", wall(2014, 7, 3), None),
        ("3.7.2014 12:05 am", wall(2014, 7, 3, 0, 5), None),
        ("20140703_142210", wall(2014, 7, 3, 14, 22, 10), None),
        ("2000-01-01", wall(2000, 1, 1), None),
        ("7/3/2014", None, None),
        ("2014-07", None, None),
        ("2999-01-01", None, None),
        ("2014-02-30", None, None),
        ("2014년 7월 3일 목요일 오후 2시 22분", wall(2014, 7, 3, 14, 22), None),
        ("2014년7월3일14시22분10초", wall(2014, 7, 3, 14, 22, 10), None),
        ("2014. 7. 3. (목) 오전 12:22", wall(2014, 7, 3, 0, 22), None),
        ("2014年7月3日(木) 14時22分", wall(2014, 7, 3, 14, 22), None),
        ("3-Jul-14", wall(2014, 7, 3), None),
        ("03-Jul-98 14:22", wall(1998, 7, 3, 14, 22), None),
        ("Thursday, July 3, 2014", wall(2014, 7, 3), None),
        ("3. Juli 2014", wall(2014, 7, 3), None),
        ("Jul 3, 2014, 2:22:10 PM", wall(2014, 7, 3, 14, 22, 10), None),
        ("May 2014", None, None),
        ("Mar 14:22", None, None),
    ],
)
def test_dates_of_tables_are_read_as_people_write_them(text: str, taken: dt.datetime | None, offset: int | None):
    moment = typed(text)
    assert (moment and moment.wall, moment and moment.offset) == (taken, offset)


def test_googles_time_is_converted_to_the_camera_clock():
    camera = PhotoMetadata.of(taken="2009-11-16T21:51:58.250000", taken_from="camera")
    google = from_takeout({"photoTakenTime": {"timestamp": "1258375918"}})
    found = merged(google, camera)
    assert (found.taken, found.offset) == (wall(2009, 11, 16, 21, 51, 58, 250000), 540)
    assert merged(google).taken == wall(2009, 11, 16, 12, 51, 58)
    other_day = PhotoMetadata.of(taken="2012-01-02T03:04:05", taken_from="camera")
    assert merged(google, other_day).taken == wall(2009, 11, 16, 12, 51, 58)


# Sidecars


@pytest.mark.parametrize(
    ("picture", "sidecar"),
    [
        ("IMG_1.JPG", "IMG_1.JPG.json"),
        ("IMG_1.JPG", "IMG_1.JPG.supplemental-metadata.json"),
        ("IMG_1.JPG", "IMG_1.JPG.supplem.json"),
        ("IMG_1(2).JPG", "IMG_1.JPG(2).json"),
        ("IMG_1(2).JPG", "IMG_1.JPG.supplemental-metadata(2).json"),
        ("IMG_1-edited.JPG", "IMG_1.JPG.supplemental-metadata.json"),
        ("IMG_1-edited(2).JPG", "IMG_1.JPG(2).json"),
        (unicodedata.normalize("NFD", "IMG_1-modifié.JPG"), "IMG_1.JPG.json"),
        ("original_5f0c6a2e-8d0b-4b12-9a3e-1c2d3e4f5a6b_P.jpg", "original_5f0c6a2e-8d0b-4b12-9a3e-1c2d3e4f5a6b_.json"),
        ("Ungewöhnlich langer Name eines Bildes 2019.jpg", "Ungewöhnlich langer Name eines Bildes 2019.jpg.json"),
        ("IMG_1.JPG", "IMG_1.json"),
    ],
)
def test_sidecar_names_of_google_are_recognised(picture: str, sidecar: str):
    others = ["IMG_10.JPG.json", "IMG_1.JPG(3).json", "IMG_2.JPG.supplemental-metadata.json"]
    assert Neighbours([picture, sidecar, *others]).of(picture) == {"json": sidecar}


def test_a_truncated_name_that_fits_two_pictures_belongs_to_neither():
    one, two = (f"original_5f0c6a2e-8d0b-4b12-9a3e-1c2d3e4f5a6b_{end}.jpg" for end in ("P", "Q"))
    names = Neighbours([one, two, f"{one[:46]}.json"])
    assert (names.of(one), names.of(two)) == ({}, {})


def test_an_xmp_sidecar_is_found_by_either_name():
    names = Neighbours(["IMG_1.JPG", "img_1.xmp", "IMG_2.JPG", "IMG_2.JPG.xmp", "IMG_2.xmp", "IMG_3.JPG"])
    assert names.of("IMG_1.JPG") == {"xmp": "img_1.xmp"}
    assert names.of("IMG_2.JPG") == {"xmp": "IMG_2.JPG.xmp"}
    assert names.of("IMG_3.JPG") == {}


def test_google_sidecars_give_no_title_and_no_private_address():
    import json

    found = from_takeout(json.loads(takeout(description="O&#39;Hara", geoData={"latitude": 0.0, "longitude": 0.0})))
    assert (found.title, found.source_link, found.description) == ("", "", "O'Hara")
    assert found.latitude is None


# Invalid data


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_no_damage_raises(data: st.DataObject):
    kind = data.draw(st.sampled_from([*WITH_EXIF, "RAW", "GIF"]))
    whole = _DAMAGED.setdefault(kind, photo(kind))
    place = data.draw(st.integers(0, len(whole) - 1))
    junk = data.draw(st.binary(max_size=24))
    broken = whole[:place] + junk + whole[place + len(junk) :]
    read_file(broken[: data.draw(st.integers(0, len(broken)))], kind)


_DAMAGED: dict[str, bytes] = {}


@given(packet=st.binary(max_size=200))
@settings(max_examples=50, deadline=None)
def test_no_packet_raises(packet: bytes):
    from_xmp(packet)
    from_xmp(LIGHTROOM[:300] + packet + LIGHTROOM[300:])


def test_entities_and_nesting_of_xmp_are_harmless():
    bomb = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]>' + LIGHTROOM.replace(b"Hafenfest", b"&b;")
    assert from_xmp(bomb) == PhotoMetadata()
    assert from_xmp(b"<a>" * 100_000) == PhotoMetadata()
    assert from_xmp(b"<a>" * 100_000 + b"</a>" * 100_000) == PhotoMetadata()


def test_facts_from_a_compromised_process_are_cleaned():
    facts = {
        "title": ["x"],
        "description": "a" * 100_000,
        "keywords": [1, "b\0c"],
        "taken": "never",
        "latitude": float("nan"),
        "longitude": 5,
        "iso": 10**30,
        "rating": 9,
        "nothing": 1,
        "offset": "x",
    }
    found = PhotoMetadata.from_facts(facts)
    assert found == PhotoMetadata(description="a" * 5_000, keywords=("bc",))


def test_facts_are_unchanged_by_json():
    found = metadata_of(a_photo(exif=exif_block(taken="2014:07:03 14:22:10", **CAMERA), xmp=LIGHTROOM))
    assert PhotoMetadata.from_facts(found.facts()) == found
