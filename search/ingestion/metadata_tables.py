"""Read a table of metadata: TSV, CSV or JSON lines with a `path` column."""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from urllib.parse import unquote

from search.curation.cleaned_details import Details, details_of, plain_text
from search.ingestion.table_formats import SYNONYMS, MetadataError, Row, table_rows
from search.ingestion.tables_of_archives import Elsewhere
from search.ingestion.unicode_names import Spellings
from search.ingestion.unread_files import advice_on
from search.metadata import PhotoMetadata, TakenFrom
from search.metadata.dates import dated, typed
from search.metadata.photo_metadata import number

_KINDS = {".tsv": "tsv", ".txt": "tsv", ".csv": "csv", ".jsonl": "jsonl"}
"""File type by suffix; the separator may still differ. Excel calls its "Unicode text" .txt."""

_COLUMNS = frozenset(
    (
        *("path", "title", "description", "tags", "author", "licence", "source_link", "taken", "rating"),
        *("latitude", "longitude", "camera", "lens"),
    )
)
_MOST_NAMED = 10
_FILE_SCHEME = re.compile(r"file:(?://(?:localhost)?(?=/))?", re.IGNORECASE)


@dataclass
class Metadata:
    """Details by resolved path, those of paths that are no files, and the problems with their reasons."""

    details: dict[Path, Details] = field(default_factory=dict)
    elsewhere: Elsewhere = field(default_factory=Elsewhere)
    problems: list[tuple[str, str]] = field(default_factory=list)

    @property
    def missing(self) -> list[str]:
        """The paths that are neither files nor offered by a source so far."""
        return self.elsewhere.missing()


def read_metadata(table: Path, roots: Sequence[Path]) -> Metadata:
    """Read a table. A relative `path` is resolved beside the table, then below each of `roots`.

    Paths that are no files are kept for archives and buckets. Raises MetadataError for an unreadable table.
    """
    metadata, spellings = Metadata(), Spellings()
    columns: dict[str, None] = {}
    for where, row in _rows(table, lambda remark: metadata.problems.append((str(table), remark))):
        columns |= dict.fromkeys(filter(None, row))
        name = str(row.get("path") or "").strip()
        if not name or "\0" in name:
            metadata.problems.append((where, "This line contains no path."))
            continue
        details, problems = table_details(row)
        path = _located(name, [table.parent, *roots], spellings)
        if path is None:
            is_named_before = metadata.elsewhere.add(name, details)
        else:
            is_named_before = path in metadata.details
            metadata.details[path] = details
        if is_named_before:
            metadata.problems.append((f"{where}, {name}", "An earlier line names this picture too: this one applies."))
        metadata.problems.extend((f"{where}, {name}", problem) for problem in problems)
    if others := [column for column in columns if column not in _COLUMNS]:
        more = f" and {len(others) - _MOST_NAMED:,} more" if len(others) > _MOST_NAMED else ""
        metadata.problems.append((str(table), f"These columns are not read: {', '.join(others[:_MOST_NAMED])}{more}."))
    return metadata


def _rows(table: Path, remarks: Callable[[str], None]) -> Iterator[tuple[str, Row]]:
    kind = _KINDS.get(table.suffix.lower())
    if kind is None:
        raise MetadataError(f"{table}: the name must end in .tsv, .csv or .jsonl. {advice_on(table.name)}".rstrip())
    return table_rows(lambda: table.open("rb"), table.name, kind, ["path"], remarks, synonyms=SYNONYMS)


def _located(name: str, folders: Sequence[Path], spellings: Spellings) -> Path | None:
    """Return the file of this name, or one whose name differs in its Unicode normal form only."""
    # Paths from Windows work, too, and those of programs that write addresses of files.
    names = dict.fromkeys((name, name.replace("\\", "/"), unquote(_FILE_SCHEME.sub("", name))))
    written = (folder / one for folder in folders for one in names)
    composed_otherwise = (spellings.found(folder, one) for folder in folders for one in names)
    for path in chain(written, composed_otherwise):
        with suppress(OSError):  # a name too long for any file
            if path and path.is_file():
                return path.resolve()
    return None


def table_details(row: Row) -> tuple[Details, list[str]]:
    """Return the details of a row, and what was cut or left out."""
    (details, problems), (capture, more) = details_of(row), capture_of(row)
    return replace(details, capture=capture), problems + more


def capture_of(row: Row) -> tuple[PhotoMetadata, list[str]]:
    """Return the capture data of a row (time, place, camera, lens, rating), and what could not be read."""
    problems: list[str] = []
    taken, rating = plain_text(row.get("taken")), plain_text(row.get("rating"))
    moment, stars = typed(taken) if taken else None, number(rating.replace(",", ".")) if rating else None
    if taken and moment is None:
        problems.append(
            f"The date {taken[:60]!r} can't be read, or no photo can be from then: write it like 2014-07-03, "
            "2014-07-03 14:22 or 2014-07-03T14:22:10+09:00."
        )
    if rating and (stars is None or stars not in range(6)):
        problems.append(f"The rating {rating[:60]!r} is not a whole number from 0 to 5.")
        stars = None
    latitude, longitude = (plain_text(row.get(name)).replace(",", ".") for name in ("latitude", "longitude"))
    north, east = number(latitude), number(longitude)
    if (latitude or longitude) and (north is None or east is None or not (-90 <= north <= 90 and -180 <= east <= 180)):
        problems.append(
            f"The place {latitude[:30]!r}, {longitude[:30]!r} can't be read: latitude and longitude are written in "
            "degrees, such as 37.8813 and -122.4194, always both."
        )
    said = PhotoMetadata.of(
        **dated(moment, TakenFrom.TABLE),
        camera=plain_text(row.get("camera")),
        lens=plain_text(row.get("lens")),
        rating=stars,
        latitude=north,
        longitude=east,
    )
    return said, problems
