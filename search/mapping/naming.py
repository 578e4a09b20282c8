"""What the groups of the map are called: by what tells each of them from the others."""

import math
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from search.mapping.grouping import Labels
from search.models import Image

_LEAST_SHARE = 0.15
"""Of a group's pictures that must bear a tag that names it."""


class Name(NamedTuple):
    """In English or as a tag has it, and in Korean; "" for none, or for the same."""

    name: str = ""
    korean: str = ""


def names_by_tags(ids: Sequence[uuid.UUID], labels: Labels) -> list[Name]:
    """Return a name for each group, the largest first: the tag that is so common in it, and rarer elsewhere. No two
    have the same."""
    group_of = dict(zip(ids, labels.tolist(), strict=True))
    counts: list[Counter[str]] = [Counter() for _ in range(int(labels.max(initial=-1)) + 1)]
    sizes = Counter(group_of.values())
    tagged = Image.objects.exclude(tags=[]).values_list("pk", "tags")
    for image_id, tags in tagged.iterator(chunk_size=10_000):
        if (number := group_of.get(image_id)) is not None:
            counts[number].update(set(tags))
    everywhere: Counter[str] = sum(counts, Counter())
    taken: set[str] = set()
    names = []
    for number, here in enumerate(counts):
        name = _most_telling(here, sizes[number], everywhere, len(ids), taken)
        taken.add(name)
        names.append(Name(name))
    return names


def _most_telling(
    here: Mapping[str, int], size: int, everywhere: Mapping[str, int], total: int, taken: set[str]
) -> str:
    best, name = 0.0, ""
    for tag, count in sorted(here.items()):
        share = count / size
        telling = share * math.log(share * total / everywhere[tag])
        if share >= _LEAST_SHARE and telling > best and tag not in taken:
            best, name = telling, tag
    return name
