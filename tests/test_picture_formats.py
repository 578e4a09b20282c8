"""TIFF, BMP, JPEG 2000 and RAW: decoded pictures, and hostile files."""

import struct
from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageFile

from search.imaging import EXTENSIONS, Reason, UnreadableImage, read_picture
from search.scrubbing import scrubbed
from tests import pictures
from tests.raw_files import RAW_KINDS, Fields, raw, tiff
from tests.test_imaging import FUZZ, LIMIT, difference, mutated, mutations, read, refusal

# TIFF


def grey_tiff(samples: list[int], *, order: str = "<", white_is_zero: bool = False, bits: int = 16) -> bytes:
    """A TIFF of one row of grey pixels."""
    page = {256: len(samples), 257: 1, 258: bits, 259: 1, 262: 0 if white_is_zero else 1, 273: 0, 278: 1, 279: 0}
    row = struct.pack(f"{order}{len(samples)}{'H' if bits == 16 else 'B'}", *samples)
    return tiff(page | {273: len(tiff(page, order=order)), 279: len(row)}, order=order) + row


@pytest.mark.parametrize("order", ["<", ">"])
def test_deep_grey_is_scaled_and_not_clipped(order: str) -> None:
    row = read(grey_tiff([0, 0x4000, 0x8000, 0xFFFF], order=order)).picture

    assert list(row.convert("L").tobytes()) == [0, 64, 128, 255]


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("bits", "white"), [(8, 0xFF), (16, 0xFFFF)])
def test_grey_with_white_as_zero_is_not_inverted(order: str, bits: int, white: int) -> None:
    row = read(grey_tiff([0, white], order=order, bits=bits, white_is_zero=True)).picture

    assert list(row.convert("L").tobytes()) == [255, 0]


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "zstd", "lzma", "jpeg"])
def test_every_common_compression_of_tiff_is_read(compression: str) -> None:
    data = pictures.encoded(pictures.gradient(), "TIFF", compression=compression)

    assert difference(read(data).picture, pictures.gradient()) < (4 if compression == "jpeg" else 0.01)


@pytest.mark.parametrize("compression", ["group3", "group4"])
def test_a_fax_is_read(compression: str) -> None:
    page = pictures.corners().convert("1")

    assert difference(read(pictures.encoded(page, "TIFF", compression=compression)).picture, page.convert("RGB")) == 0


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "I;16", "F"])
def test_every_mode_of_tiff_is_read(mode: str) -> None:
    source = Image.linear_gradient("L")
    if mode == "I;16":
        source = source.convert("I").point(lambda sample: sample * 257)
    result = read(pictures.encoded(source.convert(mode), "TIFF"))

    dark, light = (result.picture.convert("L").getpixel((9, row)) for row in (0, 255))
    assert dark < 3  # type: ignore[operator]
    assert light > 252  # type: ignore[operator]


def test_a_lab_tiff_keeps_its_colours() -> None:
    lab = Image.new("LAB", (8, 8), (255 * 53 // 100, 128 + 80, 128 + 67))  # red

    red, green, blue = read(pictures.encoded(lab, "TIFF")).picture.getpixel((1, 1))  # type: ignore[misc]
    assert red > 200
    assert max(green, blue) < 60


def test_the_first_page_of_a_tiff_is_read() -> None:
    pages = [Image.new("RGB", (24, 16), colour) for colour in ("lime", "blue")]
    data = pictures.encoded(pictures.corners(), "TIFF", save_all=True, append_images=pages)

    assert difference(read(data).picture, pictures.corners()) == 0


def test_a_reduced_copy_before_the_picture_of_a_tiff_is_not_taken_for_it() -> None:
    copy = Image.new("RGB", (24, 16), "lime")
    page = pictures.corners()
    page.encoderinfo = {"tiffinfo": {254: 0}}

    assert (
        difference(
            read(pictures.encoded(copy, "TIFF", save_all=True, append_images=[page], tiffinfo={254: 1})).picture, page
        )
        == 0
    )
    assert read(pictures.encoded(copy, "TIFF", tiffinfo={254: 1})).picture.size == (24, 16)


def tiff_page(fields: Fields, *pieces: bytes, order: str = "<") -> bytes:
    """A TIFF of 48 x 32 pixels without compression, each of whose `pieces` is one strip."""
    sizes = [len(piece) for piece in pieces]
    page = {256: 48, 257: 32, 259: 1, 278: 32, 279: sizes, 273: [0] * len(pieces)} | fields
    start = len(tiff(page, order=order))
    places = [start + sum(sizes[:number]) for number in range(len(sizes))]
    return tiff(page | {273: places}, order=order) + b"".join(pieces)


def corner_samples(code: str, white: float, *, order: str = "<", bands: str = "RGB") -> list[bytes]:
    """The samples of `bands` of the picture `corners`, from 0 to `white`, as numbers of `struct`."""
    found = []
    for band in pictures.corners().convert(bands).split():
        scaled = [sample * white / 255 for sample in band.tobytes()]
        found.append(struct.pack(f"{order}{len(scaled)}{code}", *(scaled if code == "f" else map(round, scaled))))
    return found


def side_by_side(bands: list[bytes], size: int) -> bytes:
    """Samples of `size` bytes, pixel by pixel."""
    return b"".join(band[at : at + size] for at in range(0, len(bands[0]), size) for band in bands)


def twelve_bits(samples: bytes) -> bytes:
    """Samples of 16 bits, of which 12 are used, as two in three bytes."""
    pairs = struct.iter_unpack("<HH", samples)
    return b"".join((first << 12 | second).to_bytes(3, "big") for first, second in pairs)


UNUSUAL: dict[str, Callable[[str], bytes]] = {
    "planes of 16 bits": lambda order: tiff_page(
        {258: [16] * 3, 262: 2, 277: 3, 284: 2}, *corner_samples("H", 65535, order=order), order=order
    ),
    "16 bits with alpha": lambda order: tiff_page(
        {258: [16, 16], 262: 1, 277: 2, 338: 2},
        side_by_side(corner_samples("H", 65535, order=order, bands="LA"), 2),
        order=order,
    ),
    "32 bits": lambda order: tiff_page(
        {258: [32] * 3, 262: 2, 277: 3}, side_by_side(corner_samples("I", 2**32 - 1, order=order), 4), order=order
    ),
    "fractions": lambda order: tiff_page(
        {258: [32] * 3, 262: 2, 277: 3, 339: [3] * 3},
        side_by_side(corner_samples("f", 1, order=order), 4),
        order=order,
    ),
    "12 bits": lambda order: tiff_page(
        {258: 12, 262: 1, 277: 1}, twelve_bits(corner_samples("H", 4095, bands="L")[0]), order=order
    ),
    "a palette of 8 bits": lambda order: tiff_page(
        {258: 8, 262: 3, 277: 1, 320: [*range(256)] * 3}, pictures.corners().convert("L").tobytes(), order=order
    ),
}


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", UNUSUAL)
def test_samples_of_every_depth_and_layout_of_tiff_are_read(kind: str, order: str) -> None:
    expected = pictures.corners()
    if kind in ("16 bits with alpha", "12 bits", "a palette of 8 bits"):
        expected = expected.convert("L").convert("RGB")

    assert difference(read(UNUSUAL[kind](order)).picture, expected) < 1


def test_a_big_tiff_is_read() -> None:
    for order in "<>":
        samples = pictures.corners().tobytes()
        fields = {256: 48, 257: 32, 258: 8, 259: 1, 262: 2, 273: 16, 277: 3, 278: 32, 279: len(samples)}
        entries = b"".join(struct.pack(f"{order}HHQQ", tag, 16, 1, value) for tag, value in fields.items())
        head = struct.pack(f"{order}HHHQ", 43, 8, 0, 16 + len(samples))
        data = {"<": b"II", ">": b"MM"}[order] + head + samples + struct.pack(f"{order}Q", 9) + entries + bytes(8)

        assert difference(read(data).picture, pictures.corners()) == 0


def test_a_colour_profile_in_a_tiff_is_applied() -> None:
    swapped = pictures.encoded(Image.new("RGB", (8, 8), "red"), "TIFF", icc_profile=pictures.swapped_profile())
    red, _green, blue = read(swapped).picture.getpixel((1, 1))  # type: ignore[misc]

    assert (blue > 240, red < 15) == (True, True)


def test_transparency_of_a_cmyk_tiff_is_ignored() -> None:
    page = {256: 1, 257: 1, 258: 8, 259: 1, 262: 5, 273: 0, 277: 5, 278: 1, 279: 5, 338: 2}
    data = tiff(page | {273: len(tiff(page))}) + b"\0\xff\xff\0\x80"

    red, green, blue = read(data).picture.getpixel((0, 0))  # type: ignore[misc]
    assert red > 200
    assert max(green, blue) < 60


def test_an_unusual_tiff_is_refused_with_advice() -> None:
    page = {256: 1, 257: 1, 258: 8, 259: 6, 262: 6, 273: 8, 277: 3, 278: 1, 279: 3}

    assert refusal(tiff(page)).code is Reason.UNSUPPORTED
    doubles = page | {259: 1, 258: 64, 277: 1, 262: 1, 339: 3, 279: 8}
    assert "Save it as JPEG or PNG" in str(refusal(tiff(doubles)))


def test_repeated_strips_are_drawn_once() -> None:
    # Two strips make the page; Pillow would draw it again for each pair of 20,000.
    page = {256: 1_000, 257: 1_000, 258: 8, 259: 1, 262: 1, 278: 999, 279: [999_000, 1_000], 273: [0, 0]}
    length = len(tiff(page | {273: [0] * 20_000}))
    data = tiff(page | {273: [length, length + 999_000] * 10_000}) + bytes(1_000_000)

    assert read(data).picture.size == (1_000, 1_000)
    read_alone = read(tiff(page | {273: [length, length + 999_000]}).ljust(length, b"\0") + bytes(1_000_000))
    assert read(data).picture.tobytes() == read_alone.picture.tobytes()


def test_the_decoder_sees_the_tags_of_the_page_only(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bytes] = []

    def note(self: ImageFile.ImageFile) -> None:
        seen.append(b"".join(bytes(str(tag), "ascii") + b" " for tag in sorted(self.tag_v2)))
        raise OSError("enough")

    monkeypatch.setattr("PIL.TiffImagePlugin.TiffImageFile.load", note)
    refusal(pictures.photo("TIFF", 6))

    assert seen == [b"256 257 258 259 262 273 277 278 279 284 "]


# BMP and JPEG 2000


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA"])
def test_every_mode_of_bmp_is_read(mode: str) -> None:
    result = read(pictures.encoded(Image.linear_gradient("L").convert(mode), "BMP"))

    assert (result.format, result.picture.getpixel((9, 0)), result.picture.getpixel((9, 255))) == (
        "BMP",
        (0, 0, 0),
        (255, 255, 255),
    )


def bmp_with_filler(filler: int) -> bytes:
    """A BMP of one red pixel whose header declares an alpha channel."""
    header = struct.pack("<IiiHHIIiiII4I", 56, 1, 1, 1, 32, 3, 4, 0, 0, 0, 0, 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    return b"BM" + struct.pack("<IHHI", 14 + 56 + 4, 0, 0, 14 + 56) + header + bytes((0, 0, 255, filler))


@pytest.mark.parametrize("filler", [0, 255])
def test_a_fully_transparent_bmp_is_read_as_opaque(filler: int) -> None:
    assert read(bmp_with_filler(filler)).picture.getpixel((0, 0)) == (255, 0, 0)


def test_a_bmp_of_unusual_masks_is_not_called_damaged() -> None:
    masks = struct.pack("<III", 0xF00, 0xF0, 0xF)
    header = struct.pack("<IiiHHIIiiII", 40, 1, 1, 1, 16, 3, 4, 0, 0, 0, 0) + masks
    data = b"BM" + struct.pack("<IHHI", 14 + 52 + 4, 0, 0, 14 + 52) + header + bytes(4)

    assert refusal(data).code is Reason.UNSUPPORTED


def test_a_text_that_begins_like_a_bmp_is_not_a_picture() -> None:
    assert refusal(b"BM is what this letter begins with, and it goes on").code is Reason.NOT_A_PICTURE


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_every_mode_of_jpeg_2000_is_read(mode: str) -> None:
    result = read(pictures.encoded(Image.linear_gradient("L").convert(mode), "JP2"))

    assert result.format == "JP2"
    assert difference(result.picture, Image.linear_gradient("L").convert("RGB")) < 1


def test_deep_grey_of_jpeg_2000_is_scaled() -> None:
    deep = Image.linear_gradient("L").convert("I").point(lambda sample: sample * 257).convert("I;16")

    assert difference(read(pictures.encoded(deep, "JP2")).picture, Image.linear_gradient("L").convert("RGB")) < 1


@pytest.mark.parametrize("least", [100, 224])
def test_a_jpeg_2000_is_decoded_smaller_but_never_below_the_requested_size(least: int) -> None:
    result = read(pictures.encoded(pictures.corners((960, 640)), "JP2"), at_least=least)

    assert (result.width, result.height) == (960, 640)
    assert least <= min(result.picture.size) < 2 * least
    assert difference(result.picture, pictures.corners(result.picture.size)) < 8


def test_a_bare_codestream_of_jpeg_2000_is_read() -> None:
    data = pictures.encoded(pictures.corners(), "JP2", no_jp2=True)

    assert data.startswith(b"\xff\x4f\xff\x51")
    assert difference(read(data).picture, pictures.corners()) < 8


def test_data_after_a_jpeg_2000_and_a_missing_end_marker_are_no_errors() -> None:
    for options in ({}, {"no_jp2": True}):
        whole = pictures.encoded(pictures.corners(), "JP2", **options)

        assert read(whole + b"\n").picture.tobytes() == read(whole).picture.tobytes()
        assert read(whole[:-2]).picture.tobytes() == read(whole).picture.tobytes()
        assert refusal(whole[:-3]).code is Reason.TRUNCATED


# Decompression bombs


def jpeg_2000_bomb(**changes: int) -> bytes:
    """A JPEG 2000 whose header declares more than the file holds."""
    data = bytearray(
        pictures.encoded(pictures.corners(), "JP2", no_jp2=True, quality_layers=[40, 20], num_resolutions=2)
    )
    size, style = data.index(b"\xff\x51"), data.index(b"\xff\x52")
    places = {"width": size + 6, "tile_width": size + 22, "tile_height": size + 26}
    for name, value in changes.items():
        if name == "components":
            struct.pack_into(">H", data, size + 38, value)
        elif name == "layers":
            struct.pack_into(">H", data, style + 6, value)
        elif name == "precincts":
            data[style + 4] |= 1
            data[style + 14 : style + 14] = bytes((value, value))
            struct.pack_into(">H", data, style + 2, 14)
        else:
            struct.pack_into(">I", data, places[name], value)
    return bytes(data)


def tiff_bomb(**changes: int) -> bytes:
    page = {256: 8, 257: 8, 258: 8, 259: 5, 262: 1, 322: 16, 323: 16, 324: 8, 325: 100}
    return tiff(page | {int(tag[1:]): value for tag, value in changes.items()}) + bytes(200)


BOMBS: dict[str, Callable[[], bytes]] = {
    "TIFF": lambda: tiff_bomb(_256=30_000, _257=30_000),
    "TIFF of huge tiles": lambda: tiff_bomb(_322=40_000, _323=40_000),
    "TIFF of many samples": lambda: tiff_bomb(_277=60_000),
    "TIFF of endless strips": lambda: tiff({256: 900, 257: 900, 262: 1, 278: 0, 273: 8, 279: 100}),
    "BMP": lambda: (
        (data := pictures.encoded(pictures.corners(), "BMP"))[:18] + struct.pack("<ii", 30_000, 30_000) + data[26:]
    ),
    "JPEG 2000": lambda: jpeg_2000_bomb(width=40_000_000),
    "JPEG 2000 of many tiles": lambda: jpeg_2000_bomb(tile_width=1, tile_height=1, width=30_000),
    "JPEG 2000 of many components": lambda: jpeg_2000_bomb(components=16_384),
    "JPEG 2000 of many layers": lambda: jpeg_2000_bomb(layers=65_535),
    "JPEG 2000 of many precincts": lambda: jpeg_2000_bomb(width=31_000, tile_width=31_000, precincts=0),
    "RAW": lambda: raw("NEF", jpeg_of_size(40_000, 40_000), sensor=(40_000, 40_000)),
}


def jpeg_of_size(width: int, height: int) -> bytes:
    """A JPEG that declares this size."""
    data = pictures.encoded(pictures.corners(), "JPEG")
    frame = data.index(b"\xff\xc0") + 5
    return data[:frame] + struct.pack(">HH", height, width) + data[frame + 4 :]


@pytest.mark.parametrize("kind", BOMBS)
def test_a_bomb_is_refused_before_memory_is_allocated(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(self: ImageFile.ImageFile) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr(ImageFile.ImageFile, "load", never)
    monkeypatch.setattr("PIL.TiffImagePlugin.TiffImageFile.load", never)

    error = refusal(BOMBS[kind]())
    assert error.code in (Reason.TOO_MANY_PIXELS, Reason.DAMAGED, Reason.UNSUPPORTED)
    assert error.__cause__ is None


# RAW


def a_raw(kind: str, orientation: int = 6, **options: object) -> bytes:
    """A RAW file of a camera in this orientation, with a thumbnail besides its picture."""
    turned = pictures.turned(pictures.corners((480, 320)), orientation)
    thumbnail = pictures.encoded(Image.new("RGB", (160, 120), "magenta"), "JPEG")
    own = {"exif": pictures.exif(orientation)} if kind == "RAF" else {}
    jpeg = pictures.encoded(turned, "JPEG", quality=95, subsampling=0, **own)
    return raw(kind, jpeg, orientation=orientation, sensor=(480, 320), thumbnail=thumbnail, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
@pytest.mark.parametrize("kind", RAW_KINDS)
def test_the_picture_inside_a_raw_file_is_read_upright(kind: str, orientation: int) -> None:
    result = read(a_raw(kind, orientation))

    assert (result.format, result.width, result.height) == ("RAW", 480, 320)
    assert difference(result.picture, pictures.corners((480, 320))) < 8


def test_a_raw_file_with_two_orientation_tags_is_turned_once() -> None:
    jpeg = pictures.photo("JPEG", 6, pictures.turned(pictures.corners((480, 320)), 6))

    assert read(raw("NEF", jpeg, orientation=6)).picture.size == (480, 320)


@pytest.mark.parametrize("kind", RAW_KINDS)
def test_a_raw_file_with_only_a_thumbnail_is_refused_with_the_reason(kind: str) -> None:
    thumbnail = pictures.encoded(pictures.corners((160, 120)), "JPEG")

    error = refusal(raw(kind, thumbnail, sensor=(6000, 4000)))
    assert error.code is Reason.NO_FULL_SIZE
    assert "contains no full-size picture" in str(error)


@pytest.mark.parametrize("kind", RAW_KINDS)
def test_a_preview_of_a_thousand_pixels_is_accepted(kind: str) -> None:
    preview = pictures.encoded(pictures.corners((1_000, 600)), "JPEG")

    assert read(raw(kind, preview, sensor=(6000, 4000))).width == 1_000


def test_sensor_data_is_not_read_as_the_picture() -> None:
    # A strip of lossless JPEG, in which CR2 stores the mosaic, and one of JPEG that is declared as a mosaic.
    jpeg = pictures.encoded(pictures.corners((400, 300)), "JPEG")
    page = {256: 400, 257: 300, 259: 7, 262: 32803, 273: 0, 279: len(jpeg)}
    mosaic = tiff(page | {273: len(tiff(page))}) + jpeg

    assert refusal(mosaic).code is Reason.NO_FULL_SIZE
    assert refusal(raw("CR2", jpeg.replace(b"\xff\xc0", b"\xff\xc3"), sensor=(400, 300))).code is Reason.NO_FULL_SIZE


def test_circular_directories_of_a_raw_file_are_no_endless_loop() -> None:
    page = {0x14A: [8, 8, 8], 0x8769: 8, 0xC612: 1}
    data = bytearray(tiff(page))
    following = 8 + 2 + 12 * len(page)
    data[following : following + 4] = struct.pack("<I", 8)

    assert refusal(bytes(data)).code is Reason.NO_FULL_SIZE


@pytest.mark.parametrize("kind", RAW_KINDS)
def test_a_truncated_raw_file_is_reported_as_truncated(kind: str) -> None:
    whole = a_raw(kind)

    assert refusal(whole[: len(whole) // 2]).code is Reason.TRUNCATED


@pytest.mark.parametrize("kind", RAW_KINDS)
def test_the_download_of_a_raw_file_is_its_jpeg_without_metadata(kind: str) -> None:
    jpeg = pictures.photo("JPEG", 6 if kind == "RAF" else 1, pictures.turned(pictures.corners((480, 320)), 6))
    whole = raw(kind, jpeg, orientation=6, sensor=(480, 320))
    copy = scrubbed(whole, "RAW", max_pixels=LIMIT)

    assert any(secret in whole for secret in pictures.SECRETS)
    assert not any(secret in copy.data for secret in pictures.SECRETS)
    assert (copy.mime, copy.extension) == ("image/jpeg", ".jpg")
    assert read(copy.data).picture.tobytes() == read(whole).picture.tobytes()


def test_any_damage_of_a_raw_file_raises_one_exception_only() -> None:
    files = [a_raw(kind) for kind in RAW_KINDS]
    heads = min(len(data) for data in files)

    @FUZZ
    @given(st.sampled_from(files), mutations(heads))
    def check(data: bytes, changes: list[tuple[int, bytes, int]]) -> None:
        try:
            result = read(mutated(data, changes))
        except UnreadableImage:
            return
        assert result.width * result.height <= LIMIT

    check()


# All formats


def test_extensions_are_unique_and_in_lower_case() -> None:
    assert len(EXTENSIONS) == len(set(EXTENSIONS))
    assert all(extension == extension.lower() and extension.startswith(".") for extension in EXTENSIONS)
    assert {".tif", ".bmp", ".jp2", ".dng", ".nef", ".cr2", ".cr3", ".arw", ".raf", ".orf", ".rw2"} < set(EXTENSIONS)


@pytest.mark.parametrize("format", ["TIFF", "BMP"])
def test_the_download_of_a_lossless_format_is_lossless(format: str) -> None:
    photo = pictures.photo(format, 6)
    copy = scrubbed(photo, format, max_pixels=LIMIT)

    assert copy.mime == "image/png"
    assert read(copy.data).picture.tobytes() == read(photo).picture.tobytes()


def test_decoders_print_nothing_about_damaged_files(capfd: pytest.CaptureFixture[str]) -> None:
    fax = bytearray(pictures.encoded(pictures.corners((400, 300)).convert("1"), "TIFF", compression="group4"))
    for place in range(20, len(fax) // 2, 9):
        fax[place] ^= 0x55
    for data in (bytes(fax), pictures.encoded(pictures.corners(), "TIFF", compression="tiff_lzw")[:-40]):
        with suppress(UnreadableImage):
            read_picture(data, max_pixels=LIMIT)

    assert capfd.readouterr().err == ""
