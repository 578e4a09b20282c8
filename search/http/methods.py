"""Django's decorators for allowed methods, checked before anything else.

Django checks the CSRF token first, and would report a missing cookie for a form sent to a page that takes none. The
middleware `MethodNotAllowed` reads the attribute set here.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from django.views.decorators import http

_View = TypeVar("_View", bound=Callable[..., Any])


def require_http_methods(methods: Sequence[str]) -> Callable[[_View], _View]:
    def decorate(view: _View) -> _View:
        decorated = http.require_http_methods(list(methods))(view)
        decorated.methods = tuple(methods)  # type: ignore[attr-defined] # outer decorators copy it
        return decorated

    return decorate


def require_safe(view: _View) -> _View:
    return require_http_methods(["GET", "HEAD"])(view)


def require_POST(view: _View) -> _View:  # noqa: N802 - Django's name
    return require_http_methods(["POST"])(view)
