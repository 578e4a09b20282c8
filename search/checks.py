"""Wrong configuration fails at start, with an id and the mend."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from django.apps.config import AppConfig
from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error, Tags, register
from django.db import DatabaseError, connections
from django.db.models import Max, Min

from search import upgrades
from search.embedding import active_model
from search.models import Image

OLDEST_PGVECTOR = (0, 8, 4)


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


@register(Tags.database)
def vectors_are_of_the_active_model(
    app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """Search sees only rows of the active model; others should not be forgotten."""
    if not databases or "default" not in databases:
        return []
    try:
        ends = (
            Image.objects.shown()
            .filter(embedding_model__gt="")
            .aggregate(Min("embedding_model"), Max("embedding_model"))
        )
    except DatabaseError:  # not migrated yet
        return []
    others = {model for model in ends.values() if model} - {active_model()}
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


@register(Tags.database)
def no_picture_waits_for_its_vector(
    app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """Pictures that were added with `ingest --enqueue` should not be forgotten."""
    if not databases or "default" not in databases:
        return []
    try:
        pending = Image.objects.pending().count()
    except DatabaseError:  # not migrated yet
        return []
    if not pending:
        return []
    return [
        checks.Info(
            f"{pending:,} pictures wait for their vectors. No search finds them.",
            hint="Run `manage.py embed_pending`, on as many machines as you like.",
            id="search.I005",
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
    with connections["default"].cursor() as cursor:
        cursor.execute(
            "SELECT coalesce(installed_version, default_version) FROM pg_available_extensions WHERE name = 'vector'"
        )
        row = cursor.fetchone()
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
