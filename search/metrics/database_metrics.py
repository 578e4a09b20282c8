"""Metrics from the database, by estimates and indexes, within milliseconds.

Cached for some seconds, so that frequent scraping, or a database that is down, costs one query.
"""

import logging
import threading
import time
from collections.abc import Iterable, Iterator
from platform import python_version
from typing import Any

import django
from django.db import DatabaseError, InterfaceError, OperationalError, connection, transaction
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from psycopg.errors import QueryCanceled

from search.embedding import active_model
from search.indexing.index_building import is_under_way
from search.metrics import MOST_COUNTED
from search.models.accepted_models import accepted_names
from search.models.run_log import SILENT_AFTER
from search.models.vector_sets import current_set, index_name

logger = logging.getLogger(__name__)

CACHED_FOR = 30.0
"""Seconds for which the figures are cached."""
SMALL = 50_000
"""Number of pictures up to which hidden ones are counted exactly; beyond it is estimated."""
_PATIENCE = "2s"

_UP_TO = f"LIMIT {MOST_COUNTED}"
_ONE_ROW = f"""
WITH sizes AS (
    SELECT greatest(0, CASE WHEN pg_stat_get_live_tuples(oid) > 0 THEN pg_stat_get_live_tuples(oid) ELSE reltuples END)
        AS pictures,
        pg_total_relation_size(oid) AS table_bytes
    FROM pg_class WHERE oid = 'search_image'::regclass
), vectors AS (
    SELECT
        coalesce(bool_and(to_regclass(name) IS NOT NULL), true) AS index_present,
        coalesce(bool_and(coalesce(indisvalid, false)), true) AS index_valid,
        coalesce(sum(pg_relation_size(to_regclass(name))), 0) AS index_bytes,
        coalesce(sum(pg_total_relation_size(to_regclass(leaf))), 0) AS vectors_bytes
    FROM unnest(%(leaves)s::text[], %(indexes)s::text[]) AS its (leaf, name)
        LEFT JOIN pg_index ON indexrelid = to_regclass(name)
)
SELECT
    pictures,
    table_bytes,
    pg_database_size(current_database()) AS database_bytes,
    CASE WHEN pictures < {SMALL} THEN (SELECT count(*) FROM search_image WHERE hidden)
        ELSE greatest(0, pictures - (SELECT reltuples FROM pg_class WHERE oid = to_regclass('image_facets'))) END
        AS hidden,
    (SELECT count(*) FROM (SELECT FROM search_image WHERE embedding_model = '' {_UP_TO}) counted) AS pending,
    (SELECT count(*) FROM (SELECT FROM search_image WHERE embedding_model = '' AND embedding_failure > '' {_UP_TO})
        counted) AS failed,
    (SELECT count(*) FROM (SELECT FROM search_image
        WHERE NOT hidden AND embedding_model > '' AND embedding_model < %(model)s
            AND embedding_model <> ALL(%(accepted)s) {_UP_TO}) counted)
    + (SELECT count(*) FROM (SELECT FROM search_image
        WHERE NOT hidden AND embedding_model > %(model)s
            AND embedding_model <> ALL(%(accepted)s) {_UP_TO}) counted) AS of_other_models,
    (SELECT count(*) FROM (SELECT FROM search_report WHERE resolved IS NULL {_UP_TO}) counted) AS reports,
    (SELECT count(*) FROM (SELECT FROM search_oweddeletion {_UP_TO}) counted) AS owed,
    (SELECT coalesce(extract(epoch FROM now() - min(created)), 0) FROM search_oweddeletion) AS owed_seconds,
    (SELECT count(*) FROM search_modelswitch WHERE next_image <> '') AS switch_preparing,
    (SELECT count(*) FROM search_modelswitch WHERE uncopied <> '') AS switch_copying,
    vectors.*,
    (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend') AS connections,
    current_setting('max_connections')::int AS connections_limit
FROM sizes, vectors
"""  # noqa: S608 - constants
_LAST_RUN = f"""
SELECT extract(epoch FROM started), extract(epoch FROM ended), added, known, deleted, failed + refused,
    CASE WHEN outcome <> '' THEN outcome
        WHEN noted > now() - interval '{SILENT_AFTER.total_seconds():.0f} s' THEN 'running'
        ELSE 'killed' END,
    (SELECT extract(epoch FROM max(ended)) FROM search_run WHERE kind = 'ingest' AND outcome = 'done')
FROM search_run WHERE kind = 'ingest' ORDER BY id DESC LIMIT 1
"""  # noqa: S608 - constants

_GAUGES = {
    "pictures": ("imagesearch_pictures", "Pictures, including hidden ones (estimate)."),
    "hidden": ("imagesearch_pictures_hidden", f"Hidden pictures (estimated from {SMALL:,} pictures on)."),
    "pending": ("imagesearch_pictures_pending", "Pictures with a pending vector: no search finds them."),
    "failed": ("imagesearch_pictures_failed", "Pending pictures whose vector failed."),
    "of_other_models": ("imagesearch_pictures_of_other_models", "Pictures with a vector of an inactive model only."),
    "switch_preparing": ("imagesearch_model_switch_preparing", "Whether switch_model is preparing other models."),
    "switch_copying": ("imagesearch_model_switch_copying", "Whether vectors are still to be copied after a switch."),
    "reports": ("imagesearch_reports_open", "Open reports."),
    "owed": ("imagesearch_owed_deletions", "Deleted pictures whose objects are pending deletion."),
    "owed_seconds": ("imagesearch_owed_deletions_oldest_seconds", "Age of the oldest pending deletion."),
    "index_present": ("imagesearch_index_present", "Whether the vector index exists."),
    "index_valid": ("imagesearch_index_valid", "Whether the vector index is valid."),
    "index_under_way": (
        "imagesearch_index_being_built",
        "Whether the vector index is dropped for a load, or being built.",
    ),
    "index_bytes": ("imagesearch_index_bytes", "Size of the vector index."),
    "vectors_bytes": ("imagesearch_vectors_bytes", "Size of the active vector tables, with indexes."),
    "table_bytes": ("imagesearch_table_bytes", "Size of the table of pictures, with indexes."),
    "database_bytes": ("imagesearch_database_bytes", "Size of the database."),
    "connections": ("imagesearch_database_connections", "Client connections to the database server."),
    "connections_limit": ("imagesearch_database_connections_limit", "Maximum connections of the database server."),
}

_State = tuple[dict[str, Any], tuple[Any, ...] | None]
_lock = threading.Lock()
_cached: tuple[float, _State | None] = (float("-inf"), None)


class Build(Collector):
    """Version information."""

    def __init__(self, version: str) -> None:
        self._labels = {"version": version, "python": python_version(), "django": django.get_version()}

    def collect(self) -> Iterable[Metric]:
        metric = GaugeMetricFamily("imagesearch_build_info", "What is running.", labels=list(self._labels))
        metric.add_metric(list(self._labels.values()), 1.0)
        yield metric


class Figures(Collector):
    """Gauges from the database."""

    def collect(self) -> Iterable[Metric]:
        state = _state()
        yield _gauge("imagesearch_database_up", "Whether the database has answered.", state is not None)
        if state is None:
            return
        row, run = state
        for key, (name, help_text) in _GAUGES.items() if row else ():
            yield _gauge(name, help_text, row[key])
        if run:
            yield from _of_run(run)


def _of_run(run: tuple[Any, ...]) -> Iterator[Metric]:
    started, ended, added, known, deleted, failed, state, last_done = run
    pictures = GaugeMetricFamily(
        "imagesearch_ingest_last_run_pictures", "Pictures of the last run by result.", labels=["result"]
    )
    for result, count in (("added", added), ("known", known), ("deleted", deleted), ("failed", failed)):
        pictures.add_metric([result], float(count))
    yield pictures
    states = GaugeMetricFamily(
        "imagesearch_ingest_last_run_state", "State of the last run, 1 for the present one.", labels=["state"]
    )
    for one in ("running", "done", "stopped", "failed", "killed"):
        states.add_metric([one], float(one == state))
    yield states
    yield _gauge("imagesearch_ingest_last_run_started_seconds", "When it began, in Unix time.", started)
    if ended is not None:
        yield _gauge("imagesearch_ingest_last_run_ended_seconds", "When it ended, in Unix time.", ended)
    if last_done is not None:
        yield _gauge("imagesearch_ingest_last_done_seconds", "When a run last finished, in Unix time.", last_done)


def _gauge(name: str, help_text: str, value: Any) -> Metric:
    return GaugeMetricFamily(name, help_text, value=float(value))


def forget() -> None:
    """Drop the cache."""
    global _cached  # noqa: PLW0603 - what this process knows
    _cached = (float("-inf"), None)


def _state() -> _State | None:
    """Return the figures; None if the database does not respond."""
    global _cached  # noqa: PLW0603 - what this process knows
    with _lock:
        asked, state = _cached
        if time.monotonic() > asked + CACHED_FOR:
            state = _asked()
            _cached = time.monotonic(), state
    return state


def _asked() -> _State | None:
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL statement_timeout = '{_PATIENCE}'")
            table = current_set(active_model())
            leaves = table.leaves if table else []
            indexes = [index_name(leaf) for leaf in leaves]
            asked: dict[str, Any] = {"model": active_model(), "accepted": list(accepted_names(active_model()))}
            cursor.execute(_ONE_ROW, {**asked, "leaves": leaves, "indexes": indexes})
            columns = [column.name for column in cursor.description or ()]
            row = dict(zip(columns, cursor.fetchone(), strict=True))
            row["index_under_way"] = table is not None and is_under_way(table)
            cursor.execute(_LAST_RUN)
            return row, cursor.fetchone()
    except (DatabaseError, InterfaceError) as error:
        if isinstance(error, (OperationalError, InterfaceError)) and not isinstance(error.__cause__, QueryCanceled):
            return None  # reported by `imagesearch_database_up` and by failing requests
        # For instance not migrated, or overloaded.
        logger.warning("Metrics of the collection can't be read: %s", error)
        return {}, None
