"""Bulk actions of curators."""

from typing import Any

import pytest
from django.contrib.admin.models import DELETION, LogEntry
from django.contrib.auth.models import Permission
from django.db import connection
from django.urls import reverse

from search.curation import bulk_changes, snapshots
from search.models import Image, OwedDeletion, Report, Revision, Tombstone, Trashed
from search.objects import storage
from tests.admin_pages import IMAGES, act, said
from tests.base import an_image, many_images, stored_image

pytestmark = pytest.mark.django_db


def change_page(image: Image) -> str:
    return reverse("admin:search_image_change", args=[image.pk])


# Bulk actions


def test_a_curator_hides_pictures_in_bulk_and_shows_them_again(as_carol):
    one, two, other = an_image("One"), an_image("Two"), an_image("Other")
    assert "2 pictures are now hidden" in said(act(as_carol, "hide", one, two))
    assert set(Image.objects.filter(hidden=True)) == {one, two}
    assert "1 picture is now visible" in said(act(as_carol, "show", one, other))
    assert set(Image.objects.filter(hidden=True)) == {two}


def test_a_bulk_action_appears_in_the_history_of_each_picture(as_carol, carol):
    images = [an_image("One"), an_image("Two")]
    act(as_carol, "hide", *images)
    revision = Revision.objects.get(by=carol)
    assert {edit.image_id for edit in revision.edits.all()} == {image.pk for image in images}
    assert [entry.object_id for entry in LogEntry.objects.filter(user=carol)] == [str(revision.pk)]
    assert "carol" in as_carol.get(change_page(images[0]).replace("change", "history")).content.decode()


def test_a_curator_adds_tags_in_bulk_without_duplicates(as_carol):
    one, two = an_image("One", tags=["Sea"]), an_image("Two")
    response = act(as_carol, "add_tags", one, two, tags=" sea , 저녁  빛,sea")
    assert "tags of 2 pictures" in said(response)
    one.refresh_from_db()
    two.refresh_from_db()
    assert (one.tags, two.tags) == (["Sea", "저녁 빛"], ["sea", "저녁 빛"])


def test_a_curator_removes_tags_in_bulk(as_carol):
    image = an_image("One", tags=["Sea", "evening"])
    updated = image.updated
    act(as_carol, "remove_tags", image, tags="sea")
    image.refresh_from_db()
    assert image.tags == ["evening"]
    assert image.updated > updated


@pytest.mark.parametrize(
    ("tags", "problem"),
    [
        ("", "Enter the tags"),
        (" , ", "Enter the tags"),
        ("x" * 61, "at most 60"),
        ("a\0b", "Null"),
        (",".join(map(str, range(51))), "at most 50"),
    ],
)
def test_invalid_tags_show_an_error_and_change_nothing(as_carol, tags, problem):
    image = an_image("One", tags=["sea"])
    assert problem in said(act(as_carol, "add_tags", image, tags=tags))
    image.refresh_from_db()
    assert image.tags == ["sea"]


def test_a_picture_with_the_maximum_of_tags_is_left_unchanged(as_carol):
    full, other = an_image(tags=[str(number) for number in range(50)]), an_image()
    assert "50 tags: 1" in said(act(as_carol, "add_tags", full, other, tags="sea"))
    full.refresh_from_db()
    other.refresh_from_db()
    assert (len(full.tags), other.tags) == (50, ["sea"])


def test_thousands_of_pictures_are_changed_with_few_queries(as_carol, carol, django_assert_max_num_queries):
    images = many_images(1_200, tags=lambda number: [f"kind {number % 3}"])
    before = Image.objects.latest("updated").updated
    for action, more, told in (
        ("hide", {}, "1,200 pictures are now hidden"),
        ("show", {}, "1,200 pictures are now visible"),
        ("add_tags", {"tags": "sea, Kind 1"}, "tags of 1,200 pictures"),
        ("remove_tags", {"tags": "kind 1"}, "tags of 1,200 pictures"),
    ):
        with django_assert_max_num_queries(80):
            assert told in said(act(as_carol, action, images[0], select_across="1", **more))
    assert not Image.objects.filter(hidden=True).exists()
    tags = {tuple(tags) for tags in Image.objects.values_list("tags", flat=True)}
    assert tags == {("kind 0", "sea"), ("kind 2", "sea"), ("sea",)}
    assert Image.objects.filter(updated__gt=before).count() == 1_200
    assert list(Revision.objects.filter(by=carol).values_list("count", flat=True)) == [1_200] * 4


@pytest.mark.parametrize(
    ("action", "told"),
    [("hide", "5 pictures are now hidden"), ("add_tags", "The tags of 5 pictures were changed")],
)
def test_one_message_reports_the_pictures_of_all_batches(as_carol, monkeypatch, action, told):
    monkeypatch.setattr(bulk_changes, "AT_ONCE", 2)
    images = many_images(5, tags=lambda number: [str(number)])
    other = an_image("Other", tags=["other"])
    assert told in said(act(as_carol, action, *images, tags="sea"))
    changed = (
        Image.objects.filter(tags__contains=["sea"]) if action == "add_tags" else Image.objects.filter(hidden=True)
    )
    assert {image.pk for image in changed} == {image.pk for image in images}
    assert Revision.objects.get().count == 5
    other.refresh_from_db()
    assert (other.tags, other.hidden) == (["other"], False)


@pytest.mark.parametrize("batches_before", [0, 1])
def test_a_locked_row_stops_its_batch_but_not_the_batches_before_it(as_carol, monkeypatch, batches_before):
    monkeypatch.setattr(bulk_changes, "AT_ONCE", 2)
    images = sorted(many_images(5), key=lambda image: image.pk)
    held, locked_values = images[2 * batches_before].pk, snapshots.locked_values

    def locked(rows, *fields):
        if rows.filter(pk=held).exists():
            with connection.cursor() as cursor:
                cursor.execute("DO $$ BEGIN RAISE EXCEPTION 'made up' USING ERRCODE = '55P03'; END $$")
        return locked_values(rows, *fields)

    monkeypatch.setattr(snapshots, "locked_values", locked)
    answer = said(act(as_carol, "hide", *images))

    assert set(Image.objects.filter(hidden=True)) == set(images[: 2 * batches_before])
    assert ("Repeat this for them in a moment" in answer) == bool(batches_before)
    assert ("2 pictures are now hidden" in answer) == bool(batches_before)
    assert ("Nothing was changed" in answer) == (not batches_before)


# Deletion


@pytest.fixture
def no_trash(settings) -> None:
    settings.TRASH_DAYS = 0


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("no_trash")
def test_deleting_in_bulk_asks_for_confirmation_then_removes_rows_and_objects(as_carol):
    images = [stored_image(title="One"), stored_image(title="Two")]
    Report.objects.create(image=images[0], reason="other")
    page = act(as_carol, "delete_selected", *images)
    assert "Delete these 2 pictures" in page.content.decode()
    assert f'name="expected" value="{digest_of(page)}"' in page.content.decode()
    assert Image.objects.count() == 2
    response = act(as_carol, "delete_selected", *images, post="yes", expected=digest_of(page))
    assert "2 pictures were deleted permanently" in said(response)
    assert not Image.objects.exists()
    assert not Report.objects.exists()
    assert not OwedDeletion.objects.exists()
    with pytest.raises(storage.MissingObject):
        storage.read(storage.original_key(images[0].pk))


@pytest.mark.usefixtures("no_trash")
def test_many_pictures_are_deleted_with_few_queries(as_carol, carol, django_assert_max_num_queries):
    images = many_images(500)
    Report.objects.create(image=images[7], reason="other")
    expected = digest_of(act(as_carol, "delete_selected", images[0], select_across="1"))
    with django_assert_max_num_queries(100):
        act(as_carol, "delete_selected", images[0], select_across="1", post="yes", expected=expected)
    assert not Image.objects.exists()
    assert not Report.objects.exists()
    for rows in (OwedDeletion, Tombstone):
        assert rows.objects.count() == 500
    assert LogEntry.objects.filter(user=carol, action_flag=DELETION).count() == 500


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("no_trash")
def test_deleting_one_picture_removes_its_objects(as_carol):
    image = stored_image(title="One")
    as_carol.post(reverse("admin:search_image_delete", args=[image.pk]), {"post": "yes"})
    assert not Image.objects.exists()
    with pytest.raises(storage.MissingObject):
        storage.read(storage.original_key(image.pk))


@pytest.mark.usefixtures("no_trash")
def test_the_confirmation_page_shows_only_some_of_many_pictures(as_carol):
    images = [an_image(f"Picture {number}") for number in range(60)]
    for image in images[:30]:
        Report.objects.create(image=image, reason="other")
    page = act(as_carol, "delete_selected", images[0], select_across="1").content.decode()
    assert page.count("<img") == 20
    assert "… and 40 more." in page
    assert page.count('name="_selected_action"') == 1
    assert "Delete these 60 pictures" in page


def digest_of(page: Any) -> str:
    """The digest of the pictures that the confirmation page asked about; its form sends it back."""
    return page.context["digest"]


@pytest.mark.usefixtures("no_trash")
def test_nothing_is_deleted_if_the_list_has_changed_since_the_confirmation_page(as_carol):
    image = an_image("One")
    expected = digest_of(act(as_carol, "delete_selected", image, select_across="1"))
    an_image("Come meanwhile")
    answer = act(as_carol, "delete_selected", image, select_across="1", post="yes", expected=expected)
    assert "list has changed" in said(answer)
    assert "Delete these 2 pictures" in answer.content.decode()
    assert Image.objects.count() == 2


@pytest.mark.parametrize("across", [{"select_across": "1"}, {}])
@pytest.mark.usefixtures("no_trash")
def test_a_changed_list_of_the_same_length_is_confirmed_again(as_carol, across):
    images = [an_image("One", tags=["sea"]) for _ in range(3)]
    where = f"{IMAGES}?tag=sea"
    expected = digest_of(act(as_carol, "delete_selected", *images, where=where, **across))
    Image.objects.filter(pk=images[0].pk).update(tags=[])
    other = an_image("Come meanwhile", tags=["sea"])
    answer = act(as_carol, "delete_selected", *images, where=where, post="yes", expected=expected, **across)
    assert "list has changed" in said(answer)
    assert Image.objects.count() == 4

    expected = digest_of(answer)
    act(as_carol, "delete_selected", *images, where=where, post="yes", expected=expected, **across)
    left = {images[0], other} if not across else {images[0]}
    assert set(Image.objects.all()) == left


@pytest.mark.usefixtures("no_trash")
def test_a_whole_list_is_not_deleted_without_the_digest_of_the_confirmation(as_carol):
    image = an_image("One")
    answer = act(as_carol, "delete_selected", image, select_across="1", post="yes", expected="1")
    assert "Delete this picture permanently?" in answer.content.decode()
    act(as_carol, "delete_selected", image, select_across="1", post="yes")
    assert Image.objects.count() == 1


def test_pictures_deleted_before_the_confirmation_are_reported(as_carol):
    image = an_image("One")
    expected = digest_of(act(as_carol, "delete_selected", image))
    Image.objects.all().delete()
    assert "list has changed" in said(act(as_carol, "delete_selected", image, post="yes", expected=expected))


@pytest.mark.parametrize(
    ("action", "more", "before", "told"),
    [
        ("hide", {}, {}, "Hidden"),
        ("show", {}, {"hidden": True}, "Visible"),
        ("add_tags", {"tags": "sea"}, {}, "Tags added: sea"),
        ("remove_tags", {"tags": "sea"}, {"tags": ["sea"]}, "Tags removed: sea"),
        ("delete_selected", {"post": "yes"}, {}, "Moved to the trash"),
    ],
)
def test_the_message_of_every_action_has_an_undo_button(as_carol, carol, action, more, before, told):
    image = an_image("One", **{"hidden": False, **before})
    answer = act(as_carol, action, image, **more)
    revision = Revision.objects.get(by=carol)
    assert str(revision) == told
    undo = reverse("admin:search_revision_undo", args=[revision.pk])
    assert f'formaction="{undo}"' in answer.content.decode()

    answer = as_carol.post(undo, follow=True, headers={"referer": f"http://testserver{IMAGES}?hidden=no"})
    assert "1 picture was reverted" in said(answer)
    assert answer.redirect_chain[0][0] == f"{IMAGES}?hidden=no"
    image.refresh_from_db()
    assert (image.hidden, image.tags) == (before.get("hidden", False), before.get("tags", []))
    assert not Trashed.objects.exists()


@pytest.mark.usefixtures("no_trash")
def test_the_history_keeps_who_deleted_a_picture_permanently(as_carol, carol):
    image = an_image("One")
    act(as_carol, "delete_selected", image, post="yes")
    [entry] = LogEntry.objects.filter(user=carol, object_id=str(image.pk))
    assert entry.is_deletion()
    assert entry.object_repr == "One"


@pytest.mark.usefixtures("no_trash")
def test_permission_to_delete_pictures_covers_their_reports(carol, as_carol):
    carol.user_permissions.set(Permission.objects.filter(codename__in=["view_image", "delete_image"]))
    image = an_image("One")
    Report.objects.create(image=image, reason="other")
    as_carol.post(reverse("admin:search_image_delete", args=[image.pk]), {"post": "yes"})
    assert not Image.objects.exists()
