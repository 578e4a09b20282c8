"""Write metadata from files and sidecars to the database, never over people's edits."""

import datetime as dt
import json
import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from types import MappingProxyType
from zoneinfo import ZoneInfo

from django.conf import settings

from search.curation.details import Details, clean_tags, details_of
from search.curation.place_lookup import place_pictures
from search.decoding import written_in
from search.imaging import Colours, UnreadableImage
from search.metadata import READER, PhotoMetadata, TakenFrom, from_name, from_takeout, merged
from search.metadata.dates import of_timestamp
from search.metadata.photo_metadata import NOTHING
from search.metadata.sidecar_names import json_object
from search.metadata.takeout import is_takeout
from search.metadata.zones import in_zone
from search.models.image import Image
from search.models.sql_statements import execute, fetch_value
from search.models.text_fields import LineField
from search.text.normalization import composed, normalised_text

CAPTIONS = ("title", "description", "author", "licence", "source_link")
"""Columns of an image with text by people, besides its tags."""


def as_kept(name: str, text: str) -> str:
    """Return a caption normalised as its column does on save, which updates bypass."""
    is_line = isinstance(Image._meta.get_field(name), LineField)
    return normalised_text(text) if is_line else composed(text)


@dataclass(frozen=True, slots=True)
class Written:
    """What accompanies a picture's bytes: the file name, its modification time in seconds since 1970, its sidecars by
    suffix, and whether captions from these and the file are used."""

    name: str = ""
    changed: float | None = None
    sidecars: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    captions: bool = True


@dataclass(frozen=True, slots=True)
class OfFile:
    """Recognises a changed file: hashes of its pixels and its sidecars. Also its perceptual hash, None if not computed
    or for a flat picture, and its colours."""

    pixels: uuid.UUID | None = None
    sidecars: uuid.UUID | None = None
    perceptual: int | None = None
    colours: Colours | None = None


def hash_of(sidecars: Mapping[str, bytes]) -> uuid.UUID:
    """Return a hash that changes with any of a picture's sidecars."""
    found = blake2b(digest_size=16)
    for suffix, data in sorted(sidecars.items()):
        found.update(f"{suffix} {len(data)} ".encode() + data)
    return uuid.UUID(bytes=found.digest())


UPLOADED = Written(captions=False)
"""Of an upload only camera metadata is used by default, and the file name is not stored."""
UPLOADED_WITH_CAPTIONS = Written()


def of_sidecars(sidecars: Mapping[str, bytes]) -> PhotoMetadata:
    """Return the metadata in `.json` and `.txt` sidecars, from Google Takeout or webdatasets."""
    row = json_object(sidecars.get("json", b""))
    text = utf_8(sidecars.get("txt", b""))
    if is_takeout(row):
        return merged(from_takeout(row), PhotoMetadata.of(description=text))
    details = webdataset_details(row, text)[0]
    words = {name: getattr(details, name) for name in CAPTIONS}
    return PhotoMetadata.of(keywords=list(details.tags), **words)


def utf_8(data: bytes) -> str:
    """Return a decoded caption; "" if it is not UTF-8, and so probably no caption."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return ""


def webdataset_details(row: Mapping[str, object], text: str) -> tuple[Details, list[str]]:
    """Return the details in a webdataset's sidecars, and what was cut or left out."""
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


def merged_metadata(
    written: Written, of_sidecar: PhotoMetadata, of_file: PhotoMetadata, table: PhotoMetadata = NOTHING
) -> PhotoMetadata:
    """Return all metadata of a picture: from a table, sidecars, the decoder (XMP sidecar and file), and the file's
    name and date."""
    counted = [of_sidecars(written.sidecars), from_name(written.name)]
    if written.changed is not None and (moment := of_timestamp(written.changed)):
        counted.append(PhotoMetadata(taken=moment.wall, offset=moment.offset, taken_from=TakenFrom.FILE))
    shown = [of_sidecar, of_file]
    said = merged(table, counted[0], *shown, *counted[1:])
    zone = settings.PHOTO_TIME_ZONE
    return in_zone(said, ZoneInfo(zone), counted=counted, shown=shown) if zone else said


def offered_captions(beginning: bytes) -> Details:
    """Return the captions in a file, given its beginning, to offer them to the uploader; empty for anything but a
    picture.

    Raises decoding.Busy.
    """
    try:
        return captioned(Details(), written_in(beginning, of_collection=False).file)
    except UnreadableImage:
        return Details()


def captioned(details: Details, said: PhotoMetadata) -> Details:
    """Return details with empty fields filled from the metadata `said`."""
    values = {name: getattr(details, name) or getattr(said, name) for name in CAPTIONS}
    return Details(tags=details.tags or clean_tags(list(said.keywords)), **values)


def fields_stated(details: Details) -> list[str]:
    """Return the names of the fields that the details set."""
    captions = [name for name in ("tags", *CAPTIONS) if getattr(details, name)]
    columns = {
        EDITED_WITH.get(name, name) for name in _COLUMNS if getattr(details.capture, name, None) not in ("", None)
    }
    return [*captions, *sorted(columns)]


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
EDITED_WITH = {"taken_offset": "taken", "taken_from": "taken", "longitude": "latitude"}
"""Columns that are edited together with another one."""
# Metadata from a sidecar in an archive or bucket is not read again, and must not be lost.
_LESS_TRUSTED = (
    "array_position('{person,table,sidecar,camera,name,file}', EXCLUDED.taken_from::text)"
    " > array_position('{person,table,sidecar,camera,name,file}', search_capture.taken_from::text)"
)


def _kept(name: str) -> str:
    """Return the SQL condition under which a column keeps its value."""
    edited_with = EDITED_WITH.get(name, name)
    conditions = [
        f"'{edited_with}' = ANY(search_capture.edited)",
        f"'{edited_with}' = ANY(search_capture.stated) AND NOT '{edited_with}' = ANY(EXCLUDED.stated)",
        f"EXCLUDED.{edited_with} = ''" if _COLUMNS[edited_with] == "text" else f"EXCLUDED.{edited_with} IS NULL",
        *([f"coalesce({_LESS_TRUSTED}, false)"] if edited_with == "taken" else []),
    ]
    return " OR ".join(conditions)


_WRITE = """
INSERT INTO search_capture (image_id, reader, pixels, sidecars, stated, {names})
SELECT given.image_id, given.reader, given.pixels, given.sidecars, string_to_array(given.stated, ','), {given}
FROM unnest(%s::uuid[], %s::smallint[], %s::uuid[], %s::uuid[], %s::text[], {arrays})
AS given (image_id, reader, pixels, sidecars, stated, {names})
JOIN search_image image ON image.id = given.image_id ORDER BY given.image_id
ON CONFLICT (image_id) DO UPDATE SET reader = EXCLUDED.reader,
    pixels = coalesce(EXCLUDED.pixels, search_capture.pixels),
    sidecars = coalesce(EXCLUDED.sidecars, search_capture.sidecars), {changes},
    stated = CASE WHEN EXCLUDED.stated = '{{}}' THEN search_capture.stated ELSE EXCLUDED.stated END
WHERE search_capture.reader < EXCLUDED.reader
""".format(
    names=", ".join(_COLUMNS),
    given=", ".join(f"given.{name}" for name in _COLUMNS),
    arrays=", ".join(f"%s::{kind}[]" for kind in _COLUMNS.values()),
    changes=", ".join(
        f"{name} = CASE WHEN {_kept(name)} THEN search_capture.{name} ELSE EXCLUDED.{name} END" for name in _COLUMNS
    ),
)


def write_captures(
    said: Mapping[uuid.UUID, PhotoMetadata],
    of_files: "Mapping[uuid.UUID, OfFile]" = MappingProxyType({}),
    stated: Mapping[uuid.UUID, Sequence[str]] = MappingProxyType({}),
) -> None:
    """Write the metadata of these images, where they exist, in the order of their ids, and the hashes of their files.
    Call in a transaction.

    Rows that this reader version or a newer one has written stay. In others, fields that a person has edited or a
    table has stated stay, unless `stated` again. An empty value replaces nothing, nor does a date from a less trusted
    source.
    """
    if not said:
        return
    ids = sorted(said)
    known = [of_files.get(one, OfFile()) for one in ids]
    columns = [[_value(said[one], name) for one in ids] for name in _COLUMNS]
    hashes = [one.pixels for one in known], [one.sidecars for one in known]
    names = [",".join(stated.get(one, ())) for one in ids]
    execute(_WRITE, [ids, [READER] * len(ids), *hashes, names, *columns])
    place_pictures([one for one in ids if said[one].latitude is not None])


def _value(said: PhotoMetadata, name: str) -> object:
    value: object = said.offset if name == "taken_offset" else getattr(said, name)
    return value.replace(tzinfo=None) if isinstance(value, dt.datetime) else value


def write_captions(images: Collection[Image]) -> None:
    """Write the captions of these images, whose rows are locked. Call in a transaction."""
    if not images:
        return
    columns = ("title", "description", "author", "licence", "source_link", "tags")
    rows = [{"id": str(image.pk), **{name: getattr(image, name) for name in columns}} for image in images]
    execute(_CAPTION, [json.dumps(rows)])


_CAPTION = """
UPDATE search_image AS image SET title = given.title, description = given.description, author = given.author,
    licence = given.licence, source_link = given.source_link, tags = given.tags, updated = now()
FROM jsonb_to_recordset(%s::jsonb) AS given (id uuid, title text, description text, author text, licence text,
    source_link text, tags text[])
WHERE image.id = given.id
"""


def note_edits(image_ids: Iterable[uuid.UUID], fields: Iterable[str]) -> None:
    """Record that a person has edited these fields of images or their captures. Call in the same transaction."""
    names = sorted(fields)
    if not names:
        return
    execute(
        "INSERT INTO search_capture (image_id, edited)"
        " SELECT id, %s::varchar[] FROM unnest(%s::uuid[]) AS given (id) ORDER BY id"
        " ON CONFLICT (image_id) DO UPDATE SET edited ="
        " ARRAY(SELECT DISTINCT unnest(search_capture.edited || EXCLUDED.edited) ORDER BY 1)"
        " WHERE NOT search_capture.edited @> EXCLUDED.edited",
        [names, sorted(image_ids)],
    )


def read_again() -> None:
    """Mark all pictures for reading again.

    In batches of 5,000, to keep locks short for curators.
    """
    last: uuid.UUID | None = uuid.UUID(int=0)
    while last:
        last = fetch_value(_READ_AGAIN, [last, READER])


_READ_AGAIN = """
WITH following AS (SELECT image_id, reader FROM search_capture WHERE image_id > %s ORDER BY image_id LIMIT 5000),
changed AS (
    UPDATE search_capture SET reader = 0 FROM following
    WHERE search_capture.image_id = following.image_id AND following.reader >= %s
)
SELECT (SELECT image_id FROM following ORDER BY image_id DESC LIMIT 1)
"""


def captioned_image(
    image: Image, said: PhotoMetadata, edited: Iterable[str], *, is_replaced: bool = False
) -> list[str]:
    """Fill empty fields of an image that no person has edited; return the names of changed fields.

    With `is_replaced`, other unedited fields are overwritten, too, unless the new value is empty.
    """
    untouched = {"tags", *CAPTIONS}.difference(edited)
    values = {name: getattr(said, name) for name in CAPTIONS} | {"tags": clean_tags(list(said.keywords))}
    changed = [
        name
        for name in sorted(untouched)
        if values[name] and values[name] != getattr(image, name) and (is_replaced or not getattr(image, name))
    ]
    for name in changed:
        setattr(image, name, values[name])
    return changed
