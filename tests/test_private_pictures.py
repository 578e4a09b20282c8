"""Private pictures are visible to permitted users only, and not disclosed by any address, count, cache or file."""

import datetime as dt
import re
import uuid
import zipfile
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from search.curation import AddToAlbum, Hide, Restore, Show, ShowTo, Trash, change, undo
from search.duplicates.merging import Kept, keep
from search.facets.facets import facets_of
from search.ingestion.edits_of_changed_files import copy_edits
from search.models import Album, Arrival, Capture, Image, PictureSet, Private, Revision
from search.query import NoSuchQuery, SearchQuery
from search.query.saved_searches import save_search
from search.query.viewer import asked_by
from search.retrieval import find, query_vector, similar_images
from search.retrieval.search_scope import Scope
from tests.base import a_vector, an_image, many_images, near, picture_bytes, picture_file, stored_image
from tests.test_every_address import World

pytestmark = pytest.mark.django_db

SECRET = "zebrafinch"


@pytest.fixture(autouse=True)
def _text_vector(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(query_vector, "text_vector", lambda words: a_vector(1))


@pytest.fixture
def bob(db: None) -> User:
    return User.objects.create_user("bob")


def client_of(user: User | None) -> Client:
    client = Client()
    if user:
        client.force_login(user)
    return client


def private(owner: User | None, visibility: str = "own", **fields: Any) -> Image:
    image = an_image(SECRET, vector=near(a_vector(1), 0.9), tags=[SECRET], uploader=owner, **fields)
    change([image.pk], ShowTo(visibility))
    image.refresh_from_db()
    return image


def found(user: User | None, words: str = "", **query: Any) -> list[str]:
    with asked_by(lambda: user or AnonymousUser()):
        page = find(SearchQuery(words=words, **query))
        assert page.found == len(page.images) == page.counts.total
        return sorted(image.title for image in page.images)


# Not visible to others


@pytest.mark.parametrize(
    ("visibility", "see", "others"), [("own", ["alice"], ["bob", "a stranger"]), ("members", ["bob"], ["a stranger"])]
)
def test_no_address_discloses_a_private_picture_to_others(visibility: str, see: str, others: list[str]):
    world = World()
    Image.objects.filter(pk=world.shown.pk).update(title=SECRET, description=SECRET, tags=[SECRET], author=SECRET)
    change([world.shown.pk], ShowTo(visibility))
    save_search(world.alice, SearchQuery(words=SECRET))
    # Permitted users first: responses cached for them must not be served to others.
    assert SECRET in world.client("carol").get(f"/search?q={SECRET}+with:hidden&filters=open").text
    for role in (*see, *others):
        client = world.client(role)
        disclosing = {*addresses_that_disclose(world, client), *searches_that_disclose(world, client)}
        if role in see:
            assert {"image", "rendition", "download", "api:image", "album", "download-album"} <= disclosing
            assert {"/search?q", "/api/search?q", "/search?album", "/search?like", "/search?"} <= disclosing
        else:
            assert disclosing == set(), role


def addresses_that_disclose(world: World, client: Client) -> Iterator[str]:
    """The names of addresses that disclose anything of the picture; none of the admin, which is for curators."""
    key = str(world.shown.pk)
    forms = {"download-album": {}, "download-selection": {"id": key}, "share-selection": {"id": key}}
    for address in world.addresses():
        if address.is_of_the_admin:
            continue
        is_form = address.name in forms
        answer = client.post(address.path, forms[address.name]) if is_form else client.get(address.path)
        content = b"".join(answer.streaming_content) if answer.streaming else answer.content
        if content.startswith(b"PK"):
            content = repr(zipfile.ZipFile(BytesIO(content)).namelist()).encode()
        is_file = address.name in {"rendition", "download"} and answer.status_code == 200
        # Pages addressed by its id contain it anyway; its similar pictures do not.
        if is_file or SECRET.encode() in content or (key.encode() in content and key not in address.path):
            yield address.name


def searches_that_disclose(world: World, client: Client) -> Iterator[str]:
    key = str(world.shown.pk)
    searches = ["", "filters=open", "sort=oldest", f"tag={SECRET}", f"q=tag:{SECRET}", f"album={world.album.pk}"]
    searches += [f"q={SECRET}", "q=boat&mode=meaning", "uploader=alice"]
    for path in ("/search", "/api/search"):
        for asked in searches:
            if key in client.get(f"{path}?{asked}").text:
                yield f"{path}?{asked.partition('=')[0]}"
        if client.get(f"{path}?like={key}").status_code == 200:
            yield f"{path}?like"


def test_feeds_sets_and_suggestions_contain_public_pictures_only_even_for_the_owner(alice: User, client: Client):
    image = private(alice)
    an_image("boat", tags=["boat"])
    saved = save_search(alice, SearchQuery(words="boat"))[0]
    shared = PictureSet.objects.create(id=uuid.uuid4(), images=[image.pk])
    for visitor in (client, client_of(alice)):
        for path in (reverse("feed", args=[saved.token]), saved.get_absolute_url(), shared.get_absolute_url()):
            assert str(image.pk) not in visitor.get(path, follow=True).text
        assert SECRET not in visitor.get(f"/search/suggestions?q={SECRET[:4]}").text
        assert visitor.post("/selection/share", {"id": image.pk}).status_code == 404


def test_the_timeline_shows_private_pictures_to_permitted_users_only(alice: User, bob: User):
    mine, shown = private(alice), an_image("boat")
    for image in (mine, shown):
        Capture.objects.update_or_create(
            image=image, defaults={"taken": dt.datetime(2020, 5, 1, 12, tzinfo=dt.UTC), "taken_from": "camera"}
        )
    undated = private(alice)
    for _again in range(2):  # counts are cached for everyone
        page = client_of(alice).get("/timeline/").text
        assert str(mine.pk) in page
        assert re.search(r'<span class="count">\s*2\s*</span>', page)
        for visitor in (Client(), client_of(bob)):
            page = visitor.get("/timeline/").text
            assert str(mine.pk) not in page
            assert str(shown.pk) in page
            assert str(mine.pk) not in visitor.get("/timeline/?at=2020-05").text
    assert str(undated.pk) not in client_of(alice).get("/timeline/").text


def test_counts_are_cached_separately_for_users_with_private_pictures(
    alice: User, bob: User, monkeypatch: pytest.MonkeyPatch
):
    from search.facets import filter_counts

    monkeypatch.setattr(filter_counts, "CACHED_FROM", 0)
    an_image("boat", tags=["sea"])
    private(alice)

    def tags(user: User | None) -> list[tuple[str, int]]:
        with asked_by(lambda: user or AnonymousUser()):
            facets = {
                facet.name: facet for facet in facets_of(SearchQuery(), Scope(SearchQuery(), private=True).counts)
            }
            total = sum(choice.count for choice in facets["orientation"].choices)
            return [*((choice.label, choice.count) for choice in facets["tag"].choices), ("all", total)]

    for _again in range(2):
        assert sorted(tags(alice)) == [("all", 2), ("sea", 1), (SECRET, 1)]
        for other in (bob, None):
            assert sorted(tags(other)) == [("all", 1), ("sea", 1)]


def test_cached_pages_of_one_user_are_not_served_to_another(alice: User, bob: User):
    many_images(60)
    image = private(alice)
    with asked_by(lambda: alice):
        first = find(SearchQuery(words="boat"))
        assert first.images[0].pk == image.pk
        following = first.next
        assert following
        assert find(following).found == 61
    for other in (bob, AnonymousUser()):
        with asked_by(lambda other=other: other):
            assert find(following).found == 60
            assert find(following.replace(seen=following.seen)).images[0].pk != image.pk
    # A picture that has become private disappears from cached pages.
    shown = an_image("boat", vector=a_vector(1))
    with asked_by(lambda: bob):
        following = find(SearchQuery(words="boat")).next
        change([shown.pk], ShowTo("own"))
        assert following
        assert shown.pk not in {one.pk for one in find(SearchQuery(words="boat", seen=following.seen)).images}


def test_similar_pictures_include_visible_ones_only(alice: User, bob: User):
    image = private(alice)
    other = an_image("boat", vector=near(a_vector(1), 0.8))
    for user, expected in ((alice, [SECRET]), (bob, []), (AnonymousUser(), [])):
        with asked_by(lambda user=user: user):
            assert [one.title for one in similar_images(other, 3)] == expected
    query = SearchQuery().more_like(image.pk)
    with asked_by(lambda: alice):
        assert [one.title for one in find(query).images] == ["boat"]
    with asked_by(lambda: bob), pytest.raises(NoSuchQuery):
        find(query)


# Permitted users


@pytest.mark.parametrize("words", ["", "boat", f"tag:{SECRET}", f'"{SECRET}"'])
def test_permitted_users_find_it(words: str, alice: User, bob: User, carol: User):
    private(alice)
    assert found(alice, words) == [SECRET]
    assert found(bob, words) == found(None, words) == []
    assert found(carol, words) == []
    change(Image.objects.values_list("pk", flat=True), ShowTo("members"))
    assert found(alice, words) == found(bob, words) == [SECRET]
    assert found(None, words) == []


def test_curators_find_it_as_a_hidden_picture(alice: User, as_carol: Client):
    image = private(alice)
    assert str(image.pk) not in as_carol.get("/search?q=boat").text
    assert str(image.pk) in as_carol.get("/search?q=boat+with:hidden").text
    assert "Private" in as_carol.get("/search?hidden=only").text
    assert "This picture is private" in as_carol.get(image.get_absolute_url()).text
    assert client_of(alice).get("/search?hidden=mine").status_code == 400


def test_a_private_picture_hidden_by_a_curator_is_visible_to_curators_only(alice: User, as_carol: Client):
    image = private(alice, "members")
    change([image.pk], Hide())
    assert found(alice) == []
    assert client_of(alice).get(image.get_absolute_url()).status_code == 404
    assert as_carol.get(image.get_absolute_url()).status_code == 200
    change([image.pk], ShowTo("public"))
    image.refresh_from_db()
    assert image.hidden
    change([image.pk], Show())
    assert found(None) == [SECRET]


def test_the_show_action_does_not_make_a_private_picture_public(alice: User):
    image = private(alice)
    change([image.pk], Show())
    Image.hide_all([image], hidden=False)
    Image.objects.filter(pk=image.pk).update(hidden=False)
    assert found(None) == []
    assert found(alice) == [SECRET]
    Image.hide_all([image])
    assert found(alice) == []


def test_the_database_marks_private_pictures_as_hidden(alice: User):
    image = an_image(SECRET, uploader=alice)
    Private.objects.create(image=image, visibility="own", hidden=False)
    image.refresh_from_db()
    assert image.hidden


# Trash, undo, merging, versions


def test_the_visibility_survives_the_trash(alice: User):
    image = private(alice)
    change([image.pk], Trash())
    assert found(alice) == []
    assert client_of(alice).get(image.get_absolute_url()).status_code == 404
    change([image.pk], Restore())
    assert found(alice) == [SECRET]
    assert found(None) == []
    other = an_image("boat", uploader=alice)
    thrown = change([other.pk], Trash())
    Private.objects.filter(pk=other.pk).delete()
    undo(thrown)
    assert found(None) == ["boat"]


def test_a_change_of_visibility_can_be_undone(alice: User):
    image = an_image(SECRET, uploader=alice)
    hidden = change([image.pk], ShowTo("own"), by=alice)
    assert hidden.count == 1
    assert change([image.pk], ShowTo("own"), by=alice).count == 0
    members = change([image.pk], ShowTo("members"), by=alice)
    undo(members, by=alice)
    assert Private.objects.get().visibility == "own"
    assert Revision.objects.get(pk=hidden.pk).may_be_undone_by(alice)
    undo(hidden, by=alice)
    assert found(None) == [SECRET]


def test_metadata_of_a_private_copy_is_not_merged_into_a_more_visible_one(alice: User, carol: User):
    image, copy = private(alice), an_image("boat")
    keep([Kept(copy.pk, [image.pk])], by=carol)
    copy.refresh_from_db()
    assert copy.tags == []
    image, copy = private(alice), an_image("sea", tags=["sea"])
    keep([Kept(image.pk, [copy.pk])], by=carol)
    image.refresh_from_db()
    assert image.tags == [SECRET, "sea"]
    assert found(None) == ["boat"]


def test_another_version_of_a_private_picture_is_private_too(alice: User):
    image, other = private(alice), an_image("boat")
    copy_edits(other.pk, image.pk)
    assert found(None) == []
    assert found(alice) == ["boat", SECRET]
    fresh = an_image("x").pk
    Image.objects.filter(pk=fresh).delete()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE search_image SET id = %s WHERE id = %s", [fresh, image.pk])
    assert Private.objects.filter(pk=fresh).exists()
    Image.objects.all().delete()
    assert not Private.objects.exists()


# Who may make a picture private, and where


def test_users_choose_the_visibility_of_their_uploads(alice: User, bob: User):
    client, data = client_of(alice), picture_bytes("red", size=(64, 48))
    sent = {"pictures": picture_file("a.jpg", data), "title": SECRET, "visibility": "own"}
    answer = client.post("/upload/", sent)
    assert "People who may see it can now find it." in answer.text
    image = Image.objects.get()
    assert image.hidden
    assert found(alice) == [SECRET]
    assert found(bob) == []
    assert not Arrival.objects.exists()
    again = client_of(bob).post("/upload/", {"pictures": picture_file("a.jpg", data)}).text
    assert "is not visible to you" in again
    assert SECRET not in again
    refused = client_of(bob).post("/api/images", {"picture": picture_file("a.jpg", data)})
    assert refused.status_code == 409
    assert SECRET not in refused.text
    sent = {"picture": picture_file("b.jpg", colour="blue"), "visibility": "members"}
    assert client.post("/api/images", sent).json()["visibility"] == "members"
    wrong = {"picture": picture_file("c.jpg", colour="green"), "visibility": "x"}
    assert client.post("/api/images", wrong).status_code == 422


def test_anonymous_uploads_are_public(client: Client, settings: Any):
    settings.UPLOAD_LOGIN_REQUIRED = False
    client.post("/upload/", {"pictures": picture_file(), "visibility": "own"})
    assert not Image.objects.get().hidden


def test_users_change_the_visibility_of_their_own_pictures_only(alice: User, bob: User):
    image = an_image(SECRET, uploader=alice)
    form = {"do": "visibility", "id": image.pk, "visibility": "own"}
    headers = {"Accept": "application/json"}
    assert client_of(bob).post("/selection/change", form, headers=headers).status_code == 403
    done = client_of(alice).post("/selection/change", form, headers=headers).json()
    assert done["done"] == "The visibility of 1 picture was changed."
    assert found(None) == []
    for wrong in ("", "x"):
        refused = client_of(alice).post("/selection/change", form | {"visibility": wrong}, headers=headers)
        assert refused.status_code == 400
    assert client_of(alice).post("/selection/undo", {"revision": done["undo"]}).status_code == 302
    assert found(None) == [SECRET]


def test_an_album_makes_its_pictures_private_only_on_request(alice: User, bob: User):
    own, other = an_image("own", uploader=alice), an_image("other", uploader=bob)
    album = Album.objects.create(title="x", owner=alice)
    change([own.pk, other.pk], AddToAlbum(album))
    form = {"title": "x", "visibility": "own"}
    client_of(alice).post(reverse("edit-album", args=[album.pk]), form)
    assert found(None) == ["other", "own"]
    client_of(alice).post(reverse("edit-album", args=[album.pk]), form | {"pictures_too": "on"})
    assert found(None) == ["other"]
    assert found(alice) == ["other", "own"]


def test_a_private_picture_in_a_public_album_is_shown_to_permitted_users_only(alice: User, bob: User):
    image = stored_image("red", title=SECRET, uploader=alice)
    album = Album.objects.create(title="x", owner=alice, visibility="public")
    change([image.pk], AddToAlbum(album))
    change([image.pk], ShowTo("own"))
    for user, sees in ((alice, True), (bob, False), (None, False)):
        client = client_of(user)
        for path in (album.get_absolute_url(), "/albums/", f"/api/albums/{album.pk}", f"/search?album={album.pk}"):
            assert (str(image.pk) in client.get(path).text) is sees, path
        download = client.post(reverse("download-album", args=[album.pk]))
        assert (download.status_code == 200) is sees
        selected = client.post("/selection/download", {"id": image.pk})
        assert (selected.status_code == 200) is sees


def test_with_a_public_storage_pictures_can_not_be_private(alice: User, settings: Any):
    settings.S3_PUBLIC_BASE_URL = "https://cdn.example.org"
    image = an_image("x", uploader=alice)
    form = {"do": "visibility", "id": image.pk, "visibility": "own"}
    refused = client_of(alice).post("/selection/change", form, headers={"Accept": "application/json"})
    assert refused.json()["problem"].startswith("Pictures can't be private here")
    assert not Private.objects.exists()


def test_the_page_of_a_private_picture_says_so_and_is_not_cached(alice: User):
    image = stored_image("red", title=SECRET, uploader=alice)
    change([image.pk], ShowTo("members"))
    client = client_of(alice)
    assert "This picture is for members" in client.get(image.get_absolute_url()).text
    assert "Members" in client.get("/search").text
    assert "no-cache" in client.get("/search").headers["Cache-Control"]
    assert "no-cache" in client.get(reverse("rendition", args=[image.pk, 400])).headers["Cache-Control"]


# Without private pictures


def test_a_search_costs_no_query_for_anonymous_users_and_one_for_members(alice: User, bob: User):
    an_image("boat")

    def asked(user: Any) -> list[str]:
        with asked_by(lambda: user), CaptureQueriesContext(connection) as queries:
            find(SearchQuery(words="boat"))
        return [one["sql"] for one in queries if "search_private" in one["sql"]]

    assert asked(AnonymousUser()) == []
    assert len(asked(alice)) == 1
    private(bob)
    assert len(asked(alice)) == 2
