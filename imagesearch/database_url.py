"""Django's connection settings from a `postgres://` URL, as libpq parses it. Unsupported parameters are refused by
name.

Errors never repeat a value: it may hold a password.
"""

import re
from typing import Any
from urllib.parse import parse_qsl

import psycopg
from psycopg.conninfo import conninfo_to_dict

ENGINE = "imagesearch.postgresql"
_FIELDS = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}
_NUMBERS = {
    "connect_timeout", "keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout",
}  # fmt: skip
_CHOICES = {
    "sslmode": ("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
    "target_session_attrs": ("any", "read-write", "read-only", "primary", "standby", "prefer-standby"),
    "load_balance_hosts": ("disable", "random"),
    "gssencmode": ("disable", "prefer", "require"),
    "channel_binding": ("disable", "prefer", "require"),
}
_POOL = "set DATABASE_POOL_SIZE instead, the connections of one process."
_SESSION = "write it as options=-c%20{name}%3DVALUE."
_REMEDIES = {
    **dict.fromkeys(
        ("conn_max_age", "max_size", "min_size", "pool", "pool_size", "pool_max_size", "max_connections", "maxsize",
         "max_overflow", "connection_limit", "pool_timeout", "max_idle"),
        _POOL,
    ),
    **dict.fromkeys(
        ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "search_path", "work_mem",
         "timezone"),
        _SESSION,
    ),
    "schema": "write it as options=-c%20search_path%3DNAME.",
    "currentschema": "write it as options=-c%20search_path%3DNAME.",
    "pgbouncer": "write DISABLE_SERVER_SIDE_CURSORS=True, and see “Connection poolers” in docs/install.md.",
    "conn_health_checks": "connections are always tried before they are used.",
    "atomic_requests": "the views decide what belongs together.",
    "autocommit": "the commands decide what belongs together.",
    "client_encoding": "it is always UTF8.",
    "replication": "this is no replica.",
    "timeout": "write connect_timeout=SECONDS.",
    "ssl": "write sslmode=require, or verify-full with sslrootcert.",
}  # fmt: skip
_LONGEST_NAME = 63
_YES, _NO = {"true", "on", "1", "yes"}, {"false", "off", "0", "no"}


class WrongDatabaseUrl(ValueError):
    """Says what is wrong and what to write instead."""


def read_database_url(url: str) -> dict[str, Any]:
    """Return Django's settings of the database at `url`. Raises WrongDatabaseUrl."""
    scheme, _, rest = url.partition("://")
    if scheme.lower() not in {"postgres", "postgresql"}:
        raise WrongDatabaseUrl("The search needs PostgreSQL with pgvector.")
    address, _, query = rest.partition("?")
    if "#" in address or ("@" in query and "@" not in address):
        raise WrongDatabaseUrl("Write %23 for # and %3F for ? in a password.")
    database = _from_address(address)
    _check_ports(database["PORT"])
    options: dict[str, Any] = {}
    for name, value in _parameters(query).items():
        if name.lower() == "disable_server_side_cursors":
            database["DISABLE_SERVER_SIDE_CURSORS"] = _switch(name, value)
        elif name in _FIELDS:
            database[_FIELDS[name]] = value
        else:
            options[name] = value
    _check_ports(database["PORT"])
    if not database["NAME"] and "service" not in options:
        raise WrongDatabaseUrl("It names no database.")
    if len(database["NAME"]) > _LONGEST_NAME:
        raise WrongDatabaseUrl(f"The database's name is longer than {_LONGEST_NAME} characters.")
    return {"ENGINE": ENGINE, **database, "OPTIONS": options}


def joined_options(ours: str, options: Any) -> str:
    """Return PostgreSQL's `options` with ours first: the server takes the last of duplicate settings."""
    return f"{ours} {options}".strip() if options else ours


def _from_address(address: str) -> dict[str, Any]:
    """Parse the part before the `?`."""
    authority, slash, name = address.partition("/")
    user, at, host = authority.rpartition("@")
    # Tolerated in passwords: an unescaped @ or %.
    user = re.sub(r"%(?![0-9A-Fa-f]{2})", "%25", user).replace("@", "%40")
    try:
        parsed = conninfo_to_dict(f"postgresql://{user}{at}{host}{slash}{name}")
    except psycopg.ProgrammingError:  # its message repeats part of the value
        raise WrongDatabaseUrl(
            "Write the special characters of a password by their codes, as %2F for / and %3A for :."
        ) from None
    return {field: str(parsed.get(key) or "") for key, field in _FIELDS.items()}


def _parameters(query: str) -> dict[str, str]:
    parameters: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name in parameters:
            raise WrongDatabaseUrl(f"It has {name} twice.")
        _check(name, value)
        parameters[name] = value
    return parameters


def _check(name: str, value: str) -> None:
    lower = name.lower()
    if lower in _REMEDIES:
        raise WrongDatabaseUrl(f"{name} can't be set in it: {_REMEDIES[lower].format(name=lower)}")
    if lower not in _known():
        shown = name if name.isidentifier() else "What follows the ?"
        raise WrongDatabaseUrl(f"{shown} is not a connection parameter of PostgreSQL.")
    if lower != name and lower != "disable_server_side_cursors":
        raise WrongDatabaseUrl(f"Write {name} in small letters.")
    if "\0" in value:
        raise WrongDatabaseUrl(f"{name} has a character %00, which PostgreSQL does not allow.")
    if name in _NUMBERS and not re.fullmatch(r"-?\d{1,9}", value, flags=re.ASCII):
        raise WrongDatabaseUrl(f"{name} is a whole number.")
    if name in _CHOICES and value not in _CHOICES[name]:
        raise WrongDatabaseUrl(f"{name} is one of: {', '.join(_CHOICES[name])}.")


def _known() -> set[str]:
    """libpq's parameters, plus Django's that work with a pool."""
    return {option.keyword.decode() for option in psycopg.pq.Conninfo.get_defaults()} | {
        "assume_role",
        "disable_server_side_cursors",
    }


def _switch(name: str, value: str) -> bool:
    if value.lower() in _YES | _NO:
        return value.lower() in _YES
    raise WrongDatabaseUrl(f"{name} is True or False.")


def _check_ports(ports: str) -> None:
    for port in ports.split(","):
        if port and not (port.isascii() and port.isdecimal() and len(port) < 6 and 0 < int(port) < 65_536):
            raise WrongDatabaseUrl("A port is a number from 1 to 65535, and / in a password is written %2F.")
