"""Errors of decoding that are not the picture's fault."""


class Busy(Exception):
    """Decoding is at its limit, and this picture would wait too long. Retry in a few seconds."""

    def __init__(self) -> None:
        super().__init__("Too many pictures at once.")


class NoDecoder(Exception):
    """The decoder process can't be started. The message is for the operator."""
