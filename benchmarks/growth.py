"""Scaling of searches and filters with the collection, from 30,000 rows to a million."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from benchmarks import filters
from benchmarks.benchmark_environment import fill_up_to
from benchmarks.resumable_measurements import Kept


def growth(sizes: Sequence[int], queries: int, photos: Sequence[Path], kept: Kept) -> str:
    """Fill the collection to each of `sizes` and run all kinds of searches."""

    def measured(rows: int) -> tuple[str, float]:
        fill_up_to(rows, photos)
        outcomes = filters.measure(queries)
        return filters.filters_table(rows, outcomes, _index_size()), outcomes[0].milliseconds

    tables, medians = [], {}
    for rows in sizes:
        text, medians[rows] = kept.once(f"growth, {rows}", partial(measured, rows))
        tables.append(text)
    first = sizes[0]
    ratios = [f"{medians[rows] / medians[first]:.2f} times at {rows:,} rows" for rows in sizes[1:]]
    return "\n\n".join(
        [*tables, f"A search without a filter takes, of its time at {first:,} rows: {', '.join(ratios)}."]
    )


def _index_size() -> str:
    from django.db import connection  # noqa: PLC0415 - after make_world

    from search.embedding import active_model  # noqa: PLC0415
    from search.models.vector_sets import current_set, index_name  # noqa: PLC0415

    table = current_set(active_model())
    assert table
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT sum(pg_relation_size(leaf::regclass))::bigint >> 20 FROM unnest(%s) AS leaf",
            [[index_name(leaf) for leaf in table.leaves]],
        )
        (index,) = cursor.fetchone()
        cursor.execute(
            "SELECT sum(pg_table_size(leaf::regclass))::bigint >> 20, pg_total_relation_size('search_image') >> 20,"
            " current_setting('shared_buffers') FROM unnest(%s) AS leaf",
            [table.leaves],
        )
        vectors, images, buffers = cursor.fetchone()
    return f"Index {index:,} MB, vectors {vectors:,} MB, images {images:,} MB, shared_buffers {buffers}."
