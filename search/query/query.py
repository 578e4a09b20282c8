"""SearchQuery, the immutable value of a search, and its URL parameters."""

import uuid
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Self, TypeVar
from urllib.parse import urlencode

from django.utils.datastructures import MultiValueDict
from django.utils.translation import gettext as _

from search.query.anchors import Anchor
from search.query.errors import BadQuery
from search.query.filters import Filters
from search.query.parser import ParsedText, parse_text, without_filter
from search.query.query_parts import (
    MAX_PARTS,
    Kind,
    Params,
    Part,
    canonical,
    read_parts,
    read_weight,
    read_words,
    refuse_too_many,
    write_parts,
)
from search.text.numbers import whole_number

_MAX_PAGE = 10**6
_LATEST = 10**11
"""Largest Unix timestamp that a date can hold."""


class Mode(StrEnum):
    """How words match: by meaning, by full text, or both."""

    BOTH = "both"
    MEANING = "meaning"
    WORDS = "words"


class Minimum(StrEnum):
    """The minimum relevance band that is shown."""

    ANY = "any"
    RELATED = "related"
    STRONG = "strong"


class Sort(StrEnum):
    """The order of results. `newest` and `oldest` sort the strong and related results, or all if there is no query.

    `taken` and `taken-oldest` sort these by the time taken, those without a date last. `fresh` boosts recent pictures
    slightly. `nearest` sorts by distance from where another picture was taken, if that is a filter and there is no
    query.
    """

    SIMILARITY = "similarity"
    NEWEST = "newest"
    OLDEST = "oldest"
    TAKEN = "taken"
    TAKEN_OLDEST = "taken-oldest"
    FRESH = "fresh"
    NEAREST = "nearest"

    @property
    def is_by_date(self) -> bool:
        return self not in (Sort.SIMILARITY, Sort.FRESH, Sort.NEAREST)

    @property
    def is_by_taken(self) -> bool:
        return self in (Sort.TAKEN, Sort.TAKEN_OLDEST)

    @property
    def is_oldest_first(self) -> bool:
        return self in (Sort.OLDEST, Sort.TAKEN_OLDEST)


_DEFAULTS: dict[str, StrEnum] = {"mode": Mode.BOTH, "min": Minimum.ANY, "sort": Sort.SIMILARITY}


@dataclass(frozen=True, slots=True)
class SearchQuery:
    """Typed text, other parts, filters and options of display; without any parts, the newest images.

    `filters` are the selected ones; those typed in the text apply too (`all_filters`).

    `seen` is the arrival number at which the user opened the first page: later pictures are excluded, or each page
    would repeat the end of the one before.

    `after` is the last result of the page before, where results are beyond the candidates: of rows in an order, those
    behind it follow, or rows hidden or deleted meanwhile would have others skipped.

    `all_shown` says whether pages show all weaker matches after the strong ones, or only the first: `min=any` in the
    URL. It doesn't change what is found.
    """

    words: str = ""
    words_weight: float = 1.0
    parts: tuple[Part, ...] = ()
    filters: Filters = field(default_factory=Filters)
    mode: Mode = Mode.BOTH
    minimum: Minimum = Minimum.ANY
    all_shown: bool = False
    sort: Sort = Sort.SIMILARITY
    page: int = 1
    seen: int | None = None
    after: Anchor | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "parts", canonical(self.parts))

    @classmethod
    def from_params(cls, params: "Params | MultiValueDict[str, str]") -> Self:
        """Parse URL parameters. Raises BadQuery for what can't be searched."""
        values: Params = dict(params.lists()) if isinstance(params, MultiValueDict) else params
        words = read_words(_last(values, "q"))
        box = parse_text(words)
        refuse_too_many(len(box.unwanted) + len(box.quoted))
        refuse_too_many(len(box.typed))
        return cls(
            words=words,
            words_weight=read_weight(values.get("q_weight", ())[-1:]),
            parts=read_parts(values),
            filters=Filters.from_params(values),
            mode=_choice(values, "mode", Mode.BOTH),
            minimum=_choice(values, "min", Minimum.ANY),
            all_shown=_last(values, "min").strip() == Minimum.ANY,
            sort=_choice(values, "sort", Sort.SIMILARITY),
            page=max(1, whole_number(_last(values, "page"), _MAX_PAGE) or 1),
            seen=whole_number(_last(values, "seen"), _LATEST),
            after=Anchor.read(_last(values, "after")),
        )

    @property
    def box(self) -> ParsedText:
        return parse_text(self.words)

    @property
    def wanted(self) -> tuple[Part, ...]:
        """All positive parts, the typed text first."""
        meant = self.box.meant
        words = (Part(Kind.WORDS, meant, self.words_weight),) if meant else ()
        return words + tuple(part for part in self.parts if part.wanted)

    @property
    def unwanted(self) -> tuple[Part, ...]:
        """All negative parts, those of the typed text first."""
        words = tuple(Part(Kind.WORDS, text, wanted=False) for text in self.box.unwanted)
        return words + tuple(part for part in self.parts if not part.wanted)

    @property
    def texts(self) -> list[str]:
        """The texts of all parts, as encoded by the text model."""
        return [str(part.value) for part in (*self.wanted, *self.unwanted) if part.kind is Kind.WORDS]

    @property
    def all_filters(self) -> Filters:
        return self.filters.and_also(self.box.filters)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to rank by, filters aside."""
        return not (self.parts or self.box.meant or self.box.unwanted)

    def without_typed(self, text: str) -> Self:
        """Return this query without one of its typed filters."""
        return self.replace(words=without_filter(self.words, text))

    def replace(self, **fields: Any) -> Self:
        """Return the first page of this query, with other values for `fields`."""
        return replace(self, **{"page": 1, "seen": None, "after": None, **fields})

    def with_part(self, part: Part) -> Self:
        """Return this query with `part` added. Raises BadQuery if there are too many."""
        parts = canonical([*self.parts, part])
        if len(parts) > MAX_PARTS:
            raise BadQuery(_("A search can't have more than %(limit)s parts.") % {"limit": MAX_PARTS})
        return self.replace(parts=parts)

    def without_part(self, part: Part) -> Self:
        return self.replace(parts=tuple(other for other in self.parts if not other.is_about_the_same(part)))

    def more_like(self, image_id: uuid.UUID) -> Self:
        return self.with_part(Part(Kind.IMAGE, image_id))

    def less_like(self, image_id: uuid.UUID) -> Self:
        return self.with_part(Part(Kind.IMAGE, image_id, wanted=False))

    def to_params(self) -> list[tuple[str, str]]:
        """Return the parameters from which `from_params` reads this query; defaults are omitted."""
        params = [("q", self.words)] if self.words else []
        if self.words_weight != 1:
            params.append(("q_weight", f"{self.words_weight:g}"))
        params += write_parts(self.parts) + self.filters.to_params()
        shown = {"mode": self.mode, "min": self.minimum, "sort": self.sort}
        explicit = {"min"} if self.all_shown and self.minimum is Minimum.ANY else set()
        params += [
            (name, str(value)) for name, value in shown.items() if value is not _DEFAULTS[name] or name in explicit
        ]
        if self.page > 1:
            params.append(("page", str(self.page)))
        if self.seen is not None:
            params.append(("seen", str(self.seen)))
        if self.after is not None:
            params.append(("after", str(self.after)))
        return params

    def to_url(self) -> str:
        """Return the query string of the URL."""
        return urlencode(self.to_params())


def _last(params: Params, name: str) -> str:
    return "".join(params.get(name, ())[-1:])


_Choice = TypeVar("_Choice", bound=StrEnum)


def _choice(params: Params, name: str, default: _Choice) -> _Choice:
    text = _last(params, name).strip()
    known = [str(choice) for choice in type(default)]
    if text and text not in known:
        raise BadQuery(
            _("“%(value)s” is not a value of “%(name)s”. Possible values: %(known)s.")
            % {"value": text[:20], "name": name, "known": ", ".join(known)}
        )
    return type(default)(text) if text else default
