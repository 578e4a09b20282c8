"""Reports of runs, during a run and at its end."""

import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple, TypeAlias

MOST_NAMED = 10_000
"""Maximum number of failed or refused files recorded by name for a run; all are counted."""
MOST_OTHERS_NAMED = 1_000
"""The same limit for other files that were not added."""


class Why(StrEnum):
    """Why a file was not added, as in `RunFile.Kind`: it could not be read; it was read and rejected; the picture was
    deleted earlier; the kind of file is not supported."""

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
    """The outcome of the pictures of one run.

    `known` were in the collection already. Of these, `restored` lacked an object, which was stored again; `changed`
    are new versions of the file at their address; `trashed` are in the trash and stay there; `updated` have changed
    details; `not_applied` have details in a table that were not used. `deleted` were skipped, since they were deleted
    earlier. Of the failed, `refused` were read and rejected, and `unread` names those that could not be read and may
    succeed the next time.

    `doing` names a slow step other than adding pictures, while it lasts. `stopped`: a signal ended the run early.
    `left_out` are files that were not added and that the run record has not taken over yet; their number is limited.
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
        """Record a file that failed, or was read and `refused`."""
        self.failed.append((name, reason))
        self.refused += refused
        self.leave_out(LeftOut(Why.REFUSED if refused else Why.FAILED, name, reason, address))

    def leave_out(self, one: LeftOut) -> None:
        if len(self.left_out) < MOST_NAMED:
            self.left_out.append(one)


Progress: TypeAlias = Callable[[Report], None]
"""Called at the start, after each batch, and when a slow step begins."""


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
    """A problem with `name`, a picture or an object key; `is_repaired` if it was repaired. `image_id` is set for
    pictures of the collection."""

    problem: Problem
    name: str
    remark: str = ""
    is_repaired: bool = False
    image_id: uuid.UUID | None = None


@dataclass
class Reconciled:
    """What was checked, how often each problem was found and repaired, and how much is too `young` to judge.

    `orphans_refused`: there were so many orphans that none was deleted. `not_asked`: number of originals elsewhere
    that were not checked.
    """

    rows: int = 0
    objects: int = 0
    found: "Counter[Problem]" = field(default_factory=Counter)
    repaired: "Counter[Problem]" = field(default_factory=Counter)
    young: int = 0
    orphans_refused: bool = False
    not_asked: int = 0

    @property
    def is_all_well(self) -> bool:
        left = self.found - self.repaired
        return not left.total() - left[Problem.STRANGE]
