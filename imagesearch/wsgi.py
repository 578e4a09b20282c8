"""The door for gunicorn and any other WSGI server."""

import os
import re
from collections.abc import Callable, Iterable
from typing import Any

from django.conf import settings
from django.core.signals import request_finished
from django.core.wsgi import get_wsgi_application

from imagesearch.request_bodies import Answer, Body, BodyWanted

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "imagesearch.settings")

_django = get_wsgi_application()


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Django's application, which speaks UTF-8 whatever charset a stranger names: an unknown one is an error to it."""
    environ["CONTENT_TYPE"] = re.sub(r";\s*charset\*?=[^;]*", "", environ.get("CONTENT_TYPE", ""), flags=re.IGNORECASE)
    environ["PATH_INFO"] = below_base_path(environ.get("PATH_INFO", ""))
    body = Body(environ)
    try:
        answer: Iterable[bytes] = _django(environ, start_response)
    except BodyWanted:
        # Django gives its connections back by the end of an answer, and there is none yet.
        request_finished.send(sender=_django.__class__)
        raise
    return Answer(answer, body) if body.is_to_be_discarded else answer


def below_base_path(path: str) -> str:
    """Return the part of a request's path that is ours, whether a proxy kept BASE_PATH in it or cut it off."""
    base: str = settings.BASE_PATH
    if not base:
        return path
    if path == base or path.startswith(f"{base}/"):
        path = path.removeprefix(base)
    # nginx makes two slashes of `location /pictures { proxy_pass http://127.0.0.1:8000/; }`.
    return f"/{path.lstrip('/')}"
