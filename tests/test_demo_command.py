"""`manage.py demo`: from an empty folder to a working search; a second run loses nothing."""

import gc
import os
import re
import runpy
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as project
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client

from search import demo
from search.management.commands import demo as demo_command
from search.models import Image
from tests.base import write_picture
from tests.s3_servers import configured, free_port

DEFAULTS = ("sentence-transformers/clip-ViT-B-32", "sentence-transformers/clip-ViT-B-32-multilingual-v1")


class Replaced(BaseException):
    """Raised where the process would be replaced by exec."""

    def __init__(self, program: str, arguments: list[str], environment: dict[str, str] | None = None) -> None:
        self.program, self.arguments, self.environment = program, arguments, environment or {}


@pytest.fixture(autouse=True)
def replaced(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Raise Replaced instead of exec; draw only a few pictures; set no models by variables."""

    def replace(*process: Any) -> None:
        raise Replaced(*process)

    monkeypatch.setattr(os, "execv", replace)
    monkeypatch.setattr(os, "execve", replace)
    monkeypatch.setattr(demo, "draw_collection", partial(demo.draw_collection, count=12))
    monkeypatch.setenv("DATABASE_URL", "postgres://nobody@localhost/none")
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "var"))
    for name in ("EMBEDDING_IMAGE_MODEL", "EMBEDDING_TEXT_MODEL"):
        monkeypatch.setenv(name, "")
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def run_demo(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Runs the command without collecting static files; returns its output until it would serve."""

    def run_demo(**options: Any) -> str:
        with monkeypatch.context() as without:
            without.setattr(subprocess, "run", lambda *args, **options: None)
            with pytest.raises(Replaced):
                call_command("demo", port=free_port(), **options)
        return capsys.readouterr().out

    return run_demo


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder of photos."""
    for colour in ("red", "green"):
        write_picture(tmp_path / "photos" / f"{colour}.jpg", colour, size=(640, 480))
    return tmp_path / "photos"


def password_in(told: str) -> str:
    found = re.search(r"as curator, password (.+)", told)
    assert found, told
    return found[1]


# First run


@pytest.mark.django_db
def test_it_prepares_everything_and_starts_the_server(
    photos: Path, settings: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    port = free_port()

    with pytest.raises(Replaced) as served:
        call_command("demo", port=port, photos=photos)

    assert served.value.program == sys.executable
    assert served.value.arguments[1:] == ["-m", "gunicorn", "imagesearch.wsgi"]
    environment = served.value.environment
    assert (environment["DEBUG"], environment["PORT"]) == ("off", str(port))
    assert environment["SECRET_KEY"] == settings.SECRET_KEY
    assert Path.cwd() == project.BASE_DIR
    assert list(Path(settings.DATA_DIR, "static").glob("css/site.*.css"))
    told = capsys.readouterr().out
    assert f"2 pictures can be searched at http://127.0.0.1:{port}" in told
    # No titles, and too few images for a calibration: no query is suggested.
    assert "/search?q=" not in told


def test_gunicorn_listens_on_the_configured_port_and_collects_garbage_before_forking(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("HOST", raising=False)
    monkeypatch.setenv("PORT", "8123")

    try:
        read = runpy.run_path(str(project.BASE_DIR / "gunicorn.conf.py"))
        assert read["bind"] == "127.0.0.1:8123"
        assert not gc.isenabled()
        read["pre_fork"](None, None)
        assert gc.isenabled()
    finally:
        gc.enable()
        gc.unfreeze()
        # The signals that it blocks until a worker runs would stay blocked in processes of later tests.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM, signal.SIGQUIT})


@pytest.mark.django_db
def test_the_drawings_are_added_with_their_titles(run_demo: Callable[..., str]) -> None:
    told = run_demo()

    assert Image.objects.count() == 12
    assert not Image.objects.filter(title="").exists()
    assert "12 pictures can be searched" in told
    assert "small demo model, which knows only drawn shapes" in told


@pytest.mark.django_db
def test_the_suggested_queries_find_strong_matches(run_demo: Callable[..., str], client: Client) -> None:
    told = run_demo()

    addresses = re.findall(r"http://127\.0\.0\.1:\d+(/search\S+)", told)
    assert addresses
    for address in addresses:
        answer = client.get(address)
        assert answer.status_code == 200
        assert 'data-band="strong"' in answer.content.decode()


@pytest.mark.django_db
def test_a_folder_of_photos_is_added_with_its_table(run_demo: Callable[..., str], photos: Path) -> None:
    (photos / "metadata.tsv").write_text("path\ttitle\nred.jpg\tA red one\n")

    run_demo(photos=photos)

    assert sorted(Image.objects.values_list("title", flat=True)) == ["", "A red one"]


@pytest.mark.django_db
def test_invalid_files_do_not_stop_it(run_demo: Callable[..., str], photos: Path) -> None:
    (photos / "broken.jpg").write_bytes(b"not a picture")

    told = run_demo(photos=photos)

    assert "2 pictures can be searched" in told


# Second run


@pytest.mark.django_db
def test_a_second_run_adds_and_loses_nothing(run_demo: Callable[..., str]) -> None:
    first = run_demo()
    rows = set(Image.objects.values_list("pk", "title", "created"))

    again = run_demo()

    assert set(Image.objects.values_list("pk", "title", "created")) == rows
    assert User.objects.count() == 1
    assert password_in(again) == password_in(first)


# The curator


@pytest.mark.django_db
def test_the_curators_password_is_printed_and_stored_readable_only_for_its_owner(
    run_demo: Callable[..., str], photos: Path, settings: Any
) -> None:
    password = password_in(run_demo(photos=photos))

    kept = Path(settings.DATA_DIR) / "curator_password"
    curator = User.objects.get(username="curator")
    assert kept.read_text() == password
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert len(password) >= 12
    assert curator.is_superuser
    assert Client().login(username="curator", password=password)


@pytest.mark.django_db
def test_a_changed_password_is_neither_printed_nor_reset(run_demo: Callable[..., str], photos: Path) -> None:
    first = password_in(run_demo(photos=photos))
    curator = User.objects.get(username="curator")
    curator.set_password("carol's own secret")
    curator.save()

    told = run_demo(photos=photos)

    assert password_in(told) == "as you have set it"
    assert first not in told
    assert Client().login(username="curator", password="carol's own secret")


# Models


@pytest.fixture
def no_hub(settings: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The default models are not cached, and the hub is not reachable."""
    from huggingface_hub import constants

    settings.EMBEDDING_IMAGE_MODEL, settings.EMBEDDING_TEXT_MODEL = DEFAULTS
    monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("search.embedding.hub._is_cached", lambda name: False)


@pytest.mark.usefixtures("no_hub")
def test_without_the_hub_the_demo_model_is_chosen_and_stored(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "argv", ["manage.py", "demo", "--port", "8123"])

    with pytest.raises(Replaced) as again:
        call_command("demo", port=free_port())

    assert (again.value.program, again.value.arguments) == (sys.executable, [sys.executable, *sys.argv])
    assert "the Hugging Face hub does not respond" in capsys.readouterr().out
    # The settings of the next process, with and without the blank lines of a copied `.env`.
    for blank in ({}, {"EMBEDDING_IMAGE_MODEL": "", "EMBEDDING_TEXT_MODEL": ""}):
        made = configured(DATA_DIR=str(tmp_path / "var"), **blank)
        assert (made["EMBEDDING_IMAGE_MODEL"], made["EMBEDDING_TEXT_MODEL"]) == (
            str(demo.IMAGE_MODEL),
            str(demo.TEXT_MODEL),
        )


def test_output_is_flushed_before_the_process_is_replaced(tmp_path: Path) -> None:
    told = subprocess.run(
        [sys.executable, "-W", "ignore", "manage.py", "demo", "--port", str(free_port())],
        check=False,
        cwd=project.BASE_DIR,
        env={
            **os.environ,
            "PYTHONUNBUFFERED": "",
            "DATA_DIR": str(tmp_path / "var"),
            "DATABASE_URL": f"postgres://nobody@127.0.0.1:{free_port()}/none",
            "DEBUG": "on",
            "SECRET_KEY": "unused",
            "HF_HOME": str(tmp_path / "hub"),
            "HF_ENDPOINT": f"http://127.0.0.1:{free_port()}",
        },
        capture_output=True,
        text=True,
        timeout=120,
    )

    # It restarted with the demo model, and continued until the database that doesn't exist.
    assert "the Hugging Face hub does not respond" in told.stdout
    assert told.stdout.count("using the small demo model") == 1
    assert "Preparing the database" in told.stdout
    assert told.returncode != 0


@pytest.mark.usefixtures("no_hub")
@pytest.mark.parametrize("name", ["EMBEDDING_IMAGE_MODEL", "EMBEDDING_TEXT_MODEL"])
def test_models_set_by_the_environment_are_kept(monkeypatch: pytest.MonkeyPatch, settings: Any, name: str) -> None:
    monkeypatch.setenv(name, "somebody/a-model")

    demo_command.Command()._choose_models()

    assert not (Path(settings.DATA_DIR) / "demo.env").exists()


def test_available_models_are_used(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    settings.EMBEDDING_IMAGE_MODEL, settings.EMBEDDING_TEXT_MODEL = DEFAULTS
    monkeypatch.setattr(demo_command, "models_available", lambda: True)

    demo_command.Command()._choose_models()

    assert not (Path(settings.DATA_DIR) / "demo.env").exists()


# Errors


def test_a_port_in_use_is_an_error_that_suggests_another() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()

        with pytest.raises(CommandError, match=r"make demo PORT="):
            call_command("demo", port=taken.getsockname()[1])


@pytest.mark.parametrize("port", [-1, 65536, 10**9])
def test_an_invalid_port_is_an_error(port: int) -> None:
    with pytest.raises(CommandError, match=str(port)):
        call_command("demo", port=port)


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="nowhere"):
        call_command("demo", port=free_port(), photos=tmp_path / "nowhere")
