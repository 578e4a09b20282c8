"""A changed file stays one picture: rated, tagged, edited, renamed, replaced."""

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.test import Client
from django.urls import reverse

from search.curation.metadata_import import note_edits
from search.ingestion import Report, files_source, ingest, open_source
from search.models import (
    Arrival,
    Capture,
    FormerId,
    Image,
    ImageVector,
    ImageWords,
    Judgement,
    Origin,
    OwedDeletion,
    PictureSet,
    Tombstone,
)
from search.models.arrivals import state
from search.models.image import content_id
from search.models.reports import Report as Complaint
from search.objects import storage
from search.objects.deletion import delete_images
from search.query import Kind, Part, SearchQuery
from search.retrieval import find
from tests.written_metadata import a_photo, alternatives, exif_block, listed, xmp_packet

pytestmark = pytest.mark.django_db


def rated(rating: int = 0, title: str = "", keywords: Sequence[str] = (), colour: str = "red") -> bytes:
    """A photo as saved by digiKam: the same pixels, whatever the metadata."""
    elements = (alternatives("dc:title", title) if title else "") + (
        listed("dc:subject", *keywords) if keywords else ""
    )
    packet = xmp_packet(attributes=f'xmp:Rating="{rating}"' if rating else "", elements=elements)
    return a_photo(colour=colour, exif=exif_block(taken="2014:07:03 14:22:10"), xmp=packet)


def ingest_folder(folder: Path, **options: Any) -> Report:
    report = ingest(files_source([str(folder)]), **options)
    state()  # arrivals are numbered as at the end of a transaction
    return report


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "photos").mkdir()
    return tmp_path / "photos"


@pytest.fixture
def photo(folder: Path) -> Path:
    """An ingested photo."""
    path = folder / "IMG_1.jpg"
    path.write_bytes(rated(keywords=["sea", "boat"], title="Harbour"))
    ingest_folder(folder)
    return path


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of pictures in each call of the encoder."""
    counts: list[int] = []
    from search.ingestion.pipeline import steps

    encode = steps.embed
    monkeypatch.setattr(steps, "embed", lambda prepared: (counts.append(len(prepared)), encode(prepared))[1])
    return counts


def one() -> Image:
    return Image.objects.select_related("capture").get()


def test_a_file_that_is_rated_and_tagged_stays_one_picture(photo: Path, folder: Path, encoded: list[int]):
    before, arrived = one(), Arrival.objects.get().shown
    photo.write_bytes(rated(4, "Harbour at night", ["sea", "night"]))
    report = ingest_folder(folder)
    assert (report.added, report.known, report.changed, report.failed) == (0, 1, 1, [])
    after = one()
    assert after.pk == content_id(photo.read_bytes()) != before.pk
    assert (after.title, after.tags, after.captured.rating) == ("Harbour at night", ["sea", "night"], 4)
    assert (after.created, Arrival.objects.get().shown) == (before.created, arrived)
    assert encoded == []
    assert list(after.embedding) == list(before.embedding)
    assert list(ImageVector.objects.values_list("image_id", flat=True)) == [after.pk]
    assert ImageWords.objects.get().title == "harbour at night"
    assert storage.read(storage.original_key(after.pk)) == photo.read_bytes()
    assert storage.exists(storage.rendition_key(after.pk, storage.THUMBNAIL))
    assert not storage.exists(storage.original_key(before.pk))
    assert not OwedDeletion.objects.exists()
    assert ingest_folder(folder).changed == 0


def test_edited_fields_are_kept_and_the_others_follow_the_file(photo: Path, folder: Path):
    Image.objects.update(title="Our harbour", hidden=True, author="Ada")
    Capture.objects.update(rating=2)
    note_edits([one().pk], ["title", "rating"])
    photo.write_bytes(rated(5, "Harbour at night", ["sea", "night"]))
    ingest_folder(folder)
    image = one()
    assert (image.title, image.captured.rating, image.tags) == ("Our harbour", 2, ["sea", "night"])
    assert (image.hidden, image.author) == (True, "Ada")
    assert image.captured.edited == ["rating", "title"]


def test_a_title_of_a_table_is_kept_when_the_file_changes(folder: Path):
    path = folder / "IMG_1.jpg"
    path.write_bytes(rated(title="Harbour", keywords=["sea"]))
    ingest_folder(folder, tags=["2014"])
    Image.objects.update(title="From the table")
    path.write_bytes(rated(3, title="Harbour at night", keywords=["boat"]))
    ingest_folder(folder)
    assert (one().title, one().tags) == ("From the table", ["2014", "boat"])


def test_links_to_the_former_id_and_references_to_the_picture_still_work(photo: Path, folder: Path, client: Client):
    ingest_another(folder)
    before = Image.objects.get(title="Harbour")
    shared = PictureSet.keep([before.pk], None)
    Complaint(image=before, reason="broken").file()
    curator = User.objects.create_superuser("ada")
    Judgement.say("boats", "en", before.pk, 2, curator)
    kind = ContentType.objects.get_for_model(Image)
    LogEntry.objects.create(user=curator, content_type=kind, object_id=str(before.pk), action_flag=CHANGE)
    photo.write_bytes(rated(4, "Harbour"))
    ingest_folder(folder)
    after = Image.objects.get(title="Harbour")
    assert after.pk != before.pk
    answer = client.get(reverse("image", args=[before.pk]), {"window": 1})
    assert (answer.status_code, answer["Location"]) == (302, f"{after.get_absolute_url()}?window=1")
    assert client.get(reverse("rendition", args=[before.pk, 400])).status_code == 200
    assert client.get(f"/api/images/{before.pk}").json()["id"] == str(after.pk)
    assert f"/images/{after.pk}/" in client.get(shared.get_absolute_url()).content.decode()
    results = find(SearchQuery(parts=(Part(Kind.IMAGE, before.pk),)))
    assert [image.title for image in results.images] == ["Another"]
    assert Complaint.objects.get().image_id == after.pk
    assert Judgement.said_of("boats", "en", [after.pk]) == {after.pk: 2}
    assert LogEntry.objects.get().object_id == str(after.pk)
    client.force_login(curator)
    assert client.get(reverse("admin:search_image_change", args=[before.pk])).status_code == 200


def ingest_another(folder: Path) -> None:
    (folder / "another.jpg").write_bytes(rated(title="Another", colour="blue"))
    ingest_folder(folder)


def test_a_link_works_through_several_versions_and_back_to_the_first(photo: Path, folder: Path, client: Client):
    first, data = one().pk, photo.read_bytes()
    for rating in (1, 2):
        photo.write_bytes(rated(rating))
        ingest_folder(folder)
    last = one().pk
    assert dict(FormerId.objects.values_list("pk", "image_id")) == {
        first: last,
        content_id(rated(1)): last,
    }
    assert FormerId.first([last]) == {last: first}  # the id that feeds have used
    photo.write_bytes(data)
    ingest_folder(folder)
    assert one().pk == first
    assert client.get(reverse("image", args=[first])).status_code == 200
    assert client.get(reverse("image", args=[last]))["Location"] == reverse("image", args=[first])


def test_a_file_moved_and_rated_at_once_stays_one_picture(photo: Path, folder: Path):
    before = one()
    Image.objects.update(title="Our harbour", hidden=True)
    note_edits([before.pk], ["title"])
    moved = folder / "2014" / "boat.jpg"
    moved.parent.mkdir()
    photo.unlink()
    moved.write_bytes(rated(5, "Harbour at night", ["sea", "night"]))
    report = ingest_folder(folder)
    assert (report.added, report.changed) == (0, 1)
    after = one()
    assert after.pk == content_id(moved.read_bytes())
    assert (after.title, after.hidden, after.captured.rating) == ("Our harbour", True, 5)
    assert (after.tags, FormerId.objects.get(image=after).pk) == (["sea", "night"], before.pk)
    assert set(Origin.objects.values_list("address", flat=True)) == {str(moved)}


def test_a_rated_copy_is_a_separate_picture_while_the_first_exists_or_its_disk_is_missing(photo: Path, folder: Path):
    (folder / "copy.jpg").write_bytes(rated(5))
    assert ingest_folder(folder).added == 1
    disk = folder / "disk"
    disk.mkdir()
    (disk / "IMG_2.jpg").write_bytes(rated(colour="blue"))
    assert ingest_folder(folder).added == 1
    (disk / "IMG_2.jpg").unlink()
    (folder / "IMG_2.jpg").write_bytes(rated(5, colour="blue"))
    assert ingest_folder(folder).added == 1


def test_another_picture_at_the_address_is_encoded_and_replaces_the_first(
    photo: Path, folder: Path, encoded: list[int], client: Client
):
    before = one()
    photo.write_bytes(rated(title="Harbour", colour="blue"))
    report = ingest_folder(folder)
    assert (report.changed, report.added, encoded) == (1, 0, [1])
    after = one()
    assert after.pk == content_id(photo.read_bytes())
    assert (after.dominant_colour, after.tags) != (before.dominant_colour, before.tags)
    assert ImageVector.objects.get().image_id == after.pk
    assert list(ImageVector.objects.get().embedding) == list(after.embedding) != list(before.embedding)
    assert client.get(reverse("image", args=[before.pk])).status_code == 302


def test_a_version_still_at_another_address_stays_a_separate_picture(photo: Path, folder: Path, encoded: list[int]):
    (folder / "copy.jpg").write_bytes(photo.read_bytes())
    ingest_folder(folder)
    Image.objects.update(title="Edited", hidden=True)
    note_edits([one().pk], ["title"])
    photo.write_bytes(rated(4, "Harbour"))
    report = ingest_folder(folder)
    assert (report.added, report.changed) == (1, 0)
    rows = Image.objects.filter(title="Edited", hidden=True)
    assert {row.pk for row in rows} == {
        content_id(photo.read_bytes()),
        content_id(rated(keywords=["sea", "boat"], title="Harbour")),
    }
    assert encoded == []
    assert ImageVector.objects.count() == 2


def test_two_copies_with_the_same_rating_become_one_picture_again(photo: Path, folder: Path):
    (folder / "copy.jpg").write_bytes(photo.read_bytes())
    ingest_folder(folder)
    for name in ("IMG_1.jpg", "copy.jpg"):
        (folder / name).write_bytes(rated(4))
    report = ingest_folder(folder)
    assert (report.changed, report.added, report.known) == (1, 0, 2)
    assert one().pk == content_id(rated(4))


def test_two_copies_rated_one_after_the_other_become_one_picture(photo: Path, folder: Path):
    copy = folder / "copy.jpg"
    copy.write_bytes(photo.read_bytes())
    ingest_folder(folder)
    before = one().pk
    photo.write_bytes(rated(4, "Harbour"))
    ingest_folder(folder)
    Image.objects.filter(pk=before).update(author="Ada", hidden=True)
    note_edits([before], ["author"])
    Complaint(image_id=before, reason="broken").file()
    copy.write_bytes(photo.read_bytes())
    report = ingest_folder(folder)
    assert (report.changed, report.known, report.added) == (1, 2, 0)
    image = one()
    assert (image.pk, image.author, image.hidden) == (content_id(photo.read_bytes()), "Ada", True)
    assert Complaint.objects.get().image_id == image.pk
    assert FormerId.present([before]) == {before: image.pk}
    assert not Tombstone.objects.exists()
    assert not storage.exists(storage.original_key(before))


def test_an_earlier_version_found_elsewhere_is_hidden_like_the_later_one(photo: Path, folder: Path):
    data = photo.read_bytes()
    photo.write_bytes(rated(4))
    ingest_folder(folder)
    Image.objects.update(hidden=True)
    (folder / "backup.jpg").write_bytes(data)
    assert ingest_folder(folder).added == 1
    assert list(Image.objects.values_list("hidden", flat=True)) == [True, True]
    assert not FormerId.objects.exists()


def test_renumbered_files_keep_their_metadata(folder: Path):
    colours = ["red", "blue", "lime", "white"]
    for number, colour in enumerate(colours):
        (folder / f"{number}.jpg").write_bytes(rated(colour=colour, title=colour))
    ingest_folder(folder)
    for image in Image.objects.all():
        image.tags = [image.title]
        image.save()
    for number in reversed(range(len(colours))):
        (folder / f"{number}.jpg").rename(folder / f"{number + 1}.jpg")
    # One of them was also edited at its new address.
    (folder / "1.jpg").write_bytes(rated(5, colour="black", title="black"))
    report = ingest_folder(folder)
    assert (report.added, report.changed) == (1, 0)
    assert {image.title: image.tags for image in Image.objects.all()} == {
        **{colour: [colour] for colour in colours},
        "black": [],
    }


def test_swapped_and_rated_files_are_distinguished_by_their_pixels(folder: Path):
    for name, colour in (("a.jpg", "red"), ("b.jpg", "blue")):
        (folder / name).write_bytes(rated(colour=colour))
    ingest_folder(folder)
    for colour, name in (("blue", "a.jpg"), ("red", "b.jpg")):
        image = Image.objects.get(pk=content_id(rated(colour=colour)))
        Image.objects.filter(pk=image.pk).update(title=colour)
        (folder / name).write_bytes(rated(4, colour=colour))
    assert ingest_folder(folder).changed == 2
    found = {image.pk: image.title for image in Image.objects.all()}
    assert found == {content_id(rated(4, colour=colour)): colour for colour in ("red", "blue")}


def test_the_backup_file_of_exiftool_is_not_ingested(photo: Path, folder: Path):
    photo.rename(folder / "IMG_1.jpg_original")
    photo.write_bytes(rated(4))
    assert ingest_folder(folder).changed == 1
    assert one().pk == content_id(rated(4))


def test_a_deleted_picture_that_is_rated_stays_deleted_and_a_replacement_is_added(photo: Path, folder: Path):
    delete_images([one().pk])
    photo.write_bytes(rated(4))
    report = ingest_folder(folder)
    assert (report.deleted, report.added, Image.objects.count()) == (1, 0, 0)
    assert Tombstone.objects.count() == 2
    assert ingest_folder(folder).deleted == 1
    photo.write_bytes(rated(colour="blue"))
    assert ingest_folder(folder).added == 1
    photo.write_bytes(rated(4))
    assert ingest_folder(folder, again=True).failed == []


def test_a_new_version_that_can_not_be_written_changes_nothing(
    photo: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
):
    from search.ingestion import changed_file_writing

    before, data = one(), photo.read_bytes()
    photo.write_bytes(rated(4))
    with monkeypatch.context() as broken:
        broken.setattr(changed_file_writing, "write_captures", lambda *said: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            ingest_folder(folder)
    assert one().pk == before.pk
    assert storage.read(storage.original_key(before.pk)) == data
    assert ingest_folder(folder).changed == 1


def test_a_changed_member_of_an_archive_stays_one_picture(tmp_path: Path, folder: Path):
    path = tmp_path / "photos.zip"
    for rating in (0, 4):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("a.jpg", rated(rating, title="Harbour"))
            archive.writestr("b.jpg", rated(colour="blue"))
        report = ingest(open_source([str(path)]))
    assert (report.changed, report.known, Image.objects.count()) == (1, 2, 2)
    assert Origin.objects.filter(image_id=content_id(rated(4, title="Harbour"))).exists()


def test_pictures_added_before_pixel_hashes_were_recorded_are_recognised(
    photo: Path, folder: Path, encoded: list[int]
):
    Capture.objects.all().delete()
    photo.write_bytes(rated(4))
    assert (ingest_folder(folder).changed, encoded, one().captured.rating) == (1, [], 4)


def test_every_table_that_refers_to_an_image_follows_its_id():
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT conrelid::regclass::text FROM pg_constraint WHERE confrelid = 'search_image'::regclass"
            " AND contype = 'f' AND NOT condeferrable AND confupdtype <> 'c'"
        )
        assert cursor.fetchall() == []
        cursor.execute(
            "SELECT DISTINCT table_name FROM information_schema.columns WHERE column_name = 'image_id'"
            " AND table_schema = current_schema() AND table_name !~ '_s[0-9]+'"
        )
        # For a new table, `search.ingestion.changed_file_writing` or the database must change the id too.
        assert {name for (name,) in cursor.fetchall()} == {
            *("search_arrival", "search_capture", "search_formerid", "search_imagewords"),  # by the database
            *("search_edit", "search_trashed", "search_fingerprint", "search_lostobject", "search_isolation"),
            *("search_albumimage", "search_palette", "search_private", "search_tagsuggestion", "search_mapposition"),
            *("search_imagevector", "search_judgement", "search_querypicture", "search_report"),
            *("search_origin", "search_tombstone", "search_oweddeletion"),  # ids that may have no image
        }
