"""Wrong configuration fails at start, with an id and the mend."""

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from django.apps.config import AppConfig
from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error, Tags, register
from django.db import DatabaseError, connections
from django.db.models import Max, Min

from search import switching
from search.curation.placing import count_unplaced
from search.embedding import active_model
from search.models import Image, OwedDeletion
from search.models.accepted import accepted_names
from search.models.active_pair import environment, known_switch
from search.monitoring import upgrades
from search.objects import storage
from search.relevance.due import MEASURE, UNMEASURED, is_unmeasured

OLDEST_PGVECTOR = (0, 8, 4)


def _asks_the_database(check: Callable[[], list[CheckMessage]]) -> Callable[..., list[CheckMessage]]:
    """Register a check that is made where the database is asked, and says nothing of one that is not migrated yet."""

    def asked(
        app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None = None, **kwargs: Any
    ) -> list[CheckMessage]:
        if not databases or "default" not in databases:
            return []
        try:
            return check()
        except DatabaseError:
            return []

    # Not `functools.wraps`: Django would look at the arguments of what is wrapped.
    asked.__name__, asked.__doc__ = check.__name__, check.__doc__
    return register(asked, Tags.database)


@register()
def models_are_there(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """A model that is written as a folder must be one; hub ids are tried when the first vector is needed.

    It stops nothing: pictures can be looked at and curated without a model, and `/readyz` says what is missing.
    """
    return [
        checks.Warning(
            f"{name} is {value!r}, and there is no such folder. Nothing can be searched by what it shows, or added.",
            hint="Write the folder of a sentence-transformers model, or its id on the hub.",
            id="search.W001",
        )
        for name in ("EMBEDDING_IMAGE_MODEL", "EMBEDDING_TEXT_MODEL")
        if (value := getattr(settings, name)).startswith(("/", ".", "~")) and not Path(value).is_dir()
    ]


@register()
def pictures_can_be_written(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Files are kept where the settings say, unless there is a bucket. Nothing is made here."""
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
    """Whether files can be made in a folder that is there, or that can be made."""
    with suppress(OSError):
        there = next(each for each in (folder, *folder.parents) if each.exists())
        return there.is_dir() and os.access(there, os.W_OK | os.X_OK)
    return False


@register()
def browsers_take_thumbnails(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """A page that came by https shows no pictures that come by http."""
    name = "S3_PUBLIC_BASE_URL" if settings.S3_PUBLIC_BASE_URL else "AWS_S3_ENDPOINT_URL"
    address = settings.S3_PUBLIC_BASE_URL or settings.S3_ENDPOINT_URL
    if not settings.HTTPS or not address.startswith("http://") or not storage.serves_itself():
        return []
    return [
        checks.Warning(
            f"HTTPS is on, and {name} is {address!r}: browsers show no thumbnails from there.",
            hint="Write an https address, or set PICTURES_THROUGH_SITE=on.",
            id="search.W011",
        )
    ]


@_asks_the_database
def vectors_are_of_the_active_model() -> list[CheckMessage]:
    """Search sees only rows of the active model; others should not be forgotten."""
    ends = (
        Image.objects.shown().filter(embedding_model__gt="").aggregate(Min("embedding_model"), Max("embedding_model"))
    )
    others = {model for model in ends.values() if model} - set(accepted_names(active_model()))
    if not others:
        return []
    return [
        checks.Warning(
            f"Some pictures have vectors of {' and '.join(sorted(others))}; the active model is {active_model()}. "
            "No search finds them.",
            hint="Run `manage.py reembed`, or set EMBEDDING_IMAGE_MODEL back.",
            id="search.W002",
        )
    ]


@_asks_the_database
def switch_of_models_has_ended() -> list[CheckMessage]:
    """What `switch_model` has begun, or chosen, should not be forgotten."""
    switch = known_switch()
    told = switching.told()
    if not told or switch is None:
        return []
    if not switch.counts_with(environment()):
        return [
            checks.Warning(
                f"The environment was changed after switch_model had chosen {switch.active.pair.image} and "
                f"{switch.active.pair.text}: the environment counts.",
                hint="Set EMBEDDING_IMAGE_MODEL and EMBEDDING_TEXT_MODEL to these; or keep them, and run `manage.py "
                "reembed`.",
                id="search.W013",
            )
        ]
    hint = "`manage.py switch_model` tells how far it is, and what can be done next."
    return [checks.Info(f"Change of models: {told}.", hint=hint, id="search.I014")]


@_asks_the_database
def no_picture_waits_for_its_vector() -> list[CheckMessage]:
    """Pictures that were added with `ingest --enqueue` should not be forgotten."""
    pending = Image.objects.pending().count()
    if not pending:
        return []
    return [
        checks.Info(
            f"{pending:,} pictures wait for their vectors. No search finds them.",
            hint="Run `manage.py embed_pending`, on as many machines as you like.",
            id="search.I005",
        )
    ]


@_asks_the_database
def wide_pictures_are_seen_whole() -> list[CheckMessage]:
    """Pictures of earlier versions are found by their middle alone until somebody has the rest looked at."""
    owed = Image.objects.without_windows(active_model()).count()
    if not owed:
        return []
    return [
        checks.Info(
            f"{owed:,} wide or tall pictures are found by what is in their middle alone.",
            hint="Run `manage.py embed_pending --windows`, on as many machines as you like. It reads their originals.",
            id="search.I013",
        )
    ]


@_asks_the_database
def places_are_known() -> list[CheckMessage]:
    """Coordinates that were read by earlier versions say nothing of a country or a town by themselves."""
    unplaced = count_unplaced()
    if not unplaced:
        return []
    return [
        checks.Info(
            f"Of {unplaced:,} pictures whose coordinates are known, nobody has looked up the country and town.",
            hint="Run `manage.py find_places`: half a minute for 100,000. It reads no file.",
            id="search.I016",
        )
    ]


@_asks_the_database
def relevance_is_measured() -> list[CheckMessage]:
    """Without it no result is called strong or weak, as after an upgrade from a version that did not measure."""
    if not is_unmeasured():
        return []
    return [checks.Warning(UNMEASURED, hint=f"Run `{MEASURE}`.", id="search.W008")]


@_asks_the_database
def no_deletion_is_owed() -> list[CheckMessage]:
    """Files of deleted pictures, which the storage did not let go of, should not be forgotten."""
    owed = OwedDeletion.objects.count()
    if not owed:
        return []
    return [
        checks.Info(
            f"Files of {owed:,} deleted pictures are still in the storage.",
            hint="Run `manage.py reconcile`.",
            id="search.I009",
        )
    ]


@register(Tags.database)
def upgrade_is_complete(
    app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """Pages answer nothing else until the database and the static files are of this version."""
    if not databases or "default" not in databases or upgrades.is_migrating():
        return []
    found: list[CheckMessage] = []
    for number, require in ((6, partial(upgrades.require_migrated, now=True)), (7, upgrades.require_collected)):
        try:
            require()
        except upgrades.NotUpgraded as step:
            found.append(Error(step.wrong, hint=step.hint, id=f"search.E00{number}"))
        except DatabaseError:  # told by the check that asks for pgvector
            continue
    return found


@register(Tags.database)
def pgvector_is_recent(
    app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """Without iterative index scans searches come back short."""
    if not databases or "default" not in databases:
        return []
    try:
        with connections["default"].cursor() as cursor:
            cursor.execute(
                "SELECT coalesce(installed_version, default_version)"
                " FROM pg_available_extensions WHERE name = 'vector'"
            )
            row = cursor.fetchone()
    except DatabaseError as error:  # which the other checks leave to this one
        return [Error(f"The database can't be asked: {error}", hint="Look at DATABASE_URL.", id="search.E012")]
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
