"""`manage.py index_health`: check the recall and state of the index, and advise."""

import datetime as dt
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.template.defaultfilters import filesizeformat

from search.embedding import active_model
from search.indexing.index_building import rebuild_index, vacuum
from search.indexing.partitioning import divide, drop_searched, parts_for
from search.indexing.repairing import make_missing_set, repair, superseded_sets, unused_sets
from search.management.base import CollectionCommand
from search.models import Image
from search.models.sql_statements import execute
from search.models.vector_sets import VectorTable, current_set, drop_left_tables, drop_set, table_of
from search.retrieval import PER_PAGE
from search.state.index_health import IndexHealth, IndexState, index_health


class Command(CollectionCommand):
    help = (
        "Compare searches with an exact scan, print the state of the index and the tables, and what to do. Exit "
        "status 1 if anything is to be done."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--rebuild",
            action="store_true",
            help="repair the vectors and rebuild their index; searches keep working",
        )
        parser.add_argument(
            "--vacuum",
            action="store_true",
            help="remove dead rows, many after a rebuild, and update statistics",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        table = current_set(active_model())
        if options["rebuild"]:
            self._rebuild(table)
            table = current_set(active_model())  # another table if it was partitioned
        if options["vacuum"]:
            execute(f'VACUUM (ANALYZE) "{Image._meta.db_table}"')
            if table:
                vacuum(table)
        health = index_health()
        for line in _lines(health):
            self.stdout.write(line)
        advice = health.advice()
        for one in advice:
            self.stdout.write(f"\n{one.reason}\nRun: {one.command}")
        if advice:
            raise SystemExit(1)
        self.stdout.write("\nAll is well.")

    def _rebuild(self, table: VectorTable | None) -> None:
        table = table or make_missing_set(active_model())
        if table and (wrong := repair(table)):
            self.stdout.write(f"Vectors repaired: {wrong.missing + wrong.left + wrong.other:,}.")
            if wrong.windows:
                self.stdout.write(f"Wide or tall pictures whose windows are pending now: {wrong.windows:,}.")
        for unused in unused_sets(active_model()):
            self.stdout.write(f"Dropping the vectors of {unused.model}, which is no longer used.")
            drop_set(table_of(unused))
        drop_left_tables()
        if table is None:
            return
        parts = parts_for(table.vectors)
        if parts > table.partitions:
            self.stdout.write(f"Partitioning the vectors into {parts} parts; searches keep working ...")
            is_done = divide(table, parts, self.stdout.write) is not None
        else:
            self.stdout.write("Building the index; searches keep working ...")
            is_done = rebuild_index(table)
            if is_done:
                self._drop_superseded(table)
        if not is_done:
            raise CommandError("Another load or rebuild holds the index. Try again when it has ended.")

    def _drop_superseded(self, table: VectorTable) -> None:
        if sets := superseded_sets(table):
            self.stdout.write("Dropping what an interrupted partitioning has left.")
            drop_searched(*map(table_of, sets))


def _lines(health: IndexHealth) -> list[str]:
    measured = health.searchable and health.has_words
    unmeasured = "all (every vector is read)" if measured and health.pictures_recall is None else "not measured"
    by_picture, by_words = (
        unmeasured if recall is None else f"{recall:.1%}" for recall in (health.pictures_recall, health.words_recall)
    )
    return [
        f"Pictures that can be found: {health.searchable:,}",
        f"Pending: {health.pending:,}; of another model: {health.other_models:,}",
        f"Hidden: {health.hidden:,}",
        f"Recall of the nearest {PER_PAGE}: {by_picture} by picture, {by_words} by text",
        f"Index: {_index(health.index)}",
        f"Tables: {filesizeformat(health.table_size)}; images: {health.rows:,}, and {health.dead:,} dead rows",
        f"Vectors: {health.vectors:,}, and {health.dead_vectors:,} dead rows",
        f"Vacuumed: {_moment(health.vacuumed)}; analysed: {_moment(health.analysed)}",
        f"PostgreSQL's own memory (shared_buffers): {filesizeformat(health.shared_buffers)}, "
        + ("which holds both" if health.fits else "smaller than both: see “PostgreSQL settings” in docs/install.md"),
    ]


def _index(index: IndexState | None) -> str:
    if index is None:
        return "missing"
    built = ", ".join(f"{name} {value}" for name, value in sorted(index.options.items(), reverse=True))
    return f"{filesizeformat(index.size)}, {built}{'' if index.is_valid else ', half built'}"


def _moment(moment: dt.datetime | None) -> str:
    return "never" if moment is None else f"{moment:%Y-%m-%d %H:%M} UTC"
