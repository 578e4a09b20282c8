"""Figures and sections, of which the state consists."""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from django.utils import timezone

from search.models import Measurement

OLD_AFTER = dt.timedelta(days=3)
"""Age from which a measurement is outdated."""
IMAGES = "admin:search_image_changelist"

Known = Mapping[str, Measurement]


@dataclass(frozen=True)
class Figure:
    """A number; None if not measured. `view` and `query` name the page that lists what it counts, `note` says more,
    and if it `is_wrong`, `fix` is the command that fixes it. `unit` is "bytes", "share" or ""."""

    name: str
    label: Any
    value: float | str | None
    view: str = ""
    query: str = ""
    note: str = ""
    is_wrong: bool = False
    fix: str = ""
    unit: str = ""


@dataclass(frozen=True)
class Section:
    """Figures of one kind. If they were measured by a periodic check, `look` names it, and `measured` is its time,
    None if it never ran. `failed` is the reason if the last check failed."""

    name: str
    title: Any
    figures: Sequence[Figure]
    look: str = ""
    measured: dt.datetime | None = None
    seconds: float = 0.0
    failed: str = ""
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def is_known(self) -> bool:
        """Whether the figures are current or measured recently."""
        if not self.look:
            return True
        return self.measured is not None and self.measured > timezone.now() - OLD_AFTER

    @property
    def wrong(self) -> list[Figure]:
        return [figure for figure in self.figures if figure.is_wrong]


def looked(name: str, title: Any, look: str) -> Callable[[Callable[[Any], list[Figure]]], Callable[[Known], Section]]:
    """Make a section of what a function finds in the result of a periodic check, which is None until that has run."""

    def decorate(make: Callable[[Any], list[Figure]]) -> Callable[[Known], Section]:
        def section_of(known: Known) -> Section:
            one = known.get(look)
            found = one.found if one and one.found else None
            section = Section(name, title, make(found), look=look, extra=found or {})
            return replace(section, measured=one.measured, seconds=one.seconds, failed=one.failed) if one else section

        return section_of

    return decorate


def found_in(found: Any, *keys: Any) -> Any:
    """Return the value under these keys of a measurement; None if there is none."""
    for key in keys:
        if found is None:
            return None
        found = found.get(key) if isinstance(found, dict) else None
    return found
