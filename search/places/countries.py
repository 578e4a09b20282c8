"""Countries by ISO 3166 code, with their names from Unicode's CLDR, as in Babel."""

import re
import threading
from collections.abc import Iterator
from functools import lru_cache

from django.conf import settings

from search.text.folding import fold

_CODE = re.compile("[A-Z]{2}")
_ALSO = {
    "usa": "US", "america": "US", "u.s.": "US", "uk": "GB", "britain": "GB", "holland": "NL", "korea": "KR",
    "한국": "KR", "남한": "KR", "북한": "KP", "czech republic": "CZ", "turkey": "TR", "터키": "TR",
}  # fmt: skip
"""Common names that CLDR lacks."""


def country_name(code: str, language: str = "en") -> str:
    """Return the country's name in a language, else in English, else its code."""
    return _territories(language).get(code) or _territories("en").get(code, code)


def country_named(text: str) -> str:
    """Return the code of a country named in English, a language of the site, one of its own languages, or by code; ""
    for none."""
    folded = fold(text).strip()
    # Own names are loaded only if needed.
    return _codes().get(folded) or _own_codes().get(folded, "")


@lru_cache(maxsize=8)
def _territories(language: str) -> dict[str, str]:
    from babel import Locale  # noqa: PLC0415 - few pages name a country

    return {code: name for code, name in Locale.parse(language, sep="-").territories.items() if _CODE.fullmatch(code)}


@lru_cache(maxsize=1)
def _codes() -> dict[str, str]:
    found = {code.lower(): code for code in _territories("en")}
    for language in ("en", *dict(settings.LANGUAGES)):
        found |= {fold(name): code for code, name in _territories(language).items()}
    return found | _ALSO


_LOCK = threading.Lock()


def _own_codes() -> dict[str, str]:
    with _LOCK:
        return _read_own_codes()


@lru_cache(maxsize=1)
def _read_own_codes() -> dict[str, str]:
    """Return codes by the countries' names in their official languages. Takes 0.2 s."""
    return {fold(name): code for code, name in _own_names()}


def _own_names() -> Iterator[tuple[str, str]]:
    from babel import localedata  # noqa: PLC0415
    from babel.languages import get_official_languages  # noqa: PLC0415

    spoken: dict[str, list[str]] = {}
    for code in _territories("en"):
        for language in get_official_languages(code, de_facto=True):
            spoken.setdefault(language, []).append(code)
    for language, codes in spoken.items():
        if localedata.exists(language):
            names = localedata.load(language, merge_inherited=False).get("territories", {})
            yield from ((code, names[code]) for code in codes if code in names)
            # Keeping all languages would take 80 MB.
            localedata.clear_caches()
