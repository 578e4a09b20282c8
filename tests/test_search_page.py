"""The search page: results for words, nearest first."""

import re
import uuid

import pytest
from django.conf import settings as project
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from search.embedding import active_model
from search.imaging import PALETTE
from search.models import Image
from search.retrieval import PER_PAGE, query_vector
from search.templatetags.tiles import shapes
from tests.base import a_vector, an_image, near, stored_image

pytestmark = pytest.mark.django_db


def articles(page: str) -> list[tuple[str, str]]:
    """The id and the similarity of each result."""
    return re.findall(r'<article[^>]*data-image="([^"]+)"[^>]*data-similarity="([^"]*)"', page)


@pytest.fixture(autouse=True)
def _text_vector(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(query_vector, "text_vector", lambda words: a_vector(1))


def test_results_come_nearest_first_with_their_similarity(client: Client):
    second = an_image("second", vector=near(a_vector(1), 0.3))
    first = an_image("first", vector=near(a_vector(1), 0.6))
    page = client.get("/search", {"q": "a red star"}).text
    found = articles(page)
    assert [image_id for image_id, _ in found] == [str(first.id), str(second.id)]
    assert [float(similarity) for _, similarity in found] == pytest.approx([0.6, 0.3], abs=1e-3)
    assert all(re.fullmatch(r"0\.\d{4}", similarity) for _, similarity in found)
    assert "0.60" in page
    assert f"like={first.id}" in page
    assert 'value="a red star"' in page


def test_titles_and_queries_are_escaped(client: Client):
    an_image("<script>alert(1)</script>")
    page = client.get("/search", {"q": '"><script>alert(2)</script>'}).text
    assert "<script>alert" not in page


def test_an_empty_search_shows_the_newest_pictures(client: Client):
    image = an_image("newest")
    for address in ("/", "/search", "/search?q=%20"):
        assert [image_id for image_id, _ in articles(client.get(address).text)] == [str(image.id)]


def test_an_empty_collection_says_how_to_fill_it(client: Client):
    response = client.get("/")
    assert response.status_code == 200
    assert articles(response.text) == []


def test_the_page_shows_the_number_of_results(client: Client):
    for _ in range(3):
        an_image()
    assert re.search(r"\b3\s+pictures", client.get("/search?q=x").text)


def test_further_pages_are_linked_and_loaded_on_scrolling(client: Client):
    for number in range(PER_PAGE + 1):
        an_image(str(number))
    page = client.get("/search?q=x").text
    assert len(articles(page)) == PER_PAGE
    assert "q=x&amp;page=2" in page
    assert 'id="more"' in page
    more = client.get("/search?q=x&page=2", headers={"HX-Request": "true", "HX-Target": "more"}).text
    assert len(articles(more)) == 1
    assert "<html" not in more


def test_the_vary_header_distinguishes_a_page_and_its_continuation(client: Client):
    assert "HX-Target" in client.get("/").headers["Vary"]


def test_more_like_this_needs_no_words(client: Client):
    image = an_image(vector=a_vector(3))
    similar = an_image(vector=near(a_vector(3), 0.7))
    assert [image_id for image_id, _ in articles(client.get(f"/search?like={image.id}").text)] == [str(similar.id)]


def test_a_results_page_takes_few_queries(client: Client):
    for number in range(PER_PAGE):
        an_image(str(number))
    with CaptureQueriesContext(connection) as noted:
        client.get("/search?q=x")
    assert len([query for query in noted.captured_queries if query["sql"].startswith("SELECT")]) <= 10


@pytest.mark.parametrize("page", ["-1", "abc", "0", "", "1e3"])
def test_an_invalid_page_number_means_the_first_page(client: Client, page: str):
    an_image()
    response = client.get("/search", {"q": "x", "page": page}, follow=True)
    assert response.status_code == 200
    assert len(articles(response.text)) == 1


def test_a_page_past_the_end_links_to_the_first(client: Client):
    an_image()
    response = client.get("/search", {"q": "x", "page": "1000000000"})
    assert response.status_code == 200
    assert articles(response.text) == []
    assert 'href="/search?q=x"' in response.text


@pytest.mark.parametrize("query", ["a\0b", "\0", "%ED%A0%80", "\\", "'; DROP TABLE search_image; --", "%s", "{{ 1 }}"])
def test_special_characters_are_searched_like_others(client: Client, query: str):
    image = an_image()
    response = client.get("/search", {"q": query})
    assert response.status_code == 200
    assert [image_id for image_id, _ in articles(response.text)] == [str(image.id)]


def test_half_a_surrogate_pair_in_the_address_is_no_error(client: Client):
    assert client.get("/search?q=%ED%A0%80x").status_code == 200


def test_a_very_long_query_is_refused_with_a_message(client: Client):
    response = client.get("/search", {"q": "a" * 100_000})
    assert response.status_code == 400
    assert "100,000 characters" in response.text


@pytest.mark.parametrize(
    "params", [{"like": uuid.uuid4()}, {"like": "x"}, {"picture": uuid.uuid4()}, {"picture": "1"}]
)
def test_an_unknown_picture_is_reported_on_a_page_with_the_search_box(client: Client, params: dict[str, object]):
    response = client.get("/search", params)
    assert response.status_code == 404
    assert 'role="alert"' in response.text
    assert 'name="q"' in response.text


def test_the_csp_allows_no_other_hosts(client: Client):
    headers = client.get("/").headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "style-src 'self';" in policy
    assert "unsafe" not in policy
    assert "camera=()" in headers["Permissions-Policy"]
    assert "script-src" not in policy or "unsafe" not in policy.split("script-src")[1].split(";")[0]


def test_no_page_has_inline_styles_except_with_a_nonce(client: Client, as_carol: Client):
    image = stored_image()
    for path in ("/", "/search?q=red", f"/images/{image.id}/", f"/images/{image.id}/report/", "/admin/search/image/"):
        answers = [as_carol.get(path) for _ in range(2)]
        for answer in answers:
            text, policy = answer.content.decode(), answer.headers["Content-Security-Policy"]
            assert " style=" not in text
            assert "unsafe" not in policy
            nonces = re.findall(r'<style nonce="([^"]{20,})">', text)
            assert text.count("<style") == len(nonces)
            assert re.findall(r"'nonce-([^']+)'", policy) == nonces
        first, second = (answer.headers["Content-Security-Policy"] for answer in answers)
        assert (first == second) == ("nonce" not in first)


def test_the_style_sheets_have_every_proportion_and_colour():
    sheets = project.BASE_DIR / "static" / "css"
    assert (sheets / "aspect_ratios.css").read_text() == shapes()
    colours = re.findall(r"\.swatch-(\w+) \{\s+--swatch: (#\w+);", (sheets / "filters.css").read_text())
    assert dict(colours) == PALETTE


def test_the_language_follows_the_browser_and_the_language_menu(client: Client):
    assert '<html lang="ko"' in client.get("/", headers={"Accept-Language": "ko"}).text
    client.post("/language/setlang/", {"language": "ko", "next": "/"})
    assert '<html lang="ko"' in client.get("/", headers={"Accept-Language": "en"}).text


def test_a_banner_says_that_the_demo_model_is_used(client: Client, settings):
    demo_page = client.get("/").text
    settings.EMBEDDING_IMAGE_MODEL = "sentence-transformers/clip-ViT-B-32"
    other_page = client.get("/").text
    assert "drawn shapes" in demo_page
    assert "drawn shapes" not in other_page


def test_a_collection_without_vectors_of_the_active_model_is_no_error(client: Client):
    Image.objects.all().delete()
    an_image(embedding_model="another")
    assert client.get("/search?q=x").status_code == 200


def test_the_favicon_is_redirected(client: Client):
    assert client.get("/favicon.ico")["Location"].endswith("img/mark.svg")


def test_scrolling_past_the_end_is_no_error(client: Client):
    for number in range(PER_PAGE + 1):
        an_image(str(number))
    more = client.get("/search?q=x&page=999", headers={"HX-Request": "true", "HX-Target": "more"})
    assert more.status_code == 200
    assert articles(more.text) == []


def test_an_invalid_session_cookie_is_ignored(client: Client):
    client.cookies["sessionid"] = "a\0bbbbbbbbbbb"
    assert client.get("/").status_code == 200


def test_a_search_by_htmx_gets_the_changed_part_only(client: Client):
    image = an_image()
    part = client.get("/search?q=x", headers={"HX-Request": "true", "HX-Target": "found"}).text
    assert [image_id for image_id, _ in articles(part)] == [str(image.id)]
    assert 'data-address="/search?q=x"' in part
    assert "<title>" in part
    assert "<html" not in part
    assert 'id="words"' not in part


@pytest.mark.parametrize(("params", "status"), [({"q": "a" * 2000}, 400), ({"like": uuid.uuid4()}, 404)])
def test_an_error_of_a_search_by_htmx_is_shown_in_the_page(client: Client, params: dict[str, object], status: int):
    part = client.get("/search", params, headers={"HX-Request": "true", "HX-Target": "found"})
    assert part.status_code == status
    assert 'role="alert"' in part.text
    assert "<html" not in part.text


def test_larger_renditions_come_from_the_site_since_they_may_have_to_be_made(client: Client, settings):
    settings.S3_PUBLIC_BASE_URL = "https://pictures.example.org"
    image = an_image(width=3000, height=2000)
    page = client.get("/").text
    assert f'src="https://pictures.example.org/renditions/400/{image.id.hex[:2]}/{image.id}.webp"' in page
    assert f"/images/{image.id}/800.webp 800w, /images/{image.id}/1600.webp 1600w" in page


def test_a_small_picture_is_offered_in_no_larger_size(client: Client):
    image = an_image(width=320, height=200)
    page = client.get("/").text
    assert f"/images/{image.id}/400.webp 320w" in page
    assert "800.webp" not in page


def test_after_twenty_pages_scrolling_ends_with_a_link(client: Client):
    Image.objects.bulk_create(
        Image(
            id=uuid.uuid4(),
            embedding=a_vector(number),
            embedding_model=active_model(),
            format="JPEG",
            width=640,
            height=480,
            byte_size=1,
            dominant_colour="#aabbcc",
            placeholder="data:image/webp;base64,UklGRg==",
        )
        for number in range(PER_PAGE * 20 + 1)
    )
    for page, goes_on in ((19, True), (20, False)):
        more = client.get(f"/?page={page}", headers={"HX-Request": "true", "HX-Target": "more"}).text
        assert ("hx-get" in more) is goes_on
        assert 'rel="next nofollow"' in more


def test_a_picture_without_a_title_has_a_name_for_screen_readers_only(client: Client) -> None:
    image = an_image("")
    for address in ("/", image.get_absolute_url()):
        page = client.get(address).content.decode()
        assert re.search(r"visually-hidden[^>]*>\s*Untitled picture", page)
        assert "Untitled picture</p>" not in page
