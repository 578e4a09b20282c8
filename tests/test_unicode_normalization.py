"""Unicode normalisation: text from any source is stored and found in NFC."""

import json
import unicodedata
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.urls import reverse

from search.ingestion import Choices, Rules, ingest, open_source, read_metadata
from search.models import ApiToken, Image, Report, SavedSearch
from search.query import Filters, SearchQuery
from search.query.saved_searches import save_search
from search.retrieval import find, query_vector
from tests.admin_pages import IMAGES, act, titles
from tests.base import a_vector, an_image, picture_file, write_picture

pytestmark = pytest.mark.django_db

TAG = "제주도 café"
TITLE = "Über Zürich"


def nfd(text: str) -> str:
    return unicodedata.normalize("NFD", text)


@pytest.fixture(autouse=True)
def _text_vector(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(query_vector, "text_vector", lambda words: a_vector(1))


def titles_found(**filters: Any) -> list[str]:
    return [image.title for image in find(SearchQuery(filters=Filters.from_params(filters))).images]


def uploaded(alice: Client, folder: Path) -> None:
    alice.post("/upload/", {"pictures": [picture_file()], "title": nfd(TITLE), "tags": nfd(TAG)})


def sent_to_the_api(alice: Client, folder: Path) -> None:
    fields = {"picture": picture_file(), "title": nfd(TITLE), "tags": nfd(TAG)}
    assert alice.post("/api/images", fields).status_code == 201


def ingested_with_a_table(alice: Client, folder: Path) -> None:
    write_picture(folder / "a.jpg")
    (folder / "table.csv").write_text(nfd(f"path,title,tags\na.jpg,{TITLE},{TAG}\n"), encoding="utf-8")
    table = read_metadata(folder / "table.csv", [])
    ingest(open_source([str(folder / "a.jpg")], Choices(details=table.details)))


def ingested_with_a_tag_of_the_command_line(alice: Client, folder: Path) -> None:
    ingest(open_source([str(write_picture(folder / "a.jpg"))]), tags=[nfd(TAG)])
    Image.objects.update(title=nfd(TITLE))


def saved(alice: Client, folder: Path) -> None:
    an_image(nfd(TITLE), tags=[nfd(TAG)])


def written_in_bulk(alice: Client, folder: Path) -> None:
    image = an_image()
    image.title, image.tags = nfd(TITLE), [nfd(TAG)]
    Image.objects.bulk_update([image], ["title", "tags"])


@pytest.mark.parametrize(
    "came_in",
    [
        uploaded,
        sent_to_the_api,
        ingested_with_a_table,
        ingested_with_a_tag_of_the_command_line,
        saved,
        written_in_bulk,
    ],
)
def test_decomposed_text_is_stored_composed_and_found_in_either_form(
    as_alice: Client, tmp_path: Path, came_in: Callable[[Client, Path], None]
) -> None:
    came_in(as_alice, tmp_path)

    image = Image.objects.get()
    assert (image.title, image.tags) == (TITLE, [TAG])
    for spelled in (TAG, nfd(TAG)):
        assert titles_found(tag=[spelled]) == [TITLE]
    for query in ('"zürich"', nfd('"zürich"'), '"제주도"', nfd('"제주도"')):
        assert [one.title for one in find(SearchQuery.from_params({"q": [query]})).images] == [TITLE], query


def test_the_count_of_a_filter_is_the_number_of_its_results(client: Client) -> None:
    an_image("one", tags=[nfd("café"), " sea\x07  side "], licence="CC\u00a0BY  4.0")
    query = SearchQuery.from_params({})

    for name in ("tag", "licence"):
        (facet,) = (facet for facet in find(query).facets if facet.name == name)
        for choice in facet.choices:
            page = find(SearchQuery.from_params({key: [value] for key, value in choice.query.to_params()}))
            assert page.found == choice.count == 1, choice.value


def test_texts_of_curators_are_stored_composed(as_carol: Client) -> None:
    image = an_image("One")
    fields = {"title": nfd(TITLE), "description": nfd("é\né"), "tags": nfd(f"{TAG}, {TAG}"), "licence": nfd("é")}
    as_carol.post(reverse("admin:search_image_change", args=[image.pk]), fields)
    act(as_carol, "add_tags", image, tags=nfd("émeraude"))

    image.refresh_from_db()
    assert (image.title, image.description.splitlines(), image.licence) == (TITLE, ["é", "é"], "é")
    assert image.tags == [TAG, "émeraude"]


def test_curators_find_text_in_either_form(as_carol: Client) -> None:
    an_image(TITLE, tags=[TAG])
    for spelled in (str, nfd):
        for asked in ({"q": spelled("zürich")}, {"q": spelled("제주도")}, {"tag": spelled(TAG)}):
            assert titles(as_carol.get(IMAGES, asked)) == {TITLE}, asked


def test_reports_token_names_and_searches_are_stored_composed(as_alice: Client, alice: User) -> None:
    image = an_image()
    as_alice.post(f"/images/{image.id}/report/", {"reason": "broken", "details": nfd("é")})
    as_alice.post("/account/tokens/", {"name": nfd("é")})
    kept, _is_new = save_search(alice, SearchQuery.from_params({"q": [nfd("é")]}), nfd("ü"))
    again, is_new = save_search(alice, SearchQuery.from_params({"q": ["é"]}))

    assert (Report.objects.get().details, ApiToken.objects.get().name) == ("é", "é")
    assert (kept.name, again, is_new) == ("ü", kept, False)


def test_lengths_are_checked_after_composition(as_alice: Client, as_carol: Client) -> None:
    grows = "\u0958"  # two letters in NFC
    image = an_image("One")
    answer = as_alice.post("/upload/", {"pictures": [picture_file()], "title": 300 * grows})
    assert answer.status_code == 400
    assert as_alice.post("/upload/", {"pictures": [picture_file()], "title": 150 * grows}).status_code == 200
    page = as_carol.post(reverse("admin:search_image_change", args=[image.pk]), {"tags": 60 * grows})
    assert "at most 60 characters" in page.content.decode()


def test_letters_unknown_to_python_are_stored(as_alice: Client) -> None:
    newer = "\U00016d67\U00016d67"  # one letter since Unicode 16
    assert as_alice.post("/upload/", {"pictures": [picture_file()], "tags": newer}).status_code == 200
    assert Image.objects.get().tags


@pytest.mark.parametrize("word", ["हिन्दी", "ที่นี่", "q\u0303a", "عَرَبِيّ"])
def test_words_with_combining_marks_are_found_whole(word: str) -> None:
    an_image(f"the {word} picture")
    for asked in (word, nfd(word)):
        assert find(SearchQuery.from_params({"q": [f'"{asked}"']})).found == 1


# File names


@pytest.mark.parametrize("on_disk", ["NFC", "NFD"])
@pytest.mark.parametrize("in_table", ["NFC", "NFD"])
def test_a_table_names_files_in_either_form(tmp_path: Path, on_disk: Any, in_table: Any) -> None:
    names = ["제주도/바다 é.jpg", "Zürich/plain.jpg", "é ü.jpg"]
    for name in names:
        write_picture(tmp_path / unicodedata.normalize(on_disk, name))
    rows = [json.dumps({"path": unicodedata.normalize(in_table, name), "title": name}) for name in names]
    (tmp_path / "table.jsonl").write_text("\n".join(rows))

    table = read_metadata(tmp_path / "table.jsonl", [])

    assert table.missing == []
    assert {str(path.relative_to(tmp_path)): details.title for path, details in table.details.items()} == {
        unicodedata.normalize(on_disk, name): name for name in names
    }


def test_a_folder_is_named_in_either_form(tmp_path: Path) -> None:
    write_picture(tmp_path / nfd("제주도") / "a.jpg")
    for spelled in ("제주도", nfd("제주도"), "제주도/a.jpg"):
        source = open_source([str(tmp_path / spelled)])
        assert [item.name for item in source] == [str(tmp_path / nfd("제주도") / "a.jpg")]
        assert source.problems == []


@pytest.mark.parametrize(("on_disk", "typed"), [(nfd, str), (str, nfd)], ids=["NFD on disk", "NFD typed"])
def test_globs_match_names_in_either_form(tmp_path: Path, on_disk: Any, typed: Any) -> None:
    for name in ("제주도/바다 1.jpg", "제주도/바다 2.jpg", "제주도/산.jpg"):
        write_picture(tmp_path / on_disk(name))
    rules = Rules(exclude=(typed("바다 ?.jpg"),))
    matched = open_source([str(tmp_path / typed("제주도") / typed("바*.jpg"))])
    kept = open_source([str(tmp_path)], Choices(rules=rules))
    assert [Path(item.name).name for item in matched] == [on_disk("바다 1.jpg"), on_disk("바다 2.jpg")]
    assert [Path(item.name).name for item in kept] == [on_disk("산.jpg")]


def test_a_name_of_mixed_forms_is_found(tmp_path: Path) -> None:
    write_picture(tmp_path / f"é{nfd('é')}.jpg")
    (tmp_path / "table.csv").write_text("path,title\néé.jpg,Both\nü.jpg,None\n", encoding="utf-8")

    table = read_metadata(tmp_path / "table.csv", [])

    assert [details.title for details in table.details.values()] == ["Both"]
    assert table.missing == ["ü.jpg"]


def test_two_files_that_differ_only_in_form_are_distinguished(tmp_path: Path) -> None:
    for name, colour in (("é.jpg", "red"), (nfd("é.jpg"), "blue")):
        write_picture(tmp_path / name, colour)
    (tmp_path / "table.csv").write_text(f"path,title\né.jpg,one\n{nfd('é.jpg')},other\n", encoding="utf-8")

    details = read_metadata(tmp_path / "table.csv", []).details

    assert {path.name: one.title for path, one in details.items()} == {"é.jpg": "one", nfd("é.jpg"): "other"}


# Existing rows


def test_only_stored_text_in_other_forms_is_rewritten(alice: User) -> None:
    wrong, right = an_image("wrong"), an_image(TITLE, tags=["A", "a"], description=" as typed\n")
    Report.objects.create(image=wrong, reason="broken")
    SavedSearch.objects.create(user=alice, name="x")
    ApiToken.issue(alice, "x")
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE search_image SET title = %s, description = %s, tags = %s, licence = %s WHERE id = %s",
            [nfd(TITLE), nfd("é\né"), [nfd(TAG), "sea", TAG, "\x07"], "CC\u00a0BY", wrong.pk],
        )
        cursor.execute("UPDATE search_report SET details = %s", [nfd("é")])
        cursor.execute("UPDATE search_savedsearch SET name = %s", [nfd("é")])
        cursor.execute("UPDATE search_apitoken SET name = %s", ["\x07"])
        cursor.execute("SELECT xmin::text, ctid::text FROM search_image WHERE id = %s", [right.pk])
        before = cursor.fetchall()

        import_module("search.migrations.0009_text_in_nfc").normalise(apps, SimpleNamespace(connection=connection))

        cursor.execute("SELECT xmin::text, ctid::text FROM search_image WHERE id = %s", [right.pk])
        assert cursor.fetchall() == before
    wrong.refresh_from_db()
    assert (wrong.title, wrong.description, wrong.tags, wrong.licence) == (TITLE, "é\né", [TAG, "sea"], "CC BY")
    assert (Report.objects.get().details, SavedSearch.objects.get().name) == ("é", "é")
    assert ApiToken.objects.get().name == "\x07"
    assert titles_found(tag=[TAG]) == [TITLE]
