"""Count searches per day, their duration, and those without strong matches.

Totals over all users, without names; search texts are only kept with KEEP_UNANSWERED. Counted in the memory of each
process and added to the database by a thread every half minute, so that searches never wait.
"""

import datetime as dt
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from search.concurrency.background_threads import keep_doing
from search.models import UnansweredWords
from search.models.sql_statements import execute
from search.query import Filters, Mode, SearchQuery
from search.retrieval import ResultPage

WRITTEN_EACH = 30.0
"""Seconds between two writes."""
SLOW = 1.0
"""Seconds from which a search is slow."""
MOST_WORDS = 500
"""Maximum number of different texts kept in memory between two writes."""
MOST_KEPT = 10_000
"""Maximum number of different texts stored: the oldest are deleted."""
LONGEST_WORDS = 200


@dataclass
class _Tally:
    searches: int = 0
    nothing_strong: int = 0
    unmeasured: int = 0
    seconds: float = 0.0
    slow: int = 0
    slowest: float = 0.0
    slowest_by: str = ""
    words: dict[str, int] = field(default_factory=dict)


_NO_FILTERS = Filters()
_ADDED = ("searches", "nothing_strong", "unmeasured", "seconds", "slow")
_lock = threading.Lock()
_days: dict[dt.date, _Tally] = {}


class Timed:
    """A running search; its results are set when available."""

    results: ResultPage | None = None


@contextmanager
def counted(query: SearchQuery) -> Iterator[Timed]:
    """Count the search in the block, if it has results and is not a further page nor without any conditions."""
    timed, began = Timed(), time.perf_counter()
    yield timed
    is_one = query.page == 1 and not (query.is_empty and query.all_filters == _NO_FILTERS)
    if timed.results is not None and is_one:
        _count(query, timed.results, time.perf_counter() - began)


def _count(query: SearchQuery, results: ResultPage, seconds: float) -> None:
    with _lock:
        tally = _days.setdefault(timezone.now().date(), _Tally())
        tally.searches += 1
        tally.seconds += seconds
        tally.slow += seconds >= SLOW
        if seconds > tally.slowest:
            tally.slowest, tally.slowest_by = seconds, kind_of(query)
        if query.is_empty:  # filters only: no relevance
            return
        if results.strong:
            return
        if results.scale is None and query.mode != Mode.WORDS:
            tally.unmeasured += 1
        else:
            tally.nothing_strong += 1
            words = " ".join(query.words.split())[:LONGEST_WORDS]
            if settings.KEEP_UNANSWERED and words and (words in tally.words or len(tally.words) < MOST_WORDS):
                tally.words[words] = tally.words.get(words, 0) + 1


def kind_of(query: SearchQuery) -> str:
    """Return what kinds of parts a search has, never their values: "words, picture, filters"."""
    kinds = dict.fromkeys(str(part.kind) for part in (*query.wanted, *query.unwanted))
    return ", ".join([*kinds, *(["filters"] if query.all_filters != _NO_FILTERS else [])])


def write() -> None:
    """Add this process's counts to the database. Raises database errors, and keeps the counts then."""
    with _lock:
        days = dict(_days)
        _days.clear()
    if not days:
        return
    try:
        with transaction.atomic():
            for day, tally in sorted(days.items()):
                _write(day, tally)
    except BaseException:
        with _lock:
            for day, tally in days.items():
                _add(_days.setdefault(day, _Tally()), tally)
        raise


def _add(to: _Tally, other: _Tally) -> None:
    for name in _ADDED:
        setattr(to, name, getattr(to, name) + getattr(other, name))
    if other.slowest > to.slowest:
        to.slowest, to.slowest_by = other.slowest, other.slowest_by
    for words, count in list(other.words.items())[: MOST_WORDS - len(to.words)]:
        to.words[words] = to.words.get(words, 0) + count


def _write(day: dt.date, tally: _Tally) -> None:
    execute(
        "INSERT INTO search_searchday AS its"
        " (day, searches, nothing_strong, unmeasured, seconds, slow, slowest, slowest_by)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (day) DO UPDATE SET"
        " searches = its.searches + excluded.searches,"
        " nothing_strong = its.nothing_strong + excluded.nothing_strong,"
        " unmeasured = its.unmeasured + excluded.unmeasured,"
        " seconds = its.seconds + excluded.seconds,"
        " slow = its.slow + excluded.slow,"
        " slowest_by = CASE WHEN excluded.slowest > its.slowest THEN excluded.slowest_by"
        " ELSE its.slowest_by END,"
        " slowest = greatest(its.slowest, excluded.slowest)",
        [day, *(getattr(tally, name) for name in (*_ADDED, "slowest", "slowest_by"))],
    )
    # Prefixes of longer texts come from searching while typing: skip them.
    whole = [one for one in tally.words if not any(other != one and other.startswith(one) for other in tally.words)]
    execute(
        "INSERT INTO search_unansweredwords AS its (words, count)"
        " SELECT * FROM unnest(%s::text[], %s::int[]) AS given (words, count) ORDER BY words"
        " ON CONFLICT (words) DO UPDATE SET count = its.count + excluded.count, last = now()",
        [whole, [tally.words[one] for one in whole]],
    )


def forget_some() -> bool:
    """Delete days and texts older than RUNS_DAYS, and all texts if they are not to be kept."""
    until = timezone.now() - dt.timedelta(days=settings.RUNS_DAYS)
    execute("DELETE FROM search_searchday WHERE day < %s", [until.date()])
    if not settings.KEEP_UNANSWERED:
        execute("DELETE FROM search_unansweredwords")
        return False
    execute("DELETE FROM search_unansweredwords WHERE last < %s", [until])
    execute(
        "DELETE FROM search_unansweredwords WHERE words IN"
        " (SELECT words FROM search_unansweredwords ORDER BY last DESC OFFSET %s)",
        [MOST_KEPT],
    )
    return False


def most_unanswered(count: int) -> list[tuple[str, int]]:
    """Return the texts that most often had no strong match; none if they are not kept."""
    if not settings.KEEP_UNANSWERED:
        return []
    return list(UnansweredWords.objects.order_by("-count", "words").values_list("words", "count")[:count])


def keep_writing(every: float = WRITTEN_EACH) -> threading.Event:
    """Write periodically in the background until the returned event is set."""
    return keep_doing(write, every, "searches", "Searches could not be counted")
