"""Read the members of a tar archive, whatever they are: compressed or not, also several archives joined by `cat`."""

import bz2
import gzip
import lzma
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any, cast

DAMAGED = (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, ValueError)
"""Exceptions of reading a damaged archive, besides OSError."""
_COMPRESSED = ((b"\x1f\x8b", gzip.open), (b"BZh", bz2.open), (b"\xfd7zXZ\0", lzma.open), (b"]\0\0", lzma.open))


class Damaged(tarfile.TarError):
    """An archive was read to its end, but members may be missing. The message, a sentence, says why."""


class _Header(tarfile.TarInfo):
    """A member's header that records what tarfile ignores silently."""

    @classmethod
    def frombuf(cls, buf: Any, encoding: str, errors: str) -> "_Header":
        if buf and len(buf) < tarfile.BLOCKSIZE and not bytes(buf).strip(b"\0"):
            raise tarfile.EOFHeaderError("cut within the zeros at its end")  # type: ignore[attr-defined]
        return super().frombuf(buf, encoding, errors)

    @classmethod
    def fromtarfile(cls, archive: "_Archive") -> "_Header":  # type: ignore[override]
        try:
            header = super().fromtarfile(archive)
        except tarfile.EmptyHeaderError:  # type: ignore[attr-defined] # end of file
            raise
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined] # zero block
            archive.has_ended = True
            raise
        except tarfile.HeaderError as error:
            archive.notes_damage(error)
            raise
        archive.has_ended = False
        return header

    def _block(self, count: int) -> int:
        if count < 0:  # tarfile would seek back and loop forever
            raise tarfile.InvalidHeaderError("a size below zero")  # type: ignore[attr-defined]
        size: int = super()._block(count)  # type: ignore[misc]
        return size


class _Archive(tarfile.TarFile):
    """An archive in which reading continues at the next valid header after a damaged one, block by block."""

    has_ended = False
    damage = ""
    _breaks_off = False

    def notes_damage(self, error: Exception) -> None:
        # For a member with a long name this is the second header, at which tarfile gives up.
        self._breaks_off = isinstance(error, tarfile.SubsequentHeaderError)  # type: ignore[attr-defined]
        self.damage = self.damage or f"The header of a member is damaged, before byte {self.fileobj.tell():,}"

    def next(self) -> tarfile.TarInfo | None:
        while True:
            self._breaks_off = False
            try:
                return super().next()
            except tarfile.ReadError:
                if not self._breaks_off:
                    raise
                self.offset = self.fileobj.tell()

    def ends(self) -> None:
        """Raise Damaged if members may be missing."""
        if self.damage:
            raise Damaged(f"{self.damage}: reading continued at the next valid one, and members may be missing.")
        if not self.has_ended:
            raise Damaged("The zeros at the end of the archive are missing: it may have been truncated.")


@contextmanager
def opened(path: str) -> Iterator[_Archive]:
    """Open an archive. Members must be read in order, each once."""
    with open(path, "rb") as file:  # noqa: PTH123
        head = file.read(6)
        file.seek(0)
        how = next((how for magic, how in _COMPRESSED if head.startswith(magic)), None)
        if how is None:
            # Seekable: skips members that are too large, which a stream would read.
            with _tar(file, "r:") as archive:
                yield archive
        else:
            # A stream: seeking back in a compressed file would start over each time.
            with cast("IO[bytes]", how(file)) as plain, _tar(plain, "r|") as archive:
                yield archive


def _tar(file: IO[bytes], mode: Any) -> _Archive:
    # Skips the zeros at an archive's end, since another archive may follow, but damaged headers with them.
    return _Archive.open(fileobj=file, mode=mode, tarinfo=_Header, ignore_zeros=True)


def members(archive: _Archive) -> Iterator[tarfile.TarInfo]:
    """Yield the readable members. Raises Damaged at the end if there may have been more."""
    while member := archive.next():
        archive.members = []  # type: ignore[attr-defined] # or it keeps all of them in memory
        yield member
    archive.ends()
