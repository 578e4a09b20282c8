"""The WSGI application."""

import pytest
from django.test import RequestFactory

from imagesearch.wsgi import application


@pytest.mark.django_db  # since Django closes old connections before a response
@pytest.mark.parametrize("charset", ["charset=hex", "charset*=bogus'x'y", "charset=unicode_escape"])
def test_an_unknown_charset_is_ignored(charset: str):
    environ = RequestFactory().get("/healthz").environ | {"CONTENT_TYPE": f"text/plain; {charset}"}
    statuses: list[str] = []
    b"".join(application(environ, lambda status, headers, *rest: statuses.append(status)))
    assert statuses == ["200 OK"]
