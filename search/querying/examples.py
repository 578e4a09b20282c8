"""A first search to try, in the language of the person, that finds something in this collection."""

import random
from typing import cast

from search import demo
from search.embedding import is_demo_model

_GENERAL = {
    "en": ["a dog in the snow", "sunset over the sea", "somebody laughing", "a red car", "breakfast with coffee"],
    "ko": ["눈 속의 강아지", "바다 위의 노을", "웃고 있는 사람", "빨간 자동차", "커피가 있는 아침 식사"],
}


def example_query(language: str) -> str:
    """Return one of the example queries of `language`, a different one each time."""
    language = language if language in _GENERAL else "en"
    queries = demo.example_queries(cast("demo.Language", language)) if is_demo_model() else _GENERAL[language]
    return random.choice(queries)  # noqa: S311 - no secret
