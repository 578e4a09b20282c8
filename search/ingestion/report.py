"""What a run tells of itself, while it goes on and at its end."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias


@dataclass
class Report:
    """What became of the pictures of one run.

    `doing` names what takes its time beside pictures, while it lasts. `stopped`: a signal ended the run before the
    source did. `restored`: of those that were known, so many lacked an object, which is there again; `changed`: so
    many are a new version of what was met at their address; `trashed`: so many are in the trash and stay there.
    `deleted` were passed over since somebody deleted them earlier. `unread` names those of the failed that could not
    be read at all, and may be the next time. `updated` of the known have other details now; `not_applied`: so many of
    them have details in a table that were left alone.
    """

    added: int = 0
    known: int = 0
    restored: int = 0
    changed: int = 0
    updated: int = 0
    not_applied: int = 0
    deleted: int = 0
    trashed: int = 0
    failed: list[tuple[str, str]] = field(default_factory=list)
    unread: set[str] = field(default_factory=set)
    doing: str = ""
    stopped: bool = False

    @property
    def seen(self) -> int:
        return self.added + self.known + self.deleted + len(self.failed)


Progress: TypeAlias = Callable[[Report], None]
"""Called at the start, after each batch, and when something else begins that takes its time."""


class Problem(StrEnum):
    ORIGINAL = "original missing"
    DAMAGED = "original damaged"
    UNREACHABLE = "original out of reach"
    THUMBNAIL = "thumbnail missing"
    ORPHAN = "no row"
    DRAFT = "never finished"
    STRANGE = "not ours"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong with `name`, a picture or the key of an object; `is_mended` when it no more is."""

    problem: Problem
    name: str
    remark: str = ""
    is_mended: bool = False


@dataclass
class Reconciled:
    """What was looked at, how much of each problem was found and mended, and how much is too young to tell.

    `orphans_refused`: there were so many orphans that none was deleted.
    """

    rows: int = 0
    objects: int = 0
    found: "Counter[Problem]" = field(default_factory=Counter)
    mended: "Counter[Problem]" = field(default_factory=Counter)
    young: int = 0
    orphans_refused: bool = False

    @property
    def is_all_well(self) -> bool:
        left = self.found - self.mended
        return not left.total() - left[Problem.STRANGE]
