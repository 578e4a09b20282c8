"""The one exception of this room: a file that is refused, and why, in the user's words."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum


def _(message: str) -> str:
    """Mark a text for translation. It is looked up when displayed, since decoder processes run without Django."""
    return message


class Reason(StrEnum):
    """Why a file was refused. Values are stable: ingestion logs and tests depend on them."""

    EMPTY = "empty"
    NOT_A_PICTURE = "not_a_picture"
    WRONG_FORMAT = "wrong_format"
    TOO_MANY_BYTES = "too_many_bytes"
    TOO_MANY_PIXELS = "too_many_pixels"
    TRUNCATED = "truncated"
    DAMAGED = "damaged"
    NO_MEMORY = "no_memory"
    UNSUPPORTED = "unsupported"
    NO_FULL_SIZE = "no_full_size"
    TOO_MUCH_MEMORY = "too_much_memory"
    TOO_SLOW = "too_slow"
    BROKE_OFF = "broke_off"


MESSAGES: dict[Reason, str] = {
    Reason.EMPTY: _("This file is empty."),
    Reason.NOT_A_PICTURE: _("This file is not a picture."),
    Reason.WRONG_FORMAT: _(
        "This is a %(kind)s file. Only JPEG, PNG, WebP, GIF, AVIF, HEIC, TIFF, BMP, JPEG 2000 and "
        "RAW pictures are accepted."
    ),
    Reason.TOO_MANY_BYTES: _("This file has %(found)s MB; the limit is %(limit)s."),
    Reason.TOO_MANY_PIXELS: _("This picture has %(found)s megapixels; the limit is %(limit)s."),
    Reason.TRUNCATED: _("This picture is incomplete: the end of the file is missing."),
    Reason.DAMAGED: _("This picture is damaged and can't be opened."),
    Reason.NO_MEMORY: _("There is not enough memory for this picture."),
    Reason.UNSUPPORTED: _("This picture is stored in an unusual way that can't be read. Save it as JPEG or PNG."),
    Reason.NO_FULL_SIZE: _("This RAW file contains no full-size picture. Export it as JPEG or TIFF."),
    Reason.TOO_MUCH_MEMORY: _(
        "Opening this picture needs %(found)s MB of memory; the limit is %(limit)s. Save it as JPEG, "
        "or with fewer pixels."
    ),
    Reason.TOO_SLOW: _("This picture takes too long to open. Save it as JPEG, or with fewer pixels."),
    Reason.BROKE_OFF: _("This picture can't be read: the decoder failed. Save it again as JPEG or PNG."),
}
"""Messages, untranslated."""


class UnreadableImage(Exception):
    """A file that is refused: `code` says why, `str()` is the message in the active language.

    The message is formatted when asked for, so the exception survives pickling and a change of language.
    """

    def __init__(self, code: Reason, **figures: str) -> None:
        super().__init__(code)
        self.code = code
        self.figures = figures

    def __str__(self) -> str:
        from django.utils.translation import gettext  # noqa: PLC0415 - not in decoders

        return gettext(MESSAGES[self.code]) % self.figures


class NeedsMemory(Exception):
    """A picture takes `needed` bytes of memory, more than its decoder was given. Raised before allocating any."""

    def __init__(self, needed: int) -> None:
        super().__init__(f"{needed:,} bytes")
        self.needed = needed


@contextmanager
def memory_guarded() -> Iterator[None]:
    """Turn MemoryError into UnreadableImage."""
    try:
        yield
    except MemoryError as error:
        raise UnreadableImage(Reason.NO_MEMORY) from error


def too_many_pixels(width: int, height: int, limit: int) -> UnreadableImage:
    """Return the error for a picture of `width` x `height` pixels, over the limit of `limit` pixels."""
    return UnreadableImage(Reason.TOO_MANY_PIXELS, found=_millions_up(width * height), limit=f"{limit / 1e6:,.10g}")


def too_many_bytes(found: int, limit: int) -> UnreadableImage:
    """Return the error for a file of at least `found` bytes, over the limit of `limit` bytes."""
    return UnreadableImage(Reason.TOO_MANY_BYTES, found=_millions_up(found), limit=f"{limit / 1e6:,.10g}")


def too_much_memory(found: int, limit: int) -> UnreadableImage:
    """Return the error for a picture whose decoding takes `found` bytes of memory, over the limit of `limit` bytes."""
    return UnreadableImage(Reason.TOO_MUCH_MEMORY, found=f"{math.ceil(found / 1e6):,}", limit=f"{limit / 1e6:,.0f}")


def _millions_up(count: int) -> str:
    # Rounded up, or a picture slightly over the limit would "have 100 megapixels; the limit is 100".
    return f"{math.ceil(count / 1e5) / 10:,.1f}".removesuffix(".0")
