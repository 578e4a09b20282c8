"""Tables of what is known of pictures: TSV, CSV and JSON lines, read row by row."""

import csv
import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import IO, Any, TypeAlias

Row: TypeAlias = Mapping[str, Any]

LONGEST_FIELD = 1_000_000
"""Characters of a field; Python's own limit is a seventh of it, and some descriptions are longer."""


class MetadataError(Exception):
    """A table can't be read. The message says where and why."""


def rows_of(file: IO[str], name: str, kind: str, needed: Collection[str]) -> Iterator[tuple[str, Row]]:
    """Yield (where, row) of a table called `name`; `kind` is "jsonl", or else the header tells what separates columns.

    Its header must have one of the columns `needed`. Raises MetadataError.
    """
    try:
        yield from _json_lines(file, name) if kind == "jsonl" else _separated(file, name, kind, needed)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise MetadataError(f"{name} can't be read: {error}") from error


def _separated(file: IO[str], name: str, kind: str, needed: Collection[str]) -> Iterator[tuple[str, Row]]:
    csv.field_size_limit(LONGEST_FIELD)
    first = file.readline()
    delimiter = "\t" if kind == "tsv" or ("\t" in first and "," not in first) else ","
    header = next(csv.reader([first], delimiter=delimiter), [])
    if not set(needed) & set(header):
        columns = " or ".join(f"`{column}`" for column in needed)
        raise MetadataError(f"{name}: the first line must name the columns, {columns} among them.")
    reader = csv.DictReader(file, header, delimiter=delimiter)
    for row in reader:
        yield f"{name} line {reader.line_num + 1}", row


def _json_lines(lines: Iterable[str], name: str) -> Iterator[tuple[str, Row]]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise MetadataError(f"{name} line {number} is not JSON: {error}") from error
        if not isinstance(row, dict):
            raise MetadataError(f"{name} line {number} is not a JSON object.")
        yield f"{name} line {number}", row
