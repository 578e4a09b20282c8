"""The pages of tags: the overview, the grid of one tag's suggestions, and editing the vocabulary."""

import numpy as np
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from search import curation
from search.models import Image, Revision, TagSuggestion, VocabularyTag
from search.tagging.suggesting import suggest
from search.tagging.vocabulary_tables import starting_rows
from tests.admin_pages import log_in_staff, said
from tests.base import a_vector, an_image, near
from tests.test_tag_suggestions import FISH, STAR, a_tag, calibrated, like, suggested

pytestmark = pytest.mark.django_db

TAGS = "/admin/search/vocabularytag/"


@pytest.fixture
def star() -> VocabularyTag:
    calibrated()
    return a_tag("star", STAR, korean="별")


@pytest.fixture
def nine(star) -> list[Image]:
    """Nine pictures with a suggested tag, strongest first."""
    pictures = [like(STAR, 0.9 - number / 20, title=str(number)) for number in range(9)]
    suggest()
    return pictures


def page(tag: VocabularyTag) -> str:
    return f"{TAGS}{tag.pk}/suggestions/"


def press(client: Client, tag: VocabularyTag, **button: str):
    """Press a button on the first page, as a form without JavaScript sends it."""
    shown = client.get(page(tag))
    ids = [one.image_id for row in shown.context["rows"] for one in row]
    return client.post(page(tag), {"ids": ids, "seen": shown.context["seen"], **button}, follow=True)


def tagged() -> set[str]:
    return set(Image.objects.filter(tags=["star"]).values_list("title", flat=True))


def test_the_grid_shows_suggestions_in_rows_strongest_first(as_carol, star, nine):
    rows = as_carol.get(page(star)).context["rows"]
    assert [[one.image.title for one in row] for row in rows] == [list("012345"), list("678")]


@pytest.mark.parametrize(
    ("button", "expected"),
    [
        ("{3}", {"3"}),
        ("row-0", set("012345")),
        ("row-1", set("678")),
        ("page", set("012345678")),
        ("to-{4}", set("01234")),
    ],
)
def test_a_suggestion_a_row_a_page_or_all_down_to_one_can_be_accepted(as_carol, star, nine, button, expected):
    value = button.format(*(picture.pk for picture in nine))
    response = press(as_carol, star, accept=value)
    assert tagged() == expected
    assert f"{len(expected)} picture" in said(response)
    assert len(suggested(star)) == 9 - len(expected)


def test_all_down_to_one_covers_earlier_pages_but_not_newer_suggestions(as_carol, star, monkeypatch):
    for number in range(70):
        like(STAR, 0.9 - number / 200, title=str(number))
    suggest()
    shown = as_carol.get(f"{page(star)}?page=2")
    last = shown.context["rows"][-1][-1]
    later = like(STAR, 0.95, title="later")
    suggest()
    as_carol.post(page(star), {"accept": f"to-{last.image_id}", "seen": shown.context["seen"]})
    assert tagged() == {str(number) for number in range(70)}
    assert suggested(star) == [later]


def test_the_message_has_a_button_that_undoes_accepting(as_carol, star, nine):
    response = press(as_carol, star, accept="page")
    assert 'class="undo"' in said(response)
    revision = Revision.objects.get()
    as_carol.post(f"/admin/search/revision/{revision.pk}/undo/")
    assert tagged() == set()
    assert len(suggested(star)) == 9


def test_rejected_suggestions_leave_the_grid_and_can_be_restored(as_carol, star, nine):
    response = press(as_carol, star, reject="row-1")
    assert "3 pictures" in said(response)
    moment = TagSuggestion.objects.filter(state="rejected").first().decided.isoformat()
    assert moment.replace("+", "&#x2B;") in said(response) or moment in said(response)
    shown = as_carol.get(f"{page(star)}?state=rejected")
    assert {one.image.title for row in shown.context["rows"] for one in row} == set("678")
    as_carol.post(f"{TAGS}{star.pk}/take-back/", {"image": nine[8].pk})
    assert TagSuggestion.objects.filter(state="rejected").count() == 2
    as_carol.post(f"{TAGS}{star.pk}/take-back/", {"moment": moment})
    assert not TagSuggestion.objects.filter(state="rejected").exists()
    assert tagged() == set()


def test_a_script_gets_the_message_and_the_number_of_pending_suggestions(as_carol, star, nine):
    response = as_carol.post(page(star), {"reject": nine[8].pk}, headers={"Accept": "application/json"})
    answer = response.json()
    assert answer["waiting"] == len(suggested(star))
    assert 'class="undo"' in answer["told"]
    response = as_carol.post(page(star), {"accept": "x"}, headers={"Accept": "application/json"})
    assert response.status_code == 400


def test_deciding_the_last_suggestion_opens_the_next_tag(as_carol, star, nine):
    fish = a_tag("fish", FISH)
    suggest(again=True)
    assert len(suggested(fish)) == 0
    like(FISH, 0.8)
    suggest()
    assert "star" in press(as_carol, star, accept=str(nine[0].pk)).context["title"]
    response = press(as_carol, star, accept="page")
    assert "fish" in response.context["title"]
    assert "“star” was added to 8 pictures" in said(response)
    answer = as_carol.post(
        page(fish), {"reject": suggested(fish)[0].pk}, headers={"Accept": "application/json"}
    ).json()
    assert (answer["waiting"], answer["next"]) == (0, page(fish)), "none is left: it stays"


@pytest.mark.parametrize(
    "sent",
    [
        {},
        {"accept": "row-99999999"},
        {"accept": "row-x"},
        {"accept": "to-x"},
        {"reject": "\0"},
        {"accept": "page", "ids": ["x", "\0"]},
        {"accept": "to-00000000-0000-8000-8000-000000000000", "seen": "soon"},
        {"accept": "page", "seen": "9999-99-99"},
    ],
)
def test_invalid_input_shows_a_message(as_carol, star, nine, sent):
    response = as_carol.post(page(star), sent, follow=True)
    assert response.status_code == 200
    assert said(response)
    assert tagged() == set()


@pytest.mark.parametrize("query", ["?page=x", "?page=99", "?size=7", "?state=x", "?state=rejected&page=-1"])
def test_invalid_parameters_of_the_grid_show_a_page(as_carol, star, nine, query):
    assert as_carol.get(page(star) + query).status_code == 200


def test_the_pages_need_permission_to_change_pictures(client, star):
    log_in_staff(client, "view_image", "delete_image")
    for address in (TAGS, page(star), f"{TAGS}{star.pk}/merge/", f"{TAGS}vocabulary.csv", f"{TAGS}import/"):
        assert client.get(address).status_code == 403, address
    for address in (page(star), f"{TAGS}{star.pk}/take-back/", f"{TAGS}start/", f"{TAGS}{star.pk}/change/"):
        assert client.post(address).status_code == 403, address


def test_the_pages_of_a_deleted_tag_are_404(as_carol):
    for rest in ("suggestions/", "merge/", "change/"):
        assert as_carol.get(f"{TAGS}999/{rest}", follow=True).status_code in (200, 404)
    assert as_carol.get(f"{TAGS}{10**30}/suggestions/").status_code == 404
    assert as_carol.get(f"{TAGS}{10**30}/merge/").status_code == 404


def test_the_overview_counts_pictures_and_suggestions_also_of_tags_outside_the_vocabulary(as_carol, star, nine):
    comet = VocabularyTag.objects.create(name="comet", parent=star)
    an_image(tags=["comet", "star"])
    an_image(tags=["own"], hidden=True)
    gone = an_image(tags=["own"])
    curation.change([gone.pk], curation.Trash())
    curation.change([nine[0].pk], curation.Trash())
    rows = {row.name: row for row in as_carol.get(TAGS).context["rows"]}
    assert {name: (row.waiting, row.pictures) for name, row in rows.items()} == {
        "star": (8, 1),
        "comet": (0, 1),
        "own": (0, 1),
    }
    assert (rows["comet"].tag, rows["own"].tag) == (comet, None)
    assert [row.name for row in as_carol.get(f"{TAGS}?q=별").context["rows"]] == ["star"]
    assert [row.name for row in as_carol.get(f"{TAGS}?sort=name").context["rows"]] == ["comet", "own", "star"]
    for query in ("?q=%00", "?sort=x", "?page=x", "?q=" + "x" * 500):
        assert as_carol.get(TAGS + query).status_code == 200


def test_a_button_fills_an_empty_vocabulary(as_carol):
    assert b"start/" in as_carol.get(TAGS).content
    response = as_carol.post(f"{TAGS}start/", follow=True)
    assert VocabularyTag.objects.count() == len(starting_rows())
    assert "tags were added" in said(response)
    assert as_carol.get(f"{TAGS}start/").status_code == 405


def form_of(tag: VocabularyTag, **changes: str) -> dict[str, str]:
    values = {name: getattr(tag, name) for name in ("name", "english", "korean", "phrase")}
    return {**values, "aliases": ", ".join(tag.aliases), "parent": tag.parent_id or "", **changes}


def test_changing_the_name_renames_the_tag_of_all_pictures(as_carol, star):
    an_image("one", tags=["star"])
    response = as_carol.post(f"{TAGS}{star.pk}/change/", form_of(star, name="sun", aliases="sol"), follow=True)
    assert list(Image.objects.values_list("tags", flat=True)) == [["sun"]]
    star.refresh_from_db()
    assert (star.name, star.aliases) == ("sun", ["star", "sol"])
    assert "The tag was renamed in 1 picture" in said(response)
    assert 'class="undo"' in said(response)


def test_a_taken_or_invalid_name_shows_an_error_at_its_field(as_carol, star):
    VocabularyTag.objects.create(name="moon")
    response = as_carol.post(f"{TAGS}{star.pk}/change/", form_of(star, name="Moon"))
    assert "already" in str(response.context["adminform"].form.errors["name"])
    response = as_carol.post(f"{TAGS}add/", form_of(VocabularyTag(name="comet"), aliases="x, STAR"))
    assert "aliases" in response.context["adminform"].form.errors
    response = as_carol.post(f"{TAGS}add/", form_of(VocabularyTag(name="a, b"), aliases="x" * 61))
    assert set(response.context["adminform"].form.errors) == {"name", "aliases"}
    as_carol.post(f"{TAGS}add/", form_of(VocabularyTag(name="comet"), aliases="a, b", parent=str(star.pk)))
    assert VocabularyTag.objects.get(name="comet").parent == star


def test_a_tag_is_merged_into_another_given_by_any_of_its_names(as_carol, star):
    sun = VocabularyTag.objects.create(name="sun", korean="태양")
    an_image(tags=["star"])
    merging = f"{TAGS}{star.pk}/merge/"
    assert as_carol.get(merging).status_code == 200
    for wrong in ("nothing", "별", ""):
        assert as_carol.post(merging, {"into": wrong}).status_code == 400
    response = as_carol.post(merging, {"into": "태양"}, follow=True)
    assert response.context["original"] == sun
    assert list(Image.objects.values_list("tags", flat=True)) == [["sun"]]
    assert set(VocabularyTag.objects.get().aliases) == {"star", "별"}


def test_deleting_a_vocabulary_tag_keeps_the_tags_of_pictures(as_carol, star, nine):
    an_image(tags=["star"])
    assert b"Pictures keep the tag" in as_carol.get(f"{TAGS}{star.pk}/delete/").content
    as_carol.post(f"{TAGS}{star.pk}/delete/", {"post": "yes"})
    assert not VocabularyTag.objects.exists()
    assert Image.objects.filter(tags=["star"]).count() == 1


def test_the_vocabulary_is_exported_and_imported_as_csv(as_carol, star):
    exported = as_carol.get(f"{TAGS}vocabulary.csv")
    assert exported.content.decode("utf-8-sig").splitlines()[1] == "star,,별,a star,,"
    table = SimpleUploadedFile("tags.csv", b"name,phrase\ncomet,a comet\n,x\n")
    response = as_carol.post(f"{TAGS}import/", {"table": table}, follow=True)
    assert VocabularyTag.objects.filter(name="comet", phrase="a comet").exists()
    assert "contains no tag name" in said(response)
    for data in (b"a,b\n1,2\n", b"", b"\x89PNG\r\n\x1a\n\0\0"):
        refused = as_carol.post(f"{TAGS}import/", {"table": SimpleUploadedFile("tags.csv", data)})
        assert refused.status_code == 400


def test_curators_decide_suggestions_on_the_page_of_a_picture(as_carol, as_alice, star):
    picture = like(STAR, 0.6)
    suggest()
    page_of = picture.get_absolute_url()
    deciding = f"{page_of}tags"
    assert b"Suggested tags" in as_carol.get(page_of).content
    assert b"Suggested tags" not in as_alice.get(page_of).content
    assert as_alice.post(deciding, {"accept": star.pk}).status_code == 403
    as_carol.post(deciding, {"reject": star.pk})
    assert b"Rejected tags" in as_carol.get(page_of).content
    as_carol.post(deciding, {"again": star.pk})
    response = as_carol.post(deciding, {"accept": star.pk}, follow=True)
    assert "Tagged “star”" in said(response)
    picture.refresh_from_db()
    assert picture.tags == ["star"]
    assert Revision.objects.get().door == Revision.Door.PAGE
    for wrong in ({}, {"accept": "x"}, {"reject": "9" * 30}, {"again": ""}):
        assert as_carol.post(deciding, wrong).status_code == 404
    assert as_carol.get(deciding).status_code == 302


def test_suggested_tags_are_ordered_by_how_far_they_stand_out(as_carol, star):
    weak = a_tag("weak", a_vector(7))
    vector = near(STAR, 0.5) + 0.45 * a_vector(7)
    picture = an_image(vector=vector / np.linalg.norm(vector))
    suggest()
    shown = as_carol.get(picture.get_absolute_url()).context["suggested"]
    assert [one.tag for one in shown] == [star, weak]
