"""Searching by the address of a picture, which the server fetches."""

import re

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import Client

from search.curation.details import Details
from search.ingestion import add_picture
from search.models import QueryPicture
from tests.base import picture_bytes, picture_file
from tests.s3_servers import configured
from tests.web_servers import PRIVATE, Web, answer, web

__all__ = ["web"]

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _allowed_for_everyone(settings) -> None:
    settings.SEARCH_BY_ADDRESS = "on"


def send_address(client: Client, url: str, **present: object):
    return client.post("/search/address", {"url": url, **present})


def picture_at(web: Web, data: bytes) -> str:
    server = web.server({"/cat.jpg": answer(data)})
    return f"http://{server.host}:{server.port}/cat.jpg"


def test_the_address_of_a_picture_redirects_to_a_shareable_search(client: Client, web: Web):
    red, blue = (
        add_picture(picture_bytes(colour, size=(96, 96)), Details(), None).image for colour in ("red", "blue")
    )
    response = send_address(client, picture_at(web, picture_bytes("blue")))
    assert response.status_code == 302
    assert re.fullmatch(r"/search\?picture=[0-9a-f-]{36}", response["Location"])
    page = Client().get(response["Location"]).text
    assert page.index(str(blue.id)) < page.index(str(red.id))


def test_an_uploaded_and_a_fetched_copy_are_the_same_search(client: Client, web: Web):
    fetched = send_address(client, picture_at(web, picture_bytes()))
    shown = client.post("/search/picture", {"picture": picture_file()})
    assert fetched["Location"] == shown["Location"]


def test_the_picture_is_added_to_the_current_search(client: Client, web: Web):
    address = picture_at(web, picture_bytes())
    response = send_address(client, address, q="red star", q_weight="2", tag=["sea", "sky"], page="3", sort="newest")
    token = QueryPicture.objects.get().id
    assert response["Location"] == f"/search?q=red+star&q_weight=2&picture={token}&tag=sea&tag=sky&sort=newest"


@pytest.mark.parametrize(
    ("present", "message", "status"),
    [
        ({"q": "x" * 1001}, "Your search has 1,001 characters", 400),
        ({"picture": "mistyped"}, "The picture in this address is unknown.", 404),
        ({"not": [str(number) for number in range(12)]}, "more than 12 parts", 400),
        ({"sort": "odd"}, "“odd” is not a value of “sort”.", 400),
    ],
)
def test_an_invalid_current_search_is_reported(client: Client, web: Web, present: dict, message: str, status: int):
    response = send_address(client, picture_at(web, picture_bytes()), **present)
    assert response.status_code == status
    assert message in response.text


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("", "Enter the address of a picture."),
        ("cat.jpg", "You can only search by addresses that begin with http:// or https://"),
        (f"http://{PRIVATE}/", "There is no public web server at this address."),
        ("http://a.test/\0", "This is not a valid address."),
    ],
)
def test_a_refused_address_is_reported_and_the_search_is_kept(client: Client, url: str, message: str):
    response = send_address(client, url, q="red star")
    assert response.status_code == 400
    assert message in response.text
    assert 'value="red star"' in response.text
    assert not QueryPicture.objects.exists()


@pytest.mark.parametrize(
    ("data", "message"), [(b"", "This file is empty."), (b"<html>", "not a picture"), (b"<svg>", "SVG")], ids=str
)
def test_bytes_that_are_not_a_picture_are_reported(client: Client, web: Web, data: bytes, message: str):
    response = send_address(client, picture_at(web, data))
    assert response.status_code == 400
    assert message in response.text


def test_a_missing_address_is_reported(client: Client):
    response = client.post("/search/address")
    assert response.status_code == 400
    assert "Enter the address of a picture." in response.text


def test_a_get_request_after_a_refusal_leads_to_the_search(client: Client):
    assert client.get("/search/address")["Location"] == "/"


def test_a_form_from_another_site_is_refused():
    assert send_address(Client(enforce_csrf_checks=True), "http://a.test/").status_code == 403


# Permissions


@pytest.mark.parametrize(
    ("setting", "stranger", "member"), [("on", True, True), ("members", False, True), ("off", False, False)]
)
def test_users_without_permission_get_403_and_see_no_form(
    client: Client, as_alice: Client, web: Web, settings, setting: str, stranger: bool, member: bool
):
    settings.SEARCH_BY_ADDRESS = setting
    address = picture_at(web, picture_bytes())
    for person, may in ((client, stranger), (as_alice, member)):
        assert send_address(person, address).status_code == (302 if may else 403)
        assert ('id="by-address"' in person.get("/").text) is may
    refused = send_address(client, address).text
    assert ("Log in to search by address." in refused) is (setting == "members")
    assert ("Search by address is disabled on this site." in refused) is (setting == "off")


@pytest.mark.parametrize(
    ("variables", "meant"),
    [
        ({}, "members"),
        ({"UPLOAD_LOGIN_REQUIRED": "off"}, "on"),
        ({"SEARCH_BY_ADDRESS": "on"}, "on"),
        ({"SEARCH_BY_ADDRESS": "off", "UPLOAD_LOGIN_REQUIRED": "off"}, "off"),
    ],
)
def test_by_default_anonymous_users_may_if_they_may_upload(variables: dict[str, str], meant: str):
    assert (
        configured(**{"SEARCH_BY_ADDRESS": "", "UPLOAD_LOGIN_REQUIRED": "", **variables})["SEARCH_BY_ADDRESS"] == meant
    )


def test_an_invalid_setting_stops_the_start():
    with pytest.raises(ImproperlyConfigured, match=r"SEARCH_BY_ADDRESS is 'yes': write one of: off, members, on\."):
        configured(SEARCH_BY_ADDRESS="yes")
