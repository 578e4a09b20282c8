"""Details of a picture from forms, tables or API calls, cleaned for the database."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError

from search.metadata import PhotoMetadata
from search.metadata.photo_metadata import NOTHING
from search.models.image import Image, web_link
from search.text.normalization import composed, normalised_text


@dataclass(frozen=True, slots=True)
class Details:
    """What people say about a picture; `capture` is set if a table has capture data."""

    title: str = ""
    description: str = ""
    tags: Sequence[str] = ()
    author: str = ""
    licence: str = ""
    source_link: str = ""
    capture: PhotoMetadata = NOTHING


_COMMAS, _OTHER_SEPARATORS = re.compile(r"[,，、\n]"), re.compile(r"[;；|]")
_TEXT_COLUMNS = ("title", "description", "author", "licence", "source_link")


def details_of(row: Mapping[str, Any]) -> tuple[Details, list[str]]:
    """Return the details of a row, and what was cut or left out."""
    problems: list[str] = []
    values = {column: plain_text(row.get(column)) for column in _TEXT_COLUMNS}
    for column, value in values.items():
        limit: int = getattr(Image._meta.get_field(column), "max_length", 0)
        if len(value) > limit:
            problems.append(f"The {column} has {len(value):,} characters and was cut to {limit:,}.")
            values[column] = value[:limit]
    try:
        if values["source_link"]:
            web_link(values["source_link"])
    except ValidationError:
        problems.append(f"The source link {values['source_link']!r} is not an http address and was left out.")
        values["source_link"] = ""
    return Details(
        values["title"],
        values["description"],
        clean_tags(_split(row.get("tags"))),
        values["author"],
        values["licence"],
        values["source_link"],
    ), problems


def plain_text(value: Any) -> str:
    """Return a value of a form or a table as text: lists line by line, and "" for objects and NaN, which programs
    write for missing values."""
    if isinstance(value, list):
        return "\n".join(filter(None, map(plain_text, value)))
    if value is None or isinstance(value, (dict, bool)) or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    return composed(str(value).replace("\0", "")).strip()


def _split(tags: Any) -> Any:
    """Return the parts of a text of another program between commas, also those of East Asian keyboards, and lines;
    between semicolons or vertical bars if it has none of these. A list written in JSON or Python counts too.

    Not for forms: these show the tags of a picture, which may contain any of these but commas.
    """
    if not isinstance(tags, str):
        return tags
    text = plain_text(tags)
    if text.startswith("[") and text.endswith("]"):
        return [part.strip(" '\"") for part in _COMMAS.split(text[1:-1])]
    return (_COMMAS if _COMMAS.search(text) else _OTHER_SEPARATORS).split(text)


def clean_tags(value: Any) -> list[str]:
    """Return tags from a comma-separated text or a list: without duplicates, at most 50 of 60 characters."""
    parts = (
        [plain_text(part).replace(",", " ") for part in value]
        if isinstance(value, list)
        else plain_text(value).split(",")
    )
    tags: dict[str, str] = {}
    for part in parts:
        tag = normalised_text(part)[:60].strip()
        if tag:
            tags.setdefault(tag.casefold(), tag)
    return list(tags.values())[:50]
