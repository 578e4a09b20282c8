"""Ids in addresses and forms, which anybody may have written."""

import uuid


def row_id(text: str) -> int | None:
    """Return the id of a row; None for anything else, also for a number that no id can be."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else None


def uuid_of(text: str) -> uuid.UUID | None:
    """Return a UUID; None for anything else."""
    try:
        return uuid.UUID(text)
    except ValueError:
        return None
