"""What was written of pictures, on its way into the database: never over what a person has changed."""

import datetime as dt
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from types import MappingProxyType

from django.db import connection

from search.ingestion.items import Details
from search.ingestion.metadata import clean_tags, details_of
from search.metadata import READER, PhotoMetadata, TakenFrom, from_name, from_takeout, merged
from search.metadata.dates import of_timestamp
from search.metadata.sidecars import is_takeout, json_object
from search.models.image import Image
from search.models.texts import LineField
from search.texts import composed, normalised_text

CAPTIONS = ("title", "description", "author", "licence", "source_link")
"""Columns of an image in which people say something of it; its tags besides."""


def as_kept(name: str, text: str) -> str:
    """Return a caption as its column keeps it, which updates don't see to."""
    is_line = isinstance(Image._meta.get_field(name), LineField)
    return normalised_text(text) if is_line else composed(text)


@dataclass(frozen=True, slots=True)
class Written:
    """What comes with the bytes of a picture: the name of its file, when that was changed (in seconds since 1970), its
    sidecars by suffix, and whether what they and the file say in words is wanted."""

    name: str = ""
    changed: float | None = None
    sidecars: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    captions: bool = True


@dataclass(frozen=True, slots=True)
class OfFile:
    """By what a file is known again that has changed: hashes of its pixels, and of what lies beside it."""

    pixels: uuid.UUID | None = None
    sidecars: uuid.UUID | None = None


def hash_of(sidecars: Mapping[str, bytes]) -> uuid.UUID:
    """Return what is another one once any of a picture's sidecars has changed."""
    found = blake2b(digest_size=16)
    for suffix, data in sorted(sidecars.items()):
        found.update(f"{suffix} {len(data)} ".encode() + data)
    return uuid.UUID(bytes=found.digest())


UPLOADED = Written(captions=False)
"""Of an upload no more is taken unasked than the camera's own figures; the name of its file is not kept either."""


def of_sidecars(sidecars: Mapping[str, bytes]) -> PhotoMetadata:
    """Return what a picture's `.json` and `.txt` say: those of Google's export, and those of webdatasets."""
    row = json_object(sidecars.get("json", b""))
    text = utf_8(sidecars.get("txt", b""))
    if is_takeout(row):
        return merged(from_takeout(row), PhotoMetadata.of(description=text))
    details = webdataset_details(row, text)[0]
    words = {name: getattr(details, name) for name in CAPTIONS}
    return PhotoMetadata.of(keywords=list(details.tags), **words)


def utf_8(data: bytes) -> str:
    """Return a caption; "" for what is no UTF-8, and most likely no caption either."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return ""


def webdataset_details(row: Mapping[str, object], text: str) -> tuple[Details, list[str]]:
    """Return what a webdataset says of a picture, as it can be kept, and what had to be cut or left out."""
    link = str(row.get("source_link") or row.get("url") or "")
    return details_of(
        {
            **row,
            "description": text.strip() or row.get("caption") or row.get("description"),
            "licence": row.get("licence") or row.get("license"),
            "tags": row.get("tags") or row.get("keywords"),
            "source_link": link if link.startswith(("http://", "https://")) else "",
        }
    )


def all_said(written: Written, of_sidecar: PhotoMetadata, of_file: PhotoMetadata) -> PhotoMetadata:
    """Return what is known of a picture, given what the decoder has read in an XMP sidecar and in the file."""
    sources = [of_sidecars(written.sidecars), of_sidecar, of_file, from_name(written.name)]
    if written.changed is not None and (moment := of_timestamp(written.changed)):
        sources.append(PhotoMetadata(taken=moment.wall, offset=moment.offset, taken_from=TakenFrom.FILE))
    return merged(*sources)


def captioned(details: Details, said: PhotoMetadata) -> Details:
    """Return the details of a table or a form, and where they say nothing, what was written of the picture."""
    values = {name: getattr(details, name) or getattr(said, name) for name in CAPTIONS}
    return Details(tags=details.tags or clean_tags(list(said.keywords)), **values)


_COLUMNS = {
    "taken": "timestamp",
    "taken_offset": "smallint",
    "taken_from": "text",
    "camera": "text",
    "lens": "text",
    "focal_length": "double precision",
    "aperture": "double precision",
    "exposure": "double precision",
    "iso": "integer",
    "rating": "smallint",
    "latitude": "double precision",
    "longitude": "double precision",
}
_GUARDS = {"taken_offset": "taken", "taken_from": "taken", "longitude": "latitude"}
"""Columns that a person changes together with another one."""
_WRITE = """
INSERT INTO search_capture (image_id, reader, pixels, sidecars, {names})
SELECT given.* FROM unnest(%s::uuid[], %s::smallint[], %s::uuid[], %s::uuid[], {arrays})
AS given (image_id, reader, pixels, sidecars, {names})
JOIN search_image image ON image.id = given.image_id ORDER BY given.image_id
ON CONFLICT (image_id) DO UPDATE SET reader = EXCLUDED.reader,
    pixels = coalesce(EXCLUDED.pixels, search_capture.pixels),
    sidecars = coalesce(EXCLUDED.sidecars, search_capture.sidecars), {changes}
WHERE search_capture.reader < EXCLUDED.reader
""".format(
    names=", ".join(_COLUMNS),
    arrays=", ".join(f"%s::{kind}[]" for kind in _COLUMNS.values()),
    changes=", ".join(
        f"{name} = CASE WHEN '{_GUARDS.get(name, name)}' = ANY(search_capture.edited)"
        f" THEN search_capture.{name} ELSE EXCLUDED.{name} END"
        for name in _COLUMNS
    ),
)


def write_captures(
    said: Mapping[uuid.UUID, PhotoMetadata], of_files: "Mapping[uuid.UUID, OfFile]" = MappingProxyType({})
) -> None:
    """Write what was said of these images, those that are there, in the order of their ids, and by what their files
    are known again, where somebody has looked. In a transaction.

    What a newer reader has read stays, and what a person has changed.
    """
    if not said:
        return
    ids = sorted(said)
    known = [of_files.get(one, OfFile()) for one in ids]
    columns = [[_value(said[one], name) for one in ids] for name in _COLUMNS]
    hashes = [one.pixels for one in known], [one.sidecars for one in known]
    with connection.cursor() as cursor:
        cursor.execute(_WRITE, [ids, [READER] * len(ids), *hashes, *columns])


def _value(said: PhotoMetadata, name: str) -> object:
    value: object = said.offset if name == "taken_offset" else getattr(said, name)
    return value.replace(tzinfo=None) if isinstance(value, dt.datetime) else value


def note_edits(image_ids: Iterable[uuid.UUID], fields: Iterable[str]) -> None:
    """Remember that a person has changed these fields of images, or of their captures. In the same transaction."""
    names = sorted(fields)
    if not names:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO search_capture (image_id, edited)"
            " SELECT id, %s::varchar[] FROM unnest(%s::uuid[]) AS given (id) ORDER BY id"
            " ON CONFLICT (image_id) DO UPDATE SET edited ="
            " ARRAY(SELECT DISTINCT unnest(search_capture.edited || EXCLUDED.edited) ORDER BY 1)"
            " WHERE NOT search_capture.edited @> EXCLUDED.edited",
            [names, sorted(image_ids)],
        )


def captioned_image(image: Image, said: PhotoMetadata, edited: Iterable[str]) -> list[str]:
    """Fill in what is empty of an image, and no person has emptied; return the names of what has changed."""
    untouched = {"tags", *CAPTIONS}.difference(edited)
    values = {name: getattr(said, name) for name in CAPTIONS} | {"tags": clean_tags(list(said.keywords))}
    changed = [name for name in sorted(untouched) if values[name] and not getattr(image, name)]
    for name in changed:
        setattr(image, name, values[name])
    return changed
