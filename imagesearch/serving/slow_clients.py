"""How slow a client may be: as slow as an honest one on a bad line, and no slower."""


class Pace:
    """A deadline that transferred bytes extend: by the time they may take at the minimum rate, to `patience` seconds
    from now at most. So a client may stall that long, and one below the minimum rate runs out of time.
    """

    __slots__ = ("_patience", "_rate", "deadline")

    def __init__(self, now: float, patience: float, rate: float) -> None:
        """`rate` in bytes a second, `patience` in seconds."""
        self._patience, self._rate = patience, rate
        self.deadline = now + patience

    def moved(self, now: float, count: int) -> None:
        self.deadline = min(now + self._patience, self.deadline + count / self._rate)
