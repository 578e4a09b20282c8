"""Passwords, counted before they are checked: of a hundred tries at once no more are looked at than may be."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from django.contrib.auth.backends import ModelBackend
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
        if request is None or username is None or password is None:
            return super().authenticate(request, username, password, **kwargs)
        with counted_try(request, username) as tried:
            user = super().authenticate(request, username, password, **kwargs)
            if user is not None:
                tried.succeeded()
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

    def __init__(self, *counted: Counted) -> None:
        self._counted = counted

    def succeeded(self) -> None:
        for one in self._counted:
            one.give_back()
        self._counted = ()


@contextmanager
def counted_try(request: HttpRequest, name: str) -> Iterator[Tried]:
    """Count a try at the account of this name; what fails before it is decided does not count. Raises TooMany.

    By name and address, and by address, for an hour; by the name alone only for a minute, and not where its owner has
    logged in from this browser before: whoever guesses it from elsewhere must not keep them out.
    """
    address, name = address_of(request), folded(name)
    by_address = count({"LOGINS_BY_ADDRESS": address})
    try:
        device = device_of(request, name)
        by_name = count({"LOGINS": f"{name}\n{device or address}", **({} if device else {"LOGINS_BY_NAME": name})})
    except TooMany:
        by_address.give_back()
        raise
    tried = Tried(by_address, by_name)
    try:
        yield tried
    except BaseException:
        tried.succeeded()
        raise
