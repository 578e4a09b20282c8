"""Pictures are compared with the phrases of all tags, and what stands out is suggested: what `manage.py suggest_tags`
does, and a server now and then.

A batch of pictures is compared, and what stands out among it is written, in a transaction. How far pictures were
compared is written at the very end: a run that was killed is repeated, which changes nothing of what it did.
"""

import datetime as dt
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from django.db import connection, transaction
from django.db.models import Exists, OuterRef

from search.embedding import active_model, text_model
from search.indexing.exact_search import vectors_of
from search.models import Arrival, Image, TagSuggestion, TagVector, VocabularyTag
from search.models.arrivals import state
from search.models.database import try_lock
from search.models.vector_sets import VectorTable, current_set
from search.models.vector_values import Vectors
from search.query.tag_names import Names, read_names
from search.relevance.bands import measurements, scale_of
from search.tagging.thresholds import Measure, threshold
from search.tagging.vocabulary import MEASURED, as_matrix, kept_vectors

BATCH = 4_000
"""Pictures in a transaction."""
MOST_DECISIONS = 2_000
"""The newest of them, of each tag, decide its threshold."""
SAME_TO_THE_MODEL, MOST_ALIKE = 0.99, 3
"""Of so many other phrases with a vector as near as that, none can be told from the others."""
_LOCK = 0x73756767


@dataclass(slots=True)
class Found:
    """What a run has brought: pictures that were compared, and suggestions that are new among them.

    `is_measured` says whether the calibration, without which nothing stands out, is there; `is_done` whether all was
    compared, and not left to another process that is at it.
    """

    compared: int = 0
    suggested: int = 0
    is_measured: bool = True
    is_done: bool = True


def is_due() -> bool:
    """Whether a phrase has no vector, or pictures have come, or were measured, since they were compared with some."""
    arrived = state().arrived
    with connection.cursor() as cursor:
        cursor.execute(
            "WITH known AS (SELECT measured FROM search_calibration"
            " WHERE model = %(model)s AND text_model = %(words)s)"
            " SELECT EXISTS (SELECT FROM search_vocabularytag AS tag LEFT JOIN search_tagvector AS its"
            " ON its.tag_id = tag.id AND its.phrase = tag.phrase AND its.model = %(model)s"
            " AND its.text_model = %(words)s WHERE tag.phrase <> '' AND (its.id IS NULL"
            " OR its.compared < %(arrived)s"
            " OR its.calibrated IS DISTINCT FROM (SELECT measured FROM known)))",
            {"model": active_model(), "words": text_model(), "arrived": arrived},
        )
        return bool(cursor.fetchone()[0])


def suggest(
    *,
    again: bool = False,
    patient: bool = False,
    stop: threading.Event | None = None,
    progress: Callable[[int], None] = lambda count: None,
) -> Found:
    """Compare what is new with all tags, and all pictures with tags that are new, or whose threshold is; `again`, all
    with all. Tags that nobody has encoded are left out.

    Nothing that people have decided changes. Where another process is at it, it is left to that, unless `patient`.
    `progress` is told how many pictures were compared so far.
    """
    found = Found()
    _forget_silent()
    table, measured = current_set(active_model()), _measured()
    kept = kept_vectors()
    if table is None or measured is None or not kept:
        found.is_measured = measured is not None
        return found
    stop = stop or threading.Event()
    arrived = max(state().arrived, 1)
    anew = [row for row in kept if again or not row.compared or row.calibrated != measured]
    known = [row for row in kept if row not in anew and row.compared < arrived]
    was = {row.pk: (row.compared, row.threshold) for row in kept}
    _measure(anew, table)
    names = read_names()
    for rows, after in ((known, min((row.compared for row in known), default=0)), (anew, 0)):
        comparing = _Comparing(rows, table, names, patient)
        for ids in _pictures(after) if rows else ():
            if stop.is_set() or not comparing.compare(ids, found):
                found.is_done = False
                return found
            progress(found.compared)
    _note(anew + known, arrived, measured, was)
    return found


def _forget_silent() -> None:
    """Forget what was suggested of tags that have no phrase any more."""
    silent = VocabularyTag.objects.filter(phrase="")
    TagSuggestion.objects.filter(state=TagSuggestion.State.PENDING, tag__in=silent).delete()


def _measured() -> dt.datetime | None:
    return measurements().values_list("measured", flat=True).first()


def _measure(rows: Sequence[TagVector], table: VectorTable) -> None:
    """Give these their thresholds, by what the collection scores now and by what people have decided."""
    if not rows:
        return
    compare_decided(rows, table)
    decided = decisions([row.tag_id for row in rows])
    for row, vector, is_known in zip(rows, as_matrix(rows), _understood(rows), strict=True):
        scale = scale_of(vector, pictures=0.0)
        if not is_known:
            row.threshold = None
        elif scale is not None:
            measure = Measure.of(scale)
            row.strong, row.related, row.spread = measure.strong, measure.related, measure.spread
            row.threshold = threshold(measure, *decided.get(row.tag_id, ([], [])))


def _understood(rows: Sequence[TagVector]) -> Sequence[bool]:
    """Tell which phrases say something to the model: it gives the same vector for all that it knows no word of."""
    vectors = as_matrix(rows)
    phrases = np.array([row.phrase.casefold() for row in rows])
    alike = (vectors @ vectors.T >= SAME_TO_THE_MODEL) & (phrases[:, None] != phrases)
    known: list[bool] = (alike.sum(axis=1) < MOST_ALIKE).tolist()
    return known


def compare_decided(rows: Sequence[TagVector], table: VectorTable) -> None:
    """Write down what the pictures that people have decided about score with these tags now."""
    with connection.cursor() as cursor:
        cursor.execute(
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
    """Return the similarities of pictures for which people have accepted, and rejected, each of these tags last."""
    found: dict[int, tuple[list[float], list[float]]] = {}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT one.tag_id, one.state, one.similarity FROM unnest(%s::bigint[]) AS its (id) CROSS JOIN LATERAL"
            " (SELECT * FROM search_tagsuggestion WHERE tag_id = its.id AND state <> 'pending'"
            " AND similarity IS NOT NULL ORDER BY decided DESC LIMIT %s) AS one",
            [list(tag_ids), MOST_DECISIONS],
        )
        for tag_id, state, similarity in cursor.fetchall():
            accepted, rejected = found.setdefault(tag_id, ([], []))
            (accepted if state == "accepted" else rejected).append(similarity)
    return found


def _pictures(after: int) -> Iterator[list[uuid.UUID]]:
    """Yield the ids of pictures that have a vector and came to be seen after a number of arrival; with 0 those of all,
    hidden ones too."""
    images = Image.objects.kept().with_vectors_of(active_model())
    if after:
        came = Arrival.objects.filter(image=OuterRef("pk"), searchable__gt=after)
        images = images.filter(Exists(came))
    last = uuid.UUID(int=0)
    while ids := list(images.filter(pk__gt=last).order_by("pk").values_list("pk", flat=True)[:BATCH]):
        yield ids
        last = ids[-1]


class _Comparing:
    """Compares pictures with some tags that have thresholds."""

    def __init__(self, rows: Sequence[TagVector], table: VectorTable, names: Names, patient: bool) -> None:
        self._rows, self._table, self._patient = rows, table, patient
        self._vectors = as_matrix(rows)
        self._thresholds = np.array([np.inf if row.threshold is None else row.threshold for row in rows])
        # Whoever has a narrower tag has this one.
        self._names = [{name.casefold() for name in names.found_by(row.tag.name)} for row in rows]
        self._tag_ids = np.array([row.tag_id for row in rows])

    def compare(self, ids: Sequence[uuid.UUID], found: Found) -> bool:
        """Write down what of these stands out; return whether that was done, and not left to another process."""
        there, scores = self._scores(ids)
        pictures, tags = np.nonzero(scores >= self._thresholds) if len(there) else (np.zeros(0, int),) * 2
        with transaction.atomic():
            if not self._is_alone():
                return False
            lacking = self._lacking(there, pictures, tags)
            pictures, tags = pictures[lacking], tags[lacking]
            found.suggested += self._write(ids, [there[one] for one in pictures], tags, scores[pictures, tags])
        found.compared += len(ids)
        return True

    def _scores(self, ids: Sequence[uuid.UUID]) -> tuple[list[uuid.UUID], Vectors]:
        """Return the pictures that have vectors, and what each scores with each tag by the best of them."""
        vectors = vectors_of(self._table, ids)
        if not vectors:
            return [], np.zeros((0, len(self._rows)), dtype=np.float32)
        starts = np.cumsum([0, *(len(own) for own in vectors.values())])[:-1]
        scores = np.concatenate(list(vectors.values())) @ self._vectors.T
        best: Vectors = np.maximum.reduceat(scores, starts, axis=0)
        return list(vectors), best

    def _is_alone(self) -> bool:
        if not self._patient:
            return try_lock(_LOCK)
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        return True

    def _lacking(self, there: Sequence[uuid.UUID], pictures: "np.ndarray", tags: "np.ndarray") -> list[int]:
        """Return the places of those pairs whose picture has not the tag."""
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
        """Have these be what is suggested of the pictures and nothing else; return how many are new."""
        given = [self._tag_ids[tags].tolist(), list(images), similarities.tolist()]
        with connection.cursor() as cursor:
            cursor.execute(
                "DELETE FROM search_tagsuggestion AS its WHERE state = 'pending' AND image_id = ANY(%s)"
                " AND tag_id = ANY(%s) AND NOT EXISTS"
                " (SELECT FROM unnest(%s::bigint[], %s::uuid[]) AS given (tag, image)"
                " WHERE given.tag = its.tag_id AND given.image = its.image_id)",
                [list(ids), self._tag_ids.tolist(), *given[:2]],
            )
            cursor.execute(
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
            return sum(is_new for (is_new,) in cursor.fetchall())


def _note(
    rows: Sequence[TagVector], arrived: int, measured: dt.datetime, was: dict[int, tuple[int, float | None]]
) -> None:
    """Write down how far, and by which thresholds, pictures were compared; what was decided meanwhile stays owed."""
    with transaction.atomic():
        now = {row.pk: row for row in TagVector.objects.filter(pk__in=was).select_for_update().order_by("pk")}
        done = [row for row in rows if row.pk in now and (now[row.pk].compared, now[row.pk].threshold) == was[row.pk]]
        for row in done:
            row.compared, row.calibrated, row.reached = arrived, measured, row.threshold
        TagVector.objects.bulk_update(done, ["compared", *MEASURED], batch_size=500)
