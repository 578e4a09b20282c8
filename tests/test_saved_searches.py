"""Saved searches: saving, new matches, renaming, deleting, and permissions."""

import datetime as dt
import html
import re
import uuid
from urllib.parse import quote, urlencode

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.http import QueryDict
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from search.embedding import text_vector
from search.models import Image, QueryPicture, SavedSearch
from search.models.arrivals import state
from search.query import SearchQuery
from search.query.saved_searches import MOST_SAVED, save_search
from search.relevance.band_thresholds import Scale
from search.retrieval.new_matches import Window, count_new, new_matches
from tests.base import a_vector, an_image, near, picture_file

pytestmark = pytest.mark.django_db

SCALE = Scale(mean=0.1, spread=0.05, strong=0.5, related=0.3)


@pytest.fixture
def calibrated(monkeypatch) -> None:
    """A collection large enough for calibration."""
    monkeypatch.setattr("search.retrieval.query_vector.scale_of", lambda vector, *, pictures, whole=False: SCALE)


@pytest.fixture
def as_bob(db) -> Client:
    client = Client()
    client.force_login(User.objects.create_user("bob", password="bob's secret"))
    return client


def ago(**time: int) -> dt.datetime:
    return timezone.now() - dt.timedelta(**time)


def saved_by(user: User, query: str = "q=red+star", *, last_seen: dt.datetime | None = None) -> SavedSearch:
    saved, _is_new = save_search(user, SearchQuery.from_params(QueryDict(query)))
    SavedSearch.objects.filter(pk=saved.pk).update(last_seen=last_seen or ago(hours=1))
    return SavedSearch.objects.get(pk=saved.pk)


def image_near(words: str, similarity: float, **fields) -> Image:
    return an_image(vector=near(text_vector(words), similarity), **fields)


def new(query: str, *, after: int = 0, limit: int = 10) -> list[Image]:
    parsed, window = SearchQuery.from_params(QueryDict(query)), Window.since(after)
    news = new_matches(parsed, window, limit)
    assert count_new(parsed, window, limit) == len(news.images)
    return news.images


class TestNewMatches:
    def test_strong_and_related_pictures_since_then_are_new_with_the_newest_first(self, calibrated):
        old = image_near("red star", 0.9)
        last_arrival = state().arrived
        strong = image_near("red star", 0.8)
        related = image_near("red star", 0.4)
        image_near("red star", 0.2)
        image_near("red star", 0.9, hidden=True)
        found = new("q=red+star", after=last_arrival)
        assert [image.id for image in found] == [related.id, strong.id]
        assert [image.band for image in found] == ["related", "strong"]
        assert [image.id for image in new("q=red+star")][-1] == old.id
        assert len(new("q=red+star", limit=1)) == 1

    def test_only_strong_ones_are_new_if_the_search_asks_for_these(self, calibrated):
        image_near("red star", 0.4)
        strong = image_near("red star", 0.8)
        assert [image.id for image in new("q=red+star&min=strong")] == [strong.id]

    def test_pictures_that_contain_the_words_match_too(self, calibrated):
        titled = image_near("red star", 0.0, title="The red star of the north")
        for query in ("q=red+star", "q=red+star&min=strong", "q=red+star&mode=words"):
            assert [(image.id, image.band) for image in new(query)] == [(titled.id, "strong")]

    def test_unwanted_pictures_do_not_match(self, calibrated):
        image_near("red star", 0.6, title="plain")
        both = text_vector("red star") + text_vector("blue moon")
        an_image(vector=both / (both @ both) ** 0.5)
        assert [image.title for image in new("q=red+star&not=blue+moon")] == ["plain"]
        assert [image.title for image in new("q=-%22blue+moon%22")] == ["plain"]

    def test_filters_apply(self, calibrated):
        image_near("red star", 0.9, tags=["a"])
        tagged = image_near("red star", 0.8, tags=["a", "b"])
        assert [image.id for image in new("q=red+star&tag=b")] == [tagged.id]

    def test_an_empty_search_matches_all_new_pictures(self):
        an_image("old")
        last_arrival = state().arrived
        an_image("first")
        an_image("second")
        an_image("hidden", hidden=True)
        assert [image.title for image in new("", after=last_arrival)] == ["second", "first"]

    def test_filters_alone_match_all_new_pictures_that_pass(self):
        an_image("wide", width=900)
        an_image("tall", height=900)
        assert [image.title for image in new("orientation=portrait")] == ["tall"]

    def test_without_calibration_the_hundred_nearest_match(self, monkeypatch):
        monkeypatch.setattr("search.retrieval.search.NEAREST", 3)
        for similarity in (0.9, 0.8):
            image_near("red star", similarity)
        last_arrival = state().arrived
        third = image_near("red star", 0.7)
        image_near("red star", 0.6)
        assert [image.id for image in new("q=red+star", after=last_arrival)] == [third.id]

    def test_without_calibration_pictures_that_contain_the_words_match_too(self, monkeypatch):
        monkeypatch.setattr("search.retrieval.search.NEAREST", 1)
        image_near("red star", 0.9)
        last_arrival = state().arrived
        titled = [image_near("red star", 0.1, title="A red star").id for _each in range(2)]
        assert {image.id for image in new("q=red+star", after=last_arrival)} == set(titled)

    def test_a_picture_of_the_collection_is_not_similar_to_itself(self, calibrated):
        image = an_image(vector=a_vector(1))
        like = an_image(vector=near(a_vector(1), 0.9))
        assert [image.id for image in new(f"like={image.id}")] == [like.id]

    def test_very_many_pictures_are_examined_newest_first_and_none_is_lost(self, calibrated):
        images = [image_near("red star", similarity) for similarity in (0.9, 0.9, 0.1, 0.1, 0.9)]
        window, found, looks = Window.since(0), [], 0
        while window:
            news = new_matches(SearchQuery("red star"), window, 10, looked_at=2)
            found += news.images
            window, looks = news.rest, looks + 1
        assert [image.id for image in found] == [images[place].id for place in (4, 1, 0)]
        assert looks == 3


class TestSaving:
    def test_a_search_is_saved_under_its_name_and_redirects_to_the_results(self, as_alice: Client, alice: User):
        form = {"query": "q=red+star&tag=a&page=3&seen=1700000000", "name": " Red \n stars "}
        response = as_alice.post("/saved/save", form, follow=True)
        assert response.redirect_chain == [(f"/search?{form['query']}", 302)]
        assert "Saved as “Red stars”" in response.text
        saved = SavedSearch.objects.get()
        assert (saved.user, saved.name, saved.query) == (alice, "Red stars", "q=red+star&tag=a")

    @pytest.mark.parametrize(
        ("query", "name"),
        [
            ("q=빨간+별", "빨간 별"),
            ("tag=red&orientation=square", "red, square"),
            ("", "All new pictures"),
            ("not=night", "Similar pictures"),
            (f"q={'x' * 900}", "x" * 200),
        ],
    )
    def test_without_a_name_it_is_named_after_its_query(self, as_alice: Client, query: str, name: str):
        as_alice.post("/saved/save", {"query": query, "name": "  "})
        assert SavedSearch.objects.get().name == name

    def test_the_same_search_is_saved_once_per_user(self, as_alice: Client, as_bob: Client):
        as_alice.post("/saved/save", {"query": "q=red", "name": "First"})
        page = as_alice.post("/saved/save", {"query": "q=++red&page=2", "name": "Second"}, follow=True)
        assert "You have already saved this search as “First”." in page.text
        as_bob.post("/saved/save", {"query": "q=red"})
        assert sorted(SavedSearch.objects.values_list("name", "user__username")) == [
            ("First", "alice"),
            ("red", "bob"),
        ]

    def test_the_database_enforces_that_for_the_longest_query(self, alice: User):
        query = urlencode({"q": "한" * 1000})
        saved_by(alice, query)
        with pytest.raises(IntegrityError), transaction.atomic():
            SavedSearch.objects.create(user=alice, name="again", query=query)

    def test_the_number_of_saved_searches_is_limited(self, as_alice: Client, alice: User):
        for number in range(MOST_SAVED):
            saved_by(alice, f"q=word{number}")
        response = as_alice.post("/saved/save", {"query": "q=one+more"})
        assert response.status_code == 400
        assert f"the limit of {MOST_SAVED} saved searches" in response.text
        assert as_alice.post("/saved/save", {"query": "q=word0"}).status_code == 302

    def test_anonymous_users_log_in_and_return_to_the_results(self, client: Client):
        response = client.post("/saved/save", {"query": "q=red+star"})
        assert response["Location"] == f"/accounts/login/?next={quote('/search?q=red+star')}"
        assert not SavedSearch.objects.exists()

    @pytest.mark.parametrize(
        ("query", "status"),
        [
            (f"q={'x' * 1001}", 400),
            ("q=x&min=most", 400),
            ("like=x", 404),
            ("picture=00000000-0000-8000-8000-000000000007", 404),
            ("x" * 100_000, 400),
            ("a=1&" * 4_000, 413),
        ],
    )
    def test_an_invalid_search_is_not_saved(self, as_alice: Client, query: str, status: int):
        response = as_alice.post("/saved/save", {"query": query})
        assert response.status_code == status
        assert not SavedSearch.objects.exists()

    @pytest.mark.parametrize("query", ["\0", "%00", "q=%ED%A0%80", "&&&=", "q=%", "a" * 5000])
    def test_malformed_queries_are_no_error(self, as_alice: Client, query: str):
        assert as_alice.post("/saved/save", {"query": query, "name": "\0"}).status_code == 302
        assert as_alice.get("/saved/").status_code == 200

    @pytest.mark.parametrize(("characters", "is_saved"), [(1_700, True), (1_900, False)])
    def test_a_query_too_long_for_a_redirect_is_not_saved(self, as_alice: Client, characters: int, is_saved: bool):
        half = characters // 2  # each has nine bytes in an address
        response = as_alice.post("/saved/save", {"query": f"not={'가' * half}&not={'나' * half}"})
        assert response.status_code == (302 if is_saved else 400)
        assert SavedSearch.objects.exists() is is_saved

    def test_a_form_from_another_site_changes_nothing(self, alice: User):
        client = Client(enforce_csrf_checks=True)
        client.force_login(alice)
        assert client.post("/saved/save", {"query": "q=red"}).status_code == 403
        saved = saved_by(alice)
        for address in ("rename", "delete"):
            assert client.post(f"/saved/{saved.pk}/{address}", {"name": "x"}).status_code == 403

    def test_a_query_picture_is_kept_as_long_as_the_search(self, as_alice: Client, client: Client):
        address = client.post("/search/picture", {"picture": picture_file()})["Location"]
        as_alice.post("/saved/save", {"query": address.partition("?")[2]})
        QueryPicture.objects.update(created=ago(days=40))
        QueryPicture.forget_old()
        assert client.get(address).status_code == 200
        assert as_alice.get("/saved/").context["searches"][0].new == 0
        SavedSearch.objects.get().delete()
        assert client.get(address).status_code == 404
        QueryPicture.forget_old()
        assert not QueryPicture.objects.exists()


class TestTheList:
    def test_it_shows_the_number_of_new_matches(self, as_alice: Client, alice: User, calibrated):
        saved_by(alice, "q=red+star")
        saved_by(alice, "")
        for _each in range(2):
            image_near("red star", 0.8)
        image_near("red star", 0.1)
        listed = {one.saved.query: one.new for one in as_alice.get("/saved/").context["searches"]}
        assert listed == {"q=red+star": 2, "": 3}
        assert "3 new" in as_alice.get("/saved/").text

    def test_it_counts_up_to_a_hundred(self, as_alice: Client, alice: User):
        saved_by(alice, "")
        for _each in range(101):
            an_image()
        assert "100 or more new" in as_alice.get("/saved/").text

    def test_it_reports_a_search_that_can_no_longer_be_run(self, as_alice: Client, alice: User):
        image = an_image()
        saved = saved_by(alice, f"like={image.id}")
        image.delete()
        for address in ("/saved/", f"/saved/{saved.pk}/?since=2026-01-01T00:00:00Z"):
            page = as_alice.get(address)
            assert page.status_code == 200
            assert "can't search by this picture" in html.unescape(page.text)

    def test_it_works_without_a_model(self, as_alice: Client, alice: User, no_model):
        saved_by(alice, "q=red+star")
        page = as_alice.get("/saved/")
        assert page.status_code == 200
        assert "a model is missing" in page.text

    def test_it_explains_saved_searches_if_there_are_none(self, as_alice: Client):
        assert "You have no saved searches yet." in as_alice.get("/saved/").text

    def test_each_search_takes_one_query(self, as_alice: Client, alice: User, calibrated, django_assert_num_queries):
        for number in range(50):
            saved_by(alice, f"q=word{number}")
        an_image()
        # Session, user, searches; the last arrival; earlier arrivals; the vector set; the permissions of the user and
        # the role.
        with django_assert_num_queries(3 + 1 + 1 + 1 + 2 + 50):
            page = as_alice.get("/saved/")
        assert len(page.context["searches"]) == 50

    def test_after_very_many_arrivals_it_counts_among_the_newest_and_says_so(
        self, as_alice: Client, alice: User, calibrated, monkeypatch
    ):
        monkeypatch.setattr("search.views.saved_searches.COUNTED_AMONG", 2)
        saved = saved_by(alice, "q=red+star")
        image_near("red star", 0.9)
        for _each in range(2):
            image_near("red star", 0.1)
        assert "There are many new pictures" in as_alice.get("/saved/").text
        image_near("red star", 0.9)
        assert "1 or more new" in as_alice.get("/saved/").text
        assert len(as_alice.get(saved.get_absolute_url(), follow=True).context["images"]) == 2
        assert as_alice.get("/saved/").context["searches"][0].has_more is False


class TestSmartAlbums:
    def test_a_saved_search_is_a_smart_album(self, as_alice: Client, as_bob: Client, alice: User):
        saved = saved_by(alice, "q=red+star&min=strong")
        page = as_alice.get("/albums/").text
        assert "Smart albums" in page
        assert 'href="/search?q=red+star&amp;min=strong"' in page
        assert reverse("saved-search-cover", args=[saved.pk]) in page
        for other in (as_bob, Client()):
            assert "Smart albums" not in other.get("/albums/").text

    def test_its_cover_is_its_current_best_result(self, as_alice: Client, as_bob: Client, alice: User):
        cover = reverse("saved-search-cover", args=[saved_by(alice).pk])
        assert as_alice.get(cover).status_code == 404
        image_near("red star", 0.5)
        best = image_near("red star", 0.9)
        assert as_alice.get(cover).headers["Location"] == reverse("rendition", args=[best.pk, 400])
        assert as_bob.get(cover).status_code == 404

    def test_a_search_whose_picture_is_gone_has_no_cover(self, as_alice: Client, alice: User):
        image_near("red star", 0.9)
        saved = saved_by(alice, f"like={uuid.uuid4()}")
        assert as_alice.get("/albums/").status_code == 200
        assert as_alice.get(reverse("saved-search-cover", args=[saved.pk])).status_code == 404


class TestOpening:
    def test_it_shows_new_matches_and_marks_them_as_seen(self, as_alice: Client, alice: User):
        an_image("old")
        saved = saved_by(alice, "")
        an_image("new")
        page = as_alice.get(saved.get_absolute_url(), follow=True)
        assert [image.title for image in page.context["images"]] == ["new"]
        assert 'href="/"' in page.text
        assert as_alice.get("/saved/").context["searches"][0].new == 0
        assert as_alice.get(saved.get_absolute_url(), follow=True).context["images"] == []

    def test_reloading_it_shows_the_same(self, as_alice: Client, alice: User):
        saved = saved_by(alice, "")
        an_image("new")
        address = as_alice.get(saved.get_absolute_url())["Location"]
        for _again in range(2):
            assert [image.title for image in as_alice.get(address).context["images"]] == ["new"]

    def test_more_than_a_page_of_matches_are_reached_by_further_pages(
        self, as_alice: Client, alice: User, monkeypatch
    ):
        monkeypatch.setattr("search.views.saved_searches.MOST_NEW", 2)
        saved = saved_by(alice, "")
        for number in range(5):
            an_image(str(number))
        page = as_alice.get(saved.get_absolute_url(), follow=True)
        titles = [image.title for image in page.context["images"]]
        while page.context["further"]:
            an_image("comes meanwhile")
            page = as_alice.get(f"{saved.get_absolute_url()}?{page.context['further']}")
            titles += [image.title for image in page.context["images"]]
        assert titles == ["4", "3", "2", "1", "0"]
        assert as_alice.get("/saved/").context["searches"][0].new == 2

    def test_addresses_of_older_versions_with_a_time_only_still_work(self, as_alice: Client, alice: User):
        saved = saved_by(alice, "")
        an_image("before")
        state()  # arrival numbers are assigned at the end of a transaction, or now
        moment = timezone.now().isoformat()
        an_image("after")
        page = as_alice.get(saved.get_absolute_url(), {"since": moment})
        assert [image.title for image in page.context["images"]] == ["after"]

    @pytest.mark.parametrize("number", ["x", "-1", "\0", "9" * 5000, "1.5", ""])
    def test_invalid_numbers_in_an_address_are_no_error(self, as_alice: Client, alice: User, number: str):
        saved = saved_by(alice, "")
        params = {"since": ago(hours=1).isoformat(), "after": number, "to": number}
        assert as_alice.get(saved.get_absolute_url(), params).status_code == 200

    def test_a_head_request_marks_nothing_as_seen(self, as_alice: Client, alice: User):
        saved = saved_by(alice, "")
        address = as_alice.get(saved.get_absolute_url())["Location"]
        as_alice.head(address)
        assert SavedSearch.objects.get().last_seen == saved.last_seen

    def test_without_a_model_nothing_is_marked_as_seen(self, as_alice: Client, alice: User, no_model):
        saved = saved_by(alice, "q=red")
        assert as_alice.get(f"{saved.get_absolute_url()}?since=2026-01-01T00:00:00Z").status_code == 503
        assert SavedSearch.objects.get().last_seen == saved.last_seen

    @pytest.mark.parametrize("since", ["x", "1", "2026-13-01T00:00:00Z", "2026-01-01T00:00:00", "\0", "9" * 5000])
    def test_an_invalid_time_is_replaced_by_the_last_visit(self, as_alice: Client, alice: User, since: str):
        saved = saved_by(alice, "")
        response = as_alice.get(saved.get_absolute_url(), {"since": since})
        assert response["Location"].endswith(urlencode({"since": saved.last_seen.isoformat()}))

    @pytest.mark.parametrize(
        "since",
        ["0001-01-01T00:00:00+14:00", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "9999-12-31T23:59:59-14:00"],
    )
    @pytest.mark.parametrize("zone", ["UTC", "Asia/Seoul", "America/New_York"])
    def test_extreme_times_are_no_error(self, as_alice: Client, alice: User, since: str, zone: str, settings):
        settings.TIME_ZONE = zone
        saved = saved_by(alice, "")
        assert as_alice.get(saved.get_absolute_url(), {"since": since}, follow=True).status_code == 200

    def test_markup_in_a_name_is_escaped(self, as_alice: Client, alice: User):
        saved = saved_by(alice, "")
        as_alice.post(f"/saved/{saved.pk}/rename", {"name": "<b>x</b>"})
        for address in ("/saved/", saved.get_absolute_url()):
            assert "<b>x</b>" not in as_alice.get(address, follow=True).text


class TestChanging:
    def test_it_is_renamed(self, as_alice: Client, alice: User):
        saved = saved_by(alice)
        page = as_alice.post(f"/saved/{saved.pk}/rename", {"name": " Another  name"}, follow=True)
        assert "Renamed to “Another name”." in page.text
        assert SavedSearch.objects.get().name == "Another name"

    @pytest.mark.parametrize("name", ["", " ", "\0"])
    def test_an_empty_name_is_refused(self, as_alice: Client, alice: User, name: str):
        saved = saved_by(alice)
        assert as_alice.post(f"/saved/{saved.pk}/rename", {"name": name}).status_code == 400
        assert SavedSearch.objects.get().name == "red star"

    def test_a_very_long_name_is_cut(self, as_alice: Client, alice: User):
        saved = saved_by(alice)
        as_alice.post(f"/saved/{saved.pk}/rename", {"name": "n" * 1_000_000})
        assert SavedSearch.objects.get().name == "n" * 200

    def test_it_is_deleted(self, as_alice: Client, alice: User):
        saved = saved_by(alice)
        page = as_alice.post(f"/saved/{saved.pk}/delete", follow=True)
        assert "“red star” and its feed were deleted." in page.text
        assert not SavedSearch.objects.exists()
        assert as_alice.post(f"/saved/{saved.pk}/delete").status_code == 404


class TestPermissions:
    def test_users_can_not_see_or_change_those_of_others(self, as_bob: Client, as_carol: Client, alice: User):
        saved = saved_by(alice)
        for other in (as_bob, as_carol):
            assert "red star" not in other.get("/saved/").text
            assert other.get(saved.get_absolute_url()).status_code == 404
            assert other.get(f"{saved.get_absolute_url()}?since=2026-01-01T00:00:00Z").status_code == 404
            assert other.post(f"/saved/{saved.pk}/rename", {"name": "mine"}).status_code == 404
            assert other.post(f"/saved/{saved.pk}/delete").status_code == 404
        assert SavedSearch.objects.get().name == "red star"
        assert SavedSearch.objects.get().last_seen == saved.last_seen

    def test_anonymous_users_are_redirected_to_the_login(self, client: Client, alice: User):
        saved = saved_by(alice)
        for address in ("/saved/", saved.get_absolute_url(), "/account/"):
            assert client.get(address)["Location"] == f"/accounts/login/?next={address}"
        assert client.post(f"/saved/{saved.pk}/delete").status_code == 302
        assert SavedSearch.objects.exists()

    def test_unknown_ones_are_not_found(self, as_alice: Client):
        for address in ("/saved/1/", "/saved/99999999999999999999999999/", "/saved/x/"):
            assert as_alice.get(address).status_code == 404

    def test_get_requests_change_nothing(self, as_alice: Client, alice: User):
        saved = saved_by(alice)
        for address in ("rename", "delete"):
            assert as_alice.get(f"/saved/{saved.pk}/{address}").status_code == 405
        assert as_alice.get("/saved/save")["Location"] == "/saved/"


def test_the_account_page_links_to_what_belongs_to_the_account(as_alice: Client, alice: User):
    saved_by(alice)
    page = as_alice.get("/account/").text
    assert "You have saved 1 search." in page
    for address in ("/saved/", "/accounts/password/"):
        assert f'href="{address}"' in page
    menu = as_alice.get("/").text
    assert 'href="/account/"' in menu
    assert 'href="/saved/"' in menu


@pytest.mark.parametrize(("sign_up", "offered"), [("open", 1), ("off", 0)])
def test_anonymous_users_who_may_have_an_account_get_a_link_to_log_in_and_return(
    client: Client, settings, sign_up: str, offered: int
):
    settings.SIGN_UP = sign_up
    image_near("red star", 0.9)
    page = client.get("/search?q=red+star").text
    ways = re.findall(r'href="(/accounts/login/[^"]*)" title="Log in to save this search"', page)
    assert ways == ["/accounts/login/?next=%2Fsearch%3Fq%3Dred%2Bstar"] * offered
    assert "Log in to save this search" not in client.get("/").text
