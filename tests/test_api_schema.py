"""No input is a server error, and every answer conforms to the OpenAPI schema."""

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from django.contrib.auth.models import User
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from django.test import Client
from hypothesis import HealthCheck, given
from hypothesis import settings as fuzzing
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from search.api.openapi import api
from search.api.parameters import SEARCH_PARAMETERS
from search.models import ApiToken, Image
from tests.base import an_image, an_unsaved_image

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
OPERATIONS = [
    ("GET", "/api/search"),
    ("POST", "/api/search/picture"),
    ("GET", "/api/images/{image_id}"),
    ("POST", "/api/images"),
    ("PATCH", "/api/images/{image_id}"),
    ("GET", "/api/albums"),
    ("GET", "/api/albums/{album_id}"),
]
NASTY = [
    "", " ", "%00", "a%00b", "%FF%FE", "%ED%A0%80", "%F0%9F%90%88", "-", "--",
    '"', '-"', '"%00"', "%", "\\", "' OR 1=1 --",
    "-1", "0", "1e400", "NaN", "Infinity", "9" * 30, "9" * 5000, "٣", "0x1F", "0000-00-00", "0001-01-01", "9999-12-31",
    "2026-02-30", "2026-02-30T25:61", "{}", "[]", "null", "true", "00000000-0000-0000-0000-000000000000",
]  # fmt: skip


@pytest.fixture
def collection(db) -> list[Image]:
    return Image.objects.bulk_create(
        an_unsaved_image(f"Red star {number}", tags=["red"], description="Drawn") for number in range(30)
    )


@pytest.fixture
def one_connection() -> Iterator[None]:
    """Keep the connection of the test open: the server would close it, and with it the transaction of the test."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.fixture
def served(collection: list[Image], one_connection) -> Any:
    """The schema as the server returns it."""
    return schemathesis.openapi.from_wsgi("/api/openapi.json", WSGIHandler())


def fuzz(operation: Any, mode: GenerationMode, examples: int, headers: dict[str, str], **fixed: Any) -> set[int]:
    """Call an operation many times, the same way in every run; return the status codes of the answers."""
    statuses = set()

    @given(case=operation.as_strategy(generation_mode=mode, **fixed))
    @fuzzing(max_examples=examples, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    def call(case: schemathesis.Case) -> None:
        # Within the process nobody unpacks what was compressed.
        asked = {"Accept-Encoding": "identity", **headers}
        statuses.add(case.call_and_validate(headers=asked, checks=CHECKS).status_code)

    call()
    return statuses


def test_every_operation_is_tested():
    schema = api.get_openapi_schema()
    assert {(method.upper(), path) for path, ones in schema["paths"].items() for method in ones} == set(OPERATIONS)


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
@pytest.mark.parametrize("mode", list(GenerationMode))
def test_every_answer_conforms_to_the_schema(served: Any, alice: User, method: str, path: str, mode: GenerationMode):
    token = ApiToken.issue(alice, "fuzzing")[1]
    fuzz(served[path][method], mode, 40, {"Authorization": f"Bearer {token}"})


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_answers_without_a_token_conform_to_the_schema(served: Any, settings, method: str, path: str):
    settings.UPLOAD_LOGIN_REQUIRED = False
    fuzz(served[path][method], GenerationMode.POSITIVE, 15, {})


def test_answers_about_existing_images_conform_to_the_schema(served: Any, collection: list[Image]):
    image_id = str(collection[0].id)
    one, search = served["/api/images/{image_id}"]["GET"], served["/api/search"]["GET"]
    assert fuzz(one, GenerationMode.POSITIVE, 3, {}, path_parameters={"image_id": image_id}) == {200}
    query = {"q": "red", "like": [image_id], "page": 2}
    assert 200 in fuzz(search, GenerationMode.POSITIVE, 3, {}, query=query)


@pytest.mark.parametrize("name", [parameter["name"] for parameter in SEARCH_PARAMETERS])
def test_no_value_of_a_parameter_is_a_server_error(client: Client, db: None, name: str):
    an_image("Red star", tags=["red"], description="Drawn")
    for value in NASTY:
        for rest in ("", f"&q=red&{name}={value}"):
            response = client.get(f"/api/search?{name}={value}{rest}")
            assert response.status_code in {200, 400, 404}, value
            assert response.json()
