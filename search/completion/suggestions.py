"""Suggestions while typing: tags, cameras, places and years of taking, as typed filters.

Each process holds all of them with the number of visible pictures, sorted by the beginnings of their words: a lookup
takes less than a millisecond, recounting half a second for 100,000 pictures.
"""

import datetime as dt
import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from heapq import nsmallest
from itertools import dropwhile, islice
from typing import Any

from django.conf import settings
from django.db.models import Count, F, Func, IntegerField, TextField

from search.models import Capture, Image, Place
from search.models.arrivals import state
from search.models.sql_statements import fetch_all
from search.places.countries import country_name, country_named
from search.query.collection_cache import CollectionCache
from search.query.tag_names import tag_names
from search.query.typed_filters import MARKS, NAMES
from search.text.folding import fold, is_letter, is_unspaced

MOST = 6
"""Suggestions shown at once: more would hide the results."""
MOST_VALUES = 50_000
"""Maximum number of tags, and of cameras, the most frequent first."""
MOST_WORDS = 3
"""Maximum number of words before the cursor that may form one tag or camera."""
LONGEST = 1000
"""Maximum length of the box's text in characters."""

_KINDS = {alias: name for name in ("tag", "camera", "taken", "country", "region", "town") for alias in NAMES[name]}
"""Kinds by all names of their filters."""
_NAMES = "|".join(map(re.escape, _KINDS))
_NAME = re.compile(rf"(-?)({_NAMES}):", re.IGNORECASE)
_QUOTED = re.compile(rf"(?<!\S)(-?)({_NAMES}):[{MARKS}]\Z", re.IGNORECASE)
_PLAIN = re.compile(r"[\w-]+")


class Kind(StrEnum):
    """Kinds of values, by the name of the typed filter."""

    TAG = "tag"
    CAMERA = "camera"
    TAKEN = "taken"
    COUNTRY = "country"
    REGION = "region"
    TOWN = "town"

    @property
    def is_of_place(self) -> bool:
        return self in (Kind.COUNTRY, Kind.REGION, Kind.TOWN)


@dataclass(frozen=True, slots=True)
class Value:
    kind: Kind
    label: str
    count: int
    is_other_name: bool = False

    @property
    def filter(self) -> str:
        """The text of the filter."""
        return self.filter_called(self.kind)

    def filter_called(self, name: str) -> str:
        """The same with the name that the user has begun to type, such as 태그."""
        is_plain = self.kind is not Kind.CAMERA and _PLAIN.fullmatch(self.label)
        return f"{name}:{self.label}" if is_plain else f'{name}:"{self.label}"'


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A value, and the text of the box up to the cursor with the value inserted."""

    value: Value
    text: str


class Vocabulary:
    """All values of visible pictures."""

    def __init__(self, values: Sequence[Value]) -> None:
        """`values` are sorted by frequency, highest first."""
        self.values = values
        self._folded = [fold(value.label) for value in values]
        # The start of each word; in scripts without spaces, of each character.
        keys = sorted((key, number) for number, label in enumerate(self._folded) for key in _beginnings(label))
        self._keys = [key for key, _number in keys]
        self._numbers = [number for _key, number in keys]

    def beginning_with(self, term: str, kind: Kind | None) -> list[Value]:
        """Return at most MOST values with a word that begins with folded `term`: first those that begin with it
        themselves, then by frequency."""
        if not term:
            own = (value for value in self.values if value.kind is kind and not value.is_other_name)
            return list(islice(own, MOST)) if kind else []
        first = bisect_left(self._keys, term)
        last = bisect_left(self._keys, term + "\U0010ffff", first)
        numbers = {number for number in self._numbers[first:last] if kind in (None, self.values[number].kind)}

        def order(number: int) -> tuple[bool, int]:
            return not self._folded[number].startswith(term), number

        return [self.values[number] for number in nsmallest(MOST, numbers, key=order)]


def _vocabulary() -> Vocabulary:
    values = [*_tags(), *_cameras(), *_years()]
    return Vocabulary(sorted(values, key=lambda value: -value.count))


def _with_places() -> Vocabulary:
    values = [*_vocabulary().values, *_places()]
    return Vocabulary(sorted(values, key=lambda value: -value.count))


vocabulary = CollectionCache(_vocabulary, "suggestions")
with_places = CollectionCache(_with_places, "suggestions with places")
"""The same, including places, for users who may see them."""


def suggest(typed: str, *, places: bool = False) -> list[Suggestion]:
    """Return suggestions for the end of `typed`, the text of the box up to the cursor, best first; with `places`, also
    places of taking."""
    terms = list(_terms(typed)) if len(typed) <= LONGEST else []
    if not terms:
        return []
    now = state()
    kept = (with_places if places else vocabulary).peek(now)
    if kept is None:  # not loaded yet: a later keystroke gets an answer
        return []
    found: dict[Value, Suggestion] = {}
    for start, sign, name, term in terms:
        kind = Kind(_KINDS[name]) if name else None
        # Words begin with a letter; what is typed may begin with a mark.
        folded = "".join(dropwhile(_is_no_letter, fold(term)))
        for value in kept.value.beginning_with(folded, kind):
            text = f"{typed[:start]}{sign}{value.filter_called(name or value.kind)}"
            # `taken:` can't be negated.
            if text != typed and not (sign and value.kind is Kind.TAKEN):
                found.setdefault(value, Suggestion(value, text))
    best = list(found.values())[:MOST]
    return best if kept.at == now else [one for one in best if _is_there(one.value)]


def _terms(typed: str) -> Iterator[tuple[int, str, str, str]]:
    """Yield the possible values at the end of the text, longest first: its position, the minus before it, the filter's
    name or "", and the part of the value typed so far."""
    marks = [place for place, character in enumerate(typed) if character in MARKS]
    if len(marks) % 2:  # within quotation marks
        if name := _QUOTED.search(typed, 0, marks[-1] + 1):
            yield name.start(), name[1], name[2].lower(), typed[marks[-1] + 1 :]
        return
    words = list(re.finditer(r"\S+", typed))
    if not words or words[-1].end() != len(typed):
        return
    for count in range(min(MOST_WORDS, len(words)), 0, -1):
        first, *others = words[-count:]
        if any(mark in typed[first.start() :] for mark in MARKS) or any(_NAME.match(one[0]) for one in others):
            continue
        name = _NAME.match(first[0])
        sign = "-" if first[0].startswith("-") else ""
        term = typed[first.start() :].removeprefix(name[0] if name else sign)
        if name or term:
            yield first.start(), sign, name[2].lower() if name else "", term


def _is_no_letter(character: str) -> bool:
    return not is_letter(character)


def _beginnings(label: str) -> Iterator[str]:
    for place, character in enumerate(label):
        begins = place == 0 or is_unspaced(character) or not is_letter(label[place - 1])
        if begins and is_letter(character):
            yield label[place:]


def _tags() -> Iterator[Value]:
    value: Any = Func(F("tags"), function="unnest", output_field=TextField())
    rows = Image.objects.shown().order_by().annotate(value=value).values_list("value").annotate(count=Count("*"))
    counts = dict(rows.order_by("-count", "value")[:MOST_VALUES])
    for tag, count, is_other_name in _named(counts):
        if not any(mark in tag for mark in MARKS):  # not expressible in the box
            yield Value(Kind.TAG, tag, count, is_other_name)


def _named(counts: dict[str, int]) -> Iterator[tuple[str, int, bool]]:
    """Yield (name, count, whether it is a synonym) for tags of pictures, broader tags, and synonyms, counting what a
    filter by each finds."""
    names = tag_names()
    yield from ((tag, count, False) for tag, count in counts.items() if tag not in names.all)
    present = list(names.present(counts))
    unions = _having_any({tags for _named, tags in present if len(tags) > 1})
    for named, tags in present:
        count = unions[tags] if len(tags) > 1 else counts[next(iter(tags))]
        yield from ((name, count, name != named.name) for name in named.own)


def _having_any(groups: Collection[frozenset[str]]) -> dict[frozenset[str], int]:
    """Return how many visible pictures have any tag of each group, using the index of tags."""
    given = list(groups)
    if not given:
        return {}
    values = ", ".join(["(%s::int, %s::varchar[])"] * len(given))
    counts = fetch_all(
        "SELECT number, (SELECT count(*) FROM search_image WHERE NOT hidden AND tags && its.tags)"  # noqa: S608
        f" FROM (VALUES {values}) AS its (number, tags)",
        [one for number, tags in enumerate(given) for one in (number, list(tags))],
    )
    return {given[number]: count for number, count in counts}


def _cameras() -> Iterator[Value]:
    rows = Capture.objects.filter(image__hidden=False).exclude(camera="").values_list("camera")
    for camera, count in rows.annotate(count=Count("*")).order_by("-count", "camera")[:MOST_VALUES]:
        if not any(mark in camera for mark in MARKS):
            yield Value(Kind.CAMERA, camera, count)


def _years() -> Iterator[Value]:
    # Django's ExtractYear would convert to a time zone.
    template = "extract(year FROM %(expressions)s)::int"
    year = Func(F("taken"), template=template, output_field=IntegerField())
    rows = Capture.objects.filter(image__hidden=False, taken__isnull=False).annotate(year=year).values_list("year")
    for taken, count in rows.annotate(count=Count("*")).order_by("-year"):
        yield Value(Kind.TAKEN, f"{taken:04}", count)


def _places() -> Iterator[Value]:
    """Countries, regions and towns by their names in each language of the site."""
    counts: dict[tuple[Kind, str], int] = Counter()
    rows = Capture.objects.filter(image__hidden=False, place__isnull=False).values_list("place")
    number_of = dict(rows.annotate(count=Count("*")).order_by())
    columns = ("pk", "country", "region", "korean_region", "town", "korean_town")
    for place, country, *others in Place.objects.filter(pk__in=number_of).values_list(*columns):
        called = {(Kind.COUNTRY, country_name(country, language)) for language in ("en", *dict(settings.LANGUAGES))}
        called |= {(Kind.REGION, name) for name in others[:2]} | {(Kind.TOWN, name) for name in others[2:]}
        for kind, name in called:
            counts[kind, name] += number_of[place]
    for (kind, name), count in sorted(counts.items()):
        if name and not any(mark in name for mark in MARKS):
            yield Value(kind, name, count)


def _is_in_place(value: Value) -> bool:
    if value.kind is Kind.COUNTRY:
        places = Place.objects.filter(country=country_named(value.label))
    else:
        places = Place.objects.filter(**{f"{value.kind}_names__contains": [fold(value.label)]})
    return Capture.objects.filter(image__hidden=False, place__in=places.values("pk")).exists()


def _is_there(value: Value) -> bool:
    """Whether a visible picture still has the value."""
    if value.kind is Kind.TAG:
        # Not EXISTS: the planner would scan the table for a first match.
        found_by = list(tag_names().found_by(value.label))
        return Image.objects.shown().filter(tags__overlap=found_by).order_by().count() > 0
    if value.kind.is_of_place:
        return _is_in_place(value)
    captures = Capture.objects.filter(image__hidden=False)
    if value.kind is Kind.CAMERA:
        return captures.filter(camera=value.label).exists()
    year = int(value.label)
    first, last = dt.datetime(year, 1, 1), dt.datetime(year, 12, 31, 23, 59, 59, 999_999)  # noqa: DTZ001 - of any zone
    return captures.filter(taken__range=(first, last)).exists()
