"""Candidate texts: general ones, and tags and titles of the collection's pictures."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

from search import demo
from search.embedding import is_demo_model
from search.embedding.query_bank import queries
from search.models import Image
from search.models.example_searches import LONGEST_WORDS
from search.tagging.vocabulary_tables import starting_rows

LANGUAGES = ("en", "ko")
"""The languages of the site, each with its own examples."""
SAMPLE = 2_000
"""Number of newest pictures whose tags and titles are used."""
MOST_BORNE = 150
LONGEST_TITLE = 32
_GENERAL = {
    "en": ["a dog in the snow", "sunset over the sea", "somebody laughing", "a red car", "breakfast with coffee"],
    "ko": ["눈 속의 강아지", "바다 위의 노을", "웃고 있는 사람", "빨간 자동차", "커피가 있는 아침 식사"],
}
_SCRIPTS = {"en": re.compile(r"[A-Za-z][A-Za-z '’,-]*"), "ko": re.compile(r"[가-힣][가-힣 ,]*")}
_ARTICLE = re.compile(r"an? (?=\w)")


@dataclass(frozen=True, slots=True)
class Words:
    """A candidate text; `borne` is the title or tag that it comes from, "" for a general one."""

    text: str
    borne: str = ""


def general(language: str) -> list[Words]:
    """Return texts for any collection: from the query bank and the starting vocabulary. The demo model knows few of
    these, so for it the demo's own examples."""
    if is_demo_model():
        return [Words(text) for text in demo.example_queries(cast("demo.Language", language))]
    texts = [*_GENERAL[language], *queries()[language]]
    texts += [row["korean" if language == "ko" else "english"] for row in starting_rows()]
    return [Words(_ARTICLE.sub("", text, count=1) if language == "en" else text) for text in dict.fromkeys(texts)]


def borne_by_pictures() -> dict[str, list[Words]]:
    """Return the most frequent tags and short titles of the newest visible pictures, by language."""
    counts: Counter[str] = Counter()
    rows = Image.objects.shown().newest().values_list("title", "tags")[:SAMPLE]
    for title, tags in rows:
        counts.update(dict.fromkeys(_short(title, tags), 1))
    ranked = [text for text, _count in counts.most_common()]
    return {
        language: [Words(text, borne=text) for text in ranked if _SCRIPTS[language].fullmatch(text)][:MOST_BORNE]
        for language in LANGUAGES
    }


def _short(title: str, tags: list[str]) -> Iterator[str]:
    if 0 < len(title) <= LONGEST_TITLE:
        yield title
    yield from (tag for tag in tags if 0 < len(tag) <= LONGEST_WORDS)
