"""What a run tells of itself, while it goes on and at its end."""

import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple, TypeAlias

MOST_NAMED = 10_000
"""Files that failed or were refused and are named in the ledger of a run; all are counted."""
MOST_OTHERS_NAMED = 1_000
"""The same of others that were not added."""


class Why(StrEnum):
    """Why a file was not added, as `RunFile.Kind` has it: it could not be had, or not be taken; somebody has deleted
    the picture; it is of a kind that is not read."""

    FAILED = "failed"
    REFUSED = "refused"
    DELETED = "deleted"
    LEFT = "left"


class LeftOut(NamedTuple):
    why: Why
    name: str
    reason: str
    address: str = ""


@dataclass
class Report:
    """What became of the pictures of one run.

    `doing` names what takes its time beside pictures, while it lasts. `stopped`: a signal ended the run before the
    source did. `restored`: of those that were known, so many lacked an object, which is there again; `changed`: so
    many are a new version of what was met at their address; `trashed`: so many are in the trash and stay there.
    `deleted` were passed over since somebody deleted them earlier. `unread` names those of the failed that could not
    be read at all, and may be the next time. `updated` of the known have other details now; `not_applied`: so many of
    them have details in a table that were left alone. `refused` of the failed were read and can't be taken.

    `left_out` are files that were not added, until the ledger takes them from there: no more than it names.
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
    refused: int = 0
    unread: set[str] = field(default_factory=set)
    left_out: list[LeftOut] = field(default_factory=list)
    doing: str = ""
    stopped: bool = False

    @property
    def seen(self) -> int:
        return self.added + self.known + self.deleted + len(self.failed)

    def fail(self, name: str, reason: str, *, address: str = "", refused: bool = False) -> None:
        """Note a file that failed, or was read and `refused`."""
        self.failed.append((name, reason))
        self.refused += refused
        self.leave_out(LeftOut(Why.REFUSED if refused else Why.FAILED, name, reason, address))

    def leave_out(self, one: LeftOut) -> None:
        if len(self.left_out) < MOST_NAMED:
            self.left_out.append(one)


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
    """Something that is wrong with `name`, a picture or the key of an object; `is_mended` when it no more is.
    `image_id` is that of a picture of the collection."""

    problem: Problem
    name: str
    remark: str = ""
    is_mended: bool = False
    image_id: uuid.UUID | None = None


@dataclass
class Reconciled:
    """What was looked at, how much of each problem was found and mended, and how much is too young to tell.

    `orphans_refused`: there were so many orphans that none was deleted. `not_asked`: so many originals stay elsewhere,
    and were not asked for.
    """

    rows: int = 0
    objects: int = 0
    found: "Counter[Problem]" = field(default_factory=Counter)
    mended: "Counter[Problem]" = field(default_factory=Counter)
    young: int = 0
    orphans_refused: bool = False
    not_asked: int = 0

    @property
    def is_all_well(self) -> bool:
        left = self.found - self.mended
        return not left.total() - left[Problem.STRANGE]
