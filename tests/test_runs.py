"""The log of runs: who ran what, when and from where, the counts of files, and files not added with the reason."""

import getpass
import os
import platform
import signal
import subprocess
import sys
from contextlib import suppress
from datetime import timedelta
from io import StringIO
from pathlib import Path
from zipfile import ZipFile

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection
from django.urls import reverse
from django.utils import timezone

from search.ingestion import Report, run_recording
from search.ingestion.report import LeftOut, Why
from search.ingestion.run_recording import Record
from search.management.commands.ingest import LEFT_ALONE
from search.management.ingest_watch import _Rounds
from search.models import Image, Run, RunFile, Tombstone
from search.models.run_log import SILENT_AFTER
from search.objects import storage
from search.state import trash_and_history_retention
from tests.base import an_image, pending_image, picture_bytes, picture_file, stored_image, write_picture

pytestmark = pytest.mark.django_db


def ingest(*arguments: object, **options: object) -> tuple[str, str]:
    """Run the command; return its output and its errors."""
    out, complaints = StringIO(), StringIO()
    with suppress(SystemExit):
        call_command("ingest", *map(str, arguments), stdout=out, stderr=complaints, **options)
    return out.getvalue(), complaints.getvalue()


def last_run() -> Run:
    run = Run.objects.with_state().first()
    assert run
    return run


def files(run: Run | None = None) -> list[tuple[str, str, str]]:
    return [(one.kind, Path(one.name).name, one.reason) for one in (run or last_run()).files.all()]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A good picture, a truncated one, an empty one, a film and a hidden file."""
    write_picture(tmp_path / "photos" / "red.jpg")
    (tmp_path / "photos" / "short.jpg").write_bytes(picture_bytes("blue", size=(640, 480))[:900])
    (tmp_path / "photos" / "empty.jpg").write_bytes(b"")
    (tmp_path / "photos" / "film.mov").write_bytes(b"moving")
    (tmp_path / "photos" / ".hidden.jpg").write_bytes(picture_bytes("green"))
    return tmp_path / "photos"


# Recorded facts


def test_an_ingestion_run_records_user_time_place_and_counts(photos: Path):
    ingest(photos, photos / "gone.jpg", "--tag", "sea")
    run = last_run()
    assert (run.kind, run.door, run.by, run.state) == (Run.Kind.INGEST, Run.Door.COMMAND, None, Run.Outcome.DONE)
    assert (run.account, run.machine) == (getpass.getuser(), platform.node())
    assert run.places == [str(photos), str(photos / "gone.jpg")]
    assert run.options["tag"] == ["sea"]
    assert (run.added, run.refused, run.failed) == (1, 2, 1)
    assert run.left_alone == {".mov": 1, "": 1}
    assert run.ended
    assert run.lasted >= timedelta(0)
    assert sorted(files()) == [
        ("failed", "gone.jpg", "There is no such file or folder."),
        (
            "left",
            ".hidden.jpg",
            LEFT_ALONE,
        ),
        ("left", "film.mov", "Not read: .mov."),
        ("refused", "empty.jpg", "This file is empty."),
        ("refused", "short.jpg", "This picture is incomplete: the end of the file is missing."),
    ]


def test_a_second_run_counts_known_and_deleted_pictures(photos: Path):
    ingest(photos)
    write_picture(photos / "blue.jpg", "blue")
    ingest(photos)
    image = Image.objects.get(pk__in=Image.objects.order_by("created")[:1].values("pk"))
    Tombstone.objects.create(image_id=image.pk)
    image.delete()
    ingest(photos)
    run = last_run()
    assert (run.added, run.known, run.deleted) == (0, 1, 1)
    assert ("deleted", "red.jpg", "The picture was deleted from the collection earlier.") in files()


def test_a_sidecar_is_not_listed_as_skipped(photos: Path):
    (photos / "red.xmp").write_text("<x/>")
    ingest(photos)
    assert "red.xmp" not in {name for _kind, name, _reason in files()}
    assert last_run().left_alone == {".mov": 1, "": 1}


def test_a_run_of_a_killed_process_is_shown_as_interrupted(photos: Path):
    with Record() as record:
        assert last_run().state == Run.RUNNING
        Run.objects.filter(pk=record.key).update(noted=timezone.now() - 2 * SILENT_AFTER)
        assert last_run().state == Run.INTERRUPTED
    assert last_run().state == Run.Outcome.DONE


def test_a_failed_run_records_the_error():
    with pytest.raises(ValueError, match="nowhere"), Record():
        raise ValueError("The bucket is nowhere.")
    assert (last_run().state, last_run().problem) == (Run.Outcome.FAILED, "The bucket is nowhere.")


def test_a_stopped_run_is_not_shown_as_done():
    with Record() as record:
        record.take(Report(stopped=True))
    assert last_run().state == Run.Outcome.STOPPED


def test_the_number_of_listed_files_is_bounded_and_counts_are_not(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(run_recording, "MOST_NAMED", 3)
    monkeypatch.setattr(run_recording, "MOST_OTHERS_NAMED", 1)
    report = Report()
    with Record() as record:
        for number in range(5):
            report.fail(f"{number}.jpg", "It is cut short.", refused=number % 2 == 0)
            report.leave_out(LeftOut(Why.LEFT, f"{number}.mov", "Not read."))
        record.noting()(report)
    assert (last_run().refused, last_run().failed) == (3, 2)
    assert [name for _kind, name, _reason in files()] == ["0.jpg", "0.mov", "1.jpg", "2.jpg"]


def test_an_undecodable_name_is_stored_in_a_readable_form():
    with Record() as record:
        report = Report()
        report.fail(os.fsdecode(b"b\xffd\0.jpg"), "It is\0 cut short.")
        record.take(report)
    assert files() == [("failed", "b\\udcffd\\0.jpg", "It is\\0 cut short.")]


def test_the_rounds_of_a_watch_are_one_run_and_list_each_file_once():
    rounds = _Rounds(Record())
    for _ in range(2):
        with rounds.next() as record:
            report = Report(added=2)
            report.fail("a.jpg", "It is cut short.")
            record.take(report)
    assert Run.objects.count() == 1
    assert (last_run().added, last_run().failed, len(files())) == (4, 2, 1)


def test_a_try_repeated_after_an_outage_is_counted_once():
    record = Record()
    for _ in range(2):
        with record:
            report = Report(added=1)
            report.fail("a.jpg", "It is cut short.")
            record.take(report)
    assert (Run.objects.count(), last_run().added, last_run().failed, len(files())) == (1, 1, 1, 1)


@pytest.mark.parametrize(
    ("command", "kind"),
    [
        ("reembed", Run.Kind.REEMBED),
        ("find_duplicates", Run.Kind.DUPLICATES),
        ("read_metadata", Run.Kind.METADATA),
        ("find_places", Run.Kind.PLACES),
    ],
)
def test_every_command_over_all_pictures_leaves_a_record(command: str, kind: str):
    an_image()
    with suppress(SystemExit):
        call_command(command, stdout=StringIO(), stderr=StringIO())
    assert (last_run().kind, last_run().state) == (kind, Run.Outcome.DONE)


@pytest.mark.django_db(transaction=True)
def test_a_picture_that_could_not_be_embedded_is_listed_by_its_id():
    pending_image()
    lost = pending_image("blue")
    storage.delete([storage.original_key(lost.pk)])
    with pytest.raises(SystemExit):
        call_command("embed_pending", stdout=StringIO(), stderr=StringIO())
    run = last_run()
    assert (run.kind, run.added, run.failed) == (Run.Kind.EMBED, 1, 1)
    assert [name for _kind, name, _reason in files()] == [str(lost.pk)]


# Retries


def test_a_retry_tries_only_the_files_that_were_not_added(photos: Path):
    ingest(photos, "--tag", "sea")
    failed = last_run()
    (photos / "short.jpg").write_bytes(picture_bytes("blue"))
    write_picture(photos / "new.jpg", "yellow")
    out, complaints = ingest(retry=failed.pk)
    assert out == f"Trying 2 files of run {failed.pk} again.\n1 added, 0 already here, 1 failed.\n"
    assert complaints == f"{photos}/empty.jpg: This file is empty.\n"
    assert Image.objects.get(pk__in=Image.objects.order_by("-created")[:1].values("pk")).tags == ["sea"]
    run = last_run()
    assert (run.retries_id, run.added, run.refused) == (failed.pk, 1, 1)
    assert run.options["tag"] == ["sea"]


def test_a_retry_can_be_retried(photos: Path):
    ingest(photos)
    ingest(retry=last_run().pk)
    (photos / "empty.jpg").write_bytes(picture_bytes("blue"))
    ingest(retry=last_run().pk)
    assert (last_run().added, last_run().refused) == (1, 1)


def test_a_retry_reports_missing_files(photos: Path):
    ingest(photos)
    (photos / "short.jpg").unlink()
    _out, complaints = ingest(retry=last_run().pk)
    assert f"{photos}/short.jpg: It no longer exists.\n" in complaints


def test_a_retry_reads_failed_members_of_archives(tmp_path: Path):
    archive = tmp_path / "all.zip"
    with ZipFile(archive, "w") as zipped:
        zipped.writestr("red.jpg", picture_bytes("red"))
        zipped.writestr("bad.jpg", picture_bytes("blue", size=(640, 480))[:900])
    ingest(archive)
    failed = last_run()
    with ZipFile(archive, "w") as zipped:
        zipped.writestr("bad.jpg", picture_bytes("blue"))
        zipped.writestr("other.jpg", picture_bytes("green"))
    ingest(retry=failed.pk)
    assert (last_run().added, Image.objects.count()) == (1, 2)


def test_a_retry_of_an_unfinished_run_reads_all_of_its_places(photos: Path):
    ingest(photos)
    Run.objects.update(outcome="", ended=None, noted=timezone.now() - 2 * SILENT_AFTER)
    write_picture(photos / "new.jpg", "yellow")
    out, _complaints = ingest(retry=last_run().pk)
    assert "did not finish" in out
    assert (last_run().added, last_run().known) == (1, 1)


def test_a_retry_reads_all_of_a_place_that_was_unavailable(tmp_path: Path):
    ingest(tmp_path / "away")
    write_picture(tmp_path / "away" / "red.jpg")
    ingest(retry=last_run().pk)
    assert last_run().added == 1


def test_a_retry_reads_an_unavailable_place_and_nothing_new_elsewhere(photos: Path, tmp_path: Path):
    ingest(photos, tmp_path / "away")
    failed = last_run()
    write_picture(tmp_path / "away" / "blue.jpg", "blue")
    write_picture(photos / "new.jpg", "yellow")
    ingest(retry=failed.pk)
    assert (last_run().added, last_run().refused, Image.objects.count()) == (1, 2, 2)


def test_a_retry_looks_for_files_of_a_table_that_were_missing(tmp_path: Path):
    write_picture(tmp_path / "photos" / "red.jpg")
    table = tmp_path / "table.csv"
    table.write_text("path,title\nred.jpg,Red\nblue.jpg,Blue\n")
    ingest(tmp_path / "photos", metadata=table)
    failed = last_run()
    assert failed.failed == 1
    write_picture(tmp_path / "photos" / "blue.jpg", "blue")
    write_picture(tmp_path / "photos" / "new.jpg", "yellow")
    ingest(retry=failed.pk)
    assert set(Image.objects.values_list("title", flat=True)) == {"Red", "Blue"}


def test_a_retry_adds_a_deleted_picture_only_on_request(photos: Path):
    image = stored_image()
    (photos / "red.jpg").write_bytes(picture_bytes("red", size=(640, 480)))
    ingest(photos)
    image = Image.objects.order_by("-created").first()
    assert image
    Tombstone.objects.create(image_id=image.pk)
    image.delete()
    ingest(photos)
    run = last_run()
    ingest(retry=run.pk)
    assert last_run().added == 0
    ingest(retry=run.pk, again=True)
    assert last_run().added == 1


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (Run.Kind.UPLOAD, "upload them again"),
        (Run.Kind.REEMBED, "manage.py reembed"),
        (Run.Kind.INGEST, "did not record what it read"),
    ],
)
def test_a_run_that_can_not_be_retried_says_what_to_do(kind: str, message: str):
    run = Run.objects.create(kind=kind, outcome="done")
    with pytest.raises(CommandError, match=message):
        ingest(retry=run.pk)
    with pytest.raises(CommandError, match="There is no run"):
        ingest(retry=run.pk + 1)


def test_a_retry_uses_the_options_of_its_run_and_accepts_no_others(photos: Path):
    with pytest.raises(CommandError, match="combine it only with"):
        ingest(photos, retry=1)
    with pytest.raises(CommandError, match="combine it only with"):
        ingest(retry=1, tag=["sea"])
    with pytest.raises(CommandError, match="--retry RUN"):
        ingest()


# Uploads


def test_uploads_of_one_user_are_one_run_and_refused_files_are_listed(as_alice, alice):
    for file in (picture_file("red.jpg"), picture_file("bad.jpg", b"no picture"), picture_file("red.jpg")):
        as_alice.post("/upload/", {"pictures": file})
    run = Run.objects.get()
    assert (run.kind, run.door, run.by, run.outcome) == (Run.Kind.UPLOAD, Run.Door.PAGE, alice, Run.Outcome.DONE)
    assert (run.added, run.known, run.refused) == (1, 1, 1)
    assert files(run) == [("refused", "bad.jpg", "This file is not a picture.")]
    as_alice.post(reverse("api:add-image"), {"picture": picture_file("bad.jpg", b"no picture")})
    Run.objects.filter(pk=run.pk).update(noted=timezone.now() - timedelta(hours=1))
    as_alice.post("/upload/", {"pictures": picture_file("green.jpg", colour="green")})
    assert [(run.door, run.added, run.refused) for run in Run.objects.all()] == [
        (Run.Door.PAGE, 1, 0),
        (Run.Door.API, 0, 1),
        (Run.Door.PAGE, 1, 1),
    ]


def test_an_upload_succeeds_although_the_run_can_not_be_recorded(as_alice, monkeypatch):
    def broken(*_given: object) -> int:
        with connection.cursor() as cursor:
            cursor.execute("SELECT FROM no_such_table")
        return 0

    monkeypatch.setattr("search.ingestion.upload_runs._run_of", broken)
    assert as_alice.post("/upload/", {"pictures": picture_file("red.jpg")}).status_code == 200
    assert Image.objects.count() == 1


# Retention


def test_old_runs_are_deleted_with_their_files(settings):
    settings.RUNS_DAYS = 7
    old, young, running = (Run.objects.create(outcome=outcome) for outcome in ("done", "done", ""))
    RunFile.objects.create(run=old, kind="failed", name="a.jpg", reason="It is cut short.")
    Run.objects.filter(pk__in=[old.pk, running.pk]).update(started=timezone.now() - timedelta(days=8))
    trash_and_history_retention.tidy()
    assert set(Run.objects.all()) == {young, running}
    assert not RunFile.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_killed_process_leaves_a_run_shown_as_interrupted(photos: Path, settings):
    """SIGKILL to a process that reports to be alive."""
    script = (
        "import django; django.setup()\n"
        "from search.ingestion import run_recording; run_recording.NOTED_EVERY = 0.05\n"
        "with run_recording.Record():\n    print('begun', flush=True); import time; time.sleep(600)"
    )
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.killed_settings",
        "TEST_DATABASE": settings.DATABASES["default"]["NAME"],
        "TEST_MEDIA": str(settings.MEDIA_ROOT),
    }
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdout
        assert process.stdout.readline() == b"begun\n"
        run = last_run()
        began = run.noted
        while run.noted == began:
            run = last_run()
        assert run.state == Run.RUNNING
        process.send_signal(signal.SIGKILL)
        process.wait()
    Run.objects.update(noted=timezone.now() - SILENT_AFTER)
    assert last_run().state == Run.INTERRUPTED
