"""Every address limits its request body, checked from the headers before anything is written to disk."""

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
    """The folder for uploads in progress."""
    settings.FILE_UPLOAD_TEMP_DIR = str(tmp_path)
    return tmp_path


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes of all pieces of files written to disk."""
    sizes: list[int] = []
    write = TemporaryFileUploadHandler.receive_data_chunk

    def note(self: Any, data: bytes, start: int) -> None:
        sizes.append(len(data))
        write(self, data, start)

    monkeypatch.setattr(TemporaryFileUploadHandler, "receive_data_chunk", note)
    return sizes


def announce(client: Client, path: str, length: int) -> Any:
    """Send only the headers of a request; reading its body would fail."""
    return client.generic("POST", path, b"", MULTIPART, CONTENT_LENGTH=str(length))


@pytest.mark.parametrize("name", ["login", "sign-up", "search-by-address", "admin:login"])
def test_addresses_without_uploads_refuse_a_large_body_unread(client: Client, name: str) -> None:
    answer = announce(client, reverse(name), 4_000_000)

    assert answer.status_code == 413
    assert "The data you sent is too large." in answer.content.decode()
    assert "At most 2.6" in answer.content.decode()


def test_a_query_picture_that_is_too_large_is_refused_unread_with_size_and_limit(client: Client) -> None:
    answer = announce(client, reverse("search-by-picture"), 60 * 19_000_000)

    assert answer.status_code == 413
    assert "This file has 1,140 MB; the limit is 20." in answer.content.decode()


@pytest.mark.parametrize("path", ["/api/images", "/api/search/picture"])
def test_the_api_answers_with_problem_details(client: Client, path: str) -> None:
    answer = announce(client, path, 50_000_000)

    assert answer.status_code == 413
    assert answer["Content-Type"] == "application/problem+json"
    assert "This file has 50 MB; the limit is 20." in answer.content.decode()


@pytest.mark.parametrize("path", ["/search/picture", "/api/search/picture"])
def test_the_limits_apply_in_debug_mode_too(client: Client, settings: Any, path: str) -> None:
    settings.DEBUG = True  # as by default

    answer = announce(client, path, 50_000_000)

    assert answer.status_code == 413
    assert "This file has 50 MB; the limit is 20." in answer.content.decode()
    assert "Traceback" not in answer.content.decode()


def test_the_limit_of_an_upload_form_is_its_setting(client: Client, alice: Any, settings: Any) -> None:
    settings.UPLOAD_MAX_REQUEST_MB = 30
    client.force_login(alice)

    answer = announce(client, reverse("upload"), 40_000_000)

    assert answer.status_code == 413
    assert "At most 31" in answer.content.decode()


def test_an_upload_without_login_redirects_to_the_login_unread(client: Client) -> None:
    answer = announce(client, reverse("upload"), 40_000_000)

    assert answer.status_code == 302
    assert answer["Location"].startswith(reverse("login"))


def test_unexpected_files_are_not_written(client: Client, written: list[int]) -> None:
    files = [picture_file(f"{number}.png", format="PNG") for number in range(40)]

    answer = client.post(reverse("search-by-picture"), {"picture": files[0], "other": files[1:]})

    assert answer.status_code == 302
    assert QueryPicture.objects.count() == 1
    assert sum(written) == files[0].size


@pytest.mark.parametrize("path", ["/search/picture", "/api/search/picture"])
def test_an_unexpected_file_does_not_count_as_the_picture(client: Client, written: list[int], path: str) -> None:
    other, picture = picture_file("other.png", format="PNG"), picture_file()

    answer = client.post(path, {"other": other, "picture": picture})

    assert answer.status_code in {201, 302}
    assert sum(written) == picture.size


@pytest.mark.parametrize("path", ["/search/picture", "/api/search/picture"])
def test_the_error_of_a_chunked_body_states_no_size(settings: Any, path: str) -> None:
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


def test_too_many_pictures_in_a_form_are_refused_and_not_written(
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
def test_a_full_temporary_folder_is_503_and_leaves_no_files(
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


def test_an_upload_that_would_fill_the_temporary_folder_is_refused(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def usage(folder: str) -> Any:
        asked.append(folder)
        return SimpleNamespace(free=body_limits._KEPT_FREE + 1_000_000)

    monkeypatch.setattr(shutil, "disk_usage", usage)

    assert announce(client, reverse("search-by-picture"), 2_000_000).status_code == 503
    assert client.post(reverse("search-by-picture"), {"picture": picture_file()}).status_code == 302
    assert asked == [tempfile.gettempdir()]
