"""Who can reach this site: users of this machine only, or anybody."""

from collections.abc import Sequence

from django.core.exceptions import ImproperlyConfigured

from imagesearch.environment import choice, flag, text

LOOPBACK = ("127.0.0.0/8", "::1")
_THIS_MACHINE = {"localhost", "[::1]"}
_CHOICES = ["on", "approval", "off"]
ACCESS = ["public", "members", "approved"]
"""Who sees the collection: everybody, logged-in users, or logged-in users whom an owner has approved."""


def is_exposed(hosts: Sequence[str], debug: bool, https: bool) -> bool:
    """Whether the site is reachable from other machines, by its host names or because it is in production."""
    return not debug or https or any(host not in _THIS_MACHINE and not host.startswith("127.") for host in hosts)


def default_sign_up(access: str, hosts: Sequence[str], debug: bool, https: bool) -> str:
    """Return the default for SIGN_UP_OPEN."""
    if access == "approved":
        return "approval"
    return "off" if is_exposed(hosts, debug, https) else "on"


def sign_up(name: str, *, default: str) -> str:
    """Return "on", "off" or "approval". The booleans of older versions still work."""
    if not text(name):
        return default
    try:
        return "on" if flag(name, default=default == "on") else "off"
    except ImproperlyConfigured:
        return choice(name, _CHOICES, default=default)
