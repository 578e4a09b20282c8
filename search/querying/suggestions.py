"""What is suggested while somebody types: tags, cameras and years in which pictures were taken, as typed filters.

All of them are kept in the process with how many shown pictures have them, sorted by how their words begin: to look
some up takes less than a millisecond, and to count them anew half a second for 100,000 pictures.
"""

import datetime as dt
import logging
import re
import threading
import time
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from heapq import nsmallest
from itertools import dropwhile
from typing import Any

from django.db import OperationalError, connection
from django.db.models import Count, F, Func, IntegerField, TextField

from search.models import Capture, Image
from search.models.arrivals import State, state
from search.querying.folding import fold, is_letter, is_unspaced

logger = logging.getLogger(__name__)

MOST = 6
"""Suggestions at once: more would hide the results."""
MOST_VALUES = 50_000
"""Tags, and cameras, that are known, the most frequent first."""
MOST_WORDS = 3
"""Words before the cursor that may be one tag or camera."""
QUICKLY = 0.05
"""Seconds: what is counted in less is counted anew whenever the collection has changed."""
SHARE = 100
"""Of the time, one part in so many is spent on counting; and what is no change of pictures is seen after `SOON`."""
SOON = 5.0
LONGEST = 1000
"""Characters that the box takes."""

_QUOTES = '"“”„«»'
_NAME = re.compile(r"(-?)(tag|camera|taken):", re.IGNORECASE)
_QUOTED = re.compile(rf"(?<!\S)(-?)(tag|camera|taken):[{_QUOTES}]\Z", re.IGNORECASE)
_PLAIN = re.compile(r"[\w-]+")


class Kind(StrEnum):
    """By their names as typed filters."""

    TAG = "tag"
    CAMERA = "camera"
    TAKEN = "taken"


@dataclass(frozen=True, slots=True)
class Value:
    kind: Kind
    label: str
    count: int

    @property
    def filter(self) -> str:
        """What is written into the box for it."""
        is_plain = self.kind is not Kind.CAMERA and _PLAIN.fullmatch(self.label)
        return f"{self.kind}:{self.label}" if is_plain else f'{self.kind}:"{self.label}"'


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A value, and the text of the box, up to the cursor, that has it in the place of what was typed for it."""

    value: Value
    text: str


class Vocabulary:
    """All values that shown pictures have, as far as the collection was at some time."""

    def __init__(self, values: Sequence[Value], at: State) -> None:
        """`values` are the most frequent first."""
        self.at = at
        self._values = values
        # Where each word of each begins, and in scripts without spaces each letter.
        keys = sorted((key, number) for number, value in enumerate(values) for key in _beginnings(fold(value.label)))
        self._keys = [key for key, _number in keys]
        self._numbers = [number for _key, number in keys]

    def beginning_with(self, term: str, kind: Kind | None) -> list[Value]:
        """Return the values a word of which begins with folded `term`, those that begin so themselves first, then the
        most frequent; at most MOST."""
        if not term:
            return [value for value in self._values if value.kind is kind][:MOST] if kind else []
        first = bisect_left(self._keys, term)
        last = bisect_left(self._keys, term + "\U0010ffff", first)
        numbers = {number for number in self._numbers[first:last] if kind in (None, self._values[number].kind)}

        def order(number: int) -> tuple[bool, int]:
            return not fold(self._values[number].label).startswith(term), number

        return [self._values[number] for number in nsmallest(MOST, numbers, key=order)]


@dataclass(frozen=True, slots=True)
class _Kept:
    vocabulary: Vocabulary
    made_at: float
    took: float


class _Keeper:
    """Keeps the vocabulary, and has it made anew when it is due."""

    def __init__(self) -> None:
        self._kept: _Kept | None = None
        self._lock = threading.Lock()

    def forget(self) -> None:
        self._kept = None

    def get(self, now: State) -> Vocabulary:
        kept = self._kept
        if kept is None or (kept.took < QUICKLY and _is_due(kept, now)):
            with self._lock:
                if self._kept is kept:
                    self._kept = _made()
                return (self._kept or _made()).vocabulary
        if _is_due(kept, now) and _age(kept) > SHARE * kept.took:
            self._make_in_background()
        return kept.vocabulary

    def _make_in_background(self) -> None:
        if not self._lock.acquire(blocking=False):
            return
        try:
            threading.Thread(target=self._make, name="suggestions", daemon=True).start()
        except RuntimeError:  # no thread can be had
            self._lock.release()

    def _make(self) -> None:
        try:
            self._kept = _made()
        except OperationalError as error:
            logger.warning("Suggestions were not counted: %s", error)
        finally:
            self._lock.release()
            connection.close()


def _age(kept: _Kept) -> float:
    return time.monotonic() - kept.made_at


def _is_due(kept: _Kept, now: State) -> bool:
    return kept.vocabulary.at != now or _age(kept) > SOON + SHARE * kept.took


_keeper = _Keeper()
forget_vocabulary = _keeper.forget


def suggest(typed: str) -> list[Suggestion]:
    """Return what may be meant by the end of `typed`, the text of the box up to the cursor: the best first."""
    terms = list(_terms(typed)) if len(typed) <= LONGEST else []
    if not terms:
        return []
    now = state()
    vocabulary = _keeper.get(now)
    found: dict[Value, Suggestion] = {}
    for start, sign, kind, term in terms:
        # Words begin with letters, what is typed of them not always.
        folded = "".join(dropwhile(_is_no_letter, fold(term)))
        for value in vocabulary.beginning_with(folded, kind):
            text = f"{typed[:start]}{sign}{value.filter}"
            if text != typed:
                found.setdefault(value, Suggestion(value, text))
    best = list(found.values())[:MOST]
    return best if vocabulary.at == now else [one for one in best if _is_there(one.value)]


def _terms(typed: str) -> Iterator[tuple[int, str, Kind | None, str]]:
    """Yield what the end of the text may be a value for, the longest first: where it begins, the minus before it, the
    name of the filter, and what was typed of the value."""
    marks = [place for place, character in enumerate(typed) if character in _QUOTES]
    if len(marks) % 2:  # within quotation marks
        if name := _QUOTED.search(typed, 0, marks[-1] + 1):
            yield name.start(), name[1], Kind(name[2].lower()), typed[marks[-1] + 1 :]
        return
    words = list(re.finditer(r"\S+", typed))
    if not words or words[-1].end() != len(typed):
        return
    for count in range(min(MOST_WORDS, len(words)), 0, -1):
        first, *others = words[-count:]
        if any(mark in typed[first.start() :] for mark in _QUOTES) or any(_NAME.match(one[0]) for one in others):
            continue
        name = _NAME.match(first[0])
        sign = "-" if first[0].startswith("-") else ""
        term = typed[first.start() :].removeprefix(name[0] if name else sign)
        if name or term:
            yield first.start(), sign, Kind(name[2].lower()) if name else None, term


def _is_no_letter(character: str) -> bool:
    return not is_letter(character)


def _beginnings(label: str) -> Iterator[str]:
    for place, character in enumerate(label):
        begins = place == 0 or is_unspaced(character) or not is_letter(label[place - 1])
        if begins and is_letter(character):
            yield label[place:]


def _made() -> _Kept:
    started = time.monotonic()
    at = state()
    values = [*_tags(), *_cameras(), *_years()]
    values.sort(key=lambda value: -value.count)
    vocabulary = Vocabulary(values, at)
    return _Kept(vocabulary, time.monotonic(), time.monotonic() - started)


def _tags() -> Iterator[Value]:
    value: Any = Func(F("tags"), function="unnest", output_field=TextField())
    rows = Image.objects.shown().order_by().annotate(value=value).values_list("value").annotate(count=Count("*"))
    for tag, count in rows.order_by("-count", "value")[:MOST_VALUES]:
        if not any(mark in tag for mark in _QUOTES):  # the box can't hold it
            yield Value(Kind.TAG, tag, count)


def _cameras() -> Iterator[Value]:
    rows = Capture.objects.filter(image__hidden=False).exclude(camera="").values_list("camera")
    for camera, count in rows.annotate(count=Count("*")).order_by("-count", "camera")[:MOST_VALUES]:
        if not any(mark in camera for mark in _QUOTES):
            yield Value(Kind.CAMERA, camera, count)


def _years() -> Iterator[Value]:
    # Django's own would take it for a moment in some zone.
    template = "extract(year FROM %(expressions)s)::int"
    year = Func(F("taken"), template=template, output_field=IntegerField())
    rows = Capture.objects.filter(image__hidden=False, taken__isnull=False).annotate(year=year).values_list("year")
    for taken, count in rows.annotate(count=Count("*")).order_by("-year"):
        yield Value(Kind.TAKEN, f"{taken:04}", count)


def _is_there(value: Value) -> bool:
    """Whether a shown picture has it still."""
    if value.kind is Kind.TAG:
        return Image.objects.shown().filter(tags__contains=[value.label]).exists()
    captures = Capture.objects.filter(image__hidden=False)
    if value.kind is Kind.CAMERA:
        return captures.filter(camera=value.label).exists()
    year = int(value.label)
    first, last = dt.datetime(year, 1, 1), dt.datetime(year, 12, 31, 23, 59, 59, 999_999)  # noqa: DTZ001 - of any zone
    return captures.filter(taken__range=(first, last)).exists()
