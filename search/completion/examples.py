"""First searches to try, in the language of the person, that find something in this collection."""

import random
import re
from collections import Counter
from typing import cast

from django.core.cache import cache

from search import demo
from search.embedding import is_demo_model
from search.models import Image
from search.models.arrivals import state

_GENERAL = {
    "en": ["a dog in the snow", "sunset over the sea", "somebody laughing", "a red car", "breakfast with coffee"],
    "ko": ["눈 속의 강아지", "바다 위의 노을", "웃고 있는 사람", "빨간 자동차", "커피가 있는 아침 식사"],
}
_SCRIPTS = {"en": re.compile(r"[A-Za-z][A-Za-z '’,-]*"), "ko": re.compile(r"[가-힣][가-힣 ,]*")}

SAMPLE = 400
"""Newest images whose tags and titles stand for the collection."""
REMEMBERED = 600
"""Seconds for which they do."""
LONGEST_TITLE = 32
ENOUGH = 3
"""Words of the collection itself, from which on general ones need not help out."""


def example_query(language: str) -> str:
    """Return one of the general example queries of `language`, a different one each time."""
    return random.choice(_general(language))  # noqa: S311 - no secret


def example_queries(language: str, count: int = 4) -> list[str]:
    """Return up to `count` queries, other ones each time: tags and titles that the collection holds in `language`.

    Where it holds too few, general ones are among them.
    """
    held = _held().get(language, [])
    offered = held if len(held) >= ENOUGH else [*held, *_general(language)]
    return random.sample(offered, min(count, len(offered)))


def _general(language: str) -> list[str]:
    language = language if language in _GENERAL else "en"
    return demo.example_queries(cast("demo.Language", language)) if is_demo_model() else _GENERAL[language]


def _held() -> dict[str, list[str]]:
    """The most frequent tags and short titles of the newest images, by language."""
    # What is hidden, deleted or called otherwise now is no example any more.
    key = f"examples:{state().changed}"
    remembered: dict[str, list[str]] | None = cache.get(key)
    if remembered is not None:
        return remembered
    counts: Counter[str] = Counter()
    for title, tags in Image.objects.shown().newest().values_list("title", "tags")[:SAMPLE]:
        counts.update(tags)
        if 0 < len(title) <= LONGEST_TITLE:
            counts[title] += 1
    words = [word for word, _count in counts.most_common()]
    held = {language: [word for word in words if script.fullmatch(word)][:40] for language, script in _SCRIPTS.items()}
    if words:
        cache.set(key, held, REMEMBERED)
    return held
