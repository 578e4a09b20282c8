"""Keys, and objects in files: written whole or not at all, and never given a second name."""

import os
import threading
import uuid
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import SuspiciousFileOperation

from search.objects import storage
from search.objects.storage import MissingObject, StorageUnavailable
from tests.base import an_image

KEY = "originals/ab/something"


def files_below(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def media(settings: Any) -> Path:
    return Path(settings.MEDIA_ROOT)


# Keys


def test_keys_are_made_from_the_id_alone() -> None:
    image_id = uuid.UUID("0123abcd-0000-8000-8000-000000000000")

    assert storage.keys_of(image_id) == [
        f"originals/01/{image_id}",
        f"renditions/400/01/{image_id}.webp",
        f"renditions/800/01/{image_id}.webp",
        f"renditions/1600/01/{image_id}.webp",
    ]


def test_two_images_share_no_key() -> None:
    assert not set(storage.keys_of(uuid.uuid4())) & set(storage.keys_of(uuid.uuid4()))


# Files


def test_an_object_is_read_as_it_was_put(media: Path) -> None:
    storage.put(KEY, b"bytes \x00\xff", "image/jpeg")

    assert storage.read(KEY) == b"bytes \x00\xff"
    assert files_below(media) == [KEY]


def test_an_object_is_put_over_what_its_key_held_under_the_same_name(media: Path) -> None:
    storage.put(KEY, b"a longer first version", "image/jpeg")
    storage.put(KEY, b"second", "image/jpeg")

    assert storage.read(KEY) == b"second"
    assert files_below(media) == [KEY]


def test_an_object_that_is_not_there_is_missing() -> None:
    with pytest.raises(MissingObject):
        storage.read(KEY)


def test_a_deleted_object_is_missing_and_deleting_it_again_is_no_error() -> None:
    storage.put(KEY, b"bytes", "image/jpeg")

    storage.delete([KEY, "originals/ab/never-there"])
    storage.delete([KEY])

    with pytest.raises(MissingObject):
        storage.read(KEY)


def test_no_key_leads_out_of_the_folder() -> None:
    with pytest.raises(SuspiciousFileOperation):
        storage.put("../outside", b"bytes", "image/jpeg")


def test_a_file_gets_its_name_only_when_all_of_it_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    named: list[bytes] = []
    replace = os.replace

    def noted(draft: str, path: Path) -> None:
        named.append(Path(draft).read_bytes())
        replace(draft, path)

    monkeypatch.setattr("search.objects.storage.os.replace", noted)

    storage.put(KEY, b"short", "image/jpeg")
    storage.put(KEY, b"long" * 100_000, "image/jpeg")

    assert named == [b"short", b"long" * 100_000]


def test_a_write_that_fails_leaves_what_was_there_and_no_draft(media: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    storage.put(KEY, b"first", "image/jpeg")

    def full(draft: str, path: Path) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr("search.objects.storage.os.replace", full)
        with pytest.raises(StorageUnavailable, match="No space left on device"):
            storage.put(KEY, b"second", "image/jpeg")

    assert storage.read(KEY) == b"first"
    assert files_below(media) == [KEY]


def test_whoever_reads_while_others_write_gets_one_of_the_versions_whole() -> None:
    versions = [bytes([number]) * 200_000 for number in range(8)]
    storage.put(KEY, versions[0], "image/jpeg")

    def write(version: bytes) -> None:
        for _ in range(10):
            storage.put(KEY, version, "image/jpeg")

    writers = [threading.Thread(target=write, args=[version]) for version in versions]
    for writer in writers:
        writer.start()
    seen = set()
    while any(writer.is_alive() for writer in writers):
        seen.add(storage.read(KEY))

    assert seen <= set(versions)
    assert storage.read(KEY) in versions


# When the folder is not there


def test_a_folder_that_was_never_made_is_made_when_the_storage_is_asked(media: Path) -> None:
    assert not media.exists()

    storage.check()

    assert media.is_dir()


def test_a_file_in_the_folders_place_makes_the_storage_unavailable(media: Path) -> None:
    media.write_text("not a folder")

    for ask in (lambda: storage.put(KEY, b"bytes", "image/jpeg"), lambda: storage.read(KEY), storage.check):
        with pytest.raises(StorageUnavailable):
            ask()


def test_a_folder_in_the_objects_place_makes_the_storage_unavailable(media: Path) -> None:
    (media / KEY).mkdir(parents=True)

    with pytest.raises(StorageUnavailable):
        storage.read(KEY)


# Where browsers find pictures


@pytest.mark.django_db
def test_files_are_served_by_our_own_pages(client: Any) -> None:
    an_image()

    assert not storage.serves_itself()
    assert "/400.webp" in client.get("/").content.decode()


def test_a_public_address_serves_files_too(settings: Any) -> None:
    settings.S3_PUBLIC_BASE_URL = "https://pictures.example.org"
    image_id = uuid.uuid4()

    assert storage.serves_itself()
    assert storage.rendition_urls([image_id], 400) == {
        image_id: f"https://pictures.example.org/renditions/400/{image_id.hex[:2]}/{image_id}.webp"
    }
