"""A backup is consistent and incremental, and can be restored into any storage."""

import errno
import re
import uuid
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import IO, Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection

from search.backup import making, programs, targets
from search.curation import AddToAlbum, ShowTo, Tag, Trash, change, delete_album, undo
from search.curation.details import Details
from search.embedding import active_model
from search.ingestion import add_picture
from search.models import (
    Album,
    AlbumImage,
    DuplicatePair,
    Edit,
    Fingerprint,
    Image,
    ImageWords,
    MapGroup,
    MapLayout,
    MapPosition,
    Private,
    Report,
    Revision,
    Run,
    RunFile,
    TagSuggestion,
    Tombstone,
    Trashed,
    VocabularyTag,
    WorkingSet,
)
from search.models.albums import Place as AlbumPlace
from search.objects import storage
from search.query import SearchQuery
from search.retrieval import find
from tests.base import picture_bytes
from tests.database import empty_tables
from tests.s3_servers import BUCKET, Rclone, use_s3

pytestmark = pytest.mark.django_db(transaction=True)

COLOURS = ("red", "green", "blue", "black", "white", "yellow")


def run(*command: str) -> tuple[str, str]:
    """Return stdout and stderr of a command that succeeds."""
    out, complaints = StringIO(), StringIO()
    call_command(*command, stdout=out, stderr=complaints)
    return out.getvalue(), complaints.getvalue()


def failed(*command: str) -> str:
    """Return stderr of a command that exits with status 1."""
    complaints = StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command(*command, stdout=StringIO(), stderr=complaints)
    assert ended.value.code == 1
    return complaints.getvalue()


@pytest.fixture
def collection(alice: User) -> list[Image]:
    return [
        add_picture(picture_bytes(colour), Details(title=f"A {colour} one", tags=(colour,)), alice).image
        for colour in COLOURS
    ]


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "backups"


def lose_everything(settings: Any, tmp_path: Path) -> None:
    empty_tables(None)
    settings.MEDIA_ROOT = tmp_path / f"media-{uuid.uuid4().hex}"
    assert not Image.objects.exists()


def visible_state() -> dict[str, Any]:
    """Everything that users see of the collection."""
    pictures = {
        str(image.id): (
            image.title,
            image.tags,
            [round(float(number), 5) for number in image.embedding],
            image.created,
        )
        for image in Image.objects.all()
    }
    originals = {one: storage.read(storage.original_key(uuid.UUID(one))) for one in pictures}
    thumbnails = {one: storage.read(storage.rendition_key(uuid.UUID(one), storage.THUMBNAIL)) for one in pictures}
    found = [str(image.id) for image in find(SearchQuery.from_params({"q": ["red"]})).images]
    people = list(User.objects.values_list("username", "password"))
    return {
        "pictures": pictures,
        "originals": originals,
        "thumbnails": thumbnails,
        "found": found,
        "people": people,
        "words": ImageWords.objects.count(),
    }


def objects_in(target: Path) -> dict[str, bytes]:
    root = target / "objects"
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_restore_brings_back_a_lost_collection(
    collection: list[Image], target: Path, settings: Any, tmp_path: Path
) -> None:
    before = visible_state()
    out, complaints = run("backup", str(target))
    assert f"{2 * len(COLOURS)} objects" in out
    assert "SECRET_KEY" in out
    assert not complaints
    lose_everything(settings, tmp_path)

    out, complaints = run("restore", str(target))

    assert visible_state() == before
    assert not complaints
    assert f"{2 * len(COLOURS)} of them copied" in out
    # The restored collection works: known files are recognised, new ones added.
    assert not add_picture(picture_bytes("red"), Details(), None).is_new
    assert add_picture(picture_bytes("purple"), Details(), None).is_new


def curate(images: list[Image], alice: User) -> None:
    """Work of curators: at least one row in each of CURATED."""
    keys = [image.pk for image in images]
    album = Album.objects.create(title="Summer", owner=alice, cover=images[1])
    change(keys[:3], AddToAlbum(album), by=alice)
    album.move([keys[2]], AlbumPlace.FIRST, set(keys))
    undo(change(keys, Tag(["sea"]), by=alice, search="q=boat"), by=alice)
    change(keys[3:4], ShowTo("own"), by=alice)
    change(keys[4:5], Trash(), by=alice)
    delete_album(Album.objects.create(title="Old", owner=alice), by=alice)
    wide = VocabularyTag.objects.create(name="animal", korean="동물", phrase="an animal", aliases=["beast"])
    narrow = VocabularyTag.objects.create(name="dog", parent=wide)
    for tag, state in ((wide, "accepted"), (narrow, "rejected")):
        TagSuggestion.objects.create(tag=tag, image=images[0], state=state, similarity=0.3, by=alice)
    DuplicatePair.objects.create(first=images[0], second=images[1], kind="same", state="different", by=alice)
    layout = MapLayout.objects.create(model=active_model(), is_current=True, laid_out=1)
    MapGroup.objects.create(layout=layout, number=0, x=1, y=2, name="dogs", samples=keys[:1])
    MapPosition.objects.create(layout=layout, image=images[0], x=1, y=2, number=0)
    run = Run.objects.create(places=["/photos"], outcome="done", refused=1)
    RunFile.objects.create(run=run, kind="refused", name="broken.jpg", reason="It is no picture.")
    Report.objects.create(image=images[0], reason="broken", reporter=alice)
    WorkingSet.keep(alice, keys[:2])


CURATED = (Album, AlbumImage, VocabularyTag, TagSuggestion, DuplicatePair, Fingerprint, MapLayout, MapGroup)
CURATED += (MapPosition, Run, RunFile, Revision, Edit, Trashed, Private, Report, WorkingSet)


def rows_of_all_tables() -> dict[str, str]:
    """Return a digest of each table, regardless of the order of its rows."""
    with connection.cursor() as cursor:
        names = connection.introspection.django_table_names(only_existing=True)
        digests = {}
        for name in names:
            cursor.execute(f"SELECT md5(string_agg(its::text, '|' ORDER BY its::text)) FROM {name} AS its")
            [digests[name]] = cursor.fetchone()
    return digests


def test_the_work_of_curators_is_restored_row_by_row(
    collection: list[Image], alice: User, target: Path, settings: Any, tmp_path: Path
) -> None:
    curate(collection, alice)
    assert all(model.objects.exists() for model in CURATED), [one for one in CURATED if not one.objects.exists()]
    before = rows_of_all_tables()
    run("backup", str(target))
    lose_everything(settings, tmp_path)
    run("restore", str(target))
    assert rows_of_all_tables() == before
    # The restored collection works: a deletion can still be undone.
    undo(Revision.objects.get(kind="del_album"), by=alice)
    assert Album.objects.filter(deleted=None).count() == 2


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rclone]:
    server = Rclone(tmp_path_factory.mktemp("s3"))
    server.start()
    yield server
    server.kill()


def test_a_backup_of_files_is_restored_into_a_bucket_and_back(
    collection: list[Image], server: Rclone, settings: Any, tmp_path: Path, target: Path
) -> None:
    before = visible_state()
    files = settings.STORAGES
    use_s3(settings, server, AWS_LOCATION="site")
    settings.STORAGES, of_bucket = files, settings.STORAGES
    run("backup", f"s3://{BUCKET}/backups/home")
    lose_everything(settings, tmp_path)
    settings.STORAGES = of_bucket

    run("restore", f"s3://{BUCKET}/backups/home")

    assert visible_state() == before
    assert f"site/{storage.original_key(collection[0].id)}" in server.stored()
    run("backup", str(target))
    settings.STORAGES = files
    lose_everything(settings, tmp_path)
    run("restore", str(target))
    assert visible_state() == before


def test_backups_copy_only_new_objects_and_resume_when_killed(
    collection: list[Image], target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, written = targets._Folder.write_from, []

    def killed_after_four(self: Any, key: str, file: IO[bytes]) -> None:
        if len([one for one in written if one.startswith("objects/")]) >= 4:
            raise KeyboardInterrupt
        write(self, key, file)
        written.append(key)

    monkeypatch.setattr(making, "COPIERS", 1)
    monkeypatch.setattr(targets._Folder, "write_from", killed_after_four)
    with pytest.raises(CommandError, match="Run the same command again to resume"):
        run("backup", str(target))
    with pytest.raises(CommandError, match="There is no backup in"):
        run("restore", str(target), "--check")

    def recorded(self: Any, key: str, file: IO[bytes]) -> None:
        write(self, key, file)
        written.append(key)

    monkeypatch.setattr(targets._Folder, "write_from", recorded)
    run("backup", str(target))
    originals = [key for key in written if key.startswith("objects/originals")]
    assert len(originals) == len(set(originals)) == len(COLOURS)
    assert [path.name for path in target.iterdir() if path.name == "unfinished" and any(path.iterdir())] == []
    assert len(list((target / "database").iterdir())) == 1  # the dump of the killed run is removed

    written.clear()
    add_picture(picture_bytes("purple"), Details(), None)
    run("backup", str(target))
    assert len([key for key in written if key.startswith("objects/")]) == 2
    run("restore", str(target), "--check")


def test_damaged_objects_are_named_and_the_rest_restored(
    collection: list[Image], target: Path, settings: Any, tmp_path: Path
) -> None:
    run("backup", str(target))
    gone, cut, other = (target / "objects" / storage.original_key(image.id) for image in collection[:3])
    gone.unlink()
    cut.write_bytes(cut.read_bytes()[:-1])
    other.write_bytes(other.read_bytes()[:-1] + b"?")
    small = target / "objects" / storage.rendition_key(collection[3].id, storage.THUMBNAIL)
    small.write_bytes(b"?" * small.stat().st_size)
    lose_everything(settings, tmp_path)

    told = failed("restore", str(target), "--check")
    assert Path(settings.MEDIA_ROOT).exists() is False
    for path in (gone, cut, other, small):
        assert path.relative_to(target).as_posix() in told
    assert not Image.objects.exists()

    assert failed("restore", str(target)).count("in the backup") == 4
    assert Image.objects.count() == len(COLOURS)
    assert storage.exists(storage.original_key(collection[3].id))
    assert not storage.exists(storage.original_key(collection[1].id))


@pytest.mark.parametrize("part", ["database", "lists"])
@pytest.mark.parametrize("gone", [True, False])
def test_a_backup_with_a_missing_or_damaged_dump_or_list_changes_nothing(
    collection: list[Image], target: Path, part: str, gone: bool
) -> None:
    run("backup", str(target))
    [path] = (target / part).iterdir()
    path.unlink() if gone else path.write_bytes(path.read_bytes()[:-9])

    with pytest.raises(CommandError, match=rf"{part}/\S+ (is missing in|in \S+ is damaged)"):
        run("restore", str(target), "--replace")
    assert Image.objects.count() == len(COLOURS)


def test_a_database_with_rows_is_replaced_only_with_replace(collection: list[Image], target: Path) -> None:
    run("backup", str(target))
    added = add_picture(picture_bytes("purple"), Details(), None).image
    Image.objects.filter(pk=collection[0].pk).update(title="Another title")

    with pytest.raises(CommandError, match=r"it has 7 pictures and 1 accounts.* Add --replace"):
        run("restore", str(target))
    assert Image.objects.filter(pk=added.pk).exists()

    run("restore", str(target), "--replace")
    assert not Image.objects.filter(pk=added.pk).exists()
    assert Image.objects.get(pk=collection[0].pk).title == "A red one"


def test_a_failed_restore_leaves_the_database_unchanged(
    collection: list[Image], target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("backup", str(target))
    from search.backup import restoring

    monkeypatch.setattr(restoring, "_DROPS", restoring._DROPS + " LIMIT 1")  # the tables with rows remain

    with pytest.raises(CommandError, match=r"(?s)nothing was changed.*already exists"):
        run("restore", str(target), "--replace")
    assert Image.objects.count() == len(COLOURS)


def test_images_added_or_deleted_during_a_backup_are_complete_or_absent(
    collection: list[Image], target: Path, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dump = making._dump

    def dump_then_change(*arguments: Any) -> int:
        count = dump(*arguments)
        collection[0].delete()
        add_picture(picture_bytes("purple"), Details(), None)
        return count

    monkeypatch.setattr(making, "_dump", dump_then_change)
    gone = collection[0].id
    run("backup", str(target))
    lose_everything(settings, tmp_path)
    run("restore", str(target))

    assert set(Image.objects.values_list("pk", flat=True)) == {image.id for image in collection[1:]}
    assert Tombstone.objects.filter(pk=gone).exists()
    run("reconcile")


def test_missing_originals_are_named_unless_the_backup_already_has_them(collection: list[Image], target: Path) -> None:
    run("backup", str(target))
    lost, never_had = (storage.original_key(image.id) for image in collection[:2])
    storage.delete([lost])
    run("backup", str(target))  # the backup has a copy already

    storage.delete([never_had])
    told = failed("backup", f"{target}-elsewhere")
    assert lost in told
    assert never_had in told
    assert "missing" in told


def test_originals_in_other_buckets_are_reported_and_thumbnails_can_be_excluded(
    collection: list[Image], target: Path
) -> None:
    Image.objects.filter(pk=collection[0].pk).update(original_location="s3://elsewhere/red.jpg")

    out, _complaints = run("backup", str(target), "--without-thumbnails")

    assert "1 originals stay in other buckets" in out
    assert set(objects_in(target)) == {storage.original_key(image.id) for image in collection[1:]}


def test_keep_removes_old_backups_but_no_object_that_others_need(
    collection: list[Image], target: Path, settings: Any, tmp_path: Path
) -> None:
    run("backup", str(target))
    collection[0].delete()
    run("backup", str(target), "--keep", "2")
    assert len(objects_in(target)) == 2 * len(COLOURS)

    out, _complaints = run("backup", str(target), "--keep", "2")

    assert len(objects_in(target)) == 2 * (len(COLOURS) - 1)
    for part in ("manifests", "lists", "database"):
        assert len(list((target / part).iterdir())) == 2
    latest = re.search(r"Backup (\w+):", out)
    assert latest
    lose_everything(settings, tmp_path)
    run("restore", str(target), "--at", latest[1])
    with pytest.raises(CommandError, match=r"No backup in .* There are: "):
        run("restore", str(target), "--at", "yesterday")


def test_a_backup_of_a_newer_version_is_refused(collection: list[Image], target: Path) -> None:
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO django_migrations (app, name, applied) VALUES ('search', '9999_later', now())")
        try:
            run("backup", str(target))
        finally:
            cursor.execute("DELETE FROM django_migrations WHERE name = '9999_later'")

    with pytest.raises(CommandError, match=r"newer version of this program, with search\.9999_later"):
        run("restore", str(target), "--replace")


def test_postgresql_programs_older_than_the_server_are_refused(
    target: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    old = tmp_path / "pg_dump"
    old.write_text("#!/bin/sh\necho 'pg_dump (PostgreSQL) 15.4 (Debian 15.4-1)'\n")
    old.chmod(0o755)
    monkeypatch.setattr(programs, "_folders", lambda: [tmp_path])

    with pytest.raises(CommandError, match=r"PostgreSQL \d+ or later are needed.*There is version 15 in"):
        run("backup", str(target))


def test_a_full_target_is_reported_and_retried(
    collection: list[Image], target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from search.management import outages

    monkeypatch.setattr(outages, "FULL_LOOK_EVERY", 0.01)
    write, left = targets._Folder.write_from, [1]

    def full_once(self: Any, key: str, file: IO[bytes]) -> None:
        if left:
            left.pop()
            with self._translated():
                raise OSError(errno.ENOSPC, "No space left on device")
        write(self, key, file)

    monkeypatch.setattr(targets._Folder, "write_from", full_once)

    out, complaints = run("backup", str(target))

    assert "The folder of the backup" in complaints
    assert "Backup 2" in out


def test_a_target_inside_the_media_folder_is_refused(settings: Any) -> None:
    with pytest.raises(CommandError, match="choose another folder"):
        run("backup", f"{settings.MEDIA_ROOT}/backups")


@pytest.mark.parametrize("where", ["s3://", "ftp://backups"])
def test_an_invalid_target_is_refused(where: str) -> None:
    with pytest.raises(CommandError, match="s3://bucket/prefix"):
        run("backup", where)
