"""A missing or incomplete model folder: the site starts, pages and curation work, and errors say what to do."""

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from django.core.management import call_command
from django.test import Client

from search import demo
from search.embedding import (
    active_model,
    background_compiling,
    encoding,
    forget_models,
    hub,
    lazy_loading,
    load_before_forking,
    models_available,
    text_encoder,
)
from search.embedding import hardware as own_hardware
from search.models import Image
from tests.base import a_vector, an_image, picture_file, stored_image

NO_MODEL = "Searching and adding pictures are not available right now, because a model is missing."


def missing(folder: Path) -> Path:
    return folder / "no" / "such"


def empty(folder: Path) -> Path:
    (folder / "empty").mkdir()
    return folder / "empty"


def incomplete(folder: Path) -> Path:
    """As in a cache of the hub that lost its large files: dangling links."""
    half = shutil.copytree(demo.TEXT_MODEL, folder / "half", copy_function=shutil.copyfile)
    (half / "model.safetensors").unlink()
    for name in ("model.safetensors", "tokenizer.json", "config.json"):
        (half / name).unlink(missing_ok=True)
        (half / name).symlink_to(folder / "gone" / name)
    return half


def a_file(folder: Path) -> Path:
    (folder / "file").write_text("no model")
    return folder / "file"


@pytest.fixture(params=[missing, empty, incomplete, a_file])
def broken(settings: Any, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """Both models are such a folder, and nothing is compiled."""
    folder: Path = request.param(tmp_path)
    settings.EMBEDDING_IMAGE_MODEL = settings.EMBEDDING_TEXT_MODEL = str(folder)
    forget_models()
    cache.clear()
    yield folder
    forget_models()
    own_hardware._one_each.clear()


@pytest.mark.django_db
@pytest.mark.usefixtures("broken")
def test_the_site_starts_and_browsing_and_curation_work(client: Client, as_carol: Client) -> None:
    image = stored_image(title="holiday", vector=a_vector(1), embedding_model="somebody/a-model")
    load_before_forking()  # as the server does
    call_command("check")

    for path in ("/", "/search", f"/images/{image.pk}/", f"/images/{image.pk}/download", "/api/search", "/healthz"):
        assert client.get(path).status_code == 200, path
    for path in ("/admin/", "/admin/search/image/", f"/admin/search/image/{image.pk}/change/"):
        assert as_carol.get(path).status_code == 200, path
    assert "holiday" in client.get("/search").content.decode()


@pytest.mark.django_db
def test_requests_that_need_a_model_get_503_with_the_reason(client: Client, as_carol: Client, broken: Path) -> None:
    an_image("holiday")
    asked = [client.get("/search", {"q": "red star"}), client.post("/search/picture", {"picture": picture_file()})]
    for answer in asked:
        assert answer.status_code == 503
        assert NO_MODEL in answer.content.decode()
        assert str(broken) in answer.content.decode()
    for answer in (
        client.get("/api/search", {"q": "red star"}),
        as_carol.post("/upload/", {"pictures": picture_file()}, headers={"accept": "application/json"}),
    ):
        assert answer.status_code == 503
        assert "model is missing" in answer.content.decode()
    assert Image.objects.count() == 1


@pytest.mark.django_db
def test_readiness_names_the_broken_model_and_the_fix(client: Client, broken: Path) -> None:
    client.get("/readyz")
    for thread in threading.enumerate():
        if thread.name == "model-loading":
            thread.join(60)

    answer = client.get("/readyz")

    assert answer.status_code == 503
    assert str(broken) in answer.json()["text_model"]
    assert answer.json()["text_encoding"].startswith("not compiled, ")


@pytest.mark.django_db
def test_a_repaired_folder_is_used_again_and_its_rows_are_found(
    client: Client, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    an_image("holiday", vector=a_vector(1))
    right = active_model()
    folder = tmp_path / demo.IMAGE_MODEL.name
    settings.EMBEDDING_IMAGE_MODEL = settings.EMBEDDING_TEXT_MODEL = str(folder)
    settings.COMPILE_MODELS = False
    forget_models()
    folder.mkdir()
    shutil.copyfile(demo.IMAGE_MODEL / "config.json", folder / "config.json")
    try:
        assert client.get("/search", {"q": "red star"}).status_code == 503
        assert active_model() != right
        shutil.copytree(demo.IMAGE_MODEL, folder, copy_function=shutil.copyfile, dirs_exist_ok=True)
        monkeypatch.setattr(lazy_loading, "RETRY_AFTER", 0)

        answer = client.get("/search", {"q": "red star"})

        assert answer.status_code == 200
        assert active_model() == right
        assert "holiday" in answer.content.decode()
    finally:
        forget_models()


def test_a_name_that_the_hub_can_not_have_is_not_available(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "hub_in_reach", lambda: False)
    settings.EMBEDDING_IMAGE_MODEL = "/no/such/folder"
    assert not models_available()


# Compilation


def ended_process(code: int, complaints: str) -> type:
    """A process that has ended with this code and output."""

    class Ended:
        returncode = code

        def __init__(self, command: list[str], **options: Any) -> None:
            pass

        def communicate(self) -> tuple[None, str]:
            return None, complaints

    return Ended


@pytest.mark.django_db
def test_readiness_reports_the_speed_of_compiled_models(client: Client) -> None:
    text_encoder()

    reported = client.get("/readyz").json()

    assert reported["text_encoding"].startswith("compiled (")
    assert "ms a query, where torch " in reported["text_encoding"]
    assert reported["image_encoding"].startswith("compiled (")


@pytest.mark.django_db
def test_readiness_says_why_models_are_not_compiled(
    client: Client, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()  # of the patch that keeps tests from compiling
    settings.MODELS_DIR, settings.COMPILE_MODELS = tmp_path / "models", True
    monkeypatch.setattr(background_compiling, "_compiler", None)
    monkeypatch.setattr(
        background_compiling.subprocess,
        "Popen",
        ended_process(1, "CommandError: [Errno 13]\nPermission denied: '/app/var'\n"),
    )
    forget_models()
    try:
        assert encoding()["words"].endswith("it is done at the first use, or by `manage.py compile_models`")
        text_encoder()
        for thread in threading.enumerate():
            if thread.name == "model-compiling":
                thread.join(60)
        reported = client.get("/readyz").json()["text_encoding"]
        assert reported.startswith("not compiled, which is slower and takes 350 MB more in each process: ")
        assert reported.endswith("CommandError: [Errno 13] Permission denied: '/app/var'")

        settings.COMPILE_MODELS = False
        assert encoding()["pictures"].endswith("COMPILE_MODELS is off")
    finally:
        background_compiling._failures.clear()
        forget_models()
