"""Why a picture was not decoded although nothing is wrong with it."""


class Busy(Exception):
    """So much is being decoded that one more would wait too long. It is worth trying again in a few seconds."""

    def __init__(self) -> None:
        super().__init__("Too many pictures at once.")


class NoDecoder(Exception):
    """The process that decodes pictures can't be started. The message is for the operator."""
