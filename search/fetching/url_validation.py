"""Validation of URLs and IP addresses that may be fetched."""

import ipaddress
import re
import socket
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as LookupTimeout

import httpx2
from django.utils.translation import gettext as _

from search.fetching.errors import RefusedAddress, not_public

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

LONGEST = 2000
PORTS = frozenset({80, 443, 8080, 8443})

# Not public, but "global" in older versions of Python.
_SPECIAL_V4 = [
    ipaddress.IPv4Network(text) for text in ("192.0.0.0/24", "192.88.99.0/24", "224.0.0.0/4", "240.0.0.0/4")
]
# The part of IPv6 that is allocated to the public. Outside it are loopback, link-local, private and multicast
# addresses, those that embed IPv4 (mapped, compatible, NAT64), and future ones.
_GIVEN_OUT_V6 = ipaddress.IPv6Network("2000::/3")
# Exceptions within it: protocol assignments with Teredo and ORCHID, documentation, and 6to4, which embeds IPv4.
_SPECIAL_V6 = [ipaddress.IPv6Network(text) for text in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")]
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")

_NAME = re.compile(r"(?=.{1,253}\.?$)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*\.?", re.ASCII)
_NUMBER = re.compile(r"\d+|0x[0-9a-f]*", re.ASCII)

# The system's resolver can't be cancelled. With at most 4 fetches at once that wait 5 seconds each, and a resolver
# that gives up after 30, a thread is always free for the next.
_resolvers = ThreadPoolExecutor(24, thread_name_prefix="resolver")


def checked_address(url: str | httpx2.URL) -> httpx2.URL:
    """Return a URL of http or https that may be requested. Raises RefusedAddress."""
    if isinstance(url, str):
        url = _parsed(url.strip())
    if url.scheme not in {"http", "https"}:
        raise RefusedAddress(_("You can only search by addresses that begin with http:// or https://."))
    if url.userinfo:
        raise RefusedAddress(_("You can't search by an address that contains a user name or a password."))
    host = url.raw_host.decode("ascii")
    if not is_host(host):
        raise RefusedAddress(_("This is not a valid address."))
    if (url.port or (443 if url.scheme == "https" else 80)) not in PORTS:
        ports = ", ".join(str(port) for port in sorted(PORTS))
        raise RefusedAddress(_("Pictures can only be fetched from these ports: %(ports)s.") % {"ports": ports})
    return url


def _parsed(text: str) -> httpx2.URL:
    if not text:
        raise RefusedAddress(_("Enter the address of a picture."))
    if len(text) > LONGEST:
        raise RefusedAddress(
            _("This address has %(length)s characters; the limit is %(limit)s.")
            % {"length": f"{len(text):,}", "limit": f"{LONGEST:,}"}
        )
    try:
        return httpx2.URL(text)
    except (httpx2.InvalidURL, UnicodeError):
        raise RefusedAddress(_("This is not a valid address.")) from None


def is_host(host: str) -> bool:
    """Whether `host` is a valid host name or IP address."""
    return _is_name(host) or _is_literal(host)


def _is_name(host: str) -> bool:
    """Whether `host` is a name. It must not end in a number: resolvers take 2130706433 and 0x7f.1 for IPv4."""
    return bool(_NAME.fullmatch(host)) and not _NUMBER.fullmatch(host.removesuffix(".").rpartition(".")[2])


def _is_literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return "%" not in host  # with a zone: link-local


def is_public(address: Address) -> bool:
    """Whether `address` is on the public internet, in whatever form."""
    if isinstance(address, ipaddress.IPv4Address):
        return address.is_global and not any(address in network for network in _SPECIAL_V4)
    if address in _NAT64:  # how the resolver of an IPv6-only network maps a public IPv4 server
        return is_public(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return address in _GIVEN_OUT_V6 and not any(address in network for network in _SPECIAL_V6)


def public_addresses(host: str, port: int, seconds: float) -> list[str]:
    """Return the IP addresses of `host`, in the order in which to try them. Raises RefusedAddress.

    All must be public: a name that also resolves to a private address is not meant for the public.
    """
    lookup = _resolvers.submit(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
    try:
        found = [ipaddress.ip_address(str(entry[4][0])) for entry in lookup.result(timeout=seconds)]
    except (OSError, ValueError, LookupTimeout):
        lookup.cancel()
        raise not_public() from None
    if not found or not all(is_public(address) for address in found):
        raise not_public()
    return [str(address) for address in dict.fromkeys(found)]
