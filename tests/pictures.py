"""Test files made in memory: every format, every orientation and the malicious ones."""

import struct
import zlib
from io import BytesIO
from typing import Any

from PIL import Image, ImageCms

from tests.raw_files import raw

#: Bytes that reveal where or by whom a picture was taken; no published file may contain them.
SECRETS = (b"SECRET-CAMERA", b"SECRET-COMMENT", b"SECRET-XMP", b"SECRET-TAIL", b"SECRET-TEXT")
CAMERA, COMMENT, XMP, TAIL, TEXT = SECRETS
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "AVIF", "HEIF", "TIFF", "BMP", "JP2", "RAW")
_XMP_PACKET = b'<x:xmpmeta xmlns:x="adobe:ns:meta/">' + XMP + b"</x:xmpmeta>"


def corners(size: tuple[int, int] = (48, 32)) -> Image.Image:
    """A picture whose four corners are red, green, blue and white, so that its rotation can be checked."""
    picture = Image.new("RGB", size, "grey")
    width, height = size[0] // 3, size[1] // 3
    for colour, (left, top) in {
        "red": (0, 0),
        "lime": (size[0] - width, 0),
        "blue": (0, size[1] - height),
        "white": (size[0] - width, size[1] - height),
    }.items():
        picture.paste(colour, (left, top, left + width, top + height))
    return picture


def gradient(size: tuple[int, int] = (64, 48)) -> Image.Image:
    """A smooth colour gradient, which lossy formats keep well."""
    flip = Image.Transpose
    bands = [
        Image.linear_gradient("L").resize(size).transpose(turn)
        for turn in (flip.FLIP_LEFT_RIGHT, flip.FLIP_TOP_BOTTOM)
    ]
    return Image.merge("RGB", (*bands, Image.new("L", size, 90)))


def encoded(picture: Image.Image, format: str, **options: Any) -> bytes:
    """`picture` as a file; as RAW, a DNG around a JPEG."""
    if format == "RAW":
        return raw("DNG", encoded(picture, "JPEG", **options), sensor=picture.size)
    if format == "HEIF":
        from pillow_heif import register_heif_opener

        register_heif_opener()  # for saving only; the code under test does without it
    output = BytesIO()
    picture.save(output, "JPEG2000" if format == "JP2" else format, **options)
    return output.getvalue()


def exif(orientation: int = 1, *, gps: bool = True) -> bytes:
    """An EXIF block of a camera, with a maker, a place and a secret."""
    block = Image.Exif()
    block[0x0112] = orientation
    block[0x010F] = CAMERA.decode()
    block[0x02BC] = _XMP_PACKET
    if gps:
        block.get_ifd(0x8825).update({1: "N", 2: (37.0, 34.0, 0.0), 3: "E", 4: (126.0, 58.0, 0.0)})
    return block.tobytes()


def photo(format: str = "JPEG", orientation: int = 1, picture: Image.Image | None = None) -> bytes:
    """A photo as it comes from a phone: EXIF with GPS, XMP and an orientation, in `format`.

    GIF, BMP and JPEG 2000 have no EXIF: their secret is in a comment, or after the end of the picture.
    """
    picture = picture or corners()
    if format == "GIF":
        return encoded(picture, "GIF", comment=COMMENT)
    if format == "BMP":
        return encoded(picture, "BMP") + TAIL
    if format == "JP2":
        return encoded(picture, "JP2", comment=COMMENT)
    if format == "RAW":
        jpeg = photo("JPEG", picture=picture)  # the orientation is in the directory of the container
        return raw("DNG", jpeg, orientation=orientation, sensor=picture.size)
    options: dict[str, Any] = {"exif": exif(orientation)}
    if format == "JPEG":
        options |= {"xmp": _XMP_PACKET, "comment": COMMENT, "quality": 95, "subsampling": 0}
    if format == "WEBP":
        options |= {"xmp": _XMP_PACKET, "lossless": True}
    if format in ("AVIF", "HEIF"):
        options |= {"quality": 95}
    if format == "AVIF":
        options |= {"xmp": _XMP_PACKET}
    return encoded(picture, format, **options)


def png(header: bytes, *chunks: tuple[bytes, bytes], tail: bytes = b"") -> bytes:
    """A hand-made PNG: the 13 bytes of IHDR, then `chunks`, IEND, and `tail`."""
    parts = [(b"IHDR", header), *chunks, (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*part) for part in parts) + tail


def png_chunk(kind: bytes, payload: bytes) -> bytes:
    return struct.pack(">I4s", len(payload), kind) + payload + struct.pack(">I", zlib.crc32(kind + payload))


def png_header(width: int, height: int, bits: int = 8, colour: int = 0) -> bytes:
    """IHDR. Colour is 0 for grey, 2 for RGB, 3 for a palette, 4 and 6 for grey and RGB with transparency."""
    return struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)


def pixel_bomb(width: int = 20_000, height: int = 20_000) -> bytes:
    """A PNG of a few kilobytes that declares `width` x `height` pixels; it contains 20,000 x 1,000."""
    rows = zlib.compress(bytes(2_500_000), 9)
    return png(png_header(width, height, bits=1), (b"IDAT", rows))


def grey16(samples: list[int], transparent: int | None = None) -> bytes:
    """A PNG of one row with 16 bits per sample."""
    key = () if transparent is None else ((b"tRNS", struct.pack(">H", transparent)),)
    row = b"\0" + struct.pack(f">{len(samples)}H", *samples)
    return png(png_header(len(samples), 1, bits=16), *key, (b"IDAT", zlib.compress(row)))


def animation(format: str, frames: int = 3, **options: Any) -> bytes:
    """An animation that shows red, lime, blue ... for 100 ms each, in an endless loop."""
    colours = ("red", "lime", "blue", "yellow")
    first, *rest = (Image.new("RGB", (24, 16), colours[number % 4]) for number in range(frames))
    return encoded(first, format, save_all=True, append_images=rest, duration=100, loop=0, **options)


def mpo() -> bytes:
    """Two JPEG pictures in one file, as 3-D cameras and phones with depth write them."""
    return encoded(corners(), "MPO", save_all=True, append_images=[Image.new("RGB", (48, 32), "black")])


def swapped_profile() -> bytes:
    """A valid RGB profile with the red and blue primaries exchanged, which visibly changes the colours."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    for start in range(132, 132 + 12 * struct.unpack_from(">I", profile, 128)[0], 12):
        other = {b"rXYZ": b"bXYZ", b"bXYZ": b"rXYZ"}.get(bytes(profile[start : start + 4]))
        if other:
            profile[start : start + 4] = other
    return bytes(profile).replace(b"s\0R\0G\0B", b"x\0R\0G\0B").replace(b"sRGB", b"xRGB")


def turned(picture: Image.Image, orientation: int) -> Image.Image:
    """`picture` as stored by a camera held such that `orientation` makes it upright again."""
    change = Image.Transpose
    methods = {
        2: change.FLIP_LEFT_RIGHT,
        3: change.ROTATE_180,
        4: change.FLIP_TOP_BOTTOM,
        5: change.TRANSPOSE,
        6: change.ROTATE_90,
        7: change.TRANSVERSE,
        8: change.ROTATE_270,
    }
    return picture.transpose(methods[orientation]) if orientation in methods else picture
