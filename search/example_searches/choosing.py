"""Choose a few diverse searches among candidates: each is searched as users will, and kept if its first result is a
strong match."""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from search.embedding import Busy, ModelUnavailable, active_model
from search.example_searches.candidate_texts import Words
from search.example_searches.scoring import Scored
from search.models import Image
from search.models.vector_sets import current_set
from search.models.vector_values import Vector
from search.query import BadQuery, SearchQuery
from search.relevance import Band
from search.relevance.band_thresholds import scale_of
from search.retrieval import find

MOST = 16
"""Per language; more than shown, to replace those hidden later."""
MOST_SEARCHED = 80
IMAGES = 6
"""Pictures stored per search; more than one, in case the first is hidden later."""
OVERLAP = 1 / 3
"""Maximum overlap of the strong matches of two searches."""
_SMALL = frozenset(("a", "an", "the", "of", "in", "on", "at", "by", "with", "and", "over", "under", "to", "for"))


@dataclass
class Chosen:
    """A search with its strong matches, the one to show first."""

    words: Words
    images: list[uuid.UUID]
    strong: frozenset[uuid.UUID] = field(default_factory=frozenset)


def chosen(candidates: Sequence[Scored]) -> list[Chosen]:
    """Return up to MOST of the candidates, which come best first. Raises ModelUnavailable."""
    choice = _Choice()
    for one in candidates:
        if len(choice.things) == MOST or choice.searched == MOST_SEARCHED:
            break
        choice.consider(one)
    return choice.things


class _Choice:
    def __init__(self) -> None:
        self.things: list[Chosen] = []
        self.searched = 0
        self._covers: list[Vector] = []
        self._table = current_set(active_model())

    def consider(self, one: Scored) -> None:
        """Add a text, unless a similar one was chosen or it has no strong match."""
        tokens = _tokens(one.words.text)
        if any(_is_similar(tokens, _tokens(other.words.text)) for other in self.things):
            return
        if any(_overlap(one.strong, other.strong) > OVERLAP for other in self.things):
            return
        found = self._strong_matches(one.words)
        strong = one.strong | frozenset(found)
        if found and not any(_overlap(strong, other.strong) > OVERLAP for other in self.things):
            self._add(one.words, found, strong)

    def _strong_matches(self, words: Words) -> list[uuid.UUID]:
        """Search as an anonymous user; empty if the first result is not strong."""
        query = SearchQuery(words=words.text)
        if not query.all_filters.is_empty or query.unwanted:
            return []
        self.searched += 1
        try:
            images = find(query).images
        except Busy:
            raise
        except (BadQuery, ModelUnavailable):  # no model for this text
            return []
        if not images or images[0].band is not Band.STRONG:
            return []
        return [
            image.pk
            for image in images
            if image.band is Band.STRONG
            and not image.hidden
            and (not words.borne or words.borne == image.title or words.borne in image.tags)
        ]

    def _add(self, words: Words, found: Sequence[uuid.UUID], strong: frozenset[uuid.UUID]) -> None:
        vectors = Image.objects.filter(pk__in=found).vectors_in(self._table)
        cover = next((pk for pk in found if pk in vectors and not self._looks_like_another(vectors[pk])), None)
        if cover is None:
            return
        others = [pk for pk in found if pk != cover]
        self.things.append(Chosen(words, [cover, *others][:IMAGES], strong))
        self._covers.append(vectors[cover])

    def _looks_like_another(self, vector: Vector) -> bool:
        scale = scale_of(vector, pictures=1.0)
        alike = scale.strong if scale else 0.99
        return any(float(vector @ other) >= alike for other in self._covers)


def _tokens(text: str) -> set[str]:
    return {token.strip(",'’") for token in text.casefold().split()} - _SMALL


def _is_similar(tokens: Iterable[str], others: Iterable[str]) -> bool:
    """Whether two texts share a word, or one a prefix of another: plurals, or a noun with its particle."""
    return any(a.startswith(b) or b.startswith(a) for a in tokens for b in others)


def _overlap(some: frozenset[uuid.UUID], others: frozenset[uuid.UUID]) -> float:
    return len(some & others) / min(len(some), len(others)) if some and others else 0.0
