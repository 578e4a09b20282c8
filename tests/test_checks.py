"""System checks: an invalid configuration is reported at start, with an id and a hint."""

import secrets
import uuid
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.core import checks
from django.core.management import call_command
from django.db import connection
from django.test import Client, override_settings

from search.checks import (
    browsers_take_thumbnails,
    models_are_there,
    no_deletion_is_owed,
    pgvector_is_recent,
    pictures_can_be_written,
    relevance_is_measured,
    vectors_are_of_the_active_model,
)
from search.embedding import active_model
from search.models import OwedDeletion
from search.relevance import calibrate, missing_calibration
from search.relevance.calibration import LEAST
from tests.base import a_vector, an_image, many_images
from tests.s3_servers import configured


def test_a_site_with_https_passes_djangos_deployment_checks() -> None:
    made = configured(DEBUG="off", HTTPS="on", SECRET_KEY=secrets.token_urlsafe(50))
    with override_settings(**{name: value for name, value in made.items() if name.isupper() and name != "DATABASES"}):
        told = checks.run_checks(tags=["security"], include_deployment_checks=True)
        assert [one for one in told if not one.is_silenced()] == []


def test_a_site_without_https_is_told_the_setting_to_change() -> None:
    made = configured(DEBUG="off", SECRET_KEY=secrets.token_urlsafe(50))
    with override_settings(**{name: value for name, value in made.items() if name.isupper() and name != "DATABASES"}):
        told = checks.run_checks(tags=["security"], include_deployment_checks=True)
        [warning] = [one for one in told if not one.is_silenced()]

    assert warning.id == "search.W014"
    assert "HTTPS=on" in str(warning.hint)


def found(*databases: str) -> list[str | None]:
    """The ids of our messages from `manage.py check`."""
    return [message.id for message in checks.run_checks(databases=databases) if str(message.id).startswith("search.")]


def pgvector(version: str | None) -> None:
    """Have the server report this version of pgvector, or none, in this session."""
    with connection.cursor() as cursor:
        # A temporary table hides the view in the catalogue.
        columns = "name text, default_version text, installed_version text"
        cursor.execute(f"CREATE TEMP TABLE pg_available_extensions ({columns})")
        if version:
            # A newer version could be installed; the installed one counts.
            cursor.execute("INSERT INTO pg_available_extensions VALUES ('vector', '9.9.9', %s)", [version])


@pytest.mark.django_db
def test_a_correct_configuration_has_no_messages() -> None:
    an_image()

    assert found("default") == []


# Models


@pytest.mark.parametrize("name", ["EMBEDDING_IMAGE_MODEL", "EMBEDDING_TEXT_MODEL"])
@pytest.mark.parametrize("folder", ["/no/such/folder", "./no-such-folder", "../no-such-folder", "~/no-such-folder"])
def test_a_missing_model_folder_is_a_warning(settings: Any, name: str, folder: str) -> None:
    setattr(settings, name, folder)

    [warning] = models_are_there(None)

    assert (warning.id, warning.is_serious()) == ("search.W001", False)
    assert name in warning.msg
    assert folder in warning.msg
    assert warning.hint
    call_command("check")


def test_existing_folders_and_hub_ids_are_fine(settings: Any, tmp_path: Path) -> None:
    settings.EMBEDDING_IMAGE_MODEL = str(tmp_path)
    settings.EMBEDDING_TEXT_MODEL = "somebody/a-model"

    assert models_are_there(None) == []


# The storage


def test_a_media_folder_that_is_not_writable_is_a_warning(settings: Any, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = tmp_path / "not" / "there yet"
    assert pictures_can_be_written(None) == []
    (tmp_path / "not").write_text("no folder")

    [warning] = pictures_can_be_written(None)

    assert (warning.id, warning.is_serious()) == ("search.W010", False)
    assert f"DATA_DIR is '{settings.DATA_DIR}', and {settings.MEDIA_ROOT} can't be written." in warning.msg
    assert warning.hint


@pytest.mark.parametrize(
    ("https", "public", "told"), [(True, "http", 1), (True, "https", 0), (False, "http", 0), (False, "https", 0)]
)
def test_thumbnails_by_http_on_an_https_site_are_a_warning(settings: Any, https: bool, public: str, told: int) -> None:
    settings.HTTPS, settings.S3_PUBLIC_BASE_URL = https, f"{public}://cdn.example.org"

    found = browsers_take_thumbnails(None)

    assert [warning.id for warning in found] == ["search.W011"] * told
    assert [f"S3_PUBLIC_BASE_URL is '{public}://cdn.example.org'" in warning.msg for warning in found] == [True] * told


# Vectors of another model


@pytest.mark.django_db
def test_images_of_another_model_are_a_warning_with_a_hint() -> None:
    an_image()
    an_image(embedding_model="somebody/an-older-model", vector=a_vector(1))

    [warning] = vectors_are_of_the_active_model(None, ["default"])

    assert (warning.id, warning.is_serious()) == ("search.W002", False)
    assert "somebody/an-older-model" in warning.msg
    assert active_model() in warning.msg
    assert "reembed" in str(warning.hint)


@pytest.mark.django_db
@pytest.mark.parametrize("other", ["a-model-whose-name-comes-first", "zz-last"])
def test_one_image_of_another_model_is_enough_for_the_warning(other: str) -> None:
    for _ in range(3):
        an_image()
    an_image(embedding_model=other, vector=a_vector(1))

    assert found("default") == ["search.W002"]


@pytest.mark.django_db
def test_hidden_images_of_another_model_are_no_warning() -> None:
    an_image(embedding_model="somebody/an-older-model", vector=a_vector(1), hidden=True)

    assert found("default") == []


@pytest.mark.django_db
def test_a_database_that_is_not_migrated_has_no_messages() -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE search_image RENAME TO elsewhere")

    assert vectors_are_of_the_active_model(None, ["default"]) == []


# Pending calibration and deletions


@pytest.mark.django_db
def test_a_collection_without_calibration_is_reported_with_the_command(as_carol: Client, settings: Any) -> None:
    for _ in range(LEAST - 1):
        an_image()
    assert found("default") == []
    assert "calibrate" not in as_carol.get("/admin/").content.decode()

    an_image()

    assert found("default") == ["search.W008"]
    [warning] = relevance_is_measured(None, ["default"])
    assert (warning.is_serious(), warning.hint) == (False, "Run `manage.py calibrate`.")
    assert as_carol.get("/readyz").json()["relevance"] == "not measured: run manage.py calibrate"
    assert "manage.py calibrate" in as_carol.get("/admin/").content.decode()

    calibrate()

    assert found("default") == []
    assert "relevance" not in as_carol.get("/readyz").json()
    assert "calibrate" not in as_carol.get("/admin/").content.decode()
    settings.EMBEDDING_TEXT_MODEL = "somebody/another-model"
    assert found("default") == ["search.W008"]


@pytest.mark.django_db
def test_a_server_calibrates_once_its_model_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    states = iter(["ready", "loading", "loading", "ready"])
    measured: list[bool] = []
    monkeypatch.setattr(missing_calibration, "calibrate_if_due", lambda: measured.append(True) or True)
    monkeypatch.setattr(missing_calibration, "in_background", lambda work: work())
    monkeypatch.setattr(missing_calibration, "status", lambda: {"words": next(states)})
    monkeypatch.setattr(missing_calibration, "POLL_SECONDS", 0.0)
    given_back: list[bool] = []
    monkeypatch.setattr(missing_calibration, "connection", SimpleNamespace(close=lambda: given_back.append(True)))

    missing_calibration.measure_soon_if_never()
    assert measured == []
    many_images(LEAST)
    next(states)
    missing_calibration.measure_soon_if_never()
    assert measured == [True]
    assert list(states) == []
    assert given_back == [True, True]


@pytest.mark.django_db
def test_pending_deletions_are_reported_with_the_command() -> None:
    OwedDeletion.objects.create(pk=uuid.UUID(int=7))

    assert found("default") == ["search.I009"]
    [told] = no_deletion_is_owed(None, ["default"])
    assert (told.is_serious(), told.hint) == (False, "Run `manage.py reconcile`.")
    assert "1 deleted pictures" in told.msg


# The database server


@pytest.mark.django_db
@pytest.mark.parametrize("version", ["0.8.4", "0.8.10", "0.10.0", "1.0.0"])
def test_a_recent_pgvector_is_fine(version: str) -> None:
    pgvector(version)

    assert pgvector_is_recent(None, ["default"]) == []


@pytest.mark.django_db
@pytest.mark.parametrize("version", ["0.8.3", "0.7.4", "0.5"])
def test_an_old_pgvector_stops_the_start(version: str) -> None:
    pgvector(version)

    [error] = pgvector_is_recent(None, ["default"])

    assert (error.id, error.is_serious()) == ("search.E004", True)
    assert version in error.msg
    assert "0.8.4" in error.msg
    assert error.hint


@pytest.mark.django_db
def test_a_server_without_pgvector_stops_the_start() -> None:
    pgvector(None)

    [error] = pgvector_is_recent(None, ["default"])

    assert (error.id, error.is_serious()) == ("search.E003", True)
    assert "pgvector" in str(error.hint)


@pytest.mark.usefixtures("database_down")
def test_a_database_that_does_not_answer_is_one_error_without_a_traceback() -> None:
    [error] = [each for each in checks.run_checks(databases=["default"]) if str(each.id).startswith("search.")]

    assert error.id == "search.E012"
    assert str(error.msg).startswith("The database can't be queried: ")
    assert error.hint == "Look at DATABASE_URL."


@pytest.mark.parametrize("databases", [None, [], ["another"]])
def test_the_database_is_queried_only_when_it_is_checked(databases: list[str] | None) -> None:
    # Without the mark that gives a test the database, any query fails.
    assert pgvector_is_recent(None, databases) == []
    assert vectors_are_of_the_active_model(None, databases) == []
    assert relevance_is_measured(None, databases) == []
    assert no_deletion_is_owed(None, databases) == []
