"""What unrelated pictures score in this collection, measured from a bank of queries and kept in the database."""

import logging
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from django.db import transaction
from django.db.models import Q
from django.db.models.expressions import Combinable
from django.db.models.lookups import GreaterThan
from pgvector.django import CosineDistance

from search.embedding import active_model, text_model, text_models
from search.indexing.query_plan import EXACT_BELOW, SCAN, Plan, plan_for, planned
from search.models import Calibration, Image, ImageVector
from search.models.active_pair import one_choice
from search.models.database import now, trying_lock
from search.models.vector_sets import current_set
from search.models.vector_values import Vector, Vectors
from search.relevance.bands import Levels, look_again, measurements
from search.relevance.bank_vectors import bank_vectors
from search.relevance.thresholds import SAME_PICTURE, different, measure, nearest_other, picture_levels

logger = logging.getLogger(__name__)

LEAST = 30
"""Of fewer pictures nothing can be said."""
SAMPLE = 1000
"""Pictures that stand for the collection at every search: the score of one text with each takes 0.1 ms."""
NEIGHBOURS = 500
"""Pictures whose nearest neighbours are looked for."""
MOST_SCANS = 50
"""Of these, so many are looked for in the whole collection where the index gives up: enough to tell by."""
CHANGED = 0.1
"""The share of the collection that must have come or gone to measure anew."""
MOST_ROUNDS = 3
"""Measurements in a row, while so much comes in meanwhile that another one is due."""
_LOCK = 0x63616C6962


@dataclass(frozen=True, slots=True)
class CalibrationReport:
    """What was measured; the levels are None where the collection is too small."""

    model: str
    pictures: int
    words: Levels | None = None
    showing: Levels | None = None


def calibrate() -> CalibrationReport:
    """Measure the collection with the active models and keep the result. Raises ModelUnavailable.

    Everything is written at the very end, at once: whoever is killed on the way leaves the last result. Other models
    than the active ones are measured within `one_choice`.
    """
    with one_choice():
        return _calibrated()


def _calibrated() -> CalibrationReport:
    model, words_by = active_model(), text_model()
    size = Image.objects.searchable(model).count()
    sample = _sample(model, EXACT_BELOW if size < EXACT_BELOW else SAMPLE)
    if len(sample.whole) < LEAST:
        measurements().delete()
        look_again()
        return CalibrationReport(model, size)
    bank = different(bank_vectors())
    vectors = round(size * len(sample.of) / len(sample.whole))
    measuring = _Whole(sample) if size < EXACT_BELOW else _ByIndex(size)
    best = np.array([measuring.best(query) for query in bank], dtype=np.float32)
    stored, windows_of = sample.thinned(SAMPLE)
    neighbours = _neighbours(sample, measuring, windows=True)
    measured = measure(stored, size, bank, best, neighbours, windows_of)
    of_images = measured.pictures
    if vectors > size:
        of_images = picture_levels(_neighbours(sample, measuring, windows=False))
    _keep(
        Calibration(
            model=model,
            text_model=words_by,
            measured=now(),
            pictures=size,
            vectors=vectors,
            words_least=measured.words.least,
            words_match=measured.words.match,
            pictures_match=measured.pictures.match,
            images_match=of_images.match,
            whole=len(stored) - len(windows_of),
            windows_of=windows_of,
            sample=Calibration.as_sample(measured.sample),
            dimensions=measured.sample.shape[1],
        )
    )
    return CalibrationReport(model, size, measured.words, measured.pictures)


def is_due() -> bool:
    """Return whether a tenth of the collection has come or gone since it was measured last, or a model has changed."""
    searchable = Image.objects.searchable(active_model())
    size = searchable.count()
    known = measurements().values_list("pictures", "vectors", "measured")
    if size < LEAST:
        return known.exists()
    last = known.filter(text_model=text_model()).first()
    if last is None:
        return True  # never measured, or by an earlier version that noted no more than the setting
    then, vectors, measured = last
    table = current_set(active_model())
    if vectors <= then and table and table.windows >= CHANGED * size:
        return True  # wide pictures have got windows since, or an earlier version has measured
    # As many may have gone as have come: by their number alone nothing would have changed.
    come = searchable.filter(created__gt=measured).count()
    return come + abs(then + come - size) >= CHANGED * then


def calibrate_if_due() -> bool:
    """Calibrate if that is due and no other process is at it; return whether it was done. Raises ModelUnavailable.

    Looks once more at the end: a process that has added pictures meanwhile has left them to this one.
    """
    done = False
    for _again in range(MOST_ROUNDS):
        if not is_due():
            break
        with trying_lock(_LOCK) as is_ours:
            # The other process may have ended just now.
            if not is_ours or not is_due():
                break
            report = calibrate()
        look_again()  # a search of this process may have looked before this was committed
        logger.info("Calibrated: %s", report)
        done = True
    return done


def _keep(calibration: Calibration) -> None:
    key = ["model", "text_model"]
    columns = [field.name for field in Calibration._meta.fields if not field.primary_key and field.name not in key]
    with transaction.atomic():
        # Of other models of words only those that somebody may still, or soon, answer with.
        others = Calibration.objects.filter(model=calibration.model).exclude(text_model=calibration.text_model)
        others.exclude(text_model__in=text_models()).delete()
        Calibration.objects.bulk_create([calibration], update_conflicts=True, unique_fields=key, update_fields=columns)
    look_again()


@dataclass(frozen=True, slots=True)
class _Sample:
    """Pictures chosen at random: the vectors of the whole ones, by their `ids`, those of their windows, and for each
    of both, one after the other, the number of its picture."""

    ids: list[uuid.UUID]
    whole: Vectors
    windows: Vectors
    of: npt.NDArray[np.int64]

    def thinned(self, count: int) -> tuple[Vectors, list[int]]:
        """Return the vectors of its first pictures, so many at most: of the whole ones and then of their windows; and
        for each of these the number of its picture."""
        of = self.of[len(self.whole) :]
        taken = np.cumsum(1 + np.bincount(of, minlength=len(self.whole))) <= count
        kept = taken[of]
        return np.concatenate([self.whole[taken], self.windows[kept]]), of[kept].tolist()


def _sample(model: str, count: int) -> _Sample:
    """Return the vectors of `count` pictures chosen at random, or of all."""
    searchable, table = Image.objects.searchable(model), current_set(model)
    chosen = list(searchable.order_by("?").values_list("pk", flat=True)[:count])
    vectors = searchable.filter(pk__in=chosen).vectors_in(table)
    numbers = {pk: number for number, pk in enumerate(pk for pk in chosen if pk in vectors)}
    rows = ImageVector.objects.filter(set_id=table.id if table else 0, window_index__gt=0, image_id__in=list(numbers))
    windows = [(numbers[pk], vector) for pk, vector in rows.values_list("image_id", "embedding")] if numbers else []
    width = len(next(iter(vectors.values()))) if vectors else 1
    return _Sample(
        list(numbers),
        _rows([vectors[pk] for pk in numbers], width),
        _rows([vector for _number, vector in windows], width),
        np.array([*numbers.values(), *(number for number, _vector in windows)], dtype=np.int64),
    )


def _rows(vectors: Sequence[npt.ArrayLike], width: int) -> Vectors:
    return np.asarray(vectors, dtype=np.float32).reshape(-1, width)


def _neighbours(sample: _Sample, measuring: "_Whole | _ByIndex", *, windows: bool) -> Vector:
    """Return what some of the pictures score with the nearest other that is no copy, where there is one."""
    count = min(NEIGHBOURS, len(sample.whole))
    found = (measuring.nearest_other(sample, number, windows=windows) for number in range(count))
    return np.array([score for score in found if score is not None], dtype=np.float32)


class _Whole:
    """Measures a collection that is at hand as a whole."""

    def __init__(self, collection: _Sample) -> None:
        self._all = np.concatenate([collection.whole, collection.windows])

    def best(self, query: Vector) -> float:
        """Return what the nearest picture scores with `query`."""
        return float((self._all @ query).max())

    def nearest_other(self, sample: _Sample, number: int, *, windows: bool) -> float | None:
        """Return what a picture of the sample scores with the nearest that is no copy; None if all are."""
        count = len(sample.of) if windows else len(sample.whole)
        others = self._all[:count][sample.of[:count] != number]
        return nearest_other(others @ sample.whole[number])


class _ByIndex:
    """Measures a collection too large to hold, of which `size` pictures can be searched."""

    def __init__(self, size: int) -> None:
        self._table = current_set(active_model())
        self._searchable = Image.objects.searchable(active_model())
        # Hidden pictures are in the index too.
        self._plan = plan_for(size, self._table)
        self._scans_left = MOST_SCANS

    def best(self, query: Vector) -> float:
        found = self._first(query, self._plan)
        # A walk may give up among pictures that no search finds.
        found = self._first(query, SCAN) if found is None else found
        return -1.0 if found is None else found

    def nearest_other(self, sample: _Sample, number: int, *, windows: bool) -> float | None:
        """Return the same; None too where it was not found."""
        vector = sample.whole[number]
        others = GreaterThan(CosineDistance("vector", vector), 1 - SAME_PICTURE)
        own = Q(pk=sample.ids[number])
        found = self._first(vector, self._plan, others, ~own, windows=windows)
        if found is None and self._scans_left:
            # A walk may know nothing but copies, as of a page that is there 3,000 times.
            self._scans_left -= 1
            found = self._first(vector, SCAN, others, ~own, windows=windows)
        return found

    def _first(self, query: Vector, plan: Plan, *among: Combinable | Q, windows: bool = True) -> float | None:
        windows = windows and self._table is not None and self._table.windows > 0
        with planned(plan):
            nearest = self._searchable.nearest_to(query, self._table, by_index=not plan.is_exact, windows=windows)
            found = list(nearest.filter(*among).only("pk")[:1])
        return found[0].similarity if found else None
