"""Downloaded files: the picture without metadata that identifies people, places or cameras."""

import struct
import zlib
from io import BytesIO
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageSequence

from search.imaging import FORMATS, UnreadableImage, read_picture
from search.scrubbing import Scrubbed, scrubbed
from tests import pictures

LIMIT = 1_000_000
FUZZ = settings(
    max_examples=300, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)
LOSSLESS = ("JPEG", "PNG", "WEBP", "GIF")
# The beginning of blocks that must not be in any scrubbed file.
MARKS = (
    b"http://ns.adobe.com",
    b"Photoshop 3.0",
    b"MPF\0",
    b"xmpmeta",
    b"tEXt",
    b"iTXt",
    b"zTXt",
    b"tIME",
    b"XMP Data",
)


def scrub(data: bytes, format: str) -> Scrubbed:
    return scrubbed(data, format, max_pixels=LIMIT)


def pixels(data: bytes) -> bytes:
    return read_picture(data, max_pixels=LIMIT).picture.tobytes()


def leaks(data: bytes) -> list[bytes]:
    """The secrets, metadata blocks and EXIF tags except the orientation that are in a file."""
    found = [mark for mark in (*pictures.SECRETS, *MARKS) if mark in data]
    if found:
        return found  # no installed library opens RAW
    with Image.open(BytesIO(data)) as picture:
        tags = set(picture.getexif()) - {0x0112}
        return [f"tag {tag:#x}".encode() for tag in tags]


def frames(data: bytes) -> list[tuple[bytes, object]]:
    with Image.open(BytesIO(data)) as picture:
        return [
            (frame.convert("RGBA").tobytes(), frame.info.get("duration")) for frame in ImageSequence.Iterator(picture)
        ]


# All formats


@pytest.mark.parametrize("format", pictures.FORMATS)
def test_a_scrubbed_photo_contains_no_metadata(format: str) -> None:
    photo = pictures.photo(format)

    assert leaks(photo), "the photo of this test should have something to give away"
    assert leaks(scrub(photo, format).data) == []


@pytest.mark.parametrize("format", LOSSLESS)
def test_the_pixels_stay_the_same(format: str) -> None:
    photo = pictures.photo(format)
    result = scrub(photo, format)

    assert pixels(result.data) == pixels(photo)
    assert (result.mime, result.extension) == FORMATS[format]
    assert len(result.data) < len(photo)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
def test_a_turned_photo_is_still_shown_upright(format: str, orientation: int) -> None:
    photo = pictures.photo(format, orientation, pictures.turned(pictures.corners(), orientation))
    result = scrub(photo, format).data

    assert pixels(result) == pixels(photo)
    with Image.open(BytesIO(result)) as picture:
        assert dict(picture.getexif()) == ({} if orientation == 1 else {0x0112: orientation})


@pytest.mark.parametrize("format", ["AVIF", "HEIF"])
@pytest.mark.parametrize("orientation", [1, 6])
def test_avif_and_heif_become_an_upright_jpeg(format: str, orientation: int) -> None:
    photo = pictures.photo(format, orientation, pictures.turned(pictures.corners(), orientation))
    result = scrub(photo, format)

    assert (result.mime, result.extension) == ("image/jpeg", ".jpg")
    with Image.open(BytesIO(result.data)) as picture:
        assert picture.size == (48, 32)
        assert not picture.getexif()


@pytest.mark.parametrize("format", LOSSLESS)
def test_data_after_the_end_is_removed(format: str) -> None:
    photo = pictures.photo(format)

    assert scrub(photo + pictures.TAIL, format).data == scrub(photo, format).data


@pytest.mark.parametrize("format", LOSSLESS)
def test_scrubbing_twice_changes_nothing(format: str) -> None:
    once = scrub(pictures.photo(format, 6), format).data

    assert scrub(once, format).data == once


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
def test_the_colour_profile_is_kept(format: str) -> None:
    profile = pictures.swapped_profile()
    photo = pictures.encoded(pictures.corners(), format, icc_profile=profile, exif=pictures.exif())

    with Image.open(BytesIO(scrub(photo, format).data)) as picture:
        assert picture.info["icc_profile"] == profile


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
def test_a_fake_colour_profile_is_removed(format: str) -> None:
    photo = pictures.encoded(pictures.corners(), format, icc_profile=pictures.TEXT * 20)

    assert leaks(scrub(photo, format).data) == []


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG"])
def test_an_animation_keeps_its_frames_and_timing(format: str) -> None:
    options: dict[str, Any] = {"exif": pictures.exif()} if format != "GIF" else {"comment": pictures.COMMENT}
    animation = pictures.animation(format, **options)
    result = scrub(animation, format).data

    assert len(frames(result)) == 3
    assert frames(result) == frames(animation)
    assert leaks(result) == []
    with Image.open(BytesIO(result)) as picture:
        assert picture.info["loop"] == 0


@pytest.mark.parametrize("format", pictures.FORMATS)
def test_any_damage_raises_one_exception_only(format: str) -> None:
    whole = pictures.photo(format)
    change = st.tuples(st.integers(0, len(whole)), st.binary(max_size=8), st.integers(0, 64))

    @FUZZ
    @given(st.lists(change, min_size=1, max_size=4), st.sampled_from(pictures.FORMATS))
    def check(changes: list[tuple[int, bytes, int]], called: str) -> None:
        data = whole
        for position, replacement, removed in changes:
            data = data[:position] + replacement + data[position + removed :]
        for name in {format, called}:
            try:
                result = scrub(data, name).data
            except UnreadableImage:
                continue
            assert not any(secret in result for secret in pictures.SECRETS)

    check()


@pytest.mark.parametrize("format", pictures.FORMATS)
def test_other_data_is_refused(format: str) -> None:
    for data in (b"", b"\xff\xd8\xff", b"GIF89a", b"RIFF\0\0\0\0WEBP", b"<html>", bytes(1_000)):
        with pytest.raises(UnreadableImage):
            scrub(data, format)


def test_a_file_that_violates_its_standard_is_drawn_again() -> None:
    photo = pictures.photo("JPEG")
    junk = photo[:20] + b"junk" + pictures.TAIL + photo[20:]  # skipped by decoders, but not in the standard
    result = scrub(junk, "JPEG")

    assert leaks(result.data) == []
    assert result.mime == "image/jpeg"
    with Image.open(BytesIO(result.data)) as picture:
        assert picture.size == (48, 32)


def test_a_file_of_another_format_than_recorded_is_drawn_again() -> None:
    result = scrub(pictures.photo("PNG"), "JPEG")

    assert result.mime == "image/jpeg"
    assert result.data.startswith(b"\xff\xd8\xff")
    assert leaks(result.data) == []


def test_a_file_too_large_to_draw_again_is_refused() -> None:
    with pytest.raises(UnreadableImage) as refused:
        scrub(pictures.pixel_bomb(), "JPEG")
    assert refused.value.code == "too_many_pixels"


# JPEG


def segment(marker: int, payload: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(payload) + 2) + payload


def test_jpeg_segments_that_no_decoder_needs_are_removed() -> None:
    photo = pictures.photo("JPEG")
    iptc = segment(0xED, b"Photoshop 3.0\0" + pictures.TEXT)
    maker = segment(0xE5, pictures.TEXT)
    late = segment(0xFE, pictures.COMMENT)
    scan = photo.index(b"\xff\xda")
    loaded = photo[:2] + iptc + maker + photo[2:scan] + late + photo[scan:]

    assert scrub(loaded, "JPEG").data == scrub(photo, "JPEG").data


def test_the_thumbnail_in_a_jfif_header_is_removed() -> None:
    photo = pictures.encoded(pictures.corners(), "JPEG")
    thumbnail = (pictures.TEXT * 9)[: 3 * 6 * 6]
    header = segment(0xE0, photo[6:18] + bytes((6, 6)) + thumbnail)
    extension = segment(0xE0, b"JFXX\0\x10" + pictures.TEXT)

    assert scrub(photo[:2] + header + extension + photo[20:], "JPEG").data == photo


def test_the_second_picture_of_an_mpo_is_removed() -> None:
    both = pictures.mpo()
    result = scrub(both, "JPEG").data

    assert (both.count(b"\xff\xd9"), result.count(b"\xff\xd9")) == (2, 1)
    assert leaks(result) == []
    assert pixels(result) == pixels(both)


@pytest.mark.parametrize("options", [{"progressive": True}, {"restart_marker_blocks": 1}, {"subsampling": "4:2:0"}])
def test_every_kind_of_jpeg_keeps_its_pixels(options: dict[str, object]) -> None:
    noise = Image.effect_noise((80, 60), 90)
    for picture in (noise, noise.convert("RGB"), noise.convert("RGB").convert("CMYK")):
        photo = pictures.encoded(picture, "JPEG", exif=pictures.exif(), **options)
        assert pixels(scrub(photo, "JPEG").data) == pixels(photo)


def test_a_colour_profile_of_several_segments_is_kept() -> None:
    profile = bytearray(pictures.swapped_profile() + bytes(150_000))
    struct.pack_into(">I", profile, 0, len(profile))
    photo = pictures.encoded(pictures.corners(), "JPEG", icc_profile=bytes(profile))

    with Image.open(BytesIO(scrub(photo, "JPEG").data)) as picture:
        assert picture.info["icc_profile"] == bytes(profile)


# PNG, WebP, GIF


def test_png_texts_times_and_private_chunks_are_removed() -> None:
    row = (b"IDAT", zlib.compress(b"\0\7"))
    loaded = pictures.png(
        pictures.png_header(1, 1),
        (b"tEXt", b"Author\0" + pictures.TEXT),
        (b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + pictures.XMP),
        (b"tIME", b"\7\xe8\1\1\1\1\1"),
        (b"gAMA", struct.pack(">I", 45455)),
        (b"gAMA", struct.pack(">I", 99999)),
        (b"sBIT", pictures.TEXT),
        (b"prVt", pictures.TEXT),
        row,
        (b"eXIf", pictures.exif()[6:]),
        tail=pictures.TAIL,
    )
    expected = pictures.png(pictures.png_header(1, 1), (b"gAMA", struct.pack(">I", 45455)), row)

    assert scrub(loaded, "PNG").data == expected


def test_a_png_with_an_unknown_critical_chunk_is_drawn_again() -> None:
    unknown = pictures.png(
        pictures.png_header(1, 1), (b"IDAT", zlib.compress(b"\0\7")), (b"ABCD", pictures.TEXT), tail=pictures.TAIL
    )
    result = scrub(unknown, "PNG")

    assert result.mime == "image/png"
    assert leaks(result.data) == []
    assert pixels(result.data) == b"\7\7\7"


def test_the_name_of_a_png_profile_is_removed() -> None:
    packed = zlib.compress(pictures.swapped_profile())
    photo = pictures.png(
        pictures.png_header(1, 1, 8, 2),
        (b"iCCP", pictures.TEXT + b"\0\0" + packed),
        (b"IDAT", zlib.compress(bytes(4))),
    )
    result = scrub(photo, "PNG").data

    assert b"iCCP" in result
    assert leaks(result) == []


def test_unknown_chunks_of_webp_are_removed_from_file_and_frames() -> None:
    animation = pictures.animation("WEBP", lossless=True)
    private = b"PRIV" + struct.pack("<I", len(pictures.TEXT) + 1) + pictures.TEXT + b"\0"
    frame = animation.index(b"ANMF")
    length = struct.unpack_from("<I", animation, frame + 4)[0]
    end = frame + 8 + length
    loaded = animation[: frame + 4] + struct.pack("<I", length + len(private)) + animation[frame + 8 : end] + private
    loaded += animation[end:] + private
    loaded = loaded[:4] + struct.pack("<I", len(loaded) - 8) + loaded[8:]

    assert scrub(loaded, "WEBP").data == scrub(animation, "WEBP").data
    assert frames(scrub(loaded, "WEBP").data) == frames(animation)


def test_a_webp_of_one_chunk_stays_the_same() -> None:
    photo = pictures.encoded(pictures.corners(), "WEBP")

    assert photo[12:16] == b"VP8 "
    assert scrub(photo + pictures.TAIL, "WEBP").data == photo


def test_a_gif_keeps_its_loop_count_and_no_other_application_block() -> None:
    animation = pictures.animation("GIF")
    xmp = b"\x21\xff\x0bXMP DataXMP" + pictures.XMP + bytes([1]) + bytes(range(255, -1, -1)) + b"\0"
    text = b"\x21\x01\x0c" + bytes(12) + bytes([len(pictures.TEXT)]) + pictures.TEXT + b"\0"
    start = animation.index(b"\x21\xff\x0bNETSCAPE")
    loaded = animation[:start] + xmp + text + animation[start:]
    result = scrub(loaded, "GIF").data

    assert leaks(result) == []
    assert b"NETSCAPE2.0\3\1\0\0\0" in result
    assert frames(result) == frames(animation)


def test_a_gif_without_a_trailer_keeps_its_animation() -> None:
    animation = pictures.animation("GIF")

    assert scrub(animation.removesuffix(b";"), "GIF").data == scrub(animation, "GIF").data
