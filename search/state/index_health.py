"""The health of the vector index: its recall compared with a scan, its state, and what to do."""

import datetime as dt
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from search.embedding import ModelUnavailable, active_model
from search.indexing.index_building import is_under_way, left_over, many_dead
from search.indexing.partitioning import parts_for
from search.indexing.query_plan import SCAN, Plan, plan_for, planned
from search.indexing.repairing import Differences, differences, superseded_sets, unused_sets
from search.models import Image, Private
from search.models.accepted_models import accepted_names
from search.models.hnsw import indexing
from search.models.sql_statements import fetch_all, fetch_one
from search.models.vector_sets import VectorTable, current_set, index_name, left_tables, table_of
from search.models.vector_values import Vector, Vectors
from search.relevance.bank_vectors import bank_vectors
from search.relevance.calibration import LEAST, is_due
from search.retrieval import PER_PAGE

ENOUGH = 0.95
"""Recall below which a rebuild is advised; a new index has 0.98 or more."""
QUERIES = 60
"""Number of picture queries, and of text queries, compared: enough for a recall accurate to some hundredths."""
_EQUAL = 1e-6
AGAIN = "manage.py index_health"
REBUILD, VACUUM = "manage.py index_health --rebuild", "manage.py index_health --vacuum"
ADD, EMBED, REEMBED = "manage.py ingest FOLDER", "manage.py embed_pending", "manage.py reembed"
SHOW = "show some of them in the admin, under /admin/search/image/"
RESTORE = "restore some of them in the admin, under /admin/search/trashed/"
CALIBRATE, MODELS = "manage.py calibrate", "manage.py download_models"


@dataclass(frozen=True)
class Advice:
    """A problem and the command that fixes it."""

    reason: str
    command: str


@dataclass(frozen=True)
class IndexState:
    """The index in the catalogue. `options` are those it was built with, `wanted` those of this version."""

    is_valid: bool
    options: dict[str, int]
    wanted: dict[str, int]
    size: int


@dataclass(frozen=True)
class IndexHealth:
    """Sizes are in bytes. `index` is None if there is none. Recalls are of the first page; None if searches scan all
    rows anyway, and for texts if there is no model.

    Of the visible pictures, `searchable` can be found, `unseen` of them are wide or tall but lack window vectors,
    `pending` have no vector yet, and `other_models` have only one of an inactive model. `hidden` are those not in the
    trash, `private` of them as their uploaders wished. `needs_calibration`: the relevance thresholds are missing or
    outdated. `has_words`: the text model could be loaded, or was not needed.
    `has_set`: there is a vector set of the active model. `left_over` is the number of invalid indexes left by
    interrupted rebuilds; `is_under_way`: the index is dropped for a load, or being built. `rows` and `dead` are those
    of the image table, `vectors` and `dead_vectors` those of the active set; `differs` says where the set differs from
    the images. `unused` are the models of unused sets, and tables that nothing uses.
    """

    searchable: int
    pending: int
    unseen: int
    other_models: int
    hidden: int
    private: int
    trashed: int
    needs_calibration: bool
    has_words: bool
    has_set: bool
    index: IndexState | None
    left_over: int
    is_outgrown: bool
    is_under_way: bool
    pictures_recall: float | None
    words_recall: float | None
    table_size: int
    shared_buffers: int
    rows: int
    dead: int
    vectors: int
    dead_vectors: int
    differs: Differences | None
    unused: list[str]
    vacuumed: dt.datetime | None
    analysed: dt.datetime | None

    @property
    def fits(self) -> bool:
        """Whether table and index fit into the server's shared buffers."""
        return self.table_size + (self.index.size if self.index else 0) <= self.shared_buffers

    def advice(self) -> list[Advice]:
        """Return what to do, most urgent first; nothing if all is well."""
        found = self._not_found()
        if self.is_under_way:
            reason = "A load or rebuild is working on the index: check again when it has ended."
            found.append(Advice(reason, AGAIN))
        else:
            found += [Advice(reason, REBUILD) for reason in self._reasons_to_rebuild()]
        if many_dead(self.rows, self.dead) or many_dead(self.vectors, self.dead_vectors):
            dead = self.dead + self.dead_vectors
            reason = f"{dead:,} deleted or changed rows are still in the tables and slow every search down."
            found.append(Advice(reason, VACUUM))
        elif self.analysed is None and self.rows:
            found.append(Advice("PostgreSQL has never analysed the table, and may misjudge query costs.", VACUUM))
        return found

    def _not_found(self) -> list[Advice]:
        """What keeps pictures from being found, or from having a relevance band."""
        found = []
        if self.pending:
            found.append(Advice(f"{self.pending:,} pictures have pending vectors: no search finds them.", EMBED))
        if self.unseen:
            reason = f"{self.unseen:,} wide or tall pictures can only be found by their centre."
            found.append(Advice(reason, f"{EMBED} --windows"))
        if self.other_models:
            reason = f"{self.other_models:,} pictures have vectors of another model: no search finds them."
            found.append(Advice(reason, REEMBED))
        if not self.searchable and not found:
            found.append(self._none_to_find())
        if not self.has_words:
            reason = "The text model can't be loaded: text searches don't work, and none was measured."
            found.append(Advice(reason, MODELS))
        if self.needs_calibration:
            reason = "The relevance thresholds were not measured for the present collection."
            found.append(Advice(reason, CALIBRATE))
        return found

    def _none_to_find(self) -> Advice:
        if self.hidden:
            private = f", {self.private:,} of them because they are private" if self.private else ""
            return Advice(f"All {self.hidden:,} pictures are hidden{private}: searches find nothing.", SHOW)
        if self.trashed:
            return Advice(f"All {self.trashed:,} pictures are in the trash: searches find nothing.", RESTORE)
        return Advice("There are no pictures: searches find nothing, and nothing could be measured.", ADD)

    def _reasons_to_rebuild(self) -> list[str]:
        return [*self._reasons_to_repair(), *(self._of_the_index() if self.has_set else [])]

    def _reasons_to_repair(self) -> list[str]:
        found = []
        if self.searchable and not self.has_set:
            found.append(f"The vectors of {self.searchable:,} pictures are in no table that is searched.")
        if self.differs:
            found.append(
                f"The searched vectors differ from those of the pictures: {self.differs.missing:,} are missing, "
                f"{self.differs.left:,} belong to no searchable picture, and {self.differs.other:,} have other values"
                f"; {self.differs.windows:,} wide or tall pictures lack windows."
            )
        if self.unused:
            found.append(f"Unused vectors take space: those of {', '.join(self.unused)}.")
        return found

    def _of_the_index(self) -> list[str]:
        if self.index is None:
            return ["The index is missing: searches scan all vectors."]
        if not self.index.is_valid:
            return [
                "The index is invalid, from an interrupted build: searches scan all vectors, and new rows are slower."
            ]
        if self.left_over:
            return ["A rebuild was interrupted: the invalid index that it left slows down new rows."]
        if self.index.options != self.index.wanted:
            return [
                (
                    f"The index was built with {_as_text(self.index.options)}; "
                    f"this version wants {_as_text(self.index.wanted)}."
                )
            ]
        if self.is_outgrown:
            return [
                f"{self.vectors:,} vectors are too many for the recall of one index; the table should be partitioned."
            ]
        recalls = {"pictures": self.pictures_recall, "words": self.words_recall}
        return [
            f"A search by {what} returns {recall:.0%} of the nearest {PER_PAGE}. A new index usually returns 98 % or "
            "more, but no more than this one if no picture is near."
            for what, recall in recalls.items()
            if recall is not None and recall < ENOUGH
        ]


def index_health() -> IndexHealth:
    """Check the vector index and compare searches with a scan of all vectors: takes seconds to a minute."""
    model = active_model()
    searchable = Image.objects.searchable(model).count()
    shown = Image.objects.shown()
    table = current_set(model)
    plan = plan_for(searchable, table)
    index = _index_state(table) if table else None
    is_by_index = index is not None and index.is_valid and not plan.is_exact
    words = _words() if is_by_index else None
    vectors, dead_vectors, vectors_size = _vectors(table)
    rows, dead, vacuumed, analysed, table_size, shared_buffers = fetch_one(
        "SELECT n_live_tup, n_dead_tup, greatest(last_vacuum, last_autovacuum), "
        "greatest(last_analyze, last_autoanalyze), pg_table_size(relid), "
        "pg_size_bytes(current_setting('shared_buffers')) FROM pg_stat_user_tables WHERE relid = %s::regclass",
        [Image._meta.db_table],
    )
    return IndexHealth(
        searchable=searchable,
        pending=shown.pending().count(),
        unseen=shown.without_windows(model).count(),
        other_models=shown.exclude(embedding_model__in=["", *accepted_names(model)]).count(),
        hidden=Image.objects.kept().filter(hidden=True).count(),
        private=Private.objects.filter(hidden=False, image__trashed=None).count(),
        trashed=Image.objects.exclude(trashed=None).count(),
        needs_calibration=searchable >= LEAST and is_due(),
        has_words=not is_by_index or words is not None,
        has_set=table is not None,
        index=index,
        left_over=len(left_over(table)) if table else 0,
        is_outgrown=table is not None and parts_for(table.vectors) > table.partitions,
        is_under_way=table is not None and is_under_way(table),
        pictures_recall=_recall(_pictures(), plan) if is_by_index else None,
        words_recall=None if words is None else _recall(words, plan),
        table_size=table_size + vectors_size,
        shared_buffers=shared_buffers,
        rows=rows,
        dead=dead,
        vectors=vectors,
        dead_vectors=dead_vectors,
        differs=differences(table) if table else None,
        unused=[*_unused(table), *left_tables()],
        vacuumed=vacuumed,
        analysed=analysed,
    )


def _unused(table: VectorTable | None) -> list[str]:
    """Return the models of unused sets, and the tables that an interrupted partitioning has left."""
    left = superseded_sets(table) if table and not is_under_way(table) else []
    return [*(each.model for each in unused_sets(active_model())), *(table_of(each).table for each in left)]


def _vectors(table: VectorTable | None) -> tuple[int, int, int]:
    """Return the numbers of live and dead rows of the set's tables, and their size without indexes."""
    leaves = table.leaves if table else []
    rows, dead, size = fetch_one(
        "SELECT coalesce(sum(n_live_tup), 0)::bigint, coalesce(sum(n_dead_tup), 0)::bigint, "
        "coalesce(sum(pg_table_size(relid)), 0)::bigint FROM pg_stat_user_tables WHERE relname = ANY(%s)",
        [leaves],
    )
    return rows, dead, size


def _index_state(table: VectorTable) -> IndexState | None:
    """Return the combined state of the set's indexes; None if one is missing."""
    rows = fetch_all(
        "SELECT indisvalid, reloptions, pg_relation_size(indexrelid) FROM pg_index "
        "JOIN pg_class ON oid = indexrelid JOIN unnest(%s::text[]) AS name ON oid = to_regclass(name)",
        [[index_name(leaf) for leaf in table.leaves]],
    )
    if len(rows) < len(table.leaves):
        return None
    wanted = dict(indexing.options)
    options = [
        {name: int(value) for name, value in (option.split("=") for option in built or ())} for _, built, _ in rows
    ]
    built = next((one for one in options if one != wanted), options[0])
    return IndexState(all(is_valid for is_valid, _, _ in rows), built, wanted, sum(size for _, _, size in rows))


def _recall(queries: Vectors, plan: Plan) -> float | None:
    """Return the mean recall of `plan` on the first page of a scan; rows at equal distances are interchangeable."""
    shares = []
    for query in queries:
        scanned, walked = _distances(query, SCAN), _distances(query, plan)
        if len(walked) < min(plan.candidates, len(scanned)):  # the index scan gave up, and a search then scans
            walked = scanned
        right = scanned[:PER_PAGE]
        found = np.sort(walked)[: len(right)]
        if len(right):
            shares.append(float((found <= right[-1] + _EQUAL).sum()) / len(right))
    return float(np.mean(shares)) if shares else None


def _distances(query: Vector, plan: Plan) -> npt.NDArray[np.float64]:
    model = active_model()
    images = Image.objects.searchable(model)
    nearest = images.nearest_to(query, current_set(model), by_index=not plan.is_exact)
    # mypy doesn't know the annotation of `nearest_to`.
    distances = nearest.values_list("distance", flat=True)[: plan.candidates]  # type: ignore[misc]
    with planned(plan):
        return np.array(list(distances), dtype=np.float64)


def _pictures() -> Vectors:
    model = active_model()
    searchable = Image.objects.searchable(model)
    some = list(searchable.order_by("?").values_list("pk", flat=True)[:QUERIES])
    return np.array(list(searchable.filter(pk__in=some).vectors_in(current_set(model)).values()))


def _words() -> Vectors | None:
    try:
        vectors = bank_vectors()
    except ModelUnavailable:
        return None
    some: Vectors = vectors[np.linspace(0, len(vectors) - 1, QUERIES).astype(int)]
    return some


def _as_text(options: dict[str, int]) -> str:
    return (
        ", ".join(f"{name} {value}" for name, value in sorted(options.items(), reverse=True)) or "pgvector's defaults"
    )
