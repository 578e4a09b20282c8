"""The Docker image's unprivileged user can write all folders that the product writes to."""

import json
import os
import re
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import yaml
from django.conf import settings as project

from search import demo
from tests.s3_servers import UNUSED_KEY, configured

DOCKERFILE = re.sub(r"\\\n\s*", "", (Path(project.BASE_DIR) / "Dockerfile").read_text("utf-8"))
UID = 10001


def environment() -> dict[str, str]:
    return dict(
        part.split("=", 1) for line in re.findall(r"^ENV (.*)", DOCKERFILE, re.MULTILINE) for part in line.split()
    )


def volumes() -> list[str]:
    [line] = re.findall(r"^VOLUME (.*)", DOCKERFILE, re.MULTILINE)
    return json.loads(line)


@pytest.fixture
def root() -> Iterator[Path]:
    """The root folder of the image, prepared by the mkdir and chown steps of the Dockerfile."""
    if os.geteuid() != 0:
        pytest.skip("Only root can give folders to another user, as the building of an image does.")
    with tempfile.TemporaryDirectory() as name:  # pytest's folders are closed to other users
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "app").mkdir()
        steps = " && ".join(re.findall(r"^RUN (.*)", DOCKERFILE, re.MULTILINE)).split(" && ")
        for step in steps:
            if step.strip().startswith(("mkdir", "chown")):
                inside = re.sub(r" /", f" {folder}/", step).replace("imagesearch:", f"{UID}:{UID}")
                subprocess.run(inside, shell=True, cwd=folder / "app", check=True)
        yield folder


def test_each_folder_of_the_settings_is_writable(root: Path) -> None:
    named = environment()
    made = configured(DATA_DIR="/app/var", DATABASE_URL="postgres://u:p@host/pics", SECRET_KEY=UNUSED_KEY, DEBUG="off")
    folders = [made["MEDIA_ROOT"], made["MODELS_DIR"], made["DATA_DIR"] / "postgres", Path(named["HF_HOME"])]

    for folder in folders:
        there = root / folder.relative_to("/")
        subprocess.run(["touch", there / "written"], user=UID, group=UID, extra_groups=[], check=True)
        assert str(folder) in volumes()
    # Other files can't be changed by an attacker.
    assert subprocess.run(["touch", root / "app" / "written"], user=UID, extra_groups=[], check=False).returncode
    assert re.search(rf"useradd --uid {UID} --create-home imagesearch", DOCKERFILE)
    assert re.search(r"^USER imagesearch$", DOCKERFILE, re.MULTILINE)


COMPILE = "from search.embedding import compile_texts; print(compile_texts())"


def test_that_user_can_compile_the_models(root: Path) -> None:
    folders = {name: str(root / value[1:]) for name, value in environment().items() if value.startswith("/")}
    named = {
        "DATA_DIR": str(root / "app" / "var"),
        "DATABASE_URL": "postgres://nobody@localhost/none",
        "SECRET_KEY": UNUSED_KEY,
        "DJANGO_SETTINGS_MODULE": "imagesearch.settings",
        "EMBEDDING_IMAGE_MODEL": str(demo.IMAGE_MODEL),
        "EMBEDDING_TEXT_MODEL": str(demo.TEXT_MODEL),
    }

    done = run_unprivileged(
        "import django, sys; sys.dont_write_bytecode = True; django.setup()", COMPILE, **folders, **named
    )

    assert done.returncode == 0, done.stderr
    assert list((root / "app" / "var" / "models").rglob("model.bin")), done.stdout


def run_unprivileged(*lines: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    """Run Python as the user of the image: this interpreter, or the system's if this one is in a folder of root."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for program in (sys.executable, f"/usr/bin/{version}", f"/usr/local/bin/{version}"):
        with suppress(PermissionError, FileNotFoundError):
            return subprocess.run(
                [program, "-c", "\n".join(lines)],
                check=False,
                cwd=project.BASE_DIR,
                env={"PATH": os.environ["PATH"], "PYTHONPATH": sysconfig.get_paths()["purelib"], **variables},
                capture_output=True,
                text=True,
                user=UID,
                group=UID,
                extra_groups=[],
            )
    pytest.skip("There is no Python here that others than root can run.")


def test_compose_has_volumes_for_written_folders_and_is_read_only_otherwise() -> None:
    web = yaml.safe_load((Path(project.BASE_DIR) / "compose.yaml").read_text("utf-8"))["services"]["web"]
    places = {place.split(":")[1] for place in web["volumes"]} | {place.split(":")[0] for place in web["tmpfs"]}

    assert web["read_only"] is True
    assert {environment()["HF_HOME"], "/home/imagesearch", "/tmp", "/app/var/models", "/app/var/media"} <= places
    assert {f"/app/var/{folder}" for folder in ("decoding", "templates")} <= places
