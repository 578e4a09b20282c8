"""The items of one place, and of several places as one source."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice

from search.ingestion.items import Item
from search.ingestion.report import MOST_OTHERS_NAMED


@dataclass
class Findings:
    """(Name, reason) of what can't be offered, and (place, remark) on what is offered nonetheless.

    `not_read` counts unsupported files by kind, without the sidecars of pictures; `left_alone` counts the files and
    folders that were skipped. `named` has the first of both by name, each with its kind, "" for the latter.
    """

    problems: list[tuple[str, str]] = field(default_factory=list)
    notes: list[tuple[str, str]] = field(default_factory=list)
    not_read: "Counter[str]" = field(default_factory=Counter)
    left_alone: int = 0
    named: dict[str, str] = field(default_factory=dict)

    def pass_by(self, name: str, kind: str) -> None:
        """Count a file of an unsupported kind."""
        self.not_read[kind] += 1
        self._name(name, kind)

    def leave_alone(self, names: Sequence[str]) -> None:
        """Count files and folders that are skipped."""
        self.left_alone += len(names)
        for name in names:
            self._name(name, "")

    def is_sidecar(self, name: str, kind: str) -> None:
        """Uncount a file that turned out to be a picture's sidecar."""
        self.not_read[kind] -= 1
        if not self.not_read[kind]:
            del self.not_read[kind]
        # Names of members and of objects may come with or without their folders.
        named = name if name in self.named else next((one for one in self.named if one.endswith(f"/{name}")), "")
        self.named.pop(named, None)

    def _name(self, name: str, kind: str) -> None:
        if len(self.named) < MOST_OTHERS_NAMED:
            self.named[name] = kind

    @property
    def by_kind(self) -> dict[str, int]:
        """How many files of each kind are unsupported, and under "" how many were skipped."""
        return dict(self.not_read) | {"": self.left_alone}


@dataclass
class Listing:
    """The items of one place. `count` is None if it isn't known before all were offered."""

    items: Iterable[Item]
    count: int | None = None


class Listed:
    """The items of several places in turn: every `every`-th one, and at most `limit`."""

    def __init__(
        self, listings: Sequence[Listing], findings: Findings, *, every: int = 1, limit: int | None = None
    ) -> None:
        self.problems, self.notes, self.findings = findings.problems, findings.notes, findings
        self._listings, self._every, self._limit = listings, every, limit
        self._offered = 0
        self._ended = False

    def __iter__(self) -> Iterator[Item]:
        """Yield the items. Can be iterated over once."""
        items = chain.from_iterable(listing.items for listing in self._listings)
        for item in islice(items, 0, self._limit and self._limit * self._every, self._every):
            self._offered += 1
            yield item
        self._ended = True

    def __len__(self) -> int:
        """Return the number of items or, while that isn't known, the number offered so far."""
        return self._offered if self.total is None else self.total

    @property
    def total(self) -> int | None:
        """The number of items, if it is known yet."""
        counts = [listing.count for listing in self._listings]
        if self._ended:
            return self._offered
        if None in counts:
            return None
        total = -(-sum(count or 0 for count in counts) // self._every)
        return total if self._limit is None else min(total, self._limit)
