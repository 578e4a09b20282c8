"""`manage.py ingest`: from folders to rows and objects."""

import io
import os
import signal
import subprocess
import sys
import zipfile
from io import StringIO
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.core.management import CommandError, call_command

from search import decoding, embedding
from search.imaging import read_picture
from search.ingestion import files_source, ingest
from search.ingestion.pipeline import coordinator as pipeline
from search.ingestion.sources import local_files
from search.models import Image, OwedDeletion
from search.models.image import content_id
from search.objects import storage
from tests.base import picture_bytes, write_picture
from tests.pictures import photo

pytestmark = pytest.mark.django_db


def run(*arguments: object, **options: object) -> tuple[str, str, int]:
    """Run the command; return its stdout, stderr and exit status."""
    out, complaints = StringIO(), StringIO()
    try:
        call_command("ingest", *map(str, arguments), stdout=out, stderr=complaints, **options)
    except SystemExit as end:
        return out.getvalue(), complaints.getvalue(), int(end.code or 0)
    return out.getvalue(), complaints.getvalue(), 0


def state() -> dict[object, tuple[object, ...]]:
    """Everything that ingestion stores, except vectors and times."""
    return {
        image.id: (image.title, image.tags, image.width, image.height, storage.read(key))
        for image in Image.objects.all()
        for key in [storage.rendition_key(image.id, storage.THUMBNAIL)]
    }


def vectors_of_all() -> dict[object, tuple[float, ...]]:
    return {image.id: tuple(image.embedding) for image in Image.objects.all()}


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for number, colour in enumerate(("red", "green", "blue", "white", "black")):
        write_picture(tmp_path / "photos" / f"{number}.jpg", colour, size=(640, 480))
    return tmp_path / "photos"


def test_a_folder_of_pictures_is_ingested(photos: Path):
    out, complaints, status = run(photos)
    assert (out, complaints, status) == ("5 added, 0 already here, 0 failed.\n", "", 0)
    image = Image.objects.get(pk=content_id((photos / "0.jpg").read_bytes()))
    assert (image.width, image.height, image.format) == (640, 480, "JPEG")
    assert image.embedding_model == embedding.active_model()
    assert storage.read(storage.original_key(image.id)) == (photos / "0.jpg").read_bytes()
    assert read_picture(storage.read(storage.rendition_key(image.id, 400)), max_pixels=10**6).width == 400


def test_known_pictures_are_skipped_without_decoding(photos: Path, monkeypatch: pytest.MonkeyPatch):
    run(photos)
    before = state()
    monkeypatch.setattr(decoding, "prepared_picture", None)
    monkeypatch.setattr(pipeline, "picture_encoder", None)
    assert run(photos)[0] == "0 added, 5 already here, 0 failed.\n"
    assert state() == before


def test_a_copy_in_the_folder_is_one_image(photos: Path):
    (photos / "copy.jpg").write_bytes((photos / "0.jpg").read_bytes())
    assert run(photos)[0] == "5 added, 1 already here, 0 failed.\n"


def test_a_copy_in_the_next_batch_is_one_image(photos: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pipeline, "BATCH", 1)
    (photos / "0b.jpg").write_bytes((photos / "0.jpg").read_bytes())
    assert run(photos)[0] == "5 added, 1 already here, 0 failed.\n"


def test_unreadable_files_are_reported_with_the_reason_and_skipped(photos: Path):
    (photos / "broken.jpg").write_bytes(picture_bytes(size=(640, 480))[:900])
    (photos / "empty.png").write_bytes(b"")
    (photos / "text.gif").write_text("no picture")
    out, complaints, status = run(photos, photos / "gone.jpg")
    assert out == "5 added, 0 already here, 4 failed.\n"
    assert status == 1
    for name, reason in [("broken", "incomplete"), ("empty", "empty"), ("text", "not a picture"), ("gone", "no such")]:
        assert any(name in line and reason in line for line in complaints.splitlines()), complaints


def test_a_dry_run_stores_nothing(photos: Path, settings):
    (photos / "empty.png").write_bytes(b"")
    out, _, status = run(photos, "--dry-run")
    assert (out, status) == ("5 would be added, 0 already here, 1 failed.\n", 1)
    assert not Image.objects.exists()
    assert not Path(settings.MEDIA_ROOT).exists()


def test_details_are_read_from_a_table_and_tags_from_the_command_line(photos: Path):
    (photos / "m.csv").write_text("path,title,tags\n0.jpg,Red,red\n9.jpg,Gone,\n")
    _, complaints, status = run(photos, "--metadata", photos / "m.csv", "--tag", "plain", "--tag", "red")
    assert status == 1
    assert "9.jpg: Named in the metadata, but missing." in complaints
    image = Image.objects.get(title="Red")
    assert image.tags == ["red", "plain"]
    assert Image.objects.filter(title="", tags=["plain", "red"]).count() == 4


def test_a_table_that_can_not_be_read_stops_the_command_before_anything_is_added(photos: Path):
    with pytest.raises(CommandError, match="must end in"):
        call_command("ingest", str(photos), metadata=photos / "m.ods")
    assert not Image.objects.exists()


def test_ignored_files_are_counted_by_suffix(photos: Path):
    for name in ("a.mov", "b.MOV", "c.xmp", "LICENCE"):
        (photos / name).write_text("no picture")
    out, complaints, status = run(photos)
    assert out == "5 added, 0 already here, 0 failed.\nNot read: 2 .mov, 1 without a suffix, 1 .xmp.\n"
    assert (complaints, status) == ("", 0)


def test_a_folder_with_only_ignored_files_is_a_failure(tmp_path: Path):
    (tmp_path / "in").mkdir()
    assert run(tmp_path / "in") == ("0 added, 0 already here, 0 failed.\n", "", 0)
    (tmp_path / "in" / "a.psd").write_text("no picture")
    assert run(tmp_path / "in") == ("0 added, 0 already here, 0 failed.\nNot read: 1 .psd.\n", "", 1)


def test_names_of_files_do_not_control_the_terminal(tmp_path: Path):
    (tmp_path / "a\n\x1b[31mb.jpg").write_text("no picture")
    assert run(tmp_path)[1] == f"{tmp_path}/a\\n\\x1b[31mb.jpg: This file is not a picture.\n"


def test_skipped_hidden_files_are_reported(tmp_path: Path):
    write_picture(tmp_path / "in" / ".hidden" / "a.jpg")
    out, _, status = run(tmp_path / "in")
    assert "Skipped: 1 files and folders that are hidden" in out
    assert status == 0
    assert run(tmp_path / "in", "--include-hidden")[0].startswith("1 added")


def test_excluded_files_are_skipped(photos: Path):
    assert run(photos, "--exclude", "0.*", "--exclude", "[12].jpg")[0].startswith("2 added")


def test_a_file_that_is_too_large_is_reported_and_all_others_are_added(photos: Path, monkeypatch: pytest.MonkeyPatch):
    with (photos / "0_backup.jpg").open("wb") as file:
        file.truncate(60 << 30)  # sparse: takes no disk space
    out, complaints, status = run(photos)
    assert (out, status) == ("5 added, 0 already here, 1 failed.\n", 1)
    assert "0_backup.jpg: This file has 64,424.6 MB; the limit is 1,000. INGEST_MAX_MB sets it." in complaints


def test_a_file_that_does_not_fit_in_memory_fails_alone(photos: Path, monkeypatch: pytest.MonkeyPatch):
    class Tight(io.BufferedReader):
        def read(self, size: int | None = -1, /) -> bytes:
            if str(self.name).endswith("/0.jpg"):
                raise MemoryError
            return super().read(size)

    opened = open
    monkeypatch.setattr(local_files, "open", lambda path, mode: Tight(opened(path, mode).detach()), raising=False)
    out, complaints, _ = run(photos)
    assert out == "4 added, 0 already here, 1 failed.\n"
    assert "0.jpg: There is not enough memory to read it." in complaints


def test_a_file_that_grows_while_it_is_read_is_read_up_to_the_limit(
    photos: Path, settings, monkeypatch: pytest.MonkeyPatch
):
    settings.INGEST_MAX_MB = 1
    (photos / "0.jpg").write_bytes(bytes(3_000_000))
    monkeypatch.setattr(local_files.os, "fstat", lambda number: (photos / "1.jpg").stat())
    monkeypatch.setattr(local_files, "expected", lambda size: 0)
    out, complaints, _ = run(photos)
    assert out == "4 added, 0 already here, 1 failed.\n"
    assert "0.jpg: This file has 1.1 MB; the limit is 1." in complaints


def test_a_table_can_describe_members_of_an_archive(photos: Path, tmp_path: Path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(photos / "0.jpg", "deep/0.jpg")
    (tmp_path / "m.csv").write_text("Path;Title\r\na.zip\\deep\\0.jpg;Red\r\ngone.jpg;Gone\r\n")
    _, complaints, status = run(tmp_path / "a.zip", "--metadata", tmp_path / "m.csv")
    assert Image.objects.get().title == "Red"
    assert complaints == "gone.jpg: Named in the metadata, but missing.\n"
    assert status == 1


def test_exif_orientation_is_applied(tmp_path: Path):
    (tmp_path / "turned.jpg").write_bytes(photo("JPEG", orientation=6))
    run(tmp_path)
    image = Image.objects.get()
    thumbnail = read_picture(storage.read(storage.rendition_key(image.id, 400)), max_pixels=10**6)
    assert (image.width, image.height) == (thumbnail.width, thumbnail.height) == (32, 48)


def test_images_of_another_model_get_a_vector_of_the_active_one(photos: Path):
    run(photos)
    Image.objects.update(embedding_model="an older model", title="kept")
    assert run(photos)[0] == "5 added, 0 already here, 0 failed.\n"
    assert set(Image.objects.values_list("embedding_model", "title")) == {(embedding.active_model(), "kept")}


def test_a_missing_model_stops_the_command_before_anything_is_stored(photos: Path, settings, tmp_path: Path):
    settings.EMBEDDING_IMAGE_MODEL = str(tmp_path)
    embedding.forget_models()
    try:
        with pytest.raises(CommandError, match="can't be used"):
            call_command("ingest", str(photos))
    finally:
        embedding.forget_models()
    assert not Image.objects.exists()
    assert not Path(settings.MEDIA_ROOT).exists()


def test_if_the_storage_fails_all_rows_still_have_their_objects(photos: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pipeline, "BATCH", 2)
    puts = []

    def fails_later(key: str, data: bytes, content_type: str) -> None:
        puts.append(key)
        if len(puts) > 6:
            raise storage.StorageUnavailable("The disk is full.")
        original(key, data, content_type)

    original = storage.put
    monkeypatch.setattr(storage, "put", fails_later)
    with pytest.raises(CommandError, match=r"(?s)The disk is full.*run the same command again"):
        call_command("ingest", str(photos))
    for image in Image.objects.all():
        assert storage.read(storage.original_key(image.id))
    monkeypatch.setattr(storage, "put", original)
    run(photos)
    assert Image.objects.count() == 5


@pytest.mark.django_db(transaction=True)
def test_a_killed_run_that_is_repeated_has_the_same_result(tmp_path: Path, settings):
    for number in range(40):
        write_picture(tmp_path / "photos" / f"{number}.png", f"#{number:02x}4080", size=(32, 32), format="PNG")
    run(tmp_path / "photos")
    never_killed, vectors = state(), vectors_of_all()
    Image.objects.all().delete()
    # In a separate process that kills itself with SIGKILL after a number of objects.
    script = (
        "import os, signal, sys, django; django.setup()\n"
        "from django.conf import settings\n"
        "from search.objects import storage\n"
        "from search.ingestion import files_source, ingest\n"
        "from search.ingestion.pipeline import coordinator, steps\n"
        "coordinator.BATCH = steps.BATCH = 8\n"
        "steps.UNDER_WAY = 16\n"
        "original, left = storage.put, [int(sys.argv[2])]\n"
        "def put(*arguments):\n"
        "    original(*arguments)\n"
        "    left[0] -= 1\n"
        "    if not left[0]: os.kill(os.getpid(), signal.SIGKILL)\n"
        "storage.put = put\n"
        "ingest(files_source([sys.argv[1]]), again=True)\n"
    )
    database = django_settings.DATABASES["default"]
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.killed_settings",
        "TEST_DATABASE": database["NAME"],
        "TEST_MEDIA": str(settings.MEDIA_ROOT),
        "TEST_MODELS": str(settings.MODELS_DIR),
        "EMBEDDING_IMAGE_MODEL": settings.EMBEDDING_IMAGE_MODEL,
        "EMBEDDING_TEXT_MODEL": settings.EMBEDDING_TEXT_MODEL,
    }
    killed = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script, str(tmp_path / "photos"), "45"],
        env=environment,
        capture_output=True,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    assert 0 < Image.objects.count() < 40
    assert run(tmp_path / "photos", "--again")[2] == 0
    assert state() == never_killed
    again = vectors_of_all()
    # The last bits of a vector depend on the other pictures of its batch: half floats then differ by one step.
    assert {key: pytest.approx(vector, abs=1e-3) for key, vector in vectors.items()} == again
    assert not OwedDeletion.objects.exists()


def test_enqueued_images_need_no_model_and_are_pending(photos: Path, no_model: Path):
    report = ingest(files_source([str(photos)]), tags=["later"], enqueue=True)
    assert (report.added, report.known, report.failed) == (5, 0, [])
    for image in Image.objects.all():
        assert (image.embedding, image.embedding_model, image.embedding_backend) == (None, "", "")
        assert (image.width, image.tags) == (640, ["later"])
        assert storage.exists(storage.original_key(image.id))
        assert storage.exists(storage.rendition_key(image.id, storage.THUMBNAIL))
    assert ingest(files_source([str(photos)]), enqueue=True).known == 5


def test_pending_images_are_embedded_when_ingested_again(photos: Path):
    ingest(files_source([str(photos)]), enqueue=True)
    assert run(photos)[0] == "5 added, 0 already here, 0 failed.\n"
    assert set(Image.objects.values_list("embedding_model", flat=True)) == {embedding.active_model()}


def test_enqueue_keeps_existing_vectors(photos: Path):
    run(photos)
    before = vectors_of_all()
    Image.objects.filter(format="JPEG").update(title="kept")
    assert ingest(files_source([str(photos)]), enqueue=True).known == 5
    assert vectors_of_all() == before
