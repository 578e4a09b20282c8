"""Static files as served where DEBUG is off."""

import datetime as dt
from collections.abc import Callable
from typing import Any

from django.utils.functional import cached_property
from whitenoise.middleware import WhiteNoiseMiddleware  # type: ignore[import-untyped]
from whitenoise.storage import CompressedManifestStaticFilesStorage  # type: ignore[import-untyped]

from search.monitoring.upgrades import NotCollected
from search.web.compression import accepted_codings


class StaticFiles(CompressedManifestStaticFilesStorage):  # type: ignore[misc]
    """Whitenoise's, with a cache of URLs: a page names two dozen files, and each takes 12 µs to look up."""

    @cached_property
    def _addresses(self) -> dict[str, str]:
        return {}

    def url(self, name: str, force: bool = False) -> str:
        """Return the URL of the file `name`, which contains a hash of its contents. Raises NotCollected for none."""
        if name not in self._addresses:
            try:
                self._addresses[name] = super().url(name, force)
            except ValueError as error:
                raise NotCollected(name) from error
        return self._addresses[name]

    def load_manifest(self) -> tuple[dict[str, str], str]:
        """Return the manifest; empty, where a `collectstatic` was killed while writing it."""
        try:
            files, digest = super().load_manifest()
        except ValueError:
            return {}, ""
        return files, digest

    def get_modified_time(self, name: str) -> dt.datetime:
        """Return a time so early that `collectstatic` always copies the file.

        By real times it would keep a newer copy, as after going back to an older version.
        """
        return dt.datetime.fromtimestamp(0, dt.UTC)


class _LateFile:
    """A file whose headers are made at its first request: there are five hundred, and a starting server needs none."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make: Callable[[], Any] | None = make
        self._file: Any = None

    def get_response(self, method: str, request_headers: Any) -> Any:
        if make := self._make:
            self._file, self._make = make(), None
        codings = ", ".join(accepted_codings(request_headers.get("HTTP_ACCEPT_ENCODING", "")))
        return self._file.get_response(method, {**request_headers, "HTTP_ACCEPT_ENCODING": codings})


class ServeStaticFiles(WhiteNoiseMiddleware):  # type: ignore[misc]
    """Whitenoise's, which prepares each file only when it is requested."""

    def get_static_file(self, path: str, url: str, stat_cache: Any = None) -> Any:
        make = super().get_static_file
        if stat_cache is None:
            return make(path, url)
        return _LateFile(lambda: make(path, url, stat_cache=stat_cache))
