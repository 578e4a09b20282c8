"""What a run tells of itself, while it goes on and at its end."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias


@dataclass
class Report:
    """What became of the pictures of one run.

    `doing` names what takes its time beside pictures, while it lasts. `stopped`: a signal ended the run before the
    source did. `restored`: of those that were known, so many lacked an object, which is there again.
    """

    added: int = 0
    known: int = 0
    restored: int = 0
    failed: list[tuple[str, str]] = field(default_factory=list)
    doing: str = ""
    stopped: bool = False

    @property
    def seen(self) -> int:
        return self.added + self.known + len(self.failed)


Progress: TypeAlias = Callable[[Report], None]
"""Called at the start, after each batch, and when something else begins that takes its time."""
