"""Read metadata tables row by row: TSV, CSV and JSON lines, also as saved by Excel."""

import csv
import json
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from io import TextIOWrapper
from types import MappingProxyType
from typing import IO, Any, TypeAlias

from search.ingestion.table_encodings import encoding_of, remark_on

Row: TypeAlias = Mapping[str, Any]
Opened: TypeAlias = Callable[[], IO[bytes]]
BadRow: TypeAlias = Callable[[str, str], None]
"""Called with the position of an unreadable row and the reason; reading continues."""

LONGEST_FIELD = 1_000_000
"""Characters per field. Python's own limit is a seventh of it, and some descriptions are longer."""
_LONGEST_COLUMN = 60
_BOM = "\ufeff"
"""It also begins each further part of tables that were joined."""
SYNONYMS = {
    name: column
    for column, names in {
        "path": "file_name filename file sourcefile image_path 경로 파일 파일명 파일이름",
        "url": "image_url img_url 주소",
        "title": "headline 제목",
        "description": "caption text 설명 캡션",
        "tags": "keywords tag keyword 태그 키워드",
        "author": "photographer creator artist 작가 저자 촬영자",
        "licence": "license 라이선스 라이센스",
        "taken": "date_taken taken_at datetimeoriginal 촬영일 촬영일시",
        "latitude": "lat 위도",
        "longitude": "lon lng long 경도",
    }.items()
    for name in names.split()
}
"""Column names of other programs and data sets, and in Korean, with ours. Ours have precedence."""
_SEPARATORS = {"tsv": "\t;,|", "csv": ",;\t|"}
"""Candidate separators, in order: the first by which the header has a needed column is used."""


class MetadataError(Exception):
    """A table can't be read. The message says where and why."""


def table_rows(
    opened: Opened,
    name: str,
    kind: str,
    needed: Collection[str],
    remarks: Callable[[str], None] = lambda remark: None,
    on_bad_row: BadRow | None = None,
    synonyms: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[tuple[str, Row]]:
    """Yield (position, row) of a table called `name` in any encoding; `opened` opens it from its start, each time.

    `kind` is "jsonl", "tsv" or "csv". Column names are in lower case, and replaced by `synonyms` where that column is
    missing; one of `needed` must exist. A guessed encoding
    is reported to `remarks`. An unreadable row is passed to `on_bad_row` and skipped, or raises without it. Raises
    MetadataError.
    """
    try:
        with opened() as file:
            encoding = encoding_of(file)
        text = TextIOWrapper(opened(), encoding=encoding, errors="replace" if on_bad_row else "strict", newline="")
    except OSError as error:
        raise MetadataError(f"{name} can't be read: {error}") from error
    remark = remark_on(encoding)
    with text:
        try:
            yield from rows_of(text, name, kind, needed, on_bad_row, synonyms)
        except MetadataError as error:
            raise MetadataError(f"{error} {remark}".rstrip()) from error
    if remark:
        remarks(remark)


def rows_of(
    file: IO[str],
    name: str,
    kind: str,
    needed: Collection[str],
    on_bad_row: BadRow | None = None,
    synonyms: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[tuple[str, Row]]:
    """Yield (position, row) of a table called `name`; see `table_rows`. Raises MetadataError."""
    try:
        yield from (
            _json_lines(file, name, on_bad_row, synonyms)
            if kind == "jsonl"
            else _separated(file, name, kind, needed, on_bad_row, synonyms)
        )
    except (OSError, UnicodeError, csv.Error) as error:
        raise MetadataError(f"{name} can't be read: {error}") from error


def _separated(
    file: IO[str],
    name: str,
    kind: str,
    needed: Collection[str],
    on_bad_row: BadRow | None,
    synonyms: Mapping[str, str],
) -> Iterator[tuple[str, Row]]:
    csv.field_size_limit(LONGEST_FIELD)
    header, separator, passed = _header(file, name, kind, needed, synonyms)
    lines = _Lines(file, passed)
    reader = csv.reader(lines, delimiter=separator)
    while True:
        lines.begin_row()
        where = f"{name} line {lines.number + 1}"
        try:
            values = next(reader, None)
            if values is None:
                return
            if lines.have_ended:
                raise csv.Error("a quotation mark is never closed")
        except csv.Error as error:
            if on_bad_row is None:
                raise MetadataError(f"{where} can't be read: {error}.") from error
            lines.go_back()
            on_bad_row(where, f"This row can't be read: {error}")
            continue
        # Spreadsheets save rows without a value, too, and of joined tables each has its header.
        if any(value.strip() for value in values) and not _is_header(values, header, synonyms):
            yield f"{name} line {lines.number}", _row(header, values)


def _header(
    file: IO[str], name: str, kind: str, needed: Collection[str], synonyms: Mapping[str, str]
) -> tuple[list[str], str, int]:
    """Return the column names, the separator, and the number of lines read."""
    separators, passed, first = _SEPARATORS[kind], 1, file.readline()
    # Skip Excel's separator hint and empty lines above the table.
    while first and (not first.strip(" ;,\t\r\n") or first.lower().startswith("sep=")):
        if first.lower().startswith("sep=") and first[4:5].strip("\r\n"):
            separators = first[4]
        passed, first = passed + 1, file.readline()
    for separator in separators:
        header = _named(next(csv.reader([first], delimiter=separator), []), synonyms)
        if set(needed) & set(header):
            return header, separator, passed
    columns = " or ".join(f"`{column}`" for column in needed)
    raise MetadataError(f"{name}: the first line must name the columns, {columns} among them.")


def _is_header(values: Sequence[str], header: Sequence[str], synonyms: Mapping[str, str]) -> bool:
    """Whether a row of several columns repeats the header."""
    if len(values) != len(header) or len(values) < 2 or len(values[0]) > _LONGEST_COLUMN:
        return False
    first = _column(values[0])
    return header[0] in (first, synonyms.get(first)) and _named(values, synonyms) == header


def _row(header: Sequence[str], values: Sequence[str]) -> Row:
    """Return the values by column; of columns with one name the first value counts. Missing ones are None, and cells
    beyond the last column a list under the key None, as by csv.DictReader."""
    row: dict[Any, Any] = dict.fromkeys(header)
    if len(values) > len(header):
        row[None] = values[len(header) :]
    for column, value in zip(header, values, strict=False):
        if not (row[column] or "").strip():
            row[column] = value
    return row


class _Lines:
    """Lines of a table. `have_ended` says that a row reached the end of the file: an open quotation mark swallows all
    lines."""

    def __init__(self, file: IO[str], passed: int) -> None:
        self._file, self._again = file, deque[str]()
        self._of_row: list[str] = []
        self.number, self.have_ended = passed, False

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else self._file.readline()
        if not line:
            self.have_ended = True
            raise StopIteration
        self.number += 1
        line = line.removeprefix(_BOM)
        self._of_row.append(line)
        return line

    def begin_row(self) -> None:
        self._of_row, self.have_ended = [], False

    def go_back(self) -> None:
        """Read the lines after the first of this row again, as rows of their own."""
        again = self._of_row[1:]
        self._again.extendleft(reversed(again))
        self.number -= len(again)


def _column(name: str) -> str:
    return "_".join(name.strip("\ufeff \t").lower().replace("-", " ").split())


def _named(names: Iterable[str], synonyms: Mapping[str, str]) -> list[str]:
    """Return the columns of these names."""
    columns = [_column(one) for one in names]
    present = set(columns)
    return [one if (ours := synonyms.get(one)) is None or ours in present else ours for one in columns]


def _json_lines(
    lines: Iterable[str], name: str, on_bad_row: BadRow | None, synonyms: Mapping[str, str]
) -> Iterator[tuple[str, Row]]:
    for number, line in enumerate(lines, start=1):
        where = f"{name} line {number}"
        try:
            if line.strip():
                yield where, _json_object(line.removeprefix(_BOM), synonyms)
        except MetadataError as error:
            if on_bad_row is None:
                raise MetadataError(f"{where}: {error}") from error
            on_bad_row(where, str(error))


def _json_object(line: str, synonyms: Mapping[str, str]) -> Row:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise MetadataError(f"This is not JSON: {error}") from error
    if not isinstance(row, dict):
        raise MetadataError("This is not a JSON object: a .jsonl file has one in each line.")
    found: dict[str, Any] = {}
    for column, value in zip(_named(row, synonyms), row.values(), strict=True):
        if found.get(column) in (None, ""):
            found[column] = value
    return found
