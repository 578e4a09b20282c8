"""Limits on the bytes read of one picture: its size is checked first, and then not trusted."""

from typing import IO

from django.conf import settings

from search.imaging import too_many_bytes
from search.ingestion.items import Unavailable


def most_bytes() -> int:
    """Return the maximum size in bytes of a file, a member of an archive or an object."""
    return settings.INGEST_MAX_MB * 1_000_000


def expected(size: int) -> int:
    """Return how many bytes reading something of `size` bytes returns: 0 if it is refused."""
    return size if size <= most_bytes() else 0


def refuse_if_large(size: int) -> None:
    """Raise Unavailable if `size` exceeds the limit."""
    if size > most_bytes():
        raise Unavailable(f"{too_many_bytes(size, most_bytes())} INGEST_MAX_MB sets it.")


def read_within(file: IO[bytes], size: int = 0) -> bytes:
    """Read all of a file with the alleged size of `size` bytes, within the limit. Raises Unavailable."""
    refuse_if_large(size)
    try:
        data = file.read(most_bytes() + 1 if not size else size + 1)
        if size and len(data) > size:  # it has grown, or its size was wrong
            data += file.read(max(0, most_bytes() + 1 - len(data)))
    except MemoryError:
        raise no_memory() from None
    refuse_if_large(len(data))
    return data


def no_memory() -> Unavailable:
    return Unavailable("There is not enough memory to read it.")
