"""Metadata of files written by exiftool, compared field by field with what exiftool reads: writers by formats."""

import json
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from search.imaging import recognised
from search.metadata import PhotoMetadata, read_file
from tests.pictures import encoded, gradient

EXIFTOOL = shutil.which("exiftool")
pytestmark = pytest.mark.skipif(not EXIFTOOL, reason="exiftool is not installed (Debian: libimage-exiftool-perl)")

FORMATS = {"jpg": "JPEG", "png": "PNG", "tif": "TIFF", "heic": "HEIF", "avif": "AVIF", "jp2": "JP2", "gif": "GIF"}
_WITH_IPTC, _WITHOUT_EXIF = {"jpg", "tif"}, {"gif"}
WRITERS = {
    "a camera's": """
        EXIF:Make=NIKON CORPORATION|EXIF:Model=NIKON Z 6_2|ExifIFD:LensModel=NIKKOR Z 24-120mm f/4 S
        EXIF:FocalLength=120|EXIF:FNumber=4|EXIF:ExposureTime=1/8000|EXIF:ISO=64
        EXIF:DateTimeOriginal=2022:12:31 23:59:59|EXIF:SubSecTimeOriginal=07
        EXIF:OffsetTimeOriginal=+13:00|EXIF:Artist=Ada|EXIF:Copyright=CC0
        EXIF:UserComment=On the way|EXIF:Rating=3|EXIF:GPSLatitude=36.8485|EXIF:GPSLatitudeRef=S
        EXIF:GPSLongitude=174.7633|EXIF:GPSLongitudeRef=E""",
    "a phone's": """
        EXIF:Make=Apple|EXIF:Model=iPhone 15 Pro|EXIF:FNumber=1.78|EXIF:ExposureTime=1/121
        EXIF:ISO=65535|EXIF:ISOSpeed=102400|EXIF:DateTimeOriginal=2024:01:15 18:20:30
        EXIF:OffsetTimeOriginal=-05:00|EXIF:GPSLatitude=37.5665|EXIF:GPSLatitudeRef=N
        EXIF:GPSLongitude=126.978|EXIF:GPSLongitudeRef=W|XMP-dc:Title=Seoul|XMP-dc:Subject=서울
        XMP-dc:Subject=겨울""",
    "Windows'": """
        EXIF:XPTitle=제목|EXIF:XPComment=주석|EXIF:XPAuthor=누구|EXIF:XPKeywords=가족;여행
        EXIF:RatingPercent=50|EXIF:ModifyDate=2019:01:02 03:04:05""",
    "Lightroom's": """
        XMP-dc:Title=Hafenfest|XMP-dc:Title-ko=항구 축제|XMP-dc:Description=Boats|XMP-dc:Subject=hafen
        XMP-dc:Subject=Boot|XMP-lr:HierarchicalSubject=Orte/Hamburg|XMP-dc:Creator=A
        XMP-dc:Creator=B|XMP-dc:Rights=CC BY 4.0|XMP-xmp:Rating=5
        XMP-exif:DateTimeOriginal=2014:07:03 14:22:10.5+09:00|XMP-tiff:Make=Leica|XMP-tiff:Model=M11
        XMP-exif:FNumber=1.4|XMP-exif:ExposureTime=1/60|XMP-exif:ISO=200|XMP-exif:FocalLength=50
        XMP-exif:GPSLatitude=-12.5|XMP-exif:GPSLongitude=-77.25|XMP-aux:Lens=Summilux 50""",
    "digiKam's": """
        XMP-digiKam:TagsList=Familie|XMP-tiff:ImageDescription=Desc|XMP-microsoft:RatingPercent=75
        XMP-photoshop:DateCreated=2011:01:02 03:04:05
        XMP-cc:License=https://creativecommons.org/licenses/by/4.0/""",
    "a newspaper's": """
        IPTC:CodedCharacterSet=UTF8|IPTC:ObjectName=한글 제목|IPTC:Caption-Abstract=Straße
        IPTC:Keywords=가|IPTC:Keywords=나|IPTC:By-line=Ä|IPTC:CopyrightNotice=© K
        IPTC:DateCreated=2014:07:03|IPTC:TimeCreated=14:22:10+09:00""",
}
_TAGS = {
    "title": ["XMP-dc:Title", "IPTC:ObjectName", "IFD0:XPTitle"],
    "description": [
        *("XMP-dc:Description", "XMP-tiff:ImageDescription", "IPTC:Caption-Abstract", "IFD0:ImageDescription"),
        *("IFD0:XPComment", "ExifIFD:UserComment"),
    ],
    "keywords": ["XMP-dc:Subject", "XMP-digiKam:TagsList", "IPTC:Keywords", "IFD0:XPKeywords"],
    "author": ["XMP-dc:Creator", "IPTC:By-line", "IFD0:Artist", "IFD0:XPAuthor"],
    "licence": ["XMP-dc:Rights", "XMP-cc:License", "IPTC:CopyrightNotice", "IFD0:Copyright"],
    "lens": ["ExifIFD:LensModel", "XMP-aux:Lens"],
    "focal_length": ["ExifIFD:FocalLength", "XMP-exif:FocalLength"],
    "aperture": ["ExifIFD:FNumber", "XMP-exif:FNumber"],
    "exposure": ["ExifIFD:ExposureTime", "XMP-exif:ExposureTime"],
    "iso": ["ExifIFD:ISOSpeed", "ExifIFD:ISO", "XMP-exif:ISO"],
    "latitude": ["Composite:GPSLatitude", "XMP-exif:GPSLatitude"],
    "longitude": ["Composite:GPSLongitude", "XMP-exif:GPSLongitude"],
}
_STARS = {"XMP-xmp:Rating": None, "IFD0:Rating": None, "XMP-microsoft:RatingPercent": 25, "IFD0:RatingPercent": 25}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file for each writer and format that exiftool can write."""
    folder = tmp_path_factory.mktemp("written")
    commands: list[str] = []
    for number, tags in enumerate(WRITERS.values()):
        for suffix, name in FORMATS.items():
            if ("IPTC" in tags and suffix not in _WITH_IPTC) or ("EXIF:" in tags and suffix in _WITHOUT_EXIF):
                continue
            path = folder / f"{number}.{suffix}"
            path.write_bytes(encoded(gradient(), name))
            each = [f"-{tag}" for line in tags.strip().splitlines() for tag in line.strip().split("|")]
            commands += ["-q", "-m", "-overwrite_original", *each, str(path), "-execute"]
    arguments = folder / "arguments.txt"
    arguments.write_text("\n".join(commands), encoding="utf-8")
    subprocess.run([str(EXIFTOOL), "-@", str(arguments)], check=True, capture_output=True)
    arguments.unlink()
    return folder


@pytest.fixture(scope="module")
def read_by_exiftool(written: Path) -> dict[str, Mapping[str, Any]]:
    told = subprocess.run(
        [str(EXIFTOOL), "-json", "-n", "-G1", "-a", str(written)], check=True, capture_output=True
    ).stdout
    return {Path(row["SourceFile"]).name: row for row in json.loads(told)}


@pytest.mark.parametrize("writer", WRITERS)
def test_all_fields_are_read_as_exiftool_reads_them(
    writer: str, written: Path, read_by_exiftool: Mapping[str, Mapping[str, Any]]
):
    files = sorted(written.glob(f"{list(WRITERS).index(writer)}.*"))
    assert len(files) >= (2 if writer == "a newspaper's" else 6)
    for path in files:
        data = path.read_bytes()
        said, row = read_file(data, recognised(data)).said, read_by_exiftool[path.name]
        for field, tags in _TAGS.items():
            assert _is_same(getattr(said, field), _first(row, tags)), (path.name, field, getattr(said, field))
        assert said.rating == _rating(row), path.name
        assert said.camera == _camera(row), path.name
        assert _moment(said) == _moment_in(row), path.name


def _first(row: Mapping[str, Any], tags: list[str]) -> Any:
    return next((row[tag] for tag in tags if row.get(tag) not in (None, "")), None)


def _is_same(ours: Any, theirs: Any) -> bool:
    if isinstance(ours, tuple):
        return list(ours) == (theirs.split(";") if isinstance(theirs, str) else [str(one) for one in theirs or []])
    if isinstance(ours, (int, float)):
        return ours == pytest.approx(float(theirs), rel=1e-4)
    return (ours or "") == (", ".join(theirs) if isinstance(theirs, list) else str(theirs or ""))


def _rating(row: Mapping[str, Any]) -> int | None:
    stars = (
        (row[tag] if percent is None else 1 + round(row[tag] / percent))
        for tag, percent in _STARS.items()
        if row.get(tag)
    )
    return next((one for one in stars if 1 <= one <= 5), None)


def _camera(row: Mapping[str, Any]) -> str:
    make, model = (str(_first(row, [f"IFD0:{name}", f"XMP-tiff:{name}"]) or "") for name in ("Make", "Model"))
    return model if not make or model.startswith(make.split()[0]) else f"{make} {model}"


def _moment(said: PhotoMetadata) -> tuple[str, int | None] | None:
    return (f"{said.taken:%Y:%m:%d %H:%M:%S.%f}", said.offset) if said.taken else None


def _moment_in(row: Mapping[str, Any]) -> tuple[str, int | None] | None:
    if "IPTC:DateCreated" in row:
        text = f"{row['IPTC:DateCreated']} {row['IPTC:TimeCreated']}"
    else:
        names = [
            "ExifIFD:DateTimeOriginal",
            "IFD0:ModifyDate",
            "XMP-exif:DateTimeOriginal",
            "XMP-photoshop:DateCreated",
        ]
        text = _first(row, names) or ""
    match = re.fullmatch(r"(\d{4}:\d\d:\d\d \d\d:\d\d:\d\d)(?:\.(\d+))?([+-]\d\d:\d\d)?", text)
    if not match:
        return None
    fraction = match[2] or str(row.get("ExifIFD:SubSecTimeOriginal", "0"))
    zone = match[3] or row.get("ExifIFD:OffsetTimeOriginal")
    ahead = zone and int(f"{zone[0]}1") * (60 * int(zone[1:3]) + int(zone[4:]))
    return f"{match[1]}.{fraction:0<6}", ahead
