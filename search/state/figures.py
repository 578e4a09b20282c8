"""What the state is told in: figures, in sections."""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from django.utils import timezone

from search.models import Measurement

OLD_AFTER = dt.timedelta(days=3)
"""A look that is older says nothing of today."""
IMAGES = "admin:search_image_changelist"

Known = Mapping[str, Measurement]


@dataclass(frozen=True)
class Figure:
    """A number; None where nobody has looked. `view` and `query` name the page that lists what it counts, `note` says
    more, and where it `is_wrong`, `mend` is the command that puts it right. `unit` is "bytes", "share" or ""."""

    name: str
    label: Any
    value: float | str | None
    view: str = ""
    query: str = ""
    note: str = ""
    is_wrong: bool = False
    mend: str = ""
    unit: str = ""


@dataclass(frozen=True)
class Section:
    """Figures of one kind. `look` names the look that measured them, where they are not of this moment, and `measured`
    is when that was; None where it never was. `failed` says why the last look brought nothing."""

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
        """Whether somebody has looked, and not too long ago."""
        if not self.look:
            return True
        return self.measured is not None and self.measured > timezone.now() - OLD_AFTER

    @property
    def wrong(self) -> list[Figure]:
        return [figure for figure in self.figures if figure.is_wrong]


def looked(name: str, title: Any, look: str, known: Known, make: Callable[[Any], list[Figure]]) -> Section:
    """A section of what a look has found; its figures are unknown until there was one."""
    one = known.get(look)
    found = one.found if one and one.found else None
    section = Section(name, title, make(found), look=look, extra=found or {})
    return replace(section, measured=one.measured, seconds=one.seconds, failed=one.failed) if one else section


def found_in(found: Any, *keys: Any) -> Any:
    """What a look found under these keys; None where it knows nothing of it."""
    for key in keys:
        if found is None:
            return None
        found = found.get(key) if isinstance(found, dict) else None
    return found
