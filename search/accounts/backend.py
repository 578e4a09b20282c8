"""Passwords, counted before they are checked: of a hundred tries at once no more are looked at than may be."""

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
    """Django's own. Wrong passwords count, whichever page they are sent to; right ones don't. Raises TooMany."""

    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **kwargs: Any
    ) -> Any:
        """Return the account. Raises PermissionDenied otherwise, or Django would ask its own backend next, which stays
        among the settings for the sessions that it has begun."""
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
    """Whether this is the password of the person who is logged in, counted like one at the login. Raises TooMany."""
    with counted_try(request, user.get_username()) as tried:
        is_right = user.check_password(password)
        if is_right:
            tried.succeeded()
    return is_right


class Tried:
    """One try, which counts unless it has succeeded."""

    def __init__(self, counted: Sequence[Counted]) -> None:
        self._counted = counted

    def succeeded(self) -> None:
        for one in self._counted:
            one.give_back()
        self._counted = ()


@contextmanager
def counted_try(request: HttpRequest, name: str) -> Iterator[Tried]:
    """Count a try at the account of this name; what fails before it is decided does not count. Raises TooMany.

    By name and address, and by address, for an hour; by the name alone only for a minute, since others must not keep
    its owner out. A browser from which the owner has logged in before is counted by itself, whoever guesses elsewhere
    or behind the same address.
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
