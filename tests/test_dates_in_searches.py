"""Sorting and filtering by the date taken, the months of the filters, and the timeline."""

import datetime as dt
import re
from typing import Any

import pytest
from django.test import Client

from search.facets.months import MOST_BARS, bars, by_month
from search.indexing import query_plan
from search.models import Capture, Image
from search.models.arrivals import state
from search.query import Filters, Mode, SearchQuery, Sort
from search.query.date_spans import month_of, year_of
from search.relevance.band_thresholds import Scale
from search.retrieval import find, query_vector
from search.retrieval.timeline import PER_PAGE
from search.views.search_context import bars_of, span_label, years_of
from tests.base import a_vector, an_image, near
from tests.written import wall

pytestmark = pytest.mark.django_db

WANTED = a_vector(1)
JULY, AUGUST, OLD = wall(2023, 7, 14, 9, 30), wall(2023, 8, 2), wall(1999, 12, 31, 23, 59, 59)


@pytest.fixture(autouse=True)
def _all_texts_have_one_vector(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(query_vector, "text_vector", lambda words: WANTED)


def taken(title: str, when: dt.datetime | None, *, similarity: float = 0.9, seed: int = 99, **captured: Any) -> Image:
    image = an_image(title, vector=near(WANTED, similarity, seed))
    if when:
        captured.setdefault("taken_from", "camera")
        Capture.objects.create(image=image, taken=when, **captured)
    return image


def titles(query: SearchQuery) -> list[str]:
    return [image.title for image in find(query).images]


@pytest.fixture
def some_dates() -> None:
    """Images added in another order than they were taken."""
    for title, when in (("august", AUGUST), ("old", OLD), ("undated", None), ("july", JULY)):
        taken(title, when, similarity={"old": 0.95}.get(title, 0.9))


@pytest.mark.usefixtures("some_dates")
@pytest.mark.parametrize(
    ("sort", "order"),
    [(Sort.TAKEN, ["august", "july", "old", "undated"]), (Sort.TAKEN_OLDEST, ["old", "july", "august", "undated"])],
)
@pytest.mark.parametrize("words", ["", "red"])
def test_the_collection_and_results_are_sorted_by_date_taken(sort: Sort, order: list[str], words: str) -> None:
    assert titles(SearchQuery(words=words, sort=sort)) == order


@pytest.mark.parametrize(
    ("sort", "order"), [(Sort.TAKEN, ["late", "old", "undated"]), (Sort.TAKEN_OLDEST, ["old", "late", "undated"])]
)
def test_a_search_with_only_unwanted_parts_is_sorted_by_date_taken(sort: Sort, order: list[str]) -> None:
    for title, when in (("old", OLD), ("undated", None), ("late", JULY)):
        taken(title, when)
    assert titles(SearchQuery(words="-red", sort=sort)) == order


@pytest.mark.usefixtures("some_dates")
def test_full_text_results_are_sorted_by_date_taken() -> None:
    Image.objects.update(description="boat")
    query = SearchQuery(words="boat", mode=Mode.WORDS, sort=Sort.TAKEN)
    assert titles(query) == ["august", "july", "old", "undated"]


@pytest.mark.parametrize("walks", [False, True], ids=["scan", "walk"])
def test_matches_are_sorted_by_date_with_weak_results_last(walks: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    scale = Scale(mean=0.0, spread=0.1, strong=0.6, related=0.4)
    monkeypatch.setattr(query_vector, "scale_of", lambda vector, *, pictures, whole=False: scale)
    if walks:
        monkeypatch.setattr(query_plan, "EXACT_BELOW", 0)
        monkeypatch.setattr(query_plan, "ROW_SCANNED", 10**12)
    taken("near, old", OLD, similarity=0.9)
    taken("related, late", AUGUST, similarity=0.5)
    taken("far, later", AUGUST + dt.timedelta(days=1), similarity=0.1)
    taken("near, undated", None, similarity=0.8)
    order = ["related, late", "near, old", "near, undated", "far, later"]
    assert titles(SearchQuery(words="red", sort=Sort.TAKEN)) == order


def test_pages_sorted_by_date_taken_neither_repeat_nor_skip_images() -> None:
    for number in range(60):
        taken(str(number), JULY - dt.timedelta(hours=number // 2) if number % 3 else None, seed=100 + number)
    for words in ("", "red"):
        query, seen = SearchQuery(words=words, sort=Sort.TAKEN), []
        page = find(query)
        while True:
            seen += [image.title for image in page.images]
            if page.next is None:
                break
            page = find(page.next)
        assert sorted(map(int, seen)) == list(range(60))
        dated = [JULY - dt.timedelta(hours=int(title) // 2) for title in seen if int(title) % 3]
        assert dated == sorted(dated, reverse=True)


@pytest.mark.usefixtures("some_dates")
def test_filters_use_the_local_day_of_the_photo() -> None:
    taken("midnight there", wall(2023, 7, 15), taken_offset=13 * 60)
    only = Filters(taken_since=dt.date(2023, 7, 15), taken_until=dt.date(2023, 7, 15))
    assert titles(SearchQuery(filters=only)) == ["midnight there"]
    assert titles(SearchQuery(words="red", filters=only)) == ["midnight there"]


@pytest.mark.usefixtures("some_dates")
def test_there_are_filters_by_camera_lens_rating_and_certainty_of_the_date() -> None:
    taken("x", JULY, camera="X100V", lens="23mm", rating=4, taken_from="name")
    taken("y", None)
    facets = {facet.name: {one.value: one.count for one in facet.choices} for facet in find(SearchQuery()).facets}
    assert facets["camera"] == {"X100V": 1}
    assert facets["lens"] == {"23mm": 1}
    assert facets["rating"] == {"4": 1, "3": 1, "2": 1, "1": 1}
    assert facets["dated"] == {"known": 3, "about": 1, "unknown": 2}
    for filters in (
        Filters(cameras=("X100V",)),
        Filters(lenses=("23mm",)),
        Filters(rating=4),
        Filters(dated=("about",)),
    ):
        assert titles(SearchQuery(filters=filters)) == ["x"]
        assert find(SearchQuery(words="red", filters=filters)).found == 1
    both = Filters(dated=("about", "unknown"))
    assert set(titles(SearchQuery(filters=both))) == {"x", "y", "undated"}
    assert SearchQuery.from_params(dict_of(SearchQuery(filters=both).to_params())).filters == both


def dict_of(params: list[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in params:
        found.setdefault(name, []).append(value)
    return found


@pytest.mark.django_db(transaction=True)
def test_a_date_read_later_counts_at_once() -> None:
    """Counts are cached; a date that is read or changed invalidates them."""
    image = taken("x", None)
    before = state()
    Capture.objects.create(image=image, taken=JULY, taken_from="camera")
    assert state().changed > before.changed
    assert find(SearchQuery(filters=Filters(taken_since=JULY.date()))).found == 1
    before = state()
    Capture.objects.update(taken=OLD)
    assert state().changed > before.changed
    assert find(SearchQuery(filters=Filters(taken_since=JULY.date()))).found == 0


@pytest.mark.django_db(transaction=True)
def test_a_new_image_with_a_date_does_not_invalidate_cached_counts() -> None:
    from django.db import transaction

    taken("before", JULY)
    before = state()
    with transaction.atomic():
        taken("x", JULY)
    assert state().changed == before.changed
    assert state().arrived > before.arrived


def test_the_histogram_of_months_has_no_gaps_and_links_to_each_month() -> None:
    for number, when in enumerate([JULY, JULY, wall(2023, 10, 1)]):
        taken(str(number), when)
    page = find(SearchQuery(words="red"))
    drawn = bars_of(page.query, by_month(page.counts))
    assert [(one.label, one.count, one.height) for one in drawn] == [
        ("July 2023", 2, 100), ("August 2023", 0, 0), ("September 2023", 0, 0), ("October 2023", 1, 50),
    ]  # fmt: skip
    only = find(drawn[0].query)
    assert only.found == 2
    again = bars_of(only.query, by_month(only.counts))
    assert [one.chosen for one in again] == [True, False, False, False]
    assert [one.count for one in again] == [2, 0, 0, 1]
    assert find(again[0].query).found == 3
    (year,) = years_of(page.query, by_month(page.counts))
    assert (year.label, year.count) == ("2023", 3)


def test_the_histogram_shows_years_if_there_are_many_months() -> None:
    first, last = dt.date(1900, 1, 1), dt.date(1900 + MOST_BARS // 12, 1, 1)
    drawn = bars({first: 1, last: 2})
    assert drawn[0] == (year_of(1900), 1)
    assert len(drawn) == MOST_BARS // 12 + 1
    assert len(bars({first: 1, last.replace(year=last.year - 1): 2})) == MOST_BARS - 11
    assert bars({}) == []


def test_labels_of_years_and_months() -> None:
    assert span_label(year_of(2023)) == "2023"
    assert span_label(month_of(2023, 7)) == "July 2023"


@pytest.mark.usefixtures("some_dates")
def test_the_filters_of_the_page_have_a_histogram_and_date_fields(client: Client) -> None:
    page = client.get("/search", {"q": "red", "filters": "open", "taken_since": "2023-07-01"}).content.decode()
    assert 'title="2023: 2"' in page
    assert re.search(r'name="taken_since"[^>]*value="2023-07-01"', page)
    panel = client.get("/search?q=red", headers={"HX-Request": "true", "HX-Target": "filters-panel"})
    assert "data-bars" in panel.content.decode()
    assert client.get("/search", {"taken_since": "2024-01-01", "taken_until": "2023-01-01"}).status_code == 400


# The timeline


def shown_in(page: str) -> list[str]:
    return re.findall(r'<h3 class="tile-title[^>]*>([^<]*)</h3>', page)


@pytest.mark.usefixtures("some_dates")
def test_the_timeline_shows_images_by_month_and_links_to_undated_ones(client: Client) -> None:
    hidden = taken("hidden", JULY)
    Image.objects.filter(pk=hidden.pk).update(hidden=True)
    page = client.get("/timeline/").content.decode()
    assert shown_in(page) == ["august", "july", "old"]
    assert re.findall(r'class="month" data-month="([\d-]+)"', page) == ["2023-08", "2023-07", "1999-12"]
    (undated,) = re.findall(r'href="(/search\?dated=unknown)"', page)
    assert shown_in(client.get(undated).content.decode()) == ["undated"]


@pytest.mark.usefixtures("some_dates")
@pytest.mark.parametrize(
    ("at", "shown"),
    [
        ("2023-07", ["july", "old"]),
        ("2023", ["august", "july", "old"]),
        ("2005-06", ["old"]),
        ("1980", []),
        ("nonsense", ["august", "july", "old"]),
        ("9999-99", ["august", "july", "old"]),
    ],
)
def test_the_timeline_can_start_at_any_month(client: Client, at: str, shown: list[str]) -> None:
    assert shown_in(client.get("/timeline/", {"at": at}).content.decode()) == shown


def test_the_pages_of_the_timeline_are_complete(client: Client) -> None:
    for number in range(2 * PER_PAGE + 5):
        taken(str(number), JULY - dt.timedelta(days=number // 3))
    address, seen = "/timeline/", []
    while address:
        page = client.get(
            address, headers={"HX-Request": "true", "HX-Target": "more"} if seen else {}
        ).content.decode()
        seen += shown_in(page)
        following = re.search(r'hx-get="([^"]+)"', page)
        address = following[1].replace("&amp;", "&") if following else ""
    assert sorted(map(int, seen)) == list(range(2 * PER_PAGE + 5))
    assert [int(title) // 3 for title in seen] == sorted(int(title) // 3 for title in seen)


@pytest.mark.parametrize(
    "behind", ["x", "2023-07-14,", ",", "2023-07-14T00:00:00+09:00,00000000-0000-0000-0000-000000000000"]
)
def test_an_invalid_cursor_shows_the_timeline_from_its_start(client: Client, behind: str) -> None:
    taken("one", JULY)
    assert shown_in(client.get("/timeline/", {"behind": behind}).content.decode()) == ["one"]


def test_an_empty_timeline_tells_curators_how_to_read_dates(client: Client, as_carol: Client) -> None:
    taken("one", None)
    page = client.get("/timeline/").content.decode()
    assert "The date taken is not known" in page
    assert "read_metadata" not in page
    assert "read_metadata" in as_carol.get("/timeline/").content.decode()
    assert "/search?dated=unknown" in page


def test_the_help_page_lists_the_filters_by_date(client: Client) -> None:
    page = client.get("/search/help/").content.decode()
    assert "taken:2023" in page
    assert "has:place" not in page
