"""No address takes more than it is for: told from the headers, before anything is kept on disk."""

import errno
import os
import shutil
import tempfile
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.files.uploadhandler import TemporaryFileUploadHandler
from django.test import Client, RequestFactory
from django.urls import reverse

from imagesearch.wsgi import application
from search.http import body_limits
from search.models import Image, QueryPicture
from tests.base import picture_file

pytestmark = pytest.mark.django_db

MULTIPART = "multipart/form-data; boundary=between"


@pytest.fixture
def temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Any) -> Path:
    """Where files are kept while they come."""
    settings.FILE_UPLOAD_TEMP_DIR = str(tmp_path)
    return tmp_path


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The bytes of all files that were written to disk."""
    sizes: list[int] = []
    write = TemporaryFileUploadHandler.receive_data_chunk

    def note(self: Any, data: bytes, start: int) -> None:
        sizes.append(len(data))
        write(self, data, start)

    monkeypatch.setattr(TemporaryFileUploadHandler, "receive_data_chunk", note)
    return sizes


def announce(client: Client, path: str, length: int) -> Any:
    """Send the headers of a request whose body would fail whoever reads it."""
    return client.generic("POST", path, b"", MULTIPART, CONTENT_LENGTH=str(length))


@pytest.mark.parametrize("name", ["login", "sign-up", "search-by-address", "admin:login"])
def test_an_address_that_takes_no_pictures_refuses_a_large_body_unread(client: Client, name: str) -> None:
    answer = announce(client, reverse(name), 4_000_000)

    assert answer.status_code == 413
    assert "The data you sent is too large." in answer.content.decode()
    assert "At most 2.6" in answer.content.decode()


def test_a_picture_to_search_by_that_is_too_large_is_refused_unread_with_both_figures(client: Client) -> None:
    answer = announce(client, reverse("search-by-picture"), 60 * 19_000_000)

    assert answer.status_code == 413
    assert "This file has 1,140 MB; the limit is 20." in answer.content.decode()


@pytest.mark.parametrize("path", ["/api/images", "/api/search/picture"])
def test_a_program_is_told_so_as_a_problem(client: Client, path: str) -> None:
    answer = announce(client, path, 50_000_000)

    assert answer.status_code == 413
    assert answer["Content-Type"] == "application/problem+json"
    assert "This file has 50 MB; the limit is 20." in answer.content.decode()


@pytest.mark.parametrize("path", ["/search/picture", "/api/search/picture"])
def test_at_home_too_it_is_told_in_words(client: Client, settings: Any, path: str) -> None:
    settings.DEBUG = True  # as where nothing is configured

    answer = announce(client, path, 50_000_000)

    assert answer.status_code == 413
    assert "This file has 50 MB; the limit is 20." in answer.content.decode()
    assert "Traceback" not in answer.content.decode()


def test_a_form_of_many_pictures_may_be_as_large_as_its_setting(client: Client, alice: Any, settings: Any) -> None:
    settings.UPLOAD_MAX_REQUEST_MB = 30
    client.force_login(alice)

    answer = announce(client, reverse("upload"), 40_000_000)

    assert answer.status_code == 413
    assert "At most 31" in answer.content.decode()


def test_who_must_log_in_to_add_pictures_is_led_there_unread(client: Client) -> None:
    answer = announce(client, reverse("upload"), 40_000_000)

    assert answer.status_code == 302
    assert answer["Location"].startswith(reverse("login"))


def test_files_that_nobody_asked_for_are_not_written(client: Client, written: list[int]) -> None:
    files = [picture_file(f"{number}.png", format="PNG") for number in range(40)]

    answer = client.post(reverse("search-by-picture"), {"picture": files[0], "other": files[1:]})

    assert answer.status_code == 302
    assert QueryPicture.objects.count() == 1
    assert sum(written) == files[0].size


@pytest.mark.parametrize("path", ["/search/picture", "/api/search/picture"])
def test_a_file_that_nobody_asked_for_takes_no_picture_s_place(client: Client, written: list[int], path: str) -> None:
    other, picture = picture_file("other.png", format="PNG"), picture_file()

    answer = client.post(path, {"other": other, "picture": picture})

    assert answer.status_code in {201, 302}
    assert sum(written) == picture.size


@pytest.mark.parametrize("path", ["/search/picture", "/api/search/picture"])
def test_of_a_body_in_chunks_no_size_is_made_up(settings: Any, path: str) -> None:
    settings.UPLOAD_MAX_MB = 1
    head = b'--between\r\nContent-Disposition: form-data; name="picture"; filename="a.jpg"\r\n\r\n'
    environ = RequestFactory().post(path, content_type=MULTIPART).environ
    del environ["CONTENT_LENGTH"]
    environ |= {
        "wsgi.input": BytesIO(head + bytes(5_000_000)),
        "wsgi.input_terminated": True,
        "HTTP_TRANSFER_ENCODING": "chunked",
        "HTTP_COOKIE": f"csrftoken={'a' * 32}",
    }
    told: list[str] = []

    answer = b"".join(application(environ, lambda status, headers: told.append(status)))

    assert told == ["413 Request Entity Too Large"]
    assert b"The data you sent is too large." in answer
    assert b"This file has" not in answer


def test_more_pictures_than_one_form_may_have_are_told_and_not_written(
    client: Client, alice: Any, settings: Any, written: list[int]
) -> None:
    settings.UPLOAD_MAX_FILES = 2
    client.force_login(alice)
    files = [picture_file(f"{number}.png", format="PNG") for number in range(5)]

    answer = client.post(reverse("upload"), {"pictures": files})

    assert answer.status_code == 400
    assert "At most 2 pictures can be uploaded at once." in answer.content.decode()
    assert sum(written) == 2 * (files[0].size or 0)


@pytest.mark.parametrize("path", ["/search/picture", "/api/search/picture"])
def test_a_full_temporary_folder_is_told_and_leaves_nothing(
    client: Client, monkeypatch: pytest.MonkeyPatch, temporary_folder: Path, path: str
) -> None:
    def full(self: Any, data: bytes, start: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(TemporaryFileUploadHandler, "receive_data_chunk", full)

    answer = client.post(path, {"picture": picture_file()})

    assert answer.status_code == 503
    assert answer["Retry-After"]
    assert "There is not enough disk space for this upload." in answer.content.decode()
    assert list(temporary_folder.iterdir()) == []
    assert not Image.objects.exists()


def test_what_would_fill_the_temporary_folder_is_not_begun(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def usage(folder: str) -> Any:
        asked.append(folder)
        return SimpleNamespace(free=body_limits._KEPT_FREE + 1_000_000)

    monkeypatch.setattr(shutil, "disk_usage", usage)

    assert announce(client, reverse("search-by-picture"), 2_000_000).status_code == 503
    assert client.post(reverse("search-by-picture"), {"picture": picture_file()}).status_code == 302
    assert asked == [tempfile.gettempdir()]
