"""Password authentication, rate-limited before the password is checked, so that parallel guesses count, too."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from django.contrib.auth.backends import ModelBackend
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

from search.accounts.devices import device_of, folded
from search.limits import Counted, TooMany, address_of, count

if TYPE_CHECKING:
    from django.contrib.auth.models import User


class CountedBackend(ModelBackend):
    """Django's backend. Wrong passwords count towards the limits, whichever page they are sent to; right ones don't.
    Raises TooMany."""

    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **kwargs: Any
    ) -> Any:
        """Return the account. Raises PermissionDenied otherwise: Django would try its own backend next, which stays in
        the settings for sessions that it began."""
        if request is None or username is None or password is None:
            user = super().authenticate(request, username, password, **kwargs)
        else:
            with counted_try(request, username) as tried:
                user = super().authenticate(request, username, password, **kwargs)
                if user is not None:
                    tried.succeeded()
        if user is None:
            raise PermissionDenied
        return user


def is_own_password(request: HttpRequest, user: "User", password: str) -> bool:
    """Whether this is the password of the logged-in user; counts like a login. Raises TooMany."""
    with counted_try(request, user.get_username()) as tried:
        is_right = user.check_password(password)
        if is_right:
            tried.succeeded()
    return is_right


class Tried:
    """One attempt, which counts unless it succeeds."""

    def __init__(self, counted: Sequence[Counted]) -> None:
        self._counted = counted

    def succeeded(self) -> None:
        for one in self._counted:
            one.give_back()
        self._counted = ()


@contextmanager
def counted_try(request: HttpRequest, name: str) -> Iterator[Tried]:
    """Count an attempt to log in to the account `name`; one that fails with an exception does not count. Raises
    TooMany.

    Limits apply per name and address, and per address, for an hour; per name alone only for a minute, since others
    must not lock its owner out. A browser in which the owner has logged in before has a count of its own, whoever
    guesses elsewhere or from the same address.
    """
    name = folded(name)
    if device := device_of(request, name):
        counted = [count({"LOGINS": f"{name}\n{device}"})]
    else:
        address = address_of(request)
        counted = [count({"LOGINS_BY_ADDRESS": address})]
        try:
            counted.append(count({"LOGINS": f"{name}\n{address}", "LOGINS_BY_NAME": name}))
        except TooMany:
            counted[0].give_back()
            raise
    tried = Tried(counted)
    try:
        yield tried
    except BaseException:
        tried.succeeded()
        raise
