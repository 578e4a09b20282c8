"""A part of a query: words, an uploaded picture, or an image of the collection; positive or negative."""

import math
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from django.utils.translation import gettext as _

from search.embedding import MAX_TEXT_LENGTH
from search.query.errors import BadQuery, NoSuchQuery
from search.text.normalization import normalised_text

LEAST_WEIGHT, MOST_WEIGHT = 0.1, 3.0
MAX_PARTS = 12
"""Maximum parts besides the typed text; and within that, maximum excluded or quoted ones."""

Params = Mapping[str, Sequence[str]]
"""URL parameters, each with all its values in order."""


class Kind(StrEnum):
    WORDS = "words"
    PICTURE = "picture"
    IMAGE = "image"


_NAMES = {
    (Kind.PICTURE, True): "picture",
    (Kind.IMAGE, True): "like",
    (Kind.WORDS, False): "not",
    (Kind.IMAGE, False): "unlike",
}
"""URL parameters by kind and sign. Positive words are in `q`."""


@dataclass(frozen=True, slots=True)
class Part:
    """`value` is text, the token of an uploaded picture, or the id of an image; `weight` is from 0.1 to 3."""

    kind: Kind
    value: str | uuid.UUID
    weight: float = 1.0
    wanted: bool = True

    @property
    def name(self) -> str:
        """The URL parameter; "q" for positive words."""
        return _NAMES.get((self.kind, self.wanted), "q")

    def is_about_the_same(self, other: "Part") -> bool:
        return (self.kind, self.value) == (other.kind, other.value)


def canonical(parts: Sequence[Part]) -> tuple[Part, ...]:
    """Return `parts` in canonical order, without duplicates: the last one with a value counts."""
    last = {(part.kind, part.value): part for part in parts}
    order = list(_NAMES.values())
    return tuple(sorted(last.values(), key=lambda part: order.index(part.name)))


def read_parts(params: Params) -> tuple[Part, ...]:
    """Parse the parts in URL parameters. Raises BadQuery for invalid ones, or too many."""
    parts = []
    for (kind, wanted), name in _NAMES.items():
        weights = params.get(f"{name}_weight", ())
        for number, text in enumerate(params.get(name, ())):
            value = read_words(text) if kind is Kind.WORDS else read_id(text)
            if value:
                parts.append(Part(kind, value, read_weight(weights[number : number + 1]), wanted))
    refuse_too_many(len(parts))
    return canonical(parts)


def refuse_too_many(parts: int) -> None:
    """Raise BadQuery for too many parts: each costs an encoding, and a distance for each row."""
    if parts > MAX_PARTS:
        raise BadQuery(
            _("A search can have %(limit)s parts; this one has %(found)s.") % {"limit": MAX_PARTS, "found": parts}
        )


def read_words(text: str) -> str:
    """Return `text` normalised. Raises BadQuery if it is too long."""
    if len(text) > MAX_TEXT_LENGTH:
        raise BadQuery(
            _("Your search has %(length)s characters; the limit is %(limit)s.")
            % {"length": f"{len(text):,}", "limit": f"{MAX_TEXT_LENGTH:,}"}
        )
    return normalised_text(text)


def write_parts(parts: Sequence[Part]) -> list[tuple[str, str]]:
    """Return the parameters from which `read_parts` reads `parts`."""
    params: list[tuple[str, str]] = []
    for name in _NAMES.values() if parts else ():
        named = [part for part in parts if part.name == name]
        params += [(name, str(part.value)) for part in named]
        if any(part.weight != 1 for part in named):
            params += [(f"{name}_weight", f"{part.weight:g}") for part in named]
    return params


def read_id(text: str) -> uuid.UUID | None:
    text = text.strip()
    if not text:
        return None
    try:
        return uuid.UUID(text)
    except ValueError:
        raise NoSuchQuery(
            _("The picture in this address is unknown. The address may be mistyped or incomplete.")
        ) from None


def read_weight(values: Sequence[str]) -> float:
    """Return the weight in `values`, which has one or none, with two decimals. Raises BadQuery."""
    text = values[0].strip() if values else ""
    try:
        weight = round(float(text or 1), 2)
    except ValueError:
        weight = math.nan
    if not LEAST_WEIGHT <= weight <= MOST_WEIGHT:
        raise BadQuery(
            _("“%(text)s” is not a weight. A weight is a number from %(least)s to %(most)s.")
            % {"text": text[:20], "least": LEAST_WEIGHT, "most": f"{MOST_WEIGHT:g}"}
        )
    return weight
