"""A search as a small immutable value: everything of it stands in the address."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self
from urllib.parse import urlencode

from django.utils.translation import gettext as _

from search.embedding import MAX_TEXT_LENGTH, normalised_text

_MAX_PAGE = 10**6


class BadQuery(Exception):
    """The address asks for something that can't be searched. The message is for the person who asked."""


class NoSuchQuery(BadQuery):
    """The picture that is asked for is not known, or not any more."""


@dataclass(frozen=True, slots=True)
class SearchQuery:
    """Words, or a picture that was shown, or an image of the collection; with none of them, the newest images.

    Where an address names several, the most particular one counts: `like`, then `picture`, then words.
    """

    words: str = ""
    picture: uuid.UUID | None = None
    like: uuid.UUID | None = None
    page: int = 1

    @classmethod
    def from_params(cls, params: Mapping[str, str]) -> Self:
        """Read a query from the parameters of an address. Raises BadQuery for what can't be searched."""
        words = params.get("q", "")
        if len(words) > MAX_TEXT_LENGTH:
            raise BadQuery(
                _("Your search has %(length)s characters; at most %(limit)s can be searched.")
                % {"length": f"{len(words):,}", "limit": f"{MAX_TEXT_LENGTH:,}"}
            )
        return cls(
            words=normalised_text(words),
            picture=_identifier(params.get("picture", "")),
            like=_identifier(params.get("like", "")),
            page=_page(params.get("page", "")),
        )

    @property
    def is_empty(self) -> bool:
        return not (self.words or self.picture or self.like)

    def on_page(self, page: int) -> Self:
        return replace(self, page=page)

    def to_params(self) -> dict[str, str]:
        """Return the parameters that `from_params` reads this query from; defaults are left out."""
        params = {
            "q": self.words,
            "picture": str(self.picture or ""),
            "like": str(self.like or ""),
            "page": str(self.page) if self.page > 1 else "",
        }
        return {name: value for name, value in params.items() if value}

    def to_url(self) -> str:
        """Return the address's part after the question mark."""
        return urlencode(self.to_params())


def _identifier(value: str) -> uuid.UUID | None:
    value = value.strip()
    if not value:
        return None
    try:
        return uuid.UUID(value)
    except ValueError:
        raise NoSuchQuery(
            _("The picture in this address is not known. It may have been mistyped or cut off.")
        ) from None


def _page(value: str) -> int:
    """Return the page a person meant: the first for anything that is no page number."""
    value = value.strip()
    if not (value.isascii() and value.isdecimal()):
        return 1
    return max(1, min(int(value[:12]), _MAX_PAGE))
