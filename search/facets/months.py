"""Count pictures by month of taking, for the filter's chart and the timeline."""

import datetime as dt
from collections import Counter
from collections.abc import Iterator, Mapping

from django.db.models import F, Func, Value

from search.facets.filter_counts import Counts
from search.models.capture_metadata import WallTimeField
from search.query.date_spans import Span, month_of, year_of

MOST_BARS = 240
"""Number of months beyond which the chart shows years."""


def month_of_taking(column: str) -> Func:
    """Return an expression for the first moment of the month of a column."""
    return Func(Value("month"), F(column), function="date_trunc", output_field=WallTimeField())


def by_month(counts: Counts) -> dict[dt.date, int]:
    """Return how many images were taken in each month, by its first day, newest first, ignoring filters by date of
    taking."""
    found: Counter[dt.datetime] = counts.grouped(
        "months", month_of_taking("capture__taken"), "taken_since", "taken_until"
    )
    return {month.date(): found[month] for month in sorted(found, reverse=True)}


def by_year(months: Mapping[dt.date, int]) -> dict[int, int]:
    """Sum the months by year, newest first."""
    years: Counter[int] = Counter()
    for month, count in months.items():
        years[month.year] += count
    return dict(sorted(years.items(), reverse=True))


def bars(months: Mapping[dt.date, int]) -> list[tuple[Span, int]]:
    """Return all months, or years, from the first to the last with pictures, each with its count."""
    if not months:
        return []
    first, last = min(months), max(months)
    if (last.year - first.year) * 12 + last.month - first.month < MOST_BARS:
        return [(month_of(month.year, month.month), months.get(month, 0)) for month in _from_to(first, last)]
    years = by_year(months)
    return [(year_of(year), years.get(year, 0)) for year in range(first.year, last.year + 1)]


def _from_to(first: dt.date, last: dt.date) -> Iterator[dt.date]:
    month = first
    while month <= last:
        yield month
        month = month.replace(year=month.year + month.month // 12, month=month.month % 12 + 1)
