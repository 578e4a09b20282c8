"""Pictures that can be shown completely although a part of their file is damaged, and how they are shown."""

import struct
import tracemalloc
import zlib
from io import BytesIO

import pytest
from PIL import Image, ImageChops

from search.imaging import Reason, dominant_colour, thumbnail
from search.scrubbing import scrubbed
from tests import pictures
from tests.test_imaging import LIMIT, difference, read, refusal

LIGHT, DARK = (255, 255, 255), (32, 32, 32)


# JPEG without an end marker


@pytest.mark.parametrize(
    "options", [{}, {"progressive": True}, {"restart_marker_blocks": 3}, {"subsampling": "4:2:0", "quality": 30}]
)
@pytest.mark.parametrize("missing", [1, 2])
def test_a_jpeg_without_its_end_marker_is_read_completely(options: dict[str, object], missing: int) -> None:
    whole = pictures.encoded(Image.effect_noise((96, 80), 80).convert("RGB"), "JPEG", **options)

    assert read(whole[:-missing]).picture.tobytes() == read(whole).picture.tobytes()


@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_with_missing_samples_is_refused(progressive: bool) -> None:
    whole = pictures.encoded(Image.effect_noise((96, 80), 80).convert("RGB"), "JPEG", progressive=progressive)

    for length in (len(whole) - 12, len(whole) * 95 // 100, len(whole) // 2):
        assert refusal(whole[:length]).code is Reason.TRUNCATED


def test_a_jpeg_truncated_at_a_marker_is_refused() -> None:
    whole = pictures.encoded(Image.effect_noise((96, 80), 80).convert("RGB"), "JPEG", progressive=True)

    assert refusal(whole[: len(whole) // 2] + b"\xff\xe1\0\4ab").code is Reason.TRUNCATED


def test_the_download_of_a_jpeg_without_its_end_marker_has_no_metadata() -> None:
    photo = pictures.photo("JPEG", 6)[:-2]
    copy = scrubbed(photo, "JPEG", max_pixels=LIMIT)

    assert difference(read(copy.data).picture, read(photo).picture) < 2
    assert not any(secret in copy.data for secret in pictures.SECRETS)


# PNG


def a_png(*chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG of two pixels, black and white, with these chunks before the data."""
    return pictures.png(pictures.png_header(2, 1), *chunks, (b"IDAT", zlib.compress(b"\0\0\xff")))


LONG = zlib.compress(bytes(30_000_000))


@pytest.mark.parametrize(
    "chunk",
    [
        (b"zTXt", b"note\0\0" + LONG),
        (b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + LONG),
        (b"iCCP", b"profile\0\0" + LONG),
        (b"tEXt", b"note\0" + b"x" * 3_000_000),
    ],
    ids=["compressed text", "compressed XMP", "profile", "text"],
)
def test_unneeded_chunks_of_a_png_are_not_unpacked(chunk: tuple[bytes, bytes]) -> None:
    data = a_png(chunk)
    read(data)
    tracemalloc.start()
    try:
        assert read(data).picture.tobytes() == bytes(3) + b"\xff" * 3
        assert tracemalloc.get_traced_memory()[1] < 2 * len(data) + 12_000_000
    finally:
        tracemalloc.stop()


def test_a_long_colour_profile_of_a_png_is_applied() -> None:
    profile = bytearray(pictures.swapped_profile() + bytes(1_500_000))
    struct.pack_into(">I", profile, 0, len(profile))
    red = pictures.encoded(Image.new("RGB", (8, 8), "red"), "PNG", icc_profile=bytes(profile))

    assert read(red).picture.getpixel((1, 1))[2] > 240  # type: ignore[index]


@pytest.mark.parametrize("kind", [b"pHYs", b"tEXt", b"gAMA", b"iCCP", b"eXIf", b"tRNS", b"prVt"])
def test_a_wrong_checksum_of_an_ancillary_chunk_is_ignored(kind: bytes) -> None:
    data = a_png((kind, bytes(9)))
    place = data.index(kind)
    broken = data[: place + 13] + b"\xde\xad\xbe\xef" + data[place + 17 :]

    assert read(broken).picture.tobytes() == bytes(3) + b"\xff" * 3
    copy = scrubbed(broken, "PNG", max_pixels=LIMIT).data
    assert kind not in copy
    assert b"IDAT" + zlib.compress(b"\0\0\xff") in copy  # copied, not drawn again


@pytest.mark.parametrize("kind", [b"IHDR", b"PLTE"])
def test_a_wrong_checksum_of_a_critical_chunk_is_damage(kind: bytes) -> None:
    header, row = pictures.png_header(2, 1, 8, 3), zlib.compress(b"\0\0\1")
    data = pictures.png(header, (b"PLTE", bytes(6)), (b"IDAT", row))
    place = data.index(kind) + 4 + {b"IHDR": 13, b"PLTE": 6}[kind]

    assert refusal(data[:place] + b"\xde\xad\xbe\xef" + data[place + 4 :]).code is Reason.DAMAGED


# Orientation


TAG, OTHER_TAG = b"\x01\x12\0\3\0\0\0\1", b"\x01\x13\0\3\0\0\0\1"
"""The EXIF entry of the orientation, and one that encoders do not know and so do not move into the container."""


def with_own_exif(format: str, orientation: int) -> bytes:
    """A HEIC or AVIF that is turned by its EXIF block only."""
    turned = pictures.turned(pictures.corners(), orientation)
    exif = pictures.exif(orientation).replace(TAG, OTHER_TAG)
    data = pictures.encoded(turned, format, exif=exif, quality=95)
    assert OTHER_TAG in data
    assert b"irot" not in data
    assert b"imir" not in data
    return data.replace(OTHER_TAG, TAG)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["HEIF", "AVIF"])
def test_a_picture_turned_by_exif_only_is_upright(format: str, orientation: int) -> None:
    result = read(with_own_exif(format, orientation))

    assert (result.width, result.height) == result.picture.size == (48, 32)
    assert difference(result.picture, pictures.corners()) < 12


@pytest.mark.parametrize("format", ["HEIF", "AVIF"])
def test_a_picture_turned_by_container_and_exif_is_turned_once(format: str) -> None:
    photo = pictures.photo(format, 6, pictures.turned(pictures.corners(), 6))
    maker = b"\x01\x0f\0\2\0\0\0\x0e"
    place = photo.index(maker)  # here the orientation replaces the camera's maker
    twice = photo[:place] + TAG + b"\0\6\0\0" + photo[place + 12 :]
    assert b"irot" in twice

    assert difference(read(twice).picture, pictures.corners()) < 12


# Transparency


def logo(colour: object, mode: str = "RGBA") -> Image.Image:
    """A cross of `colour` on a transparent ground."""
    picture = Image.new("RGBA", (60, 40), (0, 0, 0, 0))
    picture.paste(colour, (25, 5, 35, 35))  # type: ignore[arg-type]
    picture.paste(colour, (10, 15, 50, 25))  # type: ignore[arg-type]
    return picture.convert(mode) if mode != "P" else picture.quantize(8, Image.Quantize.FASTOCTREE)


FILES = [
    ("PNG", "RGBA"),
    ("PNG", "LA"),
    ("PNG", "P"),
    ("WEBP", "RGBA"),
    ("GIF", "RGBA"),
    ("AVIF", "RGBA"),
    ("TIFF", "RGBA"),
]


@pytest.mark.parametrize(("format", "mode"), [*FILES, ("HEIF", "RGBA"), ("JP2", "RGBA"), ("TIFF", "LA")])
def test_white_on_transparency_gets_a_dark_ground(format: str, mode: str) -> None:
    options = {"lossless": True} if format == "WEBP" else {}
    picture = read(pictures.encoded(logo((255, 255, 255, 255), mode), format, **options)).picture

    assert difference(picture.crop((26, 6, 34, 34)), Image.new("RGB", (8, 28), LIGHT)) < 6
    assert difference(picture.crop((0, 0, 9, 39)), Image.new("RGB", (9, 39), DARK)) < 6


@pytest.mark.parametrize(("format", "mode"), FILES)
def test_dark_on_transparency_gets_a_white_ground(format: str, mode: str) -> None:
    options = {"lossless": True} if format == "WEBP" else {}
    picture = read(pictures.encoded(logo((0, 0, 0, 255), mode), format, **options)).picture

    assert difference(picture.crop((0, 0, 9, 39)), Image.new("RGB", (9, 39), LIGHT)) < 6


@pytest.mark.parametrize(
    ("colour", "ground"),
    [((255, 255, 255, 90), DARK), ((230, 230, 190, 255), DARK), ((180, 180, 180, 255), LIGHT), ((0, 0, 0, 0), LIGHT)],
    ids=["faint white", "cream", "grey", "nothing at all"],
)
def test_the_ground_depends_on_the_visible_colours(colour: tuple[int, ...], ground: tuple[int, ...]) -> None:
    assert read(pictures.encoded(logo(colour), "PNG")).picture.getpixel((0, 0)) == ground


def test_transparent_corners_of_a_bright_window_become_white() -> None:
    window = Image.new("RGBA", (100, 100), "white")
    window.paste((0, 0, 0, 0), (0, 0, 5, 5))

    assert read(pictures.encoded(window, "PNG")).picture.getpixel((0, 0)) == LIGHT


def test_the_transparent_colour_of_deep_grey_is_applied() -> None:
    data = pictures.grey16([0x1234] * 9 + [0xFFFF], transparent=0x1234)

    assert list(read(data).picture.convert("L").tobytes()) == [32] * 9 + [255]


def test_thumbnail_and_colour_show_what_the_model_sees() -> None:
    seen = read(pictures.encoded(logo((255, 255, 255, 255)).resize((600, 400)), "PNG"), at_least=224).picture
    with Image.open(BytesIO(thumbnail(seen, 60))) as small:
        assert difference(small.convert("RGB"), seen.resize((60, 40))) < 6

    assert dominant_colour(seen) == "#202020"


# Animations


def film(format: str, *frames: Image.Image) -> bytes:
    first, *rest = frames
    options = {"lossless": True} if format == "WEBP" else {}
    return pictures.encoded(first, format, save_all=True, append_images=rest, duration=100, **options)


def plain(colour: str) -> Image.Image:
    return Image.new("RGB", (48, 32), colour)


@pytest.mark.parametrize("format", ["GIF", "WEBP", "AVIF", "PNG"])
def test_of_an_animation_the_first_frame_with_several_colours_is_read(format: str) -> None:
    late = ImageChops.invert(pictures.corners())
    data = film(format, plain("black"), plain("#000030"), pictures.corners(), late)

    result = read(data)
    assert (result.width, result.height) == (48, 32)
    assert difference(result.picture, pictures.corners()) < 12


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG"])
def test_of_an_animation_the_first_frame_that_is_not_transparent_is_read(format: str) -> None:
    nothing = Image.new("RGBA", (48, 32), (0, 0, 0, 0))

    assert difference(read(film(format, nothing, pictures.corners().convert("RGBA"))).picture, pictures.corners()) < 12


def test_damage_after_the_first_frame_is_ignored() -> None:
    data = film("GIF", plain("red"), pictures.corners(), plain("blue"))

    second = data.index(b"!\xf9", data.index(b"!\xf9") + 2)

    assert read(data[: second + 20]).picture.getpixel((5, 5)) == (255, 0, 0)


def test_the_search_for_a_frame_ends() -> None:
    frames = [plain(f"#0000{number:02x}") for number in range(200)]

    assert difference(read(film("GIF", *frames[:100], pictures.corners())).picture, pictures.corners()) < 12
    assert read(film("GIF", *frames, pictures.corners())).picture.getpixel((5, 5)) == (0, 0, 0)


def test_a_frame_larger_than_the_limit_is_ignored() -> None:
    data = film("GIF", plain("red"), plain("blue"))
    second = data.index(b",", data.index(b"!\xf9", data.index(b"!\xf9") + 2))
    data = data[: second + 1] + struct.pack("<HHHH", 0, 0, 40_000, 40_000) + data[second + 9 :]

    assert read(data).picture.size == (48, 32)
