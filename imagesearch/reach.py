"""Who comes to this site: people of this machine, or strangers."""

from collections.abc import Sequence

from django.core.exceptions import ImproperlyConfigured

from imagesearch.environment import choice, flag, text

LOOPBACK = ("127.0.0.0/8", "::1")
_THIS_MACHINE = {"localhost", "[::1]"}
_CHOICES = ["on", "approval", "off"]


def strangers_come(hosts: Sequence[str], debug: bool, https: bool) -> bool:
    """Whether others than the people of this machine reach the site: by its names, or since it is in production."""
    return not debug or https or any(host not in _THIS_MACHINE and not host.startswith("127.") for host in hosts)


def sign_up(name: str, *, default: str) -> str:
    """Return "on", "off" or "approval". What older versions took for a switch is one still."""
    if not text(name):
        return default
    try:
        return "on" if flag(name, default=default == "on") else "off"
    except ImproperlyConfigured:
        return choice(name, _CHOICES, default=default)
