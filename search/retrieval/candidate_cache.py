"""Cache of ranked candidates, so that further pages of a search need no new candidate generation.

Entries are as of the first page, which is what later pages show in any case: new arrivals are left out, and rows
hidden or deleted since leave gaps.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from search.embedding import active_model, text_model
from search.monitoring import event_counters
from search.query.query import SearchQuery
from search.query.viewer import asker
from search.retrieval.ranking_and_bands import Candidate

CACHED_FOR = 600
"""Seconds before an entry expires."""
MOST = 128
"""Maximum number of searches cached per process, 50 kB each."""


@dataclass(frozen=True, slots=True)
class CachedCandidates:
    """Candidates, best first, the properties of their `CandidateSearch`, and the number of the last change known to
    them."""

    candidates: Sequence[Candidate]
    reach: float
    more_hold_words: bool
    changed: int


_cache: OrderedDict[tuple[str, SearchQuery], tuple[float, CachedCandidates]] = OrderedDict()
_lock = threading.Lock()


def cache_candidates(query: SearchQuery, seen: int, entry: CachedCandidates) -> None:
    """Cache the candidates of a search whose further pages have `seen` in their address."""
    with _lock:
        _cache[_key(query, seen)] = time.monotonic(), entry
        if len(_cache) > MOST:
            _cache.popitem(last=False)


def cached_candidates(query: SearchQuery) -> CachedCandidates | None:
    """Return the cached candidates for a later page of a search, if there are any."""
    if query.seen is None:
        return None
    with _lock:
        made, entry = _cache.get(_key(query, query.seen), (0.0, None))
    is_kept = entry is not None and time.monotonic() - made < CACHED_FOR
    event_counters.looked_up("candidates", found=is_kept)
    return entry if is_kept else None


def forget_candidates() -> None:
    with _lock:
        _cache.clear()


def _key(query: SearchQuery, seen: int) -> tuple[str, SearchQuery]:
    """Includes the user, since users may see different pictures."""
    return f"{active_model()}\n{text_model()}\n{asker().user.pk}", query.replace(seen=seen, all_shown=False)
