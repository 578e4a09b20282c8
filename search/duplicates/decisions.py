"""Store people's decisions about pairs: a settled group does not come back, and different pictures are never grouped
again."""

import uuid
from collections.abc import Collection
from typing import Any

from django.db.models.functions import Now

from search.models import DuplicatePair
from search.models.sql_statements import execute

_WRITE = """
INSERT INTO search_duplicatepair AS pair (first_id, second_id, kind, state, is_exact, decided, by_id)
SELECT one.id, other.id, %(kind)s, %(state)s, false, statement_timestamp(), %(by)s
FROM unnest(%(ones)s::uuid[]) AS one (id) CROSS JOIN unnest(%(others)s::uuid[]) AS other (id)
WHERE one.id <> other.id AND (one.id < other.id OR NOT %(within)s)
    AND EXISTS (SELECT FROM search_image WHERE id = one.id) AND EXISTS (SELECT FROM search_image WHERE id = other.id)
ORDER BY least(one.id, other.id), greatest(one.id, other.id)
ON CONFLICT (least(first_id, second_id), greatest(first_id, second_id))
DO UPDATE SET state = EXCLUDED.state, decided = EXCLUDED.decided, by_id = EXCLUDED.by_id
WHERE pair.state = 'pending' OR EXCLUDED.state = 'different'
"""


def settle(ids: Collection[uuid.UUID], *, by: Any, kind: str = DuplicatePair.Kind.SAME) -> None:
    """Settle all pairs among these few pictures: all of them stay."""
    _decide(ids, ids, DuplicatePair.State.SETTLED, by, kind, within=True)


def settle_around(one: uuid.UUID, others: Collection[uuid.UUID], *, by: Any) -> None:
    """Settle a group of any size around one picture: its known pairs, and those of this picture with the others."""
    _decide([one], others, DuplicatePair.State.SETTLED, by, DuplicatePair.Kind.SAME, within=False)
    ids = [one, *others]
    DuplicatePair.objects.filter(state=DuplicatePair.State.PENDING, first__in=ids, second__in=ids).update(
        state=DuplicatePair.State.SETTLED, decided=Now(), by=by
    )


def part(one: uuid.UUID, others: Collection[uuid.UUID], *, by: Any, kind: str = DuplicatePair.Kind.SAME) -> None:
    """Record that this picture differs from each of the others."""
    _decide([one], [other for other in others if other != one], DuplicatePair.State.DIFFERENT, by, kind, within=False)


def _decide(
    ones: Collection[uuid.UUID], others: Collection[uuid.UUID], state: str, by: Any, kind: str, *, within: bool
) -> None:
    execute(
        _WRITE,
        {
            "ones": sorted(ones),
            "others": sorted(others),
            "state": state,
            "kind": kind,
            "by": by.pk if by else None,
            "within": within,
        },
    )
