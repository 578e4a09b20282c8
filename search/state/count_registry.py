"""Numbers that other rooms add to the state: call `count(...)` in a module that is loaded with the apps.

count_registry.count("suggestions", _("tag suggestions"), lambda: Suggestion.objects.pending().count(), "admin:...")
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise


@dataclass(frozen=True, slots=True)
class Count:
    """A number of things that need a decision. `measure` may be slow; `view` is the name of the page that lists them,
    and `query` its query string."""

    name: str
    label: "str | _StrPromise"
    measure: Callable[[], int]
    view: str
    query: str = ""


counts: dict[str, Count] = {}


def count(name: str, label: "str | _StrPromise", measure: Callable[[], int], view: str, query: str = "") -> None:
    """Register a number. A second call with the same name replaces it."""
    counts[name] = Count(name, label, measure, view, query)
