"""Roles: their permissions, who assigns them, and the migration to them."""

from importlib import import_module
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import Group, Permission, User
from django.test import Client

from search.accounts.roles import CONTRIBUTOR, CURATOR, OWNER, ROLES, VIEWER, give, group_of, role_of
from search.curation import Tag, Untag, change
from search.models import Image, Revision
from tests.base import an_image, picture_file

pytestmark = pytest.mark.django_db


def user_with(role: str) -> tuple[User, Client]:
    user = User.objects.create_user(role.lower())
    give(user, role)
    client = Client()
    client.force_login(user)
    return user, client


def test_a_new_account_is_a_contributor(alice: User):
    assert role_of(alice) == CONTRIBUTOR
    assert alice.has_perm("search.add_image")
    assert not alice.is_staff


def test_assigning_a_role_replaces_the_previous_one(alice: User):
    other = Group.objects.create(name="Friends")
    alice.groups.add(other)
    give(alice, CURATOR)
    assert {group.name for group in alice.groups.all()} == {"Friends", CURATOR}
    assert alice.is_staff
    give(alice, VIEWER)
    assert {group.name for group in alice.groups.all()} == {"Friends", VIEWER}
    assert not User.objects.get(pk=alice.pk).is_staff


def test_the_deleted_group_of_a_role_is_created_again(alice: User):
    Group.objects.filter(name__in=ROLES).delete()
    give(alice, CONTRIBUTOR)
    assert User.objects.get(pk=alice.pk).has_perm("search.add_image")
    assert not User.objects.get(pk=alice.pk).has_perm("search.change_image")


@pytest.mark.parametrize("role", [VIEWER, CONTRIBUTOR])
def test_a_viewer_adds_no_pictures_on_pages_or_by_the_api(role: str):
    _user, client = user_with(role)
    may = role == CONTRIBUTOR
    assert ("Add pictures" in client.get("/").text) is may
    assert client.get("/upload/").status_code == (200 if may else 403)
    assert client.post("/upload/", {"pictures": picture_file()}).status_code == (200 if may else 403)
    assert client.post("/upload/read", {"picture": picture_file()}).status_code == (200 if may else 403)
    answer = client.post("/api/images", {"picture": picture_file(colour="blue")})
    assert answer.status_code == (201 if may else 403)
    assert may or answer.json()["type"].endswith("#not_allowed")


def test_viewers_may_add_pictures_if_anonymous_users_may(settings: Any):
    settings.UPLOAD_LOGIN_REQUIRED = False
    _user, client = user_with(VIEWER)
    assert client.get("/upload/").status_code == 200


@pytest.mark.parametrize(("role", "may"), [(VIEWER, set()), (CONTRIBUTOR, set()), (CURATOR, {"image", "report"}),
                                           (OWNER, {"image", "report", "signup", "user", "group"})])  # fmt: skip
def test_each_role_may_open_its_part_of_the_admin(role: str, may: set[str]):
    _user, client = user_with(role)
    for table in ("image", "report", "signup", "user", "group"):
        app = "auth" if table in {"user", "group"} else "search"
        answer = client.get(f"/admin/{app}/{table}/")
        assert answer.status_code == (200 if table in may else 403 if may else 302), table


def test_an_owner_assigns_roles_in_the_form_and_in_the_list(alice: User):
    _owner, client = user_with(OWNER)
    page = client.get(f"/admin/auth/user/{alice.pk}/change/")
    form = page.context["adminform"].form
    assert [group.name for group in form.fields["groups"].queryset] == []
    data = {
        "username": "alice", "role": CURATOR, "initial-role": CONTRIBUTOR,
        "is_active": "on", "initial-is_active": "on",
    }  # fmt: skip
    assert client.post(f"/admin/auth/user/{alice.pk}/change/", data).status_code == 302
    alice = User.objects.get(pk=alice.pk)
    assert role_of(alice) == CURATOR
    assert alice.is_staff
    data = {"action": "make_viewer", "_selected_action": [alice.pk]}
    answer = client.post("/admin/auth/user/", data, follow=True)
    assert "1 account now has this role: Viewer." in answer.text
    assert role_of(User.objects.get(pk=alice.pk)) == VIEWER


def test_saving_another_field_of_an_account_keeps_its_role_and_staff_status(carol: User):
    _owner, client = user_with(OWNER)
    others = Group.objects.create(name="Friends")
    data = {
        "username": "carol", "role": CONTRIBUTOR, "initial-role": CONTRIBUTOR, "is_active": "on", "is_staff": "on",
        "initial-is_active": "on", "initial-is_staff": "on", "groups": [others.pk], "initial-groups": [""],
    }  # fmt: skip
    assert client.post(f"/admin/auth/user/{carol.pk}/change/", data).status_code == 302
    carol = User.objects.get(pk=carol.pk)
    assert {group.name for group in carol.groups.all()} == {"Friends", CONTRIBUTOR}
    assert carol.is_staff


def test_the_migration_keeps_permissions_and_leaves_existing_groups_alone(alice: User, carol: User):
    migration = import_module("search.migrations.0037_roles")
    migration.remove_roles(apps, None)
    theirs = Group.objects.create(name="Curator")
    theirs.permissions.set(Permission.objects.filter(codename="view_report"))
    alice.groups.add(theirs)
    before = carol.get_all_permissions()
    migration.make_roles(apps, None)
    theirs.refresh_from_db()
    assert theirs.name == "Curator (1)"
    assert [one.codename for one in theirs.permissions.all()] == ["view_report"]
    alice, carol = User.objects.get(username="alice"), User.objects.get(username="carol")
    assert alice.get_all_permissions() == {"search.add_image", "search.change_own_image", "search.view_report"}
    assert before <= carol.get_all_permissions()
    assert carol.is_staff
    assert {one.codename for one in group_of(VIEWER).permissions.all()} == set()


# Own pictures


def post_change(client: Client, verb: str, *images: Image, **fields: Any) -> Any:
    data = {"do": verb, "id": [image.pk for image in images], **fields}
    return client.post("/selection/change", data, headers={"Accept": "application/json"})


def test_a_contributor_changes_own_pictures_only(alice: User, as_alice: Client):
    own, other = an_image("mine", uploader=alice), an_image("theirs")
    answer = post_change(as_alice, "tag", own, other, tags="sea").json()
    assert answer["done"] == "1 picture was tagged. 1 picture was skipped, because someone else added it."
    assert post_change(as_alice, "edit", own, title="Shore").json()["count"] == 1
    refused = post_change(as_alice, "tag", other, tags="sea")
    assert refused.status_code == 403
    assert refused.json()["problem"] == "You can only change pictures that you have added."
    for verb in ("hide", "show", "trash"):
        assert post_change(as_alice, verb, own).status_code == 403
    own.refresh_from_db()
    other.refresh_from_db()
    assert (own.title, own.tags, own.hidden) == ("Shore", ["sea"], False)
    assert (other.title, other.tags) == ("theirs", [])


def test_a_contributor_undoes_own_changes_only(alice: User, as_alice: Client, carol: User):
    own = an_image("mine", uploader=alice)
    mine = post_change(as_alice, "tag", own, tags="sea").json()["undo"]
    theirs = change([own.pk], Tag(["boat"]), by=carol)
    assert as_alice.post("/selection/undo", {"revision": theirs.pk}).status_code == 403
    untagged = change([own.pk], Untag(["boat"]), by=carol)
    assert as_alice.post("/selection/undo", {"revision": untagged.pk}).status_code == 403
    assert as_alice.post("/selection/undo", {"revision": mine}).status_code == 302
    own.refresh_from_db()
    assert own.tags == []


def test_a_change_of_a_picture_that_is_no_longer_theirs_can_not_be_undone(alice: User, as_alice: Client):
    own = an_image("mine", uploader=alice)
    mine = post_change(as_alice, "tag", own, tags="sea").json()["undo"]
    Image.objects.filter(pk=own.pk).update(uploader=None)
    assert as_alice.post("/selection/undo", {"revision": mine}).status_code == 403


def test_a_hidden_picture_of_their_own_can_not_be_changed(alice: User, as_alice: Client):
    own = an_image("mine", uploader=alice, hidden=True)
    assert post_change(as_alice, "tag", own, tags="sea").status_code == 400
    assert as_alice.patch(f"/api/images/{own.pk}", {"title": "x"}, "application/json").status_code == 404


def test_the_page_of_a_picture_shows_its_forms_to_the_uploader(alice: User, as_alice: Client):
    own, other = an_image("mine", uploader=alice), an_image("theirs")
    assert 'value="tag"' in as_alice.get(own.get_absolute_url()).text
    assert 'value="hide"' not in as_alice.get(own.get_absolute_url()).text
    assert 'value="tag"' not in as_alice.get(other.get_absolute_url()).text
    assert 'value="album"' in as_alice.get(other.get_absolute_url()).text
    _viewer, client = user_with(VIEWER)
    for page in (own.get_absolute_url(), "/"):
        assert "selection/change" not in client.get(page).text
        assert "selection/change" not in Client().get(page).text


def test_a_contributor_changes_own_pictures_among_all_results_only(alice: User, as_alice: Client):
    own, other = an_image("mine", uploader=alice), an_image("theirs")
    page = as_alice.get("/selection/all?all=any")
    assert page.status_code == 200
    answer = as_alice.post("/selection/change", {"do": "tag", "tags": "sea", "set": page.context["set"]}, follow=True)
    assert "1 picture was skipped" in answer.text
    own.refresh_from_db()
    other.refresh_from_db()
    assert (own.tags, other.tags) == (["sea"], [])
    _viewer, client = user_with(VIEWER)
    assert client.get("/selection/all?all=any").status_code == 404


def test_the_api_follows_the_same_rules(alice: User, as_alice: Client, as_carol: Client):
    own, other = an_image("mine", uploader=alice, tags=["a"]), an_image("theirs")

    def patch(client: Client, image: Image, sent: Any) -> Any:
        return client.patch(f"/api/images/{image.pk}", sent, "application/json")

    answer = patch(as_alice, own, {"title": "Shore", "tags": ["sea", "boat"]})
    assert answer.status_code == 200
    assert (answer.json()["title"], answer.json()["tags"]) == ("Shore", ["sea", "boat"])
    assert patch(as_alice, own, {"tags": []}).json()["tags"] == []
    assert patch(as_alice, own, {}).json()["title"] == "Shore"
    assert patch(as_alice, own, {"visibility": "members"}).json()["visibility"] == "members"
    assert patch(as_alice, own, {"visibility": "public"}).json()["hidden"] is False
    assert patch(as_alice, other, {"title": "x"}).status_code == 403
    assert patch(as_carol, other, {"title": "x"}).status_code == 200
    assert patch(Client(), own, {"title": "x"}).status_code == 401
    _viewer, client = user_with(VIEWER)
    assert patch(client, own, {"title": "x"}).status_code == 403
    for wrong in (
        {"source_link": "javascript:x"},
        {"tags": ["a,b"]},
        {"tags": ["x" * 61]},
        {"tags": ["x"] * 51},
        {"visibility": "x"},
    ):
        refused = patch(as_alice, own, wrong)
        assert refused.status_code == 422, wrong
        assert refused.json()["errors"][0]["field"] in wrong
    for nonsense in ({"title": 5}, {"title": "x" * 301}, {"tags": "a"}):
        assert patch(as_alice, own, nonsense).status_code == 422, nonsense
    assert Revision.objects.filter(by=alice, door="api").count() == 5
