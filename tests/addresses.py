"""Every address of the site, as the resolver has them, with values in place of their parts."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.urls import NoReverseMatch, URLPattern, get_resolver, reverse


@dataclass(frozen=True)
class Address:
    name: str
    """Of its view, with namespaces; "" where it has none."""
    path: str

    @property
    def is_of_the_admin(self) -> bool:
        return self.path.startswith("/admin/")


def every_address(values: Mapping[str, Any]) -> list[Address]:
    """Return all addresses. A part such as `token` has the value under "feed.token" or "auth_user.token", the name of
    the view or of its table in the admin, before that under "token"."""
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
        except NoReverseMatch:  # such as those that need what they are called with
            continue
    return [Address(name, path) for path, name in found.items()]


def _named(resolver: Any, spaces: tuple[str, ...] = ()) -> Iterator[tuple[str, URLPattern]]:
    for one in resolver.url_patterns:
        if not isinstance(one, URLPattern):
            yield from _named(one, (*spaces, one.namespace) if one.namespace else spaces)
        elif one.name:
            yield ":".join([*spaces, one.name]), one
