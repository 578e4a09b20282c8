"""`ingest --update-details`: a corrected table, changed sidecars and `--tag` for known pictures."""

import datetime as dt
import zipfile
from pathlib import Path

import pytest
from django.core.management import CommandError
from django.utils import timezone

from search.curation.metadata_import import note_edits
from search.models import Capture, Image, Origin
from search.models.image import content_id
from tests.test_ingest_command import run
from tests.written import a_photo, alternatives, exif_block, listed, takeout, wall, xmp_packet

pytestmark = pytest.mark.django_db


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Three photos."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number, colour in enumerate(("red", "blue", "white")):
        block = exif_block(taken=f"2014:07:0{number + 1} 14:22:10")
        (folder / f"{number}.jpg").write_bytes(a_photo(colour=colour, exif=block))
    return folder


def table_of(folder: Path, *rows: str) -> Path:
    path = folder.parent / "table.tsv"
    path.write_text("\n".join(("path\ttitle\ttags\tlicence", *rows)), encoding="utf-8")
    return path


def image_of(path: Path) -> Image:
    return Image.objects.select_related("capture").get(pk=content_id(path.read_bytes()))


def sidecar(rating: int, title: str, *keywords: str) -> bytes:
    elements = alternatives("dc:title", title) + listed("dc:subject", *keywords)
    return xmp_packet(attributes=f'xmp:Rating="{rating}"', elements=elements)


def test_a_corrected_table_is_applied_on_request_and_otherwise_reported(photos: Path):
    table = table_of(photos, "0.jpg\tOone\tsea, brid\tCC BY", "1.jpg\tTwo\t\t", "2.jpg\tThree\t\t")
    assert run(photos, "--metadata", table, "--tag", "2014")[0] == "3 added, 0 already here, 0 failed.\n"
    table_of(photos, "0.jpg\tOne\tsea, bird\t", "1.jpg\tTwo\t\t")
    out = run(photos, "--metadata", table)[0]
    assert out.splitlines() == [
        "0 added, 3 already here, 0 failed.",
        "2 rows of the table are of pictures that were already here, and not applied: use --update-details.",
    ]
    assert image_of(photos / "0.jpg").title == "Oone"
    again = ("--metadata", table, "--tag", "2014", "--update-details")
    assert run(photos, *again, "--dry-run")[0] == (
        "0 would be added, 3 already here (1 of them with other details), 0 failed.\n"
    )
    assert run(photos, *again)[0] == "0 added, 3 already here (1 of them with other details), 0 failed.\n"
    image = image_of(photos / "0.jpg")
    assert (image.title, image.tags, image.licence) == ("One", ["sea", "bird", "2014"], "CC BY")
    assert run(photos, *again)[0] == "0 added, 3 already here, 0 failed.\n"


def test_edited_fields_are_kept(photos: Path):
    table = table_of(photos, "0.jpg\tOne\tsea\t")
    run(photos, "--metadata", table)
    Image.objects.filter(title="One").update(title="", tags=["boat"])
    note_edits([image_of(photos / "0.jpg").pk], ["title", "tags"])
    table_of(photos, "0.jpg\tUno\tmare\tCC0")
    run(photos, "--metadata", table, "--tag", "more", "--update-details")
    image = image_of(photos / "0.jpg")
    assert (image.title, image.tags, image.licence) == ("", ["boat"], "CC0")
    assert image_of(photos / "1.jpg").tags == ["more"]


def test_a_changed_sidecar_is_read_again_and_an_unchanged_one_is_not(photos: Path):
    beside = photos / "0.xmp"
    beside.write_bytes(sidecar(2, "Harbour", "sea", "boat"))
    run(photos)
    image = image_of(photos / "0.jpg")
    assert (image.title, image.tags, image.captured.rating) == ("Harbour", ["sea", "boat"], 2)
    Image.objects.filter(pk=image.pk).update(author="From a table", title="From a table")
    assert run(photos, "--update-details")[0] == "0 added, 3 already here, 0 failed.\n"
    assert image_of(photos / "0.jpg").title == "From a table"
    beside.write_bytes(sidecar(5, "Harbour at night", "sea", "night"))
    Capture.objects.filter(pk=image.pk).update(camera="X100V", edited=["camera"])
    assert "1 of them with other details" in run(photos, "--update-details")[0]
    image = image_of(photos / "0.jpg")
    assert (image.title, image.tags, image.author) == ("Harbour at night", ["sea", "night"], "From a table")
    assert (image.captured.rating, image.captured.camera, image.captured.taken.day) == (5, "X100V", 1)
    assert "other details" not in run(photos, "--update-details")[0]


def test_a_sidecar_of_unknown_former_content_fills_empty_fields_only(photos: Path):
    run(photos)
    image = image_of(photos / "0.jpg")
    Image.objects.filter(pk=image.pk).update(title="From a table")
    Capture.objects.filter(pk=image.pk).update(sidecars=None)
    (photos / "0.xmp").write_bytes(sidecar(4, "Harbour", "sea"))
    run(photos, "--update-details")
    image = image_of(photos / "0.jpg")
    assert (image.title, image.tags, image.captured.rating) == ("From a table", ["sea"], 4)


def test_an_ordinary_run_reads_changed_sidecars_and_ignores_the_table(photos: Path):
    (photos / "0.xmp").write_bytes(sidecar(2, "Harbour", "sea"))
    run(photos)
    carol = image_of(photos / "1.jpg")
    Image.objects.filter(pk=carol.pk).update(title="By Carol")
    note_edits([carol.pk], ["title"])
    for name in ("0.xmp", "1.jpg.xmp"):
        (photos / name).write_bytes(sidecar(5, "Harbour at night", "night"))
    out = run(photos, "--metadata", table_of(photos, "0.jpg\tOne\t\t"))[0]
    assert out.splitlines()[0] == "0 added, 3 already here (2 of them with other details), 0 failed."
    assert "1 row of the table is of pictures that were already here" in out
    one, two = image_of(photos / "0.jpg"), image_of(photos / "1.jpg")
    assert (one.title, one.tags, one.captured.rating) == ("Harbour at night", ["night"], 5)
    assert (two.title, two.tags, two.captured.rating) == ("By Carol", ["night"], 5)
    assert "other details" not in run(photos)[0]


def test_an_ordinary_run_ignores_a_sidecar_older_than_the_last_read(photos: Path):
    (photos / "0.xmp").write_bytes(sidecar(2, "Harbour", "sea"))
    run(photos)
    Origin.objects.update(seen=timezone.now() + dt.timedelta(days=1))
    (photos / "0.xmp").write_bytes(sidecar(5, "Harbour at night", "night"))
    assert "other details" not in run(photos)[0]
    assert "1 of them with other details" in run(photos, "--update-details")[0]


def test_an_ordinary_run_reads_a_changed_sidecar_in_an_archive(photos: Path):
    path = photos.parent / "export.zip"
    for description in ("At sea", "At the lake"):
        with zipfile.ZipFile(path, "w") as archive:
            archive.write(photos / "0.jpg", "Photos from 2014/0.jpg")
            archive.writestr("Photos from 2014/0.jpg.json", takeout(description=description))
        run(path)
    assert image_of(photos / "0.jpg").description == "At the lake"


def test_without_captions_sidecars_are_not_read_either(photos: Path):
    run(photos)
    (photos / "0.xmp").write_bytes(sidecar(4, "Harbour", "sea"))
    assert "other details" not in run(photos, "--update-details", "--no-read-captions")[0]


def test_it_is_refused_for_a_watched_folder(photos: Path):
    with pytest.raises(CommandError, match="they can't be combined with --watch"):
        run(photos, "--update-details", "--watch")


def test_a_date_of_a_corrected_table_precedes_a_later_sidecar(photos: Path):
    table = photos.parent / "table.tsv"
    run(photos)
    table.write_text("path\ttitle\ttaken\trating\n0.jpg\tOne\t1999-12-31 23:59\t2\n", encoding="utf-8")
    run(photos, "--metadata", table, "--update-details")
    image = image_of(photos / "0.jpg")
    assert (image.title, image.capture.taken, image.capture.rating) == ("One", wall(1999, 12, 31, 23, 59), 2)
    for rating, title in ((4, "Sidecar"), (5, "Other")):
        (photos / "0.xmp").write_bytes(sidecar(rating, title, "boat"))
        run(photos, "--update-details")
    image = image_of(photos / "0.jpg")
    assert (image.title, image.tags, image.capture.taken_from, image.capture.rating) == ("One", ["boat"], "table", 2)
