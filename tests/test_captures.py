"""Date, place and camera of photos: read by ingestion, stored, shown, and edited."""

import io
import json
import tarfile
import zipfile
from io import StringIO
from pathlib import Path

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.core.management import call_command
from django.db import IntegrityError, transaction
from django.http import QueryDict
from django.urls import reverse

from search.curation.cleaned_details import Details
from search.curation.metadata_import import note_edits, write_captures
from search.ingestion import add_picture, files_source, ingest, open_source
from search.metadata import PhotoMetadata
from search.models import Capture, Image, Origin
from search.models.image import content_id
from search.objects import storage
from search.query import SearchQuery
from search.query.saved_searches import save_search
from tests import bad_decoder as bad_decoders
from tests.base import an_image
from tests.decoders import bad_decoder, marked
from tests.written_metadata import a_photo, alternatives, exif_block, listed, takeout, wall, xmp_packet

__all__ = ["bad_decoder"]

pytestmark = pytest.mark.django_db

PLACE = (37.8813, 127.7298)
SIDECAR = xmp_packet(
    attributes='xmp:Rating="5"',
    elements=alternatives("dc:description", "Sidecar caption") + listed("dc:subject", "mountain"),
)


def written(colour: str = "red", **tags: object) -> bytes:
    block = exif_block(
        taken="2014:07:03 14:22:10", offset="+09:00", place=PLACE, t271="FUJIFILM", t272="X100V", **tags
    )
    return a_photo(colour=colour, exif=block)


def of(data: bytes) -> Image:
    return Image.objects.get(pk=content_id(data))


def capture_of(image: Image) -> Capture:
    capture = image.captured
    assert capture
    return capture


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "photos").mkdir()
    return tmp_path / "photos"


def test_metadata_of_five_programs_in_one_folder_is_read(folder: Path):
    google, plain, lightroom = written("green"), a_photo(colour="blue"), a_photo(colour="black")
    (folder / "IMG_3397.JPG").write_bytes(a_photo(colour="white"))
    (folder / "IMG_3397.JPG.supplemental-metadata.json").write_bytes(
        takeout(description="Grandmother in the garden", geoData={"latitude": 37.88, "longitude": 127.73})
    )
    (folder / "own.jpg").write_bytes(google)
    (folder / "DSC_0001.jpg").write_bytes(plain)
    (folder / "DSC_0001.xmp").write_bytes(SIDECAR)
    (folder / "0001.jpg").write_bytes(lightroom)
    (folder / "0001.txt").write_text("a black square", encoding="utf-8")
    (folder / "0001.json").write_text(json.dumps({"caption": "x", "url": "https://a.example/1"}), encoding="utf-8")
    out = StringIO()
    call_command("ingest", str(folder), stdout=out, stderr=out)
    assert out.getvalue() == "4 added, 0 already here, 0 failed.\n"
    image = of(a_photo(colour="white"))
    capture = capture_of(image)
    assert (image.title, image.description, image.source_link) == ("", "Grandmother in the garden", "")
    assert (capture.taken, capture.zone) == (wall(2009, 11, 16, 12, 51, 58), "+00:00")
    assert (capture.latitude, capture.longitude, capture.taken_from) == (37.88, 127.73, "sidecar")
    image = of(plain)
    assert (image.description, image.tags, capture_of(image).rating) == ("Sidecar caption", ["mountain"], 5)
    image = of(lightroom)
    assert (image.description, image.source_link) == ("a black square", "https://a.example/1")
    capture = capture_of(of(google))
    assert (capture.taken, capture.taken_offset) == (wall(2014, 7, 3, 14, 22, 10), 540)
    assert (capture.camera, capture.taken_from) == ("FUJIFILM X100V", "camera")
    assert (capture.latitude, capture.longitude) == pytest.approx(PLACE, abs=1e-4)


def test_an_undated_picture_gets_the_date_of_its_name_or_file(folder: Path):
    named, nameless = a_photo(colour="red"), a_photo(colour="green")
    (folder / "IMG-20230714-WA0001.jpg").write_bytes(named)
    (folder / "x.jpg").write_bytes(nameless)
    ingest(files_source([str(folder)]))
    assert capture_of(of(named)).taken == wall(2023, 7, 14)
    assert [capture_of(of(data)).taken_from for data in (named, nameless)] == ["name", "file"]
    assert capture_of(of(nameless)).is_about


def test_a_table_overrides_a_sidecar_and_a_sidecar_the_file(folder: Path):
    data = a_photo(colour="red", exif=exif_block(t270="From the file", t315="Ada", t33432="CC0"))
    (folder / "a.jpg").write_bytes(data)
    (folder / "a.jpg.xmp").write_bytes(xmp_packet(elements=alternatives("dc:description", "From the sidecar")))
    (folder / "table.csv").write_text("path,author\na.jpg,Grace\n", encoding="utf-8")
    call_command("ingest", str(folder), metadata=folder / "table.csv", tag=["all"], stdout=StringIO())
    image = of(data)
    assert (image.author, image.description, image.licence) == ("Grace", "From the sidecar", "CC0")
    assert image.tags == ["all"]


def test_reading_captions_can_be_switched_off(folder: Path):
    data = written(t270="Nobody's business")
    (folder / "a.jpg").write_bytes(data)
    (folder / "a.txt").write_text("neither", encoding="utf-8")
    call_command("ingest", str(folder), "--no-read-captions", stdout=StringIO())
    assert of(data).description == ""
    assert capture_of(of(data)).camera == "FUJIFILM X100V"


def test_an_upload_stores_camera_data_but_no_captions():
    data = written(t270="Unasked")
    image = add_picture(data, Details(title="Mine"), None).image
    assert (image.title, image.description) == ("Mine", "")
    assert capture_of(image).taken == wall(2014, 7, 3, 14, 22, 10)


def archived(path: Path, members: dict[str, bytes]) -> Path:
    """A ZIP or a compressed tar with these members."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in members.items():
                archive.writestr(name, data)
        return path
    with tarfile.open(path, "w:gz") as tar:
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return path


@pytest.mark.parametrize("kind", ["zip", "tgz"])
def test_google_takeout_is_read_in_its_archive_with_albums(folder: Path, kind: str):
    pictures = {
        "Takeout/Photos/Trip/IMG_1.JPG": a_photo(colour="red"),
        "Takeout/Photos/Photos from 2009/IMG_2.JPG": a_photo(colour="green"),
    }
    said = {
        "Takeout/Photos/Photos from 2009/IMG_1.JPG.json": takeout(description="One"),
        "Takeout/Photos/Photos from 2009/IMG_2.JPG.supplemental-me.json": takeout(description="Two"),
    }
    album = {"Takeout/Photos/Trip/metadata.json": json.dumps({"title": "Trip"}).encode()}
    path = archived(folder / f"takeout.{kind}", album | pictures | said)
    ingest(open_source([str(path)]))
    assert [of(data).description for data in pictures.values()] == ["One", "Two"]


def test_sidecars_in_a_tar_are_read(folder: Path):
    members = {
        "a.jpg": a_photo(colour="red"),
        "a.json": json.dumps({"caption": "A caption"}).encode(),
        "b.jpg": a_photo(colour="green"),
        "b.jpg.xmp": SIDECAR,
    }
    ingest(open_source([str(archived(folder / "set.tgz", members))]))
    assert [of(members[name]).description for name in ("a.jpg", "b.jpg")] == ["A caption", "Sidecar caption"]


def test_a_broken_sidecar_is_ignored(folder: Path):
    data = written()
    (folder / "a.jpg").write_bytes(data)
    (folder / "a.xmp").write_bytes(b"<x:xmpmeta" + b"\xff" * 500)
    (folder / "a.json").write_bytes(b"[" * 200_000)
    report = ingest(files_source([str(folder)]))
    assert (report.added, report.failed) == (1, [])
    assert capture_of(of(data)).camera == "FUJIFILM X100V"


@pytest.mark.parametrize("kinds", [("zip", "zip"), ("tgz", "tgz")])
def test_google_takeout_split_over_archives_is_read(folder: Path, kinds: tuple[str, str]):
    year = "Takeout/Photos/Photos from 2009"
    red, green, blue = (a_photo(colour=colour) for colour in ("red", "green", "blue"))
    first = {
        f"{year}/IMG_1.JPG": red,
        f"{year}/IMG_2.JPG": green,
        "Takeout/Photos/Trip/IMG_3.JPG": blue,
        "Takeout/Photos/Trip/metadata.json": json.dumps({"title": "Trip"}).encode(),
    }
    second = {
        f"{year}/IMG_1.JPG.supplemental-metadata.json": takeout(description="One"),
        f"{year}/IMG_3.JPG.json": takeout(description="Three"),
        f"{year}/IMG_2.JPG.json": takeout(description="Of another picture"),
        f"{year}/IMG_2.JPG": a_photo(colour="white"),
    }
    paths = [
        archived(folder / f"takeout-{number}.{kind}", members)
        for number, (kind, members) in enumerate(zip(kinds, (first, second), strict=True))
    ]
    listed = open_source([str(path) for path in paths])
    ingest(listed)
    assert [of(data).description for data in (red, green, blue)] == ["One", "", "Three"]
    # The album's own file, and that of a picture in the other archive, whose name two pictures have.
    assert listed.findings.not_read.total() == 1


def test_a_table_sets_date_place_and_camera(folder: Path):
    data = written()
    (folder / "a.jpg").write_bytes(data)
    (folder / "a.xmp").write_bytes(SIDECAR)
    (folder / "b.jpg").write_bytes(a_photo(colour="blue"))
    (folder / "m.csv").write_text(
        "path,taken,rating,latitude,longitude,camera\n"
        'a.jpg,2000. 1. 1.,2,"48,85",2.35,Leica M6\n'
        "b.jpg,7/3/2014,9,91,0,\n",
        encoding="utf-8",
    )
    out = StringIO()
    call_command("ingest", str(folder), "--metadata", str(folder / "m.csv"), stdout=out, stderr=out)
    capture = capture_of(of(data))
    assert (capture.taken, capture.taken_offset, capture.taken_from) == (wall(2000, 1, 1), None, "table")
    assert (capture.rating, capture.latitude, capture.longitude, capture.camera) == (2, 48.85, 2.35, "Leica M6")
    assert (capture.lens, of(data).description) == ("", "Sidecar caption")
    told = out.getvalue()
    assert "m.csv line 3, b.jpg: The date '7/3/2014' can't be read" in told
    assert "The rating '9' is not a whole number from 0 to 5." in told
    assert "The place '91', '0' can't be read" in told


def test_times_without_a_zone_are_in_photo_time_zone(folder: Path, settings):
    settings.PHOTO_TIME_ZONE = "Asia/Seoul"
    export, plain = a_photo(colour="red"), a_photo(exif=exif_block(taken="2014:07:03 14:22:10"))
    abroad = a_photo(colour="green", exif=exif_block(taken="2009:11:16 12:51:58"))
    for name, data in {"a.jpg": export, "b.jpg": plain, "c.jpg": abroad}.items():
        (folder / name).write_bytes(data)
    for name in ("a", "c"):
        (folder / f"{name}.jpg.json").write_bytes(takeout(1258375918))
    ingest(files_source([str(folder)]))
    told = {name: capture_of(of(data)) for name, data in {"a": export, "b": plain, "c": abroad}.items()}
    assert (told["a"].taken, told["a"].taken_offset) == (wall(2009, 11, 16, 21, 51, 58), 540)
    assert (told["b"].taken, told["b"].taken_offset) == (wall(2014, 7, 3, 14, 22, 10), 540)
    # The camera's clock and Google's time together show that it was taken in a zone with UTC's time.
    assert (told["c"].taken, told["c"].taken_offset) == (wall(2009, 11, 16, 12, 51, 58), 0)


# Images that are stored already


def test_a_sidecar_that_has_changed_is_read_again(folder: Path, as_carol):
    red, green = written(), written("green")
    for name, data in {"a": red, "b": green}.items():
        (folder / f"{name}.jpg").write_bytes(data)
        (folder / f"{name}.xmp").write_bytes(SIDECAR)
    ingest(files_source([str(folder)]))
    form = {"title": "", "description": "Mine", "tags": "", "source_link": "", "author": "", "licence": ""}
    as_carol.post(reverse("admin:search_image_change", args=[of(green).pk]), form)
    for name in ("a", "b"):
        (folder / f"{name}.xmp").write_bytes(
            SIDECAR.replace(b'Rating="5"', b'Rating="3"').replace(b"caption", b"words")
        )
    assert read() == "0 read, 0 pending, 0 failed."
    assert read("--again") == "2 read, 0 pending, 0 failed."
    assert (capture_of(of(red)).rating, of(red).description) == (3, "Sidecar caption")
    read("--again", "--replace-captions")
    assert [of(data).description for data in (red, green)] == ["Sidecar words", "Mine"]


def test_values_of_a_table_stay_when_the_file_is_read_again(folder: Path):
    data = written(t270="On the beach", t18246=5)
    (folder / "a.jpg").write_bytes(data)
    (folder / "m.csv").write_text("path,description,rating,camera\na.jpg,Stated,2,\n", encoding="utf-8")
    call_command("ingest", str(folder), "--metadata", str(folder / "m.csv"), stdout=StringIO())
    Capture.objects.update(camera="Before")
    read("--again", "--replace-captions")
    capture = capture_of(of(data))
    assert (capture.stated, capture.rating, capture.camera) == (["description", "rating"], 2, "FUJIFILM X100V")
    assert of(data).description == "Stated"


def test_sidecar_data_from_an_archive_is_kept_when_the_file_is_read_again(folder: Path):
    data = a_photo(exif=exif_block(taken="2014:07:03 14:22:10"))
    with zipfile.ZipFile(folder / "a.zip", "w") as archive:
        archive.writestr("x/a.jpg", data)
        archive.writestr("x/a.jpg.json", takeout(geoData={"latitude": 37.5, "longitude": 127.0}))
    ingest(open_source([str(folder / "a.zip")]))
    read("--again")
    capture = capture_of(of(data))
    assert (capture.taken_from, capture.latitude) == ("sidecar", 37.5)


def stored_by_old_version(data: bytes, address: str = "/photos/a.jpg", **fields: object) -> Image:
    """An image as a version without captures ingested it."""
    image = an_image(id=content_id(data), byte_size=len(data), **fields)
    storage.put(storage.original_key(image.id), data, "image/jpeg")
    Origin.objects.create(id=content_id(address.encode()), address=address, image_id=image.id)
    return image


def read(*arguments: str) -> str:
    out = StringIO()
    call_command("read_metadata", *arguments, stdout=out, stderr=out)
    return out.getvalue().splitlines()[-1]


def test_stored_images_are_read_once():
    image = stored_by_old_version(written(t270="On the beach"), title="Mine")
    other = stored_by_old_version(a_photo(colour="green"), "/photos/IMG-20230714-WA0001.jpg")
    assert read() == "2 read, 0 pending, 0 failed."
    image.refresh_from_db()
    assert (image.title, image.description) == ("Mine", "On the beach")
    assert capture_of(image).camera == "FUJIFILM X100V"
    assert capture_of(other).taken == wall(2023, 7, 14)
    assert read() == "0 read, 0 pending, 0 failed."


def test_it_stops_at_the_limit_and_the_next_run_continues():
    for number, colour in enumerate(("red", "green", "blue")):
        stored_by_old_version(written(colour), f"/photos/{number}.jpg")
    assert read("--limit", "2") == "2 read, 1 pending, 0 failed."
    assert read() == "1 read, 0 pending, 0 failed."


def test_metadata_at_the_end_of_a_file_is_read():
    noise = bytes(range(256)) * 1_200
    plain = a_photo("WEBP", exif=exif_block(t272="X100V"))
    size = len(plain) - 8 + 8 + len(noise)
    data = plain[:4] + size.to_bytes(4, "little") + plain[8:30] + b"junk" + len(noise).to_bytes(4, "little") + noise
    image = stored_by_old_version(data + plain[30:])
    read()
    assert capture_of(image).camera == "X100V"


def test_a_missing_original_is_reported_and_others_are_read():
    stored_by_old_version(written())
    lost = an_image()
    out = StringIO()
    with pytest.raises(SystemExit):
        call_command("read_metadata", stdout=out, stderr=out)
    assert "1 read, 1 pending, 1 failed." in out.getvalue()
    assert str(lost.pk) in out.getvalue()


def test_a_file_that_crashes_the_decoder_does_not_affect_others(bad_decoder: None):
    images = [stored_by_old_version(written(colour), f"/photos/{colour}.jpg") for colour in ("red", "green")]
    bad = stored_by_old_version(marked(bad_decoders.EXIT), "/photos/bad.jpg")
    out = StringIO()
    with pytest.raises(SystemExit):
        call_command("read_metadata", stdout=out, stderr=out)
    assert "2 read, 1 pending, 1 failed." in out.getvalue()
    assert str(bad.pk) in out.getvalue()
    assert [capture_of(image).camera for image in images] == ["FUJIFILM X100V"] * 2


def test_fields_that_a_curator_edited_or_emptied_are_kept(as_carol):
    image = stored_by_old_version(
        written(t270="On the beach", t315="Ada", t33432="CC0"), description="x", author="Grace"
    )
    form = {"title": "", "description": "", "tags": "", "source_link": "", "author": "Grace", "licence": ""}
    as_carol.post(reverse("admin:search_image_change", args=[image.pk]), form)
    assert capture_of(image).edited == ["description"]
    read()
    image.refresh_from_db()
    assert (image.description, image.author, image.licence) == ("", "Grace", "CC0")


def test_fields_emptied_in_an_earlier_version_are_known_from_its_log(carol):
    image = stored_by_old_version(written(t270="On the beach"))
    message = [{"changed": {"fields": ["Description"]}}]
    LogEntry.objects.log_actions(carol.pk, Image.objects.filter(pk=image.pk), CHANGE, message)
    read()
    image.refresh_from_db()
    assert image.description == ""


def test_captions_of_uploads_are_not_read_later():
    data = written(t270="Unasked")
    image = stored_by_old_version(data)
    Origin.objects.all().delete()
    read()
    image.refresh_from_db()
    assert image.description == ""
    assert capture_of(image).camera == "FUJIFILM X100V"


def test_reading_again_keeps_edited_fields():
    image = an_image()
    write_captures({image.pk: PhotoMetadata.of(taken="2014-07-03T14:22:10", taken_from="camera", camera="X100V")})
    Capture.objects.update(taken=wall(2015, 1, 2), taken_from="person", reader=0)
    note_edits([image.pk], ["taken"])
    write_captures({image.pk: PhotoMetadata.of(taken="2014-07-03T14:22:10", taken_from="camera", camera="X100VI")})
    capture = capture_of(Image.objects.get(pk=image.pk))
    assert (capture.taken, capture.taken_from, capture.camera) == (wall(2015, 1, 2), "person", "X100VI")


def test_a_capture_is_deleted_with_its_image():
    image = add_picture(written(), Details(), None).image
    image.delete()
    assert not Capture.objects.exists()


@pytest.mark.parametrize("wrong", [{"latitude": 5.0}, {"rating": 6}, {"taken": wall(2015, 1, 2)}])
def test_constraints_refuse_invalid_captures(wrong: dict[str, object]):
    with pytest.raises(IntegrityError), transaction.atomic():
        Capture.objects.create(image=an_image(), **wrong)


# Pages and API


@pytest.fixture
def shown() -> Image:
    data = written(e33437=2.8, e33434=0.004, e34855=400, e37386=35.0)
    return add_picture(data, Details(title="Boats", tags=["boats"]), None).image


def test_the_page_shows_date_and_camera(client, shown):
    page = " ".join(client.get(shown.get_absolute_url()).content.decode().split())
    assert "July 3, 2014, 2:22 p.m. (+09:00)" in page
    assert "FUJIFILM X100V" in page
    assert "35 mm · f/2.8 · 1/250 s · ISO 400" in page


def test_a_guessed_date_is_marked_as_such(client):
    image = an_image()
    Capture.objects.create(image=image, taken=wall(2023, 7, 14), taken_from="name")
    assert "about July 14, 2023 (from the file name)" in client.get(image.get_absolute_url()).content.decode()


def test_the_api_returns_date_and_camera(client, shown):
    told = client.get(reverse("api:image", args=[shown.pk])).json()
    assert (told["taken"], told["taken_from"]) == ("2014-07-03T14:22:10+09:00", "camera")
    assert (told["camera"], told["aperture"], told["iso"]) == ("FUJIFILM X100V", 2.8, 400)
    nothing = client.get(reverse("api:image", args=[an_image().pk])).json()
    assert (nothing["taken"], nothing["taken_from"], nothing["camera"], nothing["iso"]) == (None, None, "", None)


COORDINATES = ("37.88", "127.7", "37,88", "127,7")


def test_only_curators_see_the_place(client, as_carol, as_alice, alice, shown):
    saved, _ = save_search(alice, SearchQuery.from_params(QueryDict("tag=boats")), "All")
    pages = [
        shown.get_absolute_url(),
        reverse("api:image", args=[shown.pk]),
        reverse("results"),
        f"{reverse('results')}?q=boats",
        f"{reverse('api:search')}?q=boats",
        reverse("download", args=[shown.pk]),
        reverse("rendition", args=[shown.pk, 400]),
        reverse("feed", args=[saved.token]),
        reverse("timeline"),
        f"{reverse('results')}?filters=open",
        f"{reverse('api:search')}?camera=FUJIFILM+X100V",
    ]
    for visitor in (client, as_alice):
        for page in pages:
            answer = visitor.get(page)
            assert answer.status_code == 200, page
            content = b"".join(answer.streaming_content) if answer.streaming else answer.content
            assert not any(one.encode() in content for one in COORDINATES), page
    assert "37.881" in as_carol.get(shown.get_absolute_url()).content.decode()
    assert as_carol.get(reverse("api:image", args=[shown.pk])).json()["latitude"] == pytest.approx(PLACE[0], abs=1e-4)


def test_the_zip_and_its_table_contain_no_place(client, shown):
    answer = client.post(reverse("download-selection"), {"id": [shown.id]})
    content = b"".join(answer.streaming_content)
    assert b"pictures.csv" in content
    assert b"FUJIFILM X100V" in content
    assert b"2014-07-03 14:22:10+09:00" in content
    assert not any(one.encode() in content for one in COORDINATES)


# In the admin


def posted(capture: Capture, **changes: object) -> dict[str, object]:
    values = {
        name: "" if getattr(capture, name) is None else getattr(capture, name)
        for name in ("taken_offset", "camera", "lens", "rating", "latitude", "longitude")
    }
    taken = changes.pop("taken", capture.taken)
    values |= {"image": capture.image_id, **changes}
    values |= {"taken_0": taken.date(), "taken_1": taken.time()} if taken else {"taken_0": "", "taken_1": ""}
    return {
        "title": capture.image.title,
        "tags": ", ".join(capture.image.tags),
        "capture-TOTAL_FORMS": "1",
        "capture-INITIAL_FORMS": "1",
        **{f"capture-0-{name}": value for name, value in values.items()},
    }


def test_a_curator_corrects_the_date(as_carol, shown):
    page = reverse("admin:search_image_change", args=[shown.pk])
    assert "FUJIFILM X100V" in as_carol.get(page).content.decode()
    form = posted(capture_of(shown), taken=wall(2014, 7, 4, 1, 2, 3), rating=4)
    answer = as_carol.post(page, form)
    assert answer.status_code == 302, answer.content.decode()[:5000]
    capture = Capture.objects.get(pk=shown.pk)
    assert (capture.taken, capture.taken_from, capture.rating) == (wall(2014, 7, 4, 1, 2, 3), "person", 4)
    assert capture.edited == ["rating", "taken"]
    assert capture.camera == "FUJIFILM X100V"


def test_a_curator_dates_an_image_without_metadata(as_carol):
    image = an_image()
    form = posted(Capture(image=image), taken=wall(1935, 5, 4), camera="Leica")
    answer = as_carol.post(
        reverse("admin:search_image_change", args=[image.pk]), {**form, "capture-INITIAL_FORMS": "0"}
    )
    assert answer.status_code == 302, answer.content.decode()[:5000]
    capture = capture_of(Image.objects.get(pk=image.pk))
    assert (capture.taken, capture.taken_from, capture.camera) == (wall(1935, 5, 4), "person", "Leica")
    assert (capture.edited, capture.reader) == (["camera", "taken"], 0)


def test_a_place_needs_latitude_and_longitude(as_carol, shown):
    page = reverse("admin:search_image_change", args=[shown.pk])
    answer = as_carol.post(page, posted(capture_of(shown), longitude=""))
    assert "A location needs both a latitude and a longitude." in answer.content.decode()


def test_curators_find_pictures_by_year_camera_and_place(as_carol, shown):
    other = an_image("Another")
    listing = reverse("admin:search_image_changelist")
    for query in ("taken=2014", "camera=FUJIFILM+X100V", "place=yes"):
        page = as_carol.get(f"{listing}?{query}").content.decode()
        assert str(shown.pk) in page, query
        assert str(other.pk) not in page, query
    page = as_carol.get(f"{listing}?taken=none").content.decode()
    assert str(other.pk) in page
    assert str(shown.pk) not in page
    assert "There is no such filter" in as_carol.get(f"{listing}?taken=x").content.decode()
