"""The place in an order of results at which a page ended."""

import datetime as dt
import math
import re
import uuid
from typing import NamedTuple, Self

_WRITTEN = re.compile(r"(-?[0-9][0-9.e+-]{0,30})_([0-9a-f]{32})", re.ASCII)
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MOST = 6 * 10**16
"""Microseconds that a date can hold in either direction."""


class Anchor(NamedTuple):
    """The value that orders a row, and its id, which orders rows of the same value. The row may be gone."""

    value: float
    id: uuid.UUID

    @classmethod
    def of_moment(cls, moment: dt.datetime, row: uuid.UUID) -> Self:
        return cls((moment - _EPOCH) // dt.timedelta(microseconds=1), row)

    @classmethod
    def read(cls, text: str) -> Self | None:
        """Return the anchor of a URL; None if it is none, which has a page begin at its number."""
        if not (found := _WRITTEN.fullmatch(text.strip())):
            return None
        try:
            value = int(found[1]) if found[1].lstrip("-").isdigit() else float(found[1])
        except ValueError:
            return None
        return cls(value, uuid.UUID(found[2])) if math.isfinite(value) and abs(value) < _MOST else None

    @property
    def moment(self) -> dt.datetime:
        """The time of a row ordered by time."""
        return _EPOCH + dt.timedelta(microseconds=int(self.value))

    def __str__(self) -> str:
        return f"{self.value!r}_{self.id.hex}"
