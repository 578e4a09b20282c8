"""The WSGI application, for gunicorn and other servers."""

import os
import re
import sys
from collections.abc import Callable, Iterable
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.signals import request_finished
from django.core.wsgi import get_wsgi_application

from imagesearch.base_path import below_base_path
from imagesearch.request_bodies import Answer, Body, BodyWanted

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "imagesearch.settings")

try:
    _django = get_wsgi_application()
except ImproperlyConfigured as error:
    sys.exit(f"Configuration error: {error}")


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Django's application, always in UTF-8: an unknown charset in a Content-Type would raise in Django."""
    environ["CONTENT_TYPE"] = re.sub(r";\s*charset\*?=[^;]*", "", environ.get("CONTENT_TYPE", ""), flags=re.IGNORECASE)
    environ["PATH_INFO"] = below_base_path(environ.get("PATH_INFO", ""))
    body = Body(environ)
    try:
        answer: Iterable[bytes] = _django(environ, start_response)
    except BodyWanted:
        # Django returns its connections when a response is closed, and there is none yet.
        request_finished.send(sender=_django.__class__)
        raise
    return Answer(answer, body) if body.is_to_be_discarded else answer
