"""Captions: statements about scenes in seven languages."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Literal, get_args

from search.demo.caption_vocabulary import (
    CHINESE,
    ENGLISH,
    FRENCH,
    GERMAN,
    JAPANESE,
    KOREAN,
    SPANISH,
    AsianWords,
    EuropeanWords,
)
from search.demo.scenes import Statement

Language = Literal["en", "ko", "ja", "de", "fr", "es", "zh"]
LANGUAGES: tuple[Language, ...] = get_args(Language)

_EXAMPLES = (
    Statement(shape="star", colour="red"),
    Statement(shape="star", colour="yellow", count=3, background="night"),
    Statement(shape="fish", colour="orange", background="sea"),
    Statement(shape="heart", count=2),
    Statement(shape="flower", colour="pink", size="large", background="grass"),
    Statement(shape="arrow", colour="black", place="left"),
    Statement(shape="ring", colour="purple", size="small"),
    Statement(shape="moon", colour="white", background="black"),
)


class _Plain:
    """Chooses the most common wording every time."""

    def pick(self, synonyms: str) -> str:
        return synonyms.split(", ", 1)[0]

    def chance(self, probability: float) -> bool:
        return False


class _Varied(_Plain):
    """Chooses synonyms and word orders at random."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng

    def pick(self, synonyms: str) -> str:
        return self._rng.choice(synonyms.split(", "))

    def chance(self, probability: float) -> bool:
        return self._rng.random() < probability


def caption(language: Language, statement: Statement, rng: random.Random | None = None) -> str:
    """Return the statement in words, on one line and not capitalised (German nouns aside).

    Without `rng` in the plainest wording ("red star"), with it in one of many ("a crimson star", "red stars"). A
    singular or plural without a number states no count. Raises ValueError for an empty statement.
    """
    if statement == Statement():
        raise ValueError("an empty statement has no caption")
    return _SPEAKERS[language](statement, _Plain() if rng is None else _Varied(rng))


def example_queries(language: Language) -> list[str]:
    """Return good first searches of the demo's collection, in a language."""
    return [caption(language, statement) for statement in _EXAMPLES]


def _european(words: EuropeanWords, said: Statement, wording: _Plain) -> str:
    where = [wording.pick(words.places[said.place])] if said.place else []
    if said.background:
        alone = not said.shape and not said.colour and not where and not said.count and not said.size
        backgrounds = words.bare_backgrounds if alone else words.backgrounds
        where.insert(0 if wording.chance(0.4) else len(where), wording.pick(backgrounds[said.background]))
    if said.shape or said.colour or said.count or said.size:
        where.insert(0, _european_noun_phrase(words, said, wording))
    return (", " if wording.chance(0.05) else " ").join(where)


def _european_noun_phrase(words: EuropeanWords, said: Statement, wording: _Plain) -> str:
    """Return a noun phrase such as "three small red stars": words before the noun, the noun, and words after it."""
    one, many, gender = wording.pick(words.shapes[said.shape] if said.shape else words.things).split("/")
    plural = (said.count or 1) > 1 or (said.count is None and wording.chance(0.35))
    size = [_decline(words, wording.pick(words.sizes[said.size]), gender, plural)] if said.size else []
    colour = [_decline(words, wording.pick(words.colours[said.colour]), gender, plural)] if said.colour else []
    if colour and not said.shape and not said.count and not size and (said.place is None or wording.chance(0.5)):
        return wording.pick(words.colours[said.colour]).split("/")[0].rstrip("!") if said.colour else ""
    adjectives_before = ([] if words.size_after_noun else size) + ([] if words.colour_after_noun else colour)
    adjectives_after = (colour if words.colour_after_noun else []) + (size if words.size_after_noun else [])
    phrase = [*_number(words, said, gender, plural, wording), *adjectives_before, many if plural else one]
    return _elided(" ".join(phrase + adjectives_after))


def _number(words: EuropeanWords, said: Statement, gender: str, plural: bool, wording: _Plain) -> list[str]:
    """Return the number words: none, or an article, if no count is stated."""
    if said.count is None:
        return [words.articles[gender]] if not plural and wording.chance(0.5) else []
    if wording.chance(0.2):
        return [str(said.count)]
    if said.count == 1:
        return [words.articles[gender], _decline(words, words.single, gender, plural=False)]
    return [words.numbers[said.count - 2]]


def _decline(words: EuropeanWords, adjective: str, gender: str, plural: bool) -> str:
    """Return the adjective inflected for gender and number."""
    if words.declension == "german":
        ending = "e" if plural else {"m": "er", "f": "e", "n": "es"}[gender]
        return adjective[:-1] if adjective.endswith("!") else adjective + ending
    if words.declension == "none" or "/" not in adjective:
        return adjective
    masculine, feminine = adjective.split("/")
    form = feminine if gender == "f" else masculine
    if not plural:
        return form
    if words is FRENCH:
        return form if form.endswith("s") else form + "s"
    return form.replace("ó", "o") + ("s" if form[-1] in "aeo" else "es")


def _elided(phrase: str) -> str:
    """Return the English phrase with "an" before a vowel: "an orange star"."""
    return "an" + phrase[1:] if phrase.startswith("a ") and phrase[2] in "aeiou" else phrase


def _asian_parts(words: AsianWords, said: Statement, wording: _Plain) -> tuple[list[str], str, str]:
    """Return the words before the noun, the noun, and the number ("" if no count is stated)."""
    before = []
    if said.background:
        before.append(wording.pick(words.backgrounds[said.background]))
    if said.place:
        before.insert(0 if wording.chance(0.2) else len(before), wording.pick(words.places[said.place]))
    if said.size:
        before.append(wording.pick(words.sizes[said.size]))
    if said.colour:
        before.append(wording.pick(words.colours[said.colour]))
    noun = wording.pick(words.shapes[said.shape] if said.shape else words.things)
    return before, noun, wording.pick(words.numbers[said.count - 1]) if said.count else ""


def _alone(words: AsianWords, said: Statement, wording: _Plain) -> str | None:
    """Return the words for a statement of only a colour or a background; None for others."""
    if said == Statement(colour=said.colour) and said.colour:
        return wording.pick(words.colour_names[said.colour])
    if said == Statement(background=said.background) and said.background:
        return wording.pick(words.bare_backgrounds[said.background])
    return None


def _korean(said: Statement, wording: _Plain) -> str:
    if alone := _alone(KOREAN, said, wording):
        return alone
    before, noun, number = _asian_parts(KOREAN, said, wording)
    if wording.chance(0.1) and said.count is None:
        noun += "들"
    if wording.chance(0.15):
        # The subject particle is 이 after a final consonant, 가 after a vowel (Unicode 3.12, Hangul syllables).
        noun += "이" if (ord(noun[-1]) - 0xAC00) % 28 else "가"
    glue = "" if wording.chance(0.1) else " "
    return glue.join([*before, noun]) + (f" {number}" if number else "")


def _japanese(said: Statement, wording: _Plain) -> str:
    if alone := _alone(JAPANESE, said, wording):
        return alone
    before, noun, number = _asian_parts(JAPANESE, said, wording)
    if number and wording.chance(0.3):
        return "".join([*before[:-1], number, "の", *before[-1:], noun])
    glue = " " if wording.chance(0.1) else ""
    return glue.join([*before, noun]) + (("" if wording.chance(0.5) else "が") + number if number else "")


def _chinese(said: Statement, wording: _Plain) -> str:
    if alone := _alone(CHINESE, said, wording):
        return alone
    before, noun, number = _asian_parts(CHINESE, said, wording)
    where, adjectives = bool(said.background) + bool(said.place), before[bool(said.background) + bool(said.place) :]
    # 两个红色的小星星: the size is next to its noun.
    return "".join([*before[:where], number, *reversed(adjectives), noun])


_SPEAKERS: dict[Language, Callable[[Statement, _Plain], str]] = {
    "en": lambda said, wording: _european(ENGLISH, said, wording),
    "ko": _korean,
    "ja": _japanese,
    "de": lambda said, wording: _european(GERMAN, said, wording),
    "fr": lambda said, wording: _european(FRENCH, said, wording),
    "es": lambda said, wording: _european(SPANISH, said, wording),
    "zh": _chinese,
}
