"""`ingest --watch`: which files of a growing folder are taken, and when."""

import errno
import os
import threading
import time
from collections.abc import Callable
from contextlib import nullcontext
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError

from search.ingestion import FolderWatch, watched_source
from search.management import ingest_watch
from search.models import Image
from search.objects.storage import StorageUnavailable
from tests.base import picture_bytes, write_picture

LONG_AGO = 1_700_000_000


def aged(path: Path) -> Path:
    os.utime(path, (LONG_AGO, LONG_AGO))
    return path


def next_names(watch: FolderWatch) -> list[str]:
    names = [Path(found.path).name for found in watch.look()]
    watch.settle()
    return names


@pytest.fixture
def watch(tmp_path: Path) -> FolderWatch:
    (tmp_path / "in").mkdir()
    return FolderWatch([str(tmp_path / "in")])


def test_existing_files_are_taken_at_once_and_once(watch: FolderWatch, tmp_path: Path):
    aged(write_picture(tmp_path / "in" / "a.jpg"))
    assert [next_names(watch) for _ in range(3)] == [["a.jpg"], [], []]


def test_a_new_file_is_taken_when_it_is_unchanged_between_two_rounds(watch: FolderWatch, tmp_path: Path):
    path = tmp_path / "in" / "a.jpg"
    data = picture_bytes(size=(200, 200))
    path.write_bytes(data[:500])
    assert next_names(watch) == []
    path.write_bytes(data)
    assert next_names(watch) == []
    assert next_names(watch) == ["a.jpg"]
    assert next_names(watch) == []


def test_a_file_renamed_into_place_is_taken_at_once(watch: FolderWatch, tmp_path: Path):
    part = aged(write_picture(tmp_path / "in" / ".a.jpg.part"))
    assert next_names(watch) == []
    part.rename(tmp_path / "in" / "sub.jpg")
    assert next_names(watch) == ["sub.jpg"]


def test_a_file_that_changes_later_is_taken_again(watch: FolderWatch, tmp_path: Path):
    path = aged(write_picture(tmp_path / "in" / "a.jpg"))
    assert next_names(watch) == ["a.jpg"]
    aged(write_picture(path, "blue", size=(99, 99)))
    assert next_names(watch) == ["a.jpg"]


def test_a_picture_is_taken_again_when_its_sidecar_changes(watch: FolderWatch, tmp_path: Path):
    aged(write_picture(tmp_path / "in" / "a.jpg"))
    assert next_names(watch) == ["a.jpg"]
    for text in ("<one/>", "<another/>"):
        (tmp_path / "in" / "a.jpg.xmp").write_text(text)
        assert next_names(watch) == ["a.jpg"]
        assert next_names(watch) == []


def test_unsettled_files_are_returned_again(watch: FolderWatch, tmp_path: Path):
    aged(write_picture(tmp_path / "in" / "a.jpg"))
    assert len(watch.look()) == 1
    assert len(watch.look()) == 1


def test_new_folders_are_read_and_deleted_files_forgotten(watch: FolderWatch, tmp_path: Path):
    aged(write_picture(tmp_path / "in" / "new" / "a.jpg"))
    gone = write_picture(tmp_path / "in" / "b.jpg")
    assert next_names(watch) == ["a.jpg"]
    gone.unlink()
    assert next_names(watch) == []


def test_a_missing_folder_is_reported_once_each_time(watch: FolderWatch, tmp_path: Path):
    reported = []
    for is_there in (True, False, False, True, False):
        if is_there:
            (tmp_path / "in").mkdir(exist_ok=True)
        elif (tmp_path / "in").exists():
            (tmp_path / "in").rmdir()
        watch.look()
        reported.append([reason for _, reason in watch.problems])
    assert reported == [[], ["No such file or directory"], [], [], ["No such file or directory"]]


def run_round(
    watch: FolderWatch, *failed: str, reason: str = "No.", unread: bool = False
) -> tuple[list[str], list[str]]:
    """The files that a round returns, and the failed ones that are reported."""
    offered = {Path(found.path).name: found.path for found in watch.look()}
    failures = [(path, reason) for name, path in offered.items() if name in failed]
    news = watch.settle(failures, [path for path, _ in failures] if unread else [])
    return list(offered), [Path(path).name for path, _ in news]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(
        "search.ingestion.sources.watching.time", SimpleNamespace(time=time.time, monotonic=lambda: now[0])
    )
    return now


def test_an_unreadable_file_is_retried_after_a_while_and_reported_once(
    watch: FolderWatch, tmp_path: Path, clock: list[float]
):
    aged(write_picture(tmp_path / "in" / "a.jpg"))
    assert run_round(watch, "a.jpg", unread=True) == (["a.jpg"], ["a.jpg"])
    assert run_round(watch, "a.jpg", unread=True) == ([], [])
    waits, before = [], clock[0]
    while len(waits) < 9:
        clock[0] += 5
        offered, news = run_round(watch, "a.jpg", unread=True)
        assert news == []
        if offered:
            waits.append(clock[0] - before)
            before = clock[0]
    assert waits == [15, 30, 60, 120, 240, 480, 900, 900, 900]
    clock[0] += 900
    assert run_round(watch) == (["a.jpg"], [])
    clock[0] += 10_000
    assert run_round(watch) == ([], [])


def test_another_reason_is_reported_again(watch: FolderWatch, tmp_path: Path, clock: list[float]):
    aged(write_picture(tmp_path / "in" / "a.jpg"))
    run_round(watch, "a.jpg", unread=True)
    clock[0] += 15
    assert run_round(watch, "a.jpg", reason="Another.", unread=True) == (["a.jpg"], ["a.jpg"])


def test_a_file_that_is_no_picture_is_retried_only_after_a_change(
    watch: FolderWatch, tmp_path: Path, clock: list[float]
):
    path = aged(write_picture(tmp_path / "in" / "a.jpg"))
    assert run_round(watch, "a.jpg") == (["a.jpg"], ["a.jpg"])
    clock[0] += 10_000
    assert run_round(watch, "a.jpg") == ([], [])
    # More data without a new size or time: it counts as settled when it is the same in two rounds.
    data = path.read_bytes()
    path.write_bytes(data[::-1])
    aged(path)
    assert run_round(watch, "a.jpg") == ([], [])
    assert run_round(watch, "a.jpg") == (["a.jpg"], [])
    # Another file in its place, with the same size and time.
    aged(write_picture(tmp_path / "in" / ".b.jpg"))
    (tmp_path / "in" / ".b.jpg").rename(path)
    assert [run_round(watch), run_round(watch), run_round(watch)] == [([], []), (["a.jpg"], []), ([], [])]


def test_a_file_with_changed_permissions_is_retried(watch: FolderWatch, tmp_path: Path, clock: list[float]):
    path = aged(write_picture(tmp_path / "in" / "a.jpg"))
    path.chmod(0)
    assert run_round(watch, "a.jpg", unread=True) == (["a.jpg"], ["a.jpg"])
    path.chmod(0o644)
    assert [run_round(watch), run_round(watch), run_round(watch)] == [([], []), (["a.jpg"], []), ([], [])]


def test_unreadable_files_of_a_drive_are_retried_when_it_returns(
    watch: FolderWatch, tmp_path: Path, clock: list[float]
):
    aged(write_picture(tmp_path / "in" / "a.jpg"))
    run_round(watch, "a.jpg", unread=True)
    (tmp_path / "in").rename(tmp_path / "away")
    clock[0] += 100
    assert run_round(watch) == ([], [])
    (tmp_path / "away").rename(tmp_path / "in")
    assert run_round(watch) == (["a.jpg"], [])


def test_a_file_without_a_suffix_is_read_again_when_its_permissions_change(
    watch: FolderWatch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    path = aged(write_picture(tmp_path / "in" / "picture"))
    with monkeypatch.context() as closed:  # root could read it
        closed.setattr("search.ingestion.sources.local_files.head_of", lambda path: b"")
        assert next_names(watch) == []
    path.chmod(0o644 if path.stat().st_mode & 0o777 != 0o644 else 0o600)
    assert next_names(watch) == ["picture"]


def test_a_round_is_a_source(watch: FolderWatch, tmp_path: Path):
    path = aged(write_picture(tmp_path / "in" / "a.jpg"))
    (item,) = watched_source(watch.look(), {})
    assert (item.read(), item.address) == (path.read_bytes(), str(path.resolve()))


class _ScriptedPauses(threading.Event):
    """Replaces the pauses between rounds: runs one step in each, and stops the command after the last."""

    def __init__(self, *steps: Callable[[], object]) -> None:
        super().__init__()
        self.steps = list(steps)

    def wait(self, timeout: float | None = None) -> bool:
        if self.steps:
            self.steps.pop(0)()
        else:
            self.set()
        return self.is_set()


@pytest.fixture
def running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[str, str]]:
    (tmp_path / "in").mkdir(exist_ok=True)

    def run(*steps: Callable[[], object], options: tuple[str, ...] = ()) -> tuple[str, str]:
        monkeypatch.setattr(
            ingest_watch, "stopped_by_signals", lambda complaints: nullcontext(_ScriptedPauses(*steps))
        )
        out, complaints = StringIO(), StringIO()
        call_command("ingest", str(tmp_path / "in"), "--watch", *options, stdout=out, stderr=complaints)
        return out.getvalue(), complaints.getvalue()

    return run


@pytest.mark.django_db
def test_the_command_adds_existing_and_new_files_and_reports_rounds_with_changes(
    tmp_path: Path, running: Callable[..., tuple[str, str]]
):
    aged(write_picture(tmp_path / "in" / "a.jpg"))
    out, complaints = running(
        lambda: write_picture(tmp_path / "in" / "b.jpg", "blue"),
        lambda: None,
        lambda: aged(write_picture(tmp_path / "in" / "broken.jpg")).write_bytes(b"no picture"),
        lambda: aged(tmp_path / "in" / "broken.jpg"),
        lambda: None,
        options=("--tag", "new"),
    )
    assert out.splitlines() == [
        "Watching. Stop with Ctrl-C.",
        "1 added, 0 already here, 0 failed.",
        "1 added, 0 already here, 0 failed.",
        "0 added, 0 already here, 1 failed.",
    ]
    assert "broken.jpg" in complaints
    assert list(Image.objects.values_list("tags", flat=True)) == [["new"], ["new"]]


@pytest.mark.django_db
def test_the_command_retries_unreadable_files_and_reports_them_once(
    tmp_path: Path, running: Callable[..., tuple[str, str]], clock: list[float], monkeypatch: pytest.MonkeyPatch
):
    aged(write_picture(tmp_path / "in" / "a.jpg"))
    aged(write_picture(tmp_path / "in" / "b.jpg", "blue"))
    away = [True]

    def reading(file: Any, size: int = 0) -> bytes:
        data: bytes = file.read()
        if away and file.name.endswith("a.jpg"):
            raise OSError(errno.EIO, "Input/output error")
        return data

    monkeypatch.setattr("search.ingestion.sources.local_files.read_within", reading)

    def later() -> None:
        clock[0] += 1000

    out, complaints = running(later, later, away.clear, later, later)

    assert complaints == f"{tmp_path}/in/a.jpg: Input/output error\n"
    assert out.splitlines() == [
        "Watching. Stop with Ctrl-C.",
        "1 added, 0 already here, 1 failed.",
        "1 added, 0 already here, 0 failed.",
    ]


@pytest.mark.django_db
def test_the_command_counts_skipped_files_once_and_follows_the_rules(
    tmp_path: Path, running: Callable[..., tuple[str, str]]
):
    for name in ("a.mov", "b.mov", "#recycle/c.jpg", "drafts/d.jpg"):
        aged(write_picture(tmp_path / "in" / name, format="JPEG"))
    (tmp_path / "in" / "m.csv").write_text("path,title\n")
    out, _ = running(
        lambda: None,
        (tmp_path / "in" / "e.mov").touch,
        options=("--exclude", "drafts", "--metadata", str(tmp_path / "in" / "m.csv")),
    )
    assert out.splitlines() == ["Watching. Stop with Ctrl-C.", "Not read: 2 .mov.", "Not read: 1 .mov."]


@pytest.mark.django_db
def test_the_table_is_read_again_for_each_round(tmp_path: Path, running: Callable[..., tuple[str, str]]):
    table = tmp_path / "m.csv"
    table.write_text("path,title\n")

    def comes() -> None:
        aged(write_picture(tmp_path / "in" / "a.jpg"))
        table.write_text("path,title\nin/a.jpg,A\n")

    running(comes, options=("--metadata", str(table)))
    assert Image.objects.get().title == "A"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("error", [StorageUnavailable, OperationalError, psycopg.OperationalError])
def test_the_command_waits_for_an_unavailable_storage_or_database(
    tmp_path: Path, running: Callable[..., tuple[str, str]], monkeypatch: pytest.MonkeyPatch, error: type[Exception]
):
    aged(write_picture(tmp_path / "in" / "a.jpg"))
    ingest = ingest_watch.ingest

    def away(*arguments: object, **options: object) -> None:
        monkeypatch.setattr(ingest_watch, "ingest", ingest)
        raise error("It is away.\n")

    monkeypatch.setattr(ingest_watch, "ingest", away)
    _, complaints = running(lambda: None)
    assert complaints == "It is away. Trying again.\n"
    assert Image.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_database_failure_during_calibration_does_not_end_the_command(
    tmp_path: Path, running: Callable[..., tuple[str, str]], monkeypatch: pytest.MonkeyPatch
):
    aged(write_picture(tmp_path / "in" / "a.jpg"))

    def away(*streams: object) -> None:
        monkeypatch.setattr(ingest_watch, "calibrate_after", lambda *streams: None)
        raise OperationalError("It is away.\n")

    monkeypatch.setattr(ingest_watch, "calibrate_after", away)
    out, complaints = running(lambda: aged(write_picture(tmp_path / "in" / "b.jpg", "blue")))
    assert complaints == "It is away. Trying again.\n"
    assert out.splitlines()[1:] == 2 * ["1 added, 0 already here, 0 failed."]


@pytest.mark.django_db
def test_a_missing_model_ends_the_command(tmp_path: Path, running: Callable[..., tuple[str, str]], no_model: Path):
    aged(write_picture(tmp_path / "in" / "a.jpg"))
    with pytest.raises(CommandError, match="can't be used"):
        running()


@pytest.mark.parametrize("others", [["--limit", "3"], ["--every", "2"], ["--dry-run"]])
def test_options_for_partial_runs_are_refused(tmp_path: Path, others: list[str]):
    with pytest.raises(CommandError, match="adds every picture"):
        call_command("ingest", str(tmp_path), "--watch", *others)


def test_files_are_refused(tmp_path: Path):
    with pytest.raises(CommandError, match="is not a folder"):
        call_command("ingest", str(write_picture(tmp_path / "a.jpg")), "--watch")
