"""The door for gunicorn and any other WSGI server."""

import os
import re
from collections.abc import Callable, Iterable
from typing import Any

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "imagesearch.settings")

_django = get_wsgi_application()


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Django's application, which speaks UTF-8 whatever charset a stranger names: an unknown one is an error to it."""
    environ["CONTENT_TYPE"] = re.sub(r";\s*charset\*?=[^;]*", "", environ.get("CONTENT_TYPE", ""), flags=re.IGNORECASE)
    answer: Iterable[bytes] = _django(environ, start_response)
    return answer
