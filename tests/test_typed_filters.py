"""Typed filters in the search box: what they find, invalid ones, and how they are removed."""

import datetime as dt
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from search.completion import relaxations
from search.models import Capture, Image
from search.query import BadQuery, SearchQuery
from search.query.date_spans import Span, read_span
from search.query.parser import parse_text
from search.query.saved_searches import save_search
from search.retrieval import find, query_vector
from tests.base import a_vector, an_image
from tests.written_metadata import wall


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("2023", "2023-01-01", "2023-12-31"),
        ("2024-02", "2024-02-01", "2024-02-29"),
        ("2023-7-4", "2023-07-04", "2023-07-04"),
        ("2023-07..2023-09", "2023-07-01", "2023-09-30"),
        ("2020..", "2020-01-01", None),
        ("..1999-03", None, "1999-03-31"),
    ],
)
def test_a_span_of_days_is_parsed(text: str, first: str | None, last: str | None) -> None:
    days = [dt.date.fromisoformat(day) if day else None for day in (first, last)]
    assert read_span(text) == Span(*days)


@pytest.mark.parametrize(
    "text",
    ["", "..", "23", "2023-13", "2023-02-30", "2023-0", "0000", "9999", "2024..2023", "2023-07-", "２０２３", "1..2"],
)
def test_invalid_days_are_no_span(text: str) -> None:
    assert read_span(text) is None


@pytest.mark.parametrize("text", ["2023", "2024-02", "2023-07-04", "2023-07-04..2023-09-30", "2020-01-01.."])
def test_a_span_is_written_in_its_shortest_form(text: str) -> None:
    assert str(read_span(text)) == text


@pytest.mark.parametrize(
    ("text", "meant", "typed"),
    [
        ("red boat taken:2023", "red boat", ["taken:2023"]),
        ("taken:2023 tag:sea red boat", "red boat", ["taken:2023", "tag:sea"]),
        ('camera:"Canon EOS R5" dog', "dog", ['camera:"Canon EOS R5"']),
        ("바다 태그:여름 촬영:2023-07", "바다", ["태그:여름", "촬영:2023-07"]),
        ("夕焼け tag：海", "夕焼け", ["tag：海"]),
        ("Format:HEIC dog", "dog", ["Format:HEIC"]),
        ("-tag:work dog", "dog", ["-tag:work"]),
        ("방향:가로 dog", "dog", ["방향:가로"]),
        ("colour:red color:blue 색:빨강", "", ["colour:red", "color:blue", "색:빨강"]),
    ],
)
def test_a_typed_filter_is_not_searched_as_words(text: str, meant: str, typed: list[str]) -> None:
    box = parse_text(text)
    assert (box.meant, [one.text for one in box.typed], box.unread) == (meant, typed, ())


@pytest.mark.parametrize(
    "text", ["Mars: red", "a:b", "https://example.org/x", "note:this", "12:30", ":2023", "retag:sea", "tag:", 'tag:""']
)
def test_other_words_with_a_colon_are_words(text: str) -> None:
    box = parse_text(text)
    assert box.typed == box.unread == ()
    assert box.meant or '""' in text


@pytest.mark.parametrize("text", ["taken:yesterday", "size:tiny", "rating:6", "is:red", "taken:2023-13", "-rating:3"])
def test_a_typed_filter_with_an_invalid_value_is_searched_as_words_and_reported(text: str) -> None:
    box = parse_text(text)
    assert box.typed == ()
    assert box.unread == (text,)
    assert text.lstrip("-") in (box.meant, *box.unwanted)


@pytest.fixture
def encoded_texts(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts that the model encoded."""
    texts: list[str] = []

    def vector(words: str) -> Any:
        texts.append(words)
        return a_vector(1)

    monkeypatch.setattr(query_vector, "text_vector", vector)
    return texts


def image_taken(title: str, when: dt.datetime | None = None, **captured: Any) -> Image:
    fields = {name: captured.pop(name) for name in ("tags", "format", "uploader", "licence") if name in captured}
    image = an_image(title, **fields)
    source = captured.pop("taken_from", "camera") if when else ""
    Capture.objects.create(image=image, taken=when, taken_from=source, **captured)
    return image


@pytest.fixture
def collection(db: None) -> None:
    ada = User.objects.create_user("Ada")
    image_taken("summer", wall(2023, 7, 31, 23, 59, 59), camera="FUJIFILM X100V", rating=5, tags=["Holiday", "sea"])
    image_taken("autumn", wall(2023, 9, 1), camera="Canon EOS R5", lens="RF35mm F1.8", rating=3, tags=["work"])
    image_taken("guess", wall(2019, 1, 1), taken_from="name", format="HEIF", uploader=ada)
    image_taken("read", camera="Apple iPhone 13", latitude=37.5, longitude=127.0, licence="CC0")
    an_image("", tags=["★"])


def found(words: str) -> set[str]:
    page = find(SearchQuery(words=words))
    assert page.found == len(page.images)
    return {image.title for image in page.images}


@pytest.mark.usefixtures("collection")
@pytest.mark.parametrize(
    ("words", "titles"),
    [
        ("taken:2023", {"summer", "autumn"}),
        ("taken:2023-07", {"summer"}),
        ("taken:2023-07-31", {"summer"}),
        ("taken:2023-08..2023-09-01", {"autumn"}),
        ("taken:..2019", {"guess"}),
        ("taken:2023 taken:2023-09..", {"autumn"}),
        ("tag:holiday", {"summer"}),
        ("tag:HOLIDAY tag:Sea", {"summer"}),
        ("tag:holi", set()),
        ("tag:★", {""}),
        ("-tag:work", {"summer", "guess", "read", ""}),
        ("-tag:WORK -tag:holiday", {"guess", "read", ""}),
        ("camera:x100v", {"summer"}),
        ('camera:"eos r5"', {"autumn"}),
        ("camera:x100v camera:iphone", {"summer", "read"}),
        ("-camera:iphone", {"summer", "autumn", "guess", ""}),
        ("lens:35mm", {"autumn"}),
        ("-lens:35", {"summer", "guess", "read", ""}),
        ("rating:4", {"summer"}),
        ("별점:3", {"summer", "autumn"}),
        ("by:ada", {"guess"}),
        ("-by:ADA", {"summer", "autumn", "read", ""}),
        ("format:heic", {"guess"}),
        ("-format:jpg", {"guess"}),
        ("licence:cc0", {"read"}),
        ("-license:CC0", {"summer", "autumn", "guess", ""}),
        ("is:untagged", {"guess", "read"}),
        ("has:tags", {"summer", "autumn", ""}),
        ("-is:untagged", {"summer", "autumn", ""}),
        ("is:untitled", {""}),
        ("has:title", {"summer", "autumn", "guess", "read"}),
        ("is:undated", {"read", ""}),
        ("has:date", {"summer", "autumn", "guess"}),
        ("-has:date", {"read", ""}),
        ("has:place", {"read"}),
        ("-has:place", {"summer", "autumn", "guess", ""}),
        ("camera:%", set()),
        ("camera:_", set()),
    ],
)
def test_a_typed_filter_finds_pictures_alone_and_with_words(
    words: str, titles: set[str], encoded_texts: list[str]
) -> None:
    assert found(words) == titles
    assert not encoded_texts
    assert found(f"red {words}") == titles
    assert set(encoded_texts) == {"red"}


@pytest.mark.usefixtures("collection", "encoded_texts")
def test_typed_filters_are_combined_with_ticked_ones() -> None:
    ticked = SearchQuery.from_params({"q": ["taken:2023"], "tag": ["sea"], "camera": ["FUJIFILM X100V"]})
    assert [image.title for image in find(ticked).images] == ["summer"]
    assert find(ticked.replace(words="taken:2019")).found == 0


@pytest.mark.usefixtures("collection", "encoded_texts")
def test_each_typed_filter_can_be_removed(client: Client) -> None:
    query = SearchQuery(words='red camera:"EOS R5" taken:2023')
    page = client.get("/search", {"q": query.words}).content.decode()
    for text, rest in (('camera:"EOS R5"', "red taken:2023"), ("taken:2023", 'red camera:"EOS R5"')):
        assert query.without_typed(text).words == rest
        assert SearchQuery(words=rest).to_url().replace("&", "&amp;") in page
    assert "active-filters" in page


@pytest.mark.usefixtures("collection", "encoded_texts")
def test_without_results_the_search_without_a_typed_filter_is_suggested() -> None:
    ways = relaxations(SearchQuery(words="red taken:1950 tag:sea"))
    assert {way.query.words: way.found for way in ways} == {"red tag:sea": 1}


@pytest.mark.usefixtures("encoded_texts")
def test_an_invalid_typed_filter_is_reported_on_the_page(client: Client, db: None) -> None:
    page = client.get("/search", {"q": "boat taken:<b>now"}).content.decode()
    assert "taken:&lt;b&gt;now</bdi>” is not a known filter" in page


@pytest.mark.django_db
def test_too_many_filters_are_refused(client: Client) -> None:
    answer = client.get("/search", {"q": " ".join(f"tag:t{number}" for number in range(40))})
    assert answer.status_code == 400


@pytest.mark.usefixtures("collection", "encoded_texts")
def test_only_curators_can_search_by_place(client: Client) -> None:
    for address in ("/search", "/api/search"):
        answer = client.get(address, {"q": "has:place"})
        assert answer.status_code == 400
        assert "Only curators" in answer.content.decode()
    curator = User.objects.create_user("curator", is_staff=True)
    curator.user_permissions.add(Permission.objects.get(codename="view_image"))
    client.force_login(curator)
    assert client.get("/api/search", {"q": "has:place"}).json()["found"] == 1
    with pytest.raises(BadQuery):
        save_search(curator, SearchQuery(words="-has:place"))
