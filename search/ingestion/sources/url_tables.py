"""Pictures on the web: a table of addresses with metadata, such as Unsplash's `photos.tsv000`.

A picture whose address is known is not downloaded again.
"""

import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from search.curation.cleaned_details import Details, details_of
from search.fetching import NotDownloaded
from search.ingestion.items import Item, Unavailable
from search.ingestion.metadata_tables import table_details
from search.ingestion.sources.byte_limits import most_bytes, no_memory
from search.ingestion.sources.file_names import storable
from search.ingestion.sources.listing import Findings, Listing
from search.ingestion.table_formats import SYNONYMS, BadRow, MetadataError, Opened, Row, table_rows

if TYPE_CHECKING:
    from search.fetching.downloads import Downloads

_TABLE = re.compile(r"\.(tsv|csv|jsonl)\d*$", re.IGNORECASE)
UNSPLASH_PHOTOS = re.compile(r"(?:^|/)photos\.[ct]sv\d*$")
"""The photo tables in the ZIP of the Unsplash dataset, which also has tables of keywords and searches."""
UNSPLASH_LICENCE = "Unsplash"
MOST_BYTES = 100_000_000
"""Maximum bytes per download. Sizes are unknown before, and many downloads run at once."""
_ANY_WIDTH = frozenset({"images.unsplash.com"})
"""Hosts that resize a picture to a requested width."""
_COUNTED = 64 * 1024 * 1024
"""Size of a table in bytes up to which its rows are counted in advance."""


def is_table(path: str) -> bool:
    """Whether a file's name is that of a table."""
    return bool(_TABLE.search(path))


def manifest(path: str, findings: Findings, downloads: "Downloads", *, width: int) -> Listing:
    """Return the pictures that a table names in the column `url`, or Unsplash's `photo_image_url`."""
    source = Path(path)
    return table_listing(path, lambda: source.open("rb"), source.stat().st_size, findings, downloads, width=width)


def table_listing(
    name: str, opened: Opened, size: int, findings: Findings, downloads: "Downloads", *, width: int
) -> Listing:
    """Return the pictures named by a table of `size` bytes; `opened` opens it from its start, each time."""
    count = None
    if size <= _COUNTED:
        try:
            count = sum(1 for _ in _rows(name, opened))
        except MetadataError:  # reported when the rows are read
            count = 0
    return Listing(_items(name, opened, findings, partial(_read, downloads, width=width)), count)


def address_listing(address: str, downloads: "Downloads", *, width: int) -> Listing:
    """Return the one picture at an address."""
    return Listing([_item(address, Details(), partial(_read, downloads, width=width))], 1)


def _rows(
    name: str,
    opened: Opened,
    remarks: Callable[[str], None] = lambda remark: None,
    on_bad_row: BadRow = lambda where, reason: None,
) -> Iterator[tuple[str, Row]]:
    match = _TABLE.search(name)
    assert match
    return table_rows(
        opened, name.rpartition("/")[2], match[1].lower(), ["url", "photo_image_url"], remarks, on_bad_row, SYNONYMS
    )


def _items(name: str, opened: Opened, findings: Findings, read: Callable[[str], bytes]) -> Iterator[Item]:
    try:
        for where, row in _rows(
            name,
            opened,
            lambda remark: findings.notes.append((name, remark)),
            lambda where, reason: findings.problems.append((where, reason)),
        ):
            address = str(row.get("photo_image_url") or row.get("url") or "").strip()
            if not address:
                findings.problems.append((where, "This line contains no address."))
                continue
            if any("\ufffd" in str(value) for value in row.values()):
                findings.notes.append((where, "Some of its bytes are not valid text and were replaced by \ufffd."))
            is_unsplash = "photo_image_url" in row
            details, notes = details_of(_of_unsplash(row)) if is_unsplash else table_details(row)
            findings.notes.extend((where, note) for note in notes)
            yield _item(address, details, read)
    except MetadataError as error:
        findings.problems.append((name, f"{error} (Pass a table of local files with --metadata.)"))


def _item(address: str, details: Details, read: Callable[[str], bytes]) -> Item:
    return Item(address, partial(read, address), details, address=storable(address))


def _of_unsplash(row: Row) -> Row:
    """Return a row of the Unsplash dataset with our column names."""
    names = [row.get("photographer_first_name"), row.get("photographer_last_name")]
    return {
        "description": row.get("photo_description") or row.get("ai_description"),
        "author": " ".join(name.strip() for name in names if name) or row.get("photographer_username"),
        "licence": UNSPLASH_LICENCE,
        "source_link": row.get("photo_url"),
    }


def _read(downloads: "Downloads", address: str, *, width: int) -> bytes:
    try:
        return downloads.get(_as_wide(address, width), most_bytes=min(MOST_BYTES, most_bytes()))
    except NotDownloaded as error:
        raise Unavailable(str(error)) from error
    except MemoryError:
        raise no_memory() from None
    except Exception as error:  # any failure is that one picture's
        raise Unavailable(f"It can't be downloaded: {type(error).__name__}: {error}") from error


def _as_wide(address: str, width: int) -> str:
    """Return the address of a picture no wider than `width`, if its host is known to resize."""
    if not width:
        return address
    try:
        parts = urlsplit(address)
    except ValueError:  # the download will report it
        return address
    if parts.hostname not in _ANY_WIDTH:
        return address
    query = {**dict(parse_qsl(parts.query)), "w": str(width), "fit": "max"}
    return urlunsplit(parts._replace(query=urlencode(query)))
