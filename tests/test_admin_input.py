"""Invalid input in addresses and forms of the admin."""

import uuid
from http import HTTPStatus

import pytest
from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType

from search.models import Image, Report
from tests.admin_pages import IMAGES, REPORTS, said, titles
from tests.base import an_image

pytestmark = pytest.mark.django_db


# Addresses and forms of the list


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
def test_no_query_string_or_id_is_a_server_error_in_the_list(as_carol, address):
    an_image("One")
    response = as_carol.get(IMAGES + address, follow=True)
    assert response.status_code in {HTTPStatus.OK, HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND}


def test_a_query_with_a_null_character_finds_nothing(as_carol):
    an_image("One")
    response = as_carol.get(IMAGES, {"q": "\0"})
    assert titles(response) == set()
    assert "Null characters" in said(response)


@pytest.mark.parametrize("words", ['"', "'", '""', "' \" '"])
def test_a_query_of_quotation_marks_finds_nothing(admin_client, words):
    Group.objects.create(name="Friends")
    Report.objects.create(image=an_image("One"), reason="other")
    for address in ("/admin/auth/group/", "/admin/auth/user/", REPORTS):
        assert list(admin_client.get(address).context["cl"].result_list)
        assert not list(admin_client.get(address, {"q": words}).context["cl"].result_list), address


@pytest.mark.parametrize("words", ["x" * 2001, "파도" * 120, "a " * 4000])
def test_a_query_that_is_too_long_finds_nothing_and_keeps_the_form(as_carol, words):
    an_image("One", tags=["sea"])
    response = as_carol.get(IMAGES, {"q": words, "tag": "sea", "hidden": "no"})
    assert response.status_code == HTTPStatus.BAD_REQUEST
    assert titles(response) == set()
    assert "This search is too long." in said(response)
    assert response.context["cl"].query == words
    assert response.text.count(words.split()[0]) < 10 or len(words.split()) > 1
    assert 'name="tag" value="sea"' in response.text


@pytest.mark.parametrize(
    "query",
    [
        "tag=" + "x" * 3000,
        "hidden=maybe",
        "reported=yes",
        "uploader=x",
        "uploader=99999999999999999999",
        "created__gte=never",
        "p=99999999999999999999&uploader=%00",
        "e=1&model=%00&uploader=x",
        "q=One&uploader=x",
    ],
)
def test_invalid_filters_show_an_error_and_no_pictures(as_carol, query):
    an_image("One")
    response = as_carol.get(f"{IMAGES}?{query}")
    assert response.status_code == HTTPStatus.BAD_REQUEST
    assert titles(response) == set()
    assert any(reason in said(response) for reason in ("There is no such filter or page.", "This search is too long."))


@pytest.mark.parametrize("query", ["q=" + "x" * 3000, "uploader=x", "hidden=maybe", "q=%00"])
@pytest.mark.parametrize("action", ["hide", "delete_selected"])
def test_an_action_on_a_whole_list_with_invalid_filters_changes_nothing(as_carol, query, action):
    image = an_image("One")
    data = {"action": action, "_selected_action": str(image.pk), "select_across": "1", "index": "0", "post": "yes"}
    assert as_carol.post(f"{IMAGES}?{query}", data).status_code < HTTPStatus.INTERNAL_SERVER_ERROR
    assert not Image.objects.get().hidden


def test_a_queue_with_invalid_filters_is_empty(as_carol):
    Report.objects.create(image=an_image("One"), reason="other")
    for query in ("q=" + "x" * 3000, "state=odd", "reason__exact=%00"):
        response = as_carol.get(f"{REPORTS}?{query}")
        assert response.status_code == HTTPStatus.BAD_REQUEST
        assert list(response.context["cl"].result_list) == []


KINDS = [
    f"{app}/{model}/"
    for app, model in [("search", "image"), ("search", "report"), ("auth", "user"), ("auth", "group")]
]
IDS = ["1", "0", "-1", "x", "%00", "%ED%A0%80", "9" * 30, "x" * 3000, str(uuid.UUID(int=0)), "_2F", "1/2", "%2e%2e"]


@pytest.mark.parametrize("who", ["client", "as_alice", "as_carol", "admin_client"])
def test_no_id_is_a_server_error_in_the_admin(request, who):
    person = request.getfixturevalue(who)
    person.raise_request_exception = False
    objects = ContentType.objects.values_list("pk", flat=True)
    addresses = [f"/admin/{kind}{key}/{what}/" for kind in KINDS for key in IDS for what in ("change", "history")]
    addresses += [
        f"/admin/{kind}{key}/{what}/" for kind in KINDS for key in IDS[:8] for what in ("delete", "password")
    ]
    addresses += [f"/admin/r/{kind}/{key}/" for kind in objects for key in IDS]
    addresses += [f"/admin/r/{key}/1/" for key in IDS]
    addresses += [f"/admin/{key}/" for key in IDS] + [f"/admin/autocomplete/?term={key}" for key in IDS]
    addresses += [f"/admin/jsi18n/{key}" for key in IDS]
    broken = [address for address in addresses if person.get(address).status_code >= 500]
    assert broken == []


def test_view_on_site_redirects_to_the_page_of_the_picture(as_carol):
    image = an_image("One")
    kind = ContentType.objects.get_for_model(Image).pk
    assert as_carol.get(f"/admin/r/{kind}/{image.pk}/")["Location"].endswith(image.get_absolute_url())


@pytest.mark.parametrize("selected", ["not-a-uuid", "\0", "", "x" * 10_000])
def test_an_invalid_selection_changes_nothing(as_carol, selected):
    an_image("One")
    response = as_carol.post(IMAGES, {"action": "hide", "_selected_action": selected, "index": "0"}, follow=True)
    assert response.status_code == HTTPStatus.OK
    assert not Image.objects.filter(hidden=True).exists()


@pytest.mark.parametrize("term", ["ali", "\0", "x" * 5000, "a " * 20_000])
def test_autocomplete_finds_an_uploader(carol, as_carol, alice, term):
    carol.user_permissions.add(Permission.objects.get(codename="view_user"))
    query = {"app_label": "search", "model_name": "image", "field_name": "uploader", "term": term}
    response = as_carol.get("/admin/autocomplete/", query)
    assert response.status_code == HTTPStatus.OK
    assert ("alice" in str(response.json())) == (len(term) < 5000)


def test_the_lists_of_users_and_groups_accept_invalid_filters(admin_client):
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
def test_no_query_string_or_id_is_a_server_error_in_the_queue(as_carol, address):
    Report.objects.create(image=an_image("One"), reason="other")
    for ask in (as_carol.get, as_carol.post):
        assert ask(REPORTS + address, follow=True).status_code < HTTPStatus.INTERNAL_SERVER_ERROR


@pytest.mark.parametrize("selected", ["x", "\0", "99999999999999999999999999", ""])
def test_an_invalid_selection_resolves_nothing(as_carol, selected):
    Report.objects.create(image=an_image("One"), reason="other")
    data = {"action": "resolve_selected", "_selected_action": selected, "index": "0"}
    assert as_carol.post(REPORTS, data, follow=True).status_code == HTTPStatus.OK
    assert Report.objects.filter(resolved=None).count() == 1
