"""Who comes to this site: people of this machine, or strangers."""

from collections.abc import Sequence

from django.core.exceptions import ImproperlyConfigured

from imagesearch.environment import choice, flag, text

LOOPBACK = ("127.0.0.0/8", "::1")
_THIS_MACHINE = {"localhost", "[::1]"}
_CHOICES = ["on", "approval", "off"]
ACCESS = ["public", "members", "approved"]
"""Who sees the collection: everybody, who is logged in, and of these only whom an owner has let in."""


def strangers_come(hosts: Sequence[str], debug: bool, https: bool) -> bool:
    """Whether others than the people of this machine reach the site: by its names, or since it is in production."""
    return not debug or https or any(host not in _THIS_MACHINE and not host.startswith("127.") for host in hosts)


def usual_sign_up(access: str, hosts: Sequence[str], debug: bool, https: bool) -> str:
    """Return what becomes of sign-ups where nobody says it."""
    if access == "approved":
        return "approval"
    return "off" if strangers_come(hosts, debug, https) else "on"


def sign_up(name: str, *, default: str) -> str:
    """Return "on", "off" or "approval". What older versions took for a switch is one still."""
    if not text(name):
        return default
    try:
        return "on" if flag(name, default=default == "on") else "off"
    except ImproperlyConfigured:
        return choice(name, _CHOICES, default=default)
