"""The mail server and sender, from one URL such as `smtp+tls://user:password@mail.example.org:587`."""

from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.core.validators import EmailValidator

from imagesearch.environment import text, unquoted, wrong
from imagesearch.host_names import in_brackets, is_host

_PORTS = {"smtp": 25, "smtps": 587, "smtp+tls": 587, "smtp+ssl": 465}
_WITHOUT_SERVER = ("consolemail", "filemail", "memorymail")
_HOW = (
    "write smtp+tls://user:password@mail.example.org:587, smtp+ssl:// or smtp:// (in the password %40 for @, %2F for /"
    " and %3A for :), or consolemail:// to have mails printed."
)


def mail_settings(name: str) -> dict[str, Any]:
    """Return Django's settings for mail; none where the variable is blank.

    The value is not repeated in the error: it may hold a password.
    """
    value = unquoted(name)
    if not value:
        return {}
    scheme = value.partition("://")[0]
    try:
        config = environ.Env.email_url_config(value)
    except (ImproperlyConfigured, ValueError):
        config = {}
    is_whole = scheme in _WITHOUT_SERVER or (
        is_host(in_brackets(config.get("EMAIL_HOST") or "")) and not config.get("EMAIL_FILE_PATH")
    )
    if scheme not in {*_PORTS, *_WITHOUT_SERVER} or not is_whole or config.get("OPTIONS"):
        raise ImproperlyConfigured(f"{name} can't be read: {_HOW}")
    return {
        **{key: value or "" for key, value in config.items()},
        "EMAIL_PORT": config.get("EMAIL_PORT") or _PORTS.get(scheme, 25),
    }


def sender(name: str, mail: dict[str, Any]) -> str:
    """Return the From address. Required with a server: most reject mail from an invalid one."""
    value = text(name)
    if not value and mail.get("EMAIL_HOST"):
        raise ImproperlyConfigured(f"{name} is not set, and EMAIL_URL is: write the address that mails come from.")
    try:
        if value:
            EmailValidator()(value)
    except ValidationError:
        raise wrong(name, value, "write an address alone, such as pictures@example.org.") from None
    return value or "webmaster@localhost"
