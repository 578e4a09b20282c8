"""What unrelated pictures score in this collection, measured from a bank of queries and kept in the database."""

import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from search.embedding import active_model
from search.evaluation.bank import bank_vectors
from search.evaluation.levels import COPIES, SAME_PICTURE, different, measure, nearest_other
from search.models import Calibration, Image
from search.models.image import DIMENSIONS
from search.querying.gathering import CROWD
from search.querying.planning import EXACT_BELOW, SCAN, planned, walk
from search.querying.relevance import Levels, look_again
from search.vectors import Vector, Vectors

logger = logging.getLogger(__name__)

LEAST = 30
"""Of fewer pictures nothing can be said."""
SAMPLE = 1000
"""Pictures that stand for the collection at every search: the score of one text with each takes 0.1 ms."""
NEIGHBOURS = 500
"""Pictures whose nearest neighbours are looked for."""
CHANGED = 0.1
"""The share of the collection that must have come or gone to measure anew."""
_LOCK = 0x63616C6962


@dataclass(frozen=True, slots=True)
class CalibrationReport:
    """What was measured; the levels are None where the collection is too small."""

    model: str
    pictures: int
    words: Levels | None = None
    showing: Levels | None = None


def calibrate() -> CalibrationReport:
    """Measure the collection with the active model and keep the result. Raises ModelUnavailable.

    Everything is written at the very end, in one statement: whoever is killed on the way leaves the last result.
    """
    model, text_model = active_model(), settings.EMBEDDING_TEXT_MODEL
    size = Image.objects.searchable(model).count()
    sample = _sample(model, EXACT_BELOW if size < EXACT_BELOW else SAMPLE)
    if len(sample) < LEAST:
        Calibration.objects.filter(pk=model).delete()
        look_again()
        return CalibrationReport(model, size)
    bank = different(bank_vectors())
    scores = _scores_of_all if size < EXACT_BELOW else _scores_by_the_index
    best = np.array([found[0] for found in scores(bank, sample, 1) if len(found)], dtype=np.float32)
    # The picture itself comes first. What has nothing but copies around it says nothing of other pictures.
    around = [found[1:] for found in scores(sample[:NEIGHBOURS], sample, COPIES + 2) if len(found) > 1]
    others = [found for found in around if found.min() < SAME_PICTURE] or around
    if not len(best) or not others:  # deleted meanwhile
        return CalibrationReport(model, size)
    neighbours = np.array([nearest_other(found) for found in others], dtype=np.float32)
    measured = measure(sample[:SAMPLE], size, bank, best, neighbours)
    _keep(
        Calibration(
            model=model,
            text_model=text_model,
            measured=timezone.now(),
            pictures=size,
            words_least=measured.words.least,
            words_match=measured.words.match,
            pictures_match=measured.pictures.match,
            sample=Calibration.as_sample(measured.sample),
        )
    )
    return CalibrationReport(model, size, measured.words, measured.pictures)


def is_due() -> bool:
    """Return whether the collection has changed by a tenth, or a model, since it was measured last."""
    model = active_model()
    size = Image.objects.searchable(model).count()
    last = Calibration.objects.filter(pk=model).values_list("text_model", "pictures").first()
    if last is None or size < LEAST:
        return (last is None) == (size >= LEAST)
    text_model, then = last
    return text_model != settings.EMBEDDING_TEXT_MODEL or abs(size - then) >= CHANGED * then


def calibrate_if_due() -> bool:
    """Calibrate if that is due and no other process is at it; return whether it was done. Raises ModelUnavailable."""
    if not is_due():
        return False
    with _alone() as alone:
        # The other process may have ended just now.
        if not alone or not is_due():
            return False
        report = calibrate()
    look_again()  # a search of this process may have looked before this was committed
    logger.info("Calibrated: %s", report)
    return True


@contextmanager
def _alone() -> Iterator[bool]:
    """Tell whether no other process is in here. The lock ends with the transaction, and so with a killed process."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [_LOCK])
            alone = bool(cursor.fetchone()[0])
        yield alone


def _keep(calibration: Calibration) -> None:
    columns = [field.name for field in Calibration._meta.fields if not field.primary_key]
    Calibration.objects.bulk_create(
        [calibration], update_conflicts=True, unique_fields=["model"], update_fields=columns
    )
    look_again()


def _sample(model: str, count: int) -> Vectors:
    """Return the vectors of `count` pictures chosen at random, or of all, shape (pictures, 512)."""
    searchable = Image.objects.searchable(model)
    ids = list(searchable.order_by("?").values_list("pk", flat=True)[:count])
    vectors = dict(searchable.filter(pk__in=ids).values_list("pk", "embedding"))
    rows = [np.asarray(vectors[pk], dtype=np.float32) for pk in ids if pk in vectors]
    return np.stack(rows) if rows else np.zeros((0, DIMENSIONS), dtype=np.float32)


def _scores_of_all(queries: Vectors, collection: Vectors, count: int) -> Iterator[Vector]:
    """Yield what the nearest `count` pictures score with each query, best first."""
    for query in queries:
        yield np.sort(collection @ query)[::-1][:count]


def _scores_by_the_index(queries: Vectors, sample: Vectors, count: int) -> Iterator[Vector]:
    """Yield the same, from a collection too large to hold. The sample is not needed."""
    searchable = Image.objects.searchable(active_model())
    size = searchable.count()
    for query in queries:
        nearest = searchable.nearest_to(query).only("pk")[:count]
        for plan in (walk(count, size), SCAN):
            with planned(plan):
                distances = sorted(image.distance or 0.0 for image in nearest.all())
            # A walk that comes among hundreds of copies, or many deleted rows, gives up before it has enough.
            if len(distances) == count and max(Counter(distances).values()) <= CROWD:
                break
        yield 1 - np.array(distances, dtype=np.float32)
