"""Opens tar archives from their start to their end: compressed or not, and several joined by `cat`."""

import bz2
import gzip
import lzma
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any, cast

DAMAGED = (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, ValueError)
"""What reading a damaged archive raises, beside OSError."""
_COMPRESSED = ((b"\x1f\x8b", gzip.open), (b"BZh", bz2.open), (b"\xfd7zXZ\0", lzma.open), (b"]\0\0", lzma.open))


class _Header(tarfile.TarInfo):
    """A member's header. A damaged one ends the reading: tarfile would look for the next one without a word."""

    @classmethod
    def frombuf(cls, buf: Any, encoding: str, errors: str) -> "_Header":
        try:
            return super().frombuf(buf, encoding, errors)
        except (tarfile.InvalidHeaderError, tarfile.TruncatedHeaderError) as error:  # type: ignore[attr-defined]
            if not bytes(buf).strip(b"\0"):  # the last zeros of an archive
                raise tarfile.EmptyHeaderError("end") from error  # type: ignore[attr-defined]
            raise tarfile.ReadError(f"{error}") from error


@contextmanager
def opened(path: str) -> Iterator[tarfile.TarFile]:
    """Open an archive. Its members are to be read in their order, each once."""
    with open(path, "rb") as file:  # noqa: PTH123
        head = file.read(6)
        file.seek(0)
        how = next((how for magic, how in _COMPRESSED if head.startswith(magic)), None)
        if how is None:
            # What is too large is sought over, where it would be read in a stream.
            with _tar(file, "r:") as archive:
                yield archive
        else:
            # A stream: seeking back in what is compressed would begin at its start each time.
            with cast("IO[bytes]", how(file)) as plain, _tar(plain, "r|") as archive:
                yield archive


def _tar(file: IO[bytes], mode: Any) -> tarfile.TarFile:
    # The zeros at an archive's end are passed over, since another one may follow.
    return tarfile.open(fileobj=file, mode=mode, tarinfo=_Header, ignore_zeros=True)


def members(archive: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    while member := archive.next():
        archive.members = []  # type: ignore[attr-defined] # or it remembers all of them
        yield member
