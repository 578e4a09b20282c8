"""The candidates of searches that somebody pages through, ranked: the next page need not gather them anew.

They are as they were when the first page was asked for. That is what later pages show in any case: what arrived
since stays out of them, and rows that are hidden or deleted since leave their places empty.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from search.embedding import active_model, text_model
from search.monitoring import recording
from search.query.query import SearchQuery
from search.query.viewer import asker
from search.retrieval.ranking import Candidate

REMEMBERED = 600
"""Seconds for which they are kept."""
MOST = 128
"""Searches that are kept, in each process: 50 kB each."""


@dataclass(frozen=True, slots=True)
class CachedCandidates:
    """Candidates, best first, what `CandidateSearch` tells of them, and the number of the last change that
    they know of."""

    candidates: Sequence[Candidate]
    reach: float
    more_hold_words: bool
    changed: int


_heads: OrderedDict[tuple[str, SearchQuery], tuple[float, CachedCandidates]] = OrderedDict()
_lock = threading.Lock()


def cache_candidates(query: SearchQuery, seen: int, head: CachedCandidates) -> None:
    """Keep the head of the search whose further pages are asked for with `seen`."""
    with _lock:
        _heads[_key(query, seen)] = time.monotonic(), head
        if len(_heads) > MOST:
            _heads.popitem(last=False)


def cached_candidates(query: SearchQuery) -> CachedCandidates | None:
    """Return the head of the search that `query` asks for a later page of, if it is kept."""
    if query.seen is None:
        return None
    with _lock:
        made, head = _heads.get(_key(query, query.seen), (0.0, None))
    is_kept = head is not None and time.monotonic() - made < REMEMBERED
    recording.looked_up("candidates", found=is_kept)
    return head if is_kept else None


def forget_candidates() -> None:
    with _lock:
        _heads.clear()


def _key(query: SearchQuery, seen: int) -> tuple[str, SearchQuery]:
    """Of each person, as not everybody finds the same."""
    return f"{active_model()}\n{text_model()}\n{asker().user.pk}", query.replace(seen=seen, all_shown=False)
