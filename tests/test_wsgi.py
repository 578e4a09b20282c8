"""The door for WSGI servers."""

import pytest
from django.test import RequestFactory

from imagesearch.wsgi import application


@pytest.mark.django_db  # as Django closes connections that are too old, before an answer
@pytest.mark.parametrize("charset", ["charset=hex", "charset*=bogus'x'y", "charset=unicode_escape"])
def test_a_charset_that_no_page_speaks_is_ignored(charset: str):
    environ = RequestFactory().get("/healthz").environ | {"CONTENT_TYPE": f"text/plain; {charset}"}
    statuses: list[str] = []
    b"".join(application(environ, lambda status, headers, *rest: statuses.append(status)))
    assert statuses == ["200 OK"]
