"""What the groups of the map are called: by what tells each of them from the others.

What people have tagged many of its pictures with goes before what the model sees in them. Where it is in the
vocabulary it has a name in both languages.
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
"""The share of a group's pictures that must bear a tag for it to go before what the model sees."""
_FEW = 0.15
"""The share for it to name a group of which the model sees nothing."""
_AS_WELL = 0.6
"""Of the share of the tag that tells most, for another one to stand beside it: a group may be of two things."""
_LEAST_APART = 0.8
"""Standard deviations by which a group must be nearer to a phrase than groups are on average, or that says nothing."""
_SAMPLE = 5_000
"""Pictures by which it is told how much their similarity to a phrase varies."""


class Name(NamedTuple):
    """In English or as a tag has it, and in Korean; "" for none, or for the same."""

    name: str = ""
    korean: str = ""


def names_of(ids: Sequence[uuid.UUID], vectors: Vectors, labels: Labels) -> list[Name]:
    """Return a name for each group, the largest first; no two have the same."""
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
    """Return the tags of each group that are commoner in it than elsewhere, with their shares, what tells most
    first."""
    group_of = dict(zip(ids, labels.tolist(), strict=True))
    counts: list[Counter[str]] = [Counter() for _ in range(count)]
    for image_id, tags in Image.objects.exclude(tags=[]).values_list("pk", "tags").iterator(chunk_size=10_000):
        if (group := group_of.get(image_id)) is not None:
            counts[group].update(set(tags))
    sizes, everywhere = Counter(group_of.values()), sum(counts, Counter())
    return [_telling(here, sizes[group], everywhere, len(ids)) for group, here in enumerate(counts)]


def _telling(here: Mapping[str, int], size: int, everywhere: Mapping[str, int], total: int) -> list[tuple[str, float]]:
    shares = {tag: number / size for tag, number in here.items()}
    told = {tag: share * math.log(share * total / everywhere[tag]) for tag, share in shares.items()}
    ranked = sorted((tag for tag in told if told[tag] > 0), key=lambda tag: (-told[tag], tag))
    return [(tag, shares[tag]) for tag in ranked]


def _seen(vectors: Vectors, labels: Labels, count: int) -> list[tuple[int, Name]]:
    """Return groups with tags of the vocabulary whose phrases they are nearer to than groups are on average, what
    stands out most first: a model finds some phrases near to everything, and some near to more things than others.
    Nothing where no model can be asked."""
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
    return [(group, _name_of(phrases.tags[tag])) for group, tag in best if apart[group, tag] >= _LEAST_APART]


def _middles(vectors: Vectors, labels: Labels, count: int) -> npt.NDArray[np.float32]:
    sums = np.zeros((count, vectors.shape[1]), dtype=np.float32)
    np.add.at(sums, labels, vectors)
    middles: npt.NDArray[np.float32] = sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-9)
    return middles
