"""The client of a request: its socket address, or the one reported by trusted proxies."""

import ipaddress
import logging
from functools import lru_cache

from django.conf import settings
from django.http import HttpRequest

logger = logging.getLogger(__name__)

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

UNKNOWN = "unknown"
"""The address for a Unix socket whose proxy does not report a client."""


def counting_key(request: HttpRequest) -> str:
    """Return the key for counting a client's requests: the account, or the address if anonymous."""
    user = getattr(request, "user", None)
    if user is not None and user.is_authenticated:
        return f"user {user.pk}"
    return f"address {address_of(request)}"


def address_of(request: HttpRequest) -> str:
    """Return the address to count: an IPv4 address, or the /64 of an IPv6 one, which is what one customer has.

    From `X-Forwarded-For` the last hop that is no trusted proxy is taken: anybody could have written those before it.
    """
    peer = request.META.get("REMOTE_ADDR", "")
    address = _parsed(peer)
    forwarded = request.META.get("HTTP_X_FORWARDED_FOR", "")
    if peer and not _is_trusted(address):
        if forwarded and address and address.is_private:
            _warn_of_proxy(peer)
        return _counted(address)
    for hop in reversed(forwarded.split(",")):
        before = _parsed(hop)
        if before is None:
            break  # not written by a trusted proxy
        address = before
        if not _is_trusted(address):
            break
    return _counted(address)


def identifies_visitor(address: str) -> bool:
    """Whether an address identifies a visitor, rather than this machine or a proxy that reports no client."""
    parsed = _parsed(address)
    return parsed is not None and not parsed.is_loopback


@lru_cache(maxsize=64)
def _warn_of_proxy(peer: str) -> None:
    """Warn once per proxy: if it is not configured, all visitors share one count."""
    message = "%s sends X-Forwarded-For, but is not trusted. Is it your proxy? Add it to TRUSTED_PROXIES."
    logger.warning(message, peer)


def _is_trusted(address: Address | None) -> bool:
    return address is not None and any(address in network for network in settings.TRUSTED_PROXIES)


def _parsed(hop: str) -> Address | None:
    """Parse an address as proxies write it, with or without a port."""
    hop = hop.strip()
    if hop.startswith("["):
        hop = hop[1:].partition("]")[0]
    elif hop.count(":") == 1:
        hop = hop.partition(":")[0]
    try:
        address = ipaddress.ip_address(hop.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _counted(address: Address | None) -> str:
    if isinstance(address, ipaddress.IPv6Address) and not address.is_loopback:
        return str(ipaddress.ip_network((address, 64), strict=False).network_address)
    return str(address or UNKNOWN)
