"""Decoding files from untrusted sources."""

import gc
import pickle
import struct
import tracemalloc
import warnings
import zlib
from base64 import b64decode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops, ImageFile, ImageStat

from search.imaging import (
    FORMATS,
    ReadPicture,
    Reason,
    UnreadableImage,
    dominant_colour,
    placeholder,
    read_picture,
    thumbnail,
)
from tests import pictures

LIMIT = 1_000_000
FUZZ = settings(
    max_examples=500, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)


def read(data: bytes, **options: int) -> ReadPicture:
    return read_picture(data, max_pixels=LIMIT, **options)


def refusal(data: bytes, **options: int) -> UnreadableImage:
    with pytest.raises(UnreadableImage) as refused:
        read(data, **options)
    return refused.value


def difference(one: Image.Image, other: Image.Image) -> float:
    """The mean difference of two pictures, 0 to 255; infinite if their sizes differ."""
    if one.size != other.size:
        return float("inf")
    return max(ImageStat.Stat(ImageChops.difference(one, other)).mean)


# Accepted files


@pytest.mark.parametrize("format", pictures.FORMATS)
def test_every_allowed_format_is_read(format: str) -> None:
    result = read(pictures.encoded(pictures.gradient(), format))

    assert (result.format, result.width, result.height) == (format, 64, 48)
    assert result.picture.mode == "RGB"
    assert difference(result.picture, pictures.gradient()) < 12


def test_the_allow_list_names_mime_types_and_extensions() -> None:
    assert set(FORMATS) == set(pictures.FORMATS)
    assert FORMATS["JPEG"] == ("image/jpeg", ".jpg")


def test_an_mpo_file_is_read_as_its_first_picture() -> None:
    result = read(pictures.mpo())

    assert result.format == "JPEG"
    assert difference(result.picture, pictures.corners()) < 8


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG", "AVIF"])
def test_an_animation_is_read_as_its_first_frame(format: str) -> None:
    red, green, blue = read(pictures.animation(format)).picture.resize((1, 1)).getpixel((0, 0))  # type: ignore[misc]

    assert red > 240
    assert max(green, blue) < 15


@pytest.mark.parametrize(
    ("start", "kind"),
    [
        (b"8BPS\0\1", "Photoshop"),
        (b"%PDF-1.7", "PDF"),
        (b'<?xml version="1.0"?>\n<svg xmlns="x">', "SVG"),
        (b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom", "video"),
        (b"\xff\xd8\xff\xf7\0\x11\x08", "JPEG-LS"),  # begins as JPEG does
        (b"P6\n# by GIMP\n320 240\n255\n", "Netpbm"),
        (bytes(128) + b"DICM", "DICOM"),
        (b"qoif\0\0\1\x40", "QOI"),
    ],
)
def test_a_format_that_is_not_allowed_is_refused_by_name(start: bytes, kind: str) -> None:
    error = refusal(start + bytes(100))

    assert error.code == "wrong_format"
    assert str(error).startswith(f"This is a {kind} file. Only JPEG, PNG,")


def test_a_file_that_is_no_picture_is_refused_as_such() -> None:
    assert refusal(b"").code == "empty"
    assert refusal(b"<!doctype html><title>Not found</title>").code == "not_a_picture"
    assert str(refusal(b"PK\3\4 a zip archive")) == "This file is not a picture."


def test_a_path_and_an_open_file_are_read_like_bytes(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(pictures.photo())

    with path.open("rb") as file:
        file.read()  # as after computing a checksum
        from_file = read_picture(file, max_pixels=LIMIT)

    assert from_file.picture.tobytes() == read_picture(path, max_pixels=LIMIT).picture.tobytes()


def test_an_unreadable_path_raises_oserror(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_picture(tmp_path / "gone.jpg", max_pixels=LIMIT, max_bytes=LIMIT)
    with pytest.raises(IsADirectoryError):
        read_picture(tmp_path, max_pixels=LIMIT)


def test_pictures_have_no_metadata_of_the_file() -> None:
    assert read(pictures.photo()).picture.info == {}
    assert not read(pictures.photo()).picture.getexif()


# Refused files


def test_a_file_with_too_many_bytes_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "big.jpg"
    path.write_bytes(b"\xff\xd8\xff" + bytes(2_500_000))

    for source in (path, path.read_bytes(), BytesIO(path.read_bytes())):
        with pytest.raises(UnreadableImage, match=r"This file has 2\.6 MB; the limit is 2\.") as refused:
            read_picture(source, max_pixels=LIMIT, max_bytes=2_000_000)
        assert refused.value.code is Reason.TOO_MANY_BYTES


def gif_frame_bomb() -> bytes:
    screen = b"GIF89a" + struct.pack("<HHBBB", 1, 1, 0, 0, 0)
    return screen + b",\0\0\0\0" + struct.pack("<HH", 65535, 65535) + b"\0\2\2\x4c\1\0;"


def webp_bomb() -> bytes:
    return b"RIFF\x16\0\0\0WEBPVP8X\x0a\0\0\0\x02\0\0\0\xfe\x3f\0\xfe\x3f\0"


def jpeg_bomb() -> bytes:
    data = pictures.encoded(pictures.corners(), "JPEG")
    frame = data.index(b"\xff\xc0") + 5
    return data[:frame] + struct.pack(">HH", 65500, 65500) + data[frame + 4 :]


def boxed_bomb(format: str) -> bytes:
    honest = pictures.encoded(pictures.corners((64, 48)), format)
    return honest.replace(struct.pack(">II", 64, 48), struct.pack(">II", 30_000, 30_000))


BOMBS: dict[str, Callable[[], bytes]] = {
    "PNG": pictures.pixel_bomb,
    "PNG of absurd size": lambda: pictures.pixel_bomb(2**31 - 1, 2**31 - 1),
    "GIF": lambda: b"GIF89a\xff\xff\xff\xff\0\0\0,\0\0\0\0\1\0\1\0\0\2\2\x4c\1\0;",
    "GIF frame": gif_frame_bomb,
    "WEBP": webp_bomb,
    "JPEG": jpeg_bomb,
    "AVIF": lambda: boxed_bomb("AVIF"),
    "HEIF": lambda: boxed_bomb("HEIF"),
}


@pytest.mark.parametrize("kind", BOMBS)
def test_a_pixel_bomb_is_refused_before_it_is_decoded(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(self: ImageFile.ImageFile) -> None:
        raise AssertionError("decoded")

    bomb = BOMBS[kind]()
    monkeypatch.setattr(ImageFile.ImageFile, "load", never)
    monkeypatch.setattr("PIL.Image.core.new", never)

    assert refusal(bomb).code in (Reason.TOO_MANY_PIXELS, Reason.DAMAGED)
    if kind not in ("AVIF", "HEIF"):  # their libraries may report such a header as damaged before its size is known
        assert refusal(bomb).code is Reason.TOO_MANY_PIXELS


def test_refusing_a_pixel_bomb_takes_no_memory() -> None:
    bomb = pictures.pixel_bomb(2**31 - 1, 2**31 - 1)
    refusal(bomb)
    gc.collect()
    tracemalloc.start()
    try:
        refusal(bomb)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_the_refusal_states_the_megapixels_and_the_limit() -> None:
    with pytest.raises(UnreadableImage) as refused:
        read_picture(pictures.pixel_bomb(), max_pixels=100_000_000)

    assert str(refused.value) == "This picture has 400 megapixels; the limit is 100."


def test_megapixels_just_over_the_limit_are_rounded_up() -> None:
    with pytest.raises(UnreadableImage, match=r"has 1.1 megapixels; the limit is 1\."):
        read_picture(pictures.pixel_bomb(1_001, 1_000), max_pixels=1_000_000)


@pytest.mark.parametrize("format", pictures.FORMATS)
def test_a_truncated_file_is_refused_as_such(format: str) -> None:
    noise = Image.effect_noise((96, 64), 80).convert("RGB")
    whole = pictures.encoded(noise, format)

    assert refusal(whole[: len(whole) * 2 // 3]).code == "truncated"
    assert refusal(whole[:40]).code == "truncated"


def test_a_jpeg_with_too_many_scans_is_refused() -> None:
    whole = pictures.encoded(pictures.corners(), "JPEG", progressive=True)
    scan = whole[whole.rindex(b"\xff\xda") : -2]

    assert read(whole[:-2] + scan * 20 + b"\xff\xd9").format == "JPEG"
    assert refusal(whole[:-2] + scan * 2_000 + b"\xff\xd9").code == "damaged"
    assert refusal(whole[:-2] + b"\xff\xfe\0\4\xff\xd9" + scan * 2_000 + b"\xff\xd9").code == "damaged"


def test_data_after_the_end_of_a_jpeg_does_not_count_as_scans() -> None:
    assert read(pictures.photo() + b"\0\xff\xda" * 2_000).format == "JPEG"


def test_a_keyboard_interrupt_is_not_swallowed(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(self: ImageFile.ImageFile) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(ImageFile.ImageFile, "load", interrupted)
    with pytest.raises(KeyboardInterrupt):
        read(pictures.photo())


def test_a_refusal_can_be_pickled() -> None:
    error = pickle.loads(pickle.dumps(refusal(pictures.pixel_bomb())))

    assert error.code is Reason.TOO_MANY_PIXELS
    assert str(error) == "This picture has 400 megapixels; the limit is 1."


@pytest.mark.parametrize("format", pictures.FORMATS)
def test_mutated_files_raise_only_unreadable_image(format: str) -> None:
    whole = pictures.photo(format)

    @FUZZ
    @given(mutations(len(whole)))
    def check(changes: list[tuple[int, bytes, int]]) -> None:
        try:
            result = read(mutated(whole, changes))
        except UnreadableImage:
            return
        assert result.picture.mode == "RGB"
        assert result.width * result.height <= LIMIT

    check()


def mutations(length: int) -> st.SearchStrategy[list[tuple[int, bytes, int]]]:
    """Changes to a file: position, replacement, and number of bytes replaced."""
    change = st.tuples(st.integers(0, length), st.binary(max_size=8), st.integers(0, 64))
    return st.lists(change, min_size=1, max_size=4)


def mutated(data: bytes, changes: list[tuple[int, bytes, int]]) -> bytes:
    for position, replacement, removed in changes:
        data = data[:position] + replacement + data[position + removed :]
    return data


# Orientation


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "AVIF", "HEIF"])
def test_a_rotated_photo_is_read_upright(format: str, orientation: int) -> None:
    turned = pictures.turned(pictures.corners(), orientation)
    result = read(pictures.photo(format, orientation, turned))

    assert (result.width, result.height) == result.picture.size == (48, 32)
    assert difference(result.picture, pictures.corners()) < 12


@pytest.mark.parametrize("orientation", [0, 9, 255])
def test_an_invalid_orientation_is_ignored(orientation: int) -> None:
    assert read(pictures.photo(orientation=orientation)).picture.size == (48, 32)


@pytest.mark.parametrize("format", ["JPEG", "WEBP", "AVIF", "HEIF"])
@pytest.mark.parametrize("broken", [b"garbage!", b"MM\0*\xff\xff\xff\xff", b"MM\0*\0\0\0\x08", b"II*\0\x08\0\0\0"])
def test_broken_exif_is_ignored(format: str, broken: bytes) -> None:
    photo = pictures.photo(format)
    start = photo.index(b"MM\0*", photo.index(b"xif\0\0") if format == "JPEG" else 0)

    assert read(photo[:start] + broken + photo[start + 8 :]).picture.size == (48, 32)


def test_the_orientation_of_a_png_may_follow_its_pixels() -> None:
    pixels = (b"IDAT", zlib.compress(b"\0\1\2"))

    assert read(pictures.png(pictures.png_header(2, 1), pixels, (b"eXIf", pictures.exif(6)[6:]))).height == 2


# Colours


def grey(data: bytes) -> list[int]:
    return list(read(data).picture.convert("L").tobytes())


def test_16_bit_grey_is_scaled_and_not_clipped() -> None:
    assert grey(pictures.grey16([0, 0x4000, 0x8000, 0xFFFF])) == [0, 64, 128, 255]


def test_transparent_pixels_are_composited_on_white() -> None:
    half = Image.new("RGBA", (2, 1), (0, 0, 0, 128))
    half.putpixel((1, 0), (200, 0, 0, 0))
    pixels = list(read(pictures.encoded(half, "PNG")).picture.get_flattened_data())

    assert pixels == [(127, 127, 127), (255, 255, 255)]


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_the_transparent_grey_of_a_png_is_applied_at_every_bit_depth(bits: int) -> None:
    row = zlib.compress(b"\0\0")  # one black pixel
    data = pictures.png(pictures.png_header(1, 1, bits), (b"tRNS", b"\0\0"), (b"IDAT", row))
    assert grey(data) == [255]

    brightest = 2**bits - 1
    row = zlib.compress(b"\0" + bytes([brightest << 8 - bits]))
    key = struct.pack(">H", brightest)
    data = pictures.png(pictures.png_header(1, 1, bits), (b"tRNS", key), (b"IDAT", row))
    assert grey(data) == [255]


def test_the_transparent_colour_of_a_16_bit_png_is_applied() -> None:
    assert grey(pictures.grey16([0x1234, 0x1299], transparent=0x1234)) == [255, 19]

    row = struct.pack(">6H", 1, 2, 3, 0x8000, 0x8000, 0x8000)
    data = pictures.png(pictures.png_header(2, 1, 16, 2), (b"tRNS", row[:6]), (b"IDAT", zlib.compress(b"\0" + row)))
    assert list(read(data).picture.get_flattened_data()) == [(255, 255, 255), (128, 128, 128)]


def palette_with_transparency() -> bytes:
    picture = Image.new("P", (2, 1))
    picture.putpalette([10, 20, 30, 200, 100, 0])
    picture.putpixel((1, 0), 1)
    return pictures.encoded(picture, "PNG", transparency=0)


def test_a_transparent_palette_entry_becomes_white() -> None:
    assert list(read(palette_with_transparency()).picture.get_flattened_data()) == [(255, 255, 255), (200, 100, 0)]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_every_mode_of_png_is_read(mode: str) -> None:
    source = Image.linear_gradient("L")
    source = source.convert("I").point(lambda sample: sample * 257) if mode == "I;16" else source
    result = read(pictures.encoded(source.convert(mode), "PNG"))

    assert result.picture.getpixel((9, 0)) == (0, 0, 0)
    assert result.picture.getpixel((9, 255)) == (255, 255, 255)


def test_a_cmyk_jpeg_is_converted() -> None:
    result = read(pictures.encoded(pictures.corners().convert("CMYK"), "JPEG", quality=95))

    assert difference(result.picture, pictures.corners()) < 8


def test_an_embedded_colour_profile_is_applied() -> None:
    swapped = pictures.encoded(Image.new("RGB", (8, 8), "red"), "PNG", icc_profile=pictures.swapped_profile())
    red, _green, blue = read(swapped).picture.getpixel((1, 1))  # type: ignore[misc]

    assert (blue > 240, red < 15) == (True, True)


@pytest.mark.parametrize("profile", [b"broken", pictures.swapped_profile()[:200], bytes(500)])
def test_a_broken_colour_profile_is_ignored(profile: bytes) -> None:
    data = pictures.encoded(pictures.corners(), "PNG", icc_profile=profile)

    assert read(data).picture.tobytes() == pictures.corners().tobytes()


# Side effects


def test_only_warnings_of_decoders_are_suppressed() -> None:
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        read(pictures.photo("JPEG").replace(b"MM\0*", b"MM\0?"))
        read(palette_with_transparency())
        warnings.warn("something else", stacklevel=1)

    assert [str(warning.message) for warning in heard] == ["something else"]


def test_concurrent_threads_get_the_same_result() -> None:
    files = [pictures.photo(name, 6) for name in pictures.FORMATS] * 4
    alone = [read(data).picture.tobytes() for data in files]

    with ThreadPoolExecutor(8) as pool:
        assert [result.picture.tobytes() for result in pool.map(read, files)] == alone


# Thumbnails and other sizes


@pytest.mark.parametrize("orientation", [1, 6])
def test_a_jpeg_is_decoded_at_a_reduced_size_but_not_below_the_minimum(orientation: int) -> None:
    turned = pictures.turned(pictures.corners((800, 600)), orientation)
    result = read(pictures.photo("JPEG", orientation, turned), at_least=140)

    assert result.picture.size == (200, 150)
    assert (result.width, result.height) == (800, 600)
    assert difference(result.picture, pictures.corners((200, 150))) < 8


def test_a_small_jpeg_is_decoded_at_full_size() -> None:
    assert read(pictures.photo(), at_least=500).picture.size == (48, 32)


@pytest.mark.parametrize(("size", "expected"), [((400, 300), (100, 75)), ((30, 20), (30, 20)), ((900, 3), (100, 1))])
def test_a_thumbnail_fits_and_is_never_enlarged(size: tuple[int, int], expected: tuple[int, int]) -> None:
    with Image.open(BytesIO(thumbnail(pictures.gradient(size), 100))) as small:
        assert (small.format, small.size) == ("WEBP", expected)


def test_a_thumbnail_has_no_metadata() -> None:
    with Image.open(BytesIO(pictures.photo())) as photo:
        photo.info["icc_profile"] = pictures.swapped_profile()
        small = thumbnail(photo, 16)

    assert not any(secret in small for secret in (*pictures.SECRETS, b"EXIF", b"ICCP", b"XMP "))


def test_the_placeholder_is_a_small_data_uri() -> None:
    uri = placeholder(Image.effect_noise((300, 200), 90).convert("RGB"))
    kind, _, content = uri.partition(",")

    assert kind == "data:image/webp;base64"
    assert len(uri) < 400
    with Image.open(BytesIO(b64decode(content))) as small:
        assert small.size == (16, 11)


def test_the_dominant_colour_is_the_most_common_and_not_the_average() -> None:
    picture = Image.new("RGB", (100, 100), "#ff0000")
    picture.paste("#0000ff", (0, 0, 100, 40))

    assert dominant_colour(picture) == "#ff0000"


def test_the_dominant_colour_of_a_chequerboard_is_one_of_its_colours() -> None:
    board = Image.new("RGB", (2, 2), "#00ff00")
    board.putpixel((0, 0), (255, 0, 255))

    assert dominant_colour(board.resize((400, 400), Image.Resampling.NEAREST)) == "#00ff00"
