"""What files without a picture's name are, told from their first bytes."""

from search.containers.formats import recognised
from search.imaging import UnreadableImage

HEAD = 4096
"""Bytes that are looked at."""
_BMP_HEADERS = {12, 16, 40, 52, 56, 64, 108, 124}


def is_picture(head: bytes) -> bool:
    """Whether a file that begins with `head` is a picture that is read."""
    if head.startswith(b"BM") and int.from_bytes(head[14:18], "little") not in _BMP_HEADERS:
        return False  # two letters, with which many a text begins
    try:
        recognised(head)
    except UnreadableImage:
        return False
    return True


def head_of(path: str) -> bytes:
    """Return the first bytes of a file; none of one that can't be read."""
    try:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123
            return file.read(HEAD)
    except OSError:
        return b""
