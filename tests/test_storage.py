"""Object keys, and objects stored in files: written completely or not at all, and never under a second name."""

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


def test_keys_depend_on_the_id_only() -> None:
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


def test_a_stored_object_is_read_unchanged(media: Path) -> None:
    storage.put(KEY, b"bytes \x00\xff", "image/jpeg")

    assert storage.read(KEY) == b"bytes \x00\xff"
    assert files_below(media) == [KEY]


def test_an_object_replaces_the_previous_one_under_the_same_name(media: Path) -> None:
    storage.put(KEY, b"a longer first version", "image/jpeg")
    storage.put(KEY, b"second", "image/jpeg")

    assert storage.read(KEY) == b"second"
    assert files_below(media) == [KEY]


def test_reading_a_missing_object_raises() -> None:
    with pytest.raises(MissingObject):
        storage.read(KEY)


def test_a_deleted_object_is_missing_and_can_be_deleted_again() -> None:
    storage.put(KEY, b"bytes", "image/jpeg")

    storage.delete([KEY, "originals/ab/never-there"])
    storage.delete([KEY])

    with pytest.raises(MissingObject):
        storage.read(KEY)


def test_no_key_leads_out_of_the_folder() -> None:
    with pytest.raises(SuspiciousFileOperation):
        storage.put("../outside", b"bytes", "image/jpeg")


def test_a_file_gets_its_name_after_it_is_written_completely(monkeypatch: pytest.MonkeyPatch) -> None:
    named: list[bytes] = []
    replace = os.replace

    def noted(draft: str, path: Path) -> None:
        named.append(Path(draft).read_bytes())
        replace(draft, path)

    monkeypatch.setattr("search.objects.storage.os.replace", noted)

    storage.put(KEY, b"short", "image/jpeg")
    storage.put(KEY, b"long" * 100_000, "image/jpeg")

    assert named == [b"short", b"long" * 100_000]


def test_a_failed_write_keeps_the_previous_object_and_leaves_no_temporary_file(
    media: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage.put(KEY, b"first", "image/jpeg")

    def full(draft: str, path: Path) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr("search.objects.storage.os.replace", full)
        with pytest.raises(StorageUnavailable, match="No space left on device"):
            storage.put(KEY, b"second", "image/jpeg")

    assert storage.read(KEY) == b"first"
    assert files_below(media) == [KEY]


def test_concurrent_readers_get_a_complete_version() -> None:
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


# Missing folder


def test_a_missing_folder_is_created_by_the_check(media: Path) -> None:
    assert not media.exists()

    storage.check()

    assert media.is_dir()


def test_a_file_in_place_of_the_folder_makes_the_storage_unavailable(media: Path) -> None:
    media.write_text("not a folder")

    for ask in (lambda: storage.put(KEY, b"bytes", "image/jpeg"), lambda: storage.read(KEY), storage.check):
        with pytest.raises(StorageUnavailable):
            ask()


def test_a_folder_in_place_of_an_object_makes_the_storage_unavailable(media: Path) -> None:
    (media / KEY).mkdir(parents=True)

    with pytest.raises(StorageUnavailable):
        storage.read(KEY)


# Addresses of pictures


@pytest.mark.django_db
def test_files_are_served_by_our_own_pages(client: Any) -> None:
    an_image()

    assert not storage.serves_itself()
    assert "/400.webp" in client.get("/").content.decode()


def test_a_public_address_applies_to_files_too(settings: Any) -> None:
    settings.S3_PUBLIC_BASE_URL = "https://pictures.example.org"
    image_id = uuid.uuid4()

    assert storage.serves_itself()
    assert storage.rendition_urls([image_id], 400) == {
        image_id: f"https://pictures.example.org/renditions/400/{image_id.hex[:2]}/{image_id}.webp"
    }
