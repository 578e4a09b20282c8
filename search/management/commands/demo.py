"""`manage.py demo`: from an empty folder to a working search; what `make demo` runs."""

import argparse
import os
import secrets
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.urls import reverse
from django.utils.http import urlencode

from imagesearch.environment import listening_address
from search import demo
from search.embedding import ModelUnavailable, is_demo_model, models_available
from search.example_searches import example_queries
from search.example_searches.measuring import measure_if_due
from search.management.base import command_errors
from search.models import Image


class Command(BaseCommand):
    help = "Set up everything that is missing, add pictures, and serve the search. Run again, it takes seconds."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--port", type=int, default=8000)
        parser.add_argument("--photos", type=Path, help="a folder of pictures, instead of the drawn ones")

    def handle(self, *args: Any, **options: Any) -> None:
        port, photos = options["port"], options["photos"]
        if photos and not photos.expanduser().is_dir():
            raise CommandError(f"There is no folder {photos}.")
        listening = _listening_address(port)
        self._choose_models()
        self.stdout.write("Preparing the database ...")
        call_command("migrate", verbosity=0)
        serving = {**os.environ, "DEBUG": "off", "SECRET_KEY": settings.SECRET_KEY, "PORT": str(port)}
        subprocess.run(
            [sys.executable, "manage.py", "collectstatic", "--noinput", "--verbosity", "0"],
            env=serving,
            cwd=settings.BASE_DIR,
            check=True,
        )
        call_command("check", databases=["default"])
        self._compile_models()
        self._ingest(photos)
        password = self._curator_password()
        self._welcome(_web_address(listening), password)
        os.chdir(settings.BASE_DIR)
        sys.stdout.flush()
        # The same process from here on: gunicorn stops the embedded database when it exits.
        os.execve(sys.executable, [sys.executable, "-m", "gunicorn", "imagesearch.wsgi"], serving)  # noqa: S606

    def _choose_models(self) -> None:
        """Fall back on the demo model when the default ones can't be loaded, and save that for later runs.

        Models named in the environment are kept: the saved ones would not override them, and this would restart for
        ever.
        """
        named = os.environ.get("EMBEDDING_IMAGE_MODEL") or os.environ.get("EMBEDDING_TEXT_MODEL")
        if named or models_available():
            return
        self.stdout.write(
            "The models are not on this machine and the Hugging Face hub does not respond: "
            "using the small demo model, which knows only drawn shapes."
        )
        note = settings.DATA_DIR / "demo.env"
        note.parent.mkdir(parents=True, exist_ok=True)
        note.write_text(
            "# Written by `make demo` when the hub could not be reached. Remove this file to use the real models;\n"
            "# then `manage.py reembed` recomputes the vectors of existing pictures.\n"
            f"EMBEDDING_IMAGE_MODEL={demo.IMAGE_MODEL}\nEMBEDDING_TEXT_MODEL={demo.TEXT_MODEL}\n"
        )
        sys.stdout.flush()
        os.execv(sys.executable, [sys.executable, *sys.argv])  # noqa: S606 - restart with these settings

    def _compile_models(self) -> None:
        self.stdout.write("Compiling the models for this processor, if that was not done before ...")
        try:
            call_command("compile_models", stdout=self.stdout)
        except CommandError as error:
            self.stderr.write(f"They are used without compiling: {error}")

    def _ingest(self, photos: Path | None) -> None:
        if photos is None:
            self.stdout.write("Drawing pictures ...")
            metadata: Path | None = demo.draw_collection(settings.DATA_DIR / "demo-pictures")
            folder = settings.DATA_DIR / "demo-pictures"
        else:
            folder = photos.expanduser()
            metadata = next(
                (table for table in sorted(folder.glob("metadata.*")) if table.suffix in {".tsv", ".csv", ".jsonl"}),
                None,
            )
        self.stdout.write(f"Adding the pictures of {folder} ...")
        try:
            call_command("ingest", str(folder), metadata=metadata, stdout=self.stdout, stderr=self.stderr)
        except SystemExit:
            self.stderr.write("Some files could not be added; the others can be searched.")

    def _curator_password(self) -> str:
        """Return the password of the account `curator`, generated at first use; "" when it has been changed since."""
        kept = settings.DATA_DIR / "curator_password"
        curator = User.objects.filter(username="curator").first()
        if curator is None:
            password = secrets.token_urlsafe(9)
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.touch(mode=0o600)
            kept.write_text(password)
            User.objects.create_superuser("curator", password=password)
            return password
        password = kept.read_text() if kept.exists() else ""
        return password if password and curator.check_password(password) else ""

    def _welcome(self, site: str, password: str) -> None:
        tries = "".join(
            f"    {query}: {site}{reverse('results')}?{urlencode({'q': query})}\n" for query in _examples()
        )
        self.stdout.write(
            f"\n{Image.objects.count():,} pictures can be searched at {self.style.SUCCESS(site + reverse('search'))}\n"
            f"{tries and '  Try:'}\n{tries}"
            f"  Curate: {site}{reverse('admin:index')} as curator, password {password or 'as you have set it'}"
        )
        if is_demo_model():
            self.stdout.write(
                self.style.WARNING("  The search model is the small demo model, which knows only drawn shapes.")
            )
        self.stdout.write("  Ctrl-C stops it all.\n")


def _examples() -> list[str]:
    """Return one example search per language that has a strong match; measures them if nothing has yet."""
    with suppress(ModelUnavailable):
        measure_if_due()
    return [query for language in ("en", "ko") for query in example_queries(language, 1)]


def _listening_address(port: int) -> str:
    """Return gunicorn's bind address. Raises CommandError where it can't bind."""
    with command_errors(ImproperlyConfigured):
        address = listening_address("HOST", port)
    if not address.startswith("unix:"):
        _refuse_taken_port(address.rpartition(":")[0].strip("[]"), port)
    return address


def _refuse_taken_port(host: str, port: int) -> None:
    try:
        family, kind, protocol, _name, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((address[0], port, *address[2:]))  # raises for an invalid port too
    except (OSError, OverflowError) as error:
        raise CommandError(
            f"Nothing can listen on {host}, port {port} ({error}). Try another PORT, or HOST: make demo PORT=8001"
        ) from error


def _web_address(listening: str) -> str:
    """Return the URL to open in a browser on this machine; a Unix socket's address unchanged."""
    if listening.startswith("unix:"):
        return listening
    host, _colon, port = listening.rpartition(":")
    here = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}  # noqa: S104 - all addresses of the machine
    return f"http://{here.get(host, host)}:{port}"
