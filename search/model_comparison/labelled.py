"""Labelled sets: queries with graded pictures."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from search.embedding import MAX_TEXT_LENGTH
from search.ingestion.table_formats import MetadataError, Row, table_rows
from search.model_comparison.caption_datasets import FORMS, Lines, captions_of, json_captions, token_captions
from search.text.normalization import composed, normalised_text

MOST_GRADE = 100
_MOST_SPLITS = 10
_TOO_MANY_CELLS = (
    "This line has more cells than the first line: text that contains the separator must be in quotation marks."
)
_KINDS = {".tsv": "tsv", ".csv": "csv", ".txt": "csv", ".jsonl": "jsonl"}


@dataclass
class Labelled:
    """A labelled set: grades by picture name, for each query, which is (text, language).

    `named` has the position where each picture was named first, and `problems` (position, reason) of what could not be
    used.
    """

    name: str
    queries: dict[tuple[str, str], dict[str, int]] = field(default_factory=dict)
    named: dict[str, str] = field(default_factory=dict)
    problems: list[tuple[str, str]] = field(default_factory=list)

    def add(self, where: str, text: Any, language: Any, picture: Any, grade: int = 1) -> None:
        """Add a line, or the reason why it can't be used."""
        words, called = normalised_text(_text(text)), composed(_text(picture)).strip()
        if reason := _wrong_with(words, called):
            self.problems.append((where, reason))
            return
        graded = self.queries.setdefault((words, _code(language)), {})
        if graded.get(called, grade) != grade:
            self.problems.append(
                (where, f"The picture has the grade {graded[called]} for this query already; the new one is used.")
            )
        graded[called] = grade
        self.named.setdefault(called, where)


def _text(value: Any) -> str:
    return "" if value is None else str(value).replace("\0", "")


def _code(language: Any) -> str:
    return normalised_text(_text(language)).replace("_", "-").lower()


def _wrong_with(words: str, called: str) -> str:
    if not words:
        return "This line has no query."
    if len(words) > MAX_TEXT_LENGTH:
        return f"This query has {len(words):,} characters; at most {MAX_TEXT_LENGTH:,} can be searched."
    return "" if called else "This line contains no picture."


def read_labelled(path: Path, *, language: str = "", split: str = "") -> Labelled:
    """Read a labelled set, whose format is detected. Raises MetadataError if it can't be read at all.

    Formats: captions of COCO (JSON, including Karpathy's splits), Flickr30k (`.token`, or CSV in one of three forms)
    and XM3600 (JSON lines), or a table with the columns `query`, `language`, `path` or `id`, and `grade`. `language`
    is the default for queries without one, and `split` the only split to read, where there are any.
    """
    labelled = Labelled(path.name)
    for where, row in _of_split(_lines(path, labelled), labelled, split):
        if isinstance(row, str):
            labelled.problems.append((where, row))
        elif "query" in row:
            _add_row(labelled, where, row, language)
        else:
            for text, its_language, picture in captions_of(row):
                labelled.add(where, text, its_language or language or "en", picture)
    return labelled


def _of_split(lines: Lines, labelled: Labelled, split: str) -> Lines:
    """Yield the rows of a split, and those of none. Raises MetadataError if there are only others."""
    found: set[Any] = set()
    for where, row in lines:
        its_split = None if isinstance(row, str) or not split else row.get("split")
        found.add(its_split)
        if its_split in (None, split):
            yield where, row
    if split and found == {None}:
        labelled.problems.append((labelled.name, "This set has no splits: all of it is used."))
    elif split and found and split not in found:
        others = ", ".join(sorted(str(one) for one in found - {None})[:_MOST_SPLITS])
        raise MetadataError(f"{labelled.name} has no split {split}, but: {others}.")


def _lines(path: Path, labelled: Labelled) -> Lines:
    """Yield (position, row), or the reason why a row can't be used."""
    suffix = path.suffix.lower()
    if suffix == ".json":
        yield from json_captions(path)
        return
    if (tokens := token_captions(path)) is not None:
        yield from tokens
        return
    if suffix not in _KINDS:
        raise MetadataError(f"{path.name}: a labelled set is a .csv, .tsv, .jsonl, .json or .token file.")
    wrong: list[tuple[str, str]] = []
    rows = table_rows(
        lambda: path.open("rb"),
        path.name,
        _KINDS[suffix],
        ["query", *FORMS],
        lambda remark: labelled.problems.append((path.name, remark)),
        lambda where, reason: wrong.append((where, reason)),
    )
    for where, row in rows:
        # Under the key None are the cells beyond the last column.
        if any(cell.strip() for cell in row.get(None, ())):  # type: ignore[call-overload]
            yield where, _TOO_MANY_CELLS
        else:
            yield where, row
    yield from wrong


def _add_row(labelled: Labelled, where: str, row: Row, language: str) -> None:
    try:
        grade = grade_of(row["grade"]) if "grade" in row else 1
    except ValueError as error:
        labelled.problems.append((where, str(error)))
        return
    labelled.add(where, row["query"], row.get("language") or language, row.get("id") or row.get("path"), grade)


def grade_of(value: Any) -> int:
    """Return a grade from a table. Raises ValueError with the reason if it is invalid."""
    text = _text(value).strip()
    if not text:
        raise ValueError("This line has no grade.")
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    # A spreadsheet may write 2 as 2.0.
    if not (number.is_integer() and 0 <= number <= MOST_GRADE):
        raise ValueError(f"The grade {text[:20]!r} is not a whole number from 0 to {MOST_GRADE}.")
    return int(number)
