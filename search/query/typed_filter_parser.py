"""Typed filters, such as `taken:2023` or `-tag:work`, in English or Korean."""

import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.utils.translation import override

from search.models import Image
from search.places.countries import country_named
from search.query.date_spans import read_span
from search.query.filter_parameters import read_kilometres
from search.query.filter_sql import AnyPlace, Excluded, Named
from search.query.filters import STARS, Certainty, Filters, Hidden
from search.query.labels import colour_labels
from search.text.folding import fold
from search.text.normalization import normalised_text

MARKS = '"“”„«»'
"""Quotation marks, including the typographic ones that phones insert."""
TERM = re.compile(rf"(?<!\S)(-?)([^\W\d_]+)[:：](?:[{MARKS}]([^{MARKS}]+)[{MARKS}](?!\S)|([^\s{MARKS}]\S*))")
"""A name, a colon and a value, which is quoted if it has spaces. East Asian keyboards have a full-width colon."""

NAMES: dict[str, tuple[str, ...]] = {
    "taken": ("taken", "촬영", "촬영일"),
    "added": ("added", "추가", "추가일"),
    "tag": ("tag", "태그"),
    "album": ("album", "앨범"),
    "camera": ("camera", "카메라"),
    "lens": ("lens", "렌즈"),
    "rating": ("rating", "별점"),
    "by": ("by", "올린이"),
    "format": ("format", "형식"),
    "orientation": ("orientation", "방향"),
    "size": ("size", "크기"),
    "colour": ("colour", "color", "색", "색상"),
    "licence": ("licence", "license", "라이선스"),
    "country": ("country", "나라", "국가"),
    "region": ("region", "지역"),
    "town": ("town", "city", "도시"),
    "place": ("place", "in", "곳", "장소"),
    "near": ("near", "근처"),
    "within": ("within", "거리"),
    "is": ("is", "상태"),
    "has": ("has",),
    "with": ("with", "포함"),
}
"""The names of each filter."""
_CALLED = {alias: name for name, aliases in NAMES.items() for alias in aliases}

IS: dict[str, Filters] = {
    "untagged": Filters(tagged=False),
    "untitled": Filters(titled=False),
    "undescribed": Filters(described=False),
    "undated": Filters(dated=(Certainty.UNKNOWN,)),
    "hidden": Filters(hidden=Hidden.ONLY),
    "숨김": Filters(hidden=Hidden.ONLY),
    "shown": Filters(hidden=Hidden.NO),
    "공개": Filters(hidden=Hidden.NO),
}
WITH: dict[str, Filters] = {
    "hidden": Filters(hidden=Hidden.WITH),
    "숨김": Filters(hidden=Hidden.WITH),
}
"""Hidden pictures that are included on request."""
HAS: dict[str, Filters] = {
    "tags": Filters(tagged=True),
    "title": Filters(titled=True),
    "description": Filters(described=True),
    "date": Filters(dated=(Certainty.KNOWN, Certainty.ABOUT)),
    "place": Filters(placed=True),
}
"""Values of `is:` and `has:`, each of which has an opposite, used with a minus."""
_OPPOSITE = {
    "untagged": HAS["tags"],
    "untitled": HAS["title"],
    "undescribed": HAS["description"],
    "undated": HAS["date"],
    "hidden": IS["shown"],
    "숨김": IS["shown"],
    "shown": IS["hidden"],
    "공개": IS["hidden"],
    "tags": IS["untagged"],
    "title": IS["untitled"],
    "description": IS["undescribed"],
    "date": IS["undated"],
    "place": Filters(placed=False),
}


@dataclass(frozen=True, slots=True)
class Typed:
    """A typed filter, and its meaning."""

    text: str
    filters: Filters


def read_term(term: re.Match[str]) -> Typed | None:
    """Return the meaning of a match of TERM; None if its name or value is unknown."""
    minus, called, quoted, bare = term.groups()
    name = _CALLED.get(called.casefold())
    value = normalised_text(quoted or bare or "")
    if name is None or not value:
        return None
    filters = _READERS[name](value, bool(minus))
    return None if filters is None else Typed(term[0], filters)


def names_a_filter(term: re.Match[str]) -> bool:
    """Whether a match of TERM has the name of a filter, whatever its value."""
    return term[2].casefold() in _CALLED


def _taken(value: str, without: bool) -> Filters | None:
    span = None if without else read_span(value)
    return span and Filters(taken_since=span.first, taken_until=span.last)


def _added(value: str, without: bool) -> Filters | None:
    span = None if without else read_span(value)
    return span and Filters(since=span.first, until=span.last)


def _tag(value: str, without: bool) -> Filters | None:
    # Text without a word is not in the full-text index.
    is_words = any(character.isalnum() for character in value)
    return _name("tags")(value, without) if is_words or without else Filters(tags=(value,))


def _name(field: str) -> Callable[[str, bool], Filters | None]:
    def read(value: str, without: bool) -> Filters | None:
        names: dict[str, Any] = {field: (value,)}
        return Filters(excluded=Excluded(**names)) if without else Filters(named=Named(**names))

    return read


def _rating(value: str, without: bool) -> Filters | None:
    return Filters(rating=int(value)) if value in STARS and not without else None


def _choice(field: str) -> Callable[[str, bool], Filters | None]:
    def read(value: str, without: bool) -> Filters | None:
        known = _values()[field].get(value.casefold())
        if known is None:
            return None
        chosen: dict[str, Any] = {field: (known,)}
        return Filters(excluded=Excluded(**chosen)) if without else Filters(**chosen)

    return read


def _colour(value: str, without: bool) -> Filters | None:
    """Parse one colour, or several joined by plus, which must all be in the picture."""
    values = _values()["colours"]
    parts = [part.strip().casefold() for part in value.split("+")]
    # Names of two words can be written with a hyphen.
    known = [values.get(part) or values.get(part.replace("-", " ")) for part in parts]
    if None in known or (without and len(known) > 1):
        return None
    names: tuple[Any, ...] = tuple(dict.fromkeys(known))
    if without:
        return Filters(excluded=Excluded(colours=names))
    return Filters(colours=names, together=len(names) > 1 or None)


def _country(value: str, without: bool) -> Filters | None:
    code = country_named(value)
    if not code:
        return None
    return Filters(excluded=Excluded(countries=(code,))) if without else Filters(countries=(code,))


def _folded(field: str) -> Callable[[str, bool], Filters | None]:
    def read(value: str, without: bool) -> Filters | None:
        return _name(field)(fold(value), without)

    return read


def _place(value: str, without: bool) -> Filters | None:
    place = AnyPlace(fold(value), country_named(value) or None)
    return Filters(excluded=Excluded(places=(place,))) if without else Filters(named=Named(places=(place,)))


def _near(value: str, without: bool) -> Filters | None:
    try:
        return None if without else Filters(near=uuid.UUID(value))
    except ValueError:
        return None


def _within(value: str, without: bool) -> Filters | None:
    kilometres = None if without else read_kilometres(value)
    return Filters(within=kilometres) if kilometres else None


def _too(value: str, without: bool) -> Filters | None:
    return None if without else WITH.get(value.casefold())


def _said(known: Mapping[str, Filters]) -> Callable[[str, bool], Filters | None]:
    def read(value: str, without: bool) -> Filters | None:
        value = value.casefold()
        if value not in known:
            return None
        return _OPPOSITE[value] if without else known[value]

    return read


_READERS: dict[str, Callable[[str, bool], Filters | None]] = {
    "taken": _taken,
    "added": _added,
    "tag": _tag,
    "album": _name("albums"),
    "camera": _name("cameras"),
    "lens": _name("lenses"),
    "rating": _rating,
    "by": _name("uploaders"),
    "format": _choice("formats"),
    "orientation": _choice("orientations"),
    "size": _choice("sizes"),
    "colour": _colour,
    "licence": _name("licences"),
    "country": _country,
    "region": _folded("regions"),
    "town": _folded("towns"),
    "place": _place,
    "near": _near,
    "within": _within,
    "is": _said(IS),
    "has": _said(HAS),
    "with": _too,
}


@lru_cache(maxsize=1)
def _values() -> dict[str, dict[str, str]]:
    """Return the values of each filter with a fixed set, by their names in all languages of the site."""
    found: dict[str, dict[str, str]] = {}
    for language in (None, *dict(settings.LANGUAGES)):
        with override(language):
            labels: dict[str, Mapping[str, object]] = {
                "formats": {**dict(Image.Format.choices), "JPEG": "jpg", "TIFF": "tif"},
                "orientations": dict(Image.Orientation.choices),
                "sizes": dict(Image.Size.choices),
                "colours": colour_labels(),
            }
            for field, called in labels.items():
                values = found.setdefault(field, {})
                for value, label in called.items():
                    values |= {value.casefold(): value, str(label).partition(" (")[0].casefold(): value}
    return found
