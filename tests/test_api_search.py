"""The API of searching."""

import datetime as dt
import html
import uuid
from urllib.parse import parse_qs, urlsplit

import pytest
from django.http import QueryDict
from django.test import Client
from django.utils import timezone

from search.models import QueryPicture
from search.objects import storage
from search.query import SearchQuery
from search.relevance.band_thresholds import Scale
from search.retrieval import PER_PAGE, find
from tests.base import a_vector, an_image, near, picture_bytes, picture_file
from tests.pictures import pixel_bomb

pytestmark = pytest.mark.django_db

SEARCH = "/api/search"


def ids(answer: dict) -> list[str]:
    return [result["id"] for result in answer["results"]]


def follow(client: Client, url: str) -> dict:
    parts = urlsplit(url)
    assert (parts.scheme, parts.netloc, parts.path) == ("http", "testserver", SEARCH)
    response = client.get(f"{parts.path}?{parts.query}")
    assert response.status_code == 200
    return response.json()


def test_results_are_nearest_first_with_their_similarity(client: Client):
    wanted = a_vector(1)
    shown = an_image("shown", vector=wanted)
    far, close = an_image("far", vector=near(wanted, 0.2)), an_image("close", vector=near(wanted, 0.9))
    answer = client.get(SEARCH, {"like": shown.id}).json()
    assert ids(answer) == [str(close.id), str(far.id)]
    assert [round(result["similarity"], 2) for result in answer["results"]] == [0.9, 0.2]
    assert answer["found"] == 2


def test_an_empty_query_returns_the_newest_first(client: Client):
    older, newer = an_image("older"), an_image("newer")
    older.created, newer.created = "2020-01-01T00:00Z", "2021-01-01T00:00Z"
    older.save()
    newer.save()
    answer = client.get(SEARCH).json()
    assert ids(answer) == [str(newer.id), str(older.id)]
    assert answer["results"][0]["similarity"] is None


def test_a_result_has_all_fields_and_addresses(client: Client):
    image = an_image("A pier", tags=["sea"], author="Bob", licence="CC0", source_link="https://a.example/")
    result = client.get(SEARCH).json()["results"][0]
    site = "http://testserver"
    assert result["page"] == f"{site}/images/{image.id}/"
    assert result["url"] == f"{site}/api/images/{image.id}"
    assert result["thumbnails"] == {
        str(longest): f"{site}/images/{image.id}/{longest}.webp" for longest in storage.WIDTHS
    }
    assert (result["title"], result["tags"], result["author"], result["licence"], result["source_link"]) == (
        "A pier", ["sea"], "Bob", "CC0", "https://a.example/",
    )  # fmt: skip
    assert (result["width"], result["height"], result["format"]) == (640, 480, "JPEG")


def test_thumbnails_point_to_the_public_storage(client: Client, settings):
    settings.S3_PUBLIC_BASE_URL = "https://cdn.example"
    image = an_image()
    thumbnails = client.get(SEARCH).json()["results"][0]["thumbnails"]
    assert thumbnails["400"] == f"https://cdn.example/{storage.rendition_key(image.id, 400)}"
    # The larger one may not exist yet: our own view generates it.
    assert thumbnails["1600"] == f"http://testserver/images/{image.id}/1600.webp"


def test_pages_are_linked_and_contain_every_image_once(client: Client):
    for _ in range(2 * PER_PAGE + 1):
        an_image()
    page = client.get(SEARCH, {"q": "red"}).json()
    assert (page["found"], page["pages"], page["previous"]) == (2 * PER_PAGE + 1, 3, None)
    seen = ids(page)
    while page["next"]:
        page = follow(client, page["next"])
        seen += ids(page)
    assert len(seen) == len(set(seen)) == 2 * PER_PAGE + 1
    assert page["page"] == 3
    assert follow(client, page["previous"])["page"] == 2


def test_hidden_images_are_not_found(client: Client, as_carol: Client):
    an_image(hidden=True)
    assert client.get(SEARCH).json()["found"] == as_carol.get(SEARCH).json()["found"] == 0


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ({"q": "x" * 1001}, 400, "bad_query"),
        ({"like": "nonsense"}, 404, "no_such_query"),
        ({"like": str(uuid.UUID(int=7))}, 404, "no_such_query"),
        ({"picture": str(uuid.UUID(int=7))}, 404, "no_such_query"),
    ],
)
def test_an_invalid_query_has_the_same_error_as_the_page(client: Client, query: dict, status: int, code: str):
    response = client.get(SEARCH, query)
    problem = response.json()
    assert (response.status_code, problem["type"]) == (status, f"/api/docs#{code}")
    assert problem["detail"] in html.unescape(client.get("/search", query).text)


# Combined queries


def test_parts_filters_and_sort_order_work_as_on_the_page(client: Client):
    wanted, unwanted = an_image(vector=a_vector(1)), an_image(vector=a_vector(2))
    for number in range(5):
        an_image(f"star {number}", vector=near(a_vector(1), 0.5 + number / 10), tags=["red"] if number % 2 else [])
    query = {
        "q": "red star -circle", "q_weight": "0.5", "like": wanted.id, "like_weight": "2", "unlike": unwanted.id,
        "not": ["blue", "square"], "tag": "red", "size": ["small", "medium"], "sort": "newest", "mode": "meaning",
    }  # fmt: skip
    answer = client.get(SEARCH, query).json()
    asked = QueryDict(mutable=True)
    for name, value in query.items():
        asked.setlist(name, [str(one) for one in (value if isinstance(value, list) else [value])])
    assert ids(answer) == [str(image.id) for image in find(SearchQuery.from_params(asked)).images]
    assert answer["found"] == 2


def test_results_have_relevance_bands(client: Client, monkeypatch: pytest.MonkeyPatch):
    scale = Scale(mean=0.1, spread=0.05, strong=0.8, related=0.5)
    monkeypatch.setattr("search.retrieval.query_vector.scale_of", lambda vector, **options: scale)
    shown = an_image(vector=a_vector(1))
    for similarity in (0.2, 0.6, 0.9):
        an_image(vector=near(a_vector(1), similarity))
    answer = client.get(SEARCH, {"like": shown.id}).json()
    assert [result["band"] for result in answer["results"]] == ["strong", "related", "weak"]
    assert (answer["strong"], answer["strong_is_least"]) == (1, False)
    assert client.get(SEARCH, {"like": shown.id, "min": "strong"}).json()["found"] == 1


def test_full_text_matches_are_marked(client: Client):
    an_image("A lighthouse"), an_image("A mill")
    answer = client.get(SEARCH, {"q": "lighthouse", "mode": "words"}).json()
    assert [(one["title"], one["found_by_words"]) for one in answer["results"]] == [("A lighthouse", True)]


def test_facets_have_counts_and_links(client: Client):
    an_image(tags=["red"]), an_image(tags=["red"], width=100, height=900), an_image(tags=["blue"])
    facets = {facet["name"]: facet for facet in client.get(SEARCH).json()["facets"]}
    red = next(choice for choice in facets["tag"]["choices"] if choice["value"] == "red")
    assert (red["count"], red["chosen"]) == (2, False)
    filtered = follow(client, red["search"])
    assert filtered["found"] == 2
    taken = next(choice for facet in filtered["facets"] for choice in facet["choices"] if choice["chosen"])
    assert follow(client, taken["search"])["found"] == 3


def test_pictures_added_while_paging_do_not_shift_the_pages(client: Client):
    for number in range(PER_PAGE + 1):
        an_image(created=f"2026-01-01T00:00:{number:02}Z")
    first = client.get(SEARCH).json()
    an_image(created=timezone.now() + dt.timedelta(minutes=5))
    assert not set(ids(follow(client, first["next"]))) & set(ids(first))


# Search by picture


def test_a_posted_picture_can_be_searched_by(client: Client):
    an_image()
    sent = client.post(f"{SEARCH}/picture", {"picture": picture_file()})
    assert sent.status_code == 201
    told = sent.json()
    assert follow(client, told["search"])["found"] == 1
    assert parse_qs(urlsplit(told["search"]).query) == {"picture": [told["picture"]]}
    assert client.get(urlsplit(told["thumbnail"]).path)["Content-Type"] == "image/webp"


def test_the_same_picture_gets_the_same_token(client: Client):
    first, second = (client.post(f"{SEARCH}/picture", {"picture": picture_file()}).json() for _ in range(2))
    assert first == second
    assert QueryPicture.objects.count() == 1


@pytest.mark.parametrize(
    ("data", "status"),
    [(b"", 422), (b"x", 415), (pixel_bomb(), 422), (picture_bytes() + bytes(2_000_000), 413)],
    ids=["empty", "text", "bomb", "large"],
)
def test_a_bad_picture_is_refused(client: Client, settings, data: bytes, status: int):
    settings.UPLOAD_MAX_MB = 1
    assert client.post(f"{SEARCH}/picture", {"picture": picture_file(data=data)}).status_code == status
    assert not QueryPicture.objects.exists()


def test_a_missing_picture_and_a_wrong_content_type_are_errors(client: Client):
    assert client.post(f"{SEARCH}/picture", {}).json()["errors"][0]["field"] == "picture"
    assert client.post(f"{SEARCH}/picture", {}, content_type="application/json").status_code == 415
