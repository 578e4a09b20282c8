"""XMP packets, embedded in a picture's file or in a sidecar."""

import re
from xml.etree.ElementTree import Element, ParseError
from xml.etree.ElementTree import fromstring as fromstring_without_dtd

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from search.metadata.dates import dated, parsed, with_offset
from search.metadata.exif import STALE, named, power
from search.metadata.exif import stars as of_percent
from search.metadata.photo_metadata import PhotoMetadata, TakenFrom, number
from search.text.untrusted import is_blank

LONGEST_XMP = 1_000_000
"""Maximum bytes. Longer packets contain masks and brush strokes, and the parsed tree takes thirty times as much."""

_RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
_LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"
_LISTS = (f"{_RDF}Bag", f"{_RDF}Seq", f"{_RDF}Alt")
_MOST = 2_000
# Qualified names: two namespaces have fields of the same name.
_DC, _XMP = "{http://purl.org/dc/elements/1.1/}", "{http://ns.adobe.com/xap/1.0/}"
_EXIF, _EXIF_EX = "{http://ns.adobe.com/exif/1.0/}", "{http://cipa.jp/exif/1.0/}"
_TIFF, _AUX = "{http://ns.adobe.com/tiff/1.0/}", "{http://ns.adobe.com/exif/1.0/aux/}"
_PHOTOSHOP, _LIGHTROOM = "{http://ns.adobe.com/photoshop/1.0/}", "{http://ns.adobe.com/lightroom/1.0/}"
_RIGHTS, _CC = "{http://ns.adobe.com/xap/1.0/rights/}", "{http://creativecommons.org/ns#}"
_DIGIKAM = "{http://www.digikam.org/ns/1.0/}"
# Windows writes the namespace with a trailing slash, exiftool without.
_MICROSOFT = "{http://ns.microsoft.com/photo/1.0/}", "{http://ns.microsoft.com/photo/1.0}"
_HIERARCHIES = (
    (f"{_LIGHTROOM}hierarchicalSubject", "|"),
    (f"{_DIGIKAM}TagsList", "/"),
    *((f"{space}LastKeyword{kind}", "/") for kind in ("XMP", "IPTC") for space in _MICROSOFT),
)
_DATES = tuple(
    f"{space}{name}"
    for space, name in (
        (_EXIF, "DateTimeOriginal"),
        (_PHOTOSHOP, "DateCreated"),
        (_EXIF, "DateTimeDigitized"),
        (_XMP, "CreateDate"),
    )
)


def from_xmp(packet: bytes, source: TakenFrom = TakenFrom.CAMERA) -> PhotoMetadata:
    """Return the metadata in an XMP packet; `source` becomes the source of its time."""
    return _Packet(packet).said(source) if packet else PhotoMetadata()


class _Packet:
    """The properties of a packet, by qualified name: each a list of texts."""

    def __init__(self, packet: bytes) -> None:
        self._values: dict[str, list[str]] = {}
        descriptions, nodes = _descriptions(packet)
        for description in descriptions:
            for name, value in list(description.attrib.items())[:_MOST]:
                self._values.setdefault(name, [value])
            for element in description[:_MOST]:
                # F-Spot writes lists as separate nodes, referenced by id.
                values = _values(element) or _texts(nodes.get(element.get(f"{_RDF}nodeID", "")))
                if values:
                    self._values.setdefault(element.tag, values)

    def said(self, source: TakenFrom) -> PhotoMetadata:
        moment = next(
            (
                found
                for name in _DATES
                if (
                    found := parsed(
                        self._first(name),
                        offset=self._first(f"{_EXIF_EX}OffsetTimeOriginal", f"{_EXIF}OffsetTimeOriginal"),
                        fraction=self._first(f"{_EXIF}SubSecTimeOriginal", f"{_EXIF}SubsecTimeOriginal"),
                    )
                )
            ),
            None,
        )
        utc = parsed(self._first(f"{_EXIF}GPSTimeStamp", f"{_EXIF}GPSDateTime"))
        if moment and moment.offset is None and utc and utc.utc:
            moment = with_offset(moment, utc.utc, tolerance=STALE) or moment
        latitude, longitude = self._degrees("Latitude"), self._degrees("Longitude")
        return PhotoMetadata.of(
            title=self._first(f"{_DC}title", f"{_PHOTOSHOP}Headline"),
            description=self._first(f"{_DC}description", f"{_TIFF}ImageDescription", f"{_EXIF}UserComment"),
            keywords=self._keywords(),
            author=", ".join(self._values.get(f"{_DC}creator", [])[:20]) or self._first(f"{_TIFF}Artist"),
            licence=self._first(
                *(f"{_DC}rights", f"{_RIGHTS}UsageTerms", f"{_CC}license", f"{_RIGHTS}WebStatement"),
                f"{_TIFF}Copyright",
            ),
            **dated(moment, source),
            camera=named(self._first(f"{_TIFF}Make"), self._first(f"{_TIFF}Model")),
            lens=self._first(f"{_EXIF_EX}LensModel", f"{_AUX}Lens"),
            focal_length=self._number(f"{_EXIF}FocalLength"),
            aperture=self._number(f"{_EXIF}FNumber") or power(self._number(f"{_EXIF}ApertureValue"), 2**0.5),
            exposure=self._number(f"{_EXIF}ExposureTime") or power(self._number(f"{_EXIF}ShutterSpeedValue"), 0.5),
            iso=self._number(f"{_EXIF_EX}PhotographicSensitivity", f"{_EXIF}ISOSpeedRatings"),
            rating=self._rating(),
            latitude=latitude,
            longitude=longitude,
        )

    def _first(self, *names: str) -> str:
        values = (self._values[name][0] for name in names if name in self._values)
        return next((value for value in values if not is_blank(value)), "")

    def _keywords(self) -> list[str]:
        """Return the keywords; if there are no plain ones, the last parts of hierarchical ones."""
        if words := self._values.get(f"{_DC}subject"):
            return words
        for name, mark in _HIERARCHIES:
            if paths := self._values.get(name):
                return [path.split(mark)[-1] for path in paths]
        return []

    def _rating(self) -> float | None:
        found = number(self._first(f"{_XMP}Rating"))
        percent = number(self._first(*(f"{space}Rating" for space in _MICROSOFT)))
        return of_percent(percent) if found is None else found

    def _number(self, *names: str) -> float | None:
        """Return a number, which may be written as a fraction."""
        over, _, under = self._first(*names).partition("/")
        top, bottom = number(over), number(under) if under else 1.0
        return top / bottom if top is not None and bottom else None

    def _degrees(self, name: str) -> float | None:
        """Return degrees in XMP's notation, "48,51.4920N" or "48,51,29N"; some programs write a number, with a
        separate reference."""
        text = self._first(f"{_EXIF}GPS{name}").strip()
        side = self._first(f"{_EXIF}GPS{name}Ref").strip()[:1].upper()
        if (plain := number(text)) is not None:
            return -abs(plain) if side in ("S", "W") else plain
        side = text[-1:].upper()
        parts = [number(part) for part in text[:-1].split(",")[:3]]
        if side not in ("N", "S", "E", "W") or None in parts:
            return None
        found = sum((part or 0) / 60.0**power for power, part in enumerate(parts))
        return -found if side in ("S", "W") else found


def _descriptions(packet: bytes) -> tuple[list[Element], dict[str, Element]]:
    """Return the rdf:Description elements of a packet, and its separate lists by their node ids."""
    packet = _as_utf_8(packet).strip(b"\0 \r\n\t") if len(packet) <= LONGEST_XMP else b""
    root = _parsed(packet)
    if root is None and (repaired := _repaired(packet)):
        root = _parsed(repaired)
    if root is None:
        return [], {}
    bags = [root] if root.tag == f"{_RDF}RDF" else root.findall(f"{_RDF}RDF")[:8]
    nodes = {one.get(f"{_RDF}nodeID", ""): one for bag in bags for one in bag[:_MOST] if one.tag in _LISTS}
    return [found for bag in bags for found in bag.findall(f"{_RDF}Description")[:64]], nodes


def _parsed(packet: bytes) -> Element | None:
    try:
        return _root(packet)
    except (ParseError, DefusedXmlException, ValueError, LookupError):
        return None


_BEGINS = re.compile(rb"<(\w{0,20}:?(?:xmpmeta|xapmeta|RDF))[\s>]")
_NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


def _repaired(packet: bytes) -> bytes:
    """Return the content of the outermost element of a malformed packet, without characters that XML forbids."""
    match = _BEGINS.search(packet)
    end = packet.rfind(b"</" + match[1]) if match else -1
    if not match or end < 0:
        return b""
    text = _NOT_IN_XML.sub("", packet[match.start() : end].decode("utf-8", "replace"))
    return text.encode("utf-8", "replace") + b"</" + match[1] + b">"


_WIDE = (
    (b"\0\0\xfe\xff", "utf-32-be"),
    (b"\xff\xfe\0\0", "utf-32-le"),
    (b"\0\0\0<", "utf-32-be"),
    (b"<\0\0\0", "utf-32-le"),
    (b"\xfe\xff", "utf-16-be"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\0<", "utf-16-be"),
    (b"<\0", "utf-16-le"),
)
"""Byte order marks and first characters of packets in the encodings other than UTF-8 that XMP allows."""


def _as_utf_8(packet: bytes) -> bytes:
    encoding = next((encoding for start, encoding in _WIDE if packet.startswith(start)), None)
    if encoding is None:
        return packet
    text = packet.decode(encoding, "ignore").lstrip("\ufeff")
    # The encoding declaration is no longer true.
    return re.sub(r"^<\?xml[^>]*\?>", "", text).encode("utf-8", "ignore")


def _root(packet: bytes) -> Element | None:
    # Without declarations the C parser is safe, and takes a third of the time.
    if b"<!" not in packet and b"\0" not in packet and b"encoding" not in packet[:200]:
        return fromstring_without_dtd(packet)  # noqa: S314
    found: Element | None = fromstring(packet, forbid_dtd=True)
    return found


def _values(element: Element) -> list[str]:
    """Return the texts of a property: one, those of a list, or of language alternatives the default."""
    found = next((child for child in element[:1] if child.tag in _LISTS), None)
    return _texts(found) if found is not None else _text(element)


def _texts(found: Element | None) -> list[str]:
    if found is None:
        return []
    items = found.findall(f"{_RDF}li")[:_MOST]
    if found.tag == f"{_RDF}Alt":
        items = [one for one in items if one.get(_LANGUAGE) == "x-default" and _text(one)] or items
    return [text for item in items for text in _text(item)]


def _text(element: Element) -> list[str]:
    """Return the text of a property or item: its content, its resource URI, or its rdf:value where it has
    qualifiers."""
    if not len(element):
        text = element.text or element.get(f"{_RDF}resource") or element.get(f"{_RDF}value")
    else:
        inner = element[0] if element[0].tag == f"{_RDF}Description" else element
        text = inner.findtext(f"{_RDF}value") or inner.get(f"{_RDF}value") or element.text
    return [text] if text else []
