"""The vocabulary as a table: the starting vocabulary, import and export."""

import csv
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _

from search.curation.details import clean_tags
from search.ingestion.table_formats import table_rows
from search.models import VocabularyTag
from search.models.tagging import DEEPEST, lock_vocabulary
from search.objects.zip_download import harmless
from search.text.normalization import normalised_text

COLUMNS = ("name", "english", "korean", "phrase", "aliases", "parent")
MOST_ROWS = 20_000
_STARTING = Path(__file__).with_name("starting.tsv")
_KINDS = {".tsv": "tsv", ".jsonl": "jsonl"}


@lru_cache(maxsize=1)
def starting_rows() -> list[dict[str, Any]]:
    """Return the rows of the starting vocabulary; parents, named in English, come before their children."""
    with _STARTING.open(encoding="utf-8", newline="") as file:
        return [{**row, "aliases": clean_tags(row["aliases"])} for row in csv.DictReader(file, delimiter="\t")]


def write_vocabulary(file: Any) -> int:
    """Write all tags as CSV, ordered by name; return how many."""
    tags = list(VocabularyTag.objects.select_related("parent").order_by("name"))
    writer = csv.writer(file)
    writer.writerow(COLUMNS)
    for tag in tags:
        texts = (tag.name, tag.english, tag.korean, tag.phrase, ", ".join(tag.aliases))
        writer.writerow([harmless(text) for text in (*texts, tag.parent.name if tag.parent else "")])
    return len(tags)


@dataclass
class Imported:
    """The result of an import; `problems` are (position, reason) of rows, or parts of them, that could not be used."""

    added: int = 0
    changed: int = 0
    problems: list[tuple[str, str]] = field(default_factory=list)


def read_vocabulary(opened: Callable[[], IO[bytes]], name: str) -> Imported:
    """Add the tags of a table, or update known ones; tags that it lacks stay.

    A row updates the tag that has its `name`, or otherwise its English or Korean name, among its names. Columns that
    the table lacks don't change. Raises MetadataError for anything else than such a table.
    """
    imported = Imported()
    rows = table_rows(
        opened,
        name,
        _KINDS.get(Path(name).suffix.lower(), "csv"),
        ("name", "english", "korean"),
        on_bad_row=lambda where, why: imported.problems.append((where, why)),
    )
    with transaction.atomic():
        lock_vocabulary()
        _Import(imported).take(rows)
    return imported


class _Import:
    def __init__(self, imported: Imported) -> None:
        self._imported = imported
        self._tags = {tag.pk: tag for tag in VocabularyTag.objects.order_by("pk")}
        self._named: dict[str, VocabularyTag] = {}
        for tag in self._tags.values():
            for name in tag.names:
                self._named.setdefault(name.casefold(), tag)

    def take(self, rows: Iterable[tuple[str, Mapping[str, Any]]]) -> None:
        parents: list[tuple[str, VocabularyTag, str]] = []
        for count, (where, row) in enumerate(rows, start=1):
            if count > MOST_ROWS:
                self._problem(where, _("A vocabulary can have at most %(most)s rows.") % {"most": f"{MOST_ROWS:,}"})
                break
            tag = self._take_row(where, row)
            if tag and "parent" in row:
                parents.append((where, tag, _text(row["parent"])))
        for where, tag, parent in parents:
            self._put_within(where, tag, parent)

    def _take_row(self, where: str, row: Mapping[str, Any]) -> VocabularyTag | None:
        own = next((text for name in COLUMNS[:3] if (text := _text(row.get(name)))), "")
        if not own:
            self._problem(where, _("This row contains no tag name."))
            return None
        tag = self._named.get(own.casefold()) or VocabularyTag(name=own)
        before = None if tag.pk is None else _values(tag)
        taken = {name.casefold() for name in tag.names} if before else set()
        for column in COLUMNS[1:5]:
            if column in row:
                setattr(tag, column, (_aliases if column == "aliases" else _text)(row[column]))
        problem = self._wrong_with(tag)
        if problem or _values(tag) == before:
            if problem:
                self._problem(where, problem)
                for name, value in zip(COLUMNS[:5], before or (), strict=False):
                    setattr(tag, name, value)
            return None if problem else tag
        tag.save()
        for name in taken:
            self._named.pop(name, None)
        self._named.update({name.casefold(): tag for name in tag.names})
        self._tags[tag.pk] = tag
        self._imported.added, self._imported.changed = (
            self._imported.added + (not before),
            self._imported.changed + bool(before),
        )
        return tag

    def _wrong_with(self, tag: VocabularyTag) -> str:
        try:
            tag.clean_fields(exclude=["parent"])
            tag.refuse_commas()
        except ValidationError as problem:
            return "; ".join(problem.messages)
        for name in tag.names:
            other = self._named.get(name.casefold())
            if other is not None and other is not tag:
                text = _("“%(name)s” is already a name of the tag “%(other)s”.")
                return text % {"name": name, "other": other.name}
        return ""

    def _put_within(self, where: str, tag: VocabularyTag, name: str) -> None:
        parent = self._named.get(name.casefold()) if name else None
        if name and parent is None:
            self._problem(where, _("There is no tag “%(name)s”.") % {"name": name})
        elif tag.parent_id != (parent.pk if parent else None):
            above = self._above(parent)
            if tag.pk in above or len(above) > DEEPEST:
                self._problem(where, _("“%(tag)s” can't be the parent of “%(name)s”.") % {"tag": tag, "name": name})
                return
            tag.parent = parent
            tag.save(update_fields=["parent"])

    def _above(self, tag: VocabularyTag | None) -> list[int]:
        found: list[int] = []
        while tag is not None and tag.pk not in found:
            found.append(tag.pk)
            tag = self._tags.get(tag.parent_id) if tag.parent_id else None
        return found

    def _problem(self, where: str, why: str) -> None:
        self._imported.problems.append((where, why))


def _values(tag: VocabularyTag) -> tuple[Any, ...]:
    return tag.name, tag.english, tag.korean, tag.phrase, tag.aliases


def _aliases(value: Any) -> list[str]:
    return clean_tags(value if isinstance(value, list) else _text(value))


def _text(value: Any) -> str:
    text = normalised_text("" if value is None else str(value).replace("\0", ""))
    # Remove the guard against spreadsheet formulas that our export adds.
    return text[1:] if text.startswith(("'=", "'+", "'-", "'@")) else text
