"""Calibration: measure what unrelated pictures score in this collection, with a bank of queries, and store it."""

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
from search.models.advisory_locks import trying_lock
from search.models.sql_statements import now
from search.models.vector_sets import current_set
from search.models.vector_values import Vector, Vectors
from search.relevance.band_thresholds import Thresholds, look_again, measurements
from search.relevance.bank_vectors import bank_vectors
from search.relevance.threshold_derivation import SAME_PICTURE, different, measure, nearest_other, picture_thresholds

logger = logging.getLogger(__name__)

LEAST = 30
"""Minimum number of pictures for a calibration."""
SAMPLE = 1000
"""Pictures in the sample used by every search: scoring them takes 0.1 ms per query."""
NEIGHBOURS = 500
"""Pictures whose nearest neighbours are searched."""
MOST_SCANS = 50
"""Maximum number of full scans for them, where the index finds too little: enough for the statistics."""
CHANGED = 0.1
"""Share of the collection that must have been added or removed for a new calibration."""
MOST_ROUNDS = 3
"""Maximum number of calibrations in a row, while pictures keep coming in."""
_LOCK = 0x63616C6962


@dataclass(frozen=True, slots=True)
class CalibrationReport:
    """The result; the thresholds are None if the collection is too small."""

    model: str
    pictures: int
    words: Thresholds | None = None
    showing: Thresholds | None = None


def calibrate() -> CalibrationReport:
    """Calibrate with the active models and store the result. Raises ModelUnavailable.

    Writes once, at the end: if killed, the last result stays. Use `one_choice` to calibrate other models.
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
    measuring = _InMemory(sample) if size < EXACT_BELOW else _ByIndex(size)
    best = np.array([measuring.best(query) for query in bank], dtype=np.float32)
    stored, windows_of = sample.thinned(SAMPLE)
    neighbours = _neighbours(sample, measuring, windows=True)
    measured = measure(stored, size, bank, best, neighbours, windows_of)
    of_images = measured.pictures
    if vectors > size:
        of_images = picture_thresholds(_neighbours(sample, measuring, windows=False))
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
    """Return whether a tenth of the collection was added or removed since the last calibration, or a model has
    changed."""
    searchable = Image.objects.searchable(active_model())
    size = searchable.count()
    known = measurements().values_list("pictures", "vectors", "measured")
    if size < LEAST:
        return known.exists()
    last = known.filter(text_model=text_model()).first()
    if last is None:
        return True  # never calibrated, or by a version that stored only the setting
    then, vectors, measured = last
    table = current_set(active_model())
    if vectors <= then and table and table.windows >= CHANGED * size:
        return True  # wide pictures got windows since, or it is from an earlier version
    # The total alone does not show that as many were removed as added.
    come = searchable.filter(created__gt=measured).count()
    return come + abs(then + come - size) >= CHANGED * then


def calibrate_if_due() -> bool:
    """Calibrate if due and no other process is doing so; return whether it was done. Raises ModelUnavailable.

    Checks again at the end: other processes leave the pictures added meanwhile to this one.
    """
    done = False
    for _again in range(MOST_ROUNDS):
        if not is_due():
            break
        with trying_lock(_LOCK) as is_ours:
            # The other process may have finished just now.
            if not is_ours or not is_due():
                break
            report = calibrate()
        look_again()  # a search may have cached the previous one meanwhile
        logger.info("Calibrated: %s", report)
        done = True
    return done


def _keep(calibration: Calibration) -> None:
    key = ["model", "text_model"]
    columns = [field.name for field in Calibration._meta.fields if not field.primary_key and field.name not in key]
    with transaction.atomic():
        # Keep calibrations of text models that are in use or about to be.
        others = Calibration.objects.filter(model=calibration.model).exclude(text_model=calibration.text_model)
        others.exclude(text_model__in=text_models()).delete()
        Calibration.objects.bulk_create([calibration], update_conflicts=True, unique_fields=key, update_fields=columns)
    look_again()


@dataclass(frozen=True, slots=True)
class _Sample:
    """A random sample of pictures: the vectors of the whole ones in the order of `ids`, those of their windows, and in
    `of`, for both in turn, the index of the picture."""

    ids: list[uuid.UUID]
    whole: Vectors
    windows: Vectors
    of: npt.NDArray[np.int64]

    def thinned(self, count: int) -> tuple[Vectors, list[int]]:
        """Return at most `count` vectors, of the first pictures: the whole ones, then their windows; and for each
        window the index of its picture."""
        of = self.of[len(self.whole) :]
        taken = np.cumsum(1 + np.bincount(of, minlength=len(self.whole))) <= count
        kept = taken[of]
        return np.concatenate([self.whole[taken], self.windows[kept]]), of[kept].tolist()


def _sample(model: str, count: int) -> _Sample:
    """Return the vectors of up to `count` pictures chosen at random."""
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


def _neighbours(sample: _Sample, measuring: "_InMemory | _ByIndex", *, windows: bool) -> Vector:
    """Return the scores of some pictures with their nearest neighbour that is no copy, where there is one."""
    count = min(NEIGHBOURS, len(sample.whole))
    found = (measuring.nearest_other(sample, number, windows=windows) for number in range(count))
    return np.array([score for score in found if score is not None], dtype=np.float32)


class _InMemory:
    """Measures a collection whose vectors are all in memory."""

    def __init__(self, collection: _Sample) -> None:
        self._all = np.concatenate([collection.whole, collection.windows])

    def best(self, query: Vector) -> float:
        """Return the score of the picture nearest to `query`."""
        return float((self._all @ query).max())

    def nearest_other(self, sample: _Sample, number: int, *, windows: bool) -> float | None:
        """Return the score of a sample picture with its nearest neighbour that is no copy; None if all are copies."""
        count = len(sample.of) if windows else len(sample.whole)
        others = self._all[:count][sample.of[:count] != number]
        return nearest_other(others @ sample.whole[number])


class _ByIndex:
    """Measures a collection too large for memory, with `size` searchable pictures, through the index."""

    def __init__(self, size: int) -> None:
        self._table = current_set(active_model())
        self._searchable = Image.objects.searchable(active_model())
        # The index contains hidden pictures, too.
        self._plan = plan_for(size, self._table)
        self._scans_left = MOST_SCANS

    def best(self, query: Vector) -> float:
        found = self._first(query, self._plan)
        # An index scan may give up among rows that the filters exclude.
        found = self._first(query, SCAN) if found is None else found
        return -1.0 if found is None else found

    def nearest_other(self, sample: _Sample, number: int, *, windows: bool) -> float | None:
        """Return the same; None also if none was found."""
        vector = sample.whole[number]
        others = GreaterThan(CosineDistance("vector", vector), 1 - SAME_PICTURE)
        own = Q(pk=sample.ids[number])
        found = self._first(vector, self._plan, others, ~own, windows=windows)
        if found is None and self._scans_left:
            # An index scan may find only copies, as of a page that exists 3,000 times.
            self._scans_left -= 1
            found = self._first(vector, SCAN, others, ~own, windows=windows)
        return found

    def _first(self, query: Vector, plan: Plan, *among: Combinable | Q, windows: bool = True) -> float | None:
        windows = windows and self._table is not None and self._table.windows > 0
        with planned(plan):
            nearest = self._searchable.nearest_to(query, self._table, by_index=not plan.is_exact, windows=windows)
            found = list(nearest.filter(*among).only("pk")[:1])
        return found[0].similarity if found else None
