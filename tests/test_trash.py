"""Deleted pictures stay in the trash for a while, where no search finds them."""

import datetime as dt
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse
from django.utils import timezone

from search.curation import Tag, Trash, change
from search.models import Edit, Image, OwedDeletion, Report, Revision, Trashed
from search.objects import storage
from search.objects.deletion import deleted_before
from search.state import trash_and_history_retention
from tests.admin_pages import act, log_in_staff, said
from tests.base import an_image, many_images, picture_bytes, picture_file, stored_image, write_picture

pytestmark = pytest.mark.django_db

TRASH = "/admin/search/trashed/"


def trashed(*images: Image, days_ago: float = 0) -> None:
    change([image.pk for image in images], Trash())
    ids = [image.pk for image in images]
    Trashed.objects.filter(pk__in=ids).update(created=timezone.now() - dt.timedelta(days=days_ago))


def test_pictures_in_the_trash_are_visible_nowhere_even_to_curators(as_carol):
    image, other = an_image("Gone boat"), an_image("Boat")
    Report.objects.create(image=image, reason="other")
    trashed(image)
    for address in (
        image.get_absolute_url(),
        reverse("download", args=[image.pk]),
        reverse("admin:search_image_change", args=[image.pk]),
    ):
        assert as_carol.get(address).status_code in (302, 404)
    for address in ("/admin/search/image/?q=boat", "/admin/search/image/?hidden=yes", "/admin/search/report/"):
        assert "Gone boat" not in as_carol.get(address).content.decode()
    assert list(Image.objects.kept()) == list(Image.objects.shown()) == [other]


def test_the_trash_shows_who_deleted_a_picture_and_how_long_it_stays(as_carol, carol, settings):
    settings.TRASH_DAYS = 30
    image = an_image("Gone boat", hidden=True)
    change([image.pk], Trash(), by=carol)
    page = as_carol.get(TRASH).content.decode()
    for word in ("Gone boat", "carol", ">30<", "1 picture,", "Hidden"):
        assert word in page


def test_restored_pictures_keep_everything(as_carol):
    image = an_image("Boat", tags=["sea"])
    Report.objects.create(image=image, reason="other")
    trashed(image)
    answer = act(as_carol, "restore", Trashed.objects.get(), where=TRASH)
    assert "1 picture was restored" in said(answer)
    image.refresh_from_db()
    assert (image.hidden, image.tags, image.reports.count()) == (False, ["sea"], 1)
    assert not Trashed.objects.exists()


def test_the_button_of_a_row_restores_one_picture(as_carol):
    image, other = an_image("Boat"), an_image("Ship")
    trashed(image, other)
    address = reverse("admin:search_trashed_restore", args=[image.pk])
    assert f'formaction="{address}"' in as_carol.get(TRASH).content.decode()
    assert as_carol.get(address).status_code == 405
    answer = as_carol.post(address, follow=True)
    assert "1 picture was restored" in said(answer)
    assert 'class="undo"' in said(answer)
    assert Trashed.objects.get().image == other


def test_permanent_deletion_asks_for_confirmation_and_deletes_the_confirmed_pictures(as_carol, carol):
    images = many_images(3)
    trashed(*images)
    page = act(as_carol, "delete_for_good", *Trashed.objects.all()[:2], where=TRASH)
    text = page.content.decode()
    assert "Delete these 2 pictures permanently" in text
    assert text.count("<img") == 2
    chosen = Trashed.objects.filter(pk__in=page.context["ids"])
    sent = {"post": "yes", "expected": page.context["digest"]}
    answer = act(as_carol, "delete_for_good", *chosen, where=TRASH, **sent)
    assert "2 pictures were deleted permanently" in said(answer)
    assert Image.objects.count() == Trashed.objects.count() == 1
    assert len(deleted_before([image.pk for image in images])) == 2


def test_emptying_the_trash_deletes_the_confirmed_pictures_only(as_carol):
    images = many_images(3)
    trashed(*images[:2])
    page = as_carol.get(f"{TRASH}empty/")
    trashed(images[2])
    sent = {"expected": page.context["digest"]}
    again = as_carol.post(f"{TRASH}empty/", sent)
    assert "3 pictures" in again.content.decode()
    assert Image.objects.count() == 3
    as_carol.post(f"{TRASH}empty/", {"expected": again.context["digest"]})
    assert not Image.objects.exists()
    assert as_carol.get(f"{TRASH}empty/").status_code == 302


@pytest.mark.parametrize("permissions", [["view_image", "change_image"], ["view_image"]])
def test_users_who_may_not_delete_see_no_trash_and_can_not_undo_a_deletion(client, permissions):
    log_in_staff(client, *permissions)
    image = an_image()
    made = change([image.pk], Trash())
    assert client.get(TRASH).status_code == 403
    assert client.get(f"{TRASH}empty/").status_code == 403
    assert client.post(reverse("admin:search_revision_undo", args=[made.pk])).status_code == 403
    assert Trashed.objects.exists()


def test_a_get_request_undoes_nothing(as_carol):
    made = change([an_image().pk], Trash())
    assert as_carol.get(reverse("admin:search_revision_undo", args=[made.pk])).status_code == 405
    assert as_carol.post(reverse("admin:search_revision_undo", args=[made.pk + 1])).status_code == 404


def test_the_history_shows_changes_with_samples_and_is_filtered_by_user(as_carol, carol, alice):
    images = many_images(6)
    change([image.pk for image in images], Tag(["sea"]), by=carol, door="page", search="q=pizza")
    change([images[0].pk], Tag(["boat"]), by=alice)
    page = as_carol.get("/admin/search/revision/").content.decode()
    for word in ("Tags added: sea", "Tags added: boat", "carol", "alice", "?q=pizza"):
        assert word in page
    assert page.count('class="thumbnail"') == 5
    page = as_carol.get(f"/admin/search/revision/?by__id__exact={alice.pk}").content.decode()
    assert "Tags added: boat" in page
    assert "Tags added: sea" not in page


def test_a_revision_shows_each_picture_before_and_after(as_carol, carol):
    image = an_image("Boat", tags=["<old>"])
    made = change([image.pk], Tag(["sea"]), by=carol)
    page = as_carol.get(reverse("admin:search_revision_change", args=[made.pk])).content.decode()
    assert "&lt;old&gt;, sea" in page
    assert "Boat" in page


def test_changes_kept_by_an_undo_are_listed_and_can_be_undone_too(as_carol, carol, alice):
    image = an_image()
    made = change([image.pk], Tag(["sea"]), by=carol)
    change([image.pk], Tag(["boat"]), by=alice)
    undo = reverse("admin:search_revision_undo", args=[made.pk])
    answer = as_carol.post(undo, follow=True)
    assert "1 picture was skipped, because alice changed it later" in said(answer)
    assert "Revert those too" in answer.content.decode()
    as_carol.post(undo, {"also_later": "1"})
    image.refresh_from_db()
    assert image.tags == []


def test_saving_the_form_of_a_picture_makes_one_revision_of_all_fields(as_carol, carol):
    image = an_image("Boat")
    page = reverse("admin:search_image_change", args=[image.pk])
    sent: dict[str, Any] = {"title": "Ship", "tags": "sea", "description": "", "source_link": "", "author": "Ann"}
    capture = {"TOTAL_FORMS": "1", "INITIAL_FORMS": "0", "0-image": str(image.pk), "0-rating": "4"}
    sent |= {f"capture-{name}": value for name, value in capture.items()}
    as_carol.post(page, sent)
    revision = Revision.objects.get(by=carol)
    assert revision.fields == ["author", "rating", "tags", "title"]
    edit = Edit.objects.get()
    assert (edit.before["title"], edit.after["title"], edit.after["rating"]) == ("Boat", "Ship", 4)
    as_carol.post(reverse("admin:search_revision_undo", args=[revision.pk]))
    image.refresh_from_db()
    assert (image.title, image.tags, image.capture.rating, image.capture.edited) == ("Boat", [], None, [])


def test_deleting_one_picture_puts_it_into_the_trash(as_carol, carol):
    image = an_image()
    page = reverse("admin:search_image_delete", args=[image.pk])
    assert "Move this picture to the trash?" in as_carol.get(page).content.decode()
    answer = as_carol.post(page, {"post": "yes"}, follow=True)
    assert "1 picture was moved to the trash" in said(answer)
    assert Trashed.objects.get().by == carol
    assert not OwedDeletion.objects.exists()


# Retention


def test_old_trash_is_deleted_permanently_and_old_history_too(settings, monkeypatch):
    settings.TRASH_DAYS, settings.HISTORY_DAYS = 30, 7
    monkeypatch.setattr(trash_and_history_retention, "_AT_ONCE", 1)
    monkeypatch.setattr(trash_and_history_retention, "_EDITS_AT_ONCE", 1)
    old, older, young = an_image("Old"), an_image("Older"), an_image("Young")
    trashed(old, days_ago=30.5)
    trashed(older, days_ago=40)
    trashed(young, days_ago=29.5)
    Revision.objects.update(created=timezone.now() - dt.timedelta(days=8))
    recent = change([an_image().pk], Tag(["sea"]))
    trash_and_history_retention.tidy()
    assert set(Image.objects.values_list("title", flat=True)) == {"Young", ""}
    assert list(Revision.objects.all()) == [recent]
    assert Edit.objects.count() == 1


@pytest.mark.parametrize(
    ("options", "left"), [([], 2), (["--older-than", "5"], 1), (["--older-than", "0"], 0), (["--all"], 0)]
)
def test_the_command_empties_the_trash_of_old_pictures_or_all(options, left):
    images = many_images(3)
    trashed(images[0], days_ago=31)
    trashed(images[1], days_ago=6)
    trashed(images[2], days_ago=4)
    out = StringIO()
    call_command("empty_trash", *options, stdout=out)
    assert out.getvalue() == f"{3 - left} deleted permanently, {left} left in the trash.\n"
    assert Image.objects.count() == left


def test_the_command_accepts_only_one_of_both_options():
    with pytest.raises(CommandError, match="Use either"):
        call_command("empty_trash", "--all", older_than=dt.timedelta(1))


# Uploading the same file again


def test_a_curator_who_uploads_a_picture_of_the_trash_restores_it(as_carol):
    data = picture_bytes("red")
    as_carol.post(reverse("upload"), {"pictures": picture_file(data=data), "title": "Boat"})
    image = Image.objects.get()
    trashed(image)
    answer = as_carol.post(reverse("upload"), {"pictures": picture_file(data=data)}).content.decode()
    assert "was restored from the trash" in answer
    image.refresh_from_db()
    assert (image.hidden, image.title, Trashed.objects.count()) == (False, "Boat", 0)


def test_another_user_who_uploads_a_picture_of_the_trash_learns_that_it_was_deleted(as_alice):
    data = picture_bytes("red")
    as_alice.post(reverse("upload"), {"pictures": picture_file(data=data)})
    trashed(Image.objects.get())
    answer = as_alice.post(reverse("upload"), {"pictures": picture_file(data=data)}).content.decode()
    assert "a curator has deleted it" in answer
    assert Trashed.objects.count() == 1


def test_ingestion_leaves_pictures_in_the_trash_and_says_so(tmp_path):
    write_picture(tmp_path / "boat.jpg")
    call_command("ingest", str(tmp_path), stdout=StringIO())
    trashed(Image.objects.get())
    out = StringIO()
    call_command("ingest", str(tmp_path), stdout=out)
    assert "1 already here (1 of them in the trash)" in out.getvalue()
    assert Trashed.objects.count() == 1


def test_details_applied_by_a_command_can_be_undone(tmp_path):
    write_picture(tmp_path / "boat.jpg")
    call_command("ingest", str(tmp_path), stdout=StringIO())
    table = tmp_path / "details.csv"
    table.write_text("path,title,rating\nboat.jpg,Boat,3\n")
    call_command("ingest", str(tmp_path), metadata=table, update_details=True, stdout=StringIO())
    revision = Revision.objects.get()
    assert (revision.door, revision.search, revision.count) == ("command", "ingest --update-details", 1)
    assert "title" in revision.fields


@pytest.mark.django_db(transaction=True)
def test_restored_pictures_have_their_files_and_deleted_ones_have_none(as_carol):
    image = stored_image(title="One")
    trashed(image)
    small = reverse("rendition", args=[image.pk, storage.THUMBNAIL])
    assert as_carol.get(small).status_code == 200  # for the page of the trash
    as_carol.logout()
    assert as_carol.get(small).status_code == 404
