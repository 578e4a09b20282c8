"""The items of a source: named pictures, read lazily."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from search.curation.cleaned_details import Details


def no_sidecars() -> Mapping[str, bytes]:
    return {}


def no_folder() -> bytes:
    return b""


class Unavailable(Exception):
    """A picture can't be read from its source. The message, for the person who ingests, says why."""


@dataclass(frozen=True, slots=True)
class Item:
    """One picture of a source.

    `read` returns its bytes, from any thread and more than once; it raises Unavailable or OSError. `address` and
    `version` identify its bytes without reading: the same address with the same version (size and modification time,
    an ETag, ...) is the same file. An item without an address is always read. `original_location` is where the
    original stays if it is indexed in place. `size` is the number of bytes that `read` returns; 0 if unknown.

    `sidecars` reads the sidecar files beside it, by suffix ("xmp", "json", "txt"), from any thread; it raises nothing.
    `of_folder` reads the album metadata of a Google Takeout folder, in the thread that iterates over the items; b"" if
    there is none. `changed` is the modification time of the file and `sidecars_changed` the latest of its sidecars, in
    seconds since 1970, where known without reading them.
    """

    name: str
    read: Callable[[], bytes] = field(repr=False)
    details: Details = Details()  # noqa: RUF009 - frozen
    address: str = ""
    version: str = ""
    original_location: str = ""
    size: int = 0
    sidecars: Callable[[], Mapping[str, bytes]] = field(default=no_sidecars, repr=False)
    of_folder: Callable[[], bytes] = field(default=no_folder, repr=False)
    changed: float | None = None
    sidecars_changed: float | None = None


class Source(Protocol):
    """A place that pictures come from.

    `problems` holds (name, reason) of what can't be offered; it is complete once all items were iterated over.
    """

    problems: list[tuple[str, str]]

    def __iter__(self) -> Iterator[Item]:
        """Yield the items. Can be iterated over once."""

    def __len__(self) -> int:
        """Return the number of items known so far."""
