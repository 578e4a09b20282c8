"""Rate limits and networks as an operator writes them: `10/minute, 100/day`."""

import ipaddress
import re
from dataclasses import dataclass

from imagesearch.environment import names, text, wrong

_SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 24 * 3600}
_RATE = re.compile(r"([0-9]{1,9}) ?/ ?(?:([0-9]{1,4}) )?(second|minute|hour|day)s?")
_OFF = {"0", "off"}

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class Rate:
    """`amount` times in `seconds`."""

    amount: int
    seconds: int


Rates = tuple[Rate, ...]


def rates(name: str, *, default: str) -> Rates:
    """Return the limits in a variable, all of which apply; empty for 0."""
    value = text(name, default) or default
    if value in _OFF:
        return ()
    return tuple(_rate(name, value, part.strip()) for part in value.split(","))


def _rate(name: str, value: str, part: str) -> Rate:
    match = _RATE.fullmatch(part)
    if not match or not int(match[1]) or (match[2] and not int(match[2])):
        raise wrong(name, value, "write limits such as `10/minute, 100/day` or `5/15 minutes`, or 0 for none.")
    return Rate(int(match[1]), int(match[2] or 1) * _SECONDS[match[3]])


def networks(name: str, default: tuple[str, ...] = ()) -> tuple[Network, ...]:
    """Return the addresses and networks in a variable; `none` for none."""
    found = []
    for value in [] if text(name) == "none" else names(name, default):
        try:
            found.append(_as_compared(ipaddress.ip_network(value.removeprefix("[").removesuffix("]"))))
        except ValueError as error:
            remedy = f"write addresses or networks such as 10.0.0.2 or 172.16.0.0/12, or none. ({error})"
            raise wrong(name, value, remedy) from None
    return tuple(found)


def _as_compared(network: Network) -> Network:
    """Return a network of IPv4 addresses written in IPv6 (`::ffff:10.0.0.0/104`) as clients are compared: in IPv4."""
    mapped = getattr(network.network_address, "ipv4_mapped", None)
    return ipaddress.ip_network((mapped, network.prefixlen - 96)) if mapped and network.prefixlen >= 96 else network
