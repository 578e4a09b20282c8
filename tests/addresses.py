"""All addresses of the site, read from the URL resolver, with values filled in."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.urls import NoReverseMatch, URLPattern, get_resolver, reverse


@dataclass(frozen=True)
class Address:
    name: str
    """Of the view, with namespaces; "" if it has none."""
    path: str

    @property
    def is_of_the_admin(self) -> bool:
        return self.path.startswith("/admin/")


def every_address(values: Mapping[str, Any]) -> list[Address]:
    """Return all addresses. The value of a parameter such as `token` is looked up in `values` under "feed.token" or
    "auth_user.token" (the name of the view, or of the table in the admin), then under "token"."""
    found = {}
    for name, pattern in _named(get_resolver()):
        wanted = pattern.pattern.converters.keys() | pattern.pattern.regex.groupindex.keys()
        table = name.removeprefix("admin:").rpartition("_")[0]
        parts = {
            part: next(values[key] for key in (f"{name}.{part}", f"{table}.{part}", part) if key in values)
            for part in wanted
        }
        try:
            found[reverse(name, kwargs=parts)] = name
        except NoReverseMatch:  # e.g. addresses whose parameters come from the caller
            continue
    return [Address(name, path) for path, name in found.items()]


def _named(resolver: Any, spaces: tuple[str, ...] = ()) -> Iterator[tuple[str, URLPattern]]:
    for one in resolver.url_patterns:
        if not isinstance(one, URLPattern):
            yield from _named(one, (*spaces, one.namespace) if one.namespace else spaces)
        elif one.name:
            yield ":".join([*spaces, one.name]), one
