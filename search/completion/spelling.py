"""Spelling correction: for a word that no picture has, the one within one edit that titles or tags have.

Each process holds all words of titles and tags, sorted forwards and backwards: one edit leaves either the first or the
second half of a word unchanged, so few words are compared.
"""

import re
import unicodedata
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice

from search.completion.suggestions import Kind, vocabulary
from search.indexing.query_plan import BY_WORDS, planned
from search.models import Image, ImageWords
from search.models.arrivals import State, state
from search.query import full_text as database_words
from search.query.collection_cache import Cached, CollectionCache
from search.query.parser import parse_text
from search.query.query import Mode, SearchQuery
from search.query.typed_filters import MARKS
from search.retrieval.results import ResultPage
from search.text.folding import is_unspaced, words_of

MOST_WORDS = 100_000
"""Maximum number of words, the most frequent first: some 40 MB per process."""
MOST_CORRECTIONS = 10_000
"""Corrections cached per process."""
MOST_ASKED = 8
"""Maximum number of words of a query that are checked."""
SHORTEST = 4
"""Minimum length of a Latin word to correct: shorter ones are within one edit of too many. Korean words of two
syllables may differ in one letter, of three in one syllable; Han and Kana words need two characters."""

_HANGUL = re.compile("[\uac00-\ud7a3]+")
_CHUNK = re.compile(rf"[^\s{MARKS}]+")
# Kanji with trailing Kana, Katakana, and other scripts without spaces.
_OF_ONE_KIND = re.compile(
    "[\u3005-\u3007\u3400-\u4dbf\u4e00-\u9fff]+[\u3041-\u309f]*|[\u30a1-\u30ff]+|[^\u30a1-\u30ff]+"
)


class _Sorted:
    """Words sorted forwards and backwards."""

    def __init__(self, words: Iterable[str]) -> None:
        self._forth = sorted(words)
        self._back = sorted(word[::-1] for word in self._forth)

    def beginning_with(self, start: str) -> list[str]:
        return _range(self._forth, start)

    def near(self, word: str) -> set[str]:
        """Return the words within one edit: a letter added, removed or replaced, or two swapped."""
        half = len(word) // 2
        same_end = [one[::-1] for one in _range(self._back, word[half:][::-1])]
        near = {one for one in (*self.beginning_with(word[:half]), *same_end) if _is_near(word, one)}
        turned = {word[:n] + word[n + 1] + word[n] + word[n + 2 :] for n in range(len(word) - 1)} - {word}
        return near | {one for one in turned if self._holds(one)}

    def _holds(self, word: str) -> bool:
        place = bisect_left(self._forth, word)
        return place < len(self._forth) and self._forth[place] == word


def _range(words: list[str], start: str) -> list[str]:
    first = bisect_left(words, start)
    return words[first : bisect_left(words, start + "\U0010ffff", first)]


def _is_near(one: str, other: str) -> bool:
    """Whether the two differ by one letter added, removed or replaced."""
    if len(one) > len(other):
        one, other = other, one
    if len(other) - len(one) > 1 or one == other:
        return False
    same = next((n for n, letter in enumerate(one) if letter != other[n]), len(one))
    return one[same + (len(one) == len(other)) :] == other[same + 1 :]


class Lexicon:
    """The words of titles and tags with their frequencies."""

    def __init__(self, counts: Counter[str]) -> None:
        self.counts = dict(counts.most_common(MOST_WORDS))
        self._words = _Sorted(self.counts)
        self._in_letters = _Sorted(_in_letters(word) for word in self.counts if _HANGUL.fullmatch(word))
        self._corrections: dict[str, str] = {}

    def knows(self, word: str) -> bool:
        """Whether any word has this prefix."""
        return bool(self._words.beginning_with(word))

    def correction(self, word: str) -> str:
        """Return the most frequent word within one edit of an unknown word; "" if it is known, or none is near.

        Cached, since people search by the same words.
        """
        known = self._corrections.get(word)
        if known is None:
            known = "" if self.knows(word) else self.meant_by(word)
            if len(self._corrections) >= MOST_CORRECTIONS:
                self._corrections.clear()
            self._corrections[word] = known
        return known

    def meant_by(self, word: str) -> str:
        """Return the most frequent word within one edit, "" if there is none."""
        found: set[str] = set()
        if _HANGUL.fullmatch(word) and len(word) > 1:
            # One letter of a Hangul syllable is a smaller edit than a whole syllable or a swap.
            found = {unicodedata.normalize("NFC", one) for one in self._in_letters.near(_in_letters(word))}
        if not found and self._may_be_off(word):
            found = self._words.near(word)
        return max((one for one in found if len(one) > 1), key=lambda one: (self.counts.get(one, 0), one), default="")

    @staticmethod
    def _may_be_off(word: str) -> bool:
        if _HANGUL.search(word):
            return len(word) > 2
        return len(word) > 1 if all(map(is_unspaced, word)) else len(word) >= SHORTEST


def _in_letters(word: str) -> str:
    return unicodedata.normalize("NFD", word)


def _lexicon() -> Lexicon:
    counts: Counter[str] = Counter()
    for title in ImageWords.objects.filter(image__hidden=False).exclude(title="").values_list("title", flat=True):
        counts.update(_words_in(title))
    for value in vocabulary.get(state()).value.values:
        if value.kind is Kind.TAG:
            for word in set(_words_in(" ".join(_split(words_of(value.label))))):
                counts[word] += value.count
    return Lexicon(counts)


lexicon = CollectionCache(_lexicon, "spellings")


def _split(words: Iterable[str]) -> Iterator[str]:
    """Split words as titles are stored: in scripts without spaces into single characters, Hangul into runs."""
    for word in words:
        yield from re.findall("[\uac00-\ud7a3]+|.", word) if any(map(is_unspaced, word)) else [word]


def _words_in(title: str) -> Iterator[str]:
    """Yield the words of a stored title, joining the single characters of scripts without spaces."""
    run = ""
    for word in title.split(" "):
        if len(word) == 1 and is_unspaced(word) and not _HANGUL.match(word):
            run += word
            continue
        yield from _of_run(run)
        run = ""
        if len(word) > 1 and not word.isdigit():
            yield word
    yield from _of_run(run)


def _of_run(run: str) -> Iterator[str]:
    if len(run) < 2:
        return
    yield run
    for word in _OF_ONE_KIND.findall(run):
        if 1 < len(word) < len(run):
            yield word


def did_you_mean(results: ResultPage) -> SearchQuery | None:
    """Return the query with corrected words; None if there is nothing to correct.

    If a picture contains the words as they are, they are taken as meant.
    """
    query = results.query
    may_be = query.words and query.mode is not Mode.MEANING and query.page == 1
    if not may_be or any(image.by_words for image in results.images):
        return None
    asked = _asked_about(query.words)
    kept = lexicon.peek(results.at) if asked else None
    if kept is None:
        return None
    instead = {chunk: meant for chunk, word in asked.items() if (meant := _instead(word, kept, results.at))}
    if not instead:
        return None
    return query.replace(words=_CHUNK.sub(lambda chunk: instead.get(chunk[0], chunk[0]), query.words))


def _asked_about(text: str) -> dict[str, str]:
    """Return the first words of the query to check, by their spelling in the query.

    Negated words, filters and chunks of several words are left out.
    """
    meant = set(parse_text(text).meant.split())
    chunks = [chunk for chunk in dict.fromkeys(_CHUNK.findall(text)) if chunk in meant and ":" not in chunk]
    words = {chunk: words_of(chunk) for chunk in chunks}
    single = {chunk: found[0] for chunk, found in words.items() if len(found) == 1 and len(found[0]) > 1}
    return dict(islice(single.items(), MOST_ASKED))


def _instead(word: str, kept: Cached[Lexicon], now: State) -> str:
    """Return the correction; "" if the word is known or none is near."""
    meant = kept.value.correction(word)
    # The cached lexicon may be out of date.
    return meant if meant and not _is_held(word) and (kept.at == now or _is_held(meant)) else ""


def _is_held(word: str) -> bool:
    """Whether a visible picture contains the word, in any text field, even within a longer word."""
    held = database_words.holding(Image.objects.shown(), database_words.beginnings(word)).order_by()
    # Counts all instead of using EXISTS: for a first match the planner would scan all pictures, and mostly there is
    # none.
    with planned(BY_WORDS):
        return held.count() > 0
