"""Whole numbers in addresses and forms, which anybody may have written."""


def whole_number(text: str, most: int) -> int | None:
    """Return the number that `text` has in ASCII digits, lowered to `most`; None for anything else."""
    text = text.strip()
    return min(int(text[:20]), most) if text.isascii() and text.isdecimal() else None
