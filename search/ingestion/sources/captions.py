"""What a webdataset, such as img2dataset makes, says of a picture: in a `.txt` and a `.json` of the same name."""

import json
from collections.abc import Mapping
from typing import Any

from search.ingestion.items import Details
from search.ingestion.metadata import details_of

LONGEST = 1_000_000
"""Bytes of such a file."""
_SUFFIXES = ("txt", "json")


def may_be_caption(suffix: str, size: int) -> bool:
    return suffix in _SUFFIXES and size <= LONGEST


def details_from(texts: Mapping[str, bytes]) -> tuple[Details, list[str]]:
    """Return what is said, by suffix, as it can be kept, and what had to be cut or left out."""
    row = _object(texts.get("json", b""))
    link = str(row.get("source_link") or row.get("url") or "")
    return details_of(
        {
            **row,
            "description": _text(texts.get("txt", b"")) or row.get("caption") or row.get("description"),
            "licence": row.get("licence") or row.get("license"),
            "tags": row.get("tags") or row.get("keywords"),
            "source_link": link if link.startswith(("http://", "https://")) else "",
        }
    )


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        return ""


def _object(data: bytes) -> dict[str, Any]:
    try:
        found = json.loads(data) if data else {}
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
