"""Hidden images in searches: curators find them on request, other users never."""

from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from search.curation import Trash, change
from search.facets import filter_counts
from search.indexing import query_plan
from search.models import Image
from search.query import BadQuery, SearchQuery
from search.query.filters import Filters, Hidden
from search.query.parser import parse_text
from search.query.saved_searches import save_search
from search.retrieval import find, query_vector
from search.retrieval.results import PER_PAGE
from search.retrieval.search_scope import Scope
from tests.base import a_vector, an_image, many_images, near

pytestmark = pytest.mark.django_db

CONTAINS = {Hidden.WITH: {"red", "grey"}, Hidden.ONLY: {"grey"}, Hidden.NO: {"red"}, None: {"red"}}


@pytest.fixture(autouse=True)
def _fixed_query_vector(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(query_vector, "text_vector", lambda words: a_vector(1))


@pytest.fixture
def two() -> tuple[Image, Image]:
    """A visible image and a hidden one."""
    red = an_image("red", vector=near(a_vector(1), 0.9), tags=["sea"])
    grey = an_image("grey", vector=near(a_vector(1), 0.8), tags=["sea"], hidden=True, description="grey")
    return red, grey


def found(query: SearchQuery) -> set[str]:
    page = find(query)
    assert page.found == len(page.images) == page.counts.total
    return {image.title for image in page.images}


@pytest.mark.usefixtures("two")
@pytest.mark.parametrize("hidden", CONTAINS)
@pytest.mark.parametrize("words", ["", "boat", "tag:sea"])
def test_hidden_images_are_found_only_on_request(words: str, hidden: Hidden | None) -> None:
    assert found(SearchQuery(words=words, filters=Filters(hidden=hidden))) == CONTAINS[hidden]


@pytest.mark.usefixtures("two")
@pytest.mark.parametrize(
    ("text", "titles"),
    [
        ("is:hidden", {"grey"}),
        ("is:shown", {"red"}),
        ("-is:hidden", {"red"}),
        ("-is:shown", {"grey"}),
        ("with:hidden", {"red", "grey"}),
        ("상태:숨김", {"grey"}),
        ("포함:숨김 boat", {"red", "grey"}),
        ("is:hidden has:description", {"grey"}),
    ],
)
def test_the_filter_for_hidden_images_can_be_typed(text: str, titles: set[str]) -> None:
    assert found(SearchQuery(words=text)) == titles


def test_with_hidden_can_not_be_negated() -> None:
    assert parse_text("-with:hidden").unread == ("-with:hidden",)


@pytest.mark.usefixtures("two")
@pytest.mark.parametrize("address", ["/search", "/api/search"])
@pytest.mark.parametrize("asked", [{"q": "is:hidden"}, {"q": "boat with:hidden"}, {"hidden": "with"}])
def test_only_curators_can_search_for_hidden_images(
    address: str, asked: dict[str, str], as_alice: Client, as_carol: Client
) -> None:
    for client in (Client(), as_alice):
        answer = client.get(address, asked)
        assert answer.status_code == 400
        assert "Only curators can search for hidden pictures" in answer.content.decode()
        assert "grey" not in answer.content.decode()
    answer = as_carol.get(address, asked)
    assert "grey" in answer.content.decode()
    assert "private" in answer.headers.get("Cache-Control", "") or address != "/search"


@pytest.mark.usefixtures("two")
def test_curators_see_which_results_are_hidden_and_the_filter(as_carol: Client) -> None:
    page = as_carol.get("/search", {"hidden": "with", "filters": "open"}).content.decode()
    assert page.count('class="is-hidden"') == page.count("tile-hidden") == 1
    assert 'id="hidden-only"' in page
    told = as_carol.get("/api/search", {"hidden": "with"}).json()
    assert {one["title"]: one["hidden"] for one in told["results"]} == {"red": False, "grey": True}


@pytest.mark.usefixtures("two")
def test_other_users_see_no_filter_for_hidden_images(client: Client) -> None:
    page = client.get("/search", {"filters": "open"}).content.decode()
    assert "hidden-only" not in page
    assert "is:hidden" not in client.get("/search/help/").content.decode()


@pytest.mark.usefixtures("two")
@pytest.mark.parametrize("words", ["is:hidden", "with:hidden", "-is:shown"])
def test_a_search_for_hidden_pictures_is_never_saved(words: str, as_carol: Client, carol: User) -> None:
    with pytest.raises(BadQuery):
        save_search(carol, SearchQuery(words=words))
    assert 'action="/saved/save"' not in as_carol.get("/search", {"q": words}).content.decode()


def test_facets_count_hidden_results(two: tuple[Image, Image]) -> None:
    facets = {facet.name: facet for facet in find(SearchQuery(filters=Filters(hidden=Hidden.WITH))).facets}
    assert [(one.value, one.count) for one in facets["tag"].choices] == [("sea", 2)]
    assert {one.value: one.count for one in facets["described"].choices} == {"yes": 1, "no": 1}


def test_counts_of_hidden_images_are_not_cached(two: tuple[Image, Image], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filter_counts, "CACHED_FROM", 0)
    query = SearchQuery(filters=Filters(hidden=Hidden.ONLY))
    assert Scope(query).counts.total == 1
    an_image("another", hidden=True)
    assert Scope(query).counts.total == 2
    two[1].delete()
    assert Scope(query).counts.total == 1


def test_pages_of_hidden_images_are_complete() -> None:
    images = many_images(2 * PER_PAGE + 5)
    Image.objects.update(hidden=True)
    first = find(SearchQuery(words="x", filters=Filters(hidden=Hidden.ONLY)))
    met = list(first.images)
    page = first
    while page.next:
        page = find(page.next)
        met += page.images
    assert {image.id for image in met} == {image.id for image in images}
    assert len(met) == len(images)


@pytest.mark.parametrize("exact_below", [1, 5_000])
def test_hidden_pictures_are_found_by_the_index_and_by_a_scan(
    exact_below: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(query_plan, "EXACT_BELOW", exact_below)
    near_ones = [an_image(f"{number}", vector=near(a_vector(1), 0.9 - number / 100)) for number in range(6)]
    Image.objects.filter(pk__in=[image.pk for image in near_ones[::2]]).update(hidden=True)
    many_images(300)

    def titles(hidden: Hidden) -> list[str]:
        return [image.title for image in find(SearchQuery(words="x", filters=Filters(hidden=hidden))).images[:6]]

    assert titles(Hidden.WITH) == ["0", "1", "2", "3", "4", "5"]
    assert titles(Hidden.ONLY)[:3] == ["0", "2", "4"]


def test_full_text_search_finds_hidden_images(two: tuple[Image, Image]) -> None:
    query: Any = SearchQuery(words='"grey"', filters=Filters(hidden=Hidden.WITH))
    assert found(query) == {"grey"}
    assert find(query).images[0].by_words


def test_more_like_a_hidden_image_needs_the_filter_for_hidden_images(two: tuple[Image, Image]) -> None:
    _red, grey = two
    asked = SearchQuery().more_like(grey.id)
    with pytest.raises(BadQuery):
        find(asked)
    page = find(asked.replace(filters=Filters(hidden=Hidden.WITH)))
    assert [image.title for image in page.images] == ["red"]


@pytest.mark.usefixtures("two")
@pytest.mark.parametrize("hidden", [Hidden.WITH, Hidden.ONLY])
@pytest.mark.parametrize("words", ["", "boat", '"grey"'])
def test_trashed_images_are_not_found_with_hidden_ones(words: str, hidden: Hidden) -> None:
    change(Image.objects.filter(title="grey"), Trash())
    assert "grey" not in found(SearchQuery(words=words, filters=Filters(hidden=hidden)))


def test_staff_with_view_permission_find_hidden_images(two: tuple[Image, Image], client: Client) -> None:
    dora = User.objects.create_user("dora", is_staff=True)
    dora.user_permissions.add(Permission.objects.get(codename="view_image"))
    client.force_login(dora)
    assert "grey" in client.get("/search", {"q": "is:hidden"}).content.decode()
