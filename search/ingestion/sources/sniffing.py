"""Detect pictures by their first bytes, for files without a picture's name."""

from search.containers.accepted_formats import recognised
from search.imaging import UnreadableImage

HEAD = 4096
"""Number of bytes to read."""
_BMP_HEADERS = {12, 16, 40, 52, 56, 64, 108, 124}


def is_picture(head: bytes) -> bool:
    """Whether a file that begins with `head` is a picture in a supported format."""
    if head.startswith(b"BM") and int.from_bytes(head[14:18], "little") not in _BMP_HEADERS:
        return False  # texts may begin with BM, too
    try:
        recognised(head)
    except UnreadableImage:
        return False
    return True


def head_of(path: str) -> bytes:
    """Return the first bytes of a file; none if it can't be read."""
    try:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123
            return file.read(HEAD)
    except OSError:
        return b""
