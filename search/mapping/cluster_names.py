"""Names of map groups, from what distinguishes each of them.

Tags that people gave to many of its pictures take precedence over what the model sees. Vocabulary tags have names in
both languages.
"""

import math
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from search.embedding import ModelUnavailable
from search.mapping.clustering import Labels
from search.models import Image
from search.models.tagging import VocabularyTag
from search.models.vector_values import Vectors, WrongVectors
from search.tagging import vocabulary

_MANY = 0.3
"""Share of a group's pictures that must have a tag for it to take precedence over what the model sees."""
_FEW = 0.15
"""Share for a tag to name a group that no phrase matches."""
_AS_WELL = 0.6
"""Share, relative to the best tag, for a second tag in the name: a group may have two subjects."""
_LEAST_DISTANCE = 0.8
"""Minimum standard deviations by which a group must be nearer to a phrase than groups are on average."""
_SAMPLE = 5_000
"""Pictures in the sample for the standard deviation of the similarity to a phrase."""


class Name(NamedTuple):
    """The name in English, or as the tag is written, and in Korean; "" for none, or for the same."""

    name: str = ""
    korean: str = ""


def names_of(ids: Sequence[uuid.UUID], vectors: Vectors, labels: Labels) -> list[Name]:
    """Return a unique name for each group, the largest first."""
    count = int(labels.max(initial=-1)) + 1
    called = {name.casefold(): _name_of(tag) for tag in VocabularyTag.objects.all() for name in tag.names}
    by_tags = _ranked_tags(ids, labels, count)
    names: list[Name] = [Name()] * count
    taken: set[frozenset[str]] = set()

    def take(group: int, name: Name) -> None:
        words = frozenset(name.name.casefold().split(", "))
        if not names[group].name and name.name and words not in taken:
            names[group] = name
            taken.add(words)

    def take_tags(least: float) -> None:
        for group, ranked in enumerate(by_tags):
            many = [(called.get(tag.casefold(), Name(tag)), share) for tag, share in ranked if share >= least]
            if many[1:] and many[1][1] >= max(_MANY, _AS_WELL * many[0][1]):
                take(group, _both(many[0][0], many[1][0]))
            for name, _share in many:
                take(group, name)

    take_tags(_MANY)
    for group, name in _seen(vectors, labels, count):
        take(group, name)
    take_tags(_FEW)
    return names


def _both(one: Name, other: Name) -> Name:
    if one.name.casefold() == other.name.casefold():
        return one
    korean = f"{one.korean or one.name}, {other.korean or other.name}" if one.korean or other.korean else ""
    return Name(f"{one.name}, {other.name}", korean)


def _name_of(tag: VocabularyTag) -> Name:
    return Name(tag.called("en"), tag.called("ko"))


def _ranked_tags(ids: Sequence[uuid.UUID], labels: Labels, count: int) -> list[list[tuple[str, float]]]:
    """Return, for each group, the tags more frequent in it than elsewhere, with their shares, most distinctive
    first."""
    group_of = dict(zip(ids, labels.tolist(), strict=True))
    counts: list[Counter[str]] = [Counter() for _ in range(count)]
    for image_id, tags in Image.objects.exclude(tags=[]).values_list("pk", "tags").iterator(chunk_size=10_000):
        if (group := group_of.get(image_id)) is not None:
            counts[group].update(set(tags))
    sizes, everywhere = Counter(group_of.values()), sum(counts, Counter())
    return [_distinctive(here, sizes[group], everywhere, len(ids)) for group, here in enumerate(counts)]


def _distinctive(
    here: Mapping[str, int], size: int, everywhere: Mapping[str, int], total: int
) -> list[tuple[str, float]]:
    shares = {tag: number / size for tag, number in here.items()}
    scores = {tag: share * math.log(share * total / everywhere[tag]) for tag, share in shares.items()}
    ranked = sorted((tag for tag in scores if scores[tag] > 0), key=lambda tag: (-scores[tag], tag))
    return [(tag, shares[tag]) for tag in ranked]


def _seen(vectors: Vectors, labels: Labels, count: int) -> list[tuple[int, Name]]:
    """Return (group, name) for vocabulary tags whose phrases a group is nearer to than groups on average, most
    distinctive first: similarities to different phrases are not comparable as they are. Empty if no model is
    available."""
    if count < 2:
        return []
    try:
        vocabulary.load_if_empty()
        phrases = vocabulary.vectors()
    except (ModelUnavailable, WrongVectors):
        return []
    if not phrases.tags or phrases.vectors.shape[1] != vectors.shape[1]:
        return []
    apart = _middles(vectors, labels, count) @ phrases.vectors.T
    apart -= apart.mean(axis=0)
    some = vectors[np.random.default_rng(1).permutation(len(vectors))[:_SAMPLE]]
    apart /= np.maximum((some @ phrases.vectors.T).std(axis=0), 1e-6)
    best = [(int(one) // apart.shape[1], int(one) % apart.shape[1]) for one in np.argsort(-apart, axis=None)]
    return [(group, _name_of(phrases.tags[tag])) for group, tag in best if apart[group, tag] >= _LEAST_DISTANCE]


def _middles(vectors: Vectors, labels: Labels, count: int) -> npt.NDArray[np.float32]:
    sums = np.zeros((count, vectors.shape[1]), dtype=np.float32)
    np.add.at(sums, labels, vectors)
    middles: npt.NDArray[np.float32] = sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-9)
    return middles
