"""Metadata as programs write it, made in memory: EXIF, XMP, IPTC, sidecars of Google."""

import datetime as dt
import json
from io import BytesIO
from typing import Any

from PIL import Image as PILImage

from tests.pictures import encoded, gradient

WITH_EXIF = ("JPEG", "PNG", "WEBP", "AVIF", "HEIF", "TIFF")


def wall(*parts: int) -> dt.datetime:
    """A local time without a zone."""
    return dt.datetime(*parts)  # type: ignore[arg-type]  # noqa: DTZ001


def exif_block(
    *,
    taken: str = "",
    offset: str = "",
    fraction: str = "",
    place: tuple[float, float] | None = None,
    **tags: Any,
) -> bytes:
    """An EXIF block; `tags` are named by number: `t271` in the main directory, `e33437` in the EXIF directory."""
    block = PILImage.Exif()
    inner = block.get_ifd(0x8769)
    for tag, value in ((0x9003, taken), (0x9011, offset), (0x9291, fraction)):
        if value:
            inner[tag] = value
    for name, value in tags.items():
        (block if name[0] == "t" else inner)[int(name[1:])] = value
    if place:
        north, east = place
        block.get_ifd(0x8825).update(
            {1: "N" if north >= 0 else "S", 2: _degrees(north), 3: "E" if east >= 0 else "W", 4: _degrees(east)}
        )
    return block.tobytes()


def _degrees(value: float) -> tuple[float, float, float]:
    minutes = abs(value) % 1 * 60
    return float(int(abs(value))), float(int(minutes)), round(minutes % 1 * 60, 4)


def xmp_packet(**parts: str) -> bytes:
    """A packet as written by Lightroom: `attributes` of the description, and the `elements` in it."""
    spaces = {
        "dc": "http://purl.org/dc/elements/1.1/",
        "xmp": "http://ns.adobe.com/xap/1.0/",
        "exif": "http://ns.adobe.com/exif/1.0/",
        "tiff": "http://ns.adobe.com/tiff/1.0/",
        "photoshop": "http://ns.adobe.com/photoshop/1.0/",
        "lr": "http://ns.adobe.com/lightroom/1.0/",
        "digiKam": "http://www.digikam.org/ns/1.0/",
        "xmpRights": "http://ns.adobe.com/xap/1.0/rights/",
        "xmpNote": "http://ns.adobe.com/xmp/note/",
        "cc": "http://creativecommons.org/ns#",
        "windows": "http://ns.microsoft.com/photo/1.0",
    }
    names = " ".join(f'xmlns:{name}="{space}"' for name, space in spaces.items())
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<rdf:Description rdf:about="" {names} {parts.get("attributes", "")}>{parts.get("elements", "")}'
        '</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
    ).encode()


def alternatives(name: str, text: str) -> str:
    return f'<{name}><rdf:Alt><rdf:li xml:lang="x-default">{text}</rdf:li></rdf:Alt></{name}>'


def listed(name: str, *texts: str) -> str:
    return f"<{name}><rdf:Bag>{''.join(f'<rdf:li>{text}</rdf:li>' for text in texts)}</rdf:Bag></{name}>"


def iptc_block(*values: tuple[int, bytes]) -> bytes:
    return b"".join(b"\x1c\x02" + bytes([number]) + len(value).to_bytes(2, "big") + value for number, value in values)


def jpeg_with(*segments: tuple[int, bytes]) -> bytes:
    """A JPEG with these segments, each the second byte of its marker and its content."""
    plain = encoded(gradient(), "JPEG")
    parts = (bytes([0xFF, marker]) + (len(content) + 2).to_bytes(2, "big") + content for marker, content in segments)
    return plain[:2] + b"".join(parts) + plain[2:]


def jpeg_with_iptc(block: bytes) -> bytes:
    resource = b"8BIM\x04\x04\0\0" + len(block).to_bytes(4, "big") + block + b"\0" * (len(block) % 2)
    return jpeg_with((0xED, b"Photoshop 3.0\0" + resource))


def a_photo(format: str = "JPEG", *, colour: str = "", exif: bytes = b"", xmp: bytes = b"") -> bytes:
    picture = PILImage.new("RGB", (64, 48), colour) if colour else gradient()
    options: dict[str, Any] = {**({"exif": exif} if exif else {}), **({"xmp": xmp} if xmp else {})}
    if format == "PNG" and xmp:
        return _png_with_xmp(picture, options)
    if format == "TIFF" and exif:
        block = PILImage.Exif()
        block.load(exif)
        options["exif"] = block
    if format == "TIFF" and xmp:
        options["tiffinfo"] = {700: options.pop("xmp")}
    return encoded(picture, format, **options)


def _png_with_xmp(picture: PILImage.Image, options: dict[str, Any]) -> bytes:
    from PIL.PngImagePlugin import PngInfo

    texts = PngInfo()
    texts.add_itxt("XML:com.adobe.xmp", options.pop("xmp").decode())
    output = BytesIO()
    picture.save(output, "PNG", pnginfo=texts, **options)
    return output.getvalue()


def takeout(timestamp: int | None = 1258375918, **said: Any) -> bytes:
    time = {} if timestamp is None else {"photoTakenTime": {"timestamp": str(timestamp)}}
    return json.dumps({"title": "IMG_3397.JPG", "url": "https://photos.google.com/secret", **time, **said}).encode()
