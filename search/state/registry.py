"""Numbers that other rooms add to the state: `count(...)` in a module that is loaded with the apps.

registry.count("suggestions", _("tag suggestions"), lambda: Suggestion.objects.pending().count(), "admin:...")
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise


@dataclass(frozen=True, slots=True)
class Count:
    """A number of things that wait for a person. `measure` may take as long as counting takes; `view` is the name of
    the page that lists them, and `query` what follows its address."""

    name: str
    label: "str | _StrPromise"
    measure: Callable[[], int]
    view: str
    query: str = ""


counts: dict[str, Count] = {}


def count(name: str, label: "str | _StrPromise", measure: Callable[[], int], view: str, query: str = "") -> None:
    """Add a number to what waits. Said again, it takes the place of the one before."""
    counts[name] = Count(name, label, measure, view, query)
