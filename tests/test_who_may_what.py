"""The permissions of each role at each address of the site, and on pictures and albums of their own and of others.

New addresses, which come from the resolver, must be added here. test_site_access checks that all are closed if users
must log in, test_every_address that hidden pictures stay hidden.
"""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from django.test import Client

from search.accounts.roles import CONTRIBUTOR, CURATOR, OWNER, VIEWER, give
from search.models import Image
from tests.base import an_image
from tests.test_every_address import World

pytestmark = pytest.mark.django_db

STRANGER, NOBODY = "Stranger", "Nobody"
ROLES = (STRANGER, VIEWER, CONTRIBUTOR, CURATOR, OWNER)
_NO = None

# The lowest roles that may GET and POST; None if the address does not accept the method. Objects belong to alice: no
# role ("Nobody") may see her saved searches.
WHO_MAY: dict[tuple[str | None, str | None], str] = {
    (STRANGER, _NO): """
        search results search-help timeline suggestions image rendition download album feed picture-set query-picture
        shared-album robots api:search api:image api:albums api:album api:openapi-json api:openapi-view manifest
        service-worker offline
    """,
    (STRANGER, STRANGER): """
        search-by-picture search-by-region report download-selection share-selection sign-up login choose-password
        set_language api:api-root
    """,
    (_NO, STRANGER): "api:search-picture download-album download-shared-album",
    (STRANGER, VIEWER): "search-by-address save-search",
    (VIEWER, _NO): "saved-searches account",
    (VIEWER, VIEWER): "enter-code change-password second-factor api-tokens",
    (STRANGER, CONTRIBUTOR): "albums undo-change",
    (CONTRIBUTOR, _NO): "all-results",
    (CONTRIBUTOR, CONTRIBUTOR): "upload",
    (_NO, CONTRIBUTOR): "api:add-image read-picture keep-added",
    (STRANGER, CURATOR): "change-selection",
    (_NO, CURATOR): """
        choose-cover renew-album-link admin:search_image_in_place admin:search_image_judge admin:search_report_resolve
        admin:search_report_reopen admin:search_revision_undo admin:state-look admin:search_run_retry
        admin:search_vocabularytag_start admin:search_vocabularytag_again admin:search_trashed_restore
    """,
    (CURATOR, _NO): """
        map map-points map-marks map-pictures admin:password_change_done admin:jsi18n admin:search_image_judgements
        admin:state admin:search_run_files admin:search_vocabularytag_export
    """,
    (CURATOR, CURATOR): """
        edit-album arrange-album delete-album admin:index admin:app_list admin:password_change
        admin:search_image_changelist admin:search_image_change admin:search_image_delete admin:search_image_history
        admin:search_image_compare admin:search_image_paste admin:search_image_duplicates
        admin:search_image_duplicates_exact admin:search_report_changelist admin:search_report_change
        admin:search_report_delete admin:search_report_history admin:search_revision_changelist
        admin:search_trashed_changelist admin:search_trashed_empty admin:search_run_changelist map-selection
        admin:search_vocabularytag_changelist admin:search_vocabularytag_add admin:search_vocabularytag_change
        admin:search_vocabularytag_delete admin:search_vocabularytag_history admin:search_vocabularytag_import
        admin:search_vocabularytag_merge admin:search_vocabularytag_suggestions
    """,
    (OWNER, OWNER): """
        admin:auth_user_changelist admin:auth_user_add admin:auth_user_change admin:auth_user_delete
        admin:auth_user_history admin:auth_user_password_change admin:auth_group_changelist admin:auth_group_add
        admin:auth_group_change admin:auth_group_delete admin:auth_group_history admin:search_signup_changelist
        admin:search_signup_change admin:search_signup_history
    """,
    (NOBODY, _NO): "saved-search saved-search-cover added admin:autocomplete",
    (_NO, NOBODY): "rename-search delete-search revoke-api-token",
    (CURATOR, NOBODY): "admin:search_revision_change admin:search_run_change",
    (STRANGER, NOBODY): "decide-tag share",
    # There is nothing, or the settings disable it.
    (NOBODY, NOBODY): """
        admin:view_on_site admin:search_image_add admin:search_report_add admin:search_signup_add
        admin:search_signup_delete reset-password email
    """,
}
OTHERWISE = {"logout", "admin:login", "admin:logout"}
"""Addresses that behave differently for logged-in users."""


def client_with(role: str) -> Client:
    client = Client()
    if role != STRANGER:
        user = User.objects.create_user(f"a {role}")
        give(user, role)
        client.force_login(user)
    return client


def is_permitted(answer: Any) -> bool:
    to_login = answer.status_code in {301, 302} and "/login/" in answer["Location"]
    return answer.status_code not in {401, 403, 404} and not to_login


def test_each_address_permits_exactly_the_listed_roles():
    world = World()
    clients = {role: client_with(role) for role in ROLES}
    who_may = {name: least for least, names in WHO_MAY.items() for name in names.split()}
    addresses = world.addresses()
    assert {one.name for one in addresses} - OTHERWISE == who_may.keys()
    for address in addresses:
        for method, least in zip(("GET", "POST"), who_may.get(address.name, (None, None)), strict=True):
            if least is None:
                continue
            # The role below is refused, and the lowest listed role is permitted.
            at = ROLES.index(least) if least in ROLES else len(ROLES)
            for role, may in ((ROLES[at - 1], False), (least, True)):
                if (may or at) and role in clients:
                    with transaction.atomic():
                        answer = clients[role].generic(method, address.path)
                        transaction.set_rollback(True)
                    assert is_permitted(answer) is may, (address, method, role, answer.status_code)


# Per verb and owner: a picture of their own, one of others, and one that is put into an album of their own or of
# others.
OWN, OTHERS = "own", "others'"
VERBS: dict[str, dict[str, str]] = {
    "tag": {OWN: CONTRIBUTOR, OTHERS: CURATOR},
    "untag": {OWN: CONTRIBUTOR, OTHERS: CURATOR},
    "edit": {OWN: CONTRIBUTOR, OTHERS: CURATOR},
    "hide": {OWN: CURATOR, OTHERS: CURATOR},
    "show": {OWN: CURATOR, OTHERS: CURATOR},
    "trash": {OWN: CURATOR, OTHERS: CURATOR},
    "album": {OWN: CONTRIBUTOR, OTHERS: CURATOR},
    "unalbum": {OWN: CONTRIBUTOR, OTHERS: CURATOR},
    "patch": {OWN: CONTRIBUTOR, OTHERS: CURATOR},
    "edit-album": {OWN: CONTRIBUTOR, OTHERS: CURATOR},
    "delete-album": {OWN: CONTRIBUTOR, OTHERS: CURATOR},
}


@pytest.mark.parametrize("role", ROLES)
def test_each_role_may_change_exactly_the_listed_objects(role: str):
    client = client_with(role)
    user = User.objects.filter(username=f"a {role}").first()
    bob = User.objects.create_user("bob")
    for whose, owner in ((OWN, user), (OTHERS, bob)):
        if owner is None:
            continue
        image = an_image("x", uploader=owner)
        album = owner.albums.create(title="x")
        for verb, least in VERBS.items():
            with transaction.atomic():
                answer = _do(client, verb, image, album.pk)
                transaction.set_rollback(True)
            may = ROLES.index(role) >= ROLES.index(least[whose])
            assert (answer.status_code < 400 and is_permitted(answer)) is may, (verb, whose, answer.status_code)


def _do(client: Client, verb: str, image: Image, album: int) -> Any:
    if verb == "patch":
        return client.patch(f"/api/images/{image.pk}", {"title": "y"}, "application/json")
    if verb.endswith("-album"):
        form = {"title": "y", "visibility": "own"}
        return client.post(f"/albums/{album}/{verb.removesuffix('-album')}", form)
    return client.post("/selection/change", {"do": verb, "id": image.pk, "tags": "y", "title": "y", "album": album})
