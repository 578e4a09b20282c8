"""Saved searches as Atom feeds: valid, cacheable, available to anyone with the address, without hidden images."""

import datetime as dt
import uuid
from xml.etree import ElementTree as ET

import pytest
from django.contrib.auth.models import User
from django.http import QueryDict
from django.test import Client
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from search.models import Image, SavedSearch
from search.query import SearchQuery
from search.query.saved_searches import save_search
from tests.base import an_image

pytestmark = pytest.mark.django_db

ATOM = {"a": "http://www.w3.org/2005/Atom"}


@pytest.fixture
def saved(alice: User) -> SavedSearch:
    """A saved search for images tagged "star"."""
    return save_search(alice, SearchQuery.from_params(QueryDict("tag=star")), "Stars & <moons>")[0]


def address(saved: SavedSearch) -> str:
    return f"/feeds/{saved.token}.atom"


def a_star(title: str, minutes_ago: int = 0, **fields) -> Image:
    created = timezone.now() - dt.timedelta(minutes=minutes_ago)
    return an_image(title, tags=["star"], created=created, **fields)


def read(client: Client, saved: SavedSearch) -> ET.Element:
    response = client.get(address(saved))
    assert response.status_code == 200
    assert response["Content-Type"] == "application/atom+xml; charset=utf-8"
    feed = ET.fromstring(response.content)
    for place in (feed, *feed.findall("a:entry", ATOM)):
        # Required by RFC 4287 for a feed and each entry.
        for name in ("id", "title", "updated"):
            assert len(place.findall(f"a:{name}", ATOM)) == 1, name
        assert parse_datetime(text(place, "updated")).tzinfo
    assert feed.findall("a:author/a:name", ATOM)
    return feed


def text(element: ET.Element, name: str) -> str:
    return element.findtext(f"a:{name}", "", ATOM)


def titles(feed: ET.Element) -> list[str]:
    return [text(entry, "title") for entry in feed.findall("a:entry", ATOM)]


def test_the_newest_matches_come_first(client: Client, saved: SavedSearch):
    a_star("first", 20)
    a_star("second", 10)
    an_image("no star")
    assert titles(read(client, saved)) == ["second", "first"]


def test_a_feed_has_a_title_an_id_and_links(client: Client, saved: SavedSearch):
    feed = read(client, saved)
    links = {link.get("rel"): link.get("href") for link in feed.findall("a:link", ATOM)}
    assert text(feed, "title") == "Stars & <moons>"
    assert text(feed, "id") == f"urn:uuid:{saved.token}"
    assert links == {
        "self": f"http://testserver{address(saved)}",
        "alternate": "http://testserver/search?tag=star",
    }


def test_an_entry_has_the_picture_and_its_author(client: Client, saved: SavedSearch):
    image = a_star('Red & "new" <b>', author="Ada <x>", licence="CC0")
    (entry,) = read(client, saved).findall("a:entry", ATOM)
    assert text(entry, "title") == 'Red & "new" <b>'
    assert text(entry, "id") == f"urn:uuid:{image.id}"
    assert entry.find("a:link", ATOM).get("href") == f"http://testserver/images/{image.id}/"
    assert entry.findtext("a:author/a:name", "", ATOM) == "Ada <x>"
    assert [one.get("term") for one in entry.findall("a:category", ATOM)] == ["star"]
    summary = entry.find("a:summary", ATOM)
    assert summary.get("type") == "html"
    assert f'src="http://testserver/images/{image.id}/400.webp"' in summary.text
    assert "Ada &lt;x&gt;" in summary.text
    assert parse_datetime(text(entry, "published")) == image.arrival.moment


def test_characters_that_xml_does_not_allow_are_removed(client: Client, saved: SavedSearch):
    an_image(tags=["star"])
    # As in rows of older versions.
    Image.objects.update(title="a\x08b\x0b\ufffe c", author="\x1f", tags=["star", "\x01"])
    SavedSearch.objects.update(name="n\x02ame")
    feed = read(client, saved)
    assert titles(feed) == ["ab c"]
    assert text(feed, "title") == "name"


def test_an_empty_feed_is_valid_and_stable(client: Client, saved: SavedSearch):
    feed = read(client, saved)
    assert titles(feed) == []
    assert client.get(address(saved)).content == client.get(address(saved)).content
    saved.refresh_from_db()
    assert parse_datetime(text(feed, "updated")) == saved.created


def test_the_feed_has_the_time_of_its_latest_update(client: Client, saved: SavedSearch):
    a_star("first", 20)
    image = a_star("second", 10)
    Image.objects.filter(pk=image.pk).update(updated=dt.datetime(2040, 1, 2, 3, 4, 5, tzinfo=dt.UTC))
    response = client.get(address(saved))
    assert text(ET.fromstring(response.content), "updated") == "2040-01-02T03:04:05+00:00"
    assert response["Last-Modified"] == "Mon, 02 Jan 2040 03:04:05 GMT"


def test_conditional_requests_get_304_until_the_feed_changes(client: Client, saved: SavedSearch):
    image = a_star("first")
    response = client.get(address(saved))
    assert "max-age=300" in response["Cache-Control"]
    by_tag = {"if-none-match": response["ETag"]}
    assert client.get(address(saved), headers=by_tag).status_code == 304
    assert client.get(address(saved), headers={"if-modified-since": response["Last-Modified"]}).status_code == 304
    image.hide()
    assert client.get(address(saved), headers=by_tag).status_code == 200


def test_every_change_alters_last_modified(client: Client, saved: SavedSearch):
    """Even within one second."""
    images = [a_star(title) for title in ("first", "second", "third")]
    dates = []
    for change in (
        lambda: None,
        images[2].hide,
        images[1].delete,
        lambda: Image.objects.filter(pk=images[0].pk).update(title="another"),
        lambda: SavedSearch.objects.update(name="another name"),
        lambda: Image.objects.filter(pk=images[2].pk).update(hidden=False),
    ):
        change()
        response = client.get(address(saved), headers={"if-modified-since": dates[-1]} if dates else {})
        assert response.status_code == 200
        dates.append(response["Last-Modified"])
        assert client.get(address(saved), headers={"if-modified-since": dates[-1]}).status_code == 304
    assert len(set(dates)) == len(dates)


def test_it_needs_no_login_and_opens_no_session(client: Client, saved: SavedSearch):
    response = client.get(address(saved))
    assert not response.cookies
    assert "Cookie" not in response.get("Vary", "")


def test_a_feed_never_contains_hidden_images(as_carol: Client, saved: SavedSearch, carol: User):
    a_star("hidden", hidden=True)
    own = save_search(carol, SearchQuery())[0]
    for one in (saved, own):
        assert titles(read(as_carol, one)) == []


def test_a_feed_ends_with_its_search_or_account(as_alice: Client, alice: User, saved: SavedSearch):
    client = Client()
    User.objects.update(is_active=False)
    assert client.get(address(saved)).status_code == 404
    User.objects.update(is_active=True)
    assert client.get(address(saved)).status_code == 200
    as_alice.post(f"/saved/{saved.pk}/delete")
    assert client.get(address(saved)).status_code == 404


def test_the_address_of_a_feed_can_not_be_guessed(client: Client, saved: SavedSearch):
    assert uuid.UUID(str(saved.token)).version == 4
    for other in (f"/feeds/{uuid.uuid4()}.atom", f"/feeds/{saved.pk}.atom", "/feeds/x.atom"):
        assert client.get(other).status_code == 404
    assert client.post(address(saved)).status_code == 405


def test_a_search_that_became_invalid_is_an_empty_feed_with_an_explanation(client: Client, alice: User):
    image = an_image()
    saved = save_search(alice, SearchQuery.from_params(QueryDict(f"like={image.id}")))[0]
    image.delete()
    feed = read(client, saved)
    assert titles(feed) == []
    assert "can't search by this picture" in text(feed, "subtitle")


def test_a_feed_has_at_most_fifty_entries_and_a_next_link(client: Client, saved: SavedSearch):
    for number in range(51):
        a_star(f"n{number}", 60 - number)
    feed = read(client, saved)
    found = titles(feed)
    assert (len(found), found[0], found[-1]) == (50, "n50", "n1")
    (further,) = [link.get("href") for link in feed.findall("a:link", ATOM) if link.get("rel") == "next"]
    before = ET.fromstring(client.get(further).content)
    assert titles(before) == ["n0"]
    assert [link for link in before.findall("a:link", ATOM) if link.get("rel") == "next"] == []


@pytest.mark.parametrize("number", ["x", "-1", "\0", "9" * 5000, "1.5", ""])
def test_an_invalid_number_in_the_address_is_ignored(client: Client, saved: SavedSearch, number: str):
    assert client.get(address(saved), {"to": number}).status_code == 200


def test_images_that_become_visible_later_are_newest(client: Client, saved: SavedSearch):
    hidden, pending = a_star("hidden", 60, hidden=True), a_star("pending", 50, hidden=False)
    Image.objects.filter(pk=pending.pk).update(embedding=None, embedding_model="")
    a_star("seen", 10)
    assert titles(read(client, saved)) == ["seen"]
    Image.objects.filter(pk=pending.pk).update(embedding=pending.embedding, embedding_model=pending.embedding_model)
    assert titles(read(client, saved)) == ["pending", "seen"]
    Image.objects.filter(pk=hidden.pk).update(hidden=False)
    assert titles(read(client, saved)) == ["hidden", "pending", "seen"]


def test_without_a_model_a_feed_is_503_with_retry_after(client: Client, alice: User, no_model):
    saved = save_search(alice, SearchQuery("red star"))[0]
    response = client.get(address(saved))
    assert (response.status_code, response["Retry-After"]) == (503, "30")
