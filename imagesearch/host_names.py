"""Names of hosts, origins and URLs in settings, as browsers send them and as libraries accept them."""

import ipaddress
import re
from urllib.parse import urlsplit

_LABEL = "[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_DEFAULT_PORTS = {"http": 80, "https": 443}


def in_brackets(host: str) -> str:
    """Bracket an IPv6 address as in a URL; return anything else unchanged."""
    try:
        return f"[{ipaddress.IPv6Address(host.removeprefix('[').removesuffix(']'))}]"
    except ValueError:
        return host


def as_sent(host: str) -> str:
    """Return a host as browsers send it: in ASCII (xn--...), without a final dot, and an IPv6 address in brackets. A
    name that can't be encoded is returned unchanged."""
    host = in_brackets(host)
    try:
        return host.removesuffix(".") if host.isascii() else host.encode("idna").decode().removesuffix(".")
    except UnicodeError:
        return host


def is_host(host: str) -> bool:
    """Whether this is one host, without scheme, port or path: an IPv6 address has brackets."""
    # Without its brackets an address that is none stays as it is.
    is_ipv6 = host[:1] == "[" and in_brackets(host[1:-1]) == host
    return is_ipv6 or bool(_HOST.fullmatch(host))


def origin_as_sent(origin: str) -> str:
    """Return an origin as browsers send it: in small letters, without a default port. Raises ValueError for anything
    but http or https, a host (`*.` before it is kept), and a port."""
    parts = urlsplit(origin)
    if parts.scheme not in _DEFAULT_PORTS or parts.path or parts.query or parts.fragment or "@" in parts.netloc:
        raise ValueError(origin)
    below = "*." if parts.netloc.startswith("*.") else ""
    host = as_sent((parts.hostname or "").removeprefix(below)).lower()
    if not is_host(host) or parts.port == 0 or origin.endswith(("?", "#")):
        raise ValueError(origin)
    port = "" if parts.port in {None, _DEFAULT_PORTS[parts.scheme]} else f":{parts.port}"
    return f"{parts.scheme}://{below}{host}{port}"


def is_web_address(value: str) -> bool:
    """Whether this is an http or https URL that a path can be appended to, with a host name that botocore accepts: it
    raises for others, as with an underscore, at the first request."""
    try:
        parts = urlsplit(value)
        host = in_brackets(parts.hostname or "")
        is_server = is_host(host) and "_" not in host and parts.port != 0 and "@" not in parts.netloc
    except ValueError:
        return False
    return parts.scheme in _DEFAULT_PORTS and is_server and not (parts.query or parts.fragment)
