"""Albums: permissions, content and order, deletion and undo, links, the API and ingestion."""

import datetime as dt
import json
import re
import unicodedata
import uuid
import zipfile
from io import BytesIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from search.curation import AddToAlbum, RemoveFromAlbum, Trash, change, delete_album, undo
from search.duplicates.merging import Kept, keep
from search.facets.facets import facets_of
from search.ingestion.edits_of_changed_files import copy_edits
from search.models import Album, AlbumImage, Image, Revision, SavedSearch
from search.models.albums import Place, Visibility
from search.query import SearchQuery
from search.query.filters import Filters
from search.query.viewer import asked_by
from search.retrieval import find, query_vector
from search.retrieval.search_scope import Scope
from search.state.trash_and_history_retention import tidy
from tests.base import a_vector, an_image, many_images, stored_image, write_picture

pytestmark = pytest.mark.django_db

CHANGE = "/selection/change"


@pytest.fixture
def bob(db: None) -> User:
    return User.objects.create_user("bob")


@pytest.fixture
def as_bob(bob: User) -> Client:
    client = Client()
    client.force_login(bob)
    return client


@pytest.fixture
def three() -> list[Image]:
    return [an_image(title, vector=a_vector(number)) for number, title in enumerate(["shore", "hill", "town"], 1)]


def album_of(owner: User | None, *images: Image, title: str = "Summer", **fields: Any) -> Album:
    """An album with the images in this order."""
    album = Album.objects.create(title=title, owner=owner, **fields)
    for image in images:
        change([image.pk], AddToAlbum(album))
    return album


def titles(album: Album) -> list[str]:
    entries = AlbumImage.objects.filter(album=album).order_by("position", "image_id")
    return list(entries.values_list("image__title", flat=True))


def send(client: Client, verb: str, images: list[Image], **fields: Any) -> Any:
    data = {"do": verb, "id": [image.pk for image in images], **fields}
    return client.post(CHANGE, data, headers={"Accept": "application/json"})


# Adding and removing


def test_selected_pictures_are_added_to_a_new_private_album(as_alice, alice, as_bob, three):
    answer = send(as_alice, "album", three[:2], album="new", album_title="  Summer  2026 ")
    assert answer.json()["done"] == "2 pictures were added to the album."
    album = Album.objects.get()
    assert (album.title, album.owner, album.visibility) == ("Summer 2026", alice, Visibility.OWN)
    assert answer.json()["album"] == {"album": album.pk, "title": "Summer 2026"}
    assert sorted(titles(album)) == ["hill", "shore"]
    assert as_alice.get(album.get_absolute_url()).status_code == 200
    assert as_bob.get(album.get_absolute_url()).status_code == 404
    assert "Summer" not in as_bob.get("/albums/").text


def test_pictures_are_appended_to_an_album_without_duplicates(as_alice, alice, three):
    album = album_of(alice, three[2])
    assert send(as_alice, "album", three, album=album.pk).json()["count"] == 2
    assert titles(album)[0] == "town"
    assert send(as_alice, "album", three, album=album.pk).json()["done"] == "There was nothing to change."
    assert send(as_alice, "unalbum", three[:1], album=album.pk).json()["done"] == (
        "1 picture was removed from the album."
    )
    assert titles(album) == ["town", "hill"]


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({}, "Choose an album, or enter the title of a new one."),
        ({"album": "new", "album_title": " "}, "Choose an album, or enter the title of a new one."),
        ({"album": "new", "album_title": "x" * 201}, "A title can have at most 200 characters."),
        ({"album": "999"}, "This album no longer exists, or it belongs to someone else."),
        ({"album": "9" * 40}, "This album no longer exists, or it belongs to someone else."),
        ({"album": "²"}, "This album no longer exists, or it belongs to someone else."),
    ],
)
def test_an_invalid_album_shows_an_error_and_creates_none(as_alice, three, fields, told):
    answer = send(as_alice, "album", three, **fields)
    assert answer.status_code == 400
    assert answer.json()["problem"] == told
    assert not Album.objects.exists()


def test_only_the_owner_and_curators_change_an_album(as_alice, alice, as_bob, as_carol, client, three):
    album = album_of(alice, three[0], visibility=Visibility.PUBLIC)
    assert send(client, "album", three, album=album.pk).status_code == 403
    assert send(as_bob, "album", three, album=album.pk).status_code == 400
    for name, form in (
        ("edit-album", {"title": "mine", "visibility": "own"}),
        ("arrange-album", {"to": "first", "id": three[0].pk}),
        ("choose-cover", {"id": three[0].pk}),
        ("delete-album", {}),
    ):
        assert client.post(reverse(name, args=[album.pk]), form).status_code in {302, 403}
        assert as_bob.post(reverse(name, args=[album.pk]), form).status_code == 403
    album.refresh_from_db()
    assert (album.title, album.cover_id, titles(album)) == ("Summer", None, ["shore"])
    assert send(as_carol, "album", three, album=album.pk).json()["count"] == 2
    assert as_carol.post(reverse("delete-album", args=[album.pk])).status_code == 302
    assert Image.objects.count() == 3


def test_hidden_and_trashed_pictures_of_an_album_are_not_shown(as_alice, alice, as_carol, three):
    album = album_of(alice, *three, visibility=Visibility.PUBLIC)
    three[0].hide()
    change([three[1].pk], Trash())
    page = as_alice.get(album.get_absolute_url()).text
    assert "town" in page
    assert "shore" not in page
    assert "hill" not in page
    assert f"/images/{three[0].pk}" not in as_alice.get("/albums/").text
    page = as_carol.get(album.get_absolute_url()).text
    assert "shore" in page
    assert "hill" not in page


# Undo


def test_adding_to_and_removing_from_an_album_can_be_undone(as_alice, alice, three):
    album = album_of(alice, three[0])
    put = send(as_alice, "album", three, album=album.pk).json()
    answer = as_alice.post("/selection/undo", {"revision": put["undo"]}, headers={"Accept": "application/json"})
    assert answer.json()["done"] == "2 pictures were reverted."
    assert titles(album) == ["shore"]
    taken = change([three[0].pk], RemoveFromAlbum(album), by=alice)
    assert titles(album) == []
    assert str(taken) == "Removed from an album: Summer"
    undo(taken, by=alice)
    assert titles(album) == ["shore"]


def test_undo_works_after_the_album_is_deleted(alice, three):
    album = album_of(alice, three[0])
    other = album_of(alice, three[0], title="Other")
    taken = change([three[0].pk], RemoveFromAlbum(album), by=alice)
    Album.objects.filter(pk=album.pk).delete()
    undo(taken, by=alice)
    assert titles(other) == ["shore"]


def test_a_user_can_not_undo_changes_of_another_user(as_bob, alice, three):
    album = album_of(alice)
    put = change([three[0].pk], AddToAlbum(album), by=alice)
    assert as_bob.post("/selection/undo", {"revision": put.pk}).status_code == 403
    assert titles(album) == ["shore"]


def test_the_history_names_albums(as_carol, alice, three):
    album = album_of(alice)
    put = change([three[0].pk], AddToAlbum(album), by=alice)
    assert "Added to an album: Summer" in as_carol.get("/admin/search/revision/").text
    assert "Summer" in as_carol.get(f"/admin/search/revision/{put.pk}/change/").text
    Album.objects.all().delete()
    assert "an album that no longer exists" in as_carol.get(f"/admin/search/revision/{put.pk}/change/").text


# The page of an album


def test_an_album_is_shown_in_its_order_in_pages(as_alice, alice):
    images = many_images(70)
    album = Album.objects.create(title="Many", owner=alice)
    change([image.pk for image in images], AddToAlbum(album))
    first = as_alice.get(album.get_absolute_url())
    assert first.text.count('<article class="tile') == 60
    assert "70 pictures" in first.text
    assert "no-store" in first.headers["Cache-Control"]
    part = as_alice.get(f"{album.get_absolute_url()}?page=2", headers={"HX-Request": "true", "HX-Target": "more"})
    assert part.text.count('<article class="tile') == 10
    assert "<html" not in part.text
    assert "No results on this page" in as_alice.get(f"{album.get_absolute_url()}?page=9").text
    for nonsense in ("-1", "x", "9" * 99, "²"):
        assert as_alice.get(f"{album.get_absolute_url()}?page={nonsense}").status_code == 200


def test_the_cover_is_the_first_picture_unless_another_is_chosen(as_alice, alice, three):
    album = album_of(alice, *three)
    assert f"/images/{three[0].pk}/400.webp" in as_alice.get("/albums/").text
    as_alice.post(reverse("choose-cover", args=[album.pk]), {"id": three[2].pk})
    assert f"/images/{three[2].pk}/400.webp" in as_alice.get("/albums/").text
    assert (
        as_alice.post(reverse("choose-cover", args=[album.pk]), {"id": [one.pk for one in three]}).status_code == 400
    )
    three[2].delete()
    assert f"/images/{three[0].pk}/400.webp" in as_alice.get("/albums/").text


@pytest.mark.parametrize(
    ("chosen", "to", "after"),
    [
        ([2], {"to": "first"}, "cabde"),
        ([0, 1], {"to": "last"}, "cdeab"),
        ([1], {"to": "earlier"}, "bacde"),
        ([0], {"to": "earlier"}, "abcde"),
        ([1, 3], {"to": "later"}, "acbde"),
        ([4], {"to": "later"}, "abcde"),
        ([4, 0], {"to": "place", "place": "2"}, "baecd"),
        ([0], {"to": "place", "place": "999"}, "bcdea"),
    ],
)
def test_pictures_are_moved_within_an_album(as_alice, alice, chosen, to, after):
    images = [an_image(letter, seed=number) for number, letter in enumerate("abcde")]
    album = album_of(alice, *images)
    address = reverse("arrange-album", args=[album.pk])
    assert as_alice.post(address, {"id": [images[one].pk for one in chosen], **to}).status_code == 302
    assert "".join(titles(album)) == after


def test_moving_skips_pictures_that_the_user_can_not_see(as_alice, alice):
    images = [an_image(letter, seed=number) for number, letter in enumerate("abcd")]
    album = album_of(alice, *images)
    images[1].hide()
    as_alice.post(reverse("arrange-album", args=[album.pk]), {"id": images[3].pk, "to": "earlier"})
    assert "".join(titles(album)) == "abdc"
    as_alice.post(reverse("arrange-album", args=[album.pk]), {"id": images[0].pk, "to": "last"})
    assert "".join(titles(album)) == "dcab"


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"to": "first"},
        {"to": "place", "id": 0},
        {"to": "place", "id": 0, "place": "x"},
        {"to": "x", "id": 0},
        {"to": "first", "id": "x"},
    ],
)
def test_an_invalid_move_is_refused(as_alice, alice, three, form):
    album = album_of(alice, *three)
    form = {**form, **({"id": three[0].pk} if form.get("id") == 0 else {})}
    assert as_alice.post(reverse("arrange-album", args=[album.pk]), form).status_code == 400
    assert titles(album) == ["shore", "hill", "town"]


def test_the_zip_of_an_album_contains_only_visible_pictures(as_alice, alice, as_bob):
    red, blue = stored_image("red", title="red"), stored_image("blue", title="blue")
    album = album_of(alice, red, blue)
    blue.hide()
    address = reverse("download-album", args=[album.pk])
    archive = zipfile.ZipFile(BytesIO(b"".join(as_alice.post(address).streaming_content)))
    assert archive.namelist() == ["red.jpg", "pictures.csv"]
    assert as_bob.post(address).status_code == 404
    assert as_alice.get(address).status_code == 405


def test_an_album_is_renamed_shared_and_deleted(as_alice, alice, as_bob, three):
    album = album_of(alice, three[0])
    edit = reverse("edit-album", args=[album.pk])
    assert as_alice.post(edit, {"title": "", "visibility": "public"}).status_code == 400
    assert as_alice.post(edit, {"title": "x", "visibility": "nobody"}).status_code == 400
    as_alice.post(edit, {"title": "Herbst", "description": "Leaves", "visibility": "members"})
    page = as_bob.get(album.get_absolute_url()).text
    assert "Herbst" in page
    assert "Leaves" in page
    assert "Edit the album" not in page
    assert Client().get(album.get_absolute_url()).status_code == 404
    assert "1 picture in it is kept" in as_alice.get(reverse("delete-album", args=[album.pk])).text
    as_alice.post(reverse("delete-album", args=[album.pk]))
    assert as_alice.get(album.get_absolute_url()).status_code == 404
    assert Image.objects.count() == 3


def test_a_deleted_album_is_not_found_and_can_be_restored_unchanged(as_alice, alice, as_bob, as_carol, three):
    album = album_of(alice, *three, visibility="public")
    album.move([three[2].pk], Place.FIRST, {image.pk for image in three})
    as_alice.post(reverse("choose-cover", args=[album.pk]), {"id": str(three[1].pk)})
    page = as_alice.post(reverse("delete-album", args=[album.pk]), follow=True).text
    assert "was deleted. Its pictures were kept." in page
    revision = Revision.objects.get(kind="del_album")
    assert (str(revision), revision.count) == ("Album deleted: Summer", 3)
    for client in (as_alice, as_bob, as_carol):
        assert client.get(album.get_absolute_url()).status_code == 404
        assert client.get(f"/api/albums/{album.pk}").status_code == 404
        assert not client.get("/api/albums").json()["albums"]
    assert send(as_alice, "album", three, album=str(album.pk)).status_code == 400
    assert "Restore" in page
    assert "Restore" not in as_bob.get("/albums/").text
    assert as_bob.post("/selection/undo", {"revision": revision.pk}).status_code == 403
    assert "was restored" in as_alice.post("/selection/undo", {"revision": revision.pk}, follow=True).text
    assert "already been undone" in as_alice.post("/selection/undo", {"revision": revision.pk}, follow=True).text
    assert as_bob.get(album.get_absolute_url()).status_code == 200
    assert titles(album) == ["town", "shore", "hill"]
    assert Album.objects.get().cover_id == three[1].pk
    assert "Album deleted: Summer" in as_carol.get("/admin/search/revision/").text
    assert as_carol.get(f"/admin/search/revision/{revision.pk}/change/").status_code == 200
    again = Revision.objects.get(kind="undo")
    as_carol.post(f"/admin/search/revision/{again.pk}/undo/")
    assert as_alice.get(album.get_absolute_url()).status_code == 404


def test_a_deleted_album_is_removed_after_trash_days_or_at_once_without_trash(alice, three, settings):
    album = album_of(alice, *three)
    deleted = delete_album(album, by=alice)
    tidy()
    assert Album.objects.exists()
    Album.objects.update(deleted=timezone.now() - dt.timedelta(days=31))
    tidy()
    assert not Album.objects.exists()
    assert not AlbumImage.objects.exists()
    with pytest.raises(Revision.DoesNotExist):
        undo(deleted, by=alice)
    settings.TRASH_DAYS = 0
    assert delete_album(album_of(alice, three[0]), by=alice).pk is None
    assert not Album.objects.exists()


def test_an_owner_can_not_restore_an_album_that_a_curator_deleted_later(as_alice, alice, carol, three):
    album = album_of(alice, *three)
    own = delete_album(album, by=alice)
    undo(own, by=alice)
    delete_album(album, by=carol)
    assert "already been undone" in as_alice.post("/selection/undo", {"revision": own.pk}, follow=True).text
    assert as_alice.get(album.get_absolute_url()).status_code == 404


def test_a_deleted_album_can_be_restored_until_it_is_removed(as_alice, alice, three, settings):
    settings.HISTORY_DAYS, settings.TRASH_DAYS = 30, 90
    revision = delete_album(album_of(alice, *three), by=alice)
    Revision.objects.update(created=timezone.now() - dt.timedelta(days=40))
    tidy()
    assert "Restore" in as_alice.get("/albums/").text
    Revision.objects.update(created=timezone.now() - dt.timedelta(days=91))
    tidy()
    assert not Revision.objects.filter(pk=revision.pk).exists()


# Searching


@pytest.fixture
def _fixed_query_vector(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(query_vector, "text_vector", lambda words: a_vector(1))


def found(words: str, user: User | None = None, **filters: Any) -> set[str]:
    query = SearchQuery(words=words, filters=Filters(**filters))
    if user is None:
        return {image.title for image in find(query).images}
    with asked_by(lambda: user):
        page = find(query)
        assert page.found == len(page.images)
        return {image.title for image in page.images}


@pytest.mark.usefixtures("_fixed_query_vector")
def test_a_search_is_limited_to_an_album_by_title_or_id(alice, three):
    album = album_of(alice, *three[:2])
    for words in ("album:summer", "앨범:Summer", 'album:"SUMMER"', "boat album:summer"):
        assert found(words, alice) == {"shore", "hill"}, words
    assert found("-album:summer", alice) == {"town"}
    assert found("", alice, albums=(str(album.pk),)) == {"shore", "hill"}
    other = album_of(alice, three[1], three[2], title="Winter")
    assert found("album:summer album:winter", alice) == {"hill"}
    assert found("", alice, albums=(str(album.pk), str(other.pk))) == {"shore", "hill", "town"}
    assert found("album:nothing", alice) == set()


@pytest.mark.usefixtures("_fixed_query_vector")
def test_an_album_that_the_user_can_not_see_finds_nothing(alice, bob, three):
    album = album_of(alice, *three[:2])
    for user in (bob, None):
        for words in ("album:summer", "boat album:summer"):
            assert found(words, user) == set()
        assert found("-album:summer", user) == {"shore", "hill", "town"}
        assert found("", user, albums=(str(album.pk),)) == set()
    assert found("album:summer", alice) == {"shore", "hill"}


@pytest.mark.usefixtures("_fixed_query_vector")
def test_cached_counts_depend_on_the_user_and_on_changes_of_albums(alice, bob):
    images = many_images(40)
    album = Album.objects.create(title="Summer", owner=alice)
    others = Album.objects.create(title="Summer", owner=bob)
    change([image.pk for image in images[:30]], AddToAlbum(album))
    change([images[0].pk], AddToAlbum(others))
    for user, count in ((alice, 30), (bob, 1), (alice, 30)):
        with asked_by(lambda user=user: user):
            page = find(SearchQuery(words="album:summer boat"))
            assert page.found == count
            assert find(page.next).found == count if page.next else count == 1
            facets = {
                facet.name: facet for facet in facets_of(SearchQuery(), Scope(SearchQuery(), private=True).counts)
            }
            choices = [(choice.label, choice.count) for choice in facets["album"].choices]
            assert choices == [("Summer", count)]
    change([images[35].pk], AddToAlbum(album))
    with asked_by(lambda: alice):
        assert find(SearchQuery(words="album:summer boat")).found == 31
    assert "album" not in {facet.name for facet in facets_of(SearchQuery(), Scope(SearchQuery(), private=True).counts)}


def test_further_pages_of_a_search_depend_on_the_user(alice, bob, monkeypatch):
    monkeypatch.setattr(query_vector, "text_vector", lambda words: a_vector(1))
    images = many_images(60)
    change([image.pk for image in images], AddToAlbum(Album.objects.create(title="Summer", owner=alice)))
    with asked_by(lambda: alice):
        following = find(SearchQuery(words="album:summer boat")).next
        assert following
        assert find(following).images
    for user in (bob, None):
        with asked_by(lambda user=user: user or Client().get("/").wsgi_request.user):
            assert not find(following).images


def test_the_search_page_offers_only_albums_that_the_user_may_see(as_alice, alice, as_bob, three):
    album = album_of(alice, *three[:2])
    page = as_alice.get("/search?filters=open").text
    assert re.search(f'name="album"\\s+value="{album.pk}"', page)
    chosen = as_alice.get(f"/search?album={album.pk}").text
    assert "Summer" in chosen
    assert 'class="facet facet-album"' not in as_bob.get("/search?filters=open").text
    assert "Summer" not in as_bob.get(f"/search?album={album.pk}&filters=open").text
    assert as_bob.get("/search?album=x").status_code == 400
    assert as_bob.get(f"/search?album={'9' * 18}").status_code == 200
    as_alice.post("/saved/save", {"query": f"album={album.pk}"})
    assert SavedSearch.objects.get().name == "Summer"
    assert "In albums:" in as_alice.get(three[0].get_absolute_url()).text
    assert "Summer" not in as_bob.get(three[0].get_absolute_url()).text


# When images change


def test_merging_duplicates_adds_the_kept_picture_to_the_albums_of_all_copies(alice, three):
    summer, winter = album_of(alice, three[0]), album_of(alice, three[1], title="Winter")
    merging = keep([Kept(three[0].pk, [three[1].pk])], by=alice)
    assert titles(summer) == ["shore"]
    assert "shore" in titles(winter)
    undo(merging.revision, by=alice)
    assert titles(winter) == ["hill"]


def test_albums_keep_a_picture_whose_id_changes_and_drop_a_deleted_one(alice, three):
    album = album_of(alice, three[0], three[2])
    Album.objects.filter(pk=album.pk).update(cover=three[0])
    fresh = an_image().pk
    Image.objects.filter(pk=fresh).delete()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE search_image SET id = %s WHERE id = %s", [fresh, three[0].pk])
    album.refresh_from_db()
    assert album.cover_id == fresh
    assert titles(album) == ["shore", "town"]
    copy_edits(three[1].pk, fresh)
    assert set(titles(album)) == {"shore", "hill", "town"}
    Image.objects.filter(pk=fresh).delete()
    album.refresh_from_db()
    assert album.cover_id is not fresh
    assert set(titles(album)) == {"hill", "town"}


def test_curators_see_the_albums_of_a_deleted_account(alice, as_bob, as_carol, three):
    album = album_of(alice, three[0])
    alice.delete()
    assert as_bob.get(album.get_absolute_url()).status_code == 404
    assert as_carol.get(album.get_absolute_url()).status_code == 200


def test_many_pictures_are_added_with_few_queries(alice, django_assert_max_num_queries):
    images = many_images(300)
    album = Album.objects.create(title="Many", owner=alice)
    with django_assert_max_num_queries(20):
        revision = change([image.pk for image in images], AddToAlbum(album), by=alice)
    assert revision.count == 300
    with django_assert_max_num_queries(8):
        album.move([images[0].pk], Place.LAST, {image.pk for image in images})
    assert Revision.objects.get().kind == Revision.Kind.ALBUM


# Sharing by link


def test_an_album_shared_by_link_can_be_opened_but_not_found(as_alice, alice, as_bob, client, three):
    album = album_of(alice, *three, visibility="link")
    three[1].hide()
    for other in (client, as_bob):
        page = other.get(album.shared_url())
        assert (page.status_code, page["X-Robots-Tag"]) == (200, "noindex")
        assert [str(image.pk) in page.text for image in three] == [True, False, True]
        for absent in ("Search in this album", "New link", reverse("album", args=[album.pk])):
            assert absent not in page.text
        for address in (album.get_absolute_url(), f"/api/albums/{album.pk}"):
            assert other.get(address).status_code == 404
        assert other.get(f"/api/search?album={album.pk}").json()["found"] == 0
        for address in ("/albums/", "/search?filters=open", f"/images/{three[0].pk}/"):
            assert "Summer" not in other.get(address).text
    assert as_alice.get("/api/albums").json()["albums"][0]["visibility"] == "link"
    assert f'value="http://testserver{album.shared_url()}"' in as_alice.get(album.get_absolute_url()).text


def test_an_album_opened_by_link_has_pages_neighbours_and_a_zip(client, alice):
    images = [stored_image(colour, title=colour) for colour in ("red", "blue")]
    album = album_of(alice, *images, visibility="link")
    page = client.get(images[0].get_absolute_url(), {"in": f"shared-{album.token}"})
    assert page.context["beside"].back == album.shared_url()
    assert page.context["beside"].next == f"{images[1].get_absolute_url()}?in=shared-{album.token}"
    assert f'"{images[0].get_absolute_url()}?in=shared-{album.token}"' in client.get(album.shared_url()).text
    answer = client.post(reverse("download-shared-album", args=[album.token]))
    assert zipfile.ZipFile(BytesIO(b"".join(answer.streaming_content))).namelist()[:2] == ["red.jpg", "blue.jpg"]
    change([image.pk for image in many_images(60)], AddToAlbum(album))
    assert f'hx-get="{album.shared_url()}?page=2"' in client.get(album.shared_url()).text
    for nonsense in ("shared-", "shared-x", f"shared-{uuid.uuid4()}"):
        assert client.get(images[0].get_absolute_url(), {"in": nonsense}).status_code == 200


@pytest.mark.parametrize(
    ("visibility", "opened_by"),
    [("own", []), ("link", ["alice", "bob", ""]), ("members", ["alice", "bob"]), ("public", ["alice", "bob", ""])],
)
def test_the_link_opens_an_album_only_if_its_visibility_allows(
    as_alice, alice, as_bob, client, three, visibility, opened_by
):
    album = album_of(alice, three[0], visibility=visibility)
    visitors = {"alice": as_alice, "bob": as_bob, "": client}
    assert [name for name, one in visitors.items() if one.get(album.shared_url()).status_code == 200] == opened_by
    delete_album(album, by=alice)
    assert [one.get(album.shared_url()).status_code for one in visitors.values()] == [404] * 3


def test_a_new_link_replaces_the_old_one(as_alice, alice, as_bob, client, three):
    album = album_of(alice, three[0], visibility="link")
    old, renew = album.shared_url(), reverse("renew-album-link", args=[album.pk])
    assert as_bob.post(renew).status_code == 404
    assert as_alice.post(renew).status_code == 302
    assert client.get(old).status_code == 404
    album.refresh_from_db()
    assert client.get(album.shared_url()).status_code == 200


def test_single_pictures_can_not_be_shared_by_link(as_alice, alice, as_carol, three):
    album, edit = album_of(alice, three[0]), {"title": "Summer", "visibility": "link"}
    address = reverse("edit-album", args=[album.pk])
    refused = as_alice.post(address, {**edit, "pictures_too": "on"})
    assert refused.status_code == 400
    assert "Only albums have a link" in refused.text
    assert as_alice.post(address, edit).status_code == 302
    album.refresh_from_db()
    assert album.visibility == "link"
    assert send(as_carol, "visibility", three[:1], visibility="link").status_code == 400


@pytest.mark.django_db(transaction=True)
def test_migrating_back_makes_albums_shared_by_link_private(alice):
    for title in ("one", "two"):
        album_of(alice, title=title, visibility="link")
    newest = MigrationExecutor(connection).loader.graph.leaf_nodes("search")
    try:
        MigrationExecutor(connection).migrate([("search", "0049_deleted_albums")])
        with connection.cursor() as cursor:
            cursor.execute("SELECT visibility FROM search_album")
            assert cursor.fetchall() == [("own",), ("own",)]
    finally:
        MigrationExecutor(connection).migrate(newest)
    assert Album.objects.values("token").distinct().count() == 2


# API and commands


def test_the_api_returns_albums_that_the_user_may_see(as_alice, alice, as_bob, client, three):
    album = album_of(alice, three[1], three[0], visibility=Visibility.MEMBERS)
    three[0].hide()
    listed = as_bob.get("/api/albums").json()
    assert [(one["title"], one["owner"], one["count"]) for one in listed["albums"]] == [("Summer", "alice", 1)]
    assert listed["next"] is None
    told = as_bob.get(f"/api/albums/{album.pk}").json()
    assert [image["title"] for image in told["images"]] == ["hill"]
    assert told["page"].endswith(album.get_absolute_url())
    assert client.get("/api/albums").json()["albums"] == []
    for nonsense in (album.pk, "9" * 30, "x"):
        assert client.get(f"/api/albums/{nonsense}").status_code == 404
    assert as_bob.get("/api/albums?page=0").status_code == 400
    assert as_bob.get(f"/api/search?album={album.pk}").json()["found"] == 1


def test_ingest_adds_all_pictures_to_an_album(tmp_path, capsys):
    write_picture(tmp_path / "red.jpg", "red")
    write_picture(tmp_path / "blue.jpg", "blue")
    call_command("ingest", str(tmp_path), "--album", " The  sea ", "--enqueue")
    assert "Album The sea: 2 added." in capsys.readouterr().out
    album = Album.objects.get()
    assert (album.title, album.owner, album.visibility) == ("The sea", None, Visibility.PUBLIC)
    write_picture(tmp_path / "green.jpg", "green")
    call_command("ingest", str(tmp_path), "--album", "The sea", "--enqueue")
    assert "Album The sea: 1 added." in capsys.readouterr().out
    assert len(titles(album)) == 3
    assert Revision.objects.filter(kind="album", door="command", search="ingest --album The sea").count() == 2
    call_command("ingest", str(tmp_path), "--album", "Dry", "--dry-run")
    assert Album.objects.count() == 1
    for wrong in ("", " ", "x" * 201):
        with pytest.raises(CommandError, match="--album takes a title"):
            call_command("ingest", str(tmp_path), "--album", wrong)


def test_ingest_does_not_add_to_private_albums_of_users(alice, tmp_path):
    theirs = Album.objects.create(title="Sea", owner=alice)
    write_picture(tmp_path / "red.jpg", "red")
    call_command("ingest", str(tmp_path), "--album", "Sea", "--enqueue")
    assert titles(theirs) == []
    assert Album.objects.exclude(pk=theirs.pk).get().title == "Sea"


def test_albums_of_google_takeout_become_albums(tmp_path, capsys):
    for folder, told in (
        ("Trip", {"title": "Trip &amp; sea", "description": "With Ann"}),
        ("Old", {"albumData": {"title": "Old ones"}}),
        ("Photos from 2019", None),
    ):
        (tmp_path / folder).mkdir()
        write_picture(tmp_path / folder / "a.jpg", {"Trip": "red", "Old": "blue"}.get(folder, "red"))
        if told:
            # A French account, unpacked on a Mac.
            name = unicodedata.normalize("NFD", "métadonnées.json") if folder == "Old" else "metadata.json"
            (tmp_path / folder / name).write_text(json.dumps(told))
    call_command("ingest", str(tmp_path), "--albums", "takeout", "--enqueue")
    assert "Album Old ones: 1 added." in capsys.readouterr().out
    assert set(Album.objects.values_list("title", "description")) == {("Trip & sea", "With Ann"), ("Old ones", "")}
    assert AlbumImage.objects.count() == 2
    with zipfile.ZipFile(tmp_path / "takeout.zip", "w") as archive:
        archive.write(tmp_path / "Old" / "a.jpg", "Takeout/Trip/a.jpg")
        archive.writestr("Takeout/Trip/metadata.json", json.dumps({"title": "Trip & sea"}))
    call_command("ingest", str(tmp_path / "takeout.zip"), "--albums", "takeout", "--enqueue")
    assert len(titles(Album.objects.get(title="Trip & sea"))) == 2


def test_each_folder_becomes_an_album_named_after_it(tmp_path):
    (tmp_path / "summer" / "beach").mkdir(parents=True)
    write_picture(tmp_path / "summer" / "red.jpg", "red")
    write_picture(tmp_path / "summer" / "beach" / "blue.jpg", "blue")
    for _again in range(2):
        call_command("ingest", str(tmp_path), "--albums", "folders", "--enqueue")
    assert sorted(Album.objects.values_list("title", flat=True)) == ["beach", "summer"]
    assert AlbumImage.objects.count() == 2
