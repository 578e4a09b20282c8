"""What tags are called and which are within which: what a filter by a tag finds."""

import time
from collections import Counter
from collections.abc import Callable, Collection, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from django.utils.functional import cached_property

from search.models import VocabularyTag

REMEMBERED = 5.0
"""Seconds for which a process knows the vocabulary."""


@dataclass(frozen=True, slots=True)
class Named:
    """A tag of the vocabulary: how pictures are to spell it, what it is called, and the tags of which a picture has
    one that has it, or one within it."""

    name: str
    own: tuple[str, ...]
    found: tuple[str, ...]


@dataclass(frozen=True)
class Names:
    """The tags of the vocabulary, the widest first."""

    tags: Sequence[Named] = ()
    _folded: Mapping[str, Named] = field(default_factory=dict, repr=False)

    def known(self, name: str) -> Named | None:
        """Return the tag that is called so, in any case."""
        return self._folded.get(name.casefold())

    def found_by(self, name: str) -> tuple[str, ...]:
        """Return the tags of which a picture must have one to pass a filter by `name`: often that alone. In another
        spelling than the vocabulary's it is another tag."""
        known = self.known(name)
        return known.found if known and name in known.own else (name,)

    def meant_by(self, text: str) -> tuple[str, ...]:
        """The same of what somebody typed, in any case: where that is no one tag, in each in which tags are spelt."""
        known = self.known(text)
        if known is None or len(known.found) == 1:
            return (text,)
        return tuple(
            dict.fromkeys(
                spelt
                for name in (text, *known.found)
                for spelt in (name, name.lower(), name.capitalize(), name.title(), name.upper())
            )
        )

    @cached_property
    def all(self) -> set[str]:
        """All that tags are called."""
        return {name for tag in self.tags for name in tag.own}

    def present(self, tags: Container[str]) -> Iterator[tuple[Named, frozenset[str]]]:
        """Yield what is found by some of these tags, each with those that it is found by."""
        for named in self.tags:
            if found := frozenset(name for name in named.found if name in tags):
                yield named, found


_known: tuple[float, Names] | None = None


def tag_names() -> Names:
    """Return what tags are called, as it was a moment ago at most."""
    global _known  # noqa: PLW0603 - one for the process
    known = _known
    if known is None or time.monotonic() - known[0] >= REMEMBERED:
        known = _known = time.monotonic(), read_names()
    return known[1]


def forget_names() -> None:
    global _known  # noqa: PLW0603
    _known = None


def read_names() -> Names:
    """The same as it is now."""
    rows = list(VocabularyTag.objects.order_by("pk"))
    children: dict[int | None, list[VocabularyTag]] = {}
    for tag in rows:
        children.setdefault(tag.parent_id, []).append(tag)
    tags = []
    folded: dict[str, Named] = {}
    for tag in rows:
        found = tuple(dict.fromkeys(name for one in _within(tag, children) for name in one.names))
        named = Named(tag.name, tuple(tag.names), found)
        tags.append(named)
        for name in tag.names:
            folded.setdefault(name.casefold(), named)
    return Names(sorted(tags, key=lambda tag: -len(tag.found)), folded)


def _within(tag: VocabularyTag, children: Mapping[int | None, Sequence[VocabularyTag]]) -> list[VocabularyTag]:
    """Return a tag and all that are within it, however deep."""
    found, seen = [tag], {tag.pk}
    for one in found:
        for child in children.get(one.pk, ()):
            if child.pk not in seen:
                seen.add(child.pk)
                found.append(child)
    return found


def folded(
    counts: Counter[str],
    names: Names,
    most: int,
    exactly: Callable[[Sequence[Collection[str]]], Sequence[int]],
    *,
    are_all: bool = True,
) -> list[tuple[str, int]]:
    """Return the most frequent tags from how many pictures have each, names of one tag as one and wider tags with what
    is within them, each with how many pictures it finds.

    Where several of the tags that one finds are there, a picture may have more of them than one: `exactly` counts
    those that have any. A wider tag that finds nothing but what a narrower one does is left out. Unless `are_all`,
    pictures may have others than those that are counted.
    """
    # The widest first: of those that find the same, it is called as the narrowest.
    called = {present if are_all else frozenset(named.found): named.name for named, present in names.present(counts)}
    called |= {frozenset([tag]): tag for tag in counts if tag not in names.all}
    several = sorted((tags for tags in called if len(tags) > 1), key=lambda tags: -sum(counts[tag] for tag in tags))
    several = several[: 2 * most]
    found = [(called[tags], count) for tags, count in zip(several, exactly(several) if several else (), strict=True)]
    found += [(name, counts[tag]) for tags, name in called.items() if len(tags) == 1 for tag in tags]
    return sorted(found, key=lambda one: (-one[1], one[0]))[:most]
