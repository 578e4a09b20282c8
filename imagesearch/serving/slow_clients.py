"""How slow a client may be: as slow as an honest one on a bad line, and no slower."""


class Pace:
    """A deadline that what arrives puts off: by as long as it may take at the least rate, and to `patience` seconds
    from now at most. So a client may stall for that long, and who is slower than the rate runs out of time.
    """

    __slots__ = ("_patience", "_rate", "deadline")

    def __init__(self, now: float, patience: float, rate: float) -> None:
        """`rate` in bytes a second."""
        self._patience, self._rate = patience, rate
        self.deadline = now + patience

    def moved(self, now: float, count: int) -> None:
        self.deadline = min(now + self._patience, self.deadline + count / self._rate)
