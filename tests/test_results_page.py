"""The results page: its title and bands, parts as chips, filters, and suggestions if nothing was found."""

import re
import uuid
from dataclasses import replace
from html import unescape
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from search.completion import relaxations
from search.facets.filter_counts import Counts
from search.indexing.query_plan import SCAN
from search.query import Filters, Kind, Minimum, Part, SearchQuery
from search.relevance.band_thresholds import Scale
from search.retrieval import candidate_generation as candidates_module
from search.retrieval import query_vector
from tests.base import a_vector, an_image, near, picture_file

pytestmark = pytest.mark.django_db

WANTED = a_vector(1)

FOUND, MORE, FILTERS = ({"HX-Request": "true", "HX-Target": target} for target in ("found", "more", "filters-panel"))
"""The headers of htmx's requests for another search, for further results, and for the filters."""


@pytest.fixture(autouse=True)
def _text_vector(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(query_vector, "text_vector", lambda words: WANTED)


@pytest.fixture
def calibrated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Strong matches begin at 0.6, related ones at 0.4."""
    scale = Scale(mean=0.0, spread=0.1, strong=0.6, related=0.4)
    monkeypatch.setattr(query_vector, "scale_of", lambda vector, *, pictures, whole=False: scale)


def images_at(*similarities: float) -> None:
    for number, similarity in enumerate(similarities):
        an_image(vector=near(WANTED, similarity, seed=number + 10))


@pytest.mark.usefixtures("calibrated")
@pytest.mark.parametrize("address", ["/search?q=dog", "/search?q=dog&min=any", "/search?tag=one"])
def test_a_page_of_many_pictures_takes_as_many_queries_as_one_of_few(
    client: Client, address: str, django_assert_max_num_queries: Any
) -> None:
    for seed in (10, 11, 12):
        an_image(vector=near(WANTED, 0.5, seed=seed), title=f"{seed}", tags=["one"])
    client.get(address)
    with CaptureQueriesContext(connection) as few:
        client.get(address)
    asked = len(few)
    for seed in range(13, 19):
        an_image(vector=near(WANTED, 0.5, seed=seed), title=f"{seed}", tags=["one"])
    client.get(address)  # counts anew

    with django_assert_max_num_queries(asked):
        assert client.get(address).content.decode().count("<article ") >= 8


def title(page: str) -> str:
    found = re.search(r'<h2 id="found-title"[^>]*>(.*?)</h2>', page, re.DOTALL)
    assert found
    return " ".join(found[1].split())


def links(page: str, marker: str) -> list[str]:
    """The addresses of the links whose tags contain `marker`."""
    tags = [tag for tag in re.findall(r"<a [^>]*>", page) if marker in tag]
    return [unescape(re.search(r'href="([^"]*)"', tag)[1]) for tag in tags]  # type: ignore[index]


def parameters(address: str) -> list[tuple[str, str]]:
    return parse_qsl(urlsplit(address).query)


# Bands


def test_strong_matches_are_counted_and_weaker_ones_follow(client: Client, calibrated: None):
    images_at(0.7, 0.65, 0.5, 0.1)
    page = client.get("/search?q=x").text
    assert title(page) == "2 strong matches"
    assert "4 pictures in all" in page
    before, after = page.split("Weaker matches</h3>")
    assert re.findall(r'data-band="(\w+)"', before) == ["strong", "strong"]
    assert re.findall(r'data-band="(\w+)"', after) == ["related", "weak"]


def test_the_page_says_if_no_match_is_strong(client: Client, calibrated: None):
    images_at(0.5, 0.1)
    page = client.get("/search?q=x").text
    assert title(page) == "There are no good matches. The nearest pictures are:"
    assert "Weaker matches</h3>" not in page
    assert len(re.findall("<article", page)) == 2


def test_the_page_says_if_words_were_found_only_inside_longer_ones(client: Client, calibrated: None):
    images_at(0.1)
    an_image("해운대해수욕장", vector=near(WANTED, 0.1, seed=7))
    assert title(client.get("/search?q=해수욕장").text) == "Found inside longer words; the nearest pictures follow:"
    assert title(client.get("/search?q=바다").text) == "There are no good matches. The nearest pictures are:"


def test_the_number_of_strong_matches_is_a_minimum_if_there_are_more_than_candidates(
    client: Client, calibrated: None, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(candidates_module, "plan_for", lambda *counts: replace(SCAN, candidates=3))
    images_at(0.9, 0.85, 0.8, 0.75, 0.7)
    assert title(client.get("/search?q=x").text) == "At least 3 strong matches"


def test_without_calibration_matches_are_not_rated(client: Client):
    images_at(0.7, 0.1)
    page = client.get("/search?q=x").text
    assert title(page) == "2 pictures, nearest first"
    assert "A strong match" not in page


def test_every_result_has_an_explanation(client: Client, calibrated: None):
    images_at(0.7, 0.5, 0.1)
    page = client.get("/search?q=x").text
    explained = re.findall(r'id="about-[^"]*" popover>(.*?)</div>', page, re.DOTALL)
    for text, beginning in zip(explained, ("A strong match:", "A related picture:", "A weak match:"), strict=True):
        assert beginning in text
    assert "Similarity 0.70." in " ".join(explained[0].split())
    assert "start at 0.60, related ones at 0.40" in " ".join(explained[0].split())


def test_a_result_found_by_its_words_says_so(client: Client):
    an_image("A lighthouse", vector=near(WANTED, 0.1))
    an_image("Something else", vector=near(WANTED, 0.1))
    page = client.get("/search?q=lighthouse").text
    assert len(re.findall('class="by-words"', page)) == 1


def test_weaker_matches_are_cut_to_two_rows_with_a_link_to_all(client: Client, calibrated: None):
    images_at(0.7, *(0.3 - number / 100 for number in range(30)))
    page = client.get("/search?q=x").text
    shown = len(re.findall("<article", page))
    assert 4 <= shown <= 20
    assert f"Show {31 - shown} more" in page
    assert 'class="more-ahead"' not in page
    (rest,) = links(page, "data-unfolds")
    assert rest == "/search?q=x&min=any#weaker"
    assert len(re.findall("<article", client.get(rest).text)) == 24
    added = client.get(f"/search?q=x&min=any&after={shown}", headers=MORE).text
    assert len(re.findall("<article", added)) == 24 - shown
    assert "min=any&amp;page=2" in added


def test_weaker_matches_are_cut_on_the_page_where_strong_ones_end(client: Client, calibrated: None):
    images_at(*(0.9 - number / 100 for number in range(24)), *(0.3 - number / 100 for number in range(20)))
    first = client.get("/search?q=x").text
    assert "data-unfolds" not in first
    assert 'class="more-ahead"' in first
    (later,) = set(links(first, 'rel="next nofollow"'))
    page = client.get(later).text
    shown = len(re.findall("<article", page))
    assert f"Show {20 - shown} more" in page
    assert [name for name, _ in parameters(links(page, "data-unfolds")[0])] == ["q", "min", "page", "seen"]


@pytest.mark.parametrize("minimum", ["any", "related", "strong"])
def test_with_a_minimum_in_the_address_no_matches_are_cut(client: Client, calibrated: None, minimum: str):
    images_at(0.7, *(0.5 for _ in range(30)))
    page = client.get(f"/search?q=x&min={minimum}").text
    assert "data-unfolds" not in page
    assert len(re.findall("<article", page)) == (1 if minimum == "strong" else 24)
    assert re.search(rf'<option value="{minimum}" selected', page)


def test_strong_matches_are_larger_than_weaker_ones(client: Client, calibrated: None):
    images_at(0.9, 0.8, 0.7, 0.2)
    looks = re.findall(r'<article class="tile a\d+ ?([\w-]*)', client.get("/search?q=x").text)
    assert looks == ["tile-strong"] * 3 + ["tile-quiet"]


def test_without_a_strong_match_simpler_searches_are_suggested(client: Client, calibrated: None):
    an_image("a lighthouse", vector=near(WANTED, 0.9), tags=["sea"])
    an_image("an old pier", vector=near(WANTED, 0.1), tags=["harbour"])
    for number in range(30):
        an_image(vector=near(WANTED, 0.05, seed=number + 50), tags=["harbour"])
    page = client.get("/search?q=x&tag=harbour").text
    assert title(page) == "There are no good matches. The nearest pictures are:"
    assert re.search(r"Without the tag “harbour”\s*<span class=\"count\">1</span>", page)
    assert [parameters(address) for address in links(page, "?q=an%20old%20pier")] == [[("q", "an old pier")]]


def test_empty_fields_are_removed_from_the_address(client: Client, images: list[str]):
    answer = client.get("/search?q=x&mode=&min=&sort=&since=&until=&not=&tag=sea")
    assert answer["Location"] == "/search?q=x&tag=sea"
    assert client.get("/search?q=")["Location"] == "/search"


# Parts


def test_every_result_offers_more_and_less_like_it_added_to_the_search(client: Client):
    image = an_image()
    page = client.get("/search?q=red")
    more, less = links(page.text, "more-like-this"), links(page.text, "less-like-this")
    assert parameters(more[0]) == [("q", "red"), ("like", str(image.id))]
    assert parameters(less[0]) == [("q", "red"), ("unlike", str(image.id))]


def test_without_a_search_less_like_this_is_not_offered(client: Client):
    image = an_image()
    page = client.get("/").text
    assert links(page, "more-like-this") == [f"/search?like={image.id}"]
    assert links(page, "less-like-this") == []


def test_a_search_of_twelve_parts_offers_no_further_part(client: Client):
    an_image()
    params = [("not", str(number)) for number in range(12)]
    page = client.get("/search", {"q": "x", "not": [value for _, value in params]}).text
    assert links(page, "more-like-this") == []


class SearchForm:
    """The fields that a browser would send with the search form."""

    def __init__(self, page: str) -> None:
        self.fields: list[tuple[str, str]] = []
        for tag in re.findall(r"<(?:input|select)[^>]*>.*?(?=<)", page, re.DOTALL):
            self._read(tag, page)

    def _read(self, tag: str, page: str) -> None:
        attributes = dict(re.findall(r'([\w-]+)="([^"]*)"', tag))
        if attributes.get("form") != "by-words" and attributes.get("id") != "words":
            return
        if attributes.get("type") in {"checkbox", "radio"} and not re.search(r"\schecked\b", tag):
            return
        value = attributes.get("value", "")
        if tag.startswith("<select"):
            select = re.search(rf'<select id="{attributes["id"]}".*?</select>', page, re.DOTALL)
            assert select
            chosen = re.search(r'<option value="(\w*)" selected', select[0])
            value = chosen[1] if chosen else ""
        self.fields.append((attributes["name"], unescape(value)))


@pytest.fixture
def images() -> list[str]:
    return [str(an_image(f"picture {number}", tags=["sea"], dominant_colour="#ff0000").id) for number in range(5)]


@pytest.mark.parametrize("filters", ["", "&filters=open"], ids=["folded", "open"])
def test_the_form_repeats_the_whole_search(client: Client, images: list[str], calibrated: None, filters: str):
    address = (
        f'/search?q="picture"+-cloud&q_weight=1.5&like={images[0]}&like={images[1]}&like_weight=0.5&like_weight=2'
        f"&not=rain&not=snow&not_weight=1.25&not_weight=1&unlike={images[2]}&unlike_weight=0.25"
        "&tag=sea&colour=red&format=JPEG&since=2020-01-01&described=no&mode=meaning&min=related&sort=fresh"
    )
    page = client.get(f"{address}{filters}").text
    query = SearchQuery.from_params(parse_qs(urlsplit(address).query))
    sent: dict[str, list[str]] = {}
    for name, value in SearchForm(page).fields:
        sent.setdefault(name, []).append(value)
    assert SearchQuery.from_params(sent) == query


def test_every_part_has_a_link_that_removes_it(client: Client, images: list[str]):
    page = client.get(f"/search?q=red&like={images[0]}&not=rain&unlike={images[1]}&sort=fresh").text
    removed = [parameters(address) for address in links(page, "chip-remove")]
    everything = [("q", "red"), ("like", images[0]), ("not", "rain"), ("unlike", images[1]), ("sort", "fresh")]
    assert removed == [[other for other in everything if other != part] for part in everything[:4]]


def test_a_search_by_words_only_has_no_chip(client: Client):
    an_image()
    assert 'class="chip' not in client.get("/search?q=red").text.replace('class="chips"', "")


def test_weights_have_labels_in_words(client: Client, images: list[str]):
    for weight, label in (("0.25", "much less"), ("0.75", "less"), ("1.5", "more"), ("2", "much more")):
        page = client.get(f"/search?q=red&like={images[0]}&like_weight={weight}").text
        assert f'value="{weight}"' in page
        assert f'aria-valuetext="{label}"' in page


# Filters


SEA = re.compile(r'name="tag"\s+value="sea"\s*>\s*<span dir="auto">sea</span>\s*<span class="count">5</span>')


def test_open_filters_show_the_number_of_pictures_of_each(client: Client, images: list[str]):
    an_image("not at the sea")
    page = client.get("/search?q=x&filters=open").text
    assert SEA.search(page)
    assert re.search(r'<details id="filters"[^>]* open>', page)


def test_closed_filters_are_not_counted(client: Client, images: list[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Counts, "most_frequent", lambda *_: pytest.fail("They were counted."))
    for headers in ({}, FOUND, MORE):
        page = client.get("/search?q=x&tag=sea&colour=red", headers=headers).text
        assert not SEA.search(page)


def test_without_javascript_a_button_opens_the_filters_of_the_same_search(client: Client, images: list[str]):
    page = client.get("/search?q=x&not=y&tag=sea&sort=fresh").text
    (button,) = re.findall(r"<button[^>]*filters-link[^>]*>", page)
    opens = dict(re.findall(r'([\w-]+)="([^"]*)"', button))
    assert opens["formaction"] == "/search#filters"
    sent = {name: value for name, value in SearchForm(page).fields if value} | {opens["name"]: opens["value"]}
    opened = client.get("/search", sent).text
    assert "filters-link" not in opened
    assert re.search(r'name="tag"\s+value="sea"\s+checked', opened)
    assert SearchForm(opened).fields[0] == ("q", "x")


def test_a_script_gets_the_filter_fields_only_and_nothing_is_searched(
    client: Client, images: list[str], monkeypatch: pytest.MonkeyPatch
):
    an_image("not at the sea")
    monkeypatch.setattr(query_vector, "text_vector", lambda words: pytest.fail("The words were encoded."))
    page = client.get("/search?q=x&since=2020-01-01", headers=FILTERS).text
    assert page.lstrip().startswith('<div id="filters-panel"')
    assert SEA.search(page)
    assert re.search(r'name="since"[^>]*value="2020-01-01"', page)
    assert "<article" not in page


def test_a_filter_with_one_value_for_all_pictures_is_not_shown(client: Client, images: list[str]):
    page = client.get("/search?q=x&filters=open").text
    assert not re.search(r'name="(tag|format|colour|orientation|described)"', page)
    assert re.search(
        r'name="format"\s+value="JPEG"\s+checked', client.get("/search?q=x&format=JPEG&filters=open").text
    )


def test_an_invalid_search_has_no_filters(client: Client):
    assert client.get("/search?like=x", headers=FILTERS).status_code == 404


def test_open_filters_stay_open_in_the_next_search_of_the_page(client: Client, images: list[str]):
    an_image("not at the sea")
    part = client.get("/search?q=x&filters=open", headers=FOUND).text
    assert SEA.search(part)
    assert 'data-address="/search?q=x"' in part


def test_an_active_filter_without_results_is_shown_and_can_be_removed(client: Client, images: list[str], alice):
    page = client.get("/search?q=x&tag=a&tag=b&licence=c&uploader=alice&described=no&size=huge").text
    assert [parameters(address)[-1] for address in links(page, "pill-active")]
    shown = re.findall(r'pill-active.*?<span dir="auto">(.*?)</span>', page, re.DOTALL)
    assert shown == ["a", "b", "Very large (over 12 MP)", "c", "alice", "Without a description"]


def test_active_filters_are_removed_by_links(client: Client, images: list[str]):
    page = client.get("/search?q=x&tag=sea&colour=red&until=2999-12-31").text
    active = links(page, "pill-active")
    assert [parameters(address) for address in active] == [
        [("q", "x"), ("colour", "red"), ("until", "2999-12-31")],
        [("q", "x"), ("tag", "sea"), ("until", "2999-12-31")],
        [("q", "x"), ("tag", "sea"), ("colour", "red")],
    ]
    assert [parameters(address) for address in links(page, "clear-filters")] == [[("q", "x")]]


def test_filters_without_a_query_show_the_newest(client: Client, images: list[str]):
    an_image(dominant_colour="#0000ff")
    page = client.get("/search?colour=red").text
    assert title(page) == "5 pictures, newest first"


def test_with_only_negative_parts_the_newest_come_first(client: Client, images: list[str]):
    page = client.get("/search?q=-cat").text
    assert title(page) == "5 pictures, newest first; pictures similar to “cat” come later"
    assert "Nearest first" not in page


# No results


def test_the_page_suggests_the_search_without_a_filter_that_excludes_everything(client: Client, images: list[str]):
    page = client.get("/search?q=x&tag=sea&tag=never&format=JPEG").text
    assert title(page) == "No pictures found"
    assert "Without the tag “never”" in page
    assert "Without the tag “sea”" not in page
    assert re.search(r"5\s+pictures", page)


def test_relaxed_searches_find_something(images: list[str], calibrated: None):
    query = SearchQuery.from_params({"q": ['"nowhere"'], "min": ["strong"], "format": ["PNG"]})
    assert relaxations(query) == []
    query = query.replace(filters=Filters(), minimum=Minimum.ANY)
    (way,) = relaxations(query)
    assert (way.label, way.query.words, way.found) == ("Without the quotation marks", "nowhere", 5)
    (way,) = relaxations(query.replace(words='"nowhere" -"blue car"'))
    assert way.query.words == 'nowhere -"blue car"'
    (way,) = relaxations(query.replace(words='"sale -50 nowhere"'))
    assert (way.query.words, way.query.box.unwanted) == ("sale 50 nowhere", ())


def test_a_word_search_without_results_suggests_searching_by_meaning(client: Client, images: list[str]):
    page = client.get("/search?q=nowhere&mode=words").text
    assert "Search by what pictures show, too" in page


def test_a_search_without_strong_matches_suggests_weaker_ones(client: Client, calibrated: None):
    images_at(0.1)
    page = client.get("/search?q=x&min=strong").text
    assert title(page) == "No pictures found"
    assert "Weaker matches too" in page


def test_an_empty_collection_says_how_to_fill_it(client: Client):
    assert "manage.py ingest" in client.get("/").text
    assert "manage.py ingest" in client.get("/search?q=x").text


def test_the_only_picture_has_no_similar_ones(client: Client):
    image = an_image()
    page = client.get(f"/search?like={image.id}").text
    assert title(page) == "No pictures found"
    assert "There are no other pictures yet." in page


# A picture with other parts


def test_an_uploaded_query_picture_is_added_to_the_search(client: Client):
    an_image()
    answer = client.post("/search/picture", {"picture": picture_file(), "q": "red", "tag": "sea", "page": "3"})
    params = parameters(answer["Location"])
    assert [name for name, _ in params] == ["q", "picture", "tag"]


def test_the_remove_links_have_full_names_for_screen_readers(client: Client, images: list[str]):
    page = client.get(f"/search?q=red&like={images[0]}&not=rain").text
    assert re.search(r"Remove\s+rain", page)
    assert re.search(r"Remove\s+More like this picture", page)


def test_an_unknown_picture_as_a_part_is_not_found(client: Client):
    query = SearchQuery(words="x", parts=(Part(Kind.IMAGE, uuid.uuid4()),))
    assert client.get(f"/search?{query.to_url()}").status_code == 404


def test_a_word_search_works_without_a_model(client: Client, no_model: None):
    an_image("a red star")
    page = client.get("/search", {"q": "hexagon", "mode": "words"})
    assert page.status_code == 200


def test_the_order_of_a_word_search_is_not_called_nearest_first(client: Client):
    an_image("a red star over a hill")
    an_image("a star")
    pages = [client.get(f"/search?q=red+star{mode}").text for mode in ("&mode=words", "")]
    assert "Best match first" in pages[0]
    assert "earest first" not in pages[0]
    assert "Nearest first" in pages[1]
