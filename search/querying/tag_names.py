"""What tags are called and which are within which: what a filter by a tag finds."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from search.models import VocabularyTag

REMEMBERED = 5.0
"""Seconds for which a process knows the vocabulary."""


@dataclass(frozen=True, slots=True)
class Named:
    """A tag of the vocabulary: how pictures spell it, and the names by which pictures have it, its own and those of
    all tags within it."""

    name: str
    called: Mapping[str, str]
    own: tuple[str, ...]
    found: tuple[str, ...]
    is_nested: bool


@dataclass(frozen=True)
class Names:
    """The vocabulary by what its tags are called, in any case."""

    by_name: Mapping[str, Named] = field(default_factory=dict)

    def known(self, name: str) -> Named | None:
        return self.by_name.get(name.casefold())

    def found_by(self, name: str) -> tuple[str, ...]:
        """Return the tags of which pictures that a filter by `name` finds have one, itself first: often that alone."""
        known = self.known(name)
        if known is None:
            return (name,)
        return tuple(dict.fromkeys((name, *known.found)))


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
    tags = list(VocabularyTag.objects.order_by("pk"))
    children: dict[int, list[VocabularyTag]] = {}
    for tag in tags:
        if tag.parent_id:
            children.setdefault(tag.parent_id, []).append(tag)
    found: dict[str, Named] = {}
    for tag in tags:
        within = _within(tag, children)
        all_names = tuple(dict.fromkeys(name for one in within for name in one.names))
        called = {"en": tag.called("en"), "ko": tag.called("ko")}
        named = Named(tag.name, called, tuple(tag.names), all_names, len(within) > 1)
        for name in tag.names:
            found.setdefault(name.casefold(), named)
    return Names(found)


def _within(tag: VocabularyTag, children: Mapping[int, Sequence[VocabularyTag]]) -> list[VocabularyTag]:
    """Return a tag and all that are within it, however deep."""
    found, seen = [tag], {tag.pk}
    for one in found:
        for child in children.get(one.pk, ()):
            if child.pk not in seen:
                seen.add(child.pk)
                found.append(child)
    return found
