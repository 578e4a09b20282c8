"""`ingest --prune`: pictures whose files are gone are listed, and removed by a second run."""

import shutil
import zipfile
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.management import CommandError
from django.utils import timezone

from search.models import Image, Origin, ProposedRemoval, Tombstone
from search.models.image import content_id
from tests.base import picture_bytes, write_picture
from tests.test_ingest_command import run

pytestmark = pytest.mark.django_db

COUNT = 12


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder of twelve ingested pictures."""
    for number in range(COUNT):
        write_picture(tmp_path / "photos" / f"{number:02}.png", f"#{number:02x}8040", format="PNG", size=(32, 32))
    assert run(tmp_path / "photos")[0].startswith(f"{COUNT} added")
    return tmp_path / "photos"


def test_missing_files_are_listed_and_removed_by_a_second_run(photos: Path):
    gone = photos / "03.png"
    image_id = content_id(gone.read_bytes())
    gone.unlink()
    out = run(photos, "--prune")[0]
    assert f"{gone}: gone ({image_id})" in out
    assert "Gone: 1 of 12 pictures from here. To remove these from the collection, run the same command again" in out
    assert Image.objects.count() == COUNT
    assert "Removed from the collection: 1." in run(photos, "--prune")[0]
    assert not Image.objects.filter(pk=image_id).exists()
    assert Tombstone.objects.filter(pk=image_id).exists()
    assert "Gone: 0 of 11" in run(photos, "--prune", "--yes")[0]


def test_an_old_list_is_made_again(photos: Path):
    (photos / "03.png").unlink()
    run(photos, "--prune")
    ProposedRemoval.objects.update(created=timezone.now() - timedelta(hours=2))
    assert "run the same command again" in run(photos, "--prune")[0]
    assert Image.objects.count() == COUNT


def test_a_moved_file_is_not_missing(photos: Path):
    (photos / "there").mkdir()
    for number in range(COUNT):
        (photos / f"{number:02}.png").rename(photos / "there" / f"{number:02}.png")
    assert "Gone: 0 of 12" in run(photos, "--prune", "--yes")[0]


def test_removing_more_than_a_tenth_needs_an_option(photos: Path):
    for number in range(2):
        (photos / f"{number:02}.png").unlink()
    with pytest.raises(CommandError, match=r"Gone: 2 of 12 .* more than a tenth.* --most 2 allows it"):
        run(photos, "--prune", "--yes")
    with pytest.raises(CommandError, match="more than --most 1"):
        run(photos, "--prune", "--yes", "--most", 1)
    assert Image.objects.count() == COUNT
    assert "Removed from the collection: 2." in run(photos, "--prune", "--yes", "--most", 2)[0]


def test_an_empty_or_missing_folder_removes_nothing(photos: Path, tmp_path: Path):
    photos.rename(tmp_path / "elsewhere")
    with pytest.raises(CommandError, match="that are there, and nothing was removed"):
        run(photos, "--prune", "--yes", "--most", COUNT)
    photos.mkdir()
    with pytest.raises(CommandError, match="The place may be unavailable: nothing was removed"):
        run(photos, "--prune", "--yes", "--most", COUNT)
    # Nor if another given place has pictures.
    write_picture(tmp_path / "more" / "a.png", "white", format="PNG")
    with pytest.raises(CommandError, match="The place may be unavailable"):
        run(photos, tmp_path / "more", "--prune", "--yes", "--most", COUNT)
    assert Image.objects.count() == COUNT + 1


def test_an_unmounted_disk_below_the_folder_removes_nothing_until_its_mount_point_is_gone(photos: Path):
    disk = photos / "disk"
    for number in range(2):
        write_picture(disk / "2020" / f"{number}.png", f"#ff{number:02x}40", format="PNG", size=(32, 32))
    run(photos)
    shutil.rmtree(disk / "2020")
    (photos / "03.png").unlink()
    out = run(photos, "--prune", "--yes")[0]
    assert f"{disk}: 2 pictures from here are missing" in out
    assert "Gone: 1 of 14 pictures from here. Removed from the collection: 1." in out
    assert Image.objects.count() == COUNT + 1
    disk.rmdir()
    assert "Removed from the collection: 2." in run(photos, "--prune", "--yes", "--most", 2)[0]


def test_pictures_of_other_places_are_left_alone(photos: Path, tmp_path: Path):
    other = write_picture(tmp_path / "photos-2" / "a.png", "white", format="PNG")
    also_there = tmp_path / "photos-2" / "b.png"
    shutil.copy(photos / "05.png", also_there)
    with zipfile.ZipFile(photos / "old.zip", "w") as archive:
        archive.writestr("z.png", picture_bytes("black", format="PNG"))
    run(tmp_path / "photos-2", photos / "old.zip")
    for path in (other, photos / "05.png", photos / "06.png", photos / "old.zip"):
        path.unlink()
    out = run(photos, "--prune", "--yes")[0]
    assert f"1 more are gone from here, but came from elsewhere too, and stay: {photos}/05.png ({also_there})." in out
    assert "Removed from the collection: 1." in out
    assert Image.objects.count() == COUNT + 2 - 1


def test_excluded_and_replaced_files_are_distinguished_from_missing_ones(photos: Path):
    # Excluded, but present.
    assert "Gone: 0 of 12" in run(photos, "--exclude", "0[0-4].png", "--prune")[0]
    # Another picture of the collection has its name: the original file is gone, the present one is known.
    shutil.copy(photos / "00.png", photos / "01.png")
    assert f"{photos}/01.png: gone" in run(photos, "--prune")[0]


def test_members_removed_from_an_archive_are_pruned(photos: Path, tmp_path: Path):
    path = tmp_path / "photos.zip"
    for count in (COUNT, COUNT - 1):
        with zipfile.ZipFile(path, "w") as archive:
            for number in range(1, count + 1):
                archive.writestr(f"{number}.png", picture_bytes(f"#{number:02x}0000", format="PNG", size=(32, 32)))
        out = run(path, "--prune", "--yes")[0]
    assert "Removed from the collection: 1." in out
    assert Image.objects.count() == 2 * COUNT - 1


def test_prune_is_refused_for_partial_runs(photos: Path):
    for more in (["--limit", 3], ["--every", 2], ["--dry-run"]):
        with pytest.raises(CommandError, match="--prune must see every picture"):
            run(photos, "--prune", *more)
    with pytest.raises(CommandError, match="--yes and --most need --prune"):
        run(photos, "--yes")
    assert Origin.objects.count() == COUNT
