"""The counters: one atomic statement reads and increments."""

import hashlib
import logging
import math
import uuid
from collections.abc import Mapping
from dataclasses import dataclass

from django.conf import settings
from django.core.cache import cache

from search.limits.sweeping import sweep_now_and_then
from search.models.sql_statements import execute, fetch_all

logger = logging.getLogger(__name__)

_COUNT = """
    INSERT INTO search_tally AS known (id, count, until)
    SELECT id, %s, statement_timestamp() + make_interval(secs => seconds)
    FROM unnest(%s::uuid[], %s::int[]) AS asked (id, seconds) ORDER BY id
    ON CONFLICT (id) DO UPDATE SET
        count = CASE WHEN known.until <= statement_timestamp() THEN 0 ELSE known.count END + excluded.count,
        until = CASE WHEN known.until <= statement_timestamp() THEN excluded.until ELSE known.until END
    RETURNING id, count, extract(epoch FROM until - statement_timestamp())
"""
_GIVE_BACK = """
    UPDATE search_tally SET count = greatest(count - %s, 0)
    WHERE id IN (SELECT id FROM search_tally WHERE id = ANY(%s) ORDER BY id FOR UPDATE)
"""


class TooMany(Exception):
    """Something was done more often than `settings.LIMITS[kind]` allows; it may be done again in `seconds`."""

    def __init__(self, kind: str, seconds: int) -> None:
        super().__init__(f"LIMIT_{kind} exceeded: allowed again in {seconds} s.")
        self.kind, self.seconds = kind, seconds


@dataclass(frozen=True, slots=True)
class Counted:
    """A count that can be given back, as for a right password."""

    keys: tuple[uuid.UUID, ...] = ()
    cost: int = 1

    def give_back(self) -> None:
        if self.keys:
            execute(_GIVE_BACK, [self.cost, list(self.keys)])


def count(asked: Mapping[str, str], cost: int = 1) -> Counted:
    """Count one action, by kind and client. Raises TooMany, and then counts nothing.

    Not within a transaction, which would block others, and undo the count if it fails.
    """
    limits = {
        _key(kind, who, rate.amount, rate.seconds): (kind, rate)
        for kind, who in asked.items()
        for rate in settings.LIMITS.get(kind, ())
    }
    if not limits:
        return Counted()
    sweep_now_and_then()
    counted = Counted(tuple(limits), cost)
    rows = fetch_all(_COUNT, [cost, list(limits), [rate.seconds for _kind, rate in limits.values()]])
    over = [(max(1, math.ceil(left)), limits[key][0]) for key, found, left in rows if found > limits[key][1].amount]
    if over:
        counted.give_back()
        seconds, kind = max(over)
        # One line a minute rather than one per request.
        if cache.add(f"refused:{_key(kind, asked[kind])}", 1, 60):
            logger.warning("429: LIMIT_%s exceeded by %r", kind, asked[kind])
        raise TooMany(kind, seconds)
    return counted


def _key(*parts: object) -> uuid.UUID:
    """A keyed digest: a copy of the table reveals no addresses, which could otherwise be found by trying all."""
    text = "\n".join(map(str, parts)).encode("utf-8", "replace")
    return uuid.UUID(bytes=hashlib.blake2b(text, digest_size=16, key=settings.SECRET_KEY.encode()[:64]).digest())
