"""The demo's vocabulary in seven languages, from `caption_vocabulary.toml`, and the grammar that captions need."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from search.demo.scenes import Background, Colour, Place, Shape, Size


@dataclass(frozen=True, slots=True)
class EuropeanWords:
    """The vocabulary of one language, and the grammar that its captions need."""

    declension: Literal["none", "german", "romance"]
    colour_after_noun: bool
    size_after_noun: bool
    articles: dict[str, str]  # by gender
    single: str  # the adjective of "exactly one"
    numbers: list[str]  # two to five
    things: str  # nouns for a shape that isn't named
    shapes: dict[Shape, str]
    colours: dict[Colour, str]
    sizes: dict[Size, str]
    places: dict[Place, str]
    backgrounds: dict[Background, str]  # after "a red star"
    bare_backgrounds: dict[Background, str]  # alone


@dataclass(frozen=True, slots=True)
class AsianWords:
    """The vocabulary of one language; `numbers` has the ways to count from one to five."""

    numbers: list[str]
    things: str  # nouns for a shape that isn't named
    shapes: dict[Shape, str]
    colours: dict[Colour, str]
    colour_names: dict[Colour, str]  # alone
    sizes: dict[Size, str]
    places: dict[Place, str]
    backgrounds: dict[Background, str]
    bare_backgrounds: dict[Background, str]  # alone


_TABLES: dict[str, dict[str, Any]] = tomllib.loads(Path(__file__).with_suffix(".toml").read_text("utf-8"))
ENGLISH, GERMAN, FRENCH, SPANISH = (EuropeanWords(**_TABLES[language]) for language in ("en", "de", "fr", "es"))
KOREAN, JAPANESE, CHINESE = (AsianWords(**_TABLES[language]) for language in ("ko", "ja", "zh"))
