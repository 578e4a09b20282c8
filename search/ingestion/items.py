"""What a source offers: pictures by name, each read when its turn comes."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from search.curation.details import Details


def nothing_beside() -> Mapping[str, bytes]:
    return {}


def no_folder() -> bytes:
    return b""


class Unavailable(Exception):
    """A picture can't be had from its source. The message, for the person who ingests, says why."""


@dataclass(frozen=True, slots=True)
class Item:
    """One picture that a source offers.

    `read` returns its bytes, from any thread and more than once; it raises Unavailable or OSError. `address` and
    `version` tell, without reading, whether the picture was met before: the same address with the same version (size
    and time of change, an ETag, ...) holds the same bytes. Without an address it is always read. `original_location`
    is where the original stays, when it is to be searched in place. `size` is how many bytes reading will bring, where
    that is known; 0 where it isn't.

    `sidecars` reads the files beside it in which programs keep what is known of it, by suffix ("xmp", "json", "txt"),
    from any thread; it raises nothing. `of_folder` reads, in the thread that takes the items, what Google's export
    tells of the album in whose folder it lies; b"" where there is none. `changed` is when the file itself was, in
    seconds since 1970, and `sidecars_changed` when the last of those beside it was, where that is known without
    reading them.
    """

    name: str
    read: Callable[[], bytes] = field(repr=False)
    details: Details = Details()  # noqa: RUF009 - frozen
    address: str = ""
    version: str = ""
    original_location: str = ""
    size: int = 0
    sidecars: Callable[[], Mapping[str, bytes]] = field(default=nothing_beside, repr=False)
    of_folder: Callable[[], bytes] = field(default=no_folder, repr=False)
    changed: float | None = None
    sidecars_changed: float | None = None


class Source(Protocol):
    """A place that pictures come from.

    `problems` holds (name, reason) of what can't be offered at all; it is complete once all items were taken.
    """

    problems: list[tuple[str, str]]

    def __iter__(self) -> Iterator[Item]:
        """Offer the items, once."""

    def __len__(self) -> int:
        """Return how many items there are, as far as it is known by now."""
