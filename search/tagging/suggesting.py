"""Compare pictures with the phrases of all tags and suggest what stands out: for `manage.py suggest_tags`, and
periodically in servers.

A batch of pictures is compared and its suggestions are written in one transaction. How far pictures were compared is
recorded at the very end: repeating a killed run changes nothing.
"""

import datetime as dt
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from django.db import transaction
from django.db.models import Exists, OuterRef

from search.embedding import active_model, text_model
from search.indexing.exact_search import vectors_of
from search.models import Arrival, Image, TagSuggestion, TagVector, VocabularyTag
from search.models.advisory_locks import try_lock
from search.models.arrivals import state
from search.models.sql_statements import execute, fetch_all, fetch_column, fetch_value
from search.models.vector_sets import VectorTable, current_set
from search.models.vector_values import Vectors
from search.query.tag_names import Names, read_names
from search.relevance.band_thresholds import measurements, scale_of
from search.relevance.threshold_derivation import understood
from search.tagging.suggestion_threshold import Measure, threshold
from search.tagging.vocabulary import MEASURED, as_matrix, kept_vectors

BATCH = 4_000
"""Pictures per transaction."""
MOST_DECISIONS = 2_000
"""Number of latest decisions, per tag, that determine its threshold."""
_LOCK = 0x73756767


@dataclass(slots=True)
class Found:
    """The result of a run: pictures compared, and new suggestions.

    `is_measured`: the calibration, without which no suggestion is made, exists; `is_done`: everything was compared,
    and nothing left to another process.
    """

    compared: int = 0
    suggested: int = 0
    is_measured: bool = True
    is_done: bool = True


def is_due() -> bool:
    """Whether a phrase has no vector, or pictures arrived or were calibrated since they were compared with it."""
    arrived = state().arrived
    return bool(
        fetch_value(
            "WITH known AS (SELECT measured FROM search_calibration"
            " WHERE model = %(model)s AND text_model = %(words)s)"
            " SELECT EXISTS (SELECT FROM search_vocabularytag AS tag LEFT JOIN search_tagvector AS its"
            " ON its.tag_id = tag.id AND its.phrase = tag.phrase AND its.model = %(model)s"
            " AND its.text_model = %(words)s WHERE tag.phrase <> '' AND (its.id IS NULL"
            " OR its.compared < %(arrived)s"
            " OR its.calibrated IS DISTINCT FROM (SELECT measured FROM known)))",
            {"model": active_model(), "words": text_model(), "arrived": arrived},
        )
    )


def suggest(
    *,
    again: bool = False,
    patient: bool = False,
    stop: threading.Event | None = None,
    progress: Callable[[int], None] = lambda count: None,
) -> Found:
    """Compare new pictures with all tags, and all pictures with tags that are new or have another threshold; with
    `again`, all with all. Tags without a vector are skipped.

    Decisions don't change. While another process is doing this, it is left to that one, unless `patient`, which waits.
    `progress` is called with the number of pictures compared so far.
    """
    found = Found()
    _delete_without_phrase()
    table, measured = current_set(active_model()), _measured()
    kept = kept_vectors()
    if table is None or measured is None or not kept:
        found.is_measured = measured is not None
        return found
    stop = stop or threading.Event()
    arrived = max(state().arrived, 1)
    due = [row for row in kept if again or not row.compared or row.calibrated != measured]
    known = [row for row in kept if row not in due and row.compared < arrived]
    was = {row.pk: (row.compared, row.threshold) for row in kept}
    _measure(due, table)
    names = read_names()
    for rows, after in ((known, min((row.compared for row in known), default=0)), (due, 0)):
        comparing = _Comparing(rows, table, names, patient)
        for ids in _pictures(after) if rows else ():
            if stop.is_set() or not comparing.compare(ids, found):
                found.is_done = False
                return found
            progress(found.compared)
    _note(due + known, arrived, measured, was)
    return found


def _delete_without_phrase() -> None:
    """Delete pending suggestions of tags that have no phrase any more."""
    silent = VocabularyTag.objects.filter(phrase="")
    TagSuggestion.objects.filter(state=TagSuggestion.State.PENDING, tag__in=silent).delete()


def _measured() -> dt.datetime | None:
    return measurements().values_list("measured", flat=True).first()


def _measure(rows: Sequence[TagVector], table: VectorTable) -> None:
    """Compute thresholds from the calibration and people's decisions."""
    if not rows:
        return
    compare_decided(rows, table)
    decided = decisions([row.tag_id for row in rows])
    vectors = as_matrix(rows)
    known = understood([row.phrase for row in rows], vectors)
    for row, vector, is_known in zip(rows, vectors, known, strict=True):
        scale = scale_of(vector, pictures=0.0)
        if not is_known:
            row.threshold = None
        elif scale is not None:
            measure = Measure.of(scale)
            row.strong, row.related, row.spread = measure.strong, measure.related, measure.spread
            row.threshold = threshold(measure, *decided.get(row.tag_id, ([], [])))


def compare_decided(rows: Sequence[TagVector], table: VectorTable) -> None:
    """Update the similarities of decided pictures with these tags."""
    execute(
        "UPDATE search_tagsuggestion AS its SET similarity = found.best FROM"  # noqa: S608 - names are ours
        " (SELECT one.tag_id, one.image_id, max(1 - (near.embedding <=> phrase.embedding)) AS best"
        " FROM search_tagsuggestion AS one JOIN search_tagvector AS phrase"
        " ON phrase.tag_id = one.tag_id AND phrase.id = ANY(%s)"
        f" JOIN {table.table} AS near ON near.image_id = one.image_id"
        " WHERE one.state <> 'pending' GROUP BY 1, 2) AS found"
        " WHERE its.tag_id = found.tag_id AND its.image_id = found.image_id"
        " AND its.similarity IS DISTINCT FROM found.best",
        [[row.pk for row in rows]],
    )


def decisions(tag_ids: Sequence[int]) -> dict[int, tuple[list[float], list[float]]]:
    """Return, by tag, the similarities of pictures for which it was accepted, and rejected, most recently."""
    found: dict[int, tuple[list[float], list[float]]] = {}
    rows = fetch_all(
        "SELECT one.tag_id, one.state, one.similarity FROM unnest(%s::bigint[]) AS its (id) CROSS JOIN LATERAL"
        " (SELECT * FROM search_tagsuggestion WHERE tag_id = its.id AND state <> 'pending'"
        " AND similarity IS NOT NULL ORDER BY decided DESC LIMIT %s) AS one",
        [list(tag_ids), MOST_DECISIONS],
    )
    for tag_id, decision, similarity in rows:
        accepted, rejected = found.setdefault(tag_id, ([], []))
        (accepted if decision == "accepted" else rejected).append(similarity)
    return found


def _pictures(after: int) -> Iterator[list[uuid.UUID]]:
    """Yield batches of ids of pictures with a vector, including hidden ones, that became searchable after an arrival
    number, 0 for all."""
    images = Image.objects.kept().with_vectors_of(active_model())
    if after:
        came = Arrival.objects.filter(image=OuterRef("pk"), searchable__gt=after)
        images = images.filter(Exists(came))
    last = uuid.UUID(int=0)
    while ids := list(images.filter(pk__gt=last).order_by("pk").values_list("pk", flat=True)[:BATCH]):
        yield ids
        last = ids[-1]


class _Comparing:
    """Compares pictures with tags that have thresholds."""

    def __init__(self, rows: Sequence[TagVector], table: VectorTable, names: Names, patient: bool) -> None:
        self._rows, self._table, self._patient = rows, table, patient
        self._vectors = as_matrix(rows)
        self._thresholds = np.array([np.inf if row.threshold is None else row.threshold for row in rows])
        # A picture with a narrower tag or a synonym has this one.
        self._names = [{name.casefold() for name in names.found_by(row.tag.name)} for row in rows]
        self._tag_ids = np.array([row.tag_id for row in rows])

    def compare(self, ids: Sequence[uuid.UUID], found: Found) -> bool:
        """Compare and write one batch; return False if it was left to another process."""
        there, scores = self._scores(ids)
        pictures, tags = np.nonzero(scores >= self._thresholds) if len(there) else (np.zeros(0, int),) * 2
        with transaction.atomic():
            if not self._has_lock():
                return False
            lacking = self._lacking(there, pictures, tags)
            pictures, tags = pictures[lacking], tags[lacking]
            found.suggested += self._write(ids, [there[one] for one in pictures], tags, scores[pictures, tags])
        found.compared += len(ids)
        return True

    def _scores(self, ids: Sequence[uuid.UUID]) -> tuple[list[uuid.UUID], Vectors]:
        """Return the pictures with vectors, and the best score of each with each tag."""
        vectors = vectors_of(self._table, ids)
        if not vectors:
            return [], np.zeros((0, len(self._rows)), dtype=np.float32)
        starts = np.cumsum([0, *(len(own) for own in vectors.values())])[:-1]
        scores = np.concatenate(list(vectors.values())) @ self._vectors.T
        best: Vectors = np.maximum.reduceat(scores, starts, axis=0)
        return list(vectors), best

    def _has_lock(self) -> bool:
        if not self._patient:
            return try_lock(_LOCK)
        execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        return True

    def _lacking(self, there: Sequence[uuid.UUID], pictures: "np.ndarray", tags: "np.ndarray") -> list[int]:
        """Return the indices of those pairs whose picture does not have the tag."""
        asked = [there[one] for one in np.unique(pictures)]
        rows = Image.objects.filter(pk__any_of=asked).exclude(tags=[]).order_by().values_list("pk", "tags")
        own = {image_id: {tag.casefold() for tag in has} for image_id, has in rows}
        if not own:
            return list(range(len(pictures)))
        return [
            place
            for place, (picture, tag) in enumerate(zip(pictures.tolist(), tags.tolist(), strict=True))
            if there[picture] not in own or self._names[tag].isdisjoint(own[there[picture]])
        ]

    def _write(
        self, ids: Sequence[uuid.UUID], images: Sequence[uuid.UUID], tags: "np.ndarray", similarities: Vectors
    ) -> int:
        """Replace the pending suggestions of these pictures; return how many are new."""
        given = [self._tag_ids[tags].tolist(), list(images), similarities.tolist()]
        execute(
            "DELETE FROM search_tagsuggestion AS its WHERE state = 'pending' AND image_id = ANY(%s)"
            " AND tag_id = ANY(%s) AND NOT EXISTS"
            " (SELECT FROM unnest(%s::bigint[], %s::uuid[]) AS given (tag, image)"
            " WHERE given.tag = its.tag_id AND given.image = its.image_id)",
            [list(ids), self._tag_ids.tolist(), *given[:2]],
        )
        is_new = fetch_column(
            "INSERT INTO search_tagsuggestion AS known (tag_id, image_id, similarity)"
            " SELECT given.tag, image.id, given.similarity"
            " FROM unnest(%s::bigint[], %s::uuid[], %s::float8[]) AS given (tag, image, similarity)"
            " JOIN search_image AS image ON image.id = given.image"
            " JOIN search_vocabularytag AS tag ON tag.id = given.tag ORDER BY image.id, given.tag"
            " ON CONFLICT (tag_id, image_id) DO UPDATE SET similarity = excluded.similarity"
            " WHERE known.state = 'pending' AND known.similarity IS DISTINCT FROM excluded.similarity"
            " RETURNING xmax = 0",
            given,
        )
        return sum(is_new)


def _note(
    rows: Sequence[TagVector], arrived: int, measured: dt.datetime, was: dict[int, tuple[int, float | None]]
) -> None:
    """Record how far, and with which thresholds, pictures were compared; tags with decisions meanwhile stay due."""
    with transaction.atomic():
        now = {row.pk: row for row in TagVector.objects.filter(pk__in=was).select_for_update().order_by("pk")}
        done = [row for row in rows if row.pk in now and (now[row.pk].compared, now[row.pk].threshold) == was[row.pk]]
        for row in done:
            row.compared, row.calibrated, row.reached = arrived, measured, row.threshold
        TagVector.objects.bulk_update(done, ["compared", *MEASURED], batch_size=500)
