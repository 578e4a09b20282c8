"""Which methods a view takes, as Django's decorators of these names say it, and told before anything else is checked.

Django asks for the token of a form first, and would tell somebody who sends a form to a page that takes none that a
cookie is missing. The middleware `MethodNotAllowed` reads what is noted here.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from django.views.decorators import http

_View = TypeVar("_View", bound=Callable[..., Any])


def require_http_methods(methods: Sequence[str]) -> Callable[[_View], _View]:
    def decorate(view: _View) -> _View:
        decorated = http.require_http_methods(list(methods))(view)
        decorated.methods = tuple(methods)  # type: ignore[attr-defined] # decorators above this one hand it on
        return decorated

    return decorate


def require_safe(view: _View) -> _View:
    return require_http_methods(["GET", "HEAD"])(view)


def require_POST(view: _View) -> _View:  # noqa: N802 - Django's name
    return require_http_methods(["POST"])(view)
