"""The history of bulk changes, and undoing them."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import connection, transaction

from search.curation import (
    AddToAlbum,
    Describe,
    Hide,
    Restore,
    Show,
    Tag,
    Trash,
    Undone,
    Untag,
    bulk_changes,
    change,
    delete_album,
    undo,
)
from search.curation.metadata_import import note_edits
from search.ingestion.metadata_rereading import edited_fields
from search.models import Album, Capture, Edit, Image, Revision, Trashed
from tests.base import an_image, in_another_thread, many_images

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada() -> User:
    return User.objects.create_user("ada")


@pytest.fixture
def bob() -> User:
    return User.objects.create_user("bob")


def fresh(image: Image) -> Image:
    return Image.objects.get(pk=image.pk)


def test_a_revision_records_user_change_search_and_count(ada):
    one, two = an_image("One", tags=["Sea"]), an_image("Two")
    made = change([one.pk, two.pk], Tag(["sea", "evening"]), by=ada, door="page", search="q=pizza")
    kept = Revision.objects.get(pk=made.pk)
    assert (kept.kind, kept.by, kept.door, kept.search, kept.count) == ("tag", ada, "page", "q=pizza", 2)
    assert (kept.given, kept.fields) == ({"tags": ["sea", "evening"]}, ["tags"])
    edit = Edit.objects.get(revision=made, image=one)
    assert (edit.before["tags"], edit.after["tags"]) == (["Sea"], ["Sea", "evening"])


def test_a_change_without_effect_leaves_no_revision(ada):
    image = an_image(tags=["sea"], hidden=True)
    for same in (Tag(["Sea"]), Untag(["boat"]), Hide(), Restore(), Describe({"title": ""})):
        made = change([image.pk], same, by=ada)
        assert (made.pk, made.count) == (None, 0)
    assert not Revision.objects.exists()


@pytest.mark.parametrize(
    ("done", "before", "after"),
    [
        (Tag(["sea"]), {"tags": ["a"]}, {"tags": ["a", "sea"]}),
        (Untag(["A"]), {"tags": ["a", "b"]}, {"tags": ["b"]}),
        (Hide(), {"hidden": False}, {"hidden": True}),
        (Show(), {"hidden": True}, {"hidden": False}),
        (
            Describe({"title": " A  boat ", "licence": "CC0", "source_link": "https://example.org/"}),
            {"title": "old", "licence": "", "source_link": ""},
            {"title": "A boat", "licence": "CC0", "source_link": "https://example.org/"},
        ),
    ],
)
def test_each_change_can_be_undone_and_redone(ada, done, before, after):
    image = an_image(**{"title": "x", **before})

    def now() -> dict[str, Any]:
        return {name: getattr(fresh(image), name) for name in before}

    made = change([image.pk], done, by=ada)
    assert now() == after
    undone = undo(made, by=ada)
    assert (now(), undone.count, undone.kept) == (before, 1, ())
    again = undo(undone.revision, by=ada)
    assert (now(), again.count) == (after, 1)
    made.refresh_from_db()
    assert made.undone_by is None
    assert undo(made, by=ada).count == 1
    assert now() == before


def test_changes_of_captures_can_be_undone(ada):
    image, other = an_image(), an_image()
    Capture.objects.create(image=image, taken="2020-01-02T03:04", taken_offset=60, taken_from="camera", rating=2)
    made = change(
        [image.pk, other.pk],
        Describe({"taken": "1999-12-31T23:59", "taken_offset": None, "rating": 5, "latitude": 1.5, "longitude": 2}),
        by=ada,
    )
    columns = ("taken", "taken_offset", "taken_from", "rating", "latitude", "longitude", "edited")
    for each in (image, other):
        (found,) = Capture.objects.filter(pk=each.pk).values_list(*columns)
        assert (found[0].isoformat(), *found[1:]) == (
            *("1999-12-31T23:59:00", None, "person", 5, 1.5, 2.0),
            ["latitude", "rating", "taken"],
        )
    undo(made, by=ada)
    (found,) = Capture.objects.filter(pk=image.pk).values_list(*columns)
    assert (found[0].isoformat(), *found[1:]) == ("2020-01-02T03:04:00", 60, "camera", 2, None, None, [])
    (found,) = Capture.objects.filter(pk=other.pk).values_list(*columns)
    assert found == (None, None, "", None, None, None, [])


@pytest.mark.parametrize(
    "wrong",
    [
        {"title": "x" * 301},
        {"source_link": "javascript:alert(1)"},
        {"rating": 6},
        {"latitude": 91, "longitude": 0},
        {"latitude": 5},
        {"taken": "yesterday"},
        {"embedding": 1},
        {"hidden": True},
    ],
)
def test_invalid_details_are_refused_by_field(wrong):
    with pytest.raises(ValidationError) as problem:
        Describe(wrong)
    assert set(problem.value.message_dict) <= set(wrong)


def test_undo_restores_which_fields_were_edited(ada):
    read, edited = an_image(tags=["read"]), an_image(tags=["typed"])
    note_edits([edited.pk], ["tags"])
    made = change([read.pk, edited.pk], Tag(["sea"]), by=ada)
    assert edited_fields([read.pk, edited.pk]) == {read.pk: {"tags"}, edited.pk: {"tags"}}
    undone = undo(made, by=ada)
    assert edited_fields([read.pk, edited.pk]) == {read.pk: set(), edited.pk: {"tags"}}
    undo(undone.revision, by=ada)
    assert edited_fields([read.pk])[read.pk] == {"tags"}


def test_undo_keeps_later_changes_of_the_same_field_unless_included(ada, bob):
    images = many_images(3)
    keys = [image.pk for image in images]
    made = change(keys, Tag(["sea"]), by=ada)
    change(keys[:1], Tag(["boat"]), by=bob)
    change(keys[1:2], Describe({"title": "Another field"}), by=bob)

    undone = undo(made, by=ada)
    assert (undone.count, undone.kept) == (2, (("bob", 1),))
    assert fresh(images[0]).tags == ["sea", "boat"]
    assert (fresh(images[1]).tags, fresh(images[1]).title) == ([], "Another field")

    rest = undo(made, by=ada, also_later=True)
    assert (rest.count, rest.kept, fresh(images[0]).tags) == (1, (), [])


def test_undo_keeps_changes_without_a_revision(ada):
    image = an_image()
    made = change([image.pk], Describe({"title": "Boat"}), by=ada)
    Image.objects.filter(pk=image.pk).update(title="By a script")
    undone = undo(made, by=ada)
    assert (undone.revision.pk, undone.kept, fresh(image).title) == (None, (("", 1),), "By a script")


def test_a_revision_can_not_be_undone_twice(ada, bob):
    image = an_image()
    made = change([image.pk], Tag(["sea"]), by=ada)
    undo(made, by=ada)
    change([image.pk], Tag(["sea"]), by=bob)
    late = undo(made, by=bob)
    assert (late.was_undone, late.count, fresh(image).tags) == (True, 0, ["sea"])


def _waiting_for_locks() -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_stat_clear_snapshot()"
        )  # otherwise a transaction sees the same statistics all the time
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        )
        (count,) = cursor.fetchone()
    return int(count)


@pytest.mark.parametrize("what", ["pictures", "an album"])
@pytest.mark.django_db(transaction=True)
def test_of_two_concurrent_undos_of_a_revision_only_one_succeeds(what, ada, bob):
    images = [an_image(f"{number}") for number in range(3)]
    album = Album.objects.create(title="Summer", owner=ada)
    change([image.pk for image in images], AddToAlbum(album))
    made = change([image.pk for image in images], Tag(["sea"]), by=ada)
    if what == "an album":
        made = delete_album(album, by=ada)
    told: list[Undone] = []

    with transaction.atomic():  # both undos wait for these locks
        list(Image.objects.select_for_update().order_by("pk"))
        list(Album.objects.select_for_update())
        both = [in_another_thread(lambda one=one: told.append(undo(made, by=one))) for one in (ada, bob)]
        while _waiting_for_locks() < 2:
            assert any(thread.is_alive() for thread in both)
    for thread in both:
        thread.join(60)

    assert sorted(one.was_undone for one in told) == [False, True]
    assert [one.count for one in told if one.was_undone] == [0]
    assert Revision.objects.filter(kind="undo", undoes_id=made.pk).count() == 1
    assert Edit.objects.filter(revision__kind="undo").count() == (3 if what == "pictures" else 0)
    assert [fresh(image).tags for image in images] == [[] if what == "pictures" else ["sea"]] * 3
    assert (Album.objects.get().deleted, Album.objects.get().entries.count()) == (None, 3)


def test_undo_restores_both_coordinates_or_none(ada, bob):
    image = an_image()
    Capture.objects.create(image=image, latitude=10, longitude=20)
    moved = change([image.pk], Describe({"latitude": 11, "longitude": 20}), by=ada)
    change([image.pk], Describe({"latitude": None, "longitude": None}), by=bob)
    assert undo(moved, by=ada).kept == (("bob", 1),)
    undo(moved, by=ada, also_later=True)
    assert Capture.objects.filter(pk=image.pk, latitude=10, longitude=20).exists()


def test_country_and_town_follow_changed_coordinates(ada):
    images = [an_image(), an_image()]
    ids = [image.pk for image in images]

    def towns() -> set[str]:
        return set(Capture.objects.filter(pk__in=ids).values_list("place__town", flat=True))

    change(ids, Describe({"latitude": 37.5665, "longitude": 126.978}), by=ada)
    moved = change(ids, Describe({"latitude": 35.1796, "longitude": 129.0756}), by=ada)
    assert towns() == {"Busan"}
    undo(moved, by=ada)
    assert towns() == {"Seoul"}


def test_an_image_with_the_maximum_of_tags_is_skipped_and_counted(ada):
    full, other = an_image(tags=[str(number) for number in range(50)]), an_image()
    made = change([full.pk, other.pk], Tag(["sea"]), by=ada)
    assert (made.full, made.count, len(fresh(full).tags)) == (1, 1, 50)


def test_thousands_are_changed_and_restored_with_few_queries(ada, monkeypatch, django_assert_max_num_queries):
    monkeypatch.setattr(bulk_changes, "AT_ONCE", 500)
    many_images(1_200, tags=lambda number: [f"kind {number % 3}"])
    with django_assert_max_num_queries(60):
        made = change(Image.objects.all(), Tag(["sea"]), by=ada)
    assert made.count == Image.objects.filter(tags__contains=["sea"]).count() == 1_200
    with django_assert_max_num_queries(70):
        assert undo(made, by=ada).count == 1_200
    assert not Image.objects.filter(tags__contains=["sea"]).exists()


def test_a_trashed_image_stays_hidden_and_is_restored_with_its_visibility(ada):
    shown, hidden = an_image("Visible"), an_image("Hidden", hidden=True)
    keys = [shown.pk, hidden.pk]
    made = change(keys, Trash(), by=ada)
    assert set(Trashed.objects.values_list("image", "by", "was_hidden")) == {
        (shown.pk, ada.pk, False),
        (hidden.pk, ada.pk, True),
    }
    assert change(keys, Show(), by=ada).count == 0
    Image.objects.filter(pk__in=keys).update(hidden=False)
    assert Image.objects.filter(hidden=True).count() == 2
    assert change(keys, Restore(), by=ada).count == 2
    assert not Trashed.objects.exists()
    assert (fresh(shown).hidden, fresh(hidden).hidden) == (False, True)
    assert undo(made, by=ada).count == 0


def test_trashing_can_be_undone_and_redone(ada):
    image = an_image()
    undone = undo(change([image.pk], Trash(), by=ada), by=ada)
    assert (fresh(image).hidden, Trashed.objects.count()) == (False, 0)
    undo(undone.revision, by=ada)
    assert (fresh(image).hidden, Trashed.objects.count()) == (True, 1)


def test_undoing_hide_of_a_trashed_image_takes_effect_when_it_is_restored(ada):
    image = an_image()
    made = change([image.pk], Hide(), by=ada)
    change([image.pk], Trash(), by=ada)
    assert undo(made, by=ada).count == 1
    assert fresh(image).hidden
    change([image.pk], Restore(), by=ada)
    assert not fresh(image).hidden


def test_without_a_trash_images_are_deleted_at_once(ada, settings):
    settings.TRASH_DAYS = 0
    image = an_image()
    made = change([image.pk], Trash(), by=ada)
    assert (made.pk, made.count) == (None, 1)
    assert not Image.objects.exists()


def test_undo_reports_the_number_of_deleted_images(ada):
    one, two = an_image(), an_image()
    made = change([one.pk, two.pk], Tag(["sea"]), by=ada)
    one.delete()
    undone = undo(made, by=ada)
    assert (undone.count, undone.gone) == (1, 1)
