"""The counts: one statement each time, in which reading and adding can't be torn apart by others."""

import hashlib
import logging
import math
import uuid
from collections.abc import Mapping
from dataclasses import dataclass

from django.conf import settings
from django.core.cache import cache
from django.db import connection

from search.limits.sweeping import sweep_now_and_then

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
    """Something was done more often than `settings.LIMITS[kind]` allows; in `seconds` it may be done again."""

    def __init__(self, kind: str, seconds: int) -> None:
        super().__init__(f"More {kind} than LIMIT_{kind} allows, for {seconds} s.")
        self.kind, self.seconds = kind, seconds


@dataclass(frozen=True, slots=True)
class Counted:
    """What was counted, to be given back where it is not to count after all: a password that was right."""

    keys: tuple[uuid.UUID, ...] = ()
    cost: int = 1

    def give_back(self) -> None:
        if self.keys:
            with connection.cursor() as cursor:
                cursor.execute(_GIVE_BACK, [self.cost, list(self.keys)])


def count(asked: Mapping[str, str], cost: int = 1) -> Counted:
    """Count once more what is `asked`: who, by kind. Raises TooMany, and then nothing of it is counted.

    Not within a transaction, which would keep others waiting, and take the count back where it fails.
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
    with connection.cursor() as cursor:
        cursor.execute(_COUNT, [cost, list(limits), [rate.seconds for _kind, rate in limits.values()]])
        rows = cursor.fetchall()
    over = [(max(1, math.ceil(left)), limits[key][0]) for key, found, left in rows if found > limits[key][1].amount]
    if over:
        counted.give_back()
        seconds, kind = max(over)
        # A line each minute, not one for each of thousands.
        if cache.add(f"refused:{_key(kind, asked[kind])}", 1, 60):
            logger.warning("429: more often than LIMIT_%s allows, by %r", kind, asked[kind])
        raise TooMany(kind, seconds)
    return counted


def _key(*parts: object) -> uuid.UUID:
    """A digest with our secret: a copy of the table tells no addresses, which could be found by trying."""
    text = "\n".join(map(str, parts)).encode("utf-8", "replace")
    return uuid.UUID(bytes=hashlib.blake2b(text, digest_size=16, key=settings.SECRET_KEY.encode()[:64]).digest())
