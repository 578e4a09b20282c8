"""Typed settings from the environment; an invalid value stops the start with its name, its value and the remedy.

django-environ reads the variables and the `.env` file. Its own casts are too lenient (`DEBUG=ture` is silently
false), so each kind of value is validated here.
"""

import os
import re
import secrets
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import environ
from django.core.exceptions import ImproperlyConfigured

from imagesearch.database_url import WrongDatabaseUrl, read_database_url
from imagesearch.host_names import as_sent, is_host, is_web_address, origin_as_sent

_YES = {"1", "on", "true", "yes"}
_NO = {"0", "off", "false", "no"}
_ARN = r"arn:aws[a-z-]*:s3[a-z-]*:[a-z0-9-]*:\d{12}:[A-Za-z0-9:/._-]+"
_LONGEST_FOLDER = 500
"""Bytes of a folder in a bucket: a key has 1,024."""
SHORTEST_KEY = 32
"""Minimum characters of a secret key, a quarter of them distinct."""
HOW_TO_MAKE_ONE = "make one with `python -c 'import secrets; print(secrets.token_urlsafe(50))'`"
_VARIABLE = re.compile(r"(?:export )?([A-Za-z_0-9]+)=")


def read_env_file(path: Path, *, over_blank: bool = False) -> None:
    """Load the variables of a `.env` file; variables already in the environment take precedence.

    With `over_blank`, blank ones in the environment don't. A malformed line stops the start; the error does not repeat
    it, since it may hold a password.
    """
    if not path.is_file():
        return
    try:
        lines = path.read_text("utf-8", errors="replace").splitlines()
    except OSError as error:
        raise ImproperlyConfigured(f"{path} can't be read: {error.strerror}.") from error
    for number, line in enumerate(lines, start=1):
        variable = _VARIABLE.match(line)
        if line and not line.startswith("#") and not variable:
            raise ImproperlyConfigured(f"Line {number} of {path}: write NAME=value, without spaces around the name.")
        if over_blank and variable and not text(variable[1]):
            os.environ.pop(variable[1], None)
    environ.Env.read_env(path)


def wrong(name: str, value: str, remedy: str) -> ImproperlyConfigured:
    return ImproperlyConfigured(f"{name} is {value!r}: {remedy}")


def text(name: str, default: str = "") -> str:
    # Not Env.str: it takes a secret that begins with a dollar sign for the name of another variable.
    return os.environ.get(name, default).strip()


def unquoted(name: str, default: str = "") -> str:
    """A text that never has quotation marks around it. The error does not repeat it: it may be a secret."""
    value = text(name, default)
    if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
        raise ImproperlyConfigured(
            f"{name} is in quotation marks, which count as a part of it: remove them. (A shell and a .env file drop "
            "them, docker's --env-file does not.)"
        )
    return value


def line(name: str, *, most: int) -> str:
    """A display text in one line."""
    value = unquoted(name)
    if len(value) > most or not value.isprintable():
        raise wrong(name, value, f"write at most {most} characters, in one line")
    return value


def secret(name: str) -> str:
    """A secret token, or "". The error does not repeat it."""
    value = text(name)
    if value and not re.fullmatch(f"[!-~]{{{SHORTEST_KEY},}}", value):
        raise ImproperlyConfigured(
            f"{name} must have {SHORTEST_KEY} plain characters or more, without spaces: {HOW_TO_MAKE_ONE}."
        )
    return value


def folder(name: str, default: Path) -> Path:
    """An absolute path of a folder, which need not exist."""
    value = unquoted(name)
    if value.startswith(("~", "$")):  # a shell expands it, a `.env` file doesn't
        raise wrong(name, value, "write the whole path, such as /home/alice/pictures.")
    return Path(value or default).resolve()


def flag(name: str, *, default: bool) -> bool:
    value = text(name)
    if not value:
        return default
    if value.lower() in _YES:
        return True
    if value.lower() in _NO:
        return False
    raise wrong(name, value, "write `on` or `off`.")


def whole_number(name: str, *, default: int, least: int, most: int) -> int:
    value = text(name)
    if not value:
        return default
    if value.isascii() and value.isdecimal() and len(value) <= 18 and least <= int(value) <= most:
        return int(value)
    raise wrong(name, value, f"write a whole number from {least:,} to {most:,}.")


def names(name: str, default: Sequence[str] = ()) -> list[str]:
    """A comma-separated list."""
    return [part.strip() for part in unquoted(name).split(",") if part.strip()] or list(default)


def web_address(name: str) -> str:
    """An http or https URL without a trailing slash, or ""."""
    value = text(name)
    if not value:
        return ""
    if "@" in value.partition("://")[2].partition("/")[0]:  # a password: not repeated
        raise ImproperlyConfigured(f"{name} has a name or a password in it: remove what is before @.")
    if not is_web_address(value):
        remedy = "write a whole address such as https://pictures.example.org"
        raise wrong(name, value, f"{remedy}, with a host name of letters, digits, dots and hyphens.")
    return value.rstrip("/")


def is_region(value: str) -> bool:
    """Whether botocore accepts this as a region: it raises for any other at the first request."""
    return bool(re.fullmatch(r"(?!\d+$)(?!-)[A-Za-z0-9-]{1,63}(?<!-)", value))


def region_name(name: str) -> str:
    value = text(name)
    if value and not is_region(value):
        raise wrong(name, value, "write a region's name such as eu-central-1.")
    return value


def bucket_name(name: str) -> str:
    """The name of a bucket, or ""."""
    value = text(name)
    if value and not re.fullmatch(rf"(?!\.+$)[A-Za-z0-9._-]{{1,255}}|{_ARN}", value):
        raise wrong(name, value, "write the bucket's name alone, such as pictures; a folder in it is AWS_LOCATION.")
    return value


def bucket_folder(name: str) -> str:
    """A folder in the bucket, without a slash at either end, or ""."""
    value = text(name)
    folder = value.strip("/")
    is_path = not {"", ".", ".."} & set(folder.split("/")) and folder.isprintable()
    if folder and not (is_path and len(folder.encode()) <= _LONGEST_FOLDER):
        raise wrong(name, value, "write a folder such as imagesearch or sites/imagesearch.")
    return folder


def web_origins(name: str, *, wildcards: bool = False) -> list[str]:
    """Origins as browsers send them; with `wildcards` also https://*.example.org, for all subdomains."""
    origins = []
    for origin in names(name):
        if "*" in origin and not (wildcards and re.fullmatch(r"https?://\*\.[^/*\s]+", origin)):
            below = ", or https://*.example.org for all below" if wildcards else ""
            raise wrong(name, origin, f"write each origin out, such as https://pictures.example.org{below}.")
        try:
            origins.append(origin_as_sent(origin))
        except ValueError:
            remedy = "write scheme and host of each origin alone: https://pictures.example.org."
            raise wrong(name, origin, remedy) from None
    return origins


def host_names(name: str, default: Sequence[str]) -> list[str]:
    """Hosts as in a Host header, without scheme, port or path: Django matches nothing else."""
    return [host if host == "*" else _host_name(name, host) for host in names(name, default)]


def _host_name(name: str, value: str) -> str:
    below = "." if value.startswith(".") else ""
    host = as_sent(value.removeprefix(below))
    if "*" in host:
        raise wrong(name, value, "write .example.org for all names below example.org, or * for any host at all.")
    if not is_host(host):
        remedy = (
            "write each host alone, without https:// and port, such as pictures.example.org, with commas between them."
        )
        raise wrong(name, value, remedy)
    return f"{below}{host}"


def base_path(name: str, taken: Sequence[str]) -> str:
    """The path prefix of the site, such as `/pictures`, or "" where it is at the root.

    It can't begin with one of `taken`, the first segments of our own paths: whether a proxy stripped it would be
    ambiguous.
    """
    value = text(name)
    path = "/".join(["", *filter(None, value.split("/"))])
    if not all(re.fullmatch(r"(?!\.+$)[A-Za-z0-9._~-]+", part) for part in path.split("/")[1:]):
        raise wrong(name, value, "write the path alone, in plain letters, digits and hyphens, such as /pictures.")
    if path and path.split("/")[1] in taken:
        raise wrong(name, value, f"the site itself has addresses below /{path.split('/')[1]}/; choose another path.")
    return path


def listening_address(host_name: str, port: int) -> str:
    """The web server's bind address in gunicorn's syntax: `127.0.0.1:8000`, `[::1]:8000`, `unix:/run/site.sock`."""
    host = text(host_name) or "127.0.0.1"
    if host.startswith("unix:/"):
        return host
    host = as_sent(host)
    if not is_host(host):
        raise wrong(
            host_name,
            host,
            "write an address or a name of this machine alone, such as 127.0.0.1, :: or 0.0.0.0, or unix:/run/x.sock.",
        )
    return f"{host}:{port}"


def listening_names() -> list[str]:
    """The host of the bind address, or nothing where it is a wildcard."""
    host = as_sent(text("HOST"))
    return [host] if is_host(host) and host not in {"0.0.0.0", "[::]"} else []  # noqa: S104 - compared


def choice(name: str, choices: Sequence[str], *, default: str) -> str:
    value = text(name, default) or default
    if value not in choices:
        raise wrong(name, value, f"write one of: {', '.join(choices)}.")
    return value


def time_zone(name: str, *, default: str = "") -> str:
    value = text(name, default) or default
    try:
        if value:
            ZoneInfo(value)
    except (KeyError, ValueError, OSError):
        raise wrong(name, value, "write a name of the tz database, such as Europe/Berlin or Asia/Seoul.") from None
    return value


def postgres_url(name: str) -> dict[str, Any] | None:
    """Django's connection settings from a `postgres://` URL, or None when the variable is not set.

    The value is not repeated in the error: it may hold a password.
    """
    value = unquoted(name)
    if not value:
        return None
    try:
        return read_database_url(value)
    except WrongDatabaseUrl as error:
        message = f"{name} must read like postgres://user:password@host:5432/database. {error}"
        raise ImproperlyConfigured(message) from None


def check_secret_key(key: str) -> None:
    """Raise ImproperlyConfigured for a key that can be guessed: sessions and links are signed with it."""
    if len(key) < SHORTEST_KEY or len(set(key)) < SHORTEST_KEY // 4 or key.startswith("django-insecure-"):
        raise ImproperlyConfigured(
            f"SECRET_KEY can be guessed, with {len(key)} characters, {len(set(key))} of them different: "
            f"{HOW_TO_MAKE_ONE}, and keep it. Everyone then has to log in again; nothing else changes."
        )


def local_secret_key(path: Path) -> str:
    """Return the key stored at `path`, generated at first use. Processes that start together get the same one."""
    try:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile("w", dir=path.parent) as draft:  # readable by its owner only
                draft.write(secrets.token_urlsafe(50))
                draft.flush()
                with suppress(FileExistsError):
                    os.link(draft.name, path)
        return path.read_text().strip()
    except OSError as error:
        remedy = f"{error.strerror}, in making or reading {path}. Name a folder that this user may write to."
        raise wrong("DATA_DIR", str(path.parent), remedy) from error
