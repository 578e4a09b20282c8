"""The current user, who determines which albums and private pictures searches find.

Each request sets it once (`search.web.gate`); elsewhere, as in commands and threads, it is an anonymous user.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from django.contrib.auth.models import AnonymousUser
from django.utils.functional import cached_property

from search.models import Album, Private
from search.models.albums import sees_all

if TYPE_CHECKING:
    from django.contrib.auth.models import User


class Asker:
    """One user, for the duration of a request. Everything is looked up on demand."""

    def __init__(self, user: "Callable[[], User | AnonymousUser]") -> None:
        self._user = user

    @cached_property
    def user(self) -> "User | AnonymousUser":
        return self._user()

    @cached_property
    def albums(self) -> dict[int, str]:
        """The titles of the albums visible to this user by id, in the order of titles."""
        return dict(Album.objects.visible_to(self.user).order_by("title", "pk").values_list("pk", "title"))

    @cached_property
    def sees_private(self) -> bool:
        """Whether there is a private picture that this user may see. Curators find these as hidden ones."""
        return not sees_all(self.user) and Private.any_for(self.user)

    def albums_called(self, title: str) -> tuple[int, ...]:
        """The ids of the albums with this title, case-insensitively."""
        folded = title.casefold()
        return tuple(key for key, called in self.albums.items() if called.casefold() == folded)


_STRANGER: Callable[[], Any] = AnonymousUser
_asker: ContextVar[Asker | None] = ContextVar("asker", default=None)


def asker() -> Asker:
    return _asker.get() or Asker(_STRANGER)


@contextmanager
def asked_by(user: "Callable[[], User | AnonymousUser]") -> Iterator[None]:
    """Context in which searches are those of this user, who is looked up on demand."""
    token = _asker.set(Asker(user))
    try:
        yield
    finally:
        _asker.reset(token)
