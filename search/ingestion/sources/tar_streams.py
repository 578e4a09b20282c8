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


class Damaged(tarfile.TarError):
    """An archive was read to its end, and may have had more members. The message, a sentence, says why."""


class _Header(tarfile.TarInfo):
    """A member's header, of which the archive notes what tarfile passes over without a word."""

    @classmethod
    def frombuf(cls, buf: Any, encoding: str, errors: str) -> "_Header":
        if buf and len(buf) < tarfile.BLOCKSIZE and not bytes(buf).strip(b"\0"):
            raise tarfile.EOFHeaderError("cut within the zeros at its end")  # type: ignore[attr-defined]
        return super().frombuf(buf, encoding, errors)

    @classmethod
    def fromtarfile(cls, archive: "_Archive") -> "_Header":  # type: ignore[override]
        try:
            header = super().fromtarfile(archive)
        except tarfile.EmptyHeaderError:  # type: ignore[attr-defined] # the file ends
            raise
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined] # zeros
            archive.has_ended = True
            raise
        except tarfile.HeaderError as error:
            archive.notes_damage(error)
            raise
        archive.has_ended = False
        return header

    def _block(self, count: int) -> int:
        if count < 0:  # tarfile would go back, and read the same members for ever
            raise tarfile.InvalidHeaderError("a size below zero")  # type: ignore[attr-defined]
        size: int = super()._block(count)  # type: ignore[misc]
        return size


class _Archive(tarfile.TarFile):
    """An archive in which the next valid header is looked for behind a damaged one, block by block."""

    has_ended = False
    damage = ""
    _breaks_off = False

    def notes_damage(self, error: Exception) -> None:
        # Of a member with a long name the header is the second one, and tarfile gives up.
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
            raise Damaged(f"{self.damage}: it was read on from the next one that is whole, and may have lost members.")
        if not self.has_ended:
            raise Damaged("It ends without the zeros that archives end with: it may have been cut short.")


@contextmanager
def opened(path: str) -> Iterator[_Archive]:
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


def _tar(file: IO[bytes], mode: Any) -> _Archive:
    # The zeros at an archive's end are passed over, since another one may follow, and damaged headers with them.
    return _Archive.open(fileobj=file, mode=mode, tarinfo=_Header, ignore_zeros=True)


def members(archive: _Archive) -> Iterator[tarfile.TarInfo]:
    """Yield the members that can be read. Raises Damaged at the end where there may have been more."""
    while member := archive.next():
        archive.members = []  # type: ignore[attr-defined] # or it remembers all of them
        yield member
    archive.ends()
