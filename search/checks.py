"""System checks: wrong configuration fails at start, with an id and a hint."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from django.apps.config import AppConfig
from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error, Tags, register
from django.db import DatabaseError
from django.db.models import Max, Min

from search import switching
from search.curation.place_lookup import count_unplaced
from search.embedding import active_model
from search.models import Image, OwedDeletion
from search.models.accepted_models import accepted_names
from search.models.active_pair import environment, known_switch
from search.models.sql_statements import fetch_one
from search.monitoring import upgrades
from search.objects import storage
from search.relevance.missing_calibration import MEASURE, UNMEASURED, is_unmeasured

OLDEST_PGVECTOR = (0, 8, 4)


def _database_check(check: Callable[[], Iterable[CheckMessage]]) -> Callable[..., list[CheckMessage]]:
    """Register a check that queries the database, and is silent where that is not migrated yet."""

    def asked(
        app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None = None, **kwargs: Any
    ) -> list[CheckMessage]:
        if not databases or "default" not in databases:
            return []
        try:
            return list(check())
        except DatabaseError:
            return []

    # Not `functools.wraps`: Django would inspect the signature of the wrapped function.
    asked.__name__, asked.__doc__ = check.__name__, check.__doc__
    return register(asked, Tags.database)


@register()
def models_are_there(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """A model given as a folder must exist; hub ids are resolved when the first vector is needed.

    A warning only: pictures can be viewed and curated without a model, and `/readyz` says what is missing.
    """
    return [
        checks.Warning(
            f"{name} is {value!r}, and there is no such folder. Pictures can be neither searched by content nor "
            "added.",
            hint="Write the folder of a sentence-transformers model, or its id on the hub.",
            id="search.W001",
        )
        for name in ("EMBEDDING_IMAGE_MODEL", "EMBEDDING_TEXT_MODEL")
        if (value := getattr(settings, name)).startswith(("/", ".", "~")) and not Path(value).is_dir()
    ]


@register(Tags.security, deploy=True)
def https_is_on(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """A warning, since a collection at home may be served over plain http."""
    if settings.HTTPS:
        return []
    return [
        checks.Warning(
            "HTTPS is off: passwords and sessions can be read on the way.",
            hint="Set HTTPS=on where a proxy terminates TLS in front of the site.",
            id="search.W014",
        )
    ]


@register()
def pictures_can_be_written(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """The media folder must be writable, unless there is a bucket. Creates nothing."""
    folder = Path(settings.MEDIA_ROOT)
    if not storage.are_files() or _can_be_written(folder):
        return []
    return [
        checks.Warning(
            f"DATA_DIR is {str(settings.DATA_DIR)!r}, and {folder} can't be written. No picture can be added.",
            hint="Name a folder that this user may write to, or set AWS_STORAGE_BUCKET_NAME.",
            id="search.W010",
        )
    ]


def _can_be_written(folder: Path) -> bool:
    """Whether files can be created in a folder that exists or can be created."""
    with suppress(OSError):
        there = next(each for each in (folder, *folder.parents) if each.exists())
        return there.is_dir() and os.access(there, os.W_OK | os.X_OK)
    return False


@register()
def browsers_take_thumbnails(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """A page served over https shows no pictures from http URLs."""
    name = "S3_PUBLIC_BASE_URL" if settings.S3_PUBLIC_BASE_URL else "AWS_S3_ENDPOINT_URL"
    address = settings.S3_PUBLIC_BASE_URL or settings.S3_ENDPOINT_URL
    if not settings.HTTPS or not address.startswith("http://") or not storage.serves_itself():
        return []
    return [
        checks.Warning(
            f"HTTPS is on, and {name} is {address!r}: browsers block its thumbnails.",
            hint="Write an https address, or set PICTURES_THROUGH_SITE=on.",
            id="search.W011",
        )
    ]


@_database_check
def vectors_are_of_the_active_model() -> Iterator[CheckMessage]:
    """Searches see only rows of the active model; other rows are reported."""
    ends = (
        Image.objects.shown().filter(embedding_model__gt="").aggregate(Min("embedding_model"), Max("embedding_model"))
    )
    if others := {model for model in ends.values() if model} - set(accepted_names(active_model())):
        yield checks.Warning(
            f"Some pictures have vectors of {' and '.join(sorted(others))}; the active model is {active_model()}. "
            "No search finds them.",
            hint="Run `manage.py reembed`, or set EMBEDDING_IMAGE_MODEL back.",
            id="search.W002",
        )


@_database_check
def switch_of_models_has_ended() -> Iterator[CheckMessage]:
    """An unfinished or overridden `switch_model` is reported."""
    switch = known_switch()
    told = switching.status_line()
    if not told or switch is None:
        return
    if switch.counts_with(environment()):
        hint = "`manage.py switch_model` shows its progress and the next steps."
        yield checks.Info(f"Change of models: {told}.", hint=hint, id="search.I014")
    else:
        yield checks.Warning(
            f"The environment was changed after switch_model had chosen {switch.active.pair.image} and "
            f"{switch.active.pair.text}: the environment takes precedence.",
            hint="Set EMBEDDING_IMAGE_MODEL and EMBEDDING_TEXT_MODEL to these; or keep them, and run `manage.py "
            "reembed`.",
            id="search.W013",
        )


@_database_check
def no_picture_waits_for_its_vector() -> Iterator[CheckMessage]:
    """Pictures that were added with `ingest --enqueue` and are still pending are reported."""
    if pending := Image.objects.pending().count():
        yield checks.Info(
            f"{pending:,} pictures have no vector yet. No search finds them.",
            hint="Run `manage.py embed_pending`, on any number of machines.",
            id="search.I005",
        )


@_database_check
def wide_pictures_are_seen_whole() -> Iterator[CheckMessage]:
    """Wide and tall pictures of earlier versions are found only by their middle until their windows are embedded."""
    if count := Image.objects.without_windows(active_model()).count():
        yield checks.Info(
            f"{count:,} wide or tall pictures can only be found by their centre.",
            hint="Run `manage.py embed_pending --windows`, on any number of machines. It reads their originals.",
            id="search.I013",
        )


@_database_check
def places_are_known() -> Iterator[CheckMessage]:
    """Coordinates that earlier versions read have no country and town yet."""
    if unplaced := count_unplaced():
        yield checks.Info(
            f"{unplaced:,} pictures have coordinates, and no country and town yet.",
            hint="Run `manage.py find_places`: half a minute for 100,000. It reads no file.",
            id="search.I016",
        )


@_database_check
def relevance_is_measured() -> Iterator[CheckMessage]:
    """Without calibration no result is called strong or weak, as after an upgrade from a version without it."""
    if is_unmeasured():
        yield checks.Warning(UNMEASURED, hint=f"Run `{MEASURE}`.", id="search.W008")


@_database_check
def no_deletion_is_owed() -> Iterator[CheckMessage]:
    """Files of deleted pictures that the storage could not delete are reported."""
    if count := OwedDeletion.objects.count():
        yield checks.Info(
            f"Files of {count:,} deleted pictures are still in the storage.",
            hint="Run `manage.py reconcile`.",
            id="search.I009",
        )


@register(Tags.database)
def upgrade_is_complete(
    app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """Pages answer 503 until the database and the static files are of this version."""
    if not databases or "default" not in databases or upgrades.is_migrating():
        return []
    found: list[CheckMessage] = []
    for number, require in ((6, partial(upgrades.require_migrated, now=True)), (7, upgrades.require_collected)):
        try:
            require()
        except upgrades.NotUpgraded as step:
            found.append(Error(step.wrong, hint=step.hint, id=f"search.E00{number}"))
        except DatabaseError:  # reported by pgvector_is_recent
            continue
    return found


@register(Tags.database)
def pgvector_is_recent(
    app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """Without iterative index scans, filtered searches return too few results."""
    if not databases or "default" not in databases:
        return []
    try:
        row = fetch_one(
            "SELECT coalesce(installed_version, default_version) FROM pg_available_extensions WHERE name = 'vector'"
        )
    except DatabaseError as error:  # the other checks leave it to this one
        return [Error(f"The database can't be queried: {error}", hint="Look at DATABASE_URL.", id="search.E012")]
    if row is None:
        return [
            Error(
                "This PostgreSQL does not have the extension `vector`.",
                hint="Install pgvector 0.8.4 or newer on the database server.",
                id="search.E003",
            )
        ]
    if tuple(int(part) for part in row[0].split(".")) < OLDEST_PGVECTOR:
        return [
            Error(
                f"This PostgreSQL has pgvector {row[0]}; the search needs 0.8.4 or newer.",
                hint="Upgrade pgvector, then run `ALTER EXTENSION vector UPDATE`.",
                id="search.E004",
            )
        ]
    return []
