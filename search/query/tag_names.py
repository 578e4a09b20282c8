"""Names and hierarchy of the vocabulary's tags: what a filter by tag finds."""

import time
from collections import Counter
from collections.abc import Callable, Collection, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from django.utils.functional import cached_property

from search.models import VocabularyTag

REMEMBERED = 5.0
"""Seconds for which a process caches the vocabulary."""


@dataclass(frozen=True, slots=True)
class Named:
    """A tag of the vocabulary: its spelling on pictures, its names (`own`), and all tags by which pictures have it or
    a narrower one (`found`)."""

    name: str
    own: tuple[str, ...]
    found: tuple[str, ...]


@dataclass(frozen=True)
class Names:
    """The tags of the vocabulary, widest first."""

    tags: Sequence[Named] = ()
    _folded: Mapping[str, Named] = field(default_factory=dict, repr=False)

    def known(self, name: str) -> Named | None:
        """Return the tag with this name, case-insensitively."""
        return self._folded.get(name.casefold())

    def found_by(self, name: str) -> tuple[str, ...]:
        """Return the tags of which a picture must have one to pass a filter by `name`: often that alone. A spelling
        other than the vocabulary's is another tag."""
        known = self.known(name)
        return known.found if known and name in known.own else (name,)

    def meant_by(self, text: str) -> tuple[str, ...]:
        """Like `found_by`, for typed text, case-insensitively; if it means several tags, in all usual spellings."""
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
        """All names of all tags."""
        return {name for tag in self.tags for name in tag.own}

    def present(self, tags: Container[str]) -> Iterator[tuple[Named, frozenset[str]]]:
        """Yield the vocabulary's tags that some of `tags` match, each with these."""
        for named in self.tags:
            if found := frozenset(name for name in named.found if name in tags):
                yield named, found


_known: tuple[float, Names] | None = None


def tag_names() -> Names:
    """Return the vocabulary, cached for REMEMBERED seconds."""
    global _known  # noqa: PLW0603 - per-process cache
    known = _known
    if known is None or time.monotonic() - known[0] >= REMEMBERED:
        known = _known = time.monotonic(), read_names()
    return known[1]


def forget_names() -> None:
    global _known  # noqa: PLW0603
    _known = None


def read_names() -> Names:
    """Read the vocabulary."""
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
    """Return a tag and all its descendants."""
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
    """Return the most frequent tags with their numbers of pictures: names of one tag are merged, and wider tags
    include narrower ones.

    `counts` has the number of pictures per name. Where a tag matches several names, a picture may have more than one
    of them: `exactly` counts those with any. A wider tag with the same pictures as a narrower one is omitted. Unless
    `are_all`, pictures may have tags that are not in `counts`.
    """
    # Widest first: of tags that match the same names, the narrowest one's name is kept.
    called = {present if are_all else frozenset(named.found): named.name for named, present in names.present(counts)}
    called |= {frozenset([tag]): tag for tag in counts if tag not in names.all}
    several = sorted((tags for tags in called if len(tags) > 1), key=lambda tags: -sum(counts[tag] for tag in tags))
    several = several[: 2 * most]
    found = [(called[tags], count) for tags, count in zip(several, exactly(several) if several else (), strict=True)]
    found += [(name, counts[tag]) for tags, name in called.items() if len(tags) == 1 for tag in tags]
    return sorted(found, key=lambda one: (-one[1], one[0]))[:most]
