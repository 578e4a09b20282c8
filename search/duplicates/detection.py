"""Compare pictures with their nearest neighbours, for `manage.py find_duplicates`.

A batch is compared, its pairs written and marked as compared in one transaction: a killed run can be continued, and
several may run at once.
"""

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from search.duplicates import keypoint_matching as points
from search.duplicates.duplicate_thresholds import NEAR_ENOUGH, RESEMBLES, SIMILAR
from search.duplicates.hash_index import Hashes
from search.duplicates.pair_classification import Candidate, Judge, Verdict
from search.duplicates.thumbnail_features import MOST_AT_ONCE, SeenCache
from search.indexing.query_plan import joined_index_scan, planned
from search.models import Capture, DuplicatePair
from search.models.sql_statements import execute, fetch_all, fetch_column
from search.models.vector_sets import VectorTable

NEAREST = 24
_WIDTH = 80
"""`hnsw.ef_search`: picture queries need less than text queries, which are off the distribution of the vectors."""
_CROWDED = 0.02
"""Distance of the farthest result below which the search is widened: copies may have displaced others as near."""
_WIDER = (200, 1_000)


@dataclass(slots=True)
class Found:
    """The counts of a batch or a run."""

    compared: int = 0
    same: int = 0
    similar: int = 0

    def add(self, other: "Found") -> None:
        self.compared += other.compared
        self.same += other.same
        self.similar += other.similar


def _not_compared(ids: Sequence[uuid.UUID]) -> list[uuid.UUID]:
    return fetch_column(
        "SELECT image_id FROM search_fingerprint WHERE NOT is_compared AND image_id = ANY(%s) ORDER BY image_id",
        [list(ids)],
    )


class Comparing:
    """Compares pictures with their nearest by vector, and with all pictures with similar hashes.

    Not thread-safe. Without OpenCV, duplicates that only keypoints show are missed.
    """

    def __init__(self, table: VectorTable, hashes: Hashes) -> None:
        self._table, self._hashes, self._seen = table, hashes, SeenCache()

    def compare(self, ids: Sequence[uuid.UUID]) -> Found:
        """Compare these pictures and write the pairs found. Skips those without a vector, for later, and those that
        another process has compared meanwhile."""
        ids = _not_compared(ids)
        known = _known_pairs(ids)
        pairs = [*_exact_pairs(ids, known)]
        known.update(_key(pair) for pair in pairs)
        found: dict[tuple[uuid.UUID, uuid.UUID], Candidate] = {}
        for one in (*self._alike(ids), *_candidates(ids, self._table)):
            if one.key not in known:
                found.setdefault(one.key, one)
        pairs += self._same_or_similar(list(found.values()))
        with transaction.atomic():
            compared = _mark_compared(ids, self._table)
            written = _write(pairs)
        same = sum(pair.kind == DuplicatePair.Kind.SAME for pair in written)
        return Found(compared, same, len(written) - same)

    def _same_or_similar(self, candidates: Sequence[Candidate]) -> Iterator[DuplicatePair]:
        judge = Judge(self._seen.of, has_points=points.is_there())
        for start in range(0, len(candidates), MOST_AT_ONCE // 2):
            some = candidates[start : start + MOST_AT_ONCE // 2]
            self._seen.look_at(judge.looked_at(some))
            for one in some:
                if verdict := judge.judged(one):
                    yield _pair(one, verdict)

    def _alike(self, ids: Sequence[uuid.UUID]) -> Iterator[Candidate]:
        """Yield pairs with similar hashes."""
        for image, other, hashes in self._hashes.alike(ids):
            yield Candidate(image, other, None, hashes)


def _pair(one: Candidate, verdict: Verdict) -> DuplicatePair:
    return DuplicatePair(
        first_id=one.key[0],
        second_id=one.key[1],
        kind=DuplicatePair.Kind.SAME if verdict.is_same else DuplicatePair.Kind.SIMILAR,
        bits=one.bits,
        points=verdict.points or None,
        similarity=one.similarity,
    )


def _candidates(ids: Sequence[uuid.UUID], table: VectorTable) -> Iterator[Candidate]:
    """Yield, for each picture, those among its nearest that may be the same or a similar shot, nearest first."""
    waiting = list(ids)
    for count in (NEAREST, *_WIDER):
        rows: dict[uuid.UUID, list[Candidate]] = {}
        crowded = set()
        for one, is_crowded in _nearest(waiting, table, count):
            rows.setdefault(one.image, []).append(one)
            if is_crowded and count < _WIDER[-1]:
                crowded.add(one.image)
        waiting = list(crowded)
        for image, found in rows.items():
            if image not in crowded:
                yield from sorted(found, key=lambda one: -(one.similarity or 0))
        if not waiting:
            return


def _nearest(ids: Sequence[uuid.UUID], table: VectorTable, count: int) -> Iterator[tuple[Candidate, bool]]:
    """Yield the nearest candidates, and whether there may be more as near."""
    guessed = ", ".join(f"'{name}'" for name in Capture.GUESSED)
    taken = "CASE WHEN {0}.taken_from IN ({1}) THEN NULL ELSE {0}.taken END"
    distance = table.distance("near", "its")
    with planned(joined_index_scan(max(_WIDTH, 1.5 * count))):
        rows = fetch_all(
            f"SELECT its.image_id, found.image_id, found.distance, mine.perceptual, theirs.perceptual,"  # noqa: S608 - names are ours
            f" {taken.format('own', guessed)}, {taken.format('other', guessed)}, found.is_crowded"
            f" FROM {table.table} AS its CROSS JOIN LATERAL"
            f" (SELECT *, count(*) OVER () >= {count:d} AND max(distance) OVER () < {_CROWDED} AS is_crowded FROM"
            f" (SELECT near.image_id, {distance} AS distance FROM {table.table} AS near"
            f" WHERE near.window_index = 0 AND near.image_id <> its.image_id ORDER BY {distance} LIMIT {count:d})"
            " AS near) AS found"
            " JOIN search_fingerprint AS mine ON mine.image_id = its.image_id"
            " JOIN search_fingerprint AS theirs ON theirs.image_id = found.image_id"
            " LEFT JOIN search_capture AS own ON own.image_id = its.image_id"
            " LEFT JOIN search_capture AS other ON other.image_id = found.image_id"
            " WHERE its.image_id = ANY(%s) AND its.window_index = 0"
            # `Judge` rejects the others; most are filtered out here.
            " AND (mine.perceptual IS NULL OR theirs.perceptual IS NULL OR found.distance <= %s"
            " OR bit_count((mine.perceptual # theirs.perceptual)::bit(64)) <= %s)"
            " AND NOT EXISTS (SELECT FROM search_trashed WHERE image_id IN (its.image_id, found.image_id))",
            [list(ids), 1 - min(NEAR_ENOUGH, SIMILAR) + 1e-6, RESEMBLES],
        )
    for image, other, apart, mine, theirs, taken_mine, taken_theirs, is_crowded in rows:
        yield Candidate(image, other, 1 - apart, (mine, theirs), (taken_mine, taken_theirs)), is_crowded


def _exact_pairs(ids: Sequence[uuid.UUID], known: set[tuple[uuid.UUID, uuid.UUID]]) -> Iterator[DuplicatePair]:
    """Yield a pair for each picture with another one's pixels: chains that connect all copies, however many."""
    rows = fetch_all(
        "SELECT its.image_id, other.image_id FROM search_capture AS its CROSS JOIN LATERAL"
        " (SELECT image_id FROM search_capture AS same WHERE same.pixels = its.pixels"
        " AND same.image_id <> its.image_id"
        " AND NOT EXISTS (SELECT FROM search_trashed WHERE image_id = same.image_id)"
        " ORDER BY image_id LIMIT 1) AS other"
        " WHERE its.image_id = ANY(%s) AND its.pixels IS NOT NULL"
        " AND NOT EXISTS (SELECT FROM search_trashed WHERE image_id = its.image_id)",
        [list(ids)],
    )
    for pair in {(min(row), max(row)) for row in rows} - known:
        yield DuplicatePair(first_id=pair[0], second_id=pair[1], kind=DuplicatePair.Kind.SAME, is_exact=True, bits=0)


def _key(pair: DuplicatePair) -> tuple[uuid.UUID, uuid.UUID]:
    return min(pair.first_id, pair.second_id), max(pair.first_id, pair.second_id)


def _known_pairs(ids: Sequence[uuid.UUID]) -> set[tuple[uuid.UUID, uuid.UUID]]:
    return set(
        fetch_all(
            "SELECT least(first_id, second_id), greatest(first_id, second_id) FROM search_duplicatepair"
            " WHERE first_id = ANY(%s) OR second_id = ANY(%s)",
            [list(ids)] * 2,
        )
    )


def _mark_compared(ids: Sequence[uuid.UUID], table: VectorTable) -> int:
    return execute(
        "UPDATE search_fingerprint SET is_compared = true WHERE image_id IN (SELECT fingerprint.image_id"  # noqa: S608 - names are ours
        f" FROM search_fingerprint AS fingerprint JOIN {table.table} AS its"
        " ON its.image_id = fingerprint.image_id AND its.window_index = 0"
        " WHERE fingerprint.image_id = ANY(%s) ORDER BY 1 FOR NO KEY UPDATE OF fingerprint)",
        [list(ids)],
    )


def _write(pairs: Sequence[DuplicatePair]) -> list[DuplicatePair]:
    """Insert the pairs of images that exist; return those that were new."""
    if not pairs:
        return []
    rows: list[Sequence[Any]] = [
        (pair.first_id, pair.second_id, pair.kind, pair.is_exact, pair.bits, pair.points, pair.similarity)
        for pair in sorted(pairs, key=_key)
    ]
    kinds = ("uuid", "uuid", "text", "boolean", "smallint", "smallint", "float8")
    names = "first_id, second_id, kind, is_exact, bits, points, similarity"
    written = set(
        fetch_all(
            f"INSERT INTO search_duplicatepair ({names}, state)"  # noqa: S608 - names are ours
            f" SELECT {', '.join(f'given.{name}' for name in names.split(', '))}, 'pending'"
            f" FROM unnest({', '.join(f'%s::{kind}[]' for kind in kinds)}) AS given ({names})"
            " JOIN search_image AS one ON one.id = given.first_id JOIN search_image AS other ON other.id ="
            " given.second_id ON CONFLICT DO NOTHING RETURNING first_id, second_id",
            [list(column) for column in zip(*rows, strict=True)],
        )
    )
    return [pair for pair in pairs if (pair.first_id, pair.second_id) in written]
