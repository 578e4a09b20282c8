"""Nonsense in the addresses and forms of the admin."""

import uuid
from http import HTTPStatus

import pytest
from django.contrib.auth.models import Permission

from search.models import Image, Report
from tests.admin_pages import IMAGES, REPORTS, said, titles
from tests.base import an_image

pytestmark = pytest.mark.django_db


# Wrong input


@pytest.mark.parametrize(
    "address",
    [
        "not-a-uuid/change/",
        "%00/change/",
        "%ED%A0%80/delete/",
        f"{uuid.UUID(int=0)}/change/",
        f"{'x' * 1500}/history/",
        "?q=%00",
        "?q=%ED%A0%80",
        "?q=%22",
        "?q=" + "x" * 100_000,
        "?q=" + "a+" * 900,
        "?tag=%00",
        "?tag=%ED%A0%80",
        "?model=%00",
        "?hidden=maybe",
        "?uploader=x",
        "?uploader=99999999999999999999",
        "?uploader=%00",
        "?format__exact=%00",
        "?created__gte=never",
        "?created__gte=9999-12-31+23:59:59-14:00",
        "?created__year=99999999",
        "?title=%00",
        "?tags=x",
        "?embedding=x",
        "?width=99999999999999999999",
        "?id__exact=x",
        "?id__in=x,y",
        "?nothing=1",
        "?uploader__password__startswith=a",
        "?o=99.-99.x",
        "?p=abc",
        "?e=1&tag=%00",
        "?_to_field=x",
        "?all=",
    ],
)
def test_no_address_breaks_the_list(as_carol, address):
    an_image("One")
    response = as_carol.get(IMAGES + address, follow=True)
    assert response.status_code in {HTTPStatus.OK, HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND}


def test_a_search_that_can_not_be_made_finds_nothing(as_carol):
    an_image("One")
    response = as_carol.get(IMAGES, {"q": "\0"})
    assert titles(response) == set()
    assert "Null characters" in said(response)


@pytest.mark.parametrize("selected", ["not-a-uuid", "\0", "", "x" * 10_000])
def test_a_selection_of_nonsense_changes_nothing(as_carol, selected):
    an_image("One")
    response = as_carol.post(IMAGES, {"action": "hide", "_selected_action": selected, "index": "0"}, follow=True)
    assert response.status_code == HTTPStatus.OK
    assert not Image.objects.filter(hidden=True).exists()


@pytest.mark.parametrize("term", ["ali", "\0", "x" * 5000])
def test_an_uploader_is_found_by_typing(carol, as_carol, alice, term):
    carol.user_permissions.add(Permission.objects.get(codename="view_user"))
    query = {"app_label": "search", "model_name": "image", "field_name": "uploader", "term": term}
    response = as_carol.get("/admin/autocomplete/", query)
    assert response.status_code == HTTPStatus.OK
    assert ("alice" in str(response.json())) == (term != "x" * 5000)


def test_the_lists_of_users_and_groups_bear_nonsense_too(admin_client):
    for model in ("user", "group"):
        for query in ("q=%00", "name=%00", "username=%00", "p=-5"):
            assert admin_client.get(f"/admin/auth/{model}/?{query}", follow=True).status_code < 500


@pytest.mark.parametrize(
    "address",
    [
        "not-a-number/change/",
        "%00/change/",
        "99999999999999999999999999/change/",
        "99999999999999999999999999/resolve/",
        "1/resolve/",
        "x/resolve/",
        "?q=%00",
        "?state=%00",
        "?state=" + "x" * 100_000,
        "?reason__exact=%00",
        "?image=x",
        "?image__title=%00",
        "?details=%00",
        "?o=4.x.-99",
        "?p=99999999999999999999",
    ],
)
def test_no_address_breaks_the_queue(as_carol, address):
    Report.objects.create(image=an_image("One"), reason="other")
    for ask in (as_carol.get, as_carol.post):
        assert ask(REPORTS + address, follow=True).status_code < HTTPStatus.INTERNAL_SERVER_ERROR


@pytest.mark.parametrize("selected", ["x", "\0", "99999999999999999999999999", ""])
def test_a_selection_of_nonsense_resolves_nothing(as_carol, selected):
    Report.objects.create(image=an_image("One"), reason="other")
    data = {"action": "resolve_selected", "_selected_action": selected, "index": "0"}
    assert as_carol.post(REPORTS, data, follow=True).status_code == HTTPStatus.OK
    assert Report.objects.filter(resolved=None).count() == 1
